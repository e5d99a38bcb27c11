/* What waits for approval, its hash, and what an approval lets through: that, once, over restarts. */
#include "approve.h"
#include "listings.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

static char *r1_globs[] = { (char *)(uintptr_t)"P/r1*", NULL };
static bool creations_held;

struct shown {
	uint32_t n, removals, exclusions, creations;
	uint8_t last[16];
	bool sorted;
};

static void on_action(void *arg, const struct cache_row *row, const char *action, const char *why)
{
	struct shown *s = arg;

	s->sorted = (s->n == 0 || memcmp(s->last, row->repo.guid, 16) < 0) && (s->n == 0 || s->sorted);
	memcpy(s->last, row->repo.guid, 16);
	s->n++;
	s->removals += strcmp(action, "remove") == 0;
	s->exclusions += strcmp(action, "exclude") == 0;
	s->creations += strcmp(action, "create") == 0;
	T_OK(why != NULL && *why != '\0');
}

/* What is shown, and its hash. */
static struct shown plan(char hash[APPROVE_HASH_LEN + 1])
{
	struct shown s = { .sorted = true };
	char again[APPROVE_HASH_LEN + 1];
	uint32_t n = 99;

	T_EQ_INT(approve_plan(cache, &config, &instance, creations_held, on_action, &s, hash, &n), 0);
	T_OK(n == s.n && s.sorted && s.removals + s.exclusions + s.creations == n);
	T_OK(strlen(hash) == (n > 0 ? APPROVE_HASH_LEN : 0) && strspn(hash, "0123456789abcdef") == strlen(hash));
	T_EQ_INT(approve_plan(cache, &config, &instance, creations_held, NULL, NULL, again, &n), 0);
	T_EQ_STR(again, hash);
	if (restarts) {
		reopen();
		T_EQ_INT(approve_plan(cache, &config, &instance, creations_held, NULL, NULL, again, &n), 0);
		T_EQ_STR(again, hash);
	}
	return s;
}

static int approve(const char *hash, uint32_t *ret_n)
{
	int r = approve_apply(cache, &config, &instance, creations_held, hash, now, ret_n);

	if (restarts)
		reopen();
	return r;
}

/* Approves whatever waits; how many. */
static uint32_t approve_all(void)
{
	char hash[APPROVE_HASH_LEN + 1];
	uint32_t n = 0;

	(void)plan(hash);
	T_EQ_INT(approve(hash, &n), 0);
	return n;
}

/* A row that waits with that GUID. */
static void add(uint32_t id, enum row_absent absent, enum row_held held, bool service)
{
	struct cache_row r = { .instance = instance.id, .absent = absent, .held = held,
			       .state = absent == ABSENT_MISSING ? REPO_MISSING : REPO_ACTIVE };

	r.repo.name = xasprintf("r%u", id);
	r.repo.project_id = xstrdup("p");
	r.repo.project_name = xstrdup("P");
	guid_of(id, r.repo.guid);
	memcpy(r.raw.b, r.repo.guid, 16);
	memset(r.want.b, 7, sizeof(r.want.b));
	if (service) {
		r.service_id = xasprintf("s-%u", id);
		r.have = r.want;
	}
	T_EQ_INT(cache_row_save(cache, &r), 0);
	cache_row_done(&r);
}

