/* A keyed 128-bit digest (SipHash-2-4 with 128-bit output): nobody without the key can make two texts collide. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DIGEST_LEN 16
#define DIGEST_KEY_LEN 16

struct digest {
	uint8_t b[DIGEST_LEN];
};

/* The digest of n bytes under the key. */
struct digest digest_bytes(const uint8_t key[DIGEST_KEY_LEN], const void *p, size_t n);

/* Zero stands for "none" where digests are kept. */
bool digest_is_zero(const struct digest *d);
