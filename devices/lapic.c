/* SPDX-License-Identifier: MIT
 * Local APIC registers, acceptance and priorities, IPIs, and the IA32_APIC_BASE state machine. Quoted titles are sections
 * of SDM 3A "Advanced Programmable Interrupt Controller (APIC)". */
#include "devices/lapic.h"

#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "base/log.h"
#include "devices/lapic_internal.h"

STATE_SCHEMA(lapic_state, LAPIC_STATE);

enum { BASE_BSP = 1 << 8, BASE_EXTD = 1 << 10, BASE_EN = 1 << 11 };
enum { SVR_ENABLE = 1 << 8, SVR_NO_EOI_BROADCAST = 1 << 12, SVR_WRITABLE = 0x13ff };
enum { ESR_SEND_ILLEGAL = 1 << 5, ESR_RECEIVE_ILLEGAL = 1 << 6, ESR_ILLEGAL_REGISTER = 1 << 7 };
enum { ICR_LOGICAL = 1 << 11, ICR_ASSERT = 1 << 14, ICR_LEVEL = 1 << 15 };
enum { SHORTHAND_NONE, SHORTHAND_SELF, SHORTHAND_ALL, SHORTHAND_OTHERS };

#define DEFAULT_BASE  0xfee00000u
#define VERSION       0x01050014u       /* integrated APIC, six LVT entries, EOI broadcast can be suppressed */
#define ICR_RESERVED  0xfff32000u       /* in x2APIC mode */

/* What software may write into each LVT entry; delivery status (12) and remote IRR (14) are read-only. */
static const uint32_t lvt_writable[LVT_COUNT] = { 0x300ff, 0x107ff, 0x107ff, 0x1a7ff, 0x1a7ff, 0x100ff };
#define LVT_READ_ONLY 0x5000u

static bool is_enabled(const struct lapic *l) { return l->state.base & BASE_EN; }
static bool is_x2apic(const struct lapic *l) { return l->state.base & BASE_EXTD; }
static bool is_soft_enabled(const struct lapic *l) { return is_enabled(l) && (l->state.svr & SVR_ENABLE); }

/* ---- 256-bit registers and priorities ---- */

static void set_bit(uint32_t *bits, unsigned n) { bits[n >> 5] |= BIT(n & 31); }
static void clear_bit(uint32_t *bits, unsigned n) { bits[n >> 5] &= ~BIT(n & 31); }
static bool has_bit(const uint32_t *bits, unsigned n) { return bits[n >> 5] >> (n & 31) & 1; }

static int highest(const uint32_t *bits)
{
    for (int k = 7; k >= 0; k--)
        if (bits[k] != 0)
            return k * 32 + (int)bits_highest(bits[k]);
    return APIC_NONE;
}

static unsigned class_of(int vector) { return vector < 0 ? 0 : (unsigned)vector & 0xf0; }

/* "Task and Processor Priorities" */
static uint32_t processor_priority(const struct lapic *l)
{
    unsigned serving = class_of(highest(l->state.isr));

    return (l->state.tpr & 0xf0u) >= serving ? l->state.tpr : serving;
}

/* "Lowest Priority Delivery Mode": the arbitration priority. */
unsigned lapic_arbitration_priority(const struct lapic *l)
{
    unsigned task = l->state.tpr & 0xf0, wanting = class_of(highest(l->state.irr)), serving = class_of(highest(l->state.isr));

    if (task >= wanting && task > serving)
        return l->state.tpr;
    return (task & serving) > wanting ? task & serving : wanting;
}

/* ---- what the processor asks ---- */

static bool extint_wanted(const struct lapic *l)
{
    uint32_t lvt = l->state.lvt[LVT_LINT0];

    if (!is_enabled(l))                 /* the pins are INTR and NMI then ("Global disable") */
        return l->state.lint[0];
    if (l->state.extint)
        return true;
    return l->state.lint[0] && !(lvt & LVT_MASKED) && (lvt >> LVT_MODE_SHIFT & 7) == APIC_EXTINT_MODE;
}

static int pending(void *self)
{
    const struct lapic *l = self;
    int vector;

    if (extint_wanted(l))
        return APIC_EXTINT;
    if (!is_enabled(l))
        return APIC_NONE;
    vector = highest(l->state.irr);
    return class_of(vector) > (processor_priority(l) & 0xf0) ? vector : APIC_NONE;
}

