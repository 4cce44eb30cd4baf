/* SPDX-License-Identifier: MIT
 * Linear-address masking: which values the control registers take, which bits of which addresses it masks, and which
 * accesses it leaves alone (SDM 3A "Linear-Address Masking (LAM)"). */
#include "cpu/cpuid.h"
#include "cpu/mem.h"
#include "cpu/seg.h"
#include "tests/cpu/steps.h"

#define USER   0x00007f0000000000u      /* both map to FIXTURE_DATA */
#define SUPER  0xffff800000000000u
#define PAGE2  (FIXTURE_DATA + 0x1000)
#define VALUE  0x0123456789abcdefu

static struct fixture *const f = &steps_fixture;

static int setup(void **state)
{
    uint64_t value = VALUE;

    (void)state;
    fixture_open(f);
    fixture_mode(f, FIXTURE_LONG);
    fixture_map(f, USER, FIXTURE_DATA);
    fixture_map(f, USER + 0x1000, PAGE2);
    fixture_map(f, SUPER, FIXTURE_DATA);
    fixture_put(f, FIXTURE_DATA, &value, 8);
    return 0;
}

static int move_to_cr3(uint64_t value)
{
    f->cpu->s.gpr[RAX] = value;
    return FRESH("\x0f\x22\xd8");
}

static int move_to_cr4(uint64_t value)
{
    f->cpu->s.gpr[RAX] = value;
    return FRESH("\x0f\x22\xe0");
}

static void lam(uint64_t cr3_bits, bool super)
{
    assert_int_equal(move_to_cr3(FIXTURE_TABLES | cr3_bits), -1);
    assert_int_equal(move_to_cr4(super ? f->cpu->p.cr4 | CR4_LAM_SUP : f->cpu->p.cr4 & ~(uint64_t)CR4_LAM_SUP), -1);
}

/* A load through [RDI], twice: the second time the TLB knows it. */
static int load_at(uint64_t lin)
{
    int first, second;

    f->cpu->s.gpr[RDI] = lin;
    f->cpu->s.gpr[RAX] = 0;
    first = FRESH("\x48\x8b\x07");
    if (first == -1)
        assert_int_equal(f->cpu->s.gpr[RAX], VALUE);
    f->cpu->s.gpr[RSP] = FIXTURE_STACK;
    second = FRESH("\x48\x8b\x07");
    f->cpu->s.gpr[RSP] = FIXTURE_STACK;
    assert_int_equal(first, second);
    return first;
}

/* ---- enabling ---- */

static void control_registers_take_the_bits_with_the_feature(void **state)
{
    struct err e;

    (void)state;
    assert_true(cpuid_leaf(f->cpu, 7, 1).eax & BIT(26));
    assert_int_equal(move_to_cr3(FIXTURE_TABLES | CR3_LAM_U48 | CR3_LAM_U57), -1);
    assert_int_equal(FRESH("\x0f\x20\xd8"), -1);
    assert_int_equal(f->cpu->s.gpr[RAX], FIXTURE_TABLES | CR3_LAM_U48 | CR3_LAM_U57);
    assert_int_equal(move_to_cr4(f->cpu->p.cr4 | CR4_LAM_SUP), -1);
    assert_true(cpu_set_reg(f->cpu, CPU_REG_CR3, FIXTURE_TABLES | CR3_LAM_U57));
    assert_int_equal(move_to_cr3(FIXTURE_TABLES | BIT64(60)), VEC_GP);
    assert_int_equal(move_to_cr3(FIXTURE_TABLES | BIT64(63)), VEC_GP);          /* without PCIDs */
    assert_int_equal(move_to_cr3(FIXTURE_TABLES), -1);
    assert_int_equal(move_to_cr4(f->cpu->p.cr4 & ~(uint64_t)CR4_LAM_SUP), -1);
    e = cpu_config_parse(&f->cpu->config, "max,-lam");
    assert_false(failed(&e));
    assert_int_equal(move_to_cr3(FIXTURE_TABLES | CR3_LAM_U48), VEC_GP);
    assert_int_equal(move_to_cr3(FIXTURE_TABLES | CR3_LAM_U57), VEC_GP);
    assert_int_equal(move_to_cr4(f->cpu->p.cr4 | CR4_LAM_SUP), VEC_GP);
    assert_false(cpu_set_reg(f->cpu, CPU_REG_CR3, FIXTURE_TABLES | CR3_LAM_U57));
}

/* ---- masking and canonicality ---- */

