/* The life of a daemon in a scenario: its directory, its start, its end as a kill would be, and what adosyncctl says to it. */
#pragma once

#include <jansson.h>

#include "../../daemon/commands.h"
#include "../../daemon/syncd_internal.h"

struct life {
	char directory[64];	/* holds the configuration, the secrets and the cache */
	char *config_file;
	struct loop *loop;	/* NULL before the first start */
	struct config *config;
	struct cache *cache;
	struct syncd *d;	/* NULL while there is no daemon */
};

/* Makes the directory, in memory where that can be had. False with errno set. */
bool life_begin(struct life *l);
/* Ends the daemon and removes the directory. */
void life_end(struct life *l);

/* Replaces a file of the directory as an operator would. False with errno set. */
bool life_write(const struct life *l, const char *name, const char *text);

/* Starts the daemon. NULL, or why it does not start, owned by the caller. */
char *life_start(struct life *l);
/* As a kill would: nothing is said to anybody. */
void life_kill(struct life *l);

/* What adosyncctl would be answered; the request is taken, the answer owned by the caller. */
json_t *life_command(struct life *l, json_t *request);
/* adosyncctl plan, and approve with its hash. Whether it was accepted. */
bool life_approve(struct life *l, const char *instance);
