/* The configuration: every key, every refusal with its message, duplicates, merging, the environment. */
#include "../../lib/config.h"

#include <errno.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "../../lib/limits.h"
#include "../../lib/util.h"
#include "config_refused.h"

static const char defaults_printed[] =
	"konnect {\n"
	"\turl = \"https://us.api.konghq.com\"\n"
	"\ttoken_file = \"konnect-token\"\n"
	"\trate_per_minute = \"1000\"\n"
	"\tmax_in_flight = \"8\"\n"
	"\treconcile_interval = \"6h\"\n"
	"\tcreate_limit = \"500\"\n"
	"}\n\n"
	"daemon {\n"
	"\tstate_directory = \"/var/lib/adosyncd\"\n"
	"\tcontrol_socket = \"/run/adosyncd/control.sock\"\n"
	"\tlisten = \"127.0.0.1:9878\"\n"
	"\tlog_level = \"info\"\n"
	"\tlog_format = \"auto\"\n"
	"}\n\n"
	"instance \"a\" {\n"
	"\torganization = \"o\"\n"
	"\turl = \"https://dev.azure.com/o\"\n"
	"\tpat_file = \"a.pat\"\n"
	"\tpoll_interval = \"15min\"\n"
	"\tapi_version = \"7.1\"\n"
	"\tinclude = { }\n"
	"\texclude = { }\n"
	"\tinclude_disabled = \"yes\"\n"
	"\tmap_to = \"repository\"\n"
	"\tcreate = \"unmapped\"\n"
	"\ton_remove = \"mark\"\n"
	"\tremove_unexplained = \"never\"\n"
	"\tremoval_limit = \"20%\"\n"
	"\tshare_pat = \"no\"\n"
	"\tlabels = { }\n"
	"}\n";

static const char everything[] =
	"\xef\xbb\xbf# every key, every way to write one\r\n"
	"konnect { // comment\n"
	"\tregion = \"eu\" url = 'https://Konnect.example:8443/base//'\n"
	"\ttoken_file = \"/run/secrets/konnect token\" token_expires = \"2027-06-30\"\n"
	"\trate_per_minute = 10000000 max_in_flight = \"100\" reconcile_interval = 1day create_limit = 0\n"
	"\tresource_type = \"azure-devops-repository\"\n"
	"\tproxy = \"socks5h://[2001:db8::1]:1080\" ca_file = \"ca.pem\"\n"
	"}\n"
	"/* a comment\n over lines */\n"
	"daemon { state_directory = \"/srv/x\" control_socket = \"/srv/s\" listen = \"[::1]:80\" log_level = warning log_format = json }\n"
	"instance \"b.2\" {\n"
	"\torganization = \"Contoso \xc3\x9c#1\"\n"
	"\tpat_file = \"pat\" pat_expires = 2028-02-29 display_name = \"Contoso \\\"\xc3\x9c\\\" \\${x} \\\\\"\n"
	"\tdescription = \"one\\n\\\n\ttwo\"\n"
	"\tpoll_interval = \"1h 30min\" api_version = 7.1-preview.1\n"
	"\tinclude = {\n\t\t\"Payments/*\", # with a comment\n\t\t\"Web\", }\n"
	"\texclude = \"*/old-?\"\n"
	"\tinclude_disabled = OFF map_to = project create = always on_remove = archive remove_unexplained = 30d removal_limit = 7 share_pat = on\n"
	"\tlabels = { \"team=platform\", \"Cost.Center_1=A-1\" }\n"
	"\tproxy = \"\" ca_file = \"/etc/ca.pem\"\n"
	"\tmap \"user-service\" { repositories = { \"Payments/user-*\", Web } }\n"
	"\tmap other.svc {\n\t\trepositories = \"*/x\"\n\t}\n"
	"}\n"
	"instance a1 { organization = \"o\" url = \"http://localhost:8080/tfs/Default%20Collection/\" }\n";

