/* SPDX-License-Identifier: MIT
 * The AArch64 encoder against Capstone's reading of what it wrote, on any host. */
#include "tests/check.h"

#include <capstone/capstone.h>
#include <stdio.h>
#include <string.h>

#include "base/attrs.h"
#include "cpu/jit/a64/asm.h"

static uint32_t code[64];
static csh disassembler;

static struct a64_buf empty(void)
{
    return (struct a64_buf){ code, code + COUNT_OF(code), false };
}

/* The last instruction written. */
static void reads(const struct a64_buf *a, const char *expected)
{
    cs_insn *insn;
    char text[200];

    assert_false(a->full);
    assert_int_equal(cs_disasm(disassembler, (const uint8_t *)(a->at - 1), 4, 0, 1, &insn), 1);
    snprintf(text, sizeof text, "%s %s", insn->mnemonic, insn->op_str);
    cs_free(insn, 1);
    if (text[strlen(text) - 1] == ' ')
        text[strlen(text) - 1] = 0;
    assert_string_equal(text, expected);
}

#define READS(call, expected) do { struct a64_buf buf = empty(), *a = &buf; call; reads(a, expected); } while (0)

static void two_sources(void **state)
{
    (void)state;
    READS(a64_rrr(a, A64_ADD, 8, 1, 2, 3), "add x1, x2, x3");
    READS(a64_rrr(a, A64_ADDS, 4, 1, 2, 3), "adds w1, w2, w3");
    READS(a64_rrr(a, A64_SUBS, 8, A64_ZR, 2, 3), "cmp x2, x3");
    READS(a64_rrr_by(a, A64_SUBS, 4, 7, 8, 9, A64_LSL, 24), "subs w7, w8, w9, lsl #24");
    READS(a64_rrr_by(a, A64_EOR, 8, 7, 8, 9, A64_ASR, 63), "eor x7, x8, x9, asr #63");
    READS(a64_rrr(a, A64_BIC, 8, 0, 1, 2), "bic x0, x1, x2");
    READS(a64_rrr(a, A64_ORN, 4, 0, A64_ZR, 2), "mvn w0, w2");
    READS(a64_rrr(a, A64_ANDS, 8, A64_ZR, 1, 2), "tst x1, x2");
    READS(a64_rrr(a, A64_EON, 4, 0, 1, 2), "eon w0, w1, w2");
    READS(a64_rrr(a, A64_ADCS, 8, 0, 1, 2), "adcs x0, x1, x2");
    READS(a64_rrr(a, A64_SBCS, 4, 0, 1, 2), "sbcs w0, w1, w2");
    READS(a64_rrr(a, A64_ADC, 4, 0, 1, 2), "adc w0, w1, w2");
    READS(a64_rrr(a, A64_SBC, 8, 0, 1, 2), "sbc x0, x1, x2");
    READS(a64_rrr(a, A64_UDIV, 8, 0, 1, 2), "udiv x0, x1, x2");
    READS(a64_rrr(a, A64_SDIV, 4, 0, 1, 2), "sdiv w0, w1, w2");
    READS(a64_rrr(a, A64_LSLV, 8, 0, 1, 2), "lsl x0, x1, x2");
    READS(a64_rrr(a, A64_LSRV, 4, 0, 1, 2), "lsr w0, w1, w2");
    READS(a64_rrr(a, A64_ASRV, 8, 0, 1, 2), "asr x0, x1, x2");
    READS(a64_rrr(a, A64_RORV, 4, 0, 1, 2), "ror w0, w1, w2");
    READS(a64_rrr(a, A64_MUL, 8, 0, 1, 2), "mul x0, x1, x2");
    READS(a64_rrr(a, A64_SMULL, 8, 0, 1, 2), "smull x0, w1, w2");
    READS(a64_rrr(a, A64_UMULL, 4, 0, 1, 2), "umull x0, w1, w2");
    READS(a64_rrr(a, A64_SMULH, 8, 0, 1, 2), "smulh x0, x1, x2");
    READS(a64_rrr(a, A64_UMULH, 8, 0, 1, 2), "umulh x0, x1, x2");
    READS(a64_msub(a, 8, 0, 1, 2, 3), "msub x0, x1, x2, x3");
    READS(a64_compare_extended(a, 1, 2), "cmp x1, w2, sxtw");
}

