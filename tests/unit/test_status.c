#include "../../lib/status.h"
#include "t.h"
#include "util.h"

#define NOW 1000000
#define DAY 86400

static void test_fresh(void)
{
	T_OK(status_is_fresh(NOW - 300, 1, 100, NOW));
	T_OK(!status_is_fresh(NOW - 301, NOW, 100, NOW));
	/* never read: as long as the daemon runs */
	T_OK(status_is_fresh(0, NOW - 300, 100, NOW));
	T_OK(!status_is_fresh(0, NOW - 301, 100, NOW));
	T_OK(status_is_fresh(NOW + 1000, 1, 100, NOW));
}

static void test_count(void)
{
	static const struct {
		const char *method;
		int status;
		enum status_method m;
		enum status_class c;
	} cases[] = {
		{ "GET", 200, METHOD_GET, CLASS_2XX },	 { "POST", 201, METHOD_POST, CLASS_2XX },
		{ "PATCH", 302, METHOD_PATCH, CLASS_3XX }, { "DELETE", 404, METHOD_DELETE, CLASS_4XX },
		{ "POST", 429, METHOD_POST, CLASS_THROTTLED }, { "POST", 500, METHOD_POST, CLASS_5XX },
		{ "POST", 0, METHOD_POST, CLASS_NONE },	 { "POST", 100, METHOD_POST, CLASS_NONE },
	};
	struct status_requests r = { 0 };
	uint64_t sum = 0;

	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		uint64_t before = r.n[cases[i].m][cases[i].c];

		status_count(&r, cases[i].method, cases[i].status);
		T_EQ_INT_MSG(r.n[cases[i].m][cases[i].c], before + 1, cases[i].method);
	}
	status_count(&r, "BREW", 418);
	for (size_t m = 0; m < METHOD_KINDS; m++)
		for (size_t c = 0; c < CLASS_KINDS; c++)
			sum += r.n[m][c];
	T_EQ_INT(sum, ELEMENTSOF(cases));
}

static void test_days(void)
{
	T_EQ_INT(status_days_left(NOW, NOW), 0);
	T_EQ_INT(status_days_left(NOW + DAY - 1, NOW), 0);
	T_EQ_INT(status_days_left(NOW + DAY, NOW), 1);
	T_EQ_INT(status_days_left(NOW - 1, NOW), -1);
	T_EQ_INT(status_days_left(NOW - DAY - 1, NOW), -2);
}

static void test_attention(void)
{
	struct status_instance i = { .state = INSTANCE_WAITING, .fresh = true };

	T_OK(!status_needs_somebody(&i, NOW));
	i.state = INSTANCE_BACKOFF;
	T_OK(!status_needs_somebody(&i, NOW));
	i.state = INSTANCE_CREDENTIAL;
	T_OK(status_needs_somebody(&i, NOW));
	i.state = INSTANCE_BLOCKED;
	T_OK(status_needs_somebody(&i, NOW));
	i.state = INSTANCE_WAITING;
	i.held = 1;
	T_OK(status_needs_somebody(&i, NOW));
	i.held = 0;
	i.refused = "no";
	T_OK(status_needs_somebody(&i, NOW));
	i.refused = NULL;
	i.fresh = false;
	T_OK(status_needs_somebody(&i, NOW));
	i.fresh = true;
	i.pat_expires = NOW + 14 * DAY;
	T_OK(!status_needs_somebody(&i, NOW));
	i.pat_expires--;
	T_OK(status_needs_somebody(&i, NOW));
}

int main(void)
{
	test_fresh();
	test_count();
	test_days();
	test_attention();
	return t_done();
}
