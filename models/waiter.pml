/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* waiter.pml - the class's waiter word and futex word alone: two drains meet releases, time-outs and each other.
 *
 * The holds are there from the start, H a thread, of targets 1 and 2 in turn (SAME: all of target 1), and each thread only releases
 * them: plain store of null, waiter word, wake. Everything else is class.pml's: a drain looks, enters {count, target or MANY},
 * membarrier, reads the futex word, looks again, sleeps by compare, leaves; with GIVEUP it may leave by time-out, and then drain
 * again or never again. ATOMIC: releases by exchange, without membarrier (the atomics back end).
 *
 * Invariants checked: those of class.pml, and: the word is zero when nobody is inside, its count is the number of drains inside,
 * and its name never speaks of a target that nobody waits for, but MANY.
 *
 * Size: NR threads (2), NC CPUs (2), H holds a thread (1), ND drains (2).
 * Switches: those of class.pml and machine.pml. GHOST_OFF drops the check of the word itself, to see what a broken word leads to.
 */
#ifndef ND
#define ND 2
#endif
#ifndef H
#define H 1
#endif
#ifndef NR
#define NR 2
#endif
#ifdef ATOMIC
#define NO_CPUS
#endif
#define NS (NR * H)
#define NMEM NS
#define HAVE_INSIDE
#include "machine.pml"
#include "class.pml"

#ifdef SAME
#define TARGET(j) 1
#else
#define TARGET(j) ((j) % ND + 1)
#endif

#ifdef SAME
#define WORD_RIGHT  ((word >> 3) == inside[1] && (word & 7) == (inside[1] -> 1 : 0))
#else
#define WORD_RIGHT  ((word >> 3) == inside[1] + inside[2] && \
                     ((word & 7) == MANY && word > 7 || \
                      (word & 7) == 0 && word == 0 || \
                      (word & 7) == 1 && inside[1] && !inside[2] || \
                      (word & 7) == 2 && inside[2] && !inside[1]))
#endif

proctype Thread(byte t) {
  byte j;
  do
  :: j < H ->
#ifdef ATOMIC
       atomic { RUN(t) -> TOUCH(TARGET(t * H + j)); FENCE(t); mem[t * H + j] = 0; holds[TARGET(t * H + j)]-- }
#else
       atomic { RUN(t) -> TOUCH(TARGET(t * H + j)); STORE(t, t * H + j, 0); holds[TARGET(t * H + j)]-- }
#endif
       notify(TARGET(t * H + j));
       j++
  :: else -> break
  od;
  atomic { RUN(t) -> LEAVE(t) }
}

init {
  byte i;
  atomic {
    do :: i < NS -> mem[i] = TARGET(i); holds[TARGET(i)]++; i++ :: else -> break od;
    i = 0;
    do :: i < NR -> run Thread(i); run Sched(i); i++ :: else -> break od;
    begin_drains()
  }
#ifndef GHOST_OFF
  /* The word, seen at any moment: as many drains as it counts are inside, and it names what they wait for. */
end:
  atomic { !WORD_RIGHT -> assert(WORD_RIGHT) }
#endif
}
