/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* held.pml - a slot's two words, {target, holder}, and those who read them without a lock: psref_held and reports (R26).
 *
 * Acquire's section tests the flag and the slot, stores the holder, and then the target <- commit. Release makes the target
 * null and leaves the holder as it is. One slot a CPU, and one of the atomic stripe with STRIPE (CAS null -> BUSY, plain store
 * of the holder, exchange for the target, flag again, undo). Targets 1 and 2; a thread takes either.
 *
 * HELD: thread 0 asks whether it holds target 1: for each slot target, holder, target again.
 * REPORT: a reporter names who holds target 1, by the same three loads, after it set the flag and issued a membarrier.
 *
 * Invariants checked: psref_held's answer is the truth; a report names a thread that had claimed the slot for target
 * 1 at some moment of the look.
 *
 * Size: NR threads (2), NC CPUs (2), ITER rounds a thread (2), STRIPE, ATOMIC (the atomics back end: all claims
 * and releases go to the one stripe slot); with HELD:
 *  HANDLER=1       a signal handler of thread 0 acquires target 2 somewhere inside psref_held and keeps it beyond
 *  HANDLER=2       the same, and releases it before it returns
 *
 * Switches (default = the design; each drops a rule and must fail, but the two that mend HANDLER=2):
 *  HOLDER_FIRST    holder, target: the holder is one of an earlier hold                 R26
 *  ONE_READ        target, holder, and not target again                                 R26
 *  HOLDER_OUT      the holder is stored before the section begins                       R4
 *  HOLDER_LATE     the holder is stored after the commit
 *  TEST_OUT        the slot is found empty outside the section                          R4
 *  REPORT_EARLY    REPORT without flag and membarrier: a hint                           R26
 *  HANDLER=2       with the three loads alone: holder from the handler, target again from another thread
 *  REPORT ATOMIC   claims that are yet to be undone: a hint even after flag and membarrier (so too in the stripe)
 *  HELD_COUNT      psref_held asks a slot again when its thread has claimed one in between (HANDLER=2 passes)
 *  HELD_SECTION    psref_held loads target and holder in one section (HANDLER=2 passes)
 */
#ifndef NC
#define NC 2
#endif
#ifndef ITER
#define ITER 2
#endif
#ifndef HANDLER
#define HANDLER 0
#endif
#ifdef ATOMIC
#define STRIPE
#endif
#ifdef STRIPE
#define NS (NC + 1)
#else
#define NS NC
#endif
#define NMEM (2 * NS)
#define T(s) (2 * (s))                  /* address of slot s's target word */
#define H(s) (2 * (s) + 1)              /* and of its holder word: thread + 1 */
#define BUSY 6
#include "machine.pml"

bit flag;                               /* target 1 is draining */
byte claimer[NS];                       /* for the check: who claimed the slot for target 1 last */
byte had[NS];                           /* and, while a report looks at the slot: the set of all that did meanwhile */
#define CLAIMED(s)  if :: x == 1 -> claimer[s] = t + 1; if :: had[s] -> had[s] = had[s] | (1 << t) :: else fi :: else fi

inline handler() {                      /* runs on thread 0 as a whole: nobody else can run on this CPU meanwhile */
#if HANDLER
  if
  :: atomic { RUN(t) && !hs && !hran && LOAD(t, T(CPU(t))) == 0 ->
       cut[t] = sec[t]; hran = 1; hs = on[t]; nclaims++;
       STORE(t, H(hs - 1), t + 1); STORE(t, T(hs - 1), 2);
#if HANDLER == 2
       STORE(t, T(hs - 1), 0); hs = 0
#endif
     }
  :: skip
  fi
#else
  skip
#endif
}

