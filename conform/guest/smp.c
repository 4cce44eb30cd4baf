/* SPDX-License-Identifier: MIT
 * The other processors: started by INIT and SIPI, they sleep until on_cpu() gives them work. And the local APIC. */
#include "conform/guest/hv.h"
#include "conform/guest/internal.h"

enum { APIC = 0xFEE00000, TRAMPOLINE_PAGE = 8 };

struct cpu cpus[MAX_CPUS];
u32 ncpus;

/* ---- local APIC ---- */

u32 apic_read(u32 offset) { return *(volatile u32 *)(uintptr_t)(APIC + offset); }
void apic_write(u32 offset, u32 value) { *(volatile u32 *)(uintptr_t)(APIC + offset) = value; }

void apic_enable(bool on)
{
    apic_write(0xF0, (on ? 0x100 : 0) | VECTOR_SPURIOUS);
}

void apic_start(void)
{
    apic_write(0x80, 0);
    apic_enable(true);
    apic_write(0x350, 0x10000);                         /* LINT0: the 8259 stays out of it */
}

void apic_ipi(u32 apic_id, u32 low)
{
    for (unsigned k = 0; k < 1000000 && (apic_read(0x300) & 0x1000); k++)
        cpu_pause();
    apic_write(0x310, apic_id << 24);
    apic_write(0x300, low);
}

bool apic_bit(u32 base, u32 vector)
{
    return (apic_read(base + vector / 32 * 16) >> vector % 32 & 1) != 0;
}

/* A test may leave interrupts in service or requested; requested ones are taken here. */
void apic_drain(void)
{
    struct cpu *c = this_cpu();

    memset(c->keep, 0, sizeof c->keep);
    memset(c->on_interrupt, 0, sizeof c->on_interrupt);
    apic_enable(true);
    write_cr8(0);
    for (unsigned n = 0; n < 256; n++) {
        u32 any = 0;

        for (u32 base = 0x100; base < 0x180; base += 16)
            any |= apic_read(base);
        if (any == 0)
            break;
        apic_write(0xB0, 0);
    }
    sti();
    cpu_pause();
    memset((void *)(uintptr_t)c->taken, 0, sizeof c->taken);
    c->norder = 0;
}

/* ---- start ---- */

static void copy_trampoline(void)
{
    memcpy((void *)(uintptr_t)(TRAMPOLINE_PAGE * PAGE), trampoline, (size_t)(trampoline_end - trampoline));
}

void cpus_start(void)
{
    copy_trampoline();
    apic_write(0x310, 0);
    apic_write(0x300, 0xC4500);                         /* INIT, all but this one */
    delay_us(10 * MS);
    for (unsigned k = 0; k < 2; k++) {
        apic_write(0x300, 0xC4600 | TRAMPOLINE_PAGE);
        delay_us(MS);
    }
    for (u32 seen = 0, quiet = 0; quiet < (seen > 1 ? 2 : 10); quiet++) {   /* until no more come, at most 50 ms */
        if (seen != ncpus)
            quiet = 0;
        seen = ncpus;
        delay_us(5 * MS);
    }
}

static struct cpu *find_cpu(u32 apic_id)
{
    for (u32 k = 0; k < ncpus; k++)
        if (cpus[k].apic_id == apic_id)
            return &cpus[k];
    return NULL;
}

/* Field by field: a whole struct cpu would not fit on the stack. */
void cpu_init(u32 n, u32 apic_id)
{
    struct cpu *c = &cpus[n];

    memset(c, 0, sizeof *c);
    c->self = c;
    c->number = c->vp_index = n;
    c->apic_id = apic_id;
    c->work_vector = NONE;
    c->signature = cpuid(1).eax;
}

static struct cpu *new_cpu(u32 apic_id)
{
    u32 n = __atomic_fetch_add(&ncpus, 1, __ATOMIC_SEQ_CST);

    if (n >= MAX_CPUS) {
        __atomic_fetch_sub(&ncpus, 1, __ATOMIC_SEQ_CST);
        for (;;)
            __asm__ volatile("cli; hlt");
    }
    cpu_init(n, apic_id);
    return &cpus[n];
}

static void do_work(void *arg)
{
    struct cpu *c = arg;

    sti();
    c->work(c->work_arg);
}

void ap_main(void)
{
    u32 id = cpuid(1).ebx >> 24;
    struct cpu *c = find_cpu(id);
    u64 index;

    if (c == NULL)
        c = new_cpu(id);
    cpu_load(c);
    c->guard = NULL;
    apic_start();
    if (cpuid(1).ecx & BIT(31) && rdmsr_try(0x40000002, &index) == NONE)
        c->vp_index = (u32)index;
    c->signature = cpuid(1).eax;
    c->down = false;
    c->alive++;
    for (;;) {
        cli();
        if (c->work != NULL) {
            c->work_vector = guarded(do_work, c);
            c->guard = NULL;
            c->work = NULL;
            c->work_done = 1;
        } else {
            halt();
        }
    }
}

