/* SPDX-License-Identifier: MIT
 * Registers by the names that gdb has for them, and the others by ours. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/attrs.h"
#include "base/bytes.h"
#include "base/invariant.h"
#include "machine/debug_internal.h"

enum kind { NAMED, ST, X87, XMM, YMM_HIGH, ZMM_HIGH, OPMASK, MXCSR, AN_MSR };

/* Index of X87: where it lies in the area of cpu_legacy_state(), or that it is the tags. */
enum { FCW = 0, FSW = 2, TAGS = 4, FOP = 6, FIP = 8, FCS = 12, FDP = 16, FDS = 20, AREA_MXCSR = 24, AREA_ST = 32 };

/* gdb's order; a segment register's other parts are among the system registers. */
static const struct debug_reg first_regs[] = {
#define N(name, reg, bits) { name, DEBUG_CORE, bits, NAMED, CPU_REG_##reg }
    N("rax", RAX, 64), N("rbx", RBX, 64), N("rcx", RCX, 64), N("rdx", RDX, 64), N("rsi", RSI, 64), N("rdi", RDI, 64),
    N("rbp", RBP, 64), N("rsp", RSP, 64), N("r8", R8, 64), N("r9", R9, 64), N("r10", R10, 64), N("r11", R11, 64),
    N("r12", R12, 64), N("r13", R13, 64), N("r14", R14, 64), N("r15", R15, 64), N("rip", RIP, 64), N("eflags", RFLAGS, 32),
    N("cs", CS, 32), N("ss", SS, 32), N("ds", DS, 32), N("es", ES, 32), N("fs", FS, 32), N("gs", GS, 32),
#undef N
#define R(name, n) { name, DEBUG_X87, 80, ST, n }
    R("st0", 0), R("st1", 1), R("st2", 2), R("st3", 3), R("st4", 4), R("st5", 5), R("st6", 6), R("st7", 7),
#undef R
    { "fctrl", DEBUG_X87, 32, X87, FCW }, { "fstat", DEBUG_X87, 32, X87, FSW }, { "ftag", DEBUG_X87, 32, X87, TAGS },
    { "fiseg", DEBUG_X87, 32, X87, FCS }, { "fioff", DEBUG_X87, 32, X87, FIP }, { "foseg", DEBUG_X87, 32, X87, FDS },
    { "fooff", DEBUG_X87, 32, X87, FDP }, { "fop", DEBUG_X87, 32, X87, FOP },
};

/* ---- the table ---- */

static void add(struct debug *d, const char *name, enum debug_group group, unsigned bits, enum kind kind, uint32_t index)
{
    if (d->nregs % 128 == 0) {
        d->regs = realloc(d->regs, (d->nregs + 128) * sizeof *d->regs);
        invariant(d->regs != NULL, "out of memory for register names");
    }
    d->regs[d->nregs++] = (struct debug_reg){ name, group, (uint16_t)bits, (uint8_t)kind, index };
}

static char names_of_numbered[160][8];
static unsigned nnumbered;

static const char *numbered(const char *stem, unsigned n, const char *end)
{
    char *name = names_of_numbered[nnumbered++];

    invariant(nnumbered <= COUNT_OF(names_of_numbered), "too many registers");
    snprintf(name, sizeof names_of_numbered[0], "%.4s%u%.1s", stem, n % 100, end);
    return name;
}

static void add_row(struct debug *d, const char *stem, unsigned from, unsigned to, const char *end, enum debug_group group,
                    unsigned bits, enum kind kind)
{
    for (unsigned n = from; n < to; n++)
        add(d, numbered(stem, n, end), group, bits, kind, n);
}

/* All of regs.def that gdb does not have as its own. */
static void add_system(struct debug *d)
{
    for (unsigned reg = 0; reg < CPU_REG_COUNT; reg++) {
        const unsigned bits = cpu_reg_bits((enum cpu_reg)reg);

        if (debug_reg_find(d, cpu_reg_name((enum cpu_reg)reg)) == NULL && reg != CPU_REG_RFLAGS)
            add(d, cpu_reg_name((enum cpu_reg)reg), DEBUG_SYSTEM, bits == 16 ? 32 : bits, NAMED, reg);
    }
}

