// SPDX-License-Identifier: MIT OR Apache-2.0
// A forked child has one thread. The holds of the others are gone with them, its own are not.
#include "test.h"
#include "threads.h"

#include <psref/psref.h>

#include <spawn.h>

enum { HOLDERS = 4, EACH = 100, TARGETS = 3 };

struct holder {
	pthread_t thread;
	struct psref holds[EACH];
	int holding;
};

static struct psref_class *class_;
static struct psref_target targets[TARGETS];
static struct holder holders[HOLDERS];
static int may_end;

static pid_t fork_or_fail(void)
{
	fflush(NULL);
	pid_t child = fork();
	if (child < 0)
		FAIL("fork: %s", strerror(errno));
	return child;
}

static void expect_success(pid_t child)
{
	int status;
	CHECK_EQ(waitpid(child, &status, 0), child);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		FAIL("a child ended with wait status %#x", (unsigned)status);
}

static struct psref_target *target_of(unsigned i)
{
	return &targets[i % TARGETS];
}

static void *hold_many(void *argument)
{
	struct holder *mine = (struct holder *)argument;
	pin((unsigned)(mine - holders));
	for (unsigned i = 0; i < EACH; i++) {
		if (i % 10 == 9)
			psref_copy(&mine->holds[i], &mine->holds[i - TARGETS], class_);
		else
			CHECK_EQ(psref_acquire(&mine->holds[i], target_of(i), class_), 0);
	}
	STORE(&mine->holding, 1);
	wait_until_set(&may_end);
	for (unsigned i = 0; i < EACH; i++)
		psref_release(&mine->holds[i], target_of(i), class_);
	return NULL;
}

static void begin(void)
{
	setenv("PSREF_DRAIN_WARN", "3600", 1);
	class_ = psref_class_create("forked", 0);
	CHECK(class_ != NULL);
	for (unsigned i = 0; i < TARGETS; i++)
		psref_target_init(&targets[i], class_);
}

static void start_holders(void)
{
	for (unsigned i = 0; i < HOLDERS; i++) {
		holders[i].thread = start(hold_many, &holders[i]);
		wait_until_set(&holders[i].holding);
	}
}

static void destroy_all(void)
{
	for (unsigned i = 0; i < TARGETS; i++)
		psref_target_destroy(&targets[i], class_);
	psref_class_destroy(class_);
}

static void end(void)
{
	STORE(&may_end, 1);
	for (unsigned i = 0; i < HOLDERS; i++)
		if (holders[i].holding)
			join(holders[i].thread);
	destroy_all();
}

static void a_child_drains_what_other_threads_held(void)
{
	begin();
	start_holders();
	pid_t child = fork_or_fail();
	if (child == 0) {
		destroy_all();
		_exit(0);
	}
	expect_success(child);
	end();
}

static void a_child_of_a_thread_that_never_held_drains_all(void)
{
	begin();
	start_holders();
	// This thread has used psref only to make the class: nothing here is its own.
	for (int i = 0; i < 20; i++) {
		pid_t child = fork_or_fail();
		if (child == 0) {
			for (unsigned t = 0; t < TARGETS; t++)
				CHECK(!psref_held(&targets[t], class_));
			destroy_all();
			_exit(0);
		}
		expect_success(child);
	}
	end();
}

// The forking thread's own holds go on in the child: a drain there waits for them.
static int own_left, drained;

static void *drain_first(void *unused)
{
	psref_target_drain(&targets[0], class_);
	CHECK_EQ(LOAD(&own_left), 0);
	STORE(&drained, 1);
	return unused;
}

