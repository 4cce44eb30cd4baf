/* SPDX-License-Identifier: MIT
 * struct hv and struct vp, and what the files of hv/ share. Only hv/ and its table tests include this. */
#ifndef HV_INTERNAL_H
#define HV_INTERNAL_H

#include "base/attrs.h"
#include "base/bits.h"
#include "base/bytes.h"
#include "base/invariant.h"
#include "core/ram.h"
#include "hv/hv.h"
#include "hv/tlfs.h"

/* What a call, register or field may need: a privilege, a feature (leaf 4000_0003h EDX) or a recommendation (leaf
 * 4000_0004h EAX). */
enum hv_gate {
    HV_GATE_FEATURES = 64, HV_GATE_ADVICE = 96,
#define PRIVILEGE(bit, name, state) HV_GATE_##name = bit,
#include "hv/privileges.def"
#undef PRIVILEGE
#define CPUID_FIELD(leaf, reg, hi, lo, name, value)
#define CPUID_FEATURE(bit, name, state, needs) HV_GATE_##name = HV_GATE_FEATURES + bit,
#define CPUID_ADVICE(bit, name, state, needs)  HV_GATE_##name = HV_GATE_ADVICE + bit,
#include "hv/cpuid.def"
#undef CPUID_FIELD
#undef CPUID_FEATURE
#undef CPUID_ADVICE
    HV_GATE_ANYBODY = 128,              /* nothing needed */
};

static inline bool offer_has(const struct hv_offer *o, enum hv_gate gate)
{
    if (gate >= HV_GATE_ANYBODY)
        return true;
    if (gate >= HV_GATE_FEATURES)
        return ((uint64_t)o->advice << 32 | o->features) >> (gate - HV_GATE_FEATURES) & 1;
    return (o->privileges >> gate & 1) != 0;
}

void offer_settle(struct hv_offer *o);          /* drop what needs a privilege that is not there; offer.c */

/* ---- state ---- */

#define HV_STATE(ONE, MANY)                                                                     \
    ONE (u64, guest_os_id,   "HV_X64_MSR_GUEST_OS_ID")                                          \
    ONE (u64, hypercall,     "HV_X64_MSR_HYPERCALL")                                            \
    ONE (u64, reference_tsc, "HV_X64_MSR_REFERENCE_TSC")                                        \
    MANY(u64, crash_p, 5,    "HV_X64_MSR_CRASH_P0 to P4")                                       \
    ONE (u64, reenlightenment, "HV_X64_MSR_REENLIGHTENMENT_CONTROL")                            \
    ONE (u64, tsc_emulation, "HV_X64_MSR_TSC_EMULATION_CONTROL")                                \
    ONE (u64, tsc_shift,     "clock's TSC minus the TSC that reference time is computed from")  \
    ONE (u64, ref_shift,     "added to the scaled TSC: the page's TscOffset")                   \
    ONE (u64, next_ref,      "least value HV_X64_MSR_TIME_REF_COUNT may read as next")          \
    ONE (u64, monitor,       "where the monitor page is, bit 0: shown")                         \
    ONE (u64, monitor_due_ns, "when its triggers are looked at next; ~0 never")                 \
    ONE (u64, zeroed_gpa,    "RAM that was zero at start")                                      \
    ONE (u64, zeroed_pages,  "its length")                                                      \
    ONE (u32, tsc_sequence,  "TscSequence of the reference TSC page")                           \
    ONE (u32, reserved,      "")
STATE_STRUCT(hv_state, HV_STATE);
extern const struct state_schema hv_state_schema;

#define VP_STATE(ONE, MANY)                                                                     \
    ONE (u64, assist_page,     "HV_X64_MSR_VP_ASSIST_PAGE")                                     \
    ONE (u64, scontrol,        "HV_X64_MSR_SCONTROL")                                           \
    ONE (u64, siefp,           "HV_X64_MSR_SIEFP")                                              \
    ONE (u64, simp,            "HV_X64_MSR_SIMP")                                               \
    MANY(u64, sint, 16,        "HV_X64_MSR_SINT0 to SINT15")                                    \
    MANY(u64, stimer_config, 4, "HV_X64_MSR_STIMERx_CONFIG")                                    \
    MANY(u64, stimer_count, 4, "HV_X64_MSR_STIMERx_COUNT")                                      \
    MANY(u64, stimer_expiry, 4, "reference time of the next expiration while armed")            \
    MANY(u64, stimer_due_ns, 4, "the same as virtual time; ~0 when not armed")                  \
    MANY(u64, stimer_missed, 4, "expiration that waits for the message buffer; 0 none")         \
    ONE (u64, retry_due_ns,    "when queued messages are tried again; ~0 never")                \
    ONE (u64, npiep,           "HV_X64_MSR_NPIEP_CONFIG")                                       \
    ONE (u64, unhalted_config, "HV_X64_MSR_STIME_UNHALTED_TIMER_CONFIG")                        \
    ONE (u64, unhalted_count,  "HV_X64_MSR_STIME_UNHALTED_TIMER_COUNT")                         \
    ONE (u64, unhalted_at,     "run time in 100 ns at which it expires next")                   \
    ONE (u64, unhalted_due_ns, "when that is looked at; ~0 when it is not armed")               \
    ONE (u64, runtime_ps,      "picoseconds run, up to runtime_retired")                        \
    ONE (u64, runtime_retired, "instructions retired when runtime_ps was brought up to date")
STATE_STRUCT(vp_state, VP_STATE);
extern const struct state_schema vp_state_schema;

