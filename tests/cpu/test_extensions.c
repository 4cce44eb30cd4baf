/* SPDX-License-Identifier: MIT
 * Small extensions of the instruction set: what each does, in every mode, and in which order its faults come. */
#include <string.h>

#include "cpu/cpuid.h"
#include "cpu/tlb.h"
#include "tests/cpu/steps.h"

static struct fixture *const f = &steps_fixture;

static void fill_line(uint64_t at)
{
    uint8_t line[64];

    for (unsigned k = 0; k < 64; k++)
        line[k] = (uint8_t)(k + 1);
    fixture_put(f, at, line, sizeof line);
}

static bool line_is_at(uint64_t at)
{
    for (unsigned k = 0; k < 64; k++)
        if (fixture_read(f, at + k, 1) != k + 1)
            return false;
    return true;
}

static void unmap(uint64_t lin)
{
    uint64_t none = 0;

    fixture_put(f, fixture_entry_at(f, lin, 1), &none, 8);
    tlb_flush_all(f->cpu);
}

/* ---- SDM 2B "MOVDIRI", "MOVDIR64B" ---- */

#define MOVDIRI     "\x0f\x38\xf9\x07"              /* movdiri [rdi], eax */
#define MOVDIR64B   "\x66\x0f\x38\xf8\x07"          /* movdir64b rax, [rdi] */

static void movdiri_stores_four_or_eight_bytes(void **state)
{
    (void)state;
    f->cpu->s.gpr[RDI] = FIXTURE_DATA + 3;                                      /* no alignment is asked for */
    f->cpu->s.gpr[RAX] = 0x1122334455667788;
    assert_int_equal(FRESH(MOVDIRI), -1);
    assert_int_equal(fixture_read(f, FIXTURE_DATA + 3, 8), 0x55667788);
    assert_int_equal(FRESH("\x48" MOVDIRI), -1);
    assert_int_equal(fixture_read(f, FIXTURE_DATA + 3, 8), 0x1122334455667788);
    assert_int_equal(FRESH("\x0f\x38\xf9\xc7"), VEC_UD);                        /* registers only */
    assert_int_equal(FRESH("\x66" MOVDIRI), VEC_UD);
    assert_int_equal(FRESH("\xf3" MOVDIRI), VEC_UD);
    assert_int_equal(FRESH("\xf0" MOVDIRI), VEC_UD);
    f->cpu->config.features[F_MOVDIRI / 64] &= ~BIT64(F_MOVDIRI % 64);
    cpu_drop_caches(f->cpu);
    assert_int_equal(FRESH(MOVDIRI), VEC_UD);
}

static void movdiri_faults_like_a_store(void **state)
{
    (void)state;
    fixture_small_pages(f, FIXTURE_DATA);
    unmap(FIXTURE_DATA + 0x1000);
    f->cpu->s.gpr[RDI] = FIXTURE_DATA + 0xffe;
    f->cpu->s.gpr[RAX] = ~(uint64_t)0;
    assert_int_equal(FRESH(MOVDIRI), VEC_PF);
    assert_int_equal(f->cpu->s.cr2, FIXTURE_DATA + 0x1000);
    assert_int_equal(stacked(f, 0, 8), 2);
    assert_int_equal(fixture_read(f, FIXTURE_DATA + 0xffe, 2), 0);
    f->cpu->s.gpr[RDI] = BIT64(63);
    assert_int_equal(FRESH(MOVDIRI), VEC_GP);
}

