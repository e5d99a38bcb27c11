#include "intake_internal.h"

#include <errno.h>
#include <string.h>

#include "converge.h"
#include "document.h"
#include "guard.h"
#include "limits.h"
#include "plan.h"
#include "target.h"
#include "util.h"

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
	json_object_set_new(all, "on_remove", json_integer(c->on_remove));
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
static int weigh_change(struct intake *i, const struct repo *r);

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
	i->guids = guids_new(cache_key(cache));
	i->losses = cache_losses(cache);
	i->config_digest = digest_of_config(cache, config);
	return i;
}

struct intake *intake_free(struct intake *i)
{
	if (i == NULL)
		return NULL;
	known_free(i->known);
	guids_free(i->guids);
	free(i->projects);
	listing_free(i->listing);
	free(i);
	return NULL;
}

static void on_known(void *arg, const struct cache_known *k)
{
	struct intake *i = arg;

	if (!known_add(i->known, &k->raw, k->id, k->excluded, k->absent, k->held)) {
		cache_blame(i->cache);
		return;
	}
	i->n_known++;
	if (!k->excluded && k->absent == ABSENT_NOT)
		i->result.known++;
}

int intake_load_step(struct intake *i)
{
	struct cache_counts n;
	int r;

	switch (i->phase) {
	case PHASE_LOAD:
		if (i->known == NULL) {
			if (cache_counts(i->cache, i->instance->id, &n) < 0)
				return -EIO;
			i->known = known_new(n.repositories);
		}
		r = cache_known_some(i->cache, i->instance->id, &i->load_cursor, on_known, i);
		if (r == 0)
			i->phase = PHASE_CLEAR;
		return cache_is_damaged(i->cache) ? -EIO : r < 0 ? r : 1;
	case PHASE_CLEAR:
		/* a listing that broke off left these */
		r = cache_stage_clear_some(i->cache, i->instance->id);
		if (r == 0) {
			i->phase = PHASE_RECEIVE;
			return cache_flush(i->cache);
		}
		return r;
	case PHASE_RECEIVE:
	case PHASE_WEIGH:
	case PHASE_STAGED:
	case PHASE_UNSTAGE:
	case PHASE_RECONSIDER:
	case PHASE_PROJECTS:
	case PHASE_BINS:
	case PHASE_JUDGE:
	case PHASE_RECORD:
	case PHASE_SERVICES:
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
		return GUARD("duplicate") ? twice(i) : 0;
	case KNOWN_ABSENT:
		break;
	}
	e = repo_parse(p, n, &r, &i->error);
	if (e < 0)
		return e;
	e = i->n_known > 0 ? cache_raw_by_guid(i->cache, i->instance->id, r.guid, &old) : -ENOENT;
	if (((e == 0 && known_mark(i->known, &old) == KNOWN_SEEN_AGAIN) || !guids_add(i->guids, r.guid)) && GUARD("duplicate"))
		e = twice(i);
	else if (e == 0 || e == -ENOENT)
		e = cache_stage_add(i->cache, i->instance->id, ++i->n_staged, &r, &raw);
	if (e == 0)
		e = weigh_change(i, &r);
	repo_done(&r);
	return e;
}

int intake_feed(struct intake *i, const char *p, size_t n)
{
	return listing_feed(i->listing, p, n);
}

/* The configuration has changed since the rows were considered. */
static bool config_is_stale(const struct intake *i)
{
	return i->n_known > 0 && memcmp(&i->config_digest, &i->instance->config, sizeof(i->config_digest)) != 0;
}

