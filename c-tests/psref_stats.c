// SPDX-License-Identifier: MIT OR Apache-2.0
// Statistics, as text and as JSON.
#include "test.h"
#include "child.h"
#include "threads.h"
#include <psref.h>

static struct psref_class *class_;
static struct psref_target target;
static struct psref hold;
static char text[1 << 16];

static const char *dump(void (*how)(FILE *))
{
	memset(text, 0, sizeof text);
	FILE *stream = fmemopen(text, sizeof text - 1, "w");
	CHECK(stream != NULL);
	how(stream);
	CHECK(fflush(stream) == 0 && !ferror(stream));
	fclose(stream);
	return text;
}

// The number that follows `key` in the JSON after the object that is found by `from`.
static unsigned long long number(const char *from, const char *key)
{
	const char *json = dump(psref_stats_dump_json), *at = strstr(json, from);
	char wanted[64];
	snprintf(wanted, sizeof wanted, "\"%s\":", key);
	at = at == NULL ? NULL : strstr(at, wanted);
	if (at == NULL)
		FAIL("no \"%s\" after \"%s\" in %.400s", key, from, json);
	return strtoull(at + strlen(wanted), NULL, 10);
}

static void begin(void)
{
	psref_curlwp_bind();
	class_ = psref_class_create("counted", IPL_SOFTNET);
	psref_target_init(&target, class_);
}

static void *hold_for_a_while(void *going)
{
	psref_curlwp_bind();
	CHECK_EQ(psref_acquire(&hold, &target, class_), 0);
	STORE((int *)going, 1);
	// Until the drain sleeps: its waits are entered in the class's statistics at their end, so the hold outlasts
	// its beginning.
	while (!LOAD(&target.prt_draining))
		nap(1000);
	nap(20000);
	psref_release(&hold, &target, class_);
	return NULL;
}

static void holds_drains_and_waits_are_counted(void)
{
	static const char *const me = "\"name\":\"counted\"";
	int going = 0;
	begin();
	CHECK_EQ(number(me, "holds"), 0);
	CHECK_EQ(number(me, "begun"), 0);
	pthread_t holder = start(hold_for_a_while, &going);
	wait_until_set(&going);
	CHECK_EQ(number(me, "holds"), 1);
	psref_target_destroy(&target, class_);
	join(holder);
	CHECK_EQ(number(me, "holds"), 0);
	CHECK_EQ(number(me, "begun"), 1);
	CHECK_EQ(number(me, "waited"), 1);
	CHECK_EQ(number(me, "gave_up"), 0);
	CHECK(number(me, "ns") > 0 && number(me, "ns") == number(me, "longest_ns"));
	CHECK(strstr(strstr(dump(psref_stats_dump_json), me), "\"histogram\":[[") != NULL);
	CHECK(number("{", "cross_calls") >= 2);
	psref_class_destroy(class_);
	CHECK(strstr(dump(psref_stats_dump_json), me) == NULL);
}

static void a_drain_that_gives_up_is_counted(void)
{
	static const char *const me = "\"name\":\"counted\"";
	struct timespec soon = { 0, 1000 };
	begin();
	CHECK_EQ(psref_acquire(&hold, &target, class_), 0);
	CHECK_EQ(psref_target_drain_timed(&target, class_, &soon), ETIMEDOUT);
	CHECK_EQ(number(me, "begun"), 1);
	CHECK_EQ(number(me, "gave_up"), 1);
	psref_release(&hold, &target, class_);
	psref_target_destroy(&target, class_);
	CHECK_EQ(number(me, "begun"), 2);
	CHECK_EQ(number(me, "waited"), 1);
}

