/* SPDX-License-Identifier: MIT
 * TLFS 3.7: the input value, variable headers, input in XMM registers. */
#include "conform/tests/calls.h"

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

CLAUSE("3.7.2-06", "XMM input and XMM output are facilities of their own")
{
    struct call_regs r = get_fast();
    int why = guarded(fast_output, &r);

    expect(feature(F_FAST_OUTPUT) ? why == NONE && status(r.rax) == 0 : why == UD, "fast output: %s, status %04x",
           vector_name(why), status(r.rax));
}
