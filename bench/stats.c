// SPDX-License-Identifier: MIT OR Apache-2.0
// Series and their medians.
#include "bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM = 64 };

static struct series all[SERIES_MOST];
static size_t all_count;

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double *grown(double *values, size_t count, size_t more)
{
	values = (double *)realloc(values, (count + more) * sizeof *values);
	if (values == NULL)
		die("out of memory");
	return values;
}

// The numbers among the values, sorted.
static double *sorted(const double *values, size_t count, size_t *numbers)
{
	double *copy = grown(NULL, count, 1);
	*numbers = 0;
	for (size_t i = 0; i < count; i++)
		if (!isnan(values[i]))
			copy[(*numbers)++] = values[i];
	qsort(copy, *numbers, sizeof *copy, compare);
	return copy;
}

// Between two values: in proportion.
static double at(const double *values, size_t count, double q)
{
	if (count == 0)
		return NAN;
	double place = q * (double)(count - 1);
	size_t below = (size_t)place, above = below + 1 < count ? below + 1 : below;
	return values[below] + (values[above] - values[below]) * (place - (double)below);
}

double quantile(const double *values, size_t count, double q)
{
	size_t numbers;
	double *copy = sorted(values, count, &numbers), answer = at(copy, numbers, q);
	free(copy);
	return answer;
}

struct spread spread_of(const double *values, size_t count)
{
	size_t numbers;
	double *copy = sorted(values, count, &numbers);
	struct spread spread = { at(copy, numbers, 0.25), at(copy, numbers, 0.5), at(copy, numbers, 0.75), numbers };
	free(copy);
	return spread;
}

struct series *series_add(const char *name, unsigned threads, unsigned every,
                          size_t (*take)(struct series *, double *, size_t), void *what)
{
	if (all_count == SERIES_MOST)
		die("more than %d series", SERIES_MOST);
	struct series *series = &all[all_count++];
	*series = (struct series){ .name = name, .threads = threads, .every = every, .take = take, .what = what };
	return series;
}

struct series *series_find(const char *name, unsigned threads)
{
	for (size_t i = 0; i < all_count; i++)
		if (all[i].threads == threads && strcmp(all[i].name, name) == 0)
			return &all[i];
	return NULL;
}

struct series *series_at(size_t i)
{
	return i < all_count ? &all[i] : NULL;
}

static void end_round(struct series *series, double median)
{
	series->rounds = grown(series->rounds, series->round_count, 1);
	series->rounds[series->round_count++] = median;
}

void series_measure(struct series *series)
{
	series->samples = grown(series->samples, series->sample_count, ROOM);
	double *samples = series->samples + series->sample_count;
	size_t count = series->take(series, samples, ROOM);
	series->sample_count += count;
	end_round(series, quantile(samples, count, 0.5));
}

void series_put(struct series *series, double sample)
{
	series->samples = grown(series->samples, series->sample_count, 1);
	series->samples[series->sample_count++] = sample;
}

void series_skip(struct series *series)
{
	end_round(series, NAN);
}

struct spread ratio_of(const struct series *series, const struct series *base)
{
	struct spread none = { NAN, NAN, NAN, 0 };
	if (series == NULL || base == NULL)
		return none;
	size_t count = series->round_count < base->round_count ? series->round_count : base->round_count;
	double *ratios = grown(NULL, count, 1);
	for (size_t i = 0; i < count; i++)
		ratios[i] = series->rounds[i] / base->rounds[i]; // NaN if either is
	struct spread spread = spread_of(ratios, count);
	free(ratios);
	return spread;
}
