/* SPDX-License-Identifier: MIT
 * The public face: build a machine from its configuration, hash it, feed it, ask it. */
#include "machine/machine.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/invariant.h"
#include "hv/hv.h"
#include "machine/internal.h"
#include "machine/recording.h"
#include "machine/snapshot.h"

void machine_config_default(struct machine_config *cfg)
{
    *cfg = (struct machine_config){
        .ram_bytes = (uint64_t)128 << 20, .nvps = 1, .cpu = "max", .append = "", .boot_order = "cda",
        .hv = true, .jit = cpu_jit_available(), .vga = true, .smm = SMM_ON, .clock = CLOCK_VIRTUAL, .ps_per_insn = 1000,
        .rtc_start_ns = MACHINE_EPOCH_NS, .seed = 0x5061727469746121,
        .debug_exit_port = 0x501, .debug_exit_bytes = 2,
    };
}

static struct err check_config(const struct machine_config *cfg)
{
    if (cfg->nvps < 1 || cfg->nvps > MACHINE_MAX_VPS)
        return err_make(ERR_USAGE, "-smp %u: give 1 to %d processors", cfg->nvps, MACHINE_MAX_VPS);
    if (cfg->ram_bytes < (1u << 20) || cfg->ram_bytes > (uint64_t)1 << 40 || cfg->ram_bytes % (1u << 20) != 0)
        return err_make(ERR_USAGE, "-m %" PRIu64 " bytes: give whole MiB, from 1M to 1024G", cfg->ram_bytes);
    for (unsigned k = 1; k < cfg->nhashes; k++)
        if (cfg->hash_at[k] <= cfg->hash_at[k - 1])
            return err_make(ERR_USAGE, "-hash-at: give instruction counts in ascending order");
    return OK;
}

/* RAM up to 3 GiB lies at 0, the rest from 4 GiB up; 640 KiB to 1 MiB is the chipset's to open. */
static struct err create_memory(struct machine *m)
{
    uint64_t low = m->cfg.ram_bytes < RAM_LOW_MAX ? m->cfg.ram_bytes : RAM_LOW_MAX;

    TRY(ram_create(&m->ram, "ram", m->cfg.ram_bytes));
    m->memory = space_create("memory", 0);
    m->smm_memory = space_create_over("memory in SMM", m->memory);
    m->io = space_create("ports", 0x10000);
    space_add_ram(m->memory, 0, m->ram, 0, low, ACCESS_READ | ACCESS_WRITE | ACCESS_EXECUTE, LAYER_RAM);
    if (m->cfg.ram_bytes > low)
        space_add_ram(m->memory, GPA_4G, m->ram, low, m->cfg.ram_bytes - low, ACCESS_READ | ACCESS_WRITE | ACCESS_EXECUTE,
                      LAYER_RAM);
    return OK;
}

static struct err check_mce(const struct machine *m, const struct machine_mce *e)
{
    unsigned banks;

    if (e->cpu >= m->nvps)
        return err_make(ERR_USAGE, "-mce: there is no processor %u", e->cpu);
    banks = (unsigned)(cpu_mcg_cap(m->vps[e->cpu]) & 0xff);
    if (e->bank >= banks)
        return err_make(ERR_USAGE, "-mce: bank %u: the processor has %u", e->bank, banks);
    return OK;
}

struct err machine_inject_mce(struct machine *m, const struct machine_mce *e)
{
    const struct cpu_mce error = { .bank = e->bank, .status = e->status, .addr = e->addr, .misc = e->misc,
                                   .mcg_status = e->mcg_status };

    TRY(check_mce(m, e));
    if (cpu_machine_check(m->vps[e->cpu], &error) != MCE_SIGNALLED || !e->broadcast || cpu_is_amd(m->vps[e->cpu]))
        return OK;
    for (unsigned k = 0; k < m->nvps; k++)
        if (k != e->cpu)
            cpu_machine_check_elsewhere(m->vps[k]);
    return OK;
}

static struct err create_all(struct machine *m)
{
    TRY(check_config(&m->cfg));
    TRY(create_memory(m));
    TRY(board_create(m));
    for (unsigned k = 0; k < m->cfg.nmces; k++)
        TRY(check_mce(m, &m->cfg.mces[k]));
    TRY(boot_create(m));
    device_reset_all(&m->tree);
    boot_reset(m);
    return OK;
}

/* What a recording holds for the very instant of the file is still to come. */
static struct err start_from(struct machine *m, const char *path)
{
    const size_t taken = nondet_cursor(m->nondet);

    TRY(machine_load(m, path));
    nondet_set_cursor(m->nondet, taken);
    return OK;
}

struct err machine_create(struct machine **out, const struct machine_config *cfg)
{
    struct machine *m = calloc(1, sizeof *m);
    struct err e;

