/* SPDX-License-Identifier: MIT */
#include "core/ram.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bits.h"
#include "base/bytes.h"
#include "base/pages_pool.h"

#define LINE_SHIFT 6        /* code is tracked in 64-byte lines: 64 lines a page, one bit each */

#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif

/* Where the host has pages of 2 MiB, a guest of some size has them, too: its memory is walked all over, and the host's TLB is small. */
static void large_pages(uint8_t *bytes, uint64_t len)
{
#ifdef MADV_HUGEPAGE
    if (len >= (uint64_t)16 << 20)
        madvise(bytes, len, MADV_HUGEPAGE);
#else
    (void)bytes, (void)len;
#endif
}

struct err ram_create(struct ram **out, const char *name, uint64_t len)
{
    uint64_t pages = len >> PAGE_SHIFT;
    struct ram *ram = calloc(1, sizeof *ram);

    if (ram != NULL) {
        ram->name = name;
        ram->len = len;
        ram->code = calloc(pages, sizeof *ram->code);
        ram->dirty = calloc(pages, 1);
        ram->touched = calloc(pages, 1);
        ram->unseen = calloc(pages, 1);
        ram->away = calloc(pages, 1);
        ram->lent = calloc(pages, sizeof *ram->lent);
        ram->bytes = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (ram->bytes == MAP_FAILED)
            ram->bytes = NULL;
        else
            large_pages(ram->bytes, len);
    }
    if (ram == NULL || ram->bytes == NULL || ram->code == NULL || ram->dirty == NULL || ram->touched == NULL ||
        ram->unseen == NULL || ram->away == NULL || ram->lent == NULL) {
        ram_free(ram);
        return err_make(ERR_MEMORY, "the host has no memory for %" PRIu64 " MiB of guest memory (%s): give a smaller -m",
                        len >> 20, name);
    }
    *out = ram;
    return OK;
}

void ram_free(struct ram *ram)
{
    if (ram == NULL)
        return;
    if (ram->bytes != NULL)
        munmap(ram->bytes, ram->len);
    free(ram->code);
    free(ram->dirty);
    free(ram->touched);
    free(ram->unseen);
    free(ram->away);
    free(ram->lent);
    free(ram);
}

/* Bits of the lines that bytes [from, to) of one page lie in. */
static uint64_t lines_of(uint64_t from, uint64_t to)
{
    uint64_t first = from >> LINE_SHIFT, last = (to - 1) >> LINE_SHIFT;

    return bits_mask((unsigned)(last - first + 1)) << first;
}

void ram_mark_code(struct ram *ram, uint64_t offset, uint32_t len)
{
    while (len > 0) {
        uint64_t page = offset >> PAGE_SHIFT, in_page = offset & ~PAGE_MASK;
        uint32_t here = len < PAGE_SIZE - in_page ? len : (uint32_t)(PAGE_SIZE - in_page);
        bool first = ram->code[page] == 0;

        ram->code[page] |= lines_of(in_page, in_page + here);
        if (first && ram->code_arrived != NULL)
            ram->code_arrived(ram->code_arg, ram, page);
        offset += here;
        len -= here;
    }
}

void ram_forget_code(struct ram *ram, uint64_t page)
{
    ram->code[page] = 0;
}

void ram_first_write(struct ram *ram, uint64_t page)
{
    if (ram->lent[page] != POOL_NONE)
        pool_settle(ram->lent[page]);
    ram->dirty[page] = RAM_DIRTY;
    ram->touched[page] = 1;
}

void ram_fetch(struct ram *ram, uint64_t page)
{
    if (ram->lent[page] != POOL_NONE)
        pool_settle(ram->lent[page]);
    ram->away[page] = 0;
    ram->fetch(ram->fetch_arg, page, ram->bytes + (page << PAGE_SHIFT));
}

uint32_t ram_lend(struct ram *ram, uint64_t page)
{
    if (ram->lent[page] == POOL_NONE)
        return pool_lend(ram->bytes + (page << PAGE_SHIFT), &ram->lent[page]);
    pool_hold(ram->lent[page]);
    return ram->lent[page];
}

void ram_wrote(struct ram *ram, uint64_t offset, uint64_t len)
{
    if (UNLIKELY(ram->wrote != NULL))
        ram->wrote(ram->wrote_arg, ram, offset, len);
    while (len > 0) {
        uint64_t page = offset >> PAGE_SHIFT, in_page = offset & ~PAGE_MASK;
        uint64_t here = len < PAGE_SIZE - in_page ? len : PAGE_SIZE - in_page;
        uint64_t hit = ram->code[page] == 0 ? 0 : ram->code[page] & lines_of(in_page, in_page + here);

        ram_will_write(ram, page);
        if (hit != 0 && ram->code_written != NULL)
            ram->code_written(ram->code_arg, ram, page, hit);
        offset += here;
        len -= here;
    }
}

void ram_wrote_lines(struct ram *ram, uint64_t page, uint64_t lines)
{
    ram_will_write(ram, page);
    if ((ram->code[page] & lines) != 0 && ram->code_written != NULL)
        ram->code_written(ram->code_arg, ram, page, ram->code[page] & lines);
}

void ram_clear_dirty(struct ram *ram, unsigned whose)
{
    const uint64_t pages = ram->len >> PAGE_SHIFT;

    for (uint64_t page = 0; page < pages; page++)
        ram->dirty[page] &= (uint8_t)~whose;
    if (ram->cleaned != NULL)
        ram->cleaned(ram->code_arg, ram);
}

uint64_t ram_next_dirty(const struct ram *ram, uint64_t page, unsigned whose)
{
    const uint64_t pages = ram->len >> PAGE_SHIFT, eight = UINT64_C(0x0101010101010101) * whose;

    while (page < pages && !(ram->dirty[page] & whose))
        page += page + 8 <= pages && (load64(ram->dirty + page) & eight) == 0 ? 8 : 1;
    return page;
}

uint64_t ram_pages_touched(const struct ram *ram)
{
    uint64_t n = 0;

    for (uint64_t page = 0; page < ram->len >> PAGE_SHIFT; page++)
        n += ram->touched[page];
    return n;
}

/* Pages of zeros hash to nothing, so that a page never touched and one that became zero again are the same guest memory. */
uint64_t ram_hash(struct ram *ram, uint64_t seed)
{
    static const uint8_t zeros[PAGE_SIZE];
    uint64_t hash = bytes_hash(&ram->len, sizeof ram->len, seed);

    for (uint64_t page = 0; page < ram->len >> PAGE_SHIFT; page++) {
        const uint8_t *at = ram->bytes + (page << PAGE_SHIFT);

        ram_present(ram, page);
        if (ram->touched[page] && memcmp(at, zeros, PAGE_SIZE) != 0)
            hash = bytes_hash(at, PAGE_SIZE, hash ^ page);
    }
    return hash;
}
