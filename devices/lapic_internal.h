/* SPDX-License-Identifier: MIT
 * struct lapic, shared by lapic.c (acceptance, messages), lapic_regs.c (registers) and lapic_timer.c. */
#ifndef DEVICES_LAPIC_INTERNAL_H
#define DEVICES_LAPIC_INTERNAL_H

#include "core/apic.h"
#include "core/clock.h"
#include "core/device.h"
#include "devices/lapic.h"

/* Register numbers: MMIO offset >> 4, x2APIC MSR - 800h (SDM 3A "Local APIC Register Address Map"). */
enum lapic_reg {
    REG_ID = 0x02, REG_VERSION = 0x03, REG_TPR = 0x08, REG_APR = 0x09, REG_PPR = 0x0a, REG_EOI = 0x0b, REG_RRD = 0x0c,
    REG_LDR = 0x0d, REG_DFR = 0x0e, REG_SVR = 0x0f, REG_ISR = 0x10, REG_TMR = 0x18, REG_IRR = 0x20, REG_ESR = 0x28, REG_CMCI = 0x2f,
    REG_ICR = 0x30, REG_ICR_HIGH = 0x31, REG_LVT = 0x32, REG_LVT_LAST = 0x37, REG_INITIAL = 0x38, REG_CURRENT = 0x39,
    REG_DIVIDE = 0x3e, REG_SELF_IPI = 0x3f,
};

enum { SVR_ENABLE = 1 << 8, SVR_NO_EOI_BROADCAST = 1 << 12 };
enum { ESR_SEND_ILLEGAL = 1 << 5, ESR_RECEIVE_ILLEGAL = 1 << 6, ESR_ILLEGAL_REGISTER = 1 << 7 };

enum lapic_lvt { LVT_TIMER, LVT_THERMAL, LVT_PERFORMANCE, LVT_LINT0, LVT_LINT1, LVT_ERROR, LVT_CMCI, LVT_COUNT };
enum { LVT_MODE_SHIFT = 8, LVT_REMOTE_IRR = 1 << 14, LVT_LEVEL = 1 << 15, LVT_MASKED = 1 << 16, LVT_TIMER_MODE_SHIFT = 17 };
enum { TIMER_ONE_SHOT, TIMER_PERIODIC, TIMER_TSC_DEADLINE };

#define LAPIC_STATE(ONE, MANY)                                                              \
    ONE (u64, base,          "IA32_APIC_BASE")                                              \
    ONE (u64, icr,           "interrupt command as last written")                           \
    ONE (u64, tsc_deadline,  "IA32_TSC_DEADLINE, 0 when not armed")                         \
    ONE (u64, origin_ns,     "when the timer began to count from first_count")              \
    ONE (u64, due_ns,        "when the timer expires next; all ones: stopped")              \
    MANY(u32, irr,      8,   "requested")                                                   \
    MANY(u32, isr,      8,   "in service")                                                  \
    MANY(u32, tmr,      8,   "accepted as level-triggered: EOI is broadcast")               \
    MANY(u32, auto_eoi, 8,   "requested with automatic EOI: no ISR bit")                    \
    MANY(u32, lvt,      7,   "local vector table: timer, thermal, performance, LINT0, LINT1, error, CMCI") \
    ONE (u32, ldr,           "xAPIC logical destination, bits 31-24")                       \
    ONE (u32, dfr,           "destination format, bits 31-28")                              \
    ONE (u32, svr,           "spurious vector, software enable, EOI broadcast suppression") \
    ONE (u32, esr,           "errors as software reads them")                               \
    ONE (u32, errors,        "errors since the last write to ESR")                          \
    ONE (u32, initial_count, "timer's initial count")                                       \
    ONE (u32, first_count,   "count at origin_ns")                                          \
    ONE (u8,  id,            "xAPIC id")                                                    \
    ONE (u8,  tpr,           "task priority")                                               \
    ONE (u8,  divide,        "divide configuration, as written")                            \
    ONE (u8,  extint,        "an ExtINT message waits")                                     \
    MANY(u8,  lint,     2,   "levels of LINT0 and LINT1")                                   \
    ONE (u8,  assisted,      "the highest vector in service may end by a cleared word instead of an EOI") \
    ONE (u8,  reserved,      "")
STATE_STRUCT(lapic_state, LAPIC_STATE);

#define LAPIC_NO_WINDOW UINT64_MAX

struct lapic {
    struct device dev;
    struct lapic_state state;
    struct lapic_config cfg;
    struct apic_bus *bus;
    struct clock *clock;
    struct timer timer;
    struct apic_client processor;
    int (*pic_acknowledge)(void *self);
    void *pic;
    uint64_t (*tsc_offset)(void *self);
    void *tsc_self;
    void (*eoi_hook)(void *arg, unsigned vector);
    void *eoi_arg;
    const struct apic_assist *assist;   /* NULL: EOIs are written */
    void *assist_arg;
    gpa_t window_at;                    /* the bus window we hold open, or LAPIC_NO_WINDOW */
};

static inline bool lapic_is_enabled(const struct lapic *l) { return l->state.base & LAPIC_BASE_EN; }
static inline bool lapic_is_x2apic(const struct lapic *l) { return l->state.base & LAPIC_BASE_EXTD; }
static inline bool lapic_is_soft_enabled(const struct lapic *l)
{
    return lapic_is_enabled(l) && (l->state.svr & SVR_ENABLE);
}

/* lapic.c */
void     lapic_local_interrupt(struct lapic *l, enum lapic_lvt which);
void     lapic_notify(struct lapic *l);                 /* tell the processor to look again if something is deliverable */
void     lapic_request(void *self, unsigned vector, enum apic_trigger how);
void     lapic_report_error(struct lapic *l, uint32_t error);
void     lapic_end_of_interrupt(struct lapic *l);
void     lapic_send_ipi(struct lapic *l);               /* what the ICR says */
uint32_t lapic_processor_priority(const struct lapic *l);
uint32_t lapic_logical_id(const struct lapic *l);
void     lapic_reset_registers(struct lapic *l);        /* to their power-up values; ids, base and the pins' levels stay */

/* lapic_regs.c */
bool     lapic_read(void *self, unsigned reg, uint64_t *value);
bool     lapic_write(void *self, unsigned reg, uint64_t value);
uint64_t lapic_base(void *self);
bool     lapic_set_base(void *self, uint64_t value);
uint64_t lapic_base_writable(const struct lapic *l);    /* bits of IA32_APIC_BASE that are not reserved */
void     lapic_update_window(struct lapic *l);

/* lapic_timer.c */
void     lapic_timer_init(struct lapic *l);
void     lapic_timer_reset(struct lapic *l);
void     lapic_timer_loaded(struct lapic *l);
uint32_t lapic_timer_count(const struct lapic *l);
void     lapic_timer_set_count(struct lapic *l, uint32_t count);
void     lapic_timer_set_divide(struct lapic *l, uint32_t divide);
void     lapic_timer_set_lvt(struct lapic *l, uint32_t lvt);
uint64_t lapic_timer_deadline(void *self);
void     lapic_timer_set_deadline(void *self, uint64_t tsc);

#endif
