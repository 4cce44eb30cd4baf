/* SPDX-License-Identifier: MIT
 * A virtual processor's hypervisor half: its device, index, run time and VP assist page, TLFS 6.0b 7.8 and 7.9. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hv/hypercall.h"
#include "hv/msr.h"
#include "hv/reg.h"
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

/* ---- idle, TLFS 7.5: the read returns when an interrupt arrives, be it masked or not ---- */

bool msr_read_guest_idle(struct vp *vp, unsigned index, uint64_t *value)
{
    (void)index;
    cpu_sleep(vp->cpu);
    *value = 0;
    return true;
}

/* ---- NPIEP, TLFS 8.12 ---- */

bool msr_read_npiep_config(struct vp *vp, unsigned index, uint64_t *value)
{
    (void)index;
    *value = vp->state.npiep;
    return true;
}

bool msr_write_npiep_config(struct vp *vp, unsigned index, uint64_t value)
{
    (void)index;
    vp->state.npiep = value & HV_NPIEP_ALL;
    cpu_set_npiep(vp->cpu, (unsigned)vp->state.npiep);
    return true;
}

_Static_assert(HV_NPIEP_ALL == (NPIEP_SGDT | NPIEP_SIDT | NPIEP_SLDT | NPIEP_STR) && NPIEP_SGDT == 1 && NPIEP_STR == 8,
               "the register's bits are the processor's");

/* ---- VP assist page, TLFS 7.8.7, and the EOI assist in its first word, 10.3.5 ---- */

static bool get_no_eoi_required(void *arg)
{
    const struct hv_vp_assist_page *page = overlay_bytes(&((const struct vp *)arg)->assist);

    return (page->apic_assist & HV_APIC_ASSIST_NO_EOI_REQUIRED) != 0;
}

static bool set_no_eoi_required(void *arg, bool no_eoi_required)
{
    struct vp *vp = arg;
    struct hv_vp_assist_page *page = overlay_bytes(&vp->assist);

    if (no_eoi_required && !vp->assist.placed)
        return false;
    page->apic_assist = no_eoi_required ? HV_APIC_ASSIST_NO_EOI_REQUIRED : 0;
    overlay_wrote(&vp->assist, 0, sizeof page->apic_assist);
    return true;
}

static const struct apic_assist eoi_assist = { get_no_eoi_required, set_no_eoi_required };

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

/* ---- HvStartVirtualProcessor, TLFS 7.10.3 ---- */

#define MSR_PAT     0x277u
#define CR0_PE      BIT64(0)
#define CR0_PG      BIT64(31)
#define CR4_PAE     BIT64(5)
#define EFER_LME    BIT64(8)
#define EFER_LMA    BIT64(10)

/* Protected mode, and long mode only whole. */
static bool mode_consistent(const struct hv_initial_vp_context *c)
{
    bool lme = (c->efer & EFER_LME) != 0, lma = (c->efer & EFER_LMA) != 0, paging = (c->cr0 & CR0_PG) != 0;

    return (c->cr0 & CR0_PE) != 0 && lma == (lme && paging) && (!lma || (c->cr4 & CR4_PAE) != 0);
}

static bool load_segments(struct vp *vp, const struct hv_initial_vp_context *c)
{
    const struct { enum cpu_reg selector; const struct hv_x64_segment_register *from; } segments[] = {
        { CPU_REG_CS, &c->cs }, { CPU_REG_DS, &c->ds }, { CPU_REG_ES, &c->es }, { CPU_REG_FS, &c->fs },
        { CPU_REG_GS, &c->gs }, { CPU_REG_SS, &c->ss }, { CPU_REG_TR, &c->tr }, { CPU_REG_LDTR, &c->ldtr },
    };

    for (unsigned n = 0; n < COUNT_OF(segments); n++)
        if (reg_set_segment(vp, segments[n].selector, segments[n].from) != HV_STATUS_SUCCESS)
            return false;
    return reg_set_table(vp, CPU_REG_IDTR_BASE, &c->idtr) == HV_STATUS_SUCCESS &&
           reg_set_table(vp, CPU_REG_GDTR_BASE, &c->gdtr) == HV_STATUS_SUCCESS;
}

static bool load_context(struct vp *vp, const struct hv_initial_vp_context *c)
{
    const struct { enum cpu_reg reg; uint64_t value; } registers[] = {
        { CPU_REG_EFER, c->efer }, { CPU_REG_CR4, c->cr4 }, { CPU_REG_CR0, c->cr0 }, { CPU_REG_CR3, c->cr3 },
        { CPU_REG_RFLAGS, c->rflags }, { CPU_REG_RSP, c->rsp }, { CPU_REG_RIP, c->rip },
    };

    for (unsigned n = 0; n < COUNT_OF(registers); n++)
        if (reg_set_cpu(vp, registers[n].reg, registers[n].value) != HV_STATUS_SUCCESS)
            return false;
    return load_segments(vp, c) && cpu_write_msr(vp->cpu, MSR_PAT, c->msr_cr_pat);
}

/* As INIT and SIPI would, but for the state it starts in. */
HC_HANDLER(StartVirtualProcessor)
{
    const struct hv_input_start_virtual_processor *in = call->input;
    struct vp *target;
    enum hv_status status = vp_named(call->vp, &in->target, &target);

    if (status != HV_STATUS_SUCCESS)
        return status;
    if ((in->target.target_vtl & ~HV_INPUT_VTL_USE_TARGET) != 0)
        return HV_STATUS_INVALID_VTL_STATE;
    if (!cpu_waits_for_start(target->cpu))
        return HV_STATUS_INVALID_VP_STATE;
    if (!mode_consistent(&in->context))
        return HV_STATUS_INVALID_REGISTER_VALUE;
    if (!load_context(target, &in->context)) {
        cpu_reset(target->cpu, true);
        return HV_STATUS_INVALID_REGISTER_VALUE;
    }
    cpu_begin(target->cpu);
    return HV_STATUS_SUCCESS;
}

/* ---- device ---- */

static void reset(struct device *dev)
{
    struct vp *vp = (struct vp *)dev;

    memset(&vp->state, 0, sizeof vp->state);
    for (unsigned n = 0; n < HV_SYNIC_SINT_COUNT; n++)
        vp->state.sint[n] = HV_SINT_RESET;
    vp->state.runtime_retired = cpu_stats(vp->cpu)->retired;
    vp->state.unhalted_due_ns = TIMER_OFF;
    cpu_set_npiep(vp->cpu, 0);
    stimer_reset(vp);
    unhalted_loaded(vp);
    message_reset(vp);
    memset(pages(vp), 0, PAGES_BYTES);
    overlay_wrote(&vp->sim, 0, PAGES_BYTES);
    place_pages(vp);
}

static void loaded(struct device *dev)
{
    struct vp *vp = (struct vp *)dev;

    cpu_set_npiep(vp->cpu, (unsigned)vp->state.npiep);
    stimer_loaded(vp);
    unhalted_loaded(vp);
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
    unhalted_init(vp);
    message_init(vp);
    if (apic->on_eoi != NULL)
        apic->on_eoi(apic_self, message_after_eoi, vp);
    if (apic->assist != NULL)
        apic->assist(apic_self, &eoi_assist, vp);
    cpu_set_host(cpu, &hv_cpu_host, vp);
    return vp;
}
