#include <malloc.h>
#include <signal.h>
#include <sys/resource.h>

#include "listings.h"

/* Everything that a listing may have changed, as one digest. */
static struct digest fingerprint(void)
{
	struct digest d = { 0 };
	struct cache_row r;

	for (int64_t id = 0; cache_row_next(cache, instance.id, id, &r) == 0; cache_row_done(&r)) {
		_cleanup_free_ char *text = xasprintf("%s|%s|%s|%lld|%lld|%d|%d|%d|%s", r.repo.name, r.repo.project_name, r.service_name,
						      (long long)r.missing_since, (long long)r.removed_at, (int)r.state,
						      (int)r.absent, (int)r.held, r.parked != NULL ? r.parked : "");
		char *all = xcalloc(strlen(text) + 3 * DIGEST_LEN, 1);

		memcpy(all, &d, DIGEST_LEN);
		memcpy(all + DIGEST_LEN, &r.raw, DIGEST_LEN);
		memcpy(all + 2 * DIGEST_LEN, text, strlen(text));
		d = digest_bytes(cache_key(cache), all, strlen(text) + 2 * DIGEST_LEN);
		free(all);
		id = r.id;
	}
	return d;
}

static bool same(const struct digest *a, const struct digest *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static void test_complete(void)
{
	_cleanup_free_ char *text = NULL;
	struct cache_row r;

	fresh();
	T_EQ_INT(TAKE(1, 2, 3), 0);
	T_OK(result.listed == 3 && result.known == 0 && result.added == 3 && result.changed == 0 && result.missing == 0);
	T_OK(result.held_removals == 0 && result.removed == 0 && !result.everything_gone && missed + removed + came == 0);
	T_OK(counts().known == 3 && counts().creations == 3);
	acknowledge_all();
	T_EQ_INT(counts().pending, 0);
	T_EQ_INT(TAKE(3, 1, 2), 0);
	T_OK_MSG(result.known == 3 && result.added == 0 && result.changed == 0 && counts().pending == 0, "in another order");
	/* byte by byte, with spaces in between: elements that look new, and mean the same */
	text = xasprintf("\xef\xbb\xbf{ \"count\" : 3 ,\n\"value\" : [ {\"name\": \"r1\",\"id\":\"00000001-0000-4000-8000-000000000000\","
			 "\"project\":{\"name\":\"P\",\"id\":\"00000001-0000-4000-9000-000000000000\"},\"size\":99,"
			 "\"defaultBranch\":\"refs/heads/main\"} , ");
	{
		_cleanup_free_ char *two = element("P", "r2", 2, ""), *three = element("P", "login", 3, "");
		_cleanup_free_ char *all = xasprintf("%s%s,%s]}", text, two, three);

		T_EQ_INT(take(all, 1, NULL), 0);
	}
	T_OK(result.listed == 3 && result.added == 0 && result.changed == 2);
	T_EQ_INT_MSG(counts().pending, 1, "what has changed in Konnect's terms");
	r = row_of(3);
	T_EQ_STR(r.repo.name, "login");
	T_EQ_STR(r.service_name, "a.p.r3");
	cache_row_done(&r);
}

/* Each way a listing can fail leaves every row as it was, and the next good one is as if it had not been. */
static void test_incomplete(void)
{
	static const struct {
		const char *text;
		const char *error;	/* part of it */
	} rows[] = {
		{ "", "" },
		{ " ", "" },
		{ "null", "" },
		{ "[]", "" },
		{ "{}", "" },
		{ "<html>", "" },
		{ "{\"count\":0}", "" },
		{ "{\"value\":{},\"count\":0}", "" },
		{ "{\"value\":null,\"count\":0}", "" },
		{ "{\"value\":[],\"count\":1}", "count" },
		{ "{\"value\":[1],\"count\":1}", "" },
		{ "{\"value\":[{}],\"count\":1}", "id" },
		{ "{\"value\":[],\"count\":0", "" },
		{ "{\"value\":[],\"count\":0}{", "" },
		{ "{\"value\":[],\"value\":[],\"count\":0}", "" },
		/* E1 is known as it is, E2 is a known one that has changed, E9 is new */
		{ "{\"value\":[E1,E2,E9],\"count\":2}", "count" },
		{ "{\"value\":[E1,E2,E9]}", "count" },
		{ "{\"value\":[E1,E2,E9],\"count\":3", "" },
		{ "{\"value\":[E1,E2,E9", "" },
		{ "{\"value\":[E1,E2,E9],\"count\":\"3\"}", "" },
		{ "{\"value\":[E1,E1],\"count\":2}", "twice" },
		{ "{\"value\":[E9,E9],\"count\":2}", "twice" },
		{ "{\"value\":[E2,E2],\"count\":2}", "twice" },
		{ "{\"value\":[K2,E2],\"count\":2}", "twice" },
		{ "{\"value\":[E2,K2],\"count\":2}", "twice" },
		{ "{\"value\":[E9,F9],\"count\":2}", "twice" },
		{ "{\"value\":[E9,E1,{\"id\":\"00000007-0000-4000-8000-000000000000\"}],\"count\":3}", "name" },
		{ "{\"value\":[E9,E1,{\"id\":\"x\",\"name\":\"n\"}],\"count\":3}", "id" },
		{ "{\"value\":[E9,E1,{\"id\":\"00000007-0000-4000-8000-000000000000\",\"name\":\"n\"}],\"count\":3}", "project" },
		{ "{\"value\":[E9,E1,{\"id\":\"00000007-0000-4000-8000-000000000000\",\"name\":\"n\\ud800\"}],\"count\":3}", "" },
		{ "{\"value\":[E9,E1,],\"count\":2}", "" },
	};
	struct digest before, after;

	fresh();
	(void)take_range(1, 5);
	acknowledge_all();
	before = fingerprint();
	for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
		_cleanup_free_ char *text = xstrdup(rows[i].text);
		char *error = NULL, *p, *one, *more;

		while ((p = strpbrk(text, "EKF")) != NULL) {
			one = p[1] == '1' ? element("P", "r1", 1, "") : p[1] == '9' ? element("P", *p == 'F' ? "f" : "new", 9, "")
			      : *p == 'K' ? element("P", "r2", 2, "") : element("Q", "moved", 2, "");
			*p = '\0';
			for (char *c = one; *c != '\0'; c++)
				if (strchr("EKF", *c) != NULL)
					T_OK_MSG(false, "an element has a letter that stands for one");
			more = xasprintf("%s%s%s", text, one, p + 2);
			free(one);
			free(text);
			text = more;
		}
		for (size_t piece = 1; piece < 20000; piece = piece == 1 ? 7 : piece * 400) {
			T_EQ_INT_MSG(take(text, piece, &error), -EBADMSG, rows[i].text);
			T_OK_MSG(error != NULL && strstr(error, rows[i].error) != NULL, error != NULL ? error : "no error");
			free(error);
			after = fingerprint();
			T_OK(same(&before, &after) && missed + removed + came == 0);
		}
	}
	T_EQ_INT(counts().pending, 0);
	T_EQ_INT_MSG(take_range(1, 5), 0, "what was staged is forgotten");
	T_OK(result.added == 0 && result.changed == 0 && result.missing == 0);
	after = fingerprint();
	T_OK(same(&before, &after));
}

