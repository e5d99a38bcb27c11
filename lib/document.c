#include "document.h"

#include <stdio.h>
#include <string.h>

#include "cache.h"
#include "canonical.h"
#include "limits.h"
#include "util.h"

#define GUID_SUFFIX_LEN 9	/* '.' and 8 hex digits */

static bool is_slug_char(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-';
}

/* Appends the slug of s; says whether more than case and spaces was lost. */
static bool slug_add(char *buf, size_t *len, const char *s)
{
	bool lossy = false, in_run = false;

	for (; *s != '\0'; s++) {
		char c = ascii_lower(*s);

		if (is_slug_char(c)) {
			buf[(*len)++] = c;
			in_run = false;
			continue;
		}
		lossy = lossy || c != ' ';
		if (!in_run)
			buf[(*len)++] = '-';
		in_run = true;
	}
	return lossy;
}

/* Slugs of the words after the instance, with the GUID's first digits if asked for. */
static char *name_of(const char *instance, const char *const *words, size_t n, const uint8_t *guid, bool *plain_is_lossy)
{
	size_t len = strlen(instance), max = len + GUID_SUFFIX_LEN + 1;
	bool lossy = false;
	char *name;

	for (size_t i = 0; i < n; i++)
		max += strlen(words[i]) + 1;
	name = xcalloc(max, 1);
	memcpy(name, instance, len);
	for (size_t i = 0; i < n; i++) {
		name[len++] = '.';
		lossy = slug_add(name, &len, words[i]) || lossy;
	}
	if (len > KONNECT_NAME_MAX)
		lossy = true;
	if (plain_is_lossy != NULL)
		*plain_is_lossy = lossy;
	if (guid != NULL) {
		if (len > KONNECT_NAME_MAX - GUID_SUFFIX_LEN)
			len = KONNECT_NAME_MAX - GUID_SUFFIX_LEN;
		(void)snprintf(name + len, GUID_SUFFIX_LEN + 1, ".%02x%02x%02x%02x", guid[0], guid[1], guid[2], guid[3]);
	} else {
		name[len < KONNECT_NAME_MAX ? len : KONNECT_NAME_MAX] = '\0';
	}
	return name;
}

char *document_service_name(const char *instance, const struct repo *r, bool with_guid, bool *plain_is_lossy)
{
	const char *const words[] = { r->project_name, r->name };

	return name_of(instance, words, ELEMENTSOF(words), with_guid ? r->guid : NULL, plain_is_lossy);
}

char *document_project_name(const char *instance, const struct repo *r, bool with_guid, bool *plain_is_lossy)
{
	uint8_t guid[16] = { 0 };

	(void)guid_parse(r->project_id, guid);
	return name_of(instance, (const char *const[]){ r->project_name }, 1, with_guid ? guid : NULL, plain_is_lossy);
}

char *document_display_name(const struct repo *r)
{
	char *s = xasprintf("%s / %s", r->project_name, r->name);

	s[utf8_prefix(s, KONNECT_DISPLAY_NAME_MAX)] = '\0';
	return s;
}

/* Writes at most KONNECT_LABEL_MAX bytes and a NUL; how many bytes. */
static size_t label_value(char *v, const char *s)
{
	bool in_run = false;
	size_t len = 0;

	for (; *s != '\0' && len < KONNECT_LABEL_MAX; s++) {
		if (ascii_is_alnum(*s) || *s == '-' || *s == '.' || *s == '_') {
			if (len == 0 && !ascii_is_alnum(*s))
				continue;
			v[len++] = *s;
			in_run = false;
			continue;
		}
		if (!in_run && len > 0)
			v[len++] = '-';
		in_run = true;
	}
	while (len > 0 && !ascii_is_alnum(v[len - 1]))
		len--;
	v[len] = '\0';
	return len;
}

char *document_label_value(const char *s)
{
	char v[KONNECT_LABEL_MAX + 1];

	return label_value(v, s) > 0 ? xstrdup(v) : NULL;
}

/* Of one document, sorted by key. */
struct labels {
	size_t n;
	struct {
		const char *key;
		char value[KONNECT_LABEL_MAX + 1];
	} list[KONNECT_LABELS_MAX];
};

/* The value of that key, which is new or the one that is there; NULL when there is no room. */
static char *label_slot(struct labels *l, const char *key)
{
	size_t at = 0;

	while (at < l->n && strcmp(l->list[at].key, key) < 0)
		at++;
	if (at == l->n || strcmp(l->list[at].key, key) != 0) {
		if (l->n == ELEMENTSOF(l->list))
			return NULL;
		memmove(&l->list[at + 1], &l->list[at], (l->n - at) * sizeof(l->list[0]));
		l->list[at].key = key;
		l->n++;
	}
	return l->list[at].value;
}

