/* SPDX-License-Identifier: MIT
 * Who wrote the memory behind a linear address: the physical pieces that the tables of one address space name at the end of what is
 * looked at, written whichever way; and since when they lie there, by the writes to the last entries on the way. Those above change
 * when a system makes another address space that shares the tables below: nothing has moved then. */
#include <string.h>

#include "base/bits.h"
#include "machine/past_internal.h"

static uint64_t root_of(const struct asking *q, struct cpu **cpu)
{
    const unsigned vp = q->what.space < debug_vps(q->d) ? q->what.space : q->d->machine->loop.current;

    *cpu = q->d->machine->vps[vp];
    return q->what.has_cr3 ? q->what.cr3 : cpu_reg(*cpu, CPU_REG_CR3);
}

/* Present, large, and where; neither rights nor accessed and dirty bits. (The large bit of a last entry is one of caching.) */
#define SAYS_WHERE 0x000ffffffffff081u

static uint64_t entry_now(const struct asking *q, const struct point *p)
{
    uint8_t bytes[8] = { 0 };

    (void)debug_read_physical(q->d, 0, p->at, bytes, (size_t)p->len);
    return load64(bytes) & SAYS_WHERE;
}

static bool add(struct past_points *to, uint64_t at, uint64_t len)
{
    const struct point p = { .kind = POINT_WRITE, .physical = true, .at = at, .len = len };

    for (unsigned k = 0; k < to->n; k++)
        if (point_same(&to->list[k], &p))
            return true;
    if (to->n == PAST_POINTS)
        return false;
    to->list[to->n++] = p;
    return true;
}

/* One page's part. */
static bool add_piece(struct asking const *q, struct behind *out, uint64_t at, uint64_t len)
{
    struct cpu_walk walk;
    struct cpu *cpu;
    const uint64_t cr3 = root_of(q, &cpu);

    if (!cpu_walk(cpu, cr3, at, &walk) || space_page(q->d->machine->memory, walk.gpa & PAGE_MASK).host == NULL)
        return false;
    out->linear[out->data.n] = at;
    if (walk.n > 0 && !add(&out->entries, walk.at[walk.n - 1], walk.entry_bytes))
        return false;
    out->data.list[out->data.n++] = (struct point){ .kind = POINT_WRITE, .physical = true, .at = walk.gpa, .len = len };
    return true;
}

bool past_behind(const struct asking *q, struct behind *out)
{
    const struct point *p = &q->what.point;

    if (q->what.kind != PAST_POINT || p->kind != POINT_WRITE || p->physical || p->len == 0 || p->len > PAST_BEHIND_MAX || p->at + p->len - 1 < p->at)
        return false;
    out->data.n = out->entries.n = 0;
    for (uint64_t at = p->at, left = p->len, n; left > 0; at += n, left -= n) {
        n = PAGE_SIZE - (at & ~PAGE_MASK);
        n = n < left ? n : left;
        if (!add_piece(q, out, at, n))
            return false;
    }
    for (unsigned k = 0; k < out->entries.n; k++)
        out->entry[k] = entry_now(q, &out->entries.list[k]);
    return true;
}

/* ---- since when ---- */

static bool leads_elsewhere(const struct point_hit *h)
{
    uint8_t where[8];

    store64(where, SAYS_WHERE);
    for (unsigned k = 0; k < h->bytes; k++)
        if ((h->old[k] ^ h->now[k]) & where[(h->at + k - h->point.at) % 8])
            return true;
    return !h->has_old;
}

/* The last time that one of the entries was made to lead elsewhere; 0: never. */
static struct err last_mapped(const struct asking *q, const struct behind *b, uint64_t from, uint64_t *mapped)
{
    struct asking entries = { .d = q->d, .what = { .kind = PAST_POINT, .vp = PAST_ANY }, .points = b->entries, .counts = leads_elsewhere,
                              .from = from, .before = q->before };

    *mapped = 0;
    if (b->entries.n == 0 || from >= q->before)
        return OK;
    TRY(past_find_last(&entries));
    if (entries.last.found)
        *mapped = entries.last.insns;
    return OK;
}

static void complete(const struct behind *b, uint64_t mapped, struct past_answer *a)
{
    for (unsigned k = 0; k < b->data.n; k++)
        if (point_same(&b->data.list[k], &a->hit.point))
            a->linear = b->linear[k] + (a->hit.at - a->hit.point.at);
    a->behind = true;
    a->mapped = a->insns < mapped ? mapped : 0;
}

static bool lies_there(const struct asking *q, const struct behind *b)
{
    for (unsigned k = 0; k < b->entries.n; k++)
        if (entry_now(q, &b->entries.list[k]) != b->entry[k])
            return false;
    return true;
}

/* Who made it lie there is looked for only if it did not when it was written. */
static struct err find_last(struct asking *q, const struct behind *b)
{
    uint64_t mapped = 0;

    TRY(past_find_last(q));
    if (!q->last.found)
        return OK;
    TRY(past_go(q->d, q->last.insns));
    if (!lies_there(q, b))
        TRY(last_mapped(q, b, q->last.insns, &mapped));
    complete(b, mapped, &q->last);
    return OK;
}

struct telling { struct asking *q; const struct behind *b; uint64_t mapped; };

static bool tell(void *arg, const struct past_answer *a)
{
    const struct telling *t = arg;
    struct past_answer whole = *a;

    complete(t->b, t->mapped, &whole);
    return t->q->each(t->q->arg, &whole);
}

/* Since it lies there, and the last one before, which is what it held when it came: what was in that memory earlier was elsewhere. */
static struct err find_each(struct asking *q, const struct behind *b)
{
    struct telling t = { .q = q, .b = b };
    struct asking each = *q, before = *q;

    TRY(last_mapped(q, b, q->from, &t.mapped));
    if (t.mapped > q->from) {
        before.each = NULL;
        before.before = t.mapped;
        TRY(past_find_last(&before));
        each.from = before.last.found ? before.last.insns - 1 : t.mapped;
    }
    each.each = tell;
    each.arg = &t;
    return past_find_each(&each);
}

struct err past_find_behind(struct asking *q, const struct behind *b)
{
    q->points = b->data;
    return q->each != NULL ? find_each(q, b) : find_last(q, b);
}
