/* The one request that Azure DevOps is sent, and its answer in the form that lib/verdict.h judges. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../lib/buf.h"
#include "../lib/config.h"
#include "../lib/digest.h"
#include "../lib/verdict.h"
#include "http.h"

/* What is kept of an answer: all of an error's beginning, and enough of a 200 to tell HTML from a listing. */
struct answer_head {
	struct buf buf;
	bool not_json;	/* a 200 that begins like HTML: none of it is a listing */
};
void answer_head_init(struct answer_head *h);
void answer_head_done(struct answer_head *h);

/* Takes bytes as they arrive. 0: they are part of a listing, which the caller reads. -1: they are not. 1: enough, stop. */
int answer_head_take(struct answer_head *h, int status, const char *p, size_t n);

/* The answer; its listing_error is the caller's. Borrows from all three. */
struct answer answer_of(const struct transfer *t, const struct http_result *r, const struct answer_head *h);

/* The server's words, or why there is no answer; returns buf. */
const char *answer_message(const struct answer *a, char *buf, size_t n);

typedef int (*request_chunk_fn)(void *arg, int status, const char *p, size_t n);

/* Reads the PAT and sends a GET of that path below the organization's URL. key and ret_secret (both or none): the PAT's digest under the key.
 * 0; -EACCES when there is no usable PAT, another -errno when nothing can be sent; then *ret_error is a sentence. */
int azure_request(struct http *h, const struct config *all, const struct config_instance *instance, const char *path,
		  request_chunk_fn on_chunk, http_done_fn done, void *arg, struct transfer **ret, const uint8_t *key,
		  struct digest *ret_secret, char **ret_error);

/* The path of the list of all repositories, to be freed. */
char *request_listing_path(const struct config_instance *instance);