/* The hash is of the set of GUIDs and what is to be done with each, and of nothing else. */
static void test_hash(void)
{
	static const uint32_t orders[][4] = { { 1, 2, 3, 4 }, { 4, 3, 2, 1 }, { 3, 1, 4, 2 } };
	char first[APPROVE_HASH_LEN + 1], seen[32][APPROVE_HASH_LEN + 1];
	size_t n = 0;

	fresh();
	T_OK(plan(first).n == 0);
	T_EQ_STR(first, "");
	for (size_t i = 0; i < ELEMENTSOF(orders); i++) {
		char hash[APPROVE_HASH_LEN + 1];

		fresh();
		for (size_t k = 0; k < 4; k++)
			add(orders[i][k], ABSENT_NOT, HELD_REMOVAL, true);
		T_EQ_INT(plan(hash).removals, 4);
		if (i == 0)
			memcpy(first, hash, sizeof(first));
		T_EQ_STR(hash, first);
	}
	/* rows that do not wait are no part of it; nor is why one waits, when the same is to be done */
	fresh();
	creations_held = true;
	add(9, ABSENT_NOT, HELD_NOT, true);
	add(8, ABSENT_REMOVED, HELD_NOT, true);
	for (uint32_t k = 1; k <= 4; k++)
		add(k, k % 2 == 0 ? ABSENT_MISSING : ABSENT_NOT, k % 2 == 0 ? HELD_NOT : HELD_REMOVAL, true);
	T_EQ_INT(plan(seen[0]).n, 4);
	T_EQ_STR(seen[0], first);
	/* each other set of up to four, in which each is one of three actions, has a hash of its own */
	n = 0;
	for (unsigned set = 1; set < 27; set++) {
		unsigned rest = set, actions = 0;

		fresh();
		for (uint32_t k = 1; k <= 3; k++, rest /= 3) {
			if (rest % 3 == 0)
				continue;
			actions++;
			add(k, ABSENT_NOT, rest % 3 == 1 ? HELD_REMOVAL : HELD_EXCLUSION, true);
		}
		T_EQ_INT(plan(seen[n]).n, actions);
		for (size_t k = 0; k < n; k++)
			T_OK_MSG(strcmp(seen[k], seen[n]) != 0, "another set, another hash");
		n++;
	}
	fresh();
	add(1, ABSENT_NOT, HELD_NOT, false);
	T_EQ_INT(plan(seen[n]).creations, 1);
	for (size_t k = 0; k < n; k++)
		T_OK(strcmp(seen[k], seen[n]) != 0);
	creations_held = false;
	T_EQ_INT_MSG(plan(first).n, 0, "creations that are not held do not wait");
	T_EQ_STR(first, "");
}

/* Anything but the hash of what waits now changes nothing. */
static void test_wrong_hash(void)
{
	char hash[APPROVE_HASH_LEN + 1], old[APPROVE_HASH_LEN + 1];
	const char *wrong[] = { "", "0", "000000000000", "zzzzzzzzzzzz", NULL, NULL, NULL };
	_cleanup_free_ char *upper = NULL, *longer = NULL;
	uint32_t n;

	settled(100);
	T_EQ_INT(take_range(1, 70), 0);
	(void)plan(old);
	T_EQ_INT(take_range(1, 69), 0);
	T_EQ_INT(plan(hash).removals, 31);
	T_OK(strcmp(old, hash) != 0);
	upper = xstrdup(hash);
	upper[strcspn(upper, "abcdef")] ^= 0x20;
	longer = xasprintf("%s0", hash);
	wrong[4] = old;
	wrong[5] = longer;
	wrong[6] = strcmp(upper, hash) != 0 ? upper : "x";
	for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
		T_EQ_INT(approve(wrong[i], &n), -ESTALE);
		T_OK(counts().held == 31 && counts().pending == 0 && counts().removed == 0);
	}
	T_EQ_INT(approve(hash, &n), 0);
	T_EQ_INT(n, 31);
	T_OK(counts().held == 0 && counts().removed == 31 && counts().pending == 31 && counts().known == 69);
	T_EQ_INT_MSG(approve(hash, &n), -ESTALE, "once");
	T_EQ_INT_MSG(approve("", &n), -ESTALE, "nothing waits");
	T_EQ_INT(n, 0);
}

