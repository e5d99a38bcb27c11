/* Konnect when it works: it remembers instances and services, by name and by id, and takes every mapping. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "../../lib/util.h"
#include "fake.h"

static json_t *objects;	/* of all kinds, by id */
static json_t *kinds;	/* the same, by kind and id */
static unsigned ids;

void fake_konnect_reset(void)
{
	json_decref(objects);
	json_decref(kinds);
	objects = kinds = NULL;
	ids = 0;
}

static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s != NULL ? s : "";
}

/* The object of that kind and name, or NULL. */
static json_t *find(const char *kind, const char *name)
{
	const char *id;
	json_t *o;

	json_object_foreach(json_object_get(kinds, kind), id, o)
		if (strcmp(text(o, "name"), name) == 0)
			return o;
	return NULL;
}

static char *answer(json_t *j, int status, int *ret_status)
{
	char *s = json_dumps(j, JSON_COMPACT);

	json_decref(j);
	*ret_status = status;
	return s;
}

/* Gives it an id, and keeps it. Takes o, which stays valid. */
static json_t *keep(const char *kind, json_t *o)
{
	char id[32];

	(void)snprintf(id, sizeof(id), "id-%u", ++ids);
	json_object_set_new(o, "id", json_string(id));
	json_object_set_new(o, "kind", json_string(kind));
	json_object_set_new(objects, id, o);
	if (json_object_get(kinds, kind) == NULL)
		json_object_set_new(kinds, kind, json_object());
	json_object_set(json_object_get(kinds, kind), id, o);
	return o;
}

static void forget(const char *id)
{
	json_object_del(json_object_get(kinds, text(json_object_get(objects, id), "kind")), id);
	json_object_del(objects, id);
}

/* The resource that a mapping is of: one that is named by its id, or described, and then made if it is not there. */
static json_t *resource_of(json_t *mapping)
{
	json_t *described = json_object_get(mapping, "resource"), *o;
	const char *id;

	if (json_is_string(described))
		return json_object_get(objects, json_string_value(described));
	json_object_foreach(json_object_get(kinds, "resources"), id, o)
		if (json_equal(json_object_get(o, "config"), json_object_get(described, "config")) &&
		    strcmp(text(o, "integration_instance"), text(described, "integration_instance")) == 0)
			return o;
	return keep("resources", json_pack("{s:s,s:s,s:O,s:b}", "integration_instance", text(described, "integration_instance"), "type",
					   text(described, "type"), "config", json_object_get(described, "config"), "archived", 0));
}

/* NULL, or why the mapping is refused. */
static const char *map(json_t *mapping)
{
	json_t *resource = resource_of(mapping), *o;
	const char *id;

	if (resource == NULL || json_object_get(objects, text(mapping, "service")) == NULL)
		return "there is none";
	if (json_is_true(json_object_get(resource, "archived")))
		return "is archived";
	json_object_set_new(mapping, "resource", json_string(text(resource, "id")));
	json_object_foreach(json_object_get(kinds, "resource-mappings"), id, o)
		if (strcmp(text(o, "service"), text(mapping, "service")) == 0 && strcmp(text(o, "resource"), text(mapping, "resource")) == 0)
			return "exists";
	return NULL;
}

/* As a list or an answer shows it: a mapping names its service and its resource by objects. */
static json_t *shown(json_t *o)
{
	json_t *copy = json_copy(o), *resource;

	if (strcmp(text(o, "kind"), "resource-mappings") == 0) {
		resource = json_object_get(objects, text(o, "resource"));
		json_object_set_new(copy, "service", json_pack("{s:s}", "id", text(o, "service")));
		json_object_set_new(copy, "resource", json_pack("{s:s,s:O}", "id", text(o, "resource"), "config", json_object_get(resource, "config")));
	}
	return copy;
}

static char *create(const char *kind, const char *body, int *ret_status)
{
	json_t *o = json_loads(body != NULL ? body : "{}", 0, NULL);
	const char *refusal = NULL;

	if (*text(o, "name") != '\0' && find(kind, text(o, "name")) != NULL)
		refusal = "exists";
	else if (strcmp(kind, "resource-mappings") == 0)
		refusal = map(o);
	if (refusal != NULL) {
		json_decref(o);
		return strcmp(refusal, "exists") == 0 ?
			answer(json_pack("{s:i,s:s}", "status", 409, "title", "Conflict"), 409, ret_status) :
			answer(json_pack("{s:i,s:[{s:s,s:s}]}", "status", 400, "invalid_parameters", "field", "resource", "reason", refusal), 400,
			       ret_status);
	}
	if (*text(o, "integration_name") != '\0')
		json_object_set_new(o, "integration", json_pack("{s:s}", "name", text(o, "integration_name")));
	return answer(shown(keep(kind, o)), 201, ret_status);
}

void fake_konnect_delete(const char *id)
{
	_cleanup_free_ char *gone = xstrdup(id);
	const char *key;
	json_t *o;
	void *next;

	forget(gone);
	json_object_foreach_safe(json_object_get(kinds, "resource-mappings"), next, key, o)
		if (strcmp(text(o, "service"), gone) == 0 || strcmp(text(o, "resource"), gone) == 0)
			forget(key);
}

