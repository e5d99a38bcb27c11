/* What a listing has not: when it is removed, missing, or held, and how each is undone. Everything is tested as it stands,
 * and with a restart before every listing. */
#include "listings.h"

#define HOUR 3600
#define DAY 86400

static char *r1_globs[] = { (char *)(uintptr_t)"P/r1*", NULL };	/* of 1 to 100: 12 */

static void hold_says(const char *part, int line)
{
	_cleanup_free_ char *text = intake_hold(&result, 0, 0);

	t_result(part == NULL ? text == NULL : text != NULL && strstr(text, part) != NULL, __FILE__, line,
		 part != NULL ? part : "not held");
}

#define HOLD_SAYS(part) hold_says(part, __LINE__)

/* More than the limit at once waits, proven or not; up to it is recorded. Then the limit is raised, and the hold ends. */
static void test_limit(void)
{
	static const struct {
		struct removal_limit limit;
		uint32_t known, most;
	} rows[] = {
		{ { 20, true }, 100, 20 }, { { 20, true }, 104, 20 }, { { 20, true }, 105, 21 }, { { 20, true }, 30, 6 },
		{ { 20, true }, 29, 5 },   { { 20, true }, 7, 5 },    { { 0, true }, 100, 5 },	 { { 10, true }, 69, 6 },
		{ { 10, true }, 59, 5 },   { { 0, false }, 100, 0 },  { { 1, false }, 100, 1 },	 { { 7, false }, 100, 7 },
		{ { 50, false }, 120, 50 },
	};

	for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
		for (unsigned k = 0; k < 6; k++) {
			uint32_t known = rows[i].known, gone = rows[i].most + k % 2, proven = k / 2 == 0 ? 0 : k / 2 == 1 ? gone : gone / 2;
			bool held = k % 2 == 1;

			settled(known);
			config.removal_limit = rows[i].limit;
			bin(known - proven + 1, known);
			T_EQ_INT(take_range(1, known - gone), 0);
			T_OK(result.known == known && !result.everything_gone);
			T_EQ_INT(result.removal_limit, rows[i].most);
			T_EQ_INT(result.held_removals, held ? gone : 0);
			T_EQ_INT(removed, held ? 0 : proven);
			T_EQ_INT(missed, held ? 0 : gone - proven);
			T_EQ_INT(counts().held, held ? gone : 0);
			T_EQ_INT_MSG(counts().pending, held ? 0 : gone, "nothing of it is said in Konnect");
			HOLD_SAYS(held ? "removal_limit" : NULL);
			if (!held)
				continue;
			T_EQ_INT(counts().known, known);
			ROW_IS(known, ABSENT_NOT, HELD_REMOVAL, REPO_ACTIVE);
			/* it is held again, from when it was first */
			now += HOUR;
			T_EQ_INT(take_range(1, known - gone), 0);
			T_EQ_INT(result.held_removals, gone);
			{
				struct cache_row r = row_of(known);

				T_OK(r.missing_since == NOW);
				cache_row_done(&r);
			}
			config.removal_limit = (struct removal_limit){ gone, false };
			T_EQ_INT(take_range(1, known - gone), 0);
			HOLD_SAYS(NULL);
			T_OK(removed == proven && missed == gone - proven && counts().held == 0 && counts().pending == gone);
			T_OK(counts().removed == proven && counts().missing == gone - proven);
		}
	}
}

/* A hold ends by itself when fewer are missing. */
static void test_limit_ends(void)
{
	settled(100);
	T_EQ_INT(take_range(1, 79), 0);
	T_EQ_INT(counts().held, 21);
	T_EQ_INT(take_range(1, 80), 0);
	T_OK(result.held_removals == 0 && missed == 20 && came == 0 && counts().held == 0);
	ROW_IS(80, ABSENT_NOT, HELD_NOT, REPO_ACTIVE);
	ROW_IS(81, ABSENT_MISSING, HELD_NOT, REPO_MISSING);
	/* what is missing already is no part of the next limit: 20% of 80 */
	T_EQ_INT(take_range(1, 64), 0);
	T_OK(result.known == 80 && result.removal_limit == 16 && missed == 16);
	T_EQ_INT(take_range(1, 51), 0);
	T_OK(result.known == 64 && result.removal_limit == 12 && result.held_removals == 13 && missed == 0 && counts().missing == 36);
	T_EQ_INT(take_range(1, 100), 0);
	T_OK(came == 36 && counts().held == 0 && counts().missing == 0 && counts().pending == 0);
}

