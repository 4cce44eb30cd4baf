/* SPDX-License-Identifier: MIT
 * The local APIC's acceptance and priorities, errors, local interrupts and messages; its registers are in lapic_regs.c.
 * Quoted titles are sections of SDM 3A "Advanced Programmable Interrupt Controller (APIC)". */
#include "devices/lapic.h"

#include <stdio.h>
#include <string.h>

#include "base/attrs.h"
#include "base/bits.h"
#include "base/log.h"
#include "devices/lapic_internal.h"

STATE_SCHEMA(lapic_state, LAPIC_STATE);

enum { ICR_LOGICAL = 1 << 11, ICR_ASSERT = 1 << 14, ICR_LEVEL = 1 << 15 };
enum { SHORTHAND_NONE, SHORTHAND_SELF, SHORTHAND_ALL, SHORTHAND_OTHERS };

#define DEFAULT_BASE 0xfee00000u

/* ---- 256-bit registers and priorities ---- */

static void set_bit(uint32_t *bits, unsigned n) { bits[n >> 5] |= BIT(n & 31); }
static void clear_bit(uint32_t *bits, unsigned n) { bits[n >> 5] &= ~BIT(n & 31); }
static bool has_bit(const uint32_t *bits, unsigned n) { return bits[n >> 5] >> (n & 31) & 1; }

static int highest(const uint32_t *bits)
{
    if (LIKELY((bits[0] | bits[1] | bits[2] | bits[3] | bits[4] | bits[5] | bits[6] | bits[7]) == 0))
        return APIC_NONE;
    for (int k = 7; k >= 0; k--)
        if (bits[k] != 0)
            return k * 32 + (int)bits_highest(bits[k]);
    return APIC_NONE;
}

static unsigned class_of(int vector) { return vector < 0 ? 0 : (unsigned)vector & 0xf0; }

/* "Task and Processor Priorities" */
uint32_t lapic_processor_priority(const struct lapic *l)
{
    unsigned serving = class_of(highest(l->state.isr));

    return (l->state.tpr & 0xf0u) >= serving ? l->state.tpr : serving;
}

/* ---- assisted EOI, TLFS 10.3.5: nobody tells us when the guest clears the word, so it is looked at before anything that
 * depends on what is in service ---- */

void lapic_catch_up(struct lapic *l)
{
    if (LIKELY(!l->state.assisted) || l->assist == NULL || l->assist->get(l->assist_arg))
        return;
    l->state.assisted = 0;
    lapic_end_of_interrupt(l);
}

/* From now on the vector in service needs a written EOI. */
static void withdraw_assist(struct lapic *l)
{
    if (l->state.assisted && l->assist != NULL)
        l->assist->set(l->assist_arg, false);
    l->state.assisted = 0;
}

/* `vector` is in service now: an edge-triggered one with nothing of lower priority waiting needs no EOI. */
static void offer_assist(struct lapic *l, unsigned vector)
{
    withdraw_assist(l);
    if (l->assist != NULL)
        l->state.assisted = !has_bit(l->state.tmr, vector) && highest(l->state.irr) == APIC_NONE &&
                            l->assist->set(l->assist_arg, true);
}

/* "Lowest Priority Delivery Mode": the arbitration priority. */
unsigned lapic_arbitration_priority(const struct lapic *l)
{
    unsigned task = l->state.tpr & 0xf0;
    unsigned wanting = class_of(highest(l->state.irr)), serving = class_of(highest(l->state.isr));

    if (task >= wanting && task > serving)
        return l->state.tpr;
    return (task & serving) > wanting ? task & serving : wanting;
}

/* ---- what the processor asks ---- */

static bool extint_wanted(const struct lapic *l)
{
    uint32_t lvt = l->state.lvt[LVT_LINT0];

    if (!lapic_is_enabled(l))                 /* the pins are INTR and NMI then ("Global disable") */
        return l->state.lint[0];
    if (l->state.extint)
        return true;
    return l->state.lint[0] && !(lvt & LVT_MASKED) && (lvt >> LVT_MODE_SHIFT & 7) == APIC_EXTINT_MODE;
}

static int pending(void *self)
{
    struct lapic *l = self;
    int vector;

    lapic_catch_up(l);
    if (extint_wanted(l))
        return APIC_EXTINT;
    vector = highest(l->state.irr);
    if (vector == APIC_NONE || !lapic_is_enabled(l))
        return APIC_NONE;
    return class_of(vector) > (lapic_processor_priority(l) & 0xf0) ? vector : APIC_NONE;
}

/* Tell the processor to look again. */
void lapic_notify(struct lapic *l)
{
    if (l->processor.signal != NULL && pending(l) != APIC_NONE)
        l->processor.signal(l->processor.self, APIC_SIGNAL_INTR, 0);
}

