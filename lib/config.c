/*
 * Loading: each file is scanned (config_scan.c), then parsed by libConfuse, then all of them are merged along the
 * option table into one struct. Nothing is half loaded: either every file is good, or the report says what is not.
 */
#include "config.h"

#include <confuse.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config_internal.h"
#include "limits.h"

#define STATE_DIRECTORY_DEFAULT "/var/lib/adosyncd"
#define RUNTIME_DIRECTORY_DEFAULT "/run/adosyncd"

struct source {
	char *name;	/* as shown in messages */
	char *text;
	cfg_t *cfg;
};

struct loader {
	struct source *sources;
	size_t n_sources;
	struct config_sections sections;
	const struct config_section *single[SECTION_KINDS];	/* konnect, daemon, defaults: where they are, or NULL */
	const struct config_section **instances;		/* in name order */
	size_t n_instances;
	struct config_errors errors;
	int error;	/* of a file, -errno */
};

/* libConfuse takes no argument for its error function, and its lexer is static anyway: one load at a time. */
static struct {
	struct config_errors *errors;
	const char *file;
} parsing;

void config_errorf(struct config_errors *e, const char *file, unsigned line, const char *subject,
		   const char *fmt, ...)
{
	_cleanup_free_ char *what = NULL, *where = NULL;
	char *text;
	va_list ap;
	int r;

	if (++e->n > CONFIG_ERRORS_MAX + 1)
		return;
	if (e->n > CONFIG_ERRORS_MAX) {
		where = xstrdup("");
		what = xasprintf("there are more errors than the %d above", CONFIG_ERRORS_MAX);
		subject = NULL;
	} else {
		where = line > 0 ? xasprintf("%s:%u: ", file, line) : xasprintf("%s: ", file);
		va_start(ap, fmt);
		r = vasprintf(&what, fmt, ap);
		va_end(ap);
		if (r < 0)
			abort();
	}
	text = xasprintf("%s%s%s%s%s%s", e->text ? e->text : "", e->text ? "\n" : "", where, subject ? subject : "",
			 subject ? ": " : "", what);
	free(e->text);
	e->text = text;
}

static void loader_done(struct loader *l)
{
	for (size_t i = 0; i < l->n_sources; i++) {
		if (l->sources[i].cfg)
			cfg_free(l->sources[i].cfg);
		free(l->sources[i].name);
		free(l->sources[i].text);
	}
	free(l->sources);
	for (size_t i = 0; i < l->sections.n; i++)
		free(l->sections.v[i].name);
	free(l->sections.v);
	free(l->instances);
	free(l->errors.text);
}

/* Takes text. */
static void add_source(struct loader *l, const char *name, char *text, size_t len)
{
	size_t i = l->n_sources++;

	l->sources = xrealloc(l->sources, l->n_sources, sizeof(*l->sources));
	l->sources[i] = (struct source){ .name = xstrdup(name), .text = text };
	config_scan(name, i, text, len, &l->sections, &l->errors);
}

static void file_error(struct loader *l, const char *name, const char *what, int r)
{
	if (l->error == 0)
		l->error = r;
	config_errorf(&l->errors, name, 0, NULL, "%s: %s", what, strerror(-r));
}

static int read_fd(int fd, char **ret, size_t *ret_len)
{
	char *text = xcalloc(1, CONFIG_FILE_MAX + 2);
	size_t len = 0;

	while (len <= CONFIG_FILE_MAX) {
		ssize_t n = read(fd, text + len, CONFIG_FILE_MAX + 1 - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			free(text);
			return -errno;
		}
		if (n == 0)
			break;
		len += (size_t)n;
	}
	if (len > CONFIG_FILE_MAX) {
		free(text);
		return -EFBIG;
	}
	*ret = xrealloc(text, len + 1, 1);
	*ret_len = len;
	return 0;
}

static void load_file(struct loader *l, const char *name)
{
	struct stat st;
	char *text = NULL;
	size_t len = 0;
	int fd, r;

	/* O_NONBLOCK, so that a FIFO in the directory is refused instead of waited for. */
	fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0) {
		file_error(l, name, "cannot be opened", -errno);
		return;
	}
	if (fstat(fd, &st) < 0) {
		file_error(l, name, "cannot be read", -errno);
	} else if (!S_ISREG(st.st_mode)) {
		config_errorf(&l->errors, name, 0, NULL, "is not a regular file");
	} else {
		r = read_fd(fd, &text, &len);
		if (r == -EFBIG)
			config_errorf(&l->errors, name, 0, NULL, "is too large; allowed: %zu bytes", CONFIG_FILE_MAX);
		else if (r < 0)
			file_error(l, name, "cannot be read", r);
		else
			add_source(l, name, text, len);
	}
	close(fd);
}

