/* SPDX-License-Identifier: MIT
 * TLFS 11.5 and 11.10: events, and how messages and flags are laid out. */
#include "conform/tests/synic.h"

/* ---- 11.5 events ---- */

CLAUSE("11.5-01", "HvSignalEvent sets an event flag")
{
    begin(V);
    event_connected();
    clear_flags();
    signals();
    expect(flag_set(), "no flag of the SINT is set");
}
CLAUSE("11.5.1-01", "exactly one bit of the SIEF page is set")
{
    unsigned n = 0;

    begin(V);
    event_connected();
    memset((void *)(uintptr_t)synic.flags, 0, PAGE);
    signals();
    for (unsigned sint = 0; sint < 16; sint++)
        for (unsigned k = 0; k < 2048; k++)
            n += flag(sint, k);
    expect_eq("bits that are set", n, 1);
}
CLAUSE("11.5.1-02", "a VP whose SynIC is disabled is no target for events")
{
    begin(V);
    event_connected();
    clear_flags();
    msr_write(HV_X64_MSR_SCONTROL, 0);
    expect_status("HvSignalEvent", signal_event(9, 0), HV_STATUS_INVALID_SYNIC_STATE);
    expect(!flag_set(), "the flag is set");
}
CLAUSE("11.5.1-03", "a VP whose SIEF page is disabled is no target for events")
{
    begin(V);
    event_connected();
    msr_write(HV_X64_MSR_SIEFP, 0);
    expect_status("HvSignalEvent", signal_event(9, 0), HV_STATUS_INVALID_SYNIC_STATE);
}
CLAUSE("11.5.1-04", "without a target the caller gets an error")
{
    begin(V);
    event_connected();
    msr_write(HV_X64_MSR_SCONTROL, 0);
    msr_write(HV_X64_MSR_SIEFP, 0);
    expect(status(signal_event(9, 0)) != 0, "HvSignalEvent succeeded");
}
CLAUSE("11.5.1-05", "a flag that was clear: an edge-triggered interrupt")
{
    begin(V);
    event_connected();
    delay_us(MS);
    clear_flags();
    memset((void *)(uintptr_t)this_cpu()->taken, 0, sizeof this_cpu()->taken);
    signals();
    expect(wait_for(taken(V) == 1, 100 * MS), "no interrupt came");
}
CLAUSE("11.5.1-06", "a flag that was set: no interrupt")
{
    begin(V);
    event_connected();
    signals();
    delay_us(MS);
    memset((void *)(uintptr_t)this_cpu()->taken, 0, sizeof this_cpu()->taken);
    signals();
    delay_us(MS);
    expect_eq("interrupts", taken(V), 0);
}
CLAUSE("11.5.1-07", "VP and SINT of an event are those of the port")
{
    begin(V);
    event_connected();
    connect_event(10, this_cpu()->vp_index, 6);
    sint_set(6, 0x89);
    memset((void *)(uintptr_t)synic.flags, 0, PAGE);
    expect_status("HvSignalEvent", signal_event(10, 0), 0);
    partner(DISCONNECT_EVENT, 0, 6, 10);
    expect(!flag_set(), "a flag of the other SINT is set");
    expect(flag(6, 10) || flag(6, 0), "no flag of SINT 6 is set");
}
CLAUSE("11.5.1-08", "a masked SINT: INVALID_SYNIC_STATE")
{
    begin(SINT_MASKED | V);
    event_connected();
    expect_status("HvSignalEvent", signal_event(9, 0), HV_STATUS_INVALID_SYNIC_STATE);
}
CLAUSE("11.5.1-09", "the event's interrupt is taken only as priority and IF permit")
{
    begin(V);
    event_connected();
    delay_us(MS);
    clear_flags();
    memset((void *)(uintptr_t)this_cpu()->taken, 0, sizeof this_cpu()->taken);
    write_cr8(15);
    signals();
    delay_us(MS);
    expect_eq("interrupts with TPR 15", taken(V), 0);
    expect(irr(V), "it is not requested");
    write_cr8(0);
    expect(wait_for(taken(V) == 1, 100 * MS), "it does not come");
}
CLAUSE("11.5.3-01", "HvSignalEvent never lacks resources")
{
    begin(V);
    event_connected();
    for (unsigned k = 0; k < 2000; k++)
        signals();
}

/* ---- 11.10 ---- */

