/* SPDX-License-Identifier: MIT
 * Lockstep (tests/cpu/lockstep.h) of programs that change page tables, those of their own code too, without the flushes that the
 * manual demands, clear accessed and dirty bits behind the TLB's back, switch between PCIDs and push one another's pages out. What
 * such a guest sees depends on what the TLB holds; both engines must hold the same (docs/determinism.md). Caches are not dropped
 * here. */
#include "tests/check.h"

#include <stdlib.h>
#include <string.h>

#include "cpu/jit/internal.h"
#include "cpu/tlb.h"
#include "tests/cpu/lockstep.h"

#define PROGRAMS    1500u
#define LINES       30u
#define FAR_PAGES   6u          /* of one slot and one victim */
#define CODE_PAGES  4u          /* behind FIXTURE_CODE, one function on each */

static uint64_t seed = 1;

static uint32_t any(uint32_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((seed >> 33) % below);
}

static void put32(struct program *p, uint32_t v)
{
    program_puts(p, &v, 4);
}

#define PUT PROGRAM_PUT

static gva_t far_page(unsigned n)
{
    return FIXTURE_DATA + ((uint64_t)(n + 4) << 30);
}

/* ---- programs: SI points to eight pages of data, BX to their entries, BP to those of the code; 8 to 13 hold values of CR3 ---- */

static uint32_t place(void)
{
    if (any(2))
        return any(16) * 8;             /* close together, where those far pages push it out */
    return any(8) * PAGE_SIZE + (any(8) ? any(4000) & ~7u : 4092);
}

static void load(struct program *p)             /* mov rax, [rsi + disp]; add rdx, rax */
{
    PUT(p, 0x48, 0x8b, 0x86);
    put32(p, place());
    PUT(p, 0x48, 0x01, 0xc2);
}

static void store(struct program *p)            /* mov [rsi + disp], rdx, or add */
{
    PUT(p, 0x48, any(2) ? 0x89 : 0x01, 0x96);
    put32(p, place());
}

static void far_access(struct program *p)       /* mov rdi, page; mov or add [rdi], dl, or add dl, [rdi]; all push one another out */
{
    static const uint8_t ops[] = { 0x88, 0x00, 0x02 };
    gva_t at = far_page(any(FAR_PAGES)) + any(4096);

    PUT(p, 0x48, 0xbf);
    program_puts(p, &at, 8);
    PUT(p, ops[any(3)], 0x17);
}

/* push [rsp + disp], which is two accesses, or push rdx; mov [rsp], rdx; others that push it out; add rdx, [rsp + disp]; pop rax:
 * now and then on the first page of data. */
static void stack(struct program *p)
{
    if (any(2))
        PUT(p, 0xff, 0x74, 0x24, (uint8_t)(8 * any(8)));
    else
        PUT(p, 0x52);
    if (any(2))
        PUT(p, 0x48, 0x89, 0x14, 0x24);
    for (unsigned n = any(4); n > 0; n--)
        far_access(p);
    PUT(p, 0x48, 0x03, 0x54, 0x24, (uint8_t)(8 * any(8)), 0x58);
}

static void forget_use(struct program *p)       /* and qword [rbx + 8 * page], ~A, ~D or ~(A | D) */
{
    static const uint8_t masks[] = { 0xdf, 0xbf, 0x9f };

    PUT(p, 0x48, 0x83, any(3) ? 0x63 : 0x65, (uint8_t)(8 * any(8)), masks[any(3)]);
}

static void remap(struct program *p)            /* xor dword [rbx + 8 * page], frame */
{
    PUT(p, 0x81, 0x73, (uint8_t)(8 * any(8)));
    put32(p, (1 + any(7)) << PAGE_SHIFT);
}

static void global(struct program *p)           /* xor dword [rbx + 8 * page], G, or of code: [rbp + 8 * page] */
{
    PUT(p, 0x81, any(2) ? 0x73 : 0x75, (uint8_t)(8 * any(8)));
    put32(p, 0x100);
}

