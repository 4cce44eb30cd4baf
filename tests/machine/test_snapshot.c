/* SPDX-License-Identifier: MIT
 * Snapshots of whole machines: restoring is the identity, taking changes nothing, pages are shared, code that changed in between
 * is decoded again and other code is not. tests/machine/prove_snapshots.c does the same with real guests. */
#include "machine/snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "machine/snapshot_internal.h"
#include "tests/check.h"
#include "tests/machine/busy_guest.h"
#include "tests/random.h"

static char saved[] = "snapshot-test-XXXXXX";

static int set_up(void **state)
{
    close(mkstemp(saved));
    return write_image(state);
}

static int tear_down(void **state)
{
    unlink(saved);
    return remove_image(state);
}

static struct machine_config config(void)
{
    struct machine_config cfg;

    machine_config_default(&cfg);
    cfg.kernel = path;
    cfg.ram_bytes = 8u << 20;
    return cfg;
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
        straight = machine_made(&cfg);
        m = machine_made(&cfg);
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
    struct machine *m = machine_made(&cfg);
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

static unsigned pages_away(const struct machine *m)
{
    unsigned n = 0;

    for (uint64_t page = 0; page < m->ram->len >> PAGE_SHIFT; page++)
        n += m->ram->away[page];
    return n;
}

#define FREE_AT     0x600000u       /* nobody else is there */
#define FREE_PAGES  64u

static void fill(struct machine *m, uint8_t value)
{
    for (uint64_t at = 0; at < FREE_PAGES * PAGE_SIZE; at += 8)
        space_write(m->memory, FREE_AT + at, 8, value * UINT64_C(0x0101010101010101));
}

/* Taking copies nothing, restoring brings only what is looked at; whoever looks, and however, sees the right bytes. */
static void pages_come_when_they_are_looked_at(void **state)
{
    struct machine_config cfg = config();
    struct machine *m = machine_made(&cfg);
    struct snapshots *s;
    struct snapshot *a, *b;
    uint8_t bytes[16];
    uint64_t hash, before;

    (void)state;
    must(snapshots_create(&s, m));
    fill(m, 0x11);
    a = snapshot_take(s);
    before = snapshots_memory(s);
    fill(m, 0x22);
    assert_in_range(snapshots_memory(s) - before, FREE_PAGES * PAGE_SIZE, (FREE_PAGES + 1) * PAGE_SIZE);
    b = snapshot_take(s);
    hash = machine_hash(m);
    assert_in_range(snapshots_memory(s) - before, FREE_PAGES * PAGE_SIZE, (FREE_PAGES + 8) * PAGE_SIZE);
    assert_int_equal(pages_away(m), 0);
    must(snapshot_restore(s, a));
    assert_true(pages_away(m) >= FREE_PAGES);
    assert_int_equal(space_read(m->memory, FREE_AT + 4, 1), 0x11);
    assert_int_equal(space_read(m->memory, FREE_AT + 2 * PAGE_SIZE - 2, 4), 0x11111111);
    space_write(m->memory, FREE_AT + 3 * PAGE_SIZE + 8, 1, 0x33);
    assert_int_equal(space_read(m->memory, FREE_AT + 3 * PAGE_SIZE + 7, 4), 0x11113311);
    space_write(m->memory, FREE_AT + 6 * PAGE_SIZE - 2, 4, 0x44444444);
    space_read_bytes(m->memory, FREE_AT + 6 * PAGE_SIZE - 4, bytes, 8);
    assert_memory_equal(bytes, "\x11\x11\x44\x44\x44\x44\x11\x11", 8);
    memset(bytes, 0x55, sizeof bytes);
    space_write_bytes(m->memory, FREE_AT + 8 * PAGE_SIZE - 8, bytes, 16);
    assert_int_equal(space_read(m->memory, FREE_AT + 8 * PAGE_SIZE + 4, 8), 0x1111111155555555);
    assert_true(pages_away(m) >= FREE_PAGES - 8);
    must(snapshot_restore(s, b));                   /* what was not looked at is here still */
    assert_true(pages_away(m) < 16);
    assert_int_equal(space_read(m->memory, FREE_AT + 3 * PAGE_SIZE + 8, 8), 0x2222222222222222);
    assert_int_equal(space_read(m->memory, FREE_AT + 20 * PAGE_SIZE, 8), 0x2222222222222222);
    assert_true(machine_hash(m) == hash);
    assert_int_equal(pages_away(m), 0);
    must(snapshot_restore(s, a));
    snapshot_drop(s, a);
    a = snapshot_take(s);                           /* of what is away */
    fill(m, 0x66);
    must(snapshot_restore(s, a));
    assert_int_equal(space_read(m->memory, FREE_AT + 30 * PAGE_SIZE, 8), 0x1111111111111111);
    machine_free(m);
}

/* Nobody asks for a hash in between, which would bring all pages. */
static void runs_go_on_from_pages_that_are_away(void **state)
{
    struct machine_config cfg = config();

    (void)state;
    for (unsigned variant = 0; variant < 4; variant++) {
        struct machine *straight, *m;
        struct snapshots *s;
        struct snapshot *at[8];

        cfg.jit = variant & 1 && machine_can_translate();
        cfg.nvps = variant & 2 ? 3 : 1;
        straight = machine_made(&cfg);
        m = machine_made(&cfg);
        must(snapshots_create(&s, m));
        for (unsigned k = 0; k < 8; k++) {
            at[k] = snapshot_take(s);
            machine_run(m, 30011);
        }
        for (unsigned k = 0; k < 40; k++) {
            const unsigned to = (unsigned)random_below(8);

            must(snapshot_restore(s, at[to]));
            machine_run(m, random_below(60000));
            if (random_below(2)) {
                snapshot_drop(s, at[to]);
                must(snapshot_restore(s, at[(to + 1) % 8]));
                machine_run(m, random_below(20000));
                at[to] = snapshot_take(s);
            }
        }
        machine_run(straight, 600000);
        machine_run(m, 600000 - machine_insns(m));
        assert_true(machine_hash(m) == machine_hash(straight));
        machine_free(m);
        machine_free(straight);
    }
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
    m = machine_made(&cfg);
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

/* ---- files ---- */

static uint64_t rounds(uint64_t few)
{
    const char *more = getenv("PARTITA_SNAPSHOT_ROUNDS");

    return more != NULL ? strtoull(more, NULL, 0) : few;
}

static void files_come_back(void **state)
{
    struct machine_config cfg = config();

    (void)state;
    for (unsigned variant = 0; variant < 4; variant++) {
        struct machine *m, *other;
        uint64_t hash;

        cfg.hv = variant & 1;
        cfg.nvps = variant & 2 ? 3 : 1;
        m = machine_made(&cfg);
        cfg.jit = !cfg.jit && machine_can_translate();
        other = machine_made(&cfg);
        machine_run(m, 123457);
        must(machine_save(m, saved));
        machine_run(other, 5000);
        must(machine_load(other, saved));
        assert_true(machine_hash(other) == machine_hash(m));
        machine_run(m, 54321);
        machine_run(other, 54321);
        hash = machine_hash(m);
        assert_true(machine_hash(other) == hash);
        machine_free(m);
        machine_free(other);
    }
    unlink(saved);
}

static void stopped_runs_go_on(void **state)
{
    struct machine_config cfg = config();
    struct machine *m, *straight = machine_made(&cfg);

    (void)state;
    cfg.stop_at = 3000;
    m = machine_made(&cfg);
    assert_int_equal(machine_run(m, UINT64_MAX), RUN_STOP_AT);
    must(machine_save(m, saved));
    machine_free(m);
    cfg.stop_at = 9000;
    m = machine_made(&cfg);
    must(machine_load(m, saved));
    assert_int_equal(machine_run(m, 5000), RUN_LIMIT);
    machine_run(straight, 8000);
    assert_true(machine_hash(m) == machine_hash(straight));
    machine_free(m);
    machine_free(straight);
    unlink(saved);
}

static void other_machines_are_refused(void **state)
{
    struct machine_config cfg = config(), others[5];
    struct machine *m = machine_made(&cfg);

    (void)state;
    must(machine_save(m, saved));
    machine_free(m);
    for (unsigned k = 0; k < 5; k++)
        others[k] = cfg;
    others[0].ram_bytes = 16u << 20;
    others[1].nvps = 2;
    others[2].hv = false;
    others[3].append = "more";
    others[4].vga = false;
    for (unsigned k = 0; k < 5; k++) {
        struct err e;
        uint64_t hash;

        m = machine_made(&others[k]);
        hash = machine_hash(m);
        e = machine_load(m, saved);
        assert_int_equal(e.code, ERR_USAGE);
        assert_non_null(strstr(e.text, "another machine"));
        assert_null(strchr(e.text, '\n'));
        assert_true(machine_hash(m) == hash);
        machine_free(m);
    }
    unlink(saved);
}

static void damage(struct blob *b)
{
    switch (random_below(4)) {
    case 0:
        b->bytes[random_below(b->len)] ^= (uint8_t)(1u << random_below(8));
        break;
    case 1:
        b->len = (size_t)random_below(b->len);
        break;
    case 2: {       /* a hole */
        size_t at = (size_t)random_below(b->len), n = (size_t)random_below(b->len - at) / 2;

        memmove(b->bytes + at, b->bytes + at + n, b->len - at - n);
        b->len -= n != 0 ? n : 1;
        break;
    }
    default: {
        size_t at = (size_t)random_below(b->len);

        for (size_t k = at; k < at + 16 && k < b->len; k++)
            b->bytes[k] = (uint8_t)~b->bytes[k];
        break;
    }
    }
}

static void damaged_files_are_refused(void **state)
{
    struct machine_config cfg = config();
    struct machine *m = machine_made(&cfg);
    struct blob good;
    uint64_t hash;

    (void)state;
    machine_run(m, 30000);
    must(machine_save(m, saved));
    hash = machine_hash(m);
    must(file_read_all(saved, &good));
    for (uint64_t n = rounds(300); n > 0; n--) {
        struct blob b = { malloc(good.len), good.len };
        struct snapshot *at;
        struct err e;
        uint64_t h;

        memcpy(b.bytes, good.bytes, good.len);
        damage(&b);
        e = snapshot_read(m->snapshots, b.bytes, b.len, &at, &h);
        assert_true(failed(&e));
        assert_true(strlen(e.text) > 10 && strchr(e.text, '\n') == NULL);
        blob_free(&b);
    }
    must(file_write_all(saved, "", 0));
    assert_int_equal(machine_load(m, saved).code, ERR_FORMAT);
    must(file_write_all(saved, good.bytes, good.len / 2));
    assert_int_equal(machine_load(m, saved).code, ERR_FORMAT);
    assert_true(machine_hash(m) == hash);
    blob_free(&good);
    machine_free(m);
    unlink(saved);
}

/* A byte, or several together that may be a number: any, or one too large for everything. Most are at the beginning, before rings. */
static void spoil(uint8_t *bytes, uint64_t len)
{
    const uint64_t at = random_below(random_below(2) && len > 64 ? 64 : len), n = random_below(2) ? 1 : 1 + random_below(8);
    const bool large = random_below(2);

    for (uint64_t k = at; k < at + n && k < len; k++)
        bytes[k] = large ? 0xff : (uint8_t)random_below(256);
}

/* Checksums keep accidents out; whoever makes a file on purpose can have them right. */
static void hostile_states_do_no_harm(void **state)
{
    static const uint8_t sectors[64 * 512];
    struct machine_config cfg = config();
    struct machine *m;
    struct snapshots *s;
    struct snapshot *good, *bad;
    uint64_t hash;
    unsigned streams = 1;

    (void)state;
    cfg.nvps = 2;
    cfg.serial[0] = "null";
    must(file_write_all(saved, sectors, sizeof sectors));
    cfg.drives[0] = (struct drive_config){ .file = saved, .bus = DRIVE_IDE, .index = 0, .snapshot = true };
    cfg.drives[1] = (struct drive_config){ .file = saved, .bus = DRIVE_IDE, .index = 2, .cdrom = true };
    cfg.ndrives = 2;
    m = machine_made(&cfg);
    must(snapshots_create(&s, m));
    machine_serial_input(m, 0, "what waits to be delivered has a place in a ring", 48);
    machine_run(m, 30000);
    good = snapshot_take(s);
    hash = machine_hash(m);
    for (const struct device *dev = m->tree.first; dev != NULL; dev = dev->next)
        streams++;
    for (uint64_t n = rounds(200); n > 0; n--) {
        struct err e;

        must(snapshot_restore(s, good));
        bad = snapshot_take(s);
        for (uint64_t k = 1 + random_below(30); k > 0; k--) {
            const uint64_t page = random_below(streams) * STREAM_PAGES;
            const uint8_t *bytes = pages_get(&bad->maps[STATE_MAP], page);
            const uint64_t len = bytes == NULL ? 0 : load64(bytes), more = len < 8192 ? 0 : random_below(len / PAGE_SIZE);

            if (len > 0)
                spoil(pages_edit(&bad->maps[STATE_MAP], page + more), len < 4000 ? 8 + len : 4096);
        }
        e = snapshot_restore(s, bad);
        if (!failed(&e))
            machine_run(m, 20000);
        snapshot_drop(s, bad);
        must(snapshot_restore(s, good));
        assert_true(machine_hash(m) == hash);
    }
    machine_free(m);
}

/* Bytes that wait for the guest, at a place outside of their ring. */
static void a_made_up_ring_stays_in_its_memory(void **state)
{
    struct machine_config cfg = config();
    struct { uint64_t due_ns; uint32_t head, count; } spoilt = { 0, UINT32_MAX, UINT32_MAX };
    struct machine *m;
    struct device *line;

    (void)state;
    cfg.serial[0] = "null";
    m = machine_made(&cfg);
    line = device_find(&m->tree, "serial-line.0");
    assert_non_null(line);
    memcpy(device_state(line), &spoilt, sizeof spoilt);
    line->class->loaded(line);
    machine_run(m, 300000);         /* a character takes 87 us */
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
    m = machine_made(&cfg);
    e = snapshots_create(&s, m);
    assert_int_equal(e.code, ERR_USAGE);
    machine_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(restoring_is_the_identity),
        cmocka_unit_test(pages_are_shared),
        cmocka_unit_test(pages_come_when_they_are_looked_at),
        cmocka_unit_test(runs_go_on_from_pages_that_are_away),
        cmocka_unit_test(decoded_code_survives),
        cmocka_unit_test(files_come_back),
        cmocka_unit_test(stopped_runs_go_on),
        cmocka_unit_test(other_machines_are_refused),
        cmocka_unit_test(damaged_files_are_refused),
        cmocka_unit_test(hostile_states_do_no_harm),
        cmocka_unit_test(a_made_up_ring_stays_in_its_memory),
        cmocka_unit_test(disks_written_in_place_are_refused),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
