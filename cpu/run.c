/* SPDX-License-Identifier: MIT
 * The run loop: budget, attention and block lookup, and the exact count of what was retired (docs/determinism.md). A block's
 * instructions are taken from the budget when it is entered; leaving early gives back those that did not run. */
#include "cpu/exec.h"
#include "cpu/jit/jit.h"
#include "cpu/pmu.h"

#include <string.h>

/* ---- counting ---- */

/* Instructions of the running block that come after i; those from i on when i did not complete. */
static unsigned not_run(const struct cpu *cpu, const struct insn *i, bool completed)
{
    return cpu->block->count - (unsigned)(i - cpu->block->insns) - (completed ? 1u : 0u);
}

static void count_up_to(struct cpu *cpu, uint64_t unused)
{
    uint64_t insns = cpu->turn_insns + (cpu->turn_budget - unused), *clock = &cpu->ports.clock->state.insns;

    cpu->s.retired += insns - *clock;
    cpu->stats.retired = cpu->s.retired;
    *clock = insns;
}

void cpu_sync(struct cpu *cpu, const struct insn *i)
{
    if (i == NULL || cpu->block == NULL) {
        count_up_to(cpu, cpu->budget);
        return;
    }
    cpu->insn = i;
    cpu->p.rip = rip_of(cpu, i);
    count_up_to(cpu, cpu->budget + not_run(cpu, i, false));
}

void cpu_charge(struct cpu *cpu, uint64_t insns)
{
    if (cpu->budget >= insns) {
        cpu->budget -= insns;
    } else {
        cpu->turn_budget += insns - cpu->budget;
        cpu->budget = 0;
    }
    cpu->s.not_insns += insns;
    count_up_to(cpu, cpu->budget);
}

uint64_t exec_iterations(const struct cpu *cpu, const struct insn *i)
{
    return cpu->budget + not_run(cpu, i, false);
}

/* The budget may be overdrawn here for a moment: what the block still holds comes back when the handler leaves it. */
bool exec_iterated(struct cpu *cpu, uint64_t done, bool completed)
{
    if (completed && done != 0)
        done--;
    cpu->budget -= done;
    cpu->s.not_insns += done;
    return (int64_t)cpu->budget >= 0;
}

/* ---- faults and seams of handlers ---- */

bool fault_raise(struct cpu *cpu, unsigned vector)
{
    cpu->fault = (struct fault){ .vector = (uint8_t)vector };
    return false;
}

bool fault_raise_error(struct cpu *cpu, unsigned vector, uint32_t error)
{
    cpu->fault = (struct fault){ .vector = (uint8_t)vector, .has_error = 1, .error = error };
    return false;
}

unsigned exec_leave(struct cpu *cpu, const struct insn *i)
{
    return exec_stop(cpu, i, rip_next(cpu, i));
}

unsigned exec_undefined(struct cpu *cpu, const struct insn *i)
{
    RAISE_UD();
}

unsigned exec_too_long(struct cpu *cpu, const struct insn *i)
{
    RAISE_GP(0);
}

unsigned exec_block_end(struct cpu *cpu, const struct insn *i)
{
    return exec_jump(cpu, i - 1, rip_next(cpu, i));
}

/* ---- the loop ---- */

/* What block lookup depends on besides RIP. */
static void code_segment_refresh(struct cpu *cpu)
{
    bool wide = (cpu->mode & MODE_DECODE) == DECODE_64;

    cpu->code_base = wide ? 0 : (uint32_t)cpu->p.seg_base[SEG_CS];
    cpu->code_limit = wide ? ~(uint64_t)0 : cpu->p.seg_limit[SEG_CS];
    code_tag_refresh(cpu);
}

bool cpu_goes_on(struct cpu *cpu)
{
    if (cpu->attention != 0 || cpu->pmu != 0 || cpu->p.activity != CPU_RUNNING || (cpu->p.inhibit & ~SHADOW_STI) || debug_steps(cpu))
        return false;
    code_segment_refresh(cpu);
    return true;
}

static void deliver_fault(struct cpu *cpu)
{
    if (cpu->fault.vector == FAULT_RETRY)
        return;
    if (cpu->fault.vector == FAULT_SKIP) {
        cpu->p.rip = rip_next(cpu, cpu->insn);
        cpu_charge(cpu, 1);
        cpu->s.not_insns--;             /* the host did it, but an instruction it was */
        return;
    }
    event_deliver_fault(cpu);
}

