/* SPDX-License-Identifier: MIT
 * Vector instructions against the host processor: for every row of the operations in ops_vec.def, random encodings and
 * random and special values; all registers, flags, memory and whether it faulted must agree. PARTITA_VEC_CASES=n runs n
 * cases a row instead of the default. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "cpu/decoder/index.h"
#include "cpu/decoder/operands.h"
#include "cpu/exec.h"
#include "cpu/fpu.h"
#include "cpu/mem.h"
#include "cpu/tlb.h"
#include "tests/cpu/fixture.h"
#include "tests/oracle/host_has.h"
#include "tests/oracle/vec_host.h"

static insn_fn *const handlers[OP_COUNT] = {
#define OP(name, mnemonic, reads, writes, then, jit) [OP_##name] = exec_##name,
#include "cpu/decoder/ops_vec.def"
#include "cpu/decoder/ops_avx512.def"
#include "cpu/decoder/ops_avx512fp.def"
#undef OP
};

/* Legacy and VEX forms of these are compared in test_exec_fp.c. */
static insn_fn *const evex_handlers[OP_COUNT] = {
#define OP(name, mnemonic, reads, writes, then, jit) [OP_##name] = exec_##name,
#include "cpu/decoder/ops_vecfp.def"
#undef OP
};

static struct cpu *cpu;
static struct fixture fixture;                  /* around the processor that is compared with the host */
static uint8_t guest_memory[2 * PAGE_SIZE];     /* a page of it, aligned, for the others */
static uint8_t *guest_page;
static uint64_t seed = 88172645463325252ull;

static uint64_t random64(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed * 2685821657736338717ull;
}

static unsigned random_below(unsigned n) { return (unsigned)(random64() >> 33) % n; }

/* ---- Partita's side ---- */

static unsigned end_of_block(struct cpu *c, const struct insn *i)
{
    (void)c;
    (void)i;
    return EXEC_STOP;
}

/* 64-bit mode at CPL 0; the one mapped page stands for the host's, at the same linear address. Page tables are where no memory
 * is, so all else is a page fault. */
static void cpu_prepare(uint64_t memory)
{
    static struct space *memory_of_nothing;
    struct tlb_entry *e;

    if (memory_of_nothing == NULL)
        memory_of_nothing = space_create("nothing", 0);
    if (cpu != NULL)
        tlb_destroy(cpu);
    free(cpu);
    cpu = calloc(1, sizeof *cpu);
    assert_non_null(cpu);
    cpu->mode = DECODE_64 | MODE_PE | MODE_LONG;
    cpu->p.cr0 = CR0_PE | CR0_PG | CR0_NE | CR0_MP;
    cpu->p.cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE;
    cpu->p.efer = EFER_LMA | EFER_LME;
    cpu->p.seg_attr[SEG_CS] = SEG_L | SEG_P | SEG_S | 0xb;
    cpu->s.xcr0 = 0xe7;
    cpu->s.mxcsr = 0x1f80;
    cpu->memory = memory_of_nothing;
    tlb_create(cpu);
    guest_page = (uint8_t *)(((uintptr_t)guest_memory + PAGE_SIZE - 1) & PAGE_MASK);
    e = tlb_slot(cpu->tlb, memory);
    e->read = e->write = memory & PAGE_MASK;
    e->addend = (uint64_t)(uintptr_t)guest_page - (memory & PAGE_MASK);
}

/* The same with page tables, so that the pages around the host's are absent here too. */
static void cpu_beside_host(void)
{
    uint64_t v;

    if (cpu != NULL)
        tlb_destroy(cpu);
    free(cpu);
    fixture_open(&fixture);
    fixture_mode(&fixture, FIXTURE_LONG);
    fixture_map(&fixture, vec_host_memory(), FIXTURE_DATA);
    cpu = fixture.cpu;
    cpu->p.cr4 |= CR4_OSXSAVE;
    cpu->s.xcr0 = 0xe7;
    cpu->s.mxcsr = 0x1f80;
    cpu_mode_changed(cpu);
    assert_true(mem_load(cpu, &(struct insn){ .len = 1 }, vec_host_memory(), 8, &v));
    guest_page = (uint8_t *)(uintptr_t)mem_host_read(cpu, vec_host_memory(), 8);
    assert_non_null(guest_page);
}

