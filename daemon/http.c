/* libcurl's multi_socket on the loop. libcurl may not be entered from its own callbacks, so those only note what
 * happened; results are collected when it has returned and delivered from a timer of the loop. A transfer is on
 * exactly one of two lists, running (libcurl has its handle) or done (waiting for its delivery). */
#include "http.h"

#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "../lib/buf.h"
#include "../lib/headers.h"
#include "../lib/limits.h"
#include "../lib/util.h"
#include "http_handles.h"
#include "http_url.h"
#include "log.h"
#include "loop.h"

#define CONNECTION_LIFE_SEC 600		/* so that a change of address or certificate is noticed */
#define CONNECTIONS_MAX 128		/* open at once, idle ones included: more than may be in flight */
#define IDLE_MS 10000			/* without a transfer, and connections are kept for nothing */
#define TURN_MAX_MS 5			/* in which answers are taken as they arrive; then the loop has its turn */
#define CA_CACHE_SEC 3600		/* a replaced CA file counts after that */

enum transfer_state { TRANSFER_RUNNING, TRANSFER_DONE, TRANSFER_DELIVERING };
enum stop_reason { STOP_NONE, STOP_TOO_LARGE, STOP_BY_READER };

struct sock {
	struct http *http;
	struct loop_fd *watch;
	unsigned wanted, watched;	/* LOOP_* */
	LIST_ENTRY(sock) link;
};

struct transfer {
	struct http *http;
	enum transfer_state state;
	TAILQ_ENTRY(transfer) link;
	CURL *easy;
	struct curl_slist *headers;	/* of the request; holds the bearer token */
	char *body;			/* of the request; not copied by libcurl */
	size_t body_len;
	char *host;			/* for messages */
	int (*on_chunk)(void *arg, int status, const char *p, size_t n);
	http_done_fn done;
	void *arg;

	struct headers head;		/* of the answer */
	struct buf answer;
	bool paused;			/* until the next turn of the loop */
	enum stop_reason stop;
	char curl_error[CURL_ERROR_SIZE];
	char error[2 * CURL_ERROR_SIZE];
	struct http_result result;
};

TAILQ_HEAD(transfer_list, transfer);

struct http {
	struct loop *loop;
	CURLM *multi;
	struct http_handles *handles;
	struct loop_timer *timeout;	/* libcurl's */
	struct loop_timer *deliver;	/* armed when something is done or broken */
	struct loop_timer *resume;	/* armed when something is paused */
	struct loop_timer *idle;	/* armed when nothing is in flight */
	int64_t idle_ms;
	int64_t turn_began;		/* monotonic milliseconds */
	LIST_HEAD(, sock) socks;
	bool wanted;			/* of some socket something else than before */
	struct transfer_list running, done;
	unsigned in_flight;
	char *user_agent;
	const char *broken;		/* why the multi can no longer be trusted */
	bool closing;			/* the multi is going away: no new interest in sockets */
	bool delivering;
};

static void engine_turn(struct http *h, curl_socket_t fd, int events);

/* The answer, within libcurl. */

static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;

	headers_line(&t->head, p, n * size);
	return n * size;
}

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;

	n *= size;
	if (t->on_chunk != NULL && loop_now_ms(t->http->loop) - t->http->turn_began >= TURN_MAX_MS) {
		t->paused = true;
		loop_timer_arm(t->http->resume, 0);
		return CURL_WRITEFUNC_PAUSE;
	}
	if (t->on_chunk != NULL) {
		if (t->on_chunk(t->arg, t->head.status, p, n) != 0)
			t->stop = STOP_BY_READER;
	} else if (buf_add(&t->answer, p, n) < 0) {
		t->stop = STOP_TOO_LARGE;
	}
	return t->stop == STOP_NONE ? n : CURL_WRITEFUNC_ERROR;
}

const char *http_header(const struct transfer *t, const char *name)
{
	return headers_find(&t->head, name);
}

/* Transfers. */

static void slist_free(struct curl_slist *list)
{
	for (struct curl_slist *s = list; s != NULL; s = s->next)
		secret_zero(s->data, strlen(s->data));
	curl_slist_free_all(list);
}

