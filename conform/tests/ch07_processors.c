/* SPDX-License-Identifier: MIT
 * TLFS chapter 7: virtual processors, their indices, sets and registers; VP assist page, run time, idle. */
#include "conform/guest/hv.h"

/* ---- helpers ---- */

struct msr_on { u32 msr; u64 value; };
static void read_msr(void *arg) { struct msr_on *m = arg; m->value = msr_read(m->msr); }

static u64 msr_of(u32 cpu, u32 msr)
{
    struct msr_on m = { msr, 0 };

    on_cpu(cpu, read_msr, &m);
    return m.value;
}

static u32 get_status(u64 partition, u32 vp, u32 name, unsigned *done)
{
    u64 *in = (u64 *)page_alloc(), result;

    NEED(AccessVpRegisters);
    in[0] = partition, in[1] = vp, in[2] = name;
    result = hypercall_mem(HvGetVpRegisters | REPS(1), in, page_alloc());
    if (done != NULL)
        *done = reps_done(result);
    return status(result);
}

static u32 set_status(u64 partition, u32 vp, u32 name, u64 low, u64 high)
{
    u64 *in = (u64 *)page_alloc();

    NEED(AccessVpRegisters);
    in[0] = partition, in[1] = vp, in[2] = name, in[4] = low, in[5] = high;
    return status(hypercall_mem(HvSetVpRegisters | REPS(1), in, NULL));
}

static bool rejected(u32 s) { return s == HV_STATUS_INVALID_PARAMETER || s == HV_STATUS_INVALID_REGISTER_VALUE; }

static void rejects(const char *what, u32 name, u64 low, u64 high)
{
    u32 s = set_status(PARTITION_SELF, VP_SELF, name, low, high);

    expect(rejected(s), "%s: status %04x (%s)", what, s, status_name(s));
}

static void is_one_of(const char *what, u32 s, u32 a, u32 b)
{
    expect(s == a || s == b, "%s: status %04x (%s), neither %s nor %s", what, s, status_name(s), status_name(a),
           status_name(b));
}

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
    expect_status("HvSetVpRegisters", set_register(VP_SELF, HvX64RegisterEs, 0, 0), 0);
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

/* ---- 7.10.1 HvSetVpRegisters ---- */

