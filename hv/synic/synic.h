/* SPDX-License-Identifier: MIT
 * The synthetic interrupt controller, TLFS 6.0b chapters 11 and 12: registers, messages, event flags, timers, ports. */
#ifndef HV_SYNIC_SYNIC_H
#define HV_SYNIC_SYNIC_H

#include "hv/internal.h"

/* synic.c */
bool synic_enabled(const struct vp *vp);
bool synic_masked(const struct vp *vp, unsigned sint);
void synic_interrupt(struct vp *vp, unsigned sint);     /* edge-triggered; lost when masked, none when polled (11.8.5) */

/* message.c: one queue per SINT, kept as one list in posting order */
void message_queue(struct vp *vp, unsigned sint, uint32_t source, const struct hv_message *message);
void message_deliver(struct vp *vp);                    /* scan and deliver what can be (11.4) */
bool message_possible(const struct vp *vp);             /* SynIC and SIM page are enabled */
unsigned message_waiting(const struct vp *vp, uint32_t source);
void message_forget(struct vp *vp, uint32_t source);    /* its port was deleted */
void message_reset(struct vp *vp);
void message_init(struct vp *vp);
void message_loaded(struct vp *vp);
void message_save(const struct vp *vp, struct writer *out);
struct err message_load(struct vp *vp, struct reader *in) MUST_USE;
uint64_t message_hash(const struct vp *vp, uint64_t seed);
void message_after_eoi(void *vp, unsigned vector);      /* hook of apic_ops.on_eoi */

/* event.c */
enum hv_status event_signal(struct vp *vp, unsigned sint, unsigned flag);

/* stimer.c */
void stimer_init(struct vp *vp);
void stimer_reset(struct vp *vp);
void stimer_loaded(struct vp *vp);
void stimer_buffer_free(struct vp *vp, unsigned index); /* its message was delivered */

/* unhalted.c: the time-unhalted timer */
void unhalted_init(struct vp *vp);
void unhalted_loaded(struct vp *vp);

/* notify.c: monitored notifications */
void notify_init(struct hv *hv);
void notify_reset(struct hv *hv);
void notify_loaded(struct hv *hv);

/* port.c: the partition's connections and the ports they lead to */
enum hv_status port_signal(struct hv *hv, uint32_t connection, unsigned flag);      /* as HvSignalEvent */
void ports_save(struct device *hv, struct writer *out);
struct err ports_load(struct device *hv, struct reader *in) MUST_USE;
uint64_t ports_hash(struct device *hv, uint64_t seed);

#endif
