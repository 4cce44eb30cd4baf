/* SPDX-License-Identifier: MIT
 * A piece of assembly at a fixed low address loads all state and enters the tested code by IRETQ, or by a far jump when its
 * stack has 16 bits; a jump behind that code leads to the half that stores all state by absolute addresses, so it needs no
 * register of its own. A fault's handler notes what happened and lets the interrupted program go on in the storing half. */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE         /* REG_RIP, MAP_FIXED_NOREPLACE */
#endif
#include "tests/oracle/host/native.h"

#if defined(__x86_64__) && defined(__linux__)

#include <asm/ldt.h>
#include <cpuid.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/attrs.h"
#include "tests/oracle/host_has.h"

#if defined(__clang__) || __GNUC__ >= 11
#define BARE __attribute__((no_stack_protector, no_sanitize("address"), no_sanitize("undefined")))
#else
#define BARE
#endif

/* ---- the area: what the assembly reads and writes, below 2 GiB ---- */

#define AREA_AT     0x1f000000u
#define AREA_LEN    0x3000u
#define BLOB_AT     (AREA_AT + AREA_LEN)

struct area {
    uint8_t  xsave[2688];           /* standard form: components 0, 1, 2, 5, 6, 7 */
    uint64_t gpr[16];               /* 2688 */
    uint64_t frame[5];              /* 2816: RIP CS RFLAGS RSP SS for IRETQ */
    uint64_t flags;                 /* 2856 */
    uint64_t host_rsp;              /* 2864 */
    uint64_t host_fs;               /* 2872 */
    uint64_t fs_base, gs_base;      /* 2880 */
    uint32_t seg[6];                /* 2896: ES CS SS DS FS GS */
    uint32_t mxcsr, pkru;           /* 2920 */
    uint8_t  stack[128];            /* 2928 */
    uint32_t mask, inside;          /* 3056: components; a case is running */
    uint32_t far_jump[2];           /* 3064: EIP CS */
    uint32_t narrow, pad;           /* 3072: the stack has 16 bits */
    /* what the signal handler saw */
    uint64_t sig_rip, sig_flags, sig_cr2, sig_error;
    uint32_t sig_vector, sig_cs, sig_ss, sig_pad;
};
_Static_assert(offsetof(struct area, gpr) == 2688 && offsetof(struct area, frame) == 2816 &&
               offsetof(struct area, flags) == 2856 && offsetof(struct area, fs_base) == 2880 &&
               offsetof(struct area, seg) == 2896 && offsetof(struct area, mxcsr) == 2920 &&
               offsetof(struct area, stack) == 2928 && offsetof(struct area, mask) == 3056 &&
               offsetof(struct area, narrow) == 3072, "the assembly knows these");

static struct area *const area = (struct area *)(uintptr_t)AREA_AT;

/* Intel syntax is not for every assembler; AT&T with absolute addresses A+n. */
#define GPRS(move)                                                                                              \
    move("rax", 0) move("rcx", 8) move("rdx", 16) move("rbx", 24) move("rbp", 40) move("rsi", 48) move("rdi", 56)  \
    move("r8", 64) move("r9", 72) move("r10", 80) move("r11", 88) move("r12", 96) move("r13", 104) move("r14", 112) \
    move("r15", 120)
#define LOAD(reg, at)   "mov 0x1f000a80+" #at ", %" reg "\n"
#define STORE(reg, at)  "mov %" reg ", 0x1f000a80+" #at "\n"

