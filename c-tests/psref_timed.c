// SPDX-License-Identifier: MIT OR Apache-2.0
// Drains that do not wait for ever: with a limit, by descriptor, and of many targets at once.
#include "test.h"
#include "child.h"
#include "threads.h"
#include <poll.h>
#include <psref.h>
#include <sys/epoll.h>

enum { MANY = 1000 };

static struct psref_class *class_;
static struct psref_target target, other, many[MANY];
static struct psref hold;
static int released, tid;

static const struct timespec nothing = { 0, 0 }, soon = { 0, 1000000 }, late = { 3600, 0 };

static void begin(void)
{
	no_second_look();
	class_ = psref_class_create("timed", IPL_SOFTNET);
	CHECK(class_ != NULL);
	psref_target_init(&target, class_);
	psref_target_init(&other, class_);
	CHECK_EQ(psref_acquire(&hold, &target, class_), 0);
}

static void end(void)
{
	if (LOAD((bool *)&other.prt_draining) == 0)
		psref_target_destroy(&other, class_);
	psref_class_destroy(class_);
}

static void a_limit_that_passes_leaves_the_target_draining(void)
{
	struct psref second;
	begin();
	CHECK_EQ(psref_target_drain_timed(&target, class_, &nothing), ETIMEDOUT);
	double before = seconds();
	CHECK_EQ(psref_target_drain_timed(&target, class_, &soon), ETIMEDOUT);
	CHECK(seconds() - before >= 0.001);
	CHECK_EQ(psref_acquire(&second, &target, class_), ENOENT);
	psref_release(&hold, &target, class_);
	CHECK_EQ(psref_target_drain_timed(&target, class_, &nothing), 0);
	CHECK_EQ(psref_target_drain_timed(&target, class_, NULL), 0);
	psref_target_destroy(&target, class_);
	end();
}

static void a_limit_that_is_none_is_EINVAL_and_nothing_is_done(void)
{
	static const struct timespec bad[] = { { -1, 0 }, { 0, -1 }, { 0, 1000000000 }, { -1, 999999999 } };
	struct psref second;
	begin();
	for (size_t i = 0; i < COUNT(bad); i++)
		CHECK_EQ(psref_target_drain_timed(&target, class_, &bad[i]), EINVAL);
	CHECK_EQ(psref_acquire(&second, &target, class_), 0);
	psref_release(&second, &target, class_);
	psref_release(&hold, &target, class_);
	psref_target_destroy(&target, class_);
	end();
}

static void *hold_until_asleep(void *psref)
{
	CHECK_EQ(psref_acquire((struct psref *)psref, &other, class_), 0);
	STORE(&released, -1);
	wait_until_asleep(&tid);
	STORE(&released, 1);
	psref_release((struct psref *)psref, &other, class_);
	return NULL;
}

static void a_limit_that_is_long_is_ended_by_the_release(void)
{
	static const struct timespec most = { INT64_MAX, 999999999 };
	const struct timespec *limits[] = { &late, &most, NULL };
	begin();
	psref_release(&hold, &target, class_);
	psref_target_destroy(&target, class_);
	for (size_t i = 0; i < COUNT(limits); i++) {
		STORE(&released, 0);
		STORE(&tid, 0);
		pthread_t holder = start(hold_until_asleep, &hold);
		wait_until_set(&released);
		STORE(&tid, thread_id());
		CHECK_EQ(psref_target_drain_timed(&other, class_, limits[i]), 0);
		CHECK_EQ(LOAD(&released), 1);
		join(holder);
		psref_target_destroy(&other, class_);
		psref_target_init(&other, class_);
	}
	end();
}

static bool readable(int fd, int milliseconds)
{
	struct pollfd one = { fd, POLLIN, 0 };
	return poll(&one, 1, milliseconds) == 1 && (one.revents & POLLIN) != 0;
}

static void a_descriptor_of_what_nobody_holds_is_readable_at_once(void)
{
	struct psref second;
	begin();
	int fd = psref_target_drain_fd(&other, class_);
	CHECK(fd >= 0 && readable(fd, 0));
	CHECK_EQ(psref_acquire(&second, &other, class_), ENOENT);
	CHECK_EQ(psref_target_drain_poll(&other, class_), 0);
	CHECK(other.prt_drained);
	close(fd);
	psref_target_destroy(&other, class_);
	psref_release(&hold, &target, class_);
	psref_target_destroy(&target, class_);
	psref_class_destroy(class_);
}

