/* SPDX-License-Identifier: MIT
 * Floating-point operations that came with AVX-512, on one element each: exponents and significands, scaling, reduction,
 * ranges, fix-ups, classes, unsigned integers, all of binary16, and bfloat16. The caller gathers flags as for cpu/fp.h. */
#ifndef CPU_FP_AVX512_H
#define CPU_FP_AVX512_H

#include "cpu/fp.h"

/* Immediates are the instructions' own; what they leave unused is ignored. */
#define FP_AVX512(bits)                                                                                              \
    uint##bits##_t fp##bits##_getexp(struct fp_env *e, uint##bits##_t a);                                            \
    uint##bits##_t fp##bits##_getmant(struct fp_env *e, uint##bits##_t a, unsigned imm);                             \
    uint##bits##_t fp##bits##_scalef(struct fp_env *e, uint##bits##_t a, uint##bits##_t b);                          \
    uint##bits##_t fp##bits##_rndscale(struct fp_env *e, uint##bits##_t a, unsigned imm);                            \
    uint##bits##_t fp##bits##_reduce(struct fp_env *e, uint##bits##_t a, unsigned imm);                              \
    bool           fp##bits##_class(const struct fp_env *e, uint##bits##_t a, unsigned imm);                         \
    /* width: bits of the integer; the indefinite is all ones */                                                     \
    uint64_t       fp##bits##_to_uint(struct fp_env *e, uint##bits##_t a, unsigned width);                           \
    uint##bits##_t fp##bits##_from_uint(struct fp_env *e, uint64_t v);
FP_AVX512(16)
FP_AVX512(32)
FP_AVX512(64)
#undef FP_AVX512

#define FP_AVX512_WIDE(bits)                                                                                         \
    uint##bits##_t fp##bits##_range(struct fp_env *e, uint##bits##_t a, uint##bits##_t b, unsigned imm);             \
    /* old: the destination; table: the element of the third source, its low 32 bits */                              \
    uint##bits##_t fp##bits##_fixup(struct fp_env *e, uint##bits##_t old, uint##bits##_t a, uint32_t table, unsigned imm);
FP_AVX512_WIDE(32)
FP_AVX512_WIDE(64)
#undef FP_AVX512_WIDE

/* Binary16 arithmetic (AVX512-FP16): MXCSR.DAZ and FTZ do not apply to it (SDM 1 "Denormals-Are-Zeros"). */
#define FP16_BINARY(op) uint16_t fp16_##op(struct fp_env *e, uint16_t a, uint16_t b);
FP16_BINARY(add) FP16_BINARY(sub) FP16_BINARY(mul) FP16_BINARY(div) FP16_BINARY(min) FP16_BINARY(max)
#undef FP16_BINARY
uint16_t      fp16_sqrt(struct fp_env *e, uint16_t a);
uint16_t      fp16_fma(struct fp_env *e, uint16_t a, uint16_t b, uint16_t c);
enum fp_order fp16_compare(struct fp_env *e, uint16_t a, uint16_t b, bool quiet);
uint16_t      fp16_from_int(struct fp_env *e, int64_t v);
int64_t       fp16_to_int(struct fp_env *e, uint16_t a, unsigned width);
/* As VCVTPH2PSX and VCVTPS2PHX do; VCVTPH2PS raises no FP_DE. */
uint32_t      fp16_to32(struct fp_env *e, uint16_t a);
uint64_t      fp16_to64(struct fp_env *e, uint16_t a);
uint16_t      fp32_to16(struct fp_env *e, uint32_t a);
uint16_t      fp64_to16(struct fp_env *e, uint64_t a);

/* bfloat16 is the upper half of binary32. No environment: to nearest, denormals are zero, nothing is raised. */
uint16_t fp_bf16_from32(uint32_t a);                                    /* VCVTNEPS2BF16 */
uint32_t fp_bf16_dot(uint32_t sum, uint32_t a, uint32_t b);             /* VDPBF16PS: two products of pairs added to sum */
static inline uint32_t fp_bf16_to32(uint16_t a) { return (uint32_t)a << 16; }

#endif
