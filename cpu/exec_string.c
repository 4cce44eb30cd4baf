/* SPDX-License-Identifier: MIT
 * MOVS, STOS, LODS, SCAS, CMPS and their repetition. Plain memory within a page is moved by the host at once; the result and
 * the count are those of single elements in order. */
#include "cpu/exec_string.h"

static uint64_t index_of(const struct cpu *cpu, const struct insn *i, unsigned reg)
{
    return mask_size(cpu->s.gpr[reg], i->asize);
}

static bool backwards(const struct cpu *cpu)
{
    return cpu->p.rflags & FLAG_DF;
}

/* ---- operands ---- */

static bool source_at(struct cpu *cpu, const struct insn *i, uint64_t offset, unsigned bytes, gva_t *lin)
{
    if (i->flags & INSN_SEGMENT)
        return ea_segment(cpu, i, offset, bytes, ACCESS_READ, lin);
    *lin = offset;
    return true;
}

/* The destination is in ES whatever the prefixes say. */
static bool destination_at(struct cpu *cpu, const struct insn *i, uint64_t offset, unsigned bytes, unsigned access,
                           gva_t *lin)
{
    if ((cpu->mode & MODE_DECODE) == DECODE_64 || (cpu->mode & MODE_FLAT)) {
        *lin = offset;
        return true;
    }
    cpu->insn = i;
    return seg_check(cpu, SEG_ES, offset, bytes, access, lin);
}

bool string_source(struct cpu *cpu, const struct insn *i, unsigned bytes, gva_t *lin)
{
    return source_at(cpu, i, index_of(cpu, i, RSI), bytes, lin);
}

bool string_destination(struct cpu *cpu, const struct insn *i, unsigned bytes, unsigned access, gva_t *lin)
{
    return destination_at(cpu, i, index_of(cpu, i, RDI), bytes, access, lin);
}

void string_advance(struct cpu *cpu, const struct insn *i, unsigned reg, uint64_t elements)
{
    uint64_t by = elements * i->width;

    reg_set(cpu, REG_AT(reg), i->asize, cpu->s.gpr[reg] + (backwards(cpu) ? 0 - by : by));
}

bool string_load(struct cpu *cpu, const struct insn *i, gva_t lin, uint64_t *v)
{
    switch (i->width) {
    case 1:  return mem_load(cpu, i, lin, 1, v);
    case 2:  return mem_load(cpu, i, lin, 2, v);
    case 4:  return mem_load(cpu, i, lin, 4, v);
    default: return mem_load(cpu, i, lin, 8, v);
    }
}

bool string_store(struct cpu *cpu, const struct insn *i, gva_t lin, uint64_t v)
{
    switch (i->width) {
    case 1:  return mem_store(cpu, i, lin, 1, v);
    case 2:  return mem_store(cpu, i, lin, 2, v);
    case 4:  return mem_store(cpu, i, lin, 4, v);
    default: return mem_store(cpu, i, lin, 8, v);
    }
}

/* ---- repetition ---- */

static void count_down(struct cpu *cpu, const struct insn *i, struct repeat *r, uint64_t done)
{
    r->left -= done;
    r->allowed -= done;
    reg_set(cpu, REG_AT(RCX), i->asize, r->left);
    exec_iterated(cpu, done, false);    /* now, so that the clock is right when the next iteration meets a device */
}

/* All iterations are counted; the block paid for the instruction itself, which the last iteration is. */
static unsigned complete(struct cpu *cpu, const struct insn *i)
{
    cpu->budget++;
    cpu->s.not_insns--;
    if ((int64_t)cpu->budget < 0)
        STOP();
    NEXT();
}

/* With 32-bit addresses in 64-bit code a fault or a count of zero leaves the count cut to them, and the indices of MOVS and STOS
 * too (seen on Emerald Rapids). */
static void narrow_registers(struct cpu *cpu, const struct insn *i)
{
    uint64_t *gpr = cpu->s.gpr;

    if (i->asize != 4 || (cpu->mode & MODE_DECODE) != DECODE_64)
        return;
    gpr[RCX] = (uint32_t)gpr[RCX];
    if (i->op == OP_MOVS)
        gpr[RSI] = (uint32_t)gpr[RSI];
    if (i->op == OP_MOVS || i->op == OP_STOS)
        gpr[RDI] = (uint32_t)gpr[RDI];
}

