/* What a complete listing has not: whether a recycle bin proves it, whether it is too much at once, and what becomes of it. */
#include <errno.h>
#include <string.h>

#include "guard.h"
#include "intake_internal.h"
#include "limits.h"
#include "target.h"
#include "util.h"

#define DAY 86400
#define PROVEN_MAX_ALL_GONE 5	/* fewer than that may all go, if all are proven */

/* Rows whose absence may be explained: those that the listing has not, and that are not removed yet. */
static bool is_candidate(const struct known_entry *k)
{
	return !k->seen && k->absent != ABSENT_REMOVED;
}

/* What is no GUID is no project: its bin cannot be asked for. Nor that of a project which a service of ours did not tell. */
static void add_project(struct intake *i, const char *id)
{
	static const uint8_t none[16];
	uint8_t guid[16];

	if (guid_parse(id, guid) < 0 || memcmp(guid, none, sizeof(guid)) == 0)
		return;
	for (size_t n = 0; n < i->n_projects; n++)
		if (strcmp(i->projects[n], id) == 0)
			return;
	i->projects = xrealloc(i->projects, i->n_projects + 1, sizeof(*i->projects));
	guid_format(guid, i->projects[i->n_projects++]);
}

/* Missing for as long as the configuration waits counts like a proof. */
static bool is_aged(const struct intake *i, const struct cache_row *row, int64_t now)
{
	return i->config->remove_unexplained > 0 && row->absent == ABSENT_MISSING && row->missing_since > 0 &&
	       now - row->missing_since >= i->config->remove_unexplained;
}

int absence_projects_step(struct intake *i, int64_t now)
{
	struct known_entry k;

	for (unsigned n = 0; n < CACHE_STEP_ROWS; n++) {
		struct cache_row row = { 0 };
		int e;

		do {
			if (!known_next(i->known, &i->known_cursor, &k)) {
				i->known_cursor = 0;
				return 0;
			}
		} while (!is_candidate(&k));
		e = cache_row_by_id(i->cache, k.id, &row);
		if (e < 0)
			return -EIO;
		if (row.state != REPO_EXCLUDED)
			add_project(i, row.repo.project_id);
		if (is_aged(i, &row, now))
			known_prove(i->known, &row.raw);
		cache_row_done(&row);
	}
	return 1;
}

int absence_judge(struct intake *i, int64_t now)
{
	struct intake_result *r = &i->result;
	uint32_t gone = 0, proven = 0, explained = 0, today = 0;
	struct known_entry k;
	size_t cursor = 0;

	while (known_next(i->known, &cursor, &k)) {
		if (!is_candidate(&k) || k.excluded)
			continue;
		gone += k.absent == ABSENT_NOT;
		proven += k.absent == ABSENT_NOT && k.proven;
		explained += k.absent == ABSENT_MISSING && k.proven;
	}
	if (cache_removed_since(i->cache, i->instance->id, now - DAY, &today) < 0)
		return -EIO;
	r->everything_gone = r->known > 0 && gone == r->known && (proven < gone || gone >= PROVEN_MAX_ALL_GONE) && GUARD("all-gone");
	i->drip = proven + explained > 0 && today + proven + explained > r->removal_limit && GUARD("day");
	if (r->everything_gone || (gone > r->removal_limit && GUARD("limit"))) {
		r->held_removals = gone;
	} else if (i->drip) {
		/* what was missing already waits as well, and is in the plan as it was */
		r->held_removals = proven + explained;
		r->drip = true;
	}
	return 0;
}

static void remove_row(struct cache_row *row, int64_t now)
{
	row->absent = ABSENT_REMOVED;
	row->removed_at = now;
	row->held = HELD_NOT;
	row->approved = false;
	if (row->state != REPO_EXCLUDED)
		row->state = REPO_REMOVED;
}

/* What becomes of a row that the listing has not. Whether it changed; *ret_event: what to say, if anything. */
static bool absent(struct intake *i, struct cache_row *row, bool proven, int64_t now, int *ret_event)
{
	const struct intake_result *r = &i->result;
	bool hold_all = r->everything_gone || (r->held_removals > 0 && !r->drip), excluded = row->state == REPO_EXCLUDED;

	*ret_event = -1;
	if (row->absent == ABSENT_REMOVED)
		return false;	/* approved since this poll began */
	proven = proven || !GUARD("bin");
	if (row->missing_since == 0)
		row->missing_since = now;
	if (!excluded && row->absent == ABSENT_NOT && (hold_all || (i->drip && proven))) {
		bool news = row->held != HELD_REMOVAL;

		row->held = HELD_REMOVAL;
		return news;
	}
	if (proven && !hold_all && !i->drip) {
		remove_row(row, now);
		*ret_event = excluded ? -1 : INTAKE_REMOVED;
		return true;
	}
	if (row->absent == ABSENT_MISSING)
		return false;
	row->absent = ABSENT_MISSING;
	row->held = HELD_NOT;
	if (!excluded)
		row->state = REPO_MISSING;
	*ret_event = excluded ? -1 : INTAKE_MISSING;
	return true;
}

static int record(struct intake *i, const struct known_entry *k, int64_t now)
{
	struct cache_row row = { 0 };
	bool was_absent, changed = true;
	int event = -1, e = cache_row_by_id(i->cache, k->id, &row);

	if (e < 0)
		return -EIO;
	was_absent = row.absent != ABSENT_NOT;
	if (k->seen) {
		/* an element that changed meanwhile has been applied already */
		changed = was_absent || row.held == HELD_REMOVAL;
		event = was_absent && row.state != REPO_EXCLUDED ? INTAKE_RETURNED : -1;
		intake_present(&row);
		e = changed ? intake_consider(i, &row) : 0;
		i->result.returned += event == INTAKE_RETURNED;
	} else {
		changed = absent(i, &row, k->proven, now, &event);
		if (changed)
			target_consider(i->cache, i->config, i->instance->resource_keys, &row);
		i->result.missing += event == INTAKE_MISSING;
		i->result.removed += event == INTAKE_REMOVED;
	}
	if (e == 0 && changed)
		e = cache_row_save(i->cache, &row);
	if (e == 0 && event >= 0)
		i->on_event(i->arg, &row, (enum intake_event)event);
	cache_row_done(&row);
	return e < 0 ? -EIO : 0;
}

int absence_record_step(struct intake *i, int64_t now)
{
	struct known_entry k;

	for (unsigned n = 0; n < CACHE_STEP_ROWS;) {
		if (!known_next(i->known, &i->known_cursor, &k))
			return 0;
		if (!is_candidate(&k) && !(k.seen && (k.absent != ABSENT_NOT || k.held)))
			continue;
		if (record(i, &k, now) < 0)
			return -EIO;
		n++;
	}
	return 1;
}
