/* SPDX-License-Identifier: MIT
 * decode() by hand-made cases: bytes on the left, what they must become on the right, printed from struct insn:
 *   OP.width operands /flags
 * with registers r0..r15 (general), h0..h3 (AH..BH), of other files the plain number (0 and 8 look like r0, r1), and memory
 * as seg:[base+index*scale+disp]:bytes.
 * Wrong bytes print as "#UD n", "#GP" or "more". */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "cpu/decoder/decode.h"

struct text { char at[160]; size_t len; };

__attribute__((format(printf, 2, 3))) static void put(struct text *t, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    t->len += (size_t)vsnprintf(t->at + t->len, sizeof t->at - t->len, format, args);
    va_end(args);
    assert_true(t->len < sizeof t->at);
}

static void put_memory(struct text *t, const struct insn *i)
{
    static const char *const segs[] = { "es", "cs", "ss", "ds", "fs", "gs" };

    put(t, " %s:[", segs[i->seg]);
    if (i->flags & INSN_RIPREL)
        put(t, "rip");
    if (i->base != REG_ZERO)
        put(t, "r%d", i->base / 8);
    if (i->index != REG_ZERO)
        put(t, "+r%d*%d", i->index / 8, 1 << i->scale);
    put(t, "%+lld]:%d", (long long)i->disp, i->mem_bytes);
}

static void put_insn(struct text *t, const struct insn *i)
{
    put(t, "%s.%d", op_names[i->op], i->width);
    for (unsigned n = 0; n < 4; n++) {
        if (FORM_KIND(i->form, n) == KIND_REG && (i->o[n] & 7))
            put(t, i->o[n] % 8 == 1 && i->width == 1 ? " h%d" : " %d", i->width == 1 ? i->o[n] / 8 : i->o[n]);
        else if (FORM_KIND(i->form, n) == KIND_REG)
            put(t, " r%d", i->o[n] / 8);
        else if (FORM_KIND(i->form, n) == KIND_IMM)
            put(t, " %lld", (long long)i->imm);
        else if (FORM_KIND(i->form, n) == KIND_MEM)
            put_memory(t, i);
    }
    if (i->imm2)
        put(t, " :%d", i->imm2);
    if (i->flags & INSN_LOCK)
        put(t, " /lock");
    if (i->flags & INSN_REP)
        put(t, " /rep");
    if (i->flags & INSN_REPNE)
        put(t, " /repne");
    if (i->flags & INSN_VEX)
        put(t, " /vex%d", i->vl);
}

static size_t read_hex(const char *text, uint8_t *bytes)
{
    size_t n = 0;

    for (char *end; *text; text = end) {
        bytes[n++] = (uint8_t)strtoul(text, &end, 16);
        if (end == text)
            break;
    }
    return n;
}

struct sample { const char *hex, *expect; };

static void check(enum decode_mode mode, const struct sample *samples, size_t count)
{
    for (size_t n = 0; n < count; n++) {
        uint8_t bytes[64];
        size_t len = read_hex(samples[n].hex, bytes);
        struct text t = { .len = 0 };
        struct insn insn;

        switch (decode(&insn, bytes, len, mode)) {
        case DECODED:   put_insn(&t, &insn); assert_int_equal(insn.len, len); break;
        case INVALID:   put(&t, "#UD %d", insn.len); break;
        case TOO_LONG:  put(&t, "#GP"); break;
        case TRUNCATED: put(&t, "more"); break;
        }
        if (strcmp(t.at, samples[n].expect))
            fail_msg("%s is \"%s\", expected \"%s\"", samples[n].hex, t.at, samples[n].expect);
    }
}
#define CHECK(mode, samples)    check(mode, samples, sizeof samples / sizeof samples[0])

