/* SPDX-License-Identifier: MIT
 * A small assembler of one routine per run: load all state by RIP-relative addresses, the instruction under test, store all
 * state. A signal handler turns a fault of the tested instruction into a jump to the storing half. */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE         /* REG_RIP */
#endif
#include "tests/oracle/vec_host.h"

#if defined(__x86_64__) && defined(__linux__)

#include <cpuid.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

/* What the routine reads and writes; lies one page after the code. */
struct host_area {
    uint8_t  xsave[2752];       /* standard form; see `at_component` */
    uint64_t gpr[16];
    uint64_t flags, saved_rsp;
    uint32_t mxcsr, reserved[11];
} __attribute__((aligned(64)));

#define PAGE 4096u

static uint32_t components = 7;             /* XSAVE's mask: x87, SSE, AVX; opmasks and ZMM where the host has them */
static uint32_t at_component[8];            /* offsets of 5 to 7 */
static uint8_t *pages;                      /* code, area, a hole, memory, a hole */
static struct host_area *area;
static uint8_t *memory;
static uint8_t *at, *insn_at, *after;       /* assembling; the tested instruction; where its successor begins */
static volatile sig_atomic_t caught;

static void emit(const void *bytes, unsigned len)
{
    memcpy(at, bytes, len);
    at += len;
}

/* Opcode bytes, then a ModRM of [RIP+disp32] with `reg`, to `target`. */
static void emit_rip(const char *opcode, unsigned len, unsigned reg, const void *target)
{
    uint8_t modrm = (uint8_t)(5 | (reg & 7) << 3);
    int32_t disp;

    emit(opcode, len);
    emit(&modrm, 1);
    disp = (int32_t)((const uint8_t *)target - (at + 4));
    emit(&disp, 4);
}

static void emit_mask(void)
{
    emit("\xb8", 1);                        /* mov eax, components; xor edx, edx */
    emit(&components, 4);
    emit("\x31\xd2", 2);
}

static void emit_gprs(uint8_t opcode)
{
    for (unsigned n = 0; n < 16; n++) {
        const char bytes[2] = { (char)(n < 8 ? 0x48 : 0x4c), (char)opcode };

        if (n != 4)
            emit_rip(bytes, 2, n, &area->gpr[n]);
    }
}

static void assemble(const uint8_t *bytes, unsigned len)
{
    at = pages;
    emit("\x53\x55\x41\x54\x41\x55\x41\x56\x41\x57", 10);      /* push rbx, rbp, r12-r15 */
    emit_rip("\x48\x89", 2, 4, &area->saved_rsp);
    emit_mask();
    emit_rip("\x48\x0f\xae", 3, 5, area->xsave);                /* xrstor64 */
    emit_rip("\xff", 1, 6, &area->flags);                       /* push */
    emit("\x9d", 1);                                            /* popfq */
    emit_gprs(0x8b);
    insn_at = at;
    emit(bytes, len);
    after = at;
    emit_gprs(0x89);
    emit("\x9c", 1);                                            /* pushfq */
    emit_rip("\x8f", 1, 0, &area->flags);                       /* pop */
    emit_mask();
    emit_rip("\x48\x0f\xae", 3, 4, area->xsave);                /* xsave64 */
    emit("\xdb\xe3", 2);                                        /* fninit */
    emit_rip("\x0f\xae", 2, 2, &area->mxcsr);                   /* ldmxcsr */
    emit("\xc5\xf8\x77\xfc", 4);                                /* vzeroupper; cld */
    emit_rip("\x48\x8b", 2, 4, &area->saved_rsp);
    emit("\x41\x5f\x41\x5e\x41\x5d\x41\x5c\x5d\x5b\xc3", 11);
}

static void on_signal(int number, siginfo_t *info, void *context)
{
    ucontext_t *u = context;
    greg_t *rip = &u->uc_mcontext.gregs[REG_RIP];

    (void)info;
    if ((uint8_t *)*rip != insn_at) {
        signal(number, SIG_DFL);            /* not ours: happens again and ends the program */
        return;
    }
    caught = number;
    *rip = (greg_t)after;
}

static void find_components(void)
{
    uint32_t size, ebx, ecx, edx;

    if (!__builtin_cpu_supports("avx512f"))
        return;
    components = 0xe7;
    for (unsigned n = 5; n < 8; n++)
        __cpuid_count(0xd, n, size, at_component[n], ecx, edx);
    (void)size, (void)ebx, (void)ecx, (void)edx;
}

static bool map_pages(void)
{
    if (pages)
        return true;
    if (!__builtin_cpu_supports("avx"))
        return false;
    find_components();
    pages = mmap(NULL, 5 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) {
        pages = NULL;
        return false;
    }
    area = (struct host_area *)(pages + PAGE);
    memory = pages + 3 * PAGE;
    mprotect(pages + 2 * PAGE, PAGE, PROT_NONE);
    mprotect(pages + 4 * PAGE, PAGE, PROT_NONE);
    return true;
}

