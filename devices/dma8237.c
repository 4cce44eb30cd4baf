/* SPDX-License-Identifier: MIT
 * Intel 8237A data sheet, as two of them are wired in a PC/AT: the second controller moves words and its channel 0 cascades
 * the first. Transfers are instant; the device that asks for them models the time. */
#include "devices/dma8237.h"

#include <string.h>

#include "base/attrs.h"
#include "base/bits.h"
#include "base/log.h"

enum { COMMAND_DISABLE = 0x04, MODE_AUTOINIT = 0x10, MODE_DOWN = 0x20 };
enum { TYPE_VERIFY, TYPE_TO_MEMORY, TYPE_FROM_MEMORY };

#define DMA_STATE(ONE, MANY)                                                    \
    MANY(u16, base_address, 8, "as programmed")                                 \
    MANY(u16, base_count, 8,   "as programmed")                                 \
    MANY(u16, address, 8,      "next transfer")                                 \
    MANY(u16, count, 8,        "transfers left less one")                       \
    MANY(u8,  mode, 8,         "by channel")                                    \
    MANY(u8,  page, 16,        "80h-8Fh")                                       \
    MANY(u8,  command, 2,      "by controller")                                 \
    MANY(u8,  status, 2,       "terminal count reached, bits 0-3")              \
    MANY(u8,  mask, 2,         "channels masked, bits 0-3")                     \
    MANY(u8,  request, 2,      "software requests, bits 0-3")                   \
    MANY(u8,  high_byte, 2,    "flip-flop: the next access is the high byte")   \
    MANY(u8,  temporary, 2,    "memory-to-memory byte; always zero")
STATE_STRUCT(dma_state, DMA_STATE);
STATE_SCHEMA(dma_state, DMA_STATE);

struct dma8237 {
    struct device dev;
    struct dma_state state;
    struct space *memory;
};

/* ---- transfers ---- */

/* Page register of each channel; the refresh page serves the cascade. */
static uint8_t page_of(const struct dma_state *s, unsigned channel)
{
    static const uint8_t port[8] = { 0x7, 0x3, 0x1, 0x2, 0xf, 0xb, 0x9, 0xa };

    return s->page[port[channel]];
}

static gpa_t address_of(const struct dma_state *s, unsigned channel)
{
    if (channel < 4)
        return (gpa_t)page_of(s, channel) << 16 | s->address[channel];
    return (gpa_t)(page_of(s, channel) & 0xfe) << 16 | (gpa_t)s->address[channel] << 1;
}

static void move_unit(struct dma8237 *dma, unsigned channel, uint8_t *bytes, unsigned size, bool to_memory)
{
    if ((dma->state.mode[channel] >> 2 & 3) == TYPE_VERIFY)
        return;
    if (to_memory)
        space_write_bytes(dma->memory, address_of(&dma->state, channel), bytes, size);
    else
        space_read_bytes(dma->memory, address_of(&dma->state, channel), bytes, size);
}

/* "Autoinitialize" reloads; otherwise terminal count masks the channel. */
static void terminal_count(struct dma_state *s, unsigned channel)
{
    s->status[channel / 4] |= (uint8_t)BIT(channel % 4);
    s->request[channel / 4] &= (uint8_t)~BIT(channel % 4);
    if (s->mode[channel] & MODE_AUTOINIT) {
        s->address[channel] = s->base_address[channel];
        s->count[channel] = s->base_count[channel];
    } else {
        s->mask[channel / 4] |= (uint8_t)BIT(channel % 4);
    }
}

static bool may_transfer(const struct dma_state *s, unsigned channel, bool to_memory)
{
    unsigned type = s->mode[channel] >> 2 & 3;

    if (s->command[channel / 4] & COMMAND_DISABLE || s->mask[channel / 4] >> (channel % 4) & 1)
        return false;
    if (channel < 4 && (s->mask[1] & 1 || s->command[1] & COMMAND_DISABLE))     /* the cascade */
        return false;
    return type == TYPE_VERIFY || type == (to_memory ? TYPE_TO_MEMORY : TYPE_FROM_MEMORY);
}

struct dma_result dma_transfer(struct dma8237 *dma, unsigned channel, void *bytes, uint32_t len, bool to_memory)
{
    struct dma_state *s = &dma->state;
    unsigned size = channel < 4 ? 1 : 2;
    struct dma_result result = { 0, false };

    while (result.moved + size <= len && !result.terminal_count && may_transfer(s, channel, to_memory)) {
        move_unit(dma, channel, (uint8_t *)bytes + result.moved, size, to_memory);
        result.moved += size;
        s->address[channel] = (uint16_t)(s->address[channel] + (s->mode[channel] & MODE_DOWN ? -1 : 1));
        if (s->count[channel]-- == 0) {
            result.terminal_count = true;
            terminal_count(s, channel);
        }
    }
    return result;
}

/* ---- registers ---- */

static uint8_t read_half(struct dma_state *s, unsigned controller, uint16_t value)
{
    s->high_byte[controller] ^= 1;
    return (uint8_t)(s->high_byte[controller] ? value : value >> 8);
}

static void write_half(struct dma_state *s, unsigned controller, uint16_t *base, uint16_t *current, uint8_t value)
{
    *base = (uint16_t)(s->high_byte[controller] ? (*base & 0x00ff) | value << 8 : (*base & 0xff00) | value);
    *current = *base;
    s->high_byte[controller] ^= 1;
}

