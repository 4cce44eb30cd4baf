/* SPDX-License-Identifier: MIT
 * TLFS chapters 12 to 14: reference time, synthetic timers, the time-unhalted timer, the reference TSC page; timer
 * messages; the long spin wait. No test asks that a timer comes soon, only that it comes, and not before its time. */
#include "conform/guest/hv.h"

enum { S = 4, V = 0x91 };

static struct synic synic;
static volatile struct message *slot(void) { return &synic.messages[S]; }

static void begin(u64 sint)
{
    NEED(AccessSyntheticTimerRegs);
    NEED(AccessPartitionReferenceCounter);
    synic = synic_on();
    sint_set(S, sint);
}
static void direct(unsigned timer, u64 flags, u64 count)
{
    NEED(AccessSyntheticTimerRegs);
    NEED_FEATURE(F_DIRECT, "direct timers");
    msr_write(STIMER_CONFIG(timer), 0);
    msr_write(STIMER_COUNT(timer), count);
    msr_write(STIMER_CONFIG(timer), STIMER_ENABLE | STIMER_DIRECT | STIMER_VECTOR(V) | flags);
}
static void comes(const char *what) { expect(wait_for(slot()->type != 0, 500 * MS), "%s: no message came", what); }
static void interrupts(u64 n) { expect(wait_for(taken(V) >= n, 1000 * MS), "%lu interrupts came, not %lu", taken(V), n); }
static bool enabled(unsigned timer) { return (msr_read(STIMER_CONFIG(timer)) & STIMER_ENABLE) != 0; }

struct msr_on { u32 msr; u64 value; };
static void read_msr(void *arg) { struct msr_on *m = arg; m->value = msr_read(m->msr); }
static u64 there(u32 cpu, u32 msr)
{
    struct msr_on m = { msr, 0 };

    on_cpu(cpu, read_msr, &m);
    return m.value;
}

/* ---- 12.1 ---- */

CLAUSE("12.1.1-01", "a reference counter, four timers a VP, the APIC's timer, the reference TSC")
{
    NEED(AccessPartitionReferenceCounter);
    NEED(AccessSyntheticTimerRegs);
    NEED(AccessPartitionReferenceTsc);
    (void)msr_read(HV_X64_MSR_TIME_REF_COUNT);
    for (unsigned n = 0; n < 4; n++)
        (void)msr_read(STIMER_CONFIG(n));
    apic_write(0x3E0, 0xB);
    apic_write(0x320, V);
    apic_write(0x380, 1000);
    expect(wait_for(taken(V) == 1, 500 * MS), "the APIC's timer does not expire");
    (void)msr_read(HV_X64_MSR_REFERENCE_TSC);
}
CLAUSE("12.1.2-01", "the reference counter strictly increases, seen from all VPs")
{
    u64 last = 0;

    NEED(AccessPartitionReferenceCounter);
    for (unsigned k = 0; k < 2000; k++) {
        u64 now = ref_time();

        expect(now > last, "%lu after %lu", now, last);
        last = now;
    }
    for (unsigned k = 0; k < 200; k++) {                        /* as close together as can be */
        u64 one = rdmsr(HV_X64_MSR_TIME_REF_COUNT), two = rdmsr(HV_X64_MSR_TIME_REF_COUNT);

        expect(two > one, "%lu after %lu at once", two, one);
        last = two;
    }
    for (unsigned k = 0; k < 40; k++) {
        u64 now = there(k % ncpus, HV_X64_MSR_TIME_REF_COUNT);

        expect(now > last, "on processor %u: %lu after %lu", k % ncpus, now, last);
        last = now;
    }
}
CLAUSE("12.1.2-02", "the reference counter advances at a constant rate")
{
    u64 t0, t1, t2, r0, r1, r2, a, b;

    NEED(AccessPartitionReferenceCounter);
    t0 = rdtsc(), r0 = ref_time();
    delay_us(20 * MS);
    t1 = rdtsc(), r1 = ref_time();
    delay_us(20 * MS);
    t2 = rdtsc(), r2 = ref_time();
    a = (r1 - r0) * 1000000 / (t1 - t0), b = (r2 - r1) * 1000000 / (t2 - t1);
    expect(a <= b + b / 20 && b <= a + a / 20, "%lu and %lu units for a million TSC ticks", a, b);
}
CLAUSE("12.1.2-03", "the reference counter began at zero when the partition was made")
{
    NEED(AccessPartitionReferenceCounter);
    expect(at_start.ref_time < 10ull * 60 * 10000000, "this start found it at %lu s", at_start.ref_time / 10000000);
}
CLAUSE("12.1.3-01", "a timer never signals before its time")
{
    begin(SINT_MASKED | V);
    for (u64 k = 1; k <= 20; k++) {
        one_shot(0, S, k * 777);
        comes("a timer");
        expect(ref_time() >= timer_payload(slot()).expiration, "it came before %lu", timer_payload(slot()).expiration);
        expect(timer_payload(slot()).delivery >= timer_payload(slot()).expiration, "delivered at %lu, due at %lu",
               timer_payload(slot()).delivery, timer_payload(slot()).expiration);
        take_message(slot());
    }
}
CLAUSE("12.1.3-02", "timers are one-shot or periodic")
{
    direct(0, 0, ref_time() + 1000);
    interrupts(1);
    delay_us(5 * MS);
    expect_eq("interrupts of a one-shot timer", taken(V), 1);
    direct(0, STIMER_PERIODIC, 10000);
    interrupts(4);
}
CLAUSE("12.1.3-03", "an expiration is a message or an interrupt")
{
    begin(SINT_MASKED | V);
    one_shot(0, S, 1000);
    comes("a timer of a SINT");
    expect_eq("interrupts", taken(V), 0);
    take_message(slot());
    direct(1, 0, ref_time() + 1000);
    interrupts(1);
    expect_eq("the slot's type", slot()->type, 0);
}
CLAUSE("12.1.4-04", "a lazy timer of a VP that runs expires")
{
    direct(0, STIMER_LAZY | STIMER_PERIODIC, 20000);
    interrupts(2);
}

