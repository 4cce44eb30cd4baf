/* SPDX-License-Identifier: MIT
 * x87 loads, stores, constants, exchanges and stack management, with the integer and packed decimal conversions. */
#include "cpu/exec_x87.h"

/* ---- loads ---- */

/* Push the result of a load; a full stack gives the indefinite instead. */
static void push_loaded(struct cpu *cpu, const struct insn *i, const struct fp_env *e, struct fp80 v)
{
    if (!x87_empty(cpu, 7)) {
        if (x87_stack_fault(cpu, i, true))
            x87_push(cpu, x87_indefinite);
        return;
    }
    x87_finish(cpu, i, e);
    if (!(e->flags & ~e->masked & FP_IE))       /* an unmasked denormal operand is loaded all the same */
        x87_push(cpu, v);
}

static bool load_register(struct cpu *cpu, const struct insn *i)
{
    unsigned sti = i->modrm & 7;

    if (!x87_begin(cpu, i))
        return false;
    if (!x87_empty(cpu, 7) || x87_empty(cpu, sti)) {
        if (x87_stack_fault(cpu, i, !x87_empty(cpu, sti)))
            x87_push(cpu, x87_indefinite);
        return true;
    }
    x87_push(cpu, x87_get(cpu, sti));
    return true;
}

/* D9 /0 single, DD /0 double: converted exactly, but SNaNs and denormals are noticed. DB /5 extended: taken as it is. */
static bool load(struct cpu *cpu, const struct insn *i)
{
    struct fp_env e = x87_env64(cpu);
    struct fp80 v;
    uint64_t raw;

    if (!x87_is_memory(i))
        return load_register(cpu, i);
    if (i->opcode == 0xdb) {
        if (!x87_load80(cpu, i, &v))
            return false;
    } else {
        if (!x87_load(cpu, i, i->mem_bytes, &raw))
            return false;
        v = fp_to80(&e, fp_convert(&e, i->mem_bytes == 4 ? fp_from32(&e, (uint32_t)raw) : fp_from64(&e, raw), true));
    }
    push_loaded(cpu, i, &e, v);
    return true;
}
EXEC(FLD) { X87_RUN(load(cpu, i)); }

static bool load_int(struct cpu *cpu, const struct insn *i)
{
    struct fp_env e = x87_env64(cpu);
    uint64_t raw;

    if (!x87_load(cpu, i, i->mem_bytes, &raw))
        return false;
    push_loaded(cpu, i, &e, fp_to80(&e, fp_from_int(bits_sign(raw, 8u * i->mem_bytes))));
    return true;
}
EXEC(FILD) { X87_RUN(load_int(cpu, i)); }

/* FLD1 to FLDZ: 66 bits of each constant, rounded by RC (SDM 1 "Load Constant Instructions" and the 387's internal
 * constants). */
static struct fp80 constant(unsigned which, unsigned rounding)
{
    /* significand rounded down, what to add when rounding to nearest or up, exponent */
    static const struct { uint64_t mant; uint8_t nearest, up; uint16_t se; } table[7] = {
        { 0x8000000000000000ull, 0, 0, 0x3fff },        /* 1 */
        { 0xd49a784bcd1b8afeull, 0, 1, 0x4000 },        /* log2 10 */
        { 0xb8aa3b295c17f0bbull, 1, 1, 0x3fff },        /* log2 e */
        { 0xc90fdaa22168c234ull, 1, 1, 0x4000 },        /* pi */
        { 0x9a209a84fbcff798ull, 1, 1, 0x3ffd },        /* log10 2 */
        { 0xb17217f7d1cf79abull, 1, 1, 0x3ffe },        /* ln 2 */
        { 0, 0, 0, 0 },
    };
    unsigned add = rounding == FP_NEAREST ? table[which].nearest : rounding == FP_UP ? table[which].up : 0;

    return (struct fp80){ table[which].mant + add, table[which].se };
}

static bool load_constant(struct cpu *cpu, const struct insn *i)
{
    struct fp_env e = x87_env64(cpu);

    if (!x87_begin(cpu, i))
        return false;
    push_loaded(cpu, i, &e, constant(i->modrm & 7, e.rounding));
    return true;
}
EXEC(FLDCONST) { X87_RUN(load_constant(cpu, i)); }

/* ---- stores to memory ---- */

/* Store `bytes` of v unless e's unmasked exceptions keep it back, then record them and pop. A fault in memory comes first.
 * */
static bool store_memory(struct cpu *cpu, const struct insn *i, struct fp_env *e, uint64_t v, bool pop)
{
    bool may = x87_may_store(e);

    if (may && !ea_store(cpu, i, i->mem_bytes, v))
        return false;
    x87_note_memory(cpu, i);
    x87_finish(cpu, i, e);
    if (may && pop)
        x87_pop(cpu);
    return true;
}