static int accept(void *self)
{
    struct lapic *l = self;
    int vector = pending(l);

    if (vector == APIC_EXTINT) {
        l->state.extint = 0;
        return l->pic_acknowledge != NULL ? l->pic_acknowledge(l->pic) : (int)(l->state.svr & 0xff);
    }
    if (vector == APIC_NONE)            /* "Spurious Interrupt" */
        return (int)(l->state.svr & 0xff);
    clear_bit(l->state.irr, (unsigned)vector);
    if (has_bit(l->state.auto_eoi, (unsigned)vector)) {
        clear_bit(l->state.auto_eoi, (unsigned)vector);
    } else {
        set_bit(l->state.isr, (unsigned)vector);
        offer_assist(l, (unsigned)vector);
    }
    return vector;
}

void lapic_request(void *self, unsigned vector, enum apic_trigger how)
{
    struct lapic *l = self;

    if (!lapic_is_soft_enabled(l))
        return;
    lapic_catch_up(l);
    if (class_of((int)vector) <= class_of(highest(l->state.isr)))
        withdraw_assist(l);
    set_bit(l->state.irr, vector);
    (how == APIC_LEVEL ? set_bit : clear_bit)(l->state.tmr, vector);
    (how == APIC_AUTO_EOI ? set_bit : clear_bit)(l->state.auto_eoi, vector);
    lapic_notify(l);
}

/* ---- errors and local interrupts ---- */

/* "Error Handling" */
void lapic_report_error(struct lapic *l, uint32_t error)
{
    l->state.errors |= error;
    lapic_local_interrupt(l, LVT_ERROR);
}

static void receive_fixed(struct lapic *l, unsigned vector, bool level)
{
    if (vector < 16)
        lapic_report_error(l, ESR_RECEIVE_ILLEGAL);
    else
        lapic_request(l, vector, level ? APIC_LEVEL : APIC_EDGE);
}

/* An event of one of the local sources ("Local Vector Table"). */
void lapic_local_interrupt(struct lapic *l, enum lapic_lvt which)
{
    uint32_t *lvt = &l->state.lvt[which], mode = *lvt >> LVT_MODE_SHIFT & 7, vector = *lvt & 0xff;
    bool is_pin = which == LVT_LINT0 || which == LVT_LINT1;
    bool level = is_pin && mode == APIC_FIXED && (*lvt & LVT_LEVEL);

    if (!lapic_is_enabled(l) || (*lvt & LVT_MASKED) || (level && (*lvt & LVT_REMOTE_IRR)))
        return;
    if (which == LVT_ERROR && vector < 16) {
        l->state.errors |= ESR_RECEIVE_ILLEGAL;
        return;
    }
    if (level)
        *lvt |= LVT_REMOTE_IRR;
    if (mode == APIC_FIXED)
        receive_fixed(l, vector, level);
    else if (mode == APIC_EXTINT_MODE)
        lapic_notify(l);                      /* follows the pin, see extint_wanted() */
    else
        lapic_receive(l, (enum apic_mode)mode, vector, false);
}

void lapic_set_lint(void *self, unsigned pin, bool level)
{
    struct lapic *l = self;
    bool rises = level && !l->state.lint[pin & 1];

    l->state.lint[pin & 1] = level;
    if (!rises)
        return;
    if (lapic_is_enabled(l))
        lapic_local_interrupt(l, pin & 1 ? LVT_LINT1 : LVT_LINT0);
    else if (pin & 1)
        lapic_receive(l, APIC_NMI, 0, false);
    else
        lapic_notify(l);
}

/* A level-triggered pin asks again after its EOI while it is still up. */
static void end_pin_service(struct lapic *l, enum lapic_lvt which, unsigned vector)
{
    uint32_t *lvt = &l->state.lvt[which];

    if (!(*lvt & LVT_REMOTE_IRR) || (*lvt & 0xff) != vector)
        return;
    *lvt &= ~(uint32_t)LVT_REMOTE_IRR;
    if (l->state.lint[which - LVT_LINT0])
        lapic_local_interrupt(l, which);
}

/* "Signaling Interrupt Servicing Completion" */
void lapic_end_of_interrupt(struct lapic *l)
{
    int vector = highest(l->state.isr);

    if (vector == APIC_NONE)
        return;
    withdraw_assist(l);
    clear_bit(l->state.isr, (unsigned)vector);
    if (has_bit(l->state.tmr, (unsigned)vector)) {
        if (!(l->state.svr & SVR_NO_EOI_BROADCAST))
            apic_bus_broadcast_eoi(l->bus, (unsigned)vector);
        end_pin_service(l, LVT_LINT0, (unsigned)vector);
        end_pin_service(l, LVT_LINT1, (unsigned)vector);
    }
    lapic_notify(l);
    if (l->eoi_hook != NULL)
        l->eoi_hook(l->eoi_arg, (unsigned)vector);
}

