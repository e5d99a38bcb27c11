#include "reconcile.h"

#include <errno.h>
#include <string.h>

#include "document.h"
#include "limits.h"
#include "names.h"
#include "target.h"
#include "util.h"

int reconcile_init(struct reconcile *r, struct cache *cache, const struct config_instance *config,
		   struct cache_instance *instance, int64_t now, reconcile_event_fn on_event, void *arg)
{
	int64_t last_id = 0;

	if (cache_last_id(cache, &last_id) < 0)
		return -EIO;
	*r = (struct reconcile){ .cache = cache, .config = config, .instance = instance, .now = now, .on_event = on_event,
				 .arg = arg, .page = 1, .total = -1, .last_id = last_id, .losses = cache_losses(cache) };
	r->services = xcalloc((size_t)last_id / 8 + 1, 1);
	r->mappings = xcalloc((size_t)last_id / 8 + 1, 1);
	return 0;
}

void reconcile_done(struct reconcile *r)
{
	names_free(r->names);
	json_decref(r->waiting);
	free(r->services);
	free(r->mappings);
	free(r->confirming);
	free(r->after);
	free(r->error);
	*r = (struct reconcile){ 0 };
}

/* Rows that are entered on the way are beyond the last one, and need no bit: they came out of the list. */
static void mark(const struct reconcile *r, uint8_t *bits, int64_t id)
{
	if (id <= r->last_id)
		bits[id / 8] = (uint8_t)(bits[id / 8] | 1U << (id % 8));
}

static bool marked(const struct reconcile *r, const uint8_t *bits, int64_t id)
{
	return id > r->last_id || (bits[id / 8] >> (id % 8) & 1) != 0;
}

bool reconcile_request(const struct reconcile *r, struct konnect_request *ret)
{
	_cleanup_free_ char *name = konnect_encode(r->config->name), *id = NULL;

	*ret = (struct konnect_request){ .method = "GET" };
	switch (r->step) {
	case RECONCILE_SERVICES:
		ret->path = konnect_services_page(name, r->page);
		return true;
	case RECONCILE_MAPPINGS:
		ret->path = konnect_mappings_page(name, r->page);
		return true;
	case RECONCILE_RESOURCES:
		ret->path = konnect_resources_page(name, r->after);
		return true;
	case RECONCILE_CONFIRM:
		id = konnect_encode(r->confirming);
		ret->path = xasprintf("/v1/catalog-services/%s", id);
		return true;
	case RECONCILE_CONFIRM_MAPPING:
		id = konnect_encode(r->confirming);
		ret->path = xasprintf("/v1/resource-mappings/%s", id);
		return true;
	case RECONCILE_NAMES:
	case RECONCILE_PAGE:
	case RECONCILE_SCAN:
	case RECONCILE_DONE:
	case RECONCILE_FAILED:
		break;
	}
	return false;
}

static void set_text(char **field, const char *s)
{
	char *copy = s != NULL ? xstrdup(s) : NULL;

	free(*field);
	*field = copy;
}

static void fail(struct reconcile *r, char *why)
{
	free(r->error);
	r->error = why;
	r->step = RECONCILE_FAILED;
}

static void event(struct reconcile *r, enum reconcile_event e, const struct cache_row *row)
{
	r->n_events++;
	r->on_event(r->arg, e, row);
}

/* The row now has that document in Konnect, less what somebody edited. */
static void acknowledge(struct reconcile *r, struct cache_row *row, json_t *doc)
{
	char *text;

	document_leave(doc, row->theirs);
	text = document_canonical(doc);
	free(row->ack);
	row->ack = text;
	row->have = digest_bytes(cache_key(r->cache), text, strlen(text));
}

static void consider(struct reconcile *r, struct cache_row *row)
{
	target_consider(r->cache, r->config, r->instance->resource_keys, row);
}

/* What a lost cache knew: it is in the catalog although it is excluded now. Whether that is too much at once is weighed at
 * the next poll. */