    invariant(m != NULL, "out of memory for a machine");
    m->cfg = *cfg;
    m->nvps = cfg->nvps;
    device_tree_init(&m->tree);
    clock_init(&m->clock, cfg->ps_per_insn);
    m->nondet = nondet_create();
    m->exact = true;
    m->inputs = (struct inputs){ .watched = cfg->record != NULL, .from = cfg->replay };
    if (cfg->record != NULL)
        m->recorder = recorder_create(m);
    if (cfg->replay != NULL)
        m->replayer = replayer_create(m);
    e = create_all(m);
    if (!failed(&e) && cfg->start_from != NULL)
        e = start_from(m, cfg->start_from);
    if (!failed(&e) && cfg->record != NULL)
        e = recorder_begin(m->recorder);
    if (!failed(&e) && cfg->replay != NULL)
        e = replayer_begin(m->replayer);
    if (failed(&e)) {
        machine_free(m);
        return e;
    }
    m->made = true;
    *out = m;
    return OK;
}

void machine_free(struct machine *m)
{
    if (m == NULL)
        return;
    if (m->recorder != NULL)
        recorder_end(m->recorder, RUN_LIMIT);
    debug_free(m->debug);
    snapshots_free(m->snapshots);
    boot_free(m);
    device_tree_free(&m->tree);     /* first the processors: their block caches refer to the board's ROM */
    board_free(m);
    space_free(m->smm_memory);
    space_free(m->memory);
    space_free(m->io);
    ram_free(m->ram);
    clock_free(&m->clock);
    nondet_free(m->nondet);
    recorder_free(m->recorder);
    replayer_free(m->replayer);
    inputs_free(&m->inputs);
    free(m->live_record);
    free(m->live_start);
    if (m->trace_file != NULL && m->trace_file != stderr)
        fclose(m->trace_file);
    free(m);
}

uint64_t machine_hash(struct machine *m)
{
    uint64_t hash = state_hash(&clock_state_schema, &m->clock.state, 0);

    hash = state_hash(&loop_state_schema, &m->loop, hash);
    hash = ram_hash(m->ram, hash);
    for (struct device *dev = m->tree.first; dev != NULL; dev = dev->next)
        hash = device_hash(dev, hash);
    return hash;
}

void machine_on_hash(struct machine *m, void (*hash)(void *arg, uint64_t insns, uint64_t hash), void *arg)
{
    m->hash_line = hash;
    m->hash_arg = arg;
}

void machine_on_tick(struct machine *m, void (*tick)(void *arg), void *arg)
{
    m->tick = tick;
    m->tick_arg = arg;
}

void machine_on_serial(struct machine *m, void (*byte)(void *arg, uint8_t byte), void *arg)
{
    m->serial_byte = byte;
    m->serial_arg = arg;
}

void machine_pause(struct machine *m)
{
    m->pause = true;
    for (unsigned k = 0; k < m->nvps; k++)
        cpu_attention(m->vps[k], ATTEND_DEADLINE);
}

void machine_where(struct machine *m, struct machine_where *out)
{
    *out = (struct machine_where){ .insns = m->clock.state.insns, .ns = clock_ns(&m->clock), .vp = m->loop.current, .vps = m->nvps,
                                   .rip = cpu_reg(m->vps[m->loop.current], CPU_REG_RIP) };
}

uint64_t machine_hashes_equal(const struct machine *m)
{
    return m->replayer == NULL ? 0 : replayer_equal(m->replayer);
}

uint64_t machine_insns(const struct machine *m) { return m->clock.state.insns; }
uint64_t machine_ran(const struct machine *m) { return m->ran; }
unsigned machine_exit_value(const struct machine *m) { return m->loop.exit_value; }
const char *machine_error(const struct machine *m) { return m->error; }

void machine_key(struct machine *m, uint16_t scancode, bool pressed)
{
    uint8_t e[3] = { (uint8_t)scancode, (uint8_t)(scancode >> 8), pressed };

    nondet_post(m->nondet, NONDET_KEY, e, sizeof e);
}

void machine_mouse(struct machine *m, int dx, int dy, int dz, unsigned buttons)
{
    uint8_t e[6];

    store16(e, (uint16_t)dx);
    store16(e + 2, (uint16_t)dy);
    e[4] = (uint8_t)dz;
    e[5] = (uint8_t)buttons;
    nondet_post(m->nondet, NONDET_MOUSE, e, sizeof e);
}

void machine_serial_input(struct machine *m, unsigned port, const void *bytes, size_t len)
{
    uint8_t e[NONDET_EVENT_MAX];

    for (size_t done = 0; done < len; ) {
        size_t n = len - done < sizeof e - 1 ? len - done : sizeof e - 1;

        e[0] = (uint8_t)port;
        memcpy(e + 1, (const uint8_t *)bytes + done, n);
        nondet_post(m->nondet, NONDET_SERIAL, e, n + 1);
        done += n;
    }
}

static void request(struct machine *m, enum nondet_request what)
{
    uint8_t e = (uint8_t)what;

    nondet_post(m->nondet, NONDET_REQUEST, &e, 1);
}

void machine_quit(struct machine *m) { request(m, REQUEST_QUIT); }
void machine_interrupt(struct machine *m) { m->interrupted = 1; }
bool machine_interrupted(const struct machine *m) { return m->interrupted; }
void machine_power_button(struct machine *m) { request(m, REQUEST_POWER_BUTTON); }

bool machine_can_translate(void)
{
    return cpu_jit_available();
}

void machine_hv_help(void (*line)(void *arg, const char *text), void *arg)
{
    hv_offer_list(line, arg);
}

void machine_cpu_help(void (*line)(void *arg, const char *text), void *arg)
{
    cpu_config_list(line, arg);
}
