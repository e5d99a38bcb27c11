#include "listing.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "buf.h"
#include "guard.h"
#include "limits.h"
#include "util.h"

enum state {
	ST_BOM,			/* before the first byte, BOM possible */
	ST_OPEN,		/* before the { of the envelope */
	ST_KEY_OR_END,		/* after { */
	ST_KEY,			/* after a comma in the envelope */
	ST_IN_KEY,
	ST_COLON,
	ST_VALUE,		/* before a top-level value */
	ST_SCALAR,		/* in a number or a literal */
	ST_SKIP,		/* in a string, an object or an array nobody needs */
	ST_COMMA_OR_END,	/* after a top-level value */
	ST_ELEMENT_OR_END,	/* after the [ of `value` */
	ST_ELEMENT,		/* after a comma in `value` */
	ST_IN_ELEMENT,
	ST_ELEMENT_COMMA_OR_END,
	ST_DONE,		/* after the last } */
	ST_FAILED,
};

#define BLOCK 64	/* bytes looked at together */
#define TOO_DEEP "an element is nested too deeply"

enum key { KEY_OTHER, KEY_VALUE, KEY_COUNT };

struct listing {
	listing_element_fn on_element;
	void *arg;
	enum state state;
	enum key key;
	bool in_string, escaped;	/* within an element, a skipped value or a key */
	unsigned depth;			/* brackets open within it */
	unsigned bom;			/* bytes of the BOM seen */
	bool have_value, have_count;
	char scalar[32];		/* a key being compared, or a number */
	size_t scalar_len;
	int64_t count;
	uint32_t elements;
	int64_t bytes;
	struct buf pending;		/* the part of an element that came with earlier chunks */
	const char *error;
	int error_code;
};

struct listing *listing_new(listing_element_fn on_element, void *arg)
{
	struct listing *l = xcalloc(1, sizeof(*l));

	l->on_element = on_element;
	l->arg = arg;
	buf_init(&l->pending, LISTING_ELEMENT_MAX);
	return l;
}

struct listing *listing_free(struct listing *l)
{
	if (l != NULL) {
		buf_done(&l->pending);
		free(l);
	}
	return NULL;
}

uint32_t listing_count(const struct listing *l)
{
	return l->elements;
}

const char *listing_error(const struct listing *l)
{
	return l->error;
}

