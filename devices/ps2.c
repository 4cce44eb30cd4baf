/* SPDX-License-Identifier: MIT
 * Both devices answer commands through a short reply buffer that goes out before their data. Codes are those of the IBM PS/2
 * Hardware Interface Technical Reference, "Keyboard" and "Mouse"; wheel and side buttons follow the IntelliMouse. */
#include "devices/ps2.h"

#include <string.h>

#include "base/attrs.h"
#include "base/bits.h"

enum { DATA_SIZE = 32, KEYBOARD_BUFFER = 16, REPLY_SIZE = 8 };
enum { ACK = 0xfa, RESEND = 0xfe, SELF_TEST_PASSED = 0xaa, ECHO = 0xee, BREAK = 0xf0, EXTENDED = 0xe0, EXTENDED1 = 0xe1 };
enum { MOUSE_PLAIN = 0, MOUSE_WHEEL = 3, MOUSE_FIVE_BUTTONS = 4 };

#define PS2_STATE(ONE, MANY)                                                \
    ONE (u32, dx,         "mouse: movement not yet reported, signed")       \
    ONE (u32, dy,         "upwards")                                        \
    ONE (u32, dz,         "towards the user")                               \
    MANY(u8,  data, 32,   "scan codes or packets, a ring")                  \
    MANY(u8,  reply, 8,   "answers to commands, sent first")                \
    ONE (u8,  data_head,  "")                                               \
    ONE (u8,  data_count, "")                                               \
    ONE (u8,  reply_head, "")                                               \
    ONE (u8,  reply_count,"")                                               \
    ONE (u8,  last,       "byte sent last, for a resend")                   \
    ONE (u8,  command,    "command that waits for its parameter, or 0")     \
    ONE (u8,  enabled,    "scanning or reporting")                          \
    ONE (u8,  scan_set,   "keyboard: 1 or 2")                               \
    ONE (u8,  leds,       "keyboard: scroll, num, caps")                    \
    ONE (u8,  typematic,  "keyboard: delay and rate as written; keys repeat on the host") \
    ONE (u8,  buttons,    "mouse: as of now")                               \
    ONE (u8,  reported,   "mouse: as last reported")                        \
    ONE (u8,  rate,       "mouse: samples per second")                      \
    ONE (u8,  resolution, "mouse: 0-3")                                     \
    ONE (u8,  scaled,     "mouse: 2:1")                                     \
    ONE (u8,  remote,     "mouse: reports only when asked")                 \
    ONE (u8,  wrap,       "mouse: echoes")                                  \
    ONE (u8,  id,         "mouse: 0 plain, 3 wheel, 4 five buttons")        \
    MANY(u8,  knock, 2,   "mouse: the two sample rates before this one")
STATE_STRUCT(ps2_state, PS2_STATE);
STATE_SCHEMA(ps2_state, PS2_STATE);

struct ps2 {
    struct device dev;
    struct ps2_state state;
    void (*command)(struct ps2_state *s, uint8_t byte);
    void (*refill)(struct ps2_state *s);        /* the data ran out: is there more to say? */
    void (*ready)(void *self);
    void *self;
};

