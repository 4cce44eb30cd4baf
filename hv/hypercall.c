/* SPDX-License-Identifier: MIT
 * The hypercall ABI, TLFS 6.0b chapter 3: registers of both widths, fast and XMM forms, alignment, reps and their
 * continuation, result. Which calls there are is in hypercalls.def; what they do is in their handlers. */
#include "hv/hypercall.h"

#include <stdio.h>
#include <string.h>

#include "hv/trace.h"

/* A rep call returns to its instruction after so many elements, so that interrupts get through (3.3: about 50 us). */
#define REPS_PER_ENTRY      64u

#define VECTOR_UD           6u
#define CR0_PE              BIT64(0)
#define RFLAGS_VM           BIT64(17)
#define XMM_COUNT           6u

const struct hc_row hc_rows[] = {
#define HYPERCALL(code, name, class, form, header, element, out_header, out_element, privilege) \
    { code, class, form, header, element, out_header, out_element, HV_GATE_##privilege, #name, hc_##name },
#define HYPERCALL_ABSENT(code, name) { code, 0, 0, 0, 0, 0, 0, HV_GATE_ANYBODY, #name, NULL },
#include "hv/hypercalls.def"
#undef HYPERCALL
#undef HYPERCALL_ABSENT
};
const unsigned hc_nrows = COUNT_OF(hc_rows);
_Static_assert(COUNT_OF(hc_rows) <= HV_MAX_CALLS, "every call has a counter");

/* One call while it is carried out. */
struct request {
    struct hc_call call;
    const struct hc_row *row;
    struct cpu *cpu;
    uint64_t control;
    bool wide, fast;                    /* 64-bit caller; parameters in registers */
    bool fetched;                       /* the input is there */
    enum hv_status status;              /* as returned */
    unsigned reps, start;               /* count and index of the first one to do */
    unsigned done;                      /* index of the first element not carried out */
    uint32_t in_bytes, out_bytes;       /* whole parameter lists */
    uint32_t out_at;                    /* fast output: offset in the register block */
    gpa_t in_gpa, out_gpa;
    union {
        uint8_t in[PAGE_SIZE];
        uint64_t registers[HV_HYPERCALL_XMM_BYTES / 8];     /* fast: RDX, R8, XMM0 to XMM5 */
    };
    uint8_t out[PAGE_SIZE];
};

/* Rows by code: ordinary calls, then extended ones (3.14), which begin at 8000h. */
#define SLOT(code)  (((code) & 0xffu) | ((code) & 0x8000u) >> 7)
enum {
#define HYPERCALL(code, name, ...) ROW_##code,
#define HYPERCALL_ABSENT(code, name) ROW_##code,
#include "hv/hypercalls.def"
#undef HYPERCALL
#undef HYPERCALL_ABSENT
};
static const uint8_t row_after[512] = {
#define HYPERCALL(code, name, ...) [SLOT(code)] = ROW_##code + 1,
#define HYPERCALL_ABSENT(code, name) [SLOT(code)] = ROW_##code + 1,
#include "hv/hypercalls.def"
#undef HYPERCALL
#undef HYPERCALL_ABSENT
};

static const struct hc_row *find(unsigned code)
{
    unsigned n = row_after[SLOT(code)];

    return n != 0 && hc_rows[n - 1].code == code ? &hc_rows[n - 1] : NULL;
}

/* ---- registers, 3.7 and 3.8 ---- */

static uint64_t pair(const struct cpu *cpu, enum cpu_reg high, enum cpu_reg low)
{
    return cpu_reg(cpu, high) << 32 | (uint32_t)cpu_reg(cpu, low);
}

static uint64_t control_register(const struct request *r)
{
    return r->wide ? cpu_reg(r->cpu, CPU_REG_RCX) : pair(r->cpu, CPU_REG_RDX, CPU_REG_RAX);
}

static uint64_t first_register(const struct request *r)
{
    return r->wide ? cpu_reg(r->cpu, CPU_REG_RDX) : pair(r->cpu, CPU_REG_RBX, CPU_REG_RCX);
}

static uint64_t second_register(const struct request *r)
{
    return r->wide ? cpu_reg(r->cpu, CPU_REG_R8) : pair(r->cpu, CPU_REG_RDI, CPU_REG_RSI);
}

/* 32-bit code sees only the low halves, whose upper ones read as zero afterwards, as after any 32-bit write. */
static void set_pair(struct cpu *cpu, enum cpu_reg high, enum cpu_reg low, uint64_t value)
{
    cpu_set_reg(cpu, high, value >> 32);
    cpu_set_reg(cpu, low, (uint32_t)value);
}

static void set_control_register(const struct request *r, uint64_t value)
{
    if (r->wide)
        cpu_set_reg(r->cpu, CPU_REG_RCX, value);
    else
        set_pair(r->cpu, CPU_REG_RDX, CPU_REG_RAX, value);
}

static void load_registers(struct request *r)
{
    r->registers[0] = first_register(r);
    r->registers[1] = second_register(r);
    if (r->in_bytes <= HV_HYPERCALL_FAST_BYTES)
        return;
    for (unsigned n = 0; n < XMM_COUNT; n++)
        memcpy(&r->registers[2 + 2 * n], cpu_xmm(r->cpu, n), 16);
}

/* Fast output begins in the register after the input, rounded up to 16 bytes (3.8.1). */
static void store_registers(struct request *r)
{
    uint64_t block[HV_HYPERCALL_XMM_BYTES / 8];
    uint32_t first = r->out_at / 16, last = (r->out_at + r->out_bytes + 15) / 16;

    for (uint32_t at = first; at < last; at++) {
        if (at == 0) {
            block[0] = first_register(r);
            block[1] = second_register(r);
        } else {
            memcpy(&block[2 * at], cpu_xmm(r->cpu, at - 1), 16);
        }
    }
    memcpy((uint8_t *)block + r->out_at, r->out, r->out_bytes);
    for (uint32_t at = first; at < last; at++) {
        if (at == 0) {
            cpu_set_reg(r->cpu, CPU_REG_RDX, block[0]);
            cpu_set_reg(r->cpu, CPU_REG_R8, block[1]);
        } else {
            memcpy(cpu_xmm(r->cpu, at - 1), &block[2 * at], 16);
        }
    }
}

/* ---- checks, 3.6, 3.7, 3.11 ---- */

/* The control word: what 3.7 lists, after the code and the privilege, which reveal least (3.12.2). */
static enum hv_status check_control(struct request *r)
{
    const struct hc_row *row = r->row;
    bool rep = (row->class & REP) != 0;

    if (row->handler == NULL || !hv_offers(r->call.vp->hv, row->gate))
        return HV_STATUS_ACCESS_DENIED;
    if (r->control & HV_HYPERCALL_RSVDZ)
        return HV_STATUS_INVALID_HYPERCALL_INPUT;
    if (rep ? r->start >= r->reps : r->control >> 32 != 0)      /* reserved bits are zero: count or start index */
        return HV_STATUS_INVALID_HYPERCALL_INPUT;
    if (r->call.variable != 0 && (row->class & VAR) == 0)
        return HV_STATUS_INVALID_HYPERCALL_INPUT;
    r->in_bytes = row->header + r->call.variable * 8u + r->reps * row->element;
    r->out_bytes = row->out_header + r->reps * row->out_element;
    if (r->fast) {
        r->out_at = (uint32_t)align_up(r->in_bytes, 16);
        if (r->in_bytes > row->form || row->form == MEM || (r->out_bytes != 0 && r->out_at + r->out_bytes > row->form))
            return HV_STATUS_INVALID_HYPERCALL_INPUT;
    }
    return HV_STATUS_SUCCESS;
}

/* XMM input and fast output where they are not announced, and fast output for 32-bit callers, are #UD (3.7.2, 3.8.1). */
static bool form_exists(const struct request *r)
{
    const struct hv *hv = r->call.vp->hv;

    if (!r->fast)
        return true;
    if (r->in_bytes > HV_HYPERCALL_FAST_BYTES && !hv_offers(hv, HV_GATE_XmmRegistersForFastHypercallAvailable))
        return false;
    return r->out_bytes == 0 || (r->wide && hv_offers(hv, HV_GATE_FastHypercallOutputAvailable));
}

static bool list_ok(const struct hv *hv, gpa_t at, uint32_t bytes)
{
    return bytes == 0 || ((at & 7) == 0 && hv_gpa_valid(hv, at) && (at & (PAGE_SIZE - 1)) + bytes <= PAGE_SIZE);
}

static enum hv_status check_lists(const struct request *r)
{
    const struct hv *hv = r->call.vp->hv;

    if (!list_ok(hv, r->in_gpa, r->in_bytes) || !list_ok(hv, r->out_gpa, r->out_bytes))
        return HV_STATUS_INVALID_ALIGNMENT;
    if (r->in_bytes != 0 && r->out_bytes != 0 &&
        r->in_gpa < r->out_gpa + r->out_bytes && r->out_gpa < r->in_gpa + r->in_bytes)
        return HV_STATUS_INVALID_ALIGNMENT;     /* 3.6: must not overlap; no status is printed */
    return HV_STATUS_SUCCESS;
}

static enum hv_status fetch_input(struct request *r)
{
    enum hv_status status;

    if (r->fast) {
        load_registers(r);
        return HV_STATUS_SUCCESS;
    }
    r->in_gpa = first_register(r);
    r->out_gpa = second_register(r);
    status = check_lists(r);
    if (status == HV_STATUS_SUCCESS && r->in_bytes != 0)
        space_read_bytes(r->call.vp->hv->memory, r->in_gpa, r->in, r->in_bytes);
    return status;
}

/* Output of the reps done in this entry, or of a simple call. */
static void store_output(struct request *r, unsigned done)
{
    uint32_t first = r->row->out_header + r->start * r->row->out_element;
    uint32_t end = r->row->out_header + done * r->row->out_element;

    if (r->out_bytes == 0)
        return;
    if (r->fast)
        store_registers(r);
    else if ((r->row->class & REP) == 0)
        space_write_bytes(r->call.vp->hv->memory, r->out_gpa, r->out, r->out_bytes);
    else if (end > first)
        space_write_bytes(r->call.vp->hv->memory, r->out_gpa + first, r->out + first, end - first);
}

/* ---- carrying it out ---- */

static enum hv_status run_simple(struct request *r)
{
    enum hv_status status;

    r->call.output = r->out;
    status = r->row->handler(&r->call);
    if (status == HV_STATUS_SUCCESS)
        store_output(r, 0);
    return status;
}

/* Elements from start on; *done is the index of the first one not carried out. */
static enum hv_status run_reps(struct request *r, unsigned *done)
{
    const uint8_t *list = r->in + r->row->header + r->call.variable * 8u;
    unsigned end = r->reps - r->start > REPS_PER_ENTRY && !r->fast ? r->start + REPS_PER_ENTRY : r->reps;
    enum hv_status status = HV_STATUS_SUCCESS;

    for (*done = r->start; *done < end; ++*done) {
        r->call.element = list + *done * r->row->element;
        r->call.output = r->out + r->row->out_header + *done * r->row->out_element;
        status = r->row->handler(&r->call);
        if (status != HV_STATUS_SUCCESS)
            break;
    }
    store_output(r, *done);
    return status;
}

static enum intercept finish(struct request *r, enum hv_status status, unsigned done)
{
    uint64_t result = (uint64_t)status | (uint64_t)done << 32;

    r->status = status;
    r->call.vp->hv->counts.refused += status != HV_STATUS_SUCCESS;

    if (r->wide)
        cpu_set_reg(r->cpu, CPU_REG_RAX, result);
    else
        set_pair(r->cpu, CPU_REG_RDX, CPU_REG_RAX, result);
    return DONE;
}

static enum intercept carry_out(struct request *r)
{
    unsigned done = 0;
    enum hv_status status;

    r->row = find(HV_HYPERCALL_CODE(r->control));
    if (r->row == NULL)
        return finish(r, HV_STATUS_INVALID_HYPERCALL_CODE, 0);
    r->call.vp->hv->counts.calls[r->row - hc_rows]++;
    status = check_control(r);
    if (status == HV_STATUS_SUCCESS && !form_exists(r))
        return PASS;            /* #UD */
    if (status == HV_STATUS_SUCCESS)
        status = fetch_input(r);
    if (status != HV_STATUS_SUCCESS)
        return finish(r, status, 0);
    r->fetched = true;
    r->call.input = r->in;
    if (r->out_bytes != 0)
        memset(r->out, 0, r->out_bytes);
    if ((r->row->class & REP) == 0)
        return finish(r, run_simple(r), 0);
    status = run_reps(r, &done);
    r->done = done;
    set_control_register(r, bits_put(r->control, 59, 48, done));
    return status == HV_STATUS_SUCCESS && done < r->reps ? RETRY : finish(r, status, done);
}

/* 3.5: protected mode, CPL 0. A guest that never told its identity has no hypercall interface. PASS becomes #UD. */
static bool may_call(const struct hv *hv, const struct cpu *cpu)
{
    return (cpu_reg(cpu, CPU_REG_CR0) & CR0_PE) != 0 && (cpu_reg(cpu, CPU_REG_RFLAGS) & RFLAGS_VM) == 0 &&
           cpu_cpl(cpu) == 0 && hv->state.guest_os_id != 0;
}

static void trace(const struct request *r, enum intercept answer)
{
    trace_hypercall(&(struct trace_call){
        .vp = r->call.vp, .row = r->row, .control = r->control, .variable = r->call.variable,
        .in = r->fetched ? r->in : NULL, .out = r->fetched ? r->out : NULL,
        .first = r->start, .end = r->fetched ? r->done : r->start, .status = r->status, .answer = answer,
    });
}

void hv_counters(const struct hv *hv, void (*counter)(void *arg, const char *name, uint64_t value), void *arg)
{
    const struct hv_counts *c = &hv->counts;
    const struct { const char *name; uint64_t value; } others[] = {
        { "refused hypercalls", c->refused }, { "msr reads", c->msr_reads }, { "msr writes", c->msr_writes },
        { "messages", c->messages }, { "events", c->events }, { "timer expirations", c->timers },
        { "SINT interrupts", c->sint_interrupts },
    };

    for (unsigned n = 0; n < hc_nrows; n++) {
        char name[64];

        snprintf(name, sizeof name, "%04x %s", hc_rows[n].code, hc_rows[n].name);
        if (c->calls[n] != 0)
            counter(arg, name, c->calls[n]);
    }
    for (unsigned n = 0; n < COUNT_OF(others); n++)
        if (others[n].value != 0)
            counter(arg, others[n].name, others[n].value);
}

enum intercept hv_hypercall(void *self, struct cpu *cpu)
{
    struct vp *vp = self;
    enum intercept answer;
    struct request r;

    if (!may_call(vp->hv, cpu))
        return PASS;
    memset(&r, 0, offsetof(struct request, in));
    r.call.vp = vp;
    r.cpu = cpu;
    r.wide = cpu_code64(cpu);
    r.control = control_register(&r);
    r.fast = (r.control & HV_HYPERCALL_FAST) != 0;
    r.reps = HV_HYPERCALL_REP_COUNT(r.control);
    r.start = HV_HYPERCALL_REP_START(r.control);
    r.call.variable = HV_HYPERCALL_VARIABLE(r.control);
    answer = carry_out(&r);
    if (hv_traced(vp->hv))
        trace(&r, answer);
    return answer;
}