/* ---- 12.2 direct mode ---- */

CLAUSE("12.2-01", "a direct timer asserts an interrupt and sends no message")
{
    begin(SINT_MASKED | 0x92);
    direct(0, STIMER_SINT(S), ref_time() + 1000);
    interrupts(1);
    delay_us(MS);
    expect_eq("the slot's type", slot()->type, 0);
}
CLAUSE("12.2-02", "its vector is ApicVector of the configuration")
{
    NEED(AccessSyntheticTimerRegs);
    NEED_FEATURE(F_DIRECT, "direct timers");
    for (u32 v = 0x93; v < 0xF0; v += 0x17) {
        msr_write(STIMER_CONFIG(0), 0);
        msr_write(STIMER_COUNT(0), ref_time() + 500);
        msr_write(STIMER_CONFIG(0), STIMER_ENABLE | STIMER_DIRECT | STIMER_VECTOR(v));
        expect(wait_for(taken(v) == 1, 500 * MS), "vector %x does not come", v);
    }
}
CLAUSE("12.2-03", "the DirectMode bit chooses it, EDX bit 19 announces it")
{
    NEED(AccessSyntheticTimerRegs);
    if (!feature(F_DIRECT)) {
        (void)wrmsr_try(STIMER_CONFIG(0), STIMER_DIRECT | STIMER_VECTOR(V));
        expect_bits("the configuration without the feature", msr_read(STIMER_CONFIG(0)), STIMER_DIRECT, 0);
        return;
    }
    msr_write(STIMER_CONFIG(0), STIMER_DIRECT | STIMER_VECTOR(V));
    expect_bits("the configuration", msr_read(STIMER_CONFIG(0)), STIMER_DIRECT | 0xFF0, STIMER_DIRECT | STIMER_VECTOR(V));
}

/* ---- 12.3, 12.4 the counter ---- */

struct tsc_page { u32 sequence, reserved; u64 scale; int64_t offset; };

static volatile struct tsc_page *tsc_page(void)
{
    volatile struct tsc_page *page = (volatile struct tsc_page *)page_alloc();

    NEED(AccessPartitionReferenceTsc);
    msr_write(HV_X64_MSR_REFERENCE_TSC, gpa(page) | 1);
    return page;
}
static u64 page_time(const volatile struct tsc_page *p)
{
    u64 tsc = rdtsc(), high, low;

    __asm__("mulq %3" : "=a"(low), "=d"(high) : "a"(tsc), "r"(p->scale) : "cc");
    (void)low;
    return high + (u64)p->offset;
}
static bool agrees(const volatile struct tsc_page *p)
{
    for (unsigned k = 0; k < 100; k++) {
        u64 before = ref_time(), by_page = page_time(p), now = ref_time();

        if (by_page + 1000 < before || by_page > now + 1000)
            return false;
        delay_us(50);
    }
    return true;
}

