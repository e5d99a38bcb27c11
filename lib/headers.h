/* The head of an HTTP answer, line by line. Pure. */
#pragma once

#include <stddef.h>

#include "buf.h"

struct headers {
	int status;		/* of the last status line but for 1xx, 0 before one */
	struct buf fields;	/* name NUL value NUL, ... */
	unsigned n;
};

void headers_init(struct headers *h);
void headers_done(struct headers *h);

/* Takes a line as it arrives, which need not end. A status line begins a new head; what is too long or no field is left out. */
void headers_line(struct headers *h, const char *line, size_t n);

/* The value of the first field of that name, without regard to case; NULL when it is absent. Borrowed. */
const char *headers_find(const struct headers *h, const char *name);
