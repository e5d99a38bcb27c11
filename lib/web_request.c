#include "web_request.h"

#include <stdbool.h>
#include <string.h>

#include "util.h"

/* A letter, digit or sign that names of methods and headers are made of (RFC 9110, tchar). */
static bool is_token(char c)
{
	return ascii_is_alnum(c) || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static size_t token_len(const char *p, size_t n)
{
	size_t i = 0;

	while (i < n && is_token(p[i]))
		i++;
	return i;
}

/* The next line without its end, which may be CRLF or LF; false when there is none yet. */
static bool next_line(const char **p, size_t *n, const char **ret, size_t *ret_n)
{
	const char *end = *n > 0 ? memchr(*p, '\n', *n) : NULL;

	if (end == NULL)
		return false;
	*ret = *p;
	*ret_n = (size_t)(end - *p);
	*n -= *ret_n + 1;
	*p = end + 1;
	if (*ret_n > 0 && (*ret)[*ret_n - 1] == '\r')
		--*ret_n;
	return true;
}

static bool is_plain(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (((unsigned char)p[i] < 0x20 && p[i] != '\t') || p[i] == 0x7f)
			return false;
	return true;
}

/* HOST or HOST:PORT, with white space around it. */
static void take_host(const char *p, size_t n, struct web_request *ret)
{
	const char *port;
	size_t len, digits = 0;

	while (n > 0 && (p[0] == ' ' || p[0] == '\t')) {
		p++;
		n--;
	}
	while (n > 0 && (p[n - 1] == ' ' || p[n - 1] == '\t'))
		n--;
	/* the colons of [::1] are none before a port */
	port = n > 0 ? memrchr(p, ':', n) : NULL;
	len = port != NULL && memchr(port, ']', (size_t)(p + n - port)) == NULL ? (size_t)(port - p) : n;
	while (len < n && len + 1 + digits < n && p[len + 1 + digits] >= '0' && p[len + 1 + digits] <= '9')
		digits++;
	if (len == 0 || len >= sizeof(ret->host) || (len < n && len + 1 + digits != n)) {
		ret->host[0] = '?';
		ret->host[1] = '\0';
		return;
	}
	memcpy(ret->host, p, len);
	ret->host[len] = '\0';
}

/* The path of /path?query, or of http://host/path?query, whose host counts and not the header's. */
static void take_path(const char *p, size_t n, struct web_request *ret)
{
	const char *rest;
	size_t len = 0;

	ret->path[0] = ret->host[0] = '\0';
	if (n >= 7 && ascii_has_prefix_nocase(p, "http://")) {
		rest = memchr(p + 7, '/', n - 7);
		take_host(p + 7, rest != NULL ? (size_t)(rest - p) - 7 : n - 7, ret);
		if (rest == NULL)
			return;
		n -= (size_t)(rest - p);
		p = rest;
	}
	if (n == 0 || p[0] != '/')
		return;
	while (len < n && p[len] != '?' && p[len] != '#')
		len++;
	if (len >= sizeof(ret->path))
		return;
	memcpy(ret->path, p, len);
	ret->path[len] = '\0';
}

/* METHOD SP target SP HTTP/1.N */
static int take_first_line(const char *p, size_t n, struct web_request *ret)
{
	size_t method = token_len(p, n), target = 0;
	const char *version;

	if (method == 0 || method == n || p[method] != ' ')
		return -400;
	ret->method = method == 3 && memcmp(p, "GET", 3) == 0 ? WEB_GET : method == 4 && memcmp(p, "HEAD", 4) == 0 ? WEB_HEAD : WEB_OTHER;
	p += method + 1;
	n -= method + 1;
	while (target < n && p[target] != ' ')
		target++;
	if (target == 0 || target == n)
		return -400;
	version = p + target + 1;
	if (n - target - 1 != 8 || memcmp(version, "HTTP/", 5) != 0 || version[6] != '.')
		return -400;
	if (version[5] != '1' || version[7] < '0' || version[7] > '9')
		return -505;
	take_path(p, target, ret);
	return 0;
}

int web_request_parse(const char *p, size_t n, struct web_request *ret)
{
	bool first = true, absolute = false, host = false, too_long = n >= WEB_HEAD_MAX;
	const char *line;
	size_t len, name;
	int r;

	while (next_line(&p, &n, &line, &len)) {
		if (!is_plain(line, len))
			return -400;
		if (len == 0 && !first)
			return 0;
		/* an empty line before a request is left over from the one before */
		if (len == 0)
			continue;
		if (first) {
			r = take_first_line(line, len, ret);
			if (r < 0)
				return r;
			first = false;
			absolute = ret->host[0] != '\0';
			continue;
		}
		name = token_len(line, len);
		if (name == 0 || name == len || line[name] != ':')
			return -400;
		if (name != 4 || !ascii_has_prefix_nocase(line, "Host"))
			continue;
		/* two of them: somebody on the way may look at the other one */
		if (host)
			return -400;
		host = true;
		if (!absolute)
			take_host(line + name + 1, len - name - 1, ret);
	}
	return too_long ? -431 : WEB_REQUEST_MORE;
}

const char *web_reason(int status)
{
	static const struct {
		int status;
		const char *reason;
	} reasons[] = {
		{ 200, "OK" },
		{ 400, "Bad Request" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 421, "Misdirected Request" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 503, "Service Unavailable" },
		{ 505, "HTTP Version Not Supported" },
	};

	for (size_t i = 0; i < ELEMENTSOF(reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "?";
}
