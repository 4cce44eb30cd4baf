/* SPDX-License-Identifier: MIT
 * The ways into C: the Multiboot entry of the boot processor, the trampoline of the others, the entries of interrupts and
 * exceptions, and the one way out of them that is no IRET (unwind). 32-bit code switches to long mode with tables that map
 * the first 4 GiB onto themselves. */
        .set    PAGE_BITS, 0x87                 /* present, writable, user, large */
        .set    TABLE_BITS, 0x07

        .section .multiboot, "a"
        .align  4
        .long   0x1badb002, 3, -(0x1badb002 + 3)

        .text
        .code32
        .globl  _start
_start: movl    %eax, multiboot_magic
        movl    %ebx, multiboot_info
        movl    $boot_stack_top, %esp
        call    make_tables
        xorl    %esi, %esi
        jmp     enter_long

/* Four directories of 2 MiB pages. */
make_tables:
        movl    $boot_pdpt + TABLE_BITS, boot_pml4
        movl    $boot_pd + TABLE_BITS, %eax
        movl    $boot_pdpt, %edi
        movl    $4, %ecx
1:      movl    %eax, (%edi)
        addl    $4096, %eax
        addl    $8, %edi
        loop    1b
        movl    $PAGE_BITS, %eax
        movl    $boot_pd, %edi
        movl    $2048, %ecx
2:      movl    %eax, (%edi)
        addl    $0x200000, %eax
        addl    $8, %edi
        loop    2b
        ret

/* 32-bit, flat, paging off; ESI goes to C, ESP is 32 bits of the stack. */
enter_long:
        movl    %cr4, %eax
        orl     $0x620, %eax                    /* PAE, OSFXSR, OSXMMEXCPT */
        movl    %eax, %cr4
        movl    $boot_pml4, %eax
        movl    %eax, %cr3
        movl    $0xc0000080, %ecx
        rdmsr
        orl     $0x901, %eax                    /* LME, NXE, SCE */
        wrmsr
        movl    %cr0, %eax
        andl    $~0x6000000c, %eax              /* CD, NW, EM, TS */
        orl     $0x80010023, %eax               /* PG, WP, NE, MP, PE */
        movl    %eax, %cr0
        lgdt    gdt_pointer
        ljmp    $0x08, $1f
        .code64
1:      movl    $0x10, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        xorl    %eax, %eax
        movl    %eax, %fs
        movl    %eax, %gs
        movl    %esp, %esp
        movl    %esi, %edi
        call    c_entry
2:      hlt
        jmp     2b

/* Copied to page 8 of low memory: where SIPI 8 starts a processor. */
        .code16
        .globl  trampoline, trampoline_end
trampoline:
        cli
        xorw    %ax, %ax
        movw    %ax, %ds
        lgdtl   0x8000 + trampoline_gdt - trampoline
        movl    %cr0, %eax
        orl     $1, %eax
        movl    %eax, %cr0
        ljmpl   $0x18, $ap_entry
        .align  8
trampoline_gdt:
        .word   gdt_end - gdt - 1
        .long   gdt
trampoline_end:

        .code32
ap_entry:
        movl    $0x20, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        movl    $1, %esi
        lock xaddl %esi, ap_starts              /* a stack of its own for each start, used in turn */
        movl    %esi, %eax
        andl    $63, %eax
        incl    %eax
        shll    $13, %eax
        addl    $ap_stacks, %eax
        movl    %eax, %esp
        movl    $1, %esi
        jmp     enter_long

        .data
        .align  16
        .globl  gdt, gdt_pointer
gdt:    .quad   0
        .quad   0x00af9b000000ffff              /* 08 64-bit code */
        .quad   0x00cf93000000ffff              /* 10 data */
        .quad   0x00cf9b000000ffff              /* 18 32-bit code */
        .quad   0x00cf93000000ffff              /* 20 32-bit data */
        .quad   0x00cff3000000ffff              /* 28 user data */
        .quad   0x00affb000000ffff              /* 30 64-bit user code */
        .fill   128, 8, 0                       /* 38: a TSS of two entries for each processor */
