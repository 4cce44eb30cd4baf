/* SPDX-License-Identifier: MIT
 * What the tests of chapter 7 share: registers of VPs by status, MSRs of other processors. */
#ifndef CONFORM_TESTS_REGISTERS_H
#define CONFORM_TESTS_REGISTERS_H

#include "conform/guest/hv.h"

struct msr_on { u32 msr; u64 value; };
static inline void read_msr(void *arg) { struct msr_on *m = arg; m->value = msr_read(m->msr); }

static inline u64 msr_of(u32 cpu, u32 msr)
{
    struct msr_on m = { msr, 0 };

    on_cpu(cpu, read_msr, &m);
    return m.value;
}

static inline u32 get_status(u64 partition, u32 vp, u32 name, unsigned *done)
{
    u64 *in = (u64 *)page_alloc(), result;

    NEED(AccessVpRegisters);
    in[0] = partition, in[1] = vp, in[2] = name;
    result = hypercall_mem(HvGetVpRegisters | REPS(1), in, page_alloc());
    if (done != NULL)
        *done = reps_done(result);
    return status(result);
}

static inline u32 set_status(u64 partition, u32 vp, u32 name, u64 low, u64 high)
{
    u64 *in = (u64 *)page_alloc();

    NEED(AccessVpRegisters);
    in[0] = partition, in[1] = vp, in[2] = name, in[4] = low, in[5] = high;
    return status(hypercall_mem(HvSetVpRegisters | REPS(1), in, NULL));
}

static inline bool rejected(u32 s) { return s == HV_STATUS_INVALID_PARAMETER || s == HV_STATUS_INVALID_REGISTER_VALUE; }

static inline void rejects(const char *what, u32 name, u64 low, u64 high)
{
    u32 s = set_status(PARTITION_SELF, VP_SELF, name, low, high);

    expect(rejected(s), "%s: status %04x (%s)", what, s, status_name(s));
}

static inline void is_one_of(const char *what, u32 s, u32 a, u32 b)
{
    expect(s == a || s == b, "%s: status %04x (%s), neither %s nor %s", what, s, status_name(s), status_name(a),
           status_name(b));
}

#endif
