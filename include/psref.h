/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * All of psref. With PSREF_NO_KMUTEX_NAMES defined, only names that begin with the library's prefixes are added.
 */
#ifndef PSREF_H
#define PSREF_H

#include <psref/base.h>
#include <psref/device_gate.h>
#include <psref/kmutex.h>
#include <psref/localcount.h>
#include <psref/lwp.h>
#include <psref/objpool.h>
#include <psref/percpu.h>
#include <psref/pserialize.h>
#include <psref/pslist.h>
#include <psref/psref.h>
#include <psref/retire.h>
#include <psref/stats.h>
#include <psref/xcall.h>

#endif
