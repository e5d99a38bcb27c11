/* One job of the sink: sends the next request of a repository, or of an integration instance, and learns from its answer. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../lib/document.h"
#include "../lib/konnect.h"
#include "../lib/limits.h"
#include "../lib/plan.h"
#include "../lib/target.h"
#include "../lib/util.h"
#include "../lib/verdict.h"
#include "http.h"
#include "log.h"
#include "loop.h"
#include "secret.h"
#include "sink_internal.h"

#define FORBIDDEN_RETRY_MS 5000	/* the second 403 parks the repository; a third, elsewhere, is the token's */
#define ONCE_TRIES 3

/* Below job_new(), of the same queue: what reconcile found. */
static void on_reconciled(void *arg, enum reconcile_event event, const struct cache_row *row);

struct job *job_new(struct sink_queue *q, enum job_kind kind, struct cache_row *row, const struct cache_row *target)
{
	struct job *j = xcalloc(1, sizeof(*j));

	j->queue = q;
	j->config = config_ref(q->sink->config);
	j->kind = kind;
	switch (kind) {
	case JOB_INSTANCE:
		if (q->instance->resource_type == NULL && q->sink->resource_type != NULL) {
			q->instance->resource_type = xstrdup(q->sink->resource_type);
			q->instance->resource_keys = xstrdup(q->sink->resource_keys);
		}
		converge_instance_init(&j->instance, q->config, q->sink->config->konnect.resource_type, q->instance,
				       q->sink->mode == SINK_READ_ONLY, q->sink->writer.id, q->sink->writer.is_new, q->reconcile);
		j->instance.follows = q->follows;
		break;
	case JOB_CREDENTIAL:
		credential_init(&j->credential, q->instance, &q->share, q->share_verify, loop_wall_sec(q->sink->loop));
		q->share_verify = false;
		/* that it may be gone is kept before it is removed */
		if (cache_instance_save(q->sink->cache, q->instance) < 0 || cache_flush(q->sink->cache) < 0)
			sink_cache_failed(q->sink);
		break;
	case JOB_RECONCILE:
		if (reconcile_init(&j->reconcile, q->sink->cache, q->config, q->instance, loop_wall_sec(q->sink->loop), on_reconciled,
				   q) < 0)
			sink_cache_failed(q->sink);
		j->reconcile.is_new = q->would_create;
		break;
	case JOB_ROW:
		row_begin(j, row, target);
		break;
	case JOB_SERVICES:
		j->page = 1;
		q->found = json_object();
		break;
	}
	q->jobs++;
	TAILQ_INSERT_TAIL(&q->sink->jobs, j, link);
	return j;
}

struct job *job_free(struct job *j)
{
	if (j->transfer != NULL) {
		http_cancel(j->transfer);
		j->queue->sink->in_flight--;
	}
	switch (j->kind) {
	case JOB_INSTANCE:
		converge_instance_done(&j->instance);
		break;
	case JOB_ROW:
		row_end(j);
		break;
	case JOB_CREDENTIAL:
		credential_done(&j->credential);
		break;
	case JOB_RECONCILE:
		reconcile_done(&j->reconcile);
		break;
	case JOB_SERVICES:
		break;
	}
	j->queue->jobs--;
	config_free(j->config);
	free(j->differences);
	free(j->trace);
	free(j);
	return NULL;
}

bool job_is_stale(const struct job *j)
{
	return j->config != j->queue->sink->config;
}

/* What is left of a stale job is pending still, or again. */
static void job_drop(struct job *j)
{
	j->queue->active = j->queue->has_work = j->queue->again = true;
	sink_job_done(j);
}

/* The PAT as it is in its file now. 0, or -ESTALE when it is not the one that a poll found good. */
static int credential_request_of(const struct job *j, struct konnect_request *ret)
{
	const struct sink *s = j->queue->sink;
	char *pat = NULL, *error = NULL;
	struct digest d = { 0 };
	int r = secret_read(j->config->directory, j->queue->config->pat_file, &pat, &error);

	free(error);
	if (r == 0)
		d = digest_bytes(cache_key(s->cache), pat, strlen(pat));
	r = memcmp(&d, &j->credential.want, sizeof(d)) == 0 ? 0 : -ESTALE;
	if (r == 0)
		(void)credential_request(&j->credential, pat, ret);
	secret_free(pat);
	return r;
}

