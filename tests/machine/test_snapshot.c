/* SPDX-License-Identifier: MIT
 * Snapshots of whole machines: restoring is the identity, taking changes nothing, pages are shared, code that changed in between
 * is decoded again and other code is not. tests/machine/prove_snapshots.c does the same with real guests. */
#include "machine/snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "machine/internal.h"
#include "tests/check.h"

/* Patches its own code, stores all over 1 MiB, reads the TSC and the PIT, writes to the screen and a PIT channel, for ever. */
static const uint8_t program[] = {
    0xfa,                                           /* cli */
    0x31, 0xc0,                                     /* xor eax, eax */
    0x31, 0xc9,                                     /* xor ecx, ecx */
    0x41,                                           /* l: inc ecx */
    0x88, 0x0d, 0x2d, 0x00, 0x10, 0x00,             /* mov [patched], cl */
    0x01, 0xc8,                                     /* add eax, ecx */
    0x69, 0xd1, 0xb1, 0x79, 0x37, 0x9e,             /* imul edx, ecx, 9e3779b1h */
    0xc1, 0xea, 0x0e,                               /* shr edx, 14 */
    0x89, 0x04, 0x95, 0x00, 0x00, 0x20, 0x00,       /* mov [200000h + edx * 4], eax */
    0x05, 0x00, 0x00, 0x00, 0x00,                   /* add eax, 0; 10002dh: patched */
    0xe6, 0x42,                                     /* out 42h, al */
    0x31, 0x05, 0x00, 0x80, 0x0b, 0x00,             /* xor [b8000h], eax */
    0x8b, 0xd8,                                     /* mov ebx, eax */
    0x0f, 0x31,                                     /* rdtsc */
    0x01, 0xd8,                                     /* add eax, ebx */
    0x8b, 0xd8,                                     /* mov ebx, eax */
    0xe4, 0x40,                                     /* in al, 40h */
    0x01, 0xd8,                                     /* add eax, ebx */
    0xeb, 0xc8,                                     /* jmp l */
};

#define PATCHED (0x20 + 5 + 1 + 6 + 2 + 6 + 3 + 7 + 1)

static char path[] = "/tmp/partita-test-XXXXXX";

static int write_image(void **state)
{
    uint8_t image[32 + sizeof program] = { 0 };
    uint32_t fields[8] = { 0x1badb002, 0x10000, 0u - 0x1badb002 - 0x10000, 0x100000, 0x100000, 0, 0, 0x100020 };
    int fd = mkstemp(path);

    (void)state;
    memcpy(image, fields, sizeof fields);
    memcpy(image + 32, program, sizeof program);
    store32(image + 32 + 8, 0x100000 + PATCHED);
    image[32 + sizeof program - 1] = (uint8_t)(5 - (int)sizeof program);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, image, sizeof image), sizeof image);
    close(fd);
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
    return cfg;
}

static void must(struct err e)
{
    if (failed(&e))
        fail_msg("%s", e.text);
}

static struct machine *create(const struct machine_config *cfg)
{
    struct machine *m = NULL;

    must(machine_create(&m, cfg));
    return m;
}

static void must_equal(struct snapshots *s, const struct snapshot *a, const struct snapshot *b)
{
    char text[256];

    if (snapshot_difference(s, a, b, text, sizeof text))
        fail_msg("%s", text);
}

static void restoring_is_the_identity(void **state)
{
    struct machine_config cfg = config();

    (void)state;
    for (unsigned variant = 0; variant < 8; variant++) {
        struct machine *straight, *m;
        struct snapshots *s;
        struct snapshot *at[3];
        uint64_t hash[3];

        cfg.hv = variant & 1;
        cfg.jit = variant & 2 && machine_can_translate();
        cfg.nvps = variant & 4 ? 3 : 1;
        straight = create(&cfg);
        m = create(&cfg);
        must(snapshots_create(&s, m));
        for (unsigned k = 0; k < 3; k++) {
            at[k] = snapshot_take(s);
            hash[k] = machine_hash(m);
            assert_true(machine_hash(straight) == hash[k]);
            assert_int_equal(machine_run(m, 70001 + k), RUN_LIMIT);
            assert_int_equal(machine_run(straight, 70001 + k), RUN_LIMIT);
        }
        assert_true(machine_hash(m) == machine_hash(straight));
        for (unsigned k = 0; k < 9; k++) {
            struct snapshot *again;

            must(snapshot_restore(s, at[k * 2 % 3]));
            assert_true(machine_hash(m) == hash[k * 2 % 3]);
            assert_int_equal(machine_insns(m), snapshot_insns(at[k * 2 % 3]));
            machine_run(m, 70001 + k * 2 % 3);
            again = snapshot_take(s);
            if (k * 2 % 3 < 2)
                must_equal(s, at[k * 2 % 3 + 1], again);
            else
                assert_true(machine_hash(m) == machine_hash(straight));
            snapshot_drop(s, again);
        }
        machine_free(m);
        machine_free(straight);
    }
}

static void pages_are_shared(void **state)
{
    struct machine_config cfg = config();
    struct machine *m = create(&cfg);
    struct snapshots *s;
    struct snapshot *a, *b;
    uint64_t first, second;

    (void)state;
    must(snapshots_create(&s, m));
    machine_run(m, 100000);
    a = snapshot_take(s);
    first = snapshots_memory(s);
    b = snapshot_take(s);
    assert_true(snapshots_memory(s) - first < 65536);       /* nothing ran */
    assert_ptr_equal(snapshot_ram_page(a, 0x100), snapshot_ram_page(b, 0x100));
    assert_null(snapshot_ram_page(a, 0x700));               /* nobody was there */
    snapshot_drop(s, b);
    machine_run(m, 20);
    b = snapshot_take(s);
    second = snapshots_memory(s);
    assert_true(second - first < 131072);
    assert_true(snapshot_ram_page(a, 0x100) != snapshot_ram_page(b, 0x100));    /* the patched code */
    assert_int_not_equal(snapshot_ram_page(a, 0x100)[PATCHED], snapshot_ram_page(b, 0x100)[PATCHED]);
    snapshot_drop(s, a);
    snapshot_drop(s, b);
    machine_free(m);
}

static void decoded_code_survives(void **state)
{
    struct machine_config cfg = config();
    struct machine *m;
    struct snapshots *s;
    struct snapshot *a;
    uint64_t built;

    (void)state;
    cfg.jit = false;
    m = create(&cfg);
    must(snapshots_create(&s, m));
    machine_run(m, 1000);
    a = snapshot_take(s);
    machine_run(m, 1000);
    must(snapshot_restore(s, a));
    built = cpu_stats(m->vps[0])->blocks_built;
    machine_run(m, 1);
    assert_true(cpu_stats(m->vps[0])->blocks_built - built <= 2);
    machine_free(m);
}

static void disks_written_in_place_are_refused(void **state)
{
    struct machine_config cfg = config();
    struct machine *m;
    struct snapshots *s;
    struct err e;

    (void)state;
    cfg.ndrives = 1;
    cfg.drives[0] = (struct drive_config){ .file = path, .bus = DRIVE_IDE, .index = 0 };
    assert_int_equal(truncate(path, 65536), 0);
    m = create(&cfg);
    e = snapshots_create(&s, m);
    assert_int_equal(e.code, ERR_USAGE);
    machine_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(restoring_is_the_identity),
        cmocka_unit_test(pages_are_shared),
        cmocka_unit_test(decoded_code_survives),
        cmocka_unit_test(disks_written_in_place_are_refused),
    };

    return cmocka_run_group_tests(tests, write_image, remove_image);
}
