/* SPDX-License-Identifier: MIT
 * An instruction half way: what decode.c and vex.c share while the bytes are read. */
#ifndef CPU_DECODER_DECODING_H
#define CPU_DECODER_DECODING_H

#include <stdbool.h>
#include <stdint.h>

#include "cpu/decoder/decode.h"
#include "cpu/decoder/index.h"

#define INSN_MAX_BYTES  15

struct decoding {
    const uint8_t *bytes;       /* padded with zeros, so that reading on is harmless; decode() compares at and length */
    unsigned at;                /* bytes read */
    uint8_t opcode_at;          /* where the opcode or its escape stands, behind the legacy prefixes */
    enum decode_mode mode;
    struct row_key key;
    bool amd;                   /* the vendor: DECODE_AMD */
    uint8_t opsize, asize;      /* 66 and 67 seen */
    uint8_t lock;
    uint8_t rep;                /* F2, F3 or 0: the last one */
    uint8_t seg;                /* override, SEG_COUNT: none */
    uint8_t ds;                 /* 3E seen */
    uint8_t rex;                /* whole byte, 0: none */
    uint8_t reg, rm, index;     /* to be added to the ModRM and SIB fields: 8, or 16 and 24 with EVEX */
    uint8_t vsib;               /* the memory operand's index is a vector register */
    uint8_t vvvv;               /* VEX register, 0 when unused; 4 bits */
    uint8_t vprime;             /* EVEX.V': 16, extends vvvv or the index of a vector SIB */
    uint8_t bytes_osize;        /* effective operand size */
};

/* C4, C5 and 62 are VEX and EVEX unless they can be LES, LDS and BOUND with a memory operand. */
bool decoding_vex(const struct decoding *d, unsigned at);
/* length.c: where an instruction ends that is #UD. */
unsigned invalid_end(const struct decoding *d);
/* vex.c: reads what follows C4, C5 or 62 (already taken) up to the opcode into the key; false: #UD. */
bool vex_prefix(struct decoding *d, struct insn *out, uint8_t escape);
/* EVEX, once ModRM is known: with b and a register in ModRM.rm L'L is rounding control and the vector is 512 bits long (SDM 2A
 * "Static Rounding Support in EVEX"). False: #UD. */
bool evex_length(struct decoding *d, struct insn *out);
/* EVEX, once the row is known: masking, broadcast, rounding. False: #UD. */
bool evex_fields(struct decoding *d, struct insn *out, const struct insn_row *row);

#endif
