/* The cache: what was listed, what Konnect acknowledged, and the ids that tie them together.
 *
 * Level-triggered: the pending work is the rows where what is wanted differs from what is had, so there is no
 * queue to lose. SQLite, one file, WAL with exclusive locking: no shared memory file, and the lock of one daemon
 * per state directory. Every call blocks; callers keep transactions at CACHE_BATCH_ROWS rows. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "digest.h"
#include "expiry.h"
#include "repo.h"

struct cache;

/* Opens (or creates) DIRECTORY/cache.db. A damaged or newer file is set aside under a name with a timestamp and
 * a new one begun; *ret_notice is then a malloc'ed sentence for the log, otherwise NULL.
 * 0 and *ret; -EBUSY when another daemon has it; otherwise -errno, both with a sentence in *ret_notice. */
int cache_open(const char *directory, int64_t now, struct cache **ret, char **ret_notice);

/* Whether the file has turned out to be damaged since: then close it, set it aside and open a new one. */
bool cache_is_damaged(const struct cache *c);

/* What was read from it cannot be: it is damaged in a way that SQLite does not see. */
void cache_blame(struct cache *c);
int cache_set_aside(const char *directory, int64_t now, char **ret_notice);

/* The same over a private copy of DIRECTORY/cache.db in memory, for --dry-run: nothing on disk is touched. */
int cache_open_copy(const char *directory, struct cache **ret, char **ret_notice);

struct cache *cache_close(struct cache *c);

/* The cache's own random key for digests. */
const uint8_t *cache_key(const struct cache *c);

/* The last error in words, for the log: which file, what is wrong with it, and what to do. Borrowed until there is another. */
const char *cache_error(struct cache *c);

/* Writes gather in one transaction, which the first of them begins. It ends here, or by itself when it has
 * CACHE_BATCH_ROWS rows; every state between two writes is a good one, so where it ends does not matter.
 * 0, or -EIO when what was written since the last end is lost: all of it, nothing half; if it was what is staged that had no room,
 * the rows may be there all the same. */
int cache_flush(struct cache *c);

/* How many times what had gathered was lost so far: whoever has rows in a transaction that others may end compares it. */
unsigned cache_losses(const struct cache *c);

/* Counts what may have changed any row but by cache_row_save_answer(): whoever has read a row knows whether it can be another by now. */
uint64_t cache_edits(const struct cache *c);

/* From here to the next cache_flush() all is written or nothing, however many rows it is; cache_abandon() takes it back.
 * 0, or -EIO when what had gathered before is lost: the next flush tells whoever wrote that. */
int cache_whole(struct cache *c);
void cache_abandon(struct cache *c);

/* Whether there is room for a whole batch again, after one that was lost: writes as much, and gives it back. 0 or -EIO. */
int cache_trial(struct cache *c);

/* What is known of one instance. Texts are owned, NULL when unknown. */
struct cache_instance {
	int64_t id;
	char *konnect_id;	/* of the integration instance */
	char *ack;		/* its last acknowledged document */
	char *resource_type;	/* and the keys of its configuration, a JSON array */
	char *resource_keys;
	struct digest config;	/* of what the configuration contributes to documents and filters */
	struct digest secret;	/* of the PAT that was refused last, so that a restart knows a new one */
	int64_t last_poll;	/* Unix seconds, 0 = never */
	int64_t last_complete;
	int64_t last_reconcile;	/* 0 = never: a new or rebuilt cache */
	int64_t next_poll;	/* not before, remembered over restarts */
	bool asked;		/* because a server asked for it, after a good poll */
	int state;		/* enum instance_state */
	int64_t state_since;
	uint32_t attempts;	/* failures in a row that this state counts */
	int verdict;		/* enum verdict, of the last poll */
	struct expiry expiry;	/* of the PAT: what was warned of */
	struct digest shared;	/* of the PAT that Konnect has from us, all zero = none */
	int64_t replaced;	/* Unix seconds: when a tainted one was replaced last */
	char *credential;	/* what Konnect says of it, JSON, or NULL */
	bool discovers;		/* Konnect takes only resources that it has discovered: mappings wait for them */
	bool takes_config;	/* it has taken one that was given by its configuration */
	bool withdrawn;		/* or on the way there: nothing is pushed until it is resumed */
	bool unconfigured;	/* it was said that it is not configured any more */
	int64_t reminded;	/* Unix seconds of the last word on a lost credential */
};

/* Finds or makes the row of that name. 0 or -EIO. */
int cache_instance_load(struct cache *c, const char *name, struct cache_instance *ret);
int cache_instance_save(struct cache *c, const struct cache_instance *i);