CLAUSE("12.3-01", "the enlightenment is there only with a TSC of constant rate: the page's time follows the counter")
{
    volatile struct tsc_page *p = tsc_page();

    NEED(AccessPartitionReferenceCounter);
    need(p->sequence != 0, "the page says that it is not valid");
    expect(agrees(p), "the page's time and the counter part");
}
CLAUSE("12.4-01", "TIME_REF_COUNT is the partition's, in units of 100 ns")
{
    u64 r0, t0, us;

    NEED(AccessPartitionReferenceCounter);
    r0 = ref_time(), t0 = now_us();
    delay_us(50 * MS);
    us = now_us() - t0;
    expect((ref_time() - r0) / 10 > us / 2 && (ref_time() - r0) / 10 < us * 2, "%lu units in %lu us", ref_time() - r0, us);
    need_cpus(2);
    r0 = ref_time();
    t0 = there(1, HV_X64_MSR_TIME_REF_COUNT);
    expect(t0 > r0 && t0 < ref_time(), "another VP reads %lu, between %lu and now", t0, r0);
}
CLAUSE("12.4-02", "TIME_REF_COUNT was zero when the partition was made")
{
    NEED(AccessPartitionReferenceCounter);
    expect(at_start.ref_time < 10ull * 60 * 10000000, "this start found it at %lu s", at_start.ref_time / 10000000);
}
CLAUSE("12.4.1-01", "a write of TIME_REF_COUNT: #GP")
{
    NEED(AccessPartitionReferenceCounter);
    msr_write_faults(HV_X64_MSR_TIME_REF_COUNT, 0);
}

/* ---- 12.5 timers ---- */

