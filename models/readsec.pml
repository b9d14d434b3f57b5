/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* readsec.pml - read sections on thread records, with signal handlers, and performers that share grace periods.
 *
 * Each reader's record word is 0 outside, else {sequence, nesting}. Plain loads and stores by its thread alone (readers of the fence
 * kind: a full fence after the outermost store, an exchange at the outermost exit).
 *  enter    now = grace; word 0: word = now; else nesting + 1.
 *  exit     nesting - 1; outermost: was = word; word = 0; waited is set, and was is older: moved += 1 and wake the leader.
 *  handler  a signal may come between any two steps of its thread, enters and exits (in the same way, on the same word) and
 *           returns; the kernel's interrupt drains the store buffer.
 *  perform  full fence; need = started + 1; loop
 *             turned is read; completed >= need: done
 *             CAS leader 0 -> 1 (led): [completed >= need: give it back]; mine = ++started; new = ++grace; membarrier; older words?
 *                 some: waited = new; membarrier; loop { read moved; older words? sleep by compare }; waited = 0
 *                 completed = mine; exchange leader for 0: was 2 (followed): turned += 1 and wake the followers
 *             else CAS leader 1 -> 2, or it is 2; sleep on turned by compare
 *           GIVEUP: a leader that gives up leaves waited 0 and the lead free, wakes the followers, counts nothing completed.
 * Each performer unpublishes an object of its own, performs, and frees it. Readers run on CPUs of their own (OWN_CPUS: to be
 * switched out only drains the buffer); they have no sections, so membarrier only fences.
 *
 * Invariants checked: 1. nobody in a read section touches a freed object. 2. no performer sleeps for ever.
 * 3. a handler leaves the word as it found it.
 *
 * Size: NR readers (2), ITER sections a reader (1), NEST (an inner section in each), HANDLER=n signals a reader (0), NP performers
 * (2). FENCED: the first so many readers are of the fence kind (0). ATOMIC: all are, and there is no membarrier.
 *
 * Switches (default = the design; each but SPUR, GIVEUP, NO_SECOND_LOOK and WAITED_STAYS drops a rule and must fail):
 *  SPUR=n          so many spurious wake-ups a performer
 *  GIVEUP=n        so many time-outs a performer; it then performs again, or never again
 *  NO_FIRST_MB     no membarrier after the sequence was advanced
 *  NO_SECOND_MB    none after waited was raised
 *  WAITED_LATE     waited is raised after the second membarrier
 *  MB_EARLY        the first membarrier comes before the sequence is advanced
 *  JOIN            need = started: a grace period under way will do                     R22
 *  STARTED_LATE    started is counted after the sequence has moved                      R22
 *  NEED_EARLY      no fence: started is read before the unpublishing is visible         R22
 *  COMPLETE_ALL    a leader sets completed to what has started by then, or will (mine + 1)
 *  NO_SECOND_LOOK  who has the lead does not look at completed again. Not broken: one grace period too many.
 *  OLDER_WRONG     no word counts as older
 *  ANY_OLDER       every word but 0 counts as older: waits for readers that will not wake
 *  NO_FENCE        fence kind: no fence after the store of the word
 *  PLAIN_EXIT      fence kind: a plain store ends the section. Broken with ATOMIC only: the second membarrier drains it.
 *  EXIT_LOOK_FIRST exit looks at waited before it clears the word
 *  WAKE_WRONG      exit wakes when its word is newer than waited
 *  WAKE_SILENT     exit does not wake
 *  NO_NEST         the inner exit ends the whole section
 *  HANDLER_CLEARS  the handler's exit clears the word whatever it found
 *  SEQ_LATE        moved is read after the look at the words                            R3
 *  TURNED_LATE     turned is read after the look at completed and the lead              R3
 *  SLEEP_BLIND     the leader sleeps without the compare                                R3
 *  FOLLOW_BLIND    followers do                                                         R3
 *  TRUST_WAKE      the leader takes a wake-up for the end of the wait                   R7
 *  TURN_SILENT     a leader that is done does not wake the followers
 *  TURN_ONE        ... or one of them only                                              R7
 *  LEAD_FIRST      followers are woken before the lead is free
 *  UNTOLD          a follower sleeps without having made the leader 2
 *  TOLD_EARLY      ... having done so before it reads turned                            R3
 *  LOOK_EARLY      the leader looks whether it is followed, and then gives the lead up
 *  GIVEUP_SILENT   a leader that gives up does not wake the followers
 *  GIVEUP_LEADS    a leader that gives up keeps the lead
 *  GIVEUP_COUNTS   a leader that gives up counts its period completed
 *  WAITED_STAYS    waited stays raised. Not broken: readers wake nobody in vain at worst.
 * and NO_MEMBARRIER of machine.pml.
 */
