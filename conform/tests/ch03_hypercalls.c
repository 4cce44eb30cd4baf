/* SPDX-License-Identifier: MIT
 * TLFS chapter 3: how hypercalls are made. HvGetVpRegisters,
     the flushes and the cluster IPIs serve as examples of a rep call with
 * output, of calls with a variable header, and of calls whose effect can be seen. */
#include "conform/guest/hv.h"

/* ---- helpers ---- */

static u64 *input(u64 a, u64 b, u64 c)
{
    u64 *in = (u64 *)page_alloc();

    in[0] = a, in[1] = b, in[2] = c;
    return in;
}

#define TWO(a, b) ((u64)(b) << 32 | (a))

/* HvGetVpRegisters of this VP for `count` times CR3, but element `bad` (if below count) asks for no register. */
static u64 *get_list(unsigned count, unsigned bad)
{
    u64 *in = input(PARTITION_SELF, VP_SELF, 0);
    u32 *names = (u32 *)(in + 2);

    NEED(AccessVpRegisters);
    for (unsigned k = 0; k < count; k++)
        names[k] = k == bad ? 0x7FFFFFFF : HvX64RegisterCr3;
    return in;
}

static struct reg128 *filled(void)
{
    return (struct reg128 *)memset(page_alloc(), 0xAA, PAGE);
}

static const u64 UNTOUCHED = 0xAAAAAAAAAAAAAAAAull;

static u64 flush_all(u64 control) { return hypercall_mem(control, input(0, 3, 0), NULL); }

/* Does this call make vector 50h arrive here? */
static void sees_ipi(const char *what, u64 result)
{
    expect_status(what, result, HV_STATUS_SUCCESS);
    expect(wait_for(taken(0x50) == 1, 100 * MS), "%s: no interrupt came", what);
}

static u64 me(void) { return BIT(this_cpu()->vp_index); }

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

/* ---- 3.7 the input value ---- */

CLAUSE("3.7-01", "where the fields lie: code 15:0, Fast 16, variable header from 17, reps 43:32, start 59:48")
{
    u64 *in = input(0, 2, 0);                                   /* all address spaces; a set of one bank */

    need(recommended(11), "the Ex hypercalls are not offered");
    in[3] = 1, in[4] = me(), in[5] = in[6] = gpa(WINDOW);
    expect_reps("a list with a variable header", hypercall_mem(0x0014ull | 1ull << 17 | 2ull << 32 | 1ull << 48, in, NULL),
                0, 2);
    sees_ipi("fast", hypercall(0x000Bull | 1ull << 16, 0x50, me()));
}

CLAUSE("3.7-02", "a call code nobody knows: INVALID_HYPERCALL_CODE")
{
    static const u16 codes[] = { 0x0000, 0x0005, 0x0016, 0x003F, 0x0071, 0x7FFF, 0xFFFF };

    for (unsigned k = 0; k < COUNT_OF(codes); k++)
        expect_status("an unknown code", hypercall(codes[k], gpa(page_alloc()), gpa(page_alloc())),
                      HV_STATUS_INVALID_HYPERCALL_CODE);
}

CLAUSE("3.7-03", "each reserved bit of the input value: INVALID_HYPERCALL_INPUT")
{
    static const u8 bits[] = { 27, 28, 29, 30, 44, 45, 46, 47, 60, 61, 62, 63 };

    for (unsigned k = 0; k < COUNT_OF(bits); k++)
        expect(status(flush_all(HvFlushVirtualAddressSpace | BIT(bits[k]))) == HV_STATUS_INVALID_HYPERCALL_INPUT,
               "bit %u: status %04x", bits[k], status(flush_all(HvFlushVirtualAddressSpace | BIT(bits[k]))));
}

CLAUSE("3.7-04", "a rep count on a simple call: INVALID_HYPERCALL_INPUT")
{
    expect_status("count 1", flush_all(HvFlushVirtualAddressSpace | REPS(1)), HV_STATUS_INVALID_HYPERCALL_INPUT);
    expect_status("count 4095", flush_all(HvFlushVirtualAddressSpace | REPS(4095)), HV_STATUS_INVALID_HYPERCALL_INPUT);
}

CLAUSE("3.7-05", "a start index on a simple call: INVALID_HYPERCALL_INPUT")
{
    expect_status("start 1", flush_all(HvFlushVirtualAddressSpace | START(1)), HV_STATUS_INVALID_HYPERCALL_INPUT);
}

CLAUSE("3.7-06", "no rep count on a rep call: INVALID_HYPERCALL_INPUT")
{
    expect_status("count 0", flush_all(HvFlushVirtualAddressList), HV_STATUS_INVALID_HYPERCALL_INPUT);
}

