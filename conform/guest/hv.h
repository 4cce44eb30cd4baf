/* SPDX-License-Identifier: MIT
 * Hv#1 as a test sees it: privileges, MSRs, hypercalls, SynIC. Numbers come from docs/tlfs by way of conform/tables.h. */
#ifndef CONFORM_GUEST_HV_H
#define CONFORM_GUEST_HV_H

#include "conform/guest/guest.h"
#include "conform/tables.h"

/* ---- identity ---- */

#define OS_ID           0x8100000000000001ull   /* an open-source system's */

/* What this start found on the boot processor before it wrote anything. */
struct at_start { u64 os_id, hypercall, scontrol, siefp, simp, reference_tsc, ref_time, sint[16], timer[8]; };
extern struct at_start at_start;
bool hv_present(void);                          /* leaf 4000_0001h says Hv#1 */
void hv_describe(void);
u32  max_leaf(void);
u64  privileges(void);                          /* leaf 4000_0003h EBX:EAX */
bool privileged(unsigned bit);
bool feature(unsigned bit);                     /* leaf 4000_0003h EDX */
bool recommended(unsigned bit);                 /* leaf 4000_0004h EAX */
#define NEED(name)      need(privileged(PRIV_##name), "the partition lacks " #name)
#define LACK(name)      need(!privileged(PRIV_##name), "the partition has " #name)
#define NEED_FEATURE(bit, name) need(feature(bit), "leaf 40000003 EDX has no " name)
enum { F_XMM_INPUT = 4, F_IDLE = 5, F_NUMA = 7, F_FREQUENCIES = 8, F_CRASH = 10, F_DEBUG = 11, F_NPIEP = 12,
       F_EXTENDED_RANGE = 14,
       F_FAST_OUTPUT = 15, F_POLLING = 17, F_LOCK = 18, F_DIRECT = 19, F_UNHALTED = 23 };

/* ---- hypercalls ---- */

#define FAST            BIT(16)
#define VARIABLE(n)     ((u64)(n) << 17)
#define NESTED          BIT(31)
#define REPS(n)         ((u64)(n) << 32)
#define START(n)        ((u64)(n) << 48)

struct call_regs {
    u64 rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15;
    u64 xmm[6][2];
};

extern u8 hypercall_page[];                     /* where the page is placed for every test */
u64  hypercall(u64 control, u64 rdx, u64 r8);   /* the result value */
u64  hypercall_mem(u64 control, const volatile void *in, const volatile void *out);
void call_with(struct call_regs *r, const void *page);          /* all registers, 64-bit code */
void call_with32(struct call_regs *r, const void *page);        /* EAX to EDI and XMM0 to XMM5, 32-bit code */
int  hypercall_try(u64 control, u64 rdx, u64 r8, u64 *result);  /* NONE or the exception */
u64  hypercall_xmm(u64 control, const void *block, size_t bytes);       /* block: RDX, R8, XMM0 to XMM5 */
static inline u32 status(u64 result) { return (u32)result & 0xffff; }
static inline u32 reps_done(u64 result) { return (u32)(result >> 32) & 0xfff; }
void expect_status(const char *what, u64 result, u32 want);
void expect_reps(const char *what, u64 result, u32 want, u32 done);
const char *status_name(u32 code);

/* Which processors take a vector: watch(), then make it happen, then arrived() gives a bit for each processor number. */
void watch(u32 vector);
u32  arrived(u32 vector, u32 wanted);           /* waits until all of `wanted` did, then a little for others */
u64  vp_bit(u32 cpu);                           /* 1 << VP index */
u64  all_vps(void);

/* ---- VP registers ---- */

struct reg128 { u64 low, high; };
u64  get_register(u32 vp, u32 name, struct reg128 *value);      /* the result value */
u64  set_register(u32 vp, u32 name, u64 low, u64 high);
u64  register_of(u32 vp, u32 name);             /* low half; fails or, without the privilege, skips the test */
#define PARTITION_SELF  (~0ull)
#define VP_SELF         0xFFFFFFFEu
#define VP_ANY          0xFFFFFFFFu

/* ---- SynIC and timers, this VP ---- */

struct message {
    u32 type;
    u8 size, flags;
    u16 reserved;
    u64 origin;
    u8 payload[240];
};
struct timer_payload { u32 index, reserved; u64 expiration, delivery; };

enum { SINT_MASKED = 0x10000, SINT_AUTO_EOI = 0x20000, SINT_POLLING = 0x40000 };
enum { STIMER_ENABLE = 1, STIMER_PERIODIC = 2, STIMER_LAZY = 4, STIMER_AUTO = 8, STIMER_DIRECT = 0x1000 };
#define STIMER_SINT(n)      ((u64)(n) << 16)
#define STIMER_VECTOR(v)    ((u64)(v) << 4)
#define STIMER_CONFIG(n)    (HV_X64_MSR_STIMER0_CONFIG + 2 * (n))
#define STIMER_COUNT(n)     (HV_X64_MSR_STIMER0_COUNT + 2 * (n))
#define SINT(n)             (HV_X64_MSR_SINT0 + (n))

struct synic {
    volatile struct message *messages;          /* the SIM page, 16 slots */
    volatile u8 *flags;                         /* the SIEF page */
};
struct synic synic_on(void);                    /* pages placed, SCONTROL on, queues empty; skips without AccessSynicRegs */
void synic_drain(volatile struct message *sim);  /* takes what an earlier test left in the queues, and clears the page */
void sint_set(unsigned sint, u64 value);
static inline struct timer_payload timer_payload(const volatile struct message *m)
{
    const volatile u64 *p = (const volatile u64 *)(uintptr_t)m->payload;

    return (struct timer_payload){ (u32)p[0], (u32)(p[0] >> 32), p[1], p[2] };
}
u64  ref_time(void);                            /* HV_X64_MSR_TIME_REF_COUNT */
void one_shot(unsigned timer, unsigned sint, u64 from_now);     /* in 100 ns; message mode */
void take_message(volatile struct message *slot);               /* empties it, and EOM if one is pending */

/* ---- a partner for messages and events: QEMU's hyperv-testdev at port 3000h ---- */

enum partner { ROUTE_CREATE = 1, ROUTE_DESTROY, ROUTE_ASSERT, CONNECT_MESSAGE, DISCONNECT_MESSAGE, CONNECT_EVENT,
               DISCONNECT_EVENT };
void partner(enum partner command, u32 vp, u32 sint, u32 connection);
void connect_message(u32 connection, u32 vp, u32 sint);         /* skips the test when there is no partner */
void connect_event(u32 connection, u32 vp, u32 sint);
u64  post_message(u32 connection, u32 type, const void *payload, u32 bytes);
u64  signal_event(u32 connection, u32 flag);

/* ---- resets ---- */

void expect_reset(void);                        /* the next reset is meant: the test goes on after it, resumed() */

#endif