int intake_finish(struct intake *i)
{
	int e = listing_finish(i->listing);

	if (e == 0)
		e = cache_flush(i->cache);
	if (e == 0) {
		i->result.listed = listing_count(i->listing);
		i->result.removal_limit = plan_removal_limit(&i->config->removal_limit, i->result.known);
		i->stale = config_is_stale(i);
		i->phase = i->stale ? PHASE_WEIGH : PHASE_STAGED;
	}
	if (e == 0 && i->stale) {
		i->renamed = converge_instance_renames(i->instance, i->config);
		/* until all are considered the rows are of no one configuration, the old one included */
		i->instance->config = (struct digest){ 0 };
		e = cache_instance_save(i->cache, i->instance);
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

/* It is in the catalog, and its exclusion is something to weigh. */
static bool could_be_excluded(const struct cache_row *row)
{
	return row->kind == ROW_REPOSITORY && (row->service_id != NULL || row->mapping_id != NULL) && row->absent == ABSENT_NOT &&
	       row->state != REPO_EXCLUDED && !row->approved;
}

/* What Azure DevOps changed can exclude as much as a filter can: a project that is renamed, say. 0 or -EIO. */
static int weigh_change(struct intake *i, const struct repo *r)
{
	struct cache_row row = { 0 };
	int e;

	if (i->n_known == 0 || !plan_excludes(i->config, r))
		return 0;
	e = cache_row_by_guid(i->cache, i->instance->id, r->guid, &row);
	i->would_exclude += e == 0 && could_be_excluded(&row);
	cache_row_done(&row);
	return e == -ENOENT ? 0 : e;
}

/* What the listing has not may have another name by now, which is what a filter is about. */
static bool newly_excluded(const struct intake *i, const struct cache_row *row)
{
	return could_be_excluded(row) && plan_excludes(i->config, &row->repo) && !known_is_lost(i->known, &row->raw);
}

int intake_consider(struct intake *i, struct cache_row *row)
{
	bool hold = i->would_exclude > i->result.removal_limit && GUARD("filter") && newly_excluded(i, row);
	int e = 0;

	if (row->held == HELD_EXCLUSION)
		row->held = HELD_NOT;
	if (hold) {
		row->held = HELD_EXCLUSION;
		i->result.held_exclusions++;
		target_consider(i->cache, i->config, i->instance->resource_keys, row);
		return 0;
	}
	row->state = plan_excludes(i->config, &row->repo) ? REPO_EXCLUDED : repo_listed_state(&row->repo);
	if (row->state != REPO_EXCLUDED) {
		e = target_choose(i->cache, i->config, row);
		row->approved = row->approved && row->service_id == NULL;
	}
	if (e == 0)
		target_consider(i->cache, i->config, i->instance->resource_keys, row);
	return e;
}

void intake_present(struct cache_row *row)
{
	/* an approved removal is no approval of what follows when it is back */
	row->approved = row->approved && row->service_id == NULL && row->absent != ABSENT_REMOVED;
	row->absent = ABSENT_NOT;
	row->held = row->held == HELD_REMOVAL ? HELD_NOT : row->held;
	row->missing_since = row->removed_at = 0;
}

/* It moves while its mapping is on its way: what an answer that was lost has made, a second one would not meet. */
static void doubt_mapping(struct cache_row *row)
{
	if (row->kind == ROW_REPOSITORY && row->mapping_id == NULL && digest_is_zero(&row->map_have) && !digest_is_zero(&row->map_want))
		row->map_have = target_perhaps(&row->map_want);
}

/* Whether Konnect would know its resource by something else now. */
static bool is_another(const struct intake *i, const struct repo *old, const struct repo *new)
{
	const char *keys = i->instance->resource_keys;
	json_t *a, *b;
	bool another;

	if (keys == NULL)
		return false;
	a = konnect_resource_config(keys, i->config, old);
	b = konnect_resource_config(keys, i->config, new);
	another = !json_equal(a, b);
	json_decref(a);
	json_decref(b);
	return another;
}

/* Takes r. */
static int apply_staged(struct intake *i, struct repo *r, const struct digest *raw)
{
	struct cache_row row = { 0 };
	int e = cache_row_by_guid(i->cache, i->instance->id, r->guid, &row);
	bool returned = e == 0 && row.absent != ABSENT_NOT && row.state != REPO_EXCLUDED;

	if (e == -ENOENT) {
		row.instance = i->instance->id;
		i->result.added++;
	} else if (e == 0) {
		if (i->renamed || is_another(i, &row.repo, r))
			doubt_mapping(&row);
		repo_done(&row.repo);
		i->result.changed++;
	} else {
		repo_done(r);
		return e;
	}
	row.repo = *r;
	row.raw = *raw;
	intake_present(&row);
	e = intake_consider(i, &row);
	if (e == 0)
		e = cache_row_save(i->cache, &row);
	if (e == 0 && returned) {
		i->result.returned++;
		i->on_event(i->arg, &row, INTAKE_RETURNED);
	}
	cache_row_done(&row);
	return e == -EEXIST ? -EIO : e;
}

static int step_weigh(struct intake *i)
{
	for (unsigned n = 0; n < CACHE_STEP_ROWS; n++) {
		struct cache_row row = { 0 };
		int e = cache_row_next(i->cache, i->instance->id, i->row_cursor, &row);

		if (e == -ENOENT) {
			i->row_cursor = 0;
			i->phase = PHASE_STAGED;
			return 1;
		}
		if (e < 0)
			return e;
		i->row_cursor = row.id;
		i->would_exclude += newly_excluded(i, &row);
		cache_row_done(&row);
	}
	return 1;
}

static int step_staged(struct intake *i)
{
	for (unsigned n = 0; n < CACHE_STEP_ROWS; n++) {
		struct digest raw;
		struct repo r;
		int e = cache_stage_next(i->cache, i->instance->id, &i->staged_cursor, &r, &raw);

		if (e == -ENOENT) {
			i->phase = PHASE_UNSTAGE;
			if (i->stale)
				/* what has just been applied is counted with all the others */
				i->result.held_exclusions = 0;
			else if (i->result.held_exclusions > 0)
				/* what is held is weighed again at every poll */
				i->instance->config = (struct digest){ 0 };
			if (i->n_known == 0)
				i->instance->config = i->config_digest;
			return 1;
		}
		if (e == 0)
			e = apply_staged(i, &r, &raw);
		if (e < 0)
			return e;
	}
	return 1;
}

/* What is absent is never excluded by a name it had once; but what was excluded, and is no longer, is absent like all others.
 * Its document may be another all the same. */
static int reconsider(struct intake *i, struct cache_row *row)
{
	bool excludes = row->kind == ROW_REPOSITORY && plan_excludes(i->config, &row->repo),
	     lost = row->kind == ROW_REPOSITORY && known_is_lost(i->known, &row->raw);

	if (i->renamed)
		doubt_mapping(row);
	if (row->kind == ROW_REPOSITORY && row->absent == ABSENT_NOT && !(excludes && lost))
		return intake_consider(i, row);
	if (row->absent != ABSENT_NOT && row->state == REPO_EXCLUDED && lost && !excludes)
		row->state = row->absent == ABSENT_REMOVED ? REPO_REMOVED : REPO_MISSING;
	target_consider(i->cache, i->config, i->instance->resource_keys, row);
	return 0;
}

static int step_reconsider(struct intake *i)
{
	for (unsigned n = 0; n < CACHE_STEP_ROWS; n++) {
		struct cache_row row = { 0 };
		int e = cache_row_next(i->cache, i->instance->id, i->row_cursor, &row);

		if (e == -ENOENT) {
			i->phase = PHASE_PROJECTS;
			/* what is held is weighed again at every poll */
			if (i->result.held_exclusions == 0)
				i->instance->config = i->config_digest;
			return 1;
		}
		if (e < 0)
			return e;
		i->row_cursor = row.id;
		e = reconsider(i, &row);
		if (e == 0)
			e = cache_row_save(i->cache, &row);
		cache_row_done(&row);
		if (e < 0)
			return -EIO;
	}
	return 1;
}

/* A project's service goes with the last of its repositories, and comes back with the first. */
static int step_services(struct intake *i)
{
	for (unsigned n = 0; n < CACHE_STEP_ROWS; n++) {
		struct cache_row row = { 0 };
		int e = cache_project_next(i->cache, i->instance->id, i->row_cursor, &row);

		if (e < 0)
			return e == -ENOENT ? 0 : e;
		i->row_cursor = row.id;
		row.state = row.state == REPO_REMOVED ? REPO_ACTIVE : REPO_REMOVED;
		target_consider(i->cache, i->config, i->instance->resource_keys, &row);
		e = cache_row_save(i->cache, &row);
		cache_row_done(&row);
		if (e < 0)
			return -EIO;
	}
	return 1;
}

const char *intake_next_project(struct intake *i)
{
	if (i->phase != PHASE_BINS)
		return NULL;
	if (i->project < i->n_projects)
		return i->projects[(i->first_project + i->project++) % i->n_projects];
	i->phase = PHASE_JUDGE;
	return NULL;
}

/* An organization that lets only one bin be read at a time is asked for another one each time. */
static size_t any_project(const struct intake *i, int64_t now)
{
	struct digest d = digest_bytes(cache_key(i->cache), &now, sizeof(now));
	uint32_t n;

	memcpy(&n, d.b, sizeof(n));
	return i->n_projects > 0 ? n % i->n_projects : 0;
}

int intake_prove(struct intake *i, const uint8_t guid[16])
{
	struct digest raw;
	int e = cache_raw_by_guid(i->cache, i->instance->id, guid, &raw);

	if (e == 0)
		known_prove(i->known, &raw);
	return e == -ENOENT ? 0 : e;
}

int intake_apply_step(struct intake *i, int64_t now)
{
	int r = 0, e = 0;

	switch (i->phase) {
	case PHASE_WEIGH:
		r = step_weigh(i);
		break;
	case PHASE_STAGED:
		r = step_staged(i);
		break;
	case PHASE_UNSTAGE:
		r = cache_stage_clear_some(i->cache, i->instance->id);
		if (r == 0)
			i->phase = i->stale ? PHASE_RECONSIDER : PHASE_PROJECTS;
		r = r == 0 ? 1 : r;
		break;
	case PHASE_RECONSIDER:
		r = step_reconsider(i);
		break;
	case PHASE_PROJECTS:
		r = absence_projects_step(i, now);
		if (r == 0) {
			i->first_project = any_project(i, now);
			i->phase = i->n_projects > 0 ? PHASE_BINS : PHASE_JUDGE;
		}
		r = r == 0 ? 1 : r;
		break;
	case PHASE_BINS:
		r = INTAKE_BINS;
		break;
	case PHASE_JUDGE:
		r = absence_judge(i, now);
		i->phase = PHASE_RECORD;
		r = r == 0 ? 1 : r;
		break;
	case PHASE_RECORD:
		r = absence_record_step(i, now);
		if (r == 0)
			i->phase = i->config->map_to == MAP_TO_PROJECT ? PHASE_SERVICES : PHASE_DONE;
		i->row_cursor = 0;
		r = r == 0 && i->phase != PHASE_DONE ? 1 : r;
		break;
	case PHASE_SERVICES:
		r = step_services(i);
		if (r == 0)
			i->phase = PHASE_DONE;
		break;
	case PHASE_LOAD:
	case PHASE_CLEAR:
	case PHASE_RECEIVE:
	case PHASE_DONE:
		break;
	}
	/* rows of several turns are one transaction; whoever ends it may be another instance, which is told what was lost */
	if (r != 1)
		e = cache_flush(i->cache);
	if (cache_losses(i->cache) != i->losses)
		e = -EIO;
	return r < 0 ? r : e < 0 ? e : r;
}

const struct intake_result *intake_result(const struct intake *i)
{
	return &i->result;
}

char *intake_hold(const struct intake_result *r, uint32_t creations, int64_t create_limit)
{
	static const char waits[] = "Nothing is said of them in Konnect; everything else goes on.",
			  how[] = "adosyncctl plan shows them, adosyncctl approve lets them through";

	if (r->everything_gone)
		return xasprintf("held: the listing has none of the %u repositories that were known. %s Check the PAT's permissions; %s",
				 r->known, waits, how);
	if (r->held_removals > 0 && r->drip)
		return xasprintf("held: %u repositories were deleted, more within a day than removal_limit (%u) allows. %s Ask whether "
				 "they were to be deleted; %s", r->held_removals, r->removal_limit, waits, how);
	if (r->held_removals > 0)
		return xasprintf("held: %u of %u repositories are missing from the listing, more than removal_limit (%u) allows. %s "
				 "Check the PAT's permissions; %s", r->held_removals, r->known, r->removal_limit, waits, how);
	if (r->held_exclusions > 0)
		return xasprintf("held: the filters exclude %u repositories that are in the catalog, more than removal_limit (%u) allows. "
				 "%s Check include, exclude and include_disabled, and what was renamed; %s", r->held_exclusions,
				 r->removal_limit, waits, how);
	if (create_limit > 0 && creations > create_limit)
		return xasprintf("held: %u services would be created, more than create_limit (%lld) allows. None of them is; "
				 "everything else goes on. adosyncctl plan shows them, adosyncctl approve lets them through; or raise "
				 "create_limit in section konnect", creations, (long long)create_limit);
	return NULL;
}
