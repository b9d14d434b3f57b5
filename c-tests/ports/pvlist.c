/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* In the idiom of NetBSD's tracking of unmanaged pages. */
#include <sys/cdefs.h>
__KERNEL_RCSID(0, "pvlist.c");

#include <sys/param.h>
#include <sys/atomic.h>
#include <sys/kmem.h>
#include <sys/pserialize.h>

#include <uvm/uvm.h>

#include "pvlist.h"

/* Pages from pvt_start on; behind this their structures. */
struct pvt {
	struct pvt *pvt_next;
	paddr_t pvt_start;
	psize_t pvt_size;
	struct pmap_page pvt_pages[];
};

static struct {
	kmutex_t lock;
	pserialize_t psz;
	struct pvt *list;
} pvts __cacheline_aligned;

static size_t
pvt_bytes(psize_t size)
{

	return offsetof(struct pvt, pvt_pages) + atop(size) * sizeof(struct pmap_page);
}

void
pvlist_init(void)
{

	mutex_init(&pvts.lock, MUTEX_DEFAULT, IPL_VM);
	pvts.psz = pserialize_create();
}

void
pvlist_fini(void)
{

	KASSERT(pvts.list == NULL);
	pserialize_destroy(pvts.psz);
	mutex_destroy(&pvts.lock);
}

/* False: some of it is tracked already. */
bool
pvlist_track(paddr_t start, psize_t size)
{
	struct pvt *pvt, *other;

	ASSERT_SLEEPABLE();
	KASSERTMSG(start == trunc_page(start), "start 0x%" PRIxPTR " is within a page", (uintptr_t)start);
	KASSERTMSG(size == trunc_page(size) && size != 0, "size 0x%" PRIxPTR, (uintptr_t)size);

	pvt = kmem_zalloc(pvt_bytes(size), KM_SLEEP);
	pvt->pvt_start = start;
	pvt->pvt_size = size;

	mutex_enter(&pvts.lock);
	for (other = pvts.list; other != NULL; other = other->pvt_next) {
		if (start < other->pvt_start + other->pvt_size && other->pvt_start < start + size)
			break;
	}
	if (other == NULL) {
		pvt->pvt_next = pvts.list;
		atomic_store_release(&pvts.list, pvt);
	}
	mutex_exit(&pvts.lock);
	if (other != NULL) {
		kmem_free(pvt, pvt_bytes(size));
		return false;
	}
	return true;
}

void
pvlist_untrack(paddr_t start, psize_t size)
{
	struct pvt *pvt, **link;

	ASSERT_SLEEPABLE();
	mutex_enter(&pvts.lock);
	for (link = &pvts.list; (pvt = *link) != NULL; link = &pvt->pvt_next) {
		if (pvt->pvt_start != start)
			continue;
		if (pvt->pvt_size != size)
			panic("pvlist: 0x%lx tracked for 0x%lx bytes, not 0x%lx", start, pvt->pvt_size, size);
		break;
	}
	if (pvt == NULL)
		panic("pvlist: 0x%lx is not tracked", start);
	/* Its own link stays: readers who stand on it go on. */
	atomic_store_relaxed(link, pvt->pvt_next);
	mutex_exit(&pvts.lock);
	pserialize_perform(pvts.psz);

	/* Whoever comes late finds this. */
	explicit_memset(pvt, 0xa5, pvt_bytes(size));
	kmem_free(pvt, pvt_bytes(size));
}

/* Inside a read section, or of what nobody untracks meanwhile. */
struct pmap_page *
pvlist_find(paddr_t address)
{
	struct pvt *pvt;

	for (pvt = atomic_load_consume(&pvts.list); pvt != NULL; pvt = atomic_load_consume(&pvt->pvt_next)) {
		if (pvt->pvt_start <= address && address - pvt->pvt_start < pvt->pvt_size)
			return &pvt->pvt_pages[atop(address - pvt->pvt_start)];
	}
	return NULL;
}

/* Calls a function for the page, and returns for how many it did. */
unsigned
pvlist_protect(paddr_t address, void (*func)(struct pmap_page *, void *), void *argument)
{
	struct pmap_page *page;
	unsigned n = 0;
	int s;

	s = pserialize_read_enter();
	page = pvlist_find(trunc_page(address));
	if (page != NULL) {
		KASSERT(pserialize_in_read_section());
		(*func)(page, argument);
		n++;
	}
	pserialize_read_exit(s);
	return n;
}
