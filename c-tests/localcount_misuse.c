// SPDX-License-Identifier: MIT OR Apache-2.0
// Callers' bugs with counts: each done in a forked child, which must die by abort() with a message that names the function,
// the count, what was seen and what was expected. And drains that take long, which only tell.
#include "test.h"
#include "child.h"
#include "filter.h"
#include "threads.h"

#include <psref/localcount.h>
#include <psref/psref.h>

// Made before the fork, so that addresses are known.
static struct localcount count, held, drained, tried, finished, zeroed;
static kmutex_t mutex, other;
static kcondvar_t cv;
static int tid, go_on;

// The compiler must not see that a NULL is passed on purpose.
static struct localcount *volatile no_count;
static kmutex_t *volatile no_mutex;
static kcondvar_t *volatile no_cv;

static void set_up_held(void)
{
	mutex_init(&mutex, MUTEX_DEFAULT, IPL_NONE);
	mutex_init(&other, MUTEX_DEFAULT, IPL_NONE);
	cv_init(&cv, "misuse");
	CHECK_EQ(localcount_init(&held), 0);
	for (int i = 0; i < 3; i++)
		localcount_acquire(&held);
}

static void set_up(void)
{
	no_second_look();
	set_up_held();
	CHECK_EQ(localcount_init(&count), 0);
	CHECK_EQ(localcount_init(&drained), 0);
	CHECK_EQ(localcount_init(&tried), 0);
	CHECK_EQ(localcount_init(&finished), 0);
	mutex_enter(&mutex);
	localcount_drain(&drained, &cv, &mutex);
	localcount_drain(&finished, &cv, &mutex);
	mutex_exit(&mutex);
	localcount_fini(&finished);
	CHECK(localcount_trydrain(&tried));
}

static void drain_locked(struct localcount *which)
{
	if (!mutex_owned(&mutex))
		mutex_enter(&mutex);
	localcount_drain(which, &cv, &mutex);
}

static void *drain_held(void *unused)
{
	mutex_enter(&mutex);
	STORE(&tid, thread_id());
	localcount_drain(&held, &cv, &mutex);
	mutex_exit(&mutex);
	return unused;
}

// A drain in another thread that waits for the three references.
static pthread_t start_drain(void)
{
	pthread_t drainer = start(drain_held, NULL);
	wait_until_asleep(&tid);
	return drainer;
}

struct bug {
	const char *who, *what;
	const struct localcount *named; // by its address
};

static void check(void (*misuse)(void *), const struct bug *bugs, size_t n)
{
	set_up();
	for (size_t i = 0; i < n; i++) {
		struct ended ended = in_child(misuse, (void *)i);
		CHECK_FATAL(ended, bugs[i].who, bugs[i].what);
		if (bugs[i].named != NULL && !has_address(ended.words, bugs[i].named))
			FAIL("bug %zu: no address of the count in: %.300s", i, ended.words);
	}
}

static void with_null(void *which)
{
	switch ((int)(intptr_t)which) {
	case 0: localcount_init(no_count); break;
	case 1: localcount_fini(no_count); break;
	case 2: drain_locked(no_count); break;
	case 3: localcount_trydrain(no_count); break;
	case 4: localcount_debug_refcnt(no_count); break;
	default: break;
	}
}

static void NULL_is_named_with_the_function(void)
{
	static const struct bug bugs[] = {
		{ "localcount_init: ", "localcount is NULL", NULL },
		{ "localcount_fini: ", "localcount is NULL", NULL },
		{ "localcount_drain: ", "localcount is NULL", NULL },
		{ "localcount_trydrain: ", "localcount is NULL", NULL },
		{ "localcount_debug_refcnt: ", "localcount is NULL", NULL },
	};
	check(with_null, bugs, COUNT(bugs));
}

static void while_it_drains(void *which)
{
	start_drain();
	switch ((int)(intptr_t)which) {
	case 0: localcount_acquire(&held); break;
	case 1: localcount_trydrain(&held); break;
	case 2: localcount_fini(&held); break;
	case 3: localcount_release(&held, no_cv, &mutex); break;
	case 4: localcount_release(&held, &cv, no_mutex); break;
	case 5: // would wait for itself
		mutex_enter(&mutex);
		localcount_release(&held, &cv, &mutex);
		break;
	case 6: drain_locked(&held); break;
	default: break;
	}
}

static void what_must_not_be_done_while_a_drain_waits_is_told(void)
{
	test_not_strict("strict: told earlier, see strict_localcount");
	static const struct bug bugs[] = {
		{ "localcount_acquire: ", "is draining: acquired, expected to be unpublished before the drain", &held },
		{ "localcount_trydrain: ", "is being drained by another thread, expected one drain at a time", &held },
		{ "localcount_fini: ", "was not drained", &held },
		{ "localcount_release: ", "interlock 0x", &held },
		{ "localcount_release: ", "interlock 0x0 is not held by the caller, expected held, and a condition", &held },
		{ "mutex_enter: ", "locking against myself", NULL },
		{ "localcount_drain: ", "is being drained by another thread, expected one drain at a time", &held },
	};
	check(while_it_drains, bugs, COUNT(bugs));
}

