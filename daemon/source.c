/* The schedule of one organization, and the log events that hang on its transitions and nowhere else. */
#include "source.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../lib/approve.h"
#include "../lib/limits.h"
#include "../lib/plan.h"
#include "../lib/util.h"
#include "http.h"
#include "loop.h"
#include "secret.h"
#include "sink.h"
#include "source_internal.h"

#define SECRET_WATCH_MS 5000
#define REMINDER_SEC 86400
#define RECONCILE_RETRY_SEC 300		/* after one that did not come to its end */
#define REMEMBERED_WAIT_MAX_SEC (12 * 3600)	/* twice the longest backoff */

static void on_due(void *arg);
static void on_watch(void *arg);
static void on_reconcile(void *arg);
static void say_hold(struct source *s, char *hold);

static enum instance_state remembered_state(int state)
{
	return state > INSTANCE_WAITING && state <= INSTANCE_PAUSED && state != INSTANCE_POLLING ? (enum instance_state)state
												  : INSTANCE_WAITING;
}

int source_new(struct source_context *x, const struct config_instance *config, struct source **ret)
{
	struct source *s = xcalloc(1, sizeof(*s));
	bool known_verdict;

	s->x = x;
	s->all = config_ref(x->config);
	s->config = config;
	if (cache_instance_load(x->cache, config->name, &s->cached) < 0) {
		config_free(s->all);
		free(s);
		return -EIO;
	}
	if (s->cached.unconfigured) {
		s->cached.unconfigured = false;
		(void)cache_instance_save(x->cache, &s->cached);
	}
	known_verdict = s->cached.verdict >= 0 && s->cached.verdict <= VERDICT_CACHE_FAILED;
	s->schedule = (struct schedule){
		.state = remembered_state(s->cached.state),
		.since = s->cached.state_since,
		.attempts = s->cached.attempts,
		.verdict = known_verdict ? (enum verdict)s->cached.verdict : VERDICT_OK,
	};
	if (s->schedule.since == 0)
		s->schedule.since = loop_wall_sec(x->loop);
	s->schedule.before = s->schedule.state;
	s->schedule.refused = s->schedule.state == INSTANCE_BACKOFF && (s->schedule.verdict == VERDICT_SCOPE_MISSING ||
									s->schedule.verdict == VERDICT_CREDENTIAL_REJECTED);
	s->secret = s->cached.secret;
	s->queue = sink_queue_new(x->sink, config, &s->cached);
	if (s->cached.withdrawn)
		sink_queue_halt(s->queue);
	s->due = loop_timer_new(x->loop, on_due, s);
	s->work = loop_timer_new(x->loop, source_poll_step, s);
	s->watch = loop_timer_new(x->loop, on_watch, s);
	s->reconcile = loop_timer_new(x->loop, on_reconcile, s);
	answer_head_init(&s->head);
	*ret = s;
	return 0;
}

void source_stop(struct source *s)
{
	source_poll_cut(s);
	loop_timer_cancel(s->due);
	loop_timer_cancel(s->watch);
	loop_timer_cancel(s->reconcile);
}

struct source *source_free(struct source *s)
{
	if (s == NULL)
		return NULL;
	source_poll_cut(s);
	sink_queue_free(s->queue);
	loop_timer_free(s->due);
	loop_timer_free(s->work);
	loop_timer_free(s->watch);
	loop_timer_free(s->reconcile);
	cache_instance_done(&s->cached);
	config_free(s->all);
	free(s->outcome.message);
	free(s->outcome.activity_id);
	free(s->trouble);
	free(s->hold);
	free(s);
	return NULL;
}

const struct config_instance *source_config(const struct source *s)
{
	return s->config;
}

const struct cache_instance *source_cached(const struct source *s)
{
	return &s->cached;
}

const struct cache_counts *source_counts(const struct source *s)
{
	return &s->counts;
}

void source_recount(struct source *s)
{
	(void)cache_counts(s->x->cache, s->cached.id, &s->counts);
}

const struct schedule *source_schedule(const struct source *s)
{
	return &s->schedule;
}

struct sink_queue *source_queue(const struct source *s)
{
	return s->queue;
}

const struct status_polls *source_polls(const struct source *s)
{
	return &s->polls;
}