/* The row of that name if there is one. 0, -ENOENT, -EIO. */
int cache_instance_find(struct cache *c, const char *name, struct cache_instance *ret);
void cache_instance_done(struct cache_instance *i);

/* The name after that one, to be freed. 0, -ENOENT, -EIO. */
int cache_instance_next(struct cache *c, const char *after, char **ret);

/* What was warned of about Konnect's token. 0 or -EIO. */
int cache_token_expiry_load(struct cache *c, struct expiry *ret);
int cache_token_expiry_save(struct cache *c, const struct expiry *e);

/* What a row stands for. */
enum row_kind {
	ROW_REPOSITORY,
	ROW_PROJECT,	/* the service that the repositories of a project are mapped to */
	ROW_NAMED,	/* a service named by a map of the configuration; repo.name is its name */
};

/* Whether the repository is in the listing. */
enum row_absent {
	ABSENT_NOT,
	ABSENT_MISSING,	/* unexplained: its service is kept, and says so */
	ABSENT_REMOVED,	/* proven by a recycle bin, approved, or missing for long enough */
};

/* What waits for approval. */
enum row_held {
	HELD_NOT,
	HELD_REMOVAL,	/* it is not in the listing any more, as too many others */
	HELD_EXCLUSION,	/* a filter excludes it, and too many others */
};

enum { TARGET_OWN = 0, TARGET_NONE = -1 };

/* One repository, or one service that repositories share. */
struct cache_row {
	int64_t id;
	int64_t instance;
	enum row_kind kind;
	struct repo repo;
	struct digest raw;	/* of the element it was listed as */
	enum repo_state state;	/* as the service is to show it: of what was listed, or one of ours */
	enum row_absent absent;
	enum row_held held;	/* nothing is done or said in Konnect about that */
	int64_t missing_since;	/* Unix seconds: when it was not in the listing first, held or not; 0 = listed */
	int64_t removed_at;	/* Unix seconds of ABSENT_REMOVED, else 0 */
	char *service_name;	/* fixed for life */
	char *service_id;	/* NULL until Konnect gave one */
	int64_t target;		/* which service the repository is mapped to: TARGET_*, or the id of the row it shares */
	char *resource_id;	/* of its resource, once Konnect has told; NULL = it is given by its configuration */
	bool archived;		/* by us, as the repository is gone */
	char *remembered;	/* services whose mappings went with that, a JSON array; NULL = nothing is to be undone */
	char *mapping_id;
	struct digest map_want;	/* of the mapping that is wanted, all zero = as it is; see target_digest() */
	struct digest map_have;	/* of the one that Konnect has, all zero without */
	bool elsewhere;		/* its resource is mapped to somebody else's service */
	char *ack;		/* the last document Konnect acknowledged */
	struct digest want;	/* of the document that is wanted, all zero = no service of its own */
	struct digest have;	/* of the acknowledged one, all zero without */
	char *parked;		/* why Konnect refused the document that is wanted now, or NULL */
	bool approved;		/* what was held is let through: its creation, removal or exclusion */
	unsigned theirs;	/* DOCUMENT_*: fields that somebody has edited in Konnect */
};

void cache_row_done(struct cache_row *r);

/* Reads a row by its GUID, or by its id. 0, -ENOENT, -EIO. */
int cache_row_by_guid(struct cache *c, int64_t instance, const uint8_t guid[16], struct cache_row *ret);
int cache_row_by_id(struct cache *c, int64_t id, struct cache_row *ret);

/* Inserts (id 0, filled in) or updates a row. 0 or -EIO. */
int cache_row_save(struct cache *c, struct cache_row *r);

/* The same for a row that is there and of which only what Konnect's answers are about has changed: ids, documents and mapping,
 * parked, theirs, approved, archived and remembered. 0 or -EIO. */
int cache_row_save_answer(struct cache *c, const struct cache_row *r);

/* Whether another row of any instance has that service name. */
bool cache_service_name_taken(struct cache *c, const char *name, int64_t except_id);

/* Removals proven (not approved) since that time. 0 or -EIO. */
int cache_removed_since(struct cache *c, int64_t instance, int64_t since, uint32_t *ret);

/* The next row after after_id of that instance with work to do. With creations false no service to create, unless it is
 * approved. 0, -ENOENT, -EIO. */
int cache_pending_next(struct cache *c, int64_t instance, int64_t after_id, bool creations, struct cache_row *ret);

