// SPDX-License-Identifier: MIT OR Apache-2.0
// Performs that wait: for every section that was open before, for no other, and soon back after the last.
//
// "Never before" is strict and needs no clock: whoever reads counts himself out first and leaves then, and the performer
// looks at the count as its perform returns. A lost wake-up hangs: the library's own second look is put off for an hour.
#include "test.h"
#include "threads.h"

#include <psref/pserialize.h>

enum { MOST = 32 };

// A thread that opens a section and closes it when it is told to.
struct reader {
	pthread_t thread;
	unsigned cpu, nested;
	int inside, leave, left;
	double ended;
} __attribute__((aligned(128)));

// A thread that performs.
struct performer {
	pthread_t thread;
	int tid, back;
	const struct reader *before; // whose section was open; NULL: of no concern
	double returned;
};

static pserialize_t psz;
static struct reader readers[MOST];

static void begin(void)
{
	no_second_look();
	cpu_number(0);
	psz = pserialize_create();
	CHECK(psz != NULL);
}

static void *read_until_told(void *argument)
{
	struct reader *me = (struct reader *)argument;
	pin(me->cpu);
	int s = pserialize_read_enter(), t = 0;
	if (me->nested)
		t = pserialize_read_enter();
	STORE(&me->inside, 1);
	wait_until_set(&me->leave);
	if (me->nested) { // the inner one's end is not the section's
		pserialize_read_exit(t);
		nap(1000);
	}
	me->ended = seconds();
	STORE(&me->left, 1);
	pserialize_read_exit(s);
	return NULL;
}

static struct reader *start_reader(unsigned i, unsigned nested)
{
	struct reader *reader = &readers[i];
	memset(reader, 0, sizeof *reader);
	reader->cpu = i;
	reader->nested = nested;
	reader->thread = start(read_until_told, reader);
	wait_until_set(&reader->inside);
	return reader;
}

static void end_reader(struct reader *reader)
{
	STORE(&reader->leave, 1);
	join(reader->thread);
}

static void *perform(void *argument)
{
	struct performer *me = (struct performer *)argument;
	STORE(&me->tid, thread_id());
	pserialize_perform(psz);
	me->returned = seconds();
	if (me->before != NULL)
		CHECK_EQ(LOAD(&me->before->left), 1);
	STORE(&me->back, 1);
	return NULL;
}

static void start_performer(struct performer *performer, const struct reader *before)
{
	memset(performer, 0, sizeof *performer);
	performer->before = before;
	performer->thread = start(perform, performer);
}

static double check_delay(const struct performer *performer, const struct reader *last)
{
	double delay = performer->returned - last->ended;
	CHECK(delay >= 0);
	CHECK(delay < (test_short() ? 20 : 5));
	return delay;
}

static void wait_for_one(unsigned its_cpu, unsigned nested)
{
	unsigned n = test_turns(100);
	double longest = 0;
	begin();
	for (unsigned turn = 0; turn < n; turn++) {
		struct performer performer;
		struct reader *reader = start_reader(its_cpu, nested);
		pin(0);
		start_performer(&performer, reader);
		wait_until_asleep(&performer.tid);
		CHECK_EQ(LOAD(&performer.back), 0);
		end_reader(reader);
		join(performer.thread);
		double delay = check_delay(&performer, reader);
		longest = delay > longest ? delay : longest;
	}
	test_note("from exit to the perform's return, cpu %u to cpu 0: longest %.0f us", its_cpu, longest * 1e6);
	pserialize_destroy(psz);
}

static void perform_waits_for_a_section_on_its_own_cpu(void)
{
	wait_for_one(0, 0);
}

static void perform_waits_for_a_section_on_another_cpu(void)
{
	wait_for_one(1, 0);
}

static void perform_waits_for_the_outermost_of_nested_sections(void)
{
	wait_for_one(1, 1);
}

static void perform_waits_for_sections_that_were_opened_before_any_create(void)
{
	struct performer performer;
	no_second_look();
	cpu_number(0);
	struct reader *reader = start_reader(1, 0);
	start_performer(&performer, reader);
	wait_until_asleep(&performer.tid);
	CHECK_EQ(LOAD(&performer.back), 0);
	end_reader(reader);
	join(performer.thread);
}

