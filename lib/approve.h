/* What waits for an operator's approval, and the approval: of exactly what was shown, kept with its rows until it is done. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "cache.h"
#include "config.h"

#define APPROVE_HASH_LEN 12

/* A row that may wait. */
struct approve_item {
	uint8_t guid[16];
	int64_t id;
	const char *action;	/* "remove", "exclude", "create"; NULL when it turned out not to */
};

struct approve {
	struct cache *cache;
	const struct config_instance *config;
	const struct cache_instance *instance;
	bool creations_held;
	enum { APPROVE_ABSENT, APPROVE_CREATIONS, APPROVE_SORT, APPROVE_SHOW, APPROVE_SHOWN } phase;
	int64_t cursor;
	struct approve_item *items;
	size_t n_items, allocated, at, sorted; /* sorted: so many of the items, and again so many, are in order */
	struct digest sum;
	uint32_t n;		/* that wait */
	char hash[APPROVE_HASH_LEN + 1]; /* of them and of what is to be done with them, on_remove included; "" with none */
};

/* Called for each row that waits, in the order of GUIDs. */
typedef void (*approve_fn)(void *arg, const struct cache_row *row, const char *action, const char *why);

/* Pointers are borrowed until approve_end(). */
void approve_begin(struct approve *a, struct cache *c, const struct config_instance *config, const struct cache_instance *instance,
		   bool creations_held);
void approve_end(struct approve *a);

/* Looks at a few rows, as many as a turn of the loop has time for. fn may be NULL. 1 = call again, 0 when hash and n are known, -EIO. */
int approve_step(struct approve *a, approve_fn fn, void *arg);

/* After that: whether something waits, and that is its hash. */
bool approve_is(const struct approve *a, const char *hash);

/* After that: lets what was found through, a few rows a call; those that have changed since are left as they are. 1 = call again,
 * 0 when it is all in the cache, -EIO. now: Unix seconds. */
int approve_let(struct approve *a, int64_t now);

/* All at once. 0 or -EIO. */
int approve_plan(struct cache *c, const struct config_instance *config, const struct cache_instance *instance, bool creations_held,
		 approve_fn fn, void *arg, char ret_hash[APPROVE_HASH_LEN + 1], uint32_t *ret_n);

/* Approves what approve_plan() shows, if its hash still is that one: everything or, if the cache cannot be written, nothing. 0 and
 * *ret_n, -ESTALE when it is another, -EIO. now: Unix seconds. */
int approve_apply(struct cache *c, const struct config_instance *config, const struct cache_instance *instance, bool creations_held,
		  const char *hash, int64_t now, uint32_t *ret_n);
