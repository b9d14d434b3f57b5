/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* localcount.pml - localcount on the counts of cells.pml; included by counts.pml and counts_atomics.pml.
 *
 *  acquire   add +1; the guard is set: refused.
 *  release   add -1; the guard is set: interlock; total -= 1, at 0 broadcast; interlock let go.
 *            ALONE (the Rust face, no interlock): total -= 1, at 0 moved += 1 and wake all.
 *  drain     guard OPEN -> CLOSING; close; total += sum; guard = DRAINING; wait for total 0, under the interlock but for the
 *            closing; guard = DRAINED. ALONE: whoever makes the first step closes and wakes the others, who wait with it (moved is read
 *            before guard and total; slept on by compare); CLOSING: a total of 0 means nothing yet.
 *  trydrain  TRY: one comes first, with acquires excluded: membarrier; sum; 0: guard = DRAINED, true. Else false, nothing changed.
 * The caller of drain unpublishes first, and frees when all drains have ended and then all read sections, that is the
 * acquires under way; PERFORM_FIRST: waits for them before drain, as callers of the C face must, whose acquires may not find the
 * guard. Cells, interlock and condition variable lie in the object, as far as the checks go.
 *
 * Invariants checked: 1. when drain returns nobody holds, and nobody gets a hold later. 2. nothing of the freed object is touched.
 * 3. the total is not negative once the sum is in it. 4. no drain sleeps for ever. 5. a slow release that has the interlock
 * finds the count draining.
 *
 * Size: NR threads (2), NC CPUs (2), ITER rounds a thread (1), ND drains (1; more with ALONE only), HANDOFF (a hold may be left to
 * another thread to release), AGAIN (a holder may acquire once more, counted in the total where the guard is set).
 *
 * Switches of this file (default = the design; each but SPUR, GIVEUP, ALONE, TRY, PERFORM_FIRST drops a rule and must fail):
 *  SPUR=n          so many spurious wake-ups a drain (bounded, so that a lost wake-up stays visible)
 *  GIVEUP=n        so many time-outs a drain; it then drains again, or never again
 *  EARLY_EXIT      the caller leaves its read section before acquire                    R1
 *  SHOWN_EARLY     guard = DRAINING before the sum is in the total
 *  LOOK_FIRST      a drain does not look at the guard, only at the total
 *  NO_WAKE         the release that makes the total 0 wakes nobody
 *  NO_CLOSED_WAKE  ALONE: the drain that closed wakes nobody
 *  CV_SPLIT        interlock let go, then asleep: not one step
 *  NO_RELOCK       a drain that was woken believes a total of 0 without the interlock   R7
 *  WAKE_AFTER      broadcast after the interlock was let go                             R7
 *  REL_TOUCH       ALONE: the object is touched after the total was made 0              R4
 *  SEQ_LATE        ALONE: futex word read after guard and total                         R3
 *  SLEEP_BLIND     ALONE: sleeps without the compare                                    R3
 *  TOTAL_FUTEX     ALONE, ND=2: sleeps on the total by its value, not on a word of its own: where the sum is 0, the end of CLOSING
 *                  does not move it. Not broken with one drain.
 *  WAKE_ONE        ALONE: one of the drains is woken                                    R7
 *  TRUST_WAKE      a wake-up is taken for the end of the wait (SPUR, or ALONE ND=2)      R7
 *  BLIND_CLOSE     ALONE: the closer is found by load and store, not by CAS
 *  RELEASE_TWICE   the caller's bug, to see 5 fail: a hold is released twice (ALONE: a drain sleeps for ever; 3 fails, too: pan -E)
 *  TRY_OPEN        trydrain: acquires are not excluded
 *  TRY_NO_MB       trydrain: no membarrier
 *  TRY_UNSET       trydrain succeeds without setting the guard
 *  TRY_FREE        freed after trydrain without being unpublished                       R9
 *  TRY_UNDO        trydrain sets the guard, sums, and on failure folds the total into a cell and opens again. Not the design, and
 *                  right; it shows the rules for what reopens a counter at work:
 *  NO_RECHECK      a slow release does not read the guard again under the interlock     R8. Broken with TRY_UNDO only: the design
 *                  has nothing that reopens, so its releases need not look.
 *  FOLD_LATE       TRY_UNDO: opens before it folds                                      R8
 * and those of cells.pml and machine.pml.
 */
#ifndef ITER
#define ITER 1
#endif
#ifndef ND
#define ND 1
#endif
#ifndef SPUR
#define SPUR 0
#endif
#ifndef GIVEUP
#define GIVEUP 0
#endif
#define OPEN            0
#define CLOSING         1
#define DRAINING        2
#define DRAINED         3
#ifdef TRY_UNDO
#define TRY
#endif

#define TOUCH           assert(!freed)
#ifdef RELEASE_TWICE
#define COUNTED         if :: op && holds -> holds-- :: op && !holds :: else -> assert(!drained); holds++ fi
#else
#define COUNTED         if :: op -> holds-- :: else -> assert(!drained); holds++ fi
#endif

#include "cells.pml"

