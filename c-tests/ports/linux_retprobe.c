/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* In the idiom of Linux's return hooks. */
#define pr_fmt(fmt) "retprobe: " fmt

#include <linux/bug.h>
#include <linux/container_of.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/kernel.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "linux_retprobe.h"

static int retprobe_init_node(void *nod, void *context)
{
	struct retprobe_node *node = nod;

	node->probe = context;
	return 0;
}

static int retprobe_fini_pool(struct objpool_head *head, void *context)
{
	struct retprobe *rp = context;

	if (WARN_ON(container_of(head, struct retprobe, pool) != rp))
		return -EINVAL;
	rp->gone(rp->data);
	kfree(rp);
	return 0;
}

struct retprobe *retprobe_alloc(void *data, retprobe_handler_t handler, void (*gone)(void *), int size, int num)
{
	struct retprobe *rp;

	if (!handler || !gone || num <= 0 || size < (int)sizeof(struct retprobe_node))
		return ERR_PTR(-EINVAL);

	rp = kzalloc(sizeof(*rp), GFP_KERNEL);
	if (!rp)
		return ERR_PTR(-ENOMEM);

	rp->data = data;
	rp->gone = gone;
	rcu_assign_pointer(rp->handler, handler);
	if (objpool_init(&rp->pool, num, size, GFP_KERNEL, rp, retprobe_init_node, retprobe_fini_pool)) {
		kfree(rp);
		return ERR_PTR(-ENOMEM);
	}
	return rp;
}
EXPORT_SYMBOL_GPL(retprobe_alloc);

/* No new nodes; those that are out go back, and are not told of. */
void retprobe_stop(struct retprobe *rp)
{
	rcu_assign_pointer(rp->handler, NULL);
}
EXPORT_SYMBOL_GPL(retprobe_stop);

/* Ends a probe, and waits for nobody who has a node. */
void retprobe_free(struct retprobe *rp)
{
	retprobe_stop(rp);
	/* From here on nobody pushes, nor pops: what is out is dropped when it comes. */
	synchronize_rcu();
	objpool_fini(&rp->pool);
}
EXPORT_SYMBOL_GPL(retprobe_free);

struct retprobe_node *retprobe_try_get(struct retprobe *rp)
{
	retprobe_handler_t handler = rcu_dereference_check(rp->handler, rcu_read_lock_held());

	if (unlikely(!handler))
		return NULL;
	if (unlikely(!rcu_is_watching()))
		return NULL;
	return objpool_pop(&rp->pool);
}
EXPORT_SYMBOL_GPL(retprobe_try_get);

void retprobe_recycle(struct retprobe_node *node)
{
	struct retprobe *rp = node->probe;

	rcu_read_lock();
	if (likely(rcu_dereference(rp->handler))) {
		if (objpool_push(node, &rp->pool))
			pr_err(pr_fmt("node %p is not the pool's\n"), (void *)node);
		rcu_read_unlock();
		return;
	}
	rcu_read_unlock();
	/* The last one takes the pool with it. */
	(void)objpool_drop(node, &rp->pool);
}
EXPORT_SYMBOL_GPL(retprobe_recycle);

void retprobe_return(struct retprobe_node *node, unsigned long ret)
{
	retprobe_handler_t handler;

	preempt_disable_notrace();
	rcu_read_lock();
	handler = rcu_dereference(node->probe->handler);
	if (handler)
		handler(node, node->probe->data, ret);
	rcu_read_unlock();
	preempt_enable_notrace();
	retprobe_recycle(node);
}
EXPORT_SYMBOL_GPL(retprobe_return);
