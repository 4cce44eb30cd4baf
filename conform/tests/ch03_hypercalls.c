/* SPDX-License-Identifier: MIT
 * TLFS 3.1 to 3.6: kinds of hypercalls, continuation, who may call, where lists may lie. */
#include "conform/tests/calls.h"

/* n instructions, at most 15. */
static void nops(u64 n)
{
    u64 to;

    __asm__ volatile("leaq 1f(%%rip), %0\n subq %1, %0\n jmp *%0\n .rept 16\n nop\n .endr\n1:" : "=&r"(to) : "r"(n));
}

/* A direct timer that expires during a long list of flushes, tried at many distances: true when it came between the reps. */
static bool interrupt_in_reps(u64 *rip, u64 *rcx)
{
    static unsigned last;                                       /* where it came about the last time */
    u64 *in = input(0, 3, 0);
    struct cpu *c = this_cpu();
    enum { COUNT = 500, ATTEMPTS = 4000 };

    NEED(AccessSyntheticTimerRegs);
    NEED_FEATURE(F_DIRECT, "direct timers");
    for (unsigned k = 0; k < COUNT; k++)
        in[3 + k] = gpa(WINDOW);
    for (unsigned k = 0; k < ATTEMPTS; k++) {
        unsigned attempt = (last + ATTEMPTS - 8 + k) % ATTEMPTS;
        u64 before = c->taken[0x51], start;

        msr_write(STIMER_COUNT(0), ref_time() + 20);
        msr_write(STIMER_CONFIG(0), STIMER_ENABLE | STIMER_DIRECT | STIMER_VECTOR(0x51));
        for (start = rdtsc(); rdtsc() - start < attempt / 16 * 8 * tsc_per_us / 1000 + 1; )
            ;
        nops(attempt % 16);
        expect_reps("a long list of flushes", hypercall_mem(HvFlushVirtualAddressList | REPS(COUNT), in, NULL), 0, COUNT);
        expect(wait_for(c->taken[0x51] != before, 50 * MS), "the timer did not expire");
        *rip = c->at_rip;
        *rcx = c->at_rcx;
        if (*rip >= gpa(hypercall_page) && *rip < gpa(hypercall_page) + PAGE && (*rcx >> 48 & 0xfff) % COUNT != 0) {
            last = attempt;
            return true;
        }
    }
    return false;
}

/* ---- 3.1 ---- */

CLAUSE("3.1-01", "parameters are padded to natural boundaries: ProcessorMask of the cluster IPI lies at 8")
{
    sees_ipi("HvSendSyntheticClusterIpi", hypercall_mem(HvCallSendSyntheticClusterIpi, input(0x50, me(), 0), NULL));
}

CLAUSE("3.1-02", "a block on an 8-byte boundary that is no 16-byte boundary is taken")
{
    u64 *in = (u64 *)(page_alloc() + 8);

    in[0] = 0x50, in[1] = me();
    sees_ipi("input at 8 of a page", hypercall_mem(HvCallSendSyntheticClusterIpi, in, NULL));
}

CLAUSE("3.1-03", "padding in input is ignored: bytes 4 to 7 of HvNotifyLongSpinWait-like headers")
{
    u64 *in = get_list(1, 9);
    struct reg128 *out = filled();

    ((u32 *)in)[3] = 0;                                         /* TargetVtl, then three bytes of padding */
    in[1] = VP_SELF | 0xEEEEEE0000000000ull;
    expect_status("HvGetVpRegisters with padding set", hypercall_mem(HvGetVpRegisters | REPS(1), in, out), 0);
    expect_eq("the register", out[0].low, read_cr3());
}

CLAUSE("3.1-05", "output padding that is overwritten gets zeros: the upper part of a narrow register")
{
    struct reg128 *out = filled();

    expect_status("HvGetVpRegisters", hypercall_mem(HvGetVpRegisters | REPS(1), get_list(1, 9), out), 0);
    expect(out[0].high == 0 || out[0].high == UNTOUCHED, "bits 127:64 are %lx", out[0].high);
}

CLAUSE("3.1-06", "two input parameters and no output: two registers are enough; output in registers needs its own facility")
{
    u64 result;
    int why;

    sees_ipi("fast HvSendSyntheticClusterIpi", hypercall(HvCallSendSyntheticClusterIpi | FAST, 0x50, me()));
    if (!feature(F_FAST_OUTPUT)) {
        why = hypercall_try(HvExtCallQueryCapabilities | FAST, 0, 0, &result);
        expect(why == UD || status(result) != 0, "a fast call with output succeeded without the facility");
    }
}

CLAUSE("3.1-07", "XMM input carries at most 112 bytes")
{
    u64 block[16] = { 0, 3, 0 };

    NEED_FEATURE(F_XMM_INPUT, "XMM input");
    for (unsigned k = 3; k < 14; k++)
        block[k] = gpa(WINDOW);
    expect_reps("11 ranges, 112 bytes", hypercall_xmm(HvFlushVirtualAddressList | REPS(11), block, 112), 0, 11);
    expect(status(hypercall_xmm(HvFlushVirtualAddressList | REPS(12), block, 112)) != 0, "12 ranges, 120 bytes, succeeded");
}

