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
	fprintf(file, "\"pinned\": %s, ", cpu_pinned() ? "true" : "false");
	number(file, "load_before", facts->load[0]), fprintf(file, ", ");
	number(file, "load_after", facts->load[1]), fprintf(file, ", ");
	number(file, "localcount_bytes", facts->localcount_bytes);
	fprintf(file, "},\n  \"series\": [\n");
	for (size_t i = 0; series_at(i) != NULL; i++) {
		fputs(i > 0 ? ",\n" : "", file);
		write_series(file, series_at(i));
	}
	fprintf(file, "\n  ],\n  \"first_use_repinned\": %u,\n  \"targets\": [\n", first_use_repinned());
	size_t count = targets_read(targets);
	for (size_t i = 0; i < count; i++) {
		fprintf(file, "%s    {", i > 0 ? ",\n" : "");
		text(file, "name", targets[i].text), fprintf(file, ", ");
		number(file, "limit", targets[i].limit), fprintf(file, ", ");
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