CLAUSE("3.7-07", "a start index not below the count: INVALID_HYPERCALL_INPUT")
{
    expect_status("start 2 of 2", flush_all(HvFlushVirtualAddressList | REPS(2) | START(2)),
                  HV_STATUS_INVALID_HYPERCALL_INPUT);
    expect_status("start 9 of 2", flush_all(HvFlushVirtualAddressList | REPS(2) | START(9)),
                  HV_STATUS_INVALID_HYPERCALL_INPUT);
}

CLAUSE("3.7-08", "Fast chooses between memory and registers")
{
    sees_ipi("from registers", hypercall(HvCallSendSyntheticClusterIpi | FAST, 0x50, me()));
    expect_status("from memory", hypercall_mem(HvCallSendSyntheticClusterIpi, input(0x52, me(), 0), NULL), 0);
    expect(wait_for(taken(0x52) == 1, 100 * MS), "from memory: no interrupt came");
}

CLAUSE("3.7-09", "Is Nested addresses the hypervisor below: outside a nested guest it is this one, or nobody")
{
    u64 result;
    int why = hypercall_try(HvCallNotifyLongSpinWait | FAST | NESTED, 0, 0, &result);

    expect(why == NONE, "%s", vector_name(why));
    expect(status(result) == 0 || status(result) == HV_STATUS_INVALID_HYPERCALL_INPUT ||
           status(result) == HV_STATUS_ACCESS_DENIED,
           "status %04x", status(result));
}

CLAUSE("3.7-10", "64-bit: input value in RCX, input address in RDX, output address in R8")
{
    struct reg128 *out = filled();
    struct call_regs r = { .rax = ~0ull, .rbx = ~0ull, .rsi = ~0ull, .rdi = ~0ull, .rcx = HvGetVpRegisters | REPS(1),
                           .rdx = gpa(get_list(1, 9)), .r8 = gpa(out) };

    call_with(&r, hypercall_page);
    expect_reps("HvGetVpRegisters", r.rax, 0, 1);
    expect_eq("the register", out[0].low, read_cr3());
}

CLAUSE("3.7-11", "32-bit: input value in EDX:EAX, input address in EBX:ECX, output address in EDI:ESI")
{
    struct reg128 *out = filled();
    struct call_regs r = { .rdx = 1, .rax = HvGetVpRegisters, .rbx = 0, .rcx = gpa(get_list(1, 9)), .rdi = 0,
                           .rsi = gpa(out) };

    call_with32(&r, hypercall_page);
    expect_eq("status in EAX", r.rax & 0xffff, 0);
    expect_eq("the register", out[0].low, read_cr3());
}

CLAUSE("3.7-12", "compatibility mode counts as 32-bit, though EFER.LMA is set")
{
    struct call_regs r = { .rcx = HvCallNotifyLongSpinWait | FAST, .rax = 0x3FFF };

    call_with32(&r, hypercall_page);
    expect_status("the code in EAX, not the one in RCX", r.rax, HV_STATUS_INVALID_HYPERCALL_CODE);
}

CLAUSE("3.7-13", "64-bit fast input: RDX, then R8")
{
    sees_ipi("vector in RDX, mask in R8", hypercall(HvCallSendSyntheticClusterIpi | FAST, 0x50, me()));
}

CLAUSE("3.7-14", "32-bit fast input: EBX:ECX, then EDI:ESI")
{
    struct call_regs r = { .rax = HvCallSendSyntheticClusterIpi | FAST, .rbx = 0, .rcx = 0x50, .rdi = me() >> 32,
                           .rsi = (u32)me() };

    call_with32(&r, hypercall_page);
    sees_ipi("vector in EBX:ECX, mask in EDI:ESI", r.rax);
}

CLAUSE("3.7-15", "the first element follows the header, on an 8-byte boundary")
{
    u64 *in = input(PARTITION_SELF, VP_SELF, HvX64RegisterCr3);
    struct reg128 *out = filled();

    NEED(AccessVpRegisters);
    expect_reps("HvGetVpRegisters", hypercall_mem(HvGetVpRegisters | REPS(1), in, out), 0, 1);
    expect_eq("the register named at offset 16", out[0].low, read_cr3());
}

CLAUSE("3.7-16", "the start index counts from the start of the list; zero is the first element")
{
    struct reg128 *out = filled();

    expect_reps("start 0", hypercall_mem(HvGetVpRegisters | REPS(2) | START(0), get_list(2, 9), out), 0, 2);
    expect_eq("element 0", out[0].low, read_cr3());
    out = filled();
    expect_reps("start 1, element 1 fails", hypercall_mem(HvGetVpRegisters | REPS(2) | START(1), get_list(2, 1), out),
                HV_STATUS_INVALID_PARAMETER, 1);
}

