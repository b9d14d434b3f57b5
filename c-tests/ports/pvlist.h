/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Pages of devices, and who has mapped each: a list that is followed when a page must be unmapped everywhere. */
#ifndef PVLIST_H
#define PVLIST_H

#include <sys/types.h>

struct pmap_page {
	struct pmap *owner;
	struct pmap_page *next;
};

void pvlist_init(void);
void pvlist_fini(void);
bool pvlist_track(paddr_t, psize_t);
void pvlist_untrack(paddr_t, psize_t);
struct pmap_page *pvlist_find(paddr_t);
unsigned pvlist_protect(paddr_t, void (*)(struct pmap_page *, void *), void *);

#endif
