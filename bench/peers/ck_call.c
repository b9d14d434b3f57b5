// SPDX-License-Identifier: MIT OR Apache-2.0
// Built into a shared library of its own: see ck.c and ck_ring.c.
#include <ck_epoch.h>
#include <ck_ring.h>
#include <stdlib.h>

void *bench_ck_record(void);
void bench_ck_begin(void *record);
void bench_ck_end(void *record);
void bench_ck_synchronize(void *record);

static ck_epoch_t epoch;

__attribute__((constructor)) static void begin(void)
{
	ck_epoch_init(&epoch);
}

void *bench_ck_record(void)
{
	// Larger than it need be, so that no two records share a line.
	ck_epoch_record_t *record = aligned_alloc(128, (sizeof *record + 127) / 128 * 128);
	if (record != NULL)
		ck_epoch_register(&epoch, record, NULL);
	return record;
}

void bench_ck_begin(void *record)
{
	ck_epoch_begin(record, NULL);
}

void bench_ck_end(void *record)
{
	ck_epoch_end(record, NULL);
}

void bench_ck_synchronize(void *record)
{
	ck_epoch_synchronize(record);
}

// ---- rings

void *bench_ck_ring(size_t objects);
void bench_ck_ring_free(void *ring);
void *bench_ck_ring_take(void *ring);
void bench_ck_ring_give(void *ring, void *object);
void *bench_ck_spsc_take(void *ring);
void bench_ck_spsc_give(void *ring, void *object);

struct ring {
	ck_ring_t ring;
	ck_ring_buffer_t buffer[];
};

// Its room is a power of two, and one place of it stays free.
void *bench_ck_ring(size_t objects)
{
	size_t room = 2;
	while (room < objects + 1)
		room *= 2;
	size_t bytes = sizeof(struct ring) + room * sizeof(ck_ring_buffer_t);
	struct ring *ring = aligned_alloc(128, (bytes + 127) / 128 * 128);
	if (ring != NULL)
		ck_ring_init(&ring->ring, room);
	return ring;
}

void bench_ck_ring_free(void *ring)
{
	free(ring);
}

void *bench_ck_ring_take(void *ring)
{
	struct ring *r = ring;
	void *object;
	return ck_ring_dequeue_mpmc(&r->ring, r->buffer, &object) ? object : NULL;
}

void bench_ck_ring_give(void *ring, void *object)
{
	struct ring *r = ring;
	if (!ck_ring_enqueue_mpmc(&r->ring, r->buffer, object))
		abort();
}

void *bench_ck_spsc_take(void *ring)
{
	struct ring *r = ring;
	void *object;
	return ck_ring_dequeue_spsc(&r->ring, r->buffer, &object) ? object : NULL;
}

void bench_ck_spsc_give(void *ring, void *object)
{
	struct ring *r = ring;
	if (!ck_ring_enqueue_spsc(&r->ring, r->buffer, object))
		abort();
}
