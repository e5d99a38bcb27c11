#include "request.h"

#include <errno.h>
#include <string.h>

#include "../lib/limits.h"
#include "../lib/util.h"
#include "secret.h"

#define HEAD_BYTES 512	/* of a 200 that are looked at before the rest counts as a listing */

void answer_head_init(struct answer_head *h)
{
	buf_init(&h->buf, ERROR_BODY_MAX);
	h->not_json = false;
}

void answer_head_done(struct answer_head *h)
{
	buf_done(&h->buf);
	h->not_json = false;
}

static bool begins_like_html(const struct buf *head)
{
	const char *p = head->data != NULL ? head->data : "";

	if (strncmp(p, "\xef\xbb\xbf", 3) == 0)
		p += 3;
	p += strspn(p, " \t\r\n");
	return *p == '<';
}

int answer_head_take(struct answer_head *h, int status, const char *p, size_t n)
{
	if (status == 200 && !h->not_json && h->buf.len < HEAD_BYTES) {
		buf_add_some(&h->buf, p, n < HEAD_BYTES ? n : HEAD_BYTES);
		h->not_json = begins_like_html(&h->buf);
		return h->not_json ? -1 : 0;
	}
	if (status == 200 && !h->not_json)
		return 0;
	/* an error is read for its message, and no further */
	buf_add_some(&h->buf, p, n);
	return h->buf.len == h->buf.max ? 1 : -1;
}

struct answer answer_of(const struct transfer *t, const struct http_result *r, const struct answer_head *h)
{
	return (struct answer){
		.transport_error = r->error != NULL && !r->aborted ? r->error : NULL,
		.status = r->status,
		.content_type = http_header(t, "Content-Type"),
		.retry_after = http_header(t, "Retry-After"),
		.ratelimit_delay = http_header(t, "X-RateLimit-Delay"),
		.service_error = http_header(t, "X-TFS-ServiceError"),
		.body = h->buf.data,
	};
}

const char *answer_message(const struct answer *a, char *buf, size_t n)
{
	size_t len;

	(void)verdict_message(a, buf, n);
	if (a->transport_error != NULL && (buf[0] == '\0' || a->status == 200))
		(void)printable(buf, n, a->transport_error);
	/* it becomes part of a sentence of ours */
	for (len = strlen(buf); len > 0 && (buf[len - 1] == '.' || buf[len - 1] == ' '); len--)
		buf[len - 1] = '\0';
	return buf;
}

char *request_listing_path(const struct config_instance *instance)
{
	return xasprintf("_apis/git/repositories?api-version=%s", instance->api_version);
}

int azure_request(struct http *h, const struct config *all, const struct config_instance *instance, const char *path,
		  request_chunk_fn on_chunk, http_done_fn done, void *arg, struct transfer **ret, const uint8_t *key,
		  struct digest *ret_secret, char **ret_error)
{
	static const char *const headers[] = { "Accept: application/json", "X-TFS-FedAuthRedirect: Suppress", NULL };
	_cleanup_free_ char *url = xasprintf("%s/%s", instance->url, path);
	char *pat = NULL;
	struct http_request q = { .method = "GET", .url = url, .headers = headers, .proxy = instance->proxy,
				  .ca_file = instance->ca_file, .timeout_ms = LISTING_TIMEOUT_SEC * 1000, .stall_detection = true,
				  .on_chunk = on_chunk };
	int r;

	if (secret_read(all->directory, instance->pat_file, &pat, ret_error) < 0)
		return -EACCES;
	if (key != NULL)
		*ret_secret = digest_bytes(key, pat, strlen(pat));
	q.basic_password = pat;
	r = http_start(h, &q, done, arg, ret);
	secret_free(pat);
	if (r < 0)
		*ret_error = xasprintf("the request cannot be started: %s", strerror(-r));
	return r;
}
