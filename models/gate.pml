/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* gate.pml - device gates on the counts of cells.pml: users, handlers, owners who close, seal and free. ATOMIC: atomics back end.
 *
 * The guard is 0 (open), or names the record {state CLOSED or SEALED, turned} of whoever closed. Record, cells and total are
 * type-stable, and go back to their pools when the device is freed; what the sealer sleeps on (moved) lives for ever.
 *  enter, handler   add +1; the guard is set: total += 1.
 *  exit, release    add -1; the guard is set: leave.
 *  acquire          add +1; the guard is set: total += 1; loop { read turned; state SEALED: leave, ENXIO; sleep on turned by
 *                   compare; a signal: leave, EINTR }
 *  leave            total -= 1; at 0 moved += 1 and wake the sealer
 *  close            own record CLOSED; CAS guard 0 -> record (else: give it back, wait as an acquire does, uninterrupted: ENXIO);
 *                   close the cells, total += sum
 *  seal             state = SEALED, turned += 1, wake all; loop { read moved; total 0: done; sleep by compare }
 * The owner closes, unpublishes, unhooks the handlers and waits for those on their way, seals, waits for acquires and closes
 * under way (that protection spans the whole call, and so the sleep), and frees.
 *
 * Invariants checked: 1. nobody is inside when seal returns, and nobody gets in later. 2. nothing of the freed device is touched,
 * nor its record, cells and total once they went back to their pools. 3. the total is not negative once the sum is in it. 4. neither
 * late-comer nor sealer sleeps for ever.
 *
 * Size: NU users (1), NH handlers (1), NC CPUs (2), ITER rounds each (1), NCL owners who close (1).
 *
 * Switches of this file (default = the design; each but SPUR, EINTR, PROT_SHORT, WAIT_FIRST, LATE_UNPUB, TOTAL_FUTEX drops a rule and must
 * fail, some only together, as told):
 *  SPUR=n          so many spurious wake-ups a sleeper
 *  EINTR=n         so many signals a user
 *  PROT_SHORT      the caller's protection of an acquire ends at its first look at the record, or else when it returns
 *  WAIT_FIRST      the owner waits for acquires under way before seal, not after it. Broken without PROT_SHORT: waits for a sleeper.
 *  LATE_UNPUB      the owner unpublishes after seal. Not broken.
 *  PROT_DROP       the protection ends when the acquire is counted: in a total that may be another's by then            R20
 *  UNCOUNTED       a late-comer is not counted. Broken with PROT_SHORT; else the protection alone keeps the record.        R20
 *  COUNT_LATE      a late-comer is counted after its first look. Broken with PROT_SHORT, as above.                        R20
 *  ENTER_FREE      enter is not guarded                                                 R19. Not broken with ATOMIC, nor the next:
 *                  there the cell's mark guards.
 *  EXIT_FREE       exit is not guarded                                                  R19
 *  ENTER_FREE EXIT_FREE   neither (the proposal of 2009)                                R19
 *  NO_UNHOOK       handlers on their way are not waited for                             R21
 *  LATE_SILENT     a late-comer that leaves does not wake the sealer
 *  EXIT_SILENT     exit and release do not wake the sealer                              R19
 *  WAKE_IN_OBJ     what the sealer sleeps on lies in the device                         R7
 *  STATE_IN_OBJ    state and turned lie in the device. Broken with UNCOUNTED PROT_SHORT only: a late-comer
 *                  looks while it is counted.
 *  SEAL_SILENT     seal wakes no late-comer
 *  SEAL_ONE        seal wakes one late-comer                                            R7
 *  SEAL_WAKES_FIRST  late-comers are woken before the state is SEALED
 *  TURNED_LATE     late-comer: turned is read after the state                           R3
 *  LATE_BLIND      late-comer sleeps without the compare                                R3
 *  SEQ_LATE        sealer: moved is read after the total                                R3
 *  SEAL_BLIND      sealer sleeps without the compare                                    R3
 *  TOTAL_FUTEX     sealer sleeps on the total by its value. Not broken: the sum is in it by then.
 *  TRUST_WAKE      sealer takes a wake-up for the end of the wait                       R7
 *  SEAL_UNSUMMED   seal comes before the cells are closed and summed: a total of 0 means nothing yet
 *  CLOSE_STORE     the guard is set by load and store, not by CAS (NCL=2)
 * and those of cells.pml and machine.pml.
 */
#ifndef NU
#define NU 1
#endif
#ifndef NH
#define NH 1
#endif
#ifndef ITER
#define ITER 1
#endif
#ifndef NCL
#define NCL 1
#endif
#ifndef SPUR
#define SPUR 0
#endif
#ifndef EINTR
#define EINTR 0
#endif
#define NR (NU + NH)
#define SHUT            1
#define SEALED          2

