/* A cache in a directory of its own, and rows for it. For one test program each. */
#pragma once

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache.h"
#include "t.h"
#include "util.h"

#define NOW 1795478400 /* 2026-11-24 00:00 UTC */

static char directory[64];

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

/* An empty state directory. */
static void fresh(void)
{
	(void)nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	(void)snprintf(directory, sizeof(directory), "/dev/shm/adosyncd-test-XXXXXX");
	if (access("/dev/shm", W_OK) < 0)
		(void)snprintf(directory, sizeof(directory), "/tmp/adosyncd-test-XXXXXX");
	if (mkdtemp(directory) == NULL)
		perror(directory);
}

static inline char *path_of(const char *name)
{
	return xasprintf("%s/%s", directory, name);
}

static inline struct cache *open_cache(void)
{
	struct cache *c = NULL;
	char *notice = NULL;

	T_EQ_INT(cache_open(directory, NOW, &c, &notice), 0);
	T_NULL(notice);
	free(notice);
	return c;
}

/* From now on no file grows beyond so many bytes. Returns what is to be given to disk_is_as_before(). */
static inline struct rlimit disk_is_full_at(rlim_t bytes)
{
	struct rlimit old, tight;

	(void)signal(SIGXFSZ, SIG_IGN);
	(void)getrlimit(RLIMIT_FSIZE, &old);
	tight = (struct rlimit){ .rlim_cur = bytes, .rlim_max = old.rlim_max };
	/* what the test has said may be in a file as well */
	(void)fflush(stdout);
	(void)setrlimit(RLIMIT_FSIZE, &tight);
	return old;
}

static inline void disk_is_as_before(const struct rlimit *old)
{
	(void)fflush(stdout);
	(void)setrlimit(RLIMIT_FSIZE, old);
}

/* How many files of the directory begin so. */
static inline int files(const char *prefix)
{
	_cleanup_free_ char *command = xasprintf("ls %s | grep -c '^%s'", directory, prefix);
	FILE *f = popen(command, "r");
	int n = -1;

	if (fscanf(f, "%d", &n) != 1)
		n = -1;
	(void)pclose(f);
	return n;
}

static inline struct repo repo_of(uint32_t n)
{
	struct repo r = { .name = xasprintf("repo-%u", n), .project_id = xstrdup("p"), .project_name = xstrdup("P"),
			  .description = xstrdup("D"), .visibility = xstrdup("private"), .default_branch = xstrdup("refs/heads/main"),
			  .web_url = xstrdup("https://x"), .fork = n % 2 == 0, .maintenance = n % 3 == 0, .disabled = n % 5 == 0 };

	memcpy(r.guid, &n, sizeof(n));
	return r;
}

static inline struct digest digest_of(struct cache *c, uint32_t n)
{
	return digest_bytes(cache_key(c), &n, sizeof(n));
}

static inline struct cache_row row_of(struct cache *c, int64_t instance, uint32_t n)
{
	return (struct cache_row){ .instance = instance, .repo = repo_of(n), .raw = digest_of(c, n), .want = digest_of(c, n + 1),
				   .service_name = xasprintf("i%lld.p.repo-%u", (long long)instance, n) };
}

/* Adds a row, and returns its id. */
static inline int64_t add(struct cache *c, int64_t instance, uint32_t n)
{
	struct cache_row r = row_of(c, instance, n);
	int64_t id;

	if (cache_row_save(c, &r) < 0)
		return -1;
	id = r.id;
	cache_row_done(&r);
	return id;
}

static inline int64_t instance_id(struct cache *c, const char *name)
{
	struct cache_instance i;
	int64_t id;

	T_EQ_INT(cache_instance_load(c, name, &i), 0);
	id = i.id;
	cache_instance_done(&i);
	return id;
}

static inline void remove_directory(void)
{
	(void)nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static inline void sql(const char *text)
{
	_cleanup_free_ char *path = path_of("cache.db");
	sqlite3 *db = NULL;

	T_OK(sqlite3_open(path, &db) == SQLITE_OK && sqlite3_exec(db, text, NULL, NULL, NULL) == SQLITE_OK);
	(void)sqlite3_close(db);
}
