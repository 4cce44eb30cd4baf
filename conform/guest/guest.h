/* SPDX-License-Identifier: MIT
 * What a conformance test may use: reporting, faults caught, processors, interrupts, pages, hypercalls. Nothing here knows
 * which hypervisor it runs on; constants come from the tables in docs/tlfs, not from an implementation. */
#ifndef CONFORM_GUEST_GUEST_H
#define CONFORM_GUEST_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#define NORETURN        __attribute__((noreturn))
#define PRINTS(a, b)    __attribute__((format(printf, a, b)))
#define PAGE_ALIGNED    __attribute__((aligned(4096)))
#define COUNT_OF(a)     (sizeof(a) / sizeof((a)[0]))
#define BIT(n)          (1ull << (n))
#define PAGE            4096ull

/* ---- a test: its clause, what it proves, its body ---- */

struct clause {
    const char *id, *what;
    void (*run)(void);
    u64 flags;
};
enum { LAST = 1 };          /* leaves the machine changed until it is reset: runs after all others */

#define JOIN2(a, b) a##b
#define JOIN(a, b) JOIN2(a, b)
#define CLAUSE_ROW(id, what, flags, n)                                                                      \
    static void JOIN(run_, n)(void);                                                                        \
    static const struct clause JOIN(clause_, n) = { id, what, JOIN(run_, n), flags };                       \
    static const struct clause *const JOIN(row_, n) __attribute__((section("clauses"), used)) = &JOIN(clause_, n); \
    static void JOIN(run_, n)(void)
#define CLAUSE(id, what)            CLAUSE_ROW(id, what, 0, __COUNTER__)
#define CLAUSE_LAST(id, what)       CLAUSE_ROW(id, what, LAST, __COUNTER__)
/* One call as the whole test: for rows of a table. */
#define CLAUSE_IS(id, what, call)   CLAUSE(id, what) { call; }

void fail(const char *format, ...) NORETURN PRINTS(1, 2);
void skip(const char *format, ...) NORETURN PRINTS(1, 2);          /* cannot be tried on this hypervisor as it is set up */
void note(const char *format, ...) PRINTS(1, 2);                   /* a remark in the log */
#define expect(condition, ...) do { if (!(condition)) fail(__VA_ARGS__); } while (0)
#define need(condition, ...)   do { if (!(condition)) skip(__VA_ARGS__); } while (0)
void expect_eq(const char *what, u64 got, u64 want);
void expect_bits(const char *what, u64 got, u64 mask, u64 want);   /* got & mask == want */

void print(const char *format, ...) PRINTS(1, 2);
void put_char(char c);

/* ---- the processor ---- */

static inline void outb(u16 port, u8 v) { __asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port)); }
static inline void outl(u16 port, u32 v) { __asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port)); }
static inline u8 inb(u16 port) { u8 v; __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port)); return v; }
static inline u32 inl(u16 port) { u32 v; __asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port)); return v; }
static inline u64 rdtsc(void) { u32 a, d; __asm__ volatile("lfence; rdtsc" : "=a"(a),
                                                           "=d"(d) : : "memory"); return (u64)d << 32 | a; }
static inline void cpu_pause(void) { __asm__ volatile("pause" : : : "memory"); }
static inline void cli(void) { __asm__ volatile("cli" : : : "memory"); }
static inline void sti(void) { __asm__ volatile("sti; nop" : : : "memory"); }
static inline void halt(void) { __asm__ volatile("sti; hlt" : : : "memory"); }
static inline u64 read_cr0(void) { u64 v; __asm__ volatile("movq %%cr0, %0" : "=r"(v)); return v; }
static inline u64 read_cr3(void) { u64 v; __asm__ volatile("movq %%cr3, %0" : "=r"(v)); return v; }
static inline u64 read_cr4(void) { u64 v; __asm__ volatile("movq %%cr4, %0" : "=r"(v)); return v; }
static inline u64 read_cr8(void) { u64 v; __asm__ volatile("movq %%cr8, %0" : "=r"(v)); return v; }
static inline void write_cr3(u64 v) { __asm__ volatile("movq %0, %%cr3" : : "r"(v) : "memory"); }
static inline void write_cr4(u64 v) { __asm__ volatile("movq %0, %%cr4" : : "r"(v) : "memory"); }
static inline void write_cr8(u64 v) { __asm__ volatile("movq %0, %%cr8" : : "r"(v) : "memory"); }
static inline void invlpg(const void *p) { __asm__ volatile("invlpg (%0)" : : "r"(p) : "memory"); }

struct cpuid { u32 eax, ebx, ecx, edx; };
struct cpuid cpuid(u32 leaf);
static inline u64 rdmsr(u32 msr)
{
    u32 a, d;

    __asm__ volatile("rdmsr" : "=a"(a), "=d"(d) : "c"(msr) : "memory");
    return (u64)d << 32 | a;
}
static inline void wrmsr(u32 msr, u64 v) { __asm__ volatile("wrmsr" : : "c"(msr), "a"((u32)v),
                                                            "d"((u32)(v >> 32)) : "memory"); }

enum { NONE = -1, DE = 0, DB = 1, NMI = 2, UD = 6, DF = 8, GP = 13, PF = 14, MC = 18 };
const char *vector_name(int vector);

