/* SPDX-License-Identifier: MIT
 * Paging: every mode's walk, rights against a plain reading of SDM 3A "Access Rights" for all combinations, error codes,
 * accessed and dirty bits, and that the TLB never gives what a walk would refuse. */
#include "tests/check.h"

#include "tests/cpu/fixture.h"

#include "cpu/mem.h"
#include "cpu/tlb.h"

#define P   1u
#define W   2u
#define U   4u
#define A   0x20u
#define D   0x40u
#define PS  0x80u
#define G   0x100u
#define NX  BIT64(63)

enum { PF_P = 1, PF_W = 2, PF_U = 4, PF_RSVD = 8, PF_I = 16, PF_PK = 32 };

static struct fixture f;
static struct translation t;

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

static void put64(uint64_t at, uint64_t v)
{
    fixture_put(&f, at, &v, 8);
    tlb_flush_all(f.cpu);
}

static void put32(uint64_t at, uint32_t v)
{
    fixture_put(&f, at, &v, 4);
    tlb_flush_all(f.cpu);
}

static bool translate(gva_t lin, unsigned access, enum tlb_bank bank)
{
    return mmu_translate(f.cpu, lin, access, bank, &t);
}

/* ---- rights ---- */

struct combination {
    bool user_page, writable, nx;           /* what the entries together say */
    bool wp, smep, smap, nxe;
    unsigned key_rights;                    /* PKRU: 1 access disabled, 2 write disabled */
    enum tlb_bank bank;
    unsigned access;
};

/* SDM 3A "Determination of Access Rights", read clause by clause. */
static bool allowed(const struct combination *c)
{
    bool user_mode = c->bank == BANK_USER;

    if (user_mode && !c->user_page)
        return false;
    if (c->access == ACCESS_EXECUTE) {
        if (c->nx && c->nxe)
            return false;
        return user_mode || !(c->user_page && c->smep);
    }
    if (!user_mode && c->user_page && c->smap && c->bank != BANK_SUPERVISOR_AC)
        return false;
    if (c->user_page && (c->key_rights & 1))
        return false;
    if (c->access == ACCESS_READ)
        return true;
    if (c->user_page && (c->key_rights & 2) && (user_mode || c->wp))
        return false;
    return c->writable || (!user_mode && !c->wp);
}

static void check_combination(const struct combination *c, uint64_t pde, uint64_t pte, uint64_t lin)
{
    struct cpu *cpu = f.cpu;
    uint64_t expected_error = PF_P | (c->access == ACCESS_WRITE ? PF_W : 0) | (c->bank == BANK_USER ? PF_U : 0) |
                              (c->access == ACCESS_EXECUTE && (c->nxe || c->smep) ? PF_I : 0);
    uint64_t marked;
    bool ok;

    cpu->p.cr0 = c->wp ? cpu->p.cr0 | CR0_WP : cpu->p.cr0 & ~(uint64_t)CR0_WP;
    cpu->p.cr4 = CR4_PAE | CR4_PKE | (c->smep ? CR4_SMEP : 0) | (c->smap ? CR4_SMAP : 0);
    cpu->p.efer = c->nxe ? cpu->p.efer | EFER_NXE : cpu->p.efer & ~(uint64_t)EFER_NXE;
    cpu->s.pkru = c->key_rights << 10;                  /* key 5 */
    put64(fixture_entry_at(&f, lin, 2), pde);
    put64(fixture_entry_at(&f, lin, 1), pte);
    ok = translate(lin, c->access, c->bank);
    assert_int_equal(ok, allowed(c));
    marked = fixture_read(&f, fixture_entry_at(&f, lin, 1), 8);
    if (ok) {
        assert_int_equal(marked, pte | A | (c->access == ACCESS_WRITE ? D : 0));
        return;
    }
    assert_int_equal(marked, pte);
    if (c->access != ACCESS_EXECUTE && c->user_page &&
        ((c->key_rights & 1) || (c->access == ACCESS_WRITE && (c->key_rights & 2) && (c->bank == BANK_USER || c->wp))))
        expected_error |= PF_PK;
    assert_int_equal(cpu->fault.vector, VEC_PF);
    assert_int_equal(cpu->fault.error, expected_error);
    assert_int_equal(cpu->fault.cr2, lin);
}

