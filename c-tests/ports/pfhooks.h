/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Hooks that look at every packet of an interface, in both directions, and at changes of its addresses. */
#ifndef PFHOOKS_H
#define PFHOOKS_H

#include <sys/types.h>

#define PFIL_IN 0x1
#define PFIL_OUT 0x2
#define PFIL_IFADDR 0x4
#define PFIL_ALL (PFIL_IN | PFIL_OUT)

struct packet;
struct interface;

typedef int (*pfil_func_t)(void *, struct packet **, struct interface *, int);
typedef void (*pfil_polyfunc_t)(void *, unsigned long, void *);

typedef struct pfil_head pfil_head_t;

void pfil_init(void);
void pfil_fini(void);
pfil_head_t *pfil_head_create(int, void *);
void pfil_head_destroy(pfil_head_t *);
pfil_head_t *pfil_head_get(int, void *);
int pfil_add_hook(pfil_func_t, void *, int, pfil_head_t *);
int pfil_remove_hook(pfil_func_t, void *, int, pfil_head_t *);
int pfil_add_ihook(pfil_polyfunc_t, void *, int, pfil_head_t *);
int pfil_remove_ihook(pfil_polyfunc_t, void *, int, pfil_head_t *);
int pfil_run_hooks(pfil_head_t *, struct packet **, struct interface *, int);
void pfil_run_addrhooks(pfil_head_t *, unsigned long, void *);

#endif
