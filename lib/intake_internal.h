/* What intake.c (a listing on its way into the cache) and absence.c (what it has not) share. */
#pragma once

#include "guids.h"
#include "intake.h"
#include "known.h"
#include "limits.h"
#include "listing.h"

/* In this order. What the listing has comes before what it has not, so that a hold keeps nothing else back. */
enum phase {
	PHASE_LOAD,
	PHASE_CLEAR,
	PHASE_RECEIVE,
	PHASE_WEIGH,		/* how many would a change of filters exclude? */
	PHASE_STAGED,
	PHASE_UNSTAGE,
	PHASE_RECONSIDER,
	PHASE_PROJECTS,		/* whose recycle bins may explain what is missing? */
	PHASE_BINS,		/* the caller reads them */
	PHASE_JUDGE,
	PHASE_RECORD,
	PHASE_SERVICES,		/* of projects: gone with their last repositories, or back */
	PHASE_DONE,
};

struct intake {
	struct cache *cache;
	const struct config_instance *config;
	struct cache_instance *instance;
	intake_event_fn on_event;
	void *arg;
	enum phase phase;
	int64_t load_cursor, staged_cursor;
	struct known *known;
	struct guids *guids;		/* of what it has not */
	uint32_t n_staged;		/* of these */
	size_t n_known;
	struct listing *listing;
	const char *error;
	struct digest config_digest;	/* of what the configuration makes of a repository */
	bool stale;			/* which has changed since the rows were considered */
	bool renamed;			/* and the organization has another name now */
	int64_t row_cursor;
	size_t known_cursor;
	uint32_t would_exclude;		/* services that a change of filters would exclude */
	char (*projects)[GUID_TEXT_LEN + 1]; /* with missing repositories, each once */
	size_t n_projects, project;
	size_t first_project;		/* to be asked about */
	bool drip;			/* the removals of a day exceed the limit: proven ones wait */
	unsigned losses;		/* of the cache before */
	struct intake_result result;
};

/* What the row's repository now means for Konnect. 0 or -EIO. */
int intake_consider(struct intake *i, struct cache_row *row);

/* The row is in the listing (again): nothing of what its absence meant is left. */
void intake_present(struct cache_row *row);

/* At most CACHE_STEP_ROWS rows each. 1 = call again, 0 = the phase is over, -EIO. */
int absence_projects_step(struct intake *i, int64_t now);
int absence_judge(struct intake *i, int64_t now);
int absence_record_step(struct intake *i, int64_t now);
