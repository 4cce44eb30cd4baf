/* SPDX-License-Identifier: MIT
 * The host oracle's command: a worker process runs cases on the host and in Partita; this one watches it, keeps what it
 * reports, and starts another when a case kills it. Exit status 1 at a difference, 77 where the host is no oracle. */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/attrs.h"
#include "tests/oracle/host/compare.h"
#include "tests/oracle/host/gen.h"
#include "tests/oracle/host/model.h"
#include "tests/oracle/host/native.h"
#include "tests/oracle/host/rules.h"

#define ROWS_MAX    8192u
#define KINDS_MAX   4096u
#define REASONS_MAX 64u
#define KEEP        2u              /* files of differences that look alike */

/* What worker and watcher share. */
static struct shared {
    uint64_t next;                  /* the case that runs or is to run */
    uint64_t cases, excluded, looped, faults, different, sequences, bytes;
    uint64_t mode[3];
    uint64_t row[ROWS_MAX], row_different[ROWS_MAX];
    uint8_t  forms[ROWS_MAX];       /* bit 0 memory, 1 register, 2 faulted, 3 completed */
    struct { const char *why; uint64_t count; } left_out[REASONS_MAX];
    uint8_t  busy;
} *shared;

static struct options {
    uint64_t cases, seed, first;
    const char *only, *skip, *corpus, *repeat;
    unsigned modes, bytes_in, sequences_in;
    bool everything, quiet, undefined;
} opt = { .cases = 1000000, .seed = 1, .modes = 7, .bytes_in = 8, .sequences_in = 12, .undefined = true };

static int rows[ROWS_MAX];
static unsigned nrows;
static struct host_case the_case;
static struct verdict the_verdict;

/* ---- which rows ---- */

static const char *const feature_names[] = {
    [F_BASE] = "BASE",
#define FEATURE(name, leaf, subleaf, reg, bit, text) [F_##name] = #name,
#include "cpu/decoder/features.def"
#undef FEATURE
};

static bool word_in(const char *list, const char *word)
{
    size_t len = strlen(word);

    for (const char *at = list; (at = strcasestr(at, word)) != NULL; at++)
        if ((at == list || at[-1] == ',') && (at[len] == ',' || at[len] == '\0'))
            return true;
    return false;
}

/* By feature (AVX2), by family (AVX512, x87) or by operation. */
static bool listed(const char *list, const struct insn_row *row)
{
    const char *feature = feature_names[row->needs];

    if (word_in(list, feature) || word_in(list, op_names[row->op]))
        return true;
    if (strncmp(feature, "AVX512", 6) == 0 && word_in(list, "AVX512"))
        return true;
    if (row->map >= E0F && word_in(list, "EVEX"))
        return true;
    return strcmp(feature, "FPU") == 0 && word_in(list, "x87");
}

static void choose_rows(void)
{
    size_t count;
    const struct insn_row *all = index_rows(&count);
    struct host_case probe = {              /* left out by its operation only, not for where its memory lies */
        .mode = CASE_64, .insn = { .base = REG_ZERO, .index = REG_ZERO, .asize = 8, .disp = ARENA_DATA },
    };

    for (unsigned n = 0; n < count && n < ROWS_MAX; n++) {
        probe.op = all[n].op;
        if (all[n].needs != F_BASE && !model_has(all[n].needs))
            continue;
        if (rules_excluded(&probe) || (opt.only && !listed(opt.only, &all[n])) || (opt.skip && listed(opt.skip, &all[n])))
            continue;
        rows[nrows++] = (int)n;
    }
}

/* ---- the worker ---- */

/* Differences by what they look like, so that only the first few of each make files. */
static unsigned seen_before(const char *what)
{
    static struct { uint64_t hash; unsigned count; } kinds[KINDS_MAX];
    uint64_t hash = 14695981039346656037u;

    for (; *what != '\0'; what++)
        hash = (hash ^ (uint8_t)*what) * 1099511628211u;
    for (unsigned n = 0; n < KINDS_MAX; n++) {
        unsigned at = (unsigned)(hash + n) % KINDS_MAX;

        if (kinds[at].count == 0 || kinds[at].hash == hash) {
            kinds[at].hash = hash;
            return kinds[at].count++;
        }
    }
    return KEEP;
}

