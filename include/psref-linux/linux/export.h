/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Linux's <linux/export.h>: what modules see. In a program the linker does. */
#ifndef PSREF_LINUX_EXPORT_H
#define PSREF_LINUX_EXPORT_H

#ifndef EXPORT_SYMBOL
#define EXPORT_SYMBOL(name) struct psref_linux_export
#endif
#ifndef EXPORT_SYMBOL_GPL
#define EXPORT_SYMBOL_GPL(name) struct psref_linux_export
#endif

#endif
