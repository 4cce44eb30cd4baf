/* SPDX-License-Identifier: MIT
 * struct cpu and what the files of cpu/ share: the inside of the processor. Only cpu/ and the JIT include it. */
#ifndef CPU_INTERNAL_H
#define CPU_INTERNAL_H

#include "base/attrs.h"
#include "base/bits.h"
#include "base/bytes.h"
#include "base/invariant.h"
#include "cpu/cpu.h"
#include "cpu/decoder/decode.h"
#include "cpu/flags.h"
#include "cpu/fp.h"
#include "cpu/state.h"
#include "cpu/watcher.h"

/* Exceptions. */
enum vector {
    VEC_DE, VEC_DB, VEC_NMI, VEC_BP, VEC_OF, VEC_BR, VEC_UD, VEC_NM, VEC_DF, VEC_FPU_SEG, VEC_TS, VEC_NP, VEC_SS, VEC_GP,
    VEC_PF, VEC_MF = 16, VEC_AC, VEC_MC, VEC_XM, VEC_VE, VEC_CP,
    VEC_NONE = 0xfe     /* = FAULT_RETRY: EXEC_FAULT with nothing to deliver; the processor waits (activity) here */
};

/* Handlers return one of these. Use the macros below rather than the values. */
enum exec_result {
    EXEC_NEXT,      /* never seen by the run loop while handlers chain; kept for handlers called by hand */
    EXEC_STOP,      /* this instruction completed; cpu->p.rip is already where execution goes on */
    EXEC_FAULT,     /* this instruction did not complete; cpu->fault says why; the run loop sets cpu->p.rip to it */
    EXEC_AGAIN,     /* restart point reached inside the instruction (REP, RETRY): it runs again from its own RIP */
};

/* A software TLB entry. A tag is the page address with permission, or TLB_INVALID. host = gva + addend on a match. What may be
 * written may be read. */
struct tlb_entry {
    uint64_t read, addend, write;       /* the addend beside either tag: one load has both */
    struct ram *ram;            /* what lies there */
};
/* None of these is a bit of an address within 64 bytes: translated code compares tags with an address whose offset is kept where it
 * would show that an access is not aligned (cpu/jit/x64/lift_site.c). */
#define TLB_INVALID  0x40ull       /* no page-aligned address equals it */
#define TLB_CODE     0x80ull       /* in a write tag: writable, but the page holds code, so each store is told to the RAM */
#define TLB_WATCH    0x100ull      /* in any valid tag: a watchpoint wants to see accesses (cpu/points.h); else the entry is good */
#define TLB_BITS     13u
#define TLB_ENTRIES  (1u << TLB_BITS)      /* one place for each page, by its low address bits */
#define TLB_VICTIMS  256u          /* behind them: what was pushed out, by a hash that parts pages of one place */
#define TLB_SLOTS    (TLB_ENTRIES + TLB_VICTIMS)

enum tlb_bank {
    BANK_SUPERVISOR,        /* CPL < 3 and implicit supervisor accesses; SMAP, when on, forbids user pages */
    BANK_SUPERVISOR_AC,     /* CPL < 3 with SMAP on and RFLAGS.AC set: user data pages allowed */
    BANK_USER,              /* CPL 3 */
    BANK_SLOW,              /* never filled: every access takes the slow path (#AC checks, data breakpoints) */
    BANK_COUNT
};

/* Mode bits a decoded block depends on; part of its key, all but the last. */
enum {
    MODE_DECODE = 3,        /* enum decode_mode */
    MODE_STACK32 = 4,       /* SS.B */
    MODE_FLAT = 8,          /* legacy: DS ES SS (and CS for reads) have base 0, limit 4G-1, read/write: offsets are linear */
    MODE_USER = 16,         /* CPL 3 */
    MODE_PE = 32, MODE_VM86 = 64, MODE_LONG = 128,      /* CR0.PE, RFLAGS.VM, EFER.LMA */
    MODE_SHSTK = 256, MODE_IBT = 512,                   /* CET at this level: shadow stack, indirect branch tracking */
    MODE_WAIT = 1024,       /* the tracker waits for an ENDBRANCH: there are no shortcuts, so block_find() looks */
};
#define MODE_BITS 12u

