/* One project's recycle bin, the only thing that proves that a repository was deleted. Read for a poll, once. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../lib/config.h"

struct bin;
struct http;
struct loop;

/* complete: the bin was read to its end, and these are the repositories in it. wait: seconds the server asks for. */
typedef void (*bin_done_fn)(void *arg, bool complete, const uint8_t (*guids)[16], size_t n, int64_t wait);

/* Starts reading. done is called once, from the loop, and the bin is freed after it. NULL when it cannot be asked for. */
struct bin *bin_start(struct loop *l, struct http *h, const struct config *all, const struct config_instance *instance,
		      const char *project, bin_done_fn done, void *arg);

/* Gives up; done is not called. NULL is fine. */
void bin_cancel(struct bin *b);
