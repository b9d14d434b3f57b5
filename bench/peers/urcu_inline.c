// SPDX-License-Identifier: MIT OR Apache-2.0
// liburcu's read sections as inline functions: what they cost without the calls.
#define _LGPL_SOURCE 1
#define URCU_INLINE_SMALL_FUNCTIONS 1
#include "../ways.h"

#include <urcu/urcu-bp.h>
#include <urcu/urcu-memb.h>
#include <urcu/urcu-qsbr.h>

void memb_inline_pairs(void *state, unsigned long turns)
{
	(void)state;
	while (turns-- > 0) {
		urcu_memb_read_lock();
		urcu_memb_read_unlock();
	}
}

void bp_inline_pairs(void *state, unsigned long turns)
{
	(void)state;
	while (turns-- > 0) {
		urcu_bp_read_lock();
		urcu_bp_read_unlock();
	}
}

void qsbr_inline_pairs(void *state, unsigned long turns)
{
	(void)state;
	while (turns-- > 0) {
		urcu_qsbr_read_lock();
		urcu_qsbr_read_unlock();
		urcu_qsbr_quiescent_state();
	}
}