const struct intake_result *source_result(const struct source *s)
{
	return s->have_result ? &s->result : NULL;
}

const char *source_trouble(const struct source *s)
{
	return s->trouble;
}

bool source_holds(const struct source *s)
{
	return s->hold != NULL;
}

bool source_holds_creations(const struct source *s)
{
	return s->holds_creations;
}

void source_log(struct source *s, int priority, enum event_id event, const struct log_fields *more, const char *fmt, ...)
{
	struct log_fields f = more != NULL ? *more : (struct log_fields){ 0 };
	va_list ap;

	if (s->x->quiet)
		return;
	f.event = event;
	f.instance = s->config->name;
	f.organization = s->config->organization;
	va_start(ap, fmt);
	log_eventv(priority, &f, s->config->name, fmt, ap);
	va_end(ap);
}

/* Whether a new PAT is waited for: the last answer doubts it, or none has been good since it was lost. */
static bool watches_secret(const struct source *s)
{
	return schedule_watches_secret(&s->schedule) || (s->cached.reminded != 0 && s->schedule.state != INSTANCE_PAUSED);
}

/* Where the schedule stands, for the next start. */
static int save(struct source *s)
{
	s->cached.state = (int)(s->schedule.pausing ? INSTANCE_PAUSED : schedule_shown(&s->schedule));
	s->cached.state_since = s->schedule.since;
	s->cached.attempts = s->schedule.attempts;
	s->cached.verdict = (int)s->schedule.verdict;
	s->cached.secret = watches_secret(s) ? s->secret : (struct digest){ 0 };
	return cache_instance_save(s->x->cache, &s->cached) < 0 || cache_flush(s->x->cache) < 0 ? -EIO : 0;
}

static void keep(struct source *s)
{
	if (save(s) < 0)
		source_log(s, LOG_ERR, EVENT_NONE, NULL, "where the schedule stands cannot be kept: %s", cache_error(s->x->cache));
}

/* The transition, and the timer that hangs on it. */
static void transition(struct source *s, enum schedule_event event, enum verdict verdict, int64_t wait)
{
	struct schedule_input in = {
		.event = event,
		.verdict = verdict,
		.wait = wait,
		.poll_interval = s->config->poll_interval,
		.now = loop_wall_sec(s->x->loop),
		.random = loop_random(s->x->loop, UINT32_MAX),
	};
	int64_t ms = schedule_next(&s->schedule, &in);

	if (ms == SCHEDULE_POLL) {
		loop_timer_cancel(s->due);
		source_poll_begin(s);
		return;
	}
	if (ms == SCHEDULE_IDLE)
		return;
	s->cached.next_poll = in.now + (ms + 999) / 1000;
	s->cached.asked = verdict == VERDICT_OK && wait > 0 && ms == wait * 1000;
	if (!s->x->scheduled)
		return;
	loop_timer_arm(s->due, ms);
	if (watches_secret(s))
		loop_timer_arm(s->watch, SECRET_WATCH_MS);
}

static void on_due(void *arg)
{
	transition(arg, SCHEDULE_DUE, VERDICT_OK, 0);
}

void source_sync(struct source *s)
{
	transition(s, SCHEDULE_SYNC, VERDICT_OK, 0);
}

void source_pause(struct source *s)
{
	loop_timer_cancel(s->due);
	loop_timer_cancel(s->watch);
	transition(s, SCHEDULE_PAUSE, VERDICT_OK, 0);
	keep(s);
}

void source_withdraw(struct source *s)
{
	s->cached.withdrawn = true;
	source_pause(s);
	sink_queue_halt(s->queue);
	loop_timer_cancel(s->reconcile);
}

void source_resume(struct source *s)
{
	s->cached.withdrawn = false;
	sink_queue_go_on(s->queue);
	transition(s, SCHEDULE_RESUME, VERDICT_OK, 0);
	keep(s);
}

int source_forget(struct source *s)
{
	int64_t id = s->cached.id;

	cache_instance_done(&s->cached);
	s->cached.id = id;
	s->cached.withdrawn = true;
	s->counts = (struct cache_counts){ 0 };
	s->have_result = false;
	/* nothing of it waits any more, and what was wrong with it is past */
	say_hold(s, NULL);
	s->holds_creations = false;
	free(s->trouble);
	s->trouble = NULL;
	return save(s);
}

