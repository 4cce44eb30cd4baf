/* SPDX-License-Identifier: MIT
 * State schemas: one field list declares a struct and gives its save, load, hash, difference and print.
 *
 *     #define RTC_STATE(ONE, MANY)                                   \
 *         ONE (u64, epoch_ns,  "wall clock when virtual time was 0") \
 *         MANY(u8,  cmos, 128, "clock registers, then CMOS bytes")
 *     STATE_STRUCT(rtc_state, RTC_STATE);      in the header or the .c: struct rtc_state
 *     STATE_SCHEMA(rtc_state, RTC_STATE);      in one .c: const struct state_schema rtc_state_schema
 *
 * Only u8, u16, u32 and u64 exist. Padding is refused at compile time: order fields by falling size and fill
 * with a MANY(u8, reserved, n, ...) where the sum is no multiple of the largest. */
#ifndef CORE_STATE_H
#define CORE_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

#define STATE_TYPE_u8  uint8_t
#define STATE_TYPE_u16 uint16_t
#define STATE_TYPE_u32 uint32_t
#define STATE_TYPE_u64 uint64_t

struct state_field {
    const char *name, *doc;
    uint32_t count;
    uint32_t size;          /* bytes of one element: 1, 2, 4, 8 */
};

struct state_schema {
    const char *name;
    const struct state_field *fields;
    size_t nfields, size;   /* size of the struct, the sum of its fields */
};

#define STATE_DECL_ONE(type, name, doc)         STATE_TYPE_##type name;
#define STATE_DECL_MANY(type, name, n, doc)     STATE_TYPE_##type name[n];
#define STATE_SUM_ONE(type, name, doc)          + sizeof(STATE_TYPE_##type)
#define STATE_SUM_MANY(type, name, n, doc)      + sizeof(STATE_TYPE_##type) * (n)
#define STATE_ROW_ONE(type, name, doc)          { #name, doc, 1, sizeof(STATE_TYPE_##type) },
#define STATE_ROW_MANY(type, name, n, doc)      { #name, doc, n, sizeof(STATE_TYPE_##type) },

#define STATE_STRUCT(tag, LIST)                                                          \
    struct tag { LIST(STATE_DECL_ONE, STATE_DECL_MANY) };                                \
    _Static_assert(sizeof(struct tag) == 0 LIST(STATE_SUM_ONE, STATE_SUM_MANY),          \
                   "struct " #tag " has padding: order its fields by size")

#define STATE_SCHEMA(tag, LIST)                                                          \
    static const struct state_field tag##_fields[] = { LIST(STATE_ROW_ONE, STATE_ROW_MANY) }; \
    const struct state_schema tag##_schema = {                                           \
        #tag, tag##_fields, sizeof tag##_fields / sizeof tag##_fields[0], sizeof(struct tag) \
    }

void       state_save(const struct state_schema *s, const void *obj, struct writer *out);
struct err state_load(const struct state_schema *s, void *obj, struct reader *in) MUST_USE;
uint64_t   state_hash(const struct state_schema *s, const void *obj, uint64_t seed);

struct state_difference {
    const struct state_field *field;
    uint32_t index;
    uint64_t a, b;
};

/* The first field in which two objects differ; false when equal. */
bool       state_first_difference(const struct state_schema *s, const void *a, const void *b, struct state_difference *out);

/* One line per field: "name = value"; arrays of bytes as hex. Calls `line` for each. */
void       state_print(const struct state_schema *s, const void *obj, void (*line)(void *arg, const char *text), void *arg);

#endif
