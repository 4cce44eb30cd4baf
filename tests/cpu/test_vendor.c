/* SPDX-License-Identifier: MIT
 * Where Intel's and AMD's processors differ, the model's vendor decides: docs/vendors.md lists all, with the test of each.
 * What only flags tell of is tests/cpu/test_int.c's. */
#include "tests/check.h"

#include "cpu/cpuid.h"
#include "cpu/decoder/decode.h"
#include "cpu/msr.h"
#include "cpu/xsave.h"
#include "tests/cpu/steps.h"

static struct fixture fixture;
static struct fixture *const f = &fixture;

static void open_as(enum vendor vendor, enum fixture_mode mode)
{
    fixture_open_model(f, vendor == VENDOR_AMD ? "max,+cr8_legacy,vendor=AuthenticAMD" : "max");
    fixture_mode(f, mode);
}

/* One fresh instruction at a privilege level of a fresh processor: the vector, or -1. */
static int once(enum vendor vendor, enum fixture_mode mode, unsigned cpl, const char *bytes, size_t len)
{
    int vector;

    open_as(vendor, mode);
    f->cpu->p.sysenter_cs = 0x18;
    f->cpu->p.sysenter_eip = f->cpu->p.lstar = f->cpu->p.cstar = 0x40000;
    f->cpu->p.star = 0x0018000800040000u;
    f->cpu->p.efer |= EFER_SCE;
    fixture_privilege(f, cpl);
    vector = step_fresh(f, bytes, len);
    return vector;
}
#define ONCE(vendor, mode, cpl, text) once(vendor, mode, cpl, text, sizeof text - 1)

static void syscall_is_of_long_mode_on_intel(void **state)
{
    (void)state;
    assert_int_equal(ONCE(VENDOR_INTEL, FIXTURE_FLAT32, 3, "\x0f\x05"), VEC_UD);
    fixture_close(f);
    assert_int_equal(ONCE(VENDOR_AMD, FIXTURE_FLAT32, 3, "\x0f\x05"), -1);
    assert_int_equal(f->cpu->p.rip, 0x40000);
    assert_int_equal(f->cpu->p.cpl, 0);
    fixture_close(f);
}

static void sysenter_is_of_legacy_mode_on_amd(void **state)
{
    (void)state;
    assert_int_equal(ONCE(VENDOR_INTEL, FIXTURE_LONG, 3, "\x0f\x34"), -1);
    fixture_close(f);
    assert_int_equal(ONCE(VENDOR_AMD, FIXTURE_LONG, 3, "\x0f\x34"), VEC_UD);
    fixture_close(f);
    assert_int_equal(ONCE(VENDOR_AMD, FIXTURE_LONG, 0, "\x0f\x35"), VEC_UD);
    fixture_close(f);
    assert_int_equal(ONCE(VENDOR_AMD, FIXTURE_FLAT32, 3, "\x0f\x34"), -1);
    fixture_close(f);
}

/* The frame of the #GP tells where it came from. */
static void sysret_to_no_canonical_address(void **state)
{
    static const uint8_t sysret[] = { 0x48, 0x0f, 0x07 };

    (void)state;
    for (enum vendor v = VENDOR_INTEL; v <= VENDOR_AMD; v++) {
        open_as(v, FIXTURE_LONG);
        fixture_privilege(f, 3);        /* a TSS with a stack for level 0 */
        fixture_mode(f, FIXTURE_LONG);
        f->cpu->p.star = 0x0018000800000000u;
        f->cpu->s.gpr[RCX] = 0x0000800000000000u;
        f->cpu->s.gpr[R11] = 2;
        fixture_code(f, sysret, sizeof sysret);
        f->cpu->p.rip = FIXTURE_CODE;
        assert_int_equal(fixture_run(f, 100), VEC_GP);
        assert_int_equal(stacked(f, 1, 8), v == VENDOR_INTEL ? FIXTURE_CODE : 0x0000800000000000u);
        assert_int_equal(stacked(f, 2, 8) & 3, v == VENDOR_INTEL ? 0 : 3);
        fixture_close(f);
    }
}

static void sysret_leaves_the_stack_segments_attributes_on_amd(void **state)
{
    (void)state;
    for (enum vendor v = VENDOR_INTEL; v <= VENDOR_AMD; v++) {
        open_as(v, FIXTURE_LONG);
        f->cpu->p.star = 0x0018000800000000u;
        f->cpu->p.seg_attr[SEG_SS] = SEG_UNUSABLE;
        f->cpu->p.seg_sel[SEG_SS] = 0;
        f->cpu->s.gpr[RCX] = FIXTURE_CODE;
        assert_int_equal(FRESH("\x48\x0f\x07"), -1);
        assert_int_equal(f->cpu->p.seg_sel[SEG_SS], 0x23);
        assert_int_equal(f->cpu->p.seg_attr[SEG_SS], v == VENDOR_INTEL ? 0xc0f3 : SEG_UNUSABLE);
        fixture_close(f);
    }
}