static int is_config_file(const struct dirent *d)
{
	size_t n = strlen(d->d_name);

	return d->d_name[0] != '.' && n > 5 && strcmp(d->d_name + n - 5, ".conf") == 0;
}

/* Not alphasort(), which follows the locale. */
static int by_file_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void load_directory(struct loader *l, const char *directory)
{
	_cleanup_free_ char *path = xasprintf("%s/instances.d", directory);
	struct dirent **entries;
	int n;

	n = scandir(path, &entries, is_config_file, by_file_name);
	if (n < 0) {
		if (errno != ENOENT)
			file_error(l, path, "cannot be read", -errno);
		return;
	}
	for (int i = 0; i < n; i++) {
		_cleanup_free_ char *name = xasprintf("%s/%s", path, entries[i]->d_name);

		load_file(l, name);
		free(entries[i]);
	}
	free(entries);
}

static int by_instance_name(const void *a, const void *b)
{
	const struct config_section *x = *(const struct config_section *const *)a;
	const struct config_section *y = *(const struct config_section *const *)b;
	int r = strcmp(x->name, y->name);

	/* Both lie in one array, so a duplicate is reported at the later place. */
	return r ? r : (x > y) - (x < y);
}

static void refuse_second(struct loader *l, const struct config_section *first, const struct config_section *second,
			  const char *allowed)
{
	_cleanup_free_ char *subject = first->name ? xasprintf("instance \"%s\"", first->name) :
						     xstrdup(config_section_name(first->kind));

	config_errorf(&l->errors, l->sources[second->source].name, second->line, subject,
		      "given twice (first at %s:%u); allowed: %s", l->sources[first->source].name, first->line, allowed);
}

/* Which section is where, and none of them twice over all files. */
static void index_sections(struct loader *l)
{
	l->instances = xcalloc(l->sections.n, sizeof(struct config_section *));
	for (size_t i = 0; i < l->sections.n; i++) {
		const struct config_section *sec = &l->sections.v[i];

		if (sec->kind == SECTION_MAP) {
			continue;
		} else if (sec->kind == SECTION_INSTANCE) {
			if (sec->name)
				l->instances[l->n_instances++] = sec;
		} else if (l->single[sec->kind]) {
			refuse_second(l, l->single[sec->kind], sec, "once over all files");
		} else {
			l->single[sec->kind] = sec;
		}
	}
	if (l->n_instances > 0)
		qsort(l->instances, l->n_instances, sizeof(struct config_section *), by_instance_name);
	for (size_t i = 1; i < l->n_instances; i++)
		if (strcmp(l->instances[i - 1]->name, l->instances[i]->name) == 0)
			refuse_second(l, l->instances[i - 1], l->instances[i], "one section of a name");
}

__attribute__((format(printf, 2, 0))) static void on_confuse_error(cfg_t *cfg, const char *fmt, va_list ap)
{
	char text[256];

	(void)vsnprintf(text, sizeof(text), fmt, ap);
	config_errorf(parsing.errors, parsing.file, cfg && cfg->line > 0 ? (unsigned)cfg->line : 0, NULL, "%s", text);
}

