/* What an unchanged element costs, for valgrind to count.
 *
 * usage: gate prepare DIRECTORY N: a listing of N repositories, and a cache that knows them all
 *        gate poll DIRECTORY: takes that listing over it, in chunks as they come from the network */
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache.h"
#include "intake.h"
#include "util.h"

enum { CHUNK = 16 << 10 };

static const int64_t now = 1795478400;

static void die(const char *what)
{
	fprintf(stderr, "gate: %s\n", what);
	exit(1);
}

static void write_listing(const char *file, unsigned n)
{
	FILE *f = fopen(file, "we");

	if (f == NULL)
		die(file);
	fputs("{\"value\":[", f);
	for (unsigned i = 1; i <= n; i++) {
		unsigned p = i * 2654435761U % (n / 20 + 1);	/* the project, in no order */

		fprintf(f, "%s{\"id\":\"%08x-5a3c-4d11-8f6e-0123456789ab\",\"name\":\"payments-gateway-%u\",\"url\":\"https://dev.azure.com/"
			"contoso-engineering/%08x-77aa-4b22-9c3d-0123456789ab/_apis/git/repositories/%08x-5a3c-4d11-8f6e-0123456789ab\","
			"\"project\":{\"id\":\"%08x-77aa-4b22-9c3d-0123456789ab\",\"name\":\"Payments %u\",\"description\":\"This project holds "
			"the source code, \\\"pipelines\\\" and infrastructure definitions of the team; see the wiki for on-call, runbooks and "
			"architecture decisions.\",\"url\":\"https://dev.azure.com/contoso-engineering/_apis/projects/%08x-77aa-4b22-9c3d-"
			"0123456789ab\",\"state\":\"wellFormed\",\"revision\":%u,\"visibility\":\"private\",\"lastUpdateTime\":"
			"\"2025-01-02T03:04:05.678Z\"},\"defaultBranch\":\"refs/heads/main\",\"size\":%u,\"remoteUrl\":\"https://contoso-"
			"engineering@dev.azure.com/contoso-engineering/Payments%%20%u/_git/payments-gateway-%u\",\"sshUrl\":\"git@ssh.dev."
			"azure.com:v3/contoso-engineering/Payments%%20%u/payments-gateway-%u\",\"webUrl\":\"https://dev.azure.com/contoso-"
			"engineering/Payments%%20%u/_git/payments-gateway-%u\",\"isDisabled\":false,\"isInMaintenance\":false}",
			i > 1 ? "," : "", i, i, p, i, p, p, p, 10 + p, 1000 + i * 37, p, i, p, i, p, i);
	}
	fprintf(f, "],\"count\":%u}", n);
	if (fclose(f) != 0)
		die(file);
}

/* The cache's key is random, and with it where its digests come to lie: here it is always the same. */
static void fix_key(const char *directory)
{
	_cleanup_free_ char *file = xasprintf("%s/cache.db", directory);
	sqlite3 *db;

	if (sqlite3_open(file, &db) != SQLITE_OK ||
	    sqlite3_exec(db, "UPDATE meta SET key = x'000102030405060708090a0b0c0d0e0f'", NULL, NULL, NULL) != SQLITE_OK)
		die(sqlite3_errmsg(db));
	(void)sqlite3_close(db);
}

static struct cache *open_cache(const char *directory)
{
	struct cache *c;
	char *notice = NULL;

	if (cache_open(directory, now, &c, &notice) < 0)
		die(notice);
	free(notice);
	return c;
}

static void poll(const char *directory, bool all_new)
{
	static char name[] = "contoso", organization[] = "contoso-engineering", *none[] = { NULL };
	const struct config_instance config = { .name = name, .organization = organization, .include = none, .exclude = none,
						.include_disabled = true, .removal_limit = { 20, true } };
	_cleanup_free_ char *file = xasprintf("%s/listing.json", directory);
	struct cache *c = open_cache(directory);
	struct cache_instance instance;
	const struct intake_result *result;
	struct intake *i;
	struct stat st;
	const char *p;
	int fd = open(file, O_RDONLY | O_CLOEXEC), r;

	if (fd < 0 || fstat(fd, &st) < 0)
		die(file);
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED || cache_instance_load(c, name, &instance) < 0)
		die(directory);
	i = intake_new(c, &config, &instance, NULL, NULL);
	while ((r = intake_load_step(i)) > 0)
		;
	for (off_t at = 0; r == 0 && at < st.st_size; at += CHUNK)
		r = intake_feed(i, p + at, (size_t)(at + CHUNK < st.st_size ? CHUNK : st.st_size - at));
	if (r == 0)
		r = intake_finish(i);
	if (r == 0)
		while ((r = intake_apply_step(i, now)) > 0)
			;
	if (r < 0)
		die("the listing was not taken");
	result = intake_result(i);
	if (all_new ? result->added != result->listed : result->added + result->changed + result->missing > 0)
		die("the listing was not what it should be");
	intake_free(i);
	if (cache_instance_save(c, &instance) < 0 || cache_flush(c) < 0)
		die("the cache was not written");
	cache_instance_done(&instance);
	cache_close(c);
	(void)munmap((char *)(uintptr_t)p, (size_t)st.st_size);
	(void)close(fd);
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "prepare") == 0) {
		_cleanup_free_ char *file = xasprintf("%s/listing.json", argv[2]);

		write_listing(file, (unsigned)strtoul(argv[3], NULL, 10));
		cache_close(open_cache(argv[2]));
		fix_key(argv[2]);
		poll(argv[2], true);
		return 0;
	}
	if (argc == 3 && strcmp(argv[1], "poll") == 0) {
		poll(argv[2], false);
		return 0;
	}
	fprintf(stderr, "usage: gate prepare DIRECTORY N | gate poll DIRECTORY\n");
	return 64;
}
