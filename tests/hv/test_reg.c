/* SPDX-License-Identifier: MIT
 * VP registers by hypercall, and starting a VP in a given state. */
#include "tests/hv/fake_cpu.h"

#include <string.h>

#include "base/attrs.h"

enum { GET = 0x0050, SET = 0x0051, START = 0x0099 };
enum {
    RAX = 0x00020000, RIP = 0x00020010, XMM3 = 0x00030003, CR3 = 0x00040002, CR8 = 0x00040004, CS = 0x00060001,
    GDTR = 0x00070001, SYSENTER_CS = 0x00080005, VP_INDEX = 0x00090003, EOI = 0x00090010, SINT2 = 0x000A0002,
    SSP = 0x0008008E, YMM3_HIGH = 0x000C0013, PRIVILEGES = 0x00000200,
};

#define IN  0x10000u
#define OUT 0x11000u

static int setup(void **state)
{
    fixture_setup(state);
    hello(*state);
    return 0;
}

static void put_header(struct fixture *f, uint64_t partition, uint32_t vp, uint32_t vtl)
{
    put64(f, IN, partition);
    put64(f, IN + 8, vp | (uint64_t)vtl << 32);
}

static unsigned set(struct fixture *f, uint32_t vp, uint32_t name, uint64_t low, uint64_t high)
{
    put_header(f, HV_PARTITION_ID_SELF, vp, 0);
    put64(f, IN + 16, name);
    put64(f, IN + 24, 0x5555);              /* padding */
    put64(f, IN + 32, low);
    put64(f, IN + 40, high);
    return hc_status(hypercall(f, 0, SET | HC_REP_COUNT(1), IN, 0));
}

static unsigned get(struct fixture *f, uint32_t vp, uint32_t name)
{
    put_header(f, HV_PARTITION_ID_SELF, vp, 0);
    put64(f, IN + 16, name);
    put64(f, OUT, 0xAAAA);
    put64(f, OUT + 8, 0xAAAA);
    return hc_status(hypercall(f, 0, GET | HC_REP_COUNT(1), IN, OUT));
}

static void expect(struct fixture *f, uint32_t name, uint64_t low, uint64_t high)
{
    assert_int_equal(get(f, 1, name), HV_STATUS_SUCCESS);
    assert_true(get64(f, OUT) == low);
    assert_true(get64(f, OUT + 8) == high);
}

static void tlfs_7_10_registers_of_every_kind_read_back(void **state)
{
    static const struct { uint32_t name; uint64_t low, high; } cases[] = {
        { RAX, 0x1122334455667788, 0 }, { RIP, 0x1000, 0 }, { XMM3, 3, 4 }, { YMM3_HIGH, 5, 6 }, { CR3, 0x7000, 0 },
        { CS, 0xFFFF800000000000, 0xA09B0010FFFFFFFF }, { GDTR, 0x007F000000000000, 0x123000 }, { SYSENTER_CS, 0x10, 0 },
        { SINT2, 0x20051, 0 }, { SSP, 0x123000, 0 },
    };
    struct fixture *f = *state;

    for (unsigned n = 0; n < COUNT_OF(cases); n++) {
        assert_int_equal(set(f, 1, cases[n].name, cases[n].low, cases[n].high), HV_STATUS_SUCCESS);
        expect(f, cases[n].name, cases[n].low, cases[n].high);
    }
    assert_int_equal(f->cpu[1].reg[CPU_REG_CS], 0x10);
    assert_int_equal(f->cpu[1].reg[CPU_REG_CS_ATTR], 0xA09B);
    assert_int_equal(f->cpu[1].reg[CPU_REG_GDTR_LIMIT], 0x7F);
    assert_int_equal(f->cpu[0].reg[CPU_REG_CS], 0);
}

static void tlfs_7_9_4_floating_point_registers(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(set(f, 1, 0x00030012, 0x8000000000000000, 0x3FFF), HV_STATUS_SUCCESS);        /* FpMmx2 */
    expect(f, 0x00030012, 0x8000000000000000, 0x3FFF);
    assert_int_equal(f->cpu[1].legacy[32 + 2 * 16 + 9], 0x3F);
    assert_int_equal(set(f, 1, 0x00030012, 1, 0x10000), HV_STATUS_INVALID_REGISTER_VALUE);
    assert_int_equal(set(f, 1, 0x00030018, 0x0123000400003344 | 0x037Full, 0x12345678), HV_STATUS_SUCCESS);
    expect(f, 0x00030018, 0x012300040000337F | 0x3344, 0x12345678);
    assert_int_equal(set(f, 1, 0x00030019, 0x77, 0x1F80), HV_STATUS_SUCCESS);
    expect(f, 0x00030019, 0x77, 0x1F80);
    assert_int_equal(f->cpu[1].legacy[24], 0x80);
    assert_int_equal(set(f, 1, 0x00030019, 0, 0x10000), HV_STATUS_INVALID_REGISTER_VALUE);
}

