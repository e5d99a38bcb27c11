#include "site.h"

#include <errno.h>
#include <string.h>

#include "../lib/limits.h"
#include "../lib/metrics.h"
#include "../lib/out.h"
#include "../lib/page.h"
#include "../lib/util.h"
#include "commands.h"
#include "exit.h"
#include "log.h"
#include "loop.h"
#include "snapshot.h"
#include "syncd_internal.h"
#include "web.h"

#define KEPT_MS 1000	/* whoever asks more often gets what was made before: it is work */

struct route;

struct site {
	struct syncd *d;
	struct web *web;
	struct loop_timer *forget;
	const struct route *kept_of;	/* what kept answers, or NULL */
	struct buf kept;
};

struct route {
	const char *path, *type, *policy;
	int (*make)(struct site *s, struct out *o);	/* the status */
	bool kept;
};

/* The loop that answers is the one that is asked about: it is overdue when other work of its own waits for long. */
static int make_health(struct site *s, struct out *o)
{
	int64_t overdue = loop_overdue_ms(s->d->loop) / 1000;

	if (overdue <= LOOP_OVERDUE_MAX_SEC) {
		out_text(o, "ok\n");
		return 200;
	}
	out_format(o, "the event loop is %lld s late\n", (long long)overdue);
	return 503;
}

/* A configuration that is not valid was never taken over. */
static int make_ready(struct site *s, struct out *o)
{
	if (s->d->stopping)
		out_text(o, "stopping\n");
	else if (cache_is_damaged(s->d->cache))
		out_text(o, "the cache is damaged, and about to be rebuilt\n");
	else
		out_text(o, "ok\n");
	return s->d->stopping || cache_is_damaged(s->d->cache) ? 503 : 200;
}

static int make_fresh(struct site *s, struct out *o)
{
	int64_t now = loop_wall_sec(s->d->loop);
	char age[64], interval[64];
	int status = 200;

	for (size_t i = 0; i < s->d->n_sources; i++) {
		const struct source *source = s->d->sources[i];
		int64_t last = source_cached(source)->last_complete;

		if (snapshot_is_fresh(s->d, source, now))
			continue;
		status = 503;
		out_format(o, "%s: %s%s%s, polled every %s\n", source_config(source)->name,
			   last > 0 ? "the last complete listing is " : "there was no complete listing yet",
			   last > 0 ? format_span(age, sizeof(age), now - last) : "", last > 0 ? " old" : "",
			   format_span(interval, sizeof(interval), source_config(source)->poll_interval));
	}
	if (status == 200)
		out_text(o, "ok\n");
	return status;
}

static int make_metrics(struct site *s, struct out *o)
{
	struct status status;

	snapshot_take(s->d, false, &status);
	metrics_write(o, &status);
	snapshot_done(&status);
	return 200;
}

static int make_page(struct site *s, struct out *o)
{
	struct status status;

	snapshot_take(s->d, true, &status);
	page_write(o, &status);
	snapshot_done(&status);
	return 200;
}

/* What adosyncctl --json status says. */
static int make_status(struct site *s, struct out *o)
{
	json_t *request = json_pack("{s:s}", "command", "status");
	struct command command = { 0 };
	char *text;

	command_run(s->d, request, &command);
	text = json_dumps(command.answer, JSON_COMPACT);
	if (text != NULL)
		out_text(o, text);
	out_text(o, "\n");
	free(text);
	command_done(&command);
	json_decref(request);
	return 200;
}

static const struct route routes[] = {
	{ "/", "text/html; charset=utf-8", page_policy, make_page, true },
	{ "/metrics", METRICS_TYPE, WEB_POLICY, make_metrics, true },
	{ "/status", "application/json", WEB_POLICY, make_status, true },
	{ "/healthz", WEB_TEXT, WEB_POLICY, make_health, false },
	{ "/readyz", WEB_TEXT, WEB_POLICY, make_ready, false },
	{ "/freshz", WEB_TEXT, WEB_POLICY, make_fresh, false },
};

static void on_forget(void *arg)
{
	struct site *s = arg;

	s->kept_of = NULL;
	buf_done(&s->kept);
}

static void make(struct site *s, const struct route *r, struct web_answer *ret)
{
	struct out o = { .buf = &ret->body };

	ret->status = r->make(s, &o);
	if (o.error == 0)
		return;
	buf_clear(&ret->body);
	o.error = 0;
	ret->status = 500;
	ret->type = WEB_TEXT;
	ret->policy = WEB_POLICY;
	out_text(&o, "the answer is too long\n");
}

static void answer(void *arg, const char *path, struct web_answer *ret)
{
	static const char unknown[] = "there is no such page; there are /, /healthz, /readyz, /freshz, /status and /metrics\n";
	struct site *s = arg;

	for (size_t i = 0; i < ELEMENTSOF(routes); i++) {
		const struct route *r = &routes[i];

		if (strcmp(r->path, path) != 0)
			continue;
		ret->type = r->type;
		ret->policy = r->policy;
		if (s->kept_of == r) {
			ret->status = 200;
			(void)buf_add(&ret->body, s->kept.data, s->kept.len);
			return;
		}
		make(s, r, ret);
		if (r->kept && ret->status == 200) {
			on_forget(s);
			(void)buf_add(&s->kept, ret->body.data, ret->body.len);
			s->kept_of = r;
			loop_timer_arm(s->forget, KEPT_MS);
		}
		return;
	}
	ret->status = 404;
	(void)buf_add(&ret->body, unknown, sizeof(unknown) - 1);
}

/* Another program may be gone in a moment, and an address may come; what remains is for a person. */
static int refuse(const char *listen, int error)
{
	bool again = error == -EADDRINUSE || error == -EADDRNOTAVAIL;
	const char *advice = error == -EADDRINUSE ? "another program, or another adosyncd, has it; set listen in the section daemon to "
						    "another one, or to \"\" for none" :
			     error == -EACCES ? "set listen in the section daemon to a port above 1023" :
						"set listen in the section daemon to an address of this machine, or to \"\" for none";

	log_error("listen", "%s cannot be used: %s; %s", listen, strerror(-error), advice);
	return again ? EXIT_TRY_AGAIN : EXIT_BAD_CONFIG;
}

int site_new(struct syncd *d, struct site **ret)
{
	struct site *s;
	int r;

	*ret = NULL;
	if (d->config->listen[0] == '\0')
		return 0;
	s = xcalloc(1, sizeof(*s));
	s->d = d;
	s->forget = loop_timer_new(d->loop, on_forget, s);
	buf_init(&s->kept, WEB_ANSWER_MAX);
	r = web_new(d->loop, d->config->listen, answer, s, &s->web);
	if (r < 0) {
		site_free(s);
		return refuse(d->config->listen, r);
	}
	*ret = s;
	return 0;
}

struct site *site_free(struct site *s)
{
	if (s == NULL)
		return NULL;
	web_free(s->web);
	loop_timer_free(s->forget);
	buf_done(&s->kept);
	free(s);
	return NULL;
}
