#include "out.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void add(struct out *o, const char *p, size_t n)
{
	if (o->error == 0)
		o->error = buf_add(o->buf, p, n);
}

void out_text(struct out *o, const char *s)
{
	add(o, s, strlen(s));
}

void out_format(struct out *o, const char *fmt, ...)
{
	char text[4096];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(text))
		o->error = o->error != 0 ? o->error : -E2BIG;
	else
		add(o, text, (size_t)n);
}

/* How HTML writes the character, or NULL: as it is. */
static const char *html_of(unsigned char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	case '\n':
	case '\t':
		return " ";
	default:
		return c < 0x20 || c == 0x7f ? "\xef\xbf\xbd" : NULL;
	}
}

static const char *label_of(unsigned char c)
{
	switch (c) {
	case '\\':
		return "\\\\";
	case '"':
		return "\\\"";
	case '\n':
		return "\\n";
	default:
		return NULL;
	}
}

/* Characters that have another form in it, and bytes that are no character as U+FFFD. */
static void escaped(struct out *o, const char *s, const char *(*form)(unsigned char c))
{
	while (*s != '\0' && o->error == 0) {
		size_t n = utf8_next(s, strnlen(s, 4));
		const char *other = n == 1 ? form((unsigned char)*s) : n == 0 ? "\xef\xbf\xbd" : NULL;

		if (n == 0)
			n = 1;
		if (other != NULL)
			out_text(o, other);
		else
			add(o, s, n);
		s += n;
	}
}

void out_html(struct out *o, const char *s)
{
	escaped(o, s, html_of);
}

void out_label(struct out *o, const char *s)
{
	escaped(o, s, label_of);
}
