/* SPDX-License-Identifier: MIT
 * SDM 3B "Machine-Check Architecture": the banks, what software may write, how errors are logged over each other, and when they
 * become a machine check, a corrected machine-check interrupt or a shutdown. Errors come from whoever calls cpu_machine_check(). */
#include "cpu/mca.h"

#include "cpu/cpuid.h"
#include "cpu/event.h"

/* IA32_MCG_CAP */
#define CAP_BANKS   0xffu
#define CAP_CTL     BIT64(8)        /* IA32_MCG_CTL exists */
#define CAP_CMCI    BIT64(10)       /* corrected errors interrupt at a threshold; IA32_MCi_CTL2 exists */
#define CAP_TES     BIT64(11)       /* status bits 54:53 say whether a threshold was reached */
#define CAP_SER     BIT64(24)       /* software error recovery: status bits S and AR */

/* IA32_MCi_STATUS */
#define STATUS_VAL      BIT64(63)
#define STATUS_OVER     BIT64(62)
#define STATUS_UC       BIT64(61)
#define STATUS_EN       BIT64(60)
#define STATUS_PCC      BIT64(57)
#define STATUS_S        BIT64(56)
#define COUNT_SHIFT     38
#define COUNT_MASK      0x7fffu         /* corrected errors so far */

#define MCG_RIPV    1u
#define MCG_MCIP    4u
#define MCG_STATUS_BITS 7u

#define CTL2_THRESHOLD  0x7fffu
#define CTL2_ENABLE     BIT64(30)

enum { CTL, STATUS, ADDR, MISC, BANK_MSRS };

uint64_t cpu_mcg_cap(const struct cpu *cpu)
{
    if (!cpu_has(cpu, F_MCA))
        return 0;
    if (!cpu_has(cpu, F_LM))
        return CAP_CTL | 5;                             /* P6 family */
    if (cpu_vendor(cpu) == VENDOR_AMD)
        return CAP_CTL | 6;
    return CAP_CTL | 10 | (cpu_has(cpu, F_X2APIC) ? CAP_CMCI | CAP_TES | CAP_SER : 0);
}

static unsigned banks(const struct cpu *cpu) { return (unsigned)(cpu_mcg_cap(cpu) & CAP_BANKS); }

static uint64_t *bank_msr(struct cpu *cpu, unsigned bank, unsigned which) { return &cpu->s.mc_bank[BANK_MSRS * bank + which]; }

/* ---- registers ---- */

bool mca_read(const struct cpu *cpu, uint32_t msr, uint64_t *value)
{
    uint64_t cap = cpu_mcg_cap(cpu);

    switch (msr) {
    case 0x179: *value = cap; return true;
    case 0x17a: *value = cpu->s.mcg_status; return true;
    case 0x17b: *value = cpu->s.mcg_ctl; return true;
    }
    if (msr < 0x400) {
        if (!(cap & CAP_CMCI) || msr - 0x280 >= banks(cpu))
            return false;
        *value = cpu->s.mc_ctl2[msr - 0x280];
        return true;
    }
    if (msr - 0x400 >= BANK_MSRS * banks(cpu))
        return false;
    *value = cpu->s.mc_bank[msr - 0x400];
    return true;
}

/* "IA32_MCi_STATUS MSRS" and the two after it: software can only clear them. AMD has thresholds in MISC. */
static bool write_bank(struct cpu *cpu, unsigned at, uint64_t value)
{
    bool control = at % BANK_MSRS == CTL;

    if (at >= BANK_MSRS * banks(cpu))
        return false;
    if (value != 0 && !control && (at % BANK_MSRS == STATUS || cpu_vendor(cpu) != VENDOR_AMD))
        return false;
    cpu->s.mc_bank[at] = value;
    return true;
}

static bool write_ctl2(struct cpu *cpu, unsigned bank, uint64_t value)
{
    if (!(cpu_mcg_cap(cpu) & CAP_CMCI) || bank >= banks(cpu) || (value & ~(CTL2_ENABLE | CTL2_THRESHOLD)))
        return false;
    cpu->s.mc_ctl2[bank] = value;
    return true;
}

bool mca_write(struct cpu *cpu, uint32_t msr, uint64_t value)
{
    switch (msr) {
    case 0x179:
        return false;
    case 0x17a:         /* "IA32_MCG_STATUS MSR": anything but 0 is #GP; AMD's takes what it has */
        if (value & ~(uint64_t)(cpu_vendor(cpu) == VENDOR_AMD ? MCG_STATUS_BITS : 0))
            return false;
        cpu->s.mcg_status = value;
        return true;
    case 0x17b:         /* "IA32_MCG_CTL MSR": all on or all off */
        if (value != 0 && value != ~(uint64_t)0)
            return false;
        cpu->s.mcg_ctl = value;
        return true;
    }
    return msr < 0x400 ? write_ctl2(cpu, msr - 0x280, value) : write_bank(cpu, msr - 0x400, value);
}

/* What was logged outlives a reset, so that firmware and system see what led to it. */
void mca_reset(struct cpu *cpu)
{
    for (unsigned bank = 0; bank < banks(cpu); bank++)
        *bank_msr(cpu, bank, CTL) = 0;
    memset(cpu->s.mc_ctl2, 0, sizeof cpu->s.mc_ctl2);
    cpu->s.mcg_status = cpu->s.mcg_ctl = 0;
    cpu->s.mce_pending = 0;
}

