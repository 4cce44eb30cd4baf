/* SPDX-License-Identifier: MIT
 * The appendices, row by row from the tables in docs/tlfs, and the requirements of the minimal interface. */
#include "conform/guest/hv.h"

static const struct call { u32 first, last; const char *name; u8 rep; const char *fast, *variable,
                           *caller; u8 gate; } calls[] = {
#define ROW(first, last, name, rep, fast, variable, caller, gate) { first, last, name, rep, fast, variable, caller, gate },
    HYPERCALL_LIST(ROW)
#undef ROW
};
static const struct msr { u32 number; const char *name, *access; u8 gate; } msrs[] = {
#define ROW(number, name, access, gate) { number, name, access, gate },
    MSR_LIST(ROW)
#undef ROW
};
static const u16 statuses[] = {
#define ROW(name, code) code,
    STATUS_LIST(ROW)
#undef ROW
};

static bool starts(const char *text, const char *with)
{
    while (*with != '\0')
        if (*text++ != *with++)
            return false;
    return true;
}
static bool reserved(const struct call *c) { return starts(c->name, "Reserved"); }

/* A control word with a reserved bit set: no call is carried out. */
static u32 probe(u64 control) { return status(hypercall(control, gpa(page_alloc()), gpa(page_alloc()))); }
static u32 harmless(u32 code)
{
    static u64 in[512] PAGE_ALIGNED, out[512] PAGE_ALIGNED;

    return status(hypercall(code | BIT(60), gpa(in), gpa(out)));
}

CLAUSE("A-01", "a code that is not listed: INVALID_HYPERCALL_CODE")
{
    for (u32 code = 0x00B1; code < 0x8000; code = code * 2 + 1)
        expect(probe(code) == HV_STATUS_INVALID_HYPERCALL_CODE, "code %04x: status %04x", code, probe(code));
    for (u32 code = 0x8007; code < 0x10000; code += 0x1111)
        expect(probe(code) == HV_STATUS_INVALID_HYPERCALL_CODE, "code %04x: status %04x", code, probe(code));
}
CLAUSE("A-02", "rep calls want a rep count, simple calls want none")
{
    static u64 in[512] PAGE_ALIGNED, out[512] PAGE_ALIGNED;

    for (u32 k = 0; k < COUNT_OF(calls); k++) {
        u64 wrong = calls[k].rep ? 0 : REPS(1);
        u32 s;

        if (reserved(&calls[k]) || calls[k].variable[0] == '?' || calls[k].fast[0] == '?')
            continue;
        s = status(hypercall(calls[k].first | wrong, gpa(in), gpa(out)));
        expect(s == HV_STATUS_INVALID_HYPERCALL_INPUT || s == HV_STATUS_ACCESS_DENIED ||
               s == HV_STATUS_INVALID_HYPERCALL_CODE,
               "%s with a rep count of %u: status %04x", calls[k].name, wrong != 0, s);
    }
}
CLAUSE("A-03", "calls that are marked fast take register parameters")
{
    expect_status("0001h", hypercall(0x0001 | FAST, read_cr3(), 0), 0);
    expect_status("0008h", hypercall(0x0008 | FAST, 0, 0), 0);
    expect_status("000Bh", hypercall(0x000B | FAST, 0x78, vp_bit(0)), 0);
    NEED(SignalEvents);
    expect_status("005Dh", hypercall(0x005D | FAST, 0x123456, 0), HV_STATUS_INVALID_CONNECTION_ID);
}
CLAUSE("A-06", "codes 0055h and 0057h are deprecated: they fail")
{
    u32 a = probe(0x0055), b = probe(0x0057);

    expect(a == HV_STATUS_ACCESS_DENIED || a == HV_STATUS_INVALID_HYPERCALL_CODE, "0055h: status %04x", a);
    expect(b == HV_STATUS_ACCESS_DENIED || b == HV_STATUS_INVALID_HYPERCALL_CODE, "0057h: status %04x", b);
}
CLAUSE("A-07", "reserved and unlisted codes: INVALID_HYPERCALL_CODE")
{
    for (u32 k = 0; k < COUNT_OF(calls); k++)
        for (u32 code = calls[k].first; reserved(&calls[k]) && calls[k].first != 0x7F && code <= calls[k].last; code++)
            expect(harmless(code) == HV_STATUS_INVALID_HYPERCALL_CODE, "code %04x: status %04x", code, harmless(code));
    expect_eq("status of 000Ah", harmless(0x000A), HV_STATUS_INVALID_HYPERCALL_CODE);
    expect_eq("status of 0093h", harmless(0x0093), HV_STATUS_INVALID_HYPERCALL_CODE);
}
CLAUSE("A-09", "codes 8001h to 8006h need EnableExtendedHypercalls")
{
    for (u32 code = 0x8001; code <= 0x8006; code++) {
        u32 s = harmless(code);

        if (!privileged(PRIV_EnableExtendedHypercalls))
            expect(s != 0, "code %04x without the privilege succeeded", code);
    }
    if (privileged(PRIV_EnableExtendedHypercalls))
        expect_eq("status of 8001h", probe(0x8001), 0);
}
CLAUSE("B-01", "every status is one that Appendix B lists")
{
    for (u32 code = 0; code < 0x100; code++) {
        u32 s = harmless(code);
        bool known = false;

        for (u32 k = 0; k < COUNT_OF(statuses); k++)
            known |= statuses[k] == s;
        expect(known, "call %04x: status %04x", code, s);
    }
}
CLAUSE("B-02", "INSUFFICIENT_BUFFERS is 0013h")
{
    struct synic s = synic_on();
    u32 last = 0;

    sint_set(3, SINT_MASKED | 0x40);
    connect_message(7, this_cpu()->vp_index, 3);
    for (u32 k = 0; k < 4096 && last == 0; k++)
        last = status(post_message(7, 1, NULL, 0));
    expect_eq("the status of a full port", last, 0x0013);
    synic_drain(s.messages);
}

