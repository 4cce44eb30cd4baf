/* SPDX-License-Identifier: MIT
 * TLFS chapters 1 and 2: conventions, the CPUID leaves, identity of the guest. */
#include "conform/guest/hv.h"

/* ---- helpers ---- */

enum { EAX, EBX, ECX, EDX };

static u32 leaf(u32 number, int reg)
{
    struct cpuid r = cpuid(number);
    const u32 regs[] = { r.eax, r.ebx, r.ecx, r.edx };

    return regs[reg];
}

struct leaf_on { u32 number; int reg; u32 value; };
static void read_leaf(void *arg) { struct leaf_on *l = arg; l->value = leaf(l->number, l->reg); }

/* A field that tells about the partition tells the same on every VP. */
static u32 same_on_all(u32 number, int reg, u32 mask)
{
    u32 here = leaf(number, reg) & mask;

    need(max_leaf() >= number, "the highest leaf is %08x", max_leaf());
    for (u32 k = 1; k < ncpus; k++) {
        struct leaf_on l = { number, reg, 0 };

        on_cpu(k, read_leaf, &l);
        expect((l.value & mask) == here, "leaf %08x register %u is %08x here and %08x on processor %u", number,
               (unsigned)reg, here,
               l.value & mask, k);
    }
    return here;
}

static void zero_bits(u32 number, int reg, u32 mask)
{
    need(max_leaf() >= number, "the highest leaf is %08x", max_leaf());
    expect_bits("the register", leaf(number, reg), mask, 0);
}

static void reports(u32 number, int reg, unsigned bit) { (void)same_on_all(number, reg, 1u << bit); }

static void facility(unsigned bit, const u32 *msrs, unsigned count)
{
    u64 v;

    for (unsigned k = 0; k < count; k++) {
        int why = rdmsr_try(msrs[k], &v);

        if (feature(bit))
            expect(why == NONE, "EDX bit %u is set, but reading MSR %08x raised %s", bit, msrs[k], vector_name(why));
        else
            expect(why == GP, "EDX bit %u is clear, but reading MSR %08x: %s", bit, msrs[k], vector_name(why));
    }
}

/* ---- chapter 1: conventions ---- */

CLAUSE("1.6-01", "a hypercall's result has its HV_STATUS in the low 16 bits")
{
    expect_eq("result of HvNotifyLongSpinWait", hypercall(HvCallNotifyLongSpinWait | FAST, 1, 0) & 0xffff,
              HV_STATUS_SUCCESS);
    expect_eq("result of an unknown call", hypercall(0x3FFF, 0, 0) & 0xffff, HV_STATUS_INVALID_HYPERCALL_CODE);
}

CLAUSE("1.7-01", "page numbers in MSRs count pages of 4096 bytes")
{
    u8 *page = page_alloc();

    NEED(AccessHypercallMsrs);
    *(u32 *)page = 0x12345678;
    *(u32 *)(page + PAGE - 4) = 0x9ABCDEF0;
    msr_write(HV_X64_MSR_HYPERCALL, gpa(page) / 4096 << 12 | 1);
    expect(*(volatile u32 *)page != 0x12345678, "the page with the written number does not show the hypercall page");
    expect(*(volatile u32 *)(page + PAGE - 4) != 0x9ABCDEF0, "the hypercall page ends before 4096 bytes");
}

static volatile u32 shared_word;
static void add_one(void *arg) { (void)arg; shared_word++; }

CLAUSE("1.7-02", "all processors see one guest-physical address space")
{
    need_cpus(2);
    shared_word = 41;
    on_cpu(1, add_one, NULL);
    expect_eq("the word that another processor changed", shared_word, 42);
}

CLAUSE("1.8-01", "an enumeration takes 32 bits: a register name's upper neighbour is another element")
{
    u64 in[3] __attribute__((aligned(32))) = { PARTITION_SELF, VP_SELF, (u64)HvRegisterVpIndex << 32 | HvRegisterVpIndex };
    struct reg128 *out = (struct reg128 *)page_alloc();

    NEED(AccessVpRegisters);
    out[0].low = out[1].low = ~0ull;
    memcpy(page_alloc(), in, sizeof in);
    expect_reps("two names of 4 bytes in 8", hypercall_mem(HvGetVpRegisters | REPS(2), memcpy(page_alloc(), in, sizeof in),
                                                           out), 0, 2);
    expect_eq("the second element", out[1].low, out[0].low);
}

CLAUSE("1.8-02", "a 64-bit field lies on a multiple of 8: HvPostMessage-like headers leave padding before it")
{
    u64 *in = (u64 *)page_alloc();

    /* HvSendSyntheticClusterIpi: Vector at 0, TargetVtl at 4, ProcessorMask at 8, not at 5 */
    in[0] = 0x40;
    in[1] = BIT(this_cpu()->vp_index & 63);
    expect_status("HvSendSyntheticClusterIpi", hypercall_mem(HvCallSendSyntheticClusterIpi, in, NULL), HV_STATUS_SUCCESS);
    expect(wait_for(taken(0x40) == 1, 100 * MS), "the mask at offset 8 was not used: no interrupt");
}

