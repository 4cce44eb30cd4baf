/* SPDX-License-Identifier: MIT
 * x87 errors as DOS knew them, on a whole board in real mode: FERR#, IRQ 13 at vector 75h, port F0h, IGNNE# (SDM 1 "MS-DOS
 * Compatibility Sub-mode"; 82371SB "Coprocessor Error Register"). The guest is a firmware image of its own. */
#include "machine/machine.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cpu/fpu.h"
#include "machine/internal.h"
#include "tests/check.h"

#define BODY        0x100       /* offsets in F000h; the program goes on here with 1/0 waiting */
#define ON_75       0x200       /* IRQ 13 */
#define ON_TIMER    0x300       /* IRQ 0 at vector 8 */
#define ON_MF       0x380       /* vector 10h */
#define RESULTS     0x500u      /* words in RAM; each vector has its count and where it came from last */
enum { COUNT_75, FROM_75, COUNT_TIMER, FROM_TIMER, COUNT_MF, FROM_MF, STATUS, RESULT_COUNT };

/* Stack, both PICs with the slave at 70h, all masked but IRQ 13 and the cascade; then 1/0 with only that unmasked. */
static const uint8_t prologue[] = {
    0xfa, 0x31, 0xc0, 0x8e, 0xd8, 0x8e, 0xd0,                       /* cli; xor ax, ax; mov ds, ax; mov ss, ax */
    0xbc, 0x00, 0x80,                                               /* mov sp, 8000h */
    0x66, 0xb9, 0x1b, 0x00, 0x00, 0x00, 0x0f, 0x32,                 /* mov ecx, 1bh (IA32_APIC_BASE); rdmsr */
    0x80, 0xe4, 0xf7, 0x0f, 0x30,                                   /* and ah, f7h; wrmsr: INTR comes without a local APIC */
    0xb0, 0x11, 0xe6, 0x20, 0xe6, 0xa0,                             /* mov al, 11h; out 20h, al; out a0h, al */
    0xb0, 0x08, 0xe6, 0x21, 0xb0, 0x70, 0xe6, 0xa1,                 /* mov al, 8; out 21h, al; mov al, 70h; out a1h, al */
    0xb0, 0x04, 0xe6, 0x21, 0xb0, 0x02, 0xe6, 0xa1,                 /* mov al, 4; out 21h, al; mov al, 2; out a1h, al */
    0xb0, 0x01, 0xe6, 0x21, 0xe6, 0xa1,                             /* mov al, 1; out 21h, al; out a1h, al */
    0xb0, 0xfb, 0xe6, 0x21, 0xb0, 0xdf, 0xe6, 0xa1,                 /* mov al, fbh; out 21h, al; mov al, dfh; out a1h, al */
    0xc7, 0x06, 0x00, 0x06, 0x7b, 0x03, 0xdb, 0xe3,                 /* mov word [600h], 037bh; fninit */
    0xd9, 0x2e, 0x00, 0x06, 0xd9, 0xe8, 0xd9, 0xee, 0xde, 0xf9,     /* fldcw [600h]; fld1; fldz; fdivp */
    0xe9, 0xb0, 0x00,                                               /* jmp 100h */
};
_Static_assert(sizeof prologue + 0xb0 == BODY, "the jump's displacement");
static const uint8_t reset_vector[] = { 0xea, 0x00, 0x00, 0x00, 0xf0 };     /* jmp f000h:0 */

/* inc word [count]; mov bp, sp; mov ax, [bp]; mov [from], ax */
#define NOTE(count) 0xff, 0x06, 2 * (count), RESULTS >> 8, 0x89, 0xe5, 0x8b, 0x46, 0x00, 0xa3, 2 * (count) + 2, RESULTS >> 8
#define OUT_F0      0xe6, 0xf0                                      /* out f0h, al */
#define FNCLEX      0xdb, 0xe2
#define FWAIT       0x9b
#define STI         0xfb
#define FLD1        0xd9, 0xe8
#define ERROR       0xd9, 0xe8, 0xd9, 0xee, 0xde, 0xf9              /* fld1; fldz; fdivp */
#define SET_NE      0x0f, 0x20, 0xc0, 0x0c, 0x20, 0x0f, 0x22, 0xc0  /* mov eax, cr0; or al, 20h; mov cr0, eax */
#define CLEAR_NE    0x0f, 0x20, 0xc0, 0x24, 0xdf, 0x0f, 0x22, 0xc0  /* mov eax, cr0; and al, dfh; mov cr0, eax */
#define EOI_IRET    0xb0, 0x20, 0xe6, 0xa0, 0xe6, 0x20, 0xcf        /* mov al, 20h; out a0h, al; out 20h, al; iret */
#define END         0xdf, 0xe0, 0xa3, 2 * STATUS, RESULTS >> 8, 0xb0, 0, 0xe6, 0xf4     /* fnstsw ax; mov [status], ax; out f4h, 0 */
#define CODE(...)   (const uint8_t[]){ __VA_ARGS__ }, sizeof (const uint8_t[]){ __VA_ARGS__ }

