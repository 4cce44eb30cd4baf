/* SPDX-License-Identifier: MIT
 * A picture of the guest's screen. */
#ifndef CORE_FRAME_H
#define CORE_FRAME_H

#include <stdint.h>

struct frame {
    uint32_t *pixels;       /* 0x00RRGGBB, owned by the display device until the next call */
    unsigned w, h;          /* pixels */
    unsigned stride;        /* pixels from one row to the next */
};

#endif
