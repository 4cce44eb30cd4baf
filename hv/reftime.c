/* SPDX-License-Identifier: MIT
 * Partition reference time, TLFS 6.0b 12.4 and 12.7: the counter MSR, the reference TSC page and the frequencies.
 *
 * Reference time is defined by the formula that the page gives to the guest, applied to the clock's TSC, so that a
 * guest that mixes MSR reads and page reads sees one clock to the last bit:
 *     ((clock TSC - tsc_shift) * tsc_scale >> 64) + ref_shift */
#include "hv/internal.h"
#include "hv/msr.h"

#define REFERENCE_HZ    10000000u
#define NS_PER_SECOND   1000000000u

typedef unsigned __int128 u128;

/* Rounded up, so that whole ticks come out whole; the error stays below one TSC tick for centuries. */
void reftime_init(struct hv *hv)
{
    u128 ticks = ((u128)REFERENCE_HZ << 64) + hv->cfg.tsc_hz - 1;

    invariant(hv->cfg.tsc_hz > REFERENCE_HZ, "a TSC of %llu Hz is slower than reference time",
              (unsigned long long)hv->cfg.tsc_hz);
    hv->tsc_scale = (uint64_t)(ticks / hv->cfg.tsc_hz);
}

static uint64_t tsc_at(const struct hv *hv, uint64_t ns)
{
    return (uint64_t)((u128)ns * hv->cfg.tsc_hz / NS_PER_SECOND);
}

static uint64_t scaled(const struct hv *hv, uint64_t tsc)
{
    return (uint64_t)((u128)tsc * hv->tsc_scale >> 64);
}

/* A processor reset zeroes its TSC too, so the formula starts at the same point. */
void reftime_restart(struct hv *hv)
{
    hv->state.tsc_shift = tsc_at(hv, clock_ns(hv->clock));
    hv->state.ref_shift = 0;
    hv->state.tsc_sequence = 1;
}

static uint64_t reftime_at(const struct hv *hv, uint64_t ns)
{
    return scaled(hv, tsc_at(hv, ns) - hv->state.tsc_shift) + hv->state.ref_shift;
}

uint64_t reftime_now(const struct hv *hv)
{
    return reftime_at(hv, clock_ns(hv->clock));
}

uint64_t hv_reference_time(const struct hv *hv)
{
    return reftime_now(hv);
}

#define TICK_NS 100u

uint64_t reftime_to_ns(const struct hv *hv, uint64_t time)
{
    uint64_t now = clock_ns(hv->clock), at = reftime_at(hv, now), ns;

    if (time <= at)
        return now;
    if (time - at > (TIMER_OFF - now) / TICK_NS - 1)
        return TIMER_OFF;
    ns = now + (time - at) * TICK_NS;           /* at most one tick late, as `at` was rounded down */
    for (unsigned n = 0; n < TICK_NS && ns > now && reftime_at(hv, ns - 1) >= time; n++)
        ns--;
    for (unsigned n = 0; n < TICK_NS && reftime_at(hv, ns) < time; n++)
        ns++;
    return ns;
}

/* TLFS 12.1.2: successive reads, by whichever processor, return increasing values. A read within the tick of the one
 * before waits for the next tick. */
uint64_t reftime_read(struct hv *hv)
{
    uint64_t now = reftime_now(hv), next = hv->state.next_ref;

    if (now + 1 == next) {
        clock_skip_to(hv->clock, reftime_to_ns(hv, next));
        if (clock_next_deadline(hv->clock) <= clock_ns(hv->clock) && hv->clock->deadline_moved != NULL)
            hv->clock->deadline_moved(hv->clock->deadline_arg);
    }
    hv->state.next_ref = (now < next ? next : now) + 1;
    return hv->state.next_ref - 1;
}

void reftime_page_changed(struct hv *hv)
{
    struct hv_reference_tsc_page *page = overlay_bytes(&hv->tsc_page);

    page->tsc_sequence = hv->state.tsc_sequence;
    page->tsc_scale = hv->tsc_scale;
    page->tsc_offset = (int64_t)hv->state.ref_shift;
    overlay_wrote(&hv->tsc_page, 0, 24);
}