static const char everything_printed[] =
	"konnect {\n"
	"\turl = \"https://Konnect.example:8443/base\"\n"
	"\ttoken_file = \"/run/secrets/konnect token\"\n"
	"\ttoken_expires = \"2027-06-30\"\n"
	"\trate_per_minute = \"10000000\"\n"
	"\tmax_in_flight = \"100\"\n"
	"\treconcile_interval = \"1d\"\n"
	"\tcreate_limit = \"0\"\n"
	"\tresource_type = \"azure-devops-repository\"\n"
	"\tproxy = \"socks5h://[2001:db8::1]:1080\"\n"
	"\tca_file = \"ca.pem\"\n"
	"}\n\n"
	"daemon {\n"
	"\tstate_directory = \"/srv/x\"\n"
	"\tcontrol_socket = \"/srv/s\"\n"
	"\tlisten = \"[::1]:80\"\n"
	"\tlog_level = \"warning\"\n"
	"\tlog_format = \"json\"\n"
	"}\n\n"
	"instance \"a1\" {\n"
	"\torganization = \"o\"\n"
	"\turl = \"http://localhost:8080/tfs/Default%20Collection\"\n"
	"\tpat_file = \"a1.pat\"\n"
	"\tpoll_interval = \"15min\"\n"
	"\tapi_version = \"7.1\"\n"
	"\tinclude = { }\n"
	"\texclude = { }\n"
	"\tinclude_disabled = \"yes\"\n"
	"\tmap_to = \"repository\"\n"
	"\tcreate = \"unmapped\"\n"
	"\ton_remove = \"mark\"\n"
	"\tremove_unexplained = \"never\"\n"
	"\tremoval_limit = \"20%\"\n"
	"\tshare_pat = \"no\"\n"
	"\tlabels = { }\n"
	"}\n\n"
	"instance \"b.2\" {\n"
	"\torganization = \"Contoso \xc3\x9c#1\"\n"
	"\turl = \"https://dev.azure.com/Contoso%20%C3%9C%231\"\n"
	"\tpat_file = \"pat\"\n"
	"\tpat_expires = \"2028-02-29\"\n"
	"\tdisplay_name = \"Contoso \\\"\xc3\x9c\\\" \\${x} \\\\\"\n"
	"\tdescription = \"one\\n\\ttwo\"\n"
	"\tpoll_interval = \"1h 30min\"\n"
	"\tapi_version = \"7.1-preview.1\"\n"
	"\tinclude = { \"Payments/*\", \"Web\" }\n"
	"\texclude = { \"*/old-?\" }\n"
	"\tinclude_disabled = \"no\"\n"
	"\tmap_to = \"project\"\n"
	"\tcreate = \"always\"\n"
	"\ton_remove = \"archive\"\n"
	"\tremove_unexplained = \"30d\"\n"
	"\tremoval_limit = \"7\"\n"
	"\tshare_pat = \"yes\"\n"
	"\tlabels = { \"team=platform\", \"Cost.Center_1=A-1\" }\n"
	"\tproxy = \"\"\n"
	"\tca_file = \"/etc/ca.pem\"\n"
	"\tmap \"user-service\" {\n"
	"\t\trepositories = { \"Payments/user-*\", \"Web\" }\n"
	"\t}\n"
	"\tmap \"other.svc\" {\n"
	"\t\trepositories = { \"*/x\" }\n"
	"\t}\n"
	"}\n";

static char *show(const struct config *c)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	config_print(c, f);
	(void)fclose(f);
	return text;
}

static struct config *load_ok(const char *text)
{
	struct config *c = NULL;
	char *error = NULL;
	int r = config_load_buffer("f", text, strlen(text), &c, &error);

	T_EQ_INT(r, 0);
	T_EQ_STR(error, NULL);
	free(error);
	return c;
}

static void check_printed(const char *text, const char *want)
{
	struct config *c = load_ok(text), *again;
	char *first = show(c), *second;

	T_EQ_STR(first, want);
	again = load_ok(first);
	second = show(again);
	T_EQ_STR(second, want);
	free(first);
	free(second);
	config_free(c);
	config_free(again);
}

