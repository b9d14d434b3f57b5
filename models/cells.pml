/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* cells.pml - counts: the guarded addition and its closing; included by localcount.pml and gate.pml.
 *
 * The object's guard is 0 while its cells count. Each CPU has a cell that only sections on that CPU add to: plain load, plain
 * store. NA further cells are added to by atomics alone: the last stripe (1), or with ATOMIC all there are (2).
 *  add      section: guard clear? cell of the own CPU += n <- commit. Restarted: again, or the last stripe (the model leaves open
 *           when, so that every bound of retries is covered, and the threads that have no sections at all).
 *           stripe: guard clear? fetch-and-add; the old value is below OPEN_ABOVE: came too late, not counted.
 *           The guard is set: goto guarded. Else goto counted, and COUNTED has happened in the same step.
 *  close    (the guard is set) membarrier; the CPUs' cells, frozen now, and what an exchange for CLOSED takes out of the others.
 *  sum      the same cells, unchanged.
 * CPUs' cells and sums are kept modulo 16, which is exact, for what they add up to is 0..11 (or -4..-1 in a broken variant).
 *
 * The includer gives the thread t its byte variables c, v and its bit op (0: +1, 1: -1), and defines TOUCH (the object is read),
 * COUNTED and the labels; it defines ATOMIC for the atomics back end, and UNGUARDED where a variant does not guard.
 *
 * Switches (default = the design; each other drops a rule and must fail):
 *  GUARD_OUT       guard tested before the section, not in it                           R4
 *  SINGLE_ADD      one unlocked add instruction on a cell that was chosen before, in no section
 *  SHARED_CELL     who has no section adds atomically to a CPU's cell                   R6
 *  BLIND_ADD       stripe: load and store, not fetch-and-add
 *  NO_MARK         the closing leaves the stripe's cells as they are
 *  MARK_STORE      the stripe's cells are summed by a load, and marked by a store after it
 *  LATE_COUNTS     an addition does not look whether it came too late
 *  MARK_EXACT      ... or takes only CLOSED itself for the mark, not what other late additions made of it
 *  GUARD_AFTER     the guard is looked at after the addition, in place of the mark, too: counted twice   R4
 *  SUM_FIRST       the cells are summed before the membarrier
 */
#ifdef ATOMIC
#define NO_CPUS
#define NMEM 1
#ifndef NA
#define NA 2
#endif
#else
#ifndef NC
#define NC 2
#endif
#define NMEM NC
#ifndef NA
#define NA 1
#endif
#endif
#ifndef UNGUARDED
#define UNGUARDED 0
#endif
#define VALUES 16                       /* a CPU's cell, modulo 16 */
#include "machine.pml"

#define CLOSED          -64
#define OPEN_ABOVE      -32
#define SIGNED(s)       ((s) > 11 -> (s) - 16 : (s))
#define IS_SET          (guard != 0 && !(UNGUARDED))

byte guard;
short cell[NA];                         /* cells that atomics add to; the CPUs' are mem[] */
short total;

#ifdef MARK_EXACT
#define TOO_LATE(x)     ((x) == CLOSED)
#else
#define TOO_LATE(x)     ((x) < OPEN_ABOVE)
#endif

/* Used once in a proctype, after its label again. */
inline add() {
#ifndef ATOMIC
#if defined(GUARD_OUT)
  atomic { RUN(t) -> TOUCH; if :: IS_SET -> goto guarded :: else fi }
  atomic { RUN(t) -> TOUCH; c = CPU(t); sec[t] = 1 }
#elif defined(GUARD_AFTER)
  atomic { RUN(t) -> TOUCH; c = CPU(t); sec[t] = 1 }
#else
  atomic { RUN(t) -> TOUCH; if :: IS_SET -> goto guarded :: else -> c = CPU(t); sec[t] = 1 fi }
#endif
#if defined(SINGLE_ADD)
  atomic { RUN(t) -> sec[t] = 0; cut[t] = 0; TOUCH; v = LOAD(t, c); STORE(t, c, (v + (op -> 15 : 1)) % 16); c = 0; v = 0;
    COUNTED; goto counted }
#else
  SECTION(aborted, TOUCH; v = LOAD(t, c))
#ifdef GUARD_AFTER
  SECTION(aborted, TOUCH; STORE(t, c, (v + (op -> 15 : 1)) % 16); sec[t] = 0; c = 0; v = 0)
  atomic { RUN(t) -> TOUCH; if :: guard -> goto guarded :: else -> COUNTED; goto counted fi }
#else
  SECTION(aborted, TOUCH; STORE(t, c, (v + (op -> 15 : 1)) % 16); sec[t] = 0; c = 0; v = 0; COUNTED; goto counted)
#endif
#endif
aborted:
  atomic { RUN(t) -> c = 0; v = 0; if :: goto again :: skip fi }
#endif
  atomic { RUN(t) -> TOUCH; if :: IS_SET -> goto guarded :: else fi }
#if defined(SHARED_CELL)
  atomic { RUN(t) -> TOUCH; FENCE(t); mem[0] = (mem[0] + (op -> 15 : 1)) % 16; COUNTED; goto counted }
#else
  atomic { RUN(t) -> if :: c = 0 :: c = NA - 1 fi }             /* any of them will do */
#if defined(BLIND_ADD)
  atomic { RUN(t) -> TOUCH; FENCE(t); old = cell[c] }
  atomic { RUN(t) -> TOUCH; cell[c] = old + (op -> -1 : 1); c = 0;
    if :: TOO_LATE(old) -> old = 0; goto guarded :: else -> old = 0; COUNTED; goto counted fi }
#elif defined(GUARD_AFTER)
  atomic { RUN(t) -> TOUCH; FENCE(t); cell[c] = cell[c] + (op -> -1 : 1); c = 0 }
  atomic { RUN(t) -> TOUCH; if :: guard -> goto guarded :: else -> COUNTED; goto counted fi }
#else
  atomic { RUN(t) -> TOUCH; FENCE(t); cell[c] = cell[c] + (op -> -1 : 1);
#ifdef LATE_COUNTS
    c = 0; COUNTED; goto counted }
#else
    if :: TOO_LATE(cell[c] - (op -> -1 : 1)) -> c = 0; goto guarded :: else -> c = 0; COUNTED; goto counted fi }
#endif
#endif
#endif
}

/* s = the sum of the cells; uses the caller's byte variable i, and leaves it 0. */
inline sum_cpus() {
#ifndef ATOMIC
  do
  :: atomic { i < NC -> s = (s + mem[i]) % 16; i++ }
  :: atomic { i == NC -> i = 0; break }
  od
#else
  skip
#endif
}

inline sum() {
  s = 0;
  sum_cpus();
  do
  :: atomic { i < NA -> s = (s + (cell[i] & 15)) % 16; i++ }
  :: atomic { i == NA -> i = 0; break }
  od
}

inline close() {
  s = 0;
#ifdef SUM_FIRST
  sum_cpus();
  membarrier();
#else
  membarrier();
  sum_cpus();
#endif
  do
#if defined(NO_MARK)
  :: atomic { i < NA -> s = (s + (cell[i] & 15)) % 16; i++ }
#elif defined(MARK_STORE)
  :: i < NA -> s = (s + (cell[i] & 15)) % 16; cell[i] = CLOSED; i++
#else
  :: atomic { i < NA -> s = (s + (cell[i] & 15)) % 16; cell[i] = CLOSED; i++ }
#endif
  :: atomic { i == NA -> i = 0; break }
  od
}
