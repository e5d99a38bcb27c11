#include "approve.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "guard.h"
#include "target.h"
#include "util.h"

/* Not the cache's key: the same plan has the same hash in a --dry-run before there is a cache. */
static const uint8_t no_key[DIGEST_KEY_LEN];

/* What a removal comes to, in the order of enum on_remove: what was shown under one is not approved under another. */
static const char *const fates[] = { "", "-archive", "-delete" };

/* What waits for one row, or NULL. */
static const char *action_of(const struct cache_row *row, bool creations_held, const char **ret_why)
{
	if (row->held == HELD_REMOVAL) {
		*ret_why = "it is not in the listing any more, as too many others";
		return "remove";
	}
	if (row->absent == ABSENT_MISSING && row->state != REPO_EXCLUDED) {
		*ret_why = "it is not in the listing, and no recycle bin says why";
		return "remove";
	}
	if (row->held == HELD_EXCLUSION) {
		*ret_why = "a filter excludes it, and too many others";
		return "exclude";
	}
	if (creations_held && row->service_id == NULL && row->absent == ABSENT_NOT && !row->approved) {
		*ret_why = "more services would be created than create_limit allows";
		return "create";
	}
	return NULL;
}

int approve_plan(struct cache *c, const struct config_instance *config, const struct cache_instance *instance, bool creations_held,
		 approve_fn fn, void *arg, char ret_hash[APPROVE_HASH_LEN + 1], uint32_t *ret_n)
{
	struct cache_row row = { 0 };
	uint8_t cursor[16] = { 0 }, text[DIGEST_LEN + 16 + 16];
	struct digest sum = { 0 };
	const char *action, *why;
	uint32_t n = 0;
	int e;

	while ((e = cache_held_next(c, instance->id, cursor, &row)) == 0) {
		memcpy(cursor, row.repo.guid, sizeof(cursor));
		action = action_of(&row, creations_held, &why);
		if (action != NULL) {
			/* chained, so that each is hashed with all before it */
			memset(text, 0, sizeof(text));
			memcpy(text, sum.b, DIGEST_LEN);
			memcpy(text + DIGEST_LEN, row.repo.guid, 16);
			(void)snprintf((char *)text + DIGEST_LEN + 16, 16, "%s%s", action,
				       strcmp(action, "create") != 0 ? fates[config->on_remove] : "");
			sum = digest_bytes(no_key, text, sizeof(text));
			n++;
			if (fn != NULL)
				fn(arg, &row, action, why);
		}
		cache_row_done(&row);
	}
	if (e != -ENOENT)
		return e;
	ret_hash[0] = '\0';
	for (size_t i = 0; n > 0 && i < APPROVE_HASH_LEN / 2; i++)
		(void)snprintf(ret_hash + 2 * i, 3, "%02x", sum.b[i]);
	*ret_n = n;
	return 0;
}

static void approve_row(struct cache *c, const struct config_instance *config, const struct cache_instance *instance,
			struct cache_row *row, const char *action, int64_t now)
{
	row->approved = true;
	row->held = HELD_NOT;
	if (strcmp(action, "remove") == 0) {
		row->absent = ABSENT_REMOVED;
		row->removed_at = now;
		row->state = REPO_REMOVED;
	} else if (strcmp(action, "exclude") == 0) {
		row->state = REPO_EXCLUDED;
	}
	target_consider(c, config, instance->resource_keys, row);
}

static int approve_rows(struct cache *c, const struct config_instance *config, const struct cache_instance *instance,
			bool creations_held, int64_t now)
{
	struct cache_row row = { 0 };
	uint8_t cursor[16] = { 0 };
	const char *action, *why;
	int e;

	while ((e = cache_held_next(c, instance->id, cursor, &row)) == 0) {
		memcpy(cursor, row.repo.guid, sizeof(cursor));
		action = action_of(&row, creations_held, &why);
		if (action != NULL) {
			approve_row(c, config, instance, &row, action, now);
			e = cache_row_save(c, &row);
		}
		cache_row_done(&row);
		if (e < 0)
			return -EIO;
	}
	return e == -ENOENT ? 0 : e;
}

int approve_apply(struct cache *c, const struct config_instance *config, const struct cache_instance *instance, bool creations_held,
		  const char *hash, int64_t now, uint32_t *ret_n)
{
	char shown[APPROVE_HASH_LEN + 1];
	int e = approve_plan(c, config, instance, creations_held, NULL, NULL, shown, ret_n);

	if (e < 0)
		return e;
	if (*ret_n == 0 || (strcmp(shown, hash) != 0 && GUARD("hash")))
		return -ESTALE;
	/* one decision, kept whole: the loop waits no longer for one large transaction than for many small ones */
	e = cache_whole(c);
	if (e < 0)
		return e;
	e = approve_rows(c, config, instance, creations_held, now);
	if (e == 0)
		return cache_flush(c);
	cache_abandon(c);
	return e;
}