CLAUSE("7.10.1-01", "HvSetVpRegisters is rep call 0051h")
{
    u64 *in = (u64 *)page_alloc();

    NEED(AccessVpRegisters);
    in[0] = PARTITION_SELF, in[1] = VP_SELF, in[2] = HvX64RegisterCr8, in[4] = 7;
    expect_status("without a rep count", hypercall_mem(0x0051, in, NULL), HV_STATUS_INVALID_HYPERCALL_INPUT);
    expect_reps("with one", hypercall_mem(0x0051 | REPS(1), in, NULL), 0, 1);
    expect_eq("CR8", read_cr8(), 7);
}
CLAUSE("7.10.1-02", "its header: partition at 0, VP at 8, VTL at 12, three zero bytes")
{
    u64 *in = (u64 *)page_alloc();

    NEED(AccessVpRegisters);
    in[0] = PARTITION_SELF, in[1] = this_cpu()->vp_index, in[2] = HvX64RegisterCr8, in[4] = 6;
    expect_reps("as laid out", hypercall_mem(HvSetVpRegisters | REPS(1), in, NULL), 0, 1);
    expect_eq("CR8", read_cr8(), 6);
    ((u8 *)in)[13] = 1;
    expect_reps("byte 13 set", hypercall_mem(HvSetVpRegisters | REPS(1), in, NULL), HV_STATUS_INVALID_PARAMETER, 0);
}
CLAUSE("7.10.1-03", "its elements take 32 bytes: name at 0, value at 16")
{
    u64 *in = (u64 *)page_alloc();

    NEED(AccessVpRegisters);
    in[0] = PARTITION_SELF, in[1] = VP_SELF;
    in[2] = HvX64RegisterCr8, in[4] = 4;
    in[6] = HvX64RegisterSysenterCs, in[8] = 0x99;
    expect_reps("two elements", hypercall_mem(HvSetVpRegisters | REPS(2), in, NULL), 0, 2);
    expect_eq("CR8", read_cr8(), 4);
    expect_eq("IA32_SYSENTER_CS", rdmsr(0x174), 0x99);
    wrmsr(0x174, 0);
}
CLAUSE("7.10.1-04", "a reserved bit that is set: rejected")
{
    u64 cr4 = read_cr4();

    rejects("CR4 with bit 40", HvX64RegisterCr4, cr4 | BIT(40), 0);
    expect_eq("CR4", read_cr4(), cr4);
    rejects("EFER with bit 40", HvX64RegisterEfer, rdmsr(0xC0000080) | BIT(40), 0);
}
CLAUSE("7.10.1-05", "a value wider than the register: rejected")
{
    rejects("CR8 of 10h", HvX64RegisterCr8, 0x10, 0);
    rejects("CR8 with a bit of the upper half", HvX64RegisterCr8, 1, 1);
}
CLAUSE("7.10.1-06", "bits that are constant must have their value")
{
    rejects("RFLAGS with bit 1 clear", HvX64RegisterRflags, 0x200, 0);
    rejects("RFLAGS with bit 3 set", HvX64RegisterRflags, 0x20A, 0);
}
CLAUSE("7.10.1-07", "a read-only register: INVALID_PARAMETER")
{
    static const u32 names[] = { HvRegisterHypervisorVersion, HvRegisterPrivilegesAndFeaturesInfo, HvRegisterVpIndex,
                                 HvX64RegisterVpRuntime };

    for (unsigned k = 0; k < COUNT_OF(names); k++)
        expect(set_status(PARTITION_SELF, VP_SELF, names[k], 0, 0) == HV_STATUS_INVALID_PARAMETER,
               "register %08x: status %04x", names[k],
               set_status(PARTITION_SELF, VP_SELF, names[k], 0, 0));
}
CLAUSE("7.10.1-08", "an unknown register: INVALID_PARAMETER")
{
    expect_eq("the status", set_status(PARTITION_SELF, VP_SELF, 0x000FFFFF, 0, 0), HV_STATUS_INVALID_PARAMETER);
}
CLAUSE("7.10.1-09", "an invalid value: INVALID_PARAMETER or INVALID_REGISTER_VALUE")
{
    rejects("a non-canonical LSTAR", HvX64RegisterLstar, 0x8000000000000000ull, 0);
    rejects("CR0 with PG and without PE", HvX64RegisterCr0, read_cr0() & ~1ull, 0);
}
CLAUSE("7.10.1-10", "setting a register raises no exception in the guest")
{
    u64 *in = (u64 *)page_alloc(), result;
    int why;

    NEED(AccessVpRegisters);
    in[0] = PARTITION_SELF, in[1] = VP_SELF, in[2] = HvX64RegisterLstar, in[4] = 0x8000000000000000ull;
    why = hypercall_try(HvSetVpRegisters | REPS(1), gpa(in), 0, &result);
    expect(why == NONE, "a value that WRMSR refuses with #GP raised %s", vector_name(why));
}
CLAUSE("7.10.1-12", "another partition's registers are not for a guest")
{
    is_one_of("partition 12345h", set_status(0x12345, 0, HvX64RegisterCr8, 0, 0), HV_STATUS_ACCESS_DENIED,
              HV_STATUS_INVALID_PARTITION_ID);
}
CLAUSE("7.10.1-13", "no such partition: INVALID_PARTITION_ID")
{
    expect_eq("the status for partition 0", set_status(0, 0, HvX64RegisterCr8, 0, 0), HV_STATUS_INVALID_PARTITION_ID);
}
CLAUSE("7.10.1-14", "no such VP: INVALID_VP_INDEX")
{
    expect_eq("the status for VP 12345", set_status(PARTITION_SELF, 12345, HvX64RegisterCr8, 0, 0),
              HV_STATUS_INVALID_VP_INDEX);
}

