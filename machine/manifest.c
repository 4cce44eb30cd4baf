/* SPDX-License-Identifier: MIT
 * The manifest of a recording: the configuration as it was resolved, a line each, and the identities of the input files. What
 * only the host sees of a machine (where serial output goes, traces, the engine) is not part of it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/bits.h"
#include "base/invariant.h"
#include "config.h"
#include "core/clock.h"
#include "machine/recording.h"

#define PIECE EMBEDDED_PIECE

/* Each number with its least and greatest value: a file may hold anything. */
static const struct number { const char *name; size_t at, size; uint64_t least, most; } numbers[] = {
#define NUMBER(field, least, most) \
    { #field, offsetof(struct machine_config, field), sizeof ((struct machine_config *)0)->field, least, most }
    NUMBER(ram_bytes, 0, UINT64_MAX),
    NUMBER(nvps, 1, MACHINE_MAX_VPS),
    NUMBER(debug_exit, 0, 1),
    NUMBER(debug_exit_port, 0, UINT16_MAX),
    NUMBER(debug_exit_bytes, 1, 4),
    NUMBER(testdev, 0, 1),
    NUMBER(hyperv_testdev, 0, 1),
    NUMBER(hv, 0, 1),
    NUMBER(no_reboot, 0, 1),
    NUMBER(vga, 0, 1),
    NUMBER(window, 0, 1),
    NUMBER(clock, 0, CLOCK_HOST),
    NUMBER(smm, 0, SMM_INTEL64),
    NUMBER(seed, 0, UINT64_MAX),
    NUMBER(rtc_start_ns, 0, UINT64_MAX),
    NUMBER(ps_per_insn, 1, UINT32_MAX),
    NUMBER(stop_at, 0, UINT64_MAX),
    NUMBER(idle_limit_ns, 0, UINT64_MAX),
    NUMBER(schedule_turn, 0, UINT64_MAX),
    NUMBER(schedule_seed, 0, UINT64_MAX),
#undef NUMBER
};

static const struct string { const char *name; size_t at; } strings[] = {
#define STRING(field) { #field, offsetof(struct machine_config, field) }
    STRING(cpu), STRING(hv_spec), STRING(bios), STRING(kernel), STRING(initrd), STRING(append), STRING(boot_order),
    STRING(start_from),
#undef STRING
};

/* ---- writing ---- */

/* The rest of a line: control characters and the escape itself as %XX. */
static void escaped(struct writer *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if ((uint8_t)*text < ' ' || *text == '%' || *text == 0x7f)
            writer_print(out, "%%%02x", (uint8_t)*text);
        else
            writer_uint(out, 1, (uint8_t)*text);
    }
    writer_uint(out, 1, '\n');
}

static void write_inputs(const struct inputs *inputs, struct writer *out)
{
    for (unsigned k = 0; k < inputs->count; k++) {
        const struct input *i = &inputs->list[k];

        writer_print(out, "input %016" PRIx64 " %" PRIu64 " %u ", i->hash, i->len, i->embedded);
        escaped(out, i->path);
    }
}

void manifest_write(const struct machine_config *cfg, const struct inputs *inputs, struct writer *out)
{
    const char *base = (const char *)cfg;

    writer_print(out, "partita " PACKAGE_VERSION "\n");
    for (size_t k = 0; k < COUNT_OF(numbers); k++)
        writer_print(out, "%s %" PRIu64 "\n", numbers[k].name, load_bytes(base + numbers[k].at, (unsigned)numbers[k].size));
    for (size_t k = 0; k < COUNT_OF(strings); k++) {
        const char *text = *(const char *const *)(const void *)(base + strings[k].at);

        if (text == NULL)
            continue;
        writer_print(out, "%s ", strings[k].name);
        escaped(out, text);
    }
    for (unsigned k = 0; k < MACHINE_SERIALS; k++)
        if (cfg->serial[k] != NULL)
            writer_print(out, "serial %u\n", k);
    for (unsigned k = 0; k < cfg->ndrives; k++) {
        const struct drive_config *d = &cfg->drives[k];

        writer_print(out, "drive %u %d %u %u ", d->bus, d->index, d->cdrom, d->readonly);
        escaped(out, d->file);
    }
    for (unsigned k = 0; k < cfg->nmces; k++) {
        const struct machine_mce *e = &cfg->mces[k];

        writer_print(out, "mce %" PRIu64 " %" PRIx64 " %" PRIx64 " %" PRIx64 " %" PRIx64 " %u %u %u\n", e->at, e->status, e->mcg_status,
             e->addr, e->misc, e->cpu, e->bank, e->broadcast);
    }
    write_inputs(inputs, out);
}

/* ---- reading ---- */

/* Cuts the next blank-separated word off; empty at the end. */
static char *word(char **rest)
{
    char *start = *rest;

    *rest += strcspn(start, " ");
    if (**rest != '\0')
        *(*rest)++ = '\0';
    return start;
}

