/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Passive references, psref(9): hold one of many objects for a while, at the cost of one store to acquire and one to
 * release. Whoever destroys an object waits for its holders.
 *
 * Generated from ffi/src/psref.rs by `make headers`.
 */

#ifndef PSREF_PSREF_H
#define PSREF_PSREF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <psref/base.h>
#include <psref/ipl.h>

struct timespec;
struct _IO_FILE;

/** A class of targets: the slots of their holds. Opaque. */
struct psref_class;

/**
 * Something that can be held. Embed it in the object; initialise it with psref_target_init(). From then on it must not be
 * moved: holds name its address.
 */
struct psref_target {
    /** The class; NULL once the target was destroyed. */
    struct psref_class *prt_class;
    /** Whether the target drains: no more holds. */
    bool prt_draining;
    /** Whether it has drained: nobody holds it. */
    bool prt_drained;
    /** The library's: tells a target that was moved. */
    uint32_t prt_place;
};

/**
 * One hold. The holder's own memory, on its stack or in its object; needs no initialisation before psref_acquire(). Its
 * fields are the library's.
 */
struct psref {
    /** The slot; NULL: holds nothing. */
    void *psref_entry;
    /** In strict classes: where it was acquired. */
    void *psref_debug;
    /** What it holds. */
    const struct psref_target *psref_target;
    /** In strict classes: who acquired it. */
    void *psref_lwp;
    /** In strict classes: on which CPU. */
    void *psref_cpu;
};

/** Somebody who holds a target. */
struct psref_holder {
    /** Id of the thread that acquired the hold; 0: it has ended. */
    int psh_tid;
    /** The CPU that it was acquired on; -1 where that is not known. */
    int psh_cpu;
    /** The thread's name, terminated; empty where it has none. */
    char psh_name[24];
    /** Strict classes: where it was acquired, an address of code. NULL: not recorded. */
    const void *psh_acquired_at;
    /** Strict classes: since when, in nanoseconds of CLOCK_MONOTONIC. 0: not recorded. */
    uint64_t psh_since;
};

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Creates a class of targets.
 *
 * `name` shows in diagnostics; it is copied, and cut off after 48 bytes. `ipl` is taken for the sake of ported code: any
 * value is accepted.
 *
 * Returns the class, or NULL with errno ENOMEM; nothing is leaked then.
 *
 * Context: may sleep; not in signal handlers. Costs 512 bytes a CPU that uses the class. Source: psref(9).
 *
 * Requires: `name` is a terminated string.
 */
struct psref_class *psref_class_create(const char *name, int ipl);

/**
 * Destroys a class. Its targets have been destroyed, or were never made known.
 *
 * A class of which something is held, and one destroyed already, is a fatal diagnostic.
 *
 * Context: may sleep; not in signal handlers. Source: psref(9).
 *
 * Requires: nobody uses the class any more.
 */
void psref_class_destroy(struct psref_class *class_);

/**
 * Initialises a target of a class. Whoever makes it known to others does so with a release store.
 *
 * Context: any, signal handlers too. Source: psref(9).
 *
 * Requires: the target is the caller's alone.
 */
void psref_target_init(struct psref_target *target, struct psref_class *class_);

/**
 * Holds a target: until psref_release() no drain of it returns.
 *
 * Something else keeps the target alive until this returns: a lock or a read section around the look-up that found it.
 * Any number of holds at once, of one target or of many, nested in any order.
 *
 * Returns 0, or ENOENT once the target drains; then `psref` holds nothing and must not be released. (NetBSD's returns
 * nothing; its draft of 2016 returned this.)
 *
 * NULL, a target of another class and a target that was destroyed are fatal diagnostics.
 *
 * Context: any, signal handlers too; never sleeps. A class that runs out of slots on a CPU takes memory by mmap; where
 * there is none, a fatal diagnostic. (A thread's very first use takes a record without malloc; only where the program has
 * more than 32 pthread keys does glibc allocate at that moment, so there let it not be in a handler.) Source: psref(9).
 *
 * Requires: `psref` is the caller's to write and does not hold anything now.
 */
int psref_acquire(struct psref *psref, const struct psref_target *target, struct psref_class *class_);

/**
 * Ends a hold. The target must not be used any more: it may be gone when this returns.
 *
 * On any CPU and in any thread. A psref that was released already or whose acquire answered ENOENT, and one that holds
 * another target, is a fatal diagnostic; one never acquired is not noticed.
 *
 * Context: any, signal handlers too; never sleeps. Source: psref(9).
 *
 * Requires: `psref` was filled by psref_acquire() or psref_copy() for this target and class.
 */
void psref_release(struct psref *psref, const struct psref_target *target, struct psref_class *class_);

/**
 * Makes `pto` a second hold of what `pfrom` holds. Never fails, also while the target drains. Both are released, in any
 * order. A psref that holds nothing, a copy to itself, and no memory for one more block of slots are fatal diagnostics.
 *
 * Context: any, signal handlers too; never sleeps. Source: psref(9).
 *
 * Requires: `pto` is the caller's to write and holds nothing; `pfrom` holds something and is not released meanwhile.
 */
