#include "converge.h"

#include <string.h>

#include "canonical.h"
#include "converge_gone.h"
#include "document.h"
#include "limits.h"
#include "target.h"
#include "util.h"

static void set_text(char **field, const char *s)
{
	char *copy = s != NULL ? xstrdup(s) : NULL;

	free(*field);
	*field = copy;
}

/* Whether the row has a service of its own to be converged. */
static bool has_service(const struct converge *c)
{
	return c->row.kind != ROW_REPOSITORY || c->row.target == TARGET_OWN;
}

static void make_want(struct converge *c)
{
	_cleanup_free_ char *text = has_service(c) ? document_row(c->config, &c->row) : NULL;

	if (text == NULL)
		return;
	if ((c->row.kind == ROW_NAMED && c->row.service_id != NULL) ||
	    (c->row.kind != ROW_NAMED && c->row.state >= REPO_EXCLUDED && c->row.service_id == NULL)) {
		/* used as it is, whoever's it may be; or gone, and not made again for what is gone itself */
		c->row.want = c->row.have;
		return;
	}
	json_decref(c->want);
	c->want = NULL;
	c->row.want = digest_bytes(c->key, text, strlen(text));
	free(c->want_text);
	c->want_text = text;
	text = NULL;
}

/* Most services are created, and never need to be taken apart. */
static void load_documents(struct converge *c)
{
	if (c->want == NULL && c->want_text != NULL)
		c->want = json_loads(c->want_text, 0, NULL);
	if (c->have == NULL && c->row.ack != NULL)
		c->have = json_loads(c->row.ack, 0, NULL);
}

/* Konnect holds that document now, as far as we wrote it. Takes the text. */
static void acknowledge_text(struct converge *c, char *text)
{
	free(c->row.ack);
	c->row.ack = text;
	c->row.have = digest_bytes(c->key, text, strlen(text));
	json_decref(c->have);
	c->have = NULL;
}

static void acknowledge(struct converge *c, const json_t *doc)
{
	acknowledge_text(c, document_canonical(doc));
}

static void acknowledge_want(struct converge *c)
{
	acknowledge_text(c, xstrdup(c->want_text));
}

/* The map is written whole, so Konnect's own is the base of ours. */
static void take_fields(struct converge *c, const json_t *service)
{
	json_t *fields = json_object_get(service, "custom_fields");

	json_decref(c->custom_fields);
	c->custom_fields = json_is_object(fields) ? json_incref(fields) : json_object();
}

