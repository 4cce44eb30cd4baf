/* SPDX-License-Identifier: MIT
 * Delivery of exceptions and interrupts: frames in every mode, stack switches, nested faults, priorities and shadows. */
#include "cpu/event.h"
#include "cpu/seg.h"
#include "tests/cpu/steps.h"

static struct fixture *const f = &steps_fixture;
static struct fake_apic apic;

static int setup(void **state, enum fixture_mode mode)
{
    (void)state;
    fixture_open(f);
    fixture_mode(f, mode);
    give_apic(f, &apic);
    return 0;
}
static int setup32(void **state) { return setup(state, FIXTURE_FLAT32); }
static int setup64(void **state) { return setup(state, FIXTURE_LONG); }
static int setup_real(void **state) { return setup(state, FIXTURE_REAL); }

static void interrupts_on(void)
{
    cpu_set_rflags(f->cpu, cpu_rflags(f->cpu) | FLAG_IF);
}

/* ---- frames ---- */

static void real_mode_pushes_three_words(void **state)
{
    static const uint8_t entry[4] = { 0x00, 0x05, 0x00, 0x20 };            /* 2000h:0500h */

    (void)state;
    fixture_put(f, 4 * 0x21, entry, 4);
    f->cpu->p.idtr_limit = 0x3ff;
    cpu_set_rflags(f->cpu, FLAG_IF | FLAG_TF | FLAG_CF | 2);
    f->cpu->p.rflags &= ~(uint64_t)FLAG_TF;
    (void)FRESH("\xcd\x21");
    assert_int_equal(f->cpu->p.seg_sel[SEG_CS], 0x2000);
    assert_int_equal(f->cpu->p.rip, 0x500);
    assert_int_equal(stacked(f, 0, 2), 0x8002);
    assert_int_equal(stacked(f, 1, 2), 0);
    assert_int_equal(stacked(f, 2, 2), FLAG_IF | FLAG_CF | 2);
    assert_false(f->cpu->p.rflags & FLAG_IF);
}

static void faults_push_rf_and_the_error_code(void **state)
{
    (void)state;
    f->cpu->s.gpr[RAX] = 0x100;
    assert_int_equal(FRESH("\x8e\xd8"), VEC_GP);
    assert_int_equal(f->cpu->s.gpr[RSP], FIXTURE_STACK - 16);
    assert_int_equal(stacked(f, 0, 4), 0x100);
    assert_int_equal(stacked(f, 1, 4), FIXTURE_CODE);
    assert_int_equal(stacked(f, 2, 4), 0x18);
    assert_int_equal(stacked(f, 3, 4), FLAG_RF | 2);
}

static void int_n_is_no_fault(void **state)
{
    (void)state;
    assert_int_equal(FRESH("\xcd\x05"), 5);
    assert_int_equal(f->cpu->s.gpr[RSP], FIXTURE_STACK - 12);
    assert_int_equal(stacked(f, 0, 4), FIXTURE_CODE + 2);
    assert_int_equal(stacked(f, 2, 4), 2);
}

static void level_3_enters_on_the_tss_stack(void **state)
{
    (void)state;
    fixture_privilege(f, 3);
    assert_int_equal(FRESH("\x0f\x0b"), VEC_UD);
    assert_int_equal(f->cpu->p.cpl, 0);
    assert_int_equal(f->cpu->p.seg_sel[SEG_SS], 0x10);
    assert_int_equal(f->cpu->s.gpr[RSP], FIXTURE_STACK - 0x8000 - 20);
    assert_int_equal(stacked(f, 0, 4), FIXTURE_CODE);
    assert_int_equal(stacked(f, 1, 4), 0x33);
    assert_int_equal(stacked(f, 3, 4), FIXTURE_STACK);
    assert_int_equal(stacked(f, 4, 4), 0x2b);
}

static void sixteen_bit_gates_push_words(void **state)
{
    (void)state;
    put_descriptor(f, 0x80, make_descriptor(0x20000, 0xffff, 0x009a | PRESENT));
    put_idt32(f, 5, make_gate(0x80, 0x123, TYPE_INT16 | PRESENT, 0));
    (void)FRESH("\xcd\x05");
    assert_int_equal(f->cpu->p.rip, 0x123);
    assert_int_equal(f->cpu->s.gpr[RSP], FIXTURE_STACK - 6);
}

