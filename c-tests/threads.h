// SPDX-License-Identifier: MIT OR Apache-2.0
// Threads, CPUs, clocks and memory, as the C tests use them. After test.h.
#ifndef PSREF_C_TESTS_THREADS_H
#define PSREF_C_TESTS_THREADS_H

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define LOAD(place) __atomic_load_n(place, __ATOMIC_SEQ_CST)
#define STORE(place, value) __atomic_store_n(place, value, __ATOMIC_SEQ_CST)
#define ADD(place, value) __atomic_fetch_add(place, value, __ATOMIC_SEQ_CST)

static inline double seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static inline void nap(long microseconds)
{
	struct timespec t = { microseconds / 1000000, microseconds % 1000000 * 1000 };
	nanosleep(&t, NULL);
}

// Whether the calling thread may turn once more, where every turn waits for other threads to be scheduled: on a loaded machine
// fewer turns are no failure. A third of the test's patience from the first time it is asked, when it always says yes.
static inline bool has_time(void)
{
	static __thread double began;
	double now = seconds();
	if (began == 0)
		began = now;
	return now - began <= (double)test_patience() / 3;
}

// So many turns of nothing: a short delay that makes no system call.
static inline void spin(uint64_t turns)
{
	while (turns-- > 0)
		__asm__ volatile("");
}

// A wake-up that is lost must hang: nobody looks again by himself before the test is over.
static inline void no_second_look(void)
{
	setenv("PSREF_DRAIN_WARN", "3600", 1);
}

// xorshift64*: the same sequence for the same seed, everywhere.
static inline uint64_t random_number(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (*state * 2685821657736338717ULL) >> 16;
}

struct bound_thread {
	void *(*run)(void *);
	void *argument;
	int begun;
};

static inline void *run_bound(void *argument)
{
	struct bound_thread *thread = (struct bound_thread *)argument;
	void *(*run)(void *) = thread->run;
	argument = thread->argument;
	STORE(&thread->begun, 1);
	psref_curlwp_bind();
	return run(argument);
}

static inline pthread_t start(void *(*run)(void *), void *argument)
{
	pthread_t thread;
	struct bound_thread bound = { run, argument, 0 };
	bool binds = test_binds();
	int error = pthread_create(&thread, NULL, binds ? run_bound : run, binds ? &bound : argument);
	while (binds && error == 0 && LOAD(&bound.begun) == 0)
		sched_yield();
	if (error != 0)
		FAIL("pthread_create: %s", strerror(error));
	return thread;
}

static inline void join(pthread_t thread)
{
	int error = pthread_join(thread, NULL);
	if (error != 0)
		FAIL("pthread_join: %s", strerror(error));
}

// Runs something in a thread of its own, from birth to death.
static inline void elsewhere(void *(*run)(void *), void *argument)
{
	join(start(run, argument));
}

static inline int thread_id(void)
{
	return (int)syscall(SYS_gettid);
}

// What the calling thread has computed so far, in seconds; sleep does not count.
static inline double cpu_seconds(void)
{
	struct timespec used;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
	return (double)used.tv_sec + (double)used.tv_nsec * 1e-9;
}

static inline void handle_with(void (*handler)(int), int signal_number, int flags)
{
	struct sigaction action;
	memset(&action, 0, sizeof action);
	action.sa_handler = handler;
	action.sa_flags = flags;
	sigaction(signal_number, &action, NULL);
}

static inline void wait_until_set(const int *flag)
{
	for (unsigned turn = 0; LOAD(flag) == 0; turn++) {
		if (turn < 100)
			sched_yield();
		else
			nap(50);
	}
}

// Looks until the thread has gone to sleep, two seconds at most: makes it likely that a drain has come to where it waits,
// and is never what a test's verdict rests on.
static inline void wait_until_asleep(const int *tid)
{
	char path[64], text[256];
	double end = seconds() + 2;
	wait_until_set(tid);
	snprintf(path, sizeof path, "/proc/self/task/%d/stat", LOAD(tid));
	for (int asleep = 0; asleep < 3 && seconds() < end; nap(200)) {
		int file = open(path, O_RDONLY);
		ssize_t n = file < 0 ? -1 : read(file, text, sizeof text - 1);
		close(file);
		text[n > 0 ? n : 0] = '\0';
		const char *state = strrchr(text, ')');
		asleep = state != NULL && state[1] == ' ' && state[2] == 'S' ? asleep + 1 : 0;
	}
}

// The i-th CPU that the process may use, round and round; asked of the kernel before anybody is pinned.
static inline int cpu_number(unsigned i)
{
	static cpu_set_t allowed;
	static int count = 0;
	if (LOAD(&count) == 0) {
		sched_getaffinity(0, sizeof allowed, &allowed);
		STORE(&count, CPU_COUNT(&allowed));
	}
	i %= (unsigned)count;
	for (int cpu = 0;; cpu++)
		if (CPU_ISSET(cpu, &allowed) && i-- == 0)
			return cpu;
}

static inline unsigned cpu_count(void)
{
	cpu_set_t allowed;
	sched_getaffinity(0, sizeof allowed, &allowed);
	return (unsigned)CPU_COUNT(&allowed);
}

// The calling thread runs on the i-th CPU from here on.
static inline void pin(unsigned i)
{
	cpu_set_t one;
	CPU_ZERO(&one);
	CPU_SET(cpu_number(i), &one);
	if (sched_setaffinity(0, sizeof one, &one) != 0)
		FAIL("sched_setaffinity: %s", strerror(errno));
}

// A line of /proc/self/status, such as "VmRSS:", in kB.
static inline long memory_kb(const char *line)
{
	char text[4096];
	int file = open("/proc/self/status", O_RDONLY);
	ssize_t n = read(file, text, sizeof text - 1);
	close(file);
	text[n > 0 ? n : 0] = '\0';
	const char *found = strstr(text, line);
	if (found == NULL)
		FAIL("no %s in /proc/self/status", line);
	return atol(found + strlen(line));
}

// What the process has, in kB, and what it may have more of after a while: malloc's and the kernel's own movements, less
// than a leaked word a turn.
struct footprint {
	long resident, size;
};

enum { FOOTPRINT_SLACK_KB = 512 };

static inline struct footprint footprint_now(void)
{
	memory_kb("VmRSS:"); // what looking itself touches is not counted
	struct footprint now = { memory_kb("VmRSS:"), memory_kb("VmSize:") };
	return now;
}

static inline void check_footprint(const char *of, unsigned turns, struct footprint before)
{
	struct footprint after = footprint_now();
	test_note("%u %s: resident %+ld kB, address space %+ld kB", turns, of, after.resident - before.resident,
		  after.size - before.size);
	if (test_memory_is_ours()) {
		CHECK(after.resident - before.resident <= FOOTPRINT_SLACK_KB);
		CHECK(after.size - before.size <= FOOTPRINT_SLACK_KB);
	}
}

// The process gets no more address space than it has, or again as much as it wants.
static inline void limit_memory(bool limited)
{
	struct rlimit now;
	if (limited && !test_memory_is_ours())
		SKIP("limits on memory would hit what the test runs under");
	CHECK_EQ(getrlimit(RLIMIT_AS, &now), 0);
	now.rlim_cur = limited ? (rlim_t)memory_kb("VmSize:") * 1024 : now.rlim_max;
	CHECK_EQ(setrlimit(RLIMIT_AS, &now), 0);
}

#endif
