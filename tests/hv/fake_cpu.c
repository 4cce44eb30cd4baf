/* SPDX-License-Identifier: MIT */
#include "tests/hv/fake_cpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- cpu/cpu.h ---- */

uint64_t cpu_reg(const struct cpu *cpu, enum cpu_reg reg) { return cpu->reg[reg]; }
uint64_t *cpu_xmm(struct cpu *cpu, unsigned n) { return cpu->zmm[n]; }
unsigned cpu_index(const struct cpu *cpu) { return cpu->index; }
unsigned cpu_physical_bits(const struct cpu *cpu) { (void)cpu; return FIXTURE_BITS; }
unsigned cpu_cpl(const struct cpu *cpu) { return cpu->cpl; }
bool cpu_code64(const struct cpu *cpu) { return cpu->code64; }
const struct cpu_stats *cpu_stats(const struct cpu *cpu) { return &cpu->stats; }
void cpu_attention(struct cpu *cpu, unsigned reasons) { cpu->attention |= reasons; }

bool cpu_waits_for_start(const struct cpu *cpu) { return cpu->waits; }

bool cpu_idle(const struct cpu *cpu) { return cpu->idle; }
unsigned cpu_interrupt_state(const struct cpu *cpu) { return cpu->interrupt_state; }
void cpu_set_interrupt_state(struct cpu *cpu, unsigned state) { cpu->interrupt_state = state; }
void cpu_legacy_state(const struct cpu *cpu, uint8_t area[CPU_LEGACY_BYTES]) { memcpy(area, cpu->legacy, CPU_LEGACY_BYTES); }
bool cpu_set_legacy_state(struct cpu *cpu, const uint8_t area[CPU_LEGACY_BYTES])
{
    if (area[26] != 0)          /* MXCSR's upper half */
        return false;
    memcpy(cpu->legacy, area, CPU_LEGACY_BYTES);
    return true;
}
void cpu_set_npiep(struct cpu *cpu, unsigned prevented) { cpu->npiep = prevented; }
void cpu_signal(void *cpu, enum apic_signal what, unsigned vector)
{
    (void)vector;
    ((struct cpu *)cpu)->nmis += what == APIC_SIGNAL_NMI;
}

void cpu_sleep(struct cpu *cpu) { cpu->asleep = true; }

void cpu_begin(struct cpu *cpu)
{
    cpu->waits = false;
    cpu->running = true;
}

void cpu_reset(struct cpu *cpu, bool init)
{
    (void)init;
    memset(cpu->reg, 0, sizeof cpu->reg);
}

static uint64_t *fake_msr(struct cpu *cpu, uint32_t msr)
{
    if (msr == 0x277)
        return &cpu->pat;
    return msr >= 0x174 && msr < 0x178 ? &cpu->msr[msr - 0x174] : NULL;
}

bool cpu_read_msr(struct cpu *cpu, uint32_t msr, uint64_t *value)
{
    uint64_t *at = fake_msr(cpu, msr);

    if (at != NULL)
        *value = *at;
    return at != NULL;
}

bool cpu_write_msr(struct cpu *cpu, uint32_t msr, uint64_t value)
{
    uint64_t *at = fake_msr(cpu, msr);

    if (at != NULL)
        *at = value;
    return at != NULL;
}

/* Refuses what the tests expect to be refused: non-canonical bases, a CR3 beyond the address width, CR8 above 15. */
bool cpu_set_reg(struct cpu *cpu, enum cpu_reg reg, uint64_t value)
{
    if (reg >= CPU_REG_ES_BASE && reg <= CPU_REG_TR_BASE && value >> 47 != 0 && value >> 47 != 0x1FFFF)
        return false;
    if ((reg == CPU_REG_CR3 && value >> FIXTURE_BITS != 0) || (reg == CPU_REG_CR8 && value > 15))
        return false;
    cpu->reg[reg] = value;
    return true;
}

void cpu_set_host(struct cpu *cpu, const struct cpu_host *host, void *self)
{
    cpu->host = host;
    cpu->host_self = self;
}

void cpu_raise(struct cpu *cpu, unsigned vector, uint32_t error)
{
    (void)error;
    cpu->raised = (int)vector;
}