static void test_fields(void)
{
	struct config *c = load_ok(everything);
	const struct config_instance *i = config_find(c, "b.2");

	T_EQ_STR(c->directory, ".");
	T_EQ_INT(c->log_level, LOG_WARNING);
	T_EQ_INT(c->log_format, LOG_FORMAT_JSON);
	T_EQ_INT(c->n_instances, 2);
	T_OK(i == &c->instances[1]);
	T_EQ_INT(i->poll_interval, 5400);
	T_OK(!i->include_disabled && !i->removal_limit.percent && i->removal_limit.value == 7);
	T_OK(i->on_remove == ON_REMOVE_ARCHIVE && i->remove_unexplained == 30 * 86400);
	T_EQ_STR(i->description, "one\n\ttwo");
	T_EQ_STR(i->display_name, "Contoso \"\xc3\x9c\" ${x} \\");
	T_EQ_STR(i->include[1], "Web");
	T_NULL(i->include[2]);
	T_EQ_INT(i->n_labels, 2);
	T_EQ_STR(i->labels[1].key, "Cost.Center_1");
	T_EQ_STR(i->labels[1].value, "A-1");
	T_EQ_STR(i->proxy, "");
	i = config_find(c, "a1");
	T_OK(i == &c->instances[0]);
	T_OK(i->include && !i->include[0] && i->exclude && !i->exclude[0]);
	T_NULL(i->display_name);
	T_NULL(i->description);
	T_NULL(i->proxy);
	T_OK(i->include_disabled && i->removal_limit.percent && i->removal_limit.value == 20);
	T_OK(i->on_remove == ON_REMOVE_MARK && i->remove_unexplained == 0);
	T_NULL(config_find(c, "a"));
	T_NULL(config_find(c, "zz"));
	config_free(c);
	T_NULL(config_free(NULL));
}

static void test_words(void)
{
	static const char *const regions[] = { "us", "eu", "au", "me", "in", "sg" };
	static const struct {
		const char *word;
		bool value;
	} bools[] = { { "yes", true }, { "true", true }, { "on", true }, { "no", false }, { "False", false },
		      { "OFF", false } };
	static const struct {
		const char *word;
		int level;
	} levels[] = { { "debug", LOG_DEBUG }, { "info", LOG_INFO }, { "notice", LOG_NOTICE },
		       { "warning", LOG_WARNING }, { "err", LOG_ERR } };
	static const char *const formats[] = { "auto", "journal", "text", "json" };

	for (size_t i = 0; i < ELEMENTSOF(regions); i++) {
		_cleanup_free_ char *text = xasprintf("konnect { region = %s }" I(""), regions[i]);
		_cleanup_free_ char *want = xasprintf("https://%s.api.konghq.com", regions[i]);
		struct config *c = load_ok(text);

		T_EQ_STR(c->konnect.url, want);
		config_free(c);
	}
	for (size_t i = 0; i < ELEMENTSOF(bools); i++) {
		_cleanup_free_ char *text = xasprintf(I("include_disabled = %s"), bools[i].word);
		struct config *c = load_ok(text);

		T_EQ_INT(c->instances[0].include_disabled, bools[i].value);
		config_free(c);
	}
	for (size_t i = 0; i < ELEMENTSOF(levels); i++) {
		_cleanup_free_ char *text = xasprintf("daemon { log_level = %s }" I(""), levels[i].word);
		struct config *c = load_ok(text);

		T_EQ_INT(c->log_level, levels[i].level);
		config_free(c);
	}
	for (size_t i = 0; i < ELEMENTSOF(formats); i++) {
		_cleanup_free_ char *text = xasprintf("daemon { log_format = %s }" I(""), formats[i]);
		struct config *c = load_ok(text);

		T_EQ_INT(c->log_format, i);
		config_free(c);
	}
}

static void test_urls(void)
{
	static const char *const good[] = {
		"https://dev.azure.com/o", "https://server:8443/tfs/Collection", "https://[2001:db8::1]:8443",
		"HTTPS://x", "http://127.0.0.1:1234", "http://127.255.0.1", "http://[::1]:80", "http://LocalHost:65535",
	};

	for (size_t i = 0; i < ELEMENTSOF(good); i++) {
		_cleanup_free_ char *text = xasprintf(I("url = \"%s/\""), good[i]);
		struct config *c = load_ok(text);

		T_EQ_STR(c->instances[0].url, good[i]);
		config_free(c);
	}
}

