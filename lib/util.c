#include "util.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static void out_of_memory(void)
{
	static const char text[] = "adosyncd: out of memory\n";

	(void)fwrite(text, 1, sizeof(text) - 1, stderr);
	abort();
}

void *xcalloc(size_t n, size_t size)
{
	void *p = calloc(n > 0 ? n : 1, size > 0 ? size : 1);

	if (p == NULL)
		out_of_memory();
	return p;
}

void *xrealloc(void *p, size_t n, size_t size)
{
	void *q = reallocarray(p, n > 0 ? n : 1, size > 0 ? size : 1);

	if (q == NULL)
		out_of_memory();
	return q;
}

char *xstrdup(const char *s)
{
	return xstrndup(s, strlen(s));
}

char *xstrndup(const char *s, size_t n)
{
	size_t len = strnlen(s, n);
	char *p = xrealloc(NULL, len + 1, 1);

	memcpy(p, s, len);
	p[len] = '\0';
	return p;
}

char *xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *p = NULL;

	va_start(ap, fmt);
	if (vasprintf(&p, fmt, ap) < 0)
		out_of_memory();
	va_end(ap);
	return p;
}

void secret_zero(void *p, size_t n)
{
	if (p != NULL)
		explicit_bzero(p, n);
}

int parse_int(const char *s, int64_t min, int64_t max, int64_t *ret)
{
	int64_t v = 0;
	bool negative = *s == '-';

	if (negative)
		s++;
	if (*s < '0' || *s > '9')
		return -EINVAL;
	for (; *s >= '0' && *s <= '9'; s++)
		if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, *s - '0', &v))
			return -ERANGE;
	if (*s != '\0')
		return -EINVAL;
	if (negative)
		v = -v;
	if (v < min || v > max)
		return -ERANGE;
	*ret = v;
	return 0;
}

static const struct {
	const char *name;
	int64_t sec;
} span_units[] = {
	{ "seconds", 1 }, { "second", 1 }, { "sec", 1 }, { "s", 1 },
	{ "minutes", 60 }, { "minute", 60 }, { "min", 60 }, { "m", 60 },
	{ "hours", 3600 }, { "hour", 3600 }, { "hr", 3600 }, { "h", 3600 },
	{ "days", 86400 }, { "day", 86400 }, { "d", 86400 },
	{ "weeks", 604800 }, { "week", 604800 }, { "w", 604800 },
};

static int64_t span_unit(const char *s, size_t n)
{
	if (n == 0)
		return 1;
	for (size_t i = 0; i < ELEMENTSOF(span_units); i++)
		if (strlen(span_units[i].name) == n && memcmp(span_units[i].name, s, n) == 0)
			return span_units[i].sec;
	return 0;
}

int parse_span(const char *s, int64_t *ret_sec)
{
	int64_t total = 0;
	bool any = false;

	for (;;) {
		int64_t v = 0, unit;
		const char *u;

		s += strspn(s, " \t");
		if (*s == '\0')
			break;
		if (*s < '0' || *s > '9')
			return -EINVAL;
		for (; *s >= '0' && *s <= '9'; s++)
			if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, *s - '0', &v))
				return -ERANGE;
		s += strspn(s, " \t");
		for (u = s; *s >= 'a' && *s <= 'z'; s++)
			;
		unit = span_unit(u, (size_t)(s - u));
		if (unit == 0)
			return -EINVAL;
		if (__builtin_mul_overflow(v, unit, &v) || __builtin_add_overflow(total, v, &total))
			return -ERANGE;
		any = true;
	}
	if (!any)
		return -EINVAL;
	*ret_sec = total;
	return 0;
}

const char *format_span(char *buf, size_t n, int64_t sec)
{
	static const struct {
		const char *name;
		int64_t sec;
	} units[] = { { "d", 86400 }, { "h", 3600 }, { "min", 60 }, { "s", 1 } };
	size_t used = 0;

	if (sec <= 0) {
		(void)snprintf(buf, n, "0s");
		return buf;
	}
	for (size_t i = 0; i < ELEMENTSOF(units) && used < n; i++) {
		int64_t v = sec / units[i].sec;

		if (v == 0)
			continue;
		sec -= v * units[i].sec;
		used += (size_t)snprintf(buf + used, n - used, "%s%lld%s", used > 0 ? " " : "", (long long)v,
					 units[i].name);
	}
	return buf;
}

