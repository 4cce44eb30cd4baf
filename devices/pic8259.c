/* SPDX-License-Identifier: MIT
 * 8259A pair at 20h/21h and A0h/A1h, slave on the master's IR2, with ELCR at 4D0h/4D1h (82371SB "Edge/Level Control
 * Registers"). Section titles in quotes are those of the Intel 8259A data sheet. */
#include "devices/pic8259.h"

#include "base/attrs.h"
#include "base/bits.h"
#include "base/log.h"

enum { MASTER, SLAVE, CHIPS };
enum { CASCADE = 2, SPURIOUS = 7, NO_REQUEST = -1 };
enum { ICW1_IC4 = 0x01, ICW1_SNGL = 0x02, ICW1_SELECT = 0x10 };
enum { ICW4_8086 = 0x01, ICW4_AEOI = 0x02, ICW4_SFNM = 0x10 };
enum { OCW3_SELECT = 0x08 };

#define PIC_STATE(ONE, MANY)                                                              \
    MANY(u8, lines,        2, "input pins, as driven")                                    \
    MANY(u8, irr,          2, "requests: edge latches, or the pin where level-triggered") \
    MANY(u8, isr,          2, "in service")                                               \
    MANY(u8, imr,          2, "masked")                                                   \
    MANY(u8, elcr,         2, "level-triggered inputs")                                   \
    MANY(u8, base,         2, "vector of IR0 (ICW2)")                                     \
    MANY(u8, lowest,       2, "input that has the lowest priority")                       \
    MANY(u8, icw1,         2, "ICW1 of the last initialisation")                          \
    MANY(u8, icw4,         2, "ICW4, zero when it was not asked for")                     \
    MANY(u8, next_icw,     2, "2-4: the ICW that the odd port expects; 0: ready")         \
    MANY(u8, special_mask, 2, "special mask mode")                                        \
    MANY(u8, read_isr,     2, "the even port reads ISR, not IRR")                         \
    MANY(u8, poll,         2, "the next read is an acknowledge")                          \
    MANY(u8, rotate_aeoi,  2, "rotate in automatic EOI mode")
STATE_STRUCT(pic_state, PIC_STATE);
STATE_SCHEMA(pic_state, PIC_STATE);

struct pic8259 {
    struct device dev;
    struct pic_state state;
    struct irq out;
};

static const uint8_t elcr_writable[CHIPS] = { 0xf8, 0xde };     /* IRQ 0, 1, 2, 8 and 13 are always edges */

/* Priority rank of the best of `levels`: 0 is highest, 8 means none. */
static unsigned rank(uint8_t levels, uint8_t lowest)
{
    for (unsigned r = 0; r < 8; r++)
        if (levels & BIT((lowest + 1 + r) & 7))
            return r;
    return 8;
}

/* The input that an acknowledge would take now. "Fully Nested Mode", "Special Mask Mode", "Special Fully Nested Mode". */
static int request(const struct pic_state *s, unsigned chip)
{
    uint8_t blocking = s->special_mask[chip] ? s->isr[chip] & ~s->imr[chip] : s->isr[chip];
    unsigned want = rank(s->irr[chip] & ~s->imr[chip], s->lowest[chip]);
    unsigned busy = rank(blocking, s->lowest[chip]);
    unsigned level = (s->lowest[chip] + 1u + want) & 7;
    bool same_slave = chip == MASTER && level == CASCADE && (s->icw4[MASTER] & ICW4_SFNM) != 0;

    if (want == 8 || want > busy || (want == busy && !same_slave))
        return NO_REQUEST;
    return (int)level;
}

static void drive(struct pic_state *s, unsigned chip, unsigned pin, bool level)
{
    uint8_t bit = (uint8_t)BIT(pin);
    bool rises = level && !(s->lines[chip] & bit);

    if (!level) {
        /* A request must stay up until INTA; one that goes away turns into a default IR7 ("Interrupt Triggering"). */
        s->lines[chip] &= (uint8_t)~bit;
        s->irr[chip] &= (uint8_t)~bit;
        return;
    }
    s->lines[chip] |= bit;
    if (rises || (s->elcr[chip] & bit))
        s->irr[chip] |= bit;
}

static void update(struct pic8259 *pic)
{
    struct pic_state *s = &pic->state;

    drive(s, MASTER, CASCADE, request(s, SLAVE) != NO_REQUEST);
    irq_set(&pic->out, request(s, MASTER) != NO_REQUEST);
}

