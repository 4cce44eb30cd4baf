/* SPDX-License-Identifier: MIT
 * Copy-on-write in memory: clusters the guest wrote live here, all others are read from the base, which is never written.
 * The clusters are guest-visible state. Their hash does not depend on the order in which they were written. */
#include <stdlib.h>
#include <string.h>

#include "base/attrs.h"
#include "base/invariant.h"
#include "base/map.h"
#include "devices/block/block.h"

#define CLUSTER 65536u

struct cluster {
    uint64_t index;
    uint64_t hash;              /* of index and bytes, while `hashed` */
    bool hashed;
    uint8_t bytes[CLUSTER];
};

struct overlay {
    struct block block;
    struct block *base;         /* NULL: zeros */
    struct map clusters;        /* index to struct cluster */
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

static struct err overlay_read(struct block *b, uint64_t at, void *to, size_t len)
{
    struct overlay *o = (struct overlay *)b;
    uint8_t *p = to;

    while (len > 0) {
        size_t n = smaller(len, CLUSTER - at % CLUSTER);
        const struct cluster *c = map_get(&o->clusters, at / CLUSTER);

        if (c != NULL)
            memcpy(p, c->bytes + at % CLUSTER, n);
        else
            TRY(read_base(o, at, p, n));
        p += n;
        at += n;
        len -= n;
    }
    return OK;
}

/* The cluster for writing; a new one starts as what the base holds. */
static struct err own_cluster(struct overlay *o, uint64_t index, struct cluster **out)
{
    struct cluster *c = map_get(&o->clusters, index);

    if (c == NULL) {
        struct err e;

        c = calloc(1, sizeof *c);
        if (c == NULL)
            return err_make(ERR_MEMORY, "no memory for what the guest wrote to its disk: %zu clusters are kept",
                            o->clusters.live);
        c->index = index;
        e = read_base(o, index * CLUSTER, c->bytes, smaller(CLUSTER, o->block.size - index * CLUSTER));
        if (failed(&e)) {
            free(c);
            return e;
        }
        map_put(&o->clusters, index, c);
    }
    c->hashed = false;
    *out = c;
    return OK;
}

static struct err overlay_write(struct block *b, uint64_t at, const void *from, size_t len)
{
    struct overlay *o = (struct overlay *)b;
    const uint8_t *p = from;

    while (len > 0) {
        size_t n = smaller(len, CLUSTER - at % CLUSTER);
        struct cluster *c;

        TRY(own_cluster(o, at / CLUSTER, &c));
        memcpy(c->bytes + at % CLUSTER, p, n);
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

static void drop_clusters(struct overlay *o)
{
    MAP_EACH(&o->clusters, e)
        free(e->value);
    map_clear(&o->clusters);
}

static void overlay_close(struct block *b)
{
    struct overlay *o = (struct overlay *)b;

    drop_clusters(o);
    block_close(o->base);
    free(o);
}

static int by_index(const void *a, const void *b)
{
    const struct cluster *x = *(struct cluster *const *)a, *y = *(struct cluster *const *)b;

    return x->index < y->index ? -1 : x->index > y->index;
}

/* Ascending, so that equal contents make equal snapshots. */
static void overlay_save(struct block *b, struct writer *out)
{
    struct overlay *o = (struct overlay *)b;
    struct cluster **sorted = malloc((o->clusters.live + 1) * sizeof *sorted);
    size_t n = 0;

    invariant(sorted != NULL, "out of memory while saving a disk overlay");
    MAP_EACH(&o->clusters, e)
        sorted[n++] = e->value;
    qsort(sorted, n, sizeof *sorted, by_index);
    writer_uint(out, 8, n);
    for (size_t k = 0; k < n; k++) {
        writer_uint(out, 8, sorted[k]->index);
        writer_copy(out, sorted[k]->bytes, CLUSTER);
    }
    free(sorted);
}

static struct err overlay_load(struct block *b, struct reader *in)
{
    struct overlay *o = (struct overlay *)b;
    uint64_t n = reader_uint(in, 8), clusters = (b->size + CLUSTER - 1) / CLUSTER;

    drop_clusters(o);
    if (n > clusters)
        return err_make(ERR_FORMAT, "the snapshot's disk overlay has more clusters than the disk");
    for (uint64_t k = 0; k < n && !in->failed; k++) {
        uint64_t index = reader_uint(in, 8);
        struct cluster *c;

        if (index >= clusters)
            return err_make(ERR_FORMAT, "the snapshot's disk overlay has a cluster beyond the end of the disk");
        TRY(own_cluster(o, index, &c));
        reader_copy(in, c->bytes, CLUSTER);
    }
    return in->failed ? err_make(ERR_FORMAT, "the snapshot's disk overlay is cut short") : OK;
}

static uint64_t overlay_hash(struct block *b, uint64_t seed)
{
    struct overlay *o = (struct overlay *)b;
    uint64_t sum = 0;

    MAP_EACH(&o->clusters, e) {
        struct cluster *c = e->value;

        if (!c->hashed) {
            c->hash = bytes_hash(c->bytes, CLUSTER, c->index + 1);
            c->hashed = true;
        }
        sum += c->hash;
    }
    return bytes_hash(&sum, sizeof sum, seed);
}

static const struct block_ops overlay_ops = {
    .read = overlay_read, .write = overlay_write, .flush = overlay_flush, .close = overlay_close,
    .save = overlay_save, .load = overlay_load, .hash = overlay_hash,
};

static struct err make(struct block **out, struct block *base, uint64_t size)
{
    struct overlay *o = calloc(1, sizeof *o);

    if (o == NULL)
        return err_make(ERR_MEMORY, "no memory for a disk overlay");
    o->block = (struct block){ .ops = &overlay_ops, .size = size };
    o->base = base;
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