/* ---- 7.10.2 HvGetVpRegisters ---- */

CLAUSE("7.10.2-01", "HvGetVpRegisters is rep call 0050h with 16 bytes of output an element")
{
    u64 *in = (u64 *)page_alloc();
    struct reg128 *out = (struct reg128 *)page_alloc();

    NEED(AccessVpRegisters);
    in[0] = PARTITION_SELF, in[1] = VP_SELF;
    in[2] = (u64)HvX64RegisterCr3 << 32 | HvRegisterVpIndex;
    expect_status("without a rep count", hypercall_mem(0x0050, in, out), HV_STATUS_INVALID_HYPERCALL_INPUT);
    expect_reps("two", hypercall_mem(0x0050 | REPS(2), in, out), 0, 2);
    expect_eq("the second value, at 16", out[1].low, read_cr3());
}
CLAUSE("7.10.2-02", "names are packed two to 8 bytes")
{
    u64 *in = (u64 *)page_alloc();
    struct reg128 *out = (struct reg128 *)page_alloc();

    NEED(AccessVpRegisters);
    in[0] = PARTITION_SELF, in[1] = VP_SELF;
    in[2] = (u64)HvX64RegisterCr4 << 32 | HvX64RegisterCr0;
    in[3] = (u64)HvX64RegisterEfer << 32 | HvX64RegisterCr3;
    expect_reps("four", hypercall_mem(HvGetVpRegisters | REPS(4), in, out), 0, 4);
    expect_eq("CR0", out[0].low, read_cr0());
    expect_eq("CR4", out[1].low, read_cr4());
    expect_eq("CR3", out[2].low, read_cr3());
    expect_eq("EFER", out[3].low, rdmsr(0xC0000080));
}
CLAUSE("7.10.2-03", "output comes in the order of the input")
{
    u64 *in = (u64 *)page_alloc();
    struct reg128 *out = (struct reg128 *)page_alloc();

    NEED(AccessVpRegisters);
    in[0] = PARTITION_SELF, in[1] = VP_SELF;
    in[2] = (u64)HvX64RegisterCr0 << 32 | HvX64RegisterCr3;
    expect_reps("CR3, CR0", hypercall_mem(HvGetVpRegisters | REPS(2), in, out), 0, 2);
    expect_eq("the first", out[0].low, read_cr3());
    expect_eq("the second", out[1].low, read_cr0());
}
CLAUSE("7.10.2-04", "another partition's registers are not for a guest")
{
    is_one_of("partition 12345h", get_status(0x12345, 0, HvRegisterVpIndex, NULL), HV_STATUS_ACCESS_DENIED,
              HV_STATUS_INVALID_PARTITION_ID);
}
CLAUSE("7.10.2-05", "no such partition: INVALID_PARTITION_ID")
{
    expect_eq("the status for partition 0", get_status(0, 0, HvRegisterVpIndex, NULL), HV_STATUS_INVALID_PARTITION_ID);
}
CLAUSE("7.10.2-06", "no such VP: INVALID_VP_INDEX")
{
    expect_eq("the status for VP 12345", get_status(PARTITION_SELF, 12345, HvRegisterVpIndex, NULL),
              HV_STATUS_INVALID_VP_INDEX);
}
CLAUSE("7.10.2-07", "an invalid name: INVALID_PARAMETER, the elements before it completed")
{
    u64 *in = (u64 *)page_alloc();
    struct reg128 *out = (struct reg128 *)page_alloc();

    NEED(AccessVpRegisters);
    in[0] = PARTITION_SELF, in[1] = VP_SELF;
    in[2] = (u64)0x000FFFFF << 32 | HvX64RegisterCr3;
    expect_reps("the second is unknown", hypercall_mem(HvGetVpRegisters | REPS(2), in, out), HV_STATUS_INVALID_PARAMETER, 1);
    expect_eq("the first", out[0].low, read_cr3());
}

