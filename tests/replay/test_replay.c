/* SPDX-License-Identifier: MIT
 * Machines recorded and replayed: input at any moment, both clocks, both engines, recordings that were cut short or damaged, disks,
 * and replays that were made to differ. */
#include "machine/replay.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <zlib.h>

#include "base/bits.h"
#include "machine/debug.h"
#include "machine/internal.h"
#include "machine/recording.h"
#include "machine/snapshot.h"
#include "tests/replay/guest.h"

static char kernel[] = "/tmp/partita-guest-XXXXXX", file[] = "/tmp/partita-record-XXXXXX";

static int set_up(void **state)
{
    (void)state;
    guest_write(kernel);
    put_file(file, "", 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return unlink(kernel) | unlink(file);
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

/* ---- recording ---- */

struct past { uint64_t insns, hash; enum run why; };

static struct past past_of(struct machine *m, enum run why)
{
    return (struct past){ machine_insns(m), machine_hash(m), why };
}

/* Letters and keys at many instruction counts, in the middle of the guest's loop and while it waits; at last a 'q'. */
static struct past record_chunks(struct machine_config *cfg, unsigned letters, uint32_t seed)
{
    struct machine *m;
    struct past p;
    enum run why = RUN_LIMIT;

    cfg->record = file;
    m = machine_made(cfg);
    for (unsigned k = 0; k < letters; k++) {
        uint8_t letter = (uint8_t)('a' + k % 16);

        assert_int_equal(machine_run(m, 1 + next_random(&seed) % 9000), RUN_LIMIT);
        if (next_random(&seed) % 4 == 0)
            machine_key(m, 0x1e, k % 2 == 0);
        if (next_random(&seed) % 4 == 0)
            machine_mouse(m, 1, -1, 0, k % 8);
        machine_serial_input(m, 0, &letter, 1);
    }
    machine_serial_input(m, 0, "q", 1);
    while (why == RUN_LIMIT)
        why = machine_run(m, 10000);
    p = past_of(m, why);
    machine_free(m);
    return p;
}

static void expect_same(const struct past *p, bool jit, uint64_t piece)
{
    struct recording *r = open_recording(file);
    struct machine *m = make_replay(r, jit);
    enum run why = RUN_LIMIT;

    while (why == RUN_LIMIT)
        why = machine_run(m, piece);
    if (why != p->why)
        print_error("%s\n", machine_error(m));
    assert_int_equal(why, p->why);
    assert_true(machine_insns(m) == p->insns);
    assert_true(machine_hash(m) == p->hash);
    assert_true(machine_hashes_equal(m) >= 2);
    machine_free(m);
    recording_close(r);
}

static void input_lands_on_the_same_instructions(void **state)
{
    (void)state;
    for (unsigned vps = 1; vps <= 4; vps *= 2) {
        for (unsigned jit = 0; jit < 2; jit++) {
            struct machine_config cfg = guest_config(kernel);
            struct past p;

            cfg.nvps = vps;
            cfg.jit = jit && cfg.jit;
            cfg.record_every = 50021;
            p = record_chunks(&cfg, 60, 7 + vps);
            assert_int_equal(p.why, RUN_DEBUG_EXIT);
            expect_same(&p, true, UINT64_MAX);
            expect_same(&p, false, UINT64_MAX);
            expect_same(&p, true, 997);
        }
    }
}

static void *type_letters(void *machine)
{
    for (unsigned k = 0; k < 60; k++) {
        usleep(1000 + k * 137 % 9000);
        machine_serial_input(machine, 0, "ab", 1 + k % 2);
    }
    machine_serial_input(machine, 0, "q", 1);
    return NULL;
}

static struct past record_typing(struct machine_config *cfg)
{
    struct machine *m;
    pthread_t typist;
    struct past p;

    cfg->record = file;
    m = machine_made(cfg);
    assert_int_equal(pthread_create(&typist, NULL, type_letters, m), 0);
    p = past_of(m, machine_run(m, UINT64_MAX));
    pthread_join(typist, NULL);
    machine_free(m);
    return p;
}

/* The host decides when an idle wait ends, and how long an instruction takes. */
static void waits_on_the_hosts_clock_end_at_the_same_virtual_times(void **state)
{
    (void)state;
    for (unsigned vps = 1; vps <= 2; vps++) {
        struct machine_config cfg = guest_config(kernel);
        struct past p;

        cfg.nvps = vps;
        cfg.clock = CLOCK_HOST;
        cfg.rtc_start_ns = 0;               /* asks the host for the wall clock too */
        p = record_typing(&cfg);
        assert_int_equal(p.why, RUN_DEBUG_EXIT);
        expect_same(&p, true, UINT64_MAX);
        expect_same(&p, false, 20011);
    }
}

static void input_while_the_virtual_clock_runs_on_its_own(void **state)
{
    struct machine_config cfg = guest_config(kernel);
    struct past p;

    (void)state;
    p = record_typing(&cfg);
    assert_int_equal(p.why, RUN_DEBUG_EXIT);
    expect_same(&p, true, UINT64_MAX);
}

static void a_reset_asks_for_the_wall_clock_again(void **state)
{
    struct machine_config cfg = guest_config(kernel);
    const uint8_t reset = REQUEST_RESET, nmi = REQUEST_NMI;
    struct machine *m;
    struct past p;

    (void)state;
    cfg.rtc_start_ns = 0;
    cfg.record = file;
    m = machine_made(&cfg);
    assert_int_equal(machine_run(m, 3001), RUN_LIMIT);
    nondet_post(m->nondet, NONDET_REQUEST, &reset, 1);
    assert_int_equal(machine_run(m, 30011), RUN_LIMIT);
    nondet_post(m->nondet, NONDET_REQUEST, &nmi, 1);
    machine_quit(m);
    p = past_of(m, machine_run(m, UINT64_MAX));
    machine_free(m);
    assert_int_equal(p.why, RUN_QUIT);
    expect_same(&p, true, UINT64_MAX);
    expect_same(&p, false, UINT64_MAX);
}

static void a_machine_that_was_left_is_replayed_to_there(void **state)
{
    struct machine_config cfg = guest_config(kernel);
    struct machine *m;
    struct past p;

    (void)state;
    cfg.record = file;
    m = machine_made(&cfg);
    assert_int_equal(machine_run(m, 123457), RUN_LIMIT);
    p = past_of(m, RUN_RECORDING_LEFT);
    machine_free(m);
    expect_same(&p, true, UINT64_MAX);
    expect_same(&p, false, UINT64_MAX);
}

static void recording_changes_nothing(void **state)
{
    struct machine_config cfg = guest_config(kernel);
    struct machine *plain = machine_made(&cfg), *recorded;

    (void)state;
    cfg.record = file;
    cfg.record_every = 3001;
    recorded = machine_made(&cfg);
    for (unsigned k = 0; k < 20; k++) {
        assert_int_equal(machine_run(plain, 10007), RUN_LIMIT);
        assert_int_equal(machine_run(recorded, 10007), RUN_LIMIT);
        assert_true(machine_hash(plain) == machine_hash(recorded));
    }
    machine_free(plain);
    machine_free(recorded);
}

/* A slice that ends with the very HLT ends the turn as well: one instruction at a time shows it. */
static void slices_change_nothing_where_a_processor_halts(void **state)
{
    struct machine_config cfg = guest_config(kernel);
    struct machine *whole = machine_made(&cfg), *sliced = machine_made(&cfg);

    (void)state;
    for (unsigned k = 0; k < 40; k++) {
        assert_int_equal(machine_run(whole, 997), RUN_LIMIT);
        for (unsigned n = 0; n < 997; n++)
            assert_int_equal(machine_run(sliced, 1), RUN_LIMIT);
        assert_true(machine_hash(whole) == machine_hash(sliced));
    }
    machine_free(whole);
    machine_free(sliced);
}

static void a_debugger_may_look_at_a_recorded_machine_only(void **state)
{
    static const uint8_t byte = 0x55;
    struct machine_config cfg = guest_config(kernel);
    struct machine *m;
    struct debug *d;
    uint8_t value[DEBUG_REG_BYTES] = { 0 };
    uint64_t hash;

    (void)state;
    cfg.record = file;
    m = machine_made(&cfg);
    d = machine_debug(m);
    assert_int_equal(machine_run(m, 5000), RUN_LIMIT);
    hash = machine_hash(m);
    assert_int_equal(debug_read_physical(d, 0, 0x100000, value, 4), 4);
    assert_int_equal(debug_write_physical(d, 0, 0x400000, &byte, 1), 0);
    assert_int_equal(debug_write(d, 0, 0x400000, &byte, 1), 0);
    assert_false(debug_reg_write(d, 0, debug_reg_find(d, "rax"), value));
    assert_false(debug_msr_write(d, 0, 0x10, 5));
    assert_true(machine_hash(m) == hash);
    machine_free(m);
}

/* ---- files that end early, or were changed ---- */

/* However many bytes there are: it is refused, or replays what is whole and says that it was cut short. */
static void a_recording_cut_at_any_byte_replays_to_its_last_record(void **state)
{
    struct machine_config cfg = guest_config(kernel);
    size_t replayed = 0, records = 0;
    struct past p;
    struct blob b;

    (void)state;
    cfg.record_every = 40009;
    p = record_chunks(&cfg, 20, 99);
    b = read_file(file);
    for (size_t len = 0; len < b.len; len++) {
        struct recording *r = NULL;
        struct err e = open_bytes(file, &r, b.bytes, len);
        struct recording_about about;
        struct machine *m;

        if (failed(&e)) {
            assert_true(len < 16 || strstr(e.text, "cut short") != NULL || strstr(e.text, "no recording") != NULL);
            assert_int_equal(replayed, 0);
            continue;
        }
        recording_about(r, &about);
        assert_false(about.complete);
        if (about.records != records) {
            records = about.records;
            m = make_replay(r, records % 2 == 0);
            assert_int_equal(machine_run(m, UINT64_MAX), RUN_RECORDING_CUT);
            assert_true(machine_insns(m) == about.insns && about.insns <= p.insns);
            machine_free(m);
            replayed++;
        }
        recording_close(r);
    }
    assert_true(replayed > 20);
    blob_free(&b);
}

static void a_recording_with_any_byte_changed_is_refused_or_ends_there(void **state)
{
    struct machine_config cfg = guest_config(kernel);
    unsigned refused = 0, cut = 0;
    struct blob b;

    (void)state;
    record_chunks(&cfg, 5, 3);
    b = read_file(file);
    for (size_t at = 0; at < b.len; at++) {
        for (unsigned bit = 0; bit < 8; bit += 7) {
            struct recording *r = NULL;
            struct err e;

            b.bytes[at] ^= (uint8_t)(1u << bit);
            e = open_bytes(file, &r, b.bytes, b.len);
            b.bytes[at] ^= (uint8_t)(1u << bit);
            refused += failed(&e) != 0;
            if (failed(&e))
                continue;
            assert_true(r->log.cut_short);      /* a length that now reaches beyond the end */
            recording_close(r);
            cut++;
        }
    }
    assert_true(refused > cut);
    blob_free(&b);
}

static void zeros_behind_the_last_record_are_no_damage(void **state)
{
    struct machine_config cfg = guest_config(kernel);
    struct recording *r = NULL;
    struct blob b;
    struct err e;
    uint8_t *longer;

    (void)state;
    record_chunks(&cfg, 5, 3);
    b = read_file(file);
    longer = calloc(1, b.len + 4096);
    assert_non_null(longer);
    memcpy(longer, b.bytes, b.len);
    e = open_bytes(file, &r, longer, b.len + 4096);
    assert_false(failed(&e));
    assert_true(r->log.cut_short);
    recording_close(r);
    free(longer);
    blob_free(&b);
}

static void other_files_and_other_versions_are_named(void **state)
{
    static const uint8_t elf[] = "\x7f" "ELF and so on, not of our making";
    struct machine_config cfg = guest_config(kernel);
    struct recording *r = NULL;
    struct blob b;
    struct err e = open_bytes(file, &r, elf, sizeof elf);

    (void)state;
    assert_true(failed(&e) && strstr(e.text, "no recording") != NULL);
    record_chunks(&cfg, 1, 3);
    b = read_file(file);
    b.bytes[8] = 9;
    e = open_bytes(file, &r, b.bytes, b.len);
    assert_true(failed(&e) && strstr(e.text, "damaged") != NULL);
    store32(b.bytes + 12, 0x0);
    e = open_bytes(file, &r, b.bytes, b.len);
    assert_true(failed(&e));
    e = recording_open(&r, "/nowhere/run.ptr");
    assert_true(failed(&e) && strstr(e.text, "/nowhere/run.ptr") != NULL);
    blob_free(&b);
}

/* ---- disks ---- */

#define DISK_BYTES (256u * 1024)

static struct machine_config disk_config(char *disk, uint8_t *bytes)
{
    struct machine_config cfg = guest_config(kernel);

    for (unsigned k = 0; k < DISK_BYTES; k++)
        bytes[k] = k < 131072 ? (uint8_t)(k * 31 >> 3) : 0;
    put_file(disk, bytes, DISK_BYTES);
    cfg.drives[cfg.ndrives++] = (struct drive_config){ .file = disk, .index = 0 };
    return cfg;
}

static struct err create_replay(const struct recording *r, struct machine **m)
{
    struct machine_config cfg;

    recording_config(r, &cfg);
    return machine_create(m, &cfg);
}

static void an_altered_or_missing_disk_is_refused(void **state)
{
    static uint8_t bytes[DISK_BYTES];
    char disk[] = "/tmp/partita-disk-XXXXXX";
    struct machine_config cfg = disk_config(disk, bytes);
    struct machine *m = NULL;
    struct recording *r;
    struct past p = record_chunks(&cfg, 3, 5);
    struct err e;

    (void)state;
    expect_same(&p, true, UINT64_MAX);
    bytes[70000] ^= 1;
    e = file_write_all(disk, bytes, sizeof bytes);
    assert_false(failed(&e));
    r = open_recording(file);
    e = create_replay(r, &m);
    assert_true(failed(&e) && strstr(e.text, disk) != NULL && strstr(e.text, "differ") != NULL);
    unlink(disk);
    e = create_replay(r, &m);
    assert_true(failed(&e) && strstr(e.text, disk) != NULL);
    recording_close(r);
}

static void a_self_contained_recording_needs_no_other_file(void **state)
{
    static uint8_t bytes[DISK_BYTES];
    char disk[] = "/tmp/partita-disk-XXXXXX";
    struct machine_config cfg = disk_config(disk, bytes);
    struct past p;

    (void)state;
    cfg.record_whole = true;
    p = record_chunks(&cfg, 3, 5);
    unlink(disk);
    expect_same(&p, true, UINT64_MAX);
}

/* ---- recordings that somebody made up ---- */

static void add_piece(struct ndlog_writer *out, uint64_t at, uint64_t len)
{
    static uint8_t bytes[1 << 20];
    uint8_t packed[8192];
    uLongf n = sizeof packed;
    struct writer w = { 0 };

    memset(bytes, 'x', sizeof bytes);
    assert_int_equal(compress(packed, &n, bytes, (uLong)len), Z_OK);
    writer_varint(&w, 0);
    writer_varint(&w, at);
    writer_varint(&w, len);
    writer_copy(&w, packed, n);
    ndlog_frame(out, FRAME_INPUT, w.bytes, w.len);
    writer_free(&w);
}

/* A recording whose kernel is said to have so many bytes, all of them zeros but for pieces of letters. */
static void make_up(uint64_t len, const uint64_t (*pieces)[2], unsigned n, uint64_t hash)
{
    struct ndlog_record end = { .kind = NDLOG_END };
    struct machine_config cfg = guest_config(kernel);
    struct inputs inputs = { .list = { { .path = kernel, .hash = hash, .len = len, .embedded = true } }, .count = 1 };
    struct ndlog_batch batch = { 0 };
    struct ndlog_writer *out;
    struct writer text = { 0 };

    must(ndlog_create(&out, file));
    manifest_write(&cfg, &inputs, &text);
    ndlog_frame(out, FRAME_MANIFEST, text.bytes, text.len);
    for (unsigned k = 0; k < n; k++)
        add_piece(out, pieces[k][0], pieces[k][1]);
    ndlog_add(&batch, &end);
    ndlog_flush(&batch, out);
    ndlog_close(out);
    writer_free(&text);
    writer_free(&batch.bytes);
}

static uint64_t hash_of_letters(uint64_t len, uint64_t at, uint64_t n)
{
    static uint8_t bytes[INPUT_PIECE];
    uint64_t hash = len;

    memset(bytes, 'x', sizeof bytes);
    for (uint64_t k = at; k < at + n; k += INPUT_PIECE)
        hash = input_piece_hash(hash, k / INPUT_PIECE, bytes, at + n - k < INPUT_PIECE ? at + n - k : INPUT_PIECE);
    return hash;
}

/* How many pages the host has given for the whole pages in there: this process looked at no others. */
static size_t resident(const uint8_t *bytes, size_t len)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), first = (page - (uintptr_t)bytes % page) % page, pages = (len - first) / page;
    unsigned char *there = malloc(pages);
    size_t n = 0;

    assert_non_null(there);
    assert_int_equal(mincore((void *)(uintptr_t)(bytes + first), pages * page, there), 0);
    for (size_t k = 0; k < pages; k++)
        n += there[k] & 1;
    free(there);
    return n;
}

