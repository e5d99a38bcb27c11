#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cache.h"
#include "limits.h"
#include "t.h"
#include "util.h"

#define NOW 1795478400 /* 2026-11-24 00:00 UTC */

static char directory[64];

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

/* An empty state directory. */
static void fresh(void)
{
	(void)nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	(void)snprintf(directory, sizeof(directory), "/dev/shm/adosyncd-test-XXXXXX");
	if (access("/dev/shm", W_OK) < 0)
		(void)snprintf(directory, sizeof(directory), "/tmp/adosyncd-test-XXXXXX");
	if (mkdtemp(directory) == NULL)
		perror(directory);
}

static char *path_of(const char *name)
{
	return xasprintf("%s/%s", directory, name);
}

static struct cache *open_cache(void)
{
	struct cache *c = NULL;
	char *notice = NULL;

	T_EQ_INT(cache_open(directory, NOW, &c, &notice), 0);
	T_NULL(notice);
	free(notice);
	return c;
}

/* How many files of the directory begin so. */
static int files(const char *prefix)
{
	_cleanup_free_ char *command = xasprintf("ls %s | grep -c '^%s'", directory, prefix);
	FILE *f = popen(command, "r");
	int n = -1;

	if (fscanf(f, "%d", &n) != 1)
		n = -1;
	(void)pclose(f);
	return n;
}

static struct repo repo_of(uint32_t n)
{
	struct repo r = { .name = xasprintf("repo-%u", n), .project_id = xstrdup("p"), .project_name = xstrdup("P"),
			  .description = xstrdup("D"), .visibility = xstrdup("private"), .default_branch = xstrdup("refs/heads/main"),
			  .web_url = xstrdup("https://x"), .fork = n % 2 == 0, .maintenance = n % 3 == 0, .disabled = n % 5 == 0 };

	memcpy(r.guid, &n, sizeof(n));
	return r;
}

static struct digest digest_of(struct cache *c, uint32_t n)
{
	return digest_bytes(cache_key(c), &n, sizeof(n));
}

static struct cache_row row_of(struct cache *c, int64_t instance, uint32_t n)
{
	return (struct cache_row){ .instance = instance, .repo = repo_of(n), .raw = digest_of(c, n), .want = digest_of(c, n + 1),
				   .service_name = xasprintf("i%lld.p.repo-%u", (long long)instance, n) };
}

/* Adds a row, and returns its id. */
static int64_t add(struct cache *c, int64_t instance, uint32_t n)
{
	struct cache_row r = row_of(c, instance, n);
	int64_t id;

	if (cache_row_save(c, &r) < 0)
		return -1;
	id = r.id;
	cache_row_done(&r);
	return id;
}

static int64_t instance_id(struct cache *c, const char *name)
{
	struct cache_instance i;
	int64_t id;

	T_EQ_INT(cache_instance_load(c, name, &i), 0);
	id = i.id;
	cache_instance_done(&i);
	return id;
}