/* SDM 2A table 2-1. */
static void addresses_of_16_bits(void **state)
{
    static const struct sample samples[] = {
        { "8b 00", "MOV.2 r0 ds:[r3+r6*1+0]:2" },           { "8b 01", "MOV.2 r0 ds:[r3+r7*1+0]:2" },
        { "8b 02", "MOV.2 r0 ss:[r5+r6*1+0]:2" },           { "8b 43 fe", "MOV.2 r0 ss:[r5+r7*1-2]:2" },
        { "8b 04", "MOV.2 r0 ds:[r6+0]:2" },                { "8b 05", "MOV.2 r0 ds:[r7+0]:2" },
        { "8b 06 00 80", "MOV.2 r0 ds:[-32768]:2" },        { "8b 46 7f", "MOV.2 r0 ss:[r5+127]:2" },
        { "8b 87 34 12", "MOV.2 r0 ds:[r3+4660]:2" },       { "26 8b 02", "MOV.2 r0 es:[r5+r6*1+0]:2" },
        { "67 8b 04 24", "MOV.2 r0 ss:[r4+0]:2" },          { "66 8b 07", "MOV.4 r0 ds:[r3+0]:4" },
        { "a0 34 12", "MOV.1 r0 ds:[+4660]:1" },            { "67 a1 78 56 34 12", "MOV.2 r0 ds:[+305419896]:2" },
    };

    (void)state;
    CHECK(DECODE_16, samples);
}

/* SDM 2A tables 2-2, 2-3, 2-7. */
static void addresses_of_32_and_64_bits(void **state)
{
    static const struct sample legacy[] = {
        { "8b 05 00 00 00 80", "MOV.4 r0 ds:[-2147483648]:4" },
        { "8b 04 25 04 00 00 00", "MOV.4 r0 ds:[+4]:4" },
        { "8b 44 ac 08", "MOV.4 r0 ss:[r4+r5*4+8]:4" },
        { "8b 04 cd 10 00 00 00", "MOV.4 r0 ds:[+r1*8+16]:4" },
        { "8b 44 4d 00", "MOV.4 r0 ss:[r5+r1*2+0]:4" },
        { "67 8b 40 80", "MOV.4 r0 ds:[r3+r6*1-128]:4" },
        { "65 a3 78 56 34 f2", "MOV.4 gs:[+4063516280]:4 r0" },
    };
    static const struct sample wide[] = {
        { "8b 05 f8 ff ff ff", "MOV.4 r0 ds:[rip-8]:4" },
        { "67 8b 05 f8 ff ff ff", "MOV.4 r0 ds:[rip-8]:4" },
        { "8b 04 25 00 00 00 80", "MOV.4 r0 ds:[-2147483648]:4" },
        { "41 8b 45 00", "MOV.4 r0 ds:[r13+0]:4" },         { "41 8b 05 01 00 00 00", "MOV.4 r0 ds:[rip+1]:4" },
        { "41 8b 04 24", "MOV.4 r0 ds:[r12+0]:4" },         { "42 8b 04 20", "MOV.4 r0 ds:[r0+r12*1+0]:4" },
        { "43 8b 44 e5 00", "MOV.4 r0 ds:[r13+r12*8+0]:4" }, { "8b 45 00", "MOV.4 r0 ss:[r5+0]:4" },
        { "48 a1 88 77 66 55 44 33 22 11", "MOV.8 r0 ds:[+1234605616436508552]:8" },
        { "67 a0 ff ff ff ff", "MOV.1 r0 ds:[+4294967295]:1" },
        { "26 8b 00", "MOV.4 r0 ds:[r0+0]:4" },             { "64 26 8b 00", "MOV.4 r0 fs:[r0+0]:4" },
    };

    (void)state;
    CHECK(DECODE_32, legacy);
    CHECK(DECODE_64, wide);
}

/* Any REX makes SPL..DIL of AH..BH (SDM 1 3.4.1.1). */
static void byte_registers(void **state)
{
    static const struct sample samples[] = {
        { "88 e0", "MOV.1 r0 h0" },         { "40 88 e0", "MOV.1 r0 r4" },      { "00 fc", "ADD.1 h0 h3" },
        { "45 88 fe", "MOV.1 r14 r15" },    { "b4 7f", "MOV.1 h0 127" },        { "41 b4 ff", "MOV.1 r12 255" },
        { "0f b6 c4", "MOVZX_B.4 r0 1" },   { "40 0f b6 c4", "MOVZX_B.4 r0 r4" },
    };

    (void)state;
    CHECK(DECODE_64, samples);
}

