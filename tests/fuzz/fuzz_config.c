/* Any bytes as a configuration: loaded or refused with a message, and what is loaded prints as itself. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *show(const struct config *c, size_t *ret_len)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, ret_len);

	if (!f)
		abort();
	config_print(c, f);
	(void)fclose(f);
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config *c = NULL, *again = NULL;
	char *error = NULL, *first, *second;
	size_t len, len2;
	int r;

	r = config_load_buffer("fuzz", (const char *)data, size, &c, &error);
	if ((r == 0) != (c != NULL) || (r < 0) != (error != NULL) || (error && !*error))
		abort();
	if (c) {
		first = show(c, &len);
		if (config_load_buffer("again", first, len, &again, &error) < 0)
			abort();
		second = show(again, &len2);
		if (strcmp(first, second) != 0)
			abort();
		free(first);
		free(second);
	}
	free(error);
	config_free(c);
	config_free(again);
	return 0;
}
