/* The plan: what is to happen to one repository's service, in words an operator can check. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "cache.h"
#include "config.h"

enum plan_kind {
	PLAN_NOTHING,
	PLAN_CREATE,	/* service and mapping */
	PLAN_ADOPT,	/* Konnect has the service already, and it is ours */
	PLAN_RENAME,
	PLAN_MOVE,	/* to another project */
	PLAN_DISABLE,
	PLAN_EXCLUDE,	/* a filter keeps it out */
	PLAN_MISS,	/* not listed, and nothing says why */
	PLAN_REMOVE,	/* proven, or approved */
	PLAN_CHANGE,	/* anything else */
	PLAN_MAP,	/* to the service, which is as wanted */
};

#define PLAN_DIFFERENCES_MAX 64	/* fields and labels of a document together */

struct plan_difference {
	char *field;		/* as Konnect names it: "display_name", "labels.team", "git_repo.link" */
	char *old, *new;	/* NULL = absent */
};

struct plan_action {
	enum plan_kind kind;
	bool moves;		/* of PLAN_MAP: our mapping to another service goes */
	struct plan_difference differences[PLAN_DIFFERENCES_MAX];
	size_t n;
};

/* What converging the row would do: its acknowledged document against the one that is wanted now. */
void plan_of_row(const struct config_instance *c, const struct cache_row *row, struct plan_action *ret);
void plan_action_done(struct plan_action *a);

/* "create", "rename" and so on; and the past of it, which is the name of the log event. */
const char *plan_kind_name(enum plan_kind k);

/* "display_name \"A\" -> \"B\", labels.team (none) -> \"x\"" in one printable line of at most n bytes; returns buf. */
const char *plan_differences_text(const struct plan_action *a, char *buf, size_t n);

/* How many repositories may go missing in one poll before that has to be approved. known: those before the poll. */
uint32_t plan_removal_limit(const struct removal_limit *l, uint32_t known);

/* Whether the filters keep the repository out of the catalog. */
bool plan_excludes(const struct config_instance *c, const struct repo *r);