/* One message: length, then the case as text. */
static void report(int to)
{
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    uint32_t head;

    if (f == NULL)
        return;
    compare_shrink(&the_case, &the_verdict);
    case_write(f, &the_case, &the_verdict.host, &the_verdict.model, the_verdict.what);
    if (the_verdict.memory[0])
        fprintf(f, "# %s\n", the_verdict.memory);
    fclose(f);
    head = (uint32_t)len;
    if (write(to, &head, sizeof head) < 0 || write(to, text, len) < 0)
        _exit(3);
    free(text);
}

/* Reasons are texts of the program itself, at the same address in all workers. */
static void account_left_out(const char *why)
{
    unsigned n = 0;

    while (n < REASONS_MAX - 1 && shared->left_out[n].why != NULL && shared->left_out[n].why != why)
        n++;
    shared->left_out[n].why = why;
    shared->left_out[n].count++;
    shared->excluded++;
}

static void account(int to)
{
    const struct host_case *c = &the_case;
    const struct verdict *v = &the_verdict;

    if (v->result == EXCLUDED) {
        account_left_out(v->why);
        return;
    }
    if (v->result == LOOPED) {
        shared->looped++;
        return;
    }
    shared->cases++;
    shared->mode[c->mode]++;
    shared->sequences += c->insns > 1;
    shared->faults += v->host.out.vector != CASE_COMPLETED;
    if (c->row >= 0) {
        shared->row[c->row]++;
        shared->forms[c->row] |= (uint8_t)((c->insn.modrm < 0xc0 ? 1 : 2) | (v->host.out.vector != CASE_COMPLETED ? 4 : 8));
    } else {
        shared->bytes++;
    }
    if (v->result != DIFFERENT)
        return;
    shared->different++;
    if (c->row >= 0)
        shared->row_different[c->row]++;
    if (seen_before(v->what) < KEEP)
        report(to);
}

static void work(int to)
{
    struct gen g = {
        .rows = rows, .nrows = nrows, .modes = opt.modes, .bytes_in = opt.bytes_in, .sequences_in = opt.sequences_in,
        .evex = model_has(F_AVX512F), .pku = model_has(F_PKU),
    };

    compare_start();
    for (; shared->next < opt.first + opt.cases; shared->next++) {
        gen_case(&g, &the_case, opt.seed, shared->next);
        shared->busy = 1;
        compare_case(&the_case, &the_verdict);
        shared->busy = 0;
        account(to);
    }
}

/* ---- the watcher ---- */

static void keep_report(const char *text, size_t len)
{
    static unsigned number;
    char name[512];
    FILE *f;

    if (!opt.quiet)
        fprintf(stderr, "\r%.*s\n", (int)strcspn(text, "\n"), text);
    if (opt.corpus == NULL)
        return;
    snprintf(name, sizeof name, "%s/%08llx-%u.txt", opt.corpus, (unsigned long long)opt.seed, number++);
    f = fopen(name, "w");
    if (f == NULL || fwrite(text, 1, len, f) != len)
        fprintf(stderr, "fuzz: cannot write %s: %s\n", name, strerror(errno));
    if (f)
        fclose(f);
}

static bool read_all(int from, void *to, size_t len)
{
    for (ssize_t n; len > 0; len -= (size_t)n, to = (char *)to + n)
        if ((n = read(from, to, len)) <= 0)
            return false;
    return true;
}

static bool take_report(int from)
{
    static char text[65536];
    uint32_t len;

    if (!read_all(from, &len, sizeof len) || len >= sizeof text || !read_all(from, text, len))
        return false;
    text[len] = '\0';
    keep_report(text, len);
    return true;
}

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void progress(double since)
{
    uint64_t done = shared->next - opt.first;

    fprintf(stderr, "\r%llu of %llu, %.0f a second, %llu differ   ", (unsigned long long)done, (unsigned long long)opt.cases,
            (double)done / (seconds() - since + 1e-9), (unsigned long long)shared->different);
}

