/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* psref.pml - passive references on restartable sections and membarrier: acquire, release, copy, drain.
 *
 * Each CPU has NSL slots that only sections on that CPU claim; the atomic stripe has NA slots that anybody claims by CAS.
 *  acquire  one section: draining flag clear? own CPU's slots: the first that is empty; store the target <- commit.
 *           Restarted, or all slots taken: the section again, or the stripe (the model leaves open when, so that every bound
 *           of retries is covered).
 *  stripe   CAS null -> BUSY; exchange for the target; flag again; where it is set: exchange for null, notify, ENOENT.
 *  release  plain store of null, from any CPU; then the class's waiter word, and wake.
 *  copy     acquire's section; where the flag is set, the section without its guard and then copy sequence + 1.
 * The slot's holder is in held.pml. Drain and the waiter word: class.pml. CPUs, store buffers, membarrier: machine.pml.
 *
 * Invariants checked: 1. when drain returns nobody holds the target, and nobody gets a hold later. 2. nothing of a freed target is
 * touched. 3. a slot is claimed only when it is null, and a stripe slot keeps what its claimer stored. 4. no drain sleeps for ever.
 *
 * Size: NR threads (2), NC CPUs (2), NSL slots a CPU (1), NA stripe slots (1), ITER rounds a thread (1), ND targets, each with
 * a drain (1; OWN: thread t takes target t + 1 only), COPY=n copies a round (0), HANDOFF (a hold may be left to another thread to
 * release).
 *
 * Switches of this file (default = the design; each drops a rule and must fail, but GUARD_AFTER and PLAIN_CLAIM):
 *  GUARD_OUT       draining flag tested before the section, not in it                   R4
 *  GUARD_AFTER     section without guard, flag tested after the commit, full undo. Not broken: the membarrier alone then decides
 *                  who sees whom. (A test that plants a bug must not plant this one.)
 *  AFTER_NO_WAKE   with GUARD_AFTER: the undo does not notify
 *  NO_RECHECK      stripe: the flag is not looked at again                              R2
 *  RECHECK_EARLY   stripe: the flag is looked at before the claim                       R2
 *  BLIND_STORE     stripe: claimed by load and store, not by CAS
 *  PLAIN_CLAIM     stripe: the target is stored by a plain store. Not broken here: the drain's membarrier drains it before it scans
 *                  (atomics.pml has none, and fails).
 *  UNDO_SILENT     stripe: the undo does not notify
 *  REL_WORD_FIRST  release looks at the waiter word before it clears the slot
 *  NO_NOTIFY       release does not look at the waiter word
 *  EARLY_EXIT      the caller leaves its read section before acquire                    R1
 *  COPY_SILENT     copy does not move the copy sequence                                 R18
 *  COPY_EARLY      copy moves the copy sequence before its claim                        R18
 * and those of class.pml and machine.pml.
 */
#ifndef NSL
#define NSL 1
#endif
#ifndef NA
#define NA 1
#endif
#ifndef ITER
#define ITER 1
#endif
#ifndef COPY
#define COPY 0
#endif
#ifndef NC
#define NC 2
#endif
#define NS (NC * NSL + NA)
#define NMEM NS
#include "machine.pml"
#include "class.pml"

#ifdef HANDOFF
byte box, boxx;                         /* a hold left to others: slot + 1, target */
#endif

