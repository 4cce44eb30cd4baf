/* SPDX-License-Identifier: MIT
 * The synthetic time-unhalted timer, TLFS 6.0b 12.6: a periodic interrupt after so much time in which the processor was not
 * halted. Its time is the processor's run time, so a look in virtual time comes when it could have passed at the earliest. */
#include "hv/msr.h"
#include "hv/synic/synic.h"
#include "hv/trace.h"

#define TICK_NS     100u
#define IDLE_NS     1000000u            /* how often a halted processor is looked at */

static void look_at(struct vp *vp, uint64_t due_ns)
{
    vp->state.unhalted_due_ns = due_ns;
    timer_set(vp->hv->clock, &vp->unhalted, due_ns);
}

static void look_again(struct vp *vp)
{
    uint64_t now = clock_ns(vp->hv->clock), left = vp->state.unhalted_at - vp_runtime(vp);
    uint64_t ns = left > (TIMER_OFF - now) / TICK_NS - 1 ? TIMER_OFF - 1 - now : left * TICK_NS;

    look_at(vp, now + (cpu_idle(vp->cpu) && ns < IDLE_NS ? IDLE_NS : ns));
}

static void tell(struct vp *vp)
{
    unsigned vector = HV_UNHALTED_VECTOR(vp->state.unhalted_config);
    struct hv_vp_assist_page *page = overlay_bytes(&vp->assist);

    TRACE(vp->hv, vp, "12.6", "time-unhalted timer expires, vector %#x", vector);
    if (vp->state.assist_page & HV_PAGE_MSR_ENABLE) {
        page->synthetic_time_unhalted_timer_expired = 1;
        overlay_wrote(&vp->assist, offsetof(struct hv_vp_assist_page, synthetic_time_unhalted_timer_expired), 1);
    }
    if (vector == HV_UNHALTED_NMI)
        cpu_signal(vp->cpu, APIC_SIGNAL_NMI, 0);
    else
        vp->apic->request(vp->apic_self, vector, APIC_EDGE);
}

/* It "runs continuously between interrupts": the next period begins where this one ended. */
static void fire(void *arg)
{
    struct vp *vp = arg;
    uint64_t ran = vp_runtime(vp), period = vp->state.unhalted_count;

    if (ran >= vp->state.unhalted_at) {
        vp->state.unhalted_at += ((ran - vp->state.unhalted_at) / period + 1) * period;
        tell(vp);
    }
    look_again(vp);
}

static void start(struct vp *vp)
{
    uint64_t period = vp->state.unhalted_count, ran = vp_runtime(vp);

    if ((vp->state.unhalted_config & HV_UNHALTED_ENABLED) == 0 || period == 0 || period > UINT64_MAX - ran) {
        look_at(vp, TIMER_OFF);
        return;
    }
    vp->state.unhalted_at = ran + period;
    look_again(vp);
}

bool msr_read_unhalted_config(struct vp *vp, unsigned index, uint64_t *value)
{
    (void)index;
    *value = vp->state.unhalted_config;
    return true;
}

/* Vectors that no interrupt can have are #GP when enabled, but for NMI's. */
bool msr_write_unhalted_config(struct vp *vp, unsigned index, uint64_t value)
{
    unsigned vector = HV_UNHALTED_VECTOR(value);

    (void)index;
    if (value & HV_UNHALTED_RSVDZ)
        return false;
    if ((value & HV_UNHALTED_ENABLED) && vector < HV_SINT_MIN_VECTOR && vector != HV_UNHALTED_NMI)
        return false;
    vp->state.unhalted_config = value;
    start(vp);
    return true;
}

bool msr_read_unhalted_count(struct vp *vp, unsigned index, uint64_t *value)
{
    (void)index;
    *value = vp->state.unhalted_count;
    return true;
}

bool msr_write_unhalted_count(struct vp *vp, unsigned index, uint64_t value)
{
    (void)index;
    vp->state.unhalted_count = value;
    start(vp);
    return true;
}

void unhalted_init(struct vp *vp)
{
    timer_init(vp->hv->clock, &vp->unhalted, "time-unhalted timer", fire, vp);
}

/* Whoever made a state up may have armed what start() does not. */
void unhalted_loaded(struct vp *vp)
{
    if (vp->state.unhalted_count == 0)
        vp->state.unhalted_due_ns = TIMER_OFF;
    timer_set(vp->hv->clock, &vp->unhalted, vp->state.unhalted_due_ns);
}
