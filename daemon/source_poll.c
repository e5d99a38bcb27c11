/* One poll: the secret, the request, the listing while it arrives, and its way into the cache. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../lib/limits.h"
#include "../lib/util.h"
#include "http.h"
#include "loop.h"
#include "secret.h"
#include "source_internal.h"

#define HEAD_BYTES 512		/* of a 200 that are looked at before the rest counts as a listing */
#define ADMISSION_RETRY_MS 100
#define LOGGED_SINGLY_MAX 50	/* repositories of one poll that get a line each */

static void outcome_set(struct source *s, enum verdict verdict, int64_t wait, int status, char *message)
{
	free(s->outcome.message);
	s->outcome.verdict = verdict;
	s->outcome.wait = wait;
	s->outcome.status = status;
	s->outcome.message = message;
}

static void poll_end(struct source *s)
{
	if (s->phase > POLL_ADMISSION)
		s->x->polls--;
	s->phase = POLL_NONE;
	s->intake = intake_free(s->intake);
	buf_done(&s->head);
}

void source_poll_cut(struct source *s)
{
	http_cancel(s->transfer);
	s->transfer = NULL;
	loop_timer_cancel(s->work);
	poll_end(s);
}

static void failed(struct source *s, enum verdict verdict, int64_t wait, int status, char *message)
{
	outcome_set(s, verdict, wait, status, message);
	poll_end(s);
	source_polled(s);
}

static void cache_failed(struct source *s)
{
	failed(s, VERDICT_UNREACHABLE, 0, 0, xasprintf("the cache cannot be written: %s; check state_directory and its free space",
						       cache_error(s->x->cache)));
}

int source_secret(struct source *s, char **ret, struct digest *ret_digest, char **ret_error)
{
	int r = secret_read(s->x->config->directory, s->config->pat_file, ret, ret_error);

	*ret_digest = (struct digest){ 0 };
	if (r == 0)
		*ret_digest = digest_bytes(cache_key(s->x->cache), *ret, strlen(*ret));
	return r;
}

/* The answer as it arrives. */

static bool begins_like_html(const struct buf *head)
{
	const char *p = head->data != NULL ? head->data : "";

	if (strncmp(p, "\xef\xbb\xbf", 3) == 0)
		p += 3;
	p += strspn(p, " \t\r\n");
	return *p == '<';
}

static int on_chunk(void *arg, int status, const char *p, size_t n)
{
	struct source *s = arg;

	if (status == 200 && !s->not_json && s->head.len < HEAD_BYTES) {
		buf_add_some(&s->head, p, n < HEAD_BYTES ? n : HEAD_BYTES);
		s->not_json = begins_like_html(&s->head);
		if (s->not_json)
			return 0;
	}
	if (status != 200 || s->not_json) {
		/* an error is read for its message, and no further */
		buf_add_some(&s->head, p, n);
		return s->head.len == s->head.max ? 1 : 0;
	}
	s->feed_error = intake_feed(s->intake, p, n);
	return s->feed_error < 0 ? 1 : 0;
}

static void on_done(struct transfer *t, const struct http_result *r, void *arg)
{
	struct source *s = arg;
	const char *id = http_header(t, "ActivityId");
	char message[MESSAGE_MAX];
	struct answer a = {
		.transport_error = r->error != NULL && !r->aborted ? r->error : NULL,
		.status = r->status,
		.content_type = http_header(t, "Content-Type"),
		.retry_after = http_header(t, "Retry-After"),
		.ratelimit_delay = http_header(t, "X-RateLimit-Delay"),
		.service_error = http_header(t, "X-TFS-ServiceError"),
		.body = s->head.data,
	};
	enum verdict verdict;
	int64_t wait;

	s->transfer = NULL;
	free(s->outcome.activity_id);
	s->outcome.activity_id = id != NULL ? xstrdup(id) : NULL;
	if (r->status == 200 && !s->not_json && a.transport_error == NULL) {
		if (s->feed_error == 0)
			s->feed_error = intake_finish(s->intake);
		if (s->feed_error == -EIO) {
			cache_failed(s);
			return;
		}
		a.listing_error = s->feed_error < 0 ? intake_error(s->intake) : NULL;
	}
	verdict = verdict_of(&a);
	wait = verdict_wait(&a, loop_wall_sec(s->x->loop));
	(void)verdict_message(&a, message, sizeof(message));
	if (verdict == VERDICT_OK) {
		outcome_set(s, verdict, wait, r->status, xstrdup(message));
		s->phase = POLL_APPLY;
		loop_timer_arm(s->work, 0);
		return;
	}
	if (a.transport_error != NULL && (message[0] == '\0' || r->status == 200))
		(void)printable(message, sizeof(message), a.transport_error);
	failed(s, verdict, wait, r->status, xstrdup(message));
}

