/* Runs scenario files: what the servers answer, how time passes, what must have been sent and logged. The daemon is the
 * real one over a loop without time and an HTTP engine without network; see README in this directory for the words. */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "../../daemon/loop.h"
#include "../../daemon/sink.h"
#include "../../daemon/source.h"
#include "../../lib/util.h"
#include "fake.h"
#include "life.h"

#define WORDS_MAX 128

struct scenario {
	const char *file;
	unsigned line;
	struct life life;
};

static unsigned failures;

static void fail(const struct scenario *s, const char *fmt, ...) _printf_(2, 3);

static void fail(const struct scenario *s, const char *fmt, ...)
{
	struct fake_line *lines;
	va_list ap;
	size_t n;

	failures++;
	printf("# %s:%u: ", s->file, s->line);
	va_start(ap, fmt);
	(void)vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	lines = fake_log(&n);
	for (size_t i = n > 12 ? n - 12 : 0; i < n; i++)
		printf("#   log: %d %s %s: %s\n", lines[i].priority, lines[i].event, lines[i].instance, lines[i].message);
}

static void write_file(const struct scenario *s, const char *name, const char *text)
{
	if (!life_write(&s->life, name, text))
		fail(s, "%s: %s", name, strerror(errno));
}

static void start(struct scenario *s)
{
	_cleanup_free_ char *error = life_start(&s->life);

	if (error != NULL)
		fail(s, "%s", error);
}

/* Words. */

/* Splits in place; "quoted words" stay together. */
static int split(char *line, char *words[WORDS_MAX])
{
	int n = 0;

	for (char *p = line; n < WORDS_MAX;) {
		p += strspn(p, " \t");
		if (*p == '\0' || *p == '#')
			break;
		if (*p == '"') {
			words[n++] = ++p;
			p += strcspn(p, "\"");
		} else {
			words[n++] = p;
			p += strcspn(p, " \t");
		}
		if (*p != '\0')
			*p++ = '\0';
	}
	return n;
}

static struct source *source(const struct scenario *s, const char *name)
{
	struct source *found = s->life.d != NULL ? syncd_find(s->life.d, name) : NULL;

	if (found == NULL)
		fail(s, "no instance %s", name);
	return found;
}

static int64_t span(const struct scenario *s, const char *text)
{
	int64_t sec = 0;

	if (parse_span(text, &sec) < 0)
		fail(s, "\"%s\" is no span", text);
	return sec;
}

/* "300ms", or a span. */
static int64_t span_ms(const struct scenario *s, const char *text)
{
	char *end;
	long ms = strtol(text, &end, 10);

	return strcmp(end, "ms") == 0 ? ms : span(s, text) * 1000;
}

static unsigned sum_of(const char *id)
{
	unsigned sum = 0;

	for (const char *p = id; *p != '\0'; p++)
		sum = sum * 131 + (unsigned char)*p;
	return sum;
}

/* One repository of a listing; its GUID is made of its id, and the project's of the project's name. */
static void list_one(FILE *f, unsigned *count, const char *project, const char *name, const char *id, bool disabled)
{
	fprintf(f, "%s{\"id\":\"%08x-0000-4000-8000-000000000000\",\"name\":\"%s\",\"project\":{\"id\":"
		"\"%08x-0000-4000-9000-000000000000\",\"name\":\"%s\",\"visibility\":\"private\"},"
		"\"defaultBranch\":\"refs/heads/main\",\"webUrl\":\"https://dev.azure.com/o/%s/_git/%s\",\"isDisabled\":%s}",
		(*count)++ > 0 ? "," : "", sum_of(id), name, sum_of(project), project, project, name, disabled ? "true" : "false");
}

