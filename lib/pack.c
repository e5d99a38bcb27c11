/* zlib: a text with the preset dictionary that is known of it. What zlib writes says which dictionary that was, and has a sum of the text. */
#include "pack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "buf.h"
#include "util.h"

/* The smallest that sees a whole dictionary, for texts of a kilobyte; no tree of codes is worth its own length for them. */
#define WINDOW_BITS 13
#define MEMORY_LEVEL 4
#define LEVEL 3

#define KNOWN_TEXT_MAX 2048
#define KNOWN_MAX ((size_t)16 << 10)
#define OUTPUT_STEP 2048

struct pack {
	z_stream deflater, inflater;
	const char *pieces;
	struct buf known, output;
};

static voidpf allocate(voidpf opaque, uInt n, uInt size)
{
	(void)opaque;
	return xcalloc(n, size);
}

static void release(voidpf opaque, voidpf p)
{
	(void)opaque;
	free(p);
}

struct pack *pack_new(const char *pieces)
{
	struct pack *p = xcalloc(1, sizeof(*p));

	p->pieces = pieces;
	buf_init(&p->known, KNOWN_MAX);
	buf_init(&p->output, PACK_TEXT_MAX + KNOWN_MAX);
	p->deflater.zalloc = p->inflater.zalloc = allocate;
	p->deflater.zfree = p->inflater.zfree = release;
	/* as memory never lacks, this is another zlib than was built with */
	if (deflateInit2(&p->deflater, LEVEL, Z_DEFLATED, WINDOW_BITS, MEMORY_LEVEL, Z_FIXED) != Z_OK ||
	    inflateInit2(&p->inflater, WINDOW_BITS) != Z_OK)
		abort();
	return p;
}

struct pack *pack_free(struct pack *p)
{
	if (p == NULL)
		return NULL;
	(void)deflateEnd(&p->deflater);
	(void)inflateEnd(&p->inflater);
	buf_done(&p->known);
	buf_done(&p->output);
	free(p);
	return NULL;
}

void pack_begin(struct pack *p)
{
	buf_clear(&p->known);
	buf_add_some(&p->known, p->pieces, strlen(p->pieces));
}

void pack_know(struct pack *p, const char *text)
{
	if (text != NULL)
		buf_add_some(&p->known, text, strnlen(text, KNOWN_TEXT_MAX));
}

/* zlib only reads what it is told is const. */
static Bytef *bytes(const void *p)
{
	return (Bytef *)(uintptr_t)p;
}

/* Runs a stream over n bytes to its end, into p->output. 0 or -errno. */
static int run(struct pack *p, z_stream *z, int (*step)(z_stream *z, int flush), const void *from, size_t n)
{
	uint8_t some[OUTPUT_STEP];
	int rc = Z_OK;

	z->next_in = bytes(from);
	z->avail_in = (uInt)n;
	while (rc == Z_OK || rc == Z_BUF_ERROR) {
		z->next_out = some;
		z->avail_out = sizeof(some);
		rc = step(z, Z_FINISH);
		/* the dictionary is asked for once the head is read */
		if (rc == Z_NEED_DICT && z == &p->inflater)
			rc = inflateSetDictionary(z, bytes(p->known.data), (uInt)p->known.len);
		if (z->avail_out < sizeof(some) && buf_add(&p->output, some, sizeof(some) - z->avail_out) < 0)
			return -E2BIG;
		if (rc == Z_BUF_ERROR && z->avail_out > 0)
			return -EBADMSG;
	}
	return rc == Z_STREAM_END ? 0 : -EBADMSG;
}

int pack_text(struct pack *p, const char *text, const uint8_t **ret, size_t *ret_n)
{
	size_t n = strlen(text);
	int e;

	if (n > PACK_TEXT_MAX)
		return -E2BIG;
	buf_clear(&p->output);
	(void)deflateReset(&p->deflater);
	(void)deflateSetDictionary(&p->deflater, bytes(p->known.data), (uInt)p->known.len);
	e = run(p, &p->deflater, deflate, text, n);
	*ret = (const uint8_t *)p->output.data;
	*ret_n = p->output.len;
	return e;
}

int pack_open(struct pack *p, const uint8_t *packed, size_t n, char **ret_text)
{
	buf_clear(&p->output);
	(void)inflateReset(&p->inflater);
	if (n > PACK_TEXT_MAX || run(p, &p->inflater, inflate, packed, n) < 0 || p->inflater.avail_in > 0 ||
	    p->output.len > PACK_TEXT_MAX || (p->output.len > 0 && memchr(p->output.data, 0, p->output.len) != NULL))
		return -EBADMSG;
	*ret_text = xstrdup(p->output.len > 0 ? p->output.data : "");
	return 0;
}