/* ---- 3.7.1 variable headers ---- */

static u64 set_ipi(unsigned banks, u64 format, u64 valid, u64 first)
{
    u64 *in = input(0x50, format, valid);

    need(recommended(11), "the Ex hypercalls are not offered");
    in[3] = first;
    return hypercall_mem(HvCallSendSyntheticClusterIpiEx | VARIABLE(banks), in, NULL);
}

CLAUSE("3.7.1-01", "a variable header on a call that takes none: INVALID_HYPERCALL_INPUT")
{
    expect_status("flush", flush_all(HvFlushVirtualAddressSpace | VARIABLE(1)), HV_STATUS_INVALID_HYPERCALL_INPUT);
    expect_status("flush list", flush_all(HvFlushVirtualAddressList | REPS(1) | VARIABLE(2)),
                  HV_STATUS_INVALID_HYPERCALL_INPUT);
}
CLAUSE("3.7.1-02", "the variable header counts units of 8 bytes beyond the fixed header")
{
    sees_ipi("one bank, size 1", set_ipi(1, 0, 1, me()));
    expect(status(set_ipi(1, 0, 3, me())) != 0, "two banks in a header of one succeeded");
}
CLAUSE("3.7.1-03", "a header that fits its fixed part has variable size zero")
{
    sees_ipi("all processors", set_ipi(0, 1, 0, 0));
}
CLAUSE("3.7.1-04", "in a rep call the list begins after the variable header")
{
    u64 *in = input(0, 2, 0);
    volatile u32 *one = (u32 *)page_alloc(), *two = (u32 *)page_alloc();

    need(recommended(11), "the Ex hypercalls are not offered");
    *one = 1, *two = 2;
    map(5, (void *)(uintptr_t)one, MAP_P | MAP_W);
    expect_eq("the page", *(volatile u32 *)(WINDOW + 5 * PAGE), 1);
    map(5, (void *)(uintptr_t)two, MAP_P | MAP_W);
    in[3] = 1, in[4] = me(), in[5] = gpa(WINDOW) + 5 * PAGE;
    expect_reps("flush", hypercall_mem(HvCallFlushVirtualAddressListEx | VARIABLE(1) | REPS(1), in, NULL), 0, 1);
    expect_eq("the page after the flush", *(volatile u32 *)(WINDOW + 5 * PAGE), 2);
}
CLAUSE("3.7.1-05", "calls with a variable header obey the common rules: alignment, reserved bits, reps")
{
    u64 *in = input(0x50, 1, 0);

    need(recommended(11), "the Ex hypercalls are not offered");
    expect_status("address + 4", hypercall(HvCallSendSyntheticClusterIpiEx, gpa(in) + 4, 0), HV_STATUS_INVALID_ALIGNMENT);
    expect_status("bit 60", hypercall_mem(HvCallSendSyntheticClusterIpiEx | BIT(60), in, NULL),
                  HV_STATUS_INVALID_HYPERCALL_INPUT);
    expect_status("reps", hypercall_mem(HvCallSendSyntheticClusterIpiEx | REPS(1), in, NULL),
                  HV_STATUS_INVALID_HYPERCALL_INPUT);
}

/* ---- 3.7.2 XMM input ---- */

CLAUSE("3.7.2-01", "XMM input: 16 bytes in general registers, 96 in XMM0 to XMM5; the last one counts")
{
    u64 block[14] = { PARTITION_SELF, VP_SELF };
    u32 *e = (u32 *)(block + 2);

    NEED(AccessVpRegisters);
    NEED_FEATURE(F_XMM_INPUT, "XMM input");
    for (unsigned k = 0; k < 3; k++)
        e[8 * k] = HvX64RegisterCr8, e[8 * k + 4] = k + 1;
    expect_reps("three registers, 112 bytes", hypercall_xmm(HvSetVpRegisters | REPS(3), block, sizeof block), 0, 3);
    expect_eq("CR8, set last from XMM5", read_cr8(), 3);
}

static void xmm_ipi(void *arg)
{
    const u64 block[4] = { 0x50, 0, 1, me() };

    *(u64 *)arg = hypercall_xmm(HvCallSendSyntheticClusterIpiEx | VARIABLE(1), block, sizeof block);
}