static void hold_exclusion(struct reconcile *r, struct cache_row *row, bool news)
{
	if (!news || row->kind != ROW_REPOSITORY || row->state != REPO_EXCLUDED || row->absent != ABSENT_NOT)
		return;
	row->state = repo_listed_state(&row->repo);
	row->held = HELD_EXCLUSION;
	r->instance->config = (struct digest){ 0 };
}

static json_t *wanted(struct reconcile *r, const struct cache_row *row)
{
	struct cache_row all = *row;
	_cleanup_free_ char *text = NULL;

	/* whole: also what somebody edited */
	all.theirs = 0;
	text = document_row(r->config, &all);
	return json_loads(text, 0, NULL);
}

/* A label that was configured when we last wrote is had, and so can go, unless somebody has changed it since. */
static void keep_labels(json_t *doc, const json_t *service, const json_t *ack)
{
	const json_t *labels = json_object_get(service, "labels");
	json_t *value;
	const char *key;

	json_object_foreach(json_object_get(ack, "labels"), key, value)
		if (json_equal(json_object_get(labels, key), value))
			json_object_set(json_object_get(doc, "labels"), key, value);
}

/* The service is the row's: what it holds is what is had. */
static int compare(struct reconcile *r, struct cache_row *row, const json_t *service)
{
	bool adopted = row->service_id == NULL;

	hold_exclusion(r, row, adopted && strcmp(konnect_text(json_object_get(service, "labels"), LABEL_STATE), "excluded") != 0);
	json_t *ack = row->ack != NULL ? json_loads(row->ack, 0, NULL) : NULL, *want = wanted(r, row), *doc;
	struct digest had = row->have;
	bool was_pending = memcmp(&row->have, &row->want, sizeof(had)) != 0, repair;
	int e = 0;

	set_text(&row->service_id, konnect_text(service, "id"));
	/* one that has a service of its own keeps it, wherever else its resource is mapped to */
	if (adopted && row->kind == ROW_REPOSITORY)
		e = target_choose(r->cache, r->config, row);
	row->theirs |= ack != NULL ? document_edited(service, ack, want) : document_edited_unknown(service, want);
	doc = document_of_service(service, want);
	keep_labels(doc, service, ack);
	acknowledge(r, row, doc);
	consider(r, row);
	repair = !was_pending && memcmp(&row->have, &had, sizeof(had)) != 0 && memcmp(&row->have, &row->want, sizeof(had)) != 0;
	if (adopted || repair) {
		free(row->parked);
		row->parked = NULL;
	}
	if (e == 0)
		e = cache_row_save(r->cache, row);
	json_decref(ack);
	json_decref(want);
	json_decref(doc);
	if (e == 0 && adopted)
		event(r, RECONCILE_ADOPTED, row);
	else if (e == 0 && repair)
		event(r, RECONCILE_REPAIRED, row);
	return e == -EEXIST ? 0 : e;
}

/* A service of ours has that name: another row that only meant to have it takes its long one. 0 or -EIO. */
static int free_name(struct reconcile *r, const char *name, int64_t except_id)
{
	struct cache_row row = { 0 };
	int e = cache_row_by_service_name(r->cache, name, &row);

	if (e < 0)
		return e == -ENOENT ? 0 : e;
	if (row.id != except_id && row.service_id == NULL && row.instance == r->instance->id && row.kind != ROW_NAMED) {
		free(row.service_name);
		row.service_name = row.kind == ROW_PROJECT ? document_project_name(r->config->name, &row.repo, true, NULL)
							   : document_service_name(r->config->name, &row.repo, true, NULL);
		consider(r, &row);
		e = cache_row_save(r->cache, &row);
	}
	cache_row_done(&row);
	return e == -EEXIST ? 0 : e;
}

