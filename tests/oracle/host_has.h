/* SPDX-License-Identifier: MIT */
#ifndef TESTS_ORACLE_HOST_HAS_H
#define TESTS_ORACLE_HOST_HAS_H

#include <stdbool.h>

/* Does the host's CPUID show this enum feature? False on other hosts than x86-64. */
bool host_has(unsigned feature);

#endif
