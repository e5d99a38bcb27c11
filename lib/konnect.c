#include "konnect.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "canonical.h"
#include "document.h"
#include "limits.h"
#include "pick.h"
#include "util.h"

void konnect_request_done(struct konnect_request *r)
{
	free(r->path);
	/* it may hold a PAT */
	if (r->body != NULL)
		secret_zero(r->body, strlen(r->body));
	free(r->body);
	*r = (struct konnect_request){ 0 };
}

char *konnect_encode(const char *s)
{
	char *out = xcalloc(strlen(s) * 3 + 1, 1), *o = out;

	for (; *s != '\0'; s++) {
		if (ascii_is_alnum(*s) || *s == '-' || *s == '.' || *s == '_' || *s == '~')
			*o++ = *s;
		else
			o += sprintf(o, "%%%02X", (unsigned char)*s);
	}
	return out;
}

json_t *konnect_ids(const char *p, size_t n)
{
	struct pick picks[] = { { .key = "id" }, { .object = "resource", .key = "id" } };
	json_t *ids;

	if (!pick_scan(p, n, picks, ELEMENTSOF(picks)))
		return NULL;
	ids = json_object();
	if (picks[0].text != NULL)
		json_object_set_new(ids, "id", json_stringn(picks[0].text, picks[0].len));
	if (picks[1].text != NULL)
		json_object_set_new(ids, "resource", json_pack("{s:o}", "id", json_stringn(picks[1].text, picks[1].len)));
	return ids;
}

char *konnect_services_page(const char *instance, unsigned page)
{
	return xasprintf("/v1/catalog-services?filter%%5Blabels." LABEL_INSTANCE "%%5D%%5Beq%%5D=%s&sort=created_at&page%%5Bsize%%5D=%d"
			 "&page%%5Bnumber%%5D=%u", instance, KONNECT_PAGE_SIZE, page);
}

char *konnect_mappings_page(const char *instance, unsigned page)
{
	return xasprintf("/v1/resource-mappings?filter%%5Bresource.integration.instance.name%%5D%%5Beq%%5D=%s&sort=created_at"
			 "&page%%5Bsize%%5D=%d&page%%5Bnumber%%5D=%u", instance, KONNECT_PAGE_SIZE, page);
}

const char *konnect_text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s != NULL ? s : "";
}

/* Whether a 400 names that field and no other. */
static bool names_only(int status, const json_t *answer, const char *field)
{
	json_t *list = json_object_get(answer, "invalid_parameters"), *p;
	size_t i;

	if (status != 400 || json_array_size(list) == 0)
		return false;
	json_array_foreach(list, i, p)
		if (strcmp(konnect_text(p, "field"), field) != 0)
			return false;
	return true;
}

bool konnect_name_conflict(int status, const json_t *answer)
{
	return status == 409 || names_only(status, answer, "name");
}

bool konnect_service_refused(int status, const json_t *answer)
{
	return names_only(status, answer, "service");
}

bool konnect_resource_refused(int status, const json_t *answer)
{
	return names_only(status, answer, "resource");
}

char *konnect_resources_page(const char *instance, const char *cursor)
{
	return xasprintf("/v1/resources?filter%%5Bintegration.instance.name%%5D%%5Beq%%5D=%s&page%%5Bsize%%5D=%d%s%s", instance,
			 KONNECT_PAGE_SIZE, cursor != NULL ? "&page%5Bafter%5D=" : "", cursor != NULL ? cursor : "");
}

char *konnect_next_cursor(const json_t *answer)
{
	static const char *const marks[] = { "page[after]=", "page%5Bafter%5D=" };
	const char *next = konnect_text(json_object_get(json_object_get(answer, "meta"), "page"), "next"), *p;
	size_t n;

	for (size_t i = 0; i < ELEMENTSOF(marks); i++) {
		p = ascii_strcasestr(next, marks[i]);
		if (p == NULL)
			continue;
		p += strlen(marks[i]);
		n = strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~%+/=");
		return n > 0 ? xstrndup(p, n) : NULL;
	}
	return NULL;
}

const char *konnect_reason(const json_t *answer, char *buf, size_t n)
{
	json_t *list = json_object_get(answer, "invalid_parameters"), *p;
	char text[MESSAGE_MAX];
	size_t i, used = 0;

	text[0] = '\0';
	json_array_foreach(list, i, p) {
		if (used < sizeof(text))
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s: %s", i > 0 ? "; " : "",
						 konnect_text(p, "field"), konnect_text(p, "reason"));
	}
	if (used == 0)
		(void)snprintf(text, sizeof(text), "%s", konnect_text(answer, "detail"));
	if (text[0] == '\0')
		(void)snprintf(text, sizeof(text), "%s", konnect_text(answer, "title"));
	return printable(buf, n, text);
}

const char *konnect_trace(const json_t *answer)
{
	return konnect_text(answer, "instance");
}

enum fill { FILL_NONE, FILL_ORGANIZATION, FILL_PROJECT, FILL_PROJECT_ID, FILL_REPOSITORY, FILL_REPOSITORY_ID };

