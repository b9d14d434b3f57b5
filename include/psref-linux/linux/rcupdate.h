/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Linux's <linux/rcupdate.h>: read sections by pserialize(3), grace periods by xcall(3). rcu_dereference() orders by
 * dependency. There is no call_rcu(): wait by synchronize_rcu(), in a thread of its own where the caller must not
 * wait.
 */
#ifndef PSREF_LINUX_RCUPDATE_H
#define PSREF_LINUX_RCUPDATE_H

#include <linux/compiler.h>
#include <psref/pserialize.h>
#include <psref/xcall.h>

#ifndef rcu_assign_pointer
#define rcu_assign_pointer(place, value) __atomic_store_n(&(place), value, __ATOMIC_RELEASE)
#define rcu_dereference(place) __atomic_load_n(&(place), __ATOMIC_CONSUME)
#define rcu_dereference_check(place, condition) ((void)sizeof(condition), rcu_dereference(place))
#define rcu_dereference_protected(place, condition) ((void)sizeof(condition), READ_ONCE(place))
#define rcu_access_pointer(place) READ_ONCE(place)
#define RCU_INIT_POINTER(place, value) WRITE_ONCE(place, value)
#define rcu_is_watching() 1
#endif

#ifdef __cplusplus
extern "C" {
#endif

static inline void rcu_read_lock(void)
{
	(void)pserialize_read_enter();
}

/* Which section is left the library knows by itself: they nest. */
static inline void rcu_read_unlock(void)
{
	pserialize_read_exit(0);
}

static inline bool rcu_read_lock_held(void)
{
	return pserialize_in_read_section();
}

/**
 * Waits for every section that is open in another thread, and, as Linux's since 5.0, for every one with preemption disabled.
 * Not inside either.
 */
static inline void synchronize_rcu(void)
{
	xc_barrier(0);
}

#ifdef __cplusplus
}
#endif

#endif
