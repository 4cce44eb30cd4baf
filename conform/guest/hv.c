/* SPDX-License-Identifier: MIT */
#include "conform/guest/hv.h"
#include "conform/guest/internal.h"

u8 hypercall_page[PAGE] PAGE_ALIGNED;
struct at_start at_start;

/* ---- identity ---- */

bool hv_present(void)
{
    return (cpuid(1).ecx & BIT(31)) && cpuid(0x40000000).eax >= 0x40000001 && cpuid(0x40000001).eax == 0x31237648;
}

u32 max_leaf(void) { return cpuid(0x40000000).eax; }
u64 privileges(void) { struct cpuid r = cpuid(0x40000003); return (u64)r.ebx << 32 | r.eax; }
bool privileged(unsigned bit) { return (privileges() >> bit & 1) != 0; }
bool feature(unsigned bit) { return (cpuid(0x40000003).edx >> bit & 1) != 0; }
bool recommended(unsigned bit) { return (cpuid(0x40000004).eax >> bit & 1) != 0; }

void hv_describe(void)
{
    struct cpuid v = cpuid(0x40000002), r = cpuid(0x40000000), f = cpuid(0x40000003);
    char vendor[13] = { 0 };

    memcpy(vendor, &r.ebx, 4);
    memcpy(vendor + 4, &r.ecx, 4);
    memcpy(vendor + 8, &r.edx, 4);
    print("# hypervisor: vendor %s, version %u.%u.%u, highest leaf %08x\r\n", vendor, v.ebx >> 16, v.ebx & 0xffff, v.eax,
          r.eax);
    print("# privileges %08x%08x, features %08x, recommendations %08x\r\n", f.ebx, f.eax, f.edx, cpuid(0x40000004).eax);
    print("# processors %u, TSC %lu MHz, guest-physical addresses of %lu bits\r\n", ncpus, tsc_per_us, gpa_bits());
}

void hv_start(void)
{
    const struct { u32 msr; u64 *to; } found[] = {
        { HV_X64_MSR_GUEST_OS_ID, &at_start.os_id }, { HV_X64_MSR_HYPERCALL, &at_start.hypercall }, { HV_X64_MSR_SCONTROL,
                                                                                                      &at_start.scontrol },
        { HV_X64_MSR_SIEFP, &at_start.siefp }, { HV_X64_MSR_SIMP, &at_start.simp }, { HV_X64_MSR_REFERENCE_TSC,
                                                                                      &at_start.reference_tsc },
        { HV_X64_MSR_TIME_REF_COUNT, &at_start.ref_time },
    };

    for (u32 k = 0; k < COUNT_OF(found); k++)
        (void)rdmsr_try(found[k].msr, found[k].to);
    for (u32 k = 0; k < 16; k++)
        (void)rdmsr_try(SINT(k), &at_start.sint[k]);
    for (u32 k = 0; k < 8; k++)
        (void)rdmsr_try(STIMER_CONFIG(0) + k, &at_start.timer[k]);
    (void)wrmsr_try(HV_X64_MSR_GUEST_OS_ID, OS_ID);
    (void)wrmsr_try(HV_X64_MSR_HYPERCALL, gpa(hypercall_page) | 1);
}

static void tidy(u32 msr, u64 value)
{
    u64 is;

    if (rdmsr_try(msr, &is) == NONE && is != value)
        (void)wrmsr_try(msr, value);
}

void hv_tidy_this(void)
{
    if (this_cpu()->number == 0) {
        tidy(HV_X64_MSR_GUEST_OS_ID, OS_ID);
        tidy(HV_X64_MSR_HYPERCALL, gpa(hypercall_page) | 1);
        tidy(HV_X64_MSR_REFERENCE_TSC, 0);
        tidy(HV_X64_MSR_REENLIGHTENMENT_CONTROL, 0);
        tidy(HV_X64_MSR_TSC_EMULATION_CONTROL, 0);
    }
    for (unsigned n = 0; n < 4; n++) {
        tidy(STIMER_CONFIG(n), 0);
        tidy(STIMER_COUNT(n), 0);
    }
    tidy(HV_X64_MSR_STIME_UNHALTED_TIMER_CONFIG, 0);
    for (unsigned n = 0; n < 16; n++)
        tidy(SINT(n), SINT_MASKED);
    tidy(HV_X64_MSR_SCONTROL, 0);
    tidy(HV_X64_MSR_SIMP, 0);
    tidy(HV_X64_MSR_SIEFP, 0);
    tidy(HV_X64_MSR_VP_ASSIST_PAGE, 0);
    tidy(HV_X64_MSR_NPIEP_CONFIG, 0);
}

