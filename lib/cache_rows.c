/* The repositories of the cache. */
#include <errno.h>
#include <string.h>

#include "cache_internal.h"
#include "limits.h"
#include "pack.h"
#include "util.h"

enum { FLAG_DISABLED = 1, FLAG_MAINTENANCE = 2, FLAG_FORK = 4 };

static const struct digest no_digest;

static void bind_text(sqlite3_stmt *st, int at, const char *s)
{
	if (s != NULL)
		(void)sqlite3_bind_text(st, at, s, -1, SQLITE_STATIC);
	else
		(void)sqlite3_bind_null(st, at);
}

/* Absent is NULL, so that "have IS NOT want" is true for a row Konnect never acknowledged. */
static void bind_digest(sqlite3_stmt *st, int at, const struct digest *d)
{
	if (memcmp(d, &no_digest, sizeof(*d)) == 0)
		(void)sqlite3_bind_null(st, at);
	else
		(void)sqlite3_bind_blob(st, at, d->b, DIGEST_LEN, SQLITE_STATIC);
}

int cache_bind_repo(sqlite3_stmt *st, int at, const struct repo *r)
{
	(void)sqlite3_bind_blob(st, at++, r->guid, 16, SQLITE_STATIC);
	bind_text(st, at++, r->name);
	bind_text(st, at++, r->project_id);
	bind_text(st, at++, r->project_name);
	bind_text(st, at++, r->description);
	bind_text(st, at++, r->visibility);
	bind_text(st, at++, r->default_branch);
	bind_text(st, at++, r->web_url);
	(void)sqlite3_bind_int(st, at++, (r->disabled ? FLAG_DISABLED : 0) | (r->maintenance ? FLAG_MAINTENANCE : 0) |
						 (r->fork ? FLAG_FORK : 0));
	return at;
}

static char *column_text(sqlite3_stmt *st, int at)
{
	const unsigned char *s = sqlite3_column_text(st, at);

	return s != NULL ? xstrdup((const char *)s) : NULL;
}

void cache_column_blob16(sqlite3_stmt *st, int at, uint8_t ret[16])
{
	const void *p = sqlite3_column_blob(st, at);

	memset(ret, 0, 16);
	if (p != NULL && sqlite3_column_bytes(st, at) == 16)
		memcpy(ret, p, 16);
}

int cache_column_repo(sqlite3_stmt *st, int at, struct repo *r)
{
	int flags;

	cache_column_blob16(st, at++, r->guid);
	r->name = column_text(st, at++);
	r->project_id = column_text(st, at++);
	r->project_name = column_text(st, at++);
	r->description = column_text(st, at++);
	r->visibility = column_text(st, at++);
	r->default_branch = column_text(st, at++);
	r->web_url = column_text(st, at++);
	flags = sqlite3_column_int(st, at++);
	r->disabled = (flags & FLAG_DISABLED) != 0;
	r->maintenance = (flags & FLAG_MAINTENANCE) != 0;
	r->fork = (flags & FLAG_FORK) != 0;
	return at;
}

/* Most of a document is its keys and the texts of the row. To change a word of this is a new version of the cache. */
const char cache_pieces[] = "\"}},\"description\":\"\",\"display_name\":\"azure-devops-organization\":\"azure-devops-state\":\"missing"
			    "\"azure-devops-visibility\":\"public\"azure-devops-fork\":\"trueexcluded{\"custom_fields\":{\"git_repo\":{\"link\":\""
			    "https://dev.azure.com/\",\"name\":\"\"},\"labels\":{\"azure-devops-default-branch\":\"main\",\"azure-devops-fork\":\"false"
			    "\",\"azure-devops-instance\":\"\",\"azure-devops-project\":\"\",\"azure-devops-project-id\":\"\","
			    "\"azure-devops-repository-id\":\"\",\"azure-devops-state\":\"active\",\"azure-devops-visibility\":\"private\","
			    "\"managed-by\":\"adosyncd\"},\"name\":\"";

/* What is known of the document: only columns that no answer of Konnect changes. */
static struct pack *known(struct cache *c, const struct cache_row *r)
{
	char guid[37];

	guid_format(r->repo.guid, guid);
	pack_begin(c->pack);
	pack_know(c->pack, guid);
	pack_know(c->pack, r->repo.name);
	pack_know(c->pack, r->repo.project_id);
	pack_know(c->pack, r->repo.project_name);
	pack_know(c->pack, r->repo.description);
	pack_know(c->pack, r->repo.visibility);
	pack_know(c->pack, r->repo.default_branch);
	pack_know(c->pack, r->repo.web_url);
	pack_know(c->pack, r->service_name);
	return c->pack;
}