/* Run from the first instruction of b until something leaves; the budget then holds what really was not used. */
static unsigned run_block(struct cpu *cpu, struct block *b)
{
    bool watched = UNLIKELY((cpu->pmu & (PMU_BRANCHES | PMU_RECORDS)) | cpu->jit_looks | cpu->stepped);
    unsigned result = exec_enter(cpu, b, cpu->p.rip, watched ? b->first : b->insns[0].fn);
    const struct insn *i = cpu->insn;

    cpu->budget += not_run(cpu, i, result == EXEC_STOP);
    if (result != EXEC_STOP)
        cpu->p.rip = rip_of(cpu, i);
    if (UNLIKELY(cpu->pmu & (PMU_BRANCHES | PMU_RECORDS)) && result == EXEC_STOP)
        pmu_retired(cpu, i);
    cpu->block = NULL;
    return result;
}

/* The fetch of the next instruction faulted: nothing stands for it in any block. */
static unsigned fetch_fault(struct cpu *cpu)
{
    static const struct insn nothing = { .op = OP_NOP, .base = REG_ZERO, .index = REG_ZERO };

    cpu->insn = &nothing;
    return EXEC_FAULT;
}

/* At most `most` of the budget and `count` instructions, from b on; the rest is put aside meanwhile. */
static unsigned run_part(struct cpu *cpu, struct block *b, uint64_t most, uint64_t count)
{
    uint64_t aside = cpu->budget > most ? cpu->budget - most : 0;
    unsigned result;

    cpu->budget -= aside;
    cpu->turn_budget -= aside;
    count = count < cpu->budget ? count : cpu->budget;
    result = run_block(cpu, b->count <= count ? b : block_first(cpu, b, (unsigned)count));
    cpu->budget += aside;
    cpu->turn_budget += aside;
    return result;
}

/* An instruction that faults loses the data breakpoints it met: it meets them again when it is tried again. `pending`: those of
 * the MOV SS before it. */
static void fault_after(struct cpu *cpu, uint64_t pending)
{
    if (UNLIKELY(cpu->points != NULL))
        points_faulted(cpu);
    cpu->p.pending_db = pending;
    deliver_fault(cpu);
}

static unsigned run_slice(struct cpu *cpu, struct block *b, uint64_t most)
{
    return run_part(cpu, b, most, most);
}

/* After an interrupt of a repeated instruction RF stays set until its last iteration. When nothing else asks for steps,
 * several iterations make one: the handler stops at its next look at `attention`, and nothing follows it. */
static unsigned run_repeated(struct cpu *cpu, struct block *b)
{
    cpu->attention |= ATTEND_CODE;
    return run_part(cpu, b, 1024, 1);
}

/* So many instructions as a step may hold that nothing but a watcher asked for. */
static uint64_t span_of(const struct cpu *cpu, const struct block *b)
{
    const uint64_t n = watcher_span(cpu, b);

    return UNLIKELY(cpu->pmu) ? pmu_slice(cpu, b, n) : n;
}

/* One instruction, or one iteration of a repeated one; more where only a watcher wants steps, and of its size. */
static void step(struct cpu *cpu)
{
    uint64_t pending = cpu->p.pending_db;
    const bool resumed = !(cpu->p.rflags & FLAG_TF) && !cpu->p.inhibit && !cpu->pmu && !debug_watches_data(cpu) && !cpu->stepped;
    const bool single = debug_active(cpu);
    struct block *b;
    bool watched;
    unsigned begun, result;

    if (UNLIKELY(cpu->points != NULL) && points_break(cpu))
        return;
    if (debug_insn_breakpoint(cpu) || (debug_virtual_interrupt(cpu) && !fault_gp(cpu, 0))) {
        fetch_fault(cpu);
        deliver_fault(cpu);
        return;
    }
    if (UNLIKELY(cpu->stepped))
        watcher_begins(cpu);
    begun = debug_step_begin(cpu);
    b = block_find(cpu);
    watched = b != NULL && watcher_parts(cpu, &b->insns[0]);
    if (UNLIKELY(watched))
        watcher_begins(cpu);
    if (b == NULL)
        result = fetch_fault(cpu);
    else if (resumed && (b->insns[0].flags & (INSN_REP | INSN_REPNE)))
        result = run_repeated(cpu, b);
    else
        result = run_slice(cpu, b, single ? 1 : span_of(cpu, b));
    debug_step_end(cpu, begun, result);
    if (UNLIKELY(cpu->stepped || watched))
        watcher_stepped(cpu, result);
    if (result == EXEC_FAULT)
        fault_after(cpu, pending);
}

