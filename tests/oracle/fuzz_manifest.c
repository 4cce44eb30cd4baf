/* SPDX-License-Identifier: MIT
 * libFuzzer entry for the manifest of a recording: the text of a stranger. What is taken can be written and read again and is the same;
 * a machine is made of it if it is small, and runs a little. */
#include <stdlib.h>
#include <string.h>

#include "machine/internal.h"
#include "machine/recording.h"
#include "machine/replay.h"
#include "tests/replay/frames.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RUN_INSNS 20000u

static void frame(struct writer *w, uint8_t kind, const void *bytes, size_t len)
{
    writer_varint(w, len);
    writer_uint(w, 1, kind);
    writer_copy(w, bytes, len);
    writer_uint(w, 4, 0);
}

/* A recording of that manifest that ends at once. */
static struct err open_it(struct recording **r, const void *text, size_t len)
{
    static const uint8_t end[] = { NDLOG_END, 0 };
    static const uint8_t head[16] = "\x89PTR\r\n\x1a\n\1";
    struct writer w = { 0 };

    writer_copy(&w, head, sizeof head);
    frame(&w, FRAME_MANIFEST, text, len);
    frame(&w, FRAME_LOG, end, sizeof end);
    frames_repair(w.bytes, w.len);
    return recording_of(r, "fuzz", (struct blob){ w.bytes, w.len });
}

static void write_again(const struct recording *r)
{
    struct writer once = { 0 }, twice = { 0 };
    struct recording *again;
    struct err e;

    manifest_write(&r->cfg, &r->inputs, &once);
    e = open_it(&again, once.bytes, once.len);
    if (failed(&e))
        abort();
    manifest_write(&again->cfg, &again->inputs, &twice);
    if (once.len != twice.len || memcmp(once.bytes, twice.bytes, once.len) != 0)
        abort();
    recording_close(again);
    writer_free(&once);
    writer_free(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct machine_config cfg;
    struct recording *r;
    struct machine *m;
    struct err e = open_it(&r, data, size);

    if (failed(&e))
        return 0;
    write_again(r);
    recording_config(r, &cfg);
    cfg.jit = false;
    if (cfg.ram_bytes <= (64u << 20) && cfg.nvps <= 4) {
        e = machine_create(&m, &cfg);
        if (!failed(&e)) {
            (void)machine_run(m, RUN_INSNS);
            machine_free(m);
        }
    }
    recording_close(r);
    return 0;
}