/* The document as the cache keeps it, borrowed until the next is packed. */
struct packed {
	const uint8_t *data;	/* NULL: as it is, when it is too long or there is none */
	size_t n;
};

static struct packed pack_ack(struct cache *c, const struct cache_row *r)
{
	struct packed ack = { 0 };

	if (r->ack != NULL && pack_text(known(c, r), r->ack, &ack.data, &ack.n) < 0)
		ack.data = NULL;
	return ack;
}

static void bind_ack(sqlite3_stmt *st, int at, const struct cache_row *r, const struct packed *ack)
{
	if (ack->data != NULL)
		(void)sqlite3_bind_blob(st, at, ack->data, (int)ack->n, SQLITE_STATIC);
	else
		bind_text(st, at, r->ack);
}

/* The row's texts are read already. 0, or -EBADMSG. */
static int column_ack(struct cache *c, sqlite3_stmt *st, int at, struct cache_row *r)
{
	const void *packed;

	if (sqlite3_column_type(st, at) != SQLITE_BLOB) {
		r->ack = column_text(st, at);
		return 0;
	}
	packed = sqlite3_column_blob(st, at);
	return pack_open(known(c, r), packed, (size_t)sqlite3_column_bytes(st, at), &r->ack);
}

/* 0, -ENOENT, -EIO. */
static int read_row(struct cache *c, sqlite3_stmt *st, struct cache_row *ret)
{
	int rc = sqlite3_step(st), at, e;

	if (rc != SQLITE_ROW) {
		(void)sqlite3_reset(st);
		return rc == SQLITE_DONE ? -ENOENT : cache_fail(c, rc);
	}
	*ret = (struct cache_row){ .id = sqlite3_column_int64(st, 0), .instance = sqlite3_column_int64(st, 1) };
	at = cache_column_repo(st, 2, &ret->repo);
	cache_column_blob16(st, at++, ret->raw.b);
	ret->state = (enum repo_state)sqlite3_column_int(st, at++);
	ret->missing_since = sqlite3_column_int64(st, at++);
	ret->service_name = column_text(st, at++);
	ret->service_id = column_text(st, at++);
	ret->mapping_id = column_text(st, at++);
	e = column_ack(c, st, at++, ret);
	cache_column_blob16(st, at++, ret->want.b);
	cache_column_blob16(st, at++, ret->have.b);
	ret->parked = column_text(st, at++);
	ret->theirs = (unsigned)sqlite3_column_int(st, at++);
	ret->kind = (enum row_kind)sqlite3_column_int(st, at++);
	ret->target = sqlite3_column_int64(st, at++);
	cache_column_blob16(st, at++, ret->map_want.b);
	cache_column_blob16(st, at++, ret->map_have.b);
	ret->elsewhere = sqlite3_column_int(st, at++) != 0;
	ret->approved = sqlite3_column_int(st, at++) != 0;
	ret->resource_id = column_text(st, at++);
	ret->absent = (enum row_absent)sqlite3_column_int(st, at++);
	ret->held = (enum row_held)sqlite3_column_int(st, at++);
	ret->removed_at = sqlite3_column_int64(st, at++);
	ret->archived = sqlite3_column_int(st, at++) != 0;
	ret->remembered = column_text(st, at++);
	(void)sqlite3_reset(st);
	if (e == 0 && ret->state <= REPO_REMOVED && ret->kind <= ROW_NAMED && ret->absent <= ABSENT_REMOVED && ret->held <= HELD_EXCLUSION)
		return 0;
	cache_row_done(ret);
	cache_blame(c);
	return -EIO;
}

void cache_row_done(struct cache_row *r)
{
	repo_done(&r->repo);
	free(r->service_name);
	free(r->service_id);
	free(r->resource_id);
	free(r->remembered);
	free(r->mapping_id);
	free(r->ack);
	free(r->parked);
	*r = (struct cache_row){ 0 };
}

int cache_row_by_guid(struct cache *c, int64_t instance, const uint8_t guid[16], struct cache_row *ret)
{
	sqlite3_stmt *st = cache_statement(c, SQL_ROW_BY_GUID);

	if (st == NULL)
		return -EIO;
	(void)sqlite3_bind_int64(st, 1, instance);
	(void)sqlite3_bind_blob(st, 2, guid, 16, SQLITE_STATIC);
	return read_row(c, st, ret);
}

