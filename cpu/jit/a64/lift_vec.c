/* SPDX-License-Identifier: MIT
 * Integer vectors of 128 and 256 bits on NEON, one row an operation; of 256 bits one half after the other. Floating point is in
 * lift_vec_fp.c; EVEX and MMX are the handlers'. */
#include "cpu/jit/a64/lift.h"

#ifdef __linux__
#include <sys/auxv.h>
#endif

#include "cpu/jit/a64/lift_vec.h"

/* ---- lanes ---- */

enum kind {
    NOT_HERE,
    BOTH,               /* V0 = V0 op V1 */
    SWAPPED,            /* V0 = V1 op V0 */
    ONE,                /* V0 = op V1 */
    PACKED,             /* V0 into the low half, V1 into the high half */
    SHUFFLED, PRODUCTS, PAIRS,          /* PSHUFB, PMULUDQ, PMADDWD */
    ROUND,                              /* of AES: the host's own adds the key before */
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
    [OP_AESENC] = { 0x4e284800, ROUND }, [OP_AESENCLAST] = { 0x4e284800, ROUND },
    [OP_AESDEC] = { 0x4e285800, ROUND }, [OP_AESDECLAST] = { 0x4e285800, ROUND }, [OP_AESIMC] = { 0x4e287800, ONE },
};

static void operate(struct lift *l, const struct row *r, unsigned to, unsigned x, unsigned y)
{
    switch (r->kind) {
    case BOTH:    vvv(l, r->op, to, x, y); break;
    case SWAPPED: vvv(l, r->op, to, y, x); break;
    case ONE:     vvv(l, r->op, to, y, 0); break;
    case PACKED:
        vvv(l, r->op, SCRATCH, x, 0);
        vvv(l, r->op | 0x40000000, SCRATCH, y, 0);      /* the high half, the low one stays */
        vvv(l, V_MOV, to, SCRATCH, SCRATCH);
        break;
    case SHUFFLED:                                      /* TBL gives zero for any number above 15 */
        a64_put(&l->a, 0x4f04e5e0 | SCRATCH);           /* MOVI V.16B, #8Fh */
        vvv(l, 0x4e201c00, SCRATCH, SCRATCH, y);        /* AND */
        vvv(l, 0x4e000000, to, x, SCRATCH);             /* TBL */
        break;
    case PRODUCTS:
        vvv(l, 0x0ea12800, SCRATCH, x, 0);              /* XTN: the even elements */
        vvv(l, 0x0ea12800, THIRD, y, 0);
        vvv(l, 0x2ea0c000, to, SCRATCH, THIRD);         /* UMULL */
        break;
    case ROUND:
        a64_put(&l->a, V_ZERO | SCRATCH);
        vvv(l, r->op, SCRATCH, x, 0);                   /* AESE, AESD: of zero and this key */
        if (l->i->op == OP_AESENC || l->i->op == OP_AESDEC)
            vvv(l, l->i->op == OP_AESENC ? 0x4e286800 : 0x4e287800, SCRATCH, SCRATCH, 0);           /* AESMC, AESIMC */
        vvv(l, 0x6e201c00, to, SCRATCH, y);             /* EOR */
        break;
    default:
        vvv(l, 0x0e60c000, SCRATCH, x, y);              /* SMULL, SMULL2 */
        vvv(l, 0x4e60c000, THIRD, x, y);
        vvv(l, 0x4ea0bc00, to, SCRATCH, THIRD);         /* ADDP */
        break;
    }
}

/* One register with itself: zero, whatever it was. */
static bool clears(struct lift *l, unsigned first, unsigned second)
{
    const struct insn *i = l->i;

    if (i->op != OP_PXOR || in_memory(i, second) || i->o[first] != i->o[second])
        return false;
    for (unsigned half = 0; half < i->width / 16u; half++) {
        const unsigned to = vec_dest(l, i->o[0], half);

        a64_put(&l->a, V_ZERO | to);
        vec_made(l, i->o[0], half, to);
        for (unsigned size = 4; size <= 8; size += 4)
            vec_tamed(l, &(struct shape){ false, (uint8_t)size }, i->o[0], half);
    }
    vec_zero_above(l, i->o[0], i->width);
    return true;
}