static void xmm_flush(void *arg)
{
    const u64 block[3] = { 0, 3, 0 };

    *(u64 *)arg = hypercall_xmm(HvFlushVirtualAddressSpace, block, sizeof block);
}

CLAUSE("3.7.2-02", "XMM input without the feature: #UD")
{
    u64 result = 0;
    int why;

    need(!feature(F_XMM_INPUT), "XMM input is offered");
    need(status(flush_all(HvFlushVirtualAddressSpace)) == 0, "no call that takes XMM input is offered");
    why = guarded(xmm_flush, &result);
    expect(why == UD, "%s, not #UD", vector_name(why));
}

CLAUSE("3.7.2-03", "64-bit: RDX, R8, XMM0 to XMM5 in order")
{
    u64 result = ~0ull;

    NEED_FEATURE(F_XMM_INPUT, "XMM input");
    need(recommended(11), "the Ex hypercalls are not offered");
    xmm_ipi(&result);
    sees_ipi("a set in R8 and XMM0", result);
}

CLAUSE("3.7.2-04", "32-bit: EBX:ECX, EDI:ESI, XMM0 to XMM5 in order")
{
    struct call_regs r = { .rax = (HvCallSendSyntheticClusterIpiEx | FAST | VARIABLE(1)), .rcx = 0x50 };

    NEED_FEATURE(F_XMM_INPUT, "XMM input");
    need(recommended(11), "the Ex hypercalls are not offered");
    r.xmm[0][0] = 1, r.xmm[0][1] = me();
    call_with32(&r, hypercall_page);
    sees_ipi("a set in EDI:ESI and XMM0", r.rax);
}

CLAUSE("3.7.2-05", "registers beyond the input are ignored")
{
    struct call_regs r = { .rcx = HvCallSendSyntheticClusterIpiEx | FAST | VARIABLE(1), .rdx = 0x50 };

    NEED_FEATURE(F_XMM_INPUT, "XMM input");
    need(recommended(11), "the Ex hypercalls are not offered");
    memset(r.xmm, 0xEE, sizeof r.xmm);
    r.xmm[0][0] = 1, r.xmm[0][1] = me();
    call_with(&r, hypercall_page);
    sees_ipi("with all else set", r.rax);
}

static void fast_output(void *arg)
{
    struct call_regs *r = arg;

    call_with(r, hypercall_page);
}

static struct call_regs get_fast(void)
{
    struct call_regs r = { .rcx = HvGetVpRegisters | FAST | REPS(1), .rdx = PARTITION_SELF, .r8 = VP_SELF };

    NEED(AccessVpRegisters);
    NEED_FEATURE(F_XMM_INPUT, "XMM input");
    r.xmm[0][0] = HvX64RegisterCr3;
    for (unsigned k = 1; k < 6; k++)
        r.xmm[k][0] = r.xmm[k][1] = UNTOUCHED;
    return r;
}

CLAUSE("3.7.2-06", "XMM input and XMM output are facilities of their own")
{
    struct call_regs r = get_fast();
    int why = guarded(fast_output, &r);

    expect(feature(F_FAST_OUTPUT) ? why == NONE && status(r.rax) == 0 : why == UD, "fast output: %s, status %04x",
           vector_name(why), status(r.rax));
}

/* ---- 3.8 the result ---- */

CLAUSE("3.8-01", "status in bits 15:0, reps completed in bits 43:32")
{
    u64 result = hypercall_mem(HvGetVpRegisters | REPS(5), get_list(5, 3), filled());

    expect_eq("bits 15:0", result & 0xffff, HV_STATUS_INVALID_PARAMETER);
    expect_eq("bits 43:32", result >> 32 & 0xfff, 3);
}
CLAUSE("3.8-03", "reps completed count from the start of the list")
{
    expect_reps("start 5 of 10", hypercall_mem(HvGetVpRegisters | REPS(10) | START(5), get_list(10, 99), filled()), 0, 10);
}
CLAUSE("3.8-04", "a 64-bit caller gets the result in RAX")
{
    struct call_regs r = { .rax = ~0ull, .rcx = 0x3FFF };

    call_with(&r, hypercall_page);
    expect_status("RAX", r.rax, HV_STATUS_INVALID_HYPERCALL_CODE);
}
CLAUSE("3.8-05", "a 32-bit caller gets the result in EDX:EAX")
{
    struct call_regs r = { .rdx = 4, .rax = HvGetVpRegisters, .rcx = gpa(get_list(4, 2)), .rsi = gpa(filled()) };

    call_with32(&r, hypercall_page);
    expect_eq("EAX", r.rax & 0xffff, HV_STATUS_INVALID_PARAMETER);
    expect_eq("EDX, reps", r.rdx & 0xfff, 2);
}
CLAUSE("3.8-06", "complete success: reps completed is the rep count")
{
    for (unsigned n = 1; n <= 200; n += 66)
        expect_reps("HvGetVpRegisters", hypercall_mem(HvGetVpRegisters | REPS(n), get_list(n, 999), filled()), 0, n);
}

