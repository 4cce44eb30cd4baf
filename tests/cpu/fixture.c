/* SPDX-License-Identifier: MIT */
#include "tests/cpu/fixture.h"

#include <stdlib.h>
#include <string.h>

#include "cpu/block.h"

/* ---- the probe ---- */

static void note(struct probe *p, uint32_t at)
{
    p->last_at = at;
    p->seen_insns = p->fixture->clock.state.insns;
    p->seen_rip = p->fixture->cpu->p.rip;
    if (p->attention != 0)
        cpu_attention(p->fixture->cpu, p->attention);
}

static uint64_t probe_read(struct device *dev, uint32_t at, unsigned bytes)
{
    struct probe *p = (struct probe *)dev;

    (void)bytes;
    p->reads++;
    note(p, at);
    return p->seen_insns;
}

static void probe_write(struct device *dev, uint32_t at, unsigned bytes, uint64_t value)
{
    struct probe *p = (struct probe *)dev;

    (void)bytes;
    p->writes++;
    p->last_value = value;
    note(p, at);
}

static const struct device_class probe_class = { .name = "probe", .size = sizeof(struct probe) };
static const struct reg probe_window[] = { { 0, 8, "probe", probe_read, probe_write, 0x2000 } };
static const struct reg probe_port[] = { { 0, 4, "probe", probe_read, probe_write, 16 } };

struct probe *fixture_probe(struct fixture *f)
{
    return (struct probe *)f->probe;
}

/* ---- the machine ---- */

static int translate_after = -1;

void fixture_translate(unsigned threshold)
{
    translate_after = (int)threshold;
}

static void (*listener)(void *arg, const struct cpu_translation *t);
static void *listener_arg;

void fixture_listen(void (*translated)(void *arg, const struct cpu_translation *t), void *arg)
{
    listener = translated;
    listener_arg = arg;
}

static unsigned translation(void)
{
    return translate_after >= 0 ? (unsigned)translate_after : getenv("PARTITA_TEST_JIT") != NULL;
}

/* What the translator leaves out, by the letters of -accel jit,off=. */
static unsigned passes_off(void)
{
    const char *letters = getenv("PARTITA_JIT_OFF"), *what;
    unsigned off = 0;
    char letter;

    for (unsigned n = 0; letters != NULL && cpu_jit_pass(n, &letter, &what); n++)
        off |= strchr(letters, letter) != NULL ? BIT(n) : 0;
    return off;
}

static struct cpu *make_cpu(struct fixture *f, const char *model, unsigned index)
{
    const struct cpu_ports ports = { .memory = f->memory, .smm_memory = f->smm_memory, .io = f->io, .clock = &f->clock };
    struct cpu_config config = { 0 };
    struct err e = cpu_config_parse(&config, model);

    invariant(!failed(&e), "%s", e.text);
    config.index = index;
    config.count = 2;
    config.tsc_hz = 1000000000;
    config.jit = translation();
    config.jit_off = passes_off();
    config.jit_counts = getenv("PARTITA_JIT_OFF") != NULL;
    config.translated = listener;
    config.translated_arg = listener_arg;
    return cpu_create(&f->tree, &config, &ports);
}

void fixture_open(struct fixture *f)
{
    fixture_open_model(f, "max");
}

void fixture_open_model(struct fixture *f, const char *model)
{
    struct err e;

    memset(f, 0, sizeof *f);
    device_tree_init(&f->tree);
    clock_init(&f->clock, 1000);
    f->memory = space_create("memory", 0);
    f->smm_memory = space_create_over("memory in SMM", f->memory);
    f->io = space_create("ports", 0x10000);
    e = ram_create(&f->ram, "ram", FIXTURE_RAM);
    invariant(!failed(&e), "%s", e.text);
    space_add_ram(f->memory, 0, f->ram, 0, FIXTURE_RAM, ACCESS_READ | ACCESS_WRITE | ACCESS_EXECUTE, LAYER_RAM);
    f->probe = device_create(&f->tree, &probe_class, "probe");
    fixture_probe(f)->fixture = f;
    space_add_device(f->memory, FIXTURE_MMIO, f->probe, probe_window, 1, LAYER_DEVICE);
    space_add_device(f->io, 0x80, f->probe, probe_port, 1, LAYER_DEVICE);
    f->cpu = make_cpu(f, model, 0);
    f->other = make_cpu(f, model, 1);
}

