/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Linux's <linux/types.h> on top of the system's. Its other headers take this in: types alone. */
#pragma GCC system_header
#include_next <linux/types.h>

#ifndef PSREF_LINUX_TYPES_H
#define PSREF_LINUX_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;

/** How memory is allocated: GFP_*, in <linux/gfp.h>. */
typedef unsigned int gfp_t;

/** Numbers that <linux/atomic.h> changes. */
typedef struct {
	int counter;
} atomic_t;
typedef struct {
	long counter;
} atomic_long_t;
typedef struct {
	s64 counter;
} atomic64_t;

#endif