/* cpu->vec_ready: fast_sse() and fast_avx() of cpu/vec_fast.h, and avx512_check(), which asks for more than that. */
enum { VEC_READY_SSE = 1, VEC_READY_AVX = 2, VEC_READY_AVX512 = 4 };

struct block;

/* Not exceptions, but ways the host can answer a page it denied; in fault.vector with EXEC_FAULT, for the run loop only. */
enum { FAULT_RETRY = VEC_NONE, FAULT_SKIP = 0xff };

struct fault {
    uint8_t  vector;
    uint8_t  has_error;
    uint8_t  soft;          /* INT n, INT3, INTO: an interrupt with DPL check, not an exception */
    uint8_t  icebp;
    uint32_t error;
    uint64_t cr2;           /* for #PF, loaded at delivery */
    uint64_t dr6;           /* for #DB: bits to set */
};

/* Shortcut from RIP to a block. The tag is cpu->code_tag of the time it was made, so that a change of mode, code segment
 * or mapping makes all entries stale at once; or global_tag, which a flush of what is not global leaves alone. */
struct block_shortcut {
    uint64_t rip, tag;
    struct block *block;
    const uint8_t *code;            /* its translation, or NULL */
};
#define BLOCK_SHORTCUT_BITS 16u
#define BLOCK_SHORTCUTS (1u << BLOCK_SHORTCUT_BITS)

/* Which entries of a bank are filled, and what flushes must know of them; one bit each. */
/* Some GiB of linear addresses: tlb_gib(). One more than there is room for: all. */
#define TLB_GIBS 7u
struct tlb_gibs {
    uint32_t count, gib[TLB_GIBS];
};

struct tlb_marks {
    uint64_t used[TLB_SLOTS / 64], global[TLB_SLOTS / 64], large[TLB_SLOTS / 64];
    struct tlb_gibs large_in;       /* pieces of large pages lie in these, and in no others */
};

/* Pages that code was fetched from: open addressing. Nothing is pushed out; a full table begins anew (cpu/tlb_fetch.c). */
struct fetch_entry {
    uint64_t key;                   /* page, bit 0: of user code; FETCH_GONE */
    const uint8_t *host;
    uint64_t epoch;                 /* another than the table's: free */
};
struct fetch_table {
    struct fetch_entry *slots;
    unsigned size, used;            /* size: a power of two */
    uint64_t epoch;
    struct tlb_gibs large_in;       /* as above */
};

/* What is known of one address space. Its id is what tells it from others: the PCID now; VPID, ASID or VTL may join it. Global
 * pages are in each space that has met them. */
struct tlb_space {
    struct tlb_entry banks[BANK_SLOW][TLB_SLOTS];
    struct tlb_marks marks[BANK_SLOW];
    struct fetch_table code;        /* pages that are not global */
    uint64_t generation;            /* of cpu->code_tag while it is in force; 0: it gets a new one then */
    uint64_t left_at;               /* when it was last in force, in switches */
    uint64_t id;                    /* while it is not in force; SPACE_NOBODY: nothing in it is valid but global entries */
    uint64_t lam;                   /* the bits of CR3 that its entries' addresses were masked by */
    bool writes_due;                /* meanwhile memory got code, or clean: look at the write tags */
};
#define SPACE_NOBODY (~(uint64_t)0)
#define TLB_SPACES   8u             /* made when they are first wanted */

/* What lies at a guest-physical page, as the address space last said. */
struct phys_page {
    gpa_t page;                     /* ~0: free */
    struct space_page at;
};
#define PHYS_PAGES 256u

/* The shadow-stack page last used at a level, as a TLB entry: shadow-stack accesses have rights of their own. */
struct shadow_page {
    uint64_t page;                  /* TLB_INVALID: none */
    uint64_t addend;
};