void fixture_close(struct fixture *f)
{
    device_tree_free(&f->tree);
    space_free(f->smm_memory);
    space_free(f->memory);
    space_free(f->io);
    ram_free(f->ram);
    clock_free(&f->clock);
}

/* ---- memory ---- */

void fixture_put(struct fixture *f, uint64_t at, const void *bytes, size_t len)
{
    space_write_bytes(f->memory, at, bytes, len);
}

void fixture_code(struct fixture *f, const void *bytes, size_t len)
{
    fixture_put(f, FIXTURE_CODE, bytes, len);
}

uint64_t fixture_read(struct fixture *f, uint64_t at, unsigned bytes)
{
    return space_read(f->memory, at, bytes);
}

static void put64(struct fixture *f, uint64_t at, uint64_t v)
{
    fixture_put(f, at, &v, sizeof v);
}

/* One PML4, one PDPT, four page directories of 2 MiB pages: the low 4 GiB; then room for small tables. */
static void page_tables(struct fixture *f)
{
    put64(f, FIXTURE_TABLES, (FIXTURE_TABLES + 0x1000) | 7);
    for (unsigned n = 0; n < 4; n++)
        put64(f, FIXTURE_TABLES + 0x1000 + 8 * n, (FIXTURE_TABLES + 0x2000 + n * 0x1000) | 7);
    for (uint64_t n = 0; n < 2048; n++)
        put64(f, FIXTURE_TABLES + 0x2000 + 8 * n, n << 21 | 0x87);
}

uint64_t fixture_entry_at(const struct fixture *f, uint64_t lin, unsigned level)
{
    (void)f;
    switch (level) {
    case 4:  return FIXTURE_TABLES;
    case 3:  return FIXTURE_TABLES + 0x1000 + 8 * (lin >> 30);
    case 2:  return FIXTURE_TABLES + 0x2000 + 8 * (lin >> 21);
    default: return FIXTURE_TABLES + 0x10000 + (lin >> 21) * 0x1000 + 8 * ((lin >> 12) & 511);
    }
}

void fixture_small_pages(struct fixture *f, uint64_t lin)
{
    uint64_t base = lin & ~(uint64_t)0x1fffff;

    for (uint64_t n = 0; n < 512; n++)
        put64(f, fixture_entry_at(f, base + (n << 12), 1), base | n << 12 | 7);
    put64(f, fixture_entry_at(f, base, 2), (fixture_entry_at(f, base, 1) & ~(uint64_t)0xfff) | 7);
    tlb_flush_all(f->cpu);
}

void fixture_map(struct fixture *f, uint64_t lin, uint64_t at)
{
    static const unsigned shift[] = { 39, 30, 21, 12 };
    uint64_t table = FIXTURE_TABLES, spare = FIXTURE_TABLES + 0x700000;

    for (unsigned level = 0; level < 4; level++) {
        uint64_t entry = table + 8 * ((lin >> shift[level]) & 511), v = fixture_read(f, entry, 8);

        if (level == 3) {
            put64(f, entry, at | 7);
            break;
        }
        while (!(v & 1)) {                      /* the first table that is still all zeros */
            if (fixture_read(f, spare + 0xff8, 8) == 0) {
                put64(f, spare + 0xff8, 0x1000);    /* a mark that is not present */
                v = spare | 7;
                put64(f, entry, v);
            }
            spare += 0x1000;
        }
        table = v & ~(uint64_t)0xfff;
    }
    tlb_flush_all(f->cpu);
}

/* Gates of the present mode. A handler is HLT. */
void fixture_tables(struct fixture *f)
{
    static const uint64_t gdt[] = {
        0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x00cf9b000000ffff,     /* 08 code 64, 10 data, 18 code 32 */
        0x00affb000000ffff, 0x00cff3000000ffff, 0x00cffb000000ffff,        /* 23h code 64, 2Bh data, 33h code 32 of CPL 3 */
    };
    bool wide = f->cpu->p.efer & EFER_LMA;
    uint8_t hlt = 0xf4;

    fixture_put(f, FIXTURE_GDT, gdt, sizeof gdt);
    for (unsigned n = 0; n < 32; n++) {
        uint64_t at = FIXTURE_HANDLER + 16 * n;
        uint64_t low = (at & 0xffff) | (wide ? 0x08 : 0x18) << 16 | 0x8e00ull << 32 | (at >> 16) << 48;

        fixture_put(f, at, &hlt, 1);
        put64(f, FIXTURE_IDT + n * (wide ? 16 : 8), low);
        if (wide)
            put64(f, FIXTURE_IDT + n * 16 + 8, 0);
    }
    f->cpu->p.gdtr_base = FIXTURE_GDT;
    f->cpu->p.gdtr_limit = sizeof gdt - 1;
    f->cpu->p.idtr_base = FIXTURE_IDT;
    f->cpu->p.idtr_limit = 32 * 16 - 1;
}

