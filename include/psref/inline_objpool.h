/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * objpool_pop() and objpool_push(), inlined where PSREF_INLINE asks for it. Rules I1 to I6 of inline_section.h. The bulk functions are
 * called: for eight objects a call is little.
 */

#ifndef PSREF_INLINE_OBJPOOL_H
#define PSREF_INLINE_OBJPOOL_H

#include <psref/objpool.h>
#include <psref/inline_section.h>

#if PSREF_INLINED

#ifdef __cplusplus
extern "C" {
#endif

PSREF_INLINE_FUNCTION void *
psref_inline_call_objpool_pop(struct objpool_head *head)
{
	void *(*called)(struct objpool_head *head);

	PSREF_INLINE_ADDRESS(called, "objpool_pop");
	return called(head);
}

PSREF_INLINE_FUNCTION int
psref_inline_call_objpool_push(void *obj, struct objpool_head *head)
{
	int (*called)(void *obj, struct objpool_head *head);

	PSREF_INLINE_ADDRESS(called, "objpool_push");
	return called(obj, head);
}

/*
 * The last object of the own CPU's magazine; NULL: nothing was done. Label 36 behind it all, 37 where NULL is made.
 *
 * section:
 *     cpu = cpu_id; if cpu >= pool.limit -> NULL
 *     m = pool + MAGAZINE + (cpu << SHIFT)
 *     g = m.guard                                     (before the count: an open guard's count is not an earlier one)
 *     n = m.count - 1; if n >= g, unsigned -> NULL
 *     object = m.entries[n]
 *     m.count = n                                     <- commit
 */
PSREF_INLINE_FUNCTION void *
psref_inline_take(const void *pool, uintptr_t area)
{
	uintptr_t magazine, n;
	void *object;

	__asm__ __volatile__(
	    PSREF_INLINE_DESCRIPTOR
	    PSREF_INLINE_ARM("%[object]")
	    "movl %%fs:4(%[area]), %k[magazine]\n"
	    "cmpl %c[limit](%[pool]), %k[magazine]\n"
	    "jae 37f\n"
	    "shlq %[shift], %[magazine]\n"
	    "addq %[pool], %[magazine]\n"
	    "movl %c[guard](%[magazine]), %k[object]\n"
	    PSREF_INLINE_STEP
	    "movl %c[count](%[magazine]), %k[n]\n"
	    "subl $1, %k[n]\n"
	    "cmpl %k[object], %k[n]\n"
	    "jae 37f\n"
	    "leaq %c[entries](%[magazine], %[n], 8), %[object]\n"
	    "movq (%[object]), %[object]\n"
	    PSREF_INLINE_STEP
	    "movl %k[n], %c[count](%[magazine])\n"
	    "34:\n"
	    PSREF_INLINE_ABORT("37: xorl %k[object], %k[object]\njmp 36f")
	    "36:\n"
	    : [object] "=&r"(object), [n] "=&r"(n), [magazine] "=&r"(magazine)
	    : [area] "r"(area), [pool] "r"(pool), [limit] "i"(PSREF_INLINE_POOL_LIMIT), [shift] "i"(PSREF_INLINE_STRIPE_SHIFT),
	      [guard] "i"(PSREF_INLINE_POOL_MAGAZINE_GUARD), [count] "i"(PSREF_INLINE_POOL_MAGAZINE_COUNT), [entries] "i"(PSREF_INLINE_POOL_MAGAZINE_ENTRIES)
	    : "memory", "cc");
	return object;
}

PSREF_INLINE_FUNCTION void *
objpool_pop(struct objpool_head *head)
{
	uintptr_t area = psref_inline_area();
	void *object = NULL;

	if (PSREF_INLINE_LIKELY(head != NULL) && PSREF_INLINE_LIKELY(head->cpu_slots != NULL))
		object = psref_inline_take(head->cpu_slots, area);
	return PSREF_INLINE_LIKELY(object != NULL) ? object : psref_inline_call_objpool_pop(head);
}

/* Whether an address is an object of a pool whose objects lie in one place: see objpool_push() in the library. */
PSREF_INLINE_FUNCTION bool
psref_inline_is_object(uintptr_t object, const void *pool)
{
	uint64_t distance = object - PSREF_INLINE_AT(psref_inline_word, pool, PSREF_INLINE_POOL_BASE);
	uint64_t reciprocal = PSREF_INLINE_AT(psref_inline_word, pool, PSREF_INLINE_POOL_RECIPROCAL);

	return PSREF_INLINE_LIKELY(distance < PSREF_INLINE_AT(psref_inline_word, pool, PSREF_INLINE_POOL_SPAN)) && distance * reciprocal < reciprocal;
}

/*
 * Puts an object on the own CPU's magazine; false: nothing was done.
 *
 * section:
 *     cpu = cpu_id; if cpu >= pool.limit -> false
 *     m = pool + MAGAZINE + (cpu << SHIFT)
 *     g = m.guard                                     (first, as in the pop)
 *     n = m.count; if n >= g -> false
 *     m.entries[n] = object
 *     m.count = n + 1                                 <- commit
 */
PSREF_INLINE_FUNCTION bool
psref_inline_give(void *object, const void *pool, uintptr_t area)
{
	__asm__ goto(
	    PSREF_INLINE_DESCRIPTOR
	    PSREF_INLINE_ARM("%%rax")
	    "movl %%fs:4(%[area]), %%eax\n"
	    "cmpl %c[limit](%[pool]), %%eax\n"
	    "jae %l[otherwise]\n"
	    "shlq %[shift], %%rax\n"
	    "addq %[pool], %%rax\n"
	    "movl %c[guard](%%rax), %%r11d\n"
	    PSREF_INLINE_STEP
	    "movl %c[count](%%rax), %%ecx\n"
	    "cmpl %%r11d, %%ecx\n"
	    "jae %l[otherwise]\n"
	    "leaq %c[entries](%%rax, %%rcx, 8), %%r11\n"
	    "movq %[object], (%%r11)\n"
	    "addl $1, %%ecx\n"
	    PSREF_INLINE_STEP
	    "movl %%ecx, %c[count](%%rax)\n"
	    "34:\n"
	    PSREF_INLINE_ABORT("jmp %l[otherwise]")
	    :
	    : [area] "r"(area), [pool] "r"(pool), [object] "r"(object),
	      [limit] "i"(PSREF_INLINE_POOL_LIMIT), [shift] "i"(PSREF_INLINE_STRIPE_SHIFT),
	      [guard] "i"(PSREF_INLINE_POOL_MAGAZINE_GUARD), [count] "i"(PSREF_INLINE_POOL_MAGAZINE_COUNT), [entries] "i"(PSREF_INLINE_POOL_MAGAZINE_ENTRIES)
	    : "rax", "rcx", "r11", "memory", "cc"
	    : otherwise);
	return true;
otherwise:
	return false;
}

PSREF_INLINE_FUNCTION int
objpool_push(void *obj, struct objpool_head *head)
{
	uintptr_t area = psref_inline_area();

	if (PSREF_INLINE_LIKELY(head != NULL) && PSREF_INLINE_LIKELY(head->cpu_slots != NULL) &&
	    PSREF_INLINE_LIKELY(psref_inline_is_object((uintptr_t)obj, head->cpu_slots)) &&
	    PSREF_INLINE_LIKELY(psref_inline_give(obj, head->cpu_slots, area)))
		return 0;
	return psref_inline_call_objpool_push(obj, head);
}

#ifdef __cplusplus
}
#endif

#endif /* PSREF_INLINED */

#endif /* PSREF_INLINE_OBJPOOL_H */
