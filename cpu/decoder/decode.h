/* SPDX-License-Identifier: MIT
 * The decoder's public call: pure, no processor, no memory. */
#ifndef CPU_DECODER_DECODE_H
#define CPU_DECODER_DECODE_H

#include <stddef.h>
#include <stdint.h>

#include "cpu/decoder/insn.h"

/* Operand and address size defaults come with the mode: CS.D for 16 against 32. */
enum decode_mode {
    DECODE_16, DECODE_32, DECODE_64,
    DECODE_AMD = 4,     /* or-ed: what AMD's processors decode differently (docs/vendors.md) */
};

enum decoded {
    DECODED,
    TRUNCATED,      /* needs more bytes than len (len < 15) */
    INVALID,        /* #UD; out->len is how many bytes were looked at */
    TOO_LONG        /* more than 15 bytes: #GP(0) (SDM 2A 2.3.11) */
};

enum decoded decode(struct insn *out, const uint8_t *bytes, size_t len, enum decode_mode mode);

#endif
