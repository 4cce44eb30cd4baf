/* SPDX-License-Identifier: MIT
 * TLFS 7.2 to 7.9: virtual processors, their indices, sets and registers; VP assist page, run time, idle. */
#include "conform/tests/registers.h"

/* ---- 7.2 to 7.6 ---- */

CLAUSE("7.2-01", "each VP has an index of its own that does not change")
{
    u64 seen = 0;

    NEED(AccessVpIndex);
    for (u32 k = 0; k < ncpus; k++) {
        u64 index = msr_of(k, HV_X64_MSR_VP_INDEX);

        expect(!(seen >> (index & 63) & 1), "two processors have VP index %lu", index);
        seen |= BIT(index & 63);
        expect_eq("the index, read again", msr_of(k, HV_X64_MSR_VP_INDEX), index);
    }
}
CLAUSE("7.3-01", "registers of a VP are read and written by hypercall")
{
    u64 before = register_of(VP_SELF, HvX64RegisterSysenterCs);

    expect_status("HvSetVpRegisters", set_register(VP_SELF, HvX64RegisterSysenterCs, 0x1234, 0), 0);
    expect_eq("IA32_SYSENTER_CS", rdmsr(0x174), 0x1234);
    wrmsr(0x174, 0x4321);
    expect_eq("the register", register_of(VP_SELF, HvX64RegisterSysenterCs), 0x4321);
    wrmsr(0x174, before);
}

/* A direct timer on this VP, from now on, in 100 ns. */
static void direct_in(u32 vector, u64 from_now)
{
    NEED(AccessSyntheticTimerRegs);
    NEED_FEATURE(F_DIRECT, "direct timers");
    msr_write(STIMER_CONFIG(1), 0);
    msr_write(STIMER_COUNT(1), ref_time() + from_now);
    msr_write(STIMER_CONFIG(1), STIMER_ENABLE | STIMER_DIRECT | STIMER_VECTOR(vector));
}

CLAUSE("7.5-01", "reading GUEST_IDLE lets the VP sleep")
{
    u64 start;

    NEED(AccessGuestIdleReg);
    cli();
    direct_in(0x41, 50000);
    start = ref_time();
    (void)msr_read(HV_X64_MSR_GUEST_IDLE);
    expect(ref_time() - start >= 40000, "it slept %lu units of 100 ns, not about 50000", ref_time() - start);
}
CLAUSE("7.5-02", "an interrupt wakes an idle VP whether or not interrupts are enabled")
{
    NEED(AccessGuestIdleReg);
    cli();
    direct_in(0x41, 20000);
    (void)msr_read(HV_X64_MSR_GUEST_IDLE);
    expect_eq("interrupts taken with IF clear", taken(0x41), 0);
    sti();
    direct_in(0x42, 20000);
    (void)msr_read(HV_X64_MSR_GUEST_IDLE);
    expect(wait_for(taken(0x42) == 1, 100 * MS), "with IF set: no interrupt");
}
CLAUSE("7.5-03", "a masked interrupt that woke the VP stays pending")
{
    NEED(AccessGuestIdleReg);
    cli();
    direct_in(0x41, 20000);
    (void)msr_read(HV_X64_MSR_GUEST_IDLE);
    expect(irr(0x41), "the interrupt is not requested");
    sti();
    expect(wait_for(taken(0x41) == 1, 100 * MS), "it is not taken when interrupts are enabled");
}

CLAUSE("7.6-01", "VP 0 is the boot processor, the only one with the BSP flag")
{
    NEED(AccessVpIndex);
    for (u32 k = 0; k < ncpus; k++)
        expect_eq("the BSP flag", msr_of(k, 0x1B) >> 8 & 1, msr_of(k, HV_X64_MSR_VP_INDEX) == 0);
}
CLAUSE("7.6-02", "the other VPs have it clear")
{
    need_cpus(2);
    for (u32 k = 1; k < ncpus; k++)
        expect_eq("the BSP flag", msr_of(k, 0x1B) >> 8 & 1, 0);
}

/* ---- 7.8.1 to 7.8.3 ---- */

