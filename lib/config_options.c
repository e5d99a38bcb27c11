/*
 * The option table: every key with its kind, default and range. Parsing, the merge, --check and --options read
 * nothing else, and a lint test holds the manual page and the sample files against it.
 */
#include "config_internal.h"

#include <assert.h>
#include <string.h>

#include "config.h"

#define POLL_INTERVAL_MAX (INT64_C(365) * 86400)

#define KONNECT(field) offsetof(struct config, konnect.field)
#define DAEMON(field) offsetof(struct config, field)
#define INSTANCE(field) offsetof(struct config_instance, field)
#define MAP(field) offsetof(struct config_map, field)

#define ALLOWED_FILE "a path, relative ones start beside the configuration"
#define ALLOWED_SECRET "a path, relative ones are looked up in $CREDENTIALS_DIRECTORY, then beside the configuration"
#define ALLOWED_URL "https://HOST[:PORT][/PATH], http:// only to 127.0.0.0/8, [::1] and localhost"
#define ALLOWED_PROXY "http://HOST:PORT, https://HOST:PORT, socks5h://HOST:PORT, or empty for none"
#define ALLOWED_SPAN "a span such as 30s, 15min or 1h 30min, from 1s to 365d"
#define ALLOWED_DATE "a date YYYY-MM-DD"
#define ALLOWED_GLOBS "a list of patterns PROJECT or PROJECT/REPOSITORY with * and ?"