/* ST0 is empty: with IE masked `indefinite` is stored. */
static bool store_empty(struct cpu *cpu, const struct insn *i, uint64_t indefinite, bool pop)
{
    bool masked = cpu->s.fcw & FSW_IE;

    if (masked && !ea_store(cpu, i, i->mem_bytes, indefinite))
        return false;
    x87_note_memory(cpu, i);
    x87_stack_fault(cpu, i, false);
    if (masked && pop)
        x87_pop(cpu);
    return true;
}

static bool store_real(struct cpu *cpu, const struct insn *i, bool pop)
{
    struct fp_env e = x87_env64(cpu);
    bool is_single = i->mem_bytes == 4;
    struct fp_num n;
    uint64_t v;

    if (!x87_check(cpu, i))
        return false;
    if (x87_empty(cpu, 0))
        return store_empty(cpu, i, is_single ? 0xffc00000u : 0xfff8000000000000ull, pop);
    n = fp_convert(&e, x87_num(cpu, 0), false);
    v = is_single ? fp_to32(&e, n) : fp_to64(&e, n);
    return store_memory(cpu, i, &e, v, pop);
}

static bool store_int(struct cpu *cpu, const struct insn *i, bool truncate, bool pop)
{
    struct fp_env e = x87_env64(cpu);
    unsigned bits = 8u * i->mem_bytes;

    if (!x87_check(cpu, i))
        return false;
    if (x87_empty(cpu, 0))
        return store_empty(cpu, i, 1ull << (bits - 1), pop);
    if (truncate)
        e.rounding = FP_ZERO;
    return store_memory(cpu, i, &e, (uint64_t)fp_to_int(&e, x87_num(cpu, 0), bits), pop);
}

EXEC(FIST)   { X87_RUN(store_int(cpu, i, false, false)); }
EXEC(FISTP)  { X87_RUN(store_int(cpu, i, false, true)); }
EXEC(FISTTP) { X87_RUN(store_int(cpu, i, true, true)); }

/* Two stores: when the second faults, the significand has already been written (seen on Emerald Rapids). */
static bool store_block80(struct cpu *cpu, const struct insn *i, struct fp80 v)
{
    gva_t lin;

    return ea_piece(cpu, i, 0, 8, ACCESS_WRITE, &lin) && mem_store(cpu, i, lin, 8, v.mant) &&
           ea_piece(cpu, i, 8, 2, ACCESS_WRITE, &lin) && mem_store(cpu, i, lin, 2, v.se);
}

/* FSTP m80 converts nothing and can only meet an empty register. */
static bool store_extended(struct cpu *cpu, const struct insn *i)
{
    bool empty, masked = cpu->s.fcw & FSW_IE;

    if (!x87_check(cpu, i))
        return false;
    empty = x87_empty(cpu, 0);
    if ((!empty || masked) && !store_block80(cpu, i, empty ? x87_indefinite : x87_get(cpu, 0)))
        return false;
    x87_note_memory(cpu, i);
    x87_cc(cpu, FSW_C1, 0);
    if (empty)
        x87_stack_fault(cpu, i, false);
    if (!empty || masked)
        x87_pop(cpu);
    return true;
}

/* The alias D9 D8+i (FSTPNCE) does nothing but pop an empty ST0. */
static bool store_register(struct cpu *cpu, const struct insn *i, bool pop)
{
    unsigned sti = i->modrm & 7;
    bool quiet = i->opcode == 0xd9;

    if (!x87_begin(cpu, i))
        return false;
    if (!x87_empty(cpu, 0))
        x87_put(cpu, sti, x87_get(cpu, 0));
    else if (!quiet) {
        if (!x87_stack_fault(cpu, i, false))
            return true;
        x87_put(cpu, sti, x87_indefinite);
    }
    if (pop)
        x87_pop(cpu);
    return true;
}

static bool store(struct cpu *cpu, const struct insn *i, bool pop)
{
    if (!x87_is_memory(i))
        return store_register(cpu, i, pop);
    return i->opcode == 0xdb ? store_extended(cpu, i) : store_real(cpu, i, pop);
}

EXEC(FST)  { X87_RUN(store(cpu, i, false)); }
EXEC(FSTP) { X87_RUN(store(cpu, i, true)); }

/* ---- packed decimal: 18 digits, two a byte, sign in bit 79 ---- */