CLAUSE("7.8.1-01", "a VP index is below the maximum of leaf 40000005h")
{
    u32 most = cpuid(0x40000005).eax;

    NEED(AccessVpIndex);
    need(most != 0, "the limit is not exposed");
    for (u32 k = 0; k < ncpus; k++)
        expect(msr_of(k, HV_X64_MSR_VP_INDEX) < most, "index %lu, at most %u", msr_of(k, HV_X64_MSR_VP_INDEX), most);
}
CLAUSE("7.8.1-02", "HV_VP_INDEX_SELF is FFFFFFFEh; FFFFFFFFh names no single VP")
{
    expect_eq("status for FFFFFFFEh", get_status(PARTITION_SELF, 0xFFFFFFFE, HvRegisterVpIndex, NULL), 0);
    expect_eq("status for FFFFFFFFh", get_status(PARTITION_SELF, 0xFFFFFFFF, HvRegisterVpIndex, NULL),
              HV_STATUS_INVALID_VP_INDEX);
}
static void own_index(void *arg) { *(u64 *)arg = register_of(VP_SELF, HvRegisterVpIndex); }
CLAUSE("7.8.1-03", "HV_VP_INDEX_SELF is the calling VP, on each of them")
{
    for (u32 k = 0; k < ncpus; k++) {
        u64 index = ~0ull;

        on_cpu(k, own_index, &index);
        expect_eq("the index", index, cpus[k].vp_index);
    }
}
CLAUSE("7.8.1-04", "HV_X64_MSR_VP_INDEX is the index of the VP that reads it")
{
    NEED(AccessVpIndex);
    NEED(AccessVpRegisters);
    for (u32 k = 0; k < ncpus; k++)
        expect_eq("the index by register", register_of((u32)msr_of(k, HV_X64_MSR_VP_INDEX), HvRegisterVpIndex),
                  msr_of(k, HV_X64_MSR_VP_INDEX));
}

CLAUSE("7.8.2-01", "listed names are known, unlisted ones invalid")
{
    static const u32 known[] = { HvX64RegisterRip, HvX64RegisterRsp, HvX64RegisterRflags, HvX64RegisterCr0, HvX64RegisterCr3,
                                 HvX64RegisterCr4,
        HvX64RegisterCr8, HvX64RegisterDr7, HvX64RegisterCs, HvX64RegisterSs, HvX64RegisterTr, HvX64RegisterGdtr,
            HvX64RegisterIdtr,
        HvX64RegisterEfer, HvX64RegisterStar, HvX64RegisterLstar, HvX64RegisterApicBase, HvRegisterVpIndex };
    static const u32 unknown[] = { 0x00000002, 0x00020012, 0x00060008, 0x00090FFF, 0x000FFFFF, 0xFFFFFFFF };

    for (unsigned k = 0; k < COUNT_OF(known); k++)
        expect(get_status(PARTITION_SELF, VP_SELF, known[k], NULL) == 0, "register %08x is not known", known[k]);
    for (unsigned k = 0; k < COUNT_OF(unknown); k++)
        expect(get_status(PARTITION_SELF, VP_SELF, unknown[k], NULL) == HV_STATUS_INVALID_PARAMETER,
               "register %08x: status %04x", unknown[k],
               get_status(PARTITION_SELF, VP_SELF, unknown[k], NULL));
}
CLAUSE("7.8.2-02", "five registers are the leaves 40000002h to 40000006h")
{
    static const u32 names[] = { HvRegisterHypervisorVersion, HvRegisterPrivilegesAndFeaturesInfo, HvRegisterFeaturesInfo,
                                 HvRegisterImplementationLimitsInfo, HvRegisterHardwareFeaturesInfo };

    NEED(AccessVpRegisters);
    for (u32 k = 0; k < COUNT_OF(names); k++) {
        struct cpuid leaf = cpuid(0x40000002 + k);
        struct reg128 v;

        expect_status("HvGetVpRegisters", get_register(VP_SELF, names[k], &v), 0);
        expect_eq("EBX:EAX", v.low, (u64)leaf.ebx << 32 | leaf.eax);
        expect_eq("EDX:ECX", v.high, (u64)leaf.edx << 32 | leaf.ecx);
    }
}
static const struct { u32 name; u16 bits; const char *access; } registers[] = {
#define ROW(number, name, access, bits) { number, bits, access },
    REGISTER_LIST(ROW)
#undef ROW
};
CLAUSE("7.8.3-01", "registers take 128 bits, narrower ones have zeros above")
{
    unsigned seen = 0;

    NEED(AccessVpRegisters);
    for (unsigned k = 0; k < COUNT_OF(registers); k++) {
        struct reg128 v = { 0, ~0ull };

        if (registers[k].bits > 64 || registers[k].access[0] != 'R' ||
            status(get_register(VP_SELF, registers[k].name, &v)) != 0)
            continue;
        expect(v.high == 0, "register %08x has %lx in its upper half", registers[k].name, v.high);
        seen++;
    }
    expect(seen > 10, "only %u registers could be read", seen);
}

/* ---- 7.8.7 VP assist page ---- */