static void label_add(struct labels *l, const char *key, const char *value)
{
	char v[KONNECT_LABEL_MAX + 1], *slot = value != NULL && label_value(v, value) > 0 ? label_slot(l, key) : NULL;

	if (slot != NULL)
		memcpy(slot, v, sizeof(v));
}

static void labels_common(struct labels *l, const struct config_instance *c)
{
	l->n = 0;
	for (size_t i = 0; i < c->n_labels; i++) {
		char *slot = label_slot(l, c->labels[i].key);

		if (slot != NULL)
			(void)snprintf(slot, sizeof(l->list[0].value), "%s", c->labels[i].value);
	}
	label_add(l, LABEL_MANAGED_BY, LABEL_MANAGED_BY_US);
	label_add(l, LABEL_INSTANCE, c->name);
	label_add(l, LABEL_ORGANIZATION, c->organization);
}

static void labels_write(struct buf *b, const struct labels *l)
{
	canonical_key(b, "labels");
	canonical_open(b);
	for (size_t i = 0; i < l->n; i++)
		canonical_member(b, l->list[i].key, l->list[i].value);
	canonical_close(b);
}

static const char *branch_name(const char *ref)
{
	static const char prefix[] = "refs/heads/";

	return strncmp(ref, prefix, sizeof(prefix) - 1) == 0 ? ref + sizeof(prefix) - 1 : ref;
}

/* A document of these parts; r is the repository whose git_repo it has, or NULL. */
static char *assemble(const char *name, const char *display_name, const char *description, const struct labels *labels,
		      const struct repo *r)
{
	struct buf b = canonical_begin();

	canonical_open(&b);
	canonical_key(&b, "custom_fields");
	canonical_open(&b);
	if (r != NULL && r->web_url != NULL) {
		canonical_key(&b, "git_repo");
		canonical_open(&b);
		canonical_member(&b, "link", r->web_url);
		canonical_member(&b, "name", r->name);
		canonical_close(&b);
	}
	canonical_close(&b);
	canonical_member(&b, "description", description);
	canonical_member(&b, "display_name", display_name);
	labels_write(&b, labels);
	canonical_member(&b, "name", name);
	canonical_close(&b);
	return b.data;
}

char *document_service(const struct config_instance *c, const struct repo *r, const char *service_name,
		       enum repo_state state)
{
	_cleanup_free_ char *display_name = document_display_name(r);
	struct labels labels;
	char guid[37];

	guid_format(r->guid, guid);
	labels_common(&labels, c);
	label_add(&labels, LABEL_PROJECT, r->project_name);
	label_add(&labels, LABEL_PROJECT_ID, r->project_id);
	label_add(&labels, LABEL_REPOSITORY_ID, guid);
	label_add(&labels, LABEL_DEFAULT_BRANCH, r->default_branch != NULL ? branch_name(r->default_branch) : NULL);
	label_add(&labels, LABEL_STATE, repo_state_name(state));
	label_add(&labels, LABEL_VISIBILITY, r->visibility);
	label_add(&labels, LABEL_FORK, r->fork ? "true" : "false");
	return assemble(service_name, display_name, r->description, &labels, r);
}

static char *document_project(const struct config_instance *c, const struct repo *r, const char *service_name, enum repo_state state)
{
	_cleanup_free_ char *display_name = xstrndup(r->project_name, utf8_prefix(r->project_name, KONNECT_DISPLAY_NAME_MAX));
	struct labels labels;

	labels_common(&labels, c);
	label_add(&labels, LABEL_PROJECT, r->project_name);
	label_add(&labels, LABEL_PROJECT_ID, r->project_id);
	label_add(&labels, LABEL_STATE, repo_state_name(state));
	label_add(&labels, LABEL_VISIBILITY, r->visibility);
	return assemble(service_name, display_name, r->description, &labels, NULL);
}

/* Only what a new one needs: one that exists keeps its fields. */
static char *document_named(const struct config_instance *c, const char *service_name)
{
	struct labels labels;

	labels_common(&labels, c);
	return assemble(service_name, service_name, NULL, &labels, NULL);
}

