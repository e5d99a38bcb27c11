#include "target.h"

#include <errno.h>
#include <string.h>

#include "document.h"
#include "konnect.h"
#include "util.h"

#define NO_GUID "00000000-0000-0000-0000-000000000000"

static const struct config_map *map_of(const struct config_instance *config, const struct repo *r)
{
	for (size_t i = 0; i < config->n_maps; i++)
		for (char *const *g = config->maps[i].repositories; *g != NULL; g++)
			if (glob_match(*g, r->project_name, r->name))
				return &config->maps[i];
	return NULL;
}

/* Shared rows are found by a GUID that no repository has: the keyed digest of what they are. */
static void shared_guid(const struct cache *c, enum row_kind kind, const char *what, uint8_t ret[16])
{
	_cleanup_free_ char *text = xasprintf("%d %s", (int)kind, what);
	struct digest d = digest_bytes(cache_key(c), text, strlen(text));

	memcpy(ret, d.b, 16);
}

void target_project_guid(const struct cache *c, const char *project_id, uint8_t ret[16])
{
	shared_guid(c, ROW_PROJECT, project_id, ret);
}

static void set_text(char **field, const char *s)
{
	char *copy = s != NULL ? xstrdup(s) : NULL;

	free(*field);
	*field = copy;
}

static bool text_is(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static char *project_name(struct cache *c, const struct config_instance *config, const struct repo *r)
{
	bool lossy;
	char *name = document_project_name(config->name, r, false, &lossy);

	if (!lossy && !cache_service_name_taken(c, name, 0))
		return name;
	free(name);
	return document_project_name(config->name, r, true, NULL);
}

static void fill_project(struct cache_row *row, const struct repo *r)
{
	set_text(&row->repo.name, r->project_name);
	set_text(&row->repo.project_id, r->project_id);
	set_text(&row->repo.project_name, r->project_name);
	set_text(&row->repo.description, r->description);
	set_text(&row->repo.visibility, r->visibility);
}

static bool project_is(const struct cache_row *row, const struct repo *r)
{
	return text_is(row->repo.project_name, r->project_name) && text_is(row->repo.description, r->description) &&
	       text_is(row->repo.visibility, r->visibility);
}

/* The row of a service that repositories share; made, or brought up to date. */
static int shared(struct cache *c, const struct config_instance *config, int64_t instance, enum row_kind kind, const struct repo *r,
		  const char *service, int64_t *ret_id)
{
	struct cache_row row = { 0 };
	uint8_t guid[16];
	int e;

	shared_guid(c, kind, kind == ROW_PROJECT ? r->project_id : service, guid);
	e = cache_row_by_guid(c, instance, guid, &row);
	if (e < 0 && e != -ENOENT)
		return e;
	if (e == 0 && (kind == ROW_NAMED || project_is(&row, r))) {
		*ret_id = row.id;
		cache_row_done(&row);
		return 0;
	}
	if (e == -ENOENT) {
		row = (struct cache_row){ .instance = instance, .kind = kind };
		memcpy(row.repo.guid, guid, 16);
		memcpy(row.raw.b, guid, 16);
	}
	if (kind == ROW_PROJECT) {
		fill_project(&row, r);
	} else {
		set_text(&row.repo.name, service);
		set_text(&row.repo.project_id, NO_GUID);
		set_text(&row.repo.project_name, "");
	}
	if (row.service_name == NULL)
		row.service_name = kind == ROW_PROJECT ? project_name(c, config, r) : xstrdup(service);
	target_consider(c, config, NULL, &row);
	e = cache_row_save(c, &row);
	*ret_id = row.id;
	cache_row_done(&row);
	return e == -EEXIST ? -EIO : e;
}

int target_choose(struct cache *c, const struct config_instance *config, struct cache_row *row)
{
	const struct config_map *map = map_of(config, &row->repo);
	bool none = row->service_id == NULL && (config->create == CREATE_NEVER || (config->create == CREATE_UNMAPPED && row->elsewhere));

	if (map != NULL)
		return shared(c, config, row->instance, ROW_NAMED, &row->repo, map->service, &row->target);
	switch (config->map_to) {
	case MAP_TO_REPOSITORY:
		row->target = none ? TARGET_NONE : TARGET_OWN;
		return 0;
	case MAP_TO_PROJECT:
		return shared(c, config, row->instance, ROW_PROJECT, &row->repo, NULL, &row->target);
	case MAP_TO_NONE:
		row->target = TARGET_NONE;
		return 0;
	}
	return 0;
}

/* What is known by its GUID stays the same resource, whatever project it moves to, and whatever its organization is called. */
static struct digest digest_of(const uint8_t *key, const struct cache_row *row, const char *resource, bool by_guid)
{
	_cleanup_free_ char *text = by_guid ? xasprintf("%lld", (long long)row->target) : xasprintf("%lld %s", (long long)row->target, resource);

	return digest_bytes(key, text, strlen(text));
}

struct digest target_digest(const uint8_t *key, const struct config_instance *config, const char *resource_keys,
			    const struct cache_row *row)
{
	bool by_guid;
	_cleanup_free_ char *resource = konnect_resource_text(resource_keys, config, &row->repo, &by_guid);

	return digest_of(key, row, resource, by_guid);
}

struct digest target_digest_of(const uint8_t *key, const struct cache_row *row, const json_t *resource)
{
	_cleanup_free_ char *canonical = document_canonical(resource);
	struct konnect_identity who;

	return digest_of(key, row, canonical, konnect_resource_identity(resource, &who) && who.by_guid);
}

/* Chosen once, fixed for life. Left out when both names are another row's. */
static void choose_name(struct cache *c, const struct config_instance *config, struct cache_row *row)
{
	bool lossy;
	char *name = document_service_name(config->name, &row->repo, false, &lossy);

	if (lossy || cache_service_name_taken(c, name, row->id)) {
		free(name);
		name = document_service_name(config->name, &row->repo, true, NULL);
	}
	if (cache_service_name_taken(c, name, row->id)) {
		free(row->parked);
		row->parked = xasprintf("the service name %s is another repository's; rename one of the two", name);
		free(name);
		return;
	}
	row->service_name = name;
}

struct digest target_unmapped(void)
{
	struct digest d;

	memset(d.b, 0xff, sizeof(d.b));
	return d;
}

struct digest target_perhaps(const struct digest *d)
{
	struct digest inverse;

	for (size_t i = 0; i < sizeof(d->b); i++)
		inverse.b[i] = (uint8_t)~d->b[i];
	return inverse;
}

struct digest target_archived(void)
{
	struct digest d;

	memset(d.b, 0xfe, sizeof(d.b));
	return d;
}

bool target_is_uncertain(const struct cache_row *row)
{
	const struct digest unmapped = target_unmapped(), archived = target_archived();

	return row->mapping_id == NULL && !digest_is_zero(&row->map_have) &&
	       memcmp(&row->map_have, &unmapped, sizeof(unmapped)) != 0 && memcmp(&row->map_have, &archived, sizeof(archived)) != 0;
}

/* Its removal is held, or its exclusion: nothing is made for what may be gone. */
static bool may_be_gone(const struct cache_row *row)
{
	return row->kind == ROW_REPOSITORY && row->held != HELD_NOT;
}

/* The document of a service of its own. One that is not there is not made for what is not, or not any more, in the catalog. */
static void consider_service(struct cache *c, const struct config_instance *config, struct cache_row *row)
{
	bool gone = row->kind != ROW_NAMED && row->state >= REPO_EXCLUDED,
	     deletes = gone && row->state != REPO_MISSING && config->on_remove == ON_REMOVE_DELETE &&
		       (row->kind == ROW_PROJECT || row->target == TARGET_OWN);
	char *doc;

	if (deletes) {
		row->want = (struct digest){ 0 };
		return;
	}
	if ((row->kind == ROW_NAMED || row->held == HELD_EXCLUSION) && row->service_id != NULL) {
		/* used as it is, whoever's it may be; or what it is to become waits */
		row->want = row->have;
		return;
	}
	if (((gone || may_be_gone(row)) && row->service_id == NULL) || (row->kind == ROW_REPOSITORY && row->target != TARGET_OWN)) {
		row->want = row->have;
		return;
	}
	if (row->service_name == NULL)
		choose_name(c, config, row);
	if (row->service_name == NULL)
		return;
	doc = document_row(config, row);
	row->want = digest_bytes(cache_key(c), doc, strlen(doc));
	free(doc);
}

static void consider_mapping(struct cache *c, const struct config_instance *config, const char *resource_keys, struct cache_row *row)
{
	bool gone = row->state == REPO_EXCLUDED || row->state == REPO_REMOVED;
	struct digest unmapped = target_unmapped(), archived = target_archived();

	if (row->kind == ROW_PROJECT && gone && config->on_remove == ON_REMOVE_DELETE && row->service_id != NULL)
		/* it has no resource: what is left to do is to delete the service */
		row->map_want = archived;
	else if (gone && config->on_remove != ON_REMOVE_MARK && row->kind == ROW_REPOSITORY &&
	    (row->mapping_id != NULL || (config->on_remove == ON_REMOVE_DELETE && row->service_id != NULL) || memcmp(&row->map_have, &archived, sizeof(archived)) == 0))
		row->map_want = archived;
	else if (row->kind != ROW_REPOSITORY || row->target == TARGET_NONE || row->state == REPO_MISSING ||
		 row->held == HELD_EXCLUSION || (may_be_gone(row) && row->mapping_id == NULL))
		row->map_want = row->map_have;
	else if (!gone)
		row->map_want = target_digest(cache_key(c), config, resource_keys, row);
	else if (row->target > 0 && (row->mapping_id != NULL || memcmp(&row->map_have, &unmapped, sizeof(unmapped)) == 0))
		/* the service is shared: what is ours of it is the mapping */
		row->map_want = unmapped;
	else
		row->map_want = row->map_have;
}

void target_consider(struct cache *c, const struct config_instance *config, const char *resource_keys, struct cache_row *row)
{
	struct digest want = row->want, map_want = row->map_want;

	consider_service(c, config, row);
	consider_mapping(c, config, resource_keys, row);
	if (memcmp(&want, &row->want, sizeof(want)) == 0 && memcmp(&map_want, &row->map_want, sizeof(map_want)) == 0)
		return;
	/* what Konnect refused was something else */
	free(row->parked);
	row->parked = NULL;
}