/* All combinations of entry bits at two levels, control bits, privilege and access. */
static void rights_of_all_combinations(void **state)
{
    uint64_t lin = FIXTURE_DATA + 0x3000, table;

    (void)state;
    fixture_small_pages(&f, lin);
    table = fixture_read(&f, fixture_entry_at(&f, lin, 2), 8) & PAGE_MASK;
    for (unsigned n = 0; n < 1u << 15; n++) {
        static const unsigned accesses[] = { ACCESS_READ, ACCESS_WRITE, ACCESS_EXECUTE };
        struct combination c = {
            .user_page = (n & 3) == 3, .writable = (n & 12) == 12, .nxe = n & 64, .wp = n & 128, .smep = n & 256,
            .smap = n & 512,
            .key_rights = n >> 10 & 3, .bank = n >> 12 & 3,
        };
        uint64_t pde = table | P | (n & 1 ? U : 0) | (n & 4 ? W : 0) | A;
        uint64_t pte = lin | P | (n & 2 ? U : 0) | (n & 8 ? W : 0) | (uint64_t)5 << 59;

        if (c.bank == BANK_SLOW || ((n & 48) != 0 && !c.nxe))       /* NX without NXE is a reserved bit */
            continue;
        c.nx = n & 48;
        pde |= n & 16 ? NX : 0;
        pte |= n & 32 ? NX : 0;
        for (unsigned k = 0; k < 3; k++) {
            c.access = accesses[k];
            check_combination(&c, pde, pte, lin);
        }
    }
}

/* ---- present and reserved bits ---- */

static void expect_fault(gva_t lin, unsigned access, enum tlb_bank bank, uint32_t error)
{
    tlb_flush_all(f.cpu);
    assert_false(translate(lin, access, bank));
    assert_int_equal(f.cpu->fault.error, error);
}

static void reserved_and_absent_entries_at_every_level(void **state)
{
    uint64_t lin = FIXTURE_DATA;

    (void)state;
    fixture_small_pages(&f, lin);
    for (unsigned level = 1; level <= 4; level++) {
        uint64_t at = fixture_entry_at(&f, lin, level), good = fixture_read(&f, at, 8);

        put64(at, good & ~(uint64_t)P);
        expect_fault(lin, ACCESS_READ, BANK_USER, PF_U);
        expect_fault(lin, ACCESS_WRITE, BANK_SUPERVISOR, PF_W);
        put64(at, good | BIT64(cpu_physical_bits(f.cpu)));
        expect_fault(lin, ACCESS_READ, BANK_SUPERVISOR, PF_P | PF_RSVD);
        put64(at, good | BIT64(51));
        expect_fault(lin, ACCESS_EXECUTE, BANK_SUPERVISOR, PF_P | PF_RSVD | PF_I);
        put64(at, good | BIT64(52) | BIT64(58));            /* ignored */
        assert_true(translate(lin, ACCESS_READ, BANK_USER));
        f.cpu->p.efer &= ~(uint64_t)EFER_NXE;
        put64(at, good | NX);
        expect_fault(lin, ACCESS_EXECUTE, BANK_SUPERVISOR, PF_P | PF_RSVD);
        f.cpu->p.efer |= EFER_NXE;
        if (level == 4) {
            put64(at, good | PS);
            expect_fault(lin, ACCESS_READ, BANK_SUPERVISOR, PF_P | PF_RSVD);
        }
        put64(at, good);
        assert_true(translate(lin, ACCESS_READ, BANK_USER));
        assert_int_equal(t.gpa, lin);
    }
}