static void movdir64b_moves_a_line(void **state)
{
    (void)state;
    fill_line(FIXTURE_DATA + 5);                                                /* the source need not be aligned */
    f->cpu->s.gpr[RDI] = FIXTURE_DATA + 5;
    f->cpu->s.gpr[RAX] = FIXTURE_DATA + 0x100;
    assert_int_equal(FRESH(MOVDIR64B), -1);
    assert_true(line_is_at(FIXTURE_DATA + 0x100));
    f->cpu->s.gpr[RAX] = 0xabcd00000000 | (FIXTURE_DATA + 0x200);
    assert_int_equal(FRESH("\x67" MOVDIR64B), -1);                              /* EAX: the address size counts */
    assert_true(line_is_at(FIXTURE_DATA + 0x200));
    assert_int_equal(FRESH("\x0f\x38\xf8\x07"), VEC_UD);
    assert_int_equal(FRESH("\xf3" MOVDIR64B), VEC_UD);                          /* ENQCMDS */
    assert_int_equal(FRESH("\xf2" MOVDIR64B), VEC_UD);                          /* ENQCMD */
    assert_int_equal(FRESH("\x66\x0f\x38\xf8\xc7"), VEC_UD);
    assert_int_equal(FRESH("\xf0" MOVDIR64B), VEC_UD);
}

/* The order that an Emerald Rapids shows. */
static void movdir64b_reads_before_it_checks_its_destination(void **state)
{
    (void)state;
    fixture_small_pages(f, FIXTURE_DATA);
    unmap(FIXTURE_DATA + 0x1000);
    unmap(FIXTURE_DATA + 0x2000);
    f->cpu->s.gpr[RDI] = FIXTURE_DATA + 0x1000;
    f->cpu->s.gpr[RAX] = FIXTURE_DATA + 0x2001;
    assert_int_equal(FRESH(MOVDIR64B), VEC_PF);                                 /* the source before the alignment */
    assert_int_equal(f->cpu->s.cr2, FIXTURE_DATA + 0x1000);
    assert_int_equal(stacked(f, 0, 8), 0);
    f->cpu->s.gpr[RDI] = FIXTURE_DATA;
    assert_int_equal(FRESH(MOVDIR64B), VEC_GP);                                 /* the alignment before the page */
    f->cpu->s.gpr[RAX] = FIXTURE_DATA + 0x2040;
    assert_int_equal(FRESH(MOVDIR64B), VEC_PF);
    assert_int_equal(f->cpu->s.cr2, FIXTURE_DATA + 0x2040);
    assert_int_equal(stacked(f, 0, 8), 2);
    f->cpu->s.gpr[RDI] = FIXTURE_DATA + 0x1000;
    f->cpu->s.gpr[RAX] = FIXTURE_DATA;
    assert_int_equal(FRESH(MOVDIR64B), VEC_PF);
    assert_int_equal(f->cpu->s.cr2, FIXTURE_DATA + 0x1000);
    assert_int_equal(stacked(f, 0, 8), 0);
    f->cpu->s.gpr[RDI] = FIXTURE_DATA;
    f->cpu->s.gpr[RAX] = BIT64(63);
    assert_int_equal(FRESH(MOVDIR64B), VEC_GP);
}

static void movdir64b_uses_es_and_the_address_size(void **state)
{
    (void)state;
    put_descriptor(f, 0x80, make_descriptor(FIXTURE_DATA + 0x20, 0x1ff, 0x92 | PRESENT));
    f->cpu->s.gpr[RCX] = 0x80;
    assert_int_equal(FRESH("\x8e\xc1"), -1);                                    /* mov es, ecx */
    fill_line(FIXTURE_DATA + 0x400);
    f->cpu->s.gpr[RDI] = FIXTURE_DATA + 0x400;
    f->cpu->s.gpr[RAX] = 0x40;
    assert_int_equal(FRESH(MOVDIR64B), VEC_GP);                                 /* the linear address is misaligned */
    f->cpu->s.gpr[RAX] = 0x60;
    assert_int_equal(FRESH("\x3e" MOVDIR64B), -1);
    assert_true(line_is_at(FIXTURE_DATA + 0x80));
    f->cpu->s.gpr[RAX] = 0x1e0;
    assert_int_equal(FRESH(MOVDIR64B), VEC_GP);                                 /* beyond the limit of ES */
}

