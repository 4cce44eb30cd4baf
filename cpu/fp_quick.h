/* SPDX-License-Identifier: MIT
 * Functions of the x87 to about 78 bits, by tables and short polynomials. Where that leaves no doubt how a result of 64 bits
 * is rounded, in any direction, it is what fp_trig.c and fp_log.c would have given, and inexact; else the answer is false:
 * ask those. Operands are finite and not zero. */
#ifndef CPU_FP_QUICK_H
#define CPU_FP_QUICK_H

#include "cpu/fp.h"

bool fp_quick_sincos(struct fp_num a, struct fp_num *sin, struct fp_num *cos);
bool fp_quick_tan(struct fp_num a, struct fp_num *tan);
bool fp_quick_atan2(struct fp_num y, struct fp_num x, struct fp_num *out);
bool fp_quick_2xm1(struct fp_num a, struct fp_num *out);
bool fp_quick_yl2x(struct fp_num y, struct fp_num x, struct fp_num *out);        /* x > 0 */
bool fp_quick_yl2xp1(struct fp_num y, struct fp_num x, struct fp_num *out);      /* x > -1 */

/* The same of fp_trig.c and fp_log.c, always; the first two are false from 2^63 on. */
bool          fp_exact_sincos(struct fp_num a, struct fp_num *sin, struct fp_num *cos);
bool          fp_exact_tan(struct fp_num a, struct fp_num *tan);
struct fp_num fp_exact_atan2(struct fp_num y, struct fp_num x);
struct fp_num fp_exact_2xm1(struct fp_num a);           /* |a| < 1 */
struct fp_num fp_exact_yl2x(struct fp_num y, struct fp_num x);
struct fp_num fp_exact_yl2xp1(struct fp_num y, struct fp_num x);

#endif