static void state_to_cpu(const struct vec_state *s)
{
    for (unsigned n = 0; n < 16; n++) {
        cpu->s.gpr[n] = s->gpr[n];
    }
    memcpy(cpu->s.zmm, s->zmm, sizeof s->zmm);
    memcpy(cpu->s.k, s->k, sizeof s->k);
    cpu->s.mxcsr = s->mxcsr;
    memcpy(cpu->s.fpr_mant, s->mant, sizeof s->mant);
    memcpy(cpu->s.fpr_se, s->se, sizeof s->se);
    cpu->s.fsw = s->fsw;
    cpu->s.ftag = s->ftag;
    flags_put(&cpu->flags, (uint32_t)s->flags);
    memcpy(guest_page, s->mem, sizeof s->mem);
}

static void state_from_cpu(struct vec_state *s)
{
    for (unsigned n = 0; n < 16; n++) {
        s->gpr[n] = cpu->s.gpr[n];
    }
    memcpy(s->zmm, cpu->s.zmm, sizeof s->zmm);
    memcpy(s->k, cpu->s.k, sizeof s->k);
    s->mxcsr = cpu->s.mxcsr;
    memcpy(s->mant, cpu->s.fpr_mant, sizeof s->mant);
    memcpy(s->se, cpu->s.fpr_se, sizeof s->se);
    s->fsw = cpu->s.fsw;
    s->ftag = cpu->s.ftag;
    s->flags = flags_get(&cpu->flags);
    memcpy(s->mem, guest_page, sizeof s->mem);
}

/* As exec_bind() would choose, or the operation's general handler. */
static insn_fn *handler(const struct insn *i)
{
    insn_fn *bound = random_below(2) ? exec_bind_vec(cpu, i) : NULL;

    return bound ? bound : handlers[i->op] ? handlers[i->op] : evex_handlers[i->op];
}

/* SIGILL, SIGFPE and SIGSEGV stand for #UD, #XM and #GP. */
static void cpu_execute(struct vec_state *s, const struct insn *i)
{
    struct insn block[2] = { *i, { .fn = end_of_block } };

    cpu->fault.vector = 0;
    state_to_cpu(s);
    s->signal = 0;
    if (handler(i)(cpu, block) == EXEC_FAULT)
        s->signal = cpu->fault.vector == VEC_UD ? SIGILL : cpu->fault.vector == VEC_XM ? SIGFPE : SIGSEGV;
    state_from_cpu(s);
}

/* ---- random encodings of a row ---- */

struct encoder {
    uint8_t bytes[16];
    unsigned len;
};

static void put(struct encoder *e, unsigned byte) { e->bytes[e->len++] = (uint8_t)byte; }

static bool row_has(const struct insn_row *row, unsigned place)
{
    for (unsigned n = 0; n < 4; n++) {
        if (PLACE(operands[row->o[n]].place) == place)
            return true;
    }
    return false;
}

static unsigned random_w(const struct insn_row *row)
{
    return row->attrs & W0 ? 0 : row->attrs & W1 ? 1 : random_below(2);
}

static void put_legacy(struct encoder *e, const struct insn_row *row)
{
    static const uint8_t mandatory[] = { [P66] = 0x66, [PF3] = 0xf3, [PF2] = 0xf2 };
    const unsigned rex = random_below(3) ? (0x40 | random_w(row) << 3 | random_below(8)) & 0x4d : 0;

    if (row->op == OP_CRC32 && random_below(2))
        put(e, 0x66);
    if (mandatory[row->prefix])
        put(e, mandatory[row->prefix]);
    if (rex || (row->attrs & W1))
        put(e, rex);
    put(e, 0x0f);
    if (row->map != M0F)
        put(e, row->map == M0F38 ? 0x38 : 0x3a);
}

/* Where the operand letter puts a register: -1 nowhere, else its file. */
static int file_at(const struct insn_row *row, unsigned place)
{
    for (unsigned n = 0; n < 4; n++)
        if (PLACE(operands[row->o[n]].place) == place)
            return operands[row->o[n]].file;
    return -1;
}

