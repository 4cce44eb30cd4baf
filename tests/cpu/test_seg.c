/* SPDX-License-Identifier: MIT
 * Loads of segment and table registers with their checks, accesses through segments, questions about descriptors. */
#include "cpu/seg.h"
#include "tests/cpu/steps.h"

static struct fixture *const f = &steps_fixture;

/* MOV seg, AX with the selector: vector, and the error code when it faulted. */
static int load(const char *mov, uint16_t selector, uint32_t *error)
{
    int vector;

    f->cpu->s.gpr[RAX] = selector;
    f->cpu->s.gpr[RSP] = FIXTURE_STACK;
    vector = step_fresh(f, mov, 2);
    *error = vector >= 0 ? (uint32_t)stacked(f, 0, f->cpu->p.efer & EFER_LMA ? 8 : 4) : 0;
    return vector;
}
#define MOV_DS "\x8e\xd8"
#define MOV_SS "\x8e\xd0"

#define ASSERT_LOAD(mov, selector, wanted_vector, wanted_error)         \
    do {                                                                \
        uint32_t error_;                                                \
        assert_int_equal(load(mov, selector, &error_), wanted_vector);  \
        assert_int_equal(error_, wanted_error);                         \
    } while (0)

/* SDM 2B "MOV-Move": the rows of its pseudocode for DS, ES, FS, GS. */
static void data_segments_are_checked(void **state)
{
    (void)state;
    put_descriptor(f, 0x80, make_descriptor(0, 0xfffff, 0xc098 | PRESENT));                /* code, execute only */
    put_descriptor(f, 0x88, make_descriptor(0, 0xfffff, 0xc09a | PRESENT));                /* code, readable */
    put_descriptor(f, 0x90, make_descriptor(0, 0xfffff, 0xc012 | DPL(3)));                 /* data, not present */
    put_descriptor(f, 0x98, make_descriptor(0, 0xfffff, 0xc012 | PRESENT | DPL(1)));
    put_descriptor(f, 0xa0, make_descriptor(0, 0x67, 0x09 | PRESENT));                     /* a TSS */
    put_descriptor(f, 0xa8, make_descriptor(0, 0xfffff, 0xc01e | PRESENT));                /* code, readable, conforming */
    ASSERT_LOAD(MOV_DS, 0x0003, -1, 0);
    assert_true(f->cpu->p.seg_attr[SEG_DS] & SEG_UNUSABLE);
    ASSERT_LOAD(MOV_DS, 0x80, VEC_GP, 0x80);
    ASSERT_LOAD(MOV_DS, 0x88, -1, 0);
    ASSERT_LOAD(MOV_DS, 0x8b, VEC_GP, 0x88);        /* RPL 3 > DPL 0 */
    ASSERT_LOAD(MOV_DS, 0x93, VEC_NP, 0x90);
    ASSERT_LOAD(MOV_DS, 0x99, -1, 0);
    ASSERT_LOAD(MOV_DS, 0x9a, VEC_GP, 0x98);
    ASSERT_LOAD(MOV_DS, 0xa0, VEC_GP, 0xa0);
    ASSERT_LOAD(MOV_DS, 0xab, -1, 0);               /* conforming: any level */
    ASSERT_LOAD(MOV_DS, 0x100, VEC_GP, 0x100);      /* beyond the table */
    ASSERT_LOAD(MOV_DS, 0x14, VEC_GP, 0x14);        /* the LDT's limit and the null-like index both say no */
}

static void ss_is_checked(void **state)
{
    (void)state;
    put_descriptor(f, 0x80, make_descriptor(0, 0xfffff, 0xc010 | PRESENT));                /* read only */
    put_descriptor(f, 0x88, make_descriptor(0, 0xfffff, 0xc012));                          /* not present */
    put_descriptor(f, 0x90, make_descriptor(0, 0xfffff, 0xc012 | PRESENT | DPL(3)));
    ASSERT_LOAD(MOV_SS, 0x0000, VEC_GP, 0);
    ASSERT_LOAD(MOV_SS, 0x80, VEC_GP, 0x80);
    ASSERT_LOAD(MOV_SS, 0x88, VEC_SS, 0x88);
    ASSERT_LOAD(MOV_SS, 0x90, VEC_GP, 0x90);
    ASSERT_LOAD(MOV_SS, 0x93, VEC_GP, 0x90);
    ASSERT_LOAD(MOV_SS, 0x11, VEC_GP, 0x10);        /* RPL differs from CPL */
    ASSERT_LOAD(MOV_SS, 0x10, -1, 0);
}

