/* SPDX-License-Identifier: MIT
 * TLFS chapter 9: the virtual TLB and its flushes. A flush is seen by its effect: a page is read, mapped to another,
 * flushed, and read again. A translation may be lost at any time, so nothing here asks that a stale one stays. */
#include "conform/guest/hv.h"

/* ---- a page that changes below its address ---- */

enum { SPOT = 9 };              /* page of the window */
static volatile u32 *pages[2];

static void forget(void *arg)
{
    (void)arg;
    write_cr4(read_cr4() ^ BIT(7));             /* global translations, too */
    write_cr4(read_cr4() ^ BIT(7));
}

static void prepare(u64 bits)
{
    for (unsigned k = 0; k < 2; k++) {
        pages[k] = (volatile u32 *)page_alloc();
        *pages[k] = 0xF00D0000 + k;
    }
    map(SPOT, (void *)(uintptr_t)pages[0], MAP_P | MAP_W | bits);
    for (u32 k = 0; k < ncpus; k++)
        on_cpu(k, forget, NULL);
}

static void look(void *arg) { *(u32 *)arg = *(volatile u32 *)(WINDOW + SPOT * PAGE); }

static u32 seen_by(u32 cpu)
{
    u32 v = 0;

    on_cpu(cpu, look, &v);
    return v;
}

static void all_look(u32 cpu_mask, u32 want)
{
    for (u32 k = 0; k < ncpus; k++) {
        if (cpu_mask >> k & 1) {
            u32 v = seen_by(k);

            expect(v == want, "processor %u sees %08x, not %08x", k, v, want);
        }
    }
}

static void change(u64 bits) { map(SPOT, (void *)(uintptr_t)pages[1], MAP_P | MAP_W | bits); }

static u64 *flush_input(u64 space, u64 flags, u64 mask, u64 first)
{
    u64 *in = (u64 *)page_alloc();

    in[0] = space, in[1] = flags, in[2] = mask, in[3] = first;
    return in;
}

enum { ALL_CPUS = 1, ALL_SPACES = 2, NON_GLOBAL = 4, EXTENDED = 8 };

/* The flush reaches these processors, for a mapping of these bits. */
static void flushes(u64 control, u64 space, u64 flags, u64 mask, u32 cpu_mask, u64 bits)
{
    prepare(bits);
    all_look(cpu_mask, 0xF00D0000);
    change(bits);
    expect_status("the flush", hypercall_mem(control, flush_input(space, flags, mask, gpa(WINDOW) + SPOT * PAGE), NULL), 0);
    all_look(cpu_mask, 0xF00D0001);
}

#define SPACE   HvFlushVirtualAddressSpace
#define LIST    (HvFlushVirtualAddressList | REPS(1))

static void refuses(u64 control, u64 space, u64 flags, u64 mask)
{
    expect_status("the flush", hypercall_mem(control, flush_input(space, flags, mask, gpa(WINDOW)), NULL),
                  HV_STATUS_INVALID_PARAMETER);
}

static u32 all_cpus(void) { return (1u << ncpus) - 1; }

/* ---- 9.1 ---- */

CLAUSE("9.1-01", "after a flush the page tables count, whatever the TLB held")
{
    u64 v;

    prepare(0);
    map(SPOT, NULL, 0);
    invlpg(WINDOW + SPOT * PAGE);
    expect(read_try(WINDOW + SPOT * PAGE, &v) == PF, "an unmapped page can be read");
    change(0);
    expect_eq("the page that was mapped", seen_by(0), 0xF00D0001);
}

struct pat { u64 value; };
static void read_pat(void *arg) { ((struct pat *)arg)->value = rdmsr(0x277); }
CLAUSE("9.1.1-07", "the PAT MSR is each VP's own")
{
    struct pat other;
    u64 here = rdmsr(0x277);

    need_cpus(2);
    on_cpu(1, read_pat, &other);
    wrmsr(0x277, (here & ~0xFF00000000000000ull) | 0x0100000000000000ull);
    here = other.value;
    on_cpu(1, read_pat, &other);
    wrmsr(0x277, 0x0007040600070406ull);
    expect_eq("the PAT of another VP", other.value, here);
}
CLAUSE("9.1.1-09", "INVD loses nothing: it acts like WBINVD")
{
    volatile u64 *page = (u64 *)page_alloc();

    for (u64 k = 0; k < 512; k++)
        page[k] = ~k;
    __asm__ volatile("invd" : : : "memory");
    for (u64 k = 0; k < 512; k++)
        expect(page[k] == ~k, "word %lu was lost", k);
}

