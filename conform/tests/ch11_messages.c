/* SPDX-License-Identifier: MIT
 * TLFS chapter 11: SynIC registers and pages, messages and events. Messages come of synthetic timers,
     which every hypervisor with
 * a SynIC has, and of a partner (QEMU's hyperv-testdev) where there is one. */
#include "conform/guest/hv.h"

enum { S = 5, V = 0x88 };       /* the SINT and the vector that most tests use */

static struct synic synic;

static volatile struct message *slot(unsigned sint) { return &synic.messages[sint]; }

/* SynIC on, SINT S with vector V or masked. */
static void begin(u64 sint)
{
    synic = synic_on();
    sint_set(S, sint);
}
static void comes(const char *what) { expect(wait_for(slot(S)->type != 0, 500 * MS), "%s: no message came", what); }
static void stays_empty(const char *what)
{
    expect(!wait_for(slot(S)->type != 0, 5 * MS), "%s: a message of type %08x came", what, slot(S)->type);
}
static u64 expired(unsigned timer) { return !(msr_read(STIMER_CONFIG(timer)) & STIMER_ENABLE); }

/* A message waits in the queue, since the slot is full. */
static void queue_one(unsigned timer)
{
    NEED(AccessSyntheticTimerRegs);
    slot(S)->type = 1;
    one_shot(timer, S, 100);
    expect(wait_for(expired(timer), 500 * MS), "timer %u does not expire", timer);
    delay_us(100);
    expect_eq("the type in the full slot", slot(S)->type, 1);
}
static void eom(void) { msr_write(HV_X64_MSR_EOM, 0); }

static u8 text[240];
static void connected(void)
{
    connect_message(7, this_cpu()->vp_index, S);
    for (unsigned k = 0; k < 240; k++)
        text[k] = (u8)(k ^ 0x5A);
}
static void posts(u32 type, u32 bytes) { expect_status("HvPostMessage", post_message(7, type, text, bytes), 0); }
static bool flag(unsigned sint, unsigned n) { return (synic.flags[256 * sint + n / 8] >> n % 8 & 1) != 0; }

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
static void refuses_post(u32 why) { expect_status("HvPostMessage", post_message(7, 1, text, 8), why); }
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

/* ---- 11.5 events ---- */

static void event_connected(void) { connect_event(9, this_cpu()->vp_index, S); }
static void signals(void) { expect_status("HvSignalEvent", signal_event(9, 0), 0); }
static bool flag_set(void)
{
    for (unsigned k = 0; k < 2048; k++)
        if (flag(S, k))
            return true;
    return false;
}
static void clear_flags(void) { memset((void *)(uintptr_t)&synic.flags[256 * S], 0, 256); }

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

/* ---- 11.8 registers ---- */

struct msr_on { u32 msr; u64 value; };
static void read_msr(void *arg) { struct msr_on *m = arg; m->value = msr_read(m->msr); }
static void write_msr(void *arg) { struct msr_on *m = arg; msr_write(m->msr, m->value); }
static u64 there(u32 msr)
{
    struct msr_on m = { msr, 0 };

    on_cpu(1, read_msr, &m);
    return m.value;
}

