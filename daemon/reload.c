/* Reading the configuration again: all of it or nothing. */
#include <errno.h>
#include <string.h>

#include "../lib/util.h"
#include "log.h"
#include "loop.h"
#include "notify.h"
#include "sink.h"
#include "syncd_internal.h"

static void say_restart(const char *key, const char *now, const char *then)
{
	if (strcmp(now, then) != 0)
		log_warning("config", "%s: a change needs a restart; still using %s", key, now);
}

/* Takes over the source of that name, or NULL. */
static struct source *take(struct source **old, size_t n, const char *name)
{
	struct source *s;

	for (size_t i = 0; i < n; i++) {
		s = old[i];
		if (s == NULL || strcmp(source_config(s)->name, name) != 0)
			continue;
		old[i] = NULL;
		return s;
	}
	return NULL;
}

/* The new list of sources: kept ones go on, new ones begin, the others end. */
static int swap_sources(struct syncd *d, struct config *config)
{
	struct source **old = d->sources, **new = xcalloc(config->n_instances, sizeof(struct source *)), *s;
	size_t n_old = d->n_sources, n = 0;
	int r = 0;

	for (size_t i = 0; i < config->n_instances; i++) {
		s = take(old, n_old, config->instances[i].name);
		if (s != NULL) {
			new[n++] = s;
			source_reconfigure(s);
		} else if (source_new(&d->context, &config->instances[i], &s) == 0) {
			new[n++] = s;
			source_start(s);
			/* one that was configured before may remember a wait */
			source_sync(s);
		} else {
			log_error("cache", "the instance %s cannot begin; try adosyncctl reload", config->instances[i].name);
			r = -EIO;
		}
	}
	for (size_t i = 0; i < n_old; i++)
		source_free(old[i]);
	free(old);
	d->sources = new;
	d->n_sources = n;
	return r;
}

void syncd_say_unconfigured(struct syncd *d)
{
	char *name = NULL, *next;
	int r;

	while ((r = cache_instance_next(d->cache, name != NULL ? name : "", &next)) == 0) {
		struct cache_instance i = { 0 };

		free(name);
		name = next;
		if (config_find(d->config, name) != NULL)
			continue;
		r = cache_instance_find(d->cache, name, &i);
		if (r == 0 && !i.unconfigured) {
			struct log_fields f = { .instance = name };

			log_event(LOG_NOTICE, &f, name, "is not configured any more%s",
				  i.withdrawn ? "" : "; what it owns in Konnect stays as it is");
			i.unconfigured = true;
			r = cache_instance_save(d->cache, &i);
		}
		cache_instance_done(&i);
		if (r < 0)
			break;
	}
	free(name);
	if (cache_flush(d->cache) < 0 || (r < 0 && r != -ENOENT))
		log_error("cache", "which instances are not configured any more cannot be kept: %s", cache_error(d->cache));
}

int syncd_reload(struct syncd *d, char **ret_error)
{
	struct log_fields refused = { .event = EVENT_RELOAD_REFUSED }, reloaded = { .event = EVENT_RELOADED };
	struct config *config = NULL, *old = d->config;
	char *error = NULL;

	notify_reloading();
	if (config_load(d->config_file, &config, &error) < 0) {
		log_event(LOG_ERR, &refused, "config", "refused, the old configuration stays in force: %s", error);
		notify_ready();
		d->reload_refused = true;
		*ret_error = error;
		return -EINVAL;
	}
	say_restart("state_directory", old->state_directory, config->state_directory);
	say_restart("control_socket", old->control_socket, config->control_socket);
	say_restart("listen", old->listen, config->listen);
	d->reload_refused = false;
	d->reloaded = loop_wall_sec(d->loop);
	log_setup(config->log_format, config->log_level);
	d->config = config;
	d->context.config = config;
	sink_reconfigure(d->sink, config);
	(void)swap_sources(d, config);
	syncd_say_unconfigured(d);
	config_free(old);
	log_event(LOG_NOTICE, &reloaded, "config", "reloaded: %s", COUNT_OF(d->n_sources, "instance"));
	syncd_housekeep(d);
	notify_ready();
	return 0;
}
