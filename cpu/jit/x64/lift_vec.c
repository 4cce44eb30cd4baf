/* SPDX-License-Identifier: MIT
 * Vector operations as the host's own. The host's instruction is the VEX encoding of the decoder's tables with other
 * registers, whatever encoding the guest uses: so a first source may be apart from the destination. What is not in the
 * tables, or not on this host, is left to its handler. */
#include "cpu/jit/x64/lift.h"

#include <cpuid.h>
#include <string.h>

#include "cpu/decoder/operands.h"
#include "cpu/decoder/row.h"

#define SCRATCH 1u          /* XMM1; XMM0 is for instructions that imply it */
#define FIRST_FREE 2u

/* ---- what the host has ---- */

bool lift_vec_possible(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

bool lift_avx512_possible(void)
{
    return lift_vec_possible() && !jit_without_avx512 && __builtin_cpu_supports("avx512f") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

static bool cpuid_bit(unsigned leaf, unsigned reg, unsigned bit)
{
    unsigned r[4] = { 0 };

    return __get_cpuid_count(leaf, 0, &r[0], &r[1], &r[2], &r[3]) && (r[reg] >> bit & 1);
}

/* Of the features that instructions may need: SDM 2A "CPUID". */
bool lift_host_has(unsigned feature)
{
    enum { EBX = 1, ECX = 2 };

    switch (feature) {
    case F_AVX: case F_AVX2: case F_FMA: return lift_vec_possible();
    case F_SSE42:       return cpuid_bit(1, ECX, 20);
    case F_POPCNT:      return cpuid_bit(1, ECX, 23);
    case F_BMI1:        return cpuid_bit(7, EBX, 3);
    case F_LZCNT:       return cpuid_bit(0x80000001, ECX, 5);
    case F_BMI2:        return cpuid_bit(7, EBX, 8);
    case F_F16C:        return cpuid_bit(1, ECX, 29);
    case F_AES:         return cpuid_bit(1, ECX, 25);
    case F_PCLMULQDQ:   return cpuid_bit(1, ECX, 1);
    case F_SHA:         return cpuid_bit(7, EBX, 29);
    case F_GFNI:        return cpuid_bit(7, ECX, 8);
    case F_VAES:        return cpuid_bit(7, ECX, 9);
    case F_VPCLMULQDQ:  return cpuid_bit(7, ECX, 10);
    default:            return false;
    }
}

/* ---- how the host does it ---- */

/* The operands are destination, first source if any, second source in ModRM.rm, immediate or a fourth register. */
struct form {
    struct vex vex;
    uint8_t first, second;      /* bytes of the sources with 256 bits; 0: no first source */
    uint8_t group;              /* 8 and ModRM.reg: the destination is in VEX.vvvv */
    uint8_t imm, fourth;
    uint8_t known;
};

enum { FORM_128, FORM_256, FORM_GROUP, FORM_KINDS };
static struct form forms[OP_COUNT][FORM_KINDS];

static const struct insn_row rows[] = {
#define INSN(map, opcode, prefix, modrm, op, o1, o2, o3, o4, needs, attrs) \
    { attrs, OP_##op, modrm, map, opcode, prefix, F_##needs, { LETTER_##o1, LETTER_##o2, LETTER_##o3, LETTER_##o4 } },
#include "cpu/decoder/insns_vex.def"
#include "cpu/decoder/insns_vexfp.def"
#undef INSN
};

/* Approximations have the bits of one model; masked loads may leave bytes of memory alone; moves are in lift_vec_move.c. */
static bool handled(unsigned op)
{
    switch (op) {
    case OP_RCPPS: case OP_RCPSS: case OP_RSQRTPS: case OP_RSQRTSS: case OP_VMASKMOV_LOAD32: case OP_VMASKMOV_LOAD64:
    case OP_MASKMOVDQU: case OP_MOV_ALIGNED: case OP_MOV_UNALIGNED: case OP_PCMPESTRM: case OP_PCMPISTRM:
        return false;
    default:
        return op_flags_written[op] == 0;
    }
}

static unsigned wide(unsigned letter)
{
    return operands[letter].size == SVL && operands[letter].mem != SVL2 && operands[letter].mem != SVL4 &&
           operands[letter].mem != SVL8 ? 32 : 16;
}

/* False: some operand is of another kind. */
static bool form_of(const struct insn_row *r, struct form *f)
{
    const struct operand *to = &operands[r->o[0]];
    bool group = PLACE(to->place) == IN_VVVV;

    *f = (struct form){
        .vex = { (uint8_t)(r->map - V0F + 1), (uint8_t)(r->prefix - NP), (r->attrs & W1) != 0, 0, r->opcode }
    };
    if (to->file != VEC || (PLACE(to->place) != IN_REG && !group))
        return false;
    if (group)
        f->group = 8 | (r->modrm & 7);
    for (unsigned n = 1; n < 4 && r->o[n] != LETTER___; n++) {
        const struct operand *o = &operands[r->o[n]];

        switch (PLACE(o->place)) {
        case IN_VVVV: f->first = (uint8_t)wide(r->o[n]); break;
        case IN_RM: case IN_RMREG: f->second = (uint8_t)wide(r->o[n]); break;
        case IN_MEM: f->second = 16; break;
        case IMM_U8: f->imm = 1; break;
        case IN_IS4: f->fourth = (uint8_t)wide(r->o[n]); break;
        default: return false;
        }
        if (o->file != VEC && o->file != NOFILE)
            return false;
    }
    return f->second != 0;
}

static void form_add(const struct insn_row *r, unsigned kind)
{
    struct form *f = &forms[r->op][kind], made;

    if (f->known || !form_of(r, &made) || (made.group != 0) != (kind == FORM_GROUP))
        return;
    made.vex.l = kind == FORM_256 && !(r->attrs & LIG);
    made.known = 1;
    *f = made;
}

static void forms_make(void)
{
    for (unsigned n = 0; n < COUNT_OF(rows); n++) {
        const struct insn_row *r = &rows[n];

        if (!handled(r->op) || !lift_host_has(r->needs))
            continue;
        if (!(r->attrs & L1))
            form_add(r, FORM_128);
        if (!(r->attrs & L0))
            form_add(r, FORM_256);
        form_add(r, FORM_GROUP);
    }
}

/* ---- guest registers in the host's ---- */

static struct rm zmm(unsigned n, unsigned at)
{
    return rm_at(HOST_CPU, CPU_AT(s.zmm).disp + (int32_t)(64 * n + at));
}

static void load(struct lift *l, unsigned host, unsigned n, unsigned bytes)
{
    if (bytes == 64)
        asm_evex(&l->a, (struct evex){ 1, 2, 1, 2, 0x6f, 0, 0, 0 }, host, 0, zmm(n, 0));
    else
        asm_vex(&l->a, (struct vex){ 1, 2, 0, bytes == 32, 0x6f }, host, 0, zmm(n, 0));
}

static void store(struct lift *l, unsigned host, unsigned n, unsigned at, unsigned bytes)
{
    if (bytes == 64)
        asm_evex(&l->a, (struct evex){ 1, 2, 1, 2, 0x7f, 0, 0, 0 }, host, 0, zmm(n, at));
    else
        asm_vex(&l->a, (struct vex){ 1, 2, 0, bytes == 32, 0x7f }, host, 0, zmm(n, at));
}

static void zero_scratch(struct lift *l)
{
    asm_vex(&l->a, (struct vex){ 1, 1, 0, 0, 0xef }, SCRATCH, SCRATCH, rm_reg(SCRATCH));
}

void lift_vec_begin(struct lift *l)
{
    static bool made;

    if (!made)
        forms_make();
    made = true;
    l->vec = (struct vec_state){ 0 };
    memset(l->vec.host, HOST_NONE, sizeof l->vec.host);
    l->vec_next = FIRST_FREE;
}

/* Opmask registers, a bit for each, to struct cpu or from there: KMOVQ. */
static void masks(struct lift *l, unsigned which, bool out)
{
    for (unsigned n = 0; n < 8; n++)
        if (which >> n & 1)
            asm_vex(&l->a, (struct vex){ 1, 0, 1, 0, out ? 0x91 : 0x90 }, n, 0,
                    rm_at(HOST_CPU, CPU_AT(s.k).disp + (int32_t)(8 * n)));
}

static bool wants_zero(const struct vec_state *v, unsigned n)
{
    return v->host[n] != HOST_NONE && v->dirty[n] == DIRTY_UPPER_ZERO && !(v->clear >> n & 1);
}

static void store_one(struct lift *l, const struct vec_state *v, unsigned n)
{
    if (v->host[n] == HOST_NONE || v->dirty[n] == DIRTY_NOT)
        return;
    store(l, v->host[n], n, 0, v->dirty[n] == DIRTY_WHOLE ? 64 : v->dirty[n] == DIRTY_UPPER_ZERO ? 32 : 16);
    if (wants_zero(v, n))
        store(l, SCRATCH, n, 32, 32);
}

void lift_vec_store(struct lift *l, const struct vec_state *v)
{
    bool zero = false;

    lift_x87_note(l, v);
    for (unsigned n = 0; n < VEC_REGS; n++)
        zero |= wants_zero(v, n);
    if (zero)
        zero_scratch(l);
    for (unsigned n = 0; n < VEC_REGS; n++)
        store_one(l, v, n);
    masks(l, v->k_dirty, true);
}

void lift_vec_load(struct lift *l, const struct vec_state *v)
{
    if (v->x87)
        lift_x87_on(l);
    for (unsigned n = 0; n < VEC_REGS; n++)
        if (v->host[n] != HOST_NONE)
            load(l, v->host[n], n, v->have[n]);
    masks(l, v->k_have, false);
    if (v->fp)
        lift_vec_fp_on(&l->a);
}

/* For a handler, which may do whatever it likes. */
void lift_vec_flush(struct lift *l)
{
    lift_vec_store(l, &l->vec);
    memset(l->vec.host, HOST_NONE, sizeof l->vec.host);
    memset(l->vec.dirty, 0, sizeof l->vec.dirty);
    l->vec.clear = 0;
    l->vec.k_have = l->vec.k_dirty = 0;
    l->vec.fp = l->vec.x87 = l->vec.x87_last = 0;
}

static void clean(struct lift *l, unsigned n)
{
    if (wants_zero(&l->vec, n)) {
        zero_scratch(l);
        store_one(l, &l->vec, n);
        l->vec.clear |= 1u << n;
    } else {
        store_one(l, &l->vec, n);
    }
    l->vec.dirty[n] = DIRTY_NOT;
}

static unsigned owner(const struct lift *l, unsigned host)
{
    for (unsigned n = 0; n < 16; n++)
        if (l->vec.host[n] == host)
            return n;
    return HOST_NONE;
}

static unsigned free_host(struct lift *l)
{
    unsigned host = HOST_NONE, was;

    for (unsigned h = FIRST_FREE; h < 16 && host == HOST_NONE; h++)
        if (!(l->vec_busy >> h & 1) && owner(l, h) == HOST_NONE)
            host = h;
    while (host == HOST_NONE) {
        if (!(l->vec_busy >> l->vec_next & 1))
            host = l->vec_next;
        l->vec_next = l->vec_next == 15 ? FIRST_FREE : (uint8_t)(l->vec_next + 1);
    }
    was = owner(l, host);
    if (was != HOST_NONE) {
        clean(l, was);
        l->vec.host[was] = HOST_NONE;
    }
    return host;
}

/* A host register for guest register n, which has none. */
static unsigned take(struct lift *l, unsigned n)
{
    const unsigned host = n < 16 ? free_host(l) : n;

    l->vec.host[n] = (uint8_t)host;
    l->vec.have[n] = l->vec.dirty[n] = 0;
    return host;
}

/* The host zeroes what is above 32 bytes; are the guest's zero, too? */
static bool upper_is_zero(const struct vec_state *v, unsigned n)
{
    return v->have[n] == 32 && (v->dirty[n] == DIRTY_UPPER_ZERO || (v->dirty[n] == DIRTY_NOT && (v->clear >> n & 1)));
}

static void busy(struct lift *l, unsigned host)
{
    if (host < 16)
        l->vec_busy |= (uint16_t)(1u << host);
}

unsigned vec_use(struct lift *l, unsigned n, unsigned bytes)
{
    unsigned host = l->vec.host[n];

    if (host == HOST_NONE)
        host = take(l, n);
    if (n >= 16 || (bytes == 64 && upper_is_zero(&l->vec, n)))
        bytes = n >= 16 ? 64 : 32;
    if (l->vec.have[n] < bytes) {
        clean(l, n);
        load(l, host, n, bytes);
        l->vec.have[n] = (uint8_t)bytes;
    }
    busy(l, host);
    return host;
}

/* Legacy instructions leave the bytes above 16, which only struct cpu then has. */
unsigned vec_make(struct lift *l, unsigned n, bool legacy)
{
    unsigned host = l->vec.host[n];

    if (host == HOST_NONE)
        host = take(l, n);
    else if (legacy && l->vec.dirty[n] > DIRTY_LOW)
        clean(l, n);
    busy(l, host);
    return host;
}

void vec_made(struct lift *l, unsigned n, bool legacy)
{
    l->vec.have[n] = legacy ? 16 : 32;
    l->vec.dirty[n] = legacy ? DIRTY_LOW : DIRTY_UPPER_ZERO;
}

void vec_made_whole(struct lift *l, unsigned n)
{
    l->vec.have[n] = 64;
    l->vec.dirty[n] = DIRTY_WHOLE;
    l->vec.clear &= ~(1u << n);
}

unsigned mask_use(struct lift *l, unsigned n)
{
    if (!(l->vec.k_have >> n & 1))
        masks(l, 1u << n, false);
    l->vec.k_have |= (uint8_t)(1u << n);
    return n;
}

void mask_made(struct lift *l, unsigned n)
{
    l->vec.k_have |= (uint8_t)(1u << n);
    l->vec.k_dirty |= (uint8_t)(1u << n);
}

/* VZEROUPPER. Two stores that overlap make 48 bytes. */
void lift_vec_zero_upper(struct lift *l)
{
    struct vec_state *v = &l->vec;

    zero_scratch(l);
    for (unsigned n = 0; n < 16; n++) {
        if (v->host[n] != HOST_NONE && v->have[n] >= 32)
            asm_vex(&l->a, (struct vex){ 1, 1, 0, 0, 0x6f }, v->host[n], 0, rm_reg(v->host[n]));
        if (v->dirty[n] == DIRTY_WHOLE)
            v->dirty[n] = DIRTY_UPPER_ZERO;
        store(l, SCRATCH, n, 16, 32);
        if (!(v->clear >> n & 1))
            store(l, SCRATCH, n, 32, 32);
    }
    v->clear |= 0xffff;
}

/* ---- from one round of a loop to the next ---- */

void lift_vec_settle(struct lift *l)
{
    bool zero = false;

    lift_x87_note(l, &l->vec);
    l->vec.x87_last = 0;
    for (unsigned n = 0; n < 16; n++)
        zero |= wants_zero(&l->vec, n);
    if (zero)
        zero_scratch(l);
    for (unsigned n = 0; n < 16; n++)
        if (wants_zero(&l->vec, n)) {
            store(l, SCRATCH, n, 32, 32);
            l->vec.clear |= 1u << n;
        }
}

/* What v takes for zero above 32 bytes is so. */
static bool zeros_agree(const struct vec_state *now, const struct vec_state *v)
{
    for (unsigned n = 0; n < VEC_REGS; n++)
        if (v->dirty[n] == DIRTY_UPPER_ZERO && now->dirty[n] == DIRTY_WHOLE)
            return false;
    return !(v->clear & ~now->clear);
}

/* First all is stored that has another place in v, so that all that v wants can be loaded. */
bool lift_vec_become(struct lift *l, const struct vec_state *v)
{
    struct vec_state *now = &l->vec;

    if (!zeros_agree(now, v) || v->fp > now->fp || v->x87 > now->x87)
        return false;
    for (unsigned n = 0; n < VEC_REGS; n++)
        if (v->host[n] != now->host[n] || v->have[n] > now->have[n] || v->dirty[n] < now->dirty[n])
            clean(l, n);
    masks(l, now->k_dirty & ~(unsigned)v->k_dirty, true);
    for (unsigned n = 0; n < VEC_REGS; n++)
        if (v->host[n] != HOST_NONE && (v->host[n] != now->host[n] || v->have[n] > now->have[n]))
            load(l, v->host[n], n, v->have[n]);
    masks(l, v->k_have & ~(unsigned)now->k_have, false);
    *now = *v;
    return true;
}

/* ---- guards ---- */

void lift_vec_fp_on(struct asm_buf *a)
{
    asm_op(a, 0x0fae, 4, 2, CPU_AT(s.mxcsr));
    asm_store_imm(a, 1, CPU_AT(jit_mxcsr), 1);
}

/* What switches a unit off ends its block. */
void vec_ready(struct lift *l, bool fp)
{
    const unsigned unit = lift_is_avx512(l->i) ? VEC_READY_AVX512 : l->i->vl ? VEC_READY_AVX : VEC_READY_SSE;

    if (!(l->vec_ready & unit)) {
        asm_test_imm(&l->a, 1, CPU_AT(vec_ready), (int32_t)unit);
        lift_bail(l, asm_jcc(&l->a, CC_E));
        l->vec_ready |= (uint8_t)(unit == VEC_READY_AVX512 ? unit | VEC_READY_AVX : unit);
        l->host_flags = 0;
    }
    if (fp && !l->vec.fp) {
        uint8_t *on;

        asm_alu_imm(&l->a, ALU_CMP, 1, CPU_AT(jit_mxcsr), 0);
        on = asm_jcc(&l->a, CC_NE);
        asm_aim(asm_call(&l->a), codebuf_writable(&l->jit->code, l->jit->glue.fp_on));
        lift_bail(l, asm_jcc(&l->a, CC_B));
        asm_aim(on, l->a.at);
        l->vec.fp = 1;
        l->host_flags = 0;
    }
}

bool vec_memory(struct lift *l, bool write, unsigned bytes, unsigned align)
{
    if (!lift_address(l))
        return false;
    if (align > 1) {
        asm_test_imm(&l->a, 1, rm_reg(HOST_AX), (int32_t)align - 1);
        lift_cold(l, asm_jcc(&l->a, CC_NE));
        l->host_flags = 0;
        lift_address_kept(l);
    }
    lift_probe(l, write, bytes);
    return true;
}

bool backend_vector_alone(unsigned op)
{
    return forms[op][FORM_128].known || forms[op][FORM_256].known;
}

/* ---- operations ---- */

static bool floating(unsigned op)
{
    return op >= OP_ADDPS && op <= OP_FMSUBADDPD;
}

static const struct form *form_for(const struct insn *i)
{
    bool group = FORM_KIND(i->form, i->vl ? 2 : 1) == KIND_IMM && forms[i->op][FORM_GROUP].known;

    return &forms[i->op][group ? FORM_GROUP : i->vl == 32 ? FORM_256 : FORM_128];
}

/* The slot of the operand in ModRM.rm. */
static unsigned last_source(const struct insn *i, const struct form *f)
{
    return i->vl && f->first ? 2 : 1;
}

static bool lengths_fit(const struct insn *i)
{
    return i->vl <= 32 && (i->vl || i->width != 8);     /* else AVX-512, MMX */
}

static bool fused(unsigned op)
{
    return op >= OP_FMADDPS && op <= OP_FMSUBADDPD;
}

/* VEX gave compares more predicates: SDM 2A "CMPPS". */
static unsigned immediate(const struct insn *i)
{
    bool compares = i->op >= OP_CMPPS && i->op <= OP_CMPSD;

    return (unsigned)i->imm & (compares && !i->vl ? 7 : 0xff);
}

static bool operation(struct lift *l, const struct form *f)
{
    const struct insn *i = l->i;
    const unsigned slot = f->group && !i->vl ? 0 : last_source(i, f), most = i->vl == 32 ? 32 : 16;
    const bool legacy = !i->vl, memory = FORM_KIND(i->form, slot) == KIND_MEM;
    unsigned first = 0, to, fourth = 0;
    struct vex v = f->vex;
    struct rm rm;

    vec_ready(l, floating(i->op));
    if (memory && !vec_memory(l, false, i->mem_bytes, legacy && i->mem_bytes == 16 ? 16 : 1))
        return false;
    if (f->first)
        first = vec_use(l, i->o[legacy ? 0 : 1], f->first < most ? f->first : most);
    if (memory)
        rm = l->mem;
    else
        rm = rm_reg(vec_use(l, i->o[slot], f->second < most ? f->second : most));
    if (f->fourth)
        fourth = vec_use(l, legacy ? 0 : i->o[3], f->fourth < most ? f->fourth : most);
    if (fused(i->op)) {         /* the destination is a source, too, and the opcode says which */
        vec_use(l, i->o[0], f->first < most ? f->first : most);
        v.opcode = i->opcode;
    }
    to = vec_make(l, i->o[0], legacy);
    if (f->group) {
        v.l = i->vl == 32;
        asm_vex(&l->a, v, f->group & 7, to, rm);
    } else {
        asm_vex(&l->a, v, to, first, rm);
    }
    if (f->fourth)
        asm_byte(&l->a, fourth << 4);
    else if (f->imm || f->group)
        asm_byte(&l->a, immediate(i));
    vec_made(l, i->o[0], legacy);
    return true;
}

/* What sums of several NaNs give is the vendor's (docs/vendors.md), and the host may be of the other. */
static bool by_vendor(unsigned op)
{
    return op == OP_DPPS || op == OP_DPPD;
}

bool lift_vec(struct lift *l)
{
    const struct insn *i = l->i;
    const struct form *f;

    if (lift_is_avx512(i))
        return lift_evex(l);
    if (by_vendor(i->op) || i->op < OP_EMMS || i->op > OP_FMSUBADDPD || !lift_vec_possible())
        return false;
    f = form_for(i);
    return f->known ? lengths_fit(i) && operation(l, f) : lift_vec_move(l);
}
