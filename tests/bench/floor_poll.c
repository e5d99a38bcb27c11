/* One poll. */
#include "floor.h"

#include <jansson.h>
#include <openssl/evp.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { HASH = 32, GUID = 36, BUFFER = 128 << 10 };

/* One repository of the last listing. */
struct row {
	uint8_t raw[HASH], fields[HASH];
	char guid[GUID];
	bool seen;
};

struct table {
	struct row *rows;
	uint32_t n, mask;
	uint32_t *by_raw;	/* 1 + index into rows, 0 = free */
};

/* The listing, split into the objects at depth 3. What spans two chunks is gathered. */
struct split {
	int depth;
	bool string, escape;
	char *part;
	size_t n, size;
};

static struct {
	CURL *easy;
	sqlite3 *db;
	sqlite3_stmt *save;
	EVP_MD_CTX *context;
	EVP_MD *sha256;
	struct table table;
	struct split split;
	struct floor_count *count;
} poll_;

static void sql(const char *text)
{
	if (sqlite3_exec(poll_.db, text, NULL, NULL, NULL) != SQLITE_OK)
		floor_fail("%s: %s", text, sqlite3_errmsg(poll_.db));
}

static void sha256(const void *p, size_t n, uint8_t ret[HASH])
{
	if (EVP_DigestInit_ex(poll_.context, poll_.sha256, NULL) != 1 || EVP_DigestUpdate(poll_.context, p, n) != 1 ||
	    EVP_DigestFinal_ex(poll_.context, ret, NULL) != 1)
		floor_fail("SHA-256 cannot be computed");
}

static uint32_t slot_of(const uint8_t raw[HASH], uint32_t mask)
{
	uint32_t x;

	memcpy(&x, raw, sizeof(x));
	return x & mask;
}

static void table_load(struct table *t)
{
	sqlite3_stmt *s;
	uint32_t size = 1024;

	if (sqlite3_prepare_v2(poll_.db, "SELECT count(*) FROM repository", -1, &s, NULL) != SQLITE_OK || sqlite3_step(s) != SQLITE_ROW)
		floor_fail("count: %s", sqlite3_errmsg(poll_.db));
	t->rows = floor_alloc(NULL, sizeof(*t->rows) * (size_t)(sqlite3_column_int(s, 0) + 1));
	t->n = 0;
	(void)sqlite3_finalize(s);
	if (sqlite3_prepare_v2(poll_.db, "SELECT guid, raw, fields FROM repository", -1, &s, NULL) != SQLITE_OK)
		floor_fail("load: %s", sqlite3_errmsg(poll_.db));
	while (sqlite3_step(s) == SQLITE_ROW) {
		struct row *r = &t->rows[t->n++];

		memcpy(r->guid, sqlite3_column_text(s, 0), GUID);
		memcpy(r->raw, sqlite3_column_blob(s, 1), HASH);
		memcpy(r->fields, sqlite3_column_blob(s, 2), HASH);
		r->seen = false;
	}
	(void)sqlite3_finalize(s);
	while (size < 2 * t->n)
		size *= 2;
	t->mask = size - 1;
	t->by_raw = floor_alloc(NULL, size * sizeof(*t->by_raw));
	memset(t->by_raw, 0, size * sizeof(*t->by_raw));
	for (uint32_t i = 0; i < t->n; i++) {
		uint32_t k = slot_of(t->rows[i].raw, t->mask);

		while (t->by_raw[k] != 0)
			k = (k + 1) & t->mask;
		t->by_raw[k] = i + 1;
	}
}

static struct row *table_find(const struct table *t, const uint8_t raw[HASH])
{
	for (uint32_t k = slot_of(raw, t->mask); t->by_raw[k] != 0; k = (k + 1) & t->mask)
		if (memcmp(t->rows[t->by_raw[k] - 1].raw, raw, HASH) == 0)
			return &t->rows[t->by_raw[k] - 1];
	return NULL;
}

/* What a document is made of. */
static void hash_fields(const json_t *o, uint8_t ret[HASH])
{
	static const char *const of_repo[] = { "name", "defaultBranch", "webUrl" };
	static const char *const of_project[] = { "id", "name", "description", "visibility" };
	const json_t *project = json_object_get(o, "project");
	char text[8192] = "";
	size_t used = 0;

	for (size_t i = 0; i < 7; i++) {
		const char *s = json_string_value(i < 3 ? json_object_get(o, of_repo[i]) : json_object_get(project, of_project[i - 3]));
		size_t n = s != NULL ? strlen(s) + 1 : 0;

		if (n > 0 && used + n + 2 < sizeof(text))
			memcpy(text + used, s, n);
		used += n > 0 && used + n + 2 < sizeof(text) ? n : 0;
	}
	text[used++] = json_is_true(json_object_get(o, "isDisabled")) ? '1' : '0';
	sha256(text, used, ret);
}

static void save(const char *guid, const uint8_t raw[HASH], const uint8_t fields[HASH])
{
	if (poll_.count->parsed == 0)
		sql("BEGIN");
	(void)sqlite3_bind_text(poll_.save, 1, guid, GUID, SQLITE_STATIC);
	(void)sqlite3_bind_blob(poll_.save, 2, raw, HASH, SQLITE_STATIC);
	(void)sqlite3_bind_blob(poll_.save, 3, fields, HASH, SQLITE_STATIC);
	if (sqlite3_step(poll_.save) != SQLITE_DONE)
		floor_fail("save: %s", sqlite3_errmsg(poll_.db));
	(void)sqlite3_reset(poll_.save);
}

