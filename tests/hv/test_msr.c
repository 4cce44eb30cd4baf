/* SPDX-License-Identifier: MIT
 * Synthetic MSRs and CPUID leaves as a guest sees them: identity, privileges, #GP rules, crash, reset, APIC,
 * reference time. */
#include "tests/hv/fake_cpu.h"

#include <string.h>

#include "base/bytes.h"
#include "hv/internal.h"

enum {
    GUEST_OS_ID = 0x40000000, HYPERCALL = 0x40000001, VP_INDEX = 0x40000002, RESET = 0x40000003, VP_RUNTIME = 0x40000010,
    TIME_REF_COUNT = 0x40000020, REFERENCE_TSC = 0x40000021, TSC_FREQUENCY = 0x40000022, APIC_FREQUENCY = 0x40000023,
    NPIEP = 0x40000040, ASSIST_PAGE = 0x40000073, UNHALTED_CONFIG = 0x40000114, UNHALTED_COUNT = 0x40000115,
    EOI = 0x40000070, ICR = 0x40000071, TPR = 0x40000072, SCONTROL = 0x40000080, SVERSION = 0x40000081,
    CRASH_P0 = 0x40000100, CRASH_P3 = 0x40000103, CRASH_P4 = 0x40000104, CRASH_CTL = 0x40000105,
};

static bool readable(struct fixture *f, uint32_t msr)
{
    uint64_t value;

    return rdmsr(f, 0, msr, &value);
}

static void tlfs_2_4_identity_leaves(void **state)
{
    struct fixture *f = *state;
    struct cpuid_regs r = cpuid(f, 0x40000000);
    char vendor[13] = { 0 };

    assert_true(r.eax >= 0x40000005 && r.eax <= 0x400000FF);
    memcpy(vendor, &r.ebx, 4);
    memcpy(vendor + 4, &r.ecx, 4);
    memcpy(vendor + 8, &r.edx, 4);
    assert_string_equal(vendor, "Microsoft Hv");
    assert_int_equal(cpuid(f, 0x40000001).eax, 0x31237648);
    assert_true(cpuid(f, 1).ecx >> 31);
}

static void tlfs_2_4_3_version_is_hidden_until_the_guest_tells_its_identity(void **state)
{
    struct fixture *f = *state;
    struct cpuid_regs before = cpuid(f, 0x40000002);

    assert_int_equal(before.eax | before.ebx | before.ecx | before.edx, 0);
    hello(f);
    assert_int_not_equal(cpuid(f, 0x40000002).eax, 0);
    assert_int_equal(cpuid(f, 0x40000002).ebx >> 16, 10);
}

static void tlfs_2_4_4_privilege_mask_is_shown(void **state)
{
    struct fixture *f = *state;
    struct cpuid_regs r = cpuid(f, 0x40000003);

    assert_int_equal(r.eax, 0x2EFF);            /* all but statistics and debug */
    assert_int_equal(r.ebx, 1u << 4 | 1u << 5 | 1u << 17 | 1u << 20 | 1u << 21);
    assert_int_equal(r.ecx, 0);
}

static void leaves_outside_the_range_are_the_processors(void **state)
{
    struct fixture *f = *state;
    struct cpuid_regs r = { 1, 2, 3, 4 };

    assert_int_equal(f->cpu[0].host->cpuid(f->cpu[0].host_self, &f->cpu[0], 7, 0, &r), PASS);
    assert_int_equal(f->cpu[0].host->cpuid(f->cpu[0].host_self, &f->cpu[0], 0x40000100, 0, &r), PASS);
    assert_int_equal(cpuid(f, 0x400000FF).eax, 0);
}

static void tlfs_2_6_guest_os_id_is_partition_wide(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(must_rdmsr(f, 0, GUEST_OS_ID), 0);
    must_wrmsr(f, 1, GUEST_OS_ID, UINT64_MAX);
    assert_true(must_rdmsr(f, 2, GUEST_OS_ID) == UINT64_MAX);
}

