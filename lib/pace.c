#include "pace.h"

#include "limits.h"
#include "schedule.h"
#include "util.h"

#define SEC INT64_C(1000)
#define MIN (60 * SEC)
#define BACKOFF_MIN (5 * SEC)
#define BACKOFF_MAX (15 * MIN)
#define CREDENTIAL_MIN (1 * MIN)
#define CREDENTIAL_MAX (30 * MIN)
#define THROTTLED_DEFAULT_SEC 60	/* Konnect counts by the minute */
#define FORBIDDEN_WINDOW (60 * SEC)

void bucket_init(struct bucket *b, int64_t rate_per_minute, int64_t now_ms)
{
	double capacity = rate_per_minute >= 20 ? (double)(rate_per_minute / 10) : 1;

	/* what is saved up and what comes within a minute are the rate together */
	*b = (struct bucket){ .tokens = capacity, .capacity = capacity, .at = now_ms };
	b->per_ms = ((double)rate_per_minute - (rate_per_minute > 1 ? capacity : 0)) / (double)MIN;
}

int64_t bucket_take(struct bucket *b, int64_t now_ms)
{
	if (now_ms > b->at)
		b->tokens += (double)(now_ms - b->at) * b->per_ms;
	if (b->tokens > b->capacity)
		b->tokens = b->capacity;
	b->at = now_ms;
	if (b->tokens < 1)
		return 1 + (int64_t)((1 - b->tokens) / b->per_ms);
	b->tokens -= 1;
	return 0;
}

static int64_t lose(struct sink_schedule *s, enum sink_state state)
{
	s->state = state;
	s->lost = state;
	s->attempts++;
	return 0;
}

static int64_t credential(struct sink_schedule *s)
{
	int64_t d = CREDENTIAL_MIN;

	(void)lose(s, SINK_CREDENTIAL);
	for (uint32_t i = 1; i < s->attempts && d < CREDENTIAL_MAX; i++)
		d *= 2;
	return d < CREDENTIAL_MAX ? d : CREDENTIAL_MAX;
}

/* The third 403 within the window is not about one object any more. */
static bool forbidden_again(struct sink_schedule *s, int64_t now_ms)
{
	bool third = s->forbidden[0] != 0 && now_ms - s->forbidden[0] < FORBIDDEN_WINDOW;

	s->forbidden[0] = s->forbidden[1];
	s->forbidden[1] = now_ms > 0 ? now_ms : 1;
	return third;
}

int64_t sink_schedule_next(struct sink_schedule *s, enum sink_event event, int64_t wait, int64_t now_ms, uint32_t random)
{
	switch (event) {
	case SINK_ANSWERED:
		if (s->state != SINK_READY)
			return -1;
		s->attempts = 0;
		return -1;
	case SINK_DUE:
	case SINK_SECRET:
		s->state = SINK_READY;
		return -1;
	case SINK_WAS_THROTTLED:
		/* requests that were in flight together fail together: that is one failure */
		if (s->state == SINK_BACKOFF || s->state == SINK_CREDENTIAL)
			return -1;
		(void)lose(s, SINK_THROTTLED);
		return (wait > 0 ? wait : THROTTLED_DEFAULT_SEC) * SEC;
	case SINK_FAILED:
		if (s->state != SINK_READY)
			return -1;
		(void)lose(s, SINK_BACKOFF);
		if (wait * SEC > BACKOFF_MIN)
			return wait * SEC;
		return backoff_jitter(BACKOFF_MIN, BACKOFF_MAX, s->attempts, random);
	case SINK_UNAUTHORIZED:
		return s->state == SINK_CREDENTIAL ? -1 : credential(s);
	case SINK_FORBIDDEN:
		/* one is enough where the token was refused and nothing has been answered since */
		if ((!forbidden_again(s, now_ms) && (s->attempts == 0 || s->lost != SINK_CREDENTIAL)) || s->state == SINK_CREDENTIAL)
			return -1;
		return credential(s);
	}
	return -1;
}

const char *sink_state_name(enum sink_state s)
{
	switch (s) {
	case SINK_READY:
		return "ready";
	case SINK_THROTTLED:
		return "throttled";
	case SINK_BACKOFF:
		return "backoff";
	case SINK_CREDENTIAL:
		return "credential";
	}
	return "?";
}

#define SPAN(ms) format_span((char[64]){ 0 }, 64, (ms) / SEC)

void sink_schedule_print_states(FILE *f)
{
	fprintf(f, "konnect %s\tan answer is no good\t\n", sink_state_name(SINK_READY));
	fprintf(f, "konnect %s\tthe time Konnect asks for, %s at most; %s if it names none\t\n", sink_state_name(SINK_THROTTLED),
		SPAN(WAIT_MAX_SEC * SEC), SPAN(THROTTLED_DEFAULT_SEC * SEC));
	fprintf(f, "konnect %s\tany time within %s, doubling to %s; or the time Konnect asks for\t\n", sink_state_name(SINK_BACKOFF),
		SPAN(BACKOFF_MIN), SPAN(BACKOFF_MAX));
	fprintf(f, "konnect %s\t%s, doubling to %s; at once when the token changes\t\n", sink_state_name(SINK_CREDENTIAL),
		SPAN(CREDENTIAL_MIN), SPAN(CREDENTIAL_MAX));
}
