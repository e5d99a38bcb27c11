/* --dry-run --from-file: a plan from a saved listing, so that a bug report needs no credentials. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../lib/intake.h"
#include "../lib/plan.h"
#include "../lib/util.h"
#include "exit.h"
#include "report.h"
#include "syncd.h"

static void on_event(void *arg, const struct cache_row *row, enum intake_event event)
{
	(void)arg;
	(void)row;
	(void)event;
}

/* 0, -EBADMSG, or -errno of the file (*ret_file_error) or of the cache. */
static int feed_file(struct intake *i, FILE *f, bool *ret_file_error)
{
	char buf[1 << 16];
	size_t n;
	int r = 0;

	while (r == 0 && (n = fread(buf, 1, sizeof(buf), f)) > 0)
		r = intake_feed(i, buf, n);
	*ret_file_error = r == 0 && ferror(f);
	if (*ret_file_error)
		return errno != 0 ? -errno : -EIO;
	return r < 0 ? r : intake_finish(i);
}

static int take(struct intake *i, const char *listing, char **ret_error)
{
	FILE *f = fopen(listing, "re");
	bool file_error = false;
	int r = f == NULL ? -errno : 0;

	if (f == NULL) {
		*ret_error = xasprintf("%s: %s", listing, strerror(-r));
		return r;
	}
	while ((r = intake_load_step(i)) > 0)
		;
	if (r == 0)
		r = feed_file(i, f, &file_error);
	(void)fclose(f);
	/* there is nobody to ask for recycle bins: what is missing stays unexplained */
	while (r == 0 && (r = intake_apply_step(i, time(NULL))) > 0) {
		while (r == INTAKE_BINS && intake_next_project(i) != NULL)
			;
		r = 0;
	}
	if (r == -EBADMSG)
		*ret_error = xasprintf("%s: no complete listing of repositories: %s; save the whole answer of "
				       "GET {url}/_apis/git/repositories", listing, intake_error(i));
	else if (file_error)
		*ret_error = xasprintf("%s: %s", listing, strerror(-r));
	return r;
}

static void print(struct cache *c, const struct config *config, const struct config_instance *instance,
		  const struct cache_instance *cached, const struct intake_result *r)
{
	struct cache_counts n = { 0 };
	char *hold;

	report_plan(stdout, c, instance, cached, NULL, r);
	(void)cache_counts(c, cached->id, &n);
	hold = intake_hold(r, n.creations, config->konnect.create_limit);
	if (hold != NULL)
		printf("%s: %s\n", instance->name, hold);
	free(hold);
}

int syncd_plan_file(struct cache *c, const struct config *config, const struct config_instance *instance,
		    const char *listing)
{
	_cleanup_free_ char *error = NULL;
	struct cache_instance cached = { 0 };
	struct intake *i;
	int r = cache_instance_load(c, instance->name, &cached);

	if (r == 0) {
		i = intake_new(c, instance, &cached, on_event, NULL);
		r = take(i, listing, &error);
		if (r == 0)
			print(c, config, instance, &cached, intake_result(i));
		intake_free(i);
	}
	if (r < 0)
		fprintf(stderr, "adosyncd: %s\n", error != NULL ? error : cache_error(c));
	cache_instance_done(&cached);
	return r < 0 ? EXIT_ERROR : EXIT_OK;
}
