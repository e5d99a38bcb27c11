#include "approval.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/approve.h"
#include "../lib/buf.h"
#include "../lib/limits.h"
#include "../lib/util.h"
#include "loop.h"
#include "source.h"
#include "syncd_internal.h"

struct approval {
	struct syncd *d;
	struct config *config;	/* the one it began under */
	char *name;		/* of the instance */
	char *hash;		/* NULL: to show */
	bool letting;
	struct approve approve;
	struct buf shown;	/* the actions, as JSON */
	bool too_many;		/* to be shown */
	struct loop_timer *step;
	approval_done_fn done;
	void *arg;
};

static void approval_free(struct approval *a)
{
	loop_timer_free(a->step);
	approve_end(&a->approve);
	buf_done(&a->shown);
	config_free(a->config);
	free(a->name);
	free(a->hash);
	free(a);
}

void approval_cancel(struct approval *a)
{
	if (a != NULL)
		approval_free(a);
}

static void finish(struct approval *a, json_t *answer)
{
	_cleanup_free_ char *text = json_dumps(answer, JSON_COMPACT);

	json_decref(answer);
	a->done(text, a->arg);
	approval_free(a);
}

static void refuse(struct approval *a, char *why)
{
	json_t *answer = json_pack("{s:b,s:s}", "ok", 0, "error", why);

	free(why);
	finish(a, answer);
}

static json_t *text_or_null(const char *s)
{
	return s != NULL && *s != '\0' ? json_string(s) : json_null();
}

/* As text, which is a tenth of what a tree of it takes. */
static void add_action(void *arg, const struct cache_row *row, const char *action, const char *why)
{
	struct approval *a = arg;
	char guid[37], *text;
	json_t *o;

	if (a->hash != NULL)
		return;
	guid_format(row->repo.guid, guid);
	o = json_pack("{s:s,s:s,s:I,s:s,s:o,s:o,s:o}", "action", action, "why", why, "since", (json_int_t)row->missing_since, "id", guid, "project",
		      text_or_null(row->repo.project_name), "name", text_or_null(row->repo.name), "service",
		      text_or_null(row->service_name));
	text = json_dumps(o, JSON_COMPACT);
	if (text == NULL || (a->shown.len > 0 && buf_add(&a->shown, ",", 1) < 0) || buf_add(&a->shown, text, strlen(text)) < 0)
		a->too_many = true;
	free(text);
	json_decref(o);
}

/* What was found is shown. */
static void show(struct approval *a, struct source *s)
{
	json_t *rest;
	_cleanup_free_ char *head = NULL, *all = NULL;

	if (a->too_many) {
		refuse(a, xasprintf("%u actions wait, more than one answer holds; let some of them through by raising the limit in the "
				    "configuration, or exclude some", a->approve.n));
		return;
	}
	rest = json_pack("{s:b,s:s,s:o,s:o,s:o}", "ok", 1, "instance", a->name, "hash",
			 a->approve.n > 0 ? json_string(a->approve.hash) : json_null(), "why", text_or_null(source_trouble(s)), "actions",
			 json_array());
	head = json_dumps(rest, JSON_COMPACT);
	json_decref(rest);
	/* the members keep their order: the list is the last, and it is filled here */
	head[strlen(head) - strlen("]}")] = '\0';
	all = xasprintf("%s%s]}", head, a->shown.len > 0 ? a->shown.data : "");
	a->done(all, a->arg);
	approval_free(a);
}

static void let(struct approval *a, struct source *s)
{
	uint32_t n = a->approve.n;
	int e = approve_let(&a->approve, loop_wall_sec(a->d->loop));

	if (e == 1) {
		loop_timer_arm(a->step, 0);
		return;
	}
	if (e == 0 && cache_flush(a->d->cache) < 0)
		e = -EIO;
	/* also when some only are through */
	source_approved(s, e == 0 ? n : 0);
	if (e < 0)
		refuse(a, xasprintf("the cache cannot be written: %s; adosyncctl plan %s shows what still waits", cache_error(a->d->cache),
				    a->name));
	else
		finish(a, json_pack("{s:b,s:i,s:s}", "ok", 1, "approved", (int)n, "text", "approved, and pushed now"));
}

static void on_step(void *arg)
{
	struct approval *a = arg;
	struct source *s = syncd_find(a->d, a->name);
	int e;

	if (s == NULL || a->config != a->d->config) {
		refuse(a, xasprintf("the configuration was reloaded meanwhile; adosyncctl plan %s shows what waits now", a->name));
		return;
	}
	if (a->letting) {
		let(a, s);
		return;
	}
	e = approve_step(&a->approve, add_action, a);
	if (e == 1) {
		loop_timer_arm(a->step, 0);
	} else if (e < 0) {
		refuse(a, xasprintf("the cache cannot be read: %s", cache_error(a->d->cache)));
	} else if (a->hash == NULL) {
		show(a, s);
	} else if (approve_is(&a->approve, a->hash)) {
		a->letting = true;
		let(a, s);
	} else {
		refuse(a, xasprintf("what waits has not that hash, and nothing is let through; adosyncctl plan %s shows what waits now",
				    a->name));
	}
}

struct approval *approval_start(struct syncd *d, struct source *s, const char *hash, approval_done_fn done, void *arg)
{
	struct approval *a = xcalloc(1, sizeof(*a));

	a->d = d;
	a->config = config_ref(d->config);
	a->name = xstrdup(source_config(s)->name);
	a->hash = hash != NULL ? xstrdup(hash) : NULL;
	a->done = done;
	a->arg = arg;
	buf_init(&a->shown, CONTROL_ANSWER_MAX - MESSAGE_MAX);
	approve_begin(&a->approve, d->cache, source_config(s), source_cached(s), source_holds_creations(s));
	a->step = loop_timer_new(d->loop, on_step, a);
	loop_timer_arm(a->step, 0);
	return a;
}
