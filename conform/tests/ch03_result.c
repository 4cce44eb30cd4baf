/* SPDX-License-Identifier: MIT
 * TLFS 3.8 to 3.14: the result, which registers change, errors, the hypercall page, extended calls. */
#include "conform/tests/calls.h"

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
