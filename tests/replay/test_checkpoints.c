/* SPDX-License-Identifier: MIT
 * Checkpoints in recordings: from any of them a replay goes on as the run did; making them changes nothing; they can be added later;
 * files that were cut, changed or made up lead to the right machine or are refused. */
#include "machine/checkpoints.h"

#include <stdio.h>

#include "base/pages.h"
#include "machine/internal.h"
#include "machine/recording.h"
#include "machine/snapshot.h"
#include "machine/travel.h"
#include "tests/replay/frames.h"
#include "tests/replay/guest.h"

#define EVERY 15013

static char kernel[] = "/tmp/partita-guest-XXXXXX", file[] = "/tmp/partita-record-XXXXXX", other[] = "/tmp/partita-other-XXXXXX";

static int set_up(void **state)
{
    (void)state;
    guest_write(kernel);
    put_file(file, "", 0);
    put_file(other, "", 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return unlink(kernel) | unlink(file) | unlink(other);
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

/* ---- recording ---- */

#define POINTS 40

struct past { uint64_t insns[POINTS + 1], hash[POINTS + 1]; };      /* the last one is the end */

/* Letters at many moments, while it calculates and while it waits; at last a 'q'. */
static void record(const char *path, uint64_t every, unsigned vps, bool jit, struct past *p)
{
    struct machine_config cfg = guest_config(kernel);
    uint32_t seed = 42;
    struct machine *m;

    cfg.record = path;
    cfg.checkpoints = every;
    cfg.record_every = 20011;
    cfg.nvps = vps;
    cfg.jit = jit && machine_can_translate();
    m = machine_made(&cfg);
    for (unsigned k = 0; k < POINTS; k++) {
        uint8_t letter = (uint8_t)('a' + k % 16);

        assert_int_equal(machine_run(m, 1 + next_random(&seed) % 9000), RUN_LIMIT);
        p->insns[k] = machine_insns(m);
        p->hash[k] = machine_hash(m);
        machine_serial_input(m, 0, &letter, 1);
    }
    machine_serial_input(m, 0, "q", 1);
    assert_int_equal(machine_run(m, UINT64_MAX), RUN_DEBUG_EXIT);
    p->insns[POINTS] = machine_insns(m);
    p->hash[POINTS] = machine_hash(m);
    machine_free(m);
}

/* From the nearest checkpoint to a point, and on to the end, under the eyes of all hashes there. How far it jumped. */
static uint64_t go(const struct recording *r, const struct past *p, unsigned k, bool jit)
{
    struct machine *m = make_replay(r, jit);
    uint64_t from;
    enum run why;

    must(replay_skip(m, p->insns[k]));
    from = machine_insns(m);
    assert_true(from <= p->insns[k]);
    if (from < p->insns[k] && (why = machine_run(m, p->insns[k] - from)) != RUN_LIMIT)
        fail_msg("%d: %s", why, machine_error(m));
    assert_true(machine_insns(m) == p->insns[k] && machine_hash(m) == p->hash[k]);
    why = machine_run(m, UINT64_MAX);
    if (why != RUN_DEBUG_EXIT)
        fail_msg("%d: %s", why, machine_error(m));
    assert_true(machine_insns(m) == p->insns[POINTS] && machine_hash(m) == p->hash[POINTS]);
    machine_free(m);
    return from;
}

/* ---- going ---- */

static void a_replay_goes_on_from_any_checkpoint(void **state)
{
    (void)state;
    for (unsigned variant = 0; variant < 4; variant++) {
        struct recording_about about;
        struct recording *r;
        struct past p;

        record(file, EVERY, variant & 1 ? 3 : 1, variant & 2, &p);
        r = open_recording(file);
        recording_about(r, &about);
        assert_in_range(about.checkpoints, p.insns[POINTS] / EVERY - 1, p.insns[POINTS] / EVERY);
        assert_true(about.checkpoint_bytes > 0 && about.log_bytes + about.checkpoint_bytes <= about.file_bytes);
        assert_false(about.whole);
        for (unsigned k = 0; k < POINTS; k += 3) {
            const uint64_t from = go(r, &p, k, k % 2);

            assert_true(p.insns[k] - from < EVERY + 1000);
            assert_true(from > 0 || p.insns[k] < EVERY + 1000);
        }
        recording_close(r);
    }
}

static void making_them_changes_nothing(void **state)
{
    struct past with, without;
    struct blob a, b;

    (void)state;
    record(file, 3001, 2, true, &with);
    record(other, CHECKPOINTS_OFF, 2, true, &without);
    assert_memory_equal(&with, &without, sizeof with);
    a = read_file(file);
    b = read_file(other);
    assert_true(a.len > b.len + 10000);
    assert_true(b.len < 8192);
    blob_free(&a);
    blob_free(&b);
}

/* Pieces of a checkpoint are written at instructions, not at times. */
static void a_recording_is_made_twice_alike(void **state)
{
    struct past p;
    struct blob a, b;

    (void)state;
    record(file, 9001, 2, true, &p);
    record(other, 9001, 2, true, &p);
    a = read_file(file);
    b = read_file(other);
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.bytes, b.bytes, a.len);
    blob_free(&a);
    blob_free(&b);
}

/* Both ask which pages were written, each since it last looked itself. */
static void snapshots_see_what_was_written_before_a_checkpoint(void **state)
{
    struct machine_config cfg = guest_config(kernel);
    struct snapshots *s;
    struct machine *m;

    (void)state;
    cfg.record = file;
    cfg.checkpoints = 3001;
    m = machine_made(&cfg);
    must(snapshots_create(&s, m));
    for (unsigned round = 0; round < 6; round++) {
        struct snapshot *at = snapshot_take(s);

        for (uint64_t page = 0; page < m->ram->len / 4096; page++)
            if (snapshot_ram_page(at, page) != NULL)
                assert_memory_equal(snapshot_ram_page(at, page), m->ram->bytes + page * 4096, 4096);
        snapshot_drop(s, at);
        assert_int_equal(machine_run(m, 7000), RUN_LIMIT);
    }
    machine_free(m);
}

struct frames { struct writer all; unsigned checkpoints; size_t first; };       /* where the first one ends */

static void collect(void *arg, enum frame_kind kind, const void *bytes, size_t len)
{
    struct frames *f = arg;

    writer_uint(&f->all, 1, kind);
    writer_uint(&f->all, 8, len);
    writer_copy(&f->all, bytes, len);
    if (kind == FRAME_CHECKPOINT && f->checkpoints++ == 0)
        f->first = f->all.len;
}

/* A run goes on while its checkpoint is written, and writes where it was not looked at yet: the checkpoint is of where it was begun. */
static void they_are_of_where_they_were_begun(void **state)
{
    struct frames f[2] = { 0 };

    (void)state;
    for (unsigned at_once = 0; at_once < 2; at_once++) {
        struct machine_config cfg = guest_config(kernel);
        struct machine *m = machine_made(&cfg);
        struct checkpointer *c = checkpointer_create(m, collect, &f[at_once]);
        struct snapshots *s;
        struct snapshot *there;

        must(snapshots_create(&s, m));
        for (unsigned round = 0; round < 3; round++) {
            machine_run(m, 30011);
            for (unsigned k = 0; k < 50; k++)
                space_write(m->memory, 0x500000 + k * 4096, 4, k + round);
            there = snapshot_take(s);
            checkpointer_begin(c, round);
            assert_false(checkpointer_finished(c));
            if (!at_once) {
                assert_true(checkpointer_go_on(c, 7));
                machine_run(m, 10007);
                for (unsigned k = 0; k < 50; k++)
                    space_write(m->memory, 0x500000 + k * 4096, 4, 0x99999999);
                assert_true(checkpointer_go_on(c, 7));
                assert_int_equal(f[0].checkpoints, round);
            }
            while (checkpointer_go_on(c, 11))
                ;
            assert_true(checkpointer_finished(c));
            assert_int_equal(f[at_once].checkpoints, round + 1);
            must(snapshot_restore(s, there));
            snapshot_drop(s, there);
        }
        checkpointer_begin(c, 9);               /* never finished */
        checkpointer_free(c);
        machine_free(m);
    }
    assert_true(f[0].first > 10000);
    assert_int_equal(f[0].first, f[1].first);
    assert_memory_equal(f[0].all.bytes, f[1].all.bytes, f[0].first);
    writer_free(&f[0].all);
    writer_free(&f[1].all);
}

/* The guest stores the same 2000 sums again and again, and all else is still: little is written. */
static void what_did_not_change_is_not_written(void **state)
{
    struct recording_about few, many;
    struct recording *r;
    struct past p;

    (void)state;
    record(file, 60000, 1, true, &p);
    r = open_recording(file);
    recording_about(r, &few);
    recording_close(r);
    record(file, 6000, 1, true, &p);
    r = open_recording(file);
    recording_about(r, &many);
    recording_close(r);
    assert_true(many.checkpoints >= 9 * few.checkpoints);
    assert_true((many.checkpoint_bytes - few.checkpoint_bytes) / (many.checkpoints - few.checkpoints) < 16384);
}

/* Where nobody has been yet, and back, in any order; from each of them on as it was recorded. */
static void one_travels_by_them(void **state)
{
    struct travel_about about;
    struct recording *r;
    struct travel *t;
    struct machine *m;
    struct past p;
    uint32_t seed = 3;

    (void)state;
    record(file, EVERY, 2, true, &p);
    r = open_recording(file);
    m = make_replay(r, true);
    must(travel_create(&t, m));
    travel_about(t, &about);
    assert_true(about.checkpoints > p.insns[POINTS] / EVERY - 1);
    for (unsigned k = 0; k < 60; k++) {
        const unsigned to = next_random(&seed) % POINTS;

        must(travel_to(t, p.insns[to]));
        assert_true(machine_insns(m) == p.insns[to] && machine_hash(m) == p.hash[to]);
        if (k % 8 == 0)
            pages_squeeze(k, UINT64_MAX);
        if (k % 10 == 3 && machine_run(m, 20000) == RUN_DIFFERS)
            fail_msg("%s", machine_error(m));
    }
    must(travel_to(t, p.insns[2]));
    assert_int_equal(machine_run(m, UINT64_MAX), RUN_DEBUG_EXIT);
    assert_true(machine_hash(m) == p.hash[POINTS]);
    travel_free(t);
    machine_free(m);
    recording_close(r);
}

/* ---- adding ---- */

static struct recording *add_every(const char *path, enum run expected, uint64_t every)
{
    struct recording *r = open_recording(path);
    struct machine_config cfg;
    struct machine *m;

    recording_config(r, &cfg);
    cfg.add_checkpoints = true;
    cfg.checkpoints = every;
    m = machine_made(&cfg);
    assert_int_equal(machine_run(m, UINT64_MAX), expected);
    machine_free(m);
    recording_close(r);
    return open_recording(path);
}

static struct recording *add(const char *path, enum run expected)
{
    return add_every(path, expected, EVERY);
}

static void they_can_be_added_later(void **state)
{
    (void)state;
    for (unsigned had = 0; had < 2; had++) {
        struct recording_about before, after;
        struct recording *r;
        struct past p;

        record(file, had ? 40000 : CHECKPOINTS_OFF, 2, true, &p);
        r = open_recording(file);
        recording_about(r, &before);
        recording_close(r);
        r = add(file, RUN_DEBUG_EXIT);
        recording_about(r, &after);
        assert_true(after.whole && after.complete);
        assert_int_equal(after.records, before.records);
        assert_in_range(after.checkpoints - before.checkpoints, p.insns[POINTS] / EVERY, p.insns[POINTS] / EVERY + 1);
        for (unsigned k = 1; k < POINTS; k += 5)
            assert_true(p.insns[k] - go(r, &p, k, true) < EVERY + 1000);
        recording_close(r);
    }
}

/* Where they lie follows from the run, not from how busy the host was: twice the same file, and no stretch is longer than it should. */
static void added_ones_are_evenly_apart(void **state)
{
    const uint64_t apart = UINT64_C(1) << 24, length = 4 * apart;
    struct machine_config cfg = guest_config(kernel);
    struct blob before, after[2];
    struct machine *m;

    (void)state;
    cfg.record = file;
    cfg.checkpoints = CHECKPOINTS_OFF;
    m = machine_made(&cfg);
    assert_int_equal(machine_run(m, length), RUN_LIMIT);
    machine_serial_input(m, 0, "q", 1);
    assert_int_equal(machine_run(m, UINT64_MAX), RUN_DEBUG_EXIT);
    machine_free(m);
    before = read_file(file);
    for (unsigned k = 0; k < 2; k++) {
        struct recording *r;

        must(file_write_all(file, before.bytes, before.len));
        r = add_every(file, RUN_DEBUG_EXIT, 0);
        assert_in_range(checkpoints_count(r->checkpoints), 4, 5);
        for (size_t n = 0; n < checkpoints_count(r->checkpoints); n++)
            assert_true(checkpoint_at(r->checkpoints, n).insns <= (n + 1) * (apart + 1100000));
        recording_close(r);
        after[k] = read_file(file);
    }
    assert_int_equal(after[0].len, after[1].len);
    assert_memory_equal(after[0].bytes, after[1].bytes, after[0].len);
    blob_free(&before);
    blob_free(&after[0]);
    blob_free(&after[1]);
}

/* What a killed recorder left behind is made shorter by what is not whole, and longer by checkpoints. */
static void they_can_be_added_to_what_was_cut_short(void **state)
{
    struct recording *r;
    struct recording_about about;
    struct machine *m;
    struct past p;
    struct blob b;

    (void)state;
    record(file, CHECKPOINTS_OFF, 1, true, &p);
    b = read_file(file);
    assert_int_equal(truncate(file, (off_t)b.len - 50), 0);
    r = add(file, RUN_RECORDING_CUT);
    recording_about(r, &about);
    assert_true(about.whole && !about.complete && !r->log.cut_short && about.checkpoints > 3);
    m = make_replay(r, true);
    must(replay_skip(m, p.insns[POINTS / 2]));
    assert_true(machine_insns(m) > 0);
    assert_int_equal(machine_run(m, UINT64_MAX), RUN_RECORDING_CUT);
    assert_true(machine_insns(m) == about.insns);
    machine_free(m);
    recording_close(r);
    blob_free(&b);
}

static void nobody_adds_while_it_is_recorded(void **state)
{
    struct machine_config cfg = guest_config(kernel);
    struct machine *recorded, *m = NULL;
    struct recording *r;
    struct err e;

    (void)state;
    cfg.record = file;
    recorded = machine_made(&cfg);
    assert_int_equal(machine_run(recorded, 5000), RUN_LIMIT);
    r = open_recording(file);
    recording_config(r, &cfg);
    cfg.add_checkpoints = true;
    e = machine_create(&m, &cfg);
    assert_true(failed(&e) && strstr(e.text, "somebody else") != NULL);
    recording_close(r);
    machine_free(recorded);
}

/* ---- files that end early, or were changed ---- */

static void a_recording_cut_anywhere_keeps_what_is_whole(void **state)
{
    size_t jumped = 0;
    struct past p;
    struct blob b;

    (void)state;
    record(file, EVERY, 1, true, &p);
    b = read_file(file);
    for (size_t len = 1500; len < b.len; len += len % 7 == 0 ? 331 : 97) {
        struct recording *r = NULL;
        struct recording_about about;
        struct machine *m;

        must(open_bytes(file, &r, b.bytes, len));
        recording_about(r, &about);
        assert_false(about.complete);
        if (about.checkpoints > jumped) {
            jumped = about.checkpoints;
            m = make_replay(r, true);
            must(replay_skip(m, UINT64_MAX));
            assert_true(machine_insns(m) == checkpoint_at(r->checkpoints, jumped - 1).insns);
            assert_int_equal(machine_run(m, UINT64_MAX), RUN_RECORDING_CUT);
            machine_free(m);
        }
        recording_close(r);
    }
    assert_true(jumped > 5);
    blob_free(&b);
}

static void a_changed_byte_is_noticed(void **state)
{
    struct past p;
    struct blob b;

    (void)state;
    record(file, 50000, 1, true, &p);
    b = read_file(file);
    for (size_t at = 0; at < b.len; at += 13) {
        struct recording *r = NULL;
        struct err e;

        b.bytes[at] ^= 0x10;
        e = open_bytes(file, &r, b.bytes, b.len);
        b.bytes[at] ^= 0x10;
        assert_true(failed(&e) || r->log.cut_short);
        if (!failed(&e))
            recording_close(r);
    }
    blob_free(&b);
}

/* The bytes of the first frame of this kind. */
static size_t frame_at(const struct blob *b, uint8_t kind)
{
    struct reader in = reader_of(b->bytes + 16, b->len - 16);

    while (in.at != in.end) {
        const uint64_t len = reader_varint(&in);

        if (*in.at == kind)
            return (size_t)(in.at + 1 - b->bytes);
        in.at += 1 + len + 4;
    }
    fail_msg("no frame %c", kind);
    return 0;
}

static void travel_anywhere(const struct recording *r)
{
    struct machine *m = make_replay(r, true);
    struct travel *t;

    must(travel_create(&t, m));
    for (unsigned k = 0; k < 4; k++) {
        struct err e = travel_to(t, 20000 + 47000 * (k * 3 % 4));

        (void)e;
    }
    travel_free(t);
    machine_free(m);
}

/* Checksums that are right again. Whatever is in the file: it is refused, or a replay from its checkpoints goes on or says that
 * it is not what was recorded. PARTITA_SNAPSHOT_ROUNDS=N for more. */
static void made_up_checkpoints_do_no_harm(void **state)
{
    const char *rounds = getenv("PARTITA_SNAPSHOT_ROUNDS");
    unsigned refused = 0, went = 0;
    uint32_t seed = 7;
    size_t first;
    struct past p;
    struct blob b;

    (void)state;
    record(file, 50000, 2, false, &p);
    b = read_file(file);
    first = frame_at(&b, FRAME_CHECKPOINT_CHAIN);
    for (unsigned round = 0; round < (rounds == NULL ? 300 : (unsigned)atoi(rounds)); round++) {
        uint8_t *bytes = malloc(b.len);
        struct recording *r = NULL;
        struct machine *m;
        struct err e;

        assert_non_null(bytes);
        memcpy(bytes, b.bytes, b.len);
        for (unsigned n = 1 + next_random(&seed) % 3; n > 0; n--)
            bytes[first + next_random(&seed) % (b.len - first)] = (uint8_t)next_random(&seed);
        frames_repair(bytes, b.len);
        e = open_bytes(file, &r, bytes, b.len);
        free(bytes);
        refused += failed(&e) != 0;
        if (failed(&e))
            continue;
        m = make_replay(r, round % 2);
        e = replay_skip(m, UINT64_MAX);
        refused += failed(&e) != 0;
        if (!failed(&e)) {
            (void)machine_run(m, 30000);
            went++;
        }
        machine_free(m);
        travel_anywhere(r);
        recording_close(r);
    }
    assert_true(refused > 0 && went > 0);
    blob_free(&b);
}

/* Devices of another version: it says so and begins at the beginning. */
static void checkpoints_of_another_version_are_left_alone(void **state)
{
    struct recording *r = NULL;
    struct machine *m;
    struct past p;
    struct blob b;

    (void)state;
    record(file, EVERY, 1, true, &p);
    b = read_file(file);
    b.bytes[frame_at(&b, FRAME_CHECKPOINT_CHAIN)] ^= 1;     /* of the devices' hash */
    frames_repair(b.bytes, b.len);
    must(open_bytes(file, &r, b.bytes, b.len));
    m = make_replay(r, true);
    must(replay_skip(m, p.insns[POINTS - 1]));
    assert_true(machine_insns(m) == 0);
    assert_int_equal(machine_run(m, p.insns[POINTS - 1]), RUN_LIMIT);
    assert_true(machine_hash(m) == p.hash[POINTS - 1]);
    machine_free(m);
    recording_close(r);
    blob_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_replay_goes_on_from_any_checkpoint),
        cmocka_unit_test(making_them_changes_nothing),
        cmocka_unit_test(a_recording_is_made_twice_alike),
        cmocka_unit_test(snapshots_see_what_was_written_before_a_checkpoint),
        cmocka_unit_test(they_are_of_where_they_were_begun),
        cmocka_unit_test(what_did_not_change_is_not_written),
        cmocka_unit_test(one_travels_by_them),
        cmocka_unit_test(they_can_be_added_later),
        cmocka_unit_test(added_ones_are_evenly_apart),
        cmocka_unit_test(they_can_be_added_to_what_was_cut_short),
        cmocka_unit_test(nobody_adds_while_it_is_recorded),
        cmocka_unit_test(a_recording_cut_anywhere_keeps_what_is_whole),
        cmocka_unit_test(a_changed_byte_is_noticed),
        cmocka_unit_test(made_up_checkpoints_do_no_harm),
        cmocka_unit_test(checkpoints_of_another_version_are_left_alone),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