/* SDM 3A "64-Bit Mode Stack Frame". */
static void long_mode_aligns_and_nulls_ss(void **state)
{
    (void)state;
    fixture_privilege(f, 3);
    f->cpu->s.gpr[RSP] = FIXTURE_STACK - 3;
    assert_int_equal(FRESH("\x0f\x0b"), VEC_UD);
    assert_int_equal(f->cpu->s.gpr[RSP], FIXTURE_STACK - 0x8000 - 40);
    assert_int_equal(f->cpu->p.seg_sel[SEG_SS], 0);
    assert_int_equal(stacked(f, 3, 8), FIXTURE_STACK - 3);
    assert_int_equal(stacked(f, 4, 8), 0x2b);
    fixture_mode(f, FIXTURE_LONG);
    f->cpu->s.gpr[RSP] = FIXTURE_STACK - 3;
    assert_int_equal(FRESH("\x0f\x0b"), VEC_UD);
    assert_int_equal(f->cpu->s.gpr[RSP], FIXTURE_STACK - 16 - 40);
    assert_int_equal(f->cpu->p.seg_sel[SEG_SS], 0x10);      /* no change of level */
}

static void ist_switches_at_any_level(void **state)
{
    uint64_t stack = 0x95008;

    (void)state;
    fixture_privilege(f, 3);
    fixture_put(f, FIXTURE_GDT + 0x800 + 0x24 + 8, &stack, 8);              /* IST2 */
    put_idt64(f, 5, 8, FIXTURE_HANDLER + 0x50, TYPE_INT32 | PRESENT, 2);
    fixture_mode(f, FIXTURE_LONG);
    put_idt64(f, 5, 8, FIXTURE_HANDLER + 0x50, TYPE_INT32 | PRESENT, 2);
    assert_int_equal(FRESH("\xcd\x05"), 5);
    assert_int_equal(f->cpu->s.gpr[RSP], 0x95000 - 40);
}

/* ---- checks ---- */

static void gates_are_checked(void **state)
{
    (void)state;
    put_idt32(f, 5, make_gate(0x18, FIXTURE_HANDLER, TYPE_INT32, 0));               /* not present */
    assert_int_equal(FRESH("\xcd\x05"), VEC_NP);
    assert_int_equal(stacked(f, 0, 4), 5 * 8 + 2);
    put_idt32(f, 5, make_gate(0x18, FIXTURE_HANDLER, TYPE_CALL32 | PRESENT, 0));
    assert_int_equal(FRESH("\xcd\x05"), VEC_GP);
    assert_int_equal(stacked(f, 0, 4), 5 * 8 + 2);
    put_idt32(f, 5, make_gate(0x10, FIXTURE_HANDLER, TYPE_INT32 | PRESENT, 0));     /* data segment */
    assert_int_equal(FRESH("\xcd\x05"), VEC_GP);
    assert_int_equal(stacked(f, 0, 4), 0x10);
    put_idt32(f, 5, make_gate(3, FIXTURE_HANDLER, TYPE_INT32 | PRESENT, 0));
    assert_int_equal(FRESH("\xcd\x05"), VEC_GP);
    assert_int_equal(stacked(f, 0, 4), 0);
    assert_int_equal(FRESH("\xcd\xff"), VEC_GP);                                    /* beyond the IDT */
    assert_int_equal(stacked(f, 0, 4), 0xff * 8 + 2);
}

static void software_interrupts_need_the_gates_dpl(void **state)
{
    (void)state;
    fixture_privilege(f, 3);
    assert_int_equal(FRESH("\xcd\x05"), VEC_GP);
    assert_int_equal(stacked(f, 0, 4), 5 * 8 + 2);
    fixture_privilege(f, 3);
    assert_int_equal(FRESH("\xcc"), VEC_GP);
    fixture_privilege(f, 3);
    assert_int_equal(FRESH("\xf1"), VEC_DB);                                        /* INT1: like hardware */
    put_idt32(f, 5, make_gate(0x18, FIXTURE_HANDLER + 0x50, TYPE_INT32 | PRESENT | DPL(3), 0));
    fixture_privilege(f, 3);
    assert_int_equal(FRESH("\xcd\x05"), 5);
}