void source_reconfigure(struct source *s)
{
	const struct config_instance *config = config_find(s->x->config, s->config->name);

	config_ref(s->x->config);
	config_free(s->all);
	s->all = s->x->config;
	s->config = config;
	s->listed = false;
	sink_queue_reconfigure(s->queue, config);
	source_sync(s);
}

static void warn_of_expiry(struct source *s, int64_t now)
{
	int64_t date, left;

	if (s->config->pat_expires == NULL || parse_date(s->config->pat_expires, &date) < 0 ||
	    !expiry_due(&s->cached.expiry, date, now, &left))
		return;
	source_log(s, LOG_WARNING, EVENT_PAT_EXPIRING, NULL, "the PAT expires on %s, in %s; write a new one into %s and change "
		   "pat_expires", s->config->pat_expires, COUNT_OF(left, "day"), s->config->pat_file);
	keep(s);
}

void source_housekeep(struct source *s)
{
	int64_t now = loop_wall_sec(s->x->loop);
	char since[64];

	warn_of_expiry(s, now);
	if (schedule_shown(&s->schedule) != INSTANCE_CREDENTIAL || now - s->cached.reminded < REMINDER_SEC)
		return;
	s->cached.reminded = now;
	source_log(s, LOG_WARNING, EVENT_CREDENTIAL_REMINDER, NULL, "the PAT has not been accepted for %s (%s). To do: %s (%s)",
		   format_span(since, sizeof(since), now - s->schedule.since), verdict_name(s->schedule.verdict),
		   verdict_advice(s->schedule.verdict), s->config->pat_file);
	keep(s);
}

/* A new PAT ends the wait at once, whichever way it came into the file. */
static void on_watch(void *arg)
{
	struct source *s = arg;
	char *pat = NULL, *error = NULL;
	struct digest d;

	if (!watches_secret(s))
		return;
	loop_timer_arm(s->watch, SECRET_WATCH_MS);
	if (source_secret(s, &pat, &d, &error) == 0 && memcmp(&d, &s->secret, sizeof(d)) != 0) {
		s->secret = d;
		transition(s, SCHEDULE_SECRET, VERDICT_OK, 0);
	}
	free(error);
	secret_free(pat);
}

/* Lets the sink compare with Konnect if it is time. Before the first listing there is nothing to compare. */
static void reconcile_if_due(struct source *s)
{
	int64_t now = loop_wall_sec(s->x->loop), interval = s->all->konnect.reconcile_interval,
		left = s->cached.last_reconcile + interval - now;

	if (s->cached.last_complete == 0 || s->cached.withdrawn)
		return;
	/* a time ahead of us comes from a clock that was wrong */
	if (s->cached.last_reconcile == 0 || left <= 0 || left > interval) {
		sink_queue_reconcile(s->queue);
		left = interval < RECONCILE_RETRY_SEC ? interval : RECONCILE_RETRY_SEC;
	}
	if (s->x->scheduled)
		loop_timer_arm(s->reconcile, left * 1000);
}

static void on_reconcile(void *arg)
{
	reconcile_if_due(arg);
}

static void judge_creations(struct source *s)
{
	int64_t limit = s->all->konnect.create_limit;

	s->holds_creations = limit > 0 && s->counts.creations > limit;
}

/* Lets the sink look at what is pending, within create_limit. */
static void wake_sink(struct source *s)
{
	judge_creations(s);
	sink_queue_wake(s->queue, &s->counts, s->holds_creations);
}

/* Says a hold once, and again when it has changed. */
static void say_hold(struct source *s, char *hold)
{
	bool new = hold != NULL && (s->hold == NULL || strcmp(s->hold, hold) != 0);

	if (new)
		source_log(s, LOG_WARNING, EVENT_HELD, NULL, "%s", hold);
	else if (hold == NULL && s->hold != NULL)
		source_log(s, LOG_NOTICE, EVENT_RELEASED, NULL, "nothing is held any more");
	free(s->hold);
	s->hold = hold;
}