/* 4 GiB of them would take seconds to look at, and as much memory to copy. */
static void zeros_of_a_large_embedded_file_are_not_touched(void **state)
{
    const uint64_t len = (UINT64_C(4) << 30) + 5, at = UINT64_C(2) << 30;
    struct recording *r = NULL;
    struct machine *m = NULL;
    struct err e;

    (void)state;
    make_up(len, (const uint64_t[][2]){ { at, 1 << 20 }, { len - 5, 5 } }, 2, 0);
    e = recording_open(&r, file);
    assert_true(failed(&e) && strstr(e.text, "is damaged") != NULL);
    make_up(len, (const uint64_t[][2]){ { at, 1 << 20 } }, 1, hash_of_letters(len, at, 1 << 20));
    must(recording_open(&r, file));
    assert_int_equal(r->inputs.list[0].bytes[at], 'x');
    e = create_replay(r, &m);
    assert_true(failed(&e) && strstr(e.text, kernel) != NULL);
    assert_in_range(resident(r->inputs.list[0].bytes, len), 1, 1500);
    recording_close(r);
}

/* Else a short file could be unpacked for ever. */
static void pieces_of_an_embedded_file_come_once_and_in_order(void **state)
{
    static const struct { uint64_t pieces[2][2]; unsigned n; } bad[] = {
        { { { 0, 1 << 20 }, { 0, 1 << 20 } }, 2 }, { { { 1 << 20, 1 << 20 }, { 0, 1 << 20 } }, 2 }, { { { 0, 1000 } }, 1 },
        { { { 4096, 1 << 20 } }, 1 }, { { { 3 << 20, 1 << 20 } }, 1 }, { { { 2 << 20, 1 << 20 } }, 1 }, { { { 0, 0 } }, 1 },
    };
    struct recording *r;
    struct err e;

    (void)state;
    for (size_t k = 0; k < COUNT_OF(bad); k++) {
        make_up((2 << 20) + 77, bad[k].pieces, bad[k].n, 0);
        e = recording_open(&r, file);
        assert_true(failed(&e) && strstr(e.text, "an input file in it is damaged") != NULL);
    }
    make_up((2 << 20) + 77, (const uint64_t[][2]){ { 2 << 20, 77 } }, 1, hash_of_letters((2 << 20) + 77, 2 << 20, 77));
    must(recording_open(&r, file));
    recording_close(r);
}

