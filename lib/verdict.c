#include "verdict.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "guard.h"
#include "limits.h"
#include "util.h"

static const char *body_start(const struct answer *a)
{
	const char *p = a->body != NULL ? a->body : "";

	if (strncmp(p, "\xef\xbb\xbf", 3) == 0)
		p += 3;
	return p + strspn(p, " \t\r\n");
}

static bool is_html(const struct answer *a)
{
	if (a->content_type != NULL && ascii_strcasestr(a->content_type, "html") != NULL)
		return true;
	return *body_start(a) == '<';
}

static bool title_says_unavailable(const struct answer *a)
{
	const char *title = a->body != NULL ? ascii_strcasestr(a->body, "<title") : NULL;
	const char *end = title != NULL ? ascii_strcasestr(title, "</title") : NULL;
	const char *word = title != NULL ? ascii_strcasestr(title, "unavailable") : NULL;

	return word != NULL && end != NULL && word < end;
}

static int hex(char c)
{
	const char *d = "0123456789abcdef", *p = c != '\0' ? strchr(d, ascii_lower(c)) : NULL;

	return p != NULL ? (int)(p - d) : -1;
}

/* Old servers write a space as '+'. */
static void percent_decode(char *buf, size_t n, const char *s)
{
	size_t o = 0;

	for (; *s != '\0' && o + 1 < n; s++) {
		if (*s == '%' && hex(s[1]) >= 0 && hex(s[2]) >= 0) {
			buf[o++] = (char)(hex(s[1]) << 4 | hex(s[2]));
			s += 2;
		} else {
			buf[o++] = *s == '+' ? ' ' : *s;
		}
	}
	buf[o] = '\0';
}

static json_t *body_json(const struct answer *a)
{
	const char *p = body_start(a);

	return *p == '{' ? json_loads(p, JSON_ALLOW_NUL, NULL) : NULL;
}

/* The message of any of the error shapes that are in use, borrowed from j. */
static const char *json_message(json_t *j)
{
	json_t *v = json_object_get(j, "value");
	const char *s = json_string_value(json_object_get(j, "message"));

	if (s == NULL)
		s = json_string_value(json_object_get(j, "Message"));
	if (s == NULL)
		s = json_string_value(json_object_get(v, "Message"));
	return s;
}

static bool has_service_error(const struct answer *a)
{
	return a->service_error != NULL && *a->service_error != '\0';
}

static bool says_expired(const char *s)
{
	return ascii_strcasestr(s, "personal access token") != NULL && ascii_strcasestr(s, "expired") != NULL;
}

static bool pat_expired(const struct answer *a)
{
	char text[MESSAGE_MAX];
	json_t *j;
	const char *type;
	bool expired;

	/* a listing may speak of expired tokens in a description */
	if (a->status < 300 && a->status != 203 && !(a->status == 200 && is_html(a)))
		return false;
	if (has_service_error(a)) {
		percent_decode(text, sizeof(text), a->service_error);
		if (says_expired(text))
			return true;
	}
	if (a->body != NULL && says_expired(a->body))
		return true;
	j = body_json(a);
	type = json_string_value(json_object_get(j, "typeKey"));
	/* the message is in the server's language, the type is not */
	expired = a->status == 401 && type != NULL && strcmp(type, "AccessCheckException") == 0;
	json_decref(j);
	return expired;
}

static bool has_json_error(const struct answer *a)
{
	json_t *j = body_json(a);
	bool found = j != NULL && (json_message(j) != NULL || json_object_get(j, "typeKey") != NULL);

	json_decref(j);
	return found;
}

static bool says_stopped(const struct answer *a)
{
	return (a->body != NULL && strstr(a->body, "TF24668") != NULL) ||
	       (a->service_error != NULL && strstr(a->service_error, "TF24668") != NULL);
}

static bool is_refusal(int status)
{
	return status == 400 || status == 405 || status == 406 || status == 410 || status == 413 || status == 414;
}

enum verdict verdict_of(const struct answer *a)
{
	int s = a->status;

	if (s == 429)
		return VERDICT_THROTTLED;
	if (pat_expired(a))
		return VERDICT_CREDENTIAL_EXPIRED;
	if (s == 401 && !has_service_error(a) && !has_json_error(a))
		return VERDICT_SCOPE_MISSING;
	if (s == 401 || s == 203 || (s >= 300 && s < 400 && s != 304))
		return VERDICT_CREDENTIAL_REJECTED;
	if (s == 200 && is_html(a))
		return title_says_unavailable(a) ? VERDICT_UNREACHABLE : VERDICT_CREDENTIAL_REJECTED;
	if (s == 403)
		return VERDICT_POLICY_BLOCKED;
	if (s == 404)
		return VERDICT_ORGANIZATION_UNKNOWN;
	if (s == 503 && says_stopped(a))
		return VERDICT_ORGANIZATION_STOPPED;
	if (is_refusal(s))
		return VERDICT_REFUSED;
	if (a->transport_error != NULL || s == 407 || s == 408 || (s >= 500 && s < 600))
		return VERDICT_UNREACHABLE;
	if ((s != 200 && GUARD("status")) || a->listing_error != NULL)
		return VERDICT_MALFORMED;
	if (a->content_type == NULL || !ascii_has_prefix_nocase(a->content_type, "application/json"))
		return VERDICT_MALFORMED;
	return VERDICT_OK;
}