extern const uint8_t host_blob[], host_blob_exit[], host_blob_end[];
__asm__(
    ".pushsection .text\n"
    "host_blob:\n"
    "push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
    "mov %rsp, 0x1f000b30\n"
    "mov 0x1f000b50, %eax; mov %eax, %es\n"
    "mov 0x1f000b5c, %eax; mov %eax, %ds\n"
    "mov 0x1f000b60, %eax; mov %eax, %fs\n"
    "mov 0x1f000b64, %eax; mov %eax, %gs\n"
    "cmpl $0x33, 0x1f000b08\n"              /* FS and GS bases of our own in 64-bit mode only */
    "jne 1f\n"
    "mov 0x1f000b40, %rax; wrfsbase %rax\n"
    "mov 0x1f000b48, %rax; wrgsbase %rax\n"
    "1:\n"
    "mov 0x1f000bf0, %eax; xor %edx, %edx\n"
    "xrstor64 0x1f000000\n"
    "testb $1, 0x1f000c00\n"
    "jnz 2f\n"
    GPRS(LOAD)
    "mov $0x1f000b00, %esp\n"
    "iretq\n"
    "2:\n"                                 /* IRETQ would load SP only and keep the rest of ESP */
    GPRS(LOAD)
    "mov $0x1f000b10, %esp\n"
    "popfq\n"
    "mov 0x1f000b20, %ss\n"
    "mov 0x1f000b18, %rsp\n"
    "ljmpl *0x1f000bf8\n"
    "host_blob_exit:\n"
    GPRS(STORE)
    "mov %rsp, 0x1f000aa0\n"
    "mov $0x1f000bf0, %esp\n"
    "pushfq; popq 0x1f000b28\n"
    "push $2; popfq\n"
    "mov %es, 0x1f000b50; mov %ss, 0x1f000b58; mov %ds, 0x1f000b5c; mov %fs, 0x1f000b60; mov %gs, 0x1f000b64\n"
    "rdfsbase %rax; mov %rax, 0x1f000b40\n"
    "rdgsbase %rax; mov %rax, 0x1f000b48\n"
    "xor %eax, %eax\n"
    "mov %eax, %fs; mov %eax, %gs\n"
    "mov 0x1f000b38, %rax; wrfsbase %rax\n"
    "mov 0x1f000bf0, %eax; xor %edx, %edx\n"
    "xsave64 0x1f000000\n"
    "fninit; ldmxcsr 0x1f000b68; vzeroupper\n"
    "mov 0x1f000b30, %rsp\n"
    "pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
    "ret\n"
    "host_blob_end:\n"
    ".popsection\n");

/* ---- mapping ---- */

static uint8_t *alias;              /* code, then the data pages, to write */

void native_clear_code(void)
{
    memset(alias, 0xcc, ARENA_CODE_LEN);
}

uint8_t *native_page(unsigned n)
{
    return alias + ARENA_CODE_LEN + n * ARENA_PAGE;
}

static bool map_at(uint64_t at, size_t len, int prot, int fd, off_t offset)
{
    int flags = MAP_FIXED_NOREPLACE | MAP_POPULATE | (fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED);
    void *p = mmap((void *)(uintptr_t)at, len, prot, flags, fd, offset);

    if (p != MAP_FAILED && (uint64_t)(uintptr_t)p != at)
        munmap(p, len);
    return (uint64_t)(uintptr_t)p == at;
}

static bool map_arena(void)
{
    static const int prot[ARENA_PAGES] = {
        PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE, PROT_READ, PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE
    };
    int fd = memfd_create("arena", 0);
    size_t len = ARENA_CODE_LEN + ARENA_PAGES * ARENA_PAGE;

    if (fd < 0 || ftruncate(fd, (off_t)len) != 0)
        return false;
    alias = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (alias == MAP_FAILED || !map_at(ARENA_CODE, ARENA_CODE_LEN, PROT_READ | PROT_EXEC, fd, 0))
        return false;
    for (unsigned n = 0; n < ARENA_PAGES; n++)
        if (!map_at(arena_page(n), ARENA_PAGE, prot[n], fd, ARENA_CODE_LEN + n * ARENA_PAGE))
            return false;
    native_clear_code();
    close(fd);
    return true;
}

bool native_taken(uint64_t at)
{
    unsigned char resident;

    return at < 1ull << 47 && mincore((void *)(uintptr_t)(at & ~(uint64_t)(ARENA_PAGE - 1)), ARENA_PAGE, &resident) == 0;
}

static bool map_area(void)
{
    if (!map_at(AREA_AT, AREA_LEN + ARENA_PAGE, PROT_READ | PROT_WRITE, -1, 0))
        return false;
    memcpy((void *)(uintptr_t)BLOB_AT, host_blob, (size_t)(host_blob_end - host_blob));
    return mprotect((void *)(uintptr_t)BLOB_AT, ARENA_PAGE, PROT_READ | PROT_EXEC) == 0;
}

/* ---- local descriptors ---- */

static const struct user_desc local[] = {
    { .entry_number = 0, .base_addr = ARENA_CODE, .limit = 0xffff, .contents = 2, .useable = 1 },             /* 07 */
    { .entry_number = 1, .base_addr = ARENA_DATA - 0x1000, .limit = 0xffff, .useable = 1 },                   /* 0F */
    { .entry_number = 2, .base_addr = ARENA_DATA, .limit = 0x1fff, .seg_32bit = 1, .useable = 1 },            /* 17 */
    { .entry_number = 3, .base_addr = ARENA_DATA, .limit = 0x0fff, .seg_32bit = 1, .contents = 1, .useable = 1 }, /* 1F */
    { .entry_number = 4, .base_addr = ARENA_DATA, .limit = 0x4fff, .seg_32bit = 1, .read_exec_only = 1 },     /* 27 */
    { .entry_number = 5, .base_addr = ARENA_DATA, .limit = 0x4fff, .seg_32bit = 1, .seg_not_present = 1 },    /* 2F */
    { .entry_number = 6, .limit = 0xfffff, .limit_in_pages = 1, .seg_32bit = 1, .contents = 2, .read_exec_only = 1 }, /* 37 */
    { .entry_number = 7, .base_addr = ARENA_DATA, .limit = 0xfff, .contents = 1 },                            /* 3F */
};