static void test_missing(void)
{
	struct cache_row r;

	fresh();
	(void)take_range(1, 10);
	acknowledge_all();
	T_EQ_INT(take_range(1, 8), 0);
	T_OK(result.missing == 2 && result.removal_limit == 5 && result.held_removals == 0 && missed == 2 && removed + came == 0);
	T_EQ_INT_MSG(asked, 1, "the recycle bin of their project, once");
	r = row_of(9);
	T_OK(r.missing_since == NOW && r.absent == ABSENT_MISSING && r.state == REPO_MISSING && r.removed_at == 0);
	T_OK_MSG(r.service_id != NULL && r.mapping_id != NULL && memcmp(&r.map_want, &r.map_have, DIGEST_LEN) == 0, "kept");
	cache_row_done(&r);
	T_OK_MSG(counts().known == 8 && counts().missing == 2 && counts().pending == 2, "its service is to say so");
	/* once is enough */
	T_EQ_INT(take_range(1, 8), 0);
	T_OK(result.known == 8 && result.missing == 0 && missed + removed == 0);
	/* one returns as it was, one renamed */
	{
		_cleanup_free_ char *list = listing_of((const uint32_t[]){ 1, 2, 3, 4, 5, 6, 7, 8, 9, 0 }), *end = strstr(list, "],\"count\"");
		_cleanup_free_ char *ten = element("P", "ten", 10, ""), *all = NULL;

		*end = '\0';
		all = xasprintf("%s,%s],\"count\":10}", list, ten);
		end = NULL;
		T_EQ_INT(take(all, 100, NULL), 0);
	}
	T_OK(result.returned == 2 && result.added == 0 && result.changed == 1 && came == 2 && missed + removed == 0);
	r = row_of(9);
	T_OK(r.missing_since == 0 && r.absent == ABSENT_NOT && r.state == REPO_ACTIVE && memcmp(&r.want, &r.have, sizeof(r.want)) == 0);
	cache_row_done(&r);
	r = row_of(10);
	T_OK(r.missing_since == 0 && r.absent == ABSENT_NOT && memcmp(&r.want, &r.have, sizeof(r.want)) != 0);
	T_EQ_STR(r.repo.name, "ten");
	T_EQ_STR(r.service_name, "a.p.r10");
	cache_row_done(&r);
	T_OK(counts().missing == 0 && counts().known == 10 && counts().pending == 1);
}

