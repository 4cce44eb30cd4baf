/* SPDX-License-Identifier: MIT
 * The hypercall ABI and the calls that need no SynIC: who may call, what is refused and how, reps, register forms,
 * flushes, IPIs. */
#include "tests/hv/fake_cpu.h"

#include <string.h>

#include "base/bytes.h"

enum {
    SWITCH_SPACE = 0x0001, FLUSH_SPACE = 0x0002, FLUSH_LIST = 0x0003, SPIN_WAIT = 0x0008, IPI = 0x000B,
    FLUSH_SPACE_EX = 0x0013, FLUSH_LIST_EX = 0x0014, IPI_EX = 0x0015, POST_MESSAGE = 0x005C, SIGNAL_EVENT = 0x005D,
    APIC_ID_TO_VP = 0x009A, EXT_CAPABILITIES = 0x8001,
};

#define IN  0x10000u
#define OUT 0x11000u

static int setup(void **state)
{
    fixture_setup(state);
    hello(*state);
    return 0;
}

static void expect(struct fixture *f, unsigned status, uint64_t control)
{
    assert_int_equal(hc_status(hypercall(f, 0, control, IN, OUT)), status);
}

static void put_flush(struct fixture *f, uint64_t space, uint64_t flags, uint64_t mask)
{
    put64(f, IN, space);
    put64(f, IN + 8, flags);
    put64(f, IN + 16, mask);
}

static enum intercept raw_call(struct fixture *f)
{
    return f->cpu[0].host->hypercall(f->cpu[0].host_self, &f->cpu[0]);
}

static void tlfs_3_5_only_kernel_code_in_protected_mode_may_call(void **state)
{
    struct fixture *f = *state;
    struct cpu *cpu = &f->cpu[0];

    cpu->reg[CPU_REG_RCX] = SPIN_WAIT | HC_FAST;
    cpu->cpl = 3;
    assert_int_equal(raw_call(f), PASS);
    cpu->cpl = 0;
    cpu->reg[CPU_REG_CR0] = 0;
    assert_int_equal(raw_call(f), PASS);
    cpu->reg[CPU_REG_CR0] = 1;
    cpu->reg[CPU_REG_RFLAGS] = 1 << 17;
    assert_int_equal(raw_call(f), PASS);
    cpu->reg[CPU_REG_RFLAGS] = 2;
    assert_int_equal(raw_call(f), DONE);
}

static void no_interface_before_the_guest_tells_its_identity(void **state)
{
    struct fixture *f = *state;

    must_wrmsr(f, 0, 0x40000000, 0);
    assert_int_equal(raw_call(f), PASS);
}

static void tlfs_3_7_unknown_codes(void **state)
{
    struct fixture *f = *state;

    expect(f, HV_STATUS_INVALID_HYPERCALL_CODE, 0x0005);
    expect(f, HV_STATUS_INVALID_HYPERCALL_CODE, 0xFFFF);
    expect(f, HV_STATUS_INVALID_HYPERCALL_CODE, 0x8004);
    expect(f, HV_STATUS_ACCESS_DENIED, 0x0040);         /* CreatePartition: ordinary guests may not */
    expect(f, HV_STATUS_ACCESS_DENIED, 0x000E);         /* no public layout */
}

static void tlfs_3_7_reserved_bits_of_the_control_word(void **state)
{
    struct fixture *f = *state;

    for (unsigned bit = 27; bit < 64; bit++)
        if ((bit >= 27 && bit <= 30) || (bit >= 44 && bit <= 47) || bit >= 60)
            expect(f, HV_STATUS_INVALID_HYPERCALL_INPUT, SPIN_WAIT | HC_FAST | 1ull << bit);
    expect(f, HV_STATUS_SUCCESS, SPIN_WAIT | HC_FAST | 1ull << 31);     /* Is Nested */
}

static void tlfs_3_7_rep_fields(void **state)
{
    struct fixture *f = *state;

    expect(f, HV_STATUS_INVALID_HYPERCALL_INPUT, SPIN_WAIT | HC_FAST | HC_REP_COUNT(1));
    expect(f, HV_STATUS_INVALID_HYPERCALL_INPUT, SPIN_WAIT | HC_FAST | HC_REP_START(1));
    expect(f, HV_STATUS_INVALID_HYPERCALL_INPUT, FLUSH_LIST);
    expect(f, HV_STATUS_INVALID_HYPERCALL_INPUT, FLUSH_LIST | HC_REP_COUNT(2) | HC_REP_START(2));
    expect(f, HV_STATUS_INVALID_HYPERCALL_INPUT, SPIN_WAIT | HC_FAST | HC_VARIABLE(1));
}

