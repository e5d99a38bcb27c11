#include "plan.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "document.h"
#include "limits.h"
#include "util.h"

#define REMOVAL_LIMIT_FLOOR 5	/* a handful of repositories may go on any day */

static char *show(const json_t *j)
{
	if (j == NULL || json_is_null(j))
		return NULL;
	return json_is_string(j) ? xstrdup(json_string_value(j)) : json_dumps(j, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS);
}

static void add(struct plan_action *a, const char *prefix, const char *key, const json_t *old, const json_t *new)
{
	struct plan_difference *d = &a->differences[a->n];

	if (a->n == PLAN_DIFFERENCES_MAX || json_equal(old, new))
		return;
	*d = (struct plan_difference){ .field = xasprintf("%s%s", prefix, key), .old = show(old), .new = show(new) };
	if (d->old == NULL && d->new == NULL) {
		/* null and absent are the same to Konnect */
		free(d->field);
		return;
	}
	a->n++;
}

static void compare(struct plan_action *a, const char *prefix, const json_t *old, const json_t *new)
{
	json_t *value, *o = (json_t *)(uintptr_t)old, *n = (json_t *)(uintptr_t)new;
	const char *key;

	json_object_foreach(n, key, value)
		if (!json_is_object(value))
			add(a, prefix, key, json_object_get(old, key), value);
	json_object_foreach(o, key, value)
		if (!json_is_object(value) && json_object_get(new, key) == NULL)
			add(a, prefix, key, value, NULL);
}

static const json_t *git_repo(const json_t *doc)
{
	return json_object_get(json_object_get(doc, "custom_fields"), "git_repo");
}

static const struct plan_difference *difference(const struct plan_action *a, const char *field)
{
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->differences[i].field, field) == 0)
			return &a->differences[i];
	return NULL;
}

/* What becoming one of our own states means. */
static enum plan_kind kind_of_state(enum repo_state s)
{
	switch (s) {
	case REPO_EXCLUDED:
		return PLAN_EXCLUDE;
	case REPO_MISSING:
		return PLAN_MISS;
	case REPO_REMOVED:
		return PLAN_REMOVE;
	case REPO_DISABLED:
		return PLAN_DISABLE;
	case REPO_ACTIVE:
	case REPO_MAINTENANCE:
	case REPO_EMPTY:
		break;
	}
	return PLAN_CHANGE;
}

static enum plan_kind kind_of(const struct plan_action *a, enum repo_state now)
{
	const struct plan_difference *state = difference(a, "labels." LABEL_STATE);

	if (difference(a, "labels." LABEL_PROJECT_ID) != NULL)
		return PLAN_MOVE;
	if (difference(a, "git_repo.name") != NULL)
		return PLAN_RENAME;
	return state != NULL ? kind_of_state(now) : PLAN_CHANGE;
}

void plan_of_row(const struct config_instance *c, const struct cache_row *row, struct plan_action *ret)
{
	json_t *have, *want;
	char *text;

	*ret = (struct plan_action){ .kind = PLAN_NOTHING };
	if (row->kind == ROW_REPOSITORY && row->target != TARGET_OWN) {
		if (memcmp(&row->map_have, &row->map_want, sizeof(row->map_have)) == 0)
			return;
		ret->kind = row->state >= REPO_EXCLUDED ? kind_of_state(row->state) : PLAN_MAP;
		ret->moves = ret->kind == PLAN_MAP && row->mapping_id != NULL;
		return;
	}
	if (row->service_id == NULL) {
		/* none is made for what is gone, but its resource may wait */
		if (row->state < REPO_EXCLUDED)
			ret->kind = PLAN_CREATE;
		else if (memcmp(&row->map_have, &row->map_want, sizeof(row->map_have)) != 0)
			ret->kind = kind_of_state(row->state);
		return;
	}
	text = document_row(c, row);
	want = json_loads(text, 0, NULL);
	free(text);
	have = row->ack != NULL ? json_loads(row->ack, 0, NULL) : NULL;
	compare(ret, "", have, want);
	compare(ret, "git_repo.", git_repo(have), git_repo(want));
	compare(ret, "labels.", json_object_get(have, "labels"), json_object_get(want, "labels"));
	json_decref(have);
	json_decref(want);
	if (ret->n > 0)
		ret->kind = kind_of(ret, row->state);
	else if (row->state >= REPO_EXCLUDED && (memcmp(&row->have, &row->want, sizeof(row->have)) != 0 ||
						 memcmp(&row->map_have, &row->map_want, sizeof(row->map_have)) != 0))
		/* it says so already, and more is to be done */
		ret->kind = kind_of_state(row->state);
	else if (memcmp(&row->map_have, &row->map_want, sizeof(row->map_have)) != 0)
		ret->kind = PLAN_MAP;
}

void plan_action_done(struct plan_action *a)
{
	for (size_t i = 0; i < a->n; i++) {
		free(a->differences[i].field);
		free(a->differences[i].old);
		free(a->differences[i].new);
	}
	a->n = 0;
}

const char *plan_kind_name(enum plan_kind k)
{
	switch (k) {
	case PLAN_NOTHING:
		return "nothing";
	case PLAN_CREATE:
		return "create";
	case PLAN_ADOPT:
		return "adopt";
	case PLAN_RENAME:
		return "rename";
	case PLAN_MOVE:
		return "move";
	case PLAN_DISABLE:
		return "disable";
	case PLAN_EXCLUDE:
		return "exclude";
	case PLAN_MISS:
		return "missing";
	case PLAN_REMOVE:
		return "remove";
	case PLAN_CHANGE:
		return "change";
	case PLAN_MAP:
		return "map";
	}
	return "?";
}

const char *plan_differences_text(const struct plan_action *a, char *buf, size_t n)
{
	_cleanup_free_ char *all = xstrdup("");
	const char *none = "(none)";

	for (size_t i = 0; i < a->n; i++) {
		const struct plan_difference *d = &a->differences[i];
		const char *oq = d->old != NULL ? "\"" : "", *nq = d->new != NULL ? "\"" : "";
		char *more = xasprintf("%s%s%s %s%s%s -> %s%s%s", all, i > 0 ? ", " : "", d->field, oq,
				       d->old != NULL ? d->old : none, oq, nq, d->new != NULL ? d->new : none, nq);

		free(all);
		all = more;
	}
	return printable(buf, n, all);
}

uint32_t plan_removal_limit(const struct removal_limit *l, uint32_t known)
{
	uint32_t share;

	if (!l->percent)
		return l->value;
	share = (uint32_t)((uint64_t)known * l->value / 100);
	return share > REMOVAL_LIMIT_FLOOR ? share : REMOVAL_LIMIT_FLOOR;
}

static bool any_matches(char *const *globs, const struct repo *r)
{
	for (; *globs != NULL; globs++)
		if (glob_match(*globs, r->project_name, r->name))
			return true;
	return false;
}

bool plan_excludes(const struct config_instance *c, const struct repo *r)
{
	if (r->disabled && !c->include_disabled)
		return true;
	if (any_matches(c->exclude, r))
		return true;
	return c->include[0] != NULL && !any_matches(c->include, r);
}
