// SPDX-License-Identifier: MIT OR Apache-2.0
// Strict mode's rules for passive references, those of psref(9) under DIAGNOSTIC and PSREF_DEBUG: each broken in a forked child,
// which must die with NetBSD's words, and with the class, and where the hold was acquired.
#include "test.h"
#include "child.h"
#include "threads.h"
#include "misuse.h"
#include <psref/pserialize.h>
#include <sys/time.h>


// Before the fork, so that addresses are known. The classes are strict, and the thread is bound to CPU 0's number.
static void begin(void)
{
	(void)holder_tid; // the other tests' of misuse
	psref_set_strict(true);
	pin(0);
	psref_curlwp_bindx(psref_curlwp_bind() & 0);
	psref_curlwp_bind();
	set_up();
}

// A thread of the program's own, bound.
static void *bound(void *what)
{
	void (*run)(void) = (void (*)(void))(uintptr_t)what;
	psref_curlwp_bind();
	run();
	return NULL;
}

__attribute__((noinline)) static void acquire_here(struct psref *psref)
{
	CHECK_EQ(psref_acquire(psref, &other, right), 0);
	__asm__ volatile(""); // not a tail call: that would leave no address behind
}

static void release(void)
{
	psref_release(&hold, &target, right);
}

static void copy(void)
{
	psref_copy(&copied, &hold, right);
}

// The first step of each breaks the rule that the test is about.
static void unbound(void *which)
{
	psref_curlwp_bindx(0);
	switch ((int)(intptr_t)which) {
	case 0: psref_acquire(&empty, &target, right); break;
	case 1: release(); break;
	case 2: copy(); break;
	case 3: psref_held(&target, right); break;
	default: break;
	}
}

static void whoever_is_not_bound_is_told(void)
{
	static const char *const who[] = { "psref_acquire", "psref_release", "psref_copy", "psref_held" };
	begin();
	for (size_t i = 0; i < COUNT(who); i++) {
		struct ended ended = in_child(unbound, (void *)i);
		CHECK_FATAL(ended, who[i], "class \"right\"", "expected curlwp_bind",
			    "passive references are CPU-local, but preemption is enabled and the caller is not in a softint or CPU-bound LWP");
	}
}

static void with_preemption_disabled(void *unused)
{
	(void)unused;
	psref_curlwp_bindx(0);
	psref_kpreempt_disable();
	CHECK_EQ(psref_acquire(&empty, &target, right), 0);
	CHECK(psref_held(&target, right));
	psref_release(&empty, &target, right);
	psref_kpreempt_enable();
}

static void disabled_preemption_binds_too(void)
{
	begin();
	struct ended ended = in_child(with_preemption_disabled, NULL);
	CHECK_EXITED(ended);
}

static void with_destroyed(void *unused)
{
	(void)unused;
	psref_acquire(&empty, &destroyed, right);
}

static void with_foreign(void *unused)
{
	(void)unused;
	psref_acquire(&empty, &foreign, right);
}

static void with_other(void *unused)
{
	(void)unused;
	acquire_here(&copied);
	psref_release(&copied, &target, right);
}

static void copy_to_itself(void *unused)
{
	(void)unused;
	psref_copy(&hold, &hold, right);
}

static void what_is_always_told_is_told_in_NetBSDs_words(void)
{
	begin();
	struct ended ended = in_child(with_destroyed, NULL);
	CHECK_FATAL(ended, "psref target already destroyed: ");
	ended = in_child(with_foreign, NULL);
	CHECK_FATAL(ended, "mismatched psref target class: ", "(ref) != ", "(expected)", "\"right\"", "\"wrong\"");
	ended = in_child(with_other, NULL);
	CHECK_FATAL(ended, "passive reference target mismatch: ", "(ref) != ", "(expected)", "\"right\"", "acquire_here",
		    "strict_psref.c:");
	ended = in_child(copy_to_itself, NULL);
	CHECK_FATAL(ended, "can't copy passive reference to itself: ", "\"right\"");
}

static void release_elsewhere(void *unused)
{
	(void)unused;
	elsewhere(bound, (void *)(uintptr_t)release);
}

