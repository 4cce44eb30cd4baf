/* SPDX-License-Identifier: MIT
 * SynIC messages, TLFS 6.0b 11.3 and 11.4: queues, delivery into the slots of the SIM page, the pending flag, redelivery on
 * EOM, EOI and after a while. */
#include "hv/synic/synic.h"

#include <stdlib.h>
#include <string.h>

#include "hv/trace.h"

/* How long a message that found its slot full waits when the guest tells of nothing (11.4: "typically milliseconds"). */
#define RETRY_NS    5000000u

bool message_possible(const struct vp *vp)
{
    return synic_enabled(vp) && (vp->state.simp & HV_PAGE_MSR_ENABLE) != 0;
}

unsigned message_waiting(const struct vp *vp, uint32_t source)
{
    unsigned n = 0;

    for (size_t k = 0; k < vp->nqueue; k++)
        n += vp->queue[k].source == source;
    return n;
}

void message_queue(struct vp *vp, unsigned sint, uint32_t source, const struct hv_message *message)
{
    if (vp->nqueue == vp->queue_room) {
        vp->queue_room = vp->queue_room * 2 + 16;
        vp->queue = realloc(vp->queue, vp->queue_room * sizeof *vp->queue);
        invariant(vp->queue != NULL, "out of memory for messages");
    }
    vp->queue[vp->nqueue++] = (struct queued_message){ sint, source, *message };
    TRACE(vp->hv, vp, "11.4", "message %#x (%s) queued for SINT%u", message->message_type,
          trace_message_name(message->message_type), sint);
}

static void dequeue(struct vp *vp, size_t at)
{
    vp->nqueue--;
    memmove(&vp->queue[at], &vp->queue[at + 1], (vp->nqueue - at) * sizeof *vp->queue);
}

void message_forget(struct vp *vp, uint32_t source)
{
    for (size_t k = vp->nqueue; k-- > 0;)
        if (vp->queue[k].source == source)
            dequeue(vp, k);
}

/* ---- delivery ---- */

static struct hv_message *slot(const struct vp *vp, unsigned sint)
{
    return &((struct hv_message_page *)overlay_bytes(&vp->sim))->sint_message[sint];
}

static void set_retry(struct vp *vp, uint64_t due_ns)
{
    vp->state.retry_due_ns = due_ns;
    timer_set(vp->hv->clock, &vp->retry, due_ns);
}

static void fill_slot(struct vp *vp, struct hv_message *to, const struct queued_message *from)
{
    *to = from->message;
    if (from->source < HV_STIMER_COUNT)
        store64(to->payload + offsetof(struct hv_timer_message_payload, delivery_time), reftime_now(vp->hv));
    overlay_wrote(&vp->sim, from->sint * sizeof(struct hv_message), sizeof(struct hv_message));
}

/* Tell the guest that emptying this slot is not enough (11.10.3). */
static void flag_pending(struct vp *vp, unsigned sint)
{
    slot(vp, sint)->message_flags |= HV_MESSAGE_FLAG_PENDING;
    overlay_wrote(&vp->sim, sint * sizeof(struct hv_message), sizeof(struct hv_message));
}

/* Take entry `at` out of the queue into its empty slot. */
static void deliver_one(struct vp *vp, size_t at)
{
    uint32_t sint = vp->queue[at].sint, source = vp->queue[at].source;

    fill_slot(vp, slot(vp, sint), &vp->queue[at]);
    vp->hv->counts.messages++;
    TRACE(vp->hv, vp, "11.4", "message %#x delivered to SINT%u", vp->queue[at].message.message_type, sint);
    dequeue(vp, at);
    if (source < HV_STIMER_COUNT)
        stimer_buffer_free(vp, source);
    synic_interrupt(vp, sint);
}

void message_deliver(struct vp *vp)
{
    size_t at = 0;

    if (!message_possible(vp) || vp->nqueue == 0) {
        set_retry(vp, TIMER_OFF);
        return;
    }
    while (at < vp->nqueue) {
        if (slot(vp, vp->queue[at].sint)->message_type == HvMessageTypeNone)
            deliver_one(vp, at);
        else
            flag_pending(vp, vp->queue[at++].sint);
    }
    set_retry(vp, vp->nqueue != 0 ? clock_ns(vp->hv->clock) + RETRY_NS : TIMER_OFF);
}

void message_after_eoi(void *arg, unsigned vector)
{
    struct vp *vp = arg;

    (void)vector;
    if (vp->nqueue != 0)
        message_deliver(vp);
}

static void retry(void *arg)
{
    message_deliver(arg);
}

/* ---- the VP's device ---- */

void message_init(struct vp *vp)
{
    timer_init(vp->hv->clock, &vp->retry, "synic retry", retry, vp);
}

void message_reset(struct vp *vp)
{
    vp->nqueue = 0;
    set_retry(vp, TIMER_OFF);
}

void message_loaded(struct vp *vp)
{
    timer_set(vp->hv->clock, &vp->retry, vp->state.retry_due_ns);
}

void message_save(const struct vp *vp, struct writer *out)
{
    writer_uint(out, 4, vp->nqueue);
    for (size_t k = 0; k < vp->nqueue; k++) {
        writer_uint(out, 4, vp->queue[k].sint);
        writer_uint(out, 4, vp->queue[k].source);
        writer_copy(out, &vp->queue[k].message, sizeof(struct hv_message));
    }
}

struct err message_load(struct vp *vp, struct reader *in)
{
    uint64_t count = reader_uint(in, 4);

    vp->nqueue = 0;
    for (uint64_t k = 0; k < count && !in->failed; k++) {
        uint32_t sint = (uint32_t)reader_uint(in, 4), source = (uint32_t)reader_uint(in, 4);
        struct hv_message message;

        reader_copy(in, &message, sizeof message);
        if (sint >= HV_SYNIC_SINT_COUNT)
            return err_make(ERR_FORMAT, "a queued message names SINT %u", sint);
        if (!in->failed)
            message_queue(vp, sint, source, &message);
    }
    return in->failed ? err_make(ERR_FORMAT, "the saved message queue is cut short") : OK;
}

uint64_t message_hash(const struct vp *vp, uint64_t seed)
{
    for (size_t k = 0; k < vp->nqueue; k++)
        seed = bytes_hash(&vp->queue[k], sizeof vp->queue[k], seed);
    return bytes_hash(&vp->nqueue, sizeof vp->nqueue, seed);
}
