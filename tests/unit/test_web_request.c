#include "../../lib/web_request.h"
#include "t.h"
#include "util.h"

static const struct {
	const char *text;
	int result;
	enum web_method method;
	const char *path;
} cases[] = {
	{ "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 0, WEB_GET, "/" },
	{ "HEAD /metrics HTTP/1.0\r\n\r\n", 0, WEB_HEAD, "/metrics" },
	{ "GET /a?b=/c HTTP/1.1\n\n", 0, WEB_GET, "/a" },
	{ "GET /a#b HTTP/1.1\n\n", 0, WEB_GET, "/a" },
	{ "\r\n\nGET /a HTTP/1.1\r\n\r\nrest\x01", 0, WEB_GET, "/a" },
	{ "GET http://evil.example/status?x HTTP/1.1\r\n\r\n", 0, WEB_GET, "/status" },
	{ "GET HTTP://evil.example HTTP/1.1\r\n\r\n", 0, WEB_GET, "" },
	{ "GET * HTTP/1.1\r\n\r\n", 0, WEB_GET, "" },
	{ "GET metrics HTTP/1.1\r\n\r\n", 0, WEB_GET, "" },
	{ "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", 0, WEB_OTHER, "/" },
	{ "get / HTTP/1.1\r\n\r\n", 0, WEB_OTHER, "/" },
	{ "GETT / HTTP/1.1\r\n\r\n", 0, WEB_OTHER, "/" },
	{ "", WEB_REQUEST_MORE, 0, NULL },
	{ "GET", WEB_REQUEST_MORE, 0, NULL },
	{ "GET / HTTP/1.1\r\nHost: x\r\n", WEB_REQUEST_MORE, 0, NULL },
	{ "GET / HTTP/1.1\r\n\r", WEB_REQUEST_MORE, 0, NULL },
	{ "GET /\r\n\r\n", -400, 0, NULL },
	{ "GET  / HTTP/1.1\r\n\r\n", -400, 0, NULL },
	{ "GET / \r\n\r\n", -400, 0, NULL },
	{ "GET / HTTP/1.1 \r\n\r\n", -400, 0, NULL },
	{ "GET / HTTP/11\r\n\r\n", -400, 0, NULL },
	{ "GET / ICY/1.1\r\n\r\n", -400, 0, NULL },
	{ " GET / HTTP/1.1\r\n\r\n", -400, 0, NULL },
	{ "G\xc3\x8bT / HTTP/1.1\r\n\r\n", -400, 0, NULL },
	{ "GET /\x01 HTTP/1.1\r\n\r\n", -400, 0, NULL },
	{ "GET / HTTP/1.1\r\nno colon\r\n\r\n", -400, 0, NULL },
	{ "GET / HTTP/1.1\r\n: x\r\n\r\n", -400, 0, NULL },
	{ "GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n", -400, 0, NULL },
	{ "GET / HTTP/1.1\r\nA : b\r\n\r\n", -400, 0, NULL },
	{ "GET / HTTP/1.1\r\nA: b\rc\r\n\r\n", -400, 0, NULL },
	{ "GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", -400, 0, NULL },
	{ "GET http://a/ HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", -400, 0, NULL },
	{ "GET / HTTP/2.0\r\n\r\n", -505, 0, NULL },
	{ "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", -505, 0, NULL },
	{ "\x16\x03\x01\x02\n", -400, 0, NULL },
};

static void test_cases(void)
{
	struct web_request q;

	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		q = (struct web_request){ .method = WEB_OTHER, .path = "unset" };
		T_EQ_INT_MSG(web_request_parse(cases[i].text, strlen(cases[i].text), &q), cases[i].result, cases[i].text);
		if (cases[i].result != 0)
			continue;
		T_EQ_INT(q.method, cases[i].method);
		T_EQ_STR(q.path, cases[i].path);
	}
}

