/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* NetBSD's <uvm/uvm.h>: <uvm/uvm_extern.h>. */
#ifndef PSREF_NETBSD_UVM_UVM_H
#define PSREF_NETBSD_UVM_UVM_H

#include <uvm/uvm_extern.h>

#endif
