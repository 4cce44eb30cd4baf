/* SPDX-License-Identifier: MIT
 * Every prefix set x opcode x ModRM byte, in every mode, for comparing decode() with another decoder. Differences are
 * matched with the rules of decoder_triage.txt, which say who is right; what no rule explains is printed, and fails. */
#ifndef TESTS_ORACLE_OPCODE_SPACE_H
#define TESTS_ORACLE_OPCODE_SPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cpu/decoder/decode.h"

enum space_map {
    SPACE_1, SPACE_0F, SPACE_0F38, SPACE_0F3A, SPACE_VEX_0F, SPACE_VEX_0F38, SPACE_VEX_0F3A, SPACE_EVEX_0F, SPACE_EVEX_0F38,
    SPACE_EVEX_0F3A, SPACE_MAPS
};

/* One encoding under trial: bytes[], with the pieces it was made of. */
struct trial {
    uint8_t bytes[15];
    uint8_t prefix[4], prefixes;
    uint8_t map, opcode, modrm;
    enum decode_mode mode;
    uint8_t vex;            /* W, vvvv, L, pp byte; of EVEX P1 */
    uint8_t p2;             /* EVEX: z, L'L, b, V', aaa */
    enum decoded result;
    struct insn insn;
};

/* Compares one trial: NULL when both agree, else a constant word for the kind of difference ("more": only we accept it,
 * "less": only the oracle does, "len": lengths differ; an oracle may have further words). */
typedef const char *space_judge(const struct trial *t);

/* Runs through the space, with the rules for `oracle` (one letter) of decoder_triage.txt, looked for under the environment's
 * top_srcdir as make check sets it. Returns the number of unexplained groups. */
unsigned space_run(char oracle, space_judge *judge);

#endif
