/* The acknowledged document in the cache: packed against its row, and read again whatever becomes of the row. */
#include <errno.h>

#include "cache_internal.h"
#include "caches.h"
#include "pack.h"

static const char document[] =
	"{\"custom_fields\":{\"git_repo\":{\"link\":\"https://dev.azure.com/contoso/Payments%20Hub/_git/user-api\",\"name\":\"user-api\"}},"
	"\"description\":\"Accounts and \\\"sessions\\\"\",\"display_name\":\"Payments Hub / user-api\",\"labels\":{"
	"\"azure-devops-default-branch\":\"main\",\"azure-devops-fork\":\"false\",\"azure-devops-instance\":\"contoso\","
	"\"azure-devops-project\":\"Payments-Hub\",\"azure-devops-project-id\":\"22222222-2222-4222-8222-222222222222\","
	"\"azure-devops-repository-id\":\"01000000-0000-0000-0000-000000000000\",\"azure-devops-state\":\"active\","
	"\"azure-devops-visibility\":\"private\",\"managed-by\":\"adosyncd\"},\"name\":\"contoso.payments-hub.user-api\"}";

/* That document, as it is packed. */
#define PACKED \
	"58285a33ff5aa3242111633922b1c16c54c2cc59280111030f89182c590e39fc14f415e086d22521433d8c3b3dc35ca70b8c04bc699b98a44228fd13" \
	"9334e99247f02630a55a00c730cc82"

static struct cache *cache;
static int64_t mine;

static int64_t add_row(const char *ack, bool pending)
{
	struct cache_row r = { .instance = mine };
	int64_t id;

	r.repo.guid[0] = 1;
	r.raw.b[0] = 1;
	r.want.b[0] = pending;
	r.repo.name = xstrdup("user-api");
	r.repo.project_id = xstrdup("22222222-2222-4222-8222-222222222222");
	r.repo.project_name = xstrdup("Payments Hub");
	r.repo.description = xstrdup("Accounts and \"sessions\"");
	r.repo.visibility = xstrdup("private");
	r.repo.default_branch = xstrdup("refs/heads/main");
	r.repo.web_url = xstrdup("https://dev.azure.com/contoso/Payments%20Hub/_git/user-api");
	r.service_name = xstrdup("contoso.payments-hub.user-api");
	r.ack = ack != NULL ? xstrdup(ack) : NULL;
	T_EQ_INT(cache_row_save(cache, &r), 0);
	id = r.id;
	cache_row_done(&r);
	return id;
}

static int64_t number(const char *text)
{
	sqlite3_stmt *st = NULL;
	int64_t n = -1;

	T_OK_MSG(sqlite3_prepare_v2(cache->db, text, -1, &st, NULL) == SQLITE_OK, text);
	if (sqlite3_step(st) == SQLITE_ROW)
		n = sqlite3_column_int64(st, 0);
	(void)sqlite3_finalize(st);
	return n;
}

static void execute(const char *text)
{
	T_OK_MSG(sqlite3_exec(cache->db, text, NULL, NULL, NULL) == SQLITE_OK, text);
}

static void begin(void)
{
	fresh();
	cache = open_cache();
	mine = instance_id(cache, "a");
}

static void expect_ack(int64_t id, const char *want)
{
	struct cache_row r = { 0 };

	T_EQ_INT(cache_row_by_id(cache, id, &r), 0);
	T_OK(want != NULL ? r.ack != NULL && strcmp(r.ack, want) == 0 : r.ack == NULL);
	cache_row_done(&r);
}

static void test_size(void)
{
	begin();
	expect_ack(add_row(document, false), document);
	T_OK(number("SELECT length(ack) FROM repository") < 100);
	cache_close(cache);
}

/* What was packed by this version opens for ever: another word in the dictionary, and it would not. */
static void test_kept(void)
{
	int64_t id;

	begin();
	id = add_row(NULL, false);
	execute("UPDATE repository SET ack = x'" PACKED "'");
	expect_ack(id, document);
	cache_close(cache);
}

