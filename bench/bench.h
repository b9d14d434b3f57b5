// SPDX-License-Identifier: MIT OR Apache-2.0
// The benchmark's parts. A *series* is one thing that is measured, once a round; a *contestant* is a way to hold something,
// measured by one series for every number of threads; a *destroyer* waits for holds to end, measured by one series for every
// number of other threads.
//
//   main.c          options, and the rounds          stats.c         series, medians, quartiles
//   contestants.c   the table of contestants         ways.h          what is in it, by kind of object:
//   destroyers.c    the table of destroyers          psref.c, counts.c, shared.c
//   handers.c       the table of stocks handed from  pools.c, ring.c; stock.h makes the ways of a stock
//   pairs.c         series of holding, letting go    destroy.c       series of destroying
//   handed.c        series of objects handed over    report_pools.c  what is printed of pools
//   wakes.c         from release to return           first.c         series of first use
//   memory.c        bytes of an object               workers.c       pinned threads
//   footprint.c     the same of everything           scaling.c       series of destroying beside many holds
//   report.c        what is printed                  report_destroy.c  the same of destroying
//   targets.c       the targets                      json.c          the same for other programs
//   facts.c         the machine                      floor/          a library of empty functions
//   report_footprint.c  what is printed of memory    sizes.h         the library's constants
//   batches.c       destroying many at once
//   emulated/       a program of its own: waits against CPUs, on emulated machines
//   peers/          other libraries, each built where it is installed
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
	// Measures once: writes nanoseconds, `room` at most, and returns how many. NULL: no rounds, another series fills it.
	size_t (*take)(struct series *series, double *samples, size_t room);
	void *what;
	double *samples, *rounds; // all of them; the median of each round, NaN where there was none
	size_t sample_count, round_count;
};

enum { SERIES_MOST = 512 };
// Each ends up in the one list that the rounds shuffle.
struct series *series_add(const char *name, unsigned threads, unsigned every,
                          size_t (*take)(struct series *, double *, size_t), void *what);
struct series *series_find(const char *name, unsigned threads);
struct series *series_at(size_t i); // NULL after the last
void series_measure(struct series *series);
void series_skip(struct series *series);
void series_put(struct series *series, double sample);
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
uint64_t cpu_ns(void); // of the calling thread

// ---- contestants.c

// What is held, and what a thread must do before it first holds and after it last held. Any may be NULL.
struct kind {
	void *(*setup)(void);
	void (*teardown)(void *state);
	void (*join)(void), (*leave)(void);
	bool spins; // waits for others without leaving its CPU to them: for ever, next to, with more threads than CPUs
	bool stock; // objects are taken from it and given back, not held
};

struct contestant {
	const char *name;
	unsigned nested;         // pairs in one turn, all held at once
	bool sleeps;             // its cost is not only processor time: measured by the wall clock
	const struct kind *kind;
	void (*op)(void *state, unsigned long turns); // by any number of threads at once. NULL: left out, `needs` is not there
	const char *floor;       // the contestant that calls as many empty functions with the same arguments; NULL: FLOOR
	const char *needs;       // what must be installed when the benchmark is built
	unsigned what;           // of these
#define DOES_LOOK   1u  // keeps everything that can be reached, for a moment
#define DOES_HOLD   2u  // one object
#define DOES_TAKE   4u  // takes an object and gives it back
#define DOES_TAKE_8 8u  // the same with eight
#define DOES_BULK   16u // the same with eight in one call
#define IS_OURS     32u
#define IS_INLINE   64u // what is measured is code in the caller's loop, no function of a library
#define IS_SHOWN    128u // and not counted: asks of its threads what the others do not
};

extern const struct contestant contestants[];
extern const size_t contestant_count;

const struct contestant *contestant_find(const char *name);
void *contestant_setup(const struct contestant *contestant);
void contestant_teardown(const struct contestant *contestant, void *state);
void contestant_join(const struct contestant *contestant); // the calling thread
void contestant_leave(const struct contestant *contestant);
// What stands for two empty calls beside this contestant: FLOOR, unless its own floor is seen to differ.
const struct series *floor_of(const char *name);

// ---- handers.c

// A stock that one thread takes up to `n` objects from at a time, and another gives them back to.
struct hander {
	const char *name;
	const char *both_ways; // the series in which each thread does both; NULL: it cannot
	const struct kind *kind;
	size_t (*take)(void *state, void **objects, size_t n); // how many. NULL: left out, with the contestants of the same library
	void (*give)(void *state, void **objects, size_t n);
};

extern const struct hander handers[];
extern const size_t hander_count;

// ---- destroyers.c

// What waits until holds have ended. It is always called by one and the same thread, with nothing held by anybody of what it
// destroys; what others hold meanwhile is the contestant `busy`.
struct destroyer {
	const char *name;
	void (*prepare)(void); // before the clock; may be NULL, and so may `finish`, which follows it
	void (*call)(void);    // NULL: left out
	void (*finish)(void);
	const char *busy;
};

extern const struct destroyer destroyers[];
extern const size_t destroyer_count;