static void null_ss_belongs_to_64_bit_mode_below_level_3(void **state)
{
    (void)state;
    ASSERT_LOAD(MOV_SS, 0x0000, -1, 0);
    ASSERT_LOAD(MOV_SS, 0x0001, VEC_GP, 0);         /* RPL differs from CPL */
    fixture_mode(f, FIXTURE_LONG);
    fixture_privilege(f, 3);
    f->cpu->s.gpr[RAX] = 3;
    assert_int_equal(FRESH(MOV_SS), VEC_GP);
}

static void loading_sets_the_accessed_bit(void **state)
{
    (void)state;
    put_descriptor(f, 0x80, make_descriptor(0x12345678, 0x54321, 0x4012 | PRESENT));
    ASSERT_LOAD(MOV_DS, 0x80, -1, 0);
    assert_int_equal(fixture_read(f, FIXTURE_GDT + 0x85, 1), 0x93);
    assert_int_equal(f->cpu->p.seg_base[SEG_DS], 0x12345678);
    assert_int_equal(f->cpu->p.seg_limit[SEG_DS], 0x54321);
}

static void null_segments_cannot_be_used(void **state)
{
    (void)state;
    ASSERT_LOAD(MOV_DS, 0, -1, 0);
    f->cpu->s.gpr[RSP] = FIXTURE_STACK;
    assert_int_equal(FRESH("\xa1\x00\x00\x20\x00"), VEC_GP);        /* mov eax, [200000h] */
    assert_int_equal(stacked(f, 0, 4), 0);
}

/* SDM 3A "Limit Checking": an expand-down segment begins above its limit. */
static void expand_down_segments_end_at_the_top(void **state)
{
    (void)state;
    put_descriptor(f, 0x80, make_descriptor(0x200000, 0x0fff, 0x0016 | PRESENT));          /* 16-bit: 1000h..FFFFh */
    ASSERT_LOAD(MOV_DS, 0x80, -1, 0);
    assert_int_equal(FRESH("\xa1\x00\x10\x00\x00"), -1);
    assert_int_equal(FRESH("\xa1\xfc\xff\x00\x00"), -1);
    assert_int_equal(FRESH("\xa1\xfd\xff\x00\x00"), VEC_GP);
    assert_int_equal(FRESH("\xa1\xff\x0f\x00\x00"), VEC_GP);
}

static void limits_and_types_bind_accesses(void **state)
{
    (void)state;
    put_descriptor(f, 0x80, make_descriptor(0x200000, 0x1fff, 0x4010 | PRESENT));          /* read only */
    ASSERT_LOAD(MOV_DS, 0x80, -1, 0);
    fixture_put(f, 0x201ffc, "\x44\x33\x22\x11", 4);
    assert_int_equal(FRESH("\xa1\xfc\x1f\x00\x00"), -1);
    assert_int_equal(f->cpu->s.gpr[RAX], 0x11223344);
    assert_int_equal(FRESH("\xa1\xfd\x1f\x00\x00"), VEC_GP);
    assert_int_equal(FRESH("\xa3\x00\x00\x00\x00"), VEC_GP);        /* mov [0], eax */
    assert_int_equal(FRESH("\x36\xa3\x00\x00\x20\x00"), -1);        /* ss: is writable */
    assert_int_equal(FRESH("\x2e\xa3\x00\x00\x20\x00"), VEC_GP);    /* cs: is not */
}