/* A mask register in ModRM.reg or vvvv has three bits. */
static void put_vex(struct encoder *e, const struct insn_row *row)
{
    const unsigned l = row->attrs & (L0 | LIG) ? 0 : row->attrs & L1 ? 1 : random_below(2);
    const int file = file_at(row, IN_VVVV);
    const unsigned vvvv = file < 0 ? 15 : random_below(16) | (file == MASK ? 8 : 0);
    const unsigned r = file_at(row, IN_REG) == MASK ? 4 : 0;

    put(e, 0xc4);
    put(e, (random_below(8) | 2 | r) << 5 | (unsigned)(row->map - V0F + 1));
    put(e, random_w(row) << 7 | vvvv << 3 | l << 2 | (unsigned)(row->prefix - NP == 1 ? 1 : row->prefix == PF3 ? 2 :
                                                              row->prefix == PF2 ? 3 : 0));
}

static unsigned evex_vvvv(const struct insn_row *row)
{
    const int file = file_at(row, IN_VVVV);

    return file < 0 ? 31 : file == MASK ? 31 - random_below(8) : random_below(32);
}

/* R and R' extend ModRM.reg: not a mask register; R' not a general one. X extends a vector in ModRM.rm. */
static unsigned evex_rxb(const struct insn_row *row, unsigned modrm)
{
    const int reg = file_at(row, IN_REG), rm = file_at(row, modrm < 0xc0 ? IN_VSIB : IN_RM);
    unsigned bits = (unsigned)random64() & 0xf0;

    if (reg < 0 || reg == MASK || (row->modrm & 0x700) == N(0))
        bits |= 0x90;
    if (reg == GPR)
        bits |= 0x10;
    if (modrm >= 0xc0 && rm != VEC && file_at(row, IN_RMREG) != VEC)
        bits |= 0x60;
    if (modrm < 0xc0 && !row_has(row, IN_VSIB))
        bits |= 0x40;
    return bits;
}

static unsigned evex_l(const struct insn_row *row)
{
    return row->attrs & L0 ? 0 : row->attrs & L1 ? 1 : row->attrs & L2 ? 2 : random_below(3);
}

static bool to_memory(const struct insn_row *row, unsigned modrm)
{
    const unsigned place = PLACE(operands[row->o[0]].place);

    return modrm < 0xc0 && (place == IN_RM || place == IN_MEM || place == IN_VSIB);
}

static void put_evex(struct encoder *e, const struct insn_row *row, unsigned modrm)
{
    static const uint8_t pp[] = { [P66] = 1, [PF3] = 2, [PF2] = 3 };
    const bool b = (row->attrs & (modrm < 0xc0 ? BC : ER | SAE)) && random_below(3) == 0;
    const unsigned aaa = row->attrs & MKR ? 1 + random_below(7) : row->attrs & (MK | MKM) ? random_below(8) : 0;
    const bool z = aaa && (row->attrs & MK) && !to_memory(row, modrm) && random_below(2);
    const unsigned l = b && modrm >= 0xc0 ? random_below(4) : evex_l(row);
    const unsigned vvvv = row_has(row, IN_VSIB) ? 15 | (random_below(2) << 4) : evex_vvvv(row);

    put(e, 0x62);
    put(e, evex_rxb(row, modrm) | (unsigned)(row->map - E0F + 1));
    put(e, random_w(row) << 7 | (vvvv & 15) << 3 | 4 | pp[row->prefix]);
    put(e, (unsigned)z << 7 | l << 5 | (unsigned)b << 4 | (vvvv & 16) >> 1 | aaa);
}

/* Memory operands are [RSI] or [R14], which point into the page. */
static unsigned random_modrm(const struct insn_row *row)
{
    const unsigned kind = row->modrm & 0x700;
    bool reg = random_below(2);
    unsigned n = kind == N(0) || kind == NM(0) || kind == NR(0) ? row->modrm & 7 : random_below(8);

    if (row_has(row, IN_VSIB))
        return n << 3 | 4;
    if (kind == MEM || kind == NM(0) || row_has(row, IN_MEM))
        reg = false;
    if (kind == REG || kind == NR(0) || row_has(row, IN_RMREG))
        reg = true;
    return reg ? 0xc0 | n << 3 | random_below(8) : n << 3 | 6;
}