static u8 *assist_page(void)
{
    u8 *page = page_alloc();

    NEED(AccessIntrCtrlRegs);
    msr_write(HV_X64_MSR_VP_ASSIST_PAGE, gpa(page) | 1);
    return page;
}
struct assist { u8 *page; u32 seen; };
static void mark_assist(void *arg)
{
    struct assist *a = arg;

    msr_write(HV_X64_MSR_VP_ASSIST_PAGE, gpa(a->page) | 1);
    *(volatile u32 *)(a->page + 2048) = 0x0BAD0001;
    a->seen = *(volatile u32 *)(a->page + 2048);
}
CLAUSE("7.8.7-01", "each VP has an assist page of its own, laid over the memory")
{
    struct assist other = { page_alloc(), 0 };
    u8 *here = assist_page();

    need_cpus(2);
    memset(here + 2048, 0, 64);
    on_cpu(1, mark_assist, &other);
    expect_eq("what the other VP sees in its page", other.seen, 0x0BAD0001);
    expect_eq("what this VP sees in its page", *(volatile u32 *)(here + 2048), 0);
    msr_write(HV_X64_MSR_VP_ASSIST_PAGE, 0);
    expect_eq("the memory below", *(volatile u32 *)(here + 2048), 0);
}
CLAUSE("7.8.7-02", "the guest can read and write it")
{
    u8 *page = assist_page();

    for (unsigned at = 128; at < PAGE; at += 512) {
        *(volatile u64 *)(page + at) = 0x1122334455667788ull + at;
        expect_eq("a word of the page", *(volatile u64 *)(page + at), 0x1122334455667788ull + at);
        *(volatile u64 *)(page + at) = 0;
    }
}
CLAUSE("7.8.7.1-01", "MSR 40000073h: page number in 63:12, enable in 0")
{
    u8 *page = memset(page_alloc(), 0x5A, PAGE);

    NEED(AccessIntrCtrlRegs);
    msr_write(HV_X64_MSR_VP_ASSIST_PAGE, gpa(page) | 1);
    expect_bits("the MSR", msr_read(HV_X64_MSR_VP_ASSIST_PAGE), ~0xffeull, gpa(page) | 1);
    expect(*(volatile u32 *)(page + 1024) != 0x5A5A5A5A, "the page is not there");
    msr_write(HV_X64_MSR_VP_ASSIST_PAGE, gpa(page));
    expect_eq("the memory when disabled", *(volatile u32 *)(page + 1024), 0x5A5A5A5A);
}
CLAUSE("7.8.7.2-01", "what lies where in it: the EOI assist at 0, the time-unhalted flag at 56")
{
    u8 *page = assist_page();
    u8 *flag = page + 56;

    *flag = 0;
    need(feature(F_UNHALTED), "nothing of the page but the EOI assist can be seen without the time-unhalted timer");
    msr_write(HV_X64_MSR_STIME_UNHALTED_TIMER_COUNT, 10000);
    msr_write(HV_X64_MSR_STIME_UNHALTED_TIMER_CONFIG, BIT(8) | 0x43);
    expect(wait_for(*(volatile u8 *)flag != 0, 100 * MS), "byte 56 stays 0");
}

/* ---- 7.8.7.3 and 7.8.7.4 processor sets ---- */