static void nested_faults_of_exceptions_say_ext(void **state)
{
    (void)state;
    put_idt32(f, VEC_UD, make_gate(0x18, FIXTURE_HANDLER, TYPE_INT32, 0));
    assert_int_equal(FRESH("\x0f\x0b"), VEC_NP);
    assert_int_equal(stacked(f, 0, 4), VEC_UD * 8 + 3);
}

static void long_gates_need_64_bit_code(void **state)
{
    (void)state;
    put_idt64(f, 5, 0x18, FIXTURE_HANDLER, TYPE_INT32 | PRESENT, 0);
    assert_int_equal(FRESH("\xcd\x05"), VEC_GP);
    assert_int_equal(stacked(f, 0, 8), 0x18);
    put_idt64(f, 5, 8, 0x0000900000000000u, TYPE_INT32 | PRESENT, 0);
    assert_int_equal(FRESH("\xcd\x05"), VEC_GP);
    assert_int_equal(stacked(f, 0, 8), 0);
    put_idt64(f, 5, 8, FIXTURE_HANDLER, TYPE_INT16 | PRESENT, 0);
    assert_int_equal(FRESH("\xcd\x05"), VEC_GP);
    assert_int_equal(stacked(f, 0, 8), 5 * 8 + 2);
}

/* ---- double and triple faults: SDM 3A "Interrupt 8-Double Fault Exception (#DF)" ---- */

static void contributory_twice_is_a_double_fault(void **state)
{
    (void)state;
    put_idt32(f, VEC_GP, make_gate(0x18, FIXTURE_HANDLER, TYPE_INT32, 0));          /* #GP leads to #NP */
    f->cpu->s.gpr[RAX] = 0x100;
    assert_int_equal(FRESH("\x8e\xd8"), VEC_DF);
    assert_int_equal(stacked(f, 0, 4), 0);
}

static void benign_then_contributory_is_serial(void **state)
{
    (void)state;
    put_idt32(f, VEC_UD, make_gate(0, 0, TYPE_INT32 | PRESENT, 0));
    assert_int_equal(FRESH("\x0f\x0b"), VEC_GP);
    assert_int_equal(stacked(f, 0, 4), 1);                                          /* null selector and EXT */
}

static void page_fault_twice_is_a_double_fault(void **state)
{
    uint64_t stack = 0x3ff000, none = 0;

    (void)state;
    fixture_small_pages(f, 0x200000);
    fixture_put(f, fixture_entry_at(f, 0x3fe000, 1), &none, 8);
    fixture_put(f, fixture_entry_at(f, 0x3ff000, 1), &none, 8);
    fixture_privilege(f, 3);
    fixture_put(f, FIXTURE_GDT + 0x804, &stack, 8);
    fixture_put(f, FIXTURE_GDT + 0x800 + 0x24, (uint64_t[]){ 0x95000 }, 8);
    put_idt64(f, VEC_DF, 8, FIXTURE_HANDLER + 0x80, TYPE_INT32 | PRESENT, 1);
    tlb_flush_all(f->cpu);
    assert_int_equal(FRESH("\x8a\x04\x25\x00\xf0\x3f\x00"), VEC_DF);                /* mov al, [3ff000h] */
    assert_int_equal(f->cpu->s.cr2, 0x3feff8);                                      /* the push, not the load */
}

static unsigned triple_faults;

static enum intercept host_event(void *self, struct cpu *cpu, const struct cpu_event *e)
{
    (void)self;
    (void)cpu;
    triple_faults += e->kind == CPU_EVENT_TRIPLE_FAULT;
    return PASS;
}

static void a_fault_in_a_double_fault_shuts_down(void **state)
{
    static const struct cpu_host host = { .event = host_event };

    (void)state;
    triple_faults = 0;
    cpu_set_host(f->cpu, &host, NULL);
    f->cpu->p.idtr_limit = 0;
    (void)FRESH("\x0f\x0b");
    assert_int_equal(f->cpu->p.activity, CPU_SHUTDOWN);
    assert_int_equal(triple_faults, 1);
    assert_int_equal(cpu_run(f->cpu, 10), CPU_STOP_SHUTDOWN);
}

/* ---- interrupts ---- */

