/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * NetBSD's <sys/cdefs.h> on top of the system's. Every header of the C library takes this in, so it defines macros
 * alone, none that the system has, and takes in nothing else. NetBSD's __used is missing: <spawn.h> and <regex.h>
 * have members of that name. __unused is a member's name in three headers of Linux: those beside this one put the
 * macro aside.
 */
#pragma GCC system_header
#include_next <sys/cdefs.h>

#ifndef PSREF_NETBSD_SYS_CDEFS_H
#define PSREF_NETBSD_SYS_CDEFS_H

/* Attributes. */
#ifndef __unused
#define __unused __attribute__((__unused__))
#endif
#ifndef __dead
#define __dead __attribute__((__noreturn__))
#endif
#ifndef __packed
#define __packed __attribute__((__packed__))
#endif
#ifndef __aligned
#define __aligned(n) __attribute__((__aligned__(n)))
#endif
#ifndef __section
#define __section(name) __attribute__((__section__(name)))
#endif
#ifndef __noinline
#define __noinline __attribute__((__noinline__))
#endif
#ifndef __pure
#define __pure __attribute__((__pure__))
#endif
#ifndef __constfunc
#define __constfunc __attribute__((__const__))
#endif
#ifndef __returns_twice
#define __returns_twice __attribute__((__returns_twice__))
#endif
#ifndef __printflike
#define __printflike(format, first) __attribute__((__format__(__printf__, format, first)))
#endif
#ifndef __format_arg
#define __format_arg(n) __attribute__((__format_arg__(n)))
#endif
/* Used by assertions alone, which may be compiled out. */
#ifndef __diagused
#define __diagused __unused
#endif
#ifndef __debugused
#define __debugused __unused
#endif

/* Where data lies. Sections of their own help a kernel's image; here the data stays where it is. */
#ifndef CACHE_LINE_SIZE
#define CACHE_LINE_SIZE 64
#endif
#ifndef COHERENCY_UNIT
#define COHERENCY_UNIT 64
#endif
#ifndef __cacheline_aligned
#define __cacheline_aligned __attribute__((__aligned__(COHERENCY_UNIT)))
#endif
#ifndef __read_mostly
#define __read_mostly
#endif
#ifndef __read_frequently
#define __read_frequently
#endif

/* Expressions and statements. */
#ifndef __predict_true
#define __predict_true(condition) __builtin_expect((condition) != 0, 1)
#endif
#ifndef __predict_false
#define __predict_false(condition) __builtin_expect((condition) != 0, 0)
#endif
#ifndef __nothing
#define __nothing ((void)0)
#endif
#ifndef __insn_barrier
#define __insn_barrier() __asm__ __volatile__("" : : : "memory")
#endif
#ifndef __unreachable
#define __unreachable() __builtin_unreachable()
#endif
#ifndef __USE
#define __USE(variable) ((void)(variable))
#endif
#ifndef __arraycount
#define __arraycount(array) (sizeof(array) / sizeof((array)[0]))
#endif
#ifndef __UNCONST
#define __UNCONST(pointer) ((void *)(__UINTPTR_TYPE__)(const void *)(pointer))
#endif
#ifndef __UNVOLATILE
#define __UNVOLATILE(pointer) ((void *)(__UINTPTR_TYPE__)(volatile void *)(pointer))
#endif

/* Bits, and fields named by a mask. */
#ifndef __BIT
#define __BIT(n) ((__UINTMAX_TYPE__)1 << ((n) & 63))
#endif
#ifndef __BITS
#define __BITS(high, low) ((__BIT(high) | (__BIT(high) - 1)) & ~(__BIT(low) - 1))
#endif
#ifndef __LOWEST_SET_BIT
#define __LOWEST_SET_BIT(mask) ((mask) & -(mask))
#endif
#ifndef __SHIFTOUT
#define __SHIFTOUT(x, mask) (((x) & (mask)) / __LOWEST_SET_BIT(mask))
#endif
#ifndef __SHIFTIN
#define __SHIFTIN(x, mask) ((x) * __LOWEST_SET_BIT(mask))
#endif
#ifndef __SHIFTOUT_MASK
#define __SHIFTOUT_MASK(mask) __SHIFTOUT(mask, mask)
#endif

/* What a source says of its origin. A declaration: the semicolon behind it stands outside of every function. */
#ifndef __RCSID
#define __RCSID(text) struct psref_netbsd_rcsid
#endif
#ifndef __KERNEL_RCSID
#define __KERNEL_RCSID(n, text) struct psref_netbsd_rcsid
#endif
#ifndef __COPYRIGHT
#define __COPYRIGHT(text) struct psref_netbsd_rcsid
#endif

#endif
