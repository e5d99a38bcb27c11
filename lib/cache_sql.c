/* The statements of the cache and its schema. */
#include "cache_internal.h"

#define LISTED "guid, name, project_id, project_name, description, visibility, default_branch, web_url, flags"
#define ROW "id, instance, " LISTED ", raw, state, missing_since, service_name, service_id, mapping_id, ack, want, have, parked, theirs, " \
	"kind, target, map_want, map_have, elsewhere, approved, resource_id, absent, held, removed_at, archived, remembered"

/* The rows with work to do; of is "", "old." or "new.". A partial index has the same words as the query it is for. */
#define PENDING_OF(of) of "parked IS NULL AND (" of "have IS NOT " of "want OR " of "map_have IS NOT " of "map_want)"
#define CREATION_OF(of) of "service_id IS NULL AND " of "want IS NOT NULL AND " of "approved = 0"
#define PENDING PENDING_OF("")
#define CREATION PENDING " AND " CREATION_OF("")
/* of what is pending */
#define OTHER PENDING " AND NOT (" CREATION_OF("") ")"
/* 4 is excluded, 6 removed */
#define ABSENT_OR_HELD "(absent <> 0 OR held <> 0)"
#define REMOVED_IN_TIME "absent = 2 AND state <> 4 AND approved = 0"

/* What one row adds to the counts of its instance: F(column, condition) for each, where condition(of) is the text. */
#define IS_STATE(of, n) of "kind = 0 AND " of "state = " n
#define IS_KNOWN(of) of "kind = 0 AND " of "state <> 4 AND " of "absent = 0"
#define IS_MISSING(of) of "absent = 1 AND " of "state <> 4"
#define IS_REMOVED(of) of "absent = 2 AND " of "state <> 4"
#define IS_HELD(of) of "held <> 0"
#define IS_CREATION(of) PENDING_OF(of) " AND " CREATION_OF(of)
#define IS_PARKED(of) of "parked IS NOT NULL"
#define IS_STATE0(of) IS_STATE(of, "0")
#define IS_STATE1(of) IS_STATE(of, "1")
#define IS_STATE2(of) IS_STATE(of, "2")
#define IS_STATE3(of) IS_STATE(of, "3")
#define IS_STATE4(of) IS_STATE(of, "4")
#define IS_STATE5(of) IS_STATE(of, "5")
#define IS_STATE6(of) IS_STATE(of, "6")
#define IS_REPOSITORY(of) of "kind = 0"
#define LISTED_COUNTS(F) \
	F("known", IS_KNOWN) "," F("missing", IS_MISSING) "," F("removed", IS_REMOVED) "," F("held", IS_HELD)
#define PUSHED_COUNTS(F) F("pending", PENDING_OF) "," F("creations", IS_CREATION) "," F("parked", IS_PARKED)
#define STATE_COUNTS(F) \
	F("state0", IS_STATE0) "," F("state1", IS_STATE1) "," F("state2", IS_STATE2) "," F("state3", IS_STATE3) "," \
	F("state4", IS_STATE4) "," F("state5", IS_STATE5) "," F("state6", IS_STATE6) "," F("repositories", IS_REPOSITORY)
#define COUNTED(F) LISTED_COUNTS(F) "," PUSHED_COUNTS(F) "," STATE_COUNTS(F)
#define FIRST(condition) "SELECT * FROM (SELECT id FROM repository WHERE instance = ?1 AND id > ?2 AND " condition " ORDER BY id LIMIT 1)"
#define MAPPED_ELSEWHERE "mapping_id IS NOT NULL AND (target <> 0 OR map_have IS NOT map_want)"
#define NAME(column, condition) column
#define MORE(column, condition) column " = " column " + (" condition("new.") ")"
#define LESS(column, condition) column " = " column " - (" condition("old.") ")"
#define CHANGE(column, condition) column " = " column " - (" condition("old.") ") + (" condition("new.") ")"
#define SUM(column, condition) "coalesce(sum(" condition("") "), 0)"
#define ZERO(column, condition) column " INTEGER NOT NULL DEFAULT 0"
#define UPDATE_COUNTS(counts, of) "UPDATE counts SET " counts " WHERE instance = " of "instance;"
#define COUNT(F, of) UPDATE_COUNTS(COUNTED(F), of)

/* bytes: the ids of a service, a mapping and a resource, two digests, and the document as it is packed */
#define ROOM "220"

