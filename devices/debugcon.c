/* SPDX-License-Identifier: MIT
 * Three small devices: debug console, debug exit, shutdown port. Only the last remembers anything. */
#include "devices/debugcon.h"

#include "base/attrs.h"

struct debugcon {
    struct device dev;
    void (*out)(void *self, uint8_t byte);
    void *self;
};

static uint64_t read_presence(struct device *dev, uint32_t at, unsigned bytes)
{
    (void)dev, (void)at, (void)bytes;
    return 0xe9;
}

static void write_console(struct device *dev, uint32_t at, unsigned bytes, uint64_t value)
{
    const struct debugcon *con = (struct debugcon *)dev;

    (void)at, (void)bytes;
    if (con->out != NULL)
        con->out(con->self, (uint8_t)value);
}

static const struct reg console_ports[] = {
    { 0, 1, "console", read_presence, write_console, 0 },
};

static const struct device_class debugcon_class = { .name = "debugcon", .size = sizeof(struct debugcon) };

struct device *debugcon_create(struct device_tree *tree, struct space *io, uint16_t port,
                               void (*out)(void *self, uint8_t byte), void *self)
{
    struct debugcon *con = (struct debugcon *)device_create(tree, &debugcon_class, "debugcon");

    con->out = out;
    con->self = self;
    space_add_device(io, port, &con->dev, console_ports, COUNT_OF(console_ports), LAYER_DEVICE);
    return &con->dev;
}

/* ---- debug exit ---- */

struct debug_exit {
    struct device dev;
    struct reg row;
    void (*exit)(void *self, uint32_t value);
    void *self;
};

static void write_exit(struct device *dev, uint32_t at, unsigned bytes, uint64_t value)
{
    const struct debug_exit *port = (struct debug_exit *)dev;

    (void)at, (void)bytes;
    port->exit(port->self, (uint32_t)value);
}

static uint64_t read_exit(struct device *dev, uint32_t at, unsigned bytes)
{
    (void)dev, (void)at, (void)bytes;
    return 0;
}

static const struct device_class debug_exit_class = { .name = "debug_exit", .size = sizeof(struct debug_exit) };

struct device *debug_exit_create(struct device_tree *tree, struct space *io, uint16_t base, uint16_t size,
                                 void (*exit)(void *self, uint32_t value), void *self)
{
    struct debug_exit *port = (struct debug_exit *)device_create(tree, &debug_exit_class, "debug_exit");

    port->exit = exit;
    port->self = self;
    port->row = (struct reg){ 0, 4, "exit", read_exit, write_exit, size != 0 ? size : 1 };
    space_add_device(io, base, &port->dev, &port->row, 1, LAYER_DEVICE);
    return &port->dev;
}

/* ---- shutdown port ---- */

#define SHUTDOWN_STATE(ONE, MANY) \
    ONE (u8, matched, "letters of the word seen so far")
STATE_STRUCT(shutdown_state, SHUTDOWN_STATE);
STATE_SCHEMA(shutdown_state, SHUTDOWN_STATE);

struct shutdown_port {
    struct device dev;
    struct shutdown_state state;
    void (*shutdown)(void *self);
    void *self;
};

static void write_letter(struct device *dev, uint32_t at, unsigned bytes, uint64_t value)
{
    static const char word[] = "Shutdown";
    struct shutdown_port *port = (struct shutdown_port *)dev;
    uint8_t letter = (uint8_t)value, *matched = &port->state.matched;

    (void)at, (void)bytes;
    if (letter != (uint8_t)word[*matched])
        *matched = letter == (uint8_t)word[0];
    else if (++*matched == sizeof word - 1) {
        *matched = 0;
        port->shutdown(port->self);
    }
}

static const struct reg shutdown_ports[] = {
    { 0, 1, "shutdown", reg_open_bus, write_letter, 0 },
};

static void shutdown_reset(struct device *dev) { ((struct shutdown_port *)dev)->state.matched = 0; }
static void shutdown_loaded(struct device *dev) { ((struct shutdown_port *)dev)->state.matched &= 7; }

static const struct device_class shutdown_class = {
    .name = "shutdown_port", .size = sizeof(struct shutdown_port),
    .state = &shutdown_state_schema, .state_at = offsetof(struct shutdown_port, state),
    .reset = shutdown_reset, .loaded = shutdown_loaded,
};

struct device *shutdown_port_create(struct device_tree *tree, struct space *io, void (*shutdown)(void *self), void *self)
{
    struct shutdown_port *port = (struct shutdown_port *)device_create(tree, &shutdown_class, "shutdown_port");

    port->shutdown = shutdown;
    port->self = self;
    space_add_device(io, SHUTDOWN_PORT, &port->dev, shutdown_ports, COUNT_OF(shutdown_ports), LAYER_DEVICE);
    return &port->dev;
}
