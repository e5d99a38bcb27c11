/* The HTTP engine against canned answers, server and client on one loop. */
#include "../../daemon/http.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <signal.h>

#include "../../daemon/log.h"
#include "../../lib/limits.h"
#include "../unit/t.h"
#include "server.h"

#define OK_HEAD "HTTP/1.1 200 OK\r\n"
#define X16 "xxxxxxxxxxxxxxxx"
#define X64 X16 X16 X16 X16
#define X512 X64 X64 X64 X64 X64 X64 X64 X64

/* 100,000 times 'a' */
static const char bomb[] = OK_HEAD
	"Content-Encoding: gzip\r\nContent-Length: 133\r\n\r\n"
	"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xed\xc1\x31\x01\x00\x00\x00\xc2\xa0\xac\xeb\x5f\xc2\x1a\x1e\x40\x01\x00"
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xaf\x06\x87\xfa\xe2\x1b\xa0\x86\x01\x00";

static const struct canned answers[] = {
	{ .path = "/good", .answer = OK_HEAD "X-One: 1\r\nRetry-After:   7 \r\nX-ONE: 2\r\nContent-Length: 5\r\n\r\nhello" },
	{ .path = "/redirect", .answer = "HTTP/1.1 302 Found\r\nLocation: /good\r\nContent-Length: 0\r\n\r\n" },
	{ .path = "/big", .answer = OK_HEAD "Content-Length: 100000\r\n\r\n", .pad = 100000 },
	{ .path = "/bomb", .answer = bomb, .len = sizeof(bomb) - 1 },
	{ .path = "/short", .answer = OK_HEAD "Content-Length: 100\r\n\r\n0123456789", .close = true },
	{ .path = "/badchunk", .answer = OK_HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nhel", .close = true },
	{ .path = "/silent", .answer = NULL, .close = true },
	{ .path = "/hang", .answer = NULL },
	{ .path = "/stalled", .answer = OK_HEAD "Content-Length: 10\r\n\r\n0" },
	{ .path = "/garbage", .answer = "what is this?\r\n\r\n", .close = true },
	{ .path = "/interim", .answer = "HTTP/1.1 103 Early Hints\r\nX-Early: 1\r\n\r\n" OK_HEAD "Content-Length: 2\r\n\r\nok" },
	{ .path = "/interim-only", .answer = "HTTP/1.1 103 Early Hints\r\nX-Early: 1\r\n\r\n", .close = true },
	{ .path = "/long", .answer = OK_HEAD "X-Long: " X512 "yyy\r\nContent-Length: 0\r\n\r\n" },
	{ .path = "/none", .answer = "HTTP/1.1 204 No Content\r\n\r\n" },
	{ .path = "/error", .answer = "HTTP/1.1 503 Busy\r\nRetry-After: 3\r\nContent-Length: 4\r\n\r\nbusy" },
};

static struct loop *loop;
static struct http *http;

/* libcurl's function, so that a test can make the multi fail. */
static bool multi_fails;

CURLMcode curl_multi_socket_action(CURLM *multi, curl_socket_t fd, int events, int *running)
{
	static CURLMcode (*real)(CURLM *, curl_socket_t, int, int *);

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "curl_multi_socket_action");
	if (multi_fails) {
		multi_fails = false;
		return CURLM_INTERNAL_ERROR;
	}
	return real(multi, fd, events, running);
}

/* What a completion saw. */
struct seen {
	unsigned calls;
	int status;
	bool failed, aborted, sent;
	char error[600], body[256], header[600];
	const char *want;		/* header to look up */
	size_t body_len;
	int64_t total_ms;
	struct transfer *t, *victim;	/* victim: cancelled by the completion */
	struct seen *next;		/* started by the completion */
	size_t chunk_bytes, abort_after;
	int chunk_status;
	unsigned slow_us, chunks, turn, same_turn;	/* a reader that takes its time; chunks in one turn of the loop */
};

static unsigned waiting_for, turns;

static void on_giving_up(void *arg)
{
	(void)arg;
	loop_stop(loop);
}

/* Runs until n completions came; false when they did not. */
static bool run(unsigned n, int64_t ms)
{
	struct loop_timer *t = loop_timer_new(loop, on_giving_up, NULL);

	waiting_for = n;
	loop_timer_arm(t, ms);
	(void)loop_run(loop);
	loop_timer_free(t);
	return waiting_for == 0;
}

static struct seen *start(struct seen *s, const char *path);

