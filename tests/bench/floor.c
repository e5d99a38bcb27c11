/* The bare floor: what the daemon's work costs without any of its care, from the same libraries. See floor.h. */
#include "floor.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

noreturn void floor_fail(const char *format, ...)
{
	va_list args;

	fputs("floor: ", stderr);
	va_start(args, format);
	(void)vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

void *floor_alloc(void *p, size_t n)
{
	p = realloc(p, n);
	if (p == NULL)
		floor_fail("out of memory");
	return p;
}

static long long cpu_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

/* One command: "poll", or "push FILE...". */
static void command(const struct floor_options *o, char *line)
{
	long long begin = cpu_us();
	char *word = strtok(line, " "), *file;
	struct floor_count n = { 0 };

	if (word != NULL && strcmp(word, "poll") == 0) {
		floor_poll(o, &n);
	} else if (word != NULL && strcmp(word, "push") == 0) {
		while ((file = strtok(NULL, " ")) != NULL)
			floor_push(o, file, &n);
	} else {
		floor_fail("a command is poll, or push FILE...");
	}
	printf("{\"cpu_us\":%lld,\"listed\":%ld,\"parsed\":%ld,\"changed\":%ld,\"gone\":%ld,\"sent\":%ld,\"refused\":%ld,"
	       "\"connections\":%ld}\n", cpu_us() - begin, n.listed, n.parsed, n.changed, n.gone, n.sent, n.refused, n.connections);
	(void)fflush(stdout);
}

int main(int argc, char **argv)
{
	struct floor_options o = { .in_flight = 8 };
	char *line = NULL;
	size_t size = 0;
	ssize_t n;
	int i = 1;

	for (; i + 1 < argc && strncmp(argv[i], "--", 2) == 0; i += 2) {
		if (strcmp(argv[i], "--db") == 0)
			o.db = argv[i + 1];
		else if (strcmp(argv[i], "--listing") == 0)
			o.listing = argv[i + 1];
		else if (strcmp(argv[i], "--konnect") == 0)
			o.konnect = argv[i + 1];
		else if (strcmp(argv[i], "--ca") == 0)
			o.ca = argv[i + 1];
		else if (strcmp(argv[i], "--token") == 0)
			o.token = argv[i + 1];
		else if (strcmp(argv[i], "--answers") == 0)
			o.answers = argv[i + 1];
		else if (strcmp(argv[i], "--in-flight") == 0)
			o.in_flight = atoi(argv[i + 1]);
		else
			floor_fail("%s: no such option", argv[i]);
	}
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		floor_fail("libcurl cannot be used");
	if (i == argc) {
		while ((n = getline(&line, &size, stdin)) > 0) {
			line[strcspn(line, "\n")] = '\0';
			command(&o, line);
		}
		free(line);
	}
	for (; i < argc; i++)
		command(&o, argv[i]);
	floor_poll_done();
	floor_push_done();
	floor_keep_done();
	curl_global_cleanup();
	return 0;
}
