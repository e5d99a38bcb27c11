/* libcurl's own parser is asked, so that what is checked is what it will connect to. */
#include "http_url.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/address.h"
#include "../lib/limits.h"
#include "../lib/util.h"
#include "http.h"

/* 0, or -EPROTONOSUPPORT for what is no URL, another scheme, or one that carries a user or a password. */
static int url_parse(const char *url, struct url_parts *ret)
{
	CURLU *u = curl_url();
	char *scheme = NULL, *host = NULL, *user = NULL, *password = NULL;
	int r = -EPROTONOSUPPORT;

	if (u == NULL)
		return -ENOMEM;
	if (curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_USER, &user, 0) == CURLUE_NO_USER &&
	    curl_url_get(u, CURLUPART_PASSWORD, &password, 0) == CURLUE_NO_PASSWORD) {
		bool https = ascii_strcasecmp(scheme, "https") == 0, http = ascii_strcasecmp(scheme, "http") == 0;

		if (https || http) {
			*ret = (struct url_parts){ xstrdup(host), https, host_is_loopback(host) };
			r = 0;
		}
	}
	curl_free(scheme);
	curl_free(host);
	curl_free(user);
	curl_free(password);
	curl_url_cleanup(u);
	return r;
}

int url_check(const char *url, struct url_parts *ret)
{
	int r;

	if (strlen(url) > URL_MAX_BYTES)
		return -ENAMETOOLONG;
	r = url_parse(url, ret);
	if (r < 0)
		return r;
	if (!ret->https && !ret->loopback) {
		free(ret->host);
		return -EPROTONOSUPPORT;
	}
	return 0;
}

bool http_url_allowed(const char *url)
{
	struct url_parts parts;

	if (url_check(url, &parts) < 0)
		return false;
	free(parts.host);
	return true;
}
