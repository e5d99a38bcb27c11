/* A growable byte buffer whose maximum is fixed at birth. */
#pragma once

#include <stddef.h>

struct buf {
	char *data;	/* always followed by a NUL once something was added */
	size_t len, cap, max;
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