CLAUSE("1.8-03", "bit fields begin at bit 0: Enable is bit 0 of a page register, the page number its high bits")
{
    NEED(AccessSynicRegs);
    msr_write(HV_X64_MSR_SIMP, gpa(page_alloc()) | 1);
    expect_bits("SIMP", msr_read(HV_X64_MSR_SIMP), 1, 1);
}

CLAUSE("1.9-01", "structures are little-endian: the low byte of a message's type lies first")
{
    struct synic s = synic_on();

    NEED(AccessSyntheticTimerRegs);
    sint_set(2, SINT_MASKED | 0x40);
    one_shot(0, 2, 1000);
    expect(wait_for(s.messages[2].type != 0, 500 * MS), "no timer message came");
    expect_eq("the first byte of type 80000010h", *(volatile u8 *)&s.messages[2], 0x10);
    expect_eq("its fourth byte", ((volatile u8 *)&s.messages[2])[3], 0x80);
}

/* ---- 2.1 to 2.4.2 ---- */

CLAUSE("2.1-01", "CPUID, MSRs, interrupts and hypercalls are all there")
{
    u64 v;

    expect(cpuid(0x40000001).eax == 0x31237648, "leaf 40000001 has no Hv#1");
    expect(rdmsr_try(HV_X64_MSR_GUEST_OS_ID, &v) == NONE, "HV_X64_MSR_GUEST_OS_ID is not there");
    expect(status(hypercall(HvCallNotifyLongSpinWait | FAST, 0, 0)) == 0, "no hypercall succeeds");
    need(privileged(PRIV_AccessSynicRegs), "the partition lacks AccessSynicRegs");
    expect(rdmsr_try(HV_X64_MSR_SCONTROL, &v) == NONE, "there is no SynIC");
}

CLAUSE("2.2-01", "CPUID.1:ECX bit 31 is set on every VP") { expect_eq("bit 31", same_on_all(1, ECX, 1u << 31), 1u << 31); }

CLAUSE("2.2-02", "leaves 40000000h and 40000001h return the documented data")
{
    expect(leaf(0x40000000, EAX) >= 0x40000001 && leaf(0x40000000, EAX) < 0x40010000, "EAX of leaf 40000000 is %08x",
           max_leaf());
    expect_eq("EAX of leaf 40000001", leaf(0x40000001, EAX), 0x31237648);
}

CLAUSE("2.2-03", "every leaf up to the reported maximum is the hypervisor's: the same on all VPs")
{
    for (u32 n = 0x40000001; n <= max_leaf() && n < 0x40000010; n++)
        for (int reg = EAX; reg <= EDX; reg++)
            (void)same_on_all(n, reg, 0xffffffff);
}

CLAUSE("2.3-01", "leaf 40000000h: the highest leaf in EAX, a vendor signature in EBX, ECX, EDX")
{
    expect(max_leaf() >= 0x40000005, "the highest leaf is %08x", max_leaf());
    expect((leaf(0x40000000, EBX) | leaf(0x40000000, ECX) | leaf(0x40000000, EDX)) != 0, "there is no vendor signature");
}

CLAUSE("2.3-02", "leaf 40000001h has the interface signature Hv#1") { expect_eq("EAX", leaf(0x40000001, EAX), 0x31237648); }

CLAUSE("2.3-03", "EBX, ECX and EDX of leaf 40000001h are reserved: zero")
{
    zero_bits(0x40000001, EBX, 0xffffffff);
    zero_bits(0x40000001, ECX, 0xffffffff);
    zero_bits(0x40000001, EDX, 0xffffffff);
}

CLAUSE("2.4.1-01", "leaf 40000000h EAX is at least 40000005h")
{
    expect(max_leaf() >= 0x40000005 && max_leaf() <= 0x400000ff, "it is %08x", max_leaf());
}
CLAUSE("2.4.1-02", "leaf 40000000h EBX is 'Micr'") { expect_eq("EBX", leaf(0x40000000, EBX), 0x7263694D); }
CLAUSE("2.4.1-03", "leaf 40000000h ECX is 'osof'") { expect_eq("ECX", leaf(0x40000000, ECX), 0x666F736F); }
CLAUSE("2.4.1-04", "leaf 40000000h EDX is 't Hv'") { expect_eq("EDX", leaf(0x40000000, EDX), 0x76482074); }
CLAUSE("2.4.2-01", "leaf 40000001h EAX is 'Hv#1'") { expect_eq("EAX", leaf(0x40000001, EAX), 0x31237648); }

CLAUSE("2.4.2-02", "leaves 40000002h to 40000005h are there, and say something")
{
    expect(max_leaf() >= 0x40000005, "the highest leaf is %08x", max_leaf());
    expect((leaf(0x40000003, EAX) | leaf(0x40000003, EBX)) != 0, "leaf 40000003 grants nothing");
}

