/* SPDX-License-Identifier: MIT
 * Lockstep (tests/cpu/lockstep.h) of integer code: arithmetic, shifts, moves, conditions, stack and branches at random. */
#include "tests/check.h"

#include <stdlib.h>
#include <string.h>

#include "tests/cpu/random_code.h"

#define PROGRAMS    4000u
#define LINES       24u             /* instructions in a program's loop */

/* A third is short: one block that jumps to its own beginning, when it is simple. */
static void make(struct program *p)
{
    const unsigned lines = any(3) ? LINES : 1 + any(6);
    const bool simple = lines < LINES && any(4);

    for (unsigned n = 0; n < lines && p->len < LINES * 14; n++) {
        if (simple)
            random_simple(p);
        else if (any(8) == 0 && p->len < LINES * 12)
            random_jump_over(p);
        else
            random_insn(p);
    }
    for (unsigned n = any(3); n > 0; n--) {                 /* add rsi, rdi or r14, n: from page to page */
        const unsigned reg = any(3);

        program_put(p, reg == 2 ? 0x49 : 0x48), program_put(p, 0x83), program_put(p, 0xc6 + (reg & 1)), program_put(p, any(2) ? any(256) : any(9));
    }
    if (any(2)) {
        program_put(p, 0x49), program_put(p, 0x83), program_put(p, 0xef), program_put(p, 1);            /* sub r15, 1 */
    } else {
        program_put(p, 0x49), program_put(p, 0xff), program_put(p, 0xcf);                       /* dec r15 */
        if (any(2))
            program_put(p, 0x4d), program_put(p, 0x85), program_put(p, 0xff);                   /* test r15, r15 */
    }
    program_put(p, 0x0f), program_put(p, 0x85);                             /* jnz to the start */
    for (unsigned n = 0, back = 0u - (p->len + 4); n < 32; n += 8)
        program_put(p, back >> n & 0xff);
    program_put(p, 0xf4);
}

/* ---- running both ---- */

static enum intercept host_call(void *self, struct cpu *cpu)
{
    const uint64_t rcx = cpu_reg(cpu, CPU_REG_RCX), rflags = cpu_reg(cpu, CPU_REG_RFLAGS);

    (void)self;
    cpu_set_reg(cpu, CPU_REG_RAX, rflags);
    if (rcx & 3)
        cpu_set_reg(cpu, CPU_REG_RFLAGS, (rflags & ~(uint64_t)FLAGS_ARITH) | (cpu_reg(cpu, CPU_REG_RBX) & FLAGS_ARITH));
    return rcx & 16 ? PASS : DONE;
}

/* Any number of instructions may have run: most of the clock's ways of counting, and a week of them, end somewhere here. */
static uint64_t instructions_so_far(void)
{
    static const uint64_t ends[] = { 1000, BIT64(31), BIT64(32), BIT64(40), UINT64_C(7) * 86400 * 1000000000, BIT64(53), BIT64(62) };

    return ends[any(COUNT_OF(ends))] - any(1000);
}

static void prepare(struct cpu *cpu)
{
    static const struct cpu_host host = { .hypercall = host_call };
    static uint8_t noise[4 * PAGE_SIZE];

    for (unsigned n = 0; noise[0] == 0; n++)
        noise[COUNT_OF(noise) - 1 - n] = (uint8_t)(1 + n * 167 % 251);
    lockstep_data(cpu, noise, sizeof noise);
    cpu_set_host(cpu, &host, NULL);
    cpu->ports.clock->state.insns = instructions_so_far();
    for (unsigned n = 0; n < 16; n++)
        cpu->s.gpr[n] = random_value();
    cpu->s.gpr[RSI] = FIXTURE_DATA + 128 + any(64);
    cpu->s.gpr[RDI] = (any(2) ? FIXTURE_DATA : LOCKSTEP_APART) + 0x1000 - any(160);
    cpu->s.gpr[R14] = any(16) == 0 ? FIXTURE_CODE + 200 : FIXTURE_DATA + 0x800 + (any(4) ? 0 : TLB_ENTRIES << PAGE_SHIFT);
    cpu->s.gpr[R15] = 1 + any(12);
    cpu->s.gpr[RSP] = FIXTURE_STACK;
    cpu->p.kernel_gs_base = any(2) * 16;
    cpu->p.cr4 = any(3) == 0 ? cpu->p.cr4 | CR4_SMAP : cpu->p.cr4 & ~(uint64_t)CR4_SMAP;
    cpu->p.cr4 |= (any(8) ? CR4_FSGSBASE : 0) | (any(8) ? CR4_PKE : 0);
    cpu->p.cpl = any(24) == 0 ? 3 : 0;
    cpu_set_rflags(cpu, (any(4096) & FLAGS_ARITH) | (any(4) ? FLAG_AC : 0) | (any(2) ? FLAG_IF : 0));
    cpu_mode_changed(cpu);
}