/* A listing of the first n of 100, under that limit. */
static void limit_of(struct removal_limit limit, uint32_t left, bool held, uint32_t allowed, int line)
{
	fresh();
	(void)take_range(1, 100);
	acknowledge_all();
	config.removal_limit = limit;
	t_eq_int(left == 0 ? TAKE() : take_range(1, left), 0, __FILE__, line, "taken");
	t_eq_int(result.held_removals, held ? 100 - left : 0, __FILE__, line, "held");
	t_eq_int(result.missing, held ? 0 : 100 - left, __FILE__, line, "missing");
	t_eq_int(result.removal_limit, allowed, __FILE__, line, "limit");
	t_eq_int(counts().missing, held ? 0 : 100 - left, __FILE__, line, "recorded");
	t_eq_int(counts().held, held ? 100 - left : 0, __FILE__, line, "in the cache");
	t_eq_int(counts().pending, held ? 0 : 100 - left, __FILE__, line, "to be said in Konnect");
	t_eq_int(missed, held ? 0 : 100 - left, __FILE__, line, "events");
}

#define LIMIT(value, percent, left, held, allowed) limit_of((struct removal_limit){ value, percent }, left, held, allowed, __LINE__)

static void test_limit(void)
{
	LIMIT(20, true, 80, false, 20);
	LIMIT(20, true, 79, true, 20);
	LIMIT(1, true, 95, false, 5);
	LIMIT(1, true, 94, true, 5);
	LIMIT(7, false, 93, false, 7);
	LIMIT(7, false, 92, true, 7);
	LIMIT(0, false, 100, false, 0);
	LIMIT(0, false, 99, true, 0);
	LIMIT(100, true, 1, false, 100);
	LIMIT(100, true, 0, true, 100);
	T_OK(result.everything_gone);
	LIMIT(1000, false, 0, true, 1000);
	T_OK(result.everything_gone);
}

/* All of a few is everything, too; of nothing it is not. */
static void test_everything_gone(void)
{
	char *text;

	fresh();
	T_EQ_INT(TAKE(), 0);
	T_OK(result.held_removals == 0 && !result.everything_gone);
	(void)TAKE(1, 2);
	T_EQ_INT(TAKE(), 0);
	T_OK(result.held_removals == 2 && result.everything_gone && result.missing == 0 && counts().missing == 0);
	text = intake_hold(&result, 0, 0);
	T_OK(text != NULL && strstr(text, "none of the 2") != NULL);
	free(text);
	/* others in their place do not hide it, and go on */
	T_EQ_INT(TAKE(3, 4, 5), 0);
	T_OK(result.held_removals == 2 && result.everything_gone && result.added == 3 && counts().missing == 0 && counts().known == 5);
	/* judged anew at every poll */
	T_EQ_INT(TAKE(1, 3, 4, 5), 0);
	T_OK(result.held_removals == 0 && result.missing == 1 && counts().missing == 1 && counts().held == 0);
}

static void test_hold_texts(void)
{
	struct intake_result r = { .known = 50, .removal_limit = 10, .held_removals = 20 };
	char *text = intake_hold(&r, 0, 500);

	T_OK(text != NULL && strstr(text, "20 of 50") != NULL && strstr(text, "removal_limit (10)") != NULL);
	free(text);
	r.drip = true;
	text = intake_hold(&r, 0, 500);
	T_OK(text != NULL && strstr(text, "20 repositories") != NULL && strstr(text, "within a day") != NULL);
	free(text);
	r.held_removals = 0;
	r.drip = false;
	r.held_exclusions = 11;
	text = intake_hold(&r, 0, 500);
	T_OK(text != NULL && strstr(text, "filters exclude 11") != NULL && strstr(text, "removal_limit (10)") != NULL);
	T_OK_MSG(text != NULL && strstr(text, "PAT") == NULL && strstr(text, "exclude and include_disabled") != NULL, "the PAT is not at fault");
	free(text);
	r.held_exclusions = 0;
	T_NULL(intake_hold(&r, 500, 500));
	T_NULL(intake_hold(&r, 1000000, 0));
	text = intake_hold(&r, 501, 500);
	T_OK(text != NULL && strstr(text, "501") != NULL && strstr(text, "create_limit (500)") != NULL);
	free(text);
}