static void slow_acquires_are_counted(void)
{
	static const char *const me = "\"name\":\"counted\"";
	static struct psref many[5000];
	begin();
	pin(0);
	for (size_t i = 0; i < COUNT(many); i++)
		CHECK_EQ(psref_acquire(&many[i], &target, class_), 0);
	CHECK_EQ(number(me, "holds"), COUNT(many));
	unsigned long long slow = number(me, "slow_acquires");
	// The home block has 32 slots.
	CHECK(slow >= COUNT(many) - 32 && slow <= COUNT(many));
	for (size_t i = 0; i < COUNT(many); i++)
		psref_release(&many[i], &target, class_);
	CHECK_EQ(number(me, "holds"), 0);
}

static void the_plain_case_counts_nothing(void)
{
	static const char *const me = "\"name\":\"counted\"";
	test_not_strict("strict: no case is plain");
	if (strcmp(psref_backend(), "rseq") != 0)
		SKIP("no case is plain without sections");
	begin();
	for (int i = 0; i < 1000; i++) {
		CHECK_EQ(psref_acquire(&hold, &target, class_), 0);
		psref_release(&hold, &target, class_);
	}
	// What is interrupted at its first instructions takes the slow path.
	CHECK(number(me, "slow_acquires") < (test_under("valgrind") ? 1001 : 100));
}

static void pools_are_counted(void)
{
	struct objpool_head pool;
	void *objects[64];
	char me[64];
	CHECK_EQ(objpool_init(&pool, 64, 100, 0, NULL, NULL, NULL), 0);
	snprintf(me, sizeof me, "\"at\":\"%#llx\"", (unsigned long long)(uintptr_t)&pool);
	CHECK_EQ(number(me, "objects"), 64);
	CHECK_EQ(number(me, "object_size"), 104);
	CHECK_EQ(number(me, "out"), 0);
	for (size_t i = 0; i < COUNT(objects); i++)
		CHECK((objects[i] = objpool_pop(&pool)) != NULL);
	CHECK(objpool_pop(&pool) == NULL);
	CHECK_EQ(number(me, "out"), 64);
	CHECK_EQ(number(me, "failures"), 1);
	CHECK(number(me, "misses") > 0 && number(me, "depot_pops") > 0);
	for (size_t i = 0; i < COUNT(objects); i++)
		CHECK_EQ(objpool_push(objects[i], &pool), 0);
	CHECK_EQ(number(me, "out"), 0);
	objpool_free(&pool);
	CHECK(strstr(dump(psref_stats_dump_json), me) == NULL);
}

static void called(void *done)
{
	STORE((int *)done, 1);
}

static void what_is_the_process_s_is_counted(void)
{
	struct device_gate_device device;
	struct localcount count;
	device_gate_t *gate;
	int done = 0;
	begin();
	CHECK_EQ(localcount_init(&count), 0);
	CHECK(localcount_trydrain(&count));
	localcount_fini(&count);
	CHECK_EQ(device_gate_attach(&device), 0);
	CHECK_EQ(device_gate_close(&device, "x", &gate), 0);
	device_gate_seal(&device, gate);
	device_gate_detach(&device);
	pserialize_perform(NULL);
	CHECK_EQ(psref_target_retire(&target, class_, called, &done), 0);
	psref_retire_barrier();
	CHECK_EQ(done, 1);
	CHECK_EQ(number("\"localcounts\"", "trydrains"), 1);
	CHECK_EQ(number("\"localcounts\"", "tried_well"), 1);
	CHECK_EQ(number("\"gates\"", "begun"), 1);
	CHECK_EQ(number("\"pserialize\"", "begun"), 1);
	CHECK_EQ(number("\"pserialize\"", "grace_periods"), 1);
	CHECK(number("\"retire\"", "batches") >= 1);
	CHECK_EQ(number("\"retire\"", "ended"), 1);
	CHECK_EQ(number("\"retire\"", "outstanding"), 0);
}

