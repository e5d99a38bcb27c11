#include "bin.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "../lib/limits.h"
#include "../lib/listing.h"
#include "../lib/util.h"
#include "http.h"
#include "loop.h"
#include "request.h"

struct bin {
	struct loop *loop;
	struct http *http;
	const struct config *all;
	const struct config_instance *instance;
	char *project;
	bool preview;		/* the server wants to be asked for a preview of the version */
	struct transfer *transfer;
	struct answer_head head;
	struct listing *listing;
	int feed_error;
	uint8_t (*guids)[16];
	size_t n, allocated;
	bin_done_fn done;
	void *arg;
};

static int start(struct bin *b);

static void bin_free(struct bin *b)
{
	http_cancel(b->transfer);
	listing_free(b->listing);
	answer_head_done(&b->head);
	free(b->guids);
	free(b->project);
	free(b);
}

void bin_cancel(struct bin *b)
{
	if (b != NULL)
		bin_free(b);
}

static int on_element(void *arg, const char *p, size_t n)
{
	struct bin *b = arg;
	json_t *j = json_loadb(p, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
	const char *id = json_string_value(json_object_get(j, "id"));
	uint8_t guid[16];
	int r = id != NULL && guid_parse(id, guid) == 0 ? 0 : -EBADMSG;

	json_decref(j);
	if (r < 0)
		return r;
	if (b->n == b->allocated) {
		b->allocated = b->allocated > 0 ? b->allocated * 2 : 16;
		b->guids = xrealloc(b->guids, b->allocated, sizeof(*b->guids));
	}
	memcpy(b->guids[b->n++], guid, 16);
	return 0;
}

static int on_chunk(void *arg, int status, const char *p, size_t n)
{
	struct bin *b = arg;
	int r = answer_head_take(&b->head, status, p, n);

	if (r != 0)
		return r > 0 ? 1 : 0;
	b->feed_error = listing_feed(b->listing, p, n);
	return b->feed_error < 0 ? 1 : 0;
}

static int start_preview(struct bin *b)
{
	b->preview = true;
	answer_head_done(&b->head);
	answer_head_init(&b->head);
	return start(b);
}

/* Only a bin that is as complete as a listing has to be proves anything. */
static void on_done(struct transfer *t, const struct http_result *r, void *arg)
{
	struct bin *b = arg;
	struct answer a = answer_of(t, r, &b->head);
	int64_t wait = verdict_wait(&a, loop_wall_sec(b->loop));
	bool complete;

	b->transfer = NULL;
	if (r->status == 200 && !b->head.not_json && a.transport_error == NULL) {
		if (b->feed_error == 0)
			b->feed_error = listing_finish(b->listing);
		a.listing_error = b->feed_error < 0 ? "it is not complete" : NULL;
	}
	complete = verdict_of(&a) == VERDICT_OK;
	/* the answer is of no use from here on: its body goes when the next is asked for */
	if (r->status == 400 && !b->preview && wait == 0 && start_preview(b) == 0)
		return;
	b->done(b->arg, complete, (const uint8_t(*)[16])b->guids, complete ? b->n : 0, wait);
	bin_free(b);
}

static int start(struct bin *b)
{
	_cleanup_free_ char *path = xasprintf("%s/_apis/git/recycleBin/repositories?api-version=%s", b->project,
					      b->preview ? "7.1-preview.1" : "7.1"),
			    *error = NULL;

	listing_free(b->listing);
	b->listing = listing_new(on_element, b);
	b->feed_error = 0;
	b->n = 0;
	return azure_request(b->http, b->all, b->instance, path, on_chunk, on_done, b, &b->transfer, NULL, NULL, &error);
}

struct bin *bin_start(struct loop *l, struct http *h, const struct config *all, const struct config_instance *instance,
		      const char *project, bin_done_fn done, void *arg)
{
	struct bin *b = xcalloc(1, sizeof(*b));

	b->loop = l;
	b->http = h;
	b->all = all;
	b->instance = instance;
	b->project = xstrdup(project);
	b->done = done;
	b->arg = arg;
	answer_head_init(&b->head);
	if (start(b) == 0)
		return b;
	bin_free(b);
	return NULL;
}
