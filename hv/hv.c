/* SPDX-License-Identifier: MIT
 * The partition: its creation, its device, and the struct cpu_host through which processors reach the rest of hv/. */
#include "hv/hv.h"

#include <stdlib.h>
#include <string.h>

#include "hv/internal.h"
#include "hv/synic/synic.h"

#define VECTOR_GP   13u
#define VECTOR_MC   18u

STATE_SCHEMA(hv_state, HV_STATE);

/* What a call of the hypercall page executes (TLFS 3.13); bytes that nobody should reach trap. Guests call it indirectly, and
 * Linux turns indirect branch tracking off altogether when the page does not allow that. */
static void fill_hypercall_page(struct hv *hv)
{
    static const uint8_t intel[] = { 0x0F, 0x01, 0xC1, 0xC3 };      /* VMCALL; RET */
    static const uint8_t amd[] = { 0x0F, 0x01, 0xD9, 0xC3 };        /* VMMCALL; RET */
    static const uint8_t endbr64[] = { 0xF3, 0x0F, 0x1E, 0xFA };
    uint8_t *page = overlay_bytes(&hv->hypercall_page);

    memset(page, 0xCC, PAGE_SIZE);
    if (hv->cfg.ibt)
        memcpy(page, endbr64, sizeof endbr64);
    memcpy(page + (hv->cfg.ibt ? sizeof endbr64 : 0), hv->cfg.amd ? amd : intel, sizeof intel);
    overlay_wrote(&hv->hypercall_page, 0, PAGE_SIZE);
}

static void place_pages(struct hv *hv)
{
    overlay_place(&hv->hypercall_page, hv->state.hypercall);
    overlay_place(&hv->tsc_page, hv->state.reference_tsc);
}

static void reset(struct device *dev)
{
    struct hv *hv = (struct hv *)dev;

    memset(&hv->state, 0, sizeof hv->state);
    hv->nports = 0;
    notify_reset(hv);
    reftime_restart(hv);
    fill_hypercall_page(hv);
    reftime_page_changed(hv);
    place_pages(hv);
}

static void loaded(struct device *dev)
{
    struct hv *hv = (struct hv *)dev;

    fill_hypercall_page(hv);
    reftime_page_changed(hv);
    place_pages(hv);
    notify_loaded(hv);
}

/* Ports, and the monitor page, which the guest writes. */
static void save_more(struct device *dev, struct writer *out)
{
    const struct hv *hv = (const struct hv *)dev;

    writer_copy(out, overlay_bytes(&hv->monitor_page), PAGE_SIZE);
    ports_save(dev, out);
}

static struct err load_more(struct device *dev, struct reader *in)
{
    const struct hv *hv = (const struct hv *)dev;

    reader_copy(in, overlay_bytes(&hv->monitor_page), PAGE_SIZE);
    return ports_load(dev, in);
}

static uint64_t hash_more(struct device *dev, uint64_t seed)
{
    const struct hv *hv = (const struct hv *)dev;

    return ports_hash(dev, bytes_hash(overlay_bytes(&hv->monitor_page), PAGE_SIZE, seed));
}

static void destroy(struct device *dev)
{
    struct hv *hv = (struct hv *)dev;

    free(hv->ports);
    ram_free(hv->ram);
}

static const struct device_class hv_class = {
    .name = "hv", .size = sizeof(struct hv), .state = &hv_state_schema, .state_at = offsetof(struct hv, state),
    .reset = reset, .loaded = loaded, .destroy = destroy,
    .save_more = save_more, .load_more = load_more, .hash_more = hash_more,
};

/* What was asked for, less what this machine cannot back. */
static void make_offer(struct hv *hv, const struct hv_config *cfg)
{
    hv->offer = cfg->offer;
    if (hv->offer.max_leaf == 0)
        hv_offer_default(&hv->offer);
    if (cfg->reset == NULL)
        hv->offer.privileges &= ~BIT64(HV_GATE_AccessResetReg);
    offer_settle(&hv->offer);
}

struct hv *hv_create(struct device_tree *tree, const struct hv_config *cfg, struct space *memory, struct clock *clock)
{
    struct hv *hv = (struct hv *)device_create(tree, &hv_class, "hv");
    uint64_t pages = OVERLAY_PARTITION_PAGES + (uint64_t)cfg->nvps * OVERLAY_VP_PAGES;
    struct err err = ram_create(&hv->ram, "hv overlays", pages * PAGE_SIZE);

    invariant(!failed(&err), "%s", err.text);
    invariant(cfg->nvps >= 1 && cfg->nvps <= HV_MAX_VPS, "%u processors, at most %u", cfg->nvps, HV_MAX_VPS);
    hv->cfg = *cfg;
    make_offer(hv, cfg);
    hv->tree = tree;
    hv->memory = memory;
    hv->clock = clock;
    overlay_init(&hv->hypercall_page, hv, OVERLAY_HYPERCALL, ACCESS_READ | ACCESS_EXECUTE);
    overlay_init(&hv->tsc_page, hv, OVERLAY_REFERENCE_TSC, ACCESS_READ);
    notify_init(hv);
    reftime_init(hv);
    return hv;
}

void hv_add_vp(struct hv *hv, struct cpu *cpu, const struct apic_ops *apic, void *apic_self)
{
    invariant(hv->nvps < hv->cfg.nvps && cpu_index(cpu) == hv->nvps, "processor %u added as VP %u of %u", cpu_index(cpu),
              hv->nvps, hv->cfg.nvps);
    if (hv->cfg.phys_bits == 0)
        hv->cfg.phys_bits = cpu_physical_bits(cpu);
    hv->vps[hv->nvps] = vp_create(hv, cpu, apic, apic_self);
    hv->nvps++;
}

void hv_set_zeroed(struct hv *hv, uint64_t gpa, uint64_t pages)
{
    hv->state.zeroed_gpa = gpa;
    hv->state.zeroed_pages = pages;
}

void hv_set_trace(struct hv *hv, void (*trace)(void *self, const char *line), void *self)
{
    hv->cfg.trace = trace;
    hv->cfg.trace_self = self;
}

struct ram *hv_overlay_ram(struct hv *hv)
{
    return hv->ram;
}

/* ---- struct cpu_host ---- */

static unsigned page_rights(void *self, struct cpu *cpu, gpa_t page)
{
    const struct vp *vp = self;
    const struct hv *hv = vp->hv;

    (void)cpu;
    if (overlay_seen_at(&hv->hypercall_page, page))
        return hv->hypercall_page.rights;
    if (overlay_seen_at(&hv->tsc_page, page))
        return hv->tsc_page.rights;
    return ACCESS_READ | ACCESS_WRITE | ACCESS_EXECUTE;
}

/* A write to the hypercall page is #GP (3.13), any other access that an overlay disallows is #MC (8.8, decision 6). */
static enum intercept page_denied(void *self, struct cpu *cpu, const struct page_fault *f)
{
    const struct vp *vp = self;
    gpa_t page = f->gpa & PAGE_MASK;

    if (overlay_seen_at(&vp->hv->hypercall_page, page))
        cpu_raise(cpu, VECTOR_GP, 0);
    else if (overlay_seen_at(&vp->hv->tsc_page, page))
        cpu_raise(cpu, VECTOR_MC, 0);
    else
        return PASS;
    return RAISED;
}

const struct cpu_host hv_cpu_host = {
    .page_rights = page_rights, .page_denied = page_denied, .hypercall = hv_hypercall, .cpuid = hv_cpuid,
    .rdmsr = hv_rdmsr, .wrmsr = hv_wrmsr,
};
