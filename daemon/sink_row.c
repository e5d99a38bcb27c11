/* A job of one row: how what Konnect answers gets into the cache, and what the log says of it. */
#include <errno.h>
#include <string.h>

#include "../lib/konnect.h"
#include "../lib/limits.h"
#include "../lib/plan.h"
#include "../lib/target.h"
#include "../lib/util.h"
#include "log.h"
#include "sink_internal.h"

#define PARKED_SINGLY_MAX 50	/* of one cycle that get a line each */

/* A repository in the listing with a service of its own: what is wanted of it hangs on the row alone. */
static bool is_plain(const struct cache_row *r)
{
	return r->kind == ROW_REPOSITORY && r->target == TARGET_OWN && r->state < REPO_EXCLUDED && r->absent == ABSENT_NOT &&
	       r->held == HELD_NOT && r->service_name != NULL && !target_is_uncertain(r);
}

static char *differences_of(const struct config_instance *config, const struct cache_row *row)
{
	struct plan_action *plan = xcalloc(1, sizeof(*plan));
	char text[MESSAGE_MAX], *all;

	plan_of_row(config, row, plan);
	all = xasprintf("%s%s%s", plan_kind_name(plan->kind), plan->n > 0 ? ": " : "", plan_differences_text(plan, text, sizeof(text)));
	plan_action_done(plan);
	free(plan);
	return all;
}

void row_begin(struct job *j, struct cache_row *row, const struct cache_row *target)
{
	struct sink_queue *q = j->queue;

	j->differences = !q->quiet || log_wants(LOG_DEBUG) ? differences_of(q->config, row) : NULL;
	j->plain = is_plain(row);
	j->edits = cache_edits(q->sink->cache);
	converge_init(&j->row, q->config, q->instance, cache_key(q->sink->cache), row, target);
}

static bool differ(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a != b : strcmp(a, b) != 0;
}

/* Whether the cache's row can only be the job's own, as it was when it was saved last. */
static bool is_untouched(const struct job *j)
{
	return j->plain && j->edits == cache_edits(j->queue->sink->cache) && j->row.names_tried == 0;
}

static int save_untouched(struct job *j)
{
	struct cache_row *r = &j->row.row;

	r->approved = r->approved && r->service_id == NULL;
	j->plain = is_plain(r);
	return cache_row_save_answer(j->queue->sink->cache, r);
}

/* The row as it stands now, with what Konnect said of it: a listing, or a new configuration, may have changed it since
 * the job began, and then what is wanted is the newer document. */
static int save_merged(struct job *j)
{
	struct cache *cache = j->queue->sink->cache;
	const struct cache_row *r = &j->row.row;
	struct cache_row now = { 0 };
	bool same, uncertain, renamed;
	int e = cache_row_by_id(cache, r->id, &now);

	if (e < 0)
		return e;
	uncertain = target_is_uncertain(&now);
	renamed = differ(now.service_name, r->service_name);
	free(now.service_name);
	free(now.service_id);
	free(now.mapping_id);
	free(now.ack);
	free(now.parked);
	free(now.resource_id);
	free(now.remembered);
	now.resource_id = r->resource_id != NULL ? xstrdup(r->resource_id) : NULL;
	now.remembered = r->remembered != NULL ? xstrdup(r->remembered) : NULL;
	now.archived = r->archived;
	now.parked = NULL;
	now.service_name = r->service_name != NULL ? xstrdup(r->service_name) : NULL;
	now.service_id = r->service_id != NULL ? xstrdup(r->service_id) : NULL;
	now.mapping_id = r->mapping_id != NULL ? xstrdup(r->mapping_id) : NULL;
	now.ack = r->ack != NULL ? xstrdup(r->ack) : NULL;
	now.have = r->have;
	now.theirs = r->theirs;
	/* that it may have been mapped is kept until it is known: what the job sends next was decided before */
	if (!uncertain || !digest_is_zero(&r->map_have))
		now.map_have = r->map_have;
	/* an approved creation is used up; an approved removal never counts as one that a bin has proven */
	now.approved = now.approved && (now.service_id == NULL || now.absent == ABSENT_REMOVED);
	target_consider(cache, j->queue->config, j->queue->instance->resource_keys, &now);
	same = memcmp(&now.want, &r->want, sizeof(now.want)) == 0 && memcmp(&now.map_want, &r->map_want, sizeof(now.map_want)) == 0;
	free(now.parked);
	now.parked = r->parked != NULL && same ? xstrdup(r->parked) : NULL;
	renamed = renamed || differ(now.service_name, r->service_name);
	e = renamed ? cache_row_save(cache, &now) : cache_row_save_answer(cache, &now);
	cache_row_done(&now);
	return e;
}

static int save_row(struct job *j)
{
	j->dirty = false;
	return is_untouched(j) ? save_untouched(j) : save_merged(j);
}