/* What a filter excludes is neither pending nor missing, and comes back as it was. */
static void test_excluded(void)
{
	char *exclude[] = { (char *)(uintptr_t)"P/r1*", NULL };
	struct cache_row r;

	fresh();
	config.exclude = exclude;
	T_EQ_INT(take_range(1, 12), 0);
	T_OK(result.added == 12 && counts().known == 8 && counts().pending == 8);
	r = row_of(10);
	T_OK(r.state == REPO_EXCLUDED && r.service_name == NULL);
	cache_row_done(&r);
	acknowledge_all();
	/* excluded ones that go are nobody's business, and no part of the limit */
	T_EQ_INT(take_range(2, 9), 0);
	T_OK(result.known == 8 && result.missing == 0 && result.held_removals == 0 && missed + removed == 0);
	T_EQ_INT_MSG(asked, 0, "nor of a recycle bin");
	T_EQ_INT(counts().missing, 0);
	T_EQ_INT(take_range(1, 12), 0);
	T_OK(came == 0 && counts().known == 8 && counts().missing == 0);
	/* the filter goes: everything is considered again without a changed byte */
	config.exclude = none;
	T_EQ_INT(take_range(1, 12), 0);
	T_OK(result.changed == 0 && counts().known == 12);
	r = row_of(10);
	T_OK(r.state == REPO_ACTIVE && r.service_name != NULL);
	cache_row_done(&r);
	/* and comes: what Konnect has stays */
	acknowledge_all();
	config.exclude = exclude;
	T_EQ_INT(take_range(1, 12), 0);
	T_OK(counts().known == 8 && missed + removed == 0);
	T_EQ_INT_MSG(counts().pending, 4, "but says that it is excluded");
	r = row_of(10);
	T_OK(r.state == REPO_EXCLUDED && r.service_id != NULL && r.missing_since == 0);
	cache_row_done(&r);
}

static void test_config_change(void)
{
	struct label label = { (char *)(uintptr_t)"team", (char *)(uintptr_t)"red" };
	struct digest before;

	fresh();
	(void)take_range(1, 1200);
	acknowledge_all();
	(void)take_range(1, 1200);
	before = instance.config;
	T_EQ_INT(counts().pending, 0);
	config.labels = &label;
	config.n_labels = 1;
	T_EQ_INT(take_range(1, 1200), 0);
	T_EQ_INT(counts().pending, 1200);
	T_OK(!same(&before, &instance.config));
	/* back again before anything was sent: nothing is to be done */
	config.n_labels = 0;
	T_EQ_INT(take_range(1, 1200), 0);
	T_EQ_INT(counts().pending, 0);
	T_OK(same(&before, &instance.config));
	/* an incomplete listing considers nothing */
	config.n_labels = 1;
	T_EQ_INT(take("{\"value\":[", 100, NULL), -EBADMSG);
	T_EQ_INT(counts().pending, 0);
	T_OK(same(&before, &instance.config));
}

/* Two repositories whose names give the same service name; what Konnect has is fixed for life. */
static void test_names(void)
{
	struct cache_row r;
	char *one, *two, *three, *all;

	fresh();
	one = element("P", "User API", 1, "");
	two = element("P", "user-api", 2, "");
	three = element("P", "user_api", 3, "");
	all = xasprintf("{\"value\":[%s,%s,%s],\"count\":3}", one, two, three);
	T_EQ_INT(take(all, 1000, NULL), 0);
	r = row_of(1);
	T_EQ_STR(r.service_name, "a.p.user-api");
	cache_row_done(&r);
	r = row_of(2);
	T_EQ_STR(r.service_name, "a.p.user-api.00000002");
	cache_row_done(&r);
	r = row_of(3);
	T_EQ_STR(r.service_name, "a.p.user-api.00000003");
	cache_row_done(&r);
	acknowledge_all();
	free(all);
	/* the first gives its name up; nobody moves */
	free(one);
	one = element("P", "other", 1, "");
	all = xasprintf("{\"value\":[%s,%s,%s],\"count\":3}", one, two, three);
	T_EQ_INT(take(all, 1000, NULL), 0);
	r = row_of(1);
	T_EQ_STR(r.service_name, "a.p.user-api");
	cache_row_done(&r);
	r = row_of(2);
	T_EQ_STR(r.service_name, "a.p.user-api.00000002");
	cache_row_done(&r);
	T_EQ_INT(counts().pending, 1);
	free(all);
	free(one);
	free(two);
	free(three);
}

