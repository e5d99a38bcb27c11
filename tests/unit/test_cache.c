#include "cache.h"

#include <errno.h>
#include <sys/wait.h>

#include "cache_internal.h"
#include "caches.h"
#include "limits.h"

static void test_instance(void)
{
	struct cache_instance i;
	struct expiry e = { 0 };
	struct cache *c;
	char *name;

	fresh();
	c = open_cache();
	T_EQ_INT(cache_instance_load(c, "a", &i), 0);
	T_OK(i.id > 0 && i.konnect_id == NULL && i.ack == NULL && i.last_poll == 0 && i.next_poll == 0 && i.state == 0);
	i.konnect_id = xstrdup("k-1");
	i.ack = xstrdup("{}");
	i.resource_type = xstrdup("repository");
	i.resource_keys = xstrdup("[]");
	i.config = digest_of(c, 1);
	i.secret = digest_of(c, 2);
	i.last_poll = 3;
	i.last_complete = 4;
	i.next_poll = 5;
	i.state = 6;
	i.state_since = 7;
	i.attempts = UINT32_MAX;
	i.verdict = 9;
	i.expiry = (struct expiry){ 10, INT64_MAX };
	i.reminded = 12;
	i.asked = i.unconfigured = true;
	T_EQ_INT(cache_instance_save(c, &i), 0);
	cache_instance_done(&i);
	T_OK(cache_instance_load(c, "b", &i) == 0 && i.konnect_id == NULL);
	cache_instance_done(&i);
	T_OK(cache_instance_next(c, "", &name) == 0);
	T_EQ_STR(name, "a");
	free(name);
	T_OK(cache_instance_next(c, "a", &name) == 0);
	T_EQ_STR(name, "b");
	free(name);
	T_EQ_INT(cache_instance_next(c, "b", &name), -ENOENT);
	T_EQ_INT(cache_token_expiry_load(c, &e), 0);
	T_OK(e.date == 0);
	e = (struct expiry){ 86400, 7 };
	T_EQ_INT(cache_token_expiry_save(c, &e), 0);
	cache_close(c);
	c = open_cache();
	T_EQ_INT(cache_instance_load(c, "a", &i), 0);
	T_EQ_STR(i.konnect_id, "k-1");
	T_OK(i.asked && i.unconfigured && !i.discovers && !i.takes_config);
	T_EQ_STR(i.ack, "{}");
	T_EQ_STR(i.resource_type, "repository");
	T_EQ_STR(i.resource_keys, "[]");
	T_OK(i.last_poll == 3 && i.last_complete == 4 && i.next_poll == 5 && i.state == 6 && i.state_since == 7);
	T_OK(i.attempts == UINT32_MAX && i.verdict == 9 && i.reminded == 12);
	T_OK(i.expiry.date == 10 && i.expiry.days == INT64_MAX);
	T_OK(memcmp(&i.config, &(struct digest){ 0 }, DIGEST_LEN) != 0 && memcmp(&i.config, &i.secret, DIGEST_LEN) != 0);
	cache_instance_done(&i);
	T_OK(cache_token_expiry_load(c, &e) == 0 && e.date == 86400 && e.days == 7);
	T_NULL(cache_close(c));
	T_NULL(cache_close(NULL));
}