/* Tell the processor to look again. */
static void notify(struct lapic *l)
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
    if (has_bit(l->state.auto_eoi, (unsigned)vector))
        clear_bit(l->state.auto_eoi, (unsigned)vector);
    else
        set_bit(l->state.isr, (unsigned)vector);
    return vector;
}

static void request(void *self, unsigned vector, enum apic_trigger how)
{
    struct lapic *l = self;

    if (!is_soft_enabled(l))
        return;
    set_bit(l->state.irr, vector);
    (how == APIC_LEVEL ? set_bit : clear_bit)(l->state.tmr, vector);
    (how == APIC_AUTO_EOI ? set_bit : clear_bit)(l->state.auto_eoi, vector);
    notify(l);
}

/* ---- errors and local interrupts ---- */

/* "Error Handling" */
static void report_error(struct lapic *l, uint32_t error)
{
    l->state.errors |= error;
    lapic_local_interrupt(l, LVT_ERROR);
}

static void receive_fixed(struct lapic *l, unsigned vector, bool level)
{
    if (vector < 16)
        report_error(l, ESR_RECEIVE_ILLEGAL);
    else
        request(l, vector, level ? APIC_LEVEL : APIC_EDGE);
}

/* An event of one of the local sources ("Local Vector Table"). */
void lapic_local_interrupt(struct lapic *l, enum lapic_lvt which)
{
    uint32_t *lvt = &l->state.lvt[which], mode = *lvt >> LVT_MODE_SHIFT & 7, vector = *lvt & 0xff;
    bool is_pin = which == LVT_LINT0 || which == LVT_LINT1;
    bool level = is_pin && mode == APIC_FIXED && (*lvt & LVT_LEVEL);

    if (!is_enabled(l) || (*lvt & LVT_MASKED) || (level && (*lvt & LVT_REMOTE_IRR)))
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
        notify(l);                      /* follows the pin, see extint_wanted() */
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
    if (is_enabled(l))
        lapic_local_interrupt(l, pin & 1 ? LVT_LINT1 : LVT_LINT0);
    else if (pin & 1)
        lapic_receive(l, APIC_NMI, 0, false);
    else
        notify(l);
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
static void end_of_interrupt(struct lapic *l)
{
    int vector = highest(l->state.isr);

    if (vector == APIC_NONE)
        return;
    clear_bit(l->state.isr, (unsigned)vector);
    if (has_bit(l->state.tmr, (unsigned)vector)) {
        if (!(l->state.svr & SVR_NO_EOI_BROADCAST))
            apic_bus_broadcast_eoi(l->bus, (unsigned)vector);
        end_pin_service(l, LVT_LINT0, (unsigned)vector);
        end_pin_service(l, LVT_LINT1, (unsigned)vector);
    }
    notify(l);
    if (l->eoi_hook != NULL)
        l->eoi_hook(l->eoi_arg, (unsigned)vector);
}

static void on_eoi(void *self, void (*hook)(void *arg, unsigned vector), void *arg)
{
    struct lapic *l = self;

    l->eoi_hook = hook;
    l->eoi_arg = arg;
}

/* ---- messages ---- */

/* "Logical Destination Mode" and "Deriving Logical x2APIC ID from the Local x2APIC ID" */
static uint32_t logical_id(const struct lapic *l)
{
    if (is_x2apic(l))
        return (l->cfg.index & 0xffff0) << 12 | BIT(l->cfg.index & 15);
    return l->state.ldr;
}

static bool matches_logical(const struct lapic *l, uint32_t dest)
{
    uint32_t id = logical_id(l);

    if (is_x2apic(l))
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
    return dest == (is_x2apic(l) ? l->cfg.index : l->state.id);
}

/* While software-disabled only INIT, NMI, SMI and SIPI are taken ("Local APIC State After It Has Been Software Disabled"). */
bool lapic_accepts(const struct lapic *l, enum apic_mode mode)
{
    switch (mode) {
    case APIC_FIXED:
    case APIC_LOWEST:
    case APIC_EXTINT_MODE:
        return is_soft_enabled(l);
    default:
        return is_enabled(l);
    }
}

static void signal_processor(struct lapic *l, enum apic_signal what, unsigned vector)
{
    if (l->processor.signal != NULL)
        l->processor.signal(l->processor.self, what, vector);
}

static void reset_registers(struct lapic *l);

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
        reset_registers(l);
        signal_processor(l, APIC_SIGNAL_INIT, 0);
        break;
    case APIC_STARTUP:
        signal_processor(l, APIC_SIGNAL_SIPI, vector);
        break;
    case APIC_EXTINT_MODE:
        l->state.extint = 1;
        notify(l);
        break;
    default:
        log_once(LOG_DEV, "lapic: message with reserved delivery mode %u", (unsigned)mode);
        break;
    }
}

