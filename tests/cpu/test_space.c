/* SPDX-License-Identifier: MIT
 * Address spaces of the TLB: what each way of flushing must take of the entries of each PCID and of global ones (SDM 3A
 * "Operations that Invalidate TLBs and Paging-Structure Caches"), and what is kept. Page tables change behind the processor's
 * back, so that an old byte tells of an entry that was kept. */
#include "tests/check.h"

#include <stdio.h>

#include "tests/cpu/fixture.h"

#include "cpu/block.h"
#include "cpu/tlb.h"

#define PRIVATE     UINT64_C(0x7f0000000000)    /* a page of each space's own */
#define SHARED      UINT64_C(0x7e0000057000)    /* a global one, of another slot */
#define SPARE       0xb00000u                   /* room for tables */
#define KEEP        BIT64(63)
#define P_W_U       7u
#define G           0x100u

static struct fixture f;
static uint64_t spare;

static void put64(uint64_t at, uint64_t v)
{
    fixture_put(&f, at, &v, 8);
}

static uint64_t table_make(void)
{
    spare += PAGE_SIZE;
    return spare - PAGE_SIZE;
}

/* The entry that maps lin under this root. */
static uint64_t entry_of(uint64_t root, uint64_t lin)
{
    for (unsigned shift = 39; shift > 12; shift -= 9) {
        uint64_t at = root + 8 * (lin >> shift & 511);

        if (!(fixture_read(&f, at, 8) & 1))
            put64(at, table_make() | P_W_U);
        root = fixture_read(&f, at, 8) & 0xfffff000;
    }
    return root + 8 * (lin >> 12 & 511);
}

/* A space that sees the fixture's memory, page `private` and page `shared`. */
static uint64_t space_open(uint64_t private, uint64_t shared)
{
    uint64_t root = table_make();

    put64(root, fixture_read(&f, FIXTURE_TABLES, 8));
    put64(entry_of(root, PRIVATE), private | P_W_U);
    put64(entry_of(root, SHARED), shared | P_W_U | G);
    return root;
}

static int open_it(void **state)
{
    (void)state;
    fixture_open(&f);
    fixture_mode(&f, FIXTURE_LONG);
    fixture_tables(&f);
    f.cpu->p.cr4 |= CR4_PGE | CR4_PCIDE;
    cpu_mode_changed(f.cpu);
    tlb_flush_all(f.cpu);
    spare = SPARE;
    for (unsigned n = 0; n < 64; n++)           /* a byte that names each page */
        fixture_put(&f, FIXTURE_DATA + n * PAGE_SIZE, &(uint8_t){ (uint8_t)n }, 1);
    return 0;
}

static int close_it(void **state)
{
    (void)state;
    fixture_close(&f);
    return 0;
}

static void run(const void *code, size_t len)
{
    fixture_code(&f, code, len);
    f.cpu->p.rip = FIXTURE_CODE;
    f.cpu->p.activity = CPU_RUNNING;
    assert_int_equal(fixture_run(&f, 50), -1);
}

#define RUN(code) run(code, sizeof(code) - 1)

static void load_cr3(uint64_t cr3)
{
    f.cpu->s.gpr[RAX] = cr3;
    RUN("\x0f\x22\xd8\xf4");        /* mov cr3, rax; hlt */
}

static unsigned byte_at(uint64_t lin)
{
    f.cpu->s.gpr[RDI] = lin;
    RUN("\x0f\xb6\x1f\xf4");        /* movzx ebx, byte [rdi]; hlt */
    return (unsigned)f.cpu->s.gpr[RBX];
}

static uint64_t page(unsigned n)
{
    return FIXTURE_DATA + n * PAGE_SIZE;
}

/* Spaces 1 and 2, whose pages have been used and are others now: bytes 1 to 3 are those of kept entries. Space 1 is in force. */
static uint64_t root[3];

