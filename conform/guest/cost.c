/* SPDX-License-Identifier: MIT
 * What the interface costs: the same count of hypercalls, synthetic MSR writes, timer expiries and CPUIDs, each between two
 * markers on the serial port, which whoever started the machine times (bench/hv). Command line: cost=COUNT, only=NAME,... */
#include "conform/guest/hv.h"
#include "conform/guest/internal.h"

enum { CODE_INVALID = 0xfff, FLUSH_SPACE = 0x0002, SIGNAL_EVENT = 0x005d, VECTOR = 0x60 };

/* The time between two expiries, and the loop that is interrupted: the same work with the timer off is what to subtract. */
enum { PERIOD_100NS = 5 };

static void nothing(u64 count)
{
    for (u64 k = 0; k < count; k++)
        __asm__ volatile("" : : : "memory");
}

static void do_cpuid(u64 count)
{
    for (u64 k = 0; k < count; k++) {
        u32 a = 0x40000001, b, c = 0, d;

        __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d) : : "memory");
    }
}

static void call(u64 count, u64 control, u64 rdx, u64 r8)
{
    register u64 r8_ __asm__("r8");

    for (u64 k = 0; k < count; k++) {
        u64 rax, rcx = control, d = rdx;

        r8_ = r8;
        __asm__ volatile("call *%[page]" : "=a"(rax), "+c"(rcx), "+d"(d), "+r"(r8_)
                         : [page]"r"(hypercall_page) : "r9", "r10", "r11", "memory");
    }
}

static void call_unknown(u64 count) { call(count, CODE_INVALID | FAST, 0, 0); }
static void call_signal(u64 count) { call(count, SIGNAL_EVENT | FAST, 0x00ffffff, 0); }

static void call_flush(u64 count)
{
    static u64 input[3] __attribute__((aligned(32)));

    input[1] = 1;                                       /* all address spaces... */
    input[2] = 1;                                       /* of this processor */
    call(count, FLUSH_SPACE, gpa(input), 0);
}

static void msr_eom(u64 count)
{
    for (u64 k = 0; k < count; k++)
        wrmsr(HV_X64_MSR_EOM, 0);
}

static void msr_sint(u64 count)
{
    for (u64 k = 0; k < count; k++)
        wrmsr(SINT(5), SINT_MASKED | 0x50);
}

static void msr_stimer(u64 count)
{
    for (u64 k = 0; k < count; k++)
        wrmsr(STIMER_COUNT(3), k);
}

/* The shortest handler there can be: an expiry is to be measured, not C code. */
extern const u8 on_expiry[];
static volatile u64 expiries __attribute__((used));
__asm__("on_expiry: pushq %rax; pushq %rcx; pushq %rdx\n"
        "    incq expiries\n"
        "    movl $0x40000070, %ecx; xorl %eax, %eax; xorl %edx, %edx; wrmsr\n"      /* HV_X64_MSR_EOI */
        "    popq %rdx; popq %rcx; popq %rax; iretq\n");

static void wait_for_expiries(u64 count)
{
    while (expiries < count)
        for (int k = 0; k < 1000; k++)
            __asm__ volatile("" : : : "memory");
}

static void stimer(u64 count)
{
    expiries = 0;
    wrmsr(STIMER_CONFIG(0), 0);
    wrmsr(STIMER_CONFIG(0), STIMER_PERIODIC | STIMER_DIRECT | STIMER_VECTOR(VECTOR));
    wrmsr(STIMER_COUNT(0), PERIOD_100NS);
    wrmsr(STIMER_CONFIG(0), STIMER_ENABLE | STIMER_PERIODIC | STIMER_DIRECT | STIMER_VECTOR(VECTOR));
    wait_for_expiries(count);
    wrmsr(STIMER_CONFIG(0), 0);
}

/* A timer that every PC has, for comparison: the local APIC's. */
static void apic_timer(u64 count)
{
    u64 hz = rdmsr(HV_X64_MSR_APIC_FREQUENCY);

    expiries = 0;
    apic_write(0x3E0, 0xB);                             /* undivided */
    apic_write(0x320, BIT(17) | VECTOR);                /* periodic */
    apic_write(0x380, (u32)(hz * PERIOD_100NS / 10000000));
    wait_for_expiries(count);
    apic_write(0x380, 0);
}

/* The same instructions in the same virtual time, and no timer. */
static void no_stimer(u64 count)
{
    u64 start = ref_time();

    while (ref_time() < start + count * PERIOD_100NS)
        for (int k = 0; k < 1000; k++)
            __asm__ volatile("" : : : "memory");
}

void cost_run(u64 count, bool (*wanted)(const char *name))
{
    static const struct { const char *name; void (*run)(u64 count); } costs[] = {
        { "nothing", nothing }, { "cpuid", do_cpuid }, { "hypercall-unknown", call_unknown }, { "hypercall-signal", call_signal },
        { "hypercall-flush", call_flush }, { "msr-eom", msr_eom }, { "msr-sint", msr_sint }, { "msr-stimer", msr_stimer },
        { "stimer-off", no_stimer }, { "stimer", stimer }, { "apic-timer", apic_timer },
    };

    cpu_gate(VECTOR, gpa(on_expiry));
    for (u32 k = 0; k < COUNT_OF(costs); k++) {
        if (!wanted(costs[k].name))
            continue;
        costs[k].run(1000);                             /* translated, and its pages mapped, before it is timed */
        print("@begin %s\r\n", costs[k].name);
        costs[k].run(count);
        print("@end %s\r\n", costs[k].name);
    }
}
