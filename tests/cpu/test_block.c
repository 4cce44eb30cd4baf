/* SPDX-License-Identifier: MIT
 * Decoded code follows the memory it came from: self-modification, DMA, other processors, remapping, page borders, modes. */
#include "tests/check.h"

#include "cpu/block.h"

#include "tests/cpu/fixture.h"

static struct fixture f;

static int open_long(void **state)
{
    (void)state;
    fixture_open(&f);
    fixture_mode(&f, FIXTURE_LONG);
    return 0;
}

static int close_it(void **state)
{
    (void)state;
    fixture_close(&f);
    return 0;
}

#define PUT(at, ...) do { const uint8_t code_[] = { __VA_ARGS__ }; fixture_put(&f, (at), code_, sizeof code_); } while (0)

static int run_from(uint64_t rip)
{
    f.cpu->p.rip = rip;
    f.cpu->p.activity = CPU_RUNNING;
    return fixture_run(&f, 1000);
}

/* mov byte [rdi], 7; mov al, 1; hlt, where rdi points at the 1: the very next instruction is already the new one. */
static void a_store_changes_the_next_instruction(void **state)
{
    (void)state;
    PUT(FIXTURE_CODE, 0xc6, 0x07, 7, 0xb0, 1, 0xf4);
    f.cpu->s.gpr[RDI] = FIXTURE_CODE + 4;
    run_from(FIXTURE_CODE);
    assert_int_equal(f.cpu->s.gpr[RAX] & 0xff, 7);
}

/* The same by a string instruction in the middle of what it rewrites. */
static void a_string_store_changes_the_next_instruction(void **state)
{
    (void)state;
    PUT(FIXTURE_DATA, 0xb3, 9, 0xf4, 0xf4);
    PUT(FIXTURE_CODE, 0xf3, 0xa4, 0xb0, 1, 0x90, 0xf4);      /* rep movsb; mov al, 1; nop; hlt */
    f.cpu->s.gpr[RSI] = FIXTURE_DATA;
    f.cpu->s.gpr[RDI] = FIXTURE_CODE + 2;
    f.cpu->s.gpr[RCX] = 4;
    f.cpu->s.gpr[RAX] = f.cpu->s.gpr[RBX] = 0;
    run_from(FIXTURE_CODE);
    assert_int_equal(f.cpu->s.gpr[RAX], 0);
    assert_int_equal(f.cpu->s.gpr[RBX], 9);
}

/* A push onto the code that runs. */
static void a_push_changes_the_next_instruction(void **state)
{
    (void)state;
    /* push rax; mov bl, 1; hlt... the eight bytes behind the push become 'mov bl, 5; hlt' */
    PUT(FIXTURE_CODE, 0x50, 0xb3, 1, 0xf4, 0x90, 0x90, 0x90, 0x90, 0x90);
    f.cpu->s.gpr[RAX] = 0x9090909090f405b3;
    f.cpu->s.gpr[RSP] = FIXTURE_CODE + 9;
    run_from(FIXTURE_CODE);
    assert_int_equal(f.cpu->s.gpr[RBX] & 0xff, 5);
}

static void dma_changes_code(void **state)
{
    (void)state;
    PUT(FIXTURE_CODE, 0xb0, 1, 0xf4);
    run_from(FIXTURE_CODE);
    assert_int_equal(f.cpu->s.gpr[RAX] & 0xff, 1);
    PUT(FIXTURE_CODE + 1, 2);
    run_from(FIXTURE_CODE);
    assert_int_equal(f.cpu->s.gpr[RAX] & 0xff, 2);
}