static void copy_elsewhere(void *unused)
{
	(void)unused;
	elsewhere(bound, (void *)(uintptr_t)copy);
}

static void a_hold_used_by_another_thread_is_told_with_both(void)
{
	char from[64];
	begin();
	struct ended ended = in_child(release_elsewhere, NULL);
	snprintf(from, sizeof from, "passive reference transferred from lwp %d to lwp ", ended.pid);
	CHECK_FATAL(ended, "psref_release", from, "class \"right\"", "acquired at ");
	CHECK(has_address(ended.words, &hold));
	ended = in_child(copy_elsewhere, NULL);
	CHECK_FATAL(ended, "psref_copy", "passive reference transferred from lwp ", "class \"right\"");
}

// Bound to CPU 1's number.
static void migrated(void *which)
{
	pin(1);
	psref_curlwp_bindx(0);
	psref_curlwp_bind();
	switch ((int)(intptr_t)which) {
	case 0: release(); break;
	case 1: copy(); break;
	case 2: psref_held(&other, right); break; // of all holds, not only of that target's
	default: break;
	}
}

static void a_hold_used_on_another_cpu_is_told_with_both(void)
{
	static const char *const who[] = { "psref_release", "psref_copy", "psref_held" };
	char expected[80];
	if (cpu_count() < 2)
		SKIP("needs two CPUs");
	begin();
	snprintf(expected, sizeof expected, "passive reference transferred from CPU %d to CPU %d", cpu_number(0), cpu_number(1));
	for (size_t i = 0; i < COUNT(who); i++) {
		struct ended ended = in_child(migrated, (void *)i);
		CHECK_FATAL(ended, who[i], expected, "class \"right\"", "acquired at ");
	}
}

static void acquire_twice(void *which)
{
	acquire_here(&copied);
	switch ((int)(intptr_t)which) {
	case 0: psref_acquire(&copied, &other, right); break;
	case 1: psref_acquire(&copied, &target, right); break;
	case 2: psref_copy(&copied, &hold, right); break;
	default: break;
	}
}

static void a_psref_in_use_is_not_acquired_into(void)
{
	begin();
	for (size_t i = 0; i < 3; i++) {
		struct ended ended = in_child(acquire_twice, (void *)i);
		CHECK_FATAL(ended, "The psref is already in the list (acquiring twice?): psref=0x", "target=0x", "class \"right\"",
			    "acquired at ", "acquire_here", "strict_psref.c:");
		CHECK(has_address(ended.words, &copied));
	}
}

static void release_unused(void *which)
{
	struct psref never;
	switch ((int)(intptr_t)which) {
	case 0:
		release();
		release();
		break;
	case 1: // rubbish that can be read: the fast path looks at what it leads to before anybody can tell
		memset(&never, 0x5a, sizeof never);
		never.psref_entry = &never;
		psref_release(&never, &target, right);
		break;
	case 2:
		never = hold;
		psref_release(&never, &target, right);
		break;
	case 3:
		memset(&never, 0, sizeof never);
		psref_copy(&copied, &never, right);
		break;
	default: break;
	}
}

static void an_unused_psref_is_not_released(void)
{
	begin();
	for (size_t i = 0; i < 4; i++) {
		struct ended ended = in_child(release_unused, (void *)i);
		CHECK_FATAL(ended, "The psref isn't in the list (releasing unused psref?): psref=0x", "target=0x", "class \"right\"");
	}
}

static void leak(void)
{
	acquire_here(&copied);
}

static void leak_in_a_thread(void *unused)
{
	(void)unused;
	elsewhere(bound, (void *)(uintptr_t)leak);
}

static void a_hold_left_at_a_threads_end_is_told_with_where(void)
{
	begin();
	struct ended ended = in_child(leak_in_a_thread, NULL);
	CHECK_FATAL(ended, "thread exit: psref leaked: lwp(", ") acquired at 0x", "class \"right\"", "1 hold(s)", "acquire_here",
		    "strict_psref.c:");
	CHECK(has_address(ended.words, &other) && has_address(ended.words, &copied));
}

static pthread_key_t last;