static void encode(struct encoder *e, const struct insn_row *row)
{
    unsigned modrm = random_modrm(row);
    const bool disp8 = row->map >= E0F && modrm < 0xc0 && random_below(2);

    e->len = 0;
    if (row->map >= E0F)
        put_evex(e, row, modrm);
    else if (row->map >= V0F)
        put_vex(e, row);
    else
        put_legacy(e, row);
    put(e, row->opcode);
    if (row->modrm != NONE)
        put(e, modrm | (disp8 ? 0x40 : 0));
    if (row_has(row, IN_VSIB))
        put(e, ((unsigned)random64() & 0xf8) | 6);        /* based on RSI or R14 */
    if (disp8)
        put(e, (random_below(5) - 2) & 0xff);             /* times what EVEX scales it by */
    if (row_has(row, IMM_U8) || row_has(row, IN_IS4))
        put(e, (unsigned)random64() & (random_below(4) ? 0xff : 0x1f));
    if (row_has(row, IMM_2ND8))
        put(e, (unsigned)random64() & 0xff);
}

static bool names_rsp(const struct insn *i, const struct insn_row *row)
{
    for (unsigned n = 0; n < 4; n++) {
        if (FORM_KIND(i->form, n) == KIND_REG && operands[row->o[n]].file == GPR && (i->o[n] & ~1u) == (REG_AT(RSP) & ~1u))
            return true;
    }
    return false;
}

/* ---- random states ---- */

/* Elements of 4 or 8 bytes: specials of the format, values near 1 and near integers, anything. */
static void random_floats(uint8_t *v, unsigned bytes, unsigned size)
{
    static const uint32_t single[] = { 0, 1, 0x007fffff, 0x00800000, 0x3f800000, 0x3f800001, 0x4b000001, 0x4f000000, 0x5f000000,
                                       0x7f7fffff, 0x7f800000, 0x7f800001, 0x7fc00000, 0x7fffffff, 0x40490fdb, 0x3effffff };
    static const uint64_t twice[] = { 0, 1, 0x000fffffffffffff, 0x0010000000000000, 0x3ff0000000000000, 0x3ff0000000000001,
                                      0x4330000000000001, 0x41e0000000000000, 0x43e0000000000000, 0x7fefffffffffffff,
                                      0x7ff0000000000000, 0x7ff0000000000001, 0x7ff8000000000000, 0x7fffffffffffffff,
                                      0x400921fb54442d18, 0x36a0000000000000 };

    for (unsigned at = 0; at + size <= bytes; at += size) {
        const unsigned kind = random_below(4);
        uint64_t x = size == 4 ? single[random_below(16)] : twice[random_below(16)];

        if (kind == 0)
            x = random64();
        else if (kind == 1)         /* a sum away from a special: near 1, near a power of two */
            x += random_below(17) - 8u;
        else if (kind == 2)
            x = size == 4 ? (0x3f000000u + (random64() & 0x01ffffff)) : (0x3fe0000000000000 + (random64() >> 11));
        if (random_below(2))
            x ^= size == 4 ? 0x80000000u : 0x8000000000000000u;
        memcpy(v + at, &x, size);
    }
}

/* Bytes where arithmetic goes wrong when it does: small numbers, limits of each width, repeats; or anything. */
static void random_vector(uint8_t *v, unsigned bytes, const uint8_t *before)
{
    static const uint8_t bounds[] = { 0, 0, 1, 2, 0x7f, 0x80, 0xff, 0xfe };
    const unsigned style = random_below(8);

    if (style > 5) {
        random_floats(v, bytes, style == 6 ? 4 : 8);
        return;
    }
    if (style == 5) {
        memcpy(v, before, bytes);
        v[random_below(bytes)] ^= (uint8_t)random64();
        return;
    }
    for (unsigned k = 0; k < bytes; k++)
        v[k] = style < 2 ? (uint8_t)random64() : style < 4 ? bounds[random_below(8)] : (uint8_t)(random_below(3) + 'a');
    if (style == 3)
        memset(v + 1, 0, 7);                    /* a small count */
    if (style == 4)
        v[random_below(bytes)] = 0;             /* a string with an end */
}

