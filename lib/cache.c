/* Opening, closing and transactions of the cache, and its instances. */
#include "cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cache_internal.h"
#include "limits.h"
#include "pack.h"
#include "util.h"

#define CACHE_FILE "cache.db"

/* Of the column "discovers". */
enum { FLAG_DISCOVERS = 1, FLAG_TAKES_CONFIG = 2, FLAG_ASKED = 4, FLAG_UNCONFIGURED = 8 };

#define LOG_PAGES 256	/* so many are brought into the file at once */
#define TRIAL_BYTES (CACHE_BATCH_ROWS * 4096)	/* a page a row, with its indexes */

/* A full disk is known by SQLite's own code when a write fails, but only by the errno when a sync does. */
static bool is_full(int rc, int sys)
{
	return (rc & 0xff) == SQLITE_FULL || ((rc & 0xff) == SQLITE_IOERR && (sys == ENOSPC || sys == EDQUOT));
}

/* sys: errno, as SQLite's own record of it lacks what happens in a commit. */
static void note_failure(struct cache *c, int rc, int sys)
{
	struct cache_failure *f = &c->failure;

	f->advice = NULL;
	if (is_full(rc, sys)) {
		(void)snprintf(f->cause, sizeof(f->cause), "its disk is full");
		f->advice = "make space on the disk of state_directory";
	} else if ((rc & 0xff) == SQLITE_IOERR) {
		(void)snprintf(f->cause, sizeof(f->cause), "%s (%s)", sqlite3_errmsg(c->db), sys != 0 ? strerror(sys) : "no reason given");
		f->advice = "check the disk of state_directory and its free space";
	} else {
		(void)snprintf(f->cause, sizeof(f->cause), "%s", sqlite3_errmsg(c->db));
		if ((rc & 0xff) == SQLITE_READONLY || (rc & 0xff) == SQLITE_CANTOPEN || (rc & 0xff) == SQLITE_PERM)
			f->advice = "check owner and mode of state_directory, and how it is mounted";
	}
}

int cache_fail(struct cache *c, int rc)
{
	note_failure(c, rc, errno);
	c->damaged = c->damaged || (rc & 0xff) == SQLITE_CORRUPT || (rc & 0xff) == SQLITE_NOTADB;
	/* SQLite has rolled back by itself, as it may even when it cannot read */
	if (c->began && sqlite3_get_autocommit(c->db) != 0) {
		c->began = false;
		c->lost = true;
		c->losses++;
		c->batch = 0;
	}
	return (rc & 0xff) == SQLITE_CONSTRAINT ? -EEXIST : -EIO;
}

sqlite3_stmt *cache_statement(struct cache *c, enum statement s)
{
	int rc;

	/* what is there when it fails is its own */
	errno = 0;
	if (c->st[s] == NULL) {
		rc = sqlite3_prepare_v3(c->db, cache_sql(s), -1, SQLITE_PREPARE_PERSISTENT, &c->st[s], NULL);
		if (rc != SQLITE_OK) {
			(void)cache_fail(c, rc);
			return NULL;
		}
	}
	(void)sqlite3_reset(c->st[s]);
	(void)sqlite3_clear_bindings(c->st[s]);
	errno = 0;
	return c->st[s];
}

static int exec(struct cache *c, sqlite3_stmt *st)
{
	int rc = sqlite3_step(st), e = 0;

	if (rc != SQLITE_DONE)
		e = cache_fail(c, rc);
	(void)sqlite3_reset(st);
	return e;
}

static int run(struct cache *c, enum statement s)
{
	sqlite3_stmt *st = cache_statement(c, s);

	return st != NULL ? exec(c, st) : -EIO;
}

/* The error that made us roll back is the one to report. */
static void roll_back(struct cache *c)
{
	struct cache_failure first = c->failure;

	c->began = false;
	if (sqlite3_get_autocommit(c->db) == 0)
		(void)run(c, SQL_ROLLBACK);
	c->failure = first;
}