CLAUSE("3.8.1-01", "XMM output without the feature: #UD")
{
    struct call_regs r = get_fast();
    int why;

    need(!feature(F_FAST_OUTPUT), "XMM output is offered");
    why = guarded(fast_output, &r);
    expect(why == UD, "%s, not #UD", vector_name(why));
}

static void fast_output32(void *arg) { call_with32(arg, hypercall_page); }

CLAUSE("3.8.1-02", "XMM output is for 64-bit callers only")
{
    struct call_regs r = { .rdx = 1, .rax = HvGetVpRegisters | FAST, .rbx = 0xffffffff, .rcx = 0xffffffff, .rsi = VP_SELF };
    int why;

    NEED(AccessVpRegisters);
    NEED_FEATURE(F_FAST_OUTPUT, "fast output");
    r.xmm[0][0] = HvX64RegisterCr3;
    why = guarded(fast_output32, &r);
    expect(why == UD || (why == NONE && (r.rax & 0xffff) != 0), "the call succeeded");
}
CLAUSE("3.8.1-03", "XMM output begins in the register after the input")
{
    struct call_regs r = get_fast();

    NEED_FEATURE(F_FAST_OUTPUT, "fast output");
    call_with(&r, hypercall_page);
    expect_reps("HvGetVpRegisters", r.rax, 0, 1);
    expect_eq("XMM1", r.xmm[1][0], read_cr3());
    expect_eq("XMM2, beyond the output", r.xmm[2][0], UNTOUCHED);
}
CLAUSE("3.8.1-04", "20 bytes of input: bytes 20 to 31 are ignored, output begins at byte 32")
{
    struct call_regs r = get_fast();

    NEED_FEATURE(F_FAST_OUTPUT, "fast output");
    r.xmm[0][0] |= 0xDEADBEEF00000000ull, r.xmm[0][1] = ~0ull;
    call_with(&r, hypercall_page);
    expect_reps("HvGetVpRegisters", r.rax, 0, 1);
    expect_eq("XMM1", r.xmm[1][0], read_cr3());
}

/* ---- 3.9 which registers change ---- */

static struct call_regs patterned(u64 rcx, u64 rdx, u64 r8)
{
    struct call_regs r;
    u64 *p = &r.rax;

    for (unsigned k = 0; k < sizeof r / 8; k++)
        p[k] = 0x1111111111111111ull * (k % 15 + 1);
    r.rcx = rcx, r.rdx = rdx, r.r8 = r8;
    return r;
}

static void same_registers(const struct call_regs *a, const struct call_regs *b, bool rcx)
{
    const u64 *x = &a->rax, *y = &b->rax;

    for (unsigned k = 1; k < sizeof *a / 8; k++)
        if (k != 4 && (rcx || k != 1))
            expect(x[k] == y[k], "register %u (RAX 0 ... R15 15, then XMM halves) changed from %lx to %lx", k, x[k], y[k]);
}

CLAUSE("3.9-01", "RAX is always the result value")
{
    struct call_regs r = patterned(0x3FFF, 0, 0);

    call_with(&r, hypercall_page);
    expect_eq("RAX of an unknown call", r.rax & 0xffff, HV_STATUS_INVALID_HYPERCALL_CODE);
    r = patterned(HvCallNotifyLongSpinWait | FAST, 0, 0);
    call_with(&r, hypercall_page);
    expect_eq("RAX of a good one", r.rax & 0xffff, 0);
}
CLAUSE("3.9-02", "a rep call leaves the new start index in RCX")
{
    struct call_regs r = patterned(HvGetVpRegisters | REPS(3), gpa(get_list(3, 9)), gpa(filled()));

    call_with(&r, hypercall_page);
    expect_reps("HvGetVpRegisters", r.rax, 0, 3);
    expect_eq("RCX", r.rcx, HvGetVpRegisters | REPS(3) | START(3));
}
CLAUSE("3.9-03", "HvSetVpRegisters changes a register of the caller")
{
    NEED(AccessVpRegisters);
    expect_reps("HvSetVpRegisters of CR8", set_register(VP_SELF, HvX64RegisterCr8, 5, 0), 0, 1);
    expect_eq("CR8", read_cr8(), 5);
}
CLAUSE("3.9-04", "registers used for fast input only are not changed")
{
    struct call_regs r = patterned(HvCallSendSyntheticClusterIpi | FAST, 0x50, me()), before = r;

    call_with(&r, hypercall_page);
    sees_ipi("the call", r.rax);
    same_registers(&before, &r, false);
}
CLAUSE("3.9-05", "only fast output changes RDX, R8 and XMM0 to XMM5")
{
    struct call_regs r = patterned(HvGetVpRegisters | REPS(1), gpa(get_list(1, 9)), gpa(filled())), before = r;

    call_with(&r, hypercall_page);
    expect_reps("memory-based", r.rax, 0, 1);
    same_registers(&before, &r, false);
}
CLAUSE("3.9-06", "all other registers keep their values, on success and on failure")
{
    struct call_regs r = patterned(0x3FFF, ~0ull, ~0ull), before = r;

    call_with(&r, hypercall_page);
    same_registers(&before, &r, true);
    r = before = patterned(HvFlushVirtualAddressSpace, gpa(input(0, 3, 0)), 0);
    call_with(&r, hypercall_page);
    expect_status("flush", r.rax, 0);
    same_registers(&before, &r, true);
}

