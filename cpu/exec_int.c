/* SPDX-License-Identifier: MIT
 * Addition, subtraction, logic, comparison, INC to NOT, and what tests conditions. The arithmetic of each operation is one
 * small function; macros spell out a handler for each form and width, so that sizes are constants in all of them. */
#include "cpu/exec.h"

/* ---- the arithmetic ---- */

static ALWAYS_INLINE uint64_t do_ADD(struct flags *f, unsigned bytes, uint64_t a, uint64_t b)
{
    uint64_t sum = a + b;

    flags_set_add(f, bytes, a, b, sum);
    return sum;
}

static ALWAYS_INLINE uint64_t do_ADC(struct flags *f, unsigned bytes, uint64_t a, uint64_t b)
{
    uint64_t sum = a + b + flags_cf(f);

    flags_set_add(f, bytes, a, b, sum);
    return sum;
}

static ALWAYS_INLINE uint64_t do_SUB(struct flags *f, unsigned bytes, uint64_t a, uint64_t b)
{
    uint64_t difference = a - b;

    flags_set_sub(f, bytes, a, b, difference);
    return difference;
}

static ALWAYS_INLINE uint64_t do_SBB(struct flags *f, unsigned bytes, uint64_t a, uint64_t b)
{
    uint64_t difference = a - b - flags_cf(f);

    flags_set_sub(f, bytes, a, b, difference);
    return difference;
}

static ALWAYS_INLINE uint64_t do_AND(struct flags *f, unsigned bytes, uint64_t a, uint64_t b)
{
    flags_set_logic(f, bytes, a & b);
    return a & b;
}

static ALWAYS_INLINE uint64_t do_OR(struct flags *f, unsigned bytes, uint64_t a, uint64_t b)
{
    flags_set_logic(f, bytes, a | b);
    return a | b;
}

static ALWAYS_INLINE uint64_t do_XOR(struct flags *f, unsigned bytes, uint64_t a, uint64_t b)
{
    flags_set_logic(f, bytes, a ^ b);
    return a ^ b;
}

#define do_CMP  do_SUB
#define do_TEST do_AND

/* CF stays. OF when the sign bit alone is set (INC) or alone is clear (DEC); AF when the low digit became 0 or 15. */
static ALWAYS_INLINE void flags_set_step(struct flags *f, unsigned bytes, uint64_t result, bool overflow, bool half)
{
    uint32_t cf = f->carries & 0x80000000u;

    f->result = flags_extend(result, bytes);
    f->carries = cf | ((cf >> 1) ^ ((uint32_t)overflow << 30)) | (uint32_t)half << 3;
}

static ALWAYS_INLINE uint64_t do_INC(struct flags *f, unsigned bytes, uint64_t a)
{
    uint64_t r = mask_size(a + 1, bytes);

    flags_set_step(f, bytes, r, r == BIT64(8 * bytes - 1), (r & 15) == 0);
    return r;
}

static ALWAYS_INLINE uint64_t do_DEC(struct flags *f, unsigned bytes, uint64_t a)
{
    uint64_t r = mask_size(a - 1, bytes);

    flags_set_step(f, bytes, r, r == BIT64(8 * bytes - 1) - 1, (r & 15) == 15);
    return r;
}

static ALWAYS_INLINE uint64_t do_NEG(struct flags *f, unsigned bytes, uint64_t a)
{
    flags_set_sub(f, bytes, 0, a, 0 - a);
    return 0 - a;
}

static ALWAYS_INLINE uint64_t do_NOT(struct flags *f, unsigned bytes, uint64_t a)
{
    (void)f;
    (void)bytes;
    return ~a;
}

/* ---- two operands ---- */

#define IN_REGISTERS(NAME, SUFFIX, W, SOURCE, KEEP)                                                         \
    static unsigned NAME##_##SUFFIX##W(struct cpu *cpu, const struct insn *i)                               \
    {                                                                                                       \
        uint64_t out = do_##NAME(&cpu->flags, W, reg_get(cpu, i->o[0], W), SOURCE);                         \
                                                                                                            \
        if (KEEP)                                                                                           \
            reg_set(cpu, i->o[0], W, out);                                                                  \
        NEXT_PURE();                                                                                        \
    }

