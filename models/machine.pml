/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* machine.pml - the machine that the models run on; included by them, no model of its own.
 *
 * NR threads on NC CPUs (1..3). Sched(t) may stop thread t between any two of its steps and go on with it on any free CPU.
 * Plain stores go into a store buffer of depth 2 (TSO: first in first out, seen by the own thread's loads, drained at any time);
 * FENCE drains it: every atomic operation, every switch, every interrupt does that.
 * A section of thread t (sec[t]) that was interrupted goes on at its abort label (cut[t]). A signal is a switch whose
 * handler is another thread on the same CPU.
 * membarrier visits the CPUs one at a time; who is not running when its CPU is visited was switched out, so fenced and restarted.
 *
 * A step is `atomic { RUN(t) -> ... }`, or SECTION(label, ...) inside a section. The includer defines NMEM, the bytes of memory
 * that plain stores reach, and keeps values below VALUES (8). ASLEEP(t): the thread sleeps, no CPU takes it.
 * NO_CPUS: threads without CPUs, sections or membarrier (the atomics back end). OWN_CPUS: without sections, and each on a CPU
 * of its own, for to be switched out would only drain the buffer, which may happen at any time; the includer may define RUN.
 *
 * Switches (rules of the machine that the primitive needs; without them the models must fail):
 *  NO_MEMBARRIER   membarrier does nothing
 *  NO_RESTART      membarrier does not restart sections
 *  NO_MB_FENCE     membarrier does not drain store buffers
 */
#ifndef NR
#define NR 2
#endif
#ifndef NC
#define NC 2
#endif

#ifndef VALUES
#define VALUES 8
#endif
#ifndef ASLEEP
#define ASLEEP(t) 0
#endif

byte mem[NMEM];
byte buf0[NR], buf1[NR];                /* store buffer, older and newer: 0, or (address+1)*VALUES + value */
bit fin[NR];                            /* thread has ended */

#define DRAIN1(t)       mem[buf0[t] / VALUES - 1] = buf0[t] % VALUES; buf0[t] = buf1[t]; buf1[t] = 0
#define FENCE(t)        do :: buf0[t] -> DRAIN1(t) :: else -> break od
#define STORE(t, a, v)  if :: buf1[t] -> DRAIN1(t) :: else fi; \
                        if :: buf0[t] -> buf1[t] = ((a) + 1) * VALUES + (v) :: else -> buf0[t] = ((a) + 1) * VALUES + (v) fi
#define LOAD(t, a)      (buf1[t] / VALUES == (a) + 1 -> buf1[t] % VALUES : \
                         (buf0[t] / VALUES == (a) + 1 -> buf0[t] % VALUES : mem[a]))

#if defined(NO_CPUS) || defined(OWN_CPUS)
#ifndef RUN
#define RUN(t)          true
#endif
#define LEAVE(t)        FENCE(t); fin[t] = 1

proctype Sched(byte t) {
end:
  do
  :: atomic { buf0[t] -> DRAIN1(t) }
  od
}
#else
byte on[NR];                            /* CPU number + 1, or 0: not running */
bit busy[NC];                           /* somebody runs on this CPU */
bit sec[NR], cut[NR];                   /* inside a section; interrupted there */

#define RUN(t)          (on[t] != 0)
#define CPU(t)          (on[t] - 1)
#define LEAVE(t)        FENCE(t); busy[on[t] - 1] = 0; on[t] = 0; fin[t] = 1
#define SECTION(abort, body) \
  if \
  :: atomic { RUN(t) && !cut[t] -> body } \
  :: atomic { RUN(t) && cut[t] -> cut[t] = 0; sec[t] = 0; goto abort } \
  fi

proctype Sched(byte t) {
end:
  do
  :: atomic { RUN(t) -> FENCE(t); cut[t] = sec[t]; busy[on[t] - 1] = 0; on[t] = 0 }
  :: atomic { !RUN(t) && !fin[t] && !ASLEEP(t) && !busy[0] -> busy[0] = 1; on[t] = 1 }
#if NC > 1
  :: atomic { !RUN(t) && !fin[t] && !ASLEEP(t) && !busy[1] -> busy[1] = 1; on[t] = 2 }
#endif
#if NC > 2
  :: atomic { !RUN(t) && !fin[t] && !ASLEEP(t) && !busy[2] -> busy[2] = 1; on[t] = 3 }
#endif
  :: atomic { buf0[t] -> DRAIN1(t) }
  od
}
#endif

/* membarrier: uses the caller's byte variables c and k, and leaves them 0. */
inline membarrier() {
#if defined(NO_MEMBARRIER) || defined(NO_CPUS)
  skip
#elif defined(OWN_CPUS)
  do
  :: atomic { c < NR -> FENCE(c); c++ }
  :: atomic { c == NR -> c = 0; break }
  od
#else
  do
  :: atomic { c < NC ->
       do
       :: k < NR && on[k] == c + 1 ->
#ifndef NO_MB_FENCE
            FENCE(k);
#endif
#ifndef NO_RESTART
            cut[k] = sec[k];
#endif
            k++
       :: k < NR && on[k] != c + 1 -> k++
       :: else -> break
       od;
       k = 0; c++ }
  :: atomic { c == NC -> c = 0; break }
  od
#endif
}
