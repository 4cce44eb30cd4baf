/* SPDX-License-Identifier: MIT
 * The control registers: which values each accepts and what a change of each entails (SDM 3A "Control Registers", SDM 2B
 * "MOV-Move to/from Control Registers", SDM 3A "IA-32e Mode System Data Structures and Initialization"). */
#include "cpu/control.h"

#include "cpu/msr.h"
#include "cpu/seg.h"
#include "cpu/xsave.h"

#define CR0_PAGING  (CR0_PG | CR0_WP | CR0_PE)          /* a change makes TLB entries wrong */
#define CR4_PAGING  (CR4_PSE | CR4_PAE | CR4_PGE | CR4_LA57 | CR4_PCIDE | CR4_SMEP | CR4_SMAP | CR4_PKE | CR4_LAM_SUP)
#define CR4_PDPTES  (CR4_PSE | CR4_PAE | CR4_PGE | CR4_SMEP)    /* a change reloads the PDPTEs */
#define CR3_NOFLUSH BIT64(63)

static bool pae_paging(uint64_t cr0, uint64_t cr4, uint64_t efer)
{
    return (cr0 & CR0_PG) && (cr4 & CR4_PAE) && !(efer & EFER_LMA);
}

/* What is valid of CR0 by itself and beside the others. */
static bool cr0_allowed(const struct cpu *cpu, uint64_t value)
{
    bool was_paging = cpu->p.cr0 & CR0_PG;

    if (value >> 32)
        return false;
    if (((value & CR0_PG) && !(value & CR0_PE)) || ((value & CR0_NW) && !(value & CR0_CD)))
        return false;
    if (!(value & CR0_WP) && (cpu->p.cr4 & CR4_CET))
        return false;
    if (!was_paging && (value & CR0_PG) && (cpu->p.efer & EFER_LME))    /* entering IA-32e mode */
        return (cpu->p.cr4 & CR4_PAE) && !(cpu->p.seg_attr[SEG_CS] & SEG_L);
    if (was_paging && !(value & CR0_PG))
        return !(cpu->p.cr4 & CR4_PCIDE) && !cpu_in_64bit(cpu);
    return true;
}

bool control_set_cr0(struct cpu *cpu, uint64_t value)
{
    uint64_t old = cpu->p.cr0, efer = cpu->p.efer;

    if (!cr0_allowed(cpu, value))
        return fault_gp(cpu, 0);
    value = (value & CR0_BITS) | CR0_ET;
    efer = (value & CR0_PG) && (efer & EFER_LME) ? efer | EFER_LMA : efer & ~(uint64_t)EFER_LMA;
    if (((old ^ value) & (CR0_PG | CR0_CD | CR0_NW)) && pae_paging(value, cpu->p.cr4, efer) &&
        !mmu_load_pdptes(cpu, cpu->p.cr3))
        return fault_gp(cpu, 0);
    cpu->p.cr0 = value;
    cpu->p.efer = efer;
    if ((old ^ value) & CR0_PAGING)
        tlb_flush_all(cpu);
    cpu_mode_changed(cpu);
    return true;
}

/* What CR3 may hold besides the address of the tables. */
uint64_t control_cr3_bits(const struct cpu *cpu)
{
    return bits_mask(cpu_physical_bits(cpu)) | (cpu_has(cpu, F_LAM) ? CR3_LAM_U48 | CR3_LAM_U57 : 0);
}

bool control_set_cr3(struct cpu *cpu, uint64_t value)
{
    const bool keep = (cpu->p.cr4 & CR4_PCIDE) && (value & CR3_NOFLUSH);
    const uint64_t old = cpu->p.cr3;

    if (cpu->p.cr4 & CR4_PCIDE)
        value &= ~CR3_NOFLUSH;
    if (cpu_in_long_mode(cpu)) {
        if (value & ~control_cr3_bits(cpu))
            return fault_gp(cpu, 0);
    } else {
        value = (uint32_t)value;
        if (pae_paging(cpu->p.cr0, cpu->p.cr4, cpu->p.efer) && !mmu_load_pdptes(cpu, value))
            return fault_gp(cpu, 0);
    }
    tlb_load_cr3(cpu, value, keep);
    if (UNLIKELY(cpu->watcher != NULL))
        watcher_cr3(cpu, old);
    return true;
}

