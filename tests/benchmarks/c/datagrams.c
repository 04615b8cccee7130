/* What a datagram costs in C: a process that only calls send(), and one that only waits with epoll and calls recv().

    datagrams SOCKETS RATE SECONDS OCTETS

SOCKETS connected pairs on the loopback interface, RATE datagrams of OCTETS octets a second on each, evenly spread, released
in steps of 1 ms. Prints `SENT SEND_US RECEIVED RECV_US`: CPU microseconds of each process for a datagram, waiting included. */

#define _GNU_SOURCE
#include "clock.h"
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST 4096

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static int bound(struct sockaddr_in *here)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    socklen_t length = sizeof *here;
    memset(here, 0, sizeof *here);
    here->sin_family = AF_INET;
    here->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (void *) here, length) || getsockname(fd, (void *) here, &length))
        fail("datagrams: no socket");
    return fd;
}

static void receive(const int *fds, int sockets, int report)
{
    struct epoll_event events[256];
    char datagram[2048];
    long received = 0;
    int epoll_fd = epoll_create1(0), quiet = 0;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int at = 0; at < sockets; at++) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fds[at]};
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fds[at], &event);
    }
    if (write(report, "r", 1) != 1)
        exit(1);
    double began = cpu();
    while (quiet < 10) {
        int ready = epoll_wait(epoll_fd, events, 256, 200);
        quiet = ready > 0 || !received ? 0 : quiet + 1;
        for (int at = 0; at < ready; at++)
            if (recv(events[at].data.fd, datagram, sizeof datagram, 0) >= 0)
                received++;
    }
    double result[2] = {(double) received, cpu() - began};
    if (write(report, result, sizeof result) != sizeof result)
        exit(1);
    exit(0);
}

int main(int count, char **arguments)
{
    static int out[MOST], in[MOST], pipes[2];
    if (count != 5) {
        fprintf(stderr, "datagrams SOCKETS RATE SECONDS OCTETS\n");
        return 2;
    }
    int sockets = atoi(arguments[1]), octets = atoi(arguments[4]);
    double rate = atof(arguments[2]), seconds = atof(arguments[3]);
    if (sockets < 1 || sockets > MOST || octets < 1 || octets > 2048 || rate <= 0 || pipe(pipes))
        return 2;
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    for (int at = 0; at < sockets; at++) {
        struct sockaddr_in there, here;
        in[at] = bound(&there);
        out[at] = bound(&here);
        if (connect(out[at], (void *) &there, sizeof there))
            fail("datagrams: connect");
    }
    pid_t child = fork();
    if (child < 0)
        fail("datagrams: fork");
    if (!child)
        receive(in, sockets, pipes[1]);
    char datagram[2048] = {0}, ready;
    if (read(pipes[0], &ready, 1) != 1)
        return 1;
    long sent = 0;
    double began = now(), began_cpu = cpu();
    struct timespec wake;
    clock_gettime(CLOCK_MONOTONIC, &wake);
    for (double at = 0; at < seconds; at = now() - began) {
        long due = (long) (at * rate * sockets);
        for (; sent < due; sent++)
            send(out[sent % sockets], datagram, (size_t) octets, 0);
        wake.tv_nsec += 1000000;
        if (wake.tv_nsec >= 1000000000) {
            wake.tv_nsec -= 1000000000;
            wake.tv_sec++;
        }
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &wake, NULL);
    }
    double spent = cpu() - began_cpu, result[2];
    if (read(pipes[0], result, sizeof result) != sizeof result)
        return 1;
    waitpid(child, NULL, 0);
    printf("%ld %.3f %.0f %.3f\n", sent, 1e6 * spent / (double) sent, result[0], 1e6 * result[1] / result[0]);
    return 0;
}
