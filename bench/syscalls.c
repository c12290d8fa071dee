// SPDX-License-Identifier: Apache-2.0
// What a system call takes that has to do with no socket: getppid, and a byte read of /dev/zero, in turn. For every
// line on its input it prints the least of many short runs, ns a call: what else the machine does is not in it.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { RUNS = 400, CALLS = 400 };

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

int main(void)
{
	int zero = open("/dev/zero", O_RDONLY);
	char line[16], byte;

	while (zero >= 0 && fgets(line, sizeof(line), stdin)) {
		double least = 1e9;

		for (int run = 0; run < RUNS; run++) {
			double took, begun = now_ns();

			for (int call = 0; call < CALLS; call += 2) {
				syscall(SYS_getppid);
				if (read(zero, &byte, 1) != 1)
					return 1;
			}
			took = (now_ns() - begun) / CALLS;
			if (took < least)
				least = took;
		}
		printf("%.2f\n", least);
		fflush(stdout);
	}
	return 0;
}
