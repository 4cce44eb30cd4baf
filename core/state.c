/* SPDX-License-Identifier: MIT */
#include "core/state.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/invariant.h"

void state_save(const struct state_schema *s, const void *obj, struct writer *out)
{
    writer_uint(out, 4, s->size);
    writer_copy(out, obj, s->size);     /* no padding and little-endian hosts: the struct is its own file form */
}

struct err state_load(const struct state_schema *s, void *obj, struct reader *in)
{
    uint64_t size = reader_uint(in, 4);

    if (in->failed || size != s->size)
        return err_make(ERR_FORMAT, "saved state of %s has %" PRIu64 " bytes where %zu are expected", s->name, size, s->size);
    reader_copy(in, obj, s->size);
    return in->failed ? err_make(ERR_FORMAT, "saved state of %s is cut short", s->name) : OK;
}

uint64_t state_hash(const struct state_schema *s, const void *obj, uint64_t seed)
{
    return bytes_hash(obj, s->size, seed);
}

bool state_first_difference(const struct state_schema *s, const void *a, const void *b, struct state_difference *out)
{
    const uint8_t *x = a, *y = b;

    for (size_t f = 0; f < s->nfields; f++) {
        const struct state_field *field = &s->fields[f];

        for (uint32_t k = 0; k < field->count; k++, x += field->size, y += field->size) {
            if (memcmp(x, y, field->size) != 0) {
                *out = (struct state_difference){ field, k, load_bytes(x, field->size), load_bytes(y, field->size) };
                return true;
            }
        }
    }
    return false;
}

static void print_array(const struct state_field *field, const uint8_t *at, char *text, size_t room)
{
    size_t len = (size_t)snprintf(text, room, "%s =", field->name);

    for (uint32_t k = 0; k < field->count && len + 24 < room; k++, at += field->size)
        len += (size_t)snprintf(text + len, room - len, " %0*" PRIx64, (int)field->size * 2, load_bytes(at, field->size));
}

void state_print(const struct state_schema *s, const void *obj, void (*line)(void *arg, const char *text), void *arg)
{
    const uint8_t *at = obj;
    char text[8192];

    for (size_t f = 0; f < s->nfields; f++) {
        const struct state_field *field = &s->fields[f];

        if (field->count == 1)
            snprintf(text, sizeof text, "%s = 0x%" PRIx64, field->name, load_bytes(at, field->size));
        else
            print_array(field, at, text, sizeof text);
        line(arg, text);
        at += (size_t)field->size * field->count;
    }
}
