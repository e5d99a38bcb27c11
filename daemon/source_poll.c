/* One poll: the secret, the request, the listing while it arrives, and its way into the cache. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../lib/limits.h"
#include "../lib/util.h"
#include "bin.h"
#include "http.h"
#include "loop.h"
#include "secret.h"
#include "source_internal.h"

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
	s->polled_under = config_free(s->polled_under);
	answer_head_done(&s->head);
}

void source_poll_cut(struct source *s)
{
	http_cancel(s->transfer);
	s->transfer = NULL;
	bin_cancel(s->bin);
	s->bin = NULL;
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
	failed(s, VERDICT_CACHE_FAILED, 0, 0, xstrdup(cache_error(s->x->cache)));
}

int source_secret(struct source *s, char **ret, struct digest *ret_digest, char **ret_error)
{
	int r = secret_read(s->all->directory, s->config->pat_file, ret, ret_error);

	*ret_digest = (struct digest){ 0 };
	if (r == 0)
		*ret_digest = digest_bytes(cache_key(s->x->cache), *ret, strlen(*ret));
	return r;
}

static int on_chunk(void *arg, int status, const char *p, size_t n)
{
	struct source *s = arg;
	int r = answer_head_take(&s->head, status, p, n);

	if (r != 0)
		return r > 0 ? 1 : 0;
	s->feed_error = intake_feed(s->intake, p, n);
	return s->feed_error < 0 ? 1 : 0;
}

/* A server, or a proxy, may have echoed what it was sent. */
static void scrub(struct source *s, char *message)
{
	char *pat = NULL, *error = NULL;
	struct digest d;

	if (source_secret(s, &pat, &d, &error) == 0)
		secret_scrub(message, pat);
	free(error);
	secret_free(pat);
}

static void on_done(struct transfer *t, const struct http_result *r, void *arg)
{
	struct source *s = arg;
	const char *id = http_header(t, "ActivityId");
	struct answer a = answer_of(t, r, &s->head);
	char message[MESSAGE_MAX];
	enum verdict verdict;
	int64_t wait;

	s->transfer = NULL;
	free(s->outcome.activity_id);
	s->outcome.activity_id = id != NULL ? xstrdup(id) : NULL;
	if (r->status == 200 && !s->head.not_json && a.transport_error == NULL) {
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
	(void)answer_message(&a, message, sizeof(message));
	scrub(s, message);
	if (verdict != VERDICT_OK) {
		failed(s, verdict, wait, r->status, xstrdup(message));
		return;
	}
	outcome_set(s, verdict, wait, r->status, xstrdup(message));
	s->phase = POLL_APPLY;
	loop_timer_arm(s->work, 0);
}

static void request(struct source *s)
{
	_cleanup_free_ char *path = request_listing_path(s->config);
	char *error = NULL;
	int r;

	s->phase = POLL_RECEIVE;
	s->feed_error = 0;
	s->cached.last_poll = loop_wall_sec(s->x->loop);
	s->secret = (struct digest){ 0 };
	r = azure_request(s->x->http, s->polled_under, s->config, path, on_chunk, on_done, s, &s->transfer, cache_key(s->x->cache),
			  &s->secret, &error);
	if (r < 0)
		failed(s, r == -EACCES ? VERDICT_CREDENTIAL_MISSING : VERDICT_UNREACHABLE, 0, 0, error);
}

/* Of what is deleted, in the order of enum on_remove. */
static const char *const fates[] = {
	"its service is kept, and says so",
	"its service says so, and its resource is to be archived",
	"its service is to be deleted, and its resource archived",
};

/* What went or came back: each by itself, or not at all when it is many. */
static void on_event(void *arg, const struct cache_row *row, enum intake_event event)
{
	struct source *s = arg;
	const char *project = row->repo.project_name, *name = row->repo.name;
	char guid[37];
	struct log_fields f = { .repository = guid };

	guid_format(row->repo.guid, guid);
	if (++s->lines > LOGGED_SINGLY_MAX)
		return;
	switch (event) {
	case INTAKE_MISSING:
		source_log(s, LOG_WARNING, EVENT_MISSING, &f, "%s / %s is not in the listing any more, and no recycle bin says why; its "
			   "service is kept, and says so", project, name);
		return;
	case INTAKE_REMOVED:
		source_log(s, LOG_NOTICE, EVENT_REMOVED, &f, "%s / %s was deleted; %s", project, name,
			   fates[s->config->on_remove]);
		return;
	case INTAKE_RETURNED:
		source_log(s, LOG_NOTICE, EVENT_RETURNED, &f, "%s / %s is in the listing again", project, name);
		return;
	}
}

static void next_bin(struct source *s);

/* What the bins have to say is heard. */
static void apply_further(struct source *s)
{
	s->phase = POLL_APPLY;
	loop_timer_arm(s->work, 0);
}

/* The bins that were not asked prove nothing in this poll; the next one asks them. */
static void skip_bins(struct source *s)
{
	unsigned n = 0;

	while (intake_next_project(s->intake) != NULL)
		n++;
	if (n > 0)
		source_log(s, LOG_DEBUG, EVENT_NONE, NULL, "the organization asks to wait: %s left to the next poll", COUNT_OF(n, "recycle bin"));
	apply_further(s);
}

/* A bin that cannot be read, or not to its end, proves nothing. */
static void on_bin(void *arg, bool complete, const uint8_t (*guids)[16], size_t n, int64_t wait)
{
	struct source *s = arg;

	s->bin = NULL;
	if (!complete)
		source_log(s, LOG_DEBUG, EVENT_NONE, NULL, "a recycle bin cannot be read: what is missing from its project stays unexplained");
	if (wait > s->outcome.wait)
		s->outcome.wait = wait;
	for (size_t i = 0; i < n; i++) {
		if (intake_prove(s->intake, guids[i]) < 0) {
			cache_failed(s);
			return;
		}
	}
	if (wait > 0)
		skip_bins(s);
	else
		next_bin(s);
}

static void next_bin(struct source *s)
{
	const struct config_instance *instance = config_find(s->polled_under, s->config->name);
	const char *project;

	s->phase = POLL_BIN;
	while ((project = intake_next_project(s->intake)) != NULL) {
		s->bin = bin_start(s->x->loop, s->x->http, s->polled_under, instance, project, on_bin, s);
		if (s->bin != NULL)
			return;
	}
	apply_further(s);
}

static void admit(struct source *s)
{
	if (s->x->polls >= POLLS_IN_FLIGHT_MAX) {
		loop_timer_arm(s->work, ADMISSION_RETRY_MS);
		return;
	}
	s->x->polls++;
	s->phase = POLL_LOAD;
	s->began = loop_now_ms(s->x->loop);
	s->polled_under = config_ref(s->all);
	s->intake = intake_new(s->x->cache, s->config, &s->cached, on_event, s);
	loop_timer_arm(s->work, 0);
}

static void applied(struct source *s)
{
	s->result = *intake_result(s->intake);
	s->have_result = true;
	/* read anew meanwhile, the configuration may name another organization */
	s->listed = s->polled_under == s->all;
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
	case POLL_BIN:
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
	if (r == INTAKE_BINS)
		next_bin(s);
	else if (r > 0)
		loop_timer_arm(s->work, 0);
	else if (r < 0)
		cache_failed(s);
}

void source_poll_begin(struct source *s)
{
	s->lines = 0;
	s->phase = POLL_ADMISSION;
	loop_timer_arm(s->work, 0);
}