/* ---- 7.10.3 HvStartVirtualProcessor ---- */

extern volatile u64 started[8];
volatile u64 started[8];
static u64 start_stack[512] __attribute__((aligned(64)));

/* Where the started VP begins: says what it finds, and stops. */
__asm__(".text\n.globl start_probe\nstart_probe:\n"
        "movq %rsp, started+8\n movq %cr0, %rax\n movq %rax, started+16\n movq %cr3, %rax\n movq %rax, started+24\n"
        "movq %cr4, %rax\n movq %rax, started+32\n"
        "movl $0x277, %ecx\n rdmsr\n shlq $32, %rdx\n orq %rdx, %rax\n movq %rax, started+40\n"
        "pushfq\n popq %rax\n movq %rax, started+48\n"
        "movl $0xC0000100, %ecx\n rdmsr\n shlq $32, %rdx\n orq %rdx, %rax\n movq %rax, started+56\n"
        "movl %ds:started, %eax\n movq $1, started\n 1: hlt\n jmp 1b\n");
extern const u8 start_probe[];

struct start_input {
    u64 partition;
    u32 vp;
    u8 vtl, zero[3];
    u64 rip, rsp, rflags;
    struct { u64 base; u32 limit; u16 selector, attributes; } cs, ds, es, fs, gs, ss, tr, ldtr;
    struct { u16 pad[3], limit; u64 base; } idtr, gdtr;
    u64 efer, cr0, cr3, cr4, pat;
};
_Static_assert(sizeof(struct start_input) == 240, "HvStartVirtualProcessor input");

static struct start_input *start_context(void)
{
    struct start_input *in = (struct start_input *)page_alloc();
    struct { u16 limit; u64 base; } __attribute__((packed)) table;

    NEED(StartVirtualProcessor);
    need_cpus(2);
    in->partition = PARTITION_SELF;
    in->vp = cpus[1].vp_index;
    in->rip = gpa(start_probe), in->rsp = gpa(start_stack) + sizeof start_stack, in->rflags = 2;
    in->cs.limit = in->ds.limit = in->es.limit = in->fs.limit = in->gs.limit = in->ss.limit = 0xffffffff;
    in->cs.selector = 8, in->cs.attributes = 0xA09B;
    in->ds.selector = in->es.selector = in->ss.selector = in->fs.selector = in->gs.selector = 0x10;
    in->ds.attributes = in->es.attributes = in->fs.attributes = in->gs.attributes = in->ss.attributes = 0xC093;
    in->tr.limit = 0x67, in->tr.attributes = 0x8B;
    in->ldtr.attributes = 0x82;
    __asm__ volatile("sidt %0" : "=m"(table));
    in->idtr.limit = table.limit, in->idtr.base = table.base;
    __asm__ volatile("sgdt %0" : "=m"(table));
    in->gdtr.limit = table.limit, in->gdtr.base = table.base;
    in->efer = rdmsr(0xC0000080), in->cr0 = read_cr0(), in->cr3 = read_cr3(), in->cr4 = read_cr4();
    in->pat = 0x0007040600070406ull;
    memset((void *)(uintptr_t)started, 0, sizeof started);
    return in;
}
static u64 start_vp(struct start_input *in)
{
    cpu_reset(1);
    return hypercall_mem(HvCallStartVirtualProcessor, in, NULL);
}
static void runs(struct start_input *in)
{
    expect_status("HvStartVirtualProcessor", start_vp(in), 0);
    expect(wait_for(started[0] == 1, 100 * MS), "the processor does not run");
}

