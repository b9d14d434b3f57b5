// SPDX-License-Identifier: MIT OR Apache-2.0
// The ring of Linux's objpool, restated from its contract: every CPU has a slot, a ring with room for all objects; a push goes to
// the slot of the CPU it runs on, a pop takes from there and then looks at the other CPUs' in turn.
//
//   push  tail: taken by compare-and-swap; the entry written; `last` moved, which shows it to pops
//   pop   head != last: the entry read; head moved by compare-and-swap
//
// What differs from the kernel, where interrupts are off inside, so that each slot has one pusher at a time:
//
// * A pusher here may lose its CPU between tail and last. So `last` is moved in order: whoever comes next waits for the other,
//   and gives its CPU to it. That also means that no signal handler may push (one that interrupts a push on the same slot
//   would wait for ever), and that an object can be in the pool and in no pop's sight.
// * The CPU may be another one by the time that the slot is used. That is harmless: all of it is atomic.
// * 64-bit sequence numbers: a thread may sleep for as long as 32 bits take to come round.
// * Turning interrupts off and on, which the kernel does in each, is not here; nor is the call: these are inline, as they are there.
#include "stock.h"

#include <stdlib.h>
#include <unistd.h>
#if __has_include(<sys/rseq.h>)
#include <sys/rseq.h>
#endif

struct slot {
	_Alignas(64) uint64_t head, tail, last;
	uint64_t mask;
	void *entries[];
};

struct ring {
	size_t objects, cpus;
	char *memory;
	struct slot *slots[];
};

// The kernel reads it from a register; so does this where the C library lets it.
static inline size_t cpu_here(const struct ring *ring)
{
#ifdef RSEQ_SIG
	const char *thread = (const char *)__builtin_thread_pointer();
	int cpu = (int)((const volatile struct rseq *)(thread + __rseq_offset))->cpu_id;
	if (__rseq_size == 0)
		cpu = sched_getcpu();
#else
	int cpu = sched_getcpu();
#endif
	return cpu >= 0 && (size_t)cpu < ring->cpus ? (size_t)cpu : 0;
}

static inline void *pop_slot(const struct ring *ring, struct slot *slot)
{
	uint64_t head = __atomic_load_n(&slot->head, __ATOMIC_ACQUIRE), last;
	while ((last = __atomic_load_n(&slot->last, __ATOMIC_ACQUIRE)) != head) {
		// More than there are objects: the head was read long before the last.
		if (last - head - 1 >= ring->objects) {
			head = __atomic_load_n(&slot->head, __ATOMIC_ACQUIRE);
			continue;
		}
		void *object = __atomic_load_n(&slot->entries[head & slot->mask], __ATOMIC_RELAXED);
		if (__atomic_compare_exchange_n(&slot->head, &head, head + 1, false, __ATOMIC_RELEASE, __ATOMIC_ACQUIRE))
			return object;
	}
	return NULL;
}

static inline void *ring_pop(const struct ring *ring)
{
	size_t cpu = cpu_here(ring);
	for (size_t i = 0; i < ring->cpus; i++) {
		void *object = pop_slot(ring, ring->slots[cpu]);
		if (object != NULL)
			return object;
		cpu = cpu + 1 < ring->cpus ? cpu + 1 : 0;
	}
	return NULL;
}

static inline void push_slot(struct slot *slot, void *object)
{
	uint64_t tail = __atomic_load_n(&slot->tail, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(&slot->tail, &tail, tail + 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		continue;
	__atomic_store_n(&slot->entries[tail & slot->mask], object, __ATOMIC_RELAXED);
	while (__atomic_load_n(&slot->last, __ATOMIC_RELAXED) != tail)
		sched_yield();
	__atomic_store_n(&slot->last, tail + 1, __ATOMIC_RELEASE);
}

static inline void ring_push(void *object, const struct ring *ring)
{
	push_slot(ring->slots[cpu_here(ring)], object);
}

static size_t capacity_of(size_t objects)
{
	size_t capacity = 1;
	while (capacity < objects)
		capacity *= 2;
	return capacity;
}

// Each CPU's share of the objects in its slot.
static void *setup(void)
{
	size_t cpus = (size_t)sysconf(_SC_NPROCESSORS_CONF), objects = stock_objects(), capacity = capacity_of(objects);
	size_t bytes = (sizeof(struct slot) + capacity * sizeof(void *) + 127) / 128 * 128;
	struct ring *ring = (struct ring *)malloc(sizeof *ring + cpus * sizeof ring->slots[0]);
	if (ring == NULL || (ring->memory = (char *)malloc(objects * OBJECT_BYTES)) == NULL)
		die("out of memory");
	ring->cpus = cpus;
	ring->objects = objects;
	for (size_t cpu = 0; cpu < cpus; cpu++) {
		struct slot *slot = (struct slot *)aligned_alloc(128, bytes);
		if (slot == NULL)
			die("out of memory");
		slot->head = slot->tail = slot->last = 0;
		slot->mask = capacity - 1;
		ring->slots[cpu] = slot;
	}
	for (size_t i = 0; i < objects; i++)
		push_slot(ring->slots[i % cpus], ring->memory + i * OBJECT_BYTES);
	return ring;
}

static void teardown(void *state)
{
	struct ring *ring = (struct ring *)state;
	size_t n = 0;
	while (ring_pop(ring) != NULL)
		n++;
	if (n != ring->objects)
		die("a ring of %zu objects ended with %zu", ring->objects, n);
	for (size_t cpu = 0; cpu < ring->cpus; cpu++)
		free(ring->slots[cpu]);
	free(ring->memory);
	free(ring);
}

const struct kind ring_kind = { .setup = setup, .teardown = teardown, .stock = true };

STOCK(ring, struct ring *, ring_pop(stock), ring_push(object, stock))

// What Linux's pool takes besides its objects: the head, an address a CPU, and every CPU's slot, which has 32-bit numbers.
double memory_of_linux_pool(size_t objects, size_t cpus)
{
	return (double)(56 + cpus * (8 + 16 + 8 * capacity_of(objects)));
}
