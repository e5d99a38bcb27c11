/* Any status, headers and body as an answer: there is a verdict, a wait of at most an hour and a printable message.
 * The input looks like an answer: the status, "name: value" lines, an empty line, the body. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/limits.h"
#include "../../lib/util.h"
#include "../../lib/verdict.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

/* Cuts the next line off the text, or returns NULL at its end. */
static char *next_line(char **text)
{
	char *line = *text, *end;

	if (line == NULL || *line == '\0')
		return NULL;
	end = strchr(line, '\n');
	if (end != NULL)
		*end = '\0';
	*text = end != NULL ? end + 1 : NULL;
	return line;
}

static void set_field(struct answer *a, const char *line)
{
	const struct {
		const char *name;
		const char **field;
	} fields[] = {
		{ "content-type: ", &a->content_type },
		{ "retry-after: ", &a->retry_after },
		{ "x-ratelimit-delay: ", &a->ratelimit_delay },
		{ "x-tfs-serviceerror: ", &a->service_error },
		{ "transport-error: ", &a->transport_error },
		{ "listing-error: ", &a->listing_error },
	};

	for (size_t i = 0; i < ELEMENTSOF(fields); i++)
		if (ascii_has_prefix_nocase(line, fields[i].name))
			*fields[i].field = line + strlen(fields[i].name);
}

static void check_verdict(const struct answer *a)
{
	enum verdict v = verdict_of(a);

	must(v >= VERDICT_OK && v <= VERDICT_MALFORMED && verdict_of(a) == v);
	must(strcmp(verdict_name(v), "?") != 0 && strcmp(verdict_advice(v), "?") != 0);
	must((v == VERDICT_THROTTLED) == (a->status == 429));
	must(v != VERDICT_OK || (a->status == 200 && a->transport_error == NULL && a->listing_error == NULL));
	must(v != VERDICT_ORGANIZATION_STOPPED || a->status == 503);
	must(v != VERDICT_SCOPE_MISSING || a->status == 401);
}

static void check_wait(const struct answer *a)
{
	static const int64_t times[] = { 0, 1, 1796083200, INT64_C(253402300800) };

	for (size_t i = 0; i < ELEMENTSOF(times); i++) {
		int64_t wait = verdict_wait(a, times[i]);

		must(wait >= 0 && wait <= WAIT_MAX_SEC);
		must(wait == 0 || a->status == 429 || a->retry_after != NULL || a->ratelimit_delay != NULL);
	}
}

static void check_message(const struct answer *a)
{
	static const size_t sizes[] = { 1, 2, 7, 64, MESSAGE_MAX };

	for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
		/* exactly that large, so that a byte too many is seen */
		_cleanup_free_ char *buf = xrealloc(NULL, sizes[i], 1);
		const char *s = verdict_message(a, buf, sizes[i]);
		size_t n = strlen(s), k;

		must(s == buf && n < sizes[i]);
		for (size_t at = 0; at < n; at += k) {
			k = utf8_next(s + at, n - at);
			must(k > 0 && (unsigned char)s[at] >= 0x20 && s[at] != 0x7f);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *copy = xcalloc(size + 1, 1);
	struct answer a = { 0 };
	char *text = copy, *line;
	int64_t status;

	if (size > 0)
		memcpy(copy, data, size);
	line = next_line(&text);
	if (line != NULL && parse_int(line, 0, 999, &status) == 0)
		a.status = (int)status;
	while ((line = next_line(&text)) != NULL && *line != '\0')
		set_field(&a, line);
	a.body = text;
	check_verdict(&a);
	check_wait(&a);
	check_message(&a);
	return 0;
}