// Names that series are looked up by.
#define FLOOR "floor"
#define PAIR "psref pair"
#define NESTED "psref, 4 nested"
#define PAIR_INLINE "psref pair, inline"
#define NESTED_INLINE "psref, 4 nested, inline"
#define LOCALCOUNT "localcount pair"
#define LOCALCOUNT_INLINE "localcount pair, inline"
#define LOCALCOUNT_FLOOR "floor, arguments of localcount"
#define SECTION "read section"
#define SECTION_INLINE "read section, inline"
#define SECTION_FLOOR "floor, arguments of a read section"
#define PASS "gate enter + exit"
#define PASS_FLOOR "floor, arguments of a gate"
#define PASS_INLINE "gate enter + exit, inline"
#define VISIT "gate acquire + release"
#define VISIT_INLINE "gate acquire + release, inline"
#define MEMB_INLINE "liburcu memb, inline"
#define POOL_FLOOR "floor, arguments of a pool"
#define POOL "objpool pop + push"
#define POOL_INLINE "objpool pop + push, inline"
#define POOL_EIGHT "objpool, 8 pops then 8 pushes"
#define POOL_EIGHT_INLINE "objpool, 8 then 8, inline"
#define POOL_BULK "objpool, bulk of 8"
#define POOL_EMPTY "objpool, empty: NULL"
#define DPDK_EIGHT_INLINE "DPDK mempool, inline, 8 then 8"
#define MIMALLOC_EIGHT "mimalloc, 8 then 8"
#define HANDED "objpool, handed over"
#define HANDED_ARRAY_QUEUE "ArrayQueue, handed over"
#define TRADED "objpool, both ways"
#define TRADED_ARRAY_QUEUE "ArrayQueue, both ways"
#define MEMBARRIER "membarrier"
#define DRAIN "psref drain, unreferenced"
#define LOCALCOUNT_DRAIN "localcount drain, unreferenced"
#define PERFORM "perform, nobody inside"
#define FUTEX "futex: wake to return"
#define WAKE "psref: release to return of drain"
#define FIRST_USE "first use"
#define LATER_USE "second class"

// ---- the series

enum { NOT_OFTEN = 4 }; // rounds between measurements that take long

void pairs_add(void);
void pairs_remove(void);
void handed_add(void);
void handed_remove(void);
void destroy_add(void);
void destroy_remove(void);
// How many other threads run meanwhile; 0, and those of them that the machine has CPUs for.
enum { CROWDS = 4 };
extern const unsigned crowds[CROWDS];
bool crowd_possible(unsigned others);
// The calls during which the caller slept, which is to wait for somebody. Filled by the series of all calls.
struct series *destroy_waited(const char *name, unsigned others);
struct series *destroy_calls(const char *name, unsigned others);
void wakes_add(void);
void wakes_remove(void);
void first_use_add(const char *program);
int first_use_child(void);        // what `program --first-use` does
unsigned first_use_repinned(void); // processes whose affinity mask was not what it had been

// ---- scaling.c

enum { SCALED = 3, HOLD_CROWDS = 4 };
extern const unsigned crowds_of_holds[HOLD_CROWDS];

// What waits, and while how many holds of others.
struct scaled {
	const char *what;
	char name[40];
	unsigned wait, crowd;
	struct series *series;
};

void scaling_add(void);
void scaling_remove(void);
const struct scaled *scaled_at(size_t i); // NULL after the last

extern uint64_t slice_ns, long_slice_ns; // of one series; of one with more threads than CPUs

double resident(void); // bytes of the process that are in memory

// Bytes that a localcount takes besides itself once it was used on every CPU in use, seen in the size of the process.
double memory_of_localcount(void);

// Bytes that a pool takes besides its objects once it was used on every CPU, seen in the size of the process, and what Linux's
// takes, computed; of pools with few and with many objects.
struct pool_memory {
	size_t objects, cpus; // possible ones
	double bytes, limit, linux_bytes;
};
enum { POOL_SIZES = 2 };
void memory_of_pools(struct pool_memory memory[POOL_SIZES]);
double memory_of_linux_pool(size_t objects, size_t cpus);

// ---- footprint.c

struct facts;

struct footprint {
	char what[48];
	double caller;    // bytes in its user's structures
	double once, cpu; // in the library: once, and for every CPU that uses it
	double measured;  // the latter two, on the CPUs in use; 0: not seen
	size_t objects;   // of a pool
};
enum { FOOTPRINTS_MOST = 16, MANY_CPUS = 256 };
size_t footprints_read(struct footprint rows[FOOTPRINTS_MOST], const struct facts *facts);
double footprint_on(const struct footprint *row, size_t cpus);

// ---- what is printed

struct facts {
	char cpu[80], kernel[80], governor[80], cpus[80], siblings[32];
	char date[16];
	const char *libc, *version, *backend, *peers;
	double load[2]; // before and after
	double localcount_bytes;
	struct pool_memory pools[POOL_SIZES];
	struct footprint footprints[FOOTPRINTS_MOST];
	size_t footprint_count;
};

void facts_read(struct facts *facts);
void facts_read_load(double *load);

struct target {
	char text[64];
	double limit;
	bool at_least; // the limit; else at most
	struct spread seen;
};

enum { TARGETS_MOST = 80 };
size_t targets_read(struct target targets[TARGETS_MOST], const struct facts *facts);
void targets_print(const struct facts *facts);
void print_ratio(const struct series *series, const struct series *base); // 22 characters wide, like the next
void print_value(const struct series *series, double unit);
void report_print(const struct facts *facts, double seconds);
void report_pools(const struct facts *facts);
void report_destroy(void);

// ---- batches.c
void batches_measure(void);
void batches_report(void);
void report_footprint(const struct facts *facts);
void json_write(FILE *file, const struct facts *facts);

#endif