/* ---- 3.11, 3.12 ---- */

CLAUSE("3.11-01", "a call without its privilege ends with an error and does nothing")
{
    u64 *in = input(PARTITION_SELF, 0, 0), *out = (u64 *)filled();

    LACK(AccessPartitionId);
    expect_status("HvGetPartitionId", hypercall_mem(HvGetPartitionId, in, out), HV_STATUS_ACCESS_DENIED);
    expect_eq("its output", out[0], UNTOUCHED);
}
CLAUSE("3.12.1-02", "output is valid on success")
{
    struct reg128 *out = filled();

    expect_reps("HvGetVpRegisters", hypercall_mem(HvGetVpRegisters | REPS(2), get_list(2, 9), out), 0, 2);
    expect_eq("the first value", out[0].low, read_cr3());
    expect_eq("the second", out[1].low, read_cr3());
}
CLAUSE("3.12.2-02", "ACCESS_DENIED comes before what would reveal state")
{
    LACK(CreatePartitions);
    expect_status("HvDeletePartition of nobody", hypercall(HvDeletePartition | FAST, 0x1234567, 0), HV_STATUS_ACCESS_DENIED);
    expect_status("HvDeletePartition of partition 1", hypercall(HvDeletePartition | FAST, 1, 0), HV_STATUS_ACCESS_DENIED);
}
CLAUSE("3.12.3-01", "SUCCESS is zero")
{
    expect_eq("status of HvNotifyLongSpinWait", status(hypercall(HvCallNotifyLongSpinWait | FAST, 0, 0)), 0);
}
CLAUSE("3.12.3-02", "a list beyond the guest-physical space: INVALID_ALIGNMENT")
{
    expect_status("input", hypercall(HvFlushVirtualAddressSpace, beyond_gpa(), 0), HV_STATUS_INVALID_ALIGNMENT);
    expect_status("input at the end of all", hypercall(HvFlushVirtualAddressSpace, 0xFFFFFFFFFFFFF000ull, 0),
                  HV_STATUS_INVALID_ALIGNMENT);
    expect_status("output", hypercall(HvGetVpRegisters | REPS(1), gpa(get_list(1, 9)), beyond_gpa()),
                  HV_STATUS_INVALID_ALIGNMENT);
}

/* ---- 3.13 the hypercall page ---- */

struct msr_on { u32 msr; u64 value; };
static void read_msr(void *arg) { struct msr_on *m = arg; m->value = msr_read(m->msr); }
static void write_msr(void *arg) { struct msr_on *m = arg; msr_write(m->msr, m->value); }

