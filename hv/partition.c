/* SPDX-License-Identifier: MIT
 * Calls about the partition as a whole: its identity, TLFS 6.0b 4.2.1, the extended calls, 3.14 and 9.4.7, and where the
 * interrupts of its devices go, 10.5.4. */
#include "hv/hypercall.h"

#define LEAST_VECTOR 16u

/* 4.2.1: unique, and no more is to be read into it. */
HC_HANDLER(GetPartitionId)
{
    store64(call->output, HV_PARTITION_ID_GUEST);
    return HV_STATUS_SUCCESS;
}

/* ---- extended calls ---- */

HC_HANDLER(QueryCapabilities)
{
    store64(call->output, call->vp->hv->state.zeroed_pages != 0 ? HV_EXT_CAPABILITY_BOOT_ZEROED_MEMORY : 0);
    return HV_STATUS_SUCCESS;
}

HC_HANDLER(GetBootZeroedMemory)
{
    const struct hv *hv = call->vp->hv;

    if (hv->state.zeroed_pages == 0)
        return HV_STATUS_INVALID_HYPERCALL_CODE;        /* not among the capabilities */
    store64(call->output, hv->state.zeroed_gpa);
    store64((uint8_t *)call->output + 8, hv->state.zeroed_pages);
    return HV_STATUS_SUCCESS;
}

/* ---- device interrupts ---- */

void hv_add_device(struct hv *hv, uint64_t id, hv_retarget_fn *retarget, void *self)
{
    invariant(hv->ndevices < HV_MAX_DEVICES, "more than %u devices", HV_MAX_DEVICES);
    hv->devices[hv->ndevices++] = (struct hv_device){ id, retarget, self };
}

static const struct hv_device *find_device(const struct hv *hv, uint64_t id)
{
    for (unsigned n = 0; n < hv->ndevices; n++)
        if (hv->devices[n].id == id)
            return &hv->devices[n];
    return NULL;
}

/* A mask, or a set whose second half is the first quadword of the variable header. All processors, none, and such as do not
 * exist are invalid. */
static bool read_targets(const struct hc_call *call, const struct hv_input_retarget_device_interrupt *in, vp_mask *out)
{
    vp_mask existing = vpset_existing(call->vp->hv);

    *out = in->processor_mask;
    if ((in->flags & HV_DEVICE_INTERRUPT_TARGET_PROCESSOR_SET) == 0) {
        if (call->variable != 0)
            return false;
    } else {
        const struct hv_vp_set *set = (const struct hv_vp_set *)&in->processor_mask;

        if (call->variable == 0 || set->format != HV_GENERIC_SET_SPARSE_4K ||
            bits_count(set->valid_banks_mask) != call->variable - 1 || (set->valid_banks_mask & ~(uint64_t)1) != 0)
            return false;
        *out = set->valid_banks_mask != 0 ? set->bank_contents[0] : 0;
    }
    return *out != 0 && (*out & ~existing) == 0;
}

HC_HANDLER(RetargetDeviceInterrupt)
{
    const struct hv_input_retarget_device_interrupt *in = call->input;
    const struct hv_device *device = find_device(call->vp->hv, in->device_id);
    struct hv_msi_target target = { .vector = in->vector,
                                    .multicast = (in->flags & HV_DEVICE_INTERRUPT_TARGET_MULTICAST) != 0 };

    if (in->partition_id != HV_PARTITION_ID_SELF)
        return HV_STATUS_INVALID_PARTITION_ID;
    if (in->source != HV_INTERRUPT_SOURCE_MSI || (in->reserved1 | in->reserved2) != 0 || in->vector < LEAST_VECTOR ||
        in->vector > 0xFF ||
        (in->flags & ~(HV_DEVICE_INTERRUPT_TARGET_MULTICAST | HV_DEVICE_INTERRUPT_TARGET_PROCESSOR_SET)) != 0 ||
        !read_targets(call, in, &target.targets))
        return HV_STATUS_INVALID_PARAMETER;
    if (device == NULL)
        return HV_STATUS_INVALID_DEVICE_ID;
    return (enum hv_status)device->retarget(device->self, in->msi, &target);
}
