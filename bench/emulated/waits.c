// SPDX-License-Identifier: MIT OR Apache-2.0
// waits USED: what waiting for nobody costs on this machine once USED of its CPUs have used what is waited for. Beside it
// the bare membarrier; one look: a line of memory loaded and compared, in a loop of nothing else; and one far look: the same
// where every line has a page of its own, as far apart as the library's memory of two CPUs and as many as those. Writes one
// line of JSON, with the median of every round in nanoseconds. It is made for emulated machines (../emulated.sh), whose
// nanoseconds mean something beside each other alone.
//
// USED threads, each on a CPU of its own, have used the class, entered a read section and registered with liburcu, and sleep;
// the first of them waits. So no interrupt is sent: what is measured is what everybody looks at, the kernel included.
#include "../bench.h"
#include "../sizes.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <psref/base.h>
#include <psref/device_gate.h>
#include <psref/inline_abi.h>
#include <psref/kmutex.h>
#include <psref/localcount.h>
#include <psref/pserialize.h>
#include <psref/psref.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#ifdef WITH_URCU
#include <urcu/urcu-memb.h>
#endif

enum { ROUNDS = 31, CALLS_A_ROUND = 5, CALLS = ROUNDS * (1 + CALLS_A_ROUND) };
enum { LINE = 64, LINES = 4096, APART = 1 << PSREF_INLINE_STRIPE_SHIFT };

void die(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	fprintf(stderr, "waits: ");
	vfprintf(stderr, format, arguments);
	fprintf(stderr, "\n");
	va_end(arguments);
	exit(1);
}

uint64_t wall_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int cpus[CPU_SETSIZE]; // that the process may use
static unsigned online, used, possible_cpus;

static void pin(unsigned i)
{
	cpu_set_t one;
	CPU_ZERO(&one);
	CPU_SET(cpus[i], &one);
	if (sched_setaffinity(0, sizeof one, &one) != 0)
		die("sched_setaffinity: %s", strerror(errno));
}

// Highest possible CPU plus one, which is what the library has room for: "0-7", "0,2-3".
static unsigned read_possible(void)
{
	char text[256] = "";
	FILE *file = fopen("/sys/devices/system/cpu/possible", "r");
	if (file == NULL || fgets(text, sizeof text, file) == NULL)
		die("the kernel does not tell its possible CPUs");
	fclose(file);
	const char *last = strpbrk(text, "-,") == NULL ? text : text + strlen(text);
	while (last > text && strchr("-,", last[-1]) == NULL)
		last--;
	return (unsigned)atoi(last) + 1;
}

// ---- what is waited for

static struct psref_class *class_;
static struct psref_target other, target;
// One for every wait: they are closed once.
static struct localcount counts[CALLS];
static struct device_gate_device devices[CALLS];
static unsigned counts_drained, devices_closed;
static kmutex_t interlock;
static kcondvar_t cv;

// What every thread does once on its own CPU.
static void use(void)
{
	struct psref hold;
	if (psref_acquire(&hold, &other, class_) != 0)
		die("a target that nobody drains refused a hold");
	psref_release(&hold, &other, class_);
	for (size_t i = 0; i < CALLS; i++) {
		localcount_acquire(&counts[i]);
		localcount_release(&counts[i], &cv, &interlock);
		device_gate_enter(&devices[i]);
		device_gate_exit(&devices[i]);
	}
	pserialize_read_exit(pserialize_read_enter());
#ifdef WITH_URCU
	urcu_memb_register_thread();
	urcu_memb_read_lock();
	urcu_memb_read_unlock();
#endif
}

static uint64_t nothing(void)
{
	uint64_t began = wall_ns();
	return wall_ns() - began;
}

static uint64_t look(void)
{
	static _Alignas(LINE) volatile uint64_t lines[LINES][LINE / sizeof(uint64_t)];
	uint64_t began = wall_ns();
	for (size_t i = 0; i < LINES; i++)
		if (lines[i][0] == 1)
			die("memory that nobody writes has changed");
	return wall_ns() - began;
}