static void hold_own_and_fork(void)
{
	static struct psref own[80];
	for (unsigned i = 0; i < COUNT(own); i++) {
		pin(i);
		CHECK_EQ(psref_acquire(&own[i], &targets[0], class_), 0);
	}
	STORE(&own_left, (int)COUNT(own));
	pid_t child = fork_or_fail();
	if (child == 0) {
		CHECK(psref_held(&targets[0], class_));
		CHECK(!psref_held(&targets[1], class_));
		pthread_t drainer = start(drain_first, NULL);
		while (!LOAD((unsigned char *)&targets[0].prt_draining))
			sched_yield();
		for (unsigned i = 0; i < COUNT(own); i++) {
			CHECK_EQ(LOAD(&drained), 0);
			ADD(&own_left, -1);
			psref_release(&own[i], &targets[0], class_);
		}
		join(drainer);
		destroy_all();
		_exit(0);
	}
	expect_success(child);
	CHECK(psref_held(&targets[0], class_));
	for (unsigned i = 0; i < COUNT(own); i++)
		psref_release(&own[i], &targets[0], class_);
}

static void a_childs_own_holds_are_waited_for(void)
{
	begin();
	start_holders();
	hold_own_and_fork();
	end();
}

static void *hold_own_and_fork_here(void *unused)
{
	hold_own_and_fork();
	return unused;
}

static void a_childs_own_holds_are_waited_for_whichever_thread_forks(void)
{
	begin();
	start_holders();
	elsewhere(hold_own_and_fork_here, NULL);
	end();
}

static void late_releases_in_a_child_are_harmless(void)
{
	test_not_strict("strict: a hold is released and copied by its thread alone");
	begin();
	start_holders();
	for (int when = 0; when < 3; when++) {
		pid_t child = fork_or_fail();
		if (child == 0) {
			struct psref hold;
			if (when == 1)
				for (unsigned t = 0; t < TARGETS; t++)
					psref_target_drain(&targets[t], class_);
			if (when == 2) // released after the target is destroyed: nothing of it is touched
				for (unsigned t = 0; t < TARGETS; t++)
					psref_target_destroy(&targets[t], class_);
			for (unsigned i = 0; i < HOLDERS * EACH; i++)
				psref_release(&holders[i / EACH].holds[i % EACH], target_of(i % EACH), class_);
			// The slots serve again, and nothing was counted twice.
			for (unsigned t = 0; t < TARGETS; t++) {
				if (when != 2)
					psref_target_destroy(&targets[t], class_);
				psref_target_init(&targets[t], class_);
			}
			for (unsigned i = 0; i < 1000; i++) {
				CHECK_EQ(psref_acquire(&holders[0].holds[i % EACH], target_of(i), class_), 0);
				CHECK(psref_held(target_of(i), class_));
				CHECK_EQ(psref_acquire(&hold, target_of(i), class_), 0);
				psref_release(&holders[0].holds[i % EACH], target_of(i), class_);
				psref_release(&hold, target_of(i), class_);
			}
			destroy_all();
			_exit(0);
		}
		expect_success(child);
	}
	end();
}

static void the_parent_does_not_notice(void)
{
	begin();
	start_holders();
	pid_t child = fork_or_fail();
	if (child == 0) {
		destroy_all();
		_exit(0);
	}
	expect_success(child);
	STORE(&own_left, 0);
	pthread_t drainer = start(drain_first, NULL);
	while (!LOAD((unsigned char *)&targets[0].prt_draining))
		sched_yield();
	CHECK_EQ(LOAD(&drained), 0); // the child drained its own copy, not this one
	STORE(&may_end, 1);
	for (unsigned i = 0; i < HOLDERS; i++)
		join(holders[i].thread);
	join(drainer);
	destroy_all();
}

static void grandchildren_drain_too(void)
{
	begin();
	start_holders();
	pid_t child = fork_or_fail();
	if (child == 0) {
		struct psref hold;
		CHECK_EQ(psref_acquire(&hold, &targets[1], class_), 0);
		pid_t grandchild = fork_or_fail();
		if (grandchild == 0) {
			CHECK(psref_held(&targets[1], class_));
			psref_release(&hold, &targets[1], class_);
			destroy_all();
			_exit(0);
		}
		expect_success(grandchild);
		psref_release(&hold, &targets[1], class_);
		destroy_all();
		_exit(0);
	}
	expect_success(child);
	end();
}

