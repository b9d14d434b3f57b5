// SPDX-License-Identifier: MIT OR Apache-2.0
// Misuse of threads, CPUs, software interrupts, per-CPU memory and cross-calls is told, never a hang.
#define TEST_BINDS_ITSELF 1
#include "test.h"
#include "child.h"
#include "threads.h"

#include <psref/kmutex.h>
#include <psref/percpu.h>
#include <psref/pserialize.h>
#include <psref/xcall.h>

static percpu_t *pc, *gone;
static void *si;
static kmutex_t driver;
static int finished;

static void nothing(void *first, void *second)
{
	(void)first;
	(void)second;
}

static void no_handler(void *unused)
{
	(void)unused;
}

static void visit(void *p, void *arg, struct cpu_info *ci)
{
	(void)p;
	(void)arg;
	(void)ci;
}

static void set_up(void)
{
	pc = percpu_alloc(40);
	gone = percpu_alloc(40);
	percpu_free(gone, 40);
	mutex_init(&driver, MUTEX_DEFAULT, IPL_VM);
	CHECK((si = psref_softint_establish(PSREF_SOFTINT_NET, no_handler, NULL)) != NULL);
}

struct bug {
	const char *who, *what;
};

static void check(void (*run)(void *), const struct bug *bugs, size_t n)
{
	set_up();
	for (size_t i = 0; i < n; i++) {
		struct ended ended = in_child(run, (void *)i);
		CHECK_FATAL(ended, bugs[i].who, bugs[i].what);
	}
}

static void *end_without_preemption(void *unused)
{
	psref_kpreempt_disable();
	return unused;
}

static struct cpu_info stranger;

static void misuse_lwp(void *which)
{
	switch ((int)(intptr_t)which) {
	case 0: psref_kpreempt_enable(); break;
	case 1:
		psref_kpreempt_disable();
		psref_kpreempt_enable();
		psref_kpreempt_enable();
		break;
	case 2: psref_curlwp_bindx(0); break;
	case 3: elsewhere(end_without_preemption, NULL); break;
	case 4: psref_cpu_index(NULL); break;
	case 5: psref_cpu_index(&stranger); break;
	case 6: psref_cpu_index((struct cpu_info *)((char *)psref_curcpu() + 1)); break;
	default: break;
	}
}

static void misuse_of_threads_and_cpus_is_named(void)
{
	static const struct bug bugs[] = {
		{ "kpreempt_enable: ", "preemption is not disabled" },
		{ "kpreempt_enable: ", "preemption is not disabled" },
		{ "curlwp_bindx: ", "not bound; expected curlwp_bind" },
		{ "ends with preemption disabled 1 times", "expected kpreempt_enable" },
		{ "cpu_index: ", "is no CPU" },
		{ "cpu_index: ", "is no CPU" },
		{ "cpu_index: ", "is no CPU" },
	};
	check(misuse_lwp, bugs, COUNT(bugs));
}

static void misuse_percpu(void *which)
{
	switch ((int)(intptr_t)which) {
	case 0: percpu_putref(pc); break;
	case 1: // preemption is disabled, and yet there is no reference
		psref_kpreempt_disable();
		percpu_putref(pc);
		break;
	case 2: percpu_free(pc, 41); break;
	case 3: percpu_free(gone, 40); break;
	case 4: percpu_free(NULL, 40); break;
	case 5: percpu_free((percpu_t *)&stranger, 40); break;
	case 6: percpu_getref(gone); break;
	case 7: percpu_getref(NULL); break;
	case 8: percpu_putref(NULL); break;
	case 9: percpu_foreach(gone, visit, NULL); break;
	case 10: percpu_foreach(pc, NULL, NULL); break;
	case 11: percpu_foreach_xcall(gone, 0, visit, NULL); break;
	case 12: percpu_foreach_xcall(pc, 2, visit, NULL); break;
	case 13: percpu_getptr_remote(pc, NULL); break;
	case 14: percpu_getptr_remote(gone, psref_curcpu()); break;
	case 15:
		percpu_getref(pc);
		percpu_foreach_xcall(pc, 0, visit, NULL);
		break;
	default: break;
	}
}