#ifndef NR
#define NR 2
#endif
#ifndef ITER
#define ITER 1
#endif
#ifndef HANDLER
#define HANDLER 0
#endif
#ifndef NP
#define NP 2
#endif
#ifndef SPUR
#define SPUR 0
#endif
#ifndef GIVEUP
#define GIVEUP 0
#endif
#ifdef ATOMIC
#define NO_CPUS
#define FENCED NR
#else
#define OWN_CPUS
#ifndef FENCED
#define FENCED 0
#endif
#endif
#define NMEM NR                         /* the records' words: sequence * 4 + nesting */
#define VALUES 32

#if HANDLER
bit insig[NR];                          /* a signal handler runs on this reader */
#define RUN(t)          (!insig[t])
#endif
#include "machine.pml"

byte grace, started, completed, waited, moved, turned;
byte leader;                            /* 0: nobody, 1: led, 2: and followed */
byte asleep[NP];                        /* 1: on moved, 2: on turned */
bit unpub[NP], freed[NP];

/* May somebody who shows w have entered before the sequence became new? */
#if defined(OLDER_WRONG)
#define OLDER(w, new)   false
#elif defined(ANY_OLDER)
#define OLDER(w, new)   ((w) != 0)
#else
#define OLDER(w, new)   ((w) != 0 && (w) / 4 < (new))
#endif

/* Does the end of a section that showed w matter to a leader who waits for older ones than now? */
#if defined(WAKE_WRONG)
#define MINE(w, now)    ((now) != 0 && (w) / 4 > (now))
#elif defined(WAKE_SILENT)
#define MINE(w, now)    false
#else
#define MINE(w, now)    ((now) != 0 && (w) / 4 < (now))
#endif

#define AWAKE(n, why)   if :: asleep[n] == why -> asleep[n] = 0 :: else fi
#if NP > 2
#define WAKE(why)       AWAKE(0, why); AWAKE(1, why); AWAKE(2, why)
#elif NP > 1
#define WAKE(why)       AWAKE(0, why); AWAKE(1, why)
#else
#define WAKE(why)       AWAKE(0, why)
#endif

/* The steps of thread t or of its handler; can: which of the two may run. now and w are the caller's. */
inline enter(can) {
  atomic { can -> now = grace }
  atomic { can -> w = LOAD(t, t) }
  atomic { can -> if :: w == 0 -> STORE(t, t, now * 4 + 1) :: else -> STORE(t, t, w + 1) fi;
    now = 0;
#ifndef NO_FENCE
    if :: w == 0 && t < FENCED -> FENCE(t) :: else fi;
#endif
    w = 0 }
}

inline exit(can) {
#if defined(NO_NEST) || defined(HANDLER_CLEARS)
  atomic { can -> w = LOAD(t, t) }
#else
  atomic { can -> w = LOAD(t, t); assert(w % 4) }
#endif
#ifdef EXIT_LOOK_FIRST
  atomic { can -> now = waited }
#endif
  if
#if defined(NO_NEST)
  :: atomic { can -> STORE(t, t, 0) }
#else
  :: atomic { can && w % 4 > 1 -> STORE(t, t, w - 1); w = 0 }
  :: atomic { can && w % 4 <= 1 -> STORE(t, t, 0);
#ifndef PLAIN_EXIT
       if :: t < FENCED -> FENCE(t) :: else fi
#endif
     }
#endif
#ifndef EXIT_LOOK_FIRST
     atomic { can -> now = waited }
#endif
     if
     :: atomic { can && MINE(w, now) -> now = 0; w = 0; FENCE(t); moved++ }
        atomic { can -> WAKE(1) }
     :: atomic { can && !MINE(w, now) -> now = 0; w = 0 }
     fi
  fi
}

