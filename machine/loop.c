/* SPDX-License-Identifier: MIT
 * The only owner of order: virtual processors in turn, timers, outside events, idling and pacing. Everything a guest can
 * see of time and scheduling is decided here from instruction counts; the host is asked only through core/nondet. */
#include "machine/internal.h"

#include <string.h>

#include "base/bytes.h"
#include "base/log.h"
#include "machine/recording.h"

STATE_SCHEMA(loop_state, LOOP_STATE);

#define TURN_ALONE      1000000u    /* one processor: how often outside input is looked at */
#define TURN_SHARED     20000u      /* several: instructions before the next one's turn */
#define PACE_HOST_NS    100000000u  /* host policy: how often the pace is corrected while busy */
#define PACE_AHEAD_NS   10000000u   /* ... and at once when the guest is so far ahead */
#define PACE_INSNS      100000u     /* fewer say nothing of the rate */
#define WAIT_PIECE_NS   16000000u
#define TICK_NS         16000000u
#define DEAF_NS         10000000000u    /* no processor takes interrupts: how long an NMI is waited for */
#define PACE_MIN_PS     20u
#define PACE_MAX_PS     200000u

/* A schedule seed makes turns of 16 to 65535 instructions, short ones as often as long ones. */
static uint64_t seeded_turn(const struct machine *m)
{
    const uint64_t key[2] = { m->clock.state.insns, m->loop.current }, hash = bytes_hash(key, sizeof key, m->cfg.schedule_seed);

    return UINT64_C(16) << hash % 12 | (hash >> 32 & (UINT64_C(0xffff) >> (12 - hash % 12)));
}

static uint64_t turn_length(const struct machine *m)
{
    if (m->cfg.schedule_seed != 0 && m->nvps > 1)
        return seeded_turn(m);
    if (m->cfg.schedule_turn != 0)
        return m->cfg.schedule_turn;
    return m->nvps == 1 ? TURN_ALONE : TURN_SHARED;
}

void machine_ask_reset(struct machine *m)
{
    m->loop.reset_asked = 1;
    for (unsigned k = 0; k < m->nvps; k++)
        cpu_attention(m->vps[k], ATTEND_DEADLINE);
}

void machine_stop(struct machine *m, enum run why)
{
    if (m->loop.stopped == 0)
        m->loop.stopped = (uint8_t)why;
    for (unsigned k = 0; k < m->nvps; k++)
        cpu_attention(m->vps[k], ATTEND_DEADLINE);
}

static void reset_now(struct machine *m)
{
    m->loop.reset_asked = 0;
    if (m->cfg.no_reboot) {
        machine_stop(m, RUN_RESET);
        return;
    }
    device_reset_all(&m->tree);
    m->loop.turn_left = 0;
    m->loop.current = 0;
    board_select_vp(m, 0);
    boot_reset(m);
}

/* What is kept beside the state follows from it. Hashes at this very instruction are still to come. */
struct moment machine_moment(const struct machine *m)
{
    const uint64_t insns = m->clock.state.insns;

    return (struct moment){ insns, m->loop.idle_insns == insns ? m->loop.idles : 0 };
}

void machine_restored(struct machine *m)
{
    m->pace.host_start = 0;
    m->stand_at = 0;
    m->exact = false;
    nondet_seek(m->nondet, machine_moment(m));
    m->next_hash = 0;
    while (m->next_hash < m->cfg.nhashes && m->cfg.hash_at[m->next_hash] < m->clock.state.insns)
        m->next_hash++;
}

/* ---- outside events ---- */

static void take_event(struct machine *m, const struct nondet_event *e)
{
    switch (e->kind) {
    case NONDET_PACE:
        if (load_bytes(e->bytes, 4) != 0)
            clock_set_speed(&m->clock, load_bytes(e->bytes, 4));
        break;
    case NONDET_REQUEST:
        if (e->bytes[0] == REQUEST_QUIT)
            machine_stop(m, RUN_QUIT);
        else if (e->bytes[0] == REQUEST_RESET)
            machine_ask_reset(m);
        else if (e->bytes[0] == REQUEST_NMI)
            cpu_signal(m->vps[0], APIC_SIGNAL_NMI, 0);
        else
            board_input(m, e);
        break;
    default:
        board_input(m, e);
    }
}

