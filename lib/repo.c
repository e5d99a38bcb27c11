#include "repo.h"

#include <errno.h>
#include <string.h>

#include "limits.h"
#include "pick.h"
#include "util.h"

enum field {
	FIELD_ID, FIELD_NAME, FIELD_BRANCH, FIELD_WEB_URL, FIELD_REMOTE_URL, FIELD_DISABLED, FIELD_MAINTENANCE, FIELD_FORK,
	FIELD_PROJECT_ID, FIELD_PROJECT_NAME, FIELD_PROJECT_DESCRIPTION, FIELD_PROJECT_VISIBILITY, FIELDS,
};

static const struct pick fields[FIELDS] = {
	[FIELD_ID] = { .key = "id" },
	[FIELD_NAME] = { .key = "name" },
	[FIELD_BRANCH] = { .key = "defaultBranch" },
	[FIELD_WEB_URL] = { .key = "webUrl" },
	[FIELD_REMOTE_URL] = { .key = "remoteUrl" },
	/* old servers leave the flags out: only true means true */
	[FIELD_DISABLED] = { .key = "isDisabled" },
	[FIELD_MAINTENANCE] = { .key = "isInMaintenance" },
	[FIELD_FORK] = { .key = "isFork" },
	[FIELD_PROJECT_ID] = { .object = "project", .key = "id" },
	[FIELD_PROJECT_NAME] = { .object = "project", .key = "name" },
	[FIELD_PROJECT_DESCRIPTION] = { .object = "project", .key = "description" },
	[FIELD_PROJECT_VISIBILITY] = { .object = "project", .key = "visibility" },
};

/* Its text, cut on a code point: whoever takes it further refuses half of one. NULL for none, and for an empty one. */
static char *text_dup(const struct pick *k, size_t max)
{
	size_t n = k->len;

	if (n > max)
		for (n = max; n > 0 && ((unsigned char)k->text[n] & 0xc0) == 0x80; n--)
			;
	return n > 0 ? xstrndup(k->text, n) : NULL;
}

static bool is_usable(const struct pick *k)
{
	return k->len > 0 && k->len <= NAME_MAX_BYTES;
}

static int guid_of(const struct pick *k, uint8_t ret[16])
{
	char text[GUID_TEXT_LEN + 1] = "";

	if (k->len != GUID_TEXT_LEN)
		return -EINVAL;
	memcpy(text, k->text, GUID_TEXT_LEN);
	return guid_parse(text, ret);
}

/* remoteUrl carries the organization as user name; a link in a catalog must not. NULL when it is no web address, or
 * too long: half of one leads elsewhere. */
static char *web_link(const struct pick *k)
{
	_cleanup_free_ char *url = k->len <= URL_MAX_BYTES ? text_dup(k, URL_MAX_BYTES) : NULL;
	const char *host, *at;

	if (url == NULL || (!ascii_has_prefix_nocase(url, "https://") && !ascii_has_prefix_nocase(url, "http://")))
		return NULL;
	host = strstr(url, "://") + 3;
	at = memrchr(host, '@', strcspn(host, "/?#"));
	return at != NULL ? xasprintf("%.*s%s", (int)(host - url), url, at + 1) : xstrdup(url);
}

static int fill(const struct pick *f, struct repo *r, const char **ret_error)
{
	uint8_t project_guid[16];
	char *description;

	if (guid_of(&f[FIELD_ID], r->guid) < 0) {
		*ret_error = "a repository has no GUID in \"id\"";
		return -EBADMSG;
	}
	if (!is_usable(&f[FIELD_NAME])) {
		*ret_error = "a repository has no usable \"name\"";
		return -EBADMSG;
	}
	if (!is_usable(&f[FIELD_PROJECT_NAME]) || guid_of(&f[FIELD_PROJECT_ID], project_guid) < 0) {
		*ret_error = "a repository has no usable \"project\"";
		return -EBADMSG;
	}
	r->name = text_dup(&f[FIELD_NAME], NAME_MAX_BYTES);
	r->project_name = text_dup(&f[FIELD_PROJECT_NAME], NAME_MAX_BYTES);
	r->project_id = xcalloc(GUID_TEXT_LEN + 1, 1);
	guid_format(project_guid, r->project_id);
	/* four bytes are the most that a character has */
	description = text_dup(&f[FIELD_PROJECT_DESCRIPTION], (size_t)4 * KONNECT_DESCRIPTION_MAX);
	if (description != NULL)
		description[utf8_prefix(description, KONNECT_DESCRIPTION_MAX)] = '\0';
	r->description = description;
	r->visibility = text_dup(&f[FIELD_PROJECT_VISIBILITY], NAME_MAX_BYTES);
	r->default_branch = text_dup(&f[FIELD_BRANCH], NAME_MAX_BYTES);
	r->web_url = web_link(&f[FIELD_WEB_URL]);
	if (r->web_url == NULL)
		r->web_url = web_link(&f[FIELD_REMOTE_URL]);
	r->disabled = f[FIELD_DISABLED].is_true;
	r->maintenance = f[FIELD_MAINTENANCE].is_true;
	r->fork = f[FIELD_FORK].is_true;
	return 0;
}

int repo_parse(const char *p, size_t n, struct repo *ret, const char **ret_error)
{
	struct pick picks[FIELDS];
	struct repo r = { 0 };
	json_t *j;
	int e;

	memcpy(picks, fields, sizeof(picks));
	if (pick_values(p, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, picks, FIELDS, &j) < 0) {
		*ret_error = "an element is not JSON";
		return -EBADMSG;
	}
	e = fill(picks, &r, ret_error);
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
