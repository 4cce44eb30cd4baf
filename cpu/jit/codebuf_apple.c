/* SPDX-License-Identifier: MIT
 * macOS on Apple silicon: one view, MAP_JIT, whose rights each thread changes for itself and for all such pages at once
 * (Apple's "Porting Just-In-Time Compilers to Apple Silicon"). The thread that writes is the one that runs the code. */
#include "config.h"

#include "cpu/jit/codebuf.h"

#include <libkern/OSCacheControl.h>
#include <pthread.h>
#include <sys/mman.h>

bool codebuf_open(struct codebuf *c, size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_JIT, -1, 0);

    *c = (struct codebuf){ .bytes = bytes, .toggled = true };
    if (at == MAP_FAILED)
        return false;
    c->run = c->write = at;
    return true;
}

void codebuf_close(struct codebuf *c)
{
    if (c->write != NULL)
        munmap(c->write, c->bytes);
    c->write = NULL;
}

void codebuf_begin(struct codebuf *c, uint8_t *at, size_t bytes)
{
    (void)c;
    (void)at;
    (void)bytes;
    pthread_jit_write_protect_np(0);
}

void codebuf_end(struct codebuf *c, uint8_t *at, size_t bytes)
{
    (void)c;
    pthread_jit_write_protect_np(1);
    sys_icache_invalidate(at, bytes);
}
