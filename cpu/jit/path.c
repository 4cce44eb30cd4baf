/* SPDX-License-Identifier: MIT
 * Paths: hot blocks that run one after another are translated at once, so that flags, registers and probes of one are known in
 * the next. What is hot shows where slices of time end (jit_dry()): a block that is met there again begins a look. The
 * interpreter then runs block by block and what it ran is kept, until a block comes again (a loop), or one that begins a
 * path, or one that cannot be part of any. What ran once on such an occasion nearly always runs mostly so. */
#include "cpu/jit/internal.h"

#include <string.h>

#include "cpu/exec.h"

#define SAMPLES 2u

/* ---- what can follow what ---- */

static const struct insn *last_of(const struct block *b)
{
    return &b->insns[b->count - 1];
}

static insn_fn *handler_of(const struct block *b, unsigned k)
{
    return k == 0 ? b->first : b->insns[k].fn;
}

/* Transfers whose target is in the code, or known to be the next instruction. */
static bool direct(const struct block *b)
{
    const struct insn *last = last_of(b);

    return op_then[last->op] == FALLS || last->op == OP_JCC || last->op == OP_JMP;
}

static bool canonical(uint64_t rip)
{
    return (uint64_t)bits_sign(rip, 48) == rip;
}

/* Did a end by going to b, as it always may? Else an interrupt or a fault came between, or what ends a is too much for a path. */
static bool joins(const struct block *a, const struct block *b)
{
    const struct insn *last = last_of(a);
    const uint64_t next = a->rip + a->bytes;

    if (b->mode != a->mode || !canonical(b->rip))
        return false;
    if (op_then[last->op] == FALLS)
        return b->rip == next && handler_of(a, a->count - 1u) != exec_undefined && handler_of(a, a->count - 1u) != exec_too_long;
    if (last->width != 8)
        return false;
    switch (last->op) {
    case OP_JCC:
        return canonical((uint64_t)last->disp) && (b->rip == (uint64_t)last->disp || b->rip == next);
    case OP_JMP: case OP_CALL:
        return b->rip == (uint64_t)last->disp;
    case OP_JMP_IND: case OP_CALL_IND: case OP_RET:
        return true;
    default:
        return false;
    }
}

/* ---- what becomes of what was seen ---- */

static unsigned joined(struct block *const *blocks, unsigned count)
{
    unsigned n = 1;

    while (n < count && joins(blocks[n - 1], blocks[n]))
        n++;
    return count == 0 ? 0 : n;
}

static void rotate(struct block **blocks, unsigned count, unsigned by)
{
    struct block *turned[JIT_PARTS];

    for (unsigned n = 0; n < count; n++)
        turned[n] = blocks[(n + by) % count];
    memcpy(blocks, turned, count * sizeof *turned);
}

/* A loop is best entered where it jumps back to, and must be where what comes before is sure to lead to. */
static bool turn_loop(struct block **blocks, unsigned count)
{
    unsigned best = count;

    for (unsigned n = count; n-- > 0;) {
        const struct block *before = blocks[(n + count - 1) % count];

        if (direct(before) && (best == count || blocks[n]->rip <= before->rip))
            best = n;
    }
    if (best == count)
        return false;
    rotate(blocks, count, best);
    return true;
}

static void straight(struct jit *j, struct block **blocks, unsigned count)
{
    count = joined(blocks, count);
    if (count >= 2)
        jit_translate_path(j, blocks, count, false);
}

/* From blocks[from] on it began anew. */
static void loop(struct jit *j, struct block **blocks, unsigned from, unsigned count)
{
    struct block **round = blocks + from;
    const unsigned n = count - from;

    if (joined(round, n) == n && joins(round[n - 1], round[0])) {
        if (n >= 2)
            jit_translate_path(j, round, n, turn_loop(round, n));
    } else {
        straight(j, blocks, count);
    }
}

static void look_over(struct jit *j)
{
    j->nseen = 0;
    j->cpu->jit_looks = 0;
}

/* ---- looking ---- */

void jit_sample(struct jit *j, struct block *b)
{
    const uint32_t n = ++b->samples;

    if (!backend_has_paths || !jit_does(j, PASS_PATHS) || j->cpu->jit_looks || (j->threshold > 1 && n < SAMPLES) || (n & (n - 1)) != 0)
        return;
    j->nseen = 0;
    j->nseen_insns = 0;
    j->cpu->jit_looks = 1;
}

static bool part_of_path(const struct block *b)
{
    return b->jit != NULL && b->jit->nparts == 1 && b->host != NULL && b->tail == NULL && b->origin == b;
}

void jit_look(struct jit *j, struct block *b)
{
    struct block *blocks[JIT_PARTS];
    const unsigned count = j->nseen;
    unsigned from = 0;

    while (from < count && j->seen[from] != b)
        from++;
    if (from == count && part_of_path(b) && count < JIT_PARTS && j->nseen_insns + b->count <= JIT_INSNS) {
        j->seen[j->nseen++] = b;
        j->nseen_insns += b->count;
        return;
    }
    memcpy(blocks, j->seen, sizeof blocks);
    look_over(j);
    if (from < count)
        loop(j, blocks, from, count);
    else
        straight(j, blocks, count);
}

void jit_look_away(struct jit *j, const struct block *b)
{
    for (unsigned n = 0; n < j->nseen; n++)
        if (b == NULL || j->seen[n] == b) {
            look_over(j);
            return;
        }
}
