/* Takes one listing into the cache: while it arrives, then in steps short enough for the loop.
 *
 * Nothing of the cache's repositories changes before the listing has proven itself complete. What it has not is removed only
 * if a recycle bin proves it, is missing otherwise, and waits for approval when it is too much at once. */
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
	uint32_t missing, removed;	/* newly */
	uint32_t removal_limit;	/* in repositories */
	uint32_t held_removals;	/* not listed, and not recorded, nor said in Konnect, as removed */
	uint32_t held_exclusions; /* that a change of filters would exclude */
	bool everything_gone;
	bool drip;		/* held because of what was removed within a day before */
};

enum intake_event { INTAKE_MISSING, INTAKE_REMOVED, INTAKE_RETURNED };

/* Called for each repository that went or came back, once that is recorded. */
typedef void (*intake_event_fn)(void *arg, const struct cache_row *row, enum intake_event event);

/* All pointers are borrowed until intake_free(). */
struct intake *intake_new(struct cache *cache, const struct config_instance *config, struct cache_instance *instance,
			  intake_event_fn on_event, void *arg);
struct intake *intake_free(struct intake *i);

/* Reads what is known, at most CACHE_SCAN_ROWS rows a call, before the listing may arrive. 1 = call again, 0, -EIO. */
int intake_load_step(struct intake *i);

/* Takes bytes of the listing. 0, -EBADMSG when it can no longer become one, -EIO. */
int intake_feed(struct intake *i, const char *p, size_t n);

/* Says whether it was complete. 0, -EBADMSG (see intake_error()), -EIO. */
int intake_finish(struct intake *i);

/* Why it is no listing, in words, or NULL. */
const char *intake_error(const struct intake *i);

/* Elements so far. */
uint32_t intake_count(const struct intake *i);

#define INTAKE_BINS 2

/* After intake_finish(): applies at most CACHE_STEP_ROWS rows. 1 = call again, 0 when all is in the cache, -EIO; INTAKE_BINS
 * when recycle bins are to be read first, those that intake_next_project() names: call again after that.
 * now: Unix seconds. */
int intake_apply_step(struct intake *i, int64_t now);

/* The GUID of the next project whose recycle bin may say what became of its repositories, or NULL. */
const char *intake_next_project(struct intake *i);

/* A repository was in a recycle bin that was read completely. 0 or -EIO. */
int intake_prove(struct intake *i, const uint8_t guid[16]);

/* After the last step. */
const struct intake_result *intake_result(const struct intake *i);

/* What keeps a complete listing from counting as through, in a sentence to be freed, or NULL. creations: services that wait
 * to be created. */
char *intake_hold(const struct intake_result *r, uint32_t creations, int64_t create_limit);