static bool open_ldt(void)
{
    uint64_t table[COUNT_OF(local)];

    for (unsigned n = 0; n < COUNT_OF(local); n++)
        if (syscall(SYS_modify_ldt, 0x11, &local[n], sizeof local[n]) != 0)
            return false;
    return syscall(SYS_modify_ldt, 0, table, sizeof table) == (long)sizeof table && memcmp(table, arena_ldt, sizeof table) == 0;
}

/* ---- faults ---- */

/* Runs with the tested program's FS base: nothing here may use thread-local storage. */
BARE static void on_signal(int number, siginfo_t *info, void *context)
{
    ucontext_t *u = context;
    greg_t *g = u->uc_mcontext.gregs;

    (void)info;
    if (!area->inside) {
        signal(number, SIG_DFL);        /* not the tested code: happens again and ends the process */
        return;
    }
    area->sig_rip = (uint64_t)g[REG_RIP];
    area->sig_flags = (uint64_t)g[REG_EFL];
    area->sig_cr2 = (uint64_t)g[REG_CR2];
    area->sig_error = (uint64_t)g[REG_ERR];
    area->sig_vector = (uint32_t)g[REG_TRAPNO];
    area->sig_cs = (uint32_t)g[REG_CSGSFS] & 0xffff;
    area->sig_ss = (uint32_t)((uint64_t)g[REG_CSGSFS] >> 48);
    g[REG_RIP] = BLOB_AT + (host_blob_exit - host_blob);
    g[REG_EFL] = 0x202;
    g[REG_CSGSFS] = (greg_t)(((uint64_t)g[REG_CSGSFS] & 0x0000ffffffff0000u) | CASE_CS64 | (uint64_t)CASE_DS << 48);
}

static bool catch_signals(void)
{
    static const int numbers[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP };
    const size_t len = 256 * 1024;
    void *stack = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    const stack_t alternate = { .ss_sp = stack, .ss_size = len };
    struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK };

    if (stack == MAP_FAILED || sigaltstack(&alternate, NULL) != 0)
        return false;
    for (unsigned n = 0; n < COUNT_OF(numbers); n++)
        if (sigaction(numbers[n], &action, NULL) != 0)
            return false;
    return true;
}

/* ---- what the host is ---- */

static bool native_has_pku;         /* and the kernel uses it */

static uint32_t read_pkru(void)
{
    uint32_t v = 0, high;

    if (native_has_pku)
        __asm__ volatile("rdpkru" : "=a"(v), "=d"(high) : "c"(0));
    return v;
}

static void write_pkru(uint32_t v)
{
    if (native_has_pku)
        __asm__ volatile("wrpkru" : : "a"(v), "c"(0), "d"(0));
}

static uint32_t host_xcr0(void)
{
    uint32_t low, high;

    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

bool native_is_intel(void)
{
    return __builtin_cpu_is("intel");
}

bool native_avx512(void)
{
    return (host_xcr0() & 0xe0) == 0xe0;
}

static void touch_pages(void);

/* AddressSanitizer keeps its shadow where cases want memory: with it there is no oracle, only what the corpus recorded. */
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED true
#endif
#endif
#ifndef SANITIZED
#define SANITIZED false
#endif

bool native_open(void)
{
    uint64_t fs = 0;

    if (SANITIZED)
        return false;
    if (!__builtin_cpu_supports("avx") || !host_has(F_FSGSBASE))
        return false;
    if (prctl(PR_SET_DUMPABLE, 0) != 0 || !map_area() || !map_arena() || !catch_signals() || !open_ldt())
        return false;
    __asm__ volatile("rdfsbase %0" : "=r"(fs));
    area->host_fs = fs;
    area->mask = native_avx512() ? 0xe7 : 7;
    area->mxcsr = 0x1f80;
    native_has_pku = host_has(F_PKU) && (host_xcr0() & 0x200);
    touch_pages();
    return true;
}

/* ---- confinement ---- */

/* Shared pages are not mapped anew by fork(); a write to a page not yet read would look like one to a hole. */
static void touch_pages(void)
{
    for (unsigned n = 0; n < ARENA_PAGES; n++)
        (void)*(volatile uint8_t *)(uintptr_t)arena_page(n);
    for (unsigned at = 0; at < ARENA_CODE_LEN; at += ARENA_PAGE)
        (void)*(volatile uint8_t *)(uintptr_t)(ARENA_CODE + at);
}

/* A tested SYSCALL or INT 80h that slipped through must not do anything. */
bool native_confine(void)
{
    static const int allowed[] = {
        SYS_rt_sigreturn, SYS_write, SYS_mmap, SYS_munmap, SYS_brk, SYS_mremap, SYS_madvise, SYS_mincore, SYS_futex,
        SYS_exit_group
    };
    struct sock_filter filter[4 + COUNT_OF(allowed) + 2];
    struct sock_fprog program = { .filter = filter };
    unsigned n = 0, kinds = COUNT_OF(allowed);

    touch_pages();
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
    filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, (uint8_t)(kinds + 1));
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (unsigned k = 0; k < kinds; k++)
        filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)allowed[k], (uint8_t)(kinds - k), 0);
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 38);
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    program.len = (unsigned short)n;
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* ---- state in and out ---- */

