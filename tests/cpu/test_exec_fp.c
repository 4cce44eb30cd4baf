/* SPDX-License-Identifier: MIT
 * x87 and SSE floating-point instructions against the host processor: every row of ops_x87.def and ops_vecfp.def with random
 * registers, stack tops, tags, control words and masks; all registers, status, flags, memory and the exception must agree.
 * PARTITA_FP_CASES=n runs n cases a row instead of the default, PARTITA_FP_ONLY=NAME only one operation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/decoder/index.h"
#include "cpu/decoder/operands.h"
#include "cpu/exec.h"
#include "cpu/fpu.h"
#include "cpu/mem.h"
#include "cpu/tlb.h"
#include "tests/oracle/fp_host.h"
#include "tests/oracle/host_has.h"
#include "tests/oracle/vec_host.h"

enum family { NEITHER, X87, SSE };

static insn_fn *const handlers[OP_COUNT] = {
#define OP(name, mnemonic, reads, writes, then, jit) [OP_##name] = exec_##name,
#include "cpu/decoder/ops_vecfp.def"
#include "cpu/decoder/ops_x87.def"
#undef OP
};
static const uint8_t families[OP_COUNT] = {
#define OP(name, mnemonic, reads, writes, then, jit) [OP_##name] = SSE,
#include "cpu/decoder/ops_vecfp.def"
#undef OP
#define OP(name, mnemonic, reads, writes, then, jit) [OP_##name] = X87,
#include "cpu/decoder/ops_x87.def"
#undef OP
};

static struct cpu *cpu;
static uint8_t guest_memory[2 * PAGE_SIZE];
static struct fp_random rng = { 42 };

static unsigned below(unsigned n) { return (unsigned)(fp_random_next(&rng) >> 33) % n; }

/* ---- Partita's side ---- */

static uint8_t *guest_page(void) { return (uint8_t *)(((uintptr_t)guest_memory + PAGE_SIZE - 1) & PAGE_MASK); }

static unsigned end_of_block(struct cpu *c, const struct insn *i)
{
    (void)c, (void)i;
    return EXEC_STOP;
}

/* 64-bit mode at CPL 0; the one mapped page stands for the host's, at the same linear address. */
static void cpu_prepare(uint64_t memory)
{
    struct tlb_entry *e;

    if (cpu != NULL)
        tlb_destroy(cpu);
    free(cpu);
    cpu = calloc(1, sizeof *cpu);
    assert_non_null(cpu);
    cpu->mode = DECODE_64 | MODE_PE | MODE_LONG;
    cpu->p.cr0 = CR0_PE | CR0_PG | CR0_NE | CR0_MP;
    cpu->p.cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE;
    cpu->p.efer = EFER_LMA | EFER_LME;
    cpu->config.vendor = vec_host_vendor();
    cpu->s.xcr0 = 7;
    tlb_create(cpu);
    e = tlb_slot(cpu->tlb, memory);
    e->read = e->write = memory & PAGE_MASK;
    e->addend = (uint64_t)(uintptr_t)guest_page() - (memory & PAGE_MASK);
}

static void state_to_cpu(const struct vec_state *s)
{
    for (unsigned n = 0; n < 16; n++) {
        cpu->s.gpr[n] = s->gpr[n];
        memcpy(&cpu->s.zmm[8 * n], s->zmm[n], 32);
    }
    memcpy(cpu->s.fpr_mant, s->mant, sizeof s->mant);
    memcpy(cpu->s.fpr_se, s->se, sizeof s->se);
    cpu->s.fcw = s->fcw;
    cpu->s.fsw = s->fsw;
    cpu->s.ftag = s->ftag;
    cpu->s.mxcsr = s->mxcsr;
    flags_put(&cpu->flags, (uint32_t)s->flags);
    memcpy(guest_page(), s->mem, sizeof s->mem);
}