CLAUSE("11.8-01", "each VP has SynIC registers of its own")
{
    static const struct { u32 msr; u64 here, there; } rows[] = {
        { HV_X64_MSR_SCONTROL, 1, 0 }, { HV_X64_MSR_SIEFP, 0x1400000, 0x1500000 }, { HV_X64_MSR_SIMP, 0x1600000, 0x1700000 },
        { HV_X64_MSR_SINT0 + 3, SINT_MASKED | 0x55, SINT_MASKED | 0x66 } };

    NEED(AccessSynicRegs);
    need_cpus(2);
    for (unsigned k = 0; k < COUNT_OF(rows); k++) {
        struct msr_on m = { rows[k].msr, rows[k].there };

        msr_write(rows[k].msr, rows[k].here);
        on_cpu(1, write_msr, &m);
        expect_eq("the register here", msr_read(rows[k].msr), rows[k].here);
        expect_eq("the register there", there(rows[k].msr), rows[k].there);
    }
    expect_eq("SVERSION there", there(HV_X64_MSR_SVERSION) & 0xffffffff, 1);
}
CLAUSE("11.8-02", "they are MSRs 40000080h to 40000084h and 40000090h to 4000009Fh")
{
    NEED(AccessSynicRegs);
    for (u32 msr = 0x40000080; msr <= 0x40000084; msr++)
        (void)msr_read(msr);
    for (u32 msr = 0x40000090; msr <= 0x4000009F; msr++)
        (void)msr_read(msr);
}
CLAUSE("11.8.1-01", "SCONTROL bit 0 enables messages and events")
{
    begin(SINT_MASKED | V);
    msr_write(HV_X64_MSR_SCONTROL, 0);
    one_shot(0, S, 100);
    stays_empty("disabled");
    msr_write(HV_X64_MSR_SCONTROL, 1);
    one_shot(1, S, 100);
    comes("enabled");
}
CLAUSE("11.8.1-02", "SCONTROL is zero at first")
{
    NEED(AccessSynicRegs);
    expect_eq("SCONTROL as this start found it", at_start.scontrol, 0);
}
static void set_all(void *arg)
{
    u8 *pages = arg;

    msr_write(HV_X64_MSR_SIMP, gpa(pages) | 1);
    msr_write(HV_X64_MSR_SIEFP, gpa(pages + PAGE) | 1);
    msr_write(HV_X64_MSR_SCONTROL, 1);
    memset(pages, 0x5A, 2 * PAGE);
}
/* "Reset" is that of the processor, which comes with the machine's; INIT is another thing. */
static void reset_with_all_set(void)
{
    u8 *pages = page_alloc();

    NEED(AccessSynicRegs);
    (void)page_alloc();
    if (!resumed()) {
        set_all(pages);
        reset_and_resume();
    }
}
CLAUSE_LAST("11.8.1-03", "SCONTROL is zero after a reset of the VP")
{
    reset_with_all_set();
    expect_eq("SCONTROL as this start found it", at_start.scontrol, 0);
}
CLAUSE("11.8.1-04", "SCONTROL bits 63:1 are preserved: what was read can be written back")
{
    NEED(AccessSynicRegs);
    msr_write(HV_X64_MSR_SCONTROL, msr_read(HV_X64_MSR_SCONTROL) | 1);
    expect_bits("SCONTROL", msr_read(HV_X64_MSR_SCONTROL), 1, 1);
}
CLAUSE("11.8.2-01", "SVERSION reads 1 in bits 31:0")
{
    NEED(AccessSynicRegs);
    expect_eq("SVERSION", msr_read(HV_X64_MSR_SVERSION) & 0xffffffff, 1);
}
CLAUSE("11.8.2-02", "a write of SVERSION: #GP")
{
    NEED(AccessSynicRegs);
    msr_write_faults(HV_X64_MSR_SVERSION, 1);
}
static void page_register(u32 msr)
{
    u8 *page = memset(page_alloc(), 0x5A, PAGE);

    NEED(AccessSynicRegs);
    msr_write(msr, gpa(page));
    expect_bits("the register", msr_read(msr), ~0xffeull, gpa(page));
    expect_eq("the memory while disabled", *(volatile u32 *)(page + 512), 0x5A5A5A5A);
    msr_write(msr, gpa(page) | 1);
    expect_bits("the register", msr_read(msr), ~0xffeull, gpa(page) | 1);
    expect(*(volatile u32 *)(page + 512) != 0x5A5A5A5A, "the page is not there");
}
static void page_beyond(u32 msr)
{
    NEED(AccessSynicRegs);
    if (wrmsr_try(msr, beyond_gpa() | 1) == NONE)
        expect_status("a call while the page is nowhere", hypercall(HvCallNotifyLongSpinWait | FAST, 0, 0), 0);
    msr_write(msr, 0);
}
CLAUSE_IS("11.8.3-01", "SIEFP: enable 0, base 63:12", page_register(HV_X64_MSR_SIEFP))
CLAUSE_LAST("11.8.3-02", "SIEFP is zero at first, and after a reset of the VP")
{
    expect_eq("SIEFP as this start found it", at_start.siefp, 0);
    reset_with_all_set();
    expect_eq("SIEFP after the reset", at_start.siefp, 0);
}
CLAUSE_IS("11.8.3-03", "a SIEF page beyond the guest-physical space is just not accessible", page_beyond(HV_X64_MSR_SIEFP))
CLAUSE_IS("11.8.4-01", "SIMP: enable 0, base 63:12", page_register(HV_X64_MSR_SIMP))
CLAUSE_LAST("11.8.4-02", "SIMP is zero at first, and after a reset of the VP")
{
    expect_eq("SIMP as this start found it", at_start.simp, 0);
    reset_with_all_set();
    expect_eq("SIMP after the reset", at_start.simp, 0);
}
CLAUSE_IS("11.8.4-03", "a SIM page beyond the guest-physical space is just not accessible", page_beyond(HV_X64_MSR_SIMP))

