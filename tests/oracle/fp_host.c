/* SPDX-License-Identifier: MIT
 * Compares cpu/fp with the host's SSE: results and exception flags of every operation in every rounding mode, with and
 * without DAZ and FTZ. */
#include "tests/oracle/fp_host.h"

#include <stdio.h>

#include "cpu/fp.h"

#if defined(__x86_64__)

#define DEFAULT_CSR 0x1f80u

struct mode { unsigned rounding; bool daz, ftz; };

static uint32_t csr_of(struct mode m)
{
    return DEFAULT_CSR | m.rounding << 13 | (m.daz ? 0x40u : 0) | (m.ftz ? 0x8000u : 0);
}

static struct fp_env env_of(struct mode m)
{
    return (struct fp_env){ .rounding = (uint8_t)m.rounding, .masked = FP_ALL, .precision = 64, .daz = m.daz, .ftz = m.ftz };
}

/* xmm0 = a, xmm1 = b, xmm2 = c; the result is read from xmm0 or rax. */
struct operands { uint64_t a, b, c; };
typedef uint64_t host_fn(const struct operands *o, uint32_t *csr);

#define HOST(name, insn)                                                                                     \
    static uint64_t name(const struct operands *o, uint32_t *csr)                                            \
    {                                                                                                        \
        uint32_t normal = DEFAULT_CSR;                                                                       \
        uint64_t out = 0;                                                                                    \
                                                                                                             \
        __asm__ volatile("movq %[a], %%xmm0\n movq %[b], %%xmm1\n movq %[c], %%xmm2\n ldmxcsr %[csr]\n"      \
                         insn "\n stmxcsr %[csr]\n ldmxcsr %[normal]\n"                                      \
                         : [csr] "+m"(*csr), [out] "+a"(out)                                                 \
                         : [a] "m"(o->a), [b] "m"(o->b), [c] "m"(o->c), [normal] "m"(normal)                 \
                         : "xmm0", "xmm1", "xmm2", "cc", "rcx", "rdx");                                             \
        return out;                                                                                          \
    }
#define XMM0 "\n movq %%xmm0, %%rax"

