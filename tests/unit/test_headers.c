#include "headers.h"

#include "limits.h"
#include "t.h"
#include "util.h"

static struct headers of(const char *text)
{
	struct headers h;

	headers_init(&h);
	for (size_t n; *text != '\0'; text += n) {
		n = strcspn(text, "\n");
		n += text[n] == '\n';
		headers_line(&h, text, n);
	}
	return h;
}

static void expect(const char *text, int status, const char *name, const char *value)
{
	struct headers h = of(text);
	const char *got = headers_find(&h, name);

	T_EQ_INT_MSG(h.status, status, text);
	T_EQ_STR(got != NULL ? got : "(none)", value != NULL ? value : "(none)");
	headers_done(&h);
}

static void test_bounds(void)
{
	struct headers h = of("HTTP/1.1 200 OK\n");
	char line[2 * HEADER_VALUE_MAX];

	memset(line, 'v', sizeof(line));
	memcpy(line, "long: ", 6);
	headers_line(&h, line, sizeof(line));
	T_EQ_INT(strlen(headers_find(&h, "long")), HEADER_VALUE_MAX);
	memset(line, 'n', 200);
	line[200] = ':';
	headers_line(&h, line, sizeof(line));
	T_EQ_INT_MSG(h.n, 1, "a name that nobody looks up");
	for (int i = 0; i < 200; i++)
		headers_line(&h, "a: b\r\n", 6);
	T_EQ_INT(h.n, 64);
	headers_done(&h);
}

int main(void)
{
	expect("", 0, "a", NULL);
	expect("HTTP/1.1 200 OK\r\nRetry-After: 7\r\n", 200, "retry-AFTER", "7");
	expect("HTTP/2 503\r\nA:1\r\nA: 2\r\n", 503, "a", "1");
	expect("HTTP/2 503", 503, "a", NULL);
	expect("HTTP/1.1 103 Early\r\nA: 1\r\nHTTP/1.1 204 No\r\nB:\t2 \t\r\n", 204, "a", NULL);
	expect("HTTP/1.1 204 No\r\nB:\t2 \t\r\n", 204, "b", "2");
	expect("A: before\r\nHTTP/1.1 200 OK\r\n", 200, "a", NULL);
	expect("HTTP/1.1 2x0\r\nA: 1\r\n", 0, "a", NULL);
	expect("HTTP/1.1\r\nA: 1\r\n", 0, "a", NULL);
	expect("HTTP/1.1 20\r\n", 0, "a", NULL);
	expect("HTTP/1.1 200 OK\r\n folded: 1\r\nno colon\r\n: empty\r\nA:\r\n", 200, "a", "");
	test_bounds();
	return t_done();
}
