/* SPDX-License-Identifier: MIT
 * Backing memory with, per page, a dirty bit and a map of the 64-byte lines that decoded code came from. */
#ifndef CORE_RAM_H
#define CORE_RAM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attrs.h"
#include "base/err.h"
#include "core/types.h"

/* Who wants to know of changes since it last looked: snapshots in memory, and checkpoints in recordings. */
enum { DIRTY_SNAPSHOT = 1, DIRTY_CHECKPOINT = 2, RAM_DIRTY = DIRTY_SNAPSHOT | DIRTY_CHECKPOINT };

struct ram {
    uint8_t  *bytes;            /* page-aligned, zero at start */
    uint64_t  len;              /* bytes, a multiple of the page size */
    uint64_t *code;             /* per page: bit n set when line n (64 bytes) holds decoded code */
    uint8_t  *dirty;            /* per page: RAM_DIRTY when written; each bit until its owner's ram_clear_dirty() */
    uint8_t  *touched;          /* per page: ever written; untouched pages are zero */
    uint8_t  *away;             /* per page: what it holds lies elsewhere, `fetch` brings it (ram_present()) */
    uint32_t *lent;             /* per page: who has its bytes from here and keeps them when they change (base/pages_pool.h); 0: nobody */
    uint8_t  *unseen;           /* per page: stores may pass here unseen by ram_wrote(); the processors' note, not the guest's */
    const char *name;
    void (*code_written)(void *arg, struct ram *ram, uint64_t page, uint64_t lines);  /* before the bytes are used again */
    void (*code_arrived)(void *arg, struct ram *ram, uint64_t page);   /* first code line on a page: poison write tags */
    void (*cleaned)(void *arg, struct ram *ram);        /* no page is dirty any more: the next store to each must be told of */
    void *code_arg;
    void (*wrote)(void *arg, struct ram *ram, uint64_t offset, uint64_t len);     /* NULL, or told of each ram_wrote() */
    void *wrote_arg;
    void (*fetch)(void *arg, uint64_t page, uint8_t *to);
    void *fetch_arg;
};

struct err ram_create(struct ram **out, const char *name, uint64_t len) MUST_USE;
void       ram_free(struct ram *ram);
void       ram_mark_code(struct ram *ram, uint64_t offset, uint32_t len);  /* bytes [offset, offset+len) were decoded */
void       ram_forget_code(struct ram *ram, uint64_t page);
uint64_t   ram_pages_touched(const struct ram *ram);
uint64_t   ram_hash(struct ram *ram, uint64_t seed);

/* Every writer of RAM that does not go through a TLB entry tells of it here before the bytes change: marks pages dirty and reports code
 * lines that are hit. The pages are present. */
void       ram_wrote(struct ram *ram, uint64_t offset, uint64_t len);

/* The same of lines of 64 bytes in one page; a debugger that watches writes is not told. */
void       ram_wrote_lines(struct ram *ram, uint64_t page, uint64_t lines);

/* Of a page that is not RAM_DIRTY: it will be written. */
void       ram_first_write(struct ram *ram, uint64_t page);
void       ram_fetch(struct ram *ram, uint64_t page);
/* A page of the pool that holds what the page holds now; held once more. For whoever clears a dirty bit of it. */
uint32_t   ram_lend(struct ram *ram, uint64_t page);

static inline void ram_will_write(struct ram *ram, uint64_t page)
{
    if (ram->dirty[page] != RAM_DIRTY)
        ram_first_write(ram, page);
}

/* Before anybody looks at the bytes of a page. */
static inline void ram_present(struct ram *ram, uint64_t page)
{
    if (UNLIKELY(ram->away[page]))
        ram_fetch(ram, page);
}

/* For one of those who ask, pages are dirty again from the next store on. Never changes what the guest sees. */
void       ram_clear_dirty(struct ram *ram, unsigned whose);
/* From `page` on, the first that is dirty; the number of pages: none. */
uint64_t   ram_next_dirty(const struct ram *ram, uint64_t page, unsigned whose);

#endif