const uint8_t ps2_set2_to_set1[256] = {
    0xff, 0x43, 0x41, 0x3f, 0x3d, 0x3b, 0x3c, 0x58, 0x64, 0x44, 0x42, 0x40, 0x3e, 0x0f, 0x29, 0x59,
    0x65, 0x38, 0x2a, 0x70, 0x1d, 0x10, 0x02, 0x5a, 0x66, 0x71, 0x2c, 0x1f, 0x1e, 0x11, 0x03, 0x5b,
    0x67, 0x2e, 0x2d, 0x20, 0x12, 0x05, 0x04, 0x5c, 0x68, 0x39, 0x2f, 0x21, 0x14, 0x13, 0x06, 0x5d,
    0x69, 0x31, 0x30, 0x23, 0x22, 0x15, 0x07, 0x5e, 0x6a, 0x72, 0x32, 0x24, 0x16, 0x08, 0x09, 0x5f,
    0x6b, 0x33, 0x25, 0x17, 0x18, 0x0b, 0x0a, 0x60, 0x6c, 0x34, 0x35, 0x26, 0x27, 0x19, 0x0c, 0x61,
    0x6d, 0x73, 0x28, 0x74, 0x1a, 0x0d, 0x62, 0x6e, 0x3a, 0x36, 0x1c, 0x1b, 0x75, 0x2b, 0x63, 0x76,
    0x55, 0x56, 0x77, 0x78, 0x79, 0x7a, 0x0e, 0x7b, 0x7c, 0x4f, 0x7d, 0x4b, 0x47, 0x7e, 0x7f, 0x6f,
    0x52, 0x53, 0x50, 0x4c, 0x4d, 0x48, 0x01, 0x45, 0x57, 0x4e, 0x51, 0x4a, 0x37, 0x49, 0x46, 0x54,
    0x80, 0x81, 0x82, 0x41, 0x54, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8b, 0x8c, 0x8d, 0x8e, 0x8f,
    0x90, 0x91, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f,
    0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf,
    0xb0, 0xb1, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xbb, 0xbc, 0xbd, 0xbe, 0xbf,
    0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xcb, 0xcc, 0xcd, 0xce, 0xcf,
    0xd0, 0xd1, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf,
    0xe0, 0xe1, 0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xeb, 0xec, 0xed, 0xee, 0xef,
    0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe, 0xff,
};

/* ---- what goes to the controller ---- */

static void put_data(struct ps2_state *s, uint8_t byte)
{
    s->data[(s->data_head + s->data_count++) % DATA_SIZE] = byte;
}

static void put_bytes(struct ps2_state *s, const uint8_t *bytes, size_t n)
{
    for (size_t k = 0; k < n; k++)
        put_data(s, bytes[k]);
}

static void put_reply(struct ps2_state *s, uint8_t byte)
{
    if (s->reply_count < REPLY_SIZE)
        s->reply[(s->reply_head + s->reply_count++) % REPLY_SIZE] = byte;
}

static void drop_data(struct ps2_state *s)
{
    s->data_head = s->data_count = 0;
}

bool ps2_has_data(const struct ps2 *p)
{
    return p->state.reply_count > 0 || p->state.data_count > 0;
}

static void announce(struct ps2 *p)
{
    if (p->ready != NULL && ps2_has_data(p))
        p->ready(p->self);
}

uint8_t ps2_read(struct ps2 *p)
{
    struct ps2_state *s = &p->state;

    if (s->reply_count > 0) {
        s->last = s->reply[s->reply_head];
        s->reply_head = (s->reply_head + 1) % REPLY_SIZE;
        s->reply_count--;
    } else if (s->data_count > 0) {
        s->last = s->data[s->data_head];
        s->data_head = (s->data_head + 1) % DATA_SIZE;
        s->data_count--;
    }
    if (s->data_count == 0 && p->refill != NULL)
        p->refill(s);
    return s->last;
}

/* A byte from the host ends whatever the device was still answering. */
void ps2_write(struct ps2 *p, uint8_t byte)
{
    uint8_t last = p->state.last;

    p->state.reply_head = p->state.reply_count = 0;
    if (byte == RESEND)
        put_reply(&p->state, last);
    else
        p->command(&p->state, byte);
    announce(p);
}

/* ---- keyboard ---- */

static void keyboard_defaults(struct ps2_state *s)
{
    s->scan_set = 2;
    s->typematic = 0x2b;
    s->command = 0;
    drop_data(s);
}

