// SPDX-License-Identifier: MIT OR Apache-2.0
// The cost of destroying: a drain of what nobody holds beside one membarrier, alone and with another thread that holds and
// lets go all the time; and how soon a drain that waits returns after the last release, beside a bare futex.
//
// The membarrier is what a drain cannot do without. It is dear where it interrupts another CPU that runs this process, so
// with another thread only the calls count during which that thread was seen to run.
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <psref/psref.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CALLS = 16, TRIES = 8 * CALLS, WAKES = 4 };

// The other thread's part: pairs of its own target, until told. It is the second worker, for the first one shares the CPU of
// the thread that measures.
static struct busy {
	void *state;
	int stop;
	_Alignas(128) uint64_t turns;
} busy;

static void hold_all_the_time(struct worker *worker, void *what)
{
	(void)worker, (void)what;
	while (!LOAD(&busy.stop)) {
		psref_pairs(busy.state, 8);
		__atomic_store_n(&busy.turns, busy.turns + 1, __ATOMIC_RELAXED);
	}
}

static void one_membarrier(void)
{
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, 0, 0) != 0)
		die("membarrier: %s", strerror(errno));
}

static void one_drain(void)
{
	struct psref_target target;
	psref_target_init(&target, psref_class_of(busy.state));
	psref_target_destroy(&target, psref_class_of(busy.state));
}

struct call {
	void (*call)(void);
};
static struct call membarrier_call = { one_membarrier }, drain_call = { one_drain };

static size_t take_calls(struct series *series, double *samples, size_t room)
{
	const struct call *what = (const struct call *)series->what;
	bool others = series->threads > 1;
	size_t count = 0;
	(void)room;
	if (others) {
		STORE(&busy.stop, 0);
		uint64_t before = LOAD(&busy.turns);
		workers_begin(1, 1, hold_all_the_time, NULL);
		while (LOAD(&busy.turns) == before)
			continue;
	}
	for (unsigned i = 0; i < TRIES && count < CALLS; i++) {
		uint64_t turns = LOAD(&busy.turns), began = wall_ns();
		what->call();
		uint64_t ended = wall_ns();
		if (!others || LOAD(&busy.turns) != turns)
			samples[count++] = (double)(ended - began);
	}
	if (others) {
		STORE(&busy.stop, 1);
		workers_end(1);
	}
	return count;
}

// ---- from release to return

static struct meeting {
	struct psref_target target;
	struct psref_class *class_;
	bool by_futex;
	int file; // of the waiting thread's state
	_Alignas(128) int held;
	int word;
	uint64_t released;
} meeting;

// The kernel's letter for the waiting thread says when it has gone to sleep; two seconds at most.
static void wait_until_asleep(void)
{
	char text[256];
	for (uint64_t end = wall_ns() + 2000000000; wall_ns() < end;) {
		ssize_t n = pread(meeting.file, text, sizeof text - 1, 0);
		text[n > 0 ? n : 0] = '\0';
		const char *state = strrchr(text, ')');
		if (state != NULL && state[1] == ' ' && state[2] == 'S')
			return;
	}
}

static void hold_once(struct worker *worker, void *what)
{
	struct psref psref;
	(void)worker, (void)what;
	if (!meeting.by_futex && psref_acquire(&psref, &meeting.target, meeting.class_) != 0)
		die("a target that nobody drains refused a hold");
	STORE(&meeting.held, 1);
	wait_until_asleep();
	meeting.released = wall_ns();
	if (meeting.by_futex) {
		STORE(&meeting.word, 1);
		syscall(SYS_futex, &meeting.word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
	} else {
		psref_release(&psref, &meeting.target, meeting.class_);
	}
}

static double one_wake(void)
{
	psref_target_init(&meeting.target, meeting.class_);
	STORE(&meeting.held, 0);
	STORE(&meeting.word, 0);
	workers_begin(1, 1, hold_once, NULL);
	while (!LOAD(&meeting.held))
		continue;
	if (meeting.by_futex)
		while (LOAD(&meeting.word) == 0)
			syscall(SYS_futex, &meeting.word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
	else
		psref_target_drain(&meeting.target, meeting.class_);
	uint64_t returned = wall_ns();
	workers_end(1);
	psref_target_destroy(&meeting.target, meeting.class_);
	return (double)(returned - meeting.released);
}

static size_t take_wakes(struct series *series, double *samples, size_t room)
{
	(void)room;
	meeting.by_futex = series->what != NULL;
	for (unsigned i = 0; i < WAKES; i++)
		samples[i] = one_wake();
	return WAKES;
}

void drains_add(void)
{
	char path[64];
	// The other thread needs a CPU of its own.
	unsigned most = cpu_count();
	busy.state = psref_setup();
	meeting.class_ = psref_class_of(busy.state);
	snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)syscall(SYS_gettid));
	meeting.file = open(path, O_RDONLY | O_CLOEXEC);
	if (meeting.file < 0)
		die("%s: %s", path, strerror(errno));
	// The library has done so itself, unless its back end needs none.
	bool barrier = syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ, 0, 0) == 0;
	for (unsigned threads = 1; threads <= most; threads++) {
		if (barrier)
			series_add(MEMBARRIER, threads, 1, take_calls, &membarrier_call);
		series_add(DRAIN, threads, 1, take_calls, &drain_call);
	}
	if (most > 1) {
		series_add(FUTEX, 2, 1, take_wakes, &meeting);
		series_add(WAKE, 2, 1, take_wakes, NULL);
	}
}

void drains_remove(void)
{
	close(meeting.file);
	psref_teardown(busy.state);
}
