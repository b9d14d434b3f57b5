// SPDX-License-Identifier: MIT OR Apache-2.0
// Drains that wait: never back before the last release, soon after it, and each woken by its own target's releases.
//
// "Never before" is strict and needs no clock: whoever releases counts its release down first, and the drainer looks at
// the count as its drain returns. "Soon after" is bounded by what the busiest machine needs, and measured; a lost wake-up,
// which the library's own look after PSREF_DRAIN_WARN seconds would repair, hangs: the tests put that look off for an hour.
#include "test.h"
#include "threads.h"

#include <psref/psref.h>

enum { MOST = 64 };

// A target, the thread that drains it, and when.
struct place {
	struct psref_target target;
	int left; // holds that are not released yet
	int tid;
	int back;
	double released, returned;
};

static struct psref_class *class_;
static struct place places[MOST];

static void begin(unsigned n)
{
	setenv("PSREF_DRAIN_WARN", "3600", 1);
	class_ = psref_class_create("drained", 0);
	CHECK(class_ != NULL);
	for (unsigned i = 0; i < n; i++)
		psref_target_init(&places[i].target, class_);
}

static void end(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		psref_target_destroy(&places[i].target, class_);
	psref_class_destroy(class_);
}

static void *drain(void *argument)
{
	struct place *place = (struct place *)argument;
	STORE(&place->tid, thread_id());
	psref_target_drain(&place->target, class_);
	place->returned = seconds();
	CHECK_EQ(LOAD(&place->left), 0);
	STORE(&place->back, 1);
	return NULL;
}

static pthread_t start_drain(struct place *place)
{
	STORE(&place->tid, 0);
	STORE(&place->back, 0);
	return start(drain, place);
}

static void hold(struct psref *psref, struct place *place)
{
	CHECK_EQ(psref_acquire(psref, &place->target, class_), 0);
	ADD(&place->left, 1);
}

static void release(struct psref *psref, struct place *place)
{
	place->released = seconds();
	ADD(&place->left, -1);
	psref_release(psref, &place->target, class_);
}

