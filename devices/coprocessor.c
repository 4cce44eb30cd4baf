/* SPDX-License-Identifier: MIT
 * Coprocessor error logic of the PC, as the PIIX has it (82371SB "Coprocessor Error Register", port F0h). */
#include "devices/coprocessor.h"

#include "base/attrs.h"

#define COPROCESSOR_PORT 0xf0

#define COPROCESSOR_STATE(ONE, MANY)                            \
    ONE (u8, ferr,  "the processor reports an error")           \
    ONE (u8, irq13, "latched since FERR# came")                 \
    ONE (u8, ignne, "IGNNE# is held")
STATE_STRUCT(coprocessor_state, COPROCESSOR_STATE);
STATE_SCHEMA(coprocessor_state, COPROCESSOR_STATE);

struct coprocessor {
    struct device dev;
    struct coprocessor_state state;
    struct irq irq13, ignne;
};

static void set_irq13(struct coprocessor *c, bool level)
{
    c->state.irq13 = level;
    irq_set(&c->irq13, level);
}

static void set_ignne(struct coprocessor *c, bool level)
{
    c->state.ignne = level;
    irq_set(&c->ignne, level);
}

/* The processor says so again each time it meets the waiting error; only the edge counts. */
void coprocessor_error(struct coprocessor *c, bool level)
{
    if (level == c->state.ferr)
        return;
    c->state.ferr = level;
    if (level)
        set_irq13(c, true);
    else if (c->state.ignne)
        set_ignne(c, false);
}

static void write_clear(struct device *dev, uint32_t at, unsigned bytes, uint64_t value)
{
    struct coprocessor *c = (struct coprocessor *)dev;

    (void)at, (void)bytes, (void)value;
    set_irq13(c, false);
    if (c->state.ferr)
        set_ignne(c, true);
}

static const struct reg clear_port[] = {
    { 0, 1, "clear", reg_open_bus, write_clear, 0 },
};

/* The lines themselves are remembered by who receives them. */
static void coprocessor_reset(struct device *dev)
{
    ((struct coprocessor *)dev)->state = (struct coprocessor_state){ 0 };
}

static void coprocessor_loaded(struct device *dev)
{
    struct coprocessor_state *s = &((struct coprocessor *)dev)->state;

    s->ferr &= 1;
    s->irq13 &= 1;
    s->ignne &= 1;
}

static const struct device_class coprocessor_class = {
    .name = "coprocessor", .size = sizeof(struct coprocessor),
    .state = &coprocessor_state_schema, .state_at = offsetof(struct coprocessor, state),
    .reset = coprocessor_reset, .loaded = coprocessor_loaded,
};

struct coprocessor *coprocessor_create(struct device_tree *tree, struct space *io, struct irq irq13, struct irq ignne)
{
    struct coprocessor *c = (struct coprocessor *)device_create(tree, &coprocessor_class, "coprocessor");

    c->irq13 = irq13;
    c->ignne = ignne;
    space_add_device(io, COPROCESSOR_PORT, &c->dev, clear_port, COUNT_OF(clear_port), LAYER_DEVICE);
    return c;
}
