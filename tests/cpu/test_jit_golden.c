/* SPDX-License-Identifier: MIT
 * Host code per guest block against tests/cpu/golden.txt, on AArch64 golden_a64.txt: a translation that grows shows in review. For hosts
 * of x86-64 with AVX2, and AArch64; the files say how they are made anew. */
#include "config.h"

#include "tests/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(HAVE_CAPSTONE) && defined(__x86_64__)
#include <capstone/capstone.h>
#endif

#include "tests/cpu/fixture.h"

#define LINES_MOST 64

#ifdef __aarch64__
#define GOLDEN "golden_a64.txt"
#else
#define GOLDEN "golden.txt"
#endif

static struct fixture f;
static struct { bool seen; unsigned insns, plain, cold; } made;
static char lines[LINES_MOST][200];
static unsigned nlines;

static const char *golden_path(void)
{
    static char path[4096];
    const char *top = getenv("top_srcdir");

    snprintf(path, sizeof path, "%s/tests/cpu/" GOLDEN, top != NULL ? top : ".");
    return path;
}

#ifdef __aarch64__
/* All but HLT: how many instructions an address of this process takes is not the translator's choice. So it is out of line. */
static unsigned counted(const struct cpu_translation *t)
{
    const unsigned last = t->insns - 1, begin = last > 0 ? t->ends[last - 1] : 0;

    return t->ends[last] - begin == 1 && t->guest[begin] == 0xf4 ? last : t->insns;
}
#endif

/* 0: nobody here can tell. */
static unsigned instructions(const uint8_t *code, size_t bytes)
{
    unsigned count = 0;
#ifdef __aarch64__
    (void)code;
    count = (unsigned)bytes / 4;
#elif defined(HAVE_CAPSTONE) && defined(__x86_64__)
    uint64_t address = 0;
    cs_insn *insn;
    csh handle;

    assert_int_equal(cs_open(CS_ARCH_X86, CS_MODE_64, &handle), CS_ERR_OK);
    insn = cs_malloc(handle);
    while (bytes > 0 && cs_disasm_iter(handle, &code, &bytes, &address, insn))
        count++;
    cs_free(insn, 1);
    cs_close(&handle);
    assert_int_equal(bytes, 0);
#else
    (void)code, (void)bytes;
#endif
    return count;
}

static void note(void *arg, const struct cpu_translation *t)
{
    (void)arg;
    if (made.seen || t->rip != FIXTURE_CODE)
        return;
    made.seen = true;
#ifdef __aarch64__
    made.plain = t->begins[counted(t)] - t->begins[0];
#else
    made.plain = t->begins[t->insns];
    made.cold = t->host_bytes - made.plain;
#endif
    made.insns = instructions(t->host, made.plain);
}

static void read_lines(void)
{
    FILE *in = fopen(golden_path(), "r");

    assert_non_null(in);
    while (nlines < LINES_MOST && fgets(lines[nlines], sizeof lines[0], in) != NULL)
        nlines++;
    assert_true(feof(in));
    fclose(in);
}

static size_t code_of(const char *text, uint8_t *code, size_t most)
{
    size_t len = 0;
    int used;
    unsigned byte;

    while (len < most && sscanf(text, " %2x%n", &byte, &used) == 1) {
        code[len++] = (uint8_t)byte;
        text += used;
    }
    return len;
}

/* Runs the block twice; the second time as translated. */
static void translate(const uint8_t *code, size_t len)
{
    uint8_t program[64];

    memcpy(program, code, len);
    program[len] = 0xf4;
    made.seen = false;
    fixture_mode(&f, FIXTURE_LONG);
    fixture_tables(&f);
    f.cpu->s.gpr[RDI] = f.cpu->s.gpr[R12] = FIXTURE_DATA;
    f.cpu->s.gpr[RCX] = 1;
    f.cpu->s.gpr[RAX] = f.cpu->s.gpr[RBX] = FIXTURE_CODE + len;
    f.cpu->s.gpr[RDX] = 0;
    cpu_mode_changed(f.cpu);
    cpu_drop_caches(f.cpu);
    fixture_code(&f, program, len + 1);
    fixture_run(&f, 16);
    assert_true(made.seen);
}

static void check_line(char *line, bool write, unsigned *differ)
{
    char *code_text = strchr(line, ':') + 1, *figures = strchr(code_text, ':');
    unsigned insns = 0, plain = 0, cold = 0;
    uint8_t code[48];
    size_t len = code_of(code_text, code, sizeof code);

    assert_true(len > 0);
    translate(code, len);
    if (figures != NULL)
        sscanf(figures, ": %u, %u, %u", &insns, &plain, &cold);
    if (write) {
        char *end = figures != NULL ? figures : line + strcspn(line, "\n");

        snprintf(end, (size_t)(line + sizeof lines[0] - end), ": %u, %u, %u\n", made.insns != 0 ? made.insns : insns, made.plain, made.cold);
    } else if ((made.insns != 0 && insns != made.insns) || plain != made.plain || cold != made.cold) {
        print_message("%.*s: %u instructions, %u and %u bytes, " GOLDEN " has %u, %u and %u\n", (int)strcspn(line, ":"), line, made.insns,
                      made.plain, made.cold, insns, plain, cold);
        ++*differ;
    }
}

static void host_code_per_guest_block(void **unused)
{
    bool write = getenv("PARTITA_WRITE") != NULL;
    unsigned differ = 0;
    FILE *out;

    (void)unused;
    read_lines();
    fixture_listen(note, NULL);
    fixture_translate(1);
    fixture_open_model(&f, "x86-64-v3");
    for (unsigned n = 0; n < nlines; n++)
        if (lines[n][0] != '#')
            check_line(lines[n], write, &differ);
    fixture_close(&f);
    assert_int_equal(differ, 0);
    if (!write)
        return;
    out = fopen(golden_path(), "w");
    assert_non_null(out);
    for (unsigned n = 0; n < nlines; n++)
        fputs(lines[n], out);
    assert_int_equal(fclose(out), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(host_code_per_guest_block) };

#if defined(__aarch64__)
    if (cpu_jit_available())
        return cmocka_run_group_tests(tests, NULL, NULL);
#elif defined(__x86_64__)
    if (cpu_jit_available() && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return cmocka_run_group_tests(tests, NULL, NULL);
#endif
    (void)tests;
    puts("this file is for hosts of x86-64 with AVX2, and AArch64");
    return 77;
}