/* The page must match the TSC the guest reads, which differs from the clock's after a write to
 * IA32_TIME_STAMP_COUNTER: shift the formula to the enabling processor's TSC without a jump of reference time. */
static void anchor_to(struct hv *hv, struct cpu *cpu)
{
    uint64_t now = clock_ns(hv->clock), tsc = cpu_tsc(cpu), shift = tsc_at(hv, now) - tsc;
    uint64_t reference = reftime_at(hv, now);

    if (tsc >> 63) {                    /* would wrap in our lifetime: the guest has to use the MSR (TLFS 12.7.3.2) */
        hv->state.tsc_sequence = 0;
        return;
    }
    if (shift != hv->state.tsc_shift) {
        hv->state.ref_shift = reference - scaled(hv, tsc);
        hv->state.tsc_shift = shift;
        hv->state.tsc_sequence++;
    }
    if (hv->state.tsc_sequence == 0)    /* wrapped, or was not valid */
        hv->state.tsc_sequence = 1;
}

bool msr_read_time_ref_count(struct vp *vp, unsigned index, uint64_t *value)
{
    (void)index;
    *value = reftime_read(vp->hv);
    return true;
}

bool msr_read_reference_tsc(struct vp *vp, unsigned index, uint64_t *value)
{
    (void)index;
    *value = vp->hv->state.reference_tsc;
    return true;
}

bool msr_write_reference_tsc(struct vp *vp, unsigned index, uint64_t value)
{
    struct hv *hv = vp->hv;

    (void)index;
    hv->state.reference_tsc = value & (HV_PAGE_MSR_ENABLE | PAGE_MASK);
    if (value & HV_PAGE_MSR_ENABLE)
        anchor_to(hv, vp->cpu);
    reftime_page_changed(hv);
    overlay_place(&hv->tsc_page, hv->state.reference_tsc);
    return true;
}

bool msr_read_frequency(struct vp *vp, unsigned index, uint64_t *value)
{
    *value = index == 0 ? vp->hv->cfg.tsc_hz : vp->hv->cfg.apic_hz;
    return true;
}

/* ---- reenlightenment, TLFS 16.6. The TSC's rate is part of a machine and moves with it, so no notification is ever
 * due and no access is ever emulated: the registers keep what the guest asked for. ---- */

bool msr_read_reenlightenment_control(struct vp *vp, unsigned index, uint64_t *value)
{
    (void)index;
    *value = vp->hv->state.reenlightenment;
    return true;
}

bool msr_write_reenlightenment_control(struct vp *vp, unsigned index, uint64_t value)
{
    (void)index;
    if (value & HV_REENLIGHTENMENT_RSVDZ)
        return false;
    if ((value & HV_REENLIGHTENMENT_ENABLED) && HV_REENLIGHTENMENT_VECTOR(value) < 16)
        return false;           /* must be a fixed interrupt's */
    vp->hv->state.reenlightenment = value;
    return true;
}

bool msr_read_tsc_emulation_control(struct vp *vp, unsigned index, uint64_t *value)
{
    (void)index;
    *value = vp->hv->state.tsc_emulation;
    return true;
}

bool msr_write_tsc_emulation_control(struct vp *vp, unsigned index, uint64_t value)
{
    (void)index;
    if (value & ~HV_TSC_EMULATION_ENABLED)
        return false;
    vp->hv->state.tsc_emulation = value;
    return true;
}

bool msr_read_tsc_emulation_status(struct vp *vp, unsigned index, uint64_t *value)
{
    (void)vp;
    (void)index;
    *value = 0;                 /* InProgress is never set */
    return true;
}

bool msr_write_tsc_emulation_status(struct vp *vp, unsigned index, uint64_t value)
{
    (void)vp;
    (void)index;
    (void)value;                /* writing zero ends an emulation, of which there is none */
    return true;
}
