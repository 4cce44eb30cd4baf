/* SPDX-License-Identifier: MIT
 * Integer vectors of 128 and 256 bits on NEON, one row an operation. Guest registers stay in struct cpu: an instruction
 * loads its operands to V0 and V1 and stores V0; of 256 bits one half after the other. Floating point is in
 * lift_vec_fp.c; EVEX and MMX are the handlers'. */
#include "cpu/jit/a64/lift.h"

#include "cpu/jit/a64/lift_vec.h"

/* ---- operands ---- */

void vec_ready(struct lift *l)
{
    const unsigned unit = l->i->vl ? VEC_READY_AVX : VEC_READY_SSE;

    if (l->vec_ready & unit)
        return;
    a64_mov_imm(&l->a, T2, (uint64_t)CPU_AT(vec_ready));
    a64_mem_x(&l->a, A64_LDRB, T2, HOST_CPU, T2);
    a64_logic_imm(&l->a, A64_AND, 4, T2, T2, unit);
    lift_bail(l, a64_cbz(&l->a, 4, false, T2));
    l->vec_ready |= (uint8_t)unit;
}

int32_t vec_at(unsigned n, unsigned byte)
{
    return CPU_AT(s.zmm) + (int32_t)(64 * n + byte);
}

bool vec_memory(struct lift *l, bool write, unsigned bytes, unsigned align)
{
    const unsigned address = lift_address(l);

    if (address == HOST_NONE)
        return false;
    if (align > 1) {
        a64_logic_imm(&l->a, A64_AND, 8, T2, address, align - 1);
        lift_cold(l, a64_cbz(&l->a, 8, true, T2));
    }
    lift_probe(l, address, write, bytes);
    lift_host_address(l, T2);
    return true;
}

void vec_zero_above(struct lift *l, unsigned n, unsigned bytes)
{
    if (!l->i->vl)
        return;
    a64_put(&l->a, V_ZERO | 2);
    for (; bytes < 64; bytes += 16)
        a64_mem(&l->a, A64_STRQ, 2, HOST_CPU, vec_at(n, bytes));
}

static void vvv(struct lift *l, uint32_t op, unsigned d, unsigned n, unsigned m)
{
    a64_put(&l->a, op | m << 16 | n << 5 | d);
}

/* ---- lanes ---- */

enum kind {
    NOT_HERE,
    BOTH,               /* V0 = V0 op V1 */
    SWAPPED,            /* V0 = V1 op V0 */
    ONE,                /* V0 = op V1 */
    PACKED,             /* V0 into the low half, V1 into the high half */
    SHUFFLED, PRODUCTS, PAIRS,          /* PSHUFB, PMULUDQ, PMADDWD */
};

#define SIZE(n) ((uint32_t)(n) << 22)       /* of an element, as a power of two */