static void state_from_cpu(struct vec_state *s)
{
    for (unsigned n = 0; n < 16; n++) {
        s->gpr[n] = cpu->s.gpr[n];
        memcpy(s->zmm[n], &cpu->s.zmm[8 * n], 32);
    }
    memcpy(s->mant, cpu->s.fpr_mant, sizeof s->mant);
    memcpy(s->se, cpu->s.fpr_se, sizeof s->se);
    s->fcw = cpu->s.fcw;
    s->fsw = cpu->s.fsw;
    s->ftag = cpu->s.ftag;
    s->mxcsr = cpu->s.mxcsr;
    s->flags = flags_get(&cpu->flags);
    memcpy(s->mem, guest_page(), sizeof s->mem);
}

static int signal_of(unsigned vector)
{
    return vector == VEC_UD ? SIGILL : vector == VEC_XM || vector == VEC_MF ? SIGFPE : SIGSEGV;
}

static void cpu_execute(struct vec_state *s, const struct insn *i)
{
    struct insn block[2] = { *i, { .fn = end_of_block } };

    state_to_cpu(s);
    s->signal = handlers[i->op](cpu, block) == EXEC_FAULT ? signal_of(cpu->fault.vector) : 0;
    state_from_cpu(s);
}

/* ---- random encodings: memory operands are [RSI] ---- */

struct encoder { uint8_t bytes[16]; unsigned len; };

static void put(struct encoder *e, unsigned byte) { e->bytes[e->len++] = (uint8_t)byte; }

static unsigned random_modrm(const struct insn_row *row)
{
    unsigned kind = row->modrm & 0x700, n = row->modrm & 7;

    switch (kind) {
    case NM(0):  return n << 3 | 6;
    case NR(0):  return 0xc0 | n << 3 | below(8);
    case X(0, 0): return 0xc0 | (row->modrm & 0x3f);
    case MEM:    return below(8) << 3 | 6;
    case REG:    return 0xc0 | below(64);
    default:     return below(3) ? 0xc0 | below(64) : below(8) << 3 | 6;
    }
}

static void put_legacy(struct encoder *e, const struct insn_row *row)
{
    static const uint8_t mandatory[] = { [P66] = 0x66, [PF3] = 0xf3, [PF2] = 0xf2 };

    if (row->prefix > NP)
        put(e, mandatory[row->prefix]);
    if (row->map != M1 && below(2))
        put(e, below(2) ? 0x48 : 0x40);
    if (row->map != M1)
        put(e, 0x0f);
    if (row->map == M0F3A)
        put(e, 0x3a);
}

static bool row_has(const struct insn_row *row, unsigned place)
{
    for (unsigned n = 0; n < 4; n++)
        if (PLACE(operands[row->o[n]].place) == place)
            return true;
    return false;
}

static void put_vex(struct encoder *e, const struct insn_row *row)
{
    static const uint8_t prefixes[] = { [NP] = 0, [P66] = 1, [PF3] = 2, [PF2] = 3 };
    unsigned l = row->attrs & (L0 | LIG) ? 0 : below(2), w = row->attrs & W0 ? 0 : row->attrs & W1 ? 1 : below(2);
    unsigned vvvv = row_has(row, IN_VVVV) ? below(16) : 15;

    put(e, 0xc4);
    put(e, (0xe0 ^ below(2) << 7) | (unsigned)(row->map - V0F + 1));
    put(e, w << 7 | vvvv << 3 | l << 2 | prefixes[row->prefix]);
}

static void encode(struct encoder *e, const struct insn_row *row)
{
    e->len = 0;
    if (row->map >= V0F)
        put_vex(e, row);
    else
        put_legacy(e, row);
    put(e, row->opcode);
    if (row->modrm != NONE)
        put(e, random_modrm(row));
    if (row_has(row, IMM_U8))
        put(e, below(256));
}

/* ---- random states ---- */

static void random_lanes(uint8_t *to, unsigned bytes)
{
    bool doubles = below(2);

    for (unsigned at = 0; at < bytes; at += 8) {
        uint64_t v = doubles ? fp_random64(&rng) : fp_random32(&rng) | (uint64_t)fp_random32(&rng) << 32;

        if (below(8) == 0)
            v = fp_random_next(&rng) >> below(64);
        memcpy(to + at, &v, 8);
    }
}

