#include "http_handles.h"

#include <stdlib.h>

#include "../lib/util.h"

#define SPARE_MAX 100	/* as many as konnect's max_in_flight may be at most */

struct http_handles {
	CURLSH *share;
	CURL *spare[SPARE_MAX];
	size_t n;
};

struct http_handles *http_handles_new(void)
{
	struct http_handles *h = xcalloc(1, sizeof(*h));

	/* connections and names are the multi's, and shared by that; sessions were every handle's own before libcurl 8.12 */
	h->share = curl_share_init();
	if (h->share != NULL && curl_share_setopt(h->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION) == CURLSHE_OK)
		return h;
	return http_handles_free(h);
}

struct http_handles *http_handles_free(struct http_handles *h)
{
	if (h == NULL)
		return NULL;
	http_handles_trim(h);
	(void)curl_share_cleanup(h->share);
	free(h);
	return NULL;
}

CURL *http_handles_take(struct http_handles *h)
{
	CURL *easy = h->n > 0 ? h->spare[--h->n] : curl_easy_init();

	if (easy != NULL && curl_easy_setopt(easy, CURLOPT_SHARE, h->share) != CURLE_OK) {
		curl_easy_cleanup(easy);
		easy = NULL;
	}
	return easy;
}

void http_handles_give(struct http_handles *h, CURL *easy)
{
	if (h->n == SPARE_MAX) {
		curl_easy_cleanup(easy);
		return;
	}
	curl_easy_reset(easy);
	h->spare[h->n++] = easy;
}

void http_handles_trim(struct http_handles *h)
{
	while (h->n > 0)
		curl_easy_cleanup(h->spare[--h->n]);
}
