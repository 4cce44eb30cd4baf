/* SPDX-License-Identifier: MIT
 * Every access that the inline TLB hit of mem.h could not serve. An access is one or two spans, one per page; all of them
 * are translated before any byte moves, so a fault leaves nothing half done. */
#include "cpu/mem.h"

#include "cpu/tlb.h"

struct span {
    struct tlb_place at;
    gva_t lin;
    unsigned bytes;
};

struct spans {
    struct span part[2];
    unsigned count;
};

const uint8_t *mem_victim_read(const struct cpu *cpu, gva_t lin, unsigned bytes)
{
    const struct tlb_entry *e = &cpu->tlb[tlb_victim_of(lin)];

    return e->read == ((lin + bytes - 1) & PAGE_MASK) ? (const uint8_t *)(uintptr_t)(lin + e->addend) : NULL;
}

uint8_t *mem_victim_write(const struct cpu *cpu, gva_t lin, unsigned bytes)
{
    const struct tlb_entry *e = &cpu->tlb[tlb_victim_of(lin)];

    return e->write == ((lin + bytes - 1) & PAGE_MASK) ? (uint8_t *)(uintptr_t)(lin + e->addend) : NULL;
}

static bool spans_translate(struct cpu *cpu, gva_t lin, uint64_t wrap, unsigned bytes, unsigned access, enum tlb_bank bank,
                            struct spans *s)
{
    unsigned first = (unsigned)(PAGE_SIZE - (lin & ~PAGE_MASK));

    s->count = bytes > first ? 2 : 1;
    s->part[0].bytes = bytes > first ? first : bytes;
    s->part[1].bytes = bytes - s->part[0].bytes;
    s->part[0].lin = lin & wrap;
    s->part[1].lin = (lin + first) & wrap;
    if (!tlb_fill(cpu, lin & wrap, access, bank, &s->part[0].at))
        return false;
    return s->count == 1 || tlb_fill(cpu, (lin + first) & wrap, access, bank, &s->part[1].at);
}

static void device_read(struct cpu *cpu, gpa_t at, uint8_t *to, unsigned bytes)
{
    for (unsigned done = 0; done < bytes; done += 8) {
        unsigned n = bytes - done < 8 ? bytes - done : 8;

        store_bytes(to + done, n, space_read(cpu->memory, at + done, n));
    }
}

static void device_write(struct cpu *cpu, gpa_t at, const uint8_t *from, unsigned bytes)
{
    for (unsigned done = 0; done < bytes; done += 8) {
        unsigned n = bytes - done < 8 ? bytes - done : 8;

        space_write(cpu->memory, at + done, n, load_bytes(from + done, n));
    }
}

static void spans_load(struct cpu *cpu, const struct insn *i, const struct spans *s, uint8_t *to)
{
    for (unsigned n = 0; n < s->count; to += s->part[n++].bytes) {
        const struct span *p = &s->part[n];

        if (UNLIKELY(cpu->points != NULL))
            points_accessed(cpu, p->lin, &p->at, p->bytes, NULL);
        if (p->at.host != NULL) {
            memcpy(to, p->at.host, p->bytes);
        } else {
            cpu_sync(cpu, i);
            device_read(cpu, p->at.gpa, to, p->bytes);
        }
    }
}

static void spans_store(struct cpu *cpu, const struct insn *i, const struct spans *s, const uint8_t *from)
{
    for (unsigned n = 0; n < s->count; from += s->part[n++].bytes) {
        const struct span *p = &s->part[n];

        if (UNLIKELY(cpu->points != NULL))
            points_accessed(cpu, p->lin, &p->at, p->bytes, from);
        if (p->at.host != NULL) {
            ram_wrote(p->at.ram, p->at.ram_offset, p->bytes);
            memcpy(p->at.host, from, p->bytes);
        } else {
            cpu_sync(cpu, i);
            device_write(cpu, p->at.gpa, from, p->bytes);
        }
    }
}

/* Data addresses have 32 bits outside 64-bit code. */
static uint64_t data_wrap(const struct cpu *cpu)
{
    return (cpu->mode & MODE_DECODE) == DECODE_64 ? ~(uint64_t)0 : 0xffffffffu;
}

