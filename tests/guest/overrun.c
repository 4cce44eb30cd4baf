/* SPDX-License-Identifier: MIT
 * A program with a fault that shows long after it happened, for the worked example of docs/time-travel.md. */
#include <stdio.h>
#include <stdlib.h>

static struct account {
    char name[8];
    int balance;
} account = { "alice", 100 };

static void rename_to(const char *name)
{
    for (int i = 0; name[i] != '\0'; i++)
        account.name[i] = name[i];
}

static void deposit(int amount)
{
    account.balance += amount;
}

static void complain(void)
{
    printf("the bank has lost its mind: %d\n", account.balance);
    exit(1);
}

int main(void)
{
    deposit(50);
    rename_to("bartholomew");
    for (int day = 0; day < 1000; day++)
        deposit(1);
    if (account.balance != 1150)
        complain();
    return 0;
}
