/* The status page: one HTML document without script, out of plain data. */
#pragma once

#include "out.h"
#include "status.h"

/* Nothing is loaded, framed or run; the one style is named by its hash. */
extern const char page_policy[];

/* The whole document. */
void page_write(struct out *o, const struct status *s);