static void tlfs_3_6_parameter_lists(void **state)
{
    struct fixture *f = *state;

    put_flush(f, 0x1000, 0, 1);
    assert_int_equal(hc_status(hypercall(f, 0, FLUSH_SPACE, IN + 4, 0)), HV_STATUS_INVALID_ALIGNMENT);
    assert_int_equal(hc_status(hypercall(f, 0, FLUSH_SPACE, IN + 4096 - 16, 0)), HV_STATUS_INVALID_ALIGNMENT);
    assert_int_equal(hc_status(hypercall(f, 0, FLUSH_SPACE, 1ull << FIXTURE_BITS, 0)), HV_STATUS_INVALID_ALIGNMENT);
    assert_int_equal(hc_status(hypercall(f, 0, FLUSH_SPACE, IN, 3)), HV_STATUS_SUCCESS);         /* no output: ignored */
    assert_int_equal(hc_status(hypercall(f, 0, EXT_CAPABILITIES, 3, OUT)), HV_STATUS_SUCCESS);   /* no input: ignored */
    assert_int_equal(hc_status(hypercall(f, 0, EXT_CAPABILITIES, 0, OUT + 4)), HV_STATUS_INVALID_ALIGNMENT);
    assert_int_equal(hc_status(hypercall(f, 0, EXT_CAPABILITIES, 0, OUT)), HV_STATUS_SUCCESS);
}

static void tlfs_3_6_lists_must_not_overlap(void **state)
{
    struct fixture *f = *state;

    put64(f, IN, UINT64_MAX);
    put64(f, IN + 8, 0);
    put64(f, IN + 16, 1);
    assert_int_equal(hc_status(hypercall(f, 0, APIC_ID_TO_VP | HC_REP_COUNT(1), IN, IN + 16)), HV_STATUS_INVALID_ALIGNMENT);
    assert_int_equal(hc_status(hypercall(f, 0, APIC_ID_TO_VP | HC_REP_COUNT(1), IN, IN)), HV_STATUS_INVALID_ALIGNMENT);
    assert_int_equal(hc_status(hypercall(f, 0, APIC_ID_TO_VP | HC_REP_COUNT(1), IN, IN + 24)), HV_STATUS_SUCCESS);
    assert_int_equal(hc_status(hypercall(f, 0, APIC_ID_TO_VP | HC_REP_COUNT(1), IN, IN - 8)), HV_STATUS_SUCCESS);
}

static void tlfs_3_12_2_access_denied_comes_before_other_errors(void **state)
{
    struct fixture *f = fixture_offering("privileges=none+AccessHypercallMsrs");

    (void)state;
    hello(f);
    expect(f, HV_STATUS_ACCESS_DENIED, POST_MESSAGE | HC_REP_COUNT(1));
    expect(f, HV_STATUS_ACCESS_DENIED, SIGNAL_EVENT);
    expect(f, HV_STATUS_ACCESS_DENIED, EXT_CAPABILITIES);
    expect(f, HV_STATUS_ACCESS_DENIED, APIC_ID_TO_VP);
    fixture_teardown((void **)&f);
}

static void tlfs_3_7_legacy_registers(void **state)
{
    struct fixture *f = *state;
    struct cpu *cpu = &f->cpu[0];

    cpu->code64 = false;
    cpu->reg[CPU_REG_RDX] = 0;
    cpu->reg[CPU_REG_RAX] = FLUSH_SPACE;
    cpu->reg[CPU_REG_RBX] = 0;
    cpu->reg[CPU_REG_RCX] = IN;
    put_flush(f, 0x1000, 0, 2);
    assert_int_equal(raw_call(f), DONE);
    assert_int_equal(cpu->reg[CPU_REG_RAX], HV_STATUS_SUCCESS);
    assert_int_equal(cpu->reg[CPU_REG_RDX], 0);
    assert_int_equal(f->cpu[1].nflushed, 1);
    cpu->reg[CPU_REG_RAX] = IPI | HC_FAST;              /* EBX:ECX, EDI:ESI */
    cpu->reg[CPU_REG_RCX] = 0x55;
    cpu->reg[CPU_REG_RDI] = 0;
    cpu->reg[CPU_REG_RSI] = 4;
    assert_int_equal(raw_call(f), DONE);
    assert_int_equal(f->apic[2].requested[0], 0x55);
}

static void tlfs_3_9_fast_input_leaves_its_registers(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(hypercall(f, 0, IPI | HC_FAST, 0x44, 2), HV_STATUS_SUCCESS);
    assert_int_equal(f->cpu[0].reg[CPU_REG_RDX], 0x44);
    assert_int_equal(f->cpu[0].reg[CPU_REG_R8], 2);
}

