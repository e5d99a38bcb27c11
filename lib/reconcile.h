/* Reconcile: what Konnect itself holds of one instance, compared with the cache. Reads only; what it finds wrong becomes a
 * pending row that converge repairs.
 *
 * Konnect's lists must prove themselves: they are read in the order of creation to the end, their totals must agree where
 * they are given, and a service or a mapping that is not in them is looked at by itself before it counts as gone. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "cache.h"
#include "config.h"
#include "konnect.h"

enum reconcile_step {
	RECONCILE_SERVICES,	/* those with our instance's label, page by page */
	RECONCILE_MAPPINGS,	/* of our integration instance, page by page */
	RECONCILE_RESOURCES,	/* that Konnect has discovered, if mappings wait for them */
	RECONCILE_PAGE,		/* one of these lists is looked at, a part in each turn */
	RECONCILE_NAMES,	/* it has resources that only names tell; it waits until all names are read */
	RECONCILE_SCAN,
	RECONCILE_CONFIRM,	/* one service that was not in the list */
	RECONCILE_CONFIRM_MAPPING,
	RECONCILE_DONE,
	RECONCILE_FAILED,	/* see error: nothing was concluded from the lists */
};

enum reconcile_event {
	RECONCILE_ADOPTED,	/* a service of ours that the cache did not know; nothing differs, or its repair is pending */
	RECONCILE_REPAIRED,	/* labels or git_repo were changed by somebody; the repair is pending */
	RECONCILE_RECREATED,	/* somebody deleted the service: it is created again */
	RECONCILE_ENTERED,	/* a service of ours whose repository is not listed: entered as missing */
};

/* Called for each, after the cache has it. */
typedef void (*reconcile_event_fn)(void *arg, enum reconcile_event event, const struct cache_row *row);

struct reconcile {
	struct cache *cache;
	const struct config_instance *config;
	struct cache_instance *instance;
	int64_t now;
	reconcile_event_fn on_event;
	void *arg;
	enum reconcile_step step, resume;	/* resume: after RECONCILE_PAGE */
	struct names *names;	/* NULL until they are needed */
	json_t *waiting;	/* the page that is looked at */
	size_t at;		/* in it */
	unsigned page;
	json_int_t total;	/* the list's own, -1 = not given */
	size_t seen_elements;
	uint8_t *services, *mappings;	/* a bit for each row: its service, its mapping was in the list */
	int64_t last_id;
	unsigned losses;	/* of the cache, when it began */
	int64_t cursor;		/* the row that is confirmed */
	char *confirming;	/* its service, or its mapping */
	bool is_new;		/* the integration instance, made just now: no mapping can be in it, and none is looked at */
	char *after;		/* the page of resources that is read, NULL = the first */
	uint32_t n_services, n_events;
	char *error;
};

/* The instance must have its konnect_id. Pointers are borrowed. 0 or -EIO. */
int reconcile_init(struct reconcile *r, struct cache *cache, const struct config_instance *config,
		   struct cache_instance *instance, int64_t now, reconcile_event_fn on_event, void *arg);
void reconcile_done(struct reconcile *r);

/* The next request, or false when there is none: reconcile_scans(), or the step is RECONCILE_DONE or RECONCILE_FAILED. */
bool reconcile_request(const struct reconcile *r, struct konnect_request *ret);

/* Learns from the answer to that request; see converge_answer() for which answers come here. 0, or -EIO of the cache. */
int reconcile_answer(struct reconcile *r, int status, const json_t *answer);

/* Whether reconcile_scan() is to be called. */
bool reconcile_scans(const struct reconcile *r);

/* Looks at a part of a page or at a few rows, as many as a turn of the loop has time for: for their names, or for what was not in the
 * lists. 0, or -EIO of the cache. */
int reconcile_scan(struct reconcile *r);
