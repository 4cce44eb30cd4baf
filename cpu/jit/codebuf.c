/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "cpu/jit/codebuf.h"

#include <sys/mman.h>
#include <unistd.h>

static bool map_both(struct codebuf *c, int file)
{
    void *write, *run;

    if (ftruncate(file, (off_t)c->bytes) != 0)
        return false;
    write = mmap(NULL, c->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (write == MAP_FAILED)
        return false;
    run = mmap(NULL, c->bytes, PROT_READ | PROT_EXEC, MAP_SHARED, file, 0);
    if (run == MAP_FAILED) {
        munmap(write, c->bytes);
        return false;
    }
    c->write = write;
    c->run = run;
    return true;
}

bool codebuf_open(struct codebuf *c, size_t bytes)
{
    int file = memfd_create("partita-code", MFD_CLOEXEC);
    bool ok;

    *c = (struct codebuf){ .bytes = bytes };
    if (file < 0)
        return false;
    ok = map_both(c, file);
    close(file);
    return ok;
}

void codebuf_close(struct codebuf *c)
{
    if (c->write == NULL)
        return;
    munmap(c->write, c->bytes);
    munmap((void *)(uintptr_t)c->run, c->bytes);
    c->write = NULL;
}