/* A service of ours whose repository the listing has not: it enters as missing. */
static int enter(struct reconcile *r, const json_t *service, const uint8_t guid[16])
{
	struct cache_row row = { .instance = r->instance->id, .state = REPO_MISSING, .absent = ABSENT_MISSING, .missing_since = r->now };
	json_t *doc, *want;
	int e;

	konnect_repo(service, guid, &row.repo);
	/* of no element, but no other row's either */
	row.raw = digest_bytes(cache_key(r->cache), guid, 16);
	row.service_name = xstrdup(konnect_text(service, "name"));
	row.service_id = xstrdup(konnect_text(service, "id"));
	want = wanted(r, &row);
	row.theirs = document_edited_unknown(service, want) & DOCUMENT_DISPLAY_NAME;
	doc = document_of_service(service, want);
	acknowledge(r, &row, doc);
	consider(r, &row);
	e = free_name(r, row.service_name, 0);
	if (e == 0)
		e = cache_row_save(r->cache, &row);
	json_decref(want);
	json_decref(doc);
	if (e == 0)
		event(r, RECONCILE_ENTERED, &row);
	cache_row_done(&row);
	return e == -EEXIST ? 0 : e;
}

/* The row that a service of ours belongs to, by its labels. 0, -ENOENT, -EIO. */
static int row_of_service(struct reconcile *r, const json_t *service, struct cache_row *ret, bool *ret_repository)
{
	const json_t *labels = json_object_get(service, "labels");
	uint8_t guid[16];

	*ret_repository = guid_parse(konnect_text(labels, LABEL_REPOSITORY_ID), guid) == 0;
	if (*ret_repository)
		return cache_row_by_guid(r->cache, r->instance->id, guid, ret);
	if (guid_parse(konnect_text(labels, LABEL_PROJECT_ID), guid) < 0)
		return cache_row_by_service(r->cache, r->instance->id, konnect_text(service, "id"), konnect_text(service, "name"), ret);
	target_project_guid(r->cache, konnect_text(labels, LABEL_PROJECT_ID), guid);
	return cache_row_by_guid(r->cache, r->instance->id, guid, ret);
}

/* Nothing is put back in the service of a repository that is excluded; but what somebody edits there meanwhile is theirs when it
 * is included again. */
static int note_edits(struct reconcile *r, struct cache_row *row, const json_t *service)
{
	json_t *ack = row->ack != NULL ? json_loads(row->ack, 0, NULL) : NULL, *want, *sent;
	struct cache_row included = *row;
	unsigned edited;
	int e = 0;

	if (ack == NULL)
		return 0;
	included.state = repo_listed_state(&row->repo);
	want = wanted(r, row);
	sent = wanted(r, &included);
	edited = document_edited(service, ack, want);
	/* it may have got there without an answer, just before the repository was excluded */
	if (json_equal(json_object_get(service, "description"), json_object_get(sent, "description")))
		edited &= ~(unsigned)DOCUMENT_DESCRIPTION;
	if (edited != 0) {
		row->theirs |= edited;
		acknowledge(r, row, ack);
		consider(r, row);
		e = cache_row_save(r->cache, row);
	}
	json_decref(ack);
	json_decref(want);
	json_decref(sent);
	return e == -EEXIST ? 0 : e;
}

static int service_seen(struct reconcile *r, const json_t *service)
{
	const char *id = konnect_text(service, "id");
	struct cache_row row = { 0 };
	bool repository;
	uint8_t guid[16];
	int e;

	if (!konnect_is_ours(service, r->config->name) || *id == '\0')
		return 0;
	r->n_services++;
	e = row_of_service(r, service, &row, &repository);
	if (e == -ENOENT && repository && guid_parse(konnect_text(json_object_get(service, "labels"), LABEL_REPOSITORY_ID), guid) == 0)
		return enter(r, service, guid);
	if (e < 0)
		return e == -ENOENT ? 0 : e;
	/* a second service with the same mark is not the one we know, and is left alone */
	if (row.service_id == NULL || strcmp(row.service_id, id) == 0) {
		mark(r, r->services, row.id);
		if (row.service_id == NULL) {
			set_text(&row.service_name, konnect_text(service, "name"));
			e = free_name(r, row.service_name, row.id);
		}
		if (e == 0 && row.kind != ROW_NAMED)
			e = row.state == REPO_EXCLUDED && row.service_id != NULL ? note_edits(r, &row, service) : compare(r, &row, service);
	}
	cache_row_done(&row);
	return e;
}