/* "p/r", "p/r=ID", "p/r:disabled", "p/r*N" for p/r1 to p/rN. */
static char *listing_of(char **words, int n)
{
	char *all = NULL;
	size_t size;
	FILE *f = open_memstream(&all, &size);
	unsigned count = 0;

	fputs("{\"value\":[", f);
	for (int i = 0; i < n; i++) {
		char *slash = strchr(words[i], '/'), *colon = strchr(words[i], ':'), *id = strchr(words[i], '='),
		     *star = strchr(words[i], '*');
		bool disabled = colon != NULL && strcmp(colon + 1, "disabled") == 0;
		char *const ends[] = { slash, colon, id, star };

		if (slash == NULL)
			abort();
		for (size_t k = 0; k < ELEMENTSOF(ends); k++)
			if (ends[k] != NULL)
				*ends[k] = '\0';
		if (star == NULL)
			list_one(f, &count, words[i], slash + 1, id != NULL ? id + 1 : slash + 1, disabled);
		for (long k = 1; star != NULL && k <= strtol(star + 1, NULL, 10); k++) {
			_cleanup_free_ char *name = xasprintf("%s%ld", slash + 1, k);

			list_one(f, &count, words[i], name, name, disabled);
		}
	}
	fprintf(f, "],\"count\":%u}", count);
	(void)fclose(f);
	return all;
}

/* Behaviours by name, then "KEY VALUE" pairs: header "Retry-After: 5", body TEXT, delay SPAN, times N. */
static void behave(struct scenario *s, const char *organization, char **words, int n)
{
	static const struct {
		const char *name;
		struct fake_behaviour b;
	} known[] = {
		{ "expired", { .status = 401, .body = (char *)(uintptr_t)"{\"typeKey\":\"AccessCheckException\",\"message\":\"Access "
				"Denied: The Personal Access Token used has expired.\"}" } },
		{ "rejected", { .status = 401, .body = (char *)(uintptr_t)"{\"typeKey\":\"UnauthorizedRequestException\",\"message\":"
				"\"TF400813: Resource not available for anonymous access.\"}" } },
		{ "noscope", { .status = 401 } },
		{ "signin", { .status = 203, .body = (char *)(uintptr_t)"<html><title>Sign In</title></html>" } },
		{ "stopped", { .status = 503, .body = (char *)(uintptr_t)"{\"message\":\"TF24668: The collection is stopped.\"}" } },
		{ "unknown", { .status = 404, .body = (char *)(uintptr_t)"The resource cannot be found." } },
		{ "policy", { .status = 403, .body = (char *)(uintptr_t)"{\"message\":\"VS403463: The policy failed.\"}" } },
		{ "garbage", { .status = 200, .body = (char *)(uintptr_t)"this is no listing" } },
		{ "cut", { .status = 200, .body = (char *)(uintptr_t)"{\"value\":[],\"count\":0" } },
		{ "short", { .status = 200, .body = (char *)(uintptr_t)"{\"value\":[],\"count\":1}" } },
		{ "down", { .error = (char *)(uintptr_t)"could not connect" } },
		{ "silent", { .never = true } },
		{ "slow", { .status = 200 } },
	};
	struct fake_behaviour b = { 0 };
	char *headers = xstrdup(""), *more;
	int64_t status, times;

	if (n == 0 || strcmp(words[0], "ok") == 0) {
		fake_ado_set(organization, NULL);
		free(headers);
		return;
	}
	for (size_t i = 0; i < ELEMENTSOF(known); i++)
		if (strcmp(known[i].name, words[0]) == 0)
			b = known[i].b;
	if (parse_int(words[0], 100, 599, &status) == 0)
		b.status = (int)status;
	else if (b.status == 0 && b.error == NULL && !b.never)
		fail(s, "unknown behaviour %s", words[0]);
	for (int i = 1; i + 1 < n; i += 2) {
		if (strcmp(words[i], "header") == 0) {
			more = xasprintf("%s%s\n", headers, words[i + 1]);
			free(headers);
			headers = more;
		} else if (strcmp(words[i], "body") == 0) {
			b.body = words[i + 1];
		} else if (strcmp(words[i], "delay") == 0) {
			b.delay_ms = span_ms(s, words[i + 1]);
		} else if (strcmp(words[i], "times") == 0 && parse_int(words[i + 1], 1, 1000, &times) == 0) {
			b.times = (unsigned)times;
		} else {
			fail(s, "unknown word %s", words[i]);
		}
	}
	b.headers = headers;
	fake_ado_set(organization, &b);
	free(headers);
}

