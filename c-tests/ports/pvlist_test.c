// SPDX-License-Identifier: MIT OR Apache-2.0
#include "pvlist.h"

#include "driver.h"

enum { PAGE = 4096, PAGES = 4, RANGES = 8 };

static void looks(struct pmap_page *page, void *unused)
{
	(void)unused;
	// Zero as it was allocated; 0xa5.. once it is gone.
	CHECK(page->owner == NULL && page->next == NULL);
}

static paddr_t range(unsigned n)
{
	return (paddr_t)(n + 1) * PAGE * PAGES;
}

static void a_page_is_found_while_it_is_tracked(void)
{
	pvlist_init();
	CHECK(pvlist_track(range(0), PAGE * PAGES));
	CHECK(pvlist_track(range(1), PAGE));
	CHECK(!pvlist_track(range(0) + PAGE, PAGE));
	CHECK(pvlist_find(range(0)) != NULL && pvlist_find(range(0) - 1) == NULL);
	CHECK(pvlist_find(range(0) + PAGE * PAGES - 1) == pvlist_find(range(0)) + PAGES - 1);
	CHECK_EQ(pvlist_protect(range(1) + 17, looks, NULL), 1);
	CHECK_EQ(pvlist_protect(range(1) + PAGE, looks, NULL), 0);
	pvlist_untrack(range(0), PAGE * PAGES);
	CHECK(pvlist_find(range(0)) == NULL);
	pvlist_untrack(range(1), PAGE);
	pvlist_fini();
}

static unsigned long protects(unsigned who)
{
	unsigned long found = 0;
	for (unsigned n = who; !over(); n++) {
		found += pvlist_protect(range(n % RANGES) + n % PAGES * PAGE, looks, NULL);
		under_way();
	}
	return found;
}

static unsigned long tracks(unsigned who)
{
	unsigned turns = test_turns(2000);
	for (unsigned turn = 0; turn < turns; turn++) {
		unsigned n = (turn * 2 + who) % RANGES;
		CHECK(pvlist_track(range(n), PAGE * PAGES));
		CHECK(!pvlist_track(range(n), PAGE * PAGES));
		pvlist_untrack(range(n), PAGE * PAGES);
	}
	return turns;
}

static void untracked_pages_may_be_freed(void)
{
	pvlist_init();
	CHECK(pvlist_track(range(RANGES), PAGE));
	meanwhile(protects, 4, tracks, 2);
	pvlist_untrack(range(RANGES), PAGE);
	pvlist_fini();
}

TEST_MAIN(TEST(a_page_is_found_while_it_is_tracked), TEST(untracked_pages_may_be_freed))