static const volatile char *far_lines;

static void map_far_lines(void)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	far_lines = mmap(NULL, (size_t)possible_cpus * APART, PROT_READ | PROT_WRITE, flags, -1, 0);
	if (far_lines == MAP_FAILED)
		die("out of memory");
}

static uint64_t far_look(void)
{
	size_t bytes = (size_t)possible_cpus * APART;
	uint64_t began = wall_ns();
	for (size_t i = 0; i < bytes; i += APART)
		if (*(const volatile uint64_t *)(far_lines + i) == 1)
			die("memory that nobody writes has changed");
	return wall_ns() - began;
}

static uint64_t membarrier(void)
{
	uint64_t began = wall_ns();
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, 0, 0) != 0)
		die("membarrier: %s", strerror(errno));
	return wall_ns() - began;
}

static uint64_t drain(void)
{
	psref_target_init(&target, class_);
	uint64_t began = wall_ns();
	psref_target_destroy(&target, class_);
	return wall_ns() - began;
}

static uint64_t drain_count(void)
{
	struct localcount *count = &counts[counts_drained++];
	mutex_enter(&interlock);
	uint64_t began = wall_ns();
	localcount_drain(count, &cv, &interlock);
	uint64_t took = wall_ns() - began;
	mutex_exit(&interlock);
	localcount_fini(count);
	return took;
}

static uint64_t close_and_seal(void)
{
	struct device_gate_device *device = &devices[devices_closed++];
	device_gate_t *gate;
	uint64_t began = wall_ns();
	if (device_gate_close(device, "waits", &gate) != 0)
		die("device_gate_close failed");
	device_gate_seal(device, gate);
	uint64_t took = wall_ns() - began;
	device_gate_detach(device);
	return took;
}

static uint64_t perform(void)
{
	uint64_t began = wall_ns();
	pserialize_perform(NULL);
	return wall_ns() - began;
}

#ifdef WITH_URCU
static uint64_t synchronize(void)
{
	uint64_t began = wall_ns();
	urcu_memb_synchronize_rcu();
	return wall_ns() - began;
}
#endif

// On paper: what a wait looks at for every possible CPU and for every thread, by the library's constants; places, and the
// bytes that they lie in. -1: not ours to tell.
static const struct {
	const char *name;
	uint64_t (*call)(void);
	unsigned parts; // what it does so many times; 0: once for every possible CPU
	int cpu_places, cpu_bytes, thread_places, thread_bytes;
} waits[] = {
	{ "look", look, LINES, 0, 0, 0, 0 },
	{ "far look", far_look, 0, 0, 0, 0, 0 },
	{ MEMBARRIER, membarrier, 1, 0, 0, 0, 0 },
	{ "psref drain", drain, 1, BYTES_CLASS_CPU / BYTES_SLOT, BYTES_CLASS_CPU, 0, 0 },
	{ "localcount drain", drain_count, 1, 1, BYTES_CELL_CPU, 0, 0 },
	{ "gate close + seal", close_and_seal, 1, 1, BYTES_CELL_CPU, 0, 0 },
	{ "perform", perform, 1, 0, 0, 1, BYTES_RECORD },
#ifdef WITH_URCU
	{ "liburcu memb synchronize", synchronize, 1, -1, -1, -1, -1 },
#endif
};

static double rounds[COUNT(waits)][ROUNDS];

