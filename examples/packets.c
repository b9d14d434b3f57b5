/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * packets: packet buffers between a producer and many consumers, as in a network driver: a fixed stock, taken in bulk as a ring
 * is filled, given back in bulk once the packets are dealt with, by whatever thread had them last.
 *
 * Each buffer lies on the NUMA node of its home CPU, and what a CPU gave back last it gets first, warm. Where the stock is empty
 * the producer drops packets instead of asking for memory.
 *
 *   receive	objpool_pop_bulk()	buffers for a burst of packets
 *   deliver	a queue a consumer, of one producer and one consumer
 *   done	objpool_push_bulk()	on the consumer's CPU
 *
 * Every buffer says who has it, and every packet is summed up on both sides, so it is a test as well.
 */
#define _POSIX_C_SOURCE 200809L

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <psref/objpool.h>

enum { BURST = 32, QUEUE = 256, STOCK = 1024, PAYLOAD = 1500 };
enum { FREE = 0x0ff, RECEIVED = 0x4ec };

struct buffer {
	atomic_uint state;		/* FREE: the pool's */
	unsigned length;
	uint64_t number;		/* of the packet */
	unsigned char payload[PAYLOAD];
};

struct consumer {
	pthread_t thread;
	unsigned long packets, bytes, sum;
	/* One producer, one consumer: each index has one writer. */
	_Alignas(128) atomic_uint head;
	_Alignas(128) atomic_uint tail;
	struct buffer *queue[QUEUE];
};

static struct objpool_head pool;
static atomic_bool stopping;
static unsigned released;

static void
change(struct buffer *b, unsigned from, unsigned to)
{
	if (atomic_exchange(&b->state, to) != from)
		abort();	/* a buffer in two hands */
}

static int
buffer_init(void *obj, void *context)
{
	struct buffer *b = obj;

	(void)context;
	atomic_init(&b->state, FREE);
	return 0;
}

static int
pool_released(struct objpool_head *head, void *context)
{
	(void)head;
	++*(unsigned *)context;
	return 0;
}

static void
nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 20000 }, NULL);
}

/* What a card would do: a packet of some length, written where the driver has told it to. */
static void
receive(struct buffer *b, uint64_t number, unsigned r)
{
	change(b, FREE, RECEIVED);
	b->number = number;
	b->length = 64 + r % (PAYLOAD - 64);
	memset(b->payload, (int)(number & 0xff), 64);
}

static void *
consume(void *arg)
{
	struct consumer *c = arg;
	void *done[BURST];

	for (;;) {
		const bool last = atomic_load(&stopping);
		const unsigned tail = atomic_load_explicit(&c->tail, memory_order_relaxed);
		unsigned n = atomic_load_explicit(&c->head, memory_order_acquire) - tail;

		if (n == 0) {
			if (last)
				return NULL;	/* nothing came after the producer had stopped */
			nap();
			continue;
		}
		if (n > BURST)
			n = BURST;
		for (unsigned i = 0; i < n; i++) {
			struct buffer *b = c->queue[(tail + i) % QUEUE];

			for (unsigned k = 0; k < 64; k++)
				if (b->payload[k] != (b->number & 0xff))
					abort();	/* somebody else's packet */
			c->bytes += b->length;
			c->sum += b->number;
			change(b, RECEIVED, FREE);
			done[i] = b;
		}
		c->packets += n;
		atomic_store_explicit(&c->tail, tail + n, memory_order_release);
		if (objpool_push_bulk(done, n, &pool) != 0)
			abort();
	}
}

/* True where the consumer's queue has room for all of them; else it has taken none. */
static bool
deliver(struct consumer *c, void *const *burst, unsigned n)
{
	const unsigned head = atomic_load_explicit(&c->head, memory_order_relaxed);

	if (head - atomic_load_explicit(&c->tail, memory_order_acquire) + n > QUEUE)
		return false;
	for (unsigned i = 0; i < n; i++)
		c->queue[(head + i) % QUEUE] = burst[i];
	atomic_store_explicit(&c->head, head + n, memory_order_release);
	return true;
}

int
main(int argc, char **argv)
{
	unsigned threads = 4, seconds = 3;
	uint64_t seed = 7;
	unsigned long received = 0, bytes = 0, sum = 0, full = 0, dropped = 0;
	int option;

	while ((option = getopt(argc, argv, "s:t:")) != -1) {
		const unsigned n = option == '?' ? 0 : (unsigned)strtoul(optarg, NULL, 10);

		if (n < 1 || n > 1024) {
			fprintf(stderr, "usage: packets [-s SECONDS] [-t THREADS]      (1 to 1024 each)\n");
			return 2;
		}
		*(option == 's' ? &seconds : &threads) = n;
	}

	struct consumer *consumers = aligned_alloc(128, threads * sizeof *consumers);
	if (consumers == NULL || objpool_init(&pool, STOCK, sizeof(struct buffer), 0, &released, buffer_init, pool_released) != 0)
		return 1;
	memset(consumers, 0, threads * sizeof *consumers);
	for (unsigned i = 0; i < threads; i++)
		if (pthread_create(&consumers[i].thread, NULL, consume, &consumers[i]) != 0)
			return 1;

	for (const time_t end = time(NULL) + (time_t)seconds; time(NULL) < end;) {
		void *burst[BURST];
		const unsigned r = (unsigned)((seed = seed * 6364136223846793005U + 1442695040888963407U) >> 33);
		const unsigned want = 1 + r % BURST;
		const unsigned n = (unsigned)objpool_pop_bulk(&pool, burst, want);

		full += want - n;		/* no buffers: the card would have dropped these */
		for (unsigned i = 0; i < n; i++)
			receive(burst[i], received + i, r >> i % 16);
		if (deliver(&consumers[r / BURST % threads], burst, n)) {
			for (const unsigned long end_of_burst = received + n; received < end_of_burst;)
				sum += received++;
			continue;
		}
		dropped += n;			/* that consumer is late */
		for (unsigned i = 0; i < n; i++) {
			change(burst[i], RECEIVED, FREE);
			if (objpool_push(burst[i], &pool) != 0)
				return 1;
		}
		nap();
	}

	atomic_store(&stopping, true);
	unsigned long packets = 0, consumed = 0;
	for (unsigned i = 0; i < threads; i++) {
		pthread_join(consumers[i].thread, NULL);
		packets += consumers[i].packets;
		bytes += consumers[i].bytes;
		consumed += consumers[i].sum;
	}
	free(consumers);

	/* Every packet came through, and every buffer is back, once. */
	struct objpool_stats stats;
	unsigned back = 0;

	objpool_stats(&pool, -1, &stats);
	for (struct buffer *b; (b = objpool_pop(&pool)) != NULL; back++)
		change(b, FREE, RECEIVED);
	objpool_free(&pool);
	printf("%lu packets, %.1f MB; dropped: %lu for want of a buffer, %lu as a consumer was late\n", packets, (double)bytes / 1e6,
	    full, dropped);
	printf("pool: %llu misses, %llu batches from depots, %llu to depots, %llu objects recalled; %u of %d buffers back\n",
	    (unsigned long long)stats.misses, (unsigned long long)stats.depot_pops, (unsigned long long)stats.depot_pushes,
	    (unsigned long long)stats.recalls, back, STOCK);
	return packets == received && consumed == sum && packets > 0 && back == STOCK && released == 1 ? 0 : 1;
}
