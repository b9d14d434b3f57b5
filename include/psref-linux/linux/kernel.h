/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Linux's <linux/kernel.h> on top of the system's, whose own headers take it in. */
#pragma GCC system_header
#include_next <linux/kernel.h>

#ifndef PSREF_LINUX_KERNEL_H
#define PSREF_LINUX_KERNEL_H

#include <linux/compiler.h>
#include <linux/container_of.h>
#include <linux/errno.h>
#include <linux/printk.h>
#include <linux/types.h>

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#endif

#endif
