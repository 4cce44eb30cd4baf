/* SPDX-License-Identifier: MIT
 * What a debugger asks of a machine (machine/debug.h): a debugged run is the run itself, stops are where they should be, registers
 * and memory are the processor's. */
#include "machine/debug.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/attrs.h"
#include "base/bytes.h"
#include "tests/check.h"
#include "machine/internal.h"
#include "machine/snapshot.h"
#include "tests/machine/image.h"

/* A Multiboot image that stores a falling counter, reads the PIT and ends by the exit port. */

#define AT(offset) (0x100020u + (offset))
static const uint8_t program[] = {
    0xfa,                                           /* 00 cli */
    0x31, 0xc0,                                     /* 01 xor eax, eax */
    0xb9, 0x20, 0x4e, 0x00, 0x00,                   /* 03 mov ecx, 20000 */
    0x01, 0xc8,                                     /* 08 l: add eax, ecx */
    0x89, 0x04, 0x8d, 0x00, 0x00, 0x20, 0x00,       /* 0a mov [200000h + ecx * 4], eax */
    0x0f, 0x31,                                     /* 11 rdtsc */
    0x31, 0x05, 0x00, 0x00, 0x18, 0x00,             /* 13 xor [180000h], eax */
    0xe4, 0x40,                                     /* 19 in al, 40h: the PIT's counter */
    0x49,                                           /* 1b dec ecx */
    0x75, 0xea,                                     /* 1c jnz l */
    0xb0, 0x15,                                     /* 1e mov al, 15h */
    0xe6, 0xf4,                                     /* 20 out f4h, al */
    0xfa, 0xf4,                                     /* 22 cli; hlt */
};
#define LOOP_INSNS 7u

static char path[] = "/tmp/partita-test-XXXXXX";

static int write_image(void **state)
{
    (void)state;
    image_write(path, program, sizeof program);
    return 0;
}

static int remove_image(void **state)
{
    (void)state;
    return unlink(path);
}

static struct machine *create(unsigned nvps)
{
    struct machine_config cfg;
    struct machine *m = NULL;
    struct err e;

    machine_config_default(&cfg);
    cfg.kernel = path;
    cfg.ram_bytes = 8u << 20;
    cfg.nvps = nvps;
    cfg.debug_exit = true;
    cfg.debug_exit_port = 0xf4;
    e = machine_create(&m, &cfg);
    assert_false(failed(&e));
    return m;
}

static uint64_t reg(struct debug *d, const char *name)
{
    uint8_t v[DEBUG_REG_BYTES];

    assert_true(debug_reg_read(d, 0, debug_reg_find(d, name), v));
    return load64(v);
}

static void at_same_place(struct machine *plain, struct machine *m)
{
    if (machine_insns(m) != machine_insns(plain))
        machine_run(plain, machine_insns(m) - machine_insns(plain));
    assert_int_equal(machine_insns(plain), machine_insns(m));
    assert_true(machine_hash(plain) == machine_hash(m));
}

