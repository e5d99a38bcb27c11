/* Listings that go into a cache of their own, with recycle bins and restarts: what the tests of intake, absence and approval
 * share. */
#pragma once

#include <errno.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache.h"
#include "intake.h"
#include "limits.h"
#include "t.h"
#include "util.h"

#define NOW INT64_C(1795478400)
#define BIN_MAX 2000

static char directory[64] = "/dev/shm/adosyncd-test-XXXXXX";
static char name[] = "a", organization[] = "A";
static char *none[] = { NULL };
static struct config_instance config;
static struct cache *cache;
static struct cache_instance instance;
static struct intake_result result;
static int64_t now = NOW;
static bool restarts;				/* before every listing the cache is closed and opened again */
static unsigned missed, removed, came;		/* events of the last listing */
static unsigned asked;				/* recycle bins that it wanted */
static uint32_t binned[BIN_MAX], n_binned;	/* what is in them */

static inline void on_event(void *arg, const struct cache_row *row, enum intake_event event)
{
	(void)arg;
	T_OK(row->repo.name != NULL && (row->missing_since != 0) == (event != INTAKE_RETURNED));
	switch (event) {
	case INTAKE_MISSING:
		T_OK(row->absent == ABSENT_MISSING && row->state == REPO_MISSING && row->removed_at == 0);
		missed++;
		return;
	case INTAKE_REMOVED:
		T_OK(row->absent == ABSENT_REMOVED && row->state == REPO_REMOVED && row->removed_at == now);
		removed++;
		return;
	case INTAKE_RETURNED:
		T_OK(row->absent == ABSENT_NOT && row->state != REPO_MISSING && row->state != REPO_REMOVED);
		came++;
		return;
	}
}

static inline void reopen(void)
{
	char *notice = NULL;

	if (cache != NULL) {
		T_EQ_INT(cache_instance_save(cache, &instance), 0);
		T_EQ_INT(cache_flush(cache), 0);
	}
	cache_instance_done(&instance);
	cache = cache_close(cache);
	T_EQ_INT(cache_open(directory, NOW, &cache, &notice), 0);
	T_NULL(notice);
	free(notice);
	T_EQ_INT(cache_instance_load(cache, "a", &instance), 0);
}

/* An empty cache, and the configuration that the tests begin with. */
static inline void fresh(void)
{
	_cleanup_free_ char *file = xasprintf("%s/cache.db", directory);

	cache_instance_done(&instance);
	cache = cache_close(cache);
	(void)unlink(file);
	config = (struct config_instance){ .name = name, .organization = organization, .include = none, .exclude = none,
					   .include_disabled = true, .removal_limit = { 20, true } };
	now = NOW;
	n_binned = 0;
	reopen();
}

/* A GUID that is made of id. */
static inline void guid_of(uint32_t id, uint8_t ret[16])
{
	_cleanup_free_ char *text = xasprintf("%08x-0000-4000-8000-000000000000", id);

	(void)guid_parse(text, ret);
}

/* One element. Its GUID is made of id. */
static inline char *element(const char *project, const char *r, uint32_t id, const char *more)
{
	return xasprintf("{\"id\":\"%08x-0000-4000-8000-000000000000\",\"name\":\"%s\",\"project\":{\"id\":"
			 "\"00000001-0000-4000-9000-000000000000\",\"name\":\"%s\"},\"defaultBranch\":\"refs/heads/main\"%s}", id, r,
			 project, more);
}

/* P/r1 and so on, of those ids; 0 ends. */
static inline char *listing_of(const uint32_t *ids)
{
	char *all = NULL;
	size_t size;
	FILE *f = open_memstream(&all, &size);
	unsigned n = 0;

	fputs("{\"value\":[", f);
	for (; *ids != 0; ids++, n++) {
		_cleanup_free_ char *r = xasprintf("r%u", *ids), *one = element("P", r, *ids, "");

		fprintf(f, "%s%s", n > 0 ? "," : "", one);
	}
	fprintf(f, "],\"count\":%u}", n);
	(void)fclose(f);
	return all;
}

/* The recycle bins have those as well. */
static inline void bin(uint32_t from, uint32_t to)
{
	for (; from <= to && n_binned < BIN_MAX; from++)
		binned[n_binned++] = from;
}

static inline int prove_all(struct intake *i)
{
	uint8_t guid[16];
	int r = 0;

	while (intake_next_project(i) != NULL)
		asked++;
	for (uint32_t k = 0; r == 0 && k < n_binned; k++) {
		guid_of(binned[k], guid);
		r = intake_prove(i, guid);
	}
	return r;
}