/* SDM 1 table 3-4, SDM 2D appendix A superscripts d64, f64, i64. */
static void sizes_in_64_bit_mode(void **state)
{
    static const struct sample samples[] = {
        { "50", "PUSH.8 r0" },              { "66 50", "PUSH.2 r0" },           { "48 50", "PUSH.8 r0" },
        { "66 68 ff ff", "PUSH.2 -1" },     { "68 ff ff ff ff", "PUSH.8 -1" },  { "6a 80", "PUSH.8 -128" },
        { "66 e8 01 00 00 80", "CALL.8 -2147483647" },                          { "66 c3", "RET.8" },
        { "66 0f 84 01 00 00 00", "JCC.8 1" },                                  { "66 eb fe", "JMP.8 -2" },
        { "ff d0", "CALL_IND.8 r0" },       { "66 ff e0", "JMP_IND.8 r0" },     { "ff 28", "JMP_FAR_IND.4 ds:[r0+0]:6" },
        { "48 ff 18", "CALL_FAR_IND.8 ds:[r0+0]:10" },                          { "66 48 01 c8", "ADD.8 r0 r1" },
        { "cf", "IRET.4" },                 { "48 cf", "IRET.8" },              { "cb", "RET_FAR.4" },
        { "9c", "PUSHF.8" },                { "66 9d", "POPF.2" },              { "c8 10 00 03", "ENTER.8 16 16 :3" },
        { "0f a0", "PUSH_SEG.8 4" },        { "48 63 c8", "MOVSXD.8 r1 r0" },   { "63 08", "MOVSXD.4 r1 ds:[r0+0]:4" },
        { "0f 20 c0", "MOV_FROM_CR.8 r0 r0" }, { "0f 22 18", "MOV_TO_CR.8 3 r0" }, { "44 0f 20 c0", "MOV_FROM_CR.8 r0 r1" },
        { "8c d8", "MOV_FROM_SEG.4 r0 3" }, { "8c 18", "MOV_FROM_SEG.4 ds:[r0+0]:2 3" }, { "8e d8", "MOV_TO_SEG.2 3 r0" },
        { "0f 01 10", "LGDT.8 ds:[r0+0]:10" }, { "48 b8 88 77 66 55 44 33 22 11", "MOV.8 r0 1234605616436508552" },
        { "48 c7 c0 ff ff ff ff", "MOV.8 r0 -1" }, { "48 98", "CBW.8" },        { "66 99", "CWD.2" },
        { "e3 10", "JRCXZ.8 16" },          { "48 e5 60", "IN.4 r0 96" },       { "48 6d", "INS.4 r2" },
        { "66 48 0f c8", "BSWAP.8 r0" },    { "41 0f cf", "BSWAP.4 r15" },
    };

    (void)state;
    CHECK(DECODE_64, samples);
}

static void old_instructions(void **state)
{
    static const struct sample legacy[] = {
        { "9a 78 56 34 12 cd ab", "CALL_FAR.4 305419896 :43981" },  { "66 ea 34 12 cd ab", "JMP_FAR.2 4660 :43981" },
        { "40", "INC.4 r0" },               { "66 4f", "DEC.2 r7" },            { "62 00", "BOUND.4 r0 ds:[r0+0]:8" },
        { "c4 00", "LES.4 r0 ds:[r0+0]:6" }, { "66 c5 00", "LDS.2 r0 ds:[r0+0]:4" }, { "63 c8", "ARPL.2 r0 r1" },
        { "82 c0 01", "ADD.1 r0 1" },       { "d5 0a", "AAD.4 10" },            { "ce", "INTO.4" },
        { "0f 20 c0", "MOV_FROM_CR.4 r0 r0" }, { "f0 0f 20 c0", "MOV_FROM_CR.4 r0 r1 /lock" },
        { "0f 01 10", "LGDT.4 ds:[r0+0]:6" },
    };
    static const struct sample gone[] = {
        { "06", "#UD 1" }, { "27", "#UD 1" }, { "60", "#UD 1" }, { "82 c0 01", "#UD 3" },
        { "9a 01 02 03 04 05 06", "#UD 7" }, { "66 ea 01 02 03 04", "#UD 6" }, { "66 48 ea 01 02 03 04", "more" },
        { "ce", "#UD 1" }, { "d4 0a", "#UD 2" }, { "d4", "more" }, { "d6", "#UD 1" },
    };

    (void)state;
    CHECK(DECODE_32, legacy);
    CHECK(DECODE_64, gone);
}

