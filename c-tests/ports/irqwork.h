/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Work that is put off until interrupts may be served, on the CPU where it was. */
#ifndef IRQWORK_H
#define IRQWORK_H

#include <sys/types.h>
#include <sys/queue.h>

struct irq_work {
	volatile unsigned pending;
	SIMPLEQ_ENTRY(irq_work) entry;
	void (*func)(struct irq_work *);
};

int irq_work_sysinit(void);
void irq_work_sysfini(void);
void irq_work_init(struct irq_work *, void (*)(struct irq_work *));
bool irq_work_queue(struct irq_work *);

#endif
