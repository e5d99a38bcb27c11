/* `adosyncctl check`: tries an instance's PAT now, beside its schedule, and says in words what is wrong with it. */
#pragma once

#include <jansson.h>

struct check;
struct source;
struct source_context;

typedef void (*check_done_fn)(json_t *answer, void *arg);

/* Starts. done is called once, from the loop, with an answer that it owns; the check is freed after it. */
struct check *check_start(struct source_context *x, struct source *s, check_done_fn done, void *arg);

/* Gives up; done is not called. NULL is fine. */
void check_cancel(struct check *c);
