// SPDX-License-Identifier: MIT OR Apache-2.0
// The figures for other programs: one object of facts, series with the median of each round, and targets. A round in which
// a series was not measured is null.
#include "bench.h"

#include <math.h>

static void number(FILE *file, const char *name, double value)
{
	if (name != NULL)
		fprintf(file, "\"%s\": ", name);
	if (isnan(value))
		fprintf(file, "null");
	else
		fprintf(file, "%.9g", value);
}

static void text(FILE *file, const char *name, const char *value)
{
	fprintf(file, "\"%s\": \"", name);
	for (; *value != '\0'; value++) {
		if (*value == '"' || *value == '\\')
			fputc('\\', file);
		if ((unsigned char)*value >= ' ')
			fputc(*value, file);
	}
	fprintf(file, "\"");
}

static void spread(FILE *file, const char *name, struct spread s)
{
	fprintf(file, "\"%s\": {", name);
	number(file, "q1", s.q1), fprintf(file, ", ");
	number(file, "median", s.median), fprintf(file, ", ");
	number(file, "q3", s.q3), fprintf(file, "}");
}

static void write_series(FILE *file, const struct series *s)
{
	fprintf(file, "    {"), text(file, "name", s->name);
	fprintf(file, ", \"threads\": %u, \"samples\": %zu, ", s->threads, s->sample_count);
	spread(file, "ns", spread_of(s->samples, s->sample_count)), fprintf(file, ", ");
	spread(file, "x_floor", ratio_of(s, series_find(FLOOR, 1))), fprintf(file, ", ");
	number(file, "p90_ns", quantile(s->samples, s->sample_count, 0.9)), fprintf(file, ", ");
	number(file, "p99_ns", quantile(s->samples, s->sample_count, 0.99)), fprintf(file, ", ");
	number(file, "max_ns", quantile(s->samples, s->sample_count, 1)), fprintf(file, ",\n     \"rounds_ns\": [");
	for (size_t i = 0; i < s->round_count; i++) {
		fputs(i > 0 ? ", " : "", file);
		number(file, NULL, s->rounds[i]);
	}
	fprintf(file, "]}");
}

// What the library takes, on the CPUs in use and on many.
static void write_footprints(FILE *file, const struct facts *facts)
{
	fprintf(file, "],\n  \"cpus_used\": %u, \"many_cpus\": %d,\n  \"memory\": [\n", cpu_count(), MANY_CPUS);
	for (size_t i = 0; i < facts->footprint_count; i++) {
		const struct footprint *row = &facts->footprints[i];
		fprintf(file, "%s    {", i > 0 ? ",\n" : "");
		text(file, "what", row->what), fprintf(file, ", ");
		number(file, "caller", row->caller), fprintf(file, ", ");
		number(file, "once", row->once), fprintf(file, ", ");
		number(file, "per_cpu", row->cpu), fprintf(file, ", ");
		number(file, "computed", footprint_on(row, cpu_count())), fprintf(file, ", ");
		number(file, "measured", row->measured > 0 ? row->measured : NAN), fprintf(file, ", ");
		number(file, "many", footprint_on(row, MANY_CPUS)), fprintf(file, ", ");
		number(file, "linux_many", row->objects > 0 ? memory_of_linux_pool(row->objects, MANY_CPUS) : NAN);
		fprintf(file, "}");
	}
}

