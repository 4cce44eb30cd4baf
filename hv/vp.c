/* SPDX-License-Identifier: MIT
 * A virtual processor's hypervisor half: its device, index, run time and VP assist page, TLFS 6.0b 7.8 and 7.9. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hv/msr.h"
#include "hv/synic/synic.h"

STATE_SCHEMA(vp_state, VP_STATE);

static uint32_t page_of(const struct vp *vp, unsigned which)
{
    return OVERLAY_PARTITION_PAGES + vp->index * OVERLAY_VP_PAGES + which;
}

static uint8_t *pages(const struct vp *vp)
{
    return overlay_bytes(&vp->sim);             /* the first of the VP's */
}

#define PAGES_BYTES ((size_t)OVERLAY_VP_PAGES * PAGE_SIZE)

static void place_pages(struct vp *vp)
{
    overlay_place(&vp->sim, vp->state.simp);
    overlay_place(&vp->sief, vp->state.siefp);
    overlay_place(&vp->assist, vp->state.assist_page);
}

/* ---- run time, TLFS 7.9.1 ---- */

/* Time passes only for the processor whose turn it is, so its run time is what its instructions took. */
static void account(struct vp *vp)
{
    uint64_t retired = cpu_stats(vp->cpu)->retired;

    vp->state.runtime_ps += (retired - vp->state.runtime_retired) * vp->hv->clock->state.ps_per_insn;
    vp->state.runtime_retired = retired;
}

uint64_t vp_runtime(struct vp *vp)
{
    account(vp);
    return vp->state.runtime_ps / 100000u;      /* 100 ns */
}

bool msr_read_vp_runtime(struct vp *vp, unsigned index, uint64_t *value)
{
    (void)index;
    *value = vp_runtime(vp);
    return true;
}

bool msr_read_vp_index(struct vp *vp, unsigned index, uint64_t *value)
{
    (void)index;
    *value = vp->index;
    return true;
}

/* ---- VP assist page, TLFS 7.8.7. NoEoiRequired stays clear, which is always allowed. ---- */

bool msr_read_vp_assist_page(struct vp *vp, unsigned index, uint64_t *value)
{
    (void)index;
    *value = vp->state.assist_page;
    return true;
}

bool msr_write_vp_assist_page(struct vp *vp, unsigned index, uint64_t value)
{
    (void)index;
    vp->state.assist_page = value & (HV_PAGE_MSR_ENABLE | PAGE_MASK);
    overlay_place(&vp->assist, vp->state.assist_page);
    return true;
}

/* ---- device ---- */

static void reset(struct device *dev)
{
    struct vp *vp = (struct vp *)dev;

    memset(&vp->state, 0, sizeof vp->state);
    for (unsigned n = 0; n < HV_SYNIC_SINT_COUNT; n++)
        vp->state.sint[n] = HV_SINT_RESET;
    vp->state.runtime_retired = cpu_stats(vp->cpu)->retired;
    stimer_reset(vp);
    message_reset(vp);
    memset(pages(vp), 0, PAGES_BYTES);
    overlay_wrote(&vp->sim, 0, PAGES_BYTES);
    place_pages(vp);
}

static void loaded(struct device *dev)
{
    struct vp *vp = (struct vp *)dev;

    stimer_loaded(vp);
    message_loaded(vp);
    place_pages(vp);
}

static void destroy(struct device *dev)
{
    free(((struct vp *)dev)->queue);
}

static void save_more(struct device *dev, struct writer *out)
{
    const struct vp *vp = (const struct vp *)dev;

    writer_copy(out, pages(vp), PAGES_BYTES);
    message_save(vp, out);
}

static struct err load_more(struct device *dev, struct reader *in)
{
    struct vp *vp = (struct vp *)dev;

    reader_copy(in, pages(vp), PAGES_BYTES);
    overlay_wrote(&vp->sim, 0, PAGES_BYTES);
    return message_load(vp, in);
}

static uint64_t hash_more(struct device *dev, uint64_t seed)
{
    const struct vp *vp = (const struct vp *)dev;

    return message_hash(vp, bytes_hash(pages(vp), PAGES_BYTES, seed));
}

static const struct device_class vp_class = {
    .name = "vp", .size = sizeof(struct vp), .state = &vp_state_schema, .state_at = offsetof(struct vp, state),
    .reset = reset, .loaded = loaded, .destroy = destroy,
    .save_more = save_more, .load_more = load_more, .hash_more = hash_more,
};

struct vp *vp_create(struct hv *hv, struct cpu *cpu, const struct apic_ops *apic, void *apic_self)
{
    char name[16];
    struct vp *vp;

    snprintf(name, sizeof name, "vp.%u", hv->nvps);
    vp = (struct vp *)device_create(hv->tree, &vp_class, name);
    vp->hv = hv;
    vp->cpu = cpu;
    vp->index = hv->nvps;
    vp->apic = apic;
    vp->apic_self = apic_self;
    overlay_init(&vp->sim, hv, page_of(vp, OVERLAY_VP_SIM), ACCESS_READ | ACCESS_WRITE | ACCESS_EXECUTE);
    overlay_init(&vp->sief, hv, page_of(vp, OVERLAY_VP_SIEF), ACCESS_READ | ACCESS_WRITE | ACCESS_EXECUTE);
    overlay_init(&vp->assist, hv, page_of(vp, OVERLAY_VP_ASSIST), ACCESS_READ | ACCESS_WRITE | ACCESS_EXECUTE);
    stimer_init(vp);
    message_init(vp);
    if (apic->on_eoi != NULL)
        apic->on_eoi(apic_self, message_after_eoi, vp);
    cpu_set_host(cpu, &hv_cpu_host, vp);
    return vp;
}
