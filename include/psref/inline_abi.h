/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What code that PSREF_INLINE put into a program knows of the library. None of it is for users. Once released, no value changes
 * without the number in PSREF_INLINE_WORDS: a program that was built with another number is refused as it is loaded.
 *
 * Generated from ffi/src/inline_abi.rs and the library's constants by `make headers`.
 */

#ifndef PSREF_INLINE_ABI_H
#define PSREF_INLINE_ABI_H

#include <stdint.h>
#include <stddef.h>


/* The words that code reads whatever it does: the ABI's version. */
#define PSREF_INLINE_WORDS "psref_inline_abi_3"
#define PSREF_INLINE_THREAD "psref_inline_thread"

/* In the process's words: what slow paths write and all others read. */
#define PSREF_INLINE_RSEQ_OFFSET 0
#define PSREF_INLINE_CPU_LIMIT 8
#define PSREF_INLINE_GRACE 64
#define PSREF_INLINE_WAITED 72

/* In the thread's words, psref_inline_thread. */
#define PSREF_INLINE_THREAD_NUMBER 8
#define PSREF_INLINE_THREAD_READING 16

/* log2 of the distance between two CPUs' memory. */
#define PSREF_INLINE_STRIPE_SHIFT 16

/* In a class. */
#define PSREF_INLINE_CLASS_SLOTS 0
#define PSREF_INLINE_CLASS_LIMIT 8
#define PSREF_INLINE_CLASS_WAITERS 16

/* Which slot is a hold's home, of its address and its thread's number; times 8. */
#define PSREF_INLINE_HOME_MASK 248

/* In what is counted. */
#define PSREF_INLINE_COUNT_GUARD 0
#define PSREF_INLINE_COUNT_CELLS 8

/* In a pool. */
#define PSREF_INLINE_POOL_LIMIT 0
#define PSREF_INLINE_POOL_BASE 8
#define PSREF_INLINE_POOL_RECIPROCAL 16
#define PSREF_INLINE_POOL_SPAN 24

/* From a pool to what is in CPU 0's magazine; the next CPU's comes a stripe later. */
#define PSREF_INLINE_POOL_MAGAZINE_GUARD 64960
#define PSREF_INLINE_POOL_MAGAZINE_COUNT 64968
#define PSREF_INLINE_POOL_MAGAZINE_ENTRIES 64976

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * After an inlined psref_release(), whose slot is cleared already. The target may be gone: it is a number here.
 *
 * Requires: the class is or was one.
 */
void psref_inline_wake_drain(size_t target, const void *class_);

/** After an inlined pserialize_read_exit(), whose section, which showed `word`, has ended already. */
void psref_inline_wake_perform(uint64_t word);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* PSREF_INLINE_ABI_H */