/* Each limit at its last good value and one beyond. */
static void test_lengths(void)
{
	static const struct {
		const char *key, *unit;
		size_t max;
	} rows[] = {
		{ "organization", "x", 256 },
		{ "display_name", "\xc3\xbc", 120 },
		{ "description", "\xe2\x82\xac", 2048 },
		{ "labels", "x", 63 },
		{ "include", "x", 2 * NAME_MAX_BYTES + 1 },
		{ "ca_file", "x", 4095 },
	};

	for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
		for (size_t extra = 0; extra <= 1; extra++) {
			struct config *c = NULL;
			char *error = NULL, *text = NULL;
			size_t n;
			FILE *f = open_memstream(&text, &n);
			int r;

			fprintf(f, "instance a { %s %s = \"%s", i == 0 ? "" : "organization = o", rows[i].key,
				strcmp(rows[i].key, "labels") == 0 ? "k=" : "");
			for (size_t j = 0; j < rows[i].max + extra; j++)
				fputs(rows[i].unit, f);
			fputs("\" }", f);
			(void)fclose(f);
			r = config_load_buffer("f", text, n, &c, &error);
			T_EQ_INT_MSG(r, extra ? -EINVAL : 0, rows[i].key);
			T_OK(!extra == !error);
			free(text);
			free(error);
			config_free(c);
		}
	}
}

static void test_label_count(void)
{
	for (int count = 39; count <= 40; count++) {
		struct config *c = NULL;
		char *error = NULL, *text = NULL;
		size_t n;
		FILE *f = open_memstream(&text, &n);

		fputs("instance a { organization = o labels = {", f);
		for (int i = 0; i < count; i++)
			fprintf(f, "%s\"k%d=v\"", i ? "," : "", i);
		fputs("} }", f);
		(void)fclose(f);
		T_EQ_INT(config_load_buffer("f", text, n, &c, &error), count == 39 ? 0 : -EINVAL);
		T_EQ_STR(error, count == 39 ? NULL : "f:1: labels: \"k39=v\" is one label too many; " LABEL_ALLOWED);
		free(text);
		free(error);
		config_free(c);
	}
}

static void test_environment(void)
{
	struct config *c;

	(void)setenv("T_ORG", "contoso", 1);
	(void)setenv("STATE_DIRECTORY", "/run/state:/run/other", 1);
	c = load_ok("instance \"x-${T_ORG}\" { organization = \"${T_ORG}\" display_name = \"${T_NONE:-not set} ${T_ORG}\" "
		    "pat_file = '${T_ORG}' description = \"\\${T_ORG}\" }");
	T_EQ_STR(c->state_directory, "/run/state");
	T_EQ_STR(c->instances[0].name, "x-contoso");
	T_EQ_STR(c->instances[0].organization, "contoso");
	T_EQ_STR(c->instances[0].display_name, "not set contoso");
	T_EQ_STR(c->instances[0].pat_file, "${T_ORG}");
	T_EQ_STR(c->instances[0].description, "${T_ORG}");
	config_free(c);
	refused("instance a { organization = \"${T_NONE}\" }", 41,
		"f:1: organization: \"\" is empty; allowed: the name exactly as in Azure DevOps, 1 to 256 bytes without /");
	c = load_ok(D("state_directory = \"/configured\""));
	T_EQ_STR(c->state_directory, "/configured");
	config_free(c);
	(void)setenv("STATE_DIRECTORY", "relative", 1);
	refused(I(""), strlen(I("")),
		"environment: STATE_DIRECTORY: \"relative\" is not an absolute path; allowed: an absolute path");
	(void)unsetenv("STATE_DIRECTORY");
	(void)setenv("RUNTIME_DIRECTORY", "/run/here", 1);
	c = load_ok(I(""));
	T_EQ_STR(c->control_socket, "/run/here/control.sock");
	config_free(c);
	(void)unsetenv("RUNTIME_DIRECTORY");
}

