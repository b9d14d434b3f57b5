// SPDX-License-Identifier: MIT OR Apache-2.0
// Preloaded, it takes something away from a program in the middle. PSREF_POORER in the environment says what:
//   late     membarrier(2) fails with EPERM from the fourth time on that a process asks for the one that drains need
//   threads  threads but the first have no rseq, as those of a C library that registers none
// It speaks for the program's threads, so nothing of it runs where the program does not.
#include "filter.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORTED __attribute__((visibility("default")))

enum { PRIVATE_EXPEDITED_RSEQ = 1 << 7, UNREGISTER = 1, CALLS = 3 };
static const unsigned SIGNATURE = 0x53053053;

typedef long syscall_function(long, ...);
typedef int create_function(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
static syscall_function *next_syscall;
static create_function *next_create;
static bool late, bare;
static int calls;

__attribute__((constructor)) static void begin(void)
{
	const char *what = getenv("PSREF_POORER");
	late = what != NULL && strcmp(what, "late") == 0;
	bare = what != NULL && strcmp(what, "threads") == 0;
	// POSIX's way to a function; ISO C knows no conversion.
	*(void **)&next_syscall = dlsym(RTLD_NEXT, "syscall");
	*(void **)&next_create = dlsym(RTLD_NEXT, "pthread_create");
}

EXPORTED long syscall(long number, ...)
{
	va_list list;
	long a[6];
	va_start(list, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(list, long);
	va_end(list);
	if (late && number == SYS_membarrier && a[0] == PRIVATE_EXPEDITED_RSEQ &&
	    __atomic_fetch_add(&calls, 1, __ATOMIC_SEQ_CST) == CALLS) {
		late = false;
		if (refuse(SYS_membarrier, EPERM) != 0) {
			perror("poorer: seccomp");
			abort();
		}
	}
	return next_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

// Not malloc's: that would make an arena for each thread that frees one.
struct start {
	void *(*function)(void *);
	void *argument;
	bool taken;
};
static struct start starts[4096];

static struct start *take(void)
{
	for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++)
		if (!__atomic_exchange_n(&starts[i].taken, true, __ATOMIC_ACQUIRE))
			return &starts[i];
	return NULL;
}

static void give(struct start *start)
{
	__atomic_store_n(&start->taken, false, __ATOMIC_RELEASE);
}

extern const ptrdiff_t __rseq_offset __attribute__((weak));
extern const unsigned __rseq_size __attribute__((weak));

static void *without_rseq(void *argument)
{
	struct start start = *(struct start *)argument;
	give((struct start *)argument);
	char *area = (char *)__builtin_thread_pointer() + (&__rseq_size != NULL ? __rseq_offset : 0);
	// The second word is the CPU; where it is negative there is nothing to take away.
	if (&__rseq_size != NULL && __rseq_size != 0 && ((volatile int32_t *)(void *)area)[1] >= 0) {
		// What was registered is as large as the area, of which __rseq_size may tell the used part alone.
		static const unsigned sizes[] = { 32, 28, 24, 20, 64, 128 };
		bool done = false;
		for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0] && !done; i++)
			done = next_syscall(SYS_rseq, area, (long)sizes[i], (long)UNREGISTER, (long)SIGNATURE) == 0;
		if (!done) {
			perror("poorer: rseq");
			abort();
		}
	}
	return start.function(start.argument);
}

EXPORTED int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*function)(void *), void *argument)
{
	if (!bare)
		return next_create(thread, attributes, function, argument);
	struct start *start = take();
	if (start == NULL)
		return EAGAIN;
	start->function = function;
	start->argument = argument;
	int error = next_create(thread, attributes, without_rseq, start);
	if (error != 0)
		give(start);
	return error;
}
