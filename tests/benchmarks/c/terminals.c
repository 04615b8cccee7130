/* A fax between two libspandsp machines in simulated time.

    terminals terminal|gateway DOCUMENT RECEIVED

A T.38 terminal sends DOCUMENT; what receives is a terminal too, or a T.38 gateway with an audio fax machine behind it.
Each lives in steps of 20 ms, and a packet arrives one step after it was sent. Prints `LINE CPU CODE CODE`: seconds on the
simulated clock from the first packet to the last, CPU seconds of this process, and both completion codes (0 is good). */

#include "clock.h"
#include "fax_machine.h"
#include <stdbool.h>
#include <string.h>

#define STEP_SAMPLES 160
#define STEP 0.02
#define LIMIT 7200.0
#define PACKET_MOST 1024
#define IN_FLIGHT_MOST 4096

struct packet {
    int length;
    uint16_t number;
    double arrives;
    uint8_t octets[PACKET_MOST];
};

struct end {
    struct end *far;
    t38_core_state_t *core;
    t38_terminal_state_t *terminal;
    t38_gateway_state_t *gateway;
    fax_state_t *fax;
    uint16_t next_out;
    struct packet in_flight[IN_FLIGHT_MOST]; /* to this end */
    int first, count;
    bool ended;
    int code;
};

static double clock_now, first_packet = -1, last_packet;

static int on_packet(t38_core_state_t *core, void *whose, const uint8_t *ifp, int length, int copies)
{
    (void) core;
    (void) copies; /* nothing is lost here */
    struct end *far = ((struct end *) whose)->far;
    if (far->count == IN_FLIGHT_MOST || length > PACKET_MOST) {
        fprintf(stderr, "terminals: a packet too many, or too long\n");
        exit(1);
    }
    struct packet *packet = &far->in_flight[(far->first + far->count++) % IN_FLIGHT_MOST];
    packet->length = length;
    packet->number = ((struct end *) whose)->next_out++;
    packet->arrives = clock_now + STEP;
    memcpy(packet->octets, ifp, (size_t) length);
    if (first_packet < 0)
        first_packet = clock_now;
    last_packet = clock_now;
    return 0;
}

static void on_end(t30_state_t *t30, void *whose, int code)
{
    (void) t30;
    ((struct end *) whose)->ended = true;
    ((struct end *) whose)->code = code;
}

static void start_terminal(struct end *end, int calling, const char *send, const char *receive)
{
    end->terminal = t38_terminal_init(NULL, calling, on_packet, end);
    end->core = t38_terminal_get_t38_core_state(end->terminal);
    set_up_fax(t38_terminal_get_t30_state(end->terminal), send, receive, on_end, end);
    span_log_set_level(t38_terminal_get_logging_state(end->terminal), 0);
}

static void start_gateway(struct end *end, const char *receive)
{
    end->gateway = t38_gateway_init(NULL, on_packet, end);
    end->core = t38_gateway_get_t38_core_state(end->gateway);
    t38_gateway_set_transmit_on_idle(end->gateway, 1);
    t38_gateway_set_ecm_capability(end->gateway, 1);
    t38_gateway_set_supported_modems(end->gateway, T30_SUPPORT_V27TER | T30_SUPPORT_V29 | T30_SUPPORT_V17);
    span_log_set_level(t38_gateway_get_logging_state(end->gateway), 0);
    end->fax = fax_init(NULL, 0);
    fax_set_transmit_on_idle(end->fax, 1);
    set_up_fax(fax_get_t30_state(end->fax), NULL, receive, on_end, end);
    span_log_set_level(fax_get_logging_state(end->fax), 0);
}

static void step(struct end *end)
{
    int16_t samples[STEP_SAMPLES];
    while (end->count && end->in_flight[end->first].arrives <= clock_now + 1e-9) {
        struct packet *packet = &end->in_flight[end->first];
        end->first = (end->first + 1) % IN_FLIGHT_MOST;
        end->count--;
        t38_core_rx_ifp_packet(end->core, packet->octets, packet->length, packet->number);
    }
    if (end->terminal) {
        t38_terminal_send_timeout(end->terminal, STEP_SAMPLES);
        return;
    }
    memset(samples, 0, sizeof samples);
    fax_tx(end->fax, samples, STEP_SAMPLES);
    t38_gateway_rx(end->gateway, samples, STEP_SAMPLES);
    memset(samples, 0, sizeof samples);
    t38_gateway_tx(end->gateway, samples, STEP_SAMPLES);
    fax_rx(end->fax, samples, STEP_SAMPLES);
}

int main(int count, char **arguments)
{
    if (count != 4 || (strcmp(arguments[1], "terminal") && strcmp(arguments[1], "gateway"))) {
        fprintf(stderr, "terminals terminal|gateway DOCUMENT RECEIVED\n");
        return 2;
    }
    static struct end sender, receiver;
    sender.far = &receiver;
    receiver.far = &sender;
    start_terminal(&sender, 1, arguments[2], NULL);
    if (!strcmp(arguments[1], "gateway"))
        start_gateway(&receiver, arguments[3]);
    else
        start_terminal(&receiver, 0, NULL, arguments[3]);
    double began = cpu();
    while (!(sender.ended && receiver.ended) && clock_now < LIMIT) {
        step(&sender);
        step(&receiver);
        clock_now += STEP;
    }
    double spent = cpu() - began;
    if (sender.terminal)
        t38_terminal_free(sender.terminal);
    if (receiver.terminal)
        t38_terminal_free(receiver.terminal);
    if (receiver.fax)
        fax_free(receiver.fax);
    printf("%.3f %.6f %d %d\n", last_packet - first_packet, spent, sender.ended ? sender.code : -1,
           receiver.ended ? receiver.code : -1);
    return 0;
}