static void on_done(struct transfer *t, const struct http_result *r, void *arg)
{
	struct seen *s = arg;
	const char *header = s->want != NULL ? http_header(t, s->want) : NULL;

	s->calls++;
	s->status = r->status;
	s->failed = r->error != NULL;
	s->aborted = r->aborted;
	s->sent = r->sent;
	s->body_len = r->body_len;
	s->total_ms = r->total_ms;
	(void)snprintf(s->error, sizeof(s->error), "%s", r->error != NULL ? r->error : "");
	(void)snprintf(s->body, sizeof(s->body), "%s", r->body);
	(void)snprintf(s->header, sizeof(s->header), "%s", header != NULL ? header : "(none)");
	if (s->victim != NULL)
		http_cancel(s->victim);
	if (s->next != NULL)
		(void)start(s->next, "/good");
	http_cancel(t); /* does nothing: it is being completed */
	if (waiting_for > 0 && --waiting_for == 0)
		loop_stop(loop);
}

static int on_chunk(void *arg, int status, const char *p, size_t n)
{
	struct seen *s = arg;

	(void)p;
	s->same_turn += s->chunks++ > 0 && s->turn == turns;
	s->turn = turns;
	if (s->slow_us > 0)
		(void)usleep(s->slow_us);
	s->chunk_status = status;
	s->chunk_bytes += n;
	return s->abort_after > 0 && s->chunk_bytes >= s->abort_after ? -1 : 0;
}

static char url_text[256];

static const char *url(const char *path)
{
	(void)snprintf(url_text, sizeof(url_text), "http://127.0.0.1:%u%s", server.port, path);
	return url_text;
}

static struct http_request request(const char *path)
{
	return (struct http_request){
		.method = "GET", .url = url(path), .timeout_ms = 5000, .body_max = 4096, .stall_detection = true,
	};
}

static struct seen *start(struct seen *s, const char *path)
{
	struct http_request q = request(path);

	if (http_start(http, &q, on_done, s, &s->t) < 0)
		s->error[0] = '!';
	return s;
}

static struct seen get(const char *path, const char *header)
{
	struct seen s = { .want = header };

	(void)start(&s, path);
	T_OK_MSG(run(1, 8000), path);
	return s;
}

static void test_answers(void)
{
	struct seen s = get("/good", "retry-AFTER");

	T_EQ_INT(s.status, 200);
	T_OK(!s.failed && s.sent && !s.aborted);
	T_EQ_STR(s.body, "hello");
	T_EQ_STR(s.header, "7");
	T_OK(strstr(server.last, "GET /good HTTP/1.1\r\n") == server.last);
	T_OK(strstr(server.last, "User-Agent: adosyncd/test\r\n") != NULL);
	T_OK(strstr(server.last, "Accept-Encoding: gzip\r\n") != NULL);
	T_NULL(strstr(server.last, "Authorization"));
	T_NULL(strstr(server.last, "Content-Type"));
	s = get("/good", "x-one");
	T_EQ_STR(s.header, "1");
	s = get("/good", "x-absent");
	T_EQ_STR(s.header, "(none)");
	T_EQ_INT_MSG(server.connections, 1, "one connection for all of them");
	s = get("/redirect", "Location");
	T_EQ_INT(s.status, 302);
	T_OK(!s.failed);
	T_EQ_STR(s.header, "/good");
	s = get("/interim", "x-early");
	T_EQ_INT(s.status, 200);
	T_EQ_STR(s.header, "(none)");
	s = get("/long", "x-long");
	T_EQ_INT(strlen(s.header), HEADER_VALUE_MAX);
	s = get("/none", NULL);
	T_EQ_INT(s.status, 204);
	T_EQ_STR(s.body, "");
	s = get("/error", "Retry-After");
	T_EQ_INT(s.status, 503);
	T_OK_MSG(!s.failed, "a 503 is an answer");
	T_EQ_STR(s.body, "busy");
}

static void on_look(void *arg)
{
	struct loop_timer **again = arg;

	if (LIST_EMPTY(&server.conns))
		loop_stop(loop);
	else
		loop_timer_arm(*again, 1);
}

