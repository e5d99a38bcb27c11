#include "schedule.h"
#include "t.h"
#include "util.h"

#define SEC INT64_C(1000)
#define MIN (60 * SEC)
#define HOUR (60 * MIN)
#define NOW 1000000
#define INTERVAL 900

static const enum instance_state states[] = { INSTANCE_WAITING, INSTANCE_POLLING,    INSTANCE_BACKOFF, INSTANCE_THROTTLED,
					      INSTANCE_CREDENTIAL, INSTANCE_BLOCKED, INSTANCE_PAUSED };

static int64_t next(struct schedule *s, enum schedule_event event)
{
	const struct schedule_input in = { .event = event, .poll_interval = INTERVAL, .now = NOW };

	return schedule_next(s, &in);
}

static int64_t answer_with(struct schedule *s, enum verdict verdict, int64_t wait, uint32_t random)
{
	const struct schedule_input in = { .event = SCHEDULE_ANSWER, .verdict = verdict, .wait = wait, .poll_interval = INTERVAL,
					   .now = NOW, .random = random };

	return schedule_next(s, &in);
}

/* A poll that ends so. */
static int64_t poll(struct schedule *s, enum verdict verdict)
{
	(void)next(s, SCHEDULE_DUE);
	return answer_with(s, verdict, 0, 0);
}

/* In that state, and while polling as if it came from waiting. */
static struct schedule in_state(enum instance_state state)
{
	return (struct schedule){ .state = state, .before = state == INSTANCE_POLLING ? INSTANCE_WAITING : state, .attempts = 2,
				  .since = 1 };
}

static bool idles(enum instance_state s)
{
	return s == INSTANCE_POLLING || s == INSTANCE_PAUSED;
}

/* Every state meets every event but an answer. */
static void test_events(void)
{
	static const enum schedule_event now[] = { SCHEDULE_DUE, SCHEDULE_SYNC, SCHEDULE_SECRET };

	for (size_t i = 0; i < ELEMENTSOF(states); i++) {
		struct schedule s;

		for (size_t k = 0; k < ELEMENTSOF(now); k++) {
			s = in_state(states[i]);
			T_EQ_INT_MSG(next(&s, now[k]), idles(states[i]) ? SCHEDULE_IDLE : SCHEDULE_POLL, instance_state_name(states[i]));
			T_OK(s.state == (states[i] == INSTANCE_PAUSED ? INSTANCE_PAUSED : INSTANCE_POLLING));
			T_OK(s.again == (states[i] == INSTANCE_POLLING && now[k] != SCHEDULE_DUE));
			T_OK(schedule_shown(&s) == (states[i] == INSTANCE_POLLING ? INSTANCE_WAITING : states[i]));
			T_OK(s.attempts == 2 && s.since == 1);
		}
		s = in_state(states[i]);
		T_EQ_INT_MSG(next(&s, SCHEDULE_PAUSE), SCHEDULE_IDLE, "a pause waits for nothing");
		T_OK(s.state == (states[i] == INSTANCE_POLLING ? INSTANCE_POLLING : INSTANCE_PAUSED));
		T_OK(s.pausing == (states[i] == INSTANCE_POLLING));
		T_OK(s.since == (idles(states[i]) ? 1 : NOW));
		s = in_state(states[i]);
		T_EQ_INT_MSG(next(&s, SCHEDULE_RESUME), states[i] == INSTANCE_POLLING ? SCHEDULE_IDLE : SCHEDULE_POLL, "resume polls now");
		T_OK(s.state == INSTANCE_POLLING);
		T_OK(s.again == (states[i] == INSTANCE_POLLING));
	}
}