static char *describe(const struct poll_outcome *o)
{
	const char *colon = o->message[0] != '\0' ? ": " : "";
	int len = (int)strlen(o->message);

	/* the server's full stop, in a sentence that goes on */
	if (len > 0 && o->message[len - 1] == '.')
		len--;
	if (o->status != 0)
		return xasprintf("the poll failed, %s (%d)%s%.*s", verdict_name(o->verdict), o->status, colon, len, o->message);
	return xasprintf("the poll failed, %s%s%.*s", verdict_name(o->verdict), colon, len, o->message);
}

/* What the last poll came to; of one before the restart its verdict alone is known. NULL if it was good. */
static char *failure(const struct source *s)
{
	if (s->schedule.verdict == VERDICT_OK || s->cached.withdrawn)
		return NULL;
	return s->outcome.message != NULL ? describe(&s->outcome) : xasprintf("the last poll failed, %s", verdict_name(s->schedule.verdict));
}

static void say_trouble(struct source *s)
{
	free(s->trouble);
	s->trouble = s->hold != NULL ? xstrdup(s->hold) : failure(s);
}

/* What waits, and why. With a cache that was lost it is not known yet how many services are there already. */
static void judge_hold(struct source *s)
{
	uint32_t creations = sink_queue_compared(s->queue) ? s->counts.creations : 0;

	say_hold(s, intake_hold(&s->result, creations, s->all->konnect.create_limit));
	say_trouble(s);
}

/* Nothing that was known is missing from the listing, which is one of the organization that is configured now. */
static void follow(struct source *s)
{
	if (s->listed && s->counts.held == 0)
		sink_queue_follow(s->queue);
}

void source_pushed(struct source *s)
{
	source_recount(s);
	judge_creations(s);
	if (s->schedule.state == INSTANCE_WAITING && s->cached.last_complete != 0)
		judge_hold(s);
}

int source_approve(struct source *s, const char *hash, uint32_t *ret_n)
{
	int r = approve_apply(s->x->cache, s->config, &s->cached, s->holds_creations, hash, loop_wall_sec(s->x->loop),
			      ret_n);

	if (r == 0)
		source_approved(s, *ret_n);
	return r;
}

void source_approved(struct source *s, uint32_t n)
{
	if (n > 0)
		source_log(s, LOG_NOTICE, EVENT_APPROVED, NULL, "approved: %s %s let through", COUNT_OF(n, "action"), n == 1 ? "is" : "are");
	s->result.held_removals = s->result.held_exclusions = 0;
	s->result.everything_gone = false;
	source_recount(s);
	follow(s);
	wake_sink(s);
	judge_hold(s);
}

void source_push(struct source *s)
{
	source_recount(s);
	if (s->cached.last_complete != 0 && s->counts.pending > 0)
		wake_sink(s);
}

/* An interval that is shorter than the one before the restart counts at once, from the end of the last poll. */
static void shorten(struct source *s)
{
	int64_t last = s->cached.last_complete > s->cached.last_poll ? s->cached.last_complete : s->cached.last_poll,
		latest = last + schedule_longest(s->config->poll_interval);

	if (s->schedule.state == INSTANCE_WAITING && !s->cached.asked && s->cached.next_poll > latest)
		s->cached.next_poll = latest;
}

void source_start(struct source *s)
{
	int64_t now = loop_wall_sec(s->x->loop), wait, longest = s->config->poll_interval * 2;

	shorten(s);
	wait = s->cached.next_poll - now;
	/* a time further ahead than any wait of ours comes from a clock that was wrong: it counts as due */
	if (longest < REMEMBERED_WAIT_MAX_SEC)
		longest = REMEMBERED_WAIT_MAX_SEC;
	if (wait < 0 || wait > longest || s->cached.last_poll > now)
		wait = 0;
	if (s->schedule.state != INSTANCE_PAUSED)
		loop_timer_arm(s->due, wait * 1000);
	if (watches_secret(s))
		loop_timer_arm(s->watch, 0);
	reconcile_if_due(s);
	source_push(s);
	/* a hold outlasts a restart, and so does a failure */
	if (s->holds_creations)
		judge_hold(s);
	say_trouble(s);
}

/* The poll was made with this PAT, and it was good. */
static void share(struct source *s)
{
	static const struct digest none;

	sink_queue_share(s->queue, s->config->share_pat ? &s->secret : &none);
}

