/* SPDX-License-Identifier: MIT
 * A Linux program (static, run by tests/boot/linux_new.sh): turns its shadow stack on as the kernel's documentation says
 * ("Control-flow Enforcement Technology (CET) Shadow Stack"), uses it in every way a program can, and shows that a changed
 * return address kills it with SEGV_CPERR. Prints one line for each step; the last is "survived nothing". */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARCH_SHSTK_ENABLE   0x5001
#define ARCH_SHSTK_SHSTK    1
#define ARCH_SHSTK_WRSS     2
#define MAP_SHADOW_STACK    453
#define SET_TOKEN           1
#define SEGV_CPERR_CODE     10

/* No function that runs before the shadow stack exists may return after it: so this is inline. */
static inline __attribute__((always_inline)) long call2(long number, long a, long b)
{
    long result;

    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b) : "rcx", "r11", "memory");
    return result;
}

static uint64_t ssp(void)
{
    uint64_t at = 0;

    __asm__ volatile(".byte 0xf3, 0x48, 0x0f, 0x1e, 0xc8" : "+a"(at));       /* rdsspq rax */
    return at;
}

static volatile int handled, code;

static void on_usr1(int signal)
{
    (void)signal;
    handled++;
}

static void on_segv(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    code = info->si_code;
    printf("SIGSEGV si_code %d%s\n", code, code == SEGV_CPERR_CODE ? " (SEGV_CPERR)" : "");
    fflush(stdout);
    _exit(code == SEGV_CPERR_CODE ? 0 : 1);
}

static int depth(int n)
{
    return n == 0 ? 0 : 1 + depth(n - 1);
}

/* RSTORSSP to a new shadow stack and SAVEPREVSSP for the way back; then back. */
static int pivot(void)
{
    uint64_t mine = ssp(), stack = (uint64_t)syscall(MAP_SHADOW_STACK, 0, 4096, SET_TOKEN), token = stack + 4096 - 8, there;

    if ((int64_t)stack < 0 && (int64_t)stack > -4096)
        return 0;
    __asm__ volatile(".byte 0xf3, 0x0f, 0x01, 0x28\n\t"                     /* rstorssp [rax] */
                     ".byte 0xf3, 0x0f, 0x01, 0xea\n\t"                     /* saveprevssp */
                     "xor %%ecx, %%ecx\n\t"
                     ".byte 0xf3, 0x48, 0x0f, 0x1e, 0xc9\n\t"               /* rdsspq rcx */
                     "call 1f\n\tjmp 2f\n1:\tret\n2:\n\t"
                     ".byte 0xf3, 0x0f, 0x01, 0x2a\n\t"                     /* rstorssp [rdx]: where SAVEPREVSSP left a token */
                     "mov $1, %%eax\n\t"
                     ".byte 0xf3, 0x48, 0x0f, 0xae, 0xe8\n\t"               /* incsspq rax: past the previous-ssp token */
                     : "=c"(there), "+a"(token) : "d"(mine - 8) : "memory", "cc");
    return there == stack + 4096 && ssp() == mine;
}

/* WRSS to a slot below the top, which is free. */
static int write_it(void)
{
    uint64_t at = ssp() - 64, value = 0x1122334455667788;

    __asm__ volatile(".byte 0x48, 0x0f, 0x38, 0xf6, 0x11" : : "c"(at), "d"(value) : "memory");      /* wrssq [rcx], rdx */
    return *(volatile uint64_t *)at == value;
}

static void die_by_a_changed_return(void)
{
    struct sigaction action = { .sa_flags = SA_SIGINFO };

    action.sa_sigaction = on_segv;
    sigaction(SIGSEGV, &action, NULL);
    __asm__ volatile("call 1f\n\tnop\n\tjmp 2f\n1:\tincq (%%rsp)\n\tret\n2:" : : : "memory", "cc");
    puts("the changed return was followed");
}

int main(void)
{
    int status = -1;

    setvbuf(stdout, NULL, _IONBF, 0);
    if (call2(SYS_arch_prctl, ARCH_SHSTK_ENABLE, ARCH_SHSTK_SHSTK) != 0) {
        puts("no shadow stack");
        _exit(2);
    }
    printf("shadow stack %s, %d calls deep\n", ssp() != 0 ? "on" : "off", depth(1000));
    signal(SIGUSR1, on_usr1);
    raise(SIGUSR1);
    printf("signal handler returned %d\n", handled);
    printf("pivot %s\n", pivot() ? "and back" : "failed");
    if (call2(SYS_arch_prctl, ARCH_SHSTK_ENABLE, ARCH_SHSTK_WRSS) == 0)
        printf("wrss %s\n", write_it() ? "wrote" : "failed");
    if (fork() == 0) {
        die_by_a_changed_return();
        _exit(3);
    }
    wait(&status);
    printf("child status %d\n", status);
    puts(status == 0 ? "survived nothing" : "something survived");
    _exit(status != 0);
}
