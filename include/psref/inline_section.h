/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Code inlined into the program: what its restartable sequences are made of. Not for users: what users do is to define PSREF_INLINE before
 * the first of the library's headers, then the other inline_*.h come with them. See docs/performance.md and psref(3).
 *
 * PSREF_INLINED is 1 where there is such code: gcc 7 or clang 10 and newer, x86-64, AT&T syntax (no -masm=intel), and no ThreadSanitizer,
 * which cannot see what assembly does. Elsewhere the macro changes nothing.
 *
 * I1. Inlined code does the plain case alone. In every other one it has changed nothing and calls the function it was inlined for,
 *     which begins anew: so the results are the same, and inlined and called code mix.
 * I2. No instruction stands between the store that arms a section and the section's first, and the store that commits is its last.
 * I3. A section that is aborted is not tried again here (retries are bounded in the library).
 * I4. The descriptor lies in the group of the function that it describes, so where the linker drops one of two copies of an inline
 *     function of C++ it drops the descriptor too.
 * I5. The words are found through the global offset table also in code that is not position-independent: the program has no copy of them.
 *     Where the library has words of another version, the program or plug-in is refused as it is loaded.
 * I6. What belongs to the thread is read anew in each call: a coroutine may have moved. (But gcc's -mno-tls-direct-seg-refs lets it keep
 *     the thread pointer itself: programs whose coroutines move are compiled without that.)
 */

#ifndef PSREF_INLINE_SECTION_H
#define PSREF_INLINE_SECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <psref/inline_abi.h>

#undef PSREF_INLINED
#if !defined(PSREF_INLINE) || !defined(__x86_64__) || !defined(__LP64__) || defined(__SANITIZE_THREAD__)
#define PSREF_INLINED 0
#elif defined(__clang__)
#define PSREF_INLINED (__clang_major__ >= 10)
#elif defined(__GNUC__)
#define PSREF_INLINED (__GNUC__ >= 7)
#else
#define PSREF_INLINED 0
#endif

#ifdef __has_feature
#if __has_feature(thread_sanitizer)
#undef PSREF_INLINED
#define PSREF_INLINED 0
#endif
#endif

#if PSREF_INLINED

/* A function of the library again: its own code is used where its address is taken. */
#define PSREF_INLINE_FUNCTION extern __inline __attribute__((__gnu_inline__, __always_inline__, __artificial__))

#define PSREF_INLINE_LIKELY(plain) __builtin_expect((plain), 1)

/* Words of the library's, and slots, whose target's address may be marked. */
typedef uintptr_t __attribute__((__may_alias__)) psref_inline_word;
typedef uint32_t __attribute__((__may_alias__)) psref_inline_half;
typedef uintptr_t __attribute__((__may_alias__, __aligned__(1))) psref_inline_slot;

#define PSREF_INLINE_AT(type, base, offset) (*(const volatile type *)((const char *)(base) + (offset)))

/* The compiler moves nothing past it; the processor may (the other side has a membarrier). */
#define PSREF_INLINE_FENCE() __atomic_signal_fence(__ATOMIC_SEQ_CST)

/* The process's words. */
PSREF_INLINE_FUNCTION const char *
psref_inline_words(void)
{
	const char *words;

	__asm__("movq " PSREF_INLINE_WORDS "@GOTPCREL(%%rip), %0" : "=r"(words));
	return words;
}

/*
 * Where the kernel's area of a thread is, from the thread pointer: the same for all threads, and from the time the library was loaded. Not
 * volatile: compilers load it once for many sections, and outside of loops. Asked for first of all, before any test: so they see that it
 * would be loaded anyway.
 */
PSREF_INLINE_FUNCTION uintptr_t
psref_inline_area(void)
{
	uintptr_t area;

	__asm__("movq %c1(%2), %0" : "=r"(area) : "i"(PSREF_INLINE_RSEQ_OFFSET), "r"(psref_inline_words()));
	return area;
}

/*
 * The library's own function of a name that is inlined here. By a name for the assembler alone: clang would take a call under the same
 * name for recursion. Volatile: it stays where it is, in the case that is not plain.
 */
#define PSREF_INLINE_ADDRESS(pointer, name) __asm__ __volatile__("movq " name "@GOTPCREL(%%rip), %0" : "=r"(pointer))