/* New repositories, and changes, go on beside a hold. */
static void test_others_go_on(void)
{
	settled(100);
	bin(51, 75);
	T_EQ_INT(take_with(1, 49, xasprintf("%s,%s", "", "")), -EBADMSG);
	T_EQ_INT(take_with(1, 49, element("P", "renamed", 50, "")), 0);
	T_OK(result.held_removals == 50 && result.changed == 1 && counts().pending == 1);
	T_EQ_INT(take_with(1, 50, element("P", "new", 101, "")), 0);
	T_OK(result.held_removals == 50 && result.added == 1 && counts().creations == 1 && counts().known == 101);
	ROW_IS(101, ABSENT_NOT, HELD_NOT, REPO_ACTIVE);
	ROW_IS(51, ABSENT_NOT, HELD_REMOVAL, REPO_ACTIVE);
	ROW_IS(100, ABSENT_NOT, HELD_REMOVAL, REPO_ACTIVE);
}

/* Removals that are proven add up over a day. */
static void test_drip(void)
{
	settled(100);
	config.removal_limit = (struct removal_limit){ 10, false };
	bin(80, 99);
	T_EQ_INT(take_range(1, 93), 0);
	T_OK(removed == 6 && missed == 1);
	HOLD_SAYS(NULL);
	now = NOW + HOUR;
	T_EQ_INT(take_range(1, 89), 0);
	T_OK(removed == 4 && counts().removed == 10);
	HOLD_SAYS(NULL);
	/* the eleventh waits; what nothing explains is missing all the same */
	now = NOW + 2 * HOUR;
	T_EQ_INT(take_range(2, 88), 0);
	T_OK(result.held_removals == 1 && result.drip && removed == 0 && missed == 1 && counts().held == 1 && counts().removed == 10);
	HOLD_SAYS("within a day");
	ROW_IS(89, ABSENT_NOT, HELD_REMOVAL, REPO_ACTIVE);
	ROW_IS(1, ABSENT_MISSING, HELD_NOT, REPO_MISSING);
	/* more than the limit at once is that, whatever the day was */
	T_EQ_INT(take_range(2, 77), 0);
	T_OK(result.held_removals == 12 && !result.drip && counts().held == 12);
	HOLD_SAYS("are missing from the listing");
	T_EQ_INT(take_range(2, 88), 0);
	T_OK(result.held_removals == 1 && result.drip && counts().held == 1);
	now = NOW + DAY - 1;
	T_EQ_INT(take_range(2, 88), 0);
	T_OK(result.held_removals == 1 && removed == 0);
	now = NOW + DAY;
	T_EQ_INT(take_range(2, 88), 0);
	T_OK(result.held_removals == 0 && removed == 1 && counts().held == 0 && counts().removed == 11);
	HOLD_SAYS(NULL);
	ROW_IS(89, ABSENT_REMOVED, HELD_NOT, REPO_REMOVED);
}

/* What was missing, and is explained later, is part of the day. */
static void test_drip_explained(void)
{
	settled(100);
	config.removal_limit = (struct removal_limit){ 10, false };
	T_EQ_INT(take_range(1, 94), 0);
	T_EQ_INT(missed, 6);
	bin(85, 100);
	T_EQ_INT(take_range(1, 89), 0);
	T_OK_MSG(result.held_removals == 11 && result.drip && removed == 0, "6 explained and 5 new ones");
	HOLD_SAYS("11 repositories");
	ROW_IS(90, ABSENT_NOT, HELD_REMOVAL, REPO_ACTIVE);
	ROW_IS(95, ABSENT_MISSING, HELD_NOT, REPO_MISSING);
	config.removal_limit.value = 11;
	T_EQ_INT(take_range(1, 89), 0);
	T_OK(removed == 11 && counts().missing == 0 && counts().held == 0);
	HOLD_SAYS(NULL);
	/* and when it is nothing but what is explained */
	settled(100);
	config.removal_limit = (struct removal_limit){ 6, false };
	T_EQ_INT(take_range(1, 94), 0);
	T_EQ_INT(take_range(1, 93), 0);
	bin(94, 100);
	T_EQ_INT(take_range(1, 93), 0);
	T_OK(result.held_removals == 7 && removed == 0 && counts().missing == 7);
	HOLD_SAYS("within a day");
}

