/* SPDX-License-Identifier: MIT
 * Lockstep (tests/cpu/lockstep.h) of what becomes paths: loops within loops, calls and returns on one page and to another, indirect
 * calls with two targets, conditions that change, code that is written, and a page of functions that is another one from some
 * round on. */
#include "tests/check.h"

#include "tests/cpu/random_code.h"

#define PROGRAMS    1500u
#define MAIN_END    0x580u
#define FUNCTIONS   4u

/* Two on the page of the main program, two on the next one; the page after that has others in their place. */
static const uint16_t function_at[FUNCTIONS] = { 0x600, 0x700, 0x1000, 0x1100 };
#define ELSEWHERE   0x1000u

#define ALIAS       (UINT64_C(1) << 40 | FIXTURE_CODE)      /* of data, where the TLB has the main program's page */

static void put_number(struct program *p, uint32_t value)
{
    for (unsigned n = 0; n < 32; n += 8)
        program_put(p, value >> n & 0xff);
}

#define PUT PROGRAM_PUT

static bool vectors;

/* SSE and AVX in registers and memory, conversions, comparisons that make flags, AVX-512 with masks, the x87 unit. */
static void vector(struct program *p)
{
    static const uint8_t prefix[] = { 0x66, 0x66, 0x66, 0xf2, 0xf2, 0xf3 }, opcode[] = { 0xfe, 0xef, 0xd4, 0x58, 0x59, 0x5c };
    static const uint8_t x87[][2] = { { 0xd9, 0xe8 }, { 0xde, 0xc1 }, { 0xdd, 0xd8 }, { 0xd8, 0xc1 }, { 0xd9, 0xc9 }, { 0xd9, 0xfa }, { 0xdd, 0x06 } };
    const unsigned n = any(COUNT_OF(prefix)), m = any(COUNT_OF(x87)), a = any(8), b = any(8);

    switch (any(9)) {
    case 0: PUT(p, prefix[n], 0x0f, opcode[n], 0xc0 | a << 3 | b); break;
    case 1: PUT(p, 0x0f, 0x58 + any(2), 0xc0 | a << 3 | b); break;                          /* addps, mulps */
    case 2: PUT(p, 0x0f, 0x10, 0x46 | a << 3, any(256)); break;                             /* movups xmm, [rsi + n] */
    case 3: PUT(p, 0x0f, 0x11, 0x47 | a << 3, any(256)); break;                             /* movups [rdi + n], xmm */
    case 4: PUT(p, 0xc5, (any(16) << 3) | 4 | 0x80, 0x58 + any(2), 0xc0 | a << 3 | b); break;       /* vaddps ymm */
    case 5: PUT(p, 0xc5, (any(16) << 3) | 5 | 0x80, 0xfe, 0x46 | a << 3, any(256)); break;          /* vpaddd ymm, [rsi + n] */
    case 6: PUT(p, 0x0f, 0x2e + any(2), 0xc0 | a << 3 | b); break;                          /* ucomiss, comiss */
    case 7: PUT(p, 0x62, 0xf1, 0x7d | any(16) << 3, 0x48 | any(2) << 7 | any(8), 0xfe, 0xc0 | a << 3 | b); break;   /* vpaddd zmm {k} */
    default: PUT(p, x87[m][0], x87[m][1]);
    }
}

static void plain(struct program *p)
{
    unsigned at;

    if (vectors && any(2)) {
        vector(p);
        return;
    }
    if (any(5) != 0) {
        random_plain(p);
        return;
    }
    program_put(p, 0x70 + any(16));     /* over it, if the condition says so */
    at = p->len;
    program_put(p, 0);
    random_plain(p);
    p->bytes[at] = (uint8_t)(p->len - at - 1);
}

static void function(struct program *p, unsigned at)
{
    p->len = at;
    PUT(p, 0x81, 0xc3);                 /* add ebx, n */
    put_number(p, any(256));
    for (unsigned n = any(6); n > 0; n--)
        plain(p);
    if (any(8) == 0)
        PUT(p, 0xc2, 0x00, 0x00);       /* ret 0 */
    else
        program_put(p, 0xc3);
}