/* ---- hypercalls ---- */

static const struct { u16 code; const char *name; } statuses[] = {
#define STATUS_ROW(name, code) { code, #name },
    STATUS_LIST(STATUS_ROW)
#undef STATUS_ROW
};

const char *status_name(u32 code)
{
    for (u32 k = 0; k < COUNT_OF(statuses); k++)
        if (statuses[k].code == code)
            return statuses[k].name;
    return "an unlisted status";
}

static void need_page(void)
{
    u64 v;

    need(rdmsr_try(HV_X64_MSR_HYPERCALL, &v) == NONE && (v & 1), "the hypercall page cannot be enabled");
}

void call_with(struct call_regs *r, const void *page)
{
    if (page == hypercall_page)
        need_page();
    load_and_call(r, page);
}

void call_with32(struct call_regs *r, const void *page)
{
    if (page == hypercall_page)
        need_page();
    load_and_call32(r, page);
}

u64 hypercall(u64 control, u64 rdx, u64 r8)
{
    struct call_regs r = { .rcx = control, .rdx = rdx, .r8 = r8 };

    call_with(&r, hypercall_page);
    return r.rax;
}

u64 hypercall_mem(u64 control, const volatile void *in, const volatile void *out)
{
    return hypercall(control, gpa(in), gpa(out));
}

struct attempt { u64 control, rdx, r8, result; };

static void attempt(void *arg)
{
    struct attempt *a = arg;

    a->result = hypercall(a->control, a->rdx, a->r8);
}

int hypercall_try(u64 control, u64 rdx, u64 r8, u64 *result)
{
    struct attempt a = { control, rdx, r8, 0 };
    int why = guarded(attempt, &a);

    *result = a.result;
    return why;
}

u64 hypercall_xmm(u64 control, const void *block, size_t bytes)
{
    struct call_regs r = { .rcx = control | FAST };
    u64 words[14] = { 0 };

    memcpy(words, block, bytes);
    r.rdx = words[0], r.r8 = words[1];
    memcpy(r.xmm, &words[2], 96);
    call_with(&r, hypercall_page);
    return r.rax;
}

void expect_status(const char *what, u64 result, u32 want)
{
    expect(status(result) == want, "%s: status %04x (%s), not %04x (%s)", what, status(result), status_name(status(result)),
           want,
           status_name(want));
}

void expect_reps(const char *what, u64 result, u32 want, u32 done)
{
    expect_status(what, result, want);
    expect(reps_done(result) == done, "%s: %u reps completed, not %u", what, reps_done(result), done);
}

/* ---- who takes an interrupt ---- */

static u64 watched[MAX_CPUS];

void watch(u32 vector)
{
    for (u32 k = 0; k < ncpus; k++)
        watched[k] = cpus[k].taken[vector];
}

static u32 arrived_now(u32 vector)
{
    u32 mask = 0;

    for (u32 k = 0; k < ncpus; k++)
        mask |= (cpus[k].taken[vector] != watched[k] ? 1u : 0) << k;
    return mask;
}

u32 arrived(u32 vector, u32 wanted)
{
    (void)wait_for((arrived_now(vector) & wanted) == wanted, 100 * MS);
    delay_us(MS);
    return arrived_now(vector);
}

u64 vp_bit(u32 cpu) { return BIT(cpus[cpu].vp_index & 63); }

u64 all_vps(void)
{
    u64 mask = 0;

    for (u32 k = 0; k < ncpus; k++)
        mask |= vp_bit(k);
    return mask;
}

/* ---- registers ---- */

u64 get_register(u32 vp, u32 name, struct reg128 *value)
{
    static u64 in[8][4] __attribute__((aligned(64)));
    static struct reg128 out[8] __attribute__((aligned(64)));
    u32 n = this_cpu()->number & 7;
    u64 result;

    in[n][0] = PARTITION_SELF;
    in[n][1] = vp;
    in[n][2] = name;
    out[n] = (struct reg128){ 0, 0 };
    result = hypercall_mem(HvGetVpRegisters | REPS(1), in[n], &out[n]);
    *value = out[n];
    return result;
}