static bool canonical_range(const struct cpu *cpu, gva_t lin, unsigned bytes)
{
    return cpu_canonical(cpu, lin) && cpu_canonical(cpu, lin + bytes - 1);
}

/* SDM 3A "Alignment-Check Exception (#AC)"; checked before translation, as an Intel processor does (seen on Emerald Rapids;
 * the manual leaves the order within the class to the model). natural: 0 for vectors, which are not checked: those that must
 * be aligned raise #GP by themselves (SDM 2A "Exception Type 4"). */
static bool misaligned(const struct cpu *cpu, gva_t lin, unsigned natural)
{
    return natural != 0 && (lin & (natural - 1)) != 0 && cpu->p.cpl == 3 && (cpu->p.cr0 & CR0_AM) && (cpu->p.rflags & FLAG_AC);
}

/* Explicit accesses: a first byte out of the canonical form comes before #AC, one further on after it, but before it where an
 * opmask chooses what is read (seen on Emerald Rapids). */
static bool aligned_first(const struct cpu *cpu, const struct insn *i, gva_t lin, unsigned bytes, unsigned access)
{
    bool chosen = i->mask && !(i->evex & EVEX_WHOLE) && !(access & ACCESS_WRITE);

    return chosen ? canonical_range(cpu, lin, bytes) : cpu_canonical(cpu, lin);
}

static bool well_placed(struct cpu *cpu, const struct insn *i, gva_t lin, unsigned bytes, unsigned natural, unsigned access)
{
    bool wide = data_wrap(cpu) == ~(uint64_t)0;

    cpu->insn = i;
    if (wide)
        lin = cpu_untag(cpu, lin);
    if (UNLIKELY(misaligned(cpu, lin, natural)) && (!wide || aligned_first(cpu, i, lin, bytes, access)))
        return fault_raise_error(cpu, VEC_AC, 0);
    if (wide && UNLIKELY(!canonical_range(cpu, lin, bytes)))
        return fault_raise_error(cpu, i->seg == SEG_SS ? VEC_SS : VEC_GP, 0);
    return true;
}

bool mem_canonical(struct cpu *cpu, const struct insn *i, gva_t lin, unsigned bytes)
{
    return well_placed(cpu, i, lin, bytes, 0, ACCESS_READ);
}

bool mem_aligned_slow(struct cpu *cpu, const struct insn *i, gva_t lin, unsigned natural)
{
    return well_placed(cpu, i, lin, 1, natural, ACCESS_READ);
}

bool mem_aligned_wherever(struct cpu *cpu, gva_t lin, unsigned natural)
{
    return !misaligned(cpu, lin, natural) || fault_raise_error(cpu, VEC_AC, 0);
}

/* A partition may access the local APIC's registers by 32 bits, aligned; all else is #GP (TLFS 10.2.2). */
static bool apic_takes(struct cpu *cpu, const struct spans *s, unsigned bytes)
{
    uint64_t base;

    if (LIKELY(s->part[0].at.host != NULL) || !cpu->config.hypervisor || cpu->ports.apic == NULL)
        return true;
    base = cpu->ports.apic->base(cpu->ports.apic_self);
    if ((base & (LAPIC_BASE_EN | LAPIC_BASE_EXTD)) != LAPIC_BASE_EN ||
        ((s->part[0].at.gpa ^ base) & PAGE_MASK) != 0 || (bytes == 4 && (s->part[0].at.gpa & 3) == 0))
        return true;
    return fault_gp(cpu, 0);
}

/* An entry stands under the address as the program has it, and it was not the inline hit. */
static bool known_as_tagged(struct cpu *cpu, gva_t tagged, gva_t lin, unsigned bytes, unsigned access, enum tlb_bank bank,
                            struct spans *s)
{
    if ((tagged & ~PAGE_MASK) + bytes > PAGE_SIZE || !tlb_known(cpu, tagged, access, bank, &s->part[0].at))
        return false;
    s->count = 1;
    s->part[0].lin = lin;
    s->part[0].bytes = bytes;
    return true;
}