static void flush_page(struct program *p)       /* invlpg [rsi + disp], or of code: [rbp's pages] */
{
    if (any(2)) {
        PUT(p, 0x0f, 0x01, 0xbe);
        put32(p, place());
        return;
    }
    PUT(p, 0x0f, 0x01, 0x3c, 0x25);
    put32(p, FIXTURE_CODE + any(1 + CODE_PAGES) * PAGE_SIZE);
}

static void change_space(struct program *p)     /* mov cr3, r8 to r13 */
{
    PUT(p, 0x41, 0x0f, 0x22, (uint8_t)(0xd8 | any(6)));
}

static void call(struct program *p)             /* call to a function on another page, directly or through rax */
{
    const uint32_t to = FIXTURE_CODE + (1 + any(CODE_PAGES)) * PAGE_SIZE;

    if (any(2)) {
        PUT(p, 0xb8);
        put32(p, to);
        PUT(p, 0xff, 0xd0);
        return;
    }
    PUT(p, 0xe8);
    put32(p, to - (FIXTURE_CODE + p->len + 4));
}

/* The second or third function becomes the other, in each round or in every other one, with the INVLPG that this needs; it was
 * called just before, and is called again. */
static void exchange_code(struct program *p)
{
    const unsigned page = 2 + any(2);
    const uint32_t at = FIXTURE_CODE + page * PAGE_SIZE;

    PUT(p, 0xe8);
    put32(p, at - (FIXTURE_CODE + p->len + 4));
    if (any(2))
        PUT(p, 0xb9, 0x00, 0x10, 0x00, 0x00);                                           /* mov ecx, 1 page */
    else
        PUT(p, 0x44, 0x89, 0xf1, 0x83, 0xe1, 0x01, 0xc1, 0xe1, 0x0c);                   /* or (r14 & 1) pages */
    PUT(p, 0x31, 0x8d);                                                                 /* xor [rbp + 8 * page], ecx */
    put32(p, 8 * page);
    PUT(p, 0x0f, 0x01, 0x3c, 0x25);
    put32(p, at);
    PUT(p, 0xe8);
    put32(p, at - (FIXTURE_CODE + p->len + 4));
}

static void make(struct program *p)
{
    static void (*const lines[])(struct program *p) = {
        load, load, store, store, store, far_access, far_access, stack, stack, forget_use, forget_use, remap,
        exchange_code, global, flush_page, change_space, call, call,
    };
    uint32_t top;

    for (unsigned n = any(2) ? LINES : 1 + any(8); n > 0; n--)
        lines[any(COUNT_OF(lines))](p);
    PUT(p, 0x49, 0xff, 0xce, 0x0f, 0x85);       /* dec r14; jnz top; hlt */
    top = 0u - (p->len + 4);
    put32(p, top);
    PUT(p, 0xf4);
}

static void write64(struct cpu *cpu, uint64_t at, uint64_t v)
{
    space_write_bytes(cpu->ports.memory, at, &v, 8);
}

/* Under one root all spaces see the same tables: what differs is what the TLB has of them. */
static void prepare(struct cpu *cpu)
{
    static uint8_t function[] = { 0x48, 0x83, 0xc2, 0x07, 0x48, 0x01, 0x16, 0xc3 };   /* add rdx, 7; add [rsi], rdx; ret */
    const uint64_t data = fixture_entry_at(NULL, FIXTURE_DATA, 1), code = fixture_entry_at(NULL, FIXTURE_CODE, 1);

    function[3] = 7;
    for (uint64_t n = 0; n < 512; n++) {
        write64(cpu, fixture_entry_at(NULL, n << PAGE_SHIFT, 1), n << PAGE_SHIFT | 7);
        write64(cpu, fixture_entry_at(NULL, FIXTURE_DATA + (n << PAGE_SHIFT), 1), (FIXTURE_DATA + (n << PAGE_SHIFT)) | 7);
    }
    write64(cpu, fixture_entry_at(NULL, FIXTURE_DATA, 2), (data & PAGE_MASK) | 7);
    write64(cpu, fixture_entry_at(NULL, 0, 2), (code & PAGE_MASK) | 7);
    for (unsigned n = 1; n <= CODE_PAGES; n++, function[3]++)
        space_write_bytes(cpu->ports.memory, FIXTURE_CODE + n * PAGE_SIZE, function, sizeof function);
    cpu->p.cr4 |= CR4_PGE | CR4_PCIDE;
    memset(cpu->s.gpr, 0, sizeof cpu->s.gpr);
    cpu->s.gpr[RSP] = any(2) ? FIXTURE_STACK : FIXTURE_DATA + 0x40 + any(8) * 8;
    cpu->s.gpr[RSI] = FIXTURE_DATA;
    cpu->s.gpr[RBX] = data;
    cpu->s.gpr[RBP] = code;
    for (unsigned n = 0; n < 6; n++)
        cpu->s.gpr[R8 + n] = FIXTURE_TABLES | (1 + n / 2) | (n & 1 ? BIT64(63) : 0);
    cpu->s.gpr[R14] = any(2) ? 3 + any(12) : 3 + any(200);
    cpu_mode_changed(cpu);
    tlb_flush_all(cpu);
}

