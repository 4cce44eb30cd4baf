/* SPDX-License-Identifier: MIT
 * Indirect branch tracking: the tracker's states, what it asks of the next instruction, the no-track prefix, legacy code
 * pages, and far transfers and events in between (SDM 1 "Indirect Branch Tracking"). */
#include "tests/cpu/cet_rig.h"

#define JMP_RAX  "\xff\xe0"
#define CALL_RAX "\xff\xd0"
#define ENDBR64  "\xf3\x0f\x1e\xfa"
#define ENDBR32  "\xf3\x0f\x1e\xfb"

static uint64_t control(unsigned cpl)
{
    return *cet_control(f->cpu, cpl);
}

static bool waiting(unsigned cpl)
{
    return control(cpl) & CET_TRACKER;
}

static void put_code(uint64_t at, const char *text, size_t len)
{
    fixture_put(f, at, text, len);
}
#define CODE_AT(at, text) put_code(at, text, sizeof text - 1)

/* Level 3 with tracking, RAX pointing ELSEWHERE. */
static void user_tracking(uint64_t bits)
{
    fixture_privilege(f, 3);
    cet_on(3, CET_ENDBR_EN | bits, 0);
    f->cpu->s.gpr[RAX] = ELSEWHERE;
    f->cpu->s.gpr[RSP] = FIXTURE_STACK;
}

/* Execute what lies at RIP: the vector it ended in, or -1. */
static int go_on(void)
{
    uint64_t at;

    f->cpu->p.activity = CPU_RUNNING;
    (void)cpu_run(f->cpu, 1);
    at = f->cpu->p.rip - FIXTURE_HANDLER;
    return at < 32 * 16 && at % 16 == 0 ? (int)(at / 16) : -1;
}

/* ---- near indirect branches ---- */

static void an_endbranch_must_follow(void **state)
{
    (void)state;
    for (int call = 0; call < 2; call++) {
        user_tracking(0);
        CODE_AT(ELSEWHERE, ENDBR64 "\x90");
        assert_int_equal(call ? FRESH(CALL_RAX) : FRESH(JMP_RAX), -1);
        assert_int_equal(f->cpu->p.rip, ELSEWHERE);
        assert_true(waiting(3));
        assert_int_equal(go_on(), -1);
        assert_false(waiting(3));
        assert_int_equal(go_on(), -1);
        assert_int_equal(f->cpu->p.rip, ELSEWHERE + 5);
        user_tracking(0);
        CODE_AT(ELSEWHERE, "\x90\x90\x90\x90");
        assert_int_equal(call ? FRESH(CALL_RAX) : FRESH(JMP_RAX), -1);
        assert_int_equal(go_on(), VEC_CP);
        assert_int_equal(error_code(), CP_ENDBRANCH);
        assert_int_equal(stacked(f, 1, 8), ELSEWHERE);          /* at the target, not at the branch */
        assert_true(waiting(3));                                /* the state is kept */
    }
}

static void each_mode_has_its_own(void **state)
{
    (void)state;
    user_tracking(0);
    CODE_AT(ELSEWHERE, ENDBR32);
    assert_int_equal(FRESH(JMP_RAX), -1);
    assert_int_equal(go_on(), VEC_CP);
}

static void legacy_mode_has_endbr32(void **state)
{
    (void)state;
    user_tracking(0);
    CODE_AT(ELSEWHERE, ENDBR32);
    assert_int_equal(FRESH(JMP_RAX), -1);
    assert_int_equal(go_on(), -1);
    assert_false(waiting(3));
    CODE_AT(ELSEWHERE, ENDBR64);
    assert_int_equal(FRESH(JMP_RAX), -1);
    assert_int_equal(go_on(), VEC_CP);
}

static void other_branches_are_not_tracked(void **state)
{
    (void)state;
    user_tracking(0);
    put64(FIXTURE_STACK, ELSEWHERE);
    assert_int_equal(FRESH("\xeb\x10"), -1);
    assert_int_equal(FRESH("\xe8\x10\x00\x00\x00"), -1);
    f->cpu->s.gpr[RSP] = FIXTURE_STACK;
    assert_int_equal(FRESH("\xc3"), -1);
    assert_int_equal(f->cpu->p.rip, ELSEWHERE);
    assert_false(waiting(3));
    f->cpu->p.u_cet = 0;                                        /* and nothing is without ENDBR_EN */
    cpu_mode_changed(f->cpu);
    f->cpu->s.gpr[RAX] = ELSEWHERE;
    assert_int_equal(FRESH(JMP_RAX), -1);
    assert_false(waiting(3));
}