static void test_instance(void)
{
	struct cache_instance i;
	struct expiry e = { 0 };
	struct cache *c;

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
	T_EQ_INT(cache_instance_save(c, &i), 0);
	cache_instance_done(&i);
	T_OK(cache_instance_load(c, "b", &i) == 0 && i.konnect_id == NULL);
	cache_instance_done(&i);
	T_EQ_INT(cache_token_expiry_load(c, &e), 0);
	T_OK(e.date == 0);
	e = (struct expiry){ 86400, 7 };
	T_EQ_INT(cache_token_expiry_save(c, &e), 0);
	cache_close(c);
	c = open_cache();
	T_EQ_INT(cache_instance_load(c, "a", &i), 0);
	T_EQ_STR(i.konnect_id, "k-1");
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
static void test_pending(void)
{
	struct cache *c;
	struct cache_row r;
	struct cache_counts n, sum = { 0 };
	int64_t a;
	uint32_t i = 0, gone = 0, waiting = 0, walked[2] = { 0 };

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
			waiting += (pending && !service) || absent == ABSENT_MISSING || held != HELD_NOT;
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
	i = 0;
	for (uint8_t cursor[16] = { 0 }; cache_held_next(c, a, cursor, &r) == 0; cache_row_done(&r), i++) {
		T_OK(memcmp(cursor, r.repo.guid, sizeof(cursor)) < 0);
		memcpy(cursor, r.repo.guid, sizeof(cursor));
	}
	T_EQ_INT(i, waiting);
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
		if (cache_stage_add(c, a, &r, &d) < 0 || (i == 1 && cache_stage_add(c, b, &r, &d) < 0))
			T_OK_MSG(false, "staged");
		repo_done(&r);
	}
	T_EQ_INT(cache_flush(c), 0);
	for (uint32_t i = 1; i <= 3; i++) {
		d = digest_of(c, i);
		T_EQ_INT(cache_stage_next(c, a, &cursor, &out, &got), 0);
		T_OK_MSG(memcmp(&d, &got, DIGEST_LEN) == 0 && memcmp(out.guid, &i, sizeof(i)) == 0, "the oldest first");
		repo_done(&out);
	}
	while (cache_stage_clear_some(c, a) == 1)
		calls++;
	T_EQ_INT_MSG(calls, 1200 / CACHE_BATCH_ROWS + 1, "in batches, and the one that finds none");
	T_EQ_INT(cache_stage_next(c, a, &none, &out, &got), -ENOENT);
	T_EQ_INT_MSG(cache_stage_next(c, b, &none, &out, &got), 0, "another instance's are left");
	repo_done(&out);
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
	struct rlimit old, tight;
	struct cache_row r;
	struct cache_counts n;
	int64_t a;
	int e = 0;

	fresh();
	c = open_cache();
	a = instance_id(c, "a");
	(void)add(c, a, 1);
	T_EQ_INT(cache_flush(c), 0);
	(void)signal(SIGXFSZ, SIG_IGN);
	(void)getrlimit(RLIMIT_FSIZE, &old);
	tight = (struct rlimit){ .rlim_cur = 4096, .rlim_max = old.rlim_max };
	(void)fflush(stdout);
	(void)setrlimit(RLIMIT_FSIZE, &tight);
	for (uint32_t i = 10; i < 3000 && e == 0; i++) {
		r = row_of(c, a, i);
		e = cache_row_save(c, &r);
		cache_row_done(&r);
	}
	if (e == 0)
		e = cache_flush(c);
	(void)setrlimit(RLIMIT_FSIZE, &old);
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

/* A trial says whether a whole batch has room, and leaves nothing behind but that. */
static void test_trial(void)
{
	struct cache *c;
	struct rlimit old, tight;
	struct digest raw;
	struct repo repo;
	int64_t a, cursor = 0;

	fresh();
	c = open_cache();
	a = instance_id(c, "a");
	T_EQ_INT(cache_flush(c), 0);
	(void)signal(SIGXFSZ, SIG_IGN);
	(void)getrlimit(RLIMIT_FSIZE, &old);
	tight = (struct rlimit){ .rlim_cur = (rlim_t)CACHE_BATCH_ROWS * 2048, .rlim_max = old.rlim_max };
	(void)fflush(stdout);
	(void)setrlimit(RLIMIT_FSIZE, &tight);
	T_EQ_INT(cache_trial(c), -EIO);
	T_EQ_INT_MSG(cache_flush(c), 0, "it is not told again");
	T_OK_MSG(add(c, a, 1) > 0 && cache_flush(c) == 0, "little has room all the same");
	(void)fflush(stdout);
	(void)setrlimit(RLIMIT_FSIZE, &old);
	T_EQ_INT(cache_trial(c), 0);
	T_EQ_INT_MSG(cache_trial(c), 0, "and again");
	T_EQ_INT(cache_stage_next(c, 0, &cursor, &repo, &raw), -ENOENT);
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

static void write_text(const char *name, const char *text, size_t n)
{
	_cleanup_free_ char *path = path_of(name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	T_OK(fd >= 0 && write(fd, text, n) == (ssize_t)n);
	(void)close(fd);
}

/* Opens what cannot be used: it is set aside and a new one begun. */
static void expect_rebuilt(const char *what)
{
	struct cache *c = NULL;
	struct cache_instance i;
	char *notice = NULL;

	T_EQ_INT_MSG(cache_open(directory, NOW, &c, &notice), 0, what);
	T_OK(notice != NULL && strstr(notice, "cache.db.damaged-20261124T000000Z") != NULL);
	T_EQ_INT(files("cache.db.damaged-20261124T000000Z$"), 1);
	T_OK_MSG(cache_instance_load(c, "a", &i) == 0 && i.last_poll == 0, "nothing is known");
	cache_instance_done(&i);
	free(notice);
	cache_close(c);
	cache_close(open_cache());
}

/* One with something in it, closed. */
static void filled(void)
{
	struct cache *c;
	struct cache_instance i;

	fresh();
	c = open_cache();
	(void)cache_instance_load(c, "a", &i);
	i.last_poll = 5;
	(void)cache_instance_save(c, &i);
	for (uint32_t n = 1; n < 1000; n++)
		(void)add(c, i.id, n);
	cache_instance_done(&i);
	cache_close(c);
}

static void sql(const char *text)
{
	_cleanup_free_ char *path = path_of("cache.db");
	sqlite3 *db = NULL;

	T_OK(sqlite3_open(path, &db) == SQLITE_OK && sqlite3_exec(db, text, NULL, NULL, NULL) == SQLITE_OK);
	(void)sqlite3_close(db);
}

/* What version 2 has more than version 1 is made from what is there. */
static void test_older(void)
{
	struct cache_counts before, after;
	struct cache *c;
	struct cache_row r;
	int64_t a, id;

	fresh();
	c = open_cache();
	a = instance_id(c, "a");
	for (uint32_t i = 1; i <= 30; i++) {
		id = add(c, a, i);
		T_EQ_INT(cache_row_by_id(c, id, &r), 0);
		r.state = i % 3 == 0 ? REPO_EXCLUDED : i % 3 == 1 ? REPO_MISSING : REPO_ACTIVE;
		r.absent = i % 3 == 1 ? ABSENT_MISSING : ABSENT_NOT;
		T_EQ_INT(cache_row_save(c, &r), 0);
		cache_row_done(&r);
	}
	T_EQ_INT(cache_counts(c, a, &before), 0);
	T_OK(before.repositories == 30 && before.missing == 10 && before.known == 10);
	cache_close(c);
	sql("DROP TABLE counts; DROP TRIGGER instance_added; DROP TRIGGER row_added; DROP TRIGGER row_changed; DROP TRIGGER row_deleted;"
	    "DROP INDEX known_rows; DROP INDEX absent_rows; DROP INDEX parked_rows; DROP INDEX removed_rows; DROP INDEX project_services;"
	    "DROP INDEX project_repositories; CREATE INDEX instance_rows ON repository(instance); PRAGMA user_version = 1");
	c = open_cache();
	T_EQ_INT_MSG(files("cache.db.damaged"), 0, "it is no new one");
	T_EQ_INT(cache_counts(c, a, &after), 0);
	T_OK(memcmp(&before, &after, sizeof(before)) == 0);
	(void)add(c, a, 31);
	T_OK(cache_counts(c, a, &after) == 0 && after.repositories == 31);
	while (cache_forget_some(c, a) == 1)
		;
	T_OK(cache_counts(c, a, &after) == 0 && after.repositories == 0 && after.known == 0 && after.missing == 0);
	cache_close(c);
}

static void test_damaged(void)
{
	static const char *const edits[][2] = {
		{ "PRAGMA user_version = 99", "a newer version" },
		{ "DROP TABLE meta", "no key" },
		{ "UPDATE meta SET key = x'00'", "a key of the wrong size" },
		{ "DROP TABLE staged", "a table is missing" },
		{ "DROP TABLE staged; CREATE TABLE staged(id INTEGER PRIMARY KEY)", "a table of another make" },
		{ "CREATE TRIGGER t AFTER UPDATE ON instance BEGIN UPDATE repository SET want = NULL; END", "a trigger" },
		{ "DROP TRIGGER row_deleted", "a trigger is missing" },
		{ "DROP INDEX pending_rows", "an index is missing" },
		{ "ALTER TABLE staged RENAME TO other; CREATE VIEW staged AS SELECT * FROM other", "a view in the place of a table" },
	};
	_cleanup_free_ char *noise = xcalloc(8192, 1);

	memset(noise, 'x', 8192);
	fresh();
	write_text("cache.db", noise, 8192);
	expect_rebuilt("noise");
	filled();
	write_text("cache.db", noise, 100);
	expect_rebuilt("shorter than a header");
	for (size_t i = 0; i < ELEMENTSOF(edits); i++) {
		filled();
		sql(edits[i][0]);
		expect_rebuilt(edits[i][1]);
	}
	fresh();
	write_text("cache.db", "", 0);
	cache_close(open_cache());
	T_EQ_INT_MSG(files("cache.db.damaged"), 0, "an empty file is a new one");
}

/* Half of the file is gone: found at the start, or when the lost part is read, and then nothing is made up. */
static void test_truncated(void)
{
	_cleanup_free_ char *path = NULL;
	struct cache *c = NULL;
	struct cache_row r;
	char *notice = NULL;
	int e = 0;

	filled();
	path = path_of("cache.db");
	T_OK(truncate(path, 40960) == 0);
	T_EQ_INT(cache_open(directory, NOW, &c, &notice), 0);
	for (int64_t id = 0; notice == NULL && e == 0;) {
		e = cache_row_next(c, 1, id, &r);
		if (e == 0) {
			id = r.id;
			cache_row_done(&r);
		}
	}
	T_OK_MSG(notice != NULL || e == -EIO, "it is said");
	free(notice);
	cache_close(c);
}

static void test_cannot_open(void)
{
	struct cache *c = NULL;
	char *notice = NULL, *missing;

	fresh();
	missing = path_of("nowhere");
	T_EQ_INT(cache_open(missing, NOW, &c, &notice), -EIO);
	T_OK(c == NULL && notice != NULL && strstr(notice, "state_directory") != NULL);
	free(notice);
	free(missing);
}

/* Nobody may write: as another user, for whom the modes count. */
static void test_read_only(void)
{
	struct cache *c = NULL;
	char *notice = NULL, *path;
	int status;
	pid_t pid;

	filled();
	path = path_of("cache.db");
	(void)chmod(path, 0444);
	(void)chmod(directory, 0555);
	(void)fflush(stdout);
	pid = fork();
	if (pid == 0) {
		if (geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
			_exit(9);
		_exit(cache_open(directory, NOW, &c, &notice) == -EIO && c == NULL && strstr(notice, "cannot be opened") != NULL ? 0 : 1);
	}
	T_OK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
	(void)chmod(directory, 0700);
	T_EQ_INT_MSG(files("cache.db.damaged"), 0, "what cannot be written is not damaged");
	free(path);
}

/* A plan works on a copy: what it writes is nowhere, and what it cannot use does not move. */
static void test_copy(void)
{
	struct cache *c = NULL;
	struct cache_instance i;
	char *notice = NULL;
	struct cache_counts n;

	filled();
	T_EQ_INT(cache_open_copy(directory, &c, &notice), 0);
	T_NULL(notice);
	T_OK(cache_instance_load(c, "a", &i) == 0 && i.last_poll == 5);
	i.last_poll = 77;
	T_OK(cache_instance_save(c, &i) == 0 && add(c, i.id, 5000) > 0 && cache_flush(c) == 0);
	T_OK(cache_counts(c, i.id, &n) == 0 && n.repositories == 1000);
	cache_instance_done(&i);
	cache_close(c);
	c = open_cache();
	T_OK(cache_instance_load(c, "a", &i) == 0 && i.last_poll == 5);
	T_OK(cache_counts(c, i.id, &n) == 0 && n.repositories == 999);
	cache_instance_done(&i);
	cache_close(c);
	sql("PRAGMA user_version = 99");
	T_EQ_INT(cache_open_copy(directory, &c, &notice), 0);
	T_OK(notice != NULL && strstr(notice, "unusable") != NULL);
	free(notice);
	cache_close(c);
	T_EQ_INT(files("cache.db.damaged"), 0);
	fresh();
	T_EQ_INT_MSG(cache_open_copy(directory, &c, &notice), 0, "there is none yet");
	cache_close(c);
	T_EQ_INT(files("cache.db"), 0);
}

/* What a running daemon left in its log of writes is in the copy. */
static void test_copy_after_crash(void)
{
	struct cache *c = NULL;
	char *notice = NULL;
	struct cache_counts n;
	int status;
	pid_t pid;

	filled();
	(void)fflush(stdout);
	pid = fork();
	if (pid == 0) {
		if (cache_open(directory, NOW, &c, &notice) < 0)
			_exit(2);
		(void)add(c, 1, 6000);
		_exit(cache_flush(c) == 0 ? 0 : 3);
	}
	T_OK(waitpid(pid, &status, 0) == pid && status == 0);
	T_EQ_INT(cache_open_copy(directory, &c, &notice), 0);
	T_OK(cache_counts(c, 1, &n) == 0);
	T_EQ_INT(n.repositories, 1000);
	cache_close(c);
}

static void test_mode(void)
{
	_cleanup_free_ char *path = NULL;
	struct stat st;

	filled();
	path = path_of("cache.db");
	T_OK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
	T_EQ_INT_MSG(files("cache.db-shm"), 0, "no shared memory, so that network volumes work");
}

int main(void)
{
	test_instance();
	test_rows();
	test_pending();
	test_known();
	test_staging();
	test_batches();
	test_full_disk();
	test_trial();
	test_locked();
	test_older();
	test_damaged();
	test_truncated();
	test_cannot_open();
	test_read_only();
	test_copy();
	test_copy_after_crash();
	test_mode();
	(void)nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	return t_done();
}