/* The row of the repository that a resource stands for. *ret_same: it is the resource we would make for it now; otherwise it
 * is one from before a rename or a move. 0, -ENOENT, -EIO. */
static int row_of_resource(struct reconcile *r, const json_t *config, struct cache_row *ret, bool *ret_same)
{
	struct konnect_identity who;
	json_t *ours, *value;
	const char *key;
	int e;

	if (r->instance->resource_keys == NULL || !konnect_resource_identity(config, &who))
		return -ENOENT;
	e = who.by_guid ? cache_row_by_guid(r->cache, r->instance->id, who.guid, ret)
			: r->names != NULL ? names_find(r->names, who.project, who.repository, ret) : -ENOENT;
	if (e == 0 && ret->kind != ROW_REPOSITORY) {
		cache_row_done(ret);
		e = -ENOENT;
	}
	if (e < 0)
		return e;
	*ret_same = true;
	if (who.by_guid)
		return 0;
	ours = konnect_resource_config(r->instance->resource_keys, r->config, &ret->repo);
	json_object_foreach(ours, key, value)
		*ret_same = *ret_same && json_equal(json_object_get(config, key), value);
	json_decref(ours);
	return 0;
}

/* The id of the service that the row is to be mapped to, NULL while there is none. */
static char *mapped_service(struct reconcile *r, const struct cache_row *row)
{
	struct cache_row target = { 0 };
	char *id = NULL;

	if (row->target == TARGET_OWN)
		return row->service_id != NULL ? xstrdup(row->service_id) : NULL;
	if (row->target > 0 && cache_row_by_id(r->cache, row->target, &target) == 0 && target.service_id != NULL)
		id = xstrdup(target.service_id);
	cache_row_done(&target);
	return id;
}

/* The named service that the row shares, and that the cache does not know yet, is the one of the mapping. 0 or -EIO. */
static int take_named(struct reconcile *r, const struct cache_row *row, const json_t *service)
{
	struct cache_row target = { 0 };
	json_t *want;
	int e = 0;

	if (row->target > 0)
		e = cache_row_by_id(r->cache, row->target, &target);
	if (e == 0 && target.kind == ROW_NAMED && target.service_id == NULL && target.service_name != NULL &&
	    strcmp(target.service_name, konnect_text(service, "name")) == 0) {
		set_text(&target.service_id, konnect_text(service, "id"));
		/* used as it is: its fields are nobody's business */
		want = wanted(r, &target);
		acknowledge(r, &target, want);
		target.want = target.have;
		e = cache_row_save(r->cache, &target);
		json_decref(want);
	}
	cache_row_done(&target);
	return e == -ENOENT || e == -EEXIST ? 0 : e;
}

/* Whether a service is one of ours: its row says so, and no more than that is known here. */
static bool is_our_service(struct reconcile *r, const json_t *service)
{
	struct cache_row row = { 0 };
	bool ours = cache_row_by_service(r->cache, r->instance->id, konnect_text(service, "id"), konnect_text(service, "name"), &row) == 0 &&
		    row.kind != ROW_NAMED;

	cache_row_done(&row);
	return ours;
}

/* The mapping is the one that is wanted. Whether the row learned something. */
static bool take_mapping(struct reconcile *r, struct cache_row *row, const char *id)
{
	struct digest held = target_digest(cache_key(r->cache), r->config, r->instance->resource_keys, row), want = row->map_want;
	bool news = row->mapping_id == NULL || strcmp(row->mapping_id, id) != 0 || memcmp(&row->map_have, &held, sizeof(held)) != 0;

	mark(r, r->mappings, row->id);
	hold_exclusion(r, row, row->mapping_id == NULL && row->service_id == NULL);
	set_text(&row->mapping_id, id);
	row->map_have = held;
	consider(r, row);
	return news || memcmp(&row->map_want, &want, sizeof(want)) != 0;
}

