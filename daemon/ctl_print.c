#include "ctl_print.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../lib/util.h"

#define COLUMNS 8
#define WHY_SHOWN 100	/* characters of a reason in the table; status NAME has all of it */

static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s != NULL ? s : "";
}

static json_int_t number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

/* "3min ago", "in 2h", "now"; "-" for never. */
static char *when(json_int_t at, json_int_t now)
{
	char span[64];

	if (at == 0)
		return xstrdup("-");
	if (at == now)
		return xstrdup("now");
	(void)format_span_short(span, sizeof(span), at > now ? at - now : now - at);
	return at > now ? xasprintf("in %s", span) : xasprintf("%s ago", span);
}

static size_t width(const char *s)
{
	size_t n = 0;

	for (; *s != '\0'; n++) {
		size_t k = utf8_next(s, strnlen(s, 4));

		s += k > 0 ? k : 1;
	}
	return n;
}

/* "1 repository", "2 repositories" */
static char *counted(json_int_t n, const char *one, const char *many)
{
	return xasprintf("%" JSON_INTEGER_FORMAT " %s", n, n == 1 ? one : many);
}

struct table {
	char *(*rows)[COLUMNS];
	size_t n;
};

static void table_print(const struct table *t)
{
	size_t widest[COLUMNS] = { 0 };

	for (size_t i = 0; i < t->n; i++)
		for (size_t k = 0; k < COLUMNS; k++)
			if (width(t->rows[i][k]) > widest[k])
				widest[k] = width(t->rows[i][k]);
	for (size_t i = 0; i < t->n; i++) {
		size_t columns = COLUMNS;

		while (columns > 1 && *t->rows[i][columns - 1] == '\0')
			columns--;
		for (size_t k = 0; k < columns; k++) {
			const char *cell = t->rows[i][k];

			printf("%s%*s", cell, k == columns - 1 ? 0 : (int)(widest[k] - width(cell) + 2), "");
		}
		putchar('\n');
	}
}

static void table_free(struct table *t)
{
	for (size_t i = 0; i < t->n; i++)
		for (size_t k = 0; k < COLUMNS; k++)
			free(t->rows[i][k]);
	free(t->rows);
}

/* One sentence: what is wrong, or what is going on. */
static char *why(const json_t *instance)
{
	const json_t *pushing = json_object_get(instance, "pushing");
	const char *refused = text(instance, "refused"), *reason = text(instance, "why");
	char *s;

	if (*refused != '\0' || *reason != '\0')
		s = xstrdup(*refused != '\0' ? refused : reason);
	else if (pushing != NULL)
		s = xasprintf("pushing: %" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT " (%" JSON_INTEGER_FORMAT "%%)",
			      number(pushing, "done"), number(pushing, "total"), number(pushing, "percent"));
	else
		s = xstrdup("");
	return s;
}

static char *shortened(char *s)
{
	size_t n = utf8_prefix(s, WHY_SHOWN);
	char *cut;

	if (s[n] == '\0')
		return s;
	cut = xasprintf("%.*s...", (int)n, s);
	free(s);
	return cut;
}

static void print_head(const json_t *o)
{
	const json_t *konnect = json_object_get(o, "konnect");
	char up[64];

	(void)format_span(up, sizeof(up), number(o, "now") - number(o, "started"));
	printf("adosyncd %s, up %s; Konnect %s is %s", text(o, "version"), up, text(konnect, "url"), text(konnect, "state"));
	if (*text(konnect, "why") != '\0')
		printf(": %s", text(konnect, "why"));
	puts("\n");
}

static void print_table(const json_t *o)
{
	static const char *const head[COLUMNS] = { "INSTANCE", "STATE", "SINCE", "LISTED", "NEXT POLL", "REPOS", "PENDING/PARKED",
						   "" };
	const json_t *list = json_object_get(o, "instances"), *i;
	json_int_t now = number(o, "now");
	struct table t = { .rows = xcalloc(json_array_size(list) + 1, sizeof(*t.rows)) };
	size_t at;

	for (size_t k = 0; k < COLUMNS; k++)
		t.rows[0][k] = xstrdup(head[k]);
	t.n = 1;
	json_array_foreach(list, at, i) {
		char **r = t.rows[t.n++];

		r[0] = xstrdup(text(i, "name"));
		r[1] = xasprintf("%s%s", text(i, "state"), json_is_true(json_object_get(i, "held")) ? ", held" : "");
		r[2] = when(number(i, "since"), now);
		r[3] = when(number(i, "last_complete"), now);
		r[4] = when(number(i, "next_poll"), now);
		r[5] = xasprintf("%" JSON_INTEGER_FORMAT, number(i, "repositories"));
		r[6] = xasprintf("%" JSON_INTEGER_FORMAT "/%" JSON_INTEGER_FORMAT, number(i, "pending"), number(i, "parked"));
		r[7] = shortened(why(i));
	}
	table_print(&t);
	table_free(&t);
}

static void print_time(const char *label, const json_t *i, const char *key, json_int_t now)
{
	_cleanup_free_ char *s = when(number(i, key), now);

	printf("%-15s%s\n", label, s);
}

static void print_parked(const json_t *list)
{
	const json_t *r;
	size_t at;

	json_array_foreach(list, at, r)
		printf("%s%s / %s: %s\n", at == 0 ? "\nParked by Konnect's refusal, tried again when they change:\n  " : "  ",
		       text(r, "project"), text(r, "name"), text(r, "parked"));
}

