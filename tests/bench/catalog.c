#include "catalog.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A table from texts to whatever is under them. */
struct entry {
	char *key;
	void *value;
};

struct map {
	struct entry *entries;
	size_t n, mask;
};

static struct {
	struct map map;
	size_t n[3];
	uint64_t created;	/* objects so far: their time */
} catalog;

static void *alloc(size_t n)
{
	void *p = calloc(1, n);

	if (p == NULL) {
		perror("konnect");
		exit(1);
	}
	return p;
}

static char *copy(const char *s)
{
	return strcpy(alloc(strlen(s) + 1), s);
}

static uint64_t hash(const char *s, uint64_t seed)
{
	uint64_t h = UINT64_C(14695981039346656037) ^ seed;

	while (*s != '\0')
		h = (h ^ (uint8_t)*s++) * UINT64_C(1099511628211);
	h ^= h >> 32;
	return h * UINT64_C(0x9e3779b97f4a7c15) ^ h >> 29;
}

static struct entry *map_slot(struct map *m, const char *key)
{
	size_t i = hash(key, 0) & m->mask;

	while (m->entries[i].key != NULL && strcmp(m->entries[i].key, key) != 0)
		i = (i + 1) & m->mask;
	return &m->entries[i];
}

static void *map_get(struct map *m, const char *key)
{
	return m->entries != NULL ? map_slot(m, key)->value : NULL;
}

static void map_set(struct map *m, const char *key, void *value)
{
	struct entry *e;

	if (m->entries == NULL || 2 * m->n > m->mask) {
		struct map bigger = { .mask = m->entries == NULL ? 4095 : 2 * m->mask + 1 };

		bigger.entries = alloc((bigger.mask + 1) * sizeof(*bigger.entries));
		for (size_t i = 0; m->entries != NULL && i <= m->mask; i++)
			if (m->entries[i].key != NULL)
				*map_slot(&bigger, m->entries[i].key) = m->entries[i];
		bigger.n = m->n;
		free(m->entries);
		*m = bigger;
	}
	e = map_slot(m, key);
	if (e->key == NULL) {
		e->key = copy(key);
		m->n++;
	}
	e->value = value;
}

/* Everything is in one table, under its kind, what it is found by and the value of that. */
static const char *key_of(const char *what, enum kind kind, const char *by, const char *value)
{
	static char key[4096];

	(void)snprintf(key, sizeof(key), "%s %d %s %s", what, (int)kind, by, value);
	return key;
}

void catalog_reset(void)
{
	for (size_t i = 0; catalog.map.entries != NULL && i <= catalog.map.mask; i++) {
		struct entry *e = &catalog.map.entries[i];

		if (e->key != NULL && strncmp(e->key, "one", 3) == 0 && strstr(e->key, " id ") == e->key + 5) {
			struct object *o = e->value;

			free(o->name);
			free(o->text);
			free(o->brief);
			free(o);
		} else if (e->key != NULL && strncmp(e->key, "all", 3) == 0) {
			free(((struct objects *)e->value)->list);
			free(e->value);
		}
		free(e->key);
	}
	free(catalog.map.entries);
	memset(&catalog, 0, sizeof(catalog));
}

size_t catalog_count(enum kind kind)
{
	return catalog.n[kind];
}

struct object *catalog_find(enum kind kind, const char *by, const char *value)
{
	return map_get(&catalog.map, key_of("one", kind, by, value));
}

const struct objects *catalog_list(enum kind kind, const char *by, const char *value)
{
	static const struct objects none;
	const struct objects *o = map_get(&catalog.map, key_of("all", kind, by, value));

	return o != NULL ? o : &none;
}

static void file_under(enum kind kind, const char *by, const char *value, struct object *o)
{
	map_set(&catalog.map, key_of("one", kind, by, value), o);
}