/* Expectations. */

static const char *const priorities[] = { "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug" };

/* The first line of that event (and instance, and priority) that nothing has expected yet. */
static void expect_log(struct scenario *s, char **words, int n)
{
	struct fake_line *lines;
	size_t count;

	lines = fake_log(&count);
	for (size_t i = 0; i < count; i++) {
		struct fake_line *l = &lines[i];

		if (l->expected || strcmp(l->event, words[0]) != 0 || (n > 1 && strcmp(l->instance, words[1]) != 0) ||
		    (n > 2 && strcmp(priorities[l->priority], words[2]) != 0))
			continue;
		l->expected = true;
		for (int k = 3; k < n; k++)
			if (strstr(l->message, words[k]) == NULL)
				fail(s, "\"%s\" is not in: %s", words[k], l->message);
		return;
	}
	fail(s, "no log line %s %s %s", words[0], n > 1 ? words[1] : "", n > 2 ? words[2] : "");
}

/* Nothing of notice or more was logged that was not expected. */
static void expect_quiet(struct scenario *s)
{
	struct fake_line *lines;
	size_t count;

	lines = fake_log(&count);
	for (size_t i = 0; i < count; i++) {
		if (!lines[i].expected && lines[i].priority <= LOG_NOTICE)
			fail(s, "unexpected: %s %s: %s", lines[i].event, lines[i].instance, lines[i].message);
		lines[i].expected = true;
	}
}

/* No line of that event (and instance) that was not expected, whatever its priority. */
static void expect_no(struct scenario *s, char **words, int n)
{
	struct fake_line *lines;
	size_t count;

	lines = fake_log(&count);
	for (size_t i = 0; i < count; i++)
		if (!lines[i].expected && strcmp(lines[i].event, words[0]) == 0 && (n < 2 || strcmp(lines[i].instance, words[1]) == 0))
			fail(s, "unexpected: %s %s: %s", lines[i].event, lines[i].instance, lines[i].message);
}

/* Fewer than N lines of notice or more since the start of the scenario. */
static void expect_lines(struct scenario *s, const char *word)
{
	struct fake_line *lines;
	size_t count, n = 0;
	int64_t max = 0;

	lines = fake_log(&count);
	for (size_t i = 0; i < count; i++)
		n += lines[i].priority <= LOG_NOTICE;
	if (parse_int(word, 1, 100000, &max) < 0 || n >= (size_t)max)
		fail(s, "%zu lines of notice or more", n);
	for (size_t i = 0; i < count; i++)
		lines[i].expected = true;
}

/* "3", "3..5" */
static bool within(const char *range, int64_t n)
{
	char *end;
	long long low = strtoll(range, &end, 10), high = low;

	if (strncmp(end, "..", 2) == 0)
		high = strtoll(end + 2, NULL, 10);
	return n >= low && n <= high;
}

static void expect_state(struct scenario *s, char **words)
{
	const struct source *src = source(s, words[0]);
	enum instance_state state;

	if (src == NULL)
		return;
	state = schedule_shown(source_schedule(src));
	if (strcmp(instance_state_name(state), words[1]) != 0)
		fail(s, "%s is %s", words[0], instance_state_name(state));
}

static void expect_pending(struct scenario *s, char **words)
{
	struct source *src = source(s, words[0]);

	if (src == NULL)
		return;
	source_recount(src);
	if (!within(words[1], source_counts(src)->pending))
		fail(s, "%u repositories of %s are pending", source_counts(src)->pending, words[0]);
}

/* The next poll is due in a time within the two spans. */
static void expect_next(struct scenario *s, char **words)
{
	const struct source *src = source(s, words[0]);
	int64_t left;

	if (src == NULL)
		return;
	left = source_cached(src)->next_poll - loop_wall_sec(s->life.loop);
	if (left < span(s, words[1]) || left > span(s, words[2]))
		fail(s, "the next poll of %s is in %lld s", words[0], (long long)left);
}

