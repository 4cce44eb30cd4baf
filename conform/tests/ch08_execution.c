/* SPDX-License-Identifier: MIT
 * TLFS chapter 8: what differs from a physical processor. */
#include "conform/guest/hv.h"

CLAUSE("8.2-01", "all VPs show one family, model and stepping")
{
    need_cpus(2);
    for (u32 k = 1; k < ncpus; k++)
        expect_eq("CPUID.1:EAX of another VP", cpus[k].signature, cpuid(1).eax);
}
CLAUSE("8.3-01", "IA32_PLATFORM_ID is denied: #GP")
{
    need(!privileged(PRIV_CpuManagement), "this is a root partition");
    msr_read_faults(0x17);
}
CLAUSE("8.4-01", "real mode runs, emulated or not") { expect(!call_from_is_ud(REAL_MODE_NO_CALL), "#UD came of nothing"); }

static bool mwait_indicated(void)
{
    return (cpuid(0x40000003).edx & 1) || (max_leaf() >= 0x40000007 && (cpuid(0x40000007).ebx & 2));
}
static void do_monitor(void *arg) { __asm__ volatile("monitor" : : "a"(arg), "c"(0), "d"(0)); }
static void do_mwait(void *arg) { (void)arg; __asm__ volatile("mwait" : : "a"(0), "c"(0)); }

CLAUSE("8.5-01", "MONITOR where it is not indicated: #UD")
{
    u64 line = 0;
    int why;

    need(!mwait_indicated(), "the hypervisor's leaves indicate MWAIT");
    why = guarded(do_monitor, &line);
    expect(why == UD, "%s, not #UD", vector_name(why));
}
CLAUSE("8.5-02", "MWAIT where it is not indicated: #UD")
{
    int why;

    need(!mwait_indicated(), "the hypervisor's leaves indicate MWAIT");
    why = guarded(do_mwait, NULL);
    expect(why == UD, "%s, not #UD", vector_name(why));
}

struct tsc { u64 before, after; };
static void shift_tsc(void *arg) { (void)arg; wrmsr(0x10, rdtsc() + (1ull << 40)); }
static void unshift_tsc(void *arg) { (void)arg; wrmsr(0x10, rdtsc() - (1ull << 40)); }
static void read_tsc(void *arg)
{
    struct tsc *t = arg;

    t->before = rdtsc();
    for (u32 k = 0; k < 1000; k++)
        cpu_pause();
    t->after = rdtsc();
}

CLAUSE("8.7-01", "each VP has a time-stamp counter of its own, which advances")
{
    struct tsc t;
    u64 here;

    for (u32 k = 0; k < ncpus; k++) {
        on_cpu(k, read_tsc, &t);
        expect(t.after > t.before, "the counter of processor %u stands still", k);
    }
    need_cpus(2);
    here = rdtsc();
    on_cpu(1, shift_tsc, NULL);
    on_cpu(1, read_tsc, &t);
    on_cpu(1, unshift_tsc, NULL);
    expect(t.before - here >= 1ull << 40, "a write to the counter of processor 1 did not count");
    expect(rdtsc() - here < 1ull << 39, "it moved the counter of processor 0");
}

CLAUSE("8.8-01", "an access that an overlay disallows: #MC, or #GP for the hypercall page")
{
    u8 *page = page_alloc();
    int why;

    (void)hypercall(HvCallNotifyLongSpinWait | FAST, 0, 0);
    why = write_try(hypercall_page + 8, 0);
    expect(why == GP || why == MC, "a write to the hypercall page: %s", vector_name(why));
    NEED(AccessPartitionReferenceTsc);
    msr_write(HV_X64_MSR_REFERENCE_TSC, gpa(page) | 1);
    why = write_try(page + 64, 0);
    expect(why == NONE || why == MC, "a write to the reference TSC page: %s", vector_name(why));
}
CLAUSE("8.8-02", "an access that an overlay allows is done")
{
    u8 *page = page_alloc();
    u64 v;

    NEED(AccessSynicRegs);
    msr_write(HV_X64_MSR_SIMP, gpa(page) | 1);
    expect(write_try(page + 8, 0x1234) == NONE && read_try(page + 8, &v) == NONE, "the SIM page cannot be accessed");
    expect_eq("what was written there", v, 0x1234);
    *(volatile u64 *)(page + 8) = 0;
    expect(read_try(hypercall_page, &v) == NONE, "the hypercall page cannot be read");
}
CLAUSE("8.8-07", "other memory is memory")
{
    u64 *page = (u64 *)page_alloc(), v;

    for (unsigned k = 0; k < 512; k++)
        expect(write_try(&page[k], k * 0x0101010101010101ull) == NONE, "it cannot be written");
    for (unsigned k = 0; k < 512; k++)
        expect(read_try(&page[k], &v) == NONE && v == k * 0x0101010101010101ull, "word %u reads %lx", k, v);
}

CLAUSE("8.9-04", "a port that nobody has reads all ones, and writes are dropped")
{
    enum { PORT = 0x0B10 };
    u16 word;

    outb(PORT, 0x55);
    outl(PORT, 0x55555555);
    __asm__ volatile("inw %1, %0" : "=a"(word) : "Nd"((u16)PORT));
    expect_eq("a byte", inb(PORT), 0xff);
    expect_eq("a word", word, 0xffff);
    expect_eq("a doubleword", inl(PORT), 0xffffffff);
}

