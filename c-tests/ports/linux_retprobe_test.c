// SPDX-License-Identifier: MIT OR Apache-2.0
#include <linux/bug.h>
#include <linux/err.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>

#include "linux_retprobe.h"

#include "driver.h"

enum { ALIVE = 0x600d, NODES = 8 };

struct data {
	int state;
	unsigned returns;
};

static struct retprobe *current_probe;
static unsigned gone, made;

static void returned(struct retprobe_node *node, void *data, unsigned long ret)
{
	struct data *mine = (struct data *)data;
	CHECK_EQ(LOAD(&mine->state), ALIVE);
	CHECK_EQ(node->frame, ret);
	ADD(&mine->returns, 1);
}

static void is_gone(void *data)
{
	struct data *mine = (struct data *)data;
	CHECK_EQ(LOAD(&mine->state), ALIVE);
	STORE(&mine->state, 0);
	free(mine);
	ADD(&gone, 1);
}

static struct data *data_new(void)
{
	struct data *data = (struct data *)calloc(1, sizeof *data);
	data->state = ALIVE;
	return data;
}

static struct retprobe *probe_new(void)
{
	struct retprobe *probe = retprobe_alloc(data_new(), returned, is_gone, sizeof(struct retprobe_node) + 40, NODES);
	CHECK(!IS_ERR(probe));
	made++;
	return probe;
}

static void bad_arguments_are_errors_in_the_place_of_pointers(void)
{
	int size = (int)sizeof(struct retprobe_node);
	CHECK_EQ(PTR_ERR(retprobe_alloc(NULL, NULL, is_gone, size, 1)), -EINVAL);
	CHECK_EQ(PTR_ERR(retprobe_alloc(NULL, returned, is_gone, size, 0)), -EINVAL);
	CHECK_EQ(PTR_ERR(retprobe_alloc(NULL, returned, is_gone, 1, 1)), -EINVAL);
	CHECK_EQ(PTR_ERR(retprobe_alloc(NULL, returned, is_gone, 1 << 20, 1)), -ENOMEM);
	CHECK(IS_ERR_OR_NULL(NULL) && !IS_ERR(&size));
}

static void a_probe_outlives_its_end_by_the_nodes_that_are_out(void)
{
	struct retprobe *probe = probe_new();
	struct retprobe_node *nodes[NODES + 1];
	for (int i = 0; i < NODES; i++)
		CHECK((nodes[i] = retprobe_try_get(probe)) != NULL && nodes[i]->probe == probe);
	CHECK(retprobe_try_get(probe) == NULL);
	nodes[0]->frame = 5;
	retprobe_return(nodes[0], 5);
	CHECK_EQ(((struct data *)probe->data)->returns, 1);
	CHECK((nodes[0] = retprobe_try_get(probe)) != NULL);
	retprobe_stop(probe);
	CHECK(retprobe_try_get(probe) == NULL);
	retprobe_free(probe);
	for (int i = 0; i < NODES; i++) {
		CHECK_EQ(gone, 0);
		retprobe_return(nodes[i], 0);
	}
	CHECK_EQ(gone, 1);
}

static unsigned long calls_are_probed(unsigned who)
{
	unsigned long probed = 0;
	for (unsigned long call = who; !over(); call++) {
		rcu_read_lock();
		struct retprobe *probe = rcu_dereference(current_probe);
		struct retprobe_node *node = probe != NULL ? retprobe_try_get(probe) : NULL;
		rcu_read_unlock();
		under_way();
		if (node == NULL)
			continue;
		node->frame = call;
		// The function that is probed: it may take its time, and its probe may end meanwhile.
		if (call % 8 == 0)
			sched_yield();
		retprobe_return(node, call);
		probed++;
	}
	return probed;
}

static unsigned long probes_come_and_go(unsigned who)
{
	unsigned turns = test_turns(300);
	(void)who;
	for (unsigned turn = 0; turn < turns; turn++) {
		struct retprobe *old = current_probe;
		rcu_assign_pointer(current_probe, turn % 4 == 3 ? NULL : probe_new());
		if (old != NULL) {
			retprobe_stop(old);
			// Nobody finds it any more; retprobe_free() waits for those who have found it.
			retprobe_free(old);
		}
		sched_yield();
	}
	return turns;
}

static void every_probe_goes_once_while_calls_are_under_way(void)
{
	meanwhile(calls_are_probed, 4, probes_come_and_go, 1);
	struct retprobe *last = current_probe;
	current_probe = NULL;
	if (last != NULL)
		retprobe_free(last);
	CHECK_EQ(gone, made);
}

// No address is used again: what is over stays so.
static int *states, *shown;

static unsigned long looks_without_preemption(unsigned who)
{
	unsigned long looks = 0;
	(void)who;
	for (; !over(); looks++) {
		preempt_disable();
		int *state = rcu_dereference(shown);
		sched_yield();
		CHECK_EQ(LOAD(state), ALIVE);
		preempt_enable();
		under_way();
	}
	return looks;
}

static unsigned long replaces_what_is_shown(unsigned who)
{
	unsigned turns = test_turns(300);
	(void)who;
	for (unsigned turn = 0; turn < turns; turn++) {
		states[turn + 1] = ALIVE;
		rcu_assign_pointer(shown, &states[turn + 1]);
		synchronize_rcu();
		STORE(&states[turn], 0);
	}
	return turns;
}

static void a_section_without_preemption_is_waited_for_too(void)
{
	states = (int *)calloc(test_turns(300) + 1, sizeof *states);
	states[0] = ALIVE;
	shown = states;
	CHECK(meanwhile(looks_without_preemption, 4, replaces_what_is_shown, 1) > 0);
	free(states);
}

static void *warns(void *nothing)
{
	CHECK(WARN_ON(1));
	return nothing;
}

// As a signal handler would that has interrupted printf().
static void a_warning_needs_no_lock_of_stdio(void)
{
	int ends[2];
	char text[256];
	CHECK_EQ(pipe(ends), 0);
	int before = dup(2);
	CHECK(dup2(ends[1], 2) == 2);
	flockfile(stderr);
	join(start(warns, NULL));
	funlockfile(stderr);
	CHECK(dup2(before, 2) == 2);
	ssize_t n = read(ends[0], text, sizeof text - 1);
	CHECK(n > 0);
	text[n] = 0;
	CHECK(strncmp(text, "WARNING: linux_retprobe_test.c:", 31) == 0);
	CHECK(strstr(text, ": 1\n") != NULL);
	close(before);
	close(ends[0]);
	close(ends[1]);
}

TEST_MAIN(TEST(a_warning_needs_no_lock_of_stdio),
	  TEST(a_section_without_preemption_is_waited_for_too),
	  TEST(bad_arguments_are_errors_in_the_place_of_pointers),
	  TEST(a_probe_outlives_its_end_by_the_nodes_that_are_out),
	  TEST(every_probe_goes_once_while_calls_are_under_way))