static void expect_sent(struct scenario *s, char **words, int n)
{
	char *log = fake_konnect_log(), *want = xstrdup(""), *more;

	for (int i = 0; i + 1 < n; i += 2) {
		more = xasprintf("%s%s %s\n", want, words[i], words[i + 1]);
		free(want);
		want = more;
	}
	if (strcmp(log, want) != 0)
		fail(s, "sent to Konnect:\n%s-- and not:\n%s", log, want);
	free(log);
	free(want);
	(void)fake_requests("");
}

static void expect(struct scenario *s, char **words, int n)
{
	unsigned count;

	if (n >= 2 && strcmp(words[0], "log") == 0) {
		expect_log(s, words + 1, n - 1);
	} else if (n >= 2 && strcmp(words[0], "no") == 0) {
		expect_no(s, words + 1, n - 1);
	} else if (n == 1 && strcmp(words[0], "quiet") == 0) {
		expect_quiet(s);
	} else if (n == 2 && strcmp(words[0], "lines") == 0) {
		expect_lines(s, words[1]);
	} else if (n == 3 && strcmp(words[0], "polls") == 0) {
		count = fake_requests(words[1]);
		if (!within(words[2], count))
			fail(s, "%u polls of %s", count, words[1]);
	} else if (n == 2 && strcmp(words[0], "pushes") == 0) {
		count = fake_requests("");
		free(fake_konnect_log());
		if (!within(words[1], count))
			fail(s, "%u requests to Konnect", count);
	} else if (n == 2 && strcmp(words[0], "writes") == 0) {
		count = fake_writes();
		if (!within(words[1], count))
			fail(s, "%u writes to Konnect", count);
	} else if (strcmp(words[0], "sent") == 0) {
		expect_sent(s, words + 1, n - 1);
	} else if (n == 3 && strcmp(words[0], "state") == 0) {
		expect_state(s, words + 1);
	} else if (n == 3 && strcmp(words[0], "pending") == 0) {
		expect_pending(s, words + 1);
	} else if (n == 2 && strcmp(words[0], "konnect") == 0) {
		if (s->life.d != NULL && strcmp(sink_state_name(sink_state(s->life.d->sink)), words[1]) != 0)
			fail(s, "Konnect is %s", sink_state_name(sink_state(s->life.d->sink)));
	} else if (n == 4 && strcmp(words[0], "next") == 0) {
		expect_next(s, words + 1);
	} else if (n == 1 && strcmp(words[0], "stopped") == 0) {
		if (s->life.loop == NULL || !fake_loop_stopped(s->life.loop))
			fail(s, "the daemon runs on");
	} else {
		fail(s, "unknown expectation %s", words[0]);
	}
}

/* As adosyncctl would. */
static void control(struct scenario *s, const char *name, const char *instance)
{
	json_t *answer;

	if (s->life.d == NULL) {
		fail(s, "there is no daemon");
		return;
	}
	answer = life_command(&s->life, json_pack("{s:s,s:[s]}", "command", name, "instances", instance));
	if (!json_is_true(json_object_get(answer, "ok")))
		fail(s, "%s %s is refused", name, instance);
	json_decref(answer);
}

static void list(const char *organization, char **words, int n)
{
	char *listing = listing_of(words, n);

	fake_ado_list(organization, listing);
	free(listing);
}

