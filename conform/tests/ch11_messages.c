/* SPDX-License-Identifier: MIT
 * TLFS 11.2 to 11.4: messages. They come of synthetic timers, which every hypervisor with a SynIC has, and of a partner (QEMU's
 * hyperv-testdev) where there is one. */
#include "conform/tests/synic.h"

/* ---- 11.2, 11.3 ---- */

CLAUSE("11.2-01", "a message is posted, and an interrupt tells of it")
{
    begin(V);
    connected();
    posts(1, 8);
    expect(wait_for(taken(V) == 1, 100 * MS), "no interrupt came");
    expect_eq("the type in the slot", slot(S)->type, 1);
}
CLAUSE("11.3.2-01", "each of the four timers has a message buffer: four messages for one SINT are all kept")
{
    u32 seen = 0;

    begin(SINT_MASKED | V);
    for (unsigned n = 0; n < 4; n++)
        queue_one(n);
    slot(S)->type = 0;
    eom();
    for (unsigned n = 0; n < 4; n++) {
        comes("one of four");
        seen |= 1u << (timer_payload(slot(S)).index & 3);
        take_message(slot(S));
    }
    expect_eq("timers that were heard of", seen, 15);
}
CLAUSE("11.3.5-01", "each SINT has a queue of its own: a full slot holds up no other")
{
    begin(SINT_MASKED | V);
    sint_set(6, SINT_MASKED | V);
    queue_one(0);
    one_shot(1, 6, 100);
    expect(wait_for(slot(6)->type != 0, 500 * MS), "no message came to the other SINT");
}
CLAUSE_LAST("11.3.5-02", "the queues of a VP are empty at first, and after its reset")
{
    if (!resumed()) {
        begin(SINT_MASKED | V);
        queue_one(0);
        reset_and_resume();
    }
    NEED(AccessSynicRegs);
    synic.messages = (volatile struct message *)page_alloc();
    msr_write(HV_X64_MSR_SIMP, gpa(synic.messages) | 1);
    msr_write(HV_X64_MSR_SCONTROL, 1);
    msr_write(SINT(S), SINT_MASKED | V);
    eom();
    stays_empty("after the reset");
}
CLAUSE("11.3.6-01", "a message stays queued until it is delivered")
{
    begin(SINT_MASKED | V);
    queue_one(0);
    delay_us(20 * MS);
    slot(S)->type = 0;
    eom();
    comes("after 20 ms");
}
CLAUSE("11.3.6-02", "no messages come while the SynIC is disabled")
{
    begin(SINT_MASKED | V);
    queue_one(0);
    msr_write(HV_X64_MSR_SCONTROL, 0);
    slot(S)->type = 0;
    eom();
    stays_empty("with the SynIC disabled");
    msr_write(HV_X64_MSR_SCONTROL, 1);
    eom();
    comes("with the SynIC enabled again");
}
CLAUSE("11.3.6-03", "no messages come while the SIM page is disabled")
{
    u64 simp;

    begin(SINT_MASKED | V);
    queue_one(0);
    simp = msr_read(HV_X64_MSR_SIMP);
    slot(S)->type = 0;
    msr_write(HV_X64_MSR_SIMP, simp & ~1ull);
    eom();
    delay_us(5 * MS);
    msr_write(HV_X64_MSR_SIMP, simp);
    eom();
    comes("with the page enabled again");
}
CLAUSE("11.3.6-06", "messages to a port of one VP come in the order they were posted")
{
    begin(SINT_MASKED | V);
    connected();
    for (u32 k = 1; k <= 6; k++)
        posts(k, 8);
    for (u32 k = 1; k <= 6; k++) {
        comes("one of six");
        expect_eq("the type", slot(S)->type, k);
        take_message(slot(S));
    }
}

/* ---- 11.4 sending ---- */

