/* Formats an event and writes it with one write(2), so that lines never mix; or hands it to the journal in fields. */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include "log.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <time.h>
#include <unistd.h>

#define TIME_LEN 40

static enum log_format log_form = LOG_FORMAT_TEXT;
static bool log_native;		/* the journal is at the other end of stderr: speak its protocol */
static int log_max = LOG_INFO;

/* systemd names the stream it connected; a redirection afterwards leaves the variable behind, hence the look. */
static bool stderr_is_journal(void)
{
	const char *s = getenv("JOURNAL_STREAM");
	uintmax_t dev, ino;
	struct stat st;
	char *end;

	if (s == NULL || fstat(STDERR_FILENO, &st) < 0)
		return false;
	dev = strtoumax(s, &end, 10);
	if (end == s || *end != ':')
		return false;
	s = end + 1;
	ino = strtoumax(s, &end, 10);
	return end != s && *end == '\0' && dev == (uintmax_t)st.st_dev && ino == (uintmax_t)st.st_ino;
}

void log_setup(enum log_format format, int max_priority)
{
	bool journal = stderr_is_journal();

	log_native = journal && (format == LOG_FORMAT_AUTO || format == LOG_FORMAT_JOURNAL);
	if (format == LOG_FORMAT_AUTO)
		format = journal ? LOG_FORMAT_JOURNAL :
			 isatty(STDERR_FILENO) == 1 ? LOG_FORMAT_TEXT : LOG_FORMAT_JSON;
	log_form = format;
	log_max = max_priority;
}

bool log_is_text(void)
{
	return log_form == LOG_FORMAT_TEXT;
}

bool log_wants(int priority)
{
	return priority <= log_max;
}

static const char *level_name(int priority)
{
	static const char *const names[] = { "emergency", "alert", "critical", "error",
					     "warning",	  "notice", "info",    "debug" };

	return priority >= 0 && (size_t)priority < ELEMENTSOF(names) ? names[priority] : "debug";
}

/* RFC 3339 in UTC with milliseconds. Not loop_wall_sec(): a log line needs a time before there is a loop. */
static const char *format_time(char buf[TIME_LEN])
{
	struct timespec ts = { 0 };
	struct tm tm = { 0 };
	char day[24];

	(void)timespec_get(&ts, TIME_UTC);
	(void)gmtime_r(&ts.tv_sec, &tm);
	(void)strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(buf, TIME_LEN, "%s.%03ldZ", day, ts.tv_nsec / 1000000);
	return buf;
}

static void write_line(const char *p, size_t n)
{
	while (n > 0) {
		ssize_t w = write(STDERR_FILENO, p, n);

		if (w < 0 && errno == EINTR)
			continue;
		/* a log that cannot be written cannot be complained about either */
		if (w <= 0)
			return;
		p += w;
		n -= (size_t)w;
	}
}

static char *printable_dup(const char *s)
{
	size_t n = strlen(s) + 1;

	/* printable() never lengthens */
	return (char *)(uintptr_t)printable(xcalloc(n, 1), n, s);
}

static void add_text(json_t *o, const char *key, const char *value)
{
	_cleanup_free_ char *shown = NULL;

	if (value == NULL)
		return;
	shown = printable_dup(value);
	(void)json_object_set_new(o, key, json_string(shown));
}

static char *json_line(int priority, const struct log_fields *f, const char *subject, const char *message)
{
	json_t *o = json_object();
	char when[TIME_LEN];
	char *text, *line;

	(void)json_object_set_new(o, "time", json_string(format_time(when)));
	(void)json_object_set_new(o, "level", json_string(level_name(priority)));
	add_text(o, "subject", subject);
	add_text(o, "message", message);
	if (f != NULL) {
		add_text(o, "ADOSYNC_EVENT", event_name(f->event));
		add_text(o, "ADOSYNC_INSTANCE", f->instance);
		add_text(o, "ADOSYNC_ORGANIZATION", f->organization);
		add_text(o, "ADOSYNC_REPOSITORY", f->repository);
		if (f->http_status != 0)
			(void)json_object_set_new(o, "ADOSYNC_HTTP_STATUS", json_integer(f->http_status));
		add_text(o, "ADOSYNC_ACTIVITY_ID", f->activity_id);
		add_text(o, "ADOSYNC_TRACE", f->trace);
	}
	text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	line = xasprintf("%s\n", text != NULL ? text : "{}");
	free(text);
	return line;
}

