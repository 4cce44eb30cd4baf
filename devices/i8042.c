/* SPDX-License-Identifier: MIT
 * One output buffer for the controller's answers, keyboard and mouse bytes; a device's byte takes a moment on its wire.
 * Command codes are those of the IBM PS/2 Hardware Interface Technical Reference, "Keyboard and Auxiliary Device
 * Controller". */
#include "devices/i8042.h"

#include "base/attrs.h"
#include "base/bits.h"
#include "base/log.h"
#include "devices/ps2.h"

enum { STATUS_OUTPUT_FULL = 0x01, STATUS_SYSTEM = 0x04, STATUS_COMMAND = 0x08, STATUS_UNLOCKED = 0x10, STATUS_AUX = 0x20 };
enum { CONFIG_KEYBOARD_IRQ = 0x01, CONFIG_MOUSE_IRQ = 0x02, CONFIG_SYSTEM = 0x04, CONFIG_NO_KEYBOARD = 0x10,
       CONFIG_NO_MOUSE = 0x20, CONFIG_TRANSLATE = 0x40 };
enum { OUT_RESET = 0x01, OUT_A20 = 0x02, OUT_KEYBOARD_FULL = 0x10, OUT_MOUSE_FULL = 0x20, OUT_LINES = 0xc0 };
enum { PORT92_RESET = 0x01, PORT92_A20 = 0x02 };
enum { BREAK_PREFIX = 0xf0 };

#define BYTE_NS 100000u         /* from a device into the output buffer */

#define I8042_STATE(ONE, MANY)                                             \
    ONE (u64, due_ns,    "when the next device byte arrives; all ones: none under way") \
    MANY(u8,  ram, 32,   "controller memory; byte 0 is the configuration") \
    ONE (u8,  output,    "output buffer")                                  \
    ONE (u8,  full,      "it holds a byte nobody read")                    \
    ONE (u8,  aux,       "that byte is the mouse's")                       \
    ONE (u8,  answer,    "controller's byte that waits for the buffer")    \
    ONE (u8,  answer_aux,"shown as the mouse's")                           \
    ONE (u8,  answering, "there is one")                                   \
    ONE (u8,  command,   "command that waits for a byte at 60h, or 0")     \
    ONE (u8,  last_was_command, "the last write went to 64h")              \
    ONE (u8,  breaking,  "translation saw F0h")                            \
    ONE (u8,  a20,       "A20 gate")                                       \
    ONE (u8,  port92,    "bits of port 92h other than A20")                \
    MANY(u8,  reserved, 5, "")
STATE_STRUCT(i8042_state, I8042_STATE);
STATE_SCHEMA(i8042_state, I8042_STATE);

struct i8042 {
    struct device dev;
    struct i8042_state state;
    struct clock *clock;
    struct timer timer;
    struct ps2 *keyboard, *mouse;
    struct irq keyboard_irq, mouse_irq;
    void (*reset)(void *self);
    void *reset_self;
};

static uint8_t config(const struct i8042_state *s) { return s->ram[0]; }

static void update_irqs(struct i8042 *c)
{
    const struct i8042_state *s = &c->state;

    irq_set(&c->keyboard_irq, s->full && !s->aux && (config(s) & CONFIG_KEYBOARD_IRQ));
    irq_set(&c->mouse_irq, s->full && s->aux && (config(s) & CONFIG_MOUSE_IRQ));
}

static void fill(struct i8042 *c, uint8_t byte, bool aux)
{
    c->state.output = byte;
    c->state.full = 1;
    c->state.aux = aux;
    update_irqs(c);
}

static bool keyboard_speaks(const struct i8042 *c)
{
    return !(config(&c->state) & CONFIG_NO_KEYBOARD) && ps2_has_data(c->keyboard);
}

static bool mouse_speaks(const struct i8042 *c)
{
    return !(config(&c->state) & CONFIG_NO_MOUSE) && ps2_has_data(c->mouse);
}

/* While the buffer is empty: first the controller's own answer, else start the next device byte. */
static void pump(struct i8042 *c)
{
    struct i8042_state *s = &c->state;

    if (s->full)
        return;
    if (s->answering) {
        s->answering = 0;
        fill(c, s->answer, s->answer_aux);
    } else if (s->due_ns == TIMER_OFF && (keyboard_speaks(c) || mouse_speaks(c))) {
        s->due_ns = clock_ns(c->clock) + BYTE_NS;
        timer_set(c->clock, &c->timer, s->due_ns);
    }
}

