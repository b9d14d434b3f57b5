/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Linux's <linux/printk.h>: messages, on standard error. */
#ifndef PSREF_LINUX_PRINTK_H
#define PSREF_LINUX_PRINTK_H

#include <stdio.h>

#ifndef pr_fmt
#define pr_fmt(format) format
#endif
#ifndef pr_info
#define printk(...) ((void)fprintf(stderr, __VA_ARGS__))
#define pr_err(...) printk(__VA_ARGS__)
#define pr_warn(...) printk(__VA_ARGS__)
#define pr_info(...) printk(__VA_ARGS__)
#endif
#ifndef KERN_INFO
#define KERN_ERR ""
#define KERN_WARNING ""
#define KERN_INFO ""
#endif

#endif