/* All of them, unless they are a few whose deletion is proven. */
static void test_everything_gone(void)
{
	static const struct {
		uint32_t known, proven;
		bool held;
	} rows[] = {
		{ 1, 0, true }, { 1, 1, false }, { 4, 0, true }, { 4, 3, true }, { 4, 4, false }, { 5, 4, true }, { 5, 5, true }, { 50, 50, true },
	};

	for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
		uint32_t n = rows[i].known;

		settled(n);
		config.removal_limit = (struct removal_limit){ 1000, false };
		bin(1, rows[i].proven);
		T_EQ_INT(TAKE(), 0);
		T_EQ_INT(result.everything_gone, rows[i].held);
		T_OK(result.held_removals == (rows[i].held ? n : 0) && removed == (rows[i].held ? 0 : n) && missed == 0);
		T_OK(counts().held == (rows[i].held ? n : 0) && counts().pending == (rows[i].held ? 0 : n));
		HOLD_SAYS(rows[i].held ? "none of the" : NULL);
		if (!rows[i].held)
			continue;
		/* others in their place change nothing; they go on */
		T_EQ_INT(take_range(n + 1, n + 3), 0);
		T_OK(result.everything_gone && result.added == 3 && counts().held == n && counts().creations == 3);
		/* judged anew: those are known now */
		T_EQ_INT(take_range(n + 1, n + 3), 0);
		T_OK(!result.everything_gone && counts().held == 0 && removed == rows[i].proven && missed == n - rows[i].proven);
	}
	/* in two polls */
	settled(10);
	T_EQ_INT(take_range(1, 5), 0);
	T_EQ_INT(missed, 5);
	T_EQ_INT(TAKE(), 0);
	T_OK(result.everything_gone && result.known == 5 && counts().held == 5 && counts().missing == 5);
	/* what is excluded is not what is left */
	fresh();
	config.exclude = r1_globs;
	T_EQ_INT(take_range(1, 3), 0);
	acknowledge_all();
	T_EQ_INT(TAKE(1), 0);
	T_OK(result.everything_gone && result.known == 2 && counts().held == 2);
	/* the limit is one of its own */
	settled(2);
	config.removal_limit = (struct removal_limit){ 0, false };
	bin(1, 2);
	T_EQ_INT(TAKE(), 0);
	T_OK(!result.everything_gone && result.held_removals == 2);
	HOLD_SAYS("2 of 2");
}

/* A change of filters that would exclude more than the limit. */
static void test_filter(void)
{
	char *includes[] = { (char *)(uintptr_t)"P/r2*", NULL };
	struct cache_row r;

	settled(100);
	config.removal_limit = (struct removal_limit){ 12, false };
	config.exclude = r1_globs;
	T_EQ_INT(take_range(1, 100), 0);
	T_OK(result.held_exclusions == 0 && counts().pending == 12 && counts().known == 88 && counts().held == 0);
	ROW_IS(17, ABSENT_NOT, HELD_NOT, REPO_EXCLUDED);

	settled(100);
	config.removal_limit = (struct removal_limit){ 11, false };
	config.exclude = r1_globs;
	for (int times = 0; times < 2; times++) {
		T_EQ_INT(take_range(1, 100), 0);
		T_OK(result.held_exclusions == 12 && result.held_removals == 0 && counts().held == 12 && counts().pending == 0 &&
		     counts().known == 100);
		HOLD_SAYS("filters exclude 12");
		ROW_IS(17, ABSENT_NOT, HELD_EXCLUSION, REPO_ACTIVE);
		ROW_IS(20, ABSENT_NOT, HELD_NOT, REPO_ACTIVE);
	}
	/* everything else goes on; what Konnect does not have yet is excluded at once, and no part of it */
	T_EQ_INT(take_with(1, 100, element("P", "r150", 150, "")), 0);
	T_OK(result.held_exclusions == 12 && counts().pending == 0 && counts().known == 100);
	ROW_IS(150, ABSENT_NOT, HELD_NOT, REPO_EXCLUDED);
	T_EQ_INT(take_with(1, 100, element("P", "new", 151, "")), 0);
	T_OK(result.held_exclusions == 12 && counts().creations == 1);
	acknowledge_all();
	/* one of them changes while it is held, and waits */
	T_EQ_INT(take_with(1, 99, element("P", "r1-renamed", 100, "")), 0);
	T_OK(result.held_exclusions == 12);
	T_EQ_INT(counts().pending, counts().missing);
	/* the filter is taken back: nothing is held, and the change is made up for */
	config.exclude = none;
	T_EQ_INT(take_with(1, 99, element("P", "r1-renamed", 100, "")), 0);
	T_OK(result.held_exclusions == 0 && counts().held == 0);
	HOLD_SAYS(NULL);
	ROW_IS(17, ABSENT_NOT, HELD_NOT, REPO_ACTIVE);
	r = row_of(100);
	T_OK(memcmp(&r.want, &r.have, DIGEST_LEN) != 0);
	cache_row_done(&r);

	/* or the limit is raised */
	settled(100);
	config.include = includes;
	T_EQ_INT(take_range(1, 100), 0);
	T_OK(result.held_exclusions == 89 && result.removal_limit == 20);
	config.removal_limit = (struct removal_limit){ 89, false };
	T_EQ_INT(take_range(1, 100), 0);
	T_OK(result.held_exclusions == 0 && counts().held == 0 && counts().known == 11 && counts().pending == 89);
	/* disabled ones */
	fresh();
	for (int disabled = 0; disabled < 2; disabled++) {
		config.include_disabled = disabled == 0;
		config.removal_limit = (struct removal_limit){ 0, false };
		T_EQ_INT(take_with(1, 2, element("P", "r3", 3, ",\"isDisabled\":true")), 0);
		if (disabled == 0)
			acknowledge_all();
	}
	T_EQ_INT(result.held_exclusions, 1);
	ROW_IS(3, ABSENT_NOT, HELD_EXCLUSION, REPO_DISABLED);
}

