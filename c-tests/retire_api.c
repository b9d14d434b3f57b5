// SPDX-License-Identifier: MIT OR Apache-2.0
// What retiring promises to one thread: nothing is called in the caller, and nothing before its time. "Not yet" never
// rests on a clock: what a function waits for is kept open until something that was retired later has come to its
// end.
#include "test.h"
#include "threads.h"

#include <psref.h>

static struct psref_class *class_;
static struct psref_target target, other;
static int called, ticked, caller;

static void count(void *place)
{
	ADD((int *)place, 1);
}

static void note_thread(void *place)
{
	STORE((int *)place, thread_id());
}

static void set_up(void)
{
	no_second_look();
	class_ = psref_class_create("retired", IPL_SOFTNET);
	CHECK(class_ != NULL);
	psref_target_init(&target, class_);
	psref_target_init(&other, class_);
}

// Something that is retired now has come to its end: so has everything before it that could.
static void a_batch_passes(void)
{
	STORE(&ticked, 0);
	CHECK_EQ(pserialize_call(count, &ticked), 0);
	wait_until_set(&ticked);
}

static void the_function_runs_once_and_elsewhere(void)
{
	set_up();
	CHECK_EQ(psref_target_retire(&target, class_, note_thread, &caller), 0);
	psref_retire_barrier();
	CHECK(caller != 0 && caller != thread_id());
	CHECK_EQ(psref_target_retire(&other, class_, count, &called), 0);
	psref_retire_barrier();
	psref_retire_barrier();
	CHECK_EQ(called, 1);
	psref_class_destroy(class_);
}

static void acquire_answers_ENOENT_at_once(void)
{
	struct psref hold, late;
	set_up();
	CHECK_EQ(psref_acquire(&hold, &target, class_), 0);
	CHECK_EQ(psref_target_retire(&target, class_, count, &called), 0);
	CHECK_EQ(psref_acquire(&late, &target, class_), ENOENT);
	CHECK_EQ(psref_acquire(&late, &other, class_), 0);
	psref_release(&late, &other, class_);
	psref_release(&hold, &target, class_);
	psref_retire_barrier();
	CHECK_EQ(called, 1);
}

static void the_function_comes_after_the_last_hold_and_its_copies(void)
{
	struct psref hold, copy;
	set_up();
	CHECK_EQ(psref_acquire(&hold, &target, class_), 0);
	CHECK_EQ(psref_target_retire(&target, class_, count, &called), 0);
	a_batch_passes();
	psref_copy(&copy, &hold, class_);
	psref_release(&hold, &target, class_);
	a_batch_passes();
	CHECK_EQ(LOAD(&called), 0);
	psref_release(&copy, &target, class_);
	psref_retire_barrier();
	CHECK_EQ(called, 1);
}

static void a_hold_that_stays_delays_no_other(void)
{
	struct psref hold;
	set_up();
	CHECK_EQ(psref_acquire(&hold, &target, class_), 0);
	CHECK_EQ(psref_target_retire(&target, class_, count, &called), 0);
	a_batch_passes();
	STORE(&ticked, 0);
	CHECK_EQ(psref_target_retire(&other, class_, count, &ticked), 0);
	wait_until_set(&ticked);
	CHECK_EQ(LOAD(&called), 0);
	psref_release(&hold, &target, class_);
	wait_until_set(&called);
}

static void *release_hold(void *hold)
{
	psref_release((struct psref *)hold, &target, class_);
	return NULL;
}

static void the_last_release_is_heard_in_another_thread(void)
{
	struct psref hold;
	test_not_strict("holds do not move between threads");
	set_up();
	CHECK_EQ(psref_acquire(&hold, &target, class_), 0);
	CHECK_EQ(psref_target_retire(&target, class_, count, &called), 0);
	a_batch_passes();
	elsewhere(release_hold, &hold);
	wait_until_set(&called);
}

static void a_call_waits_for_the_sections_that_are_open(void)
{
	set_up();
	int s = pserialize_read_enter();
	CHECK_EQ(pserialize_call(count, &called), 0);
	CHECK_EQ(psref_target_retire(&target, class_, count, &called), 0);
	for (int i = 0; i < 100; i++) {
		CHECK(psref_retire_poll() == 2);
		nap(100);
	}
	CHECK_EQ(LOAD(&called), 0);
	pserialize_read_exit(s);
	psref_retire_barrier();
	CHECK_EQ(called, 2);
}

static void at_the_bound_nothing_is_changed(void)
{
	struct psref hold;
	unsigned queued = 0;
	set_up();
	int s = pserialize_read_enter(), error;
	while ((error = pserialize_call(count, &called)) == 0)
		queued++;
	CHECK_EQ(error, EAGAIN);
	CHECK_EQ(queued, PSREF_RETIRE_MAX);
	CHECK_EQ(psref_target_retire(&target, class_, count, &called), EAGAIN);
	CHECK_EQ(psref_acquire(&hold, &target, class_), 0);
	psref_release(&hold, &target, class_);
	pserialize_read_exit(s);
	psref_retire_barrier();
	CHECK_EQ(called, PSREF_RETIRE_MAX);
	CHECK_EQ(psref_target_retire(&target, class_, count, &called), 0);
	psref_retire_barrier();
	CHECK_EQ(called, PSREF_RETIRE_MAX + 1);
}

