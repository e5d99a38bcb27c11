#include "withdraw.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "digest.h"
#include "document.h"
#include "limits.h"
#include "util.h"

void withdraw_init(struct withdraw *w, const char *instance, const char *hash, withdraw_ours_fn is_ours, void *arg)
{
	*w = (struct withdraw){ .instance = xstrdup(instance), .hash = hash != NULL ? xstrdup(hash) : NULL, .is_ours = is_ours,
				.arg = arg, .page = 1, .total = -1, .services = json_object() };
}

void withdraw_done(struct withdraw *w)
{
	for (size_t i = 0; i < w->n; i++) {
		free(w->items[i].id);
		free(w->items[i].name);
	}
	free(w->items);
	json_decref(w->services);
	free(w->instance);
	free(w->hash);
	free(w->instance_id);
	free(w->error);
	*w = (struct withdraw){ 0 };
}

const char *withdraw_kind_name(enum withdraw_kind k)
{
	switch (k) {
	case WITHDRAW_MAPPING:
		return "mapping";
	case WITHDRAW_SERVICE:
		return "service";
	case WITHDRAW_CREDENTIAL:
		return "credential";
	case WITHDRAW_INTEGRATION_INSTANCE:
		return "integration instance";
	}
	return "?";
}

static void add(struct withdraw *w, enum withdraw_kind kind, const char *id, const char *name)
{
	w->items = xrealloc(w->items, w->n + 1, sizeof(*w->items));
	w->items[w->n++] = (struct withdraw_item){ .kind = kind, .id = xstrdup(id), .name = xstrdup(name) };
}

static void fail(struct withdraw *w, char *why)
{
	free(w->error);
	w->error = why;
	w->step = WITHDRAW_FAILED;
}

static void refused(struct withdraw *w, const char *what, int status, const json_t *answer)
{
	char reason[MESSAGE_MAX];

	(void)konnect_reason(answer, reason, sizeof(reason));
	fail(w, xasprintf("%s was refused with %d%s%s", what, status, *reason != '\0' ? ": " : "", reason));
}

static char *delete_path(const struct withdraw_item *i)
{
	_cleanup_free_ char *id = konnect_encode(i->id);

	switch (i->kind) {
	case WITHDRAW_MAPPING:
		return xasprintf("/v1/resource-mappings/%s", id);
	case WITHDRAW_SERVICE:
		return xasprintf("/v1/catalog-services/%s", id);
	case WITHDRAW_CREDENTIAL:
		return xasprintf("/v1/integration-instances/%s/auth-credential", id);
	case WITHDRAW_INTEGRATION_INSTANCE:
		return xasprintf("/v1/integration-instances/%s", id);
	}
	return NULL;
}

bool withdraw_request(const struct withdraw *w, struct konnect_request *ret)
{
	_cleanup_free_ char *name = konnect_encode(w->instance);

	*ret = (struct konnect_request){ .method = "GET" };
	switch (w->step) {
	case WITHDRAW_INSTANCE:
		ret->path = xasprintf("/v1/integration-instances?filter%%5Bname%%5D%%5Beq%%5D=%s&page%%5Bsize%%5D=1", name);
		return true;
	case WITHDRAW_SERVICES:
		ret->path = konnect_services_page(name, w->page);
		return true;
	case WITHDRAW_MAPPINGS:
		ret->path = konnect_mappings_page(name, w->page);
		return true;
	case WITHDRAW_DELETE:
		ret->method = "DELETE";
		ret->path = delete_path(&w->items[w->at]);
		return true;
	case WITHDRAW_SHOWN:
	case WITHDRAW_DONE:
	case WITHDRAW_FAILED:
		break;
	}
	return false;
}

static void instance_answer(struct withdraw *w, int status, const json_t *answer)
{
	const json_t *list = json_object_get(answer, "data"), *p;
	size_t i;

	if (status != 200 || !json_is_array(list)) {
		refused(w, "looking up the integration instance", status, answer);
		return;
	}
	json_array_foreach(list, i, p) {
		if (strcmp(konnect_text(p, "name"), w->instance) != 0 || *konnect_text(p, "id") == '\0')
			continue;
		if (konnect_is_ours(p, w->instance))
			w->instance_id = xstrdup(konnect_text(p, "id"));
		else if (w->shared != NULL && strcmp(w->shared, konnect_text(p, "id")) == 0)
			/* somebody else's by now, but the PAT in it is ours */
			add(w, WITHDRAW_CREDENTIAL, w->shared, w->instance);
	}
	w->step = WITHDRAW_SERVICES;
}

