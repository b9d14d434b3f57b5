// SPDX-License-Identifier: MIT OR Apache-2.0
// What the tables are made of. Every op is a function of its own, compiled like any C program, that calls the contestant in a
// loop. A floor's loop is the same as its contestant's but for the names it calls.
#ifndef PSREF_BENCH_WAYS_H
#define PSREF_BENCH_WAYS_H

#include "bench.h"

// psref.c
extern const struct kind psref_kind;
void floor_pairs(void *state, unsigned long turns);
void psref_pairs(void *state, unsigned long turns);
void psref_four(void *state, unsigned long turns);

// counts.c
extern const struct kind localcount_kind, gate_kind;
void localcount_pairs(void *state, unsigned long turns);
void localcount_floor(void *state, unsigned long turns);
void section_pairs(void *state, unsigned long turns);
void section_floor(void *state, unsigned long turns);
void gate_passes(void *state, unsigned long turns);
void gate_visits(void *state, unsigned long turns);
void gate_floor(void *state, unsigned long turns);

// shared.c
extern const struct kind shared_kind;
void atomic_pairs(void *state, unsigned long turns);
void mutex_pairs(void *state, unsigned long turns);
void rwlock_pairs(void *state, unsigned long turns);

// Files of peers/, which are there only where the library was: weak, so that the tables find NULL where it was not.
#define PEER __attribute__((weak))

// peers/urcu.c, peers/urcu_inline.c
extern const struct kind memb_kind PEER;
void memb_pairs(void *state, unsigned long turns) PEER;
void memb_inline_pairs(void *state, unsigned long turns) PEER;
void memb_synchronize(void) PEER;
void bp_pairs(void *state, unsigned long turns) PEER;
void bp_inline_pairs(void *state, unsigned long turns) PEER;
void bp_synchronize(void) PEER;

// peers/ck.c
extern const struct kind ck_kind PEER;
void ck_pairs(void *state, unsigned long turns) PEER;
void ck_synchronize(void) PEER;

// peers/crossbeam.c
void crossbeam_pairs(void *state, unsigned long turns) PEER;
void crossbeam_synchronize(void) PEER;

#endif
