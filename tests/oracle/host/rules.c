/* SPDX-License-Identifier: MIT */
#include "tests/oracle/host/rules.h"

#include <string.h>

#include "base/attrs.h"
#include "cpu/flags.h"
#include "tests/oracle/host/native.h"

bool rules_strict;
bool (*rules_lacking)(unsigned feature);

/* ---- never run ---- */

static const struct { uint16_t op; const char *why; } excluded_ops[] = {
    { OP_SYSCALL, "enters the kernel" }, { OP_SYSENTER, "enters the kernel" }, { OP_INT, "INT 80h enters the kernel" },
    { OP_RDTSC, "time" }, { OP_RDTSCP, "time" }, { OP_RDPMC, "a counter" }, { OP_RDPID, "which processor it runs on" },
    { OP_CPUID, "identity" }, { OP_RDRAND, "chance" }, { OP_RDSEED, "chance" },
    { OP_SGDT, "Linux emulates it under UMIP" }, { OP_SIDT, "Linux emulates it under UMIP" },
    { OP_SLDT, "Linux emulates it under UMIP" }, { OP_STR, "Linux emulates it under UMIP" },
    { OP_SMSW, "Linux emulates it under UMIP" },
    { OP_VMCALL, "a hypervisor above may answer" }, { OP_VMMCALL, "a hypervisor above may answer" },
    { OP_XGETBV, "XCR0 is the kernel's" },
    { OP_XSAVEOPT, "depends on what the processor tracks as modified" },
};

/* Encodings that Partita does not know and the host may: prefix bytes in any order are skipped before the match, one of them
 * may be asked for. */
static const struct { uint8_t len, bytes[3], mask2, prefix; const char *why; } excluded_bytes[] = {
    { 2, { 0x0f, 0x05 }, 0, 0, "SYSCALL" }, { 2, { 0x0f, 0x34 }, 0, 0, "SYSENTER" }, { 1, { 0xcd }, 0, 0, "INT" },
    { 2, { 0xc7, 0xf8 }, 0, 0, "XBEGIN" }, { 2, { 0xc6, 0xf8 }, 0, 0, "XABORT" },
    { 3, { 0x0f, 0x01, 0xc0 }, 0xc0, 0, "register forms of group 7: VMX, TSX, SGX, TDX, UINTR" },
    { 3, { 0x0f, 0x37, 0x00 }, 0x00, 0, "GETSEC" },
    { 3, { 0x0f, 0xae, 0x20 }, 0x38, 0xf3, "PTWRITE, which hypervisors hide with the rest of Processor Trace" },
    { 3, { 0x0f, 0x38, 0xf8 }, 0xff, 0xf2, "ENQCMD" }, { 3, { 0x0f, 0x38, 0xf8 }, 0xff, 0xf3, "ENQCMDS" },
};

/* AVX512-FP16 has its maps 5 and 6, and in map 3 what has no 66 prefix there (VCMPSH: F3). */
static bool half_precision(const uint8_t *b, unsigned left)
{
    static const uint8_t opcodes[] = { 0x08, 0x0a, 0x26, 0x27, 0x56, 0x57, 0x66, 0x67, 0xc2 };
    unsigned map, pp;

    if (left < 5 || b[0] != 0x62)
        return false;
    map = b[1] & 15;
    pp = b[2] & 3;
    return map == 5 || map == 6 || (map == 3 && (pp == 0 || (pp == 2 && b[4] == 0xc2)) &&
                                    memchr(opcodes, b[4], sizeof opcodes) != NULL);
}

static bool legacy_prefix(const struct host_case *c, uint8_t byte)
{
    static const uint8_t prefixes[] = { 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3 };

    return memchr(prefixes, byte, sizeof prefixes) != NULL || (c->mode == CASE_64 && (byte & 0xf0) == 0x40);
}

/* LDTILECFG, STTILECFG and TILERELEASE, the tiles' loads and stores, and their products. */
static bool tiles(const uint8_t *b, unsigned left)
{
    static const uint8_t opcodes[] = { 0x49, 0x4b, 0x5c, 0x5e, 0x6c };

    return left > 3 && b[0] == 0xc4 && (b[1] & 0x1f) == 2 && memchr(opcodes, b[3], sizeof opcodes) != NULL;
}