static void tlfs_7_9_2_interrupt_state(void **state)
{
    struct fixture *f = *state;

    f->cpu[1].interrupt_state = CPU_NMI_MASKED;
    expect(f, 0x00010003, 2, 0);
    assert_int_equal(set(f, 1, 0x00010003, 1, 0), HV_STATUS_SUCCESS);
    assert_int_equal(f->cpu[1].interrupt_state, CPU_INTERRUPT_SHADOW);
    assert_int_equal(set(f, 1, 0x00010003, 4, 0), HV_STATUS_INVALID_REGISTER_VALUE);
    assert_int_equal(set(f, 1, 0x00010003, 0, 1), HV_STATUS_INVALID_REGISTER_VALUE);
}

static void tlfs_7_10_1_constant_bits_of_rflags(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(set(f, 1, 0x00020011, 0x202, 0), HV_STATUS_SUCCESS);
    assert_int_equal(set(f, 1, 0x00020011, 0x200, 0), HV_STATUS_INVALID_REGISTER_VALUE);
    assert_int_equal(set(f, 1, 0x00020011, 0x20A, 0), HV_STATUS_INVALID_REGISTER_VALUE);
    assert_int_equal(set(f, 1, 0x00020011, 0x400202, 0), HV_STATUS_INVALID_REGISTER_VALUE);
    expect(f, 0x00020011, 0x202, 0);
}

static void tlfs_7_10_1_read_only_registers(void **state)
{
    struct fixture *f = *state;

    expect(f, 0x0008000C, 1, 0);                        /* InitialApicId */
    assert_int_equal(set(f, 1, 0x0008000C, 1, 0), HV_STATUS_INVALID_PARAMETER);
    assert_int_equal(set(f, 1, VP_INDEX, 1, 0), HV_STATUS_INVALID_PARAMETER);
    assert_int_equal(set(f, 1, 0x00000100, 1, 0), HV_STATUS_INVALID_PARAMETER);
    assert_int_equal(set(f, 1, 0x000D0002, 1, 0), HV_STATUS_INVALID_PARAMETER);    /* VsmCodePageOffsets, decision 10 */
}

static void tlfs_7_8_2_leaves_are_registers(void **state)
{
    struct fixture *f = *state;
    struct cpuid_regs r = cpuid(f, 0x40000003);

    expect(f, PRIVILEGES, (uint64_t)r.ebx << 32 | r.eax, (uint64_t)r.edx << 32);
    assert_int_equal(set(f, 1, PRIVILEGES, 0, 0), HV_STATUS_INVALID_PARAMETER);
}

static void tlfs_7_8_1_self_is_the_caller(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(get(f, HV_VP_INDEX_SELF, VP_INDEX), HV_STATUS_SUCCESS);
    assert_int_equal(get64(f, OUT), 0);
    expect(f, VP_INDEX, 1, 0);
    put_header(f, HV_PARTITION_ID_SELF, HV_VP_INDEX_SELF, 0);
    put64(f, IN + 16, VP_INDEX);
    assert_int_equal(hc_status(hypercall(f, 2, GET | HC_REP_COUNT(1), IN, OUT)), HV_STATUS_SUCCESS);
    assert_int_equal(get64(f, OUT), 2);
    assert_int_equal(set(f, HV_VP_INDEX_SELF, RIP, 1, 0), HV_STATUS_INVALID_VP_STATE);
}

static void tlfs_7_10_what_cannot_be(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(get(f, 1, 0x0002FFFF), HV_STATUS_INVALID_PARAMETER);
    assert_int_equal(get(f, 1, EOI), HV_STATUS_INVALID_PARAMETER);              /* write only */
    assert_int_equal(set(f, 1, VP_INDEX, 0, 0), HV_STATUS_INVALID_PARAMETER);   /* read only */
    assert_int_equal(set(f, 1, RAX, 0, 1), HV_STATUS_INVALID_REGISTER_VALUE);   /* wider than the register */
    assert_int_equal(set(f, 1, CR8, 16, 0), HV_STATUS_INVALID_REGISTER_VALUE);
    assert_int_equal(set(f, 1, CR3, 1ull << 50, 0), HV_STATUS_INVALID_REGISTER_VALUE);
    assert_int_equal(set(f, 1, CS, 1ull << 60, 0), HV_STATUS_INVALID_REGISTER_VALUE);
    assert_int_equal(set(f, 1, CS, 0, 0x8093000800000000), HV_STATUS_INVALID_REGISTER_VALUE);  /* G with a byte limit */
    assert_int_equal(set(f, 1, SINT2, 5, 0), HV_STATUS_INVALID_REGISTER_VALUE);
    put_header(f, 7, 1, 0);
    assert_int_equal(hc_status(hypercall(f, 0, GET | HC_REP_COUNT(1), IN, OUT)), HV_STATUS_INVALID_PARTITION_ID);
    put_header(f, HV_PARTITION_ID_SELF, FIXTURE_VPS, 0);
    assert_int_equal(hc_status(hypercall(f, 0, GET | HC_REP_COUNT(1), IN, OUT)), HV_STATUS_INVALID_VP_INDEX);
    put_header(f, HV_PARTITION_ID_SELF, 1, 0x11);
    assert_int_equal(hc_status(hypercall(f, 0, GET | HC_REP_COUNT(1), IN, OUT)), HV_STATUS_INVALID_PARAMETER);
}