static void one_source(void **state)
{
    (void)state;
    READS(a64_mov(a, 8, 1, 2), "mov x1, x2");
    READS(a64_mov(a, 4, 1, 2), "mov w1, w2");
    READS(a64_rr(a, A64_RBIT, 8, 1, 2), "rbit x1, x2");
    READS(a64_rr(a, A64_CLZ, 4, 1, 2), "clz w1, w2");
    READS(a64_rr(a, A64_REV16, 4, 1, 2), "rev16 w1, w2");
    READS(a64_rr(a, A64_REV32, 4, 1, 2), "rev w1, w2");
    READS(a64_rr(a, A64_REV64, 8, 1, 2), "rev x1, x2");
}

static void immediates(void **state)
{
    (void)state;
    READS(assert_true(a64_sum_imm(a, A64_ADD, 8, 1, 2, 4095)), "add x1, x2, #0xfff");
    READS(assert_true(a64_sum_imm(a, A64_SUBS, 4, A64_ZR, 2, 1)), "cmp w2, #1");
    READS(assert_true(a64_sum_imm(a, A64_SUB, 8, A64_SP, A64_SP, 16)), "sub sp, sp, #0x10");
    READS(assert_true(a64_sum_imm(a, A64_ADDS, 8, 1, 2, 0x5000)), "adds x1, x2, #5, lsl #12");
    READS(assert_true(a64_logic_imm(a, A64_AND, 8, 1, 2, ~(uint64_t)0xfff)), "and x1, x2, #0xfffffffffffff000");
    READS(assert_true(a64_logic_imm(a, A64_EOR, 4, 1, 2, 0x20000000)), "eor w1, w2, #0x20000000");
    READS(assert_true(a64_logic_imm(a, A64_ORR, 4, 1, 2, 0xff)), "orr w1, w2, #0xff");
    READS(assert_true(a64_logic_imm(a, A64_ANDS, 8, A64_ZR, 2, 0x3f)), "tst x2, #0x3f");
    READS(assert_true(a64_logic_imm(a, A64_AND, 8, 1, 2, 0x8000000000000001)), "and x1, x2, #0x8000000000000001");
    READS(assert_true(a64_logic_imm(a, A64_AND, 4, 1, 2, 0x55555555)), "and w1, w2, #0x55555555");
}

static uint64_t rotated(uint64_t v, unsigned size, unsigned by)
{
    const uint64_t mask = size == 64 ? ~(uint64_t)0 : ((uint64_t)1 << size) - 1;

    return by == 0 ? v : ((v << by) | (v >> (size - by))) & mask;
}

/* Every mask that logic can have, and that what is none is refused. */
static void all_masks(void **state)
{
    char expected[64];

    (void)state;
    for (unsigned size = 2; size <= 64; size *= 2)
        for (unsigned ones = 1; ones < size; ones++)
            for (unsigned by = 0; by < size; by++) {
                uint64_t v = rotated(((uint64_t)1 << ones) - 1, size, by);

                for (unsigned n = size; n < 64; n *= 2)
                    v |= v << n;
                snprintf(expected, sizeof expected, v > 9 ? "eor x1, x2, #0x%llx" : "eor x1, x2, #%llu",
                         (unsigned long long)v);
                READS(assert_true(a64_logic_imm(a, A64_EOR, 8, 1, 2, v)), expected);
            }
    for (uint64_t v = 0; v < 4096; v++) {
        struct a64_buf a = empty();
        uint64_t run = v == 0 ? 0 : v >> __builtin_ctzll(v);

        assert_int_equal(a64_logic_imm(&a, A64_AND, 8, 1, 2, v), v != 0 && (run & (run + 1)) == 0);
        assert_false(a64_logic_imm(&a, A64_AND, 8, 1, 2, v << 32 | 0x5));
    }
}

/* What the sequences for a constant leave in the register, by their own encodings. */
static uint64_t value_of(const uint32_t *at, const uint32_t *end)
{
    uint64_t v = 0;

    for (; at < end; at++) {
        unsigned part = *at >> 21 & 3;
        uint64_t imm = (uint64_t)(*at >> 5 & 0xffff) << (16 * part);

        switch (*at >> 23 & 0x1ff) {
        case 0x1a5: v = imm; break;
        case 0x125: v = ~imm; break;
        case 0x1e5: v = (v & ~((uint64_t)0xffff << (16 * part))) | imm; break;
        default:    return 0xbad;
        }
    }
    return v;
}