static void random_state(struct vec_state *s, uint64_t address)
{
    static const uint8_t zeros[64];
    const bool wide = host_has(F_AVX512F);

    for (unsigned n = 0; n < 16; n++)
        s->gpr[n] = random_below(2) ? random64() : (uint64_t)(int64_t)(int)(random_below(41) - 20);
    memset(s->zmm, 0, sizeof s->zmm);
    for (unsigned n = 0; n < (wide ? 32 : 16); n++)
        random_vector(s->zmm[n], wide ? 64 : 32, n ? s->zmm[n - 1] : zeros);
    for (unsigned n = 0; n < 8; n++)
        s->k[n] = wide ? random_below(4) ? random64() : random64() & random64() & random64() : 0;
    s->gpr[RSP] = 0;
    s->gpr[RSI] = s->gpr[RDI] = s->gpr[R14] = address;
    for (unsigned n = 0; n < 8; n++) {
        random_vector((uint8_t *)&s->mant[n], 8, s->zmm[n]);
        s->se[n] = (uint16_t)random64();
    }
    s->fsw = (uint16_t)(random64() & 0x7f00);
    s->ftag = (uint8_t)random64();
    s->flags = random64() & FLAGS_ARITH;
    s->mxcsr = 0x1f80 | ((unsigned)random64() & 0xe07f & (random_below(2) ? 0xffff : 0));
    if (random_below(8) == 0)
        s->mxcsr &= 0xe07f | ((unsigned)random64() & 0xffff);
    s->fcw = 0x37f;
    s->signal = 0;
    memset(s->mem, 0xa5, sizeof s->mem);
    for (unsigned at = 896; at < 1216; at += 64)
        random_vector(s->mem + at, 64, s->zmm[random_below(16)]);
    for (unsigned at = sizeof s->mem - 320; at < sizeof s->mem; at += 64)
        random_vector(s->mem + at, 64, s->zmm[random_below(16)]);
}

/* ---- comparison ---- */

static bool differs(const char *what, unsigned n, const void *host, const void *ours, unsigned bytes)
{
    if (memcmp(host, ours, bytes) == 0)
        return false;
    printf("  %s%u host ", what, n);
    for (unsigned k = bytes; k-- > 0;)
        printf("%02x", ((const uint8_t *)host)[k]);
    printf(" ours ");
    for (unsigned k = bytes; k-- > 0;)
        printf("%02x", ((const uint8_t *)ours)[k]);
    printf("\n");
    return true;
}

static bool states_differ(const struct vec_state *host, const struct vec_state *ours)
{
    bool bad = false;

    for (unsigned n = 0; n < 16; n++) {
        bad |= n != RSP && differs("gpr", n, &host->gpr[n], &ours->gpr[n], 8);
    }
    for (unsigned n = 0; n < 32; n++)
        bad |= differs("zmm", n, host->zmm[n], ours->zmm[n], 64);
    for (unsigned n = 0; n < 8; n++)
        bad |= differs("k", n, &host->k[n], &ours->k[n], 8);
    bad |= differs("mxcsr", 0, &host->mxcsr, &ours->mxcsr, 4);
    for (unsigned n = 0; n < 8; n++) {
        bad |= differs("mm", n, &host->mant[n], &ours->mant[n], 8);
        bad |= differs("exponent", n, &host->se[n], &ours->se[n], 2);
    }
    bad |= differs("fsw", 0, &host->fsw, &ours->fsw, 2);
    bad |= differs("ftag", 0, &host->ftag, &ours->ftag, 1);
    bad |= differs("flags", 0, &host->flags, &ours->flags, 8);
    bad |= differs("signal", 0, &host->signal, &ours->signal, sizeof host->signal);
    for (unsigned n = 896; n < 1216; n += 16)
        bad |= differs("mem", n, host->mem + n, ours->mem + n, 16);
    for (unsigned n = VEC_HOST_MEMORY - 192; n < VEC_HOST_MEMORY; n += 16)
        bad |= differs("mem", n, host->mem + n, ours->mem + n, 16);
    return bad || memcmp(host->mem, ours->mem, sizeof host->mem) != 0;
}

static void report(const struct insn_row *row, const struct encoder *e, const struct vec_state *before, const struct insn *i)
{
    printf("%s:", op_names[row->op]);
    for (unsigned n = 0; n < e->len; n++)
        printf(" %02x", e->bytes[n]);
    printf(" (width %u, mxcsr %04x)\n", i->width, before->mxcsr);
    for (unsigned n = 0; n < 4; n++) {
        if (FORM_KIND(i->form, n) != KIND_REG)
            continue;
        printf("  slot %u = %u:", n, i->o[n]);
        for (unsigned k = 64; k-- > 0;)
            printf("%02x", before->zmm[i->o[n] & 31][k]);
        printf("\n");
    }
}

