/* SPDX-License-Identifier: MIT
 * A processor behind cpu/cpu.h that only remembers: registers, what was raised, what was flushed. With it a local
 * APIC of the same kind, and a partition of a few of them over plain memory: the fixture of the tests of hv/. */
#ifndef TESTS_HV_FAKE_CPU_H
#define TESTS_HV_FAKE_CPU_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/ram.h"
#include "cpu/cpu.h"
#include "hv/hv.h"
#include "hv/tlfs.h"

#define FAKE_LOG        16
#define FIXTURE_VPS     3
#define FIXTURE_TSC_HZ  1000000000u
#define FIXTURE_APIC_HZ 200000000u
#define FIXTURE_RAM     0x100000u
#define FIXTURE_BITS    40

struct cpu {
    uint64_t reg[CPU_REG_COUNT];
    uint64_t zmm[32][8];
    uint32_t index;
    unsigned cpl;
    bool code64;
    const struct cpu_host *host;
    void *host_self;
    struct clock *clock;
    uint64_t tsc_offset;
    struct cpu_stats stats;
    bool waits, running, asleep;    /* for a start-up; was begun; was put to sleep */
    bool idle;                      /* halted */
    unsigned npiep, nmis, interrupt_state;
    uint8_t legacy[CPU_LEGACY_BYTES];
    uint64_t msr[4];                /* of MSRs 174h to 177h; all others are #GP */
    uint64_t pat;
    int raised;                     /* vector, -1 none */
    unsigned attention;
    struct tlb_scope flushed[FAKE_LOG];
    unsigned nflushed;
};

struct fake_apic {
    uint64_t base, reg[64];
    unsigned requested[FAKE_LOG];
    enum apic_trigger how[FAKE_LOG];
    unsigned nrequested;
    void (*eoi_hook)(void *arg, unsigned vector);
    void *eoi_arg;
    const struct apic_assist *assist;
    void *assist_arg;
};

struct fixture {
    struct device_tree tree;
    struct clock clock;
    struct space *memory;
    struct ram *ram;
    struct hv *hv;
    struct cpu cpu[FIXTURE_VPS];
    struct fake_apic apic[FIXTURE_VPS];
    uint64_t crash_p[5];
    char crash_text[64];
    char trace[16384];              /* lines of -trace hv, when fixture_create's `changes` has a `trace` */
    unsigned crashes, resets;
    struct { uint32_t connection, type; size_t len; uint64_t payload; unsigned count; } posted;    /* to the parent */
    struct { uint32_t connection; unsigned flag, count; } signalled;
};

/* cmocka set-up and tear-down: *state is the fixture. fixture_create takes the configuration to change first. */
int fixture_setup(void **state);
int fixture_teardown(void **state);
struct fixture *fixture_create(const struct hv_config *changes);
struct fixture *fixture_tracing(void);
struct fixture *fixture_offering(const char *spec);     /* with what `-hv SPEC` offers */

#define GP 13
#define UD 6

bool     rdmsr(struct fixture *f, unsigned vp, uint32_t msr, uint64_t *value);      /* false: #GP */
bool     wrmsr(struct fixture *f, unsigned vp, uint32_t msr, uint64_t value);
uint64_t must_rdmsr(struct fixture *f, unsigned vp, uint32_t msr);
void     must_wrmsr(struct fixture *f, unsigned vp, uint32_t msr, uint64_t value);
struct cpuid_regs cpuid(struct fixture *f, uint32_t leaf);

void     hello(struct fixture *f);              /* tells the guest's identity, so that hypercalls work */
/* From 64-bit code; result value. rdx and r8: addresses, or the parameters of a fast call. */
uint64_t hypercall(struct fixture *f, unsigned vp, uint64_t control, uint64_t rdx, uint64_t r8);

#define HC_FAST             HV_HYPERCALL_FAST
#define HC_VARIABLE(n)      ((uint64_t)(n) << 17)
#define HC_REP_COUNT(n)     ((uint64_t)(n) << 32)
#define HC_REP_START(n)     ((uint64_t)(n) << 48)

static inline unsigned hc_status(uint64_t result) { return (unsigned)(result & 0xFFFF); }
static inline unsigned hc_reps_done(uint64_t result) { return (unsigned)(result >> 32 & 0xFFF); }

void     put64(struct fixture *f, gpa_t at, uint64_t value);
uint64_t get64(struct fixture *f, gpa_t at);
void     advance_ns(struct fixture *f, uint64_t ns);    /* virtual time passes; due timers fire */

#endif