static const char *excluded_encoding(const struct host_case *c)
{
    const uint8_t *b = c->code;
    unsigned left = c->code_len;

    while (left > 1 && legacy_prefix(c, *b)) {
        b++;
        left--;
    }
    for (unsigned n = 0; n < COUNT_OF(excluded_bytes); n++) {
        unsigned len = excluded_bytes[n].len, prefix = excluded_bytes[n].prefix;

        if (left < len || memcmp(b, excluded_bytes[n].bytes, len < 2 ? len : 2) != 0)
            continue;
        if (prefix != 0 && memchr(c->code, (int)prefix, (size_t)(b - c->code)) == NULL)
            continue;
        if (len < 3 || (b[2] & excluded_bytes[n].mask2) == excluded_bytes[n].bytes[2])
            return excluded_bytes[n].why;
    }
    return half_precision(b, left) ? "AVX512-FP16" : tiles(b, left) ? "AMX" : NULL;
}

/* A lock over two cache lines stops the whole host, and hypervisors slow down who does it. */
static bool bus_lock(const struct host_case *c)
{
    const struct insn *i = &c->insn;
    uint64_t at;

    if (c->op == OP_COUNT || FORM_KIND(i->form, 0) != KIND_MEM || (!(i->flags & INSN_LOCK) && c->op != OP_XCHG))
        return false;
    at = case_effective(c);
    if ((c->op == OP_BTS || c->op == OP_BTR || c->op == OP_BTC) && FORM_KIND(i->form, 1) == KIND_REG) {
        unsigned shift = 64 - 8u * i->width;

        at += (uint64_t)((int64_t)(c->in.gpr[i->o[1] / 8 & 15] << shift) >> shift >> 3) & ~(uint64_t)(i->width - 1);
    }
    return (at & 63) + i->mem_bytes > 64;
}

/* Areas of several hundred bytes; which parts XSAVE finds in use is what the processor tracks (SDM 1 "XINUSE"). */
static bool state_area(unsigned op)
{
    return op == OP_XSAVE || op == OP_XSAVEC || op == OP_FXSAVE || op == OP_FXRSTOR || op == OP_XRSTOR;
}

/* Which of several faults XRSTOR raises, and how much of its area it reads, is the microcode's. */
static bool cut_restore(const struct host_case *c)
{
    uint64_t lin = case_effective(c), at = lin - ARENA_DATA, offset = lin - case_segment_base(c, c->insn.seg);
    bool narrow = c->mode != CASE_64 && (c->in.seg[c->insn.seg] == 0x17 || c->in.seg[c->insn.seg] == 0x1f);

    return c->op == OP_XRSTOR && (at + 2752 > 0x3000 || at > 0x3000 || (narrow && offset + 2752 > 0x2000));
}

/* The host has a jump behind the tested bytes, Partita CC as everywhere: neither data nor a place to jump to. */
static bool behind(const struct host_case *c, uint64_t at, uint64_t len)
{
    uint64_t first = (uint64_t)c->at + c->code_len;

    return at < first + NATIVE_TAIL && at + len > first;
}

/* The source of a string instruction, all of it; outside 64-bit mode CS may name the segment. */
static bool string_behind(const struct host_case *c)
{
    const struct insn *i = &c->insn;
    uint64_t mask = case_address_mask(i), at = (c->in.gpr[RSI] & mask) + case_segment_base(c, i->seg);
    uint64_t len = (i->flags & (INSN_REP | INSN_REPNE) ? c->in.gpr[RCX] & mask : 1) * i->width;

    return behind(c, c->in.rflags & FLAG_DF ? at - len : at, len + i->width);
}

static bool reads_behind(const struct host_case *c)
{
    uint64_t mask = case_address_mask(&c->insn), base;

    switch (c->op) {
    case OP_COUNT:
        return false;
    case OP_MOVS: case OP_CMPS: case OP_LODS: case OP_OUTS:
        return string_behind(c);
    case OP_XLAT:
        base = case_segment_base(c, c->insn.seg);
        return behind(c, base + ((c->in.gpr[RBX] + (uint8_t)c->in.gpr[RAX]) & mask), 1);
    case OP_FRSTOR: case OP_FLDENV: case OP_FXRSTOR: case OP_XRSTOR: case OP_MOVDIR64B:
        return behind(c, case_effective(c), 512);
    case OP_BT:
        return c->insn.modrm < 0xc0 && c->mode == CASE_16 && c->insn.seg == SEG_CS;
    default:
        if (case_vsib(c))               /* wherever its indices may lead */
            return c->mode == CASE_16 && c->insn.seg == SEG_CS;
        return c->insn.mem_bytes != 0 && behind(c, case_effective(c), c->insn.mem_bytes);
    }
}

