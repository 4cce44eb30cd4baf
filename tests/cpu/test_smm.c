/* SPDX-License-Identifier: MIT
 * System-management mode (SDM 3C "System Management Mode", APM 2 "System-Management Mode"): entry, the three formats of the
 * state-save area, RSM and what it refuses, restarts, what is held back meanwhile, and the memory only SMM sees. */
#include "cpu/seg.h"
#include "cpu/smm.h"
#include "tests/cpu/steps.h"

#define SMBASE  0x30000u
#define AREA    (SMBASE + 0x8000)       /* handler; offsets of the manuals' tables count from here */
#define PORT    0xb0

static struct fixture *const f = &steps_fixture;
static struct device port;

static uint64_t smi_read(struct device *dev, uint32_t at, unsigned bytes)
{
    (void)dev, (void)at, (void)bytes;
    cpu_signal(f->cpu, APIC_SIGNAL_SMI, 0);
    return 0x55555555;
}

static void smi_write(struct device *dev, uint32_t at, unsigned bytes, uint64_t value)
{
    (void)dev, (void)at, (void)bytes, (void)value;
    cpu_signal(f->cpu, APIC_SIGNAL_SMI, 0);
}

static const struct reg ports[] = { { PORT, 4, "smi", smi_read, smi_write, 4 } };

static int setup(void **state, enum fixture_mode mode)
{
    static const uint8_t rsm[] = { 0x0f, 0xaa };

    (void)state;
    fixture_open(f);
    fixture_mode(f, mode);
    fixture_put(f, AREA, rsm, sizeof rsm);
    space_add_device(f->io, 0, &port, ports, 1, LAYER_DEVICE);
    return 0;
}
static int setup_real(void **state) { return setup(state, FIXTURE_REAL); }
static int setup32(void **state) { return setup(state, FIXTURE_FLAT32); }
static int setup64(void **state) { return setup(state, FIXTURE_LONG); }

static void take_smi(void)
{
    cpu_signal(f->cpu, APIC_SIGNAL_SMI, 0);
    (void)cpu_run(f->cpu, 1);
    assert_true(f->cpu->s.smm);
}

static enum cpu_stop run(uint64_t insns) { return cpu_run(f->cpu, insns); }
static uint64_t area(unsigned at, unsigned bytes) { return fixture_read(f, AREA + at, bytes); }
static void put_area(unsigned at, unsigned bytes, uint64_t v) { space_write(f->memory, AREA + at, bytes, v); }

static void without_long_mode(void) { f->cpu->config.features[F_LM / 64] &= ~BIT64(F_LM % 64); }

/* Something different everywhere. */
static void fill_registers(void)
{
    for (unsigned n = 0; n < 16; n++)
        if (n != RSP && (n < 8 || (f->cpu->p.efer & EFER_LMA)))
            f->cpu->s.gpr[n] = 0x1111111 * (n + 1);
    f->cpu->s.cr2 = 0x12345;
    f->cpu->s.dr6 = 0xffff4ff1;
    f->cpu->p.dr7 = 0x600;
    f->cpu->p.seg_base[SEG_FS] = 0x700000;
    f->cpu->p.seg_base[SEG_LDTR] = 0x123000;
    f->cpu->p.seg_sel[SEG_LDTR] = 0x48;
    cpu_set_rflags(f->cpu, FLAG_CF | FLAG_ZF | FLAG_OF | FLAG_DF | 2);
}

/* ---- entry ---- */

static void entry_is_as_in_the_table(void **state)
{
    struct cpu *cpu = f->cpu;

    (void)state;
    fill_registers();
    cpu->p.cr0 |= CR0_EM | CR0_TS | CR0_CD;
    take_smi();
    assert_int_equal(cpu->p.rip, 0x8000);
    assert_int_equal(cpu->p.seg_sel[SEG_CS], SMBASE >> 4);
    assert_int_equal(cpu->p.seg_base[SEG_CS], SMBASE);
    for (unsigned seg = SEG_ES; seg <= SEG_GS; seg++)
        assert_int_equal(cpu->p.seg_limit[seg], 0xffffffff);
    assert_int_equal(cpu->p.seg_base[SEG_FS], 0);
    assert_int_equal(cpu->p.seg_sel[SEG_DS], 0);
    assert_int_equal(cpu_rflags(cpu), 2);
    assert_int_equal(cpu->p.cr0, CR0_CD | CR0_ET | CR0_NE | CR0_WP | CR0_MP);
    assert_int_equal(cpu->p.cr4 | cpu->p.efer, 0);
    assert_int_equal(cpu->p.dr7, 0x400);
    assert_int_equal(cpu->p.cpl, 0);
    assert_int_equal(cpu->s.gpr[RBX], 0x1111111 * (RBX + 1));
}

