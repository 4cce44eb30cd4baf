/* SPDX-License-Identifier: MIT
 * Two threads that make deposits without a lock, for the worked example of docs/race.md: some may get lost. */
#include <pthread.h>
#include <stdio.h>

#define DEPOSITS 100

static volatile int balance, audited, open;
static volatile int done[2];            /* how many each thread has made */

static void audit(int amount)
{
    for (int n = 0; n < 10; n++)
        audited ^= amount << n;
}

static void deposit(int who)
{
    int seen = balance;

    audit(seen);
    balance = seen + 1;
    done[who]++;
}

static void *teller(void *arg)
{
    int who = *(int *)arg;

    __atomic_add_fetch(&open, 1, __ATOMIC_SEQ_CST);
    while (open < 2)
        ;
    for (int n = 0; n < DEPOSITS; n++)
        deposit(who);
    return NULL;
}

static void complain(int lost)
{
    printf("%d deposits are lost\n", lost);
}

int main(void)
{
    static int names[2] = { 0, 1 };
    pthread_t other;

    pthread_create(&other, NULL, teller, &names[1]);
    teller(&names[0]);
    pthread_join(other, NULL);
    if (balance != 2 * DEPOSITS)
        complain(2 * DEPOSITS - balance);
    return balance != 2 * DEPOSITS;
}
