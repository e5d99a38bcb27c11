/* Secret files: read live, checked, trimmed, zeroed when dropped. */
#pragma once

#include <stddef.h>

/* Reads a secret. A relative path is looked up in $CREDENTIALS_DIRECTORY, then in directory. A file that is
 * world-readable, or writable by group or world, is refused (files in $CREDENTIALS_DIRECTORY are exempt). White space at both ends is cut.
 * 0 and *ret (free with secret_free()); otherwise -errno and *ret_error, a malloc'ed sentence that names the
 * file, the cause and what to do, and never the secret. */
int secret_read(const char *directory, const char *path, char **ret, char **ret_error);

/* Overwrites and frees; NULL is fine. Returns NULL. */
char *secret_free(char *secret);

/* Overwrites every occurrence of the secret in a text that is to be shown, plain or in Base64 (as a server that echoes a
 * request would have it), with asterisks. Secrets shorter than 8 bytes are not looked for. */
void secret_scrub(char *text, const char *secret);
