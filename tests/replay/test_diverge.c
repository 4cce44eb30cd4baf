/* SPDX-License-Identifier: MIT
 * Two replays that part: the instruction and the field are found. The broken handler is BSWAP's, wrapped by the linker: for one
 * processor and one operand it is wrong. */
#include "machine/diverge.h"

#include "cpu/internal.h"
#include "machine/internal.h"
#include "tests/replay/guest.h"

insn_fn __real_exec_BSWAP, __wrap_exec_BSWAP;

static const struct cpu *broken;
static uint64_t broken_for;

unsigned __wrap_exec_BSWAP(struct cpu *cpu, const struct insn *i)
{
    if (cpu == broken && cpu->s.gpr[0] == broken_for)
        cpu->s.gpr[0] ^= 0x100;
    return __real_exec_BSWAP(cpu, i);
}

static const uint8_t program[] = {
    0xb9, 0x40, 0x42, 0x0f, 0x00,                   /* mov ecx, 1000000 */
    0x89, 0xc8,                                     /* l: mov eax, ecx */
    0x0f, 0xc8,                                     /* bswap eax */
    0x01, 0xc3,                                     /* add ebx, eax */
    0xe2, 0xf8,                                     /* loop l */
    0xb0, 0x15, 0xe6, 0xf4,                         /* mov al, 15h; out f4h, al */
};
enum { PER_LOOP = 4, BSWAP_AT = 0x100020 + 7 };

static char kernel[] = "/tmp/partita-guest-XXXXXX", file[] = "/tmp/partita-record-XXXXXX";

static int record(void **state)
{
    uint8_t image[32 + sizeof program] = { 0 };
    uint32_t fields[8] = { 0x1badb002, 0x10000, 0u - 0x1badb002 - 0x10000, 0x100000, 0x100000, 0, 0, 0x100020 };
    struct machine_config cfg;
    struct machine *m;

    (void)state;
    memcpy(image, fields, sizeof fields);
    memcpy(image + 32, program, sizeof program);
    put_file(kernel, image, sizeof image);
    put_file(file, "", 0);
    cfg = guest_config(kernel);
    cfg.record = file;
    m = machine_made(&cfg);
    assert_int_equal(machine_run(m, UINT64_MAX), RUN_DEBUG_EXIT);
    machine_free(m);
    return 0;
}

static int clean(void **state)
{
    (void)state;
    return unlink(kernel) | unlink(file);
}

static struct machine *make_blind(const struct recording *r)
{
    struct machine_config cfg;

    recording_config(r, &cfg);
    cfg.replay_blind = true;
    cfg.jit = false;                    /* the translator has a BSWAP of its own */
    return machine_made(&cfg);
}

static struct divergence diverge(uint64_t wrong_for)
{
    struct recording *r = open_recording(file);
    struct machine *a = make_blind(r), *b = make_blind(r);
    struct divergence d;
    struct err e;

    broken = b->vps[0];
    broken_for = wrong_for;
    e = machine_diverge(a, b, &d);
    assert_false(failed(&e));
    broken = NULL;
    machine_free(a);
    machine_free(b);
    recording_close(r);
    return d;
}

static void a_broken_handler_is_found(void **state)
{
    static const uint32_t operands[] = { 1000000, 999999, 777777, 2, 1 };

    (void)state;
    for (unsigned k = 0; k < sizeof operands / sizeof operands[0]; k++) {
        const struct divergence d = diverge(operands[k]);

        assert_true(d.found);
        assert_int_equal(d.within, 1);
        assert_true(d.equal_until == 1 + (uint64_t)(1000000 - operands[k]) * PER_LOOP + 1);
        assert_true(d.rip == BSWAP_AT && d.vp == 0);
        assert_memory_equal(d.code, "\x0f\xc8\x01\xc3", 4);
        assert_non_null(strstr(d.what, "cpu.0: gpr[0] is "));
    }
}

static void equal_machines_have_no_difference(void **state)
{
    const struct divergence d = diverge(UINT64_MAX);

    (void)state;
    assert_false(d.found);
    assert_true(d.equal_until == 1 + 4000000 + 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_broken_handler_is_found),
        cmocka_unit_test(equal_machines_have_no_difference),
    };

    return cmocka_run_group_tests(tests, record, clean);
}
