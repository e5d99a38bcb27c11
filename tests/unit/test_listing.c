#include <errno.h>
#include <stdint.h>

#include "limits.h"
#include "listing.h"
#include "t.h"
#include "util.h"

struct seen {
	char text[4096];
};

static int remember(void *arg, const char *p, size_t n)
{
	struct seen *s = arg;

	strncat(s->text, p, n < sizeof(s->text) - strlen(s->text) - 2 ? n : 0);
	strcat(s->text, "|");
	return 0;
}

static int refuse(void *arg, const char *p, size_t n)
{
	(void)arg, (void)p, (void)n;
	return -EINVAL;
}

/* Feeds text in one piece and then in pieces of another size: the result may not depend on where chunks end. */
static bool parse_from(const char *text, size_t first, size_t piece, struct seen *s, const char **ret_error)
{
	static char error[256];
	struct listing *l = listing_new(remember, s);
	size_t n = strlen(text);
	int r = 0;

	*s = (struct seen){ 0 };
	if (first > 0)
		r = listing_feed(l, text, first < n ? first : n);
	for (size_t i = first; i < n && r == 0; i += piece)
		r = listing_feed(l, text + i, n - i < piece ? n - i : piece);
	if (r == 0)
		r = listing_finish(l);
	(void)snprintf(error, sizeof(error), "%s", listing_error(l) != NULL ? listing_error(l) : "");
	*ret_error = error;
	listing_free(l);
	return r == 0;
}

static bool parse(const char *text, size_t piece, struct seen *s, const char **ret_error)
{
	return parse_from(text, 0, piece, s, ret_error);
}

static void test_accepts(void)
{
	static const struct {
		const char *text, *elements;
	} rows[] = {
		{ "{\"value\":[],\"count\":0}", "" },
		{ "{\"count\":1,\"value\":[{\"id\":\"a\"}]}", "{\"id\":\"a\"}|" },
		{ "\xef\xbb\xbf{\"value\":[{\"a\":1},{\"b\":[1,{}]}],\"count\":2}", "{\"a\":1}|{\"b\":[1,{}]}|" },
		{ " {\n\"x\" : {\"value\":[1,\"}\"]}, \"y\":\"]}\\\"\", \"z\":null,\n\"value\" : [ {} , {} ] , \"count\" : 2 } \n",
		  "{}|{}|" },
		{ "{\"value\":[{\"n\":\"a\\\\\\\"}]{[\"}],\"count\":1}", "{\"n\":\"a\\\\\\\"}]{[\"}|" },
		{ "\xef\xbb\xbf\r\n\t {\"count\":0,\"value\":[\r\n]}\r\n", "" },
		/* keys that only look like ours, and ours as values */
		{ "{\"values\":7,\"valu\":true,\"Value\":false,\"\":-1.5e+3,\"count\":0,\"value\":[]}", "" },
		{ "{\"value\\n\":3,\"value\":[{}],\"count\\t\":\"x\",\"count\":1}", "{}|" },
		{ "{\"count\":1,\"\\n\":2,\"value\":[{}],\"\\\"value\":2}", "{}|" },
		{ "{\"value-of-a-key-longer-than-what-is-kept-of-it\":[],\"a\":\"value\",\"b\":\"count\",\"value\":[],"
		  "\"count\":0}", "" },
		{ "{\"x\":[[[]],{\"count\":9}],\"y\":\"\\\\\",\"z\":\"\\\\\\\"]}\",\"count\":0,\"value\":[]}", "" },
		{ "{\"value\":[{\"value\":[{}],\"count\":5}],\"count\":1}", "{\"value\":[{}],\"count\":5}|" },
		{ "{\"value\":[{\"a\":\"\\u005d\\\\\",\"b\":\"\xe2\x84\xa2\"}\n,\n{\"c\":null}],\"count\":2}",
		  "{\"a\":\"\\u005d\\\\\",\"b\":\"\xe2\x84\xa2\"}|{\"c\":null}|" },
	};

	for (size_t i = 0; i < ELEMENTSOF(rows); i++)
		for (size_t piece = 1; piece < 40; piece++) {
			struct seen s;
			const char *error = NULL;

			T_OK_MSG(parse(rows[i].text, piece, &s, &error), rows[i].text);
			T_EQ_STR(error, "");
			T_EQ_STR(s.text, rows[i].elements);
		}
	for (size_t i = 0; i < ELEMENTSOF(rows); i++)
		for (size_t at = 1; at < strlen(rows[i].text); at++) {
			struct seen s;
			const char *error = NULL;

			T_OK_MSG(parse_from(rows[i].text, at, SIZE_MAX / 2, &s, &error), rows[i].text);
			T_EQ_STR(s.text, rows[i].elements);
		}
}

