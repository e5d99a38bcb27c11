/* Sends recorded requests, so many at a time, over one connection. */
#include "floor.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IN_FLIGHT_MAX = 100, ANSWER_KEPT = 64 };

/* One line of a file: METHOD PATH [BODY]. */
struct request {
	CURL *easy;
	char *line;
	size_t size;
	char answer[ANSWER_KEPT];
	size_t answer_len;
};

static struct {
	CURLM *multi;
	struct curl_slist *headers;
	char url[8192];
	struct request requests[IN_FLIGHT_MAX];
} push;

/* The answer is received, and not looked at. */
static size_t on_answer(char *p, size_t one, size_t n, void *arg)
{
	struct request *r = arg;
	size_t some = n < sizeof(r->answer) - r->answer_len ? n : sizeof(r->answer) - r->answer_len;

	(void)one;
	memcpy(r->answer + r->answer_len, p, some);
	r->answer_len += some;
	return n;
}

static void header(const char *line)
{
	push.headers = curl_slist_append(push.headers, line);
	if (push.headers == NULL)
		floor_fail("out of memory");
}

static void begin(const struct floor_options *o)
{
	char line[512];

	if (push.multi != NULL)
		return;
	push.multi = curl_multi_init();
	if (push.multi == NULL || o->konnect == NULL || o->ca == NULL || o->token == NULL || o->in_flight < 1 ||
	    o->in_flight > IN_FLIGHT_MAX)
		floor_fail("push needs --konnect, --ca and --token, and at most %d in flight", IN_FLIGHT_MAX);
	(void)curl_multi_setopt(push.multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
	(void)curl_multi_setopt(push.multi, CURLMOPT_MAX_HOST_CONNECTIONS, 1L);
	(void)snprintf(line, sizeof(line), "Authorization: Bearer %s", o->token);
	header(line);
	header("Content-Type: application/json");
	header("Expect:");
	for (int i = 0; i < o->in_flight; i++) {
		CURL *e = push.requests[i].easy = curl_easy_init();

		if (e == NULL)
			floor_fail("out of memory");
		(void)curl_easy_setopt(e, CURLOPT_CAINFO, o->ca);
		(void)curl_easy_setopt(e, CURLOPT_HTTPHEADER, push.headers);
		(void)curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
		(void)curl_easy_setopt(e, CURLOPT_PIPEWAIT, 1L);
		(void)curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_answer);
		(void)curl_easy_setopt(e, CURLOPT_WRITEDATA, &push.requests[i]);
		(void)curl_easy_setopt(e, CURLOPT_PRIVATE, &push.requests[i]);
	}
}

/* Whether there was another line to send. */
static bool next(const struct floor_options *o, struct request *r, FILE *f)
{
	ssize_t n = getline(&r->line, &r->size, f);
	char *path, *body;

	if (n <= 0)
		return false;
	r->line[n - 1] = '\0';
	path = strchr(r->line, ' ');
	if (path == NULL)
		floor_fail("no request: %s", r->line);
	*path++ = '\0';
	body = strchr(path, ' ');
	if (body != NULL)
		*body++ = '\0';
	(void)snprintf(push.url, sizeof(push.url), "%s%s", o->konnect, path);
	(void)curl_easy_setopt(r->easy, CURLOPT_URL, push.url);
	if (body != NULL) {
		(void)curl_easy_setopt(r->easy, CURLOPT_POSTFIELDSIZE, (long)strlen(body));
		(void)curl_easy_setopt(r->easy, CURLOPT_POSTFIELDS, body);
	} else {
		(void)curl_easy_setopt(r->easy, CURLOPT_HTTPGET, 1L);
	}
	(void)curl_easy_setopt(r->easy, CURLOPT_CUSTOMREQUEST, r->line);
	if (curl_multi_add_handle(push.multi, r->easy) != CURLM_OK)
		floor_fail("a request cannot be added");
	return true;
}

/* Takes what has been answered, and sends as many others. How many fewer are under way. */
static int answers(const struct floor_options *o, FILE *f, struct floor_count *n)
{
	CURLMsg *m;
	int left, fewer = 0;

	while ((m = curl_multi_info_read(push.multi, &left)) != NULL) {
		long status = 0, connections = 0;
		struct request *answered;
		char *p = NULL;

		if (m->data.result != CURLE_OK)
			floor_fail("%s: %s", push.url, curl_easy_strerror(m->data.result));
		(void)curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &p);
		(void)curl_easy_getinfo(m->easy_handle, CURLINFO_RESPONSE_CODE, &status);
		(void)curl_easy_getinfo(m->easy_handle, CURLINFO_NUM_CONNECTS, &connections);
		(void)curl_multi_remove_handle(push.multi, m->easy_handle);
		answered = (struct request *)(void *)p;
		floor_keep(answered->answer, answered->answer_len);
		answered->answer_len = 0;
		n->sent++;
		n->refused += status / 100 != 2;
		n->connections += connections;
		if (!next(o, answered, f))
			fewer++;
	}
	return fewer;
}

void floor_push(const struct floor_options *o, const char *file, struct floor_count *n)
{
	FILE *f = fopen(file, "re");
	int running, under_way = 0;

	if (f == NULL)
		floor_fail("%s: %s", file, strerror(errno));
	begin(o);
	if (o->answers != NULL)
		floor_keep_open(o);
	while (under_way < o->in_flight && next(o, &push.requests[under_way], f))
		under_way++;
	while (under_way > 0) {
		if (curl_multi_perform(push.multi, &running) != CURLM_OK)
			floor_fail("libcurl does not go on");
		under_way -= answers(o, f, n);
		if (under_way > 0 && running == under_way)
			(void)curl_multi_poll(push.multi, NULL, 0, 1000, NULL);
	}
	(void)fclose(f);
}

void floor_push_done(void)
{
	if (push.multi == NULL)
		return;
	for (int i = 0; i < IN_FLIGHT_MAX; i++) {
		if (push.requests[i].easy != NULL)
			curl_easy_cleanup(push.requests[i].easy);
		free(push.requests[i].line);
	}
	(void)curl_multi_cleanup(push.multi);
	curl_slist_free_all(push.headers);
}
