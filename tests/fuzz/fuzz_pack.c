/* A byte that says how many of the others are known of the text; the rest as what was packed, and as a text. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/pack.h"
#include "../../lib/util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void know(struct pack *p, const char *known)
{
	pack_begin(p);
	pack_know(p, known);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct pack *p;
	_cleanup_free_ char *known = NULL, *text = NULL, *opened = NULL, *back = NULL;
	_cleanup_free_ uint8_t *kept = NULL;
	const uint8_t *packed;
	size_t n;

	if (size == 0)
		return 0;
	if (p == NULL)
		p = pack_new("{\"name\":\"");
	n = data[0] < size - 1 ? data[0] : size - 1;
	known = memcpy(xcalloc(n + 1, 1), data + 1, n);
	data += 1 + n;
	size -= 1 + n;
	know(p, known);
	if (pack_open(p, data, size, &opened) == 0)
		must(strlen(opened) <= PACK_TEXT_MAX);
	text = xcalloc(size + 1, 1);
	if (size > 0)
		memcpy(text, data, size);
	know(p, known);
	if (pack_text(p, text, &packed, &n) == 0) {
		kept = memcpy(xcalloc(n, 1), packed, n);
		know(p, known);
		must(pack_open(p, kept, n, &back) == 0 && strcmp(back, text) == 0);
	}
	return 0;
}
