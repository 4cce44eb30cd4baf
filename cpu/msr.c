/* SPDX-License-Identifier: MIT
 * Reading and writing the rows of msrs.def: find, check, do. Unknown numbers and the synthetic range are the host's. */
#include "cpu/msr.h"

#include <stddef.h>

#include "cpu/cet.h"
#include "cpu/control.h"
#include "cpu/mca.h"
#include "cpu/pmu.h"
#include "cpu/xsave.h"

#define MTRR_CAP        0x508u              /* 8 variable ranges, fixed ranges, write-combining */
#define DEBUGCTL_BTF    2u
#define DEBUGCTL_FREEZE 0x1800u             /* LBRs and counters on a performance interrupt */
#define DEBUGCTL_LBR    1u
#define DEBUGCTL_PINS   0x3cu               /* AMD: performance monitor pins, which are not there */
#define PERF_CAPS       0x2005u             /* FW_WRITE; records of branches have LBR_INFO */
#define UPDATE_REVISION 0xf0u
#define PAT_RESET       0x0007040600070406u
/* SDM 4 IA32_ARCH_CAPABILITIES: an interpreter does not speculate. RDCL_NO, SKIP_L1DFL_VMENTRY, SSB_NO, MDS_NO,
 * PSCHANGE_MC_NO, TAA_NO, SBDR_SSDP_NO, FBSDP_NO, PSDP_NO, BHI_NO, PBRSB_NO, GDS_NO, RFDS_NO. */
#define ARCH_CAPS       0x0d10e179u

#define HWCR_TSC_FREQ_SEL       BIT64(24)       /* the TSC counts at the P0 frequency */
#define DE_CFG_LFENCE_SERIAL    BIT64(1)

/* IA32_MISC_ENABLE. Thermal control, SpeedStep and xTPR messages are switches of what does not exist here. */
#define MISC_FAST_STRING    BIT64(0)
#define MISC_THERMAL        BIT64(3)
#define MISC_BTS_UNAVAIL    BIT64(11)
#define MISC_PEBS_UNAVAIL   BIT64(12)
#define MISC_SPEEDSTEP      BIT64(16)
#define MISC_XTPR_DISABLE   BIT64(23)
#define MISC_READ_ONLY      (MISC_BTS_UNAVAIL | MISC_PEBS_UNAVAIL)
#define MISC_WRITABLE       (MISC_FAST_STRING | MISC_THERMAL | MISC_SPEEDSTEP | MISC_MONITOR | MISC_LIMIT_CPUID | \
                             MISC_XTPR_DISABLE | MISC_XD_DISABLE)

#define APIC_BASE_X2APIC    0xc00u

struct msr_row {
    uint32_t first, last;
    const char *name;
    uint8_t needs;                  /* enum feature */
    bool (*read)(struct cpu *cpu, const struct msr_row *row, uint32_t msr, uint64_t *value);
    bool (*write)(struct cpu *cpu, const struct msr_row *row, uint32_t msr, uint64_t value);
    uint32_t at;
    uint64_t arg;                   /* writable bits, or the constant */
};

#define READ(name)  \
    static bool name##_read(struct cpu *cpu, const struct msr_row *row UNUSED, uint32_t msr UNUSED, uint64_t *value)
#define WRITE(name) \
    static bool name##_write(struct cpu *cpu, const struct msr_row *row UNUSED, uint32_t msr UNUSED, uint64_t value)

/* ---- the kinds ---- */

READ(field)
{
    *value = load64((const uint8_t *)cpu + row->at);
    return true;
}

WRITE(field)
{
    if (value & ~row->arg)
        return false;
    store64((uint8_t *)cpu + row->at, value);
    return true;
}

WRITE(canon)
{
    if (!cpu_canonical(cpu, value))
        return false;
    store64((uint8_t *)cpu + row->at, value);
    return true;
}

READ(constant)
{
    (void)cpu;
    *value = row->arg;
    return true;
}

WRITE(constant)
{
    (void)cpu;
    (void)value;
    return false;
}

/* ---- time ---- */

static void tsc_moved(struct cpu *cpu)
{
    if (cpu->ports.tsc_changed != NULL)
        cpu->ports.tsc_changed(cpu->ports.tsc_self);
}

READ(tsc)
{
    *value = cpu_tsc(cpu);
    return true;
}

/* SDM 3B "IA32_TSC_ADJUST MSR": a write of the one moves the other by as much. */
WRITE(tsc)
{
    uint64_t delta = value - cpu_tsc(cpu);

    cpu->p.tsc_offset += delta;
    cpu->p.tsc_adjust += delta;
    tsc_moved(cpu);
    return true;
}

