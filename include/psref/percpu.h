/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Per-CPU memory, percpu(9), for ported kernel code: each CPU's part is a thread's alone between percpu_getref() and
 * percpu_putref(). New code that counts is better served by localcount(3).
 *
 * Generated from ffi/src/percpu.rs by `make headers`.
 */

#ifndef PSREF_PERCPU_H
#define PSREF_PERCPU_H

#include <stddef.h>
#include <stdint.h>
#include <psref/base.h>
#include <psref/lwp.h>

/** A CPU of `<psref/lwp.h>`. */
struct cpu_info;

/** Memory of which every CPU has its own part. */
struct percpu;

/** Memory of which every CPU has its own part. */
typedef struct percpu percpu_t;

/** What is called for a CPU: `p` is its part, `arg` the caller's, `ci` the CPU. */
typedef void (*percpu_callback_t)(void *p, void *arg, struct cpu_info *ci);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Allocates `size` bytes for every CPU that is possible, each on its CPU's NUMA node, all zero. Two CPUs' parts share no cache
 * line. Parts do not move. A part is aligned for its size, up to 16 bytes at least.
 *
 * Any size. Parts of more than 32 KiB take pages of their own. Where there is no memory: a fatal diagnostic, for this never
 * returns NULL and its callers do not look.
 *
 * Context: may sleep; not in signal handlers. Source: percpu(9).
 */
percpu_t *percpu_alloc(size_t size);

/**
 * The same, and calls `ctor` for every part before this returns; percpu_free() calls `dtor`. Either may be NULL. Both get
 * `cookie`, and run in the calling thread. (NetBSD's constructor sees another address than later users; here it is the same.)
 *
 * Context: as of percpu_alloc(). Source: percpu(9).
 *
 * Requires: the functions may be called so.
 */
percpu_t *percpu_create(size_t size, percpu_callback_t ctor, percpu_callback_t dtor, void *cookie);

/**
 * Frees it; calls the destructor for every part first. Another `size` than it was allocated with, something that is no
 * percpu_t and one freed already are fatal diagnostics.
 *
 * Context: may sleep; not in signal handlers. Source: percpu(9).
 *
 * Requires: nobody uses it any more.
 */
void percpu_free(percpu_t *pc, size_t size);

/**
 * The part of one CPU, which is the calling thread's alone until percpu_putref(), though the kernel preempts or migrates the
 * thread: it takes the virtual CPU, as psref_kpreempt_disable() does. Nests: inside, the same CPU's part of everything is the
 * thread's. Do not sleep meanwhile: in mutex_enter() and cv_wait() others get at the part.
 *
 * Handlers of signals that come meanwhile get the same part: they are not kept out. NULL and one freed already are fatal
 * diagnostics.
 *
 * Context: any, signal handlers too; sleeps where all virtual CPUs are taken. Source: percpu(9).
 *
 * Requires: `pc` came from percpu_alloc() or percpu_create().
 */
void *percpu_getref(percpu_t *pc);

/**
 * Ends what percpu_getref() began, in the same thread. A thread without a reference is a fatal diagnostic.
 *
 * Context: any, signal handlers too; never sleeps. Source: percpu(9).
 *
 * Requires: as of percpu_getref().
 */
void percpu_putref(percpu_t *pc);

/**
 * Calls a function for every CPU's part, in the calling thread. Others may be at the parts meanwhile: percpu_foreach_xcall()
 * keeps them out.
 *
 * Context: any where what `cb` does may be done. Source: percpu(9).
 *
 * Requires: the function may be called so.
 */
void percpu_foreach(percpu_t *pc, percpu_callback_t cb, void *arg);

/**
 * Calls a function for every CPU's part by xc_unicast() with these flags, one after the other, and waits for each: nobody
 * else has a reference to the part meanwhile.
 *
 * Context: as of xc_broadcast() and xc_wait(). Source: percpu(9).
 *
 * Requires: the function may be called so, in any thread.
 */
void percpu_foreach_xcall(percpu_t *pc, unsigned int xcflags, percpu_callback_t cb, void *arg);

/**
 * For code that goes through parts by percpu_getptr_remote(). Does nothing: parts do not move.
 *
 * Context: any. Source: percpu(9).
 */
void percpu_traverse_enter(void);

/**
 * Ends what percpu_traverse_enter() began.
 *
 * Context: any. Source: percpu(9).
 */
void percpu_traverse_exit(void);

/**
 * The part of a CPU. Nothing keeps others out. What is no CPU and no percpu_t is a fatal diagnostic.
 *
 * Context: any; never sleeps. Source: percpu(9).
 *
 * Requires: `pc` is not freed meanwhile.
 */
void *percpu_getptr_remote(percpu_t *pc, struct cpu_info *ci);

/**
 * Called by a kernel's start-up. Does nothing.
 *
 * Context: any. Source: percpu(9).
 */
void percpu_init(void);

/**
 * Called by a kernel when it attaches a CPU. Does nothing: every possible CPU has its parts from the start.
 *
 * Context: any. Source: percpu(9).
 */
void percpu_init_cpu(struct cpu_info *ci);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* PSREF_PERCPU_H */