static void test_rows(void)
{
	struct cache *c;
	struct cache_row r, got;
	int64_t a, b, id;

	fresh();
	c = open_cache();
	a = instance_id(c, "a");
	b = instance_id(c, "b");
	r = row_of(c, a, 30);
	r.have = digest_of(c, 7);
	r.state = REPO_DISABLED;
	r.missing_since = 99;
	r.service_id = xstrdup("s");
	r.mapping_id = xstrdup("m");
	r.ack = xstrdup("{\"a\":1}");
	r.parked = xstrdup("why");
	T_EQ_INT(cache_row_save(c, &r), 0);
	T_OK(r.id > 0);
	T_EQ_INT(cache_row_by_guid(c, a, r.repo.guid, &got), 0);
	T_OK(got.id == r.id && got.instance == a && got.state == REPO_DISABLED && got.missing_since == 99);
	T_EQ_STR(got.repo.name, "repo-30");
	T_EQ_STR(got.repo.project_name, "P");
	T_EQ_STR(got.repo.description, "D");
	T_EQ_STR(got.repo.web_url, "https://x");
	T_OK(got.repo.fork && got.repo.maintenance && got.repo.disabled);
	T_EQ_STR(got.service_name, r.service_name);
	T_EQ_STR(got.service_id, "s");
	T_EQ_STR(got.mapping_id, "m");
	T_EQ_STR(got.ack, "{\"a\":1}");
	T_EQ_STR(got.parked, "why");
	T_OK(memcmp(&got.raw, &r.raw, DIGEST_LEN) == 0 && memcmp(&got.want, &r.want, DIGEST_LEN) == 0 &&
	     memcmp(&got.have, &r.have, DIGEST_LEN) == 0);
	cache_row_done(&got);
	T_EQ_INT_MSG(cache_row_by_guid(c, b, r.repo.guid, &got), -ENOENT, "another instance's");
	/* what is unknown stays unknown */
	free(r.parked);
	free(r.mapping_id);
	free(r.repo.description);
	r.parked = r.mapping_id = r.repo.description = NULL;
	r.have = (struct digest){ 0 };
	T_EQ_INT(cache_row_save(c, &r), 0);
	T_EQ_INT(cache_row_by_id(c, r.id, &got), 0);
	T_OK(got.parked == NULL && got.mapping_id == NULL && got.repo.description == NULL);
	T_OK(memcmp(&got.have, &(struct digest){ 0 }, DIGEST_LEN) == 0);
	cache_row_done(&got);
	T_EQ_INT(cache_row_by_id(c, r.id + 1, &got), -ENOENT);
	/* one GUID, one row; one service name, one row of all instances */
	id = r.id;
	r.id = 0;
	T_EQ_INT_MSG(cache_row_save(c, &r), -EEXIST, "the GUID is there");
	r.instance = b;
	T_EQ_INT_MSG(cache_row_save(c, &r), -EEXIST, "the name is another instance's");
	T_OK(cache_service_name_taken(c, r.service_name, 0) && cache_service_name_taken(c, r.service_name, id + 1));
	T_OK(!cache_service_name_taken(c, r.service_name, id) && !cache_service_name_taken(c, "free", 0));
	T_EQ_INT_MSG(cache_flush(c), 0, "a constraint is no lost write");
	/* what its absence means */
	r.id = id;
	r.instance = a;
	r.missing_since = 0;
	r.absent = ABSENT_REMOVED;
	r.held = HELD_EXCLUSION;
	r.removed_at = 7;
	T_EQ_INT(cache_row_save(c, &r), 0);
	T_EQ_INT(cache_row_by_id(c, id, &got), 0);
	T_OK(got.missing_since == 0 && got.absent == ABSENT_REMOVED && got.held == HELD_EXCLUSION && got.removed_at == 7);
	T_OK(got.service_id != NULL);
	cache_row_done(&got);
	cache_row_done(&r);
	cache_close(c);
}

