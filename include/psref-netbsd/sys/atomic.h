/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * NetBSD's <sys/atomic.h>: atomic_ops(3), atomic_loadstore(9), membar_ops(3). The operations that change memory are
 * sequentially consistent: wider than NetBSD's, which order nothing. Loads, stores and barriers are what their names
 * say.
 *
 * atomic_load_* and atomic_store_* that are macros already stay as they are.
 */
#ifndef PSREF_NETBSD_SYS_ATOMIC_H
#define PSREF_NETBSD_SYS_ATOMIC_H

#include <lib/libkern/libkern.h>

#ifndef atomic_load_relaxed
#define atomic_load_relaxed(place) __atomic_load_n(place, __ATOMIC_RELAXED)
#endif
#ifndef atomic_load_consume
#define atomic_load_consume(place) __atomic_load_n(place, __ATOMIC_CONSUME)
#endif
#ifndef atomic_load_acquire
#define atomic_load_acquire(place) __atomic_load_n(place, __ATOMIC_ACQUIRE)
#endif
#ifndef atomic_store_relaxed
#define atomic_store_relaxed(place, value) __atomic_store_n(place, value, __ATOMIC_RELAXED)
#endif
#ifndef atomic_store_release
#define atomic_store_release(place, value) __atomic_store_n(place, value, __ATOMIC_RELEASE)
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* What is before it and what follows: loads, any; any, stores; stores, stores; loads, loads; any, any; stores, any. */
static inline void membar_acquire(void) { __atomic_thread_fence(__ATOMIC_ACQUIRE); }
static inline void membar_release(void) { __atomic_thread_fence(__ATOMIC_RELEASE); }
static inline void membar_producer(void) { __atomic_thread_fence(__ATOMIC_RELEASE); }
static inline void membar_consumer(void) { __atomic_thread_fence(__ATOMIC_ACQUIRE); }
static inline void membar_sync(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
static inline void membar_enter(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
/* membar_release() under its older name. */
static inline void membar_exit(void) { __atomic_thread_fence(__ATOMIC_RELEASE); }
/* Loads through a pointer that was loaded before: no processor of ours needs more than the compiler's attention. */
static inline void membar_datadep_consumer(void) { __atomic_signal_fence(__ATOMIC_ACQUIRE); }

/*
 * For each type: name_add(place, delta), _inc(place), _dec(place), _and(place, bits), _or(place, bits), each also
 * with _nv, which returns the new value; _swap(place, value) and _cas(place, expected, value), which return the old
 * one, and _cas_ni.
 */
#define _PSREF_NETBSD_BITS(name, type)                                                                                 \
	static inline void atomic_and_##name(volatile type *place, type bits)                                          \
	{                                                                                                              \
		(void)__atomic_and_fetch(place, bits, __ATOMIC_SEQ_CST);                                               \
	}                                                                                                              \
	static inline type atomic_and_##name##_nv(volatile type *place, type bits)                                     \
	{                                                                                                              \
		return __atomic_and_fetch(place, bits, __ATOMIC_SEQ_CST);                                              \
	}                                                                                                              \
	static inline void atomic_or_##name(volatile type *place, type bits)                                           \
	{                                                                                                              \
		(void)__atomic_or_fetch(place, bits, __ATOMIC_SEQ_CST);                                                \
	}                                                                                                              \
	static inline type atomic_or_##name##_nv(volatile type *place, type bits)                                      \
	{                                                                                                              \
		return __atomic_or_fetch(place, bits, __ATOMIC_SEQ_CST);                                               \
	}

/* `cell` is what is operated on, `type` what callers see of it: they differ for pointers. */
#define _PSREF_NETBSD_NUMBER(name, memory, cell, type, delta)                                                          \
	static inline void atomic_add_##name(volatile memory *place, delta n)                                          \
	{                                                                                                              \
		(void)__atomic_add_fetch((volatile cell *)place, (cell)n, __ATOMIC_SEQ_CST);                           \
	}                                                                                                              \
	static inline type atomic_add_##name##_nv(volatile memory *place, delta n)                                     \
	{                                                                                                              \
		return (type)__atomic_add_fetch((volatile cell *)place, (cell)n, __ATOMIC_SEQ_CST);                    \
	}                                                                                                              \
	static inline void atomic_inc_##name(volatile memory *place) { atomic_add_##name(place, 1); }                  \
	static inline type atomic_inc_##name##_nv(volatile memory *place) { return atomic_add_##name##_nv(place, 1); } \
	static inline void atomic_dec_##name(volatile memory *place) { atomic_add_##name(place, -1); }                 \
	static inline type atomic_dec_##name##_nv(volatile memory *place)                                              \
	{                                                                                                              \
		return atomic_add_##name##_nv(place, -1);                                                              \
	}                                                                                                              \
	static inline type atomic_swap_##name(volatile memory *place, type value)                                      \
	{                                                                                                              \
		return (type)__atomic_exchange_n((volatile cell *)place, (cell)value, __ATOMIC_SEQ_CST);               \
	}                                                                                                              \
	static inline type atomic_cas_##name(volatile memory *place, type expected, type value)                        \
	{                                                                                                              \
		cell seen = (cell)expected;                                                                            \
		(void)__atomic_compare_exchange_n((volatile cell *)place, &seen, (cell)value, 0, __ATOMIC_SEQ_CST,     \
		    __ATOMIC_SEQ_CST);                                                                                 \
		return (type)seen;                                                                                     \
	}                                                                                                              \
	static inline type atomic_cas_##name##_ni(volatile memory *place, type expected, type value)                   \
	{                                                                                                              \
		return atomic_cas_##name(place, expected, value);                                                      \
	}

/* A pointer of any type, as a number. */
typedef uintptr_t _psref_netbsd_pointer __attribute__((__may_alias__));

_PSREF_NETBSD_BITS(32, uint32_t)
_PSREF_NETBSD_BITS(64, uint64_t)
_PSREF_NETBSD_BITS(uint, unsigned)
_PSREF_NETBSD_BITS(ulong, unsigned long)
_PSREF_NETBSD_NUMBER(32, uint32_t, uint32_t, uint32_t, int32_t)
_PSREF_NETBSD_NUMBER(64, uint64_t, uint64_t, uint64_t, int64_t)
_PSREF_NETBSD_NUMBER(int, unsigned, unsigned, unsigned, int)
_PSREF_NETBSD_NUMBER(uint, unsigned, unsigned, unsigned, int)
_PSREF_NETBSD_NUMBER(long, unsigned long, unsigned long, unsigned long, long)
_PSREF_NETBSD_NUMBER(ulong, unsigned long, unsigned long, unsigned long, long)
_PSREF_NETBSD_NUMBER(ptr, void, _psref_netbsd_pointer, void *, ssize_t)

#undef _PSREF_NETBSD_NUMBER
#undef _PSREF_NETBSD_BITS

#ifdef __cplusplus
}
#endif

#endif
