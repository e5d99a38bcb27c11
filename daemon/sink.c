/* The scheduler of the sink: which instance is served next, how fast, and whether at all. */
#include "sink.h"

#include <errno.h>
#include <string.h>

#include "../lib/limits.h"
#include "../lib/util.h"
#include "http.h"
#include "log.h"
#include "loop.h"
#include "secret.h"
#include "sink_internal.h"

#define SINK_ONCE_WAIT_SEC 10	/* the longest that --once waits for what a server asks */
#define CYCLE_LOGGED_MAX 50	/* writes of one cycle that are logged one by one */
#define SECRET_WATCH_MS 5000

static void on_pump(void *arg);
static void on_due(void *arg);
static void on_watch(void *arg);

struct sink *sink_new(struct loop *l, struct http *h, struct cache *c, struct config *config, const struct sink_writer *writer,
		      enum sink_mode mode, sink_idle_fn on_idle, void *arg)
{
	struct sink *s = xcalloc(1, sizeof(*s));

	s->loop = l;
	s->http = h;
	s->cache = c;
	s->config = config_ref(config);
	s->writer = *writer;
	s->mode = mode;
	s->on_idle = on_idle;
	s->arg = arg;
	s->pump = loop_timer_new(l, on_pump, s);
	s->due = loop_timer_new(l, on_due, s);
	s->watch = loop_timer_new(l, on_watch, s);
	bucket_init(&s->bucket, config->konnect.rate_per_minute, loop_now_ms(l));
	TAILQ_INIT(&s->queues);
	TAILQ_INIT(&s->jobs);
	return s;
}

struct sink *sink_free(struct sink *s)
{
	struct job *j;

	if (s == NULL)
		return NULL;
	while ((j = TAILQ_FIRST(&s->jobs)) != NULL) {
		TAILQ_REMOVE(&s->jobs, j, link);
		job_free(j);
	}
	loop_timer_free(s->pump);
	loop_timer_free(s->due);
	loop_timer_free(s->watch);
	secret_free(s->bearer);
	config_free(s->config);
	free(s->trouble);
	free(s->resource_type);
	free(s->resource_keys);
	free(s);
	return NULL;
}

void sink_retry(struct sink *s)
{
	if (s->schedule.state == SINK_READY)
		return;
	loop_timer_cancel(s->due);
	sink_event(s, SINK_SECRET, 0, NULL);
	sink_wake(s);
}

void sink_reconfigure(struct sink *s, struct config *config)
{
	if (config->konnect.rate_per_minute != s->config->konnect.rate_per_minute)
		bucket_init(&s->bucket, config->konnect.rate_per_minute, loop_now_ms(s->loop));
	config_ref(config);
	config_free(s->config);
	s->config = config;
	/* another type may be configured */
	free(s->resource_type);
	free(s->resource_keys);
	s->resource_type = s->resource_keys = NULL;
	sink_retry(s);
}

void sink_queue_reconfigure(struct sink_queue *q, const struct config_instance *config)
{
	q->config = config;
	q->instance_ready = q->follows = false;
}

struct sink_queue *sink_queue_new(struct sink *s, const struct config_instance *config, struct cache_instance *instance)
{
	struct sink_queue *q = xcalloc(1, sizeof(*q));

	q->sink = s;
	q->config = config;
	q->instance = instance;
	TAILQ_INSERT_TAIL(&s->queues, q, link);
	return q;
}

struct sink_queue *sink_queue_free(struct sink_queue *q)
{
	struct job *j, *next;

	if (q == NULL)
		return NULL;
	for (j = TAILQ_FIRST(&q->sink->jobs); j != NULL; j = next) {
		next = TAILQ_NEXT(j, link);
		if (j->queue != q)
			continue;
		TAILQ_REMOVE(&q->sink->jobs, j, link);
		job_free(j);
	}
	TAILQ_REMOVE(&q->sink->queues, q, link);
	json_decref(q->found);
	free(q->refused);
	free(q);
	return NULL;
}

void sink_wake(struct sink *s)
{
	loop_timer_arm(s->pump, 0);
}

void sink_queue_wake(struct sink_queue *q, const struct cache_counts *counts, bool hold_creations)
{
	q->pushes = sink_queue_pushes(q);
	q->stats = (struct sink_stats){ .total = counts->pending - (hold_creations ? counts->creations : 0),
					.began = loop_now_ms(q->sink->loop) };
	q->creations = counts->creations;
	q->hold_creations = hold_creations;
	q->quiet = q->stats.total > CYCLE_LOGGED_MAX;
	/* a person may have mended what was refused */
	if (q->refused != NULL)
		q->instance_ready = false;
	q->active = q->has_work = q->again = true;
	sink_wake(q->sink);
}

