#include "pace.h"
#include "t.h"
#include "util.h"

#define SEC INT64_C(1000)
#define MIN (60 * SEC)
#define SENT_MAX 400000

static int64_t sent[SENT_MAX];

static uint32_t dice = 1;

static uint32_t roll(uint32_t n)
{
	dice = dice * UINT32_C(1664525) + UINT32_C(1013904223);
	return (uint32_t)((uint64_t)dice * n >> 32);
}

/* The most that went through in any 60 s. */
static size_t densest(size_t n)
{
	size_t most = 0, from = 0;

	for (size_t i = 0; i < n; i++) {
		while (sent[i] - sent[from] >= MIN)
			from++;
		if (i - from + 1 > most)
			most = i - from + 1;
	}
	return most;
}

/* As much as it lets through for some minutes, as the pump does: it comes back when it was told to, or a little late, and
 * rests now and then so that tokens are saved up. */
static size_t drain(int64_t rate, int64_t minutes, bool rests)
{
	struct bucket b;
	size_t n = 0;

	bucket_init(&b, rate, 12345);
	for (int64_t now = 12345; now < 12345 + minutes * MIN && n < SENT_MAX;) {
		int64_t ms = bucket_take(&b, now);

		if (ms == 0)
			sent[n++] = now;
		else
			now += ms + (rests ? roll(20) : 0);
		if (rests && roll(1000) == 0)
			now += roll(90) * SEC;
	}
	return n;
}

static void test_bucket(void)
{
	static const int64_t rates[] = { 1, 2, 3, 7, 19, 20, 21, 60, 99, 1000, 6000, 60000 };

	for (size_t i = 0; i < ELEMENTSOF(rates); i++) {
		_cleanup_free_ char *what = xasprintf("never more than %lld in a minute", (long long)rates[i]);
		int64_t minutes = rates[i] >= 60000 ? 5 : 20;
		size_t n = drain(rates[i], minutes, false);

		T_OK_MSG(densest(n) <= (size_t)rates[i], what);
		T_OK_MSG(rates[i] == 1 ? n >= (size_t)minutes - 1 : n >= (size_t)(rates[i] * minutes * 4 / 10), "and not much less");
		n = drain(rates[i], minutes, true);
		T_OK_MSG(densest(n) <= (size_t)rates[i], what);
	}
}

static void test_bucket_edges(void)
{
	struct bucket b;
	int64_t ms;

	bucket_init(&b, 10000000, 0);
	T_EQ_INT(bucket_take(&b, 0), 0);
	bucket_init(&b, 1, 0);
	T_EQ_INT(bucket_take(&b, 0), 0);
	ms = bucket_take(&b, 0);
	T_OK(ms >= MIN && ms <= MIN + 2);
	T_EQ_INT_MSG(bucket_take(&b, ms), 0, "what it says is enough");
	/* a clock that stands still, or goes back, gives nothing away */
	ms = bucket_take(&b, ms);
	T_OK(ms > 0);
	T_OK(bucket_take(&b, -MIN) > 0);
	/* a day asleep saves up a tenth and no more */
	bucket_init(&b, 1000, 0);
	ms = 0;
	for (int i = 0; i < 1000 && bucket_take(&b, 24 * 60 * MIN) == 0; i++)
		ms++;
	T_EQ_INT(ms, 100);
}

static int64_t next(struct sink_schedule *s, enum sink_event e, int64_t wait, int64_t now)
{
	return sink_schedule_next(s, e, wait, now, UINT32_MAX);
}

static const enum sink_state states[] = { SINK_READY, SINK_THROTTLED, SINK_BACKOFF, SINK_CREDENTIAL };

static struct sink_schedule in_state(enum sink_state state)
{
	return (struct sink_schedule){ .state = state, .attempts = state != SINK_READY, .lost = state };
}

/* Every state meets every event. */
static void test_sink_events(void)
{
	static const struct {
		enum sink_event event;
		enum sink_state to[4];	/* from ready, throttled, backoff, credential */
		bool waits[4];		/* something new */
	} rows[] = {
		{ SINK_ANSWERED, { SINK_READY, SINK_THROTTLED, SINK_BACKOFF, SINK_CREDENTIAL }, { false, false, false, false } },
		{ SINK_WAS_THROTTLED, { SINK_THROTTLED, SINK_THROTTLED, SINK_BACKOFF, SINK_CREDENTIAL }, { true, true, false, false } },
		{ SINK_FAILED, { SINK_BACKOFF, SINK_THROTTLED, SINK_BACKOFF, SINK_CREDENTIAL }, { true, false, false, false } },
		{ SINK_UNAUTHORIZED, { SINK_CREDENTIAL, SINK_CREDENTIAL, SINK_CREDENTIAL, SINK_CREDENTIAL },
		  { true, true, true, false } },
		{ SINK_FORBIDDEN, { SINK_READY, SINK_THROTTLED, SINK_BACKOFF, SINK_CREDENTIAL }, { false, false, false, false } },
		{ SINK_DUE, { SINK_READY, SINK_READY, SINK_READY, SINK_READY }, { false, false, false, false } },
		{ SINK_SECRET, { SINK_READY, SINK_READY, SINK_READY, SINK_READY }, { false, false, false, false } },
	};

	for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
		for (size_t k = 0; k < ELEMENTSOF(states); k++) {
			struct sink_schedule s = in_state(states[k]);
			int64_t ms = next(&s, rows[i].event, 0, 1000);

			T_OK_MSG(s.state == rows[i].to[k], sink_state_name(states[k]));
			T_OK(rows[i].waits[k] ? ms > 0 : ms == -1);
		}
	}
}

