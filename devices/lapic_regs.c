/* SPDX-License-Identifier: MIT
 * The local APIC's registers as MMIO and as x2APIC MSRs, its memory window and the IA32_APIC_BASE state machine. Quoted
 * titles are sections of SDM 3A "Advanced Programmable Interrupt Controller (APIC)". */
#include "base/bits.h"
#include "devices/lapic_internal.h"

#define SVR_WRITABLE  0x13ffu
#define VERSION       0x01050014u       /* integrated APIC, six LVT entries, EOI broadcast can be suppressed */
#define VERSION_CMCI  0x00010000u       /* one entry more */
#define ICR_RESERVED  0xfff32000u       /* in x2APIC mode */

/* What software may write into each LVT entry; delivery status (12) and remote IRR (14) are read-only. */
static const uint32_t lvt_writable[LVT_COUNT] = { 0x300ff, 0x107ff, 0x107ff, 0x1a7ff, 0x1a7ff, 0x100ff, 0x107ff };
#define LVT_READ_ONLY 0x5000u

/* The entry of the local vector table behind a register, or LVT_COUNT. */
static unsigned lvt_of(const struct lapic *l, unsigned reg)
{
    if (reg == REG_CMCI && l->cfg.cmci)
        return LVT_CMCI;
    return reg >= REG_LVT && reg <= REG_LVT_LAST ? reg - REG_LVT : LVT_COUNT;
}

/* The value of a readable register; false when there is none of that number. */
static bool read_reg(const struct lapic *l, unsigned reg, uint32_t *v)
{
    const struct lapic_state *s = &l->state;

    if (reg >= REG_ISR && reg < REG_ESR) {
        const uint32_t *bits = reg < REG_TMR ? s->isr : reg < REG_IRR ? s->tmr : s->irr;

        *v = bits[reg & 7];
        return true;
    }
    if (lvt_of(l, reg) != LVT_COUNT) {
        *v = s->lvt[lvt_of(l, reg)];
        return true;
    }
    switch (reg) {
    case REG_ID:       *v = lapic_is_x2apic(l) ? l->cfg.index : (uint32_t)s->id << 24; return true;
    case REG_VERSION:  *v = VERSION + (l->cfg.cmci ? VERSION_CMCI : 0); return true;
    case REG_TPR:      *v = s->tpr; return true;
    case REG_PPR:      *v = lapic_processor_priority(l); return true;
    case REG_LDR:      *v = lapic_logical_id(l); return true;
    case REG_SVR:      *v = s->svr; return true;
    case REG_ESR:      *v = s->esr; return true;
    case REG_ICR:      *v = (uint32_t)s->icr; return true;
    case REG_INITIAL:  *v = s->initial_count; return true;
    case REG_CURRENT:  *v = lapic_timer_count(l); return true;
    case REG_DIVIDE:   *v = s->divide; return true;
    case REG_APR:      *v = lapic_arbitration_priority(l); return !lapic_is_x2apic(l);
    case REG_EOI:      *v = 0; return !lapic_is_x2apic(l);
    case REG_RRD:      *v = 0; return !lapic_is_x2apic(l);
    case REG_DFR:      *v = s->dfr; return !lapic_is_x2apic(l);
    case REG_ICR_HIGH: *v = (uint32_t)(s->icr >> 32); return !lapic_is_x2apic(l);
    default:           *v = 0; return false;
    }
}

