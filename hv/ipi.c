/* SPDX-License-Identifier: MIT
 * Interrupts between virtual processors: the cluster IPI calls, TLFS 6.0b 10.5, the local APIC through synthetic
 * MSRs, 10.2.3, and the calls that name processors: APIC ID to VP index, long spin waits. */
#include "hv/hypercall.h"
#include "hv/msr.h"

#define IPI_MIN_VECTOR  0x10u
#define IPI_MAX_VECTOR  0xFFu

/* ---- cluster IPIs ---- */

/* VTLs other than 0 do not exist; naming VTL 0 is allowed. */
static bool ipi_header_ok(uint32_t vector, uint8_t vtl, const uint8_t reserved[3])
{
    bool vtl_ok = (vtl & HV_INPUT_VTL_RSVDZ) == 0 && ((vtl & HV_INPUT_VTL_USE_TARGET) == 0 || HV_INPUT_VTL_TARGET(vtl) == 0);

    return vtl_ok && (reserved[0] | reserved[1] | reserved[2]) == 0 && vector >= IPI_MIN_VECTOR && vector <= IPI_MAX_VECTOR;
}

static enum hv_status send_ipi(const struct hv *hv, vp_mask targets, uint32_t vector)
{
    for (; targets != 0; targets &= targets - 1) {
        const struct vp *target = hv->vps[bits_lowest(targets)];

        target->apic->request(target->apic_self, vector, APIC_EDGE);
    }
    return HV_STATUS_SUCCESS;
}

HC_HANDLER(SendSyntheticClusterIpi)
{
    const struct hv_input_send_synthetic_cluster_ipi *in = call->input;
    const struct hv *hv = call->vp->hv;

    if (!ipi_header_ok(in->vector, in->target_vtl, in->reserved))
        return HV_STATUS_INVALID_PARAMETER;
    return send_ipi(hv, in->processor_mask & vpset_existing(hv), in->vector);
}

HC_HANDLER(SendSyntheticClusterIpiEx)
{
    const struct hv_input_send_synthetic_cluster_ipi_ex *in = call->input;
    vp_mask targets;

    if (!ipi_header_ok(in->vector, in->target_vtl, in->reserved) || !vpset_read(call, &in->set, &targets))
        return HV_STATUS_INVALID_PARAMETER;
    return send_ipi(call->vp->hv, targets, in->vector);
}

/* ---- naming processors ---- */

/* TLFS 7.10.4: header PartitionId:8, TargetVtl:1, padding; elements of 8 bytes whose low 4 are the ID and the index. */
HC_HANDLER(GetVpIndexFromApicId)
{
    const uint8_t *in = call->input;
    uint32_t apic_id = load32(call->element);
    uint8_t vtl = in[8];

    if (load64(in) != HV_PARTITION_ID_SELF)
        return HV_STATUS_INVALID_PARTITION_ID;
    if (vtl & HV_INPUT_VTL_RSVDZ)
        return HV_STATUS_INVALID_PARAMETER;
    if ((vtl & HV_INPUT_VTL_USE_TARGET) != 0 && HV_INPUT_VTL_TARGET(vtl) != 0)
        return HV_STATUS_INVALID_VTL_STATE;
    if (apic_id >= call->vp->hv->nvps)      /* cpu/cpu.h: the initial APIC ID is the index */
        return HV_STATUS_INVALID_VP_INDEX;
    store32(call->output, apic_id);
    return HV_STATUS_SUCCESS;
}

/* TLFS 14.5.1: advice that another processor should run now. */
HC_HANDLER(NotifyLongSpinWait)
{
    cpu_attention(call->vp->cpu, ATTEND_YIELD);
    return HV_STATUS_SUCCESS;
}

/* ---- the local APIC by MSR ---- */

/* Register numbers of core/apic.h: MMIO offset >> 4. */
enum { APIC_TPR = 0x08, APIC_EOI = 0x0B, APIC_ICR_LOW = 0x30, APIC_ICR_HIGH = 0x31 };

#define APIC_BASE_X2APIC    BIT64(10)   /* IA32_APIC_BASE.EXTD: ICR is one 64-bit register */

static bool x2apic(const struct vp *vp)
{
    return (vp->apic->base(vp->apic_self) & APIC_BASE_X2APIC) != 0;
}

bool msr_write_eoi(struct vp *vp, unsigned index, uint64_t value)
{
    (void)index;
    (void)value;        /* the APIC's EOI register takes any value, x2APIC mode only zero */
    return vp->apic->write(vp->apic_self, APIC_EOI, 0);
}

bool msr_read_icr(struct vp *vp, unsigned index, uint64_t *value)
{
    uint64_t low, high;

    (void)index;
    if (x2apic(vp))
        return vp->apic->read(vp->apic_self, APIC_ICR_LOW, value);
    if (!vp->apic->read(vp->apic_self, APIC_ICR_LOW, &low) || !vp->apic->read(vp->apic_self, APIC_ICR_HIGH, &high))
        return false;
    *value = high << 32 | (uint32_t)low;
    return true;
}

bool msr_write_icr(struct vp *vp, unsigned index, uint64_t value)
{
    (void)index;
    if (x2apic(vp))
        return vp->apic->write(vp->apic_self, APIC_ICR_LOW, value);
    return vp->apic->write(vp->apic_self, APIC_ICR_HIGH, value >> 32) &&
           vp->apic->write(vp->apic_self, APIC_ICR_LOW, (uint32_t)value);
}

bool msr_read_tpr(struct vp *vp, unsigned index, uint64_t *value)
{
    (void)index;
    if (!vp->apic->read(vp->apic_self, APIC_TPR, value))
        return false;
    *value &= 0xFF;
    return true;
}

bool msr_write_tpr(struct vp *vp, unsigned index, uint64_t value)
{
    (void)index;
    return value <= 0xFF && vp->apic->write(vp->apic_self, APIC_TPR, value);
}