/* After each commit. */
static int on_log(void *arg, sqlite3 *db, const char *name, int pages)
{
	struct cache *c = arg;

	(void)db;
	(void)name;
	c->log_pages = pages;
	return SQLITE_OK;
}

/* Takes what is in the log into the file, when it is much: not in the turn of the commit, which has waited for the disk already. What
 * cannot be taken now stays in the log. */
static void shorten_log(struct cache *c)
{
	if (c->log_pages < LOG_PAGES)
		return;
	(void)sqlite3_wal_checkpoint_v2(c->db, "main", SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	c->log_pages = 0;
}

int cache_write(struct cache *c, sqlite3_stmt *st)
{
	int e = 0;

	if (sqlite3_get_autocommit(c->db) != 0) {
		shorten_log(c);
		e = run(c, SQL_BEGIN);
		c->began = e == 0;
	}
	if (e == 0)
		e = exec(c, st);
	if (e == -EEXIST)
		return e;
	if (e < 0) {
		roll_back(c);
		c->lost = true;
		c->losses++;
		c->batch = 0;
		return e;
	}
	return ++c->batch >= CACHE_BATCH_ROWS && !c->whole ? cache_flush(c) : 0;
}

int cache_flush(struct cache *c)
{
	int e = 0;

	if (sqlite3_get_autocommit(c->db) == 0)
		e = run(c, SQL_COMMIT);
	if (e < 0) {
		roll_back(c);
		c->losses++;
	}
	if (c->lost)
		e = -EIO;
	c->began = c->lost = c->whole = false;
	c->batch = 0;
	return e;
}

unsigned cache_losses(const struct cache *c)
{
	return c->losses;
}

uint64_t cache_edits(const struct cache *c)
{
	return c->edits + c->losses;
}

int cache_whole(struct cache *c)
{
	c->lost = cache_flush(c) < 0;
	c->whole = !c->lost;
	return c->lost ? -EIO : 0;
}

void cache_abandon(struct cache *c)
{
	roll_back(c);
	c->edits++;
	c->lost = c->whole = false;
	c->batch = 0;
}

int cache_trial(struct cache *c)
{
	sqlite3_stmt *st = cache_statement(c, SQL_TRIAL_WRITE);
	int e;

	if (st == NULL)
		return -EIO;
	(void)sqlite3_bind_int(st, 1, TRIAL_BYTES);
	e = cache_write(c, st);
	if (e == 0)
		e = cache_flush(c);
	st = e == 0 ? cache_statement(c, SQL_TRIAL_CLEAR) : NULL;
	if (st == NULL || cache_write(c, st) < 0)
		e = -EIO;
	/* what a failed write has lost is told by this, not by the next flush */
	return cache_flush(c) < 0 ? -EIO : e;
}

void cache_blame(struct cache *c)
{
	c->failure = (struct cache_failure){ .cause = "it holds what was never written" };
	c->damaged = true;
}

bool cache_is_damaged(const struct cache *c)
{
	return c->damaged;
}

const char *cache_error(struct cache *c)
{
	const struct cache_failure *f = &c->failure;
	char *text;

	text = xasprintf("%s%s" CACHE_FILE ": %s%s%s", c->directory != NULL ? c->directory : "", c->directory != NULL ? "/" : "",
			     f->cause, f->advice != NULL ? "; " : "", f->advice != NULL ? f->advice : "");
	/* asked for twice it is the same text, and stays where it is */
	if (c->error != NULL && strcmp(c->error, text) == 0) {
		free(text);
	} else {
		free(c->error);
		c->error = text;
	}
	return c->error;
}

const uint8_t *cache_key(const struct cache *c)
{
	return c->key;
}

struct cache *cache_close(struct cache *c)
{
	if (c == NULL)
		return NULL;
	if (c->db != NULL)
		(void)cache_flush(c);
	for (size_t i = 0; i < SQL_STATEMENTS; i++)
		(void)sqlite3_finalize(c->st[i]);
	(void)sqlite3_close(c->db);
	cache_stage_close(c);
	secret_zero(c->key, sizeof(c->key));
	pack_free(c->pack);
	free(c->directory);
	free(c->error);
	free(c);
	return NULL;
}

static int execute(sqlite3 *db, const char *text)
{
	return sqlite3_exec(db, text, NULL, NULL, NULL);
}

int cache_execute(struct cache *c, const char *text)
{
	int rc;

	errno = 0;
	rc = execute(c->db, text);
	if (rc != SQLITE_OK)
		(void)cache_fail(c, rc);
	return rc;
}

static int query_int(struct cache *c, const char *text, int *ret)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(c->db, text, -1, &st, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	if (rc == SQLITE_ROW) {
		*ret = sqlite3_column_int(st, 0);
		rc = SQLITE_OK;
	} else {
		(void)cache_fail(c, rc);
	}
	(void)sqlite3_finalize(st);
	return rc;
}

static int read_key(struct cache *c)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(c->db, "SELECT key FROM meta", -1, &st, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	if (rc == SQLITE_ROW && sqlite3_column_bytes(st, 0) == DIGEST_KEY_LEN) {
		memcpy(c->key, sqlite3_column_blob(st, 0), DIGEST_KEY_LEN);
		rc = SQLITE_OK;
	} else {
		rc = rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_CORRUPT : rc;
		(void)snprintf(c->failure.cause, sizeof(c->failure.cause), "it has no key: %s", sqlite3_errstr(rc));
	}
	(void)sqlite3_finalize(st);
	return rc;
}

static char *column_dup(sqlite3_stmt *st, int at)
{
	const unsigned char *s = sqlite3_column_text(st, at);

	return s != NULL ? xstrdup((const char *)s) : NULL;
}

/* Everything that the database is made of, in words; NULL when it cannot be read. */
static char *schema_of(sqlite3 *db)
{
	static const char text[] = "SELECT group_concat(text, char(10)) FROM (SELECT type || ' ' || name || ' ' || coalesce(sql, '') AS text "
				  "FROM sqlite_schema ORDER BY type, name)";
	sqlite3_stmt *st = NULL;
	char *schema = NULL;

	if (sqlite3_prepare_v2(db, text, -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
		schema = column_dup(st, 0);
	(void)sqlite3_finalize(st);
	return schema;
}

/* Whether the schema is ours to the letter: every statement fits it, and nothing in it acts by itself that is not ours. The same
 * codes as migrate(). */
static int check_schema(struct cache *c)
{
	_cleanup_free_ char *is = schema_of(c->db), *ours = NULL;
	sqlite3 *fresh = NULL;
	int rc = sqlite3_open_v2(":memory:", &fresh, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);

	for (int v = 0; v < CACHE_VERSION && rc == SQLITE_OK; v++)
		rc = execute(fresh, cache_schemas[v]);
	if (rc == SQLITE_OK)
		ours = schema_of(fresh);
	(void)sqlite3_close(fresh);
	if (is == NULL || ours == NULL) {
		rc = sqlite3_errcode(c->db) != SQLITE_OK ? sqlite3_extended_errcode(c->db) : rc != SQLITE_OK ? rc : SQLITE_NOMEM;
		return cache_fail(c, rc), rc;
	}
	if (strcmp(is, ours) == 0)
		return SQLITE_OK;
	(void)snprintf(c->failure.cause, sizeof(c->failure.cause), "it has other tables, indexes or triggers than this program makes");
	return SQLITE_NOTADB;
}

/* Brings an open file to our version. SQLITE_OK; SQLITE_NOTADB for a newer one; any other error as it is. */
static int migrate(struct cache *c)
{
	int version = 0, rc = query_int(c, "PRAGMA user_version", &version);

	if (rc != SQLITE_OK)
		return rc;
	if (version < 0) {
		(void)snprintf(c->failure.cause, sizeof(c->failure.cause), "its version is %d", version);
		return SQLITE_NOTADB;
	}
	if (version > CACHE_VERSION) {
		(void)snprintf(c->failure.cause, sizeof(c->failure.cause), "its version %d is newer than this program's %d",
			       version, CACHE_VERSION);
		return SQLITE_NOTADB;
	}
	if (version < CACHE_VERSION) {
		rc = cache_execute(c, "BEGIN IMMEDIATE");
		for (; version < CACHE_VERSION && rc == SQLITE_OK; version++)
			rc = cache_execute(c, cache_schemas[version]);
		if (rc == SQLITE_OK)
			rc = cache_execute(c, "COMMIT");
		if (rc != SQLITE_OK)
			return rc;
	}
	rc = check_schema(c);
	return rc == SQLITE_OK ? read_key(c) : rc;
}

static int open_file(const char *path, struct cache **ret)
{
	struct cache *c = xcalloc(1, sizeof(*c));
	int rc = sqlite3_open_v2(path, &c->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);

	*ret = c;
	c->pack = pack_new(cache_pieces);
	cache_stage_init(c, path);
	if (rc != SQLITE_OK)
		return cache_fail(c, rc), rc;
	(void)sqlite3_extended_result_codes(c->db, 1);
	/* exclusive before WAL: no shared memory file is made, so that network volumes work */
	rc = cache_execute(c, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
		    "PRAGMA cache_size = -8192; PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF;");
	(void)sqlite3_wal_hook(c->db, on_log, c);
	/* takes the lock now, not at the first write, so that a second daemon is told at its start */
	if (rc == SQLITE_OK)
		rc = cache_execute(c, "BEGIN EXCLUSIVE; COMMIT");
	return rc == SQLITE_OK ? migrate(c) : rc;
}

static bool is_damage(int rc)
{
	return (rc & 0xff) == SQLITE_CORRUPT || (rc & 0xff) == SQLITE_NOTADB || (rc & 0xff) == SQLITE_ERROR;
}

static int set_aside(const char *path, int64_t now, char **ret_name)
{
	struct tm tm;
	time_t t = now;
	char stamp[32];
	static const char *const tails[] = { "-wal", "-shm" };

	if (gmtime_r(&t, &tm) == NULL || strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm) == 0)
		return -EINVAL;
	*ret_name = xasprintf("%s.damaged-%s", path, stamp);
	if (rename(path, *ret_name) < 0)
		return -errno;
	for (size_t i = 0; i < ELEMENTSOF(tails); i++) {
		_cleanup_free_ char *from = xasprintf("%s%s", path, tails[i]), *to = xasprintf("%s%s", *ret_name, tails[i]);

		(void)rename(from, to);
	}
	return 0;
}

int cache_set_aside(const char *directory, int64_t now, char **ret_notice)
{
	_cleanup_free_ char *path = xasprintf("%s/" CACHE_FILE, directory), *aside = NULL;
	int e = set_aside(path, now, &aside);

	if (e == 0)
		*ret_notice = xasprintf("%s turned out to be damaged; it is kept as %s and the state is rebuilt", path, aside);
	else
		*ret_notice = xasprintf("%s is damaged and cannot be set aside: %s; remove it", path, strerror(-e));
	return e;
}

int cache_open(const char *directory, int64_t now, struct cache **ret, char **ret_notice)
{
	_cleanup_free_ char *path = xasprintf("%s/" CACHE_FILE, directory), *aside = NULL;
	char cause[sizeof((*ret)->failure.cause)];
	mode_t old = umask(0077);
	int rc = open_file(path, ret), e = 0;

	*ret_notice = NULL;
	if (rc != SQLITE_OK && is_damage(rc)) {
		memcpy(cause, (*ret)->failure.cause, sizeof(cause));
		*ret = cache_close(*ret);
		e = set_aside(path, now, &aside);
		if (e == 0) {
			*ret_notice = xasprintf("%s was unusable (%s); it is kept as %s and the state is rebuilt", path, cause,
						aside);
			rc = open_file(path, ret);
		}
	}
	(void)umask(old);
	if (rc == SQLITE_OK) {
		(*ret)->directory = xstrdup(directory);
		return 0;
	}
	free(*ret_notice);
	if ((rc & 0xff) == SQLITE_BUSY || (rc & 0xff) == SQLITE_LOCKED) {
		e = -EBUSY;
		*ret_notice = xasprintf("%s is in use by another adosyncd; give each daemon its own state_directory", path);
	} else {
		*ret_notice = xasprintf("%s cannot be opened: %s; check state_directory, its owner and the free space", path,
					e < 0 ? strerror(-e) : *ret != NULL ? (*ret)->failure.cause : sqlite3_errstr(rc));
		e = -EIO;
	}
	*ret = cache_close(*ret);
	return e;
}

/* SQLite's exclusive lock stands on these bytes of the file; reading it under another daemon would tear. */
static bool locked_by_another(int fd)
{
	struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 0x40000000, .l_len = 512 };

	return fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

static int copy_file(const char *from, const char *to)
{
	int in = open(from, O_RDONLY | O_CLOEXEC), out, e = 0;
	char buf[1 << 16];
	ssize_t n;

	if (in < 0)
		return -errno;
	if (locked_by_another(in)) {
		close(in);
		return -EBUSY;
	}
	out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (out < 0)
		e = -errno;
	while (e == 0 && (n = read(in, buf, sizeof(buf))) != 0)
		if (n < 0 || write(out, buf, (size_t)n) != n)
			e = -EIO;
	close(in);
	if (out >= 0 && close(out) < 0)
		e = -EIO;
	return e;
}

/* A copy that is unusable is replaced by an empty one: what a start would do, without leaving anything behind. */
static int open_copied(const char *dir, struct cache **ret, char **ret_notice)
{
	_cleanup_free_ char *path = xasprintf("%s/" CACHE_FILE, dir), *wal = xasprintf("%s/" CACHE_FILE "-wal", dir);
	int rc = open_file(path, ret);

	if (rc != SQLITE_OK && is_damage(rc)) {
		*ret_notice = xasprintf("the cache is unusable (%s); the plan starts without it", (*ret)->failure.cause);
		*ret = cache_close(*ret);
		(void)unlink(path);
		(void)unlink(wal);
		rc = open_file(path, ret);
	}
	/* while there is a directory for it */
	if (rc == SQLITE_OK)
		rc = cache_stage_open(*ret);
	if (rc == SQLITE_OK)
		return 0;
	free(*ret_notice);
	*ret_notice = xasprintf("%s cannot be opened: %s; check the free space of TMPDIR", path, (*ret)->failure.cause);
	*ret = cache_close(*ret);
	return -EIO;
}

int cache_open_copy(const char *directory, struct cache **ret, char **ret_notice)
{
	const char *tmp = getenv("TMPDIR");
	_cleanup_free_ char *dir = xasprintf("%s/adosyncd-plan-XXXXXX", tmp != NULL ? tmp : "/tmp");
	static const char *const names[] = { CACHE_FILE, CACHE_FILE "-wal" };
	int e = 0;

	*ret_notice = NULL;
	if (mkdtemp(dir) == NULL) {
		*ret_notice = xasprintf("%s cannot be made: %s; set TMPDIR to a directory that can be written", dir,
					strerror(errno));
		return -EIO;
	}
	for (size_t i = 0; i < ELEMENTSOF(names) && e == 0; i++) {
		_cleanup_free_ char *from = xasprintf("%s/%s", directory, names[i]), *to = xasprintf("%s/%s", dir, names[i]);

		e = copy_file(from, to);
		e = e == -ENOENT ? 0 : e;
	}
	if (e == 0)
		e = open_copied(dir, ret, ret_notice);
	else
		*ret_notice = e == -EBUSY ? xasprintf("%s is in use by a running adosyncd; stop it for a --dry-run, or give "
						      "the dry run a configuration with another state_directory",
						      directory)
					  : xasprintf("the cache in %s cannot be read: %s", directory, strerror(-e));
	/* the open file lives on without its name */
	for (size_t i = 0; i < ELEMENTSOF(names); i++) {
		_cleanup_free_ char *to = xasprintf("%s/%s", dir, names[i]);

		(void)unlink(to);
	}
	(void)rmdir(dir);
	return e;
}

int64_t cache_bytes(const struct cache *c)
{
	static const char *const names[] = { CACHE_FILE, CACHE_FILE "-wal" };
	int64_t bytes = 0;
	struct stat st;

	for (size_t i = 0; c->directory != NULL && i < ELEMENTSOF(names); i++) {
		_cleanup_free_ char *path = xasprintf("%s/%s", c->directory, names[i]);

		if (stat(path, &st) == 0)
			bytes += st.st_size;
	}
	return bytes;
}

static void column_digest(sqlite3_stmt *st, int at, struct digest *ret)
{
	*ret = (struct digest){ 0 };
	if (sqlite3_column_bytes(st, at) == DIGEST_LEN)
		memcpy(ret->b, sqlite3_column_blob(st, at), DIGEST_LEN);
}

static int instance_get(struct cache *c, const char *name, struct cache_instance *ret)
{
	sqlite3_stmt *st = cache_statement(c, SQL_INSTANCE_GET);
	int rc;

	if (st == NULL)
		return -EIO;
	(void)sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
	rc = sqlite3_step(st);
	if (rc != SQLITE_ROW) {
		(void)sqlite3_reset(st);
		return rc == SQLITE_DONE ? -ENOENT : cache_fail(c, rc);
	}
	*ret = (struct cache_instance){
		.id = sqlite3_column_int64(st, 0),
		.konnect_id = column_dup(st, 1),
		.ack = column_dup(st, 2),
		.resource_type = column_dup(st, 3),
		.resource_keys = column_dup(st, 4),
		.last_poll = sqlite3_column_int64(st, 7),
		.last_complete = sqlite3_column_int64(st, 8),
		.next_poll = sqlite3_column_int64(st, 9),
		.state = sqlite3_column_int(st, 10),
		.state_since = sqlite3_column_int64(st, 11),
		.attempts = (uint32_t)sqlite3_column_int64(st, 12),
		.verdict = sqlite3_column_int(st, 13),
		.expiry = { .date = sqlite3_column_int64(st, 14), .days = sqlite3_column_int64(st, 15) },
		.reminded = sqlite3_column_int64(st, 16),
		.last_reconcile = sqlite3_column_int64(st, 17),
		.replaced = sqlite3_column_int64(st, 19),
		.credential = column_dup(st, 20),
		.withdrawn = sqlite3_column_int(st, 21) != 0,
		.discovers = (sqlite3_column_int(st, 22) & FLAG_DISCOVERS) != 0,
		.takes_config = (sqlite3_column_int(st, 22) & FLAG_TAKES_CONFIG) != 0,
		.asked = (sqlite3_column_int(st, 22) & FLAG_ASKED) != 0,
		.unconfigured = (sqlite3_column_int(st, 22) & FLAG_UNCONFIGURED) != 0,
	};
	column_digest(st, 5, &ret->config);
	column_digest(st, 6, &ret->secret);
	column_digest(st, 18, &ret->shared);
	(void)sqlite3_reset(st);
	return 0;
}

int cache_instance_find(struct cache *c, const char *name, struct cache_instance *ret)
{
	return instance_get(c, name, ret);
}

int cache_instance_load(struct cache *c, const char *name, struct cache_instance *ret)
{
	int e = instance_get(c, name, ret);
	sqlite3_stmt *st;

	if (e != -ENOENT)
		return e;
	st = cache_statement(c, SQL_INSTANCE_ADD);
	if (st == NULL)
		return -EIO;
	(void)sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
	if (cache_write(c, st) < 0)
		return -EIO;
	return instance_get(c, name, ret) == 0 ? 0 : -EIO;
}

int cache_instance_save(struct cache *c, const struct cache_instance *i)
{
	sqlite3_stmt *st = cache_statement(c, SQL_INSTANCE_SAVE);
	const char *texts[] = { i->konnect_id, i->ack, i->resource_type, i->resource_keys };

	if (st == NULL)
		return -EIO;
	(void)sqlite3_bind_int64(st, 1, i->id);
	for (int k = 0; k < 4; k++)
		if (texts[k] != NULL)
			(void)sqlite3_bind_text(st, 2 + k, texts[k], -1, SQLITE_STATIC);
	(void)sqlite3_bind_blob(st, 6, i->config.b, DIGEST_LEN, SQLITE_STATIC);
	(void)sqlite3_bind_blob(st, 7, i->secret.b, DIGEST_LEN, SQLITE_STATIC);
	(void)sqlite3_bind_int64(st, 8, i->last_poll);
	(void)sqlite3_bind_int64(st, 9, i->last_complete);
	(void)sqlite3_bind_int64(st, 10, i->next_poll);
	(void)sqlite3_bind_int(st, 11, i->state);
	(void)sqlite3_bind_int64(st, 12, i->state_since);
	(void)sqlite3_bind_int64(st, 13, i->attempts);
	(void)sqlite3_bind_int(st, 14, i->verdict);
	(void)sqlite3_bind_int64(st, 15, i->expiry.date);
	(void)sqlite3_bind_int64(st, 16, i->expiry.days);
	(void)sqlite3_bind_int64(st, 17, i->reminded);
	(void)sqlite3_bind_int64(st, 18, i->last_reconcile);
	(void)sqlite3_bind_blob(st, 19, i->shared.b, DIGEST_LEN, SQLITE_STATIC);
	(void)sqlite3_bind_int64(st, 20, i->replaced);
	if (i->credential != NULL)
		(void)sqlite3_bind_text(st, 21, i->credential, -1, SQLITE_STATIC);
	(void)sqlite3_bind_int(st, 22, i->withdrawn);
	(void)sqlite3_bind_int(st, 23, (i->discovers ? FLAG_DISCOVERS : 0) | (i->takes_config ? FLAG_TAKES_CONFIG : 0) |
					 (i->asked ? FLAG_ASKED : 0) | (i->unconfigured ? FLAG_UNCONFIGURED : 0));
	return cache_write(c, st);
}

int cache_instance_next(struct cache *c, const char *after, char **ret)
{
	sqlite3_stmt *st = cache_statement(c, SQL_INSTANCE_NEXT);
	int rc;

	if (st == NULL)
		return -EIO;
	(void)sqlite3_bind_text(st, 1, after, -1, SQLITE_STATIC);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		*ret = column_dup(st, 0);
	(void)sqlite3_reset(st);
	return rc == SQLITE_ROW ? 0 : rc == SQLITE_DONE ? -ENOENT : cache_fail(c, rc);
}

int cache_token_expiry_load(struct cache *c, struct expiry *ret)
{
	sqlite3_stmt *st = cache_statement(c, SQL_TOKEN_GET);
	int rc;

	if (st == NULL)
		return -EIO;
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		*ret = (struct expiry){ .date = sqlite3_column_int64(st, 0), .days = sqlite3_column_int64(st, 1) };
	(void)sqlite3_reset(st);
	return rc == SQLITE_ROW ? 0 : cache_fail(c, rc);
}

int cache_token_expiry_save(struct cache *c, const struct expiry *e)
{
	sqlite3_stmt *st = cache_statement(c, SQL_TOKEN_SAVE);

	if (st == NULL)
		return -EIO;
	(void)sqlite3_bind_int64(st, 1, e->date);
	(void)sqlite3_bind_int64(st, 2, e->days);
	return cache_write(c, st);
}

void cache_instance_done(struct cache_instance *i)
{
	free(i->konnect_id);
	free(i->ack);
	free(i->resource_type);
	free(i->resource_keys);
	free(i->credential);
	*i = (struct cache_instance){ 0 };
}

void cache_relax(struct cache *c)
{
	(void)sqlite3_db_release_memory(c->db);
}