READ(tsc_adjust)
{
    *value = cpu->p.tsc_adjust;
    return true;
}

WRITE(tsc_adjust)
{
    cpu->p.tsc_offset += value - cpu->p.tsc_adjust;
    cpu->p.tsc_adjust = value;
    tsc_moved(cpu);
    return true;
}

/* ---- the local APIC ---- */

READ(apic_base)
{
    if (cpu->ports.apic == NULL)
        return false;
    *value = cpu->ports.apic->base(cpu->ports.apic_self);
    return true;
}

WRITE(apic_base)
{
    return cpu->ports.apic != NULL && cpu->ports.apic->set_base(cpu->ports.apic_self, value);
}

READ(tsc_deadline)
{
    if (cpu->ports.apic == NULL)
        return false;
    *value = cpu->ports.apic->tsc_deadline(cpu->ports.apic_self);
    return true;
}

WRITE(tsc_deadline)
{
    if (cpu->ports.apic == NULL)
        return false;
    cpu->ports.apic->set_tsc_deadline(cpu->ports.apic_self, value);
    return true;
}

/* SDM 3A "x2APIC Register Address Space": only in x2APIC mode. */
static bool x2apic_mode(const struct cpu *cpu)
{
    return cpu->ports.apic != NULL &&
           (cpu->ports.apic->base(cpu->ports.apic_self) & APIC_BASE_X2APIC) == APIC_BASE_X2APIC;
}

READ(x2apic)
{
    return x2apic_mode(cpu) && msr < 0x840 && cpu->ports.apic->read(cpu->ports.apic_self, msr - 0x800, value);
}

WRITE(x2apic)
{
    return x2apic_mode(cpu) && msr < 0x840 && cpu->ports.apic->write(cpu->ports.apic_self, msr - 0x800, value);
}

/* ---- memory types (SDM 3A "Memory Type Range Registers (MTRRs)", "Page Attribute Table (PAT)") ---- */

static bool memory_type_ok(unsigned type)
{
    return type == 0 || type == 1 || (type >= 4 && type <= 6);
}

static bool each_type_ok(uint64_t value, bool (*ok)(unsigned type))
{
    for (unsigned n = 0; n < 64; n += 8)
        if (!ok((value >> n) & 0xff))
            return false;
    return true;
}

static bool pat_type_ok(unsigned type)
{
    return memory_type_ok(type) || type == 7;
}

READ(mtrr_var)
{
    *value = cpu->s.mtrr_var[msr - 0x200];
    return true;
}

WRITE(mtrr_var)
{
    uint64_t address = bits_mask(cpu_physical_bits(cpu)) & PAGE_MASK;

    if (msr & 1) {
        if (value & ~(address | BIT64(11)))
            return false;
    } else if ((value & ~(address | 0xff)) || !memory_type_ok(value & 0xff)) {
        return false;
    }
    cpu->s.mtrr_var[msr - 0x200] = value;
    return true;
}

static unsigned fixed_index(uint32_t msr)
{
    return msr == 0x250 ? 0 : msr <= 0x259 ? msr - 0x258 + 1 : msr - 0x268 + 3;
}

READ(mtrr_fixed)
{
    *value = cpu->s.mtrr_fixed[fixed_index(msr)];
    return true;
}

WRITE(mtrr_fixed)
{
    if (!each_type_ok(value, memory_type_ok))
        return false;
    cpu->s.mtrr_fixed[fixed_index(msr)] = value;
    return true;
}

READ(mtrr_def)
{
    *value = cpu->s.mtrr_def;
    return true;
}

WRITE(mtrr_def)
{
    if ((value & ~(uint64_t)0xcff) || !memory_type_ok(value & 0xff))
        return false;
    cpu->s.mtrr_def = value;
    return true;
}

READ(pat)
{
    *value = cpu->p.pat;
    return true;
}

WRITE(pat)
{
    if (!each_type_ok(value, pat_type_ok))
        return false;
    cpu->p.pat = value;
    return true;
}

/* ---- machine check ---- */

static bool mca_read_row(struct cpu *cpu, const struct msr_row *row UNUSED, uint32_t msr, uint64_t *value)
{
    return mca_read(cpu, msr, value);
}

static bool mca_write_row(struct cpu *cpu, const struct msr_row *row UNUSED, uint32_t msr, uint64_t value)
{
    return mca_write(cpu, msr, value);
}

/* ---- control-flow enforcement (SDM 1 "Control-flow Enforcement Technology (CET)") ---- */

static bool has_cet(const struct cpu *cpu)
{
    return cpu_has(cpu, F_CET_SS) || cpu_has(cpu, F_CET_IBT);
}

