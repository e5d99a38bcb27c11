/* The state of the daemon as plain data, for the page and the metrics. */
#pragma once

#include "../lib/status.h"

struct syncd;

/* Everything as it is now. With actions also what waits for approval, as far as that is few: it is read from the cache.
 * Texts are the daemon's, good until the loop goes on; the rest ends with snapshot_done(). */
void snapshot_take(struct syncd *d, bool actions, struct status *ret);
void snapshot_done(struct status *s);

/* Whether the instance is fresh, as status_is_fresh() has it. */
struct source;
bool snapshot_is_fresh(const struct syncd *d, const struct source *s, int64_t now);

/* Rows that are still to be pushed, those that wait for an approval aside. */
uint32_t snapshot_pending(const struct source *s);
