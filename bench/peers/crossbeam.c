// SPDX-License-Identifier: MIT OR Apache-2.0
// crossbeam-epoch by call: src/epoch.rs is a shared library around it.
#include "../ways.h"

struct guard {
	void *room[2];
};

void bench_crossbeam_pin(struct guard *guard);
void bench_crossbeam_unpin(struct guard *guard);
void bench_crossbeam_synchronize(void);

void crossbeam_pairs(void *state, unsigned long turns)
{
	struct guard guard;
	(void)state;
	while (turns-- > 0) {
		bench_crossbeam_pin(&guard);
		bench_crossbeam_unpin(&guard);
	}
}

void crossbeam_synchronize(void)
{
	bench_crossbeam_synchronize();
}
