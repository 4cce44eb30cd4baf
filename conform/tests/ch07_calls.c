/* SPDX-License-Identifier: MIT
 * TLFS 7.10: the calls on virtual processors. */
#include "conform/tests/registers.h"

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
