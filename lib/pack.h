/* Texts kept small: deflated against what the reader knows of them anyway. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define PACK_TEXT_MAX ((size_t)256 << 10)	/* bytes of a text */

struct pack;

/* Of pieces all texts are likely to be made; borrowed. Never NULL. */
struct pack *pack_new(const char *pieces);

/* NULL is fine. Returns NULL. */
struct pack *pack_free(struct pack *p);

/* Forgets what was known of the text before. */
void pack_begin(struct pack *p);

/* Whoever opens the text later will know this of it too, in the same order. NULL is nothing; of more than 2 KiB only the start counts. */
void pack_know(struct pack *p, const char *text);

/* Packs a text. 0, and *ret is borrowed until the next call; -E2BIG when it is longer than PACK_TEXT_MAX. */
int pack_text(struct pack *p, const char *text, const uint8_t **ret, size_t *ret_n);

/* Opens what was packed. 0, and *ret_text is the caller's; -EBADMSG when it was not, or something else is known of it now. */
int pack_open(struct pack *p, const uint8_t *packed, size_t n, char **ret_text);