/* Rows are applied in this order: of two that set one field the later wins. */
const struct config_option config_options[] = {
	{ .section = SECTION_KONNECT, .key = "region", .type = &config_type_region, .offset = KONNECT(url),
	  .def = "us", .allowed = "us, eu, au, me, in, sg" },
	{ .section = SECTION_KONNECT, .key = "url", .type = &config_type_url, .offset = KONNECT(url),
	  .check = config_check_url, .computed = true,
	  .def = "https://{region}.api.konghq.com", .allowed = ALLOWED_URL },
	{ .section = SECTION_KONNECT, .key = "token_file", .type = &config_type_text, .offset = KONNECT(token_file),
	  .check = config_check_path, .def = "konnect-token", .allowed = ALLOWED_SECRET },
	{ .section = SECTION_KONNECT, .key = "token_expires", .type = &config_type_text,
	  .offset = KONNECT(token_expires), .check = config_check_date, .allowed = ALLOWED_DATE },
	{ .section = SECTION_KONNECT, .key = "rate_per_minute", .type = &config_type_int,
	  .offset = KONNECT(rate_per_minute), .min = 1, .max = 10000000,
	  .def = "1000", .allowed = "1 to 10000000" },
	{ .section = SECTION_KONNECT, .key = "max_in_flight", .type = &config_type_int,
	  .offset = KONNECT(max_in_flight), .min = 1, .max = 100, .def = "8", .allowed = "1 to 100" },
	{ .section = SECTION_KONNECT, .key = "reconcile_interval", .type = &config_type_span,
	  .offset = KONNECT(reconcile_interval), .min = 1, .max = POLL_INTERVAL_MAX,
	  .def = "6h", .allowed = ALLOWED_SPAN },
	{ .section = SECTION_KONNECT, .key = "create_limit", .type = &config_type_int,
	  .offset = KONNECT(create_limit), .min = 0, .max = 10000000,
	  .def = "500", .allowed = "0 to 10000000, 0 = none" },
	{ .section = SECTION_KONNECT, .key = "resource_type", .type = &config_type_text,
	  .offset = KONNECT(resource_type), .check = config_check_resource_type,
	  .allowed = "1 to 120 characters" },
	{ .section = SECTION_KONNECT, .key = "proxy", .type = &config_type_text, .offset = KONNECT(proxy),
	  .check = config_check_proxy, .allowed = ALLOWED_PROXY },
	{ .section = SECTION_KONNECT, .key = "ca_file", .type = &config_type_text, .offset = KONNECT(ca_file),
	  .check = config_check_path, .allowed = ALLOWED_FILE },

	{ .section = SECTION_DAEMON, .key = "state_directory", .type = &config_type_text,
	  .offset = DAEMON(state_directory), .check = config_check_directory, .computed = true, .restart = true,
	  .def = "$STATE_DIRECTORY, else /var/lib/adosyncd", .allowed = "an absolute path" },
	{ .section = SECTION_DAEMON, .key = "control_socket", .type = &config_type_text,
	  .offset = DAEMON(control_socket), .check = config_check_socket, .computed = true, .restart = true,
	  .def = "$RUNTIME_DIRECTORY/control.sock, else /run/adosyncd/control.sock",
	  .allowed = "an absolute path of at most 107 bytes" },
	{ .section = SECTION_DAEMON, .key = "listen", .type = &config_type_text, .offset = DAEMON(listen),
	  .check = config_check_listen, .restart = true, .def = "127.0.0.1:9878",
	  .allowed = "ADDRESS:PORT with a number as address, [ADDRESS]:PORT for IPv6, :PORT for all addresses, or \"\" for none" },
	{ .section = SECTION_DAEMON, .key = "log_level", .type = &config_type_level, .offset = DAEMON(log_level),
	  .def = "info", .allowed = "debug, info, notice, warning, err" },
	{ .section = SECTION_DAEMON, .key = "log_format", .type = &config_type_format, .offset = DAEMON(log_format),
	  .def = "auto", .allowed = "auto, journal, text, json" },

	{ .section = SECTION_INSTANCE, .key = "organization", .type = &config_type_text,
	  .offset = INSTANCE(organization), .check = config_check_organization,
	  .allowed = "the name exactly as in Azure DevOps, 1 to 256 bytes without /" },
	{ .section = SECTION_INSTANCE, .key = "url", .type = &config_type_url, .offset = INSTANCE(url),
	  .check = config_check_url, .computed = true,
	  .def = "https://dev.azure.com/{organization}", .allowed = ALLOWED_URL },
	{ .section = SECTION_INSTANCE, .key = "pat_file", .type = &config_type_text, .offset = INSTANCE(pat_file),
	  .check = config_check_path, .computed = true, .def = "NAME.pat", .allowed = ALLOWED_SECRET },
	{ .section = SECTION_INSTANCE, .key = "pat_expires", .type = &config_type_text,
	  .offset = INSTANCE(pat_expires), .check = config_check_date, .allowed = ALLOWED_DATE },
	{ .section = SECTION_INSTANCE, .key = "display_name", .type = &config_type_text,
	  .offset = INSTANCE(display_name), .check = config_check_display_name,
	  .allowed = "1 to 120 characters" },
	{ .section = SECTION_INSTANCE, .key = "description", .type = &config_type_text,
	  .offset = INSTANCE(description), .check = config_check_description, .multiline = true,
	  .allowed = "up to 2048 characters" },
	{ .section = SECTION_DEFAULTS, .key = "poll_interval", .type = &config_type_span,
	  .offset = INSTANCE(poll_interval), .min = 1, .max = POLL_INTERVAL_MAX,
	  .def = "15min", .allowed = ALLOWED_SPAN },
	{ .section = SECTION_DEFAULTS, .key = "api_version", .type = &config_type_text,
	  .offset = INSTANCE(api_version), .check = config_check_api_version,
	  .def = "7.1", .allowed = "N.N, N.N-preview or N.N-preview.N" },
	{ .section = SECTION_DEFAULTS, .key = "include", .type = &config_type_globs, .offset = INSTANCE(include),
	  .allowed = ALLOWED_GLOBS },
	{ .section = SECTION_DEFAULTS, .key = "exclude", .type = &config_type_globs, .offset = INSTANCE(exclude),
	  .allowed = ALLOWED_GLOBS },
	{ .section = SECTION_DEFAULTS, .key = "include_disabled", .type = &config_type_bool,
	  .offset = INSTANCE(include_disabled), .def = "yes", .allowed = "yes, no, true, false, on, off" },
	{ .section = SECTION_DEFAULTS, .key = "map_to", .type = &config_type_map_to, .offset = INSTANCE(map_to),
	  .def = "repository", .allowed = "repository, project, none" },
	{ .section = SECTION_DEFAULTS, .key = "create", .type = &config_type_create, .offset = INSTANCE(create),
	  .def = "unmapped", .allowed = "unmapped, always, never" },
	{ .section = SECTION_DEFAULTS, .key = "on_remove", .type = &config_type_on_remove, .offset = INSTANCE(on_remove),
	  .def = "mark", .allowed = "mark, archive, delete" },
	{ .section = SECTION_DEFAULTS, .key = "remove_unexplained", .type = &config_type_span_or_never,
	  .offset = INSTANCE(remove_unexplained), .min = 3600, .max = POLL_INTERVAL_MAX,
	  .def = "never", .allowed = "never, or a span from 1h to 365d" },
	{ .section = SECTION_DEFAULTS, .key = "removal_limit", .type = &config_type_limit,
	  .offset = INSTANCE(removal_limit),
	  .def = "20%", .allowed = "0% to 100% of the known repositories, or 0 to 2000000 of them" },
	{ .section = SECTION_DEFAULTS, .key = "share_pat", .type = &config_type_bool, .offset = INSTANCE(share_pat),
	  .def = "no", .allowed = "yes, no, true, false, on, off; yes only with dev.azure.com" },
	{ .section = SECTION_DEFAULTS, .key = "labels", .type = &config_type_labels, .offset = 0,
	  .allowed = "up to 39 of KEY=VALUE, each 1 to 63 of a-z A-Z 0-9 . _ -, beginning and ending with a letter or "
		     "digit; no key twice, of ours, or beginning with kong, konnect, mesh, kic or _" },
	{ .section = SECTION_DEFAULTS, .key = "proxy", .type = &config_type_text, .offset = INSTANCE(proxy),
	  .check = config_check_proxy, .allowed = ALLOWED_PROXY },
	{ .section = SECTION_DEFAULTS, .key = "ca_file", .type = &config_type_text, .offset = INSTANCE(ca_file),
	  .check = config_check_path, .allowed = ALLOWED_FILE },

	{ .section = SECTION_MAP, .key = "repositories", .type = &config_type_globs, .offset = MAP(repositories),
	  .allowed = ALLOWED_GLOBS },
};