/* Held as excluded, and then not listed: then it is that. */
static void test_filter_and_gone(void)
{
	settled(100);
	config.removal_limit = (struct removal_limit){ 11, false };
	config.exclude = r1_globs;
	T_EQ_INT(take_range(1, 100), 0);
	ROW_IS(100, ABSENT_NOT, HELD_EXCLUSION, REPO_ACTIVE);
	T_EQ_INT(take_range(1, 99), 0);
	ROW_IS(100, ABSENT_MISSING, HELD_NOT, REPO_MISSING);
	T_OK(missed == 1);
	/* of those that would be excluded 11 are left, which is no more than the limit */
	T_EQ_INT(take_range(1, 99), 0);
	T_OK(result.held_exclusions == 0 && counts().held == 0);
	ROW_IS(17, ABSENT_NOT, HELD_NOT, REPO_EXCLUDED);
	T_EQ_INT(take_range(1, 100), 0);
	ROW_IS(100, ABSENT_NOT, HELD_NOT, REPO_EXCLUDED);
}

/* A recycle bin says something only of what is not listed. */
static void test_proof(void)
{
	struct cache_row r;

	settled(10);
	bin(1, 10);
	T_EQ_INT(take_range(1, 10), 0);
	T_OK(asked == 0 && removed == 0 && missed == 0 && counts().pending == 0);
	bin(99, 99);
	T_EQ_INT(take_with(1, 8, element("P", "renamed", 9, "")), 0);
	T_OK(asked == 1 && removed == 1 && missed == 0 && counts().pending == 2);
	ROW_IS(9, ABSENT_NOT, HELD_NOT, REPO_ACTIVE);
	ROW_IS(10, ABSENT_REMOVED, HELD_NOT, REPO_REMOVED);
	T_EQ_INT(take_with(1, 8, element("P", "renamed", 9, "")), 0);
	T_OK_MSG(asked == 0 && removed == 0 && missed == 0, "once is enough");
	/* unexplained first, and explained later */
	n_binned = 0;
	T_EQ_INT(take_range(1, 8), 0);
	T_OK(asked == 1 && missed == 1 && removed == 0);
	ROW_IS(9, ABSENT_MISSING, HELD_NOT, REPO_MISSING);
	acknowledge_all();
	now += HOUR;
	T_EQ_INT(take_range(1, 8), 0);
	T_OK(asked == 1 && missed == 0 && removed == 0 && counts().pending == 0);
	bin(9, 9);
	T_EQ_INT(take_range(1, 8), 0);
	T_OK(missed == 0 && removed == 1 && counts().pending == 1 && counts().missing == 0 && counts().removed == 2);
	r = row_of(9);
	T_OK(r.absent == ABSENT_REMOVED && r.missing_since == NOW && r.removed_at == NOW + HOUR && r.service_id != NULL &&
	     r.mapping_id != NULL);
	cache_row_done(&r);
}