/* Runs fn: NONE, or the exception it took. */
int guarded(void (*fn)(void *), void *arg);
int guarded_user(void (*fn)(void));             /* at privilege level 3 */
u64 fault_error(void);                          /* error code and CR2 of the last one caught here */
u64 fault_address(void);

int rdmsr_try(u32 msr, u64 *value);             /* NONE or the exception */
int wrmsr_try(u32 msr, u64 value);
int read_try(const volatile void *at, u64 *value);      /* 8 bytes */
int write_try(volatile void *at, u64 value);

/* Fail the test unless the access does as said. */
u64  msr_read(u32 msr);
void msr_write(u32 msr, u64 value);
void msr_read_faults(u32 msr);                  /* #GP */
void msr_write_faults(u32 msr, u64 value);

/* ---- time ---- */

extern u64 tsc_per_us;
u64  now_us(void);
void delay_us(u64 us);
/* Waits until the condition holds, with interrupts as they are; false after us. */
#define wait_for(condition, us)                                                             \
    __extension__({                                                                         \
        u64 end_ = now_us() + (us);                                                         \
        while (!(condition) && now_us() < end_)                                             \
            cpu_pause();                                                                    \
        (condition);                                                                        \
    })
#define MS 1000ull

/* ---- processors ---- */

enum { MAX_CPUS = 16 };

struct guard { u64 rsp; };

struct cpu {
    struct cpu *self;
    u32 number, apic_id, vp_index, signature;   /* signature: CPUID.1:EAX */
    struct guard *guard;
    u64 error, address;
    volatile u64 taken[256];                    /* interrupts by vector */
    volatile u64 when[256];                     /* TSC at the last one */
    volatile u64 at_rip, at_rcx;                /* RIP and RCX that the last one found */
    void (*on_interrupt[256])(u32 vector);      /* runs before the EOI */
    bool keep[256];                             /* no EOI: the test does it */
    volatile u32 order[64], norder;             /* vectors as they came */
    void (*volatile work)(void *);
    void *volatile work_arg;
    volatile u32 work_done, alive;
    volatile int work_vector;                   /* NONE or why it ended */
    bool used;
    volatile bool down;                         /* INIT came, and it has not begun again */
    u64 tss[16], user_stack[512], trap_stack[1024];
    char failure[256];
};

extern struct cpu cpus[MAX_CPUS];
extern u32 ncpus;
static inline struct cpu *this_cpu(void) { struct cpu *c; __asm__("movq %%gs:0, %0" : "=r"(c)); return c; }

void need_cpus(u32 n);                          /* skips the test on a smaller machine */
void on_cpu(u32 cpu, void (*fn)(void *), void *arg);            /* and waits; a failure there fails the test */
void on_cpu_start(u32 cpu, void (*fn)(void *), void *arg);
void on_cpu_wait(u32 cpu);
void cpu_reset(u32 cpu);                        /* INIT: it waits for a SIPI now */
void cpu_start(u32 cpu);                        /* SIPI: and is back at work */
void cpu_sipi(u32 cpu, u32 page);

/* A hypercall from another mode, on processor 1, by the instruction of the hypercall page: true when it raised #UD. */
enum mode { REAL_MODE, V86_MODE, REAL_MODE_NO_CALL };
bool call_from_is_ud(enum mode mode);

/* ---- interrupts ---- */

enum { VECTOR_WORK = 0xF0, VECTOR_SPURIOUS = 0xFF, VECTOR_USER_RETURN = 0x30 };

void apic_enable(bool on);                      /* the software enable bit */
u32  apic_read(u32 offset);
void apic_write(u32 offset, u32 value);
void apic_ipi(u32 apic_id, u32 low);
bool apic_bit(u32 base, u32 vector);            /* a bit of ISR (100h), TMR (180h), IRR (200h) */
static inline bool irr(u32 vector) { return apic_bit(0x200, vector); }
static inline bool isr(u32 vector) { return apic_bit(0x100, vector); }
u64  taken(u32 vector);                         /* here, since the test began */

/* ---- memory ---- */

u8  *page_alloc(void);                          /* a zeroed page, until the end of the test; GVA is GPA */
u64  gpa_bits(void);
static inline u64 gpa(const volatile void *p) { return (u64)(uintptr_t)p; }
u64  beyond_gpa(void);                          /* the first address after the guest-physical space */

#define WINDOW ((u8 *)0x4000000000ull)          /* 2 MiB of addresses whose 4 KiB pages tests map as they like */
enum { MAP_P = 1, MAP_W = 2, MAP_U = 4, MAP_A = 0x20, MAP_D = 0x40, MAP_LARGE = 0x80, MAP_G = 0x100 };
void map(u32 page, const void *to, u64 bits);   /* page number in the window; no flush */
void map_large(const void *to, u64 bits);       /* the whole window as one page */
u8  *big_page(u32 n);                           /* 2 MiB of memory on a 2 MiB boundary; 0 to 3 */
u64  make_space(void);                          /* CR3 of an address space whose window is its own; maps with map_in */
void map_in(u64 cr3, u32 page, const void *to, u64 bits);

void *memset(void *to, int v, size_t n);
void *memcpy(void *to, const void *from, size_t n);
int   memcmp(const void *a, const void *b, size_t n);

/* ---- a test that goes through a reset of the whole machine ---- */

bool resumed(void);                             /* the machine was reset by reset_and_resume() */
void reset_and_resume(void) NORETURN;

#endif