CLAUSE("12.5-01", "four pairs of MSRs from 400000B0h")
{
    NEED(AccessSyntheticTimerRegs);
    for (u32 msr = 0x400000B0; msr <= 0x400000B7; msr++) {
        (void)msr_read(msr);
        msr_write(msr, 0);
    }
}
CLAUSE("12.5.1-01", "the configuration's fields; its reserved bits are refused or stay zero")
{
    u64 vector = feature(F_DIRECT) ? STIMER_VECTOR(0xAB) : 0;
    u64 fields = STIMER_PERIODIC | STIMER_LAZY | STIMER_AUTO | STIMER_SINT(9) | vector;
    static const u8 reserved[] = { 13, 14, 15, 20, 31, 32, 47, 63 };

    NEED(AccessSyntheticTimerRegs);
    msr_write(STIMER_CONFIG(0), fields);
    expect_eq("the configuration", msr_read(STIMER_CONFIG(0)), fields);
    for (unsigned k = 0; k < COUNT_OF(reserved); k++) {
        int why = wrmsr_try(STIMER_CONFIG(1), BIT(reserved[k]));

        expect(why == GP || (why == NONE && !(msr_read(STIMER_CONFIG(1)) >> reserved[k] & 1)), "bit %u can be set",
               reserved[k]);
    }
}
CLAUSE_LAST("12.5.1-02", "all timers are disabled at first, and after a reset of the VP")
{
    NEED(AccessSyntheticTimerRegs);
    for (unsigned n = 0; n < 4; n++)
        expect(at_start.timer[2 * n] == 0, "the configuration of timer %u was %lx", n, at_start.timer[2 * n]);
    if (!resumed()) {
        for (unsigned n = 0; n < 4; n++) {
            msr_write(STIMER_COUNT(n), ~0ull);
            msr_write(STIMER_CONFIG(n), STIMER_ENABLE | STIMER_SINT(2));
        }
        reset_and_resume();
    }
}
CLAUSE("12.5.1-03", "with AutoEnable a count that is not zero starts the timer")
{
    begin(SINT_MASKED | V);
    msr_write(STIMER_CONFIG(0), STIMER_AUTO | STIMER_SINT(S));
    expect(!enabled(0), "it is enabled without a count");
    msr_write(STIMER_COUNT(0), ~0ull >> 1);
    expect(enabled(0), "the count did not enable it");
    msr_write(STIMER_COUNT(0), ref_time() + 1000);
    comes("the timer");
}
CLAUSE("12.5.1-04", "without AutoEnable the timer starts when Enable is set after the count")
{
    begin(SINT_MASKED | V);
    msr_write(STIMER_CONFIG(0), STIMER_SINT(S));
    msr_write(STIMER_COUNT(0), ref_time() + 1000);
    delay_us(2 * MS);
    expect(slot()->type == 0 && !enabled(0), "the count alone started it");
    msr_write(STIMER_CONFIG(0), STIMER_ENABLE | STIMER_SINT(S));
    comes("the enabled timer");
}
CLAUSE("12.5.1-05", "a one-shot timer is disabled when it expires")
{
    begin(SINT_MASKED | V);
    one_shot(0, S, 1000);
    comes("the timer");
    expect(!enabled(0), "it is enabled");
}
CLAUSE("12.5.1-06", "a periodic timer stays enabled")
{
    direct(0, STIMER_PERIODIC, 10000);
    interrupts(2);
    expect(enabled(0), "it is disabled");
    msr_write(STIMER_CONFIG(0), 0);
}
CLAUSE("12.5.1-07", "a one-shot timer whose time has passed expires at once")
{
    u64 start;

    begin(SINT_MASKED | V);
    msr_write(STIMER_COUNT(0), 1);
    start = ref_time();
    msr_write(STIMER_CONFIG(0), STIMER_ENABLE | STIMER_SINT(S));
    comes("the timer");
    expect(timer_payload(slot()).delivery >= start, "delivered at %lu, enabled at %lu", timer_payload(slot()).delivery,
           start);
    expect(!enabled(0), "it is enabled");
}
CLAUSE("12.5.1-08", "a configuration that enables with SINT zero disables the timer at once")
{
    NEED(AccessSyntheticTimerRegs);
    msr_write(STIMER_COUNT(0), ~0ull >> 1);
    msr_write(STIMER_CONFIG(0), STIMER_ENABLE);
    expect(!enabled(0), "it is enabled");
}
CLAUSE("12.5.1-09", "writing the configuration of an enabled timer: anything, but the VP lives on")
{
    begin(SINT_MASKED | V);
    msr_write(STIMER_COUNT(0), 10000);
    msr_write(STIMER_CONFIG(0), STIMER_ENABLE | STIMER_PERIODIC | STIMER_SINT(S));
    (void)wrmsr_try(STIMER_CONFIG(0), STIMER_ENABLE | STIMER_SINT(S));
    (void)wrmsr_try(STIMER_CONFIG(0), STIMER_ENABLE | STIMER_PERIODIC | STIMER_SINT(6));
    delay_us(5 * MS);
    msr_write(STIMER_CONFIG(0), 0);
    expect(!enabled(0), "it cannot be disabled");
}
CLAUSE("12.5.2-01", "one-shot: the count is an absolute time")
{
    u64 due;

    begin(SINT_MASKED | V);
    due = ref_time() + 30000;
    msr_write(STIMER_COUNT(0), due);
    msr_write(STIMER_CONFIG(0), STIMER_ENABLE | STIMER_SINT(S));
    delay_us(MS);
    expect(slot()->type == 0 || ref_time() >= due, "it expired early");
    comes("the timer");
    expect(ref_time() >= due, "it expired at %lu, before %lu", ref_time(), due);
    expect_eq("ExpirationTime", timer_payload(slot()).expiration, due);
}
CLAUSE("12.5.2-02", "periodic: the count is the period")
{
    u64 start = ref_time(), took;

    direct(0, STIMER_PERIODIC, 20000);
    interrupts(5);
    took = ref_time() - start;
    expect(took >= 4 * 20000, "five expirations of 20000 took %lu", took);
}
CLAUSE("12.5.2-03", "a count of zero stops and disables the timer, AutoEnable or not")
{
    NEED(AccessSyntheticTimerRegs);
    for (u64 automatic = 0; automatic <= STIMER_AUTO; automatic += STIMER_AUTO) {
        msr_write(STIMER_CONFIG(0), 0);
        msr_write(STIMER_COUNT(0), ~0ull >> 1);
        msr_write(STIMER_CONFIG(0), STIMER_ENABLE | automatic | STIMER_SINT(S));
        expect(enabled(0), "it is not enabled");
        msr_write(STIMER_COUNT(0), 0);
        expect(!enabled(0), "AutoEnable %lu: it is enabled", automatic);
    }
}
CLAUSE("12.5.2-04", "the count may be as large as can be")
{
    direct(0, 0, ~0ull);
    direct(1, STIMER_PERIODIC, ~0ull);
    delay_us(2 * MS);
    expect_eq("interrupts", taken(V), 0);
    expect(enabled(0), "the one-shot timer is disabled");
    direct(2, 0, ref_time() + 1000);
    interrupts(1);
}
CLAUSE("12.5.2-05", "the first period begins when the timer is enabled")
{
    u64 start;

    NEED(AccessSyntheticTimerRegs);
    NEED_FEATURE(F_DIRECT, "direct timers");
    msr_write(STIMER_COUNT(0), 50000);
    delay_us(4 * MS);
    start = ref_time();
    msr_write(STIMER_CONFIG(0), STIMER_ENABLE | STIMER_DIRECT | STIMER_VECTOR(V) | STIMER_PERIODIC);
    interrupts(1);
    expect(ref_time() - start >= 50000, "the first came after %lu", ref_time() - start);
}