/* With 32-bit addresses in 64-bit mode each part of an area wraps by itself, and which parts there are is the microcode's. */
static bool wrapped_area(const struct host_case *c)
{
    uint64_t offset = case_effective(c) - case_segment_base(c, c->insn.seg);
    bool x87 = c->op == OP_FNSTENV || c->op == OP_FLDENV || c->op == OP_FNSAVE || c->op == OP_FRSTOR;

    return c->mode == CASE_64 && c->insn.asize == 4 && offset + (x87 ? 108 : 2752) > 0xffffffff && (x87 || state_area(c->op));
}

const char *rules_excluded(const struct host_case *c)
{
    for (unsigned n = 0; n < COUNT_OF(excluded_ops); n++)
        if (excluded_ops[n].op == c->op)
            return excluded_ops[n].why;
    if (bus_lock(c))
        return "a bus lock";
    if (cut_restore(c))
        return "XRSTOR from bad pages";
    if (wrapped_area(c))
        return "a state area around the end of 32-bit addresses";
    if (reads_behind(c))
        return "reads the jump behind the code";
    if (c->op != OP_COUNT && c->insn.needs != F_BASE && rules_lacking != NULL && rules_lacking(c->insn.needs))
        return "a feature that only the host has";
    if (c->op == OP_COUNT)
        return excluded_encoding(c);
    return NULL;
}

static bool in_arena(uint64_t at)
{
    for (unsigned n = 0; n < ARENA_PAGES; n++)
        if (at - arena_page(n) < ARENA_PAGE)
            return true;
    return at - ARENA_CODE < ARENA_CODE_LEN;
}

const char *rules_beyond(const struct host_case *c, const struct host_out *model, bool (*taken)(uint64_t at))
{
    uint64_t rip = model->regs.rip + (model->regs.seg[SEG_CS] == CASE_CS16 ? ARENA_CODE : 0);     /* where it went to */

    if (c->mode != CASE_64 && model->vector == 14 && model->cr2 >> 32)
        return "Linux takes a 32-bit program's page fault above 4 GiB for an erratum and tries again for ever";
    if (model->vector == 14 && !in_arena(model->cr2) && taken(model->cr2))
        return "a hole that the tool itself has filled";
    if (model->vector == CASE_COMPLETED && rip != (uint64_t)c->at + c->code_len && behind(c, rip, 1))
        return "jumps into the jump behind the code";
    return NULL;
}

/* ---- undefined flags ---- */

enum {
    ALWAYS,         /* these flags */
    COUNT_NOT_0,    /* of a shift or rotation by other than 0 */
    ROTATION,       /* OF when the count is not 1 */
    SHIFT,          /* AF, OF when the count is not 1, CF when the count is the size or more */
    DOUBLE_SHIFT,   /* the same, and all when the count is more than the size */
};

#define CF FLAG_CF
#define PF FLAG_PF
#define AF FLAG_AF
#define ZF FLAG_ZF
#define SF FLAG_SF
#define OF FLAG_OF

