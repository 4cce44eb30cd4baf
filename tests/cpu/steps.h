/* SPDX-License-Identifier: MIT
 * Single instructions on the fixture, and what tests of the system side build around them: descriptors, gates, an APIC. */
#ifndef TESTS_CPU_STEPS_H
#define TESTS_CPU_STEPS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/cpu/fixture.h"

/* The machine of a test program and what cmocka calls around each test: open it in a mode, close it. */
extern struct fixture steps_fixture;
int steps_real(void **state);
int steps_flat32(void **state);
int steps_long(void **state);
int steps_close(void **state);

/* Run one instruction at CS:RIP: the vector whose handler it ended in, or -1 when it completed. */
int step(struct fixture *f, const void *bytes, size_t len);
#define STEP(text) step(f, text, sizeof text - 1)
/* The same at the RIP of the mode's start, with the stack where it was. */
int step_fresh(struct fixture *f, const void *bytes, size_t len);
#define FRESH(text) step_fresh(f, text, sizeof text - 1)

/* The nth value of `bytes` on the stack of the running code. */
uint64_t stacked(const struct fixture *f, unsigned n, unsigned bytes);

/* Descriptors at FIXTURE_GDT + selector. */
void put_descriptor(struct fixture *f, unsigned selector, uint64_t raw);
uint64_t make_descriptor(uint32_t base, uint32_t limit, uint32_t attr);                     /* attr as in cpu/state.h */
uint64_t make_gate(uint16_t selector, uint32_t offset, uint32_t type_and_rights, unsigned params);
void put_idt32(struct fixture *f, unsigned vector, uint64_t gate);
void put_idt64(struct fixture *f, unsigned vector, uint16_t selector, uint64_t offset, uint32_t rights, unsigned ist);

#define PRESENT     0x80u
#define DPL(n)      ((uint32_t)(n) << 5)

/* An APIC with one vector. */
struct fake_apic { int vector; unsigned accepted; uint64_t base, tpr, deadline; };
extern const struct apic_ops fake_apic_ops;
void give_apic(struct fixture *f, struct fake_apic *apic);

#endif