static void test_idle(void)
{
	unsigned before = server.connections;
	struct loop_timer *look = loop_timer_new(loop, on_look, &look);
	struct seen s = get("/good", NULL);

	http_set_idle(http, 1);
	(void)get("/good", NULL);
	T_EQ_INT_MSG(server.connections, before, "what was used just now is used again");
	loop_timer_arm(look, 1);
	(void)run(1, 8000);
	T_OK_MSG(LIST_EMPTY(&server.conns), "no connection is kept for nothing");
	s = get("/good", NULL);
	T_EQ_INT(s.status, 200);
	T_EQ_INT(server.connections, before + 1);
	http_set_idle(http, 10000);
	loop_timer_free(look);
}

static void test_failures(void)
{
	struct seen s = get("/big", NULL);

	T_OK(s.failed && s.sent && !s.aborted);
	T_EQ_INT(s.status, 200);
	T_EQ_STR(s.error, "the answer of 127.0.0.1 is larger than 4096 bytes");
	s = get("/bomb", NULL);
	T_EQ_STR(s.error, "the answer of 127.0.0.1 is larger than 4096 bytes");
	s = get("/short", NULL);
	T_OK(s.failed && s.sent);
	T_EQ_INT(s.status, 200);
	T_OK_MSG(strstr(s.error, "the answer of 127.0.0.1 was cut short") == s.error, s.error);
	s = get("/badchunk", NULL);
	T_OK_MSG(s.failed, s.error);
	s = get("/garbage", NULL);
	T_OK_MSG(s.failed, s.error);
	T_EQ_INT(s.status, 0);
	s = get("/interim-only", "x-early");
	T_OK_MSG(s.failed && s.sent, s.error);
	T_EQ_INT(s.status, 0);
	s = get("/silent", NULL);
	T_OK_MSG(s.failed && s.sent, s.error);
	T_OK(strstr(s.error, "no answer from 127.0.0.1") == s.error);
}

static void test_not_connected(void)
{
	struct seen s = { 0 };
	struct http_request q = request("/");
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);

	/* bound and not listening: nobody else gets the port, and nobody answers */
	T_OK(bind(fd, (struct sockaddr *)&a, len) == 0 && getsockname(fd, (struct sockaddr *)&a, &len) == 0);
	(void)snprintf(url_text, sizeof(url_text), "http://127.0.0.1:%u/", ntohs(a.sin_port));
	T_EQ_INT(http_start(http, &q, on_done, &s, &s.t), 0);
	T_OK(run(1, 5000));
	T_OK(s.failed && !s.sent);
	T_OK_MSG(strstr(s.error, "could not connect to 127.0.0.1: ") == s.error, s.error);
	(void)close(fd);
}

static void test_timeouts(void)
{
	struct seen s = { 0 };
	struct http_request q = request("/hang");
	int64_t began = loop_now_ms(loop);

	q.timeout_ms = 300;
	T_EQ_INT(http_start(http, &q, on_done, &s, &s.t), 0);
	T_EQ_INT(http_in_flight(http), 1);
	T_OK(run(1, 5000));
	T_EQ_INT(http_in_flight(http), 0);
	T_OK(s.failed && s.sent && s.status == 0);
	T_OK_MSG(strstr(s.error, "127.0.0.1 took too long") == s.error, s.error);
	T_OK(loop_now_ms(loop) - began < 1500 && loop_now_ms(loop) - began >= 300);
	T_OK(s.total_ms >= 299 && s.total_ms < 1500);
	s = (struct seen){ 0 };
	q.url = url("/stalled");
	T_EQ_INT(http_start(http, &q, on_done, &s, &s.t), 0);
	T_OK(run(1, 5000));
	T_OK_MSG(s.failed && s.status == 200, "a body that never ends");
}

static void test_chunks(void)
{
	struct seen s = { 0 };
	struct http_request q = request("/big");

	q.on_chunk = on_chunk;
	q.body_max = 0;
	T_EQ_INT(http_start(http, &q, on_done, &s, &s.t), 0);
	T_OK(run(1, 5000));
	T_OK(!s.failed && !s.aborted);
	T_EQ_INT(s.chunk_bytes, 100000);
	T_EQ_INT(s.chunk_status, 200);
	T_EQ_INT(s.body_len, 0);
	s = (struct seen){ .abort_after = 1 };
	T_EQ_INT(http_start(http, &q, on_done, &s, &s.t), 0);
	T_OK(run(1, 5000));
	T_OK(s.failed && s.aborted && s.sent);
	T_EQ_STR(s.error, "stopped reading the answer of 127.0.0.1");
	q.url = url("/bomb");
	s = (struct seen){ 0 };
	T_EQ_INT(http_start(http, &q, on_done, &s, &s.t), 0);
	T_OK(run(1, 5000));
	T_EQ_INT_MSG(s.chunk_bytes, 100000, "chunks are counted after decompression");
}

