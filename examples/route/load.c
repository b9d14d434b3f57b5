/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Files of prefixes, in two forms:
 *
 *   plain	one prefix a line; empty lines; # begins a comment
 *   IANA's CSV	first field of the header "Address Block"; the prefixes are in the first column,
 *		several in a cell separated by commas, each perhaps with footnote marks: [2]
 *
 * A file is right or it is refused, with its name and the line: a table that silently lacks a
 * route is worse than none. A prefix that comes twice is one prefix.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "route.h"

#define CSV_HEADER "Address Block,"

struct input {
	const char *path;
	char *at;			/* the next character to read */
	unsigned line;
	struct table *table;
	size_t prefixes;
};

/* The whole file as a string of our own. */
static char *
slurp(const char *path)
{
	FILE *fp = fopen(path, "rb");
	char *text = NULL;
	size_t size = 0, used = 0;

	if (fp == NULL)
		die(2, "%s: %s", path, strerror(errno));
	do {
		if (size - used < 2) {
			size = size == 0 ? 65536 : size * 2;
			if ((text = realloc(text, size)) == NULL)
				die(1, "%s: %s", path, strerror(errno));
		}
		used += fread(text + used, 1, size - used - 1, fp);
		if (ferror(fp))
			die(2, "%s: %s", path, strerror(errno));
	} while (!feof(fp));
	fclose(fp);
	text[used] = '\0';
	if (strlen(text) != used)
		die(2, "%s: holds a NUL byte: not a text file", path);
	return text;
}

static char *
trim(char *s)
{
	static const char blanks[] = " \t\r\n";
	char *end;

	s += strspn(s, blanks);
	for (end = s + strlen(s); end > s && strchr(blanks, end[-1]) != NULL; end--)
		continue;
	*end = '\0';
	return s;
}

static void
add(struct input *in, unsigned line, const char *text)
{
	struct prefix p;
	const char *wrong = prefix_parse(text, &p);

	if (wrong != NULL)
		die(2, "%s:%u: \"%.60s\": %s", in->path, line, text, wrong);
	table_add(in->table, &p);
	in->prefixes++;
}

/* ---- plain ---- */

static void
load_plain(struct input *in)
{
	for (char *line = in->at, *next; line != NULL; line = next) {
		if ((next = strchr(line, '\n')) != NULL)
			*next++ = '\0';
		line[strcspn(line, "#")] = '\0';
		line = trim(line);
		if (*line != '\0')
			add(in, in->line, line);
		in->line++;
	}
}

/* ---- CSV (RFC 4180) ---- */

/*
 * Reads one field and the separator after it, which goes to *end: ',', '\n' or '\0'.
 * The field is unquoted where it lies, for it never grows.
 */
static char *
csv_field(struct input *in, char *end)
{
	char *field = in->at, *from = in->at, *to = in->at;
	unsigned line = in->line;

	if (*from == '"') {
		for (from++; *from != '"' || *++from == '"'; *to++ = *from++) {
			if (*from == '\0')
				die(2, "%s:%u: a quote that nothing closes", in->path, line);
			in->line += *from == '\n';
		}
		if (*from == '\r' && from[1] == '\n')
			from++;
		if (strchr(",\n", *from) == NULL)	/* finds '\0' too */
			die(2, "%s:%u: text after a closing quote", in->path, in->line);
	} else {
		from = to = from + strcspn(from, ",\n");
	}
	*end = *from;
	in->at = *end == '\0' ? from : from + 1;
	in->line += *end == '\n';
	*to = '\0';
	return trim(field);
}

/* Reads the fields that are left of a record and returns their number. */
static unsigned
csv_rest(struct input *in, char end)
{
	unsigned n = 0;

	for (; end == ','; n++)
		csv_field(in, &end);
	return n;
}

static char *
without_footnotes(char *s)
{
	char *mark;

	s = trim(s);
	while (*s != '\0' && s[strlen(s) - 1] == ']' && (mark = strrchr(s, '[')) != NULL) {
		*mark = '\0';
		s = trim(s);
	}
	return s;
}

static void
load_csv(struct input *in)
{
	char end;

	csv_field(in, &end);
	const unsigned columns = 1 + csv_rest(in, end);

	while (*in->at != '\0') {
		const unsigned line = in->line;
		char *block = csv_field(in, &end), *next;
		const unsigned fields = 1 + csv_rest(in, end);

		if (fields == 1 && *block == '\0')
			continue;
		if (fields != columns)
			die(2, "%s:%u: number of fields: %u, in the header: %u", in->path, line,
			    fields, columns);
		for (; block != NULL; block = next) {
			if ((next = strchr(block, ',')) != NULL)
				*next++ = '\0';
			add(in, line, without_footnotes(block));
		}
	}
}

void
load_prefixes(struct table *t, const char *path)
{
	char *text = slurp(path);
	struct input in = { .path = path, .at = text, .line = 1, .table = t };

	if (strncmp(text, CSV_HEADER, sizeof CSV_HEADER - 1) == 0)
		load_csv(&in);
	else
		load_plain(&in);
	free(text);
	if (in.prefixes == 0)
		die(2, "%s: no prefixes in it", path);
}
