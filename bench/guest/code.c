/* SPDX-License-Identifier: MIT */
/* Code that writes code: new functions in turn, a constant patched into a loop, and data beside the code that changes it. */
#include <string.h>
#include <sys/mman.h>

#include "workload.h"

typedef uint32_t function(uint32_t x);

static uint8_t *page;

static void prepare_page(void)
{
    if (page == NULL)
        page = mmap(NULL, 65536, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (page == MAP_FAILED)
        die("mmap");
}

/* lea eax, [rdi+rdi*4+add]; xor eax, bits; ret */
static uint8_t *put_function(uint8_t *at, uint32_t add, uint32_t bits)
{
    *at++ = 0x8d, *at++ = 0x84, *at++ = 0xbf;
    memcpy(at, &add, 4), at += 4;
    *at++ = 0x35;
    memcpy(at, &bits, 4), at += 4;
    *at++ = 0xc3;
    return at;
}

static function *as_function(const uint8_t *at)
{
    function *f;

    memcpy(&f, &at, sizeof(f));
    return f;
}

/* As a compiler in the guest works: each function is new, is called some times, and the space is used again later. */
static uint64_t run_generate(uint64_t units)
{
    uint32_t x = 1;

    for (; units != 0; units--) {
        uint8_t *at = page + units % 1024 * 64;
        function *f = as_function(at);

        put_function(at, (uint32_t)units, x);
        for (int k = 0; k < 20; k++)
            x = f(x);
    }
    return x;
}

/* One constant of one function changes before each call. */
static uint64_t run_patch(uint64_t units)
{
    uint32_t x = 1;
    function *f = as_function(page);

    put_function(page, 1, 2);
    for (; units != 0; units--) {
        uint32_t add = (uint32_t)units;

        memcpy(page + 3, &add, 4);
        x = f(x);
    }
    return x;
}

/* inc dword [rip+...] on the function's own page, 1 KiB away; then as above. */
static uint64_t run_mixedpage(uint64_t units)
{
    static const uint8_t increment[] = { 0xff, 0x05, 0xfa, 0x03, 0x00, 0x00 };
    volatile uint32_t *count = (volatile uint32_t *)(void *)(page + 1024);
    function *f = as_function(page);
    uint32_t x = 1;

    memcpy(page, increment, sizeof(increment));
    put_function(page + sizeof(increment), 3, 5);
    *count = 0;
    for (; units != 0; units--) {
        x = f(x);
        if (units % 8 == 0)
            count[1] = x;
    }
    return (uint64_t)*count << 32 | x;
}

const struct workload code_workloads[] = {
    { "generate",  "code", 300000,  run_generate,  prepare_page, NULL },
    { "patch",     "code", 500000,  run_patch,     prepare_page, NULL },
    { "mixedpage", "code", 1000000, run_mixedpage, prepare_page, NULL },
    { 0 },
};