bool lapic_read(void *self, unsigned reg, uint64_t *value)
{
    struct lapic *l = self;
    uint32_t v;

    lapic_catch_up(l);
    if (lapic_is_x2apic(l) && reg == REG_ICR) {
        *value = l->state.icr;
        return true;
    }
    if (!read_reg(l, reg, &v)) {
        if (lapic_is_x2apic(l))
            return false;
        lapic_report_error(l, ESR_ILLEGAL_REGISTER);
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
    if (lvt_of(l, reg) != LVT_COUNT)
        return lvt_mask(l, lvt_of(l, reg)) | LVT_READ_ONLY;
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
    uint64_t high = lapic_is_x2apic(l) ? value : l->state.icr;

    l->state.icr = (high & ~(uint64_t)0xffffffff) | ((uint32_t)value & ~(uint32_t)(1 << 12));
    lapic_send_ipi(l);
}

bool lapic_write(void *self, unsigned reg, uint64_t value)
{
    struct lapic *l = self;
    struct lapic_state *s = &l->state;
    uint32_t v = (uint32_t)value, unused;

    if (lapic_is_x2apic(l) && !x2apic_may_write(l, reg, value))
        return false;
    lapic_catch_up(l);
    if (lvt_of(l, reg) != LVT_COUNT) {
        write_lvt(l, lvt_of(l, reg), v);
        return true;
    }
    switch (reg) {
    case REG_ID:       s->id = (uint8_t)(v >> 24); break;
    case REG_TPR:      s->tpr = (uint8_t)v; lapic_notify(l); break;
    case REG_EOI:      lapic_end_of_interrupt(l); break;
    case REG_LDR:      s->ldr = v & 0xff000000; break;
    case REG_DFR:      s->dfr = v | 0x0fffffff; break;
    case REG_SVR:      write_svr(l, v); break;
    case REG_ESR:      s->esr = s->errors; s->errors = 0; break;
    case REG_ICR:      write_icr(l, value); break;
    case REG_ICR_HIGH: s->icr = (uint64_t)(v & 0xff000000) << 32 | (uint32_t)s->icr; break;
    case REG_INITIAL:  lapic_timer_set_count(l, v); break;
    case REG_DIVIDE:   lapic_timer_set_divide(l, v); break;
    case REG_SELF_IPI:
        if (lapic_is_x2apic(l)) {             /* as an ICR write with the self shorthand */
            if (v < 16)
                lapic_report_error(l, ESR_SEND_ILLEGAL);
            else
                lapic_request(l, v, APIC_EDGE);
            break;
        }
        /* fall through */
    default:
        if (!read_reg(l, reg, &unused))
            lapic_report_error(l, ESR_ILLEGAL_REGISTER);
        break;
    }
    return true;
}

/* ---- the memory window: 32-bit registers at multiples of 16; other widths reach the aligned register ---- */

static bool window_is_ours(const struct lapic *l, gpa_t page)
{
    return lapic_is_enabled(l) && !lapic_is_x2apic(l) && l->window_at == page;
}

uint64_t lapic_window_read(struct lapic *l, gpa_t page, uint32_t at, unsigned bytes)
{
    uint64_t value;

    (void)bytes;
    if (!window_is_ours(l, page))
        return UINT64_MAX;
    if (at & 0xc)
        return 0;
    lapic_read(l, at >> 4, &value);
    return value >> 8 * (at & 3);
}

void lapic_window_write(struct lapic *l, gpa_t page, uint32_t at, unsigned bytes, uint64_t value)
{
    (void)bytes;
    if (window_is_ours(l, page) && (at & 0xf) == 0)
        lapic_write(l, at >> 4, value);
}

void lapic_update_window(struct lapic *l)
{
    gpa_t at = lapic_is_enabled(l) && !lapic_is_x2apic(l) ? l->state.base & PAGE_MASK : LAPIC_NO_WINDOW;

    if (at == l->window_at)
        return;
    if (l->window_at != LAPIC_NO_WINDOW)
        apic_bus_close_window(l->bus, l->window_at);
    if (at != LAPIC_NO_WINDOW)
        apic_bus_open_window(l->bus, at);
    l->window_at = at;
}

/* ---- IA32_APIC_BASE ---- */

uint64_t lapic_base(void *self)
{
    return ((struct lapic *)self)->state.base;
}

uint64_t lapic_base_writable(const struct lapic *l)
{
    uint64_t flags = LAPIC_BASE_BSP | LAPIC_BASE_EN | (l->cfg.x2apic ? LAPIC_BASE_EXTD : 0);

    return (bits_mask(l->cfg.phys_bits) & PAGE_MASK) | flags;
}

/* "x2APIC State Transitions": EXTD without EN is invalid, and x2APIC is entered from xAPIC and left for disabled only. */
bool lapic_set_base(void *self, uint64_t value)
{
    struct lapic *l = self;
    uint64_t before = l->state.base;
    bool en = value & LAPIC_BASE_EN, extd = value & LAPIC_BASE_EXTD;
    bool was_en = before & LAPIC_BASE_EN, was_extd = before & LAPIC_BASE_EXTD;

    if ((value & ~lapic_base_writable(l)) != 0 || (extd && !en) || (was_extd && en && !extd) || (!was_en && extd))
        return false;
    l->state.base = value;
    if (was_extd && !extd)
        lapic_reset_registers(l);
    if (!was_en && en)
        l->state.id = (uint8_t)l->cfg.index;
    lapic_update_window(l);
    lapic_notify(l);
    return true;
}