static void extend(struct fixture *f)
{
    for (unsigned n = 0; n < FAR_PAGES; n++)
        fixture_map(f, far_page(n), FIXTURE_DATA + (8 + n) * PAGE_SIZE);
}

static void lawless_programs_in_lockstep(void **state)
{
    const struct lockstep l = {
        .programs = PROGRAMS, .turns = 400, .below = any, .seed = &seed, .make = make, .prepare = prepare, .extend = extend,
        .keeps_caches = true,
    };

    (void)state;
    lockstep_run(&l);
    print_message("%llu paths\n", (unsigned long long)lockstep_stats()->jit_paths);
    assert_true(lockstep_stats()->jit_paths > 0 || getenv("PARTITA_JIT_OFF") != NULL);
    assert_true(lockstep_stats()->jit_resets > 0 || getenv("PARTITA_JIT_PROGRAMS") != NULL);       /* the code cache was full */
}

/* MOV, FADD or MUL of a byte there: the last two have handlers on some hosts or on all. */
static void push_out(struct program *p, unsigned how, unsigned modrm)
{
    static const struct { uint8_t opcode, reg; } ops[] = { { 0x8a, 0 }, { 0xdc, 0 }, { 0xf6, 4 << 3 } };

    PUT(p, ops[how].opcode, ops[how].reg | modrm);
}

/* push qword [rsp + 16]; mov [rsp], rdx; xor dword [rbx], frame; then all far pages; add r9, [rsp + 8]; mov [rsi + 16], r9: the first
 * two make three accesses, of which one was not planned, so nobody counts on the probe in common when its page is pushed out of the
 * TLB; yet the last access must find what the tables say by then. Or the first is mov rax, [rsp + 16], and somebody does. */
static void make_pushed_out(struct program *p)
{
    const unsigned how = any(3);

    if (any(2))
        PUT(p, 0xff, 0x74, 0x24, 0x10);
    else
        PUT(p, 0x48, 0x8b, 0x44, 0x24, 0x10);
    PUT(p, 0x48, 0x89, 0x14, 0x24, 0x81, 0x33, 0x00, 0x10, 0x00, 0x00);
    for (unsigned n = 0; n < FAR_PAGES; n++) {
        const gva_t at = far_page(n);

        PUT(p, 0x48, 0xbf);
        program_puts(p, &at, 8);
        push_out(p, how, 0x07);
    }
    PUT(p, 0x4c, 0x03, 0x4c, 0x24, 0x08, 0x4c, 0x89, 0x4e, 0x10);
    PUT(p, 0x49, 0xff, 0xce, 0x74, 0x05, 0xe9);                             /* dec r14; jz out; jmp top; out: hlt */
    put32(p, 0u - (p->len + 4));
    PUT(p, 0xf4);
}

static void prepare_pushed_out(struct cpu *cpu)
{
    uint64_t data[1024];

    prepare(cpu);
    cpu->p.cr4 |= CR4_OSFXSR;
    cpu->s.fcw = 0x37f;
    cpu_mode_changed(cpu);
    for (unsigned n = 0; n < COUNT_OF(data); n++)
        data[n] = n * 17;
    lockstep_data(cpu, data, sizeof data);
    cpu->s.gpr[RSP] = FIXTURE_DATA + 0x80;
    cpu->s.gpr[RSI] = FIXTURE_STACK;
}

