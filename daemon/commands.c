#include "commands.h"

#include <errno.h>
#include <string.h>

#include "../lib/approve.h"
#include "../lib/credential.h"
#include "../lib/limits.h"
#include "../lib/util.h"
#include "loop.h"
#include "sink.h"
#include "snapshot.h"
#include "source.h"
#include "syncd_internal.h"

#define PARKED_SHOWN_MAX 1000

static void answer(struct command *ret, json_t *j)
{
	*ret = (struct command){ .kind = COMMAND_ANSWERED, .answer = j };
}

static void refuse(struct command *ret, char *why)
{
	answer(ret, json_pack("{s:b,s:s}", "ok", 0, "error", why));
	free(why);
}

void command_done(struct command *c)
{
	json_decref(c->answer);
	*c = (struct command){ 0 };
}

static json_t *text_or_null(const char *s)
{
	json_t *j = s != NULL ? json_string(s) : NULL;

	return j != NULL ? j : json_null();
}

/* A time as it is kept: Unix seconds, or null for never. */
static json_t *time_or_null(int64_t at)
{
	return at > 0 ? json_integer(at) : json_null();
}

static void add_counts(json_t *o, const struct source *s)
{
	const struct cache_counts *n = source_counts(s);
	const struct sink_stats *p = sink_queue_stats(source_queue(s));
	uint32_t done = p->created + p->changed + p->adopted + p->parked;
	bool busy = !sink_queue_idle(source_queue(s));

	json_object_set_new(o, "repositories", json_integer(n->known));
	json_object_set_new(o, "missing", json_integer(n->missing));
	json_object_set_new(o, "removed", json_integer(n->removed));
	json_object_set_new(o, "pending", json_integer(snapshot_pending(s)));
	json_object_set_new(o, "parked", json_integer((json_int_t)n->parked + (busy ? p->parked : 0)));
	if (!busy)
		return;
	json_object_set_new(o, "pushing", json_pack("{s:i,s:i,s:i}", "done", (int)done, "total", (int)p->total, "percent",
						    p->total > done ? (int)((uint64_t)done * 100 / p->total) : 100));
}

static json_t *status_of(const struct source *s)
{
	const struct schedule *sch = source_schedule(s);
	const struct cache_instance *c = source_cached(s);
	/* what comes after a poll is known when it has been answered */
	bool has_next = sch->state != INSTANCE_PAUSED && sch->state != INSTANCE_POLLING;
	json_t *o = json_object();
	char *remark;

	json_object_set_new(o, "name", json_string(source_config(s)->name));
	json_object_set_new(o, "organization", text_or_null(source_config(s)->organization));
	json_object_set_new(o, "state", json_string(instance_state_name(sch->state)));
	json_object_set_new(o, "since", time_or_null(schedule_since(sch)));
	json_object_set_new(o, "verdict", json_string(verdict_name(sch->verdict)));
	json_object_set_new(o, "why", text_or_null(source_trouble(s)));
	json_object_set_new(o, "refused", text_or_null(sink_queue_refused(source_queue(s))));
	json_object_set_new(o, "held", json_boolean(source_holds(s)));
	json_object_set_new(o, "last_poll", time_or_null(c->last_poll));
	json_object_set_new(o, "last_complete", time_or_null(c->last_complete));
	json_object_set_new(o, "next_poll", time_or_null(has_next ? c->next_poll : 0));
	remark = credential_remark(c->credential);
	json_object_set_new(o, "shared_pat", text_or_null(remark));
	free(remark);
	add_counts(o, s);
	return o;
}

static json_t *repository_of(struct syncd *d, const struct cache_row *row)
{
	struct cache_row target = { 0 };
	char guid[37];
	json_t *o = json_object();
	enum repo_state state = row->state;
	bool pending = row->parked == NULL &&
		       (memcmp(&row->want, &row->have, sizeof(row->want)) != 0 ||
			memcmp(&row->map_want, &row->map_have, sizeof(row->map_want)) != 0);

	guid_format(row->repo.guid, guid);
	json_object_set_new(o, "id", json_string(guid));
	json_object_set_new(o, "project", text_or_null(row->repo.project_name));
	json_object_set_new(o, "name", text_or_null(row->repo.name));
	json_object_set_new(o, "state", json_string(repo_state_name(state)));
	if (row->target > 0)
		(void)cache_row_by_id(d->cache, row->target, &target);
	json_object_set_new(o, "service", text_or_null(row->target > 0 ? target.service_name : row->service_name));
	json_object_set_new(o, "service_id", text_or_null(row->target > 0 ? target.service_id : row->service_id));
	cache_row_done(&target);
	json_object_set_new(o, "pending", json_boolean(pending));
	json_object_set_new(o, "parked", text_or_null(row->parked));
	return o;
}

