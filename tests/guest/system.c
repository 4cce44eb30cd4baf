/* SPDX-License-Identifier: MIT
 * A bare-metal Multiboot guest that tries the segment machinery of protected mode with random descriptors, selectors, gates,
 * privileges and flags, and prints what came of each case: any two processors must print the same lines. Every case runs a
 * few bytes of code that end in INT 30h; an exception or that interrupt ends it. Command line: seed=N count=N paging=1, the
 * last for accesses through random page tables instead. */
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;

/* ---- output ---- */

static inline void outb(u16 port, u8 v) { __asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port)); }
static inline u8 inb(u16 port) { u8 v; __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port)); return v; }

static void put(char c)
{
    while (!(inb(0x3f8 + 5) & 0x20))
        ;
    outb(0x3f8, (u8)c);
}

static void text(const char *s) { while (*s) put(*s++); }

static void hex(u32 v, unsigned digits)
{
    while (digits-- > 0)
        put("0123456789abcdef"[v >> (4 * digits) & 15]);
}

static void field(const char *name, u32 v, unsigned digits)
{
    put(' ');
    text(name);
    hex(v, digits);
}

/* ---- random numbers ---- */

static u32 state = 1;

static u32 random32(void)
{
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state * 2654435761u;
}

static u32 below(u32 n) { return (random32() >> 8) % n; }

/* ---- tables ---- */

struct tss {
    u32 link, esp0, ss0, esp1, ss1, esp2, ss2, cr3, eip, eflags, eax, ecx, edx, ebx, esp, ebp, esi, edi;
    u32 es, cs, ss, ds, fs, gs, ldt, trap_io;
    u8 bitmap[64];
};

enum { SEL_NULL, SEL_CODE = 0x08, SEL_DATA = 0x10, SEL_USER_CODE = 0x1b, SEL_USER_DATA = 0x23, SEL_TSS = 0x28, SEL_LDT = 0x30,
       SEL_CODE1 = 0x39, SEL_DATA1 = 0x41, SEL_CODE2 = 0x4a, SEL_DATA2 = 0x52, SEL_TSS2 = 0x58, SEL_DATA16 = 0x60, SEL_RANDOM = 0x68 };
enum { FIXED = SEL_RANDOM / 8, GDT_ENTRIES = 32, LDT_ENTRIES = 8, VEC_DONE = 0x30, VEC_RANDOM = 0x40 };

static u32 gdt[GDT_ENTRIES][2], ldt[LDT_ENTRIES][2], idt[256][2];
static struct tss tss, tss2;
static u16 tss16[22];
static u8 stack0[4096], stack1[1024], stack2[1024], stack3[4096], task_stack[4096];
enum { CODE = 0x8000, CODE_BYTES = 64 };        /* low, so that 16-bit gates and virtual-8086 mode reach it */
static u8 *const code = (u8 *)(uintptr_t)CODE;

static void descriptor(u32 *to, u32 base, u32 limit, u32 attr)         /* attr: bits 8-15 access, 20-23 flags of the second dword */
{
    to[0] = (limit & 0xffff) | base << 16;
    to[1] = (base >> 16 & 0xff) | (base & 0xff000000) | (limit & 0xf0000) | attr;
}

static void gate(u32 *to, u16 selector, u32 offset, u32 access)
{
    to[0] = (offset & 0xffff) | (u32)selector << 16;
    to[1] = (offset & 0xffff0000) | access << 8;
}

#define FLAT(access) 0, 0xfffff, (0xc00000 | (access) << 8)

/* What a case leaves behind: filled by the common handler. */
struct result {
    u32 gs, fs, es, ds, edi, esi, ebp, handler_esp, ebx, edx, ecx, eax, vector, error, eip, cs, eflags, esp, ss;
} result;
u32 host_esp;

/* Registers and where to go. */
struct start { u32 eip, cs, eflags, esp, ss, eax, ebx, ecx, edx, esi, edi, ebp, ds; } entry;

void run(void);
void common(void);