uint64_t cpu_tsc(const struct cpu *cpu)
{
    return clock_ns(cpu->clock) * (FIXTURE_TSC_HZ / 1000000000u) + cpu->tsc_offset;
}

void cpu_flush_tlb(struct cpu *cpu, const struct tlb_scope *scope)
{
    cpu->flushed[cpu->nflushed++ % FAKE_LOG] = *scope;
}

/* ---- core/apic.h ---- */

static void request(void *self, unsigned vector, enum apic_trigger how)
{
    struct fake_apic *a = self;

    a->requested[a->nrequested % FAKE_LOG] = vector;
    a->how[a->nrequested++ % FAKE_LOG] = how;
}

static bool apic_read(void *self, unsigned reg, uint64_t *value)
{
    *value = ((struct fake_apic *)self)->reg[reg];
    return true;
}

static bool apic_write(void *self, unsigned reg, uint64_t value)
{
    struct fake_apic *a = self;

    a->reg[reg] = value;
    if (reg == 0x0B && a->eoi_hook != NULL)
        a->eoi_hook(a->eoi_arg, 0);
    return true;
}

static uint64_t base(void *self)
{
    return ((struct fake_apic *)self)->base;
}

static void on_eoi(void *self, void (*hook)(void *arg, unsigned vector), void *arg)
{
    struct fake_apic *a = self;

    a->eoi_hook = hook;
    a->eoi_arg = arg;
}

static void assist(void *self, const struct apic_assist *words, void *arg)
{
    struct fake_apic *a = self;

    a->assist = words;
    a->assist_arg = arg;
}

static const struct apic_ops apic_ops = {
    .assist = assist,
    .request = request, .read = apic_read, .write = apic_write, .base = base, .on_eoi = on_eoi,
};

/* ---- the partition ---- */

static void crashed(void *self, const uint64_t p[5], const char *text, size_t len)
{
    struct fixture *f = self;

    memcpy(f->crash_p, p, sizeof f->crash_p);
    memset(f->crash_text, 0, sizeof f->crash_text);
    memcpy(f->crash_text, text, len < sizeof f->crash_text ? len : sizeof f->crash_text - 1);
    f->crashes++;
}

static void posted(void *self, uint32_t connection, uint32_t type, const void *payload, size_t len)
{
    struct fixture *f = self;

    f->posted.connection = connection;
    f->posted.type = type;
    f->posted.len = len;
    memcpy(&f->posted.payload, payload, 8);
    f->posted.count++;
}

static void signalled(void *self, uint32_t connection, unsigned flag)
{
    struct fixture *f = self;

    f->signalled.connection = connection;
    f->signalled.flag = flag;
    f->signalled.count++;
}

static void traced(void *self, const char *line)
{
    struct fixture *f = self;
    size_t len = strlen(f->trace);

    snprintf(f->trace + len, sizeof f->trace - len, "%s\n", line);
}

static void reset_asked(void *self)
{
    ((struct fixture *)self)->resets++;
}

struct fixture *fixture_create(const struct hv_config *changes)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct hv_config cfg = {
        .nvps = FIXTURE_VPS, .tsc_hz = FIXTURE_TSC_HZ, .apic_hz = FIXTURE_APIC_HZ,
        .crash = crashed, .crash_self = f, .reset = reset_asked, .reset_self = f,
        .posted = posted, .signalled = signalled, .partner_self = f,
    };
    struct err err;

    assert_non_null(f);
    if (changes != NULL) {
        cfg.offer = changes->offer;
        cfg.trace = changes->trace;
        cfg.trace_self = f;
        cfg.amd = changes->amd;
        cfg.ibt = changes->ibt;
    }
    device_tree_init(&f->tree);
    clock_init(&f->clock, 1000);
    f->memory = space_create("memory", 0);
    err = ram_create(&f->ram, "ram", FIXTURE_RAM);
    assert_false(failed(&err));
    space_add_ram(f->memory, 0, f->ram, 0, FIXTURE_RAM, ACCESS_READ | ACCESS_WRITE | ACCESS_EXECUTE, LAYER_RAM);
    f->hv = hv_create(&f->tree, &cfg, f->memory, &f->clock);
    for (unsigned n = 0; n < FIXTURE_VPS; n++) {
        f->cpu[n] = (struct cpu){ .index = n, .code64 = true, .clock = &f->clock, .raised = -1 };
        f->cpu[n].reg[CPU_REG_CR0] = 0x80000001u;
        f->apic[n].base = 0xFEE00800u;
        hv_add_vp(f->hv, &f->cpu[n], &apic_ops, &f->apic[n]);
    }
    device_reset_all(&f->tree);
    return f;
}

