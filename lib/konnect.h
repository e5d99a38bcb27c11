/* Konnect's Catalog API as data: requests to send, answers to understand. Pure; facts from Kong's Service Catalog v1. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "repo.h"

#define KONNECT_INTEGRATION "azure-devops"

/* path begins with /v1; path and body are owned. */
struct konnect_request {
	const char *method;
	char *path;
	char *body;	/* NULL = none */
};
void konnect_request_done(struct konnect_request *r);

/* Percent-encodes everything but unreserved characters. */
char *konnect_encode(const char *s);

/* Paths of a page of the services with our label of that instance, and of the mappings of its resources, in the order of their
 * creation. instance: percent-encoded. */
char *konnect_services_page(const char *instance, unsigned page);
char *konnect_mappings_page(const char *instance, unsigned page);

/* Whether a refused POST is about the name and nothing else: 409, or 400 whose invalid_parameters name only `name`. */
bool konnect_name_conflict(int status, const json_t *answer);

/* Whether a refused mapping is about the resource as such, and not about a part of it: a 400 whose invalid_parameters name
 * only `resource`. */
bool konnect_resource_refused(int status, const json_t *answer);

/* The same about the service. */
bool konnect_service_refused(int status, const json_t *answer);

/* Path of a page of the resources that Konnect has of the instance; cursor: NULL for the first. Both percent-encoded. */
char *konnect_resources_page(const char *instance, const char *cursor);

/* The cursor of the next page out of a cursor answer (meta.page.next), percent-encoded as it stands there, to be freed; NULL
 * at the end. */
char *konnect_next_cursor(const json_t *answer);

/* Konnect's reasons in one printable line: "name: must be unique; labels: ...", else its detail, its title, ""; returns buf. */
const char *konnect_reason(const json_t *answer, char *buf, size_t n);

/* Of the answer to a creation what is read of it: its id, and its resource's, in an object as simple as that. NULL when that takes
 * more than a glance, or it is no JSON: then it is to be parsed. */
json_t *konnect_ids(const char *p, size_t n);

/* The correlation id Konnect's support asks for ("kong:trace:..."), or "". Borrowed. */
const char *konnect_trace(const json_t *answer);

/* Finds the resource type to use in the answer of GET /v1/integrations: `configured` if not NULL, the only one, or the
 * only one whose keys can all be filled. 0, *ret_type and *ret_keys (a JSON array of the keys' names), owned by the
 * caller; -EINVAL with a sentence in *ret_error. */
int konnect_resource_type(const json_t *integrations, const char *configured, char **ret_type, char **ret_keys,
			  char **ret_error);

/* Whether the keys identify a repository by names alone, so that a rename makes it another resource. */
bool konnect_keys_are_names(const char *keys);

/* The config object that identifies a repository, from the keys konnect_resource_type() gave (none for NULL): as canonical text,
 * to be freed, and as an object. by_guid: among them is its GUID. */
char *konnect_resource_text(const char *keys, const struct config_instance *c, const struct repo *r, bool *ret_by_guid);
json_t *konnect_resource_config(const char *keys, const struct config_instance *c, const struct repo *r);

/* Which repository a resource's configuration means: by its GUID, else by the names of project and repository (borrowed).
 * False when it says neither. */
struct konnect_identity {
	bool by_guid;
	uint8_t guid[16];
	const char *project, *repository;
};
bool konnect_resource_identity(const json_t *config, struct konnect_identity *ret);

/* A string member, or "". Borrowed. */
const char *konnect_text(const json_t *o, const char *key);

/* Whether a service or an integration instance carries our marks for this instance, and no foreign one. */
bool konnect_is_ours(const json_t *object, const char *instance);

/* Whether another tool has marked the object as its own. */
bool konnect_is_foreign(const json_t *object);

/* What is known of a repository that only its service tells of: enough that its document is the service, but for its state. The
 * caller releases it with repo_done(). */
void konnect_repo(const json_t *service, const uint8_t guid[16], struct repo *ret);