static void add_msrs(struct debug *d)
{
    static char names[64][32];
    const char *name;
    uint32_t msr;
    unsigned used = 0;

    for (unsigned n = 0; cpu_msr_named(n, &msr, &name); n++) {
        size_t k = 0;

        invariant(used < COUNT_OF(names), "too many MSRs with names");
        for (; name[k] != '\0' && k < sizeof names[0] - 1; k++)
            names[used][k] = (char)tolower((unsigned char)name[k]);
        names[used][k] = '\0';
        if (debug_reg_find(d, names[used]) == NULL)
            add(d, names[used++], DEBUG_MSR, 64, AN_MSR, msr);
    }
}

static void make(struct debug *d)
{
    nnumbered = 0;          /* the same names for every machine */
    for (unsigned n = 0; n < COUNT_OF(first_regs); n++)
        add(d, first_regs[n].name, first_regs[n].group, first_regs[n].bits, (enum kind)first_regs[n].kind, first_regs[n].index);
    add_row(d, "xmm", 0, 16, "", DEBUG_SSE, 128, XMM);
    add(d, "mxcsr", DEBUG_SSE, 32, MXCSR, 0);
    add(d, "fs_base", DEBUG_SEGMENT_BASES, 64, NAMED, CPU_REG_FS_BASE);
    add(d, "gs_base", DEBUG_SEGMENT_BASES, 64, NAMED, CPU_REG_GS_BASE);
    add_row(d, "ymm", 0, 16, "h", DEBUG_AVX, 128, YMM_HIGH);
    add_row(d, "xmm", 16, 32, "", DEBUG_AVX512, 128, XMM);
    add_row(d, "ymm", 16, 32, "h", DEBUG_AVX512, 128, YMM_HIGH);
    add_row(d, "k", 0, 8, "", DEBUG_AVX512, 64, OPMASK);
    add_row(d, "zmm", 0, 32, "h", DEBUG_AVX512, 256, ZMM_HIGH);
    add(d, "pkru", DEBUG_PKEYS, 32, NAMED, CPU_REG_PKRU);
    add_system(d);
    add_msrs(d);
}

const struct debug_reg *debug_regs(struct debug *d, unsigned *count)
{
    if (d->regs == NULL)
        make(d);
    *count = d->nregs;
    return d->regs;
}

const struct debug_reg *debug_reg_find(struct debug *d, const char *name)
{
    unsigned count = d->nregs;

    if (d->regs == NULL)
        (void)debug_regs(d, &count);
    for (unsigned n = 0; n < count; n++)
        if (strcmp(d->regs[n].name, name) == 0)
            return &d->regs[n];
    return NULL;
}

struct debug_reg debug_reg_of_msr(uint32_t msr)
{
    return (struct debug_reg){ .name = "msr", .group = DEBUG_MSR, .bits = 64, .kind = AN_MSR, .index = msr };
}

/* ---- x87 ---- */

static uint8_t *st_of(uint8_t *area, unsigned n)
{
    return area + AREA_ST + 16 * ((n + (load16(area + FSW) >> 11)) & 7);
}

/* SDM 1 "x87 FPU Tag Word": 0 valid, 1 zero, 2 special, 3 empty. */
static unsigned tag_of(const uint8_t *reg)
{
    const uint64_t mant = load64(reg);
    const unsigned exponent = load16(reg + 8) & 0x7fff;

    if (exponent == 0 && mant == 0)
        return 1;
    return exponent == 0 || exponent == 0x7fff || !(mant >> 63) ? 2 : 0;
}

static uint32_t tags_full(const uint8_t *area)
{
    uint32_t tags = 0;

    for (unsigned n = 0; n < 8; n++)
        tags |= (area[TAGS] >> n & 1 ? tag_of(area + AREA_ST + 16 * n) : 3u) << 2 * n;
    return tags;
}