/* Both names are another row's: parked with the reason, and tried again when it has another name. */
static void test_no_name_left(void)
{
	struct cache_row r = { .instance = instance.id };
	char *one, *all;

	fresh();
	for (uint32_t i = 0; i < 2; i++) {
		r = (struct cache_row){ .instance = instance.id, .repo = { .name = xstrdup("x"), .project_id = xstrdup("p"),
					.project_name = xstrdup("P") }, .missing_since = 1, .absent = ABSENT_MISSING, .state = REPO_MISSING,
					.service_name = xstrdup(i == 0 ? "a.p.login" : "a.p.login.00000001") };
		r.repo.guid[0] = (uint8_t)(0xf0 + i);
		r.raw.b[0] = (uint8_t)i;
		T_EQ_INT(cache_row_save(cache, &r), 0);
		cache_row_done(&r);
	}
	one = element("P", "Login", 1, "");
	all = xasprintf("{\"value\":[%s],\"count\":1}", one);
	T_EQ_INT(take(all, 1000, NULL), 0);
	r = row_of(1);
	T_OK(r.service_name == NULL && r.parked != NULL && strstr(r.parked, "a.p.login.00000001") != NULL);
	cache_row_done(&r);
	T_OK(counts().parked == 1 && counts().pending == 0);
	free(one);
	free(all);
	one = element("P", "Sign-in", 1, "");
	all = xasprintf("{\"value\":[%s],\"count\":1}", one);
	T_EQ_INT(take(all, 1000, NULL), 0);
	r = row_of(1);
	T_EQ_STR(r.service_name, "a.p.sign-in");
	T_NULL(r.parked);
	cache_row_done(&r);
	T_OK(counts().parked == 0 && counts().pending == 1);
	free(one);
	free(all);
}

/* A parked document is tried again when it is another one, and only then. */
static void test_parked(void)
{
	struct cache_row r;
	char *one, *all;

	fresh();
	(void)TAKE(1, 2);
	acknowledge_all();
	r = row_of(1);
	r.have = (struct digest){ 0 };
	r.parked = xstrdup("refused");
	T_EQ_INT(cache_row_save(cache, &r), 0);
	cache_row_done(&r);
	(void)TAKE(1, 2);
	T_EQ_INT(counts().parked, 1);
	one = element("P", "r1", 1, ",\"size\":12345");
	all = xasprintf("{\"value\":[%s],\"count\":1}", one);
	T_EQ_INT(take(all, 1000, NULL), 0);
	T_EQ_INT_MSG(counts().parked, 1, "other bytes, the same document");
	free(one);
	free(all);
	one = element("P", "r1", 1, ",\"isFork\":true");
	all = xasprintf("{\"value\":[%s],\"count\":1}", one);
	T_EQ_INT(take(all, 1000, NULL), 0);
	T_OK(counts().parked == 0 && counts().missing == 1 && counts().pending == 2);
	free(one);
	free(all);
}

/* Cut off while it was applied: the next one ends what was begun, and nothing is counted twice. */
static void test_broken_off(void)
{
	_cleanup_free_ char *text = NULL;
	uint32_t *ids = xcalloc(2001, sizeof(*ids));
	struct intake *i;

	fresh();
	(void)take_range(1, 100);
	acknowledge_all();
	for (uint32_t k = 0; k < 2000; k++)
		ids[k] = k + 1;
	text = listing_of(ids);
	i = intake_new(cache, &config, &instance, on_event, NULL);
	while (intake_load_step(i) > 0)
		;
	T_EQ_INT(intake_feed(i, text, strlen(text)), 0);
	T_EQ_INT(intake_finish(i), 0);
	T_EQ_INT(intake_apply_step(i, now), 1);
	T_OK(counts().known > 100 && counts().known < 2000);
	intake_free(i);
	T_EQ_INT(take(text, 65536, NULL), 0);
	T_OK(counts().known == 2000 && counts().creations == 1900 && counts().missing == 0 && result.missing == 0);
	free(ids);
}

