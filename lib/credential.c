#include "credential.h"

#include <string.h>

#include "limits.h"
#include "util.h"

#define REPLACE_TAINTED_SEC 86400

static const struct digest none;

static bool same(const struct digest *a, const struct digest *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

bool credential_pending(const struct cache_instance *instance, const struct digest *want)
{
	return !same(&instance->shared, want);
}

/* No PAT's digest, and not none: a request that changes what Konnect has is under way. A crash must leave us neither in the
 * belief that it has the PAT still, nor that it has none, as then it would keep one that is to be removed. */
static struct digest unknown(void)
{
	struct digest d;

	memset(d.b, 0xff, sizeof(d.b));
	return d;
}

static void begin(struct credential *c, enum credential_step step)
{
	c->instance->shared = unknown();
	c->step = step;
}

void credential_init(struct credential *c, struct cache_instance *instance, const struct digest *want, bool verify, int64_t now)
{
	const struct digest unsure = unknown();

	*c = (struct credential){ .instance = instance, .want = *want, .before = instance->shared, .now = now };
	if (same(&instance->shared, want))
		c->step = verify && !digest_is_zero(want) ? CREDENTIAL_LOOK : CREDENTIAL_DONE;
	else if (!digest_is_zero(want) && (digest_is_zero(&instance->shared) || same(&instance->shared, &unsure)))
		begin(c, CREDENTIAL_CREATE);
	else
		begin(c, CREDENTIAL_DELETE);
}

void credential_done(struct credential *c)
{
	free(c->error);
	*c = (struct credential){ 0 };
}

/* Not with jansson, whose copies of the PAT nobody overwrites. */
static char *create_body(const char *pat)
{
	static const char head[] = "{\"type\":\"multi_key_auth\",\"config\":{\"headers\":[{\"name\":\"authorization\",\"key\":\"",
			  tail[] = "\"}]}}";
	char *body = xcalloc(sizeof(head) + sizeof(tail) + 2 * strlen(pat), 1), *p = body + sizeof(head) - 1;

	memcpy(body, head, sizeof(head) - 1);
	for (; *pat != '\0'; pat++) {
		if (*pat == '"' || *pat == '\\')
			*p++ = '\\';
		*p++ = *pat;
	}
	memcpy(p, tail, sizeof(tail));
	return body;
}

bool credential_request(const struct credential *c, const char *pat, struct konnect_request *ret)
{
	_cleanup_free_ char *id = konnect_encode(c->instance->konnect_id != NULL ? c->instance->konnect_id : "");

	*ret = (struct konnect_request){ .method = "GET" };
	switch (c->step) {
	case CREDENTIAL_LOOK:
		break;
	case CREDENTIAL_DELETE:
		ret->method = "DELETE";
		break;
	case CREDENTIAL_CREATE:
		ret->method = "POST";
		ret->body = create_body(pat);
		break;
	case CREDENTIAL_DONE:
	case CREDENTIAL_REFUSED:
		return false;
	}
	ret->path = xasprintf("/v1/integration-instances/%s/auth-credential", id);
	return true;
}

static void refuse(struct credential *c, const char *what, int status, const json_t *answer)
{
	char reason[MESSAGE_MAX];

	(void)konnect_reason(answer, reason, sizeof(reason));
	free(c->error);
	c->error = xasprintf("%s was refused with %d%s%s", what, status, *reason != '\0' ? ": " : "", reason);
	c->step = CREDENTIAL_REFUSED;
}

/* What Konnect says of the credential, without anything that is not for a status. */
static void take_note(struct credential *c, const json_t *answer)
{
	static const char *const keys[] = { "expires_at", "missing_permissions", "tainted" };
	json_t *note = json_object(), *v;

	for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
		v = json_object_get(answer, keys[i]);
		if (v != NULL)
			json_object_set(note, keys[i], v);
	}
	free(c->instance->credential);
	c->instance->credential = json_dumps(note, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(note);
}

static void look_answer(struct credential *c, int status, const json_t *answer)
{
	if (status == 404) {
		c->before = none;
		begin(c, CREDENTIAL_CREATE);
		return;
	}
	if (status != 200) {
		refuse(c, "looking at the credential", status, answer);
		return;
	}
	take_note(c, answer);
	c->tainted = json_is_true(json_object_get(answer, "tainted"));
	c->step = CREDENTIAL_DONE;
	if (c->tainted && c->now - c->instance->replaced >= REPLACE_TAINTED_SEC) {
		c->instance->replaced = c->now;
		begin(c, CREDENTIAL_DELETE);
	}
}

static void delete_answer(struct credential *c, int status, const json_t *answer)
{
	if (status != 404 && (status < 200 || status >= 300)) {
		refuse(c, "removing the credential", status, answer);
		return;
	}
	c->deleted = true;
	c->before = none;
	if (!digest_is_zero(&c->want)) {
		c->step = CREDENTIAL_CREATE;
		return;
	}
	c->removed = true;
	c->instance->shared = none;
	free(c->instance->credential);
	c->instance->credential = NULL;
	c->step = CREDENTIAL_DONE;
}

void credential_answer(struct credential *c, int status, const json_t *answer)
{
	switch (c->step) {
	case CREDENTIAL_LOOK:
		look_answer(c, status, answer);
		return;
	case CREDENTIAL_DELETE:
		delete_answer(c, status, answer);
		return;
	case CREDENTIAL_CREATE:
		if (status >= 200 && status < 300) {
			c->instance->shared = c->want;
			take_note(c, answer);
			c->created = !c->deleted;
			c->replaced = c->deleted;
			c->step = CREDENTIAL_DONE;
		} else if (status == 409 && !c->deleted) {
			/* there is one that we do not know, perhaps our own */
			begin(c, CREDENTIAL_DELETE);
		} else {
			if (status != 409)
				c->instance->shared = c->before;
			refuse(c, "sharing the PAT", status, answer);
		}
		return;
	case CREDENTIAL_DONE:
	case CREDENTIAL_REFUSED:
		return;
	}
}

static void append(char **text, const char *separator, const char *s, const char *end)
{
	char *more = xasprintf("%s%s%s%s", *text, **text != '\0' ? separator : "", s, end);

	free(*text);
	*text = more;
}

/* "vso.code (Repositories are not found.), vso.build" */
static char *missing_permissions(const json_t *list)
{
	char *text = xstrdup("");
	json_t *p, *scope;
	size_t i, k;

	json_array_foreach(list, i, p) {
		const char *message = konnect_text(p, "message");
		bool named = false;

		json_array_foreach(json_object_get(p, "scopes"), k, scope) {
			if (!json_is_string(scope))
				continue;
			append(&text, ", ", json_string_value(scope), "");
			named = true;
		}
		if (*message != '\0')
			append(&text, named ? " (" : ", ", message, named ? ")" : "");
		else if (!named)
			append(&text, ", ", "?", "");
	}
	return text;
}

char *credential_remark(const char *text)
{
	json_t *note = text != NULL ? json_loads(text, 0, NULL) : NULL;
	_cleanup_free_ char *missing = missing_permissions(json_object_get(note, "missing_permissions"));
	const char *expires = konnect_text(note, "expires_at");
	char *remark = NULL;

	if (json_is_true(json_object_get(note, "tainted")))
		remark = xstrdup("Konnect calls the shared PAT no longer valid");
	else if (*missing != '\0')
		remark = xasprintf("Konnect misses permissions of the shared PAT%s%s: %s", *expires != '\0' ? ", which expires at " : "",
				   expires, missing);
	else if (*expires != '\0')
		remark = xasprintf("Konnect says the shared PAT expires at %s", expires);
	json_decref(note);
	return remark;
}