static int mapping_seen(struct reconcile *r, const json_t *mapping)
{
	const char *id = konnect_text(mapping, "id"), *service = konnect_text(json_object_get(mapping, "service"), "id");
	_cleanup_free_ char *wanted_service = NULL;
	struct cache_row row = { 0 };
	bool changed = false, same = false;
	int e;

	if (*id == '\0' || *service == '\0')
		return 0;
	e = row_of_resource(r, json_object_get(json_object_get(mapping, "resource"), "config"), &row, &same);
	if (e < 0)
		return e == -ENOENT ? 0 : e;
	e = take_named(r, &row, json_object_get(mapping, "service"));
	wanted_service = mapped_service(r, &row);
	if (same && wanted_service != NULL && strcmp(wanted_service, service) == 0) {
		changed = take_mapping(r, &row, id);
	} else if (row.mapping_id != NULL && strcmp(row.mapping_id, id) == 0) {
		/* ours still, and on its way to another service or resource */
		mark(r, r->mappings, row.id);
	} else if (row.mapping_id == NULL && row.service_id != NULL && strcmp(row.service_id, service) == 0 &&
		   row.target != TARGET_NONE) {
		/* ours, as its service is, from before the cache was lost: it will move */
		mark(r, r->mappings, row.id);
		set_text(&row.mapping_id, id);
		row.map_have = row.raw;
		changed = true;
	} else if (same && row.service_id == NULL && !is_our_service(r, json_object_get(mapping, "service"))) {
		mark(r, r->mappings, row.id);
		changed = !row.elsewhere;
		row.elsewhere = true;
		if (e == 0)
			e = target_choose(r->cache, r->config, &row);
		if (e == 0)
			consider(r, &row);
	}
	if (e == 0 && changed)
		e = cache_row_save(r->cache, &row);
	cache_row_done(&row);
	return e == -EEXIST ? 0 : e;
}

/* Whether the page ends the list, and the list is what it says it is. */
static bool page_taken(struct reconcile *r, const json_t *answer, size_t n, bool *ret_last)
{
	const json_t *total = json_object_get(json_object_get(json_object_get(answer, "meta"), "page"), "total");

	r->seen_elements += n;
	if (json_is_integer(total)) {
		if (r->total >= 0 && r->total != json_integer_value(total)) {
			fail(r, xstrdup("Konnect's list changed while it was read"));
			return false;
		}
		r->total = json_integer_value(total);
	}
	*ret_last = n < KONNECT_PAGE_SIZE || (json_int_t)r->seen_elements == r->total;
	if (*ret_last && r->total >= 0 && r->total != (json_int_t)r->seen_elements) {
		fail(r, xasprintf("Konnect's list has %s but says %" JSON_INTEGER_FORMAT, COUNT_OF(r->seen_elements, "object"), r->total));
		return false;
	}
	return true;
}

/* What an earlier cache had archived is known from Konnect's resources only, and comes back with its repository. */
static bool looks_for_archived(const struct reconcile *r)
{
	return r->instance->last_reconcile == 0 && r->config->on_remove != ON_REMOVE_MARK;
}

/* Whether only a name tells whose one of these resources is. */
static bool needs_names(const struct reconcile *r, const json_t *list)
{
	const json_t *item, *resource;
	struct konnect_identity who;
	size_t i;

	json_array_foreach(list, i, item) {
		resource = r->resume == RECONCILE_MAPPINGS ? json_object_get(item, "resource") : item;
		if (konnect_resource_identity(json_object_get(resource, "config"), &who) && !who.by_guid)
			return true;
	}
	return false;
}