/* ---- 2.4.3 version ---- */

static struct cpuid version_with_id(u64 id)
{
    struct cpuid r;

    NEED(AccessHypercallMsrs);
    msr_write(HV_X64_MSR_GUEST_OS_ID, id);
    r = cpuid(0x40000002);
    msr_write(HV_X64_MSR_GUEST_OS_ID, OS_ID);
    msr_write(HV_X64_MSR_HYPERCALL, gpa(hypercall_page) | 1);
    return r;
}

CLAUSE("2.4.3-01", "leaf 40000002h is zero while the guest OS ID is zero")
{
    struct cpuid r = version_with_id(0);

    expect((r.eax | r.ebx | r.ecx | r.edx) == 0, "it is %08x %08x %08x %08x", r.eax, r.ebx, r.ecx, r.edx);
}

CLAUSE("2.4.3-02", "leaf 40000002h EAX has the build number once the ID is set")
{
    expect(version_with_id(OS_ID).eax != 0, "the build number is zero");
}
CLAUSE("2.4.3-03", "leaf 40000002h EBX has major and minor version once the ID is set")
{
    expect(version_with_id(OS_ID).ebx >> 16 != 0, "the major version is zero");
}
CLAUSE("2.4.3-04", "leaf 40000002h ECX is a service pack, the same on all VPs")
{
    expect_eq("ECX here", version_with_id(OS_ID).ecx, same_on_all(0x40000002, ECX, 0xffffffff));
}
CLAUSE("2.4.3-05", "leaf 40000002h EDX has service branch and number, the same on all VPs")
{
    expect_eq("EDX here", version_with_id(OS_ID).edx, same_on_all(0x40000002, EDX, 0xffffffff));
}

/* ---- 2.4.4 privileges and features ---- */

static struct reg128 features_register(void)
{
    struct reg128 v;

    NEED(AccessVpRegisters);
    expect_status("HvGetVpRegisters", get_register(VP_SELF, HvRegisterPrivilegesAndFeaturesInfo, &v), 0);
    return v;
}

CLAUSE("2.4.4-01", "leaf 40000003h EAX is the low half of the privilege mask: VPs and the VP register agree")
{
    expect_eq("EAX", same_on_all(0x40000003, EAX, 0xffffffff), (u32)features_register().low);
}
CLAUSE("2.4.4-02", "leaf 40000003h EBX is the high half of the privilege mask: VPs and the VP register agree")
{
    expect_eq("EBX", same_on_all(0x40000003, EBX, 0xffffffff), features_register().low >> 32);
}
CLAUSE("2.4.4-04", "leaf 40000003h ECX is reserved but for the C-state field of older versions")
{
    expect_bits("ECX", leaf(0x40000003, ECX), ~0x1fu, 0);
}
CLAUSE("2.4.4-05", "EDX bit 0 (MWAIT) is deprecated: no guest is told to use MWAIT") { zero_bits(0x40000003, EDX, 1); }
CLAUSE_IS("2.4.4-06", "EDX bit 1, guest debugging: the same on all VPs", reports(0x40000003, EDX, 1))
CLAUSE_IS("2.4.4-07", "EDX bit 2, performance monitor: the same on all VPs", reports(0x40000003, EDX, 2))
CLAUSE_IS("2.4.4-08", "EDX bit 3, dynamic partitioning events: the same on all VPs", reports(0x40000003, EDX, 3))

static void xmm_flush(void *arg)
{
    const u64 block[3] = { 0, 3, 0 };           /* all spaces, all processors */

    *(u64 *)arg = hypercall_xmm(HvFlushVirtualAddressSpace, block, sizeof block);
}

CLAUSE("2.4.4-09", "EDX bit 4 tells whether hypercall input may be in XMM registers")
{
    u64 result = ~0ull;
    int why = guarded(xmm_flush, &result);

    if (feature(F_XMM_INPUT)) {
        expect(why == NONE, "XMM input raised %s", vector_name(why));
        expect_status("flush with XMM input", result, HV_STATUS_SUCCESS);
    } else {
        expect(why == UD, "XMM input: %s, not #UD", vector_name(why));
    }
}

CLAUSE("2.4.4-10", "EDX bit 5 tells of the virtual idle state, as the privilege does")
{
    expect_eq("the feature bit", feature(F_IDLE), privileged(PRIV_AccessGuestIdleReg));
}
CLAUSE_IS("2.4.4-11", "EDX bit 6, hypervisor sleep state: the same on all VPs", reports(0x40000003, EDX, 6))

CLAUSE("2.4.4-12", "EDX bit 7: NUMA distances can be queried; clear, the call fails")
{
    u64 result = hypercall(HvCallQueryNumaDistance | FAST, 0, 0);

    if (!feature(F_NUMA))
        expect(status(result) != 0, "the bit is clear and HvCallQueryNumaDistance succeeds");
}