bit lock;                               /* the interlock */
byte moved;                             /* what drains without an interlock sleep on */
bit asleep[ND];
bit unpub, excluded;                    /* unpublished; acquires excluded for a trydrain */
bit inread[NR];                         /* thread is inside an (ideal) read section */
byte left;                              /* drains that will not come back */
bit drained, freed;                     /* for the checks: drain has returned; the caller has freed */
byte holds;                             /* for the checks: holds there are */
#ifdef HANDOFF
bit box;                                /* a hold left to others */
#endif

#ifdef WAKE_ONE
#define WAKE_ALL        if :: asleep[0] -> asleep[0] = 0 :: asleep[ND - 1] -> asleep[ND - 1] = 0 :: else fi
#else
#define WAKE_ALL        asleep[0] = 0; asleep[ND - 1] = 0
#endif

proctype Thread(byte t) {
  byte it, c, v, more;
  short old;
  bit op, zero;

round:
  atomic { RUN(t) && !excluded -> op = 0; more = 0;
    if :: it == ITER || unpub -> goto out :: else -> it++; inread[t] = 1 fi }
#ifdef EARLY_EXIT
  atomic { RUN(t) -> inread[t] = 0 }
#endif

again:
  add();
counted:
  atomic { RUN(t) -> if :: op && more -> more = 0; goto again :: op && !more -> goto round :: else fi }
held:
  atomic { RUN(t) -> TOUCH; inread[t] = 0; op = 1 }
#ifdef RELEASE_TWICE
  atomic { RUN(t) -> more = 1 }
#endif
  if
#ifdef HANDOFF
  :: atomic { RUN(t) && !box && !more -> FENCE(t); box = 1; goto round }
#endif
#ifdef AGAIN
  :: atomic { RUN(t) && !more && it == 1 -> more = 1; op = 0; goto again }
#endif
  :: atomic { RUN(t) -> goto again }
  fi;

guarded:
#ifdef AGAIN
  if
  :: atomic { RUN(t) && more && !op -> TOUCH; FENCE(t); total++; COUNTED; goto held }
  :: atomic { RUN(t) && (op || !more) }
  fi;
#endif
#ifdef PERFORM_FIRST
  atomic { RUN(t) -> assert(op) }
#else
  atomic { RUN(t) -> if :: !op -> inread[t] = 0; goto round :: else fi }
#endif
#ifdef ALONE
  atomic { RUN(t) -> TOUCH; FENCE(t); total--; COUNTED; zero = (total == 0) }
#ifndef NO_WAKE
  if
  :: atomic { RUN(t) && zero -> zero = 0;
#ifdef REL_TOUCH
       TOUCH;
#endif
       FENCE(t); moved++ }
     atomic { RUN(t) -> WAKE_ALL }
  :: atomic { RUN(t) && !zero }
  fi;
#endif
#else
  atomic { RUN(t) && !lock -> TOUCH; FENCE(t); lock = 1 }
#if !defined(NO_RECHECK)
#ifdef TRY_UNDO
  atomic { RUN(t) -> TOUCH; if :: guard == OPEN -> lock = 0; goto again :: else fi }
#else
  atomic { RUN(t) -> TOUCH; assert(guard == CLOSING || guard == DRAINING) }
#endif
#endif
  atomic { RUN(t) -> TOUCH; FENCE(t); total--; COUNTED; zero = (total == 0) }
#ifdef WAKE_AFTER
  atomic { RUN(t) -> TOUCH; FENCE(t); lock = 0 }
#endif
#ifdef NO_WAKE
  atomic { RUN(t) -> zero = 0 }
#else
  atomic { RUN(t) -> if :: zero -> TOUCH; zero = 0; WAKE_ALL :: else fi }
#endif
#ifndef WAKE_AFTER
  atomic { RUN(t) -> TOUCH; FENCE(t); lock = 0 }
#endif
#endif
  goto counted;

out:
#ifdef HANDOFF
  atomic { RUN(t) -> if :: box -> box = 0; op = 1; goto again :: else fi }
#endif
  atomic { RUN(t) -> LEAVE(t) }
}

inline perform() {
  do
  :: atomic { k < NR && !inread[k] -> k++ }
  :: atomic { k == NR -> k = 0; break }
  od
}

inline enter_interlock() {
  atomic { !lock -> lock = 1 }
}

/* Acquires have ended and none begins. Answers in yes. */
inline trydrain() {
#ifndef TRY_OPEN
  excluded = 1;
  perform();
#endif
#ifdef TRY_UNDO
  enter_interlock(); total = 0; guard = CLOSING; lock = 0;
#endif
#ifndef TRY_NO_MB
  membarrier();
#endif
#ifdef TRY_UNDO
  enter_interlock();
#endif
  sum();
#ifdef TRY_UNDO
  atomic { yes = (SIGNED(s) + total == 0) }
  if
  :: yes -> guard = DRAINED
  :: else ->
#ifdef FOLD_LATE
     guard = OPEN; s = mem[0]; mem[0] = (s + (total & 15)) % 16; total = 0
#else
     s = mem[0]; mem[0] = (s + (total & 15)) % 16; total = 0; guard = OPEN
#endif
  fi;
  lock = 0;
#else
  if
#ifdef TRY_UNSET
  :: s == 0 -> yes = 1
#else
  :: atomic { s == 0 -> assert(guard == OPEN); guard = DRAINED; yes = 1 }
#endif
  :: else
  fi;
#endif
  s = 0;
  if :: yes -> atomic { assert(holds == 0); drained = 1 } :: else fi;
  excluded = 0
}

