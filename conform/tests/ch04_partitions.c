/* SPDX-License-Identifier: MIT
 * TLFS chapters 4 and 5: what each privilege gates, the crash facility, overlay pages. Where a partition has a privilege
 * its test makes sure that the access works and is skipped then: that it faults without is seen in a partition without. */
#include "conform/guest/hv.h"

static const u32 synic_msrs[] = { HV_X64_MSR_SCONTROL, HV_X64_MSR_SVERSION, HV_X64_MSR_SIEFP, HV_X64_MSR_SIMP,
                                  HV_X64_MSR_EOM };
static const u32 timer_msrs[] = { 0x400000B0, 0x400000B1, 0x400000B2, 0x400000B3, 0x400000B4, 0x400000B5, 0x400000B6,
                                  0x400000B7 };

static void gated(unsigned bit, const u32 *msrs, unsigned count)
{
    bool has = privileged(bit);
    u64 v;

    for (unsigned k = 0; k < count; k++) {
        int why = rdmsr_try(msrs[k], &v);

        if (!has) {
            expect(why == GP, "without privilege bit %u, reading MSR %08x: %s", bit, msrs[k], vector_name(why));
            expect(wrmsr_try(msrs[k], 0) == GP, "without privilege bit %u, MSR %08x can be written", bit, msrs[k]);
        } else {
            expect(why == NONE, "with privilege bit %u, reading MSR %08x raised %s", bit, msrs[k], vector_name(why));
        }
    }
    need(!has, "the partition has privilege bit %u", bit);
}

