/* SPDX-License-Identifier: MIT
 * Memory for translated code, mapped twice: one view is written, the other runs. No page is ever both. */
#ifndef CPU_JIT_CODEBUF_H
#define CPU_JIT_CODEBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct codebuf {
    uint8_t *write;             /* the view that is written */
    const uint8_t *run;         /* the same bytes, as they are run */
    size_t bytes, used;
};

bool codebuf_open(struct codebuf *c, size_t bytes);     /* false: the host gives no such memory */
void codebuf_close(struct codebuf *c);

/* An address of the written view as the code itself has it. */
static inline const uint8_t *codebuf_runs_at(const struct codebuf *c, const uint8_t *written)
{
    return c->run + (written - c->write);
}

static inline uint8_t *codebuf_writable(const struct codebuf *c, const uint8_t *runs_at)
{
    return c->write + (runs_at - c->run);
}

#endif
