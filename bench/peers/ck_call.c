// SPDX-License-Identifier: MIT OR Apache-2.0
// Built into a shared library of its own: see ck.c.
#include <ck_epoch.h>
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