void row_keep(struct job *j)
{
	/* that it failed is told by the next flush */
	if (j->dirty)
		(void)save_row(j);
}

void row_end(struct job *j)
{
	row_keep(j);
	converge_done(&j->row);
}

/* "Payments / user-api", or what else the row stands for. */
static char *row_title(const struct cache_row *row)
{
	switch (row->kind) {
	case ROW_REPOSITORY:
		return xasprintf("%s / %s", row->repo.project_name, row->repo.name);
	case ROW_PROJECT:
		return xasprintf("the project %s", row->repo.project_name);
	case ROW_NAMED:
		return xasprintf("the service %s", row->service_name);
	}
	return xstrdup("?");
}

/* Said once an instance, and remembered: from now on the comparisons look for what Konnect has discovered. */
static void note_discovery(struct job *j)
{
	struct sink_queue *q = j->queue;

	if (q->instance->discovers)
		return;
	q->instance->discovers = true;
	if (cache_instance_save(q->sink->cache, q->instance) < 0)
		sink_cache_failed(q->sink);
	job_log(j, LOG_WARNING, EVENT_NONE, "Konnect takes no resource that it has not discovered itself: mappings wait for that%s",
		  q->config->share_pat ? "" : ", which never happens with share_pat = no; set it to yes, or map by hand");
}

/* Remembered, so that one resource that is refused is not taken for all. */
static void note_by_config(struct job *j)
{
	struct sink_queue *q = j->queue;

	if (!j->row.by_config || q->instance->takes_config)
		return;
	q->instance->takes_config = true;
	if (cache_instance_save(q->sink->cache, q->instance) < 0)
		sink_cache_failed(q->sink);
}

static void row_done(struct job *j)
{
	struct converge *c = &j->row;
	struct sink_stats *stats = &j->queue->stats;
	_cleanup_free_ char *title = row_title(&c->row);
	const char *service = c->target_name != NULL ? c->target_name : c->row.service_name;

	if (c->name_taken)
		job_log(j, LOG_NOTICE, EVENT_NAME_TAKEN, "%s: the plain service name is somebody else's, using %s", title, service);
	note_by_config(j);
	if (c->undiscovered)
		note_discovery(j);
	if (c->step == CONVERGE_PARKED) {
		stats->parked++;
		/* what all of them wait for is said once */
		job_log(j, c->undiscovered || stats->parked > PARKED_SINGLY_MAX ? LOG_DEBUG : LOG_WARNING, EVENT_PARKED,
			  "%s is parked until it changes: %s", title, c->row.parked);
	} else if (c->created) {
		stats->created++;
		job_log(j, LOG_INFO, EVENT_CREATED, "%s is in the catalog as %s", title, service);
	} else if (c->adopted) {
		stats->adopted++;
		job_log(j, LOG_INFO, EVENT_ADOPTED, "%s was in the catalog already as %s", title, service);
	} else if (c->target_name != NULL) {
		stats->changed++;
		job_log(j, LOG_INFO, EVENT_CHANGED, "%s is mapped to the service %s", title, service);
	} else {
		stats->changed++;
		job_log(j, LOG_INFO, EVENT_CHANGED, "%s (%s): %s", title, service,
			  j->differences != NULL ? j->differences : "");
	}
}

static void park(struct job *j, int status, const json_t *answer)
{
	char reason[MESSAGE_MAX];

	free(j->row.row.parked);
	j->row.row.parked = xasprintf("refused with %d: %s", status, konnect_reason(answer, reason, sizeof(reason)));
	j->row.step = CONVERGE_PARKED;
}

void row_settled(struct job *j)
{
	if (save_row(j) < 0 && cache_flush(j->queue->sink->cache) < 0)
		sink_cache_failed(j->queue->sink);
	if (j->row.step == CONVERGE_PARKED)
		row_done(j);
}

/* A service that was made just now is kept together with its mapping: should a crash come between, both are found again as after
 * lost answers. */
static bool may_wait(const struct job *j)
{
	return j->row.created && j->row.step == CONVERGE_MAP && j->row.row.mapping_id == NULL && is_untouched(j);
}

bool row_answered(struct job *j, int status, const json_t *answer)
{
	int e;

	if (status == 403)
		park(j, status, answer);
	else
		converge_answer(&j->row, status, answer);
	if (may_wait(j)) {
		j->dirty = true;
		return true;
	}
	e = save_row(j);
	if (e == -EEXIST)
		job_log(j, LOG_WARNING, EVENT_PARKED, "%s / %s: its service name %s is another repository's; rename one of the two",
			  j->row.row.repo.project_name, j->row.row.repo.name,
			  j->row.row.service_name != NULL ? j->row.row.service_name : "?");
	if (j->row.step != CONVERGE_DONE && j->row.step != CONVERGE_PARKED)
		return e == 0 || e == -EIO;
	row_done(j);
	return false;
}
