/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* atomics.pml - passive references on the atomics back end: no sections, no membarrier, any thread may stop anywhere.
 *
 *  acquire  CAS a slot null -> BUSY; exchange for the target (holder: held.pml); the draining flag; where it is set: exchange for
 *           null, notify, ENOENT.
 *  release  exchange for null; then the class's waiter word, and wake.
 *  copy     acquire's claim without the undo; where the flag is set, copy sequence + 1 before it returns.
 * Drain is the one of class.pml without its membarriers; all its accesses are sequentially consistent.
 *
 * Invariants checked: those of psref.pml.
 *
 * Size: NR threads (2), NS slots (2), ITER rounds a thread (1), ND targets, each with a drain (1; OWN: thread t takes
 * target t + 1 only), COPY=n copies a round (0).
 *
 * Switches of this file (default = the design; each drops a rule and must fail):
 *  NO_RECHECK      the flag is not looked at after the claim                            R2, R5
 *  RECHECK_EARLY   the flag is looked at before the claim (the order of sections)       R5
 *  PLAIN_CLAIM     the target is stored by a plain store                                R5
 *  BLIND_STORE     claimed by load and store, not by CAS                                R5
 *  NO_BUSY         claimed by load, then plain store of the target                      R5
 *  UNDO_SILENT     the undo does not notify
 *  PLAIN_RELEASE   slot cleared by a plain store                                        R5
 *  PLAIN_UNDO      the same in the undo                                                 R5
 *  REL_WORD_FIRST  release looks at the waiter word before it clears the slot           R5
 *  NO_NOTIFY       release does not look at the waiter word
 *  EARLY_EXIT      the caller leaves its read section before acquire                    R1
 *  COPY_SILENT     copy does not move the copy sequence                                 R18
 *  COPY_EARLY      copy moves the copy sequence before its claim                        R18
 * and those of class.pml, where they do not speak of a membarrier.
 */
#ifndef NS
#define NS 2
#endif
#ifndef ITER
#define ITER 1
#endif
#ifndef COPY
#define COPY 0
#endif
#define NMEM NS
#define NO_CPUS
#include "machine.pml"
#include "class.pml"

proctype Thread(byte t) {
  byte x, it, m;                        /* target, round, slot of the claim under way */
  byte h0, h1;                          /* holds: slot + 1, or 0 */
  byte ncopy;
  bit cp;                               /* claim for a copy */

round:
  atomic { m = 0; x = 0; ncopy = 0; cp = 0;
    if :: it == ITER -> goto out :: else -> it++ fi;
#ifdef OWN
    x = t + 1;
#elif ND > 1
    if :: x = 1 :: x = 2 fi;
#else
    x = 1;
#endif
    if :: unpub[x] -> goto round :: else -> inread[t] = 1 fi }
#ifdef EARLY_EXIT
  inread[t] = 0;
#endif

claim:                                  /* m is anyone: the CPU of the moment chooses it, its neighbours follow */
  atomic { if :: m = 0 :: m = NS - 1 fi;
    if :: m == NS - 1 && NS > 2 -> if :: m = 1 :: skip fi :: else fi }
#ifdef RECHECK_EARLY
  atomic { TOUCH(x); if :: !cp && flag[x] -> goto refused :: else fi }
#endif
#if defined(BLIND_STORE) || defined(NO_BUSY)
  atomic { if :: LOAD(t, m) != 0 -> m = 0; goto claim :: else fi }
#endif
#if defined(BLIND_STORE)
  atomic { FENCE(t); mem[m] = BUSY }
#elif !defined(NO_BUSY)
  atomic { if :: LOAD(t, m) == 0 -> FENCE(t); mem[m] = BUSY :: else -> FENCE(t); m = 0; goto claim fi }
#endif
#if defined(PLAIN_CLAIM) || defined(NO_BUSY)
  atomic { STORE(t, m, x) }
#else
  atomic { FENCE(t); assert(mem[m] == BUSY); mem[m] = x }
#endif
#if defined(NO_RECHECK) || defined(RECHECK_EARLY)
  atomic { HOLD(x); goto held }
#else
  atomic { TOUCH(x); if :: flag[x] && !cp -> goto undo :: else -> HOLD(x); if :: !(flag[x] && cp) -> goto held :: else fi fi }
#if !defined(COPY_SILENT) && !defined(COPY_EARLY)
  atomic { FENCE(t); copyseq++ }
#endif
  goto held;
#endif

undo:
#ifdef PLAIN_UNDO
  atomic { STORE(t, m, 0) }
#else
  atomic { FENCE(t); assert(mem[m] == x); mem[m] = 0 }
#endif
#ifndef UNDO_SILENT
  notify(x);
#endif
refused:
  atomic { inread[t] = 0; goto round }                                    /* ENOENT */

held:                                   /* acquire or copy has returned: slot m is ours */
  atomic { TOUCH(x); inread[t] = 0; cp = 0;
    if :: h0 -> h1 = m + 1 :: else -> h0 = m + 1 fi; m = 0 }
release:
  if
#if COPY
#ifdef COPY_EARLY
  :: atomic { h0 && !h1 && ncopy < COPY -> ncopy++; cp = 1; FENCE(t); copyseq++; goto claim }
#else
  :: atomic { h0 && !h1 && ncopy < COPY -> ncopy++; cp = 1; goto claim }
#endif
  :: atomic { h1 -> m = h1 - 1; h1 = 0 }
#endif
  :: atomic { h0 -> m = h0 - 1; h0 = h1; h1 = 0 }
  fi;
#ifdef REL_WORD_FIRST
  notify(x);
#endif
#ifdef PLAIN_RELEASE
  atomic { TOUCH(x); STORE(t, m, 0); m = 0; holds[x]-- }
#else
  atomic { TOUCH(x); FENCE(t); assert(mem[m] == x); mem[m] = 0; m = 0; holds[x]-- }
#endif
#if !defined(REL_WORD_FIRST) && !defined(NO_NOTIFY)
  notify(x);
#endif
  if :: h0 -> goto release :: else -> goto round fi;
out:
  atomic { LEAVE(t) }
}

init {
  byte i;
  atomic {
    do :: i < NR -> run Thread(i); run Sched(i); i++ :: else -> break od;
    begin_drains()
  }
}