static void perform_waits_for_the_last_of_many_sections(void)
{
	uint64_t seed = 3;
	begin();
	for (unsigned turn = 0; turn < test_turns(20); turn++) {
		struct performer performer;
		struct reader *order[MOST];
		for (unsigned i = 0; i < MOST; i++)
			order[i] = start_reader(i, i % 2);
		start_performer(&performer, NULL);
		if (turn % 2 == 0)
			wait_until_asleep(&performer.tid);
		for (unsigned n = MOST; n > 0; n--) {
			unsigned pick = (unsigned)(random_number(&seed) % n);
			CHECK_EQ(LOAD(&performer.back), 0);
			end_reader(order[pick]);
			if (n == 1)
				order[0] = order[pick];
			else
				order[pick] = order[n - 1];
		}
		join(performer.thread);
		check_delay(&performer, order[0]);
	}
	pserialize_destroy(psz);
}

static void perform_does_not_wait_for_sections_that_were_opened_later(void)
{
	begin();
	for (unsigned turn = 0; turn < test_turns(100); turn++) {
		struct performer performer;
		struct reader *before = start_reader(0, 0);
		start_performer(&performer, before);
		wait_until_asleep(&performer.tid);
		struct reader *later = start_reader(1, 0);
		CHECK_EQ(LOAD(&performer.back), 0);
		end_reader(before);
		join(performer.thread); // hangs where it waits for both
		CHECK_EQ(LOAD(&later->left), 0);
		end_reader(later);
	}
	pserialize_destroy(psz);
}

// A perform that joins one under way, which began before it was called, has not waited for a section that was opened
// between the two.
static void a_perform_does_not_join_one_that_began_before_it(void)
{
	begin();
	for (unsigned turn = 0; turn < test_turns(100); turn++) {
		struct performer first, second;
		struct reader *old = start_reader(0, 0);
		start_performer(&first, old);
		wait_until_asleep(&first.tid);
		struct reader *between = start_reader(1, 0);
		start_performer(&second, between);
		wait_until_asleep(&second.tid);
		CHECK_EQ(LOAD(&first.back) + LOAD(&second.back), 0);
		end_reader(old);
		join(first.thread);
		wait_until_asleep(&second.tid);
		CHECK_EQ(LOAD(&second.back), 0);
		end_reader(between);
		join(second.thread);
		check_delay(&second, between);
	}
	pserialize_destroy(psz);
}

static void every_perform_waits_whichever_handle_it_has(void)
{
	begin();
	pserialize_t other = pserialize_create();
	pserialize_t handles[] = { psz, other, NULL };
	for (unsigned i = 0; i < COUNT(handles); i++) {
		struct performer performer;
		psz = handles[i];
		struct reader *reader = start_reader(1, 0);
		start_performer(&performer, reader);
		wait_until_asleep(&performer.tid);
		CHECK_EQ(LOAD(&performer.back), 0);
		end_reader(reader);
		join(performer.thread);
	}
	pserialize_destroy(handles[0]);
	pserialize_destroy(other);
}

static void performs_of_many_threads_all_return(void)
{
	begin();
	for (unsigned turn = 0; turn < test_turns(20); turn++) {
		static struct performer performers[MOST];
		struct reader *reader = start_reader(turn, 0);
		for (unsigned i = 0; i < MOST; i++)
			start_performer(&performers[i], reader);
		if (turn % 2 == 0)
			wait_until_asleep(&performers[MOST - 1].tid);
		end_reader(reader);
		for (unsigned i = 0; i < MOST; i++) {
			join(performers[i].thread);
			check_delay(&performers[i], reader);
		}
	}
	pserialize_destroy(psz);
}

static int stop, begun;
static unsigned long performs, sections;

static void *perform_all_the_time(void *unused)
{
	unsigned long n = 0;
	for (; !LOAD(&stop); n++)
		pserialize_perform(psz);
	ADD(&performs, n);
	return unused;
}

static void *read_all_the_time(void *unused)
{
	unsigned long n = 0;
	ADD(&begun, 1);
	for (; !LOAD(&stop) || n == 0; n++) {
		int s = pserialize_read_enter();
		spin(n % 64);
		pserialize_read_exit(s);
	}
	ADD(&sections, n);
	return unused;
}

// One section after the other in every thread: some are always open, none for long.
static void readers_that_never_rest_do_not_keep_performs_waiting(void)
{
	pthread_t threads[8];
	begin();
	for (unsigned i = 0; i < COUNT(threads); i++)
		threads[i] = start(i % 2 == 0 ? read_all_the_time : perform_all_the_time, NULL);
	while (LOAD(&begun) < (int)COUNT(threads) / 2)
		sched_yield();
	double began = seconds();
	for (unsigned i = 0; i < test_turns(2000); i++)
		pserialize_perform(psz);
	STORE(&stop, 1);
	double took = seconds() - began;
	for (unsigned i = 0; i < COUNT(threads); i++)
		join(threads[i]);
	test_note("%u performs of one thread, %lu of others, %lu sections, in %.2f s", test_turns(2000), performs, sections, took);
	CHECK(sections > 0);
	pserialize_destroy(psz);
}

