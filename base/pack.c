/* SPDX-License-Identifier: MIT
 * Steps of: how many literal bytes and how many repeated ones (a nibble each; 15: more follows in bytes, the last of them below
 * 255), the literals, and how far back the repeated ones begin (two bytes). The last step has literals only. */
#include "base/pack.h"

#include <string.h>

#include "base/bits.h"
#include "base/bytes.h"
#include "base/invariant.h"

#define LEAST       4u          /* bytes that are worth a repetition */
#define HASH_BITS   10u
#define TAIL        8u          /* nothing is looked for in the last bytes, so that words can be loaded anywhere */

static unsigned slot(uint32_t word)
{
    return (word * 2654435761u) >> (32 - HASH_BITS);
}

/* How many bytes are equal from `a` and `b` on, `b` being the later one. */
static size_t same(const uint8_t *a, const uint8_t *b, const uint8_t *end)
{
    const uint8_t *start = b;

    for (; b + 8 <= end; a += 8, b += 8) {
        const uint64_t differs = load64(a) ^ load64(b);

        if (differs != 0)
            return (size_t)(b - start) + bits_lowest(differs) / 8;
    }
    while (b < end && *a == *b) {
        a++;
        b++;
    }
    return (size_t)(b - start);
}

struct out { uint8_t *at, *end; };

static void put_more(struct out *o, size_t n)
{
    for (; n >= 255; n -= 255)
        *o->at++ = 255;
    *o->at++ = (uint8_t)n;
}

/* False: it would take more room than there is. */
static bool put_step(struct out *o, const uint8_t *literals, size_t n, size_t repeated, size_t back)
{
    const size_t more = repeated == 0 ? 0 : repeated - LEAST;

    if ((size_t)(o->end - o->at) < n + n / 255 + more / 255 + 6)
        return false;
    *o->at++ = (uint8_t)((n < 15 ? n : 15) << 4 | (more < 15 ? more : 15));
    if (n >= 15)
        put_more(o, n - 15);
    memcpy(o->at, literals, n);
    o->at += n;
    if (repeated == 0)
        return true;
    store16(o->at, (uint16_t)back);
    o->at += 2;
    if (more >= 15)
        put_more(o, more - 15);
    return true;
}

size_t pack(uint8_t *out, const uint8_t *bytes, size_t len)
{
    struct out o = { out, out + len };
    const uint8_t *at = bytes, *end = bytes + len, *literals = bytes, *last = len < TAIL ? bytes : end - TAIL;
    uint16_t seen[1u << HASH_BITS];
    size_t misses = 0;

    invariant(len <= PACK_MOST, "%zu bytes to pack", len);
    memset(seen, 0, sizeof seen);
    while (at < last) {
        const uint32_t word = load32(at);
        uint16_t *where = &seen[slot(word)];
        const uint8_t *before = bytes + *where;

        *where = (uint16_t)(at - bytes);
        if (before < at && load32(before) == word) {
            const size_t n = LEAST + same(before + LEAST, at + LEAST, end);

            if (!put_step(&o, literals, (size_t)(at - literals), n, (size_t)(at - before)))
                return 0;
            at += n;
            literals = at;
            misses = 0;
        } else {
            at += 1 + (misses++ >> 5);          /* the less there is to find the less it is looked for */
        }
    }
    return put_step(&o, literals, (size_t)(end - literals), 0, 0) && o.at < o.end ? (size_t)(o.at - out) : 0;
}

/* ---- back ---- */

static bool get_more(const uint8_t **at, const uint8_t *end, size_t *n)
{
    uint8_t byte;

    do {
        if (*at == end)
            return false;
        byte = *(*at)++;
        *n += byte;
    } while (byte == 255);
    return true;
}

/* What is repeated may begin within itself: a row of zeros is one zero and the rest. */
static void repeat(uint8_t *to, size_t back, size_t n)
{
    const uint8_t *from = to - back;

    if (back >= n) {
        memcpy(to, from, n);
    } else if (back == 1) {
        memset(to, *from, n);
    } else {
        for (size_t k = 0; k < n; k++)
            to[k] = from[k];
    }
}

bool unpack(uint8_t *out, size_t len, const uint8_t *packed, size_t n)
{
    const uint8_t *at = packed, *end = packed + n;
    size_t done = 0;

    while (at < end) {
        const uint8_t step = *at++;
        size_t literals = step >> 4, repeated = step & 15, back;

        if (literals == 15 && !get_more(&at, end, &literals))
            return false;
        if (literals > (size_t)(end - at) || literals > len - done)
            return false;
        memcpy(out + done, at, literals);
        at += literals;
        done += literals;
        if (at == end)
            break;
        if (end - at < 2)
            return false;
        back = load16(at);
        at += 2;
        if (repeated == 15 && !get_more(&at, end, &repeated))
            return false;
        repeated += LEAST;
        if (back == 0 || back > done || repeated > len - done)
            return false;
        repeat(out + done, back, repeated);
        done += repeated;
    }
    return done == len;
}