static const uint8_t usual[] = { NOTE(COUNT_75), OUT_F0, FNCLEX, EOI_IRET };

struct guest {
    struct machine *m;
    uint8_t image[0x10000];
    unsigned result[RESULT_COUNT];
};

static void put(struct guest *g, unsigned at, const uint8_t *code, size_t len)
{
    assert_true(at + len <= sizeof g->image);
    memcpy(g->image + at, code, len);
}

static void start(struct guest *g, const uint8_t *body, size_t len)
{
    char path[] = "/tmp/partita-test-XXXXXX";
    struct machine_config cfg;
    struct err e;
    int fd = mkstemp(path);

    put(g, 0, prologue, sizeof prologue);
    put(g, BODY, body, len);
    put(g, 0xfff0, reset_vector, sizeof reset_vector);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, g->image, sizeof g->image), sizeof g->image);
    close(fd);
    machine_config_default(&cfg);
    cfg.bios = path;
    cfg.ram_bytes = 8u << 20;
    cfg.debug_exit = true;
    cfg.debug_exit_port = 0xf4;
    e = machine_create(&g->m, &cfg);
    unlink(path);
    assert_false(failed(&e));
    space_write(g->m->memory, 0x75 * 4, 4, 0xf0000000 | ON_75);
    space_write(g->m->memory, 0x08 * 4, 4, 0xf0000000 | ON_TIMER);
    space_write(g->m->memory, 0x10 * 4, 4, 0xf0000000 | ON_MF);
}

static void finish(struct guest *g, enum run how)
{
    assert_int_equal(machine_run(g->m, 10000000), how);
    for (unsigned k = 0; k < RESULT_COUNT; k++)
        g->result[k] = (unsigned)space_read(g->m->memory, RESULTS + 2 * k, 2);
}

static int open_it(void **state)
{
    struct guest *g = calloc(1, sizeof *g);

    assert_non_null(g);
    put(g, ON_75, usual, sizeof usual);
    *state = g;
    return 0;
}

static int close_it(void **state)
{
    struct guest *g = *state;

    machine_free(g->m);
    free(g);
    return 0;
}

/* The processor freezes at FWAIT, though STI is just before it; the handler's IRET goes back there, and now it waits no more. */
static void an_error_comes_as_vector_75(void **state)
{
    struct guest *g = *state;

    start(g, CODE(STI, FWAIT, END));
    finish(g, RUN_DEBUG_EXIT);
    assert_int_equal(g->result[COUNT_75], 1);
    assert_int_equal(g->result[FROM_75], BODY + 1);
    assert_int_equal(g->result[STATUS] & (FSW_ES | FSW_B | FSW_EXCEPTIONS), 0);
    assert_int_equal(g->m->vps[0]->s.ignne | g->m->vps[0]->s.ferr, 0);
}

/* FERR# falls with FNCLEX, so port F0h does not lead to IGNNE#, and the next error makes an interrupt again. */
static void the_port_may_be_written_after_fnclex(void **state)
{
    struct guest *g = *state;

    put(g, ON_75, CODE(NOTE(COUNT_75), FNCLEX, OUT_F0, EOI_IRET));
    start(g, CODE(STI, FWAIT, ERROR, FWAIT, END));
    finish(g, RUN_DEBUG_EXIT);
    assert_int_equal(g->result[COUNT_75], 2);
    assert_int_equal(g->result[FROM_75], BODY + 8);
    assert_int_equal(g->m->vps[0]->s.ignne, 0);
}

/* Only port F0h: IGNNE# lets waiting instructions pass, in the handler and after it, until FNCLEX; then errors count again. */
static void ignne_lets_waiting_instructions_pass(void **state)
{
    struct guest *g = *state;

    put(g, ON_75, CODE(NOTE(COUNT_75), OUT_F0, FLD1, EOI_IRET));
    start(g, CODE(STI, FWAIT, FLD1, FWAIT, END));
    finish(g, RUN_DEBUG_EXIT);
    assert_int_equal(g->result[COUNT_75], 1);
    assert_int_equal(g->result[STATUS], FSW_B | FSW_ES | FSW_ZE | 4 << FSW_TOP_SHIFT);      /* 1, 0 and two more */
    assert_int_equal(g->m->vps[0]->s.ignne, 1);
    close_it(state);
    open_it(state);
    g = *state;
    put(g, ON_75, CODE(NOTE(COUNT_75), OUT_F0, EOI_IRET));
    start(g, CODE(STI, FWAIT, FNCLEX, ERROR, FWAIT, FNCLEX, END));
    finish(g, RUN_DEBUG_EXIT);
    assert_int_equal(g->result[COUNT_75], 2);
    assert_int_equal(g->result[FROM_75], BODY + 10);
    assert_int_equal(g->m->vps[0]->s.ignne | g->m->vps[0]->s.ferr, 0);
}

