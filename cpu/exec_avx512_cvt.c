/* SPDX-License-Identifier: MIT
 * Conversions that came with AVX-512: unsigned integers, 64-bit integers in vectors, bfloat16. Those that SSE has too are in
 * exec_vec_cvt.c. */
#include "cpu/exec_vec_fp.h"
#include "cpu/fp_avx512.h"

/* ---- vectors ---- */

/* y: the source's element of `from` bytes; expr: the result's of `to`. */
#define CONVERT(NAME, from, to, expr)                                                                         \
    static uint64_t element_##NAME(struct sse_math *m UNUSED, uint64_t a UNUSED, uint64_t y, unsigned imm UNUSED) \
    {                                                                                                         \
        return (uint64_t)(expr);                                                                              \
    }                                                                                                         \
    EXEC(NAME) { RUN(evex_elements(cpu, i, element_##NAME, from, to, true)); }

static struct fp_env *toward_zero(struct sse_math *m)
{
    m->e.rounding = FP_ZERO;
    return &m->e;
}

CONVERT(VCVTUDQ2PS,   4, 4, fp32_from_uint(&m->e, y))
CONVERT(VCVTUDQ2PD,   4, 8, fp64_from_uint(&m->e, y))
CONVERT(VCVTPS2UDQ,   4, 4, fp32_to_uint(&m->e, (uint32_t)y, 32))
CONVERT(VCVTTPS2UDQ,  4, 4, fp32_to_uint(toward_zero(m), (uint32_t)y, 32))
CONVERT(VCVTPD2UDQ,   8, 4, fp64_to_uint(&m->e, y, 32))
CONVERT(VCVTTPD2UDQ,  8, 4, fp64_to_uint(toward_zero(m), y, 32))

CONVERT(VCVTQQ2PS,    8, 4, fp32_from_int(&m->e, (int64_t)y))
CONVERT(VCVTQQ2PD,    8, 8, fp64_from_int(&m->e, (int64_t)y))
CONVERT(VCVTUQQ2PS,   8, 4, fp32_from_uint(&m->e, y))
CONVERT(VCVTUQQ2PD,   8, 8, fp64_from_uint(&m->e, y))
CONVERT(VCVTPS2QQ,    4, 8, fp32_to_int(&m->e, (uint32_t)y, 64))
CONVERT(VCVTTPS2QQ,   4, 8, fp32_to_int(toward_zero(m), (uint32_t)y, 64))
CONVERT(VCVTPD2QQ,    8, 8, fp64_to_int(&m->e, y, 64))
CONVERT(VCVTTPD2QQ,   8, 8, fp64_to_int(toward_zero(m), y, 64))
CONVERT(VCVTPS2UQQ,   4, 8, fp32_to_uint(&m->e, (uint32_t)y, 64))
CONVERT(VCVTTPS2UQQ,  4, 8, fp32_to_uint(toward_zero(m), (uint32_t)y, 64))
CONVERT(VCVTPD2UQQ,   8, 8, fp64_to_uint(&m->e, y, 64))
CONVERT(VCVTTPD2UQQ,  8, 8, fp64_to_uint(toward_zero(m), y, 64))

CONVERT(VCVTNEPS2BF16, 4, 2, fp_bf16_from32((uint32_t)y))

/* The second source makes the lower half of the result, the first the upper. */
static bool two_to_bf16(struct cpu *cpu, const struct insn *i)
{
    union vec v[2][VEC_LANES_MAX], d[VEC_LANES_MAX];
    const unsigned half = i->width / 4;

    if (!avx512_check(cpu) || !vec_load(cpu, i, 2, v[0], i->width))
        return false;
    vec_get(cpu, i->o[1], v[1], i->width);
    for (unsigned k = 0; k < 2 * half; k++)
        d[k / 8].u16[k % 8] = fp_bf16_from32(v[k / half][k % half / 4].u32[k % 4]);
    evex_put(cpu, i, i->o[0], d, i->width);
    return true;
}

EXEC(VCVTNE2PS2BF16) { RUN(two_to_bf16(cpu, i)); }

/* ---- general registers ---- */

static bool to_general(struct cpu *cpu, const struct insn *i, unsigned from, bool truncate)
{
    const unsigned bytes = vec_general_bytes(cpu, i);
    struct sse_math m;
    uint64_t b, r;

    if (!avx512_check(cpu) || !vec_load_low(cpu, i, 1, &b, from))
        return false;
    sse_begin(&m, cpu, i);
    if (truncate)
        m.e.rounding = FP_ZERO;
    r = from == 4 ? fp32_to_uint(&m.e, (uint32_t)b, 8 * bytes) : fp64_to_uint(&m.e, b, 8 * bytes);
    sse_element(&m);
    if (!sse_end(cpu, &m))
        return false;
    reg_set(cpu, i->o[0], bytes, r);
    return true;
}

EXEC(VCVTSS2USI)  { RUN(to_general(cpu, i, 4, false)); }
EXEC(VCVTSD2USI)  { RUN(to_general(cpu, i, 8, false)); }
EXEC(VCVTTSS2USI) { RUN(to_general(cpu, i, 4, true)); }
EXEC(VCVTTSD2USI) { RUN(to_general(cpu, i, 8, true)); }

static bool from_general(struct cpu *cpu, const struct insn *i, unsigned to)
{
    struct sse_math m;
    uint64_t b, r;
    union vec d;

    if (!avx512_check(cpu) || !operand_load(cpu, i, 2, vec_general_bytes(cpu, i), &b))
        return false;
    vec_get(cpu, i->o[1], &d, 16);
    sse_begin(&m, cpu, i);
    r = to == 4 ? fp32_from_uint(&m.e, b) : fp64_from_uint(&m.e, b);
    sse_element(&m);
    if (!sse_end(cpu, &m))
        return false;
    evex_put_scalar(cpu, i, &d, r, to);
    return true;
}

EXEC(VCVTUSI2SS) { RUN(from_general(cpu, i, 4)); }
EXEC(VCVTUSI2SD) { RUN(from_general(cpu, i, 8)); }