static void tlfs_3_13_hypercall_page_needs_an_identity(void **state)
{
    struct fixture *f = *state;

    must_wrmsr(f, 0, HYPERCALL, 0x5001);
    assert_int_equal(must_rdmsr(f, 0, HYPERCALL), 0x5000);
    hello(f);
    must_wrmsr(f, 0, HYPERCALL, 0x5001);
    assert_int_equal(must_rdmsr(f, 2, HYPERCALL), 0x5001);
    must_wrmsr(f, 1, GUEST_OS_ID, 0);
    assert_int_equal(must_rdmsr(f, 0, HYPERCALL), 0x5000);
}

static void tlfs_3_13_hypercall_page_beyond_the_gpa_space_is_gp(void **state)
{
    struct fixture *f = *state;

    hello(f);
    assert_false(wrmsr(f, 0, HYPERCALL, (uint64_t)1 << FIXTURE_BITS | 1));
    assert_int_equal(must_rdmsr(f, 0, HYPERCALL), 0);
}

static void tlfs_3_13_locked_hypercall_msr_stays_until_reset(void **state)
{
    struct fixture *f = *state;

    hello(f);
    must_wrmsr(f, 0, HYPERCALL, 0x5003);
    assert_false(wrmsr(f, 0, HYPERCALL, 0x6001));
    assert_int_equal(must_rdmsr(f, 0, HYPERCALL), 0x5003);
    device_reset_all(&f->tree);
    assert_int_equal(must_rdmsr(f, 0, HYPERCALL), 0);
    must_wrmsr(f, 0, HYPERCALL, 0x6000);
}

static void tlfs_7_8_1_vp_index(void **state)
{
    struct fixture *f = *state;

    for (unsigned n = 0; n < FIXTURE_VPS; n++)
        assert_int_equal(must_rdmsr(f, n, VP_INDEX), n);
    assert_false(wrmsr(f, 0, VP_INDEX, 0));
}

static void tlfs_4_2_2_privileges_gate_registers(void **state)
{
    struct fixture *f = fixture_offering("privileges=0x20");

    (void)state;
    assert_true(readable(f, GUEST_OS_ID));
    assert_false(readable(f, VP_INDEX));
    assert_false(readable(f, VP_RUNTIME));
    assert_false(readable(f, TIME_REF_COUNT));
    assert_false(readable(f, REFERENCE_TSC));
    assert_false(readable(f, TSC_FREQUENCY));
    assert_false(readable(f, TPR));
    assert_false(readable(f, SCONTROL));
    assert_false(readable(f, 0x40000090));
    assert_false(readable(f, 0x400000B0));
    assert_false(readable(f, RESET));
    assert_int_equal(cpuid(f, 0x40000003).eax, 1u << 5);
    assert_int_equal(cpuid(f, 0x40000003).ebx, 0);
    fixture_teardown((void **)&f);
}

static void tlfs_8_10_an_unknown_number_is_gp(void **state)
{
    struct fixture *f = *state;

    assert_false(readable(f, 0x400000A0));
    assert_false(readable(f, 0x400000E0));
    assert_false(wrmsr(f, 0, 0x40000109, 0));
}

static void read_only_and_write_only_registers(void **state)
{
    struct fixture *f = *state;

    assert_false(wrmsr(f, 0, TIME_REF_COUNT, 1));
    assert_false(wrmsr(f, 0, VP_RUNTIME, 1));
    assert_false(wrmsr(f, 0, TSC_FREQUENCY, 1));
    assert_false(wrmsr(f, 0, SVERSION, 1));
    assert_false(readable(f, EOI));
}

static void tlfs_4_3_crash_parameters_and_message_reach_the_machine(void **state)
{
    struct fixture *f = *state;

    assert_true(must_rdmsr(f, 0, CRASH_CTL) == 3ull << 62);
    for (unsigned n = 0; n < 5; n++)
        must_wrmsr(f, n % FIXTURE_VPS, CRASH_P0 + n, 0x100 + n);
    assert_int_equal(must_rdmsr(f, 1, CRASH_P3), 0x103);
    must_wrmsr(f, 0, CRASH_CTL, 1ull << 62);            /* a message without a notification does nothing */
    assert_int_equal(f->crashes, 0);
    must_wrmsr(f, 0, CRASH_CTL, 1ull << 63);
    assert_int_equal(f->crashes, 1);
    assert_int_equal(f->crash_p[4], 0x104);
    assert_string_equal(f->crash_text, "");
    space_write_bytes(f->memory, 0x3000, "oh no", 5);
    must_wrmsr(f, 0, CRASH_P3, 0x3000);
    must_wrmsr(f, 0, CRASH_P4, 5);
    must_wrmsr(f, 0, CRASH_CTL, 3ull << 62);
    assert_string_equal(f->crash_text, "oh no");
}