static enum fill fill_of(const char *key)
{
	static const struct {
		const char *word;
		enum fill fill;
	} words[] = {
		{ "organization", FILL_ORGANIZATION }, { "org", FILL_ORGANIZATION }, { "organizationname", FILL_ORGANIZATION },
		{ "project", FILL_PROJECT }, { "projectname", FILL_PROJECT }, { "projectid", FILL_PROJECT_ID },
		{ "repository", FILL_REPOSITORY }, { "repo", FILL_REPOSITORY }, { "repositoryname", FILL_REPOSITORY },
		{ "name", FILL_REPOSITORY }, { "repositoryid", FILL_REPOSITORY_ID }, { "repoid", FILL_REPOSITORY_ID },
		{ "id", FILL_REPOSITORY_ID },
	};
	char word[64];
	size_t n = 0;

	for (; *key != '\0' && n + 1 < sizeof(word); key++) {
		char c = ascii_lower(*key);

		if (c >= 'a' && c <= 'z')
			word[n++] = c;
	}
	word[n] = '\0';
	for (size_t i = 0; i < ELEMENTSOF(words); i++)
		if (strcmp(words[i].word, word) == 0)
			return words[i].fill;
	return FILL_NONE;
}

static json_t *definition_of(const json_t *type)
{
	return json_object_get(json_object_get(type, "schema"), "definition");
}

/* The first key that cannot be filled, or NULL. A type without keys identifies nothing, and wants one without a name. */
static const char *unfillable_key(const json_t *type)
{
	json_t *definition = definition_of(type), *kind;
	const char *key;

	if (json_object_size(definition) == 0)
		return "";
	json_object_foreach(definition, key, kind)
		if (fill_of(key) == FILL_NONE || json_string_value(kind) == NULL || strcmp(json_string_value(kind), "string") != 0)
			return key;
	return NULL;
}

static json_t *integration_types(const json_t *integrations)
{
	json_t *list = json_object_get(integrations, "data"), *p;
	size_t i;

	json_array_foreach(list, i, p)
		if (strcmp(konnect_text(p, "name"), KONNECT_INTEGRATION) == 0)
			return json_object_get(p, "resource_types");
	return NULL;
}

static char *type_list(json_t *types)
{
	char *s = xstrdup(""), *more;
	const char *name;
	json_t *type;

	json_object_foreach(types, name, type) {
		more = xasprintf("%s%s%s", s, *s != '\0' ? ", " : "", name);
		free(s);
		s = more;
	}
	return s;
}

static int choose(json_t *types, const char *configured, const char **ret_name, char **ret_error)
{
	_cleanup_free_ char *all = type_list(types);
	const char *name, *found = NULL;
	size_t n = 0;
	json_t *type;

	if (configured != NULL) {
		if (json_object_get(types, configured) == NULL) {
			*ret_error = xasprintf("resource_type \"%s\" is none of Konnect's for azure-devops (%s)", configured, all);
			return -EINVAL;
		}
		*ret_name = configured;
		return 0;
	}
	json_object_foreach(types, name, type) {
		if (json_object_size(types) == 1 || unfillable_key(type) == NULL) {
			found = name;
			n++;
		}
	}
	if (n != 1) {
		*ret_error = n == 0 ? xasprintf("none of Konnect's resource types (%s) can be a repository; set resource_type", all)
				    : xasprintf("more than one of Konnect's resource types (%s) can be a repository; set "
						"resource_type", all);
		return -EINVAL;
	}
	*ret_name = found;
	return 0;
}

int konnect_resource_type(const json_t *integrations, const char *configured, char **ret_type, char **ret_keys,
			  char **ret_error)
{
	json_t *types = integration_types(integrations), *type, *keys, *kind;
	const char *name = NULL, *bad, *key;

	if (json_object_size(types) == 0) {
		*ret_error = xstrdup("Konnect offers no integration azure-devops with resource types in this region; check region");
		return -EINVAL;
	}
	if (choose(types, configured, &name, ret_error) < 0)
		return -EINVAL;
	type = json_object_get(types, name);
	bad = unfillable_key(type);
	if (bad != NULL && *bad == '\0') {
		*ret_error = xasprintf("Konnect's resource type \"%s\" has no keys that could tell one repository from another; set "
				       "resource_type to another", name);
		return -EINVAL;
	}
	if (bad != NULL) {
		*ret_error = xasprintf("Konnect's resource type \"%s\" wants the key \"%s\", which nothing in a listing fills; set "
				       "resource_type to another", name, bad);
		return -EINVAL;
	}
	keys = json_array();
	json_object_foreach(definition_of(type), key, kind)
		json_array_append_new(keys, json_string(key));
	*ret_type = xstrdup(name);
	*ret_keys = json_dumps(keys, JSON_COMPACT);
	json_decref(keys);
	return 0;
}

bool konnect_keys_are_names(const char *keys)
{
	json_t *list = json_loads(keys, 0, NULL), *item;
	bool names = json_array_size(list) > 0;
	size_t i;

	json_array_foreach(list, i, item)
		names = names && (json_string_value(item) == NULL || fill_of(json_string_value(item)) != FILL_REPOSITORY_ID);
	json_decref(list);
	return names;
}

