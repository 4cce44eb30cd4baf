/* SPDX-License-Identifier: MIT
 * Overlay pages: what the guest sees where they lie, when they move, under each other and beyond its memory. */
#include "tests/hv/fake_cpu.h"

enum { HYPERCALL = 0x40000001, REFERENCE_TSC = 0x40000021, ASSIST = 0x40000073, SIEFP = 0x40000082, SIMP = 0x40000083 };

static unsigned rights(struct fixture *f, gpa_t page)
{
    return f->cpu[0].host->page_rights(f->cpu[0].host_self, &f->cpu[0], page);
}

static enum intercept denied(struct fixture *f, gpa_t gpa, unsigned access)
{
    struct page_fault fault = { .gpa = gpa, .access = access };

    f->cpu[0].raised = -1;
    return f->cpu[0].host->page_denied(f->cpu[0].host_self, &f->cpu[0], &fault);
}

static void tlfs_3_13_hypercall_page_calls_and_returns(void **state)
{
    struct fixture *f = *state;

    hello(f);
    must_wrmsr(f, 0, HYPERCALL, 0x5001);
    assert_int_equal(space_read(f->memory, 0x5000, 4), 0xC3C1010F);     /* VMCALL; RET */
}

static void hypercall_page_of_an_amd_processor(void **state)
{
    struct hv_config amd = { .amd = true };
    struct fixture *f = fixture_create(&amd);

    (void)state;
    hello(f);
    must_wrmsr(f, 0, HYPERCALL, 0x5001);
    assert_int_equal(space_read(f->memory, 0x5000, 4), 0xC3D9010F);     /* VMMCALL; RET */
    fixture_teardown((void **)&f);
}

static void hypercall_page_where_indirect_branches_are_tracked(void **state)
{
    struct hv_config ibt = { .ibt = true };
    struct fixture *f = fixture_create(&ibt);

    (void)state;
    hello(f);
    must_wrmsr(f, 0, HYPERCALL, 0x5001);
    assert_int_equal(space_read(f->memory, 0x5000, 4), 0xFA1E0FF3);     /* ENDBR64 */
    assert_int_equal(space_read(f->memory, 0x5004, 4), 0xC3C1010F);
    fixture_teardown((void **)&f);
}

static void tlfs_5_2_1_disabling_and_moving_uncover_what_was_there(void **state)
{
    struct fixture *f = *state;

    hello(f);
    put64(f, 0x5000, 0x1111);
    put64(f, 0x6000, 0x2222);
    must_wrmsr(f, 0, HYPERCALL, 0x5001);
    assert_int_not_equal(get64(f, 0x5000), 0x1111);
    must_wrmsr(f, 0, HYPERCALL, 0x6001);
    assert_int_equal(get64(f, 0x5000), 0x1111);
    assert_int_not_equal(get64(f, 0x6000), 0x2222);
    must_wrmsr(f, 0, HYPERCALL, 0x6000);
    assert_int_equal(get64(f, 0x6000), 0x2222);
}

static void tlfs_3_13_a_write_to_the_hypercall_page_is_gp(void **state)
{
    struct fixture *f = *state;

    hello(f);
    must_wrmsr(f, 0, HYPERCALL, 0x5001);
    assert_int_equal(rights(f, 0x5000), ACCESS_READ | ACCESS_EXECUTE);
    assert_int_equal(rights(f, 0x6000), ACCESS_READ | ACCESS_WRITE | ACCESS_EXECUTE);
    assert_int_equal(denied(f, 0x5008, ACCESS_WRITE), RAISED);
    assert_int_equal(f->cpu[0].raised, GP);
    assert_int_equal(denied(f, 0x6008, ACCESS_WRITE), PASS);
}

static void tlfs_8_8_a_disallowed_access_to_another_overlay_is_mc(void **state)
{
    struct fixture *f = *state;

    must_wrmsr(f, 0, REFERENCE_TSC, 0x5001);
    assert_int_equal(rights(f, 0x5000), ACCESS_READ);
    assert_int_equal(denied(f, 0x5008, ACCESS_WRITE), RAISED);
    assert_int_equal(f->cpu[0].raised, 18);
}