static void reset_register_asks_the_machine(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(must_rdmsr(f, 0, RESET), 0);
    must_wrmsr(f, 0, RESET, 0);
    assert_int_equal(f->resets, 0);
    assert_false(wrmsr(f, 0, RESET, 2));
    must_wrmsr(f, 0, RESET, 1);
    assert_int_equal(f->resets, 1);
}

static void tlfs_10_2_3_apic_registers(void **state)
{
    struct fixture *f = *state;

    must_wrmsr(f, 1, ICR, 0x0200000000004033ull);
    assert_int_equal(f->apic[1].reg[0x31], 0x02000000);
    assert_int_equal(f->apic[1].reg[0x30], 0x4033);
    assert_true(must_rdmsr(f, 1, ICR) == 0x0200000000004033ull);
    must_wrmsr(f, 1, TPR, 0x30);
    assert_int_equal(must_rdmsr(f, 1, TPR), 0x30);
    assert_false(wrmsr(f, 1, TPR, 0x100));
    f->apic[1].base |= 1u << 10;                        /* x2APIC: one register of 64 bits */
    must_wrmsr(f, 1, ICR, 0x0000000300004044ull);
    assert_true(f->apic[1].reg[0x30] == 0x0000000300004044ull);
}

static void tlfs_12_4_reference_counter_counts_100_ns(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(must_rdmsr(f, 0, TIME_REF_COUNT), 0);
    advance_ns(f, 1000);
    assert_int_equal(must_rdmsr(f, 1, TIME_REF_COUNT), 10);
    advance_ns(f, 3600000000000ull);
    assert_true(must_rdmsr(f, 2, TIME_REF_COUNT) == 36000000010ull);
}

static void tlfs_12_1_2_reference_counter_strictly_increases(void **state)
{
    struct fixture *f = *state;
    uint64_t last = must_rdmsr(f, 0, TIME_REF_COUNT);

    for (unsigned n = 0; n < 50; n++) {
        uint64_t now;

        advance_ns(f, 7);
        now = must_rdmsr(f, n % FIXTURE_VPS, TIME_REF_COUNT);
        assert_true(now > last);
        assert_int_equal(now, clock_ns(&f->clock) / 100);
        last = now;
    }
}

/* The guest's formula on the page, with the guest's TSC. */
static uint64_t by_page(struct fixture *f, unsigned vp, gpa_t page)
{
    unsigned __int128 product = (unsigned __int128)cpu_tsc(&f->cpu[vp]) * get64(f, page + 8);

    return (uint64_t)(product >> 64) + get64(f, page + 16);
}

static void tlfs_12_7_3_reference_tsc_page_agrees_with_the_counter(void **state)
{
    struct fixture *f = *state;
    uint64_t at = 1;

    must_wrmsr(f, 0, REFERENCE_TSC, 0x8001);
    assert_int_equal(must_rdmsr(f, 1, REFERENCE_TSC), 0x8001);
    assert_int_not_equal((uint32_t)get64(f, 0x8000), 0);
    for (unsigned n = 0; n < 60; n++, at = at * 2 + 99) {
        if (at > clock_ns(&f->clock))
            advance_ns(f, at - clock_ns(&f->clock));
        assert_true(by_page(f, 0, 0x8000) == hv_reference_time(f->hv));
    }
}

static void tlfs_12_7_3_page_follows_a_written_tsc_without_a_jump(void **state)
{
    struct fixture *f = *state;
    uint64_t sequence, before;

    advance_ns(f, 123456789);
    must_wrmsr(f, 0, REFERENCE_TSC, 0x8001);
    sequence = (uint32_t)get64(f, 0x8000);
    f->cpu[1].tsc_offset = 0x123456789ABCull;
    before = hv_reference_time(f->hv);
    must_wrmsr(f, 1, REFERENCE_TSC, 0x8001);
    assert_true(hv_reference_time(f->hv) == before);
    assert_int_equal((uint32_t)get64(f, 0x8000), sequence + 1);
    for (unsigned n = 0; n < 40; n++) {
        advance_ns(f, 33);
        assert_true(by_page(f, 1, 0x8000) == hv_reference_time(f->hv));
    }
}

