// SPDX-License-Identifier: MIT OR Apache-2.0
// A seccomp filter that makes one system call fail with a chosen error, for the calling thread and what it starts. Needs
// no privilege; cannot be taken off. Filters add up.
#ifndef PSREF_C_TESTS_FILTER_H
#define PSREF_C_TESTS_FILTER_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

// 0, or -1 with errno.
static inline int filter_call(long call, uint32_t answer)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, answer),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program;
	program.len = sizeof code / sizeof code[0];
	program.filter = code;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return -1;
	// For all threads of the process: those that began before the filter too.
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);
}

static inline int refuse(long call, int error)
{
	return filter_call(call, SECCOMP_RET_ERRNO | (uint32_t)error);
}

// The call is not made; its caller gets SIGSYS instead, at that very place.
static inline int trap(long call)
{
	return filter_call(call, SECCOMP_RET_TRAP);
}

#endif
