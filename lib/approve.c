#include "approve.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "guard.h"
#include "limits.h"
#include "target.h"
#include "util.h"

/* Done in one turn of the loop. */
#define READ_STEP_ROWS 200
#define SORT_STEP_ITEMS 4096

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
	if (creations_held && row->service_id == NULL && !digest_is_zero(&row->want) && row->parked == NULL &&
	    row->absent == ABSENT_NOT && !row->approved) {
		*ret_why = "more services would be created than create_limit allows";
		return "create";
	}
	return NULL;
}

void approve_begin(struct approve *a, struct cache *c, const struct config_instance *config, const struct cache_instance *instance,
		   bool creations_held)
{
	*a = (struct approve){ .cache = c, .config = config, .instance = instance, .creations_held = creations_held };
}

void approve_end(struct approve *a)
{
	free(a->items);
	*a = (struct approve){ 0 };
}

static void add(struct approve *a, const struct cache_row *row)
{
	if (a->n_items == a->allocated) {
		a->allocated = a->allocated == 0 ? 64 : a->allocated * 2;
		a->items = xrealloc(a->items, a->allocated, sizeof(*a->items));
	}
	a->items[a->n_items] = (struct approve_item){ .id = row->id };
	memcpy(a->items[a->n_items++].guid, row->repo.guid, 16);
}

/* Both indexes of what is rare are read, and not the rows between. */
static int collect(struct approve *a)
{
	struct cache_row row = { 0 };
	const char *why;

	for (unsigned n = 0; n < READ_STEP_ROWS; n++) {
		int e = a->phase == APPROVE_ABSENT ? cache_missing_next(a->cache, a->instance->id, a->cursor, &row)
						   : cache_pending_next(a->cache, a->instance->id, a->cursor, true, &row);

		if (e == -ENOENT)
			return 0;
		if (e < 0)
			return e;
		a->cursor = row.id;
		/* what is not in the listing, or held, was found by the first of them */
		if ((a->phase == APPROVE_ABSENT || (row.absent == ABSENT_NOT && row.held == HELD_NOT)) &&
		    action_of(&row, a->creations_held, &why) != NULL)
			add(a, &row);
		cache_row_done(&row);
	}
	return 1;
}

static int by_guid(const void *a, const void *b)
{
	return memcmp(((const struct approve_item *)a)->guid, ((const struct approve_item *)b)->guid, 16);
}

/* Two neighbours that are each in order become one. */
static void merge(struct approve_item *items, size_t n_left, size_t n)
{
	struct approve_item *left = xcalloc(n_left, sizeof(*left));
	size_t l = 0, r = n_left;

	memcpy(left, items, n_left * sizeof(*left));
	for (size_t to = 0; l < n_left; to++)
		items[to] = r < n && by_guid(&items[r], &left[l]) < 0 ? items[r++] : left[l++];
	free(left);
}

/* By GUID, a piece or two neighbours in each call: qsort() alone would keep the loop for as long as all of them take. */
static int sort(struct approve *a)
{
	struct approve_item *items = a->items + a->at;
	size_t left = a->n_items - a->at, step = a->sorted == 0 ? SORT_STEP_ITEMS : 2 * a->sorted, n = left < step ? left : step;

	if (a->sorted == 0 && n > 0)
		qsort(items, n, sizeof(*items), by_guid);
	else if (n > a->sorted)
		merge(items, a->sorted, n);
	a->at += n;
	if (a->at == a->n_items) {
		a->at = 0;
		a->sorted = step;
	}
	return a->sorted == 0 || a->sorted < a->n_items ? 1 : 0;
}

/* Chained, so that each is hashed with all before it. */
static void chain(struct approve *a, const struct cache_row *row, const char *action)
{
	uint8_t text[DIGEST_LEN + 16 + 16] = { 0 };

	memcpy(text, a->sum.b, DIGEST_LEN);
	memcpy(text + DIGEST_LEN, row->repo.guid, 16);
	(void)snprintf((char *)text + DIGEST_LEN + 16, 16, "%s%s", action,
		       strcmp(action, "create") != 0 ? fates[a->config->on_remove] : "");
	a->sum = digest_bytes(no_key, text, sizeof(text));
	a->n++;
}

