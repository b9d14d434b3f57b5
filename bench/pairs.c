// SPDX-License-Identifier: MIT OR Apache-2.0
// The cost of one pair, hold and let go, of every contestant with 1, 2 and 8 threads.
//
// The threads begin together and turn until a common moment. A contestant that only computes is charged the processor time
// its threads took, which other programs on the machine do not add to; one that sleeps the time on the wall, of which
// every CPU in use is one share. A slice in which a thread lost its CPU to another program is tried again.
#include "bench.h"

#include <alloca.h>

uint64_t slice_ns = 2000000, long_slice_ns = 40000000;

struct race {
	const struct contestant *contestant;
	void *state;
	unsigned long batch; // turns between two looks at the clock
	unsigned threads;
	size_t depth; // of the stack in this slice
	_Alignas(128) unsigned arrived;
	uint64_t end; // 0 until all have arrived
};

static const unsigned thread_counts[] = { 1, 2, THREADS };
enum { RACES_MOST = 256 };
static struct race races[RACES_MOST];
static size_t race_count;

static void run(struct worker *worker, void *what)
{
	struct race *race = (struct race *)what;
	const struct contestant *c = race->contestant;
	// What lies on the stack lies elsewhere in every slice, in the same place for all threads, as where all run the same code:
	// some places are slower than others, and a run must not get one of them for good.
	char *above = (char *)alloca(race->depth);
	__asm__ volatile("" : : "r"(above) : "memory");
	contestant_join(c);
	c->op(race->state, 1);
	if (__atomic_add_fetch(&race->arrived, 1, __ATOMIC_SEQ_CST) == race->threads)
		STORE(&race->end, wall_ns() + (race->threads > cpu_count() ? long_slice_ns : slice_ns));
	while (LOAD(&race->end) == 0)
		if (race->threads > cpu_count())
			sched_yield();
	uint64_t end = race->end, turns = 0, wall = wall_ns(), cpu = cpu_ns(), now;
	do {
		c->op(race->state, race->batch);
		turns += race->batch;
		now = wall_ns();
	} while (now < end);
	worker->cpu_ns = cpu_ns() - cpu;
	worker->wall_ns = now - wall;
	worker->pairs = turns * c->nested;
	contestant_leave(c);
}

// What all the threads of a slice did together.
struct sum {
	uint64_t pairs, cpu, wall;
	bool together; // no thread lost its CPU for long
};

static struct sum slice(struct race *race)
{
	static size_t slices;
	struct sum sum = { .together = true };
	race->depth = 16 + slices++ * 1616 % 4096; // every 16 bytes of a page, in leaps
	race->arrived = 0;
	race->end = 0;
	workers_begin(0, race->threads, run, race);
	const struct worker *workers = workers_end(race->threads);
	for (unsigned i = 0; i < race->threads; i++) {
		sum.pairs += workers[i].pairs;
		sum.cpu += workers[i].cpu_ns;
		sum.wall = workers[i].wall_ns > sum.wall ? workers[i].wall_ns : sum.wall;
		sum.together &= workers[i].cpu_ns * 20 > workers[i].wall_ns * 19;
	}
	return sum;
}

static size_t take(struct series *series, double *samples, size_t room)
{
	struct race *race = (struct race *)series->what;
	unsigned cpus = race->threads < cpu_count() ? race->threads : cpu_count();
	bool may_wait = race->contestant->sleeps || race->threads > cpus;
	struct sum sum = slice(race);
	(void)room;
	// Threads that another program kept from running at the same time did not meet.
	for (int again = 0; again < 3 && !may_wait && !sum.together; again++)
		sum = slice(race);
	samples[0] = (double)(race->contestant->sleeps ? sum.wall * cpus : sum.cpu) / (double)sum.pairs;
	return 1;
}

// As many turns as take about 20 microseconds alone: then a look at the clock costs next to nothing. The best of a few tries
// counts: an interrupt in one must not make batches small, and so the contestant dear, for the whole run.
static unsigned long batch_of(const struct contestant *c, void *state)
{
	unsigned long batch = 16;
	contestant_join(c);
	for (uint64_t best = 0; best < 20000 && batch < 1ul << 30; batch *= 2) {
		best = UINT64_MAX;
		for (int i = 0; i < 5; i++) {
			uint64_t began = cpu_ns();
			c->op(state, batch);
			uint64_t took = cpu_ns() - began;
			best = took < best ? took : best;
		}
	}
	contestant_leave(c);
	return batch;
}

void pairs_add(void)
{
	for (size_t i = 0; i < contestant_count; i++)
		for (size_t j = 0; j < COUNT(thread_counts); j++) {
			const struct contestant *c = &contestants[i];
			// Two threads mean one a CPU.
			if (c->op == NULL || (thread_counts[j] <= CPUS && thread_counts[j] > cpu_count()))
				continue;
			if (c->kind->spins && thread_counts[j] > cpu_count())
				continue;
			if (race_count == RACES_MOST)
				die("more than %d contestants and numbers of threads", RACES_MOST);
			struct race *race = &races[race_count++];
			race->contestant = c;
			race->threads = thread_counts[j];
			race->state = contestant_setup(c);
			race->batch = batch_of(c, race->state);
			series_add(c->name, race->threads, race->threads > CPUS ? NOT_OFTEN : 1, take, race);
		}
}

void pairs_remove(void)
{
	while (race_count > 0) {
		const struct race *race = &races[--race_count];
		contestant_teardown(race->contestant, race->state);
	}
}
