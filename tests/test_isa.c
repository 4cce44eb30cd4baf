/* SPDX-License-Identifier: MIT
 * docs/isa.md, made of the rows: feature, instructions, encodings, handler, tests, oracles, known differences. The test fails
 * when the file is not what the rows say; `make docs/isa.md` (PARTITA_WRITE=1) writes it. */
#include "tests/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/decoder/index.h"
#include "cpu/decoder/insn.h"
#include "cpu/model.h"

/* ---- what is known of an operation ---- */

enum family { INT, SYSTEM, X87, VECTOR, VECTOR_FP, MASKED, MASKED_FP };

struct operation { const char *mnemonic, *jit; enum family family; };

static const struct operation operations[OP_COUNT] = {
#define ROW(name, text, jit, family) [OP_##name] = { text, #jit, family },
#define OP(name, mnemonic, reads, writes, then, jit) ROW(name, mnemonic, jit, INT)
#include "cpu/decoder/ops_int.def"
#undef OP
#define OP(name, mnemonic, reads, writes, then, jit) ROW(name, mnemonic, jit, SYSTEM)
#include "cpu/decoder/ops_system.def"
#undef OP
#define OP(name, mnemonic, reads, writes, then, jit) ROW(name, mnemonic, jit, X87)
#include "cpu/decoder/ops_x87.def"
#undef OP
#define OP(name, mnemonic, reads, writes, then, jit) ROW(name, mnemonic, jit, VECTOR)
#include "cpu/decoder/ops_vec.def"
#undef OP
#define OP(name, mnemonic, reads, writes, then, jit) ROW(name, mnemonic, jit, VECTOR_FP)
#include "cpu/decoder/ops_vecfp.def"
#undef OP
#define OP(name, mnemonic, reads, writes, then, jit) ROW(name, mnemonic, jit, MASKED)
#include "cpu/decoder/ops_avx512.def"
#undef OP
#define OP(name, mnemonic, reads, writes, then, jit) ROW(name, mnemonic, jit, MASKED_FP)
#include "cpu/decoder/ops_avx512fp.def"
#undef OP
};

/* The tests that take the rows of a family by themselves, and what they compare with. */
static const struct { const char *tests, *oracle; } families[] = {
    [INT]       = { "test_int", "host" },
    [SYSTEM]    = { "test_exec_system, test_far, test_seg", "manual" },
    [X87]       = { "test_exec_fp", "host" },
    [VECTOR]    = { "test_vec, test_vec_faults", "host" },
    [VECTOR_FP] = { "test_exec_fp, test_fp", "host" },
    [MASKED]    = { "test_vec, test_evex_space", "host" },
    [MASKED_FP] = { "test_avx512_fp, test_fp_avx512, test_evex_space", "host" },
};

/* What leaves the straight line is stepped through by hand-written vectors instead. */
static const char *tests_of(unsigned op)
{
    return operations[op].family == INT && op_then[op] != FALLS ? "test_insn, test_run" : families[operations[op].family].tests;
}

static const char *oracle_of(unsigned op)
{
    return operations[op].family == INT && op_then[op] != FALLS ? "manual" : families[operations[op].family].oracle;
}

/* ---- encodings ---- */

static const char *const map_names[] = {
    [M1] = "", [M0F] = "0F ", [M0F38] = "0F38 ", [M0F3A] = "0F3A ", [V0F] = "VEX.0F ", [V0F38] = "VEX.0F38 ",
    [V0F3A] = "VEX.0F3A ", [E0F] = "EVEX.0F ", [E0F38] = "EVEX.0F38 ", [E0F3A] = "EVEX.0F3A ",
};
static const char *const prefix_names[] = { [ANY] = "", [NP] = "NP ", [P66] = "66 ", [PF3] = "F3 ", [PF2] = "F2 " };

static void write_encoding(FILE *out, const struct insn_row *row)
{
    unsigned kind = row->modrm & 0x700;

    fprintf(out, "%s%s%02X", row->map >= COUNT_OF(map_names) ? "? " : map_names[row->map], prefix_names[row->prefix], row->opcode);
    if (row->attrs & CC)
        fprintf(out, "+cc");
    if (kind == N(0) || kind == NM(0) || kind == NR(0))
        fprintf(out, " /%u", row->modrm & 7);
    else if (kind == X(0, 0))
        fprintf(out, " %02X", 0xc0 | (row->modrm & 0x3f));
}

/* ---- known differences ---- */

static char differences[1 << 14];

static void read_file(const char *name, char *to, size_t size)
{
    const char *top = getenv("top_srcdir");
    char path[512];
    FILE *in;

    snprintf(path, sizeof path, "%s/%s", top != NULL ? top : ".", name);
    in = fopen(path, "r");
    if (in == NULL)
        fail_msg("cannot read %s", path);
    to[fread(to, 1, size - 1, in)] = '\0';
    fclose(in);
}

