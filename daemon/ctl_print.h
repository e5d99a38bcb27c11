/* How adosyncctl shows an answer to a person. */
#pragma once

#include <jansson.h>

struct ctl_printer {
	const char *command;
	unsigned lines;		/* printed so far */
};

/* Prints one line of the answer, whose texts are made printable before; an error goes to stderr. */
void ctl_print(struct ctl_printer *p, json_t *j);