static void test_remove_unexplained(void)
{
	settled(10);
	T_EQ_INT(take_range(1, 9), 0);
	now = NOW + INT64_C(3650) * DAY;
	T_EQ_INT(take_range(1, 9), 0);
	ROW_IS(10, ABSENT_MISSING, HELD_NOT, REPO_MISSING);
	settled(10);
	config.remove_unexplained = 2 * HOUR;
	T_EQ_INT(take_range(1, 9), 0);
	now = NOW + 2 * HOUR - 1;
	T_EQ_INT(take_range(1, 9), 0);
	ROW_IS(10, ABSENT_MISSING, HELD_NOT, REPO_MISSING);
	now++;
	T_EQ_INT(take_range(1, 9), 0);
	T_OK(removed == 1);
	ROW_IS(10, ABSENT_REMOVED, HELD_NOT, REPO_REMOVED);
	/* it begins when it was not listed first, held or not, and never ends within the poll that says "missing" */
	settled(10);
	config.remove_unexplained = HOUR;
	config.removal_limit = (struct removal_limit){ 0, false };
	T_EQ_INT(take_range(1, 9), 0);
	ROW_IS(10, ABSENT_NOT, HELD_REMOVAL, REPO_ACTIVE);
	now += 2 * HOUR;
	T_EQ_INT(take_range(1, 9), 0);
	ROW_IS(10, ABSENT_NOT, HELD_REMOVAL, REPO_ACTIVE);
	config.removal_limit.value = 1;
	T_EQ_INT(take_range(1, 9), 0);
	T_OK(missed == 1 && removed == 0);
	T_EQ_INT(take_range(1, 9), 0);
	T_OK(missed == 0 && removed == 1);
	/* one that came in between begins anew */
	settled(10);
	config.remove_unexplained = 2 * HOUR;
	T_EQ_INT(take_range(1, 9), 0);
	now += HOUR;
	T_EQ_INT(take_range(1, 10), 0);
	T_EQ_INT(take_range(1, 9), 0);
	now += HOUR;
	T_EQ_INT(take_range(1, 9), 0);
	ROW_IS(10, ABSENT_MISSING, HELD_NOT, REPO_MISSING);
	/* too many at once wait like any others */
	settled(100);
	config.remove_unexplained = HOUR;
	T_EQ_INT(take_range(1, 80), 0);
	T_EQ_INT(take_range(1, 64), 0);
	T_EQ_INT(counts().missing, 36);
	now += HOUR;
	T_EQ_INT(take_range(1, 64), 0);
	T_OK(removed == 0 && result.held_removals == 36 && result.drip && counts().missing == 36);
	HOLD_SAYS("36");
}

enum gone { MISSING, PROVEN, AGED, HELD, EXCLUDED, HELD_EXCLUDED, EXCLUDED_MISSING, EXCLUDED_REMOVED, WAYS };

