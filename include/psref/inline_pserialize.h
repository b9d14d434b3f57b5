/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * pserialize_read_enter() and pserialize_read_exit(), inlined where PSREF_INLINE asks for it. Rules I1 to I6 of inline_section.h.
 * There is no restartable sequence in them: they write the thread's own word. While the thread must take the slow path, what they find is
 * a word that is neither 0 nor one deep.
 */

#ifndef PSREF_INLINE_PSERIALIZE_H
#define PSREF_INLINE_PSERIALIZE_H

#include <psref/pserialize.h>
#include <psref/inline_section.h>

#if PSREF_INLINED

#ifdef __cplusplus
extern "C" {
#endif

PSREF_INLINE_FUNCTION int
psref_inline_call_read_enter(void)
{
	int (*called)(void);

	PSREF_INLINE_ADDRESS(called, "pserialize_read_enter");
	return called();
}

PSREF_INLINE_FUNCTION void
psref_inline_call_read_exit(int s)
{
	void (*called)(int s);

	PSREF_INLINE_ADDRESS(called, "pserialize_read_exit");
	called(s);
}

/* The outermost section of a thread that has been here before. */
PSREF_INLINE_FUNCTION int
pserialize_read_enter(void)
{
	volatile psref_inline_word *word;

	PSREF_INLINE_OF_THREAD(word, PSREF_INLINE_THREAD_READING);
	if (!PSREF_INLINE_LIKELY(*word == 0))
		return psref_inline_call_read_enter();
	*word = PSREF_INLINE_AT(psref_inline_word, psref_inline_words(), PSREF_INLINE_GRACE);
	PSREF_INLINE_FENCE();
	return 0;
}

PSREF_INLINE_FUNCTION void
pserialize_read_exit(int s)
{
	volatile psref_inline_word *word;
	psref_inline_word was;

	PSREF_INLINE_OF_THREAD(word, PSREF_INLINE_THREAD_READING);
	if (!PSREF_INLINE_LIKELY((uint16_t)(was = *word) == 1)) {
		psref_inline_call_read_exit(s);
		return;
	}
	PSREF_INLINE_FENCE();
	*word = 0;
	PSREF_INLINE_FENCE();
	if (!PSREF_INLINE_LIKELY(PSREF_INLINE_AT(psref_inline_word, psref_inline_words(), PSREF_INLINE_WAITED) == 0))
		psref_inline_wake_perform(was);
}

#ifdef __cplusplus
}
#endif

#endif /* PSREF_INLINED */

#endif /* PSREF_INLINE_PSERIALIZE_H */
