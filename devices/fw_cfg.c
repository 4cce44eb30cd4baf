/* SPDX-License-Identifier: MIT
 * Selector, data and DMA ports over a sorted table of items. File contents come from the machine's configuration and are no
 * state, except files that guests may write. */
#include "devices/fw_cfg.h"

#include <stdlib.h>
#include <string.h>

#include "base/attrs.h"
#include "base/bytes.h"
#include "base/invariant.h"
#include "base/log.h"

#define DMA_SIGNATURE UINT64_C(0x51454d5520434647)      /* "QEMU CFG" */

enum { DMA_ERROR = 0x01, DMA_READ = 0x02, DMA_SKIP = 0x04, DMA_SELECT = 0x08, DMA_WRITE = 0x10 };
enum { ITEMS = FW_CFG_FILE_FIRST + FW_CFG_FILE_SLOTS, ARCH_ITEMS = 8, NAME = 56 };

#define FW_CFG_STATE(ONE, MANY)                                                 \
    ONE(u64, dma,    "address of the DMA command, as far as it was written")    \
    ONE(u32, offset, "next byte of the selected item")                          \
    ONE(u16, key,    "selected item")                                           \
    ONE(u16, unused, "")
STATE_STRUCT(fw_cfg_state, FW_CFG_STATE);
STATE_SCHEMA(fw_cfg_state, FW_CFG_STATE);

struct item {
    uint8_t *bytes;
    uint32_t len;
    bool writable;
    char name[NAME];            /* files only */
};

struct fw_cfg {
    struct device dev;
    struct fw_cfg_state state;
    struct space *memory;
    struct item items[ITEMS], arch[ARCH_ITEMS];
    unsigned nfiles;
};

/* ---- items ---- */

static struct item *item_at(struct fw_cfg *f, uint16_t key)
{
    unsigned index = key & 0x3fff;      /* bit 14 once meant "for writing" */

    if (key & FW_CFG_ARCH)
        return index < ARCH_ITEMS ? &f->arch[index] : NULL;
    return index < ITEMS ? &f->items[index] : NULL;
}

static void item_set(struct item *item, const void *bytes, size_t len)
{
    uint8_t *copy = calloc(1, len + 1);

    invariant(copy != NULL && len <= UINT32_MAX, "no memory for %zu bytes of firmware configuration", len);
    if (len > 0 && bytes != NULL)
        memcpy(copy, bytes, len);
    free(item->bytes);
    item->bytes = copy;
    item->len = (uint32_t)len;
}

void fw_cfg_add(struct fw_cfg *f, uint16_t key, const void *bytes, size_t len)
{
    struct item *item = item_at(f, key);

    invariant(item != NULL && !(key >= FW_CFG_FILE_FIRST && !(key & FW_CFG_ARCH)), "no firmware configuration item %x", key);
    item_set(item, bytes, len);
}

void fw_cfg_add_u16(struct fw_cfg *f, uint16_t key, uint16_t value)
{
    fw_cfg_add(f, key, &value, sizeof value);
}

void fw_cfg_add_u32(struct fw_cfg *f, uint16_t key, uint32_t value)
{
    fw_cfg_add(f, key, &value, sizeof value);
}

void fw_cfg_add_u64(struct fw_cfg *f, uint16_t key, uint64_t value)
{
    fw_cfg_add(f, key, &value, sizeof value);
}

void fw_cfg_add_text(struct fw_cfg *f, uint16_t key, const char *text)
{
    fw_cfg_add(f, key, text, strlen(text) + 1);
}

static void put_be(uint8_t *at, unsigned bytes, uint64_t v)
{
    for (unsigned k = 0; k < bytes; k++)
        at[k] = (uint8_t)(v >> (8 * (bytes - 1 - k)));
}

static uint64_t get_be(const uint8_t *at, unsigned bytes)
{
    uint64_t v = 0;

    for (unsigned k = 0; k < bytes; k++)
        v = v << 8 | at[k];
    return v;
}

/* The directory: a count, then size, key and name of each file, big-endian. */
static void directory_update(struct fw_cfg *f)
{
    uint8_t *dir = calloc(1, 4 + 64 * (size_t)f->nfiles);

    invariant(dir != NULL, "no memory for the directory of firmware files");
    put_be(dir, 4, f->nfiles);
    for (unsigned k = 0; k < f->nfiles; k++) {
        const struct item *item = &f->items[FW_CFG_FILE_FIRST + k];
        uint8_t *entry = dir + 4 + 64 * k;

        put_be(entry, 4, item->len);
        put_be(entry + 4, 2, FW_CFG_FILE_FIRST + k);
        memcpy(entry + 8, item->name, NAME);
    }
    item_set(&f->items[FW_CFG_FILE_DIR], dir, 4 + 64 * (size_t)f->nfiles);
    free(dir);
}