/* One entry a vector, sixteen bytes apart: those with an error code find it pushed already. */
__asm__(
    ".text\n"
    ".globl entries\nentries:\n"
    ".set v, 0\n"
    ".rept 256\n"
    ".balign 16\n"
    ".if v == 8 || (v >= 10 && v <= 14) || v == 17 || v == 21\n"
    ".else\n pushl $0\n .endif\n"
    "pushl $v\n"
    "jmp common\n"
    ".set v, v + 1\n"
    ".endr\n"
    "common: cld\n pushal\n pushl %ds\n pushl %es\n pushl %fs\n pushl %gs\n"
    "movl %ss, %eax\n cmpl $0x60, %eax\n jne 4f\n movzwl %sp, %esp\n"       /* a 16-bit stack says nothing of ESP's upper half */
    "4: movl $0x10, %eax\n movl %eax, %ds\n movl %eax, %es\n movl %eax, %ss\n"
    "movl %esp, %esi\n"
    "movl $result, %edi\n movl $19, %ecx\n"
    "1: lodsl\n stosl\n loop 1b\n"
    "movl $0x10, %eax\n movl host_esp, %esp\n"
    "movl %eax, %fs\n movl %eax, %gs\n"
    "pushl $2\n popfl\n"
    "popal\n ret\n"
    ".globl run\nrun: pushal\n movl %esp, host_esp\n"
    "movl entry+8, %eax\n testl $0x20000, %eax\n jnz 2f\n"
    "testl $3, entry+4\n jnz 2f\n"
    "movl entry+12, %esp\n pushl entry+8\n pushl entry+4\n pushl entry\n jmp 3f\n"
    "2: pushl $0x40\n pushl $0x40\n pushl $0x40\n pushl $0x40\n pushl entry+16\n pushl entry+12\n pushl entry+8\n pushl entry+4\n pushl entry\n"
    "3: movl entry+24, %ebx\n movl entry+28, %ecx\n movl entry+32, %edx\n movl entry+36, %esi\n movl entry+40, %edi\n"
    "movl entry+44, %ebp\n movl entry+20, %eax\n"
    "pushl entry+48\n popl %es\n pushl entry+48\n popl %fs\n pushl entry+48\n popl %gs\n pushl entry+48\n popl %ds\n"
    "iretl\n");
extern u8 entries[];

static u32 task_eip(void) { return (u32)(uintptr_t)code + 48; }

static void set_task(struct tss *t, const u8 *stack)
{
    *t = (struct tss){ .esp0 = (u32)(uintptr_t)stack0 + sizeof stack0, .ss0 = SEL_DATA, .esp1 = (u32)(uintptr_t)stack1 + sizeof stack1,
                       .ss1 = SEL_DATA1, .esp2 = (u32)(uintptr_t)stack2 + sizeof stack2, .ss2 = SEL_DATA2, .eip = task_eip(), .eflags = 2,
                       .esp = (u32)(uintptr_t)stack, .es = SEL_DATA, .cs = SEL_CODE, .ss = SEL_DATA, .ds = SEL_DATA, .fs = 0, .gs = SEL_DATA,
                       .ldt = SEL_LDT, .trap_io = 104u << 16 };
    for (unsigned k = 0; k < sizeof t->bitmap; k++)
        t->bitmap[k] = (u8)random32();
}

/* A task of the 80286: link, three stacks, then registers from IP on. */
static void set_task16(void)
{
    static const u16 initial[22] = { 0, 0x7000, SEL_DATA16, 0x6000, SEL_DATA1, 0x5000, SEL_DATA2, CODE + 48, 2, 1, 2, 3, 4, 0x7800, 5, 6, 7,
                                     SEL_DATA, SEL_CODE, SEL_DATA16, SEL_DATA, SEL_LDT };

    for (unsigned k = 0; k < 22; k++)
        tss16[k] = initial[k];
}