static void on_turn(void *arg)
{
	turns++;
	loop_timer_arm(*(struct loop_timer **)arg, 0);
}

/* A reader that is slower than the server does not keep the loop: others have their turn between any two chunks. */
static void test_slow_reader(void)
{
	static const char *const paths[] = { "/big", "/bomb" };
	struct loop_timer *turn;
	struct http_request q;
	struct seen s;

	turn = loop_timer_new(loop, on_turn, &turn);
	loop_timer_arm(turn, 0);
	for (size_t i = 0; i < 2; i++) {
		q = request(paths[i]);
		q.on_chunk = on_chunk;
		s = (struct seen){ .slow_us = 8000 };
		T_EQ_INT(http_start(http, &q, on_done, &s, &s.t), 0);
		T_OK(run(1, 5000));
		T_OK_MSG(!s.failed && s.chunk_bytes == 100000, paths[i]);
		T_OK_MSG(s.chunks > 3 && s.same_turn == 0, paths[i]);
		/* it stops while it is resumed */
		s = (struct seen){ .slow_us = 8000, .abort_after = 50000 };
		T_EQ_INT(http_start(http, &q, on_done, &s, &s.t), 0);
		T_OK(run(1, 5000));
		T_OK_MSG(s.failed && s.aborted && s.calls == 1, paths[i]);
		T_EQ_STR(s.error, "stopped reading the answer of 127.0.0.1");
		/* and is cancelled while it is paused */
		s = (struct seen){ .slow_us = 8000 };
		T_EQ_INT(http_start(http, &q, on_done, &s, &s.t), 0);
		T_OK(!run(1, 20));
		if (s.calls == 0)
			http_cancel(s.t);
		T_OK(!run(1, 30) && s.calls == 0 && http_in_flight(http) == 0);
	}
	loop_timer_free(turn);
}

/* Two that are done in the same turn: the first to be delivered cancels the other. */
static void test_cancel(void)
{
	struct seen a = { 0 }, b = { 0 }, c = { 0 }, d = { 0 };

	(void)start(&a, "/good");
	(void)start(&b, "/good");
	a.victim = b.t;
	b.victim = a.t;
	T_OK(run(1, 5000));
	T_OK(!run(1, 100));
	T_EQ_INT_MSG(a.calls + b.calls, 1, "a completion cancelled its sibling");
	(void)start(&c, "/good");
	(void)start(&d, "/hang");
	c.victim = d.t;
	T_OK(run(1, 5000));
	T_EQ_INT(http_in_flight(http), 0);
	T_OK(!run(1, 100));
	T_EQ_INT_MSG(c.calls + 10 * d.calls, 1, "a completion cancelled one in flight");
	d = (struct seen){ 0 };
	(void)start(&d, "/hang");
	T_OK(!run(1, 100));
	http_cancel(d.t);
	T_EQ_INT(http_in_flight(http), 0);
	(void)start(&d, "/hang");
	http_cancel(d.t);
	http_cancel(NULL);
	T_OK(!run(1, 100));
	T_EQ_INT(d.calls, 0);
}

static void test_start_within(void)
{
	struct seen c = { 0 }, b = { .next = &c }, a = { .next = &b };

	(void)start(&a, "/good");
	T_OK(run(3, 5000));
	T_OK(a.status == 200 && b.status == 200 && c.status == 200);
}

