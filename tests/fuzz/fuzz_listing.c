/* Any bytes as a listing, in any chunks: the result is that of one chunk, and what a repository was read from
 * an element becomes a document that Konnect's rules allow. The first line of the input is the sizes of the chunks. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/buf.h"
#include "../../lib/document.h"
#include "../../lib/limits.h"
#include "../../lib/listing.h"
#include "../../lib/util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct result {
	struct buf elements;
	int feed, finish;
	uint32_t count;
	const char *error;
};

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void check_name(const char *s)
{
	must(*s != '\0' && strlen(s) <= KONNECT_NAME_MAX);
	must(s[strspn(s, "0123456789abcdefghijklmnopqrstuvwxyz.-")] == '\0');
}

static void check_labels(json_t *labels)
{
	const char *key;
	json_t *value;

	must(json_object_size(labels) <= KONNECT_LABELS_MAX);
	json_object_foreach(labels, key, value) {
		const char *s = json_string_value(value);

		must(s != NULL && *s != '\0' && json_string_length(value) <= KONNECT_LABEL_MAX);
		must(ascii_is_alnum(s[0]) && ascii_is_alnum(s[strlen(s) - 1]));
		for (; *s != '\0'; s++)
			must(ascii_is_alnum(*s) || *s == '.' || *s == '_' || *s == '-');
	}
}

static size_t characters(json_t *text)
{
	const char *s = json_string_value(text);
	size_t n = 0;

	for (; s != NULL && *s != '\0'; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static void check_document(const struct repo *r, bool with_guid)
{
	static char name[] = "contoso", organization[] = "Contoso", key[] = "team", value[] = "platform";
	static struct label labels[] = { { key, value } };
	const struct config_instance c = {
		.name = name, .organization = organization, .labels = labels, .n_labels = 1,
	};
	_cleanup_free_ char *service_name = document_service_name(c.name, r, with_guid, NULL);
	_cleanup_free_ char *text = NULL, *again = NULL;
	json_t *doc, *same, *patch, *link;

	check_name(service_name);
	text = document_service(&c, r, service_name, repo_listed_state(r));
	doc = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	must(doc != NULL);
	again = document_canonical(doc);
	must(strcmp(again, text) == 0);
	check_labels(json_object_get(doc, "labels"));
	must(characters(json_object_get(doc, "display_name")) >= 1);
	must(characters(json_object_get(doc, "display_name")) <= KONNECT_DISPLAY_NAME_MAX);
	must(characters(json_object_get(doc, "description")) <= KONNECT_DESCRIPTION_MAX);
	link = json_object_get(json_object_get(json_object_get(doc, "custom_fields"), "git_repo"), "link");
	must((link != NULL) == (r->web_url != NULL) && (link == NULL || json_is_string(link)));

	/* Konnect's answer to a document is that document: nothing may be left to do */
	same = document_of_service(doc, doc);
	patch = document_patch(same, doc);
	must(json_equal(same, doc) && json_object_size(patch) == 0 && !document_patch_needs_read(same, doc));
	json_decref(patch);
	json_decref(same);
	json_decref(doc);
}

static int on_element(void *arg, const char *p, size_t n)
{
	struct result *result = arg;
	const char *error = NULL;
	struct repo r;
	int e = repo_parse(p, n, &r, &error);

	must(n <= LISTING_ELEMENT_MAX && n >= 2 && p[0] == '{');
	must(e == 0 ? error == NULL : e == -EBADMSG && error != NULL);
	if (e == 0) {
		check_document(&r, false);
		check_document(&r, true);
		repo_done(&r);
	}
	buf_add_some(&result->elements, p, n);
	buf_add_some(&result->elements, "\n", 1);
	return 0;
}

/* With no sizes in one chunk, otherwise each byte of them is a size, over and over. */
static struct result run(const char *p, size_t n, const uint8_t *sizes, size_t n_sizes)
{
	struct result result = { 0 };
	struct listing *l = listing_new(on_element, &result);

	buf_init(&result.elements, (size_t)1 << 24);
	for (size_t i = 0, turn = 0; i < n && result.feed == 0; turn++) {
		size_t chunk = n_sizes > 0 ? 1 + (size_t)sizes[turn % n_sizes] : n - i;
		/* a copy of its own, so that a byte read past its end is seen */
		_cleanup_free_ char *copy = NULL;

		chunk = chunk < n - i ? chunk : n - i;
		copy = xrealloc(NULL, chunk, 1);
		memcpy(copy, p + i, chunk);
		result.feed = listing_feed(l, copy, chunk);
		i += chunk;
	}
	result.finish = listing_finish(l);
	result.count = listing_count(l);
	result.error = listing_error(l);
	must(result.feed == 0 || result.finish == result.feed);
	must((result.finish == 0) == (result.error == NULL));
	listing_free(l);
	return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *line = size > 0 ? memchr(data, '\n', size) : NULL, one[] = { 0 };
	size_t n_sizes = line != NULL ? (size_t)(line - data) : 0, at = line != NULL ? n_sizes + 1 : 0;
	struct result whole = run((const char *)data + at, size - at, NULL, 0), other;

	for (int i = 0; i < 2; i++) {
		other = i == 0 ? run((const char *)data + at, size - at, data, n_sizes)
			       : run((const char *)data + at, size - at, one, sizeof(one));
		must(other.feed == whole.feed && other.finish == whole.finish && other.count == whole.count);
		must(other.error == whole.error || strcmp(other.error, whole.error) == 0);
		must(other.elements.len == whole.elements.len);
		must(whole.elements.len == 0 ||
		     memcmp(other.elements.data, whole.elements.data, whole.elements.len) == 0);
		buf_done(&other.elements);
	}
	buf_done(&whole.elements);
	return 0;
}
