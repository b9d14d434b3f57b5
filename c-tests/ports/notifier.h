/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Chains of functions that are told of events, in the order of their priority. */
#ifndef NOTIFIER_H
#define NOTIFIER_H

#include <sys/pslist.h>
#include <sys/mutex.h>

#define NOTIFY_DONE 0
#define NOTIFY_OK 1
#define NOTIFY_STOP 2

struct notifier_block {
	int (*notifier_call)(struct notifier_block *, unsigned long, void *);
	int priority;
	struct pslist_entry nb_entry;
};

struct notifier_head {
	kmutex_t nh_lock;
	struct pslist_head nh_list;
};

void notifier_init(struct notifier_head *);
void notifier_destroy(struct notifier_head *);
void notifier_register(struct notifier_head *, struct notifier_block *);
bool notifier_unregister(struct notifier_head *, struct notifier_block *);
int notifier_call_chain(struct notifier_head *, unsigned long, void *);

#endif