static char *format_line(int priority, const struct log_fields *f, const char *subject, const char *message)
{
	_cleanup_free_ char *s = printable_dup(subject), *m = printable_dup(message);
	char when[TIME_LEN];

	switch (log_form) {
	case LOG_FORMAT_JSON:
		return json_line(priority, f, s, m);
	case LOG_FORMAT_JOURNAL:
		return xasprintf("<%d>%s: %s\n", priority, s, m);
	case LOG_FORMAT_AUTO:
	case LOG_FORMAT_TEXT:
		break;
	}
	return xasprintf("%s %s %s: %s\n", format_time(when), level_name(priority), s, m);
}

#define JOURNAL_FIELDS_MAX 12

struct journal_entry {
	char *fields[JOURNAL_FIELDS_MAX];
	int n;
};

static void add_field(struct journal_entry *e, const char *key, const char *value)
{
	_cleanup_free_ char *shown = value != NULL ? printable_dup(value) : NULL;

	if (shown != NULL && e->n < JOURNAL_FIELDS_MAX)
		e->fields[e->n++] = xasprintf("%s=%s", key, shown);
}

/* Whether the journal took it. */
static bool journal_send(int priority, const struct log_fields *f, const char *subject, const char *message)
{
	static const struct log_fields nothing;
	struct iovec iov[JOURNAL_FIELDS_MAX];
	struct journal_entry e = { .n = 0 };
	_cleanup_free_ char *text = NULL;
	char number[16];
	int r;

	if (f == NULL)
		f = &nothing;
	text = xasprintf("%s: %s", subject, message);
	add_field(&e, "MESSAGE", text);
	e.fields[e.n++] = xasprintf("PRIORITY=%d", priority);
	add_field(&e, "SYSLOG_IDENTIFIER", "adosyncd");
	add_field(&e, "MESSAGE_ID", event_message_id(f->event));
	add_field(&e, "ADOSYNC_EVENT", event_name(f->event));
	add_field(&e, "ADOSYNC_INSTANCE", f->instance);
	add_field(&e, "ADOSYNC_ORGANIZATION", f->organization);
	add_field(&e, "ADOSYNC_REPOSITORY", f->repository);
	(void)snprintf(number, sizeof(number), "%d", f->http_status);
	add_field(&e, "ADOSYNC_HTTP_STATUS", f->http_status != 0 ? number : NULL);
	add_field(&e, "ADOSYNC_ACTIVITY_ID", f->activity_id);
	add_field(&e, "ADOSYNC_TRACE", f->trace);
	for (int i = 0; i < e.n; i++)
		iov[i] = (struct iovec){ .iov_base = e.fields[i], .iov_len = strlen(e.fields[i]) };
	r = sd_journal_sendv(iov, e.n);
	for (int i = 0; i < e.n; i++)
		free(e.fields[i]);
	return r == 0;
}

void log_eventv(int priority, const struct log_fields *f, const char *subject, const char *fmt, va_list ap)
{
	_cleanup_free_ char *message = NULL, *line = NULL;
	int saved = errno;

	if (!log_wants(priority))
		return;
	if (vasprintf(&message, fmt, ap) < 0)
		message = NULL;
	if (!log_native || !journal_send(priority, f, subject, message != NULL ? message : fmt)) {
		line = format_line(priority, f, subject, message != NULL ? message : fmt);
		write_line(line, strlen(line));
	}
	errno = saved;
}

void log_event(int priority, const struct log_fields *f, const char *subject, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_eventv(priority, f, subject, fmt, ap);
	va_end(ap);
}
