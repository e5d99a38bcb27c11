/* What an answer of Azure DevOps means: one pure function for the verdict, one for the wait. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum verdict {
	VERDICT_OK,
	VERDICT_THROTTLED,
	VERDICT_CREDENTIAL_EXPIRED,
	VERDICT_SCOPE_MISSING,
	VERDICT_CREDENTIAL_REJECTED,
	VERDICT_POLICY_BLOCKED,
	VERDICT_ORGANIZATION_UNKNOWN,
	VERDICT_ORGANIZATION_STOPPED,
	VERDICT_REFUSED,
	VERDICT_UNREACHABLE,
	VERDICT_MALFORMED,
	VERDICT_CREDENTIAL_MISSING,	/* there was no secret to ask with; never of an answer */
	VERDICT_CACHE_FAILED,		/* what was answered cannot be kept; never of an answer */
};

#define VERDICT_KINDS (VERDICT_CACHE_FAILED + 1)

/* One answer, or the lack of one. Texts may be NULL. */
struct answer {
	const char *transport_error;	/* why there is no complete answer: DNS, TLS, timeout, cut off */
	int status;			/* 0 when none arrived */
	const char *content_type;
	const char *retry_after;
	const char *ratelimit_delay;	/* X-RateLimit-Delay */
	const char *service_error;	/* X-TFS-ServiceError, percent-encoded */
	const char *body;		/* of a failed answer, or the beginning of a 200; NUL-terminated */
	const char *listing_error;	/* why a 200 is no complete listing, NULL if it is one */
};

enum verdict verdict_of(const struct answer *a);

/* Seconds the server asks us to wait (0 = it does not), at most an hour. now: Unix seconds, for dates. */
int64_t verdict_wait(const struct answer *a, int64_t now);

/* The server's own words in one printable line of at most n bytes, or "" when it had none; returns buf. */
const char *verdict_message(const struct answer *a, char *buf, size_t n);

/* "credential_expired" and so on. */
const char *verdict_name(enum verdict v);

/* What an operator is to do about it, one sentence. */
const char *verdict_advice(enum verdict v);
