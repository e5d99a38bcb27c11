/* The guards against removing what is only out of sight, each by its name. A build with ADOSYNCD_GUARDS can be run with one
 * of them taken out ($ADOSYNCD_GUARD_OFF), so that the tests can show that each is needed. */
#pragma once

#include <stdbool.h>

#ifdef ADOSYNCD_GUARDS
#include <stdlib.h>
#include <string.h>

static inline bool guard_on(const char *name)
{
	const char *off = getenv("ADOSYNCD_GUARD_OFF");

	return off == NULL || strcmp(off, name) != 0;
}
#define GUARD(name) guard_on(name)
#else
#define GUARD(name) true
#endif
