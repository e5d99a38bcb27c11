/* The command line. */
#pragma once

#include <stdbool.h>

struct args {
	const char *config;		/* -c */
	bool check, once, dry_run;
	char *approve;			/* --approve: an instance's name, and */
	const char *hash;
	const char *listing;		/* --from-file LISTING NAME */
	const char *instance;
};

/* Reads the command line. -1 to go on; otherwise the program's exit status, when the answer was printed already
 * (--help, --version, --options) or the usage is wrong. */
int args_read(int argc, char **argv, struct args *ret);
