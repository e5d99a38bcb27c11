#include "syncd.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/limits.h"
#include "../lib/util.h"
#include "exit.h"
#include "http.h"
#include "log.h"
#include "loop.h"
#include "notify.h"
#include "report.h"
#include "site.h"
#include "sink.h"
#include "source.h"
#include "syncd_internal.h"

#define STATUS_MS 2000
#define HOUR_MS 3600000

/* "12 instances, 1 not through (contoso: credential), 340 of 2000 pushed" */
static void status_update(struct syncd *d)
{
	char text[256] = "", trouble[128] = "";
	unsigned failing = 0, total = 0, done = 0;

	for (size_t i = 0; i < d->n_sources; i++) {
		const struct source *s = d->sources[i];
		const struct sink_stats *p = sink_queue_stats(source_queue(s));
		enum instance_state state = schedule_shown(source_schedule(s));

		if (state != INSTANCE_WAITING && failing++ == 0)
			(void)snprintf(trouble, sizeof(trouble), " (%s: %s)", source_config(s)->name, instance_state_name(state));
		if (!sink_queue_idle(source_queue(s))) {
			total += p->total;
			done += p->created + p->changed + p->adopted + p->parked;
		}
	}
	if (total > 0)
		(void)snprintf(text, sizeof(text), "; pushed %u of %u (%u%%)", done, total, done < total ? done * 100 / total : 100);
	if (sink_state(d->sink) != SINK_READY)
		(void)snprintf(text, sizeof(text), "; Konnect: %s", sink_state_name(sink_state(d->sink)));
	notify_status("%s, %u not healthy%s%s", COUNT_OF(d->n_sources, "instance"), failing, trouble, text);
}

static void on_status(void *arg)
{
	struct syncd *d = arg;
	bool busy = false;

	for (size_t i = 0; i < d->n_sources; i++)
		busy = busy || !sink_queue_idle(source_queue(d->sources[i]));
	status_update(d);
	if (busy)
		loop_timer_arm(d->status, STATUS_MS);
}

/* The end of --once and --dry-run: every instance was polled, and the sink has nothing left that it can do. */
static void finish_if_done(struct syncd *d)
{
	if (d->mode == SYNCD_DAEMON || d->polls_left > 0)
		return;
	for (size_t i = 0; i < d->n_sources; i++)
		if (!sink_queue_idle(source_queue(d->sources[i])))
			return;
	loop_stop(d->loop);
}

static void on_idle(struct sink_queue *q, void *arg)
{
	struct syncd *d = arg;

	for (size_t i = 0; i < d->n_sources; i++)
		if (source_queue(d->sources[i]) == q)
			source_pushed(d->sources[i]);
	if (d->mode == SYNCD_DAEMON)
		loop_timer_arm(d->status, 0);
	else
		finish_if_done(d);
}

void syncd_approve(struct syncd *d, const char *instance, const char *hash)
{
	d->approve = instance;
	d->hash = hash;
}

/* What --approve asks for, now that it is known what waits. */
static void approve(struct syncd *d, struct source *s)
{
	uint32_t n = 0;

	if (d->approve == NULL || strcmp(source_config(s)->name, d->approve) != 0)
		return;
	d->approve_failed = source_approve(s, d->hash, &n) < 0;
	if (d->approve_failed)
		log_error(d->approve, "--approve: what waits has not the hash %s; --dry-run shows what waits now", d->hash);
	d->approve = NULL;
}

static void on_polled(struct source *s, void *arg)
{
	struct syncd *d = arg;

	if (cache_is_damaged(d->cache))
		loop_stop(d->loop);
	if (d->mode == SYNCD_DAEMON) {
		loop_timer_arm(d->status, 0);
		return;
	}
	if (d->polls_left > 0)
		d->polls_left--;
	approve(d, s);
	/* an organization that cannot be read does not hold back what is known of it */
	if (source_result(s) == NULL && d->mode == SYNCD_ONCE)
		source_push(s);
	finish_if_done(d);
}

static void on_stopped(void *arg)
{
	struct syncd *d = arg;

	loop_stop(d->loop);
}

/* Listings are cut at once, writes in flight get their time, nothing new begins. */
static void on_signal(int signo, void *arg)
{
	struct syncd *d = arg;

	if (d->stopping) {
		loop_stop(d->loop);
		return;
	}
	d->stopping = true;
	notify_stopping();
	/* nobody may begin a poll now */
	d->control = control_free(d->control);
	log_info("adosyncd", "stopping on %s", signo == SIGTERM ? "SIGTERM" : "SIGINT");
	for (size_t i = 0; i < d->n_sources; i++)
		source_stop(d->sources[i]);
	loop_timer_arm(d->grace, SHUTDOWN_GRACE_SEC * 1000);
	sink_stop(d->sink, on_stopped, d);
}