static double check_delay(const struct place *place)
{
	double delay = place->returned - place->released;
	CHECK(delay >= 0);
	CHECK(delay < (test_short() ? 20 : 5));
	return delay;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static void *nothing(void *unused)
{
	return unused;
}

static void drain_of_what_nobody_holds_does_not_wait(void)
{
	begin(1);
	elsewhere(nothing, NULL);
	for (unsigned turn = test_turns(10000); turn > 0; turn--) {
		psref_target_drain(&places[0].target, class_);
		psref_target_destroy(&places[0].target, class_);
		psref_target_init(&places[0].target, class_);
	}
	end(1);
}

static void wait_for_one(unsigned my_cpu, unsigned its_cpu)
{
	double delays[100];
	unsigned n = test_turns(COUNT(delays));
	struct psref psref;
	begin(1);
	cpu_number(0);
	for (unsigned turn = 0; turn < n; turn++) {
		hold(&psref, &places[0]);
		pin(its_cpu); // the drainer inherits it
		pthread_t drainer = start_drain(&places[0]);
		pin(my_cpu);
		wait_until_asleep(&places[0].tid);
		CHECK_EQ(LOAD(&places[0].back), 0);
		CHECK_EQ(LOAD((unsigned char *)&places[0].target.prt_draining), 1);
		release(&psref, &places[0]);
		join(drainer);
		delays[turn] = check_delay(&places[0]) * 1e6;
		psref_target_destroy(&places[0].target, class_);
		psref_target_init(&places[0].target, class_);
	}
	qsort(delays, n, sizeof delays[0], by_size);
	test_note("from release to the drain's return, cpu %u to cpu %u: median %.0f us, longest %.0f us", my_cpu, its_cpu,
		  delays[n / 2], delays[n - 1]);
	end(1);
}

static void drain_waits_for_a_hold_on_its_own_cpu(void)
{
	wait_for_one(0, 0);
}

static void drain_waits_for_a_hold_on_another_cpu(void)
{
	wait_for_one(0, 1);
}

static void drain_waits_for_the_last_of_many_holds(void)
{
	static struct psref holds[300];
	uint64_t seed = 3;
	begin(2);
	for (unsigned turn = 0; turn < test_turns(20); turn++) {
		unsigned n = (unsigned)COUNT(holds);
		unsigned order[COUNT(holds)];
		for (unsigned i = 0; i < n; i++) {
			pin(i); // on every CPU, past the first block
			order[i] = i;
			hold(&holds[i], &places[i % 2]);
		}
		pthread_t drainer = start_drain(&places[0]);
		wait_until_asleep(&places[0].tid);
		for (; n > 0; n--) {
			unsigned pick = (unsigned)(random_number(&seed) % n);
			release(&holds[order[pick]], &places[order[pick] % 2]);
			order[pick] = order[n - 1];
		}
		join(drainer);
		check_delay(&places[0]);
		psref_target_destroy(&places[0].target, class_);
		psref_target_init(&places[0].target, class_);
	}
	end(2);
}

static void drain_waits_for_a_copy_made_while_it_waits(void)
{
	struct psref first, second;
	for (int turn = 0; turn < 2; turn++) {
		begin(1);
		hold(&first, &places[0]);
		pthread_t drainer = start_drain(&places[0]);
		wait_until_asleep(&places[0].tid);
		psref_copy(&second, &first, class_);
		ADD(&places[0].left, 1);
		release(turn == 0 ? &first : &second, &places[0]);
		wait_until_asleep(&places[0].tid); // woken, and asleep again
		CHECK_EQ(LOAD(&places[0].back), 0);
		release(turn == 0 ? &second : &first, &places[0]);
		join(drainer);
		check_delay(&places[0]);
		end(1);
	}
}

// A hold that is passed from psref to psref by copies, from CPU to CPU, must not slip through any scan.
static void drain_does_not_miss_a_hold_that_moves_by_copies(void)
{
	struct psref two[2];
	begin(1);
	cpu_number(0);
	for (unsigned turn = 0; turn < test_turns(40); turn++) {
		hold(&two[0], &places[0]);
		pthread_t drainer = start_drain(&places[0]);
		for (unsigned move = 0; move < 2000; move++) {
			if (move % 16 == 0)
				pin(move / 16);
			psref_copy(&two[(move + 1) % 2], &two[move % 2], class_);
			psref_release(&two[move % 2], &places[0].target, class_);
		}
		CHECK_EQ(LOAD(&places[0].back), 0);
		release(&two[0], &places[0]);
		join(drainer);
		check_delay(&places[0]);
		psref_target_destroy(&places[0].target, class_);
		psref_target_init(&places[0].target, class_);
	}
	end(1);
}

static void each_of_two_drains_is_woken_by_its_own_release(void)
{
	struct psref holds[2];
	for (unsigned order = 0; order < 4; order++) { // who drains first, who is released first
		unsigned first = order & 1, sooner = order >> 1;
		begin(2);
		hold(&holds[0], &places[0]);
		hold(&holds[1], &places[1]);
		pthread_t drainers[2];
		for (unsigned i = 0; i < 2; i++) {
			drainers[first ^ i] = start_drain(&places[first ^ i]);
			wait_until_asleep(&places[first ^ i].tid);
		}
		release(&holds[sooner], &places[sooner]);
		join(drainers[sooner]);
		check_delay(&places[sooner]);
		CHECK_EQ(LOAD(&places[!sooner].back), 0);
		wait_until_asleep(&places[!sooner].tid);
		release(&holds[!sooner], &places[!sooner]);
		join(drainers[!sooner]);
		check_delay(&places[!sooner]);
		end(2);
	}
}

static void two_drains_of_one_target_both_return(void)
{
	struct psref psref;
	static struct place *const place = &places[0];
	begin(1);
	hold(&psref, place);
	pthread_t first = start_drain(place);
	wait_until_asleep(&place->tid);
	pthread_t second = start_drain(place);
	wait_until_asleep(&place->tid);
	release(&psref, place);
	join(first);
	join(second);
	check_delay(place);
	end(1);
}

static void many_drains_at_once_each_wait_for_their_own(void)
{
	static struct psref holds[MOST];
	pthread_t drainers[MOST];
	unsigned order[MOST];
	uint64_t seed = 5;
	for (unsigned turn = 0; turn < test_turns(5); turn++) {
		begin(MOST);
		for (unsigned i = 0; i < MOST; i++) {
			order[i] = i;
			hold(&holds[i], &places[i]);
			drainers[i] = start_drain(&places[i]);
		}
		wait_until_asleep(&places[MOST - 1].tid);
		for (unsigned n = MOST; n > 0; n--) {
			unsigned pick = (unsigned)(random_number(&seed) % n), i = order[pick];
			order[pick] = order[n - 1];
			CHECK_EQ(LOAD(&places[i].back), 0);
			release(&holds[i], &places[i]);
			if (n % 2 == 0) { // some one by one, some in pairs
				join(drainers[i]);
				check_delay(&places[i]);
				drainers[i] = 0;
			}
		}
		for (unsigned i = 0; i < MOST; i++) {
			if (drainers[i] != 0) {
				join(drainers[i]);
				check_delay(&places[i]);
			}
		}
		end(MOST);
	}
}

static void other_targets_live_on_while_one_drains(void)
{
	struct psref held, other;
	begin(2);
	hold(&held, &places[0]);
	pthread_t drainer = start_drain(&places[0]);
	wait_until_asleep(&places[0].tid);
	for (unsigned turn = 0; turn < test_turns(2000); turn++) {
		CHECK_EQ(psref_acquire(&other, &places[0].target, class_), ENOENT);
		CHECK_EQ(psref_acquire(&other, &places[1].target, class_), 0);
		psref_release(&other, &places[1].target, class_);
		psref_target_destroy(&places[1].target, class_);
		psref_target_init(&places[1].target, class_);
	}
	CHECK_EQ(LOAD(&places[0].back), 0);
	release(&held, &places[0]);
	join(drainer);
	check_delay(&places[0]);
	end(2);
}

// The release that comes at the very moment when a drain decides to sleep must not be lost. Delays of a random length
// make them meet everywhere; every other begins when the drain is seen to begin, and is short.
static int turn_of_holder;

static void *release_soon(void *argument)
{
	struct psref *psref = (struct psref *)argument;
	uint64_t seed = 7;
	for (int turn = 1; LOAD(&turn_of_holder) >= 0; turn++) {
		int now;
		while ((now = LOAD(&turn_of_holder)) < turn && now >= 0)
			sched_yield();
		if (now < 0)
			break;
		while (turn % 2 == 0 && !LOAD((unsigned char *)&places[0].target.prt_draining))
			;
		for (uint64_t n = random_number(&seed) % (turn % 2 == 0 ? 3000 : 20000); n > 0; n--)
			__asm__ volatile("");
		release(psref, &places[0]);
	}
	return NULL;
}

static void no_release_is_lost_on_a_drain_that_goes_to_sleep(void)
{
	test_not_strict("strict: a hold is released and copied by its thread alone");
	struct psref psref;
	double longest = 0;
	begin(1);
	cpu_number(0);
	pin(0);
	pthread_t holder = start(release_soon, &psref);
	pin(1);
	unsigned turns = test_turns(20000), turn = 1;
	for (; turn <= turns && has_time(); turn++) {
		hold(&psref, &places[0]);
		STORE(&turn_of_holder, (int)turn);
		drain(&places[0]);
		double delay = check_delay(&places[0]);
		longest = delay > longest ? delay : longest;
		psref_target_destroy(&places[0].target, class_);
		psref_target_init(&places[0].target, class_);
	}
	STORE(&turn_of_holder, -1);
	join(holder);
	test_note("%u drains met a release; longest from release to return %.0f us", turn - 1, longest * 1e6);
	end(1);
}

static int handled;

static void count(int signal_number)
{
	(void)signal_number;
	ADD(&handled, 1);
}

static void signals_do_not_end_a_drain(void)
{
	for (int restart = 0; restart < 2; restart++) {
		struct sigaction action;
		struct psref psref;
		memset(&action, 0, sizeof action);
		action.sa_handler = count;
		action.sa_flags = restart ? SA_RESTART : 0;
		sigaction(SIGUSR1, &action, NULL);
		begin(1);
		hold(&psref, &places[0]);
		pthread_t drainer = start_drain(&places[0]);
		wait_until_asleep(&places[0].tid);
		STORE(&handled, 0);
		for (int sent = 0; sent < 50; sent++) {
			pthread_kill(drainer, SIGUSR1);
			while (LOAD(&handled) <= sent)
				nap(20);
		}
		CHECK_EQ(LOAD(&places[0].back), 0);
		release(&psref, &places[0]);
		join(drainer);
		check_delay(&places[0]);
		end(1);
	}
}

TEST_MAIN(TEST(drain_of_what_nobody_holds_does_not_wait),
	  TEST(drain_waits_for_a_hold_on_its_own_cpu),
	  TEST(drain_waits_for_a_hold_on_another_cpu),
	  TEST(drain_waits_for_the_last_of_many_holds),
	  TEST(drain_waits_for_a_copy_made_while_it_waits),
	  TEST(drain_does_not_miss_a_hold_that_moves_by_copies),
	  TEST(each_of_two_drains_is_woken_by_its_own_release),
	  TEST(two_drains_of_one_target_both_return),
	  TEST(many_drains_at_once_each_wait_for_their_own),
	  TEST(other_targets_live_on_while_one_drains),
	  TEST(no_release_is_lost_on_a_drain_that_goes_to_sleep),
	  TEST(signals_do_not_end_a_drain))