static void two_spaces(void)
{
    root[1] = space_open(page(1), page(3));
    root[2] = space_open(page(2), page(3));
    for (unsigned n = 2; n >= 1; n--) {
        load_cr3(root[n] | n);
        assert_int_equal(byte_at(PRIVATE), n);
        assert_int_equal(byte_at(SHARED), 3);
    }
    for (unsigned n = 1; n <= 2; n++) {
        put64(entry_of(root[n], PRIVATE), page(n + 10) | P_W_U);
        put64(entry_of(root[n], SHARED), page(13) | P_W_U | G);
    }
}

/* Look at what is left; `keeps` has a bit for each of: space 1, space 2, global as seen in 1, and in 2. */
static void left_over(const char *what, unsigned keeps)
{
    const unsigned seen[4] = { byte_at(PRIVATE), (load_cr3(root[2] | 2 | KEEP), byte_at(PRIVATE)),
                               (load_cr3(root[1] | 1 | KEEP), byte_at(SHARED)), (load_cr3(root[2] | 2 | KEEP), byte_at(SHARED)) };
    static const unsigned old[4] = { 1, 2, 3, 3 };

    for (unsigned n = 0; n < 4; n++)
        if (seen[n] != (keeps >> n & 1 ? old[n] : old[n] + 10))
            fail_msg("%s: %u sees %u", what, n, seen[n]);
}

static void a_load_with_bit_63_keeps_all(void **state)
{
    (void)state;
    two_spaces();
    load_cr3(root[1] | 1 | KEEP);
    left_over("the same space", 0xf);
}

static void a_load_without_takes_what_is_not_global_of_its_pcid(void **state)
{
    (void)state;
    two_spaces();
    load_cr3(root[1] | 1);
    left_over("space 1", 0xe);
}

static void a_load_without_leaves_what_it_comes_from(void **state)
{
    (void)state;
    two_spaces();
    load_cr3(root[2] | 2);
    load_cr3(root[1] | 1 | KEEP);
    left_over("space 2", 0xd);
}

/* SDM 2A "MOV-Move to/from Control Registers": without CR4.PCIDE it is one space, whatever the low bits. */
static void without_pcids_each_load_flushes(void **state)
{
    (void)state;
    f.cpu->p.cr4 &= ~(uint64_t)CR4_PCIDE;
    tlb_flush_all(f.cpu);
    root[1] = space_open(page(1), page(3));
    load_cr3(root[1]);
    assert_int_equal(byte_at(PRIVATE), 1);
    assert_int_equal(byte_at(SHARED), 3);
    put64(entry_of(root[1], PRIVATE), page(11) | P_W_U);
    put64(entry_of(root[1], SHARED), page(13) | P_W_U | G);
    load_cr3(root[1] | 0x18);       /* PCD and PWT */
    assert_int_equal(byte_at(PRIVATE), 11);
    assert_int_equal(byte_at(SHARED), 3);
}

static void invlpg_takes_the_page_here_and_global_ones_everywhere(void **state)
{
    (void)state;
    two_spaces();
    f.cpu->s.gpr[RDI] = PRIVATE;
    RUN("\x0f\x01\x3f\xf4");        /* invlpg [rdi] */
    left_over("a private page", 0xe);
    fixture_close(&f);
    open_it(NULL);
    two_spaces();
    f.cpu->s.gpr[RDI] = SHARED;
    RUN("\x0f\x01\x3f\xf4");
    left_over("a global page", 0x3);
}