static void test_removals(void)
{
	char hash[APPROVE_HASH_LEN + 1];
	struct shown s;

	settled(100);
	T_EQ_INT(take_range(1, 98), 0);
	acknowledge_all();
	T_EQ_INT(take_range(1, 70), 0);
	s = plan(hash);
	T_OK_MSG(s.n == 30 && s.removals == 30, "28 that are held, and the 2 that nothing explains");
	T_EQ_INT(approve_all(), 30);
	ROW_IS(71, ABSENT_REMOVED, HELD_NOT, REPO_REMOVED);
	ROW_IS(100, ABSENT_REMOVED, HELD_NOT, REPO_REMOVED);
	T_EQ_INT(counts().pending, 30);
	/* it lasts until it is done, and after */
	for (int pushed = 0; pushed < 2; pushed++) {
		now += 60;
		T_EQ_INT(take_range(1, 70), 0);
		T_OK(result.known == 70 && result.held_removals == 0 && missed == 0 && removed == 0);
		T_EQ_INT(counts().pending, pushed ? 0 : 30);
		ROW_IS(71, ABSENT_REMOVED, HELD_NOT, REPO_REMOVED);
		T_EQ_INT(plan(hash).n, 0);
		acknowledge_all();
	}
	/* approved ones are no part of the day */
	bin(57, 70);
	T_EQ_INT(take_range(1, 56), 0);
	T_OK(removed == 14 && result.held_removals == 0);
	/* and they are used up: what returns and goes again needs another */
	n_binned = 0;
	T_EQ_INT(take_range(1, 100), 0);
	T_OK(came == 44 && counts().known == 100);
	acknowledge_all();
	T_EQ_INT(take_range(1, 70), 0);
	T_OK(result.held_removals == 30 && counts().held == 30 && counts().removed == 0 && counts().pending == 0);
	T_EQ_INT(plan(hash).removals, 30);
	ROW_IS(71, ABSENT_NOT, HELD_REMOVAL, REPO_ACTIVE);
	T_EQ_INT(take_range(1, 90), 0);
	bin(89, 90);
	T_EQ_INT(take_range(1, 88), 0);
	T_OK(removed == 2 && counts().missing == 10);
	/* a proven removal of one that was approved before is part of the day again */
	config.removal_limit = (struct removal_limit){ 2, false };
	bin(88, 88);
	T_EQ_INT(take_range(1, 87), 0);
	T_OK(result.drip && result.held_removals == 1);
}

/* What is held for the day is approved like the rest. */
static void test_drip(void)
{
	char hash[APPROVE_HASH_LEN + 1];

	settled(100);
	config.removal_limit = (struct removal_limit){ 3, false };
	bin(90, 100);
	T_EQ_INT(take_range(1, 97), 0);
	T_EQ_INT(removed, 3);
	T_EQ_INT(take_range(1, 95), 0);
	T_OK(result.drip && result.held_removals == 2);
	T_EQ_INT(plan(hash).removals, 2);
	T_EQ_INT(approve_all(), 2);
	acknowledge_all();
	T_EQ_INT(take_range(1, 95), 0);
	T_OK(result.held_removals == 0 && counts().removed == 5);
	/* the day is full with those that were not approved */
	T_EQ_INT(take_range(1, 94), 0);
	T_OK(result.drip && result.held_removals == 1);
	now += 86400;
	T_EQ_INT(take_range(1, 92), 0);
	T_OK(removed == 3 && result.held_removals == 0);
}

static void test_exclusions(void)
{
	char hash[APPROVE_HASH_LEN + 1], again[APPROVE_HASH_LEN + 1];
	struct shown s;

	settled(100);
	config.removal_limit = (struct removal_limit){ 5, false };
	config.exclude = r1_globs;
	T_EQ_INT(take_range(1, 100), 0);
	s = plan(hash);
	T_OK(s.n == 12 && s.exclusions == 12);
	T_EQ_INT(approve_all(), 12);
	ROW_IS(17, ABSENT_NOT, HELD_NOT, REPO_EXCLUDED);
	T_OK(counts().known == 88 && counts().held == 0 && counts().pending == 12);
	for (int pushed = 0; pushed < 2; pushed++) {
		T_EQ_INT(take_range(1, 100), 0);
		T_OK(result.held_exclusions == 0 && counts().known == 88);
		T_EQ_INT(counts().pending, pushed ? 0 : 12);
		acknowledge_all();
	}
	/* back, and excluded again: another approval, of the same */
	config.exclude = none;
	T_EQ_INT(take_range(1, 100), 0);
	T_OK(counts().known == 100 && counts().pending == 12);
	acknowledge_all();
	config.exclude = r1_globs;
	T_EQ_INT(take_range(1, 100), 0);
	T_OK(result.held_exclusions == 12 && counts().pending == 0);
	T_EQ_INT(plan(again).exclusions, 12);
	T_EQ_STR(again, hash);
	/* approved, and the filter is taken back before the next listing */
	T_EQ_INT(approve_all(), 12);
	config.exclude = none;
	T_EQ_INT(take_range(1, 100), 0);
	T_OK(counts().known == 100 && counts().pending == 0);
	config.exclude = r1_globs;
	T_EQ_INT(take_range(1, 100), 0);
	T_EQ_INT(result.held_exclusions, 12);
}