static void keyboard_parameter(struct ps2_state *s, uint8_t v)
{
    uint8_t command = s->command;

    s->command = 0;
    if (command == 0xf0 && v == 3) {        /* set 3 is not there: the command is refused */
        put_reply(s, RESEND);
        return;
    }
    put_reply(s, ACK);
    if (command == 0xed)
        s->leds = v & 7;
    else if (command == 0xf3)
        s->typematic = v & 0x7f;
    else if (v == 0)
        put_reply(s, s->scan_set);
    else
        s->scan_set = v & 3;
}

static void keyboard_command(struct ps2_state *s, uint8_t v)
{
    if (s->command != 0 && v < 0x80) {
        keyboard_parameter(s, v);
        return;
    }
    s->command = 0;
    switch (v) {
    case 0xed:                              /* set LEDs */
    case 0xf0:                              /* select or read the scan code set */
    case 0xf3:                              /* typematic rate and delay */
        s->command = v;
        put_reply(s, ACK);
        break;
    case ECHO:
        put_reply(s, ECHO);
        break;
    case 0xf2:                              /* read id */
        put_reply(s, ACK);
        put_reply(s, 0xab);
        put_reply(s, 0x83);
        break;
    case 0xf4:                              /* enable */
        put_reply(s, ACK);
        drop_data(s);
        s->enabled = 1;
        break;
    case 0xf5:                              /* defaults, stop scanning */
    case 0xf6:                              /* defaults */
        keyboard_defaults(s);
        s->enabled = v == 0xf6;
        put_reply(s, ACK);
        break;
    case 0xf7: case 0xf8: case 0xf9: case 0xfa:     /* typematic and make/break of all keys matter to set 3 only */
        put_reply(s, ACK);
        break;
    case 0xff:                              /* reset */
        keyboard_defaults(s);
        s->enabled = 1;
        s->leds = 0;
        put_reply(s, ACK);
        put_reply(s, SELF_TEST_PASSED);
        break;
    default:
        put_reply(s, RESEND);
        break;
    }
}

/* The set 2 code of a set 1 code; F7 and SysRq have two, the higher is the keyboard's. */
static uint8_t set2_of(uint8_t code)
{
    for (unsigned k = 0x84; k > 0; k--)
        if (ps2_set2_to_set1[k] == code)
            return (uint8_t)k;
    return 0;
}

/* The bytes of one key event, at most 8. */
static size_t key_bytes(const struct ps2_state *s, uint16_t scancode, bool pressed, uint8_t out[8])
{
    static const uint8_t pause1[] = { EXTENDED1, 0x1d, 0x45, EXTENDED1, 0x9d, 0xc5 };
    static const uint8_t pause2[] = { EXTENDED1, 0x14, 0x77, EXTENDED1, BREAK, 0x14, BREAK, 0x77 };
    uint8_t code = scancode & 0x7f;
    size_t n = 0;

    if (scancode >> 8 == EXTENDED1) {
        const uint8_t *bytes = s->scan_set == 1 ? pause1 : pause2;

        n = s->scan_set == 1 ? sizeof pause1 : sizeof pause2;
        memcpy(out, bytes, n);
        return pressed ? n : 0;
    }
    if (scancode >> 8 == EXTENDED)
        out[n++] = EXTENDED;
    if (s->scan_set == 1) {
        out[n++] = code | (pressed ? 0 : 0x80);
        return n;
    }
    if (set2_of(code) == 0)
        return 0;
    if (!pressed)
        out[n++] = BREAK;
    out[n++] = set2_of(code);
    return n;
}

void ps2_key(struct ps2 *p, uint16_t scancode, bool pressed)
{
    struct ps2_state *s = &p->state;
    uint8_t bytes[8];
    size_t n = key_bytes(s, scancode, pressed, bytes);

    if (!s->enabled || n == 0)
        return;
    if (s->data_count + n <= KEYBOARD_BUFFER)
        put_bytes(s, bytes, n);
    else if (s->data_count <= KEYBOARD_BUFFER)
        put_data(s, s->scan_set == 1 ? 0xff : 0x00);        /* overrun, once: it takes the 17th place */
    announce(p);
}