static void invpcid_takes_what_its_type_says(void **state)
{
    static const struct { unsigned type, pcid; uint64_t lin; unsigned keeps; } rows[] = {
        { 0, 1, PRIVATE, 0xe }, { 0, 2, PRIVATE, 0xd }, { 0, 3, PRIVATE, 0xf }, { 0, 2, PRIVATE + PAGE_SIZE, 0xf },
        { 1, 1, 0, 0xe }, { 1, 2, 0, 0xd }, { 1, 3, 0, 0xf }, { 2, 0, 0, 0x0 }, { 3, 0, 0, 0xc },
    };

    (void)state;
    for (unsigned n = 0; n < COUNT_OF(rows); n++) {
        char what[32];

        fixture_close(&f);
        open_it(NULL);
        two_spaces();
        put64(FIXTURE_STACK, rows[n].pcid);
        put64(FIXTURE_STACK + 8, rows[n].lin);
        f.cpu->s.gpr[RDI] = FIXTURE_STACK;
        f.cpu->s.gpr[RAX] = rows[n].type;
        RUN("\x66\x0f\x38\x82\x07\xf4");        /* invpcid rax, [rdi] */
        snprintf(what, sizeof what, "type %u, PCID %u", rows[n].type, rows[n].pcid);
        left_over(what, rows[n].keeps);
    }
}

static void a_change_of_pge_takes_all(void **state)
{
    (void)state;
    two_spaces();
    f.cpu->s.gpr[RAX] = f.cpu->p.cr4;
    RUN("\x34\x80\x0f\x22\xe0\x34\x80\x0f\x22\xe0\xf4");    /* xor al, 80h; mov cr4, rax, and back */
    left_over("PGE", 0x0);
}

static void pcids_may_be_more_than_there_is_room_for(void **state)
{
    uint64_t many[3 * TLB_SPACES];

    (void)state;
    for (unsigned n = 0; n < COUNT_OF(many); n++)
        many[n] = space_open(page(n), page(40));
    for (unsigned round = 0; round < 3; round++)
        for (unsigned n = 0; n < COUNT_OF(many); n++) {
            load_cr3(many[n] | n | KEEP);
            assert_int_equal(byte_at(PRIVATE), n);
            assert_int_equal(byte_at(SHARED), 40);
        }
    assert_int_equal(f.cpu->stats.tlb_kept, 0);
    for (unsigned round = 0; round < 3; round++)
        for (unsigned n = 0; n < TLB_SPACES; n++)
            load_cr3(many[n] | n | KEEP);
    assert_int_equal(f.cpu->stats.tlb_kept, 2 * TLB_SPACES);
}

/* Code at one address that is other code in each space: mov al, N; jmp to the next page; hlt there. */
static void code_is_that_of_the_space(void **state)
{
    (void)state;
    root[1] = space_open(page(1), page(3));
    root[2] = space_open(page(2), page(3));
    for (unsigned n = 1; n <= 2; n++) {
        const uint8_t first[] = { 0xb0, (uint8_t)n, 0xe9, 0xf9, 0x0f, 0, 0 }, second[] = { 0x04, (uint8_t)(16 * n), 0xf4 };

        fixture_put(&f, page(n), first, sizeof first);
        fixture_put(&f, page(n + 4), second, sizeof second);
        put64(entry_of(root[n], PRIVATE + PAGE_SIZE), page(n + 4) | P_W_U);
    }
    for (unsigned round = 0; round < 8; round++)
        for (unsigned n = 1; n <= 2; n++) {
            load_cr3(root[n] | n | KEEP);
            f.cpu->p.rip = PRIVATE;
            f.cpu->p.activity = CPU_RUNNING;
            assert_int_equal(fixture_run(&f, 10), -1);
            assert_int_equal(f.cpu->s.gpr[RAX] & 0xff, 17 * n);
        }
    assert_int_equal(f.cpu->stats.tlb_kept, 14);
    put64(entry_of(root[1], PRIVATE + PAGE_SIZE), page(6) | P_W_U);        /* 1 now goes on as 2 does */
    put64(FIXTURE_STACK, 1);
    put64(FIXTURE_STACK + 8, PRIVATE + PAGE_SIZE);
    f.cpu->s.gpr[RDI] = FIXTURE_STACK;
    f.cpu->s.gpr[RAX] = 0;
    RUN("\x66\x0f\x38\x82\x07\xf4");
    load_cr3(root[1] | 1 | KEEP);
    f.cpu->p.rip = PRIVATE;
    f.cpu->p.activity = CPU_RUNNING;
    assert_int_equal(fixture_run(&f, 10), -1);
    assert_int_equal(f.cpu->s.gpr[RAX] & 0xff, 0x21);
}