static bool request_of(const struct job *j, struct konnect_request *ret)
{
	switch (j->kind) {
	case JOB_CREDENTIAL:
		if (j->credential.step == CREDENTIAL_CREATE)
			return credential_request_of(j, ret) == 0;
		return credential_request(&j->credential, NULL, ret);
	case JOB_INSTANCE:
		return converge_instance_request(&j->instance, ret);
	case JOB_ROW:
		return converge_request(&j->row, ret);
	case JOB_RECONCILE:
		return reconcile_request(&j->reconcile, ret);
	case JOB_SERVICES:
		*ret = (struct konnect_request){ .method = "GET", .path = konnect_services_page(j->queue->config->name, j->page) };
		return true;
	}
	return false;
}

void job_log(const struct job *j, int priority, enum event_id event, const char *fmt, ...)
{
	char guid[37];
	struct log_fields f = { .event = event, .instance = j->queue->config->name,
				.organization = j->queue->config->organization };
	va_list ap;

	if (j->kind == JOB_ROW) {
		guid_format(j->row.row.repo.guid, guid);
		f.repository = guid;
	}
	f.http_status = j->refused_status;
	f.trace = j->trace;
	if (priority == LOG_INFO && j->queue->quiet)
		priority = LOG_DEBUG;
	va_start(ap, fmt);
	log_eventv(priority, &f, j->queue->config->name, fmt, ap);
	va_end(ap);
}

/* Once every instance carries our id, nobody else's may be there. */
static void settle_writer(struct sink *s)
{
	struct sink_queue *q;

	if (!s->writer.is_new)
		return;
	TAILQ_FOREACH(q, &s->queues, link)
		if (!converge_instance_written_by(q->instance, s->writer.id))
			return;
	if (writer_settle(s->config->state_directory, s->writer.id) == 0)
		s->writer.is_new = false;
}

static void instance_ready(struct job *j)
{
	struct sink_queue *q = j->queue;

	q->instance_ready = true;
	q->would_create = j->instance.created;
	q->would_adopt = j->instance.adopted;
	if (q->refused != NULL)
		job_log(j, LOG_NOTICE, EVENT_UNBLOCKED, "Konnect has the integration instance now");
	free(q->refused);
	q->refused = NULL;
	if (q->sink->mode == SINK_READ_ONLY)
		return;
	if (j->instance.created && q->instance->last_reconcile == 0) {
		/* nothing of ours can be where the integration instance was not */
		q->instance->last_reconcile = loop_wall_sec(q->sink->loop);
		q->reconcile = false;
	}
	if (cache_instance_save(q->sink->cache, q->instance) < 0)
		job_log(j, LOG_ERR, EVENT_NONE, "what Konnect said of the instance cannot be kept: %s", cache_error(q->sink->cache));
	settle_writer(q->sink);
	if (j->instance.created)
		job_log(j, LOG_NOTICE, EVENT_CREATED, "the integration instance is in Konnect");
	else if (j->instance.adopted)
		job_log(j, LOG_NOTICE, EVENT_ADOPTED, "the integration instance was in Konnect already and carries our labels now");
	else if (j->instance.changed)
		job_log(j, LOG_NOTICE, EVENT_CHANGED, "the integration instance was brought up to date");
}

static bool instance_answered(struct job *j, int status, const json_t *answer)
{
	struct sink_queue *q = j->queue;

	converge_instance_answer(&j->instance, status, answer);
	if (q->sink->resource_type == NULL && q->instance->resource_type != NULL) {
		q->sink->resource_type = xstrdup(q->instance->resource_type);
		q->sink->resource_keys = xstrdup(q->instance->resource_keys);
	}
	if (j->instance.step == INSTANCE_DONE) {
		instance_ready(j);
		return false;
	}
	if (j->instance.step != INSTANCE_REFUSED)
		return true;
	if (q->refused == NULL || strcmp(q->refused, j->instance.error) != 0)
		job_log(j, LOG_ERR, j->instance.second_writer ? EVENT_SECOND_WRITER : EVENT_BLOCKED, "nothing is pushed: %s",
			  j->instance.error);
	free(q->refused);
	q->refused = xstrdup(j->instance.error);
	q->has_work = q->again = false;
	return false;
}