static void after(u64 bits, void (*flush)(void))
{
    prepare(bits);
    all_look(1, 0xF00D0000);
    change(bits);
    flush();
    all_look(1, 0xF00D0001);
}
static void by_invlpg(void) { invlpg(WINDOW + SPOT * PAGE); }
static void by_cr3(void) { write_cr3(read_cr3()); }
static void by_pge(void) { write_cr4(read_cr4() ^ BIT(7)); write_cr4(read_cr4() ^ BIT(7)); }

CLAUSE("9.1.2-01", "INVLPG removes a page's translation, a global one, too")
{
    after(0, by_invlpg);
    write_cr4(read_cr4() | BIT(7));
    after(MAP_G, by_invlpg);
    write_cr4(read_cr4() & ~BIT(7));
}
static void large_spot(unsigned n)
{
    *(volatile u32 *)(big_page(n) + SPOT * PAGE) = 0xF00D0000 + n;
    *(volatile u32 *)(big_page(n)) = 0xF00D0010 + n;
}
CLAUSE("9.1.2-02", "INVLPG on any page of a large one removes all of it")
{
    large_spot(0);
    large_spot(1);
    map_large(big_page(0), MAP_P | MAP_W);
    by_cr3();
    expect_eq("the first page", *(volatile u32 *)WINDOW, 0xF00D0010);
    all_look(1, 0xF00D0000);
    map_large(big_page(1), MAP_P | MAP_W);
    invlpg(WINDOW + 300 * PAGE);
    all_look(1, 0xF00D0001);
    expect_eq("the first page", *(volatile u32 *)WINDOW, 0xF00D0011);
}
CLAUSE("9.1.2-03", "MOV to CR3 invalidates all translations that are not global") { after(0, by_cr3); }
CLAUSE("9.1.2-04", "a change of CR4.PGE invalidates all translations, global ones, too")
{
    write_cr4(read_cr4() | BIT(7));
    after(MAP_G, by_pge);
    write_cr4(read_cr4() & ~BIT(7));
}
CLAUSE("9.1.3-01", "flushes by hypercall and by instruction mix")
{
    flushes(SPACE, 0, ALL_CPUS | ALL_SPACES, 0, 1, 0);
    after(0, by_invlpg);
    flushes(LIST, 0, ALL_CPUS | ALL_SPACES, 0, 1, 0);
    after(0, by_cr3);
}
CLAUSE("9.1.3-02", "the operations that leaf 40000004h recommends by hypercall work so")
{
    if (recommended(0))
        expect_status("HvSwitchVirtualAddressSpace", hypercall(HvSwitchVirtualAddressSpace | FAST, read_cr3(), 0), 0);
    if (recommended(1))
        flushes(SPACE, read_cr3(), 0, vp_bit(0), 1, 0);
    if (recommended(2))
        flushes(SPACE, 0, ALL_CPUS | ALL_SPACES, 0, all_cpus(), 0);
}
CLAUSE("9.1.4-04", "with no VP inhibiting flushes, flush calls complete")
{
    flushes(SPACE, read_cr3(), ALL_CPUS, 0, all_cpus(), 0);
    flushes(LIST, read_cr3(), ALL_CPUS, 0, all_cpus(), 0);
}

/* ---- 9.3 ---- */

CLAUSE("9.3.1-01", "an address space ID is a value of CR3")
{
    u64 space = make_space();

    expect_status("HvSwitchVirtualAddressSpace", hypercall(HvSwitchVirtualAddressSpace | FAST, space, 0), 0);
    expect_eq("CR3", read_cr3(), space);
}
CLAUSE("9.3.2-01", "flush flags are bits 0 to 3; each other one is refused")
{
    expect_status("flags 1 and 2", hypercall_mem(SPACE, flush_input(0, 3, 0, 0), NULL), 0);
    expect_status("flag 4", hypercall_mem(SPACE, flush_input(0, 7, 0, 0), NULL), 0);
    for (unsigned bit = 4; bit < 64; bit++)
        expect(status(hypercall_mem(SPACE, flush_input(0, 3 | BIT(bit), 0, 0), NULL)) == HV_STATUS_INVALID_PARAMETER,
               "bit %u is not refused", bit);
}