/* Where each verdict leads, for how long the first time, and for how long at most. */
static const struct {
	enum verdict verdict;
	enum instance_state state;
	int64_t first_min, first_max, cap_min, cap_max;
} verdicts[] = {
	{ VERDICT_OK, INSTANCE_WAITING, 15 * MIN, 15 * MIN + 90 * SEC, 15 * MIN, 15 * MIN + 90 * SEC },
	{ VERDICT_THROTTLED, INSTANCE_THROTTLED, 1 * SEC, 1 * SEC, 1 * SEC, 1 * SEC },
	{ VERDICT_CREDENTIAL_EXPIRED, INSTANCE_CREDENTIAL, 1 * MIN, 1 * MIN, 6 * HOUR, 6 * HOUR },
	{ VERDICT_CACHE_FAILED, INSTANCE_BACKOFF, 1, 5 * SEC, 1, 15 * MIN },
	{ VERDICT_CREDENTIAL_MISSING, INSTANCE_CREDENTIAL, 1 * MIN, 1 * MIN, 6 * HOUR, 6 * HOUR },
	{ VERDICT_SCOPE_MISSING, INSTANCE_BACKOFF, 30 * SEC, 30 * SEC, 30 * MIN, 30 * MIN },
	{ VERDICT_CREDENTIAL_REJECTED, INSTANCE_BACKOFF, 30 * SEC, 30 * SEC, 30 * MIN, 30 * MIN },
	{ VERDICT_POLICY_BLOCKED, INSTANCE_BLOCKED, 15 * MIN, 15 * MIN, 6 * HOUR, 6 * HOUR },
	{ VERDICT_ORGANIZATION_UNKNOWN, INSTANCE_BLOCKED, 15 * MIN, 15 * MIN, 6 * HOUR, 6 * HOUR },
	{ VERDICT_ORGANIZATION_STOPPED, INSTANCE_BLOCKED, 15 * MIN, 15 * MIN, 6 * HOUR, 6 * HOUR },
	{ VERDICT_REFUSED, INSTANCE_BLOCKED, 15 * MIN, 15 * MIN, 6 * HOUR, 6 * HOUR },
	{ VERDICT_UNREACHABLE, INSTANCE_BACKOFF, 1, 5 * SEC, 1, 15 * MIN },
	{ VERDICT_MALFORMED, INSTANCE_BACKOFF, 1, 5 * SEC, 1, 15 * MIN },
};

static void test_verdicts(void)
{
	static const uint32_t dice[] = { 0, 1, UINT32_MAX / 2, UINT32_MAX };

	for (size_t i = 0; i < ELEMENTSOF(verdicts); i++) {
		for (size_t k = 0; k < ELEMENTSOF(dice); k++) {
			struct schedule s = { 0 };
			int64_t ms;

			(void)next(&s, SCHEDULE_DUE);
			ms = answer_with(&s, verdicts[i].verdict, 0, dice[k]);
			T_OK_MSG(s.state == verdicts[i].state && s.verdict == verdicts[i].verdict, verdict_name(verdicts[i].verdict));
			T_OK(ms >= verdicts[i].first_min && ms <= verdicts[i].first_max);
			T_OK(s.before == s.state);
			for (int n = 0; n < 60; n++) {
				(void)next(&s, SCHEDULE_DUE);
				ms = answer_with(&s, verdicts[i].verdict, 0, dice[k]);
				if (ms > verdicts[i].cap_max)
					break;
			}
			T_OK_MSG(ms >= verdicts[i].cap_min && ms <= verdicts[i].cap_max, "at most that");
			/* a wait that is asked for goes first when it is longer */
			(void)next(&s, SCHEDULE_DUE);
			ms = answer_with(&s, verdicts[i].verdict, 7 * 3600, dice[k]);
			T_EQ_INT_MSG(ms, 7 * HOUR, "a longer wait");
			(void)next(&s, SCHEDULE_DUE);
			ms = answer_with(&s, verdicts[i].verdict, 1, dice[k]);
			T_OK_MSG(ms >= SEC && ms >= verdicts[i].cap_min, "a shorter wait shortens nothing");
		}
	}
}