static void a_debugged_run_is_the_run_itself(void **state)
{
    struct machine *plain = create(2), *m = create(2);
    struct debug *d = machine_debug(m);
    const struct point watch = { .kind = POINT_WRITE, .at = 0x200000 + 4 * 19000, .len = 4 };
    const struct point store = { .kind = POINT_BREAK, .at = AT(0x0a) };
    const struct point tables = { .kind = POINT_ACCESS, .physical = true, .at = 0x180000, .len = 4 };
    struct debug_stop stop;

    (void)state;
    assert_true(debug_add(d, &watch));
    stop = debug_run(d, UINT64_MAX);
    assert_int_equal(stop.why, DEBUG_WATCH);
    assert_int_equal(stop.hit.rip, AT(0x0a));
    assert_int_equal(stop.insns, 3 + LOOP_INSNS * 1000 + 2);
    assert_int_equal(reg(d, "rip"), AT(0x11));
    assert_int_equal(reg(d, "rcx"), 19000);
    at_same_place(plain, m);
    assert_true(debug_remove(d, &watch));

    assert_true(debug_add(d, &store) && debug_add(d, &tables));
    for (unsigned n = 1; n <= 50; n++) {
        stop = debug_run(d, UINT64_MAX);
        assert_int_equal(stop.why, DEBUG_WATCH);
        assert_int_equal(stop.insns, 3 + LOOP_INSNS * (999 + n) + 4);
        at_same_place(plain, m);
        stop = debug_run(d, UINT64_MAX);
        assert_int_equal(stop.why, DEBUG_BREAK);
        assert_int_equal(stop.insns, 3 + LOOP_INSNS * (1000 + n) + 1);
        at_same_place(plain, m);
        for (unsigned k = 0; k < 3; k++) {
            stop = debug_step(d, 0);
            assert_int_equal(stop.why, k == 2 ? DEBUG_WATCH : DEBUG_STEP);
            assert_int_equal(stop.insns, 3 + LOOP_INSNS * (1000 + n) + 2 + k);
            at_same_place(plain, m);
        }
        debug_remove(d, &tables);
        assert_int_equal(debug_run(d, 2).why, DEBUG_NOTHING);
        assert_true(debug_add(d, &tables));
        machine_run(plain, 2);
        n++;
        debug_run(d, UINT64_MAX);                   /* the break of the next round */
    }
    debug_clear(d);
    stop = debug_run(d, UINT64_MAX);
    assert_int_equal(stop.why, DEBUG_END);
    assert_int_equal(stop.how, RUN_DEBUG_EXIT);
    assert_int_equal(machine_run(plain, UINT64_MAX), RUN_DEBUG_EXIT);
    at_same_place(plain, m);
    machine_free(plain);
    machine_free(m);
}

static void a_pause_stops_and_leaves_no_trace(void **state)
{
    struct machine *plain = create(1), *m = create(1);
    struct debug *d = machine_debug(m);

    (void)state;
    debug_pause(d);
    assert_int_equal(debug_run(d, UINT64_MAX).why, DEBUG_PAUSE);
    assert_int_equal(machine_insns(m), 0);
    assert_int_equal(debug_run(d, 1000).why, DEBUG_NOTHING);
    machine_pause(m);                               /* whoever else wants it back gets it */
    assert_int_equal(debug_run(d, UINT64_MAX).why, DEBUG_NOTHING);
    assert_int_equal(machine_insns(m), 1000);
    at_same_place(plain, m);
    machine_free(plain);
    machine_free(m);
}

/* Every register that can be written holds what was written, and is another one than all that differ. */
static void registers_hold_what_is_written(void **state)
{
    struct machine *m = create(1);
    struct debug *d = machine_debug(m);
    unsigned count, written = 0;
    const struct debug_reg *r = debug_regs(d, &count);

    (void)state;
    assert_true(count > 200);
    for (unsigned n = 0; n < count; n++) {
        uint8_t before[DEBUG_REG_BYTES], value[DEBUG_REG_BYTES], after[DEBUG_REG_BYTES];

        assert_ptr_equal(debug_reg_find(d, r[n].name), &r[n]);      /* no two of one name */
        if (r[n].group == DEBUG_MSR || r[n].group == DEBUG_SYSTEM)
            continue;
        assert_true(debug_reg_read(d, 0, &r[n], before));
        memcpy(value, before, sizeof value);
        value[0] ^= r[n].group == DEBUG_CORE || r[n].bits > 32 ? 0x41 : 0x01;
        if (strcmp(r[n].name, "ftag") == 0)
            value[0] ^= 0x01;
        if (!debug_reg_write(d, 0, &r[n], value))
            continue;
        assert_true(debug_reg_read(d, 0, &r[n], after));
        if (strcmp(r[n].name, "ftag") != 0 && strcmp(r[n].name, "fstat") != 0)   /* parts of these follow from others */
            assert_memory_equal(after, value, r[n].bits / 8u);
        assert_true(debug_reg_write(d, 0, &r[n], before));
        written++;
    }
    assert_true(written > 120);
    machine_free(m);
}