void sink_queue_follow(struct sink_queue *q)
{
	q->follows = true;
}

void sink_queue_reconcile(struct sink_queue *q)
{
	q->reconcile = true;
	q->share_verify = true;
	q->share_refused = false;
	/* the integration instance as well: it may be gone, or another daemon's by now */
	q->instance_ready = false;
	q->active = q->has_work = q->again = true;
	sink_wake(q->sink);
}

void sink_queue_share(struct sink_queue *q, const struct digest *pat)
{
	bool changed = !q->share_known || memcmp(&q->share, pat, sizeof(*pat)) != 0;

	q->share = *pat;
	q->share_known = true;
	if (!changed)
		return;
	q->share_refused = false;
	if (!credential_pending(q->instance, pat))
		return;
	q->active = q->has_work = q->again = true;
	sink_wake(q->sink);
}

void sink_queue_halt(struct sink_queue *q)
{
	struct job *j, *next;

	q->halted = true;
	q->has_work = q->again = q->skipped = false;
	for (j = TAILQ_FIRST(&q->sink->jobs); j != NULL; j = next) {
		next = TAILQ_NEXT(j, link);
		if (j->queue == q && j->transfer == NULL)
			sink_job_done(j);
	}
}

void sink_queue_go_on(struct sink_queue *q)
{
	q->halted = false;
}

int64_t sink_take(struct sink *s)
{
	return bucket_take(&s->bucket, loop_now_ms(s->loop));
}

const struct sink_stats *sink_queue_stats(const struct sink_queue *q)
{
	return &q->stats;
}

struct status_pushes sink_queue_pushes(const struct sink_queue *q)
{
	struct status_pushes p = q->pushes;

	p.created += q->stats.created;
	p.changed += q->stats.changed;
	p.adopted += q->stats.adopted;
	p.repaired += q->stats.repaired;
	p.parked += q->stats.parked;
	return p;
}

void sink_count(struct sink *s, const char *method, const struct http_result *r)
{
	status_count(&s->requests, method, r->error == NULL ? r->status : 0);
}

const struct status_requests *sink_requests(const struct sink *s)
{
	return &s->requests;
}

unsigned sink_in_flight(const struct sink *s)
{
	return s->in_flight;
}

bool sink_queue_idle(const struct sink_queue *q)
{
	return q->jobs == 0 && !q->has_work;
}

const char *sink_queue_refused(const struct sink_queue *q)
{
	return q->refused;
}

bool sink_queue_would_create(const struct sink_queue *q)
{
	return q->would_create;
}

bool sink_queue_would_adopt(const struct sink_queue *q)
{
	return q->would_adopt;
}

bool sink_queue_has_service(const struct sink_queue *q, const char *name)
{
	return json_object_get(q->found, name) != NULL;
}

enum sink_state sink_state(const struct sink *s)
{
	return s->schedule.state;
}

bool sink_queue_compared(const struct sink_queue *q)
{
	return q->instance->last_reconcile != 0 || q->sink->mode == SINK_READ_ONLY;
}

const char *sink_trouble(const struct sink *s)
{
	return s->trouble;
}

static void stop_if_quiet(struct sink *s)
{
	void (*done)(void *arg) = s->stopped;

	if (done == NULL || s->in_flight > 0)
		return;
	s->stopped = NULL;
	done(s->stopped_arg);
}

void sink_stop(struct sink *s, void (*done)(void *arg), void *arg)
{
	s->stopped = done;
	s->stopped_arg = arg;
	sink_wake(s);
}

/* In --once nobody waits for a state to pass that lasts longer: what is pending is left over. */
static void give_up(struct sink *s)
{
	struct sink_queue *q;
	struct job *j, *next;

	for (j = TAILQ_FIRST(&s->jobs); j != NULL; j = next) {
		next = TAILQ_NEXT(j, link);
		if (j->transfer == NULL) {
			j->queue->stats.left++;
			sink_job_done(j);
		}
	}
	TAILQ_FOREACH(q, &s->queues, link) {
		if (!q->has_work)
			continue;
		q->stats.left++;
		q->has_work = q->again = false;
	}
}