static void test_refuses(void)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{ "", "the document is not closed" },
		{ "[]", "not a JSON object" },
		{ "<html>", "not a JSON object" },
		{ "\xef\xbb{", "not JSON" },
		{ "{}", "it has no \"value\"" },
		{ "{\"value\":[]}", "it has no \"count\"" },
		{ "{\"count\":0}", "it has no \"value\"" },
		{ "{\"value\":[{}],\"count\":2}", "\"count\" differs from the number of repositories in it" },
		{ "{\"value\":[{}],\"count\":0}", "\"count\" differs from the number of repositories in it" },
		{ "{\"value\":[{}],\"count\":1", "the document is not closed" },
		{ "{\"value\":[{}", "the document is not closed" },
		{ "{\"value\":[{}],\"count\":1}x", "something follows the end of the document" },
		{ "{\"value\":{},\"count\":0}", "\"value\" is not an array" },
		{ "{\"value\":null,\"count\":0}", "\"value\" is not an array" },
		{ "{\"value\":[1],\"count\":1}", "an element of \"value\" is not an object" },
		{ "{\"value\":[{},],\"count\":1}", "an element of \"value\" is not an object" },
		{ "{\"value\":[{}{}],\"count\":2}", "not JSON" },
		{ "{\"value\":[],\"value\":[],\"count\":0}", "the key \"value\" appears twice" },
		{ "{\"value\":[],\"count\":0,\"count\":0}", "the key \"count\" appears twice" },
		{ "{\"value\":[],\"count\":\"0\"}", "\"count\" is not a number" },
		{ "{\"value\":[],\"count\":0.5}", "\"count\" is not a number" },
		{ "{\"value\":[],\"count\":-1}", "\"count\" is not a number" },
		{ "{\"value\":[],,\"count\":0}", "not JSON" },
		{ "{\"value\" [],\"count\":0}", "not JSON" },
		{ "\xef\xbb\xbf", "the document is not closed" },
		{ "\xef\xbb\xbf\xef\xbb\xbf{}", "not a JSON object" },
		{ " \xef\xbb\xbf{}", "not a JSON object" },
		{ "null", "not a JSON object" },
		{ "{\"value\":[],\"count\":0,}", "not JSON" },
		{ "{,\"value\":[],\"count\":0}", "not JSON" },
		{ "{\"value\":[],\"count\":}", "not JSON" },
		{ "{\"value\":[],\"count\"}", "not JSON" },
		{ "{\"value\":[],\"count\":0]", "not JSON" },
		{ "{\"value\":[]]", "not JSON" },
		{ "{\"value\":[],\"count\":0}{}", "something follows the end of the document" },
		{ "{\"value\":[],\"count\":0}\xef\xbb\xbf", "something follows the end of the document" },
		{ "{\"value\":[[]],\"count\":1}", "an element of \"value\" is not an object" },
		{ "{\"value\":[\"{}\"],\"count\":1}", "an element of \"value\" is not an object" },
		{ "{\"value\":[null],\"count\":1}", "an element of \"value\" is not an object" },
		{ "{\"value\":[,{}],\"count\":1}", "an element of \"value\" is not an object" },
		{ "{\"value\":\"[]\",\"count\":0}", "\"value\" is not an array" },
		{ "{\"count\":1,\"value\":{\"Message\":\"no\"}}", "\"value\" is not an array" },
		{ "{\"value\":[],\"count\":null}", "\"count\" is not a number" },
		{ "{\"value\":[],\"count\":true}", "\"count\" is not a number" },
		{ "{\"value\":[],\"count\":[0]}", "\"count\" is not a number" },
		{ "{\"value\":[],\"count\":1e0}", "\"count\" is not a number" },
		{ "{\"value\":[],\"count\":18446744073709551616}", "\"count\" is not a number" },
		{ "{\"value\":[],\"count\":4294967296}", "\"count\" differs from the number of repositories in it" },
		{ "{\"count\":2,\"value\":[{},{},{}]}", "\"count\" differs from the number of repositories in it" },
		/* the same key by another spelling is not taken for it, so it is missing */
		{ "{\"v\\u0061lue\":[],\"count\":0}", "it has no \"value\"" },
		{ "{\"value\n\":[],\"count\":0}", "not JSON" },
		{ "{\"x\":\"}", "the document is not closed" },
		{ "{\"x\":\"\\\"}", "the document is not closed" },
		{ "{\"x\":12", "the document is not closed" },
	};

	for (size_t i = 0; i < ELEMENTSOF(rows); i++)
		for (size_t piece = 1; piece < 40; piece += 3) {
			struct seen s;
			const char *error = NULL;

			T_OK_MSG(!parse(rows[i].text, piece, &s, &error), rows[i].text);
			T_EQ_STR(error, rows[i].why);
		}
	for (size_t i = 0; i < ELEMENTSOF(rows); i++)
		for (size_t at = 1; at < strlen(rows[i].text); at++) {
			struct seen s;
			const char *error = NULL;

			T_OK_MSG(!parse_from(rows[i].text, at, SIZE_MAX / 2, &s, &error), rows[i].text);
			T_EQ_STR(error, rows[i].why);
		}
}

