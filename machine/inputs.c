/* SPDX-License-Identifier: MIT */
#include "machine/inputs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/invariant.h"
#include "machine/recording.h"

uint64_t input_piece_hash(uint64_t so_far, uint64_t index, const uint8_t *bytes, size_t len)
{
    return bytes_zero(bytes, len) ? so_far : bytes_hash(bytes, len, so_far ^ index);
}

uint64_t input_hash(const uint8_t *bytes, size_t len)
{
    uint64_t hash = len;

    for (size_t at = 0; at < len; at += INPUT_PIECE)
        hash = input_piece_hash(hash, at / INPUT_PIECE, bytes + at, len - at < INPUT_PIECE ? len - at : INPUT_PIECE);
    return hash;
}

static struct err file_hash(const char *path, uint64_t *hash, uint64_t *len)
{
    uint8_t *piece = malloc(INPUT_PIECE);
    struct err e = OK;
    struct file *f;

    invariant(piece != NULL, "out of memory");
    e = file_open(&f, path, FILE_READ);
    if (failed(&e)) {
        free(piece);
        return e;
    }
    *hash = *len = file_size(f) / BLOCK_SECTOR * BLOCK_SECTOR;
    for (uint64_t at = 0; at < *len && !failed(&e); at += INPUT_PIECE) {
        uint64_t data = file_data_from(f, at);
        size_t n;

        if (data >= *len)
            break;
        at = data / INPUT_PIECE * INPUT_PIECE;
        n = *len - at < INPUT_PIECE ? (size_t)(*len - at) : INPUT_PIECE;
        e = file_read_at(f, at, piece, n);
        if (!failed(&e))
            *hash = input_piece_hash(*hash, at / INPUT_PIECE, piece, n);
    }
    file_close(f);
    free(piece);
    return e;
}

void inputs_free(struct inputs *in)
{
    while (in->count > 0) {
        struct input *i = &in->list[--in->count];

        free(i->path);
        free(i->bytes);
        free(i->has);
    }
}

static struct err remember(struct inputs *in, const char *path, uint64_t hash, uint64_t len)
{
    char *copy = strdup(path);

    invariant(copy != NULL, "out of memory");
    if (in->count == INPUTS_MAX) {
        free(copy);
        return err_make(ERR_USAGE, "a recording has room for %d input files", INPUTS_MAX);
    }
    in->list[in->count++] = (struct input){ .path = copy, .hash = hash, .len = len };
    return OK;
}

/* ---- replaying ---- */

/* The file where it was, or beside the recording. */
static const char *place_of(const struct recording *from, const char *path, char *room, size_t size)
{
    const char *slash = strrchr(recording_path(from), '/'), *name = strrchr(path, '/');
    struct file *f;
    struct err e = file_open(&f, path, FILE_READ);

    if (!failed(&e)) {
        file_close(f);
        return path;
    }
    snprintf(room, size, "%.*s%s", slash == NULL ? 0 : (int)(slash + 1 - recording_path(from)), recording_path(from),
             name == NULL ? path : name + 1);
    e = file_open(&f, room, FILE_READ);
    if (failed(&e))
        return path;
    file_close(f);
    return room;
}

static struct err altered(const char *path)
{
    return err_make(ERR_FORMAT, "'%.150s' is not the file that was recorded: its contents differ", path);
}

struct err input_embed(struct input *i)
{
    if (i->bytes != NULL)
        return OK;
    i->bytes = calloc(1, i->len + 1);
    i->has = calloc(i->len / EMBEDDED_PIECE / 64 + 1, sizeof *i->has);
    return i->bytes != NULL && i->has != NULL
           ? OK : err_make(ERR_MEMORY, "no memory for the %" PRIu64 " bytes of '%.100s' in the recording", i->len, i->path);
}

struct err input_copy(const struct input *i, struct blob *out)
{
    *out = (struct blob){ calloc(1, i->len + 1), i->len };
    if (out->bytes == NULL)
        return err_make(ERR_MEMORY, "no memory for the %" PRIu64 " bytes of '%.100s' in the recording", i->len, i->path);
    for (uint64_t at = 0, k = 0; at < i->len; at += EMBEDDED_PIECE, k++)
        if (i->has[k / 64] >> k % 64 & 1)
            memcpy(out->bytes + at, i->bytes + at, i->len - at < EMBEDDED_PIECE ? i->len - at : EMBEDDED_PIECE);
    return OK;
}

static struct err recorded_file(struct inputs *in, const char *path, struct blob *out)
{
    const struct input *i = recording_input(in->from, path);
    char room[4096];

    if (i == NULL)
        return err_make(ERR_FORMAT, "the recording knows no input '%.150s'", path);
    if (i->embedded)
        return input_copy(i, out);
    path = place_of(in->from, path, room, sizeof room);
    TRY(file_read_all(path, out));
    if (out->len == i->len && input_hash(out->bytes, out->len) == i->hash)
        return OK;
    blob_free(out);
    return altered(path);
}

static struct err recorded_disk(struct inputs *in, const struct drive_config *d, struct block **out)
{
    const struct input *i = recording_input(in->from, d->file);
    const char *path = d->file;
    uint64_t hash, len;
    struct block *base;
    char room[4096];

    if (i == NULL)
        return err_make(ERR_FORMAT, "the recording knows no disk image '%.150s'", path);
    if (i->embedded) {
        TRY(block_open_bytes(&base, i->bytes, i->len));
    } else {
        path = place_of(in->from, path, room, sizeof room);
        TRY(file_hash(path, &hash, &len));
        if (hash != i->hash || len != i->len)
            return altered(path);
        TRY(block_open_raw(&base, path, true));
    }
    if (!d->readonly && !d->cdrom)
        return block_open_overlay(out, base);
    *out = base;
    return OK;
}

/* ---- all modes ---- */

struct err input_file(struct inputs *in, const char *path, struct blob *out)
{
    if (in->from != NULL)
        return recorded_file(in, path, out);
    TRY(file_read_all(path, out));
    return in->watched ? remember(in, path, input_hash(out->bytes, out->len), out->len) : OK;
}

/* A recorded disk stays as it is: the guest writes to an overlay. */
struct err input_disk(struct inputs *in, const struct drive_config *d, struct block **out)
{
    uint64_t hash, len;

    if (in->from != NULL)
        return recorded_disk(in, d, out);
    if (in->watched) {
        TRY(file_hash(d->file, &hash, &len));
        TRY(remember(in, d->file, hash, len));
    }
    return block_open(out, d->file, d->readonly || d->cdrom, d->snapshot || in->watched);
}