/* IRQ 13 masked: other interrupts come and return to the frozen instruction; the third of the timer's unmasks it. */
static void a_masked_error_holds_the_processor(void **state)
{
    struct guest *g = *state;

    put(g, ON_TIMER, CODE(NOTE(COUNT_TIMER), 0x80, 0x3e, 2 * COUNT_TIMER, RESULTS >> 8, 3,   /* cmp byte [count], 3 */
                          0x75, 0x04, 0xb0, 0xdf, 0xe6, 0xa1,                               /* jne over; mov al, dfh; out a1h, al */
                          0xb0, 0x20, 0xe6, 0x20, 0xcf));                                   /* mov al, 20h; out 20h, al; iret */
    start(g, CODE(0xb0, 0xff, 0xe6, 0xa1, 0xb0, 0xfa, 0xe6, 0x21,               /* mask the slave; unmask IRQ 0 */
                  0xb0, 0x34, 0xe6, 0x43, 0xb0, 0x00, 0xe6, 0x40, 0xb0, 0x10, 0xe6, 0x40,   /* every 4096 ticks of the PIT */
                  STI, 0xdf, 0xe0, FWAIT, END));                                /* fnstsw ax does not wait */
    finish(g, RUN_DEBUG_EXIT);
    assert_int_equal(g->result[COUNT_TIMER], 3);
    assert_int_equal(g->result[FROM_TIMER], BODY + 23);
    assert_int_equal(g->result[COUNT_75], 1);
    assert_int_equal(g->result[FROM_75], BODY + 23);
}

static void with_interrupts_off_it_stands_still(void **state)
{
    struct guest *g = *state;

    start(g, CODE(0x90, FWAIT, END));
    finish(g, RUN_HALTED);
    assert_int_equal(g->m->vps[0]->p.rip, BODY + 1);
    assert_int_equal(g->result[COUNT_75], 0);
    assert_int_equal(g->m->vps[0]->s.ferr, 1);
}

/* The line is asserted by the next waiting instruction, not by the one that fails: until then it can be taken back. */
static void an_error_that_nothing_waits_for_is_silent(void **state)
{
    struct guest *g = *state;

    start(g, CODE(STI, 0x90, 0x90, 0xdb, 0xe3, FWAIT, FLD1, END));              /* fninit */
    finish(g, RUN_DEBUG_EXIT);
    assert_int_equal(g->result[COUNT_75], 0);
}

/* CR0.NE: vector 10h; FERR# is asserted all the same, and it is the system's business to mask IRQ 13 (SDM 1 "Changes with
 * Intel486, Pentium and Pentium Pro Processors with CR0.NE[bit 5] = 1"). */
static void native_errors_show_on_the_line_too(void **state)
{
    struct guest *g = *state;

    put(g, ON_MF, CODE(NOTE(COUNT_MF), FNCLEX, 0xcf));
    start(g, CODE(SET_NE, STI, FWAIT, 0x90, END));
    finish(g, RUN_DEBUG_EXIT);
    assert_int_equal(g->result[COUNT_MF], 1);
    assert_int_equal(g->result[FROM_MF], BODY + 9);
    assert_int_equal(g->result[COUNT_75], 1);
    assert_int_equal(g->result[FROM_75], BODY + 9);
}

/* FNCLEX under another CR0.NE than the error's lowers the line as well, or the next error would make no edge. */
static void the_line_falls_whatever_ne_says_by_then(void **state)
{
    struct guest *g = *state;

    put(g, ON_75, CODE(NOTE(COUNT_75), SET_NE, FNCLEX, CLEAR_NE, OUT_F0, EOI_IRET));
    start(g, CODE(STI, FWAIT, ERROR, FWAIT, END));
    finish(g, RUN_DEBUG_EXIT);
    assert_int_equal(g->result[COUNT_75], 2);
    assert_int_equal(g->m->vps[0]->s.ignne | g->m->vps[0]->s.ferr, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_error_comes_as_vector_75, open_it, close_it),
        cmocka_unit_test_setup_teardown(the_port_may_be_written_after_fnclex, open_it, close_it),
        cmocka_unit_test_setup_teardown(ignne_lets_waiting_instructions_pass, open_it, close_it),
        cmocka_unit_test_setup_teardown(a_masked_error_holds_the_processor, open_it, close_it),
        cmocka_unit_test_setup_teardown(with_interrupts_off_it_stands_still, open_it, close_it),
        cmocka_unit_test_setup_teardown(an_error_that_nothing_waits_for_is_silent, open_it, close_it),
        cmocka_unit_test_setup_teardown(native_errors_show_on_the_line_too, open_it, close_it),
        cmocka_unit_test_setup_teardown(the_line_falls_whatever_ne_says_by_then, open_it, close_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