/* Masks: all but a few, or any. */
static unsigned random_masks(void)
{
    return below(3) ? 63 : below(2) ? 63 & ~(1u << below(6)) : below(64);
}

/* In range for the operation under test now and then: small integers, powers, values near one. */
static void random_register(uint64_t *mant, uint16_t *se)
{
    fp_random80(&rng, mant, se);
    if (below(4) == 0)
        *se = (uint16_t)((*se & 0x8000) | (0x3fff - 8 + below(72)));
}

static void random_state(struct vec_state *s, uint64_t address)
{
    unsigned masks = random_masks(), flags = below(3) ? 0 : below(64) & (below(16) ? masks : 63);

    for (unsigned n = 0; n < 16; n++) {
        s->gpr[n] = fp_random_next(&rng) >> below(64);
        random_lanes(s->zmm[n], 32);
    }
    s->gpr[RSP] = 0;
    s->gpr[RSI] = address;
    for (unsigned n = 0; n < 8; n++)
        random_register(&s->mant[n], &s->se[n]);
    s->fcw = (uint16_t)(0x40 | below(4) << 8 | below(4) << 10 | masks | (below(8) ? 0 : 0x1000));
    if ((s->fcw & 0x300) == 0x100)
        s->fcw |= 0x200;
    s->fsw = (uint16_t)((fp_random_next(&rng) & 0x7f40) | flags | (flags & ~masks ? FSW_ES | FSW_B : 0));
    s->ftag = (uint8_t)(below(3) == 0 ? 0xff : below(2) ? below(256) | 3u << (s->fsw >> 11 & 7) : below(256));
    if (below(2))
        s->ftag &= (uint8_t)~(1u << (((s->fsw >> 11) + 7) & 7));       /* room to push */
    s->mxcsr = masks << 7 | flags | below(4) << 13 | (below(4) ? 0 : 0x40) | (below(4) ? 0 : 0x8000);
    s->flags = fp_random_next(&rng) & FLAGS_ARITH;
    s->signal = 0;
    memset(s->mem, 0xa5, sizeof s->mem);
    random_lanes(s->mem + 1024, 64);
    if (below(2))
        random_register((uint64_t *)(void *)(s->mem + 1024), (uint16_t *)(void *)(s->mem + 1032));
}

/* ---- comparison ---- */

static bool differs(const char *what, unsigned n, const void *host, const void *ours, unsigned bytes)
{
    if (memcmp(host, ours, bytes) == 0)
        return false;
    printf("  %s%u host ", what, n);
    for (unsigned k = bytes; k-- > 0;)
        printf("%02x", ((const uint8_t *)host)[k]);
    printf(" ours ");
    for (unsigned k = bytes; k-- > 0;)
        printf("%02x", ((const uint8_t *)ours)[k]);
    printf("\n");
    return true;
}

static bool states_differ(const struct vec_state *host, const struct vec_state *ours)
{
    bool bad = differs("signal", 0, &host->signal, &ours->signal, sizeof host->signal);

    for (unsigned n = 0; n < 16; n++) {
        bad |= n != RSP && differs("gpr", n, &host->gpr[n], &ours->gpr[n], 8);
        bad |= differs("xmm", n, host->zmm[n], ours->zmm[n], 32);
    }
    for (unsigned n = 0; n < 8; n++) {
        bad |= differs("mant", n, &host->mant[n], &ours->mant[n], 8);
        bad |= differs("se", n, &host->se[n], &ours->se[n], 2);
    }
    bad |= differs("fcw", 0, &host->fcw, &ours->fcw, 2);
    bad |= differs("fsw", 0, &host->fsw, &ours->fsw, 2);
    bad |= differs("ftag", 0, &host->ftag, &ours->ftag, 1);
    bad |= differs("mxcsr", 0, &host->mxcsr, &ours->mxcsr, 4);
    bad |= differs("flags", 0, &host->flags, &ours->flags, 8);
    for (unsigned n = 1024; n < 1152; n += 16)
        bad |= differs("mem", n, host->mem + n, ours->mem + n, 16);
    return bad;
}