/* A page of one of the lists: it waits, and is looked at by and by. */
static int page_answer(struct reconcile *r, int status, const json_t *answer)
{
	const json_t *list = json_object_get(answer, "data");
	char reason[MESSAGE_MAX];

	if (status != 200 || !json_is_array(list) || json_array_size(list) > KONNECT_PAGE_SIZE) {
		fail(r, xasprintf("Konnect's %s answered with %d: %s", r->step == RECONCILE_RESOURCES ? "resources were" : "list was", status,
				  konnect_reason(answer, reason, sizeof(reason))));
		return 0;
	}
	r->waiting = json_incref((json_t *)(uintptr_t)answer);
	r->at = 0;
	r->resume = r->step;
	r->step = RECONCILE_PAGE;
	if (r->resume != RECONCILE_SERVICES && r->names == NULL && needs_names(r, list)) {
		r->names = names_new(r->cache, r->instance->id);
		r->step = RECONCILE_NAMES;
	}
	return 0;
}

/* All of it was looked at. */
static void page_end(struct reconcile *r)
{
	bool last = false;

	if (!page_taken(r, r->waiting, json_array_size(json_object_get(r->waiting, "data")), &last))
		return;
	r->page++;
	if (!last)
		return;
	r->page = 1;
	r->total = -1;
	r->seen_elements = 0;
	if (r->step == RECONCILE_SERVICES)
		r->step = RECONCILE_MAPPINGS;
	else
		r->step = r->instance->discovers || looks_for_archived(r) ? RECONCILE_RESOURCES : RECONCILE_SCAN;
}

/* Whether it changed the row. An archived one is what becomes of the repository when it is back, and no more; until then it
 * stays archived. */
static bool take_resource(struct reconcile *r, struct cache_row *row, const char *id, bool archived)
{
	if (archived && (!looks_for_archived(r) || row->archived || row->mapping_id != NULL))
		return false;
	if (!archived && (!r->instance->discovers || (row->resource_id != NULL && strcmp(row->resource_id, id) == 0)))
		return false;
	row->archived = row->archived || archived;
	if (archived && row->state >= REPO_EXCLUDED)
		row->map_have = row->map_want = target_archived();
	set_text(&row->resource_id, id);
	return true;
}

/* An archived resource whose service is deleted, as its repository was: enough of it that all comes back with the repository. */
static int enter_archived(struct reconcile *r, const json_t *resource)
{
	const struct digest archived = target_archived();
	struct cache_row row = { .instance = r->instance->id, .state = REPO_REMOVED, .absent = ABSENT_REMOVED, .missing_since = r->now,
				 .archived = true, .map_have = archived, .map_want = archived };
	struct konnect_identity who;
	int e;

	if (!konnect_resource_identity(json_object_get(resource, "config"), &who) || !who.by_guid)
		return 0;
	row.repo = (struct repo){ .name = xstrdup(konnect_text(resource, "name")), .project_name = xstrdup("?"),
				  .project_id = xstrdup("00000000-0000-0000-0000-000000000000") };
	memcpy(row.repo.guid, who.guid, 16);
	row.raw = digest_bytes(cache_key(r->cache), who.guid, 16);
	row.resource_id = xstrdup(konnect_text(resource, "id"));
	e = cache_row_save(r->cache, &row);
	cache_row_done(&row);
	return e == -EEXIST ? 0 : e;
}

static int resource_seen(struct reconcile *r, const json_t *resource)
{
	bool archived = json_is_true(json_object_get(resource, "archived"));
	const char *id = konnect_text(resource, "id");
	struct cache_row row = { 0 };
	bool same = false;
	int e;

	if (*id == '\0')
		return 0;
	e = row_of_resource(r, json_object_get(resource, "config"), &row, &same);
	if (e == -ENOENT)
		return archived && looks_for_archived(r) && r->config->on_remove == ON_REMOVE_DELETE ? enter_archived(r, resource) : 0;
	if (e < 0)
		return e;
	if (same && take_resource(r, &row, id, archived))
		e = cache_row_save(r->cache, &row);
	cache_row_done(&row);
	return e == -EEXIST ? 0 : e;
}

