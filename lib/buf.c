#include "buf.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util.h"

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){ .max = max };
}

void buf_done(struct buf *b)
{
	if (b->data != NULL)
		secret_zero(b->data + b->gone, b->used - b->gone);
	free(b->data);
	*b = (struct buf){ .max = b->max };
}

void buf_clear(struct buf *b)
{
	b->len = b->gone = 0;
	if (b->data != NULL)
		b->data[0] = '\0';
}

int buf_add(struct buf *b, const void *p, size_t n)
{
	if (n > b->max - b->len)
		return -E2BIG;
	if (b->len + n + 1 > b->cap) {
		size_t cap = b->cap > 0 ? b->cap : 256;

		while (cap < b->len + n + 1)
			cap *= 2;
		b->data = xrealloc(b->data, cap, 1);
		b->cap = cap;
	}
	if (n > 0)
		memcpy(b->data + b->len, p, n);
	b->len += n;
	if (b->len > b->used)
		b->used = b->len;
	b->data[b->len] = '\0';
	return 0;
}

void buf_add_some(struct buf *b, const void *p, size_t n)
{
	(void)buf_add(b, p, n < b->max - b->len ? n : b->max - b->len);
}

void buf_give_back(struct buf *b, size_t n)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), data = (uintptr_t)b->data, from = (data + b->gone + page - 1) / page * page,
		  to = (data + n) / page * page;

	/* whole pages, which are of this buffer alone */
	if (n > b->len || from >= to || madvise((void *)from, to - from, MADV_DONTNEED) < 0)
		return;
	secret_zero(b->data + b->gone, from - data - b->gone);
	b->gone = to - data;
}
