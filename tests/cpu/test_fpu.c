/* SPDX-License-Identifier: MIT
 * The x87 as a part of the processor: environments by mode and size, the last-instruction pointers, availability, and the
 * error that waits, by #MF and by the external line. */
#include "tests/check.h"

#include <string.h>

#include "cpu/fpu.h"
#include "tests/cpu/fixture.h"

static struct fixture f;

static int open_it(void **state)
{
    (void)state;
    fixture_open(&f);
    x87_init(f.cpu);
    return 0;
}

static int close_it(void **state)
{
    (void)state;
    fixture_close(&f);
    return 0;
}

static int run_code(const void *code, size_t len)
{
    fixture_put(&f, f.cpu->p.rip, code, len);
    return fixture_run(&f, 50);
}
#define RUN_CODE(...) run_code((const uint8_t[]){ __VA_ARGS__, 0xf4 }, sizeof (const uint8_t[]){ __VA_ARGS__, 0xf4 })

static uint64_t at(uint64_t offset, unsigned bytes) { return fixture_read(&f, FIXTURE_DATA + offset, bytes); }

static void set_pointers(void)
{
    f.cpu->s.fpu_ip = 0x12345678;
    f.cpu->s.fpu_cs = 0x1000;
    f.cpu->s.fpu_dp = 0x87654321;
    f.cpu->s.fpu_ds = 0x2000;
    f.cpu->s.fop = 0x5a5;
}

/* SDM 1 "Protected Mode x87 FPU State Image in Memory, 32-Bit Format". fnstenv [edi] */
static void environment_of_32_bits_protected(void **state)
{
    (void)state;
    fixture_mode(&f, FIXTURE_FLAT32);
    f.cpu->s.gpr[RDI] = FIXTURE_DATA;
    set_pointers();
    assert_int_equal(RUN_CODE(0xd9, 0x37), -1);
    assert_int_equal(at(0, 4), 0xffff037f);
    assert_int_equal(at(8, 4), 0xffffffff);
    assert_int_equal(at(12, 4), 0x12345678);
    assert_int_equal(at(16, 4), 0x5a51000);
    assert_int_equal(at(20, 4), 0x87654321);
    assert_int_equal(at(24, 4) & 0xffff, 0x2000);
}

/* The 16-bit format; then FLDENV reads it back. data16 fnstenv [edi]; data16 fldenv [edi] */
/* CPUID.7.0:EBX[6] and [13] off: the data pointer follows every instruction, and selectors are kept. */
static void keep_all_pointers(void)
{
    f.cpu->config.features[F_FDP_EXCPTN_ONLY / 64] &= ~BIT64(F_FDP_EXCPTN_ONLY % 64);
    f.cpu->config.features[F_ZERO_FCS_FDS / 64] &= ~BIT64(F_ZERO_FCS_FDS % 64);
}

static void environment_of_16_bits_protected(void **state)
{
    (void)state;
    keep_all_pointers();
    fixture_mode(&f, FIXTURE_FLAT32);
    f.cpu->s.gpr[RDI] = FIXTURE_DATA;
    set_pointers();
    f.cpu->s.ftag = 0x81;
    f.cpu->s.fpr_mant[7] = 1ull << 63;
    f.cpu->s.fpr_se[7] = 0x3fff;
    assert_int_equal(RUN_CODE(0x66, 0xd9, 0x37), -1);
    assert_int_equal(at(0, 2), 0x37f);
    assert_int_equal(at(4, 2), 0x3ffd);         /* R7 valid, R0 zero, the rest empty */
    assert_int_equal(at(6, 2), 0x5678);
    assert_int_equal(at(8, 2), 0x1000);
    assert_int_equal(at(10, 2), 0x4321);
    assert_int_equal(at(12, 2), 0x2000);
    x87_init(f.cpu);
    f.cpu->p.rip = FIXTURE_CODE;
    f.cpu->p.activity = CPU_RUNNING;
    assert_int_equal(RUN_CODE(0x66, 0xd9, 0x27), -1);
    assert_int_equal(f.cpu->s.ftag, 0x81);
    assert_int_equal(f.cpu->s.fpu_ip, 0x5678);
    assert_int_equal(f.cpu->s.fpu_ds, 0x2000);
}

