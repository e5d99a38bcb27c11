#include "schedule.h"

#include "limits.h"
#include "util.h"

#define SEC INT64_C(1000)
#define MIN (60 * SEC)
#define HOUR (60 * MIN)

#define BACKOFF_MIN (5 * SEC)
#define BACKOFF_MAX (15 * MIN)
#define THROTTLED_MIN (1 * SEC)		/* "Retry-After: 0" must not become a loop */
#define REFUSED_ONCE (30 * SEC)		/* a single refusal can be an accident of the server's */
#define CREDENTIAL_MIN (1 * MIN)
#define CREDENTIAL_MAX (30 * MIN)
#define EXPIRED_MAX (6 * HOUR)
#define BLOCKED_MIN (15 * MIN)
#define BLOCKED_MAX (6 * HOUR)
#define SPREAD_PART 10			/* of the interval, at most, so that instances drift apart */

static int64_t doubled(int64_t min_ms, int64_t max_ms, uint32_t attempts)
{
	int64_t d = min_ms;

	for (uint32_t i = 1; i < attempts && d < max_ms; i++)
		d *= 2;
	return d < max_ms ? d : max_ms;
}

int64_t backoff_jitter(int64_t min_ms, int64_t max_ms, uint32_t attempts, uint32_t random)
{
	int64_t d = doubled(min_ms, max_ms, attempts);

	return 1 + (int64_t)((uint64_t)random * (uint64_t)d >> 32);
}

static int64_t spread(int64_t interval_ms, uint32_t random)
{
	return interval_ms + (int64_t)((uint64_t)random * (uint64_t)(interval_ms / SPREAD_PART) >> 32);
}

int64_t schedule_longest(int64_t poll_interval)
{
	return (spread(poll_interval * SEC, UINT32_MAX) + SEC - 1) / SEC;
}

static void enter(struct schedule *s, enum instance_state state, int64_t now)
{
	if (s->before != state) {
		s->since = now;
		s->attempts = 0;
	}
	s->state = state;
	s->attempts++;
}

static int64_t at_least(int64_t ms, int64_t wait_sec)
{
	return ms > wait_sec * SEC ? ms : wait_sec * SEC;
}

/* Where a verdict leads, and for how long. */
static int64_t answered(struct schedule *s, const struct schedule_input *in)
{
	s->verdict = in->verdict;
	switch (in->verdict) {
	case VERDICT_OK:
		enter(s, INSTANCE_WAITING, in->now);
		s->attempts = 0;
		return at_least(spread(in->poll_interval * SEC, in->random), in->wait);
	case VERDICT_THROTTLED:
		enter(s, INSTANCE_THROTTLED, in->now);
		return at_least(THROTTLED_MIN, in->wait);
	case VERDICT_CREDENTIAL_EXPIRED:
	case VERDICT_CREDENTIAL_MISSING:
		enter(s, INSTANCE_CREDENTIAL, in->now);
		return at_least(doubled(CREDENTIAL_MIN, EXPIRED_MAX, s->attempts), in->wait);
	case VERDICT_SCOPE_MISSING:
	case VERDICT_CREDENTIAL_REJECTED:
		if (s->before != INSTANCE_CREDENTIAL && !s->refused) {
			enter(s, INSTANCE_BACKOFF, in->now);
			s->refused = true;
			return at_least(REFUSED_ONCE, in->wait);
		}
		enter(s, INSTANCE_CREDENTIAL, in->now);
		return at_least(doubled(CREDENTIAL_MIN, CREDENTIAL_MAX, s->attempts), in->wait);
	case VERDICT_POLICY_BLOCKED:
	case VERDICT_ORGANIZATION_UNKNOWN:
	case VERDICT_ORGANIZATION_STOPPED:
	case VERDICT_REFUSED:
		enter(s, INSTANCE_BLOCKED, in->now);
		return at_least(doubled(BLOCKED_MIN, BLOCKED_MAX, s->attempts), in->wait);
	case VERDICT_UNREACHABLE:
	case VERDICT_MALFORMED:
	case VERDICT_CACHE_FAILED:
		enter(s, INSTANCE_BACKOFF, in->now);
		return at_least(backoff_jitter(BACKOFF_MIN, BACKOFF_MAX, s->attempts, in->random), in->wait);
	}
	return SCHEDULE_IDLE;
}

static int64_t answer(struct schedule *s, const struct schedule_input *in)
{
	bool again = s->again;
	int64_t ms;

	s->again = false;
	if (s->pausing) {
		s->pausing = false;
		s->verdict = in->verdict;
		s->state = INSTANCE_PAUSED;
		s->since = in->now;
		return SCHEDULE_IDLE;
	}
	ms = answered(s, in);
	/* one refusal is remembered until something else is heard */
	if (in->verdict != VERDICT_SCOPE_MISSING && in->verdict != VERDICT_CREDENTIAL_REJECTED)
		s->refused = false;
	s->before = s->state;
	return again ? 0 : ms;
}

static int64_t poll_now(struct schedule *s, const struct schedule_input *in)
{
	s->polling_since = in->now;
	s->before = s->state;
	s->state = INSTANCE_POLLING;
	return SCHEDULE_POLL;
}

