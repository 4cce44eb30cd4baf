/* SPDX-License-Identifier: MIT
 * Extended calls and the targets of device interrupts. */
#include "tests/hv/fake_cpu.h"

enum { RETARGET = 0x007E, CAPABILITIES = 0x8001, ZEROED = 0x8002 };

#define IN  0x10000u
#define OUT 0x11000u
#define DEVICE 0x123400000000ull

static int setup(void **state)
{
    fixture_setup(state);
    hello(*state);
    return 0;
}

static void tlfs_9_4_7_boot_zeroed_memory(void **state)
{
    struct fixture *f = *state;

    put64(f, OUT, ~0ull);
    assert_int_equal(hypercall(f, 0, CAPABILITIES, 0, OUT), HV_STATUS_SUCCESS);
    assert_int_equal(get64(f, OUT), 0);
    assert_int_equal(hc_status(hypercall(f, 0, ZEROED, 0, OUT)), HV_STATUS_INVALID_HYPERCALL_CODE);
    hv_set_zeroed(f->hv, 0x100000000ull, 0x4000);
    assert_int_equal(hypercall(f, 0, CAPABILITIES, 0, OUT), HV_STATUS_SUCCESS);
    assert_int_equal(get64(f, OUT), 1);
    assert_int_equal(hypercall(f, 0, ZEROED, 0, OUT), HV_STATUS_SUCCESS);
    assert_true(get64(f, OUT) == 0x100000000ull);
    assert_int_equal(get64(f, OUT + 8), 0x4000);
    assert_int_equal(hypercall(f, 0, ZEROED | HC_FAST, 0, 0), HV_STATUS_SUCCESS);
    assert_true(f->cpu[0].reg[CPU_REG_RDX] == 0x100000000ull);
    assert_int_equal(f->cpu[0].reg[CPU_REG_R8], 0x4000);
}

static void tlfs_3_14_other_extended_calls_are_not_offered(void **state)
{
    struct fixture *f = *state;

    for (unsigned code = 0x8003; code <= 0x8006; code++)
        assert_int_equal(hc_status(hypercall(f, 0, code, IN, OUT)), HV_STATUS_INVALID_HYPERCALL_CODE);
}

static void tlfs_3_14_1_extended_calls_need_their_privilege(void **state)
{
    struct fixture *f = fixture_offering("privileges=-EnableExtendedHypercalls");

    (void)state;
    hello(f);
    hv_set_zeroed(f->hv, 0x100000, 1);
    assert_int_equal(hc_status(hypercall(f, 0, CAPABILITIES, 0, OUT)), HV_STATUS_ACCESS_DENIED);
    assert_int_equal(hc_status(hypercall(f, 0, ZEROED, 0, OUT)), HV_STATUS_ACCESS_DENIED);
    fixture_teardown((void **)&f);
}

/* ---- HvRetargetDeviceInterrupt ---- */

static struct { uint64_t msi; struct hv_msi_target target; unsigned count; } got;

static unsigned retarget(void *self, uint64_t msi, const struct hv_msi_target *target)
{
    (void)self;
    got.msi = msi;
    got.target = *target;
    got.count++;
    return msi == 0xBAD ? HV_STATUS_OPERATION_DENIED : HV_STATUS_SUCCESS;
}

static void put_retarget(struct fixture *f, uint64_t flags, uint64_t mask)
{
    put64(f, IN, UINT64_MAX);
    put64(f, IN + 8, DEVICE);
    put64(f, IN + 16, 1);
    put64(f, IN + 24, 0x4021FEE00000ull);
    put64(f, IN + 32, 0);
    put64(f, IN + 40, 0x51 | flags << 32);
    put64(f, IN + 48, mask);
}

static unsigned call(struct fixture *f, unsigned variable)
{
    return hc_status(hypercall(f, 0, RETARGET | HC_VARIABLE(variable), IN, 0));
}