/* Every verdict after every state: the doubling goes on where the state does, and begins anew where it changes. */
static void test_verdict_from_state(void)
{
	for (size_t i = 0; i < ELEMENTSOF(states); i++) {
		if (idles(states[i]))
			continue;
		for (size_t k = 0; k < ELEMENTSOF(verdicts); k++) {
			struct schedule s = in_state(states[i]);
			enum verdict v = verdicts[k].verdict;
			enum instance_state want = verdicts[k].state;

			if (states[i] == INSTANCE_CREDENTIAL && (v == VERDICT_SCOPE_MISSING || v == VERDICT_CREDENTIAL_REJECTED))
				want = INSTANCE_CREDENTIAL;
			(void)poll(&s, v);
			T_OK_MSG(s.state == want, instance_state_name(states[i]));
			T_EQ_INT_MSG(s.since, want == states[i] ? 1 : NOW, "since");
			T_EQ_INT_MSG(s.attempts, v == VERDICT_OK ? 0 : want == states[i] ? 3 : 1, "attempts");
		}
	}
}

static void test_doubling(void)
{
	static const int64_t expired[] = { 1, 2, 4, 8, 16, 32, 64, 128, 256, 360, 360 };
	static const int64_t rejected[] = { 1, 2, 4, 8, 16, 30, 30 };
	static const int64_t blocked[] = { 15, 30, 60, 120, 240, 360, 360 };
	struct schedule s = { 0 };

	for (size_t i = 0; i < ELEMENTSOF(expired); i++)
		T_EQ_INT(poll(&s, VERDICT_CREDENTIAL_EXPIRED), expired[i] * MIN);
	s = (struct schedule){ 0 };
	T_EQ_INT(poll(&s, VERDICT_CREDENTIAL_REJECTED), 30 * SEC);
	for (size_t i = 0; i < ELEMENTSOF(rejected); i++)
		T_EQ_INT(poll(&s, VERDICT_CREDENTIAL_REJECTED), rejected[i] * MIN);
	s = (struct schedule){ 0 };
	for (size_t i = 0; i < ELEMENTSOF(blocked); i++)
		T_EQ_INT(poll(&s, VERDICT_REFUSED), blocked[i] * MIN);
	s.attempts = UINT32_MAX - 1;
	T_EQ_INT_MSG(poll(&s, VERDICT_REFUSED), 360 * MIN, "after years");
}

static void test_jitter(void)
{
	for (uint32_t attempts = 1; attempts < 40; attempts++) {
		int64_t d = 5 * SEC;

		for (uint32_t i = 1; i < attempts && d < 15 * MIN; i++)
			d *= 2;
		d = d < 15 * MIN ? d : 15 * MIN;
		T_EQ_INT(backoff_jitter(5 * SEC, 15 * MIN, attempts, 0), 1);
		T_EQ_INT(backoff_jitter(5 * SEC, 15 * MIN, attempts, UINT32_MAX), d);
		T_OK(backoff_jitter(5 * SEC, 15 * MIN, attempts, UINT32_MAX / 2) <= d / 2 + 1);
	}
}

/* One refusal is remembered until something else is heard. */
static void test_refused_once(void)
{
	struct schedule s = { 0 };

	T_OK(!schedule_watches_secret(&s));
	(void)poll(&s, VERDICT_SCOPE_MISSING);
	T_OK(s.state == INSTANCE_BACKOFF && schedule_watches_secret(&s));
	(void)poll(&s, VERDICT_OK);
	T_OK(s.state == INSTANCE_WAITING && !schedule_watches_secret(&s));
	(void)poll(&s, VERDICT_CREDENTIAL_REJECTED);
	T_OK(s.state == INSTANCE_BACKOFF);
	(void)poll(&s, VERDICT_UNREACHABLE);
	T_OK(s.state == INSTANCE_BACKOFF && !schedule_watches_secret(&s));
	(void)poll(&s, VERDICT_CREDENTIAL_REJECTED);
	T_OK_MSG(s.state == INSTANCE_BACKOFF, "a first one again");
	(void)next(&s, SCHEDULE_DUE);
	T_OK_MSG(schedule_watches_secret(&s), "while it is polled, too");
	(void)answer_with(&s, VERDICT_SCOPE_MISSING, 0, 0);
	T_OK(s.state == INSTANCE_CREDENTIAL && schedule_watches_secret(&s));
	(void)next(&s, SCHEDULE_DUE);
	T_OK(schedule_watches_secret(&s));
	(void)answer_with(&s, VERDICT_OK, 0, 0);
	T_OK(!schedule_watches_secret(&s));
}

