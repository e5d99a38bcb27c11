#include "expiry.h"
#include "t.h"

#define DAY INT64_C(86400)
#define DATE (20000 * DAY)

/* Looks every hour from so many days before to so many after; notes the days that were left at each warning. */
static size_t look(struct expiry *e, int64_t date, int64_t from, int64_t to, int64_t lefts[16])
{
	size_t n = 0;
	int64_t left;

	for (int64_t now = date - from * DAY; now <= date + to * DAY; now += 3600)
		if (expiry_due(e, date, now, &left) && n < 16)
			lefts[n++] = left;
	return n;
}

static void test_steps(void)
{
	struct expiry e = { 0 };
	int64_t lefts[16];
	size_t n = look(&e, DATE, 60, 30, lefts);

	T_EQ_INT(n, 5);
	T_EQ_INT(lefts[0], 30);
	T_EQ_INT(lefts[1], 14);
	T_EQ_INT(lefts[2], 7);
	T_EQ_INT(lefts[3], 3);
	T_EQ_INT(lefts[4], 1);
	T_EQ_INT_MSG(look(&e, DATE, 60, 30, lefts), 0, "once each, even if the clock is set back");
	n = look(&e, DATE + 365 * DAY, 60, 30, lefts);
	T_EQ_INT_MSG(n, 5, "another date begins anew");
	n = look(&e, DATE, 10, 30, lefts);
	T_OK_MSG(n == 4 && lefts[0] == 10, "an earlier one, too");
}

static void test_edges(void)
{
	struct expiry e = { 0 };
	int64_t left = -5;

	T_OK(!expiry_due(&e, 0, 1, &left));
	T_OK(!expiry_due(&e, DATE, DATE - 30 * DAY - 1, &left));
	T_OK_MSG(left == -5, "untouched");
	T_OK(expiry_due(&e, DATE, DATE - 30 * DAY, &left));
	T_EQ_INT(left, 30);
	/* nobody looked for weeks: one warning, of where it stands */
	T_OK(expiry_due(&e, DATE, DATE - 2 * DAY - 5, &left));
	T_EQ_INT(left, 3);
	T_OK(!expiry_due(&e, DATE, DATE - 2 * DAY, &left));
	e = (struct expiry){ 0 };
	T_OK_MSG(expiry_due(&e, DATE, DATE + 5, &left), "on the day itself");
	T_EQ_INT(left, 0);
	T_OK(!expiry_due(&e, DATE, DATE + 6, &left));
	e = (struct expiry){ 0 };
	T_OK_MSG(!expiry_due(&e, DATE, DATE + DAY, &left), "a day later the server says it");
	/* what is kept is enough to go on from */
	e = (struct expiry){ .date = DATE, .days = 7 };
	T_OK(!expiry_due(&e, DATE, DATE - 6 * DAY, &left));
	T_OK(expiry_due(&e, DATE, DATE - 3 * DAY, &left));
	T_EQ_INT(e.days, 3);
}

int main(void)
{
	test_steps();
	test_edges();
	return t_done();
}
