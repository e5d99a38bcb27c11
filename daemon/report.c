#include "report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../lib/approve.h"
#include "../lib/konnect.h"
#include "../lib/limits.h"
#include "../lib/plan.h"
#include "../lib/util.h"
#include "sink.h"
#include "source.h"

#define PLAN_LINE_MAX 8192

bool report_once(FILE *f, struct cache *c, const struct source *s)
{
	const char *name = source_config(s)->name, *trouble = source_trouble(s), *refused = sink_queue_refused(source_queue(s));
	const struct intake_result *r = source_result(s);
	const struct sink_stats *p = sink_queue_stats(source_queue(s));
	struct cache_counts n = { 0 };
	char text[MESSAGE_MAX];
	uint32_t left;

	if (source_schedule(s)->state == INSTANCE_PAUSED) {
		fprintf(f, "%s: paused\n", name);
		return true;
	}
	if (r == NULL) {
		fprintf(f, "%s: not through: %s\n", name, printable(text, sizeof(text), trouble != NULL ? trouble : "not polled"));
		return false;
	}
	(void)cache_counts(c, source_cached(s)->id, &n);
	left = n.pending - (source_holds_creations(s) ? n.creations : 0);
	if (refused == NULL && trouble == NULL && left == 0)
		fprintf(f, "%s: ok: ", name);
	else
		fprintf(f, "%s: not through: ", name);
	fprintf(f, "%s, %u created, %u changed, %u adopted, %u missing, %u parked, %u pending\n", COUNT_OF(r->listed, "repository"),
		p->created, p->changed, p->adopted, n.missing, n.parked, n.pending);
	if (refused != NULL)
		fprintf(f, "%s: refused: %s\n", name, printable(text, sizeof(text), refused));
	if (trouble != NULL)
		fprintf(f, "%s: %s\n", name, printable(text, sizeof(text), trouble));
	return refused == NULL && trouble == NULL && left == 0;
}

static void print_action(FILE *f, const char *instance, const struct cache_row *row, const char *service, const struct plan_action *a)
{
	char project[NAME_MAX_BYTES], name[NAME_MAX_BYTES], text[PLAN_LINE_MAX];
	const char *changes = plan_differences_text(a, text, sizeof(text)), *colon = a->n > 0 ? ": " : "";

	(void)printable(project, sizeof(project), row->repo.project_name);
	(void)printable(name, sizeof(name), row->repo.name);
	if (row->kind == ROW_REPOSITORY)
		fprintf(f, "%s: %s %s / %s (service %s)%s%s%s\n", instance, plan_kind_name(a->kind), project, name, service, colon, changes,
			a->moves ? ", in place of another service" : "");
	else
		fprintf(f, "%s: %s service %s of %s%s%s\n", instance, plan_kind_name(a->kind), service,
			row->kind == ROW_PROJECT ? project : "a map in the configuration", colon, changes);
}

/* The service that the row has, or shares. */
static char *service_of(struct cache *c, const struct cache_row *row)
{
	struct cache_row target = { 0 };
	char *name = NULL;

	if (row->target > 0 && cache_row_by_id(c, row->target, &target) == 0 && target.service_name != NULL)
		name = xstrdup(target.service_name);
	cache_row_done(&target);
	if (name == NULL)
		name = xstrdup(row->service_name != NULL ? row->service_name : "none");
	return name;
}

/* A repository that is not listed, or whose fate is held: what is not among the actions anyway. */
static void print_absent(FILE *f, const char *instance, const struct cache_row *row)
{
	bool pending = memcmp(&row->want, &row->have, sizeof(row->want)) != 0;
	char project[NAME_MAX_BYTES], name[NAME_MAX_BYTES];
	const char *what = row->held == HELD_EXCLUSION ? "held: a filter excludes it, and too many others" :
			   row->held == HELD_REMOVAL ? "held: not in the listing any more" :
			   row->absent == ABSENT_REMOVED ? "removed" : "not in the listing, its service is kept";

	if (row->held == HELD_NOT && pending)
		return;
	fprintf(f, "%s: %s %s / %s (service %s): %s\n", instance, row->held == HELD_EXCLUSION ? "excluded" : "missing",
		printable(project, sizeof(project), row->repo.project_name), printable(name, sizeof(name), row->repo.name),
		row->service_name != NULL ? row->service_name : "none", what);
}

