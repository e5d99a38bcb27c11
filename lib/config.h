/* The configuration: libConfuse files into one validated struct, one option table behind everything. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* removal_limit: N% of the known repositories, or N as it stands. */
struct removal_limit {
	uint32_t value;
	bool percent;
};

struct label {
	char *key, *value;
};

/* Where the repositories of an instance are mapped to, unless a map says otherwise. */
enum map_to { MAP_TO_REPOSITORY, MAP_TO_PROJECT, MAP_TO_NONE };

/* Which repositories get a service of their own. */
enum create { CREATE_UNMAPPED, CREATE_ALWAYS, CREATE_NEVER };

/* What becomes of the service of a repository that is removed, or excluded. */
enum on_remove { ON_REMOVE_MARK, ON_REMOVE_ARCHIVE, ON_REMOVE_DELETE };

/* Repositories that are mapped to a named service. */
struct config_map {
	char *service;
	char **repositories;	/* globs, NULL-terminated */
};

struct config_instance {
	char *name;		/* Konnect instance name, the section's title */
	char *organization;	/* exactly as in Azure DevOps */
	char *url;		/* effective base URL, without a trailing slash */
	char *pat_file;		/* as written; see secret_read() */
	char *pat_expires;	/* YYYY-MM-DD, NULL when not configured */
	char *display_name;	/* NULL when not configured */
	char *description;	/* NULL when not configured */
	int64_t poll_interval;	/* seconds */
	char *api_version;
	char **include, **exclude; /* NULL-terminated, never NULL themselves */
	bool include_disabled;
	enum map_to map_to;
	enum create create;
	struct config_map *maps; /* in the order they are written: the first that matches wins */
	size_t n_maps;
	struct removal_limit removal_limit;
	enum on_remove on_remove;
	int64_t remove_unexplained; /* seconds, 0 = never */
	bool share_pat;
	struct label *labels;
	size_t n_labels;
	char *proxy, *ca_file;	/* NULL when not configured; proxy "" = none, not even the environment's */
};

struct config_konnect {
	char *url;		/* effective base URL, without a trailing slash */
	char *token_file;
	char *token_expires;	/* YYYY-MM-DD, NULL when not configured */
	int64_t rate_per_minute, max_in_flight;
	int64_t reconcile_interval; /* seconds */
	int64_t create_limit;	/* 0 = none */
	char *resource_type;	/* NULL: found out from Konnect */
	char *proxy, *ca_file;	/* as in an instance */
};

enum log_format { LOG_FORMAT_AUTO, LOG_FORMAT_JOURNAL, LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

struct config {
	unsigned refs;
	char *directory;	/* of the main file: relative paths start here */
	struct config_konnect konnect;
	char *state_directory;
	char *control_socket;
	char *listen;		/* "" = nowhere; see address_parse() */
	int log_level;		/* syslog priority */
	enum log_format log_format;
	struct config_instance *instances; /* in name order */
	size_t n_instances;
};

/* Reads FILE and every instances.d/NAME.conf beside it. On success 0 and *ret, to be freed with config_free().
 * Otherwise -EINVAL (or -errno of the file) and *ret_error, a malloc'ed text of one or more lines
 * "file:line: key: what is wrong; allowed: what is", without a newline at the end. Environment: $STATE_DIRECTORY. */
int config_load(const char *file, struct config **ret, char **ret_error);

/* The same from memory, for tests and fuzzing: NAME stands for the file, there is no instances.d. */
int config_load_buffer(const char *name, const char *text, size_t len, struct config **ret,
		       char **ret_error);

/* A configuration is shared by what began under it: each holder has a reference, and the last one frees it.
 * config_load() returns one reference; config_free() gives one back; NULL is fine. */
struct config *config_ref(struct config *c);
struct config *config_free(struct config *c);

/* Prints the effective configuration in its own syntax (what --check shows). It holds no secret. */
void config_print(const struct config *c, FILE *f);

/* One line a key: section, key, default ("-" = none), allowed, and "reload" or "restart", with tabs between, for
 * the lint test that compares the table with the manual page and the sample files (adosyncd --options). */
void config_print_options(FILE *f);

/* The instance of that name, or NULL. */
const struct config_instance *config_find(const struct config *c, const char *name);
