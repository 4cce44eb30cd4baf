/* SPDX-License-Identifier: MIT
 * Integer instructions against the host processor: for every row of the operations in ops_int.def, random encodings and
 * values run by cpu_run() in the fixture's long mode and natively; registers, flags, memory and the exception must agree.
 * Undefined results are compared too when the model's vendor is the host's; the other vendor's only where they are defined.
 * PARTITA_INT_CASES=n runs n cases a row, PARTITA_INT_SEED=n starts elsewhere. */
#include "tests/check.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "cpu/decoder/index.h"
#include "cpu/decoder/operands.h"
#include "tests/cpu/fixture.h"
#include "tests/oracle/host_has.h"
#include "tests/oracle/vec_host.h"

static struct fixture f;
static uint64_t seed = 88172645463325252ull;

static uint64_t random64(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed * 2685821657736338717ull;
}

static unsigned random_below(unsigned n) { return (unsigned)(random64() >> 33) % n; }

/* ---- what can be asked of the host ---- */

static bool in_int_table(unsigned op)
{
    switch (op) {
#define OP(name, mnemonic, reads, writes, then, jit) case OP_##name:
#include "cpu/decoder/ops_int.def"
#undef OP
        return true;
    default:
        return false;
    }
}

/* No jumps, and no stack: RSP is the host's own. Some answer differently by nature. */
static bool askable(const struct insn_row *row)
{
    switch (row->op) {
    case OP_PUSH: case OP_POP: case OP_ENTER: case OP_LEAVE: case OP_RDRAND: case OP_RDSEED:
        return false;
    case OP_NOP:                /* makers differ about 0F 0D with a register */
        return row->opcode != 0x0d;
    default:
        return in_int_table(row->op) && op_then[row->op] == FALLS && !(row->attrs & I64) &&
               host_has((enum feature)row->needs);
    }
}

/* What both manuals call undefined. */
static uint32_t undefined_flags(unsigned op)
{
    switch (op) {
    case OP_AND: case OP_OR: case OP_XOR: case OP_TEST:
        return FLAG_AF;
    case OP_ROL: case OP_ROR: case OP_RCL: case OP_RCR:
        return FLAG_OF;
    case OP_SHL: case OP_SHR: case OP_SAR: case OP_SHLD: case OP_SHRD:
        return FLAG_AF | FLAG_OF;
    case OP_ANDN: case OP_BLSI: case OP_BLSR: case OP_BLSMSK: case OP_BZHI:
        return FLAG_AF | FLAG_PF;
    case OP_BEXTR:
        return FLAG_AF | FLAG_SF | FLAG_PF;
    case OP_MUL: case OP_IMUL1: case OP_IMUL:
        return FLAG_SF | FLAG_ZF | FLAG_AF | FLAG_PF;
    case OP_BT: case OP_BTS: case OP_BTR: case OP_BTC: case OP_TZCNT: case OP_LZCNT:
        return FLAG_OF | FLAG_SF | FLAG_AF | FLAG_PF;
    case OP_BSF: case OP_BSR:
        return FLAGS_ARITH & ~FLAG_ZF;
    case OP_DIV: case OP_IDIV:
        return FLAGS_ARITH;
    default:
        return 0;
    }
}

/* Undefined flags of AMD's processors that Partita does not know; of Intel's it knows all. */
static uint32_t unknown_flags(unsigned op)
{
    switch (op) {
    case OP_SHL: case OP_SHR: case OP_SAR: case OP_SHRD:
        return FLAG_AF;
    case OP_SHLD:
        return FLAG_AF | FLAG_OF;
    case OP_BEXTR:
        return FLAG_AF | FLAG_SF | FLAG_PF;
    case OP_MUL: case OP_IMUL1: case OP_IMUL:
        return FLAG_SF | FLAG_ZF | FLAG_AF | FLAG_PF;
    case OP_DIV: case OP_IDIV:
        return FLAG_CF | FLAG_OF;
    case OP_TZCNT: case OP_LZCNT:
        return FLAG_OF;
    default:
        return 0;
    }
}

