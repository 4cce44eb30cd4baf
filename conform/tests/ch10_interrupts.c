/* SPDX-License-Identifier: MIT
 * TLFS chapter 10: the local APIC by memory and by MSR, the EOI assist, IPIs by hypercall. */
#include "conform/guest/hv.h"

enum { APIC = 0xFEE00000, TPR = 0x80, EOI = 0xB0, ICR_LOW = 0x300, ICR_HIGH = 0x310, LVT_ERROR = 0x370 };

static void self_ipi(u32 vector) { apic_write(ICR_LOW, 0x44000 | vector); }

static void read_version(void *arg) { *(u32 *)arg = apic_read(0x30); }

CLAUSE("10.1-01", "each VP has a local APIC and a SynIC")
{
    u32 version = 0;

    for (u32 k = 0; k < ncpus; k++) {
        on_cpu(k, read_version, &version);
        expect((version & 0xff) >= 0x10 && (version & 0xff) < 0x20, "the version of processor %u's is %08x", k, version);
    }
    NEED(AccessSynicRegs);
    expect_eq("SVERSION", msr_read(HV_X64_MSR_SVERSION) & 0xffffffff, 1);
}
CLAUSE("10.1-02", "internal interrupts come of ICR writes and of synthetic timers")
{
    self_ipi(0x70);
    expect(wait_for(taken(0x70) == 1, 100 * MS), "none came of an ICR write");
    NEED(AccessSyntheticTimerRegs);
    NEED_FEATURE(F_DIRECT, "direct timers");
    msr_write(STIMER_COUNT(0), ref_time() + 1000);
    msr_write(STIMER_CONFIG(0), STIMER_ENABLE | STIMER_DIRECT | STIMER_VECTOR(0x71));
    expect(wait_for(taken(0x71) == 1, 100 * MS), "none came of a timer");
}
CLAUSE("10.2-01", "the APIC is a set of 32-bit registers in memory")
{
    apic_write(TPR, 0x20);
    expect_eq("the TPR", apic_read(TPR), 0x20);
    expect_eq("CR8", read_cr8(), 2);
    apic_write(TPR, 0);
    apic_write(LVT_ERROR, 0x10000 | 0x73);
    expect_eq("LVT error", apic_read(LVT_ERROR), 0x10073);
}
CLAUSE("10.2.1-08", "some APIC registers are also MSRs")
{
    NEED(AccessIntrCtrlRegs);
    apic_write(TPR, 0x30);
    expect_eq("the TPR by MSR", msr_read(HV_X64_MSR_TPR), 0x30);
    apic_write(TPR, 0);
}

/* ---- 10.2.2 instruction forms ---- */

CLAUSE("10.2.2-01", "MOV m32, r32 (89)")
{
    __asm__ volatile(".byte 0x89, 0x02" : : "a"(0x20), "d"((u64)APIC + TPR) : "memory");
    expect_eq("the TPR", apic_read(TPR), 0x20);
}
CLAUSE("10.2.2-02", "MOV r32, m32 (8B)")
{
    u32 v;

    apic_write(TPR, 0x30);
    __asm__ volatile(".byte 0x8b, 0x02" : "=a"(v) : "d"((u64)APIC + TPR));
    expect_eq("the TPR", v, 0x30);
}
CLAUSE("10.2.2-03", "MOV EAX, moffs32 (A1)")
{
    u32 v;

    apic_write(TPR, 0x40);
    __asm__ volatile("movabsl 0xFEE00080, %%eax" : "=a"(v));
    expect_eq("the TPR", v, 0x40);
}
CLAUSE("10.2.2-04", "MOV moffs32, EAX (A3)")
{
    __asm__ volatile("movabsl %%eax, 0xFEE00080" : : "a"(0x50) : "memory");
    expect_eq("the TPR", apic_read(TPR), 0x50);
}
CLAUSE("10.2.2-05", "MOV m32, imm32 (C7 /0)")
{
    __asm__ volatile("movl $0x60, (%0)" : : "r"((u64)APIC + TPR) : "memory");
    expect_eq("the TPR", apic_read(TPR), 0x60);
}
CLAUSE("10.2.2-06", "PUSH m32 (FF /6), in 32-bit code")
{
    static const u8 code[] = { 0xFF, 0x35, 0x80, 0x00, 0xE0, 0xFE, 0x58, 0xC3 };        /* push [FEE00080]; pop eax; ret */
    struct call_regs r = { .rax = 0 };

    apic_write(TPR, 0x70);
    call_with32(&r, code);
    expect_eq("the TPR", r.rax, 0x70);
}
static void read_byte(void *arg) { *(volatile u8 *)arg = *(volatile u8 *)((u64)APIC + TPR); }
static void read_add(void *arg)
{
    __asm__ volatile("addl (%1), %0" : "+r"(*(u32 *)arg) : "r"((u64)APIC + TPR));
}
CLAUSE("10.2.2-07", "another form is #GP; one of 32 bits that is aligned may work as well")
{
    u32 v = 0;
    int why;

    apic_write(TPR, 0x20);
    why = guarded(read_add, &v);
    expect(why == GP || (why == NONE && v == 0x20), "ADD r32, m32: %s, value %x", vector_name(why), v);
    why = guarded(read_byte, &v);
    expect(why == GP, "a read of one byte: %s", vector_name(why));
}

