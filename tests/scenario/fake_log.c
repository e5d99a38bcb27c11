/* The log kept in memory, so that a scenario can say what an operator must have been told. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../daemon/log.h"
#include "fake.h"

static struct fake_line *lines;
static size_t n_lines;
static int log_max = LOG_DEBUG;
static void (*watcher)(const struct fake_line *l);

void log_setup(enum log_format format, int max_priority)
{
	(void)format;
	log_max = max_priority;
}

bool log_wants(int priority)
{
	return priority <= log_max;
}

void log_eventv(int priority, const struct log_fields *f, const char *subject, const char *fmt, va_list ap)
{
	const char *event = f != NULL ? event_name(f->event) : NULL;
	char *message = NULL;

	if (!log_wants(priority))
		return;
	if (vasprintf(&message, fmt, ap) < 0)
		abort();
	if (watcher != NULL) {
		watcher(&(struct fake_line){ .priority = priority, .event = event != NULL ? event : "",
					     .instance = (char *)(uintptr_t)subject, .message = message });
		free(message);
		return;
	}
	lines = xrealloc(lines, n_lines + 1, sizeof(*lines));
	lines[n_lines++] = (struct fake_line){ .priority = priority, .event = event != NULL ? event : "",
					       .instance = xstrdup(subject), .message = message };
}

void log_event(int priority, const struct log_fields *f, const char *subject, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_eventv(priority, f, subject, fmt, ap);
	va_end(ap);
}

struct fake_line *fake_log(size_t *ret_n)
{
	*ret_n = n_lines;
	return lines;
}

void fake_log_watch(void (*fn)(const struct fake_line *l))
{
	watcher = fn;
}

void fake_log_reset(void)
{
	for (size_t i = 0; i < n_lines; i++) {
		free(lines[i].instance);
		free(lines[i].message);
	}
	free(lines);
	lines = NULL;
	n_lines = 0;
}