/* The model's vendor may be the host's: then everything is compared. */
static enum vendor vendor;

static uint32_t ignored_flags(unsigned op)
{
    if (vendor != vec_host_vendor())
        return undefined_flags(op);
    return vendor == VENDOR_AMD ? unknown_flags(op) : 0;
}

/* A 16-bit double shift by more than 16: even the result is undefined. */
static bool undefined_result(const struct insn *i, const struct vec_state *s)
{
    uint64_t count = FORM_KIND(i->form, 2) == KIND_IMM ? i->imm : s->gpr[RCX];

    return (i->op == OP_SHLD || i->op == OP_SHRD) && i->width == 2 && (count & 31) > 16;
}

/* ---- random encodings ---- */

struct encoder {
    uint8_t bytes[24];
    unsigned len;
};

static void put(struct encoder *e, unsigned byte) { e->bytes[e->len++] = (uint8_t)byte; }

static void put_value(struct encoder *e, uint64_t v, unsigned bytes)
{
    for (unsigned n = 0; n < bytes; n++)
        put(e, (unsigned)(v >> (8 * n)) & 0xff);
}

static bool row_has(const struct insn_row *row, unsigned place)
{
    for (unsigned n = 0; n < 4; n++)
        if (PLACE(operands[row->o[n]].place) == place)
            return true;
    return false;
}

/* ModRM of memory at RSI or R14 (by REX.B), perhaps with RBP or R13 (by REX.X) as a small index, perhaps displaced. */
static void put_memory(struct encoder *e, unsigned reg)
{
    unsigned mod = random_below(3), disp = mod == 1 ? (unsigned)random_below(64) : 0;

    if (random_below(2)) {
        put(e, mod << 6 | reg << 3 | 4);
        put(e, random_below(4) << 6 | 5 << 3 | 6);
    } else {
        put(e, mod << 6 | reg << 3 | 6);
    }
    if (mod != 0)
        put_value(e, disp, mod == 1 ? 1 : 4);
}

static void put_modrm(struct encoder *e, const struct insn_row *row, bool lock)
{
    unsigned kind = row->modrm & 0x700;
    unsigned n = kind == N(0) || kind == NM(0) || kind == NR(0) ? row->modrm & 7 : random_below(8);
    bool reg = !lock && random_below(2);

    if (kind == MEM || kind == NM(0) || row_has(row, IN_MEM))
        reg = false;
    if (kind == REG || kind == NR(0) || row_has(row, IN_RMREG))
        reg = true;
    if (reg)
        put(e, 0xc0 | n << 3 | random_below(8));
    else
        put_memory(e, n);
}

static void put_legacy(struct encoder *e, const struct insn_row *row, unsigned *osize, bool lock)
{
    static const uint8_t mandatory[] = { [P66] = 0x66, [PF3] = 0xf3, [PF2] = 0xf2 };
    unsigned rex = random_below(2) ? 0x40 | random_below(16) : 0;
    bool prefix66 = row->prefix == P66 || (row->prefix != NP && random_below(4) == 0);

    if (row->attrs & W1)
        rex |= 0x48;
    if (row->attrs & W0)
        rex &= ~8u;
    if (lock)
        put(e, 0xf0);
    if (prefix66)
        put(e, 0x66);
    if ((row->attrs & (REPS | REPZ)) && random_below(3))
        put(e, 0xf2 | random_below(2));
    if (mandatory[row->prefix] && row->prefix != P66)
        put(e, mandatory[row->prefix]);
    if (rex)
        put(e, rex);
    if (row->map != M1)
        put(e, 0x0f);
    if (row->map == M0F38 || row->map == M0F3A)
        put(e, row->map == M0F38 ? 0x38 : 0x3a);
    *osize = rex & 8 ? 8 : prefix66 ? 2 : 4;
}