/* Only for a transfer that is on no list and not in the multi. */
static struct transfer *transfer_free(struct transfer *t)
{
	if (t == NULL)
		return NULL;
	/* the handle first: what it points to must outlive it */
	if (t->easy != NULL)
		http_handles_give(t->http->handles, t->easy);
	slist_free(t->headers);
	if (t->body != NULL)
		secret_zero(t->body, t->body_len);
	free(t->body);
	free(t->host);
	headers_done(&t->head);
	buf_done(&t->answer);
	free(t);
	return NULL;
}

static bool is_one_line(const char *s)
{
	return s[strcspn(s, "\r\n")] == '\0';
}

static int header_add(struct transfer *t, const char *line)
{
	struct curl_slist *list;

	if (!is_one_line(line))
		return -EINVAL;
	list = curl_slist_append(t->headers, line);
	if (list == NULL)
		return -ENOMEM;
	t->headers = list;
	return 0;
}

static int headers_build(struct transfer *t, const struct http_request *q)
{
	bool typed = false;
	int r;

	/* no Expect: its answer costs a round trip, and servers that ignore it a second */
	r = header_add(t, "Expect:");
	for (const char *const *h = q->headers; r == 0 && h != NULL && *h != NULL; h++) {
		typed = typed || ascii_has_prefix_nocase(*h, "Content-Type:");
		r = header_add(t, *h);
	}
	/* libcurl would call it a form */
	if (r == 0 && !typed)
		r = header_add(t, q->body != NULL ? "Content-Type: application/json" : "Content-Type:");
	if (r == 0 && q->bearer != NULL) {
		char *line = xasprintf("Authorization: Bearer %s", q->bearer);

		r = header_add(t, line);
		secret_zero(line, strlen(line));
		free(line);
	}
	return r;
}

/* Sets an option unless an earlier one was refused; needs "code" and "e" around it. */
#define SET(option, value) (code = code == CURLE_OK ? curl_easy_setopt(e, option, value) : code)

static CURLcode set_security(CURL *e, const struct http_request *q, const struct url_parts *parts)
{
	CURLcode code = CURLE_OK;

	SET(CURLOPT_PROTOCOLS_STR, parts->loopback ? "http,https" : "https");
	SET(CURLOPT_REDIR_PROTOCOLS_STR, "https");
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (q->ca_file != NULL)
		SET(CURLOPT_CAINFO, q->ca_file);
	SET(CURLOPT_CA_CACHE_TIMEOUT, (long)CA_CACHE_SEC);
	/* the empty string is none, not even the environment's */
	if (parts->loopback)
		SET(CURLOPT_PROXY, "");
	else if (q->proxy != NULL)
		SET(CURLOPT_PROXY, q->proxy);
	/* our headers, the token among them, are for the server and not for the proxy */
	SET(CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE);
	SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	if (q->basic_password != NULL) {
		SET(CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
		SET(CURLOPT_USERNAME, "");
		SET(CURLOPT_PASSWORD, q->basic_password);
	}
	return code;
}

static CURLcode set_limits(CURL *e, const struct http_request *q)
{
	CURLcode code = CURLE_OK;

	SET(CURLOPT_NOSIGNAL, 1L);
	/* Without it a name server that does not answer stops the loop: libcurl joins its resolver thread when
	 * a lookup is abandoned. */
	SET(CURLOPT_QUICK_EXIT, 1L);
	SET(CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_SEC * 1000L);
	SET(CURLOPT_TIMEOUT_MS, q->timeout_ms < INT32_MAX ? (long)q->timeout_ms : (long)INT32_MAX);
	SET(CURLOPT_MAXLIFETIME_CONN, (long)CONNECTION_LIFE_SEC);
	SET(CURLOPT_TCP_KEEPALIVE, 1L);
	if (q->stall_detection) {
		SET(CURLOPT_LOW_SPEED_LIMIT, (long)STALL_BYTES_PER_SEC);
		SET(CURLOPT_LOW_SPEED_TIME, (long)STALL_SEC);
	}
	return code;
}

static CURLcode set_request(CURL *e, struct transfer *t, const struct http_request *q)
{
	CURLcode code = CURLE_OK;

	SET(CURLOPT_URL, q->url);
	SET(CURLOPT_USERAGENT, t->http->user_agent);
	SET(CURLOPT_ACCEPT_ENCODING, "gzip");
	/* A connection that may turn out to be HTTP/2 is waited for. Not without TLS: there libcurl learns it from the
	 * answer, and a first request that hangs would hold up every other one to that host. */
	SET(CURLOPT_PIPEWAIT, ascii_has_prefix_nocase(q->url, "https:") ? 1L : 0L);
	if (t->body != NULL) {
		SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->body_len);
		SET(CURLOPT_POSTFIELDS, t->body);
	}
	SET(CURLOPT_CUSTOMREQUEST, q->method);
	SET(CURLOPT_HTTPHEADER, t->headers);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_HEADERDATA, t);
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_WRITEDATA, t);
	SET(CURLOPT_ERRORBUFFER, t->curl_error);
	SET(CURLOPT_PRIVATE, t);
	/* What is taken as it arrives is paused in between, which is simple in 1.1 and was often broken in libcurl's HTTP/2. That is
	 * refused by a libcurl without HTTP/2, which then speaks 1.1. */
	(void)curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)(q->on_chunk != NULL ? CURL_HTTP_VERSION_1_1 : CURL_HTTP_VERSION_2TLS));
	return code;
}

