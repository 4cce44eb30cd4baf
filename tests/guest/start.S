/* SPDX-License-Identifier: MIT
 * Multiboot 1 header and entry of the bare-metal guests: a stack, then start(magic, info). */
        .section .multiboot, "a"
        .align  4
        .long   0x1badb002, 3, -(0x1badb002 + 3)
        .text
        .globl  _start
_start: movl    $stack_top, %esp
        pushl   %ebx
        pushl   %eax
        call    start
1:      hlt
        jmp     1b
        .bss
        .align  16
        .skip   16384
stack_top:
        .section .note.GNU-stack, "", @progbits
