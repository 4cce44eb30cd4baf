/* SPDX-License-Identifier: MIT
 * The file of a recording: what is written is read back, to the last bit of the largest numbers; any prefix gives the records that
 * are whole in it; a reader survives whatever it is given. */
#include "core/ndlog.h"

#include <stdio.h>

#include "base/bits.h"
#include "core/nondet.h"
#include "machine/fingerprint.h"
#include "machine/internal.h"
#include "machine/recording.h"
#include "tests/replay/frames.h"
#include "tests/replay/guest.h"

static char file[] = "/tmp/partita-log-XXXXXX", kernel[] = "/tmp/partita-guest-XXXXXX";

static int set_up(void **state)
{
    (void)state;
    put_file(file, "", 0);
    guest_write(kernel);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return unlink(file) | unlink(kernel);
}

static const struct ndlog_record written[] = {
    { { 0, 0 }, NONDET_WALL_CLOCK, 3, (const uint8_t *)"abc" },
    { { 0, 0 }, NDLOG_HASH, 0, NULL },
    { { 0, 7 }, NONDET_KEY, 1, (const uint8_t *)"k" },
    { { 5, 0 }, NONDET_SERIAL, 2, (const uint8_t *)"\0s" },
    { { 5, UINT64_MAX }, NONDET_SERIAL, 2, (const uint8_t *)"\0t" },
    { { 6, 1 }, NONDET_REQUEST, 1, (const uint8_t *)"" },
    { { 6, 1 }, NONDET_REQUEST, 1, (const uint8_t *)"\1" },
    { { UINT64_MAX - 1, 3 }, NONDET_PACE, 4, (const uint8_t *)"wxyz" },
    { { UINT64_MAX, 0 }, NDLOG_END, 0, NULL },
};

static void write_log(size_t per_frame)
{
    struct ndlog_batch batch = { 0 };
    struct ndlog_writer *w = NULL;
    struct err e = ndlog_create(&w, file);

    assert_false(failed(&e));
    ndlog_frame(w, FRAME_MANIFEST, "manifest", 8);
    for (size_t k = 0; k < COUNT_OF(written); k++) {
        ndlog_add(&batch, &written[k]);
        if (k % per_frame == per_frame - 1)
            ndlog_flush(&batch, w);
    }
    ndlog_flush(&batch, w);
    ndlog_flush(&batch, w);                     /* nothing: no frame */
    writer_free(&batch.bytes);
    ndlog_close(w);
}

static struct blob contents(void)
{
    struct blob b;
    struct err e = file_read_all(file, &b);

    assert_false(failed(&e));
    return b;
}

static void expect_written(const struct ndlog *log, size_t count)
{
    assert_int_equal(log->nrecords, count);
    for (size_t k = 0; k < count; k++) {
        const struct ndlog_record *r = &log->records[k], *w = &written[k];

        assert_true(r->at.insns == w->at.insns && r->at.idles == w->at.idles && r->kind == w->kind && r->len == w->len);
        assert_memory_equal(r->bytes, w->len == 0 ? r->bytes : w->bytes, w->len);
    }
}

static void records_are_read_as_they_were_written(void **state)
{
    (void)state;
    for (size_t per_frame = 1; per_frame <= COUNT_OF(written); per_frame++) {
        struct ndlog log;
        struct blob b;
        struct err e;

        write_log(per_frame);
        b = contents();
        e = ndlog_read(&log, b.bytes, b.len);
        assert_false(failed(&e));
        assert_false(log.cut_short);
        assert_int_equal(log.nframes, 1);
        assert_int_equal(log.frames[0].kind, FRAME_MANIFEST);
        assert_memory_equal(log.frames[0].bytes, "manifest", 8);
        expect_written(&log, COUNT_OF(written));
        ndlog_free(&log);
        blob_free(&b);
    }
}

static void any_prefix_gives_its_whole_frames(void **state)
{
    size_t seen = 0;
    struct blob b;

    (void)state;
    write_log(1);
    b = contents();
    for (size_t len = 16; len <= b.len; len++) {
        uint8_t *copy = malloc(len);
        struct ndlog log;
        struct err e;

        assert_non_null(copy);
        memcpy(copy, b.bytes, len);             /* of its own size, so that a sanitizer sees a step too far */
        e = ndlog_read(&log, copy, len);
        assert_false(failed(&e));
        assert_true(log.nrecords == seen || log.nrecords == seen + 1);
        seen = log.nrecords;
        expect_written(&log, seen);
        ndlog_free(&log);
        free(copy);
    }
    assert_int_equal(seen, COUNT_OF(written));
    blob_free(&b);
}

