/* SPDX-License-Identifier: MIT
 * What the tests of chapter 11 share: a SynIC with one SINT, a message that waits, connections to a partner. */
#ifndef CONFORM_TESTS_SYNIC_H
#define CONFORM_TESTS_SYNIC_H

#include "conform/guest/hv.h"

enum { S = 5, V = 0x88 };       /* the SINT and the vector that most tests use */

static struct synic synic;

static volatile struct message *slot(unsigned sint) { return &synic.messages[sint]; }

/* SynIC on, SINT S with vector V or masked. */
static inline void begin(u64 sint)
{
    synic = synic_on();
    sint_set(S, sint);
}
static inline void comes(const char *what) { expect(wait_for(slot(S)->type != 0, 500 * MS), "%s: no message came", what); }
static inline void stays_empty(const char *what)
{
    expect(!wait_for(slot(S)->type != 0, 5 * MS), "%s: a message of type %08x came", what, slot(S)->type);
}
static inline u64 expired(unsigned timer) { return !(msr_read(STIMER_CONFIG(timer)) & STIMER_ENABLE); }

/* A message waits in the queue, since the slot is full. */
static inline void queue_one(unsigned timer)
{
    NEED(AccessSyntheticTimerRegs);
    slot(S)->type = 1;
    one_shot(timer, S, 100);
    expect(wait_for(expired(timer), 500 * MS), "timer %u does not expire", timer);
    delay_us(100);
    expect_eq("the type in the full slot", slot(S)->type, 1);
}
static inline void eom(void) { msr_write(HV_X64_MSR_EOM, 0); }

static u8 text[240];
static inline void connected(void)
{
    connect_message(7, this_cpu()->vp_index, S);
    for (unsigned k = 0; k < 240; k++)
        text[k] = (u8)(k ^ 0x5A);
}
static inline void posts(u32 type, u32 bytes) { expect_status("HvPostMessage", post_message(7, type, text, bytes), 0); }
static inline void refuses_post(u32 why) { expect_status("HvPostMessage", post_message(7, 1, text, 8), why); }
static inline bool flag(unsigned sint, unsigned n) { return (synic.flags[256 * sint + n / 8] >> n % 8 & 1) != 0; }

static inline void event_connected(void) { connect_event(9, this_cpu()->vp_index, S); }
static inline void signals(void) { expect_status("HvSignalEvent", signal_event(9, 0), 0); }
static inline bool flag_set(void)
{
    for (unsigned k = 0; k < 2048; k++)
        if (flag(S, k))
            return true;
    return false;
}
static inline void clear_flags(void) { memset((void *)(uintptr_t)&synic.flags[256 * S], 0, 256); }

#endif