/* "Local Vector Table": the entry masks itself when its interrupt is delivered. */
static void performance(void *self)
{
    struct lapic *l = self;

    lapic_local_interrupt(l, LVT_PERFORMANCE);
    l->state.lvt[LVT_PERFORMANCE] |= LVT_MASKED;
}

static void on_eoi(void *self, void (*hook)(void *arg, unsigned vector), void *arg)
{
    struct lapic *l = self;

    l->eoi_hook = hook;
    l->eoi_arg = arg;
}

static void set_assist(void *self, const struct apic_assist *assist, void *arg)
{
    struct lapic *l = self;

    l->assist = assist;
    l->assist_arg = arg;
}

/* ---- messages ---- */

/* "Logical Destination Mode" and "Deriving Logical x2APIC ID from the Local x2APIC ID" */
uint32_t lapic_logical_id(const struct lapic *l)
{
    if (lapic_is_x2apic(l))
        return (l->cfg.index & 0xffff0) << 12 | BIT(l->cfg.index & 15);
    return l->state.ldr;
}

static bool matches_logical(const struct lapic *l, uint32_t dest)
{
    uint32_t id = lapic_logical_id(l);

    if (lapic_is_x2apic(l))
        return dest >> 16 == id >> 16 && (dest & id & 0xffff) != 0;
    if (dest > 0xff)
        return false;
    if (l->state.dfr >> 28 == 0)        /* cluster model */
        return dest >> 4 == id >> 28 && (dest & id >> 24 & 0xf) != 0;
    return (dest & id >> 24) != 0;
}

bool lapic_matches(const struct lapic *l, uint32_t dest, bool logical)
{
    if (dest == APIC_DEST_ALL)
        return true;
    if (logical)
        return matches_logical(l, dest);
    return dest == (lapic_is_x2apic(l) ? l->cfg.index : l->state.id);
}

/* "Local APIC State After It Has Been Software Disabled": only INIT, NMI, SMI and SIPI are taken. */
bool lapic_accepts(const struct lapic *l, enum apic_mode mode)
{
    switch (mode) {
    case APIC_FIXED:
    case APIC_LOWEST:
    case APIC_EXTINT_MODE:
        return lapic_is_soft_enabled(l);
    default:
        return lapic_is_enabled(l);
    }
}

static void signal_processor(struct lapic *l, enum apic_signal what, unsigned vector)
{
    if (l->processor.signal != NULL)
        l->processor.signal(l->processor.self, what, vector);
}

void lapic_receive(struct lapic *l, enum apic_mode mode, unsigned vector, bool level)
{
    switch (mode) {
    case APIC_FIXED:
    case APIC_LOWEST:
        receive_fixed(l, vector, level);
        break;
    case APIC_SMI:
        signal_processor(l, APIC_SIGNAL_SMI, 0);
        break;
    case APIC_NMI:
        signal_processor(l, APIC_SIGNAL_NMI, 0);
        break;
    case APIC_INIT:                     /* "Local APIC State After an INIT Reset": all but the id */
        lapic_reset_registers(l);
        signal_processor(l, APIC_SIGNAL_INIT, 0);
        break;
    case APIC_STARTUP:
        signal_processor(l, APIC_SIGNAL_SIPI, vector);
        break;
    case APIC_EXTINT_MODE:
        l->state.extint = 1;
        lapic_notify(l);
        break;
    default:
        log_once(LOG_DEV, "lapic: message with reserved delivery mode %u", (unsigned)mode);
        break;
    }
}

/* "Issuing Interprocessor Interrupts" */
void lapic_send_ipi(struct lapic *l)
{
    uint64_t icr = l->state.icr;
    enum apic_mode mode = (enum apic_mode)bits_get(icr, 10, 8);
    unsigned vector = icr & 0xff;
    uint32_t dest = lapic_is_x2apic(l) ? (uint32_t)(icr >> 32) : (uint32_t)(icr >> 56);

    if (!lapic_is_x2apic(l) && dest == 0xff)
        dest = APIC_DEST_ALL;
    if (mode == APIC_INIT && (icr & ICR_LEVEL) && !(icr & ICR_ASSERT))
        return;                         /* INIT level de-assert only synchronised arbitration ids of old processors */
    if (vector < 16 && (mode == APIC_FIXED || mode == APIC_LOWEST)) {
        lapic_report_error(l, ESR_SEND_ILLEGAL);
        return;
    }
    switch (bits_get(icr, 19, 18)) {
    case SHORTHAND_NONE:
        apic_bus_send(l->bus, dest, icr & ICR_LOGICAL, mode, vector, false);
        break;
    case SHORTHAND_SELF:
        if (lapic_accepts(l, mode))     /* modes other than fixed are undefined here; they do what they say */
            lapic_receive(l, mode, vector, false);
        break;
    case SHORTHAND_ALL:
        apic_bus_send(l->bus, APIC_DEST_ALL, false, mode, vector, false);
        break;
    case SHORTHAND_OTHERS:
        apic_bus_send_others(l->bus, l, mode, vector);
        break;
    }
}