static void call(struct program *p, unsigned target)
{
    program_put(p, 0xe8);
    put_number(p, target - (p->len + 4));
}

static void lea(struct program *p, unsigned reg, unsigned target)
{
    PUT(p, 0x48, 0x8d, 0x05 | reg << 3);
    put_number(p, target - (p->len + 4));
}

/* In round n a store that always was to data changes the constant of a function's first instruction. */
static void patch(struct program *p)
{
    lea(p, 0, function_at[any(FUNCTIONS)] + 2);
    PUT(p, 0x48, 0x89, 0xf1);                       /* mov rcx, rsi */
    PUT(p, 0x41, 0x83, 0xff, 1 + any(80));          /* cmp r15d, n */
    PUT(p, 0x48, 0x0f, 0x44, 0xc8);                 /* cmovz rcx, rax */
    PUT(p, 0xc6, 0x01, any(256));
}

/* A store that is not aligned goes to a page of the same slot in the TLB, and from round n on to that constant. */
static void patch_again(struct program *p)
{
    lea(p, 0, function_at[any(2)] + 2);
    PUT(p, 0x48, 0xb9);                             /* mov rcx, alias + 2 */
    put_number(p, (uint32_t)ALIAS + 2);
    put_number(p, ALIAS >> 32);
    PUT(p, 0x41, 0x83, 0xff, 1 + any(80));          /* cmp r15d, n */
    PUT(p, 0x48, 0x0f, 0x4e, 0xc8);                 /* cmovle rcx, rax */
    PUT(p, 0x44 | any(2) << 3, 0x89, 0x39);         /* mov [rcx], r15 */
}

/* Now one, now the other. */
static void call_one_of(struct program *p, unsigned a, unsigned b)
{
    lea(p, 0, a);
    lea(p, 1, b);
    PUT(p, 0x41, 0xf6, 0xc7, any(2) ? 1 : 30);      /* test r15b, n */
    PUT(p, 0x48, 0x0f, 0x44, 0xc1);                 /* cmovz rax, rcx */
    PUT(p, 0xff, 0xd0);
}

static void items(struct program *p, unsigned count)
{
    while (count-- > 0 && p->len < MAIN_END - 0x80)
        switch (any(6)) {
        case 0: call(p, function_at[any(FUNCTIONS)]); break;
        case 1: call_one_of(p, function_at[any(FUNCTIONS)], function_at[any(FUNCTIONS)]); break;
        default: plain(p);
        }
}

static void back_to(struct program *p, unsigned target)
{
    PUT(p, 0x0f, 0x85);
    put_number(p, target - (p->len + 4));
}

static void inner_loop(struct program *p)
{
    unsigned begin;

    PUT(p, 0x6a, 1 + any(30));                      /* push n */
    begin = p->len;
    items(p, 1 + any(3));
    PUT(p, 0x48, 0x83, 0x2c, 0x24, 0x01);           /* sub qword [rsp], 1 */
    back_to(p, begin);
    PUT(p, 0x48, 0x8d, 0x64, 0x24, 0x08);           /* lea rsp, [rsp + 8] */
}

static uint32_t entry;                              /* of the functions' page */

/* In round n the functions' page becomes the other one. */
static void exchange_page(struct program *p)
{
    PUT(p, 0x41, 0x83, 0xff, 1 + any(60));          /* cmp r15d, n */
    PUT(p, 0x75, 20);
    PUT(p, 0x48, 0xc7, 0x04, 0x25);                 /* mov qword [entry], page */
    put_number(p, entry);
    put_number(p, FIXTURE_CODE + 0x1000 + ELSEWHERE + 7);
    PUT(p, 0x0f, 0x01, 0x3c, 0x25);                 /* invlpg */
    put_number(p, FIXTURE_CODE + 0x1000);
}

