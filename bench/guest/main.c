/* SPDX-License-Identifier: MIT */
/* Runs the chosen workloads and prints a marker line before and after each, where the host takes its stamps.
 *
 *   workloads [--scale S] [--list] [NAME|CLASS ...]
 *
 * "@begin NAME", "@end NAME CHECKSUM USEC", "@skip NAME why". USEC is the processor time of this process and of the children
 * it has waited for: it is what counts on the host itself; inside an emulator the host's own stamps do. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <termios.h>
#include <unistd.h>

#include "workload.h"

uint8_t scratch[SCRATCH_BYTES] __attribute__((aligned(4096)));

static const struct workload *const tables[] = {
    integer_workloads, calls_workloads, fp_workloads, packed_workloads, strings_workloads, memory_workloads,
    kernel_workloads, code_workloads, programs_workloads,
};

void die(const char *what)
{
    perror(what);
    exit(1);
}

void text_fill(uint8_t *out, size_t len, uint64_t seed)
{
    static const char *const words[] = {
        "the ", "page ", "of ", "guest ", "memory ", "and ", "a ", "processor ", "is ", "read ", "when ", "interrupt ",
        "to ", "write ", "fault ", "in ", "table ", "with ", "entry ", "register ", "clock ", "not ", "\n", "that ",
        "value ", ", ",
    };
    size_t at = 0;

    while (at < len) {
        uint32_t r = random_next(&seed);
        const char *word = words[r % (sizeof(words) / sizeof(words[0]))];

        if (r >> 28 == 0)
            out[at++] = (uint8_t)('0' + (r >> 8) % 10);
        while (*word != '\0' && at < len)
            out[at++] = (uint8_t)*word++;
    }
}

static uint64_t used_us(int who)
{
    struct rusage r;

    getrusage(who, &r);
    return (uint64_t)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000000 + (uint64_t)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

/* The marker has left the serial port when this returns, so that its sending is not measured. */
static void flush(void)
{
    fflush(stdout);
    tcdrain(STDOUT_FILENO);
}

static void run_one(const struct workload *w, double scale)
{
    uint64_t units = (uint64_t)((double)w->units * scale), sum, start;
    const char *why = w->missing != NULL ? w->missing() : NULL;

    if (why != NULL) {
        printf("@skip %s %s\n", w->name, why);
        flush();
        return;
    }
    if (w->prepare != NULL)
        w->prepare();
    printf("@begin %s\n", w->name);
    flush();
    start = used_us(RUSAGE_SELF) + used_us(RUSAGE_CHILDREN);
    sum = w->run(units != 0 ? units : 1);
    printf("@end %s %016llx %llu\n", w->name, (unsigned long long)sum,
           (unsigned long long)(used_us(RUSAGE_SELF) + used_us(RUSAGE_CHILDREN) - start));
    flush();
}

static bool chosen(const struct workload *w, char **names)
{
    if (*names == NULL)
        return true;
    for (; *names != NULL; names++)
        if (strcmp(*names, w->name) == 0 || strcmp(*names, w->group) == 0)
            return true;
    return false;
}

int main(int argc, char **argv)
{
    double scale = 1;
    bool list = false;

    for (argv++; argc > 1 && *argv != NULL && argv[0][0] == '-'; argv++) {
        if (strcmp(*argv, "--list") == 0)
            list = true;
        else if (strcmp(*argv, "--scale") == 0 && argv[1] != NULL)
            scale = atof(*++argv);
        else
            return fprintf(stderr, "workloads: unknown option %s\n", *argv), 2;
    }
    for (size_t k = 0; k < sizeof(tables) / sizeof(tables[0]); k++) {
        for (const struct workload *w = tables[k]; w->name != NULL; w++) {
            if (!chosen(w, argv))
                continue;
            if (list)
                printf("%s %s\n", w->group, w->name);
            else
                run_one(w, scale);
        }
    }
    return 0;
}