#define HOST4(op)                                                                                            \
    HOST(h_##op##ss, #op "ss %%xmm1, %%xmm0" XMM0)                                                           \
    HOST(h_##op##sd, #op "sd %%xmm1, %%xmm0" XMM0)
HOST4(add) HOST4(sub) HOST4(mul) HOST4(div) HOST4(min) HOST4(max) HOST4(sqrt)
HOST(h_fma32, "vfmadd213ss %%xmm2, %%xmm1, %%xmm0" XMM0)
HOST(h_fma64, "vfmadd213sd %%xmm2, %%xmm1, %%xmm0" XMM0)
#define FLAGS "\n setc %%al\n setz %%cl\n setp %%dl\n shlb $1, %%cl\n shlb $2, %%dl\n orb %%cl, %%al\n orb %%dl, %%al"
HOST(h_comiss, "comiss %%xmm1, %%xmm0" FLAGS)
HOST(h_ucomiss, "ucomiss %%xmm1, %%xmm0" FLAGS)
HOST(h_comisd, "comisd %%xmm1, %%xmm0" FLAGS)
HOST(h_ucomisd, "ucomisd %%xmm1, %%xmm0" FLAGS)
HOST(h_cvtss2sd, "cvtss2sd %%xmm0, %%xmm0" XMM0)
HOST(h_cvtsd2ss, "cvtsd2ss %%xmm0, %%xmm0" XMM0)
HOST(h_cvtss2si, "cvtss2si %%xmm0, %%eax")
HOST(h_cvtss2sq, "cvtss2si %%xmm0, %%rax")
HOST(h_cvtsd2si, "cvtsd2si %%xmm0, %%eax")
HOST(h_cvtsd2sq, "cvtsd2si %%xmm0, %%rax")
HOST(h_cvttss2sq, "cvttss2si %%xmm0, %%rax")
HOST(h_cvttsd2si, "cvttsd2si %%xmm0, %%eax")
HOST(h_cvtsi2ss, "cvtsi2ssl %[a], %%xmm0" XMM0)
HOST(h_cvtsq2ss, "cvtsi2ssq %[a], %%xmm0" XMM0)
HOST(h_cvtsi2sd, "cvtsi2sdl %[a], %%xmm0" XMM0)
HOST(h_cvtsq2sd, "cvtsi2sdq %[a], %%xmm0" XMM0)
HOST(h_roundss, "roundss $4, %%xmm0, %%xmm0" XMM0)
HOST(h_roundsd, "roundsd $4, %%xmm0, %%xmm0" XMM0)
HOST(h_roundsd_quiet, "roundsd $12, %%xmm0, %%xmm0" XMM0)
HOST(h_cvtph2ps, "vcvtph2ps %%xmm0, %%xmm0" XMM0)
HOST(h_cvtps2ph, "vcvtps2ph $4, %%xmm0, %%xmm0" XMM0)
HOST(h_cvtsd2usi, "vcvtsd2usi %%xmm0, %%rax")

typedef uint64_t soft_fn(struct fp_env *e, const struct operands *o);

#define SOFT(name, expr) static uint64_t name(struct fp_env *e, const struct operands *o) { return (uint64_t)(expr); }
#define SOFT2(op)                                                                                            \
    SOFT(s_##op##ss, fp32_##op(e, (uint32_t)o->a, (uint32_t)o->b))                                           \
    SOFT(s_##op##sd, fp64_##op(e, o->a, o->b))
SOFT2(add) SOFT2(sub) SOFT2(mul) SOFT2(div) SOFT2(min) SOFT2(max)
SOFT(s_sqrtss, fp32_sqrt(e, (uint32_t)o->b))
SOFT(s_sqrtsd, fp64_sqrt(e, o->b))
SOFT(s_fma32, fp32_fma(e, (uint32_t)o->b, (uint32_t)o->a, (uint32_t)o->c))
SOFT(s_fma64, fp64_fma(e, o->b, o->a, o->c))

static uint64_t flags_of(enum fp_order order)
{
    static const uint64_t flags[] = { [FP_LESS] = 1, [FP_EQUAL] = 2, [FP_GREATER] = 0, [FP_UNORDERED] = 7 };

    return flags[order];
}
SOFT(s_comiss, flags_of(fp32_compare(e, (uint32_t)o->a, (uint32_t)o->b, false)))
SOFT(s_ucomiss, flags_of(fp32_compare(e, (uint32_t)o->a, (uint32_t)o->b, true)))
SOFT(s_comisd, flags_of(fp64_compare(e, o->a, o->b, false)))
SOFT(s_ucomisd, flags_of(fp64_compare(e, o->a, o->b, true)))
SOFT(s_cvtss2sd, fp32_to64(e, (uint32_t)o->a))
SOFT(s_cvtsd2ss, fp64_to32(e, o->a))
SOFT(s_cvtss2si, (uint32_t)fp32_to_int(e, (uint32_t)o->a, 32))
SOFT(s_cvtss2sq, fp32_to_int(e, (uint32_t)o->a, 64))
SOFT(s_cvtsd2si, (uint32_t)fp64_to_int(e, o->a, 32))
SOFT(s_cvtsd2sq, fp64_to_int(e, o->a, 64))

static struct fp_env *truncating(struct fp_env *e)
{
    e->rounding = FP_ZERO;
    return e;
}
SOFT(s_cvttss2sq, fp32_to_int(truncating(e), (uint32_t)o->a, 64))
SOFT(s_cvttsd2si, (uint32_t)fp64_to_int(truncating(e), o->a, 32))
SOFT(s_cvtsi2ss, fp32_from_int(e, (int32_t)o->a))
SOFT(s_cvtsq2ss, fp32_from_int(e, (int64_t)o->a))
SOFT(s_cvtsi2sd, fp64_from_int(e, (int32_t)o->a))
SOFT(s_cvtsq2sd, fp64_from_int(e, (int64_t)o->a))
SOFT(s_roundss, fp32_rint(e, (uint32_t)o->a, true))
SOFT(s_roundsd, fp64_rint(e, o->a, true))
SOFT(s_roundsd_quiet, fp64_rint(e, o->a, false))
SOFT(s_cvtph2ps, fp_to32(e, fp_convert(e, fp_from16((uint16_t)o->a), false)))
SOFT(s_cvtps2ph, fp_to16(e, fp_convert(e, fp_from32(e, (uint32_t)o->a), true)))
SOFT(s_cvtsd2usi, fp_to_uint(e, fp_from64(e, o->a), 64))

/* kind: width of the random operands; out: bits of the result compared. */
struct operation { const char *name; host_fn *host; soft_fn *soft; unsigned kind, out; };

#define OPERATION(name, kind, out) { #name, h_##name, s_##name, kind, out }
static const struct operation operations[] = {
    OPERATION(addss, 32, 32), OPERATION(addsd, 64, 64), OPERATION(subss, 32, 32), OPERATION(subsd, 64, 64),
    OPERATION(mulss, 32, 32), OPERATION(mulsd, 64, 64), OPERATION(divss, 32, 32), OPERATION(divsd, 64, 64),
    OPERATION(minss, 32, 32), OPERATION(minsd, 64, 64), OPERATION(maxss, 32, 32), OPERATION(maxsd, 64, 64),
    OPERATION(sqrtss, 32, 32), OPERATION(sqrtsd, 64, 64), OPERATION(fma32, 32, 32), OPERATION(fma64, 64, 64),
    OPERATION(comiss, 32, 64), OPERATION(ucomiss, 32, 64), OPERATION(comisd, 64, 64), OPERATION(ucomisd, 64, 64),
    OPERATION(cvtss2sd, 32, 64), OPERATION(cvtsd2ss, 64, 32), OPERATION(cvtss2si, 32, 64), OPERATION(cvtss2sq, 32, 64),
    OPERATION(cvtsd2si, 64, 64), OPERATION(cvtsd2sq, 64, 64), OPERATION(cvttss2sq, 32, 64), OPERATION(cvttsd2si, 64, 64),
    OPERATION(cvtsi2ss, 1, 32), OPERATION(cvtsq2ss, 1, 32), OPERATION(cvtsi2sd, 1, 64), OPERATION(cvtsq2sd, 1, 64),
    OPERATION(roundss, 32, 32), OPERATION(roundsd, 64, 64), OPERATION(roundsd_quiet, 64, 64),
    OPERATION(cvtph2ps, 16, 32), OPERATION(cvtps2ph, 32, 16), OPERATION(cvtsd2usi, 64, 64),
};
#define COUNT (sizeof operations / sizeof operations[0])

static bool host_has(const struct operation *op)
{
    if (op->host == h_fma32 || op->host == h_fma64)
        return __builtin_cpu_supports("fma");
    if (op->host == h_cvtph2ps || op->host == h_cvtps2ph)
        return __builtin_cpu_supports("avx2");
    if (op->host == h_cvtsd2usi)
        return __builtin_cpu_supports("avx512f");
    return __builtin_cpu_supports("sse4.1");
}

static uint64_t operand(struct fp_random *r, unsigned kind)
{
    uint64_t v = fp_random_next(r);

    switch (kind) {
    case 64: return fp_random64(r);
    case 32: return fp_random32(r);
    case 16: return v & 0xffff;
    default: return v >> (fp_random_next(r) % 64);
    }
}

static unsigned long compare_one(const struct operation *op, struct fp_random *r, unsigned long *shown)
{
    uint64_t how = fp_random_next(r), mask = op->out == 64 ? ~0ull : (1ull << op->out) - 1;
    struct mode m = { how & 3, (how >> 2 & 7) == 0, (how >> 5 & 7) == 0 };
    struct operands o = { operand(r, op->kind), operand(r, op->kind), operand(r, op->kind) };
    struct fp_env e = env_of(m);
    uint32_t csr = csr_of(m);
    unsigned known = how >> 8 & 1 ? FP_PE : 0;      /* loss of precision recorded before: host arithmetic may serve */
    uint64_t host = op->host(&o, &csr) & mask, soft;

    e.sticky = (uint8_t)known;
    soft = op->soft(&e, &o) & mask;

    e.flags |= known;
    csr |= known;
    if (host == soft && (csr & 63) == e.flags)
        return 0;
    if ((*shown)++ < 10)
        printf("%s rc %u daz %d ftz %d: %llx %llx %llx: host %llx flags %02x, soft %llx flags %02x\n", op->name,
               m.rounding, m.daz, m.ftz, (unsigned long long)o.a, (unsigned long long)o.b, (unsigned long long)o.c,
               (unsigned long long)host, csr & 63, (unsigned long long)soft, e.flags);
    return 1;
}

bool fp_host_available(void) { return true; }

unsigned long fp_host_sse(uint64_t seed, unsigned long rounds)
{
    struct fp_random r = { seed };
    unsigned long differences = 0;

    for (size_t k = 0; k < COUNT; k++) {
        unsigned long shown = 0;

        if (!host_has(&operations[k]))
            continue;
        for (unsigned long n = 0; n < rounds; n++)
            differences += compare_one(&operations[k], &r, &shown);
    }
    return differences;
}

#else

bool fp_host_available(void) { return false; }
unsigned long fp_host_sse(uint64_t seed, unsigned long rounds) { (void)seed, (void)rounds; return 0; }

#endif
