/* SPDX-License-Identifier: MIT
 * Makes the checksums of a recording right again after its bytes were changed, so that what lies behind them is tested too. */
#ifndef TESTS_REPLAY_FRAMES_H
#define TESTS_REPLAY_FRAMES_H

#include <zlib.h>

#include "base/bytes.h"

static inline void frames_repair(uint8_t *bytes, size_t len)
{
    struct reader in = reader_of(bytes, len);
    uint32_t sum;

    if (len < 16)
        return;
    sum = (uint32_t)crc32_z(0, bytes, 12);
    store32(bytes + 12, sum);
    in.at += 16;
    while (in.at != in.end) {
        const uint8_t *start = in.at;
        uint64_t size = reader_varint(&in);

        if (in.failed || (uint64_t)(in.end - in.at) < 5 || size > (uint64_t)(in.end - in.at) - 5)
            return;
        in.at += 1 + size;
        sum = (uint32_t)crc32_z(sum, start, (size_t)(in.at - start));
        store32(bytes + (in.at - bytes), sum);
        in.at += 4;
    }
}

#endif