CLAUSE("8.10-01", "an MSR of the hypervisor's, with the privilege, is emulated")
{
    NEED(AccessHypercallMsrs);
    msr_write(HV_X64_MSR_GUEST_OS_ID, OS_ID + 1);
    expect_eq("the guest OS ID", msr_read(HV_X64_MSR_GUEST_OS_ID), OS_ID + 1);
}
static const struct { u32 number; const char *name, *access; unsigned gate; } msrs[] = {
#define ROW(number, name, access, gate) { number, name, access, gate },
    MSR_LIST(ROW)
#undef ROW
};
CLAUSE("8.10-02", "an MSR of the hypervisor's, without the privilege, is one that does not exist: #GP")
{
    unsigned seen = 0;
    u64 v;

    for (unsigned k = 0; k < COUNT_OF(msrs); k++) {
        if (msrs[k].gate >= 64 || privileged(msrs[k].gate))
            continue;
        expect(rdmsr_try(msrs[k].number, &v) == GP, "%s can be read", msrs[k].name);
        seen++;
    }
    need(seen > 0, "the partition has every privilege that gates an MSR");
}
CLAUSE("8.10-04", "an MSR that does not exist: #GP")
{
    static const u32 numbers[] = { 0x40000FFF, 0x40000004, 0x400000C0, 0x4000FFFF, 0x00001FFF, 0xC0001FFF };

    for (unsigned k = 0; k < COUNT_OF(numbers); k++) {
        msr_read_faults(numbers[k]);
        msr_write_faults(numbers[k], 0);
    }
}
CLAUSE("8.11-02", "CPUID returns the processor's data with the hypervisor's on top")
{
    expect(cpuid(0).eax >= 1 && (cpuid(1).edx & 1), "leaves 0 and 1 do not describe a processor");
    expect_bits("CPUID.1:ECX", cpuid(1).ecx, BIT(31), BIT(31));
}

/* ---- 8.12 NPIEP ---- */

static u8 table_bytes[16];
static void do_sgdt(void) { __asm__ volatile("sgdt %0" : "=m"(table_bytes)); }
static void do_sidt(void) { __asm__ volatile("sidt %0" : "=m"(table_bytes)); }
static void do_sldt(void) { u16 v; __asm__ volatile("sldt %0" : "=r"(v)); }
static void do_str(void) { u16 v; __asm__ volatile("str %0" : "=r"(v)); }
static void (*const instructions[4])(void) = { do_sgdt, do_sidt, do_sldt, do_str };
static const char *const names[4] = { "SGDT", "SIDT", "SLDT", "STR" };
static void supervisor(void *arg) { ((void (*)(void))arg)(); }

static void prevents(unsigned bit)
{
    NEED_FEATURE(F_NPIEP, "NPIEP");
    msr_write(HV_X64_MSR_NPIEP_CONFIG, BIT(bit));
    for (unsigned k = 0; k < 4; k++) {
        int why = guarded_user(instructions[k]);

        expect(why == (k == bit ? GP : NONE), "with bit %u set, %s in user mode: %s", bit, names[k], vector_name(why));
    }
}
CLAUSE_IS("8.12-01", "PreventSgdt: SGDT at CPL 3 is #GP", prevents(0))
CLAUSE_IS("8.12-02", "PreventSidt: SIDT at CPL 3 is #GP", prevents(1))
CLAUSE_IS("8.12-03", "PreventSldt: SLDT at CPL 3 is #GP", prevents(2))
CLAUSE_IS("8.12-04", "PreventStr: STR at CPL 3 is #GP", prevents(3))
CLAUSE("8.12-05", "with the bits clear all four run in user mode")
{
    NEED_FEATURE(F_NPIEP, "NPIEP");
    msr_write(HV_X64_MSR_NPIEP_CONFIG, 0);
    for (unsigned k = 0; k < 4; k++)
        expect(guarded_user(instructions[k]) == NONE, "%s faults", names[k]);
}
CLAUSE("8.12-06", "the supervisor is not restricted")
{
    NEED_FEATURE(F_NPIEP, "NPIEP");
    msr_write(HV_X64_MSR_NPIEP_CONFIG, 15);
    for (unsigned k = 0; k < 4; k++)
        expect(guarded(supervisor, (void *)instructions[k]) == NONE, "%s at CPL 0 faults", names[k]);
}
static void user_sgdt(void *arg) { *(int *)arg = guarded_user(do_sgdt); }
CLAUSE("8.12-07", "each VP has its own configuration")
{
    int why = MC;

    NEED_FEATURE(F_NPIEP, "NPIEP");
    need_cpus(2);
    msr_write(HV_X64_MSR_NPIEP_CONFIG, 1);
    on_cpu(1, user_sgdt, &why);
    expect(why == NONE, "SGDT on another VP: %s", vector_name(why));
    why = guarded_user(do_sgdt);
    expect(why == GP, "SGDT here: %s", vector_name(why));
}
