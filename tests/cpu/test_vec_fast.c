/* SPDX-License-Identifier: MIT
 * The handlers of vec_fast.h that let the host calculate, against the general ones made to do it in integers: with the loss
 * of precision not yet recorded the latter may use the host for exact results only. Random and special operands, every
 * rounding mode, DAZ and FTZ, every shape; no oracle, so on every host. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "cpu/exec.h"
#include "cpu/fp.h"
#include "cpu/vec_fast.h"
#include "tests/cpu/fixture.h"
#include "tests/oracle/fp_host.h"

static insn_fn *const general[OP_COUNT] = {
#define OP(name, mnemonic, reads, writes, then, jit) [OP_##name] = exec_##name,
#include "cpu/decoder/ops.def"
#undef OP
};

enum { PACKED32 = 1, PACKED64 = 2, LOW32 = 4, LOW64 = 8, IMM = 16, UNARY = 32, WIDE = 64 };    /* WIDE: VEX.W or REX.W too */

/* Bytes of map 0F; `forms` says which of no prefix, 66, F3 and F2 there are. VEX only: map 0F38, opcodes of three roles. */
static const struct row { uint8_t opcode, forms, map; } rows[] = {
    { 0x58, PACKED32 | PACKED64 | LOW32 | LOW64, 1 }, { 0x59, PACKED32 | PACKED64 | LOW32 | LOW64, 1 },
    { 0x5c, PACKED32 | PACKED64 | LOW32 | LOW64, 1 }, { 0x5d, PACKED32 | PACKED64 | LOW32 | LOW64, 1 },
    { 0x5e, PACKED32 | PACKED64 | LOW32 | LOW64, 1 }, { 0x5f, PACKED32 | PACKED64 | LOW32 | LOW64, 1 },
    { 0x51, PACKED32 | PACKED64 | LOW32 | LOW64 | UNARY, 1 }, { 0xc2, PACKED32 | PACKED64 | LOW32 | LOW64 | IMM, 1 },
    { 0x2e, PACKED32 | PACKED64 | UNARY, 1 }, { 0x2f, PACKED32 | PACKED64 | UNARY, 1 }, { 0x5a, LOW32 | LOW64, 1 },
    { 0x2a, LOW32 | LOW64 | WIDE, 1 }, { 0x2c, LOW32 | LOW64 | WIDE | UNARY, 1 }, { 0x2d, LOW32 | LOW64 | WIDE | UNARY, 1 },
    { 0x98, PACKED64 | WIDE, 2 }, { 0xa8, PACKED64 | WIDE, 2 }, { 0xb8, PACKED64 | WIDE, 2 },
    { 0xba, PACKED64 | WIDE, 2 }, { 0xac, PACKED64 | WIDE, 2 }, { 0x9e, PACKED64 | WIDE, 2 },
    { 0xb9, PACKED64 | WIDE, 2 }, { 0x9b, PACKED64 | WIDE, 2 }, { 0xad, PACKED64 | WIDE, 2 }, { 0xaf, PACKED64 | WIDE, 2 },
};

struct shape { bool vex, wide, memory, w; uint8_t imm; };

/* xmm0, xmm1 and xmm2 or [rdi]; rcx stands where xmm1's number names a general register. */
static unsigned encode(uint8_t *at, const struct row *row, unsigned prefix, struct shape s)
{
    static const uint8_t mandatory[] = { 0, 0x66, 0xf3, 0xf2 };
    const uint8_t vvvv = row->forms & UNARY && prefix < 2 ? 15 : row->opcode == 0x2c || row->opcode == 0x2d ? 15 : 14;
    unsigned len = 0;

    if (s.vex) {
        at[len++] = 0xc4;
        at[len++] = (uint8_t)(0xe0 | row->map);
        at[len++] = (uint8_t)(s.w << 7 | vvvv << 3 | s.wide << 2 | prefix);
    } else {
        if (prefix)
            at[len++] = mandatory[prefix];
        if (s.w)
            at[len++] = 0x48;
        at[len++] = 0x0f;
    }
    at[len++] = row->opcode;
    at[len++] = s.memory ? 0x07 : 0xc2;
    if (row->forms & IMM)
        at[len++] = s.imm;
    return len;
}

struct outcome { uint64_t zmm[16], gpr[16]; uint32_t flags, mxcsr, fault, unused; };       /* no padding: memcmp() */

static unsigned end_of_block(struct cpu *cpu UNUSED, const struct insn *i UNUSED) { return EXEC_STOP; }

static struct outcome run(struct fixture *f, const struct insn *insn, insn_fn *fn, const struct outcome *before)
{
    struct insn block[2] = { *insn, { .fn = end_of_block } };
    struct cpu *cpu = f->cpu;
    struct outcome after = { .unused = 0 };

