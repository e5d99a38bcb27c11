#include "names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "known.h"
#include "limits.h"
#include "util.h"

struct names {
	struct cache *cache;
	int64_t instance, cursor;
	struct known *rows;
	struct buf text;
};

struct names *names_new(struct cache *c, int64_t instance)
{
	struct names *n = xcalloc(1, sizeof(*n));
	struct cache_counts counts = { 0 };

	/* what cannot be counted cannot be read either, and that is told */
	(void)cache_counts(c, instance, &counts);
	n->cache = c;
	n->instance = instance;
	n->cursor = INT64_MAX;
	n->rows = known_new(counts.repositories);
	buf_init(&n->text, 2 * (NAME_MAX_BYTES + 1));
	return n;
}

struct names *names_free(struct names *n)
{
	if (n == NULL)
		return NULL;
	known_free(n->rows);
	buf_done(&n->text);
	free(n);
	return NULL;
}

/* Keyed, so that nobody who names a repository chooses where it falls. No name has a NUL. */
static struct digest digest_of(struct names *n, const char *project, const char *name)
{
	buf_clear(&n->text);
	buf_add_some(&n->text, project, strnlen(project, NAME_MAX_BYTES));
	buf_add_some(&n->text, "", 1);
	buf_add_some(&n->text, name, strnlen(name, NAME_MAX_BYTES));
	for (size_t i = 0; i < n->text.len; i++)
		n->text.data[i] = ascii_lower(n->text.data[i]);
	return digest_bytes(cache_key(n->cache), n->text.data, n->text.len);
}

static void add(void *arg, int64_t id, const char *project, const char *name)
{
	struct names *n = arg;
	struct digest d = digest_of(n, project, name);

	/* the newest comes first, and keeps its place */
	(void)known_add(n->rows, &d, id, false, ABSENT_NOT, false);
}

int names_read(struct names *n)
{
	return cache_names_some(n->cache, n->instance, &n->cursor, add, n);
}

static bool same(const char *a, const char *b)
{
	return ascii_strcasecmp(a, b) == 0;
}

int names_find(struct names *n, const char *project, const char *name, struct cache_row *ret)
{
	struct digest d = digest_of(n, project, name);
	int64_t id = known_id(n->rows, &d);
	int e = id > 0 ? cache_row_by_id(n->cache, id, ret) : -ENOENT;

	if (e < 0)
		return e;
	if (ret->kind == ROW_REPOSITORY && ret->instance == n->instance && same(ret->repo.project_name, project) && same(ret->repo.name, name))
		return 0;
	cache_row_done(ret);
	return -ENOENT;
}