static void print_instance(FILE *f, const struct config_instance *config, const struct sink_queue *q)
{
	char text[MESSAGE_MAX];

	if (sink_queue_refused(q) != NULL)
		fprintf(f, "%s: refused: %s\n", config->name, printable(text, sizeof(text), sink_queue_refused(q)));
	else if (sink_queue_would_create(q))
		fprintf(f, "%s: create the integration instance \"%s\" for the organization \"%s\"\n", config->name, config->name,
			config->organization);
	else if (sink_queue_would_adopt(q))
		fprintf(f, "%s: adopt the integration instance \"%s\": it gets our labels\n", config->name, config->name);
}

void report_plan(FILE *f, struct cache *c, const struct config_instance *config, const struct cache_instance *instance,
		 const struct sink_queue *q, const struct intake_result *r)
{
	struct plan_action *a = xcalloc(1, sizeof(*a));
	unsigned created = 0, adopted = 0, changed = 0, missing = 0;
	struct cache_row row = { 0 };

	if (q != NULL)
		print_instance(f, config, q);
	for (int64_t id = 0; cache_pending_next(c, instance->id, id, true, &row) == 0; cache_row_done(&row)) {
		_cleanup_free_ char *service = service_of(c, &row);

		id = row.id;
		plan_of_row(config, &row, a);
		if (a->kind == PLAN_CREATE && q != NULL && sink_queue_has_service(q, service))
			a->kind = PLAN_ADOPT;
		created += a->kind == PLAN_CREATE;
		adopted += a->kind == PLAN_ADOPT;
		changed += a->kind != PLAN_CREATE && a->kind != PLAN_ADOPT;
		print_action(f, config->name, &row, service, a);
		plan_action_done(a);
	}
	for (int64_t id = 0; cache_missing_next(c, instance->id, id, &row) == 0; cache_row_done(&row)) {
		id = row.id;
		missing += row.absent == ABSENT_MISSING;
		print_absent(f, config->name, &row);
	}
	if (r != NULL)
		fprintf(f, "%s: %s listed: %u to create, %u to adopt, %u to change, %u missing\n", config->name, COUNT_OF(r->listed, "repository"),
			created, adopted, changed, missing);
	free(a);
}

void report_hash(FILE *f, struct cache *c, const struct source *s)
{
	char hash[APPROVE_HASH_LEN + 1];
	uint32_t n = 0;

	if (approve_plan(c, source_config(s), source_cached(s), source_holds_creations(s), NULL, NULL, hash, &n) == 0 && n > 0)
		fprintf(f, "%s: to let the %u held through: adosyncd --once --approve %s=%s\n", source_config(s)->name, n,
			source_config(s)->name, hash);
}

void report_check(FILE *f, const struct config *config)
{
	struct cache_instance instance = { 0 };
	struct cache *c = NULL;
	char *notice = NULL;

	/* without a cache, or beside a running daemon, nothing is known, and nothing is said */
	if (access(config->state_directory, R_OK) < 0 || cache_open_copy(config->state_directory, &c, &notice) < 0) {
		free(notice);
		return;
	}
	free(notice);
	for (size_t i = 0; i < config->n_instances; i++) {
		const char *name = config->instances[i].name;

		if (cache_instance_find(c, name, &instance) == 0 && instance.resource_keys != NULL &&
		    konnect_keys_are_names(instance.resource_keys))
			fprintf(f, "# %s: Konnect's resource type %s is keyed by names: a rename replaces resource and mapping, two "
				"requests more\n", name, instance.resource_type);
		cache_instance_done(&instance);
	}
	cache_close(c);
}