/* Real mode holds linear addresses. fnstenv [di]; data32 fnstenv [di] */
static void environments_of_real_mode(void **state)
{
    (void)state;
    fixture_mode(&f, FIXTURE_REAL);
    f.cpu->s.gpr[RDI] = 0x4000;
    set_pointers();
    f.cpu->s.fpu_ip = 0x5678;
    f.cpu->s.fpu_dp = 0x4321;
    assert_int_equal(RUN_CODE(0xd9, 0x35), -1);
    assert_int_equal(fixture_read(&f, 0x4006, 2), 0x5678);              /* 1000:5678 = 15678 */
    assert_int_equal(fixture_read(&f, 0x4008, 2), 0x1000 | 0x5a5);
    assert_int_equal(fixture_read(&f, 0x400a, 2), 0x4321);
    assert_int_equal(fixture_read(&f, 0x400c, 2), 0x2000);
    f.cpu->p.rip = 0x8000;
    f.cpu->p.activity = CPU_RUNNING;
    assert_int_equal(RUN_CODE(0x66, 0xd9, 0x35), -1);
    assert_int_equal(fixture_read(&f, 0x400c, 4), 0xffff5678);
    assert_int_equal(fixture_read(&f, 0x4010, 4), 0x1000 | 0x5a5);
}

/* SDM 1 "x87 FPU Instruction and Data (Operand) Pointers": fld1 leaves the data pointer, fld [rdi] sets both, fnstcw
 * neither. */
static void pointers_follow_instructions(void **state)
{
    (void)state;
    keep_all_pointers();
    fixture_mode(&f, FIXTURE_LONG);
    f.cpu->s.gpr[RDI] = FIXTURE_DATA;
    f.cpu->s.fpu_dp = 0x99;
    assert_int_equal(RUN_CODE(0x90, 0xd9, 0xe8), -1);
    assert_int_equal(f.cpu->s.fpu_ip, FIXTURE_CODE + 1);
    assert_int_equal(f.cpu->s.fpu_cs, 0x08);
    assert_int_equal(f.cpu->s.fpu_dp, 0x99);
    f.cpu->p.rip = FIXTURE_CODE;
    f.cpu->p.activity = CPU_RUNNING;
    assert_int_equal(RUN_CODE(0x90, 0x90, 0xd9, 0x47, 0x08, 0xd9, 0x3f), -1);
    assert_int_equal(f.cpu->s.fpu_ip, FIXTURE_CODE + 2);
    assert_int_equal(f.cpu->s.fpu_dp, FIXTURE_DATA + 8);
}

/* With both bits on, as `max` has them: no selectors, and a data pointer only from an instruction that raises an unmasked
 * exception. fld dword [rdi] of a signalling NaN */
static void data_pointer_of_exceptions_only(void **state)
{
    (void)state;
    fixture_mode(&f, FIXTURE_LONG);
    fixture_put(&f, FIXTURE_DATA, "\1\0\x80\x7f", 4);
    f.cpu->s.gpr[RDI] = FIXTURE_DATA;
    f.cpu->s.fpu_dp = 0x99;
    assert_int_equal(RUN_CODE(0xd9, 0x07), -1);
    assert_int_equal(f.cpu->s.fpu_ip, FIXTURE_CODE);
    assert_int_equal(f.cpu->s.fpu_cs, 0);
    assert_int_equal(f.cpu->s.fpu_dp, 0x99);
    f.cpu->s.fcw &= (uint16_t)~FSW_IE;
    f.cpu->s.fsw = 0;
    f.cpu->s.ftag = 0;
    f.cpu->p.rip = FIXTURE_CODE;
    f.cpu->p.activity = CPU_RUNNING;
    assert_int_equal(RUN_CODE(0xd9, 0x07), -1);
    assert_int_equal(f.cpu->s.fpu_dp, FIXTURE_DATA);
    assert_int_equal(f.cpu->s.fpu_ds, 0);
}

/* SDM 3A "Device Not Available": EM or TS for x87, MP with TS for WAIT. */
static void availability(void **state)
{
    static const struct { uint64_t cr0; int x87, wait; } rows[] = {
        { 0, -1, -1 }, { CR0_EM, VEC_NM, -1 }, { CR0_TS, VEC_NM, -1 }, { CR0_MP, -1, -1 },
        { CR0_MP | CR0_TS, VEC_NM, VEC_NM }, { CR0_EM | CR0_TS, VEC_NM, -1 }, { CR0_EM | CR0_MP, VEC_NM, -1 },
    };

    (void)state;
    for (unsigned n = 0; n < COUNT_OF(rows); n++) {
        fixture_mode(&f, FIXTURE_LONG);
        f.cpu->p.cr0 = (f.cpu->p.cr0 & ~(uint64_t)(CR0_EM | CR0_TS | CR0_MP)) | rows[n].cr0;
        assert_int_equal(RUN_CODE(0xd9, 0xe8), rows[n].x87);
        fixture_mode(&f, FIXTURE_LONG);
        f.cpu->p.cr0 = (f.cpu->p.cr0 & ~(uint64_t)(CR0_EM | CR0_TS | CR0_MP)) | rows[n].cr0;
        assert_int_equal(RUN_CODE(0x9b), rows[n].wait);
    }
}