static void the_amd64_area_is_as_documented(void **state)
{
    struct cpu *cpu = f->cpu;

    (void)state;
    fill_registers();
    take_smi();
    assert_int_equal(area(0x7efc, 4), 0x30064);
    assert_int_equal(area(0x7f00, 4), SMBASE);
    assert_int_equal(area(0x7ff8, 8), cpu->s.gpr[RAX]);
    assert_int_equal(area(0x7fd8, 8), FIXTURE_STACK);
    assert_int_equal(area(0x7f80, 8), cpu->s.gpr[R15]);
    assert_int_equal(area(0x7f78, 8), FIXTURE_CODE);
    assert_int_equal(area(0x7f70, 8), FLAG_CF | FLAG_ZF | FLAG_OF | FLAG_DF | 2);
    assert_int_equal(area(0x7f60, 8), 0x600);
    assert_int_equal(area(0x7f68, 8), 0xffff4ff1);
    assert_int_equal(area(0x7f50, 8), FIXTURE_TABLES);
    assert_int_equal(area(0x7ed0, 8), EFER_LME | EFER_LMA | EFER_SCE | EFER_NXE);
    assert_int_equal(area(0x7e10, 2), 0x08);
    assert_int_equal(area(0x7e12, 2), 0xa09b);
    assert_int_equal(area(0x7e14, 4), 0xffffffff);
    assert_int_equal(area(0x7e48, 8), 0x700000);
    assert_int_equal(area(0x7e68, 8), FIXTURE_GDT);
    assert_int_equal(area(0x7e84, 2), 32 * 16 - 1);
    assert_int_equal(area(0x7e78, 8), 0x123000);
    assert_int_equal(area(0x7ec8, 2), 0);
}

static void the_intel64_area_is_as_documented(void **state)
{
    struct cpu *cpu = f->cpu;

    (void)state;
    cpu->config.smm_intel64 = true;
    fill_registers();
    cpu->p.idtr_base = 0xfedcba9876543210;
    take_smi();
    assert_int_equal(area(0x7ef8, 4), SMBASE);
    assert_int_equal(area(0x7ff8, 8), CR0_PE | CR0_PG | CR0_ET | CR0_NE | CR0_WP | CR0_MP);
    assert_int_equal(area(0x7fe0, 8), EFER_LME | EFER_LMA | EFER_SCE | EFER_NXE);
    assert_int_equal(area(0x7fd8, 8), FIXTURE_CODE);
    assert_int_equal(area(0x7fac, 4), 0x08);
    assert_int_equal(area(0x7f5c, 8), cpu->s.gpr[RAX]);
    assert_int_equal(area(0x7f7c, 8), FIXTURE_STACK);
    assert_int_equal(area(0x7f1c, 8), cpu->s.gpr[R15]);
    assert_int_equal(area(0x7e40, 8), CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT);
    assert_int_equal(area(0x7e94, 4), 0x76543210);
    assert_int_equal(area(0x7dd8, 4), 0xfedcba98);
    assert_int_equal(area(0x7f00, 4), 0);
    (void)run(1);
    assert_true(cpu->p.idtr_base == 0xfedcba9876543210);
}

static void the_legacy_area_is_as_documented(void **state)
{
    struct cpu *cpu = f->cpu;

    (void)state;
    without_long_mode();
    fill_registers();
    take_smi();
    assert_int_equal(area(0x7efc, 4), 0x30000);
    assert_int_equal(area(0x7ef8, 4), SMBASE);
    assert_int_equal(area(0x7ffc, 4), CR0_PE | CR0_ET | CR0_NE | CR0_WP);
    assert_int_equal(area(0x7ff4, 4), FLAG_CF | FLAG_ZF | FLAG_OF | FLAG_DF | 2);
    assert_int_equal(area(0x7ff0, 4), FIXTURE_CODE);
    assert_int_equal(area(0x7fd0, 4), cpu->s.gpr[RAX]);
    assert_int_equal(area(0x7fec, 4), cpu->s.gpr[RDI]);
    assert_int_equal(area(0x7fac, 4), 0x18);
    assert_int_equal(area(0x7fc0, 4), 0x48);
}