/* Set 2 to set 1: F0h is swallowed and becomes bit 7 of the next code. */
static bool translate(struct i8042_state *s, uint8_t *byte)
{
    if (!(config(s) & CONFIG_TRANSLATE))
        return true;
    if (*byte == BREAK_PREFIX) {
        s->breaking = 1;
        return false;
    }
    *byte = ps2_set2_to_set1[*byte] | (s->breaking ? 0x80 : 0);
    s->breaking = 0;
    return true;
}

static void arrive(void *arg)
{
    struct i8042 *c = arg;
    bool done = c->state.full;
    uint8_t byte;

    c->state.due_ns = TIMER_OFF;
    while (!done && keyboard_speaks(c)) {
        byte = ps2_read(c->keyboard);
        done = translate(&c->state, &byte);
        if (done)
            fill(c, byte, false);
    }
    if (!done && mouse_speaks(c))
        fill(c, ps2_read(c->mouse), true);
}

static void device_ready(void *self) { pump(self); }

static void answer(struct i8042 *c, uint8_t byte, bool aux)
{
    c->state.answer = byte;
    c->state.answer_aux = aux;
    c->state.answering = 1;
    pump(c);
}

static void pulse_reset(struct i8042 *c)
{
    if (c->reset != NULL)
        c->reset(c->reset_self);
}

/* ---- commands ---- */

static void set_config(struct i8042 *c, uint8_t v)
{
    c->state.ram[0] = v;
    update_irqs(c);
    pump(c);
}

static uint8_t output_port(const struct i8042_state *s)
{
    return OUT_RESET | OUT_LINES | (s->a20 ? OUT_A20 : 0) | (s->full && !s->aux ? OUT_KEYBOARD_FULL : 0)
           | (s->full && s->aux ? OUT_MOUSE_FULL : 0);
}

static void write_output_port(struct i8042 *c, uint8_t v)
{
    c->state.a20 = (v & OUT_A20) != 0;
    if (!(v & OUT_RESET))
        pulse_reset(c);
}

static void run_command(struct i8042 *c, uint8_t v)
{
    struct i8042_state *s = &c->state;

    switch (v) {
    case 0x20 ... 0x3f: answer(c, s->ram[v & 31], false); break;
    case 0x60 ... 0x7f: s->command = v; break;
    case 0xa4: answer(c, 0xf1, false); break;                           /* no password installed */
    case 0xa7: set_config(c, config(s) | CONFIG_NO_MOUSE); break;
    case 0xa8: set_config(c, config(s) & (uint8_t)~CONFIG_NO_MOUSE); break;
    case 0xa9: answer(c, 0x00, false); break;                           /* mouse interface test */
    case 0xaa:                                                          /* self test */
        set_config(c, config(s) | CONFIG_SYSTEM);
        answer(c, 0x55, false);
        break;
    case 0xab: answer(c, 0x00, false); break;                           /* keyboard interface test */
    case 0xad: set_config(c, config(s) | CONFIG_NO_KEYBOARD); break;
    case 0xae: set_config(c, config(s) & (uint8_t)~CONFIG_NO_KEYBOARD); break;
    case 0xc0: answer(c, 0x80, false); break;                           /* input port: keyboard not locked */
    case 0xd0: answer(c, output_port(s), false); break;
    case 0xd1:                                                          /* write output port */
    case 0xd2:                                                          /* write keyboard output buffer */
    case 0xd3:                                                          /* write mouse output buffer */
    case 0xd4: s->command = v; break;                                   /* write to the mouse */
    case 0xdd: s->a20 = 0; break;
    case 0xdf: s->a20 = 1; break;
    case 0xe0: answer(c, 0x03, false); break;                           /* test inputs: both clocks high */
    case 0xf0 ... 0xff:                                                 /* pulse output port bits that are 0 */
        if (!(v & OUT_RESET))
            pulse_reset(c);
        break;
    default:
        log_once(LOG_DEV, "i8042: unknown command %02x", v);
        break;
    }
}

static void write_command(struct device *dev, uint32_t port, unsigned bytes, uint64_t value)
{
    struct i8042 *c = (struct i8042 *)dev;

    (void)port, (void)bytes;
    c->state.last_was_command = 1;
    c->state.command = 0;
    run_command(c, (uint8_t)value);
}

/* ---- data ---- */

static void write_data(struct device *dev, uint32_t port, unsigned bytes, uint64_t value)
{
    struct i8042 *c = (struct i8042 *)dev;
    uint8_t v = (uint8_t)value, command = c->state.command;

    (void)port, (void)bytes;
    c->state.last_was_command = 0;
    c->state.command = 0;
    switch (command) {
    case 0x60: set_config(c, v); break;
    case 0x61 ... 0x7f: c->state.ram[command & 31] = v; break;
    case 0xd1: write_output_port(c, v); break;
    case 0xd2: answer(c, v, false); break;
    case 0xd3: answer(c, v, true); break;
    case 0xd4:
        c->state.ram[0] &= (uint8_t)~CONFIG_NO_MOUSE;
        ps2_write(c->mouse, v);
        break;
    default:                    /* sending to the keyboard opens its interface */
        c->state.ram[0] &= (uint8_t)~CONFIG_NO_KEYBOARD;
        c->state.breaking = 0;
        ps2_write(c->keyboard, v);
        break;
    }
}