static void put_vex(struct encoder *e, const struct insn_row *row, unsigned *osize)
{
    unsigned w = random_below(2), pp = row->prefix == P66 ? 1 : row->prefix == PF3 ? 2 : row->prefix == PF2 ? 3 : 0;

    put(e, 0xc4);
    put(e, random_below(8) << 5 | (unsigned)(row->map - V0F + 1));
    put(e, w << 7 | (row_has(row, IN_VVVV) ? random_below(16) : 15) << 3 | pp);
    *osize = w ? 8 : 4;
}

static uint64_t random_immediate(void)
{
    return random_below(2) ? random64() : (uint64_t)(int64_t)((int)random_below(68) - 3);
}

static void put_immediates(struct encoder *e, const struct insn_row *row, unsigned osize, uint64_t memory)
{
    for (unsigned n = 0; n < 4; n++) {
        switch (PLACE(operands[row->o[n]].place)) {
        case IMM_U8: case IMM_S8: case IMM_2ND8: put_value(e, random_immediate(), 1); break;
        case IMM_U16: put_value(e, random_immediate(), 2); break;
        case IMM_Z:   put_value(e, random_immediate(), osize == 2 ? 2 : 4); break;
        case IMM_V:   put_value(e, random_immediate(), osize); break;
        case IN_MOFFS: put_value(e, memory + random_below(4000), 8); break;
        }
    }
}

static void encode(struct encoder *e, const struct insn_row *row, uint64_t memory)
{
    unsigned osize, opcode = row->opcode;
    bool lock = (row->attrs & LOCK) && row->map < V0F && random_below(6) == 0 && !(row->modrm == NONE);

    e->len = 0;
    if (row->map >= V0F)
        put_vex(e, row, &osize);
    else
        put_legacy(e, row, &osize, lock);
    if (row->attrs & CC)
        opcode |= random_below(16);
    if (row_has(row, IN_OPCODE))
        opcode |= random_below(8);
    put(e, opcode);
    if (row->modrm != NONE)
        put_modrm(e, row, lock);
    put_immediates(e, row, osize, memory);
}

static bool names_rsp(const struct insn *i, const struct insn_row *row)
{
    for (unsigned n = 0; n < 4; n++)
        if (FORM_KIND(i->form, n) == KIND_REG && operands[row->o[n]].file == GPR && (i->o[n] & ~1u) == (REG_AT(RSP) & ~1u))
            return true;
    return false;
}

/* ---- random states ---- */

static uint64_t random_value(void)
{
    static const uint64_t edges[] = {
        0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, 0x7fffffffffffffff,
        0x8000000000000000, 0xffffffffffffffff,
    };

    switch (random_below(4)) {
    case 0:  return edges[random_below(COUNT_OF(edges))];
    case 1:  return (uint64_t)(int64_t)((int)random_below(200) - 100);
    case 2:  return random64() >> random_below(64);
    default: return random64();
    }
}

