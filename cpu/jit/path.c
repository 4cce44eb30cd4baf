/* SPDX-License-Identifier: MIT
 * Paths: hot blocks that run one after another are translated at once, so that flags, registers and probes of one are known in
 * the next. What is hot shows where slices of time end (jit_dry()): a block that is met there again begins a look. The
 * interpreter then runs block by block and what it ran is kept, until that is enough, or a block comes that cannot be part of a path
 * or begins one that loops. What came round and round is a loop, with all rounds of small loops within it, and through whatever
 * begins other paths; else a loop is what lies between a block and where it first came again, and a path ends where others begin.
 * What ran once on such an occasion nearly always runs mostly so. Where it does not, and the path's beginning is that of a loop
 * which leaves it each time or is longer, a look now and then shows that, and the loop is made. */
#include "cpu/jit/internal.h"

#include <string.h>

#include "cpu/exec.h"

#define SAMPLES 2u
#define DOUBTS  8u

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

/* A loop is best entered where it jumps back to, the farthest when there are several, and must be where what comes before is sure
 * to lead to. */
static bool turn_loop(struct block **blocks, unsigned count)
{
    unsigned best = count;
    uint64_t farthest = 0;

    for (unsigned n = count; n-- > 0;) {
        const struct block *before = blocks[(n + count - 1) % count];
        const uint64_t back = blocks[n]->rip <= before->rip ? before->rip - blocks[n]->rip + 1 : 0;

        if (direct(before) && (best == count || back > farthest)) {
            best = n;
            farthest = back;
        }
    }
    if (best == count)
        return false;
    rotate(blocks, count, best);
    return true;
}

static unsigned insns_of(struct block *const *blocks, unsigned count)
{
    unsigned n = 0;

    while (count-- > 0)
        n += blocks[count]->count;
    return n;
}

static bool too_many(struct block *const *blocks, unsigned count)
{
    return count > JIT_PARTS || insns_of(blocks, count) > JIT_INSNS;
}

static void straight(struct jit *j, struct block **blocks, unsigned count)
{
    count = joined(blocks, count);
    while (too_many(blocks, count))
        count--;
    if (count >= 2)
        jit_translate_path(j, blocks, count, false);
}

static bool loop(struct jit *j, struct block **round, unsigned count)
{
    if (too_many(round, count) || joined(round, count) != count || !joins(round[count - 1], round[0]))
        return false;
    if (count >= 2)
        jit_translate_path(j, round, count, turn_loop(round, count));
    return true;
}

/* Does what was seen mostly repeat itself after `count` blocks? */
static bool comes_round(struct block *const *seen, unsigned nseen, unsigned count)
{
    unsigned same = 0;

    if (nseen < 3 * count)
        return false;
    for (unsigned n = 0; n + count < nseen; n++)
        same += seen[n] == seen[n + count];
    return same * 5 >= (nseen - count) * 3;
}

/* The last place from which on it does so at once; false: there is none. */
static bool round_of(struct block *const *seen, unsigned nseen, unsigned count, unsigned *from)
{
    unsigned same = 0;

    for (unsigned n = nseen - count; n-- > 0;) {
        same = seen[n] == seen[n + count] ? same + 1 : 0;
        if (same == count) {
            *from = n;
            return true;
        }
    }
    return false;
}

/* From *from on: what lies between a block and where it first came again. */
static bool first_again(struct block *const *seen, unsigned nseen, unsigned *from, unsigned *count)
{
    for (unsigned n = 1; n < nseen; n++)
        for (unsigned k = 0; k < n; k++)
            if (seen[k] == seen[n]) {
                *from = k;
                *count = n - k;
                return true;
            }
    return false;
}

static bool make_loop(struct jit *j, struct block **seen, unsigned nseen)
{
    unsigned from;

    for (unsigned count = 1; count <= JIT_PARTS; count++)
        if (comes_round(seen, nseen, count) && round_of(seen, nseen, count, &from) && loop(j, seen + from, count))
            return true;
    return false;
}