static const struct row {
    uint32_t op;
    uint8_t kind;
} rows[OP_COUNT] = {
    [OP_PAND]  = { 0x4e201c00, BOTH }, [OP_PANDN] = { 0x4e601c00, SWAPPED },
    [OP_POR]   = { 0x4ea01c00, BOTH }, [OP_PXOR]  = { 0x6e201c00, BOTH },
    [OP_PADDB] = { 0x4e208400 | SIZE(0), BOTH }, [OP_PADDW] = { 0x4e208400 | SIZE(1), BOTH },
    [OP_PADDD] = { 0x4e208400 | SIZE(2), BOTH }, [OP_PADDQ] = { 0x4e208400 | SIZE(3), BOTH },
    [OP_PSUBB] = { 0x6e208400 | SIZE(0), BOTH }, [OP_PSUBW] = { 0x6e208400 | SIZE(1), BOTH },
    [OP_PSUBD] = { 0x6e208400 | SIZE(2), BOTH }, [OP_PSUBQ] = { 0x6e208400 | SIZE(3), BOTH },
    [OP_PADDSB]  = { 0x4e200c00 | SIZE(0), BOTH }, [OP_PADDSW]  = { 0x4e200c00 | SIZE(1), BOTH },
    [OP_PADDUSB] = { 0x6e200c00 | SIZE(0), BOTH }, [OP_PADDUSW] = { 0x6e200c00 | SIZE(1), BOTH },
    [OP_PSUBSB]  = { 0x4e202c00 | SIZE(0), BOTH }, [OP_PSUBSW]  = { 0x4e202c00 | SIZE(1), BOTH },
    [OP_PSUBUSB] = { 0x6e202c00 | SIZE(0), BOTH }, [OP_PSUBUSW] = { 0x6e202c00 | SIZE(1), BOTH },
    [OP_PMULLW]  = { 0x4e209c00 | SIZE(1), BOTH }, [OP_PMULLD]  = { 0x4e209c00 | SIZE(2), BOTH },
    [OP_PAVGB]   = { 0x6e201400 | SIZE(0), BOTH }, [OP_PAVGW]   = { 0x6e201400 | SIZE(1), BOTH },
    [OP_PMINUB]  = { 0x6e206c00 | SIZE(0), BOTH }, [OP_PMINUW]  = { 0x6e206c00 | SIZE(1), BOTH },
    [OP_PMINUD]  = { 0x6e206c00 | SIZE(2), BOTH }, [OP_PMINSB]  = { 0x4e206c00 | SIZE(0), BOTH },
    [OP_PMINSW]  = { 0x4e206c00 | SIZE(1), BOTH }, [OP_PMINSD]  = { 0x4e206c00 | SIZE(2), BOTH },
    [OP_PMAXUB]  = { 0x6e206400 | SIZE(0), BOTH }, [OP_PMAXUW]  = { 0x6e206400 | SIZE(1), BOTH },
    [OP_PMAXUD]  = { 0x6e206400 | SIZE(2), BOTH }, [OP_PMAXSB]  = { 0x4e206400 | SIZE(0), BOTH },
    [OP_PMAXSW]  = { 0x4e206400 | SIZE(1), BOTH }, [OP_PMAXSD]  = { 0x4e206400 | SIZE(2), BOTH },
    [OP_PCMPEQB] = { 0x6e208c00 | SIZE(0), BOTH }, [OP_PCMPEQW] = { 0x6e208c00 | SIZE(1), BOTH },
    [OP_PCMPEQD] = { 0x6e208c00 | SIZE(2), BOTH }, [OP_PCMPEQQ] = { 0x6e208c00 | SIZE(3), BOTH },
    [OP_PCMPGTB] = { 0x4e203400 | SIZE(0), BOTH }, [OP_PCMPGTW] = { 0x4e203400 | SIZE(1), BOTH },
    [OP_PCMPGTD] = { 0x4e203400 | SIZE(2), BOTH }, [OP_PCMPGTQ] = { 0x4e203400 | SIZE(3), BOTH },
    [OP_PABSB]   = { 0x4e20b800 | SIZE(0), ONE },  [OP_PABSW]   = { 0x4e20b800 | SIZE(1), ONE },
    [OP_PABSD]   = { 0x4e20b800 | SIZE(2), ONE },
    [OP_PUNPCKLBW]  = { 0x4e003800 | SIZE(0), BOTH }, [OP_PUNPCKLWD]  = { 0x4e003800 | SIZE(1), BOTH },
    [OP_PUNPCKLDQ]  = { 0x4e003800 | SIZE(2), BOTH }, [OP_PUNPCKLQDQ] = { 0x4e003800 | SIZE(3), BOTH },
    [OP_PUNPCKHBW]  = { 0x4e007800 | SIZE(0), BOTH }, [OP_PUNPCKHWD]  = { 0x4e007800 | SIZE(1), BOTH },
    [OP_PUNPCKHDQ]  = { 0x4e007800 | SIZE(2), BOTH }, [OP_PUNPCKHQDQ] = { 0x4e007800 | SIZE(3), BOTH },
    [OP_PACKSSWB] = { 0x0e214800 | SIZE(0), PACKED }, [OP_PACKSSDW] = { 0x0e214800 | SIZE(1), PACKED },
    [OP_PACKUSWB] = { 0x2e212800 | SIZE(0), PACKED }, [OP_PACKUSDW] = { 0x2e212800 | SIZE(1), PACKED },
    [OP_PSHUFB]   = { 0, SHUFFLED }, [OP_PMULUDQ] = { 0, PRODUCTS }, [OP_PMADDWD] = { 0, PAIRS },
};

static void operate(struct lift *l, const struct row *r)
{
    switch (r->kind) {
    case BOTH:    vvv(l, r->op, 0, 0, 1); break;
    case SWAPPED: vvv(l, r->op, 0, 1, 0); break;
    case ONE:     vvv(l, r->op, 0, 1, 0); break;
    case PACKED:
        vvv(l, r->op, 2, 0, 0);
        vvv(l, r->op | 0x40000000, 2, 1, 0);        /* the high half, the low one stays */
        vvv(l, 0x4ea01c00, 0, 2, 2);                /* MOV */
        break;
    case SHUFFLED:                                  /* TBL gives zero for any number above 15 */
        a64_put(&l->a, 0x4f04e5e0 | 2);             /* MOVI V2.16B, #8Fh */
        vvv(l, 0x4e201c00, 2, 2, 1);                /* AND */
        vvv(l, 0x4e000000, 0, 0, 2);                /* TBL */
        break;
    case PRODUCTS:
        vvv(l, 0x0ea12800, 0, 0, 0);                /* XTN: the even elements */
        vvv(l, 0x0ea12800, 1, 1, 0);
        vvv(l, 0x2ea0c000, 0, 0, 1);                /* UMULL */
        break;
    default:
        vvv(l, 0x0e60c000, 2, 0, 1);                /* SMULL, SMULL2 */
        vvv(l, 0x4e60c000, 3, 0, 1);
        vvv(l, 0x4ea0bc00, 0, 2, 3);                /* ADDP */
        break;
    }
}