static void real_mode_keeps_limits(void **state)
{
    (void)state;
    f->cpu->p.seg_limit[SEG_DS] = 0xffffffff;
    f->cpu->s.gpr[RAX] = 0x1234;
    assert_int_equal(FRESH(MOV_DS), -1);
    assert_int_equal(f->cpu->p.seg_base[SEG_DS], 0x12340);
    assert_int_equal(f->cpu->p.seg_limit[SEG_DS], 0xffffffff);
    fixture_put(f, 0x212340, "\x5a", 1);
    assert_int_equal(FRESH("\x67\xa0\x00\x00\x20\x00"), -1);        /* mov al, [200000h] */
    assert_int_equal(f->cpu->s.gpr[RAX] & 0xff, 0x5a);
}

static void pop_ss_moves_the_old_stack_pointer(void **state)
{
    (void)state;
    put_descriptor(f, 0x80, make_descriptor(0, 0xffff, 0x0012 | PRESENT));                 /* 16-bit stack */
    f->cpu->s.gpr[RSP] = 0x1fffe;
    fixture_put(f, 0x1fffe, "\x80\x00\x00\x00", 4);
    assert_int_equal(FRESH("\x17"), -1);
    assert_int_equal(f->cpu->s.gpr[RSP], 0x20002);
    assert_int_equal(f->cpu->p.inhibit, 2);
}

/* SDM 2A "ENTER": the frame pointer is all of ESP, though only SP moves on a 16-bit stack. */
static void enter_takes_all_of_esp(void **state)
{
    (void)state;
    put_descriptor(f, 0x80, make_descriptor(0, 0xffff, 0x0012 | PRESENT));
    ASSERT_LOAD(MOV_SS, 0x80, -1, 0);
    f->cpu->s.gpr[RSP] = 0x12348000;
    assert_int_equal(FRESH("\xc8\x10\x00\x00"), -1);                        /* enter 16, 0 */
    assert_int_equal(f->cpu->s.gpr[RBP], 0x12347ffc);
    assert_int_equal(f->cpu->s.gpr[RSP], 0x12347fec);
}

/* ---- table registers ---- */

static void ltr_marks_the_tss_busy(void **state)
{
    (void)state;
    put_descriptor(f, 0x80, make_descriptor(0x5000, 0x67, 0x09 | PRESENT));
    put_descriptor(f, 0x88, 0);
    f->cpu->s.gpr[RAX] = 0x80;
    assert_int_equal(FRESH("\x0f\x00\xd8"), -1);
    assert_int_equal(f->cpu->p.seg_attr[SEG_TR] & 15, TYPE_TSS32_BUSY);
    assert_int_equal(fixture_read(f, FIXTURE_GDT + 0x85, 1), 0x8b);
    f->cpu->s.gpr[RSP] = FIXTURE_STACK;
    assert_int_equal(FRESH("\x0f\x00\xd8"), VEC_GP);        /* busy now */
    assert_int_equal(stacked(f, 0, 8), 0x80);
    f->cpu->s.gpr[RAX] = 0;
    assert_int_equal(FRESH("\x0f\x00\xd8"), VEC_GP);
}

/* SDM 3A "System Descriptors in IA-32e Mode": sixteen bytes, the upper type must be zero. */
static void long_mode_reads_sixteen_bytes(void **state)
{
    (void)state;
    put_descriptor(f, 0x80, make_descriptor(0x5000, 0x67, 0x02 | PRESENT));
    put_descriptor(f, 0x88, 0xffff8000);
    f->cpu->s.gpr[RAX] = 0x80;
    assert_int_equal(FRESH("\x0f\x00\xd0"), -1);            /* lldt ax */
    assert_int_equal(f->cpu->p.seg_base[SEG_LDTR], 0xffff800000005000u);
    put_descriptor(f, 0x88, 0x00000f0000000000u);
    assert_int_equal(FRESH("\x0f\x00\xd0"), VEC_GP);
    put_descriptor(f, 0x88, 0x00008000);                    /* not canonical */
    assert_int_equal(FRESH("\x0f\x00\xd0"), VEC_GP);
}

