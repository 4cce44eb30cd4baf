/* SPDX-License-Identifier: MIT
 * The columns of insns.def:
 *
 *   INSN(map, opcode, prefix, modrm, op, o1, o2, o3, o4, needs, attributes)
 *
 *   map      M1, M0F, M0F38, M0F3A; V0F, V0F38, V0F3A (VEX); E0F, E0F38, E0F3A (EVEX)
 *   opcode   last opcode byte. A row with a Z operand (register in the low three bits) stands for eight opcodes and
 *            one with attribute CC for sixteen (condition in the low four bits); the byte given is the first.
 *   prefix   ANY   66/F2/F3 select nothing (66 is operand size; F2/F3 are ignored or REP with attribute REPS/REPZ)
 *            NP    none of 66, F2, F3;   P66, PF3, PF2   that mandatory prefix (F2/F3 beat 66)
 *            Rows with NP..PF2 and an ANY row may not share an opcode (the index test refuses it).
 *   modrm    NONE  no ModRM;  ANYM  ModRM, any;  MEM  mod != 3;  REG  mod == 3
 *            N(n)  /n, any mod;  NM(n)  /n, memory only;  NR(n)  /n, mod == 3;  X(n, m)  mod == 3, reg n, rm m
 *   o1..o4   operand letters of operands.def, __ for none; destination first, as the SDM writes them
 *   needs    a name of features.def, or BASE
 *   attributes, or-ed:
 *            LOCK   F0 allowed when the destination is memory      D64   operand size defaults to 64 in 64-bit mode
 *            F64    operand size is always 64 in 64-bit mode       I64   invalid in 64-bit mode
 *            O64    valid only in 64-bit mode                      REPS  F3/F2 mean REP (movs, stos, ins...)
 *            REPZ   F3/F2 mean REPE/REPNE (cmps, scas)             CC    sixteen opcodes, condition in opcode & 15
 *            W0 W1  VEX/EVEX/REX.W must be 0 / 1                   L0 L1 L2 vector length must be 128, 256, 512;  LIG ignored
 *            NAC    VEX and EVEX: memory is not alignment-checked, however small
 *            RO     the operand E is read only (no write back; informational)
 *            NOSEG  the memory operand is an address only (LEA, INVLPG is not)
 *
 *   attributes of EVEX rows (SDM 2A "AVX-512 Encoding", "Exception Classifications of EVEX-Encoded Instructions"):
 *            MK     may be masked, merging or zeroing              MKM    may be masked, merging only (stores, compares)
 *            MKR    must be masked by other than k0, merging       BC     memory may be broadcast: 4 bytes, 8 with W
 *            ER     register form takes rounding and SAE           SAE    register form takes SAE
 *            NFS    types E4NF, E6NF...: masked-off elements of memory are read, or must be writable, too
 *            EB EW ED EQ  element that a mask bit stands for; without one it is ED, EQ with W
 *            NOVL   128 bits need no AVX512VL (LIG says so too)
 */
#ifndef CPU_DECODER_ROW_H
#define CPU_DECODER_ROW_H

#include <stdint.h>

enum row_map { M1, M0F, M0F38, M0F3A, V0F, V0F38, V0F3A, E0F, E0F38, E0F3A, MAP_COUNT };
enum row_prefix { ANY, NP, P66, PF3, PF2 };

#define NONE        0x000
#define ANYM        0x100
#define MEM         0x200
#define REG         0x300
#define N(n)        (0x400 | (n))
#define NM(n)       (0x500 | (n))
#define NR(n)       (0x600 | (n))
#define X(n, m)     (0x700 | (n) << 3 | (m))

enum row_attr {
    LOCK = 1 << 0, D64 = 1 << 1, F64 = 1 << 2, I64 = 1 << 3, O64 = 1 << 4, REPS = 1 << 5, REPZ = 1 << 6, CC = 1 << 7,
    W0 = 1 << 8, W1 = 1 << 9, L0 = 1 << 10, L1 = 1 << 11, LIG = 1 << 12, RO = 1 << 13, NOSEG = 1 << 14, L2 = 1 << 15,
    MK = 1 << 16, MKM = 1 << 17, MKR = 1 << 18, BC = 1 << 19, ER = 1 << 20, SAE = 1 << 21, NFS = 1 << 22,
    EB = 1 << 23, EW = 1 << 24, ED = 1 << 25, EQ = 1 << 26, NOVL = 1 << 27, NAC = 1 << 28,
};

struct insn_row {
    uint32_t attrs;
    uint16_t op;
    uint16_t modrm;
    uint8_t  map, opcode, prefix, needs;
    uint8_t  o[4];
};

#endif
