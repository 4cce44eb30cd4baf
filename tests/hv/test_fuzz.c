/* SPDX-License-Identifier: MIT
 * Random hypercalls - every code, any form, random input, addresses and offers - and random accesses of synthetic MSRs.
 * Nothing may crash, hang or be answered with a status that docs/tlfs/hypercalls.tsv does not list; registers that a call
 * may not change keep their values; what is saved loads again. Meant for the sanitizers. PARTITA_HV_FUZZ=N makes N of each, PARTITA_HV_SEED
 * another run; the same gives the same. */
#include "tests/hv/fake_cpu.h"

#include <stdlib.h>
#include <string.h>

#include "hv/hypercall.h"
#include "tests/hv/tables.h"

#define STEPS       100000u
#define PARTITION   500u                /* steps before a new one */
#define AREA        0x10000u            /* where lists lie */
#define AREA_BYTES  0x4000u
#define RETRIES     200u

static uint64_t seed;

static uint64_t noise(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static uint64_t below(uint64_t n) { return noise() % n; }
static bool one_in(unsigned n) { return below(n) == 0; }

static uint64_t steps(void)
{
    const char *asked = getenv("PARTITA_HV_FUZZ"), *start = getenv("PARTITA_HV_SEED");

    seed = 0x9E3779B97F4A7C15ull ^ (start != NULL ? strtoull(start, NULL, 0) << 8 : 0);
    return asked != NULL ? strtoull(asked, NULL, 0) : STEPS;
}

/* ---- values that mean something more often than not ---- */

static uint64_t address(void)
{
    switch (below(8)) {
    case 0:  return noise();
    case 1:  return AREA + below(AREA_BYTES);
    case 2:  return AREA + 4096 * below(4) + 4096 - 8 * below(40);
    case 3:  return (1ull << FIXTURE_BITS) - 8 * below(600);
    default: return AREA + 8 * below(AREA_BYTES / 8);
    }
}

static uint64_t value(void)
{
    switch (below(8)) {
    case 0:  return noise();
    case 1:  return UINT64_MAX;
    case 2:  return 1ull << below(64);
    case 3:  return address() & ~0xFFFull;
    case 4:  return (address() & ~0xFFFull) | 1;
    case 5:  return below(0x20);
    case 6:  return below(0x200) | below(4) << 32;
    default: return 0;
    }
}

static void fill_area(struct fixture *f)
{
    for (unsigned n = 0; n < 64; n++)
        put64(f, AREA + 8 * below(AREA_BYTES / 8), value());
}

/* ---- partitions with random offers ---- */

static struct fixture *open_one(void)
{
    struct hv_config cfg = { .amd = one_in(2), .ibt = one_in(2) };
    struct fixture *f;

    hv_offer_default(&cfg.offer);
    if (one_in(2)) {
        struct err err = hv_offer_parse(&cfg.offer, "privileges=all,recommendations=all");

        assert_false(failed(&err));
    } else if (one_in(2)) {
        cfg.offer.privileges &= noise() | 1 << 5;
        cfg.offer.features &= (uint32_t)noise();
        cfg.offer.advice &= (uint32_t)noise();
    }
    f = fixture_create(&cfg);
    hello(f);
    hv_set_zeroed(f->hv, 0x1000, below(2));
    for (unsigned n = 0; n < 8; n++) {
        if (one_in(2))
            hv_connect_message(f->hv, n, one_in(4) ? HV_ANY_VP : (uint32_t)below(FIXTURE_VPS), (unsigned)below(16));
        else
            hv_connect_event(f->hv, n, one_in(4) ? HV_ANY_VP : (uint32_t)below(FIXTURE_VPS), (unsigned)below(16),
                             (unsigned)below(2000), (unsigned)below(40));
    }
    hv_listen_message(f->hv, 8);
    hv_listen_event(f->hv, 9, 3);
    return f;
}

/* Saved, loaded into another partition of the same kind, and both hash alike. */
static void reload(struct fixture *f)
{
    for (struct device *dev = f->tree.first; dev != NULL; dev = dev->next) {
        uint64_t before = device_hash(dev, 0);
        struct writer w = { 0 };
        struct reader r;
        struct err err;

        device_save(dev, &w);
        r = reader_of(w.bytes, w.len);
        err = device_load(dev, &r);
        assert_false(failed(&err));
        assert_true(reader_done(&r));
        if (dev->class->loaded != NULL)
            dev->class->loaded(dev);
        assert_true(device_hash(dev, 0) == before);
        writer_free(&w);
    }
}

/* The parent, the guest's memory and time go on. */
static void something_else(struct fixture *f)
{
    switch (below(12)) {
    case 0:  advance_ns(f, below(10000)); break;
    case 1:  advance_ns(f, below(100000000)); break;
    case 2:  f->cpu[below(FIXTURE_VPS)].stats.retired += below(100000); break;
    case 3:  hv_post(f->hv, (uint32_t)below(10), (uint32_t)below(3), &seed, 8); break;
    case 4:  hv_signal(f->hv, (uint32_t)below(10), (unsigned)below(40)); break;
    case 5:  hv_disconnect(f->hv, (uint32_t)below(10)); break;
    case 6:  hv_delete_port(f->hv, (uint32_t)below(10)); break;
    case 7:  hv_show_monitor(f->hv, address() & ~0xFFFull); break;
    case 8:  f->cpu[below(FIXTURE_VPS)].waits = true; break;
    case 9:  fill_area(f); break;
    case 10: f->apic[0].eoi_hook(f->apic[0].eoi_arg, 0); break;
    default: hv_assert_sint(f->hv, (uint32_t)below(4), (unsigned)below(17)); break;
    }
}

/* ---- hypercalls ---- */

static struct { uint16_t code; char statuses[512]; } allowed[HV_MAX_CALLS];
static unsigned nallowed;

static int load_statuses(void **state)
{
    struct table t;

    (void)state;
    table_open(&t, "hypercalls");
    while (table_row(&t)) {
        if (strcmp(t.column[1], "Reserved") == 0 || nallowed == COUNT_OF(allowed))
            continue;
        allowed[nallowed].code = (uint16_t)strtoul(t.column[0], NULL, 16);
        snprintf(allowed[nallowed++].statuses, sizeof allowed->statuses, "%s,", t.column[11]);
    }
    table_close(&t);
    return 0;
}

static const char *status_name(unsigned status)
{
    switch (status) {
#define NAME(name, code) case code: return "HV_STATUS_" #name ",";
    HV_STATUS_LIST(NAME)
#undef NAME
    default: return "no status at all";
    }
}

static bool status_allowed(unsigned code, unsigned status)
{
    if (status == HV_STATUS_SUCCESS || status == HV_STATUS_INVALID_HYPERCALL_CODE || status == HV_STATUS_ACCESS_DENIED ||
        status == HV_STATUS_INVALID_HYPERCALL_INPUT || status == HV_STATUS_INVALID_ALIGNMENT)
        return true;
    for (unsigned k = 0; k < nallowed; k++)
        if (allowed[k].code == code)
            return strstr(allowed[k].statuses, status_name(status)) != NULL;
    return false;
}

static uint64_t control_word(void)
{
    uint64_t control = one_in(2) ? hc_rows[below(hc_nrows)].code : below(0x10000);

    if (one_in(3))
        control |= HV_HYPERCALL_FAST;
    if (one_in(2))
        control |= HC_REP_COUNT(one_in(4) ? below(0x1000) : below(20));
    if (one_in(8))
        control |= HC_REP_START(below(20));
    if (one_in(4))
        control |= HC_VARIABLE(one_in(4) ? below(0x400) : below(4));
    return one_in(40) ? control | 1ull << below(64) : control;
}

/* 3.9: what no call but HvSetVpRegisters and its like may change. */
static void check_registers(const struct cpu *before, const struct cpu *after, unsigned code, uint64_t control)
{
    static const enum cpu_reg kept[] = {
        CPU_REG_RBX, CPU_REG_RSP, CPU_REG_RBP, CPU_REG_RSI, CPU_REG_RDI, CPU_REG_R9, CPU_REG_R12, CPU_REG_R15, CPU_REG_RIP,
        CPU_REG_CR0, CPU_REG_EFER,
    };

    if (code == 0x0051 || code == 0x0099)
        return;
    for (unsigned n = 0; n < COUNT_OF(kept); n++)
        assert_true(before->reg[kept[n]] == after->reg[kept[n]]);
    if (after->code64 && (control & HV_HYPERCALL_FAST) == 0)
        assert_true(before->reg[CPU_REG_RDX] == after->reg[CPU_REG_RDX] && before->reg[CPU_REG_R8] == after->reg[CPU_REG_R8]);
    if ((control & HV_HYPERCALL_FAST) == 0)
        assert_memory_equal(before->zmm, after->zmm, sizeof before->zmm);
}

static void set_up_call(struct cpu *cpu, uint64_t control)
{
    uint64_t in = (control & HV_HYPERCALL_FAST) != 0 ? value() : address();
    uint64_t out = (control & HV_HYPERCALL_FAST) != 0 ? value() : address();

    cpu->code64 = !one_in(8);
    cpu->cpl = one_in(100) ? 3 : 0;
    cpu->reg[CPU_REG_CR0] = one_in(100) ? 0 : 0x80000001u;
    cpu->reg[CPU_REG_RFLAGS] = one_in(100) ? 1 << 17 : 2;
    for (unsigned n = 0; n < 6; n++)
        cpu->zmm[n][0] = value(), cpu->zmm[n][1] = value();
    if (cpu->code64) {
        cpu->reg[CPU_REG_RCX] = control;
        cpu->reg[CPU_REG_RDX] = in;
        cpu->reg[CPU_REG_R8] = out;
        return;
    }
    cpu->reg[CPU_REG_RDX] = control >> 32;
    cpu->reg[CPU_REG_RAX] = (uint32_t)control;
    cpu->reg[CPU_REG_RBX] = in >> 32;
    cpu->reg[CPU_REG_RCX] = (uint32_t)in;
    cpu->reg[CPU_REG_RDI] = out >> 32;
    cpu->reg[CPU_REG_RSI] = (uint32_t)out;
}

static void check_result(const struct fixture *f, const struct cpu *before, unsigned vp, uint64_t control)
{
    const struct cpu *cpu = &f->cpu[vp];
    uint64_t result = cpu->code64 ? cpu->reg[CPU_REG_RAX] : cpu->reg[CPU_REG_RDX] << 32 | (uint32_t)cpu->reg[CPU_REG_RAX];
    unsigned status = hc_status(result), reps = (unsigned)(control >> 32 & 0xFFF), code = control & 0xFFFF;

    assert_int_equal(cpu->cpl, 0);
    assert_int_equal(result & 0xFFFFF000FFFF0000ull, 0);
    if (!status_allowed(code, status))
        fail_msg("call %04x answers %04x", code, status);
    assert_true(status == HV_STATUS_SUCCESS ? hc_reps_done(result) == reps : hc_reps_done(result) <= reps);
    check_registers(before, cpu, code, control);
}

static void call(struct fixture *f)
{
    unsigned vp = (unsigned)below(FIXTURE_VPS), tries = 0;
    struct cpu *cpu = &f->cpu[vp], before;
    uint64_t control = control_word();
    enum intercept answer;

    set_up_call(cpu, control);
    put64(f, address() & 0xFFFF8, one_in(2) ? UINT64_MAX : value());
    before = *cpu;
    do
        answer = cpu->host->hypercall(cpu->host_self, cpu);
    while (answer == RETRY && ++tries < RETRIES);
    assert_true(answer == PASS || answer == DONE);
    if (answer == DONE)
        check_result(f, &before, vp, control);
}

static void random_hypercalls(void **state)
{
    uint64_t count = steps();
    struct fixture *f = open_one();

    (void)state;
    for (uint64_t n = 0; n < count; n++) {
        if (n % PARTITION == PARTITION - 1) {
            reload(f);
            fixture_teardown((void **)&f);
            f = open_one();
        }
        if (one_in(4))
            something_else(f);
        call(f);
    }
    fixture_teardown((void **)&f);
}

/* ---- registers ---- */

static uint32_t register_number(void)
{
    switch (below(8)) {
    case 0:  return 0x40000000 + (uint32_t)below(0x200);
    case 1:  return 0x40001000 + (uint32_t)below(0x100);
    default: return msr_rows[below(msr_nrows)].number;
    }
}

/* What is written must read back without a fault, and reserved bits must not stay. */
static void access_register(struct fixture *f)
{
    unsigned vp = (unsigned)below(FIXTURE_VPS);
    uint32_t msr = register_number();
    const struct msr_row *row = NULL;
    uint64_t read, v = value();

    for (unsigned k = 0; k < msr_nrows; k++)
        if (msr_rows[k].number == msr)
            row = &msr_rows[k];
    if (one_in(2)) {
        bool done = rdmsr(f, vp, msr, &read);

        assert_true(row != NULL || !done);
        return;
    }
    if (wrmsr(f, vp, msr, v)) {
        assert_true(row != NULL && row->write != NULL);
        if (row->read != NULL)
            assert_true(rdmsr(f, vp, msr, &read));
    }
}

static void random_register_accesses(void **state)
{
    uint64_t count = steps();
    struct fixture *f = open_one();

    (void)state;
    for (uint64_t n = 0; n < count; n++) {
        if (n % PARTITION == PARTITION - 1) {
            reload(f);
            if (one_in(2))
                device_reset_all(&f->tree);
            fixture_teardown((void **)&f);
            f = open_one();
        }
        if (one_in(4))
            something_else(f);
        access_register(f);
    }
    fixture_teardown((void **)&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(random_hypercalls, load_statuses),
        cmocka_unit_test(random_register_accesses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