static void print_one(const json_t *o, const json_t *i)
{
	_cleanup_free_ char *reason = why(i);
	json_int_t now = number(o, "now");

	printf("%-15s%s (organization %s)\n", "instance", text(i, "name"), text(i, "organization"));
	printf("%-15s%s%s\n", "state", text(i, "state"), json_is_true(json_object_get(i, "held")) ? ", held" : "");
	print_time("since", i, "since", now);
	print_time("last poll", i, "last_poll", now);
	print_time("last complete", i, "last_complete", now);
	print_time("next poll", i, "next_poll", now);
	printf("%-15s%" JSON_INTEGER_FORMAT " listed, %" JSON_INTEGER_FORMAT " missing\n", "repositories", number(i, "repositories"),
	       number(i, "missing"));
	printf("%-15s%" JSON_INTEGER_FORMAT " pending, %" JSON_INTEGER_FORMAT " parked\n", "pushes", number(i, "pending"),
	       number(i, "parked"));
	if (*reason != '\0')
		printf("%-15s%s\n", "why", reason);
	print_parked(json_object_get(i, "parked_repositories"));
}

static void print_repository(struct ctl_printer *p, const json_t *r)
{
	if (p->lines++ == 0)
		puts("STATE        PROJECT / REPOSITORY (SERVICE)");
	printf("%-11s  %s / %s (%s)%s%s%s\n", text(r, "state"), text(r, "project"), text(r, "name"),
	       *text(r, "service") != '\0' ? text(r, "service") : "no service",
	       json_is_true(json_object_get(r, "pending")) ? ", pending" : "", *text(r, "parked") != '\0' ? ", parked: " : "", text(r, "parked"));
}

static void print_sync(const json_t *o)
{
	_cleanup_free_ char *polling = counted(number(o, "polling"), "instance", "instances");
	const json_t *list = json_object_get(o, "paused"), *name;
	size_t at;

	if (number(o, "polling") > 0)
		printf("polling %s now; adosyncctl status shows how it goes\n", polling);
	json_array_foreach(list, at, name)
		printf("%s is paused and not polled; adosyncctl resume %s ends that\n", json_string_value(name), json_string_value(name));
}

/* ": it is not in the listing, ..., for 3min"; the daemon's clock is ours. */
static void print_why(const json_t *action)
{
	json_int_t since = number(action, "since"), now = (json_int_t)time(NULL);
	char span[64];

	if (*text(action, "why") != '\0')
		printf(": %s", text(action, "why"));
	if (since > 0 && since < now)
		printf(", for %s", format_span_short(span, sizeof(span), now - since));
	else if (since > 0)
		printf(", just now");
}

/* What waits, or what an instance owns, and how to go on. */
static void print_plan(const struct ctl_printer *p, const json_t *o)
{
	const json_t *list = json_object_get(o, "actions"), *a;
	const char *hash = text(o, "hash"), *project;
	size_t at;

	json_array_foreach(list, at, a) {
		project = text(a, "project");
		printf("%-8s %s%s%s%s%s%s", text(a, "action"), project, *project != '\0' ? " / " : "",
		       text(a, "name"), *text(a, "service") != '\0' ? " (" : "", text(a, "service"),
		       *text(a, "service") != '\0' ? ")" : "");
		print_why(a);
		putchar('\n');
	}
	if (*hash == '\0') {
		puts("nothing waits");
		return;
	}
	if (*text(o, "why") != '\0')
		printf("\n%s\n", text(o, "why"));
	printf("\n%zu in all. To let exactly this through: adosyncctl %s %s %s\n", json_array_size(list),
	       strcmp(p->command, "withdraw") == 0 ? "withdraw" : "approve", text(o, "instance"), hash);
}

/* What is printed must not steer a terminal, and names and reasons come from outside. */
static void clean_text(json_t *s, bool keep_lines)
{
	const char *from = json_string_value(s);
	size_t n = strlen(from) + 1, at = 0;
	char *shown = xcalloc(n, 1);	/* printable() never lengthens */

	while (*from != '\0') {
		size_t len = keep_lines ? strcspn(from, "\n") : strlen(from);
		_cleanup_free_ char *line = xstrndup(from, len);

		(void)printable(shown + at, n - at, line);
		at += strlen(shown + at);
		from += len;
		if (*from == '\n') {
			shown[at++] = '\n';
			from++;
		}
	}
	(void)json_string_set(s, shown);
	free(shown);
}

/* jansson reads nothing that is deeper than 2,048. */
static void clean(json_t *j, bool keep_lines)
{
	const char *key;
	json_t *value;
	size_t i;

	if (json_is_string(j))
		clean_text(j, keep_lines);
	json_array_foreach(j, i, value)
		clean(value, false);
	json_object_foreach(j, key, value)
		clean(value, keep_lines && (strcmp(key, "error") == 0 || strcmp(key, "text") == 0));
}

void ctl_print(struct ctl_printer *p, json_t *j)
{
	const json_t *list = json_object_get(j, "instances");
	_cleanup_free_ char *n = counted(number(j, "count"), "repository", "repositories");

	clean(j, true);
	if (json_object_get(j, "error") != NULL) {
		fprintf(stderr, "adosyncctl: %s\n", text(j, "error"));
	} else if (strcmp(p->command, "repos") == 0) {
		if (json_object_get(j, "ok") == NULL)
			print_repository(p, j);
		else
			puts(n);
	} else if (json_object_get(j, "actions") != NULL) {
		print_plan(p, j);
	} else if (list != NULL) {
		print_head(j);
		if (json_array_size(list) == 1 && json_object_get(json_array_get(list, 0), "parked_repositories") != NULL)
			print_one(j, json_array_get(list, 0));
		else
			print_table(j);
	} else if (strcmp(p->command, "sync") == 0) {
		print_sync(j);
	} else {
		puts(text(j, "text"));
	}
}