READ(u_cet)
{
    *value = cpu->p.u_cet;
    return has_cet(cpu);
}

READ(s_cet)
{
    *value = cpu->p.s_cet;
    return has_cet(cpu);
}

static bool control_write(struct cpu *cpu, uint64_t *control, uint64_t value)
{
    if (!has_cet(cpu) || !cet_control_allowed(cpu, value))
        return false;
    *control = value;
    cpu_mode_changed(cpu);
    return true;
}

WRITE(u_cet) { return control_write(cpu, &cpu->p.u_cet, value); }
WRITE(s_cet) { return control_write(cpu, &cpu->p.s_cet, value); }

READ(pl_ssp)
{
    *value = cpu->p.pl_ssp[msr - 0x6a4];
    return true;
}

WRITE(pl_ssp)
{
    if (!cet_ssp_allowed(cpu, value))
        return false;
    cpu->p.pl_ssp[msr - 0x6a4] = value;
    return true;
}

/* A table of IA-32e mode: there is none without it. */
READ(ssp_table)
{
    *value = cpu->p.ssp_table;
    return cpu_has(cpu, F_LM);
}

WRITE(ssp_table)
{
    if (!cpu_has(cpu, F_LM) || !cpu_canonical(cpu, value))
        return false;
    cpu->p.ssp_table = value;
    return true;
}

/* ---- speculation (SDM 4 IA32_SPEC_CTRL, IA32_PRED_CMD): there is none, so the switches do nothing ---- */

#define SPEC_IBRS       BIT64(0)
#define SPEC_STIBP      BIT64(1)
#define PRED_IBPB       BIT64(0)
#define ARCH_IBRS_ALL   BIT64(1)            /* IBRS may stay on: then systems need no retpolines, which CET does not allow */

READ(spec_ctrl)
{
    *value = cpu->p.spec_ctrl;
    return true;
}

WRITE(spec_ctrl)
{
    if (value & ~(SPEC_IBRS | (cpu_has(cpu, F_STIBP) ? SPEC_STIBP : 0)))
        return false;
    cpu->p.spec_ctrl = value;
    return true;
}

/* Write only. */
READ(pred_cmd)
{
    (void)cpu;
    (void)value;
    return false;
}

WRITE(pred_cmd)
{
    (void)cpu;
    return !(value & ~PRED_IBPB);
}

READ(arch_capabilities)
{
    *value = ARCH_CAPS | (cpu_has(cpu, F_SPEC_CTRL) ? ARCH_IBRS_ALL : 0);
    return true;
}

WRITE(arch_capabilities)
{
    (void)cpu;
    (void)value;
    return false;
}

/* ---- odds and ends ---- */

READ(pmu)  { return pmu_read_msr(cpu, msr, value); }
WRITE(pmu) { return pmu_write_msr(cpu, msr, value); }
READ(pmu_amd)  { return pmu_read_amd(cpu, msr, value); }
WRITE(pmu_amd) { return pmu_write_amd(cpu, msr, value); }

READ(lbr)  { return lbr_read_msr(cpu, msr, value); }
WRITE(lbr) { return lbr_write_msr(cpu, msr, value); }

READ(debugctl)
{
    *value = cpu->p.debugctl;
    return true;
}

WRITE(debugctl)
{
    uint32_t bits = DEBUGCTL_BTF | (lbr_exists(cpu) ? DEBUGCTL_LBR : 0) | (cpu_is_amd(cpu) ? DEBUGCTL_PINS : 0) |
                    (cpu_has(cpu, F_ARCH_PERFMON) ? DEBUGCTL_FREEZE : 0);

    if (value & ~(uint64_t)bits)
        return false;
    cpu->p.debugctl = value;
    pmu_configured(cpu);
    return true;
}

/* Microcode updates are accepted and do nothing; the revision is what the processor came with. */
READ(update)
{
    (void)cpu;
    (void)value;
    return false;
}

WRITE(update)
{
    (void)cpu;
    (void)value;
    return true;
}

READ(update_signature)
{
    (void)cpu;
    *value = (uint64_t)UPDATE_REVISION << 32;
    return true;
}

WRITE(update_signature)
{
    (void)cpu;
    (void)value;
    return true;
}

READ(misc_enable)
{
    *value = cpu->p.misc_enable;
    return true;
}

WRITE(misc_enable)
{
    if (value & ~(MISC_WRITABLE | MISC_READ_ONLY))
        return false;
    cpu->p.misc_enable = (value & MISC_WRITABLE) | MISC_READ_ONLY;
    return true;
}

