/* SPDX-License-Identifier: MIT
 * AVX-512 and opmask instructions as the host's own: the row of the decoder's tables again, with the same masks, broadcast and
 * rounding. A masked access that hits the TLB within one page touches nothing that could fault, so the host's own leaves out
 * what the guest's would. Left to handlers: gathers and scatters, compressed stores and expanding loads, approximations (they
 * have the bits of one model), and accesses that do not hit, whose faults depend on the mask. */
#include "cpu/jit/x64/lift.h"

#include <cpuid.h>

#include "cpu/decoder/operands.h"
#include "cpu/decoder/row.h"

/* ---- which rows ---- */

struct avx512_row {
    struct insn_row r;
    uint16_t next;              /* of the same operation, and 1; 0: none */
    bool fp;
};

static struct avx512_row rows[] = {
#define INSN(map, opcode, prefix, modrm, op, o1, o2, o3, o4, needs, attrs) \
    { { attrs, OP_##op, modrm, map, opcode, prefix, F_##needs, { LETTER_##o1, LETTER_##o2, LETTER_##o3, LETTER_##o4 } }, 0, FP },
#define FP false
#include "cpu/decoder/insns_evex.def"
#include "cpu/decoder/insns_avx512.def"
#undef FP
#define FP true
#include "cpu/decoder/insns_evexfp.def"
#undef FP
#undef INSN
};
static uint16_t first_row[OP_COUNT];

static bool opmask_op(unsigned op)
{
    return op >= OP_KMOV && op <= OP_KTEST;
}

static bool approximates(unsigned op)
{
    return op >= OP_VRCP14PS && op <= OP_VRSQRT14SD;
}

static bool has(const struct insn_row *r, unsigned place)
{
    for (unsigned n = 0; n < 4; n++)
        if (PLACE(operands[r->o[n]].place) == place)
            return true;
    return false;
}

/* Bits of the host's CPUID as the table of features has them. */
static bool host_has(unsigned feature)
{
    enum { EAX, EBX, ECX, EDX };
    static const struct { uint32_t leaf; uint8_t subleaf, reg, bit; } at[] = {
#define FEATURE(name, leaf, subleaf, reg, bit, text) [F_##name] = { leaf, subleaf, reg, bit },
#include "cpu/decoder/features.def"
#undef FEATURE
    };
    unsigned r[4] = { 0 };

    return feature < COUNT_OF(at) && at[feature].leaf != 0 &&
           __get_cpuid_count(at[feature].leaf, at[feature].subleaf, &r[0], &r[1], &r[2], &r[3]) &&
           (r[at[feature].reg] >> at[feature].bit & 1);
}

static bool wanted(const struct insn_row *r)
{
    const bool right_map = opmask_op(r->op) ? r->map >= V0F && r->map < E0F : r->map >= E0F;

    return right_map && !(r->attrs & I64) && !approximates(r->op) && !has(r, IN_VSIB) && host_has(r->needs);
}

static void rows_find(void)
{
    for (unsigned n = COUNT_OF(rows); n-- > 0;)
        if (wanted(&rows[n].r)) {
            rows[n].next = first_row[rows[n].r.op];
            first_row[rows[n].r.op] = (uint16_t)(n + 1);
        }
}

/* Opmask instructions of one operation differ in width, others in what a mask bit stands for. */
static unsigned mask_width(const struct insn_row *r)
{
    static const uint8_t bytes[] = { [S1] = 1, [S2] = 2, [S4] = 4, [S8] = 8 };
    const unsigned size = operands[r->o[0]].size;

    return size < sizeof bytes ? bytes[size] : 0;
}

static unsigned element(const struct insn_row *r, bool w)
{
    return r->attrs & EB ? 1 : r->attrs & EW ? 2 : r->attrs & ED ? 4 : (r->attrs & EQ) || w ? 8 : 4;
}

static bool of_length(const struct insn_row *r, unsigned vl)
{
    const unsigned one = r->attrs & L0 ? 16 : r->attrs & L1 ? 32 : r->attrs & L2 ? 64 : 0;

    return one == 0 || one == vl;
}

static const struct avx512_row *row_of(const struct insn *i)
{
    static bool found;
    const bool w = i->flags & INSN_REXW;

    if (!found)
        rows_find();
    found = true;
    for (unsigned n = first_row[i->op]; n != 0; n = rows[n - 1].next) {
        const struct insn_row *r = &rows[n - 1].r;

        if (r->opcode == i->opcode && !(r->attrs & (w ? W0 : W1)) && of_length(r, i->vl) &&
            (opmask_op(i->op) ? mask_width(r) == i->width : element(r, w) == i->esize))
            return &rows[n - 1];
    }
    return NULL;
}

/* ---- operands ---- */

static bool reads_destination(unsigned op)
{
    switch (op) {
    case OP_VPTERNLOG: case OP_VPMADD52LUQ: case OP_VPMADD52HUQ: case OP_VPDPBUSD: case OP_VPDPBUSDS: case OP_VPDPWSSD:
    case OP_VPDPWSSDS: case OP_VPSHLDVW: case OP_VPSHLDVD: case OP_VPSHLDVQ: case OP_VPSHRDVW: case OP_VPSHRDVD:
    case OP_VPSHRDVQ: case OP_VPERMI2B: case OP_VPERMI2W: case OP_VPERMI2D: case OP_VPERMI2Q: case OP_VPERMT2B:
    case OP_VPERMT2W: case OP_VPERMT2D: case OP_VPERMT2Q: case OP_VFIXUPIMMPS: case OP_VFIXUPIMMPD: case OP_VFIXUPIMMSS:
    case OP_VFIXUPIMMSD: case OP_VDPBF16PS:
        return true;
    default:
        return op >= OP_FMADDPS && op <= OP_FMSUBADDPD;
    }
}

static unsigned vector_bytes(const struct insn *i, const struct operand *o)
{
    switch (o->size) {
    case S64: return 64;
    case S32: return 32;
    case SVL: case SVL2: case SVL4: case SVL8: return i->vl;
    default:  return 16;
    }
}

static unsigned general_bytes(const struct insn *i, const struct operand *o)
{
    return o->size == S8 || (o->size == SY && (i->flags & INSN_REXW)) ? 8 : 4;
}

/* What goes into the encoding. */
struct places {
    unsigned reg, first;
    struct rm rm;
};

static void place(struct places *p, const struct operand *o, unsigned host)
{
    switch (PLACE(o->place)) {
    case IN_REG:  p->reg = host; break;
    case IN_VVVV: p->first = host; break;
    default:      p->rm = rm_reg(host);
    }
}

static unsigned use(struct lift *l, unsigned n, const struct operand *o)
{
    const struct insn *i = l->i;

    switch (o->file) {
    case VEC:  return vec_use(l, i->o[n], vector_bytes(i, o));
    case MASK: return mask_use(l, i->o[n] & 7);
    default:   return lift_read(l, i->o[n], general_bytes(i, o), HOST_AX);
    }
}

static bool in_register(const struct insn *i, unsigned n)
{
    return FORM_KIND(i->form, n) == KIND_REG;
}

/* The first operand is the destination, but where flags are made. */
static void sources(struct lift *l, const struct insn_row *r, struct places *p)
{
    const struct insn *i = l->i;
    const struct operand *to = &operands[r->o[0]];
    const bool merges = i->mask && !(i->flags & INSN_EVEX_Z) && to->file == VEC;

    for (unsigned n = 0; n < 4 && r->o[n] != LETTER___; n++)
        if (in_register(i, n) && (n > 0 || op_flags_written[i->op] || merges || reads_destination(i->op)))
            place(p, &operands[r->o[n]], use(l, n, &operands[r->o[n]]));
    if (i->mask)
        mask_use(l, i->mask);
}

static void destination(struct lift *l, const struct insn_row *r, struct places *p)
{
    const struct operand *to = &operands[r->o[0]];

    if (op_flags_written[l->i->op] || !in_register(l->i, 0))
        return;
    place(p, to, to->file == VEC ? vec_make(l, l->i->o[0], false) : to->file == MASK ? l->i->o[0] & 7u : HOST_AX);
}

static void made(struct lift *l, const struct insn_row *r)
{
    const struct insn *i = l->i;
    const struct operand *to = &operands[r->o[0]];

    if (op_flags_written[i->op])
        lift_flags_made(l, FLAGS_ARITH);
    else if (!in_register(i, 0))
        return;
    else if (to->file == MASK)
        mask_made(l, i->o[0] & 7);
    else if (to->file == GPR)
        lift_write(l, i->o[0], opmask_op(i->op) ? 8 : general_bytes(i, to), HOST_AX);
    else if (i->o[0] >= 16 || i->vl == 64)
        vec_made_whole(l, i->o[0]);
    else
        vec_made(l, i->o[0], false);
}

/* ---- the encoding ---- */

/* Of what has no length: the host may not know the reserved ones, and rounding is in its place. */
static unsigned length(const struct insn *i, const struct insn_row *r)
{
    if (i->evex & (EVEX_SAE | EVEX_ROUND))
        return i->evex >> EVEX_RC_SHIFT & 3;
    return r->attrs & LIG || i->vl == 16 ? 0 : i->vl == 32 ? 1 : 2;
}

static void encode(struct lift *l, const struct insn_row *r, const struct places *p)
{
    const struct insn *i = l->i;
    const uint8_t w = (i->flags & INSN_REXW) != 0, prefix = (uint8_t)(r->prefix - NP);

    if (opmask_op(i->op))
        asm_vex(&l->a, (struct vex){ (uint8_t)(r->map - V0F + 1), prefix, w, (r->attrs & L1) != 0, i->opcode },
                p->reg, p->first, p->rm);
    else
        asm_evex(&l->a, (struct evex){
            .map = (uint8_t)(r->map - E0F + 1), .prefix = prefix, .w = w, .l = (uint8_t)length(i, r), .opcode = i->opcode,
            .mask = i->mask, .zero = (i->flags & INSN_EVEX_Z) != 0, .b = (i->flags & INSN_EVEX_B) != 0,
        }, p->reg, p->first, p->rm);
    if (has(r, IMM_U8))
        asm_byte(&l->a, (unsigned)i->imm & 0xff);
}

/* Of compressed and expanded ones the mask's bits are not where the elements lie. */
static bool moves_elements(unsigned op)
{
    return op >= OP_VPCOMPRESSB && op <= OP_VPEXPANDQ;
}

static bool memory(struct lift *l)
{
    const struct insn *i = l->i;
    const bool aligned = i->op == OP_EMOV_ALIGNED || i->op == OP_MOV_ALIGNED;
    const unsigned bytes = opmask_op(i->op) ? i->width : i->mem_bytes;

    if (moves_elements(i->op) || bytes == 0)
        return false;
    return vec_memory(l, !in_register(i, 0), bytes, aligned ? bytes : 1);
}

bool lift_evex(struct lift *l)
{
    const struct insn *i = l->i;
    const struct avx512_row *row;
    struct places p = { .reg = i->modrm >> 3 & 7 };     /* the group, if it is one */

    if (!lift_avx512_possible() || (row = row_of(i)) == NULL)
        return false;
    vec_ready(l, row->fp);
    if (i->modrm < 0xc0 && !memory(l))
        return false;
    p.rm = l->mem;
    sources(l, &row->r, &p);
    destination(l, &row->r, &p);
    encode(l, &row->r, &p);
    made(l, &row->r);
    return true;
}
