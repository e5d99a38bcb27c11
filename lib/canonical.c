#include "canonical.h"

#include <stdio.h>
#include <string.h>

#include "util.h"

struct buf canonical_begin(void)
{
	struct buf b;

	buf_init(&b, SIZE_MAX / 2);
	return b;
}

static void add(struct buf *b, const char *s)
{
	/* it has room for whatever fits into memory */
	(void)buf_add(b, s, strlen(s));
}

static bool is_utf8(const char *s)
{
	size_t n = strlen(s), k;

	for (size_t i = 0; i < n; i += k) {
		k = (unsigned char)s[i] < 0x80 ? 1 : utf8_next(s + i, n - i);
		if (k == 0)
			return false;
	}
	return true;
}

static void add_escaped(struct buf *b, char c)
{
	static const char plain[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
	const char *p = strchr(plain, c);
	char text[8];

	(void)snprintf(text, sizeof(text), p != NULL ? "\\%c" : "\\u%04X", p != NULL ? letters[p - plain] : c);
	add(b, text);
}

void canonical_text(struct buf *b, const char *s)
{
	if (s == NULL || !is_utf8(s)) {
		add(b, "null");
		return;
	}
	add(b, "\"");
	while (*s != '\0') {
		size_t n = 0;

		while ((unsigned char)s[n] >= 0x20 && s[n] != '"' && s[n] != '\\')
			n++;
		(void)buf_add(b, s, n);
		s += n;
		if (*s != '\0')
			add_escaped(b, *s++);
	}
	add(b, "\"");
}

void canonical_key(struct buf *b, const char *key)
{
	if (b->len > 0 && b->data[b->len - 1] != '{')
		add(b, ",");
	canonical_text(b, key);
	add(b, ":");
}

void canonical_member(struct buf *b, const char *key, const char *s)
{
	canonical_key(b, key);
	canonical_text(b, s);
}

void canonical_number(struct buf *b, const char *key, int64_t n)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%lld", (long long)n);
	canonical_json(b, key, text);
}

void canonical_json(struct buf *b, const char *key, const char *json)
{
	canonical_key(b, key);
	add(b, json);
}

void canonical_open(struct buf *b)
{
	add(b, "{");
}

void canonical_close(struct buf *b)
{
	add(b, "}");
}