static void random_state(struct vec_state *s, uint64_t memory, const struct insn *i)
{
    memset(s, 0, sizeof *s);
    for (unsigned n = 0; n < 16; n++)
        s->gpr[n] = random_value();
    s->gpr[RSP] = 0;
    s->gpr[RSI] = memory + 2048 + random_below(64);
    s->gpr[R14] = memory + 2048 + 8 * random_below(8);
    s->gpr[RBP] = random_below(64);
    s->gpr[R13] = random_below(64);
    if (FORM_KIND(i->form, 0) == KIND_MEM && (i->op == OP_BT || i->op == OP_BTS || i->op == OP_BTR || i->op == OP_BTC) &&
        FORM_KIND(i->form, 1) == KIND_REG && i->o[1] != REG_AT(RSI) && i->o[1] != REG_AT(R14))
        s->gpr[i->o[1] / 8] = (uint64_t)(int64_t)((int)random_below(8000) - 4000);
    if (i->op == OP_MOVDIR64B)
        s->gpr[i->o[0] / 8] = memory + 64 * random_below(60) + (random_below(8) ? 0 : 8);
    if (i->op == OP_XLAT)
        s->gpr[RBX] = memory + 1000;
    if (i->op >= OP_MOVS && i->op <= OP_CMPS) {
        s->gpr[RDI] = s->gpr[RSI] + (random_below(2) ? random_below(64) - 32u : 512);
        s->gpr[RCX] = random_below(40);
    }
    s->flags = random64() & (FLAGS_ARITH | FLAG_DF);
    s->mxcsr = 0x1f80;
    for (unsigned n = 0; n < VEC_HOST_MEMORY; n += 8) {
        uint64_t v = random_value();

        memcpy(s->mem + n, &v, 8);
    }
    if (i->op == OP_SCAS || i->op == OP_CMPS)
        memset(s->mem + 1900, (int)(s->gpr[RAX] & 0xff), random_below(1000));
    if ((i->op == OP_CMPXCHG8B || i->op == OP_CMPXCHG16B) && random_below(2)) {
        memset(s->mem, 0, sizeof s->mem);
        s->gpr[RAX] = s->gpr[RDX] = 0;
    }
}

/* The bit index, or MOVDIR64B's destination, may be the address register itself: such a case would leave the page. */
static bool wild(const struct insn *i)
{
    bool bit = i->op == OP_BT || i->op == OP_BTS || i->op == OP_BTR || i->op == OP_BTC;

    if (i->op == OP_MOVDIR64B)
        return i->o[0] == i->base || i->o[0] == i->index || i->o[0] == REG_AT(RSI) || i->o[0] == REG_AT(R14);
    return bit && FORM_KIND(i->form, 0) == KIND_MEM && FORM_KIND(i->form, 1) == KIND_REG &&
           (i->o[1] == i->base || i->o[1] == i->index || i->o[1] == REG_AT(RSI) || i->o[1] == REG_AT(R14));
}

/* ---- Partita's side ---- */

static int signal_of(int vector)
{
    return vector < 0 ? 0 : vector == VEC_DE ? SIGFPE : vector == VEC_UD ? SIGILL : SIGSEGV;
}

static bool run_ours(struct vec_state *s, const struct encoder *e)
{
    struct cpu *cpu = f.cpu;
    uint8_t code[32];

    memcpy(code, e->bytes, e->len);
    code[e->len] = 0xf4;
    fixture_code(&f, code, e->len + 1);
    fixture_put(&f, FIXTURE_DATA, s->mem, sizeof s->mem);
    memcpy(cpu->s.gpr, s->gpr, sizeof s->gpr);
    cpu->s.gpr[RSP] = FIXTURE_STACK;
    cpu->p.activity = CPU_RUNNING;
    cpu->p.rip = FIXTURE_CODE;
    cpu_set_rflags(cpu, (uint32_t)s->flags | 2);
    if (random_below(8) == 0)
        cpu_drop_caches(cpu);
    s->signal = signal_of(fixture_run(&f, 100000));
    if (s->signal == 0 && (cpu->p.activity != CPU_HALTED || cpu->p.rip != FIXTURE_CODE + e->len + 1))
        return false;
    memcpy(s->gpr, cpu->s.gpr, sizeof s->gpr);
    s->flags = cpu_rflags(cpu) & FLAGS_ARITH;
    space_read_bytes(f.memory, FIXTURE_DATA, s->mem, sizeof s->mem);
    return true;
}

