/* What waits for an operator's approval, and the approval: of exactly what was shown, kept with its rows until it is done. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "cache.h"
#include "config.h"

#define APPROVE_HASH_LEN 12

/* Calls fn (may be NULL) for each row that waits, in the order of GUIDs, and gives the hash of them and of what is to be done
 * with them, on_remove included. *ret_n: how many; with none the hash is "". Reads everything: only for an operator's request.
 * 0 or -EIO. */
typedef void (*approve_fn)(void *arg, const struct cache_row *row, const char *action, const char *why);
int approve_plan(struct cache *c, const struct config_instance *config, const struct cache_instance *instance, bool creations_held,
		 approve_fn fn, void *arg, char ret_hash[APPROVE_HASH_LEN + 1], uint32_t *ret_n);

/* Approves what approve_plan() shows, if its hash still is that one. 0 and *ret_n, -ESTALE when it is another, -EIO.
 * now: Unix seconds. */
int approve_apply(struct cache *c, const struct config_instance *config, const struct cache_instance *instance, bool creations_held,
		  const char *hash, int64_t now, uint32_t *ret_n);
