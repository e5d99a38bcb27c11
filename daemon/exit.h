/* The exit status of the program, as the manual page has it. */
#pragma once

enum exit_status {
	EXIT_OK = 0,
	EXIT_ERROR = 1,
	EXIT_USAGE = 64,
	EXIT_TRY_AGAIN = 75,	/* an instance did not get through */
	EXIT_BAD_CONFIG = 78,
};