/* fldz; fld1; fdivr: 1 / 0 unmasked leaves the operands, and only the next waiting instruction faults. */
static void an_unmasked_error_waits(void **state)
{
    (void)state;
    fixture_mode(&f, FIXTURE_LONG);
    f.cpu->s.fcw = 0x37b;
    assert_int_equal(RUN_CODE(0xd9, 0xee, 0xd9, 0xe8, 0xd8, 0xf1, 0xdf, 0xe0, 0xd9, 0xe8), VEC_MF);
    assert_int_equal(f.cpu->s.gpr[RAX] & 0xffff, 0xb084);       /* B, TOP 6, ES, ZE */
    assert_int_equal(f.cpu->s.fpr_mant[6], 1ull << 63);         /* still one */
    assert_int_equal(f.cpu->s.fop, 0x0f1);
    assert_int_equal(fixture_read(&f, f.cpu->s.gpr[RSP], 8), FIXTURE_CODE + 8);
}

static unsigned raised, lowered;
static void ferr(void *self, bool level)
{
    (void)self;
    if (level)
        raised++;
    else
        lowered++;
}

/* SDM 1 "MS-DOS Compatibility Sub-mode": CR0.NE clear: the line is raised and the processor waits at the instruction until
 * an interrupt; with IGNNE# held it goes on. FNCLEX lowers the line. */
static void the_error_line_of_dos(void **state)
{
    (void)state;
    raised = lowered = 0;
    fixture_mode(&f, FIXTURE_LONG);
    f.cpu->ports.ferr = ferr;
    f.cpu->p.cr0 &= ~(uint64_t)CR0_NE;
    f.cpu->s.fcw = 0x37b;
    f.cpu->s.fsw = FSW_ZE | FSW_ES | FSW_B;
    fixture_put(&f, FIXTURE_CODE, (const uint8_t[]){ 0x90, 0xd9, 0xe8, 0xdb, 0xe2, 0xf4 }, 6);
    assert_int_equal(cpu_run(f.cpu, 100), CPU_STOP_IDLE);
    assert_int_equal(f.cpu->p.rip, FIXTURE_CODE + 1);
    assert_int_equal(raised, 1);
    assert_int_equal(lowered, 0);
    cpu_set_ignne(f.cpu, true);
    f.cpu->p.activity = CPU_RUNNING;
    assert_int_equal(cpu_run(f.cpu, 100), CPU_STOP_IDLE);
    assert_int_equal(f.cpu->p.rip, FIXTURE_CODE + 6);
    assert_int_equal(f.cpu->s.ftag, 0x80);
    assert_int_equal(lowered, 1);
    assert_int_equal(f.cpu->s.ignne, 0);        /* the latch falls with FERR# */
}

/* SDM 1 "Effect of MMX Instructions on the x87 FPU": paddb mm2, mm1 leaves TOP 0 and every tag valid; emms empties them. */
static void mmx_takes_over_the_registers(void **state)
{
    (void)state;
    fixture_mode(&f, FIXTURE_LONG);
    f.cpu->s.fsw = 5 << FSW_TOP_SHIFT;
    assert_int_equal(RUN_CODE(0x0f, 0xfc, 0xd1), -1);
    assert_int_equal(f.cpu->s.fsw, 0);
    assert_int_equal(f.cpu->s.ftag, 0xff);
    assert_int_equal(f.cpu->s.fpr_se[2], 0xffff);
    fixture_mode(&f, FIXTURE_LONG);
    assert_int_equal(RUN_CODE(0x0f, 0x77), -1);
    assert_int_equal(f.cpu->s.ftag, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_it, close_it)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(environment_of_32_bits_protected), TEST(environment_of_16_bits_protected), TEST(environments_of_real_mode),
        TEST(pointers_follow_instructions), TEST(data_pointer_of_exceptions_only), TEST(availability),
        TEST(an_unmasked_error_waits), TEST(the_error_line_of_dos),
        TEST(mmx_takes_over_the_registers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