/* One chip's part of an INTA sequence: the input taken, or IR7 without an ISR bit when the request has gone. */
static unsigned take(struct pic_state *s, unsigned chip, bool *spurious)
{
    int level = request(s, chip);
    uint8_t bit;

    *spurious = level == NO_REQUEST;
    if (*spurious)
        return SPURIOUS;
    bit = (uint8_t)BIT((unsigned)level);
    if (!(s->elcr[chip] & bit))
        s->irr[chip] &= (uint8_t)~bit;
    if (!(s->icw4[chip] & ICW4_AEOI))
        s->isr[chip] |= bit;
    else if (s->rotate_aeoi[chip])
        s->lowest[chip] = (uint8_t)level;
    return (unsigned)level;
}

int pic_acknowledge(void *self)
{
    struct pic8259 *pic = self;
    struct pic_state *s = &pic->state;
    bool spurious;
    unsigned level = take(s, MASTER, &spurious);
    int vector = s->base[MASTER] + (int)level;

    if (level == CASCADE && !(s->icw1[MASTER] & ICW1_SNGL)) {
        vector = s->base[SLAVE] + (int)take(s, SLAVE, &spurious);
        drive(s, MASTER, CASCADE, false);       /* the slave's INT drops during INTA, so what is left makes a new edge */
    }
    irq_set(&pic->out, false);
    update(pic);
    return vector;
}

void pic_set_irq(void *self, unsigned line, bool level)
{
    struct pic8259 *pic = self;

    if (line == CASCADE || line >= 16)
        return;
    drive(&pic->state, line >> 3, line & 7, level);
    update(pic);
}

static void initialise(struct pic_state *s, unsigned chip, uint8_t icw1)
{
    s->icw1[chip] = icw1;
    s->icw4[chip] = 0;
    s->irr[chip] = s->lines[chip] & s->elcr[chip];      /* edges seen before are forgotten */
    s->isr[chip] = s->imr[chip] = 0;
    s->lowest[chip] = 7;
    s->special_mask[chip] = s->read_isr[chip] = s->poll[chip] = s->rotate_aeoi[chip] = 0;
    s->next_icw[chip] = 2;
}

static void end_of_interrupt(struct pic_state *s, unsigned chip, int level, bool rotate)
{
    uint8_t open = s->special_mask[chip] ? s->isr[chip] & ~s->imr[chip] : s->isr[chip];

    if (level < 0) {
        unsigned best = rank(open, s->lowest[chip]);

        if (best == 8)
            return;
        level = (int)((s->lowest[chip] + 1u + best) & 7);
    }
    s->isr[chip] &= (uint8_t)~BIT((unsigned)level);
    if (rotate)
        s->lowest[chip] = (uint8_t)level;
}

/* "Operation Control Word 2": R, SL, EOI in bits 7-5. */
static void write_ocw2(struct pic_state *s, unsigned chip, uint8_t v)
{
    int level = v & 7;

    switch (v >> 5) {
    case 0: s->rotate_aeoi[chip] = 0; break;
    case 1: end_of_interrupt(s, chip, -1, false); break;
    case 2: break;
    case 3: end_of_interrupt(s, chip, level, false); break;
    case 4: s->rotate_aeoi[chip] = 1; break;
    case 5: end_of_interrupt(s, chip, -1, true); break;
    case 6: s->lowest[chip] = (uint8_t)level; break;
    case 7: end_of_interrupt(s, chip, level, true); break;
    }
}

static void write_ocw3(struct pic_state *s, unsigned chip, uint8_t v)
{
    if (v & 0x40)
        s->special_mask[chip] = (v >> 5) & 1;
    if (v & 0x04)
        s->poll[chip] = 1;
    else if (v & 0x02)
        s->read_isr[chip] = v & 1;
}

static void write_even(struct device *dev, uint32_t port, unsigned bytes, uint64_t value)
{
    struct pic8259 *pic = (struct pic8259 *)dev;
    unsigned chip = port >> 7;
    uint8_t v = (uint8_t)value;

    (void)bytes;
    if (v & ICW1_SELECT)
        initialise(&pic->state, chip, v);
    else if (v & OCW3_SELECT)
        write_ocw3(&pic->state, chip, v);
    else
        write_ocw2(&pic->state, chip, v);
    update(pic);
}