/* ---- 12.6 the time-unhalted timer ---- */

static u8 *unhalted(u64 vector, u64 period)
{
    u8 *page = page_alloc();

    NEED(AccessSyntheticTimerRegs);
    NEED_FEATURE(F_UNHALTED, "the time-unhalted timer");
    if (privileged(PRIV_AccessIntrCtrlRegs)) {
        msr_write(HV_X64_MSR_VP_ASSIST_PAGE, gpa(page) | 1);
        page[56] = 0;
    }
    msr_write(HV_X64_MSR_STIME_UNHALTED_TIMER_COUNT, period);
    msr_write(HV_X64_MSR_STIME_UNHALTED_TIMER_CONFIG, BIT(8) | vector);
    return page;
}
CLAUSE("12.6-01", "MSRs 40000114h and 40000115h are there only with the privilege and EDX bit 23")
{
    bool has = privileged(PRIV_AccessSyntheticTimerRegs) && feature(F_UNHALTED);
    u64 v;

    expect_eq("whether 40000114h can be read", rdmsr_try(0x40000114, &v) == NONE, has);
    expect_eq("whether 40000115h can be read", rdmsr_try(0x40000115, &v) == NONE, has);
}
CLAUSE("12.6-02", "it interrupts again and again after the VP has run for its time")
{
    (void)unhalted(V, 20000);
    interrupts(3);
}
CLAUSE("12.6-03", "time counts only while the VP is not halted")
{
    u64 before;

    (void)unhalted(V, 50000);
    NEED_FEATURE(F_DIRECT, "direct timers");
    before = taken(V);
    msr_write(STIMER_COUNT(0), ref_time() + 1000000);       /* 100 ms, twenty periods */
    msr_write(STIMER_CONFIG(0), STIMER_ENABLE | STIMER_DIRECT | STIMER_VECTOR(0x9A));
    while (taken(0x9A) == 0)
        halt();
    expect(taken(V) - before < 10, "%lu interrupts in 100 ms of sleep", taken(V) - before);
}
CLAUSE("12.6-04", "when it fires, the flag in the VP assist page is TRUE")
{
    volatile u8 *page = unhalted(V, 20000);

    NEED(AccessIntrCtrlRegs);
    interrupts(1);
    expect(page[56] != 0, "the flag is FALSE");
}
CLAUSE("12.6-05", "the guest may make the flag FALSE; it becomes TRUE again")
{
    volatile u8 *page = unhalted(V, 20000);

    NEED(AccessIntrCtrlRegs);
    for (u64 k = 0; k < 3; k++) {
        expect(wait_for(page[56] != 0, 500 * MS), "the flag stays FALSE");
        page[56] = 0;
    }
}
CLAUSE("12.6-06", "it runs on by itself between interrupts")
{
    (void)unhalted(V, 10000);
    interrupts(5);
    expect_eq("its period", msr_read(HV_X64_MSR_STIME_UNHALTED_TIMER_COUNT), 10000);
    expect_bits("its configuration", msr_read(HV_X64_MSR_STIME_UNHALTED_TIMER_CONFIG), BIT(8), BIT(8));
}
CLAUSE("12.6.1-01", "its configuration: vector 7:0, enabled 8; vector 2 is an NMI")
{
    (void)unhalted(2, 20000);
    expect(wait_for(taken(NMI) >= 1, 500 * MS), "no NMI came");
    msr_write(HV_X64_MSR_STIME_UNHALTED_TIMER_CONFIG, 0);
    (void)unhalted(V, 20000);
    expect_bits("its configuration", msr_read(HV_X64_MSR_STIME_UNHALTED_TIMER_CONFIG), 0x1ff, 0x100 | V);
}
CLAUSE("12.6.2-01", "its count is a period in units of 100 ns")
{
    u64 start = ref_time(), n;

    (void)unhalted(V, 100000);
    interrupts(3);
    n = taken(V);
    expect(ref_time() - start >= (n - 1) * 100000, "%lu interrupts in %lu units", n, ref_time() - start);
}

