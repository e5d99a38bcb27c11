/* Splits one answer of Azure DevOps' repository list into its elements while it arrives.
 *
 * Neither the body nor a tree of it is ever held: at most one element is buffered, and only when it
 * spans two chunks. The splitter proves the envelope (one object, `value` an array of objects, the
 * document closed, `count` equal to the elements seen, in either key order, a BOM allowed); whether an
 * element is good JSON is for who receives it to find out, and what other keys hold is stepped over unread. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct listing;

/* Receives the raw bytes of one element, valid during the call only. 0, or -errno to stop the listing. */
typedef int (*listing_element_fn)(void *arg, const char *p, size_t n);

struct listing *listing_new(listing_element_fn on_element, void *arg);
struct listing *listing_free(struct listing *l);

/* Takes the next n bytes. 0; -EBADMSG when this can no longer become a listing (see listing_error());
 * or what the element function returned. Once it failed it keeps failing. */
int listing_feed(struct listing *l, const char *p, size_t n);

/* Says whether what arrived is a complete listing. 0, or -EBADMSG. */
int listing_finish(struct listing *l);

/* Elements seen so far. */
uint32_t listing_count(const struct listing *l);

/* What was wrong, in words, or NULL. */
const char *listing_error(const struct listing *l);