static uint8_t read_status(struct dma_state *s, unsigned controller)
{
    uint8_t status = (uint8_t)(s->status[controller] | s->request[controller] << 4);

    s->status[controller] = 0;
    return status;
}

static uint8_t controller_read(struct dma_state *s, unsigned controller, unsigned reg)
{
    unsigned channel = controller * 4 + reg / 2;

    if (reg < 8)
        return read_half(s, controller, reg & 1 ? s->count[channel] : s->address[channel]);
    switch (reg) {
    case 0x8: return read_status(s, controller);
    case 0xd: return s->temporary[controller];
    case 0xf: return s->mask[controller] | 0xf0;        /* as the chipset's cell does; the 8237A itself has nothing here */
    default:  return 0xff;
    }
}

static void master_clear(struct dma_state *s, unsigned controller)
{
    s->command[controller] = s->status[controller] = s->request[controller] = s->high_byte[controller] = 0;
    s->mask[controller] = 15;
}

static void write_request(struct dma_state *s, unsigned controller, uint8_t value)
{
    s->request[controller] = (uint8_t)bits_put(s->request[controller], value & 3, value & 3, value >> 2 & 1);
    if (value & 4)
        log_once(LOG_DEV, "dma: software requests move nothing, no device is on those channels");
}

static void controller_write(struct dma_state *s, unsigned controller, unsigned reg, uint8_t value)
{
    unsigned channel = controller * 4 + reg / 2;

    if (reg < 8) {
        if (reg & 1)
            write_half(s, controller, &s->base_count[channel], &s->count[channel], value);
        else
            write_half(s, controller, &s->base_address[channel], &s->address[channel], value);
        return;
    }
    switch (reg) {
    case 0x8: s->command[controller] = value; break;
    case 0x9: write_request(s, controller, value); break;
    case 0xa: s->mask[controller] = (uint8_t)bits_put(s->mask[controller], value & 3, value & 3, value >> 2 & 1); break;
    case 0xb: s->mode[controller * 4 + (value & 3)] = value & 0xfc; break;
    case 0xc: s->high_byte[controller] = 0; break;
    case 0xd: master_clear(s, controller); break;
    case 0xe: s->mask[controller] = 0; break;
    default:  s->mask[controller] = value & 15; break;
    }
}

static uint64_t byte_read(struct device *dev, uint32_t at, unsigned bytes UNUSED)
{
    return controller_read(&((struct dma8237 *)dev)->state, 0, at);
}

static void byte_write(struct device *dev, uint32_t at, unsigned bytes UNUSED, uint64_t value)
{
    controller_write(&((struct dma8237 *)dev)->state, 0, at, (uint8_t)value);
}

static uint64_t word_read(struct device *dev, uint32_t at, unsigned bytes UNUSED)
{
    return controller_read(&((struct dma8237 *)dev)->state, 1, (at - 0xc0) / 2);
}

static void word_write(struct device *dev, uint32_t at, unsigned bytes UNUSED, uint64_t value)
{
    controller_write(&((struct dma8237 *)dev)->state, 1, (at - 0xc0) / 2, (uint8_t)value);
}

static uint64_t page_read(struct device *dev, uint32_t at, unsigned bytes UNUSED)
{
    return ((struct dma8237 *)dev)->state.page[at - 0x80];
}

/* No channel uses the first of them: firmware and test ROMs tell their progress there (POST codes). */
static void page_write(struct device *dev, uint32_t at, unsigned bytes UNUSED, uint64_t value)
{
    struct dma8237 *dma = (struct dma8237 *)dev;

    if (at == 0x80 && dma->state.page[0] != (uint8_t)value)
        log_at(LOG_DEV, LOG_INFO, "port 80h: POST code %02Xh", (unsigned)(uint8_t)value);
    dma->state.page[at - 0x80] = (uint8_t)value;
}

static const struct reg dma_ports[] = {
    { 0x00, 1, "byte channels", byte_read, byte_write, 16 },
    { 0x80, 1, "page",          page_read, page_write, 16 },
    { 0xc0, 1, "word channels", word_read, word_write, 32 },
};

/* ---- life ---- */

static void dma_reset(struct device *dev)
{
    struct dma_state *s = &((struct dma8237 *)dev)->state;

    memset(s, 0, sizeof *s);
    for (unsigned k = 0; k < 2; k++)
        master_clear(s, k);
}

static const struct device_class dma_class = {
    .name = "dma8237", .size = sizeof(struct dma8237),
    .state = &dma_state_schema, .state_at = offsetof(struct dma8237, state),
    .reset = dma_reset,
};

struct dma8237 *dma8237_create(struct device_tree *t, struct space *memory, struct space *io)
{
    struct dma8237 *dma = (struct dma8237 *)device_create(t, &dma_class, "dma8237");

    dma->memory = memory;
    space_add_device(io, 0, &dma->dev, dma_ports, COUNT_OF(dma_ports), LAYER_DEVICE);
    return dma;
}

void dma8237_skip_firmware(struct dma8237 *dma)
{
    dma->state.mode[4] = 0xc0;          /* cascade */
    dma->state.mask[1] &= 0x0e;
}