static void report(const struct insn_row *row, const struct encoder *e, const struct vec_state *s)
{
    unsigned top = s->fsw >> 11 & 7;

    printf("%s:", op_names[row->op]);
    for (unsigned n = 0; n < e->len; n++)
        printf(" %02x", e->bytes[n]);
    if (families[row->op] == SSE) {
        printf(" mxcsr %04x mem", s->mxcsr);
        for (unsigned k = 0; k < 32; k += 4)
            printf(" %08x", load32(s->mem + 1024 + k));
        for (unsigned n = 0; n < 16; n++)
            printf("%sx%u %08x %08x %08x %08x", n % 4 ? " " : "\n ", n, load32(s->zmm[n]), load32(s->zmm[n] + 4),
                   load32(s->zmm[n] + 8), load32(s->zmm[n] + 12));
        printf("\n");
        return;
    }
    printf(" fcw %04x fsw %04x top %u tag %02x mem %04x:%016llx\n ", s->fcw, s->fsw, top, s->ftag,
           load16(s->mem + 1032), (unsigned long long)load64(s->mem + 1024));
    for (unsigned st = 0; st < 8; st++)
        printf(" st%u %s%04x:%016llx%s", st, s->ftag >> ((top + st) & 7) & 1 ? "" : "(", s->se[(top + st) & 7],
               (unsigned long long)s->mant[(top + st) & 7], s->ftag >> ((top + st) & 7) & 1 ? "" : ")");
    printf("\n");
}

/* Stack pointers are not loaded into the host: conversions from and to ESP are left out. */
static bool names_rsp(const struct insn *i)
{
    bool general = i->op == OP_CVTSI2SS || i->op == OP_CVTSI2SD || i->op == OP_CVTSS2SI || i->op == OP_CVTSD2SI ||
                   i->op == OP_CVTTSS2SI || i->op == OP_CVTTSD2SI;

    return general && (i->o[0] == REG_AT(RSP) || i->o[1] == REG_AT(RSP) || i->o[2] == REG_AT(RSP));
}

/* ---- where the host may differ ---- */

/* Approximations: an AMD host's results are within a bound, not equal. */
static bool is_approximate(unsigned op) { return op == OP_RCPPS || op == OP_RCPSS || op == OP_RSQRTPS || op == OP_RSQRTSS; }

static bool is_transcendental(unsigned op)
{
    return op == OP_F2XM1 || op == OP_FYL2X || op == OP_FYL2XP1 || op == OP_FPTAN || op == OP_FPATAN || op == OP_FSIN ||
           op == OP_FCOS || op == OP_FSINCOS;
}

/* Extended values of one sign that are neighbours; the integer bit makes exponent and significand one number but for a gap.
 * */
static bool one_apart(uint64_t mant_a, uint16_t se_a, uint64_t mant_b, uint16_t se_b)
{
    if (se_a == se_b)
        return mant_a - mant_b + 1 <= 2;
    return (se_a + 1 == se_b && mant_a == ~0ull && mant_b == 1ull << 63) ||
           (se_b + 1 == se_a && mant_b == ~0ull && mant_a == 1ull << 63) ||
           (mant_a >> 63 && mant_a - mant_b == 1 && se_a - se_b == 1);
}

/* Transcendental results may be one unit off, and with them what rounding raised. */
static void forgive_last_bit(const struct vec_state *host, struct vec_state *ours)
{
    const uint16_t rounding = FSW_C1 | FSW_PE | FSW_UE | FSW_OE | FSW_ES | FSW_B;

    for (unsigned r = 0; r < 8; r++)
        if (one_apart(host->mant[r], host->se[r], ours->mant[r], ours->se[r])) {
            ours->mant[r] = host->mant[r];
            ours->se[r] = host->se[r];
        }
    ours->fsw = (uint16_t)((ours->fsw & ~rounding) | (host->fsw & rounding));
}