/* ---- 9.4.1 HvSwitchVirtualAddressSpace ---- */

CLAUSE("9.4.1-01", "HvSwitchVirtualAddressSpace is call 0001h, fast or from memory")
{
    u64 *in = (u64 *)page_alloc(), space = make_space();

    expect_status("fast", hypercall(0x0001 | FAST, space, 0), 0);
    expect_eq("CR3", read_cr3(), space);
    in[0] = make_space();
    expect_status("from memory", hypercall_mem(0x0001, in, NULL), 0);
    expect_eq("CR3", read_cr3(), in[0]);
}
CLAUSE("9.4.1-02", "it loads CR3: the other space's pages are seen")
{
    u64 space = make_space();

    prepare(0);
    map_in(space, SPOT + 1, (void *)(uintptr_t)pages[1], MAP_P | MAP_W);
    expect_status("the call", hypercall(HvSwitchVirtualAddressSpace | FAST, space, 0), 0);
    expect_eq("a page that only it maps", *(volatile u32 *)(WINDOW + (SPOT + 1) * PAGE), 0xF00D0001);
}
static void cr3_here(void *arg) { *(u64 *)arg = read_cr3(); }
CLAUSE("9.4.1-04", "it acts on the calling VP only")
{
    u64 before, after_it;

    need_cpus(2);
    on_cpu(1, cr3_here, &before);
    expect_status("the call", hypercall(HvSwitchVirtualAddressSpace | FAST, make_space(), 0), 0);
    on_cpu(1, cr3_here, &after_it);
    expect_eq("CR3 of another VP", after_it, before);
}
static void bad_switch(u64 space)
{
    u64 before = read_cr3();

    expect_status("the call", hypercall(HvSwitchVirtualAddressSpace | FAST, space, 0), HV_STATUS_INVALID_PARAMETER);
    expect_eq("CR3", read_cr3(), before);
}
CLAUSE("9.4.1-05", "no valid CR3: INVALID_PARAMETER, and CR3 stays") { bad_switch(read_cr3() | beyond_gpa()); }
CLAUSE("9.4.1-06", "reserved bits of CR3: INVALID_PARAMETER") { bad_switch(read_cr3() | BIT(60)); }

/* ---- 9.4.2 HvFlushVirtualAddressSpace ---- */

CLAUSE("9.4.2-01", "HvFlushVirtualAddressSpace is call 0002h: space at 0, flags at 8, mask at 16")
{
    flushes(0x0002, read_cr3(), 0, vp_bit(0), 1, 0);
}
CLAUSE("9.4.2-02", "it invalidates the space's translations on each VP of the mask")
{
    flushes(SPACE, read_cr3(), 0, all_vps(), all_cpus(), 0);
}
CLAUSE("9.4.2-03", "bit n of the mask is VP n")
{
    need_cpus(2);
    flushes(SPACE, read_cr3(), 0, vp_bit(1), 2, 0);
    flushes(SPACE, read_cr3(), 0, vp_bit(0), 1, 0);
}
CLAUSE("9.4.2-04", "ALL_PROCESSORS: all VPs, the mask is ignored")
{
    flushes(SPACE, read_cr3(), ALL_CPUS, 0, all_cpus(), 0);
    flushes(SPACE, read_cr3(), ALL_CPUS, ~0ull, all_cpus(), 0);
}
CLAUSE("9.4.2-05", "ALL_VIRTUAL_ADDRESS_SPACES: all spaces, AddressSpace is ignored")
{
    flushes(SPACE, ~0ull, ALL_SPACES, all_vps(), all_cpus(), 0);
}
CLAUSE("9.4.2-06", "NON_GLOBAL_MAPPINGS_ONLY flushes those that are not global")
{
    flushes(SPACE, read_cr3(), NON_GLOBAL, all_vps(), all_cpus(), 0);
}
CLAUSE("9.4.2-07", "a flag that is not defined: INVALID_PARAMETER")
{
    refuses(SPACE, 0, 3 | BIT(4), 0);
    refuses(SPACE, 0, 3 | BIT(63), 0);
}
CLAUSE("9.4.2-08", "when it returns the flush has happened on all named VPs")
{
    for (unsigned k = 0; k < 8; k++)
        flushes(SPACE, 0, ALL_CPUS | ALL_SPACES, 0, all_cpus(), 0);
}
CLAUSE("9.4.2-10", "an invalid AddressSpace: INVALID_PARAMETER") { refuses(SPACE, read_cr3() | beyond_gpa(), 0, vp_bit(0)); }
CLAUSE("9.4.2-11", "reserved bits of AddressSpace: INVALID_PARAMETER")
{
    refuses(SPACE, read_cr3() | BIT(61), 0, vp_bit(0));
}
CLAUSE("9.4.2-12", "an empty mask without ALL_PROCESSORS: INVALID_PARAMETER") { refuses(SPACE, read_cr3(), 0, 0); }

