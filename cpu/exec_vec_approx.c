/* SPDX-License-Identifier: MIT
 * RCPPS, RCPSS, RSQRTPS, RSQRTSS. The SDM bounds the relative error by 1.5 * 2^-12 and leaves the values open: Intel's models
 * give those of a Golden Cove, AMD's have one bit less (docs/vendors.md). No exceptions, no rounding modes; denormals count as
 * zero whatever MXCSR says. */
#include "cpu/exec_vec_fp.h"

#define APPROXIMATE(name, fn, bits)                                                                         \
    static void name##_lanes(struct sse_math *m UNUSED, union vec *d, const union vec *a UNUSED,            \
                             const union vec *b, unsigned imm UNUSED)                                       \
    {                                                                                                       \
        for (unsigned k = 0; k < 4; k++)                                                                    \
            d->u32[k] = fn(b->u32[k], bits);                                                                \
    }                                                                                                       \
    static uint64_t name##_low(struct sse_math *m UNUSED, uint64_t a UNUSED, uint64_t b, unsigned imm UNUSED) \
    {                                                                                                       \
        return fn((uint32_t)b, bits);                                                                       \
    }
APPROXIMATE(intel_rcp, fp_rcp12, 13)
APPROXIMATE(intel_rsqrt, fp_rsqrt12, 13)
APPROXIMATE(amd_rcp, fp_rcp12, 12)
APPROXIMATE(amd_rsqrt, fp_rsqrt12, 12)

#define OF_VENDOR(name, kind)   (cpu_vendor(cpu) == VENDOR_AMD ? amd_##name##_##kind : intel_##name##_##kind)

EXEC(RCPPS)   { RUN(sse_packed(cpu, i, OF_VENDOR(rcp, lanes), true)); }
EXEC(RSQRTPS) { RUN(sse_packed(cpu, i, OF_VENDOR(rsqrt, lanes), true)); }
EXEC(RCPSS)   { RUN(sse_low(cpu, i, OF_VENDOR(rcp, low), 4)); }
EXEC(RSQRTSS) { RUN(sse_low(cpu, i, OF_VENDOR(rsqrt, low), 4)); }
