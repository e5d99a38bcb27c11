/* A year of fifty organizations, their people, their mishaps and Konnect's, under the clock of the scenarios. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../scenario/fake.h"
#include "../scenario/life.h"

#define HOUR INT64_C(3600)
#define DAY (24 * HOUR)
#define BIN_DAYS 30	/* then a recycle bin lets go */

enum { N_ORGS = 50, N_PROJECTS = 4, REPOS_MAX = 96 };

enum place { LISTED, BINNED, PURGED };

/* What the daemon can know of a repository. */
struct knowledge {
	int64_t listed, binned;		/* when a good answer last had it */
	bool excluded;			/* by the configuration, when it was listed */
	bool approved;			/* its removal, by the operator */
};

struct repo_life {
	char guid[37];
	char name[40];
	int project;
	int branch;
	bool disabled, fork, moved;
	enum place place;
	int64_t binned_at;
	struct knowledge now, before;	/* as of the last good listing that has it, and before it */
	int64_t gone_since;		/* not in a good listing since then, 0 = is */
};

struct project_life {
	char id[37], name[40];
	bool hidden;			/* from our PAT */
};

/* What Azure DevOps answers in place of the truth. */
enum trouble { FINE, UNREACHABLE, SILENT, STOPPED, SERVER_ERROR, SIGN_IN, HTML_200, THROTTLED, THROTTLED_200, CUT, GARBAGE, WRONG_COUNT,
	       EMPTY_OBJECT, TWICE, POLICY, UNKNOWN, ODD_401, SLOW, N_TROUBLES };

struct org {
	char name[16];
	struct project_life projects[N_PROJECTS];
	struct repo_life repos[REPOS_MAX];
	int n_repos;
	/* the token */
	unsigned pat;			/* which one is valid */
	bool pat_good;
	int64_t renewed_at;		/* when the operator will write the new one */
	enum trouble trouble;
	int64_t trouble_until, hidden_until;
	char *listing;			/* NULL: to be made anew */
	/* the configuration */
	int exclude;			/* project whose name was excluded, -1 = none */
	char exclude_name[40];
	unsigned label;			/* team=tN, 0 = none */
	bool absent;			/* taken out of the configuration for some time */
	enum { MARK, ARCHIVE, DELETE } on_remove;
	int64_t remove_unexplained;	/* days, 0 = never */
};

/* In bytes: of the daemon without SQLite, when it held least (nothing was under way); of SQLite, when it held most. */
struct memory {
	int64_t own, cache, sum, n;	/* sum: of own, n times */
};

struct figures {
	uint64_t polls, good_polls, bins, requests, writes, lost_answers, refused;
	uint64_t created, renamed, moved, deleted, undeleted, purged, hidden, expired, troubles, incidents, restarts, reloads, bad_reloads,
		caches_lost, konnect_edits, approvals, holds;
	uint64_t lines[8];		/* by priority */
	uint64_t busiest;		/* lines of notice or more of one instance in one day */
	struct memory early, late;	/* in months 2 and 3, and in 11 and later */
};

struct year {
	uint64_t seed, dice;
	struct life life;
	struct org orgs[N_ORGS];
	enum { KONNECT_FINE, KONNECT_503, KONNECT_429, KONNECT_SILENT, KONNECT_401, KONNECT_HTML, KONNECT_LOSES, N_INCIDENTS } incident;
	int64_t incident_until;
	unsigned token;			/* which one Konnect takes */
	bool token_good;
	int64_t token_renewed_at;
	int64_t lost_at;		/* the cache was, last */
	int64_t killed_at;		/* a listing just before it may never have been read */
	bool calm;			/* no more mishaps */
	unsigned serial;
	struct figures f;
	unsigned wrong;
};

extern struct year y;

/* Below n. */
uint32_t dice(uint32_t n);
/* Happens once in n times. */
bool once_in(uint32_t n);
int64_t now(void);
/* Says what is wrong, and counts it. */
void wrong(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* azure.c: Azure DevOps and its people. */
void azure_begin(struct org *o, int number);
void azure_answer(const char *organization, bool bin, const char *url, struct fake_behaviour *ret);
/* One thing that somebody does there. */
void azure_edit(struct org *o);
void azure_delete(struct org *o, struct repo_life *r);
void azure_undelete(struct org *o);
/* A team goes: most of a project at once. */
void azure_delete_project(struct org *o);
void azure_hide(struct org *o, bool everything);
void azure_show(struct org *o);
void azure_purge(struct org *o);
bool azure_is_listed(const struct org *o, const struct repo_life *r);
/* As the configuration says now. */
bool azure_is_excluded(const struct org *o, const struct repo_life *r);
struct org *azure_org(const char *name);
struct repo_life *azure_repo(struct org *o, const char *guid);

/* catalog.c: Konnect, its people, and what it must never be asked for. */
void catalog_answer(const struct http_request *q, struct fake_behaviour *ret);
/* One thing that somebody does there. */
void catalog_edit(void);
/* The daemon lost what it knew: a label that is configured no more and still there is anybody's from now on. */
void catalog_forget(void);
/* The same for one label that is about to go while the daemon may not have found its services again. */
void catalog_leave(const struct org *org);
/* Both sides agree: counts what is wrong. */
void catalog_judge(void);

/* operator.c: who runs the daemon. */
void operator_begin(void);
void operator_configure(void);
void operator_change(struct org *o);
void operator_reload(bool good);
void operator_renew(struct org *o);
void operator_renew_token(void);
void operator_lose_cache(void);
void operator_restart(void);
/* Looks at what is held, and lets through what really happened. */
void operator_look(void);
