/* SPDX-License-Identifier: MIT
 * Linux. */
#include "config.h"

#include "cpu/jit/codebuf.h"

#include <sys/mman.h>
#include <unistd.h>

#include "base/invariant.h"
#include "cpu/jit/icache.h"

/* ---- two views ---- */

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

static bool open_both(struct codebuf *c)
{
    int file = memfd_create("partita-code", MFD_CLOEXEC);
    bool ok;

    if (file < 0)
        return false;
    ok = map_both(c, file);
    close(file);
    if (ok && !icache_hears(c->write, c->run)) {
        codebuf_close(c);
        ok = false;
    }
    return ok;
}

/* ---- one view ---- */

static bool open_one(struct codebuf *c)
{
    void *at = mmap(NULL, c->bytes, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (at == MAP_FAILED)
        return false;
    c->run = c->write = at;
    c->toggled = true;
    return true;
}

static void protect(uint8_t *at, size_t bytes, int rights)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), from = (uintptr_t)at & ~(page - 1);
    const size_t len = ((uintptr_t)at + bytes - from + page - 1) & ~(page - 1);

    invariant(mprotect((void *)from, len, rights) == 0, "the host takes back memory for code");
}

void codebuf_begin(struct codebuf *c, uint8_t *at, size_t bytes)
{
    if (c->toggled)
        protect(at, bytes, PROT_READ | PROT_WRITE);
}

void codebuf_end(struct codebuf *c, uint8_t *at, size_t bytes)
{
    if (c->toggled)
        protect(at, bytes, PROT_READ | PROT_EXEC);
    icache_sync(at, codebuf_runs_at(c, at), bytes);
}

/* ---- both ---- */

bool codebuf_open(struct codebuf *c, size_t bytes)
{
    *c = (struct codebuf){ .bytes = bytes };
    return open_both(c) || open_one(c);
}

void codebuf_close(struct codebuf *c)
{
    if (c->write == NULL)
        return;
    munmap(c->write, c->bytes);
    if (!c->toggled)
        munmap((void *)(uintptr_t)c->run, c->bytes);
    c->write = NULL;
}
