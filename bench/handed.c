// SPDX-License-Identifier: MIT OR Apache-2.0
// Objects taken on one CPU and given back on another: how long an object takes, from the time on the wall. They go from hand
// to hand through one and the same queue, with one producer and one consumer, which take and give 16 at a time out of its
// own places: little of what is measured is the queue's.
#include "ways.h"

#include <stdlib.h>

enum { BATCH = 16, BATCHES = 16 };

// What is at least in the stock meanwhile, whatever is on its way: so it is never empty.
_Static_assert(BATCH * BATCHES <= 256, "half of the smallest stock");

struct batch {
	_Alignas(128) size_t count;
	void *objects[BATCH];
};

struct handing {
	const struct hander *hander;
	void *state;
	_Alignas(128) unsigned arrived;
	uint64_t end; // 0 until both are there
	_Alignas(128) uint64_t put; // batches, written by the producer
	_Alignas(128) uint64_t got; // by the consumer
	_Alignas(128) bool over;
	struct batch batches[BATCHES];
};

enum { HANDINGS_MOST = 16 };
static struct handing *handings[HANDINGS_MOST];
static size_t handing_count;

static void produce(struct handing *h, struct worker *worker)
{
	uint64_t put = h->put, seen = h->got, objects = 0;
	for (unsigned i = 1;; i++) {
		if (i % 64 == 0 && wall_ns() >= h->end)
			break;
		while (put - seen == BATCHES)
			seen = __atomic_load_n(&h->got, __ATOMIC_ACQUIRE);
		struct batch *batch = &h->batches[put % BATCHES];
		batch->count = h->hander->take(h->state, batch->objects, BATCH);
		objects += batch->count;
		__atomic_store_n(&h->put, ++put, __ATOMIC_RELEASE);
	}
	STORE(&h->over, true);
	worker->pairs = objects;
}

static void consume(struct handing *h)
{
	uint64_t got = h->got;
	for (;;) {
		bool over = LOAD(&h->over);
		uint64_t seen = __atomic_load_n(&h->put, __ATOMIC_ACQUIRE);
		if (seen == got && over)
			break;
		for (; got != seen; __atomic_store_n(&h->got, ++got, __ATOMIC_RELEASE)) {
			struct batch *batch = &h->batches[got % BATCHES];
			h->hander->give(h->state, batch->objects, batch->count);
		}
	}
}

static void run(struct worker *worker, void *what)
{
	struct handing *h = (struct handing *)what;
	if (__atomic_add_fetch(&h->arrived, 1, __ATOMIC_SEQ_CST) == 2)
		STORE(&h->end, wall_ns() + slice_ns);
	while (LOAD(&h->end) == 0)
		continue;
	uint64_t wall = wall_ns(), cpu = cpu_ns();
	worker->pairs = 0;
	if (worker->index == 0)
		produce(h, worker);
	else
		consume(h);
	worker->cpu_ns = cpu_ns() - cpu;
	worker->wall_ns = wall_ns() - wall;
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
		h->over = false;
		workers_begin(0, 2, run, h);
		workers = workers_end(2);
		together = workers[0].cpu_ns * 20 > workers[0].wall_ns * 19 && workers[1].cpu_ns * 20 > workers[1].wall_ns * 19;
	}
	uint64_t wall = workers[0].wall_ns > workers[1].wall_ns ? workers[0].wall_ns : workers[1].wall_ns;
	if (workers[0].pairs == 0)
		die("%s handed nothing over", h->hander->name);
	samples[0] = (double)wall / (double)workers[0].pairs;
	return 1;
}

void handed_add(void)
{
	if (cpu_count() < 2)
		return; // the other thread needs a CPU of its own
	for (size_t i = 0; i < hander_count; i++) {
		const struct hander *hander = &handers[i];
		if (hander->take == NULL)
			continue;
		if (handing_count == HANDINGS_MOST)
			die("more than %d ways to hand over", HANDINGS_MOST);
		struct handing *h = (struct handing *)aligned_alloc(128, sizeof *h);
		if (h == NULL)
			die("out of memory");
		*h = (struct handing){ .hander = hander };
		h->state = hander->kind->setup != NULL ? hander->kind->setup() : NULL;
		handings[handing_count++] = h;
		series_add(hander->name, 2, 1, take, h);
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