/* ---- RSM ---- */

static void round_trip(void)
{
    struct cpu_private before;
    uint64_t gpr[16], dr6 = f->cpu->s.dr6;

    f->cpu->p.rflags = cpu_rflags(f->cpu);
    before = f->cpu->p;
    memcpy(gpr, f->cpu->s.gpr, sizeof gpr);
    take_smi();
    (void)run(1);
    assert_false(f->cpu->s.smm);
    f->cpu->p.rflags = cpu_rflags(f->cpu);
    assert_memory_equal(&f->cpu->p, &before, sizeof before);
    assert_memory_equal(f->cpu->s.gpr, gpr, sizeof gpr);
    assert_int_equal(f->cpu->s.dr6, dr6);
}

static void rsm_restores_long_mode(void **state)
{
    (void)state;
    fill_registers();
    round_trip();
    fixture_privilege(f, 3);
    seg_install_null(f->cpu, SEG_DS, 0);
    round_trip();
    assert_int_equal(f->cpu->p.cpl, 3);
    f->cpu->config.smm_intel64 = true;
    round_trip();
}

static void rsm_restores_shadow_stack_and_masking(void **state)
{
    struct cpu *cpu = f->cpu;

    (void)state;
    cpu->p.cr4 |= CR4_CET;
    cpu->p.cr3 |= CR3_LAM_U48;
    cpu->p.ssp = 0x123450;
    cpu_mode_changed(cpu);
    round_trip();
    take_smi();
    assert_int_equal(area(0x7f18, 8), 0x123450);
    put_area(0x7f18, 8, 0x777770);
    (void)run(1);
    assert_int_equal(cpu->p.ssp, 0x777770);
    cpu->config.smm_intel64 = true;
    round_trip();
    take_smi();
    assert_int_equal(area(0x7ec8, 8), 0x777770);
    put_area(0x7ff8, 8, CR0_PE | CR0_PG | CR0_ET);      /* CET without WP */
    assert_int_equal(run(2), CPU_STOP_SHUTDOWN);
}

static void rsm_restores_32_bit_modes(void **state)
{
    (void)state;
    fill_registers();
    round_trip();
    without_long_mode();
    round_trip();
    fixture_privilege(f, 3);
    round_trip();
    cpu_set_rflags(f->cpu, FLAG_VM | FLAG_IF | FLAG_IOPL | 2);
    for (unsigned seg = SEG_ES; seg <= SEG_GS; seg++)
        seg_install_v86(f->cpu, (enum seg)seg, (uint16_t)(0x100 * seg));
    cpu_mode_changed(f->cpu);
    round_trip();
}

static void rsm_restores_real_mode(void **state)
{
    (void)state;
    fill_registers();
    round_trip();
    without_long_mode();
    f->cpu->p.seg_limit[SEG_GS] = 0xffffffff;
    round_trip();
}

static void rsm_is_for_smm(void **state)
{
    (void)state;
    assert_int_equal(FRESH("\x0f\xaa"), VEC_UD);
}

static void rsm_refuses_invalid_state(void **state)
{
    static const struct { unsigned at, bytes; uint64_t value; } rows[] = {
        { 0x7f58, 8, CR0_PG | CR0_ET },                                 /* PG without PE */
        { 0x7f58, 8, CR0_PE | CR0_PG | CR0_NW | CR0_ET },               /* NW without CD */
        { 0x7f58, 8, CR0_PE | CR0_PG | CR0_ET | BIT64(32) },
        { 0x7f48, 8, CR4_PAE | BIT64(31) },
        { 0x7f48, 8, 0 },                                               /* LME and PG without PAE */
        { 0x7f50, 8, BIT64(52) | FIXTURE_TABLES },
        { 0x7f60, 8, BIT64(32) | 0x400 },
        { 0x7f68, 8, BIT64(32) | 0xffff0ff0 },
        { 0x7ed0, 8, EFER_LME | EFER_LMA | 4 },
        { 0x7e12, 2, 0xe09b },                                          /* CS.L and CS.D */
        { 0x7efc, 4, 0x30065 },
    };

    (void)state;
    for (unsigned k = 0; k < COUNT_OF(rows); k++) {
        cpu_reset(f->cpu, false);
        fixture_mode(f, FIXTURE_LONG);
        take_smi();
        put_area(rows[k].at, rows[k].bytes, rows[k].value);
        if (run(2) != CPU_STOP_SHUTDOWN)
            fail_msg("row %u was accepted", k);
    }
}

