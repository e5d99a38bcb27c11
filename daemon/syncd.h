/* The daemon as a whole: all sources and the sink, and the four ways to run them. */
#pragma once

#include "../lib/cache.h"
#include "../lib/config.h"

struct loop;
struct syncd;

enum syncd_mode {
	SYNCD_DAEMON,	/* until SIGTERM or SIGINT */
	SYNCD_ONCE,	/* every instance once, then a summary on stdout */
	SYNCD_DRY_RUN,	/* reads both sides, then a plan on stdout */
};

/* All pointers are borrowed but config, which gets a reference; config_file is where to read it again.
 * 0 and *ret, or -errno after an error in the log. */
int syncd_new(struct loop *l, struct cache *c, struct config *config, const char *config_file, enum syncd_mode mode,
	      struct syncd **ret);
struct syncd *syncd_free(struct syncd *d);

/* For SYNCD_ONCE: lets what the instance holds through, if it has that hash. Both are borrowed. */
void syncd_approve(struct syncd *d, const char *instance, const char *hash);

#define SYNCD_CACHE_DAMAGED (-1)	/* set it aside, and run again with another one */

/* Runs the loop until the mode's end. The program's exit status, or SYNCD_CACHE_DAMAGED. */
int syncd_run(struct syncd *d);

/* Plans from a saved listing, without any request. The program's exit status. */
int syncd_plan_file(struct cache *c, const struct config *config, const struct config_instance *instance,
		    const char *listing);
