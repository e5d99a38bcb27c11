/* How fast and whether at all Konnect is written to: a token bucket, and the state of the sink. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* A bucket that never lets more than rate_per_minute through in any minute: a tenth of it at once, the rest evenly. */
struct bucket {
	double tokens, capacity, per_ms;
	int64_t at;	/* monotonic milliseconds of the last look */
};
void bucket_init(struct bucket *b, int64_t rate_per_minute, int64_t now_ms);

/* Takes a token. 0, or the milliseconds until there is one. */
int64_t bucket_take(struct bucket *b, int64_t now_ms);

enum sink_state {
	SINK_READY,
	SINK_THROTTLED,		/* 429 */
	SINK_BACKOFF,		/* 5xx, no answer, or a cache that cannot be written */
	SINK_CREDENTIAL,	/* the token is missing or refused */
};

enum sink_event {
	SINK_ANSWERED,		/* an answer about an object: Konnect works */
	SINK_WAS_THROTTLED,
	SINK_FAILED,
	SINK_UNAUTHORIZED,	/* 401, or no token to send */
	SINK_FORBIDDEN,		/* 403: three of them within 60 s are the token's fault */
	SINK_DUE,		/* the time is over */
	SINK_SECRET,		/* the token's bytes changed, or somebody asks to try now */
};

struct sink_schedule {
	enum sink_state state;
	uint32_t attempts;	/* failures in a row since Konnect last worked */
	enum sink_state lost;	/* what it was lost to, for as long as attempts > 0 */
	int64_t forbidden[2];	/* monotonic milliseconds of the last two 403s, 0 = none */
};

/* The one transition. wait: seconds Konnect asks for, 0 = none. Returns the milliseconds until SINK_DUE is to come, -1 when
 * there is nothing new to wait for. */
int64_t sink_schedule_next(struct sink_schedule *s, enum sink_event event, int64_t wait, int64_t now_ms, uint32_t random);

const char *sink_state_name(enum sink_state s);

/* As schedule_print_states(), each line beginning with "konnect". */
void sink_schedule_print_states(FILE *f);