static void on_hangup(int signo, void *arg)
{
	struct syncd *d = arg;
	char *error = NULL;

	(void)signo;
	if (!d->stopping)
		(void)syncd_reload(d, &error);
	free(error);
}

/* The same loop that does the work feeds it, so that a loop that stands still is noticed. */
static void on_watchdog(void *arg)
{
	struct syncd *d = arg;

	notify_watchdog();
	loop_timer_arm(d->watchdog, d->watchdog_ms);
}

static void warn_of_token_expiry(struct syncd *d)
{
	const struct config_konnect *k = &d->config->konnect;
	struct log_fields f = { .event = EVENT_PAT_EXPIRING };
	int64_t date, left;

	if (k->token_expires == NULL || parse_date(k->token_expires, &date) < 0 ||
	    !expiry_due(&d->token_expiry, date, loop_wall_sec(d->loop), &left))
		return;
	log_event(LOG_WARNING, &f, "konnect", "the token expires on %s, in %s; write a new one into %s and change "
		  "token_expires", k->token_expires, COUNT_OF(left, "day"), k->token_file);
	if (cache_token_expiry_save(d->cache, &d->token_expiry) < 0 || cache_flush(d->cache) < 0)
		log_error("cache", "what was warned of cannot be kept: %s", cache_error(d->cache));
}

void syncd_housekeep(struct syncd *d)
{
	warn_of_token_expiry(d);
	for (size_t i = 0; i < d->n_sources; i++)
		source_housekeep(d->sources[i]);
	loop_timer_arm(d->hourly, HOUR_MS);
}

static void on_hourly(void *arg)
{
	syncd_housekeep(arg);
}

struct source *syncd_find(struct syncd *d, const char *name)
{
	for (size_t i = 0; i < d->n_sources; i++)
		if (strcmp(source_config(d->sources[i])->name, name) == 0)
			return d->sources[i];
	return NULL;
}

static int sources_new(struct syncd *d)
{
	d->sources = xcalloc(d->config->n_instances, sizeof(struct source *));
	for (size_t i = 0; i < d->config->n_instances; i++) {
		if (source_new(&d->context, &d->config->instances[i], &d->sources[i]) < 0) {
			log_error("cache", "%s", cache_error(d->cache));
			return -EIO;
		}
		d->n_sources++;
	}
	return cache_flush(d->cache);
}

static int signals_new(struct syncd *d)
{
	int r = loop_signal(d->loop, SIGTERM, on_signal, d);

	if (r == 0)
		r = loop_signal(d->loop, SIGINT, on_signal, d);
	if (r == 0 && d->mode == SYNCD_DAEMON)
		r = loop_signal(d->loop, SIGHUP, on_hangup, d);
	if (r < 0)
		log_error("loop", "signals cannot be received: %s", strerror(-r));
	return r;
}

int syncd_new(struct loop *l, struct cache *c, struct config *config, const char *config_file, enum syncd_mode mode,
	      struct syncd **ret)
{
	static const enum sink_mode sink_modes[] = {
		[SYNCD_DAEMON] = SINK_DAEMON, [SYNCD_ONCE] = SINK_ONCE, [SYNCD_DRY_RUN] = SINK_READ_ONLY,
	};
	struct syncd *d = xcalloc(1, sizeof(*d));
	struct sink_writer writer = { .id = "" };
	int r;

	*d = (struct syncd){ .loop = l, .cache = c, .config_file = config_file, .mode = mode, .started = loop_wall_sec(l),
			     .reloaded = loop_wall_sec(l) };
	d->http = http_new(l, "adosyncd/" VERSION);
	if (d->http == NULL) {
		log_error("http", "libcurl cannot be initialised");
		free(d);
		return -ENOMEM;
	}
	d->config = config_ref(config);
	r = writer_load(config->state_directory, mode == SYNCD_DRY_RUN, writer.id, &writer.is_new);
	if (r < 0)
		log_warning("cache", "%s/writer cannot be used: %s; a second daemon would not be noticed", config->state_directory,
			    strerror(-r));
	d->sink = sink_new(l, d->http, c, config, &writer, sink_modes[mode], on_idle, d);
	d->status = loop_timer_new(l, on_status, d);
	d->grace = loop_timer_new(l, on_stopped, d);
	d->hourly = loop_timer_new(l, on_hourly, d);
	d->watchdog = loop_timer_new(l, on_watchdog, d);
	d->context = (struct source_context){
		.loop = l, .http = d->http, .cache = c, .sink = d->sink, .config = config, .scheduled = mode == SYNCD_DAEMON,
		.quiet = mode == SYNCD_DRY_RUN, .on_polled = on_polled, .arg = d,
	};
	r = sources_new(d);
	if (r == 0)
		r = signals_new(d);
	if (r == 0)
		r = cache_token_expiry_load(c, &d->token_expiry);
	if (r < 0) {
		syncd_free(d);
		return r;
	}
	*ret = d;
	return 0;
}