static void misuse_of_percpu_memory_is_named(void)
{
	static const struct bug bugs[] = {
		{ "percpu_putref: ", "has no reference" },
		{ "percpu_putref: ", "has no reference" },
		{ "percpu_free: ", "size 41, expected 40" },
		{ "percpu_free: ", "already freed" },
		{ "percpu_free: ", "is no percpu_t" },
		{ "percpu_free: ", "is no percpu_t" },
		{ "percpu_getref: ", "already freed" },
		{ "percpu_getref: ", "NULL" },
		{ "percpu_putref: ", "NULL" },
		{ "percpu_foreach: ", "already freed" },
		{ "percpu_foreach: ", "callback is NULL" },
		{ "percpu_foreach_xcall: ", "already freed" },
		{ "percpu_foreach_xcall: ", "flags 0x2; expected 0" },
		{ "percpu_getptr_remote: ", "is no CPU" },
		{ "percpu_getptr_remote: ", "already freed" },
		{ "percpu_foreach_xcall: ", "with preemption disabled" },
	};
	check(misuse_percpu, bugs, COUNT(bugs));
}

static void barrier_again(void *first, void *second)
{
	(void)first;
	(void)second;
	xc_barrier(0);
}

static void barrier_in_handler(void *unused)
{
	(void)unused;
	xc_barrier(0);
}

static void leave_without_preemption(void *first, void *second)
{
	(void)first;
	(void)second;
	psref_kpreempt_disable();
}

static void misuse_xcall(void *which)
{
	switch ((int)(intptr_t)which) {
	case 0: xc_broadcast(2, nothing, NULL, NULL); break;
	case 1: xc_broadcast(XC_HIGHPRI | 0x20, nothing, NULL, NULL); break;
	case 2: xc_unicast(0, nothing, NULL, NULL, NULL); break;
	case 3: xc_broadcast(0, NULL, NULL, NULL); break;
	case 4: xc_encode_ipl(IPL_NONE); break;
	case 5: xc_encode_ipl(IPL_VM); break;
	case 6: xc_wait(1); break;
	case 7: xc_wait(xc_broadcast(0, nothing, NULL, NULL) + 1); break;
	case 8: xc_wait(xc_broadcast(0, nothing, NULL, NULL) | (uint64_t)1 << 63); break;
	case 9: xc_wait(xc_broadcast(0, barrier_again, NULL, NULL)); break;
	case 10: xc_wait(xc_broadcast(XC_HIGHPRI, barrier_again, NULL, NULL)); break;
	case 11: psref_kpreempt_disable(), xc_barrier(0); break;
	case 12: mutex_enter(&driver), xc_barrier(XC_HIGHPRI); break;
	case 13: percpu_getref(pc), xc_wait(0); break;
	case 14: pserialize_read_enter(), xc_barrier(0); break;
	case 15: xc_wait(xc_broadcast(0, leave_without_preemption, NULL, NULL)); break;
	case 16:
		psref_softint_schedule(psref_softint_establish(PSREF_SOFTINT_NET, barrier_in_handler, NULL));
		wait_until_set(&finished);
		break;
	default: break;
	}
}

static void misuse_of_cross_calls_is_named(void)
{
	static const struct bug bugs[] = {
		{ "xc_broadcast: ", "flags 0x2; expected 0, XC_HIGHPRI" },
		{ "xc_broadcast: ", "flags 0x21; expected 0, XC_HIGHPRI" },
		{ "xc_unicast: ", "is no CPU" },
		{ "xc_broadcast: ", "function is NULL" },
		{ "xc_encode_ipl: ", "Invalid IPL: 0" },
		{ "xc_encode_ipl: ", "Invalid IPL: 6" },
		{ "xc_wait: ", "ticket 1 was never given out" },
		{ "xc_wait: ", "was never given out" },
		{ "xc_wait: ", "was never given out" },
		{ "xc_barrier: ", "inside a function of a cross-call" },
		{ "xc_barrier: ", "inside a software interrupt" },
		{ "xc_barrier: ", "with preemption disabled" },
		{ "xc_barrier: ", "with preemption disabled" },
		{ "xc_wait: ", "with preemption disabled" },
		{ "xc_barrier: ", "inside a read section" },
		{ "a function of a cross-call returned with preemption disabled 2 times", "expected 1" },
		{ "xc_barrier: ", "inside a software interrupt" },
	};
	check(misuse_xcall, bugs, COUNT(bugs));
}

