/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * In the idiom of NetBSD's demultiplexing of tunnels: a list that is left between any two elements, each being held
 * meanwhile; the best so far is a copy of the hold that found it. Changes take turns by a flag that is waited for
 * interruptibly.
 */
#include <sys/cdefs.h>
__KERNEL_RCSID(0, "encap.c");

#include <sys/param.h>
#include <sys/systm.h>
#include <sys/condvar.h>
#include <sys/errno.h>
#include <sys/kmem.h>
#include <sys/mutex.h>
#include <sys/pserialize.h>

#include "encap.h"

static struct {
	struct pslist_head list;
	pserialize_t psz;
	struct psref_class *elem_class;
	kmutex_t lock;
	kcondvar_t cv;
	struct lwp *busy;
} encap __cacheline_aligned = { .list = PSLIST_INITIALIZER };

void
encap_init(void)
{

	PSLIST_INIT(&encap.list);
	encap.psz = pserialize_create();
	encap.elem_class = psref_class_create("encapelem", IPL_SOFTNET);
	if (encap.elem_class == NULL)
		panic("encap_init: no class");
	mutex_init(&encap.lock, MUTEX_DEFAULT, IPL_NONE);
	cv_init(&encap.cv, "ip_encap cv");
}

void
encap_fini(void)
{

	KASSERT(encap.busy == NULL);
	PSLIST_DESTROY(&encap.list);
	cv_destroy(&encap.cv);
	mutex_destroy(&encap.lock);
	psref_class_destroy(encap.elem_class);
	pserialize_destroy(encap.psz);
}

int
encap_lock_enter(void)
{
	int error;

	mutex_enter(&encap.lock);
	while (encap.busy != NULL) {
		error = cv_wait_sig(&encap.cv, &encap.lock);
		if (error != 0) {
			mutex_exit(&encap.lock);
			return error;
		}
	}
	KASSERT(encap.busy == NULL);
	encap.busy = curlwp;
	mutex_exit(&encap.lock);
	return 0;
}

void
encap_lock_exit(void)
{

	mutex_enter(&encap.lock);
	KASSERT(encap.busy == curlwp);
	encap.busy = NULL;
	cv_broadcast(&encap.cv);
	mutex_exit(&encap.lock);
}

static bool
encap_lock_held(void)
{

	return encap.busy == curlwp;
}

/* NULL, and why in *errorp: EINVAL, or EINTR where a signal came meanwhile. */
const struct encaptab *
encap_attach(int af, encap_match_t match, encap_input_t input, void *argument, int *errorp)
{
	struct encaptab *ep;
	int error;

	ASSERT_SLEEPABLE();
	if (af < 0 || match == NULL || input == NULL) {
		*errorp = EINVAL;
		return NULL;
	}
	error = encap_lock_enter();
	if (error != 0) {
		*errorp = error;
		return NULL;
	}
	ep = kmem_zalloc(sizeof(*ep), KM_SLEEP);
	ep->af = af;
	ep->match = match;
	ep->input = input;
	ep->argument = argument;
	psref_target_init(&ep->psref, encap.elem_class);
	PSLIST_ENTRY_INIT(ep, chain);
	PSLIST_WRITER_INSERT_HEAD(&encap.list, ep, chain);
	encap_lock_exit();
	*errorp = 0;
	return ep;
}

/* Under the lock all the while: what a reader stands on keeps what is behind it. */
int
encap_detach(const struct encaptab *cookie)
{
	struct encaptab *p;
	int error;

	ASSERT_SLEEPABLE();
	error = encap_lock_enter();
	if (error != 0)
		return error;
	PSLIST_WRITER_FOREACH(p, &encap.list, struct encaptab, chain) {
		if (p == cookie)
			break;
	}
	if (p == NULL) {
		encap_lock_exit();
		return ENOENT;
	}
	KASSERT(encap_lock_held());
	PSLIST_WRITER_REMOVE(p, chain);
	pserialize_perform(encap.psz);
	psref_target_destroy(&p->psref, encap.elem_class);
	PSLIST_ENTRY_DESTROY(p, chain);
	kmem_free(p, sizeof(*p));
	encap_lock_exit();
	return 0;
}

/* The best match, held by *match_psref; NULL: none. */
static struct encaptab *
encap_lookup(int af, const void *packet, struct psref *match_psref)
{
	struct encaptab *ep, *match = NULL;
	int s, priority, best = 0;

	s = pserialize_read_enter();
	PSLIST_READER_FOREACH(ep, &encap.list, struct encaptab, chain) {
		struct psref elem_psref;

		if (ep->af != af)
			continue;
		psref_acquire(&elem_psref, &ep->psref, encap.elem_class);
		pserialize_read_exit(s);

		priority = (*ep->match)(packet, ep->argument);

		s = pserialize_read_enter();
		if (priority > best) {
			if (match != NULL) {
				KASSERT(psref_held(&match->psref, encap.elem_class));
				psref_release(match_psref, &match->psref, encap.elem_class);
			}
			psref_copy(match_psref, &elem_psref, encap.elem_class);
			match = ep;
			best = priority;
		}
		/* In the section again: the element's link is followed inside it. */
		psref_release(&elem_psref, &ep->psref, encap.elem_class);
		KASSERTMSG(match == NULL || psref_held(&match->psref, encap.elem_class), "match %p", (void *)match);
	}
	pserialize_read_exit(s);
	return match;
}

/* Whether it was anybody's. */
bool
encap_input(int af, const void *packet)
{
	struct encaptab *match;
	struct psref match_psref;
	int bound;

	bound = curlwp_bind();
	match = encap_lookup(af, packet, &match_psref);
	if (match != NULL) {
		(*match->input)(packet, match->argument);
		psref_release(&match_psref, &match->psref, encap.elem_class);
	}
	curlwp_bindx(bound);
	return match != NULL;
}
