/* SPDX-License-Identifier: MIT
 * Regions as given, and the flat view derived from them: sorted, disjoint extents, each naming the region that is seen
 * there. The view is rebuilt at the first lookup after a change; lookups are a binary search behind the processors' TLBs. */
#include "core/space.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/invariant.h"

struct region {
    gpa_t start, end;           /* [start, end) */
    gpa_t base;                 /* of the window it was added with; space_remove() names it */
    uint64_t serial;            /* later additions win within a layer */
    struct ram *ram;            /* RAM when not NULL */
    uint64_t ram_offset;
    struct device *dev;
    const struct reg *row;
    unsigned rights;
    int layer;
};

struct extent {
    gpa_t start, end;
    const struct region *region;
};

#define LISTENERS 80

struct space {
    const char *name;
    struct space *beneath;      /* seen where no region lies; NULL: nothing is */
    uint64_t size, next_serial;
    struct region **regions;
    size_t nregions, room;
    struct extent *view;
    size_t nview, view_room, last_hit;
    bool stale;
    struct { void (*changed)(void *arg); void *arg; } listeners[LISTENERS];
    size_t nlisteners;
};

struct space *space_create(const char *name, uint64_t size)
{
    struct space *s = calloc(1, sizeof *s);

    invariant(s != NULL, "out of memory for address space %s", name);
    s->name = name;
    s->size = size != 0 ? size : (uint64_t)1 << 52;
    return s;
}

struct space *space_create_over(const char *name, struct space *beneath)
{
    struct space *s = space_create(name, beneath->size);

    s->beneath = beneath;
    return s;
}

void space_free(struct space *s)
{
    if (s == NULL)
        return;
    for (size_t k = 0; k < s->nregions; k++)
        free(s->regions[k]);
    free(s->regions);
    free(s->view);
    free(s);
}

static void tell_listeners(struct space *s)
{
    s->stale = true;
    for (size_t k = 0; k < s->nlisteners; k++)
        s->listeners[k].changed(s->listeners[k].arg);
}

static void add(struct space *s, struct region region)
{
    struct region *r = malloc(sizeof *r);

    if (s->nregions == s->room) {
        s->room = s->room * 2 + 64;
        s->regions = realloc(s->regions, s->room * sizeof(struct region *));
    }
    invariant(r != NULL && s->regions != NULL, "out of memory for regions of %s", s->name);
    invariant(region.start < region.end && region.end <= s->size, "region at %llx lies outside %s",
              (unsigned long long)region.start, s->name);
    region.serial = s->next_serial++;
    *r = region;
    s->regions[s->nregions++] = r;
}

void space_add_ram(struct space *s, gpa_t at, struct ram *ram, uint64_t offset, uint64_t len, unsigned rights, int layer)
{
    invariant(((at | offset | len) & ~PAGE_MASK) == 0 && offset + len <= ram->len, "RAM region at %llx is not whole pages of %s",
              (unsigned long long)at, ram->name);
    add(s, (struct region){ .start = at, .end = at + len, .base = at, .ram = ram, .ram_offset = offset, .rights = rights,
                            .layer = layer });
    tell_listeners(s);
}

void space_add_device(struct space *s, gpa_t at, struct device *dev, const struct reg *rows, size_t n, int layer)
{
    for (size_t k = 0; k < n; k++) {
        uint32_t span = rows[k].span != 0 ? rows[k].span : rows[k].bytes;

        add(s, (struct region){ .start = at + rows[k].at, .end = at + rows[k].at + span, .base = at, .dev = dev,
                                .row = &rows[k], .layer = layer });
    }
    tell_listeners(s);
}

void space_remove(struct space *s, gpa_t at, int layer)
{
    size_t kept = 0;

    for (size_t k = 0; k < s->nregions; k++) {
        if (s->regions[k]->base == at && s->regions[k]->layer == layer)
            free(s->regions[k]);
        else
            s->regions[kept++] = s->regions[k];
    }
    if (kept != s->nregions) {
        s->nregions = kept;
        tell_listeners(s);
    }
}

void space_listen(struct space *s, void (*changed)(void *arg), void *arg)
{
    invariant(s->nlisteners < LISTENERS, "too many listeners on %s", s->name);
    s->listeners[s->nlisteners].changed = changed;
    s->listeners[s->nlisteners++].arg = arg;
}

/* Highest layer first, within a layer the latest first. */
static int by_visibility(const void *a, const void *b)
{
    const struct region *x = *(const struct region *const *)a, *y = *(const struct region *const *)b;

    if (x->layer != y->layer)
        return x->layer > y->layer ? -1 : 1;
    return x->serial > y->serial ? -1 : 1;
}