/* ---- work ---- */

void need_cpus(u32 n)
{
    need(ncpus >= n, "needs %u processors, the machine has %u", n, ncpus);
}

void on_cpu_start(u32 n, void (*fn)(void *), void *arg)
{
    struct cpu *c = &cpus[n];

    c->work_done = 0;
    c->failure[0] = '\0';
    c->used = true;
    c->work_arg = arg;
    __atomic_store_n(&c->work, fn, __ATOMIC_SEQ_CST);
    apic_ipi(c->apic_id, 0x4000 | VECTOR_WORK);
}

void on_cpu_wait(u32 n)
{
    struct cpu *c = &cpus[n];

    expect(wait_for(c->work_done != 0, 2000 * MS), "processor %u did not finish", n);
    if (c->work_vector == WHY_SKIPPED)
        skip("%s", c->failure);
    expect(c->work_vector != WHY_FAILED, "processor %u: %s", n, c->failure);
    expect(c->work_vector == NONE, "processor %u took %s, error %lx, CR2 %lx", n, vector_name(c->work_vector), c->error,
           c->address);
}

void on_cpu(u32 n, void (*fn)(void *), void *arg)
{
    if (&cpus[n] == this_cpu()) {
        fn(arg);
        return;
    }
    on_cpu_start(n, fn, arg);
    on_cpu_wait(n);
}

void cpu_reset(u32 n)
{
    cpus[n].used = true;
    cpus[n].down = true;
    apic_ipi(cpus[n].apic_id, 0x4500);
    delay_us(MS);
}

void cpu_sipi(u32 n, u32 page)
{
    cpus[n].used = true;
    apic_ipi(cpus[n].apic_id, 0x4600 | page);
}

void cpu_start(u32 n)
{
    struct cpu *c = &cpus[n];
    u32 before = c->alive;

    copy_trampoline();
    c->work = NULL;
    cpu_sipi(n, TRAMPOLINE_PAGE);
    if (!wait_for(c->alive != before, 100 * MS)) {
        cpu_sipi(n, TRAMPOLINE_PAGE);
        expect(wait_for(c->alive != before, 500 * MS), "processor %u does not start", n);
    }
}

/* ---- other modes ---- */

/* The instruction of the hypercall page: VMCALL or VMMCALL. */
static u8 call_byte(void)
{
    for (unsigned k = 0; k + 2 < 32; k++)
        if (hypercall_page[k] == 0x0F && hypercall_page[k + 1] == 0x01)
            return hypercall_page[k + 2];
    return 0xC1;
}

bool call_from_is_ud(enum mode mode)
{
    u8 *page = (u8 *)0x9000, *code = mode == V86_MODE ? page + 0x800 : page + (real_mode_call - real_mode);
    volatile u8 *report = (volatile u8 *)0x9e00;

    need_cpus(2);
    cpu_reset(1);
    if (mode != V86_MODE) {
        memcpy(page, real_mode, (size_t)(real_mode_end - real_mode));
    } else {
        memcpy(page, v86_mode, (size_t)(v86_mode_end - v86_mode));
        memcpy(page + 0x800, v86_code, (size_t)(v86_code_end - v86_code));
    }
    code[2] = call_byte();
    if (mode == REAL_MODE_NO_CALL)
        memset(code, 0x90, 3);
    *report = 0;
    cpu_sipi(1, 9);
    if (!wait_for(*report > 1, 100 * MS))
        cpu_sipi(1, 9);
    expect(wait_for(*report > 1, 100 * MS), "the processor did not get to the call (report %u)", *report);
    expect(*report != 4, "the call raised #GP");
    return *report == 3;
}

static void tidy(void *arg)
{
    (void)arg;
    hv_tidy_this();
    apic_drain();
}

/* A processor that a test lost comes back by INIT. */
static void tidy_cpu(u32 n)
{
    struct cpu *c = &cpus[n];
    u32 before = c->alive;

    if (!c->used)
        return;
    if (!c->down)
        on_cpu_start(n, tidy, NULL);
    if (c->down || !wait_for(c->work_done != 0, 200 * MS)) {
        cpu_reset(n);
        c->work = NULL;
        c->work_done = 0;
        cpu_sipi(n, TRAMPOLINE_PAGE);
        if (!wait_for(c->alive != before, 500 * MS))
            print("# processor %u is lost\r\n", n);
        on_cpu_start(n, tidy, NULL);
        (void)wait_for(c->work_done != 0, 200 * MS);
    }
    c->used = false;
}

void cpus_tidy(void)
{
    copy_trampoline();
    tidy(NULL);
    for (u32 k = 1; k < ncpus; k++)
        tidy_cpu(k);
}