static void append(enum kind kind, const char *by, const char *value, struct object *o)
{
	struct objects *l = map_get(&catalog.map, key_of("all", kind, by, value));

	if (l == NULL) {
		l = alloc(sizeof(*l));
		map_set(&catalog.map, key_of("all", kind, by, value), l);
	}
	if (l->n == l->size) {
		l->size = l->size > 0 ? 2 * l->size : 128;
		l->list = realloc(l->list, l->size * sizeof(struct object *));
		if (l->list == NULL) {
			perror("konnect");
			exit(1);
		}
	}
	l->list[l->n++] = o;
}

/* Ids come from what an object is, so that requests that were recorded can be sent again. */
static void id_of(enum kind kind, const char *key, char ret[37])
{
	uint64_t a = hash(key, (uint64_t)kind + 1), b = hash(key, (uint64_t)kind + 0x100);

	(void)snprintf(ret, 37, "%08x-%04x-4%03x-a%03x-%012llx", (unsigned)(a >> 32), (unsigned)(a >> 16 & 0xffff), (unsigned)(a & 0xfff),
		       (unsigned)(b >> 52), (unsigned long long)(b & UINT64_C(0xffffffffffff)));
}

/* Each a millisecond after the one before. */
static const char *time_text(uint64_t n)
{
	static char text[64];
	uint64_t s = n / 1000;

	(void)snprintf(text, sizeof(text), "2026-01-%02uT%02u:%02u:%02u.%03uZ", (unsigned)(1 + s / 86400), (unsigned)(s / 3600 % 24),
		       (unsigned)(s / 60 % 60), (unsigned)(s % 60), (unsigned)(n % 1000));
	return text;
}

static const char *text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s != NULL ? s : "";
}

static json_t *or_null(json_t *o)
{
	return o != NULL ? json_incref(o) : json_null();
}

static json_t *or_empty(json_t *o)
{
	return o != NULL && !json_is_null(o) ? json_incref(o) : json_object();
}

static void show(struct object *o, json_t *all, enum kind kind)
{
	free(o->text);
	o->text = json_dumps(all, JSON_COMPACT);
	if (kind == SERVICES) {
		json_t *brief = json_pack("{s:s,s:s,s:O}", "id", o->id, "name", o->name, "display_name", json_object_get(all, "display_name"));

		free(o->brief);
		o->brief = json_dumps(brief, JSON_COMPACT);
		json_decref(brief);
	}
	json_decref(all);
}

static bool only(const json_t *body, const char *const *allowed, const char **ret_field)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)body, key, value) {
		const char *const *a = allowed;

		while (*a != NULL && strcmp(*a, key) != 0)
			a++;
		if (*a == NULL) {
			*ret_field = "unknown field";
			return false;
		}
	}
	return json_is_object(body);
}

static const char *const service_fields[] = { "name", "display_name", "description", "labels", "custom_fields", NULL };
static const char *const instance_fields[] = { "integration_name", "name", "display_name", "description", "config", "labels", NULL };
static const char *const mapping_fields[] = { "service", "resource", NULL };

static struct object *add(enum kind kind, const char *name, const char *key)
{
	struct object *o = alloc(sizeof(*o));

	id_of(kind, key, o->id);
	o->name = copy(name);
	file_under(kind, "id", o->id, o);
	catalog.n[kind]++;
	catalog.created++;
	return o;
}

static int create_named(enum kind kind, const json_t *body, struct object **ret, const char **ret_field)
{
	const char *name = text_of(body, "name"), *now;
	struct object *o;
	json_t *all;

	*ret_field = "name";
	if (*name == '\0' || json_object_get(body, "display_name") == NULL)
		return 400;
	if (catalog_find(kind, "name", name) != NULL)
		return 409;
	o = add(kind, name, name);
	file_under(kind, "name", name, o);
	now = time_text(catalog.created);
	all = json_pack("{s:s,s:s,s:O,s:o,s:o,s:s,s:s}", "id", o->id, "name", name, "display_name", json_object_get(body, "display_name"),
			"description", or_null(json_object_get(body, "description")), "labels", or_empty(json_object_get(body, "labels")),
			"created_at", now, "updated_at", now);
	if (kind == SERVICES) {
		json_object_set_new(all, "custom_fields", or_empty(json_object_get(body, "custom_fields")));
		append(kind, "label", text_of(json_object_get(body, "labels"), "azure-devops-instance"), o);
	} else {
		json_object_set_new(all, "config", or_empty(json_object_get(body, "config")));
		json_object_set_new(all, "authorized", json_false());
		json_object_set_new(all, "integration", json_pack("{s:s,s:s}", "name", text_of(body, "integration_name"), "display_name",
								  "Azure DevOps"));
	}
	show(o, all, kind);
	*ret = o;
	return 201;
}