static bool credential_answered(struct job *j, int status, const json_t *answer)
{
	struct credential *c = &j->credential;
	struct sink_queue *q = j->queue;
	_cleanup_free_ char *remark = NULL, *before = credential_remark(q->instance->credential);

	credential_answer(c, status, answer);
	if (cache_instance_save(q->sink->cache, q->instance) < 0)
		sink_cache_failed(q->sink);
	if (c->step == CREDENTIAL_REFUSED) {
		q->share_refused = true;
		job_log(j, LOG_WARNING, EVENT_PARKED, "%s; it is tried again when the PAT changes, or with the next comparison", c->error);
		return false;
	}
	if (c->step != CREDENTIAL_DONE)
		return true;
	if (c->created || c->replaced)
		job_log(j, LOG_NOTICE, EVENT_CHANGED, "Konnect has the %sPAT as the instance's credential", c->replaced ? "new " : "");
	else if (c->removed)
		job_log(j, LOG_NOTICE, EVENT_CHANGED, "Konnect has the PAT no longer");
	remark = credential_remark(q->instance->credential);
	if (remark != NULL && (c->tainted || before == NULL || strcmp(before, remark) != 0))
		job_log(j, LOG_WARNING, EVENT_NONE, "%s", remark);
	return false;
}

#define RECONCILED_SINGLY_MAX 50	/* events of one reconcile that get a line each */

static void on_reconciled(void *arg, enum reconcile_event event, const struct cache_row *row)
{
	struct sink_queue *q = arg;
	char guid[37];
	struct log_fields f = { .instance = q->config->name, .organization = q->config->organization, .repository = guid };
	const char *project = row->repo.project_name, *name = row->repo.name;
	int priority = ++q->reconciled > RECONCILED_SINGLY_MAX ? LOG_DEBUG : LOG_NOTICE;

	guid_format(row->repo.guid, guid);
	switch (event) {
	case RECONCILE_ADOPTED:
		f.event = EVENT_ADOPTED;
		q->stats.adopted++;
		log_event(priority == LOG_NOTICE ? LOG_INFO : priority, &f, q->config->name, "%s / %s was in the catalog already as %s",
			  project, name, row->service_name);
		return;
	case RECONCILE_REPAIRED:
		f.event = EVENT_REPAIRED;
		q->stats.repaired++;
		log_event(priority, &f, q->config->name, "%s / %s (%s): labels or git_repo were changed in Konnect and are put back",
			  project, name, row->service_name);
		return;
	case RECONCILE_RECREATED:
		f.event = EVENT_REPAIRED;
		q->stats.repaired++;
		log_event(priority, &f, q->config->name, "%s / %s: its service %s was deleted in Konnect and is created again; to keep it "
			  "out of the catalog add \"%s/%s\" to exclude", project, name, row->service_name, project, name);
		return;
	case RECONCILE_ENTERED:
		f.event = EVENT_MISSING;
		log_event(priority, &f, q->config->name, "the service %s is ours, but its repository is not in the listing; it is kept as "
			  "it is", row->service_name);
		return;
	}
}

/* There may be more to create now, or less. */
static void hold_creations(struct sink_queue *q)
{
	int64_t limit = q->sink->config->konnect.create_limit;
	struct cache_counts n;

	if (cache_counts(q->sink->cache, q->instance->id, &n) < 0)
		return;
	q->creations = n.creations;
	q->hold_creations = limit > 0 && n.creations > limit;
}