static bool differs(const struct vec_state *host, const struct vec_state *ours, uint32_t ignored, bool say)
{
    bool bad = false;

    for (unsigned n = 0; n < 16; n++)
        if (n != RSP && host->gpr[n] != ours->gpr[n]) {
            bad = true;
            if (say)
                printf("  r%u host %llx ours %llx\n", n, (unsigned long long)host->gpr[n], (unsigned long long)ours->gpr[n]);
        }
    if (host->signal == 0 && ((host->flags ^ ours->flags) & ~(uint64_t)ignored)) {
        bad = true;
        if (say)
            printf("  flags host %llx ours %llx\n", (unsigned long long)host->flags, (unsigned long long)ours->flags);
    }
    if (host->signal != ours->signal) {
        bad = true;
        if (say)
            printf("  signal host %d ours %d\n", host->signal, ours->signal);
    }
    for (unsigned n = 0; n < VEC_HOST_MEMORY; n++)
        if (host->mem[n] != ours->mem[n]) {
            if (say)
                printf("  mem %u host %02x ours %02x\n", n, host->mem[n], ours->mem[n]);
            return true;
        }
    return bad;
}

static void report(const struct insn_row *row, const struct encoder *e, const struct vec_state *before,
                   const struct vec_state *host, const struct vec_state *ours)
{
    printf("%s:", op_names[row->op]);
    for (unsigned n = 0; n < e->len; n++)
        printf(" %02x", e->bytes[n]);
    printf("\n ");
    for (unsigned n = 0; n < 16; n++)
        printf(" r%u=%llx", n, (unsigned long long)before->gpr[n]);
    printf(" flags=%llx\n", (unsigned long long)before->flags);
    differs(host, ours, ignored_flags(row->op), true);
}

static bool one_case(const struct insn_row *row, uint64_t memory)
{
    static struct vec_state before, host, ours;
    struct encoder e;
    struct insn i;
    unsigned tries = 0;

    do {
        encode(&e, row, memory);
        if (++tries > 50)
            return true;
    } while (decode(&i, e.bytes, e.len, DECODE_64) != DECODED || i.len != e.len || i.op != row->op || names_rsp(&i, row) ||
             wild(&i));
    random_state(&before, memory, &i);
    if (vendor != vec_host_vendor() && undefined_result(&i, &before))
        return true;
    host = ours = before;
    vec_host_run(&host, e.bytes, e.len);
    if (!run_ours(&ours, &e)) {
        report(row, &e, &before, &host, &ours);
        printf("  did not come to its end: rip %llx\n", (unsigned long long)f.cpu->p.rip);
        return false;
    }
    if (!differs(&host, &ours, ignored_flags(row->op), false))
        return true;
    report(row, &e, &before, &host, &ours);
    return false;
}

static void rows_agree(enum vendor of)
{
    const char *wish = getenv("PARTITA_INT_CASES"), *start = getenv("PARTITA_INT_SEED");
    unsigned cases = wish != NULL ? (unsigned)strtoul(wish, NULL, 10) : 100, wrong = 0;
    size_t count;
    const struct insn_row *rows = index_rows(&count);

    if (!vec_host_open())
        skip();
    vendor = of;
    seed += start != NULL ? strtoull(start, NULL, 10) * 0x9e3779b97f4a7c15ull : 0;
    fixture_open_model(&f, of == VENDOR_AMD ? "max,vendor=AuthenticAMD" : "max,vendor=GenuineIntel");
    fixture_mode(&f, FIXTURE_LONG);
    fixture_map(&f, vec_host_memory(), FIXTURE_DATA);
    for (size_t r = 0; r < count; r++) {
        if (!askable(&rows[r]))
            continue;
        for (unsigned n = 0; n < cases; n++)
            if (!one_case(&rows[r], vec_host_memory())) {
                wrong++;
                break;
            }
    }
    fixture_close(&f);
    assert_int_equal(wrong, 0);
}

static void every_row_agrees_as_intel(void **state) { (void)state; rows_agree(VENDOR_INTEL); }
static void every_row_agrees_as_amd(void **state) { (void)state; rows_agree(VENDOR_AMD); }

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_agrees_as_intel),
        cmocka_unit_test(every_row_agrees_as_amd),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