static u64 set_ipi(unsigned banks, u64 format, u64 valid, u64 first, u64 second)
{
    u64 *in = (u64 *)page_alloc();

    need(recommended(11), "the Ex hypercalls are not offered");
    in[0] = 0x60, in[1] = format, in[2] = valid, in[3] = first, in[4] = second;
    watch(0x60);
    return hypercall_mem(HvCallSendSyntheticClusterIpiEx | VARIABLE(banks), in, NULL);
}
CLAUSE("7.8.7.3-01", "format 1: all VPs")
{
    u32 all = (1u << ncpus) - 1;

    expect_status("the call", set_ipi(0, 1, 0, 0, 0), 0);
    expect_eq("processors that took it", arrived(0x60, all), all);
}
CLAUSE("7.8.7.3-02", "format 0: those of ValidBanksMask and BankContents")
{
    need_cpus(3);
    expect_status("the call", set_ipi(1, 0, 1, vp_bit(0) | vp_bit(2), 0), 0);
    expect_eq("processors that took it", arrived(0x60, 5), 5);
}
CLAUSE("7.8.7.4-01", "bank n covers the VPs from 64 n on: bit 1 of bank 1 is not VP 1")
{
    need_cpus(2);
    (void)set_ipi(1, 0, 2, vp_bit(1), 0);
    expect_eq("processors that took it", arrived(0x60, 0), 0);
    expect_status("bank 0", set_ipi(1, 0, 1, vp_bit(1), 0), 0);
    expect_eq("processors that took it", arrived(0x60, 2), 2);
}
CLAUSE("7.8.7.4-02", "one element for each valid bank, in ascending order")
{
    need_cpus(2);
    expect_status("banks 0 and 1, the second empty", set_ipi(2, 0, 3, vp_bit(1), 0), 0);
    expect_eq("processors that took it", arrived(0x60, 2), 2);
    (void)set_ipi(2, 0, 3, 0, vp_bit(1));
    expect_eq("processors when only bank 1 has a bit", arrived(0x60, 0), 0);
}
CLAUSE("7.8.7.4-03", "a bank that is not valid has no element")
{
    need_cpus(2);
    expect_status("banks 0 and 5", set_ipi(2, 0, 0x21, vp_bit(1), 0), 0);
    expect_eq("processors that took it", arrived(0x60, 2), 2);
}
CLAUSE("7.8.7.4-04", "an element of zero is valid and selects nobody")
{
    expect_status("the call", set_ipi(1, 0, 1, 0, 0), 0);
    expect_eq("processors that took it", arrived(0x60, 0), 0);
}
CLAUSE("7.8.7.4-05", "as many elements as valid banks: too few are refused")
{
    u32 s = status(set_ipi(1, 0, 3, vp_bit(0), 0));

    is_one_of("two banks, one element", s, HV_STATUS_INVALID_PARAMETER, HV_STATUS_INVALID_HYPERCALL_INPUT);
    expect_eq("processors that took it", arrived(0x60, 0), 0);
}

/* ---- 7.9 ---- */

CLAUSE("7.9.1-01", "VP_RUNTIME counts time that the VP runs, in units of 100 ns")
{
    u64 start, before, ran;

    NEED(AccessVpRunTimeReg);
    NEED(AccessPartitionReferenceCounter);
    start = ref_time();
    before = msr_read(HV_X64_MSR_VP_RUNTIME);
    delay_us(20 * MS);
    ran = msr_read(HV_X64_MSR_VP_RUNTIME) - before;
    expect(ran > 1000, "in 20 ms it ran %lu units", ran);
    expect(ran <= ref_time() - start + 1, "it ran %lu units in %lu", ran, ref_time() - start);
}
CLAUSE("7.9.1-02", "VP_RUNTIME cannot be written: #GP")
{
    NEED(AccessVpRunTimeReg);
    msr_write_faults(HV_X64_MSR_VP_RUNTIME, 0);
}
CLAUSE("7.9.1-03", "VP_RUNTIME never decreases")
{
    u64 last = 0;

    NEED(AccessVpRunTimeReg);
    for (unsigned k = 0; k < 1000; k++) {
        u64 now = msr_read(HV_X64_MSR_VP_RUNTIME);

        expect(now >= last, "%lu after %lu", now, last);
        last = now;
    }
}

static volatile u32 nmi_state;
static void in_nmi(u32 vector)
{
    (void)vector;
    nmi_state = 1;
    while (nmi_state == 1)
        cpu_pause();
}
CLAUSE("7.9.2-02", "NmiMasked is set from an NMI until IRET")
{
    struct reg128 v;

    need_cpus(2);
    NEED(AccessVpRegisters);
    need(status(get_register(cpus[1].vp_index, HvRegisterInterruptState, &v)) == 0, "the interrupt state cannot be read");
    expect_bits("the state before", v.low, 2, 0);
    nmi_state = 0;
    cpus[1].used = true;
    cpus[1].on_interrupt[NMI] = in_nmi;
    apic_ipi(cpus[1].apic_id, 0x4400);
    expect(wait_for(nmi_state == 1, 100 * MS), "no NMI came");
    (void)get_register(cpus[1].vp_index, HvRegisterInterruptState, &v);
    nmi_state = 2;
    expect_bits("the state in the handler", v.low, 2, 2);
    delay_us(MS);
    (void)get_register(cpus[1].vp_index, HvRegisterInterruptState, &v);
    expect_bits("the state after IRET", v.low, 2, 0);
}