/* Only the cursor is used of what leads to the next page: where to go is ours to say. */
static void resources_end(struct reconcile *r)
{
	char *next = konnect_next_cursor(r->waiting);

	/* a cursor that does not move would be a loop */
	if (next == NULL || json_array_size(json_object_get(r->waiting, "data")) == 0 || (r->after != NULL && strcmp(next, r->after) == 0))
		r->step = RECONCILE_SCAN;
	free(r->after);
	r->after = next;
}

/* Looks at a part of the page. What fails begins with the page again. */
static int page_step(struct reconcile *r)
{
	const json_t *list = json_object_get(r->waiting, "data");
	int e = 0;

	for (unsigned n = 0; n < CACHE_STEP_ROWS && r->at < json_array_size(list) && e == 0; n++) {
		const json_t *item = json_array_get(list, r->at++);

		e = r->resume == RECONCILE_SERVICES ? service_seen(r, item)
		    : r->resume == RECONCILE_MAPPINGS ? mapping_seen(r, item) : resource_seen(r, item);
	}
	if (e == 0 && r->at < json_array_size(list))
		return 0;
	r->step = r->resume;
	if (e == 0 && r->step == RECONCILE_RESOURCES)
		resources_end(r);
	else if (e == 0)
		page_end(r);
	json_decref(r->waiting);
	r->waiting = NULL;
	return e;
}

static void confirm(struct reconcile *r, enum reconcile_step step, const char *id)
{
	set_text(&r->confirming, id);
	r->step = step;
}

static bool lacks_mapping(const struct reconcile *r, const struct cache_row *row)
{
	return row->mapping_id != NULL && !marked(r, r->mappings, row->id);
}

/* It is made again, if it is wanted. */
static void forget_mapping(const struct reconcile *r, struct cache_row *row)
{
	set_text(&row->mapping_id, NULL);
	if (!r->instance->discovers && !row->archived)
		set_text(&row->resource_id, NULL);
	row->map_have = (struct digest){ 0 };
}

/* The row that is looked at, if what is looked at is its own still. 0, -ENOENT, -EIO. */
static int confirmed_row(struct reconcile *r, struct cache_row *ret)
{
	const bool is_service = r->step == RECONCILE_CONFIRM;
	int e = cache_row_by_id(r->cache, r->cursor, ret);
	const char *id;

	if (e == -EIO)
		return e;
	r->step = RECONCILE_SCAN;
	if (e < 0)
		return e;
	id = is_service ? ret->service_id : ret->mapping_id;
	if (id != NULL && strcmp(id, r->confirming) == 0)
		return 0;
	cache_row_done(ret);
	return -ENOENT;
}

/* A look at one mapping: whatever else the answer is, only this one says that it is gone. */
static int confirm_mapping_answer(struct reconcile *r, int status)
{
	struct cache_row row = { 0 };
	int e = confirmed_row(r, &row);

	if (e == 0 && status == 404) {
		forget_mapping(r, &row);
		e = cache_row_save(r->cache, &row);
	}
	cache_row_done(&row);
	return e == -ENOENT ? 0 : e;
}