static bool load_decimal(struct cpu *cpu, const struct insn *i)
{
    struct fp_env e = x87_env64(cpu);
    struct fp_num n;
    struct fp80 raw;
    uint64_t v;

    if (!x87_load80(cpu, i, &raw))
        return false;
    v = (raw.se >> 4 & 15) * 10u + (raw.se & 15);
    for (int digit = 15; digit >= 0; digit--)
        v = v * 10 + (raw.mant >> (4 * digit) & 15);
    n = fp_from_uint(v);
    n.sign = raw.se >> 15;
    push_loaded(cpu, i, &e, fp_to80(&e, n));
    return true;
}
EXEC(FBLD) { X87_RUN(load_decimal(cpu, i)); }

static const struct fp80 decimal_indefinite = { 0xc000000000000000ull, 0xffff };

static struct fp80 to_decimal(struct fp_env *e, struct fp_num n)
{
    int64_t v = fp_to_int(e, n, 64);
    uint64_t mag = v < 0 ? 0 - (uint64_t)v : (uint64_t)v, packed = 0;

    if ((e->flags & FP_IE) || mag > 999999999999999999ull) {
        e->flags = (e->flags & ~FP_PE) | FP_IE;
        e->up = false;
        return decimal_indefinite;
    }
    for (unsigned digit = 0; digit < 16; digit++, mag /= 10)
        packed |= mag % 10 << (4 * digit);
    return (struct fp80){ packed, (uint16_t)(n.sign << 15 | mag / 10 << 4 | mag % 10) };
}

static bool store_decimal(struct cpu *cpu, const struct insn *i)
{
    struct fp_env e = x87_env64(cpu);
    struct fp80 v = decimal_indefinite;
    bool empty, may;

    if (!x87_check(cpu, i))
        return false;
    empty = x87_empty(cpu, 0);
    if (empty)
        e.flags = FP_IE;
    else
        v = to_decimal(&e, x87_num(cpu, 0));
    may = x87_may_store(&e);
    if (may && !store_block80(cpu, i, v))
        return false;
    x87_note_memory(cpu, i);
    if (empty)
        x87_stack_fault(cpu, i, false);
    else
        x87_finish(cpu, i, &e);
    if (may)
        x87_pop(cpu);
    return true;
}
EXEC(FBSTP) { X87_RUN(store_decimal(cpu, i)); }

/* ---- exchange, conditional move, stack management ---- */

static bool exchange(struct cpu *cpu, const struct insn *i)
{
    unsigned sti = i->modrm & 7;
    struct fp80 st0;

    if (!x87_begin(cpu, i))
        return false;
    if (x87_empty(cpu, 0) || x87_empty(cpu, sti)) {
        if (!x87_stack_fault(cpu, i, false))
            return true;
        if (x87_empty(cpu, 0))
            x87_put(cpu, 0, x87_indefinite);
        if (x87_empty(cpu, sti))
            x87_put(cpu, sti, x87_indefinite);
    }
    st0 = x87_get(cpu, 0);
    x87_put(cpu, 0, x87_get(cpu, sti));
    x87_put(cpu, sti, st0);
    return true;
}
EXEC(FXCH) { X87_RUN(exchange(cpu, i)); }

/* DA: below, equal, below or equal, unordered; DB: their opposites. */
static bool move_if(struct cpu *cpu, const struct insn *i)
{
    static const uint8_t conditions[4] = { 2, 4, 6, 10 };       /* B, E, BE, P of Jcc */
    unsigned sti = i->modrm & 7;

    if (!x87_check(cpu, i))
        return false;
    x87_note(cpu, i);
    if (x87_empty(cpu, 0) || x87_empty(cpu, sti)) {
        if (x87_stack_fault(cpu, i, false))
            x87_put(cpu, 0, x87_indefinite);
        return true;
    }
    if (flags_condition(&cpu->flags, conditions[i->modrm >> 3 & 3] | (i->opcode & 1)))
        x87_put(cpu, 0, x87_get(cpu, sti));
    return true;
}
EXEC(FCMOV) { X87_RUN(move_if(cpu, i)); }

static bool free_register(struct cpu *cpu, const struct insn *i, bool pop)
{
    if (!x87_begin(cpu, i))
        return false;
    x87_free(cpu, i->modrm & 7);
    if (pop)
        x87_pop(cpu);
    return true;
}

EXEC(FFREE)  { X87_RUN(free_register(cpu, i, false)); }
EXEC(FFREEP) { X87_RUN(free_register(cpu, i, true)); }

static bool rotate(struct cpu *cpu, const struct insn *i, unsigned by)
{
    if (!x87_begin(cpu, i))
        return false;
    x87_set_top(cpu, x87_top(cpu) + by);
    return true;
}

EXEC(FINCSTP) { X87_RUN(rotate(cpu, i, 1)); }
EXEC(FDECSTP) { X87_RUN(rotate(cpu, i, 7)); }