// The exit that comes at the very moment when a perform decides to sleep must not be lost. Delays of a random length make them
// meet everywhere.
static int turn_of_reader, entered, left;

static void *leave_soon(void *unused)
{
	uint64_t seed = 7;
	pin(0);
	for (int turn = 1;; turn++) {
		int now;
		while ((now = LOAD(&turn_of_reader)) < turn && now >= 0)
			sched_yield();
		if (now < 0)
			break;
		int s = pserialize_read_enter();
		STORE(&entered, turn);
		spin(random_number(&seed) % (turn % 2 == 0 ? 3000 : 20000));
		STORE(&left, turn);
		pserialize_read_exit(s);
	}
	return unused;
}

static void no_exit_is_lost_on_a_perform_that_goes_to_sleep(void)
{
	double longest = 0, end = seconds() + 20;
	unsigned turn = 0;
	begin();
	pthread_t reader = start(leave_soon, NULL);
	pin(1);
	// On a busy machine every turn may take as long as others have the CPUs.
	while (turn < test_turns(20000) && (turn < 100 || seconds() < end)) {
		turn++;
		STORE(&turn_of_reader, (int)turn);
		while (LOAD(&entered) != (int)turn)
			sched_yield();
		double began = seconds();
		pserialize_perform(psz);
		CHECK_EQ(LOAD(&left), (int)turn);
		double took = seconds() - began;
		longest = took > longest ? took : longest;
	}
	STORE(&turn_of_reader, -1);
	join(reader);
	test_note("%u performs met a section; the longest took %.0f us", turn, longest * 1e6);
	pserialize_destroy(psz);
}

static int handled;

static void note_signal(int signal_number)
{
	(void)signal_number;
	pserialize_read_exit(pserialize_read_enter());
	ADD(&handled, 1);
}

static void signals_do_not_end_a_perform(void)
{
	begin();
	for (int restart = 0; restart < 2; restart++) {
		struct performer performer;
		handle_with(note_signal, SIGUSR1, restart ? SA_RESTART : 0);
		struct reader *reader = start_reader(1, 0);
		start_performer(&performer, reader);
		wait_until_asleep(&performer.tid);
		STORE(&handled, 0);
		for (int sent = 0; sent < 50; sent++) {
			pthread_kill(performer.thread, SIGUSR1);
			while (LOAD(&handled) <= sent)
				nap(20);
		}
		CHECK_EQ(LOAD(&performer.back), 0);
		end_reader(reader);
		join(performer.thread);
		check_delay(&performer, reader);
	}
	pserialize_destroy(psz);
}

static void a_perform_that_waits_uses_no_cpu_time(void)
{
	struct performer performer;
	struct rusage before, after;
	begin();
	struct reader *reader = start_reader(1, 0);
	start_performer(&performer, reader);
	wait_until_asleep(&performer.tid);
	getrusage(RUSAGE_SELF, &before); // the reader naps; nobody else is there
	nap(200000);
	getrusage(RUSAGE_SELF, &after);
	double used = (double)(after.ru_utime.tv_sec - before.ru_utime.tv_sec)
		      + (double)(after.ru_utime.tv_usec - before.ru_utime.tv_usec) * 1e-6;
	end_reader(reader);
	join(performer.thread);
	if (test_under("valgrind"))
		SKIP("valgrind's own time is the process's");
	CHECK(used < 0.1);
	pserialize_destroy(psz);
}

TEST_MAIN(TEST(perform_waits_for_a_section_on_its_own_cpu),
	  TEST(perform_waits_for_a_section_on_another_cpu),
	  TEST(perform_waits_for_the_outermost_of_nested_sections),
	  TEST(perform_waits_for_sections_that_were_opened_before_any_create),
	  TEST(perform_waits_for_the_last_of_many_sections),
	  TEST(perform_does_not_wait_for_sections_that_were_opened_later),
	  TEST(a_perform_does_not_join_one_that_began_before_it),
	  TEST(every_perform_waits_whichever_handle_it_has),
	  TEST(performs_of_many_threads_all_return),
	  TEST(readers_that_never_rest_do_not_keep_performs_waiting),
	  TEST(no_exit_is_lost_on_a_perform_that_goes_to_sleep),
	  TEST(signals_do_not_end_a_perform),
	  TEST(a_perform_that_waits_uses_no_cpu_time))