/* ---- 9.4.3, 9.4.5 with a processor set ---- */

static u64 *set_input(u64 space, u64 flags, u64 format, u64 valid, u64 bank)
{
    u64 *in = flush_input(space, flags, format, valid);

    need(recommended(11), "the Ex hypercalls are not offered");
    in[4] = bank;
    return in;
}
static void flushes_set(u64 control, u64 *in, u32 cpu_mask)
{
    prepare(0);
    all_look(cpu_mask, 0xF00D0000);
    change(0);
    expect_status("the flush", hypercall_mem(control, in, NULL), 0);
    all_look(cpu_mask, 0xF00D0001);
}
#define SPACE_EX    HvCallFlushVirtualAddressSpaceEx
#define LIST_EX     (HvCallFlushVirtualAddressListEx | REPS(1))

CLAUSE("9.4.3-01", "HvFlushVirtualAddressSpaceEx is call 0013h, a set at 16")
{
    flushes_set(0x0013 | VARIABLE(1), set_input(read_cr3(), 0, 0, 1, all_vps()), all_cpus());
}
CLAUSE("9.4.3-02", "leaf 40000004h EAX bit 11 tells whether it is there")
{
    u64 *in = flush_input(0, ALL_SPACES, 1, 0);

    expect(recommended(11) == (status(hypercall_mem(SPACE_EX, in, NULL)) == 0), "bit %u, status %04x",
           (unsigned)recommended(11),
           status(hypercall_mem(SPACE_EX, in, NULL)));
}
CLAUSE("9.4.3-03", "it behaves as HvFlushVirtualAddressSpace on the VPs of the set")
{
    need_cpus(2);
    flushes_set(SPACE_EX | VARIABLE(1), set_input(read_cr3(), 0, 0, 1, vp_bit(1)), 2);
    flushes_set(SPACE_EX | VARIABLE(1), set_input(~0ull, ALL_SPACES, 0, 1, vp_bit(0)), 1);
    expect_status("a reserved flag", hypercall_mem(SPACE_EX, set_input(0, 3 | BIT(5), 1, 0, 0), NULL),
                  HV_STATUS_INVALID_PARAMETER);
}
CLAUSE("9.4.3-04", "a malformed set: INVALID_PARAMETER")
{
    expect_status("format 7", hypercall_mem(SPACE_EX, set_input(0, ALL_SPACES, 7, 0, 0), NULL), HV_STATUS_INVALID_PARAMETER);
    expect_status("two banks, one element", hypercall_mem(SPACE_EX | VARIABLE(1), set_input(0, ALL_SPACES, 0, 3, 1), NULL),
                  HV_STATUS_INVALID_PARAMETER);
}
CLAUSE("9.4.3-05", "a set of format 1: every VP") { flushes_set(SPACE_EX, set_input(read_cr3(), 0, 1, 0, 0), all_cpus()); }