/*
 * One of the calling thread's words. What a compiler may keep is where they lie from the thread pointer; the words it reads anew (I6).
 * To gcc they are a variable: it does not see that two pieces of assembly with a branch between them load the same offset, and to load it
 * again is a third of a read section. To clang they are not: it would keep the variable's address, which is the thread's.
 */
#if !defined(__clang__)
extern __thread const uintptr_t psref_inline_thread_words[8] __asm__(PSREF_INLINE_THREAD)
    __attribute__((__tls_model__("initial-exec"), __visibility__("default")));
#define PSREF_INLINE_OF_THREAD(result, word)                                                                           \
	((result) = (__typeof__(result))PSREF_INLINE_AT(psref_inline_word, psref_inline_thread_words, word))
#else
#define PSREF_INLINE_OF_THREAD(result, word)                                                                           \
	do {                                                                                                           \
		uintptr_t psref_inline_offset;                                                                         \
		__asm__("movq " PSREF_INLINE_THREAD "@GOTTPOFF(%%rip), %0" : "=r"(psref_inline_offset));                   \
		__asm__ __volatile__("movq %%fs:%c2(%1), %0" : "=r"(result) : "r"(psref_inline_offset), "i"(word));    \
	} while (0)
#endif

/*
 * Labels of a section: 32 its descriptor, 33 its start, 34 its end, behind the store that commits, 35 where the kernel sends the
 * thread that it aborts. They are local and can be used again. What aborted code does is behind the signature that the C library
 * registered.
 */
#define PSREF_INLINE_DESCRIPTOR                                                                                        \
	".pushsection __rseq_cs, \"aw?\", @progbits\n"                                                                 \
	".balign 32\n"                                                                                                 \
	"32: .long 0, 0\n"                                                                                             \
	".quad 33f, 34f - 33f, 35f\n"                                                                                  \
	".popsection\n"
#define PSREF_INLINE_ARM(scratch)                                                                                      \
	"leaq 32b(%%rip), " scratch "\n"                                                                               \
	"movq " scratch ", %%fs:8(%[area])\n"                                                                          \
	"33:\n"
#define PSREF_INLINE_ABORT(what)                                                                                       \
	".pushsection __rseq_failure, \"ax?\", @progbits\n"                                                            \
	".byte 0x0f, 0xb9, 0x3d\n"                                                                                     \
	".long 0x53053053\n"                                                                                           \
	"35: " what "\n"                                                                                               \
	".popsection\n"
/* Between two steps of a section; tests put a delay here. */
#define PSREF_INLINE_STEP ""

/*
 * Adds to the own CPU's cell; false: nothing was done.
 *
 * section:
 *     if object.guard != 0 -> false
 *     cpu = cpu_id; if cpu >= limit -> false
 *     cells[cpu] += n                                  <- commit
 */
PSREF_INLINE_FUNCTION bool
psref_inline_add(const void *object, long n)
{
	const char *words = psref_inline_words();
	uintptr_t area = psref_inline_area();

	__asm__ goto(
	    PSREF_INLINE_DESCRIPTOR
	    PSREF_INLINE_ARM("%%rax")
	    "cmpq $0, %c[guard](%[object])\n"
	    "jne %l[otherwise]\n"
	    PSREF_INLINE_STEP
	    "movl %%fs:4(%[area]), %%eax\n"
	    "cmpl %c[limit](%[words]), %%eax\n"
	    "jae %l[otherwise]\n"
	    "shlq %[shift], %%rax\n"
	    "addq %c[cells](%[object]), %%rax\n"
	    PSREF_INLINE_STEP
	    "addq %[n], (%%rax)\n"
	    "34:\n"
	    PSREF_INLINE_ABORT("jmp %l[otherwise]")
	    :
	    : [area] "r"(area), [words] "r"(words), [object] "r"(object), [n] "er"(n),
	      [guard] "i"(PSREF_INLINE_COUNT_GUARD), [cells] "i"(PSREF_INLINE_COUNT_CELLS), [limit] "i"(PSREF_INLINE_CPU_LIMIT), [shift] "i"(PSREF_INLINE_STRIPE_SHIFT)
	    : "rax", "memory", "cc"
	    : otherwise);
	return true;
otherwise:
	return false;
}

#endif /* PSREF_INLINED */

#endif /* PSREF_INLINE_SECTION_H */
