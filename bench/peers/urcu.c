// SPDX-License-Identifier: MIT OR Apache-2.0
// liburcu by call: its read sections are functions of its shared libraries, as any program sees them that does not define
// URCU_INLINE_SMALL_FUNCTIONS.
#include "../ways.h"

#include <urcu/urcu-bp.h>
#include <urcu/urcu-memb.h>
#include <urcu/urcu-qsbr.h>

static void join(void)
{
	urcu_memb_register_thread();
}

static void leave(void)
{
	urcu_memb_unregister_thread();
}

const struct kind memb_kind = { .join = join, .leave = leave };

void memb_pairs(void *state, unsigned long turns)
{
	(void)state;
	while (turns-- > 0) {
		urcu_memb_read_lock();
		urcu_memb_read_unlock();
	}
}

// bp registers threads by itself.
void bp_pairs(void *state, unsigned long turns)
{
	(void)state;
	while (turns-- > 0) {
		urcu_bp_read_lock();
		urcu_bp_read_unlock();
	}
}

void memb_synchronize(void)
{
	urcu_memb_synchronize_rcu();
}

void bp_synchronize(void)
{
	urcu_bp_synchronize_rcu();
}

// ---- QSBR: its sections are nothing, and its threads pay by announcing, between two sections, that they hold nothing: here after
// every one.

const struct kind qsbr_kind = { .join = urcu_qsbr_register_thread, .leave = urcu_qsbr_unregister_thread };

void qsbr_pairs(void *state, unsigned long turns)
{
	(void)state;
	while (turns-- > 0) {
		urcu_qsbr_read_lock();
		urcu_qsbr_read_unlock();
		urcu_qsbr_quiescent_state();
	}
}

// The caller is not one of its threads: it waits for them, and nobody for it.
void qsbr_synchronize(void)
{
	urcu_qsbr_synchronize_rcu();
}