/* Which rows are pending, in every combination of what makes one. */
/* A repository's own service is found by its name, any other by its id; and so are mappings. */
static void test_found_by_service(void)
{
	struct cache *c;
	struct cache_row own, shared, got;
	int64_t a, b;

	fresh();
	c = open_cache();
	a = instance_id(c, "a");
	b = instance_id(c, "b");
	own = row_of(c, a, 1);
	own.service_id = xstrdup("s-own");
	own.mapping_id = xstrdup("m-own");
	shared = row_of(c, a, 2);
	shared.kind = ROW_PROJECT;
	shared.service_id = xstrdup("s-shared");
	T_EQ_INT(cache_row_save(c, &own), 0);
	T_EQ_INT(cache_row_save(c, &shared), 0);
	T_EQ_INT(cache_row_by_service(c, a, "s-own", own.service_name, &got), 0);
	T_EQ_INT(got.id, own.id);
	cache_row_done(&got);
	T_EQ_INT(cache_row_by_service(c, a, "s-own", "another", &got), -ENOENT);
	T_EQ_INT(cache_row_by_service(c, a, "s-other", own.service_name, &got), -ENOENT);
	T_EQ_INT(cache_row_by_service(c, b, "s-own", own.service_name, &got), -ENOENT);
	T_EQ_INT(cache_row_by_service(c, a, "s-shared", "another", &got), 0);
	T_EQ_INT(got.id, shared.id);
	cache_row_done(&got);
	T_OK(cache_has_mapping(c, a, "m-own", own.service_name));
	T_OK(!cache_has_mapping(c, a, "m-own", "another") && !cache_has_mapping(c, a, "m-other", own.service_name));
	T_OK(!cache_has_mapping(c, b, "m-own", own.service_name));
	/* on its way to another, or at another */
	own.map_want = digest_of(c, 7);
	T_EQ_INT(cache_row_save(c, &own), 0);
	T_OK(cache_has_mapping(c, a, "m-own", "another"));
	own.map_have = own.map_want;
	own.target = shared.id;
	T_EQ_INT(cache_row_save(c, &own), 0);
	T_OK(cache_has_mapping(c, a, "m-own", "another"));
	cache_row_done(&own);
	cache_row_done(&shared);
	cache_close(c);
}

/* What one has read stays as it is while the count does. */
static void test_edits(void)
{
	struct cache *c;
	struct cache_row r;
	uint64_t before;
	int64_t a;

	fresh();
	c = open_cache();
	a = instance_id(c, "a");
	r = row_of(c, a, 1);
	before = cache_edits(c);
	T_EQ_INT(cache_row_save(c, &r), 0);
	T_OK_MSG(cache_edits(c) != before, "a row that is new");
	before = cache_edits(c);
	T_EQ_INT(cache_row_save_answer(c, &r), 0);
	T_EQ_INT(cache_stage_add(c, a, 1, &r.repo, &r.raw), 0);
	T_EQ_INT(cache_flush(c), 0);
	T_OK_MSG(cache_edits(c) == before, "what Konnect answered, and what is staged");
	T_EQ_INT(cache_unpark(c, a), 0);
	T_OK_MSG(cache_edits(c) != before, "rows that are to be tried again");
	T_EQ_INT(cache_whole(c), 0);
	before = cache_edits(c);
	cache_abandon(c);
	T_OK_MSG(cache_edits(c) != before, "what is taken back");
	before = cache_edits(c);
	T_EQ_INT(cache_forget_some(c, a), 0);
	T_OK_MSG(cache_edits(c) != before, "rows that are gone");
	cache_row_done(&r);
	cache_close(c);
}