unsigned string_repeat(struct cpu *cpu, const struct insn *i, string_step *step, string_run *run)
{
    struct repeat r = { .left = 1 };

    if (!(i->flags & (INSN_REP | INSN_REPNE))) {
        if (!step(cpu, i, &r))
            FAULT();
        NEXT();
    }
    cpu->p.rep_resume = 0;
    r.left = index_of(cpu, i, RCX);
    r.allowed = exec_iterations(cpu, i);
    if (r.left == 0) {
        narrow_registers(cpu, i);
        NEXT();
    }
    do {
        uint64_t done = run != NULL ? run(cpu, i, &r) : 0;

        if (done == 0) {
            if (!step(cpu, i, &r)) {
                narrow_registers(cpu, i);
                FAULT();
            }
            done = 1;
        }
        count_down(cpu, i, &r, done);
        if (r.left == 0 || r.stop) {
            if (r.compared)
                cpu->flags = r.flags;
            return complete(cpu, i);
        }
    } while (r.allowed != 0 && !cpu->attention);
    cpu->p.rep_resume = 1;
    AGAIN();
}

/* ---- many elements at once ---- */

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* How many elements from this offset on, in the present direction, lie wholly in its page and do not wrap. */
static uint64_t elements_in_page(const struct cpu *cpu, const struct insn *i, uint64_t offset, gva_t lin)
{
    uint64_t in_page = lin & ~PAGE_MASK, room = backwards(cpu) ? in_page + i->width : PAGE_SIZE - in_page;
    uint64_t span = backwards(cpu) ? offset : mask_size(~(uint64_t)0, i->asize) - offset;

    if (in_page + i->width > PAGE_SIZE)
        return 0;
    return least(room / i->width, span / i->width);
}

/* Linear address of the lowest of n elements of which the first is at lin. */
static gva_t lowest(const struct cpu *cpu, const struct insn *i, gva_t lin, uint64_t n)
{
    return backwards(cpu) ? lin - (n - 1) * i->width : lin;
}

static uint64_t lowest_offset(const struct cpu *cpu, const struct insn *i, unsigned reg, uint64_t n)
{
    return lowest(cpu, i, index_of(cpu, i, reg), n);
}

/* Element by element, for areas that overlap so that later elements read what earlier ones wrote. */
static void copy_in_order(uint8_t *to, const uint8_t *from, unsigned width, uint64_t n, bool back)
{
    for (uint64_t k = 0; k < n; k++) {
        uint64_t at = (back ? n - 1 - k : k) * width;
        uint64_t v = load_bytes(from + at, width);

        store_bytes(to + at, width, v);
    }
}

static uint64_t movs_run(struct cpu *cpu, const struct insn *i, const struct repeat *r)
{
    uint64_t n = least(r->left, r->allowed), bytes;
    const uint8_t *from;
    gva_t source, destination;
    uint8_t *to;

    if (!string_source(cpu, i, i->width, &source) || !string_destination(cpu, i, i->width, ACCESS_WRITE, &destination))
        return 0;
    n = least(n, elements_in_page(cpu, i, index_of(cpu, i, RSI), source));
    n = least(n, elements_in_page(cpu, i, index_of(cpu, i, RDI), destination));
    if (n < 2)
        return 0;
    bytes = n * i->width;
    if (!source_at(cpu, i, lowest_offset(cpu, i, RSI, n), (unsigned)bytes, &source) ||
        !destination_at(cpu, i, lowest_offset(cpu, i, RDI, n), (unsigned)bytes, ACCESS_WRITE, &destination))
        return 0;
    from = mem_find_read(cpu, source, (unsigned)bytes);
    to = mem_find_write(cpu, destination, (unsigned)bytes);
    if (from == NULL || to == NULL)
        return 0;
    if (backwards(cpu) ? to < from && from < to + bytes : from < to && to < from + bytes)
        copy_in_order(to, from, i->width, n, backwards(cpu));
    else
        memmove(to, from, bytes);
    string_advance(cpu, i, RSI, n);
    string_advance(cpu, i, RDI, n);
    return n;
}

static bool movs_step(struct cpu *cpu, const struct insn *i, struct repeat *r)
{
    gva_t source, destination;
    uint64_t v;

    (void)r;
    if (!string_source(cpu, i, i->width, &source) || !string_load(cpu, i, source, &v) ||
        !string_destination(cpu, i, i->width, ACCESS_WRITE, &destination) || !string_store(cpu, i, destination, v))
        return false;
    string_advance(cpu, i, RSI, 1);
    string_advance(cpu, i, RDI, 1);
    return true;
}

