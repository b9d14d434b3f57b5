// SPDX-License-Identifier: MIT OR Apache-2.0
// Callers' bugs with mutexes and condition variables: each done in a forked child, which must die by abort() with a message
// that names the function, the object, and who holds what.
#include "test.h"
#include "child.h"
#include "threads.h"

#include <psref/kmutex.h>

// Made before the fork, so that addresses are known.
static kmutex_t mutex, held, zeroed, gone;
static kcondvar_t cv, cv_zeroed, cv_gone;
static int inside;

// The compiler must not see that a NULL is passed on purpose.
static kmutex_t *volatile no_mutex;
static kcondvar_t *volatile no_cv;
static const char *volatile no_wmesg;

static void set_up(void)
{
	mutex_init(&mutex, MUTEX_DEFAULT, IPL_NONE);
	mutex_init(&held, MUTEX_DEFAULT, IPL_NONE);
	mutex_init(&gone, MUTEX_DEFAULT, IPL_NONE);
	mutex_destroy(&gone);
	mutex_enter(&held);
	cv_init(&cv, "wmesg");
	cv_init(&cv_gone, "gone");
	cv_destroy(&cv_gone);
}

static void *enter_and_stay(void *unused)
{
	mutex_enter(&mutex);
	// The expected word goes ahead of the message.
	fprintf(stderr, "held by pthread %#llx;", (unsigned long long)(uintptr_t)pthread_self());
	STORE(&inside, 1);
	while (unused == NULL)
		pause();
	return unused;
}

static void *wait_for_ever(void *unused)
{
	mutex_enter(&mutex);
	STORE(&inside, 1);
	for (;;)
		cv_wait(&cv, &mutex);
	return unused;
}

// Until the waiter is counted: it has the mutex from before that until it sleeps.
static void have(void *(*run)(void *))
{
	start(run, NULL);
	wait_until_set(&inside);
}

struct bug {
	const char *who, *what;
	const void *object; // named by its address
};

static void check(void (*misuse)(void *), const struct bug *bugs, size_t n)
{
	char tid[40];
	for (size_t i = 0; i < n; i++) {
		struct ended ended = in_child(misuse, (void *)i);
		CHECK_FATAL(ended, bugs[i].who, bugs[i].what);
		if (bugs[i].object != NULL && !has_address(ended.words, bugs[i].object))
			FAIL("bug %zu: no address of the object in: %.300s", i, ended.words);
		snprintf(tid, sizeof tid, "thread %d ", ended.pid);
		if (strstr(bugs[i].what, "; the caller") != NULL && strstr(ended.words, tid) == NULL)
			FAIL("bug %zu: no \"%s\" in: %.300s", i, tid, ended.words);
	}
}

static void misuse_mutex(void *which)
{
	switch ((int)(intptr_t)which) {
	case 0: mutex_enter(&held); break;
	case 1: mutex_exit(&mutex); break;
	case 2: mutex_destroy(&held); break;
	case 3:
		have(enter_and_stay);
		mutex_exit(&mutex);
		break;
	case 4:
		have(enter_and_stay);
		mutex_destroy(&mutex);
		break;
	case 5: // twice
		mutex_exit(&held);
		mutex_exit(&held);
		break;
	case 6: mutex_enter(&zeroed); break;
	case 7: mutex_exit(&zeroed); break;
	case 8: mutex_tryenter(&zeroed); break;
	case 9: mutex_destroy(&zeroed); break;
	case 10: mutex_enter(&gone); break;
	case 11: mutex_exit(&gone); break;
	case 12: mutex_tryenter(&gone); break;
	case 13: mutex_destroy(&gone); break;
	case 14: mutex_init(no_mutex, MUTEX_DEFAULT, IPL_NONE); break;
	case 15: mutex_enter(no_mutex); break;
	case 16: mutex_exit(no_mutex); break;
	case 17: mutex_tryenter(no_mutex); break;
	case 18: mutex_destroy(no_mutex); break;
	default: break;
	}
}

static void misuse_of_a_mutex_is_named(void)
{
	static const struct bug bugs[] = {
		{ "mutex_enter: ", "locking against myself: held by the caller", &held },
		{ "mutex_exit: ", "does not hold: held by nobody; the caller is", &mutex },
		{ "mutex_destroy: ", "destroying a held mutex: held by the caller", &held },
		{ "mutex_exit: ", "does not hold: held by pthread", &mutex },
		{ "mutex_destroy: ", "destroying a held mutex: held by pthread", &mutex },
		{ "mutex_exit: ", "does not hold: held by nobody", &held },
		{ "mutex_enter: ", "never initialised", &zeroed },
		{ "mutex_exit: ", "never initialised", &zeroed },
		{ "mutex_tryenter: ", "never initialised", &zeroed },
		{ "mutex_destroy: ", "never initialised", &zeroed },
		{ "mutex_enter: ", "already destroyed", &gone },
		{ "mutex_exit: ", "already destroyed", &gone },
		{ "mutex_tryenter: ", "already destroyed", &gone },
		{ "mutex_destroy: ", "already destroyed", &gone },
		{ "mutex_init: ", "the mutex is NULL", NULL },
		{ "mutex_enter: ", "the mutex is NULL", NULL },
		{ "mutex_exit: ", "the mutex is NULL", NULL },
		{ "mutex_tryenter: ", "the mutex is NULL", NULL },
		{ "mutex_destroy: ", "the mutex is NULL", NULL },
	};
	set_up();
	check(misuse_mutex, bugs, COUNT(bugs));
}