/* What the manuals leave undefined: SSE4a fields that do not lie inside 64 bits. */
static bool undefined(const struct insn *i, const struct vec_state *s)
{
    const uint8_t *ctl = s->zmm[i->o[1] & 31];
    unsigned length, index;

    switch (i->op) {
    case OP_EXTRQ:     length = ctl[0], index = ctl[1]; break;
    case OP_INSERTQ:   length = ctl[8], index = ctl[9]; break;
    case OP_EXTRQ_I:
    case OP_INSERTQ_I: length = (unsigned)i->imm, index = i->imm2; break;
    default: return false;
    }
    length &= 63;
    index &= 63;
    return length ? length + index > 64 : index != 0;
}

/* May be compared where the page ends. Not MASKMOVDQU, whose faults the SDM leaves open; nor MMX stores: an Emerald Rapids
 * clears TOP even when they fault. */
static bool may_fault(const struct insn *i)
{
    return i->op != OP_MASKMOVDQU && i->op != OP_MASKMOVQ && i->op != OP_MOVD_EP && i->op != OP_MOVQ_MMX;
}

/* Now and then misaligned, or where the page ends and the mask decides about a fault. SHA is left aligned: SDM and APM want
 * #GP, the EPYC this was written on gives none. */
static uint64_t random_address(const struct insn *i)
{
    if (may_fault(i) && random_below(4) == 0)
        return vec_host_memory() + VEC_HOST_MEMORY - random_below(80);
    return vec_host_memory() + 1024 + (random_below(4) || i->needs == F_SHA ? 0 : random_below(16));
}

/* Indices of gathers that stay inside the page: -20 to 20, dwords or quadwords. */
static void tame_indices(struct vec_state *s, const struct insn *i)
{
    const bool dwords = i->op == OP_VPGATHERDD || i->op == OP_VPGATHERDQ || i->op == OP_EGATHERDD || i->op == OP_EGATHERDQ ||
                        i->op == OP_VPSCATTERDD || i->op == OP_VPSCATTERDQ;
    const unsigned size = dwords ? 4 : 8;

    for (unsigned at = 0; at < 64; at += size)
        memcpy(s->zmm[i->index & 31] + at, &(int64_t){ (int)random_below(41) - 20 }, size);
}

/* Registers, unused fields, lengths, masks, rounding: what of a VEX or EVEX prefix leaves the opcode what it is. */
static void mutate(struct encoder *e)
{
    static const uint8_t vex[3] = { 0, 0xe0, 0x7c }, evex[4] = { 0, 0xf8, 0x7c, 0xff };

    for (unsigned n = 1 + random_below(2); n > 0; n--) {
        const bool wide = e->bytes[0] == 0x62;
        const unsigned at = 1 + random_below(wide ? 3 : 2);

        e->bytes[at] ^= BIT(random_below(8)) & (wide ? evex : vex)[at];
    }
}

/* The host must refuse what decode() does. */
static bool both_refuse(const struct insn_row *row, const struct encoder *e)
{
    static struct vec_state s;
    struct insn none = { .form = 0 };

    random_state(&s, vec_host_memory() + 1024);
    vec_host_run(&s, e->bytes, e->len);
    if (s.signal == SIGILL)
        return true;
    report(row, e, &s, &none);
    printf("  the host does it\n");
    return false;
}

static bool one_case(const struct insn_row *row)
{
    static struct vec_state before, host, ours;
    struct encoder e;
    struct insn i;

    do {
        encode(&e, row);
        if (decode(&i, e.bytes, e.len, DECODE_64) != DECODED || i.len != e.len || i.op != row->op) {
            report(row, &e, &before, &i);
            printf("  decoded as %s\n", op_names[i.op]);
            return false;
        }
    } while (names_rsp(&i, row));
    if (row->map >= V0F && random_below(3) == 0) {
        mutate(&e);
        if (decode(&i, e.bytes, e.len, DECODE_64) != DECODED)
            return both_refuse(row, &e);
        if (names_rsp(&i, row) || i.len != e.len)
            return true;
    }
    random_state(&before, random_address(&i));
    if (row_has(row, IN_VSIB))
        tame_indices(&before, &i);
    if (undefined(&i, &before))
        return true;
    host = ours = before;
    vec_host_run(&host, e.bytes, e.len);
    cpu_execute(&ours, &i);
    if (!states_differ(&host, &ours))
        return true;
    report(row, &e, &before, &i);
    return false;
}