static void tlfs_3_7_2_xmm_input(void **state)
{
    struct fixture *f = *state;

    f->cpu[0].zmm[0][0] = 5;            /* processor mask */
    f->cpu[0].zmm[0][1] = 0x7000;       /* the first range */
    f->cpu[0].zmm[1][0] = 0x9001;
    assert_int_equal(hypercall(f, 0, FLUSH_LIST | HC_FAST | HC_REP_COUNT(2), 0x1000, 0) & 0xFFFFFFFFFFFull, 2ull << 32);
    assert_int_equal(f->cpu[0].nflushed, 2);
    assert_int_equal(f->cpu[1].nflushed, 0);
    assert_int_equal(f->cpu[2].nflushed, 2);
    assert_int_equal(f->cpu[2].flushed[0].gva, 0x7000);
    assert_int_equal(f->cpu[2].flushed[0].pages, 1);
    assert_int_equal(f->cpu[2].flushed[1].gva, 0x9000);
    assert_int_equal(f->cpu[2].flushed[1].pages, 2);
    expect(f, HV_STATUS_INVALID_HYPERCALL_INPUT, FLUSH_LIST | HC_FAST | HC_REP_COUNT(12));     /* 24 + 96 > 112 */
    expect(f, HV_STATUS_INVALID_HYPERCALL_INPUT, POST_MESSAGE | HC_FAST);
}

static void tlfs_3_8_1_fast_output_follows_the_input(void **state)
{
    struct fixture *f = *state;

    f->cpu[0].zmm[0][0] = 2;                            /* one APIC ID after the 16-byte header */
    f->cpu[0].zmm[1][0] = ~0ull;
    assert_int_equal(hc_status(hypercall(f, 0, APIC_ID_TO_VP | HC_FAST | HC_REP_COUNT(1), UINT64_MAX, 0)),
                     HV_STATUS_SUCCESS);
    assert_int_equal(f->cpu[0].zmm[1][0], 2);           /* 24 bytes of input, so output begins at byte 32 */
    assert_int_equal(f->cpu[0].zmm[0][0], 2);
    assert_int_equal(hypercall(f, 0, EXT_CAPABILITIES | HC_FAST, 77, 78), HV_STATUS_SUCCESS);
    assert_int_equal(f->cpu[0].reg[CPU_REG_RDX], 0);
    assert_int_equal(f->cpu[0].reg[CPU_REG_R8], 78);
    f->cpu[0].code64 = false;
    f->cpu[0].reg[CPU_REG_RDX] = 0;
    f->cpu[0].reg[CPU_REG_RAX] = EXT_CAPABILITIES | HC_FAST;
    assert_int_equal(raw_call(f), PASS);
}

static void tlfs_3_2_reps_continue_where_they_stopped(void **state)
{
    struct fixture *f = *state;
    struct cpu *cpu = &f->cpu[0];
    unsigned entries = 1;
    uint64_t control = FLUSH_LIST | HC_REP_COUNT(400) | HC_REP_START(10);

    put_flush(f, 0x1000, 1, 0);
    for (unsigned n = 0; n < 400; n++)
        put64(f, IN + 24 + 8 * n, 0x100000 + 0x1000 * n);
    cpu->reg[CPU_REG_RCX] = control;
    cpu->reg[CPU_REG_RDX] = IN;
    cpu->reg[CPU_REG_RAX] = 0x1234;
    while (raw_call(f) == RETRY) {
        assert_int_equal(cpu->reg[CPU_REG_RAX], 0x1234);
        assert_int_equal(cpu->reg[CPU_REG_RCX] & 0xFFFFFFFF, FLUSH_LIST);
        entries++;
    }
    assert_true(entries > 1);
    assert_int_equal(f->cpu[1].nflushed, 390);
    assert_int_equal(hc_reps_done(cpu->reg[CPU_REG_RAX]), 400);
    assert_int_equal(cpu->reg[CPU_REG_RCX] >> 48, 400);
}

static void tlfs_3_2_a_failing_element_counts_the_ones_before_it(void **state)
{
    struct fixture *f = *state;
    uint64_t result;

    put64(f, IN, UINT64_MAX);
    put64(f, IN + 8, 0);
    put64(f, IN + 16, 1);
    put64(f, IN + 24, 0);
    put64(f, IN + 32, 99);
    result = hypercall(f, 0, APIC_ID_TO_VP | HC_REP_COUNT(3), IN, OUT);
    assert_int_equal(hc_status(result), HV_STATUS_INVALID_VP_INDEX);
    assert_int_equal(hc_reps_done(result), 2);
    assert_int_equal(get64(f, OUT), 1);
    assert_int_equal(get64(f, OUT + 8), 0);
}

