/* The elements one poll recognises without parsing them: the digests of what the last listing had.
 * A hash table of exactly the size it needs, 32 bytes a repository. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache.h"
#include "digest.h"

struct known;

/* Room for n elements. */
struct known *known_new(size_t n);
struct known *known_free(struct known *k);

/* Adds an element (at most n in all) under the id of its row. False when there is no room, it is there already or the id is
 * none, which only a damaged cache can give. */
bool known_add(struct known *k, const struct digest *raw, int64_t id, bool excluded, enum row_absent absent,
	       bool held);

enum known_mark { KNOWN_ABSENT, KNOWN_SEEN, KNOWN_SEEN_AGAIN };

/* Marks the element as seen in this listing, and says whether it had been already. */
enum known_mark known_mark(struct known *k, const struct digest *raw);

/* The id of the element's row; 0 when there is none. */
int64_t known_id(struct known *k, const struct digest *raw);

/* Whether the last listing had the element and this one, read to its end, has neither it nor another of its repository. */
bool known_is_lost(struct known *k, const struct digest *raw);

/* Notes that the element's repository is in a recycle bin. */
void known_prove(struct known *k, const struct digest *raw);

/* One element after the listing. */
struct known_entry {
	int64_t id;
	bool seen, excluded, proven, held;
	enum row_absent absent;
};

/* The next element at or after *cursor (0 at first), which moves on. False at the end. */
bool known_next(const struct known *k, size_t *cursor, struct known_entry *ret);