const char *format_count(char *buf, size_t n, uint64_t count, const char *word)
{
	size_t len = strlen(word);
	bool ies = len > 1 && word[len - 1] == 'y' && strchr("aeiou", word[len - 2]) == NULL;

	if (count == 1)
		(void)snprintf(buf, n, "1 %s", word);
	else if (ies)
		(void)snprintf(buf, n, "%" PRIu64 " %.*sies", count, (int)len - 1, word);
	else
		(void)snprintf(buf, n, "%" PRIu64 " %ss", count, word);
	return buf;
}

const char *format_span_short(char *buf, size_t n, int64_t sec)
{
	if (sec >= 2 * 86400)
		sec -= sec % 3600;
	else if (sec >= 7200)
		sec -= sec % 60;
	return format_span(buf, n, sec);
}

static int digits(const char **s, size_t n, int *ret)
{
	int v = 0;

	for (size_t i = 0; i < n; i++) {
		if ((*s)[i] < '0' || (*s)[i] > '9')
			return -EINVAL;
		v = v * 10 + ((*s)[i] - '0');
	}
	*s += n;
	*ret = v;
	return 0;
}

static int literal(const char **s, const char *text)
{
	size_t n = strlen(text);

	if (strncmp(*s, text, n) != 0)
		return -EINVAL;
	*s += n;
	return 0;
}

/* timegm() normalises 31 February into March; a date that does not come back as it went in is none. */
static int tm_to_time(struct tm *tm, int64_t *ret)
{
	struct tm back, want = *tm;
	time_t t = timegm(tm);

	if (gmtime_r(&t, &back) == NULL || back.tm_mday != want.tm_mday || back.tm_mon != want.tm_mon ||
	    back.tm_hour != want.tm_hour || back.tm_min != want.tm_min)
		return -EINVAL;
	*ret = t;
	return 0;
}

int parse_date(const char *s, int64_t *ret)
{
	struct tm tm = { 0 };

	if (digits(&s, 4, &tm.tm_year) < 0 || literal(&s, "-") < 0 || digits(&s, 2, &tm.tm_mon) < 0 ||
	    literal(&s, "-") < 0 || digits(&s, 2, &tm.tm_mday) < 0 || *s != '\0')
		return -EINVAL;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	return tm_to_time(&tm, ret);
}

int parse_http_date(const char *s, int64_t *ret)
{
	static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct tm tm = { 0 };
	bool day = false;

	for (size_t i = 0; i < 7; i++)
		day = day || strncmp(s, days + 3 * i, 3) == 0;
	if (!day)
		return -EINVAL;
	s += 3;
	if (literal(&s, ", ") < 0 || digits(&s, 2, &tm.tm_mday) < 0 || literal(&s, " ") < 0)
		return -EINVAL;
	tm.tm_mon = -1;
	for (int i = 0; i < 12; i++)
		if (strncmp(s, months + 3 * i, 3) == 0)
			tm.tm_mon = i;
	if (tm.tm_mon < 0)
		return -EINVAL;
	s += 3;
	if (literal(&s, " ") < 0 || digits(&s, 4, &tm.tm_year) < 0 || literal(&s, " ") < 0 ||
	    digits(&s, 2, &tm.tm_hour) < 0 || literal(&s, ":") < 0 || digits(&s, 2, &tm.tm_min) < 0 ||
	    literal(&s, ":") < 0 || digits(&s, 2, &tm.tm_sec) < 0 || literal(&s, " GMT") < 0 || *s != '\0')
		return -EINVAL;
	tm.tm_year -= 1900;
	return tm_to_time(&tm, ret);
}

size_t utf8_next(const char *s, size_t n)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t len;
	uint32_t c;

	if (n == 0)
		return 0;
	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf) {
		len = 2;
		c = p[0] & 0x1fU;
	} else if ((p[0] & 0xf0) == 0xe0) {
		len = 3;
		c = p[0] & 0x0fU;
	} else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
		len = 4;
		c = p[0] & 0x07U;
	} else {
		return 0;
	}
	if (n < len)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3fU);
	}
	if ((len == 3 && c < 0x800) || (len == 4 && (c < 0x10000 || c > 0x10ffff)) || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	return len;
}

size_t utf8_prefix(const char *s, size_t max)
{
	size_t n = strlen(s), i = 0;

	while (i < n && max > 0) {
		size_t k = utf8_next(s + i, n - i);

		i += k > 0 ? k : 1;
		max--;
	}
	return i;
}