static void *drain_last(void *tid)
{
	STORE((int *)tid, thread_id());
	psref_target_drain(&targets[2], class_);
	return NULL;
}

static void fork_while_a_drain_sleeps(void)
{
	struct psref hold;
	int tid = 0;
	begin();
	CHECK_EQ(psref_acquire(&hold, &targets[2], class_), 0);
	pthread_t drainer = start(drain_last, &tid);
	wait_until_asleep(&tid);
	for (int i = 0; i < 10; i++) {
		pid_t child = fork_or_fail();
		if (child == 0) {
			struct psref other;
			CHECK_EQ(psref_acquire(&other, &targets[2], class_), ENOENT);
			CHECK_EQ(psref_acquire(&other, &targets[1], class_), 0);
			psref_release(&other, &targets[1], class_);
			psref_release(&hold, &targets[2], class_);
			destroy_all(); // also tells whether the vanished drain is still waited for
			_exit(0);
		}
		expect_success(child);
	}
	psref_release(&hold, &targets[2], class_);
	join(drainer);
	destroy_all();
}

// A storm: threads that hold for moments, so that a fork meets them anywhere.
static int storming;

static void *storm(void *argument)
{
	uint64_t seed = (uint64_t)(uintptr_t)argument;
	while (LOAD(&storming)) {
		struct psref holds[40], copy;
		unsigned n = (unsigned)(random_number(&seed) % COUNT(holds)) + 1;
		for (unsigned i = 0; i < n; i++)
			CHECK_EQ(psref_acquire(&holds[i], target_of(i), class_), 0);
		psref_copy(&copy, &holds[0], class_);
		for (unsigned i = 0; i < n; i++)
			psref_release(&holds[i], target_of(i), class_);
		psref_release(&copy, target_of(0), class_);
	}
	return NULL;
}

static void use_a_class_of_its_own(void)
{
	struct psref_target target;
	struct psref holds[100];
	struct psref_class *own = psref_class_create("child's", 0);
	CHECK(own != NULL);
	psref_target_init(&target, own);
	for (unsigned i = 0; i < COUNT(holds); i++)
		CHECK_EQ(psref_acquire(&holds[i], &target, own), 0);
	for (unsigned i = 0; i < COUNT(holds); i++)
		psref_release(&holds[i], &target, own);
	psref_target_destroy(&target, own);
	psref_class_destroy(own);
}

static void *use_in_childs_thread(void *unused)
{
	CHECK(!psref_held(&targets[0], class_));
	use_a_class_of_its_own();
	return unused;
}

static void children_of_a_storming_parent_can_do_all(void)
{
	pthread_t threads[4];
	unsigned forks = test_turns(200);
	begin();
	STORE(&storming, 1);
	for (unsigned i = 0; i < COUNT(threads); i++)
		threads[i] = start(storm, (void *)(uintptr_t)(i + 1));
	double began = seconds();
	for (unsigned i = 0; i < forks; i++) {
		struct psref own;
		// The forking thread uses the slots that the others use.
		for (unsigned turn = 0; turn < 100; turn++) {
			CHECK_EQ(psref_acquire(&own, &targets[0], class_), 0);
			psref_release(&own, &targets[0], class_);
		}
		CHECK_EQ(psref_acquire(&own, &targets[0], class_), 0);
		pid_t child = fork_or_fail();
		if (child == 0) {
			CHECK(psref_held(&targets[0], class_));
			psref_release(&own, &targets[0], class_);
			CHECK(!psref_held(&targets[0], class_));
			use_a_class_of_its_own();
			// A thread started here can wait for ever for a lock of gcc's sanitizer runtime that a vanished one had.
			if (i % 8 == 0 && !test_under("asan"))
				elsewhere(use_in_childs_thread, NULL);
			destroy_all(); // the parent's: aborts where a vanished thread's hold is still counted
			_exit(0);
		}
		expect_success(child);
		psref_release(&own, &targets[0], class_);
	}
	test_note("%u forks in the storm, %.0f us each", forks, (seconds() - began) / forks * 1e6);
	STORE(&storming, 0);
	for (unsigned i = 0; i < COUNT(threads); i++)
		join(threads[i]);
	destroy_all();
}

