// SPDX-License-Identifier: MIT OR Apache-2.0
// A signal handler at every single instruction of a thread's end, and of a perform: it reads there, or forks there. The
// trap flag makes every instruction a SIGTRAP.
#include "test.h"
#include "threads.h"

#include <psref/pserialize.h>
#include <psref/psref.h>

#include <sys/auxv.h>
#include <sys/syscall.h>
#include <ucontext.h>

enum { CHILD_PATIENCE = 10 }; // seconds

static pserialize_t psz;
static struct psref_class *class_;
static struct psref_target target;
static pthread_key_t last_key;

// The machinery: what happens at each step, unless the steps are over.
static void (*at_step)(const ucontext_t *);
static int stepping, ended;
static long steps, stride, only_step;
static bool in_child;

static void on_trap(int signal_number, siginfo_t *info, void *context)
{
	ucontext_t *interrupted = (ucontext_t *)context;
	int before = errno;
	(void)signal_number;
	(void)info;
	if (stepping) {
		steps++;
		at_step(interrupted);
	}
#ifdef __x86_64__
	const greg_t trap_flag = 0x100;
	if (stepping)
		interrupted->uc_mcontext.gregs[REG_EFL] |= trap_flag;
	else
		interrupted->uc_mcontext.gregs[REG_EFL] &= ~trap_flag;
#endif
	errno = before;
}

static void begin_steps(void)
{
	steps = 0;
	STORE(&stepping, 1);
	raise(SIGTRAP);
}

static void end_steps(void)
{
	STORE(&stepping, 0); // the next trap is the last
}

static void nothing(const ucontext_t *unused)
{
	(void)unused;
}

static void be_ready_to_step(void)
{
	struct sigaction action;
	if (test_under("valgrind"))
		SKIP("valgrind knows no trap flag");
	memset(&action, 0, sizeof action);
	action.sa_sigaction = on_trap;
	action.sa_flags = SA_SIGINFO;
	sigaction(SIGTRAP, &action, NULL);
	at_step = nothing;
	begin_steps();
	spin(10);
	end_steps();
	if (LOAD(&steps) < 10)
		SKIP("no trap flag here");
}

// Two threads that read and hold in turn, neither seeing itself in what the other does: they would if they had one record.
static struct psref mine, theirs;
static int turn, left;

static void say(int number)
{
	STORE(&turn, number);
}

static void when(int number)
{
	while (LOAD(&turn) < number)
		sched_yield();
}

static void *read_in_turn(void *unused)
{
	CHECK(pserialize_not_in_read_section());
	pserialize_read_exit(pserialize_read_enter());
	say(1);
	when(2);
	CHECK(pserialize_not_in_read_section());
	CHECK(!psref_held(&target, class_));
	int s = pserialize_read_enter();
	CHECK_EQ(psref_acquire(&theirs, &target, class_), 0);
	say(3);
	when(4);
	CHECK(pserialize_in_read_section());
	CHECK(psref_held(&target, class_));
	psref_release(&theirs, &target, class_);
	nap(50); // time for the perform to begin; the verdict does not rest on it
	STORE(&left, 1);
	pserialize_read_exit(s);
	CHECK(pserialize_not_in_read_section());
	return unused;
}

static void two_threads_are_two(void)
{
	STORE(&turn, 0);
	STORE(&left, 0);
	CHECK(pserialize_not_in_read_section());
	pthread_t other = start(read_in_turn, NULL);
	when(1);
	CHECK(pserialize_not_in_read_section());
	int s = pserialize_read_enter();
	CHECK(pserialize_in_read_section());
	CHECK_EQ(psref_acquire(&mine, &target, class_), 0);
	say(2);
	when(3);
	CHECK(pserialize_in_read_section());
	pserialize_read_exit(s);
	CHECK(pserialize_not_in_read_section());
	CHECK(psref_held(&target, class_));
	psref_release(&mine, &target, class_);
	CHECK(!psref_held(&target, class_));
	say(4);
	pserialize_perform(psz);
	CHECK_EQ(LOAD(&left), 1);
	join(other);
	pserialize_perform(psz);
}

// Forks, and waits for the child, which goes on where the handler was called. True in the child.
static bool fork_here(void)
{
	int status;
	pid_t child = fork();
	if (child == 0) {
		end_steps();
		in_child = true;
		alarm(CHILD_PATIENCE);
		return true;
	}
	if (child < 0)
		FAIL("fork: %s", strerror(errno));
	CHECK_EQ(waitpid(child, &status, 0), child);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
		FAIL("the child of step %ld is not done after %d s", steps, CHILD_PATIENCE);
	if (status != 0)
		FAIL("the child of step %ld ended with wait status %#x", steps, (unsigned)status);
	return false;
}

static void read_at_step(const ucontext_t *unused)
{
	(void)unused;
	if (only_step != 0 && steps != only_step)
		return;
	CHECK(pserialize_not_in_read_section());
	int s = pserialize_read_enter();
	CHECK(pserialize_in_read_section());
	int t = pserialize_read_enter();
	pserialize_read_exit(t);
	CHECK(pserialize_in_read_section());
	pserialize_read_exit(s);
	CHECK(pserialize_not_in_read_section());
}

static void fork_and_read_at_step(const ucontext_t *interrupted)
{
	if (steps % stride == 0 && fork_here())
		read_at_step(interrupted);
}