void psref_copy(struct psref *pto, const struct psref *pfrom, struct psref_class *class_);

/**
 * Whether the calling thread holds the target: acquired it, and it was not released. For assertions: looks at every slot
 * of the class.
 *
 * Context: any, signal handlers too; never sleeps. Source: psref(9).
 *
 * Requires: the target is alive.
 */
bool psref_held(const struct psref_target *target, struct psref_class *class_);

/**
 * Stops new holds of a target and waits until the old ones are released. From now on psref_acquire() answers ENOENT.
 *
 * A wait of more than PSREF_DRAIN_WARN seconds (environment; default 10) is told on standard error, with who holds the
 * target, and goes on. Costs one membarrier where nobody holds it (two before Linux
 * 6.18, which could lose one).
 *
 * Context: may sleep; not in signal handlers, not while holding the target oneself. Source: the draft of psref(9) of 2016.
 *
 * Requires: the target is alive until this returns.
 */
void psref_target_drain(struct psref_target *target, struct psref_class *class_);

/**
 * Destroys a target: drains it unless psref_target_drain() has, then poisons it. The caller has unpublished it, so that
 * nobody finds it any more. Destroying it again is a fatal diagnostic.
 *
 * Context: as of psref_target_drain(). Source: psref(9).
 *
 * Requires: nobody acquires the target any more.
 */
void psref_target_destroy(struct psref_target *target, struct psref_class *class_);

/**
 * As psref_target_drain(), with a limit to the wait: a span of time, measured by CLOCK_MONOTONIC; signals do not end it. NULL:
 * none; of 0 seconds: looks and does not wait.
 *
 * Returns 0: nobody holds the target. ETIMEDOUT: somebody does still; the target stays draining, and psref_target_drain(), this
 * function and psref_target_destroy() may be called. EINVAL: `limit` is negative or has 10^9 nanoseconds or more; nothing is
 * done.
 *
 * Context: may sleep; not in signal handlers. An extension.
 *
 * Requires: the target is alive until this returns.
 */
int psref_target_drain_timed(struct psref_target *target, struct psref_class *class_, const struct timespec *limit);

/**
 * Stops new holds of a target and tells whether the old ones are released: a drain for those who must not wait.
 *
 * Returns 0: nobody holds the target; psref_target_destroy() will not wait. EAGAIN: somebody does still.
 *
 * Context: any but signal handlers; never sleeps. Costs one membarrier. An extension.
 *
 * Requires: the target is alive until this returns.
 */
int psref_target_drain_poll(struct psref_target *target, struct psref_class *class_);

/**
 * Stops new holds of a target and returns a file descriptor for poll(2) and its like: an eventfd(2), readable whenever
 * psref_target_drain_poll() should be asked. That may still answer EAGAIN; it makes the descriptor unreadable until there is news,
 * so nothing need be read from it. The caller closes it, whenever it likes. No thread waits meanwhile.
 *
 * Returns the descriptor, or -1 with errno EMFILE, ENFILE or ENOMEM; then nothing is done. The library keeps another descriptor
 * of the same event until the target has drained. In a forked child, ask again: the parent's descriptor is not told of the
 * child's releases.
 *
 * Context: any but signal handlers; never sleeps. Costs one membarrier. An extension.
 *
 * Requires: the target is alive until this returns, and until it has drained.
 */
int psref_target_drain_fd(struct psref_target *target,
                          struct psref_class *class_);

/**
 * Destroys `n` targets of one class, each as psref_target_destroy() does: with two membarriers at most for all of them, and one
 * look at the slots of the class. With one that cannot be destroyed among them: a fatal diagnostic before anything is done.
 *
 * Context: as of psref_target_destroy(). An extension.
 *
 * Requires: nobody acquires the targets any more; each is there once.
 */
void psref_target_destroy_many(struct psref_target *const *targets, size_t n, struct psref_class *class_);

/**
 * Who holds a target: the first `n` of the holders go to `buf`.
 *
 * Returns how many there are. A hint while others acquire and release; good once the target drains.
 *
 * Context: any but signal handlers; looks at every slot of the class. An extension.
 *
 * Requires: the target is alive until this returns; `buf` has room for `n`.
 */
size_t psref_holders(const struct psref_target *target, struct psref_class *class_, struct psref_holder *buf, size_t n);

/**
 * Writes to `stream` who holds what of a class: a line on the class and one on each hold, sixteen at most. In strict classes with
 * function, file and line of where it was acquired, as far as there are symbols.
 *
 * Context: any but signal handlers; allocates. An extension.
 *
 * Requires: the class is one, and `stream` is open.
 */
void psref_class_report(struct psref_class *class_, struct _IO_FILE *stream);

/**
 * Ends the program with a message if the calling thread holds anything of a strict class: for places where it must not, such as the
 * end of a request. Nothing otherwise. So does the end of a thread, but not the main thread's, for that is the program's.
 *
 * Context: any, signal handlers too; never sleeps. Source: PSREF_DEBUG of NetBSD.
 */
void psref_debug_barrier(void);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* PSREF_PSREF_H */


#ifdef PSREF_INLINE
#include <psref/inline_psref.h>
#endif
