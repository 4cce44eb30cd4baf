/* SPDX-License-Identifier: MIT
 * libFuzzer entry for decode(): first byte chooses the mode, the rest are code. Checks what every caller relies on: lengths,
 * prefixes of an instruction ask for more, nothing depends on bytes after it or on what `out` held. */
#include <stdlib.h>
#include <string.h>

#include "cpu/decoder/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition)
        abort();
}

static void check_fields(const struct insn *i)
{
    require(i->op < OP_COUNT && i->fn == NULL && i->len >= 1 && i->len <= 15);
    require(i->asize == 2 || i->asize == 4 || i->asize == 8);
    require(i->base % 8 == 0 && i->base <= REG_ZERO && i->index <= REG_ZERO);
    require(i->scale <= 3 && i->seg <= SEG_GS && i->width != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum decode_mode mode;
    enum decoded result;
    struct insn whole, again;
    uint8_t exact[15];

    if (size < 2)
        return 0;
    mode = (enum decode_mode)(data[0] % 3);
    result = decode(&whole, data + 1, size - 1, mode);
    if (result != DECODED)
        return 0;
    check_fields(&whole);
    memcpy(exact, data + 1, whole.len);
    memset(&again, 0xa5, sizeof again);
    require(decode(&again, exact, whole.len, mode) == DECODED && !memcmp(&whole, &again, sizeof whole));
    for (size_t len = 0; len < whole.len; len++)
        require(decode(&again, exact, len, mode) == TRUNCATED);
    return 0;
}
