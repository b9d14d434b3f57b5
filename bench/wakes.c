// SPDX-License-Identifier: MIT OR Apache-2.0
// How soon a drain that waits returns after the last release, beside a bare futex.
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <psref/psref.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { WAKES = 4 };

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

void wakes_add(void)
{
	char path[64];
	meeting.class_ = psref_class_create("wakes", 0);
	if (meeting.class_ == NULL)
		die("psref_class_create failed");
	snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)syscall(SYS_gettid));
	meeting.file = open(path, O_RDONLY | O_CLOEXEC);
	if (meeting.file < 0)
		die("%s: %s", path, strerror(errno));
	// The other thread needs a CPU of its own.
	if (cpu_count() > 1) {
		series_add(FUTEX, 2, 1, take_wakes, &meeting);
		series_add(WAKE, 2, 1, take_wakes, NULL);
	}
}

void wakes_remove(void)
{
	close(meeting.file);
	psref_class_destroy(meeting.class_);
}