static void parse_sources(struct loader *l)
{
	/* one more than the keys and the end: the maps of an instance */
	cfg_opt_t options[SECTION_KINDS][CONFIG_OPTIONS_MAX + 2], root[SECTION_KINDS];
	size_t n[SECTION_KINDS] = { 0 };

	/* No defaults here: an option libConfuse has a value for is one that was written. */
	for (int kind = SECTION_KINDS - 1; kind >= SECTION_KONNECT; kind--) {
		cfg_opt_t *to = options[kind];
		const char *name = config_section_name((enum config_section_kind)kind);

		for (size_t i = 0; i < config_n_options; i++) {
			const struct config_option *o = &config_options[i];

			if (config_option_in(o, (enum config_section_kind)kind))
				to[n[kind]++] = o->type->list ?
					(cfg_opt_t)CFG_STR_LIST(o->key, NULL, CFGF_NODEFAULT) :
					(cfg_opt_t)CFG_STR(o->key, NULL, CFGF_NODEFAULT);
		}
		if (kind == SECTION_INSTANCE)
			to[n[kind]++] = (cfg_opt_t)CFG_SEC("map", options[SECTION_MAP], CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES);
		to[n[kind]] = (cfg_opt_t)CFG_END();
		if (kind == SECTION_MAP)
			continue;
		root[kind] = kind == SECTION_INSTANCE ?
			(cfg_opt_t)CFG_SEC(name, to, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES) :
			(cfg_opt_t)CFG_SEC(name, to, CFGF_NODEFAULT);
	}
	root[SECTION_MAP] = (cfg_opt_t)CFG_END();

	for (size_t i = 0; i < l->n_sources && l->errors.n == 0; i++) {
		struct source *s = &l->sources[i];

		s->cfg = cfg_init(root, CFGF_NONE);
		if (!s->cfg)
			abort();
		cfg_set_error_function(s->cfg, on_confuse_error);
		parsing.errors = &l->errors;
		parsing.file = s->name;
		if (cfg_parse_buf(s->cfg, s->text) != CFG_SUCCESS && l->errors.n == 0)
			config_errorf(&l->errors, s->name, 0, NULL, "cannot be understood");
		free(s->text);
		s->text = NULL;
	}
}

static cfg_t *section_values(const struct loader *l, const struct config_section *sec)
{
	cfg_t *root = l->sources[sec->source].cfg;

	if (sec->kind == SECTION_MAP)
		return cfg_getnsec(section_values(l, &l->sections.v[sec->parent]), "map", (unsigned)sec->index);
	if (sec->kind == SECTION_INSTANCE)
		return cfg_getnsec(root, "instance", (unsigned)sec->index);
	return cfg_getsec(root, config_section_name(sec->kind));
}

/* Whatever the kind of the option: text without control characters. NULL, or what is wrong. */
static const char *check_text(const char *s, bool multiline)
{
	while (*s) {
		size_t n = utf8_next(s, strnlen(s, 4));

		if (n == 0)
			return "is not UTF-8";
		if (((unsigned char)*s < 0x20 && !(multiline && (*s == '\n' || *s == '\t'))) || *s == 0x7f)
			return "has a control character";
		s += n;
	}
	return NULL;
}

static bool apply(struct loader *l, const struct config_section *sec, size_t option, void *base)
{
	const struct config_option *o = &config_options[option];
	cfg_opt_t *opt = cfg_getopt(section_values(l, sec), o->key);
	size_t n = cfg_opt_size(opt), bad = 0;
	void *field = (char *)base + o->offset;
	const char *why = NULL;
	char shown[160], **values = xcalloc(n, sizeof(*values));

	for (size_t i = 0; i < n; i++) {
		values[i] = cfg_opt_getnstr(opt, (unsigned)i);
		if (!why) {
			why = check_text(values[i], o->multiline);
			bad = i;
		}
	}
	if (!why) {
		o->type->clear(field);
		why = o->type->set(o, values, n, field, &bad);
	}
	if (why)
		config_errorf(&l->errors, l->sources[sec->source].name, sec->lines[option], o->key,
			      "\"%s\" %s; allowed: %s", printable(shown, sizeof(shown), values[bad]), why, o->allowed);
	free(values);
	return !why;
}

/* Each row from the section, else from the defaults section, else from the table. Either section may be NULL. */
static bool apply_section(struct loader *l, enum config_section_kind kind, const struct config_section *sec,
			  const struct config_section *defaults, void *base)
{
	bool good = true;

	for (size_t i = 0; i < config_n_options; i++) {
		if (!config_option_in(&config_options[i], kind))
			continue;
		if (sec && sec->lines[i])
			good = apply(l, sec, i, base) && good;
		else if (defaults && defaults->lines[i])
			good = apply(l, defaults, i, base) && good;
		else
			config_option_default(&config_options[i], base);
	}
	return good;
}

static char *azure_url(const char *organization)
{
	static const char base[] = "https://dev.azure.com/", hex[] = "0123456789ABCDEF";
	char *url = xcalloc(1, sizeof(base) + 3 * strlen(organization)), *to = url + sizeof(base) - 1;

	memcpy(url, base, sizeof(base) - 1);
	for (const char *p = organization; *p; p++) {
		if (ascii_is_alnum(*p) || strchr("-._~", *p)) {
			*to++ = *p;
		} else {
			*to++ = '%';
			*to++ = hex[(unsigned char)*p >> 4];
			*to++ = hex[*p & 0xf];
		}
	}
	return url;
}