/* The other processor has the page in its TLB as writable before the first has code there. */
static void another_processor_changes_code(void **state)
{
    struct cpu *first = f.cpu, *second = f.other;

    (void)state;
    PUT(FIXTURE_CODE + 0x2000, 0x88, 0x07, 0xf4);           /* mov [rdi], al; hlt */
    f.cpu = second;
    fixture_mode(&f, FIXTURE_LONG);
    f.cpu->s.gpr[RDI] = FIXTURE_CODE + 0x80;
    run_from(FIXTURE_CODE + 0x2000);
    f.cpu = first;
    PUT(FIXTURE_CODE, 0xb0, 1, 0xf4);
    run_from(FIXTURE_CODE);
    f.cpu = second;
    f.cpu->s.gpr[RDI] = FIXTURE_CODE + 1;
    f.cpu->s.gpr[RAX] = 0x33;
    run_from(FIXTURE_CODE + 0x2000);
    f.cpu = first;
    run_from(FIXTURE_CODE);
    assert_int_equal(f.cpu->s.gpr[RAX] & 0xff, 0x33);
}

/* Data beside code: stores to other lines of the page forget nothing. */
static void stores_beside_code_forget_nothing(void **state)
{
    uint64_t before;

    (void)state;
    PUT(FIXTURE_CODE, 0xc6, 0x07, 7, 0xb0, 1, 0xf4);
    f.cpu->s.gpr[RDI] = FIXTURE_CODE + 0x400;
    run_from(FIXTURE_CODE);
    before = f.cpu->stats.code_invalidations;
    run_from(FIXTURE_CODE);
    assert_int_equal(f.cpu->stats.code_invalidations, before);
    assert_int_equal(fixture_read(&f, FIXTURE_CODE + 0x400, 1), 7);
}

/* When the last block on a page is gone, stores take the fast path again (the page may be written through the TLB). */
static void a_page_without_code_is_data_again(void **state)
{
    (void)state;
    PUT(FIXTURE_CODE, 0xb0, 1, 0xf4);
    run_from(FIXTURE_CODE);
    assert_int_not_equal(f.ram->code[FIXTURE_CODE >> PAGE_SHIFT], 0);
    PUT(FIXTURE_CODE, 0x90);
    assert_int_equal(f.ram->code[FIXTURE_CODE >> PAGE_SHIFT], 0);
}

/* ---- page borders ---- */

#define BORDER (FIXTURE_CODE + 0x1000)

/* mov eax, imm32 with two bytes on the next page; either half may be rewritten. */
static void an_instruction_over_two_pages_follows_both(void **state)
{
    (void)state;
    PUT(BORDER - 3, 0xb8, 1, 2, 3, 4, 0xf4);
    run_from(BORDER - 3);
    assert_int_equal(f.cpu->s.gpr[RAX], 0x04030201);
    PUT(BORDER, 0x77);
    run_from(BORDER - 3);
    assert_int_equal(f.cpu->s.gpr[RAX], 0x04770201);
    PUT(BORDER - 1, 0x66);
    run_from(BORDER - 3);
    assert_int_equal(f.cpu->s.gpr[RAX], 0x04776601);
}

/* The second page is asked for only by an instruction that needs it, and the fault names its first byte. */
static void the_second_page_faults_when_it_is_reached(void **state)
{
    (void)state;
    fixture_small_pages(&f, FIXTURE_CODE);
    PUT(fixture_entry_at(&f, BORDER, 1), 0);
    PUT(BORDER - 5, 0xb3, 1, 0xb8, 1, 2);       /* mov bl, 1; mov eax, ... */
    f.cpu->s.gpr[RBX] = 0;
    assert_int_equal(run_from(BORDER - 5), VEC_PF);
    assert_int_equal(f.cpu->s.gpr[RBX], 1);
    assert_int_equal(f.cpu->s.cr2, BORDER);
    assert_int_equal(fixture_read(&f, f.cpu->s.gpr[RSP], 8), 0x10);     /* error code: instruction fetch, not present */
    assert_int_equal(fixture_read(&f, f.cpu->s.gpr[RSP] + 8, 8), BORDER - 3);
}

/* The second page is mapped elsewhere: the bytes there count. */
static void remapping_the_second_page_changes_the_instruction(void **state)
{
    uint64_t entry = FIXTURE_DATA | 7;

    (void)state;
    fixture_small_pages(&f, FIXTURE_CODE);
    PUT(BORDER - 3, 0xb8, 1, 2, 3, 4, 0xf4);
    PUT(FIXTURE_DATA, 0x55, 0x66, 0xf4);
    run_from(BORDER - 3);
    fixture_put(&f, fixture_entry_at(&f, BORDER, 1), &entry, 8);
    tlb_flush_page(f.cpu, BORDER);
    run_from(BORDER - 3);
    assert_int_equal(f.cpu->s.gpr[RAX], 0x66550201);
}