/* Each column it was packed with changes, by a listing or by an answer. */
static void test_row_changes(void)
{
	struct cache_row r = { 0 };
	int64_t id;

	begin();
	id = add_row(document, false);
	T_EQ_INT(cache_row_by_id(cache, id, &r), 0);
	free(r.repo.name);
	r.repo.name = xstrdup("renamed");
	free(r.repo.description);
	r.repo.description = NULL;
	free(r.service_name);
	r.service_name = xstrdup("contoso.payments-hub.renamed");
	r.repo.guid[0] = 2;
	T_EQ_INT(cache_row_save(cache, &r), 0);
	expect_ack(id, document);
	free(r.service_id);
	r.service_id = xstrdup("6e585b1d-fafb-458f-a541-b12df2f21170");
	T_EQ_INT(cache_row_save_answer(cache, &r), 0);
	expect_ack(id, document);
	free(r.ack);
	r.ack = NULL;
	T_EQ_INT(cache_row_save_answer(cache, &r), 0);
	expect_ack(id, NULL);
	cache_row_done(&r);
	cache_close(cache);
}

/* A document of version 3 of the cache, or one that is too long, is kept as it is. */
static void test_plain(void)
{
	_cleanup_free_ char *longest = xcalloc(PACK_TEXT_MAX + 2, 1);
	int64_t id;

	begin();
	id = add_row(NULL, false);
	execute("UPDATE repository SET ack = '{\"a\":1}'");
	expect_ack(id, "{\"a\":1}");
	cache_close(cache);
	begin();
	memset(longest, 'x', PACK_TEXT_MAX + 1);
	expect_ack(add_row(longest, false), longest);
	T_OK(number("SELECT typeof(ack) = 'text' FROM repository") == 1);
	cache_close(cache);
}

/* A cache that was tampered with is damaged, and says so. */
static void test_damaged(void)
{
	static const char *const edits[] = { "UPDATE repository SET ack = x'00'", "UPDATE repository SET ack = x''",
					     "UPDATE repository SET name = 'another'",
					     "UPDATE repository SET ack = substr(ack, 1, length(ack) - 1)" };
	struct cache_row r = { 0 };
	int64_t id;

	for (size_t i = 0; i < ELEMENTSOF(edits); i++) {
		begin();
		id = add_row(document, false);
		execute(edits[i]);
		T_EQ_INT_MSG(cache_row_by_id(cache, id, &r), -EIO, edits[i]);
		T_OK(cache_is_damaged(cache) && r.ack == NULL && r.repo.name == NULL);
		cache_close(cache);
	}
}

/* Room is kept for what Konnect will answer, and given up then, by whichever statement brings it. */
static void test_room(void)
{
	struct cache_row r = { 0 };

	for (int whole = 0; whole < 2; whole++) {
		begin();
		(void)add_row(NULL, true);
		T_OK(number("SELECT length(room) FROM repository") >= 200);
		T_EQ_INT(cache_row_next(cache, mine, 0, &r), 0);
		T_EQ_INT(cache_row_save(cache, &r), 0);
		T_OK_MSG(number("SELECT length(room) FROM repository") >= 200, "there is no answer yet");
		r.service_id = xstrdup("s");
		T_EQ_INT(whole ? cache_row_save(cache, &r) : cache_row_save_answer(cache, &r), 0);
		T_EQ_INT(number("SELECT room IS NULL FROM repository"), 1);
		cache_row_done(&r);
		cache_close(cache);
	}
	begin();
	(void)add_row(NULL, false);
	T_EQ_INT_MSG(number("SELECT room IS NULL FROM repository"), 1, "nothing is sent for it");
	cache_close(cache);
}

int main(void)
{
	test_size();
	test_kept();
	test_row_changes();
	test_plain();
	test_damaged();
	test_room();
	remove_directory();
	return t_done();
}