/* APM 3 "Near Branches in 64-Bit Mode": 66 makes the operand, and RIP, 16 bits on AMD; Intel ignores it. */
/* SDM 2B "PUSH", APM 3 "PUSH": what becomes of the upper half of a slot of four bytes. */
static void push_of_a_selector_in_four_bytes(void **state)
{
    static const uint8_t old[4] = { 0x11, 0x22, 0x33, 0x44 };

    (void)state;
    for (enum vendor v = VENDOR_INTEL; v <= VENDOR_AMD; v++) {
        open_as(v, FIXTURE_FLAT32);
        fixture_put(f, FIXTURE_STACK - 4, old, sizeof old);
        assert_int_equal(FRESH("\x06"), -1);
        assert_int_equal(f->cpu->s.gpr[RSP], FIXTURE_STACK - 4);
        assert_int_equal(fixture_read(f, FIXTURE_STACK - 4, 4),
                         f->cpu->p.seg_sel[SEG_ES] | (v == VENDOR_INTEL ? 0x44330000u : 0));
        fixture_close(f);
    }
}

static void operand_size_prefix_of_near_branches(void **state)
{
    static const uint8_t far_call[] = { 0x66, 0xe8, 0x10, 0x00, 0x34, 0x12 };
    struct insn i;

    (void)state;
    assert_int_equal(decode(&i, far_call, sizeof far_call, DECODE_64), DECODED);
    assert_int_equal(i.len, 6);
    assert_int_equal(i.width, 8);
    assert_int_equal(decode(&i, far_call, sizeof far_call, (enum decode_mode)(DECODE_64 | DECODE_AMD)), DECODED);
    assert_int_equal(i.len, 4);
    assert_int_equal(i.width, 2);
    open_as(VENDOR_AMD, FIXTURE_LONG);
    assert_int_equal(FRESH("\x66\xeb\x10"), -1);
    assert_int_equal(f->cpu->p.rip, (FIXTURE_CODE + 0x13) & 0xffff);
    fixture_mode(f, FIXTURE_LONG);
    assert_int_equal(FRESH("\x66\xe8\x10\x00"), -1);
    assert_int_equal(f->cpu->s.gpr[RSP], FIXTURE_STACK - 2);
    assert_int_equal(fixture_read(f, FIXTURE_STACK - 2, 2), (FIXTURE_CODE + 4) & 0xffff);
    fixture_close(f);
    open_as(VENDOR_INTEL, FIXTURE_LONG);
    assert_int_equal(FRESH("\x66\xeb\x10"), -1);
    assert_int_equal(f->cpu->p.rip, FIXTURE_CODE + 0x13);
    fixture_close(f);
}

/* lfs rax, [rsi] with REX.W: 64-bit offset and selector on Intel; a 32-bit offset on AMD. */
static void far_pointers_have_32_bit_offsets_on_amd(void **state)
{
    static const uint8_t pointer[10] = { 0x11, 0x22, 0x33, 0x44, 0x10, 0x00, 0x77, 0x88, 0x10, 0x00 };

    (void)state;
    for (enum vendor v = VENDOR_INTEL; v <= VENDOR_AMD; v++) {
        open_as(v, FIXTURE_LONG);
        fixture_put(f, FIXTURE_DATA, pointer, sizeof pointer);
        f->cpu->s.gpr[RSI] = FIXTURE_DATA;
        assert_int_equal(FRESH("\x48\x0f\xb4\x06"), -1);
        assert_true(f->cpu->s.gpr[RAX] == (v == VENDOR_INTEL ? 0x8877001044332211u : 0x44332211u));
        fixture_close(f);
    }
}

static void prefetch_of_a_register(void **state)
{
    (void)state;
    assert_int_equal(ONCE(VENDOR_INTEL, FIXTURE_LONG, 0, "\x0f\x0d\xc8"), -1);
    fixture_close(f);
    assert_int_equal(ONCE(VENDOR_AMD, FIXTURE_LONG, 0, "\x0f\x0d\xc8"), VEC_UD);
    fixture_close(f);
    assert_int_equal(ONCE(VENDOR_AMD, FIXTURE_LONG, 0, "\x0f\x0d\x0e"), -1);
    fixture_close(f);
}

static enum intercept done(void *self, struct cpu *cpu)
{
    (void)self, (void)cpu;
    return DONE;
}