/* "Issuing Interprocessor Interrupts" */
static void send_ipi(struct lapic *l)
{
    uint64_t icr = l->state.icr;
    enum apic_mode mode = (enum apic_mode)bits_get(icr, 10, 8);
    unsigned vector = icr & 0xff;
    uint32_t dest = is_x2apic(l) ? (uint32_t)(icr >> 32) : (uint32_t)(icr >> 56);

    if (!is_x2apic(l) && dest == 0xff)
        dest = APIC_DEST_ALL;
    if (mode == APIC_INIT && (icr & ICR_LEVEL) && !(icr & ICR_ASSERT))
        return;                         /* INIT level de-assert only synchronised arbitration ids of old processors */
    if (vector < 16 && (mode == APIC_FIXED || mode == APIC_LOWEST)) {
        report_error(l, ESR_SEND_ILLEGAL);
        return;
    }
    switch (bits_get(icr, 19, 18)) {
    case SHORTHAND_NONE:
        apic_bus_send(l->bus, dest, icr & ICR_LOGICAL, mode, vector, false);
        break;
    case SHORTHAND_SELF:
        if (mode == APIC_FIXED && is_soft_enabled(l))
            receive_fixed(l, vector, false);
        else if (mode != APIC_FIXED)
            log_once(LOG_DEV, "lapic: self shorthand with delivery mode %u", (unsigned)mode);
        break;
    case SHORTHAND_ALL:
        apic_bus_send(l->bus, APIC_DEST_ALL, false, mode, vector, false);
        break;
    case SHORTHAND_OTHERS:
        apic_bus_send_others(l->bus, l, mode, vector);
        break;
    }
}

/* ---- registers ---- */

/* The value of a readable register; false when there is none of that number. */
static bool read_reg(const struct lapic *l, unsigned reg, uint32_t *v)
{
    const struct lapic_state *s = &l->state;

    if (reg >= REG_ISR && reg < REG_ESR) {
        const uint32_t *bits = reg < REG_TMR ? s->isr : reg < REG_IRR ? s->tmr : s->irr;

        *v = bits[reg & 7];
        return true;
    }
    if (reg >= REG_LVT && reg <= REG_LVT_LAST) {
        *v = s->lvt[reg - REG_LVT];
        return true;
    }
    switch (reg) {
    case REG_ID:       *v = is_x2apic(l) ? l->cfg.index : (uint32_t)s->id << 24; return true;
    case REG_VERSION:  *v = VERSION; return true;
    case REG_TPR:      *v = s->tpr; return true;
    case REG_PPR:      *v = processor_priority(l); return true;
    case REG_LDR:      *v = logical_id(l); return true;
    case REG_SVR:      *v = s->svr; return true;
    case REG_ESR:      *v = s->esr; return true;
    case REG_ICR:      *v = (uint32_t)s->icr; return true;
    case REG_INITIAL:  *v = s->initial_count; return true;
    case REG_CURRENT:  *v = lapic_timer_count(l); return true;
    case REG_DIVIDE:   *v = s->divide; return true;
    case REG_APR:      *v = lapic_arbitration_priority(l); return !is_x2apic(l);
    case REG_EOI:      *v = 0; return !is_x2apic(l);
    case REG_RRD:      *v = 0; return !is_x2apic(l);
    case REG_DFR:      *v = s->dfr; return !is_x2apic(l);
    case REG_ICR_HIGH: *v = (uint32_t)(s->icr >> 32); return !is_x2apic(l);
    default:           *v = 0; return false;
    }
}

static bool read(void *self, unsigned reg, uint64_t *value)
{
    struct lapic *l = self;
    uint32_t v;

    if (is_x2apic(l) && reg == REG_ICR) {
        *value = l->state.icr;
        return true;
    }
    if (!read_reg(l, reg, &v)) {
        if (is_x2apic(l))
            return false;
        report_error(l, ESR_ILLEGAL_REGISTER);
    }
    *value = v;
    return true;
}

