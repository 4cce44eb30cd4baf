/* SPDX-License-Identifier: MIT
 * Two threads add to one counter without a lock: updates get lost, how many is up to the order of the processors. */
#include <pthread.h>
#include <stdio.h>

static volatile unsigned counter, ready;

static void *add(void *arg)
{
    __atomic_add_fetch(&ready, 1, __ATOMIC_SEQ_CST);
    while (ready < 2)
        ;
    for (unsigned k = 0; k < 20000; k++)
        counter = counter + 1;
    return arg;
}

int main(void)
{
    pthread_t threads[2];

    for (unsigned k = 0; k < 2; k++)
        if (pthread_create(&threads[k], NULL, add, NULL) != 0)
            return 1;
    for (unsigned k = 0; k < 2; k++)
        pthread_join(threads[k], NULL);
    printf("lost %u updates\n", 40000 - counter);
    return 0;
}