static void tlfs_7_10_2_an_invalid_name_counts_the_ones_before_it(void **state)
{
    struct fixture *f = *state;
    uint64_t result;

    put_header(f, HV_PARTITION_ID_SELF, 2, 0);
    put64(f, IN + 16, VP_INDEX | (uint64_t)VP_INDEX << 32);     /* names are packed */
    put64(f, IN + 24, 0x0FFFFFFF);
    result = hypercall(f, 0, GET | HC_REP_COUNT(3), IN, OUT);
    assert_int_equal(hc_status(result), HV_STATUS_INVALID_PARAMETER);
    assert_int_equal(hc_reps_done(result), 2);
    assert_int_equal(get64(f, OUT + 16), 2);
}

static struct hv_input_start_virtual_processor start_input(uint32_t vp)
{
    struct hv_x64_segment_register data = { 0, 0xFFFFFFFF, 0x18, 0xC093 }, code = { 0, 0xFFFFFFFF, 0x10, 0xA09B };

    return (struct hv_input_start_virtual_processor){
        .target = { HV_PARTITION_ID_SELF, vp, 0, { 0 } },
        .context = { .rip = 0xFFFFFFFF81000000, .rsp = 0x9000, .rflags = 2, .cs = code, .ds = data, .es = data, .ss = data,
                     .tr = { 0, 0x67, 0x28, 0x008B }, .efer = 0xD00, .cr0 = 0x80000011, .cr3 = 0x5000, .cr4 = 0x20,
                     .msr_cr_pat = 0x0007040600070406 },
    };
}

static unsigned start(struct fixture *f, const struct hv_input_start_virtual_processor *in)
{
    space_write_bytes(f->memory, IN, in, sizeof *in);
    return hc_status(hypercall(f, 0, START, IN, 0));
}

static void tlfs_7_10_3_a_waiting_vp_starts_in_the_given_state(void **state)
{
    struct fixture *f = *state;
    struct hv_input_start_virtual_processor in = start_input(2);

    f->cpu[2].waits = true;
    assert_int_equal(start(f, &in), HV_STATUS_SUCCESS);
    assert_true(f->cpu[2].running);
    assert_true(f->cpu[2].reg[CPU_REG_RIP] == 0xFFFFFFFF81000000);
    assert_int_equal(f->cpu[2].reg[CPU_REG_CR3], 0x5000);
    assert_int_equal(f->cpu[2].reg[CPU_REG_CS_ATTR], 0xA09B);
    assert_int_equal(f->cpu[2].reg[CPU_REG_FS_ATTR], 1 << 16);          /* not present: null */
    assert_true(f->cpu[2].pat == 0x0007040600070406);
    assert_int_equal(start(f, &in), HV_STATUS_INVALID_VP_STATE);        /* it runs now */
}

static void tlfs_7_10_3_an_invalid_state_starts_nothing(void **state)
{
    struct fixture *f = *state;
    struct hv_input_start_virtual_processor in = start_input(1);

    f->cpu[1].waits = true;
    in.context.cr4 = 0;                 /* long mode without PAE */
    assert_int_equal(start(f, &in), HV_STATUS_INVALID_REGISTER_VALUE);
    in = start_input(1);
    in.context.cr0 = 0x10;
    assert_int_equal(start(f, &in), HV_STATUS_INVALID_REGISTER_VALUE);
    in = start_input(1);
    in.context.gs.base = 1ull << 62;
    assert_int_equal(start(f, &in), HV_STATUS_INVALID_REGISTER_VALUE);
    assert_false(f->cpu[1].running);
    in = start_input(1);
    in.target.target_vtl = 1;
    assert_int_equal(start(f, &in), HV_STATUS_INVALID_VTL_STATE);
    in.target.target_vtl = 0x11;
    assert_int_equal(start(f, &in), HV_STATUS_INVALID_VTL_STATE);
    in = start_input(1);
    in.context.rflags = 0;
    assert_int_equal(start(f, &in), HV_STATUS_INVALID_REGISTER_VALUE);
    assert_false(f->cpu[1].running);
    in = start_input(9);
    assert_int_equal(start(f, &in), HV_STATUS_INVALID_VP_INDEX);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(tlfs_7_10_registers_of_every_kind_read_back),
        TEST(tlfs_7_9_4_floating_point_registers),
        TEST(tlfs_7_9_2_interrupt_state),
        TEST(tlfs_7_10_1_constant_bits_of_rflags),
        TEST(tlfs_7_10_1_read_only_registers),
        TEST(tlfs_7_8_2_leaves_are_registers),
        TEST(tlfs_7_8_1_self_is_the_caller),
        TEST(tlfs_7_10_what_cannot_be),
        TEST(tlfs_7_10_2_an_invalid_name_counts_the_ones_before_it),
        TEST(tlfs_7_10_3_a_waiting_vp_starts_in_the_given_state),
        TEST(tlfs_7_10_3_an_invalid_state_starts_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
