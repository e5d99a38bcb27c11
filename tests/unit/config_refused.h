/* What the tests of the configuration share. */
#pragma once

#include <errno.h>
#include <stdlib.h>

#include "../../lib/config.h"
#include "../../lib/limits.h"
#include "../../lib/util.h"
#include "t.h"

#define I(keys) "instance \"a\" {\n organization = \"o\"\n " keys "\n}\n"
#define K(keys) "konnect {\n " keys "\n}\n" I("")
#define D(keys) "daemon {\n " keys "\n}\n" I("")
#define DEF(keys) "defaults {\n " keys "\n}\n" I("")

#define URL_ALLOWED "allowed: https://HOST[:PORT][/PATH], http:// only to 127.0.0.0/8, [::1] and localhost"
#define PROXY_ALLOWED "allowed: http://HOST:PORT, https://HOST:PORT, socks5h://HOST:PORT, or empty for none"
#define MAP_ALLOWED "map \"SERVICE\" { repositories = { \"...\" } }"
#define GLOB_ALLOWED "allowed: a list of patterns PROJECT or PROJECT/REPOSITORY with * and ?"
#define LABEL_ALLOWED \
	"allowed: up to 39 of KEY=VALUE, each 1 to 63 of a-z A-Z 0-9 . _ -, beginning and ending with a letter or " \
	"digit; no key twice, of ours, or beginning with kong, konnect, mesh, kic or _"
#define SPAN_ALLOWED "allowed: a span such as 30s, 15min or 1h 30min, from 1s to 365d"
#define AGE_ALLOWED "allowed: never, or a span from 1h to 365d"
#define LIMIT_ALLOWED "allowed: 0% to 100% of the known repositories, or 0 to 2000000 of them"
#define SECRET_ALLOWED \
	"allowed: a path, relative ones are looked up in $CREDENTIALS_DIRECTORY, then beside the configuration"
#define SECTION_ALLOWED "allowed: konnect, daemon, defaults, instance \"NAME\""
#define NAME_ALLOWED "allowed: 1 to 40 of 0-9 a-z . -, beginning and ending with 0-9 or a-z"
#define OUTSIDE \
	"stands outside quotes; values of more than letters, digits and _ . % - stand in double quotes"

static inline void refused(const char *text, size_t len, const char *want)
{
	struct config *c = NULL;
	char *error = NULL;
	int r = config_load_buffer("f", text, len, &c, &error);

	T_OK_MSG(r == -EINVAL && !c, want);
	T_EQ_STR(error, want);
	free(error);
	config_free(c);
}
