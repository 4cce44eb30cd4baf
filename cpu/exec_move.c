/* SPDX-License-Identifier: MIT
 * Moves between registers and memory, extensions, exchanges, byte order. */
#include "cpu/exec.h"

/* ---- MOV ---- */

#define WIDTHS(NAME) { NAME##1, NAME##2, NAME##4, NAME##8 }

#define MOV_REGISTER(SUFFIX, W, SOURCE)                                                             \
    static unsigned MOV_##SUFFIX##W(struct cpu *cpu, const struct insn *i)                          \
    {                                                                                               \
        reg_set(cpu, i->o[0], W, SOURCE);                                                           \
        NEXT_PURE();                                                                                \
    }

#define MOV_LOAD(W)                                                                                 \
    static unsigned MOV_rm_any##W(struct cpu *cpu, const struct insn *i)                            \
    {                                                                                               \
        uint64_t v;                                                                                 \
                                                                                                    \
        if (UNLIKELY(!ea_load(cpu, i, W, &v)))                                                      \
            FAULT();                                                                                \
        reg_set(cpu, i->o[0], W, v);                                                                \
        NEXT();                                                                                     \
    }                                                                                               \
    static unsigned MOV_rm_flat##W(struct cpu *cpu, const struct insn *i)                           \
    {                                                                                               \
        const uint8_t *host;                                                                        \
                                                                                                    \
        if (!mem_hit_read(cpu, ea_flat64(cpu, i), W, &host))                                        \
            return MOV_rm_any##W(cpu, i);                                                           \
        reg_set(cpu, i->o[0], W, load_bytes(host, W));                                              \
        NEXT_PURE();                                                                                \
    }

#define MOV_STORE(SUFFIX, W, SOURCE)                                                                \
    static unsigned MOV_##SUFFIX##_any##W(struct cpu *cpu, const struct insn *i)                    \
    {                                                                                               \
        if (UNLIKELY(!ea_store(cpu, i, W, SOURCE)))                                                 \
            FAULT();                                                                                \
        NEXT();                                                                                     \
    }                                                                                               \
    static unsigned MOV_##SUFFIX##_flat##W(struct cpu *cpu, const struct insn *i)                   \
    {                                                                                               \
        uint8_t *host;                                                                              \
                                                                                                    \
        if (!mem_hit_write(cpu, ea_flat64(cpu, i), W, &host))                                       \
            return MOV_##SUFFIX##_any##W(cpu, i);                                                   \
        store_bytes(host, W, SOURCE);                                                               \
        NEXT_PURE();                                                                                \
    }

#define MOV_WIDTH(W)                                                                                \
    MOV_REGISTER(rr, W, reg_get(cpu, i->o[1], W))                                                   \
    MOV_REGISTER(ri, W, i->imm)                                                                     \
    MOV_LOAD(W)                                                                                     \
    MOV_STORE(mr, W, reg_get(cpu, i->o[1], W))                                                      \
    MOV_STORE(mi, W, i->imm)
MOV_WIDTH(1)
MOV_WIDTH(2)
MOV_WIDTH(4)
MOV_WIDTH(8)

enum { RR, RI, RM, MR, MI };
static insn_fn *const mov[][2][4] = {       /* by form, whether addresses are flat, width */
    [RR] = { WIDTHS(MOV_rr), WIDTHS(MOV_rr) },
    [RI] = { WIDTHS(MOV_ri), WIDTHS(MOV_ri) },
    [RM] = { WIDTHS(MOV_rm_any), WIDTHS(MOV_rm_flat) },
    [MR] = { WIDTHS(MOV_mr_any), WIDTHS(MOV_mr_flat) },
    [MI] = { WIDTHS(MOV_mi_any), WIDTHS(MOV_mi_flat) },
};

static unsigned two_form(const struct insn *i)
{
    switch (i->form & FORM(3, 3, 0, 0)) {
    case FORM_RR: return RR;
    case FORM_RI: return RI;
    case FORM_RM: return RM;
    case FORM_MR: return MR;
    default:      return MI;
    }
}