/* One worker until its pipe closes or it stands still; false: it did not end by itself. */
static bool watch(int from, pid_t worker, double since)
{
    struct pollfd p = { .fd = from, .events = POLLIN };
    uint64_t last = ~(uint64_t)0;
    unsigned still = 0;
    int status;

    for (;;) {
        if (poll(&p, 1, 500) > 0) {
            if (!take_report(from))
                break;
            continue;
        }
        still = shared->next == last ? still + 1 : 0;
        last = shared->next;
        if (still == 20)
            kill(worker, SIGKILL);
        if (!opt.quiet && isatty(2))
            progress(since);
    }
    waitpid(worker, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* The case at which a worker ended is made again here, without running it. */
static void report_lost(void)
{
    struct gen g = {
        .rows = rows, .nrows = nrows, .modes = opt.modes, .bytes_in = opt.bytes_in, .sequences_in = opt.sequences_in,
        .evex = model_has(F_AVX512F), .pku = model_has(F_PKU),
    };
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);

    gen_case(&g, &the_case, opt.seed, shared->next);
    if (f == NULL)
        return;
    case_write(f, &the_case, NULL, NULL, "the process was killed or stood still");
    fclose(f);
    keep_report(text, len);
    free(text);
    shared->different++;
    shared->next++;
}

/* The worker needs descriptors of its own process: open in the child, and here once for the names of rows. */
static int run(void)
{
    double since = seconds();
    unsigned lost = 0;

    while (shared->next < opt.first + opt.cases && lost < 100) {
        int ends[2];
        pid_t worker;

        if (pipe(ends) != 0 || (worker = fork()) < 0) {
            perror("fuzz");
            return 2;
        }
        if (worker == 0) {
            close(ends[0]);
            if (!native_confine())
                _exit(4);
            work(ends[1]);
            _exit(0);
        }
        close(ends[1]);
        if (!watch(ends[0], worker, since)) {
            report_lost();
            lost++;
        }
        close(ends[0]);
    }
    if (!opt.quiet)
        fprintf(stderr, "\n");
    printf("%llu cases in %.0f s\n", (unsigned long long)shared->cases, seconds() - since);
    return 0;
}

/* ---- the summary ---- */

struct sum { uint64_t cases, different; unsigned rows, covered; };

static void add_row(struct sum *s, unsigned row)
{
    s->cases += shared->row[row];
    s->different += shared->row_different[row];
    s->rows++;
    s->covered += shared->row[row] != 0;
}

static void print_sum(const char *name, const struct sum *s)
{
    printf("%-20s %12llu %8u %8u %12llu\n", name, (unsigned long long)s->cases, s->rows, s->covered,
           (unsigned long long)s->different);
}

static void summary(void)
{
    size_t count;
    const struct insn_row *all = index_rows(&count);

    printf("%-20s %12s %8s %8s %12s\n", "feature", "cases", "rows", "covered", "differences");
    for (unsigned feature = 0; feature < F_COUNT; feature++) {
        struct sum s[2] = { { 0 } };

        for (unsigned n = 0; n < nrows; n++)
            if (all[rows[n]].needs == feature)
                add_row(&s[all[rows[n]].map >= E0F && feature < F_AVX512F], (unsigned)rows[n]);
        if (s[0].rows)
            print_sum(feature_names[feature], &s[0]);
    }
    printf("%-20s %12llu\n%-20s %12llu\n", "bytes at random", (unsigned long long)shared->bytes, "sequences",
           (unsigned long long)shared->sequences);
    for (unsigned n = 0; n < REASONS_MAX && shared->left_out[n].why != NULL; n++)
        printf("left out: %-50s %12llu\n", shared->left_out[n].why, (unsigned long long)shared->left_out[n].count);
    printf("modes 64/32/16: %llu %llu %llu; faults %llu; left out %llu, without an end %llu; different %llu\n",
           (unsigned long long)shared->mode[0], (unsigned long long)shared->mode[1], (unsigned long long)shared->mode[2],
           (unsigned long long)shared->faults, (unsigned long long)shared->excluded, (unsigned long long)shared->looped,
           (unsigned long long)shared->different);
}

/* ---- files again ---- */

static int tell(const char *name, const char *against)
{
    if (the_verdict.result == DIFFERENT) {
        printf("# %s against %s:\n", name, against);
        case_write(stdout, &the_case, &the_verdict.host, &the_verdict.model, the_verdict.what);
        if (the_verdict.memory[0])
            printf("# %s\n", the_verdict.memory);
    } else if (!opt.quiet) {
        printf("%s: %s %s\n", name, the_verdict.result == SAME ? "the same as" : "left out of", against);
    }
    return the_verdict.result == DIFFERENT;
}

/* Against what is written in the file, and against this host if it is one to ask. */
static int repeat(const char *name, bool oracle)
{
    static struct host_record record;
    FILE *f = fopen(name, "r");
    int status = 0;

    if (f == NULL || !case_read(f, &the_case, &record, name)) {
        fprintf(stderr, "fuzz: cannot read %s\n", name);
        if (f)
            fclose(f);
        return 2;
    }
    fclose(f);
    if (record.present) {
        compare_record(&the_case, &record, &the_verdict);
        status |= tell(name, "the record");
    }
    if (oracle) {
        compare_case(&the_case, &the_verdict);
        status |= tell(name, "the host");
    }
    return status;
}

/* ---- the command line ---- */

static void usage(void)
{
    puts("bench/fuzz: the host processor against Partita, instruction by instruction\n"
         "  --cases N         how many (1000000)         --seed N       which (1)\n"
         "  --first N         number of the first case   --mode 64,32,16\n"
         "  --only LIST       features, operations, AVX512, EVEX, x87     --skip LIST   without those\n"
         "  --bytes N         one case in N is bytes at random (8; 0: none)\n"
         "  --sequences N     one case in N is a short sequence (12; 0: none)\n"
         "  --corpus DIR      writes a file for each kind of difference   --repeat FILE...  runs such files again\n"
         "  --defined         compares only what the manual defines       --all-features    also those that are not shown\n"
         "  --quiet");
    exit(2);
}

static unsigned modes_from(const char *text)
{
    return (strstr(text, "64") ? 1u << CASE_64 : 0) | (strstr(text, "32") ? 1u << CASE_32 : 0) |
           (strstr(text, "16") ? 1u << CASE_16 : 0);
}

static void set_option(const char *name, const char *value)
{
    if (strcmp(name, "--cases") == 0)
        opt.cases = strtoull(value, NULL, 0);
    else if (strcmp(name, "--seed") == 0)
        opt.seed = strtoull(value, NULL, 0);
    else if (strcmp(name, "--first") == 0)
        opt.first = strtoull(value, NULL, 0);
    else if (strcmp(name, "--mode") == 0)
        opt.modes = modes_from(value);
    else if (strcmp(name, "--only") == 0)
        opt.only = value;
    else if (strcmp(name, "--skip") == 0)
        opt.skip = value;
    else if (strcmp(name, "--bytes") == 0)
        opt.bytes_in = (unsigned)strtoul(value, NULL, 0);
    else if (strcmp(name, "--sequences") == 0)
        opt.sequences_in = (unsigned)strtoul(value, NULL, 0);
    else if (strcmp(name, "--corpus") == 0)
        opt.corpus = value;
    else
        usage();
}

static int options(int argc, char **argv)
{
    int n = 1;

    for (; n < argc && strncmp(argv[n], "--", 2) == 0; n++) {
        if (strcmp(argv[n], "--quiet") == 0)
            opt.quiet = true;
        else if (strcmp(argv[n], "--all-features") == 0)
            opt.everything = true;
        else if (strcmp(argv[n], "--defined") == 0)
            opt.undefined = false;
        else if (strcmp(argv[n], "--repeat") == 0)
            opt.repeat = "";
        else if (n + 1 < argc)
            set_option(argv[n], argv[n + 1]), n++;
        else
            usage();
    }
    if (n < argc && opt.repeat == NULL)
        usage();
    return n;
}

int main(int argc, char **argv)
{
    int n = options(argc, argv), status = 0;
    bool oracle;

    rules_strict = opt.undefined && native_is_intel();
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return 2;
    oracle = compare_open(opt.everything);
    if (opt.repeat) {
        for (; n < argc; n++)
            status |= repeat(argv[n], oracle);
        return status;
    }
    if (!oracle) {
        puts("fuzz: this host is no oracle (x86-64 Linux with AVX and FSGSBASE); skipped");
        return 77;
    }
    shared->next = opt.first;
    choose_rows();
    if (nrows == 0)
        usage();
    status = run();
    summary();
    return status ? status : shared->different != 0;
}
