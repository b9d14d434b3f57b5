// SPDX-License-Identifier: MIT OR Apache-2.0
// Drains that wait: never back before the last release, soon after it, with the interlock held again; in the idiom of
// NetBSD's, where the interlock is held when drain is called and releases on other CPUs take it.
//
// "Never before" is strict and needs no clock: whoever releases counts its release down first, and the drainer looks at
// the count as its drain returns. A lost wake-up hangs: the tests put the library's own second look off for an hour.
#include "test.h"
#include "threads.h"

#include <psref/localcount.h>

enum { MOST = 64 };

// A count, the thread that drains it, and when.
struct place {
	struct localcount count;
	kcondvar_t *cv;
	kmutex_t *interlock;
	int left; // references that are not released yet
	int tid, back;
	double released, returned;
};

static struct place places[MOST];
static kmutex_t mutexes[MOST];
static kcondvar_t cvs[MOST];

// Each with an interlock of its own, or all with the same.
static void begin(unsigned n, bool shared)
{
	no_second_look();
	cpu_number(0);
	for (unsigned i = 0; i < n; i++) {
		mutex_init(&mutexes[i], MUTEX_DEFAULT, IPL_NONE);
		cv_init(&cvs[i], "drain");
		places[i].cv = &cvs[shared ? 0 : i];
		places[i].interlock = &mutexes[shared ? 0 : i];
		CHECK_EQ(localcount_init(&places[i].count), 0);
	}
}

static void again(struct place *place)
{
	localcount_fini(&place->count);
	CHECK_EQ(localcount_init(&place->count), 0);
}

static void end(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		localcount_fini(&places[i].count); // aborts where it was not drained
		cv_destroy(&cvs[i]);
		mutex_destroy(&mutexes[i]);
	}
}

static void *drain(void *argument)
{
	struct place *place = (struct place *)argument;
	mutex_enter(place->interlock);
	STORE(&place->tid, thread_id());
	localcount_drain(&place->count, place->cv, place->interlock);
	CHECK(mutex_owned(place->interlock));
	place->returned = seconds();
	CHECK_EQ(LOAD(&place->left), 0);
	STORE(&place->back, 1);
	mutex_exit(place->interlock);
	return NULL;
}

static pthread_t start_drain(struct place *place)
{
	STORE(&place->tid, 0);
	STORE(&place->back, 0);
	return start(drain, place);
}

static void hold(struct place *place)
{
	localcount_acquire(&place->count);
	ADD(&place->left, 1);
}

static void release(struct place *place)
{
	place->released = seconds();
	ADD(&place->left, -1);
	localcount_release(&place->count, place->cv, place->interlock);
}

static double check_delay(const struct place *place)
{
	double delay = place->returned - place->released;
	CHECK(delay >= 0);
	CHECK(delay < (test_short() ? 20 : 5));
	return delay;
}

static void drain_of_what_nobody_holds_does_not_wait(void)
{
	begin(1, false);
	for (unsigned turn = test_turns(10000); turn > 0; turn--) {
		hold(&places[0]);
		release(&places[0]);
		drain(&places[0]);
		again(&places[0]);
	}
	drain(&places[0]);
	end(1);
}

static void wait_for_one(unsigned my_cpu, unsigned its_cpu)
{
	unsigned n = test_turns(100);
	double longest = 0;
	begin(1, false);
	for (unsigned turn = 0; turn < n; turn++) {
		hold(&places[0]);
		pin(its_cpu); // the drainer inherits it
		pthread_t drainer = start_drain(&places[0]);
		pin(my_cpu);
		wait_until_asleep(&places[0].tid);
		CHECK_EQ(LOAD(&places[0].back), 0);
		CHECK(LOAD(&places[0].count.lc_totalp) != NULL);
		release(&places[0]);
		join(drainer);
		double delay = check_delay(&places[0]);
		longest = delay > longest ? delay : longest;
		again(&places[0]);
	}
	test_note("from release to the drain's return, cpu %u to cpu %u: longest %.0f us", my_cpu, its_cpu, longest * 1e6);
	drain(&places[0]);
	end(1);
}

static void drain_waits_for_a_reference_on_its_own_cpu(void)
{
	wait_for_one(0, 0);
}

static void drain_waits_for_a_reference_on_another_cpu(void)
{
	wait_for_one(0, 1);
}

static void *release_many(void *argument)
{
	static int next;
	struct place *place = (struct place *)argument;
	pin((unsigned)ADD(&next, 1));
	for (unsigned i = 0; i < 100; i++)
		release(place);
	return NULL;
}