/* Everything an explicit data access must pass. i->seg names the segment for #SS; pushes and pops check their own. */
static bool data_access(struct cpu *cpu, const struct insn *i, gva_t lin, unsigned bytes, unsigned natural, unsigned access,
                        enum tlb_bank bank, struct spans *s)
{
    uint64_t wrap = data_wrap(cpu);
    gva_t tagged = lin;

    if (wrap == ~(uint64_t)0)
        lin = cpu_untag(cpu, lin);
    if (!well_placed(cpu, i, lin, bytes, bank == BANK_SLOW ? natural : 0, access))
        return false;
    if (bank != BANK_SLOW) {
        if (UNLIKELY(lin != tagged) && known_as_tagged(cpu, tagged, lin, bytes, access, bank, s))
            return true;
        if (!spans_translate(cpu, lin, wrap, bytes, access, bank, s) || !apic_takes(cpu, s, bytes))
            return false;
        if (UNLIKELY(lin != tagged))
            tlb_rename(cpu, lin, tagged, bank);
        return true;
    }
    if (!spans_translate(cpu, lin, wrap, bytes, access, tlb_data_bank(cpu), s) || !apic_takes(cpu, s, bytes))
        return false;
    debug_data_access(cpu, lin & wrap, bytes, access);
    return true;
}

bool mem_load_slow(struct cpu *cpu, const struct insn *i, gva_t lin, void *to, unsigned bytes, enum tlb_bank bank)
{
    const uint8_t *victim = mem_victim_read(cpu, lin, bytes);
    struct spans s;

    if (victim != NULL) {
        memcpy(to, victim, bytes);
        return true;
    }
    if (!data_access(cpu, i, lin, bytes, bytes, ACCESS_READ, bank, &s))
        return false;
    spans_load(cpu, i, &s, to);
    return true;
}

/* Operands of EVEX that are scalars to the alignment check; elements that masks or indices make accesses of their own are not
 * (seen on an Emerald Rapids). */
static unsigned evex_natural(const struct insn *i, unsigned bytes)
{
    bool checked = (i->flags & INSN_EVEX) && i->mem_bytes <= 8 && !(i->evex & EVEX_UNCHECKED);

    return checked && bytes <= 8 && (bytes & (bytes - 1)) == 0 ? bytes : 0;
}

bool mem_load_block_slow(struct cpu *cpu, const struct insn *i, gva_t lin, unsigned bytes)
{
    const uint8_t *victim = mem_victim_read(cpu, lin, bytes);
    struct spans s;

    if (victim != NULL) {
        memcpy(cpu->slow_value, victim, bytes);
        return true;
    }
    if (!data_access(cpu, i, lin, bytes, evex_natural(i, bytes), ACCESS_READ, mem_bank(cpu), &s))
        return false;
    spans_load(cpu, i, &s, (uint8_t *)cpu->slow_value);
    return true;
}

bool mem_store_slow(struct cpu *cpu, const struct insn *i, gva_t lin, const void *from, unsigned bytes, enum tlb_bank bank)
{
    uint8_t *victim = mem_victim_write(cpu, lin, bytes);
    struct spans s;

    if (victim != NULL) {
        memcpy(victim, from, bytes);
        return true;
    }
    if (!data_access(cpu, i, lin, bytes, bytes, ACCESS_WRITE, bank, &s))
        return false;
    spans_store(cpu, i, &s, from);
    return true;
}

bool mem_store_block_slow(struct cpu *cpu, const struct insn *i, gva_t lin, unsigned bytes)
{
    uint8_t *victim = mem_victim_write(cpu, lin, bytes);
    struct spans s;

    if (victim != NULL) {
        memcpy(victim, cpu->slow_value, bytes);
        return true;
    }
    if (!data_access(cpu, i, lin, bytes, evex_natural(i, bytes), ACCESS_WRITE, mem_bank(cpu), &s))
        return false;
    spans_store(cpu, i, &s, (const uint8_t *)cpu->slow_value);
    return true;
}