#define GATED(privilege, ...) \
    do { static const u32 msrs_[] = { __VA_ARGS__ }; gated(PRIV_##privilege, msrs_, COUNT_OF(msrs_)); } while (0)

CLAUSE("4.2.1-02", "partition ID 0 names no partition")
{
    u64 *in = (u64 *)page_alloc();

    NEED(AccessVpRegisters);
    in[0] = 0, in[1] = VP_SELF, in[2] = HvRegisterVpIndex;
    expect_status("HvGetVpRegisters of partition 0", hypercall_mem(HvGetVpRegisters | REPS(1), in, page_alloc()),
                  HV_STATUS_INVALID_PARTITION_ID);
}
CLAUSE("4.2.1-03", "partition ID of all ones is the caller's own")
{
    struct reg128 v;

    NEED(AccessVpRegisters);
    expect_status("HvGetVpRegisters of partition self", get_register(VP_SELF, HvRegisterVpIndex, &v), 0);
    expect_eq("the VP index", v.low, this_cpu()->vp_index);
}

CLAUSE("4.2.2-01", "without AccessVpRunTimeReg: VP_RUNTIME is #GP") { GATED(AccessVpRunTimeReg, HV_X64_MSR_VP_RUNTIME); }
CLAUSE("4.2.2-02", "without AccessPartitionReferenceCounter: TIME_REF_COUNT is #GP")
{
    GATED(AccessPartitionReferenceCounter, HV_X64_MSR_TIME_REF_COUNT);
}
CLAUSE("4.2.2-03", "without AccessSynicRegs: SCONTROL to EOM are #GP")
{
    gated(PRIV_AccessSynicRegs, synic_msrs, COUNT_OF(synic_msrs));
}
CLAUSE("4.2.2-04", "without AccessSynicRegs: SINT0 to SINT15 are #GP")
{
    u32 msrs[16];

    for (unsigned k = 0; k < 16; k++)
        msrs[k] = SINT(k);
    gated(PRIV_AccessSynicRegs, msrs, 16);
}
CLAUSE("4.2.2-05", "without AccessSyntheticTimerRegs: the timer MSRs are #GP")
{
    gated(PRIV_AccessSyntheticTimerRegs, timer_msrs, COUNT_OF(timer_msrs));
}
CLAUSE("4.2.2-06", "without AccessIntrCtrlRegs: EOI, ICR and TPR are #GP")
{
    if (!privileged(PRIV_AccessIntrCtrlRegs))
        msr_write_faults(HV_X64_MSR_EOI, 0);
    GATED(AccessIntrCtrlRegs, HV_X64_MSR_ICR, HV_X64_MSR_TPR);
}
CLAUSE("4.2.2-07", "without AccessHypercallMsrs: GUEST_OS_ID and HYPERCALL are #GP")
{
    GATED(AccessHypercallMsrs, HV_X64_MSR_GUEST_OS_ID, HV_X64_MSR_HYPERCALL);
}
CLAUSE("4.2.2-08", "without AccessVpIndex: VP_INDEX is #GP") { GATED(AccessVpIndex, HV_X64_MSR_VP_INDEX); }
CLAUSE("4.2.2-09", "without AccessResetReg: RESET is #GP") { GATED(AccessResetReg, HV_X64_MSR_RESET); }
CLAUSE("4.2.2-11", "without AccessStatsReg: the statistics page MSRs are #GP")
{
    GATED(AccessStatsReg, HV_X64_MSR_STATS_PARTITION_RETAIL_PAGE, HV_X64_MSR_STATS_PARTITION_INTERNAL_PAGE,
          HV_X64_MSR_STATS_VP_RETAIL_PAGE, HV_X64_MSR_STATS_VP_INTERNAL_PAGE);
}
CLAUSE("4.2.2-12", "without AccessPartitionReferenceTsc: REFERENCE_TSC is #GP")
{
    GATED(AccessPartitionReferenceTsc, HV_X64_MSR_REFERENCE_TSC);
}
CLAUSE("4.2.2-13", "without AccessGuestIdleReg: GUEST_IDLE is #GP")
{
    LACK(AccessGuestIdleReg);
    msr_read_faults(HV_X64_MSR_GUEST_IDLE);
}
CLAUSE("4.2.2-14", "without AccessFrequencyRegs: the frequency MSRs are #GP")
{
    GATED(AccessFrequencyRegs, HV_X64_MSR_TSC_FREQUENCY, HV_X64_MSR_APIC_FREQUENCY);
}
CLAUSE("4.2.2-15", "without AccessDebugRegs: the debugging MSRs are #GP")
{
    GATED(AccessDebugRegs, HV_X64_MSR_SYNTH_DEBUG_CONTROL, HV_X64_MSR_SYNTH_DEBUG_STATUS, HV_X64_MSR_SYNTH_DEBUG_SEND_BUFFER,
          HV_X64_MSR_SYNTH_DEBUG_RECEIVE_BUFFER, HV_X64_MSR_SYNTH_DEBUG_PENDING_BUFFER);
}
CLAUSE("4.2.2-16", "without AccessReenlightenmentControls: the reenlightenment MSRs are #GP")
{
    GATED(AccessReenlightenmentControls, HV_X64_MSR_REENLIGHTENMENT_CONTROL, HV_X64_MSR_TSC_EMULATION_CONTROL,
          HV_X64_MSR_TSC_EMULATION_STATUS);
}

/* Each of these calls, with whatever input, is denied. A rep call has one rep. */
static void denied(const u64 *codes, unsigned count)
{
    for (unsigned k = 0; k < count; k++) {
        u64 *in = (u64 *)page_alloc(), result;

        in[0] = PARTITION_SELF;
        result = hypercall_mem(codes[k], in, page_alloc());
        expect(status(result) == HV_STATUS_ACCESS_DENIED, "call %04x: status %04x (%s), not ACCESS_DENIED",
               (unsigned)codes[k] & 0xffff,
               status(result), status_name(status(result)));
    }
}
#define DENIED(privilege, ...) \
    do { static const u64 codes_[] = { __VA_ARGS__ }; LACK(privilege); denied(codes_, COUNT_OF(codes_)); } while (0)

CLAUSE("4.2.2-17", "without CreatePartitions: its call, and those on children, are denied")
{
    DENIED(CreatePartitions, HvCreatePartition, HvInitializePartition, HvFinalizePartition, HvDeletePartition, HvCreateVp,
           HvDeleteVp,
           HvInstallIntercept, HvUnmapGpaPages | REPS(1));
}
CLAUSE("4.2.2-18", "without AccessPartitionId: HvGetPartitionId is denied") { DENIED(AccessPartitionId, HvGetPartitionId); }
CLAUSE("4.2.2-19", "without AccessMemoryPool: its calls are denied")
{
    DENIED(AccessMemoryPool, HvDepositMemory | REPS(1), HvWithdrawMemory | REPS(1), HvGetMemoryBalance);
}
CLAUSE("4.2.2-20", "without PostMessages: HvPostMessage is denied") { DENIED(PostMessages, HvPostMessage); }
CLAUSE("4.2.2-21", "without SignalEvents: HvSignalEvent is denied") { DENIED(SignalEvents, HvSignalEvent); }
CLAUSE("4.2.2-22", "without CreatePort: HvCreatePort is denied") { DENIED(CreatePort, HvCallCreatePort); }
CLAUSE("4.2.2-23", "without ConnectPort: HvConnectPort is denied") { DENIED(ConnectPort, HvConnectPort, HvCallConnectPort); }
CLAUSE("4.2.2-24", "without AccessStats: its calls are denied") { DENIED(AccessStats, HvMapStatsPage, HvUnmapStatsPage); }
CLAUSE("4.2.2-25", "without Debugging: its calls are denied")
{
    DENIED(Debugging, HvPostDebugData, HvRetrieveDebugData, HvResetDebugSession);
}
CLAUSE("4.2.2-26", "without CpuManagement: its calls are denied, its MSRs #GP")
{
    static const u64 codes[] = { HvGetLogicalProcessorRunTime, HvCallParkedVirtualProcessors };

    LACK(CpuManagement);
    denied(codes, COUNT_OF(codes));
    msr_read_faults(HV_X64_MSR_POWER_STATE_CONFIG_C1);
    msr_read_faults(HV_X64_MSR_POWER_STATE_TRIGGER_C1);
}
CLAUSE("4.2.2-28", "without AccessVSM: the calls of VSM fail")
{
    LACK(AccessVSM);
    expect(status(hypercall_mem(HvCallEnablePartitionVtl, page_alloc(), NULL)) != 0, "HvEnablePartitionVtl succeeded");
    expect(status(hypercall_mem(HvCallEnableVpVtl, page_alloc(), NULL)) != 0, "HvEnableVpVtl succeeded");
}
CLAUSE("4.2.2-29", "without AccessVpRegisters: HvGetVpRegisters and HvSetVpRegisters are denied")
{
    DENIED(AccessVpRegisters, HvGetVpRegisters | REPS(1), HvSetVpRegisters | REPS(1));
}
CLAUSE("4.2.2-30", "without EnableExtendedHypercalls: the extended calls fail")
{
    LACK(EnableExtendedHypercalls);
    for (u32 code = 0x8001; code <= 0x8006; code++)
        expect(status(hypercall(code, gpa(page_alloc()), gpa(page_alloc()))) != 0, "call %x succeeded", code);
}
CLAUSE("4.2.2-31", "without StartVirtualProcessor: HvStartVirtualProcessor is denied")
{
    DENIED(StartVirtualProcessor, HvCallStartVirtualProcessor);
}
CLAUSE("4.2.2-32", "reserved privilege bits are zero")
{
    expect_bits("the privilege mask", privileges(), 0xFFCCE608FFFFC000ull, 0);
}

/* ---- 4.3 crash ---- */

CLAUSE("4.3-01", "EDX bit 10 announces the crash facility")
{
    u64 v;

    expect_eq("whether HV_X64_MSR_CRASH_CTL is there", rdmsr_try(HV_X64_MSR_CRASH_CTL, &v) == NONE, feature(F_CRASH));
}
CLAUSE("4.3.1-01", "the crash MSRs are 40000100h to 40000105h")
{
    NEED_FEATURE(F_CRASH, "crash MSRs");
    for (u32 msr = 0x40000100; msr <= 0x40000105; msr++)
        (void)msr_read(msr);
}
CLAUSE("4.3.1-02", "P0 to P4 keep what is written")
{
    NEED_FEATURE(F_CRASH, "crash MSRs");
    for (u32 k = 0; k < 5; k++)
        msr_write(HV_X64_MSR_CRASH_P0 + k, 0xFEDCBA9876543210ull ^ k);
    for (u32 k = 0; k < 5; k++)
        expect_eq("a parameter", msr_read(HV_X64_MSR_CRASH_P0 + k), 0xFEDCBA9876543210ull ^ k);
    for (u32 k = 0; k < 5; k++)
        msr_write(HV_X64_MSR_CRASH_P0 + k, 0);
}
CLAUSE("4.3.1.1-01", "CRASH_CTL reads as the actions that are supported")
{
    NEED_FEATURE(F_CRASH, "crash MSRs");
    expect_bits("CRASH_CTL", msr_read(HV_X64_MSR_CRASH_CTL), BIT(63), BIT(63));
}
CLAUSE_LAST("4.3.1.1-02", "CrashNotify reports the parameters: the write is taken, or ends the machine")
{
    NEED_FEATURE(F_CRASH, "crash MSRs");
    if (resumed())
        return;
    for (u32 k = 0; k < 5; k++)
        msr_write(HV_X64_MSR_CRASH_P0 + k, 0xC0DE0000 + k);
    expect_reset();
    msr_write(HV_X64_MSR_CRASH_CTL, BIT(63));
    for (u32 k = 0; k < 5; k++)
        expect_eq("a parameter after the report", msr_read(HV_X64_MSR_CRASH_P0 + k), 0xC0DE0000 + k);
}
CLAUSE("4.3.1.1-03", "CrashMessage without CrashNotify does nothing")
{
    NEED_FEATURE(F_CRASH, "crash MSRs");
    msr_write(HV_X64_MSR_CRASH_P3, gpa("not to be seen"));
    msr_write(HV_X64_MSR_CRASH_P4, 14);
    msr_write(HV_X64_MSR_CRASH_CTL, BIT(62));
    expect_bits("CRASH_CTL", msr_read(HV_X64_MSR_CRASH_CTL), BIT(63), BIT(63));
}
static void crash_message(u64 at, u64 bytes)
{
    NEED_FEATURE(F_CRASH, "crash MSRs");
    need(msr_read(HV_X64_MSR_CRASH_CTL) & BIT(62), "messages are not supported");
    msr_write(HV_X64_MSR_CRASH_P0, 0);
    msr_write(HV_X64_MSR_CRASH_P3, at);
    msr_write(HV_X64_MSR_CRASH_P4, bytes);
    expect_reset();
    msr_write(HV_X64_MSR_CRASH_CTL, BIT(63) | BIT(62));
    expect_eq("P3 after the report", msr_read(HV_X64_MSR_CRASH_P3), at);
    expect_eq("P4 after the report", msr_read(HV_X64_MSR_CRASH_P4), bytes);
}
CLAUSE_LAST("4.3.1.1-04", "with CrashMessage, P3 is the address and P4 the length of a message")
{
    if (!resumed())
        crash_message(gpa(memcpy(page_alloc(), "conformance test", 17)), 16);
}
CLAUSE_LAST("4.3.1.1-05", "a message of 4096 bytes is taken, and nothing breaks on a longer one")
{
    if (!resumed())
        crash_message(gpa(memcpy(page_alloc(), "4096 bytes", 11)), 4096);
    if (!resumed())
        crash_message(gpa(memcpy(page_alloc(), "more", 5)), 4097);
}
CLAUSE("4.3.2-01", "CrashNotify is bit 63, CrashMessage bit 62, bits 61:0 are reserved")
{
    NEED_FEATURE(F_CRASH, "crash MSRs");
    expect_bits("CRASH_CTL", msr_read(HV_X64_MSR_CRASH_CTL), BIT(62) - 1, 0);
}

/* ---- 5.2: accesses over two pages, overlays ---- */

static void write4(void *at) { *(volatile u32 *)at = 0x11223344; }

CLAUSE("5.2-05", "a write over two pages is checked in full first: nothing is written when the second is denied")
{
    u8 *page = (u8 *)(uintptr_t)(gpa(hypercall_page) - PAGE), *edge = hypercall_page - 2;
    u16 before = *(volatile u16 *)edge;
    int why;

    (void)page;
    (void)hypercall(HvCallNotifyLongSpinWait | FAST, 0, 0);     /* the page is there, and cannot be written */
    why = guarded(write4, edge);
    expect(why == GP || why == MC, "%s", vector_name(why));
    expect_eq("the two bytes before the page", *(volatile u16 *)edge, before);
}

static u8 *covered(u32 msr)
{
    u8 *page = memset(page_alloc(), 0x5A, PAGE);

    msr_write(msr, gpa(page) | 1);
    return page;
}

CLAUSE("5.2.1-01", "an overlay is addressed by GPA and belongs to a map of its own: what lay there is kept")
{
    u8 *page;

    NEED(AccessSynicRegs);
    page = covered(HV_X64_MSR_SIMP);
    *(volatile u32 *)page = 0x12345678;
    msr_write(HV_X64_MSR_SIMP, 0);
    expect_eq("the memory below", *(volatile u32 *)page, 0x5A5A5A5A);
}
CLAUSE("5.2.1-02", "an overlaid page is hidden")
{
    NEED(AccessSynicRegs);
    expect(*(volatile u32 *)(covered(HV_X64_MSR_SIMP) + 4092) != 0x5A5A5A5A, "the memory below is seen");
}
CLAUSE("5.2.1-04", "disabling an overlay uncovers the page")
{
    u8 *page;

    NEED(AccessSynicRegs);
    page = covered(HV_X64_MSR_SIEFP);
    msr_write(HV_X64_MSR_SIEFP, gpa(page));
    expect_eq("the page", *(volatile u32 *)page, 0x5A5A5A5A);
}
CLAUSE("5.2.1-05", "moving an overlay uncovers the old page and covers the new one")
{
    u8 *a, *b = memset(page_alloc(), 0x77, PAGE);

    NEED(AccessSynicRegs);
    a = covered(HV_X64_MSR_SIMP);
    *(volatile u32 *)(a + 256) = 0xABCD0001;
    msr_write(HV_X64_MSR_SIMP, gpa(b) | 1);
    expect_eq("the old page", *(volatile u32 *)(a + 256), 0x5A5A5A5A);
    expect_eq("the new page has the overlay's contents", *(volatile u32 *)(b + 256), 0xABCD0001);
}
CLAUSE("5.2.1-06", "of several overlays at one address exactly one is seen")
{
    u8 *page;

    NEED(AccessSynicRegs);
    page = covered(HV_X64_MSR_SIMP);
    *(volatile u32 *)page = 0x51A90001;
    msr_write(HV_X64_MSR_SIMP, 0);
    page = covered(HV_X64_MSR_SIEFP);
    *(volatile u32 *)page = 0x51EF0001;
    msr_write(HV_X64_MSR_SIMP, gpa(page) | 1);
    expect(*(volatile u32 *)page == 0x51A90001 || *(volatile u32 *)page == 0x51EF0001, "the page shows %08x",
           *(volatile u32 *)page);
    *(volatile u32 *)page = 0;
    msr_write(HV_X64_MSR_SIMP, 0);
    *(volatile u32 *)page = 0;
}
CLAUSE("5.2.1-07", "when the topmost of several overlays goes, another is seen")
{
    u8 *page;

    NEED(AccessSynicRegs);
    page = covered(HV_X64_MSR_SIMP);
    *(volatile u32 *)page = 0x51A90001;
    msr_write(HV_X64_MSR_SIMP, 0);
    page = covered(HV_X64_MSR_SIEFP);
    *(volatile u32 *)page = 0x51EF0001;
    msr_write(HV_X64_MSR_SIMP, gpa(page) | 1);
    if (*(volatile u32 *)page == 0x51A90001) {
        msr_write(HV_X64_MSR_SIMP, 0);
        expect_eq("the page without SIM", *(volatile u32 *)page, 0x51EF0001);
    } else {
        msr_write(HV_X64_MSR_SIEFP, 0);
        expect_eq("the page without SIEF", *(volatile u32 *)page, 0x51A90001);
    }
}
static u64 *table_at(const u64 *table, u32 entry) { return (u64 *)(uintptr_t)(table[entry] & ~0xfffull); }

CLAUSE("5.2.1-08", "page tables under an overlay: a page fault, the overlay's contents or the memory's, no more")
{
    u64 space = make_space(), *pt, v = 0;
    u8 *page = page_alloc();
    int why;

    NEED(AccessSynicRegs);
    *(volatile u64 *)page = 0x600D;
    map_in(space, 3, page, MAP_P | MAP_W);
    pt = table_at(table_at(table_at((u64 *)(uintptr_t)space, 0), 256), 0);
    msr_write(HV_X64_MSR_SIEFP, gpa(pt) | 1);
    for (unsigned k = 0; k < 512; k++)
        pt[k] = 0;
    write_cr3(space);
    why = read_try(WINDOW + 3 * PAGE, &v);
    write_cr3(space);
    msr_write(HV_X64_MSR_SIEFP, 0);
    expect(why == PF || why == MC || (why == NONE && v == 0x600D), "%s, value %lx", vector_name(why), v);
}