static void vectors_are_one_register_in_parts(void **state)
{
    struct machine *m = create(1);
    struct debug *d = machine_debug(m);
    uint8_t value[DEBUG_REG_BYTES];

    (void)state;
    memset(value, 0xab, sizeof value);
    assert_true(debug_reg_write(d, 0, debug_reg_find(d, "ymm3h"), value));
    assert_int_equal(reg(d, "xmm3"), 0);
    assert_true(reg(d, "ymm3h") == 0xabababababababab);
    assert_int_equal(reg(d, "ymm4h"), 0);
    assert_int_equal(reg(d, "zmm3h"), 0);
    assert_true(debug_reg_write(d, 0, debug_reg_find(d, "st1"), value));
    assert_true(reg(d, "st1") == 0xabababababababab);
    assert_int_equal(reg(d, "st0"), 0);
    machine_free(m);
}

static void refused_values_change_nothing(void **state)
{
    struct machine *m = create(1);
    struct debug *d = machine_debug(m);
    uint64_t hash = machine_hash(m);
    uint8_t value[DEBUG_REG_BYTES];

    (void)state;
    memset(value, 0xff, sizeof value);
    assert_false(debug_reg_write(d, 0, debug_reg_find(d, "cr0"), value));
    assert_false(debug_reg_write(d, 0, debug_reg_find(d, "mxcsr"), value));
    assert_false(debug_reg_write(d, 0, debug_reg_find(d, "cs"), value));
    assert_false(debug_msr_write(d, 0, 0x12345678, 1));
    assert_true(machine_hash(m) == hash);
    machine_free(m);
}

static void memory_is_read_and_written(void **state)
{
    struct machine *m = create(1);
    struct debug *d = machine_debug(m);
    uint64_t hash = machine_hash(m), gpa;
    uint8_t bytes[sizeof program];

    (void)state;
    assert_int_equal(debug_read(d, 0, AT(0), bytes, sizeof bytes), sizeof bytes);
    assert_memory_equal(bytes, program, sizeof bytes);
    assert_true(debug_translate(d, 0, AT(0), &gpa));
    assert_int_equal(gpa, AT(0));
    assert_int_equal(debug_read_physical(d, 0, (8u << 20) - 4, bytes, 16), 4);      /* there the memory ends */
    assert_int_equal(debug_read_physical(d, 0, 0xfee00000, bytes, 4), 0);           /* the local APIC is not asked */
    assert_int_equal(debug_read_physical(d, 0, UINT64_MAX, bytes, 4), 0);
    assert_true(machine_hash(m) == hash);

    debug_run(d, 3 + 100 * LOOP_INSNS);                     /* translated by then */
    assert_int_equal(debug_write(d, 0, AT(0x1f), "\x2a", 1), 1);    /* another exit value: code is decoded anew */
    assert_int_equal(debug_write(d, 0, AT(0x1c), "\x90\x90", 2), 2);
    assert_int_equal(debug_run(d, UINT64_MAX).how, RUN_DEBUG_EXIT);
    assert_int_equal(machine_exit_value(m), 0x2a);
    machine_free(m);
}