/* top: [rsi]; add rdx, [rsi + 8], which finds what that left; add rsi, 8; xor dword [rbx + r15], frame; then [rdi + r15],
 * [rdi + r15 + 1 GiB] and the same of RBP; sub r14, 1; jnz top: a loop, where each remembers its page. */
static void make_pushed_out_of_a_loop(struct program *p)
{
    const unsigned how = any(3);

    push_out(p, how, 0x06);
    PUT(p, 0x48, 0x03, 0x56, 0x08, 0x48, 0x83, 0xc6, 0x08, 0x42, 0x81, 0x34, 0x3b, 0x00, 0x10, 0x00, 0x00);
    for (unsigned base = RBP; base <= RDI; base += 2) {
        PUT(p, 0x42);
        push_out(p, how, 0x44);
        PUT(p, 0x38 | base, 0, 0x42);
        push_out(p, how, 0x84);
        PUT(p, 0x38 | base);
        put32(p, 1u << 30);
    }
    PUT(p, 0x49, 0x83, 0xee, 0x01, 0x0f, 0x85);
    put32(p, 0u - (p->len + 4));
    PUT(p, 0xf4);
}

static void prepare_pushed_out_of_a_loop(struct cpu *cpu)
{
    prepare_pushed_out(cpu);
    cpu->s.gpr[RSI] = FIXTURE_DATA;
    cpu->s.gpr[RDI] = far_page(0);
    cpu->s.gpr[RBP] = far_page(2);
    cpu->s.gpr[R14] = 60;
}

static void what_a_handler_pushes_out_is_looked_up_again(void **state)
{
    struct lockstep l = {
        .programs = 40, .turns = 400, .below = any, .seed = &seed, .make = make_pushed_out, .prepare = prepare_pushed_out,
        .extend = extend, .keeps_caches = true,
    };

    (void)state;
    lockstep_run(&l);
    l.make = make_pushed_out_of_a_loop;
    l.prepare = prepare_pushed_out_of_a_loop;
    lockstep_run(&l);
}

/* ---- cpu_show_code() ---- */

struct shown {
    unsigned blocks, translated;
    uint64_t rip, runs, link;
};

static void note(void *arg, const struct cpu_translation *t)
{
    struct shown *s = arg;

    s->blocks++;
    s->translated += t->host != NULL;
    s->rip = t->rip;
    s->runs = t->runs;
    s->link = t->nlinks > 0 ? t->links[0] : 0;
    assert_int_equal(t->bits, 64);
    assert_int_equal(t->guest[0], 0xff);
    assert_int_equal(t->ends[0], 2);
    assert_int_equal(t->ends[1], 4);
}

/* jmp $+2; back: dec ecx; jnz back; hlt: ten times, of which translated code is entered once, or each time. */
static void code_can_be_looked_at(void **state)
{
    static const uint8_t code[] = { 0xeb, 0x00, 0xff, 0xc9, 0x75, 0xfc, 0xf4 };
    struct shown s = { 0 };
    struct fixture f;

    (void)state;
    setenv("PARTITA_JIT_OFF", "lp", 1);
    fixture_translate(1);
    fixture_open(&f);
    unsetenv("PARTITA_JIT_OFF");
    fixture_mode(&f, FIXTURE_LONG);
    fixture_code(&f, code, sizeof code);
    f.cpu->s.gpr[RCX] = 10;
    assert_int_equal(fixture_run(&f, 100), -1);
    cpu_show_code(f.cpu, FIXTURE_CODE + 4, note, &s);
    assert_int_equal(s.blocks, 1);
    assert_int_equal(s.translated, 1);
    assert_int_equal(s.rip, FIXTURE_CODE + 2);
    assert_int_equal(s.runs, 10);
    assert_int_equal(s.link, FIXTURE_CODE + 6);
    cpu_show_code(f.cpu, FIXTURE_DATA, note, &s);
    cpu_show_code(f.cpu, UINT64_C(0x123456789000), note, &s);
    assert_int_equal(s.blocks, 1);
    fixture_close(&f);
}