static void each_level_has_its_own_tracker(void **state)
{
    (void)state;
    cet_on(0, CET_ENDBR_EN, 0);
    f->cpu->s.gpr[RAX] = ELSEWHERE;
    CODE_AT(ELSEWHERE, ENDBR64);
    assert_int_equal(FRESH(JMP_RAX), -1);
    assert_true(waiting(0));
    assert_int_equal(control(3), 0);
    assert_int_equal(go_on(), -1);
    assert_false(waiting(0));
}

/* SDM 1 "No-track Prefix for Near Indirect CALL/JMP". */
static void no_track_is_a_ds_prefix(void **state)
{
    (void)state;
    user_tracking(CET_NO_TRACK_EN);
    assert_int_equal(FRESH("\x3e\xff\xe0"), -1);
    assert_false(waiting(3));
    assert_int_equal(FRESH("\x3e\xff\xd0"), -1);
    assert_false(waiting(3));
    put64(FIXTURE_DATA, ELSEWHERE);
    f->cpu->s.gpr[RDI] = FIXTURE_DATA;
    assert_int_equal(FRESH("\x3e\xff\x27"), -1);
    assert_false(waiting(3));
    assert_int_equal(FRESH("\x3e\x64\xff\x27"), -1);            /* FS wins, whichever comes last */
    assert_true(waiting(3));
    user_tracking(CET_NO_TRACK_EN);
    assert_int_equal(FRESH("\x64\x3e\xff\x27"), -1);
    assert_true(waiting(3));
    user_tracking(CET_NO_TRACK_EN);
    assert_int_equal(FRESH("\x2e\x3e\xff\xe0"), -1);            /* CS means nothing in 64-bit mode */
    assert_false(waiting(3));
    assert_int_equal(FRESH("\x3e\x2e\xff\xe0"), -1);
    assert_false(waiting(3));
    user_tracking(0);
    assert_int_equal(FRESH("\x3e\xff\xe0"), -1);                /* not without NO_TRACK_EN */
    assert_true(waiting(3));
}

static void no_track_must_come_last_in_legacy_mode(void **state)
{
    (void)state;
    user_tracking(CET_NO_TRACK_EN);
    assert_int_equal(FRESH("\x2e\x3e\xff\xe0"), -1);
    assert_false(waiting(3));
    assert_int_equal(FRESH("\x3e\x2e\xff\xe0"), -1);
    assert_true(waiting(3));
}

/* ---- priorities ---- */

/* SDM 1 figure "Priority of Control Protection Exception on Missing ENDBRANCH". */
static void cp_comes_before_decoding_and_after_fetching(void **state)
{
    (void)state;
    user_tracking(0);
    CODE_AT(ELSEWHERE, "\x0f\x0b");
    assert_int_equal(FRESH(JMP_RAX), -1);
    assert_int_equal(go_on(), VEC_CP);                          /* UD2 */
    user_tracking(0);
    CODE_AT(ELSEWHERE, "\x0f\xff\xff\xff");
    assert_int_equal(FRESH(JMP_RAX), -1);
    assert_int_equal(go_on(), VEC_CP);
    user_tracking(0);
    f->cpu->s.gpr[RAX] = SHADOW_PAGE + 0x8000;
    put_pte(SHADOW_PAGE + 0x8000, 0);
    assert_int_equal(FRESH(JMP_RAX), -1);
    assert_int_equal(go_on(), VEC_PF);
    user_tracking(0);
    f->cpu->s.gpr[RAX] = SHADOW_PAGE + 0x7ffe;                  /* an instruction whose second half cannot be fetched */
    CODE_AT(SHADOW_PAGE + 0x7ffe, "\xf3\x0f");
    assert_int_equal(FRESH(JMP_RAX), -1);
    assert_int_equal(go_on(), VEC_PF);
    assert_int_equal(f->cpu->s.cr2, SHADOW_PAGE + 0x8000);
}

