/* SPDX-License-Identifier: MIT
 * Processor sets, TLFS 6.0b 7.8.7.3: the sparse form's banks of 64 and the form that means everybody. */
#include "hv/hypercall.h"

vp_mask vpset_existing(const struct hv *hv)
{
    return bits_mask(hv->nvps);
}

/* Bank n of the set covers VPs 64n to 64n+63; only bank 0 can name one that exists here. */
bool vpset_read(const struct hc_call *call, const struct hv_vp_set *set, vp_mask *out)
{
    vp_mask existing = vpset_existing(call->vp->hv);

    if (set->format == HV_GENERIC_SET_ALL) {
        *out = existing;
        return true;
    }
    if (set->format != HV_GENERIC_SET_SPARSE_4K || bits_count(set->valid_banks_mask) != call->variable)
        return false;
    *out = (set->valid_banks_mask & 1) != 0 ? set->bank_contents[0] & existing : 0;
    return true;
}
