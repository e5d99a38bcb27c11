#include "intake.h"

#include <errno.h>
#include <string.h>

#include "document.h"
#include "known.h"
#include "limits.h"
#include "listing.h"
#include "plan.h"
#include "target.h"
#include "util.h"

/* In this order. What the listing has comes before what it has not, so that a hold keeps nothing else back. */
enum phase { PHASE_LOAD, PHASE_CLEAR, PHASE_RECEIVE, PHASE_STAGED, PHASE_RECONSIDER, PHASE_JUDGE, PHASE_RECORD, PHASE_DONE };

struct intake {
	struct cache *cache;
	const struct config_instance *config;
	struct cache_instance *instance;
	intake_event_fn on_event;
	void *arg;
	enum phase phase;
	uint8_t load_cursor[16];
	struct known *known;
	size_t n_known;
	struct listing *listing;
	const char *error;
	struct digest config_digest;	/* of what the configuration makes of a repository */
	int64_t row_cursor;
	size_t known_cursor;
	struct intake_result result;
};

/* Everything of the configuration that a row's state or document depends on. */
static struct digest digest_of_config(const struct cache *cache, const struct config_instance *c)
{
	json_t *all = json_object(), *globs;
	char *const *const lists[] = { c->include, c->exclude };
	char *labels = document_instance(c, false), *text;
	struct digest d;

	for (size_t k = 0; k < ELEMENTSOF(lists); k++) {
		globs = json_array();
		for (char *const *g = lists[k]; *g != NULL; g++)
			json_array_append_new(globs, json_string(*g));
		json_object_set_new(all, k == 0 ? "include" : "exclude", globs);
	}
	for (size_t k = 0; k < c->n_maps; k++) {
		_cleanup_free_ char *key = xasprintf("map %zu %s", k, c->maps[k].service);

		globs = json_array();
		for (char *const *g = c->maps[k].repositories; *g != NULL; g++)
			json_array_append_new(globs, json_string(*g));
		json_object_set_new(all, key, globs);
	}
	json_object_set_new(all, "map_to", json_integer(c->map_to));
	json_object_set_new(all, "create", json_integer(c->create));
	json_object_set_new(all, "include_disabled", json_boolean(c->include_disabled));
	json_object_set_new(all, "instance", json_string(labels));
	text = document_canonical(all);
	d = digest_bytes(cache_key(cache), text, strlen(text));
	json_decref(all);
	free(labels);
	free(text);
	return d;
}

static int on_element(void *arg, const char *p, size_t n);

struct intake *intake_new(struct cache *cache, const struct config_instance *config, struct cache_instance *instance,
			  intake_event_fn on_event, void *arg)
{
	struct intake *i = xcalloc(1, sizeof(*i));

	i->cache = cache;
	i->config = config;
	i->instance = instance;
	i->on_event = on_event;
	i->arg = arg;
	i->listing = listing_new(on_element, i);
	i->config_digest = digest_of_config(cache, config);
	return i;
}

struct intake *intake_free(struct intake *i)
{
	if (i == NULL)
		return NULL;
	known_free(i->known);
	listing_free(i->listing);
	free(i);
	return NULL;
}

static void on_known(void *arg, const struct cache_known *k)
{
	struct intake *i = arg;

	known_add(i->known, &k->raw, k->id, k->excluded, k->missing);
	i->n_known++;
	if (!k->excluded && !k->missing)
		i->result.known++;
}

int intake_load_step(struct intake *i)
{
	size_t n;
	int r;

	switch (i->phase) {
	case PHASE_LOAD:
		if (i->known == NULL) {
			if (cache_count(i->cache, i->instance->id, &n) < 0)
				return -EIO;
			i->known = known_new(n);
		}
		r = cache_known_some(i->cache, i->instance->id, i->load_cursor, on_known, i);
		if (r == 0)
			i->phase = PHASE_CLEAR;
		return r < 0 ? r : 1;
	case PHASE_CLEAR:
		/* a listing that broke off left these */
		r = cache_stage_clear_some(i->cache, i->instance->id);
		if (r == 0) {
			i->phase = PHASE_RECEIVE;
			return cache_flush(i->cache);
		}
		return r;
	case PHASE_RECEIVE:
	case PHASE_STAGED:
	case PHASE_RECONSIDER:
	case PHASE_JUDGE:
	case PHASE_RECORD:
	case PHASE_DONE:
		break;
	}
	return 0;
}

