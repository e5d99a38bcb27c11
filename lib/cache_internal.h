/* What the files of the cache share. */
#pragma once

#include <sqlite3.h>

#include "cache.h"

enum statement {
	SQL_BEGIN,
	SQL_COMMIT,
	SQL_ROLLBACK,
	SQL_INSTANCE_ADD,
	SQL_INSTANCE_GET,
	SQL_INSTANCE_SAVE,
	SQL_INSTANCE_NEXT,
	SQL_TOKEN_GET,
	SQL_TOKEN_SAVE,
	SQL_ROW_BY_GUID,
	SQL_ROW_BY_ID,
	SQL_ROW_ADD,
	SQL_ROW_UPDATE,
	SQL_ROW_UPDATE_REST,
	SQL_ROW_ANSWERED,
	SQL_REMOVED_SINCE,
	SQL_NAME_TAKEN,
	SQL_PENDING_ANY,
	SQL_PENDING_HELD,
	SQL_UNPARK,
	SQL_HAS_MAPPING,
	SQL_FORGET,
	SQL_COUNTS,
	SQL_KNOWN,
	SQL_NAMES,
	SQL_RAW,
	SQL_ROW_NEXT,
	SQL_PROJECT_NEXT,
	SQL_ROW_BY_SERVICE,
	SQL_ROW_BY_SERVICE_NAME,
	SQL_LAST_ID,
	SQL_MISSING_NEXT,
	SQL_PARKED_NEXT,
	SQL_STAGE_CLEAR,
	SQL_STAGE_ADD,
	SQL_STAGED,
	SQL_STAGE_ATTACH,
	SQL_STAGE_DETACH,
	SQL_STAGE_PAGES,
	SQL_STAGE_OTHERS,
	SQL_TRIAL_WRITE,
	SQL_TRIAL_CLEAR,
	SQL_STATEMENTS,
};

/* What went wrong, and what is to be done about it besides looking at the file, or NULL. */
struct cache_failure {
	char cause[256];
	const char *advice;
};

struct cache {
	sqlite3 *db;
	sqlite3_stmt *st[SQL_STATEMENTS];
	uint8_t key[DIGEST_KEY_LEN];
	struct pack *pack;	/* of the rows' documents */
	char *directory;	/* of state; NULL for a copy that has no name any more */
	char *stage_path;	/* see cache_stage.c, as for the next three */
	bool has_stage;
	int stage_fd;		/* of its file, or -1 */
	int spent_fd;		/* of one that was used before, or -1 */
	struct cache_failure failure;	/* the last one */
	char *error;		/* in words, made when it is asked for */
	unsigned batch;		/* rows written since the last flush */
	int log_pages;		/* written since the log was taken into the file */
	bool began;		/* a transaction */
	bool whole;		/* the batch does not end by itself */
	bool damaged;		/* the file has proven so */
	uint64_t edits;		/* see cache_edits() */
	unsigned losses;	/* batches that failed since it was opened */
	bool lost;		/* that batch failed: it has to be reported by the next flush */
};

/* The statements that make each version of the file out of the one before it; the first makes it out of nothing. */
#define CACHE_VERSION 5
extern const char *const cache_schemas[CACHE_VERSION];

/* What the document of a row is packed with, besides the row's own texts; see cache_rows.c. */
extern const char cache_pieces[];

/* What is staged, in a database of that name. */
extern const char cache_stage_schema[];

/* The text of a statement. */
const char *cache_sql(enum statement s);

/* The statement, reset and ready to be bound; NULL with c->error set when it cannot be prepared. */
sqlite3_stmt *cache_statement(struct cache *c, enum statement s);

/* Steps a statement that writes, within the batch. 0, -EEXIST on a constraint, -EIO. */
int cache_write(struct cache *c, sqlite3_stmt *st);

/* Notes the error of the database. -EIO, or -EEXIST for a constraint. */
int cache_fail(struct cache *c, int rc);

/* Runs statements that nothing is bound to. SQLITE_OK, or the code of the failure, which is noted. */
int cache_execute(struct cache *c, const char *text);

/* The one number that a statement gives; NULL is one that could not be prepared, to which SQLite binds nothing. 0 or -EIO. */
int cache_read_number(struct cache *c, sqlite3_stmt *st, int64_t *ret);

/* Runs a statement that deletes at most CACHE_STEP_ROWS rows of an instance. 1 when there may be more, 0 at the end, -EIO. */
int cache_delete_some(struct cache *c, enum statement s, int64_t instance);

/* The listed fields of a repository, from that place on; the place after them. Texts that are bound are borrowed, those that are
 * read are the caller's. */
int cache_bind_repo(sqlite3_stmt *st, int at, const struct repo *r);
int cache_column_repo(sqlite3_stmt *st, int at, struct repo *r);

/* Zeros for what is not a blob of 16 bytes. */
void cache_column_blob16(sqlite3_stmt *st, int at, uint8_t ret[16]);

/* The path of the cache's file says where that of what is staged will be. */
void cache_stage_init(struct cache *c, const char *file);

/* Once the database is closed. */
void cache_stage_close(struct cache *c);

/* Makes the file of what is staged, if there is none yet. SQLITE_OK, or the code of the failure, which is noted. */
int cache_stage_open(struct cache *c);
