/* SPDX-License-Identifier: MIT
 * -d: guest code and what the translator makes of it, as it does so. */
#ifndef GUI_CODE_DUMP_H
#define GUI_CODE_DUMP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct machine_config;

struct dump_wish {
    bool guest, host;
    const char *file;           /* NULL: stderr */
    uint64_t first, last;       /* blocks that have a byte of these; 0 to ~0: all */
};

/* From now on cfg's machine tells of its translations. One dump a process. */
struct err code_dump_start(struct machine_config *cfg, const struct dump_wish *wish) MUST_USE;
struct err code_dump_end(void) MUST_USE;        /* the file is complete, or why not */

/* The code of the blocks at this address and what is made of it, as text that the caller frees; "" when there is none. */
struct debug;
struct err code_show(struct debug *d, unsigned vp, uint64_t gva, char **text) MUST_USE;

#endif
