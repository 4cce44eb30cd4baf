/* SPDX-License-Identifier: MIT
 * Monitored notifications, TLFS 6.0b 11.7: triggers that a guest sets in a page of memory, at which the hypervisor looks now
 * and then, signalling the event that each names. */
#include "hv/synic/synic.h"

/* The latencies that guests ask for are taken between these bounds; without an enabled group there is nothing to hurry for. */
#define LEAST_NS    100000u
#define MOST_NS     10000000u
#define NO_GROUP_NS 100000000u

static struct hv_monitor_page *page(const struct hv *hv)
{
    return overlay_bytes(&hv->monitor_page);
}

static bool group_enabled(const struct hv *hv, unsigned group)
{
    return page(hv)->trigger_state >> group & 1;
}

/* 11.10.8.1: Armed defers a notification by a latency. One found pending for the first time is armed, and sent next time. */
static void look_at(struct hv *hv, unsigned group)
{
    struct hv_monitor_page *p = page(hv);
    uint32_t pending = p->group[group].pending, ready = pending & p->group[group].armed;

    if (pending == 0)
        return;
    p->group[group].pending = pending & ~ready;
    p->group[group].armed = pending & ~ready;
    overlay_wrote(&hv->monitor_page, offsetof(struct hv_monitor_page, group) + 8 * group, 8);
    for (; ready != 0; ready &= ready - 1) {
        const struct hv_monitor_parameter *to = &p->parameter[group][bits_lowest(ready)];

        (void)port_signal(hv, to->connection_id, to->flag_number);     /* an error makes it a no-operation (11.7.3) */
    }
}

/* How long until the next look: the lowest latency of an enabled group. */
static uint64_t wait_ns(const struct hv *hv)
{
    uint64_t least = NO_GROUP_NS;

    for (unsigned group = 0; group < HV_MONITOR_GROUPS; group++)
        for (unsigned n = 0; n < HV_MONITOR_TRIGGERS && group_enabled(hv, group); n++) {
            uint64_t ns = page(hv)->latency[group][n] * 100u;

            ns = ns < LEAST_NS ? LEAST_NS : ns > MOST_NS ? MOST_NS : ns;
            least = ns < least ? ns : least;
        }
    return least;
}

static void look_at_due(struct hv *hv, uint64_t due_ns)
{
    hv->state.monitor_due_ns = due_ns;
    timer_set(hv->clock, &hv->monitor, due_ns);
}

static void fire(void *arg)
{
    struct hv *hv = arg;

    for (unsigned group = 0; group < HV_MONITOR_GROUPS; group++)
        if (group_enabled(hv, group))
            look_at(hv, group);
    look_at_due(hv, clock_ns(hv->clock) + wait_ns(hv));
}

/* ---- the parent's side, hv.h ---- */

unsigned hv_show_monitor(struct hv *hv, uint64_t gpa)
{
    if ((gpa & (PAGE_SIZE - 1)) != 0 || !hv_gpa_valid(hv, gpa))
        return HV_STATUS_INVALID_PARAMETER;
    hv->state.monitor = gpa | HV_PAGE_MSR_ENABLE;
    overlay_place(&hv->monitor_page, hv->state.monitor);
    look_at_due(hv, clock_ns(hv->clock) + wait_ns(hv));
    return HV_STATUS_SUCCESS;
}

void hv_hide_monitor(struct hv *hv)
{
    hv->state.monitor = 0;
    overlay_place(&hv->monitor_page, 0);
    look_at_due(hv, TIMER_OFF);
}

/* ---- state ---- */

void notify_init(struct hv *hv)
{
    overlay_init(&hv->monitor_page, hv, OVERLAY_MONITOR, ACCESS_READ | ACCESS_WRITE);
    timer_init(hv->clock, &hv->monitor, "monitored notifications", fire, hv);
}

void notify_reset(struct hv *hv)
{
    __builtin_memset(page(hv), 0, PAGE_SIZE);
    overlay_wrote(&hv->monitor_page, 0, PAGE_SIZE);
    hv_hide_monitor(hv);
}

void notify_loaded(struct hv *hv)
{
    overlay_wrote(&hv->monitor_page, 0, PAGE_SIZE);
    overlay_place(&hv->monitor_page, hv->state.monitor);
    timer_set(hv->clock, &hv->monitor, hv->state.monitor_due_ns);
}
