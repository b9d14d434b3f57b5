/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* localcount_acquire() and localcount_release(), inlined where PSREF_INLINE asks for it. Rules I1 to I6 of inline_section.h. */

#ifndef PSREF_INLINE_LOCALCOUNT_H
#define PSREF_INLINE_LOCALCOUNT_H

#include <psref/localcount.h>
#include <psref/inline_section.h>

#if PSREF_INLINED

#ifdef __cplusplus
extern "C" {
#endif

PSREF_INLINE_FUNCTION void
psref_inline_call_localcount_acquire(struct localcount *lc)
{
	void (*called)(struct localcount *lc);

	PSREF_INLINE_ADDRESS(called, "localcount_acquire");
	called(lc);
}

PSREF_INLINE_FUNCTION void
psref_inline_call_localcount_release(struct localcount *lc, struct kcondvar *cv, struct kmutex *interlock)
{
	void (*called)(struct localcount *lc, struct kcondvar *cv, struct kmutex *interlock);

	PSREF_INLINE_ADDRESS(called, "localcount_release");
	called(lc, cv, interlock);
}

PSREF_INLINE_FUNCTION void
localcount_acquire(struct localcount *lc)
{
	if (!PSREF_INLINE_LIKELY(psref_inline_add(lc, 1)))
		psref_inline_call_localcount_acquire(lc);
}

PSREF_INLINE_FUNCTION void
localcount_release(struct localcount *lc, struct kcondvar *cv, struct kmutex *interlock)
{
	if (!PSREF_INLINE_LIKELY(psref_inline_add(lc, -1)))
		psref_inline_call_localcount_release(lc, cv, interlock);
}

#ifdef __cplusplus
}
#endif

#endif /* PSREF_INLINED */

#endif /* PSREF_INLINE_LOCALCOUNT_H */