/* Whether the sequence of k bytes at s is a control character, one that turns the direction of what follows, or a line's end. */
static bool is_control(const char *s, size_t k)
{
	const unsigned char *u = (const unsigned char *)s;

	switch (k) {
	case 1:
		return u[0] < 0x20 || u[0] == 0x7f;
	case 2: /* C1, U+0080 to U+009F */
		return u[0] == 0xc2 && u[1] < 0xa0;
	case 3: /* U+2028 to U+202E, U+2066 to U+2069 */
		return u[0] == 0xe2 && ((u[1] == 0x80 && u[2] >= 0xa8 && u[2] <= 0xae) || (u[1] == 0x81 && u[2] >= 0xa6 && u[2] <= 0xa9));
	default:
		return false;
	}
}

const char *printable(char *buf, size_t n, const char *s)
{
	size_t len = strlen(s), i = 0, o = 0;

	while (i < len) {
		unsigned char c = (unsigned char)s[i];
		size_t k = utf8_next(s + i, len - i);
		bool bad = k == 0 || is_control(s + i, k);
		size_t w = bad ? 1 : k;

		if (o + w >= n)
			break;
		if (bad)
			buf[o] = c == '\n' || c == '\t' || c == '\r' ? ' ' : '?';
		else
			memcpy(buf + o, s + i, k);
		o += w;
		i += k > 0 ? k : 1;
	}
	if (n > 0)
		buf[o] = '\0';
	return buf;
}

char ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool ascii_is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

int ascii_strcasecmp(const char *a, const char *b)
{
	for (;; a++, b++) {
		char x = ascii_lower(*a), y = ascii_lower(*b);

		if (x != y)
			return (unsigned char)x < (unsigned char)y ? -1 : 1;
		if (x == '\0')
			return 0;
	}
}

bool ascii_has_prefix_nocase(const char *s, const char *prefix)
{
	for (; *prefix != '\0'; s++, prefix++)
		if (ascii_lower(*s) != ascii_lower(*prefix))
			return false;
	return true;
}

const char *ascii_strcasestr(const char *hay, const char *needle)
{
	for (; *hay != '\0'; hay++)
		if (ascii_has_prefix_nocase(hay, needle))
			return hay;
	return *needle == '\0' ? hay : NULL;
}

/* Iterative with one point of return: a pattern of many stars must not take exponential time. */
static bool glob_segment(const char *p, size_t np, const char *s, size_t ns)
{
	size_t i = 0, j = 0, star = SIZE_MAX, mark = 0;

	while (j < ns) {
		if (i < np && p[i] == '*') {
			star = i++;
			mark = j;
		} else if (i < np && (p[i] == '?' || ascii_lower(p[i]) == ascii_lower(s[j]))) {
			i++;
			j++;
		} else if (star != SIZE_MAX) {
			i = star + 1;
			j = ++mark;
		} else {
			return false;
		}
	}
	while (i < np && p[i] == '*')
		i++;
	return i == np;
}

bool glob_match(const char *pattern, const char *project, const char *repository)
{
	const char *slash = strchr(pattern, '/');
	size_t n = slash != NULL ? (size_t)(slash - pattern) : strlen(pattern);

	if (!glob_segment(pattern, n, project, strlen(project)))
		return false;
	return slash == NULL || glob_segment(slash + 1, strlen(slash + 1), repository, strlen(repository));
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int guid_parse(const char *s, uint8_t ret[16])
{
	uint8_t g[16];
	size_t n = 0;

	for (size_t i = 0; i < 36; i++) {
		int hi, lo;

		if (i == 8 || i == 13 || i == 18 || i == 23) {
			if (s[i] != '-')
				return -EINVAL;
			continue;
		}
		hi = hex_value(s[i]);
		lo = hi < 0 ? -1 : hex_value(s[i + 1]);
		if (lo < 0)
			return -EINVAL;
		g[n++] = (uint8_t)(hi << 4 | lo);
		i++;
	}
	if (s[36] != '\0')
		return -EINVAL;
	memcpy(ret, g, sizeof(g));
	return 0;
}

void guid_format(const uint8_t g[16], char ret[37])
{
	static const char hex[] = "0123456789abcdef";
	char *p = ret;

	for (size_t i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*p++ = '-';
		*p++ = hex[g[i] >> 4];
		*p++ = hex[g[i] & 15];
	}
	*p = '\0';
}