#define FROM_MEMORY(NAME, W, KEEP)                                                                          \
    static unsigned NAME##_rm_any##W(struct cpu *cpu, const struct insn *i)                                 \
    {                                                                                                       \
        uint64_t b, out;                                                                                    \
                                                                                                            \
        if (UNLIKELY(!ea_load(cpu, i, W, &b)))                                                              \
            FAULT();                                                                                        \
        out = do_##NAME(&cpu->flags, W, reg_get(cpu, i->o[0], W), b);                                       \
        if (KEEP)                                                                                           \
            reg_set(cpu, i->o[0], W, out);                                                                  \
        NEXT();                                                                                             \
    }                                                                                                       \
    static unsigned NAME##_rm_flat##W(struct cpu *cpu, const struct insn *i)                                \
    {                                                                                                       \
        const uint8_t *host;                                                                                \
        uint64_t out;                                                                                       \
                                                                                                            \
        if (!mem_hit_read(cpu, ea_flat64(cpu, i), W, &host))                                                \
            return NAME##_rm_any##W(cpu, i);                                                                \
        out = do_##NAME(&cpu->flags, W, reg_get(cpu, i->o[0], W), load_bytes(host, W));                     \
        if (KEEP)                                                                                           \
            reg_set(cpu, i->o[0], W, out);                                                                  \
        NEXT_PURE();                                                                                        \
    }