proctype Drain(byte d) {
  byte c, k, i, s, w, spur, gaveup;
  bit yes;

#ifdef TRY
  trydrain();
  if
  :: yes ->
     yes = 0;
#ifndef TRY_FREE
     unpub = 1;
     perform();
#endif
     goto last
  :: else
  fi;
#endif
  unpub = 1;
#ifdef PERFORM_FIRST
  perform();
#endif

#ifdef ALONE
start:
#ifdef BLIND_CLOSE
  yes = (guard == OPEN);
  if :: yes -> guard = CLOSING :: else fi;
#else
  atomic { if :: guard == OPEN -> guard = CLOSING; yes = 1 :: else fi }
#endif
  if
  :: yes ->
     yes = 0;
#ifdef SHOWN_EARLY
     guard = DRAINING;
#endif
     close();
     atomic { total = total + SIGNED(s); s = 0; assert(total >= 0) }
     guard = DRAINING;
#ifndef NO_CLOSED_WAKE
     moved++;
     atomic { WAKE_ALL }
#endif
  :: else
  fi;
look:
#ifndef SEQ_LATE
  w = moved;
#endif
#if defined(LOOK_FIRST)
  if :: total == 0 -> goto done :: else fi;
#elif defined(TOTAL_FUTEX)
  if
  :: atomic { guard == DRAINED -> goto done }
  :: atomic { guard == DRAINING -> w = total; if :: w == 0 -> goto done :: else fi }
  :: atomic { guard == CLOSING -> w = total }
  fi;
#else
  if
  :: atomic { guard == DRAINED -> goto done }
  :: atomic { guard == DRAINING -> if :: total == 0 -> goto done :: else fi }
  :: guard == CLOSING
  fi;
#endif
#ifdef SEQ_LATE
  w = moved;
#endif
#if defined(SLEEP_BLIND)
  asleep[d] = 1;
#elif defined(TOTAL_FUTEX)
  atomic { if :: total == w -> asleep[d] = 1 :: else fi }
#else
  atomic { if :: moved == w -> asleep[d] = 1 :: else fi }
#endif
slept:
  if
#ifdef TRUST_WAKE
  :: atomic { !asleep[d] -> w = 0; goto done }
#else
  :: atomic { !asleep[d] -> w = 0; goto look }
#endif
  :: atomic { asleep[d] && spur < SPUR -> spur++; asleep[d] = 0; goto slept }
  :: atomic { asleep[d] && gaveup < GIVEUP -> gaveup++; asleep[d] = 0; w = 0 }
  fi;
  if :: goto start :: goto out fi;
done:
  atomic { w = 0; guard = DRAINED; assert(holds == 0); drained = 1 }

#else
start:
  enter_interlock();
  if
  :: guard == OPEN ->
#ifdef TRY_UNDO
     total = 0;
#endif
     guard = CLOSING; lock = 0;
#ifdef SHOWN_EARLY
     goto wait;
#endif
     close();
     atomic { total = total + SIGNED(s); s = 0; assert(total >= 0) }
     enter_interlock();
     guard = DRAINING
  :: else
  fi;
wait:
  if :: total == 0 -> goto done :: else fi;
#ifdef CV_SPLIT
  lock = 0;
  asleep[d] = 1;
#else
  atomic { lock = 0; asleep[d] = 1 }
#endif
slept:
  if
#if defined(TRUST_WAKE)
  :: atomic { !asleep[d] && !lock -> lock = 1; goto done }
#elif defined(NO_RELOCK)
  :: atomic { !asleep[d] -> if :: total == 0 -> goto done :: else fi }
#else
  :: !asleep[d]
#endif
  :: atomic { asleep[d] && spur < SPUR -> spur++; asleep[d] = 0; goto slept }
  :: atomic { asleep[d] && gaveup < GIVEUP -> gaveup++; asleep[d] = 0; if :: goto start :: goto out fi }
  fi;
  enter_interlock();
  goto wait;
done:
  atomic { guard = DRAINED; assert(holds == 0); drained = 1 }
#ifndef NO_RELOCK
  lock = 0;
#endif
#endif

#ifndef PERFORM_FIRST
  perform();
#endif
last:
out:
  left++;
  if
#ifdef RELEASE_TWICE
  :: atomic { left == ND && drained }
#else
  :: atomic { left == ND && drained -> freed = 1 }
#endif
  :: else
  fi
}

init {
  byte i;
  atomic {
    do :: i < NR -> run Thread(i); run Sched(i); i++ :: else -> break od;
    i = 0;
    do :: i < ND -> run Drain(i); i++ :: else -> break od;
    i = 0
  }
}