CLAUSE("11.8.5-01", "SINTx: vector 7:0, Mask 16, AutoEOI 17, Polling 18")
{
    u64 bits = SINT_MASKED | SINT_AUTO_EOI | (feature(F_POLLING) ? SINT_POLLING : 0) | 0xAB;

    NEED(AccessSynicRegs);
    for (unsigned n = 0; n < 16; n++) {
        msr_write(SINT(n), bits);
        expect_bits("SINTx", msr_read(SINT(n)), 0x700FF, bits);
    }
}
CLAUSE("11.8.5-02", "every SINTx reads 10000h at first")
{
    NEED(AccessSynicRegs);
    for (unsigned n = 0; n < 16; n++)
        expect(at_start.sint[n] == SINT_MASKED, "SINT%u was %lx", n, at_start.sint[n]);
}
CLAUSE("11.8.5-03", "a masked SINT interrupts nobody")
{
    begin(SINT_MASKED | V);
    one_shot(0, S, 100);
    comes("a message");
    delay_us(MS);
    expect_eq("interrupts", taken(V), 0);
}
CLAUSE("11.8.5-04", "a vector below 16: #GP")
{
    NEED(AccessSynicRegs);
    for (u64 v = 0; v < 16; v++)
        msr_write_faults(SINT(S), v);
    msr_write(SINT(S), 16);
    msr_write(SINT(S), SINT_MASKED);
}
CLAUSE("11.8.5-05", "a polled SINT takes messages without interrupt")
{
    NEED_FEATURE(F_POLLING, "polling");
    begin(V | SINT_POLLING);
    one_shot(0, S, 100);
    comes("a message");
    delay_us(MS);
    expect_eq("interrupts", taken(V), 0);
}
static volatile u32 in_service;
static void note_service(u32 vector) { in_service = isr(vector) ? 1 : 2; }
CLAUSE("11.8.5-06", "with AutoEOI the interrupt is not in service in its handler")
{
    begin(V | SINT_AUTO_EOI);
    in_service = 0;
    this_cpu()->on_interrupt[V] = note_service;
    this_cpu()->keep[V] = true;
    one_shot(0, S, 100);
    expect(wait_for(taken(V) == 1, 500 * MS), "no interrupt came");
    expect_eq("in service (1) or not (2)", in_service, 2);
    take_message(slot(S));
    one_shot(1, S, 100);
    expect(wait_for(taken(V) == 2, 500 * MS), "the next one does not come");
}
CLAUSE("11.8.5-07", "AutoEOI can be turned on at any time; one in flight needs its EOI")
{
    begin(V);
    this_cpu()->keep[V] = true;
    one_shot(0, S, 100);
    expect(wait_for(taken(V) == 1, 500 * MS), "no interrupt came");
    sint_set(S, V | SINT_AUTO_EOI);
    expect(isr(V), "it is no longer in service");
    apic_write(0xB0, 0);
    expect(!isr(V), "the EOI did not end it");
    take_message(slot(S));
    one_shot(1, S, 100);
    expect(wait_for(taken(V) == 2, 500 * MS), "the next one does not come");
    expect(!isr(V), "the next one is in service");
}
CLAUSE("11.8.5-08", "AutoEOI can be turned off at any time")
{
    begin(V | SINT_AUTO_EOI);
    this_cpu()->keep[V] = true;
    one_shot(0, S, 100);
    expect(wait_for(taken(V) == 1, 500 * MS), "no interrupt came");
    sint_set(S, V);
    take_message(slot(S));
    one_shot(1, S, 100);
    expect(wait_for(taken(V) == 2, 500 * MS), "the next one does not come");
    expect(isr(V), "the next one is not in service");
}

/* ---- 11.8.6 EOM ---- */

CLAUSE("11.8.6-01", "EOM scans the queues and delivers")
{
    begin(SINT_MASKED | V);
    sint_set(6, SINT_MASKED | V);
    queue_one(0);
    slot(6)->type = 1;
    one_shot(1, 6, 100);
    expect(wait_for(expired(1), 500 * MS), "the timer does not expire");
    delay_us(100);
    slot(S)->type = slot(6)->type = 0;
    eom();
    expect(slot(S)->type != 0 && slot(6)->type != 0, "the types are %08x and %08x", slot(S)->type, slot(6)->type);
}
CLAUSE("11.8.6-02", "a delivery takes the message off the queue: it comes once")
{
    begin(SINT_MASKED | V);
    queue_one(0);
    slot(S)->type = 0;
    eom();
    comes("the message");
    slot(S)->type = 0;
    eom();
    stays_empty("a second time");
}
CLAUSE("11.8.6-03", "a delivery by EOM requests the SINT's vector")
{
    begin(V);
    queue_one(0);
    cli();
    slot(S)->type = 0;
    eom();
    expect(irr(V), "the vector is not requested");
    sti();
}
CLAUSE("11.8.6-04", "EOM with empty queues does nothing")
{
    begin(V);
    for (unsigned k = 0; k < 10; k++)
        eom();
    stays_empty("after ten EOMs");
    expect_eq("interrupts", taken(V), 0);
}
CLAUSE("11.8.6-05", "EOM serves a masked SINT, too")
{
    begin(SINT_MASKED | V);
    queue_one(0);
    slot(S)->type = 0;
    eom();
    expect_eq("the type in the slot", slot(S)->type, 0x80000010);
    delay_us(100);
    expect_eq("interrupts", taken(V), 0);
}
CLAUSE("11.8.6-06", "EOM reads as zero")
{
    NEED(AccessSynicRegs);
    expect_eq("EOM", msr_read(HV_X64_MSR_EOM), 0);
}
CLAUSE("11.8.6-07", "EOM is written as zero")
{
    int why;

    NEED(AccessSynicRegs);
    msr_write(HV_X64_MSR_EOM, 0);
    why = wrmsr_try(HV_X64_MSR_EOM, 1);
    expect(why == NONE || why == GP, "a write of 1: %s", vector_name(why));
}