static void command(struct scenario *s, char **words, int n)
{
	if (strcmp(words[0], "expect") == 0 && n > 1) {
		expect(s, words + 1, n - 1);
	} else if (strcmp(words[0], "secret") == 0 && n == 3) {
		write_file(s, words[1], words[2]);
	} else if (strcmp(words[0], "no-secret") == 0 && n == 2) {
		_cleanup_free_ char *path = xasprintf("%s/%s", s->life.directory, words[1]);

		(void)unlink(path);
	} else if (strcmp(words[0], "start") == 0) {
		start(s);
	} else if (strcmp(words[0], "kill") == 0) {
		life_kill(&s->life);
	} else if (strcmp(words[0], "restart") == 0) {
		life_kill(&s->life);
		start(s);
	} else if (strcmp(words[0], "pass") == 0 && n == 2) {
		if (s->life.loop == NULL)
			(void)fake_loop_pass(s->life.loop = loop_new(), span_ms(s, words[1]));
		else if (fake_loop_pass(s->life.loop, span_ms(s, words[1])) < 0)
			fail(s, "one moment never ends");
	} else if (strcmp(words[0], "ado") == 0 && n > 2) {
		behave(s, words[1], words + 2, n - 2);
	} else if (strcmp(words[0], "konnect") == 0 && n > 1) {
		behave(s, "", words + 1, n - 1);
	} else if (strcmp(words[0], "list") == 0 && n > 1) {
		list(words[1], words + 2, n - 2);
	} else if (strcmp(words[0], "bin") == 0 && n > 1) {
		_cleanup_free_ char *name = xasprintf("%s bin", words[1]);

		list(name, words + 2, n - 2);
	} else if (strcmp(words[0], "approve") == 0 && n == 2 && s->life.d != NULL) {
		if (!life_approve(&s->life, words[1]))
			fail(s, "approve %s is refused", words[1]);
	} else if (strcmp(words[0], "signal") == 0 && n == 2) {
		fake_loop_signal(s->life.loop, strcmp(words[1], "HUP") == 0 ? SIGHUP : SIGTERM);
	} else if (strcmp(words[0], "clock") == 0 && n == 3) {
		fake_loop_clock(strcmp(words[1], "back") == 0 ? -span(s, words[2]) : span(s, words[2]));
	} else if (n == 2 && (strcmp(words[0], "sync") == 0 || strcmp(words[0], "pause") == 0 || strcmp(words[0], "resume") == 0)) {
		control(s, words[0], words[1]);
	} else {
		fail(s, "unknown word %s", words[0]);
	}
}

/* "config" to "end": the file, whole, with what no scenario wants to say again. */
static void read_config(struct scenario *s, FILE *f)
{
	char *text = xasprintf("daemon { state_directory = \"%s\" log_level = debug control_socket = \"%s/socket\" listen = \"\" }\n", s->life.directory,
			       s->life.directory),
	     *more, *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, f) > 0) {
		s->line++;
		if (strcmp(line, "end\n") == 0)
			break;
		more = xasprintf("%s%s", text, line);
		free(text);
		text = more;
	}
	free(line);
	/* a comparison with Konnect is what a scenario has to ask for */
	if (strstr(text, "reconcile_interval") == NULL) {
		char *konnect = strstr(text, "konnect {");

		more = konnect != NULL ? xasprintf("%.*skonnect { reconcile_interval = 365d%s", (int)(konnect - text), text, konnect + 9)
				       : xasprintf("konnect { reconcile_interval = 365d }\n%s", text);
		free(text);
		text = more;
	}
	write_file(s, "adosyncd.conf", text);
	free(text);
}

static void run(const char *file)
{
	struct scenario s = { .file = file };
	FILE *f = fopen(file, "r");
	char *line = NULL, *words[WORDS_MAX];
	size_t size = 0;
	unsigned before = failures;

	if (f == NULL || !life_begin(&s.life)) {
		perror(file);
		exit(1);
	}
	write_file(&s, "konnect-token", "token");
	while (failures - before < 3 && getline(&line, &size, f) > 0) {
		int n;

		s.line++;
		line[strcspn(line, "\n")] = '\0';
		n = split(line, words);
		if (n == 1 && strcmp(words[0], "config") == 0)
			read_config(&s, f);
		else if (n > 0)
			command(&s, words, n);
	}
	life_end(&s.life);
	free(line);
	(void)fclose(f);
	fake_http_reset();
	fake_log_reset();
	fake_loop_reset();
	printf("%sok - %s\n", failures > before ? "not " : "", file);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		run(argv[i]);
	return failures > 0 || argc < 2 ? 1 : 0;
}