static void completed(struct source *s)
{
	const struct intake_result *r = &s->result;
	int priority = r->added + r->changed + r->missing + r->removed + r->returned > 0 ? LOG_INFO : LOG_DEBUG;

	if (cache_counts(s->x->cache, s->cached.id, &s->counts) < 0) {
		source_log(s, LOG_ERR, EVENT_NONE, NULL, "the cache cannot be read: %s", cache_error(s->x->cache));
	} else {
		follow(s);
		wake_sink(s);
	}
	share(s);
	reconcile_if_due(s);
	source_log(s, priority, EVENT_POLL_OK, NULL, "%s listed: %u new, %u changed, %u missing, %u removed, %u returned",
		   COUNT_OF(r->listed, "repository"), r->added, r->changed, r->missing, r->removed, r->returned);
	judge_hold(s);
}

/* One line for each failure that is new to the operator; a state that lasts is not repeated. */
static void log_transition(struct source *s, enum instance_state from, enum verdict before)
{
	enum instance_state to = s->schedule.state;
	const struct poll_outcome *o = &s->outcome;
	struct log_fields f = { .http_status = o->status, .activity_id = o->activity_id };
	const char *advice = verdict_advice(o->verdict);
	/* it was said once, and is lost until a poll is good, whatever else comes in between */
	bool lost = s->cached.reminded != 0;
	char next[64];

	(void)format_span(next, sizeof(next), s->cached.next_poll - loop_wall_sec(s->x->loop));
	if (lost && to == INSTANCE_WAITING) {
		s->cached.reminded = 0;
		source_log(s, LOG_NOTICE, EVENT_CREDENTIAL_RESTORED, NULL, "the PAT is accepted again");
		return;
	}
	if (from == to || (lost && to == INSTANCE_CREDENTIAL)) {
		if (o->verdict != VERDICT_OK)
			source_log(s, LOG_DEBUG, EVENT_POLL_FAILED, &f, "%s, still; next try in %s", s->trouble, next);
		return;
	}
	if (from == INSTANCE_BLOCKED && to == INSTANCE_WAITING)
		source_log(s, LOG_NOTICE, EVENT_UNBLOCKED, NULL, "the organization answers again");
	else if (to == INSTANCE_WAITING && from != INSTANCE_PAUSED)
		source_log(s, LOG_NOTICE, EVENT_POLL_RECOVERED, NULL, before == VERDICT_CACHE_FAILED ? "the cache can be written again" :
			   "the organization can be read again");
	switch (to) {
	case INSTANCE_BACKOFF:
		source_log(s, LOG_WARNING, EVENT_POLL_FAILED, &f, "%s; next try in %s: %s", s->trouble, next, advice);
		break;
	case INSTANCE_THROTTLED:
		source_log(s, LOG_WARNING, EVENT_THROTTLED, &f, "%s; next try in %s: %s", s->trouble, next, advice);
		break;
	case INSTANCE_CREDENTIAL:
		s->cached.reminded = loop_wall_sec(s->x->loop);
		source_log(s, LOG_WARNING, EVENT_CREDENTIAL_LOST, &f, "%s; what is in Konnect stays as it is. To do: %s (%s)", s->trouble,
			   advice, s->config->pat_file);
		break;
	case INSTANCE_BLOCKED:
		source_log(s, LOG_WARNING, EVENT_BLOCKED, &f, "%s; next try in %s. To do: %s", s->trouble, next, advice);
		break;
	case INSTANCE_WAITING:
	case INSTANCE_POLLING:
	case INSTANCE_PAUSED:
		break;
	}
}

void source_polled(struct source *s)
{
	enum instance_state from = schedule_shown(&s->schedule);
	enum verdict before = s->schedule.verdict;

	s->polls.ended[s->outcome.verdict]++;
	s->polls.n++;
	s->polls.ms += (uint64_t)(loop_now_ms(s->x->loop) - s->began);
	transition(s, SCHEDULE_ANSWER, s->outcome.verdict, s->outcome.wait);
	if (s->outcome.verdict == VERDICT_OK) {
		completed(s);
	} else {
		free(s->trouble);
		s->trouble = describe(&s->outcome);
	}
	log_transition(s, from, before);
	keep(s);
	if (s->x->on_polled != NULL)
		s->x->on_polled(s, s->x->arg);
}
