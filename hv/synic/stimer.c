/* SPDX-License-Identifier: MIT
 * Synthetic timers, TLFS 6.0b 12.5: four per VP, one-shot or periodic, told by message or (direct mode, 12.2) by interrupt.
 * Expirations are in reference time; the clock's timers run in virtual nanoseconds. */
#include "hv/synic/synic.h"

#include "hv/msr.h"
#include "hv/trace.h"

static void arm(struct vp *vp, unsigned n, uint64_t expiry)
{
    vp->state.stimer_expiry[n] = expiry;
    vp->state.stimer_due_ns[n] = reftime_to_ns(vp->hv, expiry);
    timer_set(vp->hv->clock, &vp->stimers[n].timer, vp->state.stimer_due_ns[n]);
}

static void disarm(struct vp *vp, unsigned n)
{
    vp->state.stimer_expiry[n] = 0;
    vp->state.stimer_due_ns[n] = TIMER_OFF;
    timer_cancel(vp->hv->clock, &vp->stimers[n].timer);
}

/* Each timer owns one message buffer (11.3.2); an expiration that finds it in use waits for it, later ones are skipped. */
static void send_message(struct vp *vp, unsigned n, uint64_t expiry)
{
    struct hv_timer_message_payload payload = { .timer_index = n, .expiration_time = expiry };
    struct hv_message message = { .message_type = (uint32_t)HvMessageTimerExpired, .payload_size = sizeof payload };

    if (message_waiting(vp, TIMER_SOURCE(n)) != 0) {
        if (vp->state.stimer_missed[n] == 0)
            vp->state.stimer_missed[n] = expiry;
        return;
    }
    __builtin_memcpy(message.payload, &payload, sizeof payload);
    message_queue(vp, HV_STIMER_SINT(vp->state.stimer_config[n]), TIMER_SOURCE(n), &message);
}

static void expire(struct vp *vp, unsigned n, uint64_t now)
{
    uint64_t config = vp->state.stimer_config[n], expiry = vp->state.stimer_expiry[n], period = vp->state.stimer_count[n];

    vp->hv->counts.timers++;
    TRACE(vp->hv, vp, "12.5", "timer %u expires at %llu, due at %llu", n, (unsigned long long)now, (unsigned long long)expiry);
    if (config & HV_STIMER_PERIODIC) {
        arm(vp, n, expiry + ((now - expiry) / period + 1) * period);    /* skips what was missed (12.1.4) */
    } else {
        vp->state.stimer_config[n] &= ~HV_STIMER_ENABLE;
        disarm(vp, n);
    }
    if (config & HV_STIMER_DIRECT) {
        vp->apic->request(vp->apic_self, HV_STIMER_VECTOR(config), APIC_EDGE);
    } else {
        send_message(vp, n, expiry);
        message_deliver(vp);
    }
}

static void fire(void *arg)
{
    struct stimer *t = arg;
    uint64_t now = reftime_now(t->vp->hv), expiry = t->vp->state.stimer_expiry[t->index];

    if (now < expiry)
        arm(t->vp, t->index, expiry);   /* never early (12.1.3) */
    else
        expire(t->vp, t->index, now);
}

/* Begin counting if enabled. A count of zero means that none was given yet. */
static void start(struct vp *vp, unsigned n)
{
    uint64_t config = vp->state.stimer_config[n], count = vp->state.stimer_count[n], now = reftime_now(vp->hv);

    disarm(vp, n);
    vp->state.stimer_missed[n] = 0;
    if ((config & HV_STIMER_ENABLE) == 0 || count == 0)
        return;
    if (config & HV_STIMER_PERIODIC) {
        arm(vp, n, count > UINT64_MAX - now ? UINT64_MAX : now + count);
    } else {
        vp->state.stimer_expiry[n] = count;
        if (count <= now)
            expire(vp, n, now);
        else
            arm(vp, n, count);
    }
}

/* Enabling a timer that would send messages to SINT0 disables it at once (12.5.1). */
static uint64_t allowed_config(uint64_t config)
{
    return HV_STIMER_SINT(config) == 0 && (config & HV_STIMER_DIRECT) == 0 ? config & ~HV_STIMER_ENABLE : config;
}

void stimer_buffer_free(struct vp *vp, unsigned index)
{
    uint64_t missed = vp->state.stimer_missed[index];

    vp->state.stimer_missed[index] = 0;
    if (missed != 0)
        send_message(vp, index, missed);
}

bool msr_read_stimer_config(struct vp *vp, unsigned index, uint64_t *value)
{
    *value = vp->state.stimer_config[index];
    return true;
}

bool msr_write_stimer_config(struct vp *vp, unsigned index, uint64_t value)
{
    if (value & HV_STIMER_RSVDZ)
        return false;
    if ((value & HV_STIMER_DIRECT) != 0 && !hv_offers(vp->hv, HV_GATE_DirectSyntheticTimers))
        return false;           /* a reserved bit then */
    vp->state.stimer_config[index] = allowed_config(value);
    start(vp, index);
    return true;
}

bool msr_read_stimer_count(struct vp *vp, unsigned index, uint64_t *value)
{
    *value = vp->state.stimer_count[index];
    return true;
}

bool msr_write_stimer_count(struct vp *vp, unsigned index, uint64_t value)
{
    uint64_t *config = &vp->state.stimer_config[index];

    vp->state.stimer_count[index] = value;
    if (value == 0)
        *config &= ~HV_STIMER_ENABLE;
    else if (*config & HV_STIMER_AUTO_ENABLE)
        *config = allowed_config(*config | HV_STIMER_ENABLE);
    start(vp, index);
    return true;
}

void stimer_init(struct vp *vp)
{
    for (unsigned n = 0; n < HV_STIMER_COUNT; n++) {
        vp->stimers[n].vp = vp;
        vp->stimers[n].index = n;
        timer_init(vp->hv->clock, &vp->stimers[n].timer, "synthetic timer", fire, &vp->stimers[n]);
    }
}

void stimer_reset(struct vp *vp)
{
    for (unsigned n = 0; n < HV_STIMER_COUNT; n++)
        disarm(vp, n);
}

/* Whoever made a state up may have armed a timer that no guest could. */
void stimer_loaded(struct vp *vp)
{
    for (unsigned n = 0; n < HV_STIMER_COUNT; n++) {
        if (vp->state.stimer_count[n] == 0)
            vp->state.stimer_due_ns[n] = TIMER_OFF;
        timer_set(vp->hv->clock, &vp->stimers[n].timer, vp->state.stimer_due_ns[n]);
    }
}