/* Handlers hand on by tail calls where the compiler can make them; where it cannot, the stack grows until they return here,
 * so they get only so many instructions at a time. Translated code comes back after each handler: more pays there. */
#define SLICE            1024u
#define SLICE_TRANSLATED 16384u

static unsigned slice_of(struct cpu *cpu, struct block *b)
{
    if (UNLIKELY(cpu->jit_site_missed != 0))
        jit_think(cpu->jit);
    if (UNLIKELY(cpu->pmu))
        return pmu_slice(cpu, b, SLICE);
    if (UNLIKELY(cpu->jit_looks)) {
        jit_look(cpu->jit, b);
        return b->count;
    }
    return b->jit != NULL ? SLICE_TRANSLATED : SLICE;
}

static void run_blocks(struct cpu *cpu)
{
    const struct block_shortcut *s = &cpu->shortcuts[block_shortcut_slot(cpu->p.rip)];
    struct block *b = s->block;
    bool watched = false;
    unsigned result;

    if (!block_shortcut_leads(cpu, s, cpu->p.rip) || cpu->p.rip + b->bytes - 1 > cpu->code_limit) {
        if (UNLIKELY(cpu->points != NULL) && points_break(cpu))
            return;
        b = block_find(cpu);
        watched = b != NULL && watcher_parts(cpu, &b->insns[0]);
    }
    if (UNLIKELY(watched))
        watcher_begins(cpu);
    if (b == NULL)
        result = fetch_fault(cpu);
    else
        result = run_slice(cpu, b, slice_of(cpu, b));
    if (UNLIKELY(watched))
        watcher_stepped(cpu, result);
    if (result == EXEC_FAULT)
        fault_after(cpu, 0);
}

static bool attend(struct cpu *cpu)
{
    cpu->attention &= ~(unsigned)ATTEND_CODE;
    if (cpu->attention & ATTEND_MODE) {
        cpu->attention &= ~(unsigned)ATTEND_MODE;
        cpu_mode_changed(cpu);
    }
    if (cpu->attention == 0)
        return true;
    cpu_sync(cpu, NULL);
    return event_attend(cpu);
}

/* One round; false: *why the turn is over. */
static bool round_of(struct cpu *cpu, enum cpu_stop *why)
{
    if (UNLIKELY(cpu->pmu))
        pmu_round(cpu);
    if (cpu->attention & (ATTEND_DEADLINE | ATTEND_YIELD)) {
        *why = cpu->attention & ATTEND_DEADLINE ? CPU_STOP_DEADLINE : CPU_STOP_YIELD;
        cpu->attention &= ~(unsigned)(ATTEND_DEADLINE | ATTEND_YIELD);
        return false;
    }
    *why = CPU_STOP_BUDGET;
    if (cpu->budget == 0)
        return false;
    if (cpu->attention != 0 && attend(cpu))
        return true;
    if (cpu->p.activity != CPU_RUNNING) {
        *why = cpu->p.activity == CPU_SHUTDOWN ? CPU_STOP_SHUTDOWN : CPU_STOP_IDLE;
        return false;
    }
    code_segment_refresh(cpu);
    if (cpu->p.inhibit == SHADOW_STI && cpu->attention == 0 && LIKELY(cpu->points == NULL && !cpu->stepped))
        cpu->p.inhibit = 0;             /* nothing waits for the end of the instruction that comes now, and it will come */
    if (UNLIKELY(debug_active(cpu) || cpu->stepped))
        step(cpu);
    else
        run_blocks(cpu);
    return true;
}

enum cpu_stop cpu_run(struct cpu *cpu, uint64_t budget)
{
    enum cpu_stop why;

    cpu->turn_insns = cpu->ports.clock->state.insns;
    cpu->budget = cpu->turn_budget = budget;
    if (cpu->p.activity == CPU_MWAITING)
        cpu->attention |= ATTEND_INTR;      /* is the wait over? */
    if (UNLIKELY(cpu->pmu))
        pmu_turn(cpu, true);
    while (round_of(cpu, &why))
        ;
    cpu_sync(cpu, NULL);
    if (UNLIKELY(cpu->pmu))
        pmu_turn(cpu, false);
    return why;
}
