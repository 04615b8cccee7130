/* Far ends of many calls at once, on the loopback interface in real time: SIP, UDPTL, and libspandsp's T.38 terminal.

    far_end answer FOLDER         takes calls; each fax goes to FOLDER/NUMBER.tif
    far_end sink FOLDER           the same until the first page begins; from then on it only receives, and looks how
                                  late each datagram was
    far_end call PORT COUNT RATE DOCUMENT
                                  places COUNT calls, RATE in a second, to 127.0.0.1:PORT, and sends DOCUMENT in each

The first line on standard output is `port NUMBER`. A call that is over is `fax NUMBER CODE LAST`, with the completion
code of the library (0 is good) and the monotonic time of the last octet of V.21 that it sent. Commands on standard
input: `count` has `count UP PAGES` (calls that are up, and those in a page of a sink), `begin` empties the figures,
and `end` has `figures ...` since then. It ends with standard input.

Each terminal is stepped every 20 ms by a timer of its own, which runs from the moment at which its call is up, as
engines do that have a thread or a channel for each call.

How late a datagram of a page is: when the kernel took it (SO_TIMESTAMPNS), less the place on the line of its first
bit, which follows from the octets before it (stuffed zeros counted), less the least such difference of the call so
far. So what is seen is what left the sender's socket, whatever this process is doing. */

#define _GNU_SOURCE
#include "clock.h"
#include "fax_machine.h"
#include "sip.h"
#include "udptl.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define CALLS_MOST 20000
#define STEP 0.02
#define STEP_SAMPLES 160
#define RATE_OF_PAGE 14400.0
#define BUCKETS 100000 /* of 0.1 ms */
#define V21 0
#define V17_14400 8

enum mode { ANSWER, SINK, CALL };
enum state { INVITED, UP, LEAVING, GONE };

struct call;

struct watched { /* what a descriptor is, for epoll */
    struct call *call; /* NULL for those of the process */
    void (*ready)(struct call *call);
};

struct call {
    int number, fd, timer;
    struct watched media, clock;
    enum state state;
    struct sockaddr_in far, sip;
    t38_terminal_state_t *terminal;
    t38_core_state_t *core;
    struct udptl udptl;
    bool ended, page;
    int code;
    double ended_at, last_v21, again_at;
    int tries;
    char id[128], local[256], remote[256], target[200];
    char *said; /* the last response or request, to repeat */
    /* of a sink: */
    uint8_t frame[300];
    int in_frame;
    double place, least; /* seconds on the line before this frame; least difference so far */
    bool placed;
};

static enum mode mode;
static const char *folder = ".", *document;
static struct call *calls[CALLS_MOST];
static int count_of_calls, in_page;
static int sip_fd, epoll_fd, timer, own_port, target_port, wanted;
static double rate_of_calls, began;
static long late[BUCKETS + 1], late_count, datagrams_in, datagrams_out;
static double late_most, begun_cpu, begun_at;

static int udp_socket(int *port)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof here;
    if (fd < 0 || bind(fd, (void *) &here, sizeof here) || getsockname(fd, (void *) &here, &length)) {
        perror("far_end: no socket");
        exit(1);
    }
    *port = ntohs(here.sin_port);
    return fd;
}

static void watch(int fd, struct watched *whose)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = whose};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

static int ticking(double first)
{
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    struct itimerspec period = {.it_interval.tv_nsec = (long) (STEP * 1e9), .it_value.tv_nsec = (long) (first * 1e9)};
    timerfd_settime(timer, 0, &period, NULL);
    return timer;
}

static uint64_t ticks(int timer)
{
    uint64_t passed;
    return read(timer, &passed, sizeof passed) == sizeof passed ? passed : 0;
}

/* --- the fax machine of a call --------------------------------------------------------------------------------- */

static int on_packet(t38_core_state_t *core, void *whose, const uint8_t *ifp, int length, int copies)
{
    (void) core;
    struct call *call = whose;
    uint8_t datagram[DATAGRAM_MOST];
    int size = udptl_wrap(&call->udptl, ifp, length, datagram);
    if ((ifp[0] & 0x40) && (ifp[0] >> 1 & 0xF) == V21)
        call->last_v21 = now();
    for (int copy = 0; copy < copies && size > 0; copy++) {
        sendto(call->fd, datagram, (size_t) size, 0, (void *) &call->far, sizeof call->far);
        datagrams_out++;
    }
    return 0;
}