static void store_to(uint64_t lin, uint64_t v)
{
    f.cpu->s.gpr[RDI] = lin;
    f.cpu->s.gpr[RAX] = v;
    RUN("\x88\x07\xf4");            /* mov [rdi], al; hlt */
}

static unsigned code_at(uint64_t lin)
{
    f.cpu->p.rip = lin;
    f.cpu->p.activity = CPU_RUNNING;
    assert_int_equal(fixture_run(&f, 10), -1);
    return f.cpu->s.gpr[RAX] & 0xff;
}

/* A page becomes code, or clean, while a space that has written to it is not in force. */
static void what_happens_meanwhile_is_heard_of(void **state)
{
    static const uint8_t code[] = { 0xb0, 0x11, 0xf4 };        /* mov al, 11h; hlt */
    uint64_t ram_page = page(1) >> PAGE_SHIFT;

    (void)state;
    root[1] = space_open(page(1), page(3));
    root[2] = space_open(page(2), page(3));
    load_cr3(root[1] | 1);
    fixture_put(&f, page(1), code, sizeof code);
    store_to(PRIVATE + 64, 1);
    load_cr3(root[2] | 2);
    assert_int_equal(code_at(page(1)), 0x11);
    load_cr3(root[1] | 1 | KEEP);
    store_to(PRIVATE + 1, 0x22);
    assert_int_equal(code_at(page(1)), 0x22);
    store_to(PRIVATE + 1, 0x33);        /* the code is gone, and made anew */
    load_cr3(root[2] | 2 | KEEP);
    assert_int_equal(code_at(page(1)), 0x33);
    load_cr3(root[1] | 1 | KEEP);
    store_to(PRIVATE + 1, 0x44);
    assert_int_equal(code_at(page(1)), 0x44);
    load_cr3(root[2] | 2 | KEEP);
    ram_clear_dirty(f.ram, RAM_DIRTY);
    load_cr3(root[1] | 1 | KEEP);
    assert_false(f.ram->dirty[ram_page]);
    store_to(PRIVATE + 128, 1);
    assert_true(f.ram->dirty[ram_page]);
}

/* SDM 3A "Linear-Address Masking": the bits in CR3 that choose it belong to what the entries of a space mean. */
static void masks_change_with_the_space(void **state)
{
    (void)state;
    two_spaces();
    load_cr3(root[1] | 1 | CR3_LAM_U57);
    assert_int_equal(byte_at(PRIVATE | UINT64_C(0x15) << 58), 11);
    load_cr3(root[2] | 2 | KEEP);
    load_cr3(root[1] | 1 | KEEP);
    f.cpu->s.gpr[RDI] = PRIVATE | UINT64_C(0x15) << 58;
    fixture_code(&f, "\x0f\xb6\x1f\xf4", 4);
    f.cpu->p.rip = FIXTURE_CODE;
    f.cpu->p.activity = CPU_RUNNING;
    assert_int_equal(fixture_run(&f, 50), VEC_GP);
}

/* A table of fetched pages that is full begins anew; no shortcut leads to a page that a flush would not find. */
static void more_code_than_the_table_holds(void **state)
{
    (void)state;
    root[1] = space_open(page(1), page(3));
    for (unsigned n = 0; n < 4000; n++)
        put64(entry_of(root[1], PRIVATE + n * PAGE_SIZE), page(1) | P_W_U);
    fixture_put(&f, page(1), "\xb0\x11\xf4", 3);
    fixture_put(&f, page(2), "\xb0\x22\xf4", 3);
    load_cr3(root[1] | 1);
    for (unsigned n = 0; n < 4000; n++)
        assert_int_equal(code_at(PRIVATE + n * PAGE_SIZE), 0x11);
    assert_int_equal(code_at(PRIVATE), 0x11);
    put64(entry_of(root[1], PRIVATE), page(2) | P_W_U);
    f.cpu->s.gpr[RDI] = PRIVATE;
    RUN("\x0f\x01\x3f\xf4");
    assert_int_equal(code_at(PRIVATE), 0x22);
}