/* ---- 10.2.3 MSRs ---- */

static volatile u32 handler_seen;
static void eoi_by_msr(u32 vector)
{
    handler_seen = isr(vector) ? 1 : 0;
    msr_write(HV_X64_MSR_EOI, 0);
    handler_seen |= isr(vector) ? 2 : 0;
}

CLAUSE("10.2.3-01", "40000070h is EOI, 40000071h ICR, 40000072h TPR")
{
    NEED(AccessIntrCtrlRegs);
    msr_write(0x40000072, 0x20);
    expect_eq("the TPR", apic_read(TPR), 0x20);
    msr_write(0x40000072, 0);
    msr_write(0x40000071, 0x44074);
    expect(wait_for(taken(0x74) == 1, 100 * MS), "the ICR sent nothing");
    this_cpu()->on_interrupt[0x75] = eoi_by_msr;
    this_cpu()->keep[0x75] = true;
    self_ipi(0x75);
    expect(wait_for(taken(0x75) == 1, 100 * MS), "no interrupt came");
    expect_eq("in service before EOI (1), after (2)", handler_seen, 1);
}
CLAUSE("10.2.3.1-01", "a write of the EOI MSR completes the highest interrupt in service")
{
    struct cpu *c = this_cpu();

    NEED(AccessIntrCtrlRegs);
    c->keep[0x51] = c->keep[0x61] = true;
    self_ipi(0x51);
    expect(wait_for(taken(0x51) == 1, 100 * MS), "the first did not come");
    self_ipi(0x61);
    expect(wait_for(taken(0x61) == 1, 100 * MS), "the second, of higher priority, did not come");
    expect(isr(0x51) && isr(0x61), "they are not both in service");
    msr_write(HV_X64_MSR_EOI, 0);
    expect(isr(0x51) && !isr(0x61), "the first EOI did not end the higher one");
    msr_write(HV_X64_MSR_EOI, 0);
    expect(!isr(0x51), "the second EOI did not end the lower one");
}
CLAUSE("10.2.3.1-02", "a read of the EOI MSR: #GP")
{
    NEED(AccessIntrCtrlRegs);
    msr_read_faults(HV_X64_MSR_EOI);
}
CLAUSE("10.2.3.1-03", "bits 63:32 of the EOI MSR are written as zero; set, they are ignored or #GP")
{
    int why;

    NEED(AccessIntrCtrlRegs);
    msr_write(HV_X64_MSR_EOI, 0);
    why = wrmsr_try(HV_X64_MSR_EOI, BIT(40));
    expect(why == NONE || why == GP, "%s", vector_name(why));
}
CLAUSE("10.2.3.2-01", "the ICR MSR reads as the two halves of the register")
{
    NEED(AccessIntrCtrlRegs);
    apic_write(ICR_HIGH, 0x0F000000);
    self_ipi(0x76);
    expect_eq("the high half", msr_read(HV_X64_MSR_ICR) >> 32, apic_read(ICR_HIGH));
    expect_eq("the low half", msr_read(HV_X64_MSR_ICR) & 0xffffffff, apic_read(ICR_LOW));
}
CLAUSE("10.2.3.2-02", "a write of the ICR MSR sends the interrupt")
{
    NEED(AccessIntrCtrlRegs);
    need_cpus(2);
    watch(0x77);
    msr_write(HV_X64_MSR_ICR, (u64)cpus[1].apic_id << 56 | 0x4077);
    expect_eq("processors that took it", arrived(0x77, 2), 2);
    expect_eq("ICR high in memory", apic_read(ICR_HIGH), cpus[1].apic_id << 24);
}
CLAUSE("10.2.3.3-01", "the TPR MSR reads as the TPR in bits 7:0")
{
    NEED(AccessIntrCtrlRegs);
    for (u64 v = 0; v < 256; v += 17) {
        apic_write(TPR, (u32)v);
        expect_eq("the MSR", msr_read(HV_X64_MSR_TPR), v);
    }
}
CLAUSE("10.2.3.3-02", "a write of the TPR MSR sets the TPR")
{
    NEED(AccessIntrCtrlRegs);
    for (u64 v = 0; v < 256; v += 17) {
        msr_write(HV_X64_MSR_TPR, v);
        expect_eq("the TPR", apic_read(TPR), v);
    }
}

