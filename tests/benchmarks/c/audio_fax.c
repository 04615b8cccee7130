/* Faxes between libspandsp's whole fax machines over G.711, each at a UDP socket of the loopback interface.

    audio_fax DOCUMENT FOLDER PAIRS

Real time: every machine has a thread with a timer of 20 ms, at which it sends a packet, and takes what has come. Pairs
begin within the first third of a minute. Prints `SECONDS SENDING RECEIVING GOOD`: of audio of one end of all pairs, CPU
seconds of the machines that send DOCUMENT and of those that receive it, and how many pairs ended with the code 0. */

#define _GNU_SOURCE
#include "clock.h"
#include "fax_machine.h"
#include <arpa/inet.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define SAMPLES 160
#define STEP 0.02
#define STEP_NS 20000000L
#define HEADER 12
#define LIMIT 900.0
#define SPREAD 20

struct end {
    fax_state_t *fax;
    g711_state_t *law;
    int socket;
    struct sockaddr_in address;
    struct end *far;
    uint16_t number;
    time_t begins;
    long offset;
    double seconds, cpu;
    volatile bool over;
    int code;
};

static void on_end(t30_state_t *t30, void *whose, int code)
{
    (void) t30;
    struct end *end = whose;
    end->over = true;
    end->code = code;
}

static void set_up(struct end *end, bool calls, const char *send, const char *receive)
{
    end->fax = fax_init(NULL, calls);
    end->law = g711_init(NULL, G711_ALAW);
    end->socket = socket(AF_INET, SOCK_DGRAM, 0);
    end->address.sin_family = AF_INET;
    end->address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof end->address;
    if (!end->fax || !end->law || end->socket < 0
        || bind(end->socket, (struct sockaddr *) &end->address, sizeof end->address) != 0
        || getsockname(end->socket, (struct sockaddr *) &end->address, &length) != 0) {
        perror("audio_fax");
        exit(1);
    }
    fax_set_transmit_on_idle(end->fax, 1);
    set_up_fax(fax_get_t30_state(end->fax), send, receive, on_end, end);
}

static void speak(struct end *end)
{
    int16_t samples[SAMPLES];
    uint8_t packet[HEADER + SAMPLES] = {0x80, 8};
    const struct end *far = end->far;
    int made = fax_tx(end->fax, samples, SAMPLES);
    memset(samples + made, 0, sizeof(int16_t) * (size_t) (SAMPLES - made));
    uint32_t stamp = htonl((uint32_t) end->number * SAMPLES);
    uint16_t number = htons(end->number++);
    memcpy(packet + 2, &number, sizeof number);
    memcpy(packet + 4, &stamp, sizeof stamp);
    g711_encode(end->law, packet + HEADER, samples, SAMPLES);
    if (sendto(end->socket, packet, sizeof packet, 0, (const struct sockaddr *) &far->address, sizeof far->address) < 0)
        perror("audio_fax: sendto");
}

static bool hear(struct end *end)
{
    int16_t samples[SAMPLES];
    uint8_t packet[HEADER + SAMPLES];
    if (recv(end->socket, packet, sizeof packet, MSG_DONTWAIT) != (ssize_t) sizeof packet)
        return false;
    g711_decode(end->law, samples, packet + HEADER, SAMPLES);
    fax_rx(end->fax, samples, SAMPLES);
    return true;
}

static void *run(void *whose)
{
    struct end *end = whose;
    int timer = timerfd_create(CLOCK_MONOTONIC, 0);
    struct itimerspec every = {{0, STEP_NS}, {end->begins, 1 + end->offset}};
    uint64_t steps;
    if (timer < 0 || timerfd_settime(timer, 0, &every, NULL) != 0) {
        perror("audio_fax: timer");
        exit(1);
    }
    while (!(end->over && end->far->over) && end->seconds < LIMIT) {
        if (read(timer, &steps, sizeof steps) != sizeof steps)
            break;
        for (; steps > 0; steps--) {
            speak(end);
            end->seconds += STEP;
        }
        while (hear(end))
            continue;
    }
    close(timer);
    end->cpu = seconds_of(CLOCK_THREAD_CPUTIME_ID);
    return NULL;
}

int main(int count, char **given)
{
    int pairs = count == 4 ? atoi(given[3]) : 0;
    if (pairs <= 0) {
        fprintf(stderr, "audio_fax DOCUMENT FOLDER PAIRS\n");
        return 2;
    }
    struct end *ends = calloc(2 * (size_t) pairs, sizeof *ends);
    pthread_t *threads = calloc(2 * (size_t) pairs, sizeof *threads);
    if (!ends || !threads)
        return 1;
    for (int pair = 0; pair < pairs; pair++) {
        struct end *sender = ends + 2 * pair, *receiver = sender + 1;
        char path[4096];
        snprintf(path, sizeof path, "%s/%d.tif", given[2], pair);
        set_up(sender, true, given[1], NULL);
        set_up(receiver, false, NULL, path);
        sender->far = receiver;
        receiver->far = sender;
        sender->begins = receiver->begins = pair * SPREAD / pairs;
        sender->offset = receiver->offset = pair * 7919 % 20 * 1000000L;
    }
    for (int each = 0; each < 2 * pairs; each++)
        if (pthread_create(threads + each, NULL, run, ends + each) != 0)
            return 1;
    double seconds = 0, used[2] = {0, 0};
    int good = 0;
    for (int each = 0; each < 2 * pairs; each++) {
        pthread_join(threads[each], NULL);
        used[each % 2] += ends[each].cpu;
    }
    for (int pair = 0; pair < pairs; pair++) {
        const struct end *sender = ends + 2 * pair;
        seconds += sender->seconds;
        good += sender->over && sender->far->over && sender->code == 0 && sender->far->code == 0;
    }
    printf("%f %f %f %d\n", seconds, used[0], used[1], good);
    return 0;
}
