/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * NetBSD's <sys/queue.h> on top of the system's: the loops in which the element may be removed, and the few
 * operations that the C library's has not.
 */
#pragma GCC system_header
#include_next <sys/queue.h>

#ifndef PSREF_NETBSD_SYS_QUEUE_H
#define PSREF_NETBSD_SYS_QUEUE_H

#include <stddef.h>
#include <sys/cdefs.h>

#define _PSREF_QUEUE_LOOP_SAFE(first, next, variable, end, temporary)                                                  \
	for ((variable) = (first); (variable) != (end) && ((temporary) = (next), 1); (variable) = (temporary))

/* Each element; `variable` may be removed and freed in the loop, `temporary` must not be. */
#ifndef LIST_FOREACH_SAFE
#define LIST_FOREACH_SAFE(variable, head, field, temporary)                                                            \
	_PSREF_QUEUE_LOOP_SAFE(LIST_FIRST(head), LIST_NEXT(variable, field), variable, NULL, temporary)
#endif
#ifndef SLIST_FOREACH_SAFE
#define SLIST_FOREACH_SAFE(variable, head, field, temporary)                                                           \
	_PSREF_QUEUE_LOOP_SAFE(SLIST_FIRST(head), SLIST_NEXT(variable, field), variable, NULL, temporary)
#endif
#ifndef STAILQ_FOREACH_SAFE
#define STAILQ_FOREACH_SAFE(variable, head, field, temporary)                                                          \
	_PSREF_QUEUE_LOOP_SAFE(STAILQ_FIRST(head), STAILQ_NEXT(variable, field), variable, NULL, temporary)
#endif
#ifndef SIMPLEQ_FOREACH_SAFE
#define SIMPLEQ_FOREACH_SAFE(variable, head, field, temporary)                                                         \
	_PSREF_QUEUE_LOOP_SAFE(SIMPLEQ_FIRST(head), SIMPLEQ_NEXT(variable, field), variable, NULL, temporary)
#endif
#ifndef TAILQ_FOREACH_SAFE
#define TAILQ_FOREACH_SAFE(variable, head, field, temporary)                                                           \
	_PSREF_QUEUE_LOOP_SAFE(TAILQ_FIRST(head), TAILQ_NEXT(variable, field), variable, NULL, temporary)
#endif
#ifndef TAILQ_FOREACH_REVERSE_SAFE
#define TAILQ_FOREACH_REVERSE_SAFE(variable, head, headname, field, temporary)                                         \
	_PSREF_QUEUE_LOOP_SAFE(TAILQ_LAST(head, headname), TAILQ_PREV(variable, headname, field), variable, NULL,      \
	    temporary)
#endif

/* Where a loop has ended. */
#ifndef LIST_END
#define LIST_END(head) NULL
#endif
#ifndef SLIST_END
#define SLIST_END(head) NULL
#endif
#ifndef STAILQ_END
#define STAILQ_END(head) NULL
#endif
#ifndef SIMPLEQ_END
#define SIMPLEQ_END(head) NULL
#endif
#ifndef TAILQ_END
#define TAILQ_END(head) NULL
#endif

/* The last element of a queue that knows its end by the link there: the structure around that link. */
#define _PSREF_QUEUE_LAST(head, type, field, first, last)                                                              \
	((head)->first == NULL ? (struct type *)NULL                                                                   \
			       : (struct type *)(void *)((char *)(head)->last - offsetof(struct type, field)))
#ifndef SIMPLEQ_LAST
#define SIMPLEQ_LAST(head, type, field) _PSREF_QUEUE_LAST(head, type, field, sqh_first, sqh_last)
#endif
#ifndef STAILQ_LAST
#define STAILQ_LAST(head, type, field) _PSREF_QUEUE_LAST(head, type, field, stqh_first, stqh_last)
#endif

/* Appends the second queue to the first; the second is empty then. */
#ifndef SIMPLEQ_CONCAT
#define SIMPLEQ_CONCAT(first, second)                                                                                  \
	do {                                                                                                           \
		if (!SIMPLEQ_EMPTY(second)) {                                                                          \
			*(first)->sqh_last = (second)->sqh_first;                                                      \
			(first)->sqh_last = (second)->sqh_last;                                                        \
			SIMPLEQ_INIT(second);                                                                          \
		}                                                                                                      \
	} while (0)
#endif

/* Removes the element behind one that has one. */
#ifndef SLIST_REMOVE_AFTER
#define SLIST_REMOVE_AFTER(element, field)                                                                             \
	do {                                                                                                           \
		SLIST_NEXT(element, field) = SLIST_NEXT(SLIST_NEXT(element, field), field);                            \
	} while (0)
#endif
#ifndef SIMPLEQ_REMOVE_AFTER
#define SIMPLEQ_REMOVE_AFTER(head, element, field)                                                                     \
	do {                                                                                                           \
		SIMPLEQ_NEXT(element, field) = SIMPLEQ_NEXT(SIMPLEQ_NEXT(element, field), field);                      \
		if (SIMPLEQ_NEXT(element, field) == NULL)                                                              \
			(head)->sqh_last = &SIMPLEQ_NEXT(element, field);                                              \
	} while (0)
#endif

/* Moves all elements of one list to another, whose own are forgotten. */
#ifndef LIST_MOVE
#define LIST_MOVE(from, to, field)                                                                                     \
	do {                                                                                                           \
		(to)->lh_first = (from)->lh_first;                                                                     \
		if ((to)->lh_first != NULL)                                                                            \
			(to)->lh_first->field.le_prev = &(to)->lh_first;                                               \
		LIST_INIT(from);                                                                                       \
	} while (0)
#endif

/* Puts one element in the place of another. */
#ifndef LIST_REPLACE
#define LIST_REPLACE(old, other, field)                                                                                \
	do {                                                                                                           \
		(other)->field = (old)->field;                                                                         \
		*(other)->field.le_prev = (other);                                                                     \
		if ((other)->field.le_next != NULL)                                                                    \
			(other)->field.le_next->field.le_prev = &(other)->field.le_next;                               \
	} while (0)
#endif
#ifndef TAILQ_REPLACE
#define TAILQ_REPLACE(head, old, other, field)                                                                         \
	do {                                                                                                           \
		(other)->field = (old)->field;                                                                         \
		*(other)->field.tqe_prev = (other);                                                                    \
		if ((other)->field.tqe_next != NULL)                                                                   \
			(other)->field.tqe_next->field.tqe_prev = &(other)->field.tqe_next;                            \
		else                                                                                                   \
			(head)->tqh_last = &(other)->field.tqe_next;                                                   \
	} while (0)
#endif

#endif