static const struct {
	const char *text, *host;
} hosts[] = {
	{ "GET / HTTP/1.1\r\n\r\n", "" },
	{ "GET / HTTP/1.1\r\nX-Host: a\r\nHostX: a\r\n\r\n", "" },
	{ "GET / HTTP/1.1\r\nHost: localhost:9878\r\n\r\n", "localhost" },
	{ "GET / HTTP/1.1\r\nA: b\r\nhOST:\tLocalHost \r\n\r\n", "LocalHost" },
	{ "GET / HTTP/1.1\r\nHost:127.0.0.1:80\r\n\r\n", "127.0.0.1" },
	{ "GET / HTTP/1.1\r\nHost: a:\r\n\r\n", "a" },
	{ "GET / HTTP/1.1\r\nHost: [::1]:9878\r\n\r\n", "[::1]" },
	{ "GET / HTTP/1.1\r\nHost: [::1]\r\n\r\n", "[::1]" },
	{ "GET / HTTP/1.1\r\nHost: evil.example:80\r\n\r\n", "evil.example" },
	{ "GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n", "evil.example" },
	{ "GET http://evil.example:80?localhost HTTP/1.1\r\n\r\n", "?" },
	{ "GET http://localhost/ HTTP/1.1\r\nHost: evil.example\r\n\r\n", "localhost" },
	{ "GET http://localhost@evil.example/ HTTP/1.1\r\n\r\n", "localhost@evil.example" },
	{ "GET http:///status HTTP/1.1\r\nHost: localhost\r\n\r\n", "?" },
	{ "GET http:// HTTP/1.1\r\nHost: localhost\r\n\r\n", "?" },
	{ "GET / HTTP/1.1\r\nHost:\r\n\r\n", "?" },
	{ "GET / HTTP/1.1\r\nHost: :80\r\n\r\n", "?" },
	{ "GET / HTTP/1.1\r\nHost: localhost:80.evil.example\r\n\r\n", "?" },
	{ "GET / HTTP/1.1\r\nHost: localhost, evil.example\r\n\r\n", "localhost, evil.example" },
};

static void test_hosts(void)
{
	char text[1024] = "GET / HTTP/1.1\r\nHost: ";
	struct web_request q;
	size_t n = strlen(text);

	for (size_t i = 0; i < ELEMENTSOF(hosts); i++) {
		T_EQ_INT_MSG(web_request_parse(hosts[i].text, strlen(hosts[i].text), &q), 0, hosts[i].text);
		T_EQ_STR(q.host, hosts[i].host);
	}
	memset(text + n, 'a', WEB_HOST_MAX);
	strcpy(text + n + WEB_HOST_MAX, "\r\n\r\n");
	T_EQ_INT(web_request_parse(text, strlen(text), &q), 0);
	T_EQ_STR(q.host, "?");
	strcpy(text + n + WEB_HOST_MAX - 1, "\r\n\r\n");
	T_EQ_INT(web_request_parse(text, strlen(text), &q), 0);
	T_EQ_INT(strlen(q.host), WEB_HOST_MAX - 1);
}

/* However it is cut, it is understood once its head is there, and not before. */
static void test_cuts(void)
{
	static const char text[] = "GET /healthz HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n";
	struct web_request q;
	size_t early = 0;

	for (size_t n = 0; n < sizeof(text) - 1; n++)
		early += web_request_parse(text, n, &q) != WEB_REQUEST_MORE;
	T_EQ_INT(early, 0);
	T_EQ_INT(web_request_parse(text, sizeof(text) - 1, &q), 0);
}

static void test_long(void)
{
	char text[WEB_HEAD_MAX + 1] = "GET /";
	struct web_request q;

	memset(text + 5, 'a', sizeof(text) - 5);
	T_EQ_INT(web_request_parse(text, WEB_HEAD_MAX - 1, &q), WEB_REQUEST_MORE);
	T_EQ_INT(web_request_parse(text, WEB_HEAD_MAX, &q), -431);
	memcpy(text + 5 + WEB_PATH_MAX, " HTTP/1.1\r\n\r\n", 13);
	T_EQ_INT(web_request_parse(text, WEB_HEAD_MAX, &q), 0);
	T_EQ_STR(q.path, "");
	memcpy(text + 5 + WEB_PATH_MAX - 2, " HTTP/1.1\r\n\r\n", 13);
	T_EQ_INT(web_request_parse(text, WEB_HEAD_MAX, &q), 0);
	T_EQ_INT(strlen(q.path), WEB_PATH_MAX - 1);
}

static void test_reasons(void)
{
	static const int statuses[] = { 200, 400, 404, 405, 421, 431, 500, 503, 505 };

	for (size_t i = 0; i < ELEMENTSOF(statuses); i++)
		T_OK(strcmp(web_reason(statuses[i]), "?") != 0);
	T_EQ_STR(web_reason(418), "?");
}

int main(void)
{
	test_cases();
	test_hosts();
	test_cuts();
	test_long();
	test_reasons();
	return t_done();
}