static void constants(void **state)
{
    static const uint64_t some[] = {
        0, 1, ~(uint64_t)0, 0xffff, 0x10000, 0x12345678, 0xffffffff12345678, 0x123456789abcdef0, 0xffff1234ffffffff,
        0x1234000000005678,         0xffffffffffff0000, 0xaaaa56781234, 0x7fff00001234,
    };

    (void)state;
    for (unsigned n = 0; n < COUNT_OF(some); n++) {
        struct a64_buf a = empty();

        a64_mov_imm(&a, 5, some[n]);
        assert_true(value_of(code, a.at) == some[n]);
    }
    READS(a64_mov_imm(a, 5, 0), "movz x5, #0");
    READS(a64_mov_imm(a, 5, 0xff00ff00ff00ff00), "orr x5, xzr, #0xff00ff00ff00ff00");
}

static void fields(void **state)
{
    (void)state;
    READS(a64_ubfx(a, 8, 1, 2, 12, 11), "ubfx x1, x2, #0xc, #0xb");
    READS(a64_ubfx(a, 4, 1, 2, 8, 8), "ubfx w1, w2, #8, #8");
    READS(a64_sbfx(a, 8, 1, 2, 0, 32), "sxtw x1, w2");
    READS(a64_sbfx(a, 4, 1, 2, 0, 8), "sxtb w1, w2");
    READS(a64_bfi(a, 8, 1, 2, 8, 8), "bfi x1, x2, #8, #8");
    READS(a64_bfi(a, 8, 1, 2, 0, 16), "bfxil x1, x2, #0, #0x10");
    READS(a64_shift(a, A64_LSL, 8, 1, 2, 3), "lsl x1, x2, #3");
    READS(a64_shift(a, A64_LSR, 4, 1, 2, 24), "lsr w1, w2, #0x18");
    READS(a64_shift(a, A64_ASR, 8, 1, 2, 63), "asr x1, x2, #0x3f");
    READS(a64_shift(a, A64_ROR, 4, 1, 2, 5), "ror w1, w2, #5");
    READS(a64_extract(a, 8, 1, 2, 3, 33), "extr x1, x2, x3, #0x21");
    READS(a64_shift(a, A64_ROR, 8, 1, 2, 33), "ror x1, x2, #0x21");
}

static void conditions(void **state)
{
    (void)state;
    READS(a64_select(a, A64_CSEL, 8, 1, 2, 3, A64_HI), "csel x1, x2, x3, hi");
    READS(a64_select(a, A64_CSINC, 4, 1, 2, 3, A64_LT), "csinc w1, w2, w3, lt");
    READS(a64_select(a, A64_CSINV, 8, 1, 2, 3, A64_EQ), "csinv x1, x2, x3, eq");
    READS(a64_select(a, A64_CSNEG, 4, 1, 2, 3, A64_VS), "csneg w1, w2, w3, vs");
    READS(a64_cset(a, 4, A64_CC), "cset w4, lo");
    READS(a64_read_nzcv(a, 22), "mrs x22, nzcv");
    READS(a64_write_nzcv(a, 22), "msr nzcv, x22");
}

