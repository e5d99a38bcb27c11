/* Konnect when it works: it remembers instances and services, by name and by id, and takes every mapping. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "../../lib/util.h"
#include "fake.h"

static json_t *objects;	/* of all kinds, by id */
static unsigned ids;

void fake_konnect_reset(void)
{
	json_decref(objects);
	objects = NULL;
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

	json_object_foreach(objects, id, o)
		if (strcmp(text(o, "kind"), kind) == 0 && strcmp(text(o, "name"), name) == 0)
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

static char *create(const char *kind, const char *body, int *ret_status)
{
	json_t *o = json_loads(body != NULL ? body : "{}", 0, NULL);
	char id[32];

	if (*text(o, "name") != '\0' && find(kind, text(o, "name")) != NULL) {
		json_decref(o);
		return answer(json_pack("{s:i,s:s}", "status", 409, "title", "Conflict"), 409, ret_status);
	}
	(void)snprintf(id, sizeof(id), "id-%u", ++ids);
	json_object_set_new(o, "id", json_string(id));
	json_object_set_new(o, "kind", json_string(kind));
	if (*text(o, "integration_name") != '\0')
		json_object_set_new(o, "integration", json_pack("{s:s}", "name", text(o, "integration_name")));
	json_object_set_new(objects, id, o);
	return answer(json_incref(o), 201, ret_status);
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
	json_t *o = json_object_get(objects, id), *patch;

	if (o == NULL)
		return answer(json_pack("{s:i,s:s}", "status", 404, "title", "Not Found"), 404, ret_status);
	if (strcmp(method, "PATCH") == 0) {
		patch = json_loads(body != NULL ? body : "{}", 0, NULL);
		change(o, patch);
		json_decref(patch);
	}
	return answer(json_incref(o), 200, ret_status);
}

/* The value of a filter in the query, or NULL. */
static char *filter(const char *query, const char *field)
{
	_cleanup_free_ char *key = xasprintf("filter%%5B%s%%5D%%5Beq%%5D=", field);
	const char *p = strstr(query, key);

	return p != NULL ? xstrndup(p + strlen(key), strcspn(p + strlen(key), "&")) : NULL;
}

/* Whether the filter, if the query has it, lets a value through. */
static bool passes(const char *query, const char *field, const char *value)
{
	_cleanup_free_ char *wanted = filter(query, field);

	return wanted == NULL || strcmp(wanted, value) == 0;
}

static bool matches(const json_t *o, const char *query)
{
	const json_t *resource = json_object_get(o, "resource"), *instance;

	instance = json_object_get(objects, text(resource, "integration_instance"));
	return passes(query, "name", text(o, "name")) && passes(query, "service.id", text(o, "service")) &&
	       passes(query, "labels.azure-devops-instance", text(json_object_get(o, "labels"), "azure-devops-instance")) &&
	       passes(query, "resource.integration.instance.name", text(instance, "name"));
}

/* As a list shows it: a mapping names its service by an object. */
static json_t *shown(json_t *o)
{
	json_t *copy = json_copy(o);

	if (*text(o, "service") != '\0')
		json_object_set_new(copy, "service", json_pack("{s:s}", "id", text(o, "service")));
	return copy;
}

static char *list(const char *kind, const char *query, int *ret_status)
{
	const char *id, *size = strstr(query, "page%5Bsize%5D="), *number = strstr(query, "page%5Bnumber%5D=");
	long n = size != NULL ? strtol(strchr(size, '=') + 1, NULL, 10) : 100,
	     page = number != NULL ? strtol(strchr(number, '=') + 1, NULL, 10) : 1, total = 0;
	json_t *data = json_array(), *o;

	json_object_foreach(objects, id, o) {
		if (strcmp(text(o, "kind"), kind) != 0 || !matches(o, query))
			continue;
		if (total >= (page - 1) * n && total < page * n)
			json_array_append_new(data, shown(o));
		total++;
	}
	return answer(json_pack("{s:o,s:{s:{s:I}}}", "data", data, "meta", "page", "total", (json_int_t)total), 200, ret_status);
}

char *fake_konnect_answer(const char *method, const char *path, const char *body, int *ret_status)
{
	const char *p = path + strlen("/v1/");
	size_t n = strcspn(p, "/?");
	_cleanup_free_ char *kind = xstrndup(p, n), *id = NULL;

	if (objects == NULL)
		objects = json_object();
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
