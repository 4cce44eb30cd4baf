/* SPDX-License-Identifier: MIT
 * Floating-point arithmetic by integers only, so that it is the same on every host: IEEE 754 binary16/32/64 and the x87
 * extended format, with the rounding, exception and NaN rules of x87 and SSE. Knows no processor: callers hand in an
 * environment and get exception flags back.
 *
 * An operation is three steps: unpack operands (fp_from*), compute exactly with a sticky bit (fp_add...), round and pack
 * (fp_to*). The fp32_, fp64_ and fp80_ functions are those steps in one call. */
#ifndef CPU_FP_H
#define CPU_FP_H

#include <stdbool.h>
#include <stdint.h>

typedef unsigned __int128 u128;

enum fp_round { FP_NEAREST, FP_DOWN, FP_UP, FP_ZERO };      /* as in FCW.RC and MXCSR.RC */

/* Exceptions, as in FSW and MXCSR. */
enum {
    FP_IE = 1, FP_DE = 2, FP_ZE = 4, FP_OE = 8, FP_UE = 16, FP_PE = 32, FP_ALL = 63,
    FP_BEFORE = FP_IE | FP_DE | FP_ZE,      /* found in the operands: unmasked ones stop the operation */
};

struct fp_env {
    uint8_t rounding;       /* enum fp_round */
    uint8_t masked;         /* FP_*: masked exceptions; matters to what overflow and underflow give */
    uint8_t flags;          /* FP_*: raised since the caller cleared it */
    uint8_t sticky;         /* FP_*: already raised for good; FP_PE here and masked lets the host calculate (fp_fast.h) */
    uint8_t precision;      /* significand bits of extended results: 24, 53, 64 (FCW.PC) */
    bool    x87;            /* NaN choice: larger significand; else the first operand */
    bool    daz, ftz;       /* MXCSR */
    bool    up;             /* the last result was rounded away from zero (FSW.C1) */
};

struct fp80 { uint64_t mant; uint16_t se; };

enum fp_kind {
    FP_KIND_ZERO, FP_KIND_FINITE, FP_KIND_INF, FP_KIND_QNAN, FP_KIND_SNAN,
    FP_KIND_BAD             /* unsupported encoding */
};

/* A number taken apart. FINITE: sig has bit 127 set, the value is sig * 2^(exp - 127), bit 0 is sticky in results. NaN: sig
 * holds the significand from bit 127 (the integer bit, set) down. */
struct fp_num {
    u128    sig;
    int32_t exp;
    uint8_t kind, sign;
    uint8_t denormal;       /* the encoding was denormal (and not zeroed by DAZ) */
    uint8_t pad;
};

struct fp_num fp_from16(uint16_t v);
struct fp_num fp_from32(const struct fp_env *e, uint32_t v);
struct fp_num fp_from64(const struct fp_env *e, uint64_t v);
struct fp_num fp_from80(struct fp80 v);
struct fp_num fp_from_int(int64_t v);
struct fp_num fp_from_uint(uint64_t v);

/* Round and pack. SNaNs must have been dealt with (fp_quiet). */
uint16_t    fp_to16(struct fp_env *e, struct fp_num n);
uint32_t    fp_to32(struct fp_env *e, struct fp_num n);
uint64_t    fp_to64(struct fp_env *e, struct fp_num n);
struct fp80 fp_to80(struct fp_env *e, struct fp_num n);     /* to e->precision */

/* The integer indefinite (the most negative one, or for fp_to_uint all ones) and FP_IE when it does not fit `bits`. */
int64_t  fp_to_int(struct fp_env *e, struct fp_num n, unsigned bits);
uint64_t fp_to_uint(struct fp_env *e, struct fp_num n, unsigned bits);

/* Conversion between formats: FP_IE and a quiet NaN for an SNaN, FP_DE for a denormal when `de`. */
struct fp_num fp_convert(struct fp_env *e, struct fp_num n, bool de);

struct fp_num fp_add(struct fp_env *e, struct fp_num a, struct fp_num b);
struct fp_num fp_sub(struct fp_env *e, struct fp_num a, struct fp_num b);
struct fp_num fp_mul(struct fp_env *e, struct fp_num a, struct fp_num b);
struct fp_num fp_div(struct fp_env *e, struct fp_num a, struct fp_num b);
struct fp_num fp_sqrt(struct fp_env *e, struct fp_num a);
struct fp_num fp_fma(struct fp_env *e, struct fp_num a, struct fp_num b, struct fp_num c);     /* a * b + c; 24 or 53 bits */
/* To an integral value; FP_PE when that changed it and `inexact`. Raises FP_DE like an x87 operand when e->x87. */
struct fp_num fp_rint(struct fp_env *e, struct fp_num a, bool inexact);