/* ---- 10.3.5 EOI assist ---- */

static volatile u32 *assist;
static volatile u32 in_handler[4], nhandler;

static void assist_on(void)
{
    u8 *page = page_alloc();

    NEED(AccessIntrCtrlRegs);
    msr_write(HV_X64_MSR_VP_ASSIST_PAGE, gpa(page) | 1);
    assist = (volatile u32 *)(uintptr_t)page;
    *assist = 0;
    nhandler = 0;
    memset((void *)(uintptr_t)in_handler, 0, sizeof in_handler);
}

/* What a guest does at the end of an interrupt; true when no EOI was needed. */
static bool assisted_eoi(void)
{
    u32 was;

    __asm__ volatile("xorl %0, %0; xchgl %0, (%1)" : "=&r"(was) : "r"(assist) : "memory");
    if (was & 1)
        return true;
    msr_write(HV_X64_MSR_EOI, 0);
    return false;
}

static void note_assist(u32 vector)
{
    (void)vector;
    in_handler[nhandler++ & 3] = *assist;
    (void)assisted_eoi();
}
static void note_and_request_lower(u32 vector)
{
    in_handler[nhandler++ & 3] = *assist;
    self_ipi(vector - 0x20);
    delay_us(10);
    in_handler[nhandler++ & 3] = *assist;
    (void)assisted_eoi();
}
static void plain_eoi(u32 vector)
{
    (void)vector;
    in_handler[nhandler++ & 3] = *assist;
    apic_write(EOI, 0);
}
static void with_handler(u32 vector, void (*fn)(u32))
{
    this_cpu()->on_interrupt[vector] = fn;
    this_cpu()->keep[vector] = true;
}
static void comes(u32 vector, u64 times) { expect(wait_for(taken(vector) == times, 100 * MS),
                                                  "vector %x came %lu times, not %lu", vector, taken(vector), times); }