static struct item *file_find(const struct fw_cfg *f, const char *name)
{
    for (unsigned k = 0; k < f->nfiles; k++)
        if (strcmp(f->items[FW_CFG_FILE_FIRST + k].name, name) == 0)
            return (struct item *)&f->items[FW_CFG_FILE_FIRST + k];
    return NULL;
}

static struct item *file_insert(struct fw_cfg *f, const char *name)
{
    struct item *at = &f->items[FW_CFG_FILE_FIRST], *end = at + f->nfiles;

    invariant(f->nfiles < FW_CFG_FILE_SLOTS, "too many firmware files");
    invariant(strlen(name) < NAME, "the firmware file name '%s' is too long", name);
    while (at < end && strcmp(at->name, name) < 0)
        at++;
    memmove(at + 1, at, (size_t)(end - at) * sizeof *at);
    memset(at, 0, sizeof *at);
    memcpy(at->name, name, strlen(name) + 1);
    f->nfiles++;
    return at;
}

void fw_cfg_add_file(struct fw_cfg *f, const char *name, const void *bytes, size_t len)
{
    struct item *item = file_find(f, name);

    item_set(item != NULL ? item : file_insert(f, name), bytes, len);
    directory_update(f);
}

void fw_cfg_add_writable_file(struct fw_cfg *f, const char *name, size_t len)
{
    fw_cfg_add_file(f, name, NULL, len);
    file_find(f, name)->writable = true;
}

const uint8_t *fw_cfg_file(const struct fw_cfg *f, const char *name, size_t *len)
{
    const struct item *item = file_find(f, name);

    *len = item != NULL ? item->len : 0;
    return item != NULL ? item->bytes : NULL;
}

/* ---- ports ---- */

static uint64_t select_read(struct device *dev, uint32_t at UNUSED, unsigned bytes UNUSED)
{
    return ((struct fw_cfg *)dev)->state.key;
}

static void select_key(struct fw_cfg *f, uint16_t key)
{
    f->state.key = key;
    f->state.offset = 0;
}

static void select_write(struct device *dev, uint32_t at UNUSED, unsigned bytes, uint64_t value)
{
    if (bytes == 2)
        select_key((struct fw_cfg *)dev, (uint16_t)value);
}

/* Beyond the end, and for items that do not exist, zeros. */
static uint64_t data_read(struct device *dev, uint32_t at UNUSED, unsigned bytes UNUSED)
{
    struct fw_cfg *f = (struct fw_cfg *)dev;
    const struct item *item = item_at(f, f->state.key);

    if (item == NULL || f->state.offset >= item->len)
        return 0;
    return item->bytes[f->state.offset++];
}

static uint32_t item_left(const struct fw_cfg *f, const struct item *item)
{
    return item == NULL || f->state.offset >= item->len ? 0 : item->len - f->state.offset;
}

/* Zeros behind the end of an item. A length is 32 bits and the guest's, so pages without memory are passed over whole. */
static void dma_pad(struct fw_cfg *f, uint64_t to, uint64_t len)
{
    static const uint8_t zeros[PAGE_SIZE];

    while (len > 0) {
        uint64_t here = PAGE_SIZE - to % PAGE_SIZE;

        if (here > len)
            here = len;
        if (space_page(f->memory, to & PAGE_MASK).host != NULL)
            space_write_bytes(f->memory, to, zeros, here);
        to += here;
        len -= here;
    }
}

static void dma_read(struct fw_cfg *f, const struct item *item, uint64_t to, uint32_t len)
{
    uint32_t have = item_left(f, item), n = have < len ? have : len;

    if (n > 0) {
        space_write_bytes(f->memory, to, item->bytes + f->state.offset, n);
        f->state.offset += n;
    }
    dma_pad(f, to + n, len - n);
}

static bool dma_write(struct fw_cfg *f, struct item *item, uint64_t from, uint32_t len)
{
    if (item == NULL || !item->writable || len > item_left(f, item))
        return false;
    space_read_bytes(f->memory, from, item->bytes + f->state.offset, len);
    f->state.offset += len;
    return true;
}

static void dma_skip(struct fw_cfg *f, const struct item *item, uint32_t len)
{
    uint32_t have = item_left(f, item);

    f->state.offset += have < len ? have : len;
}

/* The command block in memory: control, length (32 bits each), address (64 bits), big-endian. The result goes to control. */
static void dma_run(struct fw_cfg *f, uint64_t at)
{
    uint8_t block[16];
    uint32_t control, len;
    uint64_t address;
    struct item *item;
    bool ok = true;

    space_read_bytes(f->memory, at, block, sizeof block);
    control = (uint32_t)get_be(block, 4);
    len = (uint32_t)get_be(block + 4, 4);
    address = get_be(block + 8, 8);
    if (control & DMA_SELECT)
        select_key(f, (uint16_t)(control >> 16));
    item = item_at(f, f->state.key);
    if (control & DMA_READ)
        dma_read(f, item, address, len);
    else if (control & DMA_WRITE)
        ok = dma_write(f, item, address, len);
    else if (control & DMA_SKIP)
        dma_skip(f, item, len);
    if (!ok)
        log_once(LOG_DEV, "fw_cfg: the guest writes item %x, which is read-only or shorter", f->state.key);
    put_be(block, 4, ok ? 0 : DMA_ERROR);
    space_write_bytes(f->memory, at, block, 4);
}

