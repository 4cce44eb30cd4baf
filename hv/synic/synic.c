/* SPDX-License-Identifier: MIT
 * SynIC registers, TLFS 6.0b 11.8, and the interrupts of SINTs. */
#include "hv/synic/synic.h"

#include "hv/msr.h"

bool synic_enabled(const struct vp *vp)
{
    return (vp->state.scontrol & HV_SCONTROL_ENABLE) != 0;
}

bool synic_masked(const struct vp *vp, unsigned sint)
{
    return (vp->state.sint[sint] & HV_SINT_MASKED) != 0;
}

void synic_interrupt(struct vp *vp, unsigned sint)
{
    uint64_t control = vp->state.sint[sint];

    if (control & (HV_SINT_MASKED | HV_SINT_POLLING))
        return;
    vp->hv->counts.sint_interrupts++;
    vp->apic->request(vp->apic_self, HV_SINT_VECTOR(control), control & HV_SINT_AUTO_EOI ? APIC_AUTO_EOI : APIC_EDGE);
}

bool msr_read_scontrol(struct vp *vp, unsigned index, uint64_t *value)
{
    (void)index;
    *value = vp->state.scontrol;
    return true;
}

bool msr_write_scontrol(struct vp *vp, unsigned index, uint64_t value)
{
    (void)index;
    vp->state.scontrol = value & HV_SCONTROL_ENABLE;
    message_deliver(vp);
    return true;
}

bool msr_read_sversion(struct vp *vp, unsigned index, uint64_t *value)
{
    (void)vp;
    (void)index;
    *value = HV_SYNIC_VERSION;
    return true;
}

bool msr_read_siefp(struct vp *vp, unsigned index, uint64_t *value)
{
    (void)index;
    *value = vp->state.siefp;
    return true;
}

bool msr_write_siefp(struct vp *vp, unsigned index, uint64_t value)
{
    (void)index;
    vp->state.siefp = value & (HV_PAGE_MSR_ENABLE | PAGE_MASK);
    overlay_place(&vp->sief, vp->state.siefp);
    return true;
}

bool msr_read_simp(struct vp *vp, unsigned index, uint64_t *value)
{
    (void)index;
    *value = vp->state.simp;
    return true;
}

bool msr_write_simp(struct vp *vp, unsigned index, uint64_t value)
{
    (void)index;
    vp->state.simp = value & (HV_PAGE_MSR_ENABLE | PAGE_MASK);
    overlay_place(&vp->sim, vp->state.simp);
    message_deliver(vp);
    return true;
}

bool msr_read_eom(struct vp *vp, unsigned index, uint64_t *value)
{
    (void)vp;
    (void)index;
    *value = 0;
    return true;
}

bool msr_write_eom(struct vp *vp, unsigned index, uint64_t value)
{
    (void)index;
    (void)value;
    message_deliver(vp);
    return true;
}

bool msr_read_sint(struct vp *vp, unsigned index, uint64_t *value)
{
    *value = vp->state.sint[index];
    return true;
}

/* A vector below 16 is #GP, but not while masked: guests write back the reset value. */
bool msr_write_sint(struct vp *vp, unsigned index, uint64_t value)
{
    if (HV_SINT_VECTOR(value) < HV_SINT_MIN_VECTOR && (value & HV_SINT_MASKED) == 0)
        return false;
    value &= 0xFF | HV_SINT_MASKED | HV_SINT_AUTO_EOI | HV_SINT_POLLING;
    if (!hv_offers(vp->hv, HV_GATE_SintPollingModeAvailable))
        value &= ~HV_SINT_POLLING;
    vp->state.sint[index] = value;
    return true;
}