/* An event lands only where a replay can put it to the instruction: where a turn was made to end, or behind an idle wait. A turn
 * that ended by itself may have done what counts no instruction before it ended. So what arrives then waits for one more. */
static void take_events(struct machine *m)
{
    struct nondet_event e;

    nondet_stand(m->nondet, machine_moment(m));
    if (!nondet_waiting(m->nondet))
        return;
    if (!m->exact && !nondet_replaying(m->nondet)) {
        m->stand_at = m->clock.state.insns + 1;
        return;
    }
    while (nondet_waiting(m->nondet) && nondet_take(m->nondet, &e))
        take_event(m, &e);
}

/* ---- clock policy "host": a guest second is a host second ---- */

static uint64_t host_since_start(struct machine *m)
{
    uint64_t now = host_monotonic_ns();

    if (m->pace.host_start == 0) {
        m->pace.host_start = now;
        m->pace.virtual_start = clock_ns(&m->clock);
        m->pace.last_host = now;
        m->pace.last_insns = m->clock.state.insns;
    }
    return now - m->pace.host_start;
}

/* While busy: choose the picoseconds per instruction that the last interval really took, leaning against any lag, and send
 * it through the door, so that a replay sees the same clock. The rate may rise fifty times from one moment to the next, after
 * a stretch of device accesses say: then the guest's clock would run away within one interval. */
static void pace_busy(struct machine *m)
{
    uint64_t host = host_since_start(m), guest = clock_ns(&m->clock) - m->pace.virtual_start;
    uint64_t host_delta = m->pace.host_start + host - m->pace.last_host, insns = m->clock.state.insns - m->pace.last_insns;
    uint64_t ps;
    uint8_t event[4];

    if (host_delta < PACE_HOST_NS && (guest < host + PACE_AHEAD_NS || insns < PACE_INSNS))
        return;
    m->pace.last_host += host_delta;
    m->pace.last_insns = m->clock.state.insns;
    if (insns < PACE_INSNS)
        return;                                             /* mostly idle: the rate would mean nothing */
    ps = host_delta * 1000 / insns;
    if (host > guest)
        ps += ps * (host - guest > host_delta ? host_delta : host - guest) / host_delta;
    else
        ps -= ps / 2 * (guest - host > host_delta ? host_delta : guest - host) / host_delta;
    ps = ps < PACE_MIN_PS ? PACE_MIN_PS : ps > PACE_MAX_PS ? PACE_MAX_PS : ps;
    store32(event, (uint32_t)ps);
    if (ps != m->clock.state.ps_per_insn)
        nondet_post(m->nondet, NONDET_PACE, event, sizeof event);
}

static struct machine *waiting_machine;     /* nondet_value() takes a plain function */

static uint64_t ask_virtual_now(void)
{
    return waiting_machine->pace.virtual_start + host_since_start(waiting_machine);
}

static void tick(struct machine *m)
{
    uint64_t now;

    if (m->tick == NULL && m->debug == NULL)
        return;
    now = host_monotonic_ns();
    if (now < m->next_tick)
        return;
    m->next_tick = now + TICK_NS;
    if (m->tick != NULL)
        m->tick(m->tick_arg);
    if (m->debug != NULL)
        debug_poll(m->debug);
}

static bool wants_stop(struct machine *m)
{
    return m->debug != NULL && debug_wants_stop(m->debug);
}

/* Wait on the host, in pieces so that a signal's flag is seen; a signal cannot wake a condition variable. */
static void wait_until(struct machine *m, uint64_t virtual_ns)
{
    while (!nondet_waiting(m->nondet) && !m->interrupted && !wants_stop(m)) {
        uint64_t now = ask_virtual_now();

        if (now >= virtual_ns)
            break;
        nondet_wait(m->nondet, virtual_ns - now < WAIT_PIECE_NS ? virtual_ns - now : WAIT_PIECE_NS);
        tick(m);
    }
}

/* Sleep until the host reaches virtual time `due` or something arrives; then virtual time is what the host's clock says,
 * but never beyond `due`. */
