/* Keeps the answers, so that a cut of power costs as many requests again as are in flight, and no more. */
#include "floor.h"

#include <sqlite3.h>

static struct {
	sqlite3 *db;
	sqlite3_stmt *save;
	int kept, at_once;
} keep;

static void sql(const char *text)
{
	if (sqlite3_exec(keep.db, text, NULL, NULL, NULL) != SQLITE_OK)
		floor_fail("%s: %s", text, sqlite3_errmsg(keep.db));
}

void floor_keep_open(const struct floor_options *o)
{
	if (keep.db != NULL)
		return;
	if (sqlite3_open(o->answers, &keep.db) != SQLITE_OK)
		floor_fail("%s: %s", o->answers, sqlite3_errmsg(keep.db));
	sql("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
	    "CREATE TABLE answer(id INTEGER PRIMARY KEY, text BLOB NOT NULL); BEGIN");
	if (sqlite3_prepare_v2(keep.db, "INSERT INTO answer(text) VALUES(?1)", -1, &keep.save, NULL) != SQLITE_OK)
		floor_fail("prepare: %s", sqlite3_errmsg(keep.db));
	keep.at_once = o->in_flight;
}

void floor_keep(const char *text, size_t n)
{
	if (keep.db == NULL)
		return;
	(void)sqlite3_bind_blob(keep.save, 1, text, (int)n, SQLITE_STATIC);
	if (sqlite3_step(keep.save) != SQLITE_DONE)
		floor_fail("save: %s", sqlite3_errmsg(keep.db));
	(void)sqlite3_reset(keep.save);
	if (++keep.kept % keep.at_once == 0)
		sql("COMMIT; BEGIN");
}

void floor_keep_done(void)
{
	if (keep.db == NULL)
		return;
	sql("COMMIT");
	(void)sqlite3_finalize(keep.save);
	(void)sqlite3_close(keep.db);
}