static void test_refused(void)
{
	static const char *const no[] = {
		"http://example.com/", "http://127.0.0.1.example.com/", "http://localhost@example.com/",
		"http://localhost:x@example.com/", "http://10.0.0.1/", "http://128.0.0.1/", "http://[::2]/",
		"http://[2001:db8::1]/", "ftp://127.0.0.1/", "file:///etc/passwd", "127.0.0.1", "", "https://",
		"https://user@example.com/", "https://user:secret@example.com/", "http://localhost.example.com/",
		"http://0/", "gopher://localhost/",
	};
	static const char *const yes[] = {
		"https://example.com/", "HTTPS://example.com", "http://127.0.0.1/", "http://127.255.0.3:80/x",
		"http://localhost:8080/", "http://LOCALHOST/", "http://[::1]:1/", "http://[0:0:0:0:0:0:0:1]/",
	};
	struct http_request q = request("/");
	struct transfer *t = NULL;
	const char *const injected[] = { "X: 1\r\nY: 2", NULL };
	char *longest = xcalloc(URL_MAX_BYTES + 32, 1);

	for (size_t i = 0; i < ELEMENTSOF(no); i++)
		T_OK_MSG(!http_url_allowed(no[i]), no[i]);
	for (size_t i = 0; i < ELEMENTSOF(yes); i++)
		T_OK_MSG(http_url_allowed(yes[i]), yes[i]);
	q.url = no[0];
	T_EQ_INT(http_start(http, &q, on_done, NULL, &t), -EPROTONOSUPPORT);
	memset(longest, 'a', URL_MAX_BYTES + 1);
	memcpy(longest, "https://", 8);
	q.url = longest;
	T_EQ_INT(http_start(http, &q, on_done, NULL, &t), -ENAMETOOLONG);
	q = request("/good");
	q.method = "HEAD";
	T_EQ_INT(http_start(http, &q, on_done, NULL, &t), -EINVAL);
	q = request("/good");
	q.headers = injected;
	T_EQ_INT(http_start(http, &q, on_done, NULL, &t), -EINVAL);
	q = request("/good");
	q.bearer = "a\nb";
	T_EQ_INT(http_start(http, &q, on_done, NULL, &t), -EINVAL);
	q = request("/good");
	q.timeout_ms = 0;
	T_EQ_INT(http_start(http, &q, on_done, NULL, &t), -EINVAL);
	T_NULL(t);
	T_EQ_INT(http_in_flight(http), 0);
	free(longest);
}

