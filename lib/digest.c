#include "digest.h"

#include <endian.h>
#include <string.h>

struct sip {
	uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotl(uint64_t x, int b)
{
	return x << b | x >> (64 - b);
}

static inline void sip_round(struct sip *s)
{
	s->v0 += s->v1;
	s->v1 = rotl(s->v1, 13) ^ s->v0;
	s->v0 = rotl(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = rotl(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = rotl(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = rotl(s->v1, 17) ^ s->v2;
	s->v2 = rotl(s->v2, 32);
}

static inline uint64_t load64(const uint8_t *p)
{
	uint64_t x;

	memcpy(&x, p, sizeof(x));
	return le64toh(x);
}

static inline void sip_word(struct sip *s, uint64_t m)
{
	s->v3 ^= m;
	sip_round(s);
	sip_round(s);
	s->v0 ^= m;
}

static uint64_t sip_out(struct sip *s)
{
	for (int i = 0; i < 4; i++)
		sip_round(s);
	return htole64(s->v0 ^ s->v1 ^ s->v2 ^ s->v3);
}

struct digest digest_bytes(const uint8_t key[DIGEST_KEY_LEN], const void *data, size_t n)
{
	const uint8_t *p = data, *end = p + (n & ~(size_t)7);
	uint64_t k0 = load64(key), k1 = load64(key + 8), last = (uint64_t)n << 56, out;
	struct sip s = {
		k0 ^ UINT64_C(0x736f6d6570736575), k1 ^ UINT64_C(0x646f72616e646f6d) ^ 0xee,
		k0 ^ UINT64_C(0x6c7967656e657261), k1 ^ UINT64_C(0x7465646279746573),
	};
	struct digest d;

	for (; p < end; p += 8)
		sip_word(&s, load64(p));
	for (size_t i = 0; i < (n & 7); i++)
		last |= (uint64_t)p[i] << (8 * i);
	sip_word(&s, last);
	s.v2 ^= 0xee;
	out = sip_out(&s);
	memcpy(d.b, &out, 8);
	s.v1 ^= 0xdd;
	out = sip_out(&s);
	memcpy(d.b + 8, &out, 8);
	return d;
}

bool digest_is_zero(const struct digest *d)
{
	static const struct digest zero;

	return memcmp(d, &zero, sizeof(zero)) == 0;
}