/* The store half goes through mem_store(), which finds the same places. */
bool rmw_load_slow(struct cpu *cpu, const struct insn *i, gva_t lin, unsigned bytes)
{
    const uint8_t *victim = mem_victim_write(cpu, lin, bytes);
    struct spans s;

    cpu->slow_value[0] = 0;
    if (victim != NULL) {
        memcpy(cpu->slow_value, victim, bytes);
        return true;
    }
    if (!data_access(cpu, i, lin, bytes, bytes, ACCESS_READ | ACCESS_WRITE, mem_bank(cpu), &s))
        return false;
    spans_load(cpu, i, &s, (uint8_t *)cpu->slow_value);
    return true;
}

bool mem_probe_write(struct cpu *cpu, const struct insn *i, gva_t lin, unsigned bytes)
{
    uint64_t wrap = data_wrap(cpu);
    struct spans s;

    if (mem_find_write(cpu, lin, bytes) != NULL)
        return true;
    if (wrap == ~(uint64_t)0)
        lin = cpu_untag(cpu, lin);
    return well_placed(cpu, i, lin, bytes, 0, ACCESS_WRITE) &&
           spans_translate(cpu, lin, wrap, bytes, ACCESS_WRITE, tlb_data_bank(cpu), &s);
}

/* ---- the stack ---- */

bool stack_linear_slow(struct cpu *cpu, const struct insn *i, uint64_t sp, unsigned bytes, unsigned access)
{
    cpu->insn = i;
    if (data_wrap(cpu) == ~(uint64_t)0 && cpu_canonical(cpu, sp) && !mem_aligned(cpu, i, sp, bytes))
        return false;
    return seg_check(cpu, SEG_SS, sp, bytes, access, &cpu->slow_lin);
}

/* ---- implicit supervisor accesses ---- */

/* Linear addresses have 64 bits in all of IA-32e mode here. */
static bool linear_access(struct cpu *cpu, gva_t lin, unsigned bytes, unsigned access, enum tlb_bank bank, struct spans *s)
{
    bool wide = cpu->p.efer & EFER_LMA;

    if (wide && !canonical_range(cpu, lin, bytes))
        return fault_gp(cpu, 0);
    return spans_translate(cpu, lin, wide ? ~(uint64_t)0 : 0xffffffffu, bytes, access, bank, s);
}

static bool system_access(struct cpu *cpu, gva_t lin, unsigned bytes, unsigned access, struct spans *s)
{
    return linear_access(cpu, lin, bytes, access, BANK_SUPERVISOR, s);
}

/* What the clock is told before a device is asked: a running instruction, or nothing. */
static const struct insn *running_insn(const struct cpu *cpu)
{
    return cpu->block != NULL ? cpu->insn : NULL;
}

bool mem_load_system(struct cpu *cpu, gva_t lin, unsigned bytes, uint64_t *out)
{
    struct tlb_entry *e = tlb_slot(cpu->banks[BANK_SUPERVISOR], lin);
    struct spans s;

    *out = 0;
    if (e->read == ((lin + bytes - 1) & PAGE_MASK)) {
        *out = load_bytes((const uint8_t *)(uintptr_t)(lin + e->addend), bytes);
        return true;
    }
    if (!system_access(cpu, lin, bytes, ACCESS_READ, &s))
        return false;
    spans_load(cpu, running_insn(cpu), &s, (uint8_t *)out);
    return true;
}

bool mem_store_system(struct cpu *cpu, gva_t lin, unsigned bytes, uint64_t v)
{
    struct tlb_entry *e = tlb_slot(cpu->banks[BANK_SUPERVISOR], lin);
    struct spans s;

    if (e->write == ((lin + bytes - 1) & PAGE_MASK)) {
        store_bytes((uint8_t *)(uintptr_t)(lin + e->addend), bytes, v);
        return true;
    }
    if (!system_access(cpu, lin, bytes, ACCESS_WRITE, &s))
        return false;
    spans_store(cpu, running_insn(cpu), &s, (const uint8_t *)&v);
    return true;
}

bool mem_probe_system(struct cpu *cpu, gva_t lin, unsigned bytes, unsigned access)
{
    struct spans s;

    return system_access(cpu, lin, bytes, access, &s);
}

