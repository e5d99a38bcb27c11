/* When an instance is polled next: one enum, one transition function. Pure; the table is design and manual page. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "verdict.h"

enum instance_state {
	INSTANCE_WAITING,	/* for the next poll; the last one was good, or there was none yet */
	INSTANCE_POLLING,
	INSTANCE_BACKOFF,	/* unreachable, malformed, or refused once */
	INSTANCE_THROTTLED,
	INSTANCE_CREDENTIAL,	/* the PAT is missing, refused or expired */
	INSTANCE_BLOCKED,	/* what only a person can change */
	INSTANCE_PAUSED,
};

enum schedule_event {
	SCHEDULE_DUE,		/* the time is over */
	SCHEDULE_SYNC,		/* somebody asks for a poll now */
	SCHEDULE_SECRET,	/* the secret's bytes changed */
	SCHEDULE_PAUSE,
	SCHEDULE_RESUME,
	SCHEDULE_ANSWER,	/* a poll ended, with a verdict */
};

struct schedule_input {
	enum schedule_event event;
	enum verdict verdict;	/* of SCHEDULE_ANSWER */
	int64_t wait;		/* seconds the server asks for, 0 = none */
	int64_t poll_interval;	/* seconds */
	int64_t now;		/* Unix seconds */
	uint32_t random;	/* uniform over all of its values */
};

struct schedule {
	enum instance_state state;
	int64_t since;		/* Unix seconds: when this state began, polls in between aside */
	uint32_t attempts;	/* failures in a row of this kind */
	enum verdict verdict;	/* of the last poll */
	bool again;		/* somebody asked while it was polled: poll once more */
	bool refused;		/* the PAT was refused once: again, and it is the credential */
	bool pausing;		/* somebody paused while it was polled */
	int64_t polling_since;	/* Unix seconds: when the last poll began */
	enum instance_state before; /* while polling: the state it came from, which a pause or a failure continues */
};

#define SCHEDULE_POLL (-2)	/* start a poll: the state is polling now */
#define SCHEDULE_IDLE (-1)	/* nothing to wait for: paused, or polled already */

/* The one transition. Returns milliseconds until SCHEDULE_DUE is to come, or one of the above. */
int64_t schedule_next(struct schedule *s, const struct schedule_input *in);

/* How long after a good poll the next one may be, at most, unless a server asks for more. Seconds. */
int64_t schedule_longest(int64_t poll_interval);

/* The state that a person is told: while polling, the one it came from. */
enum instance_state schedule_shown(const struct schedule *s);

/* Since when the state of the schedule lasts, a poll under way included. Unix seconds. */
int64_t schedule_since(const struct schedule *s);

/* Whether it is paused, or will be when the poll under way ends. */
bool schedule_is_paused(const struct schedule *s);

/* Whether the last answers doubt the credential, so that its file is to be watched. */
bool schedule_watches_secret(const struct schedule *s);

/* "waiting" and so on. */
const char *instance_state_name(enum instance_state s);

/* A line for each state: its name, when it is left, and the verdicts that lead to it, with tabs between. */
void schedule_print_states(FILE *f);

/* min * 2^(attempts-1), at most max, then anything from 1 ms to that by random: full jitter. Milliseconds. */
int64_t backoff_jitter(int64_t min_ms, int64_t max_ms, uint32_t attempts, uint32_t random);