static int create_mapping(const json_t *body, struct object **ret, const char **ret_field)
{
	json_t *resource = json_object_get(body, "resource"), *all;
	const char *service_id = text_of(body, "service"), *name = text_of(resource, "integration_instance");
	struct object *service = catalog_find(SERVICES, "id", service_id), *instance, *o;
	char *identity, *key, id[37];

	if (service == NULL)
		service = catalog_find(SERVICES, "name", service_id);
	instance = catalog_find(INSTANCES, "name", name);
	if (instance == NULL)
		instance = catalog_find(INSTANCES, "id", name);
	*ret_field = service == NULL ? "service" : "resource.integration_instance";
	if (service == NULL || instance == NULL)
		return 400;
	*ret_field = "resource.config";
	if (json_object_size(json_object_get(resource, "config")) != 3)
		return 400;
	identity = json_dumps(resource, JSON_COMPACT | JSON_SORT_KEYS);
	key = alloc(strlen(identity) + 64);
	(void)sprintf(key, "%s %s", service->id, identity);
	id_of(MAPPINGS, identity, id);
	if (catalog_find(MAPPINGS, "pair", key) != NULL) {
		free(identity);
		free(key);
		return 409;
	}
	o = add(MAPPINGS, "", key);
	o->service = service;
	file_under(MAPPINGS, "pair", key, o);
	append(MAPPINGS, "instance", instance->name, o);
	append(MAPPINGS, "service", service->id, o);
	all = json_pack("{s:s,s:s,s:{s:s,s:s,s:n,s:O,s:{s:s,s:s,s:{s:s,s:s,s:s}}}}", "id", o->id, "created_at",
			time_text(catalog.created), "resource", "id", id, "type", text_of(resource, "type"), "name", "config",
			json_object_get(resource, "config"), "integration", "name", "azure-devops", "display_name", "Azure DevOps",
			"instance", "id", instance->id, "name", instance->name, "display_name", instance->name);
	show(o, all, MAPPINGS);
	free(identity);
	free(key);
	*ret = o;
	return 201;
}

int catalog_create(enum kind kind, const json_t *body, struct object **ret, const char **ret_field)
{
	static const char *const *const fields[] = { service_fields, mapping_fields, instance_fields };

	if (!only(body, fields[kind], ret_field))
		return 400;
	return kind == MAPPINGS ? create_mapping(body, ret, ret_field) : create_named(kind, body, ret, ret_field);
}

static void merge_labels(json_t *all, json_t *labels)
{
	json_t *have = json_object_get(all, "labels"), *value;
	const char *key;

	json_object_foreach(labels, key, value) {
		if (json_is_null(value))
			(void)json_object_del(have, key);
		else
			(void)json_object_set(have, key, value);
	}
}

int catalog_patch(enum kind kind, const char *id, const json_t *body, struct object **ret, const char **ret_field)
{
	struct object *o = catalog_find(kind, "id", id);
	const char *key;
	json_t *all, *value;

	if (o == NULL)
		return 404;
	if (!only(body, kind == SERVICES ? service_fields : instance_fields, ret_field))
		return 400;
	*ret_field = "name";
	if (json_object_get(body, "name") != NULL && strcmp(text_of(body, "name"), o->name) != 0)
		return 400;
	all = json_loads(o->text, 0, NULL);
	json_object_foreach((json_t *)(uintptr_t)body, key, value) {
		if (strcmp(key, "labels") == 0)
			merge_labels(all, value);
		else
			(void)json_object_set(all, key, value);
	}
	show(o, all, kind);
	*ret = o;
	return 200;
}