/* All columns of a row but those that are in an index whole, where each row has an entry. */
#define SET_REST \
	"name = ?4, project_id = ?5, project_name = ?6, description = ?7, visibility = ?8, default_branch = ?9, web_url = ?10, " \
	"flags = ?11, raw = ?12, state = ?13, missing_since = ?14, service_id = ?16, mapping_id = ?17, ack = ?18, want = ?19, have = ?20, parked = ?21, theirs = ?22, " \
	"target = ?24, map_want = ?25, map_have = ?26, elsewhere = ?27, approved = ?28, resource_id = ?29, absent = ?30, held = ?31, " \
	"removed_at = ?32, archived = ?33, remembered = ?34, room = CASE WHEN ?16 IS NULL THEN room END"

static const char *const texts[SQL_STATEMENTS] = {
	[SQL_BEGIN] = "BEGIN IMMEDIATE",
	[SQL_COMMIT] = "COMMIT",
	[SQL_ROLLBACK] = "ROLLBACK",
	[SQL_INSTANCE_ADD] = "INSERT INTO instance(name) VALUES(?1) ON CONFLICT(name) DO NOTHING",
	[SQL_INSTANCE_GET] = "SELECT id, konnect_id, ack, resource_type, resource_keys, config, secret, last_poll, "
			     "last_complete, next_poll, state, state_since, attempts, verdict, expiry, expiry_days, reminded, last_reconcile, shared, replaced, credential, withdrawn, discovers "
			     "FROM instance WHERE name = ?1",
	[SQL_INSTANCE_SAVE] = "UPDATE instance SET konnect_id = ?2, ack = ?3, resource_type = ?4, resource_keys = ?5, "
			      "config = ?6, secret = ?7, last_poll = ?8, last_complete = ?9, next_poll = ?10, state = ?11, "
			      "state_since = ?12, attempts = ?13, verdict = ?14, expiry = ?15, expiry_days = ?16, reminded = ?17, "
			      "last_reconcile = ?18, shared = ?19, replaced = ?20, credential = ?21, "
			      "withdrawn = ?22, discovers = ?23 WHERE id = ?1",
	[SQL_INSTANCE_NEXT] = "SELECT name FROM instance WHERE name > ?1 ORDER BY name LIMIT 1",
	[SQL_TOKEN_GET] = "SELECT token_expiry, token_expiry_days FROM meta",
	[SQL_TOKEN_SAVE] = "UPDATE meta SET token_expiry = ?1, token_expiry_days = ?2",
	[SQL_ROW_BY_GUID] = "SELECT " ROW " FROM repository WHERE instance = ?1 AND guid = ?2",
	[SQL_ROW_BY_ID] = "SELECT " ROW " FROM repository WHERE id = ?1",
	/* what Konnect answers finds its room: a row that grows later splits the page that it is in */
	[SQL_ROW_ADD] = "INSERT INTO repository(" ROW ", room) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, "
			"?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32, ?33, ?34, "
			"CASE WHEN ?16 IS NULL AND ?19 IS NOT NULL THEN zeroblob(" ROOM ") END)",
	[SQL_ROW_UPDATE] = "UPDATE repository SET " SET_REST ", guid = ?3, service_name = ?15, kind = ?23 WHERE id = ?1",
	/* an index of columns that are set is written, whether they change or not */
	[SQL_ROW_UPDATE_REST] = "UPDATE repository SET " SET_REST " WHERE id = ?1 AND instance = ?2 AND guid = ?3 AND service_name IS ?15 AND "
				"kind = ?23",
	/* only what an answer of Konnect changes: an index of other columns is not touched */
	[SQL_ROW_ANSWERED] = "UPDATE repository SET service_id = ?2, mapping_id = ?3, ack = ?4, want = ?5, have = ?6, parked = ?7, theirs = ?8, "
			     "map_want = ?9, map_have = ?10, approved = ?11, resource_id = ?12, archived = ?13, remembered = ?14, room = NULL "
			     "WHERE id = ?1",
	[SQL_REMOVED_SINCE] = "SELECT count(*) FROM repository WHERE instance = ?1 AND " REMOVED_IN_TIME " AND removed_at > ?2",
	[SQL_NAME_TAKEN] = "SELECT 1 FROM repository WHERE service_name = ?1 AND id <> ?2",
	[SQL_PENDING_ANY] = "SELECT " ROW " FROM repository WHERE id = (SELECT min(id) FROM (" FIRST(CREATION) " UNION ALL " FIRST(OTHER) "))",
	[SQL_PENDING_HELD] = "SELECT " ROW " FROM repository WHERE instance = ?1 AND id > ?2 AND " OTHER " ORDER BY id LIMIT 1",
	/* one to a service of its own is found by the name of that */
	[SQL_HAS_MAPPING] = "SELECT 1 FROM repository WHERE instance = ?1 AND mapping_id = ?2 AND " MAPPED_ELSEWHERE " UNION ALL "
			    "SELECT 1 FROM repository WHERE service_name = ?3 AND instance = ?1 AND mapping_id = ?2 LIMIT 1",
	[SQL_FORGET] = "DELETE FROM repository WHERE id IN (SELECT id FROM repository WHERE instance = ?1 LIMIT ?2)",
	[SQL_UNPARK] = "UPDATE repository SET parked = NULL WHERE instance = ?1 AND parked IS NOT NULL",
	[SQL_COUNTS] = "SELECT " COUNTED(NAME) " FROM counts WHERE instance = ?1",
	[SQL_KNOWN] = "SELECT id, raw, state, absent, held FROM repository WHERE instance = ?1 AND id > ?2 "
		      "AND kind = 0 ORDER BY id LIMIT ?3",
	[SQL_NAMES] = "SELECT id, project_name, name FROM repository WHERE instance = ?1 AND id < ?2 AND kind = 0 ORDER BY id DESC LIMIT ?3",
	[SQL_RAW] = "SELECT raw FROM repository WHERE instance = ?1 AND guid = ?2",
	[SQL_ROW_NEXT] = "SELECT " ROW " FROM repository WHERE instance = ?1 AND id > ?2 ORDER BY id LIMIT 1",
	/* a repository that has no service of its own has another target */
	[SQL_PROJECT_NEXT] = "SELECT " ROW " FROM repository AS service WHERE instance = ?1 AND id > ?2 AND kind = 1 AND (state = 6) = "
			     "EXISTS(SELECT 1 FROM repository AS r WHERE r.instance = ?1 AND r.project_id = service.project_id AND r.kind = 0 "
			     "AND r.target <> 0 AND r.state NOT IN (4, 6)) ORDER BY id LIMIT 1",
	[SQL_ROW_BY_SERVICE_NAME] = "SELECT " ROW " FROM repository WHERE service_name = ?1 ORDER BY kind LIMIT 1",
	[SQL_ROW_BY_SERVICE] = "SELECT " ROW " FROM repository WHERE service_id = ?2 AND instance = ?1 AND kind <> 0 UNION ALL "
			       "SELECT " ROW " FROM repository WHERE service_name = ?3 AND service_id = ?2 AND instance = ?1 "
			       "ORDER BY kind LIMIT 1",
	[SQL_LAST_ID] = "SELECT coalesce(max(id), 0) FROM repository",
	[SQL_MISSING_NEXT] = "SELECT " ROW " FROM repository WHERE instance = ?1 AND id > ?2 AND " ABSENT_OR_HELD
			     " AND (state <> 4 OR held <> 0) ORDER BY id LIMIT 1",
	[SQL_PARKED_NEXT] = "SELECT " ROW " FROM repository WHERE instance = ?1 AND id > ?2 AND parked IS NOT NULL "
			    "ORDER BY id LIMIT 1",
	[SQL_STAGE_CLEAR] = "DELETE FROM stage.staged WHERE id IN (SELECT id FROM stage.staged WHERE instance = ?1 LIMIT ?2)",
	[SQL_STAGE_ADD] = "INSERT INTO stage.staged(instance, place, " LISTED ", raw) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
	[SQL_STAGED] = "SELECT place, " LISTED ", raw FROM stage.staged WHERE instance = ?1 AND place > ?2 ORDER BY place LIMIT 1",
	[SQL_STAGE_ATTACH] = "ATTACH ?1 AS stage",
	[SQL_STAGE_DETACH] = "DETACH stage",
	[SQL_STAGE_PAGES] = "PRAGMA stage.page_count",
	[SQL_STAGE_OTHERS] = "SELECT EXISTS(SELECT 1 FROM stage.staged WHERE instance < ?1) OR "
			     "EXISTS(SELECT 1 FROM stage.staged WHERE instance > ?1)",
	[SQL_TRIAL_WRITE] = "INSERT INTO trial(bytes) VALUES(zeroblob(?1))",
	[SQL_TRIAL_CLEAR] = "DELETE FROM trial",
};

