/* SPDX-License-Identifier: MIT
 * The processor's public face. A processor runs against an address space, a port space, a local APIC, a clock and an
 * optional host (the hypervisor); it knows nothing else of the machine. */
#ifndef CPU_CPU_H
#define CPU_CPU_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "core/apic.h"
#include "core/clock.h"
#include "core/device.h"
#include "core/nondet.h"
#include "core/space.h"
#include "cpu/decoder/features.h"
#include "cpu/intercept.h"

struct cpu;

struct cpu_ports {                      /* everything a processor is wired to */
    struct space          *memory, *io;
    struct space          *smm_memory;      /* what lies over or instead of `memory` in system-management mode; NULL: the same */
    struct clock          *clock;
    const struct apic_ops *apic;    void *apic_self;    /* NULL: none */
    const struct cpu_host *host;    void *host_self;    /* NULL: plain PC */
    struct nondet         *nondet;
    void (*ferr)(void *self, bool level);   void *ferr_self;    /* x87 error line (IRQ 13); may be NULL */
    void (*tsc_changed)(void *self);        void *tsc_self;     /* the TSC was written: deadlines on it move; may be NULL */
};

#define CPU_JIT_THRESHOLD 32u           /* fewer runs do not pay for a translation */

enum vendor { VENDOR_INTEL, VENDOR_AMD };

struct cpu_model;                       /* named set of features and identification, cpu/model.c */

/* A block and the host code made of it. Valid during the call only. */
struct cpu_translation {
    uint64_t rip;
    const uint8_t *guest;       /* its bytes */
    unsigned insns;
    const uint16_t *ends;       /* of each instruction, from the block's first byte */
    const uint8_t *host;        /* as it lies in memory, not where it runs */
    const uint32_t *begins;     /* in it: each instruction's code; [insns]: what lies out of line */
    uint32_t host_bytes;
    uint64_t runs_at;           /* the host's address of the code */
    uint64_t runs;              /* cpu_show_code(): how often it was entered, when counted; of an interpreted one, runs to go */
    unsigned bits;              /* of the guest's code: 16, 32, 64 */
    unsigned nlinks;            /* cpu_show_code(): ways out of other translations that lead straight here ... */
    uint64_t links[16];         /* ... and where the first ones come from */
    unsigned part, parts;       /* it is one of several blocks that were translated together, or the only one */
};

struct cpu_config {
    const struct cpu_model *model;
    enum vendor vendor;                         /* the model's, or as vendor= asks: what is undefined follows it (docs/vendors.md) */
    uint64_t features[(F_COUNT + 63) / 64];     /* model's features with +f,-f applied */
    uint32_t index, count;                      /* this processor and how many there are: topology, initial APIC id = index */
    uint64_t tsc_hz;
    uint64_t apic_hz;                           /* the APIC timer's input, CPUID 15h's crystal; 0: 200 MHz */
    uint64_t rdrand_seed;
    unsigned jit;                               /* translate a block when it has run so often; 0: never */
    unsigned jit_off;                           /* a bit for each cpu_jit_pass() that is left out */
    bool jit_counts;                            /* entries of translations are counted, for cpu_show_code() */
    void (*translated)(void *arg, const struct cpu_translation *t);     /* NULL, or told of each translation */
    void *translated_arg;
    bool count_handlers;                        /* cpu_handler_calls() is wanted */
    bool hypervisor;                            /* CPUID.1:ECX[31] */
    bool monitor_asked;                         /* +monitor was: a partition has it although the TLFS says otherwise (8.5) */
    bool smm_intel64;                           /* 64-bit processors save their state in SMM as Intel's do, not as AMD's:
                                                 * firmware for virtual boards knows AMD's format only */
};

/* "max", "qemu64,-sse4_2,+foo"; unknown names are an error that lists what exists. */
struct err cpu_config_parse(struct cpu_config *out, const char *spec) MUST_USE;
/* A hypervisor's guest has no MONITOR and MWAIT (TLFS 8.5), unless they were asked for. */
void       cpu_config_partition(struct cpu_config *cfg);
void       cpu_config_list(void (*line)(void *arg, const char *text), void *arg);     /* -cpu help */

/* Whether this host can translate; else config.jit has no effect. */
bool        cpu_jit_available(void);
struct cpu *cpu_create(struct device_tree *tree, const struct cpu_config *cfg, const struct cpu_ports *ports);  /* a struct device */
void        cpu_set_host(struct cpu *cpu, const struct cpu_host *host, void *self);
void        cpu_set_apic(struct cpu *cpu, const struct apic_ops *apic, void *self);

enum cpu_stop {
    CPU_STOP_BUDGET,        /* retired exactly `budget` */
    CPU_STOP_IDLE,          /* halted, waiting for SIPI, or MWAITing: nothing to do until attention */
    CPU_STOP_YIELD,         /* ended its turn early: PAUSE, long-spin wait, cross-processor wait */
    CPU_STOP_DEADLINE,      /* cpu_attention(ATTEND_DEADLINE): an earlier deadline was set or the machine must act (reset, exit) */
    CPU_STOP_SHUTDOWN,      /* triple fault */
};

