/* SPDX-License-Identifier: MIT
 * Makes pages small, fast: what was written before in the same bytes is named instead of repeated. For keeping many pages of
 * machines, where zlib would take ten times as long for a third less; its reader trusts nothing. */
#ifndef BASE_PACK_H
#define BASE_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACK_MOST 4096u         /* bytes that are packed at once */

/* `out` has room for `len` bytes. How many the packed ones are; 0: no fewer than `len`. */
size_t pack(uint8_t *out, const uint8_t *bytes, size_t len);
/* Exactly `len` bytes must come of `packed`; false: they do not, and what `out` holds is of no meaning. */
bool   unpack(uint8_t *out, size_t len, const uint8_t *packed, size_t n);

#endif
