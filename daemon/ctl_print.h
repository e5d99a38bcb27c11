/* How adosyncctl shows an answer to a person. */
#pragma once

#include <jansson.h>

struct ctl_printer {
	const char *command;
	unsigned lines;		/* printed so far */
};

/* Prints one line of the answer; an error goes to stderr. j may be NULL. */
void ctl_print(struct ctl_printer *p, const json_t *j);
