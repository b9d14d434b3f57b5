/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* objpool.pml - a pool's magazines: pop and push by sections, recall, and the order in which the slow paths look. Depots are ideal here:
 * sets that change in one step; depot.pml has their insides.
 *
 * Each CPU has a magazine {guard, count, entries}. Guard = {version, OPEN CLOSING FROZEN}, count = {version, number}: a section tests the
 * low half of the one (the code's is the capacity where it is OPEN, else 0) and stores the low half of the other.
 *  pop      section: guard open? the last entry, or as many as are wanted; count less <- commit. Else slow: own magazine being recalled:
 *           recall; every depot, the own CPU's first: a batch, one is the answer and one section puts the others into the magazine;
 *           every magazine that shows objects: recall; every depot once more; NULL.
 *  push     section: guard open? entries; count more <- commit. Full: one section takes half, that goes to the homes' depots, again.
 *           No magazine: the object's home depot.
 *  recall   OPEN: empty: nothing; CAS CLOSING. CLOSING: membarrier, CAS FROZEN. FROZEN: the versions differ: CAS {v + 1, OPEN}, nothing;
 *           empty: CAS count {v + 1, 0}; else the last entry, CAS count {v, n - 1}. Each CAS is of the whole word; again until done.
 * A restarted section is tried again or given up (the model leaves open which, so that every bound of retries is covered).
 *
 * Invariants checked: 1. what is handed out is an object, and free: nobody has it (twice). 2. in the end each object can be popped exactly once
 * (lost), and every magazine can be opened again, its versions equal (shut). 3. no NULL, and no short answer of a bulk pop, while an object lay
 * in one place during the whole pop, or went once from a magazine to a depot and was there before the second look at the depots (null).
 * 4. nobody waits for anybody: with HANDLER or STOP everybody else gets to the end (asleep), and a recall that runs alone is done in four
 * rounds (waits). 5. a pop that found its own CPU's magazine recalled has moved that recall on, or somebody else has (stuck).
 *
 * Size: NR threads (2), NC CPUs (2), NO objects (2), M entries a magazine (2), ITER rounds a thread (1), POPS pops a round before the
 * pushes (1), ROOM objects a pop, 2: bulk pop and bulk push (1), HALF objects in a batch, and taken from a full magazine (1). The first
 * MAGAZINE objects (all) begin in magazine 0, the others in their homes' depots; OWNED: thread 0 begins with the last one and pushes it.
 * KEEP: nothing that was popped is pushed.
 *  HANDLER         the last thread is a signal handler, and interrupts thread 0 once, anywhere
 *  STOP            thread 1 stops, anywhere, and goes on only when all others have ended
 *
 * Switches of this file (default = the design; each drops a rule and must fail, but those told):
 *  NO_GUARD        sections do not test the guard
 *  GUARD_OUT       the guard is tested before the section, not in it                    R4
 *  COUNT_FIRST     the guard is tested in the section, but behind the load of the count: an earlier count beside an open guard
 *  NO_VERSIONS     no CAS compares the version                                          R24
 *  NO_GUARD_VERSION  no CAS of the guard compares the version                           R24
 *  NO_COUNT_VERSION  no CAS of the count compares the version                           R24
 *  OPEN_FIRST      an empty magazine's guard is opened before the count's version moves R24
 *  TRUST_CLOSING   whoever finds CLOSING makes it FROZEN without a membarrier of its own
 *  FREEZE_EARLY    FROZEN is stored before the membarrier
 *  FREEZE_STORE    FROZEN is stored, not exchanged for CLOSING
 *  TAKE_STORE      the count of a frozen magazine is stored, not exchanged
 *  HELPER_WAITS    whoever finds CLOSING sleeps until it is over (HANDLER, STOP)        R24
 *  HELPER_SPINS    whoever finds CLOSING looks until it is over (STOP)                  R24
 *  NO_REOPEN       nobody opens a magazine that is empty
 *  NO_OWN_FIRST    pop does not look whether the own magazine is recalled before it looks at depots
 *  NO_SECOND_LOOK  pop looks at the depots once
 *  SHOWS_COUNT     pop passes a recalled magazine whose count is 0. Not broken: its own CPU opens it.
 *  NO_RECALL       pop looks at no magazine but its own CPU's
 * Switches that ask for more than the design keeps:
 *  EXACT           no NULL unless at some moment of the pop nothing lay in a magazine or depot. Does not hold: an object is pushed behind the
 *                  look, the other one popped before it. (NO_BUFFERS: no store buffers, so that it is not they that show it.)
 *  PUSH_MOVES_ON   invariant 5 for push. With PUSH_ALONE, a push that does not recall an object of its own CPU's closed magazine, it does
 *                  not hold: where a CPU's threads only push, their magazine stays closed while depots are not empty elsewhere.
 * and those of machine.pml.
 */
#ifndef NR
#define NR 2
#endif
#ifndef NC
#define NC 2
#endif
#ifndef NO
#define NO 2
#endif
#ifndef M
#define M 2
#endif
#ifndef ITER
#define ITER 1
#endif
#ifndef POPS
#define POPS 1
#endif
#ifndef ROOM
#define ROOM 1
#endif
#ifndef HALF
#define HALF 1
#endif
#ifndef MAGAZINE
#define MAGAZINE NO
#endif
#ifdef HANDLER
#define THREADS (NR - 1)
#else
#define THREADS NR
#endif
#define NMEM (NC * (M + 1))
#include "machine.pml"
#ifdef NO_BUFFERS
#undef STORE
#define STORE(t, a, v) mem[a] = v
#endif

#define COUNT(m)    ((m) * (M + 1))
#define ENTRY(m, i) ((m) * (M + 1) + 1 + (i))
#define OPEN 0
#define CLOSING 1
#define FROZEN 2
#define ALL ((1 << NO) - 1)
#define NONE 128                        /* what is no object: always handed out */
#define BIT(o) ((o) >= 1 && (o) <= NO -> 1 << ((o) - 1) : NONE)
#define LOWEST(set) ((set) & -(set))
#ifdef OWNED
#define OWNS (1 << (NO - 1))
#else
#define OWNS 0
#endif
#define HOME(bit)   ((bit) == 2 -> 1 % NC : ((bit) == 4 -> 2 % NC : 0))

byte gver[NC], guard[NC];               /* guard: version, state */
byte cver[NC];                          /* count: version; the number is in memory */
byte depot[NC];                         /* sets of objects */

/* For the checks only. */
byte out = NONE | OWNS;                 /* objects in somebody's hands */
byte transit;                           /* of these: on the way from a full magazine to a depot */
byte same[NR];                          /* free ever since this thread's pop began (see invariant 3) */
#ifdef EXACT
byte lean;                              /* threads during whose pop at some moment nothing was free */
#endif
byte closed[NC];                        /* threads whose slow path began with the magazine in the state it is in */
byte ended;
#ifdef STOP
bit stopped;
#endif

#define EACH(stmt)      k = 0; do :: k < NR -> stmt; k++ :: else -> break od; k = 0
#ifdef EXACT
#define LEAN            if :: out == (ALL | NONE) -> lean = (1 << NR) - 1 :: else fi
#else
#define LEAN            skip
#endif
#define TAKE(set)       assert((out & (set)) == 0); out = out | (set); LEAN
#define UNSAME(set)     EACH(same[k] = same[k] & ~(set))
#define GIVE(set)       out = out & ~(set); transit = transit & ~(set)
#define MOVED(m)        closed[m] = 0

#ifdef NO_GUARD
#define SHUT(m) false
#else
#define SHUT(m) (guard[m] != OPEN)
#endif
#if defined(NO_VERSIONS) || defined(NO_GUARD_VERSION)
#define GUARD_IS(v, s)  (guard[x] == (s))
#else
#define GUARD_IS(v, s)  (guard[x] == (s) && gver[x] == (v))
#endif
#if defined(NO_VERSIONS) || defined(NO_COUNT_VERSION)
#define COUNT_IS(v, n)  (mem[COUNT(x)] == (n))
#else
#define COUNT_IS(v, n)  (mem[COUNT(x)] == (n) && cver[x] == (v))
#endif

proctype Thread(byte t) {
  byte hand, it, pops;                  /* the caller's: objects, rounds, pops of this round */
  byte m, n, e, r;                      /* a section's: CPU, count, objects to go, those moved */
  byte g;                               /* objects to be put somewhere */
  bit over, rest;                       /* the section empties a full magazine; it puts back what is over of a batch */
  byte cpu, x, pass;                    /* slow pop: the own CPU, the one looked at; 0 own 1 depots 2 magazines 3 depots */
  byte v, w, o, rounds;                 /* recall: versions of guard and count, object */
  byte c, k;

end_idle:
  atomic { RUN(t) -> skip }
#ifdef OWNED
  atomic { RUN(t) -> if :: t == 0 -> g = OWNS; goto put :: else fi }
#endif
round:
  atomic { RUN(t) -> if :: it == ITER -> goto done :: else -> it++; pops = 0 fi }
pop:
  atomic { RUN(t) -> same[t] = ALL & ~out;
    /* What still is in a store buffer nobody else can be expected to see. */
    EACH(if :: buf0[k] -> same[t] = 0 :: else fi);
#ifdef EXACT
    lean = (lean & ~(1 << t)) | (same[t] == 0 -> 1 << t : 0)
#endif
  }

take:                                   /* the section: up to e objects off the own CPU's magazine */
#ifdef GUARD_OUT
  atomic { RUN(t) -> if :: SHUT(CPU(t)) -> goto no_take :: else fi }
  atomic { RUN(t) -> sec[t] = 1; m = CPU(t) }
#elif defined(COUNT_FIRST)
  atomic { RUN(t) -> sec[t] = 1; m = CPU(t); c = LOAD(t, COUNT(m)) }
  SECTION(cut_take, if :: SHUT(m) -> sec[t] = 0; m = 0; c = 0; goto no_take :: else fi)
#else
  atomic { RUN(t) -> if :: SHUT(CPU(t)) -> goto no_take :: else -> sec[t] = 1; m = CPU(t) fi }
#endif
#ifdef COUNT_FIRST
#define COUNTED c
#else
#define COUNTED LOAD(t, COUNT(m))
#endif
  SECTION(cut_take, n = COUNTED; e = (over -> HALF : (ROOM == 2 && !hand -> 2 : 1));
    if :: n == 0 -> sec[t] = 0; m = 0; e = 0; if :: over -> over = 0; goto put :: else -> goto no_take fi :: else fi)
take_one:
  SECTION(cut_take, n--; e--; o = LOAD(t, ENTRY(m, n)); r = r | BIT(o) | (r & BIT(o) -> NONE : 0); o = 0;
    if :: e && n -> goto take_one :: else fi)
  SECTION(cut_take, STORE(t, COUNT(m), n); sec[t] = 0; m = 0; n = 0; e = 0; TAKE(r);
    if :: over -> transit = transit | r; over = 0; goto spill :: else -> UNSAME(r); hand = hand | r; r = 0; goto got fi);
cut_take:
  atomic { RUN(t) -> m = 0; n = 0; e = 0; r = 0; o = 0; if :: goto take :: skip fi }
no_take:
  if :: over -> over = 0; goto to_depots :: else fi;

  atomic { RUN(t) -> cpu = CPU(t); x = cpu; pass = 1;
    if :: guard[cpu] != OPEN ->
            closed[cpu] = closed[cpu] | (1 << t);
#ifndef NO_OWN_FIRST
            pass = 0; goto recall
#endif
       :: else
    fi }
depots:
  atomic { RUN(t) ->
    if
    :: depot[x] ->
         FENCE(t); o = LOWEST(depot[x]); depot[x] = depot[x] & ~o; hand = hand | o;
#if HALF > 1
         r = LOWEST(depot[x]); depot[x] = depot[x] & ~r;
#endif
         o = o | r; TAKE(o); UNSAME(o); o = 0;
         if :: r -> g = r; r = 0; rest = 1; goto put :: else -> goto got fi
    :: else ->
         x = (x + 1) % NC;
         if
         :: x != cpu -> goto depots
#ifndef NO_RECALL
         :: x == cpu && pass == 1 -> pass = 2
#endif
         :: else -> goto null
         fi
    fi }
magazines:
  atomic { RUN(t) -> if :: LOAD(t, COUNT(x)) -> goto recall :: else fi }
#ifndef SHOWS_COUNT
  atomic { RUN(t) -> if :: guard[x] != OPEN -> goto recall :: else fi }
#endif
next:
  atomic { RUN(t) -> v = 0; w = 0; n = 0; o = 0; rounds = 0;
    if :: pass == 0 -> pass = 1; goto depots :: else fi;
#ifndef PUSH_ALONE
    if :: pass == 4 -> pass = 0; x = 0; goto to_depots :: else fi;
#endif
    x = (x + 1) % NC;
    if :: x != cpu -> goto magazines :: else -> pass = 3; same[t] = same[t] & ~transit fi;
#ifdef NO_SECOND_LOOK
    goto null
#else
    goto depots
#endif
  }

recall:                                 /* of CPU x */
  atomic { RUN(t) -> v = gver[x]; w = 0; n = 0; o = 0;
#if defined(STOP) && NR == 2
    if :: stopped -> rounds++; assert(rounds <= 4) :: else fi;
#endif
    if :: guard[x] == CLOSING -> goto closing :: guard[x] == FROZEN -> goto frozen :: else fi }
  atomic { RUN(t) -> if :: LOAD(t, COUNT(x)) == 0 -> goto next :: else fi }
#ifdef FREEZE_EARLY
  atomic { RUN(t) -> FENCE(t); if :: GUARD_IS(v, OPEN) -> guard[x] = FROZEN; MOVED(x) :: else -> goto recall fi }
  membarrier();
  goto recall;
#else
  atomic { RUN(t) -> FENCE(t); if :: GUARD_IS(v, OPEN) -> guard[x] = CLOSING; MOVED(x) :: else -> goto recall fi;
#if defined(TRUST_CLOSING) || defined(HELPER_WAITS) || defined(HELPER_SPINS)
    goto shut
#else
    goto recall
#endif
  }
#endif
closing:
#ifdef HELPER_WAITS
  atomic { RUN(t) -> if :: GUARD_IS(v, CLOSING) -> LEAVE(t) :: else -> goto recall fi }
  atomic { !GUARD_IS(v, CLOSING) -> fin[t] = 0; goto recall }
#endif
#ifdef HELPER_SPINS
  goto recall;
#endif
#ifdef TRUST_CLOSING
  goto freeze;
#endif
shut:
  membarrier();
freeze:
#ifdef FREEZE_STORE
  atomic { RUN(t) -> FENCE(t); guard[x] = FROZEN; gver[x] = v; MOVED(x); goto recall }
#else
  atomic { RUN(t) -> FENCE(t); if :: GUARD_IS(v, CLOSING) -> guard[x] = FROZEN; gver[x] = v; MOVED(x) :: else fi; goto recall }
#endif
frozen:
  atomic { RUN(t) -> n = LOAD(t, COUNT(x)); w = cver[x];
    if :: w != v -> goto reopen :: w == v && n == 0 -> goto emptied :: else fi }
  atomic { RUN(t) -> o = LOAD(t, ENTRY(x, n - 1)) }
  atomic { RUN(t) -> FENCE(t);
#ifdef TAKE_STORE
    mem[COUNT(x)] = n - 1; cver[x] = w;
#else
    if :: COUNT_IS(w, n) -> mem[COUNT(x)] = n - 1; cver[x] = w :: else -> goto recall fi;
#endif
    MOVED(x);
    r = BIT(o); TAKE(r); v = 0; w = 0; n = 0; o = 0;
#ifndef PUSH_ALONE
    if :: pass == 4 -> transit = transit | r; g = g | r; r = 0; pass = 0; x = 0; goto to_depots :: else fi;
#endif
    UNSAME(r); hand = hand | r; goto got }
emptied:
#ifdef NO_REOPEN
  goto next;
#endif
#ifdef OPEN_FIRST
  atomic { RUN(t) -> FENCE(t); if :: GUARD_IS(v, FROZEN) -> guard[x] = OPEN; gver[x] = v + 1; MOVED(x) :: else fi }
#endif
  atomic { RUN(t) -> FENCE(t); if :: COUNT_IS(w, 0) -> cver[x] = v + 1; MOVED(x) :: else fi;
#ifdef OPEN_FIRST
    goto next
#else
    goto recall
#endif
  }
reopen:
  atomic { RUN(t) -> FENCE(t); if :: GUARD_IS(v, FROZEN) -> guard[x] = OPEN; gver[x] = v + 1; MOVED(x) :: else fi; goto next }

null:
  atomic { RUN(t) -> assert(same[t] == 0);
#ifdef EXACT
    assert((lean >> t) & 1); lean = lean & ~(1 << t);
#endif
    pops = POPS; goto got }
got:
  atomic { RUN(t) -> assert((closed[cpu] & (1 << t)) == 0);
    m = 0; n = 0; e = 0; r = 0; cpu = 0; x = 0; pass = 0; v = 0; w = 0; o = 0; rounds = 0;
#if ROOM == 2
    if :: hand == LOWEST(hand) && pops < POPS -> goto take :: else fi;
#endif
    same[t] = 0; pops++;
    if :: pops < POPS -> goto pop :: else fi }

push:
#ifdef KEEP
  goto round;
#endif
  atomic { RUN(t) -> if :: hand == 0 -> goto round :: else fi;
#if ROOM == 2
    g = hand
#else
    if :: g = LOWEST(hand) :: g = hand & ~LOWEST(hand); if :: g == 0 -> g = hand :: else -> g = LOWEST(g) fi fi
#endif
    ; hand = hand & ~g }
put:                                    /* the section: as many of g as there is room for into the own CPU's magazine */
#ifdef GUARD_OUT
  atomic { RUN(t) -> if :: SHUT(CPU(t)) -> goto to_depots :: else fi }
  atomic { RUN(t) -> sec[t] = 1; m = CPU(t) }
#else
  atomic { RUN(t) -> if :: SHUT(CPU(t)) -> goto no_put :: else -> sec[t] = 1; m = CPU(t) fi }
#endif
  SECTION(cut_put, n = LOAD(t, COUNT(m)); if :: n == M -> sec[t] = 0; m = 0; n = 0; goto no_room :: else fi)
put_one:
  SECTION(cut_put, o = LOWEST(g); g = g & ~o; r = r | o; STORE(t, ENTRY(m, n), (o == 4 -> 3 : o)); n++; o = 0;
    if :: g && n < M -> goto put_one :: else fi)
  SECTION(cut_put, STORE(t, COUNT(m), n); sec[t] = 0; GIVE(r); m = 0; n = 0; r = 0;
    if :: rest || !g -> goto to_depots :: else -> goto put fi);
cut_put:
  atomic { RUN(t) -> m = 0; n = 0; o = 0; g = g | r; r = 0; if :: goto put :: goto to_depots fi }
no_room:
  if :: rest -> goto to_depots :: else -> over = 1; goto take fi;
spill:
  atomic { RUN(t) -> FENCE(t); o = LOWEST(r); depot[HOME(o)] = depot[HOME(o)] | o; GIVE(o); r = r & ~o; o = 0;
    if :: r -> goto spill :: else -> goto put fi }
no_put:
#if !defined(PUSH_ALONE) || defined(PUSH_MOVES_ON)
  if
  :: !rest ->
       atomic { RUN(t) -> cpu = CPU(t);
         if
         :: guard[cpu] != OPEN ->
#ifdef PUSH_MOVES_ON
              closed[cpu] = closed[cpu] | (1 << t);
#endif
#ifndef PUSH_ALONE
              pass = 4; x = cpu; goto recall
#else
              skip
#endif
         :: else
         fi }
  :: else
  fi;
#endif
to_depots:
  atomic { RUN(t) ->
    if
    :: g -> FENCE(t); o = LOWEST(g); depot[HOME(o)] = depot[HOME(o)] | o; GIVE(o); g = g & ~o; o = 0; goto to_depots
    :: !g && rest -> rest = 0; goto got
    :: !g && !rest ->
#ifdef PUSH_MOVES_ON
         assert((closed[cpu] & (1 << t)) == 0);
#endif
         cpu = 0;
         goto push
    fi }
done:
  atomic { RUN(t) -> it = 0; pops = 0; FENCE(t);
#ifdef HANDLER
    if
    :: t == NR - 1 -> on[0] = on[t]; on[t] = 0; fin[t] = 1; fin[0] = 0     /* back to what was interrupted */
    :: else -> LEAVE(t); ended++
    fi
#else
    LEAVE(t); ended++
#endif
  }
}

#ifdef HANDLER
proctype Signal() {                     /* fin keeps a thread from being scheduled: the handler's until here, then thread 0's */
  byte h = NR - 1;
end:
  atomic { RUN(0) -> FENCE(0); cut[0] = sec[0]; on[h] = on[0]; on[0] = 0; fin[0] = 1; fin[h] = 0 }
}
#endif

#ifdef STOP
proctype Stop() {
end:
  atomic { RUN(1) -> FENCE(1); cut[1] = sec[1]; busy[on[1] - 1] = 0; on[1] = 0; fin[1] = 1; stopped = 1 }
  atomic { ended == THREADS - 1 -> stopped = 0; fin[1] = 0 }
}
#endif

proctype Check() {                      /* pops everything, alone */
  byte x, i, r, found;
end:
  atomic { ended == THREADS && fin[NR - 1] ->
#ifdef KEEP
    found = out & ALL;
#endif
    do
    :: x < NC ->
         found = found | depot[x];
         do
         :: guard[x] == OPEN && mem[COUNT(x)] == 0 -> break
         :: guard[x] == OPEN && mem[COUNT(x)] != 0 -> guard[x] = CLOSING
         :: guard[x] == CLOSING -> guard[x] = FROZEN
         :: guard[x] == FROZEN && cver[x] != gver[x] -> r = mem[COUNT(x)]; assert(cver[x] == gver[x] || !r); guard[x] = OPEN; gver[x]++
         :: guard[x] == FROZEN && cver[x] == gver[x] && mem[COUNT(x)] == 0 -> cver[x]++
         :: guard[x] == FROZEN && cver[x] == gver[x] && mem[COUNT(x)] != 0 ->
              r = mem[ENTRY(x, mem[COUNT(x)] - 1)]; r = BIT(r); assert((found & r) == 0); found = found | r; mem[COUNT(x)]--
         od;
         assert(cver[x] == gver[x]);
         x++
    :: else -> break
    od;
    assert(found == ALL) }
}

init {
  byte i;
  atomic {
    do
    :: i < MAGAZINE -> mem[ENTRY(0, i)] = i + 1; i++; mem[COUNT(0)] = i
    :: i >= MAGAZINE && i < NO - (OWNS != 0) -> depot[HOME(1 << i)] = depot[HOME(1 << i)] | (1 << i); i++
    :: else -> break
    od;
    i = 0;
    do :: i < NR -> run Thread(i); run Sched(i); i++ :: else -> break od;
#ifdef HANDLER
    fin[NR - 1] = 1; run Signal();
#endif
#ifdef STOP
    run Stop();
#endif
    run Check()
  }
}
