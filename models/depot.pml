/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* depot.pml - a depot: a stack of objects that everybody pushes and pops without a lock, chained through one link an object.
 *
 * Head = {generation, top}; a link holds the next object, 0 none. All changes of the head are CAS of the whole word, and count the generation.
 *  push     links among the objects of the batch; loop { last link = top; CAS head {generation + 1, first} }
 *  pop      loop { walk from top, by links that may be stale, up to WANT objects; CAS head {generation + 1, what the last link says} }
 * A failed CAS answers the head that the next turn begins with. Links are plain stores, heads are not.
 *
 * Invariants checked: 1. what is popped is an object, free, and once in its batch (twice). 2. in the end each object is on the stack exactly once
 * (lost). 3. pop answers none only when the head was empty (it is loaded at once with what proves it: nothing to check).
 *
 * Size: NR threads (2), NO objects (3), WANT objects a pop (1), ITER rounds a thread (1), POPS pops a round before the pushes (2). What is
 * popped is pushed in any order, one at a time or all as one batch.
 *
 * Switches (default = the design; each drops a rule and must fail, but those told):
 *  NO_TAG          the generation is not compared                                       R25
 *  TAG_LATE        the generation is loaded after the walk, where top is still the same R25
 *  TAG_FIRST       the generation is loaded before top, not with it. Not broken: what counts is that it is loaded before the walk.
 *  TAG_SECOND      the same, after top. Not broken.
 *  TAG_POP         the generation moves at pops only. Not broken: for an object to come to the top again it must have been popped.
 *  TAG_PUSH        the generation moves at pushes only. Not broken: it must have been pushed again, too.
 *  LINK_LATE       the last link is written after the CAS
 *  LINK_ONCE       the last link is not written again when the CAS has failed
 *  OLD_WALK        a pop whose CAS has failed does not walk again
 *  PUSH_STORE      push stores the head
 *  POP_STORE       pop stores the head
 *  USE_EARLY       the objects are taken at the walk, not at the CAS                    O2
 * Those of machine.pml mean nothing here: NO_CPUS.
 */
#define NO_CPUS
#ifndef NO
#define NO 3
#endif
#ifndef WANT
#define WANT 1
#endif
#ifndef ITER
#define ITER 1
#endif
#ifndef POPS
#define POPS 2
#endif
#define NMEM NO
#include "machine.pml"

#define LINK(o) ((o) - 1)               /* address of the object's link */
#define ALL ((1 << NO) - 1)
#define NONE 128                        /* what is no object: always handed out */
#define BIT(o) ((o) >= 1 && (o) <= NO -> 1 << ((o) - 1) : NONE)
#define TAKE(set) assert((out & (set)) == 0); out = out | (set)

byte top, gen;
byte out = NONE;                        /* objects in somebody's hands */
byte ended;

#ifdef NO_TAG
#define HEAD_IS(g, h) (top == (h))
#else
#define HEAD_IS(g, h) (top == (h) && gen == (g))
#endif
#ifdef TAG_PUSH
#define POPPED(h) top = h
#else
#define POPPED(h) top = h; gen++
#endif
#ifdef TAG_POP
#define PUSHED(h) top = h
#else
#define PUSHED(h) top = h; gen++
#endif

/* Any object of hand becomes o. */
#define PICK \
  if \
  :: hand & 1 -> o = 1 \
  :: hand & 2 -> o = 2 \
  :: hand & 4 -> o = 3 \
  fi; \
  hand = hand & ~BIT(o)

proctype Thread(byte t) {
  byte hand, it, pops;
  byte g, h, next, n, r;                /* pop: the head that the walk began with; where it is; objects, as many and which */
  byte o, first, last;                  /* push */

round:
  atomic { RUN(t) -> if :: it == ITER -> goto done :: else -> it++; pops = 0 fi }
pop:
#if defined(TAG_FIRST)
  atomic { RUN(t) -> g = gen }
  atomic { RUN(t) -> h = top }
#elif defined(TAG_SECOND)
  atomic { RUN(t) -> h = top }
  atomic { RUN(t) -> g = gen }
#else
  atomic { RUN(t) -> g = gen; h = top }
#endif
again:
  atomic { RUN(t) -> next = h; n = 0; r = 0; if :: h == 0 -> goto popped :: else fi }
walk:
  atomic { RUN(t) -> r = r | BIT(next) | (r & BIT(next) -> NONE : 0); n++; next = LOAD(t, LINK(next));
    if :: n < WANT && next -> goto walk :: else fi }
#ifdef TAG_LATE
  atomic { RUN(t) -> if :: top == h -> g = gen :: else fi }
#endif
exchange:
#ifdef USE_EARLY
  atomic { RUN(t) -> TAKE(r) }
#endif
#ifdef POP_STORE
  atomic { RUN(t) -> FENCE(t);
    if
    :: true -> POPPED(next);
#else
  atomic { RUN(t) -> FENCE(t);
    if
    :: HEAD_IS(g, h) -> POPPED(next);
#endif
#ifndef USE_EARLY
         TAKE(r);
#endif
         hand = hand | r
#ifndef POP_STORE
    :: else ->
#ifdef USE_EARLY
         out = out & ~r;
#endif
         g = gen; h = top;
#ifdef OLD_WALK
         goto exchange
#else
         goto again
#endif
#endif
    fi }
popped:
  atomic { RUN(t) -> g = 0; h = 0; next = 0; n = 0; r = 0; pops++; if :: pops < POPS -> goto pop :: else fi }

push:                                   /* all that is in hands, or one of it */
  atomic { RUN(t) -> if :: hand == 0 -> goto round :: else fi; PICK; first = o; last = o; r = BIT(o); o = 0 }
  do
  :: atomic { RUN(t) && hand -> PICK; STORE(t, LINK(last), o); last = o; r = r | BIT(o); o = 0 }
  :: atomic { RUN(t) -> g = gen; h = top; break }
  od;
#ifdef LINK_ONCE
  atomic { RUN(t) -> STORE(t, LINK(last), h) }
#endif
link:
#if !defined(LINK_LATE) && !defined(LINK_ONCE)
  atomic { RUN(t) -> STORE(t, LINK(last), h) }
#endif
  atomic { RUN(t) -> FENCE(t);
#ifdef PUSH_STORE
    if :: true -> PUSHED(first); out = out & ~r fi }
#else
    if :: HEAD_IS(g, h) -> PUSHED(first); out = out & ~r :: else -> g = gen; h = top; goto link fi }
#endif
#ifdef LINK_LATE
  atomic { RUN(t) -> STORE(t, LINK(last), h) }
#endif
  atomic { RUN(t) -> g = 0; h = 0; first = 0; last = 0; r = 0; goto push }
done:
  atomic { RUN(t) -> it = 0; pops = 0; LEAVE(t); ended++ }
}

proctype Check() {
  byte found, this;
end:
  atomic { ended == NR ->
    do
    :: top -> this = BIT(top); assert((found & this) == 0); found = found | this; top = mem[LINK(top)]
    :: else -> break
    od;
    assert(found == ALL) }
}

init {
  byte i;
  atomic {
    top = 1;
    do :: i < NO - 1 -> mem[i] = i + 2; i++ :: else -> break od;
    i = 0;
    do :: i < NR -> run Thread(i); run Sched(i); i++ :: else -> break od;
    run Check()
  }
}