bit asleep[NR];                         /* late-comer on its record's turned */
#define ASLEEP(t)       asleep[t]
#define HANDLER         (t >= NU)

#if defined(ENTER_FREE) && defined(EXIT_FREE)
#define UNGUARDED       HANDLER
#elif defined(ENTER_FREE)
#define UNGUARDED       HANDLER && !op
#elif defined(EXIT_FREE)
#define UNGUARDED       HANDLER && op
#endif
#define TOUCH           assert(!freed)
#define STABLE          assert(!recycled)
#define COUNTED         if :: op -> inside-- :: else -> assert(!drained); inside++ fi
#ifdef STATE_IN_OBJ
#define RECORD          TOUCH; STABLE
#else
#define RECORD          STABLE
#endif

#include "cells.pml"

byte state[NCL], turned[NCL], moved;
bit sealing[NCL];                       /* the sealer sleeps on moved */
bit late[NCL];                          /* a late closer sleeps on its record's turned */
bit unpub, unhooked;
bit prot[NR], shield[NCL];              /* in an acquire, enter or close under way: the device is kept */
bit drained, freed, recycled;           /* for the checks: seal has returned; device freed, its pieces in their pools */
byte inside;                            /* for the checks */

#if NCL > 1
#define WAKE_SEALER     sealing[0] = 0; sealing[1] = 0
#define WAKE_CLOSERS    late[0] = 0; late[1] = 0
#else
#define WAKE_SEALER     sealing[0] = 0
#define WAKE_CLOSERS    skip
#endif
#if NU > 1
#define WAKE_USERS      asleep[0] = 0; asleep[1] = 0
#elif NU
#define WAKE_USERS      asleep[0] = 0
#else
#define WAKE_USERS      skip
#endif
#ifdef WAKE_IN_OBJ
#define MOVED           TOUCH
#else
#define MOVED           skip
#endif
#ifdef ATOMIC
#define GO_SLEEP(t)     asleep[t] = 1
#else
#define GO_SLEEP(t)     FENCE(t); asleep[t] = 1; busy[on[t] - 1] = 0; on[t] = 0
#endif

proctype Thread(byte t) {
  byte it, c, v, r, s, spur, eintr;
  short old;
  bit op, zero, came;                   /* came: a late-comer */

round:
  atomic { RUN(t) -> op = 0; came = 0; s = 0; r = 0;
    if :: it == ITER || (HANDLER && unhooked) || (!HANDLER && unpub) -> goto out :: else -> it++; prot[t] = 1 fi }
again:
  add();
counted:
  atomic { RUN(t) -> if :: op -> goto round :: else fi }
in:
  atomic { RUN(t) -> TOUCH; prot[t] = 0; op = 1; goto again }

guarded:
  if
  :: atomic { RUN(t) && op }
     atomic { RUN(t) -> TOUCH; STABLE; FENCE(t); total--; inside--; zero = (total == 0) }
#ifdef EXIT_SILENT
     atomic { RUN(t) -> zero = 0 }
#endif
     goto wake
  :: atomic { RUN(t) && !op && HANDLER -> TOUCH; STABLE; FENCE(t); total++; COUNTED; goto in }
  :: atomic { RUN(t) && !op && !HANDLER -> TOUCH; r = guard - 1 }
  fi;

#if !defined(UNCOUNTED) && !defined(COUNT_LATE)
  atomic { RUN(t) -> STABLE; FENCE(t); total++; came = 1 }
#endif
#ifdef PROT_DROP
  atomic { RUN(t) -> prot[t] = 0 }
#endif
look:
  if
  :: atomic { RUN(t) && !asleep[t] ->
#ifndef TURNED_LATE
       RECORD; s = turned[r];
#endif
       skip }
  :: atomic { asleep[t] && spur < SPUR -> spur++; asleep[t] = 0; goto look }
  :: atomic { asleep[t] && eintr < EINTR -> eintr++; asleep[t] = 0; goto leave }
  fi;
#ifdef PROT_SHORT
  atomic { RUN(t) -> RECORD; if :: state[r] == SEALED -> goto leave :: else -> prot[t] = 0 fi }
#else
  atomic { RUN(t) -> RECORD; if :: state[r] == SEALED -> goto leave :: else fi }
#endif
#ifdef COUNT_LATE
  atomic { RUN(t) -> if :: !came -> STABLE; FENCE(t); total++; came = 1 :: else fi }
#endif
#ifdef TURNED_LATE
  atomic { RUN(t) -> RECORD; s = turned[r] }
#endif
#ifdef LATE_BLIND
  atomic { RUN(t) -> s = 0; GO_SLEEP(t) }
#else
  atomic { RUN(t) -> RECORD; if :: turned[r] == s -> s = 0; GO_SLEEP(t) :: else -> s = 0 fi }
#endif
  goto look;

leave:
  atomic { RUN(t) -> s = 0; if :: came -> STABLE; FENCE(t); total--; zero = (total == 0) :: else fi }
#ifdef LATE_SILENT
  atomic { RUN(t) -> zero = 0 }
#endif
wake:
  if
  :: atomic { RUN(t) && zero -> MOVED; zero = 0; FENCE(t); moved++ }
     atomic { RUN(t) -> WAKE_SEALER }
  :: atomic { RUN(t) && !zero }
  fi;
  atomic { RUN(t) -> prot[t] = 0; goto round }
out:
  atomic { RUN(t) -> LEAVE(t) }
}