static void corrected_error(void *self) { lapic_local_interrupt(self, LVT_CMCI); }

const struct apic_ops lapic_ops = {
    .pending = pending, .accept = accept, .request = lapic_request, .read = lapic_read, .write = lapic_write,
    .base = lapic_base, .set_base = lapic_set_base, .performance = performance,
    .tsc_deadline = lapic_timer_deadline, .set_tsc_deadline = lapic_timer_set_deadline,
    .on_eoi = on_eoi, .assist = set_assist, .corrected_error = corrected_error,
};

/* ---- life ---- */

/* "Local APIC State After Power-Up or Reset"; ids, base and the pins' levels stay. */
void lapic_reset_registers(struct lapic *l)
{
    struct lapic_state *s = &l->state;

    memset(s->irr, 0, sizeof s->irr);
    memset(s->isr, 0, sizeof s->isr);
    memset(s->tmr, 0, sizeof s->tmr);
    memset(s->auto_eoi, 0, sizeof s->auto_eoi);
    for (unsigned k = 0; k < LVT_COUNT; k++)
        s->lvt[k] = LVT_MASKED;
    s->icr = 0;
    s->ldr = s->esr = s->errors = 0;
    s->tpr = s->extint = s->assisted = 0;
    s->dfr = 0xffffffff;
    s->svr = 0xff;
    lapic_timer_reset(l);
}

static void reset(struct device *dev)
{
    struct lapic *l = (struct lapic *)dev;

    l->state.base = DEFAULT_BASE | LAPIC_BASE_EN | (l->cfg.index == 0 ? LAPIC_BASE_BSP : 0);
    l->state.id = (uint8_t)l->cfg.index;
    l->state.lint[0] = l->state.lint[1] = 0;
    lapic_reset_registers(l);
    lapic_update_window(l);
}

static void loaded(struct device *dev)
{
    struct lapic *l = (struct lapic *)dev;

    l->state.base &= lapic_base_writable(l);      /* the file may be anything */
    l->state.assisted = l->state.assisted != 0 && highest(l->state.isr) != APIC_NONE;
    lapic_timer_loaded(l);
    lapic_update_window(l);
}

void lapic_connect(struct lapic *l, const struct apic_client *processor) { l->processor = *processor; }

void lapic_connect_pic(struct lapic *l, int (*acknowledge)(void *self), void *self)
{
    l->pic_acknowledge = acknowledge;
    l->pic = self;
}

void lapic_connect_tsc(struct lapic *l, uint64_t (*offset)(void *self), void *self)
{
    l->tsc_offset = offset;
    l->tsc_self = self;
}

void lapic_set_cmci(struct lapic *l, bool exists)
{
    l->cfg.cmci = exists;
}

void lapic_set_phys_bits(struct lapic *l, unsigned bits)
{
    l->cfg.phys_bits = bits;
}

void lapic_enter_virtual_wire(struct lapic *l)
{
    l->state.svr |= SVR_ENABLE;
    l->state.lvt[LVT_LINT0] = LVT_LEVEL | APIC_EXTINT_MODE << LVT_MODE_SHIFT;
    l->state.lvt[LVT_LINT1] = APIC_NMI << LVT_MODE_SHIFT;
}

static const struct device_class lapic_class = {
    .name = "lapic", .size = sizeof(struct lapic),
    .state = &lapic_state_schema, .state_at = offsetof(struct lapic, state),
    .reset = reset, .loaded = loaded,
};

struct lapic *lapic_create(struct device_tree *tree, struct apic_bus *bus, struct clock *clock,
                           const struct lapic_config *cfg)
{
    char name[32];
    struct lapic *l;

    snprintf(name, sizeof name, "lapic.%u", (unsigned)cfg->index);
    l = (struct lapic *)device_create(tree, &lapic_class, name);
    l->cfg = *cfg;
    l->cfg.apic_hz = cfg->apic_hz != 0 ? cfg->apic_hz : LAPIC_DEFAULT_HZ;
    l->cfg.tsc_hz = cfg->tsc_hz != 0 ? cfg->tsc_hz : 1000000000;
    l->cfg.phys_bits = cfg->phys_bits != 0 ? cfg->phys_bits : 52;
    l->window_at = LAPIC_NO_WINDOW;
    l->bus = bus;
    l->clock = clock;
    lapic_timer_init(l);
    apic_bus_attach(bus, l, cfg->index);
    return l;
}
