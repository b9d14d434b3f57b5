// SPDX-License-Identifier: MIT OR Apache-2.0
// The cost of destroying, beside one membarrier: alone, with another thread that holds and lets go all the time, and with as
// many and with more of them than there are CPUs.
//
// The membarrier is what a drain cannot do without. It is dear where it interrupts another CPU that runs this process, so
// with one other thread only the calls count during which that thread was seen to run. Where the caller shares its CPU, every
// call counts, and between two the caller sleeps: it comes as somebody who destroys something now and then, and finds
// others preempted wherever they were.
#include "bench.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { CALLS = 16, TRIES = 8 * CALLS, LATE_CALLS = 64, PAUSE_NS = 300000 };

const unsigned crowds[CROWDS] = { 0, 1, CPUS, THREADS };

// What the others do.
static struct {
	const struct contestant *way;
	void *state;
	int stop;
	struct {
		_Alignas(128) uint64_t turns;
	} by[THREADS];
} busy;

// One destroyer and one number of others.
struct scene {
	const struct destroyer *destroyer;
	const struct contestant *way;
	void *state; // of the others
	unsigned others;
	char waited_name[64];
	struct series *calls, *waited;
};
enum { SCENES_MOST = 96 };
static struct scene scenes[SCENES_MOST];
static size_t scene_count;

static void hold_all_the_time(struct worker *worker, void *what)
{
	uint64_t *turns = &busy.by[worker->index].turns;
	(void)what;
	contestant_join(busy.way);
	while (!LOAD(&busy.stop)) {
		busy.way->op(busy.state, 8);
		__atomic_store_n(turns, *turns + 1, __ATOMIC_RELAXED);
	}
	contestant_leave(busy.way);
}

// The second worker comes first, for the first one shares the CPU of the thread that measures.
static unsigned first_of(unsigned others)
{
	return others == 1 ? 1 : 0;
}

static void others_begin(const struct scene *scene)
{
	unsigned first = first_of(scene->others);
	uint64_t before[THREADS];
	busy.way = scene->way;
	busy.state = scene->state;
	STORE(&busy.stop, 0);
	for (unsigned i = 0; i < scene->others; i++)
		before[i] = LOAD(&busy.by[first + i].turns);
	if (scene->others > 0)
		workers_begin(first, scene->others, hold_all_the_time, NULL);
	for (unsigned i = 0; i < scene->others; i++)
		while (LOAD(&busy.by[first + i].turns) == before[i])
			sched_yield();
}

static void others_end(const struct scene *scene)
{
	STORE(&busy.stop, 1);
	if (scene->others > 0)
		workers_end(scene->others);
}

static long sleeps(void)
{
	struct rusage usage;
	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nvcsw;
}

// One call; `slept`: whether the caller gave its CPU away by itself, which is to wait.
static double one_call(const struct scene *scene, bool *slept)
{
	const struct destroyer *d = scene->destroyer;
	if (d->prepare != NULL)
		d->prepare();
	long before = sleeps();
	uint64_t began = wall_ns();
	d->call();
	uint64_t ended = wall_ns();
	*slept = sleeps() != before;
	if (d->finish != NULL)
		d->finish();
	return (double)(ended - began);
}

static size_t take(struct series *series, double *samples, size_t room)
{
	const struct scene *scene = (const struct scene *)series->what;
	const struct timespec pause = { .tv_nsec = PAUSE_NS };
	bool shared_cpu = scene->others > 1, slept;
	size_t count = 0, most = shared_cpu ? LATE_CALLS : CALLS;
	others_begin(scene);
	uint64_t end = wall_ns() + (shared_cpu ? long_slice_ns : UINT64_MAX / 2);
	for (unsigned i = 0; i < TRIES && count < most && count < room && wall_ns() < end; i++) {
		if (shared_cpu)
			nanosleep(&pause, NULL);
		uint64_t turns = LOAD(&busy.by[first_of(scene->others)].turns);
		double ns = one_call(scene, &slept);
		if (scene->others == 1 && LOAD(&busy.by[first_of(1)].turns) == turns)
			continue;
		samples[count++] = ns;
		if (slept)
			series_put(scene->waited, ns);
	}
	others_end(scene);
	return count;
}

bool crowd_possible(unsigned others)
{
	// One other needs a CPU of its own; as many as CPUs are too few to show anything where there is but one.
	return others == 0 || others > CPUS || cpu_count() > 1;
}

static struct scene *scene_find(const char *name, unsigned others)
{
	for (size_t i = 0; i < scene_count; i++)
		if (scenes[i].others == others && strcmp(scenes[i].destroyer->name, name) == 0)
			return &scenes[i];
	return NULL;
}

struct series *destroy_calls(const char *name, unsigned others)
{
	struct scene *scene = scene_find(name, others);
	return scene == NULL ? NULL : scene->calls;
}

struct series *destroy_waited(const char *name, unsigned others)
{
	struct scene *scene = scene_find(name, others);
	return scene == NULL ? NULL : scene->waited;
}

void destroy_add(void)
{
	// The library has done so itself, unless its back end needs none.
	bool barrier = syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ, 0, 0) == 0;
	for (size_t i = 0; i < destroyer_count; i++) {
		const struct destroyer *d = &destroyers[i];
		const struct contestant *way = contestant_find(d->busy);
		if (d->call == NULL || way->op == NULL || (!barrier && strcmp(d->name, MEMBARRIER) == 0))
			continue;
		void *state = contestant_setup(way);
		for (unsigned j = 0; j < CROWDS; j++) {
			if (!crowd_possible(crowds[j]))
				continue;
			if (scene_count == SCENES_MOST)
				die("more than %d destroyers and numbers of threads", SCENES_MOST);
			struct scene *scene = &scenes[scene_count++];
			*scene = (struct scene){ .destroyer = d, .way = way, .state = state, .others = crowds[j] };
			scene->calls = series_add(d->name, 1 + crowds[j], crowds[j] > 1 ? NOT_OFTEN : 1, take, scene);
			snprintf(scene->waited_name, sizeof scene->waited_name, "%s, waited", d->name);
			scene->waited = series_add(scene->waited_name, 1 + crowds[j], 0, NULL, NULL);
		}
	}
}

void destroy_remove(void)
{
	for (size_t i = 0; i < scene_count; i++)
		if (i == 0 || scenes[i].state != scenes[i - 1].state || scenes[i].destroyer != scenes[i - 1].destroyer)
			contestant_teardown(scenes[i].way, scenes[i].state);
}
