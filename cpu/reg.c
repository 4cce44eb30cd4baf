/* SPDX-License-Identifier: MIT
 * Registers by name for debuggers, the boot code and the hypervisor. A write here is not an instruction: it checks what a
 * single value can violate, and recomputes what depends on it, but does not ask how one got there. */
#include <stddef.h>

#include "cpu/cet.h"
#include "cpu/control.h"
#include "cpu/internal.h"
#include "cpu/seg.h"
#include "cpu/xsave.h"

struct place { uint32_t at, bytes; };
#define P(field) { offsetof(struct cpu, p.field), sizeof ((struct cpu *)0)->p.field }
#define S(field) { offsetof(struct cpu, s.field), sizeof ((struct cpu *)0)->s.field }
#define GPR(n)   [CPU_REG_##n] = S(gpr[n])
#define SEGMENT(n)                                                                              \
    [CPU_REG_##n] = P(seg_sel[SEG_##n]), [CPU_REG_##n##_BASE] = P(seg_base[SEG_##n]),           \
    [CPU_REG_##n##_LIMIT] = P(seg_limit[SEG_##n]), [CPU_REG_##n##_ATTR] = P(seg_attr[SEG_##n])

static const struct place places[CPU_REG_COUNT] = {
    GPR(RAX), GPR(RCX), GPR(RDX), GPR(RBX), GPR(RSP), GPR(RBP), GPR(RSI), GPR(RDI),
    GPR(R8), GPR(R9), GPR(R10), GPR(R11), GPR(R12), GPR(R13), GPR(R14), GPR(R15),
    SEGMENT(ES), SEGMENT(CS), SEGMENT(SS), SEGMENT(DS), SEGMENT(FS), SEGMENT(GS), SEGMENT(LDTR), SEGMENT(TR),
    [CPU_REG_RIP] = P(rip), [CPU_REG_RFLAGS] = P(rflags),
    [CPU_REG_GDTR_BASE] = P(gdtr_base), [CPU_REG_GDTR_LIMIT] = P(gdtr_limit),
    [CPU_REG_IDTR_BASE] = P(idtr_base), [CPU_REG_IDTR_LIMIT] = P(idtr_limit),
    [CPU_REG_CR0] = P(cr0), [CPU_REG_CR2] = S(cr2), [CPU_REG_CR3] = P(cr3), [CPU_REG_CR4] = P(cr4),
    [CPU_REG_DR0] = S(dr[0]), [CPU_REG_DR1] = S(dr[1]), [CPU_REG_DR2] = S(dr[2]), [CPU_REG_DR3] = S(dr[3]),
    [CPU_REG_DR6] = S(dr6), [CPU_REG_DR7] = P(dr7), [CPU_REG_XCR0] = S(xcr0), [CPU_REG_EFER] = P(efer),
    [CPU_REG_SSP] = P(ssp), [CPU_REG_PKRU] = S(pkru),
};

static const struct { const char *name; uint8_t bits; } names[CPU_REG_COUNT] = {
#define CPU_REG(name, text, bits) [CPU_REG_##name] = { text, bits },
#include "cpu/regs.def"
#undef CPU_REG
};

#define ATTR_BITS   0x1f0ffu

const char *cpu_reg_name(enum cpu_reg reg)
{
    return names[reg].name;
}

unsigned cpu_reg_bits(enum cpu_reg reg)
{
    return names[reg].bits;
}

uint64_t cpu_reg(const struct cpu *cpu, enum cpu_reg reg)
{
    if (reg <= CPU_REG_R15)
        return cpu->s.gpr[reg];
    switch (reg) {
    case CPU_REG_RFLAGS: return cpu_rflags(cpu);
    case CPU_REG_CR8:    return control_cr8(cpu);
    default:             return load_bytes((const uint8_t *)cpu + places[reg].at, places[reg].bytes);
    }
}

static bool is_between(enum cpu_reg reg, enum cpu_reg first, enum cpu_reg last)
{
    return reg >= first && reg <= last;
}

static bool value_allowed(const struct cpu *cpu, enum cpu_reg reg, uint64_t value)
{
    if (names[reg].bits < 64 && value >> names[reg].bits)
        return false;
    if (is_between(reg, CPU_REG_ES_ATTR, CPU_REG_TR_ATTR))
        return !(value & ~(uint64_t)ATTR_BITS);
    if (is_between(reg, CPU_REG_ES_BASE, CPU_REG_TR_BASE) || reg == CPU_REG_GDTR_BASE || reg == CPU_REG_IDTR_BASE)
        return cpu_canonical(cpu, value);
    switch (reg) {
    case CPU_REG_RFLAGS:
        return !(value & ~(uint64_t)(FLAGS_DEFINED | 2));
    case CPU_REG_CR0:
        return !(value & ~(uint64_t)CR0_BITS) && !((value & CR0_PG) && !(value & CR0_PE)) &&
               !((value & CR0_NW) && !(value & CR0_CD));
    case CPU_REG_CR3:
        return !(value & ~control_cr3_bits(cpu));
    case CPU_REG_CR4:
        return !(value & ~control_cr4_bits(cpu));
    case CPU_REG_CR8:
        return value < 16;
    case CPU_REG_DR6:
    case CPU_REG_DR7:
        return !(value >> 32);
    case CPU_REG_SSP:
        return cet_ssp_allowed(cpu, value);
    case CPU_REG_XCR0:
        return (value & XSAVE_X87) && !(value & ~xsave_supported(cpu, false));
    case CPU_REG_EFER:
        return !(value & ~control_efer_bits(cpu));
    default:
        return true;
    }
}

static bool changes_mapping(enum cpu_reg reg)
{
    return reg == CPU_REG_CR0 || reg == CPU_REG_CR3 || reg == CPU_REG_CR4 || reg == CPU_REG_EFER || reg == CPU_REG_PKRU;
}

/* The level follows SS, as VMX and the TLFS have it: there is no register for it. */
static void level_changed(struct cpu *cpu)
{
    if (cpu_in_real_mode(cpu))
        cpu->p.cpl = 0;
    else
        cpu->p.cpl = cpu_in_v86(cpu) ? 3 : (uint8_t)attr_dpl(cpu->p.seg_attr[SEG_SS]);
}

static void mapping_changed(struct cpu *cpu)
{
    if ((cpu->p.cr0 & CR0_PG) && (cpu->p.cr4 & CR4_PAE) && !cpu_in_long_mode(cpu))
        (void)mmu_load_pdptes(cpu, cpu->p.cr3);     /* a table not there yet is loaded with the next of these registers */
    tlb_flush_all(cpu);
}

bool cpu_set_reg(struct cpu *cpu, enum cpu_reg reg, uint64_t value)
{
    uint64_t cr3;

    if (reg <= CPU_REG_R15) {           /* nothing follows from these */
        cpu->s.gpr[reg] = value;
        return true;
    }
    if (!value_allowed(cpu, reg, value))
        return false;
    cr3 = cpu->p.cr3;
    if (reg == CPU_REG_CR8)
        return control_set_cr8(cpu, value);
    if (reg == CPU_REG_RFLAGS) {
        cpu_set_rflags(cpu, (uint32_t)value);
        level_changed(cpu);
    } else {
        store_bytes((uint8_t *)cpu + places[reg].at, places[reg].bytes, value);
    }
    if (reg == CPU_REG_CR0)
        cpu->p.cr0 |= CR0_ET;
    if (reg == CPU_REG_SS_ATTR || reg == CPU_REG_CR0)
        level_changed(cpu);
    if (changes_mapping(reg))
        mapping_changed(cpu);
    if (UNLIKELY(cpu->watcher != NULL) && reg == CPU_REG_CR3)
        watcher_cr3(cpu, cr3);
    cpu->attention |= ATTEND_MODE;      /* also ends the running block, whose RIP may not be the next any more */
    cpu_mode_changed(cpu);
    return true;
}

uint64_t *cpu_xmm(struct cpu *cpu, unsigned n)
{
    return &cpu->s.zmm[8 * (n & 31)];
}

uint64_t *cpu_opmask(struct cpu *cpu, unsigned n)
{
    return &cpu->s.k[n & 7];
}

uint64_t cpu_retired(const struct cpu *cpu) { return cpu->s.retired; }
struct space *cpu_memory(const struct cpu *cpu) { return cpu->memory; }

const char *cpu_activity_name(const struct cpu *cpu)
{
    static const char *const activities[] = {
        [CPU_RUNNING] = "running", [CPU_HALTED] = "halted", [CPU_SHUTDOWN] = "shut down", [CPU_WAIT_SIPI] = "waits for SIPI",
        [CPU_MWAITING] = "waits", [CPU_SUSPENDED] = "suspended",
    };

    return cpu->p.activity <= CPU_SUSPENDED ? activities[cpu->p.activity] : "?";
}

/* Rows of one register each. */
bool cpu_msr_named(unsigned n, uint32_t *msr, const char **name)
{
    static const struct { uint32_t first, last; const char *name; } rows[] = {
#define MSR(first, last, name, needs, kind) { first, last, #name },
#include "cpu/msrs.def"
#undef MSR
    };

    for (unsigned at = 0; at < COUNT_OF(rows); at++) {
        if (rows[at].first != rows[at].last || n-- != 0)
            continue;
        *msr = rows[at].first;
        *name = rows[at].name;
        return true;
    }
    return false;
}
