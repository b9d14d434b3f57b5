// SPDX-License-Identifier: MIT OR Apache-2.0
// One word or lock for all threads.
#include "ways.h"

#include <pthread.h>
#include <stdlib.h>

// A line of its own.
struct shared {
	_Alignas(128) long count;
	pthread_mutex_t mutex;
	_Alignas(128) pthread_rwlock_t rwlock;
};

static void *setup(void)
{
	struct shared *shared = (struct shared *)aligned_alloc(128, sizeof *shared);
	if (shared == NULL)
		die("out of memory");
	shared->count = 0;
	pthread_mutex_init(&shared->mutex, NULL);
	pthread_rwlock_init(&shared->rwlock, NULL);
	return shared;
}

static void teardown(void *state)
{
	struct shared *shared = (struct shared *)state;
	if (shared->count != 0)
		die("a shared count ended at %ld", shared->count);
	pthread_rwlock_destroy(&shared->rwlock);
	pthread_mutex_destroy(&shared->mutex);
	free(shared);
}

const struct kind shared_kind = { .setup = setup, .teardown = teardown };

void atomic_pairs(void *state, unsigned long turns)
{
	long *count = &((struct shared *)state)->count;
	while (turns-- > 0) {
		__atomic_add_fetch(count, 1, __ATOMIC_SEQ_CST);
		__atomic_sub_fetch(count, 1, __ATOMIC_SEQ_CST);
	}
}

void mutex_pairs(void *state, unsigned long turns)
{
	struct shared *shared = (struct shared *)state;
	while (turns-- > 0) {
		pthread_mutex_lock(&shared->mutex);
		shared->count++;
		pthread_mutex_unlock(&shared->mutex);
		pthread_mutex_lock(&shared->mutex);
		shared->count--;
		pthread_mutex_unlock(&shared->mutex);
	}
}

// Nobody writes.
void rwlock_pairs(void *state, unsigned long turns)
{
	struct shared *shared = (struct shared *)state;
	while (turns-- > 0) {
		pthread_rwlock_rdlock(&shared->rwlock);
		pthread_rwlock_unlock(&shared->rwlock);
	}
}