static void a_descriptor_is_readable_after_a_release_and_not_before(void)
{
	struct psref second, copied;
	begin();
	CHECK_EQ(psref_acquire(&second, &target, class_), 0);
	CHECK_EQ(psref_acquire(&copied, &other, class_), 0);
	int fd = psref_target_drain_fd(&target, class_), again = psref_target_drain_fd(&target, class_);
	CHECK(fd >= 0 && again >= 0 && fd != again);
	CHECK(!readable(fd, 0));
	psref_release(&copied, &other, class_); // another's
	CHECK(!readable(fd, 0));
	psref_release(&second, &target, class_);
	CHECK(readable(fd, 0) && readable(again, 0));
	CHECK_EQ(psref_target_drain_poll(&target, class_), EAGAIN);
	CHECK(!readable(fd, 0) && !readable(again, 0)); // nothing need be read
	psref_copy(&copied, &hold, class_);
	psref_release(&hold, &target, class_);
	CHECK(readable(fd, 0));
	close(fd); // whenever one likes
	CHECK_EQ(psref_target_drain_poll(&target, class_), EAGAIN);
	psref_release(&copied, &target, class_);
	CHECK(readable(again, 0));
	CHECK_EQ(psref_target_drain_poll(&target, class_), 0);
	CHECK(readable(again, 0)); // and stays so
	CHECK_EQ(psref_target_drain_poll(&target, class_), 0);
	close(again);
	psref_target_destroy(&target, class_);
	end();
}

static unsigned open_files(void)
{
	unsigned n = 0;
	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

// Closed descriptors' numbers go to others at once: a late release must not write there.
static void a_descriptor_closed_early_costs_nobody_anything(void)
{
	int ends[2];
	char byte;
	begin();
	unsigned before = open_files();
	for (int turn = 0; turn < 100; turn++) {
		int fd = psref_target_drain_fd(&target, class_);
		CHECK(fd >= 0);
		close(fd);
		CHECK_EQ(pipe2(ends, O_NONBLOCK), 0);
		CHECK(ends[0] == fd || ends[1] == fd);
		psref_release(&hold, &target, class_);
		CHECK(read(ends[0], &byte, 1) < 0 && errno == EAGAIN);
		CHECK_EQ(psref_target_drain_poll(&target, class_), 0);
		psref_target_destroy(&target, class_);
		close(ends[0]);
		close(ends[1]);
		CHECK_EQ(open_files(), before);
		psref_target_init(&target, class_);
		CHECK_EQ(psref_acquire(&hold, &target, class_), 0);
	}
	// Never polled: the destroy, or the class's end, gives the library's descriptor back.
	close(psref_target_drain_fd(&target, class_));
	close(psref_target_drain_fd(&other, class_));
	psref_release(&hold, &target, class_);
	psref_target_destroy(&target, class_);
	end();
	CHECK_EQ(open_files(), before);
}

static void a_descriptor_of_what_has_drained_is_readable_and_costs_nothing_more(void)
{
	begin();
	unsigned before = open_files();
	psref_release(&hold, &target, class_);
	psref_target_drain(&target, class_);
	for (int turn = 0; turn < 10; turn++) {
		int fd = psref_target_drain_fd(&target, class_);
		CHECK(fd >= 0 && readable(fd, 0));
		CHECK_EQ(psref_target_drain_poll(&target, class_), 0);
		close(fd);
		CHECK_EQ(open_files(), before);
	}
	psref_target_destroy(&target, class_);
	end();
}

static void without_descriptors_nothing_is_done(void)
{
	struct psref second;
	struct rlimit none = { 0, 0 };
	begin();
	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &none), 0);
	for (rlim_t room = 0; room < 2; room++) { // for none, and for one of the two
		int next = dup(0);
		close(next);
		none.rlim_cur = room == 0 ? 0 : (rlim_t)next + 1;
		CHECK_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
		errno = 0;
		CHECK_EQ(psref_target_drain_fd(&target, class_), -1);
		CHECK_EQ(errno, EMFILE);
		none.rlim_cur = none.rlim_max;
		CHECK_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
	}
	CHECK_EQ(psref_acquire(&second, &target, class_), 0);
	psref_release(&second, &target, class_);
	psref_release(&hold, &target, class_);
	psref_target_destroy(&target, class_);
	end();
}

