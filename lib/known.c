#include "known.h"

#include <string.h>

#include "util.h"

/* The flags share a word with the id, which SQLite hands out from 1 upwards. */
#define FLAG_HELD (INT64_C(1) << 57)
#define ABSENT_SHIFT 58			/* two bits of enum row_absent */
#define ABSENT_MASK INT64_C(3)
#define FLAG_PROVEN (INT64_C(1) << 60)
#define FLAG_SEEN (INT64_C(1) << 61)
#define FLAG_EXCLUDED (INT64_C(1) << 62)
#define ID_MASK (FLAG_HELD - 1)

struct slot {
	struct digest raw;
	int64_t word;	/* 0 = free */
};

struct known {
	size_t n_slots, free;
	struct slot slots[];
};

struct known *known_new(size_t n)
{
	/* three of four slots used: short runs, and 32 bytes an element */
	size_t slots = n + n / 3 + 1;
	struct known *k = xcalloc(1, sizeof(*k) + slots * sizeof(k->slots[0]));

	k->n_slots = slots;
	k->free = n;
	return k;
}

struct known *known_free(struct known *k)
{
	free(k);
	return NULL;
}

/* Where the element is, or the free slot where it would be. The digest is keyed, so nobody can choose the runs. */
static struct slot *find(struct known *k, const struct digest *raw)
{
	uint32_t h;
	size_t i;

	memcpy(&h, raw->b, sizeof(h));
	i = (size_t)(((uint64_t)h * k->n_slots) >> 32);
	while (k->slots[i].word != 0 && memcmp(&k->slots[i].raw, raw, sizeof(*raw)) != 0)
		i = i + 1 < k->n_slots ? i + 1 : 0;
	return &k->slots[i];
}

bool known_add(struct known *k, const struct digest *raw, int64_t id, bool excluded, enum row_absent absent,
	       bool held)
{
	struct slot *s;

	if (k->free == 0 || id <= 0 || id > ID_MASK)
		return false;
	s = find(k, raw);
	if (s->word != 0)
		return false;
	k->free--;
	s->raw = *raw;
	s->word = id | ((int64_t)absent & ABSENT_MASK) << ABSENT_SHIFT | (excluded ? FLAG_EXCLUDED : 0) |
		  (held ? FLAG_HELD : 0);
	return true;
}

enum known_mark known_mark(struct known *k, const struct digest *raw)
{
	struct slot *s = find(k, raw);

	if (s->word == 0)
		return KNOWN_ABSENT;
	if (s->word & FLAG_SEEN)
		return KNOWN_SEEN_AGAIN;
	s->word |= FLAG_SEEN;
	return KNOWN_SEEN;
}

int64_t known_id(struct known *k, const struct digest *raw)
{
	return find(k, raw)->word & ID_MASK;
}

bool known_is_lost(struct known *k, const struct digest *raw)
{
	const struct slot *s = find(k, raw);

	return s->word != 0 && (s->word & FLAG_SEEN) == 0;
}

void known_prove(struct known *k, const struct digest *raw)
{
	struct slot *s = find(k, raw);

	if (s->word != 0)
		s->word |= FLAG_PROVEN;
}

bool known_next(const struct known *k, size_t *cursor, struct known_entry *ret)
{
	for (; *cursor < k->n_slots; (*cursor)++) {
		int64_t w = k->slots[*cursor].word;

		if (w == 0)
			continue;
		*ret = (struct known_entry){ .id = w & ID_MASK, .seen = (w & FLAG_SEEN) != 0,
					     .excluded = (w & FLAG_EXCLUDED) != 0, .proven = (w & FLAG_PROVEN) != 0, .held = (w & FLAG_HELD) != 0,
					     .absent = (enum row_absent)(w >> ABSENT_SHIFT & ABSENT_MASK) };
		(*cursor)++;
		return true;
	}
	return false;
}