/* Frames cannot be left out, doubled or swapped: each checksum goes on from the last. */
static void frames_belong_where_they_are(void **state)
{
    struct ndlog_writer *w = NULL;
    struct err e = ndlog_create(&w, file);
    struct ndlog log;
    struct blob b;

    (void)state;
    assert_false(failed(&e));
    ndlog_frame(w, 'x', "one", 3);
    ndlog_frame(w, 'x', "two", 3);
    ndlog_close(w);
    b = contents();
    assert_int_equal(b.len, 16 + 2 * 9);
    e = ndlog_read(&log, b.bytes, b.len);
    assert_true(!failed(&e) && log.nframes == 2);
    ndlog_free(&log);
    memmove(b.bytes + 16, b.bytes + 25, 9);
    e = ndlog_read(&log, b.bytes, b.len);
    assert_true(failed(&e) && strstr(e.text, "byte 16") != NULL);
    blob_free(&b);
}

static void numbers_of_any_size_are_read_back(void **state)
{
    static const uint64_t values[] = { 0, 1, 127, 128, 16383, 16384, UINT32_MAX, UINT64_MAX - 1, UINT64_MAX, UINT64_C(1) << 63 };
    static const uint8_t overlong[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02 };
    struct writer w = { 0 };
    struct reader in;

    (void)state;
    for (size_t k = 0; k < COUNT_OF(values); k++)
        writer_varint(&w, values[k]);
    in = reader_of(w.bytes, w.len);
    for (size_t k = 0; k < COUNT_OF(values); k++)
        assert_true(reader_varint(&in) == values[k]);
    assert_true(reader_done(&in));
    writer_free(&w);
    in = reader_of(overlong, sizeof overlong);
    assert_true(reader_varint(&in) == 0 && in.failed);
}

/* ---- the manifest ---- */

static void a_manifest_keeps_every_setting(void **state)
{
    struct recording *r = calloc(1, sizeof *r);
    struct inputs inputs = { 0 };
    struct writer text = { 0 }, again = { 0 };
    struct machine_config cfg;
    struct err e;

    (void)state;
    machine_config_default(&cfg);
    cfg.ram_bytes = 77u << 20;
    cfg.nvps = 3;
    cfg.cpu = "max,-avx2";
    cfg.kernel = "/a path/with %percent and\nnewline";
    cfg.append = "console=ttyS0 \x01\x7f";
    cfg.serial[0] = "stdio";
    cfg.serial[3] = "file:x";
    cfg.clock = CLOCK_HOST;
    cfg.smm = SMM_INTEL64;
    cfg.no_reboot = cfg.window = cfg.testdev = true;
    cfg.seed = UINT64_MAX;
    cfg.drives[cfg.ndrives++] = (struct drive_config){ .file = "d 1", .bus = DRIVE_FLOPPY, .index = -1, .readonly = true };
    cfg.drives[cfg.ndrives++] = (struct drive_config){ .file = "d2", .index = 2, .cdrom = true };
    cfg.mces[cfg.nmces++] = (struct machine_mce){ .at = 5, .status = 0xbd00000000000134, .cpu = 2, .bank = 3, .broadcast = true };
    inputs.list[inputs.count++] = (struct input){ .path = strdup("in put"), .hash = 0x0123456789abcdef, .len = 99, .embedded = true };
    assert_non_null(r);
    manifest_write(&cfg, &inputs, &text);
    e = manifest_read(r, (const char *)text.bytes, text.len);
    if (failed(&e))
        print_error("%s\n", e.text);
    assert_false(failed(&e));
    assert_string_equal(r->cfg.kernel, cfg.kernel);
    assert_string_equal(r->cfg.drives[0].file, "d 1");
    assert_int_equal(r->cfg.drives[0].index, -1);
    assert_null(r->cfg.bios);
    manifest_write(&r->cfg, &r->inputs, &again);
    assert_int_equal(again.len, text.len);
    assert_memory_equal(again.bytes, text.bytes, text.len);
    writer_free(&text);
    writer_free(&again);
    inputs_free(&inputs);
    recording_close(r);
}