static void write_svr(struct lapic *l, uint32_t v)
{
    l->state.svr = v & SVR_WRITABLE;
    if (!(v & SVR_ENABLE))              /* the mask bits are set and cannot be cleared while software-disabled */
        for (unsigned k = 0; k < LVT_COUNT; k++)
            l->state.lvt[k] |= LVT_MASKED;
}

static uint32_t lvt_mask(const struct lapic *l, unsigned which)
{
    return lvt_writable[which] | (which == LVT_TIMER && l->cfg.tsc_deadline ? 0x40000 : 0);
}

static void write_lvt(struct lapic *l, unsigned which, uint32_t v)
{
    uint32_t *lvt = &l->state.lvt[which];

    v = (v & lvt_mask(l, which)) | (*lvt & LVT_READ_ONLY);
    if (!(l->state.svr & SVR_ENABLE))
        v |= LVT_MASKED;
    if (which == LVT_TIMER) {
        lapic_timer_set_lvt(l, v);
        return;
    }
    if (!(v & LVT_LEVEL))
        v &= ~(uint32_t)LVT_REMOTE_IRR;
    *lvt = v;
    if ((which == LVT_LINT0 || which == LVT_LINT1) && l->state.lint[which - LVT_LINT0]
        && ((v & LVT_LEVEL) || (v >> LVT_MODE_SHIFT & 7) == APIC_EXTINT_MODE))
        lapic_local_interrupt(l, (enum lapic_lvt)which);
}

/* Writable bits of a register in x2APIC mode; a 1 elsewhere is #GP ("Reserved Bit Checking"). */
static uint64_t x2apic_writable(const struct lapic *l, unsigned reg)
{
    if (reg >= REG_LVT && reg <= REG_LVT_LAST)
        return lvt_mask(l, reg - REG_LVT) | LVT_READ_ONLY;
    switch (reg) {
    case REG_TPR:
    case REG_SELF_IPI: return 0xff;
    case REG_SVR:      return SVR_WRITABLE;
    case REG_ICR:      return ~(uint64_t)ICR_RESERVED;
    case REG_INITIAL:  return 0xffffffff;
    case REG_DIVIDE:   return 0xb;
    default:           return 0;        /* EOI and ESR take only zero */
    }
}

static bool x2apic_may_write(const struct lapic *l, unsigned reg, uint64_t value)
{
    bool exists = reg == REG_EOI || reg == REG_ESR || x2apic_writable(l, reg) != 0;

    return exists && (value & ~x2apic_writable(l, reg)) == 0;
}

static void write_icr(struct lapic *l, uint64_t value)
{
    uint64_t high = is_x2apic(l) ? value : l->state.icr;

    l->state.icr = (high & ~(uint64_t)0xffffffff) | ((uint32_t)value & ~(uint32_t)(1 << 12));
    send_ipi(l);
}

static bool write(void *self, unsigned reg, uint64_t value)
{
    struct lapic *l = self;
    struct lapic_state *s = &l->state;
    uint32_t v = (uint32_t)value, unused;

    if (is_x2apic(l) && !x2apic_may_write(l, reg, value))
        return false;
    if (reg >= REG_LVT && reg <= REG_LVT_LAST) {
        write_lvt(l, reg - REG_LVT, v);
        return true;
    }
    switch (reg) {
    case REG_ID:       s->id = (uint8_t)(v >> 24); break;
    case REG_TPR:      s->tpr = (uint8_t)v; notify(l); break;
    case REG_EOI:      end_of_interrupt(l); break;
    case REG_LDR:      s->ldr = v & 0xff000000; break;
    case REG_DFR:      s->dfr = v | 0x0fffffff; break;
    case REG_SVR:      write_svr(l, v); break;
    case REG_ESR:      s->esr = s->errors; s->errors = 0; break;
    case REG_ICR:      write_icr(l, value); break;
    case REG_ICR_HIGH: s->icr = (uint64_t)(v & 0xff000000) << 32 | (uint32_t)s->icr; break;
    case REG_INITIAL:  lapic_timer_set_count(l, v); break;
    case REG_DIVIDE:   lapic_timer_set_divide(l, v); break;
    case REG_SELF_IPI:
        if (is_x2apic(l)) {             /* as an ICR write with the self shorthand */
            if (v < 16)
                report_error(l, ESR_SEND_ILLEGAL);
            else
                request(l, v, APIC_EDGE);
            break;
        }
        /* fall through */
    default:
        if (!read_reg(l, reg, &unused))
            report_error(l, ESR_ILLEGAL_REGISTER);
        break;
    }
    return true;
}

