/* SPDX-License-Identifier: MIT
 * Random bytes as code, in every mode and privilege: no guest may crash, hang or escape the emulator. Meant for builds with
 * sanitizers; each page is repeatable alone from its seed.
 *   random_pages [-n pages of each mode] [-m mode] [-s first seed]
 * The end of a page is a fault that finds no way on, HLT, or the turn's last instruction. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cpu/xsave.h"
#include "tests/cpu/fixture.h"

#define TURN 300u               /* instructions of one page */
#define HANG_SECONDS 300        /* of one page: then something loops */
#define SHADOW_TABLES 0x900000u /* page tables of the 32-bit modes */

static struct fixture f;
static uint64_t state;
static uint8_t *pristine;       /* RAM, and the processor, as a mode begins */
static struct cpu_private pristine_private;
static struct cpu_shared pristine_shared;
static unsigned mode_now;
static uint64_t seed_now;

static uint64_t random64(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state * 2685821657736338717ull;
}

static unsigned below(unsigned n) { return (unsigned)(random64() >> 33) % n; }

/* ---- modes ---- */

static void put32(uint64_t at, uint32_t v) { fixture_put(&f, at, &v, 4); }
static void put64(uint64_t at, uint64_t v) { fixture_put(&f, at, &v, 8); }

static void real(void) { fixture_mode(&f, FIXTURE_REAL); }
static void flat32(void) { fixture_mode(&f, FIXTURE_FLAT32); }
static void long64(void) { fixture_mode(&f, FIXTURE_LONG); }

static void flat32_user(void)
{
    flat32();
    fixture_privilege(&f, 3);
}

static void long64_user(void)
{
    long64();
    fixture_privilege(&f, 3);
}

static void segment16(struct cpu *cpu, unsigned seg, uint16_t selector, uint64_t base, uint32_t attr)
{
    cpu->p.seg_sel[seg] = selector;
    cpu->p.seg_base[seg] = base;
    cpu->p.seg_limit[seg] = 0xffff;
    cpu->p.seg_attr[seg] = attr;
}

static void protected16(void)
{
    flat32();
    segment16(f.cpu, SEG_CS, 0x18, FIXTURE_CODE, 0x9b);
    segment16(f.cpu, SEG_SS, 0x10, FIXTURE_STACK - 0x8000, 0x93);
    f.cpu->p.rip = 0;
    f.cpu->s.gpr[RSP] = 0x7ff0;
}

static void virtual86(void)
{
    flat32_user();
    for (unsigned seg = SEG_ES; seg <= SEG_GS; seg++)
        segment16(f.cpu, seg, FIXTURE_CODE >> 4, FIXTURE_CODE, 0xf3);
    f.cpu->p.rip = 0;
    f.cpu->s.gpr[RSP] = 0x7ff0;
    f.cpu->p.rflags |= FLAG_VM;
}

static void compatible(void)
{
    long64_user();
    f.cpu->p.seg_sel[SEG_CS] = 0x33;
    f.cpu->p.seg_attr[SEG_CS] = 0xc0fb;
}

static void paged32(void)
{
    flat32();
    for (uint32_t n = 0; n < 1024; n++)
        put32(SHADOW_TABLES + 4 * n, n << 22 | 0x87);
    f.cpu->p.cr3 = SHADOW_TABLES;
    f.cpu->p.cr4 = CR4_PSE;
    f.cpu->p.cr0 |= CR0_PG;
}

static void paged_pae(void)
{
    flat32();
    for (uint64_t n = 0; n < 2048; n++)
        put64(SHADOW_TABLES + 0x1000 + 8 * n, n << 21 | 0x87);
    for (unsigned n = 0; n < 4; n++)
        f.cpu->p.pdpte[n] = (SHADOW_TABLES + 0x1000 + n * 0x1000) | 1;
    f.cpu->p.cr4 = CR4_PAE;
    f.cpu->p.cr0 |= CR0_PG;
}

static const struct { const char *name; void (*enter)(void); } modes[] = {
    { "real", real }, { "virtual86", virtual86 }, { "protected16", protected16 }, { "flat32", flat32 },
    { "flat32-user", flat32_user }, { "paged32", paged32 }, { "pae", paged_pae }, { "compatible", compatible },
    { "long64", long64 }, { "long64-user", long64_user },
};

/* ---- one page ---- */

/* Written pages go back to what they were. */
static void restore_ram(void)
{
    struct ram *ram = f.ram;
    uint8_t *end = ram->dirty + (ram->len >> PAGE_SHIFT);

    for (uint8_t *d = ram->dirty; (d = memchr(d, RAM_DIRTY, (size_t)(end - d))) != NULL; *d = 0) {
        const uint64_t at = (uint64_t)(d - ram->dirty) << PAGE_SHIFT;

        memcpy(ram->bytes + at, pristine + at, PAGE_SIZE);
    }
}

static void begin_mode(unsigned mode)
{
    cpu_reset(f.cpu, false);
    modes[mode].enter();
    memcpy(pristine, f.ram->bytes, f.ram->len);
    memset(f.ram->dirty, 0, f.ram->len >> PAGE_SHIFT);
    pristine_private = f.cpu->p;
    pristine_shared = f.cpu->s;
}

