/* SPDX-License-Identifier: MIT
 * Runs the files of tests/insn: one instruction a line, the state it needs and the state it leaves.
 *
 *     @mode long|flat32|real [cpl=3]          mode of the lines that follow
 *     bytes ; before ; after                  all numbers are hexadecimal
 *
 * A state is a list of: register=value, flags=letters (of o d s z a p c, those that are set), rip=+n (from the start of the
 * instruction), [address:bytes]=value, segment.base= .limit= .attr= .sel=, iopl=, cr4=, eflags= (all bits), steps=n (how
 * many instructions, before only), fault=vector (after only; then no register may have changed). Registers and flags that
 * `after` does not name must not have changed. */
#include "tests/check.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/cpu/fixture.h"

static struct fixture f;
static const char *file_name;
static unsigned line_number;
static enum fixture_mode mode;
static unsigned cpl;

struct expectation {
    uint64_t gpr[16], rip;
    uint32_t flags;         /* arithmetic and DF */
    uint32_t system;        /* the other bits, when named */
    bool system_named;
    int fault;
};

#define SHOWN_FLAGS (FLAGS_ARITH | FLAG_DF)

static unsigned wrong;

/* Says what is wrong and goes on with the next line. */
static void complain(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    printf("%s:%u: ", file_name, line_number);
    vprintf(format, args);
    printf("\n");
    va_end(args);
    wrong++;
}

static const char *const registers[16] = {
    "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"
};
static const char *const segments[] = { "es", "cs", "ss", "ds", "fs", "gs" };

static uint32_t flags_from(const char *letters)
{
    static const struct { char letter; uint32_t bit; } flag[] = {
        { 'c', FLAG_CF }, { 'p', FLAG_PF }, { 'a', FLAG_AF }, { 'z', FLAG_ZF }, { 's', FLAG_SF }, { 'o', FLAG_OF },
        { 'd', FLAG_DF },
    };
    uint32_t v = 0;

    for (; *letters != '\0'; letters++)
        for (unsigned n = 0; n < COUNT_OF(flag); n++)
            if (*letters == flag[n].letter)
                v |= flag[n].bit;
    return v;
}

static uint64_t number(const char *text)
{
    return strtoull(text, NULL, 16);
}

static int register_of(const char *name)
{
    for (int n = 0; n < 16; n++)
        if (strcmp(name, registers[n]) == 0)
            return n;
    return -1;
}

/* "[200000:4]" */
static bool memory_of(const char *name, uint64_t *at, unsigned *bytes)
{
    const char *colon = strchr(name, ':');

    if (name[0] != '[' || colon == NULL)
        return false;
    *at = number(name + 1);
    *bytes = (unsigned)number(colon + 1);
    return true;
}

/* "ss" ".base" */
static void set_segment(const char *name, const char *field, uint64_t v)
{
    for (unsigned n = 0; n < COUNT_OF(segments); n++) {
        if (strncmp(name, segments[n], 2) != 0)
            continue;
        if (strcmp(field, ".base") == 0)
            f.cpu->p.seg_base[n] = v;
        else if (strcmp(field, ".limit") == 0)
            f.cpu->p.seg_limit[n] = (uint32_t)v;
        else if (strcmp(field, ".attr") == 0)
            f.cpu->p.seg_attr[n] = (uint32_t)v;
        else
            f.cpu->p.seg_sel[n] = (uint16_t)v;
        return;
    }
    complain("what is %s?", name);
}

static void set_before(const char *name, const char *value, unsigned *steps)
{
    struct cpu *cpu = f.cpu;
    unsigned bytes;
    uint64_t at, v = number(value);
    const char *dot = strchr(name, '.');

    if (register_of(name) >= 0)
        cpu->s.gpr[register_of(name)] = v;
    else if (strcmp(name, "flags") == 0)
        cpu_set_rflags(cpu, (cpu_rflags(cpu) & ~SHOWN_FLAGS) | flags_from(value));
    else if (strcmp(name, "eflags") == 0)
        cpu_set_rflags(cpu, (uint32_t)v);
    else if (strcmp(name, "iopl") == 0)
        cpu_set_rflags(cpu, (cpu_rflags(cpu) & ~FLAG_IOPL) | (uint32_t)v << 12);
    else if (strcmp(name, "cr4") == 0)
        cpu->p.cr4 = v;
    else if (strcmp(name, "steps") == 0)
        *steps = (unsigned)v;
    else if (memory_of(name, &at, &bytes))
        fixture_put(&f, at, &v, bytes);
    else if (dot != NULL)
        set_segment(name, dot, v);
    else
        complain("what is %s?", name);
}

static void expect_system(struct expectation *e, uint32_t v)
{
    e->system = v;
    e->system_named = true;
    e->flags = v & SHOWN_FLAGS;
}

static void expect(struct expectation *e, const char *name, const char *value, uint64_t start)
{
    unsigned bytes;
    uint64_t at, v = number(value);

    if (register_of(name) >= 0)
        e->gpr[register_of(name)] = v;
    else if (strcmp(name, "flags") == 0)
        e->flags = flags_from(value);
    else if (strcmp(name, "eflags") == 0)
        expect_system(e, (uint32_t)v);
    else if (strcmp(name, "rip") == 0)
        e->rip = value[0] == '+' || value[0] == '-' ? start + (uint64_t)strtoll(value, NULL, 16) : v;
    else if (strcmp(name, "fault") == 0)
        e->fault = (int)v;
    else if (!memory_of(name, &at, &bytes))
        complain("what is %s?", name);
    else if (fixture_read(&f, at, bytes) != v)
        complain("%s is %llx", name, (unsigned long long)fixture_read(&f, at, bytes));
}