/* Let through, whatever create_limit says, until each is there. */
static void test_creations(void)
{
	char hash[APPROVE_HASH_LEN + 1];
	struct cache_row r = { 0 };
	struct shown s;

	settled(10);
	creations_held = true;
	T_EQ_INT(take_range(1, 20), 0);
	T_EQ_INT(cache_pending_next(cache, instance.id, 0, false, &r), -ENOENT);
	s = plan(hash);
	T_OK(s.n == 10 && s.creations == 10);
	T_EQ_INT(approve_all(), 10);
	T_OK(counts().creations == 0 && counts().pending == 10);
	T_EQ_INT(cache_pending_next(cache, instance.id, 0, false, &r), 0);
	cache_row_done(&r);
	T_EQ_INT(plan(hash).n, 0);
	/* exactly those: more of them wait */
	T_EQ_INT(take_range(1, 22), 0);
	T_OK(counts().creations == 2 && counts().pending == 12);
	T_EQ_INT(plan(hash).creations, 2);
	acknowledge_all();
	/* used up: a service that is gone from Konnect would be made anew */
	r = row_of(15);
	T_OK(!r.approved);
	free(r.service_id);
	r.service_id = NULL;
	r.have = (struct digest){ 0 };
	T_EQ_INT(cache_row_save(cache, &r), 0);
	cache_row_done(&r);
	T_EQ_INT(plan(hash).creations, 1);
	/* an approved creation that goes before it is done, and returns, is approved still; an approved removal is no approval
	 * to create */
	fresh();
	T_EQ_INT(take_range(1, 9), 0);
	T_EQ_INT(approve_all(), 9);
	T_EQ_INT(take_range(1, 8), 0);
	T_EQ_INT(take_range(1, 9), 0);
	T_OK(came == 1 && counts().creations == 0 && counts().pending == 9);
	T_EQ_INT(take_range(1, 8), 0);
	T_EQ_INT(plan(hash).removals, 1);
	T_EQ_INT(approve_all(), 1);
	ROW_IS(9, ABSENT_REMOVED, HELD_NOT, REPO_REMOVED);
	T_EQ_INT(take_range(1, 9), 0);
	T_OK(counts().creations == 1 && counts().pending == 9);
	T_EQ_INT(plan(hash).creations, 1);
	creations_held = false;
}

/* More than are put in order in one turn, in any order. */
static void test_many(void)
{
	static const uint32_t sizes[] = { 4096, 8192, 9001 };
	char hash[APPROVE_HASH_LEN + 1];
	int e = 0;

	creations_held = true;
	for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
		fresh();
		for (uint32_t n = 1; n <= sizes[i]; n++) {
			struct cache_row r = { .instance = instance.id, .state = REPO_ACTIVE };

			/* prime to all of the sizes and larger: each once */
			guid_of(n * 7919 % 20021, r.repo.guid);
			r.repo.name = r.repo.project_id = r.repo.project_name = (char *)(uintptr_t)"p";
			memcpy(r.raw.b, r.repo.guid, 16);
			r.want = r.raw;
			if (e == 0)
				e = cache_row_save(cache, &r);
		}
		T_OK(e == 0 && cache_flush(cache) == 0);
		T_EQ_INT(plan(hash).creations, sizes[i]);
	}
	creations_held = false;
}

/* All kinds in one plan. */
static void test_together(void)
{
	char hash[APPROVE_HASH_LEN + 1];
	struct shown s;
	uint32_t n;

	settled(100);
	config.removal_limit = (struct removal_limit){ 2, false };
	config.exclude = r1_globs;
	creations_held = true;
	T_EQ_INT(take_range(1, 90), 0);
	/* 1, 10 to 19; 91 to 100, of which one would have been excluded as well; */
	T_EQ_INT(take_range(1, 90), 0);
	T_EQ_INT(take_with(1, 90, element("P", "x", 101, "")), 0);
	s = plan(hash);
	T_OK(s.removals == 10 && s.exclusions == 11 && s.creations == 1);
	T_EQ_INT(approve(hash, &n), 0);
	T_EQ_INT(n, 22);
	T_OK(counts().removed == 10 && counts().known == 80 && counts().held == 0 && counts().creations == 0 && counts().pending == 22);
	creations_held = false;
}