#define LOOK(n)         if :: !unpub[n] -> seen[n] = 1 :: else fi
#define USE(n)          if :: seen[n] -> assert(!freed[n]); seen[n] = 0 :: else fi

proctype Reader(byte t) {
  byte it, now, w;
  bit seen[NP];                         /* objects it has found */

round:
  if :: atomic { RUN(t) && it < ITER -> it++ } :: atomic { RUN(t) && it == ITER -> goto out } fi;
  enter(RUN(t));
  atomic { RUN(t) -> LOOK(0) }
#if NP > 1
  atomic { RUN(t) -> LOOK(1) }
#endif
#if NP > 2
  atomic { RUN(t) -> LOOK(2) }
#endif
#ifdef NEST
  enter(RUN(t));
  exit(RUN(t));
#endif
  atomic { RUN(t) -> USE(0);
#if NP > 1
    USE(1);
#endif
#if NP > 2
    USE(2);
#endif
    skip }
  exit(RUN(t));
  goto round;
out:
  atomic { RUN(t) -> LEAVE(t) }
}

#if HANDLER
proctype Signals(byte t) {
  byte n, now, w, found;
  do
  :: atomic { n < HANDLER && !fin[t] -> n++; insig[t] = 1; FENCE(t); found = mem[t] }
     enter(true);
#ifdef HANDLER_CLEARS
     atomic { STORE(t, t, 0) }
#else
     exit(true);
#endif
#ifdef HANDLER_CLEARS
     atomic { FENCE(t); found = 0; insig[t] = 0 }
#else
     atomic { FENCE(t); assert(mem[t] == found); found = 0; insig[t] = 0 }
#endif
  :: atomic { n == HANDLER || fin[t] -> break }
  od
}
#endif

/* old = some word is older than new; uses the performer's i, and leaves it 0. */
inline look() {
  old = 0;
  do
  :: atomic { i < NR && OLDER(mem[i], new) -> old = 1; i = 0; break }
  :: atomic { i < NR && !OLDER(mem[i], new) -> i++ }
  :: atomic { i == NR -> i = 0; break }
  od
}

