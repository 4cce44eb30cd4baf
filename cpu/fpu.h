/* SPDX-License-Identifier: MIT
 * The x87, MMX and SSE state as the files of cpu/ share it: availability checks, the aliasing of MMX registers, the last
 * instruction pointers and the pending error. Whoever executes an x87, MMX or SSE instruction starts with one of the checks.
 * */
#ifndef CPU_FPU_H
#define CPU_FPU_H

#include "cpu/internal.h"

/* FSW */
#define FSW_IE  0x0001u
#define FSW_DE  0x0002u
#define FSW_ZE  0x0004u
#define FSW_OE  0x0008u
#define FSW_UE  0x0010u
#define FSW_PE  0x0020u
#define FSW_SF  0x0040u
#define FSW_ES  0x0080u
#define FSW_C0  0x0100u
#define FSW_C1  0x0200u
#define FSW_C2  0x0400u
#define FSW_TOP 0x3800u
#define FSW_C3  0x4000u
#define FSW_B   0x8000u
#define FSW_CC  (FSW_C0 | FSW_C1 | FSW_C2 | FSW_C3)
#define FSW_EXCEPTIONS 0x3fu
#define FSW_TOP_SHIFT  11

#define FCW_INIT 0x037fu

/* MXCSR: exception flags 5:0 as in FSW, DAZ 6, masks 12:7, RC 14:13, FTZ 15. */
#define MXCSR_DAZ   0x0040u
#define MXCSR_MASKS 0x1f80u
#define MXCSR_RC_SHIFT 13
#define MXCSR_FTZ   0x8000u
#define MXCSR_INIT  0x1f80u
#define MXCSR_VALID 0xffffu         /* MXCSR_MASK: what LDMXCSR and FXRSTOR accept */

/* The slow halves: say why not. x87_error_wait is for FSW.ES set; true: IGNNE# lets it pass. */
bool x87_error_wait(struct cpu *cpu, const struct insn *i);
COLD bool x87_check_failed(struct cpu *cpu, const struct insn *i);
COLD bool mmx_check_failed(struct cpu *cpu, const struct insn *i);
COLD bool sse_check_failed(struct cpu *cpu, const struct insn *i);

/* Before a waiting x87 instruction: #NM by CR0.EM or TS, then an unmasked error that waits (SDM 3A "Interrupt 16"): #MF, or
 * with CR0.NE clear the external error line, and the processor waits at this instruction. False: FAULT(). */
static ALWAYS_INLINE bool x87_check(struct cpu *cpu, const struct insn *i)
{
    if (LIKELY(!(cpu->p.cr0 & (CR0_EM | CR0_TS)) && !(cpu->s.fsw & FSW_ES)))
        return true;
    return x87_check_failed(cpu, i);
}

/* Before an instruction that names an MMX register: #UD by CR0.EM, #NM by TS, the waiting error. False: FAULT(). */
static ALWAYS_INLINE bool mmx_check(struct cpu *cpu, const struct insn *i)
{
    if (LIKELY(!(cpu->p.cr0 & (CR0_EM | CR0_TS)) && !(cpu->s.fsw & FSW_ES)))
        return true;
    return mmx_check_failed(cpu, i);
}

/* Before a legacy SSE instruction: #UD by CR0.EM or CR4.OSFXSR clear, #NM by TS. One that names an MMX register too
 * (CVTPI2PS, MOVQ2DQ, MOVDQ2Q) asks mmx_check() after this. VEX and EVEX have avx_check(), owned by the vector files. False:
 * FAULT(). */
static ALWAYS_INLINE bool sse_check(struct cpu *cpu, const struct insn *i)
{
    if (LIKELY(!(cpu->p.cr0 & (CR0_EM | CR0_TS)) && (cpu->p.cr4 & CR4_OSFXSR)))
        return true;
    return sse_check_failed(cpu, i);
}

/* Every MMX instruction but EMMS, once nothing can fault any more: TOP = 0 and all tags valid (SDM 1 "Effect of MMX
 * Instructions on the x87 FPU"). */
static ALWAYS_INLINE void mmx_enter(struct cpu *cpu)
{
    cpu->s.fsw &= (uint16_t)~FSW_TOP;
    cpu->s.ftag = 0xff;
}

/* EMMS */
static ALWAYS_INLINE void mmx_leave(struct cpu *cpu)
{
    cpu->s.fsw &= (uint16_t)~FSW_TOP;
    cpu->s.ftag = 0;
}

/* MMn is the significand of physical register n; a write sets its sign and exponent to ones. */
static ALWAYS_INLINE uint64_t mmx_get(const struct cpu *cpu, unsigned n) { return cpu->s.fpr_mant[n & 7]; }
static ALWAYS_INLINE void mmx_set(struct cpu *cpu, unsigned n, uint64_t v)
{
    cpu->s.fpr_mant[n & 7] = v;
    cpu->s.fpr_se[n & 7] = 0xffff;
}

/* What FCS and FDS become when `selector` would be written to them. */
static ALWAYS_INLINE uint16_t x87_selector(const struct cpu *cpu, uint16_t selector)
{
    return cpu_has(cpu, F_ZERO_FCS_FDS) ? 0 : selector;
}

/* FNINIT and reset: FCW 037Fh, all else zero, every register empty. */
void x87_init(struct cpu *cpu);
/* ES and B follow from flags and masks; call after either changed by a load. */
void x87_update_es(struct cpu *cpu);
/* The two-bit tags of FSTENV from contents (SDM 1 "x87 FPU Tag Word"). */
uint16_t x87_full_tags(const struct cpu *cpu);
uint8_t  x87_abridge_tags(uint16_t tags);

#endif
