/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Object pools, Linux's objpool: a fixed stock of objects where malloc is too slow or forbidden, signal handlers among
 * others. Two stores to per-CPU memory to take one and give it back.
 *
 * Generated from ffi/src/objpool.rs by `make headers`.
 */

#ifndef PSREF_OBJPOOL_H
#define PSREF_OBJPOOL_H

#include <stddef.h>
#include <stdint.h>
#include <psref/base.h>

/** Most objects that a pool can have. */
#define OBJPOOL_NR_OBJECT_MAX (1UL << 24)
/** Most bytes that an object can have. */
#define OBJPOOL_OBJECT_SIZE_MAX (1UL << 16)

struct objpool_head;

/** Where the objects of a pool are when nobody has them. Opaque. */
struct objpool_slot;

/** Called once when a pool has ended; the head is the caller's again and may be freed. What it answers is ignored. */
typedef int (*objpool_fini_cb)(struct objpool_head *head, void *context);

/** A pool: the caller's memory. Its fields may be read, and are written by the library alone. */
struct objpool_head {
    /** Bytes of an object, rounded up to whole words. */
    int obj_size;
    /** Objects, as many as were asked for. */
    int nr_objs;
    /** Possible CPUs. */
    int nr_possible_cpus;
    /** Objects that a CPU's magazine may hold. */
    int capacity;
    /** As given to objpool_init(); nothing depends on it. */
    unsigned int gfp;
    /** Objects that were not dropped, and one for the pool itself. */
    uint32_t ref;
    /** The library's. */
    unsigned long flags;
    /** The library's; NULL once the pool has ended. */
    struct objpool_slot **cpu_slots;
    /** As given to objpool_init(). */
    objpool_fini_cb release;
    /** As given to objpool_init(). */
    void *context;
};

/** Called for every object as a pool is made. Anything but 0 ends objpool_init(), which answers it. */
typedef int (*objpool_init_obj_cb)(void *obj, void *context);

/** What happened where the own CPU's magazine did not do; of one CPU, or of all. */
struct objpool_stats {
    /** Pops that found the own magazine empty, or recalled. */
    uint64_t misses;
    /** Pops that answered NULL. */
    uint64_t failures;
    /** Batches taken from depots. */
    uint64_t depot_pops;
    /** Times that objects were returned to depots. */
    uint64_t depot_pushes;
    /** Objects taken out of recalled magazines. */
    uint64_t recalls;
};

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Makes a pool of `nr_objs` zeroed objects (1 to OBJPOOL_NR_OBJECT_MAX) of `object_size` bytes (1 to OBJPOOL_OBJECT_SIZE_MAX), all of
 * them in it. `objinit`, if any, is called once for every object. Any `gfp` is accepted.
 *
 * Each object has a home CPU and lies on its NUMA node. Beyond the objects a pool takes 4 bytes an object and, on every CPU
 * that uses it, some KiB.
 *
 * Returns 0; -EINVAL outside of these bounds; -ENOMEM; or what `objinit` answered. After an error nothing is leaked, `release` was not
 * called, and objpool_fini() and objpool_free() do nothing.
 *
 * Context: may sleep; not in signal handlers. Source: `<linux/objpool.h>`.
 *
 * Requires: the head is the caller's alone.
 */
int objpool_init(struct objpool_head *head,
                 int nr_objs,
                 int object_size,
                 unsigned int gfp,
                 void *context,
                 objpool_init_obj_cb objinit,
                 objpool_fini_cb release);

/**
 * Takes an object out of a pool. What its last user wrote to it is still there.
 *
 * Returns the object, or NULL when none was found: where each place was looked at, every object was in somebody's hands, on its way
 * from one place to another, or had been given back in a place already looked at. A pool that has ended answers NULL.
 *
 * Context: any, signal handlers too; never sleeps. Source: `<linux/objpool.h>`.
 *
 * Requires: the head was given to objpool_init(), and the pool is not ended meanwhile.
 */
void *objpool_pop(struct objpool_head *head);

/**
 * Gives an object back, on whatever CPU and in whatever thread.
 *
 * Returns 0, or -EINVAL for a pointer that is no object of the pool. The same object pushed twice is not noticed, unless the pool was made
 * with PSREF_STRICT=1 in the environment: then it is a fatal diagnostic.
 *
 * Context: any, signal handlers too; never sleeps. Source: `<linux/objpool.h>`.
 *
 * Requires: the head was given to objpool_init(), and the pool is not ended meanwhile; the object was popped and is not used any more.
 */
int objpool_push(void *obj,
                 struct objpool_head *head);

/**
 * Takes up to `n` objects at once: cheaper than one by one. An extension.
 *
 * Returns how many are in `objs`; fewer than `n` when no more are free.
 *
 * Context: as of objpool_pop().
 *
 * Requires: as of objpool_pop(); `objs` has room for `n`.
 */
size_t objpool_pop_bulk(struct objpool_head *head, void **objs, size_t n);

/**
 * Gives `n` objects back at once. An extension.
 *
 * Returns 0; or -EINVAL where any of them is no object of the pool, and then none was given back.
 *
 * Context: as of objpool_push().
 *
 * Requires: as of objpool_push(), for each of them.
 */
int objpool_push_bulk(void *const *objs, size_t n, struct objpool_head *head);

/**
 * An object that was popped and is not given back any more. After objpool_fini() the last one ends the pool.
 *
 * Returns 0 where this ended the pool, -EAGAIN where objects are left, -EINVAL for a pointer that is no object of it.
 *
 * Context: not in signal handlers. Source: `<linux/objpool.h>`.
 *
 * Requires: the head was given to objpool_init(); the object was popped, and is not used any more.
 */
int objpool_drop(void *obj, struct objpool_head *head);

/**
 * Ends a pool: at once where nobody has an object of it, else with the last objpool_drop(). A pool that has ended, or was
 * never made because objpool_init() failed, is left alone.
 *
 * Context: may sleep; not in signal handlers. Source: `<linux/objpool.h>`.
 *
 * Requires: nobody pops or pushes any more.
 */
void objpool_fini(struct objpool_head *head);

/**
 * Ends a pool now, whoever has objects of it. One that has ended is left alone.
 *
 * Context: may sleep; not in signal handlers. Source: `<linux/objpool.h>`.
 *
 * Requires: nobody uses the pool or its objects any more.
 */
void objpool_free(struct objpool_head *head);

/**
 * What happened on a CPU, or with `cpu` -1 on all, since the pool was made: for those who size it. An extension.
 *
 * Returns 0, or -EINVAL for NULL, a pool that has ended, and a CPU that is not possible.
 *
 * Context: any, signal handlers too.
 *
 * Requires: the head was given to objpool_init(), and the pool is not ended meanwhile.
 */
int objpool_stats(const struct objpool_head *head, int cpu, struct objpool_stats *stats);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* PSREF_OBJPOOL_H */


#ifdef PSREF_INLINE
#include <psref/inline_objpool.h>
#endif
