/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Lists that are read while they change, pslist(9). Writers exclude each other by a lock of their own; readers hold nothing
 * but a read section (pserialize_read_enter()), and follow the list while entries come and go.
 *
 * What a writer owes an entry that it takes off the list: PSLIST_WRITER_REMOVE; then wait for the readers who may stand on it
 * (pserialize_perform()); then PSLIST_ENTRY_DESTROY; only then free it, or PSLIST_ENTRY_INIT and insert it again.
 *
 * Header only: nothing to link. An entry knows its predecessor's pointer, so it is removed without the list's head at hand.
 * The macros take the structure's type T and its member F, evaluate each argument once (the loops excepted, which look at
 * them each turn) and do not compile where T has no such member, where it is no struct pslist_entry, or where the list is no
 * struct pslist_head.
 *
 * May be defined before this is included:
 *   _PSLIST_ASSERT(condition)    what checks callers; by default assert(3)'s message, and nothing with NDEBUG
 *   atomic_load_consume(place), atomic_store_release(place, value), atomic_store_relaxed(place, value)
 *                                used where they are macros, else the compiler's own
 * The header itself defines no macros but PSLIST_* and _PSLIST_*.
 */
#ifndef PSREF_PSLIST_H
#define PSREF_PSLIST_H

#ifdef __cplusplus
extern "C" {
#endif

/** A list's head: the caller's memory. Its field is read and written by the functions below alone. */
struct pslist_head {
	struct pslist_entry *plh_first;
};

/** A list's link: embed one in the structure for each list that it can be on. */
struct pslist_entry {
	/** Whatever points here: a head or the entry before. NULL: on no list. Writers only. */
	struct pslist_entry **ple_prevp;
	/** The entry behind. Stays when the entry is removed: readers who stand on it go on. */
	struct pslist_entry *ple_next;
};

/** An empty list, for definitions: `struct pslist_head list = PSLIST_INITIALIZER;`. */
#define PSLIST_INITIALIZER { 0 }
/** A link on no list, for definitions. */
#define PSLIST_ENTRY_INITIALIZER { 0, 0 }

/* The successor of a destroyed entry: whoever follows it did not wait for the readers. */
#define _PSLIST_POISON ((void *)1ul)

#ifdef atomic_load_consume
#define _PSLIST_LOAD_CONSUME(place) atomic_load_consume(place)
#else
#define _PSLIST_LOAD_CONSUME(place) __atomic_load_n(place, __ATOMIC_CONSUME)
#endif
#ifdef atomic_store_release
#define _PSLIST_STORE_RELEASE(place, value) atomic_store_release(place, value)
#else
#define _PSLIST_STORE_RELEASE(place, value) __atomic_store_n(place, value, __ATOMIC_RELEASE)
#endif
#ifdef atomic_store_relaxed
#define _PSLIST_STORE_RELAXED(place, value) atomic_store_relaxed(place, value)
#else
#define _PSLIST_STORE_RELAXED(place, value) __atomic_store_n(place, value, __ATOMIC_RELAXED)
#endif

#ifndef _PSLIST_ASSERT
#ifdef NDEBUG
#define _PSLIST_ASSERT(condition) ((void)0)
#else
/* What assert(3) calls, under a name of our own: <assert.h> would define assert in every program. */
void _pslist_assert_failed(const char *condition, const char *file, unsigned line, const char *function)
	__asm__("__assert_fail") __attribute__((noreturn));
#define _PSLIST_ASSERT(condition)                                                                                      \
	((condition) ? (void)0 : _pslist_assert_failed(#condition, __FILE__, (unsigned)__LINE__, __func__))
#endif
#endif

/*
 * The checks of types: integers, 0 if they compile. Differences of pointers in sizeof: nothing is evaluated, and pointers to
 * different types have none, which is an error in both languages and not a warning.
 */
#if defined __COVERITY__ || defined __LGTM_BOT__
#define _PSLIST_VALIDATE_PTRS(P, Q) 0
#define _PSLIST_VALIDATE_CONTAINER(P, T, F) 0
#else
/** Whether P and Q point to the same type. */
#define _PSLIST_VALIDATE_PTRS(P, Q) (0 * sizeof((P) - (Q)))
/** Whether P points to what T's member F is. */
#define _PSLIST_VALIDATE_CONTAINER(P, T, F) (0 * sizeof((P) - &((const T *)(const void *)(P))->F))
#endif

/* The list H, the link F of V, and the place of F in T, each checked. */
#define _PSLIST_HEAD(H) ((void)_PSLIST_VALIDATE_PTRS(H, (const struct pslist_head *)(H)), (H))
#define _PSLIST_LINK(V, F) ((void)_PSLIST_VALIDATE_PTRS(&(V)->F, (const struct pslist_entry *)&(V)->F), &(V)->F)
#define _PSLIST_PLACE(T, F)                                                                                            \
	((__PTRDIFF_TYPE__)(__builtin_offsetof(T, F)                                                                   \
			    + _PSLIST_VALIDATE_CONTAINER((const struct pslist_entry *)(const void *)&_pslist_any, T, F)))

/* Only for its address, in sizeof. */
extern const struct pslist_entry _pslist_any;

/**
 * Makes an empty list.
 *
 * Context: any; never sleeps, as none of this header's functions do. Source: pslist(9).
 *
 * Requires: the head is the caller's alone.
 */
static inline void pslist_init(struct pslist_head *head)
{
	head->plh_first = 0;
}

/**
 * Ends a list, which is empty: asserted.
 *
 * Context: any. Source: pslist(9).
 *
 * Requires: nobody reads or writes the list any more.
 */
static inline void pslist_destroy(struct pslist_head *head)
{
	_PSLIST_ASSERT(head->plh_first == 0);
	(void)head;
}

/**
 * Makes a link that is on no list.
 *
 * Context: any. Source: pslist(9).
 *
 * Requires: the entry is the caller's alone; no reader can stand on it.
 */
static inline void pslist_entry_init(struct pslist_entry *entry)
{
	entry->ple_prevp = 0;
	entry->ple_next = 0;
}

/**
 * Ends a link, which is on no list: asserted. It is poisoned: a reader or writer who still follows it is caught by an
 * assertion.
 *
 * Context: any. Source: pslist(9).
 *
 * Requires: no reader can stand on the entry: after its removal pserialize_perform() has returned, or it was never inserted.
 */
static inline void pslist_entry_destroy(struct pslist_entry *entry)
{
	_PSLIST_ASSERT(entry->ple_prevp == 0);
	_PSLIST_STORE_RELAXED(&entry->ple_next, (struct pslist_entry *)_PSLIST_POISON);
}

/**
 * Inserts an entry at a list's head.
 *
 * Ordering: a release store. Readers who find the entry find all that was written to it before.
 *
 * Context: writers. Source: pslist(9).
 *
 * Requires: the caller excludes other writers of the list; the entry is initialised and on no list (asserted).
 */
static inline void pslist_writer_insert_head(struct pslist_head *head, struct pslist_entry *entry)
{
	_PSLIST_ASSERT(entry->ple_next == 0);
	_PSLIST_ASSERT(entry->ple_prevp == 0);
	struct pslist_entry *next = head->plh_first;
	entry->ple_prevp = &head->plh_first;
	entry->ple_next = next;
	if (next != 0)
		next->ple_prevp = &entry->ple_next;
	_PSLIST_STORE_RELEASE(&head->plh_first, entry);
}

/**
 * Inserts `entry` before `neighbour`, which is on a list (asserted).
 *
 * Ordering, Context, Requires: as of pslist_writer_insert_head(). Source: pslist(9).
 */
static inline void pslist_writer_insert_before(struct pslist_entry *neighbour, struct pslist_entry *entry)
{
	_PSLIST_ASSERT(neighbour->ple_next != _PSLIST_POISON);
	_PSLIST_ASSERT(neighbour->ple_prevp != 0);
	_PSLIST_ASSERT(*neighbour->ple_prevp == neighbour);
	_PSLIST_ASSERT(entry->ple_next == 0);
	_PSLIST_ASSERT(entry->ple_prevp == 0);
	struct pslist_entry **place = neighbour->ple_prevp;
	entry->ple_prevp = place;
	entry->ple_next = neighbour;
	neighbour->ple_prevp = &entry->ple_next;
	_PSLIST_STORE_RELEASE(place, entry);
}

/**
 * Inserts `entry` behind `neighbour`, which is on a list (asserted).
 *
 * Ordering, Context, Requires: as of pslist_writer_insert_head(). Source: pslist(9).
 */
static inline void pslist_writer_insert_after(struct pslist_entry *neighbour, struct pslist_entry *entry)
{
	_PSLIST_ASSERT(neighbour->ple_next != _PSLIST_POISON);
	_PSLIST_ASSERT(neighbour->ple_prevp != 0);
	_PSLIST_ASSERT(*neighbour->ple_prevp == neighbour);
	_PSLIST_ASSERT(entry->ple_next == 0);
	_PSLIST_ASSERT(entry->ple_prevp == 0);
	struct pslist_entry *next = neighbour->ple_next;
	entry->ple_prevp = &neighbour->ple_next;
	entry->ple_next = next;
	if (next != 0)
		next->ple_prevp = &entry->ple_next;
	_PSLIST_STORE_RELEASE(&neighbour->ple_next, entry);
}

/**
 * Takes an entry off its list. Readers may stand on it still, and go on from it: the entry is neither freed, nor destroyed, nor
 * inserted again before they are done (pserialize_perform()).
 *
 * Ordering: a release store. NetBSD's is relaxed; but what stood behind the entry may have been inserted a moment ago, and
 * from here on readers find it by another pointer than the one that published it.
 *
 * Context: writers. Source: pslist(9).
 *
 * Requires: the caller excludes other writers of the list; the entry is on one (asserted).
 */
static inline void pslist_writer_remove(struct pslist_entry *entry)
{
	_PSLIST_ASSERT(entry->ple_next != _PSLIST_POISON);
	_PSLIST_ASSERT(entry->ple_prevp != 0);
	_PSLIST_ASSERT(*entry->ple_prevp == entry);
	struct pslist_entry *next = entry->ple_next;
	if (next != 0)
		next->ple_prevp = entry->ple_prevp;
	_PSLIST_STORE_RELEASE(entry->ple_prevp, next);
	entry->ple_prevp = 0;
}

/**
 * The first entry of a list, NULL if it is empty.
 *
 * Context: writers, who exclude each other. Source: pslist(9).
 */
static inline struct pslist_entry *pslist_writer_first(const struct pslist_head *head)
{
	return head->plh_first;
}

/**
 * The entry behind, NULL if there is none. That of a destroyed entry is asserted against.
 *
 * Context: writers, who exclude each other. Source: pslist(9).
 */
static inline struct pslist_entry *pslist_writer_next(const struct pslist_entry *entry)
{
	struct pslist_entry *next = entry->ple_next;
	_PSLIST_ASSERT(next != _PSLIST_POISON);
	return next;
}

/**
 * The first entry of a list, NULL if it is empty.
 *
 * Ordering: a consume load. What the writer wrote to the entry before it inserted it is seen through the pointer.
 *
 * Context: readers, inside a read section, in signal handlers too; and writers. Source: pslist(9).
 *
 * Requires: the entry is used inside the read section only, unless something else keeps it, a passive reference say.
 */
static inline struct pslist_entry *pslist_reader_first(const struct pslist_head *head)
{
	return _PSLIST_LOAD_CONSUME(&head->plh_first);
}

/**
 * The entry behind, NULL if there is none. That of a destroyed entry is asserted against.
 *
 * Ordering, Context, Requires: as of pslist_reader_first(). Source: pslist(9).
 */
static inline struct pslist_entry *pslist_reader_next(const struct pslist_entry *entry)
{
	struct pslist_entry *next = _PSLIST_LOAD_CONSUME(&entry->ple_next);
	_PSLIST_ASSERT(next != _PSLIST_POISON);
	return next;
}

/* The structure that an entry lies `offset` bytes into; NULL of NULL, without arithmetic on it. */
static inline void *_pslist_container(struct pslist_entry *entry, __PTRDIFF_TYPE__ offset)
{
	return entry == 0 ? (void *)0 : (void *)((char *)entry - offset);
}

/** pslist_writer_first(), as the structure that holds the entry at `offset`. */
static inline void *_pslist_writer_first_container(const struct pslist_head *head, __PTRDIFF_TYPE__ offset)
{
	return _pslist_container(pslist_writer_first(head), offset);
}

/** pslist_writer_next(), as the structure that holds the entry at `offset`. */
static inline void *_pslist_writer_next_container(const struct pslist_entry *entry, __PTRDIFF_TYPE__ offset)
{
	return _pslist_container(pslist_writer_next(entry), offset);
}

/** pslist_reader_first(), as the structure that holds the entry at `offset`. */
static inline void *_pslist_reader_first_container(const struct pslist_head *head, __PTRDIFF_TYPE__ offset)
{
	return _pslist_container(pslist_reader_first(head), offset);
}

/** pslist_reader_next(), as the structure that holds the entry at `offset`. */
static inline void *_pslist_reader_next_container(const struct pslist_entry *entry, __PTRDIFF_TYPE__ offset)
{
	return _pslist_container(pslist_reader_next(entry), offset);
}

/** pslist_init() of the list at H. */
#define PSLIST_INIT(H) pslist_init(_PSLIST_HEAD(H))
/** pslist_destroy() of the list at H. */
#define PSLIST_DESTROY(H) pslist_destroy(_PSLIST_HEAD(H))
/** pslist_entry_init() of member F of the structure at E. */
#define PSLIST_ENTRY_INIT(E, F) pslist_entry_init(_PSLIST_LINK(E, F))
/** pslist_entry_destroy() of member F of the structure at E. */
#define PSLIST_ENTRY_DESTROY(E, F) pslist_entry_destroy(_PSLIST_LINK(E, F))

/** pslist_writer_insert_head(): the structure at V becomes the first of the list at H, by its member F. */
#define PSLIST_WRITER_INSERT_HEAD(H, V, F) pslist_writer_insert_head(_PSLIST_HEAD(H), _PSLIST_LINK(V, F))
/** pslist_writer_insert_before(): the structure at N comes before that at E, both by member F and of one type. */
#define PSLIST_WRITER_INSERT_BEFORE(E, N, F)                                                                           \
	((void)_PSLIST_VALIDATE_PTRS(E, N), pslist_writer_insert_before(_PSLIST_LINK(E, F), _PSLIST_LINK(N, F)))
/** pslist_writer_insert_after(): the structure at N comes behind that at E, both by member F and of one type. */
#define PSLIST_WRITER_INSERT_AFTER(E, N, F)                                                                            \
	((void)_PSLIST_VALIDATE_PTRS(E, N), pslist_writer_insert_after(_PSLIST_LINK(E, F), _PSLIST_LINK(N, F)))
/** pslist_writer_remove() of member F of the structure at E. */
#define PSLIST_WRITER_REMOVE(E, F) pslist_writer_remove(_PSLIST_LINK(E, F))

/** pslist_writer_first(): the T * whose member F is first in the list at H, or NULL. */
#define PSLIST_WRITER_FIRST(H, T, F) ((T *)_pslist_writer_first_container(_PSLIST_HEAD(H), _PSLIST_PLACE(T, F)))
/** pslist_writer_next(): the T * behind the one at V, or NULL. */
#define PSLIST_WRITER_NEXT(V, T, F) ((T *)_pslist_writer_next_container(_PSLIST_LINK(V, F), _PSLIST_PLACE(T, F)))
/** Each structure of the list at H, for writers. V must not be removed in the loop, unless the loop is left. */
#define PSLIST_WRITER_FOREACH(V, H, T, F)                                                                              \
	for ((V) = PSLIST_WRITER_FIRST(H, T, F); (V) != 0; (V) = PSLIST_WRITER_NEXT(V, T, F))

/** pslist_reader_first(): the T * whose member F is first in the list at H, or NULL. */
#define PSLIST_READER_FIRST(H, T, F) ((T *)_pslist_reader_first_container(_PSLIST_HEAD(H), _PSLIST_PLACE(T, F)))
/** pslist_reader_next(): the T * behind the one at V, or NULL. */
#define PSLIST_READER_NEXT(V, T, F) ((T *)_pslist_reader_next_container(_PSLIST_LINK(V, F), _PSLIST_PLACE(T, F)))
/** Each structure of the list at H, for readers. Those that come or go meanwhile are met or not; all others are, once. */
#define PSLIST_READER_FOREACH(V, H, T, F)                                                                              \
	for ((V) = PSLIST_READER_FIRST(H, T, F); (V) != 0; (V) = PSLIST_READER_NEXT(V, T, F))

#ifdef __cplusplus
}
#endif

#endif
