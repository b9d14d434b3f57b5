/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* In the idiom of NetBSD's module hooks and their users. */
#include <sys/cdefs.h>
__KERNEL_RCSID(0, "modhook.c");

#include <sys/param.h>
#include <sys/atomic.h>
#include <sys/condvar.h>
#include <sys/module_hook.h>
#include <sys/mutex.h>
#include <sys/pserialize.h>
#include <sys/localcount.h>
#include <sys/stdbool.h>

#include <uvm/uvm_extern.h>

#include "modhook.h"

struct compat_stat_hook_t compat_stat_hook;
struct compat_note_hook_t compat_note_hook;
struct plugin_hook_t plugin_hook;

static struct {
	kmutex_t mtx;
	kcondvar_t cv;
	pserialize_t psz;
} own __cacheline_aligned;

void
own_hook_init(void)
{

	mutex_init(&own.mtx, MUTEX_DEFAULT, IPL_NONE);
	cv_init(&own.cv, "ownhook");
	own.psz = pserialize_create();
}

void
own_hook_fini(void)
{

	pserialize_destroy(own.psz);
	cv_destroy(&own.cv);
	mutex_destroy(&own.mtx);
}

/* EBUSY: it has a function. */
int
own_hook_set(struct own_hook *hook, int (*f)(int))
{

	KASSERT(kernconfig_is_held());
	if (atomic_load_relaxed(&hook->hooked))
		return EBUSY;
	localcount_init(&hook->lc);
	hook->f = f;
	/* As a barrier on every CPU: whoever finds it hooked finds the function. */
	pserialize_perform(own.psz);
	atomic_store_relaxed(&hook->hooked, true);
	return 0;
}

/* ENOENT: it has no function. Else nobody is in it when this returns. */
int
own_hook_unset(struct own_hook *hook)
{

	KASSERT(kernconfig_is_held());
	if (!atomic_load_relaxed(&hook->hooked))
		return ENOENT;
	mutex_enter(&own.mtx);
	atomic_store_relaxed(&hook->hooked, false);
	/* With the mutex held: readers take none. */
	pserialize_perform(own.psz);
	localcount_drain(&hook->lc, &own.cv, &own.mtx);
	KASSERT(mutex_owned(&own.mtx));
	mutex_exit(&own.mtx);
	localcount_fini(&hook->lc);
	hook->f = NULL;
	return 0;
}

static bool
own_hook_tryenter(struct own_hook *hook)
{
	bool hooked;
	int s;

	s = pserialize_read_enter();
	hooked = atomic_load_relaxed(&hook->hooked);
	if (hooked)
		localcount_acquire(&hook->lc);
	pserialize_read_exit(s);
	return hooked;
}

int
own_hook_call(struct own_hook *hook, int argument, int *result)
{

	if (!own_hook_tryenter(hook))
		return ENOSYS;
	KASSERT(hook->f != NULL);
	*result = (*hook->f)(argument);
	localcount_release(&hook->lc, &own.cv, &own.mtx);
	return 0;
}

int
compat_load(int (*stat)(int, int *), void (*note)(int))
{

	kernconfig_lock();
	if (compat_stat_hook.hooked) {
		kernconfig_unlock();
		return EEXIST;
	}
	MODULE_HOOK_SET(compat_stat_hook, stat);
	MODULE_HOOK_SET(compat_note_hook, note);
	kernconfig_unlock();
	return 0;
}

int
compat_unload(void)
{

	kernconfig_lock();
	if (!compat_stat_hook.hooked) {
		kernconfig_unlock();
		return ENOENT;
	}
	MODULE_HOOK_UNSET(compat_stat_hook);
	MODULE_HOOK_UNSET(compat_note_hook);
	kernconfig_unlock();
	return 0;
}

int
compat_stat(int id, int *result)
{
	int error;

	MODULE_HOOK_CALL(compat_stat_hook, (id, result), ENOSYS, error);
	return error;
}

bool
compat_note(int id)
{
	bool told = true;

	MODULE_HOOK_CALL_VOID(compat_note_hook, (id), told = false);
	return told;
}

/* -1: it is not there. */
int
plugin_call(int x)
{
	int result;

	MODULE_HOOK_CALL(plugin_hook, (x), -1, result);
	return result;
}
