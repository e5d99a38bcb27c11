/* Runs a program and says what it used: the processor's time and the most memory it ever had. Small itself, as the kernel
 * counts the memory of who forks as that of who is run.
 * usage: measure FILE PROGRAM [ARGUMENT...]: writes one JSON object into FILE and ends as the program did. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long microseconds(struct timeval t)
{
	return t.tv_sec * 1000000LL + t.tv_usec;
}

static long long now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

int main(int argc, char **argv)
{
	struct rusage u;
	long long begin = now();
	pid_t pid;
	FILE *f;
	int status;

	if (argc < 3) {
		fprintf(stderr, "usage: measure FILE PROGRAM [ARGUMENT...]\n");
		return 64;
	}
	pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
		execvp(argv[2], argv + 2);
		fprintf(stderr, "%s: %s\n", argv[2], strerror(errno));
		_exit(127);
	}
	if (pid < 0 || wait4(pid, &status, 0, &u) < 0) {
		perror("measure");
		return 1;
	}
	f = fopen(argv[1], "w");
	if (f == NULL) {
		perror(argv[1]);
		return 1;
	}
	fprintf(f, "{\"cpu_us\":%lld,\"wall_us\":%lld,\"peak_kib\":%ld,\"waited\":%ld}\n",
		microseconds(u.ru_utime) + microseconds(u.ru_stime), now() - begin, u.ru_maxrss, u.ru_nvcsw);
	return fclose(f) == 0 && WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
