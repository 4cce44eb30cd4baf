/* SPDX-License-Identifier: MIT
 * A Linux program: one real-time thread on each processor wakes every 10 ms by an absolute timer, and interrupts all others by
 * membarrier(2) and by changing the protection of a page that all have used. Prints for each how often it woke and by how much
 * it was late at worst. ticks SECONDS WORST_MS: fails when a wake-up was later than that, which a lost timer or interprocessor
 * interrupt would be. */
#define _GNU_SOURCE
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PERIOD_NS 10000000ll

struct watch { pthread_t thread; int cpu; long long wakes, worst_ns; };
static long long begin_ns, end_ns;
static char *shared;

static long long now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static void *watch(void *arg)
{
    struct watch *w = arg;
    const struct sched_param fifo = { .sched_priority = 50 };
    cpu_set_t here;

    CPU_ZERO(&here);
    CPU_SET(w->cpu, &here);
    if (pthread_setaffinity_np(w->thread, sizeof here, &here) != 0 || pthread_setschedparam(w->thread, SCHED_FIFO, &fifo) != 0) {
        printf("ticks: cannot bind to processor %d\n", w->cpu);
        exit(2);
    }
    for (long long due = begin_ns; due < end_ns; due += PERIOD_NS) {
        const struct timespec at = { due / 1000000000, due % 1000000000 };
        long long late;

        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) != 0)
            ;
        late = now_ns() - due;
        w->worst_ns = late > w->worst_ns ? late : w->worst_ns;
        w->wakes++;
        if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0) != 0) {
            perror("ticks: membarrier");
            exit(2);
        }
        (void)*(volatile char *)shared;
        if (mprotect(shared, 4096, PROT_READ | (w->wakes & 1 ? PROT_WRITE : 0)) != 0) {
            perror("ticks: mprotect");
            exit(2);
        }
    }
    return NULL;
}

int main(int argc, char **argv)
{
    const long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    struct watch *w = calloc((size_t)cpus, sizeof *w);
    int late = 0;

    if (argc != 3 || w == NULL)
        return 2;
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return 2;
    syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0);
    begin_ns = now_ns() + 1000000000;
    end_ns = begin_ns + atoll(argv[1]) * 1000000000ll;
    for (int k = 0; k < cpus; k++) {
        w[k].cpu = k;
        if (pthread_create(&w[k].thread, NULL, watch, &w[k]) != 0)
            return 2;
    }
    for (int k = 0; k < cpus; k++) {
        pthread_join(w[k].thread, NULL);
        printf("ticks: processor %d woke %lld times, at worst %lld us late\n", k, w[k].wakes, w[k].worst_ns / 1000);
        late |= w[k].worst_ns > atoll(argv[2]) * 1000000;
    }
    printf("ticks: %s\n", late ? "LATE" : "in time");
    return late;
}