static void test_pending(void)
{
	struct cache *c;
	struct cache_row r;
	struct cache_counts n, sum = { 0 };
	int64_t a;
	uint32_t i = 0, gone = 0, walked[2] = { 0 };

	fresh();
	c = open_cache();
	a = instance_id(c, "a");
	for (int state = REPO_ACTIVE; state <= REPO_REMOVED; state++) {
		for (unsigned bits = 0; bits < 64; bits++) {
			bool parked = bits & 1, differs = bits & 2, mapped = bits & 4, service = bits & 8;
			unsigned absent = bits >> 4;
			bool excluded = state == REPO_EXCLUDED, pending = !parked && (differs || !mapped);
			enum row_held held = i % 3 == 0 ? HELD_REMOVAL : i % 3 == 1 ? HELD_EXCLUSION : HELD_NOT;

			if (absent > ABSENT_REMOVED)
				continue;
			r = row_of(c, a, ++i);
			r.state = (enum repo_state)state;
			r.absent = (enum row_absent)absent;
			r.held = held;
			r.missing_since = absent != ABSENT_NOT ? 5 : 0;
			r.parked = parked ? xstrdup("why") : NULL;
			r.have = differs ? (service ? digest_of(c, 77777) : (struct digest){ 0 }) : r.want;
			r.mapping_id = mapped ? xstrdup("m") : NULL;
			r.map_want = digest_of(c, 5);
			r.map_have = mapped ? r.map_want : (struct digest){ 0 };
			r.service_id = service ? xasprintf("s-%u", i) : NULL;
			(void)cache_row_save(c, &r);
			cache_row_done(&r);
			sum.known += !excluded && absent == ABSENT_NOT;
			sum.missing += !excluded && absent == ABSENT_MISSING;
			sum.removed += !excluded && absent == ABSENT_REMOVED;
			sum.held += held != HELD_NOT;
			sum.pending += pending;
			sum.creations += pending && !service;
			sum.parked += parked;
			gone += (!excluded && absent != ABSENT_NOT) || held != HELD_NOT;
		}
	}
	T_EQ_INT(cache_counts(c, a, &n), 0);
	T_EQ_INT(n.known, sum.known);
	T_EQ_INT(n.missing, sum.missing);
	T_EQ_INT(n.removed, sum.removed);
	T_EQ_INT(n.held, sum.held);
	T_EQ_INT(n.pending, sum.pending);
	T_EQ_INT(n.creations, sum.creations);
	T_EQ_INT(n.parked, sum.parked);
	for (int creations = 0; creations < 2; creations++) {
		for (int64_t id = 0; cache_pending_next(c, a, id, creations != 0, &r) == 0; cache_row_done(&r)) {
			walked[creations]++;
			id = r.id > id ? r.id : INT64_MAX;
		}
	}
	T_EQ_INT(walked[1], sum.pending);
	T_EQ_INT(walked[0], sum.pending - sum.creations);
	for (int64_t id = i = 0; cache_parked_next(c, a, id, &r) == 0; cache_row_done(&r), i++)
		id = r.id;
	T_EQ_INT(i, sum.parked);
	for (int64_t id = i = 0; cache_missing_next(c, a, id, &r) == 0; cache_row_done(&r), i++)
		id = r.id;
	T_EQ_INT(i, gone);
	for (int64_t id = i = 0; cache_row_next(c, a, id, &r) == 0; cache_row_done(&r), i++)
		id = r.id;
	T_EQ_INT(i, 7 * 48);
	T_OK(cache_unpark(c, a) == 0 && cache_counts(c, a, &n) == 0 && n.parked == 0 && n.pending > sum.pending);
	T_EQ_INT(cache_pending_next(c, instance_id(c, "b"), 0, true, &r), -ENOENT);
	cache_close(c);
}

static void count_known(void *arg, const struct cache_known *k)
{
	(*(size_t *)arg)++;
	(void)k;
}

/* What is read for a poll comes in batches, each row once. */
static void test_known(void)
{
	enum { N = CACHE_SCAN_ROWS * 2 };
	struct cache *c;
	struct cache_counts n;
	size_t seen = 0, before = 0;
	int64_t a, r, calls = 0, cursor = 0;

	fresh();
	c = open_cache();
	a = instance_id(c, "a");
	for (uint32_t i = 1; i <= N; i++)
		(void)add(c, a, i);
	(void)add(c, instance_id(c, "b"), 1);
	do {
		r = cache_known_some(c, a, &cursor, count_known, &seen);
		T_OK(r >= 0 && seen - before <= CACHE_SCAN_ROWS);
		before = seen;
	} while (r == 1 && ++calls < 100);
	T_EQ_INT(seen, N);
	T_EQ_INT(calls, 2);
	T_OK(cache_counts(c, a, &n) == 0 && n.repositories == N);
	T_OK(cache_counts(c, a + 100, &n) == 0 && n.repositories == 0 && n.known == 0);
	cache_close(c);
}

