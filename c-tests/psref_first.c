// SPDX-License-Identifier: MIT OR Apache-2.0
// The first use of the library, by two threads at once that would choose different back ends: one may not use membarrier.
#include "test.h"
#include "threads.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <psref.h>
#include <psref/inline_abi.h>
#include <sys/prctl.h>

enum { RSEQ = 1, ATOMIC, MIXED };
static int ready, turn;

static void *count_first(void *refused)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_membarrier, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { COUNT(code), code };
	static struct localcount counts[2];
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (refused != NULL && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) != 0)
		_exit(MIXED + 1);
	ADD(&ready, 1);
	while (LOAD(&ready) < 2)
		;
	spin(refused != NULL ? (uint64_t)(turn % 7) * 1000 : 0);
	if (localcount_init(&counts[refused != NULL]) != 0)
		_exit(MIXED + 2);
	return NULL;
}

// Whether counts may use sections, as the library tells inlined code.
static bool armed(void)
{
	const char *words;
	__asm__("movq " PSREF_INLINE_WORDS "@GOTPCREL(%%rip), %0" : "=r"(words));
	return *(const volatile uint64_t *)(words + PSREF_INLINE_CPU_LIMIT) != 0;
}

static void two_who_come_first_agree(void)
{
	int seen[MIXED + 1] = { 0 };
	for (turn = 0; turn < 100 && has_time(); turn++) {
		pid_t child = fork();
		if (child == 0) {
			int refused;
			pthread_t threads[2] = { start(count_first, &refused), start(count_first, NULL) };
			join(threads[0]);
			join(threads[1]);
			_exit(strcmp(psref_backend(), "atomic") != 0 ? RSEQ : armed() ? MIXED : ATOMIC);
		}
		int status;
		CHECK_EQ(waitpid(child, &status, 0), child);
		CHECK(WIFEXITED(status));
		if (WEXITSTATUS(status) == MIXED + 1)
			SKIP("no seccomp filter can be installed here");
		CHECK(WEXITSTATUS(status) >= RSEQ && WEXITSTATUS(status) <= MIXED);
		seen[WEXITSTATUS(status)]++;
	}
	test_note("rseq %d times, atomics %d times", seen[RSEQ], seen[ATOMIC]);
	CHECK_EQ(seen[MIXED], 0);
}

TEST_MAIN(TEST(two_who_come_first_agree))
