// SPDX-License-Identifier: MIT OR Apache-2.0
// unload.c MODE: threads run sections of the plug-in PSREF_TEST_PLUGIN, then sleep in the kernel; the plug-in is unloaded, and they
// wake up. MODE is "prepared": they call psref_prepare_unload() first; "bare": they do not, and die unless the plug-in was linked
// with -z nodelete. Prints "unloaded" or "stayed" before it wakes them, and "awake" where they live.
#include "../test.h"
#include "../threads.h"
#include "ways.h"

#include <dlfcn.h>

enum { SLEEPERS = 16 };

static const struct way *way;
static struct localcount lc;
static int tids[SLEEPERS], ends[2];
static bool prepares;

static void *use_and_sleep(void *tid)
{
	char byte;
	int me = thread_id();
	for (unsigned i = 0; i < 1000; i++) {
		way->count(&lc);
		way->uncount(&lc, NULL, NULL);
	}
	way->count(&lc); // a section is what the thread does last before it sleeps
	if (prepares)
		psref_prepare_unload();
	STORE((int *)tid, me);
	return read(ends[0], &byte, 1) == 0 ? NULL : tid;
}

int main(int argc, char **argv)
{
	pthread_t threads[SLEEPERS];
	const char *plugin = getenv("PSREF_TEST_PLUGIN");
	test_why = (char *)calloc(1, TEST_WHY);
	prepares = argc > 1 && strcmp(argv[1], "prepared") == 0;
	void *handle = dlopen(plugin, RTLD_NOW);
	if (handle == NULL || pipe(ends) != 0 || localcount_init(&lc) != 0)
		FAIL("%s", dlerror());
	const struct way *(*its)(void);
	*(void **)&its = dlsym(handle, "way_plugged_in");
	way = its();
	for (unsigned i = 0; i < SLEEPERS; i++)
		threads[i] = start(use_and_sleep, &tids[i]);
	for (unsigned i = 0; i < SLEEPERS; i++)
		wait_until_asleep(&tids[i]);
	dlclose(handle);
	puts(dlopen(plugin, RTLD_NOW | RTLD_NOLOAD) == NULL ? "unloaded" : "stayed");
	puts(psref_backend());
	fflush(stdout);
	close(ends[1]);
	for (unsigned i = 0; i < SLEEPERS; i++)
		join(threads[i]);
	puts("awake");
	return 0;
}
