/* SPDX-License-Identifier: MIT
 * Overlay pages, TLFS 6.0b 5.2.1: pages the hypervisor owns, shown over guest memory as regions of the highest layers. Each
 * overlay has a layer of its own, so stacked ones keep an order and uncover each other. */
#include "hv/trace.h"

void overlay_init(struct overlay *o, struct hv *hv, uint32_t page, unsigned rights)
{
    *o = (struct overlay){ .hv = hv, .page = page, .rights = rights };
}

bool hv_gpa_valid(const struct hv *hv, gpa_t gpa)
{
    return gpa >> hv->cfg.phys_bits == 0;
}

static void trace(const struct overlay *o)
{
    static const char *const common[] = { "hypercall", "reference TSC", "monitor" }, *const own[] = { "SIM", "SIEF", "VP assist" };
    static const char *const sections[] = { "3.13", "12.7", "11.7.4" }, *const own_sections[] = { "11.9", "11.9", "7.8.7" };
    bool mine = o->page >= OVERLAY_PARTITION_PAGES;
    unsigned n = mine ? o->page - OVERLAY_PARTITION_PAGES : o->page, kind = mine ? n % OVERLAY_VP_PAGES : n;
    const struct vp *vp = mine ? o->hv->vps[n / OVERLAY_VP_PAGES] : NULL;

    trace_line(o->hv, vp, mine ? own_sections[kind] : sections[kind], "%s page %s %#llx", mine ? own[kind] : common[kind],
               o->placed ? "shown at" : "no longer at", (unsigned long long)o->at);
}

/* A page placed beyond the guest-physical space is there, but nobody can reach it (TLFS 11.8.3, 12.7.1). */
void overlay_place(struct overlay *o, uint64_t page_msr)
{
    gpa_t at = HV_PAGE_MSR_GPA(page_msr);
    bool show = (page_msr & HV_PAGE_MSR_ENABLE) != 0 && hv_gpa_valid(o->hv, at);
    int layer = LAYER_OVERLAY + (int)o->page;

    if (show == o->placed && (!show || at == o->at))
        return;
    if (o->placed) {
        space_remove(o->hv->memory, o->at, layer);
        o->placed = false;
        if (hv_traced(o->hv))
            trace(o);
    }
    o->placed = show;
    o->at = at;
    if (show && hv_traced(o->hv))
        trace(o);
    if (show)
        space_add_ram(o->hv->memory, at, o->hv->ram, (uint64_t)o->page * PAGE_SIZE, PAGE_SIZE, o->rights, layer);
}

bool overlay_seen_at(const struct overlay *o, gpa_t page)
{
    struct space_page there;

    if (!o->placed || o->at != page)
        return false;
    there = space_page(o->hv->memory, page);
    return there.ram == o->hv->ram && there.ram_page == o->page;
}

void *overlay_bytes(const struct overlay *o)
{
    return o->hv->ram->bytes + (size_t)o->page * PAGE_SIZE;
}

void overlay_wrote(const struct overlay *o, uint32_t offset, uint32_t len)
{
    ram_wrote(o->hv->ram, (uint64_t)o->page * PAGE_SIZE + offset, len);
}