CLAUSE("2.4.4-13", "EDX bit 8 tells whether the frequency MSRs are there")
{
    static const u32 msrs[] = { HV_X64_MSR_TSC_FREQUENCY, HV_X64_MSR_APIC_FREQUENCY };

    expect_eq("EDX bit 8, beside AccessFrequencyRegs", feature(F_FREQUENCIES), privileged(PRIV_AccessFrequencyRegs));
    facility(F_FREQUENCIES, msrs, 2);
}
CLAUSE_IS("2.4.4-14", "EDX bit 9, synthetic machine checks: the same on all VPs", reports(0x40000003, EDX, 9))

CLAUSE("2.4.4-15", "EDX bit 10 tells whether the crash MSRs are there")
{
    static const u32 msrs[] = { HV_X64_MSR_CRASH_P0, HV_X64_MSR_CRASH_P1, HV_X64_MSR_CRASH_P2, HV_X64_MSR_CRASH_P3,
                                HV_X64_MSR_CRASH_P4, HV_X64_MSR_CRASH_CTL };

    facility(F_CRASH, msrs, COUNT_OF(msrs));
}
CLAUSE("2.4.4-16", "EDX bit 11 tells whether the debug MSRs are there")
{
    static const u32 msrs[] = { HV_X64_MSR_SYNTH_DEBUG_CONTROL, HV_X64_MSR_SYNTH_DEBUG_STATUS };

    facility(F_DEBUG, msrs, COUNT_OF(msrs));
}
CLAUSE("2.4.4-17", "EDX bit 12 tells whether NPIEP is there")
{
    static const u32 msrs[] = { HV_X64_MSR_NPIEP_CONFIG };

    facility(F_NPIEP, msrs, 1);
}
CLAUSE_IS("2.4.4-18", "EDX bit 13, DisableHypervisorAvailable: no ordinary guest has it", zero_bits(0x40000003, EDX,
                                                                                                    1u << 13))

CLAUSE("2.4.4-19", "EDX bit 14 tells whether list flushes take the extended range format")
{
    u64 *in = (u64 *)page_alloc(), result;

    in[1] = 3 | 8, in[3] = gpa(WINDOW);
    result = hypercall_mem(HvFlushVirtualAddressList | REPS(1), in, NULL);
    expect_status("flush with flag 8", result, feature(F_EXTENDED_RANGE) ? HV_STATUS_SUCCESS : HV_STATUS_INVALID_PARAMETER);
}

static void xmm_output(void *arg)
{
    struct call_regs r = { .rcx = HvGetVpRegisters | FAST | REPS(1), .rdx = PARTITION_SELF, .r8 = VP_SELF };

    r.xmm[0][0] = HvX64RegisterCr3;
    r.xmm[1][0] = r.xmm[1][1] = ~0ull;
    call_with(&r, hypercall_page);
    ((u64 *)arg)[0] = r.rax;
    ((u64 *)arg)[1] = r.xmm[1][0];
}

CLAUSE("2.4.4-20", "EDX bit 15 tells whether hypercall output may come in XMM registers")
{
    u64 out[2] = { ~0ull, ~0ull };
    int why;

    NEED(AccessVpRegisters);
    NEED_FEATURE(F_XMM_INPUT, "XMM input");
    why = guarded(xmm_output, out);
    if (!feature(F_FAST_OUTPUT)) {
        expect(why == UD, "fast output: %s, not #UD", vector_name(why));
        return;
    }
    expect(why == NONE, "fast output raised %s", vector_name(why));
    expect_status("HvGetVpRegisters", out[0], 0);
    expect_eq("the register after the input", out[1], read_cr3());
}

CLAUSE("2.4.4-21", "EDX bit 17 tells whether a SINT can be polled: the Polling bit stays only then")
{
    NEED(AccessSynicRegs);
    (void)wrmsr_try(SINT(3), 0x40 | SINT_POLLING | SINT_MASKED);
    expect_eq("the Polling bit that was written", (msr_read(SINT(3)) & SINT_POLLING) != 0, feature(F_POLLING));
}

CLAUSE_LAST("2.4.4-22", "EDX bit 18 tells whether HV_X64_MSR_HYPERCALL can be locked")
{
    NEED(AccessHypercallMsrs);
    (void)wrmsr_try(HV_X64_MSR_HYPERCALL, gpa(hypercall_page) | 3);
    expect_eq("the Locked bit that was written", (msr_read(HV_X64_MSR_HYPERCALL) >> 1) & 1, feature(F_LOCK));
}

CLAUSE("2.4.4-23", "EDX bit 19: direct timers work when it is set")
{
    NEED(AccessSyntheticTimerRegs);
    NEED_FEATURE(F_DIRECT, "direct timers");
    msr_write(STIMER_CONFIG(0), STIMER_DIRECT | STIMER_VECTOR(0x41));
    msr_write(STIMER_COUNT(0), ref_time() + 1000);
    msr_write(STIMER_CONFIG(0), STIMER_ENABLE | STIMER_DIRECT | STIMER_VECTOR(0x41));
    expect(wait_for(taken(0x41) != 0, 500 * MS), "no interrupt came");
}
CLAUSE_IS("2.4.4-24", "EDX bit 20, PAT register for VSM: the same on all VPs", reports(0x40000003, EDX, 20))
CLAUSE_IS("2.4.4-25", "EDX bit 21, BNDCFGS register for VSM: the same on all VPs", reports(0x40000003, EDX, 21))