static void rsm_loads_pdptes(void **state)
{
    struct cpu *cpu = f->cpu;

    (void)state;
    for (unsigned n = 0; n < 4; n++)
        space_write(f->memory, 0x500000 + 8 * n, 8, n << 12 | 1);
    cpu->p.cr3 = 0x500000;
    cpu->p.cr4 = CR4_PAE;
    take_smi();
    put_area(0x7f58, 8, CR0_PE | CR0_PG | CR0_ET);
    (void)run(1);
    assert_int_equal(cpu->p.pdpte[3], 0x3001);
    cpu->p.cr0 &= ~(uint64_t)CR0_PG;
    cpu_drop_caches(cpu);
    take_smi();
    put_area(0x7f58, 8, CR0_PE | CR0_PG | CR0_ET);
    space_write(f->memory, 0x500018, 8, 0x3003);        /* reserved bit */
    assert_int_equal(run(2), CPU_STOP_SHUTDOWN);
}

static void smbase_moves(void **state)
{
    (void)state;
    take_smi();
    put_area(0x7f00, 4, 0x60000);
    (void)run(1);
    assert_int_equal(f->cpu->s.smbase, 0x60000);
    take_smi();
    assert_int_equal(f->cpu->p.seg_base[SEG_CS], 0x60000);
    assert_int_equal(fixture_read(f, 0x6fefc, 4), 0x30064);
    cpu_reset(f->cpu, true);
    assert_int_equal(f->cpu->s.smbase, 0x60000);        /* INIT keeps it, RESET does not */
    cpu_reset(f->cpu, false);
    assert_int_equal(f->cpu->s.smbase, SMBASE);
    assert_false(f->cpu->s.smm);
}

/* ---- restarts ---- */

static void halt_restarts_if_the_handler_lets_it(void **state)
{
    (void)state;
    (void)FRESH("\xf4");
    assert_true(cpu_idle(f->cpu));
    cpu_signal(f->cpu, APIC_SIGNAL_SMI, 0);
    assert_false(cpu_idle(f->cpu));
    (void)run(1);
    assert_int_equal(area(0x7ec9, 1), 1);
    (void)run(1);
    assert_int_equal(f->cpu->p.activity, CPU_HALTED);
    take_smi();
    put_area(0x7ec9, 1, 0);
    (void)run(1);
    assert_int_equal(f->cpu->p.activity, CPU_RUNNING);
    assert_int_equal(f->cpu->p.rip, FIXTURE_CODE + 1);
    assert_false(f->cpu->s.smm);
}

static void a_port_access_is_described(void **state)
{
    (void)state;
    f->cpu->s.gpr[RDX] = PORT;
    fixture_code(f, "\xee", 1);                         /* OUT DX, AL */
    (void)run(2);
    assert_true(f->cpu->s.smm);
    assert_int_equal(area(0x7f78, 8), FIXTURE_CODE + 1);
    assert_int_equal(area(0x7ea0, 8), FIXTURE_CODE);
    assert_int_equal(area(0x7ec0, 4), PORT << 16 | 0x12);
    (void)run(1);
    assert_int_equal(f->cpu->p.rip, FIXTURE_CODE + 1);
    f->cpu->config.smm_intel64 = true;
    fixture_code(f, "\x90\xe5\xb0", 3);                 /* IN EAX, B0h */
    (void)run(2);
    assert_int_equal(area(0x7fa4, 4), PORT << 16 | 0x90 | 4 << 1 | 1);
    assert_int_equal(area(0x7de8, 8), FIXTURE_CODE + 1);
    assert_int_equal(f->cpu->s.gpr[RAX], 0x55555555);
    (void)run(1);
    take_smi();                                         /* one that no access raised */
    assert_int_equal(area(0x7fa4, 4), 0);
}