proctype Performer(byte n) {
  byte c, i, s, need, mine, new, spur, gaveup;
  bit old, told;

#ifdef NEED_EARLY
  need = started + 1;
  unpub[n] = 1;
#else
  unpub[n] = 1;
start:
#ifdef JOIN
  need = started;
#else
  need = started + 1;
#endif
#endif

loop:
#ifdef TOLD_EARLY
  atomic { if :: leader == 1 -> leader = 2 :: else fi }
#endif
#ifndef TURNED_LATE
  s = turned;
#endif
  if :: completed >= need -> goto done :: else fi;
  atomic { if :: !leader -> leader = 1; s = 0; goto lead :: else -> told = leader == 2 fi }
#if !defined(UNTOLD) && !defined(TOLD_EARLY)
  atomic { if :: told :: !told && leader == 1 -> leader = 2 :: else -> s = 0; goto loop fi }
#endif
  told = 0;
#ifdef TURNED_LATE
  s = turned;
#endif
#ifdef FOLLOW_BLIND
  asleep[n] = 2;
#else
  atomic { if :: turned == s -> asleep[n] = 2 :: else fi }
#endif
followed:
  if
  :: atomic { !asleep[n] -> s = 0; goto loop }
  :: atomic { asleep[n] && spur < SPUR -> spur++; asleep[n] = 0; goto followed }
  :: atomic { asleep[n] && gaveup < GIVEUP -> gaveup++; asleep[n] = 0; s = 0; goto leave }
  fi;

lead:
#ifndef NO_SECOND_LOOK
  if :: completed >= need -> goto turn :: else fi;
#endif
#ifdef MB_EARLY
  membarrier();
#endif
#ifdef STARTED_LATE
  atomic { grace++; new = grace }
  atomic { started++; mine = started }
#else
  atomic { started++; mine = started }
  atomic { grace++; new = grace; assert(grace < 8) }
#endif
#if !defined(NO_FIRST_MB) && !defined(MB_EARLY)
  membarrier();
#endif
  look();
  if :: !old -> goto complete :: else fi;
#ifndef WAITED_LATE
  waited = new;
#endif
#ifndef NO_SECOND_MB
  membarrier();
#endif
#ifdef WAITED_LATE
  waited = new;
#endif
wait:
#ifndef SEQ_LATE
  s = moved;
#endif
  look();
  if :: !old -> goto waited_out :: else fi;
#ifdef SEQ_LATE
  s = moved;
#endif
#ifdef SLEEP_BLIND
  asleep[n] = 1;
#else
  atomic { if :: moved == s -> asleep[n] = 1 :: else fi }
#endif
slept:
  if
#ifdef TRUST_WAKE
  :: atomic { !asleep[n] -> s = 0; old = 0; goto waited_out }
#else
  :: atomic { !asleep[n] -> s = 0; old = 0; goto wait }
#endif
  :: atomic { asleep[n] && spur < SPUR -> spur++; asleep[n] = 0; goto slept }
  :: atomic { asleep[n] && gaveup < GIVEUP -> gaveup++; asleep[n] = 0; s = 0 }
  fi;
#ifdef GIVEUP_COUNTS
  completed = mine;
#endif
  goto waited_out;

waited_out:                             /* old: gave up */
#ifndef WAITED_STAYS
  waited = 0;
#endif
  if :: old -> goto turn :: else fi;
complete:
#ifdef COMPLETE_ALL
  completed = mine + 1;
#else
  completed = mine;
#endif
turn:
  atomic { s = 0; mine = 0; new = 0 }
#ifdef GIVEUP_LEADS
  if :: old -> old = 0; goto leave :: else fi;
#endif
#if defined(LEAD_FIRST)
  told = leader == 2;
#elif defined(LOOK_EARLY)
  told = leader == 2;
  leader = 0;
#else
  atomic { told = leader == 2; leader = 0 }
#endif
  if :: !told -> goto turned_over :: else -> told = 0 fi;
#if defined(TURN_SILENT)
  if :: old -> turned++; atomic { WAKE(2) } :: else fi;
#elif defined(GIVEUP_SILENT)
  if :: !old -> turned++; atomic { WAKE(2) } :: else fi;
#elif defined(TURN_ONE)
  turned++;
  atomic {
    if
    :: asleep[0] == 2 -> asleep[0] = 0
    :: asleep[1] == 2 -> asleep[1] = 0
    :: asleep[NP - 1] == 2 -> asleep[NP - 1] = 0
    :: else
    fi }
#else
  turned++;
  atomic { WAKE(2) }
#endif
turned_over:
#ifdef LEAD_FIRST
  leader = 0;
#endif
  if :: old -> old = 0 :: else -> goto done fi;
leave:                                  /* timed out: perform again, or never again */
#ifndef NEED_EARLY
  if :: need = 0; goto start :: goto out fi;
#endif
done:
  freed[n] = 1;
out:
  skip
}

init {
  byte i;
  atomic {
#if HANDLER
    do :: i < NR -> run Reader(i); run Sched(i); run Signals(i); i++ :: else -> break od;
#else
    do :: i < NR -> run Reader(i); run Sched(i); i++ :: else -> break od;
#endif
    i = 0;
    do :: i < NP -> run Performer(i); i++ :: else -> break od;
    i = 0
  }
}