/* A directory that systemd hands over in the environment, or what it is without. */
static char *directory_from(struct loader *l, const char *variable, const char *without)
{
	const char *env = getenv(variable), *why;
	char *directory, shown[160];

	if (!env || !*env)
		return xstrdup(without);
	/* systemd lists several with colons; the first is ours. */
	directory = xstrndup(env, strcspn(env, ":"));
	why = config_check_directory(directory);
	if (!why)
		why = check_text(directory, false);
	if (why)
		config_errorf(&l->errors, "environment", 0, variable, "\"%s\" %s; allowed: an absolute path",
			      printable(shown, sizeof(shown), directory), why);
	return directory;
}

static void finish_daemon(struct loader *l, struct config *c)
{
	if (!c->state_directory)
		c->state_directory = directory_from(l, "STATE_DIRECTORY", STATE_DIRECTORY_DEFAULT);
	if (!c->control_socket) {
		char *directory = directory_from(l, "RUNTIME_DIRECTORY", RUNTIME_DIRECTORY_DEFAULT);

		c->control_socket = xasprintf("%s/control.sock", directory);
		free(directory);
	}
}

static void finish_instance(struct loader *l, const struct config_section *sec, struct config_instance *i)
{
	size_t option = config_option_find(SECTION_INSTANCE, "organization", strlen("organization"));

	i->name = xstrdup(sec->name);
	if (!i->pat_file)
		i->pat_file = xasprintf("%s.pat", i->name);
	if (!sec->lines[option])
		config_errorf(&l->errors, l->sources[sec->source].name, sec->line, "organization",
			      "is missing in instance \"%s\"; allowed: %s", i->name, config_options[option].allowed);
	else if (i->organization && !i->url)
		i->url = azure_url(i->organization);
	/* Konnect would try the PAT of a server of one's own at Microsoft's */
	if (i->share_pat && i->url && !config_url_is_azure(i->url)) {
		option = config_option_find(SECTION_INSTANCE, "share_pat", strlen("share_pat"));
		config_errorf(&l->errors, l->sources[sec->source].name, sec->lines[option] ? sec->lines[option] : sec->line,
			      "share_pat", "\"yes\" does not go with url %s; allowed: %s", i->url, config_options[option].allowed);
	}
}

/* The maps of an instance, in the order they are written. */
static void apply_maps(struct loader *l, const struct config_section *instance, struct config_instance *i)
{
	size_t parent = (size_t)(instance - l->sections.v), option = config_option_find(SECTION_MAP, "repositories", 12);

	i->maps = xcalloc(instance->n_maps, sizeof(*i->maps));
	for (size_t k = parent + 1; k < l->sections.n; k++) {
		const struct config_section *sec = &l->sections.v[k];
		struct config_map *m = &i->maps[i->n_maps];

		if (sec->kind != SECTION_MAP || sec->parent != parent)
			continue;
		i->n_maps++;
		m->service = xstrdup(sec->name);
		if (!apply_section(l, SECTION_MAP, sec, NULL, m))
			continue;
		if (!m->repositories || !m->repositories[0])
			config_errorf(&l->errors, l->sources[sec->source].name, sec->line, "repositories",
				      "is missing in map \"%s\"; allowed: %s", m->service, config_options[option].allowed);
	}
}

static void merge(struct loader *l, struct config *c)
{
	const struct config_section *defaults = l->single[SECTION_DEFAULTS];
	struct config_instance scratch = { 0 };

	apply_section(l, SECTION_KONNECT, l->single[SECTION_KONNECT], NULL, c);
	apply_section(l, SECTION_DAEMON, l->single[SECTION_DAEMON], NULL, c);
	finish_daemon(l, c);

	/* Alone first, so that a mistake in it is reported once and not for each instance. */
	if (defaults && !apply_section(l, SECTION_DEFAULTS, defaults, NULL, &scratch))
		defaults = NULL;
	config_clear_section(SECTION_DEFAULTS, &scratch);

	c->instances = xcalloc(l->n_instances, sizeof(*c->instances));
	c->n_instances = l->n_instances;
	for (size_t i = 0; i < l->n_instances; i++) {
		apply_section(l, SECTION_INSTANCE, l->instances[i], defaults, &c->instances[i]);
		finish_instance(l, l->instances[i], &c->instances[i]);
		apply_maps(l, l->instances[i], &c->instances[i]);
	}
}