/* The page of code itself is mapped elsewhere, by INVLPG in the program. */
static void remapping_a_page_changes_the_code(void **state)
{
    uint64_t entry = FIXTURE_DATA | 7;

    (void)state;
    fixture_small_pages(&f, FIXTURE_CODE);
    PUT(BORDER, 0xb0, 1, 0xc3);                 /* mov al, 1; ret */
    PUT(FIXTURE_DATA, 0xb0, 2, 0xc3);
    /* call rbx; mov ah, al; mov [rdi], rcx; invlpg [rbx]; call rbx; hlt */
    PUT(FIXTURE_CODE, 0xff, 0xd3, 0x88, 0xc4, 0x48, 0x89, 0x0f, 0x0f, 0x01, 0x3b, 0xff, 0xd3, 0xf4);
    f.cpu->s.gpr[RBX] = BORDER;
    f.cpu->s.gpr[RDI] = fixture_entry_at(&f, BORDER, 1);
    f.cpu->s.gpr[RCX] = entry;
    run_from(FIXTURE_CODE);
    assert_int_equal(f.cpu->s.gpr[RAX] & 0xffff, 0x0102);
}

/* An overlay page lies over the code from one instruction to the next. */
/* Only INVLPG of a page with code makes shortcuts stale; round addresses far apart must not pass for each other. */
static void flushing_a_page_without_code_keeps_shortcuts(void **state)
{
    uint64_t tag;

    (void)state;
    PUT(0x401000, 0x0f, 0x01, 0x3f, 0xf4);          /* invlpg [rdi]; hlt */
    f.cpu->s.gpr[RDI] = 0x123400000000;
    run_from(0x401000);
    tag = f.cpu->code_tag;
    run_from(0x401000);
    assert_true(f.cpu->code_tag == tag);
    f.cpu->s.gpr[RDI] = 0x401000;
    run_from(0x401000);
    assert_true(f.cpu->code_tag != tag);
}

/* A load of CR3 leaves shortcuts to code on global pages and no others (SDM 3A "Global Pages"). */
static void a_nonglobal_flush_keeps_shortcuts_to_global_code(void **state)
{
    uint64_t tag, global;

    (void)state;
    f.cpu->p.cr4 |= CR4_PGE;
    cpu_mode_changed(f.cpu);
    fixture_small_pages(&f, FIXTURE_CODE);
    for (unsigned is_global = 0; is_global < 2; is_global++) {
        uint64_t entry = fixture_entry_at(&f, FIXTURE_CODE, 1), raw = fixture_read(&f, entry, 8) & ~BIT64(8);
        const struct block_shortcut *s = &f.cpu->shortcuts[block_shortcut_slot(FIXTURE_CODE)];

        raw |= is_global ? BIT64(8) : 0;
        fixture_put(&f, entry, &raw, 8);
        tlb_flush_all(f.cpu);
        PUT(FIXTURE_CODE, 0x90, 0xf4);
        run_from(FIXTURE_CODE);
        tag = f.cpu->code_tag;
        global = f.cpu->global_tag;
        assert_true(block_shortcut_leads(f.cpu, s, FIXTURE_CODE));
        assert_true(s->tag == (is_global ? global : tag));
        tlb_flush_nonglobal(f.cpu);
        assert_true(f.cpu->code_tag != tag && f.cpu->global_tag == global);
        assert_int_equal(block_shortcut_leads(f.cpu, s, FIXTURE_CODE), is_global);
        tlb_flush_all(f.cpu);
        assert_false(block_shortcut_leads(f.cpu, s, FIXTURE_CODE));
    }
}