/* Whether the job goes on. A scan goes on with the next turn of the loop. */
static bool reconcile_goes_on(struct job *j)
{
	struct sink_queue *q = j->queue;
	struct reconcile *r = &j->reconcile;

	if (reconcile_scans(r) && reconcile_scan(r) < 0)
		sink_cache_failed(q->sink);
	if (r->step == RECONCILE_DONE && cache_flush(q->sink->cache) < 0)
		sink_cache_failed(q->sink);
	/* a part of what it has learned is lost: another one begins */
	if (cache_losses(q->sink->cache) != r->losses)
		return false;
	if (r->step == RECONCILE_FAILED) {
		job_log(j, LOG_WARNING, EVENT_NONE, "Konnect was not compared with the cache, and is later: %s", r->error);
		q->reconcile = false;
		return false;
	}
	if (r->step != RECONCILE_DONE)
		return true;
	hold_creations(q);
	if (r->n_events > 0)
		job_log(j, LOG_NOTICE, EVENT_NONE, "compared with Konnect: %s, %u adopted, %u repaired",
			  COUNT_OF(r->n_services, "service"), q->stats.adopted, q->stats.repaired);
	else
		job_log(j, LOG_DEBUG, EVENT_NONE, "compared with Konnect: %s, all as it should be", COUNT_OF(r->n_services, "service"));
	q->reconciled = 0;
	q->reconcile = false;
	q->instance->last_reconcile = r->now;
	/* what Konnect refused is tried again */
	if (cache_unpark(q->sink->cache, q->instance->id) < 0 || cache_instance_save(q->sink->cache, q->instance) < 0)
		sink_cache_failed(q->sink);
	return false;
}

/* A page of services that carry our instance's label. */
static bool services_answered(struct job *j, int status, const json_t *answer)
{
	json_t *list = json_object_get(answer, "data"), *service;
	size_t i;

	if (status != 200)
		return false;
	json_array_foreach(list, i, service)
		if (konnect_is_ours(service, j->queue->config->name))
			json_object_set_new(j->queue->found, konnect_text(service, "name"), json_true());
	j->page++;
	return json_array_size(list) == KONNECT_PAGE_SIZE;
}

static bool answered(struct job *j, int status, const json_t *answer)
{
	switch (j->kind) {
	case JOB_INSTANCE:
		return instance_answered(j, status, answer);
	case JOB_ROW:
		return row_answered(j, status, answer);
	case JOB_CREDENTIAL:
		return credential_answered(j, status, answer);
	case JOB_RECONCILE:
		if (reconcile_answer(&j->reconcile, status, answer) < 0)
			sink_cache_failed(j->queue->sink);
		return true;
	case JOB_SERVICES:
		return services_answered(j, status, answer);
	}
	return false;
}

/* The answer speaks of Konnect as a whole, or there was none. The request is sent again when the state allows. */
static void failed(struct job *j, enum sink_event event, int64_t wait, char *why)
{
	struct sink *s = j->queue->sink;

	j->tries++;
	sink_event(s, event, wait, why);
	free(why);
	if (s->mode != SINK_DAEMON && j->tries >= ONCE_TRIES) {
		j->queue->stats.left++;
		sink_job_done(j);
	}
}

static int64_t retry_after(struct sink *s, const struct transfer *t)
{
	struct answer a = { .retry_after = http_header(t, "Retry-After") };

	return verdict_wait(&a, loop_wall_sec(s->loop));
}

static char *words(const char *what, int status, const json_t *answer)
{
	char reason[MESSAGE_MAX];

	(void)konnect_reason(answer, reason, sizeof(reason));
	return status != 0 ? xasprintf("%s with %d%s%s", what, status, reason[0] != '\0' ? ": " : "", reason) : xstrdup(what);
}

/* Whether the request is sent again: a first 403 after a while, and one that was the token's when the token is good again. */
static bool forbidden(struct job *j, int64_t wait)
{
	struct sink *s = j->queue->sink;
	struct job *other;

	sink_event(s, SINK_FORBIDDEN, wait, "the token may not do this (403); it needs the role of a Catalog admin");
	if (s->schedule.state == SINK_CREDENTIAL) {
		TAILQ_FOREACH(other, &s->jobs, link)
			other->forbidden = false;
		return true;
	}
	if (j->forbidden)
		return false;
	j->forbidden = true;
	j->not_before = loop_now_ms(s->loop) + FORBIDDEN_RETRY_MS;
	return true;
}

