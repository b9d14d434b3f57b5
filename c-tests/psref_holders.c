// SPDX-License-Identifier: MIT OR Apache-2.0
// Who holds what: asked by the program, and told by a drain that waits long.
#include "test.h"
#include "child.h"
#include "threads.h"
#include <psref.h>
#include <sys/prctl.h>

static struct psref_class *class_;
static struct psref_target target, other;
static struct psref holds[20];
static int tid, going;

static void begin(bool strict)
{
	psref_set_strict(strict);
	if (strict)
		psref_curlwp_bind();
	class_ = psref_class_create("held", IPL_SOFTNET);
	psref_target_init(&target, class_);
	psref_target_init(&other, class_);
}

__attribute__((noinline)) static void acquire_here(struct psref *psref)
{
	CHECK_EQ(psref_acquire(psref, &target, class_), 0);
	__asm__ volatile(""); // not a tail call: that would leave no address behind
}

static void *hold_by_name(void *unused)
{
	prctl(PR_SET_NAME, "holder \"x\"");
	psref_curlwp_bind();
	acquire_here(&holds[0]);
	STORE(&tid, thread_id());
	wait_until_set(&going);
	psref_release(&holds[0], &target, class_);
	return unused;
}

static uint64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void holders_are_told_with_thread_cpu_place_and_time(bool strict)
{
	struct psref_holder seen[3];
	begin(strict);
	CHECK_EQ(psref_holders(&target, class_, NULL, 0), 0);
	uint64_t before = now();
	pthread_t holder = start(hold_by_name, NULL);
	wait_until_set(&tid);
	memset(seen, 0x77, sizeof seen);
	CHECK_EQ(psref_holders(&target, class_, seen, 3), 1);
	CHECK_EQ(psref_holders(&other, class_, seen + 1, 2), 0);
	CHECK_EQ(seen[0].psh_tid, tid);
	CHECK(strcmp(seen[0].psh_name, "holder \"x\"") == 0);
	CHECK(strcmp(psref_backend(), "rseq") != 0 || test_threads_without_rseq() || seen[0].psh_cpu >= 0);
	CHECK_EQ(seen[0].psh_acquired_at != NULL, strict);
	CHECK(!strict || ((uintptr_t)seen[0].psh_acquired_at > (uintptr_t)acquire_here &&
			  (uintptr_t)seen[0].psh_acquired_at < (uintptr_t)acquire_here + 1024)); // its code; a sanitizer's is long
	CHECK(strict ? seen[0].psh_since >= before && seen[0].psh_since <= now() : seen[0].psh_since == 0);
	CHECK_EQ(seen[1].psh_tid, 0x77777777); // no more than were asked for
	STORE(&going, 1);
	join(holder);
	CHECK_EQ(psref_holders(&target, class_, seen, 3), 0);
}

static void holders_are_told(void)
{
	holders_are_told_with_thread_cpu_place_and_time(false);
}

static void holders_of_strict_classes_are_told_with_place_and_time(void)
{
	holders_are_told_with_thread_cpu_place_and_time(true);
}

static void more_holders_than_fit_are_counted(void)
{
	struct psref_holder seen[5];
	begin(test_strict());
	for (unsigned i = 0; i < COUNT(holds); i++)
		acquire_here(&holds[i]);
	memset(seen, 0, sizeof seen);
	CHECK_EQ(psref_holders(&target, class_, seen, 4), COUNT(holds));
	for (int i = 0; i < 4; i++)
		CHECK_EQ(seen[i].psh_tid, thread_id());
	CHECK_EQ(seen[4].psh_tid, 0);
	for (unsigned i = 0; i < COUNT(holds); i++)
		psref_release(&holds[i], &target, class_);
}

// The report, as a program would print it.
static const char *report(void)
{
	static char text[8192];
	FILE *stream = fmemopen(text, sizeof text, "w");
	CHECK(stream != NULL);
	psref_class_report(class_, stream);
	fclose(stream);
	return text;
}

static void *hold_and_end(void *psref)
{
	acquire_here((struct psref *)psref);
	return psref;
}

static void a_holder_that_has_ended_has_no_thread(void)
{
	struct psref_holder seen;
	test_not_strict("strict: no hold outlives its thread");
	begin(false);
	elsewhere(hold_and_end, &holds[0]);
	CHECK_EQ(psref_holders(&target, class_, &seen, 1), 1);
	CHECK_EQ(seen.psh_tid, 0);
	CHECK_EQ(seen.psh_name[0], 0);
	CHECK(strstr(report(), "a thread that has ended, acquired on ") != NULL);
}