/* "Initialization Command Words": ICW2 always, ICW3 when cascaded, ICW4 when ICW1 asked for it. */
static void write_icw(struct pic_state *s, unsigned chip, uint8_t v)
{
    bool more = (s->icw1[chip] & ICW1_IC4) != 0;

    switch (s->next_icw[chip]) {
    case 2:
        s->base[chip] = v & 0xf8;
        s->next_icw[chip] = !(s->icw1[chip] & ICW1_SNGL) ? 3 : more ? 4 : 0;
        break;
    case 3:                                     /* which pin the cascade uses is wired on a PC */
        s->next_icw[chip] = more ? 4 : 0;
        break;
    default:
        if (!(v & ICW4_8086))
            log_once(LOG_DEV, "pic8259: MCS-80 mode asked for; vectors are given as in 8086 mode");
        s->icw4[chip] = v;
        s->next_icw[chip] = 0;
        break;
    }
}

static void write_odd(struct device *dev, uint32_t port, unsigned bytes, uint64_t value)
{
    struct pic8259 *pic = (struct pic8259 *)dev;
    unsigned chip = port >> 7;

    (void)bytes;
    if (pic->state.next_icw[chip] != 0)
        write_icw(&pic->state, chip, (uint8_t)value);
    else
        pic->state.imr[chip] = (uint8_t)value;
    update(pic);
}

/* "Poll Command": the read is the acknowledge. */
static uint64_t read_poll(struct pic8259 *pic, unsigned chip)
{
    bool spurious;
    unsigned level = take(&pic->state, chip, &spurious);

    pic->state.poll[chip] = 0;
    if (spurious)
        return 0;
    if (chip == SLAVE)
        drive(&pic->state, MASTER, CASCADE, false);
    update(pic);
    return 0x80 | level;
}

static uint64_t read_even(struct device *dev, uint32_t port, unsigned bytes)
{
    struct pic8259 *pic = (struct pic8259 *)dev;
    unsigned chip = port >> 7;

    (void)bytes;
    if (pic->state.poll[chip])
        return read_poll(pic, chip);
    return pic->state.read_isr[chip] ? pic->state.isr[chip] : pic->state.irr[chip];
}

static uint64_t read_odd(struct device *dev, uint32_t port, unsigned bytes)
{
    struct pic8259 *pic = (struct pic8259 *)dev;
    unsigned chip = port >> 7;

    (void)bytes;
    return pic->state.poll[chip] ? read_poll(pic, chip) : pic->state.imr[chip];
}

static uint64_t read_elcr(struct device *dev, uint32_t port, unsigned bytes)
{
    (void)bytes;
    return ((struct pic8259 *)dev)->state.elcr[port & 1];
}

static void write_elcr(struct device *dev, uint32_t port, unsigned bytes, uint64_t value)
{
    struct pic8259 *pic = (struct pic8259 *)dev;
    struct pic_state *s = &pic->state;
    unsigned chip = port & 1;

    (void)bytes;
    s->elcr[chip] = (uint8_t)value & elcr_writable[chip];
    s->irr[chip] |= s->lines[chip] & s->elcr[chip];
    update(pic);
}

static const struct reg ports[] = {
    { 0x20,  1, "master command", read_even, write_even, 0 },
    { 0x21,  1, "master data",    read_odd,  write_odd,  0 },
    { 0xa0,  1, "slave command",  read_even, write_even, 0 },
    { 0xa1,  1, "slave data",     read_odd,  write_odd,  0 },
    { 0x4d0, 1, "elcr",           read_elcr, write_elcr, 2 },
};

static void reset(struct device *dev)
{
    struct pic8259 *pic = (struct pic8259 *)dev;
    struct pic_state *s = &pic->state;

    for (unsigned chip = 0; chip < CHIPS; chip++) {
        s->elcr[chip] = 0;
        initialise(s, chip, 0);
        s->next_icw[chip] = 0;
        s->base[chip] = 0;
        s->imr[chip] = 0xff;        /* undefined on the chip; masked keeps a bare machine quiet */
    }
    update(pic);
}

static const struct device_class pic_class = {
    .name = "pic8259", .size = sizeof(struct pic8259),
    .state = &pic_state_schema, .state_at = offsetof(struct pic8259, state),
    .reset = reset,
};

struct pic8259 *pic_create(struct device_tree *tree, struct space *io, struct irq out)
{
    struct pic8259 *pic = (struct pic8259 *)device_create(tree, &pic_class, "pic8259");

    pic->out = out;
    space_add_device(io, 0, &pic->dev, ports, COUNT_OF(ports), LAYER_DEVICE);
    return pic;
}