/* Resident memory in KiB, or 0 where it means nothing. */
static long memory(void)
{
	long pages = 0;
#ifndef __SANITIZE_ADDRESS__
#ifdef __has_feature
#if __has_feature(address_sanitizer)
	return 0;
#endif
#endif
	FILE *f = fopen("/proc/self/statm", "r");

	(void)malloc_trim(0);
	if (f == NULL || fscanf(f, "%*d %ld", &pages) != 1)
		pages = 0;
	if (f != NULL)
		(void)fclose(f);
#endif
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* 100,000 elements: first new, then known, in bounded memory and bounded steps. */
static void many(uint32_t n, bool new)
{
	struct intake *i = intake_new(cache, &config, &instance, on_event, NULL);
	long before = memory(), most = 0, used;
	char end[64];

	while (intake_load_step(i) > 0)
		;
	T_EQ_INT(intake_feed(i, "{\"value\":[", 10), 0);
	for (uint32_t k = 1; k <= n; k++) {
		_cleanup_free_ char *r = xasprintf("repo-%u", k), *one = element("P", r, k, "");

		if ((k > 1 && intake_feed(i, ",", 1) < 0) || intake_feed(i, one, strlen(one)) < 0) {
			T_OK_MSG(false, "fed");
			break;
		}
		if (k % 10000 == 0 && (used = memory()) > most)
			most = used;
	}
	(void)snprintf(end, sizeof(end), "],\"count\":%u}", n);
	T_EQ_INT(intake_feed(i, end, strlen(end)), 0);
	T_EQ_INT(intake_finish(i), 0);
	while (intake_apply_step(i, now) > 0)
		;
	used = memory();
	most = used > most ? used : most;
	T_EQ_INT(intake_result(i)->added, new ? n : 0);
	T_EQ_INT(intake_result(i)->known, new ? 0 : n);
	T_EQ_INT(intake_result(i)->missing, 0);
	T_OK_MSG(most - before < 16 * 1024, "less than 16 MiB more");
	if (most - before >= 16 * 1024)
		printf("# %ld KiB\n", most - before);
	intake_free(i);
}

static void test_many(void)
{
	fresh();
	many(100000, true);
	many(100000, false);
	T_EQ_INT(counts().known, 100000);
}

/* Its rows share a transaction with others, who may be the ones to find that the disk is full. */
static void test_lost_by_others(void)
{
	_cleanup_free_ char *text = NULL;
	struct rlimit old, tight;
	struct intake *i;

	fresh();
	(void)take_range(1, 300);
	text = listing_of((const uint32_t[]){ 1, 2, 3, 0 });
	config.removal_limit = (struct removal_limit){ 300, false };
	i = intake_new(cache, &config, &instance, on_event, NULL);
	while (intake_load_step(i) > 0)
		;
	T_OK(intake_feed(i, text, strlen(text)) == 0 && intake_finish(i) == 0);
	while (counts().missing == 0)
		if (intake_apply_step(i, now) == INTAKE_BINS)
			while (intake_next_project(i) != NULL)
				;
	(void)signal(SIGXFSZ, SIG_IGN);
	(void)getrlimit(RLIMIT_FSIZE, &old);
	tight = (struct rlimit){ .rlim_cur = 4096, .rlim_max = old.rlim_max };
	(void)fflush(stdout);
	(void)setrlimit(RLIMIT_FSIZE, &tight);
	T_EQ_INT(cache_flush(cache), -EIO);
	(void)fflush(stdout);
	(void)setrlimit(RLIMIT_FSIZE, &old);
	T_EQ_INT(counts().missing, 0);
	T_EQ_INT_MSG(intake_apply_step(i, now), -EIO, "it does not go on from what is lost");
	intake_free(i);
	T_EQ_INT(take(text, 100, NULL), 0);
	T_EQ_INT(counts().missing, 297);
}

/* With any argument: without what takes long. */
int main(int argc, char **argv)
{
	(void)argv;
	if (!begin())
		return 1;
	test_complete();
	test_incomplete();
	test_missing();
	test_limit();
	test_everything_gone();
	test_hold_texts();
	test_excluded();
	test_config_change();
	test_names();
	test_no_name_left();
	test_parked();
	test_broken_off();
	test_lost_by_others();
	if (argc == 1)
		test_many();
	return end();
}