/* ---- the memory window: 32-bit registers at multiples of 16; other widths reach the aligned register ---- */

static bool window_is_ours(const struct lapic *l, gpa_t page)
{
    return is_enabled(l) && !is_x2apic(l) && l->window_at == page;
}

uint64_t lapic_window_read(struct lapic *l, gpa_t page, uint32_t at, unsigned bytes)
{
    uint64_t value;

    (void)bytes;
    if (!window_is_ours(l, page))
        return UINT64_MAX;
    if (at & 0xc)
        return 0;
    read(l, at >> 4, &value);
    return value >> 8 * (at & 3);
}

void lapic_window_write(struct lapic *l, gpa_t page, uint32_t at, unsigned bytes, uint64_t value)
{
    (void)bytes;
    if (window_is_ours(l, page) && (at & 0xf) == 0)
        write(l, at >> 4, value);
}

static void update_window(struct lapic *l)
{
    gpa_t at = is_enabled(l) && !is_x2apic(l) ? l->state.base & PAGE_MASK : LAPIC_NO_WINDOW;

    if (at == l->window_at)
        return;
    if (l->window_at != LAPIC_NO_WINDOW)
        apic_bus_close_window(l->bus, l->window_at);
    if (at != LAPIC_NO_WINDOW)
        apic_bus_open_window(l->bus, at);
    l->window_at = at;
}

/* ---- IA32_APIC_BASE ---- */

static uint64_t base(void *self)
{
    return ((struct lapic *)self)->state.base;
}

static uint64_t base_writable(const struct lapic *l)
{
    return (bits_mask(l->cfg.phys_bits) & PAGE_MASK) | BASE_BSP | BASE_EN | (l->cfg.x2apic ? BASE_EXTD : 0);
}

/* "x2APIC State Transitions": EXTD without EN is invalid, and x2APIC is entered from xAPIC and left for disabled only. */
static bool set_base(void *self, uint64_t value)
{
    struct lapic *l = self;
    uint64_t before = l->state.base;
    bool en = value & BASE_EN, extd = value & BASE_EXTD, was_en = before & BASE_EN, was_extd = before & BASE_EXTD;

    if ((value & ~base_writable(l)) != 0 || (extd && !en) || (was_extd && en && !extd) || (!was_en && extd))
        return false;
    l->state.base = value;
    if (was_extd && !extd)
        reset_registers(l);
    if (!was_en && en)
        l->state.id = (uint8_t)l->cfg.index;
    update_window(l);
    notify(l);
    return true;
}

const struct apic_ops lapic_ops = {
    .pending = pending, .accept = accept, .request = request, .read = read, .write = write,
    .base = base, .set_base = set_base,
    .tsc_deadline = lapic_timer_deadline, .set_tsc_deadline = lapic_timer_set_deadline,
    .on_eoi = on_eoi,
};

/* ---- life ---- */

/* "Local APIC State After Power-Up or Reset"; ids, base and the pins' levels stay. */
static void reset_registers(struct lapic *l)
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
    s->tpr = s->extint = 0;
    s->dfr = 0xffffffff;
    s->svr = 0xff;
    lapic_timer_reset(l);
}

static void reset(struct device *dev)
{
    struct lapic *l = (struct lapic *)dev;

    l->state.base = DEFAULT_BASE | BASE_EN | (l->cfg.index == 0 ? BASE_BSP : 0);
    l->state.id = (uint8_t)l->cfg.index;
    l->state.lint[0] = l->state.lint[1] = 0;
    reset_registers(l);
    update_window(l);
}

static void loaded(struct device *dev)
{
    struct lapic *l = (struct lapic *)dev;

    l->state.base &= base_writable(l);      /* the file may be anything */
    lapic_timer_loaded(l);
    update_window(l);
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

struct lapic *lapic_create(struct device_tree *tree, struct apic_bus *bus, struct clock *clock, const struct lapic_config *cfg)
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
