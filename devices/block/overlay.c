/* SPDX-License-Identifier: MIT
 * Copy-on-write in memory: pages that the guest wrote live here, all others are read from the base, which is never written.
 * The pages are guest-visible state. Their hash does not depend on the order in which they were written. */
#include <stdlib.h>
#include <string.h>

#include "base/attrs.h"
#include "base/bytes.h"
#include "devices/block/block.h"

struct overlay {
    struct block block;
    struct block *base;         /* NULL: zeros */
    struct pages written;
};

static size_t smaller(uint64_t a, uint64_t b)
{
    return (size_t)(a < b ? a : b);
}

static struct err read_base(struct overlay *o, uint64_t at, void *to, size_t len)
{
    if (o->base != NULL)
        return block_read(o->base, at, to, len);
    memset(to, 0, len);
    return OK;
}

/* Bytes from `at` on that nobody wrote, up to len: what the base is asked for at once. */
static size_t unwritten(const struct overlay *o, uint64_t at, size_t len)
{
    size_t n = 0;

    while (n < len && !pages_has(&o->written, (at + n) / PAGES_PAGE))
        n += smaller(len - n, PAGES_PAGE - (at + n) % PAGES_PAGE);
    return n;
}

static struct err overlay_read(struct block *b, uint64_t at, void *to, size_t len)
{
    struct overlay *o = (struct overlay *)b;
    uint8_t *p = to;

    while (len > 0) {
        const uint8_t *page = pages_get(&o->written, at / PAGES_PAGE);
        size_t n = page != NULL ? smaller(len, PAGES_PAGE - at % PAGES_PAGE) : unwritten(o, at, len);

        if (page != NULL)
            memcpy(p, page + at % PAGES_PAGE, n);
        else
            TRY(read_base(o, at, p, n));
        p += n;
        at += n;
        len -= n;
    }
    return OK;
}

/* The page for writing; a new one starts as what the base holds. */
static struct err own_page(struct overlay *o, uint64_t at, uint8_t **out)
{
    bool is_new = !pages_has(&o->written, at);
    struct err e = OK;

    *out = pages_edit(&o->written, at);
    if (is_new)
        e = read_base(o, at * PAGES_PAGE, *out, smaller(PAGES_PAGE, o->block.size - at * PAGES_PAGE));
    if (failed(&e))
        pages_remove(&o->written, at);
    return e;
}

static struct err overlay_write(struct block *b, uint64_t at, const void *from, size_t len)
{
    struct overlay *o = (struct overlay *)b;
    const uint8_t *p = from;

    while (len > 0) {
        size_t n = smaller(len, PAGES_PAGE - at % PAGES_PAGE);
        uint8_t *page;

        TRY(own_page(o, at / PAGES_PAGE, &page));
        memcpy(page + at % PAGES_PAGE, p, n);
        p += n;
        at += n;
        len -= n;
    }
    return OK;
}

static struct err overlay_flush(struct block *b UNUSED)
{
    return OK;
}

static void overlay_close(struct block *b)
{
    struct overlay *o = (struct overlay *)b;

    pages_drop(&o->written);
    block_close(o->base);
    free(o);
}

static struct pages *overlay_written(struct block *b)
{
    return &((struct overlay *)b)->written;
}

struct hashing { const struct pages *pages; uint64_t sum; };

static void add_page(void *arg, uint64_t at, const uint8_t *bytes UNUSED)
{
    struct hashing *h = arg;
    uint64_t of[2] = { at, pages_hash(h->pages, at) };

    h->sum += bytes_hash(of, sizeof of, 0);
}

static uint64_t overlay_hash(struct block *b, uint64_t seed)
{
    struct hashing h = { &((struct overlay *)b)->written, 0 };

    pages_each(h.pages, add_page, &h);
    return bytes_hash(&h.sum, sizeof h.sum, seed);
}

static const struct block_ops overlay_ops = {
    .read = overlay_read, .write = overlay_write, .flush = overlay_flush, .close = overlay_close,
    .written = overlay_written, .hash = overlay_hash,
};

static struct err make(struct block **out, struct block *base, uint64_t size)
{
    struct overlay *o = calloc(1, sizeof *o);

    if (o == NULL)
        return err_make(ERR_MEMORY, "no memory for a disk overlay");
    o->block = (struct block){ .ops = &overlay_ops, .size = size };
    o->base = base;
    pages_init(&o->written, (size + PAGES_PAGE - 1) / PAGES_PAGE);
    *out = &o->block;
    return OK;
}

struct err block_open_overlay(struct block **out, struct block *base)
{
    return make(out, base, base->size);
}

struct err block_open_memory(struct block **out, uint64_t size)
{
    return make(out, NULL, size / BLOCK_SECTOR * BLOCK_SECTOR);
}