static bool method_known(const char *method)
{
	/* HEAD is missing on purpose: libcurl would wait for a body that never comes */
	static const char *const known[] = { "GET", "POST", "PUT", "PATCH", "DELETE" };

	for (size_t i = 0; i < ELEMENTSOF(known); i++)
		if (strcmp(known[i], method) == 0)
			return true;
	return false;
}

/* Everything but handing it to the multi. */
static int transfer_prepare(struct transfer *t, const struct http_request *q, const struct url_parts *parts)
{
	CURLcode code;
	int r;

	buf_init(&t->answer, q->on_chunk != NULL ? 0 : q->body_max);
	headers_init(&t->head);
	if (q->body != NULL || strcmp(q->method, "POST") == 0) {
		t->body = xstrdup(q->body != NULL ? q->body : "");
		t->body_len = strlen(t->body);
	}
	r = headers_build(t, q);
	if (r < 0)
		return r;
	t->easy = http_handles_take(t->http->handles);
	if (t->easy == NULL)
		return -ENOMEM;
	code = set_security(t->easy, q, parts);
	if (code == CURLE_OK)
		code = set_limits(t->easy, q);
	if (code == CURLE_OK)
		code = set_request(t->easy, t, q);
	if (code == CURLE_OK)
		return 0;
	return code == CURLE_OUT_OF_MEMORY ? -ENOMEM : -EINVAL;
}

int http_start(struct http *h, const struct http_request *request, http_done_fn done, void *arg, struct transfer **ret)
{
	struct url_parts parts;
	struct transfer *t;
	int r;

	if (h->closing)
		return -ESHUTDOWN;
	if (!method_known(request->method) || request->timeout_ms <= 0)
		return -EINVAL;
	r = url_check(request->url, &parts);
	if (r < 0)
		return r;
	t = xcalloc(1, sizeof(*t));
	t->http = h;
	t->host = parts.host;
	t->on_chunk = request->on_chunk;
	t->done = done;
	t->arg = arg;
	r = transfer_prepare(t, request, &parts);
	if (r == 0 && curl_multi_add_handle(h->multi, t->easy) != CURLM_OK)
		r = -EIO;
	if (r < 0) {
		transfer_free(t);
		return r;
	}
	t->state = TRANSFER_RUNNING;
	TAILQ_INSERT_TAIL(&h->running, t, link);
	if (h->in_flight++ == 0)
		loop_timer_cancel(h->idle);
	*ret = t;
	return 0;
}

static void one_less(struct http *h)
{
	if (--h->in_flight == 0 && !h->closing)
		loop_timer_arm(h->idle, h->idle_ms);
}

void http_cancel(struct transfer *t)
{
	if (t == NULL)
		return;
	switch (t->state) {
	case TRANSFER_RUNNING:
		TAILQ_REMOVE(&t->http->running, t, link);
		(void)curl_multi_remove_handle(t->http->multi, t->easy);
		break;
	case TRANSFER_DONE:
		TAILQ_REMOVE(&t->http->done, t, link);
		break;
	case TRANSFER_DELIVERING:
		return; /* it is being completed, and freed right after */
	}
	one_less(t->http);
	transfer_free(t);
}

unsigned http_in_flight(const struct http *h)
{
	return h->in_flight;
}