/* Big-endian register: its most significant byte is at 514h. */
static uint64_t dma_address_read(struct device *dev UNUSED, uint32_t at, unsigned bytes)
{
    uint8_t be[8];

    put_be(be, 8, DMA_SIGNATURE);
    return load_bytes(be + (at - 0x514), bytes);
}

/* Writing the low half, at 518h, starts the command. */
static void dma_address_write(struct device *dev, uint32_t at, unsigned bytes, uint64_t value)
{
    struct fw_cfg *f = (struct fw_cfg *)dev;
    uint8_t be[8];
    uint64_t address;

    if (bytes != 4)
        return;
    put_be(be, 8, f->state.dma);
    store_bytes(be + (at - 0x514), bytes, value);
    f->state.dma = get_be(be, 8);
    if (at != 0x518)
        return;
    address = f->state.dma;
    f->state.dma = 0;
    dma_run(f, address);
}

static const struct reg fw_cfg_ports[] = {
    { 0x510, 2, "selector",         select_read,      select_write,      1 },
    { 0x511, 1, "data",             data_read,        reg_ignore,        1 },
    { 0x514, 4, "DMA address high", dma_address_read, dma_address_write, 4 },
    { 0x518, 4, "DMA address low",  dma_address_read, dma_address_write, 4 },
};

/* ---- life ---- */

static void fw_cfg_reset(struct device *dev)
{
    struct fw_cfg *f = (struct fw_cfg *)dev;

    memset(&f->state, 0, sizeof f->state);
    for (unsigned k = 0; k < ITEMS; k++)
        if (f->items[k].writable)
            memset(f->items[k].bytes, 0, f->items[k].len);
}

static void fw_cfg_save(struct device *dev, struct writer *out)
{
    const struct fw_cfg *f = (struct fw_cfg *)dev;

    for (unsigned k = 0; k < ITEMS; k++)
        if (f->items[k].writable) {
            writer_uint(out, 4, f->items[k].len);
            writer_copy(out, f->items[k].bytes, f->items[k].len);
        }
}

static struct err fw_cfg_load(struct device *dev, struct reader *in)
{
    struct fw_cfg *f = (struct fw_cfg *)dev;

    for (unsigned k = 0; k < ITEMS; k++)
        if (f->items[k].writable) {
            if (reader_uint(in, 4) != f->items[k].len)
                return err_make(ERR_FORMAT, "the snapshot has another size of firmware file %s", f->items[k].name);
            reader_copy(in, f->items[k].bytes, f->items[k].len);
        }
    return in->failed ? err_make(ERR_FORMAT, "the snapshot's firmware files are cut short") : OK;
}

static uint64_t fw_cfg_hash(struct device *dev, uint64_t seed)
{
    const struct fw_cfg *f = (struct fw_cfg *)dev;

    for (unsigned k = 0; k < ITEMS; k++)
        if (f->items[k].writable)
            seed = bytes_hash(f->items[k].bytes, f->items[k].len, seed);
    return seed;
}

static void fw_cfg_destroy(struct device *dev)
{
    struct fw_cfg *f = (struct fw_cfg *)dev;

    for (unsigned k = 0; k < ITEMS; k++)
        free(f->items[k].bytes);
    for (unsigned k = 0; k < ARCH_ITEMS; k++)
        free(f->arch[k].bytes);
}

static const struct device_class fw_cfg_class = {
    .name = "fw-cfg", .size = sizeof(struct fw_cfg),
    .state = &fw_cfg_state_schema, .state_at = offsetof(struct fw_cfg, state),
    .reset = fw_cfg_reset, .destroy = fw_cfg_destroy,
    .save_more = fw_cfg_save, .load_more = fw_cfg_load, .hash_more = fw_cfg_hash,
};

struct fw_cfg *fw_cfg_create(struct device_tree *t, struct space *memory, struct space *io)
{
    struct fw_cfg *f = (struct fw_cfg *)device_create(t, &fw_cfg_class, "fw-cfg");

    f->memory = memory;
    fw_cfg_add(f, FW_CFG_SIGNATURE, "QEMU", 4);
    fw_cfg_add_u32(f, FW_CFG_ID, 3);        /* bit 0: the traditional interface, bit 1: DMA */
    directory_update(f);
    space_add_device(io, 0, &f->dev, fw_cfg_ports, COUNT_OF(fw_cfg_ports), LAYER_DEVICE);
    return f;
}
