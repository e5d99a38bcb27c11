#include "check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../lib/buf.h"
#include "../lib/limits.h"
#include "../lib/listing.h"
#include "../lib/util.h"
#include "../lib/verdict.h"
#include "http.h"
#include "loop.h"
#include "request.h"
#include "secret.h"
#include "source.h"

struct check {
	struct source_context *x;
	struct config *all;	/* holds the configuration that instance is part of */
	const struct config_instance *instance;
	struct loop_timer *later;
	struct transfer *transfer;
	struct answer_head head;
	struct listing *listing;
	int feed_error;
	json_t *answer;
	check_done_fn done;
	void *arg;
};

static void check_free(struct check *c)
{
	http_cancel(c->transfer);
	loop_timer_free(c->later);
	listing_free(c->listing);
	answer_head_done(&c->head);
	json_decref(c->answer);
	config_free(c->all);
	free(c);
}

void check_cancel(struct check *c)
{
	if (c != NULL)
		check_free(c);
}

static void finish(struct check *c, enum verdict v, int status, const char *text)
{
	json_t *answer = json_pack("{s:b,s:s,s:s,s:i,s:s}", "ok", v == VERDICT_OK, "instance", c->instance->name, "verdict",
				   verdict_name(v), "status", status, v == VERDICT_OK ? "text" : "error", text);

	c->done(answer, c->arg);
}

static int on_element(void *arg, const char *p, size_t n)
{
	(void)arg;
	(void)p;
	(void)n;
	return 0;
}

static int on_chunk(void *arg, int status, const char *p, size_t n)
{
	struct check *c = arg;
	int r = answer_head_take(&c->head, status, p, n);

	if (r != 0)
		return r > 0 ? 1 : 0;
	c->feed_error = listing_feed(c->listing, p, n);
	return c->feed_error < 0 ? 1 : 0;
}

/* A server, or a proxy, may have echoed what it was sent. */
static void scrub(const struct check *c, char *message)
{
	char *pat = NULL, *error = NULL;

	if (secret_read(c->all->directory, c->instance->pat_file, &pat, &error) == 0)
		secret_scrub(message, pat);
	free(error);
	secret_free(pat);
}

static void on_done(struct transfer *t, const struct http_result *r, void *arg)
{
	struct check *c = arg;
	char message[MESSAGE_MAX], text[MESSAGE_MAX + 256];
	struct answer a;
	enum verdict v;

	c->transfer = NULL;
	a = answer_of(t, r, &c->head);
	if (r->status == 200 && !c->head.not_json && a.transport_error == NULL) {
		if (c->feed_error == 0)
			c->feed_error = listing_finish(c->listing);
		a.listing_error = c->feed_error < 0 ? listing_error(c->listing) : NULL;
	}
	v = verdict_of(&a);
	(void)answer_message(&a, message, sizeof(message));
	scrub(c, message);
	if (v == VERDICT_OK)
		(void)snprintf(text, sizeof(text), "the PAT is accepted, and %u %s can be read", listing_count(c->listing),
			       listing_count(c->listing) == 1 ? "repository" : "repositories");
	else
		(void)snprintf(text, sizeof(text), "%s%s%s. To do: %s (%s)", verdict_name(v), message[0] != '\0' ? ": " : "", message,
			       verdict_advice(v), c->instance->pat_file);
	finish(c, v, r->status, text);
	check_free(c);
}

static void on_later(void *arg)
{
	struct check *c = arg;
	char *error = NULL;
	_cleanup_free_ char *path = request_listing_path(c->instance);
	int r = azure_request(c->x->http, c->all, c->instance, path, on_chunk, on_done, c, &c->transfer, NULL, NULL, &error);

	if (r == 0)
		return;
	finish(c, r == -EACCES ? VERDICT_CREDENTIAL_MISSING : VERDICT_UNREACHABLE, 0, error);
	free(error);
	check_free(c);
}

struct check *check_start(struct source_context *x, struct source *s, check_done_fn done, void *arg)
{
	struct check *c = xcalloc(1, sizeof(*c));

	c->x = x;
	c->all = config_ref(x->config);
	c->instance = source_config(s);
	c->done = done;
	c->arg = arg;
	c->listing = listing_new(on_element, c);
	answer_head_init(&c->head);
	c->later = loop_timer_new(x->loop, on_later, c);
	loop_timer_arm(c->later, 0);
	return c;
}
