/* Seconds by the clocks of the system. */
#ifndef CLOCK_H
#define CLOCK_H

#include <time.h>

static inline double seconds_of(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double) t.tv_sec + 1e-9 * (double) t.tv_nsec;
}

static inline double now(void) { return seconds_of(CLOCK_MONOTONIC); }
static inline double cpu(void) { return seconds_of(CLOCK_PROCESS_CPUTIME_ID); }

#endif