static insn_fn *mov_for(const struct insn *i)
{
    return mov[two_form(i)][exec_flat64(i)][exec_width_index(i->width)];
}

EXEC(MOV)
{
    return mov_for(i)(cpu, i);
}

/* ---- LEA ---- */

EXEC(LEA)
{
    reg_set(cpu, i->o[0], i->width, ea_offset(cpu, i));
    NEXT_PURE();
}

static unsigned LEA_8(struct cpu *cpu, const struct insn *i)
{
    reg_set(cpu, i->o[0], 8, ea_flat64(cpu, i));
    NEXT_PURE();
}

static unsigned LEA_4(struct cpu *cpu, const struct insn *i)
{
    reg_set(cpu, i->o[0], 4, ea_flat64(cpu, i));
    NEXT_PURE();
}

/* ---- extensions ---- */

#define EXTEND_REGISTER(NAME, FROM, TO, CONVERT)                                                    \
    static unsigned NAME##_r##TO(struct cpu *cpu, const struct insn *i)                             \
    {                                                                                               \
        reg_set(cpu, i->o[0], TO, CONVERT(reg_get(cpu, i->o[1], FROM), FROM));                      \
        NEXT_PURE();                                                                                \
    }

#define EXTEND_MEMORY(NAME, FROM, TO, CONVERT)                                                      \
    static unsigned NAME##_any##TO(struct cpu *cpu, const struct insn *i)                           \
    {                                                                                               \
        uint64_t v;                                                                                 \
                                                                                                    \
        if (UNLIKELY(!ea_load(cpu, i, FROM, &v)))                                                   \
            FAULT();                                                                                \
        reg_set(cpu, i->o[0], TO, CONVERT(v, FROM));                                                \
        NEXT();                                                                                     \
    }                                                                                               \
    static unsigned NAME##_flat##TO(struct cpu *cpu, const struct insn *i)                          \
    {                                                                                               \
        const uint8_t *host;                                                                        \
                                                                                                    \
        if (!mem_hit_read(cpu, ea_flat64(cpu, i), FROM, &host))                                     \
            return NAME##_any##TO(cpu, i);                                                          \
        reg_set(cpu, i->o[0], TO, CONVERT(load_bytes(host, FROM), FROM));                           \
        NEXT_PURE();                                                                                \
    }

#define EXTEND_TO(NAME, FROM, TO, CONVERT)                                                          \
    EXTEND_REGISTER(NAME, FROM, TO, CONVERT)                                                        \
    EXTEND_MEMORY(NAME, FROM, TO, CONVERT)

#define ZERO_EXTEND(v, bytes)   (v)
#define SIGN_EXTEND(v, bytes)   ((uint64_t)flags_extend(v, bytes))

enum { FROM_REGISTER, FROM_FLAT, FROM_ANY };

static unsigned extend_form(const struct insn *i)
{
    return FORM_KIND(i->form, 1) == KIND_REG ? FROM_REGISTER : exec_flat64(i) ? FROM_FLAT : FROM_ANY;
}