static uint64_t word_number(char **rest, int base, uint64_t most, bool *ok)
{
    char *text = word(rest), *end;
    uint64_t v = strtoull(text, &end, base);

    if (end == text || *end != '\0' || v > most)
        *ok = false;
    return v;
}

static bool unescape(char *text)
{
    char *to = text;

    for (; *text != '\0'; text++) {
        unsigned byte;

        if (*text != '%') {
            *to++ = *text;
            continue;
        }
        if (sscanf(text, "%%%2x", &byte) != 1 || byte == 0 || text[1] == '\0' || text[2] == '\0')
            return false;
        *to++ = (char)byte;
        text += 2;
    }
    *to = '\0';
    return true;
}

static const char *keep(struct recording *r, char *text, bool *ok)
{
    if (r->nstrings == COUNT_OF(r->strings) || !unescape(text)) {
        *ok = false;
        return NULL;
    }
    r->strings[r->nstrings] = strdup(text);
    invariant(r->strings[r->nstrings] != NULL, "out of memory");
    return r->strings[r->nstrings++];
}

static bool read_drive(struct recording *r, char *rest)
{
    struct drive_config d;
    bool ok = r->cfg.ndrives < MACHINE_MAX_DRIVES;
    const char *index;

    d.bus = (enum drive_bus)word_number(&rest, 10, DRIVE_FLOPPY, &ok);
    index = word(&rest);
    d.index = strcmp(index, "-1") == 0 ? -1 : index[0] >= '0' && index[0] <= '3' && index[1] == '\0' ? index[0] - '0' : -2;
    d.cdrom = word_number(&rest, 10, 1, &ok);
    d.readonly = word_number(&rest, 10, 1, &ok);
    d.snapshot = true;
    if (!ok || d.index == -2)
        return false;
    d.file = keep(r, rest, &ok);
    r->cfg.drives[r->cfg.ndrives++] = d;
    return ok;
}

static bool read_mce(struct recording *r, char *rest)
{
    struct machine_mce e = { 0 };
    bool ok = r->cfg.nmces < MACHINE_MAX_MCES;

    e.at = word_number(&rest, 10, UINT64_MAX, &ok);
    e.status = word_number(&rest, 16, UINT64_MAX, &ok);
    e.mcg_status = word_number(&rest, 16, UINT64_MAX, &ok);
    e.addr = word_number(&rest, 16, UINT64_MAX, &ok);
    e.misc = word_number(&rest, 16, UINT64_MAX, &ok);
    e.cpu = (unsigned)word_number(&rest, 10, MACHINE_MAX_VPS, &ok);
    e.bank = (unsigned)word_number(&rest, 10, 0xff, &ok);
    e.broadcast = word_number(&rest, 10, 1, &ok);
    if (!ok || (r->cfg.nmces > 0 && r->cfg.mces[r->cfg.nmces - 1].at > e.at))
        return false;
    r->cfg.mces[r->cfg.nmces++] = e;
    return true;
}

static bool read_input(struct recording *r, char *rest)
{
    struct input i = { 0 };
    bool ok = r->inputs.count < INPUTS_MAX;

    i.hash = word_number(&rest, 16, UINT64_MAX, &ok);
    i.len = word_number(&rest, 10, UINT64_C(1) << 44, &ok);
    i.embedded = word_number(&rest, 10, 1, &ok);
    if (!ok || (i.embedded && i.len > EMBEDDED_MAX) || !unescape(rest))
        return false;
    i.path = strdup(rest);
    invariant(i.path != NULL, "out of memory");
    i.read_hash = i.len;
    r->inputs.list[r->inputs.count++] = i;
    return true;
}

/* A line of one of the two tables. */
static bool read_field(struct recording *r, const char *name, char *rest)
{
    char *base = (char *)&r->cfg;
    bool ok = true;

    for (size_t k = 0; k < COUNT_OF(numbers); k++) {
        if (strcmp(name, numbers[k].name) == 0) {
            uint64_t v = word_number(&rest, 10, numbers[k].most, &ok);

            store_bytes(base + numbers[k].at, (unsigned)numbers[k].size, v);
            return ok && v >= numbers[k].least;
        }
    }
    for (size_t k = 0; k < COUNT_OF(strings); k++) {
        if (strcmp(name, strings[k].name) == 0) {
            *(const char **)(void *)(base + strings[k].at) = keep(r, rest, &ok);
            return ok;
        }
    }
    return false;
}

static bool read_line(struct recording *r, char *text)
{
    char *rest = text, *name = word(&rest);
    bool ok = true;

    if (strcmp(name, "partita") == 0) {
        snprintf(r->made_by, sizeof r->made_by, "%.40s", rest);
        return true;
    }
    if (strcmp(name, "serial") == 0) {
        r->cfg.serial[word_number(&rest, 10, MACHINE_SERIALS - 1, &ok) % MACHINE_SERIALS] = "null";
        return ok;
    }
    if (strcmp(name, "drive") == 0)
        return read_drive(r, rest);
    if (strcmp(name, "mce") == 0)
        return read_mce(r, rest);
    if (strcmp(name, "input") == 0)
        return read_input(r, rest);
    return read_field(r, name, rest);
}