gdt_end:
gdt_pointer:
        .word   gdt_end - gdt - 1
        .quad   gdt
        .globl  ap_starts
ap_starts: .long 0

/* Interrupts and exceptions: one entry a vector, sixteen bytes apart. */
        .text
        .code64
        .globl  vector_entries
        .align  16
vector_entries:
        .set    v, 0
        .rept   256
        .align  16
        .if v == 8 || (v >= 10 && v <= 14) || v == 17 || v == 21
        .else
        pushq   $0
        .endif
        pushq   $v
        jmp     vector_common
        .set    v, v + 1
        .endr
vector_common:
        cld
        pushq   %rax; pushq %rcx; pushq %rdx; pushq %rbx; pushq %rbp; pushq %rsi; pushq %rdi
        pushq   %r8; pushq %r9; pushq %r10; pushq %r11; pushq %r12; pushq %r13; pushq %r14; pushq %r15
        movq    %rsp, %rdi
        movq    %rsp, %rbp
        andq    $-16, %rsp
        call    on_vector
        movq    %rbp, %rsp
        popq    %r15; popq %r14; popq %r13; popq %r12; popq %r11; popq %r10; popq %r9; popq %r8
        popq    %rdi; popq %rsi; popq %rbp; popq %rbx; popq %rdx; popq %rcx; popq %rax
        addq    $16, %rsp
        iretq

/* int guarded(struct guard *g, void (*fn)(void *), void *arg): -1 when fn returned, else what unwind() was given. */
        .globl  guarded_call, unwind
guarded_call:
        pushq   %rbx; pushq %rbp; pushq %r12; pushq %r13; pushq %r14; pushq %r15
        pushfq
        movq    %rsp, (%rdi)
        subq    $8, %rsp
        movq    %rdx, %rdi
        call    *%rsi
        movl    $-1, %eax
        addq    $8, %rsp
        jmp     1f
unwind: movq    (%rdi), %rsp
        movl    %esi, %eax
        movl    $0x10, %ecx
        movl    %ecx, %ds
        movl    %ecx, %es
        movl    %ecx, %ss
        pushq   $0x08
        leaq    1f(%rip), %rcx
        pushq   %rcx
        lretq
1:      popfq
        popq    %r15; popq %r14; popq %r13; popq %r12; popq %rbp; popq %rbx
        ret

/* void enter_user(void (*fn)(void), void *stack): fn at privilege level 3; it comes back by INT 30h, or by a fault. */
        .globl  enter_user
enter_user:
        pushq   $0x2b
        pushq   %rsi
        pushq   $2
        pushq   $0x33
        leaq    user_start(%rip), %rax
        pushq   %rax
        iretq
user_start:
        call    *%rdi
        int     $0x30
1:      jmp     1b

/* void load_and_call(struct call_regs *r, void *page): loads all registers, calls the page, stores them back. */
        .globl  load_and_call
