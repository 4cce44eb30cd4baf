/* SPDX-License-Identifier: MIT
 * A hypercall from real and from virtual-8086 mode, on a processor that a SIPI sends to page 9. The byte at 9E00h says how
 * far it came: 1 about to call, 2 the call returned, 3 #UD, 4 another fault. */
        .set    REPORT, 0x9e00

        .text
        .code16
        .globl  real_mode, real_mode_end, real_mode_call, v86_mode, v86_mode_end
real_mode:
        cli
        xorw    %ax, %ax
        movw    %ax, %ds
        movw    %ax, %ss
        movw    $0x9d00, %sp
        movw    $0x9000 + real_ud - real_mode, 6 * 4
        movw    %ax, 6 * 4 + 2
        movw    $0x9000 + real_other - real_mode, 13 * 4
        movw    %ax, 13 * 4 + 2
        movb    $1, REPORT
        xorl    %eax, %eax
        xorl    %edx, %edx
        movl    $0x10008, %eax                  /* HvNotifyLongSpinWait, fast */
real_mode_call:
        .byte   0x0f, 0x01, 0xc1
        movb    $2, REPORT
1:      hlt
        jmp     1b
real_ud:
        movb    $3, %cs:REPORT
        jmp     1b
real_other:
        movb    $4, %cs:REPORT
        jmp     1b
real_mode_end:

v86_mode:
        cli
        xorw    %ax, %ax
        movw    %ax, %ds
        lgdtl   0x9000 + v86_gdt - v86_mode
        movl    %cr0, %eax
        orl     $1, %eax
        movl    %eax, %cr0
        ljmpl   $0x18, $v86_enter
        .align  8
v86_gdt:
        .word   v86_descriptors_end - v86_descriptors - 1
        .long   v86_descriptors
v86_mode_end:

        .code32
v86_enter:
        movl    $0x20, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        movl    $v86_stack_top, %esp
        movl    $v86_stack_top, v86_tss + 4
        movl    $0x20, v86_tss + 8
        movw    $104, v86_tss + 102
        movl    $v86_tss, %eax
        movw    %ax, v86_descriptors + 0x28 + 2
        shrl    $16, %eax
        movb    %al, v86_descriptors + 0x28 + 4
        movb    %ah, v86_descriptors + 0x28 + 7
        movb    $0x89, v86_descriptors + 0x28 + 5
        movw    $0x28, %ax
        ltr     %ax
        movl    $v86_ud, %eax
        movl    $6, %ecx
        call    gate
        movl    $v86_other, %eax
        movl    $13, %ecx
        call    gate
        lidt    v86_idt_pointer
        movb    $1, REPORT
        pushl   $0                              /* GS FS DS ES */
        pushl   $0
        pushl   $0
        pushl   $0
        pushl   $0                              /* SS, ESP */
        pushl   $0x9d00
        pushl   $0x20002                        /* EFLAGS.VM */
        pushl   $0x0900                         /* CS: page 9 */
        pushl   $v86_code_at
        movl    $0x10008, %eax
        xorl    %edx, %edx
        iretl
gate:   movw    %ax, v86_idt(, %ecx, 8)
        movw    $0x18, v86_idt + 2(, %ecx, 8)
        movw    $0x8e00, v86_idt + 4(, %ecx, 8)
        shrl    $16, %eax
        movw    %ax, v86_idt + 6(, %ecx, 8)
        ret
v86_ud: movb    $3, %ss:REPORT                 /* the other segments are null after virtual-8086 mode */
1:      cli
        hlt
        jmp     1b
v86_other:
        movb    $4, %ss:REPORT
        jmp     1b

        .code16
        .globl  v86_code, v86_code_end
        .set    v86_code_at, 0x800              /* offset in page 9 */
v86_code:
        .byte   0x0f, 0x01, 0xc1
        movb    $2, %cs:0xe00
1:      jmp     1b
v86_code_end:

        .data
        .align  8
v86_descriptors:
        .quad   0, 0, 0
        .quad   0x00cf9b000000ffff              /* 18 */
        .quad   0x00cf93000000ffff              /* 20 */
        .quad   0x0000890000000067              /* 28: the TSS, its base filled in */
v86_descriptors_end:
v86_idt_pointer:
        .word   8 * 32 - 1
        .long   v86_idt
        .bss
        .align  16
v86_idt: .skip  8 * 32
v86_tss: .skip  112
        .skip   1024
v86_stack_top:
        .section .note.GNU-stack, "", @progbits