/* Every operation in every encoding gives what the host gives. */
static void every_row_agrees_with_the_host(void **state)
{
    const char *wish = getenv("PARTITA_VEC_CASES");
    const unsigned cases = wish ? (unsigned)strtoul(wish, NULL, 10) : 60;
    unsigned wrong = 0, skipped = 0;
    size_t count;
    const struct insn_row *rows = index_rows(&count);

    (void)state;
    if (!vec_host_open())
        skip();
    cpu_beside_host();
    for (size_t r = 0; r < count; r++) {
        if ((!handlers[rows[r].op] && !(evex_handlers[rows[r].op] && rows[r].map >= E0F)) || (rows[r].attrs & I64))
            continue;
        if (!host_has((enum feature)rows[r].needs)) {
            skipped++;
            continue;
        }
        for (unsigned n = 0; n < cases; n++) {
            if (!one_case(&rows[r])) {
                wrong++;
                break;
            }
        }
    }
    fixture_close(&fixture);
    cpu = NULL;
    if (skipped)
        print_message("%u rows the host lacks\n", skipped);
    assert_int_equal(wrong, 0);
}

/* ---- what must be refused ---- */

enum { SAMPLE_MMX, SAMPLE_SSE, SAMPLE_VEX, SAMPLE_FREE, SAMPLES };

/* One instruction of each kind: PADDB mm0, mm1; PADDB xmm0, xmm1; VPADDB xmm0, xmm0, xmm1; CRC32 EAX, ECX. */
static const struct encoder samples[SAMPLES] = {
    [SAMPLE_MMX]  = { { 0x0f, 0xfc, 0xc1 }, 3 },
    [SAMPLE_SSE]  = { { 0x66, 0x0f, 0xfc, 0xc1 }, 4 },
    [SAMPLE_VEX]  = { { 0xc5, 0xf9, 0xfc, 0xc1 }, 4 },
    [SAMPLE_FREE] = { { 0xf2, 0x0f, 0x38, 0xf1, 0xc1 }, 5 },
};

/* The exception of running it, or -1. */
static int refusal(const struct encoder *e)
{
    struct insn block[2] = { { .len = 0 }, { .fn = end_of_block } };

    assert_int_equal(decode(&block[0], e->bytes, e->len, DECODE_64), DECODED);
    return handlers[block[0].op](cpu, block) == EXEC_FAULT ? cpu->fault.vector : -1;
}

/* SDM 3A "Emulation of the x87 FPU and SSE", SDM 2A tables of exception conditions: each control bit against each kind. */
static void control_bits_refuse_what_they_should(void **state)
{
    static const struct {
        uint64_t cr0_set, cr4_clear, xcr0;
        uint16_t fsw;
        int expect[SAMPLES];      /* MMX, SSE, VEX, neither */
    } rows[] = {
        { 0,                 0,            7, 0,      { -1, -1, -1, -1 } },
        { CR0_EM,            0,            7, 0,      { VEC_UD, VEC_UD, -1, -1 } },
        { CR0_TS,            0,            7, 0,      { VEC_NM, VEC_NM, VEC_NM, -1 } },
        { CR0_EM | CR0_TS,   0,            7, 0,      { VEC_UD, VEC_UD, VEC_NM, -1 } },
        { 0,                 CR4_OSFXSR,   7, 0,      { -1, VEC_UD, -1, -1 } },
        { CR0_TS,            CR4_OSFXSR,   7, 0,      { VEC_NM, VEC_UD, VEC_NM, -1 } },
        { 0,                 CR4_OSXSAVE,  7, 0,      { -1, -1, VEC_UD, -1 } },
        { CR0_TS,            0,            3, 0,      { VEC_NM, VEC_NM, VEC_UD, -1 } },
        { 0,                 0,            1, 0,      { -1, -1, VEC_UD, -1 } },
        { 0,                 0,            7, FSW_ES, { VEC_MF, -1, -1, -1 } },
    };

    (void)state;
    for (unsigned r = 0; r < COUNT_OF(rows); r++) {
        for (unsigned k = 0; k < SAMPLES; k++) {
            cpu_prepare(0x1000);
            cpu->p.cr0 |= rows[r].cr0_set;
            cpu->p.cr4 &= ~rows[r].cr4_clear;
            cpu->s.xcr0 = rows[r].xcr0;
            cpu->s.fsw = rows[r].fsw;
            if (refusal(&samples[k]) != rows[r].expect[k])
                fail_msg("row %u kind %u: %d, not %d", r, k, refusal(&samples[k]), rows[r].expect[k]);
        }
    }
}

