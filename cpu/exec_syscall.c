/* SPDX-License-Identifier: MIT
 * The fast system calls: SYSCALL, SYSRET, SYSENTER, SYSEXIT (SDM 2B, APM 3). The segments are flat by definition; the
 * descriptor tables are not read. Where Intel and AMD differ the model's vendor decides. */
#include "cpu/cet.h"
#include "cpu/cpuid.h"
#include "cpu/exec.h"
#include "cpu/seg.h"

#define CODE64(dpl)  (0xa09bu | (uint32_t)(dpl) << SEG_DPL_SHIFT)      /* G, L, present, code, read, accessed */
#define CODE32(dpl)  (0xc09bu | (uint32_t)(dpl) << SEG_DPL_SHIFT)      /* G, D */
#define DATA32(dpl)  (0xc093u | (uint32_t)(dpl) << SEG_DPL_SHIFT)      /* G, B, present, data, write, accessed */

#define SYSRET_FLAGS 0x3c7fd7u
#define DR6_BS       BIT64(14)

static void enter_level(struct cpu *cpu, unsigned cpl, uint16_t cs, uint32_t cs_attr, uint16_t ss)
{
    if (cpl == 0)
        cet_enter_kernel(cpu);
    else
        cet_leave_kernel(cpu);
    cpu->p.cpl = (uint8_t)cpl;
    seg_install_flat(cpu, SEG_CS, cs, cs_attr);
    seg_install_flat(cpu, SEG_SS, ss, DATA32(cpl));
}

static bool intel(const struct cpu *cpu)
{
    return cpu_vendor(cpu) == VENDOR_INTEL;
}

/* ---- SYSCALL, SYSRET ---- */

/* APM 3 "SYSCALL", legacy mode: AMD only. */
static unsigned syscall_legacy(struct cpu *cpu, const struct insn *i)
{
    uint16_t cs = (uint16_t)(cpu->p.star >> 32) & 0xfffc;

    cpu->s.gpr[RCX] = (uint32_t)rip_next(cpu, i);
    enter_level(cpu, 0, cs, CODE32(0), (uint16_t)(cs + 8));
    cpu_set_rflags(cpu, cpu_rflags(cpu) & ~(FLAG_IF | FLAG_VM | FLAG_RF));
    cpu_mode_changed(cpu);
    STOP_AT((uint32_t)cpu->p.star);
}

EXEC(SYSCALL)
{
    uint16_t cs = (uint16_t)(cpu->p.star >> 32) & 0xfffc;
    bool from64 = cpu_in_64bit(cpu);
    uint32_t rflags = cpu_rflags(cpu);

    if (!(cpu->p.efer & EFER_SCE) || cpu_in_real_mode(cpu) || (intel(cpu) && !from64))
        RAISE_UD();
    if (!cpu_in_long_mode(cpu))
        return syscall_legacy(cpu, i);
    cpu->s.gpr[RCX] = rip_next(cpu, i);
    cpu->s.gpr[R11] = intel(cpu) ? rflags : rflags & ~FLAG_RF;
    enter_level(cpu, 0, cs, CODE64(0), (uint16_t)(cs + 8));
    cpu_set_rflags(cpu, rflags & ~((uint32_t)cpu->p.sfmask | FLAG_RF));
    cpu_mode_changed(cpu);
    STOP_AT(from64 ? cpu->p.lstar : cpu->p.cstar);
}

/* A TF that SYSRET brings in traps before the first instruction of the caller. */
static void step_after(struct cpu *cpu)
{
    if (!(cpu->p.rflags & FLAG_TF))
        return;
    cpu->p.pending_db |= DR6_BS;
    cpu->attention |= ATTEND_DEBUG;
}

/* APM 3 "SYSRET" loads the selector of SS and leaves base, limit and attributes; Intel's are flat. */
static void return_to_user(struct cpu *cpu, uint16_t cs, uint32_t cs_attr, uint16_t ss)
{
    if (intel(cpu)) {
        enter_level(cpu, 3, cs, cs_attr, ss);
        return;
    }
    cpu->p.cpl = 3;
    seg_install_flat(cpu, SEG_CS, cs, cs_attr);
    cpu->p.seg_sel[SEG_SS] = ss;
}

EXEC(SYSRET)
{
    uint16_t base = (uint16_t)(cpu->p.star >> 48);
    uint64_t target = i->width == 8 ? cpu->s.gpr[RCX] : (uint32_t)cpu->s.gpr[RCX];

    if (!(cpu->p.efer & EFER_SCE) || cpu_in_real_mode(cpu) || (intel(cpu) && !cpu_in_64bit(cpu)))
        RAISE_UD();
    if (cpu->p.cpl != 0 || (intel(cpu) && !cpu_canonical(cpu, target)))     /* AMD: the fetch after it faults, at level 3 */
        RAISE_GP(0);
    if (i->width == 8)
        return_to_user(cpu, (uint16_t)((base + 16) | 3), CODE64(3), (uint16_t)((base + 8) | 3));
    else
        return_to_user(cpu, base | 3, CODE32(3), (uint16_t)((base + 8) | 3));
    if (cpu_in_long_mode(cpu))
        cpu_set_rflags(cpu, ((uint32_t)cpu->s.gpr[R11] & SYSRET_FLAGS) | 2);
    else
        cpu_set_rflags(cpu, cpu_rflags(cpu) | FLAG_IF);
    cpu_mode_changed(cpu);
    step_after(cpu);
    STOP_AT(target);
}

/* ---- SYSENTER, SYSEXIT ---- */

EXEC(SYSENTER)
{
    uint16_t cs = (uint16_t)cpu->p.sysenter_cs & 0xfffc;
    bool long_mode = cpu_in_long_mode(cpu);

    if (!intel(cpu) && long_mode)
        RAISE_UD();
    if (cpu_in_real_mode(cpu) || cs == 0)
        RAISE_GP(0);
    enter_level(cpu, 0, cs, long_mode ? CODE64(0) : CODE32(0), (uint16_t)(cs + 8));
    cpu_set_rflags(cpu, cpu_rflags(cpu) & ~(FLAG_VM | FLAG_IF | FLAG_RF));
    cpu->s.gpr[RSP] = long_mode ? cpu->p.sysenter_esp : (uint32_t)cpu->p.sysenter_esp;
    cpu_mode_changed(cpu);
    STOP_AT(long_mode ? cpu->p.sysenter_eip : (uint32_t)cpu->p.sysenter_eip);
}

EXEC(SYSEXIT)
{
    uint16_t base = (uint16_t)cpu->p.sysenter_cs & 0xfffc;
    uint64_t ip = cpu->s.gpr[RDX], sp = cpu->s.gpr[RCX];
    bool to64 = i->width == 8;

    if (!intel(cpu) && cpu_in_long_mode(cpu))
        RAISE_UD();
    if (base == 0 || cpu_in_real_mode(cpu) || cpu->p.cpl != 0)
        RAISE_GP(0);
    if (!to64) {
        ip = (uint32_t)ip;
        sp = (uint32_t)sp;
    } else if (!cpu_canonical(cpu, ip) || !cpu_canonical(cpu, sp)) {
        RAISE_GP(0);
    }
    if (to64)
        enter_level(cpu, 3, (uint16_t)((base + 32) | 3), CODE64(3), (uint16_t)((base + 40) | 3));
    else
        enter_level(cpu, 3, (uint16_t)((base + 16) | 3), CODE32(3), (uint16_t)((base + 24) | 3));
    cpu->s.gpr[RSP] = sp;
    cpu_mode_changed(cpu);
    STOP_AT(ip);
}