static void with_drained(void *which)
{
	int i = (int)(intptr_t)which;
	struct localcount *one = i % 2 == 0 ? &drained : &tried;
	switch (i / 2) {
	case 0: localcount_acquire(one); break;
	case 1: localcount_release(one, &cv, &mutex); break;
	case 2: drain_locked(one); break;
	case 3: localcount_trydrain(one); break;
	default: break;
	}
}

static void a_drained_count_is_named_by_whatever_uses_it(void)
{
	static const char said[] = "has drained: used, expected nothing but localcount_fini";
	static const struct bug bugs[] = {
		{ "localcount_acquire: ", said, &drained },  { "localcount_acquire: ", said, &tried },
		{ "localcount_release: ", said, &drained },  { "localcount_release: ", said, &tried },
		{ "localcount_drain: ", said, &drained },    { "localcount_drain: ", said, &tried },
		{ "localcount_trydrain: ", said, &drained }, { "localcount_trydrain: ", said, &tried },
	};
	check(with_drained, bugs, COUNT(bugs));
}

static void with_finished(void *which)
{
	switch ((int)(intptr_t)which) {
	case 0: localcount_acquire(&finished); break;
	case 1: localcount_release(&finished, &cv, &mutex); break;
	case 2: drain_locked(&finished); break;
	case 3: localcount_trydrain(&finished); break;
	case 4: localcount_fini(&finished); break;
	case 5: localcount_debug_refcnt(&finished); break;
	case 6: drain_locked(&zeroed); break;
	case 7: localcount_trydrain(&zeroed); break;
	case 8: localcount_fini(&zeroed); break;
	default: break;
	}
}

static void a_finished_count_is_named_by_whatever_uses_it(void)
{
	static const char said[] = "is finished or was never initialised, expected localcount_init";
	static const struct bug bugs[] = {
		{ "localcount_acquire: ", said, &finished },	  { "localcount_release: ", said, &finished },
		{ "localcount_drain: ", said, &finished },	  { "localcount_trydrain: ", said, &finished },
		{ "localcount_fini: ", said, &finished },	  { "localcount_debug_refcnt: ", said, &finished },
		{ "localcount_drain: ", said, &zeroed },	  { "localcount_trydrain: ", said, &zeroed },
		{ "localcount_fini: ", said, &zeroed },
	};
	check(with_finished, bugs, COUNT(bugs));
}

static void finish(void *which)
{
	switch ((int)(intptr_t)which) {
	case 0: localcount_fini(&count); break;
	case 1: localcount_fini(&held); break;
	default:
		localcount_trydrain(&held);
		localcount_fini(&held);
		break;
	}
}

static void fini_without_a_drain_tells_how_many_references_there_are(void)
{
	static const char three[] = "was not drained (3 references), expected localcount_drain or a successful localcount_trydrain "
				    "before localcount_fini";
	static const struct bug bugs[] = {
		{ "localcount_fini: ", "was not drained (0 references)", &count },
		{ "localcount_fini: ", three, &held },
		{ "localcount_fini: ", three, &held },
	};
	check(finish, bugs, COUNT(bugs));
}

static void *release_count_twice(void *unused)
{
	pin(1);
	localcount_release(&count, &cv, &mutex);
	localcount_release(&count, &cv, &mutex);
	return unused;
}

static void release_too_often(void *which)
{
	cpu_number(0);
	pin(0);
	localcount_acquire(&count);
	elsewhere(release_count_twice, NULL); // one CPU's cell is 1, another's -2
	if (which == NULL)
		drain_locked(&count);
	else
		localcount_trydrain(&count);
}

static void more_releases_than_acquires_are_told_by_the_drain(void)
{
	test_not_strict("strict: told earlier, see strict_localcount");
	static const char said[] = "-1, expected 0 or more: released more often than acquired";
	static const struct bug bugs[] = { { "localcount_drain: negatively referenced localcount: ", said, &count },
					   { "localcount_trydrain: negatively referenced localcount: ", said, &count } };
	check(release_too_often, bugs, COUNT(bugs));
}

// The drainer is kept in a handler, so that it cannot come back before the release that is one too many.
static void stay(int signal_number)
{
	(void)signal_number;
	ADD(&go_on, 1);
	while (LOAD(&go_on) < 2)
		nap(100);
}

static void release_too_often_while_it_drains(void *unused)
{
	(void)unused;
	handle_with(stay, SIGUSR1, 0);
	pthread_t drainer = start_drain();
	pthread_kill(drainer, SIGUSR1);
	wait_until_set(&go_on);
	for (int i = 0; i < 4; i++)
		localcount_release(&held, &cv, &mutex);
	ADD(&go_on, 1);
	alarm(5); // it would wait for ever
	join(drainer);
}

