/* Any bytes as JSON of which a few values are read: what the scan takes is JSON to jansson as well, and has the same values. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/pick.h"
#include "../../lib/util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pick picks[] = { { .key = "id" }, { .key = "name" }, { .key = "flag" }, { .object = "in", .key = "id" }, { .object = "in", .key = "name" } };
	/* a copy of just that size, so that a sanitizer sees who reads on */
	char *text = size > 0 ? malloc(size) : NULL;
	json_t *j;

	must(size == 0 || text != NULL);
	if (size > 0)
		memcpy(text, data, size);
	if (pick_scan(text, size, picks, ELEMENTSOF(picks))) {
		j = json_loadb(text, size, 0, NULL);
		must(json_is_object(j));
		for (size_t i = 0; i < ELEMENTSOF(picks); i++) {
			const json_t *object = picks[i].object != NULL ? json_object_get(j, picks[i].object) : j,
				     *value = json_object_get(object, picks[i].key);

			must(picks[i].is_true == json_is_true(value));
			must((picks[i].text != NULL) == json_is_string(value));
			must(!json_is_string(value) || (picks[i].len == json_string_length(value) &&
							memcmp(picks[i].text, json_string_value(value), picks[i].len) == 0));
		}
		json_decref(j);
	}
	free(text);
	return 0;
}