static void request(struct source *s)
{
	static const char *const headers[] = { "Accept: application/json", "X-TFS-FedAuthRedirect: Suppress", NULL };
	_cleanup_free_ char *url = xasprintf("%s/_apis/git/repositories?api-version=%s", s->config->url, s->config->api_version);
	char *pat = NULL, *error = NULL;
	struct http_request q = { .method = "GET", .url = url, .headers = headers, .proxy = s->config->proxy,
				  .ca_file = s->config->ca_file, .timeout_ms = LISTING_TIMEOUT_SEC * 1000, .stall_detection = true,
				  .on_chunk = on_chunk };
	int r = source_secret(s, &pat, &s->secret, &error);

	if (r < 0) {
		failed(s, VERDICT_CREDENTIAL_MISSING, 0, 0, error);
		return;
	}
	q.basic_password = pat;
	s->phase = POLL_RECEIVE;
	s->not_json = false;
	s->feed_error = 0;
	s->cached.last_poll = loop_wall_sec(s->x->loop);
	r = http_start(s->x->http, &q, on_done, s, &s->transfer);
	secret_free(pat);
	if (r < 0)
		failed(s, VERDICT_UNREACHABLE, 0, 0, xasprintf("the request cannot be started: %s", strerror(-r)));
}

/* What went missing or came back: each by itself, or not at all when it is many. */
static void on_event(void *arg, const struct cache_row *row, bool missing)
{
	struct source *s = arg;
	char guid[37];
	struct log_fields f = { .repository = guid };

	guid_format(row->repo.guid, guid);
	if (++s->lines > LOGGED_SINGLY_MAX)
		return;
	if (missing)
		source_log(s, LOG_WARNING, EVENT_MISSING, &f, "%s / %s is not in the listing any more; its service is kept as it is",
			   row->repo.project_name, row->repo.name);
	else
		source_log(s, LOG_NOTICE, EVENT_RETURNED, &f, "%s / %s is in the listing again", row->repo.project_name, row->repo.name);
}

static void admit(struct source *s)
{
	if (s->x->polls >= POLLS_IN_FLIGHT_MAX) {
		loop_timer_arm(s->work, ADMISSION_RETRY_MS);
		return;
	}
	s->x->polls++;
	s->phase = POLL_LOAD;
	s->intake = intake_new(s->x->cache, s->config, &s->cached, on_event, s);
	loop_timer_arm(s->work, 0);
}

static void applied(struct source *s)
{
	s->result = *intake_result(s->intake);
	s->have_result = true;
	s->cached.last_complete = loop_wall_sec(s->x->loop);
	poll_end(s);
	source_polled(s);
}

void source_poll_step(void *arg)
{
	struct source *s = arg;
	int r = 0;

	switch (s->phase) {
	case POLL_NONE:
	case POLL_RECEIVE:
		return;
	case POLL_ADMISSION:
		admit(s);
		return;
	case POLL_LOAD:
		r = intake_load_step(s->intake);
		if (r == 0)
			request(s);
		break;
	case POLL_APPLY:
		r = intake_apply_step(s->intake, loop_wall_sec(s->x->loop));
		if (r == 0)
			applied(s);
		break;
	}
	if (r > 0)
		loop_timer_arm(s->work, 0);
	else if (r < 0)
		cache_failed(s);
}

void source_poll_begin(struct source *s)
{
	s->lines = 0;
	buf_clear(&s->head);
	s->phase = POLL_ADMISSION;
	loop_timer_arm(s->work, 0);
}