static void tlfs_7_10_4_apic_id_to_vp_index_parameters(void **state)
{
    struct fixture *f = *state;

    put64(f, IN, 5);
    put64(f, IN + 8, 0);
    put64(f, IN + 16, 0);
    expect(f, HV_STATUS_INVALID_PARTITION_ID, APIC_ID_TO_VP | HC_REP_COUNT(1));
    put64(f, IN, UINT64_MAX);
    put64(f, IN + 8, 0x11);
    expect(f, HV_STATUS_INVALID_VTL_STATE, APIC_ID_TO_VP | HC_REP_COUNT(1));
    put64(f, IN + 8, 0x10);
    expect(f, HV_STATUS_SUCCESS, APIC_ID_TO_VP | HC_REP_COUNT(1));
}

static void tlfs_9_4_1_switch_address_space(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(hypercall(f, 1, SWITCH_SPACE | HC_FAST, 0x7000, 0), HV_STATUS_SUCCESS);
    assert_int_equal(f->cpu[1].reg[CPU_REG_CR3], 0x7000);
    assert_int_equal(hypercall(f, 1, SWITCH_SPACE | HC_FAST, 1ull << 50, 0), HV_STATUS_INVALID_PARAMETER);
    assert_int_equal(f->cpu[1].reg[CPU_REG_CR3], 0x7000);
}

static void tlfs_9_4_2_flush_address_space(void **state)
{
    struct fixture *f = *state;

    put_flush(f, 0x1000, 0, 5);
    expect(f, HV_STATUS_SUCCESS, FLUSH_SPACE);
    assert_int_equal(f->cpu[0].nflushed, 1);
    assert_int_equal(f->cpu[1].nflushed, 0);
    assert_int_equal(f->cpu[2].nflushed, 1);
    assert_true(f->cpu[2].flushed[0].all);
    put_flush(f, 0x1000, HV_FLUSH_ALL_PROCESSORS | HV_FLUSH_NON_GLOBAL_MAPPINGS_ONLY, 0);
    expect(f, HV_STATUS_SUCCESS, FLUSH_SPACE);
    assert_true(f->cpu[1].flushed[0].keep_global);
    put_flush(f, ~0ull, HV_FLUSH_ALL_VIRTUAL_ADDRESS_SPACES, 1);
    expect(f, HV_STATUS_SUCCESS, FLUSH_SPACE);
}

static void tlfs_9_4_2_flush_parameters(void **state)
{
    struct fixture *f = *state;

    put_flush(f, 0x1000, 0x10, 1);
    expect(f, HV_STATUS_INVALID_PARAMETER, FLUSH_SPACE);
    put_flush(f, 1ull << 52, 0, 1);
    expect(f, HV_STATUS_INVALID_PARAMETER, FLUSH_SPACE);
    put_flush(f, 0x1000, 0, 0);
    expect(f, HV_STATUS_INVALID_PARAMETER, FLUSH_SPACE);
    put_flush(f, 0x1000, HV_FLUSH_NON_GLOBAL_MAPPINGS_ONLY, 1);
    expect(f, HV_STATUS_INVALID_PARAMETER, FLUSH_LIST | HC_REP_COUNT(1));
    assert_int_equal(f->cpu[0].nflushed, 0);
}

static void tlfs_9_3_2_extended_ranges(void **state)
{
    struct fixture *f = *state;

    put_flush(f, 0x1000, HV_FLUSH_USE_EXTENDED_RANGE_FORMAT, 1);
    put64(f, IN + 24, 0x40000000 | 1ull << 11 | 2);                     /* three 2 MiB pages */
    put64(f, IN + 32, 0x80000000 | 1ull << 12 | 1ull << 11);            /* one of 1 GiB */
    put64(f, IN + 40, 0x5000 | 0x7FF);
    assert_int_equal(hc_reps_done(hypercall(f, 0, FLUSH_LIST | HC_REP_COUNT(3), IN, 0)), 3);
    assert_int_equal(f->cpu[0].flushed[0].gva, 0x40000000);
    assert_int_equal(f->cpu[0].flushed[0].pages, 3 * 512);
    assert_int_equal(f->cpu[0].flushed[1].gva, 0x80000000);
    assert_int_equal(f->cpu[0].flushed[1].pages, 512 * 512);
    assert_int_equal(f->cpu[0].flushed[2].pages, 2048);
}