READ(smi_count)
{
    *value = (uint32_t)cpu->s.smi_count;
    return true;
}

WRITE(smi_count)
{
    (void)cpu;
    (void)value;
    return false;
}

READ(xss)
{
    *value = cpu->p.xss;
    return true;
}

WRITE(xss)
{
    if (value & ~xsave_supported(cpu, true))
        return false;
    cpu->p.xss = value;
    return true;
}

READ(efer)
{
    *value = cpu->p.efer;
    return true;
}

WRITE(efer)
{
    return control_set_efer(cpu, value);
}

/* ---- the table ---- */

#define FIELD(f, m) field_read, field_write, offsetof(struct cpu, f), m
#define CANON(f)    field_read, canon_write, offsetof(struct cpu, f), 0
#define CONST(v)    constant_read, constant_write, 0, v
#define CALL(name)  name##_read, name##_write, 0, 0
#define BANKS       mca_read_row, mca_write_row, 0, 0
#define MSR(first, last, name, needs, kind) { first, last, #name, F_##needs, kind },

static const struct msr_row rows[] = {
#include "cpu/msrs.def"
};

/* Registers of one vendor only: AMD's have numbers of their own; of Intel's those that AMD never took over. */
static bool other_vendors(const struct cpu *cpu, uint32_t msr)
{
    if (cpu_vendor(cpu) == VENDOR_INTEL)
        return msr >> 16 == 0xc001;
    switch (msr) {
    case 0x17: case 0x34: case 0x79: case 0x1a0: case 0x1fc:
        return true;
    default:
        return false;
    }
}

static const struct msr_row *row_find(const struct cpu *cpu, uint32_t msr)
{
    unsigned low = 0, high = COUNT_OF(rows);

    while (low < high) {
        unsigned middle = (low + high) / 2;

        if (msr > rows[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == COUNT_OF(rows) || msr < rows[low].first || !cpu_has(cpu, (enum feature)rows[low].needs) ||
        other_vendors(cpu, msr))
        return NULL;
    return &rows[low];
}

bool cpu_read_msr(struct cpu *cpu, uint32_t msr, uint64_t *value)
{
    const struct msr_row *row = row_find(cpu, msr);

    *value = 0;
    return row != NULL && row->read(cpu, row, msr, value);
}

bool cpu_write_msr(struct cpu *cpu, uint32_t msr, uint64_t value)
{
    const struct msr_row *row = row_find(cpu, msr);

    return row != NULL && row->write(cpu, row, msr, value);
}

static bool synthetic(uint32_t msr)
{
    return msr >> 28 == 4;
}

static enum intercept refuse(struct cpu *cpu)
{
    fault_gp(cpu, 0);
    return RAISED;
}

static enum intercept ask_read(struct cpu *cpu, uint32_t msr, uint64_t *value)
{
    const struct cpu_host *host = cpu->ports.host;

    return host != NULL && host->rdmsr != NULL ? host->rdmsr(cpu->ports.host_self, cpu, msr, value) : PASS;
}

static enum intercept ask_write(struct cpu *cpu, uint32_t msr, uint64_t value)
{
    const struct cpu_host *host = cpu->ports.host;

    return host != NULL && host->wrmsr != NULL ? host->wrmsr(cpu->ports.host_self, cpu, msr, value) : PASS;
}

enum intercept msr_read(struct cpu *cpu, uint32_t msr, uint64_t *value)
{
    enum intercept answer;

    if (!synthetic(msr) && row_find(cpu, msr) != NULL)
        return cpu_read_msr(cpu, msr, value) ? DONE : refuse(cpu);
    *value = 0;
    answer = ask_read(cpu, msr, value);
    return answer == PASS ? refuse(cpu) : answer;
}

enum intercept msr_write(struct cpu *cpu, uint32_t msr, uint64_t value)
{
    enum intercept answer;

    if (!synthetic(msr) && row_find(cpu, msr) != NULL)
        return cpu_write_msr(cpu, msr, value) ? DONE : refuse(cpu);
    answer = ask_write(cpu, msr, value);
    return answer == PASS ? refuse(cpu) : answer;
}

void msr_reset(struct cpu *cpu)
{
    cpu->p.pat = PAT_RESET;
    if (cpu_vendor(cpu) == VENDOR_AMD) {
        cpu->s.hwcr = HWCR_TSC_FREQ_SEL;
        cpu->s.de_cfg = DE_CFG_LFENCE_SERIAL;
    }
    cpu->p.misc_enable = MISC_FAST_STRING | MISC_READ_ONLY | (cpu_has(cpu, F_MONITOR) ? MISC_MONITOR : 0);
}
