#include "expiry.h"

#include "util.h"

#define DAY 86400

bool expiry_due(struct expiry *e, int64_t date, int64_t now, int64_t *ret_left)
{
	static const int64_t steps[] = { 1, 3, 7, 14, 30 };
	int64_t left = (date - now + DAY - 1) / DAY;

	if (now >= date + DAY || date == 0)
		return false;
	if (left < 0)
		left = 0;
	if (e->date != date)
		*e = (struct expiry){ .date = date, .days = INT64_MAX };
	for (size_t i = 0; i < ELEMENTSOF(steps); i++) {
		if (left > steps[i])
			continue;
		if (steps[i] >= e->days)
			return false;
		e->days = steps[i];
		*ret_left = left;
		return true;
	}
	return false;
}