static u64 *list_input(u64 space, u64 flags, u64 bank, u64 range)
{
    u64 *in = set_input(space, flags, 0, 1, bank);

    in[5] = range;
    return in;
}
CLAUSE("9.4.5-01", "HvFlushVirtualAddressListEx is rep call 0014h, a set at 16")
{
    u64 *in = list_input(read_cr3(), 0, all_vps(), gpa(WINDOW) + SPOT * PAGE);

    expect_status("without a rep count", hypercall_mem(0x0014 | VARIABLE(1), in, NULL), HV_STATUS_INVALID_HYPERCALL_INPUT);
    flushes_set(0x0014 | VARIABLE(1) | REPS(1), in, all_cpus());
}
CLAUSE("9.4.5-02", "it behaves as HvFlushVirtualAddressList but for the set")
{
    need_cpus(2);
    flushes_set(LIST_EX | VARIABLE(1), list_input(read_cr3(), 0, vp_bit(1), gpa(WINDOW) + SPOT * PAGE), 2);
    flushes_set(LIST_EX | VARIABLE(1), list_input(~0ull, ALL_SPACES, vp_bit(1), gpa(WINDOW) | (SPOT + 3)), 2);
}
CLAUSE("9.4.5-03", "an invalid parameter: INVALID_PARAMETER")
{
    expect_status("NON_GLOBAL", hypercall_mem(LIST_EX | VARIABLE(1), list_input(read_cr3(), NON_GLOBAL, 1, 0), NULL),
                  HV_STATUS_INVALID_PARAMETER);
    expect_status("flag 10h", hypercall_mem(LIST_EX | VARIABLE(1), list_input(read_cr3(), 0x10, 1, 0), NULL),
                  HV_STATUS_INVALID_PARAMETER);
    expect_status("no such space", hypercall_mem(LIST_EX | VARIABLE(1), list_input(read_cr3() | BIT(60), 0, 1, 0), NULL),
                  HV_STATUS_INVALID_PARAMETER);
}
CLAUSE("9.4.5-04", "the ranges begin after the bank contents")
{
    u64 *in = set_input(read_cr3(), 0, 0, 3, all_vps());

    in[5] = 0, in[6] = gpa(WINDOW) + SPOT * PAGE;
    flushes_set(LIST_EX | VARIABLE(2), in, all_cpus());
}

/* ---- 9.4.4 HvFlushVirtualAddressList ---- */

CLAUSE("9.4.4-01", "HvFlushVirtualAddressList is rep call 0003h, ranges of 8 bytes after the header of 24")
{
    expect_status("without a rep count", hypercall_mem(0x0003, flush_input(read_cr3(), 0, vp_bit(0), 0), NULL),
                  HV_STATUS_INVALID_HYPERCALL_INPUT);
    flushes(0x0003 | REPS(1), read_cr3(), 0, vp_bit(0), 1, 0);
}
static void range_flushes(u64 range, u32 page)
{
    volatile u32 *a = (volatile u32 *)page_alloc(), *b = (volatile u32 *)page_alloc();

    *a = 1, *b = 2;
    map(page, (void *)(uintptr_t)a, MAP_P | MAP_W);
    invlpg(WINDOW + page * PAGE);
    expect_eq("the page", *(volatile u32 *)(WINDOW + page * PAGE), 1);
    map(page, (void *)(uintptr_t)b, MAP_P | MAP_W);
    expect_status("the flush", hypercall_mem(LIST, flush_input(read_cr3(), 0, vp_bit(0), range), NULL), 0);
    expect(*(volatile u32 *)(WINDOW + page * PAGE) == 2, "range %lx does not reach page %u of the window", range, page);
}
CLAUSE("9.4.4-02", "the low 12 bits of a range count further pages: 1 to 4096 in all")
{
    range_flushes(gpa(WINDOW) + 20 * PAGE, 20);
    range_flushes(gpa(WINDOW) | 20, 20);
    range_flushes(gpa(WINDOW) | 511, 511);
    range_flushes((gpa(WINDOW) - 4095 * PAGE) | 4095, 0);
}
CLAUSE("9.4.4-03", "each page of each range is invalidated on the named VPs")
{
    flushes(LIST, read_cr3(), 0, all_vps(), all_cpus(), 0);
    range_flushes(gpa(WINDOW) + 3 * PAGE + 2, 5);
}
CLAUSE("9.4.4-04", "one page of a large page: all of the large page")
{
    large_spot(0);
    large_spot(1);
    map_large(big_page(0), MAP_P | MAP_W);
    by_cr3();
    expect_eq("the first page", *(volatile u32 *)WINDOW, 0xF00D0010);
    all_look(1, 0xF00D0000);
    map_large(big_page(1), MAP_P | MAP_W);
    expect_status("the flush", hypercall_mem(LIST, flush_input(read_cr3(), 0, vp_bit(0), gpa(WINDOW) + 200 * PAGE), NULL),
                  0);
    all_look(1, 0xF00D0001);
    expect_eq("the first page", *(volatile u32 *)WINDOW, 0xF00D0011);
}
CLAUSE("9.4.4-05", "addresses beyond the virtual space are ignored")
{
    expect_status("a non-canonical address", hypercall_mem(LIST, flush_input(read_cr3(), 0, vp_bit(0),
                                                                             0x0000900000000000ull), NULL), 0);
    expect_status("the last page", hypercall_mem(LIST, flush_input(read_cr3(), 0, vp_bit(0), ~0ull), NULL), 0);
}
CLAUSE("9.4.4-06", "NON_GLOBAL_MAPPINGS_ONLY is not for this call: INVALID_PARAMETER")
{
    refuses(LIST, read_cr3(), NON_GLOBAL, vp_bit(0));
}
CLAUSE("9.4.4-07", "ALL_PROCESSORS: all VPs, the mask is ignored") { flushes(LIST, read_cr3(), ALL_CPUS, 0, all_cpus(), 0); }
CLAUSE("9.4.4-08", "ALL_VIRTUAL_ADDRESS_SPACES: all spaces, AddressSpace is ignored")
{
    flushes(LIST, ~0ull, ALL_SPACES, all_vps(), all_cpus(), 0);
}
CLAUSE("9.4.4-09", "when it returns all flushes have happened on the named VPs")
{
    for (unsigned k = 0; k < 8; k++)
        flushes(LIST, 0, ALL_CPUS | ALL_SPACES, 0, all_cpus(), 0);
}
CLAUSE("9.4.4-11", "an invalid AddressSpace: INVALID_PARAMETER") { refuses(LIST, read_cr3() | beyond_gpa(), 0, vp_bit(0)); }
CLAUSE("9.4.4-12", "reserved bits of AddressSpace: INVALID_PARAMETER") { refuses(LIST, read_cr3() | BIT(61), 0, vp_bit(0)); }
CLAUSE("9.4.4-13", "a reserved flag: INVALID_PARAMETER")
{
    refuses(LIST, 0, 3 | BIT(4), 0);
    refuses(LIST, 0, 3 | BIT(40), 0);
}
CLAUSE("9.4.4-14", "an empty mask without ALL_PROCESSORS: INVALID_PARAMETER") { refuses(LIST, read_cr3(), 0, 0); }

