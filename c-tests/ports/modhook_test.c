// SPDX-License-Identifier: MIT OR Apache-2.0
#include "modhook.h"

#include "driver.h"

#include <dlfcn.h>

// What a module has allocated, and frees when it is unloaded: its functions find it while they run.
static int *loaded;
static int notes;

static int module_stat(int id, int *result)
{
	int *mine = LOAD(&loaded);
	CHECK(mine != NULL);
	*result = *mine + id;
	if (id % 16 == 0)
		sched_yield();
	CHECK_EQ(*LOAD(&loaded), *result - id);
	return 0;
}

static void module_note(int id)
{
	CHECK(LOAD(&loaded) != NULL);
	ADD(&notes, id);
}

static int module_twice(int x)
{
	int *mine = LOAD(&loaded);
	CHECK(mine != NULL);
	return 2 * x + *mine;
}

static void load(int value)
{
	int *fresh = (int *)malloc(sizeof *fresh);
	*fresh = value;
	STORE(&loaded, fresh);
}

static void unload(void)
{
	int *old = LOAD(&loaded);
	STORE(&loaded, (int *)NULL);
	*old = 0;
	free(old);
}

static void a_hook_answers_while_its_module_is_there(void)
{
	int result = 0;
	CHECK_EQ(compat_stat(1, &result), ENOSYS);
	CHECK(!compat_note(1));
	CHECK_EQ(compat_unload(), ENOENT);
	load(100);
	CHECK_EQ(compat_load(module_stat, module_note), 0);
	CHECK_EQ(compat_load(module_stat, module_note), EEXIST);
	CHECK_EQ(compat_stat(1, &result), 0);
	CHECK_EQ(result, 101);
	CHECK(compat_note(7));
	CHECK_EQ(notes, 7);
	CHECK_EQ(compat_unload(), 0);
	unload();
	CHECK_EQ(compat_stat(1, &result), ENOSYS);
}

static struct own_hook hook;

static unsigned long calls(unsigned who)
{
	unsigned long answers = 0;
	for (int id = (int)who; !over(); id = (id + 1) % 1000) {
		int result = 0;
		int error = compat_stat(id, &result);
		CHECK(error == 0 ? result == 100 + id : error == ENOSYS);
		answers += error == 0;
		compat_note(1);
		error = own_hook_call(&hook, id, &result);
		CHECK(error == 0 ? result == 2 * id + 100 : error == ENOSYS);
		under_way();
	}
	return answers;
}

static unsigned long comes_and_goes(unsigned who)
{
	unsigned turns = test_turns(100);
	(void)who;
	for (unsigned turn = 0; turn < turns; turn++) {
		load(100);
		kernconfig_lock();
		CHECK_EQ(own_hook_set(&hook, module_twice), 0);
		CHECK_EQ(own_hook_set(&hook, module_twice), EBUSY);
		kernconfig_unlock();
		CHECK_EQ(compat_load(module_stat, module_note), 0);
		sched_yield();
		CHECK_EQ(compat_unload(), 0);
		kernconfig_lock();
		CHECK_EQ(own_hook_unset(&hook), 0);
		CHECK_EQ(own_hook_unset(&hook), ENOENT);
		kernconfig_unlock();
		unload();
	}
	return turns;
}

static void nobody_is_in_a_hook_once_it_is_unset(void)
{
	own_hook_init();
	meanwhile(calls, 4, comes_and_goes, 1);
	own_hook_fini();
}

static unsigned long takes_the_lock(unsigned who)
{
	static int inside;
	unsigned long n = test_turns(5000);
	for (unsigned long turn = 0; turn < n; turn++) {
		CHECK(!kernconfig_is_held());
		kernconfig_lock();
		kernconfig_lock();
		CHECK_EQ(ADD(&inside, 1), 0);
		CHECK(kernconfig_is_held());
		ADD(&inside, -1);
		kernconfig_unlock();
		CHECK(kernconfig_is_held());
		kernconfig_unlock();
	}
	(void)who;
	under_way();
	return n;
}

static void one_thread_has_the_lock_of_configuration_as_often_as_it_likes(void)
{
	CHECK(meanwhile(takes_the_lock, 3, takes_the_lock, 1) > 0);
}

static int entered;

static void *calls_the_plug_in(void *nothing)
{
	STORE(&entered, 1);
	CHECK_EQ(plugin_call(5), 6);
	return nothing;
}

static void a_hook_of_a_plug_in_is_taken_away_once_nobody_is_in_it(void)
{
	void *handle = dlopen(getenv("PSREF_TEST_PLUGIN"), RTLD_NOW | RTLD_LOCAL);
	CHECK(handle != NULL);
	const struct plugin *module = (const struct plugin *)dlsym(handle, "plugin");
	CHECK(module != NULL);
	CHECK_EQ(plugin_call(5), -1);
	module->load(&plugin_hook);
	pthread_t thread = start(calls_the_plug_in, NULL);
	// A count in the cells: the thread is inside.
	while (!LOAD(&entered) || localcount_debug_refcnt(&plugin_hook.lc) == 0)
		sched_yield();
	module->unload();
	join(thread);
	CHECK_EQ(plugin_call(5), -1);
	// Not unloaded: the pages of its sections may still be looked up.
}

TEST_MAIN(TEST(a_hook_of_a_plug_in_is_taken_away_once_nobody_is_in_it),
	  TEST(a_hook_answers_while_its_module_is_there), TEST(nobody_is_in_a_hook_once_it_is_unset),
	  TEST(one_thread_has_the_lock_of_configuration_as_often_as_it_likes))
