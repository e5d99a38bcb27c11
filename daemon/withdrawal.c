#include "withdrawal.h"

#include <errno.h>
#include <string.h>

#include "../lib/cache.h"
#include "../lib/limits.h"
#include "../lib/util.h"
#include "../lib/withdraw.h"
#include "http.h"
#include "log.h"
#include "loop.h"
#include "sink.h"
#include "syncd_internal.h"

#define TRIES_MAX 5	/* of one request, while Konnect is not well */
#define RETRY_MS 2000

struct withdrawal {
	struct syncd *d;
	char *name;
	struct cache_instance cached;
	bool known;		/* the cache has the instance */
	bool forgetting;	/* Konnect is done, the cache follows */
	struct withdraw plan;
	struct loop_timer *step;
	struct transfer *transfer;
	const char *method;	/* of its request */
	unsigned tries;
	withdrawal_done_fn done;
	void *arg;
};

static void on_step(void *arg);

static void withdrawal_free(struct withdrawal *w)
{
	http_cancel(w->transfer);
	loop_timer_free(w->step);
	withdraw_done(&w->plan);
	cache_instance_done(&w->cached);
	free(w->name);
	free(w);
}

void withdrawal_cancel(struct withdrawal *w)
{
	if (w != NULL)
		withdrawal_free(w);
}

static bool is_ours(void *arg, const char *mapping_id, const char *service_name)
{
	struct withdrawal *w = arg;

	return w->known && cache_has_mapping(w->d->cache, w->cached.id, mapping_id, service_name);
}

struct withdrawal *withdrawal_start(struct syncd *d, const char *instance, const char *hash, withdrawal_done_fn done, void *arg)
{
	struct withdrawal *w = xcalloc(1, sizeof(*w));

	w->d = d;
	w->name = xstrdup(instance);
	w->done = done;
	w->arg = arg;
	w->known = cache_instance_find(d->cache, instance, &w->cached) == 0;
	withdraw_init(&w->plan, instance, hash, is_ours, w);
	if (w->known && !digest_is_zero(&w->cached.shared))
		w->plan.shared = w->cached.konnect_id;
	w->step = loop_timer_new(d->loop, on_step, w);
	loop_timer_arm(w->step, 0);
	return w;
}

static void finish(struct withdrawal *w, json_t *answer)
{
	w->done(answer, w->arg);
	withdrawal_free(w);
}

static void fail(struct withdrawal *w, const char *why)
{
	finish(w, json_pack("{s:b,s:s}", "ok", 0, "error", why));
}

static void show(struct withdrawal *w)
{
	json_t *actions = json_array();
	char hash[APPROVE_HASH_LEN + 1];

	for (size_t i = 0; i < w->plan.n; i++)
		json_array_append_new(actions, json_pack("{s:s,s:s,s:s,s:s}", "action", "remove", "project",
							 withdraw_kind_name(w->plan.items[i].kind), "name", w->plan.items[i].name,
							 "id", w->plan.items[i].id));
	withdraw_hash(&w->plan, hash);
	finish(w, json_pack("{s:b,s:s,s:o,s:o}", "ok", 1, "instance", w->name, "hash", w->plan.n > 0 ? json_string(hash) : json_null(),
			    "actions", actions));
}

/* What Konnect had is gone already: the empty hash is the one of nothing. */
static void fail_to_forget(struct withdrawal *w)
{
	_cleanup_free_ char *why = xasprintf("Konnect has nothing of the instance any more, but the cache cannot be written: %s. "
					     "When it can: adosyncctl withdraw %s \"\"", cache_error(w->d->cache), w->name);

	fail(w, why);
}