    memcpy(cpu->s.zmm, before->zmm, sizeof before->zmm);
    memcpy(cpu->s.zmm + 16, before->zmm + 8, 64);
    memcpy(cpu->s.gpr, before->gpr, sizeof before->gpr);
    flags_put(&cpu->flags, 0);
    cpu->s.mxcsr = before->mxcsr;
    after.fault = fn(cpu, block) == EXEC_FAULT ? cpu->fault.vector + 1u : 0;
    memcpy(after.zmm, cpu->s.zmm, sizeof after.zmm);
    memcpy(after.gpr, cpu->s.gpr, sizeof after.gpr);
    after.flags = flags_get(&cpu->flags);
    after.mxcsr = cpu->s.mxcsr | FP_PE;
    return after;
}

/* Elements of either format; often a register of one format through and through. */
static void random_vector(struct fp_random *r, uint64_t *v, unsigned quadwords)
{
    const uint64_t how = fp_random_next(r);

    for (unsigned k = 0; k < quadwords; k++) {
        if (how & 3)
            v[k] = how & 1 ? fp_random64(r) : fp_random32(r) | (uint64_t)fp_random32(r) << 32;
        else
            v[k] = (uint64_t)((int64_t)fp_random_next(r) >> (fp_random_next(r) % 64));
    }
}

static void compare(struct fixture *f, const struct insn *insn, insn_fn *bound, struct fp_random *r)
{
    struct outcome before = { .mxcsr = 0x1f80 }, exact, fast;
    uint64_t how = fp_random_next(r), memory[4];

    random_vector(r, before.zmm, 8);
    random_vector(r, before.zmm + 8, 8);
    random_vector(r, memory, 4);
    for (unsigned k = 0; k < 16; k++)
        before.gpr[k] = before.zmm[k];
    before.gpr[RDI] = FIXTURE_DATA;
    memcpy(f->ram->bytes + FIXTURE_DATA, memory, sizeof memory);
    if (how % 8 == 0)
        before.mxcsr |= (how >> 8 & 3) << 13 | (how >> 10 & 1) << 15 | (how >> 11 & 1) << 6;
    if (how % 32 == 1)
        before.mxcsr &= ~(uint32_t)(how >> 12 & 0xf80);      /* not PM: the general handler must see no change by PE */
    exact = run(f, insn, general[insn->op], &before);
    before.mxcsr |= FP_PE;
    fast = run(f, insn, bound, &before);
    if (memcmp(&exact, &fast, sizeof exact) != 0) {
        printf("opcode %02x vl %u mxcsr %04x: %016llx %016llx, %016llx: exact %016llx %016llx mxcsr %04x, "
               "fast %016llx %016llx mxcsr %04x\n", insn->opcode, insn->vl, before.mxcsr, (unsigned long long)before.zmm[8],
               (unsigned long long)before.zmm[9], (unsigned long long)memory[0], (unsigned long long)exact.zmm[0],
               (unsigned long long)exact.zmm[1], exact.mxcsr, (unsigned long long)fast.zmm[0],
               (unsigned long long)fast.zmm[1], fast.mxcsr);
        fail();
    }
}

static unsigned try_shape(struct fixture *f, const struct row *row, unsigned prefix, struct shape s, struct fp_random *r)
{
    const char *wish = getenv("PARTITA_FP_ROUNDS");
    const unsigned long rounds = wish ? strtoul(wish, NULL, 10) : 300;
    uint8_t bytes[16] = { 0 };
    struct insn insn;
    insn_fn *bound;

    assert_int_equal(decode(&insn, bytes, encode(bytes, row, prefix, s), DECODE_64), DECODED);
    insn.end = insn.len;
    bound = exec_bind_vec(f->cpu, &insn);
    for (unsigned long n = 0; bound != NULL && n < rounds; n++)
        compare(f, &insn, bound, r);
    return bound != NULL;
}

static void host_arithmetic_changes_nothing(void **state)
{
    struct fp_random r = { 1 };
    unsigned bound = 0;
    struct fixture f;

    (void)state;
    fixture_open(&f);
    fixture_mode(&f, FIXTURE_LONG);
    f.cpu->p.cr4 |= CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE;
    f.cpu->s.xcr0 = 7;
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        for (unsigned bits = 0; bits < 64; bits++) {
            const struct shape s = { .vex = bits & 1, .wide = bits >> 1 & 1, .memory = bits >> 2 & 1, .w = bits >> 3 & 1,
                                     .imm = (uint8_t)(fp_random_next(&r) & 31) };
            const unsigned prefix = bits >> 4;

            if (!(rows[k].forms & 1u << prefix) || (s.wide && (!s.vex || prefix > 1)) || (s.w && !(rows[k].forms & WIDE)) ||
                (rows[k].map == 2 && !s.vex))
                continue;
            bound += try_shape(&f, &rows[k], prefix, s, &r);
        }
    }
    assert_true(bound > 100);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(host_arithmetic_changes_nothing),
    };

    return cmocka_run_group_tests_name("cpu/vec_fast", tests, NULL, NULL);
}