static void large_pages_have_reserved_address_bits(void **state)
{
    uint64_t lin = FIXTURE_DATA, at = fixture_entry_at(&f, lin, 2), good = fixture_read(&f, at, 8);
    uint64_t pdpte = fixture_entry_at(&f, lin, 3), good_pdpte = fixture_read(&f, pdpte, 8);

    (void)state;
    assert_true(translate(lin + 0x12345, ACCESS_WRITE, BANK_USER));
    assert_int_equal(t.gpa, lin + 0x12345);
    assert_int_equal(t.page_shift, 21);
    assert_int_equal(fixture_read(&f, at, 8), good | A | D);
    put64(at, good | BIT64(13));
    expect_fault(lin, ACCESS_READ, BANK_SUPERVISOR, PF_P | PF_RSVD);
    put64(at, good | BIT64(12));                            /* PAT */
    assert_true(translate(lin, ACCESS_READ, BANK_SUPERVISOR));
    put64(pdpte, P | W | U | PS | 0x40000000);
    assert_true(translate(lin, ACCESS_READ, BANK_SUPERVISOR));
    assert_int_equal(t.gpa, 0x40000000 + lin);
    put64(pdpte, P | W | U | PS | 0x40000000 | BIT64(29));
    expect_fault(lin, ACCESS_READ, BANK_SUPERVISOR, PF_P | PF_RSVD);
    put64(pdpte, good_pdpte);
    assert_int_equal(good_pdpte & A, 0);
    translate(lin, ACCESS_READ, BANK_SUPERVISOR);
    assert_int_equal(fixture_read(&f, pdpte, 8), good_pdpte | A);
}

/* ---- other modes ---- */

#define ROOT (FIXTURE_TABLES + 0x400000)

static void use_paging(uint64_t cr4, uint64_t root)
{
    f.cpu->p.efer = EFER_NXE;
    f.cpu->p.cr4 = cr4;
    f.cpu->p.cr3 = root;
    f.cpu->p.cr0 |= CR0_PG | CR0_WP;
    tlb_flush_all(f.cpu);
}

static void thirty_two_bit_paging(void **state)
{
    (void)state;
    use_paging(CR4_PSE, ROOT);
    put32(ROOT + 4 * 3, (ROOT + 0x1000) | P | W | U);
    put32(ROOT + 0x1000 + 4 * 5, 0x345000 | P | U);
    assert_true(translate(0xc05678, ACCESS_READ, BANK_USER));
    assert_int_equal(t.gpa, 0x345678);
    assert_int_equal(fixture_read(&f, ROOT + 0x1000 + 20, 4), 0x345000u | P | U | A);
    expect_fault(0xc05678, ACCESS_WRITE, BANK_USER, PF_P | PF_W | PF_U);
    expect_fault(0xc05678, ACCESS_WRITE, BANK_SUPERVISOR, PF_P | PF_W);
    put32(ROOT + 4 * 4, 0x00c00000 | P | W | U | PS | 0x6000);      /* PSE-36: address bits 33 and 34 */
    assert_true(translate(0x01123456, ACCESS_WRITE, BANK_USER));
    assert_int_equal(t.gpa, 0x300d23456);
    put32(ROOT + 4 * 4, 0x00c00000 | P | W | U | PS | 0x200000);
    expect_fault(0x01123456, ACCESS_READ, BANK_SUPERVISOR, PF_P | PF_RSVD);
    f.cpu->p.cr4 = 0;                                               /* without PSE the bit means nothing */
    put32(ROOT + 4 * 4, (ROOT + 0x1000) | P | W | U | PS);
    assert_true(translate(0x01005678, ACCESS_READ, BANK_USER));
    assert_int_equal(t.gpa, 0x345678);
}

