/* SPDX-License-Identifier: MIT
 * Records of the last branches, exceptions and interrupts: SDM 3B "Last Branch, Interrupt, and Exception Recording", with
 * the stack of 32 of "LBR Stack for Processors Based on Skylake Microarchitecture" where performance capabilities are there,
 * else the one pair of P6 and AMD processors (APM 2 "Control-Transfer Recording MSRs"). While DEBUGCTL.LBR is on, the run
 * loop sees each block; off, nothing is paid. */
#include "cpu/cpuid.h"
#include "cpu/pmu_state.h"
#include "cpu/seg.h"

#define SELECT_CALLSTACK    BIT64(9)
#define SELECT_ALL          0x3ffull
#define DEPTH               32u
#define CYCLES_MOST         0xffffu

/* Bits of MSR_LBR_SELECT: what is left out. */
enum kind { ENDS_AT_0, ENDS_ABOVE_0, JCC, NEAR_REL_CALL, NEAR_IND_CALL, NEAR_RET, NEAR_IND_JMP, NEAR_REL_JMP, FAR_BRANCH };

static enum kind kind_of(unsigned op)
{
    switch (op) {
    case OP_JCC: case OP_LOOP: case OP_LOOPE: case OP_LOOPNE: case OP_JRCXZ: return JCC;
    case OP_CALL:     return NEAR_REL_CALL;
    case OP_CALL_IND: return NEAR_IND_CALL;
    case OP_RET:      return NEAR_RET;
    case OP_JMP_IND:  return NEAR_IND_JMP;
    case OP_JMP:      return NEAR_REL_JMP;
    default:          return FAR_BRANCH;
    }
}

static bool has_stack(const struct cpu *cpu)
{
    return cpu_has(cpu, F_PDCM);
}

static bool has_pair(const struct cpu *cpu)
{
    return !has_stack(cpu) && (cpu_is_amd(cpu) || (cpuid_signature(cpu) >> 8 & 15) == 6);
}

bool lbr_exists(const struct cpu *cpu)
{
    return has_stack(cpu) || has_pair(cpu);
}

bool lbr_on(const struct cpu *cpu)
{
    return (cpu->p.debugctl & DEBUGCTL_LBR) && !(cpu->s.pmc_status & STATUS_LBR_FRZ);
}

uint64_t lbr_linear_ip(const struct cpu *cpu)
{
    return cpu_in_64bit(cpu) ? cpu->p.rip : (uint32_t)(cpu->p.seg_base[SEG_CS] + cpu->p.rip);
}

/* ---- recording ---- */

static bool left_out(const struct cpu *cpu, enum kind kind)
{
    uint64_t select = cpu->s.lbr_select;

    return select & (BIT64(kind) | BIT64(cpu->p.cpl == 0 ? ENDS_AT_0 : ENDS_ABOVE_0));
}

/* LBR_INFO bits 15:0: cycles since the previous record. */
static uint64_t cycles_since(struct cpu *cpu)
{
    uint64_t now = clock_ns(cpu->ports.clock), ns = now - cpu->s.lbr_seen_ns;
    unsigned __int128 cycles = (unsigned __int128)ns * cpu->config.tsc_hz / 1000000000u;

    cpu->s.lbr_seen_ns = now;
    return cycles > CYCLES_MOST ? CYCLES_MOST : (uint64_t)cycles;
}

static void record(struct cpu *cpu, uint64_t from, uint64_t to, enum kind kind)
{
    uint64_t *top = &cpu->s.lbr_top;

    if (has_stack(cpu)) {
        if (left_out(cpu, kind))
            return;
        if ((cpu->s.lbr_select & SELECT_CALLSTACK) && kind == NEAR_RET) {
            *top = (*top - 1) & (DEPTH - 1);
            return;
        }
        *top = (*top + 1) & (DEPTH - 1);
        cpu->s.lbr_info[*top] = cycles_since(cpu);
    }
    cpu->s.lbr_from[*top] = from;
    cpu->s.lbr_to[*top] = to;
}

void lbr_branch(struct cpu *cpu, const struct insn *i)
{
    uint64_t from = rip_of(cpu, i) + cpu->code_base;

    record(cpu, cpu->code_base == 0 ? from : (uint32_t)from, lbr_linear_ip(cpu), kind_of(i->op));
}

/* The last branch before the event is kept apart. */
void lbr_event(struct cpu *cpu, uint64_t from)
{
    cpu->s.ler_from = cpu->s.lbr_from[cpu->s.lbr_top];
    cpu->s.ler_to = cpu->s.lbr_to[cpu->s.lbr_top];
    record(cpu, from, lbr_linear_ip(cpu), FAR_BRANCH);
}

/* ---- registers ---- */

enum { SELECT = 0x1c8, TOP = 0x1c9, PAIR_FROM = 0x1db, PAIR_TO, LER_FROM, LER_TO, STACK_FROM = 0x680, STACK_TO = 0x6c0,
       STACK_INFO = 0xdc0 };

static uint64_t *place_of(struct cpu *cpu, uint32_t msr)
{
    switch (msr) {
    case SELECT:    return has_stack(cpu) ? &cpu->s.lbr_select : NULL;
    case TOP:       return has_stack(cpu) ? &cpu->s.lbr_top : NULL;
    case PAIR_FROM: return has_pair(cpu) ? &cpu->s.lbr_from[0] : NULL;
    case PAIR_TO:   return has_pair(cpu) ? &cpu->s.lbr_to[0] : NULL;
    case LER_FROM:  return lbr_exists(cpu) ? &cpu->s.ler_from : NULL;
    case LER_TO:    return lbr_exists(cpu) ? &cpu->s.ler_to : NULL;
    default:
        if (!has_stack(cpu))
            return NULL;
        return &(msr >= STACK_INFO ? cpu->s.lbr_info : msr >= STACK_TO ? cpu->s.lbr_to : cpu->s.lbr_from)[msr & (DEPTH - 1)];
    }
}

bool lbr_read_msr(struct cpu *cpu, uint32_t msr, uint64_t *value)
{
    const uint64_t *place = place_of(cpu, msr);

    if (place != NULL)
        *value = *place;
    return place != NULL;
}

bool lbr_write_msr(struct cpu *cpu, uint32_t msr, uint64_t value)
{
    uint64_t *place = place_of(cpu, msr);

    if (place == NULL)
        return false;
    if (msr == SELECT ? value & ~SELECT_ALL : msr == TOP ? value >= DEPTH : msr < STACK_INFO && !cpu_canonical(cpu, value))
        return false;
    *place = value;
    return true;
}

void lbr_loaded(struct cpu *cpu)
{
    cpu->s.lbr_top &= DEPTH - 1;
}