static const struct { uint16_t op; uint8_t kind; uint16_t flags; } undefined[] = {
    { OP_AND, ALWAYS, AF }, { OP_OR, ALWAYS, AF }, { OP_XOR, ALWAYS, AF }, { OP_TEST, ALWAYS, AF },
    { OP_ROL, ROTATION, 0 }, { OP_ROR, ROTATION, 0 }, { OP_RCL, ROTATION, 0 }, { OP_RCR, ROTATION, 0 },
    { OP_SHL, SHIFT, 0 }, { OP_SHR, SHIFT, 0 }, { OP_SAR, SHIFT, 0 },
    { OP_SHLD, DOUBLE_SHIFT, 0 }, { OP_SHRD, DOUBLE_SHIFT, 0 },
    { OP_MUL, ALWAYS, SF | ZF | AF | PF }, { OP_IMUL, ALWAYS, SF | ZF | AF | PF }, { OP_IMUL1, ALWAYS, SF | ZF | AF | PF },
    { OP_DIV, ALWAYS, FLAGS_ARITH }, { OP_IDIV, ALWAYS, FLAGS_ARITH },
    { OP_BSF, ALWAYS, CF | OF | SF | AF | PF }, { OP_BSR, ALWAYS, CF | OF | SF | AF | PF },
    { OP_BT, ALWAYS, OF | SF | AF | PF }, { OP_BTS, ALWAYS, OF | SF | AF | PF }, { OP_BTR, ALWAYS, OF | SF | AF | PF },
    { OP_BTC, ALWAYS, OF | SF | AF | PF },
    { OP_AAA, ALWAYS, OF | SF | ZF | PF }, { OP_AAS, ALWAYS, OF | SF | ZF | PF }, { OP_AAM, ALWAYS, OF | AF | CF },
    { OP_AAD, ALWAYS, OF | AF | CF }, { OP_DAA, ALWAYS, OF }, { OP_DAS, ALWAYS, OF },
    { OP_ANDN, ALWAYS, AF | PF }, { OP_BLSI, ALWAYS, AF | PF }, { OP_BLSR, ALWAYS, AF | PF }, { OP_BLSMSK, ALWAYS, AF | PF },
    { OP_BEXTR, ALWAYS, AF | SF | PF }, { OP_BZHI, ALWAYS, AF | PF },
    { OP_LZCNT, ALWAYS, OF | SF | PF | AF }, { OP_TZCNT, ALWAYS, OF | SF | PF | AF },
};

static uint32_t shift_flags(const struct host_case *c, unsigned kind)
{
    const struct insn *i = &c->insn;
    unsigned slot = kind == DOUBLE_SHIFT ? 2 : 1, bits = i->width * 8u;
    unsigned count = (FORM_KIND(i->form, slot) == KIND_IMM ? (unsigned)i->imm : (unsigned)c->in.gpr[RCX]) & (bits == 64 ? 63 : 31);
    uint32_t flags = 0;

    if (count == 0)
        return 0;
    if (count != 1)
        flags |= OF;
    if (kind == ROTATION)
        return flags;
    flags |= AF;
    if (kind == SHIFT && count >= bits && c->op != OP_SAR)
        flags |= CF;
    if (kind == DOUBLE_SHIFT && count > bits)
        flags |= FLAGS_ARITH;
    return flags;
}

static int undefined_row(unsigned op)
{
    for (unsigned n = 0; n < COUNT_OF(undefined); n++)
        if (undefined[n].op == op)
            return (int)n;
    return -1;
}

static bool transcendental(unsigned op)
{
    switch (op) {
    case OP_FSIN: case OP_FCOS: case OP_FSINCOS: case OP_FPTAN: case OP_FPATAN: case OP_F2XM1: case OP_FYL2X: case OP_FYL2XP1:
        return true;
    default:
        return false;
    }
}

bool rules_unsteady(unsigned op)
{
    for (unsigned n = 0; n < COUNT_OF(excluded_ops); n++)
        if (excluded_ops[n].op == op)
            return true;
    return undefined_row(op) >= 0 || op == OP_POPF || op == OP_LSL || transcendental(op) || state_area(op);
}

uint32_t rules_undefined_flags(const struct host_case *c)
{
    int n = undefined_row(c->op);

    if (n < 0 || rules_strict)
        return 0;
    return undefined[n].kind == ALWAYS ? undefined[n].flags : shift_flags(c, undefined[n].kind);
}

/* ---- what cannot be compared ---- */

/* An interrupt's or a signal's IRET turns null selectors of another RPL into plain ones (SDM 2A "IRET"). */
static void plain_null(struct host_regs *r)
{
    static const uint8_t data[] = { SEG_ES, SEG_DS, SEG_FS, SEG_GS };

    for (unsigned n = 0; n < COUNT_OF(data); n++)
        if (r->seg[data[n]] < 4)
            r->seg[data[n]] = 0;
}

/* Limit 0 is that of selector 7Bh here; Linux keeps the processor's number there. */
static void same_limit(const struct host_case *c, struct host_out *host, struct host_out *model)
{
    unsigned to = c->insn.o[0] / 8 & 15;
    uint64_t limit = model->regs.gpr[to] & (c->insn.width == 2 ? 0xffff : 0xffffffff);

    if (c->op == OP_LSL && limit == 0 && (model->regs.rflags & FLAG_ZF))
        host->regs.gpr[to] = model->regs.gpr[to];
}

