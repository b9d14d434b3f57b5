// SPDX-License-Identifier: MIT OR Apache-2.0
// A child that is expected to die, and what it said on standard error. After test.h.
#ifndef PSREF_C_TESTS_CHILD_H
#define PSREF_C_TESTS_CHILD_H

#include <stdint.h>

struct ended {
	int status;
	pid_t pid;
	char words[4096];
};

static inline struct ended in_child(void (*run)(void *), void *argument)
{
	struct ended ended;
	int ends[2];
	size_t used = 0;
	ssize_t n;
	memset(&ended, 0, sizeof ended);
	if (pipe(ends) != 0)
		FAIL("pipe: %s", strerror(errno));
	fflush(NULL);
	ended.pid = fork();
	if (ended.pid == 0) {
		dup2(ends[1], STDERR_FILENO);
		close(ends[0]);
		close(ends[1]);
		run(argument);
		_exit(0);
	}
	if (ended.pid < 0)
		FAIL("fork: %s", strerror(errno));
	close(ends[1]);
	while (used < sizeof ended.words - 1 && (n = read(ends[0], ended.words + used, sizeof ended.words - 1 - used)) > 0)
		used += (size_t)n;
	close(ends[0]);
	waitpid(ended.pid, &ended.status, 0);
	return ended;
}

static inline const char *ending(const struct ended *ended)
{
	static char text[64];
	if (WIFSIGNALED(ended->status))
		snprintf(text, sizeof text, "killed: %s", strsignal(WTERMSIG(ended->status)));
	else
		snprintf(text, sizeof text, "exit status %d", WEXITSTATUS(ended->status));
	return text;
}

static inline bool has_address(const char *text, const void *address)
{
	char digits[32];
	snprintf(digits, sizeof digits, "%#llx", (unsigned long long)(uintptr_t)address);
	return strstr(text, digits) != NULL;
}

// It died by abort(), with the library's prefix, and said all of these; the list ends with NULL.
static inline void check_fatal(int line, const struct ended *ended, const char *const *expected)
{
	if (!WIFSIGNALED(ended->status) || WTERMSIG(ended->status) != SIGABRT)
		FAIL("line %d: expected an abort, %s, said: %.300s", line, ending(ended), ended->words);
	if (strstr(ended->words, "psref: fatal: ") == NULL)
		FAIL("line %d: no \"psref: fatal: \" in: %.300s", line, ended->words);
	for (; *expected != NULL; expected++)
		if (strstr(ended->words, *expected) == NULL)
			FAIL("line %d: no \"%s\" in: %.300s", line, *expected, ended->words);
}

#define CHECK_FATAL(ended, ...)                                                                                        \
	do {                                                                                                           \
		const char *const expected_[] = { __VA_ARGS__, NULL };                                                 \
		check_fatal(__LINE__, &(ended), expected_);                                                            \
	} while (0)

#define CHECK_EXITED(ended)                                                                                            \
	do {                                                                                                           \
		if (!WIFEXITED((ended).status) || WEXITSTATUS((ended).status) != 0)                                    \
			FAIL("line %d: the child %s, said: %.300s", __LINE__, ending(&(ended)), (ended).words);        \
	} while (0)

#endif