static void view_insert(struct space *s, size_t at, struct extent e)
{
    if (s->nview == s->view_room) {
        s->view_room = s->view_room * 2 + 64;
        s->view = realloc(s->view, s->view_room * sizeof(struct extent));
        invariant(s->view != NULL, "out of memory for the view of %s", s->name);
    }
    memmove(&s->view[at + 1], &s->view[at], (s->nview - at) * sizeof(struct extent));
    s->view[at] = e;
    s->nview++;
}

/* Put a region into the gaps that more visible regions left. */
static void view_fill(struct space *s, const struct region *r)
{
    gpa_t from = r->start;
    size_t k = 0;

    while (k < s->nview && s->view[k].end <= from)
        k++;
    while (from < r->end) {
        gpa_t gap_end = k < s->nview && s->view[k].start < r->end ? s->view[k].start : r->end;

        if (from < gap_end) {
            view_insert(s, k, (struct extent){ from, gap_end, r });
            k++;
        }
        if (k == s->nview || s->view[k].start >= r->end)
            break;
        from = s->view[k].end;
        k++;
    }
}

static void view_rebuild(struct space *s)
{
    struct region **order = malloc((s->nregions + 1) * sizeof *order);

    invariant(order != NULL, "out of memory for the view of %s", s->name);
    if (s->nregions > 0)
        memcpy(order, s->regions, s->nregions * sizeof *order);
    qsort(order, s->nregions, sizeof *order, by_visibility);
    s->nview = 0;
    s->last_hit = 0;
    for (size_t k = 0; k < s->nregions; k++)
        view_fill(s, order[k]);
    free(order);
    s->stale = false;
}

/* The extent that holds `at`, or NULL when nothing is there. */
static const struct extent *find(struct space *s, gpa_t at)
{
    size_t low = 0, high;

    if (s->stale)
        view_rebuild(s);
    if (s->last_hit < s->nview && at >= s->view[s->last_hit].start && at < s->view[s->last_hit].end)
        return &s->view[s->last_hit];
    high = s->nview;
    while (low < high) {
        size_t mid = (low + high) / 2;

        if (s->view[mid].end <= at)
            low = mid + 1;
        else
            high = mid;
    }
    if (low == s->nview || at < s->view[low].start)
        return s->beneath != NULL ? find(s->beneath, at) : NULL;
    s->last_hit = low;
    return &s->view[low];
}

struct space_page space_page(struct space *s, gpa_t page)
{
    const struct extent *e = find(s, page);
    uint64_t offset;

    if (e == NULL || e->region->ram == NULL || e->start > page || e->end < page + PAGE_SIZE)
        return (struct space_page){ 0 };
    offset = e->region->ram_offset + (page - e->region->start);
    ram_present(e->region->ram, offset >> PAGE_SHIFT);
    return (struct space_page){ e->region->ram->bytes + offset, e->region->ram, offset >> PAGE_SHIFT, e->region->rights };
}

/* No more than a page. */
static void present(struct ram *ram, uint64_t offset, unsigned bytes)
{
    ram_present(ram, offset >> PAGE_SHIFT);
    ram_present(ram, (offset + bytes - 1) >> PAGE_SHIFT);
}

/* How many of `bytes` a device row takes at once: no wider than the row, naturally aligned. */
static unsigned piece(const struct reg *row, gpa_t at, unsigned bytes)
{
    unsigned n = 8;

    while (n > row->bytes || n > bytes || (at & (n - 1)) != 0)
        n /= 2;
    return n;
}

static unsigned read_piece(struct space *s, gpa_t at, unsigned bytes, uint64_t *out)
{
    const struct extent *e = find(s, at);
    unsigned n;

    if (e == NULL) {
        *out = 0xff;
        return 1;
    }
    if (e->region->ram != NULL) {
        n = e->end - at < bytes ? (unsigned)(e->end - at) : bytes;
        present(e->region->ram, e->region->ram_offset + (at - e->region->start), n);
        *out = load_bytes(e->region->ram->bytes + e->region->ram_offset + (at - e->region->start), n);
        return n;
    }
    n = piece(e->region->row, at, bytes);
    *out = e->region->row->read(e->region->dev, (uint32_t)(at - e->region->base), n);
    return n;
}

uint64_t space_read(struct space *s, gpa_t at, unsigned bytes)
{
    uint64_t value = 0;

    for (unsigned done = 0; done < bytes; ) {
        uint64_t part;
        unsigned n = read_piece(s, (at + done) % s->size, bytes - done, &part);

        memcpy((uint8_t *)&value + done, &part, n);
        done += n;
    }
    return value;
}