static void pae_paging(void **state)
{
    uint64_t pdpte[4] = { (ROOT + 0x1000) | P, 0, (ROOT + 0x2000) | P, 0 };

    (void)state;
    fixture_put(&f, ROOT + 0x20, pdpte, sizeof pdpte);
    use_paging(CR4_PAE, ROOT + 0x20);
    assert_true(mmu_load_pdptes(f.cpu, ROOT + 0x20));
    put64(ROOT + 0x2000, (ROOT + 0x3000) | P | W | U);
    put64(ROOT + 0x3000 + 8 * 7, 0x345000 | P | W | U | NX);
    assert_true(translate(0x80007123, ACCESS_WRITE, BANK_USER));
    assert_int_equal(t.gpa, 0x345123);
    expect_fault(0x80007123, ACCESS_EXECUTE, BANK_USER, PF_P | PF_U | PF_I);
    expect_fault(0x40000000, ACCESS_READ, BANK_SUPERVISOR, 0);
    put64(ROOT + 0x3000 + 8 * 7, 0x345000 | P | W | U | BIT64(52));         /* reserved here, ignored in long mode */
    expect_fault(0x80007123, ACCESS_READ, BANK_SUPERVISOR, PF_P | PF_RSVD);
    /* The pointers are registers: memory may change behind them until CR3 is loaded again. */
    put64(ROOT + 0x20, 0);
    put64(ROOT + 0x1000, 0x600000 | P | W | U | PS);
    assert_true(translate(0x1234, ACCESS_READ, BANK_USER));
    assert_int_equal(t.gpa, 0x601234);
    put64(ROOT + 0x20, (ROOT + 0x1000) | P | W);
    assert_false(mmu_load_pdptes(f.cpu, ROOT + 0x20));                      /* bit 1 is reserved */
}

static void five_levels(void **state)
{
    uint64_t lin = 0x00ab123456789000;

    (void)state;
    put64(ROOT + 8 * (lin >> 48 & 511), FIXTURE_TABLES | P | W | U);
    use_paging(CR4_PAE | CR4_LA57, ROOT);
    f.cpu->p.efer = EFER_LME | EFER_LMA | EFER_NXE;
    put64(FIXTURE_TABLES + 8 * (lin >> 39 & 511), fixture_read(&f, FIXTURE_TABLES, 8));
    put64(FIXTURE_TABLES + 0x1000 + 8 * (lin >> 30 & 511), (FIXTURE_TABLES + 0x2000) | P | W | U);
    put64(FIXTURE_TABLES + 0x2000 + 8 * (lin >> 21 & 511), FIXTURE_DATA | P | W | U | PS);
    assert_true(translate(lin, ACCESS_READ, BANK_USER));
    assert_int_equal(t.gpa, FIXTURE_DATA + (lin & 0x1fffff));
}

/* ---- programs ---- */

static int run_code(const void *bytes, size_t len)
{
    fixture_code(&f, bytes, len);
    f.cpu->p.rip = FIXTURE_CODE;
    f.cpu->p.activity = CPU_RUNNING;
    return fixture_run(&f, 1000);
}
#define RUN(text) run_code(text, sizeof text - 1)

/* mov rax, [rdi]; hlt and mov [rdi], rax; hlt over a border: both pages are checked before a byte moves. */
static void crossing_accesses_check_both_pages_first(void **state)
{
    uint64_t border = FIXTURE_DATA + 0x1000;

    (void)state;
    fixture_small_pages(&f, FIXTURE_DATA);
    f.cpu->s.gpr[RDI] = border - 3;
    f.cpu->s.gpr[RAX] = 0x1122334455667788;
    assert_int_equal(RUN("\x48\x89\x07\xf4"), -1);
    assert_int_equal(fixture_read(&f, border - 3, 8), 0x1122334455667788);
    f.cpu->s.gpr[RAX] = 0;
    assert_int_equal(RUN("\x48\x8b\x07\xf4"), -1);
    assert_int_equal(f.cpu->s.gpr[RAX], 0x1122334455667788);
    put64(fixture_entry_at(&f, border, 1), border | P | U);
    f.cpu->s.gpr[RAX] = ~(uint64_t)0;
    assert_int_equal(RUN("\x48\x89\x07\xf4"), VEC_PF);
    assert_int_equal(f.cpu->s.cr2, border);
    assert_int_equal(fixture_read(&f, border - 3, 8), 0x1122334455667788);
    assert_int_equal(RUN("\x48\xff\x07\xf4"), VEC_PF);      /* inc qword [rdi] */
    assert_int_equal(fixture_read(&f, border - 3, 8), 0x1122334455667788);
}

