/* Shared by config*.c alone: the option table, and what the scan of a file leaves for the merge. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "util.h"

#define CONFIG_ERRORS_MAX 100	/* lines of one report: more are not read anyway */
#define CONFIG_OPTIONS_MAX 48	/* rows of the option table, checked when compiling it */

enum config_section_kind {
	SECTION_KONNECT,
	SECTION_DAEMON,
	SECTION_DEFAULTS,
	SECTION_INSTANCE,
	SECTION_MAP,		/* within an instance */
	SECTION_KINDS,
};

struct config_option;

struct config_type {
	bool list;
	/* Sets the field from n values (one unless list). NULL, or what is wrong with values[*bad]. */
	const char *(*set)(const struct config_option *o, char *const *values, size_t n, void *field, size_t *bad);
	void (*clear)(void *field);
	void (*print)(const void *field, FILE *f);	/* NULL: shown through another key */
	bool (*is_set)(const void *field);		/* NULL: always */
};

struct config_option {
	enum config_section_kind section;	/* SECTION_DEFAULTS: in defaults and in instance */
	const char *key;
	const struct config_type *type;
	const char *def;		/* as documented; NULL = none */
	const char *allowed;
	size_t offset;			/* into struct config or struct config_instance */
	const char *(*check)(const char *value);	/* texts: NULL, or what is wrong */
	int64_t min, max;		/* numbers and spans */
	bool computed;			/* def only documents what config_load works out */
	bool multiline;
	bool restart;			/* a change needs a restart */
};

extern const struct config_option config_options[];
extern const size_t config_n_options;

const char *config_section_name(enum config_section_kind kind);
bool config_option_in(const struct config_option *o, enum config_section_kind kind);

/* Index into the table, or SIZE_MAX. */
size_t config_option_find(enum config_section_kind kind, const char *key, size_t len);

/* The built-in default, as if it had been written; none for computed rows and rows without one. */
void config_option_default(const struct config_option *o, void *base);

extern const struct config_type config_type_text, config_type_url, config_type_region, config_type_int,
	config_type_span, config_type_bool, config_type_level, config_type_format, config_type_limit,
	config_type_globs, config_type_labels, config_type_map_to, config_type_on_remove, config_type_span_or_never, config_type_create;

/* s in double quotes, so that libConfuse reads back the same bytes. */
void config_print_string(const char *s, FILE *f);

/* "KEY = VALUE" for every row of the kind that is set, with that indentation. */
void config_print_section(enum config_section_kind kind, const void *base, const char *indent, FILE *f);

void config_clear_section(enum config_section_kind kind, void *base);

/* Checks behind the texts, each NULL or what is wrong. */
const char *config_check_path(const char *s);
const char *config_check_directory(const char *s);
const char *config_check_socket(const char *s);
const char *config_check_listen(const char *s);
const char *config_check_date(const char *s);
const char *config_check_organization(const char *s);
const char *config_check_display_name(const char *s);
const char *config_check_description(const char *s);
const char *config_check_resource_type(const char *s);
const char *config_check_api_version(const char *s);
const char *config_check_url(const char *s);
const char *config_check_proxy(const char *s);

/* Whether a good url leads to dev.azure.com, or to this machine. */
bool config_url_is_azure(const char *url);

struct config_errors {
	char *text;
	size_t n;	/* lines, the ones left out included */
};

/* Adds "file:line: subject: ..."; line 0 and a NULL subject leave their part out. */
void config_errorf(struct config_errors *e, const char *file, unsigned line, const char *subject,
		   const char *fmt, ...) _printf_(5, 6);

struct config_section {
	enum config_section_kind kind;
	char *name;			/* of an instance or a map, else NULL */
	size_t source;			/* which file */
	size_t parent;			/* of a map: which section its instance is */
	size_t index;			/* which instance of its file (map of its instance), as libConfuse counts */
	size_t n_maps;			/* of an instance */
	unsigned line;
	unsigned lines[CONFIG_OPTIONS_MAX];	/* where each key stands, 0 = not there */
};

struct config_sections {
	struct config_section *v;
	size_t n, allocated;
	size_t n_instances;
};

/* Finds the sections and keys of one file, refuses what libConfuse would let pass, and blanks the comments in
 * text (NUL-terminated, len bytes). Whatever is wrong goes to e. */
void config_scan(const char *file, size_t source, char *text, size_t len, struct config_sections *ret,
		 struct config_errors *e);
