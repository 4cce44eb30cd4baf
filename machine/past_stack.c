/* SPDX-License-Identifier: MIT
 * The call stack at an instant, learnt by going through the time before once more: each call, system call and interrupt becomes a
 * frame over the one that was current then, and a return goes to the frame under the one that lies where it took its address. So
 * switches between stacks, within the kernel or between threads, need no knowledge of the guest. */
#include <stdlib.h>
#include <string.h>

#include "base/attrs.h"
#include "base/bytes.h"
#include "base/invariant.h"
#include "cpu/watcher.h"
#include "machine/past_internal.h"
#include "machine/travel.h"

#define NEAR_BYTES  16384u          /* of one stack, where it matters whether two places are on the same */
#define CODE_BEFORE 7u              /* the longest call */

const char *const past_frame_names[] = {
    [FRAME_HERE] = "here", [FRAME_CALL] = "call", [FRAME_INTERRUPT] = "interrupt", [FRAME_SYSCALL] = "syscall",
    [FRAME_POINTER] = "frame pointer",
};

struct entry {
    struct past_frame is;
    uint64_t key;                   /* the place of the return address, other spaces' apart */
    uint64_t left_sp;               /* FRAME_INTERRUPT, FRAME_SYSCALL: the stack pointer of what was left */
    bool from_user;
    uint32_t under;                 /* the frame that it returns to; 0: unknown */
    uint32_t next;                  /* in its bucket */
};

struct learning {
    struct debug *d;
    struct entry *entries;          /* [0] is none */
    uint32_t count, room;
    uint32_t *buckets;
    uint32_t nbuckets;              /* a power of two */
    uint32_t top[MACHINE_MAX_VPS];
};

/* ---- frames ---- */

static uint32_t *bucket_of(const struct learning *l, uint64_t key)
{
    return &l->buckets[(key * 0x9e3779b97f4a7c15u) >> 40 & (l->nbuckets - 1)];
}

static uint32_t find(const struct learning *l, uint64_t key)
{
    uint32_t n = *bucket_of(l, key);

    while (n != 0 && l->entries[n].key != key)
        n = l->entries[n].next;
    return n;
}

static void forget(struct learning *l, uint64_t key)
{
    uint32_t *at = bucket_of(l, key);

    while (*at != 0 && l->entries[*at].key != key)
        at = &l->entries[*at].next;
    if (*at != 0)
        *at = l->entries[*at].next;
}

static void rehash(struct learning *l, uint32_t nbuckets)
{
    uint32_t *old = l->buckets;
    const uint32_t n = l->nbuckets;

    l->nbuckets = nbuckets;
    l->buckets = calloc(nbuckets, sizeof *l->buckets);
    invariant(l->buckets != NULL, "out of memory for a call stack");
    for (uint32_t b = 0; b < n; b++)
        for (uint32_t k = old[b], next; k != 0; k = next) {
            uint32_t *to = bucket_of(l, l->entries[k].key);

            next = l->entries[k].next;
            l->entries[k].next = *to;
            *to = k;
        }
    free(old);
}

static void push(struct learning *l, unsigned vp, const struct entry *f)
{
    uint32_t *bucket;

    if (l->count == l->room) {
        l->room = l->room == 0 ? 4096 : 2 * l->room;
        l->entries = realloc(l->entries, l->room * sizeof *l->entries);
        invariant(l->entries != NULL, "out of memory for a call stack");
        l->count += l->count == 0;
        rehash(l, l->room);
    }
    forget(l, f->key);
    bucket = bucket_of(l, f->key);
    l->entries[l->count] = *f;
    l->entries[l->count].under = l->top[vp];
    l->entries[l->count].next = *bucket;
    *bucket = l->count;
    l->top[vp] = l->count++;
}

/* ---- what the processor does ---- */

static bool same_stack(uint64_t a, uint64_t b)
{
    return a - b < NEAR_BYTES || b - a < NEAR_BYTES;
}

static bool user(const struct cpu *cpu)
{
    return (cpu_reg(cpu, CPU_REG_CS) & 3) == 3;
}

/* Programs have their stacks at the same addresses, kernels all at other ones. */
static uint64_t key_of(const struct cpu *cpu, uint64_t sp)
{
    return user(cpu) ? sp ^ cpu_reg(cpu, CPU_REG_CR3) << 20 : sp;
}

static unsigned word(const struct cpu *cpu)
{
    return (cpu_reg(cpu, CPU_REG_EFER) >> 10 & 1) && (cpu_reg(cpu, CPU_REG_CS_ATTR) >> 13 & 1) ? 8 : 4;
}

