/* What a value of each kind looks like: checking, keeping, printing. Which key is of which kind is in config_options.c. */
#include "config_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <syslog.h>

#include "address.h"
#include "config.h"
#include "limits.h"

/* Konnect's maximum less the labels this program sets itself. */
#define LABELS_OF_OURS 11
#define LABELS_MAX (KONNECT_LABELS_MAX - LABELS_OF_OURS)

static const char *const regions[] = { "us", "eu", "au", "me", "in", "sg" };
static const char *const log_formats[] = { "auto", "journal", "text", "json" };	/* order of enum log_format */
static const char *const map_tos[] = { "repository", "project", "none" };	/* order of enum map_to */
static const char *const on_removes[] = { "mark", "archive", "delete" };	/* order of enum on_remove */
static const char *const creates[] = { "unmapped", "always", "never" };		/* order of enum create */
static const struct {
	const char *name;
	int level;
} log_levels[] = {
	{ "debug", LOG_DEBUG }, { "info", LOG_INFO }, { "notice", LOG_NOTICE },
	{ "warning", LOG_WARNING }, { "err", LOG_ERR },
};

static size_t characters(const char *s)
{
	size_t n = 0;

	for (; *s; n++) {
		size_t step = utf8_next(s, strnlen(s, 4));

		s += step ? step : 1;
	}
	return n;
}

const char *config_check_path(const char *s)
{
	if (!*s)
		return "is empty";
	return strlen(s) < 4096 ? NULL : "is too long";
}

const char *config_check_directory(const char *s)
{
	return s[0] == '/' ? config_check_path(s) : "is not an absolute path";
}

const char *config_check_socket(const char *s)
{
	const char *why = config_check_directory(s);

	return !why && strlen(s) >= SOCKET_PATH_MAX ? "is too long for a socket" : why;
}

const char *config_check_listen(const char *s)
{
	struct address a;

	return *s && address_parse(s, &a) < 0 ? "is no address with a port" : NULL;
}

const char *config_check_date(const char *s)
{
	int64_t at;

	return parse_date(s, &at) < 0 ? "is not a date" : NULL;
}

const char *config_check_organization(const char *s)
{
	if (!*s)
		return "is empty";
	if (strlen(s) > 256)
		return "is too long";
	if (strcmp(s, ".") == 0 || strcmp(s, "..") == 0)
		return "is not a name";
	return strchr(s, '/') ? "has a /" : NULL;
}

const char *config_check_display_name(const char *s)
{
	if (!*s)
		return "is empty";
	return characters(s) > KONNECT_DISPLAY_NAME_MAX ? "is too long" : NULL;
}

const char *config_check_description(const char *s)
{
	return characters(s) > KONNECT_DESCRIPTION_MAX ? "is too long" : NULL;
}

const char *config_check_resource_type(const char *s)
{
	if (!*s)
		return "is empty";
	return characters(s) > KONNECT_NAME_MAX ? "is too long" : NULL;
}

static const char *skip_digits(const char *s)
{
	size_t n = strspn(s, "0123456789");

	return n >= 1 && n <= 4 ? s + n : NULL;
}

const char *config_check_api_version(const char *s)
{
	s = skip_digits(s);
	if (s && *s == '.')
		s = skip_digits(s + 1);
	else
		s = NULL;
	if (s && strncmp(s, "-preview", 8) == 0) {
		s += 8;
		if (*s == '.')
			s = skip_digits(s + 1);
	}
	return s && !*s ? NULL : "is not a version";
}

static const char *check_glob(const char *s)
{
	const char *slash = strchr(s, '/');

	if (!*s)
		return "is empty";
	if (strlen(s) > 2 * NAME_MAX_BYTES + 1)
		return "is too long";
	if (!slash)
		return NULL;
	if (slash == s || !slash[1])
		return "has nothing on one side of the /, which matches nothing";
	return strchr(slash + 1, '/') ? "has more than one /, which matches nothing" : NULL;
}