int cache_row_by_service(struct cache *c, int64_t instance, const char *service_id, const char *service_name, struct cache_row *ret)
{
	sqlite3_stmt *st = cache_statement(c, SQL_ROW_BY_SERVICE);

	if (st == NULL)
		return -EIO;
	(void)sqlite3_bind_int64(st, 1, instance);
	bind_text(st, 2, service_id);
	bind_text(st, 3, service_name);
	return read_row(c, st, ret);
}

int cache_row_by_service_name(struct cache *c, const char *name, struct cache_row *ret)
{
	sqlite3_stmt *st = cache_statement(c, SQL_ROW_BY_SERVICE_NAME);

	if (st == NULL)
		return -EIO;
	bind_text(st, 1, name);
	return read_row(c, st, ret);
}

int cache_read_number(struct cache *c, sqlite3_stmt *st, int64_t *ret)
{
	int rc;

	if (st == NULL)
		return -EIO;
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		*ret = sqlite3_column_int64(st, 0);
	(void)sqlite3_reset(st);
	return rc == SQLITE_ROW ? 0 : cache_fail(c, rc);
}

int cache_last_id(struct cache *c, int64_t *ret)
{
	return cache_read_number(c, cache_statement(c, SQL_LAST_ID), ret);
}

int cache_row_by_id(struct cache *c, int64_t id, struct cache_row *ret)
{
	sqlite3_stmt *st = cache_statement(c, SQL_ROW_BY_ID);

	if (st == NULL)
		return -EIO;
	(void)sqlite3_bind_int64(st, 1, id);
	return read_row(c, st, ret);
}

static int save_by(struct cache *c, enum statement s, const struct cache_row *r, const struct packed *ack)
{
	sqlite3_stmt *st = cache_statement(c, s);
	int at;

	if (st == NULL)
		return -EIO;
	if (r->id == 0)
		(void)sqlite3_bind_null(st, 1);
	else
		(void)sqlite3_bind_int64(st, 1, r->id);
	(void)sqlite3_bind_int64(st, 2, r->instance);
	at = cache_bind_repo(st, 3, &r->repo);
	(void)sqlite3_bind_blob(st, at++, r->raw.b, DIGEST_LEN, SQLITE_STATIC);
	(void)sqlite3_bind_int(st, at++, (int)r->state);
	(void)sqlite3_bind_int64(st, at++, r->missing_since);
	bind_text(st, at++, r->service_name);
	bind_text(st, at++, r->service_id);
	bind_text(st, at++, r->mapping_id);
	bind_ack(st, at++, r, ack);
	bind_digest(st, at++, &r->want);
	bind_digest(st, at++, &r->have);
	bind_text(st, at++, r->parked);
	(void)sqlite3_bind_int(st, at++, (int)r->theirs);
	(void)sqlite3_bind_int(st, at++, (int)r->kind);
	(void)sqlite3_bind_int64(st, at++, r->target);
	bind_digest(st, at++, &r->map_want);
	bind_digest(st, at++, &r->map_have);
	(void)sqlite3_bind_int(st, at++, r->elsewhere);
	(void)sqlite3_bind_int(st, at++, r->approved);
	bind_text(st, at++, r->resource_id);
	(void)sqlite3_bind_int(st, at++, (int)r->absent);
	(void)sqlite3_bind_int(st, at++, (int)r->held);
	(void)sqlite3_bind_int64(st, at++, r->removed_at);
	(void)sqlite3_bind_int(st, at++, r->archived);
	bind_text(st, at++, r->remembered);
	c->edits++;
	return cache_write(c, st);
}

int cache_row_save(struct cache *c, struct cache_row *r)
{
	struct packed ack = pack_ack(c, r);
	int e;

	if (r->id == 0) {
		e = save_by(c, SQL_ROW_ADD, r, &ack);
		if (e == 0)
			r->id = sqlite3_last_insert_rowid(c->db);
		return e;
	}
	e = save_by(c, SQL_ROW_UPDATE_REST, r, &ack);
	return e == 0 && sqlite3_changes(c->db) == 0 ? save_by(c, SQL_ROW_UPDATE, r, &ack) : e;
}

int cache_row_save_answer(struct cache *c, const struct cache_row *r)
{
	sqlite3_stmt *st = cache_statement(c, SQL_ROW_ANSWERED);
	struct packed ack = pack_ack(c, r);

	if (st == NULL)
		return -EIO;
	(void)sqlite3_bind_int64(st, 1, r->id);
	bind_text(st, 2, r->service_id);
	bind_text(st, 3, r->mapping_id);
	bind_ack(st, 4, r, &ack);
	bind_digest(st, 5, &r->want);
	bind_digest(st, 6, &r->have);
	bind_text(st, 7, r->parked);
	(void)sqlite3_bind_int(st, 8, (int)r->theirs);
	bind_digest(st, 9, &r->map_want);
	bind_digest(st, 10, &r->map_have);
	(void)sqlite3_bind_int(st, 11, r->approved);
	bind_text(st, 12, r->resource_id);
	(void)sqlite3_bind_int(st, 13, r->archived);
	bind_text(st, 14, r->remembered);
	return cache_write(c, st);
}

