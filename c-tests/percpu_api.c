// SPDX-License-Identifier: MIT OR Apache-2.0
// Per-CPU memory: what each function promises.
#define TEST_BINDS_ITSELF 1
#include "test.h"
#include "threads.h"

#include <sys/time.h>

#include <psref/percpu.h>
#include <psref/xcall.h>

static const size_t sizes[] = { 0, 1, 8, 12, 40, 64, 4096, 32768, 32769, 1 << 20 };

static void parts_are_zero_aligned_and_apart(void)
{
	for (size_t i = 0; i < COUNT(sizes); i++)
		for (int round = 0; round < 2; round++) {
			percpu_t *pc = percpu_alloc(sizes[i]);
			uintptr_t before = 0;
			for (unsigned cpu = 0; cpu < psref_ncpu(); cpu++) {
				char *p = (char *)percpu_getptr_remote(pc, psref_cpu_lookup(cpu));
				CHECK(sizes[i] < 16 || (uintptr_t)p % 16 == 0);
				CHECK(before == 0 || (uintptr_t)p - before >= (sizes[i] > 64 ? sizes[i] : 64));
				for (size_t at = 0; at < sizes[i]; at++)
					CHECK_EQ(p[at], 0);
				memset(p, 0xff, sizes[i]);
				before = (uintptr_t)p;
			}
			percpu_free(pc, sizes[i]);
		}
}

static void a_reference_is_to_the_part_of_the_current_cpu(void)
{
	percpu_t *pc = percpu_alloc(24), *other = percpu_alloc(100000);
	for (unsigned i = 0; i < 4; i++) {
		cpu_number(0);
		pin(i);
		void *p = percpu_getref(pc);
		CHECK(psref_kpreempt_disabled());
		CHECK_EQ(psref_cpu_index(psref_curcpu()), cpu_number(i));
		CHECK(p == percpu_getptr_remote(pc, psref_curcpu()));
		CHECK(p == percpu_getref(pc));
		CHECK(percpu_getref(other) == percpu_getptr_remote(other, psref_curcpu()));
		percpu_putref(other);
		percpu_putref(pc);
		CHECK(psref_kpreempt_disabled());
		percpu_putref(pc);
		CHECK(!psref_kpreempt_disabled());
	}
	percpu_free(pc, 24);
	percpu_free(other, 100000);
}

struct made {
	int constructed, destroyed;
	unsigned next;
};

struct part {
	struct part *self;
	unsigned cpu;
};

static void construct(void *p, void *cookie, struct cpu_info *ci)
{
	struct made *made = (struct made *)cookie;
	struct part *part = (struct part *)p;
	CHECK(part->self == NULL && part->cpu == 0);
	CHECK_EQ(psref_cpu_index(ci), made->next++);
	part->self = part;
	part->cpu = psref_cpu_index(ci);
	made->constructed++;
}

static void destroy(void *p, void *cookie, struct cpu_info *ci)
{
	struct part *part = (struct part *)p;
	CHECK(part->self == part);
	CHECK_EQ(part->cpu, psref_cpu_index(ci));
	((struct made *)cookie)->destroyed++;
}

static void look(void *p, void *arg, struct cpu_info *ci)
{
	struct part *part = (struct part *)p;
	CHECK(part->self == part);
	CHECK_EQ(part->cpu, psref_cpu_index(ci));
	++*(unsigned *)arg;
}

static void look_there(void *p, void *arg, struct cpu_info *ci)
{
	CHECK(psref_kpreempt_disabled());
	CHECK(psref_curcpu() == ci);
	look(p, arg, ci);
}

static void constructors_and_destructors_run_once_a_part(void)
{
	struct made made = { 0, 0, 0 };
	unsigned n = psref_ncpu(), seen = 0;
	percpu_t *pc = percpu_create(sizeof(struct part), construct, destroy, &made);
	CHECK_EQ(made.constructed, (int)n);
	CHECK_EQ(made.destroyed, 0);
	percpu_foreach(pc, look, &seen);
	CHECK_EQ(seen, n);
	percpu_traverse_enter();
	for (unsigned cpu = 0; cpu < n; cpu++)
		look(percpu_getptr_remote(pc, psref_cpu_lookup(cpu)), &seen, psref_cpu_lookup(cpu));
	percpu_traverse_exit();
	CHECK_EQ(seen, 2 * n);
	percpu_foreach_xcall(pc, 0, look_there, &seen);
	percpu_foreach_xcall(pc, XC_HIGHPRI, look_there, &seen);
	percpu_foreach_xcall(pc, XC_HIGHPRI_IPL(IPL_SOFTSERIAL), look_there, &seen);
	CHECK_EQ(seen, 5 * n);
	percpu_free(pc, sizeof(struct part));
	CHECK_EQ(made.destroyed, (int)n);
	pc = percpu_create(8, NULL, NULL, NULL);
	percpu_free(pc, 8);
}

static void what_only_a_kernels_start_up_calls_does_nothing(void)
{
	percpu_init();
	percpu_init_cpu(psref_curcpu());
}

static percpu_t *shared;
static unsigned in_handlers;

static void use_in_handler(int signal_number)
{
	(void)signal_number;
	*(volatile unsigned *)percpu_getref(shared) += 1;
	CHECK(psref_kpreempt_disabled());
	percpu_putref(shared);
	ADD(&in_handlers, 1);
}

static void add_up(void *p, void *sum, struct cpu_info *ci)
{
	(void)ci;
	*(unsigned *)sum += *(unsigned *)p;
}

static void *use(void *unused)
{
	sigset_t alarm;
	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	for (unsigned i = 0; i < test_turns(1000000); i++) {
		percpu_getref(shared);
		percpu_putref(shared);
	}
	pthread_sigmask(SIG_BLOCK, &alarm, NULL);
	return unused;
}

// Handlers come between any two steps of taking and giving back, where all threads use but the handlers count.
static void handlers_have_references_between_any_two_steps(void)
{
	test_not_under_qemu("qemu-user enters handlers with a stack that is not aligned");
	pthread_t threads[4];
	unsigned sum = 0;
	struct itimerval often = { { 0, 200 }, { 0, 200 } }, never = { { 0, 0 }, { 0, 0 } };
	no_second_look();
	shared = percpu_alloc(sizeof(unsigned));
	handle_with(use_in_handler, SIGALRM, SA_RESTART);
	setitimer(ITIMER_REAL, &often, NULL);
	for (unsigned i = 0; i < COUNT(threads); i++)
		threads[i] = start(use, NULL);
	use(NULL);
	for (unsigned i = 0; i < COUNT(threads); i++)
		join(threads[i]);
	setitimer(ITIMER_REAL, &never, NULL);
	percpu_foreach(shared, add_up, &sum);
	CHECK_EQ(sum, LOAD(&in_handlers));
	// Nothing is lost: each can be taken.
	xc_barrier(0);
	test_note("%u handlers", in_handlers);
}

TEST_MAIN(TEST(parts_are_zero_aligned_and_apart),
	  TEST(a_reference_is_to_the_part_of_the_current_cpu),
	  TEST(constructors_and_destructors_run_once_a_part),
	  TEST(what_only_a_kernels_start_up_calls_does_nothing),
	  TEST(handlers_have_references_between_any_two_steps))
