/* As much of SIP and SDP as a far end on the loopback interface needs. */
#ifndef SIP_H
#define SIP_H

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SIP_MOST 8192

/* Appends every header of this name ("Via", say) with its line end to `to`; how many there were. */
static int copy_headers(char *to, size_t room, const char *message, const char *name)
{
    size_t length = strlen(name), used = strlen(to);
    int count = 0;
    for (const char *line = strstr(message, "\r\n"); line && line[2] != '\r'; line = strstr(line, "\r\n")) {
        line += 2;
        const char *end = strstr(line, "\r\n");
        if (!end)
            break;
        if (!strncasecmp(line, name, length) && line[length] == ':'
            && used + (size_t) (end - line) + 3 < room) {
            memcpy(to + used, line, (size_t) (end - line) + 2);
            used += (size_t) (end - line) + 2;
            to[used] = 0;
            count++;
        }
        line = end;
    }
    return count;
}

/* The value of the first header of this name, without spaces around it; empty if there is none. */
static void header(char *value, size_t room, const char *message, const char *name)
{
    char line[1024] = "";
    *value = 0;
    if (!copy_headers(line, sizeof line, message, name))
        return;
    char *at = strchr(line, ':') + 1;
    at[strcspn(at, "\r\n")] = 0;
    while (isspace((unsigned char) *at))
        at++;
    snprintf(value, room, "%s", at);
}

/* The port of the image line of a description; 0 if it has none. */
static int image_port(const char *message)
{
    const char *line = strstr(message, "\r\nm=image ");
    return line ? atoi(line + 10) : 0;
}

/* The address between angle brackets, or the whole value. */
static void address_in(char *address, size_t room, const char *value)
{
    const char *begin = strchr(value, '<');
    begin = begin ? begin + 1 : value;
    snprintf(address, room, "%.*s", (int) strcspn(begin, ">"), begin);
}

static int description(char *to, size_t room, int media_port)
{
    return snprintf(to, room,
                    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
                    "m=image %d udptl t38\r\na=T38FaxVersion:0\r\na=T38MaxBitRate:14400\r\n"
                    "a=T38FaxRateManagement:transferredTCF\r\na=T38FaxMaxBuffer:2000\r\n"
                    "a=T38FaxMaxDatagram:1400\r\na=T38FaxUdpEC:t38UDPRedundancy\r\n",
                    media_port);
}

#endif
