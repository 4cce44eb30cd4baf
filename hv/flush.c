/* SPDX-License-Identifier: MIT
 * TLB flushes by hypercall, TLFS 6.0b 9.4: whole address spaces and lists of ranges, on VPs given by mask or set. A TLB may
 * always drop more than it is asked to, so an address space is not told from the others. */
#include "hv/hypercall.h"

#define SPACE_FLAGS (HV_FLUSH_ALL_PROCESSORS | HV_FLUSH_ALL_VIRTUAL_ADDRESS_SPACES | HV_FLUSH_NON_GLOBAL_MAPPINGS_ONLY)
#define LIST_FLAGS  (HV_FLUSH_ALL_PROCESSORS | HV_FLUSH_ALL_VIRTUAL_ADDRESS_SPACES | HV_FLUSH_USE_EXTENDED_RANGE_FORMAT)

#define PAGES_2M    512u
#define PAGES_1G    (512u * 512u)

static void flush(const struct hv *hv, vp_mask targets, const struct tlb_scope *scope)
{
    for (; targets != 0; targets &= targets - 1)
        cpu_flush_tlb(hv->vps[bits_lowest(targets)]->cpu, scope);
}

static uint64_t list_flags(const struct hv *hv)
{
    bool extended = hv_offers(hv, HV_GATE_ExtendedGvaRangesForFlushVirtualAddressListAvailable);

    return extended ? LIST_FLAGS : LIST_FLAGS & ~HV_FLUSH_USE_EXTENDED_RANGE_FORMAT;
}

/* Flags, and the address space unless all are meant: a CR3 value without reserved bits (9.3.1). */
static bool common_ok(const struct hv *hv, uint64_t address_space, uint64_t flags, uint64_t allowed)
{
    return (flags & ~allowed) == 0 &&
           ((flags & HV_FLUSH_ALL_VIRTUAL_ADDRESS_SPACES) != 0 || hv_gpa_valid(hv, address_space));
}

static bool mask_targets(const struct hc_call *call, uint64_t allowed, vp_mask *targets)
{
    const struct hv_input_flush_virtual_address *in = call->input;

    if (!common_ok(call->vp->hv, in->address_space, in->flags, allowed))
        return false;
    *targets = vpset_existing(call->vp->hv);
    if ((in->flags & HV_FLUSH_ALL_PROCESSORS) == 0) {
        *targets &= in->processor_mask;
        return in->processor_mask != 0;
    }
    return true;
}

static bool set_targets(const struct hc_call *call, uint64_t allowed, vp_mask *targets)
{
    const struct hv_input_flush_virtual_address_ex *in = call->input;

    if (!common_ok(call->vp->hv, in->address_space, in->flags, allowed))
        return false;
    *targets = vpset_existing(call->vp->hv);
    return (in->flags & HV_FLUSH_ALL_PROCESSORS) != 0 || vpset_read(call, &in->set, targets);
}

static enum hv_status flush_space(const struct hc_call *call, vp_mask targets, uint64_t flags)
{
    bool keep_global = (flags & HV_FLUSH_NON_GLOBAL_MAPPINGS_ONLY) != 0;

    flush(call->vp->hv, targets, &(struct tlb_scope){ .all = !keep_global, .keep_global = keep_global });
    return HV_STATUS_SUCCESS;
}

static enum hv_status flush_range(const struct hc_call *call, vp_mask targets, uint64_t flags)
{
    uint64_t range = load64(call->element), unit = 1, count = HV_GVA_RANGE_ADDITIONAL(range) + 1;
    uint64_t first = range >> PAGE_SHIFT;

    if (flags & HV_FLUSH_USE_EXTENDED_RANGE_FORMAT) {
        count = HV_GVA_RANGE_EX_ADDITIONAL(range) + 1;
        if (range & HV_GVA_RANGE_EX_LARGE) {
            unit = range & HV_GVA_RANGE_EX_1G ? PAGES_1G : PAGES_2M;
            first = align_down(first, unit);
        }
    }
    flush(call->vp->hv, targets, &(struct tlb_scope){ .gva = first << PAGE_SHIFT, .pages = count * unit });
    return HV_STATUS_SUCCESS;
}

HC_HANDLER(FlushVirtualAddressSpace)
{
    const struct hv_input_flush_virtual_address *in = call->input;
    vp_mask targets;

    if (!mask_targets(call, SPACE_FLAGS, &targets))
        return HV_STATUS_INVALID_PARAMETER;
    return flush_space(call, targets, in->flags);
}

HC_HANDLER(FlushVirtualAddressSpaceEx)
{
    const struct hv_input_flush_virtual_address_ex *in = call->input;
    vp_mask targets;

    if (!set_targets(call, SPACE_FLAGS, &targets))
        return HV_STATUS_INVALID_PARAMETER;
    return flush_space(call, targets, in->flags);
}

HC_HANDLER(FlushVirtualAddressList)
{
    const struct hv_input_flush_virtual_address *in = call->input;
    vp_mask targets;

    if (!mask_targets(call, list_flags(call->vp->hv), &targets))
        return HV_STATUS_INVALID_PARAMETER;
    return flush_range(call, targets, in->flags);
}

HC_HANDLER(FlushVirtualAddressListEx)
{
    const struct hv_input_flush_virtual_address_ex *in = call->input;
    vp_mask targets;

    if (!set_targets(call, list_flags(call->vp->hv), &targets))
        return HV_STATUS_INVALID_PARAMETER;
    return flush_range(call, targets, in->flags);
}

/* 9.4.1: a new CR3 without a flush. Ours may flush; a guest cannot tell, as any entry may be dropped at any time. */
HC_HANDLER(SwitchVirtualAddressSpace)
{
    uint64_t address_space = load64(call->input);

    return cpu_set_reg(call->vp->cpu, CPU_REG_CR3, address_space) ? HV_STATUS_SUCCESS : HV_STATUS_INVALID_PARAMETER;
}