static void test_sink_times(void)
{
	static const int64_t credential[] = { 1, 2, 4, 8, 16, 30, 30 };
	struct sink_schedule s = { 0 };
	int64_t d = 5 * SEC;

	T_EQ_INT(next(&s, SINK_WAS_THROTTLED, 0, 0), MIN);
	(void)next(&s, SINK_DUE, 0, 0);
	T_EQ_INT(next(&s, SINK_WAS_THROTTLED, 7, 0), 7 * SEC);
	T_EQ_INT_MSG(next(&s, SINK_WAS_THROTTLED, 9, 0), 9 * SEC, "the later of two that were in flight together");
	s = (struct sink_schedule){ 0 };
	for (int i = 0; i < 12; i++) {
		T_EQ_INT_MSG(next(&s, SINK_FAILED, 0, 0), d < 15 * MIN ? d : 15 * MIN, "full jitter at its end");
		T_EQ_INT_MSG(next(&s, SINK_FAILED, 0, 0), -1, "what failed together is one failure");
		(void)next(&s, SINK_DUE, 0, 0);
		d *= 2;
	}
	T_OK(sink_schedule_next(&s, SINK_FAILED, 0, 0, 0) == 1);
	(void)next(&s, SINK_DUE, 0, 0);
	T_EQ_INT_MSG(next(&s, SINK_FAILED, 2000, 0), 2000 * SEC, "a wait that is asked for");
	s = (struct sink_schedule){ 0 };
	for (size_t i = 0; i < ELEMENTSOF(credential); i++) {
		T_EQ_INT(next(&s, SINK_UNAUTHORIZED, 0, 0), credential[i] * MIN);
		T_EQ_INT(next(&s, SINK_UNAUTHORIZED, 0, 0), -1);
		(void)next(&s, SINK_DUE, 0, 0);
	}
	/* an answer is what ends it, not a time that is over */
	T_OK(s.state == SINK_READY && s.attempts > 0 && s.lost == SINK_CREDENTIAL);
	(void)next(&s, SINK_ANSWERED, 0, 0);
	T_EQ_INT(s.attempts, 0);
	T_EQ_INT(next(&s, SINK_UNAUTHORIZED, 0, 0), MIN);
	/* a late answer of what was in flight changes nothing */
	(void)next(&s, SINK_ANSWERED, 0, 0);
	T_OK(s.state == SINK_CREDENTIAL && s.attempts == 1);
}

static void test_sink_forbidden(void)
{
	struct sink_schedule s = { 0 };

	T_EQ_INT(next(&s, SINK_FORBIDDEN, 0, 0), -1);
	T_EQ_INT(next(&s, SINK_FORBIDDEN, 0, 30 * SEC), -1);
	T_EQ_INT_MSG(next(&s, SINK_FORBIDDEN, 0, 60 * SEC + 1), -1, "the first is a minute ago");
	T_OK(s.state == SINK_READY);
	T_EQ_INT_MSG(next(&s, SINK_FORBIDDEN, 0, 89 * SEC), MIN, "three within a minute");
	T_OK(s.state == SINK_CREDENTIAL);
	T_EQ_INT(next(&s, SINK_FORBIDDEN, 0, 89 * SEC), -1);
	(void)next(&s, SINK_DUE, 0, 149 * SEC);
	T_EQ_INT_MSG(next(&s, SINK_FORBIDDEN, 0, 1000 * SEC), 2 * MIN, "one is enough while the token has not been accepted since");
	(void)next(&s, SINK_SECRET, 0, 1010 * SEC);
	(void)next(&s, SINK_ANSWERED, 0, 1010 * SEC);
	T_EQ_INT_MSG(next(&s, SINK_FORBIDDEN, 0, 1100 * SEC), -1, "and then it takes three again");
	T_OK(s.state == SINK_READY);
}

int main(void)
{
	test_bucket();
	test_bucket_edges();
	test_sink_events();
	test_sink_times();
	test_sink_forbidden();
	return t_done();
}