/* ---- 9.4.7 ---- */

static u64 *zeroed_memory(void)
{
    u64 *out = (u64 *)page_alloc();

    NEED(EnableExtendedHypercalls);
    expect_status("HvExtCallQueryCapabilities", hypercall_mem(HvExtCallQueryCapabilities, NULL, out), 0);
    need(out[0] & 1, "HvExtCallGetBootZeroedMemory is not offered");
    expect_status("HvExtCallGetBootZeroedMemory", hypercall_mem(HvExtCallGetBootZeroedMemory, NULL, out), 0);
    return out;
}
CLAUSE("9.4.7-01", "HvExtCallGetBootZeroedMemory: StartGpa at 0, PageCount at 8")
{
    u64 *out = zeroed_memory();

    expect((out[0] & 0xfff) == 0, "StartGpa is %lx", out[0]);
    expect(out[1] < beyond_gpa() >> 12, "PageCount is %lx", out[1]);
}
static bool zero_page(u64 at)
{
    for (unsigned k = 0; k < 512; k++)
        if (((volatile u64 *)(uintptr_t)at)[k] != 0)
            return false;
    return true;
}
CLAUSE("9.4.7-02", "the pages were filled with zeros: most still are, whatever the boot loader wrote")
{
    u64 *out = zeroed_memory(), first = out[0], end = out[0] + out[1] * PAGE, step;
    u32 zeros = 0, seen = 0;

    if (first < 0x2800000)
        first = 0x2800000;                              /* behind all that this guest uses */
    if (end > 1ull << 32)
        end = 1ull << 32;
    need(end > first, "the region lies where this guest is, or beyond 4 GiB");
    step = ((end - first) / 64 & ~0xfffull) + PAGE;
    for (u64 at = first; at < end; at += step, seen++)
        zeros += zero_page(at);
    expect(zeros * 2 > seen, "of %u pages %u are zero", seen, zeros);
}