/* SDM 2A 2.1.1, 2.2.1: a REX not right before the opcode is ignored; of F2 and F3 the last counts. */
static void prefixes_in_any_order(void **state)
{
    static const struct sample samples[] = {
        { "48 66 01 c8", "ADD.2 r0 r1" },           { "41 48 01 c8", "ADD.8 r0 r1" },
        { "f2 f3 a4", "MOVS.1 /rep" },              { "f3 f2 a7", "CMPS.4 /repne" },    { "f3 48 ab", "STOS.8 r0 /rep" },
        { "f2 f3 0f bc c8", "TZCNT.4 r1 r0" },      { "f3 f2 0f bc c8", "BSF.4 r1 r0" },
        { "f3 66 0f bd c8", "LZCNT.2 r1 r0" },      { "66 0f 38 f0 00", "MOVBE.2 r0 ds:[r0+0]:2" },
        { "90", "NOP.4" }, { "66 90", "NOP.2" }, { "f3 90", "PAUSE.4" }, { "f3 41 90", "XCHG.4 r8 r0 /rep" },
        { "41 90", "XCHG.4 r8 r0" }, { "49 90", "XCHG.8 r8 r0" },
        { "91", "XCHG.4 r1 r0" },                   { "f3 0f 1e fa", "ENDBR64.4" },
        { "64 64 65 8b 00", "MOV.4 r0 gs:[r0+0]:4" },
        { "f3 48 0f c7 f8", "RDPID.8 r0" },         { "48 0f c7 f8", "RDSEED.8 r0" },
        { "f3 48 0f ae c0", "RDFSBASE.8 r0" },
        { "66 f3 0f 6f c1", "MOV_UNALIGNED.16 r0 1" },
    };

    (void)state;
    CHECK(DECODE_64, samples);
}

/* SDM 2A "LOCK": only with the listed instructions and a memory destination. */
static void lock_where_it_may_stand(void **state)
{
    static const struct sample samples[] = {
        { "f0 01 00", "ADD.4 ds:[r0+0]:4 r0 /lock" },       { "f0 01 c0", "#UD 3" },            { "f0 03 00", "#UD 3" },
        { "f0 38 00", "#UD 3" },                            { "f0 83 38 00", "#UD 4" },         { "f0 84 00", "#UD 3" },
        { "f0 87 00", "XCHG.4 ds:[r0+0]:4 r0 /lock" },      { "f0 0f a3 00", "#UD 4" },
        { "f0 f7 00 00 00 00 00", "#UD 7" },
        { "f0 0f c7 08", "CMPXCHG8B.8 ds:[r0+0]:8 /lock" }, { "f0 48 0f c7 08", "CMPXCHG16B.16 ds:[r0+0]:16 /lock" },
        { "f0 89 00", "#UD 3" },                            { "f0 90", "#UD 2" },               { "f0 f3 90", "#UD 3" },
        { "f0 0f c1 08", "XADD.4 ds:[r0+0]:4 r1 /lock" },   { "f0 ff c0", "#UD 3" },            { "f0 a4", "#UD 2" },
        { "f2 f0 87 00", "XCHG.4 ds:[r0+0]:4 r0 /lock /repne" },
    };

    (void)state;
    CHECK(DECODE_64, samples);
}