static void idle_host(struct machine *m, uint64_t due)
{
    waiting_machine = m;
    if (nondet_replaying(m->nondet)) {
        clock_skip_to(&m->clock, nondet_idle_end(m->nondet, due, ask_virtual_now));
        return;
    }
    wait_until(m, due);
    clock_skip_to(&m->clock, nondet_idle_end(m->nondet, due, ask_virtual_now));
    m->pace.last_host = host_monotonic_ns();
    m->pace.last_insns = m->clock.state.insns;
}

/* ---- turns ---- */

static bool all_idle(const struct machine *m)
{
    for (unsigned k = 0; k < m->nvps; k++)
        if (!cpu_idle(m->vps[k]))
            return false;
    return true;
}

/* HLT with interrupts off, the way guests end: timers may tick on, but only an NMI could wake anybody. A window stays. */
static bool halted_for_good(struct machine *m)
{
    uint64_t now = clock_ns(&m->clock);

    for (unsigned k = 0; k < m->nvps; k++)
        if (!cpu_deaf(m->vps[k]))
            return false;
    if (m->loop.deaf_since == 0)
        m->loop.deaf_since = now + 1;
    return now >= m->loop.deaf_since + DEAF_NS && !m->cfg.window;
}

static bool idle_too_long(const struct machine *m)
{
    return m->cfg.idle_limit_ns != 0 && clock_ns(&m->clock) - m->loop.busy_until > m->cfg.idle_limit_ns;
}

/* Could anything still come from outside? */
static bool may_come(const struct machine *m)
{
    return nondet_replaying(m->nondet) ? nondet_expects(m->nondet) : m->cfg.window || board_has_input(m);
}

static void count_idle(struct machine *m)
{
    if (m->loop.idle_insns != m->clock.state.insns) {
        m->loop.idle_insns = m->clock.state.insns;
        m->loop.idles = 0;
    }
    m->loop.idles++;
}

static void idle(struct machine *m)
{
    uint64_t due = clock_next_deadline(&m->clock);

    board_flush_output(m);
    count_idle(m);
    m->exact = true;
    if (halted_for_good(m) || idle_too_long(m) || (due == TIMER_OFF && !may_come(m))) {
        machine_stop(m, RUN_HALTED);
    } else if (m->cfg.clock == CLOCK_HOST) {
        idle_host(m, due);
    } else if (due != TIMER_OFF) {
        clock_skip_to(&m->clock, due);
    } else if (!nondet_replaying(m->nondet)) {
        waiting_machine = m;
        wait_until(m, UINT64_MAX);
    }
}

static void next_turn(struct machine *m)
{
    for (unsigned k = 1; k <= m->nvps; k++) {
        unsigned vp = (m->loop.current + k) % m->nvps;

        if (!cpu_idle(m->vps[vp])) {
            m->loop.current = vp;
            break;
        }
    }
    m->loop.turn_left = turn_length(m);
}

/* How far the running turn may go: its own end, the next deadline, the next -hash-at or -stop-at point, the caller's limit, where
 * input or the recording wants to stand. */
static uint64_t turn_budget(const struct machine *m, uint64_t limit)
{
    uint64_t now = m->clock.state.insns, budget = m->loop.turn_left, deadline = clock_next_deadline(&m->clock);
    const uint64_t horizon = nondet_horizon(m->nondet), point = m->record_at;

    if (deadline != TIMER_OFF) {
        uint64_t until = clock_insns_until(&m->clock, deadline);

        budget = until < budget ? until : budget;
    }
    if (m->next_hash < m->cfg.nhashes && m->cfg.hash_at[m->next_hash] - now < budget)
        budget = m->cfg.hash_at[m->next_hash] - now;
    if (m->cfg.stop_at != 0 && m->cfg.stop_at - now < budget)
        budget = m->cfg.stop_at - now;
    if (m->loop.mces_done < m->cfg.nmces && m->cfg.mces[m->loop.mces_done].at - now < budget)
        budget = m->cfg.mces[m->loop.mces_done].at - now;
    if (m->stand_at > now && m->stand_at - now < budget)
        budget = m->stand_at - now;
    if (horizon - now < budget)
        budget = horizon - now;
    if (point > now && point - now < budget)
        budget = point - now;
    return limit - now < budget ? limit - now : budget;
}