void withdraw_hash(const struct withdraw *w, char ret[APPROVE_HASH_LEN + 1])
{
	static const uint8_t no_key[DIGEST_KEY_LEN];
	struct digest sum = { 0 };

	ret[0] = '\0';
	for (size_t i = 0; i < w->n; i++) {
		_cleanup_free_ char *text = xasprintf("%d %s", (int)w->items[i].kind, w->items[i].id);
		struct digest d = digest_bytes(no_key, text, strlen(text));

		/* whatever order Konnect lists them in; twice is not the same as not at all */
		for (size_t k = 0; k < DIGEST_LEN; k++)
			sum.b[k] = (uint8_t)(sum.b[k] + d.b[k]);
	}
	for (size_t i = 0; w->n > 0 && i < APPROVE_HASH_LEN / 2; i++)
		(void)snprintf(ret + 2 * i, 3, "%02x", sum.b[i]);
}

/* Everything is known. The integration instance, which takes its credential and its resources along, goes last. */
static void complete(struct withdraw *w)
{
	char hash[APPROVE_HASH_LEN + 1];

	if (w->instance_id != NULL)
		add(w, WITHDRAW_INTEGRATION_INSTANCE, w->instance_id, w->instance);
	withdraw_hash(w, hash);
	w->wrong_hash = w->hash != NULL && strcmp(w->hash, hash) != 0;
	w->step = w->hash == NULL || w->wrong_hash ? WITHDRAW_SHOWN : w->n > 0 ? WITHDRAW_DELETE : WITHDRAW_DONE;
}

static void take(struct withdraw *w, const json_t *item)
{
	const char *id = konnect_text(item, "id"), *name = konnect_text(json_object_get(item, "service"), "name");

	if (*id == '\0')
		return;
	if (w->step == WITHDRAW_SERVICES && konnect_is_ours(item, w->instance)) {
		add(w, WITHDRAW_SERVICE, id, konnect_text(item, "name"));
		json_object_set_new(w->services, id, json_true());
	} else if (w->step == WITHDRAW_MAPPINGS && w->is_ours(w->arg, id, name) &&
		   json_object_get(w->services, konnect_text(json_object_get(item, "service"), "id")) == NULL) {
		add(w, WITHDRAW_MAPPING, id, name);
	}
}

static void page_answer(struct withdraw *w, int status, const json_t *answer)
{
	const json_t *list = json_object_get(answer, "data"), *item,
		     *total = json_object_get(json_object_get(json_object_get(answer, "meta"), "page"), "total");
	size_t i, n = json_array_size(list);

	if (status != 200 || !json_is_array(list) || n > KONNECT_PAGE_SIZE) {
		refused(w, "reading what the instance owns", status, answer);
		return;
	}
	json_array_foreach(list, i, item)
		take(w, item);
	w->seen += n;
	if (json_is_integer(total))
		w->total = json_integer_value(total);
	w->page++;
	if (n == KONNECT_PAGE_SIZE && (json_int_t)w->seen != w->total)
		return;
	if (w->total >= 0 && w->total != (json_int_t)w->seen) {
		fail(w, xstrdup("Konnect's list does not have as many objects as it says; try again"));
		return;
	}
	w->page = 1;
	w->total = -1;
	w->seen = 0;
	if (w->step == WITHDRAW_SERVICES)
		w->step = WITHDRAW_MAPPINGS;
	else
		complete(w);
}

void withdraw_answer(struct withdraw *w, int status, const json_t *answer)
{
	switch (w->step) {
	case WITHDRAW_INSTANCE:
		instance_answer(w, status, answer);
		return;
	case WITHDRAW_SERVICES:
	case WITHDRAW_MAPPINGS:
		page_answer(w, status, answer);
		return;
	case WITHDRAW_DELETE:
		/* what is gone already is as it should be */
		if (status != 404 && (status < 200 || status >= 300))
			refused(w, "removing it", status, answer);
		else if (++w->at == w->n)
			w->step = WITHDRAW_DONE;
		return;
	case WITHDRAW_SHOWN:
	case WITHDRAW_DONE:
	case WITHDRAW_FAILED:
		return;
	}
}
