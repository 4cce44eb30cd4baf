/* SPDX-License-Identifier: MIT
 * Pages for tests, a window of addresses they map as they like, and time. */
#include "conform/guest/internal.h"

enum { POOL_PAGES = 96 };

static u8 pool[POOL_PAGES][PAGE] PAGE_ALIGNED;
static u32 pool_used;
static u64 window_pdpt_pd[512] PAGE_ALIGNED, window_pt[512] PAGE_ALIGNED;

u8 *page_alloc(void)
{
    u8 *p = pool[pool_used++];

    expect(pool_used <= POOL_PAGES, "the test asks for too many pages");
    memset(p, 0, PAGE);
    return p;
}

u64 gpa_bits(void)
{
    return cpuid(0x80000000).eax >= 0x80000008 ? cpuid(0x80000008).eax & 0xff : 36;
}

u64 beyond_gpa(void)
{
    u64 bits = gpa_bits();

    need(bits < 52, "guest-physical addresses have the full 52 bits: nothing is beyond them");
    return 1ull << bits;
}

/* ---- the window: entry 256 of the page-directory-pointer table ---- */

static u64 *window_directory(u64 cr3)
{
    u64 *pml4 = (u64 *)(uintptr_t)(cr3 & ~0xfffull), *pdpt = (u64 *)(uintptr_t)(pml4[0] & ~0xfffull);

    return (u64 *)(uintptr_t)(pdpt[256] & ~0xfffull);
}

void map_in(u64 cr3, u32 page, const void *to, u64 bits)
{
    u64 *pd = window_directory(cr3), *pt = (u64 *)(uintptr_t)(pd[0] & ~0xfffull);

    *(volatile u64 *)&pt[page] = (bits & MAP_P) ? gpa(to) | bits : 0;
}

void map(u32 page, const void *to, u64 bits)
{
    window_directory(gpa(boot_pml4))[0] = gpa(window_pt) | 7;
    map_in(gpa(boot_pml4), page, to, bits);
}

void map_large(const void *to, u64 bits)
{
    *(volatile u64 *)&window_directory(gpa(boot_pml4))[0] = gpa(to) | bits | MAP_LARGE;
}

u8 *big_page(u32 n) { return (u8 *)(uintptr_t)(0x2000000 + (u64)n * 0x200000); }

u64 make_space(void)
{
    u64 *pml4 = (u64 *)page_alloc(), *pdpt = (u64 *)page_alloc(), *pd = (u64 *)page_alloc(), *pt = (u64 *)page_alloc();

    pml4[0] = gpa(pdpt) | 7;
    memcpy(pdpt, boot_pdpt, PAGE);
    pdpt[256] = gpa(pd) | 7;
    pd[0] = gpa(pt) | 7;
    return gpa(pml4);
}

void memory_tidy(void)
{
    write_cr3(gpa(boot_pml4));                          /* the tables of a test's own space lie in the pool */
    memset(pool, 0, (size_t)(pool_used < POOL_PAGES ? pool_used : POOL_PAGES) * PAGE);
    pool_used = 0;
    memset(window_pt, 0, sizeof window_pt);
    boot_pdpt[256] = gpa(window_pdpt_pd) | 7;
    window_pdpt_pd[0] = gpa(window_pt) | 7;
    write_cr4(read_cr4() ^ BIT(7));                     /* global translations, too */
    write_cr4(read_cr4() ^ BIT(7));
}

/* ---- time: by the frequency MSR if it is there, else channel 2 of the 8254 ---- */

u64 tsc_per_us;

static u64 measure(void)
{
    u64 start, limit;

    outb(0x61, (u8)((inb(0x61) & ~2) | 1));
    outb(0x43, 0xB0);
    outb(0x42, 0x9B);
    outb(0x42, 0x2E);                                   /* 11931 ticks: 10 ms */
    start = rdtsc();
    limit = start + (1ull << 34);
    while (!(inb(0x61) & 0x20) && rdtsc() < limit)
        ;
    return (rdtsc() - start) / 10000;
}

void time_start(void)
{
    u64 hz;

    if ((cpuid(1).ecx & BIT(31)) && rdmsr_try(0x40000022, &hz) == NONE && hz > 1000000)
        tsc_per_us = hz / 1000000;
    else
        tsc_per_us = measure();
    if (tsc_per_us == 0)
        tsc_per_us = 1;
}

u64 now_us(void) { return rdtsc() / tsc_per_us; }

void delay_us(u64 us)
{
    u64 end = now_us() + us;

    while (now_us() < end)
        cpu_pause();
}
