/* What libtiff itself takes for a page: decode the T.6 page of a TIFF, and code it again, in memory.

    page DOCUMENT ROUNDS

Prints `OCTETS DECODE ENCODE`: octets of the coded page, and CPU seconds for decoding it and for coding it, the median of
ROUNDS rounds. */

#include "clock.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tiffio.h>

struct memory {
    uint8_t *octets;
    toff_t length, at, room;
};

static tsize_t read_memory(thandle_t handle, void *to, tsize_t size)
{
    struct memory *m = handle;
    if (m->at >= m->length)
        return 0;
    if ((toff_t) size > m->length - m->at)
        size = (tsize_t) (m->length - m->at);
    memcpy(to, m->octets + m->at, (size_t) size);
    m->at += (toff_t) size;
    return size;
}

static tsize_t write_memory(thandle_t handle, void *from, tsize_t size)
{
    struct memory *m = handle;
    if (m->at + (toff_t) size > m->room) {
        m->room = 2 * (m->at + (toff_t) size);
        m->octets = realloc(m->octets, m->room);
    }
    memcpy(m->octets + m->at, from, (size_t) size);
    m->at += (toff_t) size;
    if (m->at > m->length)
        m->length = m->at;
    return size;
}

static toff_t seek_memory(thandle_t handle, toff_t offset, int whence)
{
    struct memory *m = handle;
    m->at = offset + (whence == SEEK_CUR ? m->at : whence == SEEK_END ? m->length : 0);
    return m->at;
}

static int close_memory(thandle_t handle)
{
    (void) handle;
    return 0;
}

static toff_t size_of_memory(thandle_t handle) { return ((struct memory *) handle)->length; }

static TIFF *open_memory(struct memory *m, const char *how)
{
    m->at = 0;
    return TIFFClientOpen("memory", how, m, read_memory, write_memory, seek_memory, close_memory, size_of_memory, NULL,
                          NULL);
}

static int by_size(const void *a, const void *b)
{
    double difference = *(const double *) a - *(const double *) b;
    return difference < 0 ? -1 : difference > 0;
}

int main(int count, char **arguments)
{
    if (count != 3 || atoi(arguments[2]) < 1) {
        fprintf(stderr, "page DOCUMENT ROUNDS\n");
        return 2;
    }
    int rounds = atoi(arguments[2]);
    double *decoding = calloc((size_t) rounds, sizeof *decoding), *coding = calloc((size_t) rounds, sizeof *coding);
    struct memory document = {0};
    char part[65536];
    size_t size;
    FILE *file = fopen(arguments[1], "rb");
    if (!file)
        return perror(arguments[1]), 1;
    while ((size = fread(part, 1, sizeof part, file)) > 0)
        write_memory(&document, part, (tsize_t) size);
    fclose(file);
    tsize_t octets = 0;
    for (int round = 0; round < rounds; round++) {
        uint32_t width = 0, rows = 0;
        double began = cpu();
        TIFF *in = open_memory(&document, "rm");
        if (!in || !TIFFGetField(in, TIFFTAG_IMAGEWIDTH, &width) || !TIFFGetField(in, TIFFTAG_IMAGELENGTH, &rows))
            return 1;
        uint16_t photometric = PHOTOMETRIC_MINISWHITE;
        TIFFGetField(in, TIFFTAG_PHOTOMETRIC, &photometric);
        tsize_t line = TIFFScanlineSize(in);
        uint8_t *pixels = malloc((size_t) line * rows);
        octets = 0;
        for (uint32_t strip = 0, at = 0; strip < TIFFNumberOfStrips(in); strip++) {
            octets += (tsize_t) TIFFRawStripSize(in, strip);
            tsize_t got = TIFFReadEncodedStrip(in, strip, pixels + at, (tsize_t) ((size_t) line * rows - at));
            if (got < 0)
                return 1;
            at += (uint32_t) got;
        }
        TIFFClose(in);
        decoding[round] = cpu() - began;
        struct memory coded = {0};
        began = cpu();
        TIFF *out = open_memory(&coded, "wm");
        TIFFSetField(out, TIFFTAG_IMAGEWIDTH, width);
        TIFFSetField(out, TIFFTAG_IMAGELENGTH, rows);
        TIFFSetField(out, TIFFTAG_ROWSPERSTRIP, rows);
        TIFFSetField(out, TIFFTAG_BITSPERSAMPLE, 1);
        TIFFSetField(out, TIFFTAG_SAMPLESPERPIXEL, 1);
        TIFFSetField(out, TIFFTAG_COMPRESSION, COMPRESSION_CCITTFAX4);
        TIFFSetField(out, TIFFTAG_PHOTOMETRIC, photometric);
        if (TIFFWriteEncodedStrip(out, 0, pixels, (tsize_t) ((size_t) line * rows)) < 0)
            return 1;
        TIFFClose(out);
        coding[round] = cpu() - began;
        free(coded.octets);
        free(pixels);
    }
    qsort(decoding, (size_t) rounds, sizeof *decoding, by_size);
    qsort(coding, (size_t) rounds, sizeof *coding, by_size);
    printf("%ld %.6f %.6f\n", (long) octets, decoding[rounds / 2], coding[rounds / 2]);
    return 0;
}