/* Feeds a listing in pieces and applies it if it is complete. 0, or -errno; *ret_error is a copy. */
static inline int take(const char *text, size_t piece, char **ret_error)
{
	struct intake *i;
	size_t n = strlen(text);
	int r;

	if (restarts)
		reopen();
	i = intake_new(cache, &config, &instance, on_event, NULL);
	missed = removed = came = asked = 0;
	while ((r = intake_load_step(i)) > 0)
		;
	for (size_t at = 0; r == 0 && at < n; at += piece)
		r = intake_feed(i, text + at, at + piece < n ? piece : n - at);
	if (r == 0)
		r = intake_finish(i);
	if (r == 0)
		while ((r = intake_apply_step(i, now)) > 0)
			if (r == INTAKE_BINS && prove_all(i) < 0)
				break;
	if (r == 0)
		result = *intake_result(i);
	if (ret_error != NULL)
		*ret_error = r < 0 && intake_error(i) != NULL ? xstrdup(intake_error(i)) : NULL;
	intake_free(i);
	return r;
}

static inline int take_ids(const uint32_t *ids)
{
	_cleanup_free_ char *text = listing_of(ids);

	return take(text, 4096, NULL);
}

#define TAKE(...) take_ids((const uint32_t[]){ __VA_ARGS__ __VA_OPT__(,) 0 })

/* From id to id. */
static inline int take_range(uint32_t from, uint32_t to)
{
	uint32_t *ids = xcalloc(to - from + 2, sizeof(*ids));
	int r;

	for (uint32_t i = from; i <= to; i++)
		ids[i - from] = i;
	r = take_ids(ids);
	free(ids);
	return r;
}

static inline struct cache_row row_of(uint32_t id)
{
	struct cache_row r = { 0 };
	uint8_t guid[16];

	guid_of(id, guid);
	T_EQ_INT(cache_row_by_guid(cache, instance.id, guid, &r), 0);
	return r;
}

/* As if Konnect had taken everything. */
static inline void acknowledge_all(void)
{
	struct cache_row r;

	for (int64_t id = 0; cache_row_next(cache, instance.id, id, &r) == 0; cache_row_done(&r)) {
		id = r.id;
		r.have = r.want;
		if (memcmp(&r.want, &(struct digest){ 0 }, sizeof(r.want)) != 0) {
			free(r.service_id);
			r.service_id = xasprintf("s-%lld", (long long)id);
		}
		free(r.mapping_id);
		r.mapping_id = xstrdup("m");
		r.map_have = r.map_want;
		/* an approved creation is used up */
		r.approved = r.approved && r.absent == ABSENT_REMOVED;
		(void)cache_row_save(cache, &r);
	}
	(void)cache_flush(cache);
}

static inline struct cache_counts counts(void)
{
	struct cache_counts n = { 0 };

	T_EQ_INT(cache_counts(cache, instance.id, &n), 0);
	return n;
}

static inline int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static inline void row_is(uint32_t id, enum row_absent absent, enum row_held held, enum repo_state state, const char *file, int line)
{
	struct cache_row r = row_of(id);

	t_eq_int(r.absent, absent, file, line, "absent");
	t_eq_int(r.held, held, file, line, "held");
	t_eq_int(r.state, state, file, line, "state");
	t_result((r.removed_at != 0) == (absent == ABSENT_REMOVED), file, line, "removed_at");
	t_result((r.missing_since != 0) == (absent != ABSENT_NOT || held == HELD_REMOVAL), file, line, "missing_since");
	cache_row_done(&r);
}

#define ROW_IS(id, absent, held, state) row_is(id, absent, held, state, __FILE__, __LINE__)

/* Repositories 1 to n, with everything in Konnect. */
static inline void settled(uint32_t n)
{
	fresh();
	T_EQ_INT(take_range(1, n), 0);
	acknowledge_all();
}

/* A listing of from to to with more elements; takes them. */
static inline int take_with(uint32_t from, uint32_t to, char *more)
{
	char *all = NULL;
	size_t size;
	FILE *f = open_memstream(&all, &size);
	uint32_t n = 0;
	int r;

	fputs("{\"value\":[", f);
	for (uint32_t id = from; id <= to; id++) {
		_cleanup_free_ char *repo = xasprintf("r%u", id), *one = element("P", repo, id, "");

		fprintf(f, "%s%s", n++ > 0 ? "," : "", one);
	}
	fprintf(f, "%s%s],\"count\":%u}", n > 0 ? "," : "", more, n + 1);
	(void)fclose(f);
	r = take(all, 512, NULL);
	free(all);
	free(more);
	return r;
}

/* Around all tests. */
static inline bool begin(void)
{
	if (access("/dev/shm", W_OK) < 0)
		(void)snprintf(directory, sizeof(directory), "/tmp/adosyncd-test-XXXXXX");
	if (mkdtemp(directory) != NULL)
		return true;
	perror(directory);
	return false;
}

static inline int end(void)
{
	cache_instance_done(&instance);
	cache_close(cache);
	(void)nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	return t_done();
}