static int show(struct approve *a, approve_fn fn, void *arg)
{
	struct cache_row row = { 0 };
	const char *why;

	for (unsigned n = 0; n < READ_STEP_ROWS && a->at < a->n_items; n++) {
		struct approve_item *i = &a->items[a->at++];
		int e = cache_row_by_id(a->cache, i->id, &row);

		if (e == -ENOENT)
			continue;
		if (e < 0)
			return e;
		i->action = action_of(&row, a->creations_held, &why);
		if (i->action != NULL) {
			chain(a, &row, i->action);
			if (fn != NULL)
				fn(arg, &row, i->action, why);
		}
		cache_row_done(&row);
	}
	return a->at < a->n_items ? 1 : 0;
}

int approve_step(struct approve *a, approve_fn fn, void *arg)
{
	int e = a->phase < APPROVE_SORT ? collect(a) : a->phase == APPROVE_SORT ? sort(a) : a->phase == APPROVE_SHOW ? show(a, fn, arg) : 0;

	if (e != 0 || a->phase == APPROVE_SHOWN)
		return e;
	a->phase++;
	a->cursor = 0;
	if (a->phase == APPROVE_CREATIONS && !a->creations_held)
		a->phase++;
	if (a->phase < APPROVE_SHOWN)
		return 1;
	for (size_t i = 0; a->n > 0 && i < APPROVE_HASH_LEN / 2; i++)
		(void)snprintf(a->hash + 2 * i, 3, "%02x", a->sum.b[i]);
	a->at = 0;
	return 0;
}

static int run(struct approve *a, approve_fn fn, void *arg)
{
	int e;

	while ((e = approve_step(a, fn, arg)) == 1)
		;
	return e;
}

int approve_plan(struct cache *c, const struct config_instance *config, const struct cache_instance *instance, bool creations_held,
		 approve_fn fn, void *arg, char ret_hash[APPROVE_HASH_LEN + 1], uint32_t *ret_n)
{
	struct approve a;
	int e;

	approve_begin(&a, c, config, instance, creations_held);
	e = run(&a, fn, arg);
	if (e == 0) {
		memcpy(ret_hash, a.hash, sizeof(a.hash));
		*ret_n = a.n;
	}
	approve_end(&a);
	return e;
}

bool approve_is(const struct approve *a, const char *hash)
{
	return a->n > 0 && (strcmp(a->hash, hash) == 0 || !GUARD("hash"));
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

static int let_one(struct approve *a, const struct approve_item *i, int64_t now)
{
	struct cache_row row = { 0 };
	const char *action, *why;
	int e = cache_row_by_id(a->cache, i->id, &row);

	if (e < 0)
		return e == -ENOENT ? 0 : e;
	action = action_of(&row, a->creations_held, &why);
	if (action != NULL && strcmp(action, i->action) == 0) {
		approve_row(a->cache, a->config, a->instance, &row, action, now);
		e = cache_row_save(a->cache, &row);
	}
	cache_row_done(&row);
	return e < 0 ? -EIO : 0;
}

int approve_let(struct approve *a, int64_t now)
{
	for (unsigned n = 0; n < CACHE_STEP_ROWS && a->at < a->n_items; a->at++) {
		if (a->items[a->at].action == NULL)
			continue;
		n++;
		if (let_one(a, &a->items[a->at], now) < 0)
			return -EIO;
	}
	return a->at < a->n_items ? 1 : 0;
}

int approve_apply(struct cache *c, const struct config_instance *config, const struct cache_instance *instance, bool creations_held,
		  const char *hash, int64_t now, uint32_t *ret_n)
{
	struct approve a;
	int e;

	approve_begin(&a, c, config, instance, creations_held);
	e = run(&a, NULL, NULL);
	if (e == 0 && !approve_is(&a, hash))
		e = -ESTALE;
	*ret_n = a.n;
	if (e == 0)
		e = cache_whole(c);
	if (e == 0) {
		while ((e = approve_let(&a, now)) == 1)
			;
		if (e == 0)
			e = cache_flush(c);
		else
			cache_abandon(c);
	}
	approve_end(&a);
	return e;
}
