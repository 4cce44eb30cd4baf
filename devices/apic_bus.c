/* SPDX-License-Identifier: MIT
 * Routing by physical and logical destination, lowest-priority arbitration, MSI decoding and the per-processor memory
 * window. Has no state of its own: everything is in the local APICs. */
#include "devices/apic_bus.h"

#include "base/attrs.h"
#include "base/bits.h"
#include "base/invariant.h"
#include "base/log.h"
#include "devices/lapic.h"

struct message {
    uint32_t dest;
    bool logical, level;
    enum apic_mode mode;
    unsigned vector;
    const struct lapic *except;
};

static bool takes(const struct lapic *l, const struct message *m)
{
    return l != NULL && l != m->except && lapic_matches(l, m->dest, m->logical) && lapic_accepts(l, m->mode);
}

/* SDM 3A "Lowest Priority Delivery Mode"; among equals the first, so that runs are reproducible. */
static bool send_lowest(struct apic_bus *bus, const struct message *m)
{
    struct lapic *best = NULL;

    for (unsigned k = 0; k < bus->count; k++) {
        struct lapic *l = bus->lapics[k];

        if (l != NULL)
            lapic_catch_up(l);
        if (takes(l, m) && (best == NULL || lapic_arbitration_priority(l) < lapic_arbitration_priority(best)))
            best = l;
    }
    if (best != NULL)
        lapic_receive(best, APIC_FIXED, m->vector, m->level);
    return best != NULL;
}

static bool send(struct apic_bus *bus, const struct message *m)
{
    bool taken = false;

    if (m->mode == APIC_LOWEST)
        return send_lowest(bus, m);
    for (unsigned k = 0; k < bus->count; k++) {
        if (takes(bus->lapics[k], m)) {
            lapic_receive(bus->lapics[k], m->mode, m->vector, m->level);
            taken = true;
        }
    }
    return taken;
}

bool apic_bus_send(struct apic_bus *bus, uint32_t dest, bool logical, enum apic_mode mode, unsigned vector, bool level)
{
    return send(bus, &(struct message){ dest, logical, level, mode, vector, NULL });
}

bool apic_bus_send_others(struct apic_bus *bus, const struct lapic *sender, enum apic_mode mode, unsigned vector)
{
    return send(bus, &(struct message){ APIC_DEST_ALL, false, false, mode, vector, sender });
}

/* SDM 3A "Message Signalled Interrupts": destination in bits 19-12, logical in bit 2; the redirection hint in bit 3 sends
 * the message to one of the matching processors. Bit 2 is honoured without the hint too, as chipsets do. */
void apic_bus_msi(void *self, uint64_t address, uint32_t data)
{
    struct apic_bus *bus = self;
    uint32_t dest = (uint32_t)bits_get(address, 19, 12);
    bool hint = address & BIT(3), logical = address & BIT(2);
    enum apic_mode mode = (enum apic_mode)bits_get(data, 10, 8);

    if (address >> 20 != 0xfee) {
        log_once(LOG_DEV, "message signalled interrupt to %llx, outside FEExxxxxh", (unsigned long long)address);
        return;
    }
    if (hint && mode == APIC_FIXED)
        mode = APIC_LOWEST;
    apic_bus_send(bus, dest == 0xff ? APIC_DEST_ALL : dest, logical, mode, data & 0xff, data & BIT(15));
}

void apic_bus_set_lint(void *self, unsigned pin, bool level)
{
    struct apic_bus *bus = self;

    for (unsigned k = 0; k < bus->count; k++)
        if (bus->lapics[k] != NULL)
            lapic_set_lint(bus->lapics[k], pin, level);
}

void apic_bus_init_processors(struct apic_bus *bus)
{
    for (unsigned k = 0; k < bus->count; k++)
        if (bus->lapics[k] != NULL)
            lapic_receive(bus->lapics[k], APIC_INIT, 0, false);
}

void apic_bus_broadcast_eoi(struct apic_bus *bus, unsigned vector)
{
    if (bus->eoi != NULL)
        bus->eoi(bus->eoi_self, vector);
}

static struct lapic *current_lapic(const struct apic_window *w)
{
    return w->bus->current < w->bus->count ? w->bus->lapics[w->bus->current] : NULL;
}

static uint64_t window_read(struct device *dev, uint32_t at, unsigned bytes)
{
    const struct apic_window *w = (const struct apic_window *)dev;
    struct lapic *l = current_lapic(w);

    return l != NULL ? lapic_window_read(l, w->at, at, bytes) : UINT64_MAX;
}

static void window_write(struct device *dev, uint32_t at, unsigned bytes, uint64_t value)
{
    const struct apic_window *w = (const struct apic_window *)dev;
    struct lapic *l = current_lapic(w);

    if (l != NULL)
        lapic_window_write(l, w->at, at, bytes, value);
}

static const struct reg window_rows[] = {
    { 0, 4, "local apic", window_read, window_write, PAGE_SIZE },
};

static const struct device_class window_class = { .name = "apic_window", .size = sizeof(struct apic_window) };

void apic_bus_open_window(struct apic_bus *bus, gpa_t at)
{
    struct apic_window *place = NULL;

    for (unsigned k = 0; k < APIC_BUS_MAX; k++) {
        struct apic_window *w = &bus->windows[k];

        if (w->users > 0 && w->at == at) {
            w->users++;
            return;
        }
        if (w->users == 0 && place == NULL)
            place = w;
    }
    invariant(place != NULL, "more local APIC windows than local APICs");
    *place = (struct apic_window){ { .class = &window_class, .name = "apic_window" }, .bus = bus, .at = at, .users = 1 };
    space_add_device(bus->memory, at, &place->dev, window_rows, COUNT_OF(window_rows), LAYER_APIC);
}

void apic_bus_close_window(struct apic_bus *bus, gpa_t at)
{
    for (unsigned k = 0; k < APIC_BUS_MAX; k++) {
        struct apic_window *w = &bus->windows[k];

        if (w->users > 0 && w->at == at && --w->users == 0)
            space_remove(bus->memory, at, LAYER_APIC);
    }
}

void apic_bus_attach(struct apic_bus *bus, struct lapic *lapic, unsigned index)
{
    invariant(index < APIC_BUS_MAX, "local APIC %u does not fit on the bus", index);
    bus->lapics[index] = lapic;
    if (index >= bus->count)
        bus->count = index + 1;
}

void apic_bus_connect_eoi(struct apic_bus *bus, void (*eoi)(void *self, unsigned vector), void *self)
{
    bus->eoi = eoi;
    bus->eoi_self = self;
}

static const struct device_class apic_bus_class = { .name = "apic_bus", .size = sizeof(struct apic_bus) };

struct apic_bus *apic_bus_create(struct device_tree *tree, struct space *memory)
{
    struct apic_bus *bus = (struct apic_bus *)device_create(tree, &apic_bus_class, "apic_bus");

    bus->memory = memory;
    return bus;
}