CLAUSE("2.4.4-26", "EDX bit 23 tells whether the time-unhalted timer is there")
{
    static const u32 msrs[] = { HV_X64_MSR_STIME_UNHALTED_TIMER_CONFIG, HV_X64_MSR_STIME_UNHALTED_TIMER_COUNT };

    NEED(AccessSyntheticTimerRegs);
    facility(F_UNHALTED, msrs, 2);
}
CLAUSE_IS("2.4.4-27", "EDX bit 26, last-branch records: the same on all VPs", reports(0x40000003, EDX, 26))
CLAUSE_IS("2.4.4-28", "EDX bits 16, 22, 25:24 and 31:27 are reserved: zero", zero_bits(0x40000003, EDX, 0xFB410000u))

/* ---- 2.4.5 recommendations: what is recommended works ---- */

CLAUSE("2.4.5-01", "EAX bit 0: where it is recommended, HvSwitchVirtualAddressSpace works")
{
    if (same_on_all(0x40000004, EAX, 1))
        expect_status("HvSwitchVirtualAddressSpace", hypercall(HvSwitchVirtualAddressSpace | FAST, read_cr3(), 0), 0);
}

static void recommended_flush(unsigned bit)
{
    u64 *in = (u64 *)page_alloc();

    if (!same_on_all(0x40000004, EAX, 1u << bit))
        return;
    in[1] = 3;
    expect_status("HvFlushVirtualAddressSpace", hypercall_mem(HvFlushVirtualAddressSpace, in, NULL), 0);
    in[3] = gpa(WINDOW);
    expect_reps("HvFlushVirtualAddressList", hypercall_mem(HvFlushVirtualAddressList | REPS(1), in, NULL), 0, 1);
}
CLAUSE_IS("2.4.5-02", "EAX bit 1: where local flush calls are recommended, they work", recommended_flush(1))
CLAUSE_IS("2.4.5-03", "EAX bit 2: where remote flush calls are recommended, they work", recommended_flush(2))

CLAUSE("2.4.5-04", "EAX bit 3: where MSRs for EOI, ICR and TPR are recommended, they work")
{
    if (!same_on_all(0x40000004, EAX, 8))
        return;
    (void)msr_read(HV_X64_MSR_ICR);
    (void)msr_read(HV_X64_MSR_TPR);
    msr_write(HV_X64_MSR_EOI, 0);
}
CLAUSE("2.4.5-05", "EAX bit 4: where reset by MSR is recommended, the MSR is there")
{
    if (same_on_all(0x40000004, EAX, 16))
        expect_eq("HV_X64_MSR_RESET", msr_read(HV_X64_MSR_RESET), 0);
}
CLAUSE_IS("2.4.5-06", "EAX bit 5, relaxed timing: the same on all VPs", reports(0x40000004, EAX, 5))
CLAUSE_IS("2.4.5-08", "EAX bit 6, DMA remapping: the same on all VPs", reports(0x40000004, EAX, 6))
CLAUSE_IS("2.4.5-09", "EAX bit 7, interrupt remapping: the same on all VPs", reports(0x40000004, EAX, 7))
CLAUSE_IS("2.4.5-10", "EAX bit 9, no AutoEOI: the same on all VPs", reports(0x40000004, EAX, 9))

CLAUSE("2.4.5-11", "EAX bit 10: where HvSendSyntheticClusterIpi is recommended, it works")
{
    if (!same_on_all(0x40000004, EAX, 1u << 10))
        return;
    expect_status("the call", hypercall(HvCallSendSyntheticClusterIpi | FAST, 0x42, BIT(this_cpu()->vp_index)), 0);
    expect(wait_for(taken(0x42) == 1, 100 * MS), "no interrupt came");
}