/* Clean tables before each case, with new random entries; a clear busy bit lets LTR load the TSS again. */
static void set_tables(void)
{
    struct { u16 limit; void *base; } __attribute__((packed)) table;

    descriptor(gdt[1], FLAT(0x9b)), descriptor(gdt[2], FLAT(0x93)), descriptor(gdt[3], FLAT(0xfb)), descriptor(gdt[4], FLAT(0xf3));
    descriptor(gdt[5], (u32)(uintptr_t)&tss, sizeof tss - 1, 0x8900);
    descriptor(gdt[6], (u32)(uintptr_t)ldt, sizeof ldt - 1, 0x8200);
    descriptor(gdt[7], FLAT(0xbb)), descriptor(gdt[8], FLAT(0xb3)), descriptor(gdt[9], FLAT(0xdb)), descriptor(gdt[10], FLAT(0xd3));
    descriptor(gdt[11], (u32)(uintptr_t)&tss2, sizeof tss2 - 1, 0x8900);
    descriptor(gdt[12], 0, 0xffff, 0x9300);
    set_task16();
    __asm__ volatile("lmsw %w0" : : "r"(1));    /* a task switch or LMSW of an earlier case may have set TS, EM, MP */
    set_task(&tss, stack0 + sizeof stack0);
    set_task(&tss2, task_stack + sizeof task_stack);
    table.limit = sizeof gdt - 1, table.base = gdt;
    __asm__ volatile("lgdt %0" : : "m"(table));
    table.limit = sizeof idt - 1, table.base = idt;
    __asm__ volatile("lidt %0" : : "m"(table));
    __asm__ volatile("lldt %w0" : : "r"(SEL_LDT));
    __asm__ volatile("ltr %w0" : : "r"(SEL_TSS));
}

static u16 some_code(void)
{
    static const u16 codes[] = { SEL_CODE, SEL_USER_CODE, SEL_CODE1, SEL_CODE2, SEL_USER_CODE & ~3, SEL_DATA };

    return below(4) ? codes[below(6)] : (u16)(SEL_RANDOM + below(GDT_ENTRIES - FIXED) * 8 + below(4));
}

/* A segment of base 0 whose limit covers everything, more or less; or a system descriptor; or noise in the access byte. */
static void random_descriptor(u32 *to)
{
    u32 access = random32() & 0xff, kind = below(4);

    if (below(8))
        access |= 0x80;
    if (kind == 0) {                                            /* call and task gates */
        access = (access & 0xe0) | (below(2) ? 0x0c : below(2) ? 0x05 : 0x04);
        gate(to, (access & 31) == 5 ? SEL_TSS2 : some_code(), (u32)(uintptr_t)code + 48, access);
        to[1] |= below(4);                                      /* parameters of a call gate */
        return;
    }
    if (kind == 1)
        access = (access & 0xf0) | 0x10 | below(16);
    if ((access & 0x1d) == 1)
        descriptor(to, (u32)(uintptr_t)tss16, below(4) ? sizeof tss16 - 1 : below(48), access << 8);
    else if ((access & 0x1d) == 9)
        descriptor(to, (u32)(uintptr_t)&tss2, below(4) ? sizeof tss2 - 1 : below(110), access << 8);
    else
        descriptor(to, 0, below(4) ? 0xfffff : below(0x100000), access << 8 | 0x800000 | (below(8) ? 0x400000 : 0));
}

static u16 random_selector(void)
{
    switch (below(8)) {
    case 0: return (u16)below(4);
    case 1: return (u16)(below(FIXED) * 8 + below(4));
    case 2: return (u16)(below(LDT_ENTRIES + 2) * 8 + 4 + below(4));
    case 3: return (u16)(below(GDT_ENTRIES + 4) * 8 + below(4));
    default: return (u16)(SEL_RANDOM + below(GDT_ENTRIES - FIXED) * 8 + below(4));
    }
}

/* ---- cases ---- */

static u8 *at;

static void byte(u32 v) { *at++ = (u8)v; }
static void bytes(u32 a, u32 b) { byte(a), byte(b); }
static void word(u32 v) { bytes(v & 0xff, v >> 8); }
static void dword(u32 v) { word(v & 0xffff), word(v >> 16); }

static u32 far_pointer[2];

