/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Threads, CPUs and software interrupts as ported kernel code knows them. CPUs are virtual, one a possible CPU: a thread that
 * has one is alone on it, as with preemption disabled in a kernel, wherever it really runs. A program that is not ported wants
 * none of this.
 *
 * Generated from ffi/src/lwp.rs by `make headers`.
 */

#ifndef PSREF_LWP_H
#define PSREF_LWP_H

#include <stdbool.h>
#include <psref/base.h>

/** Levels of software interrupts: when several are scheduled on a CPU, the higher one runs first. */
#define PSREF_SOFTINT_CLOCK 0

/** Level 1. */
#define PSREF_SOFTINT_BIO 1

/** Level 2. */
#define PSREF_SOFTINT_NET 2

/** Level 3. */
#define PSREF_SOFTINT_SERIAL 3

/** Flag: the handler may run at the same time on several CPUs. Handlers without it never run at the same time as each other. */
#define PSREF_SOFTINT_MPSAFE 256

/** Flag: accepted, and without a meaning here. */
#define PSREF_SOFTINT_RCPU 512

/** A thread. Opaque; a thread's address is another's after its end at the earliest. */
struct lwp;

/** A virtual CPU, one for each number that a CPU can have. Made by the library alone; never freed. */
struct cpu_info {
    /** The CPU's number. */
    unsigned int ci_index;
};

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The calling thread. Never NULL.
 *
 * Context: any, signal handlers too; never sleeps. Source: curlwp of NetBSD.
 */
struct lwp *psref_curlwp(void);

/**
 * Binds the calling thread: from now on it says that it runs on one CPU, that of the virtual CPU it holds, else the one it
 * runs on now. What takes a virtual CPU takes that one until psref_curlwp_bindx(). No affinity is changed: the thread goes on
 * to run where the kernel likes.
 *
 * Returns what psref_curlwp_bindx() wants back: whether it was bound already.
 *
 * Context: any, signal handlers too; never sleeps. Source: curlwp_bind(9).
 */
int psref_curlwp_bind(void);

/**
 * Ends what psref_curlwp_bind() began; `bound` is what that returned. A thread that is not bound is a fatal diagnostic.
 *
 * Context: any, signal handlers too; never sleeps. Source: curlwp_bind(9).
 */
void psref_curlwp_bindx(int bound);

/**
 * Disables preemption, as far as ported code can tell: the calling thread takes a virtual CPU, and no other thread that wants
 * the same one goes on until psref_kpreempt_enable(). A bound thread takes the one it is bound to; others that of the CPU they
 * run on, or where that is taken any free one. Nests.
 *
 * A thread that sleeps meanwhile in mutex_enter() or cv_wait() gives the virtual CPU up and takes the same one back, as in a
 * kernel, where another thread runs then; in strict mode that is a fatal diagnostic. A thread that ends with preemption
 * disabled is one always. In a forked child the calling thread keeps its own.
 *
 * Context: any, signal handlers too, once this, psref_curcpu(), psref_ncpu(), percpu_alloc() or a cross-call was used outside
 * of one: the first use takes memory. Sleeps where all are taken. A wait of more than PSREF_DRAIN_WARN seconds (environment;
 * default 10) is told on standard error, with who has them, and goes on. Source: kpreempt(9).
 */
void psref_kpreempt_disable(void);

/**
 * Ends what the innermost psref_kpreempt_disable() began. Without one it is a fatal diagnostic.
 *
 * Context: any, signal handlers too; never sleeps. Source: kpreempt(9).
 */
void psref_kpreempt_enable(void);

/**
 * Whether the calling thread has preemption disabled: by psref_kpreempt_disable(), a reference of percpu(9), a spin mutex, or
 * by being in a software interrupt or a cross-call. For assertions.
 *
 * Context: any, signal handlers too; never sleeps. Source: kpreempt(9).
 */
bool psref_kpreempt_disabled(void);

/**
 * The virtual CPU that the calling thread has; else the one it is bound to; else that of the CPU it runs on, which may be
 * another one at once. Never NULL.
 *
 * Context: as of psref_kpreempt_disable(), but never sleeps. Source: curcpu(9).
 */
struct cpu_info *psref_curcpu(void);

/**
 * The number of a CPU: 0 and up, less than psref_ncpu(). What is no CPU is a fatal diagnostic.
 *
 * Context: as of psref_curcpu(). Source: cpu_index() of NetBSD.
 */
unsigned int psref_cpu_index(const struct cpu_info *ci);

/**
 * The CPU with a number, NULL from psref_ncpu() on.
 *
 * Context: as of psref_curcpu(). Source: cpu_lookup() of NetBSD.
 */
struct cpu_info *psref_cpu_lookup(unsigned int index);

/**
 * How many CPUs there are: the highest number that one can have, and one, whether it is online, allowed or missing.
 *
 * Context: as of psref_curcpu(). Source: ncpu of NetBSD.
 */
unsigned int psref_ncpu(void);

/**
 * Whether the calling thread runs a software interrupt, or a cross-call of high priority. For assertions.
 *
 * Context: any, signal handlers too; never sleeps. Source: cpu_softintr_p() of NetBSD.
 */
bool psref_cpu_softintr_p(void);

/**
 * Whether the calling thread is in a hardware interrupt: false always. Signal handlers are what comes nearest, and nothing
 * tells from inside whether one runs: the program would have to say so at both ends of each.
 *
 * Context: any, signal handlers too; never sleeps. Source: cpu_intr_p() of NetBSD.
 */
bool psref_cpu_intr_p(void);

/**
 * Makes a software interrupt: `fn` is what psref_softint_schedule() makes run, with `arg`. `flags` is a level, and
 * PSREF_SOFTINT_MPSAFE or not; others are a fatal diagnostic, as is a NULL handler.
 *
 * Handlers run in threads of the library's own, one for each CPU that the process may use, which the first call of this
 * starts. They have all signals blocked.
 *
 * Returns what the other functions want, NULL with errno ENOMEM where there is no memory for it or for a thread.
 *
 * Context: may sleep; not in signal handlers. Source: softint(9).
 *
 * Requires: the handler may be called with `arg` in any thread until psref_softint_disestablish() returns.
 */
void *psref_softint_establish(unsigned int flags, void (*fn)(void*), void *arg);

/**
 * Ends a software interrupt: waits for its handler where that runs; where it is scheduled and has not begun, it does not run
 * any more. One that was ended already is a fatal diagnostic, and so is a call in a software interrupt, in a cross-call, with
 * preemption disabled or inside a read section.
 *
 * Context: may sleep; not in signal handlers, not with anything held that the handler waits for. Source: softint(9).
 *
 * Requires: nobody schedules it any more.
 */
void psref_softint_disestablish(void *si);

/**
 * Makes the handler run soon, once, on the virtual CPU that the calling thread has, is bound to, or runs on. Where it is
 * scheduled and has not begun, nothing more is done. What the caller did before is visible to the handler.
 *
 * Context: any, signal handlers too; never sleeps. In a forked child the first schedule, or cross-call of high priority, starts
 * the threads again: that one not in a signal handler. Source: softint(9).
 *
 * Requires: nobody ends it meanwhile.
 */
void psref_softint_schedule(void *si);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* PSREF_LWP_H */
