#include "canonical.h"

#include <jansson.h>
#include <stdlib.h>

#include "document.h"
#include "t.h"
#include "util.h"

/* Whatever jansson writes for a text is what is written here. */
static void test_texts(void)
{
	static const char *const texts[] = {
		"", "plain", "\"", "\\", "/", "a\"b\\c", "\b\f\n\r\t", "\x01\x1f\x7f", "\xc3\xa9t\xc3\xa9", "\xf0\x9f\x98\x80", "\xe2\x80\xa8",
	};

	for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
		json_t *j = json_pack("{s:s}", texts[i], texts[i]);
		_cleanup_free_ char *want = document_canonical(j);
		struct buf b = canonical_begin();

		canonical_open(&b);
		canonical_member(&b, texts[i], texts[i]);
		canonical_close(&b);
		T_EQ_STR(b.data, want);
		buf_done(&b);
		json_decref(j);
	}
}

static void test_shape(void)
{
	struct buf b = canonical_begin();

	canonical_open(&b);
	canonical_key(&b, "a");
	canonical_open(&b);
	canonical_close(&b);
	canonical_member(&b, "b", NULL);
	canonical_member(&b, "c", "\xff");
	canonical_member(&b, "d", "\xed\xa0\x80");
	canonical_json(&b, "e", "[{}]");
	canonical_key(&b, "f");
	canonical_open(&b);
	canonical_member(&b, "g", "}");
	canonical_close(&b);
	canonical_member(&b, "h", "{");
	canonical_close(&b);
	T_EQ_STR(b.data, "{\"a\":{},\"b\":null,\"c\":null,\"d\":null,\"e\":[{}],\"f\":{\"g\":\"}\"},\"h\":\"{\"}");
	buf_done(&b);
}

int main(void)
{
	test_texts();
	test_shape();
	return t_done();
}
