/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Linux's <linux/gfp.h>: how memory is allocated. Nothing depends on them here but what __GFP_ZERO says; the numbers
 * are those of Linux 6.15 in so far as GFP_ATOMIC shares a bit with GFP_KERNEL.
 */
#ifndef PSREF_LINUX_GFP_H
#define PSREF_LINUX_GFP_H

#include <linux/types.h>

#ifndef GFP_KERNEL
#define __GFP_HIGH ((gfp_t)0x20u)
#define __GFP_IO ((gfp_t)0x40u)
#define __GFP_FS ((gfp_t)0x80u)
#define __GFP_ZERO ((gfp_t)0x100u)
#define __GFP_DIRECT_RECLAIM ((gfp_t)0x400u)
#define __GFP_KSWAPD_RECLAIM ((gfp_t)0x800u)
#define __GFP_NOWARN ((gfp_t)0x2000u)
#define __GFP_RECLAIM (__GFP_DIRECT_RECLAIM | __GFP_KSWAPD_RECLAIM)
#define GFP_ATOMIC (__GFP_HIGH | __GFP_KSWAPD_RECLAIM)
#define GFP_KERNEL (__GFP_RECLAIM | __GFP_IO | __GFP_FS)
#define GFP_NOWAIT (__GFP_KSWAPD_RECLAIM | __GFP_NOWARN)
#define GFP_NOIO __GFP_RECLAIM
#define GFP_NOFS (__GFP_RECLAIM | __GFP_IO)
#define GFP_USER GFP_KERNEL
#endif

#endif
