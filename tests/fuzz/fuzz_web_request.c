/* Anything that a client may send: the answer does not depend on how it is cut, a path is one, and nothing is read beyond the
 * end. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/web_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct web_request whole, part;
	size_t max = size < WEB_HEAD_MAX ? size : WEB_HEAD_MAX;
	int r = WEB_REQUEST_MORE;

	/* a copy of just that size, so that a sanitizer sees who reads on */
	for (size_t n = 0; n <= max && r == WEB_REQUEST_MORE; n++) {
		char *copy = malloc(n + 1);

		must(copy != NULL);
		memcpy(copy, data, n);
		r = web_request_parse(copy, n, &part);
		free(copy);
	}
	must(r == WEB_REQUEST_MORE || r == 0 || strcmp(web_reason(-r), "?") != 0);
	/* what is refused or understood stays so, whatever follows */
	must(r == web_request_parse((const char *)data, max, &whole));
	if (r == 0) {
		must(part.method == whole.method && strcmp(part.path, whole.path) == 0 && strcmp(part.host, whole.host) == 0);
		must(part.path[0] == '/' || part.path[0] == '\0');
	}
	return 0;
}
