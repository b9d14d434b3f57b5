// SPDX-License-Identifier: MIT OR Apache-2.0
// The benchmark's parts. A *series* is one thing that is measured, once a round; a *contestant* is a way to hold something,
// measured by one series for every number of threads.
//
//   main.c        options, and the rounds          contestants.c   the table of contestants
//   pairs.c       series of holding and letting go  drains.c        series of destroying
//   first.c       series of first use               workers.c       pinned threads
//   stats.c       series, medians, quartiles        report.c        what is printed, the targets
//   facts.c       the machine                       json.c          the same for other programs
//   floor/        a library of empty functions
#ifndef PSREF_BENCH_H
#define PSREF_BENCH_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define LOAD(place) __atomic_load_n(place, __ATOMIC_SEQ_CST)
#define STORE(place, value) __atomic_store_n(place, value, __ATOMIC_SEQ_CST)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

// Something could not be run: tells and exits with status 1. That, and never a figure, is how the benchmark fails.
__attribute__((format(printf, 1, 2), noreturn)) void die(const char *format, ...);

// ---- stats.c

struct spread {
	double q1, median, q3;
	size_t count; // 0: never measured, and the rest is NaN
};

// `values` may hold NaN, which does not count.
struct spread spread_of(const double *values, size_t count);
double quantile(const double *values, size_t count, double q);

struct series {
	const char *name;
	unsigned threads;
	unsigned every; // measured in every so many rounds
	// Measures once: writes nanoseconds, `room` at most, and returns how many.
	size_t (*take)(struct series *series, double *samples, size_t room);
	void *what;
	double *samples, *rounds; // all of them; the median of each round, NaN where there was none
	size_t sample_count, round_count;
};

// Each ends up in the one list that the rounds shuffle.
struct series *series_add(const char *name, unsigned threads, unsigned every,
                          size_t (*take)(struct series *, double *, size_t), void *what);
struct series *series_find(const char *name, unsigned threads);
struct series *series_at(size_t i); // NULL after the last
void series_measure(struct series *series);
void series_skip(struct series *series);
// The ratios of two series, round by round: whatever slowed a whole round down shows in neither.
struct spread ratio_of(const struct series *series, const struct series *base);

// ---- workers.c

enum { CPUS = 2, THREADS = 8 }; // used at most; thread i runs on the (i % CPUS)th CPU that the process may use

struct worker {
	_Alignas(128) unsigned index;
	int tid;
	void (*job)(struct worker *worker, void *what);
	void *what;
	uint64_t pairs, cpu_ns, wall_ns; // what the job did
};

void workers_start(void);
void workers_stop(void);
// Gives some workers, from the `first` on, a job; waits for as many to end theirs.
void workers_begin(unsigned first, unsigned count, void (*job)(struct worker *, void *), void *what);
const struct worker *workers_end(unsigned count);

unsigned cpu_count(void);        // CPUS, or fewer where the process may use fewer
int cpu_number(unsigned i);      // the kernel's number of the CPU of thread i
bool cpu_pin(unsigned i);        // the calling thread
void cpu_unpin(void);
bool cpu_pinned(void);           // whether every pinning worked
uint64_t wall_ns(void);

// ---- contestants.c

struct contestant {
	const char *name;
	unsigned nested;   // pairs in one turn, all held at once
	bool sleeps;       // its cost is not only processor time: measured by the wall clock
	void *(*setup)(void);
	void (*op)(void *state, unsigned long turns); // by any number of threads at once
	void (*teardown)(void *state);
};

extern const struct contestant contestants[];
extern const size_t contestant_count;

// A class and a target of it, as the setup of psref's contestants returns them.
void *psref_setup(void);
void psref_teardown(void *state);
struct psref_class *psref_class_of(void *state);
void psref_pairs(void *state, unsigned long turns);

// Names that series are looked up by.
#define FLOOR "floor"
#define PAIR "psref pair"
#define NESTED "psref, 4 nested"
#define ATOMIC "shared atomic count"
#define MUTEX "mutex count"
#define MEMBARRIER "membarrier"
#define DRAIN "psref drain, unreferenced"
#define FUTEX "futex: wake to return"
#define WAKE "psref: release to return of drain"
#define FIRST_USE "first use"

// ---- the series

enum { NOT_OFTEN = 4 }; // rounds between measurements that take long

void pairs_add(void);
void pairs_remove(void);
void drains_add(void);
void drains_remove(void);
void first_use_add(const char *program);
int first_use_child(void);        // what `program --first-use` does
unsigned first_use_repinned(void); // processes whose affinity mask was not what it had been

extern uint64_t slice_ns, long_slice_ns; // of one series; of one with more threads than CPUs

// ---- what is printed

struct facts {
	char cpu[80], kernel[80], governor[80], cpus[80], siblings[32];
	const char *libc, *version, *backend;
	double load[2]; // before and after
};

void facts_read(struct facts *facts);
void facts_read_load(double *load);

struct target {
	const char *text;
	const struct series *series, *base; // base NULL: no ratio, but milliseconds
	double limit;
	struct spread seen;
};

size_t targets_read(struct target *targets, size_t room);
void report_print(const struct facts *facts, double seconds);
void json_write(FILE *file, const struct facts *facts);

#endif