/* An approval while a listing is on its way is not undone by it. */
static void test_amid_a_poll(void)
{
	for (int finished = 0; finished < 2; finished++) {
		_cleanup_free_ char *text = listing_of((const uint32_t[]){ 1, 2, 3, 0 });
		struct intake *i;
		bool kept = restarts;

		settled(10);
		restarts = false;
		T_EQ_INT(take(text, 100, NULL), 0);
		T_EQ_INT(counts().held, 7);
		i = intake_new(cache, &config, &instance, on_event, NULL);
		while (intake_load_step(i) > 0)
			;
		T_EQ_INT(intake_feed(i, text, strlen(text)), 0);
		if (finished)
			T_EQ_INT(intake_finish(i), 0);
		T_EQ_INT(approve_all(), 7);
		if (!finished)
			T_EQ_INT(intake_finish(i), 0);
		for (int r = 1; r > 0;) {
			r = intake_apply_step(i, now + 5);
			if (r == INTAKE_BINS)
				T_EQ_INT(prove_all(i), 0);
		}
		intake_free(i);
		T_OK(counts().removed == 7 && counts().held == 0 && counts().missing == 0);
		ROW_IS(4, ABSENT_REMOVED, HELD_NOT, REPO_REMOVED);
		T_EQ_INT(take(text, 100, NULL), 0);
		T_OK(result.held_removals == 0 && counts().removed == 7);
		restarts = kept;
	}
}

#define MANY 1200	/* several batches */

static uint32_t approved(void)
{
	struct cache_row row = { 0 };
	uint32_t n = 0;

	for (int64_t id = 0; cache_row_next(cache, instance.id, id, &row) == 0; cache_row_done(&row)) {
		id = row.id;
		n += row.approved;
	}
	return n;
}

static rlim_t size_of_wal(void)
{
	_cleanup_free_ char *path = xasprintf("%s/cache.db-wal", directory);
	struct stat st;

	return stat(path, &st) == 0 ? (rlim_t)st.st_size : 0;
}

/* A disk that is full in the middle of it stands for whatever ends it there: nothing is approved, or all. */
static void test_whole(void)
{
	unsigned none_of_it = 0, all_of_it = 0;

	(void)signal(SIGXFSZ, SIG_IGN);
	for (rlim_t room = 0; room < 1024 * 1024; room += 64 * 1024) {
		char hash[APPROVE_HASH_LEN + 1], after[APPROVE_HASH_LEN + 1];
		struct rlimit old, tight;
		uint32_t n = 0;
		int e;

		fresh();
		for (uint32_t id = 1; id <= MANY; id++)
			add(id, ABSENT_NOT, HELD_REMOVAL, true);
		T_EQ_INT(cache_flush(cache), 0);
		/* so that the log is empty, and grows */
		reopen();
		T_EQ_INT(plan(hash).n, MANY);
		(void)fflush(stdout);
		(void)getrlimit(RLIMIT_FSIZE, &old);
		tight = (struct rlimit){ .rlim_cur = size_of_wal() + room, .rlim_max = old.rlim_max };
		(void)setrlimit(RLIMIT_FSIZE, &tight);
		e = approve_apply(cache, &config, &instance, creations_held, hash, now, &n);
		(void)setrlimit(RLIMIT_FSIZE, &old);
		T_EQ_INT_MSG(cache_flush(cache), 0, "it is told once");
		reopen();
		none_of_it += e < 0;
		all_of_it += e == 0;
		T_EQ_INT(approved(), e == 0 ? MANY : 0);
		(void)plan(after);
		T_EQ_STR(after, e == 0 ? "" : hash);
	}
	T_OK_MSG(none_of_it > 2 && all_of_it > 0, "there was room for none, for some and for all");
}

int main(void)
{
	if (!begin())
		return 1;
	for (int with = 0; with < 2; with++) {
		restarts = with != 0;
		test_hash();
		test_wrong_hash();
		test_removals();
		test_drip();
		test_exclusions();
		test_creations();
	test_many();
		test_together();
		test_amid_a_poll();
	}
	restarts = false;
	test_whole();
	return end();
}
