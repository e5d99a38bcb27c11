#include "pick.h"

#include <errno.h>
#include <string.h>

#include "util.h"

#define DEPTH_MAX 16
#define DIGITS_MAX 18	/* of a number that fits whatever has 64 bits */

struct scan {
	const char *p, *end;
	struct pick *picks;
	size_t n_picks;
};

static bool scan_value(struct scan *s, unsigned depth, const char *object, size_t object_len, struct pick *wanted);

static void skip_space(struct scan *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\r' || *s->p == '\t'))
		s->p++;
}

static bool skip(struct scan *s, char c)
{
	skip_space(s);
	if (s->p == s->end || *s->p != c)
		return false;
	s->p++;
	return true;
}

/* After the opening quote. */
static bool scan_string(struct scan *s, const char **ret, size_t *ret_len)
{
	const char *start = s->p;

	while (s->p < s->end) {
		unsigned char c = (unsigned char)*s->p;
		size_t k = 1;

		if (c == '"') {
			*ret = start;
			*ret_len = (size_t)(s->p - start);
			s->p++;
			return true;
		}
		if (c >= 0x80)
			k = utf8_next(s->p, (size_t)(s->end - s->p));
		if (c < 0x20 || c == '\\' || k == 0)
			return false;
		s->p += k;
	}
	return false;
}

static bool scan_number(struct scan *s)
{
	const char *start;

	if (s->p < s->end && *s->p == '-')
		s->p++;
	start = s->p;
	while (s->p < s->end && *s->p >= '0' && *s->p <= '9')
		s->p++;
	if (s->p == start || s->p - start > DIGITS_MAX || (*start == '0' && s->p - start > 1))
		return false;
	return s->p == s->end || (*s->p != '.' && *s->p != 'e' && *s->p != 'E');
}

static bool scan_literal(struct scan *s, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(s->end - s->p) < n || memcmp(s->p, word, n) != 0)
		return false;
	s->p += n;
	return true;
}

static bool is(const char *key, const char *p, size_t n)
{
	return strncmp(key, p, n) == 0 && key[n] == '\0';
}

/* Once is a value, twice is a question for jansson. */
static bool first_time(bool *met)
{
	bool first = !*met;

	*met = true;
	return first;
}

/* Which of the picks stands behind a key of the outermost object, or of one in it. false when what is picked is there twice. */
static bool find(struct scan *s, unsigned depth, const char *object, size_t object_len, const char *key, size_t len, struct pick **ret)
{
	*ret = NULL;
	for (struct pick *k = s->picks; depth <= 2 && k < s->picks + s->n_picks; k++) {
		if (depth == 1 && k->object != NULL) {
			if (is(k->object, key, len) && !first_time(&k->object_met))
				return false;
			continue;
		}
		if (!is(k->key, key, len) || (depth == 2 && (k->object == NULL || !is(k->object, object, object_len))))
			continue;
		if (!first_time(&k->met))
			return false;
		*ret = k;
	}
	return true;
}

/* After the opening brace. object: the key that it stands behind. */
static bool scan_object(struct scan *s, unsigned depth, const char *object, size_t object_len)
{
	struct pick *wanted;
	const char *key;
	size_t len;

	if (skip(s, '}'))
		return true;
	do {
		if (!skip(s, '"') || !scan_string(s, &key, &len) || !skip(s, ':') ||
		    !find(s, depth, object, object_len, key, len, &wanted) || !scan_value(s, depth, key, len, wanted))
			return false;
	} while (skip(s, ','));
	return skip(s, '}');
}

static bool scan_array(struct scan *s, unsigned depth)
{
	if (skip(s, ']'))
		return true;
	do {
		if (!scan_value(s, depth, "", 0, NULL))
			return false;
	} while (skip(s, ','));
	return skip(s, ']');
}

static bool scan_value(struct scan *s, unsigned depth, const char *object, size_t object_len, struct pick *wanted)
{
	const char *text;
	size_t len;

	skip_space(s);
	if (s->p == s->end || depth > DEPTH_MAX)
		return false;
	switch (*s->p) {
	case '"':
		s->p++;
		if (!scan_string(s, &text, &len))
			return false;
		if (wanted != NULL) {
			wanted->text = text;
			wanted->len = len;
		}
		return true;
	case '{':
		s->p++;
		return scan_object(s, depth + 1, object, object_len);
	case '[':
		s->p++;
		return scan_array(s, depth + 1);
	case 't':
		if (wanted != NULL)
			wanted->is_true = true;
		return scan_literal(s, "true");
	case 'f':
		return scan_literal(s, "false");
	case 'n':
		return scan_literal(s, "null");
	default:
		return scan_number(s);
	}
}

static void forget(struct pick *picks, size_t n)
{
	for (size_t i = 0; i < n; i++)
		picks[i] = (struct pick){ .object = picks[i].object, .key = picks[i].key };
}

bool pick_scan(const char *p, size_t n, struct pick *picks, size_t n_picks)
{
	struct scan s = { .p = p, .end = p + n, .picks = picks, .n_picks = n_picks };

	forget(picks, n_picks);
	if (!skip(&s, '{') || !scan_object(&s, 1, "", 0))
		return false;
	skip_space(&s);
	return s.p == s.end;
}

int pick_values(const char *p, size_t n, size_t flags, struct pick *picks, size_t n_picks, json_t **ret_json)
{
	*ret_json = NULL;
	if (pick_scan(p, n, picks, n_picks))
		return 0;
	forget(picks, n_picks);
	*ret_json = json_loadb(p, n, flags, NULL);
	if (*ret_json == NULL)
		return -EBADMSG;
	for (struct pick *k = picks; k < picks + n_picks; k++) {
		const json_t *object = k->object != NULL ? json_object_get(*ret_json, k->object) : *ret_json,
			     *value = json_object_get(object, k->key);

		k->text = json_string_value(value);
		k->len = k->text != NULL ? strlen(k->text) : 0;
		k->is_true = json_is_true(value);
	}
	return 0;
}