/* SDM 1 "INT3 Treatment": a debugger may put INT3 over the ENDBRANCH. */
static void int3_goes_first(void **state)
{
    (void)state;
    put_idt64(f, VEC_BP, 8, FIXTURE_HANDLER + 16 * VEC_BP, TYPE_INT32 | PRESENT | DPL(3), 0);
    user_tracking(0);
    CODE_AT(ELSEWHERE, "\xcc\x0f\x1e\xfa");
    assert_int_equal(FRESH(JMP_RAX), -1);
    assert_int_equal(go_on(), VEC_BP);
    assert_true(waiting(3));
    user_tracking(0);
    CODE_AT(ELSEWHERE, "\xf1");
    assert_int_equal(FRESH(JMP_RAX), -1);
    assert_int_equal(go_on(), VEC_DB);
    assert_true(waiting(3));
}

static void single_steps_come_before_cp(void **state)
{
    (void)state;
    user_tracking(0);
    CODE_AT(ELSEWHERE, "\x90");
    cpu_set_rflags(f->cpu, FLAG_TF | 2);
    CODE_AT(FIXTURE_CODE, JMP_RAX);
    f->cpu->p.rip = FIXTURE_CODE;
    assert_int_equal(go_on(), -1);
    assert_int_equal(go_on(), VEC_DB);
    assert_int_equal(stacked(f, 0, 8), ELSEWHERE);
    assert_true(waiting(3));
    CODE_AT(FIXTURE_HANDLER + 16 * VEC_DB, "\x48\xcf");
    put64(f->cpu->s.gpr[RSP] + 16, 2);
    assert_int_equal(go_on(), -1);                              /* IRET: the user's tracker is where it was */
    assert_int_equal(f->cpu->p.rip, ELSEWHERE);
    assert_int_equal(go_on(), VEC_CP);
}

/* A data access by the level that waits; it faults like any other. */
static void breakpoints_on_the_target_come_before_cp(void **state)
{
    (void)state;
    user_tracking(0);
    CODE_AT(ELSEWHERE, "\x90");
    f->cpu->s.dr[0] = ELSEWHERE;
    f->cpu->p.dr7 = 0x401;
    assert_int_equal(FRESH(JMP_RAX), -1);
    assert_int_equal(go_on(), VEC_DB);
    assert_true(waiting(3));
}

/* ---- legacy code pages ---- */

#define BITMAP FIXTURE_DATA

static void legacy_bit(uint64_t lin, bool on)
{
    uint64_t at = BITMAP + (lin >> 15);
    uint8_t byte = (uint8_t)fixture_read(f, at, 1), bit = (uint8_t)(1u << (lin >> 12 & 7));

    byte = on ? byte | bit : byte & (uint8_t)~bit;
    fixture_put(f, at, &byte, 1);
}

/* SDM 1 "Legacy Compatibility Treatment". */
static void legacy_pages_suppress_the_tracker(void **state)
{
    (void)state;
    user_tracking(CET_LEG_IW_EN | BITMAP);
    legacy_bit(ELSEWHERE, true);
    CODE_AT(ELSEWHERE, "\x90\xff\xe3");                         /* nop; jmp rbx */
    f->cpu->s.gpr[RBX] = ELSEWHERE + 0x100;
    CODE_AT(ELSEWHERE + 0x100, "\x90" ENDBR64 "\xff\xe1");      /* nop; endbr64; jmp rcx */
    f->cpu->s.gpr[RCX] = ELSEWHERE + 0x1000;
    CODE_AT(ELSEWHERE + 0x1000, "\x90");
    assert_int_equal(FRESH(JMP_RAX), -1);
    assert_int_equal(go_on(), -1);
    assert_int_equal(f->cpu->p.rip, ELSEWHERE + 1);
    assert_int_equal(control(3) & (CET_TRACKER | CET_SUPPRESS), CET_SUPPRESS);
    assert_int_equal(go_on(), -1);                              /* suppressed: the next branch is not tracked */
    assert_false(waiting(3));
    assert_int_equal(go_on(), -1);
    assert_int_equal(go_on(), -1);                              /* ENDBR64 ends that */
    assert_int_equal(control(3) & (CET_TRACKER | CET_SUPPRESS), 0);
    assert_int_equal(go_on(), -1);
    assert_true(waiting(3));
    assert_int_equal(go_on(), VEC_CP);                          /* the next page is none of these */
    assert_int_equal(error_code(), CP_ENDBRANCH);
}