static void element(const char *p, size_t n)
{
	uint8_t raw[HASH], fields[HASH];
	const char *guid;
	struct row *r;
	json_t *o;

	sha256(p, n, raw);
	poll_.count->listed++;
	r = table_find(&poll_.table, raw);
	if (r != NULL) {
		r->seen = true;
		return;
	}
	o = json_loadb(p, n, 0, NULL);
	guid = json_string_value(json_object_get(o, "id"));
	if (guid == NULL || strlen(guid) != GUID)
		floor_fail("an element without an id");
	hash_fields(o, fields);
	save(guid, raw, fields);
	poll_.count->parsed++;
	json_decref(o);
}

static void part_add(struct split *s, const char *p, size_t n)
{
	if (s->n + n > s->size) {
		s->size = 2 * (s->n + n);
		s->part = floor_alloc(s->part, s->size);
	}
	memcpy(s->part + s->n, p, n);
	s->n += n;
}

static void part_end(struct split *s, const char *p, size_t n)
{
	if (s->n > 0) {
		part_add(s, p, n);
		element(s->part, s->n);
		s->n = 0;
	} else {
		element(p, n);
	}
}

static size_t on_chunk(char *p, size_t one, size_t n, void *arg)
{
	struct split *s = arg;
	size_t i = 0, start = 0;

	(void)one;
	while (i < n) {
		char c = p[i];

		if (s->string) {
			if (s->escape) {
				s->escape = false;
				i++;
				continue;
			}
			while (i < n && (c = p[i]) != '"' && c != '\\')
				i++;
			if (i == n)
				break;
			s->escape = c == '\\';
			s->string = c != '"';
		} else if (c == '"') {
			s->string = true;
		} else if (c == '{' || c == '[') {
			if (++s->depth == 3)
				start = i;
		} else if (c == '}' || c == ']') {
			if (--s->depth == 2)
				part_end(s, p + start, i + 1 - start);
			if (s->depth == 2)
				start = i + 1;
		}
		i++;
	}
	if (s->depth >= 3)
		part_add(s, p + start, n - start);
	return n;
}

static void begin(const struct floor_options *o)
{
	if (poll_.easy != NULL)
		return;
	poll_.context = EVP_MD_CTX_new();
	poll_.sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	poll_.easy = curl_easy_init();
	if (poll_.context == NULL || poll_.sha256 == NULL || poll_.easy == NULL || o->db == NULL || o->listing == NULL || o->ca == NULL)
		floor_fail("poll needs --db, --listing and --ca");
	if (sqlite3_open(o->db, &poll_.db) != SQLITE_OK)
		floor_fail("%s: %s", o->db, sqlite3_errmsg(poll_.db));
	sql("PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL");
	sql("CREATE TABLE IF NOT EXISTS repository(guid TEXT PRIMARY KEY, raw BLOB, fields BLOB) WITHOUT ROWID");
	if (sqlite3_prepare_v2(poll_.db, "INSERT INTO repository VALUES(?,?,?) ON CONFLICT(guid) DO UPDATE SET raw = excluded.raw, "
			       "fields = excluded.fields", -1, &poll_.save, NULL) != SQLITE_OK)
		floor_fail("prepare: %s", sqlite3_errmsg(poll_.db));
	(void)curl_easy_setopt(poll_.easy, CURLOPT_URL, o->listing);
	(void)curl_easy_setopt(poll_.easy, CURLOPT_CAINFO, o->ca);
	(void)curl_easy_setopt(poll_.easy, CURLOPT_USERPWD, ":pat");
	(void)curl_easy_setopt(poll_.easy, CURLOPT_ACCEPT_ENCODING, "gzip");
	(void)curl_easy_setopt(poll_.easy, CURLOPT_BUFFERSIZE, (long)BUFFER);
	(void)curl_easy_setopt(poll_.easy, CURLOPT_FAILONERROR, 1L);
	(void)curl_easy_setopt(poll_.easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	(void)curl_easy_setopt(poll_.easy, CURLOPT_WRITEFUNCTION, on_chunk);
	(void)curl_easy_setopt(poll_.easy, CURLOPT_WRITEDATA, &poll_.split);
}

void floor_poll(const struct floor_options *o, struct floor_count *n)
{
	long connections = 0;
	CURLcode code;

	begin(o);
	poll_.count = n;
	table_load(&poll_.table);
	poll_.split.depth = 0;
	code = curl_easy_perform(poll_.easy);
	if (code != CURLE_OK)
		floor_fail("%s: %s", o->listing, curl_easy_strerror(code));
	if (n->parsed > 0)
		sql("COMMIT");
	(void)curl_easy_getinfo(poll_.easy, CURLINFO_NUM_CONNECTS, &connections);
	n->connections += connections;
	for (uint32_t i = 0; i < poll_.table.n; i++)
		n->gone += !poll_.table.rows[i].seen;
	free(poll_.table.rows);
	free(poll_.table.by_raw);
}

void floor_poll_done(void)
{
	if (poll_.easy == NULL)
		return;
	curl_easy_cleanup(poll_.easy);
	(void)sqlite3_finalize(poll_.save);
	(void)sqlite3_close(poll_.db);
	EVP_MD_CTX_free(poll_.context);
	EVP_MD_free(poll_.sha256);
	free(poll_.split.part);
}