static void points_that_cannot_be_are_refused(void **state)
{
    struct machine *m = create(1);
    struct debug *d = machine_debug(m);

    (void)state;
    assert_false(debug_add(d, &(struct point){ .kind = POINT_WRITE, .at = 1, .len = 0 }));
    assert_false(debug_add(d, &(struct point){ .kind = POINT_WRITE, .physical = true, .at = 1ull << 52, .len = 1 }));
    assert_false(debug_add(d, &(struct point){ .kind = POINT_READ, .physical = true, .at = 0, .len = POINT_PHYSICAL_MAX + 1 }));
    assert_false(debug_add(d, &(struct point){ .kind = POINT_WRITE, .at = UINT64_MAX, .len = 2 }));
    assert_true(debug_add(d, &(struct point){ .kind = POINT_WRITE, .at = UINT64_MAX, .len = 1 }));
    assert_true(debug_add(d, &(struct point){ .kind = POINT_READ, .at = 0x300000, .len = UINT64_MAX - 0x300000 }));
    assert_true(debug_add(d, &(struct point){ .kind = POINT_WRITE, .physical = true, .at = 0x700000, .len = POINT_PHYSICAL_MAX }));
    assert_int_equal(debug_run(d, 10).why, DEBUG_NOTHING);
    machine_free(m);
}

/* ---- backwards ---- */

#define HASHES 64u

static void steps_back_are_the_steps_undone(void **state)
{
    struct machine *m = create(2);
    struct debug *d = machine_debug(m);
    uint64_t hash[HASHES], start;
    struct err e = debug_travel(d);
    struct debug_stop stop;

    (void)state;
    assert_false(failed(&e));
    debug_run(d, 70001);
    start = machine_insns(m);
    for (unsigned n = 0; n < HASHES; n++) {
        hash[n] = machine_hash(m);
        debug_step(d, 0);
    }
    for (unsigned n = HASHES; n-- > 0;) {
        stop = debug_step_back(d, 0);
        assert_int_equal(stop.why, DEBUG_STEP);
        assert_int_equal(machine_insns(m), start + n);
        assert_true(machine_hash(m) == hash[n]);
    }
    e = debug_goto(d, 2, &stop);
    assert_false(failed(&e));
    assert_int_equal(debug_step_back(d, 0).why, DEBUG_STEP);
    assert_int_equal(debug_step_back(d, 0).why, DEBUG_STEP);
    assert_int_equal(debug_step_back(d, 0).why, DEBUG_BEGIN);
    assert_int_equal(machine_insns(m), 0);
    assert_int_equal(debug_step_back(d, 1).why, DEBUG_BEGIN);       /* one that has never run */
    assert_int_equal(debug_run(d, UINT64_MAX).how, RUN_DEBUG_EXIT); /* and forwards again to the same end */
    assert_int_equal(machine_exit_value(m), 0x15);
    assert_int_equal(debug_step_back(d, 0).why, DEBUG_STEP);
    machine_free(m);
}

/* Every stop of a run forwards is one backwards; a watchpoint's place is then before the store, where the old value is back. */
static void a_run_back_meets_the_same_points(void **state)
{
    const struct point store = { .kind = POINT_BREAK, .at = AT(0x0a) };
    const struct point cell = { .kind = POINT_WRITE, .at = 0x200000 + 4 * 15000, .len = 4 };
    struct machine *m = create(1);
    struct debug *d = machine_debug(m);
    struct err e = debug_travel(d);
    struct debug_stop stop;
    uint32_t value = 1;

    (void)state;
    assert_false(failed(&e));
    debug_run(d, 3 + LOOP_INSNS * 10000);
    assert_true(debug_add(d, &cell));
    stop = debug_run_back(d);
    assert_int_equal(stop.why, DEBUG_WATCH);
    assert_int_equal(stop.vp, 0);
    assert_int_equal(stop.insns, 3 + LOOP_INSNS * 5000 + 1);
    assert_int_equal(machine_insns(m), stop.insns);
    assert_int_equal(reg(d, "rip"), AT(0x0a));
    debug_read(d, 0, cell.at, &value, 4);
    assert_int_equal(value, 0);
    assert_int_equal(debug_run_back(d).why, DEBUG_BEGIN);
    assert_int_equal(machine_insns(m), 0);
    stop = debug_run(d, UINT64_MAX);
    assert_int_equal(stop.insns, 3 + LOOP_INSNS * 5000 + 2);
    assert_true(debug_remove(d, &cell));

    assert_true(debug_add(d, &store));
    for (unsigned n = 5000; n > 4980; n--) {
        stop = debug_run_back(d);
        assert_int_equal(stop.why, DEBUG_BREAK);
        assert_int_equal(machine_insns(m), 3 + LOOP_INSNS * n + 1);
    }
    stop = debug_run(d, UINT64_MAX);                /* not this one again */
    assert_int_equal(stop.insns, 3 + LOOP_INSNS * 4982 + 1);
    machine_free(m);
}

