/* Takes one listing into the cache: while it arrives, then in steps short enough for the loop.
 *
 * Nothing of the cache's repositories changes before the listing has proven itself complete. Missing repositories are
 * only recorded, and not even that when more are missing than removal_limit allows, or all of them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache.h"
#include "config.h"

struct intake;

/* What a listing meant. */
struct intake_result {
	uint32_t listed;	/* elements */
	uint32_t known;		/* repositories before it, excluded ones aside */
	uint32_t added, changed, returned;
	uint32_t missing;	/* newly missing; none of them recorded when held */
	bool everything_gone;
	uint32_t removal_limit;	/* in repositories */
	bool held;		/* more missing than that, or everything */
};

/* Called for each repository that newly went missing (or came back) once that is recorded. */
typedef void (*intake_event_fn)(void *arg, const struct cache_row *row, bool missing);

/* All pointers are borrowed until intake_free(). */
struct intake *intake_new(struct cache *cache, const struct config_instance *config, struct cache_instance *instance,
			  intake_event_fn on_event, void *arg);
struct intake *intake_free(struct intake *i);

/* Reads what is known, at most CACHE_BATCH_ROWS rows a call, before the listing may arrive. 1 = call again, 0, -EIO. */
int intake_load_step(struct intake *i);

/* Takes bytes of the listing. 0, -EBADMSG when it can no longer become one, -EIO. */
int intake_feed(struct intake *i, const char *p, size_t n);

/* Says whether it was complete. 0, -EBADMSG (see intake_error()), -EIO. */
int intake_finish(struct intake *i);

/* Why it is no listing, in words, or NULL. */
const char *intake_error(const struct intake *i);

/* Elements so far. */
uint32_t intake_count(const struct intake *i);

/* After intake_finish(): applies at most CACHE_BATCH_ROWS rows. 1 = call again, 0 when all is in the cache, -EIO.
 * now: Unix seconds. */
int intake_apply_step(struct intake *i, int64_t now);

/* After the last step. */
const struct intake_result *intake_result(const struct intake *i);

/* What keeps a complete listing from counting as through, in a sentence to be freed, or NULL. creations: services that wait
 * to be created. */
char *intake_hold(const struct intake_result *r, uint32_t creations, int64_t create_limit);