/* Run until `budget` instructions retired or something above; adds what it retired to clock->state.insns, which is exact
 * whenever a device, the APIC or the host is called. */
enum cpu_stop cpu_run(struct cpu *cpu, uint64_t budget);

enum {      /* reasons for attention: look before the next instruction */
    ATTEND_INTR = 1,        /* the APIC may have something deliverable, or IF, TPR, shadow changed */
    ATTEND_NMI = 2, ATTEND_SMI = 4, ATTEND_INIT = 8, ATTEND_SIPI = 16,
    ATTEND_HOST = 32,       /* call host->attend */
    ATTEND_DEADLINE = 64,   /* leave cpu_run */
    ATTEND_CODE = 128,      /* decoded code changed: refetch */
    ATTEND_DEBUG = 256,     /* TF, data breakpoint or pending #DB */
    ATTEND_MODE = 512,      /* mode or mapping changed: recompute what is cached */
    ATTEND_YIELD = 1024,    /* end the turn */
    ATTEND_MCE = 2048,      /* a machine check */
};
/* An error of the hardware, as it would be logged in a bank of the machine-check architecture; VAL, OVER and EN are decided
 * there. MCE_SIGNALLED: the processor will take an exception, or end in shutdown. */
enum mce_result { MCE_NO_BANK, MCE_LOGGED, MCE_SIGNALLED };
struct cpu_mce { unsigned bank; uint64_t status, addr, misc, mcg_status; };
enum mce_result cpu_machine_check(struct cpu *cpu, const struct cpu_mce *error);
void     cpu_machine_check_elsewhere(struct cpu *cpu);      /* another processor has one, and it is broadcast */
uint64_t cpu_mcg_cap(const struct cpu *cpu);                /* IA32_MCG_CAP; 0: no machine-check architecture */

void     cpu_attention(struct cpu *cpu, unsigned reasons);
void     cpu_signal(void *cpu, enum apic_signal what, unsigned vector);     /* struct apic_client.signal */

bool     cpu_idle(const struct cpu *cpu);       /* halted or waiting with nothing deliverable */
bool     cpu_deaf(const struct cpu *cpu);       /* halted or waiting, and no maskable interrupt could end that */
void     cpu_reset(struct cpu *cpu, bool init); /* init: INIT keeps x87/SSE, TSC, MTRRs (SDM 3A "INIT") */
void     cpu_start(struct cpu *cpu, uint8_t vector);                        /* SIPI */

/* TLFS 7.10.3 starts a processor in any state instead of by SIPI: set its registers while it waits, then let it run. */
bool     cpu_waits_for_start(const struct cpu *cpu);
void     cpu_begin(struct cpu *cpu);
/* x87 state and MXCSR as the first 160 bytes that FXSAVE64 stores, but for the order of the registers: by their numbers, as
 * MM0 to MM7 and the tags have them, whatever the top of the stack. Setting is false for a value that FXRSTOR refuses. */
#define CPU_LEGACY_BYTES 160u
void     cpu_legacy_state(const struct cpu *cpu, uint8_t area[CPU_LEGACY_BYTES]);
bool     cpu_set_legacy_state(struct cpu *cpu, const uint8_t area[CPU_LEGACY_BYTES]);

/* After MOV SS or STI, and while an NMI is handled (TLFS 7.9.2). */
enum { CPU_INTERRUPT_SHADOW = 1, CPU_NMI_MASKED = 2 };
unsigned cpu_interrupt_state(const struct cpu *cpu);
void     cpu_set_interrupt_state(struct cpu *cpu, unsigned state);

/* SGDT, SIDT, SLDT, STR above privilege level 0 are #GP where their bit is set (TLFS 8.12). Wiring: reset and load keep it. */
enum { NPIEP_SGDT = 1, NPIEP_SIDT = 2, NPIEP_SLDT = 4, NPIEP_STR = 8 };
void     cpu_set_npiep(struct cpu *cpu, unsigned prevented);
void     cpu_sleep(struct cpu *cpu);            /* after this instruction, until an interrupt arrives, masked or not (TLFS 7.5) */

/* Raise an exception from inside a host callback, then return RAISED. error is ignored for vectors without one. */
void     cpu_raise(struct cpu *cpu, unsigned vector, uint32_t error);

/* The board's answer to the x87 error line in MS-DOS compatibility mode (a write to port F0h): waiting errors are ignored until
 * the line falls. */
void     cpu_set_ignne(struct cpu *cpu, bool level);

