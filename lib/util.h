/* Small things everybody needs: cleanup, secrets, strict parsing, text. No I/O. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define ELEMENTSOF(a) (sizeof(a) / sizeof((a)[0]))
#define _cleanup_(f) __attribute__((cleanup(f)))
#define _printf_(a, b) __attribute__((format(printf, a, b)))

static inline void freep(void *p)
{
	free(*(void **)p);
}
#define _cleanup_free_ _cleanup_(freep)

/* malloc family that ends the process when memory is gone: a daemon of 64 MiB that cannot get a
 * kilobyte has nothing better to do, and systemd starts it again from its cache. */
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t n, size_t size);
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t n);
char *xasprintf(const char *fmt, ...) _printf_(1, 2);

/* Overwrites a secret so that the compiler cannot leave it out. */
void secret_zero(void *p, size_t n);

/* Decimal integer, nothing around it, within [min, max]. 0 or -EINVAL, -ERANGE. */
int parse_int(const char *s, int64_t min, int64_t max, int64_t *ret);

/* A span as systemd writes it ("15min", "1h 30s", "90" = seconds) in seconds. 0 or -EINVAL, -ERANGE. */
int parse_span(const char *s, int64_t *ret_sec);

/* Writes a span in the same form, largest unit first; returns buf. */
const char *format_span(char *buf, size_t n, int64_t sec);

/* The same, without what does not matter at that length: seconds above two hours, minutes above two days. */
const char *format_span_short(char *buf, size_t n, int64_t sec);

/* YYYY-MM-DD to Unix seconds at 00:00 UTC. 0 or -EINVAL. */
int parse_date(const char *s, int64_t *ret);

/* An HTTP date (RFC 9110, the IMF-fixdate form) to Unix seconds. 0 or -EINVAL. */
int parse_http_date(const char *s, int64_t *ret);

/* Length in bytes of the UTF-8 sequence at s (1 to 4), or 0 if s does not begin one. */
size_t utf8_next(const char *s, size_t n);

/* Bytes of the longest prefix of s with at most max code points, cut on a code point. */
size_t utf8_prefix(const char *s, size_t max);

/* Copies s into buf with control characters (those of direction and lines included) and broken UTF-8 made visible as "?", or
 * as a blank; never lengthens. Returns buf. */
const char *printable(char *buf, size_t n, const char *s);

/* "1 day", "2 days", "2 repositories". Returns buf. */
const char *format_count(char *buf, size_t n, uint64_t count, const char *word);

/* The same where it is needed, for the rest of the block. */
#define COUNT_OF(count, word) format_count((char[64]){ 0 }, 64, (uint64_t)(count), word)

/* ASCII only, whatever the locale. */
char ascii_lower(char c);
bool ascii_is_alnum(char c);
int ascii_strcasecmp(const char *a, const char *b);
bool ascii_has_prefix_nocase(const char *s, const char *prefix);
const char *ascii_strcasestr(const char *hay, const char *needle);

/* Glob over "project/repository": '*' and '?' do not cross '/', a pattern without '/' matches the
 * project alone, ASCII case does not matter. */
bool glob_match(const char *pattern, const char *project, const char *repository);

/* 16 bytes of a GUID from and to its 36 characters. 0 or -EINVAL. */
int guid_parse(const char *s, uint8_t ret[16]);
void guid_format(const uint8_t g[16], char ret[37]);