/* SDM 1 "Handling of the Upper Bits": legacy SSE leaves everything above bit 127, VEX clears it. */
static void upper_bits_stay_or_go_by_encoding(void **state)
{
    (void)state;
    for (unsigned k = SAMPLE_SSE; k <= SAMPLE_VEX; k++) {
        cpu_prepare(0x1000);
        memset(cpu->s.zmm, 0x5a, sizeof cpu->s.zmm);
        assert_int_equal(refusal(&samples[k]), -1);
        for (unsigned n = 2; n < 8; n++)
            assert_int_equal(cpu->s.zmm[n], k == SAMPLE_VEX ? 0 : 0x5a5a5a5a5a5a5a5aull);
        assert_int_equal(cpu->s.zmm[8], 0x5a5a5a5a5a5a5a5aull);
    }
}

/* SDM 2B "MASKMOVDQU" leaves open what a mask of zeros does: nothing is written, but the address is checked all the same. */
static void empty_mask_checks_its_address(void **state)
{
    static const struct encoder maskmovdqu = { { 0x66, 0x0f, 0xf7, 0xc1 }, 4 }, maskmovq = { { 0x0f, 0xf7, 0xc1 }, 3 };

    (void)state;
    cpu_prepare(0x1000);
    cpu->s.gpr[RDI] = 0x8000000000000000ull;
    assert_int_equal(refusal(&maskmovdqu), VEC_GP);
    assert_int_equal(refusal(&maskmovq), VEC_GP);
    cpu->s.gpr[RDI] = 0x1008;
    assert_int_equal(refusal(&maskmovdqu), -1);
}

/* A misaligned 16-byte source is #GP(0) and nothing has changed; MOVDQU does not mind. */
static void misaligned_source_changes_nothing(void **state)
{
    static const struct encoder paddb = { { 0x66, 0x0f, 0xfc, 0x06 }, 4 }, movdqu = { { 0xf3, 0x0f, 0x6f, 0x06 }, 4 };

    (void)state;
    cpu_prepare(0x1000);
    cpu->s.gpr[RSI] = 0x1008;
    memset(cpu->s.zmm, 0x11, 16);
    assert_int_equal(refusal(&paddb), VEC_GP);
    assert_int_equal(cpu->fault.error, 0);
    assert_int_equal(cpu->s.zmm[0], 0x1111111111111111ull);
    assert_int_equal(refusal(&movdqu), -1);
}

/* FIPS 197 appendix B, round 1, for hosts that cannot be asked. */
static void aes_round_of_fips_197(void **state)
{
    static const uint8_t input[16] = {
        0x19, 0x3d, 0xe3, 0xbe, 0xa0, 0xf4, 0xe2, 0x2b,
        0x9a, 0xc6, 0x8d, 0x2a, 0xe9, 0xf8, 0x48, 0x08
    };
    static const uint8_t key[16] = {
        0xa0, 0xfa, 0xfe, 0x17, 0x88, 0x54, 0x2c, 0xb1,
        0x23, 0xa3, 0x39, 0x39, 0x2a, 0x6c, 0x76, 0x05
    };
    static const uint8_t output[16] = {
        0xa4, 0x9c, 0x7f, 0xf2, 0x68, 0x9f, 0x35, 0x2b,
        0x6b, 0x5b, 0xea, 0x43, 0x02, 0x6a, 0x50, 0x49
    };
    static const struct encoder aesenc = { { 0x66, 0x0f, 0x38, 0xdc, 0xc1 }, 5 };

    (void)state;
    cpu_prepare(0x1000);
    memcpy(&cpu->s.zmm[0], input, 16);
    memcpy(&cpu->s.zmm[8], key, 16);
    assert_int_equal(refusal(&aesenc), -1);
    assert_memory_equal(&cpu->s.zmm[0], output, 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aes_round_of_fips_197),
        cmocka_unit_test(control_bits_refuse_what_they_should),
        cmocka_unit_test(empty_mask_checks_its_address),
        cmocka_unit_test(misaligned_source_changes_nothing),
        cmocka_unit_test(upper_bits_stay_or_go_by_encoding),
        cmocka_unit_test(every_row_agrees_with_the_host),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