/* Brings repository 10 of 10 (or 1 of them, for excluded ones) there. */
static void go(enum gone way)
{
	static char *ten[] = { (char *)(uintptr_t)"P/r10", NULL };

	switch (way) {
	case MISSING:
		(void)take_range(1, 9);
		ROW_IS(10, ABSENT_MISSING, HELD_NOT, REPO_MISSING);
		return;
	case PROVEN:
		bin(10, 10);
		(void)take_range(1, 9);
		n_binned = 0;
		ROW_IS(10, ABSENT_REMOVED, HELD_NOT, REPO_REMOVED);
		return;
	case AGED:
		config.remove_unexplained = HOUR;
		(void)take_range(1, 9);
		now += HOUR;
		(void)take_range(1, 9);
		ROW_IS(10, ABSENT_REMOVED, HELD_NOT, REPO_REMOVED);
		return;
	case HELD:
		config.removal_limit = (struct removal_limit){ 0, false };
		(void)take_range(1, 9);
		ROW_IS(10, ABSENT_NOT, HELD_REMOVAL, REPO_ACTIVE);
		return;
	case EXCLUDED:
		config.exclude = ten;
		(void)take_range(1, 10);
		ROW_IS(10, ABSENT_NOT, HELD_NOT, REPO_EXCLUDED);
		return;
	case HELD_EXCLUDED:
		config.exclude = ten;
		config.removal_limit = (struct removal_limit){ 0, false };
		(void)take_range(1, 10);
		ROW_IS(10, ABSENT_NOT, HELD_EXCLUSION, REPO_ACTIVE);
		return;
	case EXCLUDED_MISSING:
		go(EXCLUDED);
		(void)take_range(1, 9);
		T_OK(missed == 0 && asked == 0 && result.missing == 0);
		ROW_IS(10, ABSENT_MISSING, HELD_NOT, REPO_EXCLUDED);
		return;
	case EXCLUDED_REMOVED:
		/* the bin is read for its neighbour */
		go(EXCLUDED);
		bin(9, 10);
		(void)take_range(1, 8);
		T_OK(removed == 1 && asked == 1 && result.removed == 1);
		n_binned = 0;
		ROW_IS(10, ABSENT_REMOVED, HELD_NOT, REPO_EXCLUDED);
		ROW_IS(9, ABSENT_REMOVED, HELD_NOT, REPO_REMOVED);
		return;
	case WAYS:
		break;
	}
}

/* From wherever it was, and whether that was said in Konnect yet or not: it is as it was. */
static void test_returned(void)
{
	for (int way = 0; way < WAYS; way++) {
		for (unsigned k = 0; k < 4; k++) {
			bool said = k & 1, changed = k & 2;
			struct cache_row r, before;

			settled(10);
			before = row_of(10);
			go((enum gone)way);
			if (said)
				acknowledge_all();
			config.exclude = none;
			config.removal_limit = (struct removal_limit){ 20, true };
			if (changed)
				T_EQ_INT(take_with(1, 9, element("P", "r10-renamed", 10, "")), 0);
			else
				T_EQ_INT(take_range(1, 10), 0);
			ROW_IS(10, ABSENT_NOT, HELD_NOT, REPO_ACTIVE);
			T_EQ_INT(came, way == MISSING || way == PROVEN || way == AGED ? 1 : way == EXCLUDED_REMOVED ? 1 : 0);
			T_EQ_INT(result.returned, came);
			T_OK(result.held_removals == 0 && result.held_exclusions == 0 && counts().held == 0 && counts().missing == 0 &&
			     counts().removed == 0 && counts().known == 10);
			r = row_of(10);
			T_OK((memcmp(&r.want, &before.want, DIGEST_LEN) != 0) == changed);
			T_OK(memcmp(&r.map_want, &before.map_want, DIGEST_LEN) == 0 && !r.approved);
			T_EQ_STR(r.service_name, before.service_name);
			T_EQ_STR(r.service_id, before.service_id);
			T_EQ_STR(r.repo.name, changed ? "r10-renamed" : "r10");
			cache_row_done(&r);
			cache_row_done(&before);
			/* and it may go again */
			T_EQ_INT(take_range(1, 9), 0);
			T_EQ_INT(missed, 1);
		}
	}
}

/* What is excluded comes and goes without a word. */
static void test_excluded(void)
{
	settled(30);
	config.exclude = r1_globs;
	config.removal_limit = (struct removal_limit){ 11, false };
	T_EQ_INT(take_range(1, 30), 0);
	acknowledge_all();
	T_OK(counts().known == 19 && counts().pending == 0);
	T_EQ_INT(take_range(20, 30), 0);
	T_OK(result.known == 19 && result.missing == 8 && missed == 8 && asked == 1);
	T_EQ_INT_MSG(counts().missing, 8, "2 to 9");
	T_EQ_INT_MSG(counts().pending, 8, "and nothing is said of the others");
	ROW_IS(10, ABSENT_MISSING, HELD_NOT, REPO_EXCLUDED);
	/* proven together with others: no part of the day */
	config.removal_limit.value = 8;
	bin(1, 19);
	T_EQ_INT(take_range(20, 30), 0);
	T_OK(result.removed == 8 && removed == 8 && counts().removed == 8);
	ROW_IS(10, ABSENT_REMOVED, HELD_NOT, REPO_EXCLUDED);
	config.removal_limit.value = 9;
	bin(30, 30);
	T_EQ_INT(take_range(20, 29), 0);
	T_OK(removed == 1 && result.held_removals == 0);
	n_binned = 0;
	T_EQ_INT(take_range(1, 30), 0);
	T_EQ_INT_MSG(came, 9, "those that are not excluded");
	ROW_IS(10, ABSENT_NOT, HELD_NOT, REPO_EXCLUDED);
	/* it vanishes, and its filter is taken back: it is missing as all that is not listed, which nobody has to be told */
	T_EQ_INT(take_range(2, 30), 0);
	config.exclude = none;
	T_EQ_INT(take_range(2, 30), 0);
	T_OK(missed == 0 && counts().held == 0);
	ROW_IS(10, ABSENT_NOT, HELD_NOT, REPO_ACTIVE);
	ROW_IS(1, ABSENT_MISSING, HELD_NOT, REPO_MISSING);
}

