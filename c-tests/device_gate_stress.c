// SPDX-License-Identifier: MIT OR Apache-2.0
// Devices that are detached and attached again while threads and signal handlers go in and out of them; everybody at once, for
// a while: PSREF_STRESS_SECONDS (default 2), PSREF_STRESS_SEED to repeat a run.
//
// Devices lie on pages of their own. Once detached, a page is made inaccessible, or its magic overwritten, so that one who
// was not waited for shows as SIGSEGV or as a wrong magic. Threads look up in read sections, which the owner waits for after
// the seal, as those who wait at the gate are in one. Handlers look up under a count of their thread's own, which the owner
// waits for between close and seal, when he has unhooked them.
#include "test.h"
#include "threads.h"

#include <psref/device_gate.h>
#include <psref/pserialize.h>

enum { DEVICES = 8, OWNERS = 2, WORKERS = 5, DEPTH = 8, MAGIC = 0x600d, POISON = 0xdead };

struct device {
	struct device_gate_device gate;
	unsigned magic;
};

struct worker {
	pthread_t thread;
	int tid, looking;
	uint64_t seed;
	unsigned long passed, turned_away, interrupted, handlers, entered;
} __attribute__((aligned(128)));

static pserialize_t psz;
static struct device *devices[DEVICES];
static struct device *published[DEVICES], *hooked[DEVICES]; // to threads, to handlers
static struct worker workers[WORKERS];
static __thread struct worker *me;
static int stop;
static unsigned long detached[OWNERS];
static double longest;

static double duration(void)
{
	const char *told = getenv("PSREF_STRESS_SECONDS");
	return told != NULL ? atof(told) : test_short() ? 0.5 : 2;
}