static void user_pointers_of_48_bits(void **state)
{
    (void)state;
    assert_int_equal(load_at(USER | (uint64_t)0x5a5a << 48), VEC_GP);
    lam(CR3_LAM_U48, false);
    assert_int_equal(load_at(USER), -1);
    for (unsigned bit = 48; bit < 63; bit++)
        assert_int_equal(load_at(USER | BIT64(bit)), -1);
    assert_int_equal(load_at(USER | (uint64_t)0x7fff << 48), -1);
    assert_int_equal(load_at(USER | BIT64(63)), VEC_GP);        /* a supervisor pointer now, and not canonical */
    assert_int_equal(load_at(USER | BIT64(47) | (uint64_t)0x1234 << 48), VEC_GP);    /* bits 63 and 47 differ */
    assert_int_equal(load_at(SUPER), -1);
    assert_int_equal(load_at(SUPER & ~BIT64(50)), VEC_GP);
}

static void user_pointers_of_57_bits(void **state)
{
    (void)state;
    lam(CR3_LAM_U57 | CR3_LAM_U48, false);                      /* U57 wins */
    for (unsigned bit = 47; bit < 63; bit++)
        assert_int_equal(load_at(USER | BIT64(bit)), bit < 57 ? VEC_GP : -1);
    assert_int_equal(load_at(USER | (uint64_t)0x3f << 57), -1);
}

static void supervisor_pointers_by_the_paging_mode(void **state)
{
    (void)state;
    lam(0, true);
    for (unsigned bit = 47; bit < 63; bit++)
        assert_int_equal(load_at(SUPER & ~BIT64(bit)), bit == 47 ? VEC_GP : -1);
    assert_int_equal(load_at(SUPER & ~BIT64(63)), VEC_GP);      /* a user pointer */
    assert_int_equal(load_at(USER | BIT64(60)), VEC_GP);
}

/* Whose pointer it is says bit 63, not the level. */
static void the_level_does_not_matter(void **state)
{
    (void)state;
    lam(CR3_LAM_U57, true);
    fixture_privilege(f, 3);
    assert_int_equal(load_at(SUPER & ~BIT64(52)), -1);          /* the page is the user's */
    assert_int_equal(load_at(USER | BIT64(58)), -1);
}

/* With five levels LAM48 leaves only addresses whose bits 56:48 follow bit 47. */
static void five_levels_translate_what_is_left(void **state)
{
    struct translation t;

    (void)state;
    f->cpu->p.cr4 |= CR4_LA57;
    f->cpu->p.cr3 = (FIXTURE_TABLES + 0x600000) | CR3_LAM_U48;
    fixture_put(f, FIXTURE_TABLES + 0x600000, &(uint64_t){ FIXTURE_TABLES | 7 }, 8);
    cpu_mode_changed(f->cpu);
    tlb_flush_all(f->cpu);
    assert_true(mmu_translate(f->cpu, USER, ACCESS_READ, BANK_USER, &t));
    assert_int_equal(load_at(USER | (uint64_t)0x1ff << 48), -1);
    f->cpu->p.cr3 = (FIXTURE_TABLES + 0x600000) | CR3_LAM_U57;
    tlb_flush_all(f->cpu);
    assert_int_equal(load_at(USER | BIT64(58)), -1);
    assert_int_equal(load_at(USER | BIT64(48)), VEC_PF);        /* canonical, translated, and not there */
    assert_int_equal(f->cpu->s.cr2, USER | BIT64(48));
    assert_int_equal(cpu_untag(f->cpu, BIT64(62) | BIT64(56)), (uint64_t)0x7f << 56);   /* bit 63 is kept: not canonical */
    f->cpu->p.cr4 |= CR4_LAM_SUP;
    assert_int_equal(cpu_untag(f->cpu, BIT64(63) | BIT64(56)), (uint64_t)0xff << 56);
    assert_int_equal(cpu_untag(f->cpu, BIT64(63) | BIT64(48)), BIT64(63) | BIT64(48));
}

static void page_faults_show_the_masked_address(void **state)
{
    (void)state;
    lam(CR3_LAM_U57, false);
    assert_int_equal(load_at((USER + 0x5008) | BIT64(61)), VEC_PF);
    assert_int_equal(f->cpu->s.cr2, USER + 0x5008);
}

/* ---- every kind of data access ---- */