static void a_recorded_disk_is_not_written(void **state)
{
    static uint8_t bytes[DISK_BYTES];
    char disk[] = "/tmp/partita-disk-XXXXXX";
    struct machine_config cfg = disk_config(disk, bytes);
    struct block *block = NULL;
    struct machine *m;
    struct blob after;
    struct err e;

    (void)state;
    cfg.record = file;
    m = machine_made(&cfg);
    e = input_disk(&m->inputs, &cfg.drives[0], &block);
    assert_false(failed(&e));
    e = block_write(block, 512, "overlay", 7);
    assert_false(failed(&e));
    block_close(block);
    machine_free(m);
    e = file_read_all(disk, &after);
    assert_false(failed(&e));
    assert_memory_equal(after.bytes, bytes, DISK_BYTES);
    blob_free(&after);
    unlink(disk);
}

/* ---- replays that differ ---- */

static void expect_difference(void (*change)(struct machine *m), const char *words)
{
    struct recording *r = open_recording(file);
    struct machine *m = make_replay(r, true);

    assert_int_equal(machine_run(m, 70000), RUN_LIMIT);
    change(m);
    assert_int_equal(machine_run(m, UINT64_MAX), RUN_DIFFERS);
    if (strstr(machine_error(m), words) == NULL)
        print_error("'%s' is not in: %s\n", words, machine_error(m));
    assert_non_null(strstr(machine_error(m), words));
    assert_non_null(strstr(machine_error(m), "at instruction "));
    machine_free(m);
    recording_close(r);
}

