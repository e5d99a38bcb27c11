/* Which daemon writes to Konnect: a random id, kept in a file beside the cache and as a label in Konnect. */
#pragma once

#include <stdbool.h>

#define WRITER_LEN 32

/* Reads DIRECTORY/writer, or makes it (unless read_only: then the id is empty). *ret_new: there was no such file, or
 * writer_settle() was never reached since it was made, so this daemon may take over. 0, or -errno. */
int writer_load(const char *directory, bool read_only, char ret[WRITER_LEN + 1], bool *ret_new);

/* Every integration instance carries the id: from now on another one there is another daemon's. 0, or -errno. */
int writer_settle(const char *directory, const char *id);
