#include <stdlib.h>

#include "known.h"
#include "t.h"
#include "util.h"

static const uint8_t key[DIGEST_KEY_LEN] = { 3 };

static struct digest of(uint32_t n)
{
	return digest_bytes(key, &n, sizeof(n));
}

static void test_empty(void)
{
	struct known *k = known_new(0);
	struct known_entry e;
	struct digest d = of(1);
	size_t cursor = 0;

	T_EQ_INT(known_mark(k, &d), KNOWN_ABSENT);
	T_OK(!known_next(k, &cursor, &e));
	T_NULL(known_free(k));
	T_NULL(known_free(NULL));
}

static void test_marks(void)
{
	struct known *k = known_new(3);
	struct digest a = of(1), b = of(2), c = of(3), d = of(4);
	struct known_entry e;
	size_t cursor = 0, n = 0;

	known_add(k, &a, 1, false, ABSENT_NOT, true);
	known_add(k, &b, (INT64_C(1) << 57) - 1, true, ABSENT_REMOVED, false);
	known_add(k, &c, 77, false, ABSENT_MISSING, false);
	T_EQ_INT(known_mark(k, &a), KNOWN_SEEN);
	T_EQ_INT(known_mark(k, &a), KNOWN_SEEN_AGAIN);
	T_EQ_INT(known_mark(k, &a), KNOWN_SEEN_AGAIN);
	T_EQ_INT(known_mark(k, &d), KNOWN_ABSENT);
	T_EQ_INT_MSG(known_mark(k, &d), KNOWN_ABSENT, "asking adds nothing");
	known_prove(k, &c);
	known_prove(k, &d);
	while (known_next(k, &cursor, &e)) {
		n++;
		T_OK(e.id == 1 ? e.seen && !e.excluded && e.absent == ABSENT_NOT && e.held && !e.proven
			       : e.id == 77 ? !e.seen && !e.excluded && e.absent == ABSENT_MISSING && !e.held && e.proven
					    : e.id == (INT64_C(1) << 57) - 1 && !e.seen && e.excluded && e.absent == ABSENT_REMOVED &&
						      !e.held && !e.proven);
	}
	T_EQ_INT(n, 3);
	T_OK(!known_next(k, &cursor, &e));
	known_free(k);
}

/* A table that is full: all are found, none is invented, each comes once. */
static void test_full(void)
{
	enum { N = 50000 };
	struct known *k = known_new(N);
	uint8_t *times = xcalloc(N + 1, 1);
	bool found = true, invented = false, once = true, flags = true;
	struct known_entry e;
	size_t cursor = 0;

	for (uint32_t i = 1; i <= N; i++) {
		struct digest d = of(i);

		known_add(k, &d, i, i % 3 == 0, (enum row_absent)(i % 5 % 3), i % 7 == 0);
		if (i % 11 == 0)
			known_prove(k, &d);
	}
	for (uint32_t i = 1; i <= N; i += 2) {
		struct digest d = of(i), other = of(i + 10 * N);

		found = found && known_mark(k, &d) == KNOWN_SEEN;
		invented = invented || known_mark(k, &other) != KNOWN_ABSENT;
	}
	while (known_next(k, &cursor, &e)) {
		times[e.id]++;
		flags = flags && e.seen == (e.id % 2 == 1) && e.excluded == (e.id % 3 == 0) && (int)e.absent == e.id % 5 % 3 &&
			e.held == (e.id % 7 == 0) && e.proven == (e.id % 11 == 0);
	}
	for (uint32_t i = 1; i <= N; i++)
		once = once && times[i] == 1;
	T_OK(found);
	T_OK(!invented);
	T_OK(once);
	T_OK(flags);
	free(times);
	known_free(k);
}

/* Runs that go over the end of the table go on at its beginning. */
static void test_wrap(void)
{
	struct known *k = known_new(4);
	struct digest d[4];

	for (uint8_t i = 0; i < 4; i++) {
		memset(d[i].b, 0xff, DIGEST_LEN);
		d[i].b[15] = i;
		known_add(k, &d[i], i + 1, false, ABSENT_NOT, false);
	}
	for (int i = 0; i < 4; i++)
		T_EQ_INT(known_mark(k, &d[i]), KNOWN_SEEN);
	known_free(k);
}

int main(void)
{
	test_empty();
	test_marks();
	test_full();
	test_wrap();
	return t_done();
}