static void test_staging(void)
{
	struct cache *c;
	struct digest d, got;
	struct repo r, out;
	int64_t a, b, cursor = 0, none = 0;
	int calls = 1;

	fresh();
	c = open_cache();
	a = instance_id(c, "a");
	b = instance_id(c, "b");
	for (uint32_t i = 1; i <= 1200; i++) {
		r = repo_of(i);
		d = digest_of(c, i);
		if (cache_stage_add(c, a, i, &r, &d) < 0 || (i == 1 && cache_stage_add(c, b, i, &r, &d) < 0))
			T_OK_MSG(false, "staged");
		repo_done(&r);
	}
	T_EQ_INT(cache_flush(c), 0);
	for (uint32_t i = 1; i <= 3; i++) {
		d = digest_of(c, i);
		T_EQ_INT(cache_stage_next(c, a, &cursor, &out, &got), 0);
		T_OK_MSG(memcmp(&d, &got, DIGEST_LEN) == 0 && memcmp(out.guid, &i, sizeof(i)) == 0, "the first first");
		repo_done(&out);
	}
	while (cache_stage_clear_some(c, a) == 1)
		calls++;
	T_EQ_INT_MSG(calls, 1200 / CACHE_STEP_ROWS + 1, "in batches, and the one that finds none");
	T_EQ_INT(cache_stage_next(c, a, &none, &out, &got), -ENOENT);
	T_EQ_INT_MSG(cache_stage_next(c, b, &none, &out, &got), 0, "another instance's are left");
	repo_done(&out);
	cache_close(c);
}

/* Stages n repositories of an instance. */
static void stage(struct cache *c, int64_t instance, uint32_t n)
{
	for (uint32_t i = 1; i <= n; i++) {
		struct digest d = digest_of(c, i);
		struct repo r = repo_of(i);

		if (cache_stage_add(c, instance, i, &r, &d) < 0)
			T_OK_MSG(false, "staged");
		repo_done(&r);
	}
}

/* Two thousand as they were listed, and those after them by the first byte of their GUIDs. */
static void expect_order(struct cache *c, int64_t instance)
{
	int64_t cursor = 0;
	uint32_t n = 0, last = 0, bad = 0;
	struct digest got;
	struct repo r;

	while (cache_stage_next(c, instance, &cursor, &r, &got) == 0) {
		uint32_t i;

		memcpy(&i, r.guid, sizeof(i));
		n++;
		bad += n <= 2000 ? i != n : n > 2001 && ((i & 0xff) << 16 | i >> 8) <= last;
		last = n > 2000 ? (i & 0xff) << 16 | i >> 8 : 0;
		repo_done(&r);
	}
	T_OK(n == 40000 && bad == 0);
}

/* A long listing goes in one piece, if nobody else's is there. What is staged has no name in the directory. */
static void test_stage_is_spent(void)
{
	struct repo out;
	struct digest got;
	struct cache *c;
	int64_t a, b, none;

	fresh();
	c = open_cache();
	a = instance_id(c, "a");
	b = instance_id(c, "b");
	stage(c, a, 40000);
	T_EQ_INT(files("cache.db-stage"), 0);
	expect_order(c, a);
	T_EQ_INT_MSG(cache_stage_clear_some(c, a), 1, "at once");
	none = 0;
	T_EQ_INT(cache_stage_next(c, a, &none, &out, &got), -ENOENT);
	T_EQ_INT_MSG(cache_stage_clear_some(c, a), 1, "but its file goes step by step");
	while (cache_stage_clear_some(c, a) == 1)
		;
	stage(c, a, 40000);
	stage(c, b, 1);
	T_EQ_INT(cache_stage_clear_some(c, a), 1);
	none = 0;
	T_EQ_INT(cache_stage_next(c, b, &none, &out, &got), 0);
	repo_done(&out);
	T_EQ_INT_MSG(cache_stage_clear_some(c, b), 0, "only its own");
	T_EQ_INT_MSG(cache_stage_clear_some(c, a), 1, "and now nobody else's is left");
	stage(c, b, 1);
	while (cache_stage_clear_some(c, a) == 1)
		;
	none = 0;
	T_EQ_INT_MSG(cache_stage_next(c, b, &none, &out, &got), 0, "what comes meanwhile is not in the file that goes");
	repo_done(&out);
	while (cache_stage_clear_some(c, b) == 1)
		;
	/* a file that goes is not the caller's rows */
	stage(c, a, 40000);
	T_EQ_INT(cache_stage_clear_some(c, a), 1);
	stage(c, b, 1);
	while (cache_stage_clear_some(c, b) == 1)
		;
	none = 0;
	T_EQ_INT_MSG(cache_stage_next(c, b, &none, &out, &got), -ENOENT, "zero says that they are gone");
	T_EQ_INT(files("cache.db-stage"), 0);
	cache_close(c);
}