static void each_vendor_has_its_hypercall(void **state)
{
    static const struct cpu_host host = { .hypercall = done };

    (void)state;
    for (enum vendor v = VENDOR_INTEL; v <= VENDOR_AMD; v++) {
        open_as(v, FIXTURE_LONG);
        cpu_set_host(f->cpu, &host, NULL);
        assert_int_equal(FRESH("\x0f\x01\xc1"), v == VENDOR_INTEL ? -1 : VEC_UD);
        fixture_mode(f, FIXTURE_LONG);
        assert_int_equal(FRESH("\x0f\x01\xd9"), v == VENDOR_AMD ? -1 : VEC_UD);
        fixture_close(f);
    }
}

static bool has_msr(uint32_t msr)
{
    uint64_t value;

    return cpu_read_msr(f->cpu, msr, &value);
}

static void registers_of_one_vendor(void **state)
{
    static const uint32_t intels[] = { 0x17, 0x1a0, 0x1fc }, amds[] = { 0xc0010010, 0xc0010015, 0xc0010114, 0xc0011029 };

    (void)state;
    for (enum vendor v = VENDOR_INTEL; v <= VENDOR_AMD; v++) {
        open_as(v, FIXTURE_LONG);
        for (unsigned k = 0; k < COUNT_OF(intels); k++)
            assert_int_equal(has_msr(intels[k]), v == VENDOR_INTEL);
        for (unsigned k = 0; k < COUNT_OF(amds); k++)
            assert_int_equal(has_msr(amds[k]), v == VENDOR_AMD);
        fixture_close(f);
    }
}

/* fnop's pointers, then fxsave [rsi]: AMD shows them with an exception pending, or with RstrFpErrPtrs. */
static void fxsave_shows_pointers(void **state)
{
    static const struct { const char *model; bool pending, shown; } cases[] = {
        { "max", false, true }, { "max,vendor=AuthenticAMD", false, false }, { "max,vendor=AuthenticAMD", true, true },
        { "max,+xsaveerptr,vendor=AuthenticAMD", false, true }, { "EPYC-Rome", false, true },
    };

    (void)state;
    for (unsigned k = 0; k < COUNT_OF(cases); k++) {
        fixture_open_model(f, cases[k].model);
        fixture_mode(f, FIXTURE_LONG);
        f->cpu->s.fpu_ip = 0x1234;
        f->cpu->s.fsw = cases[k].pending ? 0x8081 : 0;
        f->cpu->s.gpr[RSI] = FIXTURE_DATA;
        assert_int_equal(FRESH("\x48\x0f\xae\x06"), -1);
        assert_int_equal(fixture_read(f, FIXTURE_DATA + 8, 8), cases[k].shown ? 0x1234 : 0);
        fixture_close(f);
    }
}

/* Leaf 0Dh, XSAVE and XRSTOR agree on where opmasks (k1, k7), ZMM8 and ZMM24 above AVX's part, and PKRU lie: Intel's models
 * leave MPX its place, AMD's do not (seen on Zen 3 and Zen 4). */
