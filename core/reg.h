/* SPDX-License-Identifier: MIT
 * Register rows: what a device shows at its ports or in its memory window. */
#ifndef CORE_REG_H
#define CORE_REG_H

#include <stddef.h>
#include <stdint.h>

struct device;

/* `at` is the offset from the row's own window base as given to space_add_device(); bytes is 1, 2, 4 or 8. */
typedef uint64_t reg_read_fn(struct device *dev, uint32_t at, unsigned bytes);
typedef void     reg_write_fn(struct device *dev, uint32_t at, unsigned bytes, uint64_t value);

struct reg {
    uint32_t at;            /* first offset */
    uint32_t bytes;         /* widest access a handler takes: wider ones are split, narrower ones are passed on as they are */
    const char *name;
    reg_read_fn *read;
    reg_write_fn *write;
    uint32_t span;          /* bytes covered from `at`; 0 means `bytes` */
};

uint64_t reg_open_bus(struct device *dev, uint32_t at, unsigned bytes);                 /* all ones */
void     reg_ignore(struct device *dev, uint32_t at, unsigned bytes, uint64_t value);   /* writes vanish */

#endif