/* A process that ends without a word loses what was not flushed, and nothing else. */
static void test_batches(void)
{
	struct cache *c;
	struct cache_counts n;
	int64_t a;
	int status;
	pid_t pid;

	fresh();
	c = open_cache();
	a = instance_id(c, "a");
	cache_close(c);
	(void)fflush(stdout);
	pid = fork();
	if (pid == 0) {
		char *notice = NULL;

		if (cache_open(directory, NOW, &c, &notice) < 0)
			_exit(2);
		for (uint32_t i = 1; i <= CACHE_BATCH_ROWS + 10; i++)
			(void)add(c, a, i);
		(void)cache_flush(c);
		for (uint32_t i = 2000; i < 2000 + CACHE_BATCH_ROWS - 10; i++)
			(void)add(c, a, i);
		_exit(0);
	}
	T_OK(waitpid(pid, &status, 0) == pid && status == 0);
	c = open_cache();
	T_OK(cache_counts(c, a, &n) == 0);
	T_EQ_INT(n.repositories, CACHE_BATCH_ROWS + 10);
	/* a batch ends by itself */
	for (uint32_t i = 3000; i < 3000 + CACHE_BATCH_ROWS; i++)
		(void)add(c, a, i);
	T_EQ_INT(cache_flush(c), 0);
	T_EQ_INT(cache_flush(c), 0);
	cache_close(c);
}

/* A disk that is full: reported once by the flush that lost it, everything before is there, and it works again after. */
static void test_full_disk(void)
{
	struct cache *c;
	struct rlimit old;
	struct cache_row r;
	struct cache_counts n;
	int64_t a;
	int e = 0;

	fresh();
	c = open_cache();
	a = instance_id(c, "a");
	(void)add(c, a, 1);
	T_EQ_INT(cache_flush(c), 0);
	old = disk_is_full_at(4096);
	for (uint32_t i = 10; i < 3000 && e == 0; i++) {
		r = row_of(c, a, i);
		e = cache_row_save(c, &r);
		cache_row_done(&r);
	}
	if (e == 0)
		e = cache_flush(c);
	disk_is_as_before(&old);
	T_EQ_INT(e, -EIO);
	T_OK(strstr(cache_error(c), "cache.db: ") != NULL);
	T_OK_MSG(strstr(cache_error(c), "File too large") != NULL, cache_error(c));
	T_OK_MSG(cache_flush(c) == -EIO || cache_flush(c) == 0, "told at most once more");
	T_EQ_INT(cache_flush(c), 0);
	T_OK(cache_counts(c, a, &n) == 0 && n.repositories >= 1);
	T_OK(add(c, a, 2) > 0);
	T_EQ_INT(cache_flush(c), 0);
	cache_close(c);
	c = open_cache();
	T_OK(cache_counts(c, a, &n) == 0 && n.repositories >= 2);
	cache_close(c);
}

/* Damage in the file of what is staged costs the listings under way, and not the cache. */
static void test_stage_is_damaged(void)
{
	_cleanup_free_ char *noise = xcalloc(1 << 20, 1), *file = NULL;
	unsigned losses;
	struct digest got;
	struct repo out;
	struct cache *c;
	int64_t a, none = 0;
	int fd;

	memset(noise, 0x55, 1 << 20);
	fresh();
	c = open_cache();
	a = instance_id(c, "a");
	stage(c, a, 20000);
	T_EQ_INT(cache_flush(c), 0);
	losses = cache_losses(c);
	file = xasprintf("/proc/self/fd/%d", c->stage_fd);
	fd = open(file, O_WRONLY | O_CLOEXEC);
	T_OK(fd >= 0 && pwrite(fd, noise, 1 << 20, 4096) == 1 << 20);
	(void)close(fd);
	while ((fd = cache_stage_next(c, a, &none, &out, &got)) == 0)
		repo_done(&out);
	T_EQ_INT(fd, -EIO);
	T_OK(!cache_is_damaged(c) && cache_losses(c) != losses);
	stage(c, a, 10);
	none = 0;
	T_EQ_INT_MSG(cache_stage_next(c, a, &none, &out, &got), 0, "the next listing has another file");
	repo_done(&out);
	cache_close(c);
}