unsigned ps2_leds(const struct ps2 *keyboard)
{
    return keyboard->state.leds;
}

/* ---- mouse ---- */

static void mouse_defaults(struct ps2_state *s)
{
    s->rate = 100;
    s->resolution = 2;
    s->scaled = s->remote = s->wrap = s->enabled = s->command = 0;
    s->dx = s->dy = s->dz = 0;
    drop_data(s);
}

/* Take up to `limit` of a movement that waits, either way. */
static int take(uint32_t *waiting, int limit)
{
    int32_t v = (int32_t)*waiting, taken = v > limit ? limit : v < -limit ? -limit : v;

    *waiting = (uint32_t)(v - taken);
    return taken;
}

/* "2:1 scaling" */
static int scale(int v)
{
    static const uint8_t small[6] = { 0, 1, 1, 3, 6, 9 };
    int size = v < 0 ? -v : v, scaled = size < 6 ? small[size] : 2 * size;

    scaled = scaled > 255 ? 255 : scaled;
    return v < 0 ? -scaled : scaled;
}

static size_t packet(struct ps2_state *s, bool scaling, uint8_t out[4])
{
    int dx = take(&s->dx, 255), dy = take(&s->dy, 255), dz = s->id != MOUSE_PLAIN ? take(&s->dz, 7) : 0;

    if (scaling && s->scaled) {
        dx = scale(dx);
        dy = scale(dy);
    }
    out[0] = (uint8_t)((s->buttons & 7) | 8 | (dx < 0) << 4 | (dy < 0) << 5);
    out[1] = (uint8_t)dx;
    out[2] = (uint8_t)dy;
    out[3] = s->id == MOUSE_FIVE_BUTTONS ? (uint8_t)((dz & 15) | (s->buttons & 0x18) << 1) : (uint8_t)dz;
    s->reported = s->buttons;
    return s->id != MOUSE_PLAIN ? 4 : 3;
}

static void mouse_refill(struct ps2_state *s)
{
    bool news = s->dx != 0 || s->dy != 0 || (s->dz != 0 && s->id != MOUSE_PLAIN) || s->buttons != s->reported;
    uint8_t bytes[4];

    if (s->enabled && !s->remote && !s->wrap && news)
        put_bytes(s, bytes, packet(s, true, bytes));
}

/* Three sample rates in a row change the mouse's identity: 200, 100, 80 and 200, 200, 80. */
static void mouse_rate(struct ps2_state *s, uint8_t rate)
{
    if (rate == 80 && s->knock[0] == 200 && s->knock[1] == 100)
        s->id = MOUSE_WHEEL;
    else if (rate == 80 && s->knock[0] == 200 && s->knock[1] == 200 && s->id != MOUSE_PLAIN)
        s->id = MOUSE_FIVE_BUTTONS;
    s->knock[0] = s->knock[1];
    s->knock[1] = rate;
    s->rate = rate;
}

static void mouse_parameter(struct ps2_state *s, uint8_t v)
{
    uint8_t command = s->command;

    s->command = 0;
    put_reply(s, ACK);
    if (command == 0xf3)
        mouse_rate(s, v);
    else
        s->resolution = v & 3;
}

static void mouse_status(struct ps2_state *s)
{
    uint8_t buttons = (uint8_t)((s->buttons & 1) << 2 | (s->buttons >> 2 & 1) << 1 | (s->buttons >> 1 & 1));

    put_reply(s, (uint8_t)(s->remote << 6 | s->enabled << 5 | s->scaled << 4 | buttons));
    put_reply(s, s->resolution);
    put_reply(s, s->rate);
}

static void mouse_report(struct ps2_state *s)
{
    uint8_t bytes[4];
    size_t n = packet(s, false, bytes);

    for (size_t k = 0; k < n; k++)
        put_reply(s, bytes[k]);
}

