/* SPDX-License-Identifier: MIT
 * The bound x87 handlers (exec_x87_fast.c) against the general ones, which go by fp.c: every encoding that has one, random
 * and special operands, control words, tags; all of the state afterwards is compared, memory too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "cpu/exec.h"
#include "cpu/fpu.h"
#include "tests/cpu/fixture.h"
#include "tests/oracle/fp_host.h"

static insn_fn *const general[OP_COUNT] = {
#define OP(name, mnemonic, reads, writes, then, jit) [OP_##name] = exec_##name,
#include "cpu/decoder/ops.def"
#undef OP
};

struct x87 {
    uint64_t mant[8], ip, dp, memory[2];
    uint16_t se[8], fcw, fsw, fop, cs, ds;
    uint8_t tag;
    uint32_t flags, fault;
};

static void to_cpu(struct fixture *f, const struct x87 *s)
{
    struct cpu_shared *c = &f->cpu->s;

    memcpy(c->fpr_mant, s->mant, sizeof s->mant);
    memcpy(c->fpr_se, s->se, sizeof s->se);
    c->fpu_ip = s->ip, c->fpu_dp = s->dp, c->fpu_cs = s->cs, c->fpu_ds = s->ds;
    c->fcw = s->fcw, c->fsw = s->fsw, c->fop = s->fop, c->ftag = s->tag;
    memcpy(f->ram->bytes + FIXTURE_DATA, s->memory, sizeof s->memory);
    flags_put(&f->cpu->flags, 0);
    f->cpu->s.gpr[RDI] = FIXTURE_DATA;
    f->cpu->attention = 0;
}

static void from_cpu(struct fixture *f, struct x87 *s)
{
    const struct cpu_shared *c = &f->cpu->s;

    memcpy(s->mant, c->fpr_mant, sizeof s->mant);
    memcpy(s->se, c->fpr_se, sizeof s->se);
    s->ip = c->fpu_ip, s->dp = c->fpu_dp, s->cs = c->fpu_cs, s->ds = c->fpu_ds;
    s->fcw = c->fcw, s->fsw = c->fsw, s->fop = c->fop, s->tag = c->ftag;
    memcpy(s->memory, f->ram->bytes + FIXTURE_DATA, sizeof s->memory);
    s->flags = flags_get(&f->cpu->flags);
}

static unsigned end_of_block(struct cpu *cpu UNUSED, const struct insn *i UNUSED) { return EXEC_STOP; }

static void run(struct fixture *f, const struct insn *insn, insn_fn *fn, const struct x87 *before, struct x87 *after)
{
    struct insn block[2] = { *insn, { .fn = end_of_block } };

    *after = *before;
    to_cpu(f, before);
    after->fault = fn(f->cpu, block) == EXEC_FAULT ? f->cpu->fault.vector + 1u : 0;
    from_cpu(f, after);
}

/* Numbers near each other and near ties, so that sums cancel and results round both ways. */
static void random_register(struct fp_random *r, uint64_t *mant, uint16_t *se)
{
    const uint64_t how = fp_random_next(r);

    fp_random80(r, mant, se);
    if (how & 3)
        *se = (uint16_t)((how >> 8 & 0x8000) | (16383 + (how >> 2 & 127) - 64));
    if ((how & 3) == 2)
        *mant |= 1ull << 63;
    if ((how >> 40 & 7) == 0)
        *mant = (*mant & ~0x7ffull) | (how >> 44 & 1 ? 0x400 : 0x3ff + (how >> 45 & 3));
}

static void random_state(struct fp_random *r, struct x87 *s)
{
    const uint64_t how = fp_random_next(r), more = fp_random_next(r);

    memset(s, 0, sizeof *s);
    for (unsigned n = 0; n < 8; n++)
        random_register(r, &s->mant[n], &s->se[n]);
    s->fcw = how & 7 ? 0x37f : (uint16_t)(0x40 | (more & 0xf3f));
    s->fsw = (uint16_t)(how >> 8 & 0x7f7f);
    s->tag = how >> 24 & 7 ? (uint8_t)(0xff & ~(1u << (more >> 32 & 7))) : (uint8_t)(more >> 40);
    if (how >> 27 & 1)      /* room to push */
        s->tag = (uint8_t)(0xff & ~(1u << ((((unsigned)s->fsw >> 11 & 7) + 7) & 7)));
    s->fsw &= (uint16_t)~(~s->fcw & 0x3fu);       /* nothing pending */
    s->memory[0] = how >> 30 & 1 ? fp_random64(r) : how >> 31 & 1 ? fp_random32(r) : more >> (more & 63);
    if (how >> 32 & 1)
        random_register(r, &s->memory[0], &s->se[0]);
    s->memory[1] = s->se[1];
}

static void compare(struct fixture *f, const struct insn *insn, insn_fn *bound, struct fp_random *r)
{
    struct x87 before, exact, fast;

    random_state(r, &before);
    run(f, insn, general[insn->op], &before, &exact);
    run(f, insn, bound, &before, &fast);
    if (memcmp(&exact, &fast, sizeof exact) == 0)
        return;
    printf("opcode %02x %02x fcw %04x fsw %04x tag %02x memory %llx: exact fsw %04x tag %02x, fast fsw %04x tag %02x\n",
           insn->opcode, insn->modrm, before.fcw, before.fsw, before.tag, (unsigned long long)before.memory[0], exact.fsw,
           exact.tag, fast.fsw, fast.tag);
    for (unsigned n = 0; n < 8; n++)
        printf("%u: %04x %016llx, exact %04x %016llx, fast %04x %016llx\n", n, before.se[n],
               (unsigned long long)before.mant[n], exact.se[n], (unsigned long long)exact.mant[n], fast.se[n],
               (unsigned long long)fast.mant[n]);
    fail();
}

static void bound_handlers_do_what_the_general_ones_do(void **state)
{
    const char *wish = getenv("PARTITA_FP_ROUNDS");
    const unsigned long rounds = wish ? strtoul(wish, NULL, 10) : 300;
    struct fp_random r = { 1 };
    unsigned count = 0;
    struct fixture f;

    (void)state;
    fixture_open(&f);
    fixture_mode(&f, FIXTURE_LONG);
    f.cpu->p.cr0 |= CR0_NE;
    for (unsigned code = 0xd800; code < 0xe000; code++) {
        const uint8_t bytes[16] = { (uint8_t)(code >> 8), (uint8_t)code };
        struct insn insn;
        insn_fn *bound;

        if (((code & 0xc0) != 0xc0 && (code & 0xc7) != 0x07) || decode(&insn, bytes, 16, DECODE_64) != DECODED)
            continue;
        insn.end = insn.len;
        bound = exec_bind_x87(&insn);
        for (unsigned long n = 0; bound != NULL && n < rounds; n++)
            compare(&f, &insn, bound, &r);
        count += bound != NULL;
    }
    assert_true(count > 100);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bound_handlers_do_what_the_general_ones_do),
    };

    return cmocka_run_group_tests_name("cpu/exec_x87_fast", tests, NULL, NULL);
}