/* ---- errors ---- */

static void store(struct cpu *cpu, const struct cpu_mce *e, uint64_t status)
{
    *bank_msr(cpu, e->bank, STATUS) = status;
    *bank_msr(cpu, e->bank, ADDR) = e->addr;
    *bank_msr(cpu, e->bank, MISC) = e->misc;
}

/* "CMCI Local APIC Interface" */
static void signal_corrected(struct cpu *cpu, unsigned bank)
{
    const struct apic_ops *apic = cpu->ports.apic;

    if ((cpu->s.mc_ctl2[bank] & CTL2_ENABLE) && apic != NULL && apic->corrected_error != NULL)
        apic->corrected_error(cpu->ports.apic_self);
}

/* "Machine-Check Error Overwrite Rules": what is uncorrected stays; of two corrected ones the later is shown. */
static void log_corrected(struct cpu *cpu, const struct cpu_mce *e, uint64_t status)
{
    uint64_t old = *bank_msr(cpu, e->bank, STATUS), count = status >> COUNT_SHIFT & COUNT_MASK, before;
    uint64_t threshold = cpu->s.mc_ctl2[e->bank] & CTL2_THRESHOLD;

    if ((old & STATUS_VAL) && (old & STATUS_UC)) {
        *bank_msr(cpu, e->bank, STATUS) = old | STATUS_OVER;
        return;
    }
    status |= old & STATUS_VAL ? STATUS_OVER : 0;
    if (!(cpu_mcg_cap(cpu) & CAP_CMCI)) {
        store(cpu, e, status);
        return;
    }
    before = old & STATUS_VAL ? old >> COUNT_SHIFT & COUNT_MASK : 0;
    count = before + (count ? count : 1);
    store(cpu, e, bits_put(status, COUNT_SHIFT + 14, COUNT_SHIFT, count > COUNT_MASK ? COUNT_MASK : count));
    if (before < threshold && count >= threshold)
        signal_corrected(cpu, e->bank);
}

/* Uncorrected but nobody used it: UCNA, which is signalled as corrected errors are. */
static bool no_action(const struct cpu *cpu, uint64_t status)
{
    return (cpu_mcg_cap(cpu) & CAP_SER) && !(status & (STATUS_PCC | STATUS_S));
}

static void signal_mce(struct cpu *cpu, uint64_t mcg_status)
{
    if (cpu->p.activity == CPU_SHUTDOWN)
        return;
    if (cpu->s.mcg_status & MCG_MCIP)           /* "a second machine-check event": at once, whatever CR4.MCE */
        cpu->s.mce_pending = 2;
    else if (!cpu->s.mce_pending)
        cpu->s.mce_pending = 1;
    cpu->s.mcg_status = (mcg_status & MCG_STATUS_BITS) | MCG_MCIP;
    cpu->attention |= ATTEND_MCE;
}

static enum mce_result log_uncorrected(struct cpu *cpu, const struct cpu_mce *e, uint64_t status)
{
    uint64_t old = *bank_msr(cpu, e->bank, STATUS);

    if ((old & STATUS_VAL) && (old & STATUS_UC))
        *bank_msr(cpu, e->bank, STATUS) = old | STATUS_OVER;
    else
        store(cpu, e, status | (old & STATUS_VAL ? STATUS_OVER : 0));
    if (no_action(cpu, status))
        signal_corrected(cpu, e->bank);
    if (no_action(cpu, status) || !(status & STATUS_EN))
        return MCE_LOGGED;
    signal_mce(cpu, e->mcg_status);
    return MCE_SIGNALLED;
}

enum mce_result cpu_machine_check(struct cpu *cpu, const struct cpu_mce *e)
{
    bool enabled;
    uint64_t status = e->status | STATUS_VAL;

    if (e->bank >= banks(cpu))
        return MCE_NO_BANK;
    enabled = *bank_msr(cpu, e->bank, CTL) != 0 && cpu->s.mcg_ctl != 0;
    status = enabled ? status | STATUS_EN : status & ~STATUS_EN;
    if (status & STATUS_UC)
        return log_uncorrected(cpu, e, status);
    log_corrected(cpu, e, status);
    return MCE_LOGGED;
}

/* "Machine-Check Exception (#MC)": broadcast to the others, which find nothing in their banks. A processor that waits to be
 * started takes no part. */
void cpu_machine_check_elsewhere(struct cpu *cpu)
{
    if (banks(cpu) != 0 && cpu->p.activity != CPU_WAIT_SIPI)
        signal_mce(cpu, MCG_RIPV);
}

void mca_deliver(struct cpu *cpu)
{
    unsigned pending = cpu->s.mce_pending;

    cpu->s.mce_pending = 0;
    if (pending > 1)
        event_shut_down(cpu, "a machine check during a machine check");
    else if (!(cpu->p.cr4 & CR4_MCE))
        event_shut_down(cpu, "a machine check with CR4.MCE clear");
    else
        event_deliver_machine_check(cpu);
}