// How many threads the process has.
static long threads_now(void)
{
	return memory_kb("Threads:");
}

static void a_program_that_polls_first_gets_no_thread(void)
{
	struct psref hold;
	set_up();
	long before = threads_now();
	CHECK_EQ(psref_retire_poll(), 0);
	CHECK_EQ(psref_acquire(&hold, &target, class_), 0);
	CHECK_EQ(psref_target_retire(&target, class_, note_thread, &caller), 0);
	CHECK_EQ(pserialize_call(count, &called), 0);
	CHECK_EQ(called, 0);
	CHECK_EQ(psref_retire_poll(), 1);
	CHECK_EQ(called, 1);
	CHECK_EQ(caller, 0);
	psref_release(&hold, &target, class_);
	CHECK_EQ(psref_retire_poll(), 0);
	CHECK_EQ(caller, thread_id());
	CHECK_EQ(psref_target_retire(&other, class_, note_thread, &caller), 0);
	psref_retire_barrier();
	CHECK_EQ(psref_retire_poll(), 0);
	CHECK_EQ(threads_now(), before);
	psref_class_destroy(class_);
}

static int reads, has_read;

static void *read_until_told(void *unused)
{
	(void)unused;
	int s = pserialize_read_enter();
	STORE(&reads, 1);
	wait_until_set(&has_read);
	pserialize_read_exit(s);
	return NULL;
}

// The functions might perform, and would wait for the caller: they are left for a later call.
static void a_poll_inside_a_read_section_calls_nothing(void)
{
	set_up();
	CHECK_EQ(psref_retire_poll(), 0);
	pthread_t reader = start(read_until_told, NULL);
	wait_until_set(&reads);
	CHECK_EQ(pserialize_call(count, &called), 0);
	CHECK_EQ(psref_retire_poll(), 1); // waits for the reader, and not for the section that follows
	int s = pserialize_read_enter();
	STORE(&has_read, 1);
	join(reader);
	CHECK_EQ(psref_retire_poll(), 1);
	CHECK_EQ(called, 0);
	pserialize_read_exit(s);
	CHECK_EQ(psref_retire_poll(), 0);
	CHECK_EQ(called, 1);
	psref_class_destroy(class_);
}

struct chain {
	int left, done;
};

static void go_on(void *place)
{
	struct chain *chain = (struct chain *)place;
	pserialize_perform(NULL);
	if (chain->left-- > 0)
		CHECK_EQ(pserialize_call(go_on, chain), 0);
	else
		STORE(&chain->done, 1);
}

static void functions_retire_others_and_perform(void)
{
	static struct chain chain = { 20, 0 };
	set_up();
	CHECK_EQ(pserialize_call(go_on, &chain), 0);
	wait_until_set(&chain.done);
}

static void destroy_class(void *place)
{
	psref_class_destroy(class_);
	ADD((int *)place, 1);
}

static void the_last_function_may_destroy_the_class(void)
{
	set_up();
	CHECK_EQ(psref_target_retire(&target, class_, destroy_class, &called), 0);
	psref_retire_barrier();
	CHECK_EQ(called, 1);
}

static void look_at_the_mask(void *place)
{
	sigset_t mask;
	pthread_sigmask(SIG_BLOCK, NULL, &mask);
	STORE((int *)place, sigismember(&mask, SIGUSR1) && sigismember(&mask, SIGTERM) ? 1 : 2);
}

static void functions_run_with_all_signals_blocked(void)
{
	set_up();
	CHECK_EQ(pserialize_call(look_at_the_mask, &called), 0);
	wait_until_set(&called);
	CHECK_EQ(called, 1);
}

static void without_a_thread_nothing_is_changed(void)
{
	test_not_under_qemu("qemu-user does not limit its guest");
	struct psref hold;
	struct rlimit old, none;
	if (!test_memory_is_ours())
		SKIP("address space is not the test's own here");
	set_up();
	getrlimit(RLIMIT_AS, &old);
	none = old;
	// Not enough for a stack, but for everything that is there.
	none.rlim_cur = (rlim_t)memory_kb("VmSize:") * 1024 + 128 * 1024;
	CHECK_EQ(setrlimit(RLIMIT_AS, &none), 0);
	int error = psref_target_retire(&target, class_, count, &called);
	setrlimit(RLIMIT_AS, &old);
	CHECK_EQ(error, ENOMEM);
	CHECK_EQ(psref_acquire(&hold, &target, class_), 0);
	psref_release(&hold, &target, class_);
	CHECK_EQ(psref_target_retire(&target, class_, count, &called), 0);
	psref_retire_barrier();
	CHECK_EQ(called, 1);
}

TEST_MAIN(TEST(the_function_runs_once_and_elsewhere), TEST(acquire_answers_ENOENT_at_once),
    TEST(the_function_comes_after_the_last_hold_and_its_copies), TEST(a_hold_that_stays_delays_no_other),
    TEST(the_last_release_is_heard_in_another_thread), TEST(a_call_waits_for_the_sections_that_are_open),
    TEST(at_the_bound_nothing_is_changed), TEST(a_program_that_polls_first_gets_no_thread),
    TEST(a_poll_inside_a_read_section_calls_nothing), TEST(functions_retire_others_and_perform), TEST(the_last_function_may_destroy_the_class),
    TEST(functions_run_with_all_signals_blocked), TEST(without_a_thread_nothing_is_changed))