/* The x87 registers stand in the XSAVE area by distance from TOP, its tags by physical number. */
static void state_in(const struct host_case *c)
{
    const struct host_regs *in = &c->in;
    uint8_t *x = area->xsave;
    const unsigned top = in->fsw >> 11 & 7;

    memcpy(x, &in->fcw, 2);
    memcpy(x + 2, &in->fsw, 2);
    x[4] = in->ftag;
    memcpy(x + 6, &in->fop, 2);
    memcpy(x + 8, &in->fip, 8);
    memcpy(x + 16, &in->fdp, 8);
    memcpy(x + 24, &in->mxcsr, 4);
    for (unsigned n = 0; n < 8; n++) {
        memcpy(x + 32 + 16 * n, &in->mant[(top + n) & 7], 8);
        memcpy(x + 40 + 16 * n, &in->se[(top + n) & 7], 2);
    }
    for (unsigned n = 0; n < 16; n++) {
        memcpy(x + 160 + 16 * n, in->zmm[n], 16);
        memcpy(x + 576 + 16 * n, &in->zmm[n][2], 16);
    }
    memset(x + 512, 0, 64);
    memcpy(x + 512, &area->mask, 4);
    if (area->mask & 0xe0) {
        memcpy(x + 1088, in->k, 64);
        for (unsigned n = 0; n < 16; n++)
            memcpy(x + 1152 + 32 * n, &in->zmm[n][4], 32);
        memcpy(x + 1664, in->zmm[16], 1024);
    }
    memcpy(area->gpr, in->gpr, sizeof in->gpr);
    for (unsigned n = 0; n < 6; n++)
        area->seg[n] = in->seg[n];
    area->frame[0] = in->rip;
    area->frame[1] = in->seg[SEG_CS];
    area->frame[2] = in->rflags;
    area->frame[3] = in->gpr[RSP];
    area->frame[4] = in->seg[SEG_SS];
    area->narrow = in->seg[SEG_SS] == 0x0f;
    area->far_jump[0] = (uint32_t)in->rip;
    area->far_jump[1] = in->seg[SEG_CS];
    area->fs_base = in->fs_base;
    area->gs_base = in->gs_base;
}

static void state_out(const struct host_case *c, struct host_regs *r)
{
    const uint8_t *x = area->xsave;
    unsigned top;

    memcpy(&r->fcw, x, 2);
    memcpy(&r->fsw, x + 2, 2);
    top = r->fsw >> 11 & 7;
    r->ftag = x[4];
    r->pad = 0;
    memcpy(&r->fop, x + 6, 2);
    memcpy(&r->fip, x + 8, 8);
    memcpy(&r->fdp, x + 16, 8);
    memcpy(&r->mxcsr, x + 24, 4);
    for (unsigned n = 0; n < 8; n++) {
        memcpy(&r->mant[(top + n) & 7], x + 32 + 16 * n, 8);
        memcpy(&r->se[(top + n) & 7], x + 40 + 16 * n, 2);
    }
    for (unsigned n = 0; n < 16; n++) {
        memcpy(r->zmm[n], x + 160 + 16 * n, 16);
        memcpy(&r->zmm[n][2], x + 576 + 16 * n, 16);
        memcpy(&r->zmm[n][4], x + 1152 + 32 * n, 32);
    }
    if (area->mask & 0xe0) {
        memcpy(r->k, x + 1088, 64);
        memcpy(r->zmm[16], x + 1664, 1024);
    } else {
        memset(r->k, 0, sizeof r->k);
        memset(&r->zmm[16], 0, 1024);
    }
    memcpy(r->gpr, area->gpr, sizeof r->gpr);
    for (unsigned n = 0; n < 6; n++)
        r->seg[n] = (uint16_t)area->seg[n];
    r->seg[SEG_CS] = c->in.seg[SEG_CS];
    r->fs_base = area->fs_base;
    r->gs_base = area->gs_base;
    r->rflags = area->flags;
    r->pkru = native_has_pku ? read_pkru() : c->in.pkru;
}

