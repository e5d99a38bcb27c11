/* What the parts of the daemon as a whole share: its life (syncd.c), reloading (reload.c), the commands (commands.c). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../lib/expiry.h"
#include "source.h"
#include "syncd.h"

struct control;
struct site;

struct syncd {
	struct loop *loop;
	struct http *http;
	struct cache *cache;
	struct config *config;
	const char *config_file;
	enum syncd_mode mode;
	struct sink *sink;
	struct source_context context;
	struct source **sources;	/* in the order of their names */
	size_t n_sources;
	size_t polls_left;		/* of --once and --dry-run */
	bool stopping;
	const char *approve, *hash;	/* an instance, and what of it is let through once it was polled */
	bool approve_failed;
	int64_t started;		/* Unix seconds */
	struct expiry token_expiry;	/* what was warned of */
	struct loop_timer *status;	/* progress while something is pushed */
	struct loop_timer *grace;
	struct loop_timer *hourly;
	struct loop_timer *watchdog;
	int64_t watchdog_ms;		/* 0 = none */
	struct control *control;	/* NULL when the socket cannot be made */
	struct site *site;		/* NULL when nothing is listened on */
	bool reload_refused;		/* the last one was */
	int64_t reloaded;		/* Unix seconds: when the configuration in force was read */
};

/* The source of that name, or NULL. */
struct source *syncd_find(struct syncd *d, const char *name);

/* What is said by the calendar, and again in an hour. */
void syncd_housekeep(struct syncd *d);

/* Reads the configuration again: swaps it if it is valid, otherwise says why and goes on. 0 or -EINVAL and *ret_error, to
 * be freed. */
int syncd_reload(struct syncd *d, char **ret_error);

/* Says once of each instance that the cache knows and the configuration does not what becomes of it. */
void syncd_say_unconfigured(struct syncd *d);

/* Opens the control socket. NULL, with a warning in the log, when that is not possible. */
struct control *control_new(struct syncd *d);
struct control *control_free(struct control *c);
