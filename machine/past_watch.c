/* SPDX-License-Identifier: MIT
 * What a watcher is told of while a stretch of the past runs again: registers that got another value, events of processors, and
 * what passes between guest and hypervisor. */
#include <stdlib.h>
#include <string.h>

#include "base/attrs.h"
#include "base/invariant.h"
#include "cpu/watcher.h"
#include "machine/past_internal.h"

const char *const past_event_names[PAST_EVENTS] = {
    [PAST_EXCEPTION] = "exception", [PAST_PAGE_FAULT] = "pagefault", [PAST_SOFTWARE] = "int", [PAST_INTERRUPT] = "interrupt",
    [PAST_NMI] = "nmi", [PAST_SMI] = "smi", [PAST_CR3] = "cr3", [PAST_HYPERCALL] = "hypercall", [PAST_MSR] = "msr",
    [PAST_MESSAGE] = "message", [PAST_TIMER] = "timer", [PAST_PAGE] = "page",
};

#define VECTOR_PF 14u

/* ---- running ---- */

static void watch_all(struct debug *d, const struct cpu_watcher *w)
{
    for (unsigned k = 0; k < d->machine->nvps; k++)
        cpu_set_watcher(d->machine->vps[k], w);
}

bool past_run(struct debug *d, const struct cpu_watcher *w, uint64_t until)
{
    struct machine *m = d->machine;
    enum run why = RUN_LIMIT;

    points_suspend(d->points, true);
    d->busy = true;
    watch_all(d, w);
    while (machine_insns(m) < until && why == RUN_LIMIT)
        why = machine_run(m, until - machine_insns(m));
    watch_all(d, NULL);
    d->busy = false;
    points_suspend(d->points, false);
    points_forget_hit(d->points);
    return machine_insns(m) >= until;
}

/* ---- registers ---- */

struct seen { uint8_t value[DEBUG_REG_BYTES]; uint64_t rip; bool has; };

struct looking {
    struct asking *q;
    struct seen vps[MACHINE_MAX_VPS];
};

static unsigned index_of(const struct debug *d, const struct cpu *cpu)
{
    unsigned k = 0;

    while (d->machine->vps[k] != cpu)
        k++;
    return k;
}

static bool about(const struct asking *q, unsigned vp)
{
    return q->what.vp == PAST_ANY || q->what.vp == vp;
}

static void look(struct looking *l, unsigned vp, uint64_t insns, uint64_t rip)
{
    struct asking *q = l->q;
    struct seen *s = &l->vps[vp];
    struct past_answer a = { .insns = insns, .vp = vp, .rip = rip };

    if (!about(q, vp))
        return;
    s->has = debug_reg_read(q->d, vp, &q->what.reg, a.now);
    if (!s->has || memcmp(a.now, s->value, sizeof a.now) == 0)
        return;
    memcpy(a.old, s->value, sizeof a.old);
    memcpy(s->value, a.now, sizeof a.now);
    past_answered(q, &a);
}

static void on_step(void *arg, struct cpu *cpu, enum cpu_step what)
{
    struct looking *l = arg;
    const unsigned vp = index_of(l->q->d, cpu);
    struct seen *s = &l->vps[vp];

    /* what has changed before a step came from outside: another processor, or the hypervisor */
    look(l, vp, machine_insns(l->q->d->machine), s->rip);
    if (what == STEP_BEGINS)
        s->rip = cpu_reg(cpu, CPU_REG_RIP);
}

static void on_event(void *arg, struct cpu *cpu, const struct cpu_happened *h)
{
    struct looking *l = arg;
    const unsigned vp = index_of(l->q->d, cpu);

    look(l, vp, h->insns, h->rip);
    l->vps[vp].rip = h->rip;
}

/* Those of the system change by instructions that are for it only, and by events; but the shadow stack moves with every call, and
 * what the local APIC holds can be written like memory. */
enum watch_grain past_grain(const struct debug_reg *r)
{
    static const char *const segments[] = { "cs", "ss", "ds", "es", "fs", "gs" };

    for (size_t k = 0; k < COUNT_OF(segments); k++)
        if (strcmp(r->name, segments[k]) == 0)
            return WATCH_SYSTEM;
    if (strcmp(r->name, "ssp") == 0 || strcmp(r->name, "cr8") == 0 || (r->group == DEBUG_MSR && r->index >> 8 == 8))
        return WATCH_INSNS;
    return r->group == DEBUG_SYSTEM || r->group == DEBUG_MSR || r->group == DEBUG_SEGMENT_BASES || r->group == DEBUG_PKEYS
           ? WATCH_SYSTEM : WATCH_INSNS;
}