proctype Thread(byte t) {
  byte x, s, it;                        /* target, slot of the claim */
  byte h;                               /* hold: slot + 1 */
  byte q, a, b, n;                      /* psref_held: slot, holder, target, claims before */
  byte hs, nclaims; bit hran;           /* handler's hold; claims of this thread's handler */

round:
  atomic { RUN(t) -> if :: it == ITER -> goto out :: else -> it++ fi; if :: x = 1 :: x = 2 fi }
claim:
#ifndef ATOMIC
#ifdef HOLDER_OUT
  atomic { RUN(t) -> s = CPU(t); STORE(t, H(s), t + 1) }
#endif
#ifdef TEST_OUT
  atomic { RUN(t) -> s = CPU(t); if :: LOAD(t, T(s)) -> goto ask :: else fi }
#endif
  atomic { RUN(t) -> s = CPU(t); if :: x == 1 && flag -> goto ask :: else -> sec[t] = 1 fi }
#ifndef TEST_OUT
  SECTION(slow, if :: LOAD(t, T(s)) -> sec[t] = 0; goto slow :: else fi)
#endif
#if !defined(HOLDER_OUT) && !defined(HOLDER_LATE)
  SECTION(slow, STORE(t, H(s), t + 1))
#endif
  SECTION(slow, STORE(t, T(s), x); sec[t] = 0; h = s + 1; CLAIMED(s))
#ifdef HOLDER_LATE
  atomic { RUN(t) -> STORE(t, H(s), t + 1) }
#endif
  goto ask;
#endif
slow:
#ifdef STRIPE
  atomic { RUN(t) -> if :: goto claim :: s = NC :: goto ask fi }
  atomic { RUN(t) -> FENCE(t); if :: mem[T(s)] -> goto slow :: else -> mem[T(s)] = BUSY fi }
  atomic { RUN(t) -> STORE(t, H(s), t + 1) }
  atomic { RUN(t) -> FENCE(t); mem[T(s)] = x; CLAIMED(s) }
  atomic { RUN(t) -> if :: x == 1 && flag :: else -> h = s + 1; goto ask fi }
  atomic { RUN(t) -> FENCE(t); mem[T(s)] = 0 }
#else
  atomic { RUN(t) -> if :: goto claim :: skip fi }      /* in this model a thread may also give up */
#endif

ask:
#ifdef HELD
  if
  :: t == 0 ->
each:
#ifdef HELD_SECTION
     atomic { RUN(t) -> sec[t] = 1 }
     SECTION(each, b = LOAD(t, T(q)))
     handler();
     SECTION(each, a = LOAD(t, H(q)); sec[t] = 0)
#else
#ifdef HOLDER_FIRST
     atomic { RUN(t) -> a = LOAD(t, H(q)) }
     handler();
     atomic { RUN(t) -> b = LOAD(t, T(q)) }
#else
     atomic { RUN(t) -> n = nclaims; b = LOAD(t, T(q)); if :: b != 1 -> goto next :: else fi }
     handler();
     atomic { RUN(t) -> a = LOAD(t, H(q)); if :: a != t + 1 -> goto next :: else fi }
#ifndef ONE_READ
     handler();
     atomic { RUN(t) -> b = LOAD(t, T(q)) }
#endif
#ifdef HELD_COUNT
     atomic { RUN(t) -> if :: n != nclaims -> goto each :: else fi }
#endif
#endif
#endif
next:
     atomic { RUN(t) -> n = 0;
       if :: !(a == t + 1 && b == 1) && q + 1 < NS -> q++; a = 0; b = 0; goto each :: else fi;
       assert((a == t + 1 && b == 1) == (h && x == 1));
       q = 0; a = 0; b = 0; nclaims = 0 }
  :: else
  fi;
  if :: hs -> atomic { RUN(t) -> STORE(t, T(hs - 1), 0); hs = 0 } :: else fi;
#endif
#ifdef ATOMIC
  if :: h -> atomic { RUN(t) -> FENCE(t); mem[T(h - 1)] = 0; h = 0 } :: else fi;
#else
  if :: h -> atomic { RUN(t) -> STORE(t, T(h - 1), 0); h = 0 } :: else fi;     /* on whichever CPU */
#endif
  atomic { RUN(t) -> s = 0; x = 0; goto round }
out:
  atomic { RUN(t) -> LEAVE(t) }
}

#ifdef REPORT
proctype Report() {
  byte c, k, q, a;
#ifndef REPORT_EARLY
  flag = 1;
  membarrier();
#endif
  do
  :: q < NS ->
     if
     :: atomic { mem[T(q)] == 1 -> had[q] = 1 << (claimer[q] - 1) }
        a = mem[H(q)];
        if
#ifdef ONE_READ
        :: atomic { assert(a && (had[q] >> (a - 1)) & 1); had[q] = 0 }
#else
        :: atomic { mem[T(q)] == 1 -> assert(a && (had[q] >> (a - 1)) & 1); had[q] = 0 }
        :: atomic { mem[T(q)] != 1 -> had[q] = 0 }
#endif
        fi
     :: mem[T(q)] != 1
     fi;
     q++; a = 0
  :: else -> break
  od
}
#endif

init {
  byte i;
  atomic {
    do :: i < NR -> run Thread(i); run Sched(i); i++ :: else -> break od;
#ifdef REPORT
    run Report()
#endif
  }
}