static void the_apic_interrupts_between_instructions(void **state)
{
    (void)state;
    fixture_code(f, "\x90\x90\x90", 3);
    apic.vector = 0x13;
    cpu_signal(f->cpu, APIC_SIGNAL_INTR, 0);
    (void)cpu_run(f->cpu, 1);
    assert_int_equal(f->cpu->p.rip, FIXTURE_CODE + 1);      /* IF is clear */
    interrupts_on();
    (void)cpu_run(f->cpu, 1);
    assert_int_equal(f->cpu->p.rip, FIXTURE_HANDLER + 0x130);
    assert_int_equal(apic.accepted, 1);
    assert_int_equal(stacked(f, 0, 8), FIXTURE_CODE + 1);
}

static void sti_shadows_one_instruction(void **state)
{
    (void)state;
    fixture_code(f, "\xfb\x90\x90", 3);
    apic.vector = 0x13;
    cpu_signal(f->cpu, APIC_SIGNAL_INTR, 0);
    (void)cpu_run(f->cpu, 2);
    assert_int_equal(f->cpu->p.rip, FIXTURE_CODE + 2);
    (void)cpu_run(f->cpu, 1);
    assert_int_equal(stacked(f, 0, 8), FIXTURE_CODE + 2);
}

static void mov_ss_shadows_nmi_too(void **state)
{
    (void)state;
    f->cpu->s.gpr[RAX] = 0x10;
    fixture_code(f, "\x8e\xd0\x90\x90", 4);
    (void)cpu_run(f->cpu, 1);
    cpu_signal(f->cpu, APIC_SIGNAL_NMI, 0);
    (void)cpu_run(f->cpu, 1);
    assert_int_equal(f->cpu->p.rip, FIXTURE_CODE + 3);
    (void)cpu_run(f->cpu, 1);
    assert_int_equal(f->cpu->p.rip, FIXTURE_HANDLER + 0x20);
    assert_int_equal(stacked(f, 0, 8), FIXTURE_CODE + 3);
}

static void nmi_comes_before_interrupts_and_blocks_itself(void **state)
{
    (void)state;
    fixture_put(f, FIXTURE_HANDLER + 0x20, "\x48\xcf", 2);                  /* iretq */
    interrupts_on();
    apic.vector = 0x13;
    cpu_signal(f->cpu, APIC_SIGNAL_INTR, 0);
    cpu_signal(f->cpu, APIC_SIGNAL_NMI, 0);
    (void)cpu_run(f->cpu, 1);
    assert_int_equal(f->cpu->p.rip, FIXTURE_HANDLER + 0x20);
    cpu_signal(f->cpu, APIC_SIGNAL_NMI, 0);
    assert_true(f->cpu->p.nmi_blocked);
    (void)cpu_run(f->cpu, 1);                                               /* IRET */
    assert_int_equal(f->cpu->p.rip, FIXTURE_CODE);
    (void)cpu_run(f->cpu, 1);
    assert_int_equal(f->cpu->p.rip, FIXTURE_HANDLER + 0x20);                /* the second NMI */
    (void)cpu_run(f->cpu, 2);
    assert_int_equal(f->cpu->p.rip, FIXTURE_HANDLER + 0x130);
}

static void halt_waits_for_what_can_be_delivered(void **state)
{
    (void)state;
    fixture_code(f, "\xf4\x90", 2);
    apic.vector = APIC_NONE;
    assert_int_equal(cpu_run(f->cpu, 10), CPU_STOP_IDLE);
    assert_true(cpu_idle(f->cpu));
    apic.vector = 0x13;
    cpu_signal(f->cpu, APIC_SIGNAL_INTR, 0);
    assert_true(cpu_idle(f->cpu));                                          /* IF is clear */
    assert_int_equal(cpu_run(f->cpu, 10), CPU_STOP_IDLE);
    interrupts_on();
    assert_false(cpu_idle(f->cpu));
    (void)cpu_run(f->cpu, 1);
    assert_int_equal(f->cpu->p.rip, FIXTURE_HANDLER + 0x130);
    assert_int_equal(stacked(f, 0, 8), FIXTURE_CODE + 1);
}

