/* Withdraw: everything that an instance owns in Konnect, found by its marks, shown, and removed. Pure: it says what to send
 * next and learns from each answer. Nothing is removed unless the list is complete and has the hash that was shown. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "approve.h"
#include "konnect.h"

enum withdraw_step {
	WITHDRAW_INSTANCE,	/* look the integration instance up */
	WITHDRAW_SERVICES,	/* those with the instance's label, page by page */
	WITHDRAW_MAPPINGS,	/* of the integration instance, page by page: those that we made to other services */
	WITHDRAW_SHOWN,		/* the plan is complete; a hash was not given, or is another */
	WITHDRAW_DELETE,	/* one object after the other */
	WITHDRAW_DONE,
	WITHDRAW_FAILED,	/* see error */
};

enum withdraw_kind { WITHDRAW_MAPPING, WITHDRAW_SERVICE, WITHDRAW_CREDENTIAL, WITHDRAW_INTEGRATION_INSTANCE };

struct withdraw_item {
	enum withdraw_kind kind;
	char *id, *name;
};

/* Whether a mapping with that id, to a service of that name, is one that we made; only the cache knows. */
typedef bool (*withdraw_ours_fn)(void *arg, const char *mapping_id, const char *service_name);

struct withdraw {
	char *instance;		/* its name */
	char *hash;		/* as the operator gave it, or NULL */
	withdraw_ours_fn is_ours;
	void *arg;
	enum withdraw_step step;
	unsigned page;
	json_int_t total;
	size_t seen;
	char *instance_id;
	const char *shared;	/* id of the integration instance that has a PAT from us, or NULL: to be set by who knows; kept by them */
	struct withdraw_item *items;
	json_t *services;	/* ids of those: their mappings go with them */
	size_t n, at;		/* at: of those removed */
	bool wrong_hash;
	char *error;
};

void withdraw_init(struct withdraw *w, const char *instance, const char *hash, withdraw_ours_fn is_ours, void *arg);
void withdraw_done(struct withdraw *w);

/* The next request, or false. */
bool withdraw_request(const struct withdraw *w, struct konnect_request *ret);

/* Learns from the answer; see converge_answer() for which answers come here. */
void withdraw_answer(struct withdraw *w, int status, const json_t *answer);

/* The hash of what would be removed, "" when there is nothing. */
void withdraw_hash(const struct withdraw *w, char ret[APPROVE_HASH_LEN + 1]);

/* "service" and so on. */
const char *withdraw_kind_name(enum withdraw_kind k);