static void a_manifest_with_unknown_or_impossible_lines_is_refused(void **state)
{
    static const char *const lines[] = {
        "colour red\n", "nvps 65\n", "nvps 0\n", "nvps\n", "nvps 1", "hv 2\n", "ps_per_insn 0\n", "clock 2\n", "serial 4\n",
        "drive 2 0 0 0 x\n", "drive 0 4 0 0 x\n", "drive 0 -2 0 0 x\n", "mce 1 2 3\n", "input zz 1 0 x\n", "append %0\n",
        "append %zz\n", "append %00\n", "\n", "nvps 1x\n", "seed 99999999999999999999999x\n",
    };

    (void)state;
    for (size_t k = 0; k < COUNT_OF(lines); k++) {
        struct recording *r = calloc(1, sizeof *r);
        struct err e;

        assert_non_null(r);
        e = manifest_read(r, lines[k], strlen(lines[k]));
        if (!failed(&e))
            print_error("accepted: %s", lines[k]);
        assert_true(failed(&e));
        recording_close(r);
    }
}

/* ---- hostile files ---- */

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

/* Makes the machine that a file describes, if it is small, and runs it a little. */
static void try_machine(const struct recording *r)
{
    struct machine_config cfg;
    struct machine *m = NULL;
    struct err e;

    recording_config(r, &cfg);
    if (cfg.ram_bytes > 16u << 20 || cfg.nvps > 4)
        return;
    e = machine_create(&m, &cfg);
    if (failed(&e))
        return;
    machine_run(m, 30000);
    machine_free(m);
}

static struct blob sample(void)
{
    struct machine_config cfg = guest_config(kernel);
    struct machine *m;

    cfg.record = file;
    cfg.record_every = 4001;
    cfg.clock = CLOCK_HOST;
    cfg.rtc_start_ns = 0;
    m = machine_made(&cfg);
    for (unsigned k = 0; k < 5; k++) {
        machine_serial_input(m, 0, "hello", 5);
        machine_key(m, 0x1e, true);
        assert_int_equal(machine_run(m, 4000), RUN_LIMIT);
    }
    machine_free(m);
    return contents();
}

/* A part that a reader may pass over does not stand for the manifest. */
static void a_file_without_a_manifest_is_refused(void **state)
{
    const struct ndlog_record end = { .at = { 5, 0 }, .kind = NDLOG_END, .len = 1, .bytes = (const uint8_t *)"x" };
    struct ndlog_batch batch = { 0 };
    struct recording *r = NULL;
    struct ndlog_writer *w;
    struct err e;

    (void)state;
    e = ndlog_create(&w, file);
    assert_false(failed(&e));
    ndlog_frame(w, (enum frame_kind)'m', "", 0);
    ndlog_add(&batch, &end);
    ndlog_flush(&batch, w);
    ndlog_close(w);
    writer_free(&batch.bytes);
    e = recording_open(&r, file);
    assert_true(failed(&e));
}

static void a_reader_survives_any_file(void **state)
{
    const char *rounds = getenv("PARTITA_FUZZ_ROUNDS");
    const unsigned most = rounds != NULL ? (unsigned)atoi(rounds) : 3000;
    unsigned opened = 0;
    uint32_t seed = 1;
    struct blob b = sample();

    (void)state;
    for (unsigned round = 0; round < most; round++) {
        struct blob copy = { malloc(b.len), b.len };
        struct recording *r = NULL;
        struct err e;

        assert_non_null(copy.bytes);
        memcpy(copy.bytes, b.bytes, b.len);
        for (unsigned k = 1 + next_random(&seed) % 4; k > 0; k--)
            copy.bytes[16 + next_random(&seed) % (b.len - 16)] ^= (uint8_t)(1u << next_random(&seed) % 8);
        if (next_random(&seed) % 8 == 0)
            copy.len = next_random(&seed) % b.len;
        if (next_random(&seed) % 16 != 0)
            frames_repair(copy.bytes, copy.len);
        e = recording_of(&r, file, copy);
        if (failed(&e))
            continue;
        opened++;
        try_machine(r);
        recording_close(r);
    }
    assert_true(opened > most / 20);
    blob_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_read_as_they_were_written),
        cmocka_unit_test(any_prefix_gives_its_whole_frames),
        cmocka_unit_test(frames_belong_where_they_are),
        cmocka_unit_test(numbers_of_any_size_are_read_back),
        cmocka_unit_test(a_manifest_keeps_every_setting),
        cmocka_unit_test(a_manifest_with_unknown_or_impossible_lines_is_refused),
        cmocka_unit_test(a_file_without_a_manifest_is_refused),
        cmocka_unit_test(a_reader_survives_any_file),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
