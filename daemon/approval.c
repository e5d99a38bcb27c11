#include "approval.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/approve.h"
#include "../lib/buf.h"
#include "../lib/canonical.h"
#include "../lib/limits.h"
#include "../lib/util.h"
#include "loop.h"
#include "source.h"
#include "syncd_internal.h"

#define ANSWER_REST (16 * MESSAGE_MAX)	/* bytes kept for what follows the actions, escaped */

struct approval {
	struct syncd *d;
	struct config *config;	/* the one it began under */
	char *name;		/* of the instance */
	char *hash;		/* NULL: to show */
	bool letting;
	struct approve approve;
	struct buf answer;
	bool too_many;		/* actions to be shown */
	struct loop_timer *step;
	approval_done_fn done;
	void *arg;
};

static void approval_free(struct approval *a)
{
	loop_timer_free(a->step);
	approve_end(&a->approve);
	buf_done(&a->answer);
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

static const char *text_or_null(const char *s)
{
	return s != NULL && *s != '\0' ? s : NULL;
}

/* The actions come as they are found. */
static void begin_answer(struct approval *a)
{
	static const char ok[] = "{\"ok\":true";

	(void)buf_add(&a->answer, ok, sizeof(ok) - 1);
	canonical_member(&a->answer, "instance", a->name);
	canonical_key(&a->answer, "actions");
	(void)buf_add(&a->answer, "[", 1);
}

/* Everything is in the answer. */
static void finish(struct approval *a)
{
	a->done(&a->answer, a->arg);
	approval_free(a);
}

static void finish_with(struct approval *a, json_t *answer)
{
	_cleanup_free_ char *text = json_dumps(answer, JSON_COMPACT);

	json_decref(answer);
	buf_done(&a->answer);
	(void)buf_add(&a->answer, text, strlen(text));
	finish(a);
}

static void refuse(struct approval *a, char *why)
{
	json_t *answer = json_pack("{s:b,s:s}", "ok", 0, "error", why);

	free(why);
	finish_with(a, answer);
}

/* As text, which is a tenth of what a tree of it takes. */
static void add_action(void *arg, const struct cache_row *row, const char *action, const char *why)
{
	struct approval *a = arg;
	struct buf one;
	char guid[37];

	if (a->hash != NULL)
		return;
	guid_format(row->repo.guid, guid);
	one = canonical_begin();
	canonical_open(&one);
	canonical_member(&one, "action", action);
	canonical_member(&one, "why", why);
	canonical_number(&one, "since", row->missing_since);
	canonical_member(&one, "id", guid);
	canonical_member(&one, "project", text_or_null(row->repo.project_name));
	canonical_member(&one, "name", text_or_null(row->repo.name));
	canonical_member(&one, "service", text_or_null(row->service_name));
	canonical_close(&one);
	/* room is kept for what comes last */
	a->too_many = a->too_many || a->answer.len + one.len > CONTROL_ANSWER_MAX - ANSWER_REST;
	if (!a->too_many && a->answer.data[a->answer.len - 1] != '[')
		(void)buf_add(&a->answer, ",", 1);
	if (!a->too_many)
		(void)buf_add(&a->answer, one.data, one.len);
	buf_done(&one);
}

/* What was found is shown. */
static void show(struct approval *a, struct source *s)
{
	if (a->too_many) {
		refuse(a, xasprintf("%u actions wait, more than one answer holds; let some of them through by raising the limit in the "
				    "configuration, or exclude some", a->approve.n));
		return;
	}
	(void)buf_add(&a->answer, "]", 1);
	canonical_member(&a->answer, "hash", a->approve.n > 0 ? a->approve.hash : NULL);
	canonical_member(&a->answer, "why", text_or_null(source_trouble(s)));
	canonical_close(&a->answer);
	finish(a);
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
		finish_with(a, json_pack("{s:b,s:i,s:s}", "ok", 1, "approved", (int)n, "text", "approved, and pushed now"));
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
	buf_init(&a->answer, CONTROL_ANSWER_MAX);
	begin_answer(a);
	approve_begin(&a->approve, d->cache, source_config(s), source_cached(s), source_holds_creations(s));
	a->step = loop_timer_new(d->loop, on_step, a);
	loop_timer_arm(a->step, 0);
	return a;
}