/* ---- 11.9 pages ---- */

CLAUSE("11.9-01", "SIEF and SIM pages are overlays")
{
    page_register(HV_X64_MSR_SIMP);
    page_register(HV_X64_MSR_SIEFP);
}
CLAUSE("11.9-04", "a VP's own SIEF and SIM pages behave as RAM")
{
    begin(SINT_MASKED | V);
    for (unsigned k = 0; k < PAGE; k += 8) {
        *(volatile u64 *)((u64)synic.messages + k) = ~(u64)k;
        *(volatile u64 *)((u64)synic.flags + k) = k;
    }
    for (unsigned k = 0; k < PAGE; k += 8) {
        expect_eq("a word of the SIM page", *(volatile u64 *)((u64)synic.messages + k), ~(u64)k);
        expect_eq("a word of the SIEF page", *(volatile u64 *)((u64)synic.flags + k), k);
    }
}
static void all_zero(const char *what, const u8 *page)
{
    for (unsigned k = 0; k < PAGE; k += 8)
        expect(*(const volatile u64 *)(page + k) == 0, "%s: %lx at %x", what, *(const volatile u64 *)(page + k), k);
}
CLAUSE_LAST("11.9-05", "a VP's SIEF and SIM pages are zero at first")
{
    u8 *pages = page_alloc();

    NEED(AccessSynicRegs);
    (void)page_alloc();
    if (!resumed()) {
        set_all(pages);
        reset_and_resume();
    }
    memset(pages, 0x77, 2 * PAGE);
    msr_write(HV_X64_MSR_SIMP, gpa(pages) | 1);
    msr_write(HV_X64_MSR_SIEFP, gpa(pages + PAGE) | 1);
    all_zero("the SIM page", pages);
    all_zero("the SIEF page", pages + PAGE);
}
CLAUSE_LAST("11.9-06", "a VP's SIEF and SIM pages are zero after its reset, though they are found where they were")
{
    u8 *pages = page_alloc();

    NEED(AccessSynicRegs);
    (void)page_alloc();
    if (!resumed()) {
        set_all(pages);
        reset_and_resume();
    }
    msr_write(HV_X64_MSR_SIEFP, gpa(pages) | 1);
    msr_write(HV_X64_MSR_SIMP, gpa(pages + PAGE) | 1);
    all_zero("the SIEF page", pages);
    all_zero("the SIM page", pages + PAGE);
}
CLAUSE("11.9-07", "the SIEF page: an array of 256 bytes for each SINT")
{
    begin(V);
    connect_event(9, this_cpu()->vp_index, 7);
    sint_set(7, V);
    memset((void *)(uintptr_t)synic.flags, 0, PAGE);
    signals();
    for (unsigned k = 0; k < PAGE; k++)
        expect(synic.flags[k] == 0 || k / 256 == 7, "byte %x is set", k);
    expect(flag(7, 9) || flag(7, 0), "no flag of SINT 7 is set");
}
CLAUSE("11.9-08", "the SIM page: a slot of 256 bytes for each SINT")
{
    begin(SINT_MASKED | V);
    for (unsigned n = 1; n < 16; n += 7) {
        sint_set(n, SINT_MASKED | V);
        one_shot(0, n, 100);
        expect(wait_for(*(volatile u32 *)((u64)synic.messages + 256 * n) != 0, 500 * MS), "no message came at %x", 256 * n);
    }
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
    expect(n >= 16, "after %u messages", n);
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
    expect(flag(S, 9) || flag(S, 0), "flag number 0 set neither the base flag 9 nor flag 0");
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