/* ---- tags that come round ---- */

/* top: call to the next page; dec ecx; jnz top; hlt */
static uint64_t call_ten_times(struct fixture *f)
{
    f->cpu->p.rip = FIXTURE_CODE;
    f->cpu->p.activity = CPU_RUNNING;
    f->cpu->s.gpr[RCX] = 10;
    f->cpu->s.gpr[RBX] = 0;
    assert_int_equal(fixture_run(f, 1000), -1);
    return f->cpu->s.gpr[RBX];
}

/* A link between pages holds for one generation of the mapping. After a million flushes that generation comes again, but the page is
 * another one. */
static void a_link_does_not_come_round_with_its_tag(void **state)
{
    static const uint8_t code[] = { 0xe8, 0xfb, 0x0f, 0x00, 0x00, 0xff, 0xc9, 0x75, 0xf7, 0xf4 };
    static const uint8_t one[] = { 0x83, 0xc3, 0x01, 0xc3 }, hundred[] = { 0x83, 0xc3, 0x64, 0xc3 };
    const uint64_t entry = (FIXTURE_CODE + 0x2000) | 7;
    uint64_t tag, flushes = 0;
    struct fixture f;

    (void)state;
    fixture_translate(1);
    fixture_open(&f);
    fixture_mode(&f, FIXTURE_LONG);
    fixture_small_pages(&f, FIXTURE_CODE);
    fixture_code(&f, code, sizeof code);
    fixture_put(&f, FIXTURE_CODE + 0x1000, one, sizeof one);
    fixture_put(&f, FIXTURE_CODE + 0x2000, hundred, sizeof hundred);
    assert_int_equal(call_ten_times(&f), 10);
    tag = f.cpu->code_tag;
    assert_int_not_equal(cpu_stats(f.cpu)->jit_links, 0);
    fixture_put(&f, fixture_entry_at(&f, FIXTURE_CODE + 0x1000, 1), &entry, 8);
    tlb_flush_all(f.cpu);
    do
        block_lookup_flush(f.cpu);
    while (f.cpu->code_tag != tag && ++flushes < BIT64(66 - CODE_TAG_BITS));
    assert_true(f.cpu->code_tag == tag);
    assert_int_equal(call_ten_times(&f), 1000);
    fixture_close(&f);
}

/* ---- RAM above 4 GiB ---- */

#define HIGH        (UINT64_C(5) << 30)             /* where the memory is, and where the program finds it */
#define HIGH_LINEAR UINT64_C(0x7f0000000000)

/* top: mov rax, [rip + n], beside the code; add [rsi], rax; mov [rip + n], al, into the next instruction; add rbx, 0; loop: code, its
 * stack and data all lie there; the constant is what the last store has made of it. */
static void code_and_data_above_4_gib(void **state)
{
    static const uint8_t code[] = {
        0x48, 0x8b, 0x05, 0x19, 0x00, 0x00, 0x00, 0x48, 0x01, 0x06, 0x88, 0x05, 0x03, 0x00, 0x00, 0x00, 0x48, 0x83, 0xc3, 0x00,
        0x50, 0x5a, 0x48, 0xff, 0x05, 0x03, 0x00, 0x00, 0x00, 0xe2, 0xe1, 0xf4, 1, 0, 0, 0, 0, 0, 0, 0,
    };
    struct fixture f[2];
    struct ram *ram[2];

    (void)state;
    for (unsigned n = 0; n < 2; n++) {
        struct err e = ram_create(&ram[n], "above 4 GiB", 16 * PAGE_SIZE);

        assert_false(failed(&e));
        fixture_translate(n);
        fixture_open(&f[n]);
        space_add_ram(f[n].memory, HIGH, ram[n], 0, 16 * PAGE_SIZE, ACCESS_READ | ACCESS_WRITE | ACCESS_EXECUTE, LAYER_RAM);
        fixture_mode(&f[n], FIXTURE_LONG);
        for (unsigned k = 0; k < 16; k++)
            fixture_map(&f[n], HIGH_LINEAR + k * PAGE_SIZE, HIGH + k * PAGE_SIZE);
        fixture_put(&f[n], HIGH, code, sizeof code);
        f[n].cpu->p.rip = HIGH_LINEAR;
        f[n].cpu->s.gpr[RSP] = HIGH_LINEAR + 8 * PAGE_SIZE;
        f[n].cpu->s.gpr[RSI] = HIGH_LINEAR + 9 * PAGE_SIZE - 3;
        f[n].cpu->s.gpr[RCX] = 100;
        assert_int_equal(fixture_run(&f[n], 2000), -1);
        assert_int_equal(f[n].cpu->p.activity, CPU_HALTED);
        assert_int_equal(f[n].cpu->s.gpr[RBX], 100 * 101 / 2);
        assert_int_equal(fixture_read(&f[n], HIGH + 9 * PAGE_SIZE - 3, 8), 100 * 101 / 2);
    }
    assert_int_not_equal(cpu_stats(f[1].cpu)->jit_blocks, 0);
    assert_memory_equal(&f[0].cpu->s, &f[1].cpu->s, sizeof f[0].cpu->s);
    assert_memory_equal(ram[0]->bytes, ram[1]->bytes, 16 * PAGE_SIZE);
    for (unsigned n = 0; n < 2; n++) {
        fixture_close(&f[n]);
        ram_free(ram[n]);
    }
}

