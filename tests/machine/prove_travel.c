/* SPDX-License-Identifier: MIT
 * Travels through the run of a real guest: seeks at random, steps backwards, compares with a straight run, and says how long it took
 * and what the checkpoints hold.
 *
 *     prove_travel [-time cpu] [-replay FILE] [-l LENGTH] [-s SEEKS] [-b STEPS back] [-m MiB] [-smp N] [-jit on|off] [-hv on|off] -kernel K [-initrd I] [-append A] */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "machine/internal.h"
#include "machine/replay.h"
#include "machine/snapshot.h"
#include "machine/travel.h"

#define POINTS 64
#define TIMES  4096

static struct machine_config cfg;
static clockid_t clock_used = CLOCK_MONOTONIC;    /* -time cpu: what the processor was used, on a busy host */
static uint64_t length = 2000000000, seeks = 60, steps = 300, seed = 88172645463325252u;

static uint64_t random_below(uint64_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed % n;
}

static void must(struct err e)
{
    if (failed(&e)) {
        printf("FAIL: %s\n", e.text);
        exit(1);
    }
}

static double now(void)
{
    struct timespec ts;

    clock_gettime(clock_used, &ts);
    return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec * 1e-6;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

struct times { double ms[TIMES]; unsigned n; };

static void timed(struct times *t, struct travel *travel, uint64_t to)
{
    double begin = now();

    must(travel_to(travel, to));
    if (t->n < TIMES)
        t->ms[t->n++] = now() - begin;
}

static void print(const char *what, struct times *t)
{
    qsort(t->ms, t->n, sizeof t->ms[0], ascending);
    printf("%s: median %.2f ms, 95%% %.2f ms, worst %.2f ms (%u)\n", what, t->ms[t->n / 2], t->ms[t->n * 95 / 100], t->ms[t->n - 1], t->n);
}

static void replays(const char *path)
{
    struct recording_about about;
    struct recording *r;

    must(recording_open(&r, path));
    recording_about(r, &about);
    recording_config(r, &cfg);
    length = about.insns - steps - 1;
    printf("%" PRIu64 " checkpoints in it, %.1f MiB\n", about.checkpoints, (double)about.checkpoint_bytes / 1048576);
}

static uint64_t number(const char *text) { return strtoull(text, NULL, 0); }

static void option(const char *name, const char *value)
{
    if (strcmp(name, "-l") == 0) length = number(value);
    else if (strcmp(name, "-s") == 0) seeks = number(value);
    else if (strcmp(name, "-b") == 0) steps = number(value);
    else if (strcmp(name, "-replay") == 0) replays(value);
    else if (strcmp(name, "-time") == 0) clock_used = strcmp(value, "cpu") == 0 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC;
    else if (strcmp(name, "-m") == 0) cfg.ram_bytes = number(value) << 20;
    else if (strcmp(name, "-smp") == 0) cfg.nvps = (unsigned)number(value);
    else if (strcmp(name, "-hv") == 0) cfg.hv = strcmp(value, "on") == 0;
    else if (strcmp(name, "-jit") == 0) cfg.jit = strcmp(value, "on") == 0;
    else if (strcmp(name, "-kernel") == 0) cfg.kernel = value;
    else if (strcmp(name, "-initrd") == 0) cfg.initrd = value;
    else if (strcmp(name, "-append") == 0) cfg.append = value;
    else { fprintf(stderr, "unknown option %s\n", name); exit(2); }
}

struct points { uint64_t insns[POINTS], hash[POINTS]; };

static double straight(struct points *p)
{
    struct machine *m;
    double ms = 0;

    must(machine_create(&m, &cfg));
    for (unsigned k = 0; k < POINTS; k++) {
        double begin = now();

        p->insns[k] = length / POINTS * k + random_below(length / POINTS);
        machine_run(m, p->insns[k] - machine_insns(m));
        ms += now() - begin;
        p->hash[k] = machine_hash(m);
    }
    machine_free(m);
    return ms;
}

static void check(struct machine *m, const struct points *p, unsigned k)
{
    if (machine_insns(m) == p->insns[k] && machine_hash(m) == p->hash[k])
        return;
    printf("FAIL: at instruction %" PRIu64 " the machine is not that of the straight run\n", p->insns[k]);
    exit(1);
}

int main(int argc, char **argv)
{
    static struct times seek, step;
    struct travel_about about;
    struct points p;
    struct travel *t;
    struct machine *m;
    double ms, begin;
    uint64_t used = 0;

    machine_config_default(&cfg);
    cfg.no_reboot = true;
    for (int k = 1; k + 1 < argc; k += 2)
        option(argv[k], argv[k + 1]);
    ms = straight(&p);
    must(machine_create(&m, &cfg));
    must(travel_create(&t, m));
    for (unsigned k = 0; k < seeks / 4 && cfg.replay != NULL; k++) {       /* where nobody has been */
        unsigned to = (unsigned)random_below(POINTS);

        timed(&seek, t, p.insns[to]);
        check(m, &p, to);
    }
    if (cfg.replay != NULL)
        print("first seeks", &seek);
    seek.n = 0;
    begin = now();
    must(travel_to(t, p.insns[POINTS - 1]));
    printf("straight %.0f ms, with checkpoints %.0f ms\n", ms, now() - begin);
    check(m, &p, POINTS - 1);
    for (uint64_t k = 0; k < seeks; k++) {
        unsigned to = (unsigned)random_below(POINTS);

        timed(&seek, t, p.insns[to]);
        check(m, &p, to);
    }
    print("seek", &seek);
    for (unsigned place = 1; place < 4; place++) {
        uint64_t from = p.insns[POINTS / 4 * place];

        must(travel_to(t, from + steps));
        for (uint64_t k = 1; k <= steps; k++)
            timed(&step, t, from + steps - k);
        check(m, &p, POINTS / 4 * place);
    }
    print("step back", &step);
    for (uint64_t page = 0; page < m->ram->len >> PAGE_SHIFT; page++)
        used += m->ram->touched[page];
    travel_about(t, &about);
    printf("ok: %" PRIu64 " checkpoints, %.1f MiB, RAM in use %.1f MiB, spacing %" PRIu64 "\n", about.checkpoints,
           (double)about.bytes / 1048576, (double)used / 256, about.spacing);
    travel_free(t);
    machine_free(m);
    return 0;
}
