/* One repository as Azure DevOps lists it: the fields a document is made of, and no others.
 * `size`, `project.revision` and `project.lastUpdateTime` move without meaning and are left out on purpose. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct repo {
	uint8_t guid[16];
	char *name;
	char *project_id;
	char *project_name;
	char *description;	/* the project's, at most KONNECT_DESCRIPTION_MAX characters; NULL = none */
	char *visibility;	/* open word: private, public, organization, ...; NULL = none */
	char *default_branch;	/* NULL for an empty repository, and for a disabled one */
	char *web_url;		/* webUrl, or else remoteUrl; NULL when neither is a web address */
	bool disabled, maintenance, fork;
};

/* Where a repository stands; the value of the label azure-devops-state. */
enum repo_state {
	REPO_ACTIVE,
	REPO_DISABLED,
	REPO_MAINTENANCE,
	REPO_EMPTY,
	REPO_EXCLUDED,
	REPO_MISSING,	/* not listed, and nothing says why */
	REPO_REMOVED,	/* proven, or approved */
};

#define REPO_STATES (REPO_REMOVED + 1)

/* Reads one element of a listing. 0 and *ret; -EBADMSG and *ret_error (static text) when it is no repository. */
int repo_parse(const char *p, size_t n, struct repo *ret, const char **ret_error);

/* Frees what the fields own. */
void repo_done(struct repo *r);

/* The state that follows from the listed fields alone. */
enum repo_state repo_listed_state(const struct repo *r);

const char *repo_state_name(enum repo_state s);