static void stores_strings_stacks_and_more(void **state)
{
    uint64_t tagged = USER | (uint64_t)0x2a << 57;

    (void)state;
    lam(CR3_LAM_U57, false);
    f->cpu->s.gpr[RDI] = tagged;
    f->cpu->s.gpr[RCX] = 0x77;
    assert_int_equal(FRESH("\x48\x89\x4f\x10"), -1);            /* mov [rdi+16], rcx */
    assert_int_equal(fixture_read(f, FIXTURE_DATA + 16, 8), 0x77);
    assert_int_equal(FRESH("\x48\x01\x4f\x10"), -1);            /* add [rdi+16], rcx */
    assert_int_equal(fixture_read(f, FIXTURE_DATA + 16, 8), 0xee);
    f->cpu->s.gpr[RSI] = USER | (uint64_t)0x15 << 57;
    f->cpu->s.gpr[RDI] = tagged + 0xffc;                        /* over the end of the page */
    f->cpu->s.gpr[RCX] = 8;
    f->cpu->p.rip = FIXTURE_CODE;
    fixture_code(f, "\xf3\xa4\xf4", 3);                         /* rep movsb; hlt */
    assert_int_equal(fixture_run(f, 100), -1);
    assert_int_equal(f->cpu->s.gpr[RCX], 0);
    assert_int_equal(fixture_read(f, FIXTURE_DATA + 0xffc, 4), (uint32_t)VALUE);
    assert_int_equal(fixture_read(f, PAGE2, 4), VALUE >> 32);
    f->cpu->s.gpr[RDI] = tagged + 0xffc;
    assert_int_equal(FRESH("\x48\x8b\x07"), -1);                /* and a load over it */
    assert_int_equal(f->cpu->s.gpr[RAX], VALUE);
    f->cpu->s.gpr[RDI] = tagged + 0x40;
    assert_int_equal(FRESH("\x0f\xae\x07"), -1);                /* fxsave, clflush */
    assert_int_equal(FRESH("\x0f\xae\x3f"), -1);
    assert_int_equal(fixture_read(f, FIXTURE_DATA + 0x40 + 24, 4), 0x1f80);
}

static void pushes_and_calls_through_a_tagged_stack_pointer(void **state)
{
    uint64_t tagged = (USER + 0x800) | (uint64_t)0x2a << 57;

    (void)state;
    lam(CR3_LAM_U57, false);
    f->cpu->s.gpr[RSP] = tagged;
    f->cpu->s.gpr[RCX] = 0x99;
    assert_int_equal(FRESH("\x51"), -1);
    assert_int_equal(f->cpu->s.gpr[RSP], tagged - 8);           /* the register keeps its tag */
    assert_int_equal(fixture_read(f, FIXTURE_DATA + 0x7f8, 8), 0x99);
    assert_int_equal(FRESH("\xe8\x00\x00\x00\x00"), -1);
    assert_int_equal(fixture_read(f, FIXTURE_DATA + 0x7f0, 8), FIXTURE_CODE + 5);
    assert_int_equal(STEP("\xc3"), -1);
    fixture_privilege(f, 3);
    f->cpu->s.gpr[RSP] = (USER + 0x800) | BIT64(50);
    assert_int_equal(FRESH("\x51"), VEC_SS);                    /* what is left is not canonical */
}

static void segment_bases_are_added_first(void **state)
{
    (void)state;
    lam(CR3_LAM_U57, false);
    f->cpu->p.seg_base[SEG_FS] = 0x1000;
    f->cpu->s.gpr[RDI] = (USER - 0x1000) | BIT64(59);
    assert_int_equal(FRESH("\x64\x48\x8b\x07"), -1);
    assert_int_equal(f->cpu->s.gpr[RAX], VALUE);
}

static void data_breakpoints_see_the_masked_address(void **state)
{
    (void)state;
    lam(CR3_LAM_U57, false);
    f->cpu->s.dr[0] = USER;
    f->cpu->p.dr7 = 0x000b0401;                                 /* 8 bytes read or written */
    cpu_mode_changed(f->cpu);
    f->cpu->s.gpr[RDI] = USER | BIT64(60);
    assert_int_equal(FRESH("\x48\x8b\x07"), -1);
    (void)cpu_run(f->cpu, 1);
    assert_int_equal(f->cpu->p.rip, FIXTURE_HANDLER + 16 * VEC_DB);
}

/* ---- what is not masked ---- */

static void instructions_are_fetched_unmasked(void **state)
{
    (void)state;
    lam(CR3_LAM_U57, true);
    assert_int_equal(load_at(USER | BIT64(60)), -1);            /* the TLB knows the tagged address now */
    f->cpu->s.gpr[RAX] = USER | BIT64(60);
    assert_int_equal(FRESH("\xff\xe0"), VEC_GP);
    f->cpu->s.gpr[RSP] = FIXTURE_STACK;
    fixture_put(f, FIXTURE_STACK, &(uint64_t){ USER | BIT64(60) }, 8);
    assert_int_equal(FRESH("\xc3"), VEC_GP);
}

static void registers_take_canonical_bases_only(void **state)
{
    (void)state;
    lam(CR3_LAM_U57, true);
    assert_false(cpu_write_msr(f->cpu, 0xc0000100, USER | BIT64(60)));
    assert_false(cpu_write_msr(f->cpu, 0xc0000082, SUPER & ~BIT64(60)));
}