static void *drain_and_be_cancelled(void *unused)
{
	psref_target_drain(&target, class_);
	ADD(&released, 1);
	pthread_testcancel();
	return unused;
}

// The report reads files, which could be cancelled, and the drain with it.
static void a_drain_that_reports_is_not_cancelled(void)
{
	static const char holder[] = ", acquired on ";
	char text[4096];
	size_t n = 0;
	int ends[2];
	void *answer;
	begin();
	setenv("PSREF_DRAIN_WARN", "0.1", 1);
	CHECK_EQ(pipe(ends), 0);
	int before = dup(STDERR_FILENO);
	CHECK_EQ(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
	pthread_t drainer = start(drain_and_be_cancelled, NULL);
	CHECK_EQ(pthread_cancel(drainer), 0);
	struct pollfd look = { ends[0], POLLIN, 0 };
	for (text[0] = '\0'; strstr(text, holder) == NULL; text[n] = '\0') {
		CHECK_EQ(poll(&look, 1, 10000), 1);
		n += (size_t)read(ends[0], text + n, sizeof text - 1 - n);
	}
	CHECK_EQ(dup2(before, STDERR_FILENO), STDERR_FILENO);
	CHECK_EQ(LOAD(&released), 0);
	psref_release(&hold, &target, class_);
	CHECK_EQ(pthread_join(drainer, &answer), 0);
	CHECK(answer == PTHREAD_CANCELED && LOAD(&released) == 1);
	psref_target_destroy(&target, class_);
	end();
}

enum { HOLDERS = 3 };
static int gate;

static void *hold_and_release(void *mine)
{
	struct psref psref;
	for (int turn = 0; LOAD(&gate) >= 0;) {
		if (LOAD(&gate) <= turn) {
			sched_yield();
			continue;
		}
		turn = LOAD(&gate);
		int answer = psref_acquire(&psref, &target, class_);
		ADD(&released, 1);
		if (answer == 0)
			psref_release(&psref, &target, class_);
	}
	return mine;
}

// No hint is lost: whoever polls only when told comes to the end.
static void an_epoll_loop_drains_while_others_release(void)
{
	pthread_t holders[HOLDERS];
	struct epoll_event event;
	begin();
	psref_release(&hold, &target, class_);
	int loop = epoll_create1(EPOLL_CLOEXEC);
	for (int i = 0; i < HOLDERS; i++)
		holders[i] = start(hold_and_release, NULL);
	unsigned again = 0, turns = test_turns(3000);
	for (unsigned turn = 1; turn <= turns; turn++) {
		STORE(&released, 0);
		STORE(&gate, (int)turn);
		int fd = psref_target_drain_fd(&target, class_);
		memset(&event, 0, sizeof event);
		event.events = EPOLLIN;
		CHECK(fd >= 0 && epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event) == 0);
		do
			CHECK_EQ(epoll_wait(loop, &event, 1, -1), 1);
		while (psref_target_drain_poll(&target, class_) == EAGAIN && ++again);
		close(fd);
		while (LOAD(&released) < HOLDERS)
			sched_yield(); // nobody acquires what is being destroyed
		psref_target_destroy(&target, class_);
		psref_target_init(&target, class_);
	}
	STORE(&gate, -1);
	for (int i = 0; i < HOLDERS; i++)
		join(holders[i]);
	test_note("%u drains, polled %u times too early", turns, again);
	close(loop);
	psref_target_destroy(&target, class_);
	end();
}

static void in_forked_child(void *fd)
{
	// What the parent waits for is not the child's: its release does not reach the parent's descriptor.
	psref_release(&hold, &target, class_);
	CHECK(!readable(*(int *)fd, 0));
	CHECK_EQ(psref_target_drain_poll(&target, class_), 0);
	CHECK(!readable(*(int *)fd, 0));
	int own = psref_target_drain_fd(&other, class_);
	CHECK(own >= 0 && readable(own, 0));
	psref_target_destroy(&other, class_);
	psref_target_destroy(&target, class_);
	psref_class_destroy(class_);
}

