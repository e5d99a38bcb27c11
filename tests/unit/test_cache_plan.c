/* How SQLite goes about the statements of the cache: none reads past rows that it does not want, however many there are. */
#include "cache_internal.h"
#include "caches.h"

/* What SQLite says that it does, a line a step. */
static char *plan_of(struct cache *c, enum statement s)
{
	_cleanup_free_ char *text = xasprintf("EXPLAIN QUERY PLAN %s", cache_sql(s));
	sqlite3_stmt *st = NULL;
	char *plan = xstrdup(""), *longer;

	T_OK_MSG(sqlite3_prepare_v2(c->db, text, -1, &st, NULL) == SQLITE_OK, cache_sql(s));
	while (sqlite3_step(st) == SQLITE_ROW) {
		longer = xasprintf("%s%s\n", plan, (const char *)sqlite3_column_text(st, 3));
		free(plan);
		plan = longer;
	}
	(void)sqlite3_finalize(st);
	return plan;
}

static void expect(struct cache *c, enum statement s, const char *step)
{
	_cleanup_free_ char *plan = plan_of(c, s);

	T_OK_MSG(strstr(plan, step) != NULL, strstr(plan, step) != NULL ? step : plan);
}

static void test_no_scan(struct cache *c)
{
	static const char *const tables[] = { "SCAN repository", "SCAN staged", "SCAN instance", "SCAN counts", "AUTOMATIC" };

	for (enum statement s = SQL_INSTANCE_ADD; s < SQL_STATEMENTS; s++) {
		_cleanup_free_ char *plan = plan_of(c, s);

		for (size_t i = 0; i < ELEMENTSOF(tables); i++)
			T_OK_MSG(strstr(plan, tables[i]) == NULL, cache_sql(s));
	}
}

/* Every row has the instance, and an index of nothing else is as good as none. */
static void test_index(struct cache *c)
{
	expect(c, SQL_PENDING_ANY, "USING INDEX pending_creations (instance=? AND id>?)");
	expect(c, SQL_PENDING_ANY, "USING INDEX pending_others (instance=? AND id>?)");
	expect(c, SQL_PENDING_HELD, "USING INDEX pending_others (instance=? AND id>?)");
	expect(c, SQL_MISSING_NEXT, "USING INDEX absent_rows (instance=? AND id>?)");
	expect(c, SQL_PARKED_NEXT, "USING INDEX parked_rows (instance=? AND id>?)");
	expect(c, SQL_PROJECT_NEXT, "USING INDEX project_services (instance=? AND id>?)");
	expect(c, SQL_PROJECT_NEXT, "USING INDEX project_repositories (instance=? AND project_id=?)");
	expect(c, SQL_REMOVED_SINCE, "USING INDEX removed_rows (instance=? AND removed_at>?)");
	expect(c, SQL_HAS_MAPPING, "USING INDEX elsewhere_mapped (instance=? AND mapping_id=?)");
	expect(c, SQL_NAMES, "USING INDEX known_rows (instance=? AND id<?)");
	expect(c, SQL_ROW_BY_SERVICE, "USING INDEX shared_services (instance=? AND service_id=?)");
	expect(c, SQL_ROW_UPDATE_REST, "USING INTEGER PRIMARY KEY");
	expect(c, SQL_KNOWN, "USING COVERING INDEX known_rows (instance=? AND id>?)");
	expect(c, SQL_STAGED, "USING INDEX staged_rows (instance=? AND place>?)");
}

/* What is written is brought into the file in small portions: one is never more than a turn of the loop has time for. */
static void test_log(struct cache *c)
{
	_cleanup_free_ char *path = path_of("cache.db-wal");
	int64_t a = instance_id(c, "a");
	struct stat st;

	for (uint32_t n = 1; n <= 8000; n++)
		(void)add(c, a, n);
	T_EQ_INT(cache_flush(c), 0);
	T_OK(stat(path, &st) == 0 && st.st_size > 0);
	T_OK_MSG(st.st_size < 512 * 4096, "the log is not longer than that, ever");
}

int main(void)
{
	struct cache *c;

	fresh();
	c = open_cache();
	T_EQ_INT(cache_stage_open(c), SQLITE_OK);
	test_log(c);
	test_no_scan(c);
	test_index(c);
	cache_close(c);
	remove_directory();
	return t_done();
}