CLAUSE("2.4.5-12", "EAX bit 11 tells whether the Ex hypercalls are there")
{
    u64 *in = (u64 *)page_alloc();

    in[1] = 2, in[2] = 1;                               /* all spaces; all processors by the set */
    expect_eq("whether HvFlushVirtualAddressSpaceEx succeeds",
              status(hypercall_mem(HvCallFlushVirtualAddressSpaceEx, in, NULL)) == 0,
              recommended(11));
}
CLAUSE_IS("2.4.5-13", "EAX bit 12, nested in a Hyper-V partition: the same on all VPs", reports(0x40000004, EAX, 12))
CLAUSE_IS("2.4.5-14", "EAX bit 13, INT for MBEC system calls: the same on all VPs", reports(0x40000004, EAX, 13))
CLAUSE("2.4.5-15", "EAX bit 14: where the enlightened VMCS is recommended, leaf 4000000Ah is there")
{
    if (same_on_all(0x40000004, EAX, 1u << 14))
        expect(max_leaf() >= 0x4000000A && (leaf(0x4000000A, EAX) & 0xff) != 0, "leaf 4000000A names no version");
}
CLAUSE_IS("2.4.5-16", "EAX bit 15, the root's counter bias: the same on all VPs", reports(0x40000004, EAX, 15))
CLAUSE_IS("2.4.5-17", "EAX bit 17, CR4.PGE for a local flush: the same on all VPs", reports(0x40000004, EAX, 17))
CLAUSE_IS("2.4.5-18", "EAX bit 18, no core sharing: the same on all VPs", reports(0x40000004, EAX, 18))
CLAUSE_IS("2.4.5-19", "EAX bits 8, 16 and 31:19 are reserved: zero", zero_bits(0x40000004, EAX, 0xFFF90100u))
CLAUSE("2.4.5-20", "EBX, spinlock retries: where they are counted, the notification works")
{
    u32 retries = same_on_all(0x40000004, EBX, 0xffffffff);

    if (retries != 0xffffffff)
        expect_status("HvNotifyLongSpinWait", hypercall(HvCallNotifyLongSpinWait | FAST, retries, 0), 0);
}
CLAUSE("2.4.5-21", "EBX of all ones: never notify; any number: the same on all VPs")
{
    expect_eq("EBX", same_on_all(0x40000004, EBX, 0xffffffff), leaf(0x40000004, EBX));
}
CLAUSE("2.4.5-22", "ECX bits 6:0 count physical address bits: no fewer than the guest's, at most 52")
{
    u32 bits = leaf(0x40000004, ECX) & 0x7f;

    need(bits != 0, "the report is not supported");
    expect(bits <= 52 && bits >= 32, "%u bits", bits);
    expect(bits >= gpa_bits(), "%u bits, but the guest has %lu", bits, gpa_bits());
}
CLAUSE("2.4.5-23", "ECX bits 6:0 of zero mean no report; else a number that can be")
{
    u32 bits = same_on_all(0x40000004, ECX, 0x7f);

    expect(bits == 0 || (bits >= 32 && bits <= 52), "%u bits", bits);
}
CLAUSE("2.4.5-24", "ECX bits 31:7 and EDX are reserved: zero")
{
    zero_bits(0x40000004, ECX, 0xffffff80u);
    zero_bits(0x40000004, EDX, 0xffffffff);
}

/* ---- 2.4.6 to 2.4.11 ---- */

CLAUSE("2.4.6-01", "leaf 40000005h EAX: this machine has no more VPs than that")
{
    u32 most = same_on_all(0x40000005, EAX, 0xffffffff);

    expect(most == 0 || most >= ncpus, "at most %u VPs, but %u run", most, ncpus);
}
CLAUSE("2.4.6-02", "leaf 40000005h EBX: logical processors, the same on all VPs")
{
    (void)same_on_all(0x40000005, EBX, 0xffffffff);
}
CLAUSE("2.4.6-03", "leaf 40000005h ECX: vectors for remapping, the same on all VPs")
{
    (void)same_on_all(0x40000005, ECX, 0xffffffff);
}
CLAUSE("2.4.6-04", "a zero limit is not exposed; another one holds")
{
    u32 vps = leaf(0x40000005, EAX);

    expect(vps == 0 || this_cpu()->vp_index < vps, "VP index %u is not below the limit %u", this_cpu()->vp_index, vps);
}
CLAUSE_IS("2.4.6-05", "leaf 40000005h EDX is reserved: zero", zero_bits(0x40000005, EDX, 0xffffffff))
CLAUSE_IS("2.4.7-01", "leaf 40000006h EAX bit 0, APIC overlay assist: the same on all VPs", reports(0x40000006, EAX, 0))
CLAUSE_IS("2.4.7-02", "leaf 40000006h EAX bit 1, MSR bitmaps: the same on all VPs", reports(0x40000006, EAX, 1))
CLAUSE_IS("2.4.7-03", "leaf 40000006h EAX bit 2, performance counters: the same on all VPs", reports(0x40000006, EAX, 2))
CLAUSE_IS("2.4.7-04", "leaf 40000006h EAX bit 3, second-level translation: the same on all VPs", reports(0x40000006, EAX, 3))
CLAUSE_IS("2.4.7-05", "leaf 40000006h EAX bit 4, DMA remapping: the same on all VPs", reports(0x40000006, EAX, 4))
CLAUSE_IS("2.4.7-06", "leaf 40000006h EAX bit 5, interrupt remapping: the same on all VPs", reports(0x40000006, EAX, 5))
CLAUSE_IS("2.4.7-07", "leaf 40000006h EAX bit 6, memory patrol scrubber: the same on all VPs", reports(0x40000006, EAX, 6))
CLAUSE_IS("2.4.7-08", "leaf 40000006h EAX bit 7, DMA protection: the same on all VPs", reports(0x40000006, EAX, 7))
CLAUSE_IS("2.4.7-09", "leaf 40000006h EAX bit 8, HPET requested: the same on all VPs", reports(0x40000006, EAX, 8))
CLAUSE_IS("2.4.7-10", "leaf 40000006h EAX bit 9, volatile timers: the same on all VPs", reports(0x40000006, EAX, 9))
CLAUSE("2.4.7-11", "leaf 40000006h EAX bits 31:10, EBX, ECX, EDX are reserved: zero")
{
    zero_bits(0x40000006, EAX, 0xfffffc00u);
    zero_bits(0x40000006, EBX, 0xffffffff);
    zero_bits(0x40000006, ECX, 0xffffffff);
    zero_bits(0x40000006, EDX, 0xffffffff);
}