/* As test386 has it of the 386: a walk that ends in a fault marks nothing it passed. */
static void faults_leave_accessed_bits_alone(void **state)
{
    (void)state;
    fixture_small_pages(&f, FIXTURE_DATA);
    put64(fixture_entry_at(&f, FIXTURE_DATA, 1), 0);
    tlb_flush_all(f.cpu);
    assert_false(mmu_translate(f.cpu, FIXTURE_DATA, ACCESS_READ, BANK_SUPERVISOR, &t));
    assert_int_equal(fixture_read(&f, fixture_entry_at(&f, FIXTURE_DATA, 2), 8) & 0x20, 0);
    put64(fixture_entry_at(&f, FIXTURE_DATA, 1), FIXTURE_DATA | 7);
    assert_true(mmu_translate(f.cpu, FIXTURE_DATA, ACCESS_READ, BANK_SUPERVISOR, &t));
    assert_int_equal(fixture_read(&f, fixture_entry_at(&f, FIXTURE_DATA, 2), 8) & 0x60, 0x20);
    assert_int_equal(fixture_read(&f, fixture_entry_at(&f, FIXTURE_DATA, 1), 8) & 0x60, 0x20);
}

struct old { uint64_t at, value; bool heard; };

static void note_old(void *arg, struct ram *ram, uint64_t offset, uint64_t len)
{
    struct old *old = arg;

    (void)len;
    if (old->at / 8 != offset / 8 || old->heard)
        return;
    old->heard = true;
    memcpy(&old->value, ram->bytes + old->at, 8);
}

/* Whoever keeps what a page held before it changes (a snapshot) must be asked first: by marks in tables as by stores that RAM hears of. */
static void memory_hears_before_its_bytes_change(void **state)
{
    struct old old = { 0 };

    (void)state;
    fixture_small_pages(&f, FIXTURE_DATA);
    old.at = fixture_entry_at(&f, FIXTURE_DATA, 1);
    f.ram->wrote = note_old;
    f.ram->wrote_arg = &old;
    assert_true(mmu_translate(f.cpu, FIXTURE_DATA, ACCESS_WRITE, BANK_SUPERVISOR, &t));
    assert_true(old.heard);
    assert_int_equal(old.value & (A | D), 0);
    assert_int_not_equal(fixture_read(&f, old.at, 8) & D, 0);
    old = (struct old){ .at = FIXTURE_DATA };
    ram_clear_dirty(f.ram, RAM_DIRTY);
    f.cpu->s.gpr[RDI] = FIXTURE_DATA;
    f.cpu->s.gpr[RAX] = 0x55;
    ram_mark_code(f.ram, FIXTURE_DATA, 8);
    assert_int_equal(RUN("\x48\x89\x07\xf4"), -1);
    assert_true(old.heard);
    assert_int_equal(old.value, 0);
    assert_int_equal(fixture_read(&f, FIXTURE_DATA, 8), 0x55);
    f.ram->wrote = NULL;
}

/* A page read first and written later gets its dirty bit at the write. */
static void the_first_write_sets_dirty(void **state)
{
    uint64_t at;

    (void)state;
    fixture_small_pages(&f, FIXTURE_DATA);
    at = fixture_entry_at(&f, FIXTURE_DATA, 1);
    f.cpu->s.gpr[RDI] = FIXTURE_DATA;
    RUN("\x48\x8b\x07\xf4");
    assert_int_equal(fixture_read(&f, at, 8) & (A | D), A);
    RUN("\x48\x89\x07\xf4");
    assert_int_equal(fixture_read(&f, at, 8) & (A | D), A | D);
}