static const char *value_of(enum fill fill, const struct config_instance *c, const struct repo *r, const char *guid)
{
	switch (fill) {
	case FILL_ORGANIZATION:
		return c->organization;
	case FILL_PROJECT:
		return r->project_name;
	case FILL_PROJECT_ID:
		return r->project_id;
	case FILL_REPOSITORY:
		return r->name;
	case FILL_REPOSITORY_ID:
		return guid;
	case FILL_NONE:
		break;
	}
	return NULL;
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

char *konnect_resource_text(const char *keys, const struct config_instance *c, const struct repo *r, bool *ret_by_guid)
{
	json_t *list = keys != NULL ? json_loads(keys, 0, NULL) : NULL, *item;
	const char **names = xcalloc(json_array_size(list) + 1, sizeof(*names)), *value;
	struct buf b = canonical_begin();
	char guid[37];
	size_t i, n = 0;

	guid_format(r->guid, guid);
	json_array_foreach(list, i, item)
		if (json_string_value(item) != NULL)
			names[n++] = json_string_value(item);
	qsort(names, n, sizeof(*names), compare_texts);
	*ret_by_guid = false;
	canonical_open(&b);
	for (i = 0; i < n; i++) {
		value = value_of(fill_of(names[i]), c, r, guid);
		if (value == NULL || (i > 0 && strcmp(names[i], names[i - 1]) == 0))
			continue;
		canonical_member(&b, names[i], value);
		*ret_by_guid = *ret_by_guid || value == guid;
	}
	canonical_close(&b);
	json_decref(list);
	free(names);
	return b.data;
}

json_t *konnect_resource_config(const char *keys, const struct config_instance *c, const struct repo *r)
{
	bool by_guid;
	_cleanup_free_ char *text = konnect_resource_text(keys, c, r, &by_guid);

	return json_loads(text, 0, NULL);
}

bool konnect_resource_identity(const json_t *config, struct konnect_identity *ret)
{
	const char *key, *text;
	json_t *value;

	*ret = (struct konnect_identity){ 0 };
	json_object_foreach((json_t *)(uintptr_t)config, key, value) {
		text = json_string_value(value);
		if (text == NULL)
			continue;
		switch (fill_of(key)) {
		case FILL_REPOSITORY_ID:
			ret->by_guid = guid_parse(text, ret->guid) == 0;
			break;
		case FILL_PROJECT:
			ret->project = text;
			break;
		case FILL_REPOSITORY:
			ret->repository = text;
			break;
		case FILL_ORGANIZATION:
		case FILL_PROJECT_ID:
		case FILL_NONE:
			break;
		}
	}
	return ret->by_guid || (ret->project != NULL && ret->repository != NULL);
}

bool konnect_is_foreign(const json_t *object)
{
	json_t *labels = json_object_get(object, "labels");

	return json_object_get(labels, "KONGCTL-namespace") != NULL || json_object_get(labels, "KONGCTL-protected") != NULL;
}

bool konnect_is_ours(const json_t *object, const char *instance)
{
	json_t *labels = json_object_get(object, "labels");

	return !konnect_is_foreign(object) && strcmp(konnect_text(labels, LABEL_MANAGED_BY), LABEL_MANAGED_BY_US) == 0 &&
	       strcmp(konnect_text(labels, LABEL_INSTANCE), instance) == 0;
}

static char *project_name_of(const json_t *service)
{
	const char *label = konnect_text(json_object_get(service, "labels"), LABEL_PROJECT);
	char *name = document_project_shown(service);

	return name != NULL ? name : xstrdup(*label != '\0' ? label : "?");
}

static char *text_or_null(const char *s)
{
	return *s != '\0' ? xstrdup(s) : NULL;
}

void konnect_repo(const json_t *service, const uint8_t guid[16], struct repo *ret)
{
	const json_t *labels = json_object_get(service, "labels"),
		     *git_repo = json_object_get(json_object_get(service, "custom_fields"), "git_repo");
	const char *name = konnect_text(git_repo, "name"), *branch = konnect_text(labels, LABEL_DEFAULT_BRANCH);
	uint8_t project[16] = { 0 };

	/* anybody may have written the label, and it becomes part of an address: anything but a GUID is no project's */
	(void)guid_parse(konnect_text(labels, LABEL_PROJECT_ID), project);
	*ret = (struct repo){
		.name = xstrdup(*name != '\0' ? name : konnect_text(service, "name")),
		.project_id = xcalloc(GUID_TEXT_LEN + 1, 1),
		.project_name = project_name_of(service),
		.description = text_or_null(konnect_text(service, "description")),
		.visibility = text_or_null(konnect_text(labels, LABEL_VISIBILITY)),
		.default_branch = *branch != '\0' ? xasprintf("refs/heads/%s", branch) : NULL,
		.web_url = text_or_null(konnect_text(git_repo, "link")),
		.fork = strcmp(konnect_text(labels, LABEL_FORK), "true") == 0,
	};
	memcpy(ret->guid, guid, 16);
	guid_format(project, ret->project_id);
}