/* The host of an authority: [v6], or letters, digits and . _ - up to the port. NULL: wrong; *ret_end is what follows. */
static const char *scan_host(const char *s, char *buf, size_t size, const char **ret_end)
{
	struct in6_addr v6;
	size_t n;

	if (*s == '[') {
		n = strcspn(s, "]");
		if (s[n] != ']' || n - 1 >= size)
			return NULL;
		memcpy(buf, s + 1, n - 1);
		buf[n - 1] = '\0';
		*ret_end = s + n + 1;
		return inet_pton(AF_INET6, buf, &v6) == 1 ? buf : NULL;
	}
	for (n = 0; ascii_is_alnum(s[n]) || s[n] == '.' || s[n] == '-' || s[n] == '_'; n++)
		;
	if (n == 0 || n >= size)
		return NULL;
	memcpy(buf, s, n);
	buf[n] = '\0';
	*ret_end = s + n;
	return buf;
}

/* host[:port] at s; NULL or what is wrong. */
static const char *check_authority(const char *s, char *host, size_t size, const char **ret_end, bool *ret_port)
{
	char digits[6];
	int64_t port;
	size_t n;

	if (memchr(s, '@', strcspn(s, "/?#")))
		return "has a user name or password, which has no place in the configuration";
	if (!scan_host(s, host, size, &s))
		return "has no valid host";
	*ret_port = *s == ':';
	if (*s == ':') {
		n = strspn(++s, "0123456789");
		if (n < 1 || n > 5)
			return "has no valid port";
		memcpy(digits, s, n);
		digits[n] = '\0';
		if (parse_int(digits, 1, 65535, &port) < 0)
			return "has no valid port";
		s += n;
	}
	*ret_end = s;
	return *s && !strchr("/?#", *s) ? "has no valid host" : NULL;
}

