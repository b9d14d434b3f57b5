// SPDX-License-Identifier: MIT OR Apache-2.0
// Objects taken on one CPU and given back on another: how long an object takes, from the time on the wall. They go from hand
// to hand through one and the same queue, with one producer and one consumer, which take and give 16 at a time out of its
// own places: little of what is measured is the queue's. Both ways: each thread takes for the other and gives back what
// the other took, so that all ends of the stock are used on both CPUs.
#include "ways.h"

#include <stdlib.h>

enum { BATCH = 16, BATCHES = 8 };

// What is at least in the stock meanwhile, whatever is on its way: so it is never empty.
_Static_assert(2 * BATCH * BATCHES <= 256, "half of the smallest stock");

struct batch {
	_Alignas(128) size_t count;
	void *objects[BATCH];
};

// One way between the two threads.
struct lane {
	_Alignas(128) uint64_t put; // batches, written by the producer
	_Alignas(128) uint64_t got; // by the consumer
	_Alignas(128) bool over;
	struct batch batches[BATCHES];
};

struct handing {
	const struct hander *hander;
	void *state;
	bool both_ways;
	_Alignas(128) unsigned arrived;
	uint64_t end; // 0 until both are there
	struct lane lanes[2]; // what each thread produces
};

enum { HANDINGS_MOST = 32 };
static struct handing *handings[HANDINGS_MOST];
static size_t handing_count;

// Takes a batch for the other thread; how many objects, or 0 if the lane is full.
static size_t produce(struct handing *h, struct lane *lane)
{
	if (lane->put - __atomic_load_n(&lane->got, __ATOMIC_ACQUIRE) == BATCHES)
		return 0;
	struct batch *batch = &lane->batches[lane->put % BATCHES];
	size_t count = batch->count = h->hander->take(h->state, batch->objects, BATCH);
	__atomic_store_n(&lane->put, lane->put + 1, __ATOMIC_RELEASE);
	return count;
}

// Gives back what the other thread took; false: nothing more will come.
static bool consume(struct handing *h, struct lane *lane)
{
	bool over = LOAD(&lane->over);
	uint64_t put = __atomic_load_n(&lane->put, __ATOMIC_ACQUIRE), got = lane->got;
	if (put == got)
		return !over;
	for (; got != put; __atomic_store_n(&lane->got, ++got, __ATOMIC_RELEASE)) {
		struct batch *batch = &lane->batches[got % BATCHES];
		h->hander->give(h->state, batch->objects, batch->count);
	}
	return true;
}

static void run(struct worker *worker, void *what)
{
	struct handing *h = (struct handing *)what;
	struct lane *ours = &h->lanes[worker->index], *theirs = &h->lanes[1 - worker->index];
	bool produces = h->both_ways || worker->index == 0, consumes = h->both_ways || worker->index == 1;
	if (h->hander->kind->join != NULL)
		h->hander->kind->join();
	if (__atomic_add_fetch(&h->arrived, 1, __ATOMIC_SEQ_CST) == 2)
		STORE(&h->end, wall_ns() + slice_ns);
	while (LOAD(&h->end) == 0)
		continue;
	uint64_t wall = wall_ns(), cpu = cpu_ns(), objects = 0;
	for (unsigned i = 1; produces && (i % 64 != 0 || wall_ns() < h->end); i++) {
		objects += produce(h, ours);
		if (consumes)
			(void)consume(h, theirs);
	}
	STORE(&ours->over, true);
	while (consumes && consume(h, theirs))
		continue;
	worker->pairs = objects;
	worker->cpu_ns = cpu_ns() - cpu;
	worker->wall_ns = wall_ns() - wall;
	if (h->hander->kind->leave != NULL)
		h->hander->kind->leave();
}

static size_t take(struct series *series, double *samples, size_t room)
{
	struct handing *h = (struct handing *)series->what;
	const struct worker *workers = NULL;
	bool together = false;
	(void)room;
	// Both are busy all the time, waiting too: a thread that took less time than passed was kept from running by others.
	for (int i = 0; i < 4 && !together; i++) {
		h->arrived = 0;
		h->end = 0;
		h->lanes[0].over = h->lanes[1].over = false;
		workers_begin(0, 2, run, h);
		workers = workers_end(2);
		together = workers[0].cpu_ns * 20 > workers[0].wall_ns * 19 && workers[1].cpu_ns * 20 > workers[1].wall_ns * 19;
	}
	uint64_t wall = workers[0].wall_ns > workers[1].wall_ns ? workers[0].wall_ns : workers[1].wall_ns;
	uint64_t objects = workers[0].pairs + workers[1].pairs;
	if (objects == 0)
		die("%s handed nothing over", h->hander->name);
	samples[0] = (double)wall / (double)objects;
	return 1;
}

static void add(const struct hander *hander, const char *name, bool both_ways)
{
	if (handing_count == HANDINGS_MOST)
		die("more than %d ways to hand over", HANDINGS_MOST);
	struct handing *h = (struct handing *)aligned_alloc(128, sizeof *h);
	if (h == NULL)
		die("out of memory");
	*h = (struct handing){ .hander = hander, .both_ways = both_ways };
	h->state = hander->kind->setup != NULL ? hander->kind->setup() : NULL;
	handings[handing_count++] = h;
	series_add(name, 2, 1, take, h);
}

void handed_add(void)
{
	if (cpu_count() < 2)
		return; // the other thread needs a CPU of its own
	for (size_t i = 0; i < hander_count; i++) {
		if (handers[i].take == NULL)
			continue;
		add(&handers[i], handers[i].name, false);
		if (handers[i].both_ways != NULL)
			add(&handers[i], handers[i].both_ways, true);
	}
}

void handed_remove(void)
{
	while (handing_count > 0) {
		struct handing *h = handings[--handing_count];
		if (h->hander->kind->teardown != NULL)
			h->hander->kind->teardown(h->state);
		free(h);
	}
}