static void stack_words(u32 a, u32 b, u32 c, u32 d, u32 e)
{
    u32 *s = (u32 *)(uintptr_t)(entry.esp -= 20);

    s[0] = a, s[1] = b, s[2] = c, s[3] = d, s[4] = e;
}

static void case_load_segment(void)
{
    static const u8 modrm[] = { 0xd8, 0xc0, 0xe0, 0xe8 };       /* DS ES FS GS from AX */

    bytes(0x8e, modrm[below(4)]);
}

static void case_load_ss(void) { bytes(0x8e, 0xd0); }
static void case_inspect(void)
{
    byte(0x0f);
    switch (below(4)) {
    case 0: bytes(0x02, 0xd8); break;                           /* lar ebx, eax */
    case 1: bytes(0x03, 0xd8); break;                           /* lsl ebx, eax */
    case 2: bytes(0x00, 0xe0); break;                           /* verr ax */
    default: bytes(0x00, 0xe8);                                 /* verw ax */
    }
}
static void case_arpl(void) { bytes(0x63, 0xd8); }              /* arpl ax, bx */
static void case_system_register(void)
{
    byte(0x0f);
    bytes(0x00, below(2) ? 0xd0 : 0xd8);                        /* lldt ax, ltr ax */
}
static void case_store_system_register(void)
{
    byte(0x0f);
    bytes(0x00, below(2) ? 0xc3 : 0xcb);                        /* sldt ebx, str ebx */
}
static void case_far_direct(void)
{
    byte(below(2) ? 0xea : 0x9a);
    dword((u32)(uintptr_t)code + 48);
    word(entry.eax & 0xffff);
}
static void case_far_indirect(void)
{
    far_pointer[0] = (u32)(uintptr_t)code + 48;
    far_pointer[1] = entry.eax & 0xffff;
    bytes(0xff, below(2) ? 0x2d : 0x1d);                        /* jmp, call far [far_pointer] */
    dword((u32)(uintptr_t)far_pointer);
}
static void case_load_far_pointer(void)
{
    static const u8 second[] = { 0xb2, 0xb4, 0xb5 };            /* LSS LFS LGS */
    u32 which = below(5);

    far_pointer[0] = entry.esp;
    far_pointer[1] = entry.eax & 0xffff;
    if (which == 0 && (entry.cs & 3) == 0)
        which = 1;                                              /* no strange stacks at level 0 */
    if (which > 2)
        byte(which == 3 ? 0xc4 : 0xc5);
    else
        bytes(0x0f, second[which]);
    byte(0x1d);                                                 /* ebx */
    dword((u32)(uintptr_t)far_pointer);
}
static void case_pop_segment(void)
{
    stack_words(entry.eax, 0, 0, 0, 0);
    switch (below(4)) {
    case 0: byte(0x1f); break;
    case 1: byte(0x07); break;
    case 2: bytes(0x0f, 0xa1); break;
    default: bytes(0x0f, 0xa9);
    }
}
static void case_far_return(void)
{
    stack_words((u32)(uintptr_t)code + 48, below(2) ? some_code() : entry.eax & 0xffff, (u32)(uintptr_t)stack3 + 2048,
                below(4) ? SEL_USER_DATA : random_selector(), 0);
    if (below(2))
        byte(0xcb);
    else
        byte(0xca), word(0);
}
static void case_interrupt_return(void)
{
    u32 flags = random32() & 0x7fd7 & ~0x4100u;                 /* no TF, no NT */

    if (below(16) == 0)
        flags |= 0x4000;
    stack_words((u32)(uintptr_t)code + 48, below(2) ? some_code() : entry.eax & 0xffff, flags | 2, (u32)(uintptr_t)stack3 + 2048,
                below(4) ? SEL_USER_DATA : random_selector());
    byte(0xcf);
}
static void case_interrupt(void)
{
    static const u8 types[] = { 0x0e, 0x0f, 0x06, 0x07, 0x05, 0x0c };
    u32 type = types[below(8) ? below(4) : below(6)], access = type | below(4) << 5 | (below(8) ? 0x80 : 0);

    if (type == 5)
        gate(idt[VEC_RANDOM], below(2) ? SEL_TSS2 : random_selector(), 0, access);
    else
        gate(idt[VEC_RANDOM], below(2) ? some_code() : random_selector(), (u32)(uintptr_t)code + 48, access);
    bytes(0xcd, VEC_RANDOM);
}
static void case_privileged(void)
{
    static const u8 rows[][4] = {           /* length first */
        { 1, 0xfa }, { 1, 0xfb }, { 2, 0x0f, 0x06 }, { 3, 0x0f, 0x20, 0xc3 }, { 3, 0x0f, 0x22, 0xd3 }, { 3, 0x0f, 0x21, 0xc3 },
        { 3, 0x0f, 0x01, 0xe3 }, { 2, 0x0f, 0x32 }, { 2, 0x0f, 0x08 }, { 1, 0x9c }, { 2, 0xe4, 0x21 }, { 1, 0xec }, { 2, 0xe6, 0x80 },
        { 1, 0xce }, { 1, 0xcc }, { 3, 0x0f, 0x01, 0xf3 }, { 2, 0x0f, 0x0b }, { 1, 0x9b }, { 2, 0x9c, 0x9d },
    };
    const u8 *row = rows[below(sizeof rows / sizeof rows[0])];

    entry.edx = below(2) ? 0x21 : 0xa1;
    entry.ecx = 0x10000000 | below(16);     /* no MSR */
    for (unsigned k = 1; k <= row[0]; k++)
        byte(row[k]);
}
static void case_task_return(void)
{
    tss.link = below(2) ? SEL_TSS2 : random_selector();
    entry.eflags |= 0x4000;
    gdt[11][1] |= below(4) ? 0x200 : 0;     /* the other task is busy, as a nested one's caller is */
    byte(0xcf);
}
static void case_virtual86(void)
{
    static const u8 rows[][3] = { { 1, 0xfa }, { 1, 0xfb }, { 1, 0x9c }, { 1, 0x9d }, { 2, 0xcd, 0x41 }, { 1, 0xcf }, { 2, 0xe4, 0x21 },
                                  { 1, 0xf4 }, { 2, 0x8c, 0xd8 }, { 2, 0x0f, 0x06 } };
    const u8 *row = rows[below(sizeof rows / sizeof rows[0])];
    volatile u16 *words = (u16 *)(uintptr_t)0x78000;

    entry.eflags |= 0x20000 | below(4) << 12;
    entry.cs = CODE >> 4, entry.eip = 0;
    entry.ss = 0x7000, entry.esp = 0x8000;
    words[0] = 48, words[1] = CODE >> 4, words[2] = 0x3002;     /* for IRET and POPF */
    for (unsigned k = 1; k <= row[0]; k++)
        byte(row[k]);
}

