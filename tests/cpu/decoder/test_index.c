/* SPDX-License-Identifier: MIT
 * The rows of insns.def: no two mean the same bytes, and every one is reached by some bytes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "cpu/decoder/decode.h"
#include "cpu/decoder/index.h"
#include "cpu/decoder/operands.h"

static void no_encoding_means_two_rows(void **state)
{
    const struct insn_row *a, *b;

    (void)state;
    if (index_check(&a, &b))
        fail_msg("map %u opcode %02x: %s and %s overlap", a->map, a->opcode, op_names[a->op], op_names[b->op]);
}

/* Whether all rows of one opcode agree about having a ModRM byte is what index_has_modrm relies on. */
static void rows_of_an_opcode_agree_about_modrm(void **state)
{
    size_t count;
    const struct insn_row *rows = index_rows(&count);

    (void)state;
    for (size_t n = 0; n < count; n++)
        assert_int_equal(index_has_modrm(rows[n].map, rows[n].opcode), rows[n].modrm != NONE);
}

/* A ModRM operand without ModRM, or an operand that needs memory in a row of registers, is a slip of the pen. */
static void operands_fit_the_modrm_column(void **state)
{
    size_t count;
    const struct insn_row *rows = index_rows(&count);

    (void)state;
    for (size_t n = 0; n < count; n++) {
        unsigned kind = rows[n].modrm & 0x700, memory = 0;

        for (unsigned k = 0; k < 4; k++) {
            unsigned place = PLACE(operands[rows[n].o[k]].place);
            bool in_modrm = place == IN_REG || place == IN_RM || place == IN_RMREG || place == IN_RMANY || place == IN_MEM;

            memory += place == IN_RM || place == IN_MEM || place == IN_VSIB || place == IN_MOFFS;
            if ((in_modrm && kind == NONE) || (place == IN_OPCODE && kind != NONE) || memory > 1 ||
                (place == IN_MEM && (kind == REG || kind == NR(0) || kind == X(0, 0))) ||
                (place == IN_RMREG && (kind == MEM || kind == NM(0))))
                fail_msg("row of %s, map %u opcode %02x: operand %s", op_names[rows[n].op], rows[n].map, rows[n].opcode,
                         operand_names[rows[n].o[k]]);
        }
    }
}

static const struct { uint8_t prefix, pp; } prefixes[] = {
    [ANY] = { 0, 0 }, [NP] = { 0, 0 }, [P66] = { 0x66, 1 }, [PF3] = { 0xf3, 2 }, [PF2] = { 0xf2, 3 }
};

/* VEX in three bytes, vvvv 1111b or xmm1 where the row uses it. */
static size_t put_vex(uint8_t *to, const struct insn_row *row)
{
    bool vvvv = false;

    for (unsigned n = 0; n < 4; n++)
        vvvv |= PLACE(operands[row->o[n]].place) == IN_VVVV;
    to[0] = 0xc4;
    to[1] = 0xe0 | (row->map - V0F + 1);
    to[2] = (row->attrs & W1 ? 0x80 : 0) | (vvvv ? 0x70 : 0x78) | (row->attrs & L1 ? 4 : 0) | prefixes[row->prefix].pp;
    return 3;
}

/* EVEX with k1 where a mask may be, vvvv as above. */
static size_t put_evex(uint8_t *to, const struct insn_row *row)
{
    bool vvvv = false;

    for (unsigned n = 0; n < 4; n++)
        vvvv |= PLACE(operands[row->o[n]].place) == IN_VVVV;
    to[0] = 0x62;
    to[1] = 0xf0 | (row->map - E0F + 1);
    to[2] = (row->attrs & W1 ? 0x80 : 0) | (vvvv ? 0x70 : 0x78) | 4 | prefixes[row->prefix].pp;
    to[3] = 8 | (row->attrs & L1 ? 0x20 : row->attrs & L2 ? 0x40 : 0) | (row->attrs & (MK | MKM | MKR) ? 1 : 0);
    return 4;
}

static size_t put_legacy(uint8_t *to, const struct insn_row *row)
{
    size_t at = 0;

    if (prefixes[row->prefix].prefix)
        to[at++] = prefixes[row->prefix].prefix;
    if (row->attrs & W1)
        to[at++] = 0x48;
    if (row->map != M1)
        to[at++] = 0x0f;
    if (row->map == M0F38 || row->map == M0F3A)
        to[at++] = row->map == M0F38 ? 0x38 : 0x3a;
    return at;
}

/* ModRM values for a row: the /n or the whole byte it names, memory [rAX] or a register. */
static bool decodes_somehow(const struct insn_row *row)
{
    enum decode_mode mode = row->attrs & O64 || row->attrs & W1 ? DECODE_64 : DECODE_32;

    for (unsigned modrm = 0; modrm < 256; modrm++) {
        uint8_t bytes[32] = { 0 };
        struct insn insn;
        size_t at = row->map >= E0F ? put_evex(bytes, row) : row->map >= V0F ? put_vex(bytes, row) : put_legacy(bytes, row);

        bytes[at++] = row->opcode;
        if (row->modrm != NONE)
            bytes[at++] = (uint8_t)modrm;
        if (decode(&insn, bytes, sizeof bytes, mode) == DECODED &&
            (insn.op == row->op || (row->op == OP_XCHG && insn.op == OP_NOP)))
            return true;
    }
    return false;
}

static void every_row_is_reached(void **state)
{
    size_t count;
    const struct insn_row *rows = index_rows(&count);

    (void)state;
    for (size_t n = 0; n < count; n++)
        if (rows[n].map < E0F && !decodes_somehow(&rows[n]))
            fail_msg("row of %s, map %u opcode %02x is never found", op_names[rows[n].op], rows[n].map, rows[n].opcode);
}

static void every_operation_has_a_row(void **state)
{
    size_t count;
    const struct insn_row *rows = index_rows(&count);
    uint8_t seen[OP_COUNT] = { [OP_NOP] = 1, [OP_PAUSE] = 1 };

    (void)state;
    for (size_t n = 0; n < count; n++)
        seen[rows[n].op] = 1;
    for (unsigned op = 0; op < OP_COUNT; op++)
        if (!seen[op])
            fail_msg("%s is not encoded by any row", op_names[op]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_encoding_means_two_rows),
        cmocka_unit_test(rows_of_an_opcode_agree_about_modrm),
        cmocka_unit_test(operands_fit_the_modrm_column),
        cmocka_unit_test(every_row_is_reached),
        cmocka_unit_test(every_operation_has_a_row),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
