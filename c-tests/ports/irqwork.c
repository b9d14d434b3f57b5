/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* In the idiom of Linux's irq_work on NetBSD: a queue for each CPU, made and ended by percpu(9), and one softint(9). */
#include <sys/cdefs.h>
__KERNEL_RCSID(0, "irqwork.c");

#include <sys/param.h>
#include <sys/atomic.h>
#include <sys/intr.h>
#include <sys/kmem.h>
#include <sys/mutex.h>
#include <sys/percpu.h>
#include <sys/queue.h>

#include "irqwork.h"

/* Not in the percpu memory itself, which may move in a kernel: a mutex may not. */
struct irq_work_cpu {
	kmutex_t lock;
	SIMPLEQ_HEAD(, irq_work) queue;
};

static percpu_t *irq_work_percpu;
static void *irq_work_sih __read_mostly;

static void
irq_work_intr(void *cookie __unused)
{
	SIMPLEQ_HEAD(, irq_work) queue = SIMPLEQ_HEAD_INITIALIZER(queue);
	struct irq_work_cpu *const *iwcp, *iwc;
	struct irq_work *iw, *next;

	KASSERT(cpu_softintr_p());
	iwcp = percpu_getref(irq_work_percpu);
	iwc = __UNCONST(*iwcp);
	mutex_spin_enter(&iwc->lock);
	SIMPLEQ_CONCAT(&queue, &iwc->queue);
	mutex_spin_exit(&iwc->lock);
	percpu_putref(irq_work_percpu);

	SIMPLEQ_FOREACH_SAFE(iw, &queue, entry, next) {
		/* From here on it may be queued again, and is the owner's. */
		KASSERT(iw->pending == 1);
		(void)atomic_swap_uint(&iw->pending, 0);
		(*iw->func)(iw);
	}
}

static void
irq_work_ctor(void *p, void *cookie __unused, struct cpu_info *ci __unused)
{
	struct irq_work_cpu **iwcp = p, *iwc;

	KASSERT(*iwcp == NULL);
	iwc = *iwcp = kmem_zalloc(sizeof(*iwc), KM_SLEEP);
	mutex_init(&iwc->lock, MUTEX_DEFAULT, IPL_HIGH);
	SIMPLEQ_INIT(&iwc->queue);
}

static void
irq_work_dtor(void *p, void *cookie __unused, struct cpu_info *ci __unused)
{
	struct irq_work_cpu **iwcp = p, *iwc = *iwcp;

	KASSERT(SIMPLEQ_EMPTY(&iwc->queue));
	mutex_destroy(&iwc->lock);
	kmem_free(iwc, sizeof(*iwc));
	*iwcp = NULL;
}

int
irq_work_sysinit(void)
{

	irq_work_percpu = percpu_create(sizeof(struct irq_work_cpu *), irq_work_ctor, irq_work_dtor, NULL);
	irq_work_sih = softint_establish(SOFTINT_SERIAL | SOFTINT_MPSAFE, irq_work_intr, NULL);
	if (irq_work_sih == NULL) {
		percpu_free(irq_work_percpu, sizeof(struct irq_work_cpu *));
		return ENOMEM;
	}
	return 0;
}

void
irq_work_sysfini(void)
{

	softint_disestablish(irq_work_sih);
	percpu_free(irq_work_percpu, sizeof(struct irq_work_cpu *));
}

void
irq_work_init(struct irq_work *iw, void (*func)(struct irq_work *))
{

	iw->pending = 0;
	iw->func = func;
}

/* False: it is queued already. */
bool
irq_work_queue(struct irq_work *iw)
{
	struct irq_work_cpu *const *iwcp, *iwc;

	if (atomic_swap_uint(&iw->pending, 1) != 0)
		return false;
	iwcp = percpu_getref(irq_work_percpu);
	iwc = __UNCONST(*iwcp);
	mutex_spin_enter(&iwc->lock);
	SIMPLEQ_INSERT_TAIL(&iwc->queue, iw, entry);
	mutex_spin_exit(&iwc->lock);
	softint_schedule(irq_work_sih);
	percpu_putref(irq_work_percpu);
	return true;
}