/* What waits here is of a poll under way, and nothing anybody would miss. */
#define STAGED \
	"CREATE TABLE staged(id INTEGER PRIMARY KEY, instance INTEGER NOT NULL, guid BLOB NOT NULL, name TEXT NOT NULL," \
	" project_id TEXT NOT NULL, project_name TEXT NOT NULL, description TEXT, visibility TEXT, default_branch TEXT," \
	" web_url TEXT, flags INTEGER NOT NULL, raw BLOB NOT NULL);"

static const char schema_1[] =
	"CREATE TABLE meta(key BLOB NOT NULL, token_expiry INTEGER NOT NULL DEFAULT 0,"
	" token_expiry_days INTEGER NOT NULL DEFAULT 0);"
	"INSERT INTO meta(key) VALUES(randomblob(16));"
	"CREATE TABLE instance(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, konnect_id TEXT, ack TEXT,"
	" resource_type TEXT, resource_keys TEXT, config BLOB, secret BLOB, last_poll INTEGER NOT NULL DEFAULT 0,"
	" last_complete INTEGER NOT NULL DEFAULT 0, next_poll INTEGER NOT NULL DEFAULT 0, state INTEGER NOT NULL DEFAULT 0,"
	" state_since INTEGER NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0, verdict INTEGER NOT NULL DEFAULT 0,"
	" expiry INTEGER NOT NULL DEFAULT 0, expiry_days INTEGER NOT NULL DEFAULT 0, reminded INTEGER NOT NULL DEFAULT 0,"
	" last_reconcile INTEGER NOT NULL DEFAULT 0, shared BLOB, replaced INTEGER NOT NULL DEFAULT 0, credential TEXT,"
	" withdrawn INTEGER NOT NULL DEFAULT 0, discovers INTEGER NOT NULL DEFAULT 0);"
	"CREATE TABLE repository(id INTEGER PRIMARY KEY, instance INTEGER NOT NULL REFERENCES instance(id),"
	" guid BLOB NOT NULL, name TEXT NOT NULL, project_id TEXT NOT NULL, project_name TEXT NOT NULL, description TEXT,"
	" visibility TEXT, default_branch TEXT, web_url TEXT, flags INTEGER NOT NULL, raw BLOB NOT NULL,"
	" state INTEGER NOT NULL, missing_since INTEGER NOT NULL DEFAULT 0, service_name TEXT, service_id TEXT,"
	" mapping_id TEXT, ack TEXT, want BLOB, have BLOB, parked TEXT,"
	" theirs INTEGER NOT NULL DEFAULT 0, kind INTEGER NOT NULL DEFAULT 0, target INTEGER NOT NULL DEFAULT 0, map_want BLOB,"
	" map_have BLOB, elsewhere INTEGER NOT NULL DEFAULT 0, approved INTEGER NOT NULL DEFAULT 0, resource_id TEXT, absent INTEGER NOT NULL DEFAULT 0,"
	" held INTEGER NOT NULL DEFAULT 0, removed_at INTEGER NOT NULL DEFAULT 0,"
	" archived INTEGER NOT NULL DEFAULT 0, remembered TEXT, UNIQUE(instance, guid));"
	STAGED
	"PRAGMA user_version = 1;";