static uint64_t read_data(struct device *dev, uint32_t port, unsigned bytes)
{
    struct i8042 *c = (struct i8042 *)dev;
    uint8_t byte = c->state.output;

    (void)port, (void)bytes;
    if (c->state.full) {
        c->state.full = 0;
        update_irqs(c);
        pump(c);
    }
    return byte;
}

static uint64_t read_status(struct device *dev, uint32_t port, unsigned bytes)
{
    const struct i8042_state *s = &((struct i8042 *)dev)->state;

    (void)port, (void)bytes;
    return STATUS_UNLOCKED | (s->full ? STATUS_OUTPUT_FULL : 0) | (s->full && s->aux ? STATUS_AUX : 0)
           | (config(s) & CONFIG_SYSTEM ? STATUS_SYSTEM : 0) | (s->last_was_command ? STATUS_COMMAND : 0);
}

static uint64_t read_port92(struct device *dev, uint32_t port, unsigned bytes)
{
    const struct i8042_state *s = &((struct i8042 *)dev)->state;

    (void)port, (void)bytes;
    return s->port92 | (s->a20 ? PORT92_A20 : 0);
}

static void write_port92(struct device *dev, uint32_t port, unsigned bytes, uint64_t value)
{
    struct i8042 *c = (struct i8042 *)dev;
    bool resets = (value & PORT92_RESET) && !(c->state.port92 & PORT92_RESET);

    (void)port, (void)bytes;
    c->state.a20 = (value & PORT92_A20) != 0;
    c->state.port92 = (uint8_t)value & (uint8_t)~PORT92_A20;
    if (resets)
        pulse_reset(c);
}

static const struct reg ports[] = {
    { 0x60, 1, "data",    read_data,   write_data,    0 },
    { 0x64, 1, "command", read_status, write_command, 0 },
    { 0x92, 1, "port a",  read_port92, write_port92,  0 },
};

/* ---- life ---- */

static void power_on(struct device *dev)
{
    struct i8042 *c = (struct i8042 *)dev;

    c->state = (struct i8042_state){ .due_ns = TIMER_OFF, .a20 = 1 };
    c->state.ram[0] = CONFIG_TRANSLATE | CONFIG_KEYBOARD_IRQ;
    timer_cancel(c->clock, &c->timer);
    update_irqs(c);
}

static void loaded(struct device *dev)
{
    struct i8042 *c = (struct i8042 *)dev;

    timer_set(c->clock, &c->timer, c->state.due_ns);
}

static const struct device_class i8042_class = {
    .name = "i8042", .size = sizeof(struct i8042),
    .state = &i8042_state_schema, .state_at = offsetof(struct i8042, state),
    .reset = power_on, .loaded = loaded,
};

struct i8042 *i8042_create(struct device_tree *tree, struct space *io, struct clock *clock, struct irq keyboard_irq,
                           struct irq mouse_irq, void (*reset)(void *self), void *reset_self)
{
    struct i8042 *c = (struct i8042 *)device_create(tree, &i8042_class, "i8042");

    c->clock = clock;
    c->keyboard_irq = keyboard_irq;
    c->mouse_irq = mouse_irq;
    c->reset = reset;
    c->reset_self = reset_self;
    c->keyboard = ps2_keyboard_create(tree);
    c->mouse = ps2_mouse_create(tree);
    ps2_connect(c->keyboard, device_ready, c);
    ps2_connect(c->mouse, device_ready, c);
    timer_init(clock, &c->timer, "i8042", arrive, c);
    space_add_device(io, 0, &c->dev, ports, COUNT_OF(ports), LAYER_DEVICE);
    return c;
}

void i8042_key(struct i8042 *c, uint16_t scancode, bool pressed)
{
    ps2_key(c->keyboard, scancode, pressed);
}

void i8042_mouse(struct i8042 *c, int dx, int dy, int dz, unsigned buttons)
{
    ps2_mouse(c->mouse, dx, dy, dz, buttons);
}

unsigned i8042_leds(const struct i8042 *c)
{
    return ps2_leds(c->keyboard);
}

bool i8042_a20(const struct i8042 *c)
{
    return c->state.a20;
}
