/* SPDX-License-Identifier: MIT
 * Availability of the FPU and SSE, the waiting x87 error, and the bookkeeping of tags and ES. No arithmetic. */
#include "cpu/fpu.h"

static void ferr_set(struct cpu *cpu, bool level)
{
    if (cpu->s.ferr == level)
        return;
    cpu->s.ferr = level;
    cpu->ports.ferr(cpu->ports.ferr_self, level);
}

/* Unless IGNNE# is held FERR# is asserted here, whatever CR0.NE says (SDM 1 "Changes with Intel486, Pentium and Pentium Pro
 * Processors with CR0.NE[bit 5] = 1"); with NE clear the processor then waits just before this instruction until an interrupt
 * comes (SDM 1 "MS-DOS Compatibility Sub-mode"). */
bool x87_error_wait(struct cpu *cpu, const struct insn *i)
{
    if (!cpu->s.ignne && cpu->ports.ferr) {
        cpu_sync(cpu, i);
        ferr_set(cpu, true);
    }
    if (cpu->p.cr0 & CR0_NE)
        return fault_raise(cpu, VEC_MF);
    if (cpu->s.ignne)
        return true;
    cpu->p.activity = CPU_HALTED;
    return fault_raise(cpu, VEC_NONE);
}

bool x87_check_failed(struct cpu *cpu, const struct insn *i)
{
    if (cpu->p.cr0 & (CR0_EM | CR0_TS))
        return fault_raise(cpu, VEC_NM);
    return x87_error_wait(cpu, i);
}

bool mmx_check_failed(struct cpu *cpu, const struct insn *i)
{
    if (cpu->p.cr0 & CR0_EM)
        return fault_ud(cpu);
    if (cpu->p.cr0 & CR0_TS)
        return fault_raise(cpu, VEC_NM);
    return x87_error_wait(cpu, i);
}

bool sse_check_failed(struct cpu *cpu, const struct insn *i)
{
    (void)i;
    if ((cpu->p.cr0 & CR0_EM) || !(cpu->p.cr4 & CR4_OSFXSR))
        return fault_ud(cpu);
    return fault_raise(cpu, VEC_NM);
}

void x87_update_es(struct cpu *cpu)
{
    struct cpu_shared *s = &cpu->s;

    if (s->fsw & ~s->fcw & FSW_EXCEPTIONS) {
        s->fsw |= FSW_ES | FSW_B;
        return;
    }
    if (s->ferr && cpu->ports.ferr)
        ferr_set(cpu, false);
    s->ignne = 0;
    s->fsw &= (uint16_t)~(FSW_ES | FSW_B);
}

void cpu_set_ignne(struct cpu *cpu, bool level)
{
    cpu->s.ignne = level;
}

void x87_init(struct cpu *cpu)
{
    struct cpu_shared *s = &cpu->s;

    s->fcw = FCW_INIT;
    s->fsw = 0;
    s->ftag = 0;
    s->fop = s->fpu_cs = s->fpu_ds = 0;
    s->fpu_ip = s->fpu_dp = 0;
    x87_update_es(cpu);
}

static unsigned full_tag(uint64_t mant, uint16_t se)
{
    unsigned exp = se & 0x7fff;

    if (exp == 0)
        return mant == 0 ? 1 : 2;
    return exp != 0x7fff && (mant >> 63) ? 0 : 2;
}

uint16_t x87_full_tags(const struct cpu *cpu)
{
    unsigned tags = 0;

    for (unsigned r = 0; r < 8; r++) {
        unsigned tag = cpu->s.ftag & BIT(r) ? full_tag(cpu->s.fpr_mant[r], cpu->s.fpr_se[r]) : 3;

        tags |= tag << (2 * r);
    }
    return (uint16_t)tags;
}

uint8_t x87_abridge_tags(uint16_t tags)
{
    unsigned out = 0;

    for (unsigned r = 0; r < 8; r++)
        if (((tags >> (2 * r)) & 3) != 3)
            out |= BIT(r);
    return (uint8_t)out;
}
