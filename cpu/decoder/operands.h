/* SPDX-License-Identifier: MIT
 * Operand letters as data: operands.def read into an enum and a table. Only the decoder and its tests look here. */
#ifndef CPU_DECODER_OPERANDS_H
#define CPU_DECODER_OPERANDS_H

#include <stdint.h>

enum operand_place {
    IN_NOWHERE, IN_REG, IN_RM, IN_RMREG, IN_RMANY, IN_MEM, IN_VSIB, IN_OPCODE, IN_VVVV, IN_IS4, IN_MOFFS,
    IMM_U8, IMM_S8, IMM_U16, IMM_Z, IMM_V, IMM_ONE, IMM_2ND8, IMM_FAR, REL_8, REL_Z, STRING, FIXED
};
#define IN_FIXED(n)     (FIXED | (n) << 8)
#define PLACE(place)    ((place) & 0xff)
#define PLACE_FIXED(place) ((place) >> 8)

enum operand_file { NOFILE, GPR, SEG, CR, DR, VEC, MMX, ST, MASK };

enum operand_size {
    S0, S1, S2, S4, S8, S10, S16, S32, S64,
    SV, SZ, SY, SM, SVL, SVL2, SVL4, SVL8, SFAR, SPAIR, STABLE
};

enum operand_letter {
    LETTER___,
#define OPERAND(letter, place, file, size, mem) LETTER_##letter,
#include "cpu/decoder/operands.def"
#undef OPERAND
    LETTER_COUNT
};

struct operand {
    uint16_t place;
    uint8_t file, size, mem;
};

extern const struct operand operands[LETTER_COUNT];
extern const char *const operand_names[LETTER_COUNT];

#endif