static void exit_anothers(void *unused)
{
	(void)unused;
	have(enter_and_stay);
	mutex_exit(&mutex);
}

static void the_other_thread_that_holds_it_is_named(void)
{
	set_up();
	struct ended ended = in_child(exit_anothers, NULL);
	// Said twice: by the test, which knows the thread, and by the library.
	char expected[64];
	char *first = strstr(ended.words, "psref: fatal");
	CHECK(first != NULL && first != ended.words);
	snprintf(expected, sizeof expected, "%.*s", (int)(first - ended.words), ended.words);
	CHECK(strstr(first, expected) != NULL);
}

static void misuse_condition(void *which)
{
	switch ((int)(intptr_t)which) {
	case 0: cv_wait(&cv, &mutex); break;
	case 1: cv_wait_sig(&cv, &mutex); break;
	case 2: cv_timedwait(&cv, &mutex, 1); break;
	case 3: cv_timedwait_sig(&cv, &mutex, 1); break;
	case 4:
		have(enter_and_stay);
		cv_wait(&cv, &mutex);
		break;
	case 5: cv_timedwait(&cv, &held, -1); break;
	case 6: cv_timedwait_sig(&cv, &held, -7); break;
	case 7: cv_wait(&cv_zeroed, &held); break;
	case 8: cv_signal(&cv_zeroed); break;
	case 9: cv_broadcast(&cv_zeroed); break;
	case 10: cv_destroy(&cv_zeroed); break;
	case 11: cv_wait_sig(&cv_gone, &held); break;
	case 12: cv_signal(&cv_gone); break;
	case 13: cv_broadcast(&cv_gone); break;
	case 14: cv_destroy(&cv_gone); break;
	case 15: cv_init(&cv, no_wmesg); break;
	case 16: cv_init(no_cv, "x"); break;
	case 17: cv_wait(no_cv, &held); break;
	case 18: cv_wait(&cv, no_mutex); break;
	case 19: cv_signal(no_cv); break;
	case 20: cv_broadcast(no_cv); break;
	case 21: cv_destroy(no_cv); break;
	case 22: cv_timedwait(&cv, &zeroed, 1); break;
	case 23: cv_timedwait(&cv, &gone, 1); break;
	case 24:
		have(wait_for_ever);
		mutex_enter(&mutex);
		cv_destroy(&cv);
		break;
	case 25: // woken, and still inside: its wait wants the mutex
		have(wait_for_ever);
		mutex_enter(&mutex);
		cv_broadcast(&cv);
		cv_destroy(&cv);
		break;
	default: break;
	}
}

static void misuse_of_a_condition_variable_is_named(void)
{
	static const struct bug bugs[] = {
		{ "cv_wait: ", "without holding the mutex: held by nobody; the caller is", &mutex },
		{ "cv_wait_sig: ", "without holding the mutex: held by nobody", &mutex },
		{ "cv_timedwait: ", "without holding the mutex: held by nobody", &mutex },
		{ "cv_timedwait_sig: ", "without holding the mutex: held by nobody", &mutex },
		{ "cv_wait: ", "without holding the mutex: held by pthread", &mutex },
		{ "cv_timedwait: ", "(\"wmesg\"): negative ticks: -1", &cv },
		{ "cv_timedwait_sig: ", "(\"wmesg\"): negative ticks: -7", &cv },
		{ "cv_wait: ", "never initialised", &cv_zeroed },
		{ "cv_signal: ", "never initialised", &cv_zeroed },
		{ "cv_broadcast: ", "never initialised", &cv_zeroed },
		{ "cv_destroy: ", "never initialised", &cv_zeroed },
		{ "cv_wait_sig: ", "already destroyed", &cv_gone },
		{ "cv_signal: ", "already destroyed", &cv_gone },
		{ "cv_broadcast: ", "already destroyed", &cv_gone },
		{ "cv_destroy: ", "already destroyed", &cv_gone },
		{ "cv_init: ", "wmesg is NULL", &cv },
		{ "cv_init: ", "the condition variable is NULL", NULL },
		{ "cv_wait: ", "the condition variable is NULL", NULL },
		{ "cv_wait: ", "the mutex is NULL", NULL },
		{ "cv_signal: ", "the condition variable is NULL", NULL },
		{ "cv_broadcast: ", "the condition variable is NULL", NULL },
		{ "cv_destroy: ", "the condition variable is NULL", NULL },
		{ "cv_timedwait: ", "never initialised", &zeroed },
		{ "cv_timedwait: ", "already destroyed", &gone },
		{ "cv_destroy: ", "(\"wmesg\"): 1 in a wait, 0 of them woken", &cv },
		{ "cv_destroy: ", "(\"wmesg\"): 1 in a wait, 1 of them woken", &cv },
	};
	set_up();
	check(misuse_condition, bugs, COUNT(bugs));
}

TEST_MAIN(TEST(misuse_of_a_mutex_is_named),
	  TEST(the_other_thread_that_holds_it_is_named),
	  TEST(misuse_of_a_condition_variable_is_named))