CLAUSE("7.10.3-01", "HvStartVirtualProcessor is call 0099h with 240 bytes: a header of 16, then the context")
{
    struct start_input *in = start_context();

    cpu_reset(1);
    expect_status("call 0099h", hypercall_mem(0x0099, in, NULL), 0);
    expect(wait_for(started[0] == 1, 100 * MS), "the processor does not run");
}
CLAUSE("7.10.3-02", "the VP starts in long mode with the given state, without real mode")
{
    runs(start_context());
    expect_bits("CR0", started[2], 0x80000001, 0x80000001);
}
CLAUSE("7.10.3-03", "but for the state it is a start by INIT: the VP works on as any other")
{
    runs(start_context());
    cpu_reset(1);
    cpu_start(1);
    expect_eq("its index", msr_of(1, HV_X64_MSR_VP_INDEX), cpus[1].vp_index);
}
CLAUSE("7.10.3-05", "without the privilege: ACCESS_DENIED")
{
    LACK(StartVirtualProcessor);
    expect_status("the call", hypercall_mem(HvCallStartVirtualProcessor, page_alloc(), NULL), HV_STATUS_ACCESS_DENIED);
}
CLAUSE("7.10.3-06", "an invalid register value: INVALID_REGISTER_VALUE")
{
    struct start_input *in = start_context();

    in->cr4 |= BIT(40);
    expect_status("a reserved bit of CR4", start_vp(in), HV_STATUS_INVALID_REGISTER_VALUE);
    in = start_context();
    in->efer |= BIT(40);
    expect_status("a reserved bit of EFER", start_vp(in), HV_STATUS_INVALID_REGISTER_VALUE);
    expect_eq("it runs", started[0], 0);
}
CLAUSE("7.10.3-07", "a VP that runs already: INVALID_VP_STATE")
{
    struct start_input *in = start_context();

    expect_status("processor 1, which runs", hypercall_mem(HvCallStartVirtualProcessor, in, NULL),
                  HV_STATUS_INVALID_VP_STATE);
    in->vp = this_cpu()->vp_index;
    expect_status("this one", hypercall_mem(HvCallStartVirtualProcessor, in, NULL), HV_STATUS_INVALID_VP_STATE);
}
CLAUSE("7.10.3-09", "a VTL that is not there: INVALID_VTL_STATE")
{
    struct start_input *in = start_context();

    LACK(AccessVSM);
    in->vtl = 1;
    expect_status("VTL 1", start_vp(in), HV_STATUS_INVALID_VTL_STATE);
    expect_eq("it runs", started[0], 0);
}
CLAUSE("7.10.3-10", "no such partition: INVALID_PARTITION_ID")
{
    struct start_input *in = start_context();

    in->partition = 0;
    expect_status("partition 0", start_vp(in), HV_STATUS_INVALID_PARTITION_ID);
}
CLAUSE("7.10.3-11", "no such VP: INVALID_VP_INDEX")
{
    struct start_input *in = start_context();

    in->vp = 12345;
    expect_status("VP 12345", hypercall_mem(HvCallStartVirtualProcessor, in, NULL), HV_STATUS_INVALID_VP_INDEX);
}
CLAUSE("7.10.3-12", "the context sets the registers of the started VP")
{
    struct start_input *in = start_context();

    in->rflags = 0x46, in->fs.base = 0x4567000;
    runs(in);
    expect_eq("RSP", started[1], gpa(start_stack) + sizeof start_stack);
    expect_eq("CR0", started[2], in->cr0);
    expect_eq("CR3", started[3], in->cr3);
    expect_eq("CR4", started[4], in->cr4);
    expect_eq("PAT", started[5], 0x0007040600070406ull);
    expect_eq("the FS base", started[7], 0x4567000);
}
CLAUSE("7.10.3-13", "where its fields lie: what lies at RIP, RSP and CR3 is taken from there")
{
    u64 *in = (u64 *)start_context(), space = make_space();

    in[2] = gpa(start_probe), in[3] = gpa(start_stack) + 1024, in[27] = space;
    runs((struct start_input *)in);
    expect_eq("RSP, of offset 24", started[1], gpa(start_stack) + 1024);
    expect_eq("CR3, of offset 216", started[3], space);
}
CLAUSE("7.9.5-02", "long-mode segments have no limit: one of zero does not matter")
{
    struct start_input *in = start_context();

    in->ds.limit = in->es.limit = in->ss.limit = 0;
    in->ds.attributes = in->es.attributes = in->ss.attributes = 0x4093;
    runs(in);
}