/* All pieces of large pages of the GiB go, since nobody knows which are of one page; those of other GiB stay, or each flush of a
 * page of the stack would empty all that is known of the kernel's code. */
static void pieces_go_with_their_gib_alone(void **state)
{
    const uint64_t code = FIXTURE_CODE;
    uint64_t fetches;

    (void)state;
    put64(entry_of(root[1] = space_open(page(1), page(3)), PRIVATE), page(1) | P_W_U);
    load_cr3(root[1] | 1);
    f.cpu->s.gpr[RDI] = PRIVATE;
    RUN("\x0f\x01\x3f\xf4");        /* invlpg [rdi]; hlt */
    fetches = f.cpu->stats.tlb_fetches;
    for (uint64_t gib = 1; gib < 2048; gib++) {
        f.cpu->s.gpr[RDI] = (gib & 1 ? UINT64_C(0xffff800000000000) : 0) + (gib << 30) + code;
        RUN("\x0f\x01\x3f\xf4");
    }
    assert_int_equal(f.cpu->stats.tlb_fetches, fetches);
    f.cpu->s.gpr[RDI] = code + (2 << 20);
    RUN("\x0f\x01\x3f\xf4");
    assert_int_equal(byte_at(PRIVATE), 1);
    assert_int_equal(f.cpu->stats.tlb_fetches, fetches + 1);
}

static bool is_known(uint64_t lin)
{
    struct tlb_place at;

    return tlb_known(f.cpu, lin, ACCESS_READ, BANK_SUPERVISOR, &at);
}

/* In more GiB than are told apart. */
static void pieces_in_many_gib(void **state)
{
    const unsigned gibs = 3 * TLB_GIBS;
    const uint64_t first = PRIVATE + (UINT64_C(1) << 30);

    (void)state;
    root[1] = space_open(page(1), page(3));
    load_cr3(root[1] | 1);
    for (unsigned round = 0; round < 2; round++) {
        for (uint64_t n = 0; n < gibs; n++) {
            const uint64_t lin = first + (n << 30), pointers = fixture_read(&f, root[1] + 8 * (lin >> 39 & 511), 8) & 0xfffff000;
            const uint64_t directory = table_make();

            put64(pointers + 8 * (lin >> 30 & 511), directory | P_W_U);
            put64(directory, FIXTURE_DATA | P_W_U | 0x80);
            assert_int_equal(byte_at(lin + n * PAGE_SIZE), n);
        }
        for (uint64_t n = 0; n < gibs; n++) {
            const uint64_t lin = first + (n << 30) + n * PAGE_SIZE;

            assert_true(is_known(lin));
            f.cpu->s.gpr[RDI] = lin + 64 * PAGE_SIZE;   /* of the same large page */
            RUN("\x0f\x01\x3f\xf4");
            assert_false(is_known(lin));
        }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_it, close_it)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_load_with_bit_63_keeps_all),
        TEST(a_load_without_takes_what_is_not_global_of_its_pcid),
        TEST(a_load_without_leaves_what_it_comes_from),
        TEST(without_pcids_each_load_flushes),
        TEST(invlpg_takes_the_page_here_and_global_ones_everywhere),
        TEST(invpcid_takes_what_its_type_says),
        TEST(a_change_of_pge_takes_all),
        TEST(pcids_may_be_more_than_there_is_room_for),
        TEST(code_is_that_of_the_space),
        TEST(what_happens_meanwhile_is_heard_of),
        TEST(masks_change_with_the_space),
        TEST(more_code_than_the_table_holds),
        TEST(pieces_go_with_their_gib_alone),
        TEST(pieces_in_many_gib),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