/* Its rows go, in short steps; then what is known of the instance. */
static void forget(struct withdrawal *w)
{
	struct source *s = syncd_find(w->d, w->name);
	struct log_fields f = { .event = EVENT_WITHDRAWN, .instance = w->name };
	int r = w->known ? cache_forget_some(w->d->cache, w->cached.id) : 0;

	/* a batch that is lost is told by its own flush, and by no later one */
	if (cache_flush(w->d->cache) < 0 || r < 0) {
		fail_to_forget(w);
		return;
	}
	if (r > 0) {
		loop_timer_arm(w->step, 0);
		return;
	}
	if (s != NULL && source_forget(s) < 0) {
		fail_to_forget(w);
		return;
	}
	log_event(LOG_NOTICE, &f, w->name, "withdrawn: %s %s removed from Konnect", COUNT_OF(w->plan.n, "object"),
		  w->plan.n == 1 ? "was" : "were");
	finish(w, json_pack("{s:b,s:i,s:s}", "ok", 1, "removed", (int)w->plan.n, "text",
			    s != NULL ? "withdrawn; the instance is paused now, take it out of the configuration, or resume it to begin anew"
				      : "withdrawn"));
}

/* Nothing knows of it: not the configuration, not the cache, not Konnect. */
static bool never_was(const struct withdrawal *w)
{
	return w->plan.n == 0 && !w->known && syncd_find(w->d, w->name) == NULL;
}

static void fail_as_unknown(struct withdrawal *w)
{
	char shown[128];
	_cleanup_free_ char *why = xasprintf("there is no instance \"%s\", and Konnect has nothing of that name from us",
					     printable(shown, sizeof(shown), w->name));

	fail(w, why);
}

static void answered(struct withdrawal *w)
{
	struct source *s;

	if ((w->plan.step == WITHDRAW_SHOWN || w->plan.step == WITHDRAW_DONE) && never_was(w)) {
		fail_as_unknown(w);
		return;
	}
	switch (w->plan.step) {
	case WITHDRAW_SHOWN:
		if (w->plan.wrong_hash)
			fail(w, "what the instance owns has not that hash, and nothing was removed; withdraw without a hash shows it");
		else
			show(w);
		return;
	case WITHDRAW_FAILED:
		fail(w, w->plan.error);
		return;
	case WITHDRAW_DONE:
		w->forgetting = true;
		forget(w);
		return;
	case WITHDRAW_DELETE:
		/* before anything is removed, so that nothing of it comes back */
		s = syncd_find(w->d, w->name);
		if (s != NULL && w->plan.at == 0)
			source_withdraw(s);
		loop_timer_arm(w->step, 0);
		return;
	case WITHDRAW_INSTANCE:
	case WITHDRAW_SERVICES:
	case WITHDRAW_MAPPINGS:
		loop_timer_arm(w->step, 0);
		return;
	}
}

static void on_done(struct transfer *t, const struct http_result *r, void *arg)
{
	struct withdrawal *w = arg;
	json_t *answer = r->error == NULL ? json_loadb(r->body, r->body_len, 0, NULL) : NULL;
	bool again = r->error != NULL || r->status == 429 || r->status >= 500 || (r->status == 200 && answer == NULL);

	(void)t;
	w->transfer = NULL;
	sink_count(w->d->sink, w->method, r);
	if (again && ++w->tries < TRIES_MAX) {
		loop_timer_arm(w->step, RETRY_MS * (int64_t)w->tries);
	} else if (again) {
		_cleanup_free_ char *why = xasprintf("Konnect does not answer well (%s %d); what is left can be withdrawn later",
						     r->error != NULL ? r->error : "status", r->status);

		fail(w, why);
	} else {
		w->tries = 0;
		withdraw_answer(&w->plan, r->status, answer);
		answered(w);
	}
	json_decref(answer);
}

static void on_step(void *arg)
{
	struct withdrawal *w = arg;
	struct konnect_request q;
	char *error = NULL;
	int64_t ms;

	if (w->forgetting) {
		forget(w);
		return;
	}
	ms = sink_take(w->d->sink);
	if (ms > 0) {
		loop_timer_arm(w->step, ms);
		return;
	}
	if (!withdraw_request(&w->plan, &q)) {
		answered(w);
		return;
	}
	w->method = q.method;
	if (sink_send(w->d->sink, &q, on_done, w, &w->transfer, &error) < 0)
		fail(w, error);
	free(error);
	konnect_request_done(&q);
}