static uint64_t stack_at(const struct cpu *cpu)
{
    return word(cpu) == 8 ? cpu_reg(cpu, CPU_REG_RSP)
                          : (uint32_t)(cpu_reg(cpu, CPU_REG_SS_BASE) + (uint32_t)cpu_reg(cpu, CPU_REG_RSP));
}

/* Frames that this stack has grown back over: left without a return. */
static void drop_below(struct learning *l, unsigned vp, uint64_t sp)
{
    while (l->top[vp] != 0 && l->entries[l->top[vp]].is.kind == FRAME_CALL && same_stack(l->entries[l->top[vp]].is.sp, sp) &&
           l->entries[l->top[vp]].is.sp <= sp)
        l->top[vp] = l->entries[l->top[vp]].under;
}

static void called(struct learning *l, const struct cpu *cpu, unsigned vp)
{
    const uint64_t sp = stack_at(cpu);
    const struct entry f = { .is = { .kind = FRAME_CALL, .rip = cpu_behind_step(cpu), .callee = cpu_reg(cpu, CPU_REG_RIP),
                                     .sp = sp, .insns = machine_insns(l->d->machine) }, .key = key_of(cpu, sp) };

    drop_below(l, vp, sp);
    push(l, vp, &f);
}

/* An address that nobody called from, taken from above the current frame, is a jump; from elsewhere it is older than we know. */
static void returned(struct learning *l, const struct cpu *cpu, unsigned vp)
{
    const uint64_t sp = stack_at(cpu) - word(cpu);
    const uint32_t n = l->count == 0 ? 0 : find(l, key_of(cpu, sp)), top = l->top[vp];

    if (top != 0 && l->entries[top].is.kind == FRAME_CALL && l->entries[top].is.rip == cpu_reg(cpu, CPU_REG_RIP)) {
        l->top[vp] = l->entries[top].under;     /* also where its address was moved to another place meanwhile */
        forget(l, l->entries[top].key);
    } else if (n != 0) {
        l->top[vp] = l->entries[n].under;
        forget(l, l->entries[n].key);
    } else if (top != 0 && !(same_stack(l->entries[top].is.sp, sp) && l->entries[top].is.sp > sp)) {
        l->top[vp] = 0;
    }
}

/* Does an IRET or SYSRET that leads here end this frame? Handlers change where it goes on, and kernels what programs go on with, but
 * not both within the kernel, where an IRET may be meant for its other effects. */
static bool ends(const struct entry *e, const struct cpu *cpu)
{
    if (e->is.kind != FRAME_INTERRUPT && e->is.kind != FRAME_SYSCALL)
        return false;
    if (user(cpu) || e->from_user)
        return user(cpu) && e->from_user;
    return e->is.rip == cpu_reg(cpu, CPU_REG_RIP) || e->left_sp == stack_at(cpu);
}

static void left(struct learning *l, const struct cpu *cpu, unsigned vp)
{
    uint32_t n = l->top[vp];

    while (n != 0 && !ends(&l->entries[n], cpu))
        n = l->entries[n].under;
    if (n != 0)
        l->top[vp] = l->entries[n].under;
    else if (user(cpu))
        l->top[vp] = 0;
}

/* SDM 2B "SYSCALL": RCX is where it goes on, and the stack stays. */
static void system_call(struct learning *l, const struct cpu *cpu, unsigned vp)
{
    const struct entry e = { .is = { .kind = FRAME_SYSCALL, .rip = cpu_reg(cpu, CPU_REG_RCX), .callee = cpu_reg(cpu, CPU_REG_RIP),
                                     .insns = machine_insns(l->d->machine) },
                             .key = 1 + vp, .left_sp = stack_at(cpu), .from_user = true };

    push(l, vp, &e);
}

static unsigned index_of(const struct debug *d, const struct cpu *cpu)
{
    unsigned k = 0;

    while (d->machine->vps[k] != cpu)
        k++;
    return k;
}

static void on_step(void *arg, struct cpu *cpu, enum cpu_step what)
{
    struct learning *l = arg;

    switch (what) {
    case STEP_CALL:     called(l, cpu, index_of(l->d, cpu)); break;
    case STEP_RETURN:   returned(l, cpu, index_of(l->d, cpu)); break;
    case STEP_LEAVE:    left(l, cpu, index_of(l->d, cpu)); break;
    case STEP_SYSCALL:  system_call(l, cpu, index_of(l->d, cpu)); break;
    default:            break;
    }
}

static bool load(struct debug *d, unsigned vp, uint64_t at, uint64_t *value)
{
    uint8_t bytes[8] = { 0 };
    const unsigned n = word(d->machine->vps[vp]);
    const bool ok = debug_read(d, vp, at, bytes, n) == n;

    *value = load64(bytes);
    return ok;
}

