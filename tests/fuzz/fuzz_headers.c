/* Any lines as the head of an answer: what is found was sent, and nothing is read beyond a line's end. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/headers.h"
#include "../../lib/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct headers h;
	const char *value;

	headers_init(&h);
	for (size_t at = 0; at < size;) {
		const uint8_t *end = memchr(data + at, '\n', size - at);
		size_t n = end != NULL ? (size_t)(end - data) - at + 1 : size - at;
		char *line = malloc(n);

		/* a copy of just that size, so that a sanitizer sees who reads on */
		must(line != NULL);
		memcpy(line, data + at, n);
		headers_line(&h, line, n);
		free(line);
		at += n;
	}
	must(h.status == 0 || (h.status >= 200 && h.status <= 999));
	value = headers_find(&h, "RETRY-after");
	must(value == NULL || (h.n > 0 && strlen(value) <= HEADER_VALUE_MAX));
	headers_done(&h);
	return 0;
}
