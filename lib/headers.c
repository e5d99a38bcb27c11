#include "headers.h"

#include <string.h>

#include "limits.h"
#include "util.h"

#define HEADERS_MAX 64		/* of an answer that are kept */
#define HEADER_NAME_MAX 128	/* longer names are not ours to look up */

void headers_init(struct headers *h)
{
	*h = (struct headers){ 0 };
	buf_init(&h->fields, (size_t)HEADERS_MAX * (HEADER_NAME_MAX + HEADER_VALUE_MAX + 2));
}

void headers_done(struct headers *h)
{
	buf_done(&h->fields);
}

/* "HTTP/1.1 200 OK", "HTTP/2 200"; 0 for anything else. */
static int status_of(const char *line, size_t n)
{
	const char *p = memchr(line, ' ', n);
	int status = 0;

	if (p == NULL || (size_t)(line + n - p) < 4)
		return 0;
	for (int i = 1; i <= 3; i++) {
		if (p[i] < '0' || p[i] > '9')
			return 0;
		status = status * 10 + (p[i] - '0');
	}
	return status;
}

static void field_keep(struct headers *h, const char *line, size_t n)
{
	const char *value = memchr(line, ':', n);
	size_t name_len, len;

	if (value == NULL || line[0] == ' ' || line[0] == '\t' || h->n >= HEADERS_MAX)
		return;
	name_len = (size_t)(value - line);
	len = n - name_len - 1;
	value++;
	for (; len > 0 && (*value == ' ' || *value == '\t'); len--)
		value++;
	while (len > 0 && (value[len - 1] == '\r' || value[len - 1] == '\n' || value[len - 1] == ' ' || value[len - 1] == '\t'))
		len--;
	len = strnlen(value, len < HEADER_VALUE_MAX ? len : HEADER_VALUE_MAX);
	if (name_len == 0 || name_len > HEADER_NAME_MAX || memchr(line, '\0', name_len) != NULL)
		return;
	if (buf_add(&h->fields, line, name_len) < 0 || buf_add(&h->fields, "", 1) < 0 || buf_add(&h->fields, value, len) < 0 ||
	    buf_add(&h->fields, "", 1) < 0)
		return;
	h->n++;
}

void headers_line(struct headers *h, const char *line, size_t n)
{
	if (n >= 5 && memcmp(line, "HTTP/", 5) == 0) {
		int status = status_of(line, n);

		/* an interim answer says nothing that anybody asks for: the final one follows */
		h->status = status >= 200 ? status : 0;
		h->n = 0;
		buf_clear(&h->fields);
	} else if (h->status != 0) {
		field_keep(h, line, n);
	}
}

const char *headers_find(const struct headers *h, const char *name)
{
	const char *p = h->fields.data;

	for (unsigned i = 0; i < h->n; i++) {
		const char *value = p + strlen(p) + 1;

		if (ascii_strcasecmp(p, name) == 0)
			return value;
		p = value + strlen(value) + 1;
	}
	return NULL;
}