/* Of an instance: its rows by id with what a poll needs of them, and each kind of row that is looked for and rare. All start with
 * the instance, so that a small one has its entries side by side, however many instances there are. Counts are kept by triggers:
 * no statement, and no code, can forget them. */
static const char schema_2[] =
	"DROP INDEX IF EXISTS instance_rows; DROP INDEX IF EXISTS mapping_ids; DROP INDEX IF EXISTS service_ids;"
	"DROP INDEX IF EXISTS service_names; DROP INDEX IF EXISTS pending_rows;"
	"DROP TABLE staged;" STAGED
	"CREATE INDEX staged_rows ON staged(instance);"
	"CREATE INDEX known_rows ON repository(instance, id, kind, raw, state, absent, held);"
	"CREATE INDEX mapping_ids ON repository(instance, mapping_id) WHERE mapping_id IS NOT NULL;"
	"CREATE INDEX service_ids ON repository(instance, service_id) WHERE service_id IS NOT NULL;"
	/* kind 2 is a named service, which may be any row's and several instances' */
	"CREATE UNIQUE INDEX service_names ON repository(service_name, CASE kind WHEN 2 THEN instance ELSE 0 END);"
	"CREATE INDEX pending_rows ON repository(instance, id) WHERE " PENDING ";"
	"CREATE INDEX absent_rows ON repository(instance, id) WHERE " ABSENT_OR_HELD ";"
	"CREATE INDEX parked_rows ON repository(instance, id) WHERE parked IS NOT NULL;"
	"CREATE INDEX removed_rows ON repository(instance, removed_at) WHERE " REMOVED_IN_TIME ";"
	"CREATE INDEX project_services ON repository(instance, id) WHERE kind = 1;"
	"CREATE INDEX project_repositories ON repository(instance, project_id) WHERE kind = 0 AND target <> 0;"
	"CREATE TABLE counts(instance INTEGER PRIMARY KEY, " COUNTED(ZERO) ");"
	"INSERT INTO counts(instance) SELECT id FROM instance;"
	"CREATE TRIGGER instance_added AFTER INSERT ON instance BEGIN INSERT INTO counts(instance) VALUES(new.id); END;"
	"CREATE TRIGGER row_added AFTER INSERT ON repository BEGIN " COUNT(MORE, "new.") " END;"
	"CREATE TRIGGER row_changed AFTER UPDATE ON repository BEGIN " COUNT(LESS, "old.") COUNT(MORE, "new.") " END;"
	"CREATE TRIGGER row_deleted AFTER DELETE ON repository BEGIN " COUNT(LESS, "old.") " END;"
	"UPDATE counts SET (" COUNTED(NAME) ") = (SELECT " COUNTED(SUM) " FROM repository WHERE repository.instance = "
	"counts.instance);"
	"PRAGMA user_version = 2;";

