/* What the Konnect of the bench holds: services, mappings, integration instances. Objects are kept as the text they are
 * answered with. Nothing is ever freed before a reset. */
#pragma once

#include <jansson.h>
#include <stddef.h>

struct object {
	char id[37];
	char *name;
	char *text;
	char *brief;		/* of a service: how a mapping shows it */
	struct object *service;	/* of a mapping */
};

/* In the order of their creation. */
struct objects {
	struct object **list;
	size_t n, size;
};

enum kind { SERVICES, MAPPINGS, INSTANCES };

void catalog_reset(void);

size_t catalog_count(enum kind kind);

/* By "id:..." and the like: see KEY_*. NULL without one. */
struct object *catalog_find(enum kind kind, const char *by, const char *value);

/* The services with that label, or the mappings of that integration instance or service. */
const struct objects *catalog_list(enum kind kind, const char *by, const char *value);

/* Take a body, and give the object and 201 or 200, or another status and *ret_field, the field that is wrong. */
int catalog_create(enum kind kind, const json_t *body, struct object **ret, const char **ret_field);
int catalog_patch(enum kind kind, const char *id, const json_t *body, struct object **ret, const char **ret_field);