static void tlfs_12_7_3_2_a_tsc_about_to_wrap_makes_the_page_invalid(void **state)
{
    struct fixture *f = *state;

    advance_ns(f, 1000);
    f->cpu[0].tsc_offset = ~0ull - 1050;
    must_wrmsr(f, 0, REFERENCE_TSC, 0x8001);
    assert_int_equal((uint32_t)get64(f, 0x8000), 0);
    advance_ns(f, 1000);
    assert_int_equal(must_rdmsr(f, 0, TIME_REF_COUNT), 20);
    must_wrmsr(f, 1, REFERENCE_TSC, 0x8001);
    assert_int_not_equal((uint32_t)get64(f, 0x8000), 0);
    assert_true(by_page(f, 1, 0x8000) == hv_reference_time(f->hv));
}

static void frequencies(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(must_rdmsr(f, 0, TSC_FREQUENCY), FIXTURE_TSC_HZ);
    assert_int_equal(must_rdmsr(f, 0, APIC_FREQUENCY), FIXTURE_APIC_HZ);
}

static void tlfs_7_5_reading_guest_idle_sleeps(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(must_rdmsr(f, 1, 0x400000F0), 0);
    assert_true(f->cpu[1].asleep);
    assert_false(f->cpu[0].asleep);
    assert_false(wrmsr(f, 1, 0x400000F0, 0));
    assert_true(cpuid(f, 0x40000003).edx >> 5 & 1);
}

static void tlfs_8_12_npiep_is_per_processor(void **state)
{
    struct fixture *f = *state;

    assert_true(cpuid(f, 0x40000003).edx >> 12 & 1);
    must_wrmsr(f, 1, NPIEP, 0xF);
    assert_int_equal(must_rdmsr(f, 1, NPIEP), 0xF);
    assert_int_equal(must_rdmsr(f, 0, NPIEP), 0);
    assert_int_equal(f->cpu[1].npiep, 0xF);
    assert_int_equal(f->cpu[0].npiep, 0);
    must_wrmsr(f, 1, NPIEP, 0xFFFFFFFFFFFFFFF4ull);     /* the rest is RsvdP */
    assert_int_equal(must_rdmsr(f, 1, NPIEP), 4);
    device_reset_all(&f->tree);
    assert_int_equal(must_rdmsr(f, 1, NPIEP), 0);
    assert_int_equal(f->cpu[1].npiep, 0);
}

static void tlfs_10_3_5_eoi_assist_lies_in_the_assist_page(void **state)
{
    struct fixture *f = *state;
    const struct fake_apic *a = &f->apic[1];

    assert_false(a->assist->set(a->assist_arg, true));              /* no page */
    must_wrmsr(f, 1, ASSIST_PAGE, 0x9001);
    assert_true(a->assist->set(a->assist_arg, true));
    assert_int_equal(get64(f, 0x9000), 1);                          /* bits 31:1 are zero */
    assert_true(a->assist->get(a->assist_arg));
    space_write(f->memory, 0x9000, 4, 0);
    assert_false(a->assist->get(a->assist_arg));
    assert_true(a->assist->set(a->assist_arg, true));
    assert_true(a->assist->set(a->assist_arg, false));
    assert_int_equal(get64(f, 0x9000), 0);
    must_wrmsr(f, 1, ASSIST_PAGE, 0x9000);
    assert_false(a->assist->set(a->assist_arg, true));
}

static void run(struct fixture *f, unsigned vp, uint64_t ns)
{
    f->cpu[vp].stats.retired += ns;     /* 1 ns each */
    advance_ns(f, ns);
}

