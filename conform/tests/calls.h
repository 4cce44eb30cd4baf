/* SPDX-License-Identifier: MIT
 * What the tests of chapter 3 share: calls that serve as examples. HvGetVpRegisters is a rep call with output, the flushes
 * and the cluster IPIs have effects that can be seen. */
#ifndef CONFORM_TESTS_CALLS_H
#define CONFORM_TESTS_CALLS_H

#include "conform/guest/hv.h"

static inline u64 *input(u64 a, u64 b, u64 c)
{
    u64 *in = (u64 *)page_alloc();

    in[0] = a, in[1] = b, in[2] = c;
    return in;
}

/* HvGetVpRegisters of this VP for `count` times CR3, but element `bad` (if below count) asks for no register. */
static inline u64 *get_list(unsigned count, unsigned bad)
{
    u64 *in = input(PARTITION_SELF, VP_SELF, 0);
    u32 *names = (u32 *)(in + 2);

    NEED(AccessVpRegisters);
    for (unsigned k = 0; k < count; k++)
        names[k] = k == bad ? 0x7FFFFFFF : HvX64RegisterCr3;
    return in;
}

static inline struct reg128 *filled(void)
{
    return (struct reg128 *)memset(page_alloc(), 0xAA, PAGE);
}

static const u64 UNTOUCHED = 0xAAAAAAAAAAAAAAAAull;

static inline u64 flush_all(u64 control) { return hypercall_mem(control, input(0, 3, 0), NULL); }

/* Does this call make vector 50h arrive here? */
static inline void sees_ipi(const char *what, u64 result)
{
    expect_status(what, result, HV_STATUS_SUCCESS);
    expect(wait_for(taken(0x50) == 1, 100 * MS), "%s: no interrupt came", what);
}

static inline u64 me(void) { return BIT(this_cpu()->vp_index); }

static inline void fast_output(void *arg)
{
    struct call_regs *r = arg;

    call_with(r, hypercall_page);
}

static inline struct call_regs get_fast(void)
{
    struct call_regs r = { .rcx = HvGetVpRegisters | FAST | REPS(1), .rdx = PARTITION_SELF, .r8 = VP_SELF };

    NEED(AccessVpRegisters);
    NEED_FEATURE(F_XMM_INPUT, "XMM input");
    r.xmm[0][0] = HvX64RegisterCr3;
    for (unsigned k = 1; k < 6; k++)
        r.xmm[k][0] = r.xmm[k][1] = UNTOUCHED;
    return r;
}

#endif
