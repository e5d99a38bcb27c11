/* The daemon's metrics in Prometheus' text format, out of plain data. */
#pragma once

#include "out.h"
#include "status.h"

/* The type that the text is to be served as. */
#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Every metric: its name, its type, what it means, and its values. The names are a contract; the manual page has them. */
void metrics_write(struct out *o, const struct status *s);