/* A line of the table: operation, from whom, what. */
static void write_difference(FILE *out, const char *name)
{
    size_t len = strlen(name);

    for (const char *line = differences; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, len) == 0 && line[len] == '\t') {
            const char *what = strchr(line + len + 1, '\t');

            if (what != NULL)
                fprintf(out, "%.*s: %.*s", (int)(what - line - (int)len - 1), line + len + 1, (int)strcspn(what + 1, "\n"),
                        what + 1);
            return;
        }
    }
}

/* ---- the page ---- */

static const char *const output_names[] = { "EAX", "EBX", "ECX", "EDX" };

static void write_operation(FILE *out, unsigned op, unsigned feature)
{
    size_t count;
    const struct insn_row *rows = index_rows(&count);
    const char *between = "";

    fprintf(out, "| %s | ", operations[op].mnemonic);
    for (size_t n = 0; n < count; n++)
        if (rows[n].op == op && rows[n].needs == feature) {
            fputs(between, out);
            write_encoding(out, &rows[n]);
            between = ", ";
        }
    fprintf(out, " | exec_%s | %s | %s | %s | ", op_names[op], operations[op].jit, tests_of(op), oracle_of(op));
    write_difference(out, op_names[op]);
    fprintf(out, " |\n");
}

static bool uses(unsigned op, unsigned feature)
{
    size_t count;
    const struct insn_row *rows = index_rows(&count);

    for (size_t n = 0; n < count; n++)
        if (rows[n].op == op && rows[n].needs == feature)
            return true;
    return false;
}

static void write_feature(FILE *out, unsigned feature)
{
    const struct cpu_feature *f = &cpu_features[feature];
    bool first = true;

    for (unsigned op = 0; op < OP_COUNT; op++) {
        if (!uses(op, feature))
            continue;
        if (first && feature == F_BASE)
            fprintf(out, "\n## Every processor\n\n");
        else if (first)
            fprintf(out, "\n## %s\n\nCPUID %Xh.%u:%s[%u]%s.\n\n", f->name, f->leaf, f->subleaf, output_names[f->output], f->bit,
                    cpu_feature_works((enum feature)feature) ? "" : "; not shown in this version");
        if (first)
            fprintf(out, "| instruction | encodings | interpreter | JIT | tests | oracle | known differences |\n"
                         "|---|---|---|---|---|---|---|\n");
        first = false;
        write_operation(out, op, feature);
    }
}

static char *page(void)
{
    size_t count, size = 0;
    char *text = NULL;
    FILE *out = open_memstream(&text, &size);

    assert_non_null(out);
    index_rows(&count);
    fprintf(out, "# The instructions\n\nGenerated by `make docs/isa.md` from the rows of `cpu/decoder`; tests/test_isa fails when it is "
                 "out of date.\n\n"
                 "%zu encodings of %u operations. *Interpreter*: the handler; many have variants besides, by form and width. *JIT*: "
                 "LIFT, the JIT has its own; CALL, it calls the handler. *Tests*: those that take the rows by themselves, or the "
                 "hand-written ones; all decode like Capstone and Zydis (tests/oracle). *Oracle*: what results, flags and faults are "
                 "compared with: the host processor where it has the instruction, or the manual's words. *Known differences*: "
                 "docs/known-differences.tsv; see also docs/vendors.md.\n", count, (unsigned)OP_COUNT);
    for (unsigned feature = F_BASE; feature < F_COUNT; feature++)
        write_feature(out, feature);
    fclose(out);
    return text;
}

static void the_page_is_what_the_rows_say(void **state)
{
    static char kept[1 << 20];
    const char *top = getenv("top_srcdir");
    char path[512], *text;
    FILE *file;

    (void)state;
    read_file("docs/known-differences.tsv", differences, sizeof differences);
    text = page();
    if (getenv("PARTITA_WRITE") != NULL) {
        snprintf(path, sizeof path, "%s/docs/isa.md", top != NULL ? top : ".");
        file = fopen(path, "w");
        assert_non_null(file);
        fputs(text, file);
        fclose(file);
    }
    read_file("docs/isa.md", kept, sizeof kept);
    if (strcmp(text, kept) != 0)
        fail_msg("docs/isa.md is out of date: make docs/isa.md");
    free(text);
}

/* Every operation has a family here, and every difference an operation. */
static void nothing_is_forgotten(void **state)
{
    (void)state;
    for (unsigned op = 0; op < OP_COUNT; op++)
        if (operations[op].mnemonic == NULL && strcmp(op_names[op], "NONE") != 0)
            fail_msg("%s is in none of the families", op_names[op]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_forgotten),
        cmocka_unit_test(the_page_is_what_the_rows_say),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