static void suppress_dis_keeps_it_watching(void **state)
{
    (void)state;
    user_tracking(CET_LEG_IW_EN | CET_SUPPRESS_DIS | BITMAP);
    legacy_bit(ELSEWHERE, true);
    CODE_AT(ELSEWHERE, "\x90\xff\xe0");
    assert_int_equal(FRESH(JMP_RAX), -1);
    assert_int_equal(go_on(), -1);
    assert_int_equal(control(3) & (CET_TRACKER | CET_SUPPRESS), 0);
    assert_int_equal(go_on(), -1);
    assert_true(waiting(3));
}

static void the_bitmap_is_read_at_the_running_level(void **state)
{
    (void)state;
    user_tracking(CET_LEG_IW_EN | (SHADOW_PAGE + 0x9000));
    put_pte(SHADOW_PAGE + 0x9000, 3);                           /* a supervisor page */
    CODE_AT(ELSEWHERE, "\x90");
    assert_int_equal(FRESH(JMP_RAX), -1);
    assert_int_equal(go_on(), VEC_PF);
    assert_int_equal(error_code(), 5);
    assert_int_equal(f->cpu->s.cr2, SHADOW_PAGE + 0x9000 + (ELSEWHERE >> 15));
    assert_int_equal(stacked(f, 1, 8), ELSEWHERE);
    assert_true(waiting(3));
}

/* ---- far transfers and events ---- */

static void events_wait_for_an_endbranch(void **state)
{
    (void)state;
    user_tracking(0);
    f->cpu->p.s_cet = CET_ENDBR_EN | CET_SUPPRESS;
    CODE_AT(FIXTURE_HANDLER + 16 * VEC_UD, ENDBR64 "\x48\xcf");
    assert_int_equal(FRESH("\x0f\x0b"), VEC_UD);
    assert_int_equal(control(0) & (CET_TRACKER | CET_SUPPRESS), CET_TRACKER);
    assert_false(waiting(3));
    assert_int_equal(go_on(), -1);
    assert_false(waiting(0));
    assert_int_equal(go_on(), -1);
    assert_int_equal(f->cpu->p.cpl, 3);
    CODE_AT(FIXTURE_HANDLER + 16 * VEC_UD, "\xf4");             /* a handler without: #CP, and its handler again */
    assert_int_equal(FRESH("\x0f\x0b"), VEC_UD);
    assert_int_equal(go_on(), VEC_CP);
    assert_int_equal(stacked(f, 1, 8), FIXTURE_HANDLER + 16 * VEC_UD);
}

static void interrupts_in_between_keep_the_users_state(void **state)
{
    static struct fake_apic apic;

    (void)state;
    give_apic(f, &apic);
    user_tracking(0);
    CODE_AT(ELSEWHERE, "\x90");
    CODE_AT(FIXTURE_HANDLER + 16 * 17, "\x48\xcf");
    cpu_set_rflags(f->cpu, FLAG_IF | 2);
    assert_int_equal(FRESH(JMP_RAX), -1);
    apic.vector = 17;
    cpu_signal(f->cpu, APIC_SIGNAL_INTR, 0);
    assert_int_equal(go_on(), 17);
    assert_true(waiting(3));
    assert_int_equal(stacked(f, 0, 8), ELSEWHERE);
    assert_int_equal(go_on(), -1);
    assert_int_equal(go_on(), VEC_CP);
}

static void syscalls_wait_for_an_endbranch(void **state)
{
    (void)state;
    user_tracking(0);
    f->cpu->p.s_cet = CET_ENDBR_EN | CET_SUPPRESS;
    f->cpu->p.star = 0x001b000800000000u;
    f->cpu->p.lstar = ELSEWHERE;
    CODE_AT(ELSEWHERE, ENDBR64);
    assert_int_equal(FRESH("\x0f\x05"), -1);
    assert_int_equal(control(0) & (CET_TRACKER | CET_SUPPRESS), CET_TRACKER);
    assert_int_equal(go_on(), -1);
    assert_int_equal(control(0) & (CET_TRACKER | CET_SUPPRESS), 0);
}