static void test_requests(void)
{
	const char *const headers[] = { "Accept: application/json", "X-TFS-FedAuthRedirect: Suppress", NULL };
	char big[3001];
	struct http_request q = request("/good");
	struct seen s = { 0 };

	q.bearer = "kpat_secret";
	q.headers = headers;
	T_EQ_INT(http_start(http, &q, on_done, &s, &s.t), 0);
	T_OK(run(1, 5000));
	T_OK(strstr(server.last, "\r\nAuthorization: Bearer kpat_secret\r\n") != NULL);
	T_OK(strstr(server.last, "\r\nAccept: application/json\r\n") != NULL);
	T_NULL(strstr(server.last, "*/*"));
	T_OK(strstr(server.last, "\r\nX-TFS-FedAuthRedirect: Suppress\r\n") != NULL);
	q.bearer = NULL;
	q.basic_password = "pat";
	T_EQ_INT(http_start(http, &q, on_done, &s, &s.t), 0);
	T_OK(run(1, 5000));
	T_OK_MSG(strstr(server.last, "\r\nAuthorization: Basic OnBhdA==\r\n") != NULL, "base64 of \":pat\"");
	q = request("/good");
	/* libcurl would announce this one with Expect: 100-continue */
	memset(big, '1', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	q.method = "PATCH";
	q.body = big;
	T_EQ_INT(http_start(http, &q, on_done, &s, &s.t), 0);
	memset(big, '0', sizeof(big) - 1); /* everything was copied */
	T_OK(run(1, 5000));
	T_OK(strstr(server.last, "PATCH /good HTTP/1.1\r\n") == server.last);
	T_OK(strstr(server.last, "\r\nContent-Type: application/json\r\n") != NULL);
	T_OK(strstr(server.last, "\r\nContent-Length: 3000\r\n") != NULL);
	T_NULL(ascii_strcasestr(server.last, "expect"));
	T_NULL(strstr(server.last, "0000000000"));
	q.method = "POST";
	q.body = NULL;
	T_EQ_INT(http_start(http, &q, on_done, &s, &s.t), 0);
	T_OK(run(1, 5000));
	T_OK(strstr(server.last, "\r\nContent-Length: 0\r\n") != NULL);
	T_NULL(strstr(server.last, "Content-Type"));
	q.method = "DELETE";
	T_EQ_INT(http_start(http, &q, on_done, &s, &s.t), 0);
	T_OK(run(1, 5000));
	T_OK(strstr(server.last, "DELETE /good HTTP/1.1\r\n") == server.last);
	T_EQ_INT(s.status, 200);
}

/* Neither the environment's proxy nor a configured one may see what goes to loopback. */
static void test_proxy(void)
{
	struct http_request q = request("/good");
	struct seen s = { 0 };

	(void)setenv("http_proxy", "http://127.0.0.1:1", 1);
	(void)setenv("all_proxy", "http://127.0.0.1:1", 1);
	q.proxy = "http://127.0.0.1:1";
	T_EQ_INT(http_start(http, &q, on_done, &s, &s.t), 0);
	T_OK(run(1, 5000));
	T_EQ_INT(s.status, 200);
	s = get("/good", NULL);
	T_EQ_INT(s.status, 200);
	(void)unsetenv("http_proxy");
	(void)unsetenv("all_proxy");
}

static void test_broken_multi(void)
{
	struct seen a = { 0 }, b = { 0 }, after;

	(void)start(&a, "/hang");
	T_OK(!run(1, 100));
	(void)start(&b, "/good");
	multi_fails = true;
	T_OK(run(2, 5000));
	T_OK(a.failed && b.failed && a.sent && !b.sent);
	T_OK_MSG(a.calls == 1 && b.calls == 1, a.error);
	T_EQ_INT(http_in_flight(http), 0);
	after = get("/good", NULL);
	T_EQ_INT_MSG(after.status, 200, "the engine works again");
}

static void test_shutdown(void)
{
	struct seen s[10] = { 0 };
	int64_t began;

	for (size_t i = 0; i < ELEMENTSOF(s); i++)
		(void)start(&s[i], i % 2 == 0 ? "/hang" : "/stalled");
	T_OK(!run(1, 200));
	T_EQ_INT(http_in_flight(http), 10);
	began = loop_now_ms(loop);
	http = http_free(http);
	T_OK_MSG(loop_now_ms(loop) - began < 1000, "shutdown with ten in flight");
	for (size_t i = 0; i < ELEMENTSOF(s); i++)
		T_EQ_INT(s[i].calls, 0);
}

static struct loop_timer *ticks[3];
static unsigned fired[3];

static void on_tick(void *arg)
{
	size_t i = (size_t)(uintptr_t)arg;

	fired[i]++;
	if (i == 0)
		loop_timer_cancel(ticks[1]);
	if (i == 2) {
		ticks[2] = loop_timer_free(ticks[2]); /* its own */
		loop_stop(loop);
	}
}

static void on_usr1(int signo, void *arg)
{
	*(int *)arg = signo;
	loop_stop(loop);
}

static void test_loop(void)
{
	int64_t began = loop_now_ms(loop);
	int got = 0;

	for (size_t i = 0; i < 3; i++)
		ticks[i] = loop_timer_new(loop, on_tick, (void *)(uintptr_t)i);
	loop_timer_arm(ticks[0], 60000);
	loop_timer_arm(ticks[0], 0);
	loop_timer_arm(ticks[1], 20);
	loop_timer_arm(ticks[2], 50);
	T_EQ_INT(loop_run(loop), 0);
	T_OK(fired[0] == 1 && fired[1] == 0 && fired[2] == 1);
	T_OK_MSG(loop_now_ms(loop) - began >= 50, "no timer comes early");
	T_NULL(loop_timer_free(ticks[0]));
	T_NULL(loop_timer_free(ticks[1]));
	T_NULL(loop_timer_free(NULL));
	T_NULL(loop_fd_free(NULL));
	T_EQ_INT(loop_signal(loop, SIGUSR1, on_usr1, &got), 0);
	(void)raise(SIGUSR1);
	T_EQ_INT(loop_run(loop), 0);
	T_EQ_INT(got, SIGUSR1);
	loop_stop(loop);
	T_EQ_INT_MSG(loop_run(loop), 0, "a stop before the run counts");
	T_EQ_INT(loop_random(loop, 1), 0);
	for (int i = 0; i < 1000; i++)
		if (loop_random(loop, 3) > 2)
			T_OK_MSG(false, "a random number below n");
	T_OK(loop_wall_sec(loop) > 1700000000);
}

int main(void)
{
	log_setup(LOG_FORMAT_TEXT, LOG_ERR);
	loop = loop_new();
	http = http_new(loop, "adosyncd/test");
	server_start(loop, answers, ELEMENTSOF(answers));
	test_loop();
	test_answers();
	test_idle();
	test_failures();
	test_not_connected();
	test_timeouts();
	test_chunks();
	test_slow_reader();
	test_cancel();
	test_start_within();
	test_refused();
	test_requests();
	test_proxy();
	test_broken_multi();
	test_shutdown();
	T_NULL(http_free(NULL));
	server_stop();
	T_NULL(loop_free(loop));
	return t_done();
}