CLAUSE("10.3.5-01", "the assist field is 32 bits at 0 of the page; bits 31:1 are zero")
{
    assist_on();
    with_handler(0x61, note_assist);
    self_ipi(0x61);
    comes(0x61, 1);
    expect_bits("the field in the handler", in_handler[0], ~1u, 0);
}
CLAUSE("10.3.5-02", "clearing a set bit is the whole EOI: the next interrupt comes")
{
    assist_on();
    with_handler(0x61, note_assist);
    for (u32 k = 1; k <= 4; k++) {
        self_ipi(0x61);
        comes(0x61, k);
    }
    need(in_handler[0] & 1, "the hypervisor did not set the bit");
    expect(!isr(0x61), "the interrupt is still in service");
}
CLAUSE("10.3.5-03", "with the bit clear the EOI has to be written")
{
    assist_on();
    with_handler(0x41, note_assist);
    with_handler(0x61, note_assist);
    cli();
    self_ipi(0x41);
    self_ipi(0x61);
    sti();
    comes(0x61, 1);
    comes(0x41, 1);
    expect_bits("the field while a lower interrupt waited", in_handler[0], 1, 0);
}
CLAUSE("10.3.5-04", "the bit is set for an edge-triggered interrupt with none of lower priority pending")
{
    assist_on();
    with_handler(0x61, note_assist);
    self_ipi(0x61);
    comes(0x61, 1);
    expect_bits("the field in the handler", in_handler[0], 1, 1);
}

/* A level-triggered interrupt: the serial port's "transmitter empty", by way of the I/O APIC. */
static void ioapic(u32 index, u32 value)
{
    *(volatile u32 *)0xFEC00000 = index;
    *(volatile u32 *)0xFEC00010 = value;
}
static void from_serial(u32 vector)
{
    (void)vector;
    in_handler[nhandler++ & 3] = *assist;
    outb(0x3F9, 0);                                     /* no more requests */
    (void)inb(0x3FA);
    (void)assisted_eoi();
}
CLAUSE("10.3.5-05", "the bit stays clear for a level-triggered interrupt")
{
    assist_on();
    with_handler(0x61, from_serial);
    *(volatile u32 *)0xFEC00000 = 1;
    need((*(volatile u32 *)0xFEC00010 >> 16 & 0xff) >= 4, "there is no I/O APIC");
    ioapic(0x10 + 2 * 4 + 1, this_cpu()->apic_id << 24);
    ioapic(0x10 + 2 * 4, 0x8061);
    outb(0x3FC, 0x0B);                                  /* OUT2 lets the request out */
    delay_us(MS);
    outb(0x3F9, 2);
    (void)wait_for(taken(0x61) != 0, 100 * MS);
    outb(0x3F9, 0);
    ioapic(0x10 + 2 * 4, 0x10000);
    need(taken(0x61) != 0, "the serial port requests no interrupt");
    expect_bits("the field in the handler", in_handler[0], 1, 0);
    expect(!isr(0x61), "the interrupt is still in service");
}
CLAUSE("10.3.5-06", "the bit stays clear while one of lower priority is pending")
{
    assist_on();
    with_handler(0x41, note_assist);
    with_handler(0x61, note_assist);
    cli();
    self_ipi(0x41);
    self_ipi(0x61);
    sti();
    comes(0x61, 1);
    comes(0x41, 1);
    expect_bits("the field in the higher one's handler", in_handler[0], 1, 0);
}
CLAUSE("10.3.5-07", "the bit is cleared when one of lower priority is requested later")
{
    assist_on();
    with_handler(0x61, note_and_request_lower);
    with_handler(0x41, note_assist);
    self_ipi(0x61);
    comes(0x61, 1);
    need(in_handler[0] & 1, "the hypervisor did not set the bit");
    expect_bits("the field after the request", in_handler[1], 1, 0);
    comes(0x41, 1);
}
static void outer_handler(u32 vector)
{
    (void)vector;
    self_ipi(0x61);
    sti();
    delay_us(100);
    cli();
    in_handler[2] = *assist;
    in_handler[3] = assisted_eoi() ? 1 : 2;
}
static void inner_handler(u32 vector)
{
    (void)vector;
    in_handler[1] = *assist;
    (void)assisted_eoi();
}
CLAUSE("10.3.5-08", "of nested interrupts only the highest one's EOI may be skipped")
{
    assist_on();
    with_handler(0x41, outer_handler);
    with_handler(0x61, inner_handler);
    self_ipi(0x41);
    comes(0x41, 1);
    comes(0x61, 1);
    expect_eq("how the outer one ended (1 skipped, 2 EOI)", in_handler[3], 2);
    expect(!isr(0x41) && !isr(0x61), "an interrupt is still in service");
}
CLAUSE("10.3.5-09", "the hypervisor takes the APIC's state from the bit: no interrupt stays in service")
{
    assist_on();
    with_handler(0x61, note_assist);
    with_handler(0x51, note_assist);
    self_ipi(0x61);
    comes(0x61, 1);
    need(in_handler[0] & 1, "the hypervisor did not set the bit");
    self_ipi(0x51);                                     /* of lower priority: comes only when the first is over */
    comes(0x51, 1);
}
CLAUSE("10.3.5-10", "the assist can be turned on and off at any time")
{
    assist_on();
    with_handler(0x61, plain_eoi);
    for (u32 k = 1; k <= 6; k++) {
        u64 v = msr_read(HV_X64_MSR_VP_ASSIST_PAGE);

        msr_write(HV_X64_MSR_VP_ASSIST_PAGE, v ^ 1);
        self_ipi(0x61);
        comes(0x61, k);
    }
    expect(!isr(0x61), "an interrupt is still in service");
}
CLAUSE("10.3.5-11", "an ordinary EOI works whatever the bit is")
{
    assist_on();
    with_handler(0x61, plain_eoi);
    for (u32 k = 1; k <= 4; k++) {
        self_ipi(0x61);
        comes(0x61, k);
    }
    expect(!isr(0x61), "an interrupt is still in service");
}

