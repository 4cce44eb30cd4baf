/* SPDX-License-Identifier: MIT
 * Both machines run side by side in strides and are compared after each; where they differ the last stride is halved from snapshots
 * until one instruction is left. Translated code runs whole blocks only, so a fault of the translator may vanish in shorter strides;
 * then the shortest one that shows it is the answer. */
#include "machine/diverge.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "machine/debug.h"
#include "machine/internal.h"
#include "machine/snapshot.h"

#define STRIDE (UINT64_C(1) << 26)

struct pair {
    struct machine *m[2];
    struct snapshots *store[2];
    struct snapshot *equal[2];      /* where both were last equal */
    char *what;
    size_t room;
};

/* ---- comparing ---- */

static bool states_differ(struct pair *p, const char *name, const struct state_schema *s, const void *a, const void *b)
{
    struct state_difference d;

    if (!state_first_difference(s, a, b, &d))
        return false;
    if (d.field->count > 1)
        snprintf(p->what, p->room, "%s: %s[%u] is %" PRIx64 " in the first, %" PRIx64 " in the second", name, d.field->name, d.index, d.a, d.b);
    else
        snprintf(p->what, p->room, "%s: %s is %" PRIx64 " in the first, %" PRIx64 " in the second", name, d.field->name, d.a, d.b);
    return true;
}

static bool devices_differ(struct pair *p, struct device *a, struct device *b)
{
    struct device *both[2] = { a, b };

    for (unsigned k = 0; k < 2; k++)
        if (both[k]->class->settle != NULL)
            both[k]->class->settle(both[k]);
    if (a->class->state != NULL && states_differ(p, a->name, a->class->state, device_state(a), device_state(b)))
        return true;
    if (a->class->hash_more == NULL || a->class->hash_more(a, 0) == b->class->hash_more(b, 0))
        return false;
    snprintf(p->what, p->room, "%s: what it holds besides its registers differs", a->name);
    return true;
}

static bool pages_differ(struct pair *p, uint64_t page)
{
    const uint8_t *a = p->m[0]->ram->bytes + (page << PAGE_SHIFT), *b = p->m[1]->ram->bytes + (page << PAGE_SHIFT);
    uint64_t at = 0, split = RAM_LOW_MAX >> PAGE_SHIFT;

    ram_present(p->m[0]->ram, page);
    ram_present(p->m[1]->ram, page);

    if (memcmp(a, b, PAGE_SIZE) == 0)
        return false;
    while (a[at] == b[at])
        at++;
    snprintf(p->what, p->room, "memory: the byte at %" PRIx64 " is %02x in the first, %02x in the second",
             (page < split ? page << PAGE_SHIFT : ((page - split) << PAGE_SHIFT) + GPA_4G) + at, a[at], b[at]);
    return true;
}

static bool differ(struct pair *p)
{
    struct machine *a = p->m[0], *b = p->m[1];
    struct device *x = a->tree.first, *y = b->tree.first;

    for (; x != NULL && y != NULL && strcmp(x->name, y->name) == 0; x = x->next, y = y->next)
        if (devices_differ(p, x, y))
            return true;
    if (x != y) {
        snprintf(p->what, p->room, "the machines have other devices: %s, %s", x != NULL ? x->name : "none", y != NULL ? y->name : "none");
        return true;
    }
    for (uint64_t page = 0; page < a->ram->len >> PAGE_SHIFT; page++)
        if ((a->ram->touched[page] || b->ram->touched[page]) && pages_differ(p, page))
            return true;
    return states_differ(p, "loop", &loop_state_schema, &a->loop, &b->loop) ||
           states_differ(p, "clock", &clock_state_schema, &a->clock.state, &b->clock.state);
}

/* ---- searching ---- */

static struct err go_back(struct pair *p)
{
    for (unsigned k = 0; k < 2; k++)
        TRY(snapshot_restore(p->store[k], p->equal[k]));
    return OK;
}

static void take(struct pair *p, struct snapshot *out[2])
{
    for (unsigned k = 0; k < 2; k++)
        out[k] = snapshot_take(p->store[k]);
}

static void keep(struct pair *p, struct snapshot *here[2])
{
    for (unsigned k = 0; k < 2; k++) {
        snapshot_drop(p->store[k], p->equal[k]);
        p->equal[k] = here[k];
    }
}

/* False: still equal. *over: both came to their end. */
static bool run_both(struct pair *p, uint64_t insns, bool *over)
{
    enum run first = machine_run(p->m[0], insns), second = machine_run(p->m[1], insns);

    *over = first != RUN_LIMIT;
    if (differ(p))
        return true;
    if (first == second)
        return false;
    snprintf(p->what, p->room, "one of them ends and the other does not: %.80s%.80s", machine_error(p->m[0]), machine_error(p->m[1]));
    return true;
}

/* The last `insns` made the difference; how few do? The pair then stands before them. */
static struct err narrow(struct pair *p, uint64_t *insns)
{
    bool over;

    TRY(go_back(p));
    while (*insns > 1) {
        const uint64_t half = *insns / 2;
        struct snapshot *here[2];

        if (run_both(p, half, &over)) {
            *insns = half;
            TRY(go_back(p));
            continue;
        }
        take(p, here);
        if (!run_both(p, *insns - half, &over)) {       /* it vanished: only the whole shows it */
            for (unsigned k = 0; k < 2; k++)
                snapshot_drop(p->store[k], here[k]);
            return go_back(p);
        }
        keep(p, here);
        *insns -= half;
        TRY(go_back(p));
    }
    return OK;
}

static void tell_where(struct pair *p, struct divergence *out)
{
    struct machine_where where;

    machine_where(p->m[0], &where);
    out->equal_until = where.insns;
    out->rip = where.rip;
    out->vp = where.vp;
    out->code_len = (unsigned)debug_read(machine_debug(p->m[0]), where.vp, where.rip + cpu_reg(p->m[0]->vps[where.vp], CPU_REG_CS_BASE),
                                         out->code, sizeof out->code);
}

static struct err search(struct pair *p, struct divergence *out)
{
    uint64_t stride = STRIDE;
    bool over = false;

    if (differ(p)) {
        out->found = true;
        tell_where(p, out);
        return OK;
    }
    take(p, p->equal);
    while (!over) {
        struct snapshot *here[2];

        if (run_both(p, stride, &over)) {
            TRY(narrow(p, &stride));
            tell_where(p, out);
            out->found = true;
            out->within = stride;
            run_both(p, stride, &over);
            return OK;
        }
        take(p, here);
        keep(p, here);
    }
    out->equal_until = machine_insns(p->m[0]);
    return OK;
}

struct err machine_diverge(struct machine *a, struct machine *b, struct divergence *out)
{
    struct pair p = { .m = { a, b }, .what = out->what, .room = sizeof out->what };
    struct err e;

    *out = (struct divergence){ 0 };
    for (unsigned k = 0; k < 2; k++) {
        if (p.m[k]->snapshots == NULL)
            TRY(snapshots_create(&p.store[k], p.m[k]));
        p.store[k] = p.m[k]->snapshots;
    }
    e = search(&p, out);
    for (unsigned k = 0; k < 2; k++)
        snapshot_drop(p.store[k], p.equal[k]);
    return e;
}
