/* SPDX-License-Identifier: MIT
 * Synthetic MSRs: dispatch by row, and the registers too small for a file: identity, hypercall page, reset, crash. */
#include "hv/msr.h"

#include "hv/trace.h"

#define VECTOR_GP 13u

const struct msr_row msr_rows[] = {
#define MSR_RW(number, name, privilege, index, handler) \
    { number, index, HV_GATE_##privilege, #name, msr_read_##handler, msr_write_##handler },
#define MSR_R(number, name, privilege, index, handler) \
    { number, index, HV_GATE_##privilege, #name, msr_read_##handler, NULL },
#define MSR_W(number, name, privilege, index, handler) \
    { number, index, HV_GATE_##privilege, #name, NULL, msr_write_##handler },
#include "hv/msrs.def"
#undef MSR_RW
#undef MSR_R
#undef MSR_W
};
const unsigned msr_nrows = COUNT_OF(msr_rows);

#define FIRST_MSR 0x40000000u
enum {
#define MSR_RW(number, name, ...) ROW_##name,
#define MSR_R(number, name, ...) ROW_##name,
#define MSR_W(number, name, ...) ROW_##name,
#include "hv/msrs.def"
#undef MSR_RW
#undef MSR_R
#undef MSR_W
};
static const uint8_t row_after[] = {
#define MSR_RW(number, name, ...) [(number) - FIRST_MSR] = ROW_##name + 1,
#define MSR_R(number, name, ...) [(number) - FIRST_MSR] = ROW_##name + 1,
#define MSR_W(number, name, ...) [(number) - FIRST_MSR] = ROW_##name + 1,
#include "hv/msrs.def"
#undef MSR_RW
#undef MSR_R
#undef MSR_W
};

const struct msr_row *msr_find(const struct vp *vp, uint32_t msr)
{
    unsigned n = msr - FIRST_MSR < COUNT_OF(row_after) ? row_after[msr - FIRST_MSR] : 0;

    return n != 0 && hv_offers(vp->hv, msr_rows[n - 1].gate) ? &msr_rows[n - 1] : NULL;
}

static enum intercept gp(struct cpu *cpu)
{
    cpu_raise(cpu, VECTOR_GP, 0);
    return RAISED;
}

enum intercept hv_rdmsr(void *self, struct cpu *cpu, uint32_t msr, uint64_t *value)
{
    struct vp *vp = self;
    const struct msr_row *row = msr_find(vp, msr);

    bool ok;

    if (row == NULL)
        return PASS;
    vp->hv->counts.msr_reads++;
    ok = row->read != NULL && row->read(vp, row->index, value);
    if (hv_traced(vp->hv))
        trace_msr(vp, row, false, *value, !ok);
    return ok ? DONE : gp(cpu);
}

enum intercept hv_wrmsr(void *self, struct cpu *cpu, uint32_t msr, uint64_t value)
{
    struct vp *vp = self;
    const struct msr_row *row = msr_find(vp, msr);

    bool ok;

    if (row == NULL)
        return PASS;
    vp->hv->counts.msr_writes++;
    ok = row->write != NULL && row->write(vp, row->index, value);
    if (hv_traced(vp->hv))
        trace_msr(vp, row, true, value, !ok);
    return ok ? DONE : gp(cpu);
}

/* ---- identity and the hypercall page, TLFS 2.6 and 3.13 ---- */

static void place_hypercall_page(struct hv *hv)
{
    overlay_place(&hv->hypercall_page, hv->state.hypercall);
}

bool msr_read_guest_os_id(struct vp *vp, unsigned index, uint64_t *value)
{
    (void)index;
    *value = vp->hv->state.guest_os_id;
    return true;
}

bool msr_write_guest_os_id(struct vp *vp, unsigned index, uint64_t value)
{
    struct hv *hv = vp->hv;

    (void)index;
    hv->state.guest_os_id = value;
    if (value == 0) {
        hv->state.hypercall &= ~HV_HYPERCALL_MSR_ENABLE;
        place_hypercall_page(hv);
    }
    return true;
}

bool msr_read_hypercall(struct vp *vp, unsigned index, uint64_t *value)
{
    (void)index;
    *value = vp->hv->state.hypercall;
    return true;
}

bool msr_write_hypercall(struct vp *vp, unsigned index, uint64_t value)
{
    struct hv *hv = vp->hv;

    (void)index;
    if (hv->state.hypercall & HV_HYPERCALL_MSR_LOCKED)
        return false;
    if (!hv_gpa_valid(hv, HV_PAGE_MSR_GPA(value)))
        return false;
    value &= HV_HYPERCALL_MSR_ENABLE | HV_HYPERCALL_MSR_LOCKED | PAGE_MASK;
    if (!hv_offers(hv, HV_GATE_HypercallMsrLockAvailable))
        value &= ~HV_HYPERCALL_MSR_LOCKED;
    if (hv->state.guest_os_id == 0)
        value &= ~HV_HYPERCALL_MSR_ENABLE;
    hv->state.hypercall = value;
    place_hypercall_page(hv);
    return true;
}

/* ---- reset, TLFS 4.2.2; layout of TLFS 2.0 6.3.5 ---- */

bool msr_read_reset(struct vp *vp, unsigned index, uint64_t *value)
{
    (void)vp;
    (void)index;
    *value = 0;
    return true;
}

bool msr_write_reset(struct vp *vp, unsigned index, uint64_t value)
{
    const struct hv_config *cfg = &vp->hv->cfg;

    (void)index;
    if (value & ~HV_RESET_MSR_RESET)
        return false;
    if (value != 0)
        cfg->reset(cfg->reset_self);
    return true;
}

/* ---- crash, TLFS 4.3 ---- */

bool msr_read_crash_p(struct vp *vp, unsigned index, uint64_t *value)
{
    *value = vp->hv->state.crash_p[index];
    return true;
}

bool msr_write_crash_p(struct vp *vp, unsigned index, uint64_t value)
{
    vp->hv->state.crash_p[index] = value;
    return true;
}

bool msr_read_crash_ctl(struct vp *vp, unsigned index, uint64_t *value)
{
    (void)vp;
    (void)index;
    *value = HV_CRASH_CTL_NOTIFY | HV_CRASH_CTL_MESSAGE;
    return true;
}

/* The message is honoured only together with the notification (4.3.1.1); P3 is where it lies, P4 how long it is. */
bool msr_write_crash_ctl(struct vp *vp, unsigned index, uint64_t value)
{
    struct hv *hv = vp->hv;
    const uint64_t *p = hv->state.crash_p;
    char text[HV_CRASH_MESSAGE_MAX];
    size_t len = 0;

    (void)index;
    if ((value & HV_CRASH_CTL_NOTIFY) == 0 || hv->cfg.crash == NULL)
        return true;
    if ((value & HV_CRASH_CTL_MESSAGE) && hv_gpa_valid(hv, p[3])) {
        len = p[4] < HV_CRASH_MESSAGE_MAX ? (size_t)p[4] : HV_CRASH_MESSAGE_MAX;
        space_read_bytes(hv->memory, p[3], text, len);
    }
    hv->cfg.crash(hv->cfg.crash_self, p, text, len);
    return true;
}