static void far_jumps_and_calls_are_always_tracked(void **state)
{
    static const uint8_t pointer[6] = { 0, 0, 4, 0, 8, 0 };

    (void)state;
    for (int call = 0; call < 2; call++) {
        cet_on(0, CET_ENDBR_EN | CET_NO_TRACK_EN | CET_SUPPRESS, 0);
        fixture_put(f, FIXTURE_DATA, pointer, sizeof pointer);
        f->cpu->s.gpr[RDI] = FIXTURE_DATA;
        assert_int_equal(call ? FRESH("\x3e\xff\x1f") : FRESH("\x3e\xff\x2f"), -1);
        assert_int_equal(f->cpu->p.rip, ELSEWHERE);
        assert_int_equal(control(0) & (CET_TRACKER | CET_SUPPRESS), CET_TRACKER);
        CODE_AT(ELSEWHERE, ENDBR64 "\xcb");
        assert_int_equal(go_on(), -1);
        if (call) {
            assert_int_equal(go_on(), -1);                      /* far RET is not */
            assert_false(waiting(0));
        }
    }
}

/* ---- speed's shortcuts must not show ---- */

/* 2000 indirect calls; whatever the slices and with caches dropped at any time, the same registers and counts. */
static void shortcuts_change_nothing(void **state)
{
    uint64_t expected = 0;

    (void)state;
    CODE_AT(FIXTURE_CODE, "\xb9\xe8\x03\x00\x00" "\xff\xd0" "\xff\xd3" "\xff\xc9" "\x75\xf8" "\xf4");
    CODE_AT(ELSEWHERE, ENDBR64 "\xff\xc2\xc3");                 /* inc edx; ret */
    CODE_AT(ELSEWHERE + 0x40, ENDBR64 "\x01\xca\xc3");          /* add edx, ecx; ret */
    for (unsigned slice = 1; slice < 70; slice += 17) {
        uint64_t before = f->clock.state.insns;

        cet_on(0, CET_ENDBR_EN, 0);
        f->cpu->s.gpr[RAX] = ELSEWHERE;
        f->cpu->s.gpr[RBX] = ELSEWHERE + 0x40;
        f->cpu->s.gpr[RDX] = 0;
        f->cpu->p.rip = FIXTURE_CODE;
        f->cpu->p.activity = CPU_RUNNING;
        for (unsigned n = 0; cpu_run(f->cpu, slice) == CPU_STOP_BUDGET; n++)
            if (n % 37 == 0)
                cpu_drop_caches(f->cpu);
        assert_int_equal(f->cpu->s.gpr[RDX], 1000 + 1000 * 1001 / 2);
        assert_false(waiting(0));
        expected = expected ? expected : f->clock.state.insns - before;
        assert_int_equal(f->clock.state.insns - before, expected);
    }
}

int main(void)
{
#define TEST64(name) cmocka_unit_test_setup_teardown(name, cet_setup64, cet_teardown)
#define TEST32(name) cmocka_unit_test_setup_teardown(name, cet_setup32, cet_teardown)
    const struct CMUnitTest tests[] = {
        TEST64(an_endbranch_must_follow), TEST64(each_mode_has_its_own), TEST32(legacy_mode_has_endbr32),
        TEST64(other_branches_are_not_tracked), TEST64(each_level_has_its_own_tracker), TEST64(no_track_is_a_ds_prefix),
        TEST32(no_track_must_come_last_in_legacy_mode), TEST64(cp_comes_before_decoding_and_after_fetching),
        TEST64(int3_goes_first), TEST64(single_steps_come_before_cp), TEST64(breakpoints_on_the_target_come_before_cp),
        TEST64(legacy_pages_suppress_the_tracker), TEST64(suppress_dis_keeps_it_watching),
        TEST64(the_bitmap_is_read_at_the_running_level), TEST64(events_wait_for_an_endbranch),
        TEST64(interrupts_in_between_keep_the_users_state), TEST64(syscalls_wait_for_an_endbranch),
        TEST64(far_jumps_and_calls_are_always_tracked), TEST64(shortcuts_change_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