static void tlfs_5_2_1_stacked_overlays_uncover_each_other(void **state)
{
    struct fixture *f = *state;

    put64(f, 0x5000, 0x1111);
    hello(f);
    must_wrmsr(f, 0, HYPERCALL, 0x5001);
    must_wrmsr(f, 1, SIMP, 0x5001);
    assert_int_equal(get64(f, 0x5000), 0);              /* the SIM page is on top */
    assert_int_equal(rights(f, 0x5000), ACCESS_READ | ACCESS_WRITE | ACCESS_EXECUTE);
    must_wrmsr(f, 1, SIMP, 0x5000);
    assert_int_equal(get64(f, 0x5000) & 0xFFFFFFFF, 0xC3C1010F);
    must_wrmsr(f, 0, HYPERCALL, 0);
    assert_int_equal(get64(f, 0x5000), 0x1111);
}

static void tlfs_11_9_message_and_event_pages_behave_like_ram(void **state)
{
    struct fixture *f = *state;

    must_wrmsr(f, 0, SIMP, 0x5001);
    must_wrmsr(f, 1, SIMP, 0x6001);
    must_wrmsr(f, 0, SIEFP, 0x7001);
    must_wrmsr(f, 0, ASSIST, 0x8001);
    for (unsigned n = 0; n < 4; n++)
        put64(f, 0x5010 + n * 0x1000, n + 1);
    for (unsigned n = 0; n < 4; n++)
        assert_int_equal(get64(f, 0x5010 + n * 0x1000), n + 1);
    must_wrmsr(f, 0, SIMP, 0x9001);                     /* contents move along */
    assert_int_equal(get64(f, 0x9010), 1);
    assert_int_equal(get64(f, 0x5010), 0);
    assert_int_equal(must_rdmsr(f, 0, SIMP), 0x9001);
}

static void tlfs_11_9_pages_are_zeroed_by_reset(void **state)
{
    struct fixture *f = *state;

    must_wrmsr(f, 0, SIMP, 0x5001);
    put64(f, 0x5010, 7);
    device_reset_all(&f->tree);
    assert_int_equal(must_rdmsr(f, 0, SIMP), 0);
    must_wrmsr(f, 0, SIMP, 0x5001);
    assert_int_equal(get64(f, 0x5010), 0);
}

static void tlfs_11_8_3_a_page_beyond_the_gpa_space_is_accepted_but_nowhere(void **state)
{
    struct fixture *f = *state;

    must_wrmsr(f, 0, SIEFP, 1ull << FIXTURE_BITS | 1);
    assert_true(must_rdmsr(f, 0, SIEFP) == (1ull << FIXTURE_BITS | 1));
    assert_true(get64(f, 1ull << FIXTURE_BITS) == UINT64_MAX);
    must_wrmsr(f, 0, REFERENCE_TSC, 1ull << 51 | 1);
    must_wrmsr(f, 0, ASSIST, 1ull << 63 | 1);
}

static void reserved_bits_read_back_as_zero(void **state)
{
    struct fixture *f = *state;

    must_wrmsr(f, 0, SIMP, 0x5FFE);
    assert_int_equal(must_rdmsr(f, 0, SIMP), 0x5000);
    must_wrmsr(f, 0, REFERENCE_TSC, 0x5FFE);
    assert_int_equal(must_rdmsr(f, 0, REFERENCE_TSC), 0x5000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(tlfs_3_13_hypercall_page_calls_and_returns),
        cmocka_unit_test(hypercall_page_of_an_amd_processor),
        cmocka_unit_test(hypercall_page_where_indirect_branches_are_tracked),
        TEST(tlfs_5_2_1_disabling_and_moving_uncover_what_was_there),
        TEST(tlfs_3_13_a_write_to_the_hypercall_page_is_gp),
        TEST(tlfs_8_8_a_disallowed_access_to_another_overlay_is_mc),
        TEST(tlfs_5_2_1_stacked_overlays_uncover_each_other),
        TEST(tlfs_11_9_message_and_event_pages_behave_like_ram),
        TEST(tlfs_11_9_pages_are_zeroed_by_reset),
        TEST(tlfs_11_8_3_a_page_beyond_the_gpa_space_is_accepted_but_nowhere),
        TEST(reserved_bits_read_back_as_zero),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
