/* SPDX-License-Identifier: MIT
 * PM registers at a base that the PCI function moves; B2h/B3h and CF9h are fixed. Titles in quotes are sections of the
 * ACPI specification, chapter "ACPI Hardware Specification". */
#include "devices/acpi_pm.h"

#include "base/attrs.h"
#include "base/bits.h"
#include "base/log.h"
#include "devices/ticks.h"

enum { STS_TIMER = 1 << 0, STS_GLOBAL = 1 << 5, STS_POWER_BUTTON = 1 << 8, STS_RTC = 1 << 10, STS_WAKE = 1 << 15,
       STS_CLEARABLE = STS_TIMER | 1 << 4 | STS_GLOBAL | STS_POWER_BUTTON | STS_RTC | STS_WAKE,
       EN_WRITABLE = STS_TIMER | STS_GLOBAL | STS_POWER_BUTTON | STS_RTC };
enum { CNT_SCI_EN = 1 << 0, CNT_WRITABLE = 0x1c03, CNT_SLP_TYPE_SHIFT = 10, CNT_SLP_EN = 1 << 13 };
enum { RESET_HARD = 1 << 1, RESET_ARMED = 1 << 2, RESET_WRITABLE = 0x0e };
enum { TIMER_BITS = 24 };

#define ACPI_PM_STATE(ONE, MANY)                                                      \
    ONE (u64, half_seen,  "half turns of the PM timer that STS_TIMER accounts for")   \
    ONE (u16, status,     "PM1 status")                                               \
    ONE (u16, enable,     "PM1 enable")                                               \
    ONE (u16, control,    "PM1 control")                                              \
    ONE (u16, gpe_status, "GPE0 status")                                              \
    ONE (u16, gpe_enable, "GPE0 enable")                                              \
    ONE (u16, gpe_lines,  "GPE0 inputs")                                              \
    ONE (u16, base,       "where the block lies")                                     \
    ONE (u8,  enabled,    "the block is decoded")                                     \
    ONE (u8,  smi_command,"port B2h")                                                 \
    ONE (u8,  smi_status, "port B3h")                                                 \
    ONE (u8,  reset_control, "port CF9h")                                             \
    ONE (u8,  smi_enable, "GLBCTL bit 0: SMIs may be made")                           \
    MANY(u8,  reserved, 5, "")
STATE_STRUCT(acpi_pm_state, ACPI_PM_STATE);
STATE_SCHEMA(acpi_pm_state, ACPI_PM_STATE);

struct acpi_pm {
    struct device dev;
    struct acpi_pm_state state;
    struct space *io;
    struct clock *clock;
    struct timer timer;
    struct irq sci;
    struct acpi_pm_host host;
    bool (*smi_enabled)(void *self);
    void *smi_self;
    uint16_t mapped_at;             /* 0: nowhere */
};

static uint64_t timer_ticks(const struct acpi_pm *pm)
{
    return ticks_in_ns(clock_ns(pm->clock), ACPI_PM_TIMER_HZ);
}

/* "Power Management Timer": status is set whenever the top bit changes, in either direction. */
static void settle(struct acpi_pm *pm)
{
    uint64_t half = timer_ticks(pm) >> (TIMER_BITS - 1);

    if (half != pm->state.half_seen)
        pm->state.status |= STS_TIMER;
    pm->state.half_seen = half;
}

/* A deadline only while the guest waits for the timer's status. */
static void rearm(struct acpi_pm *pm)
{
    const struct acpi_pm_state *s = &pm->state;
    bool waits = (s->enable & STS_TIMER) && !(s->status & STS_TIMER);
    uint64_t tick = (s->half_seen + 1) << (TIMER_BITS - 1);

    timer_set(pm->clock, &pm->timer, waits ? ns_of_ticks(tick, ACPI_PM_TIMER_HZ) : TIMER_OFF);
}

/* "System Control Interrupt": level, and only in ACPI mode. */
static void update(struct acpi_pm *pm)
{
    const struct acpi_pm_state *s = &pm->state;
    bool wants = (s->status & s->enable & EN_WRITABLE) != 0 || (s->gpe_status & s->gpe_enable) != 0;

    irq_set(&pm->sci, wants && (s->control & CNT_SCI_EN));
    rearm(pm);
}

static void fire(void *arg)
{
    settle(arg);
    update(arg);
}

/* ---- the block ---- */

static uint64_t read_event(struct device *dev, uint32_t at, unsigned bytes)
{
    struct acpi_pm *pm = (struct acpi_pm *)dev;
    uint32_t both;

    (void)bytes;
    settle(pm);
    both = pm->state.status | (uint32_t)pm->state.enable << 16;
    return both >> 8 * (at & 3);
}

/* A register written in part keeps the rest: bytes of a status register that are not written clear nothing. */
static uint32_t placed(uint32_t at, uint64_t value) { return (uint32_t)(value << 8 * (at & 3)); }

static uint32_t merged(uint32_t old, uint32_t at, unsigned bytes, uint64_t value)
{
    uint32_t mask = placed(at, bits_mask(8 * bytes));

    return (old & ~mask) | (placed(at, value) & mask);
}