/* Memory of 256 bits is in V1 and V3 before anything is written. */
static bool lanes(struct lift *l)
{
    const struct insn *i = l->i;
    const struct row *r = &rows[i->op];
    const unsigned first = i->vl ? 1 : 0, second = r->kind == ONE ? 1 : first + 1, bytes = i->width;
    const bool memory = in_memory(i, second);

    vec_ready(l);
    if (memory && !vec_memory(l, false, bytes, i->vl ? 1 : 16))
        return false;
    for (unsigned at = 0; at < bytes; at += 16) {
        if (r->kind != ONE)
            a64_mem(&l->a, A64_LDRQ, 0, HOST_CPU, vec_at(i->o[first], at));
        if (memory)
            a64_mem(&l->a, A64_LDRQ, 1, T2, (int32_t)at);
        else
            a64_mem(&l->a, A64_LDRQ, 1, HOST_CPU, vec_at(i->o[second], at));
        operate(l, r);
        a64_mem(&l->a, A64_STRQ, 0, HOST_CPU, vec_at(i->o[0], at));
    }
    vec_zero_above(l, i->o[0], bytes);
    return true;
}

/* ---- by a constant ---- */

/* SHUFPS and SHUFPD: the lower half of V2 from V0, the upper from V1; `order` for these 16 bytes. */
static void shuffle_two(struct lift *l, unsigned log, unsigned order)
{
    const unsigned count = 16u >> log, bits = log == 2 ? 2 : 1;

    for (unsigned n = 0; n < count; n++) {
        const unsigned from = order >> (bits * n) & (count - 1);

        a64_put(&l->a, 0x6e000400 | (n << (log + 1) | 1u << log) << 16 | from << (11 + log) |
                       (n < count / 2 ? 0u : 1u) << 5 | 2);                             /* INS */
    }
}

static bool two_by_constant(struct lift *l, unsigned log)
{
    const struct insn *i = l->i;
    const unsigned first = i->vl ? 1 : 0, second = first + 1;
    const bool memory = in_memory(i, second);

    vec_ready(l);
    if (memory && !vec_memory(l, false, i->width, i->vl ? 1 : 16))
        return false;
    for (unsigned at = 0; at < i->width; at += 16) {
        a64_mem(&l->a, A64_LDRQ, 0, HOST_CPU, vec_at(i->o[first], at));
        if (memory)
            a64_mem(&l->a, A64_LDRQ, 1, T2, (int32_t)at);
        else
            a64_mem(&l->a, A64_LDRQ, 1, HOST_CPU, vec_at(i->o[second], at));
        shuffle_two(l, log, (unsigned)i->imm >> (log == 3 ? at / 8 : 0));
        a64_mem(&l->a, A64_STRQ, 2, HOST_CPU, vec_at(i->o[0], at));
    }
    vec_zero_above(l, i->o[0], i->width);
    return true;
}

/* Of V1 into V0; false: it has no such form here. */
static bool shift_lanes(struct lift *l, unsigned log, unsigned n)
{
    const unsigned bits = 8u << log;
    const bool left = l->i->op == OP_PSLLW || l->i->op == OP_PSLLD || l->i->op == OP_PSLLQ;
    const bool sign = l->i->op == OP_PSRAW || l->i->op == OP_PSRAD;

    if (n >= bits && !sign) {
        a64_put(&l->a, V_ZERO);
        return true;
    }
    n = n >= bits ? bits - 1 : n;
    if (n == 0)
        vvv(l, 0x4ea01c00, 0, 1, 1);
    else if (left)
        vvv(l, 0x4f005400, 0, 1, bits + n);             /* SHL */
    else
        vvv(l, sign ? 0x4f000400 : 0x6f000400, 0, 1, 2 * bits - n);      /* SSHR, USHR */
    return true;
}

/* Bytes of V0 (the lower) and V1, from byte n on, into V0: EXT. */
static void extract(struct lift *l, unsigned low, unsigned high, unsigned n)
{
    vvv(l, 0x6e000000 | n << 11, 0, low, high);
}

