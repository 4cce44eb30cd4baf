/* SPDX-License-Identifier: MIT
 * The whole EVEX opcode space against the host processor: maps 1 to 3, every opcode, prefix, W, vector length, b, z, aaa and
 * vvvv, register and memory: what raises #UD there decodes as invalid here, and the other way round. PARTITA_EVEX_STEP=n
 * takes one encoding in n (1: all; the default is quick). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/decoder/decode.h"
#include "tests/oracle/host_has.h"
#include "tests/oracle/vec_host.h"

struct encoding { uint8_t bytes[16]; unsigned len; };

/* Fields are digits of `n`, least significant first. The memory operand has a SIB byte, whose index is a vector for gathers
 * and scatters: then all zeros. Map 3 has immediates. */
static const unsigned radix[] = { 2, 2, 2, 2, 3 + 1, 2, 4, 8, 2 };
enum { REGISTER, MASKED, ZEROING, B, LENGTH, W, PP, GROUP, VVVV };

static unsigned combinations(void)
{
    unsigned n = 1;

    for (unsigned k = 0; k < sizeof radix / sizeof radix[0]; k++)
        n *= radix[k];
    return n;
}

static bool has_immediate(unsigned map, unsigned opcode)
{
    return map == 3 || (map == 1 && ((opcode >= 0x70 && opcode <= 0x73) || (opcode >= 0xc2 && opcode <= 0xc6)));
}

static void encode(struct encoding *e, unsigned map, unsigned opcode, unsigned n, unsigned extend)
{
    unsigned digit[sizeof radix / sizeof radix[0]];
    uint8_t *p = e->bytes;

    for (unsigned k = 0; k < sizeof radix / sizeof radix[0]; k++, n /= radix[k - 1])
        digit[k] = n % radix[k];
    if (digit[GROUP] == RSP)            /* not RSP, but R12 */
        extend |= 0x80;
    *p++ = 0x62;
    *p++ = (uint8_t)((0xf0 ^ (extend & 0xf0)) | map);
    *p++ = (uint8_t)(digit[W] << 7 | (digit[VVVV] ? 0x70 : 0x78) | 4 | digit[PP]);
    *p++ = (uint8_t)(digit[ZEROING] << 7 | digit[LENGTH] << 5 | digit[B] << 4 | 8 | digit[MASKED]);
    *p++ = (uint8_t)opcode;
    *p++ = (uint8_t)(digit[GROUP] << 3 | (digit[REGISTER] ? 0xc2 : 4));
    if (!digit[REGISTER])
        *p++ = 0x26;
    if (has_immediate(map, opcode))
        *p++ = 1;
    e->len = (unsigned)(p - e->bytes);
}

/* ---- what both say ---- */

static bool host_refuses(const struct encoding *e)
{
    static struct vec_state s;

    memset(&s, 0, sizeof s);
    s.fcw = 0x37f;
    s.mxcsr = 0x1f80;
    s.gpr[6] = s.gpr[14] = vec_host_memory() + 1024;
    s.k[1] = 1;
    vec_host_run(&s, e->bytes, e->len);
    return s.signal == SIGILL;
}

/* SDM 2C "VPGATHERDD": the destination must not be the index. That the handler finds, not decode(). */
static bool gathers_into_index(const struct encoding *e, const struct insn *i)
{
    return (e->bytes[1] & 7) == 2 && e->bytes[4] >= 0x90 && e->bytes[4] <= 0x93 && i->o[0] == i->index;
}

static bool we_refuse(const struct encoding *e)
{
    struct insn i;

    return decode(&i, e->bytes, e->len, DECODE_64) != DECODED || !host_has(i.needs) || gathers_into_index(e, &i);
}

/* AVX512-FP16 is not offered here. */
static bool binary16(const struct encoding *e)
{
    static const uint8_t opcodes[] = { 0x08, 0x0a, 0x26, 0x27, 0x56, 0x57, 0x66, 0x67, 0xc2 };
    const unsigned pp = e->bytes[2] & 3;

    return (e->bytes[1] & 7) == 3 && (pp == 0 || (pp == 2 && e->bytes[4] == 0xc2)) && memchr(opcodes, e->bytes[4], sizeof opcodes);
}

/* ---- all of it ---- */

static uint32_t seed = 1;

static uint32_t random32(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed;
}

static unsigned opcode_differs(unsigned map, unsigned opcode, unsigned step)
{
    const unsigned count = combinations();
    unsigned wrong = 0;
    struct encoding e;

    for (unsigned n = random32() % step; n < count; n += 1 + random32() % (2 * step - 1)) {
        encode(&e, map, opcode, n, random32() & 0xf0);
        if (binary16(&e) || host_refuses(&e) == we_refuse(&e))
            continue;
        if (wrong++ == 0) {
            printf("map %u opcode %02x: %s:", map, opcode, we_refuse(&e) ? "only the host accepts" : "only we accept");
            for (unsigned k = 0; k < e.len; k++)
                printf(" %02x", e.bytes[k]);
            printf("\n");
        }
    }
    return wrong;
}

static void encodings_are_refused_as_the_host_refuses_them(void **state)
{
    const char *wish = getenv("PARTITA_EVEX_STEP");
    const unsigned step = wish && atoi(wish) > 0 ? (unsigned)atoi(wish) : 64;
    unsigned wrong = 0;

    (void)state;
    if (!vec_host_open() || !host_has(F_AVX512F))
        skip();
    for (unsigned map = 1; map <= 3; map++)
        for (unsigned opcode = 0; opcode < 256; opcode++)
            wrong += opcode_differs(map, opcode, step);
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(encodings_are_refused_as_the_host_refuses_them) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
