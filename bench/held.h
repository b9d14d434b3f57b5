// SPDX-License-Identifier: MIT OR Apache-2.0
// What is held, each on lines of its own: the same for the loops that call and for those that the library's code is inlined in.
#ifndef PSREF_BENCH_HELD_H
#define PSREF_BENCH_HELD_H

#include <psref/device_gate.h>
#include <psref/kmutex.h>
#include <psref/localcount.h>
#include <psref/psref.h>

struct held {
	_Alignas(128) struct psref_target target;
	struct psref_class *class_;
};

struct counted {
	_Alignas(128) struct localcount count;
	_Alignas(128) kmutex_t interlock;
	kcondvar_t cv;
};

struct device {
	_Alignas(128) struct device_gate_device dv;
};

#endif
