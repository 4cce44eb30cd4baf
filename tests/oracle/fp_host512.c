/* SPDX-License-Identifier: MIT
 * Compares cpu/fp_avx512 with the host's AVX-512: results and exception flags in every rounding mode, with and without DAZ
 * and FTZ, for every immediate. Each instruction is assembled once for each immediate into 16 bytes; nothing needs compiler
 * options, what the host lacks is left out. */
#include "tests/oracle/fp_host.h"

#include <stdio.h>

#include "cpu/fp_avx512.h"

#if defined(__x86_64__)
#include <cpuid.h>

/* old: the destination before; out: xmm0 after; rax: what went to a general register. */
struct call { uint64_t old, a, b, out, rax; uint32_t csr, normal; };
typedef void code_fn(void);
void fp512_call(struct call *c, code_fn *fn);

__asm__(".text\n"
        ".globl fp512_call\n"
        "fp512_call:\n push %rbx\n mov %rdi, %rbx\n xor %eax, %eax\n"
        " movq (%rdi), %xmm0\n movq 8(%rdi), %xmm1\n movq 16(%rdi), %xmm2\n mov 8(%rdi), %rdx\n"
        " ldmxcsr 40(%rdi)\n call *%rsi\n stmxcsr 40(%rbx)\n ldmxcsr 44(%rbx)\n"
        " movq %xmm0, 24(%rbx)\n mov %rax, 32(%rbx)\n pop %rbx\n ret\n"
        ".macro once name, insn:vararg\n .globl \\name\n \\name: \\insn\n ret\n .endm\n"
        ".macro each name, insn:vararg\n .balign 16\n .globl \\name\n \\name:\n .set imm, 0\n"
        " .rept 256\n \\insn\n kmovw %k1, %eax\n ret\n .balign 16\n .set imm, imm + 1\n .endr\n .endm\n");

#define ONCE(name, insn) void h_##name(void); __asm__("once h_" #name ", " insn "\n");
#define EACH(name, insn) void h_##name(void); __asm__("each h_" #name ", " insn "\n");
#define FORMATS(MACRO) MACRO(32, ss, "ss") MACRO(64, sd, "sd")

