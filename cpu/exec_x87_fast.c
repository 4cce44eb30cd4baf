/* SPDX-License-Identifier: MIT
 * x87 instructions bound to one form, for the usual state and operands (fp80_fast.h): no pending error, registers in use as
 * they must be, 64-bit precision, to nearest, loss of precision masked. They call nothing and leave all else to the general
 * handlers before anything has changed. */
#include "cpu/exec.h"
#include "cpu/exec_x87.h"
#include "cpu/fp80_fast.h"

#define FCW_RC_PC 0x0f00u       /* rounding and precision control */
#define FCW_USUAL 0x0300u

/* ---- state ---- */

/* Also not the mode in which FOP follows every instruction (x87_finish). */
static ALWAYS_INLINE bool ready(const struct cpu *cpu)
{
    return LIKELY(!(cpu->p.cr0 & (CR0_EM | CR0_TS)) && !(cpu->s.fsw & FSW_ES) &&
                  !(cpu->p.misc_enable & MISC_FOPCODE_COMPATIBLE));
}

/* Results may be rounded here and their loss of precision noted. */
static ALWAYS_INLINE bool usual(const struct cpu *cpu)
{
    return LIKELY((cpu->s.fcw & (FCW_RC_PC | FP_PE)) == (FCW_USUAL | FP_PE));
}

static ALWAYS_INLINE bool in_use(const struct cpu *cpu, unsigned st) { return LIKELY(!x87_empty(cpu, st)); }
static ALWAYS_INLINE bool room(const struct cpu *cpu) { return LIKELY(x87_empty(cpu, 7)); }

static ALWAYS_INLINE void set(struct cpu *cpu, unsigned st, struct fp80 v)
{
    const unsigned r = x87_phys(cpu, st);

    cpu->s.fpr_mant[r] = v.mant;
    cpu->s.fpr_se[r] = v.se;
}

/* Exceptions and C1. */
static ALWAYS_INLINE void finish(struct cpu *cpu, unsigned inexact, unsigned up)
{
    cpu->s.fsw = (uint16_t)((cpu->s.fsw & ~FSW_C1) | inexact | (up ? FSW_C1 : 0));
}

/* ---- operands in memory: opcode D8, DC, D9, DD (real), DA, DE, DB, DF (integer) ---- */

enum source { SINGLE, DOUBLE, INT16, INT32, INT64 };

static ALWAYS_INLINE bool memory(struct cpu *cpu, const struct insn *i, enum source from, struct fp80 *out)
{
    static const uint8_t bytes[] = { 4, 8, 2, 4, 8 };
    const uint8_t *at;

    if (!mem_hit_read(cpu, ea_flat64(cpu, i), bytes[from], &at))
        return false;
    switch (from) {
    case SINGLE: return fast80_from32(load32(at), out);
    case DOUBLE: return fast80_from64(load64(at), out);
    case INT16:  *out = fast80_from_int((int16_t)load16(at)); return true;
    case INT32:  *out = fast80_from_int((int32_t)load32(at)); return true;
    default:     *out = fast80_from_int((int64_t)load64(at)); return true;
    }
}

/* ---- arithmetic ---- */

enum arith { ADD, SUB, MUL, DIV };

static ALWAYS_INLINE bool calculate(enum arith op, struct fp80 a, struct fp80 b, struct fast80 *out)
{
    switch (op) {
    case ADD: return fast80_add(a, b, 0, out);
    case SUB: return fast80_add(a, b, 1, out);
    case MUL: return fast80_mul(a, b, out);
    default:  return fast80_div(a, b, out);
    }
}

static ALWAYS_INLINE unsigned registers(struct cpu *cpu, const struct insn *i, insn_fn *general, enum arith op, bool reverse,
                                        bool to_st0, bool pop)
{
    const unsigned sti = i->modrm & 7, dst = to_st0 ? 0 : sti, src = to_st0 ? sti : 0;
    struct fast80 r;

    if (!ready(cpu) || !usual(cpu) || !in_use(cpu, 0) || !in_use(cpu, sti) ||
        !calculate(op, x87_get(cpu, reverse ? src : dst), x87_get(cpu, reverse ? dst : src), &r))
        return general(cpu, i);
    x87_note(cpu, i);
    finish(cpu, r.inexact, r.up);
    set(cpu, dst, r.v);
    if (pop)
        x87_pop(cpu);
    NEXT_PURE();
}

static ALWAYS_INLINE unsigned with_memory(struct cpu *cpu, const struct insn *i, insn_fn *general, enum arith op,
                                          bool reverse, enum source from)
{
    struct fast80 r;
    struct fp80 m;

    if (!ready(cpu) || !usual(cpu) || !in_use(cpu, 0) || !memory(cpu, i, from, &m) ||
        !calculate(op, reverse ? m : x87_get(cpu, 0), reverse ? x87_get(cpu, 0) : m, &r))
        return general(cpu, i);
    x87_note_memory(cpu, i);
    finish(cpu, r.inexact, r.up);
    set(cpu, 0, r.v);
    NEXT_PURE();
}

