// SPDX-License-Identifier: MIT OR Apache-2.0
// What every stock of objects, a pool or an allocator, is measured by. A pair is one object taken and given back; what is in the
// objects is nobody's business here.
#ifndef PSREF_BENCH_STOCK_H
#define PSREF_BENCH_STOCK_H

#include "ways.h"

// The object has been used: no compiler takes away a malloc whose memory is freed at once.
#define USED(object) __asm__ volatile("" : "+r"(object))

// Users look at what they get. A ring shows nothing while somebody who lost its CPU amid a push keeps the later ones from sight: that
// thread must get on.
#define TAKE(object, take)                \
	while (((object) = (take)) == NULL) \
	sched_yield()

// `take` makes `object`, `give` gives it back; both may use `stock`.
#define STOCK(name, type, take_, give_)                                 \
	void name##_pairs(void *state, unsigned long turns)             \
	{                                                               \
		type stock = (type)state;                               \
		(void)stock;                                            \
		while (turns-- > 0) {                                   \
			void *object;                                   \
			TAKE(object, take_);                            \
			USED(object);                                   \
			give_;                                          \
		}                                                       \
	}                                                               \
	void name##_eight(void *state, unsigned long turns)             \
	{                                                               \
		type stock = (type)state;                               \
		void *held[EIGHT];                                      \
		(void)stock;                                            \
		while (turns-- > 0) {                                   \
			_Pragma("GCC unroll 8")                         \
			for (size_t i = 0; i < EIGHT; i++)              \
				TAKE(held[i], take_);                   \
			_Pragma("GCC unroll 8")                         \
			for (size_t i = EIGHT; i-- > 0;) {              \
				void *object = held[i];                 \
				USED(object);                           \
				give_;                                  \
			}                                               \
		}                                                       \
	}                                                               \
	size_t name##_take(void *state, void **objects, size_t n)       \
	{                                                               \
		type stock = (type)state;                               \
		size_t got = 0;                                         \
		(void)stock;                                            \
		while (got < n && (objects[got] = take_) != NULL)       \
			got++;                                          \
		return got;                                             \
	}                                                               \
	void name##_give(void *state, void **objects, size_t n)         \
	{                                                               \
		type stock = (type)state;                               \
		(void)stock;                                            \
		for (size_t i = 0; i < n; i++) {                        \
			void *object = objects[i];                      \
			give_;                                          \
		}                                                       \
	}

#endif