/* ---- modes ---- */

static void set_segment(struct cpu *cpu, enum seg seg, uint16_t selector, uint32_t attr, uint32_t limit)
{
    cpu->p.seg_sel[seg] = selector;
    cpu->p.seg_base[seg] = 0;
    cpu->p.seg_limit[seg] = limit;
    cpu->p.seg_attr[seg] = attr;
}

static void set_segments(struct cpu *cpu, uint16_t code, uint32_t code_attr, uint16_t data, uint32_t data_attr,
                         uint32_t limit)
{
    set_segment(cpu, SEG_CS, code, code_attr, limit);
    for (unsigned seg = SEG_ES; seg <= SEG_GS; seg++)
        if (seg != SEG_CS)
            set_segment(cpu, (enum seg)seg, data, data_attr, limit);
}

void fixture_mode(struct fixture *f, enum fixture_mode mode)
{
    struct cpu *cpu = f->cpu;

    cpu->p.cpl = 0;
    cpu->p.activity = CPU_RUNNING;
    cpu->p.cr4 = cpu->p.efer = 0;
    if (mode == FIXTURE_REAL) {
        cpu->p.cr0 = CR0_ET;
        set_segments(cpu, 0, 0x9b, 0, 0x93, 0xffff);
    } else if (mode == FIXTURE_FLAT32) {
        cpu->p.cr0 = CR0_PE | CR0_ET | CR0_NE | CR0_WP;
        set_segments(cpu, 0x18, 0xc09b, 0x10, 0xc093, 0xffffffff);
    } else {
        page_tables(f);
        cpu->p.cr0 = CR0_PE | CR0_PG | CR0_ET | CR0_NE | CR0_WP | CR0_MP;
        cpu->p.cr3 = FIXTURE_TABLES;
        cpu->p.cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT;
        cpu->p.efer = EFER_LME | EFER_LMA | EFER_SCE | EFER_NXE;
        set_segments(cpu, 0x08, 0xa09b, 0x10, 0xc093, 0xffffffff);
    }
    cpu->p.rip = mode == FIXTURE_REAL ? 0x8000 : FIXTURE_CODE;
    cpu->s.gpr[RSP] = mode == FIXTURE_REAL ? 0x7000 : FIXTURE_STACK;
    cpu_set_rflags(cpu, 2);
    cpu_mode_changed(cpu);
    cpu_drop_caches(cpu);
    if (mode != FIXTURE_REAL)
        fixture_tables(f);
}

/* To level 3 of the same mode. Exceptions then change the stack, so there is a TSS too. */
void fixture_privilege(struct fixture *f, unsigned cpl)
{
    struct cpu *cpu = f->cpu;
    bool wide = cpu->p.efer & EFER_LMA;
    uint64_t stack = FIXTURE_STACK - 0x8000;

    if (cpl == 3) {
        set_segments(cpu, wide ? 0x23 : 0x33, wide ? 0xa0fb : 0xc0fb, 0x2b, 0xc0f3, 0xffffffff);
        set_segment(cpu, SEG_TR, 0x40, 0x8b, 0x67);
        cpu->p.seg_base[SEG_TR] = FIXTURE_GDT + 0x800;
        fixture_put(f, FIXTURE_GDT + 0x804, &stack, 8);
        if (!wide) {
            uint16_t ss = 0x10;

            fixture_put(f, FIXTURE_GDT + 0x808, &ss, 2);
        }
    }
    cpu->p.cpl = (uint8_t)cpl;
    cpu_mode_changed(cpu);
}

int fixture_run(struct fixture *f, uint64_t most)
{
    enum cpu_stop stop = cpu_run(f->cpu, most);
    uint64_t at = f->cpu->p.rip - 1 - FIXTURE_HANDLER;

    return stop == CPU_STOP_IDLE && at < 32 * 16 && at % 16 == 0 ? (int)(at / 16) : -1;
}