static void movdir64b_works_in_real_mode(void **state)
{
    (void)state;
    fill_line(0x5000);
    f->cpu->s.gpr[RDI] = 0x5000;
    f->cpu->s.gpr[RBX] = 0x5000;
    f->cpu->s.gpr[RAX] = 0xffff6000;
    assert_int_equal(FRESH("\x66\x0f\x38\xf8\x07"), -1);                        /* movdir64b ax, [bx] */
    assert_true(line_is_at(0x6000));
    f->cpu->s.gpr[RAX] = 0x6008;
    f->cpu->p.rip = 0x8000;
    (void)step_fresh(f, "\x66\x0f\x38\xf8\x07", 5);
    assert_int_equal(stacked(f, 0, 2), 0x8000);                                 /* a fault: IP of the instruction */
}

/* SDM 2A "Exception Type 4": 16 bytes and more are not checked. */
static void vectors_are_not_alignment_checked(void **state)
{
    (void)state;
    f->cpu->s.gpr[RDI] = FIXTURE_DATA + 1;
    f->cpu->s.gpr[RAX] = FIXTURE_DATA + 0x40;
    f->cpu->p.cr0 |= CR0_AM;
    for (unsigned k = 0; k < 4; k++) {
        static const struct { const char *text; size_t len; int vector; } cases[] = {
            { MOVDIR64B, 5, -1 }, { "\x0f\x10\x07", 3, -1 }, { MOVDIRI, 4, VEC_AC }, { "\xdb\x2f", 2, VEC_AC },
        };

        fixture_privilege(f, 3);
        cpu_set_rflags(f->cpu, FLAG_AC | 2);
        cpu_mode_changed(f->cpu);
        assert_int_equal(step_fresh(f, cases[k].text, cases[k].len), cases[k].vector);
    }
}

/* ---- cache control ---- */

/* SDM 2A "CLDEMOTE": a hint that raises nothing but #UD for LOCK. */
static void cldemote_never_faults(void **state)
{
    (void)state;
    f->cpu->s.gpr[RDI] = BIT64(63) | 5;
    assert_int_equal(FRESH("\x0f\x1c\x07"), -1);
    assert_int_equal(FRESH("\xf0\x0f\x1c\x07"), VEC_UD);
}

/* SDM 2A "CLFLUSHOPT", "CLWB": faults of a byte load; 66 selects, F2 and F3 do not exist. */
static void line_flushes_fault_like_loads(void **state)
{
    static const struct { const char *text; size_t len; } cases[] = {
        { "\x0f\xae\x3f", 3 }, { "\x66\x0f\xae\x3f", 4 }, { "\x66\x0f\xae\x37", 4 },
    };

    (void)state;
    fixture_small_pages(f, FIXTURE_DATA);
    unmap(FIXTURE_DATA + 0x1000);
    for (unsigned k = 0; k < COUNT_OF(cases); k++) {
        f->cpu->s.gpr[RDI] = FIXTURE_DATA + 0xfff;
        assert_int_equal(step_fresh(f, cases[k].text, cases[k].len), -1);
        f->cpu->s.gpr[RDI] = FIXTURE_DATA + 0x1000;
        assert_int_equal(step_fresh(f, cases[k].text, cases[k].len), VEC_PF);
        assert_int_equal(stacked(f, 0, 8), 0);
        f->cpu->s.gpr[RDI] = BIT64(63);
        assert_int_equal(step_fresh(f, cases[k].text, cases[k].len), VEC_GP);
    }
    f->cpu->s.gpr[RDI] = FIXTURE_DATA;
    assert_int_equal(FRESH("\xf3\x66\x0f\xae\x37"), VEC_UD);
    assert_int_equal(FRESH("\xf2\x66\x0f\xae\x3f"), VEC_UD);
    assert_int_equal(FRESH("\xf0\x66\x0f\xae\x37"), VEC_UD);
}

static void wbnoinvd_is_privileged_and_shown(void **state)
{
    (void)state;
    assert_true(cpuid_leaf(f->cpu, 0x80000008, 0).ebx & BIT(9));
    assert_int_equal(FRESH("\xf3\x0f\x09"), -1);
    assert_int_equal(FRESH("\xf0\x0f\x09"), VEC_UD);
    fixture_privilege(f, 3);
    assert_int_equal(FRESH("\xf3\x0f\x09"), VEC_GP);
}

