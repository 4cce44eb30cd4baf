/* SPDX-License-Identifier: MIT
 * What the counters count, when they overflow, and how the run loop meets an overflow at its exact instruction. Registers
 * are pmu_regs.c's. */
#include "cpu/pmu_state.h"

#include "cpu/block.h"

/* ---- events ---- */

/* SDM 3B table "Architectural Performance Events"; the other events of CPUID.0AH:EBX are marked absent. */
static const struct event_row { uint16_t select, mask; uint8_t counts; } intel_events[] = {
    { 0x003c, 0xffff, PMU_CORE }, { 0x013c, 0xffff, PMU_CRYSTAL }, { 0x00c0, 0xffff, PMU_INSNS },
    { 0x00c4, 0xffff, PMU_TAKEN_OR_NOT },
};
/* APM 2 "Performance Counters" and the processor references of families 15h to 19h; the unit masks mean nothing here. */
static const struct event_row amd_events[] = {
    { 0x76, 0xff, PMU_CORE }, { 0xc0, 0xff, PMU_INSNS }, { 0xc2, 0xff, PMU_TAKEN_OR_NOT },
};

static enum pmu_source source_of(const struct cpu *cpu, uint64_t select)
{
    bool amd = cpu_is_amd(cpu);
    const struct event_row *rows = amd ? amd_events : intel_events;
    unsigned count = amd ? COUNT_OF(amd_events) : COUNT_OF(intel_events);

    if (amd && (select >> 32 & 15))         /* bits 11:8 of the event */
        return PMU_NOTHING;
    for (unsigned k = 0; k < count; k++)
        if ((select & rows[k].mask) == rows[k].select)
            return rows[k].counts;
    return PMU_NOTHING;
}

static bool is_branch(unsigned op)
{
    switch (op) {
    case OP_JCC: case OP_JMP: case OP_JMP_IND: case OP_CALL: case OP_CALL_IND: case OP_RET: case OP_LOOP: case OP_LOOPE:
    case OP_LOOPNE: case OP_JRCXZ: case OP_JMP_FAR: case OP_JMP_FAR_IND: case OP_CALL_FAR: case OP_CALL_FAR_IND:
    case OP_RET_FAR: case OP_IRET: case OP_INT: case OP_INT3: case OP_INTO: case OP_INT1: case OP_SYSCALL: case OP_SYSRET:
    case OP_SYSENTER: case OP_SYSEXIT: case OP_RSM:
        return true;
    default:
        return false;
    }
}

/* Conditional branches change neither flags nor, after they have counted down, the counter. */
bool pmu_branch_taken(const struct cpu *cpu, const struct insn *i)
{
    uint64_t count = mask_size(cpu->s.gpr[RCX], i->asize);

    switch (i->op) {
    case OP_JCC:    return flags_condition(&cpu->flags, i->opcode & 15);
    case OP_LOOP:   return count != 0;
    case OP_LOOPE:  return count != 0 && flags_zf(&cpu->flags);
    case OP_LOOPNE: return count != 0 && !flags_zf(&cpu->flags);
    case OP_JRCXZ:  return count == 0;
    case OP_INTO:   return flags_of(&cpu->flags);
    default:        return is_branch(i->op);
    }
}

/* ---- what happened since the last look ---- */

struct amounts { uint64_t of[PMU_SOURCES], wakes; };

/* Ticks of a clock of `hz` between two times, such that sums over parts are exact. */
static uint64_t ticks_between(uint64_t from_ns, uint64_t to_ns, uint64_t hz)
{
    unsigned __int128 from = (unsigned __int128)from_ns * hz / 1000000000u, to = (unsigned __int128)to_ns * hz / 1000000000u;

    return (uint64_t)(to - from);
}

static uint64_t insns_retired(const struct cpu *cpu)
{
    return cpu->s.retired - cpu->s.not_insns;
}

static struct amounts take_amounts(struct cpu *cpu)
{
    uint64_t now = clock_ns(cpu->ports.clock), crystal = cpu->config.apic_hz ? cpu->config.apic_hz : 200000000u;
    struct amounts a = { 0 };

    a.of[PMU_INSNS] = insns_retired(cpu) - cpu->s.pmc_seen_insns;
    a.of[PMU_TAKEN_OR_NOT] = cpu->s.branches - cpu->s.pmc_seen_branches;
    if (cpu->s.pmc_asleep & PMU_ASLEEP) {
        cpu->s.pmc_asleep |= PMU_SLEPT;
    } else if (now != cpu->s.pmc_seen_ns) {
        a.of[PMU_CORE] = ticks_between(cpu->s.pmc_seen_ns, now, cpu->config.tsc_hz);
        a.of[PMU_CRYSTAL] = ticks_between(cpu->s.pmc_seen_ns, now, crystal);
        a.wakes = cpu->s.pmc_asleep & PMU_SLEPT ? 1 : 0;
        cpu->s.pmc_asleep = 0;
    }
    cpu->s.pmc_seen_insns = insns_retired(cpu);
    cpu->s.pmc_seen_branches = cpu->s.branches;
    cpu->s.pmc_seen_ns = now;
    return a;
}

