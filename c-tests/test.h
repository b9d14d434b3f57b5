// SPDX-License-Identifier: MIT OR Apache-2.0
// The harness of the C tests. A test is a function whose name is a sentence; each runs in a forked child of its own, so
// that an abort or a hang ends one test and not the rest, and so that each makes its own first use of the library.
//
//   test.h     the harness            threads.h  threads, CPUs, clocks, memory
//   child.h    a child's last words   misuse.h   what the misuse tests share
//   filter.h   seccomp filters
//
// Prints "ok - sentence", "not ok - sentence # why", "ok - sentence # SKIP why" and notes that begin with "# ".
// An argument runs only the tests whose names contain it. Environment: PSREF_TEST_SHORT=1 (fewer turns), PSREF_TEST_UNDER
// (what the tests run under: valgrind, asan, qemu), PSREF_TEST_SECONDS (patience with one test). With PSREF_STRICT=1 every thread is bound, as
// strict classes demand.
#ifndef PSREF_C_TESTS_TEST_H
#define PSREF_C_TESTS_TEST_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <psref/lwp.h>

struct test {
	const char *name;
	void (*run)(void);
};

#define TEST(function) { #function, function }
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

// Shared with the child that runs the test: why it failed or was skipped.
static char *test_why;
enum { TEST_WHY = 512, TEST_FAILED = 1, TEST_SKIPPED = 77 };

__attribute__((format(printf, 2, 3), noreturn)) static inline void test_end(int status, const char *format, ...)
{
	va_list arguments;
	// The first to tell is the cause.
	if (test_why[0] == '\0') {
		va_start(arguments, format);
		vsnprintf(test_why, TEST_WHY, format, arguments);
		va_end(arguments);
	}
	_exit(status);
}

#define FAIL(...) test_end(TEST_FAILED, __VA_ARGS__)
#define SKIP(...) test_end(TEST_SKIPPED, __VA_ARGS__)