char *document_instance(const struct config_instance *c, bool for_create)
{
	struct buf b = canonical_begin();
	struct labels labels;

	labels_common(&labels, c);
	canonical_open(&b);
	canonical_key(&b, "config");
	canonical_open(&b);
	canonical_member(&b, "organization", c->organization);
	canonical_close(&b);
	if (c->description != NULL)
		canonical_member(&b, "description", c->description);
	if (c->display_name != NULL || for_create)
		canonical_member(&b, "display_name", c->display_name != NULL ? c->display_name : c->name);
	labels_write(&b, &labels);
	canonical_member(&b, "name", c->name);
	canonical_close(&b);
	return b.data;
}

char *document_canonical(const json_t *j)
{
	return json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS);
}

/* At every depth: Konnect may add to the objects within, too. */
static json_t *only_keys_of(const json_t *object, const json_t *like)
{
	json_t *out = json_object(), *value;
	const char *key;

	json_object_foreach((json_t *)(uintptr_t)like, key, value) {
		json_t *v = json_object_get(object, key);

		if (json_is_object(v) && json_is_object(value))
			json_object_set_new(out, key, only_keys_of(v, value));
		else if (v != NULL)
			json_object_set(out, key, v);
	}
	return out;
}

/* A label of ours that is wanted no more is drift as well: an emptied repository has no default branch. */
static json_t *only_labels_of(const json_t *labels, const json_t *like)
{
	static const char *const ours[] = {
		LABEL_MANAGED_BY, LABEL_INSTANCE, LABEL_ORGANIZATION, LABEL_PROJECT, LABEL_PROJECT_ID,
		LABEL_REPOSITORY_ID, LABEL_DEFAULT_BRANCH, LABEL_STATE, LABEL_VISIBILITY, LABEL_FORK,
	};
	json_t *out = only_keys_of(labels, like);

	for (size_t i = 0; i < ELEMENTSOF(ours); i++)
		if (json_object_get(labels, ours[i]) != NULL)
			json_object_set(out, ours[i], json_object_get(labels, ours[i]));
	return out;
}

json_t *document_of_service(const json_t *service, const json_t *like)
{
	json_t *out = only_keys_of(service, like);

	if (json_object_get(like, "description") != NULL && json_object_get(out, "description") == NULL)
		json_object_set_new(out, "description", json_null());
	json_object_set_new(out, "labels",
			    only_labels_of(json_object_get(service, "labels"), json_object_get(like, "labels")));
	json_object_set_new(out, "custom_fields", only_keys_of(json_object_get(service, "custom_fields"),
							       json_object_get(like, "custom_fields")));
	return out;
}

static json_t *label_patch(const json_t *have, const json_t *want)
{
	json_t *out = json_object(), *value;
	const char *key;

	json_object_foreach((json_t *)(uintptr_t)want, key, value)
		if (!json_equal(json_object_get(have, key), value))
			json_object_set(out, key, value);
	json_object_foreach((json_t *)(uintptr_t)have, key, value)
		if (json_object_get(want, key) == NULL)
			json_object_set_new(out, key, json_null());
	return out;
}

json_t *document_patch(const json_t *have, const json_t *want)
{
	json_t *out = json_object(), *labels, *value;
	const char *key;

	json_object_foreach((json_t *)(uintptr_t)want, key, value) {
		if (strcmp(key, "labels") == 0 || strcmp(key, "custom_fields") == 0)
			continue;
		if (!json_equal(json_object_get(have, key), value))
			json_object_set(out, key, value);
	}
	labels = label_patch(json_object_get(have, "labels"), json_object_get(want, "labels"));
	if (json_object_size(labels) > 0)
		json_object_set(out, "labels", labels);
	json_decref(labels);
	return out;
}

bool document_patch_needs_read(const json_t *have, const json_t *want)
{
	return !json_equal(json_object_get(have, "custom_fields"), json_object_get(want, "custom_fields"));
}

static const struct {
	unsigned flag;
	const char *field;
} editable[] = {
	{ DOCUMENT_DISPLAY_NAME, "display_name" },
	{ DOCUMENT_DESCRIPTION, "description" },
};

void document_leave(json_t *doc, unsigned theirs)
{
	for (size_t i = 0; i < ELEMENTSOF(editable); i++)
		if (theirs & editable[i].flag)
			json_object_del(doc, editable[i].field);
}

static void keep_one(json_t *doc, const json_t *ack, const char *key)
{
	json_t *value = json_object_get(ack, key);

	if (value != NULL)
		json_object_set(doc, key, value);
	else
		json_object_del(doc, key);
}

