/* Where a repository is mapped to: a service of its own, its project's, a named one, or none. */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "cache.h"
#include "config.h"

/* Chooses the target of a repository's row by the configuration, and makes the row of the service it shares, or brings it
 * up to date. 0 or -EIO. */
int target_choose(struct cache *c, const struct config_instance *config, struct cache_row *row);

/* What is wanted of a row, given its state and target: its own document, its mapping, and whether what was parked is still
 * what is wanted. resource_keys: of Konnect's resource type, NULL while unknown. */
void target_consider(struct cache *c, const struct config_instance *config, const char *resource_keys, struct cache_row *row);

/* The digest of the mapping a row wants: which service, and the resource's configuration. key: of the cache's digests. */
struct digest target_digest(const uint8_t *key, const struct config_instance *config, const char *resource_keys,
			    const struct cache_row *row);

/* The digest that stands for "our mapping is to go". */
struct digest target_unmapped(void);

/* The digest that stands for "the resource is archived, and our mapping with it". */
struct digest target_archived(void);

/* The digest that stands for "mapped to what had that digest, perhaps": a mapping that was never acknowledged may have been
 * made, and of a resource that would be another one now. Of such a digest: the one it was made of. */
struct digest target_perhaps(const struct digest *d);

/* Whether the row has such a digest. */
bool target_is_uncertain(const struct cache_row *row);

/* The digest of what the row would be mapped to if that were the configuration of its resource. */
struct digest target_digest_of(const uint8_t *key, const struct cache_row *row, const json_t *resource);

/* The GUID under which the row of a project's service is kept. */
void target_project_guid(const struct cache *c, const char *project_id, uint8_t ret[16]);