/* An approximation's two answers must be within 3 * 2^-12 of each other: each within 1.5 * 2^-12 of the truth. */
static void forgive_approximation(const struct vec_state *host, struct vec_state *ours)
{
    for (unsigned n = 0; n < 16; n++)
        for (unsigned at = 0; at < 32; at += 4) {
            uint32_t a = load32(host->zmm[n] + at), b = load32(ours->zmm[n] + at);

            if (a - b + 0x3000 <= 0x6000)
                store32(ours->zmm[n] + at, a);
        }
}

static void forgive(unsigned op, const struct vec_state *host, struct vec_state *ours)
{
    if (is_approximate(op) && vec_host_vendor() == VENDOR_AMD)
        forgive_approximation(host, ours);
    if (is_transcendental(op))
        forgive_last_bit(host, ours);
    /* SDM 2A "FCOMI": C1 is cleared; an EPYC leaves it */
    if (op == OP_FCOMI || op == OP_FCOMIP || op == OP_FUCOMI || op == OP_FUCOMIP)
        ours->fsw = (uint16_t)((ours->fsw & ~FSW_C1) | (host->fsw & FSW_C1));
    /* the instruction pointers: not part of a case */
    if (op == OP_FNSTENV || op == OP_FNSAVE)
        memcpy(ours->mem + ours->gpr[RSI] % PAGE_SIZE + 12, host->mem + ours->gpr[RSI] % PAGE_SIZE + 12, 16);
}

/* FYL2XP1 beyond 1 - sqrt(1/2) and F2XM1 beyond 1: the SDM leaves the result open. */
static bool undefined(const struct insn *i, const struct vec_state *s)
{
    unsigned top = s->fsw >> 11 & 7, exp = s->se[top] & 0x7fff;

    return (i->op == OP_FYL2XP1 && exp >= 0x3ffd) || (i->op == OP_F2XM1 && exp >= 0x3fff && exp != 0x7fff);
}

static bool one_case(const struct insn_row *row)
{
    static struct vec_state before, host, ours;
    struct encoder e;
    struct insn i;

    encode(&e, row);
    if (decode(&i, e.bytes, e.len, DECODE_64) != DECODED || i.len != e.len || i.op != row->op)
        return report(row, &e, &before), false;
    if (names_rsp(&i))
        return true;
    random_state(&before, vec_host_memory() + 1024 + (below(8) ? 0 : below(16)));
    if (undefined(&i, &before))
        return true;
    host = ours = before;
    vec_host_run(&host, e.bytes, e.len);
    cpu_execute(&ours, &i);
    forgive(i.op, &host, &ours);
    if (!states_differ(&host, &ours))
        return true;
    report(row, &e, &before);
    return false;
}

static bool wanted(const struct insn_row *row, enum family family)
{
    const char *only = getenv("PARTITA_FP_ONLY");

    if (row->map != M1 && families[row->op] == X87)     /* state images: tests/cpu/test_exec_xsave.c */
        return false;
    if (row->map >= E0F)                                /* tests/cpu/test_vec.c */
        return false;
    return families[row->op] == family && (only == NULL || strcmp(only, op_names[row->op]) == 0) &&
           host_has((enum feature)row->needs);
}

static void family_agrees(enum family family)
{
    const char *wish = getenv("PARTITA_FP_CASES");
    unsigned cases = wish ? (unsigned)strtoul(wish, NULL, 10) : 200, wrong = 0;
    size_t count;
    const struct insn_row *rows = index_rows(&count);

    if (!vec_host_open())
        skip();
    cpu_prepare(vec_host_memory());
    for (size_t r = 0; r < count; r++)
        for (unsigned n = 0; wanted(&rows[r], family) && n < cases; n++)
            if (!one_case(&rows[r])) {
                wrong++;
                break;
            }
    assert_int_equal(wrong, 0);
}

static void sse_rows_agree_with_the_host(void **state) { (void)state; family_agrees(SSE); }
static void x87_rows_agree_with_the_host(void **state) { (void)state; family_agrees(X87); }

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sse_rows_agree_with_the_host),
        cmocka_unit_test(x87_rows_agree_with_the_host),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