/* SDM 3A "MP Initialization Protocol". */
static void application_processors_wait_for_sipi(void **state)
{
    (void)state;
    assert_int_equal(f->other->p.activity, CPU_WAIT_SIPI);
    assert_int_equal(cpu_run(f->other, 5), CPU_STOP_IDLE);
    fixture_put(f, 0x9a000, "\x90\xf4", 2);
    cpu_signal(f->other, APIC_SIGNAL_INIT, 0);
    cpu_signal(f->other, APIC_SIGNAL_SIPI, 0x9a);
    assert_false(cpu_idle(f->other));
    assert_int_equal(cpu_run(f->other, 5), CPU_STOP_IDLE);
    assert_int_equal(f->other->p.seg_base[SEG_CS], 0x9a000);
    assert_int_equal(f->other->p.rip, 2);
    cpu_signal(f->other, APIC_SIGNAL_SIPI, 0x10);                           /* running: lost */
    assert_int_equal(cpu_run(f->other, 5), CPU_STOP_IDLE);
    assert_int_equal(f->other->p.seg_base[SEG_CS], 0x9a000);
}

/* SDM 3A table "IA-32 and Intel 64 Processor States Following Power-up, Reset, or INIT". */
static void init_keeps_what_reset_clears(void **state)
{
    (void)state;
    f->cpu->s.zmm[0] = 5;
    f->cpu->p.pat = 0x0606060606060606u;
    cpu_signal(f->cpu, APIC_SIGNAL_INIT, 0);
    assert_true(event_attend(f->cpu));
    assert_int_equal(f->cpu->s.zmm[0], 5);
    assert_int_equal(f->cpu->p.pat, 0x0606060606060606u);
    assert_int_equal(f->cpu->p.cr0, CR0_ET);
    assert_int_equal(f->cpu->p.seg_base[SEG_CS], 0xffff0000);
    cpu_reset(f->cpu, false);
    assert_int_equal(f->cpu->s.zmm[0], 0);
    assert_int_equal(f->cpu->p.pat, 0x0007040600070406u);
    assert_int_equal(f->cpu->p.cr0, 0x60000010);
    assert_int_equal(f->cpu->p.rip, 0xfff0);
    assert_int_equal(f->cpu->s.dr6, 0xffff0ff0);
}

/* ---- virtual-8086 mode ---- */

/* At 1000h:0100h with a TSS whose redirection bitmap is all ones. */
static void enter_v86(unsigned iopl)
{
    uint16_t map = 0x88;
    uint8_t ones[33];

    memset(ones, 0xff, sizeof ones);
    fixture_privilege(f, 3);
    for (unsigned seg = SEG_ES; seg <= SEG_GS; seg++)
        seg_install_v86(f->cpu, seg, (uint16_t)(seg == SEG_SS ? 0x8000 : 0x1000 + seg));
    seg_install_v86(f->cpu, SEG_CS, 0x1000);
    f->cpu->p.seg_limit[SEG_TR] = 0x200;
    fixture_put(f, FIXTURE_GDT + 0x866, &map, 2);
    fixture_put(f, FIXTURE_GDT + 0x868, ones, 32);
    f->cpu->s.gpr[RSP] = 0x1000;
    f->cpu->p.rip = 0x100;
    cpu_set_rflags(f->cpu, FLAG_VM | FLAG_IF | iopl << 12 | 2);
    cpu_mode_changed(f->cpu);
}

static void v86_events_save_the_data_segments(void **state)
{
    (void)state;
    enter_v86(0);
    assert_int_equal(STEP("\x0f\x0b"), VEC_UD);
    assert_int_equal(f->cpu->p.cpl, 0);
    assert_false(f->cpu->p.rflags & FLAG_VM);
    assert_int_equal(f->cpu->s.gpr[RSP], FIXTURE_STACK - 0x8000 - 36);
    assert_int_equal(stacked(f, 0, 4), 0x100);
    assert_int_equal(stacked(f, 1, 4), 0x1000);
    assert_int_equal(stacked(f, 2, 4), FLAG_VM | FLAG_IF | FLAG_RF | 2);
    assert_int_equal(stacked(f, 4, 4), 0x8000);
    assert_int_equal(stacked(f, 5, 4), 0x1000);         /* ES DS FS GS */
    assert_int_equal(stacked(f, 6, 4), 0x1003);
    assert_int_equal(stacked(f, 8, 4), 0x1005);
    assert_true(f->cpu->p.seg_attr[SEG_DS] & SEG_UNUSABLE);
    assert_int_equal(STEP("\xcf"), -1);                 /* and back */
    assert_true(f->cpu->p.rflags & FLAG_VM);
    assert_int_equal(f->cpu->p.cpl, 3);
    assert_int_equal(f->cpu->p.seg_base[SEG_GS], 0x10050);
    assert_int_equal(f->cpu->p.rip, 0x100);
}