/* Addresses that are not canonical are #GP, through SS #SS (SDM 3A "Canonical Addressing"). */
static void uncanonical_addresses_are_no_page_faults(void **state)
{
    (void)state;
    f.cpu->s.gpr[RDI] = 0x0000800000000000;
    assert_int_equal(RUN("\x48\x8b\x07\xf4"), VEC_GP);
    f.cpu->s.gpr[RDI] = 0x00007ffffffffffd;                 /* the last byte is beyond */
    assert_int_equal(RUN("\x48\x8b\x07\xf4"), VEC_GP);
    f.cpu->s.gpr[RBP] = 0xffff000000000000;
    assert_int_equal(RUN("\x48\x8b\x45\x00\xf4"), VEC_SS);
    f.cpu->s.gpr[RDI] = FIXTURE_DATA;
}

/* A write to read-only memory of the map (ROM) vanishes, whatever the tables allow. */
static void rom_ignores_writes(void **state)
{
    struct ram *rom;
    struct err e = ram_create(&rom, "rom", PAGE_SIZE);

    (void)state;
    assert_false(failed(&e));
    rom->bytes[0] = 0x55;
    space_add_ram(f.memory, 0xe0000000, rom, 0, PAGE_SIZE, ACCESS_READ | ACCESS_EXECUTE, LAYER_ROM);
    f.cpu->s.gpr[RDI] = 0xe0000000;
    f.cpu->s.gpr[RAX] = 0x77;
    assert_int_equal(RUN("\x88\x07\x8a\x1f\xf4"), -1);      /* mov [rdi], al; mov bl, [rdi]; hlt */
    assert_int_equal(f.cpu->s.gpr[RBX] & 0xff, 0x55);
    assert_int_equal(rom->bytes[0], 0x55);
    fixture_close(&f);
    ram_free(rom);
    fixture_open(&f);
}

/* INVLPG takes one page, a CR3 load all but global ones. */
static void flushes_take_what_they_should(void **state)
{
    uint64_t at, other = FIXTURE_DATA + 0x5000;

    (void)state;
    fixture_small_pages(&f, FIXTURE_DATA);
    at = fixture_entry_at(&f, FIXTURE_DATA, 1);
    f.cpu->p.cr4 |= CR4_PGE;
    put64(at, FIXTURE_DATA | P | W | G);
    f.cpu->s.gpr[RDI] = FIXTURE_DATA;
    fixture_put(&f, FIXTURE_DATA, "\x11", 1);
    fixture_put(&f, other, "\x22", 1);
    RUN("\x8a\x07\xf4");
    fixture_put(&f, at, &(uint64_t){ other | P | W | G }, 8);       /* no flush */
    RUN("\x8a\x07\x0f\x20\xda\x0f\x22\xda\x8a\x1f\xf4");    /* mov al, [rdi]; mov rdx, cr3; mov cr3, rdx; mov bl, [rdi] */
    assert_int_equal(f.cpu->s.gpr[RBX] & 0xff, 0x11);
    RUN("\x0f\x01\x3f\x8a\x1f\xf4");                                /* invlpg [rdi]; mov bl, [rdi] */
    assert_int_equal(f.cpu->s.gpr[RBX] & 0xff, 0x22);
}

/* #AC: only at level 3 with AM and AC, for what is not aligned. */
static void alignment_is_checked_at_level_3(void **state)
{
    (void)state;
    f.cpu->s.gpr[RDI] = FIXTURE_DATA + 2;
    f.cpu->p.cr0 |= CR0_AM;
    fixture_privilege(&f, 3);
    cpu_set_rflags(f.cpu, FLAG_AC | 2);
    assert_int_equal(RUN("\x8b\x07\xf4"), VEC_AC);
    fixture_privilege(&f, 3);
    cpu_set_rflags(f.cpu, FLAG_AC | 2);
    assert_int_equal(RUN("\x66\x8b\x07\xf4"), VEC_GP);      /* two bytes are aligned; HLT is privileged */
    fixture_mode(&f, FIXTURE_LONG);
    f.cpu->p.cr0 |= CR0_AM;
    cpu_set_rflags(f.cpu, FLAG_AC | 2);
    assert_int_equal(RUN("\x8b\x07\xf4"), -1);
}

