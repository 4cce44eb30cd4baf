/* SPDX-License-Identifier: MIT
 * The one door for everything the host decides. Values are asked for, events arrive; recording logs what comes through,
 * replaying takes it from the log and never asks. Below gui/ nothing else may call the host for time, randomness or input. */
#ifndef CORE_NONDET_H
#define CORE_NONDET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/ndlog.h"

enum nondet_kind {
    NONDET_WALL_CLOCK,      /* value: ns since 1970 */
    NONDET_IDLE,            /* value: by how many ns an idle wait ended before it was due (clock policy "host") */
    NONDET_PACE,            /* event: u32 new ps_per_insn */
    NONDET_SERIAL,          /* event: u8 port, bytes */
    NONDET_KEY,             /* event: u16 scan code set 1 (E0xx for extended), u8 pressed */
    NONDET_MOUSE,           /* event: s16 dx, s16 dy, s8 dz, u8 buttons */
    NONDET_REQUEST,         /* event: u8 enum nondet_request */
    NONDET_KINDS            /* numbers in files: append only */
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

/* Modes. Live until one of these is called. Recording writes each thing that comes through to `batch`. Replaying takes all from
 * `log` and never asks the host; what is posted then is dropped. */
void     nondet_record(struct nondet *nd, struct ndlog_batch *batch);
void     nondet_replay(struct nondet *nd, const struct ndlog *log);
void     nondet_go_live(struct nondet *nd);             /* from here on the host is asked, whatever the log holds */
bool     nondet_replaying(const struct nondet *nd);

/* The machine loop tells where the run stands; what is taken or asked for until it stands elsewhere belongs to this moment. */
void     nondet_stand(struct nondet *nd, struct moment at);

uint64_t nondet_value(struct nondet *nd, enum nondet_kind kind, uint64_t (*ask_host)(void));
void     nondet_post(struct nondet *nd, enum nondet_kind kind, const void *event, size_t len);   /* any thread */
bool     nondet_waiting(const struct nondet *nd);       /* cheap: is there anything to take at this moment? */
bool     nondet_take(struct nondet *nd, struct nondet_event *out);      /* machine loop only */
/* When did an idle wait that lasts until `due` at most end? Only one that ended earlier is worth a record. */
uint64_t nondet_idle_end(struct nondet *nd, uint64_t due, uint64_t (*ask_host)(void));
/* Machine loop only: sleep at most `ns` of host time or until something is posted. Never when replaying. */
void     nondet_wait(struct nondet *nd, uint64_t ns);

/* Replaying only. */
uint64_t nondet_horizon(const struct nondet *nd);       /* retire no further than this before looking again; else UINT64_MAX */
bool     nondet_expects(const struct nondet *nd);       /* will something come while no further instruction retires? */
const struct ndlog_record *nondet_next(const struct nondet *nd);        /* NULL: all was taken */
void     nondet_skip(struct nondet *nd);                /* whoever took a record that is no event */
size_t   nondet_cursor(const struct nondet *nd);        /* records taken so far */
void     nondet_set_cursor(struct nondet *nd, size_t taken);
void     nondet_seek(struct nondet *nd, struct moment at);      /* the machine was put to where it stood between turns at `at` */
bool     nondet_lost(const struct nondet *nd, const char **how);        /* the run asks for other things than the log holds */

uint64_t host_wall_clock_ns(void);      /* the host's clocks, defined in core/nondet.c and nowhere else */
uint64_t host_monotonic_ns(void);       /* for pacing and statistics; must not reach the guest except through the door */

#endif
