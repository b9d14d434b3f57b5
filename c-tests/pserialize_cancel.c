// SPDX-License-Identifier: MIT OR Apache-2.0
// A thread that is cancelled while it waits in a perform and reports: the performs of others go on.
#include "test.h"
#include "threads.h"

#include <psref/pserialize.h>

#include <poll.h>

enum { PATIENCE = 10 };

static pserialize_t psz;
static int inside, may_leave, performed, tid, reports;

static void *read_until_told(void *unused)
{
	int s = pserialize_read_enter();
	STORE(&inside, 1);
	wait_until_set(&may_leave);
	pserialize_read_exit(s);
	return unused;
}

static void *perform(void *unused)
{
	pserialize_perform(psz);
	ADD(&performed, 1);
	return unused;
}

static void *perform_and_be_cancelled(void *unused)
{
	STORE(&tid, thread_id());
	pserialize_perform(psz);
	pthread_testcancel(); // at the latest
	return unused;
}

// From here on standard error is what next_report() reads.
static void catch_reports(void)
{
	int ends[2];
	CHECK_EQ(pipe(ends), 0);
	CHECK_EQ(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
	close(ends[1]);
	reports = ends[0];
}

// Whether somebody tells within so many milliseconds of a perform that waits.
static bool next_report(int milliseconds, const char *words)
{
	char text[4096];
	struct pollfd look = { reports, POLLIN, 0 };
	double end = seconds() + milliseconds * 1e-3;
	while (seconds() < end) {
		if (poll(&look, 1, milliseconds) != 1)
			continue;
		ssize_t n = read(reports, text, sizeof text - 1);
		text[n > 0 ? n : 0] = '\0';
		if (strstr(text, words) != NULL)
			return true;
	}
	return false;
}

static void check_performed(int expected)
{
	for (double end = seconds() + PATIENCE; LOAD(&performed) < expected; nap(1000))
		if (seconds() >= end)
			FAIL("%d performs of others are done after %d s, expected %d", LOAD(&performed), PATIENCE, expected);
}

static pthread_t begin(void)
{
	setenv("PSREF_DRAIN_WARN", "0.1", 1);
	catch_reports();
	psz = pserialize_create();
	CHECK(psz != NULL);
	pthread_t reader = start(read_until_told, NULL);
	wait_until_set(&inside);
	return reader;
}

// One performer is cancelled, another waits behind it, and one comes later.
static void end(pthread_t reader, pthread_t cancelled, pthread_t behind)
{
	void *how;
	next_report(300, "for read sections of"); // where it would act on it
	STORE(&may_leave, 1);
	join(reader);
	CHECK_EQ(pthread_join(cancelled, &how), 0);
	CHECK(how == PTHREAD_CANCELED);
	check_performed(1);
	join(behind);
	pthread_t later = start(perform, NULL);
	check_performed(2);
	join(later);
	pserialize_destroy(psz);
}

static void a_performer_that_is_cancelled_between_two_reports_keeps_nobody_back(void)
{
	pthread_t reader = begin();
	pthread_t performer = start(perform_and_be_cancelled, NULL);
	CHECK(next_report(PATIENCE * 1000, "for read sections of"));
	pthread_t behind = start(perform, NULL);
	CHECK(next_report(PATIENCE * 1000, "for another that is under way"));
	CHECK_EQ(pthread_cancel(performer), 0);
	end(reader, performer, behind);
}

static void a_performer_that_is_cancelled_before_its_first_report_keeps_nobody_back(void)
{
	pthread_t reader = begin();
	pthread_t performer = start(perform_and_be_cancelled, NULL);
	wait_until_asleep(&tid);
	CHECK_EQ(pthread_cancel(performer), 0);
	pthread_t behind = start(perform, NULL);
	end(reader, performer, behind);
}

TEST_MAIN(TEST(a_performer_that_is_cancelled_between_two_reports_keeps_nobody_back),
	  TEST(a_performer_that_is_cancelled_before_its_first_report_keeps_nobody_back))