#define HANDLER(name, run) static unsigned name(struct cpu *cpu, const struct insn *i) { return run; }
#define ARITH(NAME, op, reverse)                                                                                 \
    HANDLER(NAME##_d8, registers(cpu, i, exec_##NAME, op, reverse, true, false))                                 \
    HANDLER(NAME##_dc, registers(cpu, i, exec_##NAME, op, reverse, false, false))                                \
    HANDLER(NAME##_de, registers(cpu, i, exec_##NAME, op, reverse, false, true))                                 \
    HANDLER(NAME##_single, with_memory(cpu, i, exec_##NAME, op, reverse, SINGLE))                                \
    HANDLER(NAME##_double, with_memory(cpu, i, exec_##NAME, op, reverse, DOUBLE))                                \
    HANDLER(NAME##_int16, with_memory(cpu, i, exec_##NAME, op, reverse, INT16))                                  \
    HANDLER(NAME##_int32, with_memory(cpu, i, exec_##NAME, op, reverse, INT32))                                  \
    static insn_fn *const fast_##NAME[2][4] = {                                                                  \
        { NAME##_d8, NULL, NAME##_dc, NAME##_de }, { NAME##_single, NAME##_int32, NAME##_double, NAME##_int16 }   \
    };
ARITH(FADD, ADD, false)
ARITH(FSUB, SUB, false)
ARITH(FSUBR, SUB, true)
ARITH(FMUL, MUL, false)
ARITH(FDIV, DIV, false)
ARITH(FDIVR, DIV, true)

/* ---- comparison to flags: C1 stays ---- */

static ALWAYS_INLINE unsigned compare(struct cpu *cpu, const struct insn *i, insn_fn *general, bool pop)
{
    const unsigned sti = i->modrm & 7;
    enum fp_order order;

    if (!ready(cpu) || !in_use(cpu, 0) || !in_use(cpu, sti) || !fast80_compare(x87_get(cpu, 0), x87_get(cpu, sti), &order))
        return general(cpu, i);
    x87_note(cpu, i);
    flags_put(&cpu->flags, order == FP_LESS ? FLAG_CF : order == FP_EQUAL ? FLAG_ZF : 0);
    if (pop)
        x87_pop(cpu);
    NEXT_PURE();
}
HANDLER(FCOMI_fast, compare(cpu, i, exec_FCOMI, false))
HANDLER(FCOMIP_fast, compare(cpu, i, exec_FCOMIP, true))
HANDLER(FUCOMI_fast, compare(cpu, i, exec_FUCOMI, false))
HANDLER(FUCOMIP_fast, compare(cpu, i, exec_FUCOMIP, true))

/* ---- loads ---- */

static ALWAYS_INLINE unsigned load(struct cpu *cpu, const struct insn *i, insn_fn *general, enum source from)
{
    struct fp80 v;

    if (!ready(cpu) || !room(cpu) || !memory(cpu, i, from, &v))
        return general(cpu, i);
    x87_note_memory(cpu, i);
    finish(cpu, 0, 0);
    x87_push(cpu, v);
    NEXT_PURE();
}
HANDLER(FLD_single, load(cpu, i, exec_FLD, SINGLE))
HANDLER(FLD_double, load(cpu, i, exec_FLD, DOUBLE))
HANDLER(FILD_int16, load(cpu, i, exec_FILD, INT16))
HANDLER(FILD_int32, load(cpu, i, exec_FILD, INT32))
HANDLER(FILD_int64, load(cpu, i, exec_FILD, INT64))

static unsigned FLD_extended(struct cpu *cpu, const struct insn *i)
{
    const uint8_t *at;

    if (!ready(cpu) || !room(cpu) || !mem_hit_read(cpu, ea_flat64(cpu, i), 10, &at))
        return exec_FLD(cpu, i);
    x87_note_memory(cpu, i);
    finish(cpu, 0, 0);
    x87_push(cpu, (struct fp80){ load64(at), load16(at + 8) });
    NEXT_PURE();
}

static unsigned FLD_register(struct cpu *cpu, const struct insn *i)
{
    if (!ready(cpu) || !room(cpu) || !in_use(cpu, i->modrm & 7))
        return exec_FLD(cpu, i);
    x87_note(cpu, i);
    finish(cpu, 0, 0);
    x87_push(cpu, x87_get(cpu, i->modrm & 7));
    NEXT_PURE();
}

/* ---- stores ---- */

static ALWAYS_INLINE unsigned store(struct cpu *cpu, const struct insn *i, insn_fn *general, bool is_double, bool pop)
{
    struct fast80 how;
    uint64_t v;
    uint8_t *at;

    if (!ready(cpu) || !usual(cpu) || !in_use(cpu, 0) ||
        !fast80_narrow(x87_get(cpu, 0), is_double ? 52 : 23, is_double ? 2047 : 255, &v, &how) ||
        !mem_hit_write(cpu, ea_flat64(cpu, i), is_double ? 8 : 4, &at))
        return general(cpu, i);
    store_bytes(at, is_double ? 8 : 4, v);
    x87_note_memory(cpu, i);
    finish(cpu, how.inexact, how.up);
    if (pop)
        x87_pop(cpu);
    NEXT_PURE();
}
HANDLER(FST_single, store(cpu, i, exec_FST, false, false))
HANDLER(FST_double, store(cpu, i, exec_FST, true, false))
HANDLER(FSTP_single, store(cpu, i, exec_FSTP, false, true))
HANDLER(FSTP_double, store(cpu, i, exec_FSTP, true, true))

static unsigned FSTP_extended(struct cpu *cpu, const struct insn *i)
{
    struct fp80 v = x87_get(cpu, 0);
    uint8_t *at;

    if (!ready(cpu) || !in_use(cpu, 0) || !mem_hit_write(cpu, ea_flat64(cpu, i), 10, &at))
        return exec_FSTP(cpu, i);
    store64(at, v.mant);
    store16(at + 8, v.se);
    x87_note_memory(cpu, i);
    finish(cpu, 0, 0);
    x87_pop(cpu);
    NEXT_PURE();
}

static ALWAYS_INLINE unsigned store_register(struct cpu *cpu, const struct insn *i, insn_fn *general, bool pop)
{
    if (!ready(cpu) || !in_use(cpu, 0))
        return general(cpu, i);
    x87_note(cpu, i);
    finish(cpu, 0, 0);
    x87_put(cpu, i->modrm & 7, x87_get(cpu, 0));
    if (pop)
        x87_pop(cpu);
    NEXT_PURE();
}
HANDLER(FST_register, store_register(cpu, i, exec_FST, false))
HANDLER(FSTP_register, store_register(cpu, i, exec_FSTP, true))

/* ---- exchange, sign ---- */

static unsigned FXCH_fast(struct cpu *cpu, const struct insn *i)
{
    const unsigned sti = i->modrm & 7;
    struct fp80 st0 = x87_get(cpu, 0);

    if (!ready(cpu) || !in_use(cpu, 0) || !in_use(cpu, sti))
        return exec_FXCH(cpu, i);
    x87_note(cpu, i);
    finish(cpu, 0, 0);
    set(cpu, 0, x87_get(cpu, sti));
    set(cpu, sti, st0);
    NEXT_PURE();
}

static ALWAYS_INLINE unsigned sign(struct cpu *cpu, const struct insn *i, insn_fn *general, unsigned keep, unsigned flip)
{
    uint16_t *se = &cpu->s.fpr_se[x87_phys(cpu, 0)];

    if (!ready(cpu) || !in_use(cpu, 0))
        return general(cpu, i);
    x87_note(cpu, i);
    finish(cpu, 0, 0);
    *se = (uint16_t)((*se & keep) ^ flip);
    NEXT_PURE();
}
HANDLER(FCHS_fast, sign(cpu, i, exec_FCHS, 0xffff, 0x8000))
HANDLER(FABS_fast, sign(cpu, i, exec_FABS, 0x7fff, 0))

/* ---- choosing ---- */

/* Columns of the tables: opcode D8 or D9, DA or DB, DC or DD, DE or DF. */
static insn_fn *const fast_FLD[2][4] = { { FLD_register }, { FLD_single, FLD_extended, FLD_double } };
static insn_fn *const fast_FST[2][4] = { { NULL, NULL, FST_register }, { FST_single, NULL, FST_double } };
static insn_fn *const fast_FSTP[2][4] = { { NULL, NULL, FSTP_register }, { FSTP_single, FSTP_extended, FSTP_double } };

static insn_fn *load_int_of(const struct insn *i)
{
    return i->mem_bytes == 2 ? FILD_int16 : i->mem_bytes == 4 ? FILD_int32 : FILD_int64;
}

insn_fn *exec_bind_x87(const struct insn *i)
{
    const bool is_memory = x87_is_memory(i);
    const unsigned column = i->opcode >> 1 & 3;

    if (is_memory && !exec_flat64(i))
        return NULL;
    switch (i->op) {
    case OP_FADD:    return fast_FADD[is_memory][column];
    case OP_FSUB:    return fast_FSUB[is_memory][column];
    case OP_FSUBR:   return fast_FSUBR[is_memory][column];
    case OP_FMUL:    return fast_FMUL[is_memory][column];
    case OP_FDIV:    return fast_FDIV[is_memory][column];
    case OP_FDIVR:   return fast_FDIVR[is_memory][column];
    case OP_FLD:     return fast_FLD[is_memory][column];
    case OP_FST:     return fast_FST[is_memory][column];
    case OP_FSTP:    return fast_FSTP[is_memory][column];
    case OP_FILD:    return load_int_of(i);
    case OP_FXCH:    return FXCH_fast;
    case OP_FCHS:    return FCHS_fast;
    case OP_FABS:    return FABS_fast;
    case OP_FCOMI:   return FCOMI_fast;
    case OP_FCOMIP:  return FCOMIP_fast;
    case OP_FUCOMI:  return FUCOMI_fast;
    case OP_FUCOMIP: return FUCOMIP_fast;
    default:         return NULL;
    }
}