/* ---- 12.7 the reference TSC page ---- */

CLAUSE("12.7-01", "the reference TSC page is an overlay of the partition")
{
    u8 *page = memset(page_alloc(), 0x5A, PAGE);

    NEED(AccessPartitionReferenceTsc);
    msr_write(HV_X64_MSR_REFERENCE_TSC, gpa(page) | 1);
    expect(*(volatile u32 *)(page + 4092) != 0x5A5A5A5A, "the memory is seen");
    expect_eq("the MSR on every VP", there(ncpus - 1, HV_X64_MSR_REFERENCE_TSC), gpa(page) | 1);
    msr_write(HV_X64_MSR_REFERENCE_TSC, 0);
    expect_eq("the memory when disabled", *(volatile u32 *)(page + 4092), 0x5A5A5A5A);
}
CLAUSE("12.7-02", "without AccessPartitionReferenceTsc: #GP")
{
    LACK(AccessPartitionReferenceTsc);
    msr_read_faults(HV_X64_MSR_REFERENCE_TSC);
}
CLAUSE("12.7.1-01", "the MSR: enable 0, page number 63:12")
{
    u8 *page = memset(page_alloc(), 0x5A, PAGE);

    NEED(AccessPartitionReferenceTsc);
    msr_write(HV_X64_MSR_REFERENCE_TSC, gpa(page));
    expect_eq("the memory while disabled", *(volatile u32 *)page, 0x5A5A5A5A);
    expect_bits("the MSR", msr_read(HV_X64_MSR_REFERENCE_TSC), ~0xffeull, gpa(page));
    msr_write(HV_X64_MSR_REFERENCE_TSC, gpa(page) | 1);
    expect(*(volatile u32 *)page != 0x5A5A5A5A, "the page is not there");
}
CLAUSE("12.7.1-02", "the MSR was zero when the partition was made")
{
    NEED(AccessPartitionReferenceTsc);
    expect_eq("what this start found", at_start.reference_tsc, 0);
}
CLAUSE("12.7.1-03", "a page beyond the guest-physical space is just not accessible")
{
    NEED(AccessPartitionReferenceTsc);
    if (wrmsr_try(HV_X64_MSR_REFERENCE_TSC, beyond_gpa() | 1) == NONE)
        expect_status("a call while the page is nowhere", hypercall(HvCallNotifyLongSpinWait | FAST, 0, 0), 0);
    msr_write(HV_X64_MSR_REFERENCE_TSC, 0);
}
CLAUSE("12.7.2-01", "the page: sequence at 0, scale at 8, offset at 16")
{
    volatile struct tsc_page *p = tsc_page();

    need(p->sequence != 0, "the page says that it is not valid");
    expect(p->scale != 0, "the scale is zero");
    expect_eq("bytes 4 to 7", p->reserved, 0);
}
CLAUSE("12.7.3-01", "reference time is the upper half of TSC times scale, plus offset")
{
    volatile struct tsc_page *p = tsc_page();

    NEED(AccessPartitionReferenceCounter);
    need(p->sequence != 0, "the page says that it is not valid");
    expect(agrees(p), "the page's time and TIME_REF_COUNT part");
}
CLAUSE("12.7.3.2-02", "a sequence of zero means that the page is no source of time; any other that it is one")
{
    volatile struct tsc_page *p = tsc_page();

    NEED(AccessPartitionReferenceCounter);
    if (p->sequence != 0)
        expect(agrees(p), "the page is valid, and wrong");
}

/* ---- 13 messages ---- */

