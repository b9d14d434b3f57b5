/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Which tunnel a packet belongs to: the one that matches it best. Whether it matches a tunnel says itself, and may
 * sleep for that.
 */
#ifndef ENCAP_H
#define ENCAP_H

#include <sys/types.h>
#include <sys/pslist.h>
#include <sys/psref.h>

typedef int (*encap_match_t)(const void *packet, void *argument);
typedef void (*encap_input_t)(const void *packet, void *argument);

struct encaptab {
	struct pslist_entry chain;
	struct psref_target psref;
	int af;
	encap_match_t match;
	encap_input_t input;
	void *argument;
};

void encap_init(void);
void encap_fini(void);
const struct encaptab *encap_attach(int, encap_match_t, encap_input_t, void *, int *);
int encap_detach(const struct encaptab *);
bool encap_input(int, const void *);
int encap_lock_enter(void);
void encap_lock_exit(void);

#endif
