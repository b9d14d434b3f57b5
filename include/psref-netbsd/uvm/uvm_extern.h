/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* NetBSD's <uvm/uvm_extern.h>, of which there are pages here and no more: sources take it in for what comes with it. */
#ifndef PSREF_NETBSD_UVM_UVM_EXTERN_H
#define PSREF_NETBSD_UVM_UVM_EXTERN_H

#include <sys/kmem.h>
#include <sys/mutex.h>
#include <sys/param.h>
#include <sys/systm.h>

#ifndef PAGE_SHIFT
#define PAGE_SHIFT 12
#endif
#ifndef PAGE_SIZE
#define PAGE_SIZE (1ul << PAGE_SHIFT)
#endif
#ifndef PAGE_MASK
#define PAGE_MASK (PAGE_SIZE - 1)
#endif
#ifndef trunc_page
#define trunc_page(address) ((paddr_t)(address) & ~PAGE_MASK)
#endif
#ifndef round_page
#define round_page(address) (((paddr_t)(address) + PAGE_MASK) & ~PAGE_MASK)
#endif
#ifndef atop
#define atop(address) ((unsigned long)(address) >> PAGE_SHIFT)
#endif
#ifndef ptoa
#define ptoa(pages) ((paddr_t)(pages) << PAGE_SHIFT)
#endif

#endif