/* Calls back for each "name=value" of a list. */
static char *next_item(char **list, char **value)
{
    char *item = strtok_r(NULL, " \t", list), *equals;

    if (item == NULL)
        return NULL;
    equals = strchr(item, '=');
    if (equals == NULL) {
        complain("what is %s?", item);
        return NULL;
    }
    *equals = '\0';
    *value = equals + 1;
    return item;
}

static size_t bytes_of(char *text, uint8_t *code)
{
    size_t len = 0;

    for (char *rest = NULL, *item = strtok_r(text, " \t", &rest); item != NULL; item = strtok_r(NULL, " \t", &rest))
        code[len++] = (uint8_t)number(item);
    return len;
}

static void prepare(void)
{
    fixture_mode(&f, mode);
    if (cpl != 0)
        fixture_privilege(&f, cpl);
    for (unsigned n = 0; n < 16; n++)
        if (n != RSP)
            f.cpu->s.gpr[n] = 0;
}

static void compare(const struct expectation *e, int fault)
{
    const struct cpu *cpu = f.cpu;
    uint32_t flags = cpu_rflags(cpu);

    if (fault != e->fault)
        complain("exception %d instead of %d (rip %llx)", fault, e->fault, (unsigned long long)cpu->p.rip);
    for (unsigned n = 0; n < 16; n++)
        if (cpu->s.gpr[n] != e->gpr[n] && !(fault >= 0 && n == RSP))
            complain("%s is %llx instead of %llx", registers[n], (unsigned long long)cpu->s.gpr[n],
                     (unsigned long long)e->gpr[n]);
    if (fault >= 0)
        return;
    if ((flags & SHOWN_FLAGS) != e->flags)
        complain("flags are %x instead of %x", flags & SHOWN_FLAGS, e->flags);
    if (e->system_named && flags != e->system)
        complain("eflags are %x instead of %x", flags, e->system);
    if (cpu->p.rip != e->rip)
        complain("rip is %llx instead of %llx", (unsigned long long)cpu->p.rip, (unsigned long long)e->rip);
}

/* The handler's vector when the last delivery left RIP at a handler, which is a HLT. */
static int fault_now(void)
{
    uint64_t at = f.cpu->p.rip - FIXTURE_HANDLER;

    return mode != FIXTURE_REAL && at < 32 * 16 && at % 16 == 0 ? (int)(at / 16) : -1;
}

static void run_line(char *text)
{
    char *bytes = text, *before = strchr(text, ';'), *after = before != NULL ? strchr(before + 1, ';') : NULL;
    char *rest, *name, *value;
    struct expectation e = { .fault = -1 };
    uint8_t code[64];
    unsigned steps = 1;
    uint64_t start;
    size_t len;

    if (after == NULL) {
        complain("a line has bytes ; before ; after");
        return;
    }
    *before++ = *after++ = '\0';
    prepare();
    start = f.cpu->p.rip;
    rest = before;
    while ((name = next_item(&rest, &value)) != NULL)
        set_before(name, value, &steps);
    cpu_mode_changed(f.cpu);
    len = bytes_of(bytes, code);
    fixture_put(&f, f.cpu->p.seg_base[SEG_CS] + start, code, len);
    memcpy(e.gpr, f.cpu->s.gpr, sizeof e.gpr);
    e.flags = cpu_rflags(f.cpu) & SHOWN_FLAGS;
    e.rip = start + len;
    cpu_run(f.cpu, steps);
    rest = after;
    while ((name = next_item(&rest, &value)) != NULL)
        expect(&e, name, value, start);
    compare(&e, fault_now());
}

static void set_mode(char *text)
{
    mode = strstr(text, "long") != NULL ? FIXTURE_LONG : strstr(text, "flat32") != NULL ? FIXTURE_FLAT32 : FIXTURE_REAL;
    cpl = strstr(text, "cpl=3") != NULL ? 3 : 0;
}

static void run_file(const char *name)
{
    const char *top = getenv("top_srcdir");
    char path[512], line[512];
    FILE *in;

    snprintf(path, sizeof path, "%s/tests/insn/%s", top != NULL ? top : ".", name);
    in = fopen(path, "r");
    if (in == NULL)
        fail_msg("cannot read %s", path);
    file_name = name;
    line_number = wrong = 0;
    fixture_open(&f);
    while (fgets(line, sizeof line, in) != NULL) {
        char *hash = strchr(line, '#');

        line_number++;
        if (hash != NULL)
            *hash = '\0';
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '@')
            set_mode(line);
        else if (line[strspn(line, " \t")] != '\0')
            run_line(line);
    }
    fixture_close(&f);
    fclose(in);
    assert_int_equal(wrong, 0);
}

#define VECTORS(name) static void name##_vectors(void **state) { (void)state; run_file(#name ".txt"); }
VECTORS(stack)
VECTORS(branch)
VECTORS(string)
VECTORS(decimal)
VECTORS(memory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stack_vectors),
        cmocka_unit_test(branch_vectors),
        cmocka_unit_test(string_vectors),
        cmocka_unit_test(decimal_vectors),
        cmocka_unit_test(memory_vectors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