#define PUT(at, ...) do { const uint8_t code_[] = { __VA_ARGS__ }; fixture_put(&f, (at), code_, sizeof code_); } while (0)

/* Of a page that fixture_map() made. */
static uint64_t mapped_entry(uint64_t lin)
{
    uint64_t table = FIXTURE_TABLES;

    for (unsigned shift = 39; shift > 12; shift -= 9)
        table = fixture_read(&f, table + 8 * ((lin >> shift) & 511), 8) & 0xffffff000;
    return table + 8 * ((lin >> 12) & 511);
}

/* Pages that share a slot of the TLB push one another out; the ones behind are found again, and forgotten with the others. */
static void victims_are_translations_as_any(void **state)
{
    const uint64_t step = (uint64_t)TLB_ENTRIES << PAGE_SHIFT, base = 0x7f0000000000;

    (void)state;
    fixture_tables(&f);
    for (unsigned n = 0; n < 6; n++)
        fixture_map(&f, base + n * step, FIXTURE_DATA + n * PAGE_SIZE);
    for (unsigned round = 0; round < 3; round++)
        for (unsigned n = 0; n < 6; n++) {
            const uint64_t before = f.cpu->stats.tlb_fills;

            /* mov [rdi], rax; mov rbx, [rdi]; hlt */
            PUT(FIXTURE_CODE, 0x48, 0x89, 0x07, 0x48, 0x8b, 0x1f, 0xf4);
            f.cpu->s.gpr[RDI] = base + n * step;
            f.cpu->s.gpr[RAX] = 100 * round + n;
            f.cpu->p.rip = FIXTURE_CODE;
            f.cpu->p.activity = CPU_RUNNING;
            assert_int_equal(fixture_run(&f, 10), -1);
            assert_int_equal(f.cpu->s.gpr[RBX], 100 * round + n);
            assert_int_equal(fixture_read(&f, FIXTURE_DATA + n * PAGE_SIZE, 8), 100 * round + n);
            if (round > 0)
                assert_int_equal(f.cpu->stats.tlb_fills, before);
        }
    for (unsigned n = 0; n < 6; n++) {
        const uint64_t entry = mapped_entry(base + n * step), absent = 0;

        fixture_put(&f, entry, &absent, 8);
        PUT(FIXTURE_CODE, 0x0f, 0x01, 0x3f, 0x48, 0x8b, 0x1f, 0xf4);        /* invlpg [rdi]; mov rbx, [rdi]; hlt */
        f.cpu->s.gpr[RDI] = base + n * step;
        f.cpu->p.rip = FIXTURE_CODE;
        f.cpu->p.activity = CPU_RUNNING;
        assert_int_equal(fixture_run(&f, 10), VEC_PF);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_long, close_it)
    const struct CMUnitTest tests[] = {
        TEST(rights_of_all_combinations),
        TEST(reserved_and_absent_entries_at_every_level),
        TEST(large_pages_have_reserved_address_bits),
        TEST(thirty_two_bit_paging),
        TEST(pae_paging),
        TEST(five_levels),
        TEST(crossing_accesses_check_both_pages_first),
        TEST(faults_leave_accessed_bits_alone),
        TEST(memory_hears_before_its_bytes_change),
        TEST(the_first_write_sets_dirty),
        TEST(uncanonical_addresses_are_no_page_faults),
        TEST(rom_ignores_writes),
        TEST(flushes_take_what_they_should),
        TEST(victims_are_translations_as_any),
        TEST(alignment_is_checked_at_level_3),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