static void tlfs_12_6_unhalted_timer_counts_run_time_only(void **state)
{
    struct fixture *f = *state;

    assert_true(cpuid(f, 0x40000003).edx >> 23 & 1);
    must_wrmsr(f, 0, ASSIST_PAGE, 0x9001);
    must_wrmsr(f, 0, UNHALTED_COUNT, 100);              /* 10 us */
    must_wrmsr(f, 0, UNHALTED_CONFIG, 1 << 8 | 0xE0);
    run(f, 0, 9000);
    assert_int_equal(f->apic[0].nrequested, 0);
    assert_int_equal(get64(f, 0x9038) & 0xFF, 0);
    f->cpu[0].idle = true;
    advance_ns(f, 50000000);                            /* halted */
    assert_int_equal(f->apic[0].nrequested, 0);
    f->cpu[0].idle = false;
    run(f, 0, 1000);
    advance_ns(f, 1000000);                             /* another processor's: the next look */
    assert_int_equal(f->apic[0].nrequested, 1);
    assert_int_equal(f->apic[0].requested[0], 0xE0);
    assert_int_equal(get64(f, 0x9038) & 0xFF, 1);
    for (unsigned n = 2; n < 6; n++) {                  /* goes on by itself */
        run(f, 0, 10000);
        assert_int_equal(f->apic[0].nrequested, n);
    }
    run(f, 0, 14000);                                   /* one late: the next is in step again */
    assert_int_equal(f->apic[0].nrequested, 6);
    run(f, 0, 6000);
    assert_int_equal(f->apic[0].nrequested, 7);
    must_wrmsr(f, 0, UNHALTED_CONFIG, 0xE0);
    run(f, 0, 1000000);
    assert_int_equal(f->apic[0].nrequested, 7);
}

static void tlfs_12_6_1_unhalted_timer_configuration(void **state)
{
    struct fixture *f = *state;

    assert_false(wrmsr(f, 0, UNHALTED_CONFIG, 1 << 9));
    assert_false(wrmsr(f, 0, UNHALTED_CONFIG, 1ull << 55));
    assert_false(wrmsr(f, 0, UNHALTED_CONFIG, 1 << 8 | 15));
    must_wrmsr(f, 0, UNHALTED_CONFIG, 1 << 8 | 2);      /* NMI */
    assert_int_equal(must_rdmsr(f, 0, UNHALTED_CONFIG), 1 << 8 | 2);
    must_wrmsr(f, 0, UNHALTED_COUNT, 10);
    assert_int_equal(must_rdmsr(f, 0, UNHALTED_COUNT), 10);
    assert_int_equal(must_rdmsr(f, 1, UNHALTED_COUNT), 0);
    run(f, 0, 1000);
    assert_int_equal(f->cpu[0].nmis, 1);
    assert_int_equal(f->apic[0].nrequested, 0);
    must_wrmsr(f, 0, UNHALTED_COUNT, 0);                /* no period, no interrupt */
    run(f, 0, 100000);
    assert_int_equal(f->cpu[0].nmis, 1);
}

static void tlfs_16_6_reenlightenment_registers(void **state)
{
    struct fixture *f = *state;

    must_wrmsr(f, 0, 0x40000106, 2ull << 32 | 1 << 16 | 0xEE);
    assert_true(must_rdmsr(f, 1, 0x40000106) == (2ull << 32 | 1 << 16 | 0xEE));
    assert_false(wrmsr(f, 0, 0x40000106, 1 << 16 | 15));
    assert_false(wrmsr(f, 0, 0x40000106, 1 << 8));
    must_wrmsr(f, 0, 0x40000107, 1);
    assert_false(wrmsr(f, 0, 0x40000107, 2));
    assert_int_equal(must_rdmsr(f, 0, 0x40000107), 1);
    assert_int_equal(must_rdmsr(f, 0, 0x40000108), 0);
}

static void tlfs_7_9_1_run_time_counts_this_processors_instructions(void **state)
{
    struct fixture *f = *state;

    advance_ns(f, 5000);
    assert_int_equal(must_rdmsr(f, 0, VP_RUNTIME), 0);
    f->cpu[0].stats.retired += 2500;
    assert_int_equal(must_rdmsr(f, 0, VP_RUNTIME), 25);
    assert_int_equal(must_rdmsr(f, 1, VP_RUNTIME), 0);
}

