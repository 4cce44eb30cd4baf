/* SPDX-License-Identifier: MIT
 * From map, opcode, prefix and ModRM to the row of insns.def. Tables are built from the rows before main() and stay. */
#ifndef CPU_DECODER_INDEX_H
#define CPU_DECODER_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cpu/decoder/row.h"

/* What of an instruction's bytes chooses a row. */
struct row_key {
    uint8_t map;        /* enum row_map */
    uint8_t opcode;
    uint8_t prefix;     /* NP, P66, PF3, PF2 */
    uint8_t modrm;      /* ignored where the opcode has none */
    uint8_t w, l;       /* REX.W or VEX.W; vector length 0, 1, 2 */
    bool mode64;
};

/* All rows of an opcode agree about having a ModRM byte (index_check proves it); false too when there is no row. */
bool index_has_modrm(unsigned map, unsigned opcode);
const struct insn_row *index_find(const struct row_key *key);   /* NULL: no such instruction */

/* For tests: all rows, and the first two that one encoding could mean both of (false: none). */
const struct insn_row *index_rows(size_t *count);
bool index_check(const struct insn_row **a, const struct insn_row **b);

#endif
