// SPDX-License-Identifier: MIT OR Apache-2.0
// refuse_membarrier COMMAND...: runs a command in which membarrier(2) fails with EPERM from the start, as in a container
// whose filter does not know it. Exit status 125: no filter could be installed.
#include "filter.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: %s command...\n", argv[0]);
		return 125;
	}
	if (refuse(SYS_membarrier, EPERM) != 0) {
		perror("seccomp");
		return 125;
	}
	execvp(argv[1], argv + 1);
	perror(argv[1]);
	return 127;
}
