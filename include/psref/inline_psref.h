/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* psref_acquire() and psref_release(), inlined where PSREF_INLINE asks for it. Rules I1 to I6 of inline_section.h. */

#ifndef PSREF_INLINE_PSREF_H
#define PSREF_INLINE_PSREF_H

#include <psref/psref.h>
#include <psref/inline_section.h>

#if PSREF_INLINED

#ifdef __cplusplus
extern "C" {
#endif

PSREF_INLINE_FUNCTION int
psref_inline_call_acquire(struct psref *psref, const struct psref_target *target, struct psref_class *class_)
{
	int (*called)(struct psref *psref, const struct psref_target *target, struct psref_class *class_);

	PSREF_INLINE_ADDRESS(called, "psref_acquire");
	return called(psref, target, class_);
}

PSREF_INLINE_FUNCTION void
psref_inline_call_release(struct psref *psref, const struct psref_target *target, struct psref_class *class_)
{
	void (*called)(struct psref *psref, const struct psref_target *target, struct psref_class *class_);

	PSREF_INLINE_ADDRESS(called, "psref_release");
	called(psref, target, class_);
}

/*
 * Claims the home slot; false: nothing was done.
 *
 * number = the thread's; if number == 0 -> false
 * home = address of psref and number, hashed to a slot
 * section:
 *     if target.draining -> false
 *     cpu = cpu_id; if cpu >= class.limit -> false
 *     slot = class.slots + (cpu << SHIFT) + home; if slot.target != 0 -> false
 *     slot.holder = number
 *     slot.target = target                            <- commit
 * psref.entry = slot
 */
PSREF_INLINE_FUNCTION bool
psref_inline_claim(struct psref *psref, const struct psref_target *target, const struct psref_class *class_, uintptr_t area)
{
	uintptr_t number, home;

	PSREF_INLINE_OF_THREAD(number, PSREF_INLINE_THREAD_NUMBER);
	if (!PSREF_INLINE_LIKELY(number != 0))
		return false;
	home = ((uintptr_t)psref + 8 * number) & PSREF_INLINE_HOME_MASK;

	__asm__ goto(
	    PSREF_INLINE_DESCRIPTOR
	    PSREF_INLINE_ARM("%%rax")
	    "cmpb $0, %c[draining](%[target])\n"
	    "jne %l[otherwise]\n"
	    PSREF_INLINE_STEP
	    "movl %%fs:4(%[area]), %%eax\n"
	    "cmpl %c[limit](%[class_]), %%eax\n"
	    "jae %l[otherwise]\n"
	    "shlq %[shift], %%rax\n"
	    "addq %c[slots](%[class_]), %%rax\n"
	    "leaq (%%rax, %[home], 2), %%rax\n"
	    "cmpq $0, (%%rax)\n"
	    "jne %l[otherwise]\n"
	    PSREF_INLINE_STEP
	    "movq %[number], 8(%%rax)\n"
	    PSREF_INLINE_STEP
	    "movq %[target], (%%rax)\n"
	    "34:\n"
	    PSREF_INLINE_ABORT("jmp %l[otherwise]")
	    "movq %%rax, %c[entry](%[psref])\n"
	    :
	    : [area] "r"(area), [psref] "r"(psref), [target] "r"(target), [class_] "r"(class_), [number] "r"(number), [home] "r"(home),
	      [draining] "i"(offsetof(struct psref_target, prt_draining)), [entry] "i"(offsetof(struct psref, psref_entry)),
	      [limit] "i"(PSREF_INLINE_CLASS_LIMIT), [slots] "i"(PSREF_INLINE_CLASS_SLOTS), [shift] "i"(PSREF_INLINE_STRIPE_SHIFT)
	    : "rax", "memory", "cc"
	    : otherwise);
	return true;
otherwise:
	return false;
}

PSREF_INLINE_FUNCTION int
psref_acquire(struct psref *psref, const struct psref_target *target, struct psref_class *class_)
{
	uintptr_t area = psref_inline_area();

	/* One test after the other: asked for all at once, compilers compute what they could jump by. */
	if (!PSREF_INLINE_LIKELY(psref != NULL) || !PSREF_INLINE_LIKELY(target != NULL) ||
	    !PSREF_INLINE_LIKELY(target->prt_class == class_) || !PSREF_INLINE_LIKELY(class_ != NULL) ||
	    !PSREF_INLINE_LIKELY(psref_inline_claim(psref, target, class_, area)))
		return psref_inline_call_acquire(psref, target, class_);
	psref->psref_target = target;
	return 0;
}

/* No section: the slot is this hold's alone, on whatever CPU it lies. */
PSREF_INLINE_FUNCTION void
psref_release(struct psref *psref, const struct psref_target *target, struct psref_class *class_)
{
	volatile psref_inline_slot *slot = psref != NULL ? (volatile psref_inline_slot *)psref->psref_entry : NULL;

	if (!PSREF_INLINE_LIKELY(slot != NULL) || !PSREF_INLINE_LIKELY(*slot == (uintptr_t)target) ||
	    !PSREF_INLINE_LIKELY(target->prt_class == class_)) {
		psref_inline_call_release(psref, target, class_);
		return;
	}
	psref->psref_entry = NULL;
	PSREF_INLINE_FENCE();
	*slot = 0;
	PSREF_INLINE_FENCE();
	/* The target may be gone. */
	if (!PSREF_INLINE_LIKELY(PSREF_INLINE_AT(psref_inline_word, class_, PSREF_INLINE_CLASS_WAITERS) == 0)) {
		/* Refers to the words, as all inlined code does, for the sake of I5. */
		__asm__ __volatile__("" : : "r"(psref_inline_words()));
		psref_inline_wake_drain((uintptr_t)target, class_);
	}
}

#ifdef __cplusplus
}
#endif

#endif /* PSREF_INLINED */

#endif /* PSREF_INLINE_PSREF_H */