static void xsave_areas_have_no_place_for_mpx_on_amd(void **state)
{
    static const struct { const char *model; uint64_t mask; uint32_t size, opmask, zmm_high, zmm16, pkru; } cases[] = {
        { "max", 0x2e7, 0xa88, 0x440, 0x480, 0x680, 0xa80 }, { "SapphireRapids", 0x2e7, 0xa88, 0x440, 0x480, 0x680, 0xa80 },
        { "EPYC-Genoa", 0x2e7, 0x988, 0x340, 0x380, 0x580, 0x980 }, { "EPYC-Milan", 0x207, 0x988, 0, 0, 0, 0x980 },
        { "max,vendor=AuthenticAMD", 0x2e7, 0x988, 0x340, 0x380, 0x580, 0x980 },
    };

    (void)state;
    for (unsigned n = 0; n < COUNT_OF(cases); n++) {
        const uint32_t at[] = { cases[n].opmask, cases[n].zmm_high, cases[n].zmm16, cases[n].pkru };
        static const unsigned component[] = { 5, 6, 7, 9 };
        bool avx512;

        fixture_open_model(f, cases[n].model);
        fixture_mode(f, FIXTURE_LONG);
        avx512 = cpu_has(f->cpu, F_AVX512F);
        f->cpu->p.cr4 |= CR4_OSXSAVE | CR4_PKE;
        f->cpu->s.xcr0 = cases[n].mask;
        assert_int_equal(cpuid_leaf(f->cpu, 0xd, 0).eax, cases[n].mask);
        assert_int_equal(cpuid_leaf(f->cpu, 0xd, 0).ebx, cases[n].size);
        for (unsigned k = 0; k < 4; k++)
            assert_int_equal(cpuid_leaf(f->cpu, 0xd, component[k]).ebx, at[k]);
        f->cpu->s.pkru = 0x55555554;
        if (avx512)
            f->cpu->s.k[7] = 0x7777, f->cpu->s.zmm[8 * 8 + 4] = 0x8888, f->cpu->s.zmm[8 * 24] = 0x2424;
        f->cpu->s.gpr[RSI] = FIXTURE_DATA;
        f->cpu->s.gpr[RAX] = cases[n].mask;
        f->cpu->s.gpr[RDX] = 0;
        assert_int_equal(FRESH("\x48\x0f\xae\x26"), -1);                                        /* xsave64 [rsi] */
        assert_int_equal(fixture_read(f, FIXTURE_DATA + at[3], 4), 0x55555554);
        if (avx512) {
            assert_int_equal(fixture_read(f, FIXTURE_DATA + at[0] + 7 * 8, 8), 0x7777);
            assert_int_equal(fixture_read(f, FIXTURE_DATA + at[1] + 8 * 32, 8), 0x8888);
            assert_int_equal(fixture_read(f, FIXTURE_DATA + at[2] + 8 * 64, 8), 0x2424);
        }
        f->cpu->s.pkru = 0;
        memset(f->cpu->s.k, 0, sizeof f->cpu->s.k);
        memset(f->cpu->s.zmm, 0, sizeof f->cpu->s.zmm);
        assert_int_equal(FRESH("\x48\x0f\xae\x2e"), -1);                                        /* xrstor64 [rsi] */
        assert_int_equal(f->cpu->s.pkru, 0x55555554);
        assert_int_equal(f->cpu->s.k[7], avx512 ? 0x7777 : 0);
        assert_int_equal(f->cpu->s.zmm[8 * 8 + 4], avx512 ? 0x8888 : 0);
        assert_int_equal(f->cpu->s.zmm[8 * 24], avx512 ? 0x2424 : 0);
        fixture_close(f);
    }
}

static void cpuid_shows_syscall_by_mode_on_intel(void **state)
{
    (void)state;
    for (enum vendor v = VENDOR_INTEL; v <= VENDOR_AMD; v++) {
        open_as(v, FIXTURE_FLAT32);
        f->cpu->s.gpr[RAX] = 0x80000001;
        assert_int_equal(FRESH("\x0f\xa2"), -1);
        assert_int_equal(f->cpu->s.gpr[RDX] >> 11 & 1, v == VENDOR_AMD);
        f->cpu->s.gpr[RAX] = 0x12345678;            /* beyond the last */
        assert_int_equal(FRESH("\x0f\xa2"), -1);
        assert_int_equal(f->cpu->s.gpr[RAX] == 0, v == VENDOR_AMD);
        fixture_close(f);
    }
}

static void lock_mov_cr0_is_cr8_on_amd(void **state)
{
    (void)state;
    for (enum vendor v = VENDOR_INTEL; v <= VENDOR_AMD; v++) {
        struct fake_apic apic;

        open_as(v, FIXTURE_FLAT32);
        give_apic(f, &apic);
        apic.tpr = 0x70;
        f->cpu->s.gpr[RAX] = 0;
        assert_int_equal(FRESH("\xf0\x0f\x20\xc0"), v == VENDOR_AMD ? -1 : VEC_UD);
        assert_int_equal(f->cpu->s.gpr[RAX], v == VENDOR_AMD ? 7 : 0);
        fixture_close(f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(syscall_is_of_long_mode_on_intel),
        cmocka_unit_test(sysenter_is_of_legacy_mode_on_amd),
        cmocka_unit_test(sysret_to_no_canonical_address),
        cmocka_unit_test(sysret_leaves_the_stack_segments_attributes_on_amd),
        cmocka_unit_test(push_of_a_selector_in_four_bytes),
        cmocka_unit_test(operand_size_prefix_of_near_branches),
        cmocka_unit_test(far_pointers_have_32_bit_offsets_on_amd),
        cmocka_unit_test(prefetch_of_a_register),
        cmocka_unit_test(each_vendor_has_its_hypercall),
        cmocka_unit_test(registers_of_one_vendor),
        cmocka_unit_test(fxsave_shows_pointers),
        cmocka_unit_test(xsave_areas_have_no_place_for_mpx_on_amd),
        cmocka_unit_test(cpuid_shows_syscall_by_mode_on_intel),
        cmocka_unit_test(lock_mov_cr0_is_cr8_on_amd),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
