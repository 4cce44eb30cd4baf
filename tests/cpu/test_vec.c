/* SPDX-License-Identifier: MIT
 * Vector instructions against the host processor: for every row of the operations in ops_vec.def, random encodings and
 * random and special values; all registers, flags, memory and whether it faulted must agree. PARTITA_VEC_CASES=n runs n
 * cases a row instead of the default. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "cpu/decoder/index.h"
#include "cpu/decoder/operands.h"
#include "cpu/fpu.h"
#include "cpu/mem.h"
#include "tests/oracle/vec_host.h"

#define OP(name, mnemonic, reads, writes, then, jit) insn_fn exec_##name;
#include "cpu/decoder/ops_vec.def"
#undef OP

static insn_fn *const handlers[OP_COUNT] = {
#define OP(name, mnemonic, reads, writes, then, jit) [OP_##name] = exec_##name,
#include "cpu/decoder/ops_vec.def"
#undef OP
};

static struct cpu *cpu;
static uint8_t guest_memory[2 * PAGE_SIZE];     /* a page of it, aligned */
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

static uint8_t *guest_page(void)
{
    return (uint8_t *)(((uintptr_t)guest_memory + PAGE_SIZE - 1) & PAGE_MASK);
}

static unsigned end_of_block(struct cpu *c, const struct insn *i)
{
    (void)c;
    (void)i;
    return EXEC_STOP;
}

/* 64-bit mode at CPL 0; the one mapped page stands for the host's, at the same linear address. */
static void cpu_prepare(uint64_t memory)
{
    struct tlb_entry *e;

    free(cpu);
    cpu = calloc(1, sizeof *cpu);
    assert_non_null(cpu);
    cpu->mode = DECODE_64 | MODE_PE | MODE_LONG;
    cpu->p.cr0 = CR0_PE | CR0_PG | CR0_NE | CR0_MP;
    cpu->p.cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE;
    cpu->p.efer = EFER_LMA | EFER_LME;
    cpu->p.seg_attr[SEG_CS] = SEG_L | SEG_P | SEG_S | 0xb;
    cpu->s.xcr0 = 7;
    cpu->s.mxcsr = 0x1f80;
    cpu->tlb = cpu->banks[BANK_SUPERVISOR];
    for (unsigned b = 0; b < BANK_COUNT; b++) {
        for (unsigned n = 0; n < TLB_ENTRIES; n++)
            cpu->banks[b][n].read = cpu->banks[b][n].write = cpu->banks[b][n].execute = TLB_INVALID;
    }
    e = tlb_slot(cpu->tlb, memory);
    e->read = e->write = memory & PAGE_MASK;
    e->addend = (uint64_t)(uintptr_t)guest_page() - (memory & PAGE_MASK);
}

static void state_to_cpu(const struct vec_state *s)
{
    for (unsigned n = 0; n < 16; n++) {
        cpu->s.gpr[n] = s->gpr[n];
        memset(&cpu->s.zmm[8 * n], 0, 64);
        memcpy(&cpu->s.zmm[8 * n], s->ymm[n], 32);
    }
    memcpy(cpu->s.fpr_mant, s->mant, sizeof s->mant);
    memcpy(cpu->s.fpr_se, s->se, sizeof s->se);
    cpu->s.fsw = s->fsw;
    cpu->s.ftag = s->ftag;
    flags_put(&cpu->flags, (uint32_t)s->flags);
    memcpy(guest_page(), s->mem, sizeof s->mem);
}

static void state_from_cpu(struct vec_state *s)
{
    for (unsigned n = 0; n < 16; n++) {
        s->gpr[n] = cpu->s.gpr[n];
        memcpy(s->ymm[n], &cpu->s.zmm[8 * n], 32);
    }
    memcpy(s->mant, cpu->s.fpr_mant, sizeof s->mant);
    memcpy(s->se, cpu->s.fpr_se, sizeof s->se);
    s->fsw = cpu->s.fsw;
    s->ftag = cpu->s.ftag;
    s->flags = flags_get(&cpu->flags);
    memcpy(s->mem, guest_page(), sizeof s->mem);
}

