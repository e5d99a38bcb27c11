#include "snapshot.h"

#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../lib/approve.h"
#include "../lib/limits.h"
#include "../lib/util.h"
#include "loop.h"
#include "sink.h"
#include "source.h"
#include "syncd_internal.h"

#define ACTIONS_SHOWN 5
#define PUSH_KNOWN_MS 10000	/* of pushing, before it is said how long the rest will take */
#define ACTIONS_READ_MAX 5000	/* rows of all instances together: the loop has other work */

bool snapshot_is_fresh(const struct syncd *d, const struct source *s, int64_t now)
{
	return status_is_fresh(source_cached(s)->last_complete, d->started, source_config(s)->poll_interval, now);
}

/* A date of the configuration as the second at which the day begins, 0 without one. */
static int64_t date_of(const char *text)
{
	int64_t at = 0;

	return text != NULL && parse_date(text, &at) == 0 ? at : 0;
}

struct taker {
	struct status_action *actions;
	size_t n;
};

static void take_action(void *arg, const struct cache_row *row, const char *action, const char *why)
{
	struct taker *t = arg;
	const char *project = row->repo.project_name;

	if (t->n < ACTIONS_SHOWN)
		t->actions[t->n++] = (struct status_action){
			.what = xstrdup(action), .why = xstrdup(why),
			.title = row->kind == ROW_REPOSITORY ? xasprintf("%s / %s", project, row->repo.name)
							     : xstrdup(row->service_name != NULL ? row->service_name : project),
		};
}

static void take_actions(struct syncd *d, const struct source *s, struct status_instance *ret)
{
	struct taker t = { .actions = xcalloc(ACTIONS_SHOWN, sizeof(*t.actions)) };

	if (approve_plan(d->cache, source_config(s), source_cached(s), source_holds_creations(s), take_action, &t, ret->hash,
			 &ret->waiting) < 0)
		ret->hash[0] = '\0';
	ret->actions = t.actions;
	ret->n_actions = t.n;
}

/* Seconds, once it can be told. */
static int64_t push_left(const struct sink_stats *p, uint32_t done, int64_t now_ms)
{
	int64_t passed = now_ms - p->began;

	if (passed < PUSH_KNOWN_MS || done == 0 || done >= p->total)
		return 0;
	return passed * (p->total - done) / done / 1000;
}

static uint32_t push_done(const struct sink_stats *p)
{
	uint32_t done = p->created + p->changed + p->adopted + p->parked;

	return done < p->total ? done : p->total;
}

uint32_t snapshot_pending(const struct source *s)
{
	const struct cache_counts *n = source_counts(s);
	const struct sink_stats *p = sink_queue_stats(source_queue(s));

	if (!sink_queue_idle(source_queue(s)))
		return p->total - push_done(p);
	return n->pending - (source_holds_creations(s) ? n->creations : 0);
}

static void take_push(const struct syncd *d, const struct source *s, struct status_instance *ret)
{
	const struct cache_counts *n = source_counts(s);
	const struct sink_stats *p = sink_queue_stats(source_queue(s));
	uint32_t done = push_done(p);

	ret->pushing = !sink_queue_idle(source_queue(s));
	ret->push_total = p->total;
	ret->push_done = done;
	ret->push_left = ret->pushing ? push_left(p, done, loop_now_ms(d->loop)) : 0;
	ret->pending = snapshot_pending(s);
	ret->parked = n->parked + (ret->pushing ? p->parked : 0);
	ret->held = n->held + (source_holds_creations(s) ? n->creations : 0);
	ret->pushes = sink_queue_pushes(source_queue(s));
}

static void take_instance(const struct syncd *d, const struct source *s, int64_t now, struct status_instance *ret)
{
	const struct schedule *sch = source_schedule(s);
	const struct cache_instance *c = source_cached(s);
	const struct config_instance *config = source_config(s);

	*ret = (struct status_instance){
		.name = config->name, .organization = config->organization, .display_name = config->display_name,
		.pat_file = config->pat_file,
		.state = schedule_shown(sch), .polling = sch->state == INSTANCE_POLLING, .verdict = sch->verdict,
		.why = source_trouble(s), .refused = sink_queue_refused(source_queue(s)),
		.fresh = snapshot_is_fresh(d, s, now),
		.since = schedule_since(sch), .last_poll = c->last_poll, .last_complete = c->last_complete,
		.last_reconcile = c->last_reconcile,
		.next_poll = sch->state != INSTANCE_PAUSED && sch->state != INSTANCE_POLLING ? c->next_poll : 0,
		.poll_interval = config->poll_interval, .pat_expires = date_of(config->pat_expires),
		.counts = *source_counts(s), .polls = *source_polls(s),
	};
	take_push(d, s, ret);
}

static int64_t resident_bytes(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	long long pages = 0;

	if (f == NULL)
		return 0;
	if (fscanf(f, "%*d %lld", &pages) != 1)
		pages = 0;
	(void)fclose(f);
	return (int64_t)pages * sysconf(_SC_PAGESIZE);
}

static int64_t cpu_ms(void)
{
	struct rusage u;

	if (getrusage(RUSAGE_SELF, &u) < 0)
		return 0;
	return (int64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000 + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1000;
}

void snapshot_take(struct syncd *d, bool actions, struct status *ret)
{
	int64_t now = loop_wall_sec(d->loop);
	uint32_t budget = ACTIONS_READ_MAX;

	*ret = (struct status){
		.version = VERSION, .now = now, .started = d->started,
		.reload_refused = d->reload_refused, .reloaded = d->reloaded,
		.konnect = { .url = d->config->konnect.url, .state = sink_state(d->sink), .why = sink_trouble(d->sink),
			     .token_expires = date_of(d->config->konnect.token_expires), .in_flight = sink_in_flight(d->sink),
			     .requests = sink_requests(d->sink) },
		.cache_bytes = cache_bytes(d->cache), .lag_ms = loop_lag_ms(d->loop), .longest_us = loop_longest_us(d->loop),
		.resident_bytes = resident_bytes(), .cpu_ms = cpu_ms(),
		.instances = xcalloc(d->n_sources + 1, sizeof(struct status_instance)), .n_instances = d->n_sources,
	};
	for (size_t i = 0; i < d->n_sources; i++) {
		struct status_instance *n = &ret->instances[i];
		uint64_t rows;

		take_instance(d, d->sources[i], now, n);
		rows = (uint64_t)n->held + n->counts.missing;
		if (!actions || rows == 0 || rows > budget)
			continue;
		budget -= (uint32_t)rows;
		take_actions(d, d->sources[i], n);
	}
}

void snapshot_done(struct status *s)
{
	for (size_t i = 0; i < s->n_instances; i++) {
		struct status_instance *n = &s->instances[i];

		for (size_t k = 0; k < n->n_actions; k++) {
			free(n->actions[k].what);
			free(n->actions[k].title);
			free(n->actions[k].why);
		}
		free(n->actions);
	}
	free(s->instances);
}