/* ---- 10.5.2, 10.5.3 IPIs by hypercall ---- */

static u64 *ipi_input(u32 vector, u64 mask)
{
    u64 *in = (u64 *)page_alloc();

    in[0] = vector, in[1] = mask;
    return in;
}
static void ipi_reaches(u64 control, const u64 *in, u32 vector, u32 cpu_mask)
{
    watch(vector);
    expect_status("the call", hypercall_mem(control, in, NULL), 0);
    expect_eq("processors that took it", arrived(vector, cpu_mask), cpu_mask);
}
CLAUSE("10.5.2-01", "HvSendSyntheticClusterIpi is call 000Bh: vector at 0, VTL at 4, mask at 8")
{
    ipi_reaches(0x000B, ipi_input(0x78, vp_bit(0)), 0x78, 1);
}
CLAUSE("10.5.2-02", "it sends a fixed interrupt to every VP of the mask")
{
    ipi_reaches(HvCallSendSyntheticClusterIpi, ipi_input(0x78, all_vps()), 0x78, (1u << ncpus) - 1);
}
static void ipi_refused(const char *what, u64 vector_word)
{
    u64 *in = ipi_input(0, vp_bit(0));

    in[0] = vector_word;
    expect_status(what, hypercall_mem(HvCallSendSyntheticClusterIpi, in, NULL), HV_STATUS_INVALID_PARAMETER);
}
CLAUSE("10.5.2-03", "it cannot send an NMI")
{
    u64 before = taken(NMI);

    ipi_refused("vector 2", 2);
    ipi_refused("an NMI as the ICR has it", 0x400);
    expect_eq("NMIs", taken(NMI), before);
}
CLAUSE("10.5.2-04", "a vector below 10h or above FFh: INVALID_PARAMETER")
{
    ipi_refused("vector 0", 0);
    ipi_refused("vector Fh", 0x0F);
    ipi_refused("vector 100h", 0x100);
    ipi_refused("vector 80000040h", 0x80000040);
    expect_status("vector FEh", hypercall_mem(HvCallSendSyntheticClusterIpi, ipi_input(0xFE, vp_bit(0)), NULL), 0);
}
CLAUSE("10.5.2-05", "reserved bits of the header: INVALID_PARAMETER")
{
    ipi_refused("byte 5", 0x78 | BIT(40));
    ipi_refused("byte 7", 0x78 | BIT(63));
    ipi_refused("reserved bits of the VTL", 0x78 | BIT(39));
}
CLAUSE("10.5.2-06", "bit n of the mask is VP n")
{
    for (u32 k = 0; k < ncpus; k++)
        ipi_reaches(HvCallSendSyntheticClusterIpi, ipi_input(0x79, vp_bit(k)), 0x79, 1u << k);
}

