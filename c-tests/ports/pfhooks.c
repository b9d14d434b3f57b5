/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * In the idiom of NetBSD's packet filter hooks: each list of hooks exists twice; who changes it writes the one that
 * nobody reads, publishes that, and waits until nobody holds the other. Hooks may sleep: a passive reference holds
 * their list.
 */
#include <sys/cdefs.h>
__KERNEL_RCSID(0, "pfhooks.c");

#include <sys/param.h>
#include <sys/systm.h>
#include <sys/queue.h>
#include <sys/kmem.h>
#include <sys/psref.h>
#include <sys/cpu.h>

#include "pfhooks.h"

#define MAX_HOOKS 8

typedef struct {
	void (*func)(void);
	void *argument;
} pfil_hook_t;

typedef struct {
	pfil_hook_t hooks[MAX_HOOKS];
	unsigned nhooks;
	struct psref_target psref;
} pfil_list_t;

typedef struct {
	pfil_list_t *active;
	pfil_list_t lists[2];
} pfil_listset_t;

CTASSERT(PFIL_IN == 1 && PFIL_OUT == 2 && PFIL_IFADDR == 4);
static const int pfil_flag_cases[] = { PFIL_IN, PFIL_OUT, PFIL_IFADDR };
#define FLAG_CASES __arraycount(pfil_flag_cases)

struct pfil_head {
	pfil_listset_t sets[FLAG_CASES];
	int type;
	void *key;
	LIST_ENTRY(pfil_head) link;
};

static LIST_HEAD(, pfil_head) pfil_heads __read_mostly = LIST_HEAD_INITIALIZER(pfil_heads);
static kmutex_t pfil_mtx __cacheline_aligned;
static struct psref_class *pfil_class __read_mostly;
static pserialize_t pfil_psz;

void
pfil_init(void)
{

	mutex_init(&pfil_mtx, MUTEX_DEFAULT, IPL_NONE);
	pfil_psz = pserialize_create();
	pfil_class = psref_class_create("pfil", IPL_SOFTNET);
}

void
pfil_fini(void)
{

	KASSERT(LIST_EMPTY(&pfil_heads));
	psref_class_destroy(pfil_class);
	pserialize_destroy(pfil_psz);
	mutex_destroy(&pfil_mtx);
}

static unsigned
pfil_case(int flag)
{
	unsigned i;

	for (i = 0; i < FLAG_CASES; i++) {
		if (pfil_flag_cases[i] == flag)
			return i;
	}
	panic("%s: flags %#x", __func__, flag);
}

pfil_head_t *
pfil_head_get(int type, void *key)
{
	pfil_head_t *ph;

	mutex_enter(&pfil_mtx);
	LIST_FOREACH(ph, &pfil_heads, link) {
		if (ph->type == type && ph->key == key)
			break;
	}
	mutex_exit(&pfil_mtx);
	return ph;
}

/* NULL: there is one. */
pfil_head_t *
pfil_head_create(int type, void *key)
{
	pfil_head_t *ph;
	unsigned i;

	ASSERT_SLEEPABLE();
	if (pfil_head_get(type, key) != NULL)
		return NULL;

	ph = kmem_zalloc(sizeof(*ph), KM_SLEEP);
	ph->type = type;
	ph->key = key;
	for (i = 0; i < FLAG_CASES; i++) {
		pfil_listset_t *set = &ph->sets[i];

		psref_target_init(&set->lists[0].psref, pfil_class);
		psref_target_init(&set->lists[1].psref, pfil_class);
		set->active = &set->lists[0];
	}
	mutex_enter(&pfil_mtx);
	LIST_INSERT_HEAD(&pfil_heads, ph, link);
	mutex_exit(&pfil_mtx);
	return ph;
}

void
pfil_head_destroy(pfil_head_t *ph)
{
	unsigned i;

	mutex_enter(&pfil_mtx);
	LIST_REMOVE(ph, link);
	pserialize_perform(pfil_psz);
	mutex_exit(&pfil_mtx);

	for (i = 0; i < FLAG_CASES; i++) {
		psref_target_destroy(&ph->sets[i].lists[0].psref, pfil_class);
		psref_target_destroy(&ph->sets[i].lists[1].psref, pfil_class);
	}
	kmem_free(ph, sizeof(*ph));
}

/* The list that nobody reads, as a copy of the active one. */
static pfil_list_t *
pfil_spare(pfil_listset_t *set)
{
	pfil_list_t *spare = set->active == &set->lists[0] ? &set->lists[1] : &set->lists[0];

	KASSERT(mutex_owned(&pfil_mtx));
	spare->nhooks = set->active->nhooks;
	memcpy(spare->hooks, set->active->hooks, sizeof(spare->hooks));
	return spare;
}

/* Readers find this list from now on; the other is free for the next change when this returns. */
static void
pfil_publish(pfil_listset_t *set, pfil_list_t *list)
{
	pfil_list_t *old = set->active;

	KASSERT(mutex_owned(&pfil_mtx));
	atomic_store_release(&set->active, list);
	pserialize_perform(pfil_psz);
	psref_target_destroy(&old->psref, pfil_class);
	psref_target_init(&old->psref, pfil_class);
}

static int
pfil_list_add(pfil_listset_t *set, void (*func)(void), void *argument, bool last)
{
	pfil_list_t *list;
	pfil_hook_t *hook;
	unsigned i;

	for (i = 0; i < set->active->nhooks; i++) {
		if (set->active->hooks[i].func == func && set->active->hooks[i].argument == argument)
			return EEXIST;
	}
	if (set->active->nhooks == MAX_HOOKS)
		return ENOSPC;
	list = pfil_spare(set);
	if (last) {
		hook = &list->hooks[list->nhooks];
	} else {
		memmove(&list->hooks[1], &list->hooks[0], list->nhooks * sizeof(list->hooks[0]));
		hook = &list->hooks[0];
	}
	hook->func = func;
	hook->argument = argument;
	list->nhooks++;
	pfil_publish(set, list);
	return 0;
}