/* Without room for what is staged a listing is refused, and the next one is not. */
static void test_stage_has_no_room(void)
{
	struct rlimit old;
	struct repo r = repo_of(1);
	struct digest d;
	struct cache *c;
	int64_t a;

	fresh();
	c = open_cache();
	a = instance_id(c, "a");
	d = digest_of(c, 1);
	T_EQ_INT(cache_flush(c), 0);
	old = disk_is_full_at(4096);
	T_EQ_INT_MSG(cache_stage_clear_some(c, a), 0, "nothing is there");
	T_EQ_INT(cache_stage_add(c, a, 1, &r, &d), -EIO);
	T_OK_MSG(!cache_is_damaged(c), "the cache is as good as before");
	disk_is_as_before(&old);
	T_EQ_INT(files("cache.db-stage"), 0);
	T_EQ_INT(cache_stage_clear_some(c, a), 0);
	T_EQ_INT(cache_stage_add(c, a, 1, &r, &d), 0);
	repo_done(&r);
	cache_close(c);
}

/* More than the log may hold. */
#define TRIALS 8

/* A trial says whether a whole batch has room, and leaves nothing behind but that. */
static void test_trial(void)
{
	struct cache *c;
	struct rlimit old;
	int64_t a, bytes;

	fresh();
	c = open_cache();
	a = instance_id(c, "a");
	T_EQ_INT(cache_flush(c), 0);
	old = disk_is_full_at((rlim_t)CACHE_BATCH_ROWS * 3072);
	T_EQ_INT(cache_trial(c), -EIO);
	T_EQ_INT_MSG(cache_flush(c), 0, "it is not told again");
	T_OK_MSG(add(c, a, 1) > 0 && cache_flush(c) == 0, "little has room all the same");
	disk_is_as_before(&old);
	for (int i = 0; i < TRIALS; i++)
		T_EQ_INT(cache_trial(c), 0);
	bytes = cache_bytes(c);
	for (int i = 0; i < TRIALS; i++)
		T_EQ_INT_MSG(cache_trial(c), 0, "and again");
	T_OK_MSG(cache_bytes(c) <= bytes, "what was written is used again");
	cache_close(c);
}

/* A second daemon is told at its start; a plan for a running one, too. */
static void test_locked(void)
{
	struct cache *c, *other = NULL;
	char *notice = NULL;
	int status;
	pid_t pid;

	fresh();
	c = open_cache();
	(void)fflush(stdout);
	/* locks are of a process */
	pid = fork();
	if (pid == 0) {
		if (cache_open(directory, NOW, &other, &notice) != -EBUSY || notice == NULL || strstr(notice, "in use") == NULL)
			_exit(1);
		free(notice);
		if (cache_open_copy(directory, &other, &notice) != -EBUSY || notice == NULL || strstr(notice, "in use") == NULL)
			_exit(2);
		free(notice);
		_exit(0);
	}
	T_OK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
	T_EQ_INT_MSG(files("cache.db.damaged"), 0, "nothing is set aside");
	cache_close(c);
	cache_close(open_cache());
}

int main(void)
{
	test_instance();
	test_rows();
	test_found_by_service();
	test_edits();
	test_pending();
	test_known();
	test_staging();
	test_stage_is_spent();
	test_batches();
	test_full_disk();
	test_stage_is_damaged();
	test_stage_has_no_room();
	test_trial();
	test_locked();
	remove_directory();
	return t_done();
}