// Acquired here, released there: only the sum of all cells means anything.
static void drain_waits_for_the_last_of_many_references_released_on_other_cpus(void)
{
	begin(1, false);
	for (unsigned turn = 0; turn < test_turns(40); turn++) {
		pthread_t releasers[3];
		for (unsigned i = 0; i < 500; i++) {
			pin(turn % 3 == 0 ? 0 : i); // all on one, or everywhere
			hold(&places[0]);
		}
		if (turn % 2 == 0)
			elsewhere(release_many, &places[0]); // some before the drain
		else
			for (unsigned i = 0; i < 100; i++)
				release(&places[0]);
		pthread_t drainer = start_drain(&places[0]);
		if (turn % 4 < 2)
			wait_until_asleep(&places[0].tid);
		for (unsigned i = 0; i < COUNT(releasers); i++)
			releasers[i] = start(release_many, &places[0]);
		for (unsigned i = 0; i < COUNT(releasers); i++)
			join(releasers[i]);
		CHECK_EQ(LOAD(&places[0].back), 0);
		for (unsigned i = 0; i < 100; i++)
			release(&places[0]);
		join(drainer);
		check_delay(&places[0]);
		again(&places[0]);
	}
	drain(&places[0]);
	end(1);
}

static void the_interlock_is_free_while_a_drain_waits(void)
{
	begin(1, false);
	hold(&places[0]);
	pthread_t drainer = start_drain(&places[0]);
	wait_until_asleep(&places[0].tid);
	for (int turn = 0; turn < 1000; turn++) {
		mutex_enter(places[0].interlock);
		CHECK_EQ(LOAD(&places[0].back), 0);
		mutex_exit(places[0].interlock);
	}
	release(&places[0]);
	join(drainer);
	check_delay(&places[0]);
	end(1);
}

// The condition is the interlock's user's, who may wake it for reasons of its own.
static void a_broadcast_for_other_reasons_does_not_end_a_drain(void)
{
	begin(1, false);
	hold(&places[0]);
	pthread_t drainer = start_drain(&places[0]);
	for (int turn = 0; turn < 100; turn++) {
		wait_until_asleep(&places[0].tid);
		mutex_enter(places[0].interlock);
		cv_broadcast(places[0].cv);
		mutex_exit(places[0].interlock);
		CHECK_EQ(LOAD(&places[0].back), 0);
	}
	release(&places[0]);
	join(drainer);
	check_delay(&places[0]);
	end(1);
}

static void each_of_two_drains_with_one_interlock_is_woken_by_its_own_release(void)
{
	for (unsigned order = 0; order < 4; order++) { // who drains first, who is released first
		unsigned first = order & 1, sooner = order >> 1;
		pthread_t drainers[2];
		begin(2, true);
		hold(&places[0]);
		hold(&places[1]);
		for (unsigned i = 0; i < 2; i++) {
			drainers[first ^ i] = start_drain(&places[first ^ i]);
			wait_until_asleep(&places[first ^ i].tid);
		}
		release(&places[sooner]);
		join(drainers[sooner]);
		check_delay(&places[sooner]);
		CHECK_EQ(LOAD(&places[!sooner].back), 0);
		wait_until_asleep(&places[!sooner].tid);
		release(&places[!sooner]);
		join(drainers[!sooner]);
		check_delay(&places[!sooner]);
		end(2);
	}
}

static void many_drains_at_once_each_wait_for_their_own(void)
{
	pthread_t drainers[MOST];
	uint64_t seed = 5;
	for (unsigned turn = 0; turn < test_turns(20); turn++) {
		unsigned order[MOST];
		begin(MOST, turn % 2 == 0);
		for (unsigned i = 0; i < MOST; i++) {
			order[i] = i;
			hold(&places[i]);
			hold(&places[i]);
			drainers[i] = start_drain(&places[i]);
			release(&places[i]); // sometimes before the drain, sometimes while it sums
		}
		wait_until_asleep(&places[MOST - 1].tid);
		for (unsigned n = MOST; n > 0; n--) {
			unsigned pick = (unsigned)(random_number(&seed) % n), i = order[pick];
			order[pick] = order[n - 1];
			CHECK_EQ(LOAD(&places[i].back), 0);
			release(&places[i]);
			join(drainers[i]);
			check_delay(&places[i]);
		}
		end(MOST);
	}
}

