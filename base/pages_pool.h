/* SPDX-License-Identifier: MIT
 * The pages behind page maps. Each has a number and a count of those who hold it. A page that nobody looked at lately may lie
 * frozen: packed, and together with all others that hold the same. */
#ifndef BASE_PAGES_POOL_H
#define BASE_PAGES_POOL_H

#include <stdbool.h>
#include <stdint.h>

#define POOL_NONE 0u
#define POOL_ZERO 1u            /* stands for all pages of zeros; is never freed and never written */

uint32_t       pool_new(void);                          /* held once; what it holds is undefined */
/* Frozen from the start; its bytes stay somebody else's, who keeps them (len PAGES_PAGE: unpacked). If they cannot be unpacked, it
 * is a page of zeros. */
uint32_t       pool_new_frozen(const uint8_t *packed, uint32_t len);
/* Its bytes are somebody else's as long as they stay as they are: who is about to change them calls pool_settle(*note) first. *note
 * is the page until that was done or nobody holds it any more, then POOL_NONE. */
uint32_t       pool_lend(const uint8_t *bytes, uint32_t *note);
void           pool_settle(uint32_t page);
void           pool_hold(uint32_t page);
void           pool_drop(uint32_t page);                /* nothing of POOL_NONE and POOL_ZERO */
bool           pool_alone(uint32_t page);               /* may be written: held once, and not POOL_NONE or POOL_ZERO */

const uint8_t *pool_bytes(uint32_t page);               /* NULL of POOL_NONE; good until pool_squeeze() */
uint8_t       *pool_write(uint32_t page);               /* of one that is held alone */
/* Without waking a frozen one: in `room` if it is. */
const uint8_t *pool_look(uint32_t page, uint8_t *room);
uint64_t       pool_hash(uint32_t page);

/* Bytes for what else a process keeps of maps. */
void    *pool_allocate(uint64_t bytes);
void     pool_free(void *at, uint64_t bytes);
uint64_t pool_memory(void);
void     pool_squeeze(uint64_t bytes, uint64_t most);   /* freezes what was not looked at, until no more are taken, or so many pages */

#endif