/* ---- pages that accesses keep ---- */

static struct fixture kept;

/* Has a loop read the data page, so often that its access keeps it? On hosts where none does there is nothing to prove. */
static bool keeps_the_page(void)
{
    /* again: and ebx, 0; mov al, [rdi + rbx]; dec ecx; jnz again; hlt */
    static const uint8_t code[] = { 0x83, 0xe3, 0x00, 0x8a, 0x04, 0x1f, 0xff, 0xc9, 0x75, 0xf6, 0xf4 };

    fixture_code(&kept, code, sizeof code);
    kept.cpu->p.rip = FIXTURE_CODE;
    kept.cpu->p.activity = CPU_RUNNING;
    kept.cpu->s.gpr[RCX] = 100;
    kept.cpu->s.gpr[RDI] = FIXTURE_DATA;
    assert_int_equal(fixture_run(&kept, 1000), -1);
    return kept.cpu->jit_nfilled > 0;
}

static int open_kept(void **state)
{
    (void)state;
    fixture_translate(1);
    fixture_open(&kept);
    fixture_mode(&kept, FIXTURE_LONG);
    fixture_tables(&kept);
    fixture_small_pages(&kept, FIXTURE_DATA);
    kept.cpu->jit->pages_always = true;
    return 0;
}

static int close_kept(void **state)
{
    (void)state;
    fixture_close(&kept);
    return 0;
}

static void flush_all(void) { tlb_flush_all(kept.cpu); }
static void flush_nonglobal(void) { tlb_flush_nonglobal(kept.cpu); }
static void flush_pcid(void) { tlb_flush_pcid(kept.cpu, 0); }
static void flush_one(void) { tlb_flush_page(kept.cpu, FIXTURE_DATA + 7 * PAGE_SIZE); }
static void load_cr3(void) { tlb_load_cr3(kept.cpu, kept.cpu->p.cr3, false); }
static void code_arrives(void) { tlb_poison_writes(kept.cpu, kept.ram->bytes); }
static void memory_is_clean(void) { tlb_clean_writes(kept.cpu, kept.ram); }
static void map_changes(void) { tlb_map_changed(kept.cpu); }
static void address_gets_a_tag(void) { tlb_rename(kept.cpu, FIXTURE_DATA, FIXTURE_DATA | BIT64(60), BANK_SUPERVISOR); }

static void what_takes_entries_takes_what_is_kept(void **state)
{
    static void (*const events[])(void) = {
        flush_all, flush_nonglobal, flush_pcid, flush_one, load_cr3, code_arrives, memory_is_clean, map_changes, address_gets_a_tag,
    };

    (void)state;
    for (unsigned n = 0; n < COUNT_OF(events); n++) {
        if (!keeps_the_page())
            skip();
        events[n]();
        assert_int_equal(kept.cpu->jit_nfilled, 0);
    }
}

