#include "guids.h"

#include <string.h>

#include "t.h"

enum { N = 20000 };

static void guid_of(uint32_t i, uint8_t ret[16])
{
	memset(ret, 0, 16);
	memcpy(ret, &i, sizeof(i));
}

int main(void)
{
	static const uint8_t key[DIGEST_KEY_LEN] = { 1, 2, 3 };
	struct guids *g = guids_new(key);
	uint32_t added = 0, again = 0;
	uint8_t guid[16];

	/* the GUID of zeros is one like others */
	for (uint32_t i = 0; i < N; i++) {
		guid_of(i, guid);
		added += guids_add(g, guid);
		guid_of(i / 2, guid);
		again += guids_add(g, guid);
	}
	T_EQ_INT(added, N);
	T_EQ_INT(again, 0);
	for (uint32_t i = 0; i < N; i++) {
		guid_of(i, guid);
		again += guids_add(g, guid);
	}
	T_EQ_INT(again, 0);
	guid_of(N, guid);
	T_OK(guids_add(g, guid) && !guids_add(g, guid));
	guids_free(g);
	return t_done();
}
