/* SPDX-License-Identifier: MIT
 * The project in one test, for newcomers: a machine, five instructions, its state saved, compared and brought back. */
#include <stdlib.h>
#include <string.h>

#include "tests/check.h"
#include "tests/cpu/fixture.h"

static void five_instructions_saved_and_restored(void **state)
{
    static const uint8_t code[] = {
        0xb8, 0x05, 0x00, 0x00, 0x00,                               /* mov eax, 5 */
        0x6b, 0xc0, 0x07,                                           /* imul eax, eax, 7 */
        0x89, 0x04, 0x25, 0x00, 0x00, 0x20, 0x00,                   /* mov [200000h], eax */
        0x48, 0xff, 0xc8,                                           /* dec rax */
        0xf4,                                                       /* hlt */
    };
    struct fixture *f = calloc(1, sizeof *f);
    struct device *cpu;
    struct writer saved = { 0 };
    struct reader in;
    uint64_t hash;
    struct err e;

    (void)state;
    /* A processor is wired to address spaces, a clock and nothing else; here a page of RAM and no local APIC. */
    fixture_open(f);
    fixture_mode(f, FIXTURE_LONG);
    fixture_code(f, code, sizeof code);

    /* cpu_run retires exactly what it is given, or says why not. */
    assert_int_equal(cpu_run(f->cpu, 3), CPU_STOP_BUDGET);
    assert_int_equal(cpu_reg(f->cpu, CPU_REG_RAX), 35);
    assert_int_equal(fixture_read(f, 0x200000, 4), 35);
    assert_int_equal(f->clock.state.insns, 3);
    assert_int_equal(clock_ns(&f->clock), 3 * f->clock.state.ps_per_insn / 1000);

    /* Its state is one list of fields: saved, hashed, and later loaded by the same list. */
    cpu = device_find(&f->tree, "cpu.0");
    assert_non_null(cpu);
    device_save(cpu, &saved);
    hash = device_hash(cpu, 0);

    assert_int_equal(cpu_run(f->cpu, 100), CPU_STOP_IDLE);          /* dec, hlt */
    assert_int_equal(cpu_reg(f->cpu, CPU_REG_RAX), 34);
    assert_true(device_hash(cpu, 0) != hash);

    in = reader_of(saved.bytes, saved.len);
    e = device_load(cpu, &in);
    assert_false(failed(&e));
    assert_true(reader_done(&in));
    assert_true(device_hash(cpu, 0) == hash);
    assert_int_equal(cpu_reg(f->cpu, CPU_REG_RAX), 35);

    /* Decoded code and translations are caches: without them the same instructions do the same. */
    cpu_drop_caches(f->cpu);
    assert_int_equal(cpu_run(f->cpu, 100), CPU_STOP_IDLE);
    assert_int_equal(cpu_reg(f->cpu, CPU_REG_RAX), 34);
    writer_free(&saved);
    fixture_close(f);
    free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(five_instructions_saved_and_restored) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
