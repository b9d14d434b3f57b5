/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Linux's <linux/objpool.h>: object pools, and what comes with it there. */
#ifndef PSREF_LINUX_OBJPOOL_H
#define PSREF_LINUX_OBJPOOL_H

#include <linux/atomic.h>
#include <linux/cpumask.h>
#include <linux/gfp.h>
#include <linux/refcount.h>
#include <linux/smp.h>
#include <linux/types.h>
#include <psref/objpool.h>

#endif
