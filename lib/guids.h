/* A growing set of GUIDs: those of a listing's elements that were not recognised, each of which may come once. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "digest.h"

struct guids;

/* The key is borrowed: nobody who can choose GUIDs chooses where they fall. */
struct guids *guids_new(const uint8_t key[DIGEST_KEY_LEN]);
struct guids *guids_free(struct guids *g);

/* False when it is in the set already. */
bool guids_add(struct guids *g, const uint8_t guid[16]);