static void serialize_takes_no_prefix(void **state)
{
    (void)state;
    assert_int_equal(FRESH("\x0f\x01\xe8"), -1);
    assert_int_equal(f->cpu->p.rip, FIXTURE_CODE + 3);
    assert_int_equal(FRESH("\x66\x0f\x01\xe8"), VEC_UD);
    assert_int_equal(FRESH("\xf2\x0f\x01\xe8"), VEC_UD);                        /* XSUSLDTRK */
    assert_int_equal(FRESH("\xf0\x0f\x01\xe8"), VEC_UD);
    fixture_privilege(f, 3);
    assert_int_equal(FRESH("\x0f\x01\xe8"), -1);
}

/* ---- SDM 2A "INVPCID" ---- */

#define INVPCID "\x66\x0f\x38\x82\x07"              /* invpcid rax, [rdi] */

static int invpcid(uint64_t type, uint64_t low, uint64_t high)
{
    const uint64_t descriptor[2] = { low, high };

    fixture_put(f, FIXTURE_DATA, descriptor, sizeof descriptor);
    f->cpu->s.gpr[RAX] = type;
    f->cpu->s.gpr[RDI] = FIXTURE_DATA;
    return FRESH(INVPCID);
}

static void invpcid_checks_type_and_descriptor(void **state)
{
    (void)state;
    for (unsigned type = 0; type < 4; type++) {
        assert_int_equal(invpcid(type, 0, 0), -1);
        assert_int_equal(invpcid(type, 0x1000, 0), VEC_GP);                     /* bits 63:12 */
        assert_int_equal(invpcid(type, 5, 0), type < 2 ? VEC_GP : -1);          /* a PCID without CR4.PCIDE */
        assert_int_equal(invpcid(type, 0, BIT64(63)), type == 0 ? VEC_GP : -1);
    }
    assert_int_equal(invpcid(4, 0, 0), VEC_GP);
    assert_int_equal(invpcid(BIT64(32), 0, 0), VEC_GP);                         /* all 64 bits of the type */
    f->cpu->p.cr4 |= CR4_PCIDE;
    assert_int_equal(invpcid(0, 5, 0), -1);
    assert_int_equal(invpcid(1, 0xfff, 0), -1);
    assert_int_equal(FRESH("\x66\x0f\x38\x82\xc7"), VEC_UD);                    /* a register */
    assert_int_equal(FRESH("\x0f\x38\x82\x07"), VEC_UD);
    f->cpu->s.gpr[RDI] = BIT64(63);
    assert_int_equal(FRESH(INVPCID), VEC_GP);
    fixture_privilege(f, 3);
    assert_int_equal(FRESH(INVPCID), VEC_GP);                                   /* before the operand */
    assert_int_equal(stacked(f, 1, 8), FIXTURE_CODE);
}

/* Each type ends the use of a stale translation, of global pages only type 2. */
static void invpcid_drops_translations(void **state)
{
    for (unsigned type = 0; type < 4; type++) {
        uint64_t at = FIXTURE_DATA + 0x5000, entry;
        (void)state;

        fixture_mode(f, FIXTURE_LONG);
        fixture_small_pages(f, FIXTURE_DATA);
        f->cpu->s.gpr[RSI] = at;
        assert_int_equal(STEP("\x8b\x0e"), -1);                                 /* mov ecx, [rsi] */
        entry = (FIXTURE_DATA + 0x6000) | 7;
        fixture_put(f, fixture_entry_at(f, at, 1), &entry, 8);
        entry = 0x6006 + type;
        fixture_put(f, FIXTURE_DATA + 0x6000, &entry, 8);
        assert_int_equal(invpcid(type, 0, at), -1);
        assert_int_equal(STEP("\x8b\x0e"), -1);
        assert_int_equal(f->cpu->s.gpr[RCX], 0x6006 + type);
    }
}

/* ---- protection keys: SDM 2B "RDPKRU", "WRPKRU" ---- */

