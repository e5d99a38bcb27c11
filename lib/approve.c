#include "approve.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "util.h"

#define ACTION_CREATE "create"

/* Not the cache's key: the same plan has the same hash in a --dry-run before there is a cache. */
static const uint8_t no_key[DIGEST_KEY_LEN];

struct walk {
	struct digest sum;	/* chained over what came before */
	approve_fn fn;
	void *arg;
	uint32_t n;
};

static void add(struct walk *w, const struct cache_row *row, const char *action)
{
	uint8_t text[DIGEST_LEN + 16 + 16] = { 0 };

	memcpy(text, w->sum.b, DIGEST_LEN);
	memcpy(text + DIGEST_LEN, row->repo.guid, 16);
	(void)snprintf((char *)text + DIGEST_LEN + 16, 16, "%s", action);
	w->sum = digest_bytes(no_key, text, sizeof(text));
	w->n++;
	if (w->fn != NULL)
		w->fn(w->arg, row, action);
}

int approve_plan(struct cache *c, const struct cache_instance *instance, bool creations_held, approve_fn fn, void *arg,
		 char ret_hash[APPROVE_HASH_LEN + 1], uint32_t *ret_n)
{
	struct walk w = { .fn = fn, .arg = arg };
	struct cache_row row = { 0 };
	uint8_t cursor[16] = { 0 };
	int e = 0;

	while (creations_held && (e = cache_held_next(c, instance->id, cursor, &row)) == 0) {
		add(&w, &row, ACTION_CREATE);
		memcpy(cursor, row.repo.guid, sizeof(cursor));
		cache_row_done(&row);
	}
	if (e < 0 && e != -ENOENT)
		return e;
	ret_hash[0] = '\0';
	for (size_t i = 0; w.n > 0 && i < APPROVE_HASH_LEN / 2; i++)
		(void)snprintf(ret_hash + 2 * i, 3, "%02x", w.sum.b[i]);
	*ret_n = w.n;
	return 0;
}

int approve_apply(struct cache *c, const struct cache_instance *instance, bool creations_held, const char *hash, uint32_t *ret_n)
{
	char now[APPROVE_HASH_LEN + 1];
	int e = approve_plan(c, instance, creations_held, NULL, NULL, now, ret_n);

	if (e < 0)
		return e;
	if (*ret_n == 0 || strcmp(now, hash) != 0)
		return -ESTALE;
	while ((e = cache_approve_some(c, instance->id)) > 0)
		;
	return e < 0 ? e : cache_flush(c);
}