static void write_event(struct device *dev, uint32_t at, unsigned bytes, uint64_t value)
{
    struct acpi_pm *pm = (struct acpi_pm *)dev;
    struct acpi_pm_state *s = &pm->state;

    settle(pm);
    s->status &= (uint16_t)~(placed(at, value) & STS_CLEARABLE);
    s->enable = (uint16_t)(merged((uint32_t)s->enable << 16, at, bytes, value) >> 16) & EN_WRITABLE;
    update(pm);
}

static uint64_t read_control(struct device *dev, uint32_t at, unsigned bytes)
{
    (void)bytes;
    return (uint32_t)((struct acpi_pm *)dev)->state.control >> 8 * (at & 3);
}

/* "PM1 Control Registers": SLP_EN acts and reads as zero. */
static void sleep_now(struct acpi_pm *pm)
{
    unsigned type = pm->state.control >> CNT_SLP_TYPE_SHIFT & 7;

    if (type != ACPI_S5_TYPE)
        log_once(LOG_DEV, "acpi: sleep type %u is not a state this machine offers", type);
    else if (pm->host.poweroff != NULL)
        pm->host.poweroff(pm->host.self);
}

static void write_control(struct device *dev, uint32_t at, unsigned bytes, uint64_t value)
{
    struct acpi_pm *pm = (struct acpi_pm *)dev;
    uint32_t control = merged(pm->state.control, at, bytes, value);

    pm->state.control = control & CNT_WRITABLE;
    update(pm);
    if (control & CNT_SLP_EN)
        sleep_now(pm);
}

static uint64_t read_timer(struct device *dev, uint32_t at, unsigned bytes)
{
    (void)bytes;
    return (timer_ticks((struct acpi_pm *)dev) & bits_mask(TIMER_BITS)) >> 8 * (at & 3);
}

static uint64_t read_gpe(struct device *dev, uint32_t at, unsigned bytes)
{
    const struct acpi_pm_state *s = &((struct acpi_pm *)dev)->state;

    (void)bytes;
    return (s->gpe_status | (uint32_t)s->gpe_enable << 16) >> 8 * (at & 3);
}

static void write_gpe(struct device *dev, uint32_t at, unsigned bytes, uint64_t value)
{
    struct acpi_pm *pm = (struct acpi_pm *)dev;
    struct acpi_pm_state *s = &pm->state;

    s->gpe_status &= (uint16_t)~placed(at, value);
    s->gpe_enable = (uint16_t)(merged((uint32_t)s->gpe_enable << 16, at, bytes, value) >> 16);
    update(pm);
}

static uint64_t read_zero(struct device *dev, uint32_t at, unsigned bytes)
{
    (void)dev, (void)at, (void)bytes;
    return 0;
}

/* 82371AB "GLBCTL": SMI_EN alone; without EOS the next SMI comes all the same, as firmware for virtual boards expects. */
static uint64_t read_global(struct device *dev, uint32_t at, unsigned bytes)
{
    (void)bytes;
    return (at & 3) == 0 ? ((struct acpi_pm *)dev)->state.smi_enable : 0;
}

static void write_global(struct device *dev, uint32_t at, unsigned bytes, uint64_t value)
{
    (void)bytes;
    if ((at & 3) == 0)
        ((struct acpi_pm *)dev)->state.smi_enable = value & 1;
}

/* The rest of a PIIX4 block (device activity monitors, throttling) has nothing behind it. */
static const struct reg block[] = {
    { ACPI_PM1_EVENT,   4, "pm1 event",   read_event,   write_event,   0 },
    { ACPI_PM1_CONTROL, 4, "pm1 control", read_control, write_control, 0 },
    { ACPI_PM_TIMER,    4, "pm timer",    read_timer,   reg_ignore,    0 },
    { ACPI_GPE0,        4, "gpe0",        read_gpe,     write_gpe,     0 },
    { 0x10,             4, "rest",        read_zero,    reg_ignore,    ACPI_GLOBAL_CONTROL - 0x10 },
    { ACPI_GLOBAL_CONTROL, 4, "global",   read_global,  write_global,  4 },
    { ACPI_GLOBAL_CONTROL + 4, 4, "rest", read_zero,    reg_ignore,    ACPI_PM_SIZE - ACPI_GLOBAL_CONTROL - 4 },
};

/* ---- fixed ports ---- */

static uint64_t read_smi(struct device *dev, uint32_t port, unsigned bytes)
{
    const struct acpi_pm_state *s = &((struct acpi_pm *)dev)->state;

    (void)bytes;
    return port == ACPI_SMI_PORT ? s->smi_command : s->smi_status;
}

/* What firmware's SMI handler would do on a real board is done here: entering and leaving ACPI mode. */
static void write_smi_command(struct acpi_pm *pm, uint8_t v)
{
    pm->state.smi_command = v;
    if (v == ACPI_ENABLE)
        pm->state.control |= CNT_SCI_EN;
    else if (v == ACPI_DISABLE)
        pm->state.control &= (uint16_t)~CNT_SCI_EN;
    update(pm);
    if (pm->host.smi != NULL && pm->state.smi_enable && pm->smi_enabled != NULL && pm->smi_enabled(pm->smi_self))
        pm->host.smi(pm->host.self);
}

