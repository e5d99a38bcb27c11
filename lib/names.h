/* The repositories of an instance by their names, for the lists of Konnect that say no more of them. 32 bytes a repository. */
#pragma once

#include "cache.h"

struct names;

/* Of what the cache has now; names_read() fills it. The cache is borrowed. */
struct names *names_new(struct cache *c, int64_t instance);

/* NULL is fine. Returns NULL. */
struct names *names_free(struct names *n);

/* Reads at most CACHE_NAMES_ROWS rows. 1 = call again, 0 when all are read, -EIO. */
int names_read(struct names *n);

/* The row of the repository of that name, ASCII case aside; of several, such as one that is removed, the newest. One that came or was
 * renamed since is not found. 0, -ENOENT, -EIO. */
int names_find(struct names *n, const char *project, const char *name, struct cache_row *ret);