struct err manifest_read(struct recording *r, const char *text, size_t len)
{
    machine_config_default(&r->cfg);
    r->cfg.cpu = r->cfg.append = r->cfg.boot_order = NULL;
    while (len > 0) {
        const char *end = memchr(text, '\n', len);
        size_t n = end == NULL ? len : (size_t)(end - text);
        char *copy = strndup(text, n);
        bool ok;

        invariant(copy != NULL, "out of memory");
        ok = end != NULL && strlen(copy) == n && read_line(r, copy);
        free(copy);
        if (!ok)
            return err_make(ERR_FORMAT, "its manifest has a line that this build does not know: '%.*s'", (int)(n < 60 ? n : 60), text);
        text += n + 1;
        len -= n + 1;
    }
    if (r->cfg.cpu == NULL || r->cfg.append == NULL || r->cfg.boot_order == NULL)
        return err_make(ERR_FORMAT, "its manifest is incomplete");
    return OK;
}

/* ---- embedded inputs: pieces of 1 MiB, each deflated; pieces of zeros are left out ---- */

static void write_piece(struct ndlog_writer *out, unsigned index, uint64_t at, const uint8_t *bytes, uint64_t len)
{
    uLongf packed = compressBound((uLong)len);
    struct writer w = { 0 };
    uint8_t *room = malloc(packed);

    invariant(room != NULL && compress2(room, &packed, bytes, (uLong)len, 6) == Z_OK, "out of memory for an input file");
    writer_varint(&w, index);
    writer_varint(&w, at);
    writer_varint(&w, len);
    writer_copy(&w, room, packed);
    ndlog_frame(out, FRAME_INPUT, w.bytes, w.len);
    writer_free(&w);
    free(room);
}

/* From the file, or from what another recording held of it. */
static struct err piece_of(const struct input *i, struct file *f, uint64_t at, uint8_t *to, uint64_t len)
{
    if (i->bytes == NULL)
        return file_read_at(f, at, to, len);
    memcpy(to, i->bytes + at, len);
    return OK;
}

struct err embedded_write(struct ndlog_writer *out, const struct input *i, unsigned index)
{
    uint8_t *piece = malloc(PIECE);
    uint64_t hash = i->len;
    struct err e = OK;
    struct file *f = NULL;

    invariant(piece != NULL, "out of memory for an input file");
    if (i->bytes == NULL)
        e = file_open(&f, i->path, FILE_READ);
    if (failed(&e)) {
        free(piece);
        return e;
    }
    for (uint64_t at = 0; at < i->len && !failed(&e); at += PIECE) {
        uint64_t len = i->len - at < PIECE ? i->len - at : PIECE;

        e = piece_of(i, f, at, piece, len);
        if (failed(&e))
            break;
        for (uint64_t k = 0; k < len; k += INPUT_PIECE)
            hash = input_piece_hash(hash, (at + k) / INPUT_PIECE, piece + k, len - k < INPUT_PIECE ? len - k : INPUT_PIECE);
        if (!bytes_zero(piece, len))
            write_piece(out, index, at, piece, len);
    }
    if (!failed(&e) && hash != i->hash)
        e = err_make(ERR_IO, "'%.150s' changed while it was read for the recording", i->path);
    file_close(f);
    free(piece);
    return e;
}

/* Pieces come in order, each once and whole, so what a file can say is no more than it can hold. */
struct err embedded_read(struct recording *r, const struct ndlog_frame *f)
{
    struct reader in = reader_of(f->bytes, f->len);
    uint64_t index = reader_varint(&in), at = reader_varint(&in), len = reader_varint(&in);
    struct input *i = index < r->inputs.count ? &r->inputs.list[index] : NULL;
    uLongf got = (uLongf)len;

    if (in.failed || i == NULL || !i->embedded || at % PIECE != 0 || at < i->read || at >= i->len ||
        len != (i->len - at < PIECE ? i->len - at : PIECE))
        return err_make(ERR_FORMAT, "an input file in it is damaged");
    TRY(input_embed(i));
    if (uncompress(i->bytes + at, &got, in.at, (uLong)(in.end - in.at)) != Z_OK || got != len)
        return err_make(ERR_FORMAT, "the input file '%.100s' in it is damaged", i->path);
    for (uint64_t k = at; k < at + len; k += INPUT_PIECE)
        i->read_hash = input_piece_hash(i->read_hash, k / INPUT_PIECE, i->bytes + k, at + len - k < INPUT_PIECE ? at + len - k : INPUT_PIECE);
    i->has[at / PIECE / 64] |= UINT64_C(1) << at / PIECE % 64;
    i->read = at + len;
    return OK;
}
