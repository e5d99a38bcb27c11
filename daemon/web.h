/* A small HTTP server on the loop: GET and HEAD, one answer a connection, nothing that a client does holds the loop up. What
 * is answered is decided elsewhere. */
#pragma once

#include "../lib/buf.h"

struct loop;
struct web;

#define WEB_TEXT "text/plain; charset=utf-8"
#define WEB_POLICY "default-src 'none'; frame-ancestors 'none'"

/* It begins as an empty text under a policy that allows nothing. */
struct web_answer {
	int status;
	const char *type;	/* of the content; static */
	const char *policy;	/* Content-Security-Policy; static */
	struct buf body;
};

/* Answers a request for a path (as it was sent, without the query). It is called for GET and HEAD only. */
typedef void (*web_answer_fn)(void *arg, const char *path, struct web_answer *ret);

/* Listens on an address as the configuration has it. 0 and *ret, or -errno of the socket. */
int web_new(struct loop *l, const char *listen, web_answer_fn answer, void *arg, struct web **ret);

/* Cuts off who is connected. */
struct web *web_free(struct web *w);