static void in_lockstep(void **state)
{
    const struct lockstep l = { .programs = PROGRAMS, .turns = 400, .below = any, .seed = &random_seed, .make = make, .prepare = prepare };

    (void)state;
    lockstep_run(&l);
}

/* A loop that reads and writes through pages that do not lie side by side in memory, byte by byte: each access that meets the
 * page's end is on both. */
static void make_walk(struct program *p)
{
    static const uint8_t code[] = {
        0x48, 0x8b, 0x04, 0x0f,                     /* mov rax, [rdi + rcx] */
        0x48, 0x01, 0xc3,                           /* add rbx, rax */
        0x48, 0x31, 0x5c, 0x0e, 0x03,               /* xor [rsi + rcx + 3], rbx */
        0x48, 0x83, 0xc1, 0x01,                     /* add rcx, 1 */
        0x4c, 0x39, 0xf9,                           /* cmp rcx, r15 */
        0x75, 0xeb, 0xf4,
    };

    program_puts(p, code, sizeof code);
}

static void prepare_walk(struct cpu *cpu)
{
    prepare(cpu);
    cpu->p.cpl = 0;
    cpu->s.gpr[RCX] = 0;
    cpu->s.gpr[R15] = 100;
    cpu->s.gpr[RDI] = LOCKSTEP_APART + PAGE_SIZE - 20 - any(40);
    cpu->s.gpr[RSI] = LOCKSTEP_APART + PAGE_SIZE - 20 - any(40);
    cpu_mode_changed(cpu);
}

static void a_loop_walks_from_page_to_page(void **state)
{
    const struct lockstep l = { .programs = 50, .turns = 2000, .below = any, .seed = &random_seed, .make = make_walk, .prepare = prepare_walk };

    (void)state;
    lockstep_run(&l);
}

/* A loop whose only ways out are those of one division: in its second copy, where R10 is in the place of RCX, they are others. */
static void make_division(struct program *p)
{
    static const uint8_t code[] = {
        0x49, 0x83, 0xc2, 0x03,                     /* add r10, 3 */
        0x4d, 0x01, 0xd3,                           /* add r11, r10 */
        0x44, 0x89, 0xd0,                           /* mov eax, r10d */
        0x99,                                       /* cdq */
        0x41, 0xf7, 0xfd,                           /* idiv r13d: by -1, and in the end by 0 */
        0x49, 0x83, 0xc5, 0x01,                     /* add r13, 1 */
        0x49, 0x83, 0xef, 0x01,                     /* sub r15, 1 */
        0x75, 0xe8, 0xf4,
    };

    program_puts(p, code, sizeof code);
}

static void prepare_division(struct cpu *cpu)
{
    prepare(cpu);
    cpu->p.cpl = 0;
    cpu->s.gpr[R13] = 0 - (uint64_t)(1 + any(8));
    cpu->s.gpr[R15] = 20;
    cpu_mode_changed(cpu);
}

static void ways_out_of_a_loop_s_copies(void **state)
{
    const struct lockstep l = {
        .programs = 50, .turns = 200, .below = any, .seed = &random_seed, .make = make_division, .prepare = prepare_division
    };

    (void)state;
    lockstep_run(&l);
}

static int open_amd(void **state)
{
    (void)state;
    lockstep_open("EPYC-Milan");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_loop_walks_from_page_to_page, lockstep_open_max, lockstep_close_both),
        cmocka_unit_test_setup_teardown(ways_out_of_a_loop_s_copies, lockstep_open_max, lockstep_close_both),
        cmocka_unit_test_setup_teardown(in_lockstep, lockstep_open_max, lockstep_close_both),
        cmocka_unit_test_setup_teardown(in_lockstep, open_amd, lockstep_close_both),
    };

    if (!cpu_jit_available()) {
        print_message("this host has no translator\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