/* ---- 3.2, 3.3 ---- */

CLAUSE("3.2-01", "a simple call does one operation with parameters of fixed size")
{
    sees_ipi("HvSendSyntheticClusterIpi", hypercall(HvCallSendSyntheticClusterIpi | FAST, 0x50, me()));
    expect_eq("interrupts", taken(0x50), 1);
}

CLAUSE("3.2-02", "a rep call takes elements in order, from the start index on")
{
    struct reg128 *out = filled();

    expect_reps("start 2 of 4", hypercall_mem(HvGetVpRegisters | REPS(4) | START(2), get_list(4, 9), out), 0, 4);
    expect_eq("element 0", out[0].low, UNTOUCHED);
    expect_eq("element 1", out[1].low, UNTOUCHED);
    expect_eq("element 2", out[2].low, read_cr3());
    expect_eq("element 3", out[3].low, read_cr3());
}

CLAUSE("3.2-03", "a rep call does at least one rep")
{
    struct reg128 *out = filled();

    expect_reps("one rep", hypercall_mem(HvGetVpRegisters | REPS(1), get_list(1, 9), out), 0, 1);
    expect_eq("its output", out[0].low, read_cr3());
}

CLAUSE("3.2-05", "an early return without error leaves the count done in the start index")
{
    u64 rip, rcx;

    need(interrupt_in_reps(&rip, &rcx), "no continuation was seen");
    expect((rcx >> 48 & 0xfff) < 500, "the start index is %lu of 500", rcx >> 48 & 0xfff);
    expect_eq("the rest of the control word", rcx & ~(0xfffull << 48), HvFlushVirtualAddressList | REPS(500));
}

CLAUSE("3.2-06", "a call with a start index does not repeat the elements before it")
{
    struct reg128 *out = filled();

    expect_reps("start 1 of 2", hypercall_mem(HvGetVpRegisters | REPS(2) | START(1), get_list(2, 0), out), 0, 2);
    expect_eq("element 0, which would fail", out[0].low, UNTOUCHED);
}

CLAUSE("3.2-07", "a failing element: its status, and the count of those before it")
{
    expect_reps("element 2 of 4 fails", hypercall_mem(HvGetVpRegisters | REPS(4), get_list(4, 2), filled()),
                HV_STATUS_INVALID_PARAMETER, 2);
}

CLAUSE("3.2-08", "elements before a failing one keep their effect")
{
    u64 *in = input(PARTITION_SELF, VP_SELF, 0);
    u32 *e = (u32 *)(in + 2);

    NEED(AccessVpRegisters);
    write_cr8(0);
    e[0] = HvX64RegisterCr8, e[4] = 3;
    e[8] = 0x7FFFFFFF;
    expect_reps("HvSetVpRegisters", hypercall_mem(HvSetVpRegisters | REPS(2), in, NULL), HV_STATUS_INVALID_PARAMETER, 1);
    expect_eq("CR8", read_cr8(), 3);
}

CLAUSE("3.3-01", "a continued call has its instruction pointer at the calling instruction")
{
    u64 rip, rcx;
    const u8 *at;

    need(interrupt_in_reps(&rip, &rcx), "no continuation was seen");
    at = (const u8 *)(uintptr_t)rip;
    expect(at[0] == 0x0F && at[1] == 0x01, "at %lx lies %02x %02x, not VMCALL or VMMCALL", rip, at[0], at[1]);
}

CLAUSE("3.3-02", "interrupts come between the parts of a continued call")
{
    u64 rip, rcx;

    need(interrupt_in_reps(&rip, &rcx), "no continuation was seen");
}

CLAUSE("3.3-03", "a long list comes to its end")
{
    u64 *in = input(0, 3, 0);

    for (unsigned k = 0; k < 500; k++)
        in[3 + k] = gpa(WINDOW) + 4096 * k;
    expect_reps("500 ranges", hypercall_mem(HvFlushVirtualAddressList | REPS(500), in, NULL), 0, 500);
}

/* ---- 3.4 ---- */

enum { POSTS = 8 };

static void post_many(void *arg)
{
    u8 payload[240];

    for (unsigned k = 0; k < POSTS; k++) {
        memset(payload, (int)(uintptr_t)arg + (int)k, sizeof payload);
        expect_status("HvPostMessage", post_message(7, 1, payload, sizeof payload), 0);
    }
}

CLAUSE("3.4-01", "a simple call is atomic: messages posted by two VPs at once arrive whole")
{
    struct synic s = synic_on();
    unsigned got = 0;

    need_cpus(3);
    sint_set(3, SINT_MASKED | 0x50);
    connect_message(7, this_cpu()->vp_index, 3);
    on_cpu_start(1, post_many, (void *)0x10);
    on_cpu_start(2, post_many, (void *)0x80);
    while (got < 2 * POSTS) {
        volatile struct message *m = &s.messages[3];

        expect(wait_for(m->type != 0, 500 * MS), "%u messages came, not %u", got, 2 * POSTS);
        for (unsigned k = 1; k < 240; k++)
            expect(m->payload[k] == m->payload[0], "message %u is mixed of two", got);
        got++;
        take_message(m);
    }
    on_cpu_wait(1);
    on_cpu_wait(2);
    partner(DISCONNECT_MESSAGE, 0, 3, 7);
}

