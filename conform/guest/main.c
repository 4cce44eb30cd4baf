/* SPDX-License-Identifier: MIT
 * Runs the tests one after another and reports them as TAP. Which test runs is kept in the clock's battery-backed memory,
 * so that after a reset (asked for by a test, or because a test brought the machine down) the rest goes on.
 * Command line: from=N (the first test to run), only=ID[,ID...] (an ID may be a section: all its clauses), list;
 * cost=COUNT (no tests, but what calls cost: cost.c); any (go on where there is no Hv#1 interface);
 * stop=IDS, crash=IDS (tests that do so instead of what they are for). */
#include "conform/guest/hv.h"
#include "conform/guest/internal.h"

extern const struct clause *const clauses_start[], *const clauses_end[];

enum { MAX_CLAUSES = 1500 };
static const struct clause *clauses[MAX_CLAUSES];
static u32 nclauses;
static char command[512];
static bool was_resumed;
static u32 running;

/* ---- reporting ---- */

static void end_test(int why, const char *format, __builtin_va_list args)
{
    struct cpu *c = this_cpu();

    format_to(c->failure, sizeof c->failure, format, args);
    unwind(c->guard, why);
}

void fail(const char *format, ...)
{
    __builtin_va_list args;

    __builtin_va_start(args, format);
    end_test(WHY_FAILED, format, args);
    __builtin_unreachable();
}

void skip(const char *format, ...)
{
    __builtin_va_list args;

    __builtin_va_start(args, format);
    end_test(WHY_SKIPPED, format, args);
    __builtin_unreachable();
}

void note(const char *format, ...)
{
    __builtin_va_list args;

    print("# ");
    __builtin_va_start(args, format);
    print_list(format, args);
    __builtin_va_end(args);
    print("\r\n");
}

void expect_eq(const char *what, u64 got, u64 want)
{
    expect(got == want, "%s is %lx, not %lx", what, got, want);
}

void expect_bits(const char *what, u64 got, u64 mask, u64 want)
{
    expect((got & mask) == want, "%s is %lx; its bits %lx must be %lx", what, got, mask, want);
}

/* ---- order: by section and number; tests that leave the machine changed last ---- */

static u32 number(const char **at)
{
    u32 n = 0;

    while (**at >= '0' && **at <= '9')
        n = n * 10 + (u32)(*(*at)++ - '0');
    return n;
}

/* Numbers before letters; a section before its subsections. */
static int compare_ids(const char *a, const char *b)
{
    while (*a != '\0' || *b != '\0') {
        bool da = *a >= '0' && *a <= '9', db = *b >= '0' && *b <= '9';

        if (da && db) {
            u32 x = number(&a), y = number(&b);

            if (x != y)
                return x < y ? -1 : 1;
        } else if (*a != *b) {
            return *a == '-' ? -1 : *b == '-' ? 1 : (u8)*a < (u8)*b ? -1 : 1;
        } else {
            a++;
            b++;
        }
    }
    return 0;
}

static int compare(const struct clause *a, const struct clause *b)
{
    if ((a->flags & LAST) != (b->flags & LAST))
        return (a->flags & LAST) ? 1 : -1;
    return compare_ids(a->id, b->id);
}

static void sort_clauses(void)
{
    for (const struct clause *const *c = clauses_start; c < clauses_end && nclauses < MAX_CLAUSES; c++) {
        u32 at = nclauses++;

        for (; at > 0 && compare(*c, clauses[at - 1]) < 0; at--)
            clauses[at] = clauses[at - 1];
        clauses[at] = *c;
    }
}

/* ---- command line ---- */

static void keep_command(void)
{
    const u32 *info = (const u32 *)(uintptr_t)multiboot_info;
    const char *line;

    if (multiboot_magic != 0x2badb002 || !(info[0] & 4))
        return;
    line = (const char *)(uintptr_t)info[4];
    for (u32 k = 0; k + 1 < sizeof command && line[k] != '\0'; k++)
        command[k] = line[k];
}

static const char *option(const char *name)
{
    for (const char *at = command; *at != '\0'; at++) {
        const char *a = at, *b = name;

        if (at != command && at[-1] != ' ')
            continue;
        while (*b != '\0' && *a == *b)
            a++, b++;
        if (*b == '\0')
            return a;
    }
    return NULL;
}

/* Is the id, or a section it lies in, in the list? */
static bool chosen(const char *list, const char *id)
{
    while (list != NULL && *list != '\0' && *list != ' ') {
        const char *a = id;

        while (*list != '\0' && *list != ' ' && *list != ',' && *list == *a)
            a++, list++;
        if ((*list == '\0' || *list == ' ' || *list == ',') && (*a == '\0' || *a == '-' || *a == '.'))
            return true;
        while (*list != '\0' && *list != ' ' && *list != ',')
            list++;
        list += *list == ',';
    }
    return false;
}

static bool wanted(const char *id)
{
    const char *only = option("only=");

    return only == NULL || chosen(only, id);
}

/* ---- what survives a reset ---- */

enum { CMOS_AT = 0x70, MAGIC = 0xC5, STAGE_NONE = 0, STAGE_RUNNING, STAGE_RESET };

