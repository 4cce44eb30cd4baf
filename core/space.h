/* SPDX-License-Identifier: MIT
 * One address space, of memory or of I/O ports. Regions lie in layers; of the regions that cover an address the highest
 * layer is seen, so an overlay page is one more region. Unclaimed reads give all ones, unclaimed writes vanish. */
#ifndef CORE_SPACE_H
#define CORE_SPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "core/ram.h"
#include "core/reg.h"
#include "core/types.h"

enum { LAYER_RAM = 0, LAYER_ROM = 10, LAYER_DEVICE = 20, LAYER_APIC = 30, LAYER_OVERLAY = 40 };

struct space;

struct space *space_create(const char *name, uint64_t size);        /* size: 0x10000 for ports; 0 means 2^52 */
/* One that shows `beneath` wherever it has no region itself: what a processor in system-management mode sees. Its listeners
 * hear of its own regions only. */
struct space *space_create_over(const char *name, struct space *beneath);
void          space_free(struct space *s);

/* rights: ACCESS_* bits; RAM without ACCESS_WRITE ignores writes (ROM). Page-aligned. */
void     space_add_ram(struct space *s, gpa_t at, struct ram *ram, uint64_t offset, uint64_t len, unsigned rights, int layer);
/* Each row appears at `at + row.at`. Rows must outlive the space. */
void     space_add_device(struct space *s, gpa_t at, struct device *dev, const struct reg *rows, size_t n, int layer);
/* Remove what was added with exactly this `at` and layer (all rows of one space_add_device call). */
void     space_remove(struct space *s, gpa_t at, int layer);

/* Which regions there are and in which order they came, on which it depends who is seen where several of one layer lie. Whoever
 * loaded all that made the regions has the order restored with this; an error when there are others. */
void       space_order_save(const struct space *s, struct writer *out);
struct err space_order_load(struct space *s, struct reader *in) MUST_USE;

/* What lies at a page. */
struct space_page {
    uint8_t    *host;       /* NULL: not one whole page of plain memory; use space_read and space_write */
    struct ram *ram;
    uint64_t    ram_page;   /* page number within ram */
    unsigned    rights;     /* ACCESS_* of the plain memory */
};
struct space_page space_page(struct space *s, gpa_t page);

uint64_t space_read(struct space *s, gpa_t at, unsigned bytes);                     /* any alignment, 1..8 bytes */
void     space_write(struct space *s, gpa_t at, unsigned bytes, uint64_t value);
void     space_read_bytes(struct space *s, gpa_t at, void *to, uint64_t len);       /* DMA */
void     space_write_bytes(struct space *s, gpa_t at, const void *from, uint64_t len);

/* Called after any change of the map (TLBs must drop what they hold). Up to 80 listeners. */
void     space_listen(struct space *s, void (*changed)(void *arg), void *arg);

#endif
