/* SPDX-License-Identifier: MIT
 * The columns of ops.def and operands.def as tables. */
#include "cpu/decoder/insn.h"
#include "cpu/decoder/operands.h"

/* RFLAGS bits and the combinations ops.def uses. */
enum {
    CF = 1 << 0, PF = 1 << 2, AF = 1 << 4, ZF = 1 << 6, SF = 1 << 7, DF = 1 << 10, OF = 1 << 11,
    SZAPC = SF | ZF | AF | PF | CF, OSZAPC = OF | SZAPC, OSZAP = OF | SF | ZF | AF | PF, OSZPC = OF | SF | ZF | PF | CF,
};

const char *const op_names[OP_COUNT] = {
#define OP(name, mnemonic, reads, writes, then, jit) #name,
#include "cpu/decoder/ops.def"
#undef OP
};

const uint8_t op_then[OP_COUNT] = {
#define OP(name, mnemonic, reads, writes, then, jit) then,
#include "cpu/decoder/ops.def"
#undef OP
};

const uint16_t op_flags_read[OP_COUNT] = {
#define OP(name, mnemonic, reads, writes, then, jit) reads,
#include "cpu/decoder/ops.def"
#undef OP
};

const uint16_t op_flags_written[OP_COUNT] = {
#define OP(name, mnemonic, reads, writes, then, jit) writes,
#include "cpu/decoder/ops.def"
#undef OP
};

const struct operand operands[LETTER_COUNT] = {
#define OPERAND(letter, place, file, size, mem) [LETTER_##letter] = { place, file, size, mem },
#include "cpu/decoder/operands.def"
#undef OPERAND
};

const char *const operand_names[LETTER_COUNT] = {
    "__",
#define OPERAND(letter, place, file, size, mem) #letter,
#include "cpu/decoder/operands.def"
#undef OPERAND
};