/* After the sources are in. Takes directory; leaves l empty. */
static int finish(struct loader *l, const char *name, char *directory, struct config **ret, char **ret_error)
{
	struct config *c = xcalloc(1, sizeof(*c));
	int r = l->error < 0 ? l->error : -EINVAL;

	c->refs = 1;
	c->directory = directory;
	index_sections(l);
	if (l->errors.n == 0 && l->n_instances == 0)
		config_errorf(&l->errors, name, 0, "instance", "there is none; allowed: at least one, here or in %s/"
			      "instances.d/NAME.conf", directory);
	if (l->errors.n == 0)
		parse_sources(l);
	if (l->errors.n == 0)
		merge(l, c);
	if (l->errors.n > 0) {
		*ret_error = l->errors.text;
		l->errors.text = NULL;
		config_free(c);
	} else {
		*ret = c;
		r = 0;
	}
	loader_done(l);
	return r;
}

int config_load(const char *file, struct config **ret, char **ret_error)
{
	const char *slash = strrchr(file, '/');
	char *directory = !slash ? xstrdup(".") :
				   xstrndup(file, slash == file ? 1 : (size_t)(slash - file));
	struct loader l = { 0 };

	load_file(&l, file);
	/* Without the main file the directory beside it is probably not the one that is meant. */
	if (l.n_sources > 0)
		load_directory(&l, directory);
	return finish(&l, file, directory, ret, ret_error);
}

int config_load_buffer(const char *name, const char *text, size_t len, struct config **ret, char **ret_error)
{
	struct loader l = { 0 };
	char *copy;

	if (len > CONFIG_FILE_MAX) {
		config_errorf(&l.errors, name, 0, NULL, "is too large; allowed: %zu bytes", CONFIG_FILE_MAX);
	} else {
		copy = xcalloc(len + 1, 1);
		if (len > 0)
			memcpy(copy, text, len);
		add_source(&l, name, copy, len);
	}
	return finish(&l, name, xstrdup("."), ret, ret_error);
}

struct config *config_ref(struct config *c)
{
	c->refs++;
	return c;
}

struct config *config_free(struct config *c)
{
	if (!c || --c->refs > 0)
		return NULL;
	config_clear_section(SECTION_KONNECT, c);
	config_clear_section(SECTION_DAEMON, c);
	for (size_t i = 0; i < c->n_instances; i++) {
		config_clear_section(SECTION_INSTANCE, &c->instances[i]);
		for (size_t k = 0; k < c->instances[i].n_maps; k++) {
			config_clear_section(SECTION_MAP, &c->instances[i].maps[k]);
			free(c->instances[i].maps[k].service);
		}
		free(c->instances[i].maps);
		free(c->instances[i].name);
	}
	free(c->instances);
	free(c->directory);
	free(c);
	return NULL;
}

void config_print_string(const char *s, FILE *f)
{
	fputc('"', f);
	for (; *s; s++) {
		if (*s == '\n')
			fputs("\\n", f);
		else if (*s == '\t')
			fputs("\\t", f);
		else if (*s == '"' || *s == '\\' || (s[0] == '$' && s[1] == '{'))
			fprintf(f, "\\%c", *s);
		else
			fputc(*s, f);
	}
	fputc('"', f);
}

void config_print(const struct config *c, FILE *f)
{
	fputs("konnect {\n", f);
	config_print_section(SECTION_KONNECT, c, "\t", f);
	fputs("}\n\ndaemon {\n", f);
	config_print_section(SECTION_DAEMON, c, "\t", f);
	fputs("}\n", f);
	for (size_t i = 0; i < c->n_instances; i++) {
		fprintf(f, "\ninstance \"%s\" {\n", c->instances[i].name);
		config_print_section(SECTION_INSTANCE, &c->instances[i], "\t", f);
		for (size_t k = 0; k < c->instances[i].n_maps; k++) {
			fprintf(f, "\tmap \"%s\" {\n", c->instances[i].maps[k].service);
			config_print_section(SECTION_MAP, &c->instances[i].maps[k], "\t\t", f);
			fputs("\t}\n", f);
		}
		fputs("}\n", f);
	}
}

const struct config_instance *config_find(const struct config *c, const char *name)
{
	size_t low = 0, high = c->n_instances;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int r = strcmp(name, c->instances[middle].name);

		if (r == 0)
			return &c->instances[middle];
		if (r < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}
