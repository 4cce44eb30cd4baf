/* SPDX-License-Identifier: MIT */
/* The least program: what forkexec runs. Linked without a C library. */
void _start(void) __attribute__((noreturn));

void _start(void)
{
    __asm__ volatile("syscall" : : "a"(60), "D"(42));
    __builtin_unreachable();
}