static void run_turn(struct machine *m, uint64_t limit)
{
    struct cpu *cpu = m->vps[m->loop.current];
    uint64_t before = m->clock.state.insns, used;
    enum cpu_stop stop;

    board_select_vp(m, m->loop.current);
    m->loop.deaf_since = 0;
    stop = cpu_run(cpu, turn_budget(m, limit));
    m->loop.busy_until = clock_ns(&m->clock);
    m->exact = m->stand_at > before && m->clock.state.insns >= m->stand_at;
    used = m->clock.state.insns - before;
    m->ran += used;
    m->loop.turn_left -= used < m->loop.turn_left ? used : m->loop.turn_left;
    if (stop == CPU_STOP_IDLE || stop == CPU_STOP_YIELD || cpu_idle(cpu))      /* it may halt with the last of its budget */
        m->loop.turn_left = 0;
    if (stop == CPU_STOP_SHUTDOWN) {
        log_at(LOG_CPU, LOG_INFO, "processor %u: triple fault at instruction %llu", m->loop.current,
               (unsigned long long)m->clock.state.insns);
        if (m->cfg.no_reboot)
            machine_stop(m, RUN_TRIPLE_FAULT);
        else
            machine_ask_reset(m);
    }
}

/* The configuration was checked, so this cannot fail. */
static void inject(struct machine *m, const struct machine_mce *e)
{
    struct err failure = machine_inject_mce(m, e);

    if (failed(&failure))
        log_at(LOG_CPU, LOG_WARN, "%s", failure.text);
}

/* Points that stop the loop between instructions whatever runs. */
static void at_points(struct machine *m)
{
    uint64_t now = m->clock.state.insns;

    while (m->next_hash < m->cfg.nhashes && m->cfg.hash_at[m->next_hash] <= now) {
        if (m->hash_line != NULL && !m->mute)
            m->hash_line(m->hash_arg, now, machine_hash(m));
        m->next_hash++;
    }
    while (m->loop.mces_done < m->cfg.nmces && m->cfg.mces[m->loop.mces_done].at <= now)
        inject(m, &m->cfg.mces[m->loop.mces_done++]);
    if (m->cfg.stop_at != 0 && now >= m->cfg.stop_at)
        machine_stop(m, RUN_STOP_AT);
}

/* What a person at the host asks for comes through the door as well. A replay only pauses. */
static bool interrupted(struct machine *m)
{
    if (!m->interrupted)
        return false;
    m->interrupted = 0;
    machine_quit(m);
    return nondet_replaying(m->nondet);
}

enum run machine_run(struct machine *m, uint64_t instructions)
{
    uint64_t limit = m->clock.state.insns + instructions;
    enum run why;

    if (limit < instructions)
        limit = UINT64_MAX;
    for (;;) {
        clock_fire_due(&m->clock);
        if (interrupted(m))
            return RUN_QUIT;
        take_events(m);
        if (m->loop.reset_asked)
            reset_now(m);
        at_points(m);
        if (m->recorder != NULL)
            recorder_look(m->recorder);
        if (m->replayer != NULL && !replayer_look(m->replayer, &why)) {
            board_flush_output(m);
            return why;
        }
        if (m->loop.stopped != 0 || m->clock.state.insns >= limit || m->pause || wants_stop(m))
            break;
        if (m->loop.turn_left == 0 || cpu_idle(m->vps[m->loop.current])) {
            if (all_idle(m)) {
                idle(m);
                continue;
            }
            next_turn(m);
            tick(m);
            if (m->cfg.clock == CLOCK_HOST && !nondet_replaying(m->nondet))
                pace_busy(m);
        }
        run_turn(m, limit);
    }
    m->pause = false;
    board_flush_output(m);
    if (m->recorder != NULL && m->loop.stopped != 0)
        recorder_end(m->recorder, (enum run)m->loop.stopped);
    return m->loop.stopped != 0 ? (enum run)m->loop.stopped : wants_stop(m) ? RUN_BREAK : RUN_LIMIT;
}