static void pkru_instructions_check_cr4_and_registers(void **state)
{
    (void)state;
    f->cpu->s.gpr[RCX] = f->cpu->s.gpr[RDX] = 0;
    assert_int_equal(FRESH("\x0f\x01\xee"), VEC_UD);
    assert_int_equal(FRESH("\x0f\x01\xef"), VEC_UD);
    f->cpu->p.cr4 |= CR4_PKE;
    f->cpu->s.gpr[RAX] = 0xffffffff0000000c;
    assert_int_equal(FRESH("\x0f\x01\xef"), -1);
    f->cpu->s.gpr[RAX] = f->cpu->s.gpr[RDX] = ~(uint64_t)0;
    assert_int_equal(FRESH("\x0f\x01\xee"), -1);
    assert_int_equal(f->cpu->s.gpr[RAX], 12);
    assert_int_equal(f->cpu->s.gpr[RDX], 0);
    f->cpu->s.gpr[RDX] = 1;
    assert_int_equal(FRESH("\x0f\x01\xef"), VEC_GP);
    f->cpu->s.gpr[RDX] = 0;
    f->cpu->s.gpr[RCX] = 1;
    assert_int_equal(FRESH("\x0f\x01\xef"), VEC_GP);
    assert_int_equal(FRESH("\x0f\x01\xee"), VEC_GP);
    f->cpu->s.gpr[RCX] = BIT64(32);                                             /* only ECX counts */
    assert_int_equal(FRESH("\x0f\x01\xee"), -1);
    assert_int_equal(FRESH("\x66\x0f\x01\xee"), VEC_UD);
}

/* ---- SDM 2B "SMSW", "STR", 2A "SGDT": user-mode instruction prevention ---- */

static const struct { const char *text; size_t len; } descriptor_stores[] = {
    { "\x0f\x01\x07", 3 }, { "\x0f\x01\x0f", 3 }, { "\x0f\x00\xc0", 3 }, { "\x0f\x01\xe0", 3 }, { "\x0f\x00\xc8", 3 },
};

static void umip_refuses_all_five_below_level_0(void **state)
{
    enum fixture_mode mode = *state == NULL ? FIXTURE_LONG : FIXTURE_FLAT32;

    for (unsigned k = 0; k < COUNT_OF(descriptor_stores); k++)
        for (unsigned on = 0; on < 2; on++) {
            fixture_mode(f, mode);
            f->cpu->s.gpr[RDI] = f->cpu->s.gpr[RBX] = FIXTURE_DATA;
            f->cpu->p.cr4 |= on ? CR4_UMIP : 0;
            assert_int_equal(step_fresh(f, descriptor_stores[k].text, descriptor_stores[k].len), -1);
            fixture_privilege(f, 3);
            assert_int_equal(step_fresh(f, descriptor_stores[k].text, descriptor_stores[k].len), on ? VEC_GP : -1);
        }
}

static void umip32_refuses_all_five_below_level_0(void **state)
{
    void *flat = state;

    umip_refuses_all_five_below_level_0(&flat);
}

/* What the hypervisor reads and sets is what FXSAVE and FXRSTOR know; TLFS 7.9.4. */
static void tlfs_7_9_4_legacy_state_is_fxsaves(void **state)
{
    uint8_t area[CPU_LEGACY_BYTES], saved[CPU_LEGACY_BYTES];

    (void)state;
    assert_int_equal(FRESH("\xd9\xe8\xd9\xeb"), -1);                    /* fld1; fldpi */
    f->cpu->s.gpr[RDI] = FIXTURE_DATA;
    assert_int_equal(FRESH("\x48\x0f\xae\x07"), -1);                    /* fxsave64 [rdi] */
    for (unsigned n = 0; n < sizeof saved; n++)
        saved[n] = (uint8_t)fixture_read(f, FIXTURE_DATA + n, 1);
    cpu_legacy_state(f->cpu, area);
    assert_memory_equal(area, saved, 32);
    for (unsigned n = 0; n < 8; n++)                                        /* two are on the stack: ST0 is register 6 */
        assert_memory_equal(area + 32 + 16 * ((n + 6) & 7), saved + 32 + 16 * n, 16);
    memset(area + 32, 0x11, 8);
    area[24] = 0xC0;                                                        /* MXCSR */
    assert_true(cpu_set_legacy_state(f->cpu, area));
    assert_int_equal(f->cpu->s.mxcsr & 0xFF, 0xC0);
    cpu_legacy_state(f->cpu, saved);
    assert_memory_equal(area, saved, sizeof area);
    area[3] = 0;                                                            /* another top moves no register */
    assert_true(cpu_set_legacy_state(f->cpu, area));
    assert_int_equal(f->cpu->s.fpr_mant[0], 0x1111111111111111);
    cpu_legacy_state(f->cpu, saved);
    assert_memory_equal(area + 32, saved + 32, 128);
    area[26] = 1;
    assert_false(cpu_set_legacy_state(f->cpu, area));
}

