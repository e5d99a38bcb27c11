/* A source: one configured organization, polled on its own schedule. It owns its row of the cache and its queue of the
 * sink; what other instances go through never shows here. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "../lib/cache.h"
#include "../lib/config.h"
#include "../lib/intake.h"
#include "../lib/schedule.h"
#include "../lib/status.h"

struct http;
struct loop;
struct sink;
struct sink_queue;
struct source;

/* What all sources share. Borrowed. */
struct source_context {
	struct loop *loop;
	struct http *http;
	struct cache *cache;
	struct sink *sink;
	struct config *config;
	bool scheduled;			/* polls on its schedule; otherwise only when told to */
	bool quiet;			/* for a plan: nothing is logged that a plan shows */
	unsigned polls;			/* going on at the moment */
	void (*on_polled)(struct source *s, void *arg);	/* a poll ended, and the cache holds what it brought; may be NULL */
	void *arg;
};

/* 0 and *ret, or -EIO of the cache. */
int source_new(struct source_context *x, const struct config_instance *config, struct source **ret);

/* Cuts a listing that is arriving. */
struct source *source_free(struct source *s);

/* Begins the schedule: where the cache says it stood. */
void source_start(struct source *s);

/* Lets the sink go on with what an earlier run, or an earlier poll, left pending. */
void source_push(struct source *s);

/* Polls now, whatever the schedule says, unless paused. */
void source_sync(struct source *s);

/* No poll until source_resume(), which polls now. Both outlast a restart. */
void source_pause(struct source *s);
void source_resume(struct source *s);

/* What the instance owns is about to be removed: paused, and nothing is pushed until it is resumed, restarts included. */
void source_withdraw(struct source *s);

/* What is known of the instance is withdrawn: it stays paused, and begins anew when it is resumed. 0, or -EIO when that
 * cannot be kept. */
int source_forget(struct source *s);

/* Goes on under x->config, which has the instance; polls now unless paused. A poll going on ends under the old one. */
void source_reconfigure(struct source *s);

/* What is said by the calendar: a PAT that is about to expire, a credential that is still lost. Call it every hour. */
void source_housekeep(struct source *s);

/* Stops polling for good: a listing that is arriving is cut, timers end. */
void source_stop(struct source *s);

const struct config_instance *source_config(const struct source *s);
const struct cache_instance *source_cached(const struct source *s);
/* Rows by what they need, as of the last poll or the last source_recount(). */
const struct cache_counts *source_counts(const struct source *s);
void source_recount(struct source *s);

/* What was pending has been sent, or waits: counts it, and judges anew what is held. */
void source_pushed(struct source *s);

const struct schedule *source_schedule(const struct source *s);
struct sink_queue *source_queue(const struct source *s);

/* The polls since the start of the daemon. */
const struct status_polls *source_polls(const struct source *s);

/* Of the last poll that was complete since the start, or NULL. */
const struct intake_result *source_result(const struct source *s);

/* Why the last poll did not get through, or why it counts as not through although it was complete; NULL if it did. */
const char *source_trouble(const struct source *s);

/* Lets what is held through, if it is what has that hash; see lib/approve.h. 0 and *ret_n, -ESTALE, -EIO. */
int source_approve(struct source *s, const char *hash, uint32_t *ret_n);

/* After n actions were let through, 0 when they could not be: says so, and pushes. */
void source_approved(struct source *s, uint32_t n);

/* Whether anything of the last listing is held. */
bool source_holds(const struct source *s);

/* Whether the services to create are held by create_limit. */
bool source_holds_creations(const struct source *s);