static void saved_state_loads_again(void **state)
{
    struct fixture *f = *state, *other = fixture_create(NULL);
    struct device *from = f->tree.first, *to = other->tree.first;

    hello(f);
    must_wrmsr(f, 0, HYPERCALL, 0x5001);
    must_wrmsr(f, 0, REFERENCE_TSC, 0x8001);
    must_wrmsr(f, 1, 0x40000083, 0x9001);
    must_wrmsr(f, 1, 0x400000B0, 0x10009);
    must_wrmsr(f, 1, 0x400000B1, 77);
    put64(f, 0x9010, 0x1122334455667788ull);
    for (; from != NULL; from = from->next, to = to->next) {
        struct writer w = { 0 };
        struct reader r;
        struct err err;

        device_save(from, &w);
        r = reader_of(w.bytes, w.len);
        err = device_load(to, &r);
        assert_false(failed(&err));
        assert_true(reader_done(&r));
        if (to->class->loaded != NULL)
            to->class->loaded(to);
        assert_true(device_hash(from, 0) == device_hash(to, 0));
        writer_free(&w);
    }
    assert_int_equal(must_rdmsr(other, 2, HYPERCALL), 0x5001);
    assert_int_equal(get64(other, 0x5000) & 0xFFFFFFFF, 0xC3C1010F);
    assert_true(get64(other, 0x9010) == 0x1122334455667788ull);
    fixture_teardown((void **)&other);
}

/* A file of states may hold what no guest can bring about: timers that are due and have no period. */
static void made_up_timers_without_a_period_do_not_run(void **state)
{
    struct fixture *f = *state;
    struct vp *vp = f->hv->vps[0];

    hello(f);
    must_wrmsr(f, 0, 0x400000B0, 0xED0 | 1u << 12 | 3);     /* direct, periodic, enabled */
    must_wrmsr(f, 0, 0x400000B1, 100);
    must_wrmsr(f, 0, UNHALTED_COUNT, 100);
    must_wrmsr(f, 0, UNHALTED_CONFIG, 1 << 8 | 0xE0);
    vp->state.unhalted_count = vp->state.stimer_count[0] = 0;
    vp->dev.class->loaded(&vp->dev);
    run(f, 0, 1000000);
    assert_int_equal(f->apic[0].nrequested, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(tlfs_2_4_identity_leaves),
        TEST(tlfs_2_4_3_version_is_hidden_until_the_guest_tells_its_identity),
        TEST(tlfs_2_4_4_privilege_mask_is_shown),
        TEST(leaves_outside_the_range_are_the_processors),
        TEST(tlfs_2_6_guest_os_id_is_partition_wide),
        TEST(tlfs_3_13_hypercall_page_needs_an_identity),
        TEST(tlfs_3_13_hypercall_page_beyond_the_gpa_space_is_gp),
        TEST(tlfs_3_13_locked_hypercall_msr_stays_until_reset),
        TEST(tlfs_7_8_1_vp_index),
        cmocka_unit_test(tlfs_4_2_2_privileges_gate_registers),
        TEST(tlfs_8_10_an_unknown_number_is_gp),
        TEST(read_only_and_write_only_registers),
        TEST(tlfs_4_3_crash_parameters_and_message_reach_the_machine),
        TEST(reset_register_asks_the_machine),
        TEST(tlfs_10_2_3_apic_registers),
        TEST(tlfs_12_4_reference_counter_counts_100_ns),
        TEST(tlfs_12_1_2_reference_counter_strictly_increases),
        TEST(tlfs_12_7_3_reference_tsc_page_agrees_with_the_counter),
        TEST(tlfs_12_7_3_page_follows_a_written_tsc_without_a_jump),
        TEST(tlfs_12_7_3_2_a_tsc_about_to_wrap_makes_the_page_invalid),
        TEST(frequencies),
        TEST(tlfs_7_5_reading_guest_idle_sleeps),
        TEST(tlfs_8_12_npiep_is_per_processor),
        TEST(tlfs_10_3_5_eoi_assist_lies_in_the_assist_page),
        TEST(tlfs_12_6_unhalted_timer_counts_run_time_only),
        TEST(tlfs_12_6_1_unhalted_timer_configuration),
        TEST(tlfs_16_6_reenlightenment_registers),
        TEST(tlfs_7_9_1_run_time_counts_this_processors_instructions),
        TEST(saved_state_loads_again),
        TEST(made_up_timers_without_a_period_do_not_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
