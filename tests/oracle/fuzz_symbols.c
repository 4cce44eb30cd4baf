/* SPDX-License-Identifier: MIT
 * libFuzzer entry for files of symbols, ELF or text: whatever they hold, names and addresses can be asked for. */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/symbols.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct blob b = { malloc(size + 1), size };
    struct symbols *s;
    struct err e;
    uint64_t at, offset;

    if (b.bytes == NULL)
        abort();
    memcpy(b.bytes, data, size);
    b.bytes[size] = 0;
    e = symbols_of(&s, "fuzz", b);
    if (failed(&e))
        return 0;
    (void)symbols_find(s, "main", &at);
    for (size_t k = 0; k + 8 <= size; k += size / 16 + 1) {
        const char *name = symbols_at(s, load64(data + k), &offset);

        if (name != NULL && !symbols_find(s, name, &at))
            abort();
    }
    symbols_free(s);
    return 0;
}