static void test_again(void)
{
	struct schedule s = { 0 };

	(void)next(&s, SCHEDULE_DUE);
	(void)next(&s, SCHEDULE_SYNC);
	(void)next(&s, SCHEDULE_SECRET);
	T_EQ_INT_MSG(answer_with(&s, VERDICT_OK, 0, 0), 0, "asked for twice while polling is one poll at once");
	T_OK(s.state == INSTANCE_WAITING && !s.again);
	T_EQ_INT(next(&s, SCHEDULE_DUE), SCHEDULE_POLL);
	T_EQ_INT(answer_with(&s, VERDICT_OK, 0, 0), INTERVAL * SEC);
	/* whatever the answer is */
	(void)next(&s, SCHEDULE_DUE);
	(void)next(&s, SCHEDULE_RESUME);
	T_EQ_INT(answer_with(&s, VERDICT_CREDENTIAL_EXPIRED, 600, 0), 0);
	T_OK(s.state == INSTANCE_CREDENTIAL);
}

static void test_pause(void)
{
	struct schedule s = { 0 };

	/* while polling: the answer counts, and is the last */
	(void)next(&s, SCHEDULE_DUE);
	T_OK_MSG(s.since == 0 && schedule_since(&s) == NOW, "the poll has a beginning of its own");
	T_OK(!schedule_is_paused(&s));
	T_EQ_INT(next(&s, SCHEDULE_PAUSE), SCHEDULE_IDLE);
	T_OK(s.state == INSTANCE_POLLING && schedule_is_paused(&s));
	T_EQ_INT(answer_with(&s, VERDICT_OK, 0, 0), SCHEDULE_IDLE);
	T_OK(s.state == INSTANCE_PAUSED && schedule_since(&s) == NOW && !s.pausing && schedule_is_paused(&s));
	T_EQ_INT(next(&s, SCHEDULE_SYNC), SCHEDULE_IDLE);
	T_EQ_INT(next(&s, SCHEDULE_RESUME), SCHEDULE_POLL);
	/* taken back before the answer came */
	(void)next(&s, SCHEDULE_PAUSE);
	(void)next(&s, SCHEDULE_RESUME);
	T_EQ_INT(answer_with(&s, VERDICT_OK, 0, 0), 0);
	T_OK(s.state == INSTANCE_WAITING);
	/* sync, then pause: the pause wins */
	(void)next(&s, SCHEDULE_DUE);
	(void)next(&s, SCHEDULE_SYNC);
	(void)next(&s, SCHEDULE_PAUSE);
	T_EQ_INT(answer_with(&s, VERDICT_OK, 0, 0), SCHEDULE_IDLE);
	T_OK(!s.again);
	/* it goes on as what it was, however often it was paused */
	s = in_state(INSTANCE_CREDENTIAL);
	(void)next(&s, SCHEDULE_PAUSE);
	(void)next(&s, SCHEDULE_PAUSE);
	T_OK(schedule_shown(&s) == INSTANCE_PAUSED && !schedule_watches_secret(&s));
	(void)next(&s, SCHEDULE_RESUME);
	T_OK(schedule_shown(&s) == INSTANCE_CREDENTIAL);
	T_EQ_INT(answer_with(&s, VERDICT_CREDENTIAL_EXPIRED, 0, 0), 4 * MIN);
}

static void test_names(void)
{
	for (size_t i = 0; i < ELEMENTSOF(states); i++)
		for (size_t k = 0; k < i; k++)
			T_OK(strcmp(instance_state_name(states[i]), instance_state_name(states[k])) != 0);
}

int main(void)
{
	test_events();
	test_verdicts();
	test_verdict_from_state();
	test_doubling();
	test_jitter();
	test_refused_once();
	test_again();
	test_pause();
	test_names();
	return t_done();
}