/* SDM 2A "INVLPG", "INVPCID": not masked; the descriptor of INVPCID is data. */
static void invalidations_are_not_masked(void **state)
{
    uint64_t descriptor[2] = { 0, USER | BIT64(60) };

    (void)state;
    lam(CR3_LAM_U57, false);
    f->cpu->s.gpr[RDI] = USER | BIT64(60);
    assert_int_equal(FRESH("\x0f\x01\x3f"), -1);                /* a NOP */
    fixture_put(f, FIXTURE_DATA, descriptor, 16);
    f->cpu->s.gpr[RAX] = 0;
    assert_int_equal(FRESH("\x66\x0f\x38\x82\x07"), VEC_GP);
    descriptor[1] = USER;
    fixture_put(f, FIXTURE_DATA, descriptor, 16);
    assert_int_equal(FRESH("\x66\x0f\x38\x82\x07"), -1);
}

static void compatibility_mode_has_32_bits_anyway(void **state)
{
    (void)state;
    lam(CR3_LAM_U48, true);
    f->cpu->p.seg_attr[SEG_CS] = 0xc09b;
    f->cpu->p.seg_sel[SEG_CS] = 0x18;
    cpu_mode_changed(f->cpu);
    f->cpu->s.gpr[RDI] = 0xfffff000;                            /* not sign-extended, not masked */
    assert_int_equal(FRESH("\x8b\x07"), -1);
}

/* ---- the TLB ---- */

/* Entries under tagged addresses go when masking ends, global ones too, and when their page is invalidated. */
static void no_entry_outlives_its_tag(void **state)
{
    uint64_t pte = FIXTURE_DATA | 0x107, at = 0;

    (void)state;
    for (uint64_t n = 0; n < 0x700; n++)            /* where fixture_map() put the entry */
        if (fixture_read(f, FIXTURE_TABLES + 0x700000 + 8 * n, 8) == (FIXTURE_DATA | 7))
            at = FIXTURE_TABLES + 0x700000 + 8 * n;
    assert_int_not_equal(at, 0);
    fixture_put(f, at, &pte, 8);
    f->cpu->p.cr4 |= CR4_PGE;
    tlb_flush_all(f->cpu);
    lam(CR3_LAM_U57, false);
    assert_int_equal(load_at(USER | BIT64(60)), -1);
    lam(0, false);
    assert_int_equal(load_at(USER | BIT64(60)), VEC_GP);
    lam(CR3_LAM_U57, true);
    assert_int_equal(load_at(USER | BIT64(60)), -1);
    pte = 0;
    fixture_put(f, at, &pte, 8);
    f->cpu->s.gpr[RDI] = USER;
    assert_int_equal(FRESH("\x0f\x01\x3f"), -1);
    assert_int_equal(load_at(USER | BIT64(60)), VEC_PF);
}

/* Code on the page: a store under a tag is heard of like any other. */
static void stores_under_a_tag_change_code(void **state)
{
    (void)state;
    lam(CR3_LAM_U57, false);
    f->cpu->s.gpr[RDI] = (USER + 0x100) | BIT64(57);
    f->cpu->s.gpr[RCX] = 0x90909090f490;
    assert_int_equal(FRESH("\x48\x89\x0f"), -1);
    f->cpu->p.rip = USER + 0x100;
    f->cpu->p.activity = CPU_RUNNING;
    assert_int_equal(cpu_run(f->cpu, 9), CPU_STOP_IDLE);
    assert_int_equal(f->cpu->p.rip, USER + 0x102);
    f->cpu->s.gpr[RCX] = 0xf490909090;
    assert_int_equal(FRESH("\x48\x89\x0f"), -1);
    f->cpu->p.rip = USER + 0x100;
    f->cpu->p.activity = CPU_RUNNING;
    assert_int_equal(cpu_run(f->cpu, 9), CPU_STOP_IDLE);
    assert_int_equal(f->cpu->p.rip, USER + 0x105);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, steps_close)
    const struct CMUnitTest tests[] = {
        TEST(control_registers_take_the_bits_with_the_feature), TEST(user_pointers_of_48_bits),
        TEST(user_pointers_of_57_bits), TEST(supervisor_pointers_by_the_paging_mode), TEST(the_level_does_not_matter),
        TEST(five_levels_translate_what_is_left), TEST(page_faults_show_the_masked_address),
        TEST(stores_strings_stacks_and_more), TEST(pushes_and_calls_through_a_tagged_stack_pointer),
        TEST(segment_bases_are_added_first), TEST(data_breakpoints_see_the_masked_address),
        TEST(instructions_are_fetched_unmasked), TEST(registers_take_canonical_bases_only),
        TEST(invalidations_are_not_masked), TEST(compatibility_mode_has_32_bits_anyway), TEST(no_entry_outlives_its_tag),
        TEST(stores_under_a_tag_change_code),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