static void mouse_reset(struct ps2_state *s)
{
    mouse_defaults(s);
    s->id = MOUSE_PLAIN;
    put_reply(s, ACK);
    put_reply(s, SELF_TEST_PASSED);
    put_reply(s, s->id);
}

static void mouse_command(struct ps2_state *s, uint8_t v)
{
    if (s->wrap && v != 0xff && v != 0xec) {
        put_reply(s, v);
        return;
    }
    if (s->command != 0) {
        mouse_parameter(s, v);
        return;
    }
    if (v == 0xff) {
        mouse_reset(s);
        return;
    }
    drop_data(s);
    put_reply(s, ACK);
    switch (v) {
    case 0xe6: s->scaled = 0; break;
    case 0xe7: s->scaled = 1; break;
    case 0xe8:                              /* resolution */
    case 0xf3: s->command = v; break;       /* sample rate */
    case 0xe9: mouse_status(s); break;
    case 0xea: s->remote = 0; break;
    case 0xeb: mouse_report(s); break;
    case 0xec: s->wrap = 0; break;
    case 0xee: s->wrap = 1; break;
    case 0xf0: s->remote = 1; break;
    case 0xf2: put_reply(s, s->id); break;
    case 0xf4: s->enabled = 1; break;
    case 0xf5: s->enabled = 0; break;
    case 0xf6: mouse_defaults(s); break;
    default:                                /* unknown: the acknowledge becomes a request to resend */
        s->reply_count = 0;
        put_reply(s, RESEND);
        break;
    }
}

void ps2_mouse(struct ps2 *p, int dx, int dy, int dz, unsigned buttons)
{
    struct ps2_state *s = &p->state;

    s->buttons = buttons & 0x1f;
    if (!s->enabled && !s->remote)
        return;
    s->dx += (uint32_t)dx;
    s->dy -= (uint32_t)dy;
    s->dz -= (uint32_t)dz;
    if (s->data_count == 0)
        mouse_refill(s);
    announce(p);
}

/* ---- life ---- */

static void keyboard_power_on(struct device *dev)
{
    struct ps2_state *s = &((struct ps2 *)dev)->state;

    *s = (struct ps2_state){ .enabled = 1 };
    keyboard_defaults(s);
}

static void mouse_power_on(struct device *dev)
{
    struct ps2_state *s = &((struct ps2 *)dev)->state;

    *s = (struct ps2_state){ 0 };
    mouse_defaults(s);
}

static void loaded(struct device *dev)
{
    struct ps2_state *s = &((struct ps2 *)dev)->state;

    s->data_head %= DATA_SIZE;              /* indexes of a hostile file */
    s->reply_head %= REPLY_SIZE;
    s->data_count = s->data_count > DATA_SIZE ? 0 : s->data_count;
    s->reply_count = s->reply_count > REPLY_SIZE ? 0 : s->reply_count;
}

static const struct device_class keyboard_class = {
    .name = "ps2_keyboard", .size = sizeof(struct ps2),
    .state = &ps2_state_schema, .state_at = offsetof(struct ps2, state),
    .reset = keyboard_power_on, .loaded = loaded,
};

static const struct device_class mouse_class = {
    .name = "ps2_mouse", .size = sizeof(struct ps2),
    .state = &ps2_state_schema, .state_at = offsetof(struct ps2, state),
    .reset = mouse_power_on, .loaded = loaded,
};

struct ps2 *ps2_keyboard_create(struct device_tree *tree)
{
    struct ps2 *p = (struct ps2 *)device_create(tree, &keyboard_class, "ps2_keyboard");

    p->command = keyboard_command;
    return p;
}

struct ps2 *ps2_mouse_create(struct device_tree *tree)
{
    struct ps2 *p = (struct ps2 *)device_create(tree, &mouse_class, "ps2_mouse");

    p->command = mouse_command;
    p->refill = mouse_refill;
    return p;
}

void ps2_connect(struct ps2 *p, void (*ready)(void *self), void *self)
{
    p->ready = ready;
    p->self = self;
}