/* SDM 3A "Exception- or Interrupt-Handler Procedures": error code, RIP, CS, RFLAGS, and RSP when the level changed or in IA-32e mode. */
static void on_event(void *arg, struct cpu *cpu, const struct cpu_happened *h)
{
    struct learning *l = arg;
    const unsigned vp = index_of(l->d, cpu), bytes = word(cpu);
    const uint64_t sp = stack_at(cpu) + (h->has_error ? bytes : 0);
    struct entry e = { .is = { .kind = FRAME_INTERRUPT, .callee = cpu_reg(cpu, CPU_REG_RIP), .sp = sp, .vector = h->vector,
                               .insns = h->insns }, .key = key_of(cpu, sp) };
    uint64_t cs;

    if (h->what == CPU_CR3_LOAD || h->what == CPU_SMI || !(cpu_reg(cpu, CPU_REG_CR0) & 1) || !load(l->d, vp, sp, &e.is.rip) ||
        !load(l->d, vp, sp + bytes, &cs))
        return;
    e.from_user = (cs & 3) == 3 && !user(cpu);
    e.left_sp = sp + 3 * bytes;
    if ((e.from_user || bytes == 8) && !load(l->d, vp, sp + 3 * bytes, &e.left_sp))
        return;
    push(l, vp, &e);
}

/* ---- what is told ---- */

static unsigned take_learnt(const struct learning *l, unsigned vp, struct past_frame *to, unsigned room)
{
    unsigned n = 0;

    for (uint32_t k = l->top[vp]; k != 0 && n < room; k = l->entries[k].under)
        to[n++] = l->entries[k].is;
    return n;
}

/* Does a call end there? E8 and a displacement, or FF /2 of any length. */
static bool after_call(struct debug *d, unsigned vp, uint64_t rip)
{
    uint8_t code[CODE_BEFORE];

    if (debug_read(d, vp, rip - CODE_BEFORE, code, sizeof code) != sizeof code)
        return false;
    if (code[CODE_BEFORE - 5] == 0xe8)
        return true;
    for (unsigned k = 0; k + 1 < CODE_BEFORE; k++)
        if (code[k] == 0xff && (code[k + 1] >> 3 & 7) == 2)
            return true;
    return false;
}

static unsigned take_chain(struct debug *d, unsigned vp, uint64_t over, struct past_frame *to, unsigned room)
{
    const struct cpu *cpu = d->machine->vps[vp];
    uint64_t frame = cpu_reg(cpu, CPU_REG_RBP), next, rip;
    unsigned n = 0;

    for (uint64_t last = 0; n < room && frame > last && frame % word(cpu) == 0; last = frame, frame = next) {
        if (!load(d, vp, frame, &next) || !load(d, vp, frame + word(cpu), &rip) || !after_call(d, vp, rip))
            break;
        if (frame + word(cpu) > over && (over == 0 || same_stack(over, frame)))
            to[n++] = (struct past_frame){ .kind = FRAME_POINTER, .rip = rip, .sp = frame + word(cpu) };
    }
    return n;
}

static struct err learn(struct learning *l, uint64_t at, uint64_t back)
{
    const struct cpu_watcher w = { .arg = l, .grain = WATCH_BLOCKS, .happened = on_event, .step = on_step };

    const uint64_t begin = travel_begin(l->d->travel);

    TRY(past_go(l->d, at));
    TRY(past_go(l->d, at - begin > back ? at - back : begin));
    (void)past_run(l->d, &w, at);
    return OK;
}

struct err past_stack(struct debug *d, unsigned vp, uint64_t at, uint64_t back, struct past_frame *frames, unsigned room, unsigned *count)
{
    struct learning l = { .d = d };
    struct stand here;
    struct err e, returning;

    *count = 0;
    if (vp != PAST_ANY && vp >= debug_vps(d))
        return err_make(ERR_USAGE, "there is no processor %u", vp);
    TRY(past_leave(d, &here));
    e = learn(&l, at, back);
    if (vp == PAST_ANY)
        vp = debug_current(d);
    if (!failed(&e) && room > 0) {
        frames[(*count)++] = (struct past_frame){ .kind = FRAME_HERE, .rip = cpu_reg(d->machine->vps[vp], CPU_REG_RIP) };
        *count += take_learnt(&l, vp, frames + *count, room - *count);
        *count += take_chain(d, vp, frames[*count - 1].sp, frames + *count, room - *count);
    }
    free(l.entries);
    free(l.buckets);
    returning = past_return(d, &here);
    return failed(&e) ? e : returning;
}
