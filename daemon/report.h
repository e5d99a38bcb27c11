/* What --once and --dry-run print. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "../lib/cache.h"
#include "../lib/config.h"
#include "../lib/intake.h"

struct sink_queue;
struct source;

/* One summary line of an instance. Whether it got through: read, nothing held, nothing left to push. */
bool report_once(FILE *f, struct cache *c, const struct source *s);

/* The plan of an instance as the cache has it: a line for each action, and one for the sum.
 * q: what Konnect was found to hold, or NULL. */
void report_plan(FILE *f, struct cache *c, const struct config_instance *config, const struct cache_instance *instance,
		 const struct sink_queue *q, const struct intake_result *r);

/* The hash of what is held, if anything is that can be approved. */
void report_hash(FILE *f, struct cache *c, const struct source *s);

/* What --check adds as comments to the configuration: what is known, from earlier runs, of the resource types in use. */
void report_check(FILE *f, const struct config *config);
