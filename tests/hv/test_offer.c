/* SPDX-License-Identifier: MIT
 * What `-hv` offers: the text's grammar and errors, profiles, and that each bit taken away takes its function along with the
 * #GP, #UD or status that the clause gives. */
#include "tests/hv/fake_cpu.h"

#include <string.h>

#include "base/bytes.h"
#include "hv/internal.h"

#define IN  0x10000u
#define OUT 0x11000u

static struct hv_offer parsed(const char *spec)
{
    struct hv_offer o;
    struct err err = hv_offer_parse(&o, spec);

    if (failed(&err))
        fail_msg("%s", err.text);
    return o;
}

static void refused(const char *spec, const char *because)
{
    struct hv_offer o;
    struct err err = hv_offer_parse(&o, spec);

    if (!failed(&err) || strstr(err.text, because) == NULL)
        fail_msg("'%s' gave '%s', not '%s'", spec, err.text, because);
}

static void same_offer(const struct hv_offer *a, const struct hv_offer *b)
{
    assert_true(a->privileges == b->privileges);
    assert_int_equal(a->features, b->features);
    assert_int_equal(a->advice, b->advice);
    assert_int_equal(a->max_leaf, b->max_leaf);
    assert_memory_equal(a->version, b->version, sizeof a->version);
}

static void the_default_is_all_that_an_ordinary_guest_may_have(void **state)
{
    struct hv_offer plain, empty = parsed(""), named = parsed("profile=default");

    (void)state;
    hv_offer_default(&plain);
    same_offer(&plain, &empty);
    same_offer(&plain, &named);
    assert_true(plain.privileges >> 5 & 1);
    assert_false(plain.privileges >> 33 & 1);
}

static void each_bit_can_be_taken_away_and_asked_for(void **state)
{
    (void)state;
    assert_true(parsed("privileges=none+AccessVpIndex").privileges == 1u << 6);
    assert_true(parsed("privileges=-PostMessages").privileges == (parsed("").privileges & ~(1ull << 36)));
    assert_true(parsed("privileges=+AccessPartitionId").privileges == (parsed("").privileges | 1ull << 33));
    assert_true(parsed("privileges=0x60").privileges == 0x60);
    assert_true(parsed("privileges=all").privileges == (parsed("").privileges | 1ull << 33));
    assert_int_equal(parsed("features=none+GuestCrashMsrsAvailable").features, 1u << 10);
    assert_int_equal(parsed("recommendations=none+DeprecateAutoEoi").advice, 1u << 9);
    assert_int_equal(parsed("recommendations=-UseApicMsrs").advice, parsed("").advice & ~8u);
}

static void what_needs_a_privilege_goes_with_it(void **state)
{
    struct hv_offer o = parsed("features=+XmmRegistersForFastHypercallAvailable,privileges=-AccessGuestIdleReg-AccessIntrCtrlRegs");

    (void)state;
    assert_int_equal(o.features, parsed("").features & ~(1u << 5));
    assert_int_equal(o.advice, parsed("").advice & ~8u);
    refused("privileges=-AccessGuestIdleReg,features=+GuestIdleAvailable", "needs the privilege AccessGuestIdleReg");
}

static void errors_of_the_text(void **state)
{
    (void)state;
    refused("yes", "'yes' is neither on nor off");
    refused("colour=red", "'colour' is not known");
    refused("profile=huge", "default and minimal are known");
    refused("privileges=PostMessages", "begin with +NAME");
    refused("privileges=+Post", "'Post' is not known");
    refused("privileges=+CreatePartitions", "CreatePartitions is not implemented");
    refused("privileges=0x8000000000000000", "0x8000000000000000 are not implemented");
    refused("features=+DebugMsrsAvailable", "not implemented");
    refused("version=10", "MAJOR.MINOR.BUILD");
    refused("version=10.0.1.2", "MAJOR.MINOR.BUILD");
    refused("version=10.0.x", "MAJOR.MINOR.BUILD");
}

static void tlfs_2_4_3_version_is_what_was_asked_for(void **state)
{
    struct fixture *f = fixture_offering("version=6.3.9600.17.2.345");

    (void)state;
    assert_int_equal(cpuid(f, 0x40000002).eax, 0);
    hello(f);
    assert_int_equal(cpuid(f, 0x40000002).eax, 9600);
    assert_int_equal(cpuid(f, 0x40000002).ebx, 6 << 16 | 3);
    assert_int_equal(cpuid(f, 0x40000002).ecx, 17);
    assert_int_equal(cpuid(f, 0x40000002).edx, 2 << 24 | 345);
    fixture_teardown((void **)&f);
    f = fixture_offering("version=none");
    hello(f);
    assert_int_equal(cpuid(f, 0x40000002).eax | cpuid(f, 0x40000002).ebx, 0);
    fixture_teardown((void **)&f);
}