static int twice(struct intake *i)
{
	i->error = "a repository is in it twice";
	return -EBADMSG;
}

/* Only what the last listing did not have is parsed; it waits in the cache until the listing is complete. */
static int on_element(void *arg, const char *p, size_t n)
{
	struct intake *i = arg;
	struct digest raw = digest_bytes(cache_key(i->cache), p, n), old;
	struct repo r;
	int e;

	switch (known_mark(i->known, &raw)) {
	case KNOWN_SEEN:
		return 0;
	case KNOWN_SEEN_AGAIN:
		return twice(i);
	case KNOWN_ABSENT:
		break;
	}
	e = repo_parse(p, n, &r, &i->error);
	if (e < 0)
		return e;
	e = cache_raw_by_guid(i->cache, i->instance->id, r.guid, &old);
	if (e == 0 && known_mark(i->known, &old) == KNOWN_SEEN_AGAIN)
		e = twice(i);
	else if (e == 0 || e == -ENOENT)
		e = cache_stage_add(i->cache, i->instance->id, &r, &raw);
	repo_done(&r);
	return e == -EEXIST ? twice(i) : e;
}

int intake_feed(struct intake *i, const char *p, size_t n)
{
	return listing_feed(i->listing, p, n);
}

int intake_finish(struct intake *i)
{
	int e = listing_finish(i->listing);

	if (e == 0)
		e = cache_flush(i->cache);
	if (e == 0) {
		i->result.listed = listing_count(i->listing);
		i->phase = PHASE_STAGED;
	}
	return e;
}

const char *intake_error(const struct intake *i)
{
	return i->error != NULL ? i->error : listing_error(i->listing);
}

uint32_t intake_count(const struct intake *i)
{
	return listing_count(i->listing);
}

/* What the row's repository now means for Konnect. 0 or -EIO. */
static int consider(struct intake *i, struct cache_row *row)
{
	int e;

	row->state = plan_excludes(i->config, &row->repo) ? REPO_EXCLUDED : repo_listed_state(&row->repo);
	if (row->state == REPO_EXCLUDED)
		return 0;
	e = target_choose(i->cache, i->config, row);
	if (e == 0)
		target_consider(i->cache, i->config, i->instance->resource_keys, row);
	return e;
}

/* Takes r. */
static int apply_staged(struct intake *i, struct repo *r, const struct digest *raw)
{
	struct cache_row row = { 0 };
	int e = cache_row_by_guid(i->cache, i->instance->id, r->guid, &row);
	bool returned = e == 0 && row.missing_since != 0;

	if (e == -ENOENT) {
		row.instance = i->instance->id;
		i->result.added++;
	} else if (e == 0) {
		repo_done(&row.repo);
		i->result.changed++;
	} else {
		repo_done(r);
		return e;
	}
	row.repo = *r;
	row.raw = *raw;
	row.missing_since = 0;
	e = consider(i, &row);
	if (e == 0)
		e = cache_row_save(i->cache, &row);
	if (e == 0 && returned) {
		i->result.returned++;
		i->on_event(i->arg, &row, false);
	}
	cache_row_done(&row);
	return e == -EEXIST ? -EIO : e;
}

static int step_staged(struct intake *i)
{
	for (unsigned n = 0; n < CACHE_BATCH_ROWS; n++) {
		struct digest raw;
		struct repo r;
		int e = cache_stage_take(i->cache, i->instance->id, &r, &raw);

		if (e == -ENOENT) {
			bool stale = memcmp(&i->config_digest, &i->instance->config, sizeof(i->config_digest)) != 0;

			/* what has just been applied was considered just now */
			i->phase = stale && i->n_known > 0 ? PHASE_RECONSIDER : PHASE_JUDGE;
			i->instance->config = stale && i->n_known > 0 ? i->instance->config : i->config_digest;
			return 1;
		}
		if (e == 0)
			e = apply_staged(i, &r, &raw);
		if (e < 0)
			return e;
	}
	return 1;
}

