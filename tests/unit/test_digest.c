#include "digest.h"
#include "t.h"

/* The published vectors of SipHash-2-4-128: key 00..0f, message 00, 00 01, ... */
static void test_vectors(void)
{
	static const uint8_t empty[16] = { 0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6,
					   0x6d, 0xf6, 0x72, 0x14, 0xc7, 0x55, 0x02, 0x93 };
	static const uint8_t one[16] = { 0xda, 0x87, 0xc1, 0xd8, 0x6b, 0x99, 0xaf, 0x44,
					 0x34, 0x76, 0x59, 0x11, 0x9b, 0x22, 0xfc, 0x45 };
	uint8_t key[16], m[1] = { 0 };
	struct digest d;

	for (uint8_t i = 0; i < 16; i++)
		key[i] = i;
	d = digest_bytes(key, m, 0);
	T_OK(memcmp(d.b, empty, 16) == 0);
	d = digest_bytes(key, m, 1);
	T_OK(memcmp(d.b, one, 16) == 0);
}

static void test_key_matters(void)
{
	static const uint8_t a[16] = { 1 }, b[16] = { 2 };
	struct digest x = digest_bytes(a, "repository", 10), y = digest_bytes(b, "repository", 10);

	T_OK(memcmp(x.b, y.b, 16) != 0);
}

int main(void)
{
	test_vectors();
	test_key_matters();
	return t_done();
}