// The destructor of a key that is younger than the library's: the thread has ended as far as that is concerned.
static void after_the_end(void *unused)
{
	(void)unused;
	end_steps();
	two_threads_are_two();
	if (in_child) {
		psref_target_destroy(&target, class_);
		psref_class_destroy(class_);
		pserialize_destroy(psz);
		_exit(0);
	}
	ended++;
}

static void *read_and_end(void *unused)
{
	pserialize_read_exit(pserialize_read_enter());
	CHECK_EQ(pthread_setspecific(last_key, &target), 0);
	begin_steps();
	return unused;
}

static void begin(void)
{
	be_ready_to_step();
	setenv("PSREF_DRAIN_WARN", "25", 1); // a report ends a sleep, and must not be what ends a child's
	psz = pserialize_create();
	class_ = psref_class_create("stepped", 0);
	CHECK(psz != NULL && class_ != NULL);
	psref_target_init(&target, class_);
	pserialize_perform(psz);
	CHECK_EQ(pthread_key_create(&last_key, after_the_end), 0);
	stride = test_short() ? 7 : 1;
}

static void end(void)
{
	psref_target_destroy(&target, class_);
	psref_class_destroy(class_);
	pserialize_perform(psz);
	pserialize_destroy(psz);
}

static void a_handler_may_read_at_every_step_of_a_threads_end(void)
{
	test_not_strict("strict: at its end a thread is bound no more, and acquires nothing");
	begin();
	at_step = read_at_step;
	elsewhere(read_and_end, NULL);
	CHECK_EQ(ended, 1);
	test_note("%ld steps", steps);
	end();
}

static void a_handler_may_read_at_any_one_step_of_a_threads_end(void)
{
	test_not_strict("strict: at its end a thread is bound no more, and acquires nothing");
	begin();
	at_step = nothing;
	elsewhere(read_and_end, NULL);
	long all = steps;
	at_step = read_at_step;
	for (only_step = 1; only_step <= all; only_step += stride)
		elsewhere(read_and_end, NULL);
	CHECK_EQ(ended, 1 + (all + stride - 1) / stride);
	end();
}

static void a_handler_may_fork_at_every_step_of_a_threads_end(void)
{
	test_not_strict("strict: at its end a thread is bound no more, and acquires nothing");
	begin();
	at_step = fork_and_read_at_step;
	elsewhere(read_and_end, NULL);
	CHECK_EQ(ended, 1);
	test_note("%ld steps, a fork at one of %ld", steps, stride);
	end();
}

// A perform that waits for another thread's section, and forks on its way. In the child nobody is inside.
static int inside, sleeps, performer, leader;

static void *read_until_the_performer_sleeps(void *unused)
{
	int s = pserialize_read_enter();
	STORE(&inside, 1);
	wait_until_set(&sleeps);
	wait_until_asleep(&performer);
	pserialize_read_exit(s);
	return unused;
}

#ifdef __x86_64__
static bool is_about_to_sleep(const greg_t *registers)
{
	static const unsigned char syscall_instruction[] = { 0x0f, 0x05 };
	return registers[REG_RAX] == SYS_futex &&
	       memcmp((const void *)registers[REG_RIP], syscall_instruction, sizeof syscall_instruction) == 0;
}

// The kernel's code for reading the clock begins anew when the clock ticks: with a fork at each of its steps it has no end.
static bool is_reading_the_clock(const greg_t *registers)
{
	const unsigned long two_pages = 8192, code = getauxval(AT_SYSINFO_EHDR);
	return (unsigned long)registers[REG_RIP] - code < two_pages;
}

static void fork_at_step(const ucontext_t *interrupted)
{
	const greg_t *registers = interrupted->uc_mcontext.gregs;
	bool last = is_about_to_sleep(registers);
	if (is_reading_the_clock(registers) || (!last && steps % stride != 0))
		return;
	if (!fork_here() && last)
		STORE(&sleeps, 1); // from here on the reader may leave
}
#else
#define fork_at_step nothing // there are no steps
#endif

static void perform_in_steps(void)
{
	STORE(&performer, thread_id());
	at_step = fork_at_step;
	begin_steps();
	pserialize_perform(psz);
	end_steps();
	if (in_child) {
		pserialize_perform(psz);
		CHECK(pserialize_not_in_read_section());
		_exit(0);
	}
	CHECK_EQ(LOAD(&sleeps), 1);
	test_note("%ld steps, a fork at one of %ld", steps, stride);
}

static void *lead(void *unused)
{
	STORE(&leader, thread_id());
	pserialize_perform(psz);
	return unused;
}

static void perform_beside_a_reader(bool behind_another)
{
	pthread_t first = pthread_self();
	begin();
	pthread_t reader = start(read_until_the_performer_sleeps, NULL);
	wait_until_set(&inside);
	if (behind_another) {
		first = start(lead, NULL);
		wait_until_asleep(&leader);
	}
	perform_in_steps();
	if (behind_another)
		join(first);
	join(reader);
	end();
}

static void a_handler_may_fork_at_every_step_of_a_perform_that_waits(void)
{
	perform_beside_a_reader(false);
}

static void a_handler_may_fork_at_every_step_of_a_perform_that_waits_for_another(void)
{
	perform_beside_a_reader(true);
}

TEST_MAIN(TEST(a_handler_may_read_at_every_step_of_a_threads_end),
	  TEST(a_handler_may_read_at_any_one_step_of_a_threads_end),
	  TEST(a_handler_may_fork_at_every_step_of_a_threads_end),
	  TEST(a_handler_may_fork_at_every_step_of_a_perform_that_waits),
	  TEST(a_handler_may_fork_at_every_step_of_a_perform_that_waits_for_another))