static bool root(void) { return privileged(PRIV_CreatePartitions) || privileged(PRIV_CpuManagement); }

CLAUSE("2.4.8-01", "leaf 40000007h is for the root: a guest reads zero")
{
    need(!root(), "this is a root partition");
    for (int reg = EAX; reg <= EDX; reg++)
        zero_bits(0x40000007, reg, 0xffffffff);
}
CLAUSE("2.4.8-02", "leaf 40000007h EAX has its root enlightenments; none for a guest")
{
    need(max_leaf() >= 0x40000007, "there is no leaf 40000007");
    expect_bits("EAX", leaf(0x40000007, EAX), root() ? ~0x80000007u : 0xffffffff, 0);
}
CLAUSE("2.4.8-03", "leaf 40000007h EBX has its root enlightenments; none for a guest")
{
    need(max_leaf() >= 0x40000007, "there is no leaf 40000007");
    expect_bits("EBX", leaf(0x40000007, EBX), root() ? ~7u : 0xffffffff, 0);
}
CLAUSE("2.4.8-04", "leaf 40000007h ECX bit 0 is for the root; none for a guest")
{
    need(max_leaf() >= 0x40000007, "there is no leaf 40000007");
    expect_bits("ECX", leaf(0x40000007, ECX), root() ? ~1u : 0xffffffff, 0);
}
CLAUSE("2.4.8-05", "the remaining bits of leaf 40000007h are reserved: zero")
{
    zero_bits(0x40000007, EAX, ~0x80000007u);
    zero_bits(0x40000007, EBX, ~7u);
    zero_bits(0x40000007, ECX, ~1u);
    zero_bits(0x40000007, EDX, 0xffffffff);
}
CLAUSE("2.4.9-01", "leaf 40000008h: shared virtual memory and PASIDs; the other bits are zero")
{
    zero_bits(0x40000008, EAX, 0x7feu);
    expect((leaf(0x40000008, EAX) & 1) != 0 || leaf(0x40000008, EAX) >> 11 == 0, "PASIDs without shared virtual memory");
}
CLAUSE("2.4.10-01", "leaf 40000009h EAX: nested privileges only, and none that the partition lacks")
{
    u32 nested = same_on_all(0x40000009, EAX, 0xffffffff);
    u64 has = privileges();

    expect((nested & ~0x1074u) == 0, "EAX is %08x", nested);
    expect((nested & 0x74 & ~(u32)has) == 0, "nested privileges %08x of a partition with %lx", nested, has);
}
CLAUSE("2.4.10-02", "leaf 40000009h EDX: nested hypercall facilities only, and none that the partition lacks")
{
    u32 nested = same_on_all(0x40000009, EDX, 0xffffffff);

    expect((nested & ~0x28010u) == 0, "EDX is %08x", nested);
    expect((nested & ~leaf(0x40000003, EDX)) == 0, "nested facilities %08x of a partition with %08x", nested,
           leaf(0x40000003, EDX));
}
CLAUSE("2.4.10-03", "leaf 40000009h EBX, ECX and the unnamed bits are reserved: zero")
{
    zero_bits(0x40000009, EAX, ~0x1074u);
    zero_bits(0x40000009, EBX, 0xffffffff);
    zero_bits(0x40000009, ECX, 0xffffffff);
    zero_bits(0x40000009, EDX, ~0x28010u);
}
CLAUSE("2.4.11-01", "leaf 4000000Ah EAX: lowest and highest version of the enlightened VMCS")
{
    u32 v = same_on_all(0x4000000A, EAX, 0xffff);

    expect((v & 0xff) <= v >> 8, "lowest version %u, highest %u", v & 0xff, v >> 8);
    expect(recommended(14) == (v != 0), "versions %04x, but the recommendation is %u", v, (unsigned)recommended(14));
}
CLAUSE_IS("2.4.11-02", "leaf 4000000Ah EAX bit 17, direct virtual flush: the same on all VPs", reports(0x4000000A, EAX, 17))

