// SPDX-License-Identifier: MIT OR Apache-2.0
// What pslist must not let through: programs with a wrong type in them do not compile, in C nor in C++, not even with all
// warnings off. Runs the compiler ($CC and $CXX) on the header that pkg-config finds.
#include "test.h"

static const char program[] =
	"#include <psref/pslist.h>\n"
	"struct element { int number; struct pslist_entry link; };\n"
	"struct other { struct pslist_entry link; };\n"
	"struct pslist_head head;\n"
	"struct element a, b, *at;\n"
	"const struct element *looked_at;\n"
	"struct other other;\n"
	"int main(void) { %s; return 0; }\n";

static bool compiles(const char *compiler, const char *statement)
{
	char command[256];
	snprintf(command, sizeof command, "%s -w -fsyntax-only $(pkg-config --cflags psref) - 2>/dev/null", compiler);
	FILE *pipe = popen(command, "w");
	CHECK(pipe != NULL);
	fprintf(pipe, program, statement);
	int status = pclose(pipe);
	CHECK(WIFEXITED(status));
	return WEXITSTATUS(status) == 0;
}

static const char *const right[] = {
	"PSLIST_INIT(&head)",
	"PSLIST_DESTROY(&head)",
	"PSLIST_ENTRY_INIT(&a, link)",
	"PSLIST_ENTRY_DESTROY(&a, link)",
	"PSLIST_WRITER_INSERT_HEAD(&head, &a, link)",
	"PSLIST_WRITER_INSERT_BEFORE(&a, &b, link)",
	"PSLIST_WRITER_INSERT_AFTER(&a, &b, link)",
	"PSLIST_WRITER_REMOVE(&a, link)",
	"at = PSLIST_WRITER_FIRST(&head, struct element, link)",
	"at = PSLIST_WRITER_NEXT(&a, struct element, link)",
	"PSLIST_WRITER_FOREACH(at, &head, struct element, link) a.number++",
	"at = PSLIST_READER_FIRST((const struct pslist_head *)&head, struct element, link)",
	"at = PSLIST_READER_NEXT((const struct element *)&a, struct element, link)",
	"PSLIST_READER_FOREACH(looked_at, &head, struct element, link) a.number++",
};

static const char *const wrong[] = {
	"PSLIST_INIT(&a)",
	"PSLIST_INIT(&a.link)",
	"PSLIST_DESTROY(&a.number)",
	"PSLIST_ENTRY_INIT(&a, number)",
	"PSLIST_ENTRY_INIT(&a, nothing)",
	"PSLIST_ENTRY_INIT(&head, plh_first)",
	"PSLIST_ENTRY_DESTROY(&a, number)",
	"PSLIST_WRITER_INSERT_HEAD(&a, &b, link)",
	"PSLIST_WRITER_INSERT_HEAD(&a.link, &b, link)",
	"PSLIST_WRITER_INSERT_HEAD(&head, &a, number)",
	"PSLIST_WRITER_INSERT_HEAD(&head, &head, plh_first)",
	"PSLIST_WRITER_INSERT_BEFORE(&a, &other, link)",
	"PSLIST_WRITER_INSERT_BEFORE(&a, &b, number)",
	"PSLIST_WRITER_INSERT_AFTER(&other, &a, link)",
	"PSLIST_WRITER_INSERT_AFTER(&a, &b, number)",
	"PSLIST_WRITER_REMOVE(&a, number)",
	"PSLIST_WRITER_REMOVE(&head, plh_first)",
	"at = PSLIST_WRITER_FIRST(&head, struct element, number)",
	"at = PSLIST_WRITER_FIRST(&a, struct element, link)",
	"at = PSLIST_WRITER_NEXT(&a, struct element, number)",
	"PSLIST_WRITER_FOREACH(at, &head, struct element, number) a.number++",
	"at = PSLIST_READER_FIRST(&head, struct element, number)",
	"at = PSLIST_READER_FIRST(&a, struct element, link)",
	"at = PSLIST_READER_NEXT(&a, struct element, number)",
	"PSLIST_READER_FOREACH(at, &head, struct element, number) a.number++",
	"PSLIST_READER_FOREACH(at, &a.link, struct element, link) a.number++",
};

static void check_all(const char *compiler)
{
	if (test_short())
		SKIP("once is enough");
	if (!compiles(compiler, ""))
		SKIP("no compiler");
	for (size_t i = 0; i < COUNT(right); i++)
		if (!compiles(compiler, right[i]))
			FAIL("does not compile: %s", right[i]);
	for (size_t i = 0; i < COUNT(wrong); i++)
		if (compiles(compiler, wrong[i]))
			FAIL("compiles: %s", wrong[i]);
}

static void a_wrong_type_is_an_error_in_C(void)
{
	check_all("${CC:-cc} -x c -std=c11");
}

static void a_wrong_type_is_an_error_in_CXX(void)
{
	check_all("${CXX:-c++} -x c++ -std=c++17");
}

TEST_MAIN(TEST(a_wrong_type_is_an_error_in_C), TEST(a_wrong_type_is_an_error_in_CXX))