/* SDM 3B table "Software Interrupt Handling Methods While in Virtual-8086 Mode". */
static void v86_software_interrupts_follow_iopl_and_bitmap(void **state)
{
    static const uint8_t entry[4] = { 0x00, 0x03, 0x00, 0x12 };

    (void)state;
    put_idt32(f, 5, make_gate(0x18, FIXTURE_HANDLER + 0x50, TYPE_INT32 | PRESENT | DPL(3), 0));
    enter_v86(0);
    assert_int_equal(STEP("\xcd\x05"), VEC_GP);         /* IOPL below 3, no VME */
    enter_v86(3);
    assert_int_equal(STEP("\xcd\x05"), 5);
    f->cpu->p.cr4 |= CR4_VME;
    enter_v86(0);
    assert_int_equal(STEP("\xcd\x05"), VEC_GP);         /* the bit is set */
    enter_v86(0);
    fixture_put(f, FIXTURE_GDT + 0x868, "\xdf", 1);     /* vector 5: redirected */
    fixture_put(f, 5 * 4, entry, 4);
    cpu_set_rflags(f->cpu, cpu_rflags(f->cpu) | FLAG_VIF);
    (void)STEP("\xcd\x05");
    assert_int_equal(f->cpu->p.seg_base[SEG_CS], 0x12000);
    assert_int_equal(f->cpu->p.rip, 0x300);
    assert_int_equal(stacked(f, 0, 2), 0x102);
    assert_int_equal(stacked(f, 2, 2), FLAG_IOPL | FLAG_IF | 2);
    assert_false(f->cpu->p.rflags & FLAG_VIF);
    assert_true(f->cpu->p.rflags & FLAG_IF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(real_mode_pushes_three_words, setup_real, steps_close),
        cmocka_unit_test_setup_teardown(faults_push_rf_and_the_error_code, setup32, steps_close),
        cmocka_unit_test_setup_teardown(int_n_is_no_fault, setup32, steps_close),
        cmocka_unit_test_setup_teardown(level_3_enters_on_the_tss_stack, setup32, steps_close),
        cmocka_unit_test_setup_teardown(sixteen_bit_gates_push_words, setup32, steps_close),
        cmocka_unit_test_setup_teardown(long_mode_aligns_and_nulls_ss, setup64, steps_close),
        cmocka_unit_test_setup_teardown(ist_switches_at_any_level, setup64, steps_close),
        cmocka_unit_test_setup_teardown(gates_are_checked, setup32, steps_close),
        cmocka_unit_test_setup_teardown(software_interrupts_need_the_gates_dpl, setup32, steps_close),
        cmocka_unit_test_setup_teardown(nested_faults_of_exceptions_say_ext, setup32, steps_close),
        cmocka_unit_test_setup_teardown(long_gates_need_64_bit_code, setup64, steps_close),
        cmocka_unit_test_setup_teardown(contributory_twice_is_a_double_fault, setup32, steps_close),
        cmocka_unit_test_setup_teardown(benign_then_contributory_is_serial, setup32, steps_close),
        cmocka_unit_test_setup_teardown(page_fault_twice_is_a_double_fault, setup64, steps_close),
        cmocka_unit_test_setup_teardown(a_fault_in_a_double_fault_shuts_down, setup32, steps_close),
        cmocka_unit_test_setup_teardown(the_apic_interrupts_between_instructions, setup64, steps_close),
        cmocka_unit_test_setup_teardown(sti_shadows_one_instruction, setup64, steps_close),
        cmocka_unit_test_setup_teardown(mov_ss_shadows_nmi_too, setup64, steps_close),
        cmocka_unit_test_setup_teardown(nmi_comes_before_interrupts_and_blocks_itself, setup64, steps_close),
        cmocka_unit_test_setup_teardown(halt_waits_for_what_can_be_delivered, setup64, steps_close),
        cmocka_unit_test_setup_teardown(application_processors_wait_for_sipi, setup64, steps_close),
        cmocka_unit_test_setup_teardown(init_keeps_what_reset_clears, setup64, steps_close),
        cmocka_unit_test_setup_teardown(v86_events_save_the_data_segments, setup32, steps_close),
        cmocka_unit_test_setup_teardown(v86_software_interrupts_follow_iopl_and_bitmap, setup32, steps_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