static void a_repeated_access_happens_again(void **state)
{
    (void)state;
    f->cpu->s.gpr[RDX] = PORT;
    f->cpu->s.gpr[RCX] = 3;
    f->cpu->s.gpr[RSI] = FIXTURE_DATA;
    fixture_code(f, "\xf3\x6e", 2);                     /* REP OUTSB */
    (void)run(2);
    assert_true(f->cpu->s.smm);
    assert_int_equal(area(0x7ec0, 4), PORT << 16 | 0x1e);
    assert_int_equal(area(0x7ff0, 8), 2);
    assert_int_equal(area(0x7f70, 8) & FLAG_RF, FLAG_RF);
    put_area(0x7ec8, 1, 0xff);
    (void)run(1);
    assert_int_equal(f->cpu->p.rip, FIXTURE_CODE);
    assert_int_equal(f->cpu->s.gpr[RCX], 3);
    assert_int_equal(f->cpu->s.gpr[RSI], FIXTURE_DATA);
    take_smi();
    put_area(0x7ec8, 1, 0xff);                          /* undefined without an access: nothing happens */
    (void)run(1);
    assert_int_equal(f->cpu->p.rip, FIXTURE_CODE);
}

/* ---- what waits meanwhile ---- */

static void one_smi_is_latched(void **state)
{
    (void)state;
    take_smi();
    cpu_signal(f->cpu, APIC_SIGNAL_SMI, 0);
    cpu_signal(f->cpu, APIC_SIGNAL_SMI, 0);
    (void)run(2);                                       /* RSM, and in again before any instruction */
    assert_true(f->cpu->s.smm);
    assert_int_equal(area(0x7f78, 8), FIXTURE_CODE);
    (void)run(1);
    assert_false(f->cpu->s.smm);
    assert_int_equal(f->cpu->s.smi_count, 2);
    f->cpu->s.gpr[RCX] = 0x34;
    (void)FRESH("\x0f\x32");
    assert_int_equal(f->cpu->s.gpr[RAX], 2);
}

static void nmi_waits_for_rsm(void **state)
{
    (void)state;
    fixture_put(f, AREA, "\x90\x90\x0f\xaa", 4);
    take_smi();
    cpu_signal(f->cpu, APIC_SIGNAL_NMI, 0);
    (void)run(2);
    assert_int_equal(f->cpu->p.rip, 0x8002);
    (void)run(2);
    assert_int_equal(f->cpu->p.rip, FIXTURE_HANDLER + 16 * VEC_NMI);
    assert_true(f->cpu->p.nmi_blocked);
    take_smi();
    fixture_put(f, AREA, "\x0f\xaa", 2);
    (void)run(1);
    assert_true(f->cpu->p.nmi_blocked);                 /* "SMI# nested inside an NMI handler" */
}

static void iret_lets_nmi_into_smm(void **state)
{
    (void)state;
    fixture_put(f, AREA, "\xcf", 1);
    f->cpu->s.gpr[RSP] = 0x5000;
    space_write(f->memory, 0x5000, 8, 0x0002300000009000);
    space_write(f->memory, 4 * VEC_NMI, 4, 0x40001234);
    f->cpu->p.idtr_base = 0;
    take_smi();
    cpu_signal(f->cpu, APIC_SIGNAL_NMI, 0);
    (void)run(2);
    assert_true(f->cpu->s.smm);
    assert_int_equal(f->cpu->p.seg_sel[SEG_CS], 0x4000);
    assert_int_equal(f->cpu->p.rip, 0x1234);
}

static void init_waits_for_rsm(void **state)
{
    (void)state;
    take_smi();
    fixture_put(f, AREA, "\xf4\x0f\xaa", 3);
    (void)run(1);
    cpu_signal(f->cpu, APIC_SIGNAL_INIT, 0);
    assert_true(cpu_idle(f->cpu));                      /* halted in SMM */
    assert_int_equal(run(1), CPU_STOP_IDLE);
    f->cpu->p.activity = CPU_RUNNING;
    (void)run(1);
    assert_false(f->cpu->s.smm);
    assert_true(f->cpu->p.init_pending && (f->cpu->p.cr0 & CR0_PE));
    (void)run(1);
    assert_false(f->cpu->p.init_pending || (f->cpu->p.cr0 & CR0_PE));
}

static void smi_comes_before_debug_traps_and_nmi(void **state)
{
    (void)state;
    cpu_set_rflags(f->cpu, FLAG_TF | 2);
    fixture_code(f, "\x90\x90", 2);
    cpu_signal(f->cpu, APIC_SIGNAL_NMI, 0);
    f->cpu->p.pending_db = BIT(14);
    cpu_attention(f->cpu, ATTEND_DEBUG);
    take_smi();
    assert_int_equal(f->cpu->p.pending_db, 0);
    assert_int_equal(f->cpu->p.rip, 0x8000);
    (void)run(2);
    assert_int_equal(f->cpu->p.rip, FIXTURE_HANDLER + 16 * VEC_DB);     /* the trap was kept */
    assert_int_equal(f->cpu->s.dr6 & BIT(14), BIT(14));
}