/* ---- paging: everything is mapped to itself by large pages; two pages at PAGED have random entries ---- */

#define PAGE __attribute__((aligned(4096)))
enum { PAGED = 0x10000000, PTE_P = 1, PTE_RW = 2, PTE_US = 4, PTE_A = 0x20, PTE_D = 0x40, PTE_PS = 0x80, LARGE_AT = 0x1000000 };
static u32 directory[1024] PAGE, table[1024] PAGE, pointers[8] PAGE;
static u8 frames[3 * 4096] PAGE;             /* the third is what the large page has behind the two */
static u32 paged_cr4, paged_nx;

static u32 random_entry(void)
{
    return (below(8) ? PTE_P : 0) | (below(4) ? PTE_RW : 0) | (below(4) ? PTE_US : 0) | (random32() & 0x178);
}

/* In PAE entries have eight bytes and reserved bits in their upper half, XD among them unless EFER.NXE is set. */
static void put_entry(u32 *to, unsigned n, u32 low)
{
    static const u32 high[] = { 0x80000000, 0x80000, 0x2000000, 0 };

    if (!(paged_cr4 & 0x20)) {
        to[n] = low;
        return;
    }
    to[2 * n] = low;
    to[2 * n + 1] = below(3) ? 0 : high[below(4)];
}