/* ---- the code ---- */

/* Behind the tested bytes: a jump to the storing half. Returns how many bytes were put. */
static unsigned put_code(const struct host_case *c)
{
    uint8_t *to = alias + (c->at - ARENA_CODE);
    uint32_t target = BLOB_AT + (uint32_t)(host_blob_exit - host_blob);
    unsigned room = ARENA_CODE_LEN - (c->at - ARENA_CODE), len = c->code_len;
    uint8_t jump[8] = { 0xe9 };
    unsigned jump_len = 5;

    if (c->mode == CASE_64) {
        uint32_t disp = target - (c->at + len + 5);

        memcpy(jump + 1, &disp, 4);
    } else {
        jump_len = 0;
        if (c->mode == CASE_16)
            jump[jump_len++] = 0x66;
        jump[jump_len++] = 0xea;
        memcpy(jump + jump_len, &target, 4);
        jump[jump_len + 4] = CASE_CS64;
        jump[jump_len + 5] = 0;
        jump_len += 6;
    }
    memcpy(to, c->code, len);
    if (len + jump_len <= room) {
        memcpy(to + len, jump, jump_len);
        len += jump_len;
    }
    return len;
}

static bool in_code(const struct host_case *c, uint64_t rip)
{
    uint64_t lin = rip + case_cs_base(c);

    return lin >= c->at && lin < (uint64_t)c->at + c->code_len;
}

/* See model.c: whatever stops the program outside the tested bytes only says where it had gone. */
static void signal_out(const struct host_case *c, struct host_out *out)
{
    uint64_t rip = area->sig_rip;

    out->regs.rip = rip;
    out->regs.rflags = area->sig_flags;
    out->regs.seg[SEG_CS] = (uint16_t)area->sig_cs;
    out->regs.seg[SEG_SS] = (uint16_t)area->sig_ss;
    out->vector = (uint8_t)area->sig_vector;
    out->error = (uint32_t)area->sig_error;
    out->cr2 = out->vector == 14 ? area->sig_cr2 : 0;
    if (out->vector == 3 && !in_code(c, rip - 1)) {
        out->regs.rip--;
        out->vector = CASE_COMPLETED;
    } else if (out->vector == 1 && rip >= BLOB_AT && rip < BLOB_AT + ARENA_PAGE) {
        out->regs.rip = c->in.rip + c->code_len;    /* TF was set by the tested code: the jump behind it trapped */
        out->regs.seg[SEG_CS] = c->in.seg[SEG_CS];
        out->vector = CASE_COMPLETED;
    } else if (out->vector != 1 && out->vector != 3 && out->vector != 4 && !in_code(c, rip)) {
        out->vector = CASE_COMPLETED;
    }
    if (out->vector == CASE_COMPLETED)
        out->error = 0, out->cr2 = 0;
}

BARE void native_run(const struct host_case *c, struct host_out *out)
{
    unsigned len = put_code(c);
    void (*enter)(void) = (void (*)(void))(uintptr_t)BLOB_AT;

    state_in(c);
    area->sig_vector = CASE_COMPLETED;
    area->inside = 1;
    enter();
    area->inside = 0;
    state_out(c, &out->regs);
    if (out->regs.pkru != c->in.pkru)
        write_pkru(c->in.pkru);
    out->vector = CASE_COMPLETED;
    out->error = 0;
    out->cr2 = 0;
    out->regs.rip = c->in.rip + c->code_len;
    if (area->sig_vector != CASE_COMPLETED)
        signal_out(c, out);
    memset(alias + (c->at - ARENA_CODE), 0xcc, len);
}

#else

bool native_open(void) { return false; }
bool native_avx512(void) { return false; }
bool native_is_intel(void) { return false; }
bool native_taken(uint64_t at) { (void)at; return false; }
void native_clear_code(void) { }
uint8_t *native_page(unsigned n) { (void)n; return NULL; }
void native_run(const struct host_case *c, struct host_out *out) { (void)c; (void)out; }
bool native_confine(void) { return false; }

#endif