/* Completion. */

static const char *error_detail(const struct transfer *t, CURLcode code)
{
	return t->curl_error[0] != '\0' ? t->curl_error : curl_easy_strerror(code);
}

/* Why it failed, in words that name the host: libcurl's own name it only sometimes. */
static void error_write(struct transfer *t, CURLcode code)
{
	static const struct {
		CURLcode code;
		const char *before, *after; /* the host */
	} texts[] = {
		{ CURLE_COULDNT_RESOLVE_PROXY, "could not resolve the proxy to ", "" },
		{ CURLE_COULDNT_CONNECT, "could not connect to ", "" },
		{ CURLE_OPERATION_TIMEDOUT, "", " took too long" },
		{ CURLE_PEER_FAILED_VERIFICATION, "the certificate of ", " was not accepted" },
		{ CURLE_SSL_CACERT_BADFILE, "the CA file for ", " could not be used" },
		{ CURLE_SSL_CONNECT_ERROR, "could not agree on TLS with ", "" },
		{ CURLE_PARTIAL_FILE, "the answer of ", " was cut short" },
		{ CURLE_SEND_ERROR, "lost the connection to ", "" },
		{ CURLE_RECV_ERROR, "lost the connection to ", "" },
		{ CURLE_GOT_NOTHING, "no answer from ", "" },
		{ CURLE_BAD_CONTENT_ENCODING, "cannot uncompress the answer of ", "" },
	};
	char text[sizeof(t->error)];

	if (t->stop == STOP_BY_READER) {
		(void)snprintf(text, sizeof(text), "stopped reading the answer of %s", t->host);
	} else if (t->stop == STOP_TOO_LARGE) {
		(void)snprintf(text, sizeof(text), "the answer of %s is larger than %zu bytes", t->host, t->answer.max);
	} else if (code == CURLE_COULDNT_RESOLVE_HOST) {
		(void)snprintf(text, sizeof(text), "could not resolve host %s", t->host);
	} else {
		const char *before = "", *after = "";

		for (size_t i = 0; i < ELEMENTSOF(texts); i++)
			if (texts[i].code == code) {
				before = texts[i].before;
				after = texts[i].after;
			}
		(void)snprintf(text, sizeof(text), "%s%s%s: %s", before, t->host, after, error_detail(t, code));
	}
	(void)printable(t->error, sizeof(t->error), text);
}

/* Whether a byte of the request may have left. A CONNECT to a proxy counts as well: better doubt too much. */
static bool request_left(const struct transfer *t)
{
	curl_off_t pretransfer = 0, uploaded = 0;
	long size = 0;

	(void)curl_easy_getinfo(t->easy, CURLINFO_REQUEST_SIZE, &size);
	(void)curl_easy_getinfo(t->easy, CURLINFO_PRETRANSFER_TIME_T, &pretransfer);
	(void)curl_easy_getinfo(t->easy, CURLINFO_SIZE_UPLOAD_T, &uploaded);
	return size > 0 || pretransfer > 0 || uploaded > 0 || t->head.status != 0;
}

/* From running to done. code is CURLE_OK for a complete answer; why replaces libcurl's words. */
static void transfer_finish(struct transfer *t, CURLcode code, const char *why)
{
	struct http *h = t->http;
	curl_off_t total = 0;

	assert(t->state == TRANSFER_RUNNING);
	(void)curl_easy_getinfo(t->easy, CURLINFO_TOTAL_TIME_T, &total);
	t->result = (struct http_result){
		.status = t->head.status,
		.aborted = t->stop == STOP_BY_READER,
		.sent = request_left(t),
		.body = t->answer.data != NULL ? t->answer.data : "",
		.body_len = t->answer.len,
		.total_ms = total / 1000,
	};
	if (why != NULL)
		(void)snprintf(t->error, sizeof(t->error), "%s: %s", t->host, why);
	else if (code != CURLE_OK)
		error_write(t, code);
	if (why != NULL || code != CURLE_OK)
		t->result.error = t->error;
	(void)curl_multi_remove_handle(h->multi, t->easy);
	TAILQ_REMOVE(&h->running, t, link);
	TAILQ_INSERT_TAIL(&h->done, t, link);
	t->state = TRANSFER_DONE;
	loop_timer_arm(h->deliver, 0);
}

