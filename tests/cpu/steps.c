/* SPDX-License-Identifier: MIT */
#include "tests/cpu/steps.h"

struct fixture steps_fixture;

static int open_in(enum fixture_mode mode)
{
    fixture_open(&steps_fixture);
    fixture_mode(&steps_fixture, mode);
    return 0;
}

int steps_real(void **state UNUSED) { return open_in(FIXTURE_REAL); }
int steps_flat32(void **state UNUSED) { return open_in(FIXTURE_FLAT32); }
int steps_long(void **state UNUSED) { return open_in(FIXTURE_LONG); }

int steps_close(void **state UNUSED)
{
    fixture_close(&steps_fixture);
    return 0;
}

int step(struct fixture *f, const void *bytes, size_t len)
{
    uint64_t at;

    fixture_put(f, f->cpu->p.seg_base[SEG_CS] + f->cpu->p.rip, bytes, len);
    f->cpu->p.activity = CPU_RUNNING;
    (void)cpu_run(f->cpu, 1);
    at = f->cpu->p.rip - FIXTURE_HANDLER;
    return at < 32 * 16 && at % 16 == 0 ? (int)(at / 16) : -1;
}

int step_fresh(struct fixture *f, const void *bytes, size_t len)
{
    f->cpu->p.rip = f->cpu->p.cr0 & CR0_PE ? FIXTURE_CODE : 0x8000;
    return step(f, bytes, len);
}

uint64_t stacked(const struct fixture *f, unsigned n, unsigned bytes)
{
    return space_read(f->memory, f->cpu->p.seg_base[SEG_SS] + f->cpu->s.gpr[RSP] + n * bytes, bytes);
}

void put_descriptor(struct fixture *f, unsigned selector, uint64_t raw)
{
    fixture_put(f, FIXTURE_GDT + (selector & ~7u), &raw, 8);
    if (f->cpu->p.gdtr_limit < (selector | 7))
        f->cpu->p.gdtr_limit = (uint16_t)(selector | 7);
}

uint64_t make_descriptor(uint32_t base, uint32_t limit, uint32_t attr)
{
    uint32_t low = base << 16 | (limit & 0xffff);
    uint32_t high = (base & 0xff000000) | (attr & 0xf0ff) << 8 | (limit & 0xf0000) | ((base >> 16) & 0xff);

    return (uint64_t)high << 32 | low;
}

uint64_t make_gate(uint16_t selector, uint32_t offset, uint32_t type_and_rights, unsigned params)
{
    uint32_t low = (uint32_t)selector << 16 | (offset & 0xffff);
    uint32_t high = (offset & 0xffff0000) | type_and_rights << 8 | params;

    return (uint64_t)high << 32 | low;
}

void put_idt32(struct fixture *f, unsigned vector, uint64_t gate)
{
    fixture_put(f, FIXTURE_IDT + 8 * vector, &gate, 8);
}

void put_idt64(struct fixture *f, unsigned vector, uint16_t selector, uint64_t offset, uint32_t rights, unsigned ist)
{
    uint64_t gate[2] = { make_gate(selector, (uint32_t)offset, rights, ist), offset >> 32 };

    fixture_put(f, FIXTURE_IDT + 16 * vector, gate, 16);
}

/* ---- the APIC ---- */

static int pending(void *self)
{
    return ((struct fake_apic *)self)->vector;
}

static int accept_vector(void *self)
{
    struct fake_apic *a = self;
    int vector = a->vector;

    a->vector = APIC_NONE;
    a->accepted++;
    return vector;
}

static bool read_register(void *self, unsigned reg, uint64_t *value)
{
    struct fake_apic *a = self;

    *value = reg == 8 ? a->tpr : reg;
    return reg < 0x40;
}

static bool write_register(void *self, unsigned reg, uint64_t value)
{
    struct fake_apic *a = self;

    if (reg == 8)
        a->tpr = value;
    return reg < 0x40;
}

static uint64_t base(void *self)
{
    return ((struct fake_apic *)self)->base;
}

static bool set_base(void *self, uint64_t value)
{
    ((struct fake_apic *)self)->base = value;
    return true;
}

static uint64_t deadline(void *self)
{
    return ((struct fake_apic *)self)->deadline;
}

static void set_deadline(void *self, uint64_t tsc)
{
    ((struct fake_apic *)self)->deadline = tsc;
}

const struct apic_ops fake_apic_ops = {
    .pending = pending, .accept = accept_vector, .read = read_register, .write = write_register, .base = base,
    .set_base = set_base, .tsc_deadline = deadline, .set_tsc_deadline = set_deadline,
};

void give_apic(struct fixture *f, struct fake_apic *apic)
{
    *apic = (struct fake_apic){ .vector = APIC_NONE, .base = 0xfee00900 };
    cpu_set_apic(f->cpu, &fake_apic_ops, apic);
}