/* Konnect's ids are random: an index of them is a page to be written for each service that is made, and another for its mapping. Only
 * those have one that no name leads to. And what is counted of a row that changes is written once, not twice. */
static const char schema_3[] =
	"DROP INDEX mapping_ids; DROP INDEX service_ids;"
	"CREATE INDEX elsewhere_mapped ON repository(instance, mapping_id) WHERE " MAPPED_ELSEWHERE ";"
	"CREATE INDEX shared_services ON repository(instance, service_id) WHERE service_id IS NOT NULL AND kind <> 0;"
	"DROP TRIGGER row_changed;"
	"CREATE TRIGGER row_changed AFTER UPDATE ON repository BEGIN " COUNT(CHANGE, "new.") " END;"
	"PRAGMA user_version = 3;";

/* Pending creations, which may be all rows and held, stand apart from what else is pending: neither is read past to find the other.
 * A count is touched by what it counts only: an answer of Konnect changes none of what a listing does. */
static const char schema_4[] =
	"DROP INDEX pending_rows; DROP TRIGGER row_changed;"
	"ALTER TABLE repository ADD COLUMN room BLOB;"
	"CREATE INDEX pending_creations ON repository(instance, id) WHERE " CREATION ";"
	"CREATE INDEX pending_others ON repository(instance, id) WHERE " OTHER ";"
	"CREATE TRIGGER row_listed AFTER UPDATE OF kind, state, absent, held ON repository WHEN old.kind <> new.kind OR "
	"old.state <> new.state OR old.absent <> new.absent OR old.held <> new.held BEGIN "
	UPDATE_COUNTS(LISTED_COUNTS(CHANGE) "," STATE_COUNTS(CHANGE), "new.") " END;"
	"CREATE TRIGGER row_pushed AFTER UPDATE OF parked, have, want, map_have, map_want, service_id, approved ON repository WHEN "
	"old.have IS NOT new.have OR old.want IS NOT new.want OR old.map_have IS NOT new.map_have OR old.map_want IS NOT new.map_want OR "
	"old.parked IS NOT new.parked OR old.service_id IS NOT new.service_id OR old.approved <> new.approved BEGIN "
	UPDATE_COUNTS(PUSHED_COUNTS(CHANGE), "new.") " END;"
	"PRAGMA user_version = 4;";

/* What is staged has a file of its own. */
static const char schema_5[] =
	"DROP TABLE staged;"
	"CREATE TABLE trial(bytes BLOB NOT NULL);"
	"PRAGMA user_version = 5;";

const char cache_stage_schema[] =
	"PRAGMA stage.journal_mode = MEMORY; PRAGMA stage.synchronous = OFF; PRAGMA stage.cache_size = -1024;"
	"CREATE TABLE stage.staged(id INTEGER PRIMARY KEY, instance INTEGER NOT NULL, place INTEGER NOT NULL, guid BLOB NOT NULL,"
	" name TEXT NOT NULL, project_id TEXT NOT NULL, project_name TEXT NOT NULL, description TEXT, visibility TEXT,"
	" default_branch TEXT, web_url TEXT, flags INTEGER NOT NULL, raw BLOB NOT NULL);"
	"CREATE INDEX stage.staged_rows ON staged(instance, place);";

const char *const cache_schemas[CACHE_VERSION] = { schema_1, schema_2, schema_3, schema_4, schema_5 };

const char *cache_sql(enum statement s)
{
	return texts[s];
}
