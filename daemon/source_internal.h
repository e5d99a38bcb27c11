/* What source.c (the schedule and its log events) and source_poll.c (one poll) share. */
#pragma once

#include "../lib/verdict.h"
#include "log.h"
#include "request.h"
#include "source.h"

enum poll_phase {
	POLL_NONE,
	POLL_ADMISSION,	/* waits for its turn among the instances */
	POLL_LOAD,	/* reads what is known */
	POLL_RECEIVE,	/* the listing arrives */
	POLL_BIN,	/* a recycle bin arrives, to explain what is missing */
	POLL_APPLY,	/* it was complete, and goes into the cache */
};

/* How a poll ended. */
struct poll_outcome {
	enum verdict verdict;
	int64_t wait;		/* seconds the server asks for, 0 = none */
	int status;		/* 0 = no answer */
	char *message;		/* the server's words, or why there was no answer; never NULL */
	char *activity_id;	/* for Microsoft's support, or NULL */
};

struct source {
	struct source_context *x;
	struct config *all;		/* the configuration that config is part of */
	const struct config_instance *config;
	struct config *polled_under;	/* the one the poll going on began with */
	struct cache_instance cached;
	struct schedule schedule;
	struct sink_queue *queue;
	struct loop_timer *due;		/* the next poll */
	struct loop_timer *reconcile;	/* the next comparison with Konnect */
	struct loop_timer *watch;	/* looks at the secret while the PAT is doubted */
	struct digest secret;		/* of the PAT that was used last */

	enum poll_phase phase;
	struct loop_timer *work;	/* the next step of the poll */
	struct intake *intake;
	struct transfer *transfer;
	struct answer_head head;	/* the beginning of the answer, for the verdict */
	int feed_error;
	struct bin *bin;		/* of the project that is asked about */
	struct poll_outcome outcome;
	uint32_t lines;			/* events of this poll that were logged singly */

	bool listed;			/* the last listing was read under config */
	struct status_polls polls;
	int64_t began;			/* the poll under way, on loop_now_ms() */
	bool have_result;
	struct intake_result result;
	struct cache_counts counts;
	bool holds_creations;
	char *trouble;
	char *hold;			/* what was last said about a hold, so that it is said once */
};

/* Begins a poll. It ends in source_polled(). */
void source_poll_begin(struct source *s);
/* Cuts it; nothing is called. */
void source_poll_cut(struct source *s);
void source_poll_step(void *arg);

/* The poll ended as s->outcome says; a complete listing is in the cache. */
void source_polled(struct source *s);

/* Reads the PAT and its digest. 0, or -errno and a sentence. */
int source_secret(struct source *s, char **ret, struct digest *ret_digest, char **ret_error);

/* Logs under the instance's name. f may be NULL. */
void source_log(struct source *s, int priority, enum event_id event, const struct log_fields *f, const char *fmt, ...)
	_printf_(5, 6);
