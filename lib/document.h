/* What Konnect is to hold for one repository or one instance: pure functions, same input, same bytes. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "config.h"
#include "repo.h"

#define LABEL_MANAGED_BY "managed-by"
#define LABEL_MANAGED_BY_US "adosyncd"
#define LABEL_INSTANCE "azure-devops-instance"
#define LABEL_ORGANIZATION "azure-devops-organization"
#define LABEL_PROJECT "azure-devops-project"
#define LABEL_PROJECT_ID "azure-devops-project-id"
#define LABEL_REPOSITORY_ID "azure-devops-repository-id"
#define LABEL_DEFAULT_BRANCH "azure-devops-default-branch"
#define LABEL_STATE "azure-devops-state"
#define LABEL_VISIBILITY "azure-devops-visibility"
#define LABEL_FORK "azure-devops-fork"
#define LABEL_WRITER "adosyncd-writer"	/* of an integration instance: which daemon writes it */

/* The service name to try: plain, or with '.' and the GUID's first 8 hex digits. plain_is_lossy (may be NULL) says
 * that the plain one has lost more than case and spaces, so that the other must be used. At most 120 bytes. */
char *document_service_name(const char *instance, const struct repo *r, bool with_guid, bool *plain_is_lossy);

/* The same for the service of the repository's project, whose GUID it then has. */
char *document_project_name(const char *instance, const struct repo *r, bool with_guid, bool *plain_is_lossy);

/* "Project / Repository", at most 120 characters. */
char *document_display_name(const struct repo *r);

/* The service document in canonical form (compact, keys sorted), ready to be the body of a POST. */
char *document_service(const struct config_instance *c, const struct repo *r, const char *service_name,
		       enum repo_state state);

/* Fields that are ours only while nobody edits them in Konnect. */
enum { DOCUMENT_DISPLAY_NAME = 1, DOCUMENT_DESCRIPTION = 2 };

/* The document of a row: of its repository, its project or its named service, less the fields that somebody has edited. Of a
 * repository that is excluded only the state and what is configured follow; the rest stays as it was acknowledged. */
struct cache_row;
char *document_row(const struct config_instance *c, const struct cache_row *row);

/* Which of those fields somebody has edited since Konnect acknowledged `ours` (fields that ours has not do not count). What
 * is wanted now may have got there without an answer: it is no edit, nor is a display name that the service's own labels
 * and git_repo give, nor a description while another is on its way. */
unsigned document_edited(const json_t *service, const json_t *ours, const json_t *want);

/* The same, of a service that nothing is remembered of: its display name is ours when its own labels and git_repo.name
 * give it or it is the one that is wanted, its description when it is the one that is wanted, or none. */
unsigned document_edited_unknown(const json_t *service, const json_t *want);

/* "Payments Hub" out of a display name "Payments Hub / user-api", when that is what the service's label of the project was
 * made of (a name without a letter or digit of ASCII has no label); otherwise NULL. The caller frees it. */
char *document_project_shown(const json_t *service);

/* Takes those fields out of a document. */
void document_leave(json_t *doc, unsigned theirs);

/* The integration instance in canonical form, without integration_name; display_name and description are left
 * out unless configured, and with for_create the display name falls back to the instance's name. */
char *document_instance(const struct config_instance *c, bool for_create);

/* Cuts a text to a label value: runs of other characters become '-', at most 63 bytes, alphanumeric at both ends.
 * NULL when nothing is left. */
char *document_label_value(const char *s);

/* The same text for the same document, whatever order its keys came in. */
char *document_canonical(const json_t *j);

/* The fields of one of Konnect's services that our documents speak of, keeping only what `like` has, at every depth,
 * and the labels that are ours: what Konnect or its users add is not drift. */
json_t *document_of_service(const json_t *service, const json_t *like);

/* The body of a PATCH that turns have into want: changed top-level fields, changed labels only, null for those
 * that went. custom_fields is left out: it is written whole, after reading (see document_patch_needs_read()). */
json_t *document_patch(const json_t *have, const json_t *want);

/* Whether custom_fields differ, so that Konnect's own must be read before they are written. */
bool document_patch_needs_read(const json_t *have, const json_t *want);
