/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Handlers of interrupts that cannot be kept out. */
#ifndef NMI_H
#define NMI_H

#include <sys/types.h>

struct trapframe;
typedef struct nmi_handler nmi_handler_t;

void nmi_init(void);
void nmi_fini(void);
nmi_handler_t *nmi_establish(int (*)(const struct trapframe *, void *), void *);
bool nmi_disestablish(nmi_handler_t *);
int nmi_dispatch(const struct trapframe *);

#endif
