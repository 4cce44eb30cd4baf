/* SPDX-License-Identifier: MIT
 * System-management mode from the guest's side, as firmware sets it up on an 82440FX board: SMRAM is filled and closed, SMBASE is
 * moved into it, the APM port and a message of the local APIC make SMIs, and nothing outside sees the memory. */
#include <stdint.h>

#define SHARED      0x7000u         /* ordinary memory that the handler writes: counter, revision, both forms of the I/O field */
#define PRIVATE     0xa0100u        /* a counter in SMRAM */
#define PM_BASE     0xb000u

static inline void outb(uint16_t port, uint8_t v) { __asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port) : "memory"); }
static inline void outl(uint16_t port, uint32_t v) { __asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port) : "memory"); }
static inline uint8_t inb(uint16_t port) { uint8_t v; __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port)); return v; }

/* The first handler only moves SMBASE, where the revision says it lies; the second counts. */
__asm__(".code16\n"
        "first:  addr32 movl %ds:0x3fefc, %eax\n"
        "        cmpw $0x64, %ax\n"
        "        jne 1f\n"
        "        addr32 movl $0xa0000, %ds:0x3ff00\n"
        "        rsm\n"
        "1:      addr32 movl $0xa0000, %ds:0x3fef8\n"
        "        rsm\n"
        "second: addr32 incl %ds:0x7000\n"
        "        addr32 incl %ds:0xa0100\n"
        "        addr32 movl %ds:0xafefc, %eax\n"
        "        addr32 movl %eax, %ds:0x7004\n"
        "        addr32 movl %ds:0xafec0, %eax\n"
        "        addr32 movl %eax, %ds:0x7008\n"
        "        addr32 movl %ds:0xaffa4, %eax\n"
        "        addr32 movl %eax, %ds:0x700c\n"
        "        rsm\n"
        "end:    .code32\n");
extern const uint8_t first[], second[], end[];

static void put(char c)
{
    while (!(inb(0x3f8 + 5) & 0x20))
        ;
    outb(0x3f8, (uint8_t)c);
}

static void text(const char *s) { while (*s) put(*s++); }

static void finish(uint8_t status)
{
    text(status == 0 ? "PASS\r\n" : "FAIL\r\n");
    outb(0xf4, status);
    for (;;)
        __asm__ volatile("cli; hlt");
}

static void check(int good, const char *what)
{
    if (good)
        return;
    text(what);
    text("\r\n");
    finish(1);
}

static void put_bytes(uint32_t at, const uint8_t *from, const uint8_t *to)
{
    while (from < to)
        *(volatile uint8_t *)(uintptr_t)at++ = *from++;
}

static volatile uint32_t *memory(uint32_t at) { return (volatile uint32_t *)(uintptr_t)at; }

static void pci_select(uint32_t devfn, uint32_t at) { outl(0xcf8, 0x80000000 | devfn << 8 | (at & 0xfc)); }

static void smram(uint8_t v)
{
    pci_select(0, 0x72);
    outb(0xcfc + 2, v);
}

static void set_up(void)
{
    put_bytes(0x38000, first, second);
    smram(0x4a);                                    /* G_SMRAME, D_OPEN */
    put_bytes(0xa8000, second, end);
    *memory(PRIVATE) = 0;
    smram(0x0a);
    pci_select(1 << 3 | 3, 0x40);                   /* the PM function: its ports, and SMIs of the APM port */
    outl(0xcfc, PM_BASE);
    pci_select(1 << 3 | 3, 0x80);
    outb(0xcfc, 1);
    pci_select(1 << 3 | 3, 0x58);
    outl(0xcfc, 0x02000000);
    outl(PM_BASE + 0x28, 1);
    for (unsigned k = 0; k < 4; k++)
        memory(SHARED)[k] = 0;
}

void start(uint32_t magic, const void *info);
void start(uint32_t magic, const void *info)
{
    (void)magic, (void)info;
    set_up();
    outb(0xb2, 0);                                  /* moves SMBASE */
    check(memory(SHARED)[0] == 0, "the handler in SMRAM ran too early");
    outb(0xb2, 1);
    check(memory(SHARED)[0] == 1, "no SMI");
    if ((memory(SHARED)[1] & 0xffff) == 0x64)
        check(memory(SHARED)[2] == 0x00b20012, "I/O trap offset");
    else
        check(memory(SHARED)[3] == 0x00b20083, "I/O state field");
    *memory(0xfee00310) = 0;
    *memory(0xfee00300) = 0x4200;                   /* a message to local APIC 0, delivery mode SMI */
    check(memory(SHARED)[0] == 2, "no SMI by the local APIC");
    *memory(PRIVATE) = 0x55;                        /* not SMRAM's */
    outb(0xb2, 1);
    check(*memory(PRIVATE) != 3, "SMRAM is seen");
    smram(0x4a);
    check(*memory(PRIVATE) == 3, "SMRAM was written");
    smram(0x1a);                                    /* D_LCK */
    smram(0x4a);
    check(inb(0xcfc + 2) == 0x1a, "the lock gave way");
    outb(0xb2, 1);
    check(memory(SHARED)[0] == 4, "no SMI behind the lock");
    finish(0);
}
