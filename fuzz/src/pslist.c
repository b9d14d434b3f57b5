// SPDX-License-Identifier: MIT OR Apache-2.0
// Lists, as functions for the fuzz target of pserialize.
#include <psref/pslist.h>

struct element {
	int value;
	struct pslist_entry link;
};

void fuzz_list_init(struct pslist_head *head) { PSLIST_INIT(head); }
void fuzz_list_destroy(struct pslist_head *head) { PSLIST_DESTROY(head); }
void fuzz_element_init(struct element *e, int value)
{
	e->value = value;
	PSLIST_ENTRY_INIT(e, link);
}
void fuzz_element_destroy(struct element *e) { PSLIST_ENTRY_DESTROY(e, link); }
void fuzz_insert_head(struct pslist_head *head, struct element *e) { PSLIST_WRITER_INSERT_HEAD(head, e, link); }
void fuzz_insert_before(struct element *at, struct element *e) { PSLIST_WRITER_INSERT_BEFORE(at, e, link); }
void fuzz_insert_after(struct element *at, struct element *e) { PSLIST_WRITER_INSERT_AFTER(at, e, link); }
void fuzz_remove(struct element *e) { PSLIST_WRITER_REMOVE(e, link); }

/* Values of the first n elements, as readers see them; returns how many there are. */
int fuzz_read(struct pslist_head *head, int *values, int n)
{
	struct element *e;
	int i = 0;
	PSLIST_READER_FOREACH(e, head, struct element, link) {
		if (i < n)
			values[i] = e->value;
		i++;
	}
	return i;
}

/* The same, as writers do. */
int fuzz_walk(struct pslist_head *head, int *values, int n)
{
	struct element *e;
	int i = 0;
	PSLIST_WRITER_FOREACH(e, head, struct element, link) {
		if (i < n)
			values[i] = e->value;
		i++;
	}
	return i;
}

/* What a reader that stands at an element meets next; 0: the end. */
int fuzz_next(struct element *e)
{
	struct element *next = PSLIST_READER_NEXT(e, struct element, link);
	return next != 0 ? next->value : 0;
}