static void results_collect(struct http *h)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(h->multi, &left)) != NULL) {
		/* the message dies with remove_handle */
		CURL *easy = m->easy_handle;
		CURLcode code = m->data.result;
		char *t = NULL;

		if (m->msg == CURLMSG_DONE && curl_easy_getinfo(easy, CURLINFO_PRIVATE, &t) == CURLE_OK)
			transfer_finish((struct transfer *)(void *)t, code, NULL);
	}
}

/* The glue: sockets and the timer. */

static void sock_free(struct sock *s)
{
	LIST_REMOVE(s, link);
	loop_fd_free(s->watch);
	free(s);
}

static void on_fd(int fd, unsigned events, void *arg)
{
	struct sock *s = arg; /* may be gone after the turn */

	engine_turn(s->http, fd, (events & LOOP_READ ? CURL_CSELECT_IN : 0) | (events & LOOP_WRITE ? CURL_CSELECT_OUT : 0));
}

static void on_timeout(void *arg)
{
	engine_turn(arg, CURL_SOCKET_TIMEOUT, 0);
}

static int on_curl_timer(CURLM *multi, long ms, void *arg)
{
	struct http *h = arg;

	(void)multi;
	if (h->closing)
		return 0;
	if (ms < 0)
		loop_timer_cancel(h->timeout);
	else
		loop_timer_arm(h->timeout, ms);
	return 0;
}

/* The handle may be one of libcurl's own: it is not looked at. */
static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	struct http *h = arg;
	struct sock *s = socket_arg;
	unsigned events = 0;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (s != NULL)
			sock_free(s);
		return 0;
	}
	if (h->closing)
		return 0;
	if (s == NULL) {
		s = xcalloc(1, sizeof(*s));
		s->http = h;
		s->watch = loop_fd_new(h->loop, fd, on_fd, s);
		LIST_INSERT_HEAD(&h->socks, s, link);
		(void)curl_multi_assign(h->multi, fd, s);
	}
	if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
		events |= LOOP_READ;
	if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
		events |= LOOP_WRITE;
	s->wanted = events;
	h->wanted = true;
	return 0;
}

/* Once libcurl has returned: until then it changes its mind with every request that is sent. */
static void watch_sockets(struct http *h)
{
	struct sock *s;

	if (!h->wanted)
		return;
	h->wanted = false;
	LIST_FOREACH(s, &h->socks, link) {
		if (s->wanted == s->watched)
			continue;
		s->watched = s->wanted;
		if (loop_fd_watch(s->watch, s->wanted) < 0) {
			h->broken = "a socket cannot be watched";
			loop_timer_arm(h->deliver, 0);
		}
	}
}