/* SDM 3B "Performance Event Select Registers": edge detect, invert, counter mask. They ask how many events fall into one
 * cycle; here at most one instruction or branch retires in a cycle and never two in neighbouring ones, and a cycle of any
 * clock is one event. So a mask of 2 or more is never reached. */
static uint64_t amount_of(const struct amounts *a, enum pmu_source source, uint64_t select)
{
    unsigned mask = select >> SELECT_CMASK_SHIFT & 0xff;
    bool cycles = source == PMU_CORE || source == PMU_CRYSTAL, inverted = (select & SELECT_INV) && mask != 0;
    uint64_t events = a->of[source], core = a->of[PMU_CORE];

    if (source == PMU_NOTHING)
        return 0;
    if (mask >= 2)                          /* the comparison is always false, or inverted always true */
        return !inverted ? 0 : select & SELECT_EDGE ? a->wakes : core;
    if (select & SELECT_EDGE)
        return !cycles ? events : inverted ? 0 : a->wakes;
    if (inverted)
        return cycles || events > core ? 0 : core - events;
    return events;
}

/* ---- counters ---- */

static bool frozen(const struct cpu *cpu)
{
    return cpu->s.pmc_status & STATUS_CTR_FRZ;
}

/* The select register of general counter n, 0 when it does not run; fixed counters are made to look like one. */
static uint64_t running_select(const struct cpu *cpu, unsigned n)
{
    static const uint64_t levels[4] = { 0, SELECT_OS, SELECT_USR, SELECT_OS | SELECT_USR };
    unsigned field;

    if (frozen(cpu))
        return 0;
    if (n < PMU_COUNTERS) {
        bool global = cpu_is_amd(cpu) || (cpu->s.pmc_global >> n & 1);

        return global && (cpu->s.pmc_select[n] & SELECT_EN) ? cpu->s.pmc_select[n] : 0;
    }
    n -= PMU_COUNTERS;
    field = cpu->s.pmc_fixed_ctrl >> 4 * n & 15;
    if (!(cpu->s.pmc_global >> (32 + n) & 1) || !(field & 3))
        return 0;
    return SELECT_EN | levels[field & 3] | (field & 8 ? SELECT_INT : 0);
}

static enum pmu_source running_source(const struct cpu *cpu, unsigned n, uint64_t select)
{
    static const uint8_t fixed[PMU_FIXED] = { PMU_INSNS, PMU_CORE, PMU_CORE };      /* the TSC's rate is the core's */

    return n < PMU_COUNTERS ? source_of(cpu, select) : fixed[n - PMU_COUNTERS];
}

static uint64_t *counter(struct cpu *cpu, unsigned n)
{
    return n < PMU_COUNTERS ? &cpu->s.pmc[n] : &cpu->s.pmc_fixed[n - PMU_COUNTERS];
}

/* SDM 3B "Freezing LBR and Performance Counters on PMI": version 4 and later freeze by bits of the status register. */
static void interrupt(struct cpu *cpu)
{
    const struct apic_ops *apic = cpu->ports.apic;

    if (cpu->p.debugctl & DEBUGCTL_FREEZE_LBRS)
        cpu->s.pmc_status |= STATUS_LBR_FRZ;
    if (cpu->p.debugctl & DEBUGCTL_FREEZE_PERFMON)
        cpu->s.pmc_status |= STATUS_CTR_FRZ;
    if (apic != NULL && apic->performance != NULL)
        apic->performance(cpu->ports.apic_self);
}

static void overflowed(struct cpu *cpu, unsigned n, uint64_t select)
{
    if (!cpu_is_amd(cpu))
        cpu->s.pmc_status |= n < PMU_COUNTERS ? BIT64(n) : BIT64(32 + n - PMU_COUNTERS);
    if (select & SELECT_INT)
        interrupt(cpu);
}

static bool counts_at(uint64_t select, unsigned cpl)
{
    return select & (cpl == 0 ? SELECT_OS : SELECT_USR);
}

/* ---- when to look again ---- */

