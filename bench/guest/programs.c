/* SPDX-License-Identifier: MIT */
/* Programs as people run them: busybox's own, reading a made text from a memory file, their output checksummed. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "workload.h"

static int input;
static const char *busybox = "/bin/busybox";

static const char *needs_busybox(void)
{
    const char *path = getenv("BENCH_BUSYBOX");

    if (path != NULL)
        busybox = path;
    return access(busybox, X_OK) == 0 ? NULL : "needs busybox";
}

static void make_text(size_t len)
{
    text_fill(scratch, len, 4711);
    input = memfd_create("text", MFD_CLOEXEC);
    if (input < 0 || write(input, scratch, len) != (ssize_t)len)
        die("memfd");
}

static void prepare_text(void) { make_text(SCRATCH_BYTES); }
static void prepare_short(void) { make_text(SCRATCH_BYTES / 16); }

static pid_t start(const char *const *argv, int in, int out)
{
    pid_t child = fork();

    if (child < 0)
        die("fork");
    if (child == 0) {
        dup2(in, STDIN_FILENO);
        dup2(out, STDOUT_FILENO);
        execv(busybox, (char *const *)argv);
        _exit(127);
    }
    return child;
}

/* Runs argv on the input and checksums what it prints; a copy goes to `keep` if that is a descriptor. */
static uint64_t output_sum(const char *const *argv, int keep)
{
    static uint8_t buffer[65536];
    uint64_t sum = 0;
    int ends[2], status;
    ssize_t len;
    pid_t child;

    if (pipe2(ends, O_CLOEXEC) != 0)
        die("pipe");
    lseek(input, 0, SEEK_SET);
    child = start(argv, input, ends[1]);
    close(ends[1]);
    while ((len = read(ends[0], buffer, sizeof(buffer))) > 0) {
        for (ssize_t k = 0; k < len; k++)
            sum = sum * 31 + buffer[k];
        if (keep >= 0 && write(keep, buffer, (size_t)len) != len)
            die("write");
    }
    close(ends[0]);
    waitpid(child, &status, 0);
    return mix(sum, (uint64_t)WEXITSTATUS(status));
}

static uint64_t repeat(const char *const *argv, uint64_t units)
{
    uint64_t sum = 0;

    for (; units != 0; units--)
        sum = output_sum(argv, -1);
    close(input);
    return sum;
}

#define PROGRAM(name, ...)                                                      \
    static uint64_t run_##name(uint64_t units)                                  \
    {                                                                           \
        static const char *const argv[] = { __VA_ARGS__, NULL };                \
        return repeat(argv, units);                                             \
    }
PROGRAM(gzip, "gzip", "-c")
PROGRAM(bunzip2, "bunzip2", "-c")
PROGRAM(md5sum, "md5sum")
PROGRAM(sha512sum, "sha512sum")
PROGRAM(awk, "awk", "{ n[$1] += NF; c += length($0) } END { for (w in n) t += n[w]; print t, c }")
PROGRAM(sortlines, "sort")
PROGRAM(grep, "grep", "-c", "-E", "(guest|interrupt) [a-m]+ .*table")

static void prepare_bzip2(void)
{
    static const char *const argv[] = { "bzip2", "-c", NULL };
    int packed = memfd_create("packed", MFD_CLOEXEC);

    prepare_short();
    if (packed < 0)
        die("memfd");
    output_sum(argv, packed);
    close(input);
    input = packed;
}

const struct workload programs_workloads[] = {
    { "gzip",      "programs", 20, run_gzip,      prepare_short, needs_busybox },
    { "bunzip2",   "programs", 20, run_bunzip2,   prepare_bzip2, needs_busybox },
    { "md5sum",    "programs", 30, run_md5sum,    prepare_text,  needs_busybox },
    { "sha512sum", "programs", 25, run_sha512sum, prepare_text,  needs_busybox },
    { "awk",       "programs", 8,  run_awk,       prepare_text,  needs_busybox },
    { "sortlines", "programs", 10, run_sortlines, prepare_text,  needs_busybox },
    { "grep",      "programs", 3,  run_grep,      prepare_text,  needs_busybox },
    { 0 },
};