#define HOST_WIDE(bits, s, text)                                                                                     \
    EACH(range##bits, "vrange" text " $imm, %xmm2, %xmm1, %xmm0")                                                    \
    EACH(fixup##bits, "vfixupimm" text " $imm, %xmm2, %xmm1, %xmm0")                                                 \
    ONCE(to_u32_##bits, "vcvt" text "2usi %xmm1, %eax")                                                              \
    ONCE(to_u64_##bits, "vcvt" text "2usi %xmm1, %rax")                                                              \
    ONCE(trunc_u64_##bits, "vcvtt" text "2usi %xmm1, %rax")                                                          \
    ONCE(from_u64_##bits, "vcvtusi2" text " %rdx, %xmm1, %xmm0")
#define HOST_ALL(bits, s, text)                                                                                      \
    ONCE(getexp##bits, "vgetexp" text " %xmm1, %xmm1, %xmm0")                                                        \
    EACH(getmant##bits, "vgetmant" text " $imm, %xmm1, %xmm1, %xmm0")                                         \
    ONCE(scalef##bits, "vscalef" text " %xmm2, %xmm1, %xmm0")                                                        \
    EACH(rndscale##bits, "vrndscale" text " $imm, %xmm1, %xmm1, %xmm0")                                              \
    EACH(reduce##bits, "vreduce" text " $imm, %xmm1, %xmm1, %xmm0")                                                  \
    EACH(class##bits, "vfpclass" text " $imm, %xmm1, %k1")
FORMATS(HOST_WIDE)
FORMATS(HOST_ALL)
HOST_ALL(16, sh, "sh")
#define HOST16(op) ONCE(op##16, "v" #op "sh %xmm2, %xmm1, %xmm0")
HOST16(add) HOST16(sub) HOST16(mul) HOST16(div) HOST16(min) HOST16(max) HOST16(sqrt)
ONCE(fma16, "vfmadd231sh %xmm2, %xmm1, %xmm0")
ONCE(to_u32_16, "vcvtsh2usi %xmm1, %eax")
ONCE(to_s64_16, "vcvtsh2si %xmm1, %rax")
ONCE(from_u64_16, "vcvtusi2sh %rdx, %xmm1, %xmm0")
ONCE(from_s64_16, "vcvtsi2sh %rdx, %xmm1, %xmm0")
ONCE(h16_to32, "vcvtsh2ss %xmm1, %xmm1, %xmm0")
ONCE(h16_to64, "vcvtsh2sd %xmm1, %xmm1, %xmm0")
ONCE(f32_to16, "vcvtss2sh %xmm1, %xmm1, %xmm0")
ONCE(f64_to16, "vcvtsd2sh %xmm1, %xmm1, %xmm0")
ONCE(bf16_from32, "vcvtneps2bf16 %xmm1, %xmm0")
ONCE(bf16_dot, "vdpbf16ps %xmm2, %xmm1, %xmm0")

typedef uint64_t soft_fn(struct fp_env *e, const struct call *c, unsigned imm);

#define SOFT(name, expr)                                                                                             \
    static uint64_t s_##name(struct fp_env *e, const struct call *c, unsigned imm)                                   \
    {                                                                                                                \
        (void)e, (void)c, (void)imm;                                                                                 \
        return (uint64_t)(expr);                                                                                     \
    }
#define A(bits) ((uint##bits##_t)c->a)
#define B(bits) ((uint##bits##_t)c->b)
#define OLD(bits) ((uint##bits##_t)c->old)

static struct fp_env *truncating(struct fp_env *e)
{
    e->rounding = FP_ZERO;
    return e;
}
#define SOFT_WIDE(bits, s, text)                                                                                     \
    SOFT(range##bits, fp##bits##_range(e, A(bits), B(bits), imm))                                                    \
    SOFT(fixup##bits, fp##bits##_fixup(e, OLD(bits), A(bits), (uint32_t)c->b, imm))                                  \
    SOFT(to_u32_##bits, fp##bits##_to_uint(e, A(bits), 32))                                                          \
    SOFT(to_u64_##bits, fp##bits##_to_uint(e, A(bits), 64))                                                          \
    SOFT(trunc_u64_##bits, fp##bits##_to_uint(truncating(e), A(bits), 64))                                           \
    SOFT(from_u64_##bits, fp##bits##_from_uint(e, c->a))
#define SOFT_ALL(bits, s, text)                                                                                      \
    SOFT(getexp##bits, fp##bits##_getexp(e, A(bits)))                                                                \
    SOFT(getmant##bits, fp##bits##_getmant(e, A(bits), imm))                                                         \
    SOFT(scalef##bits, fp##bits##_scalef(e, A(bits), B(bits)))                                                       \
    SOFT(rndscale##bits, fp##bits##_rndscale(e, A(bits), imm))                                                       \
    SOFT(reduce##bits, fp##bits##_reduce(e, A(bits), imm))                                                           \
    SOFT(class##bits, fp##bits##_class(e, A(bits), imm))
FORMATS(SOFT_WIDE)
FORMATS(SOFT_ALL)
SOFT_ALL(16, sh, "sh")
#define SOFT16(op) SOFT(op##16, fp16_##op(e, A(16), B(16)))
SOFT16(add) SOFT16(sub) SOFT16(mul) SOFT16(div) SOFT16(min) SOFT16(max)
SOFT(sqrt16, fp16_sqrt(e, B(16)))
SOFT(fma16, fp16_fma(e, A(16), B(16), OLD(16)))
SOFT(to_u32_16, fp16_to_uint(e, A(16), 32))
SOFT(to_s64_16, fp16_to_int(e, A(16), 64))
SOFT(from_u64_16, fp16_from_uint(e, c->a))
SOFT(from_s64_16, fp16_from_int(e, (int64_t)c->a))
SOFT(h16_to32, fp16_to32(e, A(16)))
SOFT(h16_to64, fp16_to64(e, A(16)))
SOFT(f32_to16, fp32_to16(e, A(32)))
SOFT(f64_to16, fp64_to16(e, A(64)))
SOFT(bf16_from32, fp_bf16_from32(A(32)))
SOFT(bf16_dot, fp_bf16_dot(OLD(32), A(32), B(32)))

enum needs { FULL, HALF, BRAIN };
enum { RAX = 1, IMM = 2, TABLE = 4 };
/* kind: width of the operands, 1: an integer; out: bits of the result compared. */
struct operation { const char *name; code_fn *host; soft_fn *soft; uint8_t kind, out, needs, how; };
#define OPERATION(name, kind, out, needs, how) { #name, h_##name, s_##name, kind, out, needs, how },
#define WIDE(bits, s, text)                                                                                          \
    OPERATION(range##bits, bits, bits, FULL, IMM) OPERATION(fixup##bits, bits, bits, FULL, IMM | TABLE)              \
    OPERATION(to_u32_##bits, bits, 64, FULL, RAX) OPERATION(to_u64_##bits, bits, 64, FULL, RAX)                      \
    OPERATION(trunc_u64_##bits, bits, 64, FULL, RAX) OPERATION(from_u64_##bits, 1, bits, FULL, 0)
#define ALL(bits, needs)                                                                                             \
    OPERATION(getexp##bits, bits, bits, needs, 0) OPERATION(getmant##bits, bits, bits, needs, IMM)                   \
    OPERATION(scalef##bits, bits, bits, needs, 0) OPERATION(rndscale##bits, bits, bits, needs, IMM)                  \
    OPERATION(reduce##bits, bits, bits, needs, IMM) OPERATION(class##bits, bits, 1, needs, RAX | IMM)
#define OPERATION16(op) OPERATION(op##16, 16, 16, HALF, 0)
static const struct operation operations[] = {
    FORMATS(WIDE)
    ALL(16, HALF) ALL(32, FULL) ALL(64, FULL)
    OPERATION16(add) OPERATION16(sub) OPERATION16(mul) OPERATION16(div) OPERATION16(min) OPERATION16(max)
    OPERATION16(sqrt) OPERATION16(fma)
    OPERATION(to_u32_16, 16, 64, HALF, RAX) OPERATION(to_s64_16, 16, 64, HALF, RAX)
    OPERATION(from_u64_16, 1, 16, HALF, 0) OPERATION(from_s64_16, 1, 16, HALF, 0)
    OPERATION(h16_to32, 16, 32, HALF, 0) OPERATION(h16_to64, 16, 64, HALF, 0)
    OPERATION(f32_to16, 32, 16, HALF, 0) OPERATION(f64_to16, 64, 16, HALF, 0)
    OPERATION(bf16_from32, 32, 16, BRAIN, 0) OPERATION(bf16_dot, 32, 32, BRAIN, 0)
};

/* The system uses the registers (__builtin_cpu_supports knows), then SDM 2A "CPUID", leaf 07H: not every compiler has names
 * for these. */
static bool host_has(unsigned needs)
{
    unsigned a = 0, b = 0, c = 0, d = 0;

    if (!__builtin_cpu_supports("avx512dq") || !__get_cpuid_count(7, needs == BRAIN, &a, &b, &c, &d))
        return false;
    return needs == FULL || (needs == HALF ? d >> 23 & 1 : a >> 5 & 1);
}

static uint64_t operand(struct fp_random *r, unsigned kind)
{
    switch (kind) {
    case 64: return fp_random64(r);
    case 32: return fp_random32(r);
    case 16: return fp_random_next(r) & 0xffff;
    default: return fp_random_next(r) >> (fp_random_next(r) % 64);
    }
}

static unsigned long compare_one(const struct operation *op, struct fp_random *r, unsigned long *shown)
{
    uint64_t how = fp_random_next(r), mask = op->out == 64 ? ~0ull : (1ull << op->out) - 1, host, soft;
    bool daz = (how >> 2 & 3) == 0, ftz = (how >> 4 & 3) == 0;
    unsigned rounding = how & 3, imm = op->how & IMM ? how >> 8 & 255 : 0;
    struct call c = { .old = operand(r, op->kind), .a = operand(r, op->kind), .b = operand(r, op->kind),
                      .csr = 0x1f80 | rounding << 13 | (daz ? 0x40 : 0) | (ftz ? 0x8000 : 0), .normal = 0x1f80 };
    struct fp_env e = { .rounding = (uint8_t)rounding, .masked = FP_ALL, .precision = 64, .daz = daz, .ftz = ftz };
    uint32_t before = c.csr;

    if (op->how & TABLE)
        c.b = fp_random_next(r);
    fp512_call(&c, (code_fn *)(void *)((uintptr_t)op->host + 16 * imm));
    host = (op->how & RAX ? c.rax : c.out) & mask;
    soft = op->soft(&e, &c, imm) & mask;
    if (host == soft && (c.csr & 63) == e.flags)
        return 0;
    if ((*shown)++ < 10)
        printf("%s imm %02x csr %04x: %llx %llx %llx: host %llx flags %02x, soft %llx flags %02x\n", op->name, imm, before,
               (unsigned long long)c.old, (unsigned long long)c.a, (unsigned long long)c.b, (unsigned long long)host,
               c.csr & 63, (unsigned long long)soft, e.flags);
    return 1;
}

bool fp_host_has_avx512(void) { return host_has(FULL); }

unsigned long fp_host_avx512(uint64_t seed, unsigned long rounds)
{
    struct fp_random r = { seed };
    unsigned long differences = 0;

    for (size_t k = 0; k < sizeof operations / sizeof operations[0]; k++) {
        unsigned long shown = 0;

        if (!host_has(operations[k].needs))
            continue;
        for (unsigned long n = 0; n < rounds; n++)
            differences += compare_one(&operations[k], &r, &shown);
    }
    return differences;
}

#else

bool fp_host_has_avx512(void) { return false; }
unsigned long fp_host_avx512(uint64_t seed, unsigned long rounds) { (void)seed, (void)rounds; return 0; }

#endif