static int
pfil_list_remove(pfil_listset_t *set, void (*func)(void), void *argument)
{
	unsigned i;

	for (i = 0; i < set->active->nhooks; i++) {
		pfil_list_t *list;

		if (set->active->hooks[i].func != func || set->active->hooks[i].argument != argument)
			continue;
		list = pfil_spare(set);
		list->nhooks--;
		memmove(&list->hooks[i], &list->hooks[i + 1], (list->nhooks - i) * sizeof(list->hooks[0]));
		pfil_publish(set, list);
		return 0;
	}
	return ENOENT;
}

int
pfil_remove_hook(pfil_func_t func, void *argument, int flags, pfil_head_t *ph)
{
	int error = 0;

	KASSERT((flags & ~PFIL_ALL) == 0);
	mutex_enter(&pfil_mtx);
	if (ISSET(flags, PFIL_IN))
		error = pfil_list_remove(&ph->sets[pfil_case(PFIL_IN)], (void (*)(void))func, argument);
	if (error == 0 && ISSET(flags, PFIL_OUT))
		error = pfil_list_remove(&ph->sets[pfil_case(PFIL_OUT)], (void (*)(void))func, argument);
	mutex_exit(&pfil_mtx);
	return error;
}

int
pfil_add_hook(pfil_func_t func, void *argument, int flags, pfil_head_t *ph)
{
	int error = 0;

	KASSERT(func != NULL);
	KASSERT((flags & ~PFIL_ALL) == 0);
	ASSERT_SLEEPABLE();
	mutex_enter(&pfil_mtx);
	/* Packets that come meet the hooks in order, those that leave in the opposite order. */
	if (ISSET(flags, PFIL_IN)) {
		error = pfil_list_add(&ph->sets[pfil_case(PFIL_IN)], (void (*)(void))func, argument, true);
		if (error != 0)
			CLR(flags, PFIL_OUT);
	}
	if (ISSET(flags, PFIL_OUT)) {
		error = pfil_list_add(&ph->sets[pfil_case(PFIL_OUT)], (void (*)(void))func, argument, false);
		if (error != 0 && ISSET(flags, PFIL_IN))
			(void)pfil_list_remove(&ph->sets[pfil_case(PFIL_IN)], (void (*)(void))func, argument);
	}
	mutex_exit(&pfil_mtx);
	return error;
}

int
pfil_add_ihook(pfil_polyfunc_t func, void *argument, int flags, pfil_head_t *ph)
{
	int error;

	KASSERT(func != NULL);
	KASSERT(flags == PFIL_IFADDR);
	mutex_enter(&pfil_mtx);
	error = pfil_list_add(&ph->sets[pfil_case(flags)], (void (*)(void))func, argument, true);
	mutex_exit(&pfil_mtx);
	return error;
}

int
pfil_remove_ihook(pfil_polyfunc_t func, void *argument, int flags, pfil_head_t *ph)
{
	int error;

	KASSERT(flags == PFIL_IFADDR);
	mutex_enter(&pfil_mtx);
	error = pfil_list_remove(&ph->sets[pfil_case(flags)], (void (*)(void))func, argument);
	mutex_exit(&pfil_mtx);
	return error;
}

int
pfil_run_hooks(pfil_head_t *ph, struct packet **mp, struct interface *ifp, int dir)
{
	struct packet *m = mp != NULL ? *mp : NULL;
	pfil_listset_t *set = &ph->sets[pfil_case(dir)];
	struct psref psref;
	pfil_list_t *list;
	int bound, error = 0, s;
	unsigned i;

	KASSERT(!cpu_intr_p());
	if (__predict_false(m == NULL && mp != NULL))
		return error;
	bound = curlwp_bind();
	s = pserialize_read_enter();
	list = atomic_load_consume(&set->active);
	psref_acquire(&psref, &list->psref, pfil_class);
	pserialize_read_exit(s);
	for (i = 0; i < list->nhooks; i++) {
		pfil_func_t func = (pfil_func_t)list->hooks[i].func;

		error = (*func)(list->hooks[i].argument, &m, ifp, dir);
		if (error != 0 || m == NULL)
			break;
	}
	psref_release(&psref, &list->psref, pfil_class);
	curlwp_bindx(bound);
	if (mp != NULL)
		*mp = m;
	return error;
}

void
pfil_run_addrhooks(pfil_head_t *ph, unsigned long command, void *address)
{
	pfil_listset_t *set = &ph->sets[pfil_case(PFIL_IFADDR)];
	struct psref psref;
	pfil_list_t *list;
	int bound, s;
	unsigned i;

	KASSERT(!cpu_intr_p());
	bound = curlwp_bind();
	s = pserialize_read_enter();
	list = atomic_load_consume(&set->active);
	psref_acquire(&psref, &list->psref, pfil_class);
	pserialize_read_exit(s);
	KASSERT(psref_held(&list->psref, pfil_class));
	for (i = 0; i < list->nhooks; i++) {
		pfil_polyfunc_t func = (pfil_polyfunc_t)list->hooks[i].func;

		(*func)(list->hooks[i].argument, command, address);
	}
	psref_release(&psref, &list->psref, pfil_class);
	curlwp_bindx(bound);
}