static bool is_loopback(const char *host)
{
	struct in6_addr v6;
	struct in_addr v4;

	if (inet_pton(AF_INET, host, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == 127;
	if (inet_pton(AF_INET6, host, &v6) == 1)
		return IN6_IS_ADDR_LOOPBACK(&v6);
	return ascii_strcasecmp(host, "localhost") == 0;
}

static const char *check_url_path(const char *s)
{
	static const char hex[] = "0123456789abcdefABCDEF";

	for (; *s; s++) {
		if (*s == '?' || *s == '#')
			return *s == '?' ? "has a query" : "has a fragment";
		if (*s == '%' && (!s[1] || !strchr(hex, s[1]) || !s[2] || !strchr(hex, s[2])))
			return "has a % that begins no %XX";
		if (!ascii_is_alnum(*s) && !strchr("/%-._~!$&'()*+,;=:@", *s))
			return "has a character that must be written as %XX";
	}
	return NULL;
}

const char *config_check_url(const char *s)
{
	bool plain = ascii_has_prefix_nocase(s, "http://"), port;
	const char *why, *rest;
	char host[256];

	if (!*s)
		return "is empty";
	if (strlen(s) > URL_MAX_BYTES)
		return "is too long";
	if (!plain && !ascii_has_prefix_nocase(s, "https://"))
		return "does not begin with https://";
	why = check_authority(s + (plain ? 7 : 8), host, sizeof(host), &rest, &port);
	if (!why)
		why = check_url_path(rest);
	if (!why && plain && !is_loopback(host))
		why = "sends secrets over plain http";
	return why;
}

bool config_url_is_azure(const char *url)
{
	const char *rest;
	char host[256];
	bool port;

	if (check_authority(strstr(url, "://") + 3, host, sizeof(host), &rest, &port))
		return false;
	return is_loopback(host) || ascii_strcasecmp(host, "dev.azure.com") == 0;
}

const char *config_check_proxy(const char *s)
{
	static const char *const schemes[] = { "http://", "https://", "socks5h://" };
	const char *why, *rest;
	char host[256];
	bool port;

	if (!*s)
		return NULL;
	for (size_t i = 0; i < ELEMENTSOF(schemes); i++) {
		if (!ascii_has_prefix_nocase(s, schemes[i]))
			continue;
		why = check_authority(s + strlen(schemes[i]), host, sizeof(host), &rest, &port);
		if (!why && !port)
			why = "has no port";
		if (!why && *rest && strcmp(rest, "/") != 0)
			why = "has something after the port";
		return why;
	}
	return "is not of a kind of proxy that is supported";
}

static const char *text_set(const struct config_option *o, char *const *values, size_t n, void *field, size_t *bad)
{
	const char *why = o->check(values[0]);

	(void)n;
	*bad = 0;
	if (!why)
		*(char **)field = xstrdup(values[0]);
	return why;
}

static const char *url_set(const struct config_option *o, char *const *values, size_t n, void *field, size_t *bad)
{
	const char *why = text_set(o, values, n, field, bad);
	char *s;

	if (why)
		return why;
	s = *(char **)field;
	for (size_t len = strlen(s); len > 0 && s[len - 1] == '/'; len--)
		s[len - 1] = '\0';
	return NULL;
}

static void text_clear(void *field)
{
	free(*(char **)field);
	*(char **)field = NULL;
}

static bool text_is_set(const void *field)
{
	return *(char *const *)field != NULL;
}

static void text_print(const void *field, FILE *f)
{
	config_print_string(*(char *const *)field, f);
}

/* A region is another way to write the URL, which is why the url row comes later and wins. */
static const char *region_set(const struct config_option *o, char *const *values, size_t n, void *field, size_t *bad)
{
	(void)o;
	(void)n;
	*bad = 0;
	for (size_t i = 0; i < ELEMENTSOF(regions); i++) {
		if (strcmp(regions[i], values[0]) == 0) {
			*(char **)field = xasprintf("https://%s.api.konghq.com", regions[i]);
			return NULL;
		}
	}
	return "is not a region";
}

static void no_clear(void *field)
{
	(void)field;
}

static const char *int_set(const struct config_option *o, char *const *values, size_t n, void *field, size_t *bad)
{
	(void)n;
	*bad = 0;
	switch (parse_int(values[0], o->min, o->max, field)) {
	case 0:
		return NULL;
	case -ERANGE:
		return "is out of range";
	default:
		return "is not a number";
	}
}

static void int_print(const void *field, FILE *f)
{
	fprintf(f, "\"%lld\"", (long long)*(const int64_t *)field);
}

static const char *span_set(const struct config_option *o, char *const *values, size_t n, void *field, size_t *bad)
{
	int64_t sec;
	int r;

	(void)n;
	*bad = 0;
	r = parse_span(values[0], &sec);
	if (r == -EINVAL)
		return "is not a span of time";
	if (r < 0 || sec < o->min || sec > o->max)
		return "is out of range";
	*(int64_t *)field = sec;
	return NULL;
}

static const char *span_or_never_set(const struct config_option *o, char *const *values, size_t n, void *field, size_t *bad)
{
	if (strcmp(values[0], "never") != 0)
		return span_set(o, values, n, field, bad);
	*bad = 0;
	*(int64_t *)field = 0;
	return NULL;
}

static void span_or_never_print(const void *field, FILE *f)
{
	char buf[64];

	fprintf(f, "\"%s\"", *(const int64_t *)field > 0 ? format_span(buf, sizeof(buf), *(const int64_t *)field) : "never");
}

static void span_print(const void *field, FILE *f)
{
	char buf[64];

	fprintf(f, "\"%s\"", format_span(buf, sizeof(buf), *(const int64_t *)field));
}

static const char *bool_set(const struct config_option *o, char *const *values, size_t n, void *field, size_t *bad)
{
	static const char *const words[] = { "no", "yes", "false", "true", "off", "on" };

	(void)o;
	(void)n;
	*bad = 0;
	for (size_t i = 0; i < ELEMENTSOF(words); i++) {
		if (ascii_strcasecmp(values[0], words[i]) == 0) {
			*(bool *)field = i % 2 == 1;
			return NULL;
		}
	}
	return "is not a yes or no";
}

static void bool_print(const void *field, FILE *f)
{
	fputs(*(const bool *)field ? "\"yes\"" : "\"no\"", f);
}

static const char *level_set(const struct config_option *o, char *const *values, size_t n, void *field, size_t *bad)
{
	(void)o;
	(void)n;
	*bad = 0;
	for (size_t i = 0; i < ELEMENTSOF(log_levels); i++) {
		if (strcmp(log_levels[i].name, values[0]) == 0) {
			*(int *)field = log_levels[i].level;
			return NULL;
		}
	}
	return "is not a level";
}

static void level_print(const void *field, FILE *f)
{
	for (size_t i = 0; i < ELEMENTSOF(log_levels); i++)
		if (log_levels[i].level == *(const int *)field)
			config_print_string(log_levels[i].name, f);
}

/* The index of the word, as an enum of int's size. */
static const char *word_set(const char *const *words, size_t n_words, const char *value, void *field)
{
	for (size_t i = 0; i < n_words; i++) {
		if (strcmp(words[i], value) == 0) {
			*(unsigned *)field = (unsigned)i;
			return NULL;
		}
	}
	return "is none of these words";
}

static const char *format_set(const struct config_option *o, char *const *values, size_t n, void *field, size_t *bad)
{
	(void)o;
	(void)n;
	*bad = 0;
	return word_set(log_formats, ELEMENTSOF(log_formats), values[0], field);
}

static void format_print(const void *field, FILE *f)
{
	config_print_string(log_formats[*(const enum log_format *)field], f);
}

static const char *map_to_set(const struct config_option *o, char *const *values, size_t n, void *field, size_t *bad)
{
	(void)o;
	(void)n;
	*bad = 0;
	return word_set(map_tos, ELEMENTSOF(map_tos), values[0], field);
}

static void map_to_print(const void *field, FILE *f)
{
	config_print_string(map_tos[*(const enum map_to *)field], f);
}

static const char *on_remove_set(const struct config_option *o, char *const *values, size_t n, void *field, size_t *bad)
{
	(void)o;
	(void)n;
	*bad = 0;
	return word_set(on_removes, ELEMENTSOF(on_removes), values[0], field);
}

static void on_remove_print(const void *field, FILE *f)
{
	config_print_string(on_removes[*(const enum on_remove *)field], f);
}

static const char *create_set(const struct config_option *o, char *const *values, size_t n, void *field, size_t *bad)
{
	(void)o;
	(void)n;
	*bad = 0;
	return word_set(creates, ELEMENTSOF(creates), values[0], field);
}

static void create_print(const void *field, FILE *f)
{
	config_print_string(creates[*(const enum create *)field], f);
}

static const char *limit_set(const struct config_option *o, char *const *values, size_t n, void *field, size_t *bad)
{
	_cleanup_free_ char *number = xstrdup(values[0]);
	struct removal_limit *l = field;
	size_t len = strlen(number);
	bool percent = len > 0 && number[len - 1] == '%';
	int64_t value;
	int r;

	(void)o;
	(void)n;
	*bad = 0;
	if (percent)
		number[len - 1] = '\0';
	r = parse_int(number, 0, percent ? 100 : LISTING_ELEMENTS_MAX, &value);
	if (r < 0)
		return r == -ERANGE ? "is out of range" : "is not a limit";
	*l = (struct removal_limit){ .value = (uint32_t)value, .percent = percent };
	return NULL;
}

static void limit_print(const void *field, FILE *f)
{
	const struct removal_limit *l = field;

	fprintf(f, "\"%u%s\"", (unsigned)l->value, l->percent ? "%" : "");
}

static const char *globs_set(const struct config_option *o, char *const *values, size_t n, void *field, size_t *bad)
{
	char **list;

	(void)o;
	for (*bad = 0; *bad < n; ++*bad) {
		const char *why = check_glob(values[*bad]);

		if (why)
			return why;
	}
	list = xcalloc(n + 1, sizeof(*list));
	for (size_t i = 0; i < n; i++)
		list[i] = xstrdup(values[i]);
	*(char ***)field = list;
	return NULL;
}

static void globs_clear(void *field)
{
	char **list = *(char ***)field;

	for (char **p = list; p && *p; p++)
		free(*p);
	free(list);
	*(char ***)field = NULL;
}

static void globs_print(const void *field, FILE *f)
{
	char *const *list = *(char *const *const *)field;

	fputs("{", f);
	for (size_t i = 0; list && list[i]; i++) {
		fputs(i ? ", " : " ", f);
		config_print_string(list[i], f);
	}
	fputs(" }", f);
}

/* Konnect's pattern for the keys and values of labels. */
static bool label_text_valid(const char *s, size_t n)
{
	if (n < 1 || n > KONNECT_LABEL_MAX || !ascii_is_alnum(s[0]) || !ascii_is_alnum(s[n - 1]))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!ascii_is_alnum(s[i]) && s[i] != '.' && s[i] != '_' && s[i] != '-')
			return false;
	return true;
}

static const char *check_label(const char *s)
{
	static const char *const reserved[] = { "kong", "konnect", "mesh", "kic", "_" };
	static const char *const ours[] = { "managed-by=", "adosyncd-writer=", "azure-devops-" };
	const char *equals = strchr(s, '=');

	if (!equals)
		return "has no =";
	for (size_t i = 0; i < ELEMENTSOF(reserved); i++)
		if (ascii_has_prefix_nocase(s, reserved[i]))
			return "begins with a word that Konnect keeps for itself";
	for (size_t i = 0; i < ELEMENTSOF(ours); i++)
		if (strncmp(s, ours[i], strlen(ours[i])) == 0)
			return "is a label that adosyncd sets itself";
	if (!label_text_valid(s, (size_t)(equals - s)))
		return "has a key Konnect does not take";
	return label_text_valid(equals + 1, strlen(equals + 1)) ? NULL : "has a value Konnect does not take";
}


static const char *labels_check(char *const *values, size_t n, size_t *bad)
{
	for (size_t i = 0; i < n; i++) {
		const char *why = check_label(values[i]);
		size_t len = strcspn(values[i], "=") + 1;

		*bad = i;
		if (why)
			return why;
		if (i >= LABELS_MAX)
			return "is one label too many";
		for (size_t j = 0; j < i; j++)
			if (strncmp(values[i], values[j], len) == 0)
				return "has the key of another label";
	}
	return NULL;
}

static const char *labels_set(const struct config_option *o, char *const *values, size_t n, void *field, size_t *bad)
{
	const char *why = labels_check(values, n, bad);
	struct config_instance *instance = field;

	(void)o;
	if (why)
		return why;
	instance->labels = xcalloc(n + 1, sizeof(*instance->labels));
	instance->n_labels = n;
	for (size_t i = 0; i < n; i++) {
		const char *equals = strchr(values[i], '=');

		instance->labels[i].key = xstrndup(values[i], (size_t)(equals - values[i]));
		instance->labels[i].value = xstrdup(equals + 1);
	}
	return NULL;
}

static void labels_clear(void *field)
{
	struct config_instance *instance = field;

	for (size_t i = 0; i < instance->n_labels; i++) {
		free(instance->labels[i].key);
		free(instance->labels[i].value);
	}
	free(instance->labels);
	instance->labels = NULL;
	instance->n_labels = 0;
}

static void labels_print(const void *field, FILE *f)
{
	const struct config_instance *instance = field;

	fputs("{", f);
	for (size_t i = 0; i < instance->n_labels; i++)
		fprintf(f, "%s\"%s=%s\"", i ? ", " : " ", instance->labels[i].key, instance->labels[i].value);
	fputs(" }", f);
}

const struct config_type config_type_text = {
	.set = text_set, .clear = text_clear, .print = text_print, .is_set = text_is_set,
};
const struct config_type config_type_url = {
	.set = url_set, .clear = text_clear, .print = text_print, .is_set = text_is_set,
};
const struct config_type config_type_region = { .set = region_set, .clear = text_clear };
const struct config_type config_type_int = { .set = int_set, .clear = no_clear, .print = int_print };
const struct config_type config_type_span = { .set = span_set, .clear = no_clear, .print = span_print };
const struct config_type config_type_span_or_never = {
	.set = span_or_never_set, .clear = no_clear, .print = span_or_never_print,
};
const struct config_type config_type_bool = { .set = bool_set, .clear = no_clear, .print = bool_print };
const struct config_type config_type_level = { .set = level_set, .clear = no_clear, .print = level_print };
const struct config_type config_type_map_to = { .set = map_to_set, .clear = no_clear, .print = map_to_print };
const struct config_type config_type_on_remove = { .set = on_remove_set, .clear = no_clear, .print = on_remove_print };
const struct config_type config_type_create = { .set = create_set, .clear = no_clear, .print = create_print };
const struct config_type config_type_format = { .set = format_set, .clear = no_clear, .print = format_print };
const struct config_type config_type_limit = { .set = limit_set, .clear = no_clear, .print = limit_print };
const struct config_type config_type_globs = {
	.list = true, .set = globs_set, .clear = globs_clear, .print = globs_print,
};
const struct config_type config_type_labels = {
	.list = true, .set = labels_set, .clear = labels_clear, .print = labels_print,
};