/* A listing that breaks off anywhere is none, and a NUL in a key does not end it. */
static void test_every_prefix(void)
{
	static const char text[] = "\xef\xbb\xbf{\"count\":2,\"x\":{\"y\":[1]},\"value\":[{\"id\":\"a\"},{\"b\":\"\\\"\"}]}";
	static const char nul[] = "{\"value\0\":[],\"count\":0}";
	struct seen s = { 0 };
	struct listing *l;

	for (size_t n = 0; n < sizeof(text) - 1; n++) {
		l = listing_new(remember, &s);
		s = (struct seen){ 0 };
		T_EQ_INT(listing_feed(l, text, n), 0);
		T_EQ_INT(listing_finish(l), -EBADMSG);
		T_EQ_STR(listing_error(l), "the document is not closed");
		T_EQ_INT(listing_feed(l, text + n, sizeof(text) - 1 - n), -EBADMSG);
		listing_free(l);
	}
	l = listing_new(remember, &s);
	T_EQ_INT(listing_feed(l, nul, sizeof(nul) - 1), -EBADMSG);
	listing_free(l);
}

static void test_limits(void)
{
	char *big = xcalloc(LISTING_ELEMENT_MAX + 64, 1);
	struct seen s = { 0 };
	struct listing *l = listing_new(remember, &s);

	(void)strcpy(big, "{\"value\":[{\"a\":\"");
	memset(big + strlen(big), 'x', LISTING_ELEMENT_MAX);
	T_EQ_INT(listing_feed(l, big, 1000), 0);
	T_EQ_INT(listing_feed(l, big + 1000, strlen(big) - 1000), -EBADMSG);
	T_EQ_STR(listing_error(l), "an element is larger than 1 MiB");
	T_EQ_INT(listing_feed(l, "}", 1), -EBADMSG);
	listing_free(l);

	l = listing_new(remember, &s);
	(void)strcpy(big, "{\"value\":[{\"a\":");
	memset(big + strlen(big), '[', LISTING_DEPTH_MAX + 1);
	T_EQ_INT(listing_feed(l, big, strlen("{\"value\":[{\"a\":") + LISTING_DEPTH_MAX + 1), -EBADMSG);
	T_EQ_STR(listing_error(l), "an element is nested too deeply");
	listing_free(l);
	free(big);

	l = listing_new(refuse, NULL);
	T_EQ_INT(listing_feed(l, "{\"value\":[{}", 12), -EINVAL);
	T_EQ_INT(listing_finish(l), -EINVAL);
	listing_free(l);
	listing_free(NULL);
}

