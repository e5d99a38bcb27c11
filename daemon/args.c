#include "args.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "../lib/config.h"
#include "../lib/pace.h"
#include "../lib/schedule.h"
#include "exit.h"

#define CONFIG_DEFAULT "/etc/adosyncd/adosyncd.conf"

static const char usage[] =
	"usage: adosyncd [-c FILE] [--check | --once [--approve NAME=HASH] | --dry-run [--from-file LISTING NAME]]\n"
	"\n"
	"Keeps a Kong Konnect Catalog in step with the Git repositories of Azure DevOps organizations.\n"
	"\n"
	"  -c, --config FILE            the configuration (" CONFIG_DEFAULT ")\n"
	"      --check                  print the effective configuration, without secrets, and exit\n"
	"      --once                   poll every instance once, push what changed, print a summary and exit\n"
	"      --approve NAME=HASH      with --once: let through what adosyncctl plan NAME, or --dry-run, shows with that hash\n"
	"      --dry-run                read both sides, print the plan and exit; nothing is changed anywhere\n"
	"      --from-file LISTING NAME with --dry-run: plan instance NAME from a saved listing, without any request\n"
	"      --options                print every key of the configuration, its default and what is allowed\n"
	"      --states                 print the states of an instance and of Konnect, when each is left, and the verdicts that lead to it\n"
	"      --version                print the version\n"
	"  -h, --help                   print this\n"
	"\n"
	"Exit status: 0 done, 64 wrong usage, 75 try again, 78 the configuration is refused, 1 anything else.\n";

static int wrong(const char *what)
{
	if (what != NULL)
		fprintf(stderr, "adosyncd: %s\n", what);
	fputs("adosyncd: see adosyncd --help\n", stderr);
	return EXIT_USAGE;
}

static int finish(int argc, char **argv, struct args *a)
{
	if (a->listing != NULL) {
		if (!a->dry_run)
			return wrong("--from-file goes with --dry-run");
		if (optind + 1 != argc)
			return wrong("--from-file takes a file and the name of an instance");
		a->instance = argv[optind++];
	}
	if (a->approve != NULL) {
		char *equals = strchr(a->approve, '=');

		if (!a->once)
			return wrong("--approve goes with --once");
		if (equals == NULL || equals == a->approve || equals[1] == '\0')
			return wrong("--approve takes NAME=HASH");
		*equals = '\0';
		a->hash = equals + 1;
	}
	if (optind != argc)
		return wrong("there is an argument too many");
	if (a->check + a->once + a->dry_run > 1)
		return wrong("--check, --once and --dry-run exclude each other");
	return -1;
}

int args_read(int argc, char **argv, struct args *ret)
{
	enum { OPT_CHECK = 256, OPT_ONCE, OPT_DRY_RUN, OPT_FROM_FILE, OPT_APPROVE, OPT_OPTIONS, OPT_STATES, OPT_VERSION, OPT_HELP };
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "check", no_argument, NULL, OPT_CHECK },
		{ "once", no_argument, NULL, OPT_ONCE },
		{ "dry-run", no_argument, NULL, OPT_DRY_RUN },
		{ "from-file", required_argument, NULL, OPT_FROM_FILE },
		{ "approve", required_argument, NULL, OPT_APPROVE },
		{ "options", no_argument, NULL, OPT_OPTIONS },
		{ "states", no_argument, NULL, OPT_STATES },
		{ "version", no_argument, NULL, OPT_VERSION },
		{ "help", no_argument, NULL, OPT_HELP },
		{ 0 },
	};
	struct args a = { .config = CONFIG_DEFAULT };
	int c, r;

	while ((c = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			a.config = optarg;
			break;
		case OPT_CHECK:
			a.check = true;
			break;
		case OPT_ONCE:
			a.once = true;
			break;
		case OPT_DRY_RUN:
			a.dry_run = true;
			break;
		case OPT_APPROVE:
			a.approve = optarg;
			break;
		case OPT_FROM_FILE:
			a.listing = optarg;
			break;
		case OPT_OPTIONS:
			config_print_options(stdout);
			return EXIT_OK;
		case OPT_STATES:
			schedule_print_states(stdout);
			sink_schedule_print_states(stdout);
			return EXIT_OK;
		case OPT_VERSION:
			puts("adosyncd " VERSION);
			return EXIT_OK;
		case 'h':
		case OPT_HELP:
			fputs(usage, stdout);
			return EXIT_OK;
		default:
			return wrong(NULL);
		}
	}
	r = finish(argc, argv, &a);
	if (r < 0)
		*ret = a;
	return r;
}