static void *itself;

static void end_itself(void *unused)
{
	(void)unused;
	psref_softint_disestablish(itself);
}

static void misuse_softint(void *which)
{
	switch ((int)(intptr_t)which) {
	case 0: psref_softint_establish(4, no_handler, NULL); break;
	case 1: psref_softint_establish(0x400, no_handler, NULL); break;
	case 2: psref_softint_establish(0, NULL, NULL); break;
	case 3: psref_softint_schedule(NULL); break;
	case 4: psref_softint_schedule(&stranger); break;
	case 5:
		psref_softint_disestablish(si);
		psref_softint_schedule(si);
		break;
	case 6:
		psref_softint_disestablish(si);
		psref_softint_disestablish(si);
		break;
	case 7: psref_kpreempt_disable(), psref_softint_disestablish(si); break;
	case 8:
		itself = psref_softint_establish(0, end_itself, NULL);
		psref_softint_schedule(itself);
		wait_until_set(&finished);
		break;
	default: break;
	}
}

static void misuse_of_software_interrupts_is_named(void)
{
	static const struct bug bugs[] = {
		{ "softint_establish: ", "flags 0x4; expected a level from 0 to 3" },
		{ "softint_establish: ", "flags 0x400; expected" },
		{ "softint_establish: ", "handler is NULL" },
		{ "softint_schedule: ", "is no software interrupt" },
		{ "softint_schedule: ", "is no software interrupt" },
		{ "softint_schedule: ", "already disestablished" },
		{ "softint_disestablish: ", "already disestablished" },
		{ "softint_disestablish: ", "with preemption disabled" },
		{ "softint_disestablish: ", "inside a software interrupt" },
	};
	check(misuse_softint, bugs, COUNT(bugs));
}

static int waiting;

static void *want_its_cpu(void *ci)
{
	(void)ci;
	psref_curlwp_bind();
	STORE(&waiting, 1);
	errno = ERANGE;
	psref_kpreempt_disable();
	psref_kpreempt_enable();
	CHECK_EQ(errno, ERANGE); // a handler may have done that
	return NULL;
}

static void wait_long(void *unused)
{
	(void)unused;
	pin(0);
	int bound = psref_curlwp_bind();
	psref_kpreempt_disable();
	pthread_t waiter = start(want_its_cpu, NULL);
	wait_until_set(&waiting);
	nap(1500000);
	psref_kpreempt_enable();
	psref_curlwp_bindx(bound);
	join(waiter);
}

static void a_wait_that_takes_long_is_told_with_who_has_the_cpu(void)
{
	char name[64];
	cpu_number(0);
	setenv("PSREF_DRAIN_WARN", "0.2", 1);
	struct ended ended = in_child(wait_long, NULL);
	CHECK_EXITED(ended);
	snprintf(name, sizeof name, "virtual CPU %d: thread %d", cpu_number(0), (int)ended.pid);
	CHECK(strstr(ended.words, "has waited") != NULL);
	if (strstr(ended.words, name) == NULL)
		FAIL("no \"%s\" in: %.300s", name, ended.words);
}

TEST_MAIN(TEST(misuse_of_threads_and_cpus_is_named),
	  TEST(misuse_of_percpu_memory_is_named),
	  TEST(misuse_of_cross_calls_is_named),
	  TEST(misuse_of_software_interrupts_is_named),
	  TEST(a_wait_that_takes_long_is_told_with_who_has_the_cpu))
