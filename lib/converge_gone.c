#include "converge_gone.h"

#include <string.h>

#include "document.h"
#include "limits.h"
#include "target.h"
#include "util.h"

static bool same(const struct digest *a, const struct digest *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static void set_text(char **field, const char *s)
{
	char *copy = s != NULL ? xstrdup(s) : NULL;

	free(*field);
	*field = copy;
}

bool gone_archives(const struct converge *c)
{
	const struct digest archived = target_archived();

	return same(&c->row.map_want, &archived) && (!same(&c->row.map_have, &archived) || digest_is_zero(&c->row.want));
}

bool gone_returns(const struct converge *c)
{
	const struct digest archived = target_archived();

	return !same(&c->row.map_want, &archived) && (c->row.archived || c->row.remembered != NULL);
}

static void take(struct converge *c, enum gone_step step)
{
	c->step = CONVERGE_GONE;
	c->gone_step = step;
}

static void next_going(struct converge *c)
{
	const struct digest archived = target_archived();

	if (!same(&c->row.map_have, &archived) && c->row.resource_id == NULL && c->row.mapping_id == NULL)
		/* it was never mapped: there is nothing to archive */
		c->row.map_have = archived;
	if (!same(&c->row.map_have, &archived) && c->row.resource_id == NULL)
		take(c, GONE_FIND);
	else if (!same(&c->row.map_have, &archived) && !c->remembered)
		take(c, GONE_REMEMBER);
	else if (!same(&c->row.map_have, &archived))
		take(c, GONE_ARCHIVE);
	else if (digest_is_zero(&c->row.want) && c->row.service_id != NULL)
		take(c, c->checked ? GONE_DELETE : GONE_CHECK);
	else
		c->step = CONVERGE_DONE;
}

void gone_next_step(struct converge *c)
{
	if (gone_archives(c))
		next_going(c);
	else if (c->row.archived)
		take(c, GONE_UNARCHIVE);
	else
		take(c, GONE_RESTORE);
}

/* The service that is mapped again next: the last that is remembered. */
static char *next_remembered(const struct converge *c)
{
	json_t *list = c->row.remembered != NULL ? json_loads(c->row.remembered, 0, NULL) : NULL;
	const char *id = json_string_value(json_array_get(list, json_array_size(list) - 1));
	char *copy = id != NULL ? xstrdup(id) : NULL;

	json_decref(list);
	return copy;
}

static void forget_one(struct converge *c)
{
	json_t *list = c->row.remembered != NULL ? json_loads(c->row.remembered, 0, NULL) : NULL;

	(void)json_array_remove(list, json_array_size(list) - 1);
	free(c->row.remembered);
	c->row.remembered = json_array_size(list) > 0 ? json_dumps(list, JSON_COMPACT) : NULL;
	json_decref(list);
}

static char *archive_body(bool archived)
{
	return xasprintf("{\"archived\":%s}", archived ? "true" : "false");
}

static char *restore_body(const struct converge *c)
{
	_cleanup_free_ char *service = next_remembered(c);
	json_t *body = json_pack("{s:s,s:s}", "service", service != NULL ? service : "", "resource", c->row.resource_id);
	char *text = document_canonical(body);

	json_decref(body);
	return text;
}

void gone_request(const struct converge *c, struct konnect_request *ret)
{
	const char *resource_id = c->row.resource_id != NULL ? c->row.resource_id : "";
	_cleanup_free_ char *service = konnect_encode(c->row.service_id != NULL ? c->row.service_id : ""),
			    *mapping = konnect_encode(c->row.mapping_id != NULL ? c->row.mapping_id : ""),
			    *resource = konnect_encode(resource_id), *instance = konnect_encode(c->instance->konnect_id);

	switch (c->gone_step) {
	case GONE_FIND:
		ret->path = xasprintf("/v1/resource-mappings/%s", mapping);
		return;
	case GONE_REMEMBER:
		ret->path = xasprintf("/v1/resource-mappings?filter%%5Bresource.id%%5D%%5Beq%%5D=%s&page%%5Bsize%%5D=%d", resource,
				      KONNECT_PAGE_SIZE);
		return;
	case GONE_ARCHIVE:
	case GONE_UNARCHIVE:
		ret->method = "PATCH";
		ret->path = xasprintf("/v1/integration-instances/%s/resources/%s", instance, resource);
		ret->body = archive_body(c->gone_step == GONE_ARCHIVE);
		return;
	case GONE_CHECK:
		ret->path = xasprintf("/v1/catalog-services/%s", service);
		return;
	case GONE_DELETE:
		ret->method = "DELETE";
		ret->path = xasprintf("/v1/catalog-services/%s", service);
		return;
	case GONE_RESTORE:
		ret->method = "POST";
		ret->path = xstrdup("/v1/resource-mappings");
		ret->body = restore_body(c);
		return;
	}
}

static bool has_text(const json_t *list, const char *s)
{
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
		if (strcmp(json_string_value(item) != NULL ? json_string_value(item) : "", s) == 0)
			return true;
	return false;
}

/* Whose mappings go with the archive: everybody's but our own, which is made again anyway. */
static bool remember(struct converge *c, int status, const json_t *answer)
{
	const json_t *list = json_object_get(answer, "data"), *mapping,
		     *total = json_object_get(json_object_get(json_object_get(answer, "meta"), "page"), "total");
	json_t *services;
	size_t i;

	/* more than a page of mappings of one repository would be forgotten in part: better nothing is archived */
	if (status != 200 || !json_is_array(list) || json_array_size(list) >= KONNECT_PAGE_SIZE)
		return false;
	if (json_is_integer(total) && json_integer_value(total) != (json_int_t)json_array_size(list))
		return false;
	services = c->row.remembered != NULL ? json_loads(c->row.remembered, 0, NULL) : NULL;
	if (!json_is_array(services)) {
		json_decref(services);
		services = json_array();
	}
	json_array_foreach(list, i, mapping) {
		const char *service = konnect_text(json_object_get(mapping, "service"), "id"), *id = konnect_text(mapping, "id");

		if (strcmp(konnect_text(json_object_get(mapping, "resource"), "id"), c->row.resource_id) != 0) {
			json_decref(services);
			return false;
		}
		if (!has_text(services, service) && *service != '\0' && (c->row.mapping_id == NULL || strcmp(c->row.mapping_id, id) != 0))
			json_array_append_new(services, json_string(service));
	}
	free(c->row.remembered);
	c->row.remembered = json_dumps(services, JSON_COMPACT);
	json_decref(services);
	/* said before it is done: an answer that is lost must not leave it archived for ever */
	c->row.archived = c->remembered = c->changed = true;
	return true;
}

static void archived(struct converge *c)
{
	set_text(&c->row.mapping_id, NULL);
	c->row.map_have = target_archived();
	c->row.archived = true;
	c->changed = true;
}

static void forget_service(struct converge *c)
{
	set_text(&c->row.service_id, NULL);
	set_text(&c->row.ack, NULL);
	json_decref(c->have);
	c->have = NULL;
	c->row.have = (struct digest){ 0 };
	c->row.theirs = 0;
	c->changed = true;
}

static bool found(struct converge *c, int status, const json_t *answer)
{
	const char *resource = konnect_text(json_object_get(answer, "resource"), "id");

	if (status == 404)
		set_text(&c->row.mapping_id, NULL);
	else if (status == 200 && *resource != '\0')
		set_text(&c->row.resource_id, resource);
	else
		return false;
	return true;
}

static void unarchived(struct converge *c, bool resource_is_gone)
{
	c->row.archived = false;
	c->changed = true;
	/* archiving dropped our mapping, whether we heard of it or not */
	set_text(&c->row.mapping_id, NULL);
	c->row.map_have = (struct digest){ 0 };
	/* a resource that is gone is made again by our mapping; others cannot be put back on it */
	if (resource_is_gone)
		set_text(&c->row.resource_id, NULL);
	if (resource_is_gone || (c->row.remembered != NULL && strcmp(c->row.remembered, "[]") == 0))
		set_text(&c->row.remembered, NULL);
}

bool gone_answer(struct converge *c, int status, const json_t *answer)
{
	bool ok = (status >= 200 && status < 300) || status == 404;

	switch (c->gone_step) {
	case GONE_FIND:
		return found(c, status, answer);
	case GONE_REMEMBER:
		return remember(c, status, answer);
	case GONE_ARCHIVE:
		if (ok)
			archived(c);
		return ok;
	case GONE_UNARCHIVE:
		if (ok)
			unarchived(c, status == 404);
		return ok;
	case GONE_CHECK:
		/* one that somebody else took over is theirs, and only forgotten */
		c->checked = ok && status != 404 && konnect_is_ours(answer, c->config->name);
		if (ok && !c->checked)
			forget_service(c);
		return ok;
	case GONE_DELETE:
		if (ok)
			forget_service(c);
		return ok;
	case GONE_RESTORE:
		/* a service that is gone, or is mapped again already, is no reason to stop */
		ok = ok || status == 409 || konnect_service_refused(status, answer);
		if (ok)
			forget_one(c);
		return ok;
	}
	return false;
}