/* ---- Appendix C ---- */

static bool offered(const struct msr *m)
{
    return m->gate >= 100 ? feature(m->gate - 100u) : m->gate == 64 || privileged(m->gate);
}
/* GUEST_IDLE sleeps, ICR sends, CRASH_CTL reports; the unhalted timer has two conditions, SIRBP came later. */
static bool special(u32 n)
{
    return n == HV_X64_MSR_GUEST_IDLE || n == HV_X64_MSR_ICR || n == HV_X64_MSR_CRASH_CTL ||
        n == HV_X64_MSR_STIME_UNHALTED_TIMER_CONFIG ||
           n == HV_X64_MSR_STIME_UNHALTED_TIMER_COUNT || n == HV_X64_MSR_SIRBP || n == HV_X64_MSR_RESET;
}
CLAUSE("C-01", "the MSRs of Appendix C can be read and written as it says")
{
    u64 v = 0;

    for (u32 k = 0; k < COUNT_OF(msrs); k++) {
        const struct msr *m = &msrs[k];

        if (!offered(m) || special(m->number))
            continue;
        if (m->access[0] == 'R')
            expect(rdmsr_try(m->number, &v) == NONE, "%s cannot be read", m->name);
        if (m->access[0] == 'W' || m->access[1] == 'W')
            expect(wrmsr_try(m->number, m->access[0] == 'R' ? v : 0) == NONE, "%s cannot be written", m->name);
    }
}
CLAUSE("C-02", "an MSR of Appendix C without its privilege: #GP")
{
    u32 n = 0;
    u64 v;

    for (u32 k = 0; k < COUNT_OF(msrs); k++) {
        if (offered(&msrs[k]) || special(msrs[k].number))
            continue;
        expect(rdmsr_try(msrs[k].number, &v) == GP, "%s can be read", msrs[k].name);
        expect(wrmsr_try(msrs[k].number, 0) == GP, "%s can be written", msrs[k].name);
        n++;
    }
    need(n > 0, "the partition has them all");
}
CLAUSE("C-03", "a read of a write-only MSR: #GP, but EOM reads zero")
{
    u64 v;

    for (u32 k = 0; k < COUNT_OF(msrs); k++) {
        if (msrs[k].access[0] != 'W' || !offered(&msrs[k]))
            continue;
        if (msrs[k].number == HV_X64_MSR_EOM)
            expect(rdmsr_try(HV_X64_MSR_EOM, &v) == NONE && v == 0, "EOM reads %lx", v);
        else
            expect(rdmsr_try(msrs[k].number, &v) == GP, "%s can be read", msrs[k].name);
    }
}
CLAUSE("C-04", "a write of a read-only MSR: #GP")
{
    for (u32 k = 0; k < COUNT_OF(msrs); k++)
        if (msrs[k].access[0] == 'R' && msrs[k].access[1] != 'W' && offered(&msrs[k]))
            expect(wrmsr_try(msrs[k].number, 0) == GP, "%s can be written", msrs[k].name);
}

