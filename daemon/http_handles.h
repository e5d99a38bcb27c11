/* libcurl's handles, used again, and the TLS sessions they share. */
#pragma once

#include <curl/curl.h>

struct http_handles;

/* NULL when libcurl refuses. */
struct http_handles *http_handles_new(void);

/* Every handle that was taken must be back. */
struct http_handles *http_handles_free(struct http_handles *h);

/* A handle with the options of a new one, but for the TLS sessions. NULL when memory is short. */
CURL *http_handles_take(struct http_handles *h);

/* Takes it back: in no multi, and nothing that its options point to is needed any more. */
void http_handles_give(struct http_handles *h, CURL *easy);

/* Frees those that nobody has. */
void http_handles_trim(struct http_handles *h);