static void release_last(void *unused)
{
	(void)unused;
	psref_release(&copied, &other, right);
}

static void *leave_to_a_destructor(void *unused)
{
	psref_curlwp_bind();
	pthread_setspecific(last, &last);
	acquire_here(&copied);
	return unused;
}

static void leave_it_to_a_destructor(void *unused)
{
	(void)unused;
	pthread_key_create(&last, release_last);
	elsewhere(leave_to_a_destructor, NULL);
	psref_target_destroy(&other, right);
}

static void a_destructor_that_runs_after_the_librarys_may_release(void)
{
	begin();
	struct ended ended = in_child(leave_it_to_a_destructor, NULL);
	CHECK_EXITED(ended);
}

static void barrier(void *held)
{
	if (held == NULL)
		psref_release(&hold, &target, right);
	psref_debug_barrier();
}

static void a_hold_left_at_a_barrier_is_told(void)
{
	begin();
	struct ended ended = in_child(barrier, &hold);
	CHECK_FATAL(ended, "psref_debug_barrier: psref leaked: lwp(", ") acquired at 0x", "set_up", "class \"right\"");
	ended = in_child(barrier, NULL);
	CHECK_EXITED(ended);
	CHECK_EQ(ended.words[0], 0);
}

static void wait_for_oneself(void *which)
{
	struct psref_target *both[] = { &other, &target };
	switch ((int)(intptr_t)which) {
	case 0: psref_target_drain(&target, right); break;
	case 1: psref_target_destroy(&target, right); break;
	case 2: psref_target_destroy_many(both, 2, right); break;
	default: break;
	}
}

static void a_drain_that_would_wait_for_itself_is_told(void)
{
	static const char *const who[] = { "psref_target_drain", "psref_target_destroy", "psref_target_destroy_many" };
	begin();
	for (size_t i = 0; i < COUNT(who); i++) {
		struct ended ended = in_child(wait_for_oneself, (void *)i);
		CHECK_FATAL(ended, who[i], "is held by this very thread", "class \"right\"", "set_up");
		CHECK(has_address(ended.words, &target));
	}
}

static void destroy_class(void *unused)
{
	(void)unused;
	psref_class_destroy(wrong);
}

static void a_class_whose_targets_nobody_drained_is_told_and_goes(void)
{
	begin();
	struct ended ended = in_child(destroy_class, NULL);
	CHECK_EXITED(ended);
	CHECK(strstr(ended.words, "class \"wrong\": 1 target(s) neither drained nor destroyed, expected none") != NULL);
	psref_target_destroy(&foreign, wrong);
	ended = in_child(destroy_class, NULL);
	CHECK_EXITED(ended);
	CHECK_EQ(ended.words[0], 0);
}

static void create_with(void *ipl)
{
	CHECK(psref_class_create("x", (int)(intptr_t)ipl) != NULL);
}

static void an_ipl_that_is_not_soft_is_told_and_taken(void)
{
	begin();
	for (intptr_t ipl = IPL_NONE; ipl <= IPL_HIGH; ipl++) {
		struct ended ended = in_child(create_with, (void *)ipl);
		bool soft = ipl >= IPL_SOFTCLOCK && ipl <= IPL_SOFTSERIAL;
		CHECK_EXITED(ended);
		CHECK_EQ(strstr(ended.words, "class \"x\": Invalid IPL: ") == NULL, soft);
	}
}

static void right_use(void *unused)
{
	static struct psref many[200];
	(void)unused;
	for (unsigned turn = 0; turn < 3; turn++) {
		for (unsigned i = 0; i < COUNT(many); i++)
			CHECK_EQ(psref_acquire(&many[i], i % 3 == 0 ? &other : &target, right), 0);
		CHECK(psref_held(&target, right) && psref_held(&other, right));
		psref_copy(&copied, &many[7], right);
		for (unsigned i = 0; i < COUNT(many); i++) {
			unsigned k = turn == 1 ? (unsigned)COUNT(many) - 1 - i : i * 77 % COUNT(many);
			psref_release(&many[k], k % 3 == 0 ? &other : &target, right);
		}
		psref_release(&copied, &target, right);
	}
	psref_release(&hold, &target, right);
	CHECK(!psref_held(&target, right));
	psref_debug_barrier();
	psref_target_destroy(&other, right);
	psref_target_destroy(&target, right);
	psref_class_destroy(right);
}