CLAUSE("3.13-01", "the page goes where the MSR says")
{
    struct call_regs r = { .rcx = HvCallNotifyLongSpinWait | FAST };
    u8 *page = page_alloc();

    NEED(AccessHypercallMsrs);
    msr_write(HV_X64_MSR_HYPERCALL, gpa(page) | 1);
    expect_eq("the MSR", msr_read(HV_X64_MSR_HYPERCALL), gpa(page) | 1);
    call_with(&r, page);
    expect_status("a call through the page there", r.rax, 0);
}
CLAUSE("3.13-02", "a page beyond the guest-physical space: #GP")
{
    NEED(AccessHypercallMsrs);
    msr_write_faults(HV_X64_MSR_HYPERCALL, beyond_gpa() | 1);
    expect_eq("the MSR", msr_read(HV_X64_MSR_HYPERCALL), gpa(hypercall_page) | 1);
}
CLAUSE("3.13-03", "the MSR is the partition's")
{
    struct msr_on m = { HV_X64_MSR_HYPERCALL, gpa(page_alloc()) | 1 };
    u64 there = m.value;

    NEED(AccessHypercallMsrs);
    need_cpus(2);
    on_cpu(1, write_msr, &m);
    expect_eq("the MSR here", msr_read(HV_X64_MSR_HYPERCALL), there);
    msr_write(HV_X64_MSR_HYPERCALL, gpa(hypercall_page) | 1);
    on_cpu(1, read_msr, &m);
    expect_eq("the MSR there", m.value, gpa(hypercall_page) | 1);
}
CLAUSE("3.13-04", "without an ID, Enable stays zero")
{
    NEED(AccessHypercallMsrs);
    msr_write(HV_X64_MSR_GUEST_OS_ID, 0);
    msr_write(HV_X64_MSR_HYPERCALL, gpa(page_alloc()) | 1);
    expect_bits("the MSR", msr_read(HV_X64_MSR_HYPERCALL), 1, 0);
}
CLAUSE("3.13-05", "clearing the ID removes the page")
{
    NEED(AccessHypercallMsrs);
    msr_write(HV_X64_MSR_GUEST_OS_ID, 0);
    expect_bits("the MSR", msr_read(HV_X64_MSR_HYPERCALL), 1, 0);
    expect_eq("the memory where the page was", *(volatile u32 *)hypercall_page, 0);
    expect(write_try(hypercall_page + 8, 0) == NONE, "it cannot be written");
}
CLAUSE_LAST("3.13-06", "a locked hypercall MSR cannot be changed")
{
    u64 locked = gpa(hypercall_page) | 3;

    NEED(AccessHypercallMsrs);
    NEED_FEATURE(F_LOCK, "the lock");
    (void)wrmsr_try(HV_X64_MSR_HYPERCALL, locked);
    expect_eq("the locked MSR", msr_read(HV_X64_MSR_HYPERCALL), locked);
    (void)wrmsr_try(HV_X64_MSR_HYPERCALL, gpa(page_alloc()) | 1);
    expect_eq("the MSR after a write", msr_read(HV_X64_MSR_HYPERCALL), locked);
    (void)wrmsr_try(HV_X64_MSR_HYPERCALL, 0);
    expect_eq("the MSR after a write of zero", msr_read(HV_X64_MSR_HYPERCALL), locked);
}
CLAUSE_LAST("3.13-07", "only a reset of the system unlocks it")
{
    NEED(AccessHypercallMsrs);
    NEED_FEATURE(F_LOCK, "the lock");
    if (!resumed()) {
        (void)wrmsr_try(HV_X64_MSR_HYPERCALL, gpa(hypercall_page) | 3);
        expect_bits("the MSR", msr_read(HV_X64_MSR_HYPERCALL), 3, 3);
        (void)wrmsr_try(HV_X64_MSR_GUEST_OS_ID, 0);
        expect_bits("the lock after the ID went", msr_read(HV_X64_MSR_HYPERCALL), 2, 2);
        reset_and_resume();
    }
    msr_write(HV_X64_MSR_HYPERCALL, 0);
    expect_eq("the MSR after the reset", msr_read(HV_X64_MSR_HYPERCALL), 0);
}
CLAUSE("3.13-08", "bits 11:2 are preserved: writing back what was read is good")
{
    u64 v;

    NEED(AccessHypercallMsrs);
    v = msr_read(HV_X64_MSR_HYPERCALL);
    msr_write(HV_X64_MSR_HYPERCALL, v);
    expect_eq("the MSR", msr_read(HV_X64_MSR_HYPERCALL), v);
}
CLAUSE("3.13-09", "the page hides what is mapped there")
{
    u8 *page = page_alloc();

    NEED(AccessHypercallMsrs);
    memset(page, 0x5A, PAGE);
    msr_write(HV_X64_MSR_HYPERCALL, gpa(page) | 1);
    expect(*(volatile u32 *)page != 0x5A5A5A5A, "the memory is still seen");
}
CLAUSE("3.13-10", "the page can be read and executed")
{
    u64 v;

    expect(read_try(hypercall_page, &v) == NONE, "it cannot be read");
    expect_status("a call through it", hypercall(HvCallNotifyLongSpinWait | FAST, 0, 0), 0);
}
CLAUSE("3.13-11", "a write to the page: #GP")
{
    int why;

    (void)hypercall(HvCallNotifyLongSpinWait | FAST, 0, 0);
    why = write_try(hypercall_page + 64, 0);
    expect(why == GP, "%s, not #GP", vector_name(why));
}
CLAUSE("3.13-12", "disabling or moving the page uncovers what was there")
{
    u8 *a = page_alloc(), *b = page_alloc();

    NEED(AccessHypercallMsrs);
    memset(a, 0x5A, PAGE);
    msr_write(HV_X64_MSR_HYPERCALL, gpa(a) | 1);
    expect(*(volatile u32 *)a != 0x5A5A5A5A, "the page is not there");
    msr_write(HV_X64_MSR_HYPERCALL, gpa(b) | 1);
    expect_eq("the memory after a move", *(volatile u32 *)a, 0x5A5A5A5A);
    memset(a, 0xA5, PAGE);
    msr_write(HV_X64_MSR_HYPERCALL, gpa(a) | 1);
    msr_write(HV_X64_MSR_HYPERCALL, gpa(a));
    expect_eq("the memory after it was disabled", *(volatile u32 *)a, 0xA5A5A5A5);
}
CLAUSE("3.13-13", "a near call of offset 0 calls, and returns to the caller")
{
    struct call_regs r = patterned(HvCallNotifyLongSpinWait | FAST, 0, 0);

    expect_bits("the MSR", msr_read(HV_X64_MSR_HYPERCALL), 1, 1);
    call_with(&r, hypercall_page);
    expect_status("the call", r.rax, 0);
}
CLAUSE("3.13-14", "Hv#1 has the MSRs GUEST_OS_ID, HYPERCALL and VP_INDEX")
{
    (void)msr_read(HV_X64_MSR_GUEST_OS_ID);
    (void)msr_read(HV_X64_MSR_HYPERCALL);
    (void)msr_read(HV_X64_MSR_VP_INDEX);
}