/* What an operating system would have switched on, more or less. */
static void random_controls(struct cpu *cpu)
{
    static const struct { enum feature needs; uint64_t cr4; } bits[] = {
        { F_VME, CR4_VME | CR4_PVI }, { F_DE, CR4_DE }, { F_PGE, CR4_PGE }, { F_FXSR, CR4_OSFXSR | CR4_OSXMMEXCPT },
        { F_XSAVE, CR4_OSXSAVE }, { F_UMIP, CR4_UMIP }, { F_PKU, CR4_PKE }, { F_SMEP, CR4_SMEP }, { F_SMAP, CR4_SMAP },
        { F_FSGSBASE, CR4_FSGSBASE },
    };

    for (unsigned n = 0; n < COUNT_OF(bits); n++)
        if (cpu_has(cpu, bits[n].needs) && below(4))
            cpu->p.cr4 |= bits[n].cr4;
    if (cpu->p.cr4 & CR4_OSXSAVE)
        cpu->s.xcr0 = below(4) ? xsave_supported(cpu, false) : 7;
    if (below(4) == 0)
        cpu->p.dr7 = random64() & 0xffff07ff;
    for (unsigned n = 0; n < 4; n++)
        cpu->s.dr[n] = FIXTURE_CODE + below(0x2000);
}

static void random_registers(struct cpu *cpu)
{
    for (unsigned n = 0; n < 16; n++) {
        if (n == RSP)
            continue;
        cpu->s.gpr[n] = below(3) ? FIXTURE_DATA + below(0x10000) : random64() >> below(64);
        if (!(cpu->p.efer & EFER_LMA))
            cpu->s.gpr[n] = (uint32_t)cpu->s.gpr[n];
    }
    for (unsigned n = 0; n < COUNT_OF(cpu->s.zmm); n++)
        cpu->s.zmm[n] = random64();
    for (unsigned n = 0; n < 8; n++)
        cpu->s.k[n] = random64();
    cpu->s.mxcsr = (uint32_t)random64() & 0xffff;
    cpu_set_rflags(cpu, (uint32_t)cpu->p.rflags | ((uint32_t)random64() & (FLAGS_ARITH | FLAG_DF | FLAG_AC | FLAG_IF)) |
                        (cpu->p.rflags & FLAG_VM ? (uint32_t)random64() & FLAG_IOPL : 0));
}

static void random_code(uint64_t at)
{
    uint64_t page[PAGE_SIZE / 8];

    for (unsigned n = 0; n < COUNT_OF(page); n++)
        page[n] = random64();
    fixture_put(&f, at, page, sizeof page);
}

/* A fault halts in its handler; then the page goes on from another place, a few times. */
static void run_page(unsigned mode, uint64_t seed)
{
    struct cpu *cpu = f.cpu;
    uint64_t begin;

    mode_now = mode;
    seed_now = seed;
    state = seed * 0x9e3779b97f4a7c15ull + mode + 1;
    restore_ram();
    cpu->p = pristine_private;
    cpu->s = pristine_shared;
    random_registers(cpu);
    random_controls(cpu);
    cpu_mode_changed(cpu);
    cpu_drop_caches(cpu);
    random_code(cpu->p.seg_base[SEG_CS] + cpu->p.rip);
    begin = cpu->p.rip;
    for (unsigned again = 0; again < 8; again++) {
        cpu_run(cpu, TURN);
        if (cpu->p.activity == CPU_RUNNING || cpu->p.activity == CPU_SHUTDOWN)
            break;
        cpu->p = pristine_private;              /* halted in a handler: the next stretch of the page */
        cpu->p.rip = begin + below(PAGE_SIZE - 16);
        cpu_set_rflags(cpu, (uint32_t)cpu->p.rflags);
        cpu_mode_changed(cpu);
        tlb_flush_all(cpu);
    }
}

/* ---- all of them ---- */

static void tell_where(void *arg)
{
    (void)arg;
    fprintf(stderr, "random_pages: -m %s -s %llu -n 1\n", modes[mode_now].name, (unsigned long long)seed_now);
}

static unsigned mode_named(const char *name)
{
    for (unsigned n = 0; n < COUNT_OF(modes); n++)
        if (strcmp(modes[n].name, name) == 0)
            return n;
    fprintf(stderr, "random_pages: no mode '%s'\n", name);
    exit(2);
}

int main(int argc, char **argv)
{
    const char *wish = getenv("PARTITA_RANDOM_PAGES");
    uint64_t pages = wish ? strtoull(wish, NULL, 10) : 1500, first = 1;
    unsigned from = 0, to = COUNT_OF(modes);
    int option;

    while ((option = getopt(argc, argv, "n:m:s:")) != -1) {
        if (option == 'n')
            pages = strtoull(optarg, NULL, 10);
        else if (option == 's')
            first = strtoull(optarg, NULL, 10);
        else if (option == 'm')
            from = mode_named(optarg), to = from + 1;
        else
            return 2;
    }
    fixture_open(&f);
    invariant_on_failure(tell_where, NULL);
    pristine = malloc(f.ram->len);
    if (pristine == NULL)
        return 2;
    for (unsigned mode = from; mode < to; mode++) {
        begin_mode(mode);
        for (uint64_t n = 0; n < pages; n++) {
            alarm(HANG_SECONDS);
            run_page(mode, first + n);
        }
        printf("%s: %llu pages\n", modes[mode].name, (unsigned long long)pages);
    }
    free(pristine);
    fixture_close(&f);
    return 0;
}