#define JIT_NEAR 8u
#define JIT_SHARES 3u

/* What an access of translated code keeps of the TLB (cpu/jit/x64/lift_site.c): at level 3 the page that it found last, for as long as
 * the TLB has it (tlb_forget_sites()), elsewhere where in the bank it was. */
#define JIT_SITES 32768u
#define JIT_PAGES 512u
struct jit_site_kept {
    uint64_t page;
    uint64_t limit;                 /* from there on the access would run over its end; 0: nothing is kept */
    uint64_t addend;
};

struct cpu {
    struct device dev;
    struct cpu_private p;
    struct cpu_shared s;

    /* derived from p and s; recomputed by cpu_mode_changed() */
    struct flags flags;             /* lazy arithmetic flags: the truth while running, but within translated code */
    uint32_t jit_mxcsr_c;           /* the host's MXCSR while C code runs */
    uint8_t jit_mxcsr;              /* the host's MXCSR is the guest's, and newer than s.mxcsr */
    uint8_t jit_x87;                /* the host's x87 unit has the guest's registers, FCW and FSW */
    uint8_t jit_x87_image[108];     /* on their way, as FNSAVE has them */
    uint32_t jit_site_missed;       /* the access whose `left` came to nothing; 0: none */
    uint8_t jit_looks;              /* the translator wants to see which blocks run (cpu/jit/path.c) */
    struct fp80 jit_x87_in[2];      /* a function's operands, ST0 first, and what it leaves: see jit_x87_function() */
    struct fp80 jit_x87_out, jit_x87_last;
    uint64_t jit_x87_rest;
    uint8_t jit_has_flags;          /* jit_of and jit_szapc, or jit_nzcv and so on, are the truth although a handler runs */
    uint8_t vec_ready;              /* VEC_READY_*: the registers that instructions may use at all */
    uint8_t jit_of, jit_szapc;      /* the same there, as SETO and LAHF have them: on x86-64 */
    struct { uint64_t page, limit, addend; } jit_near[JIT_NEAR];    /* pages that a loop has found (cpu/jit/x64/lift_near.c) */
    uint64_t jit_shares[JIT_SHARES];    /* host addresses that accesses have in common (cpu/jit/x64/lift_share.c) */
    uint64_t jit_saved[2];          /* operands of which flags can be made (cpu/jit/x64/lift_flags.c) */
    uint64_t jit_nzcv, jit_result, jit_operands;    /* and on AArch64 (cpu/jit/a64/lift.h) */
    struct tlb_entry *tlb;          /* the bank that ordinary data accesses of the running code use */
    uint32_t mode;                  /* MODE_* */
    uint32_t attention;             /* ATTEND_* */
    uint64_t pmu_due;               /* clock->state.insns when a performance counter may overflow and must interrupt */
    uint32_t pmu;                   /* PMU_* of cpu/pmu.h */
    uint8_t npiep;                  /* NPIEP_*: the host's wiring */

    /* the running block */
    struct block *block;            /* being executed */
    const struct insn *insn;        /* set before every slow path, fault and stop: the instruction that caused it */
    uint64_t block_rip;             /* RIP of the block's first instruction */
    uint64_t code_tag, global_tag;  /* generation << 44 | low 32 bits of the code base << 12 | mode; see block_shortcut */
    uint64_t code_base, code_limit; /* CS base and last valid offset; 0 and ~0 in 64-bit code. Set by the run loop */
    uint64_t budget;                /* instructions of this turn not yet given to a block (the running one took its own) */
    uint64_t turn_insns;            /* clock->state.insns when the turn's budget was `turn_budget` */
    uint64_t turn_budget;
    struct fault fault;
    /* What slow paths return and take: a handler whose locals' addresses go elsewhere could not hand on by a tail call. */
    uint64_t slow_value[8];
    gva_t slow_lin;