/* Destinations of 2, 4 and 8 bytes. */
#define EXTEND(NAME, FROM, CONVERT)                                                                 \
    EXTEND_TO(NAME, FROM, 2, CONVERT)                                                               \
    EXTEND_TO(NAME, FROM, 4, CONVERT)                                                               \
    EXTEND_TO(NAME, FROM, 8, CONVERT)                                                               \
    static insn_fn *const NAME##_variants[3][3] = {                                                 \
        { NAME##_r2, NAME##_r4, NAME##_r8 },                                                        \
        { NAME##_flat2, NAME##_flat4, NAME##_flat8 },                                               \
        { NAME##_any2, NAME##_any4, NAME##_any8 },                                                  \
    };                                                                                              \
    EXEC(NAME)                                                                                      \
    {                                                                                               \
        return NAME##_variants[extend_form(i)][exec_width_index(i->width) - 1](cpu, i);             \
    }

EXTEND(MOVZX_B, 1, ZERO_EXTEND)
EXTEND(MOVZX_W, 2, ZERO_EXTEND)
EXTEND(MOVSX_B, 1, SIGN_EXTEND)
EXTEND(MOVSX_W, 2, SIGN_EXTEND)
EXTEND_TO(MOVSXD, 4, 8, SIGN_EXTEND)
static insn_fn *const movsxd_8[3] = { MOVSXD_r8, MOVSXD_flat8, MOVSXD_any8 };

/* Without REX.W it is a plain move of 2 or 4 bytes. */
EXEC(MOVSXD)
{
    uint64_t v;

    if (i->width == 8)
        return movsxd_8[extend_form(i)](cpu, i);
    if (!operand_load(cpu, i, 1, i->width, &v))
        FAULT();
    reg_set(cpu, i->o[0], i->width, v);
    NEXT();
}

/* AL to AX, AX to EAX, EAX to RAX. */
EXEC(CBW)
{
    unsigned half = i->width / 2u;

    reg_set(cpu, REG_AT(RAX), i->width, (uint64_t)flags_extend(reg_get(cpu, REG_AT(RAX), half), half));
    NEXT_PURE();
}

EXEC(CWD)
{
    bool negative = flags_extend(reg_get(cpu, REG_AT(RAX), i->width), i->width) < 0;

    reg_set(cpu, REG_AT(RDX), i->width, negative ? ~(uint64_t)0 : 0);
    NEXT_PURE();
}

/* ---- exchanges ---- */

EXEC(XCHG)
{
    uint64_t a, b = reg_get(cpu, i->o[1], i->width);
    struct rmw at;

    if (FORM_KIND(i->form, 0) == KIND_REG) {
        a = reg_get(cpu, i->o[0], i->width);
        reg_set(cpu, i->o[0], i->width, b);
        reg_set(cpu, i->o[1], i->width, a);
        NEXT_PURE();
    }
    if (!rmw_load(cpu, i, i->width, &at, &a) || !rmw_store(cpu, i, i->width, &at, b))
        FAULT();
    reg_set(cpu, i->o[1], i->width, a);
    NEXT();
}

EXEC(XADD)
{
    uint64_t a, b = reg_get(cpu, i->o[1], i->width);
    struct rmw at;

    if (FORM_KIND(i->form, 0) == KIND_REG) {        /* the sum wins when both are one register */
        a = reg_get(cpu, i->o[0], i->width);
        reg_set(cpu, i->o[1], i->width, a);
        reg_set(cpu, i->o[0], i->width, a + b);
    } else {
        if (!rmw_load(cpu, i, i->width, &at, &a) || !rmw_store(cpu, i, i->width, &at, a + b))
            FAULT();
        reg_set(cpu, i->o[1], i->width, a);
    }
    flags_set_add(&cpu->flags, i->width, a, b, a + b);
    NEXT();
}

/* The destination is written in either case, with its old value when the comparison fails (SDM 2A "CMPXCHG"). */
EXEC(CMPXCHG)
{
    uint64_t a = reg_get(cpu, REG_AT(RAX), i->width), old, b = reg_get(cpu, i->o[1], i->width);
    bool memory = FORM_KIND(i->form, 0) == KIND_MEM;
    struct rmw at;

    if (!memory)
        old = reg_get(cpu, i->o[0], i->width);
    else if (!rmw_load(cpu, i, i->width, &at, &old) || !rmw_store(cpu, i, i->width, &at, old == a ? b : old))
        FAULT();
    if (old != a)
        reg_set(cpu, REG_AT(RAX), i->width, old);
    else if (!memory)
        reg_set(cpu, i->o[0], i->width, b);
    flags_set_sub(&cpu->flags, i->width, a, old, a - old);
    NEXT();
}

static void set_zf(struct cpu *cpu, bool zf)
{
    flags_put(&cpu->flags, (flags_get(&cpu->flags) & ~FLAG_ZF) | (zf ? FLAG_ZF : 0));
}

static unsigned compare_exchange_pair(struct cpu *cpu, const struct insn *i, unsigned half, gva_t lin)
{
    uint8_t old[16], both[16];
    bool equal;

    if (!mem_aligned(cpu, i, lin, half == 4 ? 8 : 1) || !mem_probe_write(cpu, i, lin, 2 * half) || !mem_load_block(cpu, i, lin, old, 2 * half))
        FAULT();
    equal = load_bytes(old, half) == reg_get(cpu, REG_AT(RAX), half) &&
            load_bytes(old + half, half) == reg_get(cpu, REG_AT(RDX), half);
    store_bytes(both, half, cpu->s.gpr[RBX]);
    store_bytes(both + half, half, cpu->s.gpr[RCX]);
    if (!mem_store_block(cpu, i, lin, equal ? both : old, 2 * half))
        FAULT();
    if (!equal) {
        reg_set(cpu, REG_AT(RAX), half, load_bytes(old, half));
        reg_set(cpu, REG_AT(RDX), half, load_bytes(old + half, half));
    }
    set_zf(cpu, equal);
    NEXT();
}

EXEC(CMPXCHG8B)
{
    gva_t lin;

    if (!ea_linear(cpu, i, 8, ACCESS_READ | ACCESS_WRITE, &lin))
        FAULT();
    return compare_exchange_pair(cpu, i, 4, lin);
}

EXEC(CMPXCHG16B)
{
    gva_t lin;

    if (!ea_linear(cpu, i, 16, ACCESS_READ | ACCESS_WRITE, &lin))
        FAULT();
    if (lin & 15)
        RAISE_GP(0);
    return compare_exchange_pair(cpu, i, 8, lin);
}

/* ---- byte order, tables ---- */

static uint64_t swapped(uint64_t v, unsigned bytes)
{
    return __builtin_bswap64(v) >> (64 - 8 * bytes);
}

/* Of 16 bits undefined; processors of both makers give zero. */
EXEC(BSWAP)
{
    reg_set(cpu, i->o[0], i->width, i->width == 2 ? 0 : swapped(reg_get(cpu, i->o[0], i->width), i->width));
    NEXT_PURE();
}

EXEC(MOVBE)
{
    uint64_t v;

    if (!operand_load(cpu, i, 1, i->width, &v) || !operand_store(cpu, i, 0, i->width, swapped(v, i->width)))
        FAULT();
    NEXT();
}

EXEC(XLAT)
{
    uint64_t offset = mask_size(cpu->s.gpr[RBX] + (uint8_t)cpu->s.gpr[RAX], i->asize), v;
    gva_t lin = offset;

    if ((i->flags & INSN_SEGMENT) && !ea_segment(cpu, i, offset, 1, ACCESS_READ, &lin))
        FAULT();
    if (!mem_load(cpu, i, lin, 1, &v))
        FAULT();
    reg_set(cpu, REG_AT(RAX), 1, v);
    NEXT();
}

insn_fn *exec_bind_move(const struct cpu *cpu, const struct insn *i)
{
    switch (i->op) {
    case OP_MOV:
        return mov_for(i);
    case OP_LEA:
        return i->asize != 8 || i->width == 2 ? NULL : i->width == 8 ? LEA_8 : LEA_4;
    case OP_MOVZX_B:
        return MOVZX_B_variants[extend_form(i)][exec_width_index(i->width) - 1];
    case OP_MOVZX_W:
        return MOVZX_W_variants[extend_form(i)][exec_width_index(i->width) - 1];
    case OP_MOVSX_B:
        return MOVSX_B_variants[extend_form(i)][exec_width_index(i->width) - 1];
    case OP_MOVSX_W:
        return MOVSX_W_variants[extend_form(i)][exec_width_index(i->width) - 1];
    case OP_MOVSXD:
        return i->width == 8 ? movsxd_8[extend_form(i)] : NULL;
    default:
        return exec_bind_stack(cpu, i);
    }
}