struct json_t *fake_konnect_objects(void)
{
	return objects;
}

/* An archived resource has no mappings. */
static void drop_mappings(const char *resource)
{
	const char *key;
	json_t *o;
	void *next;

	json_object_foreach_safe(json_object_get(kinds, "resource-mappings"), next, key, o)
		if (strcmp(text(o, "resource"), resource) == 0)
			forget(key);
}

/* Labels one by one, null takes one away; everything else whole. */
static void change(json_t *o, json_t *patch)
{
	json_t *labels = json_object_get(o, "labels"), *value;
	const char *key;

	json_object_foreach(json_object_get(patch, "labels"), key, value) {
		if (json_is_null(value))
			json_object_del(labels, key);
		else
			json_object_set(labels, key, value);
	}
	json_object_del(patch, "labels");
	json_object_update(o, patch);
}

static char *one(const char *method, const char *id, const char *body, int *ret_status)
{
	const char *slash = strrchr(id, '/'); /* a resource's path begins with its instance */
	json_t *o = json_object_get(objects, slash != NULL ? slash + 1 : id), *patch;

	if (o == NULL)
		return answer(json_pack("{s:i,s:s}", "status", 404, "title", "Not Found"), 404, ret_status);
	if (strcmp(method, "DELETE") == 0) {
		fake_konnect_delete(text(o, "id"));
		*ret_status = 204;
		return xstrdup("");
	}
	if (strcmp(method, "PATCH") == 0) {
		patch = json_loads(body != NULL ? body : "{}", 0, NULL);
		change(o, patch);
		json_decref(patch);
		if (json_is_true(json_object_get(o, "archived")))
			drop_mappings(text(o, "id"));
	}
	return answer(shown(o), 200, ret_status);
}

/* The value of a filter in the query, or NULL. */
static char *filter(const char *query, const char *field)
{
	_cleanup_free_ char *key = xasprintf("filter%%5B%s%%5D%%5Beq%%5D=", field);
	const char *p = strstr(query, key);

	return p != NULL ? xstrndup(p + strlen(key), strcspn(p + strlen(key), "&")) : NULL;
}

enum { BY_NAME, BY_SERVICE, BY_RESOURCE, BY_LABEL, BY_INSTANCE, N_FILTERS };

static const char *value_of(const json_t *o, int field)
{
	const json_t *resource;

	switch (field) {
	case BY_NAME:
		return text(o, "name");
	case BY_SERVICE:
		return text(o, "service");
	case BY_RESOURCE:
		return text(o, "resource");
	case BY_LABEL:
		return text(json_object_get(o, "labels"), "azure-devops-instance");
	default:
		resource = json_object_get(objects, text(o, "resource"));
		return text(json_object_get(objects, text(resource, "integration_instance")), "name");
	}
}

static bool matches(const json_t *o, char *const filters[N_FILTERS])
{
	for (int i = 0; i < N_FILTERS; i++)
		if (filters[i] != NULL && strcmp(filters[i], value_of(o, i)) != 0)
			return false;
	return true;
}

static char *list(const char *kind, const char *query, int *ret_status)
{
	static const char *const fields[] = { "name", "service.id", "resource.id", "labels.azure-devops-instance",
					      "resource.integration.instance.name" };
	const char *id, *size = strstr(query, "page%5Bsize%5D="), *number = strstr(query, "page%5Bnumber%5D=");
	long n = size != NULL ? strtol(strchr(size, '=') + 1, NULL, 10) : 100,
	     page = number != NULL ? strtol(strchr(number, '=') + 1, NULL, 10) : 1, total = 0;
	json_t *data = json_array(), *o;
	char *filters[N_FILTERS];

	for (size_t i = 0; i < N_FILTERS; i++)
		filters[i] = filter(query, fields[i]);
	json_object_foreach(json_object_get(kinds, kind), id, o) {
		if (!matches(o, filters))
			continue;
		if (total >= (page - 1) * n && total < page * n)
			json_array_append_new(data, shown(o));
		total++;
	}
	for (size_t i = 0; i < N_FILTERS; i++)
		free(filters[i]);
	return answer(json_pack("{s:o,s:{s:{s:I}}}", "data", data, "meta", "page", "total", (json_int_t)total), 200, ret_status);
}

char *fake_konnect_answer(const char *method, const char *path, const char *body, int *ret_status)
{
	const char *p = path + strlen("/v1/");
	size_t n = strcspn(p, "/?");
	_cleanup_free_ char *kind = xstrndup(p, n), *id = NULL;

	if (objects == NULL) {
		objects = json_object();
		kinds = json_object();
	}
	*ret_status = 200;
	if (strcmp(kind, "integrations") == 0)
		return xstrdup("{\"data\":[{\"name\":\"azure-devops\",\"resource_types\":{\"repository\":{\"schema\":{\"definition\":"
			       "{\"organization\":\"string\",\"project_id\":\"string\",\"repository_id\":\"string\"}}}}}]}");
	if (p[n] == '/') {
		id = xstrndup(p + n + 1, strcspn(p + n + 1, "?"));
		return one(method, id, body, ret_status);
	}
	return strcmp(method, "POST") == 0 ? create(kind, body, ret_status) : list(kind, p + n, ret_status);
}
