#include <errno.h>

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

/* Feeds text in pieces of every size from one byte up: the result may not depend on where chunks end. */
static bool parse(const char *text, size_t piece, struct seen *s, const char **ret_error)
{
	static char error[256];
	struct listing *l = listing_new(remember, s);
	size_t n = strlen(text);
	int r = 0;

	*s = (struct seen){ 0 };
	for (size_t i = 0; i < n && r == 0; i += piece)
		r = listing_feed(l, text + i, n - i < piece ? n - i : piece);
	if (r == 0)
		r = listing_finish(l);
	(void)snprintf(error, sizeof(error), "%s", listing_error(l) != NULL ? listing_error(l) : "");
	*ret_error = error;
	listing_free(l);
	return r == 0;
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
	};

	for (size_t i = 0; i < ELEMENTSOF(rows); i++)
		for (size_t piece = 1; piece < 40; piece++) {
			struct seen s;
			const char *error = NULL;

			T_OK_MSG(parse(rows[i].text, piece, &s, &error), rows[i].text);
			T_EQ_STR(error, "");
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
	};

	for (size_t i = 0; i < ELEMENTSOF(rows); i++)
		for (size_t piece = 1; piece < 40; piece += 3) {
			struct seen s;
			const char *error = NULL;

			T_OK_MSG(!parse(rows[i].text, piece, &s, &error), rows[i].text);
			T_EQ_STR(error, rows[i].why);
		}
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

int main(void)
{
	test_accepts();
	test_refuses();
	test_limits();
	return t_done();
}