static u8 cmos(u32 at) { outb(0x70, (u8)(CMOS_AT + at)); return inb(0x71); }
static void cmos_put(u32 at, u32 v) { outb(0x70, (u8)(CMOS_AT + at)); outb(0x71, (u8)v); }

static void remember(u32 stage, u32 index)
{
    u32 sum = MAGIC ^ stage ^ index ^ index >> 8;

    cmos_put(0, MAGIC);
    cmos_put(1, stage);
    cmos_put(2, index);
    cmos_put(3, index >> 8);
    cmos_put(4, sum);
}

static u32 recall(u32 *index)
{
    u32 stage = cmos(1);

    *index = cmos(2) | (u32)cmos(3) << 8;
    if (cmos(0) != MAGIC || cmos(4) != ((MAGIC ^ stage ^ *index ^ *index >> 8) & 0xff) || *index >= nclauses)
        return STAGE_NONE;
    return stage;
}

bool resumed(void) { return was_resumed; }

void reset_and_resume(void)
{
    remember(STAGE_RESET, running);
    outb(0xCF9, 2);
    outb(0xCF9, 6);
    delay_us(100 * MS);
    outb(0x64, 0xFE);
    delay_us(100 * MS);
    fail("the machine cannot be reset through port CF9h or the keyboard controller");
}

void expect_reset(void)
{
    remember(STAGE_RESET, running);
}

/* ---- running ---- */

static void report(u32 index, int why, const char *because)
{
    const struct clause *c = clauses[index];

    print("%sok %u - %s %s", why == WHY_FAILED ? "not " : "", index + 1, c->id, c->what);
    if (why == WHY_SKIPPED)
        print(" # SKIP %s", because);
    print("\r\n");
    if (why == WHY_FAILED)
        print("#   %s: %s\r\n", c->id, because);
}

/* What a test may do to the machine, to see that the others still run. */
static void stop(void)
{
    for (;;)
        __asm__ volatile("cli; hlt");
}

static void crash(void)
{
    static const struct { u16 limit; u64 base; } __attribute__((packed)) none = { 0, 0 };

    __asm__ volatile("lidt %0; int3" : : "m"(none));
}

static void run_clause(void *arg)
{
    const char *id = ((const struct clause *)arg)->id;

    cpus_tidy();
    memory_tidy();
    if (chosen(option("stop="), id))
        stop();
    if (chosen(option("crash="), id))
        crash();
    ((const struct clause *)arg)->run();
}

static void run_one(u32 index)
{
    struct cpu *c = this_cpu();
    int why;

    running = index;
    remember(STAGE_RUNNING, index);
    print("# run %u %s\r\n", index + 1, clauses[index]->id);
    c->failure[0] = '\0';
    why = guarded(run_clause, (void *)(uintptr_t)clauses[index]);
    was_resumed = false;
    sti();
    if (why != NONE && why != WHY_FAILED && why != WHY_SKIPPED) {
        print("#   %s: %s, error %lx, CR2 %lx\r\n", clauses[index]->id, vector_name(why), c->error, c->address);
        memcpy(c->failure, "an exception that the test did not expect", 42);
        why = WHY_FAILED;
    }
    report(index, why, c->failure);
}

static void list_clauses(void)
{
    for (u32 k = 0; k < nclauses; k++)
        print("%u %s %s\r\n", k + 1, clauses[k]->id, clauses[k]->what);
}

static void finish(void) NORETURN;
static void finish(void)
{
    cmos_put(0, 0);
    outb(0xF4, 0);                                      /* isa-debug-exit */
    for (const char *s = "Shutdown"; *s != '\0'; s++)   /* Bochs */
        outb(0x8900, (u8)*s);
    for (;;)
        __asm__ volatile("cli; hlt");
}

static void run_all(void)
{
    const char *from = option("from=");
    u32 start = from != NULL ? number(&from) : 1, index, stage = recall(&index);

    if (stage == STAGE_NONE) {
        print("TAP version 13\r\n");
        hv_describe();
        print("1..%u\r\n", nclauses);
        index = start > 0 ? start - 1 : 0;
    } else if (stage == STAGE_RESET) {
        was_resumed = true;
    } else {
        report(index, WHY_FAILED, "the machine was reset while this test ran");
        index++;
    }
    for (; index < nclauses; index++)
        if (wanted(clauses[index]->id))
            run_one(index);
    print("# done\r\n");
}

void c_entry(u32 is_ap)
{
    if (is_ap)
        ap_main();
    serial_start();
    keep_command();
    cpu_tables();
    cpu_init(0, cpuid(1).ebx >> 24);
    ncpus = 1;
    cpu_load(&cpus[0]);
    outb(0x21, 0xff);
    outb(0xA1, 0xff);
    apic_start();
    sort_clauses();
    if (option("list") != NULL) {
        list_clauses();
        finish();
    }
    if (!hv_present() && option("any") == NULL) {
        print("TAP version 13\r\n1..0 # SKIP no Hv#1 interface here: ");
        print((cpuid(1).ecx & BIT(31)) ? "another hypervisor\r\n" : "no hypervisor\r\n");
        print("# done\r\n");
        finish();
    }
    time_start();
    cpus_start();
    hv_start();
    sti();
    if (option("cost=") != NULL) {
        const char *count = option("cost=");

        cost_run(number(&count), wanted);
        finish();
    }
    run_all();
    finish();
}