/* ---- overlay pages, TLFS 5.2.1 ---- */

/* Partition-wide pages, then those of each VP; also the page number in the overlay RAM and, above LAYER_OVERLAY, the
 * layer. */
enum { OVERLAY_HYPERCALL, OVERLAY_REFERENCE_TSC, OVERLAY_MONITOR, OVERLAY_PARTITION_PAGES };
enum { OVERLAY_VP_SIM, OVERLAY_VP_SIEF, OVERLAY_VP_ASSIST, OVERLAY_VP_PAGES };

struct overlay {
    struct hv *hv;
    uint32_t page;
    unsigned rights;                    /* ACCESS_* */
    bool     placed;
    gpa_t    at;                        /* while placed */
};

void  overlay_init(struct overlay *o, struct hv *hv, uint32_t page, unsigned rights);
void  overlay_place(struct overlay *o, uint64_t page_msr);      /* page_msr: bit 0 enable, bits 63:12 where */
bool  overlay_seen_at(const struct overlay *o, gpa_t page);     /* is it what the guest sees there? */
void *overlay_bytes(const struct overlay *o);
void  overlay_wrote(const struct overlay *o, uint32_t offset, uint32_t len);
bool  hv_gpa_valid(const struct hv *hv, gpa_t gpa);

/* ---- the partition ---- */

#define HV_MAX_DEVICES 32u
#define HV_MAX_CALLS   128u             /* rows of hypercalls.def */

/* For -stats; no state. */
struct hv_counts {
    uint64_t calls[HV_MAX_CALLS], refused;      /* by row; refused: with a status, or a code without a row */
    uint64_t msr_reads, msr_writes, messages, events, timers, sint_interrupts;
};

struct vp;
struct port;

struct hv {
    struct device dev;
    struct hv_state state;

    struct hv_config cfg;
    struct hv_offer offer;
    uint64_t tsc_scale;                 /* reference time = (TSC * tsc_scale) >> 64 */
    struct device_tree *tree;
    struct space *memory;
    struct clock *clock;
    struct ram *ram;                    /* all overlay pages */
    struct overlay hypercall_page, tsc_page, monitor_page;
    struct timer monitor;
    struct vp *vps[HV_MAX_VPS];
    uint32_t nvps;
    struct port *ports;                 /* synic/port.c */
    size_t nports, ports_room;
    struct hv_device { uint64_t id; hv_retarget_fn *retarget; void *self; } devices[HV_MAX_DEVICES];
    unsigned ndevices;
    struct hv_counts counts;
};

/* ---- a virtual processor ---- */

#define TIMER_SOURCE(n)     (n)         /* queued_message.source: synthetic timer n's own buffer */
#define PORT_SOURCE         0x100u      /* plus the connection ID: a buffer of that port */

struct queued_message {
    uint32_t sint, source;
    struct hv_message message;
};

struct stimer {
    struct vp *vp;
    uint32_t index;
    struct timer timer;
};

struct vp {
    struct device dev;
    struct vp_state state;

    struct hv *hv;
    struct cpu *cpu;
    uint32_t index;
    const struct apic_ops *apic;
    void *apic_self;
    struct overlay sim, sief, assist;
    struct stimer stimers[HV_STIMER_COUNT];
    struct timer retry, unhalted;
    struct queued_message *queue;       /* in posting order; all SINTs together */
    size_t nqueue, queue_room;
};

static inline bool hv_offers(const struct hv *hv, enum hv_gate gate)
{
    return offer_has(&hv->offer, gate);
}

struct vp *vp_create(struct hv *hv, struct cpu *cpu, const struct apic_ops *apic, void *apic_self);     /* vp.c */
uint64_t   vp_runtime(struct vp *vp);           /* 100 ns units */

/* ---- reftime.c ---- */

void     reftime_init(struct hv *hv);
void     reftime_restart(struct hv *hv);         /* reference time is zero now, TLFS 12.4 */
uint64_t reftime_now(const struct hv *hv);
uint64_t reftime_read(struct hv *hv);           /* strictly increasing, TLFS 12.1.2 */
uint64_t reftime_to_ns(const struct hv *hv, uint64_t time);     /* first virtual time at or after it; TIMER_OFF: never */
void     reftime_page_changed(struct hv *hv);   /* write the page again from state */

/* ---- what hv_cpu_host is made of ---- */

enum intercept hv_cpuid(void *self, struct cpu *cpu, uint32_t leaf, uint32_t subleaf, struct cpuid_regs *io);
enum intercept hv_rdmsr(void *self, struct cpu *cpu, uint32_t msr, uint64_t *value);
enum intercept hv_wrmsr(void *self, struct cpu *cpu, uint32_t msr, uint64_t value);
enum intercept hv_hypercall(void *self, struct cpu *cpu);

/* ---- MSR handlers: rows of msrs.def name them. false: #GP ---- */

typedef bool msr_read_fn(struct vp *vp, unsigned index, uint64_t *value);
typedef bool msr_write_fn(struct vp *vp, unsigned index, uint64_t value);

struct msr_row {
    uint32_t number;
    uint16_t index;                     /* which of several alike */
    uint8_t  gate;                      /* enum hv_gate */
    const char *name;
    msr_read_fn *read;                  /* NULL: #GP */
    msr_write_fn *write;
};

extern const struct msr_row msr_rows[];         /* by number */
extern const unsigned msr_nrows;

const struct msr_row *msr_find(const struct vp *vp, uint32_t msr);      /* NULL: none, or without the privilege for it */

#endif