/* ---- 7.10.4 HvGetVpIndexFromApicId ---- */

static u64 index_of(u32 apic_id, u64 partition, u8 vtl, u64 *index)
{
    u64 *in = (u64 *)page_alloc(), *out = (u64 *)page_alloc(), result;

    NEED(AccessVpIndex);
    in[0] = partition, in[1] = vtl, in[2] = apic_id;
    out[0] = ~0ull;
    result = hypercall_mem(HvCallGetVpIndexFromApicId | REPS(1), in, out);
    *index = out[0] & 0xffffffff;
    return result;
}
CLAUSE("7.10.4-01", "HvGetVpIndexFromApicId is rep call 009Ah")
{
    u64 index;

    expect_status("without a rep count", hypercall_mem(0x009A, page_alloc(), page_alloc()),
                  HV_STATUS_INVALID_HYPERCALL_INPUT);
    for (u32 k = 0; k < ncpus; k++) {
        expect_reps("the call", index_of(cpus[k].apic_id, PARTITION_SELF, 0, &index), 0, 1);
        expect_eq("the index", index, cpus[k].vp_index);
    }
}
CLAUSE("7.10.4-02", "its elements take 8 bytes")
{
    u64 *in = (u64 *)page_alloc(), *out = (u64 *)page_alloc();

    NEED(AccessVpIndex);
    need_cpus(2);
    in[0] = PARTITION_SELF, in[2] = cpus[1].apic_id, in[3] = cpus[0].apic_id;
    expect_reps("two", hypercall_mem(HvCallGetVpIndexFromApicId | REPS(2), in, out), 0, 2);
    expect_eq("the first", out[0] & 0xffffffff, cpus[1].vp_index);
    expect_eq("the second", out[1] & 0xffffffff, cpus[0].vp_index);
}
CLAUSE("7.10.4-03", "it works before the VP runs")
{
    u64 index;

    need_cpus(2);
    cpu_reset(1);
    expect_reps("the call", index_of(cpus[1].apic_id, PARTITION_SELF, 0, &index), 0, 1);
    expect_eq("the index", index, cpus[1].vp_index);
}
CLAUSE("7.10.4-04", "without AccessVpIndex: ACCESS_DENIED")
{
    LACK(AccessVpIndex);
    expect_status("the call", hypercall_mem(HvCallGetVpIndexFromApicId | REPS(1), page_alloc(), page_alloc()),
                  HV_STATUS_ACCESS_DENIED);
}
CLAUSE("7.10.4-05", "no such partition: INVALID_PARTITION_ID")
{
    u64 index;

    expect_status("partition 0", index_of(0, 0, 0, &index), HV_STATUS_INVALID_PARTITION_ID);
}
CLAUSE("7.10.4-06", "an invalid parameter: INVALID_PARAMETER")
{
    u64 index;

    expect_status("reserved bits of the VTL", index_of(cpus[0].apic_id, PARTITION_SELF, 0x80, &index),
                  HV_STATUS_INVALID_PARAMETER);
}
CLAUSE("7.10.4-08", "an invalid VTL: INVALID_VTL_STATE")
{
    u64 index;

    LACK(AccessVSM);
    expect_status("VTL 1", index_of(cpus[0].apic_id, PARTITION_SELF, 0x11, &index), HV_STATUS_INVALID_VTL_STATE);
}
CLAUSE("7.10.4-09", "an APIC ID that nobody has: an error")
{
    u64 index;

    is_one_of("APIC ID 254", status(index_of(254, PARTITION_SELF, 0, &index)), HV_STATUS_INVALID_VP_INDEX,
              HV_STATUS_INVALID_PARAMETER);
}
