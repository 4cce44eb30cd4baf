/* SPDX-License-Identifier: MIT
 * Memory for translated code. No page can ever be written and run at once: it is mapped twice, one view is written, the
 * other runs; or, where a host does not have that, one view changes between the two. */
#ifndef CPU_JIT_CODEBUF_H
#define CPU_JIT_CODEBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct codebuf {
    uint8_t *write;             /* the view that is written */
    const uint8_t *run;         /* the same bytes, as they are run */
    size_t bytes, used;
    bool toggled;               /* both are one, and it is written between codebuf_begin() and codebuf_end() only */
};

bool codebuf_open(struct codebuf *c, size_t bytes);     /* false: the host gives no such memory */
void codebuf_close(struct codebuf *c);

/* Around every change of bytes that are, or become, code: on pages that nothing runs meanwhile. */
void codebuf_begin(struct codebuf *c, uint8_t *at, size_t bytes);
void codebuf_end(struct codebuf *c, uint8_t *at, size_t bytes);

/* Where one block's code must end at the latest. */
static inline uint8_t *codebuf_limit(const struct codebuf *c)
{
    const size_t most = (size_t)256 << 10, left = c->bytes - c->used;

    return c->write + c->used + (left < most ? left : most);
}

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