    uint8_t *monitor_line;          /* watched for stores: where s.monitor_gpa lies; NULL: nothing, or no plain memory */
    struct timer wait_timer;        /* p.wait_tsc */
    struct space *memory;           /* ports.memory, or ports.smm_memory in system-management mode */
    struct cpu_ports ports;
    struct cpu_config config;
    struct cpu_stats stats;

    struct block_shortcut shortcuts[BLOCK_SHORTCUTS];
    struct jit_site_kept jit_sites[JIT_SITES];
    uint32_t jit_site_left[JIT_SITES];      /* how often it may still be another page until somebody thinks about it */
    uint16_t jit_site_limit[JIT_SITES];
    uint32_t jit_site_at[JIT_SITES];        /* the entry found last: bytes from the beginning of the bank */
    uint16_t jit_filled[JIT_SITES];         /* those that keep a page */
    uint32_t jit_nfilled;
    uint64_t jit_pages[JIT_PAGES / 64];     /* no other pages are kept than those whose tlb_page_bit() is set */
    struct tlb_entry *banks[BANK_COUNT];    /* those of `space`, and slow_bank */
    struct tlb_space *space;                /* in force */
    struct tlb_space *spaces[TLB_SPACES];   /* NULL: not made yet */
    struct fetch_table global_code;         /* global pages that code was fetched from, of all spaces */
    uint64_t space_switches;
    struct tlb_entry slow_bank[TLB_SLOTS];
    struct phys_page phys[PHYS_PAGES];
    struct shadow_page shadow[2];   /* of supervisor and user mode; dropped with any TLB entry */
    struct block_cache *blocks;     /* cpu/block.c */
    struct jit *jit;                /* cpu/jit/jit.c; NULL: the interpreter alone */
    struct points *points;          /* cpu/points.c; NULL: no break- and watchpoints of a debugger outside */
    const struct cpu_watcher *watcher;  /* cpu/watcher.c; NULL: nobody is told */
    bool stepped;                   /* ... who wants to see each step */
    bool parted;                    /* cpu_part_system() */
};

static inline enum vendor cpu_vendor(const struct cpu *cpu)
{
    return cpu->config.vendor;
}

/* ---- registers ---- */

static ALWAYS_INLINE uint64_t reg_get(const struct cpu *cpu, unsigned at, unsigned bytes)
{
    return load_bytes((const uint8_t *)cpu->s.gpr + at, bytes);
}

/* Writes of 32 bits clear the upper half (SDM 1 3.4.1.1); of 8 and 16 leave the rest. */
static ALWAYS_INLINE void reg_set(struct cpu *cpu, unsigned at, unsigned bytes, uint64_t v)
{
    if (bytes == 4)
        store64((uint8_t *)cpu->s.gpr + at, (uint32_t)v);
    else
        store_bytes((uint8_t *)cpu->s.gpr + at, bytes, v);
}

static ALWAYS_INLINE uint64_t mask_size(uint64_t v, unsigned bytes)
{
    return bytes == 8 ? v : v & (((uint64_t)1 << (8 * bytes)) - 1);
}

/* ---- where we are ---- */

/* RIP of instruction i and of the one after it (wrapped to 16 or 32 bits by the mode). */
static ALWAYS_INLINE uint64_t rip_wrap(const struct cpu *cpu, uint64_t rip)
{
    return (cpu->mode & MODE_DECODE) == DECODE_64 ? rip : (uint32_t)rip;
}
static ALWAYS_INLINE uint64_t rip_next(const struct cpu *cpu, const struct insn *i)
{
    return rip_wrap(cpu, cpu->block_rip + i->end);
}
static ALWAYS_INLINE uint64_t rip_of(const struct cpu *cpu, const struct insn *i)
{
    return rip_wrap(cpu, cpu->block_rip + i->end - i->len);
}

/* ---- the shape of a handler ---- */

#define EXEC(NAME)  insn_fn exec_##NAME; unsigned exec_##NAME(struct cpu *cpu, const struct insn *i)