static void change_memory(struct machine *m)
{
    space_write(m->memory, 0x400000, 1, 0x55);
}

static void change_register(struct machine *m)
{
    cpu_set_reg(m->vps[0], CPU_REG_RBP, 0x1234);
}

static void change_time(struct machine *m)
{
    clock_skip_to(&m->clock, clock_ns(&m->clock) + 77);
}

static void change_chip(struct machine *m)
{
    space_write(m->io, 0x21, 1, 0xae);
}

static void the_first_difference_is_found_and_named(void **state)
{
    struct machine_config cfg = guest_config(kernel);

    (void)state;
    cfg.record_every = 10007;
    record_chunks(&cfg, 60, 42);
    expect_difference(change_memory, "memory: hash");
    expect_difference(change_register, "cpu.0: hash");
    expect_difference(change_time, "clock: virtual time");
    expect_difference(change_chip, "pic8259");
}

/* Saved in the middle, gone on with as a recording of its own: the file is one of its inputs. */
static void a_recording_may_begin_at_a_snapshot_file(void **state)
{
    char snapshot[] = "/tmp/partita-snap-XXXXXX";
    struct machine_config cfg = guest_config(kernel);
    struct machine *m = machine_made(&cfg);
    struct recording *r;
    struct past p;
    struct err e;

    (void)state;
    put_file(snapshot, "", 0);
    machine_serial_input(m, 0, "before", 6);
    assert_int_equal(machine_run(m, 54321), RUN_LIMIT);
    e = machine_save(m, snapshot);
    assert_false(failed(&e));
    machine_free(m);
    cfg.start_from = snapshot;
    cfg.record_every = 7001;
    p = record_chunks(&cfg, 20, 8);
    assert_true(p.insns > 54321);
    expect_same(&p, true, UINT64_MAX);
    expect_same(&p, false, 997);
    r = open_recording(file);
    assert_non_null(recording_input(r, snapshot));
    assert_true(r->log.records[0].at.insns == 54321);
    recording_close(r);
    unlink(snapshot);
    cfg.start_from = NULL;
    cfg.record = file;
    m = machine_made(&cfg);
    e = machine_load(m, snapshot);
    assert_true(failed(&e) && strstr(e.text, "recording") != NULL);
    machine_free(m);
}

