/* SPDX-License-Identifier: MIT
 * TLFS 11.11: HvPostMessage and HvSignalEvent. */
#include "conform/tests/synic.h"

/* ---- 11.11.1 HvPostMessage ---- */

CLAUSE("11.11.1-01", "HvPostMessage is call 005Ch: connection 0, type 8, size 12, payload 16")
{
    u32 *in = (u32 *)page_alloc();

    begin(SINT_MASKED | V);
    connected();
    in[0] = 7, in[2] = 0x4321, in[3] = 4, in[4] = 0xCAFE1234;
    expect_status("call 005Ch", hypercall_mem(0x005C, in, NULL), 0);
    comes("the message");
    expect_eq("its type", slot(S)->type, 0x4321);
    expect_eq("its payload", *(volatile u32 *)(uintptr_t)slot(S)->payload, 0xCAFE1234);
}
CLAUSE("11.11.1-02", "only the first PayloadSize bytes are sent")
{
    begin(SINT_MASKED | V);
    connected();
    posts(1, 12);
    comes("the message");
    expect_eq("its size", slot(S)->size, 12);
    for (unsigned k = 0; k < 12; k++)
        expect(slot(S)->payload[k] == text[k], "byte %u is wrong", k);
}
CLAUSE("11.11.1-03", "without PostMessages: ACCESS_DENIED")
{
    LACK(PostMessages);
    expect_status("the call", post_message(7, 1, text, 8), HV_STATUS_ACCESS_DENIED);
}
CLAUSE("11.11.1-04", "an invalid connection: INVALID_CONNECTION_ID")
{
    NEED(PostMessages);
    expect_status("connection 123456h", post_message(0x123456, 1, text, 8), HV_STATUS_INVALID_CONNECTION_ID);
    expect_status("connection 1000007h", post_message(0x1000007, 1, text, 8), HV_STATUS_INVALID_CONNECTION_ID);
}
CLAUSE("11.11.1-07", "a port of another type: INVALID_PORT_ID")
{
    begin(V);
    event_connected();
    expect_status("HvPostMessage to an event port", post_message(9, 1, text, 8), HV_STATUS_INVALID_PORT_ID);
}
CLAUSE("11.11.1-08", "type zero: INVALID_PARAMETER")
{
    begin(SINT_MASKED | V);
    connected();
    expect_status("the call", post_message(7, 0, text, 8), HV_STATUS_INVALID_PARAMETER);
}
CLAUSE("11.11.1-09", "a type with bit 31: INVALID_PARAMETER")
{
    begin(SINT_MASKED | V);
    connected();
    expect_status("type 80000010h", post_message(7, 0x80000010, text, 8), HV_STATUS_INVALID_PARAMETER);
    expect_status("type FFFFFFFFh", post_message(7, 0xFFFFFFFF, text, 8), HV_STATUS_INVALID_PARAMETER);
}
CLAUSE("11.11.1-10", "a size above 240: INVALID_PARAMETER")
{
    begin(SINT_MASKED | V);
    connected();
    expect_status("241", post_message(7, 1, text, 241), HV_STATUS_INVALID_PARAMETER);
    expect_status("FFFFFFFFh", post_message(7, 1, NULL, 0xFFFFFFFF), HV_STATUS_INVALID_PARAMETER);
}
CLAUSE("11.11.1-11", "no free buffer: INSUFFICIENT_BUFFERS")
{
    unsigned n = 0;
    u64 result = 0;

    begin(SINT_MASKED | V);
    connected();
    while (n < 4096 && status(result = post_message(7, 1, text, 8)) == 0)
        n++;
    expect_status("the last of many posts", result, HV_STATUS_INSUFFICIENT_BUFFERS);
    expect(n == 16 || n == 17, "after %u messages, but a port has 16 buffers, and the slot may hold one more", n);
}
CLAUSE("11.11.1-12", "no such VP: INVALID_VP_INDEX")
{
    begin(SINT_MASKED | V);
    connected();
    partner(CONNECT_MESSAGE, 200, S, 11);
    need(status(post_message(11, 1, text, 8)) != HV_STATUS_INVALID_CONNECTION_ID,
         "the partner makes no port of a VP that is not there");
    expect_status("HvPostMessage", post_message(11, 1, text, 8), HV_STATUS_INVALID_VP_INDEX);
}
CLAUSE("11.11.1-13", "the SynIC disabled: INVALID_SYNIC_STATE")
{
    begin(SINT_MASKED | V);
    connected();
    msr_write(HV_X64_MSR_SCONTROL, 0);
    refuses_post(HV_STATUS_INVALID_SYNIC_STATE);
}
CLAUSE("11.11.1-14", "the SIM page disabled: INVALID_SYNIC_STATE")
{
    begin(SINT_MASKED | V);
    connected();
    msr_write(HV_X64_MSR_SIMP, 0);
    refuses_post(HV_STATUS_INVALID_SYNIC_STATE);
}
CLAUSE("11.11.1-15", "on success the message is queued for the port's SINT")
{
    begin(SINT_MASKED | V);
    connected();
    slot(S)->type = 1;
    posts(0x55, 8);
    slot(S)->type = 0;
    eom();
    comes("the message");
    expect_eq("its type", slot(S)->type, 0x55);
}