/* ---- 3.14 extended calls ---- */

static u64 capabilities(void)
{
    u64 *out = (u64 *)filled();

    NEED(EnableExtendedHypercalls);
    expect_status("HvExtCallQueryCapabilities", hypercall_mem(HvExtCallQueryCapabilities, NULL, out), 0);
    return out[0];
}

CLAUSE("3.14-01", "extended calls use the ordinary conventions")
{
    NEED(EnableExtendedHypercalls);
    (void)capabilities();
    expect_status("output + 4", hypercall(HvExtCallQueryCapabilities, 0, gpa(page_alloc()) + 4),
                  HV_STATUS_INVALID_ALIGNMENT);
    expect_status("reps", hypercall(HvExtCallQueryCapabilities | REPS(1), 0, gpa(page_alloc())),
                  HV_STATUS_INVALID_HYPERCALL_INPUT);
}
CLAUSE("3.14-02", "8001h to 8006h are the extended calls: those without a capability fail, others do not exist")
{
    u64 has = capabilities();

    for (unsigned n = 2; n <= 6; n++)
        if (!(has >> (n - 2) & 1))
            expect(status(hypercall(0x8000 + n, gpa(page_alloc()), gpa(page_alloc()))) != 0,
                   "call %x without capability succeeded", 0x8000 + n);
    expect_status("8007h", hypercall(0x8007, gpa(page_alloc()), gpa(page_alloc())), HV_STATUS_INVALID_HYPERCALL_CODE);
}
CLAUSE("3.14-03", "the privilege tells whether HvExtCallQueryCapabilities is there")
{
    u32 s = status(hypercall_mem(HvExtCallQueryCapabilities, NULL, page_alloc()));

    expect(privileged(PRIV_EnableExtendedHypercalls) == (s == 0), "privilege %u, status %04x",
           (unsigned)privileged(PRIV_EnableExtendedHypercalls), s);
}
CLAUSE("3.14.1-01", "HvExtCallQueryCapabilities: no input, one 64-bit mask")
{
    u64 *out = (u64 *)filled();

    NEED(EnableExtendedHypercalls);
    expect_status("the call", hypercall(HvExtCallQueryCapabilities, 0, gpa(out)), 0);
    expect(out[0] != UNTOUCHED, "nothing was written at offset 0");
    expect_eq("what follows", out[1], UNTOUCHED);
}
CLAUSE("3.14.1-02", "capability bits 63:5 are reserved: zero")
{
    expect_bits("the mask", capabilities(), ~0x1full, 0);
}
CLAUSE("3.14.1-03", "without the privilege HvExtCallQueryCapabilities is not available")
{
    LACK(EnableExtendedHypercalls);
    expect(status(hypercall_mem(HvExtCallQueryCapabilities, NULL, page_alloc())) != 0, "the call succeeded");
}