static int multi_new(struct http *h)
{
	CURLMcode code = CURLM_OK;

	h->multi = curl_multi_init();
	if (h->multi == NULL)
		return -ENOMEM;
#define MSET(option, value) (code = code == CURLM_OK ? curl_multi_setopt(h->multi, option, value) : code)
	MSET(CURLMOPT_SOCKETFUNCTION, on_curl_socket);
	MSET(CURLMOPT_SOCKETDATA, h);
	MSET(CURLMOPT_TIMERFUNCTION, on_curl_timer);
	MSET(CURLMOPT_TIMERDATA, h);
	MSET(CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
	MSET(CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_MAX);
#if LIBCURL_VERSION_NUM >= 0x081400
	/* since there the multi waits for the resolver threads, and the option of the transfer does not help */
	MSET(CURLMOPT_QUICK_EXIT, 1L);
#endif
#undef MSET
	if (code == CURLM_OK)
		return 0;
	(void)curl_multi_cleanup(h->multi);
	h->multi = NULL;
	return -ENOMEM;
}

/* Cleaning up may ask for sockets again, or forget to let go of some. */
static void multi_free(struct http *h)
{
	struct sock *s;

	h->closing = true;
	loop_timer_cancel(h->timeout);
	if (h->multi != NULL)
		(void)curl_multi_cleanup(h->multi);
	h->multi = NULL;
	while ((s = LIST_FIRST(&h->socks)) != NULL)
		sock_free(s);
}

/* After an error of the multi its transfers are in an unknown state: fail them all and begin with a new one. */
static void multi_rebuild(struct http *h)
{
	const char *why = h->broken;
	struct transfer *t;
	unsigned n = 0;

	h->closing = true;
	for (; (t = TAILQ_FIRST(&h->running)) != NULL; n++)
		transfer_finish(t, CURLE_OK, why);
	multi_free(h);
	h->closing = false;
	h->broken = NULL;
	log_warning("http", "libcurl stopped working (%s); %u transfers failed, starting it anew", why, n);
	if (multi_new(h) < 0)
		abort(); /* memory is gone: as in xcalloc() */
}

/* The servers' patience ends anyhow; and a new connection takes up the TLS session of an old one. */
static void on_idle(void *arg)
{
	struct http *h = arg;

	http_handles_trim(h->handles);
	multi_free(h);
	h->closing = false;
	if (multi_new(h) < 0)
		abort(); /* as in multi_rebuild() */
}

void http_set_idle(struct http *h, int64_t ms)
{
	h->idle_ms = ms;
}

/* Lets libcurl work and collects what came out. */
static void engine_turn(struct http *h, curl_socket_t fd, int events)
{
	CURLMcode code;
	int running;

	h->turn_began = loop_now_ms(h->loop);
	code = curl_multi_socket_action(h->multi, fd, events, &running);
	if (code != CURLM_OK && h->broken == NULL)
		h->broken = curl_multi_strerror(code);
	results_collect(h);
	watch_sockets(h);
	if (h->broken != NULL)
		multi_rebuild(h);
}

/* A server that is faster than its reader would keep libcurl reading, and the loop waiting, to the end of the answer. */
static void on_resume(void *arg)
{
	struct http *h = arg;
	struct transfer *t, *next;
	CURLcode code;

	h->turn_began = loop_now_ms(h->loop);
	for (t = TAILQ_FIRST(&h->running); t != NULL; t = next) {
		next = TAILQ_NEXT(t, link);
		if (!t->paused)
			continue;
		t->paused = false;
		code = curl_easy_pause(t->easy, CURLPAUSE_CONT);
		if (code != CURLE_OK)
			transfer_finish(t, code, NULL);
	}
	results_collect(h);
	watch_sockets(h);
}

/* At most as many as there are now: a completion that starts what fails at once must not keep the loop. */
static void on_deliver(void *arg)
{
	struct http *h = arg;
	struct transfer *t;
	size_t n = 0;

	if (h->broken != NULL)
		multi_rebuild(h);
	TAILQ_FOREACH(t, &h->done, link)
		n++;
	h->delivering = true;
	for (; n > 0 && (t = TAILQ_FIRST(&h->done)) != NULL; n--) {
		TAILQ_REMOVE(&h->done, t, link);
		t->state = TRANSFER_DELIVERING;
		one_less(h);
		t->done(t, &t->result, t->arg);
		transfer_free(t);
	}
	h->delivering = false;
	if (!TAILQ_EMPTY(&h->done))
		loop_timer_arm(h->deliver, 0);
}

struct http *http_new(struct loop *l, const char *user_agent)
{
	struct http *h;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return NULL;
	h = xcalloc(1, sizeof(*h));
	h->loop = l;
	h->user_agent = xstrdup(user_agent);
	LIST_INIT(&h->socks);
	TAILQ_INIT(&h->running);
	TAILQ_INIT(&h->done);
	h->timeout = loop_timer_new(l, on_timeout, h);
	h->deliver = loop_timer_new(l, on_deliver, h);
	h->resume = loop_timer_new(l, on_resume, h);
	h->idle = loop_timer_new(l, on_idle, h);
	h->idle_ms = IDLE_MS;
	h->handles = http_handles_new();
	if (h->handles == NULL || multi_new(h) < 0)
		return http_free(h);
	return h;
}

struct http *http_free(struct http *h)
{
	struct transfer *t;

	if (h == NULL)
		return NULL;
	assert(!h->delivering);
	h->closing = true;
	while ((t = TAILQ_FIRST(&h->running)) != NULL || (t = TAILQ_FIRST(&h->done)) != NULL)
		http_cancel(t);
	multi_free(h);
	http_handles_free(h->handles);
	loop_timer_free(h->timeout);
	loop_timer_free(h->deliver);
	loop_timer_free(h->resume);
	loop_timer_free(h->idle);
	free(h->user_agent);
	free(h);
	curl_global_cleanup();
	return NULL;
}