#define CHECK(condition)                                                                                               \
	do {                                                                                                           \
		if (!(condition))                                                                                      \
			FAIL("line %d: %s", __LINE__, #condition);                                                     \
	} while (0)

#define CHECK_EQ(seen, expected)                                                                                       \
	do {                                                                                                           \
		long long seen_ = (long long)(seen), expected_ = (long long)(expected);                                \
		if (seen_ != expected_)                                                                                \
			FAIL("line %d: %s is %lld, expected %lld", __LINE__, #seen, seen_, expected_);                 \
	} while (0)

// A figure for the reader; nothing is asserted by it.
__attribute__((format(printf, 1, 2))) static inline void test_note(const char *format, ...)
{
	char line[256];
	va_list arguments;
	va_start(arguments, format);
	int n = vsnprintf(line, sizeof line, format, arguments);
	va_end(arguments);
	printf("# %.*s\n", n < (int)sizeof line ? n : (int)sizeof line - 1, line);
	fflush(stdout);
}

static inline bool test_short(void)
{
	return getenv("PSREF_TEST_SHORT") != NULL;
}

// How often to turn: a twentieth where time is dear.
static inline unsigned test_turns(unsigned turns)
{
	return !test_short() ? turns : turns < 20 ? 1 : turns / 20;
}

static inline bool test_under(const char *what)
{
	const char *under = getenv("PSREF_TEST_UNDER");
	return under != NULL && strcmp(under, what) == 0;
}

// Whether threads but the first have lost their rseq (poorer.c): on which CPU they are is not known then.
static inline bool test_threads_without_rseq(void)
{
	const char *poorer = getenv("PSREF_POORER");
	return poorer != NULL && strcmp(poorer, "threads") == 0;
}

// For tests of what qemu-user does not do: run.sh leaves out the programs that are about such things alone.
static inline void test_not_under_qemu(const char *why)
{
	if (test_under("qemu"))
		SKIP("%s", why);
}

// Whether what the library makes is strict.
static inline bool test_strict(void)
{
	const char *strict = getenv("PSREF_STRICT");
	return strict != NULL && strcmp(strict, "1") == 0;
}

// Whether threads are bound from their beginning. Not in programs about CPUs and who is bound to them: those define
// TEST_BINDS_ITSELF.
static inline bool test_binds(void)
{
#ifdef TEST_BINDS_ITSELF
	return false;
#else
	return test_strict();
#endif
}

// For tests of what strict mode forbids or does not do.
static inline void test_not_strict(const char *why)
{
	if (test_strict())
		SKIP("%s", why);
}

// Whether the process's memory is its own to measure and to limit.
static inline bool test_memory_is_ours(void)
{
	return !test_under("valgrind") && !test_under("asan") && !test_under("qemu");
}

static inline time_t test_patience(void)
{
	const char *told = getenv("PSREF_TEST_SECONDS");
	return told != NULL ? (time_t)atoi(told) : test_short() ? 120 : 60;
}

static inline void test_print(const char *verdict, const char *name, const char *remark, const char *why)
{
	char sentence[160];
	size_t i = 0;
	for (; name[i] != '\0' && i < sizeof sentence - 1; i++)
		sentence[i] = name[i] == '_' ? ' ' : name[i];
	sentence[i] = '\0';
	printf("%s - %s%s%s\n", verdict, sentence, remark, why);
	fflush(stdout);
}

// Where the threads of a test that hung and of its children are, to stderr; what nobody could find out after the kill.
static inline void test_tell_where(pid_t child)
{
	char command[500];
	snprintf(command, sizeof command,
		 "exec >&2 2>/dev/null; for p in $(awk '{ id = $1; sub(/.*\\) /, \"\"); if ($3 == %d) print id }' /proc/[0-9]*/stat); do "
		 "for t in /proc/$p/task/*; do echo \"$t: $(cat $t/wchan), call $(cat $t/syscall)\"; done; "
		 "command -v gdb >/dev/null && timeout 30 gdb -p $p -batch -ex 'thread apply all bt'; done",
		 (int)child);
	if (system(command) != 0)
		fputs("no debugger tells more\n", stderr);
}

// Waits for the test's child, but not for ever. Not by alarm(): a test may need the process's one real-time timer itself,
// and what a test forks would not have the alarm.
static inline bool test_wait(pid_t child, int *status)
{
	struct timespec end, now, left;
	sigset_t chld;
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += test_patience();
	while (waitpid(child, status, WNOHANG) == 0) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		left.tv_sec = end.tv_sec - now.tv_sec;
		left.tv_nsec = 0;
		if (left.tv_sec <= 0) {
			test_tell_where(child);
			kill(-child, SIGKILL);
			waitpid(child, status, 0);
			return false;
		}
		sigtimedwait(&chld, NULL, &left);
	}
	// What the test left behind.
	kill(-child, SIGKILL);
	return true;
}

static inline bool test_one(const struct test *test)
{
	int status = 0;
	test_why[0] = '\0';
	fflush(NULL);
	pid_t child = fork();
	if (child == 0) {
		sigset_t chld;
		sigemptyset(&chld);
		sigaddset(&chld, SIGCHLD);
		setpgid(0, 0);
		sigprocmask(SIG_UNBLOCK, &chld, NULL);
		if (test_binds())
			psref_curlwp_bind();
		test->run();
		exit(0); // not _exit: a leak checker has its look
	}
	setpgid(child, child);
	bool in_time = test_wait(child, &status);
	test_why[TEST_WHY - 1] = '\0';
	if (!in_time) {
		test_print("not ok", test->name, " # hung; ", test_why);
	} else if (WIFSIGNALED(status)) {
		test_print("not ok", test->name, " # killed: ", strsignal(WTERMSIG(status)));
	} else if (WEXITSTATUS(status) == TEST_SKIPPED) {
		test_print("ok", test->name, " # SKIP ", test_why);
		return true;
	} else if (WEXITSTATUS(status) != 0) {
		if (test_why[0] == '\0')
			snprintf(test_why, TEST_WHY, "exit status %d", WEXITSTATUS(status));
		test_print("not ok", test->name, " # ", test_why);
	} else {
		test_print("ok", test->name, "", "");
		return true;
	}
	return false;
}

static inline int test_main(const struct test *tests, size_t n, int argc, char **argv)
{
	sigset_t chld;
	int failed = 0;
	test_why = (char *)mmap(NULL, TEST_WHY, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, NULL); // for sigtimedwait
	for (size_t i = 0; i < n; i++)
		if (argc < 2 || strstr(tests[i].name, argv[1]) != NULL)
			failed += !test_one(&tests[i]);
	return failed != 0;
}

#define TEST_MAIN(...)                                                                                                 \
	int main(int argc, char **argv)                                                                                \
	{                                                                                                              \
		static const struct test tests[] = { __VA_ARGS__ };                                                    \
		return test_main(tests, COUNT(tests), argc, argv);                                                     \
	}

#endif