/* Wait until threads first..past-1 are in no call that touches the device. */
inline wait_for(first, past) {
  k = first;
  do
  :: atomic { k < past && !prot[k] -> k++ }
  :: atomic { k == past -> k = 0; break }
  od
}

proctype Owner(byte d) {
  byte c, k, i, s, w, r, spur;
  bit lost, zero;

  atomic { if :: unpub -> goto out :: else -> shield[d] = 1 fi }
  state[d] = SHUT;
#ifdef CLOSE_STORE
  atomic { lost = (guard != 0); r = guard }
  if :: lost :: else -> TOUCH; guard = d + 1 fi;
#else
  atomic { TOUCH; if :: guard == 0 -> guard = d + 1 :: else -> lost = 1; r = guard fi }
#endif
  if :: lost -> goto latecomer :: else fi;
#ifndef SEAL_UNSUMMED
  close();
  atomic { total = total + SIGNED(s); s = 0; assert(total >= 0) }
#endif
  shield[d] = 0;
#ifndef LATE_UNPUB
  unpub = 1;
#endif
  unhooked = 1;
#ifndef NO_UNHOOK
  wait_for(NU, NR);
#endif
#ifdef WAIT_FIRST
  wait_for(0, NU);
#endif

#ifdef SEAL_WAKES_FIRST
  turned[d] = turned[d] + 1;
  atomic { WAKE_USERS; WAKE_CLOSERS }
  state[d] = SEALED;
#else
  state[d] = SEALED;
#ifndef SEAL_SILENT
  turned[d] = turned[d] + 1;
#ifdef SEAL_ONE
  atomic { if :: asleep[0] -> asleep[0] = 0 :: asleep[NU - 1] -> asleep[NU - 1] = 0 :: else fi }
#else
  atomic { WAKE_USERS; WAKE_CLOSERS }
#endif
#endif
#endif
wait:
#ifndef SEQ_LATE
  w = moved;
#endif
#ifdef TOTAL_FUTEX
  w = total;
#endif
#ifdef TOTAL_FUTEX
  if :: w == 0 -> goto done :: else fi;
#else
  if :: total == 0 -> goto done :: else fi;
#endif
#ifdef SEQ_LATE
  w = moved;
#endif
#if defined(SEAL_BLIND)
  sealing[d] = 1;
#elif defined(TOTAL_FUTEX)
  atomic { if :: total == w -> sealing[d] = 1 :: else fi }
#else
  atomic { if :: moved == w -> sealing[d] = 1 :: else fi }
#endif
slept:
  if
#ifdef TRUST_WAKE
  :: atomic { !sealing[d] -> w = 0; goto done }
#else
  :: atomic { !sealing[d] -> w = 0; goto wait }
#endif
  :: atomic { sealing[d] && spur < SPUR -> spur++; sealing[d] = 0; goto slept }
  fi;
done:
  atomic { w = 0; assert(inside == 0); drained = 1 }
#ifdef SEAL_UNSUMMED
  close();
  atomic { total = total + SIGNED(s); s = 0; assert(total >= 0) }
#endif
#ifdef LATE_UNPUB
  unpub = 1;
#endif
#ifndef WAIT_FIRST
  wait_for(0, NU);
#endif
#if NCL > 1
  !shield[0] && !shield[1];
#endif
  atomic { freed = 1; recycled = 1 }
  goto out;

latecomer:
  r--;
  atomic { TOUCH; STABLE; total++ }
#if defined(PROT_SHORT) || defined(PROT_DROP)
  shield[d] = 0;
#endif
turn:
  atomic { RECORD; s = turned[r] }
  atomic { RECORD; if :: state[r] == SEALED -> goto leave :: else fi }
  atomic { RECORD; if :: turned[r] == s -> late[d] = 1 :: else fi }
  atomic { !late[d] -> s = 0; goto turn }
leave:
  atomic { STABLE; total--; zero = (total == 0); s = 0 }
  if
  :: zero -> atomic { zero = 0; moved++ }
     atomic { WAKE_SEALER }
  :: else
  fi;
  shield[d] = 0;
out:
  skip
}

init {
  byte i;
  atomic {
    do :: i < NR -> run Thread(i); run Sched(i); i++ :: else -> break od;
    i = 0;
    do :: i < NCL -> run Owner(i); i++ :: else -> break od;
    i = 0
  }
}
