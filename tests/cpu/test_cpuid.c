/* SPDX-License-Identifier: MIT
 * Models, features by name, and the leaves that follow from them. */
#include "cpu/cpuid.h"
#include "cpu/xsave.h"
#include "tests/cpu/steps.h"

#include <string.h>

static struct fixture *const f = &steps_fixture;

static bool config_has(const struct cpu_config *c, unsigned feature)
{
    return c->features[feature / 64] & BIT64(feature % 64);
}

static struct err parse(struct cpu_config *c, const char *spec)
{
    *c = (struct cpu_config){ 0 };
    return cpu_config_parse(c, spec);
}

static void unknown_names_say_what_exists(void **state)
{
    struct cpu_config c;
    struct err e = parse(&c, "pentium9");

    (void)state;
    assert_true(failed(&e));
    assert_non_null(strstr(e.text, "x86-64-v2"));
    e = parse(&c, "max,+warp");
    assert_true(failed(&e));
    assert_non_null(strstr(e.text, "warp"));
    e = parse(&c, "max,sse2");
    assert_true(failed(&e));
    e = parse(&c, "");
    assert_true(failed(&e));
    e = parse(&c, "max,");
    assert_true(failed(&e));
}

static void taking_a_feature_away_takes_what_needs_it(void **state)
{
    struct cpu_config c;
    struct err e = parse(&c, "max,-xsave");

    (void)state;
    assert_false(failed(&e));
    assert_false(config_has(&c, F_XSAVE));
    assert_false(config_has(&c, F_XSAVES));
    assert_false(config_has(&c, F_PKU));
    assert_true(config_has(&c, F_SSE42));
}

static void adding_a_feature_needs_its_ground(void **state)
{
    struct cpu_config c;
    struct err e = parse(&c, "pentium3,+pcid");

    (void)state;
    assert_true(failed(&e));
    assert_non_null(strstr(e.text, "lm"));
    e = parse(&c, "max,+monitor");
    assert_false(failed(&e));
    assert_true(config_has(&c, F_MONITOR));
}

static void an_old_processor_has_old_leaves(void **state)
{
    struct err e = cpu_config_parse(&f->cpu->config, "486");
    struct cpuid_regs r = cpuid_leaf(f->cpu, 0, 0), last;

    (void)state;
    assert_false(failed(&e));
    assert_int_equal(r.eax, 1);
    r = cpuid_leaf(f->cpu, 1, 0);
    assert_int_equal(r.eax, 0x480);
    assert_int_equal(r.edx, 3);
    last = cpuid_leaf(f->cpu, 0x80000000, 0);       /* none: the highest basic leaf's data, which is below 80000000h */
    assert_memory_equal(&last, &r, sizeof r);
}

static void signature_splits_family_and_model(void **state)
{
    struct cpuid_regs r = cpuid_leaf(f->cpu, 1, 0);

    (void)state;
    assert_int_equal(r.eax, 0x506e3);               /* family 6, model 94, stepping 3 */
    assert_int_equal(f->cpu->config.model != NULL, 1);
    cpu_reset(f->cpu, false);
    assert_int_equal(f->cpu->s.gpr[RDX], 0x506e3);
}

static void dynamic_bits_follow_the_registers(void **state)
{
    struct fake_apic apic;

    (void)state;
    give_apic(f, &apic);
    f->cpu->p.cr4 &= ~(uint64_t)CR4_OSXSAVE;
    assert_false(cpuid_leaf(f->cpu, 1, 0).ecx & BIT(27));
    f->cpu->p.cr4 |= CR4_OSXSAVE | CR4_PKE;
    assert_true(cpuid_leaf(f->cpu, 1, 0).ecx & BIT(27));
    assert_true(cpuid_leaf(f->cpu, 7, 0).ecx & BIT(4));
    assert_true(cpuid_leaf(f->cpu, 1, 0).edx & BIT(9));
    apic.base &= ~(uint64_t)0x800;
    assert_false(cpuid_leaf(f->cpu, 1, 0).edx & BIT(9));
}