load_and_call:
        pushq   %rbx; pushq %rbp; pushq %r12; pushq %r13; pushq %r14; pushq %r15
        pushq   %rdi
        pushq   %rsi
        movdqu  128(%rdi), %xmm0; movdqu 144(%rdi), %xmm1; movdqu 160(%rdi), %xmm2
        movdqu  176(%rdi), %xmm3; movdqu 192(%rdi), %xmm4; movdqu 208(%rdi), %xmm5
        movq    0(%rdi), %rax; movq 8(%rdi), %rcx; movq 16(%rdi), %rdx; movq 24(%rdi), %rbx
        movq    40(%rdi), %rbp; movq 48(%rdi), %rsi
        movq    64(%rdi), %r8; movq 72(%rdi), %r9; movq 80(%rdi), %r10; movq 88(%rdi), %r11
        movq    96(%rdi), %r12; movq 104(%rdi), %r13; movq 112(%rdi), %r14; movq 120(%rdi), %r15
        movq    56(%rdi), %rdi
        call    *(%rsp)
        xchgq   %rdi, 8(%rsp)
        movq    %rax, 0(%rdi); movq %rcx, 8(%rdi); movq %rdx, 16(%rdi); movq %rbx, 24(%rdi)
        movq    %rbp, 40(%rdi); movq %rsi, 48(%rdi)
        movq    8(%rsp), %rax
        movq    %rax, 56(%rdi)
        movq    %r8, 64(%rdi); movq %r9, 72(%rdi); movq %r10, 80(%rdi); movq %r11, 88(%rdi)
        movq    %r12, 96(%rdi); movq %r13, 104(%rdi); movq %r14, 112(%rdi); movq %r15, 120(%rdi)
        movdqu  %xmm0, 128(%rdi); movdqu %xmm1, 144(%rdi); movdqu %xmm2, 160(%rdi)
        movdqu  %xmm3, 176(%rdi); movdqu %xmm4, 192(%rdi); movdqu %xmm5, 208(%rdi)
        addq    $16, %rsp
        popq    %r15; popq %r14; popq %r13; popq %r12; popq %rbp; popq %rbx
        ret

/* void load_and_call32(struct call_regs *r, void *page): the same from 32-bit code, of EAX to EDI and XMM0 to XMM5. */
        .globl  load_and_call32
load_and_call32:
        pushq   %rbx; pushq %rbp; pushq %r12; pushq %r13; pushq %r14; pushq %r15
        movdqu  128(%rdi), %xmm0; movdqu 144(%rdi), %xmm1; movdqu 160(%rdi), %xmm2
        movdqu  176(%rdi), %xmm3; movdqu 192(%rdi), %xmm4; movdqu 208(%rdi), %xmm5
        movl    %esi, target32
        movq    %rsp, saved_rsp
        movq    %rdi, saved_regs                /* R8 to R15 may be lost in 32-bit code */
        movl    0(%rdi), %eax; movl 8(%rdi), %ecx; movl 16(%rdi), %edx; movl 24(%rdi), %ebx
        movl    48(%rdi), %esi
        movl    56(%rdi), %edi
        ljmp    *to32
        .code32
in32:   pushl   $0x20
        popl    %ss
        movl    $stack32_top, %esp
        call    *target32
        ljmp    $0x08, $back64
        .code64
back64: movq    saved_rsp, %rsp
        movq    saved_regs, %r12
        movl    %eax, 0(%r12); movl %ecx, 8(%r12); movl %edx, 16(%r12); movl %ebx, 24(%r12)
        movl    %esi, 48(%r12); movl %edi, 56(%r12)
        movdqu  %xmm0, 128(%r12); movdqu %xmm1, 144(%r12); movdqu %xmm2, 160(%r12)
        movdqu  %xmm3, 176(%r12); movdqu %xmm4, 192(%r12); movdqu %xmm5, 208(%r12)
        movl    $0x10, %eax
        movl    %eax, %ss
        popq    %r15; popq %r14; popq %r13; popq %r12; popq %rbp; popq %rbx
        ret
        .data
to32:   .long   in32
        .word   0x18
target32: .long 0
        .align  8
saved_rsp: .quad 0
saved_regs: .quad 0

        .bss
        .align  4096
        .globl  boot_pml4, boot_pdpt, boot_pd
boot_pml4: .skip 4096
boot_pdpt: .skip 4096
boot_pd:   .skip 4 * 4096
        .globl  multiboot_magic, multiboot_info
multiboot_magic: .skip 4
multiboot_info:  .skip 4
        .align  16
        .skip   65536
boot_stack_top:
        .skip   1024
stack32_top:
        .align  16
ap_stacks: .skip 65 * 8192
        .section .note.GNU-stack, "", @progbits