static u64 *ipi_set(u32 vector, u64 format, u64 valid, u64 bank)
{
    u64 *in = ipi_input(vector, format);

    need(recommended(11), "the Ex hypercalls are not offered");
    in[2] = valid, in[3] = bank;
    return in;
}
CLAUSE("10.5.3-01", "HvSendSyntheticClusterIpiEx is call 0015h, a set at 8")
{
    ipi_reaches(0x0015 | VARIABLE(1), ipi_set(0x7A, 0, 1, all_vps()), 0x7A, (1u << ncpus) - 1);
}
CLAUSE("10.5.3-02", "leaf 40000004h EAX bit 11 tells whether it is there")
{
    u64 *in = ipi_input(0x7A, 1);

    expect(recommended(11) == (status(hypercall_mem(HvCallSendSyntheticClusterIpiEx, in, NULL)) == 0), "bit %u, status %04x",
           (unsigned)recommended(11), status(hypercall_mem(HvCallSendSyntheticClusterIpiEx, in, NULL)));
}
CLAUSE("10.5.3-03", "it behaves as HvSendSyntheticClusterIpi on the VPs of the set")
{
    for (u32 k = 0; k < ncpus; k++)
        ipi_reaches(HvCallSendSyntheticClusterIpiEx | VARIABLE(1), ipi_set(0x7B, 0, 1, vp_bit(k)), 0x7B, 1u << k);
    expect_status("vector Fh", hypercall_mem(HvCallSendSyntheticClusterIpiEx, ipi_set(0x0F, 1, 0, 0), NULL),
                  HV_STATUS_INVALID_PARAMETER);
    expect_status("byte 5", hypercall_mem(HvCallSendSyntheticClusterIpiEx, memcpy(page_alloc(),
            (u64[]){ 0x7B | BIT(40), 1, 0 }, 24), NULL),
                  HV_STATUS_INVALID_PARAMETER);
}

/* ---- 10.5.4 HvRetargetDeviceInterrupt: only where the partition may call it ---- */

static u64 retarget(u64 partition, u64 device, u64 reserved, u64 flags, u64 mask)
{
    u64 *in = (u64 *)page_alloc();

    in[0] = partition, in[1] = device, in[2] = 1, in[3] = 0xFEE00000, in[4] = reserved, in[5] = 0x61 | flags << 32,
        in[6] = mask;
    return hypercall_mem(HvCallRetargetDeviceInterrupt, in, NULL);
}
static void need_retarget(void)
{
    u32 s = status(retarget(PARTITION_SELF, 0x1234567, 0, 0, 1));

    need(s != HV_STATUS_ACCESS_DENIED && s != HV_STATUS_INVALID_HYPERCALL_CODE && s != HV_STATUS_FEATURE_UNAVAILABLE,
         "the call is not offered: %s", status_name(s));
}
/* Right parameters go as far as the device, which is not there; so do wrong ones where the device is looked at first. */
struct retarget { u64 partition, device, source_reserved, msi, reserved, vector_flags, target[3]; };

