/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * In the idiom of a notifier chain in NetBSD: readers in read sections, a spin lock for writers, xc_barrier(0) for
 * the wait.
 */
#include <sys/cdefs.h>
__KERNEL_RCSID(0, "notifier.c");

#include <sys/types.h>
#include <sys/pserialize.h>
#include <sys/xcall.h>

#include "notifier.h"

void
notifier_init(struct notifier_head *nh)
{

	mutex_init(&nh->nh_lock, MUTEX_DEFAULT, IPL_VM);
	PSLIST_INIT(&nh->nh_list);
}

void
notifier_destroy(struct notifier_head *nh)
{

	PSLIST_DESTROY(&nh->nh_list);
	mutex_destroy(&nh->nh_lock);
}

void
notifier_register(struct notifier_head *nh, struct notifier_block *nb)
{
	struct notifier_block *other, *before = NULL;

	PSLIST_ENTRY_INIT(nb, nb_entry);
	mutex_spin_enter(&nh->nh_lock);
	PSLIST_WRITER_FOREACH(other, &nh->nh_list, struct notifier_block, nb_entry) {
		if (other->priority < nb->priority)
			break;
		before = other;
	}
	if (before == NULL)
		PSLIST_WRITER_INSERT_HEAD(&nh->nh_list, nb, nb_entry);
	else
		PSLIST_WRITER_INSERT_AFTER(before, nb, nb_entry);
	mutex_spin_exit(&nh->nh_lock);
}

/* False: it was not there. */
bool
notifier_unregister(struct notifier_head *nh, struct notifier_block *nb)
{
	struct notifier_block *other;

	mutex_spin_enter(&nh->nh_lock);
	PSLIST_WRITER_FOREACH(other, &nh->nh_list, struct notifier_block, nb_entry) {
		if (other == nb)
			break;
	}
	if (other != NULL)
		PSLIST_WRITER_REMOVE(nb, nb_entry);
	mutex_spin_exit(&nh->nh_lock);
	if (other == NULL)
		return false;

	/* No caller of the chain is in it any more. */
	xc_barrier(0);
	PSLIST_ENTRY_DESTROY(nb, nb_entry);
	return true;
}

int
notifier_call_chain(struct notifier_head *nh, unsigned long event, void *argument)
{
	struct notifier_block *nb;
	int s, answer = NOTIFY_DONE;

	s = pserialize_read_enter();
	PSLIST_READER_FOREACH(nb, &nh->nh_list, struct notifier_block, nb_entry) {
		answer = (*nb->notifier_call)(nb, event, argument);
		if (answer & NOTIFY_STOP)
			break;
	}
	pserialize_read_exit(s);
	return answer;
}