const size_t config_n_options = ELEMENTSOF(config_options);
static_assert(ELEMENTSOF(config_options) <= CONFIG_OPTIONS_MAX, "CONFIG_OPTIONS_MAX is too small");

const char *config_section_name(enum config_section_kind kind)
{
	static const char *const names[] = {
		[SECTION_KONNECT] = "konnect",
		[SECTION_DAEMON] = "daemon",
		[SECTION_DEFAULTS] = "defaults",
		[SECTION_INSTANCE] = "instance",
		[SECTION_MAP] = "map",
		[SECTION_KINDS] = "",
	};

	return names[kind];
}

bool config_option_in(const struct config_option *o, enum config_section_kind kind)
{
	return o->section == kind || (o->section == SECTION_DEFAULTS && kind == SECTION_INSTANCE);
}

size_t config_option_find(enum config_section_kind kind, const char *key, size_t len)
{
	for (size_t i = 0; i < config_n_options; i++)
		if (config_option_in(&config_options[i], kind) && strlen(config_options[i].key) == len &&
		    memcmp(config_options[i].key, key, len) == 0)
			return i;
	return SIZE_MAX;
}

void config_option_default(const struct config_option *o, void *base)
{
	void *field = (char *)base + o->offset;
	char *value;
	size_t bad;

	if (o->computed || (!o->def && !o->type->list))
		return;
	value = o->def ? xstrdup(o->def) : NULL;
	if (o->type->set(o, &value, value ? 1 : 0, field, &bad))
		abort();
	free(value);
}

void config_print_section(enum config_section_kind kind, const void *base, const char *indent, FILE *f)
{
	for (size_t i = 0; i < config_n_options; i++) {
		const struct config_option *o = &config_options[i];
		const void *field = (const char *)base + o->offset;

		if (!config_option_in(o, kind) || !o->type->print || (o->type->is_set && !o->type->is_set(field)))
			continue;
		fprintf(f, "%s%s = ", indent, o->key);
		o->type->print(field, f);
		fputc('\n', f);
	}
}

void config_clear_section(enum config_section_kind kind, void *base)
{
	for (size_t i = 0; i < config_n_options; i++)
		if (config_option_in(&config_options[i], kind))
			config_options[i].type->clear((char *)base + config_options[i].offset);
}

void config_print_options(FILE *f)
{
	for (int kind = SECTION_KONNECT; kind < SECTION_KINDS; kind++) {
		for (size_t i = 0; i < config_n_options; i++) {
			const struct config_option *o = &config_options[i];

			if (config_option_in(o, (enum config_section_kind)kind))
				fprintf(f, "%s\t%s\t%s\t%s\t%s\n",
					config_section_name((enum config_section_kind)kind), o->key,
					o->def ? o->def : "-", o->allowed, o->restart ? "restart" : "reload");
		}
	}
}
