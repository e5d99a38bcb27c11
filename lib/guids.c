#include "guids.h"

#include <string.h>

#include "util.h"

#define SLOTS_MIN 64

struct slot {
	bool used;
	uint8_t guid[16];
};

struct guids {
	const uint8_t *key;
	size_t n, n_slots;
	struct slot *slots;
};

struct guids *guids_new(const uint8_t key[DIGEST_KEY_LEN])
{
	struct guids *g = xcalloc(1, sizeof(*g));

	g->key = key;
	g->n_slots = SLOTS_MIN;
	g->slots = xcalloc(g->n_slots, sizeof(*g->slots));
	return g;
}

struct guids *guids_free(struct guids *g)
{
	if (g != NULL)
		free(g->slots);
	free(g);
	return NULL;
}

static struct slot *find(const struct guids *g, const uint8_t guid[16])
{
	struct digest d = digest_bytes(g->key, guid, 16);
	uint32_t h;
	size_t i;

	memcpy(&h, d.b, sizeof(h));
	i = (size_t)(((uint64_t)h * g->n_slots) >> 32);
	while (g->slots[i].used && memcmp(g->slots[i].guid, guid, 16) != 0)
		i = i + 1 < g->n_slots ? i + 1 : 0;
	return &g->slots[i];
}

/* By half, so that memory stays near what is needed; the old slots go as soon as the new ones are filled. */
static void grow(struct guids *g)
{
	struct slot *old = g->slots;
	size_t n = g->n_slots;

	g->n_slots = n + n / 2;
	g->slots = xcalloc(g->n_slots, sizeof(*g->slots));
	for (size_t i = 0; i < n; i++)
		if (old[i].used)
			*find(g, old[i].guid) = old[i];
	free(old);
}

bool guids_add(struct guids *g, const uint8_t guid[16])
{
	struct slot *s;

	if (g->n >= g->n_slots / 4 * 3)
		grow(g);
	s = find(g, guid);
	if (s->used)
		return false;
	s->used = true;
	memcpy(s->guid, guid, 16);
	g->n++;
	return true;
}
