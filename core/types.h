/* SPDX-License-Identifier: MIT
 * Addresses, pages and kinds of access. */
#ifndef CORE_TYPES_H
#define CORE_TYPES_H

#include <stdint.h>

typedef uint64_t gpa_t;     /* guest-physical address */
typedef uint64_t gva_t;     /* guest linear (virtual) address */

#define PAGE_SHIFT  12
#define PAGE_SIZE   4096u
#define PAGE_MASK   (~(uint64_t)4095)

enum access { ACCESS_READ = 1, ACCESS_WRITE = 2, ACCESS_EXECUTE = 4 };

#endif