static void an_overlay_hides_code(void **state)
{
    struct ram *over;
    struct err e = ram_create(&over, "overlay", PAGE_SIZE);

    (void)state;
    assert_false(failed(&e));
    memcpy(over->bytes, "\xb0\x09\xf4", 3);
    PUT(FIXTURE_CODE, 0xb0, 1, 0xf4);
    run_from(FIXTURE_CODE);
    space_add_ram(f.memory, FIXTURE_CODE, over, 0, PAGE_SIZE, ACCESS_READ | ACCESS_EXECUTE, LAYER_OVERLAY);
    run_from(FIXTURE_CODE);
    assert_int_equal(f.cpu->s.gpr[RAX] & 0xff, 9);
    space_remove(f.memory, FIXTURE_CODE, LAYER_OVERLAY);
    run_from(FIXTURE_CODE);
    assert_int_equal(f.cpu->s.gpr[RAX] & 0xff, 1);
    fixture_close(&f);
    ram_free(over);
    fixture_open(&f);
}

/* ---- what cannot be decoded ---- */

static void bad_bytes_fault_only_where_they_are(void **state)
{
    (void)state;
    PUT(FIXTURE_CODE, 0xb3, 4, 0x0f, 0xff, 0xff);       /* mov bl, 4; ud0 */
    assert_int_equal(run_from(FIXTURE_CODE), VEC_UD);
    assert_int_equal(f.cpu->s.gpr[RBX] & 0xff, 4);
    assert_int_equal(fixture_read(&f, f.cpu->s.gpr[RSP], 8), FIXTURE_CODE + 2);
    PUT(FIXTURE_CODE + 2, 0x06);                        /* push es does not exist in 64-bit mode */
    assert_int_equal(run_from(FIXTURE_CODE), VEC_UD);
    PUT(FIXTURE_CODE + 2, 0xf0, 0x90);                  /* lock nop */
    assert_int_equal(run_from(FIXTURE_CODE), VEC_UD);
}

static void sixteen_bytes_are_too_many(void **state)
{
    (void)state;
    PUT(FIXTURE_CODE, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x90, 0xf4);
    assert_int_equal(run_from(FIXTURE_CODE), -1);
    PUT(FIXTURE_CODE, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x90, 0xf4);
    assert_int_equal(run_from(FIXTURE_CODE), VEC_GP);
}

/* 32-bit code whose segment ends in the middle of a block, and in the middle of an instruction. */
static void the_segment_limit_ends_code(void **state)
{
    (void)state;
    fixture_mode(&f, FIXTURE_FLAT32);
    PUT(FIXTURE_CODE, 0xb3, 1, 0xb3, 2, 0xb3, 3, 0xf4);
    run_from(FIXTURE_CODE);
    assert_int_equal(f.cpu->s.gpr[RBX] & 0xff, 3);
    f.cpu->p.seg_limit[SEG_CS] = FIXTURE_CODE + 3;
    cpu_mode_changed(f.cpu);
    run_from(FIXTURE_CODE);
    assert_int_equal(f.cpu->s.gpr[RBX] & 0xff, 2);
    f.cpu->p.seg_limit[SEG_CS] = FIXTURE_CODE + 2;
    run_from(FIXTURE_CODE);
    assert_int_equal(f.cpu->s.gpr[RBX] & 0xff, 1);
}

/* The same bytes are different programs in different modes. */
static void modes_do_not_share_blocks(void **state)
{
    (void)state;
    PUT(FIXTURE_CODE, 0x48, 0xff, 0xc0, 0xf4);          /* inc rax; or dec eax; inc eax */
    f.cpu->s.gpr[RAX] = 5;
    run_from(FIXTURE_CODE);
    assert_int_equal(f.cpu->s.gpr[RAX], 6);
    f.cpu->p.seg_attr[SEG_CS] = 0xc09b;                 /* compatibility mode */
    cpu_mode_changed(f.cpu);
    run_from(FIXTURE_CODE);
    assert_int_equal(f.cpu->s.gpr[RAX], 6);
}

/* Code in a device window is fetched byte by byte, each time anew. */
static uint64_t code_read(struct device *dev, uint32_t at, unsigned bytes)
{
    static const uint8_t code[] = { 0xb0, 0x42, 0x04, 0x01, 0xf4, 0x90, 0x90, 0x90 };

    (void)dev;
    (void)bytes;
    return at < sizeof code ? code[at] : 0x90;
}