static void tlfs_7_9_2_interrupt_state_is_the_processors(void **state)
{
    (void)state;
    assert_int_equal(cpu_interrupt_state(f->cpu), 0);
    cpu_set_interrupt_state(f->cpu, CPU_NMI_MASKED);
    assert_int_equal(f->cpu->p.nmi_blocked, 1);
    assert_int_equal(cpu_interrupt_state(f->cpu), CPU_NMI_MASKED);
    cpu_set_interrupt_state(f->cpu, CPU_INTERRUPT_SHADOW);
    assert_int_equal(cpu_interrupt_state(f->cpu), CPU_INTERRUPT_SHADOW);
}

/* TLFS 8.12: each bit refuses its instruction above level 0, and no other; SMSW has none. */
static void tlfs_8_12_each_prevention_bit_refuses_its_instruction(void **state)
{
    static const unsigned bits[] = { NPIEP_SGDT, NPIEP_SIDT, NPIEP_SLDT, 0, NPIEP_STR };

    (void)state;
    for (unsigned mask = 0; mask < 16; mask++)
        for (unsigned k = 0; k < COUNT_OF(descriptor_stores); k++) {
            fixture_mode(f, FIXTURE_LONG);
            cpu_set_npiep(f->cpu, mask);
            f->cpu->s.gpr[RDI] = f->cpu->s.gpr[RBX] = FIXTURE_DATA;
            assert_int_equal(step_fresh(f, descriptor_stores[k].text, descriptor_stores[k].len), -1);
            fixture_privilege(f, 3);
            assert_int_equal(step_fresh(f, descriptor_stores[k].text, descriptor_stores[k].len), mask & bits[k] ? VEC_GP : -1);
        }
}

/* SDM 2A "CPUID": the feature bits are there; that REP MOVSB does what it always did is tests/insn/string.txt's. */
static void fast_strings_are_shown(void **state)
{
    (void)state;
    assert_true(cpuid_leaf(f->cpu, 7, 0).ebx & BIT(9));
    assert_true(cpuid_leaf(f->cpu, 7, 0).edx & BIT(4));
    assert_int_equal(cpuid_leaf(f->cpu, 7, 0).ecx & (BIT(25) | BIT(27) | BIT(28)), BIT(25) | BIT(27) | BIT(28));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(movdiri_stores_four_or_eight_bytes, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(movdiri_faults_like_a_store, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(movdir64b_moves_a_line, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(movdir64b_reads_before_it_checks_its_destination, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(movdir64b_uses_es_and_the_address_size, steps_flat32, steps_close),
        cmocka_unit_test_setup_teardown(movdir64b_works_in_real_mode, steps_real, steps_close),
        cmocka_unit_test_setup_teardown(vectors_are_not_alignment_checked, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(cldemote_never_faults, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(line_flushes_fault_like_loads, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(wbnoinvd_is_privileged_and_shown, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(serialize_takes_no_prefix, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(invpcid_checks_type_and_descriptor, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(invpcid_drops_translations, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(pkru_instructions_check_cr4_and_registers, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(umip_refuses_all_five_below_level_0, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(tlfs_7_9_4_legacy_state_is_fxsaves, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(tlfs_7_9_2_interrupt_state_is_the_processors, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(tlfs_8_12_each_prevention_bit_refuses_its_instruction, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(umip32_refuses_all_five_below_level_0, steps_flat32, steps_close),
        cmocka_unit_test_setup_teardown(fast_strings_are_shown, steps_long, steps_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
