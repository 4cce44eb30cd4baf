/* SPDX-License-Identifier: MIT
 * SynIC event flags, TLFS 6.0b 11.5. */
#include "hv/synic/synic.h"

#include "hv/trace.h"

enum hv_status event_signal(struct vp *vp, unsigned sint, unsigned flag)
{
    struct hv_synic_event_flags_page *page = overlay_bytes(&vp->sief);
    uint8_t *byte = &page->flags[sint][flag / 8], bit = (uint8_t)BIT(flag % 8);

    if (!synic_enabled(vp) || (vp->state.siefp & HV_PAGE_MSR_ENABLE) == 0 || synic_masked(vp, sint))
        return HV_STATUS_INVALID_SYNIC_STATE;
    if (*byte & bit)
        return HV_STATUS_SUCCESS;       /* the interrupt for this flag is on its way or was taken (11.5.1) */
    *byte |= bit;
    vp->hv->counts.events++;
    TRACE(vp->hv, vp, "11.5", "event flag %u of SINT%u set", flag, sint);
    overlay_wrote(&vp->sief, (uint32_t)(byte - (uint8_t *)page), 1);
    synic_interrupt(vp, sint);
    return HV_STATUS_SUCCESS;
}