CLAUSE("3.4-02", "the reps of a call are actions of their own: an error ends the list, what was done stays")
{
    struct reg128 *out = filled();

    expect_reps("the second fails", hypercall_mem(HvGetVpRegisters | REPS(3), get_list(3, 1), out),
                HV_STATUS_INVALID_PARAMETER, 1);
    expect_eq("the first", out[0].low, read_cr3());
    expect_eq("the third", out[2].low, UNTOUCHED);
}

/* ---- 3.5 ---- */

static void user_call(void)
{
    __asm__ volatile("call *%0" : : "r"(hypercall_page), "c"(HvCallNotifyLongSpinWait | FAST), "d"(0ull) : "rax", "r8",
                     "memory");
}

CLAUSE("3.5-01", "a hypercall at CPL 3 is #UD")
{
    int why = guarded_user(user_call);

    expect(why == UD, "%s, not #UD", vector_name(why));
}

CLAUSE("3.5-02", "a hypercall in real mode is #UD") { expect(call_from_is_ud(REAL_MODE), "the call returned"); }
CLAUSE("3.5-03", "a hypercall in virtual-8086 mode is #UD") { expect(call_from_is_ud(V86_MODE), "the call returned"); }

CLAUSE("3.5-04", "a hypercall at CPL 0 is taken, from 64-bit and from 32-bit code")
{
    struct call_regs r = { .rax = HvCallNotifyLongSpinWait | FAST };

    expect_status("64-bit", hypercall(HvCallNotifyLongSpinWait | FAST, 0, 0), 0);
    call_with32(&r, hypercall_page);
    expect_status("32-bit", r.rax, 0);
}

/* ---- 3.6 ---- */

CLAUSE("3.6-01", "an input address off the 8-byte boundary: INVALID_ALIGNMENT")
{
    for (unsigned off = 1; off < 8; off++)
        expect_status("flush", hypercall(HvFlushVirtualAddressSpace, gpa(input(0, 3, 0)) + off, 0),
                      HV_STATUS_INVALID_ALIGNMENT);
}

CLAUSE("3.6-02", "an output address off the 8-byte boundary: INVALID_ALIGNMENT")
{
    for (unsigned off = 1; off < 8; off++)
        expect_status("HvGetVpRegisters", hypercall(HvGetVpRegisters | REPS(1), gpa(get_list(1, 9)),
                                                    gpa(page_alloc()) + off),
                      HV_STATUS_INVALID_ALIGNMENT);
}

CLAUSE("3.6-03", "a call without input ignores the input address")
{
    NEED(EnableExtendedHypercalls);
    expect_status("HvExtCallQueryCapabilities", hypercall(HvExtCallQueryCapabilities, ~0ull, gpa(page_alloc())), 0);
}

CLAUSE("3.6-04", "a call without output ignores the output address")
{
    expect_status("flush", hypercall(HvFlushVirtualAddressSpace, gpa(input(0, 3, 0)), ~0ull), 0);
}

CLAUSE("3.6-05", "an input list over a page boundary: INVALID_ALIGNMENT")
{
    u8 *page = page_alloc();

    (void)page_alloc();
    *(u64 *)(page + PAGE - 8) = 3;
    expect_status("a header of 24 bytes, 16 before the boundary", hypercall(HvFlushVirtualAddressSpace,
                                                                            gpa(page) + PAGE - 16, 0),
                  HV_STATUS_INVALID_ALIGNMENT);
    *(u64 *)(page + PAGE - 24) = 3;
    expect_status("elements over the boundary", hypercall(HvFlushVirtualAddressList | REPS(2), gpa(page) + PAGE - 32, 0),
                  HV_STATUS_INVALID_ALIGNMENT);
    expect_status("up to the boundary", hypercall(HvFlushVirtualAddressList | REPS(1), gpa(page) + PAGE - 32, 0), 0);
}

CLAUSE("3.6-06", "an output list over a page boundary: INVALID_ALIGNMENT")
{
    u8 *page = page_alloc();

    (void)page_alloc();
    expect_status("two values, 16 before the boundary",
                  hypercall(HvGetVpRegisters | REPS(2), gpa(get_list(2, 9)), gpa(page) + PAGE - 16),
                      HV_STATUS_INVALID_ALIGNMENT);
    expect_status("one value", hypercall(HvGetVpRegisters | REPS(1), gpa(get_list(1, 9)), gpa(page) + PAGE - 16), 0);
}

CLAUSE("3.6-07", "input and output lists must not overlap")
{
    u64 *in = get_list(1, 9);

    expect(status(hypercall_mem(HvGetVpRegisters | REPS(1), in, in)) != 0, "output over input succeeded");
}
