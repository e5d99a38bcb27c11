/* JSON in the rows of a test is written with ' for ". */
#pragma once

#include "util.h"

/* The same with ", to be freed. */
static inline char *unquote(const char *s)
{
	char *text = xstrdup(s);

	for (char *p = text; *p != '\0'; p++)
		if (*p == '\'')
			*p = '"';
	return text;
}