/* A loop may go through what begins other paths; what is none ends there. */
static void make_of(struct jit *j, struct block **seen, unsigned nseen, unsigned nown)
{
    unsigned from, count;

    if (make_loop(j, seen, nseen))
        return;
    nseen = nown < nseen ? nown : nseen;
    if (!first_again(seen, nseen, &from, &count))
        straight(j, seen, nseen);
    else if (!loop(j, seen + from, count))
        straight(j, seen, from + count);
}

static void look_over(struct jit *j)
{
    j->nseen = 0;
    j->nown = JIT_SEEN;
    j->doubted = NULL;
    j->cpu->jit_looks = 0;
}

#define ROUNDS 4u

/* Was what begins here a loop, mostly left before the path's end? */
static bool is_another_loop(const struct jit_block *t, struct block *const *seen, unsigned nseen)
{
    unsigned begun = 0, left = 0;

    for (unsigned n = 0; n < nseen; n++) {
        unsigned k = 0;

        if (seen[n] != t->parts[0].from)
            continue;
        while (k < t->nparts && n + k < nseen && seen[n + k] == t->parts[k].from)
            k++;
        begun++;
        left += k < t->nparts && n + k < nseen;
    }
    return begun >= ROUNDS && left * 2 > begun;
}

/* A loop that is left early may still be the best that can be made: one that calls what varies. */
static void look_again(struct jit *j, struct jit_block *doubted, struct block **seen, unsigned nseen, unsigned nown)
{
    if (doubted->gone || doubted->loops || (nown >= nseen && !is_another_loop(doubted, seen, nseen)))
        return;
    if (make_loop(j, seen, nseen))
        jit_exchange(j, doubted);
}

/* ---- looking ---- */

/* After how many slices that end before it a look begins; then twice as many each time, so that it costs nothing in the end. */
static unsigned first_look(const struct jit *j, const struct jit_block *t)
{
    if (t->nparts > 1)
        return j->threshold > 1 ? DOUBTS : 2;
    return j->threshold > 1 ? SAMPLES : 1;
}

void jit_sample(struct jit *j, struct jit_block *t)
{
    const uint32_t n = ++t->parts[0].from->samples;

    if (t->nparts > 1 && t->loops)
        return;
    if (n == JIT_HOT && backend_keeps && t->nparts == 1 && !t->loops)
        jit_exchange(j, t);
    if (!backend_has_paths || !jit_does(j, PASS_PATHS) || j->cpu->jit_looks || n < first_look(j, t) || (n & (n - 1)) != 0)
        return;
    j->nseen = 0;
    j->nown = JIT_SEEN;
    j->doubted = t->nparts > 1 ? t : NULL;
    j->cpu->jit_looks = 1;
}

/* A loop is not looked into again. */
static bool part_of_path(const struct block *b)
{
    return b->jit != NULL && (b->jit->nparts == 1 || !b->jit->loops) && b->host != NULL && b->tail == NULL && b->origin == b;
}

void jit_look(struct jit *j, struct block *b)
{
    struct block *blocks[JIT_SEEN];
    struct jit_block *const doubted = j->doubted;
    const unsigned count = j->nseen, nown = j->nown;

    if (part_of_path(b) && count < JIT_SEEN) {
        if (b->jit->nparts > 1 && b->jit != doubted && count < nown)
            j->nown = count;
        j->seen[j->nseen++] = b;
        return;
    }
    memcpy(blocks, j->seen, sizeof blocks);
    look_over(j);
    if (doubted != NULL)
        look_again(j, doubted, blocks, count, nown);
    else
        make_of(j, blocks, count, nown);
}

void jit_look_away(struct jit *j, const struct block *b)
{
    bool one = b == NULL;

    for (unsigned n = 0; n < j->nseen; n++)
        one |= j->seen[n] == b;
    if (one)
        look_over(j);
}