/* Another frame, of which the TLB hears by a store alone: a guest that copies on write may leave the flush to that. */
static void a_page_that_moves_is_not_kept(void **state)
{
    static const uint8_t store[] = { 0xc6, 0x07, 0x55, 0xf4 };     /* mov byte [rdi], 55h; hlt */
    const uint64_t entry = fixture_entry_at(&kept, FIXTURE_DATA, 1), first = FIXTURE_DATA | 5, second = (FIXTURE_DATA + 5 * PAGE_SIZE) | 7;

    (void)state;
    kept.cpu->p.cr0 |= CR0_WP;
    fixture_put(&kept, entry, &first, 8);
    tlb_flush_all(kept.cpu);
    if (!keeps_the_page())
        skip();
    fixture_put(&kept, entry, &second, 8);
    fixture_code(&kept, store, sizeof store);
    kept.cpu->p.rip = FIXTURE_CODE;
    kept.cpu->p.activity = CPU_RUNNING;
    assert_int_equal(fixture_run(&kept, 10), -1);
    assert_true(keeps_the_page());
    assert_int_equal(kept.cpu->s.gpr[RAX] & 0xff, 0x55);
}

/* ---- memory that changes in the middle of a block ---- */

static struct fixture board;
static struct ram *over;

static void exchange(struct device *dev, uint32_t at, unsigned bytes, uint64_t value)
{
    static bool there;

    (void)dev, (void)at, (void)bytes, (void)value;
    if (there)
        space_remove(board.memory, FIXTURE_DATA, LAYER_OVERLAY);
    else
        space_add_ram(board.memory, FIXTURE_DATA, over, 0, PAGE_SIZE, ACCESS_READ | ACCESS_WRITE, LAYER_OVERLAY);
    there = !there;
}

/* back: mov rax, [rdi]; mov [rsi], eax; add rbx, [rdi + 8]; dec ecx; jnz back; hlt: between two accesses that share a probe a
 * device puts other memory there, or takes it away. */
static void a_device_exchanges_memory_between_accesses(void **state)
{
    static const struct reg rows[] = { { 0, 4, "exchange", reg_open_bus, exchange, 4 } };
    static const uint8_t code[] = { 0x48, 0x8b, 0x07, 0x89, 0x06, 0x48, 0x03, 0x5f, 0x08, 0xff, 0xc9, 0x75, 0xf3, 0xf4 };
    struct err e = ram_create(&over, "overlay", PAGE_SIZE);

    (void)state;
    assert_false(failed(&e));
    fixture_translate(1);
    fixture_open(&board);
    space_add_device(board.memory, 0xf1000000, board.probe, rows, 1, LAYER_DEVICE);
    fixture_mode(&board, FIXTURE_LONG);
    fixture_code(&board, code, sizeof code);
    board.ram->bytes[FIXTURE_DATA + 8] = 1;
    over->bytes[8] = 100;
    board.cpu->s.gpr[RSI] = 0xf1000000;
    board.cpu->s.gpr[RDI] = FIXTURE_DATA;
    board.cpu->s.gpr[RCX] = 20;
    assert_int_equal(fixture_run(&board, 200), -1);
    assert_int_equal(board.cpu->s.gpr[RBX], 10 * (1 + 100));
    assert_int_not_equal(cpu_stats(board.cpu)->jit_blocks, 0);
    fixture_close(&board);
    ram_free(over);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(code_can_be_looked_at),
        cmocka_unit_test(a_device_exchanges_memory_between_accesses),
        cmocka_unit_test(a_link_does_not_come_round_with_its_tag),
        cmocka_unit_test(code_and_data_above_4_gib),
        cmocka_unit_test_setup_teardown(what_takes_entries_takes_what_is_kept, open_kept, close_kept),
        cmocka_unit_test_setup_teardown(a_page_that_moves_is_not_kept, open_kept, close_kept),
        cmocka_unit_test_setup_teardown(what_a_handler_pushes_out_is_looked_up_again, lockstep_open_max, lockstep_close_both),
        cmocka_unit_test_setup_teardown(lawless_programs_in_lockstep, lockstep_open_max, lockstep_close_both),
    };

    if (!cpu_jit_available())
        return 77;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
