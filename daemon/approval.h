/* `adosyncctl plan` and `adosyncctl approve`: what waits for a person, and letting it through, a few rows in each turn of the loop. */
#pragma once

struct approval;
struct buf;
struct source;
struct syncd;

/* answer: one line of JSON without its end, which may be megabytes: whoever wants it takes the buffer over and leaves an empty one. */
typedef void (*approval_done_fn)(struct buf *answer, void *arg);

/* Starts. hash: NULL to show only, else let through what has that hash. done is called once, from the loop; the approval is freed
 * after it. */
struct approval *approval_start(struct syncd *d, struct source *s, const char *hash, approval_done_fn done, void *arg);

/* Gives up; done is not called, and what was let through stays so. NULL is fine. */
void approval_cancel(struct approval *a);