/* Every block ends with a sentinel instruction whose handler leaves it, so a handler always has a successor. */
#define NEXT_PURE()     return (i + 1)->fn(cpu, i + 1)                          /* touched registers only */
#define NEXT()                  /* may have raised attention (memory, I/O, system) */                   \
    do {                                                                        \
        if (UNLIKELY(cpu->attention))                                           \
            return exec_leave(cpu, i);                                          \
        return (i + 1)->fn(cpu, i + 1);                                         \
    } while (0)
#define STOP_AT(target) return exec_stop(cpu, i, target)                        /* completed; go on at RIP `target` */
#define STOP()          return exec_stop(cpu, i, rip_next(cpu, i))
#define FAULT()         return (cpu->insn = i, EXEC_FAULT)                  /* cpu->fault is set by whoever returned false */
#define AGAIN()         return (cpu->insn = i, EXEC_AGAIN)

static ALWAYS_INLINE unsigned exec_stop(struct cpu *cpu, const struct insn *i, uint64_t rip)
{
    cpu->insn = i;
    cpu->p.rip = rip;
    return EXEC_STOP;
}
unsigned exec_leave(struct cpu *cpu, const struct insn *i);     /* exec_stop at the next instruction */

/* Record an exception and return false, so that `return fault_gp(cpu, 0)` reads well in a bool function. */
bool fault_raise(struct cpu *cpu, unsigned vector);                          /* without error code */
bool fault_raise_error(struct cpu *cpu, unsigned vector, uint32_t error);
static inline bool fault_ud(struct cpu *cpu) { return fault_raise(cpu, VEC_UD); }
static inline bool fault_gp(struct cpu *cpu, uint32_t error) { return fault_raise_error(cpu, VEC_GP, error); }
#define RAISE_UD()      do { fault_ud(cpu); FAULT(); } while (0)
#define RAISE_GP(e)     do { fault_gp(cpu, (e)); FAULT(); } while (0)
#define RAISE(vec)      do { fault_raise(cpu, (vec)); FAULT(); } while (0)

/* Bring clock->state.insns, s.retired, p.rip and cpu->insn up to instruction i (which is not retired yet; NULL: between
 * instructions); before anything outside the processor is called. */
void cpu_sync(struct cpu *cpu, const struct insn *i);

/* After an instruction that ends its block: may the next block follow without a look at what the run loop looks at? With the
 * shadow of an STI only if one instruction of it will surely run, and then without the shadow. */
bool cpu_goes_on(struct cpu *cpu);

/* IF rises. What arrives later asks for attention itself. */
static inline void cpu_interrupts_on(struct cpu *cpu)
{
    if (cpu->ports.apic != NULL && cpu->ports.apic->pending(cpu->ports.apic_self) != APIC_NONE)
        cpu->attention |= ATTEND_INTR;
}

/* What is no instruction but takes the time of `insns` of them: event_deliver_*() charge 1 each. Between instructions. */
void cpu_charge(struct cpu *cpu, uint64_t insns);

/* Iterations a repeated string instruction may do before it must leave: always at least one. A handler tells what it did
 * with exec_iterated() whether it then completes, faults or stops half way with AGAIN; the instruction itself counts as one
 * of them when it completes. False: it completed, but the turn is over and it must STOP. (docs/determinism.md) */
uint64_t exec_iterations(const struct cpu *cpu, const struct insn *i);
bool exec_iterated(struct cpu *cpu, uint64_t done, bool completed);

/* ---- memory (cpu/mem.h has the inline functions) ---- */

/* ---- seams between the files of cpu/ ---- */

/* block.c */
struct block_cache *block_cache_create(struct cpu *cpu);    /* ports are wired; also empties the TLB, listens to the space */
void block_cache_free(struct block_cache *c);
void block_cache_flush(struct cpu *cpu);                    /* forget all decoded code, also from within an instruction */
void block_lookup_flush(struct cpu *cpu);                   /* mapping changed: forget RIP to block shortcuts only */
void block_lookup_flush_nonglobal(struct cpu *cpu);
void block_lookup_switch(struct cpu *cpu);                  /* cpu->space is another */