int64_t schedule_next(struct schedule *s, const struct schedule_input *in)
{
	switch (in->event) {
	case SCHEDULE_DUE:
		return s->state == INSTANCE_POLLING || s->state == INSTANCE_PAUSED ? SCHEDULE_IDLE : poll_now(s, in);
	case SCHEDULE_SYNC:
	case SCHEDULE_SECRET:
		if (s->state == INSTANCE_POLLING)
			s->again = true;
		return s->state == INSTANCE_POLLING || s->state == INSTANCE_PAUSED ? SCHEDULE_IDLE : poll_now(s, in);
	case SCHEDULE_PAUSE:
		if (s->state == INSTANCE_POLLING) {
			s->pausing = true;
			return SCHEDULE_IDLE;
		}
		if (s->state == INSTANCE_PAUSED)
			return SCHEDULE_IDLE;
		s->before = s->state;
		s->since = in->now;
		s->state = INSTANCE_PAUSED;
		return SCHEDULE_IDLE;
	case SCHEDULE_RESUME:
		s->pausing = false;
		if (s->state == INSTANCE_POLLING) {
			s->again = true;
			return SCHEDULE_IDLE;
		}
		if (s->state == INSTANCE_PAUSED) {
			s->state = s->before != INSTANCE_PAUSED ? s->before : INSTANCE_WAITING;
			s->since = in->now;
		}
		return poll_now(s, in);
	case SCHEDULE_ANSWER:
		return answer(s, in);
	}
	return SCHEDULE_IDLE;
}

enum instance_state schedule_shown(const struct schedule *s)
{
	return s->state == INSTANCE_POLLING ? s->before : s->state;
}

int64_t schedule_since(const struct schedule *s)
{
	return s->state == INSTANCE_POLLING ? s->polling_since : s->since;
}

bool schedule_is_paused(const struct schedule *s)
{
	return s->state == INSTANCE_PAUSED || s->pausing;
}

bool schedule_watches_secret(const struct schedule *s)
{
	return s->refused || schedule_shown(s) == INSTANCE_CREDENTIAL;
}

const char *instance_state_name(enum instance_state s)
{
	switch (s) {
	case INSTANCE_WAITING:
		return "waiting";
	case INSTANCE_POLLING:
		return "polling";
	case INSTANCE_BACKOFF:
		return "backoff";
	case INSTANCE_THROTTLED:
		return "throttled";
	case INSTANCE_CREDENTIAL:
		return "credential";
	case INSTANCE_BLOCKED:
		return "blocked";
	case INSTANCE_PAUSED:
		return "paused";
	}
	return "?";
}

#define SPAN(ms) format_span((char[64]){ 0 }, 64, (ms) / SEC)

/* What the transition itself makes of the verdict, after a good poll, or after one refusal of the token. */
static bool leads_to(enum verdict v, enum instance_state state, bool refused)
{
	const struct schedule_input in = { .event = SCHEDULE_ANSWER, .verdict = v };
	struct schedule s = { .state = INSTANCE_POLLING, .before = INSTANCE_WAITING, .refused = refused };

	(void)schedule_next(&s, &in);
	return s.state == state;
}

static void print_state(FILE *f, enum instance_state state, const char *left)
{
	fprintf(f, "%s\t%s\t", instance_state_name(state), left);
	for (enum verdict v = VERDICT_OK; v < VERDICT_KINDS; v++)
		if (leads_to(v, state, false) || leads_to(v, state, true))
			fprintf(f, " %s", verdict_name(v));
	fputc('\n', f);
}

/* In the words of the manual page's table, which is compared with this. */
void schedule_print_states(FILE *f)
{
	char text[256];

	(void)snprintf(text, sizeof(text), "poll_interval after the poll, up to %d%% later", 100 / SPREAD_PART);
	print_state(f, INSTANCE_WAITING, text);
	print_state(f, INSTANCE_POLLING, "the answer is judged");
	(void)snprintf(text, sizeof(text), "any time within %s, doubling to %s; %s after one refusal of the token", SPAN(BACKOFF_MIN),
		       SPAN(BACKOFF_MAX), SPAN(REFUSED_ONCE));
	print_state(f, INSTANCE_BACKOFF, text);
	(void)snprintf(text, sizeof(text), "the time Azure DevOps asks for, from %s to %s; %s if it names none", SPAN(THROTTLED_MIN),
		       SPAN(WAIT_MAX_SEC * SEC), SPAN(THROTTLE_DEFAULT_SEC * SEC));
	print_state(f, INSTANCE_THROTTLED, text);
	(void)snprintf(text, sizeof(text), "%s, doubling to %s, or to %s if expired or missing; at once when the token changes",
		       SPAN(CREDENTIAL_MIN), SPAN(CREDENTIAL_MAX), SPAN(EXPIRED_MAX));
	print_state(f, INSTANCE_CREDENTIAL, text);
	(void)snprintf(text, sizeof(text), "%s, doubling to %s", SPAN(BLOCKED_MIN), SPAN(BLOCKED_MAX));
	print_state(f, INSTANCE_BLOCKED, text);
	print_state(f, INSTANCE_PAUSED, "adosyncctl resume");
}
