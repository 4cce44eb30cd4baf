/* SPDX-License-Identifier: MIT
 * Names for addresses: the symbols of an ELF file, or of a text with an address, a letter and a name a line, as nm, System.map and
 * /proc/kallsyms have them. Files may say anything. */
#ifndef BASE_SYMBOLS_H
#define BASE_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/file.h"

struct symbols;

struct err symbols_open(struct symbols **out, const char *path) MUST_USE;      /* none in it is an error */
/* The bytes of a file, with one to spare, are taken over; `path` is for the error. */
struct err symbols_of(struct symbols **out, const char *path, struct blob file) MUST_USE;
void       symbols_free(struct symbols *s);
size_t     symbols_count(const struct symbols *s);

bool       symbols_find(const struct symbols *s, const char *name, uint64_t *at);      /* of several the lowest */
/* The symbol that lies at or nearest before, if the address can be its; NULL: none. s may be NULL. */
const char *symbols_at(const struct symbols *s, uint64_t at, uint64_t *offset);

#endif