CLAUSE("13.1-01", "the hypervisor's messages are of its own types: a timer's is 80000010h")
{
    begin(SINT_MASKED | V);
    one_shot(0, S, 100);
    comes("a timer");
    expect_eq("its type", slot()->type, 0x80000010);
}
CLAUSE("13.2.1-01", "the header comes first, and the size does not count it")
{
    begin(SINT_MASKED | V);
    one_shot(0, S, 100);
    comes("a timer");
    expect_eq("the size", slot()->size, 24);
    expect((volatile u8 *)slot()->payload - (volatile u8 *)slot() == 16, "the payload does not begin at 16");
    expect(timer_payload(slot()).delivery != 0, "there is no delivery time at 16 of the payload");
}
CLAUSE("13.3.1-01", "a timer's payload: index 0, expiration 8, delivery 16")
{
    u64 due, now;

    begin(SINT_MASKED | V);
    due = ref_time() + 5000;
    msr_write(STIMER_COUNT(3), due);
    msr_write(STIMER_CONFIG(3), STIMER_ENABLE | STIMER_SINT(S));
    comes("the timer");
    now = ref_time();
    expect_eq("the index", timer_payload(slot()).index, 3);
    expect_eq("the expiration", timer_payload(slot()).expiration, due);
    expect(timer_payload(slot()).delivery >= due && timer_payload(slot()).delivery <= now,
           "the delivery %lu is not between %lu and %lu",
           timer_payload(slot()).delivery, due, now);
}
CLAUSE("13.3.1-02", "the index is the timer's number")
{
    begin(SINT_MASKED | V);
    for (unsigned n = 0; n < 4; n++) {
        one_shot(n, S, 100);
        comes("a timer");
        expect_eq("the index", timer_payload(slot()).index, n);
        take_message(slot());
    }
}
CLAUSE("13.3.1-03", "ExpirationTime is when it was due")
{
    u64 first_due = 0;

    begin(SINT_MASKED | V);
    msr_write(STIMER_COUNT(0), 30000);
    msr_write(STIMER_CONFIG(0), STIMER_ENABLE | STIMER_PERIODIC | STIMER_SINT(S));
    for (unsigned k = 0; k < 3; k++) {
        comes("a period");
        if (k > 0)
            expect((timer_payload(slot()).expiration - first_due) % 30000 == 0, "%lu after %lu",
                   timer_payload(slot()).expiration, first_due);
        else
            first_due = timer_payload(slot()).expiration;
        take_message(slot());
    }
}
CLAUSE("13.3.1-04", "DeliveryTime is when the message came into the slot, not when it was due")
{
    u64 emptied;

    begin(SINT_MASKED | V);
    slot()->type = 1;
    one_shot(0, S, 100);
    delay_us(10 * MS);
    emptied = ref_time();
    slot()->type = 0;
    msr_write(HV_X64_MSR_EOM, 0);
    comes("the timer");
    expect(timer_payload(slot()).delivery >= emptied, "the delivery %lu lies before the slot was emptied at %lu",
           timer_payload(slot()).delivery, emptied);
}

/* ---- 14 long spin waits ---- */

CLAUSE("14.4-01", "the parameter: 32 bits of spin count, 32 bits of zero")
{
    u64 *in = (u64 *)page_alloc();

    in[0] = 0xFFFFFFFF;
    expect_status("from memory", hypercall_mem(HvCallNotifyLongSpinWait, in, NULL), 0);
}
CLAUSE("14.5.1-01", "HvNotifyLongSpinWait is call 0008h; fast, too")
{
    expect_status("fast", hypercall(0x0008 | FAST, 0x1000, 0), 0);
    expect_status("from memory", hypercall_mem(0x0008, page_alloc(), NULL), 0);
}
CLAUSE("14.5.1-02", "it returns SUCCESS only")
{
    for (u64 k = 0; k < 32; k++)
        expect_status("the call", hypercall(HvCallNotifyLongSpinWait | FAST, BIT(k), 0), 0);
}
CLAUSE("14.5.1-03", "it has no effect that a guest sees")
{
    struct call_regs r = { .rcx = HvCallNotifyLongSpinWait | FAST, .rdx = 77, .rbx = 1, .rsi = 2, .rdi = 3, .r8 = 4, .r9 = 5,
                           .r15 = 6 }, was = r;

    call_with(&r, hypercall_page);
    expect_status("the call", r.rax, 0);
    expect(r.rbx == was.rbx && r.rsi == was.rsi && r.rdi == was.rdi && r.rdx == was.rdx && r.r8 == was.r8 &&
           r.r9 == was.r9 && r.r15 == was.r15,
           "a register changed");
}
