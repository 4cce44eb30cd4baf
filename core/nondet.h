/* SPDX-License-Identifier: MIT
 * The one door for everything the host decides. Values are asked for, events arrive; recording logs what comes through,
 * replaying takes it from the log and never asks. Below gui/ nothing else may call the host for time, randomness or input. */
#ifndef CORE_NONDET_H
#define CORE_NONDET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum nondet_kind {
    NONDET_WALL_CLOCK,      /* value: ns since 1970 */
    NONDET_IDLE,            /* value: virtual ns at which an idle wait ended (clock policy "host") */
    NONDET_PACE,            /* event: u64 new ps_per_insn */
    NONDET_SERIAL,          /* event: u8 port, bytes */
    NONDET_KEY,             /* event: u16 scan code set 1 (E0xx for extended), u8 pressed */
    NONDET_MOUSE,           /* event: s16 dx, s16 dy, s8 dz, u8 buttons */
    NONDET_REQUEST,         /* event: u8 enum nondet_request */
    NONDET_KINDS
};

enum nondet_request { REQUEST_POWER_BUTTON, REQUEST_RESET, REQUEST_NMI, REQUEST_QUIT };

#define NONDET_EVENT_MAX 256

struct nondet_event {
    enum nondet_kind kind;
    uint32_t len;
    uint8_t bytes[NONDET_EVENT_MAX];
};

struct nondet;

struct nondet *nondet_create(void);
void     nondet_free(struct nondet *nd);
uint64_t nondet_value(struct nondet *nd, enum nondet_kind kind, uint64_t (*ask_host)(void));
void     nondet_post(struct nondet *nd, enum nondet_kind kind, const void *event, size_t len);   /* any thread */
bool     nondet_waiting(const struct nondet *nd);       /* cheap: is there anything to take? */
bool     nondet_take(struct nondet *nd, uint64_t now, struct nondet_event *out);                 /* machine/loop only */
uint64_t nondet_horizon(const struct nondet *nd);       /* replay: retire no further than this before taking; else UINT64_MAX */
/* Machine loop only: sleep at most `ns` of host time or until something is posted. Live mode only. */
void     nondet_wait(struct nondet *nd, uint64_t ns);

uint64_t host_wall_clock_ns(void);      /* the host's clocks, defined in core/nondet.c and nowhere else */
uint64_t host_monotonic_ns(void);       /* for pacing and statistics; must not reach the guest except through the door */

#endif
