/* SPDX-License-Identifier: MIT
 * Decoded and translated code, for whoever looks at it. */
#include "cpu/block.h"
#include "cpu/jit/jit.h"
#include "cpu/tlb.h"

struct view {
    struct cpu *cpu;
    void (*show)(void *arg, const struct cpu_translation *t);
    void *arg;
};

static void show_block(void *arg, const struct block *b)
{
    const struct view *v = arg;

    jit_show(v->cpu->jit, b, v->show, v->arg);
}

/* Whatever the rights; nothing is marked as used. NULL: not mapped, or no plain memory. */
static const uint8_t *host_of(struct cpu *cpu, gva_t lin)
{
    const struct space_page *page;
    gpa_t gpa;

    if (!cpu_translate(cpu, lin, 0, false, false, &gpa))
        return NULL;
    page = tlb_phys_page(cpu, gpa & PAGE_MASK);
    return page->host != NULL ? page->host + (gpa & ~PAGE_MASK) : NULL;
}

struct cpu_code_use cpu_code_use(const struct cpu *cpu)
{
    struct cpu_code_use use = { 0 };

    block_cache_use(cpu, &use.decoded_bytes, &use.pages);
    jit_use(cpu->jit, &use.translated_bytes, &use.translated_room, &use.decoded_bytes);
    for (unsigned n = 0; n < TLB_SPACES; n++)
        use.spaces += cpu->spaces[n] != NULL;
    return use;
}

void cpu_show_code(struct cpu *cpu, gva_t lin, void (*show)(void *arg, const struct cpu_translation *t), void *arg)
{
    struct view v = { cpu, show, arg };
    const uint8_t *host = host_of(cpu, lin);

    if (host != NULL)
        block_each(cpu, host, show_block, &v);
}