static void make(struct program *p)
{
    unsigned end;

    for (unsigned n = 0; n < FUNCTIONS; n++)
        function(p, function_at[n]);
    for (unsigned n = 2; n < FUNCTIONS; n++)
        function(p, function_at[n] + ELSEWHERE);
    end = p->len;
    p->len = 0;
    items(p, 1 + any(5));
    if (any(2))
        inner_loop(p);
    switch (any(4)) {
    case 0: case 1: patch(p); break;
    case 2: patch_again(p); break;
    }
    items(p, any(4));
    for (unsigned n = any(3); n > 0; n--)
        PUT(p, 0x48, 0x83, 0xc6 + any(2), any(2) ? any(128) : any(9));     /* add rsi or rdi, n: from page to page */
    if (any(3) == 0)
        exchange_page(p);
    PUT(p, 0x49, 0x83, 0xef, 0x01);                 /* sub r15, 1 */
    back_to(p, 0);
    program_put(p, 0xf4);
    assert_true(p->len <= MAIN_END);
    p->len = end;
}

static void pages(struct fixture *f)
{
    fixture_small_pages(f, FIXTURE_CODE);
    fixture_map(f, ALIAS, FIXTURE_DATA);
    entry = (uint32_t)fixture_entry_at(f, FIXTURE_CODE + 0x1000, 1);
}

static void prepare(struct cpu *cpu)
{
    static uint8_t noise[4 * PAGE_SIZE];

    for (unsigned n = 0; n < COUNT_OF(noise); n++)
        noise[n] = (uint8_t)(n * 167 % 251);
    lockstep_data(cpu, noise, sizeof noise);
    for (unsigned n = 0; n < 16; n++)
        cpu->s.gpr[n] = random_value();
    cpu->s.gpr[RSI] = FIXTURE_DATA + (any(2) ? 128 + any(64) : 0x1000 - any(400));
    cpu->s.gpr[RDI] = (any(2) ? LOCKSTEP_APART : FIXTURE_DATA + (any(2) ? TLB_ENTRIES << PAGE_SHIFT : 0)) + 0x1000 - any(160);
    /* To the functions, not to the main program: without its INVLPG what is fetched depends on what the TLB holds. */
    cpu->s.gpr[R14] = any(6) == 0 ? FIXTURE_CODE + MAIN_END + 256 + any(0xc00) : FIXTURE_DATA + 0x800;
    cpu->s.gpr[R15] = 1 + any(150);
    cpu->s.gpr[RSP] = FIXTURE_STACK;
    for (unsigned n = 0; vectors && n < COUNT_OF(cpu->s.zmm); n++)
        cpu->s.zmm[n] = any(4) ? random_value() : UINT64_C(0x3fe000003f800000) + any(1u << 30);
    for (unsigned n = 0; vectors && n < 8; n++)
        cpu->s.k[n] = any(3) ? random_value() : ~UINT64_C(0);
    cpu->s.mxcsr = 0x1f80 | (any(2) ? any(0x10000) & 0xe07f : 0);
    cpu->s.fcw = 0x37f;
    cpu->p.cr4 |= CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE;
    cpu->s.xcr0 = any(16) ? 0xe7 : 3;
    cpu->p.cr0 = any(32) ? cpu->p.cr0 & ~(uint64_t)(CR0_TS | CR0_EM) : cpu->p.cr0 | CR0_TS;
    cpu_set_rflags(cpu, any(4096) & FLAGS_ARITH);
    cpu_mode_changed(cpu);
}

/* A state: with vector instructions and the x87 unit, too. */
static void paths_in_lockstep(void **state)
{
    const struct lockstep l = { .programs = PROGRAMS, .turns = 600, .below = any, .seed = &random_seed, .make = make, .pages = pages, .prepare = prepare };

    vectors = *state != NULL;
    lockstep_run(&l);
    print_message("%llu paths\n", (unsigned long long)lockstep_stats()->jit_paths);
    assert_true(lockstep_stats()->jit_paths > 0);
}

static int open_vectors(void **state)
{
    *state = &vectors;
    return lockstep_open_max(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(paths_in_lockstep, lockstep_open_max, lockstep_close_both),
        cmocka_unit_test_setup_teardown(paths_in_lockstep, open_vectors, lockstep_close_both),
    };

    return cpu_jit_available() ? cmocka_run_group_tests(tests, NULL, NULL) : 77;
}