static int ignore(void *arg, const char *p, size_t n)
{
	(void)arg, (void)p, (void)n;
	return 0;
}

/* Exactly the maximum is taken, in one chunk and in many. */
static void test_at_the_limits(void)
{
	_cleanup_free_ char *element = xcalloc(LISTING_ELEMENT_MAX + 2, 1);
	struct listing *l;
	int r = 0;

	memset(element, 'x', LISTING_ELEMENT_MAX);
	memcpy(element, "{\"a\":\"", 6);
	memcpy(element + LISTING_ELEMENT_MAX - 2, "\"}", 2);
	for (size_t first = 0; first < 2; first++) {
		l = listing_new(ignore, NULL);
		T_EQ_INT(listing_feed(l, "{\"value\":[", 10), 0);
		T_EQ_INT(listing_feed(l, element, first), 0);
		T_EQ_INT(listing_feed(l, element + first, LISTING_ELEMENT_MAX - first), 0);
		T_EQ_INT(listing_feed(l, "],\"count\":1}", 12), 0);
		T_EQ_INT(listing_finish(l), 0);
		listing_free(l);
	}
	memcpy(element + LISTING_ELEMENT_MAX - 2, "x\"}", 3);
	for (size_t first = 0; first < 2; first++) {
		l = listing_new(ignore, NULL);
		T_EQ_INT(listing_feed(l, "{\"value\":[", 10), 0);
		T_EQ_INT(listing_feed(l, element, first), 0);
		T_EQ_INT(listing_feed(l, element + first, LISTING_ELEMENT_MAX + 1 - first), -EBADMSG);
		T_EQ_STR(listing_error(l), "an element is larger than 1 MiB");
		listing_free(l);
	}

	l = listing_new(ignore, NULL);
	T_EQ_INT(listing_feed(l, "{\"value\":[{}", 12), 0);
	for (uint32_t i = 1; i < LISTING_ELEMENTS_MAX && r == 0; i++)
		r = listing_feed(l, ",{}", 3);
	T_EQ_INT(r, 0);
	T_EQ_INT(listing_count(l), LISTING_ELEMENTS_MAX);
	T_EQ_INT(listing_feed(l, ",{}", 3), -EBADMSG);
	T_EQ_STR(listing_error(l), "more repositories than this program accepts");
	listing_free(l);

	/* the length is counted before the bytes are looked at */
	l = listing_new(ignore, NULL);
	T_EQ_INT(listing_feed(l, "{", 1), 0);
	T_EQ_INT(listing_feed(l, "", (size_t)LISTING_BYTES_MAX), -EBADMSG);
	T_EQ_STR(listing_error(l), "larger than 4 GiB");
	listing_free(l);
}

static void test_depth(void)
{
	for (size_t value = 0; value < 2; value++)
		for (size_t over = 0; over < 2; over++) {
			/* the element's own brace counts */
			size_t n = LISTING_DEPTH_MAX - value + over;
			char deep[2 * LISTING_DEPTH_MAX + 64] = { 0 };
			struct listing *l = listing_new(ignore, NULL);

			(void)strcpy(deep, value ? "{\"count\":1,\"value\":[{\"a\":" : "{\"count\":0,\"value\":[],\"x\":");
			memset(deep + strlen(deep), '[', n);
			memset(deep + strlen(deep), ']', n);
			(void)strcat(deep, value ? "}]}" : "}");
			T_EQ_INT(listing_feed(l, deep, strlen(deep)), over ? -EBADMSG : 0);
			T_EQ_INT(listing_finish(l), over ? -EBADMSG : 0);
			listing_free(l);
		}
}

int main(void)
{
	test_accepts();
	test_refuses();
	test_every_prefix();
	test_limits();
	test_at_the_limits();
	test_depth();
	return t_done();
}
