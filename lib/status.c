#include "status.h"

#include <string.h>

#include "util.h"

#define FRESH_INTERVALS 3

static const char *const methods[METHOD_KINDS] = { "GET", "POST", "PATCH", "DELETE" };
static const char *const classes[CLASS_KINDS] = { "none", "2xx", "3xx", "4xx", "429", "5xx" };

bool status_is_fresh(int64_t last_complete, int64_t started, int64_t poll_interval, int64_t now)
{
	int64_t from = last_complete > 0 ? last_complete : started;

	/* a clock that was set back proves nothing */
	return now - from <= FRESH_INTERVALS * poll_interval;
}

static enum status_class class_of(int status)
{
	if (status == 429)
		return CLASS_THROTTLED;
	if (status >= 200 && status < 300)
		return CLASS_2XX;
	if (status >= 300 && status < 400)
		return CLASS_3XX;
	if (status >= 400 && status < 500)
		return CLASS_4XX;
	return status >= 500 ? CLASS_5XX : CLASS_NONE;
}

void status_count(struct status_requests *r, const char *method, int status)
{
	for (size_t m = 0; m < METHOD_KINDS; m++)
		if (strcmp(methods[m], method) == 0)
			r->n[m][class_of(status)]++;
}

const char *status_method_name(enum status_method m)
{
	return methods[m];
}

const char *status_class_name(enum status_class c)
{
	return classes[c];
}

int64_t status_days_left(int64_t at, int64_t now)
{
	int64_t left = at - now;

	return left >= 0 ? left / 86400 : -((-left + 86399) / 86400);
}

bool status_needs_somebody(const struct status_instance *i, int64_t now)
{
	if (i->held > 0 || i->refused != NULL || !i->fresh)
		return true;
	if (i->pat_expires != 0 && status_days_left(i->pat_expires, now) < STATUS_EXPIRES_SOON_DAYS)
		return true;
	switch (i->state) {
	case INSTANCE_CREDENTIAL:
	case INSTANCE_BLOCKED:
		return true;
	case INSTANCE_WAITING:
	case INSTANCE_POLLING:
	case INSTANCE_BACKOFF:
	case INSTANCE_THROTTLED:
	case INSTANCE_PAUSED:
		break;
	}
	return false;
}
