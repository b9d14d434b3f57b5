// SPDX-License-Identifier: MIT OR Apache-2.0
// Readers on a list that two writers change under a lock, in rounds: nothing is taken up again before the readers of its round
// have ended (a grace period by joining them), so this needs no library. The payload is plain memory: what makes it
// visible is the list. The same program, compiled anew with ThreadSanitizer, must be silent; with a plain store for the release
// it must not be.
#include <psref/pslist.h>

#include "test.h"
#include "threads.h"

#include <sys/personality.h>

enum { READERS = 2, WRITERS = 2, FIXED = 16, STEP = 1000, COMING = 4000, STAYING = 20 };

struct element {
	unsigned key, twice; // plain, and never the same as long as it is not published
	struct pslist_entry link;
	bool in;
};

struct round {
	struct pslist_head head;
	pthread_mutex_t lock;
	struct element fixed[FIXED], coming[WRITERS][COMING];
	int writing;
};

static struct round round_;

static void fill(struct element *element, unsigned key)
{
	element->key = key;
	element->twice = 2 * key;
	element->in = false;
	PSLIST_ENTRY_INIT(element, link);
}

// Keys ascend: a new element stands right before some fixed one's successor. The oldest goes; where a key is free behind it,
// another takes its place, so that what comes behind is found by a pointer that did not publish it.
static void *change(void *argument)
{
	struct round *r = &round_;
	struct element *mine = r->coming[(intptr_t)argument];
	uint64_t seed = (uint64_t)(intptr_t)argument + 1;
	for (unsigned i = 0, oldest = 0; i < COMING; i++) {
		struct element *place = &r->fixed[random_number(&seed) % (FIXED - 1)], *next;
		CHECK_EQ(pthread_mutex_lock(&r->lock), 0);
		next = PSLIST_WRITER_NEXT(place, struct element, link);
		if (next->key > place->key + 1) {
			fill(&mine[i], next->key - 1);
			if (i % 2 == 0)
				PSLIST_WRITER_INSERT_AFTER(place, &mine[i], link);
			else
				PSLIST_WRITER_INSERT_BEFORE(next, &mine[i], link);
			mine[i].in = true;
		}
		for (bool replaced = false; i - oldest >= STAYING; oldest++) {
			struct element *old = &mine[oldest];
			if (!old->in)
				continue;
			next = PSLIST_WRITER_NEXT(old, struct element, link);
			if (!replaced && i + 1 < COMING && next->key > old->key + 1) {
				fill(&mine[++i], old->key + 1);
				PSLIST_WRITER_INSERT_AFTER(old, &mine[i], link);
				mine[i].in = replaced = true;
			}
			PSLIST_WRITER_REMOVE(old, link);
		}
		CHECK_EQ(pthread_mutex_unlock(&r->lock), 0);
	}
	ADD(&r->writing, -1);
	return argument;
}

static unsigned long passes, most;

static void *read_on(void *unused)
{
	struct round *r = &round_;
	unsigned long turns = 0;
	bool last;
	do {
		last = LOAD(&r->writing) == 0;
		struct element *element;
		unsigned before = 0, fixed = 0, n = 0;
		PSLIST_READER_FOREACH(element, &r->head, struct element, link) {
			if (element->twice != 2 * element->key)
				FAIL("an element of key %u was found before its payload", element->key);
			if (element->key <= before)
				FAIL("%u came behind %u", element->key, before);
			before = element->key;
			fixed += before % STEP == 0;
			n++;
		}
		CHECK_EQ(fixed, FIXED); // what did not come or go was met
		turns++;
		if (n > LOAD(&most))
			STORE(&most, n);
	} while (!last);
	ADD(&passes, turns);
	return unused;
}

static void readers_meet_every_element_once_and_whole(void)
{
	struct round *r = &round_;
	unsigned rounds = test_turns(100);
	for (unsigned turn = 0; turn < rounds; turn++) {
		pthread_t readers[READERS], writers[WRITERS];
		memset(r, 0, sizeof *r);
		PSLIST_INIT(&r->head);
		pthread_mutex_init(&r->lock, NULL);
		for (unsigned i = FIXED; i-- > 0;) {
			fill(&r->fixed[i], (i + 1) * STEP);
			PSLIST_WRITER_INSERT_HEAD(&r->head, &r->fixed[i], link);
		}
		r->writing = WRITERS;
		for (unsigned i = 0; i < READERS; i++)
			readers[i] = start(read_on, NULL);
		for (unsigned i = 0; i < WRITERS; i++)
			writers[i] = start(change, (void *)(intptr_t)i);
		for (unsigned i = 0; i < WRITERS; i++)
			join(writers[i]);
		for (unsigned i = 0; i < READERS; i++)
			join(readers[i]);
		// Nobody stands on anything now.
		struct element *element;
		while ((element = PSLIST_WRITER_FIRST(&r->head, struct element, link)) != NULL) {
			PSLIST_WRITER_REMOVE(element, link);
			PSLIST_ENTRY_DESTROY(element, link);
		}
		PSLIST_DESTROY(&r->head);
		pthread_mutex_destroy(&r->lock);
	}
	test_note("%u rounds, %lu passes by readers, up to %lu elements", rounds, passes, most);
}

// Compiles this file with ThreadSanitizer and runs the test above in it. The exit status, or -1: it cannot be had here.
static int run_with_tsan(const char *definition, char *output, size_t size)
{
	char program[] = "/tmp/pslist_tsan.XXXXXX", command[1024];
	int file = mkstemp(program);
	CHECK(file >= 0);
	close(file);
	snprintf(command, sizeof command,
		 "${CC:-cc} -std=c11 -D_GNU_SOURCE -O1 -g -pthread -fsanitize=thread %s $(pkg-config --cflags psref) -o %s %s "
		 "2>/dev/null",
		 definition, program, __FILE__);
	int status = system(command) == 0 ? 0 : -1;
	if (status == 0) {
		// ThreadSanitizer of older compilers knows only some of the places where the kernel puts things.
		personality(ADDR_NO_RANDOMIZE);
		snprintf(command, sizeof command,
			 "PSREF_TEST_SHORT=1 TSAN_OPTIONS='exitcode=66 halt_on_error=1' %s readers_meet 2>&1", program);
		FILE *pipe = popen(command, "r");
		CHECK(pipe != NULL);
		size_t n = fread(output, 1, size - 1, pipe);
		output[n] = '\0';
		status = pclose(pipe);
	}
	unlink(program);
	return status;
}

static void ThreadSanitizer_finds_nothing(void)
{
	char output[8192];
	if (test_short())
		SKIP("once is enough");
	int status = run_with_tsan("", output, sizeof output);
	if (status == -1)
		SKIP("no compiler with ThreadSanitizer");
	if (status != 0 || strstr(output, "\nok - readers meet") == NULL)
		FAIL("status %#x: %.400s", (unsigned)status, output);
}

static void ThreadSanitizer_finds_a_store_that_is_no_release(void)
{
	char output[8192];
	if (test_short())
		SKIP("once is enough");
	int status = run_with_tsan("'-Datomic_store_release(p,v)=__atomic_store_n(p,v,__ATOMIC_RELAXED)'", output, sizeof output);
	if (status == -1)
		SKIP("no compiler with ThreadSanitizer");
	if (status == 0 || strstr(output, "data race") == NULL)
		FAIL("status %#x, no report: %.400s", (unsigned)status, output);
}

TEST_MAIN(TEST(readers_meet_every_element_once_and_whole),
	  TEST(ThreadSanitizer_finds_nothing),
	  TEST(ThreadSanitizer_finds_a_store_that_is_no_release))