/* Sines and logarithms are good to one unit in the last place (SDM 1 "Transcendental Instruction Accuracy"), and rarely more
 * precisely known: their results may differ by one, and with them C1. Outside of their domains the results are undefined. */
static bool close80(uint64_t a, uint64_t b, uint16_t a_se, uint16_t b_se)
{
    const uint64_t one = 1ull << 63;

    return (a_se == b_se && a - b + 1 <= 2) || (a_se == b_se + 1 && a == one && b >= ~(uint64_t)1) ||
           (b_se == a_se + 1 && b == one && a >= ~(uint64_t)1) || (a_se + b_se == 1 && a - b + 1 <= 2);
}

/* F2XM1 from -1 to 1, FYL2XP1 from -(1 - sqrt(1/2)) to sqrt(1/2) - 1, which is a little more than a quarter. */
static bool outside(const struct host_case *c)
{
    unsigned exponent = c->in.se[c->in.fsw >> 11 & 7] & 0x7fff;

    return (c->op == OP_F2XM1 && exponent >= 0x3fff) || (c->op == OP_FYL2XP1 && exponent >= 0x3ffd);
}

static void last_place(const struct host_case *c, struct host_out *host, const struct host_out *model)
{
    struct host_regs *h = &host->regs;
    const struct host_regs *m = &model->regs;
    bool free = outside(c);

    if (!transcendental(c->op) || host->vector != model->vector)
        return;
    for (unsigned n = 0; n < 8; n++)
        if (free || close80(h->mant[n], m->mant[n], h->se[n], m->se[n])) {
            h->mant[n] = m->mant[n];
            h->se[n] = m->se[n];
        }
    h->fsw = (uint16_t)((h->fsw & ~0x200u) | (m->fsw & 0x200u));        /* C1 */
    if (!free)
        return;
    h->fsw = m->fsw;
    h->ftag = m->ftag;
    h->fop = m->fop;
    h->fdp = m->fdp;
}

/* An area of several hundred bytes: which bad page of it is met first is the microcode's. */
static void area_fault(const struct host_case *c, struct host_out *host, struct host_out *model)
{
    if (state_area(c->op) && c->op != OP_XRSTOR && host->vector == 14 && model->vector == 14 && (uint32_t)(host->cr2 - model->cr2) + 4096 < 8192) {
        host->cr2 = model->cr2;
        host->error = model->error;
    }
}

/* What XRSTOR has loaded when it finds a reserved bit of MXCSR the manual leaves open. */
static void half_restored(const struct host_case *c, struct host_out *host, const struct host_out *model)
{
    uint64_t rip = host->regs.rip, flags = host->regs.rflags;

    if (c->op != OP_XRSTOR || host->vector != 13 || model->vector != 13)
        return;
    host->regs = model->regs;
    host->regs.rip = rip;
    host->regs.rflags = flags;
}

void rules_normalise(const struct host_case *c, struct host_out *host, struct host_out *model)
{
    struct host_out *both[2] = { host, model };

    for (unsigned n = 0; n < 2; n++) {
        struct host_out *o = both[n];

        if (o->vector == CASE_COMPLETED)
            o->regs.rflags &= ~(uint64_t)FLAG_RF;
        o->regs.rflags &= ~rules_undefined_flags(c);
        if (o->vector == 14 && o->cr2 >= 0x7ffffffff000)    /* Linux shows the kernel's half as if all of it were mapped */
            o->error |= 1;
        if (o->vector == 16 || o->vector == 19)
            o->error = 0;
        plain_null(&o->regs);
        if (o->regs.seg[SEG_CS] != CASE_CS64)       /* compatibility mode does not say what the upper half is */
            o->regs.gpr[RSP] = (uint32_t)o->regs.gpr[RSP];
        o->regs.fip = (uint64_t)((int64_t)(o->regs.fip << 16) >> 16);   /* LA57 would make it 57 bits */
    }
    same_limit(c, host, model);
    area_fault(c, host, model);
    half_restored(c, host, model);
    last_place(c, host, model);
}