/* Instructions for certain before a counter that has `left` to go can overflow. */
static uint64_t insns_before(const struct cpu *cpu, enum pmu_source source, uint64_t left)
{
    const struct clock *c = cpu->ports.clock;
    uint64_t hz = source == PMU_CRYSTAL ? cpu->config.apic_hz : cpu->config.tsc_hz;
    unsigned __int128 ns;

    if (source == PMU_INSNS || source == PMU_TAKEN_OR_NOT)
        return left;
    if (hz == 0)
        hz = 200000000u;
    ns = (unsigned __int128)(left - 1) * 1000000000u / hz;
    return ns >> 62 ? ~(uint64_t)0 >> 1 : clock_insns_until(c, clock_ns(c) + (uint64_t)ns);
}

static uint64_t next_due(struct cpu *cpu)
{
    uint64_t due = ~(uint64_t)0, now = cpu->ports.clock->state.insns;

    for (unsigned n = 0; n < PMU_COUNTERS + PMU_FIXED; n++) {
        uint64_t select = running_select(cpu, n), at;
        enum pmu_source source = running_source(cpu, n, select);

        if (!(select & SELECT_INT) || source == PMU_NOTHING)
            continue;
        if (select >> SELECT_CMASK_SHIFT & 0xff)            /* may count cycles instead */
            source = PMU_CORE;
        at = insns_before(cpu, source, BIT64(PMU_WIDTH) - *counter(cpu, n));
        at = now + (at == 0 ? 1 : at);
        due = at < due ? at : due;
    }
    return due;
}

void pmu_configured(struct cpu *cpu)
{
    cpu->pmu = lbr_on(cpu) ? PMU_RECORDS : 0;
    for (unsigned n = 0; n < PMU_COUNTERS + PMU_FIXED; n++) {
        uint64_t select = running_select(cpu, n);

        if (select == 0)
            continue;
        cpu->pmu |= PMU_COUNTS;
        if (!(select & SELECT_OS) != !(select & SELECT_USR))
            cpu->pmu |= PMU_LEVELS;
        if (running_source(cpu, n, select) == PMU_TAKEN_OR_NOT)
            cpu->pmu |= PMU_BRANCHES;
    }
    cpu->pmu_due = next_due(cpu);
}

void pmu_account(struct cpu *cpu)
{
    struct amounts a = take_amounts(cpu);
    uint64_t select[PMU_COUNTERS + PMU_FIXED];
    bool any = cpu->pmu != 0;

    for (unsigned n = 0; any && n < COUNT_OF(select); n++)      /* as they were before any of them froze the others */
        select[n] = running_select(cpu, n);
    for (unsigned n = 0; any && n < COUNT_OF(select); n++) {
        uint64_t *value = counter(cpu, n);

        if (!counts_at(select[n], cpu->s.pmc_level))
            continue;
        *value += amount_of(&a, running_source(cpu, n, select[n]), select[n]);
        if (*value >> PMU_WIDTH) {
            *value &= bits_mask(PMU_WIDTH);
            overflowed(cpu, n, select[n]);
        }
    }
    cpu->s.pmc_level = cpu->p.cpl;
    if (any)
        pmu_configured(cpu);
}

/* ---- the run loop ---- */

void pmu_turn(struct cpu *cpu, bool begins)
{
    pmu_account(cpu);
    cpu->s.pmc_asleep &= (uint8_t)~PMU_ASLEEP;
    if (!begins && cpu->p.activity != CPU_RUNNING)
        cpu->s.pmc_asleep |= PMU_ASLEEP;
}

void pmu_round(struct cpu *cpu)
{
    uint64_t now = cpu->turn_insns + (cpu->turn_budget - cpu->budget);
    bool level = (cpu->pmu & PMU_LEVELS) && (cpu->p.cpl == 0) != (cpu->s.pmc_level == 0);

    if (!level && now < cpu->pmu_due)
        return;
    cpu_sync(cpu, NULL);
    pmu_account(cpu);
}

uint64_t pmu_slice(const struct cpu *cpu, const struct block *b, uint64_t most)
{
    uint64_t now = cpu->turn_insns + (cpu->turn_budget - cpu->budget);

    if ((cpu->pmu & (PMU_BRANCHES | PMU_RECORDS)) && b->count < most)
        most = b->count;
    if (cpu->pmu_due <= now)
        return 1;
    return cpu->pmu_due - now < most ? cpu->pmu_due - now : most;
}

void pmu_retired(struct cpu *cpu, const struct insn *i)
{
    if (!is_branch(i->op))
        return;
    cpu->s.branches++;
    if ((cpu->pmu & PMU_RECORDS) && pmu_branch_taken(cpu, i)) {
        cpu_sync(cpu, NULL);
        lbr_branch(cpu, i);
    }
}
