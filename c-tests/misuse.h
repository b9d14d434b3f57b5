// SPDX-License-Identifier: MIT OR Apache-2.0
// What the children of the misuse tests are given to misuse. After test.h and threads.h.
#ifndef PSREF_C_TESTS_MISUSE_H
#define PSREF_C_TESTS_MISUSE_H

#include <psref/psref.h>

// Made before the fork, so that addresses are known.
static struct psref_class *right, *wrong, *gone;
static struct psref_target target, other, foreign, destroyed;
static struct psref hold, empty, copied;
static int holder_tid;

static inline void set_up(void)
{
	right = psref_class_create("right", IPL_SOFTNET);
	wrong = psref_class_create("wrong", IPL_SOFTNET);
	gone = psref_class_create("gone", IPL_SOFTNET);
	psref_class_destroy(gone);
	psref_target_init(&target, right);
	psref_target_init(&other, right);
	psref_target_init(&foreign, wrong);
	psref_target_init(&destroyed, right);
	psref_target_destroy(&destroyed, right);
	CHECK_EQ(psref_acquire(&hold, &target, right), 0);
}

#endif