static struct retarget right(void)
{
    return (struct retarget){ PARTITION_SELF, 0x1234567, 1, 0x00000061FEE00000ull, 0, 0x61, { vp_bit(0), 0, 0 } };
}
static u32 retarget_status(const struct retarget *r, unsigned variable)
{
    return status(hypercall_mem(HvCallRetargetDeviceInterrupt | VARIABLE(variable), memcpy(page_alloc(), r, sizeof *r),
                                NULL));
}
static void is_right(const char *what, const struct retarget *r, unsigned variable)
{
    u32 s = retarget_status(r, variable);

    expect(s == HV_STATUS_INVALID_DEVICE_ID, "%s: status %04x (%s), not INVALID_DEVICE_ID", what, s, status_name(s));
}
static void is_wrong(const char *what, const struct retarget *r, unsigned variable)
{
    u32 s = retarget_status(r, variable);

    need(s != HV_STATUS_INVALID_DEVICE_ID, "the device is looked at first");
    expect(s == HV_STATUS_INVALID_PARAMETER, "%s: status %04x (%s), not INVALID_PARAMETER", what, s, status_name(s));
}
CLAUSE("10.4.5-01", "interrupt source 1 is an MSI")
{
    struct retarget r = right();

    need_retarget();
    is_right("source 1", &r, 0);
    r.source_reserved = 7;
    is_wrong("source 7", &r, 0);
}
CLAUSE("10.4.6-01", "an interrupt entry: 32 bits of source, 32 that are zero, 64 bits of MSI")
{
    struct retarget r = right();

    need_retarget();
    r.msi = ~0ull;
    is_right("any MSI", &r, 0);
    r.source_reserved = 1 | BIT(32);
    is_wrong("a reserved bit", &r, 0);
}
CLAUSE("10.4.7-01", "a target: 32 bits of vector, 32 of flags, then processors")
{
    struct retarget r = right();

    need_retarget();
    is_right("vector 61h", &r, 0);
    r.vector_flags = 0x100;
    is_wrong("vector 100h", &r, 0);
    r.vector_flags = 0x61 | BIT(63);
    is_wrong("an unknown flag", &r, 0);
}
CLAUSE("10.4.7-03", "target flag 2: a set of processors follows, no mask")
{
    struct retarget r = right();

    need_retarget();
    r.vector_flags |= 2ull << 32;
    r.target[0] = 0, r.target[1] = 1, r.target[2] = vp_bit(0);
    is_right("a set of this VP", &r, 2);
    r.target[0] = 1;
    is_wrong("all processors", &r, 2);
}
CLAUSE("10.5.4-05", "the processors of the target must exist")
{
    struct retarget r = right();

    need_retarget();
    need(!(all_vps() >> 63), "there is a VP 63");
    is_right("this VP", &r, 0);
    r.target[0] = BIT(63);
    is_wrong("VP 63", &r, 0);
}
CLAUSE("10.5.4-01", "HvRetargetDeviceInterrupt is call 007Eh")
{
    expect(status(hypercall_mem(0x007E, page_alloc(), NULL)) != HV_STATUS_INVALID_HYPERCALL_CODE, "the call is unknown");
}
CLAUSE("10.5.4-02", "PartitionId must be the caller's own")
{
    need_retarget();
    expect(status(retarget(5, 1, 0, 0, 1)) != 0, "partition 5 was taken");
}
CLAUSE("10.5.4-06", "the set format of all processors: refused")
{
    need_retarget();
    expect(status(retarget(PARTITION_SELF, 1, 0, 2, 1)) != 0, "it was taken");
}
CLAUSE("10.5.4-07", "reserved fields: INVALID_PARAMETER")
{
    need_retarget();
    expect_status("the call", retarget(PARTITION_SELF, 1, ~0ull, 0, 1), HV_STATUS_INVALID_PARAMETER);
}
CLAUSE("10.5.4-08", "an unknown device: INVALID_DEVICE_ID")
{
    need_retarget();
    expect_status("the call", retarget(PARTITION_SELF, 0x1234567, 0, 0, 1), HV_STATUS_INVALID_DEVICE_ID);
}
CLAUSE("10.5.4-09", "an invalid partition: INVALID_PARTITION_ID")
{
    need_retarget();
    expect_status("the call", retarget(0, 1, 0, 0, 1), HV_STATUS_INVALID_PARTITION_ID);
}
CLAUSE("10.5.4-11", "without the right: ACCESS_DENIED")
{
    u32 s = status(retarget(PARTITION_SELF, 0x1234567, 0, 0, 1));

    LACK(CpuManagement);
    need(s != HV_STATUS_INVALID_DEVICE_ID && s != HV_STATUS_INVALID_PARAMETER, "this partition may retarget interrupts");
    expect(s == HV_STATUS_ACCESS_DENIED || s == HV_STATUS_FEATURE_UNAVAILABLE, "status %04x (%s)", s, status_name(s));
}
CLAUSE("10.5.4-12", "a facility that is not there: FEATURE_UNAVAILABLE, or no access")
{
    u32 s = status(retarget(PARTITION_SELF, 0x1234567, 0, 0, 1));

    expect(s != 0, "a device that is not there was retargeted");
}