/* ---- 11.11.2 HvSignalEvent ---- */

CLAUSE("11.11.2-01", "HvSignalEvent is call 005Dh: connection 0, flag 4; fast, too")
{
    u32 *in = (u32 *)page_alloc();

    begin(V);
    event_connected();
    in[0] = 9;
    expect_status("from memory", hypercall_mem(0x005D, in, NULL), 0);
    expect_status("fast", hypercall(0x005D | FAST, 9, 0), 0);
}
CLAUSE("11.11.2-02", "the flag is the port's base flag plus FlagNumber")
{
    begin(V);
    event_connected();
    memset((void *)(uintptr_t)synic.flags, 0, PAGE);
    signals();
    expect(flag(S, 9), "flag number 0 does not set the base flag, 9 for connection 9");
}
CLAUSE("11.11.2-03", "without SignalEvents: ACCESS_DENIED")
{
    LACK(SignalEvents);
    expect_status("the call", signal_event(9, 0), HV_STATUS_ACCESS_DENIED);
}
CLAUSE("11.11.2-04", "an invalid connection: INVALID_CONNECTION_ID")
{
    NEED(SignalEvents);
    expect_status("connection 123456h", signal_event(0x123456, 0), HV_STATUS_INVALID_CONNECTION_ID);
    expect_status("connection 1000009h", signal_event(0x1000009, 0), HV_STATUS_INVALID_CONNECTION_ID);
}
CLAUSE("11.11.2-07", "a port of another type: INVALID_PORT_ID")
{
    begin(V);
    connected();
    expect_status("HvSignalEvent to a message port", signal_event(7, 0), HV_STATUS_INVALID_PORT_ID);
}
CLAUSE("11.11.2-08", "a flag number not below the count: INVALID_PARAMETER")
{
    begin(V);
    event_connected();
    expect_status("flag 2048", signal_event(9, 2048), HV_STATUS_INVALID_PARAMETER);
    expect_status("flag FFFFh", signal_event(9, 0xFFFF), HV_STATUS_INVALID_PARAMETER);
}
CLAUSE("11.11.2-09", "no such VP: INVALID_VP_INDEX")
{
    begin(V);
    event_connected();
    partner(CONNECT_EVENT, 200, S, 12);
    need(status(signal_event(12, 0)) != HV_STATUS_INVALID_CONNECTION_ID,
         "the partner makes no port of a VP that is not there");
    expect_status("HvSignalEvent", signal_event(12, 0), HV_STATUS_INVALID_VP_INDEX);
}
CLAUSE("11.11.2-10", "the SynIC disabled: INVALID_SYNIC_STATE")
{
    begin(V);
    event_connected();
    msr_write(HV_X64_MSR_SCONTROL, 0);
    expect_status("HvSignalEvent", signal_event(9, 0), HV_STATUS_INVALID_SYNIC_STATE);
}
CLAUSE("11.11.2-11", "the SIEF page disabled: INVALID_SYNIC_STATE")
{
    begin(V);
    event_connected();
    msr_write(HV_X64_MSR_SIEFP, 0);
    expect_status("HvSignalEvent", signal_event(9, 0), HV_STATUS_INVALID_SYNIC_STATE);
}
CLAUSE("11.11.2-12", "the SINT masked: INVALID_SYNIC_STATE")
{
    begin(SINT_MASKED | V);
    event_connected();
    expect_status("HvSignalEvent", signal_event(9, 0), HV_STATUS_INVALID_SYNIC_STATE);
}