static unsigned write_piece(struct space *s, gpa_t at, unsigned bytes, uint64_t value)
{
    const struct extent *e = find(s, at);
    const struct region *r;
    unsigned n;

    if (e == NULL)
        return 1;
    r = e->region;
    if (r->ram != NULL) {
        uint64_t offset = r->ram_offset + (at - r->start);

        n = e->end - at < bytes ? (unsigned)(e->end - at) : bytes;
        if (r->rights & ACCESS_WRITE) {
            present(r->ram, offset, n);
            ram_wrote(r->ram, offset, n);
            store_bytes(r->ram->bytes + offset, n, value);
        }
        return n;
    }
    n = piece(r->row, at, bytes);
    if (n < 8)
        value &= ((uint64_t)1 << (8 * n)) - 1;
    r->row->write(r->dev, (uint32_t)(at - r->base), n, value);
    return n;
}

void space_write(struct space *s, gpa_t at, unsigned bytes, uint64_t value)
{
    for (unsigned done = 0; done < bytes; ) {
        unsigned n = write_piece(s, (at + done) % s->size, bytes - done, value >> (8 * done));

        done += n;
    }
}

void space_read_bytes(struct space *s, gpa_t at, void *to, uint64_t len)
{
    uint8_t *p = to;

    while (len > 0) {
        struct space_page page = space_page(s, at & PAGE_MASK);
        uint64_t n = PAGE_SIZE - (at & ~PAGE_MASK);

        if (n > len)
            n = len;
        if (page.host != NULL) {
            memcpy(p, page.host + (at & ~PAGE_MASK), n);
        } else {
            n = n > 4 ? 4 : n;
            store_bytes(p, (unsigned)n, space_read(s, at, (unsigned)n));
        }
        p += n;
        at += n;
        len -= n;
    }
}

void space_write_bytes(struct space *s, gpa_t at, const void *from, uint64_t len)
{
    const uint8_t *p = from;

    while (len > 0) {
        struct space_page page = space_page(s, at & PAGE_MASK);
        uint64_t in_page = at & ~PAGE_MASK, n = PAGE_SIZE - in_page;

        if (n > len)
            n = len;
        if (page.host != NULL && (page.rights & ACCESS_WRITE)) {
            ram_wrote(page.ram, (page.ram_page << PAGE_SHIFT) + in_page, n);
            memcpy(page.host + in_page, p, n);
        } else {
            n = n > 4 ? 4 : n;
            space_write(s, at, (unsigned)n, load_bytes(p, (unsigned)n));
        }
        p += n;
        at += n;
        len -= n;
    }
}

/* ---- order ---- */

/* What tells regions apart, but for equal ones of which it does not matter. */
static void describe(const struct region *r, uint64_t out[4])
{
    out[0] = r->start;
    out[1] = r->end;
    out[2] = r->base;
    out[3] = (uint64_t)(uint32_t)r->layer << 32 | (r->ram != NULL) << 8 | r->rights;
}

void space_order_save(const struct space *s, struct writer *out)
{
    writer_uint(out, 4, s->nregions);
    for (size_t k = 0; k < s->nregions; k++) {
        uint64_t d[4];

        describe(s->regions[k], d);
        writer_copy(out, d, sizeof d);
    }
}

/* Of the regions from k on, the first that is described so. */
static size_t described(const struct space *s, size_t k, const uint64_t want[4])
{
    for (; k < s->nregions; k++) {
        uint64_t d[4];

        describe(s->regions[k], d);
        if (memcmp(d, want, sizeof d) == 0)
            break;
    }
    return k;
}

struct err space_order_load(struct space *s, struct reader *in)
{
    bool moved = false;

    if (reader_uint(in, 4) != s->nregions)
        return err_make(ERR_FORMAT, "the saved %s has other regions than the devices that were loaded make", s->name);
    for (size_t k = 0; k < s->nregions; k++) {
        uint64_t want[4];
        struct region *r;
        size_t at;

        reader_copy(in, want, sizeof want);
        at = described(s, k, want);
        if (at == s->nregions)
            return err_make(ERR_FORMAT, "the saved %s has a region at %llx that the devices that were loaded do not make",
                            s->name, (unsigned long long)want[0]);
        r = s->regions[at];
        memmove(&s->regions[k + 1], &s->regions[k], (at - k) * sizeof r);
        s->regions[k] = r;
        r->serial = k;
        moved |= at != k;
    }
    s->next_serial = s->nregions;
    if (moved)
        tell_listeners(s);
    return OK;
}