static void log_state(struct sink *s, const char *why)
{
	static const char *const advice[] = {
		[SINK_READY] = "",
		[SINK_THROTTLED] = "pushing goes on when the wait is over; if it happens often, lower rate_per_minute",
		[SINK_BACKOFF] = "it is tried again by itself; polling goes on",
		[SINK_CREDENTIAL] = "write a valid token into token_file; polling goes on, and what has to be pushed is kept",
	};
	struct log_fields f = { .event = EVENT_SINK_LOST };

	log_event(LOG_WARNING, &f, "konnect", "%s; %s", why, advice[s->schedule.state]);
}

void sink_event(struct sink *s, enum sink_event event, int64_t wait, const char *why)
{
	enum sink_state before = s->schedule.state;
	enum sink_state lost = s->schedule.lost;
	uint32_t attempts = s->schedule.attempts;
	/* an answer, of which there are many, needs no jitter */
	uint32_t random = event == SINK_ANSWERED ? 0 : loop_random(s->loop, UINT32_MAX);
	int64_t ms = sink_schedule_next(&s->schedule, event, wait, loop_now_ms(s->loop), random);

	if (s->schedule.attempts == 0 && attempts > 0) {
		struct log_fields f = { .event = EVENT_SINK_RESTORED };

		log_event(LOG_NOTICE, &f, "konnect", "works again");
		free(s->trouble);
		s->trouble = NULL;
		s->cache_tried = false;
	}
	if (s->schedule.state != before && s->schedule.state != SINK_READY) {
		free(s->trouble);
		s->trouble = xstrdup(why != NULL ? why : "");
		s->cache_tried = false;
		if (attempts == 0 || s->schedule.state != lost)
			log_state(s, s->trouble);
	}
	if (ms < 0)
		return;
	if (s->schedule.state == SINK_CREDENTIAL && s->mode == SINK_DAEMON)
		loop_timer_arm(s->watch, SECRET_WATCH_MS);
	if (s->mode != SINK_DAEMON && (ms > SINK_ONCE_WAIT_SEC * 1000 || s->schedule.attempts >= 3)) {
		s->given_up = true;
		sink_wake(s);
	} else {
		loop_timer_arm(s->due, ms);
	}
}

static void on_due(void *arg)
{
	struct sink *s = arg;

	sink_event(s, SINK_DUE, 0, NULL);
	sink_wake(s);
}

/* A new token ends the wait at once. */
static void on_watch(void *arg)
{
	struct sink *s = arg;
	char *token = NULL, *error = NULL;
	struct digest d;

	if (s->schedule.state != SINK_CREDENTIAL)
		return;
	loop_timer_arm(s->watch, SECRET_WATCH_MS);
	if (secret_read(s->config->directory, s->config->konnect.token_file, &token, &error) < 0) {
		free(error);
		return;
	}
	d = digest_bytes(cache_key(s->cache), token, strlen(token));
	secret_free(token);
	if (memcmp(&d, &s->token, sizeof(d)) == 0)
		return;
	s->token = d;
	loop_timer_cancel(s->due);
	sink_event(s, SINK_SECRET, 0, NULL);
	sink_wake(s);
}

/* The cycle of a queue is over: one line for what was too much to log singly. */
static void queue_drained(struct sink_queue *q)
{
	struct log_fields f = { .event = EVENT_CREATED, .instance = q->config->name, .organization = q->config->organization };

	if (q->quiet && q->sink->mode != SINK_READ_ONLY) {
		f.event = q->stats.created > 0 || q->stats.adopted > 0 ? EVENT_CREATED : EVENT_CHANGED;
		log_event(LOG_INFO, &f, q->config->name, "%s created, %u changed, %u adopted, %u parked",
			  COUNT_OF(q->stats.created, "service"), q->stats.changed, q->stats.adopted, q->stats.parked);
	}
	q->quiet = false;
	if (q->sink->on_idle != NULL)
		q->sink->on_idle(q, q->sink->arg);
}

void sink_job_done(struct job *j)
{
	struct sink_queue *q = j->queue;

	TAILQ_REMOVE(&q->sink->jobs, j, link);
	job_free(j);
	if (q->skipped) {
		q->skipped = false;
		q->has_work = q->again = true;
	}
	sink_wake(q->sink);
}

static bool in_flight(const struct sink *s, int64_t row)
{
	const struct job *j;

	TAILQ_FOREACH(j, &s->jobs, link)
		if (j->kind == JOB_ROW && j->row.row.id == row)
			return true;
	return false;
}

