#include "repo.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "limits.h"
#include "util.h"

static const char *text(json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s != NULL && *s != '\0' ? s : NULL;
}

/* Cut on a code point: whoever takes the text further refuses half of one. */
static char *text_dup(json_t *o, const char *key, size_t max)
{
	const char *s = text(o, key);
	size_t n = s != NULL ? strlen(s) : 0;

	if (n > max)
		for (n = max; n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80; n--)
			;
	return s != NULL ? xstrndup(s, n) : NULL;
}

/* remoteUrl carries the organization as user name; a link in a catalog must not. NULL when it is no web address, or
 * too long: half of one leads elsewhere. */
static char *web_link(const char *url)
{
	const char *host, *at;

	if (url == NULL || strlen(url) > URL_MAX_BYTES ||
	    (!ascii_has_prefix_nocase(url, "https://") && !ascii_has_prefix_nocase(url, "http://")))
		return NULL;
	host = strstr(url, "://") + 3;
	at = memrchr(host, '@', strcspn(host, "/?#"));
	return at != NULL ? xasprintf("%.*s%s", (int)(host - url), url, at + 1) : xstrdup(url);
}

static int fill(json_t *j, struct repo *r, const char **ret_error)
{
	json_t *project = json_object_get(j, "project");
	const char *id = text(j, "id"), *description = text(project, "description");
	uint8_t project_guid[16];

	if (id == NULL || guid_parse(id, r->guid) < 0) {
		*ret_error = "a repository has no GUID in \"id\"";
		return -EBADMSG;
	}
	if (text(j, "name") == NULL || strlen(text(j, "name")) > NAME_MAX_BYTES) {
		*ret_error = "a repository has no usable \"name\"";
		return -EBADMSG;
	}
	if (text(project, "name") == NULL || strlen(text(project, "name")) > NAME_MAX_BYTES ||
	    text(project, "id") == NULL || guid_parse(text(project, "id"), project_guid) < 0) {
		*ret_error = "a repository has no usable \"project\"";
		return -EBADMSG;
	}
	r->name = text_dup(j, "name", NAME_MAX_BYTES);
	r->project_name = text_dup(project, "name", NAME_MAX_BYTES);
	r->project_id = xcalloc(GUID_TEXT_LEN + 1, 1);
	guid_format(project_guid, r->project_id);
	if (description != NULL)
		r->description = xstrndup(description, utf8_prefix(description, KONNECT_DESCRIPTION_MAX));
	r->visibility = text_dup(project, "visibility", NAME_MAX_BYTES);
	r->default_branch = text_dup(j, "defaultBranch", NAME_MAX_BYTES);
	r->web_url = web_link(text(j, "webUrl"));
	if (r->web_url == NULL)
		r->web_url = web_link(text(j, "remoteUrl"));
	/* old servers leave the flags out: only true means true */
	r->disabled = json_is_true(json_object_get(j, "isDisabled"));
	r->maintenance = json_is_true(json_object_get(j, "isInMaintenance"));
	r->fork = json_is_true(json_object_get(j, "isFork"));
	return 0;
}

int repo_parse(const char *p, size_t n, struct repo *ret, const char **ret_error)
{
	struct repo r = { 0 };
	json_t *j = json_loadb(p, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
	int e;

	if (j == NULL) {
		*ret_error = "an element is not JSON";
		return -EBADMSG;
	}
	e = fill(j, &r, ret_error);
	json_decref(j);
	if (e < 0) {
		repo_done(&r);
		return e;
	}
	*ret = r;
	return 0;
}

void repo_done(struct repo *r)
{
	free(r->name);
	free(r->project_id);
	free(r->project_name);
	free(r->description);
	free(r->visibility);
	free(r->default_branch);
	free(r->web_url);
	*r = (struct repo){ 0 };
}

enum repo_state repo_listed_state(const struct repo *r)
{
	if (r->disabled)
		return REPO_DISABLED;
	if (r->maintenance)
		return REPO_MAINTENANCE;
	/* not by size: a repository of size 0 with a default branch exists in the wild */
	return r->default_branch != NULL ? REPO_ACTIVE : REPO_EMPTY;
}

const char *repo_state_name(enum repo_state s)
{
	switch (s) {
	case REPO_ACTIVE:
		return "active";
	case REPO_DISABLED:
		return "disabled";
	case REPO_MAINTENANCE:
		return "maintenance";
	case REPO_EMPTY:
		return "empty";
	case REPO_EXCLUDED:
		return "excluded";
	case REPO_MISSING:
		return "missing";
	case REPO_REMOVED:
		return "removed";
	}
	return "?";
}
