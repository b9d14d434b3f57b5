/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Functions whose return is noted: each call under way has a node out of its probe's pool, which the probe's end may
 * leave behind.
 */
#ifndef LINUX_RETPROBE_H
#define LINUX_RETPROBE_H

#include <linux/objpool.h>

struct retprobe;
struct retprobe_node;

typedef void (*retprobe_handler_t)(struct retprobe_node *node, void *data, unsigned long ret);

struct retprobe {
	void *data;
	retprobe_handler_t handler;
	struct objpool_head pool;
	/* Called once, when the last node has come back and the probe is gone. */
	void (*gone)(void *data);
};

struct retprobe_node {
	struct retprobe *probe;
	unsigned long frame;
};

struct retprobe *retprobe_alloc(void *data, retprobe_handler_t handler, void (*gone)(void *), int size, int num);
void retprobe_stop(struct retprobe *rp);
void retprobe_free(struct retprobe *rp);
struct retprobe_node *retprobe_try_get(struct retprobe *rp);
void retprobe_recycle(struct retprobe_node *node);
void retprobe_return(struct retprobe_node *node, unsigned long ret);

#endif
