/* The HTTP engine: libcurl's multi interface on the loop; with http_url.c and http_handles.c all that knows libcurl.
 * A transfer is an object; callers never see a socket, and never are called from within libcurl:
 * completions are delivered from the loop, so they may start, cancel and free any transfer. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;
struct http;
struct transfer;

/* What is asked for. Everything is copied by http_start(). */
struct http_request {
	const char *method;		/* GET, POST, PATCH, DELETE */
	const char *url;		/* https, or http to loopback only: anything else is refused with -EPROTONOSUPPORT */
	const char *const *headers;	/* "Name: value", NULL-terminated; may be NULL */
	const char *basic_password;	/* Basic with an empty user, or NULL */
	const char *bearer;		/* Bearer token, or NULL */
	const char *body;		/* JSON text, or NULL */
	const char *proxy;		/* NULL: the one of the environment, as libcurl has it. Never used to loopback. */
	const char *ca_file;		/* NULL: the system's */
	int64_t timeout_ms;		/* in all */
	bool stall_detection;		/* below STALL_BYTES_PER_SEC for STALL_SEC is a stall */
	size_t body_max;		/* of the answer kept whole; more fails the transfer. Only without on_chunk. */
	/* Takes the body as it arrives instead, after decompression. Non-zero stops the transfer, and
	 * http_result.aborted says so. Called from within libcurl: it may not call http_*(). */
	int (*on_chunk)(void *arg, int status, const char *p, size_t n);
};

/* What came back; valid during the completion only. */
struct http_result {
	int status;			/* 0 when no status line arrived */
	const char *error;		/* NULL when the answer is complete; otherwise why not, in words */
	bool aborted;			/* by on_chunk */
	bool sent;			/* the request may have reached the server, so its effect is unknown when error is set */
	const char *body;		/* NUL-terminated, never NULL */
	size_t body_len;
	int64_t total_ms;
};

/* The value of a response header (name without case), NULL when it was absent. For the completion only. */
const char *http_header(const struct transfer *t, const char *name);

/* An engine on this loop. user_agent is copied. */
struct http *http_new(struct loop *l, const char *user_agent);

/* Cancels what is in flight (no completion is called) and frees everything, in bounded time. */
struct http *http_free(struct http *h);

typedef void (*http_done_fn)(struct transfer *t, const struct http_result *result, void *arg);

/* Starts a request. 0 and *ret, or -errno (*ret untouched, done never called).
 * done is called exactly once, from the loop, unless the transfer is cancelled; the transfer is freed after it returns. */
int http_start(struct http *h, const struct http_request *request, http_done_fn done, void *arg, struct transfer **ret);

/* Stops a transfer without calling its completion; the pointer is dead afterwards. NULL is fine. */
void http_cancel(struct transfer *t);

/* After so long without a transfer (10 s unless told) connections are closed, and what libcurl holds for the next one is freed. */
void http_set_idle(struct http *h, int64_t ms);

/* Transfers not completed yet. */
unsigned http_in_flight(const struct http *h);

/* True for https, and for http to 127.0.0.0/8, [::1] and localhost. */
bool http_url_allowed(const char *url);
