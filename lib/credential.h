/* The credential of an integration instance, which is a singleton: created, replaced (delete, then create) and removed so
 * that a crash at any point is repaired by doing the rest. Pure; facts from Kong's Service Catalog v1. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "cache.h"
#include "konnect.h"

enum credential_step {
	CREDENTIAL_LOOK,	/* what does Konnect say of it? */
	CREDENTIAL_DELETE,
	CREDENTIAL_CREATE,
	CREDENTIAL_DONE,
	CREDENTIAL_REFUSED,	/* see error */
};

struct credential {
	struct cache_instance *instance; /* shared and credential are updated; save them before the next request */
	struct digest want;		/* of the PAT to share, all zero = none */
	struct digest before;		/* what Konnect had, as far as it is known, when it refuses a new one */
	int64_t now;
	enum credential_step step;
	bool created, replaced, removed, tainted;	/* what happened, for the log */
	bool deleted;
	char *error;
};

/* want: the digest of a PAT that a poll of our own found good, or all zero when none is to be shared. verify: ask Konnect
 * even if nothing has changed here; a tainted one is then replaced, at most once a day. The instance must have its konnect_id. */
void credential_init(struct credential *c, struct cache_instance *instance, const struct digest *want, bool verify, int64_t now);
void credential_done(struct credential *c);

/* Whether anything is to be done. */
bool credential_pending(const struct cache_instance *instance, const struct digest *want);

/* The next request, or false. For CREDENTIAL_CREATE the body has pat, the one that want is the digest of: overwrite it
 * when it was sent (konnect_request_done() does). */
bool credential_request(const struct credential *c, const char *pat, struct konnect_request *ret);

/* Learns from the answer to that request; see converge_answer() for which answers come here. */
void credential_answer(struct credential *c, int status, const json_t *answer);

/* What an operator should know of what Konnect says of it ("expires_at", "missing_permissions", "tainted"), in a sentence to be
 * freed, or NULL. text: cache_instance.credential. */
char *credential_remark(const char *text);
