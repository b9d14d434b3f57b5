/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* class.pml - what all targets of a class share, and drain; included by psref.pml, atomics.pml and waiter.pml.
 *
 * The waiter word is {count of waiting drains, the target they wait for or MANY}. A drain looks once before it raises it. The
 * futex word is slept on by compare. The caller of drain unpublishes first, and after drain frees the target when all read sections
 * have ended (PERFORM_FIRST: waits for them before drain, as NetBSD's callers do).
 *
 * Checked: nobody holds the target when drain returns, nobody gets a hold later; nothing of a freed target is touched; no drain
 * sleeps for ever (else an invalid end state).
 *
 * Switches (default = the design; the others but SPUR, GIVEUP, PERFORM_FIRST, SAME drop a rule and must fail):
 *  SPUR=n          so many spurious wake-ups a drain (bounded, so that a lost wake-up stays visible)
 *  GIVEUP=n        so many time-outs a drain; it then drains again, or never again
 *  PERFORM_FIRST   the caller waits for read sections before drain, not after it
 *  SAME            all drains are for target 1
 *  SCAN_FIRST      the first scan comes before the membarrier
 *  NO_SECOND_MB    no membarrier after the waiter word was raised
 *  SEQ_LATE        futex word read after the scan                                       R3
 *  SLEEP_BLIND     sleeps without the compare                                           R3
 *  WAKE_ONE        a release wakes one of the sleepers                                  R7
 *  TRUST_WAKE      a wake-up is taken for the end of the wait                           R7
 *  LEAVE_CLEAR     the first drain that leaves clears the waiter word
 *  ENTER_STORE     waiter word entered by load and store, not by CAS
 *  LEAVE_STORE     waiter word left by load and store, not by CAS
 *  NO_MANY         the second drain puts its own target into the waiter word
 *  KEEP_ADDR       the second drain leaves the first one's target in the waiter word
 *  NO_COMPARE      an empty scan is believed although the copy sequence has moved       R18
 *  REL_TOUCH       release looks at the target after its slot was cleared               R4
 */
#ifndef ND
#define ND 1                            /* drains, one each for targets 1..ND (SAME: all for target 1) */
#endif
#ifndef SPUR
#define SPUR 0
#endif
#ifndef GIVEUP
#define GIVEUP 0
#endif
#define MANY 7
#define BUSY 6                          /* slot value: claimed, target to follow; no scan takes it for a hold */

byte word;                              /* the waiter word: count * 8 + target or MANY */
byte futex, copyseq;
bit asleep[ND];
bit unpub[ND + 1], flag[ND + 1];        /* by target: unpublished; draining flag */
bit inread[NR];                         /* thread is inside an (ideal) read section */
bit drained[ND + 1], freed[ND + 1];     /* for the checks: drain has returned; the caller has freed */
byte holds[ND + 1];                     /* for the checks: holds there are */

#ifdef HAVE_INSIDE                      /* for waiter.pml's check of the word */
byte inside[ND + 1];                    /* drains inside the waiter word, by target */
#define IN(x)       inside[x]++
#define OUT(x)      inside[x]--
#else
#define IN(x)       skip
#define OUT(x)      skip
#endif
#define TOUCH(x)    assert(!freed[x])
#define HOLD(x)     assert(!drained[x]); holds[x]++
#define NAMED(x)    ((word & 7) == (x) || (word & 7) == MANY)

/* The end of every release and undo by thread t: slot cleared, x only compared with. */
inline notify(x) {
#ifdef REL_TOUCH
  atomic { RUN(t) -> TOUCH(x) }
#endif
  if
  :: atomic { RUN(t) && !NAMED(x) }
  :: atomic { RUN(t) && NAMED(x) }
     atomic { RUN(t) -> FENCE(t); futex++ }
#ifdef WAKE_ONE
     atomic { RUN(t) -> if :: asleep[0] -> asleep[0] = 0 :: asleep[ND - 1] -> asleep[ND - 1] = 0 :: else fi }
#else
     atomic { RUN(t) -> asleep[0] = 0; asleep[ND - 1] = 0 }
#endif
  fi
}

inline perform() {
  do
  :: atomic { k < NR && !inread[k] -> k++ }
  :: atomic { k == NR -> k = 0; break }
  od
}

inline scan(x) {
  do
  :: atomic { i < NS && mem[i] == x -> found = 1; i = 0; break }
  :: atomic { i < NS && mem[i] != x -> i++ }
  :: atomic { i == NS -> found = 0; i = 0; break }
  od
}

inline enter(x) {
  do
  :: o = word;
     if
#ifdef ENTER_STORE
     :: atomic {
#else
     :: atomic { word != o }
     :: atomic { word == o ->
#endif
#ifdef NO_MANY
          word = (o & 56) + 8 + x;
#else
#ifdef KEEP_ADDR
          word = (o == 0 -> 8 + x : o + 8);
#else
          word = (o == 0 || (o & 7) == x -> (o & 56) + 8 + x : (o & 56) + 8 + MANY);
#endif
#endif
          IN(x); o = 0; break }
     fi
  od
}

inline leave(x) {
#ifdef LEAVE_CLEAR
  atomic { word = 0; OUT(x) }
#else
  do
  :: o = word;
     if
#ifdef LEAVE_STORE
     :: atomic {
#else
     :: atomic { word != o }
     :: atomic { word == o ->
#endif
          word = ((o >> 3) == 1 -> 0 : o - 8); OUT(x); o = 0; break }
     fi
  od
#endif
}

proctype Drain(byte d; byte x) {
  byte c, k, i, o, s, w, spur, gaveup;
  bit found;

  unpub[x] = 1;
#ifdef PERFORM_FIRST
  perform();
#endif
start:
  flag[x] = 1;
#ifndef SCAN_FIRST
  membarrier();
#endif
first:
#if COPY
  s = copyseq;
#endif
  scan(x);
#ifdef SCAN_FIRST
  membarrier();
#endif
  if
  :: found -> found = 0
#if COPY && !defined(NO_COMPARE)
  :: !found && copyseq != s -> goto first
  :: !found && copyseq == s -> goto done
#else
  :: !found -> goto done
#endif
  fi;
  enter(x);
#ifndef NO_SECOND_MB
  membarrier();
#endif
again:
#ifndef SEQ_LATE
  w = futex;
#endif
#if COPY
  s = copyseq;
#endif
  scan(x);
#ifdef SEQ_LATE
  w = futex;
#endif
  if
  :: found -> found = 0
#if COPY && !defined(NO_COMPARE)
  :: !found && copyseq != s -> goto again
  :: !found && copyseq == s -> goto last
#else
  :: !found -> goto last
#endif
  fi;
#ifdef SLEEP_BLIND
  asleep[d] = 1;
#else
  atomic { if :: futex == w -> asleep[d] = 1 :: else fi }
#endif
  if
#ifdef TRUST_WAKE
  :: atomic { !asleep[d] -> w = 0; s = 0; goto last }
#else
  :: atomic { !asleep[d] -> w = 0; s = 0; goto again }
#endif
  :: atomic { asleep[d] && spur < SPUR -> spur++; asleep[d] = 0; w = 0; s = 0; goto again }
  :: atomic { asleep[d] && gaveup < GIVEUP -> gaveup++; asleep[d] = 0; w = 0; s = 0 }
  fi;
  leave(x);
  if :: goto start :: goto out fi;
last:
  leave(x);
done:
  atomic { s = 0; w = 0; assert(holds[x] == 0); drained[x] = 1 }
#ifndef PERFORM_FIRST
  perform();
#endif
  freed[x] = 1;
out:
  skip
}

inline begin_drains() {
  i = 0;
  do
#ifdef SAME
  :: i < ND -> run Drain(i, 1); i++
#else
  :: i < ND -> run Drain(i, i + 1); i++
#endif
  :: else -> break
  od;
  i = 0
}