/* Decimal seconds, rounded up; anything else is no wait. */
static int64_t parse_wait(const char *s)
{
	int64_t v = 0;
	bool fraction = false;

	s += strspn(s, " \t");
	if (*s < '0' || *s > '9')
		return -1;
	for (; *s >= '0' && *s <= '9'; s++)
		v = v < WAIT_MAX_SEC ? v * 10 + (*s - '0') : v;
	if (*s == '.')
		for (s++; *s >= '0' && *s <= '9'; s++)
			fraction = fraction || *s != '0';
	s += strspn(s, " \t");
	return *s == '\0' ? v + (fraction ? 1 : 0) : -1;
}

int64_t verdict_wait(const struct answer *a, int64_t now)
{
	int64_t wait = -1, at;

	if (a->retry_after != NULL) {
		wait = parse_wait(a->retry_after);
		if (wait < 0 && parse_http_date(a->retry_after, &at) == 0)
			wait = at > now ? at - now : 0;
	}
	if (wait < 0 && a->ratelimit_delay != NULL)
		wait = parse_wait(a->ratelimit_delay);
	if (wait < 0)
		wait = a->status == 429 ? THROTTLE_DEFAULT_SEC : 0;
	return wait < WAIT_MAX_SEC ? wait : WAIT_MAX_SEC;
}

const char *verdict_message(const struct answer *a, char *buf, size_t n)
{
	char text[MESSAGE_MAX];
	const char *p = body_start(a), *message;
	json_t *j = NULL;

	buf[0] = '\0';
	if (has_service_error(a)) {
		percent_decode(text, sizeof(text), a->service_error);
		return printable(buf, n, text);
	}
	if (a->status == 200)
		return printable(buf, n, a->listing_error != NULL && !is_html(a) ? a->listing_error : "");
	if (*p == '{') {
		j = body_json(a);
		message = json_message(j);
		(void)printable(buf, n, message != NULL ? message : "");
		json_decref(j);
	} else if (!is_html(a)) {
		(void)printable(buf, n, p);
	}
	return buf;
}

const char *verdict_name(enum verdict v)
{
	switch (v) {
	case VERDICT_OK:
		return "ok";
	case VERDICT_THROTTLED:
		return "throttled";
	case VERDICT_CREDENTIAL_EXPIRED:
		return "credential_expired";
	case VERDICT_SCOPE_MISSING:
		return "scope_missing";
	case VERDICT_CREDENTIAL_REJECTED:
		return "credential_rejected";
	case VERDICT_POLICY_BLOCKED:
		return "policy_blocked";
	case VERDICT_ORGANIZATION_UNKNOWN:
		return "organization_unknown";
	case VERDICT_ORGANIZATION_STOPPED:
		return "organization_stopped";
	case VERDICT_REFUSED:
		return "refused";
	case VERDICT_UNREACHABLE:
		return "unreachable";
	case VERDICT_MALFORMED:
		return "malformed";
	case VERDICT_CREDENTIAL_MISSING:
		return "credential_missing";
	case VERDICT_CACHE_FAILED:
		return "cache_failed";
	}
	return "?";
}

const char *verdict_advice(enum verdict v)
{
	switch (v) {
	case VERDICT_OK:
		return "nothing to do";
	case VERDICT_THROTTLED:
		return "Azure DevOps limits this identity; polling goes on when the wait is over";
	case VERDICT_CREDENTIAL_EXPIRED:
		return "renew the PAT or write a new one with Code:Read into the secret file";
	case VERDICT_SCOPE_MISSING:
		return "the PAT lacks Code:Read, or is unknown or revoked; write a new one into the secret file";
	case VERDICT_CREDENTIAL_REJECTED:
		return "the PAT was not accepted; write a new one with Code:Read into the secret file";
	case VERDICT_POLICY_BLOCKED:
		return "a policy or a permission forbids it; ask an administrator of the organization";
	case VERDICT_ORGANIZATION_UNKNOWN:
		return "check the name; was the organization renamed?";
	case VERDICT_ORGANIZATION_STOPPED:
		return "the organization is deactivated; an owner has to reactivate it";
	case VERDICT_REFUSED:
		return "the request was refused; if the message is about a version, set api_version";
	case VERDICT_UNREACHABLE:
		return "the service or the way to it is down; it is tried again by itself";
	case VERDICT_MALFORMED:
		return "the answer is no complete listing and was not used; it is tried again by itself";
	case VERDICT_CREDENTIAL_MISSING:
		return "put a PAT with Code:Read into the secret file";
	case VERDICT_CACHE_FAILED:
		return "it is this machine's disk, not the organization; the listing is read again by itself";
	}
	return "?";
}