bool mem_load_level(struct cpu *cpu, gva_t lin, unsigned bytes, uint64_t *out)
{
    struct spans s;

    *out = 0;
    if (!linear_access(cpu, lin, bytes, ACCESS_READ, tlb_data_bank(cpu), &s))
        return false;
    spans_load(cpu, running_insn(cpu), &s, (uint8_t *)out);
    return true;
}

bool mem_store_level(struct cpu *cpu, gva_t lin, unsigned bytes, uint64_t v)
{
    struct spans s;

    if (!linear_access(cpu, lin, bytes, ACCESS_WRITE, tlb_data_bank(cpu), &s))
        return false;
    debug_data_access(cpu, lin, bytes, ACCESS_WRITE);
    spans_store(cpu, running_insn(cpu), &s, (const uint8_t *)&v);
    return true;
}

/* ---- shadow stacks ---- */

static uint8_t *shadow_hit(const struct cpu *cpu, gva_t lin, unsigned bytes, bool user)
{
    const struct shadow_page *p = &cpu->shadow[user];

    if (p->page != (lin & PAGE_MASK) || (lin & ~PAGE_MASK) > PAGE_SIZE - bytes)
        return NULL;
    return (uint8_t *)(uintptr_t)(lin + p->addend);
}

static bool shadow_access(struct cpu *cpu, gva_t lin, unsigned bytes, unsigned access, bool user, struct spans *s)
{
    if (!linear_access(cpu, lin, bytes, access | ACCESS_SHADOW, user ? BANK_USER : BANK_SUPERVISOR, s))
        return false;
    if ((access & ACCESS_WRITE) && s->count == 1)
        shadow_remember(cpu, lin, user, &s->part[0].at);
    return true;
}

bool mem_load_shadow(struct cpu *cpu, gva_t lin, unsigned bytes, bool user, uint64_t *out)
{
    const uint8_t *host = shadow_hit(cpu, lin, bytes, user);
    struct spans s;

    *out = 0;
    if (host != NULL) {
        *out = load_bytes(host, bytes);
        return true;
    }
    if (!shadow_access(cpu, lin, bytes, ACCESS_READ, user, &s))
        return false;
    spans_load(cpu, running_insn(cpu), &s, (uint8_t *)out);
    return true;
}

bool mem_store_shadow(struct cpu *cpu, gva_t lin, unsigned bytes, bool user, uint64_t v)
{
    uint8_t *host = shadow_hit(cpu, lin, bytes, user);
    struct spans s;

    if (host != NULL) {
        store_bytes(host, bytes, v);
        return true;
    }
    if (!shadow_access(cpu, lin, bytes, ACCESS_WRITE, user, &s))
        return false;
    spans_store(cpu, running_insn(cpu), &s, (const uint8_t *)&v);
    return true;
}

bool mem_swap_shadow(struct cpu *cpu, gva_t lin, bool user, uint64_t expected, uint64_t v, uint64_t *was)
{
    struct spans s;

    *was = 0;
    if (!shadow_access(cpu, lin, 8, ACCESS_READ | ACCESS_WRITE, user, &s))
        return false;
    spans_load(cpu, running_insn(cpu), &s, (uint8_t *)was);
    if (*was != expected)
        v = *was;
    spans_store(cpu, running_insn(cpu), &s, (const uint8_t *)&v);
    return true;
}

/* ---- segmented addresses ---- */

bool ea_segment(struct cpu *cpu, const struct insn *i, uint64_t offset, unsigned bytes, unsigned access, gva_t *lin)
{
    cpu->insn = i;
    if ((cpu->mode & MODE_DECODE) == DECODE_64) {       /* FS and GS: base only */
        *lin = cpu->p.seg_base[i->seg] + offset;
        return true;
    }
    return seg_check(cpu, (enum seg)i->seg, offset, bytes, access, lin);
}

bool ea_piece_segment(struct cpu *cpu, const struct insn *i, unsigned at, unsigned bytes, unsigned access, gva_t *lin)
{
    return ea_segment(cpu, i, ea_piece_offset(cpu, i, at), bytes, access, lin);
}
