/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* In the idiom of NetBSD's dispatch of non-maskable interrupts: the list is followed where no lock can be taken. */
#include <sys/cdefs.h>
__KERNEL_RCSID(0, "nmi.c");

#include <sys/param.h>
#include <sys/kernel.h>
#include <sys/systm.h>
#include <sys/atomic.h>
#include <sys/kmem.h>
#include <sys/mutex.h>
#include <sys/pserialize.h>

#include "nmi.h"

struct nmi_handler {
	int (*n_func)(const struct trapframe *, void *);
	void *n_arg;
	struct nmi_handler *n_next;
};

static struct {
	kmutex_t lock;
	pserialize_t psz;
	nmi_handler_t *list;
} nmi __cacheline_aligned;

void
nmi_init(void)
{

	mutex_init(&nmi.lock, MUTEX_DEFAULT, IPL_NONE);
	nmi.psz = pserialize_create();
}

void
nmi_fini(void)
{

	KASSERT(nmi.list == NULL);
	pserialize_destroy(nmi.psz);
	mutex_destroy(&nmi.lock);
}

nmi_handler_t *
nmi_establish(int (*func)(const struct trapframe *, void *), void *arg)
{
	nmi_handler_t *n;

	if (func == NULL)
		panic("%s: no function", __func__);
	n = kmem_alloc(sizeof(*n), KM_SLEEP);
	n->n_func = func;
	n->n_arg = arg;

	mutex_enter(&nmi.lock);
	n->n_next = nmi.list;
	atomic_store_release(&nmi.list, n);
	mutex_exit(&nmi.lock);
	return n;
}

/* False: there is no such handler. */
bool
nmi_disestablish(nmi_handler_t *n)
{
	nmi_handler_t **link;

	mutex_enter(&nmi.lock);
	for (link = &nmi.list; *link != NULL; link = &(*link)->n_next) {
		if (*link == n)
			break;
	}
	if (*link == NULL) {
		mutex_exit(&nmi.lock);
		return false;
	}
	atomic_store_relaxed(link, n->n_next);
	pserialize_perform(nmi.psz);
	mutex_exit(&nmi.lock);
	kmem_free(n, sizeof(*n));
	return true;
}

/* For how many handlers it was. */
int
nmi_dispatch(const struct trapframe *tf)
{
	nmi_handler_t *n;
	int s, served = 0;

	s = pserialize_read_enter();
	for (n = atomic_load_consume(&nmi.list); n != NULL; n = atomic_load_consume(&n->n_next))
		served += (*n->n_func)(tf, n->n_arg);
	pserialize_read_exit(s);
	return served;
}
