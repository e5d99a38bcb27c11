/* The URLs that requests may go to. */
#pragma once

#include <stdbool.h>

struct url_parts {
	char *host;		/* malloc'ed */
	bool https, loopback;
};

/* 0; -EPROTONOSUPPORT for what is no URL, another scheme, http to another machine, or one that carries a user or a password;
 * -ENAMETOOLONG, -ENOMEM. */
int url_check(const char *url, struct url_parts *ret);