/* NaN results by the rules of e for one and two operands; at least one operand is a NaN or unsupported. */
struct fp_num fp_nan1(struct fp_env *e, struct fp_num a);
struct fp_num fp_nan2(struct fp_env *e, struct fp_num a, struct fp_num b);
struct fp_num fp_default_nan(void);
struct fp_num fp_invalid(struct fp_env *e);     /* FP_IE and the default NaN */
struct fp_num fp_zero(bool sign);
struct fp_num fp_infinity(bool sign);
static inline bool fp_is_nan(struct fp_num n) { return n.kind >= FP_KIND_QNAN; }

enum fp_order { FP_LESS, FP_EQUAL, FP_GREATER, FP_UNORDERED };
/* `quiet`: a QNaN raises nothing. */
enum fp_order fp_compare(struct fp_env *e, struct fp_num a, struct fp_num b, bool quiet);

/* x87 only (fp_x87.c). */
struct fp_num fp_scale(struct fp_env *e, struct fp_num a, struct fp_num b);                 /* FSCALE */
void          fp_extract(struct fp_env *e, struct fp_num a, struct fp_num *exponent, struct fp_num *significand);
/* FPREM (nearest false) and FPREM1: false: incomplete, call again with the result. quotient: its low three bits. */
bool          fp_rem(struct fp_env *e, struct fp_num a, struct fp_num b, bool nearest, struct fp_num *out,
                     unsigned *quotient);

/* Functions of the x87 (fp_trig.c, fp_log.c). fp_sincos and fp_tan: false when |a| >= 2^63 (FSW.C2). */
bool          fp_sincos(struct fp_env *e, struct fp_num a, struct fp_num *sin, struct fp_num *cos);
bool          fp_tan(struct fp_env *e, struct fp_num a, struct fp_num *tan);
struct fp_num fp_atan2(struct fp_env *e, struct fp_num y, struct fp_num x);
struct fp_num fp_2xm1(struct fp_env *e, struct fp_num a);
struct fp_num fp_yl2x(struct fp_env *e, struct fp_num y, struct fp_num x);
struct fp_num fp_yl2xp1(struct fp_env *e, struct fp_num y, struct fp_num x);

/* Approximations (fp_approx.c): no exceptions; MXCSR counts by e's daz and ftz only, and not for the first two. SSE's have
 * results of 13 bits on Intel, 12 on AMD. */
uint32_t      fp_rcp12(uint32_t v, unsigned bits);
uint32_t      fp_rsqrt12(uint32_t v, unsigned bits);
uint32_t      fp_rcp14_32(const struct fp_env *e, uint32_t v);
uint64_t      fp_rcp14_64(const struct fp_env *e, uint64_t v);
uint32_t      fp_rsqrt14_32(const struct fp_env *e, uint32_t v);
uint64_t      fp_rsqrt14_64(const struct fp_env *e, uint64_t v);

/* Whole operations on packed values. */
#define FP_BINARY(op)                                                                        \
    uint32_t    fp32_##op(struct fp_env *e, uint32_t a, uint32_t b);                         \
    uint64_t    fp64_##op(struct fp_env *e, uint64_t a, uint64_t b);
FP_BINARY(add)
FP_BINARY(sub)
FP_BINARY(mul)
FP_BINARY(div)
FP_BINARY(min)      /* SSE: the second operand when either is a NaN or both are zero */
FP_BINARY(max)
#undef FP_BINARY
uint32_t      fp32_sqrt(struct fp_env *e, uint32_t a);
uint64_t      fp64_sqrt(struct fp_env *e, uint64_t a);
uint32_t      fp32_fma(struct fp_env *e, uint32_t a, uint32_t b, uint32_t c);
uint64_t      fp64_fma(struct fp_env *e, uint64_t a, uint64_t b, uint64_t c);
enum fp_order fp32_compare(struct fp_env *e, uint32_t a, uint32_t b, bool quiet);
enum fp_order fp64_compare(struct fp_env *e, uint64_t a, uint64_t b, bool quiet);
uint32_t      fp32_rint(struct fp_env *e, uint32_t a, bool inexact);
uint64_t      fp64_rint(struct fp_env *e, uint64_t a, bool inexact);
uint32_t      fp32_from_int(struct fp_env *e, int64_t v);
uint64_t      fp64_from_int(struct fp_env *e, int64_t v);
int64_t       fp32_to_int(struct fp_env *e, uint32_t a, unsigned width);
int64_t       fp64_to_int(struct fp_env *e, uint64_t a, unsigned width);
uint64_t      fp32_to64(struct fp_env *e, uint32_t a);
uint32_t      fp64_to32(struct fp_env *e, uint64_t a);

#endif