uint64_t control_cr4_bits(const struct cpu *cpu)
{
    static const struct { uint8_t feature; uint64_t bits; } rows[] = {
        { F_VME, CR4_VME | CR4_PVI }, { F_TSC, CR4_TSD }, { F_DE, CR4_DE }, { F_PSE, CR4_PSE }, { F_PAE, CR4_PAE },
        { F_MCE, CR4_MCE }, { F_PGE, CR4_PGE }, { F_CMOV, CR4_PCE }, { F_FXSR, CR4_OSFXSR }, { F_SSE, CR4_OSXMMEXCPT },
        { F_UMIP, CR4_UMIP }, { F_LA57, CR4_LA57 }, { F_FSGSBASE, CR4_FSGSBASE }, { F_PCID, CR4_PCIDE },
        { F_XSAVE, CR4_OSXSAVE }, { F_SMEP, CR4_SMEP }, { F_SMAP, CR4_SMAP }, { F_PKU, CR4_PKE },
        { F_CET_SS, CR4_CET }, { F_CET_IBT, CR4_CET }, { F_LAM, CR4_LAM_SUP },
    };
    uint64_t bits = 0;

    for (unsigned k = 0; k < COUNT_OF(rows); k++)
        if (cpu_has(cpu, (enum feature)rows[k].feature))
            bits |= rows[k].bits;
    return bits;
}

static bool cr4_allowed(const struct cpu *cpu, uint64_t value)
{
    uint64_t change = cpu->p.cr4 ^ value;

    if (value & ~control_cr4_bits(cpu))
        return false;
    if (cpu_in_long_mode(cpu) && (change & (CR4_PAE | CR4_LA57)))
        return false;
    if ((value & CR4_CET) && !(cpu->p.cr0 & CR0_WP))
        return false;
    if ((change & value & CR4_PCIDE) && (!cpu_in_long_mode(cpu) || (cpu->p.cr3 & 0xfff)))
        return false;
    return true;
}

bool control_set_cr4(struct cpu *cpu, uint64_t value)
{
    uint64_t change = cpu->p.cr4 ^ value;

    if (!cr4_allowed(cpu, value))
        return fault_gp(cpu, 0);
    if ((change & CR4_PDPTES) && pae_paging(cpu->p.cr0, value, cpu->p.efer) && !mmu_load_pdptes(cpu, cpu->p.cr3))
        return fault_gp(cpu, 0);
    cpu->p.cr4 = value;
    if (change & CR4_PAGING)
        tlb_flush_all(cpu);
    cpu_mode_changed(cpu);
    return true;
}

/* SDM 3A "Task Priority in IA-32e Mode": CR8 is bits 7:4 of the TPR. */
uint64_t control_cr8(const struct cpu *cpu)
{
    uint64_t tpr = 0;

    if (cpu->ports.apic != NULL && !cpu->ports.apic->read(cpu->ports.apic_self, 8, &tpr))
        return 0;
    return (tpr >> 4) & 15;
}

bool control_set_cr8(struct cpu *cpu, uint64_t value)
{
    if (value >> 4)
        return fault_gp(cpu, 0);
    if (cpu->ports.apic != NULL)
        (void)cpu->ports.apic->write(cpu->ports.apic_self, 8, value << 4);
    return true;
}

uint64_t control_efer_bits(const struct cpu *cpu)
{
    return (cpu_has(cpu, F_SYSCALL) ? EFER_SCE : 0) | (cpu_has(cpu, F_LM) ? EFER_LME | EFER_LMA : 0) |
           (cpu_has(cpu, F_NX) && !(cpu->p.misc_enable & MISC_XD_DISABLE) ? EFER_NXE : 0);
}

bool control_set_efer(struct cpu *cpu, uint64_t value)
{
    uint64_t old = cpu->p.efer;

    if (value & ~control_efer_bits(cpu))
        return fault_gp(cpu, 0);
    if ((cpu->p.cr0 & CR0_PG) && ((old ^ value) & EFER_LME))
        return fault_gp(cpu, 0);
    cpu->p.efer = (value & ~(uint64_t)EFER_LMA) | (old & EFER_LMA);     /* LMA follows LME and paging only */
    if ((old ^ value) & EFER_NXE)
        tlb_flush_all(cpu);
    cpu_mode_changed(cpu);
    return true;
}

/* SDM 1 "Enabling the XSAVE Feature Set and XSAVE-Enabled Features". */
bool control_set_xcr0(struct cpu *cpu, uint64_t value)
{
    uint64_t wide = XSAVE_OPMASK | XSAVE_ZMM_HI256 | XSAVE_HI16_ZMM;

    if ((value & ~xsave_supported(cpu, false)) || !(value & XSAVE_X87))
        return fault_gp(cpu, 0);
    if ((value & XSAVE_AVX) && !(value & XSAVE_SSE))
        return fault_gp(cpu, 0);
    if ((value & wide) && ((value & wide) != wide || !(value & XSAVE_AVX)))
        return fault_gp(cpu, 0);
    cpu->s.xcr0 = value;
    cpu_mode_changed(cpu);
    return true;
}