static bool same(const struct digest *a, const struct digest *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static void forget_service(struct converge *c)
{
	const struct digest archived = target_archived();

	set_text(&c->row.service_id, NULL);
	/* a service takes its mappings with it */
	if (c->row.target == TARGET_OWN) {
		set_text(&c->row.mapping_id, NULL);
		c->row.map_have = (struct digest){ 0 };
		/* and what is gone itself is not mapped again */
		if (c->row.kind == ROW_REPOSITORY && c->row.state >= REPO_EXCLUDED && !same(&c->row.map_want, &archived))
			c->row.map_want = c->row.map_have;
	}
	set_text(&c->row.ack, NULL);
	c->row.have = (struct digest){ 0 };
	json_decref(c->have);
	c->have = NULL;
	/* what is made anew is all ours */
	c->row.theirs = 0;
	make_want(c);
}

static void park_text(struct converge *c, char *why);

static void park_undiscovered(struct converge *c)
{
	c->undiscovered = true;
	set_text(&c->row.resource_id, NULL);
	park_text(c, xstrdup("its resource is not known to Konnect, which takes no other here: the mapping waits until Konnect has "
			     "discovered it"));
}

static void next_mapping_step(struct converge *c)
{
	const struct digest unmapped = target_unmapped();

	if (c->row.mapping_id == NULL && same(&c->row.map_want, &unmapped))
		c->row.map_have = unmapped;
	if (same(&c->row.map_have, &c->row.map_want))
		c->step = CONVERGE_DONE;
	else if (c->row.mapping_id != NULL)
		c->step = CONVERGE_UNMAP;
	else if (c->instance->discovers && c->row.resource_id == NULL)
		park_undiscovered(c);
	else
		c->step = target_is_uncertain(&c->row) ? CONVERGE_MAP_LOOKUP : CONVERGE_MAP;
}

static void next_service_step(struct converge *c)
{
	load_documents(c);
	c->step = c->custom_fields == NULL && document_patch_needs_read(c->have, c->want) ? CONVERGE_READ : CONVERGE_PATCH;
}

/* Where the row stands decides what comes next, so that a restart at any point goes on from there. */
static void next_step(struct converge *c)
{
	bool wants_service = has_service(c) && !digest_is_zero(&c->row.want);

	if (gone_returns(c) || (gone_archives(c) && (!wants_service || same(&c->row.have, &c->row.want))))
		gone_next_step(c);
	else if (wants_service && c->row.service_id == NULL)
		/* a named service is somebody's more often than not */
		c->step = c->row.kind == ROW_NAMED && !c->looked_up ? CONVERGE_LOOKUP : CONVERGE_CREATE;
	else if (wants_service && !same(&c->row.have, &c->row.want))
		next_service_step(c);
	else
		next_mapping_step(c);
}

static void park_text(struct converge *c, char *why)
{
	free(c->row.parked);
	c->row.parked = why;
	c->step = CONVERGE_PARKED;
}

static void park(struct converge *c, const char *what, int status, const json_t *answer)
{
	char reason[MESSAGE_MAX];

	(void)konnect_reason(answer, reason, sizeof(reason));
	if (status >= 200 && status < 300)
		park_text(c, xasprintf("%s answered with %d, but not with what was asked for", what, status));
	else
		park_text(c, xasprintf("%s refused with %d%s%s", what, status, *reason != '\0' ? ": " : "", reason));
}

/* Without an acknowledged document, or with one that cannot be read any more, Konnect is asked, and the digest is worth
 * nothing. */
static void load_have(struct converge *c)
{
	if (c->row.ack != NULL)
		c->have = json_loads(c->row.ack, 0, NULL);
	if (json_is_object(c->have) && json_object_get(c->have, "name") != NULL &&
	    (json_object_get(c->have, "display_name") != NULL || (c->row.theirs & DOCUMENT_DISPLAY_NAME) != 0))
		return;
	json_decref(c->have);
	c->have = NULL;
	set_text(&c->row.ack, NULL);
	c->row.have = (struct digest){ 0 };
}

void converge_init(struct converge *c, const struct config_instance *config, const struct cache_instance *instance,
		   const uint8_t *key, struct cache_row *row, const struct cache_row *target)
{
	*c = (struct converge){ .config = config, .instance = instance, .key = key, .row = *row };
	*row = (struct cache_row){ 0 };
	set_text(&c->row.parked, NULL);
	if (target != NULL) {
		set_text(&c->target_id, target->service_id);
		set_text(&c->target_name, target->service_name);
	}
	if (has_service(c))
		load_have(c);
	make_want(c);
	/* what is to go needs no document */
	if (has_service(c) && config->on_remove == ON_REMOVE_DELETE && c->row.kind != ROW_NAMED &&
	    (c->row.state == REPO_EXCLUDED || c->row.state == REPO_REMOVED))
		c->row.want = (struct digest){ 0 };
	/* only now are the keys known by which Konnect knows a resource; what is held is mapped as it is */
	if (c->row.kind == ROW_REPOSITORY && c->row.target != TARGET_NONE && c->row.state < REPO_EXCLUDED && c->row.held == HELD_NOT)
		c->row.map_want = target_digest(key, config, instance->resource_keys, &c->row);
	next_step(c);
}

void converge_done(struct converge *c)
{
	json_decref(c->want);
	json_decref(c->have);
	json_decref(c->custom_fields);
	free(c->want_text);
	free(c->refusal);
	free(c->target_id);
	free(c->target_name);
	cache_row_done(&c->row);
	*c = (struct converge){ 0 };
}

static const char *mapped_service(const struct converge *c)
{
	return c->row.target == TARGET_OWN ? c->row.service_id : c->target_id;
}

static char *mapping_body(const struct converge *c)
{
	struct buf b = canonical_begin();
	_cleanup_free_ char *config = NULL;
	bool by_guid;

	canonical_open(&b);
	/* a resource that came with a mapping may be gone with it: its configuration always fits */
	if (c->row.resource_id != NULL && c->instance->discovers) {
		canonical_member(&b, "resource", c->row.resource_id);
	} else {
		config = konnect_resource_text(c->instance->resource_keys, c->config, &c->row.repo, &by_guid);
		canonical_key(&b, "resource");
		canonical_open(&b);
		canonical_json(&b, "config", config);
		canonical_member(&b, "integration_instance", c->instance->konnect_id);
		canonical_member(&b, "type", c->instance->resource_type);
		canonical_close(&b);
	}
	canonical_member(&b, "service", mapped_service(c));
	canonical_close(&b);
	return b.data;
}

static char *patch_body(const struct converge *c)
{
	json_t *patch = document_patch(c->have, c->want), *fields, *have_fields = json_object_get(c->have, "custom_fields"),
	       *want_fields = json_object_get(c->want, "custom_fields"), *value;
	const char *key;
	char *text;

	if (c->custom_fields != NULL) {
		fields = json_copy(c->custom_fields);
		json_object_foreach(have_fields, key, value)
			if (json_object_get(want_fields, key) == NULL)
				json_object_set_new(fields, key, json_null());
		json_object_update(fields, want_fields);
		json_object_set_new(patch, "custom_fields", fields);
	}
	text = document_canonical(patch);
	json_decref(patch);
	return text;
}

bool converge_request(const struct converge *c, struct konnect_request *ret)
{
	_cleanup_free_ char *name = konnect_encode(c->row.service_name != NULL ? c->row.service_name : ""), *id = NULL, *mapping = NULL;

	id = konnect_encode(c->row.service_id != NULL ? c->row.service_id : "");
	*ret = (struct konnect_request){ .method = "GET" };
	switch (c->step) {
	case CONVERGE_CREATE:
		ret->method = "POST";
		ret->path = xstrdup("/v1/catalog-services");
		ret->body = xstrdup(c->want_text);
		return true;
	case CONVERGE_LOOKUP:
		ret->path = xasprintf("/v1/catalog-services?filter%%5Bname%%5D%%5Beq%%5D=%s&page%%5Bsize%%5D=1", name);
		return true;
	case CONVERGE_READ:
		ret->path = xasprintf("/v1/catalog-services/%s", id);
		return true;
	case CONVERGE_PATCH:
		ret->method = "PATCH";
		ret->path = xasprintf("/v1/catalog-services/%s", id);
		ret->body = patch_body(c);
		return true;
	case CONVERGE_UNMAP:
		mapping = konnect_encode(c->row.mapping_id);
		ret->method = "DELETE";
		ret->path = xasprintf("/v1/resource-mappings/%s", mapping);
		return true;
	case CONVERGE_MAP:
		ret->method = "POST";
		ret->path = xstrdup("/v1/resource-mappings");
		ret->body = mapping_body(c);
		return true;
	case CONVERGE_MAP_LOOKUP:
		mapping = konnect_encode(mapped_service(c));
		ret->path = xasprintf("/v1/resource-mappings?filter%%5Bservice.id%%5D%%5Beq%%5D=%s&page%%5Bsize%%5D=%d", mapping,
				      KONNECT_PAGE_SIZE);
		return true;
	case CONVERGE_GONE:
		gone_request(c, ret);
		return true;
	case CONVERGE_DONE:
	case CONVERGE_PARKED:
		break;
	}
	return false;
}

bool converge_reads_ids(const struct converge *c)
{
	return c->step == CONVERGE_CREATE || c->step == CONVERGE_MAP;
}

/* The name is somebody else's: take the next one, of two. */
static void next_name(struct converge *c, const char *whose)
{
	char *name;

	c->name_taken = true;
	if (c->names_tried > 0) {
		park_text(c, xasprintf("the service name %s and the plain one are both taken by %s; rename or remove one of them",
				       c->row.service_name, whose));
		return;
	}
	name = c->row.kind == ROW_PROJECT ? document_project_name(c->config->name, &c->row.repo, true, NULL)
					  : document_service_name(c->config->name, &c->row.repo, true, NULL);
	if (strcmp(name, c->row.service_name) == 0) {
		park_text(c, xasprintf("the service name %s is taken by %s; rename or remove it", name, whose));
		free(name);
		return;
	}
	c->names_tried++;
	free(c->row.service_name);
	c->row.service_name = name;
	make_want(c);
	c->step = CONVERGE_CREATE;
}

static bool is_ours(const struct converge *c, const json_t *service)
{
	const json_t *labels = json_object_get(service, "labels");
	char guid[37];

	if (!konnect_is_ours(service, c->config->name))
		return false;
	if (c->row.kind == ROW_PROJECT)
		return strcmp(konnect_text(labels, LABEL_PROJECT_ID), c->row.repo.project_id) == 0 &&
		       json_object_get(labels, LABEL_REPOSITORY_ID) == NULL;
	guid_format(c->row.repo.guid, guid);
	return strcmp(konnect_text(labels, LABEL_REPOSITORY_ID), guid) == 0;
}

/* A named service that exists is used as it is, whoever's it may be: its fields are nobody's business. */
static void use_named(struct converge *c, const json_t *service)
{
	set_text(&c->row.service_id, konnect_text(service, "id"));
	acknowledge_want(c);
	c->adopted = true;
	next_step(c);
}

/* Leaves fields to whoever edited them, in what is wanted and in what is had. */
static void leave(struct converge *c, unsigned theirs)
{
	if (theirs == 0)
		return;
	load_documents(c);
	c->row.theirs |= theirs;
	document_leave(c->have, theirs);
	acknowledge(c, c->have);
	make_want(c);
}

/* Nothing is remembered of what we wrote: the service itself has to tell. */
static void adopt(struct converge *c, const json_t *service)
{
	json_t *doc;

	load_documents(c);
	doc = document_of_service(service, c->want);
	set_text(&c->row.service_id, konnect_text(service, "id"));
	acknowledge(c, doc);
	json_decref(doc);
	leave(c, document_edited_unknown(service, c->want));
	c->adopted = true;
	json_decref(c->custom_fields);
	c->custom_fields = NULL;
	load_documents(c);
	if (document_patch_needs_read(c->have, c->want))
		take_fields(c, service);
	next_step(c);
}

static void lookup_answer(struct converge *c, int status, const json_t *answer)
{
	json_t *list = json_object_get(answer, "data"), *service;
	size_t i;

	if (status != 200 || !json_is_array(list)) {
		park(c, "looking up the service name was", status, answer);
		return;
	}
	json_array_foreach(list, i, service) {
		if (strcmp(konnect_text(service, "name"), c->row.service_name) != 0)
			continue;
		if (c->row.kind == ROW_NAMED && *konnect_text(service, "id") != '\0')
			use_named(c, service);
		else if (is_ours(c, service) && *konnect_text(service, "id") != '\0')
			adopt(c, service);
		else
			next_name(c, konnect_is_foreign(service) ? "an object of another tool" : "another service");
		return;
	}
	if (c->row.kind == ROW_NAMED && !c->looked_up) {
		c->looked_up = true;
		c->step = CONVERGE_CREATE;
		return;
	}
	park_text(c, xasprintf("Konnect refuses the service name %s although nobody has it%s%s", c->row.service_name,
			       *c->refusal != '\0' ? ": " : "", c->refusal));
}

static void read_answer(struct converge *c, int status, const json_t *answer)
{
	if (status == 404 && !c->recreated) {
		forget_service(c);
		c->gone = false;
		c->recreated = true;
		next_step(c);
		return;
	}
	if (status != 200 || strcmp(konnect_text(answer, "id"), c->row.service_id) != 0) {
		park(c, "reading the service was", status, answer);
		return;
	}
	if (c->gone) {
		park_text(c, xstrdup("changing the service was refused with 404, although it exists"));
		return;
	}
	if (konnect_is_foreign(answer)) {
		park_text(c, xasprintf("the service %s is managed by another tool now (label KONGCTL-*)", c->row.service_name));
		return;
	}
	if (c->row.ack == NULL) {
		adopt(c, answer);
		return;
	}
	load_documents(c);
	take_fields(c, answer);
	leave(c, document_edited(answer, c->have, c->want));
	next_step(c);
}

/* Whether it is of our instance and type, as far as it says. */
static bool is_of_our_instance(const struct converge *c, const json_t *resource)
{
	const char *type = konnect_text(resource, "type"),
		   *instance = konnect_text(json_object_get(json_object_get(resource, "integration"), "instance"), "id");

	return (*type == '\0' || strcmp(type, c->instance->resource_type) == 0) &&
	       (*instance == '\0' || strcmp(instance, c->instance->konnect_id) == 0);
}

/* What Konnect adds to a resource does not make it another. */
static bool is_our_resource(const struct converge *c, const json_t *resource, const json_t *config)
{
	struct konnect_identity who;
	const char *key;
	json_t *value;

	if (!is_of_our_instance(c, resource))
		return false;
	if (konnect_resource_identity(json_object_get(resource, "config"), &who) && who.by_guid)
		return memcmp(who.guid, c->row.repo.guid, sizeof(who.guid)) == 0;
	json_object_foreach((json_t *)(uintptr_t)config, key, value)
		if (!json_equal(json_object_get(json_object_get(resource, "config"), key), value))
			return false;
	return true;
}

/* Whether the row was mapped to it, perhaps, before its resource became another: the mapping that was sent last. */
static bool is_former_resource(const struct converge *c, const json_t *resource, const json_t *config)
{
	json_t *former, *value, *all = json_object_get(resource, "config");
	const char *key;
	struct digest d;

	if (!target_is_uncertain(&c->row) || !is_of_our_instance(c, resource))
		return false;
	former = json_object();
	json_object_foreach((json_t *)(uintptr_t)config, key, value)
		if (json_object_get(all, key) != NULL)
			json_object_set(former, key, json_object_get(all, key));
	d = target_digest_of(c->key, &c->row, former);
	json_decref(former);
	d = target_perhaps(&d);
	return same(&d, &c->row.map_have);
}

static void mapped(struct converge *c, const char *id)
{
	set_text(&c->row.mapping_id, id);
	c->row.map_have = c->row.map_want;
}

static void map_lookup_answer(struct converge *c, int status, const json_t *answer)
{
	json_t *list = json_object_get(answer, "data"), *mapping, *config, *resource;
	bool tried = !target_is_uncertain(&c->row);
	const char *id;
	size_t i;

	c->map_lookup_done = tried;
	config = konnect_resource_config(c->instance->resource_keys, c->config, &c->row.repo);
	json_array_foreach(list, i, mapping) {
		resource = json_object_get(mapping, "resource");
		id = konnect_text(mapping, "id");
		if (*id == '\0' || strcmp(konnect_text(json_object_get(mapping, "service"), "id"), mapped_service(c)) != 0)
			continue;
		if (is_our_resource(c, resource, config)) {
			mapped(c, id);
			break;
		}
		if (is_former_resource(c, resource, config)) {
			/* it leads to what the repository was */
			set_text(&c->row.mapping_id, id);
			c->row.map_have = target_perhaps(&c->row.map_have);
			break;
		}
	}
	json_decref(config);
	if (status == 200 && !tried && c->row.mapping_id == NULL)
		c->row.map_have = (struct digest){ 0 };
	if (c->row.mapping_id != NULL || (status == 200 && !tried))
		next_step(c);
	else
		park(c, "mapping the repository, which has no mapping, was", status == 200 ? 409 : status, answer);
}

void converge_answer(struct converge *c, int status, const json_t *answer)
{
	const struct digest unmapped = target_unmapped();
	bool ok = status >= 200 && status < 300;
	char reason[MESSAGE_MAX];

	switch (c->step) {
	case CONVERGE_CREATE:
		if (ok && *konnect_text(answer, "id") != '\0') {
			set_text(&c->row.service_id, konnect_text(answer, "id"));
			acknowledge_want(c);
			c->created = true;
			next_step(c);
		} else if (ok || konnect_name_conflict(status, answer)) {
			/* created, but the id is lost; or somebody has the name, perhaps we */
			free(c->refusal);
			c->refusal = xstrdup(konnect_reason(answer, reason, sizeof(reason)));
			c->step = CONVERGE_LOOKUP;
		} else {
			park(c, "creating the service was", status, answer);
		}
		return;
	case CONVERGE_LOOKUP:
		lookup_answer(c, status, answer);
		return;
	case CONVERGE_READ:
		read_answer(c, status, answer);
		return;
	case CONVERGE_PATCH:
		if (ok) {
			acknowledge_want(c);
			c->changed = true;
			next_step(c);
		} else if (status == 404 && !c->gone) {
			c->gone = true;
			c->step = CONVERGE_READ;
		} else {
			park(c, "changing the service was", status, answer);
		}
		return;
	case CONVERGE_UNMAP:
		if (ok || status == 404) {
			bool for_good = same(&c->row.map_want, &unmapped);

			set_text(&c->row.mapping_id, NULL);
			/* it may be another resource that is mapped next: one of another name */
			if (!c->instance->discovers)
				set_text(&c->row.resource_id, NULL);
			c->row.map_have = for_good ? unmapped : (struct digest){ 0 };
			c->changed = true;
			next_step(c);
		} else {
			park(c, "removing our mapping was", status, answer);
		}
		return;
	case CONVERGE_MAP:
		if (ok && *konnect_text(answer, "id") != '\0') {
			mapped(c, konnect_text(answer, "id"));
			c->by_config = !c->instance->discovers;
			if (*konnect_text(json_object_get(answer, "resource"), "id") != '\0')
				set_text(&c->row.resource_id, konnect_text(json_object_get(answer, "resource"), "id"));
			else if (!c->instance->discovers)
				set_text(&c->row.resource_id, NULL);
			next_step(c);
		} else if ((ok || status == 409) && !c->map_lookup_done) {
			c->step = CONVERGE_MAP_LOOKUP;
			/* looked up by its mapping, when it is needed */
			if (!c->instance->discovers)
				set_text(&c->row.resource_id, NULL);
		} else if ((konnect_resource_refused(status, answer) && !c->instance->takes_config) ||
			   (c->instance->discovers && status == 404)) {
			/* where one was taken, this one alone is refused: it is archived, say */
			park_undiscovered(c);
		} else {
			park(c, "mapping the repository was", status, answer);
		}
		return;
	case CONVERGE_MAP_LOOKUP:
		map_lookup_answer(c, status, answer);
		return;
	case CONVERGE_GONE:
		if (gone_answer(c, status, answer))
			next_step(c);
		else
			park(c, "archiving the resource was", status, answer);
		return;
	case CONVERGE_DONE:
	case CONVERGE_PARKED:
		return;
	}
}