static void measure(void)
{
	double clock[101]; // what telling the time takes
	for (size_t i = 0; i < COUNT(clock); i++)
		clock[i] = (double)nothing();
	double clock_ns = quantile(clock, COUNT(clock), 0.5);
	for (size_t round = 0; round < ROUNDS; round++) {
		for (size_t i = 0; i < COUNT(waits); i++) {
			// In another order every time, and the first call of a turn does not count: it finds what others left.
			size_t which = (i + round) % COUNT(waits);
			double calls[CALLS_A_ROUND], parts = waits[which].parts > 0 ? waits[which].parts : possible_cpus;
			waits[which].call();
			for (size_t j = 0; j < COUNT(calls); j++)
				calls[j] = ((double)waits[which].call() - clock_ns) / parts;
			rounds[which][round] = quantile(calls, COUNT(calls), 0.5);
		}
	}
}

// ---- the threads

static sem_t ready, end;

static void *work(void *i)
{
	pin((unsigned)(uintptr_t)i % online);
	if ((uintptr_t)i < used)
		use();
	sem_post(&ready);
	while (sem_wait(&end) != 0)
		continue;
#ifdef WITH_URCU
	if ((uintptr_t)i < used)
		urcu_memb_unregister_thread();
#endif
	return NULL;
}

static void write_json(void)
{
	struct utsname name;
	uname(&name);
	printf("{\"psref\": \"%s\", \"backend\": \"%s\", \"kernel\": \"%s\", ", psref_version(), psref_backend(), name.release);
	printf("\"many_cpus\": %d, ", MANY_CPUS); // to which the page draws the lines on
	printf("\"possible\": %u, \"online\": %u, \"used\": %u, \"waits\": [", possible_cpus, online, used);
	for (size_t i = 0; i < COUNT(waits); i++) {
		printf("%s{\"name\": \"%s\", ", i > 0 ? ", " : "", waits[i].name);
		printf("\"cpu_places\": %d, \"cpu_bytes\": %d, ", waits[i].cpu_places, waits[i].cpu_bytes);
		printf("\"thread_places\": %d, \"thread_bytes\": %d, ", waits[i].thread_places, waits[i].thread_bytes);
		printf("\"rounds_ns\": [");
		for (size_t j = 0; j < ROUNDS; j++)
			printf("%s%.5g", j > 0 ? ", " : "", rounds[i][j]);
		printf("]}");
	}
	printf("]}\n");
}

int main(int argc, char **argv)
{
	cpu_set_t allowed;
	if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
		die("sched_getaffinity: %s", strerror(errno));
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &allowed))
			cpus[online++] = cpu;
	used = argc == 2 ? (unsigned)atoi(argv[1]) : 0;
	if (used == 0 || used > online) {
		fprintf(stderr, "usage: waits USED\n  USED  CPUs, of %u\n", online);
		return 2;
	}

	possible_cpus = read_possible();
	map_far_lines();
	sem_init(&ready, 0, 0);
	sem_init(&end, 0, 0);
	mutex_init(&interlock, MUTEX_DEFAULT, IPL_NONE);
	cv_init(&cv, "waits");
	class_ = psref_class_create("waits", 0);
	if (class_ == NULL)
		die("psref_class_create failed");
	psref_target_init(&other, class_);
	for (size_t i = 0; i < CALLS; i++)
		if (localcount_init(&counts[i]) != 0 || device_gate_attach(&devices[i]) != 0)
			die("out of memory");
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ, 0, 0) != 0)
		die("membarrier: %s", strerror(errno));
	pin(0);
	use();
	// A thread more where only one uses them: the kernel has no barrier for a process of one.
	unsigned threads = used > 1 ? used : 2;
	static pthread_t thread[CPU_SETSIZE];
	for (unsigned i = 1; i < threads; i++) {
		int error = pthread_create(&thread[i], NULL, work, (void *)(uintptr_t)i);
		if (error != 0)
			die("pthread_create: %s", strerror(error));
		while (sem_wait(&ready) != 0)
			continue;
	}
	measure();
	for (unsigned i = 1; i < threads; i++)
		sem_post(&end);
	for (unsigned i = 1; i < threads; i++)
		pthread_join(thread[i], NULL);
	write_json();
	return 0;
}