static void write_smi(struct device *dev, uint32_t port, unsigned bytes, uint64_t value)
{
    struct acpi_pm *pm = (struct acpi_pm *)dev;

    (void)bytes;
    if (port == ACPI_SMI_PORT)
        write_smi_command(pm, (uint8_t)value);
    else
        pm->state.smi_status = (uint8_t)value;
}

static uint64_t read_reset(struct device *dev, uint32_t port, unsigned bytes)
{
    (void)port, (void)bytes;
    return ((struct acpi_pm *)dev)->state.reset_control;
}

/* 82371SB "Reset Control Register": bit 2 going from 0 to 1 resets, hard with bit 1 set, else by INIT. */
static void write_reset(struct device *dev, uint32_t port, unsigned bytes, uint64_t value)
{
    struct acpi_pm *pm = (struct acpi_pm *)dev;
    bool acts = (value & RESET_ARMED) && !(pm->state.reset_control & RESET_ARMED);
    void (*act)(void *self) = (value & RESET_HARD) || pm->host.init == NULL ? pm->host.reset : pm->host.init;

    (void)port, (void)bytes;
    pm->state.reset_control = value & RESET_WRITABLE;
    if (acts && act != NULL)
        act(pm->host.self);
}

static const struct reg smi_ports[] = {
    { ACPI_SMI_PORT, 1, "apm", read_smi, write_smi, 2 },
};

/* One layer above the PCI bridge's address port, which takes whole dwords only. */
static const struct reg reset_port[] = {
    { ACPI_RESET_PORT, 1, "reset control", read_reset, write_reset, 0 },
};

/* ---- wiring ---- */

static void map(struct acpi_pm *pm)
{
    uint16_t at = pm->state.enabled ? pm->state.base : 0;

    if (at == pm->mapped_at)
        return;
    if (pm->mapped_at != 0)
        space_remove(pm->io, pm->mapped_at, LAYER_DEVICE);
    if (at != 0)
        space_add_device(pm->io, at, &pm->dev, block, COUNT_OF(block), LAYER_DEVICE);
    pm->mapped_at = at;
}

void acpi_pm_set_base(void *self, uint16_t base, bool enabled)
{
    struct acpi_pm *pm = self;

    pm->state.base = base & 0xffc0;
    pm->state.enabled = enabled;
    map(pm);
}

void acpi_pm_connect_smi(struct acpi_pm *pm, bool (*enabled)(void *self), void *self)
{
    pm->smi_enabled = enabled;
    pm->smi_self = self;
}

void acpi_pm_power_button(struct acpi_pm *pm)
{
    settle(pm);
    pm->state.status |= STS_POWER_BUTTON;
    update(pm);
}

void acpi_pm_set_gpe(void *self, unsigned event, bool level)
{
    struct acpi_pm *pm = self;
    struct acpi_pm_state *s = &pm->state;
    uint16_t bit = (uint16_t)BIT(event & 15);

    if (level && !(s->gpe_lines & bit))
        s->gpe_status |= bit;
    s->gpe_lines = level ? s->gpe_lines | bit : s->gpe_lines & (uint16_t)~bit;
    update(pm);
}

static void reset(struct device *dev)
{
    struct acpi_pm *pm = (struct acpi_pm *)dev;
    struct acpi_pm_state *s = &pm->state;

    s->status = s->enable = s->control = s->gpe_status = s->gpe_enable = 0;
    s->smi_command = s->smi_status = s->reset_control = s->smi_enable = 0;
    s->half_seen = timer_ticks(pm) >> (TIMER_BITS - 1);
    update(pm);
}

static void loaded(struct device *dev)
{
    struct acpi_pm *pm = (struct acpi_pm *)dev;

    pm->state.base &= 0xffc0;
    map(pm);
    rearm(pm);
}

static const struct device_class acpi_pm_class = {
    .name = "acpi_pm", .size = sizeof(struct acpi_pm),
    .state = &acpi_pm_state_schema, .state_at = offsetof(struct acpi_pm, state),
    .reset = reset, .loaded = loaded,
};

struct acpi_pm *acpi_pm_create(struct device_tree *tree, struct space *io, struct clock *clock, struct irq sci,
                               const struct acpi_pm_host *host)
{
    struct acpi_pm *pm = (struct acpi_pm *)device_create(tree, &acpi_pm_class, "acpi_pm");

    pm->io = io;
    pm->clock = clock;
    pm->sci = sci;
    pm->host = *host;
    timer_init(clock, &pm->timer, "acpi_pm", fire, pm);
    space_add_device(io, 0, &pm->dev, smi_ports, COUNT_OF(smi_ports), LAYER_DEVICE);
    space_add_device(io, 0, &pm->dev, reset_port, COUNT_OF(reset_port), LAYER_DEVICE + 1);
    return pm;
}