u64 set_register(u32 vp, u32 name, u64 low, u64 high)
{
    static u64 in[8][8] __attribute__((aligned(64)));
    u64 *p = in[this_cpu()->number & 7];

    p[0] = PARTITION_SELF, p[1] = vp, p[2] = name, p[3] = 0, p[4] = low, p[5] = high;
    return hypercall_mem(HvSetVpRegisters | REPS(1), p, NULL);
}

u64 register_of(u32 vp, u32 name)
{
    struct reg128 v;

    NEED(AccessVpRegisters);
    expect_reps("HvGetVpRegisters", get_register(vp, name, &v), 0, 1);
    return v.low;
}

/* ---- SynIC ---- */

void synic_drain(volatile struct message *sim)
{
    for (unsigned tries = 0, found = 1; tries < 200 && found; tries++) {
        memset((void *)(uintptr_t)sim, 0, PAGE);
        msr_write(HV_X64_MSR_EOM, 0);
        found = 0;
        for (unsigned n = 0; n < 16; n++)
            found |= sim[n].type;
    }
    memset((void *)(uintptr_t)sim, 0, PAGE);
}

struct synic synic_on(void)
{
    struct synic s = { (volatile struct message *)page_alloc(), page_alloc() };

    NEED(AccessSynicRegs);
    msr_write(HV_X64_MSR_SIMP, gpa(s.messages) | 1);
    msr_write(HV_X64_MSR_SIEFP, gpa(s.flags) | 1);
    msr_write(HV_X64_MSR_SCONTROL, 1);
    synic_drain(s.messages);
    memset((void *)(uintptr_t)s.flags, 0, PAGE);
    return s;
}

void sint_set(unsigned sint, u64 value) { msr_write(SINT(sint), value); }
u64 ref_time(void)
{
    NEED(AccessPartitionReferenceCounter);
    return msr_read(HV_X64_MSR_TIME_REF_COUNT);
}

void one_shot(unsigned timer, unsigned sint, u64 from_now)
{
    msr_write(STIMER_CONFIG(timer), 0);
    msr_write(STIMER_COUNT(timer), ref_time() + from_now);
    msr_write(STIMER_CONFIG(timer), STIMER_ENABLE | STIMER_SINT(sint));
}

void take_message(volatile struct message *slot)
{
    bool pending;

    slot->type = 0;
    __asm__ volatile("mfence" : : : "memory");
    pending = (slot->flags & 1) != 0;
    if (pending)
        msr_write(HV_X64_MSR_EOM, 0);
}

/* ---- partner ---- */

static bool connected[256];

void partner(enum partner command, u32 vp, u32 sint, u32 connection)
{
    connected[connection] = command == CONNECT_MESSAGE || command == CONNECT_EVENT;
    outl(0x3000, sint | vp << 8 | (u32)command << 16 | connection << 24);
}

u64 post_message(u32 connection, u32 type, const void *payload, u32 bytes)
{
    static u64 in[8][32] __attribute__((aligned(256)));
    u32 *p = (u32 *)in[this_cpu()->number & 7];

    memset(p, 0, 256);
    p[0] = connection, p[2] = type, p[3] = bytes;
    if (payload != NULL)
        memcpy(p + 4, payload, bytes < 240 ? bytes : 240);
    return hypercall_mem(HvPostMessage, p, NULL);
}

u64 signal_event(u32 connection, u32 flag)
{
    return hypercall(HvSignalEvent | FAST, connection | (u64)flag << 32, 0);
}

/* Is anything there? A call on a connection of the partner never says that the connection is unknown. */
void connect_message(u32 connection, u32 vp, u32 sint)
{
    NEED(PostMessages);
    if (connected[connection])
        partner(DISCONNECT_MESSAGE, vp, sint, connection);
    partner(CONNECT_MESSAGE, vp, sint, connection);
    need(status(post_message(connection, 0, NULL, 0)) != HV_STATUS_INVALID_CONNECTION_ID,
         "no partner to exchange messages with (QEMU and Partita: -device hyperv-testdev)");
}

void connect_event(u32 connection, u32 vp, u32 sint)
{
    NEED(SignalEvents);
    if (connected[connection])
        partner(DISCONNECT_EVENT, vp, sint, connection);
    partner(CONNECT_EVENT, vp, sint, connection);
    need(status(signal_event(connection, 0xFFFF)) != HV_STATUS_INVALID_CONNECTION_ID,
         "no partner to exchange events with (QEMU and Partita: -device hyperv-testdev)");
}
