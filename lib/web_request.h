/* The head of an HTTP request, as much of it as a server needs that answers GET and HEAD for a few paths. Pure. */
#pragma once

#include <stddef.h>

#include "limits.h"

enum web_method { WEB_GET, WEB_HEAD, WEB_OTHER };

struct web_request {
	enum web_method method;
	char path[WEB_PATH_MAX];	/* without the query; "" for one that is longer, or of another form */
	char host[WEB_HOST_MAX];	/* whom it is for, without the port, [::1] in brackets; "": not said, "?": no host's name */
};

#define WEB_REQUEST_MORE 1

/* Reads a request out of the n bytes that have arrived so far; what follows its head is not looked at, nor is any header
 * used but Host. 0 and *ret, WEB_REQUEST_MORE, or the negative status of the answer that refuses it. */
int web_request_parse(const char *p, size_t n, struct web_request *ret);

/* "Not Found" and so on, of the statuses that are used here. */
const char *web_reason(int status);
