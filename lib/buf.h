/* A growable byte buffer whose maximum is fixed at birth. */
#pragma once

#include <stddef.h>

struct buf {
	char *data;	/* always followed by a NUL once something was added */
	size_t len, cap, max;
	size_t used;	/* the most that len has been */
	size_t gone;	/* see buf_give_back() */
};

/* An empty buffer that never holds more than max bytes. */
void buf_init(struct buf *b, size_t max);

/* Frees and overwrites the content; the buffer is empty and usable again. */
void buf_done(struct buf *b);

/* Forgets the content, keeps the memory. */
void buf_clear(struct buf *b);

/* Appends n bytes. 0, or -E2BIG when that would pass the maximum (nothing is added). */
int buf_add(struct buf *b, const void *p, size_t n);

/* Appends as many of n bytes as fit. */
void buf_add_some(struct buf *b, const void *p, size_t n);

/* Gives the memory of the first n bytes back, whose content is lost; what is added later stays where it is. For a large buffer that is
 * read from its start: at once the kernel would take longer than a turn of the loop has. */
void buf_give_back(struct buf *b, size_t n);