static void on_end(t30_state_t *t30, void *whose, int code)
{
    (void) t30;
    struct call *call = whose;
    call->ended = true;
    call->code = code;
    call->ended_at = now();
}

static void step(struct call *call);

static void start_fax(struct call *call)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%d.tif", folder, call->number);
    call->terminal = t38_terminal_init(NULL, mode == CALL, on_packet, call);
    call->core = t38_terminal_get_t38_core_state(call->terminal);
    t38_set_t38_version(call->core, 0);
    set_up_fax(t38_terminal_get_t30_state(call->terminal), document, mode == CALL ? NULL : path, on_end, call);
    span_log_set_level(t38_terminal_get_logging_state(call->terminal), 0);
    span_log_set_level(t38_core_get_logging_state(call->core), 0);
    call->timer = ticking(STEP);
    call->clock = (struct watched) {call, step};
    watch(call->timer, &call->clock);
}

static void end_fax(struct call *call)
{
    if (!call->terminal)
        return;
    t38_terminal_free(call->terminal);
    call->terminal = NULL;
    close(call->timer);
}

/* --- a sink ---------------------------------------------------------------------------------------------------- */

static void count_lateness(struct call *call, double at)
{
    double difference = at - call->place - call->in_frame * 8 / RATE_OF_PAGE;
    if (!call->placed || difference < call->least)
        call->least = difference;
    call->placed = true;
    double lateness = difference - call->least;
    int bucket = (int) (lateness * 1e4);
    late[bucket > BUCKETS ? BUCKETS : bucket]++;
    late_count++;
    if (lateness > late_most)
        late_most = lateness;
}

/* Bits of a frame on the line, with FCS, stuffed zeros, and the two flags before the next one. */
static int line_bits(const uint8_t *octets, int length)
{
    unsigned fcs = 0xFFFF;
    int bits = length * 8 + 16 + 16, ones = 0;
    for (int at = 0; at < length + 2; at++) {
        unsigned octet = at < length ? octets[at] : (fcs ^ 0xFFFF) >> (at == length ? 8 : 0) & 0xFF;
        for (int bit = 7; bit >= 0; bit--) {
            unsigned one = octet >> bit & 1;
            if (at < length)
                fcs = (fcs << 1 ^ ((fcs >> 15 & 1) ^ one ? 0x1021 : 0)) & 0xFFFF;
            ones = one ? ones + 1 : 0;
            if (ones == 5) {
                bits++;
                ones = 0;
            }
        }
    }
    return bits;
}

/* One IFP packet of the page: HDLC data, or the end of a frame. */
static void on_page_packet(struct call *call, const uint8_t *ifp, int length, double at)
{
    if (length < 3 || (ifp[0] & 0xC0) != 0xC0 || (ifp[0] >> 1 & 0xF) != V17_14400)
        return;
    int fields = ifp[1], place = 2;
    bool first = true;
    while (fields-- > 0 && place < length) {
        bool data = ifp[place] & 0x80;
        int type = ifp[place++] >> 4 & 7, size = 0;
        if (data) {
            if (place + 2 > length)
                return;
            size = (ifp[place] << 8 | ifp[place + 1]) + 1;
            place += 2;
            if (size > length - place)
                return;
        }
        if (data && type == 0) {
            if (first)
                count_lateness(call, at);
            if (call->in_frame + size > (int) sizeof call->frame)
                return;
            memcpy(call->frame + call->in_frame, ifp + place, (size_t) size);
            call->in_frame += size;
        } else if (type == 2) {
            call->place += line_bits(call->frame, call->in_frame) / RATE_OF_PAGE;
            call->in_frame = 0;
        }
        place += size;
        first = false;
    }
}

static bool begins_page(const uint8_t *ifp, int length)
{
    return length > 3 && (ifp[0] & 0xC0) == 0xC0 && (ifp[0] >> 1 & 0xF) == V17_14400 && (ifp[2] & 0xF0) == 0x80;
}

static double arrival;

static void on_ifp_received(void *whose, const uint8_t *ifp, int length, uint16_t number)
{
    struct call *call = whose;
    if (mode == SINK && !call->page && call->terminal && begins_page(ifp, length)) {
        end_fax(call);
        call->page = true;
        in_page++;
    }
    if (call->page)
        on_page_packet(call, ifp, length, arrival);
    else if (call->terminal)
        t38_core_rx_ifp_packet(call->core, ifp, length, number);
}

