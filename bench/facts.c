// SPDX-License-Identifier: MIT OR Apache-2.0
// What the figures depend on.
#include "bench.h"

#include <gnu/libc-version.h>
#include <psref/base.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

// The file's first line that begins with `begin`, without it; "unknown" where there is none.
static void read_line(char *text, size_t size, const char *path, const char *begin)
{
	char line[512];
	FILE *file = fopen(path, "r");
	snprintf(text, size, "unknown");
	while (file != NULL && fgets(line, sizeof line, file) != NULL) {
		if (strncmp(line, begin, strlen(begin)) != 0)
			continue;
		const char *rest = line + strlen(begin);
		rest += strspn(rest, " \t:");
		snprintf(text, size, "%.*s", (int)strcspn(rest, "\n"), rest);
		break;
	}
	if (file != NULL)
		fclose(file);
}

static void read_cpu_file(char *text, size_t size, const char *what)
{
	char path[128];
	snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/%s", cpu_number(0), what);
	read_line(text, size, path, "");
}

void facts_read_load(double *load)
{
	char text[80];
	read_line(text, sizeof text, "/proc/loadavg", "");
	*load = atof(text);
}

void facts_read(struct facts *facts)
{
	struct utsname name;
	uname(&name);
	snprintf(facts->kernel, sizeof facts->kernel, "%s", name.release);
	read_line(facts->cpu, sizeof facts->cpu, "/proc/cpuinfo", "model name");
	read_cpu_file(facts->governor, sizeof facts->governor, "cpufreq/scaling_governor");
	read_cpu_file(facts->siblings, sizeof facts->siblings, "topology/thread_siblings_list");
	size_t used = 0;
	for (unsigned i = 0; i < cpu_count(); i++)
		used += (size_t)snprintf(facts->cpus + used, sizeof facts->cpus - used, "%s%d", i > 0 ? ", " : "", cpu_number(i));
	facts->libc = gnu_get_libc_version();
	facts->version = psref_version();
	facts->backend = psref_backend();
	facts->peers = PEERS;
	time_t now = time(NULL);
	struct tm utc;
	strftime(facts->date, sizeof facts->date, "%F", gmtime_r(&now, &utc));
	facts_read_load(&facts->load[0]);
}