/* SIGILL and SIGSEGV stand for #UD and #GP. */
static void cpu_execute(struct vec_state *s, const struct insn *i)
{
    struct insn block[2] = { *i, { .fn = end_of_block } };

    cpu->fault.vector = 0;
    state_to_cpu(s);
    s->signal = 0;
    if (handlers[i->op](cpu, block) == EXEC_FAULT)
        s->signal = cpu->fault.vector == VEC_UD ? 4 : 11;
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

static void put_vex(struct encoder *e, const struct insn_row *row)
{
    const unsigned l = row->attrs & (L0 | LIG) ? 0 : row->attrs & L1 ? 1 : random_below(2);
    const unsigned vvvv = row_has(row, IN_VVVV) ? random_below(16) : 15;

    put(e, 0xc4);
    put(e, (random_below(8) | 2) << 5 | (unsigned)(row->map - V0F + 1));
    put(e, random_w(row) << 7 | vvvv << 3 | l << 2 | (unsigned)(row->prefix - NP == 1 ? 1 : row->prefix == PF3 ? 2 :
                                                              row->prefix == PF2 ? 3 : 0));
}

/* Memory operands are [RSI] or [R14], which point into the page. */
static unsigned random_modrm(const struct insn_row *row)
{
    const unsigned kind = row->modrm & 0x700;
    bool reg = random_below(2);
    unsigned n = kind == N(0) || kind == NM(0) || kind == NR(0) ? row->modrm & 7 : random_below(8);

    if (kind == MEM || kind == NM(0) || row_has(row, IN_MEM))
        reg = false;
    if (kind == REG || kind == NR(0) || row_has(row, IN_RMREG))
        reg = true;
    return reg ? 0xc0 | n << 3 | random_below(8) : n << 3 | 6;
}

static void encode(struct encoder *e, const struct insn_row *row)
{
    e->len = 0;
    if (row->map >= V0F)
        put_vex(e, row);
    else
        put_legacy(e, row);
    put(e, row->opcode);
    if (row->modrm != NONE)
        put(e, random_modrm(row));
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

/* Bytes where arithmetic goes wrong when it does: small numbers, limits of each width, repeats; or anything. */
static void random_vector(uint8_t *v, unsigned bytes, const uint8_t *before)
{
    static const uint8_t bounds[] = { 0, 0, 1, 2, 0x7f, 0x80, 0xff, 0xfe };
    const unsigned style = random_below(6);

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
    static const uint8_t zeros[32];

    for (unsigned n = 0; n < 16; n++) {
        s->gpr[n] = random_below(2) ? random64() : (uint64_t)(int64_t)(int)(random_below(41) - 20);
        random_vector(s->ymm[n], 32, n ? s->ymm[n - 1] : zeros);
    }
    s->gpr[RSP] = 0;
    s->gpr[RSI] = s->gpr[RDI] = s->gpr[R14] = address;
    for (unsigned n = 0; n < 8; n++) {
        random_vector((uint8_t *)&s->mant[n], 8, s->ymm[n]);
        s->se[n] = (uint16_t)random64();
    }
    s->fsw = (uint16_t)(random64() & 0x7f00);
    s->ftag = (uint8_t)random64();
    s->flags = random64() & FLAGS_ARITH;
    s->mxcsr = 0x1f80;
    s->signal = 0;
    memset(s->mem, 0xa5, sizeof s->mem);
    random_vector(s->mem + 1024, 32, s->ymm[random_below(16)]);
    random_vector(s->mem + 1056, 16, zeros);
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
        bad |= differs("ymm", n, host->ymm[n], ours->ymm[n], 32);
    }
    for (unsigned n = 0; n < 8; n++) {
        bad |= differs("mm", n, &host->mant[n], &ours->mant[n], 8);
        bad |= differs("exponent", n, &host->se[n], &ours->se[n], 2);
    }
    bad |= differs("fsw", 0, &host->fsw, &ours->fsw, 2);
    bad |= differs("ftag", 0, &host->ftag, &ours->ftag, 1);
    bad |= differs("flags", 0, &host->flags, &ours->flags, 8);
    bad |= differs("signal", 0, &host->signal, &ours->signal, sizeof host->signal);
    for (unsigned n = 1008; n < 1104; n += 16)
        bad |= differs("mem", n, host->mem + n, ours->mem + n, 16);
    return bad || memcmp(host->mem, ours->mem, sizeof host->mem) != 0;
}

static void report(const struct insn_row *row, const struct encoder *e, const struct vec_state *before, const struct insn *i)
{
    printf("%s:", op_names[row->op]);
    for (unsigned n = 0; n < e->len; n++)
        printf(" %02x", e->bytes[n]);
    printf(" (width %u)\n", i->width);
    for (unsigned n = 0; n < 4; n++) {
        if (FORM_KIND(i->form, n) != KIND_REG)
            continue;
        printf("  slot %u = %u:", n, i->o[n]);
        for (unsigned k = 32; k-- > 0;)
            printf("%02x", before->ymm[i->o[n] & 15][k]);
        printf("\n");
    }
}

/* What the manuals leave undefined: SSE4a fields that do not lie inside 64 bits. */
static bool undefined(const struct insn *i, const struct vec_state *s)
{
    const uint8_t *ctl = s->ymm[i->o[1]];
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

/* Now and then misaligned. SHA is left aligned: SDM and APM want #GP, the EPYC this was written on gives none. */
static uint64_t random_address(const struct insn *i)
{
    return vec_host_memory() + 1024 + (random_below(4) || i->needs == F_SHA ? 0 : random_below(16));
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
    random_state(&before, random_address(&i));
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
    cpu_prepare(vec_host_memory());
    for (size_t r = 0; r < count; r++) {
        if (!handlers[rows[r].op])
            continue;
        if (!vec_host_has((enum feature)rows[r].needs)) {
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
    if (skipped)
        print_message("%u rows the host lacks\n", skipped);
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_agrees_with_the_host),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