static json_t *parked_of(struct syncd *d, const struct source *s)
{
	json_t *list = json_array();
	struct cache_row row = { 0 };

	for (int64_t id = 0; json_array_size(list) < PARKED_SHOWN_MAX &&
			     cache_parked_next(d->cache, source_cached(s)->id, id, &row) == 0; cache_row_done(&row)) {
		id = row.id;
		json_array_append_new(list, repository_of(d, &row));
	}
	return list;
}

static bool is_in(struct source *const *list, size_t n, const struct source *s)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] == s)
			return true;
	return false;
}

/* The instances a request names, each of them known, and once; all of them when it names none. NULL after a refusal. */
static struct source **named(struct syncd *d, const json_t *request, struct command *ret, size_t *ret_n)
{
	json_t *names = json_object_get(request, "instances"), *name;
	struct source **list, *s;
	size_t i;

	if (names != NULL && !json_is_array(names)) {
		refuse(ret, xstrdup("\"instances\" is not a list of names"));
		return NULL;
	}
	list = xcalloc(d->n_sources + 1, sizeof(struct source *));
	*ret_n = 0;
	json_array_foreach(names, i, name) {
		const char *text = json_string_value(name);
		char shown[128];

		s = text != NULL ? syncd_find(d, text) : NULL;
		if (s != NULL) {
			if (!is_in(list, *ret_n, s))
				list[(*ret_n)++] = s;
			continue;
		}
		refuse(ret, xasprintf("there is no instance \"%s\"; adosyncctl status lists them",
				      printable(shown, sizeof(shown), text != NULL ? text : "?")));
		free(list);
		return NULL;
	}
	if (*ret_n == 0) {
		memcpy(list, d->sources, d->n_sources * sizeof(struct source *));
		*ret_n = d->n_sources;
	}
	return list;
}

/* The one instance a request names, or NULL after a refusal. */
static struct source *one(struct syncd *d, const json_t *request, struct command *ret)
{
	struct source **list, *s;
	size_t n;

	if (json_array_size(json_object_get(request, "instances")) != 1) {
		refuse(ret, xstrdup("this command takes the name of one instance"));
		return NULL;
	}
	list = named(d, request, ret, &n);
	s = list != NULL ? list[0] : NULL;
	free(list);
	return s;
}

static void run_status(struct syncd *d, const json_t *request, struct command *ret)
{
	json_t *o, *list, *entry;
	struct source **sources;
	size_t n;

	sources = named(d, request, ret, &n);
	if (sources == NULL)
		return;
	o = json_pack("{s:b,s:s,s:I,s:I}", "ok", 1, "version", VERSION, "started", (json_int_t)d->started, "now",
		      (json_int_t)loop_wall_sec(d->loop));
	json_object_set_new(o, "konnect", json_pack("{s:s,s:s,s:o}", "url", d->config->konnect.url, "state",
						    sink_state_name(sink_state(d->sink)), "why", text_or_null(sink_trouble(d->sink))));
	list = json_array();
	for (size_t i = 0; i < n; i++) {
		entry = status_of(sources[i]);
		if (json_array_size(json_object_get(request, "instances")) > 0)
			json_object_set_new(entry, "parked_repositories", parked_of(d, sources[i]));
		json_array_append_new(list, entry);
	}
	json_object_set_new(o, "instances", list);
	free(sources);
	answer(ret, o);
}

static void run_sync(struct syncd *d, const json_t *request, struct command *ret)
{
	struct source **sources;
	json_t *paused = json_array();
	size_t n;

	sources = named(d, request, ret, &n);
	if (sources == NULL) {
		json_decref(paused);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		if (schedule_is_paused(source_schedule(sources[i])))
			json_array_append_new(paused, json_string(source_config(sources[i])->name));
		else
			source_sync(sources[i]);
	}
	sink_retry(d->sink);
	free(sources);
	answer(ret, json_pack("{s:b,s:i,s:o}", "ok", 1, "polling", (int)(n - json_array_size(paused)), "paused", paused));
}