/* Whether the answer was dealt with as one about the whole of Konnect. */
static bool about_konnect(struct job *j, const struct transfer *t, const struct http_result *r, const json_t *answer)
{
	struct sink *s = j->queue->sink;
	int64_t wait = retry_after(s, t);

	if (r->error != NULL) {
		failed(j, SINK_FAILED, 0, xasprintf("did not answer: %s", r->error));
	} else if (r->status == 401) {
		failed(j, SINK_UNAUTHORIZED, wait, words("refused the token", r->status, answer));
	} else if (r->status == 403) {
		return forbidden(j, wait);
	} else if (r->status == 429) {
		failed(j, SINK_WAS_THROTTLED, wait, words("limits the rate of requests", r->status, answer));
	} else if (r->status == 408 || r->status == 407 || r->status >= 500 || (r->status >= 300 && r->status < 400)) {
		failed(j, SINK_FAILED, wait, words("answered", r->status, answer));
	} else if (r->status < 300 && r->status != 204 && answer == NULL) {
		/* it may have been done: the next try finds out */
		failed(j, SINK_FAILED, 0, xasprintf("answered %d with something that is not JSON", r->status));
	} else {
		return false;
	}
	return true;
}

/* The answer as JSON, or NULL. What a refusal says is shown and kept: a proxy may have echoed our token in it. */
static json_t *parse(const struct job *j, const struct http_result *r)
{
	struct sink *s = j->queue->sink;
	_cleanup_free_ char *body = NULL;
	char *token = NULL, *error = NULL;
	json_t *answer = NULL;

	if (r->status >= 200 && r->status < 300 && j->kind == JOB_ROW && converge_reads_ids(&j->row))
		answer = konnect_ids(r->body, r->body_len);
	if (r->status < 400)
		return answer != NULL ? answer : json_loadb(r->body, r->body_len, 0, NULL);
	body = xstrndup(r->body, r->body_len);
	if (secret_read(s->config->directory, s->config->konnect.token_file, &token, &error) == 0)
		secret_scrub(body, token);
	free(error);
	secret_free(token);
	return json_loads(body, 0, NULL);
}

/* For Konnect's support: what the log says of a refusal names its status and Konnect's id of it. */
static void note_refusal(struct job *j, int status, const json_t *answer)
{
	const char *trace = konnect_trace(answer);

	free(j->trace);
	j->trace = status >= 400 && *trace != '\0' ? xstrdup(trace) : NULL;
	j->refused_status = status >= 400 ? status : 0;
}

static void on_done(struct transfer *t, const struct http_result *r, void *arg)
{
	struct job *j = arg;
	struct sink *s = j->queue->sink;
	json_t *answer = r->error == NULL ? parse(j, r) : NULL;

	j->transfer = NULL;
	s->in_flight--;
	s->slow = r->total_ms >= SAVE_DELAY_MS;
	sink_count(s, j->method, r);
	if (!about_konnect(j, t, r, answer)) {
		if (r->status != 403 && !s->cache_lost)
			sink_event(s, SINK_ANSWERED, 0, NULL);
		j->tries = 0;
		if (s->unsaved++ == 0)
			s->unsaved_since = loop_now_ms(s->loop);
		note_refusal(j, r->status, answer);
		if (!answered(j, r->status, answer))
			sink_job_done(j);
		else if (job_is_stale(j))
			job_drop(j);
		else
			j->unsaved = !j->dirty;
	}
	json_decref(answer);
	/* not at once: what was learned is written first */
	sink_wake(s);
}

static int token_read(struct sink *s)
{
	char *error = NULL;

	if (s->bearer != NULL)
		return 0;
	if (secret_read(s->config->directory, s->config->konnect.token_file, &s->bearer, &error) < 0) {
		sink_event(s, SINK_UNAUTHORIZED, 0, error);
		free(error);
		return -EACCES;
	}
	s->token = digest_bytes(cache_key(s->cache), s->bearer, strlen(s->bearer));
	return 0;
}