CLAUSE("2.4.11-03", "leaf 4000000Ah EAX bit 18 tells whether guest-physical flushes are there")
{
    u32 s = status(hypercall(HvCallFlushGuestPhysicalAddressSpace | FAST, 0, 0));

    need(max_leaf() >= 0x4000000A, "there is no leaf 4000000A");
    if (!(leaf(0x4000000A, EAX) >> 18 & 1))
        expect(s == HV_STATUS_ACCESS_DENIED || s == HV_STATUS_INVALID_HYPERCALL_CODE, "the bit is clear, the call says %s",
               status_name(s));
    else
        expect(s != HV_STATUS_INVALID_HYPERCALL_CODE, "the bit is set, the call is unknown");
}
CLAUSE_IS("2.4.11-04", "leaf 4000000Ah EAX bit 19, enlightened MSR bitmap: the same on all VPs", reports(0x4000000A, EAX,
                                                                                                         19))
CLAUSE_IS("2.4.11-05", "leaf 4000000Ah EAX bit 20, combined virtualization exceptions: the same on all VPs",
          reports(0x4000000A, EAX, 20))
CLAUSE("2.4.11-06", "leaf 4000000Ah EAX bits 16 and 31:21, EBX, ECX, EDX are reserved: zero")
{
    zero_bits(0x4000000A, EAX, 0xffe10000u);
    zero_bits(0x4000000A, EBX, 0xffffffff);
    zero_bits(0x4000000A, ECX, 0xffffffff);
    zero_bits(0x4000000A, EDX, 0xffffffff);
}

/* ---- 2.5, 2.6 ---- */

CLAUSE("2.5-01", "main and service version are in leaf 40000002h, the same on all VPs")
{
    NEED(AccessHypercallMsrs);
    expect(same_on_all(0x40000002, EAX, 0xffffffff) != 0, "the build number is zero");
    expect(same_on_all(0x40000002, EBX, 0xffffffff) != 0, "the version is zero");
}

struct msr_on { u32 msr; u64 value; };
static void read_msr(void *arg) { struct msr_on *m = arg; m->value = msr_read(m->msr); }
static void write_msr(void *arg) { struct msr_on *m = arg; msr_write(m->msr, m->value); }

CLAUSE("2.6-01", "the guest OS ID is the partition's: what one VP writes, all read")
{
    struct msr_on m = { HV_X64_MSR_GUEST_OS_ID, OS_ID ^ 0x770000 };

    NEED(AccessHypercallMsrs);
    need_cpus(2);
    on_cpu(1, write_msr, &m);
    expect_eq("the ID here", msr_read(HV_X64_MSR_GUEST_OS_ID), OS_ID ^ 0x770000);
    msr_write(HV_X64_MSR_GUEST_OS_ID, OS_ID);
    on_cpu(1, read_msr, &m);
    expect_eq("the ID there", m.value, OS_ID);
}

CLAUSE_LAST("2.6-02", "the guest OS ID is zero before the guest writes it: after a reset")
{
    NEED(AccessHypercallMsrs);
    if (!resumed())
        reset_and_resume();
    expect_eq("the ID that the start found", at_start.os_id, 0);
}

CLAUSE("2.6-03", "the hypercall page can be enabled only with an ID")
{
    NEED(AccessHypercallMsrs);
    msr_write(HV_X64_MSR_HYPERCALL, 0);
    msr_write(HV_X64_MSR_GUEST_OS_ID, 0);
    (void)wrmsr_try(HV_X64_MSR_HYPERCALL, gpa(hypercall_page) | 1);
    expect_bits("HV_X64_MSR_HYPERCALL without an ID", msr_read(HV_X64_MSR_HYPERCALL), 1, 0);
    msr_write(HV_X64_MSR_GUEST_OS_ID, OS_ID);
    msr_write(HV_X64_MSR_HYPERCALL, gpa(hypercall_page) | 1);
    expect_bits("HV_X64_MSR_HYPERCALL with an ID", msr_read(HV_X64_MSR_HYPERCALL), 1, 1);
}

CLAUSE("2.6-04", "an ID of zero disables the hypercall page")
{
    NEED(AccessHypercallMsrs);
    expect_bits("HV_X64_MSR_HYPERCALL", msr_read(HV_X64_MSR_HYPERCALL), 1, 1);
    msr_write(HV_X64_MSR_GUEST_OS_ID, 0);
    expect_bits("HV_X64_MSR_HYPERCALL after the ID went", msr_read(HV_X64_MSR_HYPERCALL), 1, 0);
}

CLAUSE("2.6-05", "the guest OS ID takes any value")
{
    static const u64 values[] = { 1, ~0ull, 0x8000000000000000ull, 0x0123456789ABCDEFull, 0xFFFF000000000000ull };

    NEED(AccessHypercallMsrs);
    for (unsigned k = 0; k < COUNT_OF(values); k++) {
        msr_write(HV_X64_MSR_GUEST_OS_ID, values[k]);
        expect_eq("the ID", msr_read(HV_X64_MSR_GUEST_OS_ID), values[k]);
    }
}