/* tlb_space.c, mmu.c; also cpu_flush_tlb() and cpu_translate(). A change of PKRU with CR4.PKE set needs tlb_flush_all(), and so
 * does CR3 when it changes otherwise than by tlb_load_cr3(). */
void tlb_flush_all(struct cpu *cpu);                        /* of all spaces, global entries too */
void tlb_flush_nonglobal(struct cpu *cpu);                  /* of all spaces */
void tlb_flush_pcid(struct cpu *cpu, unsigned pcid);        /* what is not global of one */
void tlb_flush_page(struct cpu *cpu, gva_t gva);            /* of the space in force, or global */
void tlb_flush_page_of(struct cpu *cpu, unsigned pcid, gva_t gva);
void tlb_load_cr3(struct cpu *cpu, uint64_t cr3, bool keep);    /* keep: bit 63 of a load with CR4.PCIDE set */
/* Translate for one access; sets A/D bits; false with #PF (or #GP, page_denied) recorded. bank gives the privilege. */
struct translation { gpa_t gpa; unsigned rights; uint8_t user, global, page_shift, pkey; };
bool mmu_translate(struct cpu *cpu, gva_t gva, unsigned access, enum tlb_bank bank, struct translation *out);
bool mmu_load_pdptes(struct cpu *cpu, uint64_t cr3);        /* PAE; false: #GP (reserved bits) */

/* monitor.c */
bool cpu_sleep_over(const struct cpu *cpu);                 /* CPU_MWAITING: has what it waits for come? */

/* cpu.c */
void cpu_memory_changed(struct cpu *cpu);       /* after s.smm changed: the address space, and all that is cached of it */
void cpu_mode_changed(struct cpu *cpu);         /* after CR0 CR4 EFER RFLAGS.VM/AC CPL segment or DR7 changes: bank, mode */
uint32_t cpu_rflags(const struct cpu *cpu);                 /* with lazy flags materialised */
void cpu_set_rflags(struct cpu *cpu, uint32_t value);       /* all bits as given (caller masked); may raise attention */

static ALWAYS_INLINE bool cpu_canonical(const struct cpu *cpu, gva_t lin)
{
    unsigned shift = cpu->p.cr4 & CR4_LA57 ? 7 : 16;

    return (uint64_t)((int64_t)(lin << shift) >> shift) == lin;
}

/* The bits of the tag below the generation. */
#define CODE_TAG_BITS (32 + MODE_BITS)
static inline void code_tag_refresh(struct cpu *cpu)
{
    const uint64_t low = cpu->code_base << MODE_BITS | cpu->mode;

    cpu->code_tag = (cpu->code_tag & ~bits_mask(CODE_TAG_BITS)) | low;
    cpu->global_tag = (cpu->global_tag & ~bits_mask(CODE_TAG_BITS)) | low;
}

/* SDM 3A "Linear-Address Masking (LAM)": a 64-bit data address without its metadata, which the bit below them fills. */
static ALWAYS_INLINE gva_t cpu_untag(const struct cpu *cpu, gva_t lin)
{
    uint64_t user = cpu->p.cr3 & (CR3_LAM_U48 | CR3_LAM_U57), super = cpu->p.cr4 & CR4_LAM_SUP;
    bool wide;

    if (LIKELY(!(user | super)) || !(lin >> 63 ? super : user))
        return lin;
    wide = lin >> 63 ? cpu->p.cr4 & CR4_LA57 : user & CR3_LAM_U57;
    return (lin & BIT64(63)) | ((uint64_t)bits_sign(lin, wide ? 57 : 48) & bits_mask(63));
}

