// SPDX-License-Identifier: MIT OR Apache-2.0
// What destroying many costs: membarriers, by the library's own count of cross-calls; and time, which is told and not
// judged.
#include "test.h"
#include "threads.h"
#include <psref.h>

enum { RETIRED = 100000, AT_ONCE = 1000 };

static struct psref_class *class_;
static struct psref_target targets[RETIRED], *each[AT_ONCE];
static unsigned called_times;

static unsigned long long cross_calls(void)
{
	static char json[1 << 16];
	static const char key[] = "\"cross_calls\":";
	FILE *stream = fmemopen(json, sizeof json, "w");
	CHECK(stream != NULL);
	psref_stats_dump_json(stream);
	fclose(stream);
	const char *at = strstr(json, key);
	CHECK(at != NULL);
	return strtoull(at + sizeof key - 1, NULL, 10);
}

static void begin(void)
{
	psref_curlwp_bind();
	class_ = psref_class_create("many", IPL_SOFTNET);
	for (size_t i = 0; i < RETIRED; i++)
		psref_target_init(&targets[i], class_);
	for (size_t i = 0; i < AT_ONCE; i++)
		each[i] = &targets[i];
}

static void called(void *target)
{
	CHECK(((struct psref_target *)target)->prt_class == NULL);
	called_times++;
}

static void retire_all(const char *how, unsigned long long most)
{
	begin();
	unsigned long long before = cross_calls();
	double began = seconds();
	for (size_t i = 0; i < RETIRED; i++)
		CHECK_EQ(psref_target_retire(&targets[i], class_, called, &targets[i]), 0);
	double given_up = seconds();
	psref_retire_barrier();
	double ended = seconds();
	CHECK_EQ(called_times, RETIRED);
	unsigned long long membarriers = cross_calls() - before;
	test_note("%s: %.0f ns each to retire, %.0f ns with all else, %llu membarriers for %d", how, (given_up - began) / RETIRED * 1e9,
		  (ended - began) / RETIRED * 1e9, membarriers, RETIRED);
	if (membarriers > most)
		FAIL("%llu membarriers, expected %llu at most", membarriers, most);
	psref_class_destroy(class_);
}

// One for 1000 at most; a machine that hardly runs this has a millisecond for each batch nevertheless.
static void a_membarrier_is_shared_by_a_thousand(void)
{
	if (test_short() || !test_memory_is_ours())
		SKIP("too slow here: batches are ended by time");
	retire_all("by the library's thread", RETIRED / 1000);
}

static void who_polls_takes_one_for_all(void)
{
	psref_retire_poll();
	retire_all("polled", 2);
}

static void destroying_a_thousand_takes_one(void)
{
	begin();
	unsigned long long before = cross_calls();
	double began = seconds();
	psref_target_destroy_many(each, AT_ONCE, class_);
	double took = seconds() - began;
	CHECK_EQ(cross_calls() - before, 1);
	test_note("destroy_many: %.0f ns each of %d", took / AT_ONCE * 1e9, AT_ONCE);
}

static struct psref holds[10];
static int holding;

static void *hold_ten(void *unused)
{
	psref_curlwp_bind();
	for (size_t i = 0; i < COUNT(holds); i++)
		CHECK_EQ(psref_acquire(&holds[i], each[i * 100], class_), 0);
	STORE(&holding, 1);
	while (!LOAD(&each[0]->prt_draining))
		nap(1000);
	for (size_t i = 0; i < COUNT(holds); i++) {
		nap(2000);
		psref_release(&holds[i], each[i * 100], class_);
	}
	return unused;
}

static void destroying_a_thousand_of_which_ten_are_held_takes_three_at_most(void)
{
	begin();
	pthread_t holder = start(hold_ten, NULL);
	wait_until_set(&holding);
	unsigned long long before = cross_calls();
	psref_target_destroy_many(each, AT_ONCE, class_);
	CHECK(cross_calls() - before <= 3);
	join(holder);
}

TEST_MAIN(TEST(a_membarrier_is_shared_by_a_thousand),
	  TEST(who_polls_takes_one_for_all),
	  TEST(destroying_a_thousand_takes_one),
	  TEST(destroying_a_thousand_of_which_ten_are_held_takes_three_at_most))