static void text_is_for_people(void)
{
	begin();
	CHECK_EQ(psref_acquire(&hold, &target, class_), 0);
	const char *words = dump(psref_stats_dump);
	CHECK(strncmp(words, "psref ", 6) == 0 && strstr(words, psref_version()) != NULL);
	CHECK(strstr(words, test_strict() ? "\nclass \"counted\", strict: 1 hold(s)" : "\nclass \"counted\": 1 hold(s)") != NULL);
	CHECK(strstr(words, "\nlocalcounts: ") != NULL && strstr(words, "\nretire: ") != NULL);
	CHECK(words[strlen(words) - 1] == '\n');
	psref_release(&hold, &target, class_);
}

static FILE *volatile no_stream;

static void dump_to_nothing(void *json)
{
	if (json != NULL)
		psref_stats_dump_json(no_stream);
	else
		psref_stats_dump(no_stream);
}

static void no_stream_is_told(void)
{
	struct ended ended = in_child(dump_to_nothing, NULL);
	CHECK_FATAL(ended, "psref_stats_dump: stream is NULL");
	ended = in_child(dump_to_nothing, &hold);
	CHECK_FATAL(ended, "psref_stats_dump_json: stream is NULL");
}

// Classes and pools come and go while another thread dumps, and some are made and ended in forked children meanwhile.
static int over;

static void *come_and_go(void *unused)
{
	psref_curlwp_bind();
	while (!LOAD(&over)) {
		struct psref_class *class_ = psref_class_create("coming and going", IPL_SOFTNET);
		struct objpool_head pool;
		CHECK(class_ != NULL);
		CHECK_EQ(objpool_init(&pool, 8, 8, 0, NULL, NULL, NULL), 0);
		objpool_free(&pool);
		CHECK_EQ(objpool_init(&pool, 100, 32, 0, NULL, NULL, NULL), 0);
		objpool_free(&pool);
		psref_class_destroy(class_);
	}
	return unused;
}

// Calls `check` with what follows each `key`.
static void each(const char *json, const char *key, void (*check)(const char *))
{
	while ((json = strstr(json, key)) != NULL)
		check(json += strlen(key));
}

static void nothing_is_held(const char *row)
{
	if (strncmp(row, "\"strict\":", 9) != 0 || strstr(row, "\"holds\":0,") == NULL
	    || strstr(row, "\"holds\":") != strstr(row, "\"holds\":0,"))
		FAIL("of a class of which nobody holds anything: %.80s", row);
}

static void of_one_pool(const char *row)
{
	static const char small[] = "8,\"object_size\":8,\"out\":0,", large[] = "100,\"object_size\":32,\"out\":0,";
	if (strncmp(row, small, strlen(small)) != 0 && strncmp(row, large, strlen(large)) != 0)
		FAIL("of no pool that there was: %.80s", row);
}

static void dumps_stand_classes_and_pools_that_come_and_go(void)
{
	pthread_t others[2] = { start(come_and_go, NULL), start(come_and_go, NULL) };
	for (unsigned i = 0; i < test_turns(2000) && has_time(); i++) {
		const char *json = dump(psref_stats_dump_json);
		CHECK(json[0] == '{' && strcmp(json + strlen(json) - 2, "}\n") == 0);
		each(json, "\"name\":\"coming and going\",", nothing_is_held);
		each(json, "\"objects\":", of_one_pool);
		if (i % 50 == 0) {
			pid_t child = fork();
			if (child == 0) {
				begin();
				psref_target_destroy(&target, class_);
				psref_class_destroy(class_);
				dump(psref_stats_dump);
				_exit(0);
			}
			int status;
			CHECK(waitpid(child, &status, 0) == child && status == 0);
		}
	}
	STORE(&over, 1);
	join(others[0]);
	join(others[1]);
}

TEST_MAIN(TEST(holds_drains_and_waits_are_counted),
	  TEST(a_drain_that_gives_up_is_counted),
	  TEST(slow_acquires_are_counted),
	  TEST(the_plain_case_counts_nothing),
	  TEST(pools_are_counted),
	  TEST(what_is_the_process_s_is_counted),
	  TEST(text_is_for_people),
	  TEST(no_stream_is_told),
	  TEST(dumps_stand_classes_and_pools_that_come_and_go))