proctype Thread(byte t) {
  byte x, it, m;                        /* target, round, slot of the claim under way */
  byte h0, h1;                          /* holds: slot + 1, or 0 */
  byte ncopy;
  bit cp, open;                         /* claim for a copy; without guard */

round:
  atomic { RUN(t) -> m = 0; x = 0; ncopy = 0; cp = 0; open = 0;
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
  atomic { RUN(t) -> inread[t] = 0 }
#endif

claim:                                  /* the section: m = empty slot of this CPU; [m] = x  <- commit */
#if defined(GUARD_OUT)
  atomic { RUN(t) -> TOUCH(x); if :: !open && flag[x] -> goto refused :: else fi }
  atomic { RUN(t) -> sec[t] = 1; m = CPU(t) * NSL }
#elif defined(GUARD_AFTER)
  atomic { RUN(t) -> sec[t] = 1; m = CPU(t) * NSL }
#else
  atomic { RUN(t) -> TOUCH(x); m = CPU(t) * NSL; if :: !open && flag[x] -> goto refused :: else -> sec[t] = 1 fi }
#endif
look:
  SECTION(slow, if :: LOAD(t, m) == 0 -> skip
                   :: LOAD(t, m) != 0 && (m + 1) % NSL != 0 -> m++; goto look
                   :: else -> sec[t] = 0; goto slow fi)
#ifdef GUARD_AFTER
  SECTION(slow, assert(LOAD(t, m) == 0); STORE(t, m, x); sec[t] = 0)
  atomic { RUN(t) -> TOUCH(x); if :: flag[x] -> goto undo :: else -> HOLD(x); goto held fi }
#else
  SECTION(slow, assert(LOAD(t, m) == 0); STORE(t, m, x); sec[t] = 0; HOLD(x))
#endif
#if COPY
  if :: open ->
#if !defined(COPY_SILENT) && !defined(COPY_EARLY)
        atomic { RUN(t) -> FENCE(t); copyseq++ }
#endif
        skip
     :: else
  fi;
#endif
  goto held;

slow:
  atomic { RUN(t) -> m = 0; if :: goto claim :: m = NC * NSL fi }

stripe:
#ifdef RECHECK_EARLY
  atomic { RUN(t) -> TOUCH(x); if :: !cp && flag[x] -> goto refused :: else fi }
#endif
#ifdef BLIND_STORE
  atomic { RUN(t) -> FENCE(t); if :: mem[m] != 0 -> m++; goto taken :: else fi }
  atomic { RUN(t) -> mem[m] = BUSY }
#else
  atomic { RUN(t) -> FENCE(t); if :: mem[m] == 0 -> mem[m] = BUSY :: else -> m++; goto taken fi }
#endif
#ifdef PLAIN_CLAIM
  atomic { RUN(t) -> STORE(t, m, x) }
#else
  atomic { RUN(t) -> FENCE(t); assert(mem[m] == BUSY); mem[m] = x }
#endif
#if defined(NO_RECHECK) || defined(RECHECK_EARLY)
  atomic { RUN(t) -> HOLD(x); goto held }
#else
  atomic { RUN(t) -> TOUCH(x); if :: flag[x] && !cp -> goto undo :: else -> HOLD(x); if :: !(flag[x] && cp) -> goto held :: else fi fi }
#ifndef COPY_SILENT
  atomic { RUN(t) -> FENCE(t); copyseq++ }
#endif
  goto held;
#endif
taken:
  if :: m < NS -> goto stripe :: else -> m = 0; goto claim fi;

undo:
  atomic { RUN(t) -> FENCE(t); assert(mem[m] == x); mem[m] = 0 }
#if !defined(UNDO_SILENT) && !defined(AFTER_NO_WAKE)
  notify(x);
#endif
refused:
#if COPY
  if :: cp ->
#ifdef COPY_EARLY
        atomic { RUN(t) -> FENCE(t); copyseq++ }
#endif
        atomic { RUN(t) -> open = 1; goto claim }
     :: else
  fi;
#endif
  atomic { RUN(t) -> inread[t] = 0; goto round }                          /* ENOENT */

held:                                   /* acquire or copy has returned: slot m is ours */
  atomic { RUN(t) -> TOUCH(x); inread[t] = 0; cp = 0; open = 0;
    if :: h0 -> h1 = m + 1 :: else -> h0 = m + 1 fi; m = 0 }
release:
  if
#if COPY
  :: atomic { RUN(t) && h0 && !h1 && ncopy < COPY -> ncopy++; cp = 1; goto claim }
  :: atomic { RUN(t) && h1 -> m = h1 - 1; h1 = 0 }
#endif
#ifdef HANDOFF
  :: atomic { RUN(t) && h0 && !box -> FENCE(t); box = h0; boxx = x; h0 = 0; goto round }
#endif
  :: atomic { RUN(t) && h0 -> m = h0 - 1; h0 = h1; h1 = 0 }
  fi;
#ifdef REL_WORD_FIRST
  notify(x);
#endif
  atomic { RUN(t) -> TOUCH(x); assert(LOAD(t, m) == x); STORE(t, m, 0); m = 0; holds[x]-- }
#if !defined(REL_WORD_FIRST) && !defined(NO_NOTIFY)
  notify(x);
#endif
  if :: h0 -> goto release :: else -> goto round fi;
out:
#ifdef HANDOFF
  atomic { RUN(t) -> if :: box -> h0 = box; x = boxx; box = 0; boxx = 0; goto release :: else fi }
#endif
  atomic { RUN(t) -> LEAVE(t) }
}

init {
  byte i;
  atomic {
    do :: i < NR -> run Thread(i); run Sched(i); i++ :: else -> break od;
    begin_drains()
  }
}
