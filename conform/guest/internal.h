/* SPDX-License-Identifier: MIT
 * What the files of the runtime share and tests need not see. */
#ifndef CONFORM_GUEST_INTERNAL_H
#define CONFORM_GUEST_INTERNAL_H

#include "conform/guest/guest.h"

/* start.S */
extern const u8 vector_entries[], trampoline[], trampoline_end[];
extern const u8 real_mode[], real_mode_end[], real_mode_call[], v86_mode[], v86_mode_end[], v86_code[],
    v86_code_end[];    /* modes.S */
extern u64 gdt[], boot_pml4[], boot_pdpt[], boot_pd[];
extern u32 multiboot_magic, multiboot_info, ap_starts;
int  guarded_call(struct guard *g, void (*fn)(void *), void *arg);
void unwind(struct guard *g, int why) NORETURN;
struct call_regs;
void load_and_call(struct call_regs *r, const void *page);      /* behind call_with() and call_with32() */
void load_and_call32(struct call_regs *r, const void *page);
void enter_user(void (*fn)(void), void *stack) NORETURN;
void c_entry(u32 is_ap) NORETURN;

/* why unwind() went further than a vector */
enum { WHY_FAILED = 300, WHY_SKIPPED, WHY_USER_RETURN };

struct frame {
    u64 r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
    u64 vector, error, rip, cs, rflags, rsp, ss;
};
void on_vector(struct frame *f);

void print_list(const char *format, __builtin_va_list args);
void format_to(char *to, size_t room, const char *format, __builtin_va_list args);
void serial_start(void);

void cpu_tables(void);                  /* IDT, once */
void cpu_gate(unsigned vector, u64 at);  /* an entry of its own */
void cpu_init(u32 number, u32 apic_id);
void cpu_load(struct cpu *c);           /* this processor's TSS, GS, IDT */
void cpus_start(void);                  /* wakes the others */
void ap_main(void) NORETURN;
void cpus_tidy(void);                   /* all processors as tests expect them */
void apic_start(void);
void apic_drain(void);                  /* nothing in service, nothing pending that was left behind */
void memory_tidy(void);
void time_start(void);
void hv_start(void);
void cost_run(u64 count, bool (*wanted)(const char *name));
void hv_tidy_this(void);                /* this VP's synthetic registers, and the partition's on the boot processor */

#endif
