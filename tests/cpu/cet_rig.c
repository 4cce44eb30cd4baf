/* SPDX-License-Identifier: MIT */
#include "tests/cpu/cet_rig.h"

struct fixture fixture;
struct fixture *const f = &fixture;

static int open_mode(enum fixture_mode mode)
{
    fixture_open(f);
    fixture_mode(f, mode);
    if (mode == FIXTURE_LONG) {
        fixture_small_pages(f, SHADOW_PAGE);
        put_pte(SHADOW_PAGE, PTE_SHADOW);
        put_pte(USER_PAGE, PTE_SHADOW | 4);
    }
    f->cpu->p.cr4 |= CR4_CET;
    put64(KERNEL_TOKEN, KERNEL_TOKEN);
    f->cpu->p.pl_ssp[0] = KERNEL_TOKEN;
    cpu_mode_changed(f->cpu);
    return 0;
}

int cet_setup32(void **state)
{
    (void)state;
    return open_mode(FIXTURE_FLAT32);
}

int cet_setup64(void **state)
{
    (void)state;
    return open_mode(FIXTURE_LONG);
}

int cet_teardown(void **state)
{
    (void)state;
    fixture_close(f);
    return 0;
}

void cet_on(unsigned cpl, uint64_t control, uint64_t ssp)
{
    *cet_control(f->cpu, cpl) = control;
    f->cpu->p.ssp = ssp;
    cpu_mode_changed(f->cpu);
}

void put64(uint64_t at, uint64_t v)
{
    fixture_put(f, at, &v, 8);
}

uint64_t get64(uint64_t at)
{
    return fixture_read(f, at, 8);
}

void put_pte(uint64_t lin, uint64_t low_bits)
{
    put64(fixture_entry_at(f, lin, 1), lin | low_bits);
    tlb_flush_page(f->cpu, lin);
}

uint32_t error_code(void)
{
    return (uint32_t)stacked(f, 0, f->cpu->p.efer & EFER_LMA ? 8 : 4);
}

bool msr_accepts(uint32_t msr, uint64_t value)
{
    return cpu_write_msr(f->cpu, msr, value);
}

void write_msr(uint32_t msr, uint64_t value)
{
    assert_true(msr_accepts(msr, value));
}

uint64_t read_msr(uint32_t msr)
{
    uint64_t value;

    assert_true(cpu_read_msr(f->cpu, msr, &value));
    return value;
}
