/* SPDX-License-Identifier: MIT
 * Exceptions that a test can expect, interrupts that are counted, MSR accesses that may fault. */
#include "conform/guest/internal.h"

static u64 idt[256][2];

const char *vector_name(int vector)
{
    static const char *const names[] = { "#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", "9", "#TS", "#NP",
                                         "#SS", "#GP",
                                         "#PF", "15", "#MF", "#AC", "#MC", "#XM", "#VE", "#CP" };

    return vector == NONE ? "no exception" : (unsigned)vector < COUNT_OF(names) ? names[vector] : "another vector";
}

static void set_gate(unsigned vector, u64 at, unsigned level)
{
    idt[vector][0] = (at & 0xffff) | 0x08ull << 16 | (0x8e00ull | level << 13) << 32 | (at >> 16 & 0xffff) << 48;
    idt[vector][1] = at >> 32;
}

void cpu_tables(void)
{
    for (unsigned v = 0; v < 256; v++)
        set_gate(v, gpa(vector_entries) + 16 * v, v == VECTOR_USER_RETURN ? 3 : 0);
}

void cpu_gate(unsigned vector, u64 at)
{
    set_gate(vector, at, 0);
}

void cpu_load(struct cpu *c)
{
    struct { u16 limit; u64 base; } __attribute__((packed)) table = { sizeof idt - 1, gpa(idt) };
    u64 base = gpa(c->tss), *entry = &gdt[7 + 2 * c->number], rsp0 = gpa(c->trap_stack) + sizeof c->trap_stack;

    memset(c->tss, 0, sizeof c->tss);
    *(u32 *)((u8 *)c->tss + 4) = (u32)rsp0;             /* RSP0 lies on a 4-byte boundary */
    *(u32 *)((u8 *)c->tss + 8) = (u32)(rsp0 >> 32);
    *(u16 *)((u8 *)c->tss + 0x66) = 104;
    entry[0] = 103 | (base & 0xffffff) << 16 | 0x89ull << 40 | (base >> 24 & 0xff) << 56;
    entry[1] = base >> 32;
    __asm__ volatile("lidt %0; ltr %w1" : : "m"(table), "r"(8 * (7 + 2 * c->number)));
    wrmsr(0xC0000101, gpa(c));                          /* GS base */
}

/* ---- exceptions and interrupts ---- */

static void clear_mcip(void)
{
    if (cpuid(1).edx & BIT(14))
        wrmsr(0x17A, 0);
}

static void exception(struct cpu *c, struct frame *f)
{
    __asm__ volatile("movq %%cr2, %0" : "=r"(c->address));
    c->error = f->error;
    if (f->vector == MC)
        clear_mcip();
    if (c->guard != NULL)
        unwind(c->guard, (int)f->vector);
    print("# %s with nobody to catch it at %lx, error %lx, CR2 %lx\r\n", vector_name((int)f->vector), f->rip, f->error,
          c->address);
    for (;;)
        __asm__ volatile("cli; hlt");
}

void on_vector(struct frame *f)
{
    struct cpu *c = this_cpu();
    u32 v = (u32)f->vector;

    if (v == VECTOR_USER_RETURN && (f->cs & 3) != 0)
        unwind(c->guard, WHY_USER_RETURN);
    if (v < 32 && v != NMI)
        exception(c, f);
    c->taken[v]++;
    c->when[v] = rdtsc();
    c->at_rip = f->rip;
    c->at_rcx = f->rcx;
    if (c->norder < COUNT_OF(c->order) && v != VECTOR_WORK)
        c->order[c->norder++] = v;
    if (c->on_interrupt[v] != NULL)
        c->on_interrupt[v](v);
    if (v >= 32 && v != VECTOR_SPURIOUS && !c->keep[v])
        apic_write(0xB0, 0);
}

u64 taken(u32 vector)
{
    return this_cpu()->taken[vector];
}

/* ---- guards ---- */

int guarded(void (*fn)(void *), void *arg)
{
    struct cpu *c = this_cpu();
    struct guard *outer = c->guard, g;
    int why;

    c->guard = &g;
    why = guarded_call(&g, fn, arg);
    c->guard = outer;
    if (outer != NULL && (why == WHY_FAILED || why == WHY_SKIPPED))
        unwind(outer, why);
    return why;
}

static void go_user(void *fn)
{
    struct cpu *c = this_cpu();

    enter_user((void (*)(void))fn, (u8 *)c->user_stack + sizeof c->user_stack - 64);
}

int guarded_user(void (*fn)(void))
{
    int why = guarded(go_user, (void *)fn);

    return why == WHY_USER_RETURN ? NONE : why;
}

u64 fault_error(void) { return this_cpu()->error; }
u64 fault_address(void) { return this_cpu()->address; }

struct msr_access { u32 msr; u64 value; };

static void do_rdmsr(void *arg) { struct msr_access *a = arg; a->value = rdmsr(a->msr); }
static void do_wrmsr(void *arg) { struct msr_access *a = arg; wrmsr(a->msr, a->value); }

int rdmsr_try(u32 msr, u64 *value)
{
    struct msr_access a = { msr, 0 };
    int why = guarded(do_rdmsr, &a);

    *value = a.value;
    return why;
}

int wrmsr_try(u32 msr, u64 value)
{
    struct msr_access a = { msr, value };

    return guarded(do_wrmsr, &a);
}

u64 msr_read(u32 msr)
{
    u64 value;
    int why = rdmsr_try(msr, &value);

    expect(why == NONE, "reading MSR %08x raised %s", msr, vector_name(why));
    return value;
}

void msr_write(u32 msr, u64 value)
{
    int why = wrmsr_try(msr, value);

    expect(why == NONE, "writing %lx to MSR %08x raised %s", value, msr, vector_name(why));
}

void msr_read_faults(u32 msr)
{
    u64 value;
    int why = rdmsr_try(msr, &value);

    expect(why == GP, "reading MSR %08x: %s (value %lx), not #GP", msr, vector_name(why), value);
}

void msr_write_faults(u32 msr, u64 value)
{
    int why = wrmsr_try(msr, value);

    expect(why == GP, "writing %lx to MSR %08x: %s, not #GP", value, msr, vector_name(why));
}

struct memory_access { volatile u64 *at; u64 value; };

static void do_read(void *arg) { struct memory_access *a = arg; a->value = *a->at; }
static void do_write(void *arg) { struct memory_access *a = arg; *a->at = a->value; }

int read_try(const volatile void *at, u64 *value)
{
    struct memory_access a = { (volatile u64 *)(uintptr_t)at, 0 };
    int why = guarded(do_read, &a);

    *value = a.value;
    return why;
}

int write_try(volatile void *at, u64 value)
{
    struct memory_access a = { (volatile u64 *)at, value };

    return guarded(do_write, &a);
}

struct cpuid cpuid(u32 leaf)
{
    struct cpuid r;

    __asm__ volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(0) : "memory");
    return r;
}
