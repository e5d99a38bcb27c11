/* The cache's file: of other versions, damaged, read-only, copied. */
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "caches.h"
#include "limits.h"

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

/* Rows of every kind that is counted, in a file that is closed and then made what version `was` had; and opened again. */
static void expect_counted(const char *was)
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
	sql(was);
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

#define WAS_4 \
	"DROP TABLE trial; CREATE TABLE staged(id INTEGER PRIMARY KEY, instance INTEGER);" \
	"CREATE INDEX staged_rows ON staged(instance); PRAGMA user_version = 4;"
#define WAS_3 \
	"DROP INDEX pending_creations; DROP INDEX pending_others; DROP TRIGGER row_listed; DROP TRIGGER row_pushed;" \
	"ALTER TABLE repository DROP COLUMN room; CREATE INDEX pending_rows ON repository(instance, id);" \
	"CREATE TRIGGER row_changed AFTER UPDATE ON repository BEGIN SELECT 1; END; PRAGMA user_version = 3;"
#define WAS_2 \
	"DROP INDEX elsewhere_mapped; DROP INDEX shared_services; CREATE INDEX mapping_ids ON repository(instance, mapping_id);" \
	"CREATE INDEX service_ids ON repository(instance, service_id); PRAGMA user_version = 2;"
#define WAS_1 \
	"DROP TABLE counts; DROP TRIGGER instance_added; DROP TRIGGER row_added; DROP TRIGGER row_changed; DROP TRIGGER row_deleted;" \
	"DROP INDEX known_rows; DROP INDEX absent_rows; DROP INDEX parked_rows; DROP INDEX removed_rows; DROP INDEX project_services;" \
	"DROP INDEX project_repositories; CREATE INDEX instance_rows ON repository(instance); PRAGMA user_version = 1;"

static void test_older(void)
{
	expect_counted("");
	expect_counted(WAS_4);
	expect_counted(WAS_4 WAS_3);
	expect_counted(WAS_4 WAS_3 WAS_2);
	expect_counted(WAS_4 WAS_3 WAS_2 WAS_1);
}

static void test_damaged(void)
{
	static const char *const edits[][2] = {
		{ "PRAGMA user_version = 99", "a newer version" },
		{ "PRAGMA user_version = -1", "a version that never was" },
		{ "DROP TABLE meta", "no key" },
		{ "UPDATE meta SET key = x'00'", "a key of the wrong size" },
		{ "DROP TABLE trial", "a table is missing" },
		{ "DROP TABLE trial; CREATE TABLE trial(id INTEGER PRIMARY KEY)", "a table of another make" },
		{ "CREATE TRIGGER t AFTER UPDATE ON instance BEGIN UPDATE repository SET want = NULL; END", "a trigger" },
		{ "DROP TRIGGER row_deleted", "a trigger is missing" },
		{ "DROP INDEX pending_others", "an index is missing" },
		{ "ALTER TABLE trial RENAME TO other; CREATE VIEW trial AS SELECT * FROM other", "a view in the place of a table" },
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
	test_older();
	test_damaged();
	test_truncated();
	test_cannot_open();
	test_read_only();
	test_copy();
	test_copy_after_crash();
	test_mode();
	remove_directory();
	return t_done();
}