CLAUSE("11.4-01", "header and payload are filled in")
{
    begin(SINT_MASKED | V);
    connected();
    posts(0x1234, 240);
    comes("a message of 240 bytes");
    expect_eq("its type", slot(S)->type, 0x1234);
    expect_eq("its size", slot(S)->size, 240);
    for (unsigned k = 0; k < 240; k++)
        expect(slot(S)->payload[k] == text[k], "byte %u is %02x, not %02x", k, slot(S)->payload[k], text[k]);
}
CLAUSE("11.4-02", "the SINT is the timer's, or the port's")
{
    begin(SINT_MASKED | V);
    one_shot(0, 9, 100);
    expect(wait_for(slot(9)->type != 0, 500 * MS), "the timer's message did not come to SINT 9");
    connected();
    posts(1, 8);
    comes("the port's message");
}
static void other_synic(void *arg)
{
    msr_write(HV_X64_MSR_SIMP, gpa(arg) | 1);
    msr_write(HV_X64_MSR_SCONTROL, 1);
    synic_drain(arg);
    msr_write(SINT(S), SINT_MASKED | V);
}
static void other_type(void *arg) { u64 *a = arg; a[1] = ((volatile struct message *)(uintptr_t)a[0])[S].type; }
CLAUSE("11.4-03", "the target VP is the port's")
{
    u8 *page = page_alloc();
    u64 look[2] = { gpa(page), 0 };

    begin(SINT_MASKED | V);
    need_cpus(2);
    on_cpu(1, other_synic, page);
    connect_message(8, cpus[1].vp_index, S);
    expect_status("HvPostMessage", post_message(8, 0x77, text, 8), 0);
    stays_empty("on this VP");
    on_cpu(1, other_type, look);
    partner(DISCONNECT_MESSAGE, 1, S, 8);
    expect_eq("the type on the other VP", look[1], 0x77);
}
CLAUSE("11.4-04", "a VP whose SynIC is disabled is no target for messages")
{
    begin(SINT_MASKED | V);
    connected();
    msr_write(HV_X64_MSR_SCONTROL, 0);
    refuses_post(HV_STATUS_INVALID_SYNIC_STATE);
}
CLAUSE("11.4-05", "a VP whose SIM page is disabled is no target for messages")
{
    begin(SINT_MASKED | V);
    connected();
    msr_write(HV_X64_MSR_SIMP, 0);
    refuses_post(HV_STATUS_INVALID_SYNIC_STATE);
}
CLAUSE("11.4-06", "without a target the sender gets an error, and nothing is sent")
{
    u64 simp;

    begin(SINT_MASKED | V);
    connected();
    simp = msr_read(HV_X64_MSR_SIMP);
    msr_write(HV_X64_MSR_SIMP, 0);
    expect(status(post_message(7, 1, text, 8)) != 0, "HvPostMessage succeeded");
    msr_write(HV_X64_MSR_SIMP, simp);
    eom();
    stays_empty("afterwards");
}
CLAUSE("11.4-07", "a slot of type None takes the message")
{
    begin(SINT_MASKED | V);
    expect_eq("the slot's type", slot(S)->type, 0);
    one_shot(0, S, 100);
    comes("a timer's");
}
CLAUSE("11.4-09", "delivery requests an edge-triggered interrupt")
{
    begin(V);
    one_shot(0, S, 100);
    expect(wait_for(taken(V) == 1, 500 * MS), "no interrupt came");
    expect(!apic_bit(0x180, V), "it was level-triggered");
}
CLAUSE("11.4-10", "with the APIC software disabled the interrupt is lost")
{
    begin(V);
    apic_enable(false);
    one_shot(0, S, 100);
    comes("a message all the same");
    apic_enable(true);
    delay_us(MS);
    expect_eq("interrupts", taken(V), 0);
}
CLAUSE("11.4-11", "with the SINT masked the interrupt is lost")
{
    begin(SINT_MASKED | V);
    one_shot(0, S, 100);
    comes("a message all the same");
    sint_set(S, V);
    delay_us(MS);
    expect_eq("interrupts", taken(V), 0);
}
CLAUSE("11.4-12", "with the SIM page disabled a message stays queued, without interrupt")
{
    u64 simp;

    begin(V);
    simp = msr_read(HV_X64_MSR_SIMP);
    msr_write(HV_X64_MSR_SIMP, simp & ~1ull);
    one_shot(0, S, 100);
    expect(wait_for(expired(0), 500 * MS), "the timer does not expire");
    delay_us(MS);
    expect_eq("interrupts", taken(V), 0);
    msr_write(HV_X64_MSR_SIMP, simp);
    eom();
    comes("with the page enabled");
}
CLAUSE("11.4-13", "with the slot in use a message stays queued, without interrupt")
{
    begin(V);
    queue_one(0);
    delay_us(MS);
    expect_eq("interrupts", taken(V), 0);
    expect_eq("the type in the slot", slot(S)->type, 1);
}
CLAUSE("11.4-14", "the interrupt is taken only as priority and IF permit")
{
    begin(V);
    write_cr8(15);
    one_shot(0, S, 100);
    comes("a message");
    delay_us(MS);
    expect_eq("interrupts with TPR 15", taken(V), 0);
    expect(irr(V), "it is not requested");
    cli();
    write_cr8(0);
    delay_us(MS);
    expect_eq("interrupts with IF clear", taken(V), 0);
    sti();
    expect(wait_for(taken(V) == 1, 100 * MS), "it does not come");
}
CLAUSE("11.4-15", "of several messages only the first is in the slot")
{
    begin(SINT_MASKED | V);
    queue_one(0);
    queue_one(1);
    slot(S)->type = 0;
    eom();
    comes("the first");
    expect_eq("its timer", timer_payload(slot(S)).index, 0);
    delay_us(5 * MS);
    expect_eq("the timer in the slot later", timer_payload(slot(S)).index, 0);
    slot(S)->type = 0;
    eom();
    comes("the second");
    expect_eq("its timer", timer_payload(slot(S)).index, 1);
}
CLAUSE("11.4-16", "another message for the VP makes the hypervisor deliver what it can")
{
    begin(SINT_MASKED | V);
    sint_set(6, SINT_MASKED | V);
    queue_one(0);
    slot(S)->type = 0;
    one_shot(1, 6, 100);
    expect(wait_for(slot(6)->type != 0, 500 * MS), "the other message did not come");
    comes("the one that waited");
}
CLAUSE("11.4-17", "an EOI makes the hypervisor deliver what it can")
{
    begin(SINT_MASKED | V);
    this_cpu()->keep[0x61] = true;
    apic_write(0x300, 0x44061);
    expect(wait_for(taken(0x61) == 1, 100 * MS), "no interrupt to end");
    queue_one(0);
    slot(S)->type = 0;
    apic_write(0xB0, 0);
    comes("after the EOI");
}
CLAUSE("11.4-18", "an EOM makes the hypervisor deliver what it can")
{
    begin(SINT_MASKED | V);
    queue_one(0);
    slot(S)->type = 0;
    eom();
    expect_eq("the type in the slot right after", slot(S)->type, 0x80000010);
}
CLAUSE("11.4-19", "a delivery after a scan requests an interrupt")
{
    begin(V);
    queue_one(0);
    slot(S)->type = 0;
    eom();
    expect(wait_for(taken(V) == 1, 100 * MS), "no interrupt came");
}
CLAUSE("11.4-20", "a message for a slot that was in use is tried again by itself")
{
    begin(SINT_MASKED | V);
    queue_one(0);
    slot(S)->type = 0;
    expect(wait_for(slot(S)->type != 0, 2000 * MS), "it does not come within two seconds");
}
CLAUSE("11.4.2-03", "a timer's message goes to its SINT on its VP")
{
    begin(SINT_MASKED | V);
    one_shot(2, S, 100);
    comes("the message of timer 2");
    expect_eq("its timer", timer_payload(slot(S)).index, 2);
}
CLAUSE("11.4.2-04", "a guest message takes a buffer of the port: a full port does not hold up a timer")
{
    begin(SINT_MASKED | V);
    sint_set(6, SINT_MASKED | V);
    connected();
    for (unsigned k = 0; k < 40 && status(post_message(7, 1, text, 8)) == 0; k++)
        ;
    one_shot(0, 6, 100);
    expect(wait_for(slot(6)->type != 0, 500 * MS), "the timer's message did not come");
}