/* What the listing says of a repository that is excluded is not followed: it stays as it was acknowledged. */
static void keep_acknowledged(json_t *doc, const json_t *ack)
{
	static const char *const fields[] = { "display_name", "description", "custom_fields" },
			  *const labels[] = { LABEL_PROJECT, LABEL_PROJECT_ID, LABEL_DEFAULT_BRANCH, LABEL_VISIBILITY, LABEL_FORK };

	for (size_t i = 0; i < ELEMENTSOF(fields); i++)
		keep_one(doc, ack, fields[i]);
	for (size_t i = 0; i < ELEMENTSOF(labels); i++)
		keep_one(json_object_get(doc, "labels"), json_object_get(ack, "labels"), labels[i]);
}

char *document_row(const struct config_instance *c, const struct cache_row *row)
{
	bool excluded = row->kind == ROW_REPOSITORY && row->state == REPO_EXCLUDED && row->ack != NULL;
	char *text = NULL;
	json_t *doc, *ack;

	switch (row->kind) {
	case ROW_REPOSITORY:
		text = document_service(c, &row->repo, row->service_name, row->state);
		break;
	case ROW_PROJECT:
		text = document_project(c, &row->repo, row->service_name, row->state);
		break;
	case ROW_NAMED:
		text = document_named(c, row->service_name);
		break;
	}
	if (row->theirs == 0 && !excluded)
		return text;
	doc = json_loads(text, 0, NULL);
	free(text);
	ack = excluded ? json_loads(row->ack, 0, NULL) : NULL;
	if (ack != NULL)
		keep_acknowledged(doc, ack);
	json_decref(ack);
	document_leave(doc, row->theirs);
	text = document_canonical(doc);
	json_decref(doc);
	return text;
}

/* Absent and null are the same to Konnect. */
static bool same(const json_t *a, const json_t *b)
{
	bool no_a = a == NULL || json_is_null(a), no_b = b == NULL || json_is_null(b);

	return no_a || no_b ? no_a && no_b : json_equal(a, b);
}

/* The label has lost what no label can hold, so it is compared with the label of what stands before the separator; no
 * project's name has a '/'. */
char *document_project_shown(const json_t *service)
{
	const char *text = json_string_value(json_object_get(service, "display_name")), *end = text != NULL ? strstr(text, " / ") : NULL,
		   *label = json_string_value(json_object_get(json_object_get(service, "labels"), LABEL_PROJECT));
	char *project = end != NULL ? xstrndup(text, (size_t)(end - text)) : NULL;
	_cleanup_free_ char *slug = project != NULL ? document_label_value(project) : NULL;

	if (project != NULL && strcmp(slug != NULL ? slug : "", label != NULL ? label : "") == 0)
		return project;
	free(project);
	return NULL;
}

static bool display_name_is_ours(const json_t *service)
{
	const char *text = json_string_value(json_object_get(service, "display_name")),
		   *name = json_string_value(json_object_get(json_object_get(json_object_get(service, "custom_fields"), "git_repo"),
							     "name"));
	_cleanup_free_ char *project = document_project_shown(service), *expected = NULL;

	if (project == NULL)
		return false;
	expected = xasprintf("%s / %s", project, name != NULL ? name : "");
	expected[utf8_prefix(expected, KONNECT_DISPLAY_NAME_MAX)] = '\0';
	return strcmp(expected, text) == 0;
}

unsigned document_edited(const json_t *service, const json_t *ours, const json_t *want)
{
	unsigned edited = 0;

	for (size_t i = 0; i < ELEMENTSOF(editable); i++) {
		const json_t *v = json_object_get(ours, editable[i].field), *w = json_object_get(want, editable[i].field),
			     *has = json_object_get(service, editable[i].field);

		if (v != NULL && !same(has, v) && !same(has, w))
			edited |= editable[i].flag;
	}
	if (display_name_is_ours(service))
		edited &= ~(unsigned)DOCUMENT_DISPLAY_NAME;
	if (!same(json_object_get(ours, "description"), json_object_get(want, "description")))
		edited &= ~(unsigned)DOCUMENT_DESCRIPTION;
	return edited;
}

unsigned document_edited_unknown(const json_t *service, const json_t *want)
{
	const json_t *description = json_object_get(service, "description");
	unsigned edited = 0;

	if (!display_name_is_ours(service) && !same(json_object_get(service, "display_name"), json_object_get(want, "display_name")))
		edited |= DOCUMENT_DISPLAY_NAME;
	if (!same(description, NULL) && !same(description, json_object_get(want, "description")))
		edited |= DOCUMENT_DESCRIPTION;
	return edited;
}