/* The row whose service this one shares, if it does. 0, -EAGAIN when that service is not there yet, -EIO. */
static int target_of(struct sink_queue *q, const struct cache_row *row, struct cache_row *ret)
{
	int e;

	if (row->kind != ROW_REPOSITORY || row->target <= 0)
		return 0;
	e = cache_row_by_id(q->sink->cache, row->target, ret);
	if (e < 0)
		return e == -ENOENT ? -EAGAIN : e;
	return ret->service_id != NULL ? 0 : -EAGAIN;
}

/* The next pending row of the queue that no job has, and whose service is there if it shares one. 0, -ENOENT, -EIO. */
static int next_row(struct sink_queue *q, struct cache_row *ret, struct cache_row *ret_target)
{
	for (;;) {
		int e = cache_pending_next(q->sink->cache, q->instance->id, q->cursor, !q->hold_creations, ret);

		if (e == -ENOENT && q->again) {
			q->again = false;
			q->cursor = 0;
			continue;
		}
		if (e < 0)
			return e;
		q->cursor = ret->id;
		e = in_flight(q->sink, ret->id) ? -EAGAIN : target_of(q, ret, ret_target);
		if (e == 0)
			return 0;
		q->skipped = true;
		cache_row_done(ret);
		cache_row_done(ret_target);
		if (e != -EAGAIN)
			return e;
	}
}

/* What was acknowledged may be lost, so every queue looks again when it is over. */
void sink_cache_failed(struct sink *s)
{
	_cleanup_free_ char *why = xasprintf("nothing is pushed, as the cache cannot be written: %s", cache_error(s->cache));
	struct sink_queue *q;

	TAILQ_FOREACH(q, &s->queues, link)
		q->active = q->has_work = q->again = true;
	s->cache_lost = true;
	s->cache_tried = false;
	sink_event(s, SINK_FAILED, 0, why);
	/* it begins anew with another one */
	if (cache_is_damaged(s->cache))
		loop_stop(s->loop);
}

/* Whether another instance is reading the resource types, which are the same for all. */
static bool types_are_read(const struct sink *s)
{
	const struct job *j;

	TAILQ_FOREACH(j, &s->jobs, link)
		if (j->kind == JOB_INSTANCE && j->instance.step == INSTANCE_INTEGRATIONS)
			return true;
	return false;
}

/* Nothing else of an instance may go before its integration instance is there. */
static struct job *queue_begin(struct sink_queue *q)
{
	if (q->jobs > 0 || (q->instance->resource_type == NULL && types_are_read(q->sink)))
		return NULL;
	return job_new(q, JOB_INSTANCE, NULL, NULL);
}

/* Makes the queue's next job, if it has one. */
static struct job *queue_next(struct sink_queue *q)
{
	struct cache_row row = { 0 }, target = { 0 };
	struct job *j;
	int e;

	if (!q->has_work || q->halted)
		return NULL;
	if (!q->follows && converge_instance_renames(q->instance, q->config)) {
		/* another organization, perhaps: its first good listing will tell */
		q->has_work = q->again = false;
		return NULL;
	}
	if (!q->instance_ready)
		return queue_begin(q);
	if (q->sink->mode == SINK_READ_ONLY) {
		q->has_work = q->again = false;
		return q->found == NULL && !q->would_create && q->creations > 0 ? job_new(q, JOB_SERVICES, NULL, NULL) : NULL;
	}
	if (q->share_known && !q->share_refused &&
	    (credential_pending(q->instance, &q->share) || (q->share_verify && !digest_is_zero(&q->share))))
		return q->jobs == 0 ? job_new(q, JOB_CREDENTIAL, NULL, NULL) : NULL;
	if (q->reconcile)
		return q->jobs == 0 ? job_new(q, JOB_RECONCILE, NULL, NULL) : NULL;
	e = next_row(q, &row, &target);
	if (e == 0) {
		j = job_new(q, JOB_ROW, &row, target.id != 0 ? &target : NULL);
		cache_row_done(&target);
		return j;
	}
	if (e == -ENOENT)
		q->has_work = q->again = false;
	else
		sink_cache_failed(q->sink);
	return NULL;
}

/* A job whose request can go now: one that waits for its turn, else a new one, round robin. */
static struct job *next_job(struct sink *s)
{
	struct sink_queue *q, *first = TAILQ_FIRST(&s->queues);
	int64_t now = loop_now_ms(s->loop);
	unsigned n = 0, in_pairs = 0;
	struct job *j;

