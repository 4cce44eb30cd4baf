/* SPDX-License-Identifier: MIT
 * TLFS 11.8 and 11.9: SynIC registers and pages. */
#include "conform/tests/synic.h"

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
