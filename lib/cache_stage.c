/* What a listing brings waits here until the listing is complete. Nobody would miss it, so it has a file of its own, which has no name
 * once it is open, and nobody waits until it is on the disk. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache_internal.h"
#include "limits.h"
#include "util.h"

/* So many pages are kept for the next listing. */
#define STAGE_PAGES_KEPT 256

/* So much of a file without a name is given back in one turn: the kernel takes its time over a large one. */
#define STAGE_STEP_BYTES ((off_t)4 << 20)

/* Of a listing: whose names meet, the first of them is to have the plain one, and so few are soon written in any order. Those after them
 * come by the first byte of the GUID, so that the index of these is written from its one end to the other, and not all over with each. */
#define STAGE_IN_ORDER 2000

/* So many rows take as long as one that goes to the disk. */
#define STAGE_ROWS_A_ROW 8

static int detach(struct cache *c)
{
	sqlite3_stmt *st = cache_statement(c, SQL_STAGE_DETACH);
	int rc = sqlite3_step(st);

	(void)sqlite3_reset(st);
	c->has_stage = c->has_stage && rc != SQLITE_DONE;
	return rc == SQLITE_DONE ? 0 : -EIO;
}

static int attach(struct cache *c)
{
	sqlite3_stmt *st = cache_statement(c, SQL_STAGE_ATTACH);
	mode_t old = umask(0077);
	int rc;

	(void)unlink(c->stage_path);
	(void)sqlite3_bind_text(st, 1, c->stage_path, -1, SQLITE_STATIC);
	rc = sqlite3_step(st);
	if (rc != SQLITE_DONE)
		(void)cache_fail(c, rc);
	(void)sqlite3_reset(st);
	if (rc == SQLITE_DONE) {
		rc = cache_execute(c, cache_stage_schema);
		if (rc != SQLITE_OK)
			(void)detach(c);
	}
	(void)umask(old);
	c->has_stage = rc == SQLITE_OK;
	/* that it is still there when SQLite has closed it */
	c->stage_fd = c->has_stage ? open(c->stage_path, O_WRONLY | O_CLOEXEC) : -1;
	(void)unlink(c->stage_path);
	return rc;
}

static void close_file(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

/* Gives back a part of the file that was used before. */
static void give_back(struct cache *c)
{
	struct stat st;

	if (fstat(c->spent_fd, &st) < 0 || st.st_size <= STAGE_STEP_BYTES ||
	    ftruncate(c->spent_fd, st.st_size - STAGE_STEP_BYTES) < 0)
		close_file(&c->spent_fd);
}

void cache_stage_close(struct cache *c)
{
	close_file(&c->stage_fd);
	close_file(&c->spent_fd);
	free(c->stage_path);
}

void cache_stage_init(struct cache *c, const char *file)
{
	c->stage_path = xasprintf("%s-stage", file);
	c->stage_fd = c->spent_fd = -1;
}

int cache_stage_open(struct cache *c)
{
	if (c->has_stage)
		return SQLITE_OK;
	/* within a transaction nothing can be attached */
	if (cache_flush(c) < 0)
		return SQLITE_IOERR;
	return attach(c);
}

/* The number that a statement about an instance gives. 0 or -EIO. */
static int ask(struct cache *c, enum statement s, int64_t instance, int64_t *ret)
{
	sqlite3_stmt *st = cache_statement(c, s);

	if (st != NULL && sqlite3_bind_parameter_count(st) > 0)
		(void)sqlite3_bind_int64(st, 1, instance);
	return cache_read_number(c, st, ret);
}

/* Whether all of it can go in one piece: it has become large, and nobody else has anything in it. 1, 0, -EIO. */
static int is_spent(struct cache *c, int64_t instance)
{
	int64_t pages = 0, others = 0;

	/* a copy has no directory for another file */
	if (c->directory == NULL || c->whole)
		return 0;
	if (ask(c, SQL_STAGE_PAGES, instance, &pages) < 0)
		return -EIO;
	if (pages <= STAGE_PAGES_KEPT)
		return 0;
	return ask(c, SQL_STAGE_OTHERS, instance, &others) < 0 ? -EIO : others == 0;
}

/* What is wrong with this file is no reason to give up the cache: every listing under way fails, and another file takes its place.
 * damaged: whether the cache was before. -EIO. */
static int failed(struct cache *c, bool damaged)
{
	if (!c->damaged || damaged)
		return -EIO;
	c->damaged = false;
	(void)cache_flush(c);
	c->losses++;
	if (detach(c) == 0)
		close_file(&c->stage_fd);
	return -EIO;
}

int cache_stage_clear_some(struct cache *c, int64_t instance)
{
	bool damaged = c->damaged;
	int r;

	if (c->spent_fd >= 0) {
		/* whoever used it: the instance's own rows are looked at in the next turn */
		give_back(c);
		return 1;
	}
	if (!c->has_stage)
		return 0;
	r = is_spent(c, instance);
	if (r == 0)
		r = cache_delete_some(c, SQL_STAGE_CLEAR, instance);
	else if (r > 0 && (cache_flush(c) < 0 || detach(c) < 0))
		r = -EIO;
	if (r < 0)
		return failed(c, damaged);
	if (!c->has_stage) {
		c->spent_fd = c->stage_fd;
		c->stage_fd = -1;
		/* whoever needs it next is told if there is no room for another one */
		(void)attach(c);
	}
	return r;
}

int cache_stage_add(struct cache *c, int64_t instance, uint32_t nth, const struct repo *r, const struct digest *raw)
{
	int64_t group = nth <= STAGE_IN_ORDER ? 0 : 1 + r->guid[0];
	sqlite3_stmt *st = cache_stage_open(c) == SQLITE_OK ? cache_statement(c, SQL_STAGE_ADD) : NULL;
	bool damaged = c->damaged;
	int at, e;

	if (st == NULL)
		return -EIO;
	(void)sqlite3_bind_int64(st, 1, instance);
	(void)sqlite3_bind_int64(st, 2, group << 32 | nth);
	at = cache_bind_repo(st, 3, r);
	(void)sqlite3_bind_blob(st, at, raw->b, DIGEST_LEN, SQLITE_STATIC);
	e = cache_write(c, st);
	if (c->batch > 0 && nth % STAGE_ROWS_A_ROW != 0)
		c->batch--;
	return e < 0 ? failed(c, damaged) : 0;
}

int cache_stage_next(struct cache *c, int64_t instance, int64_t *cursor, struct repo *ret, struct digest *ret_raw)
{
	sqlite3_stmt *st = c->has_stage ? cache_statement(c, SQL_STAGED) : NULL;
	bool damaged = c->damaged;
	int rc, at;

	if (st == NULL)
		return c->has_stage ? -EIO : -ENOENT;
	(void)sqlite3_bind_int64(st, 1, instance);
	(void)sqlite3_bind_int64(st, 2, *cursor);
	rc = sqlite3_step(st);
	if (rc != SQLITE_ROW) {
		if (rc == SQLITE_DONE) {
			(void)sqlite3_reset(st);
			return -ENOENT;
		}
		(void)cache_fail(c, rc);
		(void)sqlite3_reset(st);
		return failed(c, damaged);
	}
	*cursor = sqlite3_column_int64(st, 0);
	at = cache_column_repo(st, 1, ret);
	cache_column_blob16(st, at, ret_raw->b);
	(void)sqlite3_reset(st);
	return 0;
}