static void topology_counts_processors(void **state)
{
    struct cpuid_regs r;

    (void)state;
    f->cpu->config.count = 6;
    f->cpu->config.index = 5;
    r = cpuid_leaf(f->cpu, 1, 0);
    assert_int_equal(r.ebx >> 24, 5);
    assert_int_equal((r.ebx >> 16) & 0xff, 8);
    r = cpuid_leaf(f->cpu, 0xb, 0);
    assert_int_equal(r.eax, 0);
    assert_int_equal(r.ecx, 0x100);
    assert_int_equal(r.edx, 5);
    r = cpuid_leaf(f->cpu, 0xb, 1);
    assert_int_equal(r.eax, 3);
    assert_int_equal(r.ebx, 6);
    assert_int_equal(r.ecx, 0x201);
    r = cpuid_leaf(f->cpu, 0xb, 2);
    assert_int_equal(r.eax | r.ebx, 0);
    assert_int_equal(r.ecx, 2);
    f->cpu->config.index = 0;
}

static void xsave_sizes_follow_xcr0(void **state)
{
    struct cpuid_regs r;

    (void)state;
    f->cpu->s.xcr0 = 3;
    r = cpuid_leaf(f->cpu, 0xd, 0);
    assert_int_equal(r.ebx, 576);
    assert_true((r.eax & 3) == 3 && r.ecx >= 576);
    f->cpu->s.xcr0 = 3 | XSAVE_PKRU;
    r = cpuid_leaf(f->cpu, 0xd, 0);
    assert_int_equal(r.ebx, 2688 + 8);
    r = cpuid_leaf(f->cpu, 0xd, 1);
    assert_int_equal(r.ebx, 576 + 8);
    r = cpuid_leaf(f->cpu, 0xd, 9);
    assert_int_equal(r.eax, 8);
    assert_int_equal(r.ebx, 2688);
    r = cpuid_leaf(f->cpu, 0xd, 63);
    assert_int_equal(r.eax | r.ebx | r.ecx | r.edx, 0);
}

static void tsc_follows_the_crystal(void **state)
{
    struct cpuid_regs r;

    (void)state;
    f->cpu->config.tsc_hz = 2500000000u;
    r = cpuid_leaf(f->cpu, 0x15, 0);
    assert_true(r.eax != 0);
    assert_int_equal((uint64_t)r.ecx * r.ebx / r.eax, 2500000000u);
    assert_int_equal(cpuid_leaf(f->cpu, 0x16, 0).eax, 2500);
}

static void beyond_the_last_leaf_comes_the_last(void **state)
{
    struct cpuid_regs last = cpuid_leaf(f->cpu, 0x16, 0), r = cpuid_leaf(f->cpu, 0x40000000, 0);

    (void)state;
    assert_memory_equal(&last, &r, sizeof r);
    f->cpu->p.misc_enable |= BIT64(22);             /* limit CPUID */
    assert_int_equal(cpuid_leaf(f->cpu, 0, 0).eax, 2);
}

static enum intercept host_cpuid(void *self, struct cpu *cpu, uint32_t leaf, uint32_t subleaf, struct cpuid_regs *io)
{
    (void)self;
    (void)cpu;
    if (leaf != 0x40000000)
        return PASS;
    *io = (struct cpuid_regs){ 0x4000000a, subleaf, 3, 4 };
    return DONE;
}

static void the_host_answers_its_leaves(void **state)
{
    static const struct cpu_host host = { .cpuid = host_cpuid };

    (void)state;
    cpu_set_host(f->cpu, &host, NULL);
    f->cpu->s.gpr[RAX] = 0xffffffff40000000u;
    f->cpu->s.gpr[RCX] = 7;
    assert_int_equal(FRESH("\x0f\xa2"), -1);
    assert_int_equal(f->cpu->s.gpr[RAX], 0x4000000a);
    assert_int_equal(f->cpu->s.gpr[RBX], 7);
    assert_int_equal(f->cpu->s.gpr[RDX], 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(unknown_names_say_what_exists, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(taking_a_feature_away_takes_what_needs_it, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(adding_a_feature_needs_its_ground, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(an_old_processor_has_old_leaves, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(signature_splits_family_and_model, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(dynamic_bits_follow_the_registers, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(topology_counts_processors, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(xsave_sizes_follow_xcr0, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(tsc_follows_the_crystal, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(beyond_the_last_leaf_comes_the_last, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(the_host_answers_its_leaves, steps_long, steps_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