struct fixture *fixture_tracing(void)
{
    return fixture_create(&(struct hv_config){ .trace = traced });
}

struct fixture *fixture_offering(const char *spec)
{
    struct hv_config cfg = { 0 };
    struct err err = hv_offer_parse(&cfg.offer, spec);

    if (failed(&err))
        fail_msg("%s", err.text);
    return fixture_create(&cfg);
}

int fixture_setup(void **state)
{
    *state = fixture_create(NULL);
    return 0;
}

int fixture_teardown(void **state)
{
    struct fixture *f = *state;

    space_free(f->memory);
    device_tree_free(&f->tree);
    ram_free(f->ram);
    clock_free(&f->clock);
    free(f);
    return 0;
}

/* ---- what a guest does ---- */

bool rdmsr(struct fixture *f, unsigned vp, uint32_t msr, uint64_t *value)
{
    struct cpu *cpu = &f->cpu[vp];
    enum intercept answer;

    cpu->raised = -1;
    *value = 0xDEADDEADDEADDEADull;
    answer = cpu->host->rdmsr(cpu->host_self, cpu, msr, value);
    if (answer == RAISED)
        assert_int_equal(cpu->raised, GP);
    return answer == DONE;      /* PASS: the processor knows no such MSR, #GP */
}

bool wrmsr(struct fixture *f, unsigned vp, uint32_t msr, uint64_t value)
{
    struct cpu *cpu = &f->cpu[vp];
    enum intercept answer;

    cpu->raised = -1;
    answer = cpu->host->wrmsr(cpu->host_self, cpu, msr, value);
    if (answer == RAISED)
        assert_int_equal(cpu->raised, GP);
    return answer == DONE;
}

uint64_t must_rdmsr(struct fixture *f, unsigned vp, uint32_t msr)
{
    uint64_t value;

    assert_true(rdmsr(f, vp, msr, &value));
    return value;
}

void must_wrmsr(struct fixture *f, unsigned vp, uint32_t msr, uint64_t value)
{
    assert_true(wrmsr(f, vp, msr, value));
}

struct cpuid_regs cpuid(struct fixture *f, uint32_t leaf)
{
    struct cpuid_regs out = { 0 };

    f->cpu[0].host->cpuid(f->cpu[0].host_self, &f->cpu[0], leaf, 0, &out);
    return out;
}

void hello(struct fixture *f)
{
    must_wrmsr(f, 0, 0x40000000, 0x8100000000000000ull);
}

uint64_t hypercall(struct fixture *f, unsigned vp, uint64_t control, uint64_t rdx, uint64_t r8)
{
    struct cpu *cpu = &f->cpu[vp];
    enum intercept answer;

    cpu->raised = -1;
    cpu->reg[CPU_REG_RCX] = control;
    cpu->reg[CPU_REG_RDX] = rdx;
    cpu->reg[CPU_REG_R8] = r8;
    do
        answer = cpu->host->hypercall(cpu->host_self, cpu);
    while (answer == RETRY);
    assert_int_equal(answer, DONE);
    return cpu->reg[CPU_REG_RAX];
}

void put64(struct fixture *f, gpa_t at, uint64_t value)
{
    space_write(f->memory, at, 8, value);
}

uint64_t get64(struct fixture *f, gpa_t at)
{
    return space_read(f->memory, at, 8);
}

void advance_ns(struct fixture *f, uint64_t ns)
{
    f->clock.state.insns += ns;         /* 1000 ps each */
    clock_fire_due(&f->clock);
}
