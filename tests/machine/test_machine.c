/* SPDX-License-Identifier: MIT
 * Whole machines: refusals, and that neither slices, nor dropped caches, nor the place of a hash change a run. */
#include "machine/machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "machine/internal.h"
#include "tests/check.h"
#include "tests/machine/image.h"

/* A Multiboot image whose header says where it loads: adds, stores, reads the TSC and the PIT, and ends by the exit port. */

static const uint8_t program[] = {
    0xfa,                                           /* cli */
    0x31, 0xc0,                                     /* xor eax, eax */
    0xb9, 0x40, 0x0d, 0x03, 0x00,                   /* mov ecx, 200000 */
    0x01, 0xc8,                                     /* l: add eax, ecx */
    0x89, 0x04, 0x8d, 0x00, 0x00, 0x20, 0x00,       /* mov [200000h + ecx * 4], eax */
    0x0f, 0x31,                                     /* rdtsc */
    0x31, 0x05, 0x00, 0x00, 0x18, 0x00,             /* xor [180000h], eax */
    0xe4, 0x40,                                     /* in al, 40h: the PIT's counter */
    0x49,                                           /* dec ecx */
    0x75, 0xec,                                     /* jnz l */
    0xb0, 0x15,                                     /* mov al, 15h */
    0xe6, 0xf4,                                     /* out f4h, al */
    0xfa, 0xf4,                                     /* cli; hlt */
};

static char path[] = "/tmp/partita-test-XXXXXX";

static int write_image(void **state)
{
    (void)state;
    image_write(path, program, sizeof program);
    return 0;
}

static int remove_image(void **state)
{
    (void)state;
    return unlink(path);
}

static struct machine_config config(void)
{
    struct machine_config cfg;

    machine_config_default(&cfg);
    cfg.kernel = path;
    cfg.ram_bytes = 8u << 20;
    cfg.debug_exit = true;
    cfg.debug_exit_port = 0xf4;
    return cfg;
}

static void slices_and_dropped_caches_change_nothing(void **state)
{
    struct machine_config cfg = config();
    struct machine *whole = machine_made(&cfg), *sliced = machine_made(&cfg);
    uint32_t seed = 12345;

    (void)state;
    for (int step = 0; step < 40; step++) {
        uint64_t target = machine_insns(whole) + 20011;

        assert_int_equal(machine_run(whole, 20011), RUN_LIMIT);
        while (machine_insns(sliced) < target) {
            uint64_t n;

            seed = seed * 1664525 + 1013904223;
            n = 1 + (seed >> 20) % 3000;
            if (n > target - machine_insns(sliced))
                n = target - machine_insns(sliced);
            assert_int_equal(machine_run(sliced, n), RUN_LIMIT);
            if (seed >> 31)
                cpu_drop_caches(sliced->vps[0]);
        }
        assert_true(machine_hash(whole) == machine_hash(sliced));
    }
    assert_int_equal(machine_run(whole, UINT64_MAX), RUN_DEBUG_EXIT);
    assert_int_equal(machine_exit_value(whole), 0x15);
    machine_free(whole);
    machine_free(sliced);
}

struct seen { uint64_t insns[4], hash[4]; unsigned n; };

static void note_hash(void *arg, uint64_t insns, uint64_t hash)
{
    struct seen *s = arg;

    s->insns[s->n] = insns;
    s->hash[s->n++] = hash;
}

static void hash_points_are_exact_and_repeat(void **state)
{
    struct machine_config cfg = config();
    struct seen first = { .n = 0 }, second = { .n = 0 };

    (void)state;
    cfg.nhashes = 3;
    cfg.hash_at[0] = 7;
    cfg.hash_at[1] = 100001;
    cfg.hash_at[2] = 300007;
    for (int round = 0; round < 2; round++) {
        struct machine *m = machine_made(&cfg);

        machine_on_hash(m, note_hash, round == 0 ? &first : &second);
        assert_int_equal(machine_run(m, UINT64_MAX), RUN_DEBUG_EXIT);
        machine_free(m);
    }
    assert_int_equal(first.n, 3);
    assert_int_equal(first.insns[1], 100001);
    assert_memory_equal(&first, &second, sizeof first);
}

static void stop_at_is_exact(void **state)
{
    struct machine_config cfg = config();
    struct machine *m;

    (void)state;
    cfg.stop_at = 54321;
    m = machine_made(&cfg);
    assert_int_equal(machine_run(m, UINT64_MAX), RUN_STOP_AT);
    assert_int_equal(machine_insns(m), 54321);
    machine_free(m);
}

static uint64_t hash_after(const struct machine_config *cfg, uint64_t insns)
{
    struct machine *m = machine_made(cfg);
    uint64_t hash;

    (void)machine_run(m, insns);
    hash = machine_hash(m);
    machine_free(m);
    return hash;
}

static void an_error_happens_at_its_instruction(void **state)
{
    struct machine_config with = config(), without = config();

    (void)state;
    with.mces[0] = (struct machine_mce){ .at = 2000, .bank = 3, .status = 0x135 };
    with.nmces = 1;
    assert_true(hash_after(&with, 1999) == hash_after(&without, 1999));
    assert_true(hash_after(&with, 2001) != hash_after(&without, 2001));
    assert_true(hash_after(&with, 2001) == hash_after(&with, 2001));
}

static void the_seed_is_part_of_the_state(void **state)
{
    struct machine_config one = config(), other = config();

    (void)state;
    other.seed = one.seed + 1;
    assert_true(hash_after(&one, 10) == hash_after(&one, 10));
    assert_true(hash_after(&one, 10) != hash_after(&other, 10));
}

static void impossible_configurations_are_refused(void **state)
{
    struct machine_config cfgs[8];
    struct machine *m;

    (void)state;
    for (int k = 0; k < 8; k++)
        cfgs[k] = config();
    cfgs[0].nvps = 0;
    cfgs[1].nvps = 65;
    cfgs[2].ram_bytes = 12345;
    cfgs[3].cpu = "no-such-model";
    cfgs[4].kernel = "/nonexistent";
    cfgs[5].serial[0] = "nonsense";
    cfgs[6].mces[0] = (struct machine_mce){ .cpu = cfgs[6].nvps };
    cfgs[7].mces[0] = (struct machine_mce){ .bank = 10 };
    cfgs[6].nmces = cfgs[7].nmces = 1;
    for (int k = 0; k < 8; k++) {
        struct err e = machine_create(&m, &cfgs[k]);

        assert_true(failed(&e));
        assert_true(strlen(e.text) > 5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices_and_dropped_caches_change_nothing),
        cmocka_unit_test(hash_points_are_exact_and_repeat),
        cmocka_unit_test(stop_at_is_exact),
        cmocka_unit_test(an_error_happens_at_its_instruction),
        cmocka_unit_test(the_seed_is_part_of_the_state),
        cmocka_unit_test(impossible_configurations_are_refused),
    };

    return cmocka_run_group_tests(tests, write_image, remove_image);
}
