/* `adosyncctl withdraw`: shows, and with the hash of what was shown removes, what an instance owns in Konnect; also of an
 * instance that is no longer configured. The instance is paused, and its rows of the cache go with it. */
#pragma once

#include <jansson.h>

struct syncd;
struct withdrawal;

typedef void (*withdrawal_done_fn)(json_t *answer, void *arg);

/* Starts. hash: NULL to show only. done is called once, from the loop,
 * with an answer that it owns; the withdrawal is freed after it. */
struct withdrawal *withdrawal_start(struct syncd *d, const char *instance, const char *hash, withdrawal_done_fn done, void *arg);

/* Gives up; done is not called, and what is in flight is not waited for. NULL is fine. */
void withdrawal_cancel(struct withdrawal *w);
