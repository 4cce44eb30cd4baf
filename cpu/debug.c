/* SPDX-License-Identifier: MIT
 * Breakpoints and single steps (SDM 3B "Debug Registers", "Debug Exceptions"). Here it is decided what is hit; event.c
 * delivers it. */
#include "cpu/pmu.h"

#define DR6_BS          BIT64(14)
#define DR7_ENABLES     0xffu
#define DEBUGCTL_BTF    2u

enum { KIND_EXECUTE, KIND_WRITE, KIND_IO, KIND_ACCESS };     /* DR7.R/Wn */
enum { STEP_TF = 1, STEP_RF = 2 };

static bool breakpoint_on(const struct cpu *cpu, unsigned n)
{
    return (cpu->p.dr7 >> (2 * n)) & 3;
}

static unsigned breakpoint_kind(const struct cpu *cpu, unsigned n)
{
    return (cpu->p.dr7 >> (16 + 4 * n)) & 3;
}

/* LEN: 0 one byte, 1 two, 2 eight, 3 four. */
static unsigned breakpoint_bytes(const struct cpu *cpu, unsigned n)
{
    static const uint8_t bytes[] = { 1, 2, 8, 4 };

    return bytes[(cpu->p.dr7 >> (18 + 4 * n)) & 3];
}

static bool any_enabled(const struct cpu *cpu, unsigned kinds)
{
    for (unsigned n = 0; n < 4; n++)
        if (breakpoint_on(cpu, n) && (kinds & BIT(breakpoint_kind(cpu, n))))
            return true;
    return false;
}

bool debug_watches_data(const struct cpu *cpu)
{
    return (cpu->p.dr7 & DR7_ENABLES) && any_enabled(cpu, BIT(KIND_WRITE) | BIT(KIND_ACCESS));
}

/* SDM 3B "Class 2-Maskable Hardware Interrupt Handling in Virtual-8086 Mode Using the Virtual Interrupt Mechanism": VIF and
 * VIP both set at the beginning of an instruction are #GP where these flags mean something. */
bool debug_virtual_interrupt(const struct cpu *cpu)
{
    uint64_t rflags = cpu->p.rflags;

    if (LIKELY((rflags & (FLAG_VIF | FLAG_VIP)) != (FLAG_VIF | FLAG_VIP)))
        return false;
    return cpu->p.cpl == 3 && (rflags & FLAG_IOPL) != FLAG_IOPL && (cpu->p.cr4 & (rflags & FLAG_VM ? CR4_VME : CR4_PVI));
}

bool debug_active(const struct cpu *cpu)
{
    return cpu->p.inhibit || debug_steps(cpu);
}

bool debug_steps(const struct cpu *cpu)
{
    return (cpu->p.rflags & (FLAG_TF | FLAG_RF)) || debug_virtual_interrupt(cpu) ||
           ((cpu->p.dr7 & DR7_ENABLES) && any_enabled(cpu, BIT(KIND_EXECUTE)));
}

/* Bits of DR6 for the breakpoints of these kinds that [at, at + bytes) touches: those that are enabled raise, and then the
 * others that match are shown too. */
static uint64_t breakpoints_hit(const struct cpu *cpu, uint64_t at, unsigned bytes, unsigned kinds)
{
    uint64_t hit = 0;
    bool raise = false;

    for (unsigned n = 0; n < 4; n++) {
        uint64_t size = breakpoint_bytes(cpu, n), first = cpu->s.dr[n] & ~(size - 1);

        if (!(kinds & BIT(breakpoint_kind(cpu, n))) || at + bytes - 1 < first || at > first + size - 1)
            continue;
        hit |= BIT64(n);
        raise |= breakpoint_on(cpu, n);
    }
    return raise ? hit : 0;
}

static void trap(struct cpu *cpu, uint64_t dr6)
{
    if (dr6 == 0)
        return;
    cpu->p.pending_db |= dr6;
    cpu->attention |= ATTEND_DEBUG;
}

/* MOV SS and POP SS hold this back as well; RF lets one instruction pass; an instruction that goes on after an interrupted
 * iteration has already had its breakpoint. */
bool debug_insn_breakpoint(struct cpu *cpu)
{
    bool wide = (cpu->mode & MODE_DECODE) == DECODE_64;
    uint64_t lin, hit;

    if (!(cpu->p.dr7 & DR7_ENABLES) || (cpu->p.rflags & FLAG_RF) || (cpu->p.inhibit & SHADOW_SS) || cpu->p.rep_resume)
        return false;
    lin = wide ? cpu->p.rip : (uint32_t)(cpu->p.seg_base[SEG_CS] + cpu->p.rip);
    hit = breakpoints_hit(cpu, lin, 1, BIT(KIND_EXECUTE));
    if (hit == 0)
        return false;
    cpu->fault = (struct fault){ .vector = VEC_DB, .dr6 = hit };
    return true;
}

unsigned debug_step_begin(struct cpu *cpu)
{
    unsigned step = (cpu->p.rflags & FLAG_TF ? STEP_TF : 0) | (cpu->p.rflags & FLAG_RF ? STEP_RF : 0);

    cpu->p.rflags &= ~(uint64_t)FLAG_RF;
    cpu->p.inhibit = 0;
    return step;
}

/* INT n and its kin enter their handler without a trap; SYSCALL too when SFMASK cleared TF. */
static bool swallows_step(const struct cpu *cpu)
{
    switch (cpu->insn->op) {
    case OP_INT: case OP_INT3: case OP_INT1:
        return true;
    case OP_INTO:
        return flags_of(&cpu->flags);
    case OP_SYSCALL:
        return !(cpu->p.rflags & FLAG_TF);
    default:
        return false;
    }
}

/* Loading SS loses its own single step; breakpoints it hit wait in pending_db (SDM 3A "Masking Exceptions and Interrupts
 * When Switching Stacks"). */
void debug_step_end(struct cpu *cpu, unsigned step, unsigned result)
{
    if (result == EXEC_FAULT || result == EXEC_AGAIN)
        cpu->p.rflags |= step & STEP_RF ? FLAG_RF : 0;
    if (result == EXEC_FAULT || !(step & STEP_TF) || (cpu->p.inhibit & SHADOW_SS))
        return;
    if (result == EXEC_STOP && swallows_step(cpu))
        return;
    if ((cpu->p.debugctl & DEBUGCTL_BTF) && (result != EXEC_STOP || !pmu_branch_taken(cpu, cpu->insn)))
        return;                 /* only branches taken trap, also one to the next address */
    trap(cpu, DR6_BS);
}

void debug_data_access(struct cpu *cpu, gva_t lin, unsigned bytes, unsigned access)
{
    unsigned kinds = BIT(KIND_ACCESS) | (access & ACCESS_WRITE ? BIT(KIND_WRITE) : 0);

    if (cpu->p.dr7 & DR7_ENABLES)
        trap(cpu, breakpoints_hit(cpu, lin, bytes, kinds));
}

/* I/O breakpoints exist with CR4.DE only; the code 2 is undefined without it. */
void debug_io_access(struct cpu *cpu, uint16_t port, unsigned bytes)
{
    if ((cpu->p.dr7 & DR7_ENABLES) && (cpu->p.cr4 & CR4_DE))
        trap(cpu, breakpoints_hit(cpu, port, bytes, BIT(KIND_IO)));
}