static void lgdt_takes_24_bits_with_a_16_bit_operand(void **state)
{
    (void)state;
    fixture_put(f, FIXTURE_DATA, "\x34\x12\x78\x56\x34\xab", 6);
    assert_int_equal(FRESH("\x66\x0f\x01\x1d\x00\x00\x20\x00"), -1);        /* lidt */
    assert_int_equal(f->cpu->p.idtr_base, 0x345678);
    assert_int_equal(f->cpu->p.idtr_limit, 0x1234);
    assert_int_equal(FRESH("\x0f\x01\x1d\x00\x00\x20\x00"), -1);
    assert_int_equal(f->cpu->p.idtr_base, 0xab345678);
    assert_int_equal(FRESH("\x66\x0f\x01\x0d\x00\x01\x20\x00"), -1);        /* sidt stores all 32 bits */
    assert_int_equal(fixture_read(f, FIXTURE_DATA + 0x100, 2), 0x1234);
    assert_int_equal(fixture_read(f, FIXTURE_DATA + 0x102, 4), 0xab345678);
}

static void umip_hides_the_tables_from_level_3(void **state)
{
    (void)state;
    fixture_privilege(f, 3);
    assert_int_equal(FRESH("\x0f\x01\x05\x00\x00\x20\x00"), -1);            /* sgdt */
    f->cpu->p.cr4 |= CR4_UMIP;
    assert_int_equal(FRESH("\x0f\x01\x05\x00\x00\x20\x00"), VEC_GP);
}

/* ---- questions ---- */

static uint64_t zf(void)
{
    return cpu_rflags(f->cpu) & FLAG_ZF;
}

static void lar_lsl_verr_verw_answer_in_zf(void **state)
{
    (void)state;
    put_descriptor(f, 0x80, make_descriptor(0, 0x12345, 0xc012 | PRESENT | DPL(2)));
    put_descriptor(f, 0x88, make_gate(8, 0, 0x8c, 0));                      /* call gate: LAR knows it, LSL does not */
    put_descriptor(f, 0x90, make_gate(8, 0, 0x8e, 0));                      /* interrupt gate: neither */
    f->cpu->s.gpr[RAX] = 0x80;
    f->cpu->s.gpr[RCX] = 0;
    assert_int_equal(FRESH("\x0f\x02\xc8"), -1);                            /* lar ecx, eax */
    assert_true(zf());
    assert_int_equal(f->cpu->s.gpr[RCX], 0x00c1d200);
    assert_int_equal(FRESH("\x0f\x03\xc8"), -1);                            /* lsl ecx, eax */
    assert_true(zf());
    assert_int_equal(f->cpu->s.gpr[RCX], 0x12345fff);
    assert_int_equal(FRESH("\x0f\x00\xe8"), -1);                            /* verw ax */
    assert_true(zf());
    f->cpu->s.gpr[RAX] = 0x83;
    assert_int_equal(FRESH("\x0f\x00\xe0"), -1);                            /* verr ax: RPL 3 > DPL 2 */
    assert_false(zf());
    f->cpu->s.gpr[RAX] = 0x88;
    assert_int_equal(FRESH("\x0f\x02\xc8"), -1);
    assert_true(zf());
    assert_int_equal(FRESH("\x0f\x03\xc8"), -1);
    assert_false(zf());
    f->cpu->s.gpr[RAX] = 0x90;
    assert_int_equal(FRESH("\x0f\x02\xc8"), -1);
    assert_false(zf());
    f->cpu->s.gpr[RAX] = 0x7ff8;                                            /* beyond the table: no fault */
    assert_int_equal(FRESH("\x0f\x02\xc8"), -1);
    assert_false(zf());
}

static void arpl_raises_the_lower_rpl(void **state)
{
    (void)state;
    f->cpu->s.gpr[RAX] = 0x1231;
    f->cpu->s.gpr[RCX] = 3;
    assert_int_equal(FRESH("\x63\xc8"), -1);                                /* arpl ax, cx */
    assert_int_equal(f->cpu->s.gpr[RAX], 0x1233);
    assert_true(zf());
    assert_int_equal(FRESH("\x63\xc8"), -1);
    assert_false(zf());
}

