/* The sink: Konnect, our token for it, and the work of every instance that waits for it.
 * Work is taken from the cache, round robin by instance, one request at a time for each repository; what Konnect
 * acknowledged is in the cache before the next request of that repository leaves. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "../lib/cache.h"
#include "../lib/config.h"
#include "../lib/pace.h"
#include "../lib/status.h"
#include "../lib/writer.h"
#include "http.h"

struct http;
struct loop;
struct sink;
struct sink_queue;

enum sink_mode {
	SINK_DAEMON,	/* tries for ever */
	SINK_ONCE,	/* three times, and waits no longer than SINK_ONCE_WAIT_SEC for anything */
	SINK_READ_ONLY,	/* sends no write: looks at what is there, for a plan */
};

/* Called from the loop whenever a queue has nothing left that it can do now. */
typedef void (*sink_idle_fn)(struct sink_queue *q, void *arg);

/* Which daemon we are; see lib/writer.h. */
struct sink_writer {
	char id[WRITER_LEN + 1];
	bool is_new;
};

/* All pointers are borrowed but config, which gets a reference. */
struct sink *sink_new(struct loop *l, struct http *h, struct cache *c, struct config *config, const struct sink_writer *writer,
		      enum sink_mode mode, sink_idle_fn on_idle, void *arg);

/* Goes on under another configuration, and tries Konnect again now if it was lost. */
void sink_reconfigure(struct sink *s, struct config *config);

/* Tries Konnect again now if it was lost. */
void sink_retry(struct sink *s);

/* Gives up what is in flight. */
struct sink *sink_free(struct sink *s);

/* One instance's part of the sink. config and instance are borrowed. */
struct sink_queue *sink_queue_new(struct sink *s, const struct config_instance *config, struct cache_instance *instance);
struct sink_queue *sink_queue_free(struct sink_queue *q);

/* Goes on under another configuration; call sink_reconfigure() before. What is in flight ends under the old one. */
void sink_queue_reconfigure(struct sink_queue *q, const struct config_instance *config);

/* Look at the cache: there may be something to do. counts: what there is, as cache_counts() has it. With hold_creations
 * no service is created. */
void sink_queue_wake(struct sink_queue *q, const struct cache_counts *counts, bool hold_creations);

/* The last listing had what was known of the instance's repositories: if its organization has another name now, what we wrote
 * under the old one follows. Until then nothing is pushed under another name. */
void sink_queue_follow(struct sink_queue *q);

/* Compare Konnect itself with the cache, before anything else of this instance is pushed. */
void sink_queue_reconcile(struct sink_queue *q);

/* The PAT that Konnect is to have as the instance's credential, by its digest: one that a poll found good, or all zero. */
void sink_queue_share(struct sink_queue *q, const struct digest *pat);

/* Pushes nothing of this instance any more, until it is woken again by source_resume()'s poll. */
void sink_queue_halt(struct sink_queue *q);
void sink_queue_go_on(struct sink_queue *q);

/* For a request beside the queues: takes a token of the rate (0, or the milliseconds until there is one), and sends it with our
 * access token. 0, or -errno and a sentence. */
struct konnect_request;
int64_t sink_take(struct sink *s);
int sink_send(struct sink *s, const struct konnect_request *q, http_done_fn done, void *arg, struct transfer **ret, char **ret_error);

struct sink_stats {
	uint32_t total;			/* rows that were pending when it was woken last */
	uint32_t created, changed, adopted, repaired, parked;	/* since then */
	uint32_t left;			/* given up in SINK_ONCE */
	int64_t began;			/* when it was woken last, on loop_now_ms() */
};
const struct sink_stats *sink_queue_stats(const struct sink_queue *q);

/* The same since the start of the daemon. */
struct status_pushes sink_queue_pushes(const struct sink_queue *q);

/* Counts an answer of Konnect, or the lack of one. Requests so far, by method and answer; and those under way. */
void sink_count(struct sink *s, const char *method, const struct http_result *r);
const struct status_requests *sink_requests(const struct sink *s);
unsigned sink_in_flight(const struct sink *s);

/* Nothing is in flight and nothing can be done now. */
bool sink_queue_idle(const struct sink_queue *q);

/* Konnect was compared with the cache at least once, or is only to be looked at: what is pending is not there already. */
bool sink_queue_compared(const struct sink_queue *q);

/* Why Konnect will not have this instance, or NULL. */
const char *sink_queue_refused(const struct sink_queue *q);

/* What SINK_READ_ONLY found: whether the integration instance would be created or adopted (with our labels), and whether
 * Konnect has a service of that name that is ours. */
bool sink_queue_would_create(const struct sink_queue *q);
bool sink_queue_would_adopt(const struct sink_queue *q);
bool sink_queue_has_service(const struct sink_queue *q, const char *name);

enum sink_state sink_state(const struct sink *s);

/* Why it is not ready, in words, or NULL. */
const char *sink_trouble(const struct sink *s);

/* No new request from now on. Calls done once, as soon as those in flight are finished. */
void sink_stop(struct sink *s, void (*done)(void *arg), void *arg);