static uint8_t tags_abridged(uint32_t tags)
{
    uint8_t used = 0;

    for (unsigned n = 0; n < 8; n++)
        used |= (uint8_t)((tags >> 2 * n & 3) != 3 ? 1u << n : 0);
    return used;
}

static bool is_offset(uint32_t index) { return index == FIP || index == FDP; }

static bool x87_read(struct cpu *cpu, const struct debug_reg *reg, uint8_t *out)
{
    uint8_t area[CPU_LEGACY_BYTES];

    cpu_legacy_state(cpu, area);
    if (reg->kind == ST)
        memcpy(out, st_of(area, reg->index), 10);
    else if (reg->kind == MXCSR)
        memcpy(out, area + AREA_MXCSR, 4);
    else if (reg->index == TAGS)
        store32(out, tags_full(area));
    else
        store32(out, is_offset(reg->index) ? load32(area + reg->index) : load16(area + reg->index));
    return true;
}

static bool x87_write(struct cpu *cpu, const struct debug_reg *reg, const uint8_t *value)
{
    uint8_t area[CPU_LEGACY_BYTES];

    cpu_legacy_state(cpu, area);
    if (reg->kind == ST)
        memcpy(st_of(area, reg->index), value, 10);
    else if (reg->kind == MXCSR)
        memcpy(area + AREA_MXCSR, value, 4);
    else if (reg->index == TAGS)
        area[TAGS] = tags_abridged(load32(value));
    else if (is_offset(reg->index))
        store32(area + reg->index, load32(value));
    else
        store16(area + reg->index, load16(value));
    return cpu_set_legacy_state(cpu, area);
}

/* ---- all ---- */

static uint8_t *vector_at(struct cpu *cpu, const struct debug_reg *reg)
{
    static const uint8_t part[] = { [XMM] = 0, [YMM_HIGH] = 16, [ZMM_HIGH] = 32 };

    return reg->kind == OPMASK ? (uint8_t *)cpu_opmask(cpu, reg->index)
                               : (uint8_t *)cpu_xmm(cpu, reg->index) + part[reg->kind];
}

bool debug_reg_read(struct debug *d, unsigned vp, const struct debug_reg *reg, uint8_t out[DEBUG_REG_BYTES])
{
    struct cpu *cpu = d->machine->vps[vp];
    uint64_t v;

    memset(out, 0, DEBUG_REG_BYTES);
    switch ((enum kind)reg->kind) {
    case NAMED:
        store64(out, cpu_reg(cpu, (enum cpu_reg)reg->index));
        return true;
    case ST: case X87: case MXCSR:
        return x87_read(cpu, reg, out);
    case AN_MSR:
        if (!cpu_read_msr(cpu, reg->index, &v))
            return false;
        store64(out, v);
        return true;
    default:
        memcpy(out, vector_at(cpu, reg), reg->bits / 8);
        return true;
    }
}

static bool write_reg(struct debug *d, unsigned vp, const struct debug_reg *reg, const uint8_t *value)
{
    struct cpu *cpu = d->machine->vps[vp];

    switch ((enum kind)reg->kind) {
    case NAMED:
        return cpu_set_reg(cpu, (enum cpu_reg)reg->index, reg->bits == 64 ? load64(value) : load32(value));
    case ST: case X87: case MXCSR:
        return x87_write(cpu, reg, value);
    case AN_MSR:
        return cpu_write_msr(cpu, reg->index, load64(value));
    default:
        memcpy(vector_at(cpu, reg), value, reg->bits / 8);
        return true;
    }
}

bool debug_reg_write(struct debug *d, unsigned vp, const struct debug_reg *reg, const uint8_t value[DEBUG_REG_BYTES])
{
    const bool done = debug_may_change(d) && write_reg(d, vp, reg, value);

    if (done)
        debug_changed(d);
    return done;
}
