/* How libspandsp's T.30 is set up in all programs here: ECM, every modem, coding, resolution and width. */
#ifndef FAX_MACHINE_H
#define FAX_MACHINE_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <spandsp.h>

static void set_up_fax(t30_state_t *t30, const char *send, const char *receive, t30_phase_e_handler_t *ended,
                       void *whose)
{
    t30_set_tx_ident(t30, "+15550199");
    if (send)
        t30_set_tx_file(t30, send, -1, -1);
    if (receive) {
        t30_set_rx_file(t30, receive, -1);
        t30_set_rx_encoding(t30, T4_COMPRESSION_ITU_T6);
    }
    t30_set_ecm_capability(t30, 1);
    t30_set_supported_modems(t30, T30_SUPPORT_V27TER | T30_SUPPORT_V29 | T30_SUPPORT_V17);
    t30_set_supported_compressions(t30, T30_SUPPORT_T4_1D_COMPRESSION | T30_SUPPORT_T4_2D_COMPRESSION
                                            | T30_SUPPORT_T6_COMPRESSION);
    t30_set_supported_resolutions(t30, T30_SUPPORT_STANDARD_RESOLUTION | T30_SUPPORT_FINE_RESOLUTION
                                           | T30_SUPPORT_SUPERFINE_RESOLUTION | T30_SUPPORT_R8_RESOLUTION
                                           | T30_SUPPORT_R16_RESOLUTION);
    t30_set_supported_image_sizes(t30, T30_SUPPORT_215MM_WIDTH | T30_SUPPORT_UNLIMITED_LENGTH);
    t30_set_phase_e_handler(t30, ended, whose);
    span_log_set_level(t30_get_logging_state(t30), 0);
}

#endif