static void a_shadow_holds_smi_back(void **state)
{
    (void)state;
    fixture_code(f, "\xfb\x90\x90", 3);
    (void)run(1);
    cpu_signal(f->cpu, APIC_SIGNAL_SMI, 0);
    (void)run(2);
    assert_int_equal(area(0x7f78, 8), FIXTURE_CODE + 2);
}

static void a_processor_that_waits_to_start_keeps_its_smi(void **state)
{
    (void)state;
    f->cpu->p.activity = CPU_WAIT_SIPI;
    (void)run(1);
    cpu_signal(f->cpu, APIC_SIGNAL_SMI, 0);
    assert_true(cpu_idle(f->cpu));
    assert_int_equal(run(1), CPU_STOP_IDLE);
    cpu_signal(f->cpu, APIC_SIGNAL_SIPI, 9);
    (void)run(1);
    assert_true(f->cpu->s.smm);
}

/* ---- memory that only SMM sees ---- */

static void smm_memory_is_seen_in_smm_only(void **state)
{
    static const uint8_t outside[] = { 0xb0, 1, 0xa2, 0x00, 0x00, 0x0b, 0x00, 0xf4 };           /* MOV AL, 1; MOV [B0000h], AL */
    static const uint8_t inside[] = { 0xb0, 2, 0x67, 0xa2, 0x00, 0x00, 0x0b, 0x00, 0x0f, 0xaa };    /* MOV AL, 2; ...; RSM */
    gpa_t hidden = 0xc00000;

    (void)state;
    space_add_ram(f->smm_memory, 0xa0000, f->ram, hidden, 0x20000, ACCESS_READ | ACCESS_WRITE | ACCESS_EXECUTE, LAYER_RAM);
    f->cpu->s.smbase = 0xa0000;
    fixture_put(f, hidden + 0x8000, inside, sizeof inside);
    fixture_put(f, 0xa8000, outside, sizeof outside);
    f->cpu->p.rip = 0xa8000;
    (void)run(3);
    assert_int_equal(fixture_read(f, 0xb0000, 1), 1);
    take_smi();
    (void)run(3);
    assert_false(f->cpu->s.smm);
    assert_int_equal(fixture_read(f, 0xb0000, 1), 1);
    assert_int_equal(fixture_read(f, hidden + 0x10000, 1), 2);
    assert_int_equal(fixture_read(f, hidden + 0xfefc, 4), 0x30064);
    f->cpu->p.activity = CPU_RUNNING;
    f->cpu->p.rip = 0xa8000;
    space_write(f->memory, 0xb0000, 1, 0);
    (void)run(2);
    assert_int_equal(fixture_read(f, 0xb0000, 1), 1);
}

int main(void)
{
#define T(name, mode) cmocka_unit_test_setup_teardown(name, mode, steps_close)
    const struct CMUnitTest tests[] = {
        T(entry_is_as_in_the_table, setup64), T(the_amd64_area_is_as_documented, setup64),
        T(the_intel64_area_is_as_documented, setup64), T(the_legacy_area_is_as_documented, setup32),
        T(rsm_restores_long_mode, setup64), T(rsm_restores_shadow_stack_and_masking, setup64),
        T(rsm_restores_32_bit_modes, setup32), T(rsm_restores_real_mode, setup_real),
        T(rsm_is_for_smm, setup64), T(rsm_refuses_invalid_state, setup64), T(rsm_loads_pdptes, setup32),
        T(smbase_moves, setup64), T(halt_restarts_if_the_handler_lets_it, setup64), T(a_port_access_is_described, setup64),
        T(a_repeated_access_happens_again, setup64), T(one_smi_is_latched, setup64), T(nmi_waits_for_rsm, setup64),
        T(iret_lets_nmi_into_smm, setup_real), T(init_waits_for_rsm, setup64),
        T(smi_comes_before_debug_traps_and_nmi, setup64), T(a_shadow_holds_smi_back, setup64),
        T(a_processor_that_waits_to_start_keeps_its_smi, setup_real), T(smm_memory_is_seen_in_smm_only, setup32),
    };
#undef T

    return cmocka_run_group_tests(tests, NULL, NULL);
}