/* docs/tlfs/requirements.tsv */
static void requirements_the_minimal_profile(void **state)
{
    struct fixture *f = fixture_offering("profile=minimal");
    uint64_t value;

    (void)state;
    assert_true(cpuid(f, 1).ecx >> 31);                                 /* */
    assert_int_equal(cpuid(f, 0x40000000).eax, 0x40000005);             /* */
    assert_int_equal(cpuid(f, 0x40000003).eax, 0x60);                   /* */
    assert_int_equal(cpuid(f, 0x40000003).ebx, 0);                      /* */
    assert_int_equal(cpuid(f, 0x40000003).edx, 0);                      /* */
    assert_int_equal(cpuid(f, 0x40000004).eax, 1u << 5);                /* */
    for (uint32_t leaf = 0x40000006; leaf <= 0x4000000A; leaf++)
        assert_int_equal(cpuid(f, leaf).eax | cpuid(f, leaf).ebx | cpuid(f, leaf).ecx | cpuid(f, leaf).edx, 0);
    for (uint32_t msr = 0x40000000; msr < 0x40000200; msr++)            /* */
        assert_int_equal(rdmsr(f, 0, msr, &value), msr <= 0x40000002);
    hello(f);
    must_wrmsr(f, 0, 0x40000001, 0x5001);                               /* */
    assert_int_equal(get64(f, 0x5000) & 0xFFFFFFFF, 0xC3C1010F);
    for (unsigned code = 0; code < 0x10000; code++) {                   /* */
        unsigned status;

        f->cpu[0].raised = -1;
        status = hc_status(hypercall(f, 0, code | HC_REP_COUNT(1), IN, OUT));
        assert_true(status != HV_STATUS_SUCCESS || code == 0x0003);
        assert_int_equal(f->cpu[0].raised, -1);
    }
    fixture_teardown((void **)&f);
}

static enum intercept raw_call(struct fixture *f, uint64_t control)
{
    f->cpu[0].reg[CPU_REG_RCX] = control;
    f->cpu[0].reg[CPU_REG_RDX] = 0;
    f->cpu[0].reg[CPU_REG_R8] = 1;
    return f->cpu[0].host->hypercall(f->cpu[0].host_self, &f->cpu[0]);
}

static void tlfs_3_7_2_xmm_input_without_its_feature_is_ud(void **state)
{
    struct fixture *f = fixture_offering("features=-XmmRegistersForFastHypercallAvailable");

    (void)state;
    hello(f);
    assert_int_equal(raw_call(f, 0x0002 | HC_FAST), PASS);
    assert_int_equal(raw_call(f, 0x0008 | HC_FAST), DONE);          /* two registers suffice */
    assert_int_equal(raw_call(f, 0x8001 | HC_FAST), DONE);          /* output has a bit of its own */
    assert_int_equal(hc_status(f->cpu[0].reg[CPU_REG_RAX]), HV_STATUS_SUCCESS);
    fixture_teardown((void **)&f);
}

static void tlfs_3_8_1_fast_output_without_its_feature_is_ud(void **state)
{
    struct fixture *f = fixture_offering("features=-FastHypercallOutputAvailable");

    (void)state;
    hello(f);
    assert_int_equal(raw_call(f, 0x8001 | HC_FAST), PASS);
    assert_int_equal(raw_call(f, 0x0002 | HC_FAST), DONE);
    fixture_teardown((void **)&f);
}

static void tlfs_9_3_2_extended_ranges_need_their_feature(void **state)
{
    struct fixture *f = fixture_offering("features=-ExtendedGvaRangesForFlushVirtualAddressListAvailable");

    (void)state;
    hello(f);
    put64(f, IN, 0x1000);
    put64(f, IN + 8, HV_FLUSH_USE_EXTENDED_RANGE_FORMAT);
    put64(f, IN + 16, 1);
    put64(f, IN + 24, 0x5000);
    assert_int_equal(hc_status(hypercall(f, 0, 0x0003 | HC_REP_COUNT(1), IN, 0)), HV_STATUS_INVALID_PARAMETER);
    put64(f, IN + 8, 0);
    assert_int_equal(hc_status(hypercall(f, 0, 0x0003 | HC_REP_COUNT(1), IN, 0)), HV_STATUS_SUCCESS);
    fixture_teardown((void **)&f);
}

static void tlfs_9_4_3_ex_calls_need_their_recommendation(void **state)
{
    struct fixture *f = fixture_offering("recommendations=-UseExProcessorMasks");

    (void)state;
    hello(f);
    assert_int_equal(hc_status(hypercall(f, 0, 0x0013, IN, 0)), HV_STATUS_ACCESS_DENIED);
    assert_int_equal(hc_status(hypercall(f, 0, 0x0014 | HC_REP_COUNT(1), IN, 0)), HV_STATUS_ACCESS_DENIED);
    assert_int_equal(hc_status(hypercall(f, 0, 0x0015, IN, 0)), HV_STATUS_ACCESS_DENIED);
    fixture_teardown((void **)&f);
}