/* x87 and SSE are on; the test itself uses neither. */
CLAUSE("7.9.4-01", "a floating-point register: 64-bit mantissa, 15-bit exponent, sign")
{
    struct reg128 v;

    NEED(AccessVpRegisters);
    need(status(get_register(VP_SELF, HvX64RegisterFpMmx0, &v)) == 0, "the register cannot be read");
    /* eight values, so that register 0 is the top of the stack however registers are counted */
    __asm__ volatile("fninit; fld1; fld1; fld1; fld1; fld1; fld1; fld1; fld1; fchs");
    expect_status("HvGetVpRegisters", get_register(VP_SELF, HvX64RegisterFpMmx0, &v), 0);
    __asm__ volatile("fninit");
    expect_eq("the mantissa of -1", v.low, 0x8000000000000000ull);
    expect_eq("its exponent and sign", v.high, 0xBFFF);
}
CLAUSE("7.9.4-02", "FP control and status: FpControl, FpStatus, FpTag in the low words")
{
    struct reg128 v;

    NEED(AccessVpRegisters);
    need(status(get_register(VP_SELF, HvX64RegisterFpControlStatus, &v)) == 0, "the register cannot be read");
    __asm__ volatile("fninit; fld1");
    expect_status("HvGetVpRegisters", get_register(VP_SELF, HvX64RegisterFpControlStatus, &v), 0);
    __asm__ volatile("fninit");
    expect_eq("FpControl", v.low & 0xffff, 0x037F);
    expect_eq("FpStatus, top 7", v.low >> 16 & 0xffff, 0x3800);
    expect_eq("FpTag, register 7 in use", v.low >> 32 & 0xff, 0x80);
}
CLAUSE("7.9.4-03", "XMM control and status: XmmStatusControl and its mask in the upper words")
{
    struct reg128 v;
    u32 mxcsr = 0x1F80;

    NEED(AccessVpRegisters);
    need(status(get_register(VP_SELF, HvX64RegisterXmmControlStatus, &v)) == 0, "the register cannot be read");
    __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
    expect_status("HvGetVpRegisters", get_register(VP_SELF, HvX64RegisterXmmControlStatus, &v), 0);
    expect_eq("XmmStatusControl", v.high & 0xffffffff, 0x1F80);
    expect((v.high >> 32 & 0xFFBF) == 0xFFBF, "the mask is %lx", v.high >> 32);
}

static void run32(void *code)
{
    struct call_regs r = { .rax = 0 };

    call_with32(&r, code);
}
static struct reg128 segment(u32 name)
{
    struct reg128 v;

    NEED(AccessVpRegisters);
    expect_status("HvGetVpRegisters", get_register(VP_SELF, name, &v), 0);
    return v;
}
CLAUSE("7.9.5-01", "a limit is in bytes; with the granularity bit its low 12 bits are ones")
{
    struct reg128 ds = segment(HvX64RegisterDs);

    expect_eq("the limit of DS", (u32)ds.high, 0xffffffff);
    expect_eq("its selector", ds.high >> 32 & 0xffff, 0x10);
    expect_bits("its attributes", ds.high >> 48, 0x8093, 0x8093);
    rejects("a limit of 10000h with granularity", HvX64RegisterDs, ds.low, (ds.high & ~0xffffffffull) | 0x10000);
}
CLAUSE("7.9.5-04", "the base of FS is in its segment register")
{
    struct reg128 fs = segment(HvX64RegisterFs);

    wrmsr(0xC0000100, 0x123456789000ull);
    expect_eq("the base read", segment(HvX64RegisterFs).low, 0x123456789000ull);
    expect_eq("status of setting it", set_status(PARTITION_SELF, VP_SELF, HvX64RegisterFs, 0x77000, fs.high), 0);
    expect_eq("IA32_FS_BASE", rdmsr(0xC0000100), 0x77000);
    wrmsr(0xC0000100, 0);
}
CLAUSE("7.9.5-03", "a segment that is not present is a null segment: #GP in 32-bit code")
{
    static const u8 code[] = { 0x26, 0xA1, 0x00, 0x00, 0x10, 0x00, 0xC3 };      /* mov eax, es:[100000h]; ret */
    struct call_regs r = { .rax = 0 };
    struct reg128 es = segment(HvX64RegisterEs);
    int why;

    call_with32(&r, code);
    expect(r.rax != 0, "the multiboot header is not read through ES");
    expect_status("HvSetVpRegisters", set_register(VP_SELF, HvX64RegisterEs, es.low, es.high & ~BIT(55)), 0);
    why = guarded(run32, (void *)(uintptr_t)code);
    expect_status("HvSetVpRegisters", set_register(VP_SELF, HvX64RegisterEs, es.low, es.high), 0);
    expect(why == GP, "an access through it: %s, not #GP", vector_name(why));
}
CLAUSE("7.9.6-01", "a table register: 16-bit limit, 64-bit base")
{
    struct { u16 limit; u64 base; } __attribute__((packed)) table;
    struct reg128 v = segment(HvX64RegisterIdtr);

    __asm__ volatile("sidt %0" : "=m"(table));
    expect_eq("the limit", v.low >> 48, table.limit);
    expect_eq("the base", v.high, table.base);
}