/* The configuration has changed since the rows were considered. */
static int step_reconsider(struct intake *i)
{
	for (unsigned n = 0; n < CACHE_BATCH_ROWS; n++) {
		struct cache_row row = { 0 };
		int e = cache_row_next(i->cache, i->instance->id, i->row_cursor, &row);

		if (e == -ENOENT) {
			i->phase = PHASE_JUDGE;
			i->instance->config = i->config_digest;
			return 1;
		}
		if (e < 0)
			return e;
		i->row_cursor = row.id;
		if (row.kind == ROW_REPOSITORY)
			e = consider(i, &row);
		else
			target_consider(i->cache, i->config, NULL, &row);
		if (e == 0)
			e = cache_row_save(i->cache, &row);
		cache_row_done(&row);
		if (e < 0)
			return -EIO;
	}
	return 1;
}

static void judge(struct intake *i)
{
	struct known_entry k;
	size_t cursor = 0;

	while (known_next(i->known, &cursor, &k))
		if (!k.seen && !k.excluded && !k.missing)
			i->result.missing++;
	i->result.removal_limit = plan_removal_limit(&i->config->removal_limit, i->result.known);
	i->result.everything_gone = i->result.known > 0 && i->result.missing == i->result.known;
	i->result.held = i->result.everything_gone || i->result.missing > i->result.removal_limit;
	i->phase = PHASE_RECORD;
}

static int record(struct intake *i, const struct known_entry *k, int64_t now)
{
	struct cache_row row = { 0 };
	int e = cache_row_set_missing(i->cache, k->id, k->seen ? 0 : now);

	if (e == 0)
		e = cache_row_by_id(i->cache, k->id, &row);
	if (e < 0)
		return -EIO;
	if (k->seen)
		i->result.returned++;
	if (!k->excluded)
		i->on_event(i->arg, &row, !k->seen);
	cache_row_done(&row);
	return 0;
}

/* Those that went missing, unless that is held, and those that came back as they were. */
static int step_record(struct intake *i, int64_t now)
{
	struct known_entry k;
	unsigned n = 0;

	while (n < CACHE_BATCH_ROWS && known_next(i->known, &i->known_cursor, &k)) {
		bool gone = !k.seen && !k.missing && !i->result.held, back = k.seen && k.missing;
		struct cache_row row = { 0 };
		int e;

		if (!gone && !back)
			continue;
		/* an element that changed while it was missing has been applied already */
		if (back && cache_row_by_id(i->cache, k.id, &row) == 0 && row.missing_since == 0) {
			cache_row_done(&row);
			continue;
		}
		cache_row_done(&row);
		e = record(i, &k, now);
		if (e < 0)
			return e;
		n++;
	}
	if (n < CACHE_BATCH_ROWS)
		i->phase = PHASE_DONE;
	return n < CACHE_BATCH_ROWS ? 0 : 1;
}

int intake_apply_step(struct intake *i, int64_t now)
{
	int r = 0, e;

	switch (i->phase) {
	case PHASE_STAGED:
		r = step_staged(i);
		break;
	case PHASE_RECONSIDER:
		r = step_reconsider(i);
		break;
	case PHASE_JUDGE:
		judge(i);
		r = 1;
		break;
	case PHASE_RECORD:
		r = step_record(i, now);
		break;
	case PHASE_LOAD:
	case PHASE_CLEAR:
	case PHASE_RECEIVE:
	case PHASE_DONE:
		break;
	}
	e = cache_flush(i->cache);
	return r < 0 ? r : e < 0 ? e : r;
}

const struct intake_result *intake_result(const struct intake *i)
{
	return &i->result;
}

char *intake_hold(const struct intake_result *r, uint32_t creations, int64_t create_limit)
{
	if (r->everything_gone)
		return xasprintf("held: the listing has none of the %u repositories that were known. Nothing is recorded as missing; "
				 "check the PAT's permissions and the organization", r->known);
	if (r->held)
		return xasprintf("held: %u of %u repositories are missing from the listing, more than removal_limit (%u) allows. "
				 "Nothing is recorded as missing; check the PAT's permissions, or raise removal_limit",
				 r->missing, r->known, r->removal_limit);
	if (create_limit > 0 && creations > create_limit)
		return xasprintf("held: %u services would be created, more than create_limit (%lld) allows. None of them is; "
				 "everything else goes on. adosyncctl plan shows them, adosyncctl approve lets them through; or raise "
				 "create_limit in section konnect", creations, (long long)create_limit);
	return NULL;
}