/* Registers by name (cpu/regs.def). cpu_set_reg is false when the value is not allowed, and then changes nothing. */
enum cpu_reg {
#define CPU_REG(name, text, bits) CPU_REG_##name,
#include "cpu/regs.def"
#undef CPU_REG
    CPU_REG_COUNT
};
uint64_t    cpu_reg(const struct cpu *cpu, enum cpu_reg reg);
bool        cpu_set_reg(struct cpu *cpu, enum cpu_reg reg, uint64_t value);
const char *cpu_reg_name(enum cpu_reg reg);
unsigned    cpu_reg_bits(enum cpu_reg reg);
uint64_t   *cpu_xmm(struct cpu *cpu, unsigned n);       /* 8 quadwords of ZMMn */
uint64_t   *cpu_opmask(struct cpu *cpu, unsigned n);
bool        cpu_msr_named(unsigned n, uint32_t *msr, const char **name);    /* the n-th architectural MSR; false: no more */
const char *cpu_activity_name(const struct cpu *cpu);
uint64_t    cpu_retired(const struct cpu *cpu);         /* between calls of cpu_run() */
struct space *cpu_memory(const struct cpu *cpu);        /* what it sees now: system-management mode has its own */

unsigned cpu_index(const struct cpu *cpu);
bool     cpu_is_amd(const struct cpu *cpu);             /* vendor of the model: VMMCALL against VMCALL */
unsigned cpu_physical_bits(const struct cpu *cpu);      /* MAXPHYADDR */
bool     cpu_has(const struct cpu *cpu, enum feature f);
uint64_t cpu_tsc(const struct cpu *cpu);                     /* as RDTSC at this instruction */
uint64_t cpu_tsc_hz(const struct cpu *cpu);
uint64_t cpu_tsc_offset(void *cpu);                     /* TSC minus what the clock alone would give */
unsigned cpu_cpl(const struct cpu *cpu);
bool     cpu_long_mode(const struct cpu *cpu);          /* EFER.LMA */
bool     cpu_code64(const struct cpu *cpu);             /* LMA and CS.L */

/* Architectural MSRs as RDMSR/WRMSR would at CPL 0, without asking the host; false: #GP. */
bool     cpu_read_msr(struct cpu *cpu, uint32_t msr, uint64_t *value);
bool     cpu_write_msr(struct cpu *cpu, uint32_t msr, uint64_t value);

struct tlb_scope {
    bool all;               /* every entry, global ones too */
    bool keep_global;       /* with !all: non-global entries only */
    gva_t gva;              /* with pages != 0: this page and the following pages-1 */
    uint64_t pages;
};
void     cpu_flush_tlb(struct cpu *cpu, const struct tlb_scope *scope);

/* Walk the guest's tables as a supervisor or user access would, without faults; false: not mapped so. Sets no A/D bits
 * unless `set_ad`. */
bool     cpu_translate(struct cpu *cpu, gva_t gva, unsigned access, bool user, bool set_ad, gpa_t *out);

/* Where the tables whose root is `cr3` say that an address lies, and the entries that say so; rights do not count. False: it is not
 * mapped; the entries are those up to the one that is not present. No paging: no entries. */
#define CPU_WALK_LEVELS 5u
struct cpu_walk { gpa_t gpa, at[CPU_WALK_LEVELS]; unsigned n, entry_bytes; };
bool     cpu_walk(struct cpu *cpu, uint64_t cr3, gva_t gva, struct cpu_walk *out);

/* Counters for -stats. */
struct cpu_stats {
    uint64_t retired, blocks_built, block_hits, code_invalidations, exceptions, interrupts, smis;
    /* pages entered for data and for code, accesses out of line that found theirs among what was pushed out; flushes of a space or
     * of all; changes of space, and those that found it kept */
    uint64_t tlb_fills, tlb_fetches, tlb_victims, tlb_flushes, tlb_switches, tlb_kept;
    /* of the translator: what it made, how much of that of several blocks, what it gave up, instructions and the host's bytes for
     * them; ways out that were joined to their target or looked up; shared probes that failed, and blocks made anew without, as
     * paths without keeping entries of the TLB; times that all was dropped; and what
     * handlers were called for from translated code, when counted */
    uint64_t jit_blocks, jit_paths, jit_lost, jit_insns, jit_bytes, jit_links, jit_finds, jit_share_misses, jit_unshared, jit_unsited, jit_resets;
    uint64_t jit_handlers;
};
const struct cpu_stats *cpu_stats(const struct cpu *cpu);

/* What caches of code hold now: host code and the room for it, decoded blocks with what belongs to them, pages they came from,
 * address spaces of the TLB. */
struct cpu_code_use { uint64_t translated_bytes, translated_room, decoded_bytes, pages, spaces; };
struct cpu_code_use cpu_code_use(const struct cpu *cpu);

/* Handler calls from translated code, by instruction: name and count of the n-th in the order of the instructions, false: no more.
 * All zero unless config.count_handlers. */
bool     cpu_handler_calls(const struct cpu *cpu, unsigned n, const char **name, uint64_t *calls);

/* The n-th thing that a translator may leave out, for config.jit_off; false: no more. */
bool     cpu_jit_pass(unsigned n, char *letter, const char **what);

/* Blocks of decoded code with a byte at this linear address, in whatever mode, and what is made of them; host is NULL where nothing
 * is. Between calls of cpu_run(). */
void     cpu_show_code(struct cpu *cpu, gva_t lin, void (*show)(void *arg, const struct cpu_translation *t), void *arg);

/* Drop every cache (TLB, decoded code): must change nothing a guest sees. */
void     cpu_drop_caches(struct cpu *cpu);

#endif