static void undefined_opcodes(void **state)
{
    static const struct sample samples[] = {
        { "8f c8", "#UD 2" }, { "fe d0", "#UD 2" }, { "ff f8", "#UD 2" }, { "8d c0", "#UD 2" }, { "8e c8", "#UD 2" },
        { "8e f0", "#UD 2" },
        { "0f 20 c8", "#UD 3" }, { "44 0f 21 c0", "#UD 4" }, { "0f 01 c0", "#UD 3" }, { "0f 04", "#UD 2" },
        { "c7 08 01 02 03 04", "#UD 6" }, { "66 c7 08 01 02", "#UD 5" }, { "c6 0d 01 02 03 04 05", "#UD 7" },
        { "ff e8", "#UD 2" }, { "0f c7 30", "#UD 3" },
        { "0f 0b", "UD2.4" }, { "0f b9 c1", "UD1.4 r0 r1" }, { "0f ff 00", "UD0.4 r0 ds:[r0+0]:4" },
    };

    (void)state;
    CHECK(DECODE_64, samples);
}

/* What a processor reads before it finds out: of each map's undefined opcodes, as Emerald Rapids does. */
static void undefined_opcodes_have_lengths(void **state)
{
    static const struct sample wide[] = {
        { "0f 0a", "#UD 2" },           { "0f 24", "#UD 2" },           { "0f 7b 05 01 02 03", "more" },
        { "0f a6 04 25 01 02 03 04", "#UD 8" },                         { "0f 71 00 05", "#UD 4" },
        { "0f 38 ff", "more" },         { "0f 38 ff c0", "#UD 4" },     { "0f 3a ff c0", "more" },
        { "0f 3c ff 40 01", "#UD 5" },  { "0f 3f ff 40 01 02", "#UD 6" },
        { "c4 e2 78 ff 40 01", "#UD 6" }, { "c4 e3 78 ff 40 01", "more" }, { "c4 e1 78 80 01 02 03 04", "#UD 8" },
        { "c4 e1 78 3a", "#UD 4" },     { "c4 ea 78 ff 40 01", "#UD 6" }, { "c4 ff 78 00 c0 01", "#UD 6" },
        { "c4 e0", "#UD 2" },           { "c4 a4 01 02 03 04", "more" }, { "c4 a4 01 02 03 04 05", "#UD 7" },
        { "62 f8", "#UD 2" },           { "62 34 25 01 02 03 04", "#UD 7" }, { "62 f7 7c 08 ff c0", "more" },
        { "f2 0f 78 c9", "#UD 4" },     { "66 0f 78 c1 05", "#UD 4" },
        { "62 f1 7c 08 77", "#UD 5" },  { "c5 f8 22 05", "#UD 4" },
        { "64 67 64 f0 64 66 c4 45 1a 1d 8c aa 3a 46 a2", "#GP" },
    };
    static const struct sample narrow[] = { { "0f 7b 06 01", "more" }, { "0f 7b 06 01 02", "#UD 5" }, { "67 0f 7b 06", "#UD 4" } };

    (void)state;
    CHECK(DECODE_64, wide);
    CHECK(DECODE_16, narrow);
}

/* More bytes are asked for until the instruction ends; beyond fifteen it is #GP whatever follows (SDM 2A 2.3.11). */
static void length_limits(void **state)
{
    static const struct sample samples[] = {
        { "", "more" }, { "48", "more" }, { "0f", "more" }, { "0f 38", "more" }, { "8b", "more" }, { "8b 04", "more" },
        { "8b 84 00 00 00 00", "more" }, { "81 00 00 00 00", "more" }, { "c5", "more" }, { "c4 e2", "more" },
        { "c8 00 00", "more" },
        { "66 66 66 66 66 66 66 66 66 66 66 66 66 66 90", "NOP.2" },
        { "66 66 66 66 66 66 66 66 66 66 66 66 66 66 66", "#GP" },
        { "66 66 66 66 66 66 66 66 66 66 66 66 66 66 66 90", "#GP" },
        { "2e 2e 2e 2e 2e 2e 2e 2e 2e 2e 2e 2e 2e 8b 05 00 00 00 00", "#GP" },
        { "66 66 66 66 66 66 66 66 66 66 66 66 66 66", "more" },
        { "2e 2e 2e 2e 81 84 00 04 03 02 01 01 00 00 00", "ADD.4 ds:[r0+r0*1+16909060]:4 1" },
    };

    (void)state;
    CHECK(DECODE_64, samples);
}