static int send_with(struct sink *s, const struct konnect_request *q, const char *token, http_done_fn done, void *arg,
		     struct transfer **ret)
{
	static const char *const headers[] = { "Accept: application/json", NULL };
	const struct config_konnect *k = &s->config->konnect;
	_cleanup_free_ char *url = xasprintf("%s%s", k->url, q->path);
	struct http_request h = { .method = q->method, .url = url, .headers = headers, .bearer = token, .body = q->body,
				  .proxy = k->proxy, .ca_file = k->ca_file, .body_max = KONNECT_BODY_MAX,
				  .timeout_ms = KONNECT_TIMEOUT_SEC * 1000 };

	return http_start(s->http, &h, done, arg, ret);
}

int sink_send(struct sink *s, const struct konnect_request *q, http_done_fn done, void *arg, struct transfer **ret, char **ret_error)
{
	char *token = NULL;
	int r = secret_read(s->config->directory, s->config->konnect.token_file, &token, ret_error);

	if (r < 0)
		return r;
	r = send_with(s, q, token, done, arg, ret);
	secret_free(token);
	if (r < 0)
		*ret_error = xasprintf("a request cannot be started: %s", strerror(-r));
	return r;
}

/* There is nothing to do after all; or nothing that can be done now. */
static void nothing_to_send(struct job *j)
{
	switch (j->kind) {
	case JOB_INSTANCE:
		instance_ready(j);
		return;
	case JOB_ROW:
		row_settled(j);
		return;
	case JOB_CREDENTIAL:
		/* the PAT has changed since the poll, and waits for the next one */
		j->queue->share_refused = j->queue->share_refused || j->credential.step == CREDENTIAL_CREATE;
		return;
	case JOB_RECONCILE:
	case JOB_SERVICES:
		return;
	}
}

/* What is about to be archived or deleted may have come back while the job waited for Konnect. */
static bool is_back(const struct job *j)
{
	const struct converge *c = &j->row;
	struct cache_row now = { 0 };
	bool back;

	if (j->kind != JOB_ROW || c->step != CONVERGE_GONE || (c->gone_step != GONE_ARCHIVE && c->gone_step != GONE_DELETE))
		return false;
	back = cache_row_by_id(j->queue->sink->cache, c->row.id, &now) < 0 || now.state < REPO_EXCLUDED || now.state == REPO_MISSING;
	cache_row_done(&now);
	return back;
}

bool job_scans(const struct job *j)
{
	return j->kind == JOB_RECONCILE && j->reconcile.config != NULL && reconcile_scans(&j->reconcile);
}

int job_send(struct job *j)
{
	struct sink *s = j->queue->sink;
	struct konnect_request q = { 0 };
	bool scanned = job_scans(j);
	int r;

	if (job_is_stale(j) || is_back(j)) {
		job_drop(j);
		return 0;
	}
	if (j->kind == JOB_RECONCILE && j->reconcile.config == NULL) {
		/* the cache could not be read when it began: the sink knows, and begins another one */
		sink_job_done(j);
		return -EIO;
	}
	if (j->kind == JOB_RECONCILE && !reconcile_goes_on(j)) {
		sink_job_done(j);
		return 0;
	}
	/* the request that may follow is another turn's, with a place in the rate of its own */
	if (scanned) {
		sink_wake(s);
		return -EAGAIN;
	}
	if (!request_of(j, &q)) {
		nothing_to_send(j);
		sink_job_done(j);
		return 0;
	}
	j->method = q.method;
	r = token_read(s);
	if (r == 0) {
		r = send_with(s, &q, s->bearer, on_done, j, &j->transfer);
		if (r == 0)
			s->in_flight++;
		else
			failed(j, SINK_FAILED, 0, xasprintf("a request cannot be started: %s", strerror(-r)));
	}
	konnect_request_done(&q);
	return r;
}
