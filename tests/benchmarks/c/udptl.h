/* UDPTL (T.38 clause 9) with redundancy, for the far ends of the benchmarks. It shares nothing with the product. */
#ifndef UDPTL_H
#define UDPTL_H

#include <stdint.h>
#include <string.h>

#define IFP_MOST 512
#define DATAGRAM_MOST 2048
#define COPIES 3

struct ifp {
    int length;
    uint8_t octets[IFP_MOST];
};

struct udptl {
    uint16_t next_out;
    int kept;
    struct ifp earlier[COPIES]; /* newest first */
    int heard;                  /* whether anything came yet */
    uint16_t next_in;
    long datagrams_in, datagrams_out, missing, out_of_order;
};

static int put_open_type(uint8_t *to, const uint8_t *octets, int length)
{
    int at = 0;
    if (length < 0x80) {
        to[at++] = (uint8_t) length;
    } else {
        to[at++] = (uint8_t) (0x80 | length >> 8);
        to[at++] = (uint8_t) length;
    }
    memcpy(to + at, octets, (size_t) length);
    return at + length;
}

/* One IFP packet as a datagram; its length, or 0 if it is too long for us. */
static int udptl_wrap(struct udptl *u, const uint8_t *ifp, int length, uint8_t datagram[DATAGRAM_MOST])
{
    if (length > IFP_MOST)
        return 0;
    int at = 0, room = 2 + 2 + length + 2;
    datagram[at++] = (uint8_t) (u->next_out >> 8);
    datagram[at++] = (uint8_t) u->next_out;
    at += put_open_type(datagram + at, ifp, length);
    datagram[at++] = 0;
    int count = at++;
    int copies = 0;
    while (copies < u->kept && (room += u->earlier[copies].length + 2) <= DATAGRAM_MOST) {
        at += put_open_type(datagram + at, u->earlier[copies].octets, u->earlier[copies].length);
        copies++;
    }
    datagram[count] = (uint8_t) copies;
    memmove(u->earlier + 1, u->earlier, sizeof u->earlier - sizeof u->earlier[0]);
    u->earlier[0].length = length;
    memcpy(u->earlier[0].octets, ifp, (size_t) length);
    if (u->kept < COPIES)
        u->kept++;
    u->next_out++;
    u->datagrams_out++;
    return at;
}

/* Takes one open type at `at`; where it begins and how long it is. The place behind it, or -1. */
static int take_open_type(const uint8_t *octets, int length, int at, const uint8_t **part, int *part_length)
{
    if (at >= length)
        return -1;
    int size = octets[at++];
    if (size & 0x80) {
        if (size & 0x40 || at >= length)
            return -1;
        size = (size & 0x3F) << 8 | octets[at++];
    }
    if (size > length - at)
        return -1;
    *part = octets + at;
    *part_length = size;
    return at + size;
}

typedef void (*on_ifp)(void *whose, const uint8_t *ifp, int length, uint16_t number);

/* Hands on what is new in a datagram, oldest first. Malformed ones and late ones are dropped. */
static void udptl_unwrap(struct udptl *u, const uint8_t *datagram, int length, on_ifp handle, void *whose)
{
    const uint8_t *primary, *earlier[16];
    int size, sizes[16], count = 0;
    if (length < 3)
        return;
    uint16_t number = (uint16_t) (datagram[0] << 8 | datagram[1]);
    int at = take_open_type(datagram, length, 2, &primary, &size);
    if (at < 0)
        return;
    u->datagrams_in++;
    if (!u->heard) {
        u->heard = 1;
        u->next_in = number;
    }
    int16_t ahead = (int16_t) (number - u->next_in);
    if (ahead < 0) {
        u->out_of_order++;
        return;
    }
    if (ahead > 0) {
        if (at + 1 < length && datagram[at] == 0) {
            int wanted = datagram[at + 1];
            at += 2;
            while (count < wanted && count < 16
                   && (at = take_open_type(datagram, length, at, &earlier[count], &sizes[count])) > 0)
                count++;
        }
        for (int back = ahead; back > 0; back--) {
            if (back <= count && sizes[back - 1] > 0)
                handle(whose, earlier[back - 1], sizes[back - 1], (uint16_t) (number - back));
            else
                u->missing++;
        }
    }
    u->next_in = (uint16_t) (number + 1);
    handle(whose, primary, size, number);
}

#endif
