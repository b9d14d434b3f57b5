/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A module in a plug-in: its hook is the program's, which exports nothing. */
#include "modhook.h"

static struct plugin_hook_t *hooked;

/* Stays until somebody sleeps for its end. */
static int
plugin_stays(int x)
{
	kcondvar_t *cv;

	(void)psref_module_hook_interlock(&cv);
	while (!cv_has_waiters(cv))
		sched_yield();
	return x + 1;
}

static void
plugin_load(struct plugin_hook_t *hook)
{

	hooked = hook;
	kernconfig_lock();
	MODULE_HOOK_SET(*hooked, plugin_stays);
	kernconfig_unlock();
}

static void
plugin_unload(void)
{

	kernconfig_lock();
	MODULE_HOOK_UNSET(*hooked);
	kernconfig_unlock();
}

const struct plugin plugin = { plugin_load, plugin_unload };
