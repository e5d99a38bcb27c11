/* What sink.c and sink_job.c share: the sink is the jobs' scheduler, a job is one repository's (or one integration
 * instance's) way to Konnect. */
#pragma once

#include <jansson.h>
#include <sys/queue.h>

#include "../lib/converge.h"
#include "../lib/credential.h"
#include "../lib/reconcile.h"
#include "events.h"
#include "sink.h"

#define SAVE_DELAY_MS 20	/* an answer waits for others that long, to be written with them */

struct transfer;

enum job_kind {
	JOB_INSTANCE,	/* the integration instance */
	JOB_ROW,	/* one repository */
	JOB_CREDENTIAL,	/* of the integration instance */
	JOB_RECONCILE,	/* compares Konnect's lists with the cache */
	JOB_SERVICES,	/* reads which services are ours, page by page (SINK_READ_ONLY) */
};

struct job {
	struct sink_queue *queue;
	struct config *config;		/* the one it began under */
	enum job_kind kind;
	union {
		struct converge_instance instance;
		struct converge row;
		struct credential credential;
		struct reconcile reconcile;
		unsigned page;
	};
	char *differences;		/* old and new, for the log; NULL when nobody would read it */
	char *trace;			/* Konnect's id of the refusal, NULL without one */
	int refused_status;		/* and its status, 0 without one */
	struct transfer *transfer;	/* NULL: its next request is to be sent */
	const char *method;		/* of the request under way */
	unsigned tries;			/* of this request */
	bool forbidden;			/* was answered 403 once */
	int64_t not_before;		/* monotonic milliseconds */
	bool unsaved;			/* what was answered last is not on the disk yet: nothing that builds on it is sent */
	bool dirty;			/* of JOB_ROW: it is not even in the cache, and the next request goes nevertheless */
	bool plain;			/* of JOB_ROW: no other row and no setting is needed to know what is wanted of it */
	uint64_t edits;			/* of JOB_ROW: cache_edits() when it was read */
	TAILQ_ENTRY(job) link;
};

TAILQ_HEAD(job_list, job);

struct sink_queue {
	struct sink *sink;
	const struct config_instance *config;
	struct cache_instance *instance;
	bool halted;			/* nothing is pushed */
	bool active;			/* woken, and not reported idle since */
	struct digest share;		/* of the PAT that Konnect is to have, all zero = none */
	bool share_known;		/* a poll has said so since the start */
	bool share_verify;		/* what Konnect says of it is to be read */
	bool share_refused;		/* Konnect will not have it: not tried again before something changes */
	bool reconcile;			/* Konnect is to be compared with the cache before anything is pushed */
	bool follows;			/* the organization is known to be the same, whatever its name */
	bool instance_ready;		/* integration instance and resource type are known */
	char *refused;			/* why Konnect will not have the instance */
	bool has_work;			/* there may be pending rows after the cursor */
	bool again;			/* and then from the beginning */
	bool skipped;			/* a pending row was passed over because it is in flight */
	bool hold_creations;
	uint32_t creations;		/* services to create when it was woken last */
	bool quiet;			/* a long cycle: writes are logged at debug, and one summary */
	int64_t cursor;
	unsigned jobs;
	struct sink_stats stats;
	struct status_pushes pushes;	/* before stats began */
	json_t *found;			/* SINK_READ_ONLY: names of services that are ours */
	uint32_t reconciled;		/* events of the reconcile going on */
	bool would_create, would_adopt;
	TAILQ_ENTRY(sink_queue) link;
};

struct sink {
	struct loop *loop;
	struct http *http;
	struct cache *cache;
	struct config *config;
	struct sink_writer writer;
	enum sink_mode mode;
	sink_idle_fn on_idle;
	void *arg;
	struct loop_timer *pump;	/* sends what may be sent */
	struct loop_timer *due;		/* of the state */
	struct loop_timer *watch;	/* looks at the token's file while it is refused */
	struct sink_schedule schedule;
	struct bucket bucket;
	TAILQ_HEAD(, sink_queue) queues; /* the first is served next */
	struct job_list jobs;
	unsigned in_flight;
	unsigned unsaved;		/* answers that are not on the disk yet; a crash repeats them like those under way */
	int64_t unsaved_since;		/* monotonic milliseconds */
	bool slow;			/* the last answer took longer than others could wait for it */
	char *bearer;			/* the token, as it is in its file, while requests are sent one after the other */
	struct status_requests requests;
	char *trouble;			/* why it is not ready */
	char *resource_type, *resource_keys; /* of azure-devops, read once for all instances; NULL before */
	struct digest token;		/* of the token that was refused */
	bool given_up;			/* what is not done now stays pending (all modes but SINK_DAEMON) */
	bool cache_lost;		/* the cache could not be written, and has not passed a trial since */
	bool cache_tried;		/* it has, and nothing has been answered since */
	void (*stopped)(void *arg);	/* set: stopping */
	void *stopped_arg;
};

/* Whether the configuration has changed since it began: it ends with its next answer, and what is left is begun anew. */
bool job_is_stale(const struct job *j);

/* Whether the job's next turn is work on what it has read, and no request. */
bool job_scans(const struct job *j);

/* Sends the job's next request, or does a turn of other work. 0, or -errno when nothing can be sent now (the sink has been told). */
int job_send(struct job *j);
struct job *job_free(struct job *j);

/* A new job of the queue, at the end of the line. For JOB_ROW the row is taken over; target as in converge_init(). */
struct job *job_new(struct sink_queue *q, enum job_kind kind, struct cache_row *row, const struct cache_row *target);

/* The job is over: the queue goes on. Frees it. */
void sink_job_done(struct job *j);

/* The parts of a job that only JOB_ROW has. row_begin() takes over the row; row_keep() writes what is dirty into the cache, and
 * row_end() as well; row_settled() is for one with nothing to send; row_answered() says whether the job goes on. */
void row_begin(struct job *j, struct cache_row *row, const struct cache_row *target);
void row_keep(struct job *j);
void row_end(struct job *j);
void row_settled(struct job *j);
bool row_answered(struct job *j, int status, const json_t *answer);

/* A line about the job's repository, or its instance; at debug instead of info in a long cycle. */
void job_log(const struct job *j, int priority, enum event_id event, const char *fmt, ...) _printf_(4, 5);

/* Konnect as a whole answered so: moves the state, logs it. why: in words, for a loss. */
void sink_event(struct sink *s, enum sink_event event, int64_t wait, const char *why);

/* The cache cannot be written or read: nothing is pushed for a while, and every queue looks again afterwards. */
void sink_cache_failed(struct sink *s);

/* Sends what may be sent, on the next turn of the loop. */
void sink_wake(struct sink *s);