static uint64_t seed_of_the_run(void)
{
	const char *told = getenv("PSREF_STRESS_SEED");
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	uint64_t seed = told != NULL ? strtoull(told, NULL, 0) : (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	test_note("PSREF_STRESS_SEED=%llu", (unsigned long long)seed);
	return seed != 0 ? seed : 1;
}

static void look(const struct device *device)
{
	unsigned magic = *(const volatile unsigned *)&device->magic;
	if (magic != MAGIC)
		FAIL("device %p has magic %#x while somebody is inside", (const void *)device, magic);
}

static void handler(int signal_number)
{
	(void)signal_number;
	if (me == NULL)
		return;
	int before = errno;
	ADD(&me->looking, 1);
	struct device *device = LOAD(&hooked[(me->seed + me->handlers++) % DEVICES]);
	if (device != NULL)
		device_gate_enter(&device->gate);
	ADD(&me->looking, -1);
	if (device != NULL) {
		me->entered++;
		look(device);
		spin(20);
		look(device);
		device_gate_exit(&device->gate);
	}
	errno = before;
}

static struct device *find_and_acquire(void)
{
	int answer = 0, s = pserialize_read_enter();
	struct device *device = LOAD(&published[random_number(&me->seed) % DEVICES]);
	if (device != NULL)
		answer = device_gate_acquire(&device->gate, random_number(&me->seed) % 2 == 0);
	pserialize_read_exit(s);
	if (device != NULL && answer == 0)
		return device;
	CHECK(answer == 0 || answer == ENXIO || answer == EINTR);
	me->turned_away += answer == ENXIO;
	me->interrupted += answer == EINTR;
	return NULL;
}

// Threads are inside of one device at a time: who waits at one's gate may not keep another's owner waiting.
static void *work(void *argument)
{
	me = (struct worker *)argument;
	STORE(&me->tid, thread_id());
	while (!LOAD(&stop)) {
		struct device *device = find_and_acquire();
		if (device != NULL) {
			me->passed++;
			look(device);
			uint64_t deep = random_number(&me->seed) % DEPTH;
			for (uint64_t n = deep; n > 0; n--)
				device_gate_enter(&device->gate);
			spin(random_number(&me->seed) % 100);
			for (uint64_t n = deep; n > 0; n--)
				device_gate_exit(&device->gate);
			look(device);
			device_gate_release(&device->gate);
		}
		if (random_number(&me->seed) % 64 == 0)
			pin((unsigned)random_number(&me->seed) % 64);
		if (random_number(&me->seed) % 16 == 0)
			sched_yield();
	}
	return NULL;
}

static void attach(struct device *device)
{
	device->magic = MAGIC;
	CHECK_EQ(device_gate_attach(&device->gate), 0);
}

static void unhook(unsigned i)
{
	STORE(&hooked[i], (struct device *)NULL);
	for (unsigned w = 0; w < WORKERS; w++)
		while (LOAD(&workers[w].looking) != 0)
			sched_yield();
}

static void *detach_and_attach(void *number)
{
	unsigned mine = (unsigned)(uintptr_t)number;
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	for (unsigned turn = 0; !LOAD(&stop); turn++) {
		unsigned i = (turn * OWNERS + mine) % DEVICES;
		struct device *device = devices[i];
		device_gate_t *gate;
		double began = seconds();
		CHECK_EQ(device_gate_close(&device->gate, "stress", &gate), 0);
		if (turn % 4 == 0)
			nap(50); // late-comers gather
		STORE(&published[i], (struct device *)NULL);
		unhook(i);
		device_gate_seal(&device->gate, gate);
		pserialize_perform(psz); // look-ups that found it sealed
		device_gate_detach(&device->gate);
		double took = seconds() - began;
		longest = took > longest ? took : longest; // a race of two owners costs a figure
		if (turn % 2 == 0)
			device->magic = POISON;
		else
			mprotect(device, page, PROT_NONE);
		if (turn % 8 == 0)
			sched_yield();
		if (turn % 2 != 0)
			mprotect(device, page, PROT_READ | PROT_WRITE);
		attach(device);
		STORE(&published[i], device);
		STORE(&hooked[i], device);
		detached[mine]++;
	}
	return NULL;
}

static void devices_may_be_detached_while_threads_and_handlers_use_them(void)
{
	pthread_t owners[OWNERS];
	struct worker sum;
	uint64_t seed = seed_of_the_run();
	no_second_look();
	cpu_number(0);
	handle_with(handler, SIGUSR1, SA_RESTART);
	psz = pserialize_create();
	CHECK(psz != NULL);
	for (unsigned i = 0; i < DEVICES; i++) {
		void *page = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		CHECK(page != MAP_FAILED);
		devices[i] = (struct device *)page;
		attach(devices[i]);
		STORE(&published[i], devices[i]);
		STORE(&hooked[i], devices[i]);
	}
	for (unsigned i = 0; i < WORKERS; i++) {
		workers[i].seed = seed * 6364136223846793005ULL + i + 1;
		workers[i].thread = start(work, &workers[i]);
		wait_until_set(&workers[i].tid);
	}
	for (unsigned i = 0; i < OWNERS; i++)
		owners[i] = start(detach_and_attach, (void *)(uintptr_t)i);
	unsigned sent = 0;
	for (double until = seconds() + duration(); seconds() < until; sent++) {
		pthread_kill(workers[sent % WORKERS].thread, SIGUSR1);
		nap(20);
	}
	STORE(&stop, 1);
	for (unsigned i = 0; i < OWNERS; i++)
		join(owners[i]);
	memset(&sum, 0, sizeof sum);
	for (unsigned i = 0; i < WORKERS; i++) {
		join(workers[i].thread);
		sum.passed += workers[i].passed;
		sum.turned_away += workers[i].turned_away;
		sum.interrupted += workers[i].interrupted;
		sum.entered += workers[i].entered;
	}
	test_note("%lu passes, %lu turned away, %lu interrupted, %lu by handlers, %lu devices detached, longest %.1f ms", sum.passed,
		  sum.turned_away, sum.interrupted, sum.entered, detached[0] + detached[1], longest * 1e3);
	CHECK(sum.passed > 0 && sum.entered > 0 && detached[0] > 0 && detached[1] > 0);
	for (unsigned i = 0; i < DEVICES; i++)
		device_gate_detach(&devices[i]->gate); // aborts where one was lost
	pserialize_destroy(psz);
}

TEST_MAIN(TEST(devices_may_be_detached_while_threads_and_handlers_use_them))