static void test_merge(void)
{
	static const char text[] =
		"instance \"b\" { organization = \"o\" }\n"
		"instance \"a\" { organization = \"o\" poll_interval = 5s include = { } labels = { \"x=2\" } proxy = \"\" }\n"
		"defaults { poll_interval = 1h include = { \"p\" } exclude = \"q\" labels = { \"x=1\", \"y=1\" }\n"
		" removal_limit = 3 remove_unexplained = 1h on_remove = delete include_disabled = no api_version = 6.0 proxy = \"http://p:1\" ca_file = c }\n";
	struct config *c = load_ok(text);
	const struct config_instance *a = config_find(c, "a"), *b = config_find(c, "b");

	T_EQ_INT(a->poll_interval, 5);
	T_NULL(a->include[0]);
	T_EQ_STR(a->exclude[0], "q");
	T_EQ_INT(a->n_labels, 1);
	T_EQ_STR(a->labels[0].value, "2");
	T_EQ_STR(a->proxy, "");
	T_EQ_INT(b->poll_interval, 3600);
	T_EQ_STR(b->include[0], "p");
	T_EQ_INT(b->n_labels, 2);
	T_EQ_INT(b->removal_limit.value, 3);
	T_OK(b->remove_unexplained == 3600 && b->on_remove == ON_REMOVE_DELETE);
	T_OK(!b->include_disabled);
	T_EQ_STR(b->api_version, "6.0");
	T_EQ_STR(b->proxy, "http://p:1");
	T_EQ_STR(b->ca_file, "c");
	config_free(c);
}

static void test_many_errors(void)
{
	struct config *c = NULL;
	char *error = NULL, *text = NULL, *last;
	size_t n, lines = 1;
	FILE *f = open_memstream(&text, &n);

	for (int i = 0; i < 1000; i++)
		fputs("x = y\n", f);
	(void)fclose(f);
	T_EQ_INT(config_load_buffer("f", text, n, &c, &error), -EINVAL);
	for (const char *p = error; *p; p++)
		lines += *p == '\n';
	T_EQ_INT(lines, 101);
	last = strrchr(error, '\n');
	T_EQ_STR(last, "\nthere are more errors than the 100 above");
	free(text);
	free(error);
}

static void test_many_instances(void)
{
	struct config *c = NULL;
	char *error = NULL, *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	for (int i = 0; i <= INSTANCES_MAX; i++)
		fprintf(f, "instance \"a%d\" { organization = \"o\" }\n", i);
	(void)fclose(f);
	T_EQ_INT(config_load_buffer("f", text, n, &c, &error), -EINVAL);
	T_OK_MSG(strstr(error, "f:10001: instance") == error && strstr(error, "is one too many; allowed: 10000 instances") != NULL, error);
	free(error);
	error = NULL;
	*strstr(text, "instance \"a10000\"") = '#';
	T_EQ_INT(config_load_buffer("f", text, n, &c, &error), 0);
	T_NULL(error);
	T_EQ_INT(c != NULL ? c->n_instances : 0, INSTANCES_MAX);
	config_free(c);
	free(text);
}

/* Files. */

static char dir[] = "/tmp/test_config.XXXXXX";

static void put(const char *name, const char *text)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, name);
	FILE *f = fopen(path, "w");

	if (!f || fputs(text, f) < 0 || fclose(f) != 0)
		abort();
}

/* Loads the main file, where "@" in want stands for the directory. */
static struct config *load_dir(int want_r, const char *want)
{
	_cleanup_free_ char *path = xasprintf("%s/main.conf", dir), *expanded = xstrdup("");
	struct config *c = NULL;
	char *error = NULL;