static bool lanes(struct lift *l)
{
    const struct insn *i = l->i;
    const struct row *r = &rows[i->op];
    const unsigned first = i->vl ? 1 : 0, second = r->kind == ONE ? 1 : first + 1;

    vec_ready(l);
    if (r->kind != ONE && clears(l, first, second))
        return true;
    if (in_memory(i, second) && !vec_memory(l, false, i->width, i->vl ? 1 : 16))
        return false;
    for (unsigned half = 0; half < i->width / 16u; half++) {
        const unsigned x = r->kind == ONE ? FIRST : vec_source(l, first, half, FIRST);
        const unsigned y = vec_source(l, second, half, SECOND), to = vec_dest(l, i->o[0], half);

        operate(l, r, to, x, y);
        vec_made(l, i->o[0], half, to);
    }
    vec_zero_above(l, i->o[0], i->width);
    return true;
}

/* ---- by a constant ---- */

/* INS: element `from` of v to element `to` of the scratch. */
static void insert(struct lift *l, unsigned log, unsigned to, unsigned v, unsigned from)
{
    a64_put(&l->a, 0x6e000400 | (to << (log + 1) | 1u << log) << 16 | from << (11 + log) | v << 5 | SCRATCH);
}

/* SHUFPS and SHUFPD: the lower half from x, the upper from y; `order` for these 16 bytes. */
static void shuffle_two(struct lift *l, unsigned log, unsigned order, unsigned to, unsigned x, unsigned y)
{
    const unsigned count = 16u >> log, bits = log == 2 ? 2 : 1;

    for (unsigned n = 0; n < count; n++)
        insert(l, log, n, n < count / 2 ? x : y, order >> (bits * n) & (count - 1));
    vvv(l, V_MOV, to, SCRATCH, SCRATCH);
}

static bool two_by_constant(struct lift *l, unsigned log)
{
    const struct insn *i = l->i;
    const unsigned first = i->vl ? 1 : 0, second = first + 1;

    vec_ready(l);
    if (in_memory(i, second) && !vec_memory(l, false, i->width, i->vl ? 1 : 16))
        return false;
    for (unsigned half = 0; half < i->width / 16u; half++) {
        const unsigned x = vec_source(l, first, half, FIRST), y = vec_source(l, second, half, SECOND);
        const unsigned to = vec_dest(l, i->o[0], half);

        shuffle_two(l, log, (unsigned)i->imm >> (log == 3 ? 2 * half : 0), to, x, y);
        vec_made(l, i->o[0], half, to);
    }
    vec_zero_above(l, i->o[0], i->width);
    return true;
}

static void shift_lanes(struct lift *l, unsigned log, unsigned n, unsigned to, unsigned v)
{
    const unsigned bits = 8u << log;
    const bool left = l->i->op == OP_PSLLW || l->i->op == OP_PSLLD || l->i->op == OP_PSLLQ;
    const bool sign = l->i->op == OP_PSRAW || l->i->op == OP_PSRAD;

    if (n >= bits && !sign) {
        a64_put(&l->a, V_ZERO | to);
        return;
    }
    n = n >= bits ? bits - 1 : n;
    if (n == 0)
        vvv(l, V_MOV, to, v, v);
    else if (left)
        vvv(l, 0x4f005400, to, v, bits + n);                /* SHL */
    else
        vvv(l, sign ? 0x4f000400 : 0x6f000400, to, v, 2 * bits - n);        /* SSHR, USHR */
}

/* Bytes of `low` and `high`, from byte n of the lower on: EXT. */
static void extract(struct lift *l, unsigned to, unsigned low, unsigned high, unsigned n)
{
    vvv(l, 0x6e000000 | n << 11, to, low, high);
}

static void shift_bytes(struct lift *l, unsigned n, unsigned to, unsigned v)
{
    a64_put(&l->a, V_ZERO | SCRATCH);
    if (n > 15)
        vvv(l, V_MOV, to, SCRATCH, SCRATCH);
    else if (l->i->op == OP_PSRLDQ)
        extract(l, to, v, SCRATCH, n);
    else if (n == 0)
        vvv(l, V_MOV, to, v, v);
    else
        extract(l, to, SCRATCH, v, 16 - n);
}