	TAILQ_FOREACH(j, &s->jobs, link) {
		if (j->transfer == NULL && !j->unsaved && j->not_before <= now)
			return j;
		n++;
		in_pairs += !s->slow && j->kind == JOB_ROW && j->row.step == CONVERGE_CREATE;
	}
	/* a service that is created has room for its mapping: then both are written as one */
	if (n >= s->config->konnect.max_in_flight ||
	    (in_pairs > 0 && s->in_flight + s->unsaved + in_pairs + 1 >= s->config->konnect.max_in_flight))
		return NULL;
	while ((q = TAILQ_FIRST(&s->queues)) != NULL) {
		TAILQ_REMOVE(&s->queues, q, link);
		TAILQ_INSERT_TAIL(&s->queues, q, link);
		j = queue_next(q);
		if (j != NULL)
			return j;
		if (TAILQ_FIRST(&s->queues) == first)
			break;
	}
	return NULL;
}

/* When the next job that waits may be sent, INT64_MAX without one. */
static int64_t first_delayed(const struct sink *s)
{
	int64_t now = loop_now_ms(s->loop), first = INT64_MAX;
	const struct job *j;

	TAILQ_FOREACH(j, &s->jobs, link)
		if (j->transfer == NULL && j->not_before > now && j->not_before < first)
			first = j->not_before;
	return first;
}

static void report_idle(struct sink *s)
{
	struct sink_queue *q, *next;
	bool idle = true;

	for (q = TAILQ_FIRST(&s->queues); q != NULL; q = next) {
		next = TAILQ_NEXT(q, link);
		if (q->active && sink_queue_idle(q)) {
			q->active = false;
			queue_drained(q);
		}
		idle = idle && sink_queue_idle(q);
	}
	/* nothing of what was lost had to be sent: no answer will say that it works again */
	if (s->cache_tried && idle && s->schedule.state == SINK_READY)
		sink_event(s, SINK_ANSWERED, 0, NULL);
}

static bool any_dirty(const struct sink *s)
{
	const struct job *j;

	TAILQ_FOREACH(j, &s->jobs, link)
		if (j->dirty)
			return true;
	return false;
}

/* Answers are written together, as the disk takes as long for one as for many: when half of what may be under way waits for it,
 * when nothing else is under way, or after a moment. */
static bool save_is_due(const struct sink *s)
{
	return s->in_flight == 0 || s->stopped != NULL || s->given_up || loop_now_ms(s->loop) - s->unsaved_since >= SAVE_DELAY_MS ||
	       (s->unsaved * 2 >= (unsigned)s->config->konnect.max_in_flight && !any_dirty(s));
}

/* What Konnect acknowledged is safe before anything that builds on it is sent. */
static void save(struct sink *s)
{
	struct job *j;

	s->unsaved = 0;
	TAILQ_FOREACH(j, &s->jobs, link) {
		j->unsaved = false;
		row_keep(j);
	}
	if (cache_flush(s->cache) < 0 || cache_is_damaged(s->cache)) {
		sink_cache_failed(s);
	} else if (s->cache_lost && s->schedule.state == SINK_READY) {
		/* nothing is sent that could not be kept: a little room would be filled by the first answers, and lost again */
		s->cache_tried = cache_trial(s->cache) == 0;
		s->cache_lost = !s->cache_tried;
		if (s->cache_lost)
			sink_cache_failed(s);
	}
}

static void on_pump(void *arg)
{
	struct sink *s = arg;
	struct job *j = NULL;
	int64_t next = INT64_MAX, now;

	if (s->unsaved == 0 || save_is_due(s))
		save(s);
	if (s->stopped != NULL) {
		stop_if_quiet(s);
		return;
	}
	if (s->given_up)
		give_up(s);
	while (s->schedule.state == SINK_READY && s->in_flight + s->unsaved < (unsigned)s->config->konnect.max_in_flight &&
	       (j = next_job(s)) != NULL) {
		int64_t ms = job_scans(j) ? 0 : bucket_take(&s->bucket, loop_now_ms(s->loop));

		if (ms > 0) {
			next = loop_now_ms(s->loop) + ms;
			break;
		}
		if (job_send(j) < 0)
			break;
	}
	s->bearer = secret_free(s->bearer);
	if (j == NULL)
		next = first_delayed(s);
	if (s->unsaved > 0 && s->unsaved_since + SAVE_DELAY_MS < next)
		next = s->unsaved_since + SAVE_DELAY_MS;
	now = loop_now_ms(s->loop);
	if (next != INT64_MAX)
		loop_timer_arm(s->pump, next > now ? next - now : 0);
	report_idle(s);
}