static void tlfs_9_4_5_ex_calls_take_a_processor_set(void **state)
{
    struct fixture *f = *state;

    put64(f, IN, 0x1000);
    put64(f, IN + 8, 0);
    put64(f, IN + 16, HV_GENERIC_SET_SPARSE_4K);
    put64(f, IN + 24, 3);               /* banks 0 and 1 */
    put64(f, IN + 32, 6);
    put64(f, IN + 40, 1);               /* VP 64 does not exist */
    put64(f, IN + 48, 0x8000);
    expect(f, HV_STATUS_SUCCESS, FLUSH_LIST_EX | HC_VARIABLE(2) | HC_REP_COUNT(1));
    assert_int_equal(f->cpu[0].nflushed, 0);
    assert_int_equal(f->cpu[1].nflushed, 1);
    assert_int_equal(f->cpu[2].flushed[0].gva, 0x8000);
    expect(f, HV_STATUS_INVALID_PARAMETER, FLUSH_LIST_EX | HC_VARIABLE(1) | HC_REP_COUNT(1));
    expect(f, HV_STATUS_SUCCESS, FLUSH_SPACE_EX | HC_VARIABLE(2));
    put64(f, IN + 16, HV_GENERIC_SET_ALL);
    expect(f, HV_STATUS_SUCCESS, FLUSH_SPACE_EX);
    assert_int_equal(f->cpu[0].nflushed, 1);
    put64(f, IN + 16, 2);
    expect(f, HV_STATUS_INVALID_PARAMETER, FLUSH_SPACE_EX);
}

static void tlfs_10_5_2_cluster_ipi(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(hypercall(f, 0, IPI | HC_FAST, 0xFE, 7), HV_STATUS_SUCCESS);
    for (unsigned n = 0; n < FIXTURE_VPS; n++) {
        assert_int_equal(f->apic[n].nrequested, 1);
        assert_int_equal(f->apic[n].requested[0], 0xFE);
        assert_int_equal(f->apic[n].how[0], APIC_EDGE);
    }
    assert_int_equal(hypercall(f, 0, IPI | HC_FAST, 0x0F, 1), HV_STATUS_INVALID_PARAMETER);
    assert_int_equal(hypercall(f, 0, IPI | HC_FAST, 0x100, 1), HV_STATUS_INVALID_PARAMETER);
    assert_int_equal(hypercall(f, 0, IPI | HC_FAST, 0x40 | 1ull << 40, 1), HV_STATUS_INVALID_PARAMETER);
    put64(f, IN, 0x41);
    put64(f, IN + 8, HV_GENERIC_SET_SPARSE_4K);
    put64(f, IN + 16, 1);
    put64(f, IN + 24, 2);
    expect(f, HV_STATUS_SUCCESS, IPI_EX | HC_VARIABLE(1));
    assert_int_equal(f->apic[1].requested[1], 0x41);
    assert_int_equal(f->apic[0].nrequested, 1);
}

static void tlfs_14_5_1_long_spin_wait_ends_the_turn(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(hypercall(f, 1, SPIN_WAIT | HC_FAST, 0x1000, 0), HV_STATUS_SUCCESS);
    assert_true(f->cpu[1].attention & ATTEND_YIELD);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(tlfs_3_5_only_kernel_code_in_protected_mode_may_call),
        TEST(no_interface_before_the_guest_tells_its_identity),
        TEST(tlfs_3_7_unknown_codes),
        TEST(tlfs_3_7_reserved_bits_of_the_control_word),
        TEST(tlfs_3_7_rep_fields),
        TEST(tlfs_3_6_parameter_lists),
        TEST(tlfs_3_6_lists_must_not_overlap),
        cmocka_unit_test(tlfs_3_12_2_access_denied_comes_before_other_errors),
        TEST(tlfs_3_7_legacy_registers),
        TEST(tlfs_3_9_fast_input_leaves_its_registers),
        TEST(tlfs_3_7_2_xmm_input),
        TEST(tlfs_3_8_1_fast_output_follows_the_input),
        TEST(tlfs_3_2_reps_continue_where_they_stopped),
        TEST(tlfs_3_2_a_failing_element_counts_the_ones_before_it),
        TEST(tlfs_7_10_4_apic_id_to_vp_index_parameters),
        TEST(tlfs_9_4_1_switch_address_space),
        TEST(tlfs_9_4_2_flush_address_space),
        TEST(tlfs_9_4_2_flush_parameters),
        TEST(tlfs_9_3_2_extended_ranges),
        TEST(tlfs_9_4_5_ex_calls_take_a_processor_set),
        TEST(tlfs_10_5_2_cluster_ipi),
        TEST(tlfs_14_5_1_long_spin_wait_ends_the_turn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