/* The memory behind PAGED. */
static u8 *set_pages(u32 user)
{
    const u32 pae = paged_cr4 >> 5 & 1, large = !below(5), size = pae ? 0x200000 : 0x400000;

    for (unsigned k = 0; k < 1024; k++)
        directory[k] = table[k] = 0;
    for (u32 k = 0; k * size < 0x4000000; k++)
        directory[k << pae] = k * size | user | PTE_P | PTE_RW | PTE_A | PTE_D | PTE_PS;
    put_entry(directory, PAGED / size, large ? LARGE_AT | random_entry() | PTE_PS | (below(6) ? 0 : pae ? 0x2000 : 0x200000) :
              (u32)(uintptr_t)table | (random_entry() & ~PTE_PS));
    for (u32 k = 0; k < 2; k++)
        put_entry(table, k, (u32)(uintptr_t)frames + k * 4096 + random_entry());
    pointers[0] = (u32)(uintptr_t)directory | PTE_P;
    for (unsigned k = 0; k < sizeof frames; k++)
        frames[k] = ((u8 *)LARGE_AT)[k] = (u8)(k * 7);
    return large ? (u8 *)LARGE_AT : frames;
}

static void case_paging(void)
{
    static const u8 rows[][4] = { { 2, 0x8b, 0x03 }, { 2, 0x8a, 0x03 }, { 2, 0x89, 0x03 }, { 2, 0x88, 0x03 }, { 2, 0xff, 0x03 },
        { 3, 0x0f, 0xb1, 0x0b }, { 2, 0x87, 0x03 }, { 3, 0x0f, 0xab, 0x03 }, { 2, 0xf3, 0xa5 }, { 1, 0xa5 }, { 2, 0x8f, 0x03 },
        { 2, 0xff, 0x33 }, { 3, 0x0f, 0xb4, 0x3b }, { 2, 0xdd, 0x1b }, { 2, 0xdd, 0x03 }, { 2, 0xff, 0xe3 }, { 1, 0x50 }, { 1, 0x58 } };
    static const u16 places[] = { 0, 0x800, 0xff8, 0xffc, 0xffd, 0xffe, 0xfff, 0x1ffc, 0x1ffe };
    const u32 user = entry.cs & 3 ? PTE_US : 0, place = places[below(9)];
    const u8 *row = rows[below(user ? 18 : 16)];            /* no strange stacks at level 0 */
    u8 *memory;

    paged_cr4 = 0x10 | (below(2) ? 0x20 : 0) | (!user && below(2) ? 0x100000 : 0);      /* PSE, PAE, SMEP */
    paged_nx = below(2) ? 0x800 : 0;
    memory = set_pages(user);
    entry.ebx = PAGED + place, entry.ecx = 3, entry.eflags &= ~0x400u;
    entry.esi = below(2) ? entry.ebx : (u32)(uintptr_t)stack3;
    entry.edi = entry.esi == entry.ebx ? (u32)(uintptr_t)stack3 : entry.ebx;
    if (row[0] == 1 && row[1] != 0xa5)
        entry.esp = entry.ebx + (row[1] == 0x50 ? 4 : 0);
    memory[place] = 0xcd, memory[place + 1] = VEC_DONE;     /* for the jump */
    for (unsigned k = 1; k <= row[0]; k++)
        byte(row[k]);
}

static void run_paged(void)
{
    u32 wp = below(2) ? 0x10000 : 0;

    __asm__ volatile("rdmsr\n andl $~0x800, %%eax\n orl %0, %%eax\n wrmsr" : : "r"(paged_nx), "c"(0xc0000080) : "eax", "edx");
    __asm__ volatile("fninit\n fldz\n movl %0, %%cr4\n movl %1, %%cr3\n movl %2, %%cr2" : : "r"(paged_cr4), "r"(paged_cr4 & 0x20 ? pointers : directory), "r"(PAGED));
    __asm__ volatile("movl %%cr0, %%eax\n orl %0, %%eax\n movl %%eax, %%cr0" : : "r"(0x80000000 | wp) : "eax", "memory");
    run();
    __asm__ volatile("movl %%cr0, %%eax\n andl $0x7ffeffff, %%eax\n movl %%eax, %%cr0" : : : "eax", "memory");
}