/* The handlers are set every time: cmocka puts its own before each test. */
bool vec_host_open(void)
{
    const struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK };

    if (!map_pages())
        return false;
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    sigaction(SIGILL, &action, NULL);
    sigaction(SIGFPE, &action, NULL);
    return true;
}

uint64_t vec_host_memory(void)
{
    return (uint64_t)(uintptr_t)memory;
}

enum vendor vec_host_vendor(void)
{
    uint32_t r[4] = { 0 };

    __get_cpuid(0, &r[0], &r[1], &r[2], &r[3]);
    return r[1] == signature_AMD_ebx ? VENDOR_AMD : VENDOR_INTEL;
}

/* The x87 registers stand in the XSAVE area by distance from TOP, its tags by physical number. */
static void area_load(const struct vec_state *s)
{
    uint8_t *x = area->xsave;
    const unsigned top = s->fsw >> 11 & 7;

    memset(x, 0, sizeof area->xsave);
    memcpy(x, &s->fcw, 2);
    memcpy(x + 2, &s->fsw, 2);
    x[4] = s->ftag;
    memcpy(x + 24, &s->mxcsr, 4);
    for (unsigned n = 0; n < 8; n++) {
        memcpy(x + 32 + 16 * n, &s->mant[(top + n) & 7], 8);
        memcpy(x + 40 + 16 * n, &s->se[(top + n) & 7], 2);
    }
    for (unsigned n = 0; n < 16; n++) {
        memcpy(x + 160 + 16 * n, s->zmm[n], 16);
        memcpy(x + 576 + 16 * n, s->zmm[n] + 16, 16);
    }
    x[512] = (uint8_t)components;           /* XSTATE_BV */
    if (components == 7)
        return;
    memcpy(x + at_component[5], s->k, sizeof s->k);
    for (unsigned n = 0; n < 16; n++)
        memcpy(x + at_component[6] + 32 * n, s->zmm[n] + 32, 32);
    memcpy(x + at_component[7], s->zmm[16], 16 * 64);
}

static void gprs_load(const struct vec_state *s)
{
    memcpy(area->gpr, s->gpr, sizeof s->gpr);
    area->flags = s->flags | 0x202;
    area->mxcsr = 0x1f80;
}

/* A component that is not in use was not written. */
static void take(void *to, const uint8_t *from, unsigned bytes, bool in_use)
{
    if (in_use)
        memcpy(to, from, bytes);
    else
        memset(to, 0, bytes);
}

static void area_store(struct vec_state *s)
{
    const uint8_t *x = area->xsave;
    unsigned top;

    memcpy(&s->fcw, x, 2);
    memcpy(&s->fsw, x + 2, 2);
    top = s->fsw >> 11 & 7;
    s->ftag = x[4];
    memcpy(&s->mxcsr, x + 24, 4);
    for (unsigned n = 0; n < 8; n++) {
        memcpy(&s->mant[(top + n) & 7], x + 32 + 16 * n, 8);
        memcpy(&s->se[(top + n) & 7], x + 40 + 16 * n, 2);
    }
    for (unsigned n = 0; n < 16; n++) {
        memcpy(s->zmm[n], x + 160 + 16 * n, 16);
        take(s->zmm[n] + 16, x + 576 + 16 * n, 16, x[512] & 4);
    }
    if (components != 7) {
        take(s->k, x + at_component[5], sizeof s->k, x[512] & 0x20);
        for (unsigned n = 0; n < 16; n++)
            take(s->zmm[n] + 32, x + at_component[6] + 32 * n, 32, x[512] & 0x40);
        take(s->zmm[16], x + at_component[7], 16 * 64, x[512] & 0x80);
    }
    area->gpr[4] = s->gpr[4];
    memcpy(s->gpr, area->gpr, sizeof s->gpr);
    s->flags = area->flags & 0x8d5;
}

void vec_host_run(struct vec_state *s, const uint8_t *bytes, unsigned len)
{
    void (*routine)(void);

    assemble(bytes, len);
    area_load(s);
    gprs_load(s);
    memcpy(memory, s->mem, VEC_HOST_MEMORY);
    caught = 0;
    memcpy(&routine, &pages, sizeof routine);
    routine();
    area_store(s);
    memcpy(s->mem, memory, VEC_HOST_MEMORY);
    s->signal = caught;
}

#else

bool vec_host_open(void) { return false; }
enum vendor vec_host_vendor(void) { return VENDOR_INTEL; }
uint64_t vec_host_memory(void) { return 0; }
void vec_host_run(struct vec_state *s, const uint8_t *bytes, unsigned len) { (void)s; (void)bytes; (void)len; }

#endif