/* The load has proved the page writable: nothing faults once the flags have changed. */
#define TO_MEMORY(NAME, SUFFIX, W, SOURCE)                                                                  \
    static unsigned NAME##_##SUFFIX##_any##W(struct cpu *cpu, const struct insn *i)                         \
    {                                                                                                       \
        uint64_t a;                                                                                         \
        struct rmw at;                                                                                      \
                                                                                                            \
        if (UNLIKELY(!rmw_load(cpu, i, W, &at, &a)))                                                        \
            FAULT();                                                                                        \
        if (UNLIKELY(!rmw_store(cpu, i, W, &at, do_##NAME(&cpu->flags, W, a, SOURCE))))                     \
            FAULT();                                                                                        \
        NEXT();                                                                                             \
    }                                                                                                       \
    static unsigned NAME##_##SUFFIX##_flat##W(struct cpu *cpu, const struct insn *i)                        \
    {                                                                                                       \
        uint8_t *host;                                                                                      \
                                                                                                            \
        if (!mem_hit_write(cpu, ea_flat64(cpu, i), W, &host))                                               \
            return NAME##_##SUFFIX##_any##W(cpu, i);                                                        \
        store_bytes(host, W, do_##NAME(&cpu->flags, W, load_bytes(host, W), SOURCE));                       \
        NEXT_PURE();                                                                                        \
    }

#define COMPARE_MEMORY(NAME, SUFFIX, W, SOURCE)                                                             \
    static unsigned NAME##_##SUFFIX##_any##W(struct cpu *cpu, const struct insn *i)                         \
    {                                                                                                       \
        uint64_t a;                                                                                         \
                                                                                                            \
        if (UNLIKELY(!ea_load(cpu, i, W, &a)))                                                              \
            FAULT();                                                                                        \
        do_##NAME(&cpu->flags, W, a, SOURCE);                                                               \
        NEXT();                                                                                             \
    }                                                                                                       \
    static unsigned NAME##_##SUFFIX##_flat##W(struct cpu *cpu, const struct insn *i)                        \
    {                                                                                                       \
        const uint8_t *host;                                                                                \
                                                                                                            \
        if (!mem_hit_read(cpu, ea_flat64(cpu, i), W, &host))                                                \
            return NAME##_##SUFFIX##_any##W(cpu, i);                                                        \
        do_##NAME(&cpu->flags, W, load_bytes(host, W), SOURCE);                                             \
        NEXT_PURE();                                                                                        \
    }

#define REG1(W) reg_get(cpu, i->o[1], W)
#define IMM(W)  mask_size(i->imm, W)

#define TWO_OPERANDS(NAME, W, KEEP, MEMORY)             \
    IN_REGISTERS(NAME, rr, W, REG1(W), KEEP)            \
    IN_REGISTERS(NAME, ri, W, IMM(W), KEEP)             \
    FROM_MEMORY(NAME, W, KEEP)                          \
    MEMORY(NAME, mr, W, REG1(W))                        \
    MEMORY(NAME, mi, W, IMM(W))

#define WIDTHS(NAME, FORM) { NAME##_##FORM##1, NAME##_##FORM##2, NAME##_##FORM##4, NAME##_##FORM##8 }

enum { RR, RI, RM_FLAT, RM_ANY, MR_FLAT, MR_ANY, MI_FLAT, MI_ANY, TWO_FORMS };

static unsigned two_form(const struct insn *i)
{
    unsigned flat = exec_flat64(i);

    switch (i->form & FORM(3, 3, 0, 0)) {
    case FORM_RR: return RR;
    case FORM_RI: return RI;
    case FORM_RM: return flat ? RM_FLAT : RM_ANY;
    case FORM_MR: return flat ? MR_FLAT : MR_ANY;
    default:      return flat ? MI_FLAT : MI_ANY;
    }
}

#define TWO_OPERAND_OP(NAME, KEEP, MEMORY)                                                                  \
    TWO_OPERANDS(NAME, 1, KEEP, MEMORY)                                                                     \
    TWO_OPERANDS(NAME, 2, KEEP, MEMORY)                                                                     \
    TWO_OPERANDS(NAME, 4, KEEP, MEMORY)                                                                     \
    TWO_OPERANDS(NAME, 8, KEEP, MEMORY)                                                                     \
    static insn_fn *const NAME##_variants[TWO_FORMS][4] = {                                                 \
        WIDTHS(NAME, rr), WIDTHS(NAME, ri), WIDTHS(NAME, rm_flat), WIDTHS(NAME, rm_any),                    \
        WIDTHS(NAME, mr_flat), WIDTHS(NAME, mr_any), WIDTHS(NAME, mi_flat), WIDTHS(NAME, mi_any),           \
    };                                                                                                      \
    EXEC(NAME)                                                                                              \
    {                                                                                                       \
        return NAME##_variants[two_form(i)][exec_width_index(i->width)](cpu, i);                            \
    }

TWO_OPERAND_OP(ADD, true, TO_MEMORY)
TWO_OPERAND_OP(OR, true, TO_MEMORY)
TWO_OPERAND_OP(ADC, true, TO_MEMORY)
TWO_OPERAND_OP(SBB, true, TO_MEMORY)
TWO_OPERAND_OP(AND, true, TO_MEMORY)
TWO_OPERAND_OP(SUB, true, TO_MEMORY)
TWO_OPERAND_OP(XOR, true, TO_MEMORY)
TWO_OPERAND_OP(CMP, false, COMPARE_MEMORY)
TWO_OPERAND_OP(TEST, false, COMPARE_MEMORY)

/* ---- one operand ---- */

#define ONE_IN_REGISTER(NAME, W)                                                                            \
    static unsigned NAME##_r##W(struct cpu *cpu, const struct insn *i)                                      \
    {                                                                                                       \
        reg_set(cpu, i->o[0], W, do_##NAME(&cpu->flags, W, reg_get(cpu, i->o[0], W)));                      \
        NEXT_PURE();                                                                                        \
    }

#define ONE_IN_MEMORY(NAME, W)                                                                              \
    static unsigned NAME##_m_any##W(struct cpu *cpu, const struct insn *i)                                  \
    {                                                                                                       \
        uint64_t a;                                                                                         \
        struct rmw at;                                                                                      \
                                                                                                            \
        if (UNLIKELY(!rmw_load(cpu, i, W, &at, &a)))                                                        \
            FAULT();                                                                                        \
        if (UNLIKELY(!rmw_store(cpu, i, W, &at, do_##NAME(&cpu->flags, W, a))))                             \
            FAULT();                                                                                        \
        NEXT();                                                                                             \
    }                                                                                                       \
    static unsigned NAME##_m_flat##W(struct cpu *cpu, const struct insn *i)                                 \
    {                                                                                                       \
        uint8_t *host;                                                                                      \
                                                                                                            \
        if (!mem_hit_write(cpu, ea_flat64(cpu, i), W, &host))                                               \
            return NAME##_m_any##W(cpu, i);                                                                 \
        store_bytes(host, W, do_##NAME(&cpu->flags, W, load_bytes(host, W)));                               \
        NEXT_PURE();                                                                                        \
    }

#define ONE_OPERAND(NAME, W) ONE_IN_REGISTER(NAME, W) ONE_IN_MEMORY(NAME, W)

enum { R, M_FLAT, M_ANY, ONE_FORMS };

static unsigned one_form(const struct insn *i)
{
    return FORM_KIND(i->form, 0) == KIND_REG ? R : exec_flat64(i) ? M_FLAT : M_ANY;
}

#define ONE_OPERAND_OP(NAME)                                                                                \
    ONE_OPERAND(NAME, 1) ONE_OPERAND(NAME, 2) ONE_OPERAND(NAME, 4) ONE_OPERAND(NAME, 8)                     \
    static insn_fn *const NAME##_variants[ONE_FORMS][4] = {                                                 \
        WIDTHS(NAME, r), WIDTHS(NAME, m_flat), WIDTHS(NAME, m_any),                                         \
    };                                                                                                      \
    EXEC(NAME)                                                                                              \
    {                                                                                                       \
        return NAME##_variants[one_form(i)][exec_width_index(i->width)](cpu, i);                            \
    }

ONE_OPERAND_OP(INC)
ONE_OPERAND_OP(DEC)
ONE_OPERAND_OP(NEG)
ONE_OPERAND_OP(NOT)

/* ---- conditions ---- */

/* CMOVcc reads its source, and zero-extends its 32-bit destination, whether or not the condition holds. */
#define ON_CONDITION(CC)                                                                                    \
    static unsigned SETCC_r_##CC(struct cpu *cpu, const struct insn *i)                                     \
    {                                                                                                       \
        reg_set(cpu, i->o[0], 1, flags_condition(&cpu->flags, CC));                                         \
        NEXT_PURE();                                                                                        \
    }                                                                                                       \
    static unsigned CMOVCC_4_##CC(struct cpu *cpu, const struct insn *i)                                    \
    {                                                                                                       \
        reg_set(cpu, i->o[0], 4, reg_get(cpu, flags_condition(&cpu->flags, CC) ? i->o[1] : i->o[0], 4));    \
        NEXT_PURE();                                                                                        \
    }                                                                                                       \
    static unsigned CMOVCC_8_##CC(struct cpu *cpu, const struct insn *i)                                    \
    {                                                                                                       \
        if (flags_condition(&cpu->flags, CC))                                                               \
            reg_set(cpu, i->o[0], 8, reg_get(cpu, i->o[1], 8));                                             \
        NEXT_PURE();                                                                                        \
    }

#define EACH_CONDITION(X) \
    X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
EACH_CONDITION(ON_CONDITION)

#define SETCC_ROW(CC)   SETCC_r_##CC,
#define CMOVCC_ROW4(CC) CMOVCC_4_##CC,
#define CMOVCC_ROW8(CC) CMOVCC_8_##CC,
static insn_fn *const setcc_register[16] = { EACH_CONDITION(SETCC_ROW) };
static insn_fn *const cmovcc_registers[2][16] = { { EACH_CONDITION(CMOVCC_ROW4) }, { EACH_CONDITION(CMOVCC_ROW8) } };

EXEC(SETCC)
{
    if (!operand_store(cpu, i, 0, 1, flags_condition(&cpu->flags, i->opcode & 15)))
        FAULT();
    NEXT();
}

EXEC(CMOVCC)
{
    uint64_t v;

    if (!operand_load(cpu, i, 1, i->width, &v))
        FAULT();
    if (!flags_condition(&cpu->flags, i->opcode & 15))
        v = reg_get(cpu, i->o[0], i->width);
    reg_set(cpu, i->o[0], i->width, v);
    NEXT();
}

/* ---- single flags ---- */

EXEC(CLC)
{
    flags_set_cf(&cpu->flags, false);
    NEXT_PURE();
}

EXEC(STC)
{
    flags_set_cf(&cpu->flags, true);
    NEXT_PURE();
}

EXEC(CMC)
{
    flags_set_cf(&cpu->flags, !flags_cf(&cpu->flags));
    NEXT_PURE();
}

EXEC(CLD)
{
    cpu->p.rflags &= ~(uint64_t)FLAG_DF;
    NEXT_PURE();
}

EXEC(STD)
{
    cpu->p.rflags |= FLAG_DF;
    NEXT_PURE();
}

/* AH holds SF ZF 0 AF 0 PF 1 CF. */
EXEC(LAHF)
{
    reg_set(cpu, REG_AT(RAX) + 1, 1, (flags_get(&cpu->flags) & 0xd5) | 2);
    NEXT_PURE();
}

EXEC(SAHF)
{
    flags_put(&cpu->flags, (uint32_t)(reg_get(cpu, REG_AT(RAX) + 1, 1) & 0xd5) | (flags_of(&cpu->flags) ? FLAG_OF : 0));
    NEXT_PURE();
}

EXEC(SALC)
{
    reg_set(cpu, REG_AT(RAX), 1, flags_cf(&cpu->flags) ? 0xff : 0);
    NEXT_PURE();
}

EXEC(NOP)
{
    (void)cpu;
    NEXT_PURE();
}

#define BIND_CASE(NAME, FORM_OF) \
    case OP_##NAME: return NAME##_variants[FORM_OF(i)][exec_width_index(i->width)]

insn_fn *exec_bind_int(const struct cpu *cpu, const struct insn *i)
{
    (void)cpu;
    switch (i->op) {
    BIND_CASE(ADD, two_form);
    BIND_CASE(OR, two_form);
    BIND_CASE(ADC, two_form);
    BIND_CASE(SBB, two_form);
    BIND_CASE(AND, two_form);
    BIND_CASE(SUB, two_form);
    BIND_CASE(XOR, two_form);
    BIND_CASE(CMP, two_form);
    BIND_CASE(TEST, two_form);
    BIND_CASE(INC, one_form);
    BIND_CASE(DEC, one_form);
    BIND_CASE(NEG, one_form);
    BIND_CASE(NOT, one_form);
    case OP_SETCC:
        return FORM_KIND(i->form, 0) == KIND_REG ? setcc_register[i->opcode & 15] : NULL;
    case OP_CMOVCC:
        return FORM_KIND(i->form, 1) == KIND_REG && i->width >= 4 ? cmovcc_registers[i->width == 8][i->opcode & 15] : NULL;
    default:
        return NULL;
    }
}