static void report_paging(void)
{
    const u32 pae = paged_cr4 >> 5 & 1;
    u32 cr2, h = 2166136261u;

    __asm__("movl %%cr2, %0" : "=r"(cr2));
    for (unsigned k = 0; k < sizeof frames; k++)
        h = ((h ^ frames[k]) * 16777619u ^ ((u8 *)LARGE_AT)[k]) * 16777619u;
    field("cr4=", paged_cr4 | paged_nx, 6), field("cr2=", cr2 - PAGED, 8);
    field("pde=", directory[PAGED >> 22 << 2 * pae] & 0xfff, 3), field("pte=", table[0] & 0xfff, 3);
    field("next=", table[1 << pae] & 0xfff, 3), field("mem=", h, 8);
}

static const struct { const char *name; void (*make)(void); u8 weight, rings; } cases[] = {     /* rings: a bit each */
    { "mov-seg", case_load_segment, 8, 15 },    { "mov-ss", case_load_ss, 6, 14 },          { "inspect", case_inspect, 10, 15 },
    { "arpl", case_arpl, 1, 15 },               { "lldt-ltr", case_system_register, 4, 9 }, { "sldt-str", case_store_system_register, 1, 9 },
    { "far", case_far_direct, 12, 15 },         { "far-mem", case_far_indirect, 6, 15 },    { "lds", case_load_far_pointer, 6, 15 },
    { "pop-seg", case_pop_segment, 4, 15 },     { "retf", case_far_return, 10, 15 },        { "iret", case_interrupt_return, 10, 15 },
    { "int", case_interrupt, 10, 15 },          { "priv", case_privileged, 6, 15 },         { "iret-task", case_task_return, 4, 15 },
    { "v86", case_virtual86, 4, 8 },            { "page", case_paging, 0, 9 },
};
enum { CASES = sizeof cases / sizeof cases[0] };
static u32 paging;

static unsigned pick_case(void)
{
    u32 total = 0, n;

    if (paging)
        return CASES - 1;

    for (unsigned k = 0; k < CASES; k++)
        total += cases[k].weight;
    n = below(total);
    for (unsigned k = 0; ; k++) {
        if (n < cases[k].weight)
            return k;
        n -= cases[k].weight;
    }
}

static void set_entry(unsigned rings)
{
    static const u16 code_of[] = { SEL_CODE, SEL_CODE1, SEL_CODE2, SEL_USER_CODE };
    static const u16 data_of[] = { SEL_DATA, SEL_DATA1, SEL_DATA2, SEL_USER_DATA };
    u32 ring;

    do
        ring = below(2) ? 0 : below(2) ? 3 : below(4);
    while (!(rings >> ring & 1));
    entry = (struct start){ .eip = (u32)(uintptr_t)code, .cs = code_of[ring], .ss = data_of[ring], .ds = data_of[ring],
                            .esp = (u32)(uintptr_t)stack3 + 3072, .eflags = 2 | (random32() & 0x30d5 & (below(2) ? ~0u : ~0x3000u)),
                            .eax = random_selector(), .ebx = random32(), .ecx = random32(), .edx = random32(), .esi = random32(),
                            .edi = random32(), .ebp = random32() };
    for (unsigned k = 0; k < sizeof stack3 / 4; k++)
        ((u32 *)(void *)stack3)[k] = 0;
}

static u32 digest(void)
{
    u32 h = 2166136261u;
    const u32 *tables[] = { &gdt[0][0], &ldt[0][0], (const u32 *)&tss, (const u32 *)&tss2 };
    const unsigned sizes[] = { sizeof gdt / 4, sizeof ldt / 4, 26, 26 };

    for (unsigned t = 0; t < 4; t++)
        for (unsigned k = 0; k < sizes[t]; k++)
            h = (h ^ tables[t][k]) * 16777619u;
    return h;
}

/* Addresses as distances, so that they do not depend on where things lie. */
static u32 relative(u32 esp)
{
    return esp - (u32)(uintptr_t)stack3;
}