static void memory(void **state)
{
    (void)state;
    READS(a64_mem(a, A64_LDRX, 1, 2, 32760), "ldr x1, [x2, #0x7ff8]");
    READS(a64_mem(a, A64_STRX, 1, 2, 0), "str x1, [x2]");
    READS(a64_mem(a, A64_LDRX, 1, 2, -8), "ldur x1, [x2, #-8]");
    READS(a64_mem(a, A64_LDRX, 1, 2, 4), "ldur x1, [x2, #4]");
    READS(a64_mem(a, A64_LDRW, 1, A64_SP, 4), "ldr w1, [sp, #4]");
    READS(a64_mem(a, A64_STRB, 1, 2, 5), "strb w1, [x2, #5]");
    READS(a64_mem(a, A64_LDRSW, 1, 2, 8), "ldrsw x1, [x2, #8]");
    READS(a64_mem(a, A64_LDRQ, 1, 2, 0x200), "ldr q1, [x2, #0x200]");
    READS(a64_mem(a, A64_STRQ, 1, 2, 65520), "str q1, [x2, #0xfff0]");
    READS(a64_mem(a, A64_LDRS, 1, 2, 4), "ldr s1, [x2, #4]");
    READS(a64_mem(a, A64_STRD, 1, 2, 8), "str d1, [x2, #8]");
    READS(a64_mem_x(a, A64_LDRB, 1, 2, 3), "ldrb w1, [x2, x3]");
    READS(a64_mem_x(a, A64_LDRSB, 1, 2, 3), "ldrsb x1, [x2, x3]");
    READS(a64_mem_x(a, A64_LDRSB | A64_TO_W, 1, 2, 3), "ldrsb w1, [x2, x3]");
    READS(a64_mem_x(a, A64_LDRSH, 1, 2, 3), "ldrsh x1, [x2, x3]");
    READS(a64_mem_x(a, A64_STRH, 1, 2, 3), "strh w1, [x2, x3]");
    READS(a64_mem_x(a, A64_STRX, 1, 2, 3), "str x1, [x2, x3]");
    READS(a64_mem_x(a, A64_LDRQ, 1, 2, 3), "ldr q1, [x2, x3]");
    READS(a64_mem_x(a, A64_STRS, 1, 2, 3), "str s1, [x2, x3]");
    READS(a64_pair(a, A64_STP, 1, 2, 3, -16), "stp x1, x2, [x3, #-0x10]");
    READS(a64_pair(a, A64_LDP, 1, 2, 3, 504), "ldp x1, x2, [x3, #0x1f8]");
    READS(a64_pair(a, A64_STP_PRE, 29, 30, A64_SP, -112), "stp x29, x30, [sp, #-0x70]!");
    READS(a64_pair(a, A64_LDP_POST, 29, 30, A64_SP, 112), "ldp x29, x30, [sp], #0x70");
}

/* An address so many instructions from the first one; nothing lies there. */
static const uint32_t *away(int64_t insns)
{
    return (const uint32_t *)((uintptr_t)code + (uintptr_t)(4 * insns));
}

static void jumps(void **state)
{
    (void)state;
    READS(a64_aim(a, a64_b(a), code + 16), "b #0x40");
    READS(a64_aim(a, a64_bl(a), away(-1)), "bl #0xfffffffffffffffc");
    READS(a64_aim(a, a64_b_if(a, A64_LS), code + 8), "b.ls #0x20");
    READS(a64_aim(a, a64_cbz(a, 8, true, 3), code + 8), "cbnz x3, #0x20");
    READS(a64_aim(a, a64_cbz(a, 4, false, 3), code + 8), "cbz w3, #0x20");
    READS(a64_aim(a, a64_tbz(a, true, 3, 33), code + 8), "tbnz x3, #0x21, #0x20");
    READS(a64_aim(a, a64_tbz(a, false, 3, 4), code + 8), "tbz w3, #4, #0x20");
    READS(a64_br(a, 16), "br x16");
    READS(a64_blr(a, 16), "blr x16");
    READS(a64_ret(a), "ret");
}

/* A jump goes as far as its field says and no further; then, and when the buffer ends, the buffer says so. */
static void limits(void **state)
{
    (void)state;
    code[0] = 0x36000003;
    assert_true(a64_reaim(code, away(8191)));
    assert_true(a64_reaim(code, away(-8192)));
    assert_false(a64_reaim(code, away(8192)));
    code[0] = 0x14000000;
    assert_true(a64_reaim(code, away((1 << 25) - 1)));
    assert_false(a64_reaim(code, away(1 << 25)));
    for (unsigned n = 0; n <= COUNT_OF(code); n++) {
        static struct a64_buf a;

        a = n == 0 ? empty() : a;
        a64_ret(&a);
        assert_int_equal(a.full, n == COUNT_OF(code));
    }
}

static int open_capstone(void **state)
{
    (void)state;
    return cs_open(CS_ARCH_ARM64, CS_MODE_ARM, &disassembler) == CS_ERR_OK ? 0 : -1;
}

static int close_capstone(void **state)
{
    (void)state;
    cs_close(&disassembler);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_sources), cmocka_unit_test(one_source), cmocka_unit_test(immediates),
        cmocka_unit_test(all_masks),   cmocka_unit_test(constants),  cmocka_unit_test(fields),
        cmocka_unit_test(conditions),  cmocka_unit_test(memory),     cmocka_unit_test(jumps),
        cmocka_unit_test(limits),
    };

    return cmocka_run_group_tests(tests, open_capstone, close_capstone);
}