static bool shift_bytes(struct lift *l, unsigned n)
{
    a64_put(&l->a, V_ZERO | 2);
    if (n > 15)
        vvv(l, 0x4ea01c00, 0, 2, 2);
    else if (l->i->op == OP_PSRLDQ)
        extract(l, 1, 2, n);
    else if (n == 0)
        vvv(l, 0x4ea01c00, 0, 1, 1);
    else
        extract(l, 2, 1, 16 - n);
    return true;
}

/* INS: element `from` of V1 to element `to` of V0. */
static void insert(struct lift *l, unsigned log, unsigned to, unsigned from)
{
    a64_put(&l->a, 0x6e000400 | (to << (log + 1) | 1u << log) << 16 | from << (11 + log) | 1 << 5);
}

static bool shuffle(struct lift *l, unsigned log, unsigned base, unsigned order)
{
    if (log == 1)
        vvv(l, 0x4ea01c00, 0, 1, 1);            /* the other half stays */
    for (unsigned n = 0; n < 4; n++)
        insert(l, log, base + n, base + (order >> (2 * n) & 3));
    return true;
}

static bool one_by_constant(struct lift *l, unsigned v)
{
    switch (l->i->op) {
    case OP_PSLLW: case OP_PSRLW: case OP_PSRAW: return shift_lanes(l, 1, v);
    case OP_PSLLD: case OP_PSRLD: case OP_PSRAD: return shift_lanes(l, 2, v);
    case OP_PSLLQ: case OP_PSRLQ:                return shift_lanes(l, 3, v);
    case OP_PSLLDQ: case OP_PSRLDQ:              return shift_bytes(l, v);
    case OP_PSHUFD:                              return shuffle(l, 2, 0, v);
    case OP_PSHUFLW:                             return shuffle(l, 1, 0, v);
    default:                                     return shuffle(l, 1, 4, v);
    }
}

/* The source is in the slot before the constant; a legacy shift has one operand for both. */
static bool by_constant(struct lift *l)
{
    const struct insn *i = l->i;
    const unsigned constant = immediate(i, 1) ? 1 : 2, source = constant - 1;
    const bool memory = in_memory(i, source);

    if (!immediate(i, constant))
        return false;
    vec_ready(l);
    if (memory && !vec_memory(l, false, i->width, i->vl ? 1 : 16))
        return false;
    for (unsigned at = 0; at < i->width; at += 16) {
        if (memory)
            a64_mem(&l->a, A64_LDRQ, 1, T2, (int32_t)at);
        else
            a64_mem(&l->a, A64_LDRQ, 1, HOST_CPU, vec_at(i->o[source], at));
        if (!one_by_constant(l, (unsigned)i->imm & 0xff))
            return false;
        a64_mem(&l->a, A64_STRQ, 0, HOST_CPU, vec_at(i->o[0], at));
    }
    vec_zero_above(l, i->o[0], i->width);
    return true;
}

bool backend_vector_alone(unsigned op)
{
    switch (op) {
    case OP_MOV_LOAD32: case OP_MOV_LOAD64: case OP_MOVQ_VW: case OP_MOV_MERGE32: case OP_MOV_MERGE64: case OP_MOVHLPS: case OP_MOVLHPS:
    case OP_MOV_LOADLOW: case OP_MOV_LOADHIGH: case OP_PSLLDQ: case OP_PSRLDQ: case OP_PSHUFD: case OP_PSHUFLW: case OP_PSHUFHW:
    case OP_SHUFPS: case OP_SHUFPD: case OP_CVTSS2SD: case OP_CVTSD2SS: case OP_CMPPS: case OP_CMPPD: case OP_CMPSS: case OP_CMPSD:
        return true;
    default:
        return rows[op].kind != NOT_HERE || (op >= OP_ADDPS && op <= OP_SQRTSD) || (op >= OP_FMADDPS && op < OP_FMADDSUBPS);
    }
}

bool lift_vec(struct lift *l)
{
    const struct insn *i = l->i;

    if ((i->flags & INSN_EVEX) || (i->width != 16 && i->width != 32))
        return false;
    if (rows[i->op].kind != NOT_HERE)
        return lanes(l);
    switch (i->op) {
    case OP_PSLLW: case OP_PSLLD: case OP_PSLLQ: case OP_PSRLW: case OP_PSRLD: case OP_PSRLQ: case OP_PSRAW: case OP_PSRAD:
    case OP_PSLLDQ: case OP_PSRLDQ: case OP_PSHUFD: case OP_PSHUFLW: case OP_PSHUFHW:
        return by_constant(l);
    case OP_SHUFPS:
        return two_by_constant(l, 2);
    case OP_SHUFPD:
        return two_by_constant(l, 3);
    default:
        return false;
    }
}