static void code_in_a_device_runs(void **state)
{
    static const struct reg rows[] = { { 0, 1, "code", code_read, reg_ignore, 0x1000 } };

    (void)state;
    space_add_device(f.memory, 0xf1000000, f.probe, rows, 1, LAYER_DEVICE);
    run_from(0xf1000000);
    assert_int_equal(f.cpu->s.gpr[RAX] & 0xff, 0x43);
    assert_int_equal(f.cpu->p.activity, CPU_HALTED);
}

/* Dropping everything between any two instructions changes nothing. */
/* When the generations of tags have all been used, an empty slot must not look like one of address 0 in real mode. */
static void tags_that_come_round_match_nothing(void **state)
{
    static const uint8_t hlt = 0xf4;

    (void)state;
    fixture_mode(&f, FIXTURE_REAL);
    fixture_put(&f, 0, &hlt, 1);
    for (uint64_t n = 0; n <= BIT64(64 - CODE_TAG_BITS) + 1; n++) {
        block_lookup_flush(f.cpu);
        if (f.cpu->code_tag >> CODE_TAG_BITS > 1)
            continue;
        f.cpu->p.rip = 0;
        f.cpu->p.activity = CPU_RUNNING;
        assert_int_equal(cpu_run(f.cpu, 2), CPU_STOP_IDLE);
        assert_int_equal(f.cpu->p.rip, 1);
    }
}

static void dropped_caches_change_nothing(void **state)
{
    (void)state;
    /* loop: add rax, rcx; mov [rdi], rax; xor rbx, [rdi]; rol rbx, 3; dec rcx; jnz loop; hlt */
    PUT(FIXTURE_CODE, 0x48, 0x01, 0xc8, 0x48, 0x89, 0x07, 0x48, 0x33, 0x1f, 0x48, 0xc1, 0xc3, 0x03, 0x48, 0xff, 0xc9,
        0x75, 0xee, 0xf4);
    for (unsigned drop = 0; drop < 2; drop++) {
        static uint64_t result;
        unsigned turns = 0;

        f.cpu->s.gpr[RAX] = f.cpu->s.gpr[RBX] = 0;
        f.cpu->s.gpr[RCX] = 100;
        f.cpu->s.gpr[RDI] = FIXTURE_DATA;
        f.cpu->p.rip = FIXTURE_CODE;
        f.cpu->p.activity = CPU_RUNNING;
        while (cpu_run(f.cpu, drop ? 1 + turns % 9 : 1000) == CPU_STOP_BUDGET && turns++ < 1000)
            if (drop)
                cpu_drop_caches(f.cpu);
        if (drop)
            assert_int_equal(f.cpu->s.gpr[RBX], result);
        result = f.cpu->s.gpr[RBX];
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_long, close_it)
    const struct CMUnitTest tests[] = {
        TEST(a_store_changes_the_next_instruction),
        TEST(a_string_store_changes_the_next_instruction),
        TEST(a_push_changes_the_next_instruction),
        TEST(dma_changes_code),
        TEST(another_processor_changes_code),
        TEST(stores_beside_code_forget_nothing),
        TEST(a_page_without_code_is_data_again),
        TEST(an_instruction_over_two_pages_follows_both),
        TEST(the_second_page_faults_when_it_is_reached),
        TEST(remapping_the_second_page_changes_the_instruction),
        TEST(remapping_a_page_changes_the_code),
        TEST(flushing_a_page_without_code_keeps_shortcuts),
        TEST(a_nonglobal_flush_keeps_shortcuts_to_global_code),
        TEST(an_overlay_hides_code),
        TEST(bad_bytes_fault_only_where_they_are),
        TEST(sixteen_bytes_are_too_many),
        TEST(the_segment_limit_ends_code),
        TEST(modes_do_not_share_blocks),
        TEST(code_in_a_device_runs),
        TEST(dropped_caches_change_nothing),
        TEST(tags_that_come_round_match_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