struct syncd *syncd_free(struct syncd *d)
{
	if (d == NULL)
		return NULL;
	site_free(d->site);
	control_free(d->control);
	for (size_t i = 0; i < d->n_sources; i++)
		source_free(d->sources[i]);
	free(d->sources);
	sink_free(d->sink);
	http_free(d->http);
	loop_timer_free(d->status);
	loop_timer_free(d->grace);
	loop_timer_free(d->hourly);
	loop_timer_free(d->watchdog);
	config_free(d->config);
	free(d);
	return NULL;
}

static int report(struct syncd *d)
{
	bool through = true;

	for (size_t i = 0; i < d->n_sources; i++) {
		const struct source *s = d->sources[i];

		if (d->mode == SYNCD_ONCE) {
			through = report_once(stdout, d->cache, s) && through;
			continue;
		}
		if (source_result(s) == NULL) {
			printf("%s: not read: %s\n", source_config(s)->name,
			       source_trouble(s) != NULL ? source_trouble(s) : "interrupted");
			through = false;
			continue;
		}
		report_plan(stdout, d->cache, source_config(s), source_cached(s), source_queue(s), source_result(s));
		if (source_trouble(s) != NULL)
			printf("%s: %s\n", source_config(s)->name, source_trouble(s));
		report_hash(stdout, d->cache, s);
	}
	if (sink_trouble(d->sink) != NULL) {
		printf("konnect: not through: %s\n", sink_trouble(d->sink));
		through = false;
	}
	(void)fflush(stdout);
	if (d->approve_failed || d->approve != NULL)
		return EXIT_ERROR;
	return through && !d->stopping ? EXIT_OK : EXIT_TRY_AGAIN;
}

static int run_daemon(struct syncd *d)
{
	struct log_fields started = { .event = EVENT_STARTED }, stopped = { .event = EVENT_STOPPED };
	int r = site_new(d, &d->site);

	/* who is told to watch it there must not watch something else */
	if (r != 0)
		return r;
	log_event(LOG_INFO, &started, "adosyncd", "%s started: %s, pushing to %s", VERSION, COUNT_OF(d->n_sources, "instance"),
		  d->config->konnect.url);
	syncd_say_unconfigured(d);
	d->control = control_new(d);
	notify_ready();
	status_update(d);
	d->watchdog_ms = notify_watchdog_interval_ms();
	if (d->watchdog_ms > 0)
		loop_timer_arm(d->watchdog, 0);
	for (size_t i = 0; i < d->n_sources; i++)
		source_start(d->sources[i]);
	syncd_housekeep(d);
	loop_timer_arm(d->status, 0);
	r = loop_run(d->loop);
	if (r < 0)
		log_error("loop", "the event loop failed: %s", strerror(-r));
	if (cache_is_damaged(d->cache) && !d->stopping)
		return SYNCD_CACHE_DAMAGED;
	log_event(LOG_INFO, &stopped, "adosyncd", "stopped");
	return r < 0 ? EXIT_ERROR : EXIT_OK;
}

int syncd_run(struct syncd *d)
{
	int r;

	if (d->mode == SYNCD_DAEMON)
		return run_daemon(d);
	if (d->mode == SYNCD_ONCE)
		syncd_say_unconfigured(d);
	for (size_t i = 0; i < d->n_sources; i++)
		d->polls_left += source_schedule(d->sources[i])->state != INSTANCE_PAUSED;
	for (size_t i = 0; i < d->n_sources; i++)
		source_sync(d->sources[i]);
	if (d->polls_left > 0) {
		r = loop_run(d->loop);
		if (r < 0) {
			log_error("loop", "the event loop failed: %s", strerror(-r));
			return EXIT_ERROR;
		}
	}
	if (d->mode == SYNCD_ONCE && cache_is_damaged(d->cache) && !d->stopping)
		return SYNCD_CACHE_DAMAGED;
	if (d->mode == SYNCD_ONCE)
		syncd_housekeep(d);
	return report(d);
}
