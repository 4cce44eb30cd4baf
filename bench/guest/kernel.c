/* SPDX-License-Identifier: MIT */
/* What programs ask of a kernel: system calls, page faults, protection changes, signals, pipes, processes, file reads. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "workload.h"

static uint64_t run_getpid(uint64_t units)
{
    uint64_t same = 0;
    pid_t pid = getpid();

    for (; units != 0; units--)
        same += syscall(SYS_getpid) == pid;
    return same;
}

#define FAULT_PAGES 256

static uint64_t run_pagefault(uint64_t units)
{
    uint64_t sum = 0;

    for (; units != 0; units--) {
        uint8_t *p = mmap(NULL, FAULT_PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (p == MAP_FAILED)
            die("mmap");
        madvise(p, FAULT_PAGES * 4096, MADV_NOHUGEPAGE);
        for (int k = 0; k < FAULT_PAGES; k++)
            p[k * 4096]++;
        sum += p[4096 * (units % FAULT_PAGES)];
        munmap(p, FAULT_PAGES * 4096);
    }
    return sum;
}

static uint64_t run_mprotect(uint64_t units)
{
    uint64_t sum = 0;
    uint8_t *p = mmap(NULL, 16 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

    if (p == MAP_FAILED)
        die("mmap");
    for (; units != 0; units--) {
        uint8_t *page = p + 4096 * (units % 16);

        if (mprotect(page, 4096, PROT_READ) != 0 || mprotect(page, 4096, PROT_READ | PROT_WRITE) != 0)
            die("mprotect");
        sum += ++*page;
    }
    munmap(p, 16 * 4096);
    return sum;
}

static volatile uint64_t signals;

static void count_signal(int number)
{
    (void)number;
    signals++;
}

static uint64_t run_signal(uint64_t units)
{
    struct sigaction action = { .sa_handler = count_signal };
    pid_t pid = getpid();

    signals = 0;
    sigaction(SIGUSR1, &action, NULL);
    for (; units != 0; units--)
        kill(pid, SIGUSR1);
    return signals;
}

/* ---- pipe: one byte there and back between two processes ---- */

static void echo_bytes(int from, int to)
{
    char c;

    while (read(from, &c, 1) == 1)
        if (write(to, &c, 1) != 1)
            break;
    _exit(0);
}

static uint64_t run_pipe(uint64_t units)
{
    int there[2], back[2];
    uint64_t sum = 0;
    pid_t child;

    if (pipe2(there, O_CLOEXEC) != 0 || pipe2(back, O_CLOEXEC) != 0)
        die("pipe");
    child = fork();
    if (child < 0)
        die("fork");
    if (child == 0) {
        close(there[1]);
        echo_bytes(there[0], back[1]);
    }
    for (; units != 0; units--) {
        uint8_t c = (uint8_t)units;

        if (write(there[1], &c, 1) != 1 || read(back[0], &c, 1) != 1)
            die("pipe");
        sum += c;
    }
    close(there[1]), close(there[0]), close(back[0]), close(back[1]);
    waitpid(child, NULL, 0);
    return sum;
}

/* ---- forkexec: a child that runs `nothing`, the program beside this one ---- */

static char nothing[4096];

static void prepare_forkexec(void)
{
    ssize_t len = readlink("/proc/self/exe", nothing, sizeof(nothing) - 16);

    if (len < 0)
        die("/proc/self/exe");
    nothing[len] = '\0';
    strcpy(strrchr(nothing, '/') + 1, "nothing");
}

static uint64_t run_forkexec(uint64_t units)
{
    uint64_t sum = 0;

    for (; units != 0; units--) {
        int status;
        pid_t child = fork();

        if (child < 0)
            die("fork");
        if (child == 0) {
            execl(nothing, "nothing", (char *)NULL);
            _exit(1);
        }
        waitpid(child, &status, 0);
        sum += WEXITSTATUS(status) == 42;
    }
    return sum;
}

/* ---- fileread: 64 KiB of a memory file in pieces of 4 KiB ---- */

static int file;

static void prepare_fileread(void)
{
    text_fill(scratch, 65536, 99);
    file = memfd_create("bench", MFD_CLOEXEC);
    if (file < 0 || write(file, scratch, 65536) != 65536)
        die("memfd");
}

static uint64_t run_fileread(uint64_t units)
{
    uint64_t sum = 0;

    for (; units != 0; units--) {
        if (pread(file, scratch + 65536, 4096, (off_t)(units % 16 * 4096)) != 4096)
            die("pread");
        sum += scratch[65536 + units % 4096];
    }
    close(file);
    return sum;
}

const struct workload kernel_workloads[] = {
    { "getpid",    "kernel", 600000, run_getpid,    NULL,             NULL },
    { "pagefault", "kernel", 200,    run_pagefault, NULL,             NULL },
    { "mprotect",  "kernel", 18000,  run_mprotect,  NULL,             NULL },
    { "signal",    "kernel", 40000,  run_signal,    NULL,             NULL },
    { "pipe",      "kernel", 12000,  run_pipe,      NULL,             NULL },
    { "forkexec",  "kernel", 300,    run_forkexec,  prepare_forkexec, NULL },
    { "fileread",  "kernel", 150000, run_fileread,  prepare_fileread, NULL },
    { 0 },
};