static void run_pause(struct syncd *d, const json_t *request, struct command *ret)
{
	struct source *s = one(d, request, ret);

	if (s == NULL)
		return;
	source_pause(s);
	answer(ret, json_pack("{s:b,s:s}", "ok", 1, "text", "paused until it is resumed; what is pending is still pushed"));
}

static void run_resume(struct syncd *d, const json_t *request, struct command *ret)
{
	struct source *s = one(d, request, ret);

	if (s == NULL)
		return;
	source_resume(s);
	answer(ret, json_pack("{s:b,s:s}", "ok", 1, "text", "resumed, polling now"));
}

static void run_reload(struct syncd *d, const json_t *request, struct command *ret)
{
	char *error = NULL;

	(void)request;
	if (syncd_reload(d, &error) < 0)
		refuse(ret, xasprintf("the configuration is refused, the old one stays in force:\n%s", error));
	else
		answer(ret, json_pack("{s:b,s:s}", "ok", 1, "text", "reloaded"));
	free(error);
}

static void run_repos(struct syncd *d, const json_t *request, struct command *ret)
{
	struct source *s = one(d, request, ret);

	if (s != NULL)
		*ret = (struct command){ .kind = COMMAND_STREAM, .source = s };
}

static void run_plan(struct syncd *d, const json_t *request, struct command *ret)
{
	struct source *s = one(d, request, ret);

	if (s != NULL)
		*ret = (struct command){ .kind = COMMAND_APPROVAL, .source = s };
}

static void run_approve(struct syncd *d, const json_t *request, struct command *ret)
{
	struct source *s = one(d, request, ret);
	const char *hash = json_string_value(json_object_get(request, "hash"));

	if (s != NULL)
		*ret = (struct command){ .kind = COMMAND_APPROVAL, .source = s, .hash = hash != NULL ? hash : "" };
}

static void run_check(struct syncd *d, const json_t *request, struct command *ret)
{
	struct source *s = one(d, request, ret);

	if (s != NULL)
		*ret = (struct command){ .kind = COMMAND_CHECK, .source = s };
}

/* Also of an instance that is not configured any more. */
static void run_withdraw(struct syncd *d, const json_t *request, struct command *ret)
{
	const json_t *names = json_object_get(request, "instances");
	const char *name = json_string_value(json_array_get(names, 0));

	if (json_array_size(names) != 1 || name == NULL || *name == '\0' || strlen(name) > INSTANCE_NAME_MAX) {
		refuse(ret, xstrdup("this command takes the name of one instance"));
		return;
	}
	(void)d;
	*ret = (struct command){ .kind = COMMAND_WITHDRAW, .name = name,
				 .hash = json_string_value(json_object_get(request, "hash")) };
}

static const struct {
	const char *name;
	void (*run)(struct syncd *d, const json_t *request, struct command *ret);
} commands[] = {
	{ "status", run_status }, { "sync", run_sync },	    { "repos", run_repos }, { "pause", run_pause },
	{ "resume", run_resume }, { "reload", run_reload }, { "check", run_check },	{ "plan", run_plan },
	{ "approve", run_approve }, { "withdraw", run_withdraw },
};

void command_run(struct syncd *d, const json_t *request, struct command *ret)
{
	const char *name = json_string_value(json_object_get(request, "command"));
	char shown[64];

	for (size_t i = 0; name != NULL && i < ELEMENTSOF(commands); i++) {
		if (strcmp(commands[i].name, name) == 0) {
			commands[i].run(d, request, ret);
			return;
		}
	}
	refuse(ret, name == NULL ? xstrdup("the request has no \"command\"")
				 : xasprintf("there is no command \"%s\"", printable(shown, sizeof(shown), name)));
}

json_t *command_stream_next(struct syncd *d, struct command *c, struct source *s, bool *ret_last)
{
	struct cache_row row = { 0 };
	json_t *line;

	*ret_last = false;
	while (s != NULL && cache_row_next(d->cache, source_cached(s)->id, c->cursor, &row) == 0) {
		c->cursor = row.id;
		c->count += row.kind == ROW_REPOSITORY;
		line = row.kind == ROW_REPOSITORY ? repository_of(d, &row) : NULL;
		cache_row_done(&row);
		if (line != NULL)
			return line;
	}
	*ret_last = true;
	line = json_pack("{s:b,s:i}", "ok", s != NULL, "count", (int)c->count);
	if (s == NULL)
		json_object_set_new(line, "error", json_string("the instance is not configured any more"));
	return line;
}