static int fail(struct listing *l, const char *why)
{
	l->state = ST_FAILED;
	l->error = why;
	l->error_code = -EBADMSG;
	return -EBADMSG;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

#ifdef __SSE2__
struct block {
	__m128i a, b, c, d;
};

static inline uint64_t bits_of(__m128i v)
{
	return (uint64_t)(unsigned)_mm_movemask_epi8(v);
}

/* One bit for each byte of the block that, with the bits of or_with set, is wanted. */
static inline uint64_t match(const struct block *b, char or_with, char wanted)
{
	const __m128i o = _mm_set1_epi8(or_with), w = _mm_set1_epi8(wanted);

	return bits_of(_mm_cmpeq_epi8(_mm_or_si128(b->a, o), w)) | bits_of(_mm_cmpeq_epi8(_mm_or_si128(b->b, o), w)) << 16 |
	       bits_of(_mm_cmpeq_epi8(_mm_or_si128(b->c, o), w)) << 32 | bits_of(_mm_cmpeq_epi8(_mm_or_si128(b->d, o), w)) << 48;
}

/* Each bit becomes the parity of itself and those below: set from each opening quote up to its closing one. */
static inline uint64_t between_pairs(uint64_t quotes)
{
	quotes ^= quotes << 1;
	quotes ^= quotes << 2;
	quotes ^= quotes << 4;
	quotes ^= quotes << 8;
	quotes ^= quotes << 16;
	return quotes ^ quotes << 32;
}

/* The brackets of a block, in their order. Bytes used: fewer than the block has when the value ends or is nested too deeply. */
static size_t brackets(struct listing *l, uint64_t open, uint64_t close, bool *closed)
{
	uint64_t both = open | close;

	for (; both != 0; both &= both - 1) {
		uint64_t lowest = both & -both;
		size_t used = (size_t)__builtin_ctzll(both) + 1;

		if ((open & lowest) != 0) {
			if (++l->depth > LISTING_DEPTH_MAX) {
				(void)fail(l, TOO_DEEP);
				return used;
			}
		} else if (--l->depth == 0) {
			*closed = true;
			return used;
		}
	}
	return BLOCK;
}

/* Moves over the whole blocks of a bracketed value, up to one in which something is escaped. Returns the bytes used. Nearly all of
 * a listing is known already, and this and the digest are all that is done with it. */
static size_t scan_blocks(struct listing *l, const char *p, size_t n, bool *closed)
{
	size_t i = 0, used;

	while (n - i >= BLOCK && !l->escaped) {
		const struct block b = {
			_mm_loadu_si128((const __m128i *)(p + i)), _mm_loadu_si128((const __m128i *)(p + i + 16)),
			_mm_loadu_si128((const __m128i *)(p + i + 32)), _mm_loadu_si128((const __m128i *)(p + i + 48)),
		};
		uint64_t inside, open, close;

		if (match(&b, 0, '\\') != 0)
			break;
		inside = between_pairs(match(&b, 0, '"')) ^ (l->in_string ? UINT64_MAX : 0);
		/* { and [, as } and ], differ in the one bit 0x20 */
		open = match(&b, 0x20, '{') & ~inside;
		close = match(&b, 0x20, '}') & ~inside;
		used = (open | close) != 0 ? brackets(l, open, close, closed) : BLOCK;
		i += used;
		if (used < BLOCK || *closed || l->state == ST_FAILED)
			break;
		l->in_string = (inside >> 63) != 0;
	}
	return i;
}
#else
static size_t scan_blocks(struct listing *l, const char *p, size_t n, bool *closed)
{
	(void)l, (void)p, (void)n, (void)closed;
	return 0;
}
#endif

/* Moves over a bracketed or quoted value. Returns the bytes used; *closed says that its last one was among them. */
static size_t scan_value(struct listing *l, const char *p, size_t n, bool *closed)
{
	size_t i = 0, next_block = 0;

	*closed = false;
	while (i < n) {
		if (i >= next_block && l->depth > 0) {
			i += scan_blocks(l, p + i, n - i, closed);
			next_block = i + BLOCK;
			if (*closed) {
				l->in_string = false;
				return i;
			}
			if (i == n || l->state == ST_FAILED)
				return i;
		}
		if (l->in_string) {
			if (l->escaped) {
				l->escaped = false;
				i++;
				continue;
			}
			while (i < n && p[i] != '"' && p[i] != '\\')
				i++;
			if (i == n)
				break;
			if (p[i++] == '\\') {
				l->escaped = true;
			} else {
				l->in_string = false;
				if (l->depth == 0) {
					*closed = true;
					return i;
				}
			}
			continue;
		}
		switch (p[i++]) {
		case '"':
			l->in_string = true;
			break;
		case '{':
		case '[':
			if (++l->depth > LISTING_DEPTH_MAX) {
				(void)fail(l, TOO_DEEP);
				return i;
			}
			break;
		case '}':
		case ']':
			if (--l->depth == 0) {
				*closed = true;
				return i;
			}
			break;
		}
	}
	return i;
}

static int emit(struct listing *l, const char *p, size_t n)
{
	int r;

	if (l->elements >= LISTING_ELEMENTS_MAX)
		return fail(l, "more repositories than this program accepts");
	if (n > LISTING_ELEMENT_MAX)
		return fail(l, "an element is larger than 1 MiB");
	l->elements++;
	r = l->on_element(l->arg, p, n);
	if (r < 0) {
		l->state = ST_FAILED;
		l->error = "an element is not a repository";
		l->error_code = r;
	}
	return r;
}

static int element_bytes(struct listing *l, const char *p, size_t n, size_t *used)
{
	bool closed;
	int r;

	*used = scan_value(l, p, n, &closed);
	if (l->state == ST_FAILED)
		return l->error_code;
	if (closed && l->pending.len == 0) {
		l->state = ST_ELEMENT_COMMA_OR_END;
		return emit(l, p, *used);
	}
	if (buf_add(&l->pending, p, *used) < 0)
		return fail(l, "an element is larger than 1 MiB");
	if (!closed)
		return 0;
	l->state = ST_ELEMENT_COMMA_OR_END;
	r = emit(l, l->pending.data, l->pending.len);
	buf_clear(&l->pending);
	return r;
}

static int key_end(struct listing *l)
{
	l->scalar[l->scalar_len < sizeof(l->scalar) ? l->scalar_len : sizeof(l->scalar) - 1] = '\0';
	l->key = KEY_OTHER;
	if (strcmp(l->scalar, "value") == 0) {
		if (l->have_value)
			return fail(l, "the key \"value\" appears twice");
		l->have_value = true;
		l->key = KEY_VALUE;
	} else if (strcmp(l->scalar, "count") == 0) {
		if (l->have_count)
			return fail(l, "the key \"count\" appears twice");
		l->have_count = true;
		l->key = KEY_COUNT;
	}
	l->state = ST_COLON;
	return 0;
}

static int key_byte(struct listing *l, char c)
{
	if ((unsigned char)c < 0x20)
		return fail(l, "not JSON");
	/* an escaped key cannot be one of ours that matters: none of the real answers escapes them */
	if (l->escaped) {
		l->escaped = false;
		l->scalar[0] = '\0';
		l->scalar_len = sizeof(l->scalar);
	} else if (c == '\\') {
		l->escaped = true;
	} else if (c == '"') {
		return key_end(l);
	} else if (l->scalar_len < sizeof(l->scalar)) {
		l->scalar[l->scalar_len++] = c;
	}
	return 0;
}

static int scalar_end(struct listing *l)
{
	l->state = ST_COMMA_OR_END;
	if (l->key != KEY_COUNT)
		return 0;
	l->scalar[l->scalar_len < sizeof(l->scalar) ? l->scalar_len : sizeof(l->scalar) - 1] = '\0';
	if (parse_int(l->scalar, 0, INT64_MAX, &l->count) < 0)
		return fail(l, "\"count\" is not a number");
	return 0;
}

static int value_begin(struct listing *l, char c)
{
	if (l->key == KEY_VALUE) {
		if (c != '[')
			return fail(l, "\"value\" is not an array");
		l->state = ST_ELEMENT_OR_END;
		return 0;
	}
	l->depth = 0;
	l->in_string = l->escaped = false;
	if (c == '"' || c == '{' || c == '[') {
		if (l->key == KEY_COUNT)
			return fail(l, "\"count\" is not a number");
		l->in_string = c == '"';
		l->depth = c == '"' ? 0 : 1;
		l->state = ST_SKIP;
		return 0;
	}
	if (!ascii_is_alnum(c) && c != '-')
		return fail(l, "not JSON");
	l->scalar[0] = c;
	l->scalar_len = 1;
	l->state = ST_SCALAR;
	return 0;
}

/* One byte of the envelope; elements and skipped values have their own loops. */
static int envelope_byte(struct listing *l, char c)
{
	switch (l->state) {
	case ST_BOM:
	case ST_OPEN:
		if (c != '{')
			return fail(l, "not a JSON object");
		l->state = ST_KEY_OR_END;
		return 0;
	case ST_KEY_OR_END:
		if (c == '}') {
			l->state = ST_DONE;
			return 0;
		}
		__attribute__((fallthrough));
	case ST_KEY:
		if (c != '"')
			return fail(l, "not JSON");
		l->scalar_len = 0;
		l->escaped = false;
		l->state = ST_IN_KEY;
		return 0;
	case ST_COLON:
		if (c != ':')
			return fail(l, "not JSON");
		l->state = ST_VALUE;
		return 0;
	case ST_VALUE:
		return value_begin(l, c);
	case ST_COMMA_OR_END:
		if (c != ',' && c != '}')
			return fail(l, "not JSON");
		l->state = c == ',' ? ST_KEY : ST_DONE;
		return 0;
	case ST_ELEMENT_OR_END:
		if (c == ']') {
			l->state = ST_COMMA_OR_END;
			return 0;
		}
		__attribute__((fallthrough));
	case ST_ELEMENT:
		if (c != '{')
			return fail(l, "an element of \"value\" is not an object");
		l->depth = 0;
		l->in_string = l->escaped = false;
		l->state = ST_IN_ELEMENT;
		return 0;
	case ST_ELEMENT_COMMA_OR_END:
		if (c != ',' && c != ']')
			return fail(l, "not JSON");
		l->state = c == ',' ? ST_ELEMENT : ST_COMMA_OR_END;
		return 0;
	case ST_DONE:
		return fail(l, "something follows the end of the document");
	case ST_IN_KEY:
	case ST_SCALAR:
	case ST_SKIP:
	case ST_IN_ELEMENT:
	case ST_FAILED:
		break;
	}
	return fail(l, "not JSON");
}

static int bom_byte(struct listing *l, char c, bool *ret_taken)
{
	static const unsigned char bom[3] = { 0xef, 0xbb, 0xbf };

	*ret_taken = (unsigned char)c == bom[l->bom];
	if (*ret_taken) {
		if (++l->bom == 3)
			l->state = ST_OPEN;
		return 0;
	}
	if (l->bom > 0)
		return fail(l, "not JSON");
	l->state = ST_OPEN;
	return 0;
}

static int step(struct listing *l, const char *p, size_t n, size_t *used)
{
	bool taken, closed;
	int r;

	*used = 1;
	switch (l->state) {
	case ST_BOM:
		r = bom_byte(l, *p, &taken);
		*used = taken ? 1 : 0;
		return r;
	case ST_IN_ELEMENT:
		return element_bytes(l, p, n, used);
	case ST_SKIP:
		*used = scan_value(l, p, n, &closed);
		if (l->state == ST_FAILED)
			return l->error_code;
		if (closed)
			l->state = ST_COMMA_OR_END;
		return 0;
	case ST_IN_KEY:
		return key_byte(l, *p);
	case ST_SCALAR:
		if (ascii_is_alnum(*p) || *p == '.' || *p == '-' || *p == '+') {
			if (l->scalar_len < sizeof(l->scalar))
				l->scalar[l->scalar_len++] = *p;
			return 0;
		}
		*used = 0;
		return scalar_end(l);
	case ST_OPEN:
	case ST_KEY_OR_END:
	case ST_KEY:
	case ST_COLON:
	case ST_VALUE:
	case ST_COMMA_OR_END:
	case ST_ELEMENT_OR_END:
	case ST_ELEMENT:
	case ST_ELEMENT_COMMA_OR_END:
	case ST_DONE:
		if (is_space(*p))
			return 0;
		r = envelope_byte(l, *p);
		/* the opening brace belongs to the element */
		if (l->state == ST_IN_ELEMENT)
			*used = 0;
		return r;
	case ST_FAILED:
		break;
	}
	return l->error_code;
}

int listing_feed(struct listing *l, const char *p, size_t n)
{
	if (l->state == ST_FAILED)
		return l->error_code;
	l->bytes += (int64_t)n;
	if (l->bytes > LISTING_BYTES_MAX)
		return fail(l, "larger than 4 GiB");
	while (n > 0) {
		size_t used;
		int r = step(l, p, n, &used);

		if (r < 0)
			return r;
		p += used;
		n -= used;
	}
	return 0;
}

int listing_finish(struct listing *l)
{
	if (l->state == ST_FAILED)
		return l->error_code;
	if (l->state != ST_DONE && GUARD("closed"))
		return fail(l, "the document is not closed");
	if (!l->have_value)
		return fail(l, "it has no \"value\"");
	if (!l->have_count && GUARD("count"))
		return fail(l, "it has no \"count\"");
	if (l->count != (int64_t)l->elements && GUARD("count"))
		return fail(l, "\"count\" differs from the number of repositories in it");
	return 0;
}