bool cache_service_name_taken(struct cache *c, const char *name, int64_t except_id)
{
	sqlite3_stmt *st = cache_statement(c, SQL_NAME_TAKEN);
	bool taken;

	if (st == NULL)
		return true;
	bind_text(st, 1, name);
	(void)sqlite3_bind_int64(st, 2, except_id);
	taken = sqlite3_step(st) != SQLITE_DONE;
	(void)sqlite3_reset(st);
	return taken;
}

int cache_removed_since(struct cache *c, int64_t instance, int64_t since, uint32_t *ret)
{
	sqlite3_stmt *st = cache_statement(c, SQL_REMOVED_SINCE);
	int64_t n = 0;
	int e;

	(void)sqlite3_bind_int64(st, 1, instance);
	(void)sqlite3_bind_int64(st, 2, since);
	e = cache_read_number(c, st, &n);
	if (e == 0)
		*ret = (uint32_t)n;
	return e;
}

bool cache_has_mapping(struct cache *c, int64_t instance, const char *mapping_id, const char *service_name)
{
	sqlite3_stmt *st = cache_statement(c, SQL_HAS_MAPPING);
	bool has;

	if (st == NULL)
		return false;
	(void)sqlite3_bind_int64(st, 1, instance);
	bind_text(st, 2, mapping_id);
	bind_text(st, 3, service_name);
	has = sqlite3_step(st) == SQLITE_ROW;
	(void)sqlite3_reset(st);
	return has;
}

int cache_delete_some(struct cache *c, enum statement s, int64_t instance)
{
	sqlite3_stmt *st = cache_statement(c, s);
	int e, n;

	if (st == NULL)
		return -EIO;
	(void)sqlite3_bind_int64(st, 1, instance);
	(void)sqlite3_bind_int(st, 2, CACHE_STEP_ROWS);
	e = cache_write(c, st);
	if (e < 0)
		return e;
	n = sqlite3_changes(c->db);
	/* one statement, but as much for the disk as that many */
	c->batch += n > 1 ? (unsigned)n - 1 : 0;
	e = c->batch >= CACHE_BATCH_ROWS && !c->whole ? cache_flush(c) : 0;
	return e < 0 ? e : n == CACHE_STEP_ROWS ? 1 : 0;
}

int cache_forget_some(struct cache *c, int64_t instance)
{
	c->edits++;
	return cache_delete_some(c, SQL_FORGET, instance);
}

int cache_unpark(struct cache *c, int64_t instance)
{
	sqlite3_stmt *st = cache_statement(c, SQL_UNPARK);

	if (st == NULL)
		return -EIO;
	(void)sqlite3_bind_int64(st, 1, instance);
	c->edits++;
	return cache_write(c, st);
}

int cache_counts(struct cache *c, int64_t instance, struct cache_counts *ret)
{
	sqlite3_stmt *st = cache_statement(c, SQL_COUNTS);
	int rc;

	if (st == NULL)
		return -EIO;
	(void)sqlite3_bind_int64(st, 1, instance);
	rc = sqlite3_step(st);
	if (rc != SQLITE_ROW) {
		(void)sqlite3_reset(st);
		*ret = (struct cache_counts){ 0 };
		/* an instance that was never saved has nothing */
		return rc == SQLITE_DONE ? 0 : cache_fail(c, rc);
	}
	*ret = (struct cache_counts){
		.known = (uint32_t)sqlite3_column_int64(st, 0),
		.missing = (uint32_t)sqlite3_column_int64(st, 1),
		.removed = (uint32_t)sqlite3_column_int64(st, 2),
		.held = (uint32_t)sqlite3_column_int64(st, 3),
		.pending = (uint32_t)sqlite3_column_int64(st, 4),
		.creations = (uint32_t)sqlite3_column_int64(st, 5),
		.parked = (uint32_t)sqlite3_column_int64(st, 6),
	};
	for (int i = 0; i < REPO_STATES; i++)
		ret->states[i] = (uint32_t)sqlite3_column_int64(st, 7 + i);
	ret->repositories = (uint32_t)sqlite3_column_int64(st, 7 + REPO_STATES);
	(void)sqlite3_reset(st);
	return 0;
}