/* ---- going back ---- */

/* Between snapshots, forwards and backwards, a replay takes each record where it belongs. */
static void a_replay_goes_on_from_any_snapshot(void **state)
{
    struct machine_config cfg = guest_config(kernel);
    struct snapshot *at[40];
    struct snapshots *store = NULL;
    struct recording *r;
    struct machine *m;
    struct past p;
    struct err e;
    unsigned n = 0;
    uint32_t seed = 5;

    (void)state;
    cfg.clock = CLOCK_HOST;
    cfg.record_every = 3001;
    p = record_typing(&cfg);
    r = open_recording(file);
    m = make_replay(r, true);
    e = snapshots_create(&store, m);
    assert_false(failed(&e));
    do
        at[n++] = snapshot_take(store);
    while (n < COUNT_OF(at) && machine_run(m, 1 + p.insns / 30) == RUN_LIMIT);
    for (unsigned k = 0; k < 60; k++) {
        e = snapshot_restore(store, at[next_random(&seed) % n]);
        assert_false(failed(&e));
        if (machine_run(m, next_random(&seed) % p.insns) == RUN_DIFFERS)
            fail_msg("%s", machine_error(m));
    }
    e = snapshot_restore(store, at[0]);
    assert_false(failed(&e));
    assert_int_equal(machine_run(m, UINT64_MAX), p.why);
    assert_true(machine_insns(m) == p.insns && machine_hash(m) == p.hash);
    machine_free(m);
    recording_close(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(input_lands_on_the_same_instructions),
        cmocka_unit_test(waits_on_the_hosts_clock_end_at_the_same_virtual_times),
        cmocka_unit_test(input_while_the_virtual_clock_runs_on_its_own),
        cmocka_unit_test(a_reset_asks_for_the_wall_clock_again),
        cmocka_unit_test(a_machine_that_was_left_is_replayed_to_there),
        cmocka_unit_test(recording_changes_nothing),
        cmocka_unit_test(a_debugger_may_look_at_a_recorded_machine_only),
        cmocka_unit_test(slices_change_nothing_where_a_processor_halts),
        cmocka_unit_test(a_recording_cut_at_any_byte_replays_to_its_last_record),
        cmocka_unit_test(a_recording_with_any_byte_changed_is_refused_or_ends_there),
        cmocka_unit_test(zeros_behind_the_last_record_are_no_damage),
        cmocka_unit_test(other_files_and_other_versions_are_named),
        cmocka_unit_test(an_altered_or_missing_disk_is_refused),
        cmocka_unit_test(a_self_contained_recording_needs_no_other_file),
        cmocka_unit_test(a_recorded_disk_is_not_written),
        cmocka_unit_test(zeros_of_a_large_embedded_file_are_not_touched), cmocka_unit_test(pieces_of_an_embedded_file_come_once_and_in_order),
        cmocka_unit_test(the_first_difference_is_found_and_named),
        cmocka_unit_test(a_recording_may_begin_at_a_snapshot_file),
        cmocka_unit_test(a_replay_goes_on_from_any_snapshot),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