// A claim by compare-and-swap takes two steps. A fork between them leaves a slot in the child that is nobody's, and whose
// holder word still names whoever had the slot before: here the forking thread, which had them all.
enum { SLOTS = 1500 };
static int claim_turn, claimed_turn;

static void hold_and_release_all(struct psref *holds)
{
	for (unsigned i = 0; i < SLOTS; i++)
		CHECK_EQ(psref_acquire(&holds[i], &targets[0], class_), 0);
	for (unsigned i = 0; i < SLOTS; i++)
		psref_release(&holds[i], &targets[0], class_);
}

static void *claim_when_told(void *unused)
{
	static struct psref holds[SLOTS];
	uint64_t seed = 1;
	for (int turn = 1;; turn++) {
		while (LOAD(&claim_turn) < turn)
			if (LOAD(&storming) == 0)
				return unused;
		for (uint64_t n = random_number(&seed) % 100000; n > 0; n--)
			__asm__ volatile("");
		hold_and_release_all(holds);
		STORE(&claimed_turn, turn);
	}
}

static void *hold_first_target_once(void *unused)
{
	struct psref hold;
	CHECK_EQ(psref_acquire(&hold, &targets[0], class_), 0);
	psref_release(&hold, &targets[0], class_);
	return unused;
}

static void a_child_is_not_misled_by_a_claim_that_was_under_way(void)
{
	static struct psref holds[SLOTS];
	bool atomic = strcmp(psref_backend(), "atomic") == 0;
	begin();
	hold_and_release_all(holds);
	// Threads without sections share slots with every (possible CPUs + 1)th.
	for (long i = sysconf(_SC_NPROCESSORS_CONF); i > 0; i--)
		elsewhere(hold_first_target_once, NULL);
	STORE(&storming, 1);
	pthread_t other = start(claim_when_told, NULL);
	for (int turn = 1; turn <= (int)test_turns(atomic ? 1000 : 100); turn++) {
		hold_and_release_all(holds);
		STORE(&claim_turn, turn);
		pid_t child = fork_or_fail();
		if (child == 0) {
			destroy_all();
			_exit(0);
		}
		expect_success(child);
		while (LOAD(&claimed_turn) < turn)
			sched_yield();
	}
	STORE(&storming, 0);
	join(other);
	destroy_all();
}

extern char **environ;

static void vfork_and_spawn_disturb_nothing(void)
{
	char program[] = "/bin/true";
	char *const arguments[] = { program, NULL };
	begin();
	start_holders();
	for (unsigned i = 0; i < test_turns(100); i++) {
		pid_t child;
		CHECK_EQ(posix_spawn(&child, program, NULL, NULL, arguments, environ), 0);
		expect_success(child);
		child = vfork();
		if (child == 0) {
			execv(program, arguments);
			_exit(1);
		}
		expect_success(child);
	}
	for (unsigned t = 0; t < TARGETS; t++) {
		struct psref hold;
		CHECK_EQ(psref_acquire(&hold, &targets[t], class_), 0);
		psref_release(&hold, &targets[t], class_);
	}
	end();
}

TEST_MAIN(TEST(a_child_drains_what_other_threads_held),
	  TEST(a_child_of_a_thread_that_never_held_drains_all),
	  TEST(a_childs_own_holds_are_waited_for),
	  TEST(a_childs_own_holds_are_waited_for_whichever_thread_forks),
	  TEST(late_releases_in_a_child_are_harmless),
	  TEST(the_parent_does_not_notice),
	  TEST(grandchildren_drain_too),
	  TEST(fork_while_a_drain_sleeps),
	  TEST(children_of_a_storming_parent_can_do_all),
	  TEST(a_child_is_not_misled_by_a_claim_that_was_under_way),
	  TEST(vfork_and_spawn_disturb_nothing))