/* What is changed in the past makes another future. */
static void a_changed_past_has_another_future(void **state)
{
    struct machine *m = create(1);
    struct debug *d = machine_debug(m);
    struct err e = debug_travel(d);
    struct debug_stop stop;

    (void)state;
    assert_false(failed(&e));
    assert_int_equal(debug_run(d, UINT64_MAX).how, RUN_DEBUG_EXIT);
    assert_int_equal(machine_exit_value(m), 0x15);
    e = debug_goto(d, 5000, &stop);
    assert_false(failed(&e));
    assert_int_equal(debug_write(d, 0, AT(0x1f), "\x2a", 1), 1);
    assert_int_equal(debug_run(d, UINT64_MAX).how, RUN_DEBUG_EXIT);
    assert_int_equal(machine_exit_value(m), 0x2a);
    e = debug_goto(d, 4999, &stop);
    assert_false(failed(&e));
    machine_free(m);
}

/* Whatever is done in a branch, one comes back to where it was left, with its past and the future that it had; so often as one likes. */
static void a_branch_leads_back(void **state)
{
    struct machine *m = create(1);
    struct debug *d = machine_debug(m);
    struct debug_stop stop;
    uint64_t here, before;

    (void)state;
    must(debug_travel(d));
    assert_int_equal(debug_run(d, UINT64_MAX).how, RUN_DEBUG_EXIT);
    must(debug_goto(d, 5000, &stop));
    here = machine_hash(m);
    for (unsigned round = 0; round < 3; round++) {
        before = snapshots_memory(m->snapshots);
        must(debug_fork(d, "here"));
        assert_true(snapshots_memory(m->snapshots) - before < 65536);       /* nothing is copied */
        assert_true(machine_hash(m) == here);
        assert_int_equal(debug_write(d, 0, AT(0x1f), "\x2a", 1), 1);
        assert_int_equal(debug_run(d, UINT64_MAX).how, RUN_DEBUG_EXIT);
        assert_int_equal(machine_exit_value(m), 0x2a);
        must(debug_goto(d, 6000, &stop));                                   /* a branch has a past */
        if (round == 1)
            must(debug_fork(d, "another"));
        must(debug_load(d, "here"));
        assert_true(machine_hash(m) == here);
        assert_int_equal(debug_run(d, UINT64_MAX).how, RUN_DEBUG_EXIT);
        assert_int_equal(machine_exit_value(m), 0x15);
        must(debug_goto(d, 4000, &stop));
        assert_int_equal(machine_insns(m), 4000);
        must(debug_load(d, "here"));                                        /* once more, of the same history */
        assert_true(machine_hash(m) == here);
    }
    machine_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_debugged_run_is_the_run_itself),
        cmocka_unit_test(a_pause_stops_and_leaves_no_trace),
        cmocka_unit_test(registers_hold_what_is_written),
        cmocka_unit_test(vectors_are_one_register_in_parts),
        cmocka_unit_test(refused_values_change_nothing),
        cmocka_unit_test(memory_is_read_and_written),
        cmocka_unit_test(points_that_cannot_be_are_refused),
        cmocka_unit_test(steps_back_are_the_steps_undone),
        cmocka_unit_test(a_run_back_meets_the_same_points),
        cmocka_unit_test(a_changed_past_has_another_future),
        cmocka_unit_test(a_branch_leads_back),
    };

    return cmocka_run_group_tests_name("debug", tests, write_image, remove_image);
}
