/* SPDX-License-Identifier: MIT
 * A picture as a frontend takes it: rows of 32-bit pixels, 00RRGGBB. Whoever drew it owns the pixels; they stay valid until
 * the same source draws again. */
#ifndef CORE_FRAME_H
#define CORE_FRAME_H

#include <stdint.h>

struct frame {
    uint32_t *pixels;
    unsigned width, height;
    unsigned stride;        /* pixels from one row to the next */
    unsigned serial;        /* the same number: the same picture as before */
};

#endif