static void watch_register(struct asking *q, uint64_t until)
{
    struct looking *l = calloc(1, sizeof *l);
    const struct cpu_watcher w = { .arg = l, .grain = past_grain(&q->what.reg), .happened = on_event, .step = on_step };
    unsigned n = debug_vps(q->d);

    invariant(l != NULL, "out of memory for a question");
    l->q = q;
    for (unsigned k = 0; k < n; k++) {
        l->vps[k].has = debug_reg_read(q->d, k, &q->what.reg, l->vps[k].value);
        l->vps[k].rip = cpu_reg(q->d->machine->vps[k], CPU_REG_RIP);
    }
    (void)past_run(q->d, &w, until);
    for (unsigned k = 0; k < n; k++)
        look(l, k, machine_insns(q->d->machine), l->vps[k].rip);
    free(l);
}

/* ---- events of processors ---- */

static enum past_event event_of(const struct cpu_happened *h)
{
    static const enum past_event events[CPU_HAPPENINGS] = {
        [CPU_EXCEPTION] = PAST_EXCEPTION, [CPU_SOFTWARE_INT] = PAST_SOFTWARE, [CPU_INTERRUPT] = PAST_INTERRUPT, [CPU_NMI] = PAST_NMI,
        [CPU_SMI] = PAST_SMI, [CPU_CR3_LOAD] = PAST_CR3,
    };

    return h->what == CPU_EXCEPTION && h->vector == VECTOR_PF ? PAST_PAGE_FAULT : events[h->what];
}

static void on_happened(void *arg, struct cpu *cpu, const struct cpu_happened *h)
{
    struct asking *q = arg;
    struct past_answer a = { .insns = h->insns, .vp = index_of(q->d, cpu), .rip = h->rip, .event = event_of(h), .vector = h->vector,
                             .has_error = h->has_error, .error = h->error, .before = h->old, .after = h->now };
    const uint32_t kinds = 1u << a.event | (a.event == PAST_PAGE_FAULT ? 1u << PAST_EXCEPTION : 0);

    if (about(q, a.vp) && (q->what.events & kinds) && (q->what.vector == PAST_ANY || q->what.vector == a.vector))
        past_answered(q, &a);
}

/* ---- lines of -trace hv: "   118000.559 vp0  rdmsr NAME -> 0x1   [TLFS 4.2.2]" ---- */

static const struct { const char *begins; enum past_event event; } lines[] = {
    { "hypercall page", PAST_PAGE }, { "Hv", PAST_HYPERCALL }, { "hypercall", PAST_HYPERCALL }, { "rdmsr", PAST_MSR },
    { "wrmsr", PAST_MSR }, { "message", PAST_MESSAGE }, { "event flag", PAST_MESSAGE }, { "timer", PAST_TIMER },
    { "time-unhalted", PAST_TIMER }, { "", PAST_PAGE },
};

/* The processor whose instruction it happens during; else it comes between instructions. */
static const struct cpu *actor(const struct machine *m)
{
    for (unsigned k = 0; k < m->nvps; k++)
        if (cpu_runs_instruction(m->vps[k]))
            return m->vps[k];
    return NULL;
}

static void on_line(void *self, const char *line)
{
    struct asking *q = self;
    const struct machine *m = q->d->machine;
    const struct cpu *cpu = actor(m);
    const char *who = strchr(line + strspn(line, " "), ' ');
    struct past_answer a = { .insns = m->clock.state.insns + (cpu != NULL), .vp = POINT_NOBODY };
    size_t k = 0, len;

    if (who == NULL || strlen(++who) < 5)
        return;
    if (strncmp(who, "vp", 2) == 0)
        a.vp = (unsigned)strtoul(who + 2, NULL, 10);
    if (cpu != NULL && a.vp == index_of(q->d, cpu))
        a.rip = cpu_reg(cpu, CPU_REG_RIP);
    who += 5;
    while (strncmp(who, lines[k].begins, strlen(lines[k].begins)) != 0)
        k++;
    a.event = lines[k].event;
    len = strlen(who) < sizeof a.text - 1 ? strlen(who) : sizeof a.text - 1;
    memcpy(a.text, who, len);
    if ((q->what.events >> a.event & 1) && q->what.vector == PAST_ANY && (a.vp == POINT_NOBODY || about(q, a.vp)))
        past_answered(q, &a);
}

static void watch_events(struct asking *q, uint64_t until)
{
    const struct cpu_watcher w = { .arg = q, .grain = WATCH_NOTHING, .happened = on_happened };

    if (q->what.events >> PAST_HYPERCALL != 0)
        board_trace(q->d->machine, on_line, q);
    (void)past_run(q->d, &w, until);
    board_trace(q->d->machine, NULL, NULL);
}

void past_watch(struct asking *q, uint64_t until)
{
    if (q->what.kind == PAST_EVENT)
        watch_events(q, until);
    else
        watch_register(q, until);
}