/* What was never in Konnect needs no word there. */
static void test_without_service(void)
{
	fresh();
	T_EQ_INT(take_range(1, 10), 0);
	T_EQ_INT(counts().creations, 10);
	bin(10, 10);
	T_EQ_INT(take_range(1, 8), 0);
	T_OK(missed == 1 && removed == 1 && counts().pending == 8 && counts().creations == 8);
	T_EQ_INT(take_range(1, 10), 0);
	T_OK(came == 2 && counts().pending == 10 && counts().creations == 10);
}

/* Not always the same bin is asked for first: the poll may end with it. */
static void test_bins_take_turns(void)
{
	static const char empty[] = "{\"value\":[],\"count\":0}";
	unsigned first[3] = { 0 };
	char *all = xstrdup("{\"value\":["), *more;
	struct intake *i;

	fresh();
	for (unsigned k = 0; k < 3; k++) {
		more = xasprintf("%s%s{\"id\":\"%08x-0000-4000-8000-000000000000\",\"name\":\"r\",\"project\":{\"id\":"
				 "\"0000000%u-0000-4000-9000-000000000000\",\"name\":\"P%u\"}}", all, k > 0 ? "," : "", k + 1, k, k);
		free(all);
		all = more;
	}
	more = xasprintf("%s],\"count\":3}", all);
	T_EQ_INT(take(more, 4096, NULL), 0);
	free(more);
	free(all);
	for (; now < NOW + 60; now++) {
		i = intake_new(cache, &config, &instance, on_event, NULL);
		while (intake_load_step(i) > 0)
			;
		T_OK(intake_feed(i, empty, strlen(empty)) == 0 && intake_finish(i) == 0);
		while (intake_apply_step(i, now) != INTAKE_BINS)
			;
		first[intake_next_project(i)[7] - '0']++;
		T_OK(intake_next_project(i) != NULL && intake_next_project(i) != NULL && intake_next_project(i) == NULL);
		intake_free(i);
	}
	T_OK(first[0] > 0 && first[1] > 0 && first[2] > 0);
}

/* Cut off while it was recorded: the next one goes on, and nothing is lost or held for it. */
static void test_broken_off(void)
{
	_cleanup_free_ char *text = listing_of((const uint32_t[]){ 1, 0 });
	struct intake *i;

	settled(1501);
	config.removal_limit = (struct removal_limit){ 1500, false };
	i = intake_new(cache, &config, &instance, on_event, NULL);
	while (intake_load_step(i) > 0)
		;
	T_OK(intake_feed(i, text, strlen(text)) == 0 && intake_finish(i) == 0);
	bin(2, 1000);
	while (counts().missing + counts().removed == 0)
		if (intake_apply_step(i, now) == INTAKE_BINS)
			T_EQ_INT(prove_all(i), 0);
	T_EQ_INT(counts().missing + counts().removed, CACHE_STEP_ROWS);
	intake_free(i);
	T_EQ_INT(take(text, 100, NULL), 0);
	T_OK(result.held_removals == 0 && counts().removed == 999 && counts().missing == 501 && counts().pending == 1500);
}

int main(void)
{
	if (!begin())
		return 1;
	for (int with = 0; with < 2; with++) {
		restarts = with != 0;
		test_limit();
		test_limit_ends();
		test_others_go_on();
		test_drip();
		test_drip_explained();
		test_everything_gone();
		test_filter();
		test_filter_and_gone();
		test_proof();
		test_remove_unexplained();
		test_returned();
		test_excluded();
		test_without_service();
		test_bins_take_turns();
		test_broken_off();
	}
	return end();
}