static void on_media(struct call *call)
{
    if (call->state == GONE)
        return;
    uint8_t datagram[DATAGRAM_MOST], control[128];
    for (int turn = 0; turn < 8; turn++) {
        int size;
        if (mode == SINK) {
            struct iovec vector = {datagram, sizeof datagram};
            struct msghdr message = {
                .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
            size = (int) recvmsg(call->fd, &message, 0);
            for (struct cmsghdr *each = CMSG_FIRSTHDR(&message); size > 0 && each; each = CMSG_NXTHDR(&message, each))
                if (each->cmsg_level == SOL_SOCKET && each->cmsg_type == SO_TIMESTAMPNS) {
                    struct timespec stamp;
                    memcpy(&stamp, CMSG_DATA(each), sizeof stamp);
                    arrival = (double) stamp.tv_sec + 1e-9 * (double) stamp.tv_nsec;
                }
        } else {
            size = (int) recv(call->fd, datagram, sizeof datagram, 0);
        }
        if (size <= 0)
            return;
        datagrams_in++;
        udptl_unwrap(&call->udptl, datagram, size, on_ifp_received, call);
    }
}

/* --- SIP ------------------------------------------------------------------------------------------------------- */

static void say(struct call *call, const char *text)
{
    sendto(sip_fd, text, strlen(text), 0, (void *) &call->sip, sizeof call->sip);
}

static void remember(struct call *call, const char *text)
{
    free(call->said);
    call->said = strdup(text);
}

static struct call *new_call(void)
{
    if (count_of_calls == CALLS_MOST)
        return NULL;
    struct call *call = calloc(1, sizeof *call);
    int port;
    call->number = count_of_calls;
    call->fd = udp_socket(&port);
    int on = 1;
    if (mode == SINK)
        setsockopt(call->fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
    call->media = (struct watched) {call, on_media};
    watch(call->fd, &call->media);
    call->far = (struct sockaddr_in) {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    calls[count_of_calls++] = call;
    return call;
}

static int port_of_call(const struct call *call)
{
    struct sockaddr_in here;
    socklen_t length = sizeof here;
    getsockname(call->fd, (void *) &here, &length);
    return ntohs(here.sin_port);
}

static struct call *find(const char *message)
{
    char id[128];
    header(id, sizeof id, message, "Call-ID");
    for (int number = count_of_calls - 1; number >= 0; number--)
        if (!strcmp(calls[number]->id, id))
            return calls[number];
    return NULL;
}

/* A response with the headers that it takes from the request. */
static void respond(char *to, size_t room, const char *request, const char *status, int number, int media_port)
{
    char value[512], body[1024] = "";
    snprintf(to, room, "SIP/2.0 %s\r\n", status);
    copy_headers(to, room, request, "Via");
    copy_headers(to, room, request, "From");
    header(value, sizeof value, request, "To");
    size_t used = strlen(to);
    snprintf(to + used, room - used, "To: %s%s", value, strstr(value, "tag=") ? "" : ";tag=far");
    used = strlen(to);
    if (!strstr(value, "tag="))
        used += (size_t) snprintf(to + used, room - used, "%d", number);
    snprintf(to + used, room - used, "\r\n");
    copy_headers(to, room, request, "Call-ID");
    copy_headers(to, room, request, "CSeq");
    if (media_port)
        description(body, sizeof body, media_port);
    used = strlen(to);
    snprintf(to + used, room - used, "Contact: <sip:far@127.0.0.1:%d>\r\n%sContent-Length: %zu\r\n\r\n%s", own_port,
             media_port ? "Content-Type: application/sdp\r\n" : "", strlen(body), body);
}

/* A request within a call; `branch` tells it from the others. */
static void request(char *to, size_t room, const struct call *call, const char *method, int cseq, const char *body)
{
    snprintf(to, room,
             "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:%d;branch=z9hG4bKfar%d%s\r\nMax-Forwards: 70\r\n"
             "From: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d %s\r\nContact: <sip:far@127.0.0.1:%d>\r\n"
             "%sContent-Length: %zu\r\n\r\n%s",
             method, call->target, own_port, call->number, method, call->local, call->remote, call->id, cseq, method,
             own_port, *body ? "Content-Type: application/sdp\r\n" : "", strlen(body), body);
}

static void place_call(void)
{
    struct call *call = new_call();
    char body[1024], text[SIP_MOST];
    if (!call)
        return;
    call->sip = (struct sockaddr_in) {.sin_family = AF_INET,
                                      .sin_port = htons((uint16_t) target_port),
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    snprintf(call->id, sizeof call->id, "far-%d-%d", (int) getpid(), call->number);
    snprintf(call->local, sizeof call->local, "<sip:far@127.0.0.1:%d>;tag=far%d", own_port, call->number);
    snprintf(call->target, sizeof call->target, "sip:fax@127.0.0.1:%d", target_port);
    snprintf(call->remote, sizeof call->remote, "<%s>", call->target);
    description(body, sizeof body, port_of_call(call));
    request(text, sizeof text, call, "INVITE", 1, body);
    remember(call, text);
    say(call, text);
    call->again_at = now() + 0.5;
}

static void leave(struct call *call)
{
    char text[SIP_MOST];
    request(text, sizeof text, call, "BYE", 2, "");
    remember(call, text);
    say(call, text);
    call->state = LEAVING;
    call->tries = 0;
    call->again_at = now() + 0.5;
}

static void gone(struct call *call)
{
    if (call->state == GONE)
        return;
    if (call->page)
        in_page--;
    call->state = GONE;
    if (call->terminal && !call->ended)
        t30_terminate(t38_terminal_get_t30_state(call->terminal));
    end_fax(call);
    epoll_ctl(epoll_fd, EPOLL_CTL_DEL, call->fd, NULL);
    close(call->fd);
    printf("fax %d %d %.6f\n", call->number, call->ended ? call->code : -1, call->last_v21);
    fflush(stdout);
}

static void on_response(const char *message)
{
    struct call *call = find(message);
    char value[256], method[64], text[SIP_MOST];
    int status = atoi(message + 8);
    if (!call)
        return;
    header(value, sizeof value, message, "CSeq");
    sscanf(value, "%*d %63s", method);
    if (status < 200) {
        call->again_at = 0;
    } else if (!strcmp(method, "BYE")) {
        gone(call);
    } else if (status >= 300) {
        header(call->remote, sizeof call->remote, message, "To");
        request(text, sizeof text, call, "ACK", 1, "");
        say(call, text);
        if (call->state == INVITED) {
            call->ended = true;
            call->code = -status;
            gone(call);
        }
    } else {
        if (call->state == INVITED) {
            header(call->remote, sizeof call->remote, message, "To");
            header(value, sizeof value, message, "Contact");
            address_in(call->target, sizeof call->target, value);
            call->far.sin_port = htons((uint16_t) image_port(message));
            call->state = UP;
            call->again_at = 0;
            start_fax(call);
        }
        request(text, sizeof text, call, "ACK", 1, "");
        say(call, text);
    }
}

static void on_request(const char *message, const struct sockaddr_in *source)
{
    char text[SIP_MOST];
    struct call *call = find(message);
    bool invite = !strncmp(message, "INVITE ", 7);
    if (!strncmp(message, "ACK ", 4)) {
        if (call && call->state == INVITED) {
            call->state = UP;
            start_fax(call);
        }
        return;
    }
    if (invite && !call) {
        if (mode == CALL || !image_port(message) || !(call = new_call())) {
            respond(text, sizeof text, message, "488 Not Acceptable Here", 0, 0);
            sendto(sip_fd, text, strlen(text), 0, (const void *) source, sizeof *source);
            return;
        }
        call->sip = *source;
        header(call->id, sizeof call->id, message, "Call-ID");
        call->far.sin_port = htons((uint16_t) image_port(message));
        respond(text, sizeof text, message, "200 OK", call->number, port_of_call(call));
        remember(call, text);
        say(call, text);
        return;
    }
    if (invite && call->state == INVITED) {
        say(call, call->said);
        return;
    }
    const char *status = call || !strncmp(message, "OPTIONS ", 8) ? "200 OK" : "481 Call Does Not Exist";
    bool media = invite && call->state != GONE;
    respond(text, sizeof text, message, status, call ? call->number : 0, media ? port_of_call(call) : 0);
    sendto(sip_fd, text, strlen(text), 0, (const void *) source, sizeof *source);
    if (call && !strncmp(message, "BYE ", 4))
        gone(call);
}

static void on_sip(struct call *none)
{
    (void) none;
    static char message[65536];
    struct sockaddr_in source;
    for (;;) {
        socklen_t length = sizeof source;
        ssize_t size = recvfrom(sip_fd, message, sizeof message - 1, 0, (void *) &source, &length);
        if (size <= 0)
            return;
        message[size] = 0;
        if (!strncmp(message, "SIP/2.0 ", 8))
            on_response(message);
        else
            on_request(message, &source);
    }
}

/* --- time and commands ----------------------------------------------------------------------------------------- */

static void step(struct call *call)
{
    if (call->state == GONE || !call->terminal)
        return;
    for (uint64_t passed = ticks(call->timer); passed > 0; passed--)
        t38_terminal_send_timeout(call->terminal, STEP_SAMPLES);
    if (mode == CALL && call->state == UP && call->ended && now() > call->ended_at + 0.3)
        leave(call);
}

/* For a caller: calls that are due, and requests that are to be repeated. */
static void tick(struct call *none)
{
    (void) none;
    double at = now();
    ticks(timer);
    while (count_of_calls < wanted && at >= began + count_of_calls / rate_of_calls)
        place_call();
    for (int number = 0; number < count_of_calls; number++) {
        struct call *call = calls[number];
        if (call->state != GONE && call->again_at > 0 && at > call->again_at) {
            call->again_at = at + 0.5;
            if (++call->tries > 60)
                gone(call);
            else
                say(call, call->said);
        }
    }
}

static void tell_figures(void)
{
    long seen = 0, missing = 0, disorder = 0;
    double half = 0, most_of = 0;
    for (int bucket = 0; bucket <= BUCKETS && late_count; bucket++) {
        seen += late[bucket];
        if (!half && seen >= late_count / 2)
            half = (bucket + 1) / 1e4;
        if (!most_of && seen >= late_count * 0.99)
            most_of = (bucket + 1) / 1e4;
    }
    for (int number = 0; number < count_of_calls; number++) {
        missing += calls[number]->udptl.missing;
        disorder += calls[number]->udptl.out_of_order;
    }
    printf("figures %.6f %.6f %ld %ld %ld %ld %.6f %.6f %.6f %d\n", now() - begun_at, cpu() - begun_cpu, datagrams_in,
           datagrams_out, missing, disorder, half, most_of, late_most, in_page);
    fflush(stdout);
}

static void on_command(struct call *none)
{
    (void) none;
    static char pending[4096];
    static size_t used;
    ssize_t size = read(0, pending + used, sizeof pending - used - 1);
    if (size <= 0)
        exit(0);
    used += (size_t) size;
    pending[used] = 0;
    char *line = pending, *end;
    while ((end = strchr(line, '\n'))) {
        *end = 0;
        if (!strcmp(line, "count")) {
            int up = 0;
            for (int number = 0; number < count_of_calls; number++)
                up += calls[number]->state == UP;
            printf("count %d %d\n", up, in_page);
            fflush(stdout);
        } else if (!strcmp(line, "begin")) {
            memset(late, 0, sizeof late);
            late_count = datagrams_in = datagrams_out = 0;
            late_most = 0;
            begun_cpu = cpu();
            begun_at = now();
        } else if (!strcmp(line, "end")) {
            tell_figures();
        }
        line = end + 1;
    }
    used = strlen(line);
    memmove(pending, line, used + 1);
    if (used == sizeof pending - 1)
        exit(2);
}

int main(int count, char **arguments)
{
    if (count == 3 && (!strcmp(arguments[1], "answer") || !strcmp(arguments[1], "sink"))) {
        mode = strcmp(arguments[1], "sink") ? ANSWER : SINK;
        folder = arguments[2];
    } else if (count == 6 && !strcmp(arguments[1], "call")) {
        mode = CALL;
        target_port = atoi(arguments[2]);
        wanted = atoi(arguments[3]);
        rate_of_calls = atof(arguments[4]);
        document = arguments[5];
    } else {
        fprintf(stderr, "far_end answer FOLDER | sink FOLDER | call PORT COUNT RATE DOCUMENT\n");
        return 2;
    }
    struct rlimit files; /* a call has a socket, a timer, and a file */
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    sip_fd = udp_socket(&own_port);
    int room = 8 << 20;
    setsockopt(sip_fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    struct watched sip = {NULL, on_sip}, input = {NULL, on_command}, clock = {NULL, tick};
    watch(sip_fd, &sip);
    watch(0, &input);
    printf("port %d\n", own_port);
    fflush(stdout);
    began = begun_at = now();
    if (mode == CALL)
        watch(timer = ticking(1e-9), &clock);
    for (;;) {
        struct epoll_event events[256];
        int ready = epoll_wait(epoll_fd, events, 256, -1);
        for (int at = 0; at < ready; at++) {
            struct watched *whose = events[at].data.ptr;
            whose->ready(whose->call);
        }
    }
}
