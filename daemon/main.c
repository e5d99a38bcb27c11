/* The order in which everything starts and stops, and nothing else. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include "../lib/cache.h"
#include "../lib/config.h"
#include "args.h"
#include "exit.h"
#include "log.h"
#include "loop.h"
#include "report.h"
#include "syncd.h"

/* Secrets are in memory: no core file, and no debugger of the same user. */
static void forbid_core(void)
{
	const struct rlimit none = { 0, 0 };

	(void)setrlimit(RLIMIT_CORE, &none);
#ifndef __SANITIZE_ADDRESS__ /* whose leak check is a debugger */
	(void)prctl(PR_SET_DUMPABLE, 0);
#endif
}

/* Each line of it is an error of its own. */
static void refuse_config(const struct args *args, char *error)
{
	/* somebody reads it, or an editor; what a daemon says goes where its log will go */
	if (args->check || args->once || args->dry_run || log_is_text()) {
		fprintf(stderr, "%s\n", error);
		return;
	}
	for (char *rest = NULL, *line = strtok_r(error, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest))
		log_error("config", "%s", line);
}

static int read_config(const struct args *args, struct config **ret)
{
	char *error = NULL;

	if (config_load(args->config, ret, &error) == 0)
		return 0;
	refuse_config(args, error);
	free(error);
	return EXIT_BAD_CONFIG;
}

/* A plan works on a copy, so that it changes nothing. */
static int open_cache(const struct config *config, bool copy, struct cache **ret)
{
	struct log_fields rebuilt = { .event = EVENT_CACHE_REBUILT };
	char *notice = NULL;
	int r;

	if (copy) {
		r = cache_open_copy(config->state_directory, ret, &notice);
	} else {
		/* only the last directory: a missing parent is a typing error */
		if (mkdir(config->state_directory, 0700) < 0 && errno != EEXIST)
			log_error("cache", "%s cannot be made: %s; make it, or set state_directory", config->state_directory,
				  strerror(errno));
		r = cache_open(config->state_directory, time(NULL), ret, &notice);
	}
	if (r < 0)
		log_error("cache", "%s", notice);
	else if (notice != NULL)
		log_event(LOG_WARNING, &rebuilt, "cache", "%s", notice);
	free(notice);
	return r == 0 ? 0 : r == -EBUSY ? EXIT_TRY_AGAIN : EXIT_ERROR;
}

static int plan_file(const struct config *config, struct cache *cache, const struct args *args)
{
	const struct config_instance *instance = config_find(config, args->instance);

	if (instance != NULL)
		return syncd_plan_file(cache, config, instance, args->listing);
	fprintf(stderr, "adosyncd: there is no instance \"%s\" in %s\n", args->instance, args->config);
	return EXIT_USAGE;
}

static int run_on(struct config *config, struct cache *cache, const struct args *args)
{
	enum syncd_mode mode = args->dry_run ? SYNCD_DRY_RUN : args->once ? SYNCD_ONCE : SYNCD_DAEMON;
	struct loop *loop = loop_new();
	struct syncd *d = NULL;
	int status = EXIT_ERROR;

	if (loop == NULL)
		log_error("loop", "libevent cannot start: %s", strerror(errno));
	else if (syncd_new(loop, cache, config, args->config, mode, &d) == 0) {
		syncd_approve(d, args->approve, args->hash);
		status = syncd_run(d);
	}
	syncd_free(d);
	loop_free(loop);
	return status == EXIT_ERROR && cache_is_damaged(cache) ? SYNCD_CACHE_DAMAGED : status;
}

#define REBUILDS_MAX 3	/* a disk that damages one file after the other is not mended by a new file */

/* Runs, and begins anew when the cache turns out to be damaged on the way. */
static int run(struct config *config, struct cache **cache, const struct args *args)
{
	struct log_fields rebuilt = { .event = EVENT_CACHE_REBUILT };
	int status = run_on(config, *cache, args);

	for (int n = 0; status == SYNCD_CACHE_DAMAGED && !args->dry_run && n < REBUILDS_MAX; n++) {
		char *notice = NULL;
		int r;

		*cache = cache_close(*cache);
		r = cache_set_aside(config->state_directory, time(NULL), &notice);
		log_event(r == 0 ? LOG_WARNING : LOG_ERR, r == 0 ? &rebuilt : NULL, "cache", "%s", notice);
		free(notice);
		status = r == 0 ? open_cache(config, false, cache) : EXIT_ERROR;
		if (status == 0)
			status = run_on(config, *cache, args);
	}
	return status == SYNCD_CACHE_DAMAGED ? EXIT_ERROR : status;
}

int main(int argc, char **argv)
{
	struct config *config = NULL;
	struct cache *cache = NULL;
	struct args args;
	int status = args_read(argc, argv, &args);

	if (status >= 0)
		return status;
	forbid_core();
	/* until the configuration says otherwise */
	log_setup(LOG_FORMAT_AUTO, LOG_INFO);
	status = read_config(&args, &config);
	if (status == 0 && args.check) {
		config_print(config, stdout);
		report_check(stdout, config);
		config_free(config);
		return EXIT_OK;
	}
	if (status == 0) {
		log_setup(config->log_format, config->log_level);
		status = open_cache(config, args.dry_run, &cache);
	}
	if (status == 0 && args.listing != NULL)
		status = plan_file(config, cache, &args);
	else if (status == 0)
		status = run(config, &cache, &args);
	cache_close(cache);
	config_free(config);
	return status;
}