/* test386: a read-only operand that need not change is no fault. */
static void arpl_writes_only_what_changes(void **state)
{
    (void)state;
    put_descriptor(f, 0x80, make_descriptor(FIXTURE_DATA, 0xfff, 0x4010 | PRESENT));
    ASSERT_LOAD(MOV_DS, 0x80, -1, 0);
    f->cpu->s.gpr[RCX] = 1;
    fixture_put(f, FIXTURE_DATA, "\x02\x00", 2);
    assert_int_equal(FRESH("\x63\x0d\x00\x00\x00\x00"), -1);              /* arpl [0], cx */
    assert_false(zf());
    f->cpu->s.gpr[RCX] = 3;
    assert_int_equal(FRESH("\x63\x0d\x00\x00\x00\x00"), VEC_GP);
}

static void questions_are_undefined_in_real_mode(void **state)
{
    static const uint8_t ivt[4] = { 0x00, 0x90, 0, 0 };

    (void)state;
    fixture_put(f, 4 * VEC_UD, ivt, 4);
    f->cpu->p.idtr_limit = 0x3ff;
    (void)FRESH("\x0f\x02\xc8");
    assert_int_equal(f->cpu->p.rip, 0x9000);
}

static void fsgsbase_needs_cr4_and_canonical_values(void **state)
{
    (void)state;
    f->cpu->s.gpr[RAX] = 0xffff900000000000u;
    assert_int_equal(FRESH("\xf3\x48\x0f\xae\xd0"), VEC_UD);                /* wrfsbase rax */
    f->cpu->p.cr4 |= CR4_FSGSBASE;
    assert_int_equal(FRESH("\xf3\x48\x0f\xae\xd0"), -1);
    assert_int_equal(f->cpu->p.seg_base[SEG_FS], 0xffff900000000000u);
    f->cpu->s.gpr[RAX] = 0x0000900000000000u;
    assert_int_equal(FRESH("\xf3\x48\x0f\xae\xd0"), VEC_GP);
    assert_int_equal(FRESH("\xf3\x0f\xae\xd8"), -1);                        /* wrgsbase eax */
    assert_int_equal(f->cpu->p.seg_base[SEG_GS], 0);
    f->cpu->p.kernel_gs_base = 77;
    assert_int_equal(FRESH("\x0f\x01\xf8"), -1);                            /* swapgs */
    assert_int_equal(f->cpu->p.seg_base[SEG_GS], 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(data_segments_are_checked, steps_flat32, steps_close),
        cmocka_unit_test_setup_teardown(ss_is_checked, steps_flat32, steps_close),
        cmocka_unit_test_setup_teardown(null_ss_belongs_to_64_bit_mode_below_level_3, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(loading_sets_the_accessed_bit, steps_flat32, steps_close),
        cmocka_unit_test_setup_teardown(null_segments_cannot_be_used, steps_flat32, steps_close),
        cmocka_unit_test_setup_teardown(expand_down_segments_end_at_the_top, steps_flat32, steps_close),
        cmocka_unit_test_setup_teardown(limits_and_types_bind_accesses, steps_flat32, steps_close),
        cmocka_unit_test_setup_teardown(real_mode_keeps_limits, steps_real, steps_close),
        cmocka_unit_test_setup_teardown(pop_ss_moves_the_old_stack_pointer, steps_flat32, steps_close),
        cmocka_unit_test_setup_teardown(enter_takes_all_of_esp, steps_flat32, steps_close),
        cmocka_unit_test_setup_teardown(ltr_marks_the_tss_busy, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(long_mode_reads_sixteen_bytes, steps_long, steps_close),
        cmocka_unit_test_setup_teardown(lgdt_takes_24_bits_with_a_16_bit_operand, steps_flat32, steps_close),
        cmocka_unit_test_setup_teardown(umip_hides_the_tables_from_level_3, steps_flat32, steps_close),
        cmocka_unit_test_setup_teardown(lar_lsl_verr_verw_answer_in_zf, steps_flat32, steps_close),
        cmocka_unit_test_setup_teardown(arpl_raises_the_lower_rpl, steps_flat32, steps_close),
        cmocka_unit_test_setup_teardown(arpl_writes_only_what_changes, steps_flat32, steps_close),
        cmocka_unit_test_setup_teardown(questions_are_undefined_in_real_mode, steps_real, steps_close),
        cmocka_unit_test_setup_teardown(fsgsbase_needs_cr4_and_canonical_values, steps_long, steps_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