/* seg.c */
bool seg_load(struct cpu *cpu, enum seg seg, uint16_t selector);        /* MOV/POP to a data segment or SS, all checks */
void seg_load_real(struct cpu *cpu, enum seg seg, uint16_t selector);   /* real and virtual-8086 mode */
/* Limit, rights, canonical form; then the linear address. */
bool seg_check(struct cpu *cpu, enum seg seg, uint64_t offset, unsigned bytes, unsigned access, gva_t *linear);

/* points.c; only while cpu->points. */
bool points_break(struct cpu *cpu);     /* before an instruction; true: a breakpoint lies there, attention says to leave */
/* May decoded code that comes before this instruction go on into it? True: no. host NULL: fetched from gpa. */
bool points_cut(struct cpu *cpu, gva_t lin, const uint8_t *host, gpa_t gpa);
/* Within one page, about to happen; stored: the new bytes, or NULL for a load. */
struct tlb_place;
void points_accessed(struct cpu *cpu, gva_t lin, const struct tlb_place *at, unsigned bytes, const uint8_t *stored);
void points_faulted(struct cpu *cpu);   /* the running instruction did not complete */
unsigned points_marks(struct cpu *cpu, gva_t page, const uint8_t *host);    /* ACCESS_*: tags that must be marked */

/* watcher.c; only while cpu->watcher. */
void watcher_event(struct cpu *cpu, enum cpu_happening what, unsigned vector, const uint32_t *error, uint64_t rip);   /* delivered */
void watcher_cr3(struct cpu *cpu, uint64_t old);        /* loaded, be it with what it held */
bool watcher_parts(const struct cpu *cpu, const struct insn *i);        /* is it to be alone in its block, which is not kept? */
unsigned watcher_span(const struct cpu *cpu, const struct block *b);    /* instructions of a step that begins there */
void watcher_begins(struct cpu *cpu);
void watcher_stepped(struct cpu *cpu, unsigned result);

/* event.c */
/* Deliver cpu->fault or an interrupt; handles double and triple faults. On return p.rip is the handler's first
 * instruction (or activity is CPU_SHUTDOWN). Each calls cpu_charge(cpu, 1). */
void event_deliver_fault(struct cpu *cpu);
void event_deliver_interrupt(struct cpu *cpu, unsigned vector);         /* external interrupt */
void event_deliver_nmi(struct cpu *cpu);
bool event_attend(struct cpu *cpu);         /* run loop, between instructions, attention != 0: deliver what is due.
                                             * true: something was delivered or state changed; the loop looks again */

/* debug.c. While debug_active() (TF, RF, an instruction breakpoint, an interrupt shadow, VIF with VIP) the run loop takes one
 * instruction at a time:
 *     if (debug_insn_breakpoint(cpu))
 *         event_deliver_fault(cpu);
 *     else {
 *         unsigned step = debug_step_begin(cpu);        takes TF, RF and the shadow; the instruction may set them anew
 *         ... one instruction (one iteration of a repeated one) ...
 *         debug_step_end(cpu, step, result);            RF and the single-step trap; before a fault is delivered
 *     }
 * event_attend() with a shadow in p.inhibit delivers nothing the shadow holds back and leaves its attention bits set. */
#define SHADOW_STI 1u       /* p.inhibit: the instruction after STI, after MOV SS or POP SS */
#define SHADOW_SS  2u
bool debug_active(const struct cpu *cpu);
bool debug_steps(const struct cpu *cpu);                                /* the same, whatever the shadow */
bool debug_virtual_interrupt(const struct cpu *cpu);                    /* #GP is due: VIF and VIP */
bool debug_watches_data(const struct cpu *cpu);                         /* a data breakpoint is enabled */
bool debug_insn_breakpoint(struct cpu *cpu);                            /* before an instruction; true: #DB recorded */
unsigned debug_step_begin(struct cpu *cpu);
void debug_step_end(struct cpu *cpu, unsigned step, unsigned result);   /* result: enum exec_result of that instruction */
void debug_data_access(struct cpu *cpu, gva_t lin, unsigned bytes, unsigned access);
void debug_io_access(struct cpu *cpu, uint16_t port, unsigned bytes);

#endif
