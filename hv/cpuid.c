/* SPDX-License-Identifier: MIT
 * Hypervisor CPUID leaves, TLFS 6.0b 2.4, computed from the rows of cpuid.def. */
#include "hv/internal.h"

#define HV_LEAF_MASK         0xFFFFFF00u
#define HV_LEAF_BASE         0x40000000u
#define HYPERVISOR_PRESENT   BIT(31)        /* CPUID.1:ECX, TLFS 2.2 */

/* Retries before HvNotifyLongSpinWait: worth a call only where another processor can take the turn (TLFS 2.4.5). */
#define SPIN_RETRIES_SMP     0xFFFu
#define SPIN_RETRIES_NEVER   0xFFFFFFFFu

enum cpuid_register { EAX, EBX, ECX, EDX };

/* The words of cpuid.def's last column. The version is shown only to a guest that told its identity (2.4.3). */
#define VERSION(n, hi, lo)   (hv->state.guest_os_id != 0 ? bits_get(hv->offer.version[n], hi, lo) : 0u)
#define HV_MAX_LEAF          hv->offer.max_leaf
#define PRIVILEGE_MASK_LOW   ((uint32_t)hv->offer.privileges)
#define PRIVILEGE_MASK_HIGH  ((uint32_t)(hv->offer.privileges >> 32))
#define SPIN_RETRIES         (hv->cfg.nvps > 1 ? SPIN_RETRIES_SMP : SPIN_RETRIES_NEVER)
#define PHYS_BITS            hv->cfg.phys_bits

static void leaf_fields(const struct hv *hv, uint32_t leaf, uint32_t out[4])
{
#define CPUID_FIELD(at, reg, hi, lo, name, value) \
    if (leaf == (at))                             \
        out[reg] = (uint32_t)bits_put(out[reg], hi, lo, value);
#define CPUID_FEATURE(bit, name, state, needs) CPUID_FIELD(0x40000003, EDX, bit, bit, name, hv->offer.features >> (bit) & 1)
#define CPUID_ADVICE(bit, name, state, needs)  CPUID_FIELD(0x40000004, EAX, bit, bit, name, hv->offer.advice >> (bit) & 1)
#include "hv/cpuid.def"
#undef CPUID_FIELD
#undef CPUID_FEATURE
#undef CPUID_ADVICE
}

enum intercept hv_cpuid(void *self, struct cpu *cpu, uint32_t leaf, uint32_t subleaf, struct cpuid_regs *io)
{
    const struct vp *vp = self;
    uint32_t out[4] = { 0 };

    (void)cpu;
    (void)subleaf;
    if (leaf == 1) {
        io->ecx |= HYPERVISOR_PRESENT;
        return DONE;
    }
    if ((leaf & HV_LEAF_MASK) != HV_LEAF_BASE)
        return PASS;
    if (leaf <= vp->hv->offer.max_leaf)
        leaf_fields(vp->hv, leaf, out);
    *io = (struct cpuid_regs){ out[EAX], out[EBX], out[ECX], out[EDX] };
    return DONE;
}