static void more_releases_than_acquires_are_told_while_it_drains(void)
{
	test_not_under_qemu("qemu-user enters handlers with a stack that is not aligned");
	test_not_strict("strict: told earlier, see strict_localcount");
	set_up();
	struct ended ended = in_child(release_too_often_while_it_drains, NULL);
	CHECK_FATAL(ended, "negatively referenced localcount: ", "-1, expected 0 or more: released more often than acquired");
	CHECK(has_address(ended.words, &held));
}

static void *hold_mutex(void *unused)
{
	mutex_enter(&mutex);
	STORE(&tid, thread_id());
	while (unused == NULL)
		pause();
	return unused;
}

static void drain_with_a_wrong_interlock(void *which)
{
	switch ((int)(intptr_t)which) {
	case 0: localcount_drain(&count, &cv, &mutex); break; // not held
	case 1: // by another thread
		start(hold_mutex, NULL);
		wait_until_set(&tid);
		localcount_drain(&count, &cv, &mutex);
		break;
	case 2: // another one is held
		mutex_enter(&other);
		localcount_drain(&count, &cv, &mutex);
		break;
	case 3: localcount_drain(&count, &cv, no_mutex); break;
	case 4:
		mutex_enter(&mutex);
		localcount_drain(&count, no_cv, &mutex);
		break;
	default: break;
	}
}

static void a_drain_without_interlock_or_condition_is_told(void)
{
	static const char said[] = "is not held by the caller, expected held, and a condition";
	set_up();
	for (intptr_t i = 0; i < 5; i++) {
		struct ended ended = in_child(drain_with_a_wrong_interlock, (void *)i);
		CHECK_FATAL(ended, "localcount_drain: localcount ", said);
		CHECK(has_address(ended.words, &count));
		CHECK(i == 3 ? strstr(ended.words, "interlock 0x0 ") != NULL : has_address(ended.words, &mutex));
	}
}

// Two drains at once. The first is stopped where it asks for its membarrier, for which the filter sends it a signal.
static void *drain_second(void *unused)
{
	drain_locked(&held);
	return unused;
}

static void drain_again_meanwhile(int signal_number)
{
	(void)signal_number;
	elsewhere(drain_second, NULL); // dies there
	_exit(1);
}

static void drain_by_two(void *unused)
{
	(void)unused;
	handle_with(drain_again_meanwhile, SIGSYS, 0);
	if (trap(SYS_membarrier) != 0)
		_exit(TEST_SKIPPED);
	drain_locked(&held);
}

static void a_drain_by_two_threads_at_once_is_told(void)
{
	set_up();
	if (strcmp(psref_backend(), "atomic") == 0)
		SKIP("the back end is atomic: nothing of a drain's can be stopped between its guard and its sum");
	struct ended ended = in_child(drain_by_two, NULL);
	if (WIFEXITED(ended.status) && WEXITSTATUS(ended.status) == TEST_SKIPPED)
		SKIP("no seccomp filter here");
	CHECK_FATAL(ended, "localcount_drain: localcount ", "is being drained by another thread, expected one drain at a time");
	CHECK(has_address(ended.words, &held));
}

static void drain_for_long(void *warn)
{
	setenv("PSREF_DRAIN_WARN", (const char *)warn, 1);
	pthread_t drainer = start_drain();
	localcount_release(&held, &cv, &mutex);
	nap(350000);
	localcount_release(&held, &cv, &mutex);
	localcount_release(&held, &cv, &mutex);
	join(drainer);
}

static void a_drain_that_takes_long_is_told_of_and_goes_on(void)
{
	char often[] = "0.1", seldom[] = "3600";
	set_up_held(); // and drain nothing: the children read the environment themselves
	struct ended ended = in_child(drain_for_long, often);
	CHECK_EXITED(ended);
	CHECK(strstr(ended.words, "psref: drain of localcount ") != NULL);
	CHECK(strstr(ended.words, " has waited 0 s for 2 reference(s)") != NULL);
	CHECK(strstr(ended.words, "; this process was forked: what threads that did not come along had acquired is never released\n")
	      != NULL);
	CHECK(has_address(ended.words, &held));
	ended = in_child(drain_for_long, seldom);
	CHECK_EXITED(ended);
	CHECK_EQ(strlen(ended.words), 0);
}

TEST_MAIN(TEST(NULL_is_named_with_the_function),
	  TEST(what_must_not_be_done_while_a_drain_waits_is_told),
	  TEST(a_drained_count_is_named_by_whatever_uses_it),
	  TEST(a_finished_count_is_named_by_whatever_uses_it),
	  TEST(fini_without_a_drain_tells_how_many_references_there_are),
	  TEST(more_releases_than_acquires_are_told_by_the_drain),
	  TEST(more_releases_than_acquires_are_told_while_it_drains),
	  TEST(a_drain_without_interlock_or_condition_is_told),
	  TEST(a_drain_by_two_threads_at_once_is_told),
	  TEST(a_drain_that_takes_long_is_told_of_and_goes_on))