static void tlfs_3_13_lock_bit_without_its_feature_is_not_kept(void **state)
{
    struct fixture *f = fixture_offering("features=-HypercallMsrLockAvailable");

    (void)state;
    hello(f);
    must_wrmsr(f, 0, 0x40000001, 0x5003);
    assert_int_equal(must_rdmsr(f, 0, 0x40000001), 0x5001);
    must_wrmsr(f, 0, 0x40000001, 0x6001);
    fixture_teardown((void **)&f);
}

static void tlfs_11_8_5_polling_without_its_feature_is_not_kept(void **state)
{
    struct fixture *f = fixture_offering("features=-SintPollingModeAvailable");

    (void)state;
    must_wrmsr(f, 0, 0x40000092, HV_SINT_POLLING | 0x40);
    assert_int_equal(must_rdmsr(f, 0, 0x40000092), 0x40);
    fixture_teardown((void **)&f);
}

static void tlfs_12_5_1_direct_mode_without_its_feature_is_reserved(void **state)
{
    struct fixture *f = fixture_offering("features=-DirectSyntheticTimers");

    (void)state;
    assert_false(wrmsr(f, 0, 0x400000B0, HV_STIMER_DIRECT | 0x400));
    must_wrmsr(f, 0, 0x400000B0, 0x10008);
    fixture_teardown((void **)&f);
}

static void tlfs_4_3_crash_registers_without_their_feature_are_gp(void **state)
{
    struct fixture *f = fixture_offering("features=-GuestCrashMsrsAvailable");
    uint64_t value;

    (void)state;
    for (uint32_t msr = 0x40000100; msr <= 0x40000105; msr++)
        assert_false(rdmsr(f, 0, msr, &value));
    fixture_teardown((void **)&f);
}

static void tlfs_4_2_2_partition_id_needs_its_privilege(void **state)
{
    struct fixture *f = fixture_offering("privileges=+AccessPartitionId"), *g = fixture_create(NULL);

    (void)state;
    hello(f);
    hello(g);
    put64(f, OUT, 0);
    assert_int_equal(hc_status(hypercall(f, 0, 0x0046, IN, OUT)), HV_STATUS_SUCCESS);
    assert_int_not_equal(get64(f, OUT), HV_PARTITION_ID_INVALID);
    assert_true(get64(f, OUT) != HV_PARTITION_ID_SELF);
    assert_int_equal(hc_status(hypercall(g, 0, 0x0046, IN, OUT)), HV_STATUS_ACCESS_DENIED);
    fixture_teardown((void **)&f);
    fixture_teardown((void **)&g);
}

struct lines { unsigned count, absent; };

static void count_line(void *arg, const char *text)
{
    struct lines *l = arg;

    l->count++;
    l->absent += strstr(text, "not implemented") != NULL;
}

static void help_lists_every_bit(void **state)
{
    struct lines l = { 0 };

    (void)state;
    hv_offer_list(count_line, &l);
    assert_true(l.count > 60);
    assert_true(l.absent > 10 && l.absent < l.count / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_default_is_all_that_an_ordinary_guest_may_have),
        cmocka_unit_test(each_bit_can_be_taken_away_and_asked_for),
        cmocka_unit_test(what_needs_a_privilege_goes_with_it),
        cmocka_unit_test(errors_of_the_text),
        cmocka_unit_test(tlfs_2_4_3_version_is_what_was_asked_for),
        cmocka_unit_test(requirements_the_minimal_profile),
        cmocka_unit_test(tlfs_3_7_2_xmm_input_without_its_feature_is_ud),
        cmocka_unit_test(tlfs_3_8_1_fast_output_without_its_feature_is_ud),
        cmocka_unit_test(tlfs_9_3_2_extended_ranges_need_their_feature),
        cmocka_unit_test(tlfs_9_4_3_ex_calls_need_their_recommendation),
        cmocka_unit_test(tlfs_3_13_lock_bit_without_its_feature_is_not_kept),
        cmocka_unit_test(tlfs_11_8_5_polling_without_its_feature_is_not_kept),
        cmocka_unit_test(tlfs_12_5_1_direct_mode_without_its_feature_is_reserved),
        cmocka_unit_test(tlfs_4_3_crash_registers_without_their_feature_are_gp),
        cmocka_unit_test(tlfs_4_2_2_partition_id_needs_its_privilege),
        cmocka_unit_test(help_lists_every_bit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