int cache_known_some(struct cache *c, int64_t instance, int64_t *cursor, void (*fn)(void *arg, const struct cache_known *k), void *arg)
{
	sqlite3_stmt *st = cache_statement(c, SQL_KNOWN);
	int rc, n = 0;

	if (st == NULL)
		return -EIO;
	(void)sqlite3_bind_int64(st, 1, instance);
	(void)sqlite3_bind_int64(st, 2, *cursor);
	(void)sqlite3_bind_int(st, 3, CACHE_SCAN_ROWS);
	for (; (rc = sqlite3_step(st)) == SQLITE_ROW; n++) {
		struct cache_known k = { .id = sqlite3_column_int64(st, 0),
					 .excluded = sqlite3_column_int(st, 2) == REPO_EXCLUDED,
					 .absent = (enum row_absent)sqlite3_column_int(st, 3),
					 .held = sqlite3_column_int(st, 4) == HELD_REMOVAL };

		*cursor = k.id;
		cache_column_blob16(st, 1, k.raw.b);
		fn(arg, &k);
	}
	if (rc != SQLITE_DONE)
		return cache_fail(c, rc);
	(void)sqlite3_reset(st);
	return n == CACHE_SCAN_ROWS ? 1 : 0;
}

int cache_names_some(struct cache *c, int64_t instance, int64_t *cursor,
		     void (*fn)(void *arg, int64_t id, const char *project, const char *name), void *arg)
{
	sqlite3_stmt *st = cache_statement(c, SQL_NAMES);
	int rc, n = 0;

	if (st == NULL)
		return -EIO;
	(void)sqlite3_bind_int64(st, 1, instance);
	(void)sqlite3_bind_int64(st, 2, *cursor);
	(void)sqlite3_bind_int(st, 3, CACHE_NAMES_ROWS);
	for (; (rc = sqlite3_step(st)) == SQLITE_ROW; n++) {
		const unsigned char *project = sqlite3_column_text(st, 1), *name = sqlite3_column_text(st, 2);

		*cursor = sqlite3_column_int64(st, 0);
		if (project != NULL && name != NULL)
			fn(arg, *cursor, (const char *)project, (const char *)name);
	}
	if (rc != SQLITE_DONE)
		return cache_fail(c, rc);
	(void)sqlite3_reset(st);
	return n == CACHE_NAMES_ROWS ? 1 : 0;
}

int cache_raw_by_guid(struct cache *c, int64_t instance, const uint8_t guid[16], struct digest *ret)
{
	sqlite3_stmt *st = cache_statement(c, SQL_RAW);
	int rc;

	if (st == NULL)
		return -EIO;
	(void)sqlite3_bind_int64(st, 1, instance);
	(void)sqlite3_bind_blob(st, 2, guid, 16, SQLITE_STATIC);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		cache_column_blob16(st, 0, ret->b);
	(void)sqlite3_reset(st);
	return rc == SQLITE_ROW ? 0 : rc == SQLITE_DONE ? -ENOENT : cache_fail(c, rc);
}

static int row_after(struct cache *c, enum statement s, int64_t instance, int64_t after_id, struct cache_row *ret)
{
	sqlite3_stmt *st = cache_statement(c, s);

	if (st == NULL)
		return -EIO;
	(void)sqlite3_bind_int64(st, 1, instance);
	(void)sqlite3_bind_int64(st, 2, after_id);
	return read_row(c, st, ret);
}

int cache_row_next(struct cache *c, int64_t instance, int64_t after_id, struct cache_row *ret)
{
	return row_after(c, SQL_ROW_NEXT, instance, after_id, ret);
}

int cache_project_next(struct cache *c, int64_t instance, int64_t after_id, struct cache_row *ret)
{
	return row_after(c, SQL_PROJECT_NEXT, instance, after_id, ret);
}

int cache_missing_next(struct cache *c, int64_t instance, int64_t after_id, struct cache_row *ret)
{
	return row_after(c, SQL_MISSING_NEXT, instance, after_id, ret);
}

int cache_parked_next(struct cache *c, int64_t instance, int64_t after_id, struct cache_row *ret)
{
	return row_after(c, SQL_PARKED_NEXT, instance, after_id, ret);
}

int cache_pending_next(struct cache *c, int64_t instance, int64_t after_id, bool creations, struct cache_row *ret)
{
	return row_after(c, creations ? SQL_PENDING_ANY : SQL_PENDING_HELD, instance, after_id, ret);
}