static void a_report_names_class_target_thread_and_how_to_learn_more(void)
{
	char expected[160];
	begin(false);
	CHECK(strcmp(report(), "class \"held\": 0 hold(s)\n") == 0);
	acquire_here(&holds[0]);
	const char *text = report();
	snprintf(expected, sizeof expected, "class \"held\": 1 hold(s)\n  target %#llx: thread %d, acquired on ",
		 (unsigned long long)(uintptr_t)&target, thread_id());
	if (strstr(text, expected) != text || strstr(text, "PSREF_STRICT=1") == NULL)
		FAIL("%s", text);
	for (unsigned i = 1; i < COUNT(holds); i++)
		acquire_here(&holds[i]);
	text = report();
	if (strstr(text, ": 20 hold(s)") == NULL || strstr(text, "  and 4 more\n") == NULL)
		FAIL("%s", text);
}

static void a_strict_report_names_function_file_and_line(void)
{
	begin(true);
	acquire_here(&holds[0]);
	const char *text = report();
	if (strstr(text, " s ago, at 0x") == NULL || strstr(text, " acquire_here (") == NULL ||
	    strstr(text, "psref_holders.c:") == NULL || strstr(text, "PSREF_STRICT") != NULL)
		FAIL("%s", text);
	CHECK(has_address(text, &target));
}

// Leaks a hold on an error path, and then destroys in another thread: what the documentation walks through.
static void *destroy_it(void *unused)
{
	psref_target_destroy(&target, class_);
	return unused;
}

static void leak_and_destroy(void *unused)
{
	(void)unused;
	setenv("PSREF_DRAIN_WARN", "0.1", 1);
	acquire_here(&holds[0]);
	pthread_t destroyer = start(destroy_it, NULL);
	nap(300000);
	psref_release(&holds[0], &target, class_);
	join(destroyer);
}

static void a_drain_that_waits_tells_function_file_and_line(void)
{
	char expected[64];
	begin(true);
	struct ended ended = in_child(leak_and_destroy, NULL);
	CHECK_EXITED(ended);
	snprintf(expected, sizeof expected, "  thread %d, acquired on ", ended.pid);
	if (strstr(ended.words, "(class \"held\") has waited 0 s for:") == NULL || strstr(ended.words, expected) == NULL ||
	    strstr(ended.words, " acquire_here (") == NULL || strstr(ended.words, "psref_holders.c:") == NULL)
		FAIL("%s", ended.words);
	CHECK(has_address(ended.words, &target));
	psref_set_strict(false);
	begin(false);
	ended = in_child(leak_and_destroy, NULL);
	CHECK_EXITED(ended);
	CHECK(strstr(ended.words, expected) == NULL && strstr(ended.words, "PSREF_STRICT=1") != NULL);
}

static int asked;

static void *ask_while_cancelled(void *unused)
{
	struct psref_holder seen[2];
	FILE *stream = fopen("/dev/null", "w");
	CHECK(stream != NULL && setvbuf(stream, NULL, _IONBF, 0) == 0);
	CHECK_EQ(pthread_cancel(pthread_self()), 0);
	CHECK_EQ(psref_holders(&target, class_, seen, 2), 1);
	ADD(&asked, 1);
	psref_class_report(class_, stream);
	ADD(&asked, 1);
	pthread_testcancel();
	return unused;
}

// They read files and write one: a thread that ended there would leave descriptors and memory.
static void whoever_asks_is_not_cancelled(void)
{
	void *answer;
	begin(false);
	CHECK_EQ(psref_acquire(&holds[0], &target, class_), 0);
	pthread_t asks = start(ask_while_cancelled, NULL);
	CHECK_EQ(pthread_join(asks, &answer), 0);
	CHECK(answer == PTHREAD_CANCELED);
	CHECK_EQ(asked, 2);
	psref_release(&holds[0], &target, class_);
	psref_target_destroy(&target, class_);
	psref_class_destroy(class_);
}

TEST_MAIN(TEST(holders_are_told),
	  TEST(holders_of_strict_classes_are_told_with_place_and_time),
	  TEST(more_holders_than_fit_are_counted),
	  TEST(a_holder_that_has_ended_has_no_thread),
	  TEST(a_report_names_class_target_thread_and_how_to_learn_more),
	  TEST(a_strict_report_names_function_file_and_line),
	  TEST(a_drain_that_waits_tells_function_file_and_line),
	  TEST(whoever_asks_is_not_cancelled))