/* ---- the requirements document ---- */

CLAUSE("R-01", "CPUID.1:ECX bit 31 is set") { expect_bits("ECX", cpuid(1).ecx, BIT(31), BIT(31)); }
CLAUSE("R-02", "leaves 40000000h to 40000005h exist; 40000001h is Hv#1")
{
    expect(max_leaf() >= 0x40000005, "the highest leaf is %08x", max_leaf());
    expect_eq("the signature", cpuid(0x40000001).eax, 0x31237648);
}
CLAUSE("R-03", "leaf 40000002h is a report only: its fields are a version or zero")
{
    struct cpuid v = cpuid(0x40000002);

    expect((v.eax != 0) == (v.ebx != 0), "build %u, version %08x", v.eax, v.ebx);
}
CLAUSE("R-04", "bits that are not required and not implemented are zero")
{
    expect_bits("the privilege mask", privileges(), 0xFFCCE608FFFFC000ull, 0);
    expect_bits("leaf 40000003h EDX", cpuid(0x40000003).edx, 0xFB410000u, 0);
    expect_bits("leaf 40000004h EAX", cpuid(0x40000004).eax, 0xFFF90100u, 0);
}
CLAUSE("R-05", "AccessHypercallMsrs and AccessVpIndex are set")
{
    expect(privileged(PRIV_AccessHypercallMsrs), "AccessHypercallMsrs is clear");
    expect(privileged(PRIV_AccessVpIndex), "AccessVpIndex is clear");
}
CLAUSE("R-06", "an ordinary guest has none of the root's privileges")
{
    expect_bits("the privilege mask", privileges(),
                BIT(PRIV_CreatePartitions) | BIT(PRIV_AccessPartitionId) | BIT(PRIV_AccessMemoryPool) | BIT(35) |
                BIT(PRIV_CreatePort) | BIT(PRIV_AccessStats) | BIT(PRIV_CpuManagement) | BIT(45), 0);
}
static void read_privileges(void *arg) { *(u64 *)arg = privileges(); }
CLAUSE("R-07", "privileges are the same on every VP")
{
    for (u32 k = 0; k < ncpus; k++) {
        u64 there = 0;

        on_cpu(k, read_privileges, &there);
        expect_eq("the mask of a processor", there, privileges());
    }
}
static void read_index(void *arg) { *(u64 *)arg = msr_read(HV_X64_MSR_VP_INDEX); }
CLAUSE("R-10", "GUEST_OS_ID, HYPERCALL and VP_INDEX exist; indices are unique")
{
    u64 seen = 0;

    (void)msr_read(HV_X64_MSR_GUEST_OS_ID);
    (void)msr_read(HV_X64_MSR_HYPERCALL);
    for (u32 k = 0; k < ncpus; k++) {
        u64 index = 0;

        on_cpu(k, read_index, &index);
        expect(!(seen >> (index & 63) & 1), "two processors have VP index %lu", index);
        seen |= BIT(index & 63);
    }
}
CLAUSE("R-11", "the bytes of the hypercall page do not change")
{
    u8 *copy = page_alloc();

    memcpy(copy, hypercall_page, PAGE);
    for (u32 k = 0; k < 10; k++)
        (void)hypercall(HvCallNotifyLongSpinWait | FAST, 0, 0);
    expect(memcmp(copy, hypercall_page, PAGE) == 0, "they changed");
}
CLAUSE("R-13", "a call that is not implemented returns an error, and never faults")
{
    u64 result;

    for (u32 code = 0; code < 0x100; code++) {
        int why = hypercall_try(code | BIT(60), gpa(page_alloc) & ~0xfffull, gpa(hypercall_page), &result);

        expect(why == NONE, "call %04x raised %s", code, vector_name(why));
        expect(status(result) != 0, "call %04x with a reserved bit succeeded", code);
    }
}
static void read_counter(void *arg) { *(u64 *)arg = rdtsc(); }
CLAUSE("R-14", "with reference time both MSRs exist, and the TSCs of all VPs agree")
{
    NEED(AccessPartitionReferenceTsc);
    (void)msr_read(HV_X64_MSR_TIME_REF_COUNT);
    (void)msr_read(HV_X64_MSR_REFERENCE_TSC);
    for (u32 k = 1; k < ncpus; k++) {
        u64 before = rdtsc(), there = 0;

        on_cpu(k, read_counter, &there);
        expect(there >= before && there <= rdtsc(), "processor %u has %lu, this one %lu before and %lu after", k, there,
               before, rdtsc());
    }
}
CLAUSE("R-17", "relaxed timing is recommended wherever the guest may run slower than its clock")
{
    expect(recommended(5), "leaf 40000004h EAX bit 5 is clear");
}
CLAUSE("R-18", "AccessGuestIdleReg comes with GUEST_IDLE")
{
    u64 v;

    NEED(AccessGuestIdleReg);
    NEED(AccessSyntheticTimerRegs);
    NEED_FEATURE(F_DIRECT, "direct timers");
    msr_write(STIMER_COUNT(0), ref_time() + 10000);
    msr_write(STIMER_CONFIG(0), STIMER_ENABLE | STIMER_DIRECT | STIMER_VECTOR(0x79));
    expect(rdmsr_try(HV_X64_MSR_GUEST_IDLE, &v) == NONE, "the MSR cannot be read");
}
static volatile u64 after_ipi;
static void note_ipi(u32 vector) { (void)vector; after_ipi = this_cpu()->at_rip; }
CLAUSE("R-19", "an IPI that includes its sender is taken before the next instruction")
{
    u64 next;

    this_cpu()->on_interrupt[0x7A] = note_ipi;
    (void)apic_read(0x300);
    __asm__ volatile("leaq 1f(%%rip), %0\n movl %1, (%2)\n1: nop\n" : "=&r"(next) : "r"(0x4407A),
                     "r"(0xFEE00300ull) : "memory");
    expect(wait_for(taken(0x7A) == 1, 100 * MS), "it does not come");
    expect_eq("where it was taken", after_ipi, next);
    NEED(AccessIntrCtrlRegs);
    __asm__ volatile("leaq 1f(%%rip), %0\n wrmsr\n1: nop\n" : "=&r"(next) : "c"(HV_X64_MSR_ICR), "a"(0x4407A),
                     "d"(0) : "memory");
    expect(wait_for(taken(0x7A) == 2, 100 * MS), "it does not come by MSR");
    expect_eq("where it was taken", after_ipi, next);
}