/* `bytes` of v's lowest `width`, over and over. */
static void fill(uint8_t *to, uint64_t v, unsigned width, uint64_t bytes)
{
    uint64_t at;

    for (at = 0; at < bytes && at < 64; at += width)
        store_bytes(to + at, width, v);
    for (; at + 64 <= bytes; at += 64)
        memcpy(to + at, to, 64);
    memcpy(to + at, to, bytes - at);
}

static uint64_t stos_run(struct cpu *cpu, const struct insn *i, const struct repeat *r)
{
    uint64_t v = reg_get(cpu, REG_AT(RAX), i->width), n = least(r->left, r->allowed), bytes;
    gva_t lin;
    uint8_t *to;

    if (!string_destination(cpu, i, i->width, ACCESS_WRITE, &lin))
        return 0;
    n = least(n, elements_in_page(cpu, i, index_of(cpu, i, RDI), lin));
    if (n < 2)
        return 0;
    bytes = n * i->width;
    if (!destination_at(cpu, i, lowest_offset(cpu, i, RDI, n), (unsigned)bytes, ACCESS_WRITE, &lin))
        return 0;
    to = mem_find_write(cpu, lin, (unsigned)bytes);
    if (to == NULL)
        return 0;
    if (v == mask_size((v & 0xff) * 0x0101010101010101u, i->width))
        memset(to, (int)(v & 0xff), bytes);
    else
        fill(to, v, i->width, bytes);
    string_advance(cpu, i, RDI, n);
    return n;
}

static bool stos_step(struct cpu *cpu, const struct insn *i, struct repeat *r)
{
    gva_t lin;

    (void)r;
    if (!string_destination(cpu, i, i->width, ACCESS_WRITE, &lin) ||
        !string_store(cpu, i, lin, reg_get(cpu, REG_AT(RAX), i->width)))
        return false;
    string_advance(cpu, i, RDI, 1);
    return true;
}

static bool lods_step(struct cpu *cpu, const struct insn *i, struct repeat *r)
{
    gva_t lin;
    uint64_t v;

    (void)r;
    if (!string_source(cpu, i, i->width, &lin) || !string_load(cpu, i, lin, &v))
        return false;
    reg_set(cpu, REG_AT(RAX), i->width, v);
    string_advance(cpu, i, RSI, 1);
    return true;
}

/* REPE goes on while equal, REPNE while different. The flags of a repeated comparison change when it ends, not before: a fault
 * or a trap on the way finds the old ones (SDM 2B "REP"; for traps seen on Emerald Rapids). */
static void compare(struct cpu *cpu, const struct insn *i, struct repeat *r, uint64_t a, uint64_t b)
{
    r->compared = true;
    flags_set_sub(i->flags & (INSN_REP | INSN_REPNE) ? &r->flags : &cpu->flags, i->width, a, b, a - b);
    r->stop = i->flags & INSN_REP ? a != b : a == b;
}

static bool scas_step(struct cpu *cpu, const struct insn *i, struct repeat *r)
{
    gva_t lin;
    uint64_t v;

    if (!string_destination(cpu, i, i->width, ACCESS_READ, &lin) || !string_load(cpu, i, lin, &v))
        return false;
    compare(cpu, i, r, reg_get(cpu, REG_AT(RAX), i->width), v);
    string_advance(cpu, i, RDI, 1);
    return true;
}

static bool cmps_step(struct cpu *cpu, const struct insn *i, struct repeat *r)
{
    gva_t source, destination;
    uint64_t a, b;

    /* ES:rDI first (seen on Emerald Rapids) */
    if (!string_destination(cpu, i, i->width, ACCESS_READ, &destination) || !string_load(cpu, i, destination, &b) ||
        !string_source(cpu, i, i->width, &source) || !string_load(cpu, i, source, &a))
        return false;
    compare(cpu, i, r, a, b);
    string_advance(cpu, i, RSI, 1);
    string_advance(cpu, i, RDI, 1);
    return true;
}

EXEC(MOVS)
{
    return string_repeat(cpu, i, movs_step, movs_run);
}

EXEC(STOS)
{
    return string_repeat(cpu, i, stos_step, stos_run);
}

EXEC(LODS)
{
    return string_repeat(cpu, i, lods_step, NULL);
}

EXEC(SCAS)
{
    return string_repeat(cpu, i, scas_step, NULL);
}

EXEC(CMPS)
{
    return string_repeat(cpu, i, cmps_step, NULL);
}