	T_EQ_INT(config_load(path, &c, &error), want_r);
	for (const char *p = want; p && *p; p++) {
		char *longer = *p == '@' ? xasprintf("%s%s", expanded, dir) : xasprintf("%s%c", expanded, *p);

		free(expanded);
		expanded = longer;
	}
	T_EQ_STR(error, want ? expanded : NULL);
	free(error);
	return c;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void refuse_dir(int r, const char *want)
{
	config_free(load_dir(r, want));
}

static void test_bad_files(const char *sub)
{
	_cleanup_free_ char *path = xasprintf("%s/z.conf", sub), *huge = NULL;

	put("instances.d/z.conf", "instance \"a\" { organization = \"z\" }\n");
	refuse_dir(-EINVAL, "@/instances.d/z.conf:1: instance \"a\": given twice (first at @/instances.d/10-a.conf:2); "
			    "allowed: one section of a name");
	put("instances.d/z.conf", "\nkonnect { }");
	refuse_dir(-EINVAL, "@/instances.d/z.conf:2: konnect: given twice (first at @/main.conf:1); allowed: once over all "
			    "files");
	put("instances.d/z.conf", "instance \"z\" { organization = \"z\" poll_interval = 0 }");
	refuse_dir(-EINVAL, "@/instances.d/z.conf:1: poll_interval: \"0\" is out of range; " SPAN_ALLOWED);
	huge = xcalloc(CONFIG_FILE_MAX + 2, 1);
	memset(huge, '\n', CONFIG_FILE_MAX + 1);
	put("instances.d/z.conf", huge);
	refuse_dir(-EINVAL, "@/instances.d/z.conf: is too large; allowed: 4194304 bytes");
	(void)unlink(path);
	if (symlink("/nonexistent", path) < 0)
		abort();
	refuse_dir(-ENOENT, "@/instances.d/z.conf: cannot be opened: No such file or directory");
	(void)unlink(path);
	if (mkdir(path, 0700) < 0)
		abort();
	refuse_dir(-EINVAL, "@/instances.d/z.conf: is not a regular file");
	(void)rmdir(path);
	if (mkfifo(path, 0600) < 0)
		abort();
	refuse_dir(-EINVAL, "@/instances.d/z.conf: is not a regular file");
	(void)unlink(path);
}

static void test_files(void)
{
	_cleanup_free_ char *sub = NULL;
	struct config *c;

	if (!mkdtemp(dir))
		abort();
	sub = xasprintf("%s/instances.d", dir);
	refuse_dir(-ENOENT, "@/main.conf: cannot be opened: No such file or directory");
	put("main.conf", "konnect { region = eu }\n");
	refuse_dir(-EINVAL, "@/main.conf: instance: there is none; allowed: at least one, here or in "
			    "@/instances.d/NAME.conf");
	if (mkdir(sub, 0700) < 0)
		abort();
	put("instances.d/20-b.conf", "instance \"b\" { organization = \"b\" }\n");
	put("instances.d/10-a.conf", "\ninstance \"a\" { organization = \"a\" }\n");
	put("instances.d/B.conf", "defaults { poll_interval = 7s }\n");
	put("instances.d/.hidden.conf", "nonsense");
	put("instances.d/c.conf.example", "nonsense");
	put("instances.d/.conf", "nonsense");
	c = load_dir(0, NULL);
	T_EQ_STR(c->directory, dir);
	T_EQ_STR(c->konnect.url, "https://eu.api.konghq.com");
	T_EQ_INT(c->n_instances, 2);
	T_EQ_STR(c->instances[0].name, "a");
	T_EQ_INT(c->instances[1].poll_interval, 7);
	config_free(c);

	put("main.conf", "konnect { }\ninstance \"0\" { organization = \"0\" }\n");
	c = load_dir(0, NULL);
	T_EQ_INT(c->n_instances, 3);
	config_free(c);
	test_bad_files(sub);
	(void)nftw(dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static void test_options(void)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	config_print_options(f);
	(void)fclose(f);
	T_OK(strncmp(text, "konnect\tregion\tus\tus, eu, au, me, in, sg\treload\n", 46) == 0);
	T_OK(strstr(text, "\ndaemon\tstate_directory\t$STATE_DIRECTORY, else /var/lib/adosyncd\tan absolute path\trestart\n"));
	T_OK(strstr(text, "\ndefaults\tremoval_limit\t20%\t"));
	T_OK(strstr(text, "\ninstance\tremoval_limit\t20%\t"));
	T_OK(strstr(text, "\ninstance\tremove_unexplained\tnever\tnever, or a span from 1h to 365d\treload\n"));
	T_OK(strstr(text, "\ninstance\torganization\t-\t"));
	T_NULL(strstr(text, "\ndefaults\torganization"));
	free(text);
}

int main(void)
{
	(void)unsetenv("STATE_DIRECTORY");
	(void)unsetenv("T_NONE");
	check_printed(I(""), defaults_printed);
	check_printed(everything, everything_printed);
	test_fields();
	test_words();
	test_urls();
	test_lengths();
	test_label_count();
	test_environment();
	test_merge();
	test_many_errors();
	test_many_instances();
	test_files();
	test_options();
	return t_done();
}