static void right_use_is_silent(void)
{
	begin();
	struct ended ended = in_child(right_use, NULL); // a forked child's counts are right, too
	CHECK_EXITED(ended);
	CHECK_EQ(ended.words[0], 0);
}

static int handled;

static void use_in_handler(int unused)
{
	struct psref mine;
	(void)unused;
	if (psref_acquire(&mine, &other, right) == 0)
		psref_release(&mine, &other, right);
	handled++;
}

static void handlers_may_hold_between_any_two_steps(void)
{
	test_not_under_qemu("qemu-user enters handlers with a stack that is not aligned");
	begin();
	struct itimerval often = { { 0, 50 }, { 0, 50 } };
	handle_with(use_in_handler, SIGALRM, SA_RESTART);
	setitimer(ITIMER_REAL, &often, NULL);
	for (unsigned turn = 0; LOAD(&handled) < (int)test_turns(2000); turn++) {
		struct psref mine;
		CHECK_EQ(psref_acquire(&mine, &target, right), 0);
		psref_copy(&copied, &mine, right);
		psref_release(&mine, &target, right);
		psref_release(&copied, &target, right);
	}
	memset(&often, 0, sizeof often);
	setitimer(ITIMER_REAL, &often, NULL);
	psref_release(&hold, &target, right);
	psref_debug_barrier();
	psref_target_destroy(&target, right);
	psref_target_destroy(&other, right);
	psref_class_destroy(right);
}

static void what_was_made_before_stays_lax(void)
{
	psref_set_strict(false);
	set_up();
	psref_set_strict(true);
	psref_curlwp_bindx(psref_curlwp_bind() & 0);
	psref_release(&hold, &target, right);
	CHECK_EQ(psref_acquire(&hold, &target, right), 0);
	psref_debug_barrier();
}

static void may_sleep(void *which)
{
	int s = pserialize_read_enter();
	switch ((int)(intptr_t)which) {
	case 0: psref_class_create("x", IPL_SOFTNET); break;
	case 1: psref_class_destroy(wrong); break;
	case 2: psref_target_drain(&other, right); break;
	case 3: psref_target_destroy(&other, right); break;
	default: break;
	}
	pserialize_read_exit(s);
}

static void what_may_sleep_is_told_inside_a_read_section(void)
{
	static const char *const who[] = { "psref_class_create", "psref_class_destroy", "psref_target_drain",
					   "psref_target_destroy" };
	begin();
	for (size_t i = 0; i < COUNT(who); i++) {
		char expected[80];
		struct ended ended = in_child(may_sleep, (void *)i);
		snprintf(expected, sizeof expected, "assert_sleepable: pserialize caller=%s", who[i]);
		CHECK_FATAL(ended, expected);
	}
}

TEST_MAIN(TEST(whoever_is_not_bound_is_told),
	  TEST(disabled_preemption_binds_too),
	  TEST(what_is_always_told_is_told_in_NetBSDs_words),
	  TEST(a_hold_used_by_another_thread_is_told_with_both),
	  TEST(a_hold_used_on_another_cpu_is_told_with_both),
	  TEST(a_psref_in_use_is_not_acquired_into),
	  TEST(an_unused_psref_is_not_released),
	  TEST(a_hold_left_at_a_threads_end_is_told_with_where),
	  TEST(a_destructor_that_runs_after_the_librarys_may_release),
	  TEST(a_hold_left_at_a_barrier_is_told),
	  TEST(a_drain_that_would_wait_for_itself_is_told),
	  TEST(a_class_whose_targets_nobody_drained_is_told_and_goes),
	  TEST(an_ipl_that_is_not_soft_is_told_and_taken),
	  TEST(right_use_is_silent),
	  TEST(handlers_may_hold_between_any_two_steps),
	  TEST(what_was_made_before_stays_lax),
	  TEST(what_may_sleep_is_told_inside_a_read_section))