/* A look at one service: gone, or there without our label, which is put back. */
static int confirm_answer(struct reconcile *r, int status, const json_t *answer)
{
	struct cache_row row = { 0 };
	int e = confirmed_row(r, &row);

	if (e < 0)
		return e == -ENOENT ? 0 : e;
	if (status == 404) {
		set_text(&row.service_id, NULL);
		if (row.target == TARGET_OWN)
			forget_mapping(r, &row);
		set_text(&row.ack, NULL);
		set_text(&row.parked, NULL);
		row.have = (struct digest){ 0 };
		row.theirs = 0;
		consider(r, &row);
		e = cache_row_save(r->cache, &row);
		if (e == 0 && row.state < REPO_EXCLUDED && !digest_is_zero(&row.want))
			event(r, RECONCILE_RECREATED, &row);
	} else if (status == 200 && strcmp(konnect_text(answer, "id"), row.service_id) == 0 && !konnect_is_foreign(answer)) {
		if (row.kind != ROW_NAMED)
			e = compare(r, &row, answer);
	} else if (status == 200 && konnect_is_foreign(answer) && row.kind != ROW_NAMED) {
		/* another tool's now: nothing is written before one more look at it, which parks the row */
		set_text(&row.ack, NULL);
		row.have = (struct digest){ 0 };
		consider(r, &row);
		e = cache_row_save(r->cache, &row);
	}
	if (e == 0 && lacks_mapping(r, &row))
		confirm(r, RECONCILE_CONFIRM_MAPPING, row.mapping_id);
	cache_row_done(&row);
	return e;
}

/* Nobody else has the row's resource mapped any more. 0 or -EIO. */
static int nowhere(struct reconcile *r, struct cache_row *row)
{
	int e;

	row->elsewhere = false;
	e = target_choose(r->cache, r->config, row);
	if (e < 0)
		return e;
	consider(r, row);
	e = cache_row_save(r->cache, row);
	return e == -EEXIST ? 0 : e;
}

bool reconcile_scans(const struct reconcile *r)
{
	return r->step == RECONCILE_NAMES || r->step == RECONCILE_PAGE || r->step == RECONCILE_SCAN;
}

static int read_names(struct reconcile *r)
{
	int e = names_read(r->names);

	if (e == 0)
		r->step = RECONCILE_PAGE;
	return e < 0 ? e : 0;
}

/* Stops at a row whose service or mapping was not in the list, which is to be looked at. */
int reconcile_scan(struct reconcile *r)
{
	struct cache_row row = { 0 };
	int e = 0;

	if (r->step == RECONCILE_NAMES)
		return read_names(r);
	if (r->step == RECONCILE_PAGE)
		return page_step(r);
	free(r->confirming);
	r->confirming = NULL;
	r->step = RECONCILE_SCAN;
	for (unsigned n = 0; n < CACHE_STEP_ROWS && r->step == RECONCILE_SCAN; n++) {
		e = cache_row_next(r->cache, r->instance->id, r->cursor, &row);
		if (e == -ENOENT)
			r->step = RECONCILE_DONE;
		if (e < 0)
			return e == -ENOENT ? 0 : e;
		r->cursor = row.id;
		if (r->is_new && lacks_mapping(r, &row)) {
			forget_mapping(r, &row);
			e = cache_row_save(r->cache, &row);
		}
		if (e == 0 && row.elsewhere && !marked(r, r->mappings, row.id))
			e = nowhere(r, &row);
		if (e == 0 && row.service_id != NULL && !marked(r, r->services, row.id))
			confirm(r, RECONCILE_CONFIRM, row.service_id);
		else if (e == 0 && lacks_mapping(r, &row))
			confirm(r, RECONCILE_CONFIRM_MAPPING, row.mapping_id);
		cache_row_done(&row);
		if (e < 0)
			return e;
	}
	return 0;
}

int reconcile_answer(struct reconcile *r, int status, const json_t *answer)
{
	switch (r->step) {
	case RECONCILE_SERVICES:
	case RECONCILE_MAPPINGS:
	case RECONCILE_RESOURCES:
		return page_answer(r, status, answer);
	case RECONCILE_CONFIRM:
		return confirm_answer(r, status, answer);
	case RECONCILE_CONFIRM_MAPPING:
		return confirm_mapping_answer(r, status);
	case RECONCILE_NAMES:
	case RECONCILE_PAGE:
	case RECONCILE_SCAN:
	case RECONCILE_DONE:
	case RECONCILE_FAILED:
		break;
	}
	return 0;
}