/* Lets every parked row of the instance be tried again. 0 or -EIO. */
int cache_unpark(struct cache *c, int64_t instance);

struct cache_counts {
	uint32_t known;		/* listed now (or that held), excluded ones aside */
	uint32_t missing, removed;	/* excluded ones aside */
	uint32_t held;
	uint32_t pending;
	uint32_t creations;	/* of those pending: services to create that are not approved */
	uint32_t parked;
	uint32_t states[REPO_STATES];	/* repositories by enum repo_state, whatever is held of them */
	uint32_t repositories;	/* in whatever state */
};
int cache_counts(struct cache *c, int64_t instance, struct cache_counts *ret);

/* What a poll needs to recognise elements, of one row. */
struct cache_known {
	int64_t id;
	struct digest raw;
	bool excluded, held;	/* held: its removal */
	enum row_absent absent;
};

/* Calls fn for at most CACHE_SCAN_ROWS repositories of the instance, those after the id in cursor (zero at first), and moves
 * the cursor. 1 when there may be more, 0 at the end, -EIO. */
int cache_known_some(struct cache *c, int64_t instance, int64_t *cursor, void (*fn)(void *arg, const struct cache_known *k), void *arg);

/* Whether a row of the instance has that mapping, which is to a service of that name. */
bool cache_has_mapping(struct cache *c, int64_t instance, const char *mapping_id, const char *service_name);

/* Deletes at most CACHE_STEP_ROWS rows of the instance. 1 when there may be more, 0 at the end, -EIO. */
int cache_forget_some(struct cache *c, int64_t instance);

/* The row's digest of the element it was listed as. 0, -ENOENT, -EIO. */
int cache_raw_by_guid(struct cache *c, int64_t instance, const uint8_t guid[16], struct digest *ret);

/* Calls fn for at most CACHE_NAMES_ROWS repositories of the instance, the newest first: those before the id in cursor (INT64_MAX at
 * first), which moves. 1 when there may be more, 0 at the end, -EIO. */
int cache_names_some(struct cache *c, int64_t instance, int64_t *cursor,
		     void (*fn)(void *arg, int64_t id, const char *project, const char *name), void *arg);

/* The row of that service. A repository's own is found by its name, and only while it has the one we gave it. 0, -ENOENT, -EIO. */
int cache_row_by_service(struct cache *c, int64_t instance, const char *service_id, const char *service_name, struct cache_row *ret);

/* The row, of any instance, that has or means to have a service of that name. 0, -ENOENT, -EIO. */
int cache_row_by_service_name(struct cache *c, const char *name, struct cache_row *ret);

/* The largest id of any row, 0 without one. 0 or -EIO. */
int cache_last_id(struct cache *c, int64_t *ret);

/* The row after that id, whatever its state. 0, -ENOENT, -EIO. */
int cache_row_next(struct cache *c, int64_t instance, int64_t after_id, struct cache_row *ret);

/* The row after that id of a project's service that is gone although the project has repositories in the catalog, or is there
 * although it has none. 0, -ENOENT, -EIO. */
int cache_project_next(struct cache *c, int64_t instance, int64_t after_id, struct cache_row *ret);

/* The row after that id that is missing, removed or held. 0, -ENOENT, -EIO. */
int cache_missing_next(struct cache *c, int64_t instance, int64_t after_id, struct cache_row *ret);

/* The parked row after that id. 0, -ENOENT, -EIO. */
int cache_parked_next(struct cache *c, int64_t instance, int64_t after_id, struct cache_row *ret);

/* Staging: new or changed elements of a listing that is not known to be complete yet. stage_clear_some deletes at most
 * CACHE_STEP_ROWS rows: 1 when there may be more, 0 at the end, -EIO. stage_next reads the one after *cursor (zero at first), which
 * moves on, into *ret: 0, -ENOENT, -EIO. nth counts those of this listing, from 1: some
 * thousands come in that order, those after them by their GUIDs. Nothing of it outlasts cache_close(). */
int cache_stage_clear_some(struct cache *c, int64_t instance);
int cache_stage_add(struct cache *c, int64_t instance, uint32_t nth, const struct repo *r, const struct digest *raw);
int cache_stage_next(struct cache *c, int64_t instance, int64_t *cursor, struct repo *ret, struct digest *ret_raw);

/* Bytes on disk, with what is not written back yet; 0 for a copy in memory. */
int64_t cache_bytes(const struct cache *c);

/* Writes back what the operating system holds and gives memory back; after a poll, and before closing. */
void cache_relax(struct cache *c);