static void other_counts_live_on_while_one_drains(void)
{
	begin(2, true);
	hold(&places[0]);
	pthread_t drainer = start_drain(&places[0]);
	wait_until_asleep(&places[0].tid);
	for (unsigned turn = 0; turn < test_turns(2000); turn++) {
		hold(&places[1]);
		CHECK(!localcount_trydrain(&places[1].count));
		release(&places[1]);
		CHECK(localcount_trydrain(&places[1].count));
		again(&places[1]);
		CHECK_EQ(localcount_debug_refcnt(&places[0].count), 1);
	}
	CHECK_EQ(LOAD(&places[0].back), 0);
	release(&places[0]);
	join(drainer);
	check_delay(&places[0]);
	drain(&places[1]);
	end(2);
}

// The release that comes at the very moment when a drain sets its guard, sums, or decides to sleep must not be lost, and must
// not be counted twice. Delays of a random length make them meet everywhere.
static int turn_of_holder;

// One, a few, or so many that the drain's guard and its sum fall among them.
static int references_in(int turn)
{
	return turn % 4 == 1 ? 150 : turn % 4 + 1;
}

static void *release_soon(void *unused)
{
	uint64_t seed = 7;
	for (int turn = 1;; turn++) {
		int now;
		while ((now = LOAD(&turn_of_holder)) < turn && now >= 0)
			sched_yield();
		if (now < 0)
			break;
		while (turn % 2 == 0 && LOAD(&places[0].count.lc_totalp) == NULL)
			;
		spin(random_number(&seed) % (turn % 2 == 0 ? 3000 : turn % 4 == 1 ? 1000 : 20000));
		for (int i = references_in(turn); i > 1; i--) {
			ADD(&places[0].left, -1);
			localcount_release(&places[0].count, places[0].cv, places[0].interlock);
		}
		release(&places[0]);
	}
	return unused;
}

static void no_release_is_lost_on_a_drain_that_goes_to_sleep(void)
{
	double longest = 0;
	begin(1, false);
	pin(0);
	pthread_t holder = start(release_soon, NULL);
	pin(1);
	unsigned turn = 1;
	for (; turn <= test_turns(20000) && has_time(); turn++) {
		for (int i = references_in((int)turn); i > 0; i--)
			hold(&places[0]);
		STORE(&turn_of_holder, (int)turn);
		drain(&places[0]);
		double delay = check_delay(&places[0]);
		longest = delay > longest ? delay : longest;
		again(&places[0]); // at once: the last release has left the count, which is another one's now
		CHECK_EQ(localcount_debug_refcnt(&places[0].count), 0);
	}
	STORE(&turn_of_holder, -1);
	join(holder);
	test_note("%u drains met a release; longest from release to return %.0f us", turn - 1, longest * 1e6);
	drain(&places[0]);
	end(1);
}

static int handled;

static void note_signal(int signal_number)
{
	(void)signal_number;
	ADD(&handled, 1);
}

static void signals_do_not_end_a_drain(void)
{
	for (int restart = 0; restart < 2; restart++) {
		handle_with(note_signal, SIGUSR1, restart ? SA_RESTART : 0);
		begin(1, false);
		hold(&places[0]);
		pthread_t drainer = start_drain(&places[0]);
		wait_until_asleep(&places[0].tid);
		STORE(&handled, 0);
		for (int sent = 0; sent < 50; sent++) {
			pthread_kill(drainer, SIGUSR1);
			while (LOAD(&handled) <= sent)
				nap(20);
		}
		CHECK_EQ(LOAD(&places[0].back), 0);
		release(&places[0]);
		join(drainer);
		check_delay(&places[0]);
		end(1);
	}
}

TEST_MAIN(TEST(drain_of_what_nobody_holds_does_not_wait),
	  TEST(drain_waits_for_a_reference_on_its_own_cpu),
	  TEST(drain_waits_for_a_reference_on_another_cpu),
	  TEST(drain_waits_for_the_last_of_many_references_released_on_other_cpus),
	  TEST(the_interlock_is_free_while_a_drain_waits),
	  TEST(a_broadcast_for_other_reasons_does_not_end_a_drain),
	  TEST(each_of_two_drains_with_one_interlock_is_woken_by_its_own_release),
	  TEST(many_drains_at_once_each_wait_for_their_own),
	  TEST(other_counts_live_on_while_one_drains),
	  TEST(no_release_is_lost_on_a_drain_that_goes_to_sleep),
	  TEST(signals_do_not_end_a_drain))
