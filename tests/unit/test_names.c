/* Repositories by their names. */
#include "names.h"

#include <errno.h>

#include "caches.h"
#include "limits.h"

static struct cache *cache;
static int64_t mine;

static int64_t add_named(int64_t instance, uint32_t n, const char *project, const char *name, enum row_kind kind)
{
	struct cache_row r = { .instance = instance, .kind = kind };
	int64_t id;

	memcpy(r.repo.guid, &n, sizeof(n));
	memcpy(r.raw.b, &n, sizeof(n));
	r.repo.name = xstrdup(name);
	r.repo.project_name = xstrdup(project);
	r.repo.project_id = xstrdup("p");
	T_EQ_INT(cache_row_save(cache, &r), 0);
	id = r.id;
	cache_row_done(&r);
	return id;
}

static int64_t found(struct names *n, const char *project, const char *name)
{
	struct cache_row r = { 0 };
	int e = names_find(n, project, name, &r);
	int64_t id = e == 0 ? r.id : e;

	cache_row_done(&r);
	return id;
}

static struct names *all(void)
{
	struct names *n = names_new(cache, mine);
	int turns = 1, e;

	while ((e = names_read(n)) == 1)
		turns++;
	T_EQ_INT(e, 0);
	T_EQ_INT(turns, 3);
	return n;
}

int main(void)
{
	enum { N = CACHE_NAMES_ROWS * 2 + 10 };
	int64_t first = 0, last = 0, other, twin, service;
	struct cache_row r;
	struct names *n;
	char name[32];

	fresh();
	cache = open_cache();
	mine = instance_id(cache, "a");
	other = add_named(instance_id(cache, "b"), 1, "Payments", "elsewhere", ROW_REPOSITORY);
	for (uint32_t i = 1; i <= N; i++) {
		(void)snprintf(name, sizeof(name), "repo-%u", i);
		last = add_named(mine, i, "Payments Hub", name, ROW_REPOSITORY);
		first = first == 0 ? last : first;
	}
	service = add_named(mine, N + 1, "Payments Hub", "the service", ROW_PROJECT);
	twin = add_named(mine, N + 2, "payments hub", "REPO-2", ROW_REPOSITORY);
	T_OK(cache_flush(cache) == 0 && other > 0 && service > 0);
	n = all();
	T_OK(found(n, "Payments Hub", "repo-1") == first && found(n, "PAYMENTS HUB", "Repo-1") == first);
	T_OK(found(n, "Payments Hub", "repo-1010") == last);
	T_OK_MSG(found(n, "Payments Hub", "repo-2") == twin, "the newest of two");
	T_EQ_INT(found(n, "Payments Hub", "repo-0"), -ENOENT);
	T_EQ_INT_MSG(found(n, "Payments Hu", "brepo-1"), -ENOENT, "where one name ends counts");
	T_EQ_INT_MSG(found(n, "Payments Hub", "the service"), -ENOENT, "no repository");
	T_EQ_INT_MSG(found(n, "Payments", "elsewhere"), -ENOENT, "another instance's");
	/* renamed, and come, since */
	T_EQ_INT(cache_row_by_id(cache, first, &r), 0);
	free(r.repo.name);
	r.repo.name = xstrdup("renamed");
	T_EQ_INT(cache_row_save(cache, &r), 0);
	cache_row_done(&r);
	(void)add_named(mine, N + 3, "Payments Hub", "new", ROW_REPOSITORY);
	T_EQ_INT(found(n, "Payments Hub", "repo-1"), -ENOENT);
	T_EQ_INT(found(n, "Payments Hub", "renamed"), -ENOENT);
	T_EQ_INT(found(n, "Payments Hub", "new"), -ENOENT);
	names_free(n);
	n = all();
	T_OK(found(n, "Payments Hub", "renamed") == first && found(n, "Payments Hub", "new") > twin);
	T_NULL(names_free(n));
	T_NULL(names_free(NULL));
	cache_close(cache);
	remove_directory();
	return t_done();
}