static void a_forked_childs_releases_are_its_own(void)
{
	begin();
	int fd = psref_target_drain_fd(&target, class_);
	CHECK(fd >= 0);
	struct ended ended = in_child(in_forked_child, &fd);
	CHECK_EXITED(ended);
	CHECK(!readable(fd, 0));
	psref_release(&hold, &target, class_);
	CHECK(readable(fd, 0));
	CHECK_EQ(psref_target_drain_poll(&target, class_), 0);
	psref_target_destroy(&target, class_);
	end();
}

static struct psref_target *each[MANY];

static void begin_many(void)
{
	begin();
	for (unsigned i = 0; i < MANY; i++) {
		psref_target_init(&many[i], class_);
		each[i] = &many[i * 77 % MANY]; // in no order
	}
}

static void *hold_some(void *unused)
{
	static struct psref holds[10];
	for (unsigned i = 0; i < COUNT(holds); i++)
		CHECK_EQ(psref_acquire(&holds[i], &many[i * 99], class_), 0);
	STORE(&released, -1);
	wait_until_asleep(&tid);
	psref_copy(&hold, &holds[9], class_);
	for (unsigned i = 0; i < COUNT(holds); i++) {
		sched_yield();
		psref_release(&holds[i], &many[i * 99], class_);
	}
	STORE(&released, 1);
	psref_release(&hold, &many[9 * 99], class_);
	return unused;
}

static void many_are_destroyed_once_the_last_of_them_is_released(void)
{
	begin_many();
	psref_release(&hold, &target, class_);
	psref_target_destroy(&target, class_);
	psref_target_destroy_many(NULL, 0, class_);
	pthread_t holder = start(hold_some, NULL);
	wait_until_set(&released);
	STORE(&tid, thread_id());
	double before = seconds();
	psref_target_destroy_many(each, MANY, class_);
	CHECK_EQ(LOAD(&released), 1);
	join(holder);
	for (unsigned i = 0; i < MANY; i++)
		CHECK(many[i].prt_class == NULL && many[i].prt_drained);
	test_note("%d targets, ten of them held: %.0f us", MANY, (seconds() - before) * 1e6);
	for (unsigned i = 0; i < MANY; i++)
		psref_target_init(&many[i], class_);
	before = seconds();
	psref_target_destroy_many(each, MANY, class_);
	test_note("%d targets that nobody holds: %.0f us", MANY, (seconds() - before) * 1e6);
	end();
}

static void destroy_wrongly(void *which)
{
	switch ((int)(intptr_t)which) {
	case 0: each[999] = NULL; break;
	case 1: psref_target_destroy(each[999], class_); break;
	case 2: each[999] = each[500]; break;
	default: break;
	}
	psref_release(&hold, &target, class_);
	psref_target_destroy_many(each, MANY, class_);
}

static void a_target_that_cannot_be_destroyed_is_told(void)
{
	static const char *const said[] = { "target is NULL", "psref target already destroyed", "psref target already destroyed" };
	begin_many();
	for (size_t i = 0; i < COUNT(said); i++) {
		struct ended ended = in_child(destroy_wrongly, (void *)i);
		CHECK_FATAL(ended, "psref_target_destroy_many: ", said[i]);
	}
}

TEST_MAIN(TEST(a_limit_that_passes_leaves_the_target_draining),
	  TEST(a_limit_that_is_none_is_EINVAL_and_nothing_is_done),
	  TEST(a_limit_that_is_long_is_ended_by_the_release),
	  TEST(a_descriptor_of_what_nobody_holds_is_readable_at_once),
	  TEST(a_descriptor_is_readable_after_a_release_and_not_before),
	  TEST(a_descriptor_closed_early_costs_nobody_anything),
	  TEST(a_descriptor_of_what_has_drained_is_readable_and_costs_nothing_more),
	  TEST(without_descriptors_nothing_is_done),
	  TEST(a_drain_that_reports_is_not_cancelled),
	  TEST(an_epoll_loop_drains_while_others_release),
	  TEST(a_forked_childs_releases_are_its_own),
	  TEST(many_are_destroyed_once_the_last_of_them_is_released),
	  TEST(a_target_that_cannot_be_destroyed_is_told))
