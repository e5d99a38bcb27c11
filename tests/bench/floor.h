/* The bare floor: what the daemon's work costs without any of its care, from the same libraries.
 *
 * usage: floor --ca FILE [--db FILE --listing URL] [--konnect URL --token TOKEN [--in-flight N] [--answers FILE]] [COMMAND...]
 * Each argument is a command; without one they are read from standard input, a line each. Each answers with one JSON object
 * in a line:
 *   poll            reads the listing: HTTP/2 and gzip, split as it arrives, the SHA-256 of each element looked up in a table
 *                   loaded from SQLite, jansson for those it does not have, and these written back in one transaction
 *   push FILE...    sends the recorded requests of each file, and waits for the answers before the next file; the start of each
 *                   answer goes into the database of that name, if there is one, synced whenever N have come */
#pragma once

#include <curl/curl.h>
#include <stddef.h>
#include <stdnoreturn.h>

struct floor_options {
	const char *db, *listing, *konnect, *ca, *token, *answers;
	int in_flight;
};

struct floor_count {
	long listed, parsed, changed, gone;	/* elements: all, new bytes, new fields, not there any more */
	long sent, refused, connections;	/* requests */
};

/* Prints why, and ends the program. */
noreturn void floor_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* realloc() that does not fail. */
void *floor_alloc(void *p, size_t n);

void floor_poll(const struct floor_options *o, struct floor_count *n);
void floor_poll_done(void);

void floor_push(const struct floor_options *o, const char *file, struct floor_count *n);
void floor_push_done(void);

/* The answers' database. What is kept without it is nothing. */
void floor_keep_open(const struct floor_options *o);
void floor_keep(const char *text, size_t n);
void floor_keep_done(void);