static unsigned call_with(struct fixture *f, unsigned at, uint64_t value)
{
    put_retarget(f, 0, 2);
    put64(f, IN + at, value);
    return call(f, 0);
}

static void tlfs_10_5_4_a_device_interrupt_moves(void **state)
{
    struct fixture *f = *state;

    hv_add_device(f->hv, DEVICE, retarget, NULL);
    got.count = 0;
    put_retarget(f, 0, 2);
    assert_int_equal(call(f, 0), HV_STATUS_SUCCESS);
    assert_true(got.msi == 0x4021FEE00000ull);
    assert_int_equal(got.target.vector, 0x51);
    assert_int_equal(got.target.targets, 2);
    assert_false(got.target.multicast);
    put_retarget(f, 1, 6);
    assert_int_equal(call(f, 0), HV_STATUS_SUCCESS);
    assert_true(got.target.multicast);
    assert_int_equal(got.target.targets, 6);
    put_retarget(f, 2, HV_GENERIC_SET_SPARSE_4K);
    put64(f, IN + 56, 1);
    put64(f, IN + 64, 5);
    assert_int_equal(call(f, 2), HV_STATUS_SUCCESS);
    assert_int_equal(got.target.targets, 5);
    assert_int_equal(got.count, 3);
    assert_int_equal(call_with(f, 24, 0xBAD), HV_STATUS_OPERATION_DENIED);
}

static void tlfs_10_5_4_retarget_parameters(void **state)
{
    struct fixture *f = *state;

    hv_add_device(f->hv, DEVICE, retarget, NULL);
    got.count = 0;
    assert_int_equal(call_with(f, 0, 5), HV_STATUS_INVALID_PARTITION_ID);
    assert_int_equal(call_with(f, 8, DEVICE + 1), HV_STATUS_INVALID_DEVICE_ID);
    assert_int_equal(call_with(f, 16, 2), HV_STATUS_INVALID_PARAMETER);
    assert_int_equal(call_with(f, 16, 1 | 1ull << 32), HV_STATUS_INVALID_PARAMETER);
    assert_int_equal(call_with(f, 32, 1), HV_STATUS_INVALID_PARAMETER);
    assert_int_equal(call_with(f, 40, 0x0F), HV_STATUS_INVALID_PARAMETER);
    assert_int_equal(call_with(f, 40, 0x100), HV_STATUS_INVALID_PARAMETER);
    assert_int_equal(call_with(f, 40, 0x51 | 4ull << 32), HV_STATUS_INVALID_PARAMETER);
    assert_int_equal(call_with(f, 48, 0), HV_STATUS_INVALID_PARAMETER);
    assert_int_equal(call_with(f, 48, 8), HV_STATUS_INVALID_PARAMETER);                 /* VP 3 does not exist */
    put_retarget(f, 2, HV_GENERIC_SET_ALL);
    put64(f, IN + 56, 0);
    assert_int_equal(call(f, 1), HV_STATUS_INVALID_PARAMETER);
    put_retarget(f, 2, HV_GENERIC_SET_SPARSE_4K);
    put64(f, IN + 56, 3);
    assert_int_equal(call(f, 3), HV_STATUS_INVALID_PARAMETER);                          /* a bank nobody is in */
    assert_int_equal(call(f, 0), HV_STATUS_INVALID_PARAMETER);
    put_retarget(f, 0, 2);
    assert_int_equal(call(f, 1), HV_STATUS_INVALID_PARAMETER);                          /* a mask has no variable header */
    assert_int_equal(got.count, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(tlfs_9_4_7_boot_zeroed_memory),
        TEST(tlfs_3_14_other_extended_calls_are_not_offered),
        cmocka_unit_test(tlfs_3_14_1_extended_calls_need_their_privilege),
        TEST(tlfs_10_5_4_a_device_interrupt_moves),
        TEST(tlfs_10_5_4_retarget_parameters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