// What the series are, in the order of the tables.
static void write_tables(FILE *file)
{
	fprintf(file, "\n  ],\n  \"contestants\": [\n");
	for (size_t i = 0; i < contestant_count; i++) {
		const struct contestant *c = &contestants[i];
		static const char *const jobs[] = { "look", "hold", "take", "take 8", "bulk" };
		const char *job = "";
		fprintf(file, "%s    {", i > 0 ? ",\n" : ""), text(file, "name", c->name), fprintf(file, ", \"jobs\": [");
		for (size_t j = 0; j < COUNT(jobs); j++)
			if (c->what & 1u << j)
				fprintf(file, "%s\"%s\"", job, jobs[j]), job = ", ";
		fprintf(file, "], \"ours\": %s, \"inline\": %s, \"counted\": %s}", c->what & IS_OURS ? "true" : "false",
		        c->what & IS_INLINE ? "true" : "false", c->what & IS_SHOWN ? "false" : "true");
	}
	fprintf(file, "\n  ],\n  \"handers\": [\n");
	for (size_t i = 0; i < hander_count; i++) {
		fprintf(file, "%s    {", i > 0 ? ",\n" : ""), text(file, "name", handers[i].name), fprintf(file, ", ");
		text(file, "both_ways", handers[i].both_ways != NULL ? handers[i].both_ways : ""), fprintf(file, "}");
	}
	fprintf(file, "\n  ],\n  \"destroyers\": [");
	for (size_t i = 0; i < destroyer_count; i++) {
		fprintf(file, "%s", i > 0 ? ", " : "");
		fprintf(file, "{"), text(file, "name", destroyers[i].name), fprintf(file, "}");
	}
	fprintf(file, "],\n  \"scaling\": [\n");
	for (size_t i = 0; scaled_at(i) != NULL; i++) {
		const struct scaled *scaled = scaled_at(i);
		fprintf(file, "%s    {", i > 0 ? ",\n" : ""), text(file, "what", scaled->what);
		fprintf(file, ", \"holds\": %u, ", crowds_of_holds[scaled->crowd]), text(file, "series", scaled->name);
		fprintf(file, "}");
	}
	fprintf(file, "\n  ");
}

void json_write(FILE *file, const struct facts *facts)
{
	struct target targets[TARGETS_MOST];
	fprintf(file, "{\n  \"facts\": {");
	text(file, "psref", facts->version), fprintf(file, ", ");
	text(file, "backend", facts->backend), fprintf(file, ", ");
	text(file, "cpu", facts->cpu), fprintf(file, ", ");
	text(file, "kernel", facts->kernel), fprintf(file, ", ");
	text(file, "glibc", facts->libc), fprintf(file, ", ");
	text(file, "cpus", facts->cpus), fprintf(file, ", ");
	text(file, "governor", facts->governor), fprintf(file, ", ");
	text(file, "siblings", facts->siblings), fprintf(file, ", ");
	text(file, "date", facts->date), fprintf(file, ", ");
	text(file, "peers", facts->peers), fprintf(file, ", ");
	fprintf(file, "\"pinned\": %s, ", cpu_pinned() ? "true" : "false");
	number(file, "load_before", facts->load[0]), fprintf(file, ", ");
	number(file, "load_after", facts->load[1]), fprintf(file, ", ");
	number(file, "localcount_bytes", facts->localcount_bytes);
	fprintf(file, "},\n  \"pools\": [");
	for (size_t i = 0; i < POOL_SIZES; i++) {
		const struct pool_memory *m = &facts->pools[i];
		fprintf(file, "%s{\"objects\": %zu, \"cpus\": %zu, ", i > 0 ? ", " : "", m->objects, m->cpus);
		number(file, "bytes", m->bytes), fprintf(file, ", ");
		number(file, "limit", m->limit), fprintf(file, ", ");
		number(file, "linux_bytes", m->linux_bytes), fprintf(file, "}");
	}
	write_footprints(file, facts);
	write_tables(file);
	fprintf(file, "],\n  \"series\": [\n");
	for (size_t i = 0; series_at(i) != NULL; i++) {
		fputs(i > 0 ? ",\n" : "", file);
		write_series(file, series_at(i));
	}
	fprintf(file, "\n  ],\n  \"first_use_repinned\": %u,\n  \"targets\": [\n", first_use_repinned());
	size_t count = targets_read(targets, facts);
	for (size_t i = 0; i < count; i++) {
		fprintf(file, "%s    {", i > 0 ? ",\n" : "");
		text(file, "name", targets[i].text), fprintf(file, ", ");
		number(file, targets[i].at_least ? "at_least" : "limit", targets[i].limit), fprintf(file, ", ");
		spread(file, "seen", targets[i].seen), fprintf(file, "}");
	}
	fprintf(file, "\n  ],\n  \"left_out\": [");
	const char *between = "";
	for (size_t i = 0; i < contestant_count; i++)
		if (contestants[i].op == NULL) {
			fputs(between, file);
			fprintf(file, "{"), text(file, "name", contestants[i].name), fprintf(file, ", ");
			text(file, "needs", contestants[i].needs), fprintf(file, "}");
			between = ", ";
		}
	fprintf(file, "]\n}\n");
}