static void report(u32 number, const char *name)
{
    const u32 inner = (result.cs & 3) != 0 || (result.eflags & 0x20000);

    field("", number, 6);
    put(' ');
    text(name);
    put(' ');
    for (const u8 *p = code; p < code + 12; p++)
        hex(*p, 2);
    field("in ax=", entry.eax & 0xffff, 4), field("cs=", entry.cs, 4), field("fl=", entry.eflags, 5);
    field("| v=", result.vector, 2), field("e=", result.error, 4);
    field("ip=", result.eflags & 0x20000 ? result.eip : result.eip - (u32)(uintptr_t)code, 8);
    field("cs=", result.cs & 0xffff, 4), field("fl=", result.eflags & ~0x10000u, 8), field("rf=", result.eflags >> 16 & 1, 1);
    if (inner)
        field("ss=", result.ss & 0xffff, 4), field("sp=", relative(result.esp), 8);
    else
        field("sp0=", relative(result.handler_esp), 8);
    field("ds=", result.ds & 0xffff, 4), field("es=", result.es & 0xffff, 4), field("fs=", result.fs & 0xffff, 4);
    field("gs=", result.gs & 0xffff, 4), field("a=", result.eax, 8), field("b=", result.ebx, 8), field("t=", digest(), 8);
    if (paging)
        report_paging();
    text("\r\n");
}

static void one(u32 number)
{
    unsigned which = pick_case();

    for (unsigned k = FIXED; k < GDT_ENTRIES; k++)
        random_descriptor(gdt[k]);
    for (unsigned k = 0; k < LDT_ENTRIES; k++)
        random_descriptor(ldt[k]);
    set_tables();
    set_entry(cases[which].rings);
    for (unsigned k = 0; k < CODE_BYTES; k++)
        code[k] = 0x90;
    at = code;
    cases[which].make();
    for (u8 *end = code + 16; end < code + CODE_BYTES - 2; end += 2)
        end[0] = 0xcd, end[1] = VEC_DONE;
    if (paging)
        run_paged();
    else
        run();
    report(number, cases[which].name);
}

static u32 option(const char *line, const char *name, u32 value)
{
    for (; *line; line++) {
        const char *a = line, *b = name;

        while (*b && *a == *b)
            a++, b++;
        if (*b)
            continue;
        for (value = 0; *a >= '0' && *a <= '9'; a++)
            value = value * 10 + (u32)(*a - '0');
    }
    return value;
}

static void set_gates(void)
{
    for (unsigned v = 0; v < 256; v++)
        gate(idt[v], SEL_CODE, (u32)(uintptr_t)entries + 16 * v, v == 3 || v == 4 || v == VEC_DONE ? 0xee : 0x8e);
}

void start(u32 magic, const u32 *info);
void start(u32 magic, const u32 *info)
{
    const char *line = magic == 0x2badb002 && (info[0] & 4) ? (const char *)(uintptr_t)info[4] : "";
    const u32 first = option(line, "seed=", 1), count = option(line, "count=", 2000);

    paging = option(line, "paging=", 0);
    outb(0x21, 0xff), outb(0xa1, 0xff);
    outb(0x3f8 + 3, 3);                             /* eight data bits: after reset there are five */
    __asm__ volatile("movl %%cr0, %%eax\n andl $0x9fffffff, %%eax\n movl %%eax, %%cr0" : : : "eax");    /* CD, NW: firmware's */
    for (u32 n = 0; n < count; n++) {
        state = (first + n) * 2654435769u | 1;
        random32(), random32();
        set_gates();
        set_tables();
        __asm__ volatile("ljmp $8, $1f\n1: movl %0, %%ds\n movl %0, %%es\n movl %0, %%ss" : : "r"(SEL_DATA));
        one(first + n);
    }
    text("done\r\n");
    outb(0xf4, 0);
    for (const char *s = "Shutdown"; *s; s++)       /* Bochs has no exit port but this */
        outb(0x8900, (u8)*s);
    for (;;)
        __asm__ volatile("cli; hlt");
}
