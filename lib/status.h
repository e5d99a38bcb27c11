/* What an operator is shown of the daemon, as plain data: the page and the metrics are made of it and of nothing else, and no
 * secret is in it. Texts are borrowed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "approve.h"
#include "cache.h"
#include "pace.h"
#include "schedule.h"
#include "verdict.h"

/* What one instance has had pushed since the start. */
struct status_pushes {
	uint64_t created, changed, adopted, repaired, parked;
};

/* How many polls ended how, and how long they took together. */
struct status_polls {
	uint64_t ended[VERDICT_KINDS];
	uint64_t n;
	uint64_t ms;
};

/* One of the things that wait for approval. */
struct status_action {
	char *what, *title, *why;	/* "remove", "Project / Repository", in words; owned */
};

struct status_instance {
	const char *name, *organization;
	const char *display_name;	/* NULL: none is configured */
	const char *pat_file;		/* its name */
	enum instance_state state;	/* while polling, the one it came from */
	bool polling;
	enum verdict verdict;		/* of the last poll */
	const char *why;		/* the last poll is not through; NULL if it is */
	const char *refused;		/* why Konnect will not have the instance, or NULL */
	bool fresh;			/* see status_is_fresh() */
	int64_t since, last_poll, last_complete, last_reconcile, next_poll;	/* Unix seconds, 0 = never, or not known */
	int64_t poll_interval;		/* seconds */
	int64_t pat_expires;		/* Unix seconds, 0 = not known */
	struct cache_counts counts;
	uint32_t pending, parked, held;	/* as of now, what is under way included */
	bool pushing;
	uint32_t push_done, push_total;	/* while pushing */
	int64_t push_left;		/* seconds until it is over if it goes on like this, 0 = not known */
	struct status_pushes pushes;
	struct status_polls polls;
	struct status_action *actions;	/* the first of those that wait for approval */
	size_t n_actions;
	uint32_t waiting;		/* how many wait in all, as of hash */
	char hash[APPROVE_HASH_LEN + 1];	/* of what waits; "": ask for the plan */
};

/* Requests to Konnect by their method and the class of the answer. */
enum status_method { METHOD_GET, METHOD_POST, METHOD_PATCH, METHOD_DELETE, METHOD_KINDS };
enum status_class { CLASS_NONE, CLASS_2XX, CLASS_3XX, CLASS_4XX, CLASS_THROTTLED, CLASS_5XX, CLASS_KINDS };

struct status_requests {
	uint64_t n[METHOD_KINDS][CLASS_KINDS];
};

struct status_konnect {
	const char *url;
	enum sink_state state;
	const char *why;		/* NULL while it is ready */
	int64_t token_expires;		/* Unix seconds, 0 = not known */
	unsigned in_flight;
	const struct status_requests *requests;
};

struct status {
	const char *version;
	int64_t now, started;		/* Unix seconds */
	bool reload_refused;		/* the last one was */
	int64_t reloaded;		/* Unix seconds: when the configuration in force was read */
	struct status_konnect konnect;
	int64_t cache_bytes;
	int64_t lag_ms;			/* see loop_lag_ms() */
	int64_t longest_us;		/* see loop_longest_us() */
	int64_t resident_bytes, cpu_ms;	/* of the process */
	struct status_instance *instances;	/* in the order of their names */
	size_t n_instances;
};

/* Whether what is known of an organization is no older than three poll intervals; of one that was never read, whether the
 * daemon has run no longer than that. */
bool status_is_fresh(int64_t last_complete, int64_t started, int64_t poll_interval, int64_t now);

/* Counts a request to Konnect. status: of the answer, 0 without one; a method that Konnect is never sent is not counted. */
void status_count(struct status_requests *r, const char *method, int status);

const char *status_method_name(enum status_method m);

/* "2xx" and so on; "429" and "none" have a name of their own. */
const char *status_class_name(enum status_class c);

/* Whether somebody should look: something does not get through, is held, or ends soon. */
bool status_needs_somebody(const struct status_instance *i, int64_t now);

/* Days until then, rounded down; negative when it is over. */
int64_t status_days_left(int64_t at, int64_t now);

#define STATUS_EXPIRES_SOON_DAYS 14