/* Four elements of 4 bytes in an order that NEON has an instruction for. */
static bool shuffle_at_once(struct lift *l, unsigned order, unsigned to, unsigned v)
{
    static const struct { uint8_t order; uint32_t op; } known[] = {
        { 0x50, 0x4e803800 }, { 0xfa, 0x4e807800 },         /* ZIP1, ZIP2 */
        { 0xa0, 0x4e802800 }, { 0xf5, 0x4e806800 },         /* TRN1, TRN2 */
        { 0x88, 0x4e801800 }, { 0xdd, 0x4e805800 },         /* UZP1, UZP2 */
        { 0x39, 0x6e002000 }, { 0x4e, 0x6e004000 }, { 0x93, 0x6e006000 },           /* EXT #4, #8, #12 */
        { 0x44, 0x4ec03800 }, { 0xee, 0x4ec07800 },         /* ZIP1, ZIP2 of 8 bytes */
    };

    if (order % 0x55 == 0) {
        vvv(l, 0x4e000400 | (order / 0x55 << 3 | 4) << 16, to, v, 0);       /* DUP */
        return true;
    }
    for (unsigned n = 0; n < COUNT_OF(known); n++)
        if (known[n].order == order) {
            vvv(l, known[n].op, to, v, v);
            return true;
        }
    return false;
}

static void shuffle(struct lift *l, unsigned log, unsigned base, unsigned order, unsigned to, unsigned v)
{
    if (log == 2 && shuffle_at_once(l, order, to, v))
        return;
    if (log == 1)
        vvv(l, V_MOV, SCRATCH, v, v);           /* the other half stays */
    for (unsigned n = 0; n < 4; n++)
        insert(l, log, base + n, v, base + (order >> (2 * n) & 3));
    vvv(l, V_MOV, to, SCRATCH, SCRATCH);
}

static void one_by_constant(struct lift *l, unsigned n, unsigned to, unsigned v)
{
    switch (l->i->op) {
    case OP_PSLLW: case OP_PSRLW: case OP_PSRAW: shift_lanes(l, 1, n, to, v); break;
    case OP_PSLLD: case OP_PSRLD: case OP_PSRAD: shift_lanes(l, 2, n, to, v); break;
    case OP_PSLLQ: case OP_PSRLQ:                shift_lanes(l, 3, n, to, v); break;
    case OP_PSLLDQ: case OP_PSRLDQ:              shift_bytes(l, n, to, v); break;
    case OP_PSHUFD:                              shuffle(l, 2, 0, n, to, v); break;
    case OP_PSHUFLW:                             shuffle(l, 1, 0, n, to, v); break;
    default:                                     shuffle(l, 1, 4, n, to, v); break;
    }
}

/* The source is in the slot before the constant; a legacy shift has one operand for both. */
static bool by_constant(struct lift *l)
{
    const struct insn *i = l->i;
    const unsigned constant = immediate(i, 1) ? 1 : 2, source = constant - 1;

    if (!immediate(i, constant))
        return false;
    vec_ready(l);
    if (in_memory(i, source) && !vec_memory(l, false, i->width, i->vl ? 1 : 16))
        return false;
    for (unsigned half = 0; half < i->width / 16u; half++) {
        const unsigned v = vec_source(l, source, half, SECOND), to = vec_dest(l, i->o[0], half);

        one_by_constant(l, (unsigned)i->imm & 0xff, to, v);
        vec_made(l, i->o[0], half, to);
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

/* Instructions for AES are optional. */
static bool host_has(unsigned op)
{
#ifdef __linux__
    enum { HAS_AES = 1 << 3 };          /* HWCAP_AES */

    return op < OP_AESENC || op > OP_AESIMC || (getauxval(AT_HWCAP) & HAS_AES);
#else
    return op < OP_AESENC || op > OP_AESIMC;
#endif
}

bool lift_vec(struct lift *l)
{
    const struct insn *i = l->i;

    if ((i->flags & INSN_EVEX) || (i->width != 16 && i->width != 32))
        return false;
    if (rows[i->op].kind != NOT_HERE)
        return host_has(i->op) && lanes(l);
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