CLAUSE("11.10.1-01", "there are SINTs 0 to 15")
{
    NEED(AccessSynicRegs);
    for (unsigned n = 0; n < 16; n++)
        (void)msr_read(SINT(n));
    msr_read_faults(SINT(16));
}
CLAUSE("11.10.2-01", "bit 31 of a type marks the hypervisor's messages, which guests cannot send")
{
    begin(SINT_MASKED | V);
    one_shot(0, S, 100);
    comes("a timer's");
    expect_bits("its type", slot(S)->type, 0x80000000, 0x80000000);
    take_message(slot(S));
    connected();
    expect_status("a guest's with bit 31", post_message(7, 0x80000001, text, 8), HV_STATUS_INVALID_PARAMETER);
}
CLAUSE("11.10.2-02", "type 0 is an empty slot")
{
    begin(SINT_MASKED | V);
    slot(S)->type = 0;
    one_shot(0, S, 100);
    comes("into an empty slot");
}
CLAUSE("11.10.3-01", "MessagePending is set when more wait")
{
    begin(SINT_MASKED | V);
    queue_one(0);
    queue_one(1);
    slot(S)->type = 0;
    eom();
    comes("the first");
    expect_bits("its flags", slot(S)->flags, 1, 1);
    take_message(slot(S));
    comes("the second");
    expect_bits("its flags", slot(S)->flags, 1, 0);
}
CLAUSE("11.10.3-02", "MessagePending may be set later, for one that came later")
{
    begin(SINT_MASKED | V);
    one_shot(0, S, 100);
    comes("the first");
    expect_bits("its flags", slot(S)->flags, 1, 0);
    one_shot(1, S, 100);
    expect(wait_for(expired(1), 500 * MS), "the timer does not expire");
    expect(wait_for((slot(S)->flags & 1) != 0, 100 * MS), "the flag is not set");
}
CLAUSE("11.10.3-03", "MessagePending set, slot emptied: EOM brings the next")
{
    begin(SINT_MASKED | V);
    queue_one(0);
    queue_one(1);
    slot(S)->type = 0;
    eom();
    comes("the first");
    slot(S)->type = 0;
    eom();
    expect_eq("the type right after", slot(S)->type, 0x80000010);
}
CLAUSE("11.10.3-04", "MessagePending clear, slot emptied: no EOM is needed for the next")
{
    begin(SINT_MASKED | V);
    one_shot(0, S, 100);
    comes("the first");
    expect_bits("its flags", slot(S)->flags, 1, 0);
    slot(S)->type = 0;
    one_shot(1, S, 100);
    comes("the next");
}
CLAUSE("11.10.4-01", "a message: 16 bytes of header, 240 of payload")
{
    begin(SINT_MASKED | V);
    connected();
    posts(1, 240);
    comes("a message of 240 bytes");
    expect_eq("the first byte of payload, at 16", *(volatile u8 *)((u64)slot(S) + 16), text[0]);
    expect_eq("the last one, at 255", *(volatile u8 *)((u64)slot(S) + 255), text[239]);
}
CLAUSE("11.10.4-02", "the header: type at 0, size at 4, flags at 5, origin at 8")
{
    volatile u8 *h;

    begin(SINT_MASKED | V);
    one_shot(0, S, 100);
    comes("a timer's");
    h = (volatile u8 *)slot(S);
    expect_eq("the type", *(volatile u32 *)h, 0x80000010);
    expect_eq("the size", h[4], 24);
    expect_eq("the flags", h[5], 0);
    expect_eq("the origin", *(volatile u64 *)(h + 8), 0);
}
CLAUSE("11.10.4-03", "the size counts the payload only")
{
    begin(SINT_MASKED | V);
    connected();
    for (u32 n = 0; n <= 240; n += 60) {
        posts(1, n);
        comes("a message");
        expect_eq("its size", slot(S)->size, n);
        take_message(slot(S));
    }
}
CLAUSE("11.10.4-04", "a posted message has the port as its origin")
{
    u64 origin;

    begin(SINT_MASKED | V);
    connected();
    posts(1, 8);
    comes("the first");
    origin = slot(S)->origin;
    take_message(slot(S));
    posts(2, 8);
    comes("the second");
    expect_eq("its origin, that of the first", slot(S)->origin, origin);
    expect((origin & 0xFF000000) == 0 && origin >> 32 == 0, "the origin %lx is no port ID", origin);
}
CLAUSE("11.10.4-06", "a timer's message has the origin zero")
{
    begin(SINT_MASKED | V);
    slot(S)->origin = ~0ull;
    one_shot(0, S, 100);
    comes("a timer's");
    expect_eq("its origin", slot(S)->origin, 0);
}
CLAUSE("11.10.5-01", "flag n is bit n mod 8 of byte n / 8")
{
    begin(V);
    event_connected();
    memset((void *)(uintptr_t)synic.flags, 0, PAGE);
    signals();
    expect(synic.flags[256 * S + 1] == 1u << 1 || synic.flags[256 * S] == 1, "connection 9, flag 9 or 0: bytes %02x %02x",
           synic.flags[256 * S], synic.flags[256 * S + 1]);
}
