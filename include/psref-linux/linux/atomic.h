/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Linux's <linux/atomic.h>: atomic_t and its kin. As there, what returns a value is a full barrier, unless its name
 * says otherwise; what returns none, atomic_read() and atomic_set() order nothing.
 */
#ifndef PSREF_LINUX_ATOMIC_H
#define PSREF_LINUX_ATOMIC_H

#include <linux/compiler.h>
#include <linux/types.h>

#define ATOMIC_INIT(n) { (n) }
#define ATOMIC_LONG_INIT(n) { (n) }
#define ATOMIC64_INIT(n) { (n) }

/*
 * In front of and behind what is a full barrier: where the processor's instruction is none, C's sequential consistency
 * leaves accesses of other memory free to pass it.
 */
#if defined(__x86_64__) || defined(__i386__)
#define _PSREF_LINUX_FULL() __atomic_signal_fence(__ATOMIC_SEQ_CST)
#else
#define _PSREF_LINUX_FULL() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#endif

#define _PSREF_LINUX_ATOMIC(name, type, number)                                                                        \
	static inline number name##_read(const type *v)                                                                \
	{                                                                                                              \
		return __atomic_load_n(&v->counter, __ATOMIC_RELAXED);                                                 \
	}                                                                                                              \
	static inline number name##_read_acquire(const type *v)                                                        \
	{                                                                                                              \
		return __atomic_load_n(&v->counter, __ATOMIC_ACQUIRE);                                                 \
	}                                                                                                              \
	static inline void name##_set(type *v, number n) { __atomic_store_n(&v->counter, n, __ATOMIC_RELAXED); }       \
	static inline void name##_set_release(type *v, number n) { __atomic_store_n(&v->counter, n, __ATOMIC_RELEASE); } \
	static inline void name##_add(number n, type *v) { __atomic_fetch_add(&v->counter, n, __ATOMIC_RELAXED); }     \
	static inline void name##_sub(number n, type *v) { __atomic_fetch_sub(&v->counter, n, __ATOMIC_RELAXED); }     \
	static inline void name##_inc(type *v) { name##_add(1, v); }                                                   \
	static inline void name##_dec(type *v) { name##_sub(1, v); }                                                   \
	static inline number name##_add_return(number n, type *v)                                                      \
	{                                                                                                              \
		number now;                                                                                            \
		_PSREF_LINUX_FULL();                                                                                   \
		now = __atomic_add_fetch(&v->counter, n, __ATOMIC_SEQ_CST);                                            \
		_PSREF_LINUX_FULL();                                                                                   \
		return now;                                                                                            \
	}                                                                                                              \
	static inline number name##_sub_return(number n, type *v)                                                      \
	{                                                                                                              \
		number now;                                                                                            \
		_PSREF_LINUX_FULL();                                                                                   \
		now = __atomic_sub_fetch(&v->counter, n, __ATOMIC_SEQ_CST);                                            \
		_PSREF_LINUX_FULL();                                                                                   \
		return now;                                                                                            \
	}                                                                                                              \
	static inline number name##_inc_return(type *v) { return name##_add_return(1, v); }                            \
	static inline number name##_dec_return(type *v) { return name##_sub_return(1, v); }                            \
	static inline bool name##_dec_and_test(type *v) { return name##_dec_return(v) == 0; }                          \
	static inline number name##_xchg(type *v, number n)                                                            \
	{                                                                                                              \
		number was;                                                                                            \
		_PSREF_LINUX_FULL();                                                                                   \
		was = __atomic_exchange_n(&v->counter, n, __ATOMIC_SEQ_CST);                                           \
		_PSREF_LINUX_FULL();                                                                                   \
		return was;                                                                                            \
	}                                                                                                              \
	static inline number name##_cmpxchg(type *v, number expected, number n)                                        \
	{                                                                                                              \
		_PSREF_LINUX_FULL();                                                                                   \
		(void)__atomic_compare_exchange_n(&v->counter, &expected, n, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);   \
		_PSREF_LINUX_FULL();                                                                                   \
		return expected;                                                                                       \
	}

#ifdef __cplusplus
extern "C" {
#endif

_PSREF_LINUX_ATOMIC(atomic, atomic_t, int)
_PSREF_LINUX_ATOMIC(atomic_long, atomic_long_t, long)
_PSREF_LINUX_ATOMIC(atomic64, atomic64_t, s64)

#ifdef __cplusplus
}
#endif

#undef _PSREF_LINUX_ATOMIC
#undef _PSREF_LINUX_FULL

#endif
