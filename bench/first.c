// SPDX-License-Identifier: MIT OR Apache-2.0
// First use: the first psref_class_create() of a process, which chooses the back end, looks at the machine and reserves
// memory; and the second, which finds all that done. Every sample is a process of its own; it also tells whether its affinity mask is
// still what it was.
#include "bench.h"

#include <psref/psref.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *program;
static unsigned repinned;

struct answer {
	uint64_t first_ns, second_ns;
	int same_mask;
};

int first_use_child(void)
{
	cpu_set_t before, after;
	CPU_ZERO(&before);
	CPU_ZERO(&after);
	sched_getaffinity(0, sizeof before, &before);
	uint64_t began = wall_ns();
	struct psref_class *class_ = psref_class_create("first", 0);
	struct answer answer = { wall_ns() - began, 0, 0 };
	sched_getaffinity(0, sizeof after, &after);
	answer.same_mask = CPU_EQUAL(&before, &after);
	began = wall_ns();
	struct psref_class *second = psref_class_create("second", 0);
	answer.second_ns = wall_ns() - began;
	return class_ == NULL || second == NULL || write(STDOUT_FILENO, &answer, sizeof answer) != sizeof answer;
}

static struct answer ask(void)
{
	int ends[2], status;
	struct answer answer;
	if (pipe(ends) != 0)
		die("pipe failed");
	pid_t child = fork();
	if (child < 0)
		die("fork failed");
	if (child == 0) {
		cpu_unpin();
		dup2(ends[1], STDOUT_FILENO);
		close(ends[0]);
		close(ends[1]);
		execl(program, program, "--first-use", (char *)NULL);
		_exit(127);
	}
	close(ends[1]);
	ssize_t n = read(ends[0], &answer, sizeof answer);
	close(ends[0]);
	waitpid(child, &status, 0);
	if (n != sizeof answer || status != 0)
		die("a process that makes first use ended with status %d", status);
	repinned += !answer.same_mask;
	return answer;
}

static size_t take(struct series *series, double *samples, size_t room)
{
	(void)series, (void)room;
	samples[0] = (double)ask().first_ns;
	return 1;
}

static size_t take_second(struct series *series, double *samples, size_t room)
{
	(void)series, (void)room;
	samples[0] = (double)ask().second_ns;
	return 1;
}

unsigned first_use_repinned(void)
{
	return repinned;
}

void first_use_add(const char *path)
{
	program = path;
	series_add(FIRST_USE, 1, NOT_OFTEN, take, NULL);
	series_add(LATER_USE, 1, NOT_OFTEN, take_second, NULL);
}
