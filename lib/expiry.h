/* Warnings ahead of a date on which a secret expires: 30, 14, 7, 3 and 1 days before, once each. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* What was warned of last; kept in the cache, so that a restart does not repeat it. */
struct expiry {
	int64_t date;	/* Unix seconds, 0 = nothing yet */
	int64_t days;	/* the step that was warned of */
};

/* Whether a warning is due now, which is then noted. date: Unix seconds of the day it expires, 00:00 UTC.
 * *ret_left: days until then, 0 = on that day. Steps that were missed while nobody looked are one warning. */
bool expiry_due(struct expiry *e, int64_t date, int64_t now, int64_t *ret_left);
