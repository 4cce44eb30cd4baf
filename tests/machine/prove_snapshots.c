/* SPDX-License-Identifier: MIT
 * Proves for one machine that snapshots are complete: at random instants it takes one, runs on, goes back and runs on again, in the
 * same machine and in a new one. All must agree with a machine that nobody ever took a snapshot of; the first difference is named.
 *
 *     prove_snapshots [-r ROUNDS] [-s SEED] [-n INSNS between] [-l LENGTH of each] [-f FIRST] [-m MiB] [-smp N] [-hv on|off] [-cpu C]
 *                     [-jit on|off] [-vga on|off] [-testdev] [-kernel K] [-initrd I] [-append A] [-bios B] [-drive FILE] [-cdrom FILE] */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "machine/snapshot_internal.h"

static struct machine_config cfg;
static uint64_t rounds = 20, seed = 1, between = 20000000, length = 3000000, first;

static uint64_t random_below(uint64_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return n == 0 ? 0 : (seed * 0x9e3779b97f4a7c15u >> 16) % n;
}

static void must(struct err e)
{
    if (failed(&e)) {
        fprintf(stderr, "FAIL: %s\n", e.text);
        exit(1);
    }
}

static struct machine *create(void)
{
    struct machine *m;

    must(machine_create(&m, &cfg));
    return m;
}

static double now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec * 1e-6;
}

static void check(const char *what, struct machine *m, uint64_t expected, struct snapshots *s, const struct snapshot *before,
                  struct snapshot *after)
{
    char text[256] = "only the hash: something is hashed that is not saved, or kept that is not loaded";

    if (machine_hash(m) == expected)
        return;
    if (before != NULL)
        snapshot_difference(s, before, after, text, sizeof text);
    printf("FAIL: at instruction %" PRIu64 ": %s: %s\n", machine_insns(m), what, text);
    exit(1);
}

/* Which timers are armed, and when they are due: loading must arm the same. */
static uint64_t timers(const struct machine *m)
{
    uint64_t sum = 0;

    for (uint32_t k = 0; k < m->clock.nheap; k++) {
        uint64_t of[2] = { m->clock.heap[k]->order, m->clock.heap[k]->due_ns };

        sum += bytes_hash(of, sizeof of, 0);
    }
    return sum;
}

static void check_timers(const char *what, const struct machine *m, uint64_t expected)
{
    if (timers(m) == expected)
        return;
    printf("FAIL: at instruction %" PRIu64 ": %s: other timers are armed:", machine_insns(m), what);
    for (uint32_t k = 0; k < m->clock.nheap; k++)
        printf(" %s@%" PRIu64, m->clock.heap[k]->name, m->clock.heap[k]->due_ns);
    printf("\n");
    exit(1);
}

static uint64_t dirty_pages(const struct machine *m)
{
    uint64_t n = 0;

    for (uint64_t page = 0; page < m->ram->len >> PAGE_SHIFT; page++)
        n += m->ram->dirty[page] & DIRTY_SNAPSHOT;
    return n;
}

struct times { double take, restore; uint64_t pages; unsigned n; };

static void one(struct machine *m, struct snapshots *s, struct times *t)
{
    uint64_t insns = 1 + random_below(length), start, end, armed = timers(m), dirty = dirty_pages(m);
    double begin = now();
    struct snapshot *a = snapshot_take(s), *b, *c;
    enum run why;

    if (t->n > 0) {             /* the first one takes all */
        t->take += now() - begin;
        t->pages += dirty;
    }
    start = machine_hash(m);
    why = machine_run(m, insns);
    end = machine_hash(m);
    b = snapshot_take(s);
    begin = now();
    must(snapshot_restore(s, a));
    t->restore += now() - begin;
    t->n++;
    check_timers("restored", m, armed);
    c = snapshot_take(s);
    check("restored", m, start, s, a, c);
    snapshot_drop(s, c);
    if (machine_run(m, insns) != why) {
        printf("FAIL: the second run ended otherwise\n");
        exit(1);
    }
    c = snapshot_take(s);
    check("run again", m, end, s, b, c);
    snapshot_drop(s, b);
    snapshot_drop(s, c);
    snapshot_drop(s, a);
}

static uint64_t number(const char *text) { return strtoull(text, NULL, 0); }
static bool on(const char *text) { return strcmp(text, "on") == 0; }

static void add_drive(const char *file, bool cdrom)
{
    cfg.drives[cfg.ndrives++] = (struct drive_config){ .file = file, .bus = DRIVE_IDE, .index = -1, .cdrom = cdrom, .snapshot = !cdrom };
}

static void option(const char *name, const char *value)
{
    if (strcmp(name, "-r") == 0) rounds = number(value);
    else if (strcmp(name, "-s") == 0) seed = number(value) * 0x9e3779b97f4a7c15u + 1;
    else if (strcmp(name, "-n") == 0) between = number(value);
    else if (strcmp(name, "-l") == 0) length = number(value);
    else if (strcmp(name, "-f") == 0) first = number(value);
    else if (strcmp(name, "-m") == 0) cfg.ram_bytes = number(value) << 20;
    else if (strcmp(name, "-smp") == 0) cfg.nvps = (unsigned)number(value);
    else if (strcmp(name, "-hv") == 0) cfg.hv = on(value);
    else if (strcmp(name, "-cpu") == 0) cfg.cpu = value;
    else if (strcmp(name, "-jit") == 0) cfg.jit = on(value);
    else if (strcmp(name, "-vga") == 0) cfg.vga = on(value);
    else if (strcmp(name, "-kernel") == 0) cfg.kernel = value;
    else if (strcmp(name, "-initrd") == 0) cfg.initrd = value;
    else if (strcmp(name, "-append") == 0) cfg.append = value;
    else if (strcmp(name, "-bios") == 0) cfg.bios = value;
    else if (strcmp(name, "-drive") == 0) add_drive(value, false);
    else if (strcmp(name, "-cdrom") == 0) add_drive(value, true);
    else if (strcmp(name, "-serial") == 0) cfg.serial[0] = value;
    else if (strcmp(name, "-testdev") == 0) cfg.testdev = cfg.hyperv_testdev = cfg.debug_exit = true, cfg.debug_exit_port = 0xf4;
    else { fprintf(stderr, "unknown option %s\n", name); exit(2); }
}

int main(int argc, char **argv)
{
    struct machine *straight, *m;
    struct snapshots *s;
    struct times t = { 0 };

    machine_config_default(&cfg);
    cfg.no_reboot = true;
    for (int k = 1; k + 1 < argc; k += 2)
        option(argv[k], argv[k + 1]);
    straight = create();
    m = create();
    machine_run(m, first);
    machine_run(straight, first);
    must(snapshots_create(&s, m));
    for (uint64_t k = 0; k < rounds; k++) {
        uint64_t insns = 1 + random_below(2 * between);

        machine_run(m, insns);
        one(m, s, &t);
        machine_run(straight, machine_insns(m) - machine_insns(straight));
        check("against a machine without snapshots", m, machine_hash(straight), s, NULL, NULL);
        if (m->loop.stopped)
            break;
    }
    printf("ok: %" PRIu64 " rounds up to instruction %" PRIu64 "%s; take %.3f ms, %.0f pages, restore %.3f ms\n", (uint64_t)t.n,
           machine_insns(m), m->loop.stopped ? ", where it ended" : "", t.take / (t.n - 1), (double)t.pages / (t.n - 1), t.restore / t.n);
    machine_free(straight);
    machine_free(m);
    return 0;
}