/* SDM 2A 2.3: VEX beside LES and LDS, and the prefixes it forbids. */
static void vex_prefixes(void **state)
{
    static const struct sample wide[] = {
        { "c4 e2 78 f2 c1", "ANDN.4 r0 r0 r1 /vex16" },     { "c4 62 f0 f2 c1", "ANDN.8 r8 r1 r1 /vex16" },
        { "c4 c2 78 f3 c9", "BLSR.4 r0 r9 /vex16" },        { "c4 e3 7b f0 c1 05", "RORX.4 r0 r1 5 /vex16" },
        { "c4 e3 73 f0 c1 05", "#UD 6" },                   { "c4 e2 7c f2 c1", "#UD 5" },
        { "66 c4 e2 78 f2 c1", "#UD 6" },                   { "f0 c4 e2 78 f2 c1", "#UD 6" },
        { "48 c4 e2 78 f2 c1", "#UD 6" },
        { "c4 e0 78 f2 c1", "#UD 2" },                      { "64 c4 e2 78 f2 00", "ANDN.4 r0 r0 fs:[r0+0]:4 /vex16" },
    };
    static const struct sample legacy[] = {
        { "c4 e2 f8 f2 c1", "ANDN.4 r0 r0 r1 /vex16" },     { "c4 22", "LES.4 r4 ds:[r2+0]:6" },
        { "c4 c2 78 f3 c9", "BLSR.4 r0 r1 /vex16" },
        { "c4 e2 30 f2 c3", "ANDN.4 r0 r1 r3 /vex16" },     { "c4 e3 3b f0 c3 04", "#UD 6" },
    };

    (void)state;
    CHECK(DECODE_64, wide);
    CHECK(DECODE_32, legacy);
}

/* Outside 64-bit mode R', B and vvvv's upper bit are ignored and V' must be set (seen on an Emerald Rapids). In 64-bit mode R'
 * must be set for a general register. */
static void evex_prefixes(void **state)
{
    static const struct sample legacy[] = {
        { "62 f1 65 48 fe c2", "PADDD.64 r0 3 2" },         { "62 e1 65 48 fe c2", "PADDD.64 r0 3 2" },
        { "62 d1 25 48 fe c2", "PADDD.64 r0 3 2" },         { "62 f1 65 40 fe c2", "#UD 6" },
        { "62 f2 7d 41 90 0c 06", "#UD 7" },                { "62 21", "BOUND.4 r4 ds:[r1+0]:8" },
    };
    static const struct sample wide[] = {
        { "62 f1 7d 08 c5 eb 01", "PEXTRW.4 r5 3 1" },      { "62 e1 7d 08 c5 eb 01", "#UD 7" },
    };

    (void)state;
    CHECK(DECODE_32, legacy);
    CHECK(DECODE_64, wide);
}

/* The same bytes give the same struct, to the last padding byte, whatever was there before. */
static void nothing_is_left_over(void **state)
{
    static const uint8_t bytes[][4] = { { 0x8b, 0x44, 0x8b, 0x10 }, { 0x8e, 0xf0 }, { 0x0f }, { 0xc4, 0xe2, 0x78, 0xf2 } };
    struct insn a, b;

    (void)state;
    for (unsigned n = 0; n < 4; n++)
        for (size_t len = 1; len <= 4; len++) {
            memset(&a, 0, sizeof a);
            memset(&b, 0xff, sizeof b);
            assert_int_equal(decode(&a, bytes[n], len, DECODE_64), decode(&b, bytes[n], len, DECODE_64));
            assert_memory_equal(&a, &b, sizeof a);
            assert_null(a.fn);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_of_16_bits),
        cmocka_unit_test(addresses_of_32_and_64_bits),
        cmocka_unit_test(byte_registers),
        cmocka_unit_test(sizes_in_64_bit_mode),
        cmocka_unit_test(old_instructions),
        cmocka_unit_test(prefixes_in_any_order),
        cmocka_unit_test(lock_where_it_may_stand),
        cmocka_unit_test(undefined_opcodes),
        cmocka_unit_test(undefined_opcodes_have_lengths),
        cmocka_unit_test(length_limits),
        cmocka_unit_test(vex_prefixes),
        cmocka_unit_test(evex_prefixes),
        cmocka_unit_test(nothing_is_left_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
